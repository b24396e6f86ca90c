/* mptcp_urgent_test.c - the urgent mark of a plain connection arrives, whatever the path does. The
 * segments themselves are in tests/scripts/data/urgent-*. */
#include "mptcp_test.h"

enum { BLOCK = 3000, FAR = 200000 };

static struct link l;
static uint8_t bytes[FAR];

static void begin(bool mptcp) {
    struct plait_config config;
    plait_config_init(&config);
    config.mptcp = mptcp;
    link_init(&l, 1, &config);
    link_connect(&l);
}

static void write_all(uint32_t len) {
    assert_int_equal(plait_write(link_stack(&l, PAIR_A), l.a, bytes, len, l.pair.now), len);
}

static void read_all(uint32_t len) {
    assert_int_equal(plait_read(link_stack(&l, PAIR_B), l.b, bytes, len, l.pair.now), len);
}

static int mark(void) {
    return plait_set(link_stack(&l, PAIR_A), l.a, PLAIT_OPT_URGENT, 1);
}

static int64_t left(void) {
    return pair_get(&l.pair, PAIR_B, l.b, PLAIT_OPT_URGENT);
}

/* The field of the header has 16 bits: what is further ahead is told step by step. */
static void test_far_ahead(void **state) {
    (void)state;
    begin(false);
    write_all(FAR);
    assert_int_equal(mark(), 0);
    pair_run(&l.pair, 30 * PLAIT_NS_PER_S);
    assert_int_equal(left(), FAR);
    read_all(FAR - 1);
    assert_int_equal(left(), 1);
    read_all(1);
    assert_int_equal(left(), 0);
    link_finish(&l);
}

static bool lose_some(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                      uint32_t len) {
    unsigned *count = pair->filter_arg;
    (void)path, (void)packet, (void)len;
    return from == PAIR_A && ++*count % 5 == 0;
}

/* Every other block is urgent; that its mark was lost with a segment must not matter. */
static void test_losses(void **state) {
    (void)state;
    unsigned count = 0;
    begin(false);
    link_filter(&l, lose_some, &count);
    for (unsigned i = 0; i < 100; i++) {
        bool urgent = i % 2 == 0;
        write_all(BLOCK);
        assert_int_equal(urgent ? mark() : 0, 0);
        pair_run(&l.pair, 20 * PLAIT_NS_PER_S);
        assert_int_equal(left(), urgent ? BLOCK : 0);
        read_all(BLOCK);
        assert_int_equal(left(), 0);
    }
    assert_true(count > 100);
    link_filter(&l, NULL, NULL);
    link_finish(&l);
}

static void test_nothing_to_mark(void **state) {
    (void)state;
    begin(false);
    assert_int_equal(mark(), PLAIT_E_BAD_STATE);
    write_all(BLOCK);
    pair_run(&l.pair, PLAIT_NS_PER_S);
    assert_int_equal(mark(), PLAIT_E_BAD_STATE); /* all of it was acknowledged */
    read_all(BLOCK);
    link_finish(&l);
}

static void test_not_with_mptcp(void **state) {
    (void)state;
    begin(true);
    write_all(BLOCK);
    assert_int_equal(mark(), PLAIT_E_BAD_STATE);
    pair_run(&l.pair, PLAIT_NS_PER_S);
    assert_int_equal(left(), 0);
    read_all(BLOCK);
    link_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_far_ahead),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_nothing_to_mark),
        cmocka_unit_test(test_not_with_mptcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

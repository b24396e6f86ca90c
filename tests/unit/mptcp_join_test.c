/* mptcp_join_test.c - MP_JOIN: proofs, refusals, losses (RFC 8684 section 3.2). */
#include "mptcp_test.h"

struct flip {
    unsigned from;
    uint8_t option_len; /* which form: 12, 16 or 24 */
    unsigned offset;
    unsigned hits;
};

static bool flip_filter(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                        uint32_t len) {
    struct flip *f = pair->filter_arg;
    struct tamper t;
    (void)path;
    if (from != f->from || !tamper_parse(&t, packet, len)) {
        return false;
    }
    uint8_t *opt = tamper_option(&t, PL_MP_JOIN);
    if (opt != NULL && opt[1] == f->option_len) {
        opt[f->offset] ^= 0x10;
        tamper_fix(&t);
        f->hits++;
    }
    return false;
}

static void run_flipped(struct flip *f, enum plait_counter counter, unsigned side) {
    struct link l;
    link_init(&l, 2, NULL);
    link_filter(&l, flip_filter, f);
    link_connect(&l);
    link_transfer(&l, 200000);
    pair_run(&l.pair, PLAIT_NS_PER_S);
    assert_true(f->hits > 0);
    assert_true(link_count(&l, side, counter) > 0);
    assert_true(link_is_mptcp(&l));
    assert_int_equal(link_subflows(&l), 1);
    link_finish(&l);
}

static void test_two_subflows(void **state) {
    struct link l;
    (void)state;
    link_init(&l, 2, NULL);
    link_connect(&l);
    link_transfer(&l, 1000);
    pair_run(&l.pair, 100 * PLAIT_NS_PER_MS);
    assert_int_equal(link_subflows(&l), 2);
    link_transfer(&l, 500000);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_MPJoinAckRx), 1);
    link_finish(&l);
}

static void test_four_subflows_with_loss(void **state) {
    struct link l;
    (void)state;
    link_init(&l, 4, NULL);
    for (unsigned i = 0; i < 4; i++) {
        l.pair.path[i].loss_ppm = 30000;
    }
    link_connect(&l);
    link_transfer(&l, 300000);
    pair_run(&l.pair, 5 * PLAIT_NS_PER_S);
    assert_int_equal(link_subflows(&l), 4);
    link_transfer(&l, 300000);
    for (unsigned i = 0; i < 4; i++) {
        l.pair.path[i].loss_ppm = 0;
    }
    link_finish(&l);
}

static void test_wrong_hmac_in_syn_ack(void **state) {
    struct flip f = {.from = PAIR_B, .option_len = 16, .offset = 5};
    (void)state;
    run_flipped(&f, PLAIT_COUNTER_MPJoinSynAckHMacFailure, PAIR_A);
}

static void test_wrong_hmac_in_third_ack(void **state) {
    struct flip f = {.from = PAIR_A, .option_len = 24, .offset = 12};
    (void)state;
    run_flipped(&f, PLAIT_COUNTER_MPJoinAckHMacFailure, PAIR_B);
}

static void test_unknown_token(void **state) {
    struct flip f = {.from = PAIR_A, .option_len = 12, .offset = 4};
    (void)state;
    run_flipped(&f, PLAIT_COUNTER_MPJoinNoTokenFound, PAIR_B);
}

static void test_limit_of_subflows(void **state) {
    struct link l;
    struct plait_config a, b;
    (void)state;
    plait_config_init(&a);
    plait_config_init(&b);
    b.subflows_max = 2;
    struct pair_setup setup = {
        .seed = 3,
        .paths = 4,
        .address_flags = {PLAIT_ADDRESS_SUBFLOW, 0},
        .config = {&a, &b},
    };
    pair_init(&l.pair, &setup);
    l.listener = pair_listen(&l.pair, LINK_PORT);
    link_connect(&l);
    link_transfer(&l, 10000);
    pair_run(&l.pair, 10 * PLAIT_NS_PER_S);
    assert_int_equal(link_subflows(&l), 2);
    assert_true(link_count(&l, PAIR_B, PLAIT_COUNTER_MPJoinRejected) > 0);
    link_finish(&l);
}

/* The C flag: no joins to the initial address (section 3.1). */
static void test_denied_by_flag(void **state) {
    struct link l;
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.deny_join_initial = true;
    link_init(&l, 3, &config);
    link_connect(&l);
    link_transfer(&l, 10000);
    pair_run(&l.pair, 3 * PLAIT_NS_PER_S);
    assert_int_equal(link_subflows(&l), 1);
    assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_MPJoinSynTx), 0);
    link_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_subflows),
        cmocka_unit_test(test_four_subflows_with_loss),
        cmocka_unit_test(test_wrong_hmac_in_syn_ack),
        cmocka_unit_test(test_wrong_hmac_in_third_ack),
        cmocka_unit_test(test_unknown_token),
        cmocka_unit_test(test_limit_of_subflows),
        cmocka_unit_test(test_denied_by_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

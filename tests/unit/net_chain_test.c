/* net/chain: boxes in a row, ways, times. */
#include "net_chain_pair.h"

static void empty_chain_lets_pass(void **state) {
    (void)state;
    open_chain(NULL, 0);
    send_data(1000, "abc");
    assert_data(0, 1000, "abc");
    assert_int_equal(pl_chain_deadline(&chain), PLAIT_TIME_NEVER);
    close_chain();
}

/* Out: the first box first; in: the last one. */
static void keeps_the_order_of_boxes(void **state) {
    const char *const boxes[] = {"split/out", "dup/out"};
    const char *const turned[] = {"dup/out", "split/out"};
    (void)state;
    open_chain(boxes, 2);
    send_data(1000, "abcd");
    assert_int_equal(output_count, 4);
    assert_data(0, 1000, "ab");
    assert_data(1, 1000, "ab");
    assert_data(2, 1002, "cd");
    close_chain();
    open_chain(turned, 2);
    send_data(1000, "abcd");
    assert_data(1, 1002, "cd");
    close_chain();
}

static void acts_on_its_way_only(void **state) {
    (void)state;
    open_box("dup/in");
    send_data(1000, "abc");
    assert_int_equal(output_count, 1);
    send_ack(1003);
    assert_int_equal(output_count, 3);
    assert_int_equal(pl_chain_acted(&chain, 0), 1);
    close_chain();
}

static void begins_in_the_middle(void **state) {
    (void)state;
    open_box("dup/out/after=5");
    send_data(1000, "abc");
    send_data(1003, "def");
    assert_int_equal(output_count, 2);
    send_data(1006, "ghi");
    assert_int_equal(output_count, 4);
    close_chain();
}

static void has_times(void **state) {
    struct pl_box_config config = {
        .kind = PL_BOX_KIND_DUP, .ways = PL_BOX_WAY_BOTH, .from = 10, .until = 20};
    (void)state;
    assert_int_equal(pl_chain_init(&chain, &memory.env, &config, 1, take_output, NULL), 0);
    for (plait_time now = 9; now <= 20; now += 11) {
        enter(PL_BOX_OUT, PL_TCP_ACK, 1, 1, "a", 1, now);
    }
    assert_int_equal(output_count, 2);
    close_chain();
    assert_int_equal(pl_chain_init(&chain, &memory.env, &config, 1, take_output, NULL), 0);
    enter(PL_BOX_OUT, PL_TCP_ACK, 1, 1, "a", 1, 10);
    assert_int_equal(output_count, 2);
    close_chain();
}

static void too_many_are_refused(void **state) {
    struct pl_box_config configs[PL_CHAIN_MAX + 1] = {{.kind = PL_BOX_KIND_DUP}};
    (void)state;
    assert_int_equal(
        pl_chain_init(&chain, &memory.env, configs, PL_CHAIN_MAX + 1, take_output, NULL),
        PLAIT_E_BAD_ARGUMENT);
    pl_chain_fini(&chain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(empty_chain_lets_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_the_order_of_boxes, setup, teardown),
        cmocka_unit_test_setup_teardown(acts_on_its_way_only, setup, teardown),
        cmocka_unit_test_setup_teardown(begins_in_the_middle, setup, teardown),
        cmocka_unit_test_setup_teardown(has_times, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

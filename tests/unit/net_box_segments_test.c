/* net/box_segments: split, coalesce, hold behind a hole. */
#include "net_chain_pair.h"

static void splits_in_two(void **state) {
    (void)state;
    open_box("split");
    send_data(1000, "abcde");
    assert_data(0, 1000, "ab");
    assert_data(1, 1002, "cde");
    assert_true(has_mptcp(0) && has_mptcp(1));
    assert_int_equal(outputs[0].seg.flags, PL_TCP_ACK);
    assert_int_equal(outputs[1].seg.flags, PL_TCP_ACK | PL_TCP_PSH);
    close_chain();
    open_box("split-bare");
    send_data(1000, "abcde");
    assert_true(has_mptcp(0));
    assert_false(has_mptcp(1));
    close_chain();
}

static void coalesces_what_follows(void **state) {
    (void)state;
    open_box("coalesce/out");
    send_data(1000, "abc");
    assert_int_equal(output_count, 0);
    assert_int_not_equal(pl_chain_deadline(&chain), PLAIT_TIME_NEVER);
    send_data(1003, "de");
    assert_int_equal(output_count, 1);
    assert_data(0, 1000, "abcde");
    send_data(1005, "f"); /* waits */
    send_data(1007, "h"); /* does not follow */
    assert_data(1, 1005, "f");
    pl_chain_tick(&chain, pl_chain_deadline(&chain));
    assert_data(2, 1007, "h");
    assert_int_equal(pl_chain_deadline(&chain), PLAIT_TIME_NEVER);
    send_data(1008, "i");
    enter(PL_BOX_OUT, PL_TCP_FIN | PL_TCP_ACK, 1009, 9000, NULL, 0, 0); /* keeps its place */
    assert_data(3, 1008, "i");
    assert_int_equal(output_count, 5);
    close_chain();
}

static void holds_what_is_behind_a_hole(void **state) {
    (void)state;
    open_box("hole/out");
    send_data(1000, "abc");
    send_data(1006, "ghi");
    send_data(1009, "jkl");
    enter(PL_BOX_OUT, PL_TCP_FIN | PL_TCP_ACK, 1012, 9000, NULL, 0, 0);
    assert_int_equal(output_count, 1);
    send_data(1003, "def");
    assert_int_equal(output_count, 5);
    assert_data(1, 1003, "def");
    assert_data(2, 1006, "ghi");
    assert_data(3, 1009, "jkl");
    send_data(1000, "abc"); /* a repetition */
    assert_data(5, 1000, "abc");
    close_chain();
}

static void bounded_and_given_back(void **state) {
    (void)state;
    open_box("hole/out");
    send_data(1000, "a");
    for (uint32_t i = 0; i < 200; i++) {
        send_data(1100 + i, "x");
    }
    assert_int_equal(output_count, 1);
    close_chain(); /* teardown: no memory is left */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(splits_in_two, setup, teardown),
        cmocka_unit_test_setup_teardown(coalesces_what_follows, setup, teardown),
        cmocka_unit_test_setup_teardown(holds_what_is_behind_a_hole, setup, teardown),
        cmocka_unit_test_setup_teardown(bounded_and_given_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

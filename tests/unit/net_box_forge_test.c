/* net/box_forge: a proxy that acknowledges, a censor, small windows. */
#include "net_chain_pair.h"

static void proxy_acknowledges_and_repeats(void **state) {
    (void)state;
    open_box("proxy-ack/out");
    send_ack(1000); /* the receiver's numbers are known now */
    send_data(1000, "abc");
    assert_int_equal(output_count, 3);
    assert_int_equal(outputs[1].way, PL_BOX_IN); /* the answer */
    assert_int_equal(outputs[1].seg.ack.v, 1003);
    assert_int_equal(outputs[1].seg.seq.v, 9000);
    assert_int_equal(outputs[1].seg.src_port, server.port);
    assert_false(has_mptcp(1));
    assert_data(2, 1000, "abc");
    send_data(1006, "ghi"); /* not what is behind a hole */
    assert_int_equal(output_count, 4);
    pl_chain_tick(&chain, pl_chain_deadline(&chain)); /* no word of the receiver */
    assert_data(4, 1000, "abc");
    send_ack(1003);
    assert_int_equal(pl_chain_deadline(&chain), PLAIT_TIME_NEVER);
    close_chain();
}

/* A first segment that is lost before the box is not the box's to acknowledge. */
static void proxy_begins_where_the_receiver_is(void **state) {
    (void)state;
    open_box("proxy-ack/out");
    send_ack(1000);
    send_data(1003, "def");
    assert_int_equal(output_count, 2);
    send_data(1000, "abc");
    assert_int_equal(outputs[2].seg.ack.v, 1003);
    close_chain();
}

static void resets_once_a_flow(void **state) {
    (void)state;
    open_box("rst/out");
    enter(PL_BOX_OUT, PL_TCP_SYN, 999, 0, NULL, 0, 0);
    send_ack(1000);
    send_data(1000, "abc");
    assert_int_equal(output_count, 5);
    assert_int_equal(outputs[2].way, PL_BOX_OUT);
    assert_int_equal(outputs[2].seg.flags, PL_TCP_RST | PL_TCP_ACK);
    assert_int_equal(outputs[2].seg.seq.v, 1000);
    assert_int_equal(outputs[3].way, PL_BOX_IN);
    assert_int_equal(outputs[3].seg.flags, PL_TCP_RST | PL_TCP_ACK);
    assert_int_equal(outputs[3].seg.seq.v, 9000);
    send_data(1003, "def");
    assert_int_equal(output_count, 6);
    enter(PL_BOX_OUT, PL_TCP_SYN, 555, 0, NULL, 0, 0); /* the same ports, another flow */
    send_data(556, "abc");
    assert_int_equal(output_count, 10);
    close_chain();
}

static void late_resets_spare_new_flows(void **state) {
    (void)state;
    open_box("rst/out/after=3");
    send_data(1000, "abc");
    enter(PL_BOX_OUT, PL_TCP_SYN, 555, 0, NULL, 0, 0);
    send_data(556, "abc");
    assert_int_equal(output_count, 3);
    close_chain();
}

static void windows_shrink(void **state) {
    (void)state;
    open_box("clamp/in");
    send_data(1000, "abc");
    assert_int_equal(outputs[0].seg.window_raw, 60000);
    send_ack(1003);
    assert_int_equal(outputs[1].seg.window_raw, 8192);
    close_chain();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(proxy_acknowledges_and_repeats, setup, teardown),
        cmocka_unit_test_setup_teardown(proxy_begins_where_the_receiver_is, setup, teardown),
        cmocka_unit_test_setup_teardown(resets_once_a_flow, setup, teardown),
        cmocka_unit_test_setup_teardown(late_resets_spare_new_flows, setup, teardown),
        cmocka_unit_test_setup_teardown(windows_shrink, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

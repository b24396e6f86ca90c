/* mptcp_phase_test.c - the life of one subflow: up, closed by either end, dead. */
#include "mptcp/internal.h"
#include "mptcp/subflow.h"
#include "mptcp_peer_test.h"

/* The peer's FIN ends this subflow and nothing else (RFC 8684 section 3.3.3). */
static void test_fin_of_a_subflow(void **state) {
    struct plait_event event;
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer_data(&peer, second, 0, 500);
    peer_send(&peer,
              &(struct peer_seg){.flow = second, .flags = PL_TCP_FIN, .seq = PEER_NO_OFFSET});
    assert_int_equal(peer_subflow(&peer, second)->phase, PL_SF_CLOSING);
    assert_true(peer.flow[second].fin_in); /* ours follows */
    peer_send(&peer, &(struct peer_seg){.flow = second, .seq = PEER_NO_OFFSET});
    peer_run(&peer, 0);
    assert_null(peer_subflow(&peer, second));
    assert_true(next_event(PLAIT_EVENT_SF_CLOSED, &event));
    assert_int_equal(event.error, 0);
    assert_int_equal(event.port, peer.port[1]);
    peer_data(&peer, 0, 500, 500);
    expect_read(1000);
    assert_int_equal(option(PLAIT_OPT_STATE), PLAIT_SOCKET_OPEN);
    peer_fini(&peer);
}

/* Even of the first and only one: the connection waits for another. */
static void test_fin_of_the_only_subflow(void **state) {
    (void)state;
    uint8_t byte;
    begin_with(&(struct peer_setup){.paths = 2});
    peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_FIN, .seq = PEER_NO_OFFSET});
    peer_send(&peer, &(struct peer_seg){.seq = PEER_NO_OFFSET});
    assert_int_equal(plait_read(peer.stack, peer.sock, &byte, 1, peer.now), PLAIT_E_AGAIN);
    assert_int_equal(plait_write(peer.stack, peer.sock, "\0", 1, peer.now), 1);
    peer_run(&peer, SECOND);
    assert_int_equal(option(PLAIT_OPT_STATE), PLAIT_SOCKET_OPEN);
    unsigned second = peer_join(&peer, 1, false);
    peer_run(&peer, 3 * SECOND);
    assert_int_equal(peer.got_to, 1);
    peer_data(&peer, second, 0, 100);
    expect_read(100);
    peer_fini(&peer);
}

/* A subflow that is closing still takes what the peer sends, and carries nothing new. */
static void test_closing_subflow(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    pl_subflow_close(peer_subflow(&peer, second), peer.now);
    peer_pull(&peer);
    assert_true(peer.flow[second].fin_in);
    assert_false(pl_subflow_usable(peer_subflow(&peer, second)));
    peer_data(&peer, second, 0, 500);
    expect_read(500);
    peer_write(&peer, 0, 500);
    assert_int_equal(peer_find(&peer, 0, PL_MP_DSS)->flow, 0);
    peer_fini(&peer);
}

/* Reset by the peer: an event with the reason, and the flow is unknown from then on. */
static void test_reset_subflow(void **state) {
    struct plait_event event;
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer_send(&peer,
              &(struct peer_seg){.flow = second, .flags = PL_TCP_RST, .seq = PEER_NO_OFFSET});
    assert_true(next_event(PLAIT_EVENT_SF_CLOSED, &event));
    assert_int_equal(event.error, PLAIT_E_RESET);
    peer.flow[second].rst_in = false;
    peer_data(&peer, second, 0, 100);
    assert_true(peer.flow[second].rst_in);
    expect_read(0);
    peer_fini(&peer);
}

static void test_look_ups(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    struct pl_conn *conn = peer_conn(&peer);
    struct pl_subflow *a = peer_subflow(&peer, 0), *b = peer_subflow(&peer, second);
    assert_ptr_equal(pl_conn_subflow(conn, a->serial), a);
    assert_ptr_equal(pl_conn_subflow(conn, b->serial), b);
    assert_null(pl_conn_subflow(conn, 99));
    assert_ptr_equal(pl_conn_signal_subflow(conn), a);
    a->stale = true; /* signals go where they arrive */
    assert_ptr_equal(pl_conn_signal_subflow(conn), b);
    b->stale = true;
    assert_ptr_equal(pl_conn_signal_subflow(conn), a);
    a->phase = PL_SF_CLOSING;
    assert_ptr_equal(pl_conn_signal_subflow(conn), b);
    b->phase = PL_SF_PRE;
    assert_ptr_equal(pl_conn_signal_subflow(conn), a);
    b->phase = PL_SF_UP;
    a->phase = PL_SF_UP;
    peer_fini(&peer);
}

static void back_to_pre(unsigned flow) {
    peer_subflow(&peer, flow)->phase = PL_SF_PRE;
    peer_subflow(&peer, flow)->join_resend_at = peer.now;
    pl_conn_touch(peer_conn(&peer));
}

/* The initiator of a join sends nothing before its third ACK is acknowledged, and repeats it. */
static void test_pre_established(void **state) {
    (void)state;
    unsigned flow;
    peer_init(&peer, &(struct peer_setup){.paths = 2, .address_flags = PLAIT_ADDRESS_SUBFLOW});
    peer_accept(&peer);
    peer_run(&peer, MS);
    assert_true(peer_answer_join(&peer, 0, false, &flow));
    assert_int_equal(peer_subflow(&peer, flow)->phase, PL_SF_UP);
    back_to_pre(flow); /* as if it had been lost */
    unsigned from = peer.log_count;
    peer_run(&peer, 3 * SECOND);
    unsigned joins = peer_count(&peer, from, PL_MP_JOIN);
    assert_in_range(joins, 2, 6);
    assert_int_equal(peer_find(&peer, from, PL_MP_JOIN)->seg.options.mptcp.join.len, 24);
    peer_ack(&peer, flow, 0);
    assert_int_equal(peer_subflow(&peer, flow)->phase, PL_SF_UP);
    back_to_pre(flow);
    peer_run(&peer, 30 * SECOND); /* never: given up */
    assert_true(peer.flow[flow].rst_in);
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fin_of_a_subflow), cmocka_unit_test(test_fin_of_the_only_subflow),
        cmocka_unit_test(test_closing_subflow),  cmocka_unit_test(test_reset_subflow),
        cmocka_unit_test(test_look_ups),         cmocka_unit_test(test_pre_established),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mptcp_open_test.c - how connections and subflows begin, and which joins are refused with which
 * reason (RFC 8684 sections 3.1, 3.2 and 3.6). */
#include "mptcp/subflow.h"
#include "mptcp_peer_test.h"

/* The RST that answers a SYN: it belongs to no subflow of the stack. */
static uint8_t refused_with(unsigned from, unsigned flow) {
    const struct peer_rx *rst = expect_rst(from, flow);
    assert_false(peer.flow[flow].open);
    assert_true(pl_mptcp_has(&rst->seg.options.mptcp, PL_MP_TCPRST));
    return rst->seg.options.mptcp.tcprst.reason;
}

static void test_join_unknown_token(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    peer.token_remote ^= 1;
    unsigned from = peer.log_count, flow = peer_join(&peer, 1, false);
    assert_int_equal(refused_with(from, flow), PL_RESET_MPTCP);
    expect_counter(PLAIT_COUNTER_MPJoinNoTokenFound, 1);
    peer_fini(&peer);
}

/* Before the connection is fully established (section 3.1) a join comes too early. */
static void test_join_too_early(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2, .stay_embryonic = true});
    unsigned from = peer.log_count, flow = peer_join(&peer, 1, false);
    assert_int_equal(refused_with(from, flow), PL_RESET_UNSPECIFIED);
    peer_ack(&peer, 0, 0);
    assert_true(peer.flow[peer_join(&peer, 1, false)].open);
    peer_fini(&peer);
}

static void test_join_limit(void **state) {
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.subflows_max = 2;
    begin_with(&(struct peer_setup){.paths = 3, .config = &config});
    assert_true(peer.flow[peer_join(&peer, 1, false)].open);
    unsigned from = peer.log_count, flow = peer_join(&peer, 2, false);
    assert_int_equal(refused_with(from, flow), PL_RESET_PROHIBITED);
    expect_counter(PLAIT_COUNTER_MPJoinRejected, 1);
    peer_fini(&peer);
}

/* A second subflow between the same two addresses, and one to another address of the stack. */
static void test_join_anywhere(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned same = peer_join(&peer, 0, false), other = peer_join(&peer, 1, true);
    assert_true(peer.flow[same].open && peer.flow[other].open);
    assert_int_equal(peer.flow[same].remote_id, 0); /* the address of the first subflow */
    assert_int_not_equal(peer.flow[other].remote_id, 0);
    assert_true(peer_subflow(&peer, other)->backup_peer);
    assert_int_equal(peer_subflow(&peer, other)->remote_id, peer.flow[other].local_id);
    expect_counter(PLAIT_COUNTER_MPJoinSynBackupRx, 1);
    peer_data(&peer, same, 0, 100);
    peer_data(&peer, other, 100, 100);
    expect_read(200);
    peer_fini(&peer);
}

/* To a port that is neither the connection's nor announced. */
static void test_join_to_another_port(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    peer.join_port = 4321;
    unsigned flow = peer_join(&peer, 1, false);
    assert_false(peer.flow[flow].open);
    expect_counter(PLAIT_COUNTER_MismatchPortSynRx, 1);
    expect_counter(PLAIT_COUNTER_MPJoinSynRx, 1);
    expect_counter(PLAIT_COUNTER_MPJoinPortSynRx, 0);
    peer_fini(&peer);
}

static void test_no_joins_when_closed(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    struct pl_mptcp_options o = peer_map(&peer, 0, 0, 0, true);
    peer_pull(&peer);
    send_options(0, &o);
    peer_ack(&peer, 0, 1);
    assert_true(next_event(PLAIT_EVENT_CLOSED, NULL));
    unsigned flow = peer_join(&peer, 1, false);
    assert_false(peer.flow[flow].open);
    assert_true(peer.flow[flow].rst_in);
    peer_fini(&peer);
}

static void same_numbers(void *user, void *buf, size_t len) {
    (void)user;
    memset(buf, 0x42, len);
}

/* Every key gives a token that is taken: plain TCP, and the connection works. */
static void test_no_free_token(void **state) {
    (void)state;
    peer_init(&peer, NULL);
    peer.env.env.random = same_numbers;
    peer_connect(&peer);
    unsigned from = peer.log_count;
    peer.flow[1] = peer.flow[0];
    peer.flow[1].local.port++;
    peer.flow[1].nxt = 0;
    peer.flow_count = 2;
    struct pl_mptcp_options o = {.present = 1 << PL_MP_CAPABLE};
    o.capable.len = 4;
    o.capable.version = 1;
    o.capable.flags = PL_CAPABLE_HMAC_SHA256;
    peer_send(&peer, &(struct peer_seg){.flow = 1, .flags = PL_TCP_SYN, .no_ack = true, .o = &o});
    const struct peer_rx *rx = peer_find(&peer, from, -1);
    assert_non_null(rx);
    assert_int_equal(rx->seg.flags, PL_TCP_SYN | PL_TCP_ACK);
    assert_int_equal(rx->seg.options.mptcp.present, 0);
    expect_counter(PLAIT_COUNTER_MPFallbackTokenInit, 1);
    peer.flow[1].irs = rx->seg.seq.v;
    peer.flow[1].rcv_nxt = 0;
    peer_send(&peer, &(struct peer_seg){.flow = 1, .seq = PEER_NO_OFFSET});
    assert_int_equal(plait_accept(peer.stack, peer.listener, &peer.sock), 0);
    send_next(1, 0, 500, NULL);
    expect_read(500);
    peer_fini(&peer);
}

/* A held SYN: nothing is said before it is confirmed, then everything as usual. */
static void test_held_syn(void **state) {
    (void)state;
    for (unsigned confirm = 0; confirm < 2; confirm++) {
        plait_sock listener;
        peer_init(&peer, NULL);
        assert_int_equal(plait_open(peer.stack, &listener), 0);
        assert_int_equal(plait_set(peer.stack, listener, PLAIT_OPT_DEFER, 1), 0);
        assert_int_equal(plait_bind(peer.stack, listener, 0, NULL, PEER_PORT), 0);
        assert_int_equal(plait_listen(peer.stack, listener, 4), 0);
        peer.flow_count = 1;
        peer.flow[0] =
            (struct peer_flow){.iss = 7,
                               .local = pair_endpoint(PAIR_A, 0, PLAIT_IPV4, 1234),
                               .remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, PEER_PORT)};
        struct pl_mptcp_options o = {.present = 1 << PL_MP_CAPABLE};
        o.capable.len = 4;
        o.capable.version = 1;
        o.capable.flags = PL_CAPABLE_HMAC_SHA256;
        peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_SYN, .no_ack = true, .o = &o});
        assert_int_equal(peer.log_count, 0);
        assert_int_equal(plait_accept(peer.stack, listener, &peer.sock), 0);
        assert_int_equal(option(PLAIT_OPT_STATE), PLAIT_SOCKET_HELD);
        if (confirm) {
            assert_int_equal(plait_confirm(peer.stack, peer.sock, peer.now), 0);
        } else {
            assert_int_equal(plait_abort(peer.stack, peer.sock, PLAIT_E_REFUSED, peer.now), 0);
        }
        peer_pull(&peer);
        assert_int_equal(peer.log_count, 1);
        uint8_t flags = peer.log[0].seg.flags & (PL_TCP_SYN | PL_TCP_RST);
        assert_int_equal(flags, confirm ? PL_TCP_SYN : PL_TCP_RST);
        peer_fini(&peer);
    }
}

/* The peer does not answer, refuses, or answers without MPTCP. */
static void test_connect_results(void **state) {
    struct plait_endpoint remote = pair_endpoint(PAIR_A, 0, PLAIT_IPV4, PEER_PORT);
    struct plait_event event;
    (void)state;
    for (unsigned way = 0; way < 3; way++) {
        peer_init(&peer, NULL);
        assert_int_equal(plait_open(peer.stack, &peer.sock), 0);
        assert_int_equal(plait_connect(peer.stack, peer.sock, &remote, peer.now), 0);
        peer_pull(&peer);
        const struct peer_rx *syn = &peer.log[0];
        peer.flow_count = 1;
        peer.flow[0] = (struct peer_flow){.local = syn->dst, .remote = syn->src};
        peer.flow[0].irs = syn->seg.seq.v;
        if (way == 0) {
            peer_run(&peer, 200 * SECOND);
            assert_true(next_event(PLAIT_EVENT_ERROR, &event));
            assert_int_equal(event.error, PLAIT_E_TIMED_OUT);
        } else if (way == 1) {
            peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_RST});
            assert_true(next_event(PLAIT_EVENT_ERROR, &event));
            assert_int_equal(event.error, PLAIT_E_REFUSED);
        } else {
            peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_SYN});
            assert_true(next_event(PLAIT_EVENT_CONNECTED, NULL));
            assert_int_equal(option(PLAIT_OPT_IS_MPTCP), 0);
            expect_counter(PLAIT_COUNTER_MPCapableFallbackSYNACK, 1);
        }
        peer_fini(&peer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join_unknown_token),   cmocka_unit_test(test_join_too_early),
        cmocka_unit_test(test_join_limit),           cmocka_unit_test(test_join_anywhere),
        cmocka_unit_test(test_join_to_another_port), cmocka_unit_test(test_no_joins_when_closed),
        cmocka_unit_test(test_no_free_token),        cmocka_unit_test(test_held_syn),
        cmocka_unit_test(test_connect_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

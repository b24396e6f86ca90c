/* mptcp_upper_test.c - which options stand on which segment, and which are listened to. */
#include <stdlib.h>
#include "mptcp/subflow.h"

#include "mptcp_peer_test.h"
#include "mptcp_storm.h"

/* Whatever the stack sends in a long life with everything in it: what stands where is legal. */
static void test_options_by_kind(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2, .address_flags = PLAIT_ADDRESS_SIGNAL});
    peer_join(&peer, 1, false);
    peer.auto_ack = true;
    peer_write(&peer, 0, 30000);
    peer_run(&peer, 2 * SECOND);
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    peer_run(&peer, 2 * SECOND);
    for (unsigned i = 0; i < peer.log_count; i++) {
        const struct pl_segment *seg = &peer.log[i].seg;
        const struct pl_mptcp_options *o = &seg->options.mptcp;
        bool syn = (seg->flags & PL_TCP_SYN) != 0;
        assert_int_equal(o->bad + o->unknown, 0);
        if (syn) {
            assert_false(pl_mptcp_has(o, PL_MP_DSS));
            assert_int_equal(pl_mptcp_has(o, PL_MP_CAPABLE) + pl_mptcp_has(o, PL_MP_JOIN), 1);
        }
        if (seg->payload_len > 0) { /* mapped, each one (section 3.7) */
            assert_true(pl_mptcp_has(o, PL_MP_DSS) && o->dss.has_map);
        }
    }
    peer_fini(&peer);
}

/* A subflow's RST says why; that of a connection is MP_FASTCLOSE and nothing else. */
static void test_rst_options(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false), from = peer.log_count;
    pl_subflow_reset(peer_subflow(&peer, second), PL_RESET_OUTSTANDING, true, PLAIT_E_ABORTED,
                     peer.now);
    peer_pull(&peer);
    const struct pl_mptcp_options *o = &expect_rst(from, second)->seg.options.mptcp;
    assert_int_equal(o->present, 1 << PL_MP_TCPRST);
    assert_int_equal(o->tcprst.reason, PL_RESET_OUTSTANDING);
    assert_true(o->tcprst.transient);
    expect_counter(PLAIT_COUNTER_MPRstTx, 1);
    from = peer.log_count;
    assert_int_equal(plait_abort(peer.stack, peer.sock, PLAIT_E_ABORTED, peer.now), 0);
    peer_pull(&peer);
    assert_int_equal(expect_rst(from, 0)->seg.options.mptcp.present, 1 << PL_MP_FASTCLOSE);
    expect_counter(PLAIT_COUNTER_MPFastcloseTx, 1);
    peer_fini(&peer);
}

/* Several options in one segment are all obeyed. */
static void test_many_in_one(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer_write(&peer, 0, 1000);
    struct pl_mptcp_options o = peer_map(&peer, 0, 0, 500, false);
    o.present |= 1 << PL_MP_PRIO | 1 << PL_MP_REMOVE_ADDR;
    o.prio.backup = true;
    o.remove_addr.count = 1;
    o.remove_addr.ids[0] = peer.flow[second].local_id;
    send_next(0, 0, 500, &o);
    expect_read(500);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    assert_true(peer_subflow(&peer, 0)->backup_peer);
    assert_true(peer_subflow(&peer, second)->doubted);
    peer_fini(&peer);
}

/* Nothing of MPTCP is believed on a segment that TCP does not accept. */
static void test_unacceptable_segment(void **state) {
    (void)state;
    begin();
    peer_write(&peer, 0, 1000);
    struct pl_mptcp_options o = peer_map(&peer, 0, 0, 500, false);
    send_at(0, INT64_C(0x40000000), 0, 500, &o); /* far outside the window */
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 1000);
    expect_read(0);
    peer_fini(&peer);
}

/* Options of the handshake, long after it, and half of them wrong: nothing happens. */
static void test_late_handshake_options(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    struct pl_mptcp_options o = {.present = 1 << PL_MP_CAPABLE};
    o.capable.len = 20;
    o.capable.version = 1;
    o.capable.flags = PL_CAPABLE_HMAC_SHA256;
    o.capable.key_sender = 1;
    o.capable.key_receiver = 2;
    send_options(0, &o);
    send_options(second, &o);
    o.present = 1 << PL_MP_JOIN;
    o.join.len = 24;
    send_options(0, &o);
    send_options(second, &o);
    peer_data(&peer, 0, 0, 100);
    peer_data(&peer, second, 100, 100);
    expect_read(200);
    assert_false(peer.flow[0].rst_in || peer.flow[second].rst_in);
    peer_fini(&peer);
}

/* A DSS before the keys are there (a SYN/ACK is out) is not looked at. */
static void test_plain_connection_ignores(void **state) {
    (void)state;
    struct plait_config config;
    plait_config_init(&config);
    config.mptcp = false;
    peer_init(&peer, &(struct peer_setup){.config = &config});
    plait_sock sock = 0;
    struct plait_endpoint remote = pair_endpoint(PAIR_A, 0, PLAIT_IPV4, PEER_PORT);
    assert_int_equal(plait_open(peer.stack, &sock), 0);
    assert_int_equal(plait_connect(peer.stack, sock, &remote, peer.now), 0);
    peer.sock = sock;
    peer_pull(&peer);
    assert_null(peer_find(&peer, 0, PL_MP_CAPABLE));
    const struct peer_rx *syn = peer_find(&peer, 0, -1);
    peer.flow[0] = (struct peer_flow){.local = syn->dst, .remote = syn->src};
    peer.flow[0].irs = syn->seg.seq.v;
    peer.flow_count = 1;
    peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_SYN});
    struct pl_mptcp_options o = peer_map(&peer, 77, 5, 500, true);
    o.present |= 1 << PL_MP_FASTCLOSE;
    send_next(0, 0, 500, &o);
    expect_read(500);
    assert_int_equal(option(PLAIT_OPT_STATE), PLAIT_SOCKET_OPEN);
    assert_int_equal(option(PLAIT_OPT_IS_MPTCP), 0);
    peer_fini(&peer);
}

/* Whatever a peer sends: nothing breaks and nothing is left. STORM_SEEDS=n tries more. */
static void test_storm(void **state) {
    const char *wanted = getenv("STORM_SEEDS");
    uint64_t seeds = wanted != NULL ? strtoull(wanted, NULL, 10) : 60;
    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        storm_run(seed, 400);
    }
}

/* RFC 8684 section 3.4.1: a DSS option may ride on any duplicate ACK, others make it a signal. */
static void test_signals_on_duplicate_acks(void **state) {
    (void)state;
    struct pl_segment seg = {.flags = PL_TCP_ACK};
    assert_false(pl_upper_mptcp.is_signal(NULL, &seg));
    seg.options.mptcp.present = 1 << PL_MP_DSS;
    assert_false(pl_upper_mptcp.is_signal(NULL, &seg));
    seg.options.mptcp.present |= 1 << PL_MP_PRIO;
    assert_true(pl_upper_mptcp.is_signal(NULL, &seg));
    seg.options.mptcp.present = 1 << PL_MP_ADD_ADDR;
    assert_true(pl_upper_mptcp.is_signal(NULL, &seg));
    assert_null(pl_upper_plain.is_signal);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_by_kind),
        cmocka_unit_test(test_rst_options),
        cmocka_unit_test(test_many_in_one),
        cmocka_unit_test(test_unacceptable_segment),
        cmocka_unit_test(test_late_handshake_options),
        cmocka_unit_test(test_plain_connection_ignores),
        cmocka_unit_test(test_signals_on_duplicate_acks),
        cmocka_unit_test(test_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

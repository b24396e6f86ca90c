/* mptcp_reinject_test.c - data-level retransmission (RFC 8684 section 3.3.6), and what it is for:
 * two paths are never worse than the better one, whatever the buffers. */
#include "mptcp/internal.h"
#include "mptcp/subflow.h"
#include "mptcp_paths.h"
#include "mptcp_peer_test.h"

/* One path is much slower: with a small window the head of the line is repeated on the fast one. */
static uint64_t run_unequal(unsigned paths, uint32_t buffer, uint64_t slow_ns, uint64_t bytes,
                            unsigned from, uint64_t *repeated) {
    struct link l;
    slow_link(&l, paths, 5 * MS, buffer);
    if (paths > 1) {
        l.pair.path[1].delay_ns = slow_ns;
        pair_run(&l.pair, SECOND);
    }
    uint64_t ns = timed_transfer(&l, from, bytes);
    *repeated = reinjected(&l, from);
    link_finish(&l);
    return ns;
}

static void test_never_worse(void **state) {
    static const struct {
        uint32_t buffer;
        uint64_t slow_ns, bytes;
    } cases[] = {
        {65536, 100 * MS, 3000000},
        {65536, 400 * MS, 3000000},
        {8192, 100 * MS, 400000},
        {8192, 20 * MS, 400000},
    };
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned from = 0; from < PAIR_SIDES; from++) {
            uint64_t none, repeated;
            uint64_t one = run_unequal(1, cases[i].buffer, 0, cases[i].bytes, from, &none);
            uint64_t two =
                run_unequal(2, cases[i].buffer, cases[i].slow_ns, cases[i].bytes, from, &repeated);
            assert_int_equal(none, 0);
            assert_true(two < one * 5 / 4 + SECOND);
        }
    }
}

/* Tiny windows, loss, unequal paths: slow, but it never stands still. */
static void test_tiny_buffers(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct link l;
        slow_link(&l, 3, 5 * MS, 8192);
        l.pair.path[1].delay_ns = 60 * MS;
        l.pair.path[2].delay_ns = 30 * MS;
        for (unsigned k = 0; k < 3; k++) {
            l.pair.path[k].loss_ppm = 20000;
        }
        assert_true(timed_transfer(&l, i, 150000) < 60 * SECOND);
        for (unsigned k = 0; k < 3; k++) {
            l.pair.path[k].loss_ppm = 0;
        }
        link_finish(&l);
    }
}

/* ---- with a peer under control ---- */

/* What a dead subflow held goes out on the other one, once, and in order. */
static void test_dead_subflow(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer.mute[0] = true;
    peer_write(&peer, 0, 6000);
    assert_int_equal(peer.got_to, 0);
    peer.mute[0] = false;
    unsigned from = peer.log_count;
    peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_RST, .seq = PEER_NO_OFFSET});
    peer_pull(&peer);
    assert_int_equal(peer.got_to, 6000);
    uint64_t next = peer.idsn_remote + 1;
    for (unsigned i = from; i < peer.log_count; i++) {
        if (peer.log[i].seg.payload_len > 0) {
            assert_int_equal(peer.log[i].flow, second);
            assert_true(peer.log[i].seg.options.mptcp.dss.dsn == next);
            next += peer.log[i].seg.options.mptcp.dss.len;
        }
    }
    expect_counter(PLAIT_COUNTER_RetransSegs, 0);
    peer_ack(&peer, second, 6000);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    peer_fini(&peer);
}

/* The peer acknowledged bytes on a subflow and ended it before it took them (Linux does that when
 * it removes an address): they are repeated on the other one long before the stall timer. */
static void test_dead_with_acknowledged_bytes(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer_write(&peer, 0, 3000);
    peer_ack(&peer, 0, 0);
    unsigned from = peer.log_count;
    peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_RST, .seq = PEER_NO_OFFSET});
    peer_run(&peer, 100 * MS);
    const struct peer_rx *rx = NULL;
    for (unsigned i = from; i < peer.log_count && rx == NULL; i++) {
        rx = peer.log[i].seg.payload_len > 0 ? &peer.log[i] : NULL;
    }
    assert_non_null(rx);
    assert_int_equal(rx->flow, second);
    assert_true(rx->seg.options.mptcp.dss.dsn == peer.idsn_remote + 1);
    peer_fini(&peer);
}

/* MP_FAIL on the RST: it has thrown them away, and they go out again at once (section 3.7). Not the
 * bytes before its DSN, not what the other subflow carries, and nothing for a DSN that is not out.
 */
static void test_reset_with_mp_fail(void **state) {
    (void)state;
    static const uint64_t at[] = {1000, 0, UINT64_C(1) << 33, 5000};
    for (unsigned i = 0; i < 4; i++) {
        begin_with(&(struct peer_setup){.paths = 2});
        unsigned second = peer_join(&peer, 1, false);
        peer_write(&peer, 0, 5000);
        peer_ack(&peer, 0, 500);
        unsigned from = peer.log_count;
        struct pl_mptcp_options o = {.present = 1 << PL_MP_FAIL};
        o.fail.dsn = peer.idsn_remote + 1 + at[i];
        peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_RST, .seq = PEER_NO_OFFSET, .o = &o});
        peer_run(&peer, 5 * MS);
        const struct peer_rx *rx = NULL;
        for (unsigned k = from; k < peer.log_count && rx == NULL; k++) {
            rx = peer.log[k].seg.payload_len > 0 ? &peer.log[k] : NULL;
        }
        expect_counter(PLAIT_COUNTER_MPFailRx, 1);
        assert_int_equal(rx != NULL, i == 0);
        if (i == 0) {
            assert_int_equal(rx->flow, second);
            assert_true(rx->seg.options.mptcp.dss.dsn == peer.idsn_remote + 1 + 1000);
        }
        peer_fini(&peer);
    }
}

/* An RTO makes a subflow stale: the others take over; it keeps repeating on its own. */
static void test_stale_subflow(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    peer_join(&peer, 1, false);
    peer.auto_ack = true;
    peer.mute[0] = true;
    peer_write(&peer, 0, 6000);
    peer_run(&peer, 3 * SECOND);
    assert_int_equal(peer.got_to, 6000);
    expect_counter(PLAIT_COUNTER_SubflowStale, 1);
    peer_write(&peer, 6000, 3000); /* nothing new for the stale one */
    assert_int_equal(peer.got_to, 9000);
    peer.mute[0] = false;
    peer_run(&peer, 5 * SECOND); /* its own retransmission gets through */
    expect_counter(PLAIT_COUNTER_SubflowRecover, 1);
    assert_false(peer_subflow(&peer, 0)->stale);
    peer_fini(&peer);
}

/* All data is acknowledged by TCP and none by MPTCP: the stall timer repeats the oldest bytes. */
static void test_stall(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    peer_write(&peer, 0, 3000);
    peer_ack(&peer, 0, 0);
    unsigned from = peer.log_count;
    peer_run(&peer, 5 * SECOND);
    unsigned repeated = 0;
    for (unsigned i = from; i < peer.log_count; i++) {
        bool first = peer.log[i].seg.options.mptcp.dss.dsn == peer.idsn_remote + 1;
        repeated += peer.log[i].seg.payload_len > 0 && first ? 1 : 0;
    }
    assert_true(repeated >= 1);
    assert_true(repeated <= 4);
    peer_ack(&peer, 0, 3000);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    peer_fini(&peer);
}

/* The window is closed by bytes that are stuck on the other subflow. */
static void test_head_of_line(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer.mute[0] = true;
    peer_write(&peer, 0, 2800); /* stuck on path 0 */
    peer_conn(&peer)->send.window_edge = peer_conn(&peer)->send.nxt;
    peer_subflow(&peer, 0)->tcp.cc.cwnd = 1460; /* has no room, and is slow */
    peer_subflow(&peer, 0)->tcp.rtt.srtt_ns = 100 * MS;
    peer_subflow(&peer, second)->tcp.rtt.srtt_ns = 10 * MS;
    peer_write(&peer, 2800, 1000);
    peer_run(&peer, 20 * MS); /* before any timer of path 0 */
    assert_int_equal(peer.got_to, 2800);
    const struct peer_rx *rx = peer_find(&peer, 0, PL_MP_DSS);
    assert_int_equal(rx->flow, second);
    assert_true(peer_conn(&peer)->send.reinjected_bytes >= 2800);
    peer_fini(&peer);
}

/* 2800 bytes went out on path 0, whose round trip takes `rtt_ns`, and fill the window; path 1 takes
 * 10 ms and has more to send. Returns the second flow. */
static unsigned close_window(uint64_t rtt_ns) {
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer.mute[0] = true;
    peer_write(&peer, 0, 2800);
    peer_conn(&peer)->send.window_edge = peer_conn(&peer)->send.nxt;
    struct pl_tcp *tcp[2] = {&peer_subflow(&peer, 0)->tcp, &peer_subflow(&peer, second)->tcp};
    tcp[0]->rtt.srtt_ns = rtt_ns;
    tcp[1]->rtt.srtt_ns = 10 * MS;
    tcp[0]->rtt.rttvar_ns = MS;
    tcp[1]->rtt.rttvar_ns = MS;
    peer_write(&peer, 2800, 1000);
    assert_int_equal(peer.now, peer_conn(&peer)->send.progress);
    return second;
}

/* The other path is as good, and its ACK is due any moment: a repetition would come later. */
static void test_head_is_waited_for(void **state) {
    (void)state;
    (void)close_window(10 * MS);
    peer_run(&peer, 15 * MS);
    expect_counter(PLAIT_COUNTER_MPTCPRetrans, 0);
    peer.flow[0].rcv_nxt += 2800;
    peer.got_to = 2800;
    peer_ack(&peer, 0, 2800);
    peer_run(&peer, 100 * MS);
    expect_counter(PLAIT_COUNTER_MPTCPRetrans, 0);
    peer_fini(&peer);
}

/* No ACK came when it should have: the head goes out again long before any timeout, and at once
 * when the path needs four times as long. */
static void test_head_is_overdue(void **state) {
    (void)state;
    for (unsigned slow = 0; slow < 2; slow++) {
        (void)close_window(slow ? 40 * MS : 10 * MS);
        peer_run(&peer, MS);
        assert_int_equal(peer.got_to, slow ? 2800 : 0);
        peer_run(&peer, 24 * MS);
        assert_int_equal(peer.got_to, 2800);
        assert_int_equal(peer_conn(&peer)->send.reinjected_bytes, 2800);
        expect_counter(PLAIT_COUNTER_SubflowStale, 0);
        peer_fini(&peer);
    }
}

/* The subflow has acknowledged the head and the DATA_ACK is missing: it is a little late at most.
 * If it does not come the bytes may have been thrown away. */
static void test_head_is_acknowledged(void **state) {
    (void)state;
    (void)close_window(10 * MS);
    peer.flow[0].rcv_nxt += 2800;
    peer.window = 0;
    peer_ack(&peer, 0, 0);
    peer_run(&peer, 5 * MS);
    expect_counter(PLAIT_COUNTER_MPTCPRetrans, 0);
    peer_run(&peer, 40 * MS);
    assert_true(peer.got_to > 0);
    peer_fini(&peer);
}

/* A peer that verifies checksums takes a mapping as a whole: that it has got a part is no reason to
 * send this again. */
static void test_part_of_a_mapping(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2, .cap_flags = PL_CAPABLE_CHECKSUM});
    unsigned second = peer_join(&peer, 1, false);
    pl_subflow_close(peer_subflow(&peer, second), peer.now);
    peer_write(&peer, 0, 2800);
    peer.flow[0].rcv_nxt = 700;
    peer_ack(&peer, 0, 0);
    peer_conn(&peer)->send.window_edge = peer_conn(&peer)->send.nxt;
    peer_write(&peer, 2800, 1000);
    peer_run(&peer, 20 * MS);
    assert_int_equal(peer_conn(&peer)->send.reinjected_bytes, 0);
    peer_fini(&peer);
}

/* Entries that were acknowledged in the meantime, wholly or in part, do not go out. */
static void test_acknowledged_meanwhile(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer.mute[0] = true;
    peer.mute[1] = true;
    peer_write(&peer, 0, 5000);
    struct pl_conn *conn = peer_conn(&peer);
    pl_reinject_subflow(peer_subflow(&peer, 0), peer.now);
    assert_false(pl_list_empty(&conn->send.reinject));
    pl_send_data_ack(conn, pl_seq64_of(peer.idsn_remote + 1 + 2000), 65535, peer.now);
    struct pl_tcp_payload payload;
    assert_true(pl_reinject_next(peer_subflow(&peer, second), 1000, &payload, peer.now));
    assert_int_equal(payload.tag - (peer.idsn_remote + 1), 2000);
    assert_int_equal(payload.len, 1000);
    pl_send_data_ack(conn, pl_seq64_of(peer.idsn_remote + 1 + 5000), 65535, peer.now);
    assert_false(pl_reinject_next(peer_subflow(&peer, second), 1000, &payload, peer.now));
    assert_true(pl_list_empty(&conn->send.reinject));
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_worse),
        cmocka_unit_test(test_tiny_buffers),
        cmocka_unit_test(test_dead_subflow),
        cmocka_unit_test(test_dead_with_acknowledged_bytes),
        cmocka_unit_test(test_stale_subflow),
        cmocka_unit_test(test_reset_with_mp_fail),
        cmocka_unit_test(test_stall),
        cmocka_unit_test(test_head_of_line),
        cmocka_unit_test(test_head_is_waited_for),
        cmocka_unit_test(test_head_is_overdue),
        cmocka_unit_test(test_head_is_acknowledged),
        cmocka_unit_test(test_part_of_a_mapping),
        cmocka_unit_test(test_acknowledged_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

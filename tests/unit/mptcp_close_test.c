/* mptcp_close_test.c - how connections end: DATA_FIN, MP_FASTCLOSE, patience (RFC 8684
 * sections 3.3.3 and 3.5). */
#include "mptcp/subflow.h"
#include "mptcp_peer_test.h"

static void shut(void) {
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    peer_pull(&peer);
}

static void data_fin(uint64_t at) {
    struct pl_mptcp_options o = peer_map(&peer, at, 0, 0, true);
    send_options(0, &o);
}

static void expect_end_of_stream(void) {
    uint8_t byte;
    assert_int_equal(plait_read(peer.stack, peer.sock, &byte, 1, peer.now), 0);
}

static uint32_t connections(void) {
    struct plait_stack_stats stats = {.size = sizeof(stats)};
    peer_run(&peer, 0); /* what output has left to settle */
    plait_stack_stats(peer.stack, &stats);
    return stats.connections;
}

/* DATA_FIN of the stack is repeated, ever more slowly, until it is acknowledged. */
static void test_data_fin_repeated(void **state) {
    (void)state;
    begin();
    shut();
    unsigned from = peer.log_count;
    peer_run(&peer, 4 * SECOND);
    unsigned fins = 0;
    for (unsigned i = from; i < peer.log_count; i++) {
        const struct pl_mptcp_options *o = &peer.log[i].seg.options.mptcp;
        fins += pl_mptcp_has(o, PL_MP_DSS) && o->dss.data_fin ? 1 : 0;
    }
    assert_in_range(fins, 2, 6);
    peer_ack(&peer, 0, 1);
    from = peer.log_count;
    peer_run(&peer, 10 * SECOND);
    assert_int_equal(peer_count(&peer, from, PL_MP_DSS), 0);
    assert_false(peer.flow[0].fin_in); /* the peer may still send */
    peer_fini(&peer);
}

/* The DATA_FIN that rode on data was lost with it; and was acknowledged without the FIN. */
static void test_data_fin_lost_with_data(void **state) {
    (void)state;
    begin();
    peer.mute[0] = true;
    peer_write(&peer, 0, 1000);
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    peer_run(&peer, 10 * MS);
    peer.mute[0] = false;
    peer_run(&peer, 2 * SECOND);
    assert_true(peer.fin_seen);
    assert_int_equal(peer.fin_at, 1000);
    peer_ack(&peer, 0, 1000);
    peer.fin_seen = false;
    peer_run(&peer, 2 * SECOND);
    assert_true(peer.fin_seen);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    peer_fini(&peer);
}

/* With several subflows DATA_FIN goes alone: Linux overlooks one on bytes it has already. */
static void test_data_fin_alone_with_two_subflows(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    (void)peer_join(&peer, 1, false);
    unsigned from = peer.log_count;
    peer_write(&peer, 0, 1000);
    shut();
    peer_run(&peer, 10 * MS);
    unsigned alone = 0;
    for (unsigned i = from; i < peer.log_count; i++) {
        const struct pl_mptcp_options *o = &peer.log[i].seg.options.mptcp;
        bool fin = pl_mptcp_has(o, PL_MP_DSS) && o->dss.data_fin;
        assert_false(fin && peer.log[i].seg.payload_len > 0);
        alone += fin;
    }
    assert_int_equal(alone, 1);
    assert_int_equal(peer.fin_at, 1000);
    peer_fini(&peer);
}

/* The stack ends first; the peer still sends, then ends. */
static void test_half_close_out(void **state) {
    (void)state;
    begin();
    peer_write(&peer, 0, 500);
    shut();
    peer_ack(&peer, 0, 501);
    assert_int_equal(plait_write(peer.stack, peer.sock, "x", 1, peer.now), PLAIT_E_CLOSED);
    peer_data(&peer, 0, 0, 1000);
    peer_data(&peer, 0, 1000, 1000);
    expect_read(2000);
    assert_false(next_event(PLAIT_EVENT_CLOSED, NULL));
    data_fin(2000);
    expect_end_of_stream();
    assert_true(next_event(PLAIT_EVENT_CLOSED, NULL));
    assert_int_equal(peer.ack_seen, 2001);
    assert_true(peer.flow[0].fin_in);
    peer_fini(&peer);
}

/* The peer ends first; the stack still sends, then ends. */
static void test_half_close_in(void **state) {
    (void)state;
    begin();
    data_fin(0);
    expect_end_of_stream();
    peer.auto_ack = true;
    peer_write(&peer, 0, 20000);
    peer_run(&peer, SECOND);
    assert_int_equal(peer.got_to, 20000);
    assert_false(next_event(PLAIT_EVENT_CLOSED, NULL));
    shut();
    peer_run(&peer, SECOND);
    peer_ack(&peer, 0, 20001);
    assert_true(next_event(PLAIT_EVENT_CLOSED, NULL));
    assert_true(peer.flow[0].fin_in);
    peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_FIN, .seq = PEER_NO_OFFSET});
    assert_int_equal(plait_close(peer.stack, peer.sock, peer.now), 0);
    peer_run(&peer, 61 * SECOND);
    assert_int_equal(connections(), 0);
    peer_fini(&peer);
}

/* Every subflow gets its FIN when both directions have ended. */
static void test_all_subflows_end(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 3});
    peer_join(&peer, 1, false);
    peer_join(&peer, 2, true);
    shut();
    data_fin(0);
    peer_ack(&peer, 1, 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(peer.flow[i].fin_in);
        peer_send(&peer, &(struct peer_seg){.flow = i, .flags = PL_TCP_FIN, .seq = PEER_NO_OFFSET});
    }
    assert_true(next_event(PLAIT_EVENT_CLOSED, NULL));
    assert_int_equal(plait_close(peer.stack, peer.sock, peer.now), 0);
    peer_run(&peer, 61 * SECOND);
    assert_int_equal(connections(), 0);
    peer_fini(&peer);
}

static struct pl_mptcp_options fastclose(uint64_t key) {
    struct pl_mptcp_options o = {.present = 1 << PL_MP_FASTCLOSE};
    o.fastclose.key_receiver = key;
    return o;
}

/* MP_FASTCLOSE on an RST and on an ACK; every subflow ends (section 3.5). */
static void test_fastclose_in(void **state) {
    (void)state;
    for (unsigned by_ack = 0; by_ack < 2; by_ack++) {
        struct plait_event event;
        begin_with(&(struct peer_setup){.paths = 2});
        unsigned second = peer_join(&peer, 1, false), from = peer.log_count;
        struct pl_mptcp_options o = fastclose(peer.key_remote);
        peer_send(&peer, &(struct peer_seg){
                             .flags = by_ack ? 0 : PL_TCP_RST, .seq = PEER_NO_OFFSET, .o = &o});
        assert_true(next_event(PLAIT_EVENT_ERROR, &event));
        assert_int_equal(event.error, PLAIT_E_RESET);
        assert_non_null(expect_rst(from, second));
        if (by_ack) { /* answered with an RST on the same subflow */
            assert_non_null(expect_rst(from, 0));
        }
        expect_counter(PLAIT_COUNTER_MPFastcloseRx, 1);
        expect_counter(PLAIT_COUNTER_MPFastcloseTx, 0);
        assert_int_equal(plait_close(peer.stack, peer.sock, peer.now), 0);
        assert_int_equal(connections(), 0);
        peer_fini(&peer);
    }
}

/* Somebody who does not know our key cannot close the connection. */
static void test_fastclose_wrong_key(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    struct pl_mptcp_options o = fastclose(peer.key_remote ^ 1);
    send_options(0, &o);
    assert_int_equal(option(PLAIT_OPT_STATE), PLAIT_SOCKET_OPEN);
    peer_send(&peer, &(struct peer_seg){
                         .flow = second, .flags = PL_TCP_RST, .seq = PEER_NO_OFFSET, .o = &o});
    assert_int_equal(option(PLAIT_OPT_STATE), PLAIT_SOCKET_OPEN); /* a subflow less, that is all */
    expect_counter(PLAIT_COUNTER_MPFastcloseRx, 0);
    peer_data(&peer, 0, 0, 100);
    expect_read(100);
    peer_fini(&peer);
}

static void test_fastclose_out(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false), from = peer.log_count;
    peer_write(&peer, 0, 1000);
    assert_int_equal(plait_abort(peer.stack, peer.sock, PLAIT_E_ABORTED, peer.now), 0);
    peer_pull(&peer);
    const struct peer_rx *rst[2] = {expect_rst(from, 0), expect_rst(from, second)};
    for (unsigned i = 0; i < 2; i++) {
        assert_true(pl_mptcp_has(&rst[i]->seg.options.mptcp, PL_MP_FASTCLOSE));
        assert_int_equal(rst[i]->seg.options.mptcp.fastclose.key_receiver, peer.key_local);
    }
    assert_int_equal(connections(), 0);
    peer_fini(&peer);
}

/* Closing with unread bytes is an abort; without, it is orderly. */
static void test_close_with_unread_bytes(void **state) {
    (void)state;
    begin();
    unsigned from = peer.log_count;
    peer_data(&peer, 0, 0, 100);
    assert_int_equal(plait_close(peer.stack, peer.sock, peer.now), 0);
    peer_pull(&peer);
    assert_true(pl_mptcp_has(&expect_rst(from, 0)->seg.options.mptcp, PL_MP_FASTCLOSE));
    assert_int_equal(connections(), 0);
    peer_fini(&peer);
}

/* Aborted, but after what was written has arrived; what comes meanwhile is thrown away. */
static void test_abort_delivered(void **state) {
    (void)state;
    for (unsigned written = 0; written < 2; written++) {
        begin();
        unsigned from = peer.log_count;
        if (written) {
            peer_write(&peer, 0, 3000);
        }
        assert_int_equal(plait_abort_delivered(peer.stack, peer.sock, PLAIT_E_ABORTED, peer.now),
                         0);
        peer_pull(&peer);
        if (written) {
            assert_false(peer.flow[0].rst_in);
            struct pl_mptcp_options o = peer_map(&peer, 0, 0, 1000, false);
            o.dss.has_ack = false;
            send_next(0, 0, 1000, &o);
            peer_run(&peer, MS);
            assert_false(peer.flow[0].rst_in);
            peer_ack(&peer, 0, 3000);
        }
        peer_run(&peer, MS);
        assert_true(pl_mptcp_has(&expect_rst(from, 0)->seg.options.mptcp, PL_MP_FASTCLOSE));
        assert_int_equal(connections(), 0);
        peer_fini(&peer);
    }
}

/* Bytes that come after the application has gone abort, too. */
static void test_bytes_for_nobody(void **state) {
    (void)state;
    begin();
    assert_int_equal(plait_close(peer.stack, peer.sock, peer.now), 0);
    peer_pull(&peer);
    assert_true(peer.fin_seen);
    unsigned from = peer.log_count;
    peer_data(&peer, 0, 0, 100);
    peer_run(&peer, MS);
    assert_true(pl_mptcp_has(&expect_rst(from, 0)->seg.options.mptcp, PL_MP_FASTCLOSE));
    assert_int_equal(connections(), 0);
    peer_fini(&peer);
}

/* Nobody holds the socket and the peer is silent: config.orphan_ns bounds it. */
static void test_orphan_patience(void **state) {
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.orphan_ns = 5 * SECOND;
    begin_with(&(struct peer_setup){.config = &config});
    peer_write(&peer, 0, 1000);
    assert_int_equal(plait_close(peer.stack, peer.sock, peer.now), 0);
    peer_run(&peer, 4 * SECOND);
    assert_int_equal(connections(), 1);
    peer_ack(&peer, 0, 500); /* progress extends it */
    peer_run(&peer, 4 * SECOND);
    assert_int_equal(connections(), 1);
    peer_run(&peer, 2 * SECOND);
    assert_int_equal(connections(), 0);
    peer_fini(&peer);
}

/* Closed at the data level, but the peer never answers the FIN. */
static void test_lingering_subflows(void **state) {
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.orphan_ns = 5 * SECOND;
    begin_with(&(struct peer_setup){.config = &config});
    shut();
    data_fin(0);
    peer_ack(&peer, 0, 1);
    assert_true(next_event(PLAIT_EVENT_CLOSED, NULL));
    assert_int_equal(plait_close(peer.stack, peer.sock, peer.now), 0);
    peer_run(&peer, 4 * SECOND);
    assert_int_equal(connections(), 1);
    peer_run(&peer, 2 * SECOND);
    assert_int_equal(connections(), 0);
    peer_fini(&peer);
}

/* Every subflow is gone: the connection waits for a new one, for config.no_subflow_ns. */
static void test_without_subflows(void **state) {
    struct plait_config config;
    struct plait_event event;
    (void)state;
    plait_config_init(&config);
    config.no_subflow_ns = 10 * SECOND;
    begin_with(&(struct peer_setup){.paths = 2, .config = &config});
    peer_write(&peer, 0, 3000);
    peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_RST, .seq = PEER_NO_OFFSET});
    peer_run(&peer, 9 * SECOND);
    assert_int_equal(option(PLAIT_OPT_STATE), PLAIT_SOCKET_OPEN);
    unsigned again = peer_join(&peer, 1, false); /* make after break */
    assert_true(peer.flow[again].open);
    peer.auto_ack = true;
    peer_run(&peer, 3 * SECOND);
    assert_int_equal(peer.got_to, 3000);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    peer_send(&peer, &(struct peer_seg){.flow = again, .flags = PL_TCP_RST, .seq = PEER_NO_OFFSET});
    peer_run(&peer, 9 * SECOND);
    assert_false(next_event(PLAIT_EVENT_ERROR, NULL));
    peer_run(&peer, 2 * SECOND);
    assert_true(next_event(PLAIT_EVENT_ERROR, &event));
    assert_int_equal(event.error, PLAIT_E_TIMED_OUT);
    peer_fini(&peer);
}

/* A DATA_FIN is owed while there is no subflow: the next one brings it. */
static void test_data_fin_without_subflows(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_RST, .seq = PEER_NO_OFFSET});
    shut();
    peer_run(&peer, 5 * SECOND);
    assert_false(peer.fin_seen);
    assert_true(peer.flow[peer_join(&peer, 1, false)].open);
    peer_run(&peer, SECOND);
    assert_true(peer.fin_seen);
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_fin_repeated),
        cmocka_unit_test(test_data_fin_lost_with_data),
        cmocka_unit_test(test_data_fin_alone_with_two_subflows),
        cmocka_unit_test(test_half_close_out),
        cmocka_unit_test(test_half_close_in),
        cmocka_unit_test(test_all_subflows_end),
        cmocka_unit_test(test_fastclose_in),
        cmocka_unit_test(test_fastclose_wrong_key),
        cmocka_unit_test(test_fastclose_out),
        cmocka_unit_test(test_close_with_unread_bytes),
        cmocka_unit_test(test_abort_delivered),
        cmocka_unit_test(test_bytes_for_nobody),
        cmocka_unit_test(test_orphan_patience),
        cmocka_unit_test(test_lingering_subflows),
        cmocka_unit_test(test_without_subflows),
        cmocka_unit_test(test_data_fin_without_subflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

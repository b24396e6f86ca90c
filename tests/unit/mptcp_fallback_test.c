/* mptcp_fallback_test.c - checksum failures, MP_FAIL, infinite mappings, options that get lost
 * (RFC 8684 section 3.7). */
#include "mptcp/subflow.h"
#include "mptcp_peer_test.h"

static const struct peer_setup with_checksum = {.paths = 2, .cap_flags = PL_CAPABLE_CHECKSUM};

/* Payload that somebody changed on the way. */
static void send_corrupt(unsigned flow, uint64_t at, uint32_t len) {
    struct pl_mptcp_options o = peer_map(&peer, at, peer.flow[flow].nxt, len, false);
    peer_send(
        &peer,
        &(struct peer_seg){
            .flow = flow, .seq = PEER_NO_OFFSET, .at = at, .len = len, .o = &o, .corrupt = true});
}

static struct pl_mptcp_options fail_option(uint64_t at) {
    struct pl_mptcp_options o = {.present = 1 << PL_MP_FAIL};
    o.fail.dsn = peer.idsn_remote + 1 + at;
    return o;
}

static struct pl_mptcp_options infinite(uint64_t at, uint32_t ssn) {
    struct pl_mptcp_options o = peer_map(&peer, at, ssn, 0, false);
    o.dss.len = 0;
    o.dss.has_checksum = false;
    o.dss.has_ack = false;
    return o;
}

/* Reads `len` bytes of which the one at `wrong` is not the pattern's (UINT64_MAX: none). */
static void expect_bytes(uint32_t len, uint64_t wrong) {
    uint8_t block[2000];
    assert_true(len <= sizeof(block));
    assert_int_equal(plait_read(peer.stack, peer.sock, block, sizeof(block), peer.now), len);
    for (uint32_t i = 0; i < len; i++) {
        bool same = block[i] == pair_pattern(peer.read_at + i);
        assert_int_equal(same, peer.read_at + i != wrong);
    }
    peer.read_at += len;
}

static void expect_plain(void) {
    struct plait_connection_info info = {.size = sizeof(info)};
    assert_int_equal(option(PLAIT_OPT_IS_MPTCP), 0);
    assert_int_equal(plait_connection(peer.stack, peer.sock, &info), 0);
    assert_true(info.fallback);
    assert_true(next_event(PLAIT_EVENT_FALLBACK, NULL));
    expect_counter(PLAIT_COUNTER_MPCurrEstab, 0);
}

/* Orderly end of a plain connection, the peer first. */
static void end_plain(void) {
    uint8_t byte;
    peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_FIN, .seq = PEER_NO_OFFSET});
    assert_int_equal(plait_read(peer.stack, peer.sock, &byte, 1, peer.now), 0);
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    peer_pull(&peer);
    assert_true(peer.flow[0].fin_in);
    peer_send(&peer, &(struct peer_seg){.seq = PEER_NO_OFFSET});
    assert_true(next_event(PLAIT_EVENT_CLOSED, NULL));
    peer_fini(&peer);
}

/* One subflow: the bytes are what the path made of them, as with plain TCP; MP_FAIL tells the
 * peer, whose infinite mapping and further data follow. */
static void test_failure_alone(void **state) {
    (void)state;
    begin_with(&with_checksum);
    peer_data(&peer, 0, 0, 1000);
    expect_read(1000);
    unsigned from = peer.log_count;
    send_corrupt(0, 1000, 500);
    peer_run(&peer, 50 * MS);
    const struct peer_rx *rx = peer_find(&peer, from, PL_MP_FAIL);
    assert_non_null(rx);
    assert_int_equal(rx->seg.options.mptcp.fail.dsn, peer.idsn_local + 1 + 1000);
    expect_counter(PLAIT_COUNTER_DataCsumErr, 1);
    expect_counter(PLAIT_COUNTER_DSSCorruptionFallback, 1);
    expect_plain();
    expect_bytes(500, 1000);
    struct pl_mptcp_options o = infinite(1000, 1000);
    send_next(0, 1500, 700, &o);
    send_next(0, 2200, 300, NULL);
    expect_bytes(1000, UINT64_MAX);
    peer_write(&peer, 0, 300);
    rx = peer_find(&peer, 0, -1);
    assert_int_equal(rx->seg.payload_len, 300);
    assert_true(rx->seg.options.mptcp.dss.has_map);
    assert_int_equal(rx->seg.options.mptcp.dss.len, 0); /* ours is infinite, too */
    end_plain();
}

/* Two subflows: that subflow is reset with MP_FAIL, nothing of it is acknowledged, and the bytes
 * come right over the other one. */
static void test_failure_of_two(void **state) {
    (void)state;
    begin_with(&with_checksum);
    unsigned second = peer_join(&peer, 1, false), from = peer.log_count;
    peer_data(&peer, second, 0, 1000);
    send_corrupt(second, 1000, 500);
    const struct peer_rx *rst = expect_rst(from, second);
    assert_int_equal(rst->seg.options.mptcp.fail.dsn, peer.idsn_local + 1 + 1000);
    assert_true(pl_mptcp_has(&rst->seg.options.mptcp, PL_MP_FAIL));
    assert_true(pl_mptcp_has(&rst->seg.options.mptcp, PL_MP_TCPRST));
    assert_int_equal(rst->seg.options.mptcp.tcprst.reason, PL_RESET_MIDDLEBOX);
    expect_counter(PLAIT_COUNTER_DSSCorruptionReset, 1);
    expect_read(1000);
    assert_int_equal(peer.ack_seen, 1000);
    peer_data(&peer, 0, 1000, 500);
    expect_read(1500);
    assert_int_equal(option(PLAIT_OPT_IS_MPTCP), 1);
    peer_fini(&peer);
}

/* What follows in the same segment is not to be trusted, either. */
static void test_rest_of_the_segment(void **state) {
    (void)state;
    begin_with(&with_checksum);
    unsigned second = peer_join(&peer, 1, false), from = peer.log_count;
    struct pl_mptcp_options bad = peer_map(&peer, 0, 0, 500, false);
    struct pl_mptcp_options good = peer_map(&peer, 500, 500, 500, false);
    bad.dss.checksum ^= 1;
    send_options(second, &bad);
    send_next(second, 0, 1000, &good);
    assert_non_null(expect_rst(from, second));
    peer_data(&peer, 0, 0, 500);
    expect_read(500);
    peer_run(&peer, 50 * MS);
    assert_int_equal(peer.ack_seen, 500);
    peer_fini(&peer);
}

/* One subflow, but bytes wait out of order: not contiguous, so it is closed (section 3.7). */
static void test_failure_not_contiguous(void **state) {
    (void)state;
    begin_with(&with_checksum);
    unsigned from = peer.log_count;
    peer_data(&peer, 0, 5000, 1000);
    send_corrupt(0, 0, 500);
    const struct peer_rx *rst = expect_rst(from, 0);
    assert_true(pl_mptcp_has(&rst->seg.options.mptcp, PL_MP_FAIL));
    expect_read(0);
    peer_fini(&peer);
}

/* MP_FAIL of the peer while bytes are on their way: answered in kind, an infinite mapping with the
 * next data, and from then on the subflow's acknowledgements count. */
static void test_fail_in(void **state) {
    (void)state;
    begin_with(&with_checksum);
    peer_write(&peer, 0, 4000);
    peer.flow[0].rcv_nxt = 2000;
    peer_ack(&peer, 0, 1000);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 3000);
    struct pl_mptcp_options o = fail_option(1000);
    unsigned from = peer.log_count;
    send_options(0, &o);
    assert_non_null(peer_find(&peer, from, PL_MP_FAIL));
    expect_counter(PLAIT_COUNTER_MPFailRx, 1);
    expect_counter(PLAIT_COUNTER_MPFailTx, 1);
    expect_plain();
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 2000);
    peer.flow[0].rcv_nxt = 4000;
    peer_send(&peer, &(struct peer_seg){.seq = PEER_NO_OFFSET});
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    from = peer.log_count;
    peer_write(&peer, 4000, 1000);
    const struct peer_rx *rx = peer_find(&peer, from, PL_MP_DSS);
    assert_non_null(rx);
    assert_int_equal(rx->seg.options.mptcp.dss.len, 0);
    expect_counter(PLAIT_COUNTER_InfiniteMapTx, 1);
    peer.flow[0].rcv_nxt = 5000;
    peer_send(&peer, &(struct peer_seg){.seq = PEER_NO_OFFSET});
    from = peer.log_count;
    peer_write(&peer, 5000, 1000); /* no options any more */
    rx = peer_find(&peer, from, -1);
    assert_int_equal(rx->seg.payload_len, 1000);
    assert_int_equal(rx->seg.options.mptcp.present, 0);
    peer_send(&peer, &(struct peer_seg){.seq = PEER_NO_OFFSET});
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    end_plain();
}

/* Both in one segment, as Linux sends them: MP_FAIL is answered, the data is taken. */
static void test_fail_with_infinite_mapping(void **state) {
    (void)state;
    begin_with(&with_checksum);
    peer_data(&peer, 0, 0, 600);
    struct pl_mptcp_options o = infinite(600, 600);
    o.present |= 1 << PL_MP_FAIL;
    o.fail.dsn = peer.idsn_remote + 1;
    unsigned from = peer.log_count;
    send_next(0, 600, 400, &o);
    assert_non_null(peer_find(&peer, from, PL_MP_FAIL));
    expect_plain();
    expect_bytes(1000, UINT64_MAX);
    end_plain();
}

static void test_infinite_mapping_in(void **state) {
    (void)state;
    begin();
    peer_data(&peer, 0, 0, 600);
    struct pl_mptcp_options o = infinite(600, 600);
    send_next(0, 600, 400, &o);
    expect_counter(PLAIT_COUNTER_InfiniteMapRx, 1);
    expect_plain();
    send_next(0, 1000, 500, NULL);
    expect_bytes(1500, UINT64_MAX);
    peer_write(&peer, 0, 100);
    assert_int_equal(peer_find(&peer, 0, -1)->seg.payload_len, 100);
    peer_send(&peer, &(struct peer_seg){.seq = PEER_NO_OFFSET});
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    end_plain();
}

/* With two subflows neither is a legal wish: the subflow that brought it is reset. */
static void test_not_with_two_subflows(void **state) {
    (void)state;
    for (unsigned fail = 0; fail < 2; fail++) {
        begin_with(&with_checksum);
        unsigned second = peer_join(&peer, 1, false), from = peer.log_count;
        struct pl_mptcp_options o = fail ? fail_option(0) : infinite(0, 0);
        send_options(second, &o);
        assert_int_equal(expect_rst(from, second)->seg.options.mptcp.tcprst.reason, PL_RESET_MPTCP);
        peer_data(&peer, 0, 0, 100);
        expect_read(100);
        assert_int_equal(option(PLAIT_OPT_IS_MPTCP), 1);
        peer_fini(&peer);
    }
}

/* The token dies with MPTCP: later joins find nobody. */
static void test_no_joins_after_fallback(void **state) {
    (void)state;
    begin_with(&with_checksum);
    struct pl_mptcp_options o = infinite(0, 0);
    send_options(0, &o);
    expect_plain();
    unsigned second = peer_join(&peer, 1, false);
    assert_false(peer.flow[second].open);
    assert_true(peer.flow[second].rst_in);
    expect_counter(PLAIT_COUNTER_MPJoinNoTokenFound, 1);
    end_plain();
}

/* Bytes that wait for a mapping when the connection falls back: they are the stream's. */
static void test_unmapped_bytes_at_fallback(void **state) {
    (void)state;
    begin();
    send_next(0, 0, 300, NULL);
    send_next(0, 300, 300, NULL);
    struct pl_mptcp_options o = infinite(0, 0);
    send_next(0, 600, 400, &o);
    expect_plain();
    expect_bytes(1000, UINT64_MAX);
    end_plain();
}

/* DATA_FIN was asked for before the fallback: FIN takes its place. */
static void test_fallback_while_closing(void **state) {
    (void)state;
    begin();
    peer_write(&peer, 0, 1000);
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    struct pl_mptcp_options o = infinite(0, 0);
    send_options(0, &o);
    expect_plain();
    peer_run(&peer, SECOND);
    assert_true(peer.flow[0].fin_in);
    peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_FIN, .seq = PEER_NO_OFFSET});
    assert_true(next_event(PLAIT_EVENT_CLOSED, NULL));
    peer_fini(&peer);
}

/* A joined path that drops options from data and ACKs: reset, "middlebox interference". */
static void test_join_without_dss(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer_subflow(&peer, 0)->declined = true;
    peer_conn(&peer)->send.una = peer_conn(&peer)->send.nxt;
    peer_subflow(&peer, 0)->stale = true; /* so that the join carries the data */
    peer_write(&peer, 0, 1000);
    assert_int_equal(peer_find(&peer, 0, PL_MP_DSS)->flow, second);
    unsigned from = peer.log_count;
    peer_send(&peer, &(struct peer_seg){.flow = second, .seq = PEER_NO_OFFSET});
    const struct peer_rx *rst = expect_rst(from, second);
    assert_int_equal(rst->seg.options.mptcp.tcprst.reason, PL_RESET_MIDDLEBOX);
    peer_run(&peer, SECOND);
    assert_true(peer.flow[0].rcv_nxt == 1000); /* the bytes came over the first one */
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure_alone),
        cmocka_unit_test(test_failure_of_two),
        cmocka_unit_test(test_rest_of_the_segment),
        cmocka_unit_test(test_failure_not_contiguous),
        cmocka_unit_test(test_fail_in),
        cmocka_unit_test(test_fail_with_infinite_mapping),
        cmocka_unit_test(test_infinite_mapping_in),
        cmocka_unit_test(test_not_with_two_subflows),
        cmocka_unit_test(test_no_joins_after_fallback),
        cmocka_unit_test(test_unmapped_bytes_at_fallback),
        cmocka_unit_test(test_fallback_while_closing),
        cmocka_unit_test(test_join_without_dss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

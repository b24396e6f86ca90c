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

/* One subflow whose payload is in doubt from byte 1000 on. Returns where the log was. */
static unsigned begin_doubt_with(const struct peer_setup *setup) {
    begin_with(setup);
    peer_data(&peer, 0, 0, 1000);
    expect_read(1000);
    unsigned from = peer.log_count;
    send_corrupt(0, 1000, 500);
    peer_pull(&peer);
    return from;
}

static unsigned begin_doubt(void) {
    return begin_doubt_with(&with_checksum);
}

/* MP_FAIL goes out, again and again, and until the peer has said what it makes of it, nothing
 * behind the failure is delivered or acknowledged, mapped or not. */
static void test_doubt(void **state) {
    (void)state;
    unsigned from = begin_doubt();
    const struct peer_rx *rx = peer_find(&peer, from, PL_MP_FAIL);
    assert_non_null(rx);
    assert_int_equal(rx->seg.options.mptcp.fail.dsn, peer.idsn_local + 1 + 1000);
    assert_true(pl_mptcp_has(&rx->seg.options.mptcp, PL_MP_DSS));
    expect_counter(PLAIT_COUNTER_DataCsumErr, 1);
    expect_counter(PLAIT_COUNTER_DSSCorruptionFallback, 1);
    peer_data(&peer, 0, 1000, 500); /* a repetition at the data level */
    peer_data(&peer, 0, 1500, 500);
    from = peer.log_count;
    peer_run(&peer, SECOND);
    assert_in_range(peer_count(&peer, from, PL_MP_FAIL), 1, 3);
    expect_read(1000);
    assert_int_equal(peer.ack_seen, 1000);
    assert_int_equal(option(PLAIT_OPT_IS_MPTCP), 1);
    peer_fini(&peer);
}

/* The infinite mapping: the bytes are what the path made of them, as with plain TCP. */
static void test_doubt_ends_by_infinite_mapping(void **state) {
    (void)state;
    begin_doubt();
    struct pl_mptcp_options o = infinite(1000, 1000);
    send_next(0, 1500, 700, &o);
    expect_plain();
    expect_bytes(1200, 1000);
    send_next(0, 2200, 300, NULL);
    expect_bytes(300, UINT64_MAX);
    unsigned from = peer.log_count;
    peer_run(&peer, SECOND);
    assert_int_equal(peer_count(&peer, from, PL_MP_FAIL), 0);
    peer_write(&peer, 0, 300);
    const struct peer_rx *rx = peer_find(&peer, 0, -1);
    assert_int_equal(rx->seg.payload_len, 300);
    assert_int_equal(rx->seg.options.mptcp.present, 0);
    end_plain();
}

/* Its MP_FAIL is enough when it has nothing more to send, and no reason for another of ours. The
 * FIN that came before belongs to the stream then. */
static void test_doubt_ends_by_mp_fail(void **state) {
    (void)state;
    uint8_t byte;
    for (unsigned with_fin = 0; with_fin < 2; with_fin++) {
        begin_doubt();
        if (with_fin != 0) {
            peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_FIN, .seq = PEER_NO_OFFSET});
        }
        struct pl_mptcp_options o = fail_option(0);
        unsigned from = peer.log_count;
        send_options(0, &o);
        peer_run(&peer, SECOND);
        assert_null(peer_find(&peer, from, PL_MP_FAIL));
        expect_plain();
        expect_bytes(500, 1000);
        assert_int_equal(plait_read(peer.stack, peer.sock, &byte, 1, peer.now),
                         with_fin != 0 ? 0 : PLAIT_E_AGAIN);
        peer_fini(&peer);
    }
}

/* A join that was under way would stand in the way of the fallback: it is given up. */
static void test_doubt_ends_joins(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){
        .paths = 2, .cap_flags = PL_CAPABLE_CHECKSUM, .address_flags = PLAIT_ADDRESS_SUBFLOW});
    unsigned flow;
    peer_run(&peer, 10 * MS);
    const struct peer_rx *syn = peer_find(&peer, 0, PL_MP_JOIN);
    assert_true(syn != NULL && (syn->seg.flags & PL_TCP_SYN) != 0);
    send_corrupt(0, 0, 500);
    peer_pull(&peer);
    assert_false(peer_answer_join(&peer, 5, false, &flow));
    struct pl_mptcp_options o = fail_option(0);
    send_options(0, &o);
    expect_plain();
    expect_bytes(500, 0);
    peer_fini(&peer);
}

/* The answer may name the byte behind our DATA_FIN, which takes a number as well. */
static void test_answer_behind_the_data_fin(void **state) {
    (void)state;
    begin_doubt();
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    peer_pull(&peer);
    struct pl_mptcp_options o = fail_option(2);
    send_options(0, &o);
    assert_int_equal(option(PLAIT_OPT_IS_MPTCP), 1);
    o = fail_option(1);
    send_options(0, &o);
    expect_plain();
    expect_bytes(500, 1000);
    peer_fini(&peer);
}

/* No answer: a reset, which says MP_FAIL, too. The bytes can still come over another subflow. */
static void test_doubt_without_answer(void **state) {
    (void)state;
    unsigned from = begin_doubt();
    peer_run(&peer, 60 * SECOND);
    const struct peer_rx *rst = expect_rst(from, 0);
    assert_true(pl_mptcp_has(&rst->seg.options.mptcp, PL_MP_FAIL));
    assert_int_equal(rst->seg.options.mptcp.fail.dsn, peer.idsn_local + 1 + 1000);
    assert_int_equal(rst->seg.options.mptcp.tcprst.reason, PL_RESET_MIDDLEBOX);
    assert_int_equal(option(PLAIT_OPT_STATE), PLAIT_SOCKET_OPEN);
    expect_read(1000);
    unsigned second = peer_join(&peer, 1, false);
    peer_data(&peer, second, 1000, 500);
    expect_read(1500);
    peer_fini(&peer);
}

/* In doubt nothing is repeated: the peer may take it for new bytes by now. */
static void test_doubt_repeats_nothing(void **state) {
    (void)state;
    begin_with(&with_checksum);
    peer_write(&peer, 0, 1000);
    peer.flow[0].rcv_nxt = 1000;
    peer_ack(&peer, 0, 500); /* a whole mapping would be DATA_ACKed at once */
    send_corrupt(0, 0, 500);
    unsigned from = peer.log_count;
    peer_run(&peer, 5 * SECOND);
    for (unsigned i = from; i < peer.log_count; i++) {
        assert_int_equal(peer.log[i].seg.payload_len, 0);
    }
    peer_fini(&peer);
}

/* A peer that joins has not reverted to plain TCP: the subflow in doubt ends, and the new one goes
 * on with what was in doubt. */
static void test_doubt_ends_by_join(void **state) {
    (void)state;
    unsigned from = begin_doubt();
    unsigned second = peer_join(&peer, 1, false);
    assert_true(peer.flow[second].open);
    peer_run(&peer, MS);
    const struct pl_mptcp_options *rst = &expect_rst(from, 0)->seg.options.mptcp;
    assert_true(pl_mptcp_has(rst, PL_MP_FAIL));
    assert_int_equal(rst->fail.dsn, peer.idsn_local + 1 + 1000);
    peer_data(&peer, second, 1000, 500);
    expect_read(1500);
    assert_int_equal(option(PLAIT_OPT_IS_MPTCP), 1);
    peer_fini(&peer);
}

/* A window of payload may come before the sender knows; more than that is a broken subflow. */
static void test_doubt_is_bounded(void **state) {
    (void)state;
    struct plait_config config;
    plait_config_init(&config);
    config.receive_buffer_bytes = 500000;
    unsigned from =
        begin_doubt_with(&(struct peer_setup){.cap_flags = PL_CAPABLE_CHECKSUM, .config = &config});
    for (uint32_t sent = 500; sent < 500000; sent += 1000) {
        send_next(0, 1500, 1000, NULL);
    }
    assert_int_equal(peer_subflow(&peer, 0)->phase, PL_SF_UP);
    for (uint32_t sent = 0; sent < 70000; sent += 1000) {
        send_next(0, 1500, 1000, NULL);
    }
    assert_non_null(expect_rst(from, 0));
    peer_fini(&peer);
}

/* The answer got lost: who still sends DATA_ACKs gets another, who has reverted does not. */
static void test_answered_again(void **state) {
    (void)state;
    begin_with(&with_checksum);
    struct pl_mptcp_options o = fail_option(0);
    send_options(0, &o);
    expect_plain();
    unsigned from = peer.log_count;
    send_options(0, &o);
    assert_int_equal(peer_count(&peer, from, PL_MP_FAIL), 0);
    o.present |= 1 << PL_MP_DSS;
    o.dss.has_ack = true;
    o.dss.ack_is_64 = true;
    for (unsigned i = 0; i < 40; i++) {
        send_options(0, &o);
    }
    assert_in_range(peer_count(&peer, from, PL_MP_FAIL), 8, 20);
    end_plain();
}

/* A DSN that was not sent, or was DATA_ACKed: not an answer to anything. */
static void test_implausible_fail(void **state) {
    (void)state;
    begin_with(&with_checksum);
    peer_write(&peer, 0, 1000);
    peer.flow[0].rcv_nxt = 1000;
    peer_ack(&peer, 0, 1000);
    static const uint64_t at[] = {999, 1001, UINT64_C(1) << 40};
    for (unsigned i = 0; i < 3; i++) {
        struct pl_mptcp_options o = fail_option(at[i]);
        send_options(0, &o);
        assert_int_equal(option(PLAIT_OPT_IS_MPTCP), 1);
        assert_int_equal(peer_subflow(&peer, 0)->phase, PL_SF_UP);
    }
    expect_counter(PLAIT_COUNTER_MPFailRx, 3);
    peer_fini(&peer);
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

/* Bytes that were acknowledged and thrown away can only come again at the data level. */
static void test_failure_after_a_loss(void **state) {
    (void)state;
    begin_with(&with_checksum);
    unsigned from = peer.log_count;
    send_next(0, 700, 300, NULL); /* not mapped, and replaced by the next of its kind */
    peer_data(&peer, 0, 0, 700);
    send_next(0, 2000, 300, NULL);
    struct pl_mptcp_options o = peer_map(&peer, 2000, 1000, 300, false);
    send_options(0, &o);
    peer_data(&peer, 0, 700, 1300);
    expect_read(2300);
    send_corrupt(0, 2300, 500);
    assert_true(pl_mptcp_has(&expect_rst(from, 0)->seg.options.mptcp, PL_MP_FAIL));
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
        const struct pl_mptcp_options *rst = &expect_rst(from, second)->seg.options.mptcp;
        assert_int_equal(rst->tcprst.reason, PL_RESET_MPTCP);
        assert_int_equal(pl_mptcp_has(rst, PL_MP_FAIL), fail);
        expect_counter(PLAIT_COUNTER_FallbackFailed, 1 - fail);
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

/* A DATA_ACK of nothing does not prove that the peer gets our mappings; one of payload does, and
 * the next ACKs may come without (section 3.7). */
static void test_what_proves(void **state) {
    (void)state;
    for (unsigned proven = 0; proven < 2; proven++) {
        begin();
        peer_ack(&peer, 0, 0);
        peer_write(&peer, 0, 1000);
        if (proven != 0) {
            peer.flow[0].rcv_nxt = 500;
            peer_ack(&peer, 0, 500);
        }
        peer.flow[0].rcv_nxt = 1000;
        peer_send(&peer, &(struct peer_seg){.seq = PEER_NO_OFFSET});
        assert_int_equal(option(PLAIT_OPT_IS_MPTCP), proven);
        assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), proven * 500);
        expect_counter(PLAIT_COUNTER_DssFallback, 1 - proven);
        expect_counter(PLAIT_COUNTER_FallbackFailed, 0);
        peer_fini(&peer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_doubt_ends_by_infinite_mapping),
        cmocka_unit_test(test_doubt_ends_by_mp_fail),
        cmocka_unit_test(test_doubt_ends_joins),
        cmocka_unit_test(test_doubt_ends_by_join),
        cmocka_unit_test(test_answer_behind_the_data_fin),
        cmocka_unit_test(test_doubt_without_answer),
        cmocka_unit_test(test_doubt_repeats_nothing),
        cmocka_unit_test(test_doubt_is_bounded),
        cmocka_unit_test(test_answered_again),
        cmocka_unit_test(test_implausible_fail),
        cmocka_unit_test(test_failure_of_two),
        cmocka_unit_test(test_rest_of_the_segment),
        cmocka_unit_test(test_failure_not_contiguous),
        cmocka_unit_test(test_failure_after_a_loss),
        cmocka_unit_test(test_fail_in),
        cmocka_unit_test(test_fail_with_infinite_mapping),
        cmocka_unit_test(test_infinite_mapping_in),
        cmocka_unit_test(test_not_with_two_subflows),
        cmocka_unit_test(test_no_joins_after_fallback),
        cmocka_unit_test(test_unmapped_bytes_at_fallback),
        cmocka_unit_test(test_fallback_while_closing),
        cmocka_unit_test(test_join_without_dss),
        cmocka_unit_test(test_what_proves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

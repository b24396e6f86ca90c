/* mptcp_dss_test.c - the DSS option on the wire: forms, wraps, checksums, DATA_FIN (RFC 8684
 * section 3.3). */
#include "mptcp/internal.h"
#include "mptcp/subflow.h"
#include "mptcp_peer_test.h"

/* 4-octet forms of the peer's numbers. */
static struct pl_mptcp_options shorten(struct pl_mptcp_options o) {
    o.dss.dsn_is_64 = false;
    o.dss.ack_is_64 = false;
    o.dss.dsn = (uint32_t)o.dss.dsn;
    o.dss.ack = (uint32_t)o.dss.ack;
    return o;
}

static void short_ack(uint64_t data) {
    struct pl_mptcp_options o = {.present = 1 << PL_MP_DSS};
    o.dss.has_ack = true;
    o.dss.ack = (uint32_t)(peer.idsn_remote + 1 + data);
    send_options(0, &o);
}

/* Both directions with 4-octet numbers, `len` bytes in pieces. */
static void run_short(uint64_t idsn, uint32_t len) {
    begin_with(&(struct peer_setup){.idsn = idsn});
    for (uint32_t at = 0; at < len; at += 1000) {
        struct pl_mptcp_options o = shorten(peer_map(&peer, at, at, 1000, false));
        send_next(0, at, 1000, &o);
        expect_read(at + 1000);
        peer_write(&peer, at, 1000);
        assert_int_equal(peer.got_to, at + 1000);
        assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 1000);
        short_ack(at + 1000);
        assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    }
    peer_fini(&peer);
}

static void test_short_forms(void **state) {
    (void)state;
    run_short(0, 10000);
}

static void test_short_forms_across_wrap(void **state) {
    (void)state;
    run_short(UINT64_C(0x12345678fffff000), 10000);
    run_short(UINT64_C(0xffffffffffffe000), 10000);
}

static void run_long(uint64_t idsn, uint8_t cap_flags) {
    begin_with(&(struct peer_setup){.idsn = idsn, .cap_flags = cap_flags});
    peer.auto_ack = true;
    for (uint32_t at = 0; at < 20000; at += 1000) {
        peer_data(&peer, 0, at, 1000);
    }
    expect_read(20000);
    for (uint32_t at = 0; at < 100000; at += 20000) {
        peer_write(&peer, at, 20000);
        peer_run(&peer, SECOND);
    }
    assert_int_equal(peer.got_to, 100000);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    peer_run(&peer, SECOND);
    assert_true(peer.fin_seen);
    assert_int_equal(peer.fin_at, 100000);
    struct pl_mptcp_options fin = peer_map(&peer, 20000, 0, 0, true);
    send_options(0, &fin);
    assert_int_equal(plait_read(peer.stack, peer.sock, &fin, 1, peer.now), 0);
    assert_true(next_event(PLAIT_EVENT_CLOSED, NULL));
    peer_fini(&peer);
}

/* The 64-bit space wraps in the middle of both streams. */
static void test_long_wrap(void **state) {
    (void)state;
    run_long(UINT64_C(0xffffffffffffd000), 0);
    run_long(UINT64_C(0xffffffffffffd000), PL_CAPABLE_CHECKSUM);
    run_long(UINT64_C(0x7fffffffffffd000), 0);
}

/* An ACK of what was never sent, or of what is long acknowledged, changes nothing. */
static void test_wrong_acks(void **state) {
    (void)state;
    begin();
    peer_write(&peer, 0, 5000);
    assert_int_equal(peer.got_to, 5000);
    peer_ack(&peer, 0, 5001);
    peer_ack(&peer, 0, UINT64_C(1) << 40);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 5000);
    peer_ack(&peer, 0, 3000);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 2000);
    peer_ack(&peer, 0, 1000);
    peer_ack(&peer, 0, (uint64_t)-70000);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 2000);
    peer_ack(&peer, 0, 5000);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    peer_fini(&peer);
}

/* The checksum is there exactly when it was negotiated (section 3.3). */
/* Checksum or not was agreed on: the other way is a reset, "MPTCP-specific error" (section 3.3). */
static void test_checksum_as_negotiated(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool on = i % 2 != 0, capable = i > 1;
        begin_with(&(struct peer_setup){.cap_flags = on ? PL_CAPABLE_CHECKSUM : 0});
        struct pl_mptcp_options o = peer_map(&peer, 0, 0, 1000, false);
        o.dss.has_checksum = !o.dss.has_checksum;
        if (capable) {
            o.present = 1 << PL_MP_CAPABLE;
            o.capable.len = on ? 22 : 24;
            o.capable.version = 1;
            o.capable.flags = PL_CAPABLE_HMAC_SHA256;
            o.capable.data_len = 1000;
            o.capable.has_checksum = !on;
            o.capable.checksum = o.dss.checksum;
        }
        unsigned from = peer.log_count;
        send_at(0, 0, 0, 1000, &o);
        const struct pl_mptcp_options *rst = &expect_rst(from, 0)->seg.options.mptcp;
        assert_true(pl_mptcp_has(rst, PL_MP_TCPRST));
        assert_int_equal(rst->tcprst.reason, PL_RESET_MPTCP);
        expect_read(0);
        expect_counter(PLAIT_COUNTER_DSSNotMatching, 1);
        peer_fini(&peer);
    }
}

static void expect_end_of_stream(uint64_t at) {
    uint8_t byte;
    expect_read(at);
    assert_int_equal(plait_read(peer.stack, peer.sock, &byte, 1, peer.now), 0);
    assert_int_equal(peer.ack_seen, at + 1);
}

static void test_data_fin_alone(void **state) {
    (void)state;
    for (unsigned on = 0; on < 2; on++) {
        begin_with(&(struct peer_setup){.cap_flags = on ? PL_CAPABLE_CHECKSUM : 0});
        struct pl_mptcp_options fin = peer_map(&peer, 1000, 0, 0, true);
        peer_data(&peer, 0, 0, 1000);
        send_options(0, &fin);
        expect_end_of_stream(1000);
        send_options(0, &fin); /* again */
        expect_end_of_stream(1000);
        peer_fini(&peer);
    }
}

static void test_data_fin_with_data(void **state) {
    (void)state;
    for (unsigned on = 0; on < 2; on++) {
        begin_with(&(struct peer_setup){.cap_flags = on ? PL_CAPABLE_CHECKSUM : 0});
        struct pl_mptcp_options o = peer_map(&peer, 0, 0, 1000, true);
        send_next(0, 0, 1000, &o);
        expect_end_of_stream(1000);
        expect_counter(PLAIT_COUNTER_DataCsumErr, 0);
        peer_fini(&peer);
    }
}

/* No end of the stream on the word of an option that was changed on the way, alone or with data. */
static void test_data_fin_unverified(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2, .cap_flags = PL_CAPABLE_CHECKSUM});
    unsigned second = peer_join(&peer, 1, false);
    struct pl_mptcp_options fin = peer_map(&peer, 500, 0, 0, true);
    fin.dss.checksum ^= 1;
    send_options(0, &fin);
    expect_counter(PLAIT_COUNTER_DataCsumErr, 1);
    assert_int_equal(peer_subflow(&peer, 0)->phase, PL_SF_UP);
    struct pl_mptcp_options with_data = peer_map(&peer, 0, 0, 500, true);
    with_data.dss.checksum ^= 1;
    send_next(second, 0, 500, &with_data);
    expect_counter(PLAIT_COUNTER_DataCsumErr, 2);
    peer_data(&peer, 0, 0, 800);
    expect_read(800);
    fin = peer_map(&peer, 800, 0, 0, true);
    send_options(0, &fin);
    expect_end_of_stream(800);
    peer_fini(&peer);
}

static void test_data_fin_first(void **state) {
    (void)state;
    begin();
    struct pl_mptcp_options fin = shorten(peer_map(&peer, 2000, 0, 0, true));
    send_options(0, &fin);
    expect_read(0);
    peer_data(&peer, 0, 1000, 1000);
    peer_data(&peer, 0, 0, 1000);
    expect_end_of_stream(2000);
    peer_fini(&peer);
}

/* What the stack writes: 64-bit numbers, SSN from the ISN, DATA_FIN on the last mapping. */
static void test_written_mappings(void **state) {
    (void)state;
    begin();
    peer_write(&peer, 0, 1000);
    const struct pl_mptcp_options *o = &peer_find(&peer, 0, PL_MP_DSS)->seg.options.mptcp;
    assert_true(o->dss.has_map && o->dss.dsn_is_64 && o->dss.has_ack && o->dss.ack_is_64);
    assert_int_equal(o->dss.ssn, 1);
    assert_int_equal(o->dss.len, 1000);
    assert_false(o->dss.has_checksum || o->dss.data_fin);
    peer_ack(&peer, 0, 1000);
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    peer_pull(&peer);
    o = &peer_find(&peer, 0, PL_MP_DSS)->seg.options.mptcp;
    assert_true(o->dss.data_fin && o->dss.has_map);
    assert_int_equal(o->dss.ssn, 0);
    assert_int_equal(o->dss.len, 1);
    assert_int_equal(o->dss.dsn, peer.idsn_remote + 1 + 1000);
    peer_fini(&peer);
}

static void test_data_fin_rides(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.cap_flags = PL_CAPABLE_CHECKSUM});
    uint8_t block[900];
    for (unsigned i = 0; i < sizeof(block); i++) {
        block[i] = pair_pattern(i);
    }
    assert_int_equal(plait_write(peer.stack, peer.sock, block, sizeof(block), peer.now), 900);
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    peer_pull(&peer);
    const struct pl_mptcp_options *o = &peer_find(&peer, 0, PL_MP_DSS)->seg.options.mptcp;
    assert_true(o->dss.data_fin);
    assert_int_equal(o->dss.len, 901);
    assert_int_equal(peer.got_to, 900);
    peer_ack(&peer, 0, 901);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    peer_fini(&peer);
}

/* A lost segment comes again with the mapping it had (the peer checks that its bytes fit). */
static void test_retransmission_repeats(void **state) {
    (void)state;
    begin();
    peer.mute[0] = true;
    peer_write(&peer, 0, 4000);
    peer.mute[0] = false;
    unsigned from = peer.log_count;
    peer_run(&peer, 2 * SECOND);
    assert_true(peer_count(&peer, from, PL_MP_DSS) > 0);
    const struct peer_rx *first = NULL;
    for (unsigned i = from; first == NULL && i < peer.log_count; i++) {
        first = peer.log[i].seg.seq.v == peer.flow[0].irs + 1 ? &peer.log[i] : NULL;
    }
    assert_non_null(first);
    assert_int_equal(first->seg.options.mptcp.dss.ssn, 1);
    assert_int_equal(first->seg.options.mptcp.dss.dsn, peer.idsn_remote + 1);
    peer_fini(&peer);
}

/* Keys and the first data in one segment (section 3.1), both ways of checksum. */
static void test_capable_with_data(void **state) {
    (void)state;
    for (unsigned on = 0; on < 2; on++) {
        struct peer_setup setup = {.stay_embryonic = true,
                                   .cap_flags = on ? PL_CAPABLE_CHECKSUM : 0};
        peer_init(&peer, &setup);
        peer_accept(&peer);
        peer_write(&peer, 0, 3000);
        unsigned count = 0;
        for (unsigned i = 0; i < peer.log_count; i++) {
            const struct pl_mptcp_options *o = &peer.log[i].seg.options.mptcp;
            count += pl_mptcp_has(o, PL_MP_CAPABLE) && o->capable.len == (on ? 24 : 22) ? 1 : 0;
        }
        assert_int_equal(count, 1);
        assert_int_equal(peer.got_to, 3000);
        peer_fini(&peer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_forms),
        cmocka_unit_test(test_short_forms_across_wrap),
        cmocka_unit_test(test_long_wrap),
        cmocka_unit_test(test_wrong_acks),
        cmocka_unit_test(test_checksum_as_negotiated),
        cmocka_unit_test(test_data_fin_alone),
        cmocka_unit_test(test_data_fin_with_data),
        cmocka_unit_test(test_data_fin_unverified),
        cmocka_unit_test(test_data_fin_first),
        cmocka_unit_test(test_written_mappings),
        cmocka_unit_test(test_data_fin_rides),
        cmocka_unit_test(test_retransmission_repeats),
        cmocka_unit_test(test_capable_with_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

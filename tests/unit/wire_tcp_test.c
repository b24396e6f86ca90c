/* wire/tcp: header and options, both ways; what is malformed, what is only ignored. */
#include "wire/tcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "testenv.h"

enum { PAYLOAD = 5 };

/* A segment with these option bytes (padded with zeros), parsed. */
static enum pl_tcp_result parse_with(const uint8_t *options, uint32_t len, uint8_t flags,
                                     struct pl_segment *out) {
    static uint8_t packet[PL_TCP_HEADER + PL_TCP_OPTIONS_MAX + PAYLOAD];
    struct pl_segment seg = {.flags = flags};
    uint32_t padded = (len + 3) & ~3u;
    memset(packet, 0, sizeof(packet));
    memset(packet + PL_TCP_HEADER + ((len + 3) & ~3u), 0x55, PAYLOAD); /* no options any more */
    if (len > 0) {
        memcpy(packet + PL_TCP_HEADER, options, len);
    }
    uint32_t header_len = pl_tcp_write(packet, &seg, padded);
    return pl_tcp_parse(packet, header_len + PAYLOAD, out);
}

static void test_header_round_trip(void **state) {
    (void)state;
    uint8_t packet[25] = {0};
    struct pl_segment out, seg = {
                               .src_port = 50000,
                               .dst_port = 443,
                               .seq = pl_seq32_of(0xfedcba98),
                               .ack = pl_seq32_of(0x01234567),
                               .flags = PL_TCP_ACK | PL_TCP_PSH | PL_TCP_CWR,
                               .window_raw = 0xabcd,
                               .urgent = 0x1234,
                           };
    memset(packet, 0xcc, sizeof(packet));
    assert_int_equal(pl_tcp_write(packet, &seg, 0), 20);
    assert_int_equal(pl_get16(packet + 16), 0);
    assert_int_equal(packet[20], 0xcc);
    assert_int_equal(pl_tcp_parse(packet, sizeof(packet), &out), PL_TCP_OK);
    assert_int_equal(out.src_port, seg.src_port);
    assert_int_equal(out.dst_port, seg.dst_port);
    assert_int_equal(out.seq.v, seg.seq.v);
    assert_int_equal(out.ack.v, seg.ack.v);
    assert_int_equal(out.flags, seg.flags);
    assert_int_equal(out.window_raw, seg.window_raw);
    assert_int_equal(out.urgent, seg.urgent);
    assert_ptr_equal(out.payload, packet + 20);
    assert_int_equal(out.payload_len, 5);
    assert_int_equal(out.gso_size, 0);
    for (size_t len = 0; len < 20; len++) {
        assert_int_equal(pl_tcp_parse(packet, len, &out), PL_TCP_TRUNCATED);
    }
    packet[12] = 0x70; /* 28 bytes of header in 25 */
    assert_int_equal(pl_tcp_parse(packet, sizeof(packet), &out), PL_TCP_TRUNCATED);
    packet[12] = 0x40; /* 16 bytes of header */
    assert_int_equal(pl_tcp_parse(packet, sizeof(packet), &out), PL_TCP_BAD_OPTION);
}

static void test_sequence_space(void **state) {
    (void)state;
    struct pl_segment seg = {.payload_len = 10};
    assert_int_equal(pl_segment_len(&seg), 10);
    seg.flags = PL_TCP_SYN | PL_TCP_ACK;
    assert_int_equal(pl_segment_len(&seg), 11);
    seg.flags = PL_TCP_SYN | PL_TCP_FIN;
    assert_int_equal(pl_segment_len(&seg), 12);
}

static void test_options_round_trip(void **state) {
    (void)state;
    uint8_t options[40];
    struct pl_segment out;
    uint32_t len = pl_tcp_put_mss(options, 1460);
    len += pl_tcp_put_wscale(options + len, 11);
    len += pl_tcp_put_sack_ok(options + len);
    len += pl_tcp_put_timestamps(options + len, 0x11223344, 0x55667788);
    assert_int_equal(len, 24);
    len += pl_tcp_put_uto(options + len, 0x8102);
    assert_int_equal(len, 28);
    assert_int_equal(parse_with(options, len, PL_TCP_SYN, &out), PL_TCP_OK);
    assert_int_equal(out.options.uto, 0x8102);
    assert_true(out.options.has_mss);
    assert_int_equal(out.options.mss, 1460);
    assert_true(out.options.has_wscale);
    assert_int_equal(out.options.wscale, 11);
    assert_true(out.options.has_sack_ok);
    assert_true(out.options.has_timestamps);
    assert_int_equal(out.options.ts_val, 0x11223344);
    assert_int_equal(out.options.ts_ecr, 0x55667788);
    assert_int_equal(out.payload_len, PAYLOAD);
    assert_int_equal(out.options.mptcp.present, 0);
    /* Without SYN the first three mean nothing. */
    assert_int_equal(parse_with(options, len, PL_TCP_ACK, &out), PL_TCP_OK);
    assert_false(out.options.has_mss);
    assert_false(out.options.has_wscale);
    assert_false(out.options.has_sack_ok);
    assert_true(out.options.has_timestamps);
    assert_int_equal(out.options.uto, 0x8102);
}

static void test_sack_blocks(void **state) {
    (void)state;
    uint8_t options[41];
    struct pl_segment out;
    struct pl_sack_block blocks[4];
    for (uint32_t i = 0; i < 4; i++) {
        blocks[i].start = pl_seq32_of(0xfffffff0 + 10 * i);
        blocks[i].end = pl_seq32_of(0xfffffff5 + 10 * i);
    }
    for (unsigned n = 1; n <= 4; n++) {
        memset(options, 0xcc, sizeof(options));
        uint32_t len = pl_tcp_put_sack(options, blocks, n);
        assert_int_equal(len, 4 + 8 * n);
        assert_int_equal(options[len], 0xcc);
        assert_int_equal(parse_with(options, len, PL_TCP_ACK, &out), PL_TCP_OK);
        assert_int_equal(out.options.sack_count, n);
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(out.options.sack[i].start.v, blocks[i].start.v);
            assert_int_equal(out.options.sack[i].end.v, blocks[i].end.v);
        }
    }
    /* Timestamps leave room for three. */
    uint32_t len = pl_tcp_put_timestamps(options, 1, 2);
    len += pl_tcp_put_sack(options + len, blocks, 3);
    assert_int_equal(len, PL_TCP_OPTIONS_MAX);
    assert_int_equal(parse_with(options, len, PL_TCP_ACK, &out), PL_TCP_OK);
    assert_int_equal(out.options.sack_count, 3);
    assert_true(out.options.has_timestamps);
}

static void test_wrong_lengths_are_ignored(void **state) {
    (void)state;
    static const uint8_t kinds[] = {2, 3, 4, 5, 8};
    static const uint8_t right[] = {4, 3, 2, 10, 10};
    struct pl_segment out;
    for (size_t k = 0; k < sizeof(kinds); k++) {
        for (uint8_t len = 2; len <= 40; len++) {
            uint8_t options[40] = {0};
            options[0] = kinds[k];
            options[1] = len;
            assert_int_equal(parse_with(options, len, PL_TCP_SYN, &out), PL_TCP_OK);
            const struct pl_tcp_options *o = &out.options;
            bool taken = o->has_mss || o->has_wscale || o->has_sack_ok || o->sack_count > 0 ||
                         o->has_timestamps;
            bool fits = len == right[k] || (kinds[k] == 5 && (len - 2) % 8 == 0 && len > 2);
            assert_int_equal(taken, fits);
        }
    }
}

static void test_unknown_options_and_padding_are_skipped(void **state) {
    (void)state;
    const uint8_t options[] = {1, 254, 4, 9, 9, 253, 2, 1, 2, 4, 0x12, 0x34, 0, 3, 99, 1};
    struct pl_segment out;
    assert_int_equal(parse_with(options, sizeof(options), PL_TCP_SYN, &out), PL_TCP_OK);
    assert_int_equal(out.options.mss, 0x1234);
    assert_false(out.options.has_wscale); /* behind the end of the list */
}

static void test_lists_that_run_past_the_header_are_bad(void **state) {
    (void)state;
    const uint8_t lists[][4] = {
        {254, 0, 1, 1}, {254, 1, 1, 1}, {254, 5, 1, 1},
        {1, 1, 1, 254}, {1, 8, 10, 0},  {1, 1, 30, 3},
    };
    struct pl_segment out;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        assert_int_equal(parse_with(lists[i], 4, PL_TCP_ACK, &out), PL_TCP_BAD_OPTION);
    }
}

static void test_mptcp_options_are_found(void **state) {
    (void)state;
    struct pl_mptcp_options o = {
        .dss = {.has_ack = true, .ack_is_64 = true, .has_map = true, .dsn_is_64 = true, .ack = 7},
    };
    uint8_t options[40];
    struct pl_segment out;
    uint32_t len = pl_tcp_put_timestamps(options, 1, 2);
    o.dss.has_checksum = true;
    len += pl_mptcp_write(options + len, PL_MP_DSS, &o);
    assert_int_equal(len, PL_TCP_OPTIONS_MAX); /* the two fill everything */
    assert_int_equal(parse_with(options, len, PL_TCP_ACK, &out), PL_TCP_OK);
    assert_true(pl_mptcp_has(&out.options.mptcp, PL_MP_DSS));
    assert_int_equal(out.options.mptcp.dss.ack, 7);
    /* Flags decide the form: the MP_CAPABLE of a SYN is none on an ACK. */
    o.capable.len = 4;
    o.capable.version = 1;
    len = pl_mptcp_write(options, PL_MP_CAPABLE, &o);
    assert_int_equal(parse_with(options, len, PL_TCP_SYN, &out), PL_TCP_OK);
    assert_true(pl_mptcp_has(&out.options.mptcp, PL_MP_CAPABLE));
    assert_int_equal(parse_with(options, len, PL_TCP_ACK, &out), PL_TCP_OK);
    assert_false(pl_mptcp_has(&out.options.mptcp, PL_MP_CAPABLE));
    assert_int_equal(out.options.mptcp.bad, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_round_trip),
        cmocka_unit_test(test_sequence_space),
        cmocka_unit_test(test_options_round_trip),
        cmocka_unit_test(test_sack_blocks),
        cmocka_unit_test(test_wrong_lengths_are_ignored),
        cmocka_unit_test(test_unknown_options_and_padding_are_skipped),
        cmocka_unit_test(test_lists_that_run_past_the_header_are_bad),
        cmocka_unit_test(test_mptcp_options_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

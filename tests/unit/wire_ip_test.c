/* wire/ip: what is written is parsed, extension headers, truncation at every length. */
#include "wire/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "testenv.h"
#include "wire/checksum.h"

static struct pl_ip header(const char *src, const char *dst, uint32_t payload_len) {
    struct pl_ip ip = {.protocol = PL_IP_TCP, .hops = 61, .traffic_class = 0xb9};
    assert_true(pl_addr_parse(src, &ip.src));
    assert_true(pl_addr_parse(dst, &ip.dst));
    ip.payload_len = payload_len;
    return ip;
}

static void assert_same(const struct pl_ip *a, const struct pl_ip *b) {
    assert_true(pl_addr_equal(&a->src, &b->src));
    assert_true(pl_addr_equal(&a->dst, &b->dst));
    assert_int_equal(a->protocol, b->protocol);
    assert_int_equal(a->hops, b->hops);
    assert_int_equal(a->traffic_class, b->traffic_class);
    assert_int_equal(a->payload_len, b->payload_len);
}

static void test_ipv4_round_trip(void **state) {
    (void)state;
    uint8_t packet[120] = {0};
    struct pl_ip out, ip = header("192.0.2.1", "198.51.100.7", 100);
    assert_int_equal(pl_ip_write(packet, &ip, 0xbeef), 20);
    assert_int_equal(pl_get16(packet + 2), 120);
    assert_int_equal(pl_get16(packet + 4), 0xbeef);
    assert_int_equal(pl_get16(packet + 6), 0x4000);
    assert_int_equal(pl_ip_parse(packet, 120, &out), PL_IP_OK);
    assert_same(&ip, &out);
    assert_int_equal(out.header_len, 20);
    assert_false(out.fragment);
    for (size_t len = 0; len < 120; len++) {
        assert_int_equal(pl_ip_parse(packet, len, &out), PL_IP_TRUNCATED);
    }
    for (int i = 0; i < 20; i++) {
        packet[i] ^= 0x10;
        assert_int_not_equal(pl_ip_parse(packet, 120, &out), PL_IP_OK);
        packet[i] ^= 0x10;
    }
}

static void test_ipv4_trailing_bytes_are_not_payload(void **state) {
    (void)state;
    uint8_t packet[64] = {0};
    struct pl_ip out, ip = header("192.0.2.1", "198.51.100.7", 10);
    pl_ip_write(packet, &ip, 0);
    assert_int_equal(pl_ip_parse(packet, sizeof(packet), &out), PL_IP_OK);
    assert_int_equal(out.payload_len, 10);
}

static void fix_checksum(uint8_t *packet, uint32_t header_len) {
    pl_put16(packet + 10, 0);
    pl_put16(packet + 10, (uint16_t)~pl_sum_fold(pl_sum_add(0, packet, header_len)));
}

static void test_ipv4_options_and_fragments(void **state) {
    (void)state;
    uint8_t packet[80] = {0};
    struct pl_ip out, ip = header("192.0.2.1", "198.51.100.7", 60);
    pl_ip_write(packet, &ip, 0);
    packet[0] = 0x47;
    memset(packet + 20, 1, 8);
    fix_checksum(packet, 28);
    assert_int_equal(pl_ip_parse(packet, 80, &out), PL_IP_OK);
    assert_int_equal(out.header_len, 28);
    assert_int_equal(out.payload_len, 52);
    const uint16_t fragments[] = {0x2000, 0x0001, 0x1fff};
    for (int i = 0; i < 3; i++) {
        pl_put16(packet + 6, fragments[i]);
        fix_checksum(packet, 28);
        assert_int_equal(pl_ip_parse(packet, 80, &out), PL_IP_OK);
        assert_true(out.fragment);
    }
    packet[0] = 0x44; /* a header shorter than a header */
    assert_int_equal(pl_ip_parse(packet, 80, &out), PL_IP_MALFORMED);
    packet[0] = 0x45;
    pl_put16(packet + 2, 19); /* a packet shorter than its header */
    assert_int_equal(pl_ip_parse(packet, 80, &out), PL_IP_MALFORMED);
    packet[0] = 0x55;
    assert_int_equal(pl_ip_parse(packet, 80, &out), PL_IP_MALFORMED);
}

static void test_ipv6_round_trip(void **state) {
    (void)state;
    uint8_t packet[140] = {0};
    struct pl_ip out, ip = header("2001:db8::1", "fe80::2", 100);
    assert_int_equal(pl_ip_write(packet, &ip, 7), 40);
    assert_int_equal(pl_ip_parse(packet, 140, &out), PL_IP_OK);
    assert_same(&ip, &out);
    assert_int_equal(out.header_len, 40);
    for (size_t len = 0; len < 140; len++) {
        assert_int_equal(pl_ip_parse(packet, len, &out), PL_IP_TRUNCATED);
    }
    ip.payload_len = 70000;
    pl_ip_write(packet, &ip, 7);
    assert_int_equal(pl_get16(packet + 4), 70000 - 65536);
}

/* An IPv6 packet with the extension headers of `chain` (protocol numbers, 0xff ends), 8 bytes
 * each, and 20 bytes of TCP. Returns its length. */
static size_t build_v6(uint8_t *packet, const uint8_t *chain, uint16_t fragment_field) {
    struct pl_ip ip = header("2001:db8::1", "2001:db8::2", 0);
    uint8_t *next = packet + 6;
    size_t len = 40;
    memset(packet, 0, 200);
    pl_ip_write(packet, &ip, 0);
    for (; *chain != 0xff; chain++) {
        *next = *chain;
        next = packet + len;
        if (*chain == 44) {
            pl_put16(packet + len + 2, fragment_field);
        }
        len += 8;
    }
    *next = PL_IP_TCP;
    len += 20;
    pl_put16(packet + 4, (uint16_t)(len - 40));
    return len;
}

static void test_ipv6_extension_headers(void **state) {
    (void)state;
    uint8_t packet[200];
    struct pl_ip out;
    const uint8_t all[] = {0, 60, 43, 44, 60, 0xff};
    size_t len = build_v6(packet, all, 0);
    assert_int_equal(pl_ip_parse(packet, len, &out), PL_IP_OK);
    assert_int_equal(out.protocol, PL_IP_TCP);
    assert_int_equal(out.header_len, 80);
    assert_int_equal(out.payload_len, 20);
    assert_false(out.fragment);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(pl_ip_parse(packet, cut, &out), PL_IP_TRUNCATED);
    }
    for (uint16_t cut = 0; cut < 40; cut++) { /* the length field ends inside the chain */
        pl_put16(packet + 4, cut);
        assert_int_equal(pl_ip_parse(packet, len, &out), PL_IP_TRUNCATED);
    }
    len = build_v6(packet, all, 1); /* more fragments */
    assert_int_equal(pl_ip_parse(packet, len, &out), PL_IP_OK);
    assert_true(out.fragment);
    len = build_v6(packet, all, 8); /* not the first */
    assert_int_equal(pl_ip_parse(packet, len, &out), PL_IP_OK);
    assert_true(out.fragment);
    const uint8_t late[] = {60, 0, 0xff};
    len = build_v6(packet, late, 0);
    assert_int_equal(pl_ip_parse(packet, len, &out), PL_IP_MALFORMED);
    const uint8_t many[] = {60, 60, 60, 60, 60, 60, 60, 60, 60, 0xff};
    len = build_v6(packet, many, 0);
    assert_int_equal(pl_ip_parse(packet, len, &out), PL_IP_MALFORMED);
    assert_int_equal(build_v6(packet, many + 1, 0), 124);
    assert_int_equal(pl_ip_parse(packet, 124, &out), PL_IP_OK);
}

static void test_ipv6_lengths_of_extension_headers(void **state) {
    (void)state;
    uint8_t packet[200];
    struct pl_ip out;
    const uint8_t one[] = {60, 0xff};
    size_t len = build_v6(packet, one, 0);
    packet[41] = 2; /* it takes 24 bytes: all but four of what is there */
    assert_int_equal(pl_ip_parse(packet, len, &out), PL_IP_OK);
    assert_int_equal(out.header_len, 64);
    assert_int_equal(out.payload_len, 4);
    pl_put16(packet + 4, 24); /* nothing behind it */
    assert_int_equal(pl_ip_parse(packet, len, &out), PL_IP_OK);
    assert_int_equal(out.payload_len, 0);
    pl_put16(packet + 4, 23);
    assert_int_equal(pl_ip_parse(packet, len, &out), PL_IP_TRUNCATED);
    len = build_v6(packet, one, 0);
    packet[41] = 200; /* an extension header longer than the packet */
    assert_int_equal(pl_ip_parse(packet, len, &out), PL_IP_TRUNCATED);
}

static void test_quoted_packets_are_cut_short(void **state) {
    (void)state;
    uint8_t packet[200] = {0};
    struct pl_ip out, ip = header("192.0.2.1", "198.51.100.7", 1400);
    pl_ip_write(packet, &ip, 0);
    packet[8] = 1; /* the checksum is stale now */
    assert_int_equal(pl_ip_parse_quoted(packet, 28, &out), PL_IP_OK);
    assert_int_equal(out.payload_len, 8);
    assert_int_equal(pl_ip_parse_quoted(packet, 19, &out), PL_IP_TRUNCATED);
    ip = header("2001:db8::1", "2001:db8::2", 1400);
    pl_ip_write(packet, &ip, 0);
    assert_int_equal(pl_ip_parse_quoted(packet, 48, &out), PL_IP_OK);
    assert_int_equal(out.payload_len, 8);
    assert_int_equal(pl_ip_parse_quoted(packet, 40, &out), PL_IP_OK);
    assert_int_equal(out.payload_len, 0);
    assert_int_equal(pl_ip_parse_quoted(packet, 39, &out), PL_IP_TRUNCATED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4_round_trip),
        cmocka_unit_test(test_ipv4_trailing_bytes_are_not_payload),
        cmocka_unit_test(test_ipv4_options_and_fragments),
        cmocka_unit_test(test_ipv6_round_trip),
        cmocka_unit_test(test_ipv6_extension_headers),
        cmocka_unit_test(test_ipv6_lengths_of_extension_headers),
        cmocka_unit_test(test_quoted_packets_are_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

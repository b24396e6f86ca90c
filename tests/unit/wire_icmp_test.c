/* wire/icmp: every type and code that means something, and everything that must be ignored. */
#include "wire/icmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "testenv.h"
#include "wire/checksum.h"

struct message {
    struct pl_ip ip; /* of the packet that brought it */
    uint8_t bytes[200];
    size_t len;
};

static void seal(struct message *m) {
    uint64_t sum = 0;
    if (m->ip.src.family == PLAIT_IPV6) {
        sum = pl_sum_pseudo(&m->ip.src, &m->ip.dst, PL_IP_ICMP6, (uint32_t)m->len);
    }
    pl_put16(m->bytes + 2, 0);
    pl_put16(m->bytes + 2, (uint16_t)~pl_sum_fold(pl_sum_add(sum, m->bytes, m->len)));
}

/* An error about a TCP packet of ours, from a router. */
static struct message build(uint8_t family, uint8_t type, uint8_t code, uint32_t word) {
    struct message m = {.ip = {.hops = 60}};
    struct pl_ip inner = {.protocol = PL_IP_TCP, .hops = 1, .payload_len = 1000};
    bool v4 = family == PLAIT_IPV4;
    m.ip.protocol = v4 ? PL_IP_ICMP : PL_IP_ICMP6;
    assert_true(pl_addr_parse(v4 ? "203.0.113.1" : "2001:db8:1::1", &m.ip.src));
    assert_true(pl_addr_parse(v4 ? "192.0.2.1" : "2001:db8::1", &m.ip.dst));
    assert_true(pl_addr_parse(v4 ? "198.51.100.7" : "2001:db8::7", &inner.dst));
    inner.src = m.ip.dst;
    m.bytes[0] = type;
    m.bytes[1] = code;
    pl_put32(m.bytes + 4, word);
    uint32_t at = 8 + pl_ip_write(m.bytes + 8, &inner, 0);
    pl_put16(m.bytes + at, 50000);
    pl_put16(m.bytes + at + 2, 443);
    pl_put32(m.bytes + at + 4, 0x89abcdef);
    m.len = at + 8;
    seal(&m);
    return m;
}

static enum pl_icmp_kind kind_of(const struct message *m) {
    struct pl_icmp_error error;
    bool ok = pl_icmp_parse(&m->ip, m->bytes, m->len, &error);
    assert_int_equal(ok, error.kind != PL_ICMP_OTHER);
    return error.kind;
}

static void test_fields(void **state) {
    (void)state;
    struct pl_icmp_error error;
    struct message m = build(PLAIT_IPV4, 3, 4, 0x12340514);
    assert_true(pl_icmp_parse(&m.ip, m.bytes, m.len, &error));
    assert_int_equal(error.kind, PL_ICMP_TOO_BIG);
    assert_int_equal(error.mtu, 0x0514);
    assert_int_equal(error.inner_src_port, 50000);
    assert_int_equal(error.inner_dst_port, 443);
    assert_int_equal(error.inner_seq.v, 0x89abcdef);
    assert_true(pl_addr_equal(&error.inner.src, &m.ip.dst));
    m = build(PLAIT_IPV6, 2, 0, 0x00012345);
    assert_true(pl_icmp_parse(&m.ip, m.bytes, m.len, &error));
    assert_int_equal(error.kind, PL_ICMP_TOO_BIG);
    assert_int_equal(error.mtu, 0x12345);
    assert_int_equal(error.inner_seq.v, 0x89abcdef);
}

static void test_kinds_of_ipv4(void **state) {
    (void)state;
    const char *codes = "ssHHTsssshhsshoo"; /* soft, hard, too big, other, by code */
    for (unsigned code = 0; code < 16; code++) {
        struct message m = build(PLAIT_IPV4, 3, (uint8_t)code, 0);
        enum pl_icmp_kind kind = kind_of(&m);
        char c = codes[code];
        assert_int_equal(kind, c == 's'               ? PL_ICMP_NET_UNREACHABLE
                               : c == 'h' || c == 'H' ? PL_ICMP_PORT_UNREACHABLE
                               : c == 'T'             ? PL_ICMP_TOO_BIG
                                                      : PL_ICMP_OTHER);
    }
    struct message m = build(PLAIT_IPV4, 11, 0, 0);
    assert_int_equal(kind_of(&m), PL_ICMP_NET_UNREACHABLE);
    const uint8_t soft[] = {11, 12}; /* time exceeded, parameter problem */
    for (int i = 0; i < 6; i++) {
        m = build(PLAIT_IPV4, soft[i / 3], (uint8_t)(i % 3), 0);
        assert_int_equal(kind_of(&m), i % 3 < 2 ? PL_ICMP_NET_UNREACHABLE : PL_ICMP_OTHER);
    }
    const uint8_t others[] = {0, 4, 5, 8, 255}; /* 4: source quench (RFC 9293 MUST-55) */
    for (int i = 0; i < 5; i++) {
        m = build(PLAIT_IPV4, others[i], 0, 0);
        assert_int_equal(kind_of(&m), PL_ICMP_OTHER);
    }
}

static void test_kinds_of_ipv6(void **state) {
    (void)state;
    const char *codes = "shsshhho";
    for (unsigned code = 0; code < 8; code++) {
        struct message m = build(PLAIT_IPV6, 1, (uint8_t)code, 0);
        assert_int_equal(kind_of(&m), codes[code] == 's'   ? PL_ICMP_NET_UNREACHABLE
                                      : codes[code] == 'h' ? PL_ICMP_PORT_UNREACHABLE
                                                           : PL_ICMP_OTHER);
    }
    struct message m = build(PLAIT_IPV6, 3, 0, 0);
    assert_int_equal(kind_of(&m), PL_ICMP_NET_UNREACHABLE);
    m = build(PLAIT_IPV6, 4, 0, 0);
    assert_int_equal(kind_of(&m), PL_ICMP_OTHER);
    m = build(PLAIT_IPV6, 128, 0, 0);
    assert_int_equal(kind_of(&m), PL_ICMP_OTHER);
}

static void test_what_is_ignored(void **state) {
    (void)state;
    const uint8_t families[] = {PLAIT_IPV4, PLAIT_IPV6};
    for (int i = 0; i < 2; i++) {
        uint8_t family = families[i], type = family == PLAIT_IPV4 ? 3 : 1;
        struct message good = build(family, type, 1, 0), m = good;
        assert_int_not_equal(kind_of(&m), PL_ICMP_OTHER);
        m.bytes[m.len - 1] ^= 1; /* checksum */
        assert_int_equal(kind_of(&m), PL_ICMP_OTHER);
        for (m = good; m.len > 0;) { /* less than eight bytes of TCP */
            m.len--;
            if (m.len >= 8) {
                seal(&m);
            }
            assert_int_equal(kind_of(&m), PL_ICMP_OTHER);
        }
        m = good;
        m.bytes[8 + (family == PLAIT_IPV4 ? 9 : 6)] = PL_IP_UDP;
        seal(&m);
        assert_int_equal(kind_of(&m), PL_ICMP_OTHER);
        m = good;
        m.ip.protocol = PL_IP_TCP;
        assert_int_equal(kind_of(&m), PL_ICMP_OTHER);
    }
    struct message m = build(PLAIT_IPV4, 3, 1, 0);
    pl_put16(m.bytes + 8 + 6, 0x2000); /* a fragment, which we never send */
    seal(&m);
    assert_int_equal(kind_of(&m), PL_ICMP_OTHER);
}

/* ICMP over IPv4 that quotes IPv6, and the protocol number of the other family. */
static void test_families_do_not_mix(void **state) {
    (void)state;
    struct message m = build(PLAIT_IPV4, 3, 1, 0), six = build(PLAIT_IPV6, 1, 0, 0);
    memcpy(m.bytes + 8, six.bytes + 8, six.len - 8);
    m.len = six.len;
    seal(&m);
    assert_int_equal(kind_of(&m), PL_ICMP_OTHER);
    m = build(PLAIT_IPV4, 3, 1, 0);
    m.ip.protocol = PL_IP_ICMP6;
    assert_int_equal(kind_of(&m), PL_ICMP_OTHER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_kinds_of_ipv4),
        cmocka_unit_test(test_kinds_of_ipv6),
        cmocka_unit_test(test_what_is_ignored),
        cmocka_unit_test(test_families_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

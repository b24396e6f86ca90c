/* wire/mptcp: exact bytes of each form of RFC 8684 section 3 and RFC 6824, every other length
 * refused, random values there and back. */
#include "wire/mptcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "testenv.h"

enum kind { SYN, SYNACK, ACK, NEITHER, KINDS };

static void parse(const uint8_t *opt, uint32_t len, enum kind kind, struct pl_mptcp_options *out) {
    pl_mptcp_parse(opt, len, kind == SYN || kind == SYNACK, kind == SYNACK || kind == ACK, out);
}

static struct pl_mptcp_options parsed(const uint8_t *opt, uint32_t len, enum kind kind) {
    struct pl_mptcp_options out = {0};
    assert_int_equal(opt[1], len);
    parse(opt, len, kind, &out);
    return out;
}

/* The writer gives exactly these bytes, padded with NOPs. */
static void assert_writes(const struct pl_mptcp_options *o, enum pl_mptcp_subtype s,
                          const uint8_t *want, uint32_t len) {
    uint8_t out[44];
    uint32_t padded = (len + 3) / 4 * 4;
    memset(out, 0xcc, sizeof(out));
    assert_int_equal(pl_mptcp_len(s, o), padded);
    assert_int_equal(pl_mptcp_write(out, s, o), padded);
    assert_memory_equal(out, want, len);
    for (uint32_t i = len; i < padded; i++) {
        assert_int_equal(out[i], 1);
    }
    assert_int_equal(out[padded], 0xcc);
}

#define KEY_A 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08
#define KEY_B 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18
static const uint64_t key_a = UINT64_C(0x0102030405060708), key_b = UINT64_C(0x1112131415161718);

static void test_capable_forms(void **state) {
    (void)state;
    const uint8_t full[] = {30, 24, 0x01, 0x81, KEY_A, KEY_B, 0xab, 0xcd, 0x12, 0x34};
    const struct {
        uint8_t len;
        enum kind kind;
    } forms[] = {{4, SYN}, {12, SYNACK}, {20, ACK}, {22, ACK}, {24, ACK}};
    for (size_t i = 0; i < 5; i++) {
        uint8_t opt[24], len = forms[i].len;
        memcpy(opt, full, sizeof(opt));
        opt[1] = len;
        struct pl_mptcp_options o = parsed(opt, len, forms[i].kind);
        assert_int_equal(o.present, 1 << PL_MP_CAPABLE);
        assert_int_equal(o.bad, 0);
        assert_int_equal(o.capable.len, len);
        assert_int_equal(o.capable.version, 1);
        assert_int_equal(o.capable.flags, PL_CAPABLE_CHECKSUM | PL_CAPABLE_HMAC_SHA256);
        assert_true(o.capable.key_sender == (len >= 12 ? key_a : 0));
        assert_true(o.capable.key_receiver == (len >= 20 ? key_b : 0));
        assert_int_equal(o.capable.data_len, len >= 22 ? 0xabcd : 0);
        assert_int_equal(o.capable.has_checksum, len == 24);
        assert_int_equal(o.capable.checksum, len == 24 ? 0x1234 : 0);
        assert_writes(&o, PL_MP_CAPABLE, opt, len);
    }
}

/* RFC 6824 section 3.1: the key in the SYN, no data. */
static void test_capable_forms_v0(void **state) {
    (void)state;
    const uint8_t full[] = {30, 24, 0x00, 0x81, KEY_A, KEY_B, 0xab, 0xcd, 0x12, 0x34};
    const struct {
        uint8_t len;
        enum kind kind;
        bool good;
    } forms[] = {{4, SYN, false},    {12, SYN, true}, {20, SYN, false}, {12, SYNACK, true},
                 {4, SYNACK, false}, {20, ACK, true}, {22, ACK, false}, {24, ACK, false},
                 {12, ACK, false},   {4, ACK, false}};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        uint8_t opt[24], len = forms[i].len;
        memcpy(opt, full, sizeof(opt));
        opt[1] = len;
        struct pl_mptcp_options o = parsed(opt, len, forms[i].kind);
        assert_int_equal(o.present, forms[i].good ? 1 << PL_MP_CAPABLE : 0);
        assert_int_equal(o.bad, !forms[i].good);
        if (forms[i].good) {
            assert_int_equal(o.capable.version, 0);
            assert_true(o.capable.key_sender == key_a);
            assert_true(o.capable.key_receiver == (len == 20 ? key_b : 0));
            assert_writes(&o, PL_MP_CAPABLE, opt, len);
        }
    }
    /* With bit B in a SYN the form is not known, but the bit is. */
    for (uint8_t len = 4; len <= 24; len++) {
        uint8_t opt[24] = {30, len, 0x00, 0x41};
        struct pl_mptcp_options o = parsed(opt, len, SYN);
        assert_int_equal(o.present, 1 << PL_MP_CAPABLE);
        assert_int_equal(o.capable.flags, 0x41);
        assert_int_equal(o.capable.len, 4); /* what can be told of it, and written again */
        assert_true(o.capable.key_sender == 0);
        assert_writes(&o, PL_MP_CAPABLE, (const uint8_t[]){30, 4, 0x00, 0x41}, 4);
    }
}

static void test_join_forms(void **state) {
    (void)state;
    const uint8_t syn[] = {30, 12, 0x11, 7, 0xa1, 0xa2, 0xa3, 0xa4, 0xb1, 0xb2, 0xb3, 0xb4};
    struct pl_mptcp_options o = parsed(syn, sizeof(syn), SYN);
    assert_int_equal(o.present, 1 << PL_MP_JOIN);
    assert_true(o.join.backup);
    assert_int_equal(o.join.address_id, 7);
    assert_int_equal(o.join.token, 0xa1a2a3a4);
    assert_int_equal(o.join.nonce, 0xb1b2b3b4);
    assert_writes(&o, PL_MP_JOIN, syn, sizeof(syn));

    const uint8_t synack[] = {30, 16, 0x10, 9, KEY_A, 0xb1, 0xb2, 0xb3, 0xb4};
    o = parsed(synack, sizeof(synack), SYNACK);
    assert_false(o.join.backup);
    assert_int_equal(o.join.address_id, 9);
    assert_memory_equal(o.join.hmac, synack + 4, 8);
    assert_int_equal(o.join.nonce, 0xb1b2b3b4);
    assert_writes(&o, PL_MP_JOIN, synack, sizeof(synack));

    const uint8_t ack[] = {30, 24, 0x10, 0, KEY_A, KEY_B, 1, 2, 3, 4};
    o = parsed(ack, sizeof(ack), ACK);
    assert_int_equal(o.join.len, 24);
    assert_memory_equal(o.join.hmac, ack + 4, 20);
    assert_writes(&o, PL_MP_JOIN, ack, sizeof(ack));
}

/* All 32 combinations of flags, with and without checksum; `a` and `m` alone mean nothing. */
static void test_dss_forms(void **state) {
    (void)state;
    for (unsigned flags = 0; flags < 32; flags++) {
        bool has_ack = flags & 1, ack_64 = flags & 2, has_map = flags & 4, dsn_64 = flags & 8;
        uint8_t opt[40] = {30, 0, 0x20, (uint8_t)flags};
        for (unsigned i = 4; i < sizeof(opt); i++) {
            opt[i] = (uint8_t)(0xf0 + i);
        }
        uint32_t ack_len = !has_ack ? 0 : ack_64 ? 8 : 4, dsn_len = dsn_64 ? 8 : 4;
        uint32_t bare = 4 + ack_len + (has_map ? dsn_len + 6 : 0);
        for (uint8_t len = 4; len <= 40; len++) {
            opt[1] = len;
            struct pl_mptcp_options o = parsed(opt, len, ACK);
            bool checksum = has_map && len == bare + 2;
            assert_int_equal(pl_mptcp_has(&o, PL_MP_DSS), len == bare || checksum);
            assert_int_equal(o.bad, len != bare && !checksum);
            if (o.bad) {
                continue;
            }
            assert_int_equal(o.dss.has_ack, has_ack);
            assert_int_equal(o.dss.has_map, has_map);
            assert_int_equal(o.dss.data_fin, has_map && (flags & 16) != 0);
            assert_int_equal(o.dss.has_checksum, checksum);
            if (has_ack) {
                assert_true(o.dss.ack >> 32 == (ack_64 ? 0xf4f5f6f7 : 0));
                assert_int_equal((uint32_t)o.dss.ack, ack_64 ? 0xf8f9fafb : 0xf4f5f6f7);
            }
            if (has_map) {
                const uint8_t *p = opt + 4 + ack_len + dsn_len;
                assert_int_equal(o.dss.ssn >> 24, p[0]);
                assert_int_equal(o.dss.len, p[4] << 8 | p[5]);
                assert_int_equal(o.dss.checksum, checksum ? p[6] << 8 | p[7] : 0);
            }
            opt[3] = (uint8_t)(flags & (has_ack ? 31 : ~2u) & (has_map ? 31 : ~24u));
            assert_writes(&o, PL_MP_DSS, opt, len);
            opt[3] = (uint8_t)flags;
        }
    }
}

static void test_infinite_mapping(void **state) {
    (void)state;
    const uint8_t opt[] = {30, 20, 0x20, 0x05, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 0, 0, 0, 0};
    struct pl_mptcp_options o = parsed(opt, sizeof(opt), ACK);
    assert_true(o.dss.has_map);
    assert_int_equal(o.dss.len, 0);
    assert_int_equal(o.dss.dsn, 0x05060708);
    assert_int_equal(o.dss.ssn, 9);
    assert_true(o.dss.has_checksum);
    assert_int_equal(o.dss.checksum, 0);
    assert_writes(&o, PL_MP_DSS, opt, sizeof(opt));
}

static void test_add_addr_forms(void **state) {
    (void)state;
    for (unsigned form = 0; form < 8; form++) {
        bool v6 = form & 1, port = form & 2, echo = form & 4;
        uint8_t opt[40] = {30, 0, echo ? 0x31 : 0x30, 5};
        uint8_t len = 4;
        for (int i = 0; i < (v6 ? 16 : 4); i++) {
            opt[len++] = (uint8_t)(0x20 + i);
        }
        if (port) {
            opt[len++] = 0x1f;
            opt[len++] = 0x90;
        }
        if (!echo) {
            const uint8_t hmac[] = {KEY_A};
            memcpy(opt + len, hmac, 8);
            len = (uint8_t)(len + 8);
        }
        opt[1] = len;
        struct pl_mptcp_options o = parsed(opt, len, ACK);
        assert_int_equal(o.present, 1 << PL_MP_ADD_ADDR);
        assert_int_equal(o.add_addr.echo, echo);
        assert_int_equal(o.add_addr.address_id, 5);
        assert_int_equal(o.add_addr.addr.family, v6 ? PLAIT_IPV6 : PLAIT_IPV4);
        assert_memory_equal(o.add_addr.addr.bytes, opt + 4, v6 ? 16 : 4);
        assert_int_equal(o.add_addr.addr.bytes[4], v6 ? 0x24 : 0);
        assert_int_equal(o.add_addr.has_port, port);
        assert_int_equal(o.add_addr.port, port ? 8080 : 0);
        assert_true(o.add_addr.hmac == (echo ? 0 : key_a));
        assert_writes(&o, PL_MP_ADD_ADDR, opt, len);
        uint8_t flags[40]; /* those without a meaning mean nothing */
        memcpy(flags, opt, len);
        flags[2] |= 0x0e;
        struct pl_mptcp_options same = parsed(flags, len, ACK);
        assert_memory_equal(&same.add_addr, &o.add_addr, sizeof(o.add_addr));
    }
}

/* RFC 6824 section 3.4.1: the IP version in place of flags, no HMAC. */
static void test_add_addr_forms_v0(void **state) {
    (void)state;
    for (unsigned form = 0; form < 4; form++) {
        bool v6 = form & 1, port = form & 2;
        uint8_t opt[24] = {30, 0, v6 ? 0x36 : 0x34, 5};
        uint8_t len = (uint8_t)((v6 ? 20 : 8) + (port ? 2 : 0));
        for (int i = 4; i < 24; i++) {
            opt[i] = (uint8_t)(0x20 + i);
        }
        opt[1] = len;
        struct pl_mptcp_options o = parsed(opt, len, ACK);
        assert_int_equal(o.present, 1 << PL_MP_ADD_ADDR);
        assert_true(o.add_addr.is_v0);
        assert_false(o.add_addr.echo);
        assert_int_equal(o.add_addr.address_id, 5);
        assert_int_equal(o.add_addr.addr.family, v6 ? PLAIT_IPV6 : PLAIT_IPV4);
        assert_memory_equal(o.add_addr.addr.bytes, opt + 4, v6 ? 16 : 4);
        assert_int_equal(o.add_addr.has_port, port);
        assert_int_equal(o.add_addr.port, port ? (v6 ? 0x3435 : 0x2829) : 0);
        assert_writes(&o, PL_MP_ADD_ADDR, opt, len);
        opt[2] = v6 ? 0x34 : 0x36; /* the other version does not fit the length */
        assert_int_equal(parsed(opt, len, ACK).bad, 1);
    }
}

static void test_remove_addr_forms(void **state) {
    (void)state;
    for (uint8_t count = 1; count <= 16; count++) {
        uint8_t opt[40] = {30, (uint8_t)(3 + count), 0x40};
        for (uint8_t i = 0; i < count; i++) {
            opt[3 + i] = (uint8_t)(100 + i);
        }
        struct pl_mptcp_options o = parsed(opt, 3u + count, ACK);
        assert_int_equal(o.remove_addr.count, count);
        assert_memory_equal(o.remove_addr.ids, opt + 3, count);
        assert_writes(&o, PL_MP_REMOVE_ADDR, opt, 3u + count);
    }
    uint8_t long_list[40] = {30, 20, 0x40}; /* 17 ids */
    struct pl_mptcp_options o = parsed(long_list, 20, ACK);
    assert_int_equal(o.bad, 1);
}

static void test_short_options(void **state) {
    (void)state;
    const uint8_t prio[] = {30, 3, 0x51};
    struct pl_mptcp_options o = parsed(prio, sizeof(prio), ACK);
    assert_true(o.prio.backup);
    assert_writes(&o, PL_MP_PRIO, prio, sizeof(prio));
    assert_false(o.prio.has_id);
    const uint8_t prio_v0[] = {30, 4, 0x50, 9}; /* RFC 6824 section 3.3.8 */
    o = parsed(prio_v0, sizeof(prio_v0), ACK);
    assert_false(o.prio.backup);
    assert_true(o.prio.has_id);
    assert_int_equal(o.prio.address_id, 9);
    assert_writes(&o, PL_MP_PRIO, prio_v0, sizeof(prio_v0));
    const uint8_t fail[] = {30, 12, 0x60, 0, KEY_A};
    o = parsed(fail, sizeof(fail), ACK);
    assert_true(o.fail.dsn == key_a);
    assert_writes(&o, PL_MP_FAIL, fail, sizeof(fail));
    const uint8_t fastclose[] = {30, 12, 0x70, 0, KEY_B};
    o = parsed(fastclose, sizeof(fastclose), NEITHER);
    assert_true(o.fastclose.key_receiver == key_b);
    assert_writes(&o, PL_MP_FASTCLOSE, fastclose, sizeof(fastclose));
    const uint8_t tcprst[] = {30, 4, 0x81, 0x06};
    o = parsed(tcprst, sizeof(tcprst), NEITHER);
    assert_true(o.tcprst.transient);
    assert_int_equal(o.tcprst.flags, 1);
    assert_int_equal(o.tcprst.reason, 6);
    assert_writes(&o, PL_MP_TCPRST, tcprst, sizeof(tcprst));
    for (uint8_t flags = 0; flags < 16; flags++) { /* U, V and W mean nothing */
        const uint8_t opt[] = {30, 4, (uint8_t)(0x80 | flags), 6};
        o = parsed(opt, sizeof(opt), NEITHER);
        assert_int_equal(o.tcprst.transient, (flags & 1) != 0);
        assert_int_equal(o.tcprst.reason, 6);
    }
}

#define LEN(n) (UINT64_C(1) << (n))

/* Whether RFC 8684 has a form of this length on this kind of segment; MP_PRIO also in RFC 6824. DSS
 * has no flags set here, ADD_ADDR no echo bit. */
static bool form_exists(unsigned subtype, uint32_t len, enum kind kind) {
    static const uint64_t established[] = {
        [PL_MP_CAPABLE] = LEN(20) | LEN(22) | LEN(24),
        [PL_MP_JOIN] = LEN(24),
        [PL_MP_DSS] = LEN(4),
        [PL_MP_ADD_ADDR] = LEN(16) | LEN(18) | LEN(28) | LEN(30),
        [PL_MP_REMOVE_ADDR] = LEN(20) - LEN(4), /* 4 to 19 */
        [PL_MP_PRIO] = LEN(3) | LEN(4),
        [PL_MP_FAIL] = LEN(12),
        [PL_MP_FASTCLOSE] = LEN(12),
        [PL_MP_TCPRST] = LEN(4),
    };
    if (subtype == PL_MP_CAPABLE && kind != ACK) {
        return (kind == SYN && len == 4) || (kind == SYNACK && len == 12);
    }
    if (subtype == PL_MP_JOIN && kind != ACK) {
        return (kind == SYN && len == 12) || (kind == SYNACK && len == 16);
    }
    bool is_syn = kind == SYN || kind == SYNACK;
    return !is_syn && subtype <= PL_MP_TCPRST && (established[subtype] & LEN(len)) != 0;
}

static void test_every_length_of_every_subtype(void **state) {
    (void)state;
    for (unsigned subtype = 0; subtype < 16; subtype++) {
        for (enum kind kind = SYN; kind < KINDS; kind++) {
            for (uint8_t len = 2; len <= 40; len++) {
                unsigned version = subtype == PL_MP_CAPABLE ? 1 : 0;
                uint8_t opt[40] = {30, len, (uint8_t)(subtype << 4 | version)};
                struct pl_mptcp_options o = {0}, stored = {0};
                parse(opt, len, kind, &o);
                bool known = subtype <= PL_MP_TCPRST || len < 3;
                bool wanted = len >= 3 && form_exists(subtype, len, kind);
                assert_int_equal(o.present, wanted ? 1u << subtype : 0);
                assert_int_equal(o.bad, known && !wanted);
                assert_int_equal(o.unknown, !known);
                stored.present = o.present;
                stored.bad = o.bad;
                stored.unknown = o.unknown;
                if (!wanted) { /* and nothing else was stored */
                    assert_memory_equal(&o, &stored, sizeof(o));
                }
            }
        }
    }
}

static void test_repeated_options(void **state) {
    (void)state;
    uint8_t fail[] = {30, 12, 0x60, 0, KEY_A};
    struct pl_mptcp_options o = {0};
    parse(fail, sizeof(fail), ACK, &o);
    fail[11] = 99;
    parse(fail, sizeof(fail), ACK, &o);
    assert_true(o.fail.dsn == key_a);
    assert_int_equal(o.bad, 1);
    uint8_t remove[] = {30, 4, 0x40, 5};
    parse(remove, sizeof(remove), ACK, &o);
    remove[3] = 6;
    parse(remove, sizeof(remove), ACK, &o);
    assert_int_equal(o.remove_addr.ids[0], 5);
    assert_int_equal(o.bad, 1);
    assert_int_equal(o.present, 1 << PL_MP_FAIL | 1 << PL_MP_REMOVE_ADDR);
}

/* Random values in a random form of `s`; returns the kind of segment it belongs on. */
static enum kind randomize(struct pl_rng *rng, enum pl_mptcp_subtype s,
                           struct pl_mptcp_options *o) {
    static const uint8_t capable[] = {4, 12, 20, 22, 24}, join[] = {12, 16, 24};
    static const enum kind capable_kind[] = {SYN, SYNACK, ACK, ACK, ACK};
    uint64_t pick;
    pl_rng_fill(rng, &o->capable.key_sender, sizeof(o->capable.key_sender));
    pl_rng_fill(rng, o->join.hmac, sizeof(o->join.hmac));
    pl_rng_fill(rng, o->remove_addr.ids, sizeof(o->remove_addr.ids));
    o->capable.version = (uint8_t)pl_rng_range(rng, 1, 15);
    o->capable.data_len = (uint16_t)pl_rng_next(rng);
    o->join.nonce = (uint32_t)pl_rng_next(rng);
    o->dss.has_ack = pl_rng_below(rng, 2);
    o->dss.ack_is_64 = pl_rng_below(rng, 2);
    o->dss.has_map = pl_rng_below(rng, 2);
    o->dss.dsn_is_64 = pl_rng_below(rng, 2);
    o->dss.data_fin = pl_rng_below(rng, 2);
    o->dss.has_checksum = pl_rng_below(rng, 2);
    o->dss.ack = pl_rng_next(rng);
    o->dss.dsn = pl_rng_next(rng);
    o->dss.ssn = (uint32_t)pl_rng_next(rng);
    o->dss.len = (uint16_t)pl_rng_below(rng, 3);
    o->add_addr.addr.family = pl_rng_below(rng, 2) ? PLAIT_IPV4 : PLAIT_IPV6;
    o->add_addr.echo = pl_rng_below(rng, 2);
    o->add_addr.has_port = pl_rng_below(rng, 2);
    o->add_addr.hmac = pl_rng_next(rng);
    o->remove_addr.count = (uint8_t)pl_rng_range(rng, 1, 16);
    o->prio.backup = pl_rng_below(rng, 2);
    o->fail.dsn = pl_rng_next(rng);
    o->tcprst.transient = pl_rng_below(rng, 2);
    switch (s) {
        case PL_MP_CAPABLE:
            pick = pl_rng_below(rng, 5);
            o->capable.len = capable[pick];
            return capable_kind[pick];
        case PL_MP_JOIN:
            pick = pl_rng_below(rng, 3);
            o->join.len = join[pick];
            return (enum kind)pick;
        default:
            return ACK;
    }
}

/* Written, parsed and written again: the same bytes. The exact bytes of each field are checked by
 * the tests above. */
static void test_random_round_trip(void **state) {
    (void)state;
    struct pl_rng rng;
    pl_rng_init(&rng, 31);
    for (int round = 0; round < 30000; round++) {
        enum pl_mptcp_subtype s = (enum pl_mptcp_subtype)pl_rng_below(&rng, PL_MP_TCPRST + 1);
        struct pl_mptcp_options o = {0}, back = {0};
        uint8_t first[40], second[40];
        enum kind kind = randomize(&rng, s, &o);
        uint32_t len = pl_mptcp_write(first, s, &o);
        assert_int_equal(len, pl_mptcp_len(s, &o));
        parse(first, first[1], kind, &back);
        assert_int_equal(back.present, 1u << s);
        assert_int_equal(back.bad, 0);
        assert_int_equal(pl_mptcp_write(second, s, &back), len);
        assert_memory_equal(first, second, len);
        for (uint32_t cut = 2; cut < first[1]; cut++) { /* truncated: never read past the cut */
            uint8_t exact[40];
            struct pl_mptcp_options ignored = {0};
            memset(exact, 0xcc, sizeof(exact));
            memcpy(exact + 40 - cut, first, cut);
            parse(exact + 40 - cut, cut, kind, &ignored);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capable_forms),
        cmocka_unit_test(test_capable_forms_v0),
        cmocka_unit_test(test_join_forms),
        cmocka_unit_test(test_dss_forms),
        cmocka_unit_test(test_infinite_mapping),
        cmocka_unit_test(test_add_addr_forms),
        cmocka_unit_test(test_add_addr_forms_v0),
        cmocka_unit_test(test_remove_addr_forms),
        cmocka_unit_test(test_short_options),
        cmocka_unit_test(test_every_length_of_every_subtype),
        cmocka_unit_test(test_repeated_options),
        cmocka_unit_test(test_random_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* One reader and one writer per subtype, in a table each. A reader checks the length against the
 * form that flags or segment kind ask for before it touches anything else; a writer is given the
 * unpadded length that the same form has. */
#include "wire/mptcp.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

enum { OPT_NOP = 1, OPT_LEN_MAX = 40, SUBTYPE_COUNT = PL_MP_TCPRST + 1 };
enum { DSS_ACK = 0x01, DSS_ACK_64 = 0x02, DSS_MAP = 0x04, DSS_DSN_64 = 0x08, DSS_FIN = 0x10 };
enum { FLAG_BACKUP = 0x01, FLAG_ECHO = 0x01, FLAG_TRANSIENT = 0x01 };
enum { JOIN_HMAC_SYNACK = 8, JOIN_HMAC_ACK = 20 };

/* ---- parsing ---- */

struct segment_kind {
    bool is_syn, is_ack;
};

/* Returns false, having stored nothing, when the length does not fit. */
typedef bool option_reader(const uint8_t *opt, uint32_t len, struct segment_kind kind,
                           struct pl_mptcp_options *o);

/* Version 0 has the initiator's key in the SYN, and no data. */
static bool capable_len_ok(const uint8_t *opt, uint32_t len, struct segment_kind kind) {
    bool is_v0 = (opt[2] & 15) == 0;
    if (kind.is_syn) {
        return len == (is_v0 || kind.is_ack ? 12 : 4);
    }
    return kind.is_ack && (len == 20 || (!is_v0 && (len == 22 || len == 24)));
}

/* Bit B in a SYN of version 0 may go with any form, of which nobody knows more than the first four
 * octets (RFC 6824 section 3.1). */
static bool is_unknown_form(const uint8_t *opt, struct segment_kind kind) {
    return kind.is_syn && !kind.is_ack && (opt[2] & 15) == 0 &&
           (opt[3] & PL_CAPABLE_EXTENSION) != 0;
}

static bool read_capable(const uint8_t *opt, uint32_t len, struct segment_kind kind,
                         struct pl_mptcp_options *o) {
    if (is_unknown_form(opt, kind)) {
        o->capable.len = 4;
        o->capable.flags = opt[3];
        return true;
    }
    if (!capable_len_ok(opt, len, kind)) {
        return false;
    }
    o->capable.len = (uint8_t)len;
    o->capable.version = opt[2] & 15;
    o->capable.flags = opt[3];
    o->capable.key_sender = len >= 12 ? pl_get64(opt + 4) : 0;
    o->capable.key_receiver = len >= 20 ? pl_get64(opt + 12) : 0;
    o->capable.data_len = len >= 22 ? pl_get16(opt + 20) : 0;
    o->capable.has_checksum = len == 24;
    o->capable.checksum = len == 24 ? pl_get16(opt + 22) : 0;
    return true;
}

static bool read_join(const uint8_t *opt, uint32_t len, struct segment_kind kind,
                      struct pl_mptcp_options *o) {
    if (kind.is_syn) {
        if (len != (kind.is_ack ? 16 : 12)) {
            return false;
        }
        o->join.backup = (opt[2] & FLAG_BACKUP) != 0;
        o->join.address_id = opt[3];
        o->join.nonce = pl_get32(opt + len - 4);
        if (kind.is_ack) {
            memcpy(o->join.hmac, opt + 4, JOIN_HMAC_SYNACK);
        } else {
            o->join.token = pl_get32(opt + 4);
        }
    } else {
        if (len != 24 || !kind.is_ack) {
            return false;
        }
        memcpy(o->join.hmac, opt + 4, JOIN_HMAC_ACK);
    }
    o->join.len = (uint8_t)len;
    return true;
}

/* Octets of a DSS with these flags, checksum left out. */
static uint32_t dss_len(uint8_t flags) {
    uint32_t len = 4;
    if ((flags & DSS_ACK) != 0) {
        len += (flags & DSS_ACK_64) != 0 ? 8u : 4u;
    }
    if ((flags & DSS_MAP) != 0) {
        len += ((flags & DSS_DSN_64) != 0 ? 8u : 4u) + 6;
    }
    return len;
}

static bool read_dss(const uint8_t *opt, uint32_t len, struct segment_kind kind,
                     struct pl_mptcp_options *o) {
    uint8_t flags = opt[3];
    uint32_t bare = dss_len(flags);
    bool has_map = (flags & DSS_MAP) != 0;
    bool has_checksum = has_map && len == bare + 2;
    if (kind.is_syn || (len != bare && !has_checksum)) {
        return false;
    }
    PL_ASSERT(len <= 28);
    const uint8_t *p = opt + 4;
    if ((flags & DSS_ACK) != 0) {
        o->dss.has_ack = true;
        o->dss.ack_is_64 = (flags & DSS_ACK_64) != 0;
        o->dss.ack = o->dss.ack_is_64 ? pl_get64(p) : pl_get32(p);
        p += o->dss.ack_is_64 ? 8 : 4;
    }
    if (has_map) {
        o->dss.has_map = true;
        o->dss.dsn_is_64 = (flags & DSS_DSN_64) != 0;
        o->dss.data_fin = (flags & DSS_FIN) != 0;
        o->dss.dsn = o->dss.dsn_is_64 ? pl_get64(p) : pl_get32(p);
        p += o->dss.dsn_is_64 ? 8 : 4;
        o->dss.ssn = pl_get32(p);
        o->dss.len = pl_get16(p + 4);
        o->dss.has_checksum = has_checksum;
        o->dss.checksum = has_checksum ? pl_get16(p + 6) : 0;
    }
    return true;
}

/* RFC 6824 section 3.4.1: the IP version where RFC 8684 has flags, and lengths that no signed one
 * has. */
static bool is_add_addr_v0(const uint8_t *opt, uint32_t len) {
    unsigned ip_version = opt[2] & 15;
    return (ip_version == 4 && (len == 8 || len == 10)) ||
           (ip_version == 6 && (len == 20 || len == 22));
}

static bool read_add_addr(const uint8_t *opt, uint32_t len, struct segment_kind kind,
                          struct pl_mptcp_options *o) {
    bool is_v0 = is_add_addr_v0(opt, len);
    bool echo = !is_v0 && (opt[2] & FLAG_ECHO) != 0;
    uint32_t hmac_len = echo || is_v0 ? 0 : 8;
    uint32_t rest = len - 4 - hmac_len; /* wraps when too short, and then fits nothing */
    bool is_v4 = rest == 4 || rest == 6;
    bool is_v6 = rest == 16 || rest == 18;
    if (kind.is_syn || (!is_v4 && !is_v6)) {
        return false;
    }
    uint32_t addr_len = is_v4 ? 4 : 16;
    PL_ASSERT(4 + addr_len + hmac_len <= len);
    o->add_addr.echo = echo;
    o->add_addr.is_v0 = is_v0;
    o->add_addr.address_id = opt[3];
    o->add_addr.addr = (struct plait_addr){.family = is_v4 ? PLAIT_IPV4 : PLAIT_IPV6};
    memcpy(o->add_addr.addr.bytes, opt + 4, addr_len);
    o->add_addr.has_port = rest > addr_len;
    o->add_addr.port = o->add_addr.has_port ? pl_get16(opt + 4 + addr_len) : 0;
    o->add_addr.hmac = hmac_len == 0 ? 0 : pl_get64(opt + len - 8);
    return true;
}

static bool read_remove_addr(const uint8_t *opt, uint32_t len, struct segment_kind kind,
                             struct pl_mptcp_options *o) {
    if (kind.is_syn || len < 4 || len - 3 > sizeof(o->remove_addr.ids)) {
        return false;
    }
    o->remove_addr.count = (uint8_t)(len - 3);
    memcpy(o->remove_addr.ids, opt + 3, len - 3);
    return true;
}

static bool read_prio(const uint8_t *opt, uint32_t len, struct segment_kind kind,
                      struct pl_mptcp_options *o) {
    if (kind.is_syn || (len != 3 && len != 4)) {
        return false;
    }
    o->prio.backup = (opt[2] & FLAG_BACKUP) != 0;
    o->prio.has_id = len == 4;
    o->prio.address_id = len == 4 ? opt[3] : 0;
    return true;
}

static bool read_fail(const uint8_t *opt, uint32_t len, struct segment_kind kind,
                      struct pl_mptcp_options *o) {
    if (kind.is_syn || len != 12) {
        return false;
    }
    o->fail.dsn = pl_get64(opt + 4);
    return true;
}

static bool read_fastclose(const uint8_t *opt, uint32_t len, struct segment_kind kind,
                           struct pl_mptcp_options *o) {
    if (kind.is_syn || len != 12) {
        return false;
    }
    o->fastclose.key_receiver = pl_get64(opt + 4);
    return true;
}

static bool read_tcprst(const uint8_t *opt, uint32_t len, struct segment_kind kind,
                        struct pl_mptcp_options *o) {
    if (kind.is_syn || len != 4) {
        return false;
    }
    o->tcprst.flags = opt[2] & 15;
    o->tcprst.transient = (opt[2] & FLAG_TRANSIENT) != 0;
    o->tcprst.reason = opt[3];
    return true;
}

static option_reader *const readers[SUBTYPE_COUNT] = {
    [PL_MP_CAPABLE] = read_capable,
    [PL_MP_JOIN] = read_join,
    [PL_MP_DSS] = read_dss,
    [PL_MP_ADD_ADDR] = read_add_addr,
    [PL_MP_REMOVE_ADDR] = read_remove_addr,
    [PL_MP_PRIO] = read_prio,
    [PL_MP_FAIL] = read_fail,
    [PL_MP_FASTCLOSE] = read_fastclose,
    [PL_MP_TCPRST] = read_tcprst,
};

void pl_mptcp_parse(const uint8_t *opt, uint32_t len, bool is_syn, bool is_ack,
                    struct pl_mptcp_options *out) {
    PL_ASSERT(len <= OPT_LEN_MAX);
    if (len < 3) {
        out->bad++;
        return;
    }
    unsigned subtype = opt[2] >> 4;
    if (subtype >= SUBTYPE_COUNT) {
        out->unknown++;
        return;
    }
    bool repeated = pl_mptcp_has(out, (enum pl_mptcp_subtype)subtype);
    if (repeated && (subtype == PL_MP_ADD_ADDR || subtype == PL_MP_REMOVE_ADDR)) {
        return;
    }
    /* The shortest forms but MP_PRIO's have four octets, and readers look at the fourth first. */
    bool too_short = len < 4 && subtype != PL_MP_PRIO;
    struct segment_kind kind = {.is_syn = is_syn, .is_ack = is_ack};
    if (repeated || too_short || !readers[subtype](opt, len, kind, out)) {
        out->bad++;
        return;
    }
    out->present = (uint16_t)(out->present | 1u << subtype);
}

/* ---- writing ---- */

static uint8_t dss_flags(const struct pl_mptcp_options *o) {
    unsigned flags = 0;
    if (o->dss.has_ack) {
        flags |= o->dss.ack_is_64 ? DSS_ACK | DSS_ACK_64 : DSS_ACK;
    }
    if (o->dss.has_map) {
        flags |= o->dss.dsn_is_64 ? DSS_MAP | DSS_DSN_64 : DSS_MAP;
        flags |= o->dss.data_fin ? DSS_FIN : 0;
    }
    return (uint8_t)flags;
}

/* Octets of an option before padding. */
static uint32_t bare_len(enum pl_mptcp_subtype s, const struct pl_mptcp_options *o) {
    switch (s) {
        case PL_MP_CAPABLE:
            return o->capable.len;
        case PL_MP_JOIN:
            return o->join.len;
        case PL_MP_DSS:
            return dss_len(dss_flags(o)) + (o->dss.has_map && o->dss.has_checksum ? 2 : 0);
        case PL_MP_ADD_ADDR:
            return 4 + (o->add_addr.addr.family == PLAIT_IPV4 ? 4u : 16u) +
                   (o->add_addr.has_port ? 2u : 0u) +
                   (o->add_addr.echo || o->add_addr.is_v0 ? 0u : 8u);
        case PL_MP_REMOVE_ADDR:
            return 3u + o->remove_addr.count;
        case PL_MP_PRIO:
            return o->prio.has_id ? 4 : 3;
        case PL_MP_FAIL:
        case PL_MP_FASTCLOSE:
            return 12;
        case PL_MP_TCPRST:
            return 4;
    }
    PL_UNREACHABLE();
}

/* A writer fills `len` octets; kind, length and subtype are there, everything else is zero. */
typedef void option_writer(uint8_t *out, uint32_t len, const struct pl_mptcp_options *o);

static void write_capable(uint8_t *out, uint32_t len, const struct pl_mptcp_options *o) {
    PL_ASSERT(len == 4 || len == 12 || len == 20 || len == 22 || len == 24);
    PL_ASSERT(o->capable.version <= 15);
    out[2] |= o->capable.version;
    out[3] = o->capable.flags;
    if (len >= 12) {
        pl_put64(out + 4, o->capable.key_sender);
    }
    if (len >= 20) {
        pl_put64(out + 12, o->capable.key_receiver);
    }
    if (len >= 22) {
        pl_put16(out + 20, o->capable.data_len);
    }
    if (len == 24) {
        pl_put16(out + 22, o->capable.checksum);
    }
}

static void write_join(uint8_t *out, uint32_t len, const struct pl_mptcp_options *o) {
    PL_ASSERT(len == 12 || len == 16 || len == 24);
    if (len == 24) {
        memcpy(out + 4, o->join.hmac, JOIN_HMAC_ACK);
        return;
    }
    out[2] |= o->join.backup ? FLAG_BACKUP : 0;
    out[3] = o->join.address_id;
    if (len == 12) {
        pl_put32(out + 4, o->join.token);
    } else {
        memcpy(out + 4, o->join.hmac, JOIN_HMAC_SYNACK);
    }
    pl_put32(out + len - 4, o->join.nonce);
}

static uint8_t *put_number(uint8_t *p, uint64_t value, bool is_64) {
    if (is_64) {
        pl_put64(p, value);
        return p + 8;
    }
    pl_put32(p, (uint32_t)value);
    return p + 4;
}

static void write_dss(uint8_t *out, uint32_t len, const struct pl_mptcp_options *o) {
    uint8_t *p = out + 4;
    out[3] = dss_flags(o);
    if (o->dss.has_ack) {
        p = put_number(p, o->dss.ack, o->dss.ack_is_64);
    }
    if (o->dss.has_map) {
        p = put_number(p, o->dss.dsn, o->dss.dsn_is_64);
        pl_put32(p, o->dss.ssn);
        pl_put16(p + 4, o->dss.len);
        p += 6;
        if (o->dss.has_checksum) {
            pl_put16(p, o->dss.checksum);
            p += 2;
        }
    }
    PL_ASSERT(p == out + len);
}

static void write_add_addr(uint8_t *out, uint32_t len, const struct pl_mptcp_options *o) {
    PL_ASSERT(o->add_addr.addr.family != PLAIT_FAMILY_NONE);
    uint32_t addr_len = o->add_addr.addr.family == PLAIT_IPV4 ? 4 : 16;
    PL_ASSERT(!o->add_addr.echo || !o->add_addr.is_v0);
    if (o->add_addr.is_v0) {
        out[2] |= o->add_addr.addr.family == PLAIT_IPV4 ? 4 : 6;
    }
    out[2] |= o->add_addr.echo ? FLAG_ECHO : 0;
    out[3] = o->add_addr.address_id;
    memcpy(out + 4, o->add_addr.addr.bytes, addr_len);
    if (o->add_addr.has_port) {
        pl_put16(out + 4 + addr_len, o->add_addr.port);
    }
    if (!o->add_addr.echo && !o->add_addr.is_v0) {
        pl_put64(out + len - 8, o->add_addr.hmac);
    }
}

static void write_remove_addr(uint8_t *out, uint32_t len, const struct pl_mptcp_options *o) {
    PL_ASSERT(o->remove_addr.count >= 1);
    PL_ASSERT(o->remove_addr.count <= sizeof(o->remove_addr.ids));
    memcpy(out + 3, o->remove_addr.ids, len - 3);
}

static void write_prio(uint8_t *out, uint32_t len, const struct pl_mptcp_options *o) {
    PL_ASSERT(len == 3 || len == 4);
    out[2] |= o->prio.backup ? FLAG_BACKUP : 0;
    if (len == 4) {
        out[3] = o->prio.address_id;
    }
}

static void write_fail(uint8_t *out, uint32_t len, const struct pl_mptcp_options *o) {
    PL_ASSERT(len == 12);
    pl_put64(out + 4, o->fail.dsn);
}

static void write_fastclose(uint8_t *out, uint32_t len, const struct pl_mptcp_options *o) {
    PL_ASSERT(len == 12);
    pl_put64(out + 4, o->fastclose.key_receiver);
}

static void write_tcprst(uint8_t *out, uint32_t len, const struct pl_mptcp_options *o) {
    PL_ASSERT(len == 4);
    out[2] |= o->tcprst.transient ? FLAG_TRANSIENT : 0;
    out[3] = o->tcprst.reason;
}

static option_writer *const writers[SUBTYPE_COUNT] = {
    [PL_MP_CAPABLE] = write_capable,
    [PL_MP_JOIN] = write_join,
    [PL_MP_DSS] = write_dss,
    [PL_MP_ADD_ADDR] = write_add_addr,
    [PL_MP_REMOVE_ADDR] = write_remove_addr,
    [PL_MP_PRIO] = write_prio,
    [PL_MP_FAIL] = write_fail,
    [PL_MP_FASTCLOSE] = write_fastclose,
    [PL_MP_TCPRST] = write_tcprst,
};

uint32_t pl_mptcp_len(enum pl_mptcp_subtype s, const struct pl_mptcp_options *o) {
    return (bare_len(s, o) + 3) & ~3u;
}

uint32_t pl_mptcp_write(uint8_t *out, enum pl_mptcp_subtype s, const struct pl_mptcp_options *o) {
    uint32_t len = bare_len(s, o);
    uint32_t padded = pl_mptcp_len(s, o);
    PL_ASSERT(len >= 3);
    PL_ASSERT(len <= padded);
    PL_ASSERT(padded <= OPT_LEN_MAX);
    memset(out, 0, len);
    memset(out + len, OPT_NOP, padded - len);
    out[0] = PL_TCPOPT_MPTCP;
    out[1] = (uint8_t)len;
    out[2] = (uint8_t)(s << 4);
    writers[s](out, len, o);
    return padded;
}

/* wire/mptcp.h - the MPTCP options (RFC 8684 section 3; kind 30), bytes <-> plain structs.
 *
 * Both versions: where RFC 6824 has another form of an option, its length (for MP_CAPABLE with the
 * version in it) tells which one it is, and a field says so.
 * Parsing is strict by length and lenient by meaning: an option whose length does not fit its
 * subtype is counted in `bad` and not stored; unknown subtypes (0xF, section 9) are counted in
 * `unknown`. A second option of the same subtype in one segment is ignored and counted in
 * `bad`; a second ADD_ADDR or REMOVE_ADDR is legal, but only the first is kept (the peer repeats
 * what is not echoed). */
#ifndef PL_WIRE_MPTCP_H
#define PL_WIRE_MPTCP_H

#include "plait/types.h"

enum { PL_TCPOPT_MPTCP = 30 };

enum pl_mptcp_subtype {
    PL_MP_CAPABLE = 0,
    PL_MP_JOIN = 1,
    PL_MP_DSS = 2,
    PL_MP_ADD_ADDR = 3,
    PL_MP_REMOVE_ADDR = 4,
    PL_MP_PRIO = 5,
    PL_MP_FAIL = 6,
    PL_MP_FASTCLOSE = 7,
    PL_MP_TCPRST = 8,
};

/* Which options a segment has: bits (1 << subtype). */
struct pl_mptcp_options {
    uint16_t present;
    uint8_t bad;     /* malformed or repeated options */
    uint8_t unknown; /* options of subtypes nobody knows */

    /* Section 3.1; len 4 (SYN; version 0: 12), 12 (SYN/ACK), 20 (ACK), 22 or 24 (with data; not
     * in version 0). */
    struct {
        uint8_t len, version, flags; /* flags: PL_CAPABLE_… */
        uint64_t key_sender, key_receiver;
        uint16_t data_len;
        bool has_checksum;
        uint16_t checksum;
    } capable;

    struct { /* section 3.2; len 12 (SYN), 16 (SYN/ACK), 24 (ACK) */
        uint8_t len, address_id;
        bool backup;
        uint32_t token;   /* SYN */
        uint32_t nonce;   /* SYN, SYN/ACK */
        uint8_t hmac[20]; /* SYN/ACK: the first 8 bytes; ACK: 20 */
    } join;

    struct { /* section 3.3 */
        bool has_ack, ack_is_64, has_map, dsn_is_64, data_fin, has_checksum;
        uint64_t ack, dsn; /* 4-octet forms: the low 32 bits */
        uint32_t ssn;      /* relative to the subflow's ISN */
        uint16_t len;      /* DATA_FIN counted */
        uint16_t checksum;
    } dss;

    struct { /* section 3.4.1 */
        bool echo, has_port;
        bool is_v0; /* neither echoed nor signed (RFC 6824 section 3.4.1) */
        uint8_t address_id;
        struct plait_addr addr;
        uint16_t port;
        /* The truncated HMAC as it stands in the option, big-endian; absent (0) in an echo and in
         * version 0. */
        uint64_t hmac;
    } add_addr;

    struct { /* section 3.4.2 */
        uint8_t count;
        uint8_t ids[16];
    } remove_addr;

    struct { /* section 3.3.8 */
        bool backup, has_id;
        uint8_t address_id; /* version 0: all subflows of this address (RFC 6824 section 3.3.8) */
    } prio;

    struct { /* section 3.7 */
        uint64_t dsn;
    } fail;

    struct { /* section 3.5 */
        uint64_t key_receiver;
    } fastclose;

    struct { /* section 3.6 */
        bool transient;
        uint8_t flags, reason;
    } tcprst;
};

enum pl_capable_flag {
    PL_CAPABLE_CHECKSUM = 0x80,    /* A */
    PL_CAPABLE_EXTENSION = 0x40,   /* B */
    PL_CAPABLE_NO_JOIN = 0x20,     /* C: no joins to this address and port */
    PL_CAPABLE_HMAC_SHA256 = 0x01, /* H: SHA-256; version 0: SHA-1 */
};

static inline bool pl_mptcp_has(const struct pl_mptcp_options *o, enum pl_mptcp_subtype s) {
    return (o->present >> s & 1) != 0;
}

/* Parses one option (kind and length bytes included, `len` is the option's length) into *out. */
void pl_mptcp_parse(const uint8_t *opt, uint32_t len, bool is_syn, bool is_ack,
                    struct pl_mptcp_options *out);

/* Writes one option of subtype `s` from the matching member of `o` at `out` (40 bytes of room),
 * padded with NOPs to a multiple of 4, and returns the bytes written. capable.len, join.len and the
 * has_… members choose the form. */
uint32_t pl_mptcp_write(uint8_t *out, enum pl_mptcp_subtype s, const struct pl_mptcp_options *o);
/* What pl_mptcp_write() would write. */
uint32_t pl_mptcp_len(enum pl_mptcp_subtype s, const struct pl_mptcp_options *o);

#endif

/* sim/check.h - the packet checker of one host: watches what the host sends and what reaches it,
 * and knows the RFCs and nothing of the stack's insides.
 *
 *   packets      IP and TCP checksums, lengths, the MTU, a source address that the port has
 *   subflows     a sequence number always carries the same byte; nothing is sent beyond the window
 *                (plain TCP); nothing is acknowledged that did not arrive; no ACK goes back
 *   connections  mappings never change and never disagree (RFC 8684 section 3.3.1); a data sequence
 *                number always carries the same byte; nothing is sent beyond the data-level window
 *                (section 3.3.4); DATA_ACKs cover only what arrived, never go back, and the right
 *                edge of the window does not shrink
 *
 * What arrives at a host is known to it only if it took it; the checker takes every valid packet
 * for known. So it may be too lenient by a packet, never too strict. */
#ifndef PL_SIM_CHECK_H
#define PL_SIM_CHECK_H

#include "plait/env.h"
#include "sim/plan.h"
#include "sim/verdict.h"
#include "wire/ip.h"
#include "wire/tcp.h"

/* Bytes of a stream as they were first seen. */
struct pl_check_bytes {
    uint8_t *data;
    uint8_t *known; /* 1: data has that byte */
    uint64_t cap;
};

struct pl_check_mapping {
    uint64_t offset; /* in the subflow's stream, from 0 */
    uint64_t len;    /* without a DATA_FIN */
    uint64_t dsn;    /* of the first byte, from 0 */
};

/* One direction of a subflow. Offsets count payload bytes from 0. */
struct pl_check_way {
    bool isn_known, fin;
    uint32_t isn;
    uint64_t high;   /* end of what was sent, in offsets */
    uint64_t fin_at; /* with `fin` */
    uint64_t acked;  /* highest cumulative ACK for it: of the peer (out), of the host (in) */
    uint8_t wscale;
    bool wscale_given;
    uint64_t edge;  /* right edge of the window it may use, in offsets */
    uint32_t early; /* payload of the SYN that a SYN/ACK with MP_CAPABLE acknowledges */
};

struct pl_check_conn;

struct pl_check_flow {
    struct plait_endpoint local, remote;
    struct pl_check_way out, in;
    struct pl_check_conn *conn;     /* NULL: plain TCP, or not known yet */
    struct pl_check_conn *syn_conn; /* that the last SYN named */
    bool plain;                     /* carries data without mappings from now on */
    bool probe;                     /* the segment being looked at is a keep-alive */
    bool capable_in, capable_out;
    bool is_v0, syn_key; /* version of the SYN/ACK; the SYN of version 0 had a key */
    uint64_t key_local, key_remote;
    struct pl_check_bytes bytes; /* that were sent */
    struct pl_check_mapping *mapping;
    uint32_t mapping_count, mapping_cap;
    struct pl_check_flow *next;
};

struct pl_check_conn {
    uint64_t idsn_local, idsn_remote;
    uint32_t token_local, token_remote;
    bool plain;         /* has fallen back: no more checks at this level */
    uint64_t out_edge;  /* right edge of the peer's window, in data offsets */
    uint64_t out_acked; /* highest DATA_ACK of the peer */
    uint64_t in_high;   /* end of the peer's data as far as mappings that arrived say */
    uint64_t in_acked;  /* highest DATA_ACK the host sent */
    uint64_t in_edge;   /* right edge it has promised */
    struct pl_check_bytes bytes;
    struct pl_check_conn *next;
};

struct pl_check {
    const struct plait_env *hashes;
    const struct pl_plan_host *plan;
    struct pl_sim_verdict *verdict;
    unsigned host;
    bool rewritten; /* a box changes payload: the host may fall back at any time */
    bool stateless; /* with SYN cookies and no memory or token, or in version 0 without the third
                     * ACK, it may fall back with its first byte */
    bool cookies;   /* each SYN is answered with a cookie: who sends on before it has the keys has
                     * forgotten MPTCP */
    bool dark;      /* a port was down: what went out over it was not seen */
    bool lenient;   /* allocations fail, or memory is short: windows may shrink */
    struct pl_check_flow *flows;
    struct pl_check_conn *conns;
    uint64_t packets, payload_packets, payload_bytes;
};

void pl_check_init(struct pl_check *check, const struct plait_env *hashes,
                   const struct pl_plan_host *plan, unsigned host, struct pl_sim_verdict *verdict);
void pl_check_fini(struct pl_check *check);
/* A packet the host sent over `port` (index), whose MTU is `mtu`; one that reached it. */
void pl_check_sent(struct pl_check *check, unsigned port, uint32_t mtu, const uint8_t *packet,
                   uint32_t len);
void pl_check_arrived(struct pl_check *check, const uint8_t *packet, uint32_t len);

/* ---- shared between the checker's files ---- */

/* Compares bytes at `offset` with what was seen there before, and keeps new ones. False when one
 * differs. */
bool pl_check_bytes_put(struct pl_check_bytes *bytes, uint64_t offset, const uint8_t *data,
                        uint32_t len);
/* The TCP level of a segment of a flow. */
void pl_check_flow_sent(struct pl_check *check, struct pl_check_flow *flow,
                        const struct pl_segment *seg);
void pl_check_flow_arrived(struct pl_check *check, struct pl_check_flow *flow,
                           const struct pl_segment *seg);
/* The MPTCP level, after the TCP level. */
void pl_check_data_sent(struct pl_check *check, struct pl_check_flow *flow,
                        const struct pl_segment *seg);
void pl_check_data_arrived(struct pl_check *check, struct pl_check_flow *flow,
                           const struct pl_segment *seg);
/* Offset of a sequence number in a direction's stream, near its highest one. */
uint64_t pl_check_offset(const struct pl_check_way *way, pl_seq32 seq);

#endif

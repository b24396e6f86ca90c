/* Attacks by single segments of a subflow: resets, closes, fallback, mappings, payload. */
#include <string.h>

#include "sim/siege.h"

enum { ROUNDS = 100, LAST = 1, JUNK = 100, FAR = 1 << 30 };

static void send_both_ways(struct pl_siege *siege, unsigned flow,
                           void (*change)(struct pl_siege *siege, struct pl_segment *seg)) {
    for (unsigned from = 0; from < SIEGE_HOSTS; from++) {
        struct pl_segment seg = pl_siege_ack(siege, flow, from);
        change(siege, &seg);
        pl_siege_send_as(siege, flow, from, &seg);
    }
}

/* ---- MP_FASTCLOSE with a wrong key: RFC 8684 section 3.5 ---- */

static void close_fast(struct pl_siege *siege, struct pl_segment *seg) {
    seg->options.mptcp.present = 1 << PL_MP_FASTCLOSE;
    seg->options.mptcp.fastclose.key_receiver = pl_rng_next(&siege->rng);
}

static void forge_fastclose(struct pl_siege *siege, unsigned turn) {
    if (turn < ROUNDS) {
        send_both_ways(siege, turn % 2, close_fast);
    }
}

/* ---- resets: in the window, and with the very number (RFC 5961 section 3) ---- */

static void reset_near(struct pl_siege *siege, struct pl_segment *seg) {
    seg->flags = PL_TCP_RST;
    seg->seq = pl_seq32_add(seg->seq, 1 + (uint32_t)pl_rng_below(&siege->rng, 10000));
    seg->options = (struct pl_tcp_options){0};
}

static void forge_near_resets(struct pl_siege *siege, unsigned turn) {
    if (turn < ROUNDS) {
        send_both_ways(siege, turn % 2, reset_near);
    }
}

static void reset_exactly(struct pl_siege *siege, struct pl_segment *seg) {
    (void)siege;
    seg->flags = PL_TCP_RST;
    seg->options = (struct pl_tcp_options){0};
}

static void forge_exact_resets(struct pl_siege *siege, unsigned turn) {
    if (turn == 0) {
        send_both_ways(siege, LAST, reset_exactly);
    }
}

/* ---- MP_FAIL, infinite mappings: RFC 8684 section 3.7 ---- */

static void fail(struct pl_siege *siege, unsigned from, struct pl_segment *seg) {
    seg->options.mptcp.present = 1 << PL_MP_FAIL;
    seg->options.mptcp.fail.dsn = siege->flow[0].dsn_next[1 - from] - 1; /* sent just now */
}

static void forge_fail(struct pl_siege *siege, unsigned turn) {
    for (unsigned from = 0; turn < ROUNDS && from < SIEGE_HOSTS; from++) {
        struct pl_segment seg = pl_siege_ack(siege, 0, from);
        fail(siege, from, &seg);
        pl_siege_send_as(siege, 0, from, &seg);
    }
}

static void map_nothing(struct pl_siege *siege, struct pl_segment *seg) {
    seg->options.mptcp.present = 1 << PL_MP_DSS;
    seg->options.mptcp.dss.has_map = true;
    seg->options.mptcp.dss.dsn_is_64 = true;
    seg->options.mptcp.dss.dsn = siege->flow[0].dsn_next[0];
}

static void map_nothing_for_ever(struct pl_siege *siege, unsigned turn) {
    if (turn < ROUNDS) {
        send_both_ways(siege, 0, map_nothing);
    }
}

static void map_for_ever(struct pl_siege *siege, unsigned turn) {
    static const uint8_t junk[JUNK];
    for (unsigned from = 0; turn == 0 && from < SIEGE_HOSTS; from++) {
        struct pl_segment seg = pl_siege_ack(siege, 0, from);
        const struct pl_siege_flow *flow = &siege->flow[0];
        seg.options.mptcp.present = 1 << PL_MP_DSS;
        seg.options.mptcp.dss.has_map = true;
        seg.options.mptcp.dss.dsn = flow->dsn_next[from];
        seg.options.mptcp.dss.dsn_is_64 = true;
        seg.options.mptcp.dss.ssn = (uint32_t)pl_seq32_diff(seg.seq, flow->first[from]) + 1;
        /* behind what the host sends next, so that its payload comes first */
        seg.seq = pl_seq32_add(seg.seq, FAR >> 16);
        seg.payload = junk;
        seg.payload_len = sizeof(junk);
        pl_siege_send_as(siege, 0, from, &seg);
    }
}

/* ---- DATA_ACKs for what was never sent, mappings that no window holds ---- */

static void acknowledge_all(struct pl_siege *siege, struct pl_segment *seg) {
    seg->options.mptcp.present = 1 << PL_MP_DSS;
    seg->options.mptcp.dss.has_ack = true;
    seg->options.mptcp.dss.ack_is_64 = true;
    seg->options.mptcp.dss.ack = pl_rng_next(&siege->rng);
}

static void forge_data_acks(struct pl_siege *siege, unsigned turn) {
    if (turn < ROUNDS) {
        send_both_ways(siege, turn % 2, acknowledge_all);
    }
}

/* ---- payload with all numbers right: as in TCP, nothing tells it from the peer's ---- */

static void send_payload(struct pl_siege *siege, unsigned turn) {
    static const uint8_t junk[JUNK];
    const struct pl_siege_flow *flow = &siege->flow[0];
    struct pl_segment seg = pl_siege_ack(siege, 0, SIEGE_CLIENT);
    seg.options.mptcp.present = 1 << PL_MP_DSS;
    seg.options.mptcp.dss.has_map = true;
    seg.options.mptcp.dss.dsn_is_64 = true;
    seg.options.mptcp.dss.dsn = flow->dsn_next[SIEGE_CLIENT];
    seg.options.mptcp.dss.ssn =
        (uint32_t)pl_seq32_diff(flow->next[SIEGE_CLIENT], flow->first[SIEGE_CLIENT]) + 1;
    seg.options.mptcp.dss.len = JUNK;
    seg.payload = junk;
    seg.payload_len = JUNK;
    if (turn == 0) {
        pl_siege_send_as(siege, 0, SIEGE_CLIENT, &seg);
    }
}

const struct pl_siege_attack pl_attacks_on_segments[] = {
    {.name = "fastclose_forged",
     .place = "off the path, guesses all of TCP's numbers; MP_FASTCLOSE with made-up keys",
     .source = "RFC 8684 3.5",
     .promised = PL_ATTACK_REFUSED,
     .act = forge_fastclose},
    {.name = "reset_in_window",
     .place = "off the path, guesses a window; RSTs",
     .source = "RFC 5961 3",
     .promised = PL_ATTACK_REFUSED,
     .act = forge_near_resets},
    {.name = "reset_exact",
     .place = "guesses all of TCP's numbers; RSTs to both ends of one subflow",
     .source = "RFC 8684 3.6, 5",
     .promised = PL_ATTACK_BOUNDED,
     .act = forge_exact_resets},
    {.name = "fail_forged",
     .place = "guesses all of TCP's numbers; MP_FAIL on one of two subflows",
     .source = "RFC 8684 3.7",
     .promised = PL_ATTACK_BOUNDED,
     .act = forge_fail},
    {.name = "fail_forged_checksum",
     .place = "the same on a connection with checksums",
     .source = "RFC 8684 3.7",
     .promised = PL_ATTACK_BOUNDED,
     .checksum = true,
     .act = forge_fail},
    {.name = "fail_forged_single",
     .place = "the same on the only subflow, with checksums",
     .source = "RFC 8684 3.7",
     .promised = PL_ATTACK_BOUNDED,
     .single = true,
     .checksum = true,
     .act = forge_fail},
    {.name = "infinite_map_single",
     .place = "guesses all of TCP's numbers; infinite mappings without payload, one subflow",
     .source = "RFC 8684 3.7",
     .promised = PL_ATTACK_BOUNDED,
     .single = true,
     .act = map_nothing_for_ever},
    {.name = "infinite_map_forged",
     .place = "guesses all of TCP's numbers; an infinite mapping on one of two subflows",
     .source = "RFC 8684 3.7",
     .promised = PL_ATTACK_BOUNDED,
     .act = map_for_ever},
    {.name = "data_ack_forged",
     .place = "guesses all of TCP's numbers; acknowledges what was never sent",
     .source = "RFC 8684 3.3.2",
     .promised = PL_ATTACK_REFUSED,
     .act = forge_data_acks},
    {.name = "payload_forged",
     .place = "guesses all numbers of TCP and MPTCP; sends payload in the client's name",
     .source = "RFC 8684 5, RFC 9293 5",
     .promised = PL_ATTACK_RESIDUAL,
     .as_tcp = true,
     .act = send_payload},
    {0},
};

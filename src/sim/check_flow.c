/* sim/check_flow.c - the packet checker: one TCP flow (RFC 9293). */
#include "sim/check.h"

static bool is_syn(const struct pl_segment *seg) {
    return (seg->flags & PL_TCP_SYN) != 0;
}

static bool has_ack(const struct pl_segment *seg) {
    return (seg->flags & PL_TCP_ACK) != 0;
}

static void take_syn(struct pl_check_way *way, const struct pl_segment *seg) {
    way->isn_known = true;
    way->isn = seg->seq.v;
    way->wscale_given = seg->options.has_wscale;
    way->wscale = seg->options.wscale < 14 ? seg->options.wscale : 14;
}

/* What the SYN/ACK acknowledges of the SYN's payload; with MPTCP it is not in the data sequence
 * space (RFC 8684 appendix B.2). */
static void take_syn_ack(struct pl_check_way *syn_way, const struct pl_segment *syn_ack) {
    uint32_t early = syn_ack->ack.v - syn_way->isn - 1;
    bool mptcp = pl_mptcp_has(&syn_ack->options.mptcp, PL_MP_CAPABLE);
    if (early <= syn_way->high) {
        syn_way->early = mptcp ? early : 0;
    }
}

/* The window of a segment that travels in the way `own`, whose receiver sends in `other`. */
static uint64_t window_of(const struct pl_check_way *own, const struct pl_check_way *other,
                          const struct pl_segment *seg) {
    bool scaled = !is_syn(seg) && own->wscale_given && other->wscale_given;
    return (uint64_t)seg->window_raw << (scaled ? own->wscale : 0);
}

/* A keep-alive: one byte of garbage that was acknowledged long ago (RFC 9293 section 3.8.4). */
static bool is_probe(const struct pl_check_flow *flow, const struct pl_segment *seg) {
    int32_t ahead = (int32_t)(seg->seq.v - (flow->out.isn + 1 + (uint32_t)flow->out.acked));
    return seg->payload_len == 1 && ahead < 0;
}

static void check_payload(struct pl_check *check, struct pl_check_flow *flow,
                          const struct pl_segment *seg) {
    uint64_t offset = is_syn(seg) ? 0 : pl_check_offset(&flow->out, seg->seq);
    char host = (char)('a' + (int)check->host);
    if (offset == UINT64_MAX || (offset > flow->out.high && !check->dark)) {
        pl_sim_fail(check->verdict, "host %c left a hole in a subflow's sequence space", host);
        return;
    }
    uint64_t end = offset + seg->payload_len;
    if (flow->out.fin && end > flow->out.fin_at) {
        pl_sim_fail(check->verdict, "host %c sent data behind its FIN", host);
    }
    if (!pl_check_bytes_put(&flow->bytes, offset, seg->payload, seg->payload_len)) {
        pl_sim_fail(check->verdict, "host %c sent another byte at the same sequence number", host);
    }
    if (flow->conn == NULL && end > flow->out.edge + 1 && !check->lenient && !is_syn(seg)) {
        pl_sim_fail(check->verdict, "host %c sent %llu bytes beyond the TCP window", host,
                    (unsigned long long)(end - flow->out.edge));
    }
    flow->out.high = end > flow->out.high ? end : flow->out.high;
}

/* A cumulative ACK that the host sends: of what has arrived, and never less than before. */
static void check_ack(struct pl_check *check, struct pl_check_flow *flow,
                      const struct pl_segment *seg) {
    char host = (char)('a' + (int)check->host);
    if (!flow->in.isn_known) {
        pl_sim_fail(check->verdict, "host %c acknowledges where nothing arrived", host);
        return;
    }
    if (seg->ack.v == flow->in.isn + 1 && flow->in.acked == 0) {
        return;
    }
    uint64_t acked = pl_check_offset(&flow->in, seg->ack);
    if (acked == UINT64_MAX || acked > flow->in.high + (flow->in.fin ? 1 : 0)) {
        pl_sim_fail(check->verdict, "host %c acknowledges what did not arrive", host);
        return;
    }
    if (acked < flow->in.acked) {
        pl_sim_fail(check->verdict, "host %c takes an acknowledgement back", host);
        return;
    }
    flow->in.acked = acked;
}

/* A SYN/ACK acknowledges the SYN, and maybe its payload. */
static void take_acked_isn(struct pl_check_way *in, const struct pl_segment *syn_ack) {
    if (!in->isn_known || syn_ack->ack.v - in->isn - 1 > in->high) {
        in->isn = syn_ack->ack.v - 1;
    }
    in->isn_known = true;
}

void pl_check_flow_sent(struct pl_check *check, struct pl_check_flow *flow,
                        const struct pl_segment *seg) {
    if (is_syn(seg)) {
        take_syn(&flow->out, seg);
        if (has_ack(seg)) {
            take_acked_isn(&flow->in, seg);
            take_syn_ack(&flow->in, seg);
        } else if (seg->payload_len > 0) {
            check_payload(check, flow, seg);
        }
        return;
    }
    if (!flow->out.isn_known) {
        pl_sim_fail(check->verdict, "host %c sent a segment before its SYN",
                    'a' + (int)check->host);
        return;
    }
    flow->probe = is_probe(flow, seg);
    if (seg->payload_len > 0 && !flow->probe) {
        check_payload(check, flow, seg);
    }
    if ((seg->flags & PL_TCP_FIN) != 0) {
        flow->out.fin = true;
        flow->out.fin_at = pl_check_offset(&flow->out, seg->seq) + seg->payload_len;
    }
    if (has_ack(seg)) {
        check_ack(check, flow, seg);
    }
}

static void take_payload(struct pl_check_flow *flow, const struct pl_segment *seg) {
    uint64_t end = pl_check_offset(&flow->in, pl_seq32_add(seg->seq, seg->payload_len));
    if (end == UINT64_MAX) {
        return;
    }
    /* A segment of an earlier connection of the same tuple is far off. */
    if (end > flow->in.high && end - flow->in.high < (UINT64_C(1) << 28)) {
        flow->in.high = end;
    }
    if ((seg->flags & PL_TCP_FIN) != 0) {
        flow->in.fin = true;
    }
}

void pl_check_flow_arrived(struct pl_check *check, struct pl_check_flow *flow,
                           const struct pl_segment *seg) {
    (void)check;
    if (is_syn(seg)) {
        if (!flow->in.isn_known || flow->in.isn == seg->seq.v) {
            take_syn(&flow->in, seg);
        }
        flow->in.wscale_given = seg->options.has_wscale;
        flow->in.wscale = seg->options.wscale < 14 ? seg->options.wscale : 14;
        flow->in.high = seg->payload_len > flow->in.high ? seg->payload_len : flow->in.high;
        if (has_ack(seg)) {
            take_syn_ack(&flow->out, seg);
        }
    } else if (flow->in.isn_known) {
        take_payload(flow, seg);
    }
    if (has_ack(seg) && flow->out.isn_known) {
        uint64_t acked = pl_check_offset(&flow->out, seg->ack);
        uint64_t edge = acked + window_of(&flow->in, &flow->out, seg);
        if (acked != UINT64_MAX && acked <= flow->out.high + 1) {
            flow->out.acked = acked > flow->out.acked ? acked : flow->out.acked;
            flow->out.edge = edge > flow->out.edge ? edge : flow->out.edge;
        }
    } else if (is_syn(seg) && flow->out.edge < seg->window_raw) {
        flow->out.edge = seg->window_raw;
    }
}

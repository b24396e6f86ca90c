/* tcp/figures.c - counting for TCP_INFO: what a sender waited for, and how fast the path delivered.
 *
 * The rate is what draft-cheng-iccrg-delivery-rate-estimation measures, of one packet per round
 * trip instead of each: the first that leaves in a round. What was delivered from then until its
 * acknowledgement, by the longer of that time and the one in which it was sent: the round before.
 * rate.c measures every packet, for congestion controls with a model only. */
#include "tcp/figures.h"

#include "base/assert.h"
#include "tcp/engine.h"

static uint64_t delivered(const struct pl_tcp *tcp) {
    return tcp->stats.bytes_acked + tcp->flight->sacked_bytes;
}

/* What is in flight already counts as the first round. NULL without memory. */
static struct pl_tcp_figures *make(struct pl_tcp *tcp) {
    PL_ASSERT(tcp->figures == NULL);
    struct pl_tcp_figures *g = pl_ctx_alloc(tcp->ctx, sizeof(*g));
    if (g == NULL) {
        return NULL;
    }
    tcp->figures = g;
    g->data_segs_in = tcp->data_in;
    g->data_segs_out = tcp->data_out;
    const struct pl_tcp_record *head = pl_tcp_record_first(tcp);
    if (head != NULL && !head->unsent) {
        g->wait = PL_TCP_WAIT_PATH;
        g->since = head->sent_at;
        g->round_at = head->sent_at;
        g->round_delivered = delivered(tcp);
    }
    PL_ASSERT(g->retrans_segs == 0);
    return g;
}

static struct pl_tcp_figures *figures_of(struct pl_tcp *tcp) {
    return tcp->figures != NULL ? tcp->figures : make(tcp);
}

void pl_tcp_figures_count(struct pl_tcp *tcp, uint32_t in, uint32_t out) {
    PL_ASSERT(tcp->figures == NULL && in + out > 0);
    uint32_t sum_in = tcp->data_in + in, sum_out = tcp->data_out + out;
    if (sum_in <= PL_TCP_FIGURES_FEW && sum_out <= PL_TCP_FIGURES_FEW) {
        tcp->data_in = (uint8_t)sum_in;
        tcp->data_out = (uint8_t)sum_out;
        return;
    }
    struct pl_tcp_figures *g = make(tcp);
    if (g != NULL) {
        g->data_segs_in += in;
        g->data_segs_out += out;
    }
}

void pl_tcp_figures_fini(struct pl_tcp *tcp) {
    PL_ASSERT(tcp->ctx != NULL);
    if (tcp->figures != NULL) {
        pl_ctx_free(tcp->ctx, tcp->figures, sizeof(*tcp->figures));
        tcp->figures = NULL;
    }
}

/* ---- what is waited for ---- */

void pl_tcp_figures_change(struct pl_tcp *tcp, enum pl_tcp_wait wait, plait_time now) {
    struct pl_tcp_figures *g = tcp->figures;
    PL_ASSERT(g != NULL && wait < PL_TCP_WAIT_COUNT);
    PL_ASSERT(g->wait < PL_TCP_WAIT_COUNT && g->since <= now);
    g->spent_ns[g->wait] += now - g->since;
    g->wait = (uint8_t)wait;
    g->since = now;
}

void pl_tcp_figures_window(struct pl_tcp *tcp, plait_time now) {
    if (figures_of(tcp) != NULL) {
        pl_tcp_figures_wait(tcp, PL_TCP_WAIT_WINDOW, now);
    }
}

static enum pl_tcp_stall stall(const struct pl_tcp *tcp) {
    PL_ASSERT(tcp->ops != NULL);
    return tcp->ops->stalled != NULL ? tcp->ops->stalled(tcp->up) : PL_TCP_STALL_NONE;
}

void pl_tcp_figures_starved(struct pl_tcp *tcp, plait_time now) {
    static const enum pl_tcp_wait waits[] = {
        [PL_TCP_STALL_NONE] = PL_TCP_WAIT_PATH,
        [PL_TCP_STALL_WINDOW] = PL_TCP_WAIT_WINDOW,
        [PL_TCP_STALL_BUFFER] = PL_TCP_WAIT_BUFFER,
    };
    if (tcp->figures == NULL) {
        return;
    }
    PL_ASSERT(tcp->ctx != NULL);
    bool idle = pl_list_empty(&tcp->flight->records);
    pl_tcp_figures_wait(tcp, idle ? PL_TCP_WAIT_NONE : waits[stall(tcp)], now);
}

void pl_tcp_figures_rest(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->figures != NULL && tcp->figures->since <= now);
    if (pl_list_empty(&tcp->flight->records) && !tcp->snd.more) {
        pl_tcp_figures_wait(tcp, PL_TCP_WAIT_NONE, now);
    } else if (tcp->figures->wait == PL_TCP_WAIT_BUFFER && stall(tcp) != PL_TCP_STALL_BUFFER) {
        pl_tcp_figures_wait(tcp, PL_TCP_WAIT_PATH, now);
    }
}

/* ---- the delivery rate ---- */

void pl_tcp_figures_limited(struct pl_tcp *tcp) {
    struct pl_tcp_figures *g = tcp->figures;
    if (g == NULL || !pl_list_empty(&tcp->flight->lost)) {
        return;
    }
    g->limited_until = delivered(tcp) + pl_tcp_flight(tcp);
    PL_ASSERT(g->limited_until >= tcp->stats.bytes_acked);
}

static void round_begin(struct pl_tcp *tcp, uint64_t before_ns, plait_time now) {
    struct pl_tcp_figures *g = tcp->figures;
    PL_ASSERT(g != NULL);
    g->round_at = now;
    g->round_before_ns = before_ns;
    g->round_delivered = delivered(tcp);
    g->round_limited = g->limited_until > 0 && g->round_delivered <= g->limited_until;
    PL_ASSERT(g->round_delivered >= tcp->stats.bytes_acked);
}

/* A sample that may be too low only counts if it is not. */
static void take_rate(struct pl_tcp_figures *g, uint64_t bytes, uint64_t ns) {
    ns = ns > g->round_before_ns ? ns : g->round_before_ns;
    PL_ASSERT(ns > 0);
    if (bytes == 0 || bytes > UINT64_MAX / PLAIT_NS_PER_S) {
        return;
    }
    uint64_t rate = bytes * PLAIT_NS_PER_S / ns;
    if (!g->round_limited || rate >= g->rate) {
        g->rate = rate;
        g->rate_limited = g->round_limited;
    }
}

static void count_round(struct pl_tcp *tcp, plait_time now) {
    struct pl_tcp_figures *g = tcp->figures;
    if (!g->round_ends) { /* the first answer after a pause: all that began the round is out */
        g->round_ends = true;
        g->round_end = tcp->snd.nxt;
    }
    if (g->round_at == 0 || pl_seq32_lt(tcp->snd.una, g->round_end)) {
        return;
    }
    PL_ASSERT(g->round_at <= now);
    uint64_t ns = now - g->round_at, sum = delivered(tcp);
    g->round_end = tcp->snd.nxt;
    if (ns == 0 || ns < tcp->rtt.min_ns) {
        return; /* a needless retransmission: the first copy was acknowledged */
    }
    if (sum > g->round_delivered) { /* a receiver may take SACKs back */
        take_rate(g, sum - g->round_delivered, ns);
    }
    round_begin(tcp, ns, now);
}

/* ---- what happens ---- */

void pl_tcp_figures_departure(struct pl_tcp *tcp, const struct pl_tcp_record *rec, bool again,
                              plait_time now) {
    struct pl_tcp_figures *g = again ? figures_of(tcp) : tcp->figures;
    if (g == NULL) {
        return;
    }
    PL_ASSERT(rec->len > 0);
    pl_tcp_figures_wait(tcp, PL_TCP_WAIT_PATH, now);
    if (again) {
        g->retrans_bytes += rec->chunk != NULL ? rec->len : 0;
        g->retrans_segs += rec->cut > 0 ? (rec->len + rec->cut - 1) / rec->cut : 1;
    } else if (pl_seq32_eq(rec->seq, tcp->snd.una)) {
        round_begin(tcp, 0, now);
        g->round_ends = false;
    }
}

void pl_tcp_figures_acked(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    struct pl_tcp_figures *g = tcp->figures;
    if (g == NULL && (f->has_dsack || f->reordered || f->marked)) {
        g = make(tcp);
    }
    if (g == NULL) {
        return;
    }
    PL_ASSERT(tcp->cc.mss > 0);
    if (f->cum_bytes > 0) {
        count_round(tcp, f->now);
    }
    if (f->has_dsack) {
        uint32_t len = (uint32_t)pl_seq32_diff(f->dsack.end, f->dsack.start);
        g->dsack_dups += len <= tcp->snd.wnd_max ? (len + tcp->cc.mss - 1) / tcp->cc.mss : 0;
    }
    g->reorderings += f->reordered ? 1 : 0;
    g->delivered_ce += f->marked ? f->delivered : 0;
}

/* The round trip as a receiver sees it, when the sender's segments are full: his timestamps echo
 * our ACKs (RFC 7323 section 4). One sample per echo, smoothed as the sender's (RFC 6298). */
static void take_rcv_rtt(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    struct pl_tcp_figures *g = tcp->figures;
    PL_ASSERT(seg->payload_len > 0);
    if (seg->options.ts_ecr == g->rcv_rtt_echo || seg->payload_len < tcp->rcv.mss) {
        return;
    }
    g->rcv_rtt_echo = seg->options.ts_ecr;
    uint64_t sample_us = pl_tcp_rtt_of_echo(tcp, seg, now) / PLAIT_NS_PER_US;
    if (sample_us == 0) {
        return;
    }
    uint64_t old = g->rcv_rtt_us;
    g->rcv_rtt_us = (uint32_t)(old == 0 ? sample_us : (7 * old + sample_us) / 8);
    PL_ASSERT(g->rcv_rtt_us > 0);
}

void pl_tcp_figures_arrival(struct pl_tcp *tcp, const struct pl_segment *seg, bool in_order,
                            plait_time now) {
    struct pl_tcp_figures *g = in_order ? tcp->figures : figures_of(tcp);
    if (g == NULL) {
        return;
    }
    PL_ASSERT(tcp->rcv.mss > 0);
    take_rcv_rtt(tcp, seg, now);
    if (!in_order) {
        uint32_t cut = seg->gso_size;
        g->out_of_order_in += cut > 0 ? (seg->payload_len + cut - 1) / cut : 1;
    }
}

/* tcp/rtt.c - round-trip time and retransmission time-out (RFC 6298).
 *
 * Samples come from segments that were sent once, with the caller's clock, or else from echoed
 * timestamps (RFC 7323 section 4; Karn's rule needs nothing more). There are many samples per round
 * trip, so the variation is the largest deviation seen within a round, and falls slowly from round
 * to round; the floor of 200 ms applies to the variation term, so that a long path without jitter
 * still has a margin. The least RTT of the last minutes serves RACK (RFC 8985 section 6.2). */
#include "base/assert.h"
#include "tcp/engine.h"

#define RTO_INITIAL_NS PLAIT_NS_PER_S
#define RTO_SYN_LOST_NS (3 * PLAIT_NS_PER_S)
#define RTO_NS_MAX (120 * PLAIT_NS_PER_S)
#define MIN_WINDOW_NS (300 * PLAIT_NS_PER_S)

void pl_tcp_rtt_init(struct pl_tcp *tcp) {
    tcp->rtt = (struct pl_tcp_rtt){.min_ns = UINT64_MAX, .round_end = tcp->snd.iss};
}

uint64_t pl_tcp_rto_base_ns(const struct pl_tcp *tcp) {
    const struct pl_tcp_rtt *r = &tcp->rtt;
    if (r->srtt_ns == 0) {
        return r->syn_lost ? RTO_SYN_LOST_NS : RTO_INITIAL_NS;
    }
    uint64_t margin = 4 * r->rttvar_ns;
    uint64_t least = tcp->ctx->config.rto_min_ns;
    uint64_t rto = r->srtt_ns + (margin > least ? margin : least);
    return rto < RTO_NS_MAX ? rto : RTO_NS_MAX;
}

uint64_t pl_tcp_rto_ns(const struct pl_tcp *tcp) {
    PL_ASSERT(tcp->rtt.backoff < 32);
    uint64_t rto = pl_tcp_rto_base_ns(tcp) << tcp->rtt.backoff;
    return rto < RTO_NS_MAX ? rto : RTO_NS_MAX;
}

static void update_min(struct pl_tcp_rtt *r, uint64_t sample_ns, plait_time now) {
    PL_ASSERT(sample_ns > 0);
    if (sample_ns <= r->min_ns || now - r->min_at > MIN_WINDOW_NS) {
        r->min_ns = sample_ns;
        r->min_at = now;
    }
}

static void first_sample(struct pl_tcp *tcp, uint64_t sample_ns) {
    PL_ASSERT(tcp->rtt.srtt_ns == 0);
    struct pl_tcp_rtt *r = &tcp->rtt;
    r->srtt_ns = sample_ns;
    r->rttvar_ns = sample_ns / 2;
    r->var_max_ns = r->rttvar_ns;
    r->round_end = tcp->snd.nxt;
}

static void next_sample(struct pl_tcp *tcp, uint64_t sample_ns) {
    struct pl_tcp_rtt *r = &tcp->rtt;
    PL_ASSERT(r->srtt_ns > 0);
    uint64_t dev = sample_ns > r->srtt_ns ? sample_ns - r->srtt_ns : r->srtt_ns - sample_ns;
    if (sample_ns < r->srtt_ns && dev > r->rttvar_ns) {
        dev = r->rttvar_ns + (dev - r->rttvar_ns) / 8; /* a path that gets faster is no jitter */
    }
    r->srtt_ns = r->srtt_ns - r->srtt_ns / 8 + sample_ns / 8;
    r->var_max_ns = dev > r->var_max_ns ? dev : r->var_max_ns;
    if (r->var_max_ns > r->rttvar_ns) {
        r->rttvar_ns += (r->var_max_ns - r->rttvar_ns) / 4;
    }
    if (pl_seq32_lt(r->round_end, tcp->snd.una)) {
        if (r->var_max_ns < r->rttvar_ns) {
            r->rttvar_ns -= (r->rttvar_ns - r->var_max_ns) / 4;
        }
        r->round_end = tcp->snd.nxt;
        r->var_max_ns = 0;
    }
}

void pl_tcp_rtt_sample(struct pl_tcp *tcp, uint64_t sample_ns, plait_time now) {
    sample_ns = sample_ns > 0 ? sample_ns : 1;
    update_min(&tcp->rtt, sample_ns, now);
    if (tcp->rtt.srtt_ns == 0) {
        first_sample(tcp, sample_ns);
    } else {
        next_sample(tcp, sample_ns);
    }
    PL_ASSERT(tcp->rtt.min_ns != UINT64_MAX);
    if (tcp->rtt.srtt_ns == 0) {
        tcp->rtt.srtt_ns = 1;
    }
    tcp->rtt.backoff = 0;
    tcp->rack.tlp_sampled = true;
    pl_trace(tcp->ctx, now, tcp->id, PLAIT_TRACE_rtt, sample_ns, tcp->rtt.srtt_ns,
             tcp->rtt.rttvar_ns, pl_tcp_rto_base_ns(tcp));
    PL_ASSERT(tcp->rtt.min_ns <= sample_ns || tcp->rtt.min_at <= now);
}

/* What the echoed timestamp says, 0 when there is none. The clock has ticks of 1 ms. */
uint64_t pl_tcp_rtt_of_echo(const struct pl_tcp *tcp, const struct pl_segment *seg,
                            plait_time now) {
    if (!tcp->ts.on || !seg->options.has_timestamps || seg->options.ts_ecr == 0) {
        return 0;
    }
    int32_t ticks = (int32_t)(pl_tcp_ts_of(tcp, now) - seg->options.ts_ecr);
    if (ticks < 0 || ticks > 10 * 60 * 1000) {
        return 0;
    }
    return ticks == 0 ? PLAIT_NS_PER_MS / 2 : (uint64_t)ticks * PLAIT_NS_PER_MS;
}

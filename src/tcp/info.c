#include "tcp/info.h"

#include "base/assert.h"
#include "tcp/engine.h"
#include "tcp/figures.h"

enum { OPT_TIMESTAMPS = 1, OPT_SACK = 2, OPT_WSCALE = 4, OPT_ECN = 8, OPT_ECN_SEEN = 16 };
enum { CA_OPEN, CA_DISORDER, CA_CWR, CA_RECOVERY, CA_LOSS };
enum { SSTHRESH_INFINITE = 0x7fffffff, ACK_DELAY_US = 40000 };

static uint8_t state_of(const struct pl_tcp *tcp) {
    static const uint8_t linux_state[] = {
        [PL_TCP_ST_CLOSED] = 7,      [PL_TCP_ST_SYN_SENT] = 2,   [PL_TCP_ST_SYN_RECEIVED] = 3,
        [PL_TCP_ST_ESTABLISHED] = 1, [PL_TCP_ST_FIN_WAIT_1] = 4, [PL_TCP_ST_FIN_WAIT_2] = 5,
        [PL_TCP_ST_CLOSE_WAIT] = 8,  [PL_TCP_ST_CLOSING] = 11,   [PL_TCP_ST_LAST_ACK] = 9,
        [PL_TCP_ST_TIME_WAIT] = 6,
    };
    PL_ASSERT(tcp->life.state < sizeof(linux_state));
    return linux_state[tcp->life.state];
}

static uint8_t ca_state_of(const struct pl_tcp *tcp) {
    switch ((enum pl_tcp_phase)tcp->rec.phase) {
        case PL_TCP_PHASE_CWR:
            return CA_CWR;
        case PL_TCP_PHASE_RECOVERY:
            return CA_RECOVERY;
        case PL_TCP_PHASE_LOSS:
            return CA_LOSS;
        case PL_TCP_PHASE_OPEN:
            break;
    }
    return tcp->flight->sacked_bytes > 0 ? CA_DISORDER : CA_OPEN;
}

static uint32_t us(uint64_t ns) {
    uint64_t value = ns / PLAIT_NS_PER_US;
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static uint32_t ms_since(plait_time then, plait_time now) {
    return then == 0 || then > now ? 0 : (uint32_t)((now - then) / PLAIT_NS_PER_MS);
}

static uint32_t segments(const struct pl_tcp *tcp, uint64_t bytes) {
    uint32_t mss = tcp->cc.mss;
    PL_ASSERT(mss > 0);
    return (uint32_t)((bytes + mss - 1) / mss);
}

/* Packets that were sent again and are in flight. */
static uint32_t sent_again(const struct pl_tcp *tcp) {
    uint32_t packets = 0;
    PL_LIST_FOREACH(it, &tcp->flight->records) {
        const struct pl_tcp_record *rec = PL_CONTAINER(it, struct pl_tcp_record, link);
        PL_ASSERT(rec->len > 0);
        if (rec->retransmitted && !rec->sacked && !rec->lost) {
            packets += rec->cut > 0 ? (rec->len + rec->cut - 1) / rec->cut : 1;
        }
    }
    return packets;
}

static void put_send_side(const struct pl_tcp *tcp, struct plait_tcp_info *out, plait_time now) {
    const struct pl_tcp_snd *s = &tcp->snd;
    out->tcpi_snd_mss = tcp->cc.mss;
    out->tcpi_unacked = segments(tcp, (uint32_t)pl_seq32_diff(s->nxt, s->una));
    out->tcpi_sacked = segments(tcp, tcp->flight->sacked_bytes);
    out->tcpi_lost = segments(tcp, tcp->flight->lost_bytes);
    out->tcpi_retrans = sent_again(tcp);
    out->tcpi_delivered = segments(tcp, tcp->stats.bytes_acked + tcp->flight->sacked_bytes);
    out->tcpi_last_data_sent = ms_since(s->last_sent, now);
    out->tcpi_pmtu = s->mtu;
    out->tcpi_snd_cwnd = segments(tcp, tcp->cc.cwnd);
    out->tcpi_snd_ssthresh = tcp->cc.ssthresh == PL_CC_SSTHRESH_INFINITE
                                 ? (uint32_t)SSTHRESH_INFINITE
                                 : segments(tcp, tcp->cc.ssthresh);
    out->tcpi_reordering = 3;
    out->tcpi_pacing_rate = pl_tcp_pace_rate(tcp);
    uint64_t most = tcp->tuning->pacing_rate_max;
    out->tcpi_max_pacing_rate = most > 0 ? most : UINT64_MAX;
    out->tcpi_snd_wnd = s->wnd;
    out->tcpi_notsent_bytes = tcp->ops->unsent != NULL ? tcp->ops->unsent(tcp->up) : 0;
}

static void put_timers(const struct pl_tcp *tcp, struct plait_tcp_info *out) {
    out->tcpi_rto = us(pl_tcp_rto_ns(tcp));
    out->tcpi_ato = ACK_DELAY_US;
    out->tcpi_rtt = us(tcp->rtt.srtt_ns);
    out->tcpi_rttvar = us(tcp->rtt.rttvar_ns);
    out->tcpi_min_rtt = tcp->rtt.min_ns == UINT64_MAX ? UINT32_MAX : us(tcp->rtt.min_ns);
    out->tcpi_retransmits = tcp->rec.rto_count;
    out->tcpi_probes = tcp->life.retries;
    out->tcpi_backoff = tcp->rtt.backoff;
}

/* Each of the waits is part of the busy time. */
static void put_waits(const struct pl_tcp_figures *g, struct plait_tcp_info *out, plait_time now) {
    uint64_t spent_ns[PL_TCP_WAIT_COUNT];
    PL_ASSERT(g->wait < PL_TCP_WAIT_COUNT);
    for (unsigned i = 0; i < PL_TCP_WAIT_COUNT; i++) {
        spent_ns[i] = g->spent_ns[i] + (i == g->wait && now > g->since ? now - g->since : 0);
    }
    uint64_t window = spent_ns[PL_TCP_WAIT_WINDOW], buffer = spent_ns[PL_TCP_WAIT_BUFFER];
    out->tcpi_busy_time = (spent_ns[PL_TCP_WAIT_PATH] + window + buffer) / PLAIT_NS_PER_US;
    out->tcpi_rwnd_limited = window / PLAIT_NS_PER_US;
    out->tcpi_sndbuf_limited = buffer / PLAIT_NS_PER_US;
    PL_ASSERT(out->tcpi_rwnd_limited <= out->tcpi_busy_time);
}

static void put_figures(const struct pl_tcp *tcp, struct plait_tcp_info *out, plait_time now) {
    const struct pl_tcp_figures *g = tcp->figures;
    if (g == NULL) {
        out->tcpi_data_segs_in = tcp->data_in;
        out->tcpi_data_segs_out = tcp->data_out;
        return;
    }
    PL_ASSERT(tcp->cc.mss > 0);
    put_waits(g, out, now);
    out->tcpi_delivery_rate = g->rate;
    out->tcpi_delivery_rate_app_limited = g->rate_limited;
    out->tcpi_rcv_rtt = g->rcv_rtt_us;
    out->tcpi_total_retrans = g->retrans_segs;
    out->tcpi_data_segs_in = g->data_segs_in;
    out->tcpi_data_segs_out = g->data_segs_out;
    out->tcpi_delivered_ce = segments(tcp, g->delivered_ce);
    out->tcpi_dsack_dups = g->dsack_dups;
    out->tcpi_reord_seen = g->reorderings;
    out->tcpi_rcv_ooopack = g->out_of_order_in;
}

void pl_tcp_info_linux(const struct pl_tcp *tcp, struct plait_tcp_info *out, plait_time now) {
    const struct pl_tcp_stats *stats = &tcp->stats;
    PL_ASSERT(tcp->ctx != NULL);
    bool scaled = tcp->snd.wscale > 0 || tcp->rcv.wscale > 0;
    bool ecn = pl_tcp_synchronized(tcp) && tcp->snd.ecn;
    *out = (struct plait_tcp_info){
        .tcpi_state = state_of(tcp),
        .tcpi_ca_state = ca_state_of(tcp),
        .tcpi_options = (uint8_t)((tcp->ts.on ? OPT_TIMESTAMPS : 0) |
                                  (tcp->snd.sack_ok ? OPT_SACK : 0) | (scaled ? OPT_WSCALE : 0) |
                                  (ecn ? OPT_ECN : 0) | (tcp->rcv.ect_seen ? OPT_ECN_SEEN : 0)),
        .tcpi_snd_wscale = tcp->snd.wscale & 15U,
        .tcpi_rcv_wscale = tcp->rcv.wscale & 15U,
        .tcpi_rcv_mss = tcp->rcv.mss,
        .tcpi_last_data_recv = ms_since(stats->last_data_in, now),
        .tcpi_last_ack_recv = ms_since(stats->last_in, now),
        .tcpi_rcv_ssthresh = tcp->rcv.wnd_sent,
        .tcpi_rcv_space = tcp->ops->window_max(tcp->up),
        .tcpi_advmss = pl_tcp_mss_offer(tcp),
        .tcpi_bytes_acked = stats->bytes_acked,
        .tcpi_bytes_received = stats->bytes_received,
        .tcpi_segs_out = (uint32_t)stats->segments_sent,
        .tcpi_segs_in = (uint32_t)stats->segments_received,
        .tcpi_bytes_sent = stats->bytes_sent,
        .tcpi_bytes_retrans = pl_tcp_retrans_bytes(tcp),
    };
    put_send_side(tcp, out, now);
    put_timers(tcp, out);
    put_figures(tcp, out, now);
}

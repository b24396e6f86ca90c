/* tcp/api.c - the outside of a connection: life, wishes, ICMP, and what can be seen of it. */
#include <string.h>

#include "base/assert.h"
#include "tcp/engine.h"
#include "tcp/figures.h"

enum { MTU_MIN = 296 };

int pl_tcp_init(struct pl_tcp *tcp, struct pl_ctx *ctx, const struct pl_tcp_setup *setup) {
    PL_ASSERT(setup->ops != NULL && setup->out_list != NULL);
    PL_ASSERT(setup->tuple.local.family != PLAIT_FAMILY_NONE);
    memset(tcp, 0, sizeof(*tcp));
    pl_list_init(&tcp->out_link);
    pl_tcp_flight_init(tcp);
    tcp->ctx = ctx;
    pl_tcp_timers_init(tcp);
    int rc = pl_ctx_timers_add(ctx, 1);
    if (rc != 0) {
        return rc;
    }
    tcp->ops = setup->ops;
    tcp->up = setup->up;
    tcp->out_list = setup->out_list;
    tcp->id = setup->trace_id;
    tcp->tuple = setup->tuple;
    tcp->snd.mtu = setup->mtu > MTU_MIN ? setup->mtu : MTU_MIN;
    tcp->snd.tso = setup->tso;
    tcp->snd.iss = setup->iss;
    tcp->snd.una = setup->iss;
    tcp->snd.nxt = setup->iss;
    tcp->ts.offset = setup->ts_offset;
    tcp->rcv.wscale = pl_tcp_wscale_choose(ctx, setup->receive_buffer_bytes);
    tcp->life.cc = setup->cc;
    uint64_t patience =
        setup->syn_timeout_ns > 0 ? setup->syn_timeout_ns : ctx->config.syn_timeout_ns;
    tcp->life.syn_timeout_ms = (uint32_t)(patience / PLAIT_NS_PER_MS);
    tcp->tuning = setup->tuning != NULL ? setup->tuning : &pl_tcp_tuning_default;
    pl_tcp_uto_advertise(tcp);
    pl_tcp_rtt_init(tcp);
    pl_tcp_rack_init(tcp);
    pl_tcp_receive_init(tcp);
    pl_cc_init(&tcp->cc, PLAIT_CC_CUBIC, 536); /* pl_tcp_control_start when established */
    return 0;
}

void pl_tcp_fini(struct pl_tcp *tcp) {
    PL_ASSERT(tcp->ctx != NULL);
    pl_tcp_pmtu_fini(tcp);
    pl_tcp_figures_fini(tcp);
    pl_tcp_records_clear(tcp);
    pl_tcp_undo_forget(tcp);
    pl_tcp_control_stop(tcp);
    pl_tcp_receive_clear(tcp);
    pl_list_remove(&tcp->out_link);
    pl_timer_cancel(&tcp->ctx->timers, &tcp->timer);
    pl_ctx_timers_sub(tcp->ctx, 1);
    tcp->ctx = NULL;
}

void pl_tcp_link(struct pl_tcp *tcp) {
    PL_ASSERT(tcp->out_list != NULL);
    bool alive = tcp->life.state != PL_TCP_ST_CLOSED || tcp->life.rst_due;
    if (alive && !pl_list_linked(&tcp->out_link)) {
        pl_list_append(tcp->out_list, &tcp->out_link);
    }
}

void pl_tcp_set_state(struct pl_tcp *tcp, enum pl_tcp_state state, plait_time now) {
    if (tcp->life.state == state) {
        return;
    }
    pl_trace(tcp->ctx, now, tcp->id, PLAIT_TRACE_tcp_state, tcp->life.state, state, 0, 0);
    tcp->life.state = (uint8_t)state;
    PL_ASSERT(state <= PL_TCP_ST_TIME_WAIT);
}

void pl_tcp_kick(struct pl_tcp *tcp) {
    PL_ASSERT(tcp->ctx != NULL);
    tcp->snd.more = true;
    if (pl_tcp_synchronized(tcp)) {
        pl_tcp_link(tcp);
    }
}

void pl_tcp_ack_now(struct pl_tcp *tcp) {
    if (!pl_tcp_synchronized(tcp)) {
        return;
    }
    tcp->rcv.ack_due = true;
    pl_tcp_link(tcp);
    PL_ASSERT(pl_list_linked(&tcp->out_link));
}

void pl_tcp_probe(struct pl_tcp *tcp) {
    if (!pl_tcp_synchronized(tcp)) {
        return;
    }
    tcp->snd.probe_due = true;
    tcp->snd.probe_byte = true;
    pl_tcp_link(tcp);
    PL_ASSERT(pl_list_linked(&tcp->out_link));
}

void pl_tcp_set_ops(struct pl_tcp *tcp, const struct pl_tcp_upper *ops) {
    PL_ASSERT(ops != NULL && tcp->ctx != NULL);
    tcp->ops = ops;
    pl_tcp_kick(tcp);
}

static void tuned_keepalive(struct pl_tcp *tcp, plait_time now) {
    if (!pl_tcp_synchronized(tcp) || tcp->life.state == PL_TCP_ST_TIME_WAIT) {
        return; /* the slot stands for something else */
    }
    tcp->deadline[PL_TCP_SLOT_LIFE] = PLAIT_TIME_NEVER;
    pl_tcp_keepalive_restart(tcp, now);
}

void pl_tcp_set_cc(struct pl_tcp *tcp, uint8_t algorithm) {
    PL_ASSERT(pl_cc_name(algorithm) != NULL);
    if (tcp->life.state != PL_TCP_ST_CLOSED && tcp->life.cc != algorithm) {
        tcp->life.cc = algorithm;
        pl_tcp_control_change(tcp);
    }
}

bool pl_tcp_is_coupled(const struct pl_tcp *tcp) {
    return pl_cc_is_coupled(&tcp->cc);
}

void pl_tcp_couple(struct pl_tcp *tcp, uint32_t step) {
    pl_cc_couple(&tcp->cc, step);
}

uint32_t pl_tcp_window_used(const struct pl_tcp *tcp, plait_time now) {
    const struct pl_cc *cc = &tcp->cc;
    bool inflated = tcp->rec.phase == PL_TCP_PHASE_RECOVERY || tcp->rec.phase == PL_TCP_PHASE_CWR;
    uint32_t window = inflated && cc->ssthresh < cc->cwnd ? cc->ssthresh : cc->cwnd;
    if (pl_list_empty(&tcp->flight->records) && now - tcp->snd.last_sent > 2 * tcp->rtt.srtt_ns) {
        return 0;
    }
    return window < tcp->snd.flight_max ? window : tcp->snd.flight_max;
}

void pl_tcp_tuned(struct pl_tcp *tcp, const struct pl_tcp_tuning *tuning, plait_time now) {
    PL_ASSERT(tcp->ctx != NULL);
    tcp->tuning = tuning != NULL ? tuning : tcp->tuning;
    if (tcp->life.state == PL_TCP_ST_CLOSED) {
        return;
    }
    tuned_keepalive(tcp, now);
    if (tcp->tuning->quickack == PL_TCP_QUICKACK_ON &&
        tcp->deadline[PL_TCP_SLOT_DELACK] != PLAIT_TIME_NEVER) {
        pl_tcp_ack_now(tcp);
    }
    pl_tcp_kick(tcp); /* less may be held back */
    pl_tcp_timers_apply(tcp);
}

bool pl_tcp_finished(const struct pl_tcp *tcp) {
    PL_ASSERT(tcp->ctx != NULL);
    return tcp->life.state == PL_TCP_ST_CLOSED && tcp->life.closed_said && !tcp->life.rst_due;
}

void pl_tcp_icmp_error(struct pl_tcp *tcp, bool hard, int error, plait_time now) {
    PL_ASSERT(error < 0);
    bool opening =
        tcp->life.state == PL_TCP_ST_SYN_SENT || tcp->life.state == PL_TCP_ST_SYN_RECEIVED;
    if (hard && opening) {
        pl_tcp_end(tcp, error, now);
        return;
    }
    tcp->life.soft_error = (int16_t)error;
}

bool pl_tcp_seq_in_flight(const struct pl_tcp *tcp, pl_seq32 seq) {
    PL_ASSERT(pl_seq32_le(tcp->snd.una, tcp->snd.nxt));
    return pl_seq32_le(tcp->snd.una, seq) && pl_seq32_lt(seq, tcp->snd.nxt);
}

/* ---- what can be seen ---- */

enum pl_tcp_state pl_tcp_state(const struct pl_tcp *tcp) {
    return (enum pl_tcp_state)tcp->life.state;
}

pl_seq32 pl_tcp_iss(const struct pl_tcp *tcp) {
    return tcp->snd.iss;
}

pl_seq32 pl_tcp_irs(const struct pl_tcp *tcp) {
    return tcp->rcv.irs;
}

pl_seq32 pl_tcp_rcv_nxt(const struct pl_tcp *tcp) {
    return tcp->rcv.nxt;
}

void pl_tcp_info(const struct pl_tcp *tcp, struct pl_tcp_info *out) {
    const struct pl_tcp_stats *s = &tcp->stats;
    PL_ASSERT(out != NULL);
    *out = (struct pl_tcp_info){
        .state = pl_tcp_state(tcp),
        .srtt_ns = tcp->rtt.srtt_ns,
        .rttvar_ns = tcp->rtt.rttvar_ns,
        .rto_ns = pl_tcp_rto_ns(tcp),
        .min_rtt_ns = tcp->rtt.min_ns != UINT64_MAX ? tcp->rtt.min_ns : 0,
        .cwnd_bytes = tcp->cc.cwnd,
        .ssthresh_bytes = tcp->cc.ssthresh,
        .inflight_bytes = pl_tcp_flight(tcp),
        .mss = pl_tcp_synchronized(tcp) ? pl_tcp_mss(tcp) : tcp->cc.mss,
        .snd_wnd_bytes = tcp->snd.wnd,
        .rto_backoff = tcp->rec.rto_count,
        .bytes_sent = s->bytes_sent,
        .bytes_acked = s->bytes_acked,
        .bytes_received = s->bytes_received,
        .retrans_bytes = pl_tcp_retrans_bytes(tcp),
        .segments_sent = s->segments_sent,
        .segments_received = s->segments_received,
        .pacing_rate = pl_tcp_pace_rate(tcp),
        .soft_error = tcp->life.soft_error,
        .last_in = s->last_in,
        .last_data_in = s->last_data_in,
    };
}

void pl_tcp_check(const struct pl_tcp *tcp) {
    PL_ASSERT(tcp->ctx != NULL);
    PL_ASSERT(pl_seq32_le(tcp->snd.una, tcp->snd.nxt));
    PL_ASSERT(tcp->cc.cwnd > 0 && tcp->cc.mss > 0);
    if (tcp->life.state == PL_TCP_ST_CLOSED || tcp->life.state == PL_TCP_ST_TIME_WAIT) {
        PL_ASSERT(pl_list_empty(&tcp->flight->records));
        PL_ASSERT(pl_list_empty(&tcp->rcv.islands));
        return;
    }
    pl_tcp_records_check(tcp);
    pl_tcp_receive_check(tcp);
    if (!pl_list_empty(&tcp->flight->records)) {
        PL_ASSERT(tcp->deadline[PL_TCP_SLOT_REXMIT] != PLAIT_TIME_NEVER ||
                  tcp->deadline[PL_TCP_SLOT_PACE] != PLAIT_TIME_NEVER);
    }
}

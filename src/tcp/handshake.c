/* tcp/handshake.c - opening: active, passive, simultaneous (RFC 9293 sections 3.5, 3.10.7.3).
 *
 * SYN and SYN/ACK are not records: they are sent whenever syn_due is set, and the retransmission
 * timer sets it. (What a SYN may carry behind it is a record: fastopen.c.) A passive connection may
 * be held: it has taken the SYN, told its upper, and says nothing until pl_tcp_confirm(). Patience
 * has a bound of its own (SLOT_LIFE). */
#include "base/assert.h"
#include "tcp/engine.h"
#include "tcp/figures.h"

static void patience(struct pl_tcp *tcp, plait_time now) {
    tcp->deadline[PL_TCP_SLOT_LIFE] = now + tcp->life.syn_timeout_ms * PLAIT_NS_PER_MS;
}

void pl_tcp_connect(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->life.state == PL_TCP_ST_CLOSED);
    PL_ASSERT(!tcp->life.closed_said);
    PL_COUNT(tcp->ctx, ActiveOpens);
    pl_tcp_options_default(tcp);
    pl_tcp_set_state(tcp, PL_TCP_ST_SYN_SENT, now);
    tcp->life.syn_due = true;
    patience(tcp, now);
    pl_tcp_link(tcp);
    pl_tcp_timers_apply(tcp);
}

/* Takes over what every SYN says. */
static void take_syn(struct pl_tcp *tcp, const struct pl_segment *syn, plait_time now) {
    pl_tcp_options_settle(tcp, syn, now);
    pl_tcp_ecn_settle(tcp, syn);
    pl_tcp_uto_in(tcp, syn);
    tcp->rcv.irs = syn->seq;
    tcp->rcv.nxt = pl_seq32_add(syn->seq, 1);
    tcp->rcv.acked = tcp->rcv.nxt;
    /* What our SYN advertised, if one was sent. */
    tcp->rcv.edge = pl_seq32_add(tcp->rcv.nxt, tcp->rcv.wnd_sent);
    tcp->snd.wnd = syn->window_raw;
    tcp->snd.wnd_max = syn->window_raw;
    tcp->snd.wl1 = syn->seq;
    tcp->snd.wl2 = syn->ack;
    PL_ASSERT(tcp->snd.wscale <= 14);
}

void pl_tcp_accept(struct pl_tcp *tcp, const struct pl_segment *syn, bool hold, plait_time now) {
    PL_ASSERT(tcp->life.state == PL_TCP_ST_CLOSED);
    PL_ASSERT((syn->flags & (PL_TCP_SYN | PL_TCP_ACK | PL_TCP_RST)) == PL_TCP_SYN);
    PL_COUNT(tcp->ctx, PassiveOpens);
    pl_tcp_options_default(tcp);
    tcp->life.passive = true;
    tcp->life.held = hold;
    tcp->stats.segments_received++;
    tcp->stats.last_in = now;
    pl_tcp_set_state(tcp, PL_TCP_ST_SYN_RECEIVED, now);
    take_syn(tcp, syn, now);
    enum pl_verdict verdict = tcp->ops->options_in(tcp->up, syn, PL_SEG_SYN, now);
    if (tcp->life.state == PL_TCP_ST_CLOSED) {
        return;
    }
    if (verdict == PL_VERDICT_RESET) {
        pl_tcp_reset(tcp, pl_seq32_of(0), true);
    }
    if (verdict != PL_VERDICT_OK) {
        pl_tcp_end(tcp, PLAIT_E_ABORTED, now);
        return;
    }
    patience(tcp, now);
    tcp->life.syn_due = !hold;
    if (!hold) {
        pl_tcp_link(tcp);
    }
    pl_tcp_timers_apply(tcp);
}

/* The payload of a SYN, which begins behind the SYN's own number. */
static void take_early(struct pl_tcp *tcp, const struct pl_segment *syn, struct plait_buf *buf,
                       plait_time now) {
    struct pl_segment data = *syn;
    uint32_t window = tcp->ops->window(tcp->up);
    PL_ASSERT(pl_seq32_eq(tcp->rcv.nxt, pl_seq32_add(syn->seq, 1)));
    data.seq = tcp->rcv.nxt;
    data.flags = PL_TCP_ACK;
    window = window < syn->payload_len ? window : syn->payload_len;
    tcp->rcv.edge = pl_seq32_add(tcp->rcv.nxt, window);
    if (syn->payload_len > 0) {
        pl_tcp_figures_data_in(tcp, 1);
        pl_tcp_receive(tcp, &data, buf, now);
    }
}

void pl_tcp_accept_early(struct pl_tcp *tcp, const struct pl_segment *syn, struct plait_buf *buf,
                         plait_time now) {
    pl_tcp_accept(tcp, syn, false, now);
    if (tcp->life.state != PL_TCP_ST_SYN_RECEIVED) {
        return;
    }
    PL_ASSERT(tcp->life.syn_due);
    tcp->life.early = true;
    pl_seq32 first = pl_seq32_add(tcp->snd.iss, 1);
    tcp->snd.round_end = first;
    tcp->rtt.round_end = first;
    tcp->rack.fack = first;
    tcp->snd.more = true;
    pl_tcp_control_start(tcp, pl_tcp_mss(tcp)); /* section 4.2.2: as usual */
    pl_tcp_set_state(tcp, PL_TCP_ST_ESTABLISHED, now);
    tcp->ops->event(tcp->up, PL_TCP_ESTABLISHED, 0, now);
    if (tcp->life.state != PL_TCP_ST_CLOSED) {
        take_early(tcp, syn, buf, now);
    }
    pl_tcp_timers_apply(tcp);
}

/* The third ACK of such a connection; what else it acknowledges comes next. */
void pl_tcp_early_confirmed(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(tcp->life.early && pl_tcp_synchronized(tcp));
    PL_ASSERT(pl_seq32_lt(tcp->snd.iss, seg->ack));
    uint64_t rtt_ns = pl_tcp_rtt_of_echo(tcp, seg, now);
    tcp->life.early = false;
    tcp->life.syn_due = false;
    tcp->snd.una = pl_seq32_add(tcp->snd.iss, 1);
    tcp->rtt.backoff = 0;
    tcp->rtt.syn_lost = tcp->rec.rto_count > 0;
    tcp->rec.rto_count = 0;
    tcp->deadline[PL_TCP_SLOT_LIFE] = PLAIT_TIME_NEVER;
    if (rtt_ns > 0) {
        pl_tcp_rtt_sample(tcp, rtt_ns, now);
    }
    tcp->deadline[PL_TCP_SLOT_REXMIT] = PLAIT_TIME_NEVER;
    if (!pl_list_empty(&tcp->flight->records)) {
        pl_tcp_rexmit_restart(tcp, now);
    }
    pl_tcp_keepalive_restart(tcp, now);
    pl_tcp_link(tcp);
}

void pl_tcp_confirm(struct pl_tcp *tcp, plait_time now) {
    if (tcp->life.state != PL_TCP_ST_SYN_RECEIVED || !tcp->life.held) {
        return;
    }
    PL_ASSERT(tcp->life.passive);
    tcp->life.held = false;
    tcp->life.syn_due = true;
    patience(tcp, now);
    pl_tcp_link(tcp);
    pl_tcp_timers_apply(tcp);
}

/* In SYN-RECEIVED, too, what is not acceptable is answered (RFC 9293 section 3.10.7.4). */
static bool output_ack(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    if (tcp->life.state != PL_TCP_ST_SYN_RECEIVED || tcp->life.held || !tcp->rcv.ack_due) {
        return false;
    }
    PL_ASSERT(!pl_seq32_eq(tcp->snd.nxt, tcp->snd.iss));
    pl_tcp_segment_ack(tcp, tx, tcp->snd.nxt, now);
    return tcp->life.state != PL_TCP_ST_CLOSED;
}

bool pl_tcp_handshake_output(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    if (!tcp->life.syn_due) {
        return output_ack(tcp, tx, now);
    }
    PL_ASSERT(!tcp->life.held);
    PL_ASSERT(!pl_tcp_synchronized(tcp) || tcp->life.early);
    PL_ASSERT(tcp->life.state != PL_TCP_ST_CLOSED);
    tcp->life.syn_due = false;
    bool again = !pl_seq32_eq(tcp->snd.nxt, tcp->snd.iss);
    if (!again) {
        tcp->snd.nxt = pl_seq32_add(tcp->snd.iss, 1);
        tcp->snd.last_sent = now;
    } else if (tcp->life.retries < UINT8_MAX) {
        tcp->life.retries++;
    }
    if (tcp->deadline[PL_TCP_SLOT_REXMIT] == PLAIT_TIME_NEVER) {
        pl_tcp_rexmit_restart(tcp, now);
    }
    pl_tcp_segment_syn(tcp, tx, now);
    return tcp->life.state != PL_TCP_ST_CLOSED;
}

/* The handshake is complete with `seg`, which acknowledged our SYN. Calls the upper. */
void pl_tcp_established(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(!pl_tcp_synchronized(tcp) && tcp->life.state != PL_TCP_ST_CLOSED);
    bool first_try = pl_seq32_eq(tcp->snd.una, tcp->snd.iss) && tcp->rtt.backoff == 0;
    uint64_t rtt_ns = first_try ? now - tcp->snd.last_sent : pl_tcp_rtt_of_echo(tcp, seg, now);
    uint8_t tries = tcp->rec.rto_count;
    bool retried = tries > 0;
    tcp->snd.una = pl_seq32_add(tcp->snd.iss, 1);
    tcp->snd.round_end = tcp->snd.una;
    tcp->rtt.round_end = tcp->snd.una;
    tcp->rack.fack = tcp->snd.una;
    tcp->rtt.backoff = 0;
    tcp->rtt.syn_lost = retried;
    tcp->rec.rto_count = 0;
    tcp->life.retries = 0;
    tcp->life.syn_due = false;
    tcp->snd.more = true;
    tcp->deadline[PL_TCP_SLOT_REXMIT] = PLAIT_TIME_NEVER;
    tcp->deadline[PL_TCP_SLOT_LIFE] = PLAIT_TIME_NEVER;
    pl_tcp_window_update(tcp, seg);
    if (rtt_ns > 0) {
        pl_tcp_rtt_sample(tcp, rtt_ns, now);
    }
    pl_tcp_control_start(tcp, pl_tcp_mss(tcp));
    if (tries > 1) {
        tcp->cc.cwnd = tcp->cc.mss; /* RFC 6928 section 2, with one lost SYN forgiven */
    }
    pl_tcp_set_state(tcp, PL_TCP_ST_ESTABLISHED, now);
    pl_tcp_keepalive_restart(tcp, now);
    pl_tcp_link(tcp);
    tcp->ops->event(tcp->up, PL_TCP_ESTABLISHED, 0, now);
    if (retried && tcp->life.state != PL_TCP_ST_CLOSED) {
        tcp->ops->event(tcp->up, PL_TCP_PROGRESS, 0, now);
    }
    if (!pl_list_empty(&tcp->flight->records)) {
        pl_tcp_fast_answered(tcp, seg, now);
    }
}

/* ---- SYN-SENT ---- */

static void reset_bad_ack(struct pl_tcp *tcp, const struct pl_segment *seg) {
    PL_ASSERT(tcp->life.state == PL_TCP_ST_SYN_SENT);
    PL_COUNT(tcp->ctx, DropBadAck);
    if ((seg->flags & PL_TCP_RST) == 0) {
        pl_tcp_reset(tcp, seg->ack, false);
    }
}

static void refused(struct pl_tcp *tcp, const struct pl_segment *seg, bool has_ack,
                    plait_time now) {
    PL_ASSERT((seg->flags & PL_TCP_RST) != 0);
    PL_COUNT(tcp->ctx, InRsts);
    if (!has_ack) {
        return; /* anybody could have sent it */
    }
    (void)tcp->ops->options_in(tcp->up, seg, PL_SEG_RST, now);
    pl_tcp_end(tcp, PLAIT_E_REFUSED, now);
}

/* Both sides sent a SYN: answer with SYN/ACK (RFC 9293 section 3.5, figure 7). */
static void crossed(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(!tcp->life.passive);
    pl_tcp_set_state(tcp, PL_TCP_ST_SYN_RECEIVED, now);
    tcp->life.syn_due = true;
}

void pl_tcp_handshake_input(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(tcp->life.state == PL_TCP_ST_SYN_SENT);
    bool has_ack = (seg->flags & PL_TCP_ACK) != 0;
    if (has_ack && !(pl_seq32_lt(tcp->snd.iss, seg->ack) && pl_seq32_le(seg->ack, tcp->snd.nxt))) {
        reset_bad_ack(tcp, seg);
        return;
    }
    if ((seg->flags & PL_TCP_RST) != 0) {
        refused(tcp, seg, has_ack, now);
        return;
    }
    if ((seg->flags & PL_TCP_SYN) == 0) {
        PL_COUNT(tcp->ctx, DropBadState);
        return;
    }
    tcp->stats.last_in = now;
    take_syn(tcp, seg, now);
    enum pl_verdict verdict = tcp->ops->options_in(tcp->up, seg, pl_tcp_kind(seg), now);
    if (tcp->life.state == PL_TCP_ST_CLOSED || verdict == PL_VERDICT_DROP) {
        return;
    }
    if (verdict == PL_VERDICT_RESET) {
        pl_tcp_reset(tcp, has_ack ? seg->ack : tcp->snd.nxt, !has_ack);
        pl_tcp_end(tcp, PLAIT_E_PROTOCOL, now);
        return;
    }
    if (!has_ack) {
        crossed(tcp, now);
        return;
    }
    tcp->rcv.ack_due = true;
    pl_tcp_established(tcp, seg, now);
}

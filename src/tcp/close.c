/* tcp/close.c - ending: FIN in both directions, TIME-WAIT, reset, abort (RFC 9293 section 3.6).
 *
 * The FIN is a record behind the last payload, so it is retransmitted like everything else. CLOSED
 * is told once, from pl_tcp_end(), which also gives back every record, island and timer. An RST may
 * still be owed then: pl_tcp_output() sends it, and pl_tcp_finished() waits for it. */
#include "base/assert.h"
#include "tcp/engine.h"
#include "tcp/figures.h"

/* Calls the upper, which may still walk what was in flight. */
void pl_tcp_end(struct pl_tcp *tcp, int error, plait_time now) {
    PL_ASSERT(tcp->ctx != NULL);
    PL_ASSERT(error <= 0);
    pl_tcp_timers_clear(tcp);
    tcp->life.syn_due = false;
    tcp->rcv.ack_due = false;
    tcp->snd.probe_due = false;
    tcp->snd.more = false;
    tcp->rack.waiting = false;
    tcp->rack.tlp_due = false;
    pl_tcp_set_state(tcp, PL_TCP_ST_CLOSED, now);
    pl_tcp_figures_wait(tcp, PL_TCP_WAIT_NONE, now);
    if (!tcp->life.closed_said) {
        tcp->life.closed_said = true;
        tcp->ops->event(tcp->up, PL_TCP_CLOSED, error, now);
    }
    pl_tcp_records_clear(tcp);
    pl_tcp_undo_forget(tcp);
    pl_tcp_receive_clear(tcp);
}

/* An RST at the next chance. */
void pl_tcp_reset(struct pl_tcp *tcp, pl_seq32 seq, bool with_ack) {
    tcp->life.rst_seq = seq;
    tcp->life.rst_with_ack = with_ack;
    tcp->life.rst_due = true;
    pl_tcp_link(tcp);
    PL_ASSERT(pl_list_linked(&tcp->out_link));
}

void pl_tcp_abort(struct pl_tcp *tcp, int error, plait_time now) {
    if (tcp->life.state == PL_TCP_ST_CLOSED) {
        if (!tcp->life.closed_said) {
            pl_tcp_end(tcp, error, now); /* never opened */
        }
        return;
    }
    bool peer_waits = tcp->life.held && error == PLAIT_E_REFUSED;
    bool peer_knows = tcp->life.state != PL_TCP_ST_SYN_SENT && !tcp->life.held &&
                      tcp->life.state != PL_TCP_ST_TIME_WAIT;
    if (peer_waits || peer_knows) {
        pl_tcp_reset(tcp, pl_tcp_sent_end(tcp), true);
    }
    PL_ASSERT(error <= 0);
    pl_tcp_end(tcp, error, now);
}

void pl_tcp_shutdown(struct pl_tcp *tcp, plait_time now) {
    (void)now;
    PL_ASSERT(tcp->ctx != NULL);
    tcp->snd.fin_wanted = true;
    tcp->snd.more = true; /* ask once more whether payload comes before it */
    pl_tcp_link(tcp);
}

static void time_wait(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(pl_seq32_eq(tcp->snd.una, tcp->snd.nxt));
    PL_ASSERT(tcp->snd.fin_sent);
    pl_tcp_records_clear(tcp);
    pl_tcp_undo_forget(tcp);
    pl_tcp_control_stop(tcp);
    pl_tcp_receive_clear(tcp);
    pl_tcp_timers_clear(tcp);
    tcp->snd.more = false;
    pl_tcp_set_state(tcp, PL_TCP_ST_TIME_WAIT, now);
    tcp->deadline[PL_TCP_SLOT_LIFE] = now + tcp->ctx->config.time_wait_ns;
    PL_ASSERT(tcp->rcv.fin_done);
}

void pl_tcp_fin_sent(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(!tcp->snd.fin_sent && tcp->snd.fin_wanted);
    tcp->snd.fin_sent = true;
    if (tcp->life.state == PL_TCP_ST_ESTABLISHED) {
        pl_tcp_set_state(tcp, PL_TCP_ST_FIN_WAIT_1, now);
        return;
    }
    PL_ASSERT(tcp->life.state == PL_TCP_ST_CLOSE_WAIT);
    pl_tcp_set_state(tcp, PL_TCP_ST_LAST_ACK, now);
}

/* Everything we sent, our FIN included, is acknowledged. Calls the upper. */
void pl_tcp_fin_acked(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->snd.fin_sent);
    switch (tcp->life.state) {
        case PL_TCP_ST_FIN_WAIT_1:
            pl_tcp_set_state(tcp, PL_TCP_ST_FIN_WAIT_2, now);
            return;
        case PL_TCP_ST_CLOSING:
            time_wait(tcp, now);
            return;
        case PL_TCP_ST_LAST_ACK:
            pl_tcp_end(tcp, 0, now);
            return;
        default:
            return;
    }
}

/* The peer's FIN is next in sequence. Calls the upper. */
void pl_tcp_fin_in(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->rcv.fin_seen && !tcp->rcv.fin_done);
    PL_ASSERT(pl_seq32_eq(tcp->rcv.fin_seq, tcp->rcv.nxt));
    tcp->rcv.nxt = pl_seq32_add(tcp->rcv.nxt, 1);
    tcp->rcv.fin_done = true;
    tcp->rcv.ack_due = true;
    pl_tcp_receive_clear(tcp);
    switch (tcp->life.state) {
        case PL_TCP_ST_ESTABLISHED:
            pl_tcp_set_state(tcp, PL_TCP_ST_CLOSE_WAIT, now);
            break;
        case PL_TCP_ST_FIN_WAIT_1:
            pl_tcp_set_state(tcp, PL_TCP_ST_CLOSING, now);
            break;
        case PL_TCP_ST_FIN_WAIT_2:
            time_wait(tcp, now);
            break;
        default:
            PL_UNREACHABLE();
    }
    tcp->ops->event(tcp->up, PL_TCP_FIN_IN, 0, now);
}

/* ---- TIME-WAIT ---- */

/* A reset is ignored (RFC 1337); a FIN that comes again says that our ACK was lost. What has no
 * timestamp though they were agreed on is dropped, what has an old one is answered and no more (RFC
 * 7323 sections 3.2 and 5.3). */
void pl_tcp_time_wait_input(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(tcp->life.state == PL_TCP_ST_TIME_WAIT);
    if ((seg->flags & PL_TCP_RST) != 0) {
        PL_COUNT(tcp->ctx, InRsts);
        return;
    }
    if (pl_tcp_ts_lacking(tcp, seg)) {
        PL_COUNT(tcp->ctx, DropNoTimestamp);
        return;
    }
    bool old = pl_tcp_paws_reject(tcp, seg, now);
    PL_COUNT_N(tcp->ctx, DropPaws, old ? 1 : 0);
    bool fin_again = !old && (seg->flags & PL_TCP_FIN) != 0 &&
                     pl_seq32_eq(pl_seq32_add(seg->seq, pl_segment_len(seg)), tcp->rcv.nxt);
    if (fin_again) {
        tcp->deadline[PL_TCP_SLOT_LIFE] = now + tcp->ctx->config.time_wait_ns;
    }
    bool silent = pl_segment_len(seg) == 0 && pl_seq32_eq(seg->seq, tcp->rcv.nxt);
    if (!silent && pl_tcp_limit_ok(tcp, now)) {
        tcp->rcv.ack_due = true;
    }
}

/* Beyond everything that the old connection may have sent, and 64 KB for what it could not know
 * (RFC 9293 section 3.6.1: larger than the largest sequence number of the old incarnation). */
pl_seq32 pl_tcp_time_wait_next_iss(const struct pl_tcp *tcp) {
    PL_ASSERT(tcp->life.state == PL_TCP_ST_TIME_WAIT);
    return pl_seq32_add(tcp->snd.nxt, UINT16_MAX + 2);
}

bool pl_tcp_time_wait_reusable(const struct pl_tcp *tcp, const struct pl_segment *syn) {
    uint8_t flags = syn->flags & (PL_TCP_SYN | PL_TCP_ACK | PL_TCP_RST | PL_TCP_FIN);
    bool is_syn = flags == PL_TCP_SYN;
    if (tcp->life.state != PL_TCP_ST_TIME_WAIT || !is_syn) {
        return false;
    }
    PL_ASSERT(tcp->rcv.fin_done);
    if (tcp->ts.on && tcp->ts.has_recent && syn->options.has_timestamps) {
        int32_t newer = (int32_t)(syn->options.ts_val - tcp->ts.recent);
        if (newer != 0) {
            return newer > 0;
        }
    }
    return pl_seq32_lt(tcp->rcv.nxt, syn->seq);
}

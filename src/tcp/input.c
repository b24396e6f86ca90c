/* tcp/input.c - a segment for a synchronised (or nearly) connection: RFC 9293 section 3.10.7.4.
 *
 * The RFC's list of checks is a list of small functions here; each says whether the segment goes
 * on to the next. Bad segments are counted drops. What has to be answered though it is dropped
 * (out of the window, RFC 5961's challenges) is answered ten times a second at most, so that
 * two confused ends cannot keep each other busy. */
#include "base/assert.h"
#include "tcp/engine.h"
#include "tcp/figures.h"

enum pl_seg_kind pl_tcp_kind(const struct pl_segment *seg) {
    if ((seg->flags & PL_TCP_RST) != 0) {
        return PL_SEG_RST;
    }
    if ((seg->flags & PL_TCP_SYN) != 0) {
        return (seg->flags & PL_TCP_ACK) != 0 ? PL_SEG_SYN_ACK : PL_SEG_SYN;
    }
    if (seg->payload_len > 0) {
        return PL_SEG_DATA;
    }
    return (seg->flags & PL_TCP_FIN) != 0 ? PL_SEG_FIN : PL_SEG_ACK;
}

/* RFC 5961 section 7: whether one more answer to a bad segment may go out. */
bool pl_tcp_limit_ok(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->ctx != NULL);
    const struct plait_config *config = &tcp->ctx->config;
    uint32_t now_ms = (uint32_t)(now / PLAIT_NS_PER_MS);
    uint64_t passed_ns = (now_ms - tcp->rcv.limit_since_ms) * PLAIT_NS_PER_MS;
    PL_ASSERT(tcp->rcv.limit_count <= config->challenge_acks);
    if (passed_ns >= config->challenge_ns) {
        tcp->rcv.limit_since_ms = now_ms;
        tcp->rcv.limit_count = 0;
    }
    if (tcp->rcv.limit_count >= config->challenge_acks) {
        return false;
    }
    tcp->rcv.limit_count++;
    return true;
}

static void challenge(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->life.state != PL_TCP_ST_CLOSED);
    PL_ASSERT(tcp->life.state != PL_TCP_ST_SYN_SENT);
    if (pl_tcp_limit_ok(tcp, now)) {
        PL_COUNT(tcp->ctx, ChallengeAcks);
        tcp->rcv.ack_due = true;
    }
}

/* ---- the checks: true = go on ---- */

/* The SYN/ACK of a simultaneous open (RFC 9293 figure 7) only acknowledges our SYN. */
static bool is_crossed_syn_ack(const struct pl_tcp *tcp, const struct pl_segment *seg) {
    return tcp->life.state == PL_TCP_ST_SYN_RECEIVED && !tcp->life.passive &&
           (seg->flags & (PL_TCP_SYN | PL_TCP_ACK | PL_TCP_RST)) == (PL_TCP_SYN | PL_TCP_ACK) &&
           pl_seq32_eq(seg->seq, tcp->rcv.irs);
}

static bool check_timestamp(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(tcp->life.state != PL_TCP_ST_CLOSED);
    if ((seg->flags & PL_TCP_RST) != 0) {
        return true;
    }
    if (pl_tcp_ts_lacking(tcp, seg)) {
        PL_COUNT(tcp->ctx, DropNoTimestamp);
        return false;
    }
    if (!pl_tcp_paws_reject(tcp, seg, now)) {
        return true;
    }
    PL_ASSERT(tcp->ts.on && seg->options.has_timestamps);
    PL_COUNT(tcp->ctx, DropPaws);
    if (seg->payload_len > 0 || pl_tcp_limit_ok(tcp, now)) {
        tcp->rcv.ack_due = true;
    }
    return false;
}

/* Old segments are answered so that a lost ACK is repeated; with D-SACK if they carry payload. */
static void answer_unacceptable(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    pl_seq32 end = pl_seq32_add(seg->seq, seg->payload_len);
    bool old = pl_seq32_le(end, tcp->rcv.nxt);
    PL_ASSERT((seg->flags & PL_TCP_RST) == 0);
    PL_ASSERT(tcp->life.state != PL_TCP_ST_CLOSED);
    if (seg->payload_len > 0 && old && pl_tcp_synchronized(tcp)) {
        pl_tcp_receive_duplicate(tcp, seg->seq, end);
        return;
    }
    if (pl_tcp_limit_ok(tcp, now)) {
        tcp->rcv.ack_due = true;
    }
}

static bool check_sequence(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    uint32_t len = pl_segment_len(seg);
    pl_seq32 end = pl_seq32_add(seg->seq, len);
    pl_seq32 right = pl_seq32_add(tcp->rcv.nxt, pl_tcp_window_accept(tcp));
    bool new_enough =
        pl_seq32_lt(tcp->rcv.nxt, end) || (len == 0 && pl_seq32_le(tcp->rcv.nxt, seg->seq));
    bool acceptable = new_enough && pl_seq32_le(seg->seq, right);
    if (acceptable && len > 0 && pl_seq32_eq(seg->seq, right)) {
        /* The window is closed: the ACK in it counts all the same, the payload does not. */
        acceptable = pl_seq32_eq(right, tcp->rcv.nxt);
    }
    if (acceptable) {
        return true;
    }
    PL_COUNT(tcp->ctx, DropOutOfWindow);
    if ((seg->flags & PL_TCP_RST) == 0) {
        answer_unacceptable(tcp, seg, now);
    }
    return false;
}

/* What the user is told when the peer resets. In CLOSING and LAST-ACK nothing, if all that is
 * missing is the acknowledgement of our FIN (RFC 9293 section 3.10.7.4); lost payload is an error
 * all the same. */
static int reset_error(const struct pl_tcp *tcp) {
    uint8_t state = tcp->life.state;
    if (state == PL_TCP_ST_SYN_RECEIVED && !tcp->life.passive) {
        return PLAIT_E_REFUSED;
    }
    PL_ASSERT(state != PL_TCP_ST_CLOSED && state != PL_TCP_ST_TIME_WAIT);
    bool over = state == PL_TCP_ST_CLOSING || state == PL_TCP_ST_LAST_ACK;
    bool only_fin = pl_seq32_eq(pl_seq32_add(tcp->snd.una, 1), tcp->snd.nxt);
    return over && only_fin ? 0 : PLAIT_E_RESET;
}

/* RFC 5961 section 3.2: only the exact sequence number resets. */
static bool check_rst(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    if ((seg->flags & PL_TCP_RST) == 0) {
        return true;
    }
    PL_ASSERT(tcp->life.state != PL_TCP_ST_TIME_WAIT);
    PL_COUNT(tcp->ctx, InRsts);
    if (!pl_seq32_eq(seg->seq, tcp->rcv.nxt)) {
        challenge(tcp, now);
        return false;
    }
    int error = reset_error(tcp);
    (void)tcp->ops->options_in(tcp->up, seg, PL_SEG_RST, now);
    pl_tcp_end(tcp, error, now);
    return false;
}

/* RFC 5961 section 4.2. A passive connection in SYN-RECEIVED goes back to LISTEN, which for us is
 * to be gone (RFC 9293 section 3.10.7.4): the peer has begun anew. */
static bool check_syn(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT((seg->flags & PL_TCP_RST) == 0);
    if ((seg->flags & PL_TCP_SYN) == 0) {
        return true;
    }
    if (tcp->life.state == PL_TCP_ST_SYN_RECEIVED && tcp->life.passive) {
        PL_COUNT(tcp->ctx, DropBadState);
        pl_tcp_end(tcp, PLAIT_E_RESET, now);
        return false;
    }
    PL_COUNT(tcp->ctx, SynChallenges);
    challenge(tcp, now);
    return false;
}

static bool check_ack(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    if ((seg->flags & PL_TCP_ACK) == 0) {
        PL_COUNT(tcp->ctx, DropBadAck);
        return false;
    }
    pl_seq32 end = pl_tcp_sent_end(tcp);
    PL_ASSERT(pl_seq32_le(tcp->snd.una, end) && pl_seq32_le(end, tcp->snd.nxt));
    if (tcp->life.state == PL_TCP_ST_SYN_RECEIVED) {
        if (pl_seq32_lt(tcp->snd.una, seg->ack) && pl_seq32_le(seg->ack, end)) {
            return true;
        }
        PL_COUNT(tcp->ctx, DropBadAck);
        pl_tcp_reset(tcp, seg->ack, false);
        return false;
    }
    /* RFC 5961 section 5.2, and nothing of what we sent early counts before our SYN does. */
    pl_seq32 oldest = pl_seq32_add(tcp->snd.una, (uint32_t)0 - tcp->snd.wnd_max);
    if (tcp->life.early) {
        oldest = pl_seq32_add(tcp->snd.iss, 1);
    }
    if (pl_seq32_le(oldest, seg->ack) && pl_seq32_le(seg->ack, end)) {
        return true;
    }
    PL_COUNT(tcp->ctx, DropBadAck);
    challenge(tcp, now);
    return false;
}

/* Calls the upper. */
static bool check_upper(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(tcp->life.state != PL_TCP_ST_CLOSED);
    PL_ASSERT((seg->flags & PL_TCP_RST) == 0);
    enum pl_verdict verdict = tcp->ops->options_in(tcp->up, seg, pl_tcp_kind(seg), now);
    if (tcp->life.state == PL_TCP_ST_CLOSED) {
        return false;
    }
    if (verdict == PL_VERDICT_RESET) {
        pl_tcp_abort(tcp, PLAIT_E_PROTOCOL, now);
        return false;
    }
    return verdict == PL_VERDICT_OK;
}

static bool acceptable(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(tcp->life.state != PL_TCP_ST_SYN_SENT);
    PL_ASSERT(tcp->life.state != PL_TCP_ST_TIME_WAIT);
    if (is_crossed_syn_ack(tcp, seg)) {
        return check_ack(tcp, seg, now) && check_upper(tcp, seg, now);
    }
    bool opening = tcp->life.state == PL_TCP_ST_SYN_RECEIVED || tcp->life.early;
    bool syn_again = opening &&
                     (seg->flags & (PL_TCP_SYN | PL_TCP_ACK | PL_TCP_RST)) == PL_TCP_SYN &&
                     pl_seq32_eq(seg->seq, tcp->rcv.irs);
    if (syn_again) {
        pl_tcp_ecn_syn_again(tcp, seg);
        tcp->life.syn_due = !tcp->life.held && pl_tcp_limit_ok(tcp, now);
        return false;
    }
    return check_timestamp(tcp, seg, now) && check_sequence(tcp, seg, now) &&
           check_rst(tcp, seg, now) && check_syn(tcp, seg, now) && check_ack(tcp, seg, now) &&
           check_upper(tcp, seg, now);
}

/* ---- acting ---- */

/* RFC 7323 section 4.3: remember the timestamp of what advances the left edge. One that PAWS takes
 * though it is older replaces an outdated one (section 5.5). */
static void note_timestamp(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(tcp->life.state != PL_TCP_ST_CLOSED);
    const struct pl_tcp_options *o = &seg->options;
    if (!tcp->ts.on || !o->has_timestamps || !pl_seq32_le(seg->seq, tcp->rcv.acked)) {
        return;
    }
    if (!pl_tcp_paws_reject(tcp, seg, now)) {
        pl_tcp_ts_remember(tcp, o->ts_val, now);
    }
}

static bool takes_payload(const struct pl_tcp *tcp) {
    uint8_t state = tcp->life.state;
    return state == PL_TCP_ST_ESTABLISHED || state == PL_TCP_ST_FIN_WAIT_1 ||
           state == PL_TCP_ST_FIN_WAIT_2;
}

static void note_fin(struct pl_tcp *tcp, const struct pl_segment *seg) {
    pl_seq32 fin_seq = pl_seq32_add(seg->seq, seg->payload_len);
    pl_seq32 right = pl_seq32_add(tcp->rcv.nxt, pl_tcp_window_accept(tcp));
    bool inside = pl_seq32_le(tcp->rcv.nxt, fin_seq) && pl_seq32_le(fin_seq, right);
    if ((seg->flags & PL_TCP_FIN) == 0 || tcp->rcv.fin_seen || !inside) {
        return;
    }
    PL_ASSERT(!tcp->rcv.fin_done);
    PL_ASSERT(takes_payload(tcp));
    tcp->rcv.fin_seq = fin_seq;
    tcp->rcv.fin_seen = true;
    tcp->rcv.ack_due = true;
}

static void act(struct pl_tcp *tcp, const struct pl_segment *seg, struct plait_buf *buf,
                plait_time now) {
    PL_ASSERT((seg->flags & (PL_TCP_ACK | PL_TCP_RST)) == PL_TCP_ACK);
    note_timestamp(tcp, seg, now);
    pl_tcp_uto_in(tcp, seg);
    tcp->life.retries = 0;
    tcp->life.soft_error = 0; /* whatever ICMP said, the path works */
    if (tcp->life.early) {
        pl_tcp_early_confirmed(tcp, seg, now);
    }
    if (tcp->life.state == PL_TCP_ST_SYN_RECEIVED) {
        pl_tcp_established(tcp, seg, now);
    } else {
        pl_tcp_ack_in(tcp, seg, now);
    }
    if ((seg->flags & PL_TCP_SYN) != 0 || !takes_payload(tcp)) {
        return;
    }
    note_fin(tcp, seg);
    pl_tcp_ecn_in(tcp, seg);
    if (seg->payload_len > 0) {
        pl_tcp_receive(tcp, seg, buf, now);
    }
    if (takes_payload(tcp) && tcp->rcv.fin_seen && pl_seq32_eq(tcp->rcv.fin_seq, tcp->rcv.nxt)) {
        pl_tcp_fin_in(tcp, now);
    }
}

static void note_arrival(struct pl_tcp *tcp, const struct pl_segment *seg) {
    bool data = seg->payload_len > 0;
    PL_ASSERT(tcp->life.state <= PL_TCP_ST_TIME_WAIT);
    uint32_t packets =
        data && seg->gso_size > 0 ? (seg->payload_len + seg->gso_size - 1) / seg->gso_size : 1;
    tcp->stats.segments_received += packets;
    if (data && takes_payload(tcp)) {
        pl_tcp_figures_data_in(tcp, packets);
    }
}

void pl_tcp_input(struct pl_tcp *tcp, const struct pl_segment *seg, struct plait_buf *buf,
                  plait_time now) {
    PL_ASSERT(seg->payload_len == 0 || buf != NULL);
    PL_ASSERT(tcp->ctx != NULL);
    PL_ASSERT(seg->payload_len == 0 || seg->payload != NULL);
    note_arrival(tcp, seg);
    pl_trace(tcp->ctx, now, tcp->id, PLAIT_TRACE_segment_in, seg->seq.v, seg->ack.v,
             seg->payload_len, seg->flags);
    switch (tcp->life.state) {
        case PL_TCP_ST_CLOSED:
            PL_COUNT(tcp->ctx, DropBadState);
            return;
        case PL_TCP_ST_SYN_SENT:
            pl_tcp_handshake_input(tcp, seg, now);
            break;
        case PL_TCP_ST_TIME_WAIT:
            pl_tcp_time_wait_input(tcp, seg, now);
            break;
        default:
            if (acceptable(tcp, seg, now)) {
                tcp->stats.last_in = now;
                act(tcp, seg, buf, now);
                pl_tcp_keepalive_restart(tcp, now);
            }
            break;
    }
    if (tcp->rcv.ack_due || tcp->life.syn_due || tcp->life.rst_due) {
        pl_tcp_link(tcp);
    }
    pl_tcp_timers_apply(tcp);
}

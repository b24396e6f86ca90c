/* tcp/recovery.c - the sender's reaction to loss.
 *
 * OPEN      nothing is missing; the congestion control grows the window
 * RECOVERY  RACK marked something lost: one reduction per window (RFC 5681), and Proportional Rate
 *           Reduction (RFC 9937) spreads it over the round trip by setting cwnd at every ACK
 * CWR       a router marked packets (RFC 3168): the same reduction, nothing to repair
 * LOSS      the retransmission timer ran out: one segment, then slow start to ssthresh
 * Both end when everything is acknowledged that was out when they began, or when it turns out
 * that nothing had been lost (undo.c). */
#include "base/assert.h"
#include "tcp/engine.h"

static void trace_window(struct pl_tcp *tcp, plait_time now) {
    pl_trace(tcp->ctx, now, tcp->id, PLAIT_TRACE_window, tcp->cc.cwnd, tcp->cc.ssthresh,
             pl_tcp_flight(tcp), tcp->snd.wnd);
}

static void trace_phase(struct pl_tcp *tcp, plait_time now) {
    pl_trace(tcp->ctx, now, tcp->id, PLAIT_TRACE_recovery, tcp->rec.phase, tcp->rec.recover.v, 0,
             0);
}

static void reduce(struct pl_tcp *tcp) {
    PL_ASSERT(tcp->cc.cwnd > 0);
    pl_tcp_undo_begin(tcp);
    tcp->snd.cwr_due = tcp->snd.ecn;
    pl_cc_loss(&tcp->cc, (uint32_t)pl_seq32_diff(tcp->snd.nxt, tcp->snd.una));
}

/* ---- fast recovery, for those who leave the window to it ---- */

/* RFC 9937 section 6.1. */
static void prr_begin(struct pl_tcp *tcp, uint32_t just_delivered) {
    struct pl_tcp_recovery *r = &tcp->rec;
    r->prr_delivered = 0;
    r->prr_out = 0;
    uint32_t span = (uint32_t)pl_seq32_diff(tcp->snd.nxt, tcp->snd.una);
    PL_ASSERT(span >= tcp->flight->sacked_bytes);
    r->prr_flight = span - tcp->flight->sacked_bytes + just_delivered;
    r->prr_flight = r->prr_flight > 0 ? r->prr_flight : 1;
    r->recover = tcp->snd.nxt;
    r->seen = true;
}

static void enter(struct pl_tcp *tcp, uint32_t just_delivered, plait_time now) {
    PL_ASSERT(tcp->flight->lost_bytes > 0);
    if (tcp->rec.phase == PL_TCP_PHASE_OPEN) {
        reduce(tcp);
        prr_begin(tcp, just_delivered);
    }
    /* A reduction that marks began goes on (RFC 3168 section 6.1.2: one per window). */
    tcp->rec.phase = PL_TCP_PHASE_RECOVERY;
    tcp->rec.recover = tcp->snd.nxt;
    pl_tcp_tlp_reset(tcp);
    PL_COUNT(tcp->ctx, FastRecoveries);
    trace_phase(tcp, now);
}

/* RFC 9937 section 6.2, in whole packets as there: what is less is left to the next ACK, but the
 * proportional part is rounded up, and the first retransmission leaves at once. */
static void prr(struct pl_tcp *tcp, uint32_t delivered, bool safe) {
    struct pl_tcp_recovery *r = &tcp->rec;
    uint64_t flight = pl_tcp_flight(tcp), ssthresh = tcp->cc.ssthresh;
    uint64_t count = 0;
    if (delivered == 0 && r->prr_out > 0) {
        return;
    }
    PL_ASSERT(r->prr_flight > 0 && !pl_cc_has_model(&tcp->cc));
    PL_ASSERT(r->phase == PL_TCP_PHASE_RECOVERY || r->phase == PL_TCP_PHASE_CWR);
    r->prr_delivered += delivered;
    if (flight > ssthresh) {
        uint64_t out = (r->prr_delivered * ssthresh + r->prr_flight - 1) / r->prr_flight;
        count = out > r->prr_out ? out - r->prr_out : 0;
        count = (count + tcp->cc.mss - 1) / tcp->cc.mss * tcp->cc.mss;
    } else {
        count = r->prr_delivered > r->prr_out ? r->prr_delivered - r->prr_out : 0;
        count = count > delivered ? count : delivered;
        count += safe ? tcp->cc.mss : 0;
        count = count < ssthresh - flight ? count : ssthresh - flight;
    }
    if (r->prr_out == 0 && count < tcp->cc.mss) {
        count = tcp->cc.mss;
    }
    PL_ASSERT(flight + count > 0 && flight + count <= UINT32_MAX);
    tcp->cc.cwnd = (uint32_t)(flight + count);
}

static void leave(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->rec.phase != PL_TCP_PHASE_OPEN);
    PL_ASSERT(pl_seq32_le(tcp->rec.recover, tcp->snd.una));
    if (tcp->rec.phase != PL_TCP_PHASE_LOSS && !pl_cc_has_model(&tcp->cc)) {
        tcp->cc.cwnd = tcp->cc.ssthresh;
    }
    tcp->rec.phase = PL_TCP_PHASE_OPEN;
    tcp->rec.frto = PL_TCP_FRTO_OFF;
    pl_tcp_undo_linger(tcp);
    pl_tcp_rack_adapt(tcp, false, true);
    trace_phase(tcp, now);
}

/* RACK's timer marked losses outside an ACK. */
void pl_tcp_recovery_lost(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->flight->lost_bytes > 0);
    if (!pl_tcp_repairing(tcp)) {
        enter(tcp, 0, now);
    }
    if (tcp->rec.phase == PL_TCP_PHASE_RECOVERY && !pl_cc_has_model(&tcp->cc)) {
        prr(tcp, 0, false);
    }
    trace_window(tcp, now);
}

/* Payload left. */
void pl_tcp_recovery_sent(struct pl_tcp *tcp, uint32_t bytes, bool retransmission, plait_time now) {
    PL_ASSERT(bytes > 0);
    struct pl_tcp_recovery *r = &tcp->rec;
    if (r->phase == PL_TCP_PHASE_RECOVERY || r->phase == PL_TCP_PHASE_CWR) {
        r->prr_out += bytes;
    }
    if (retransmission) {
        pl_tcp_undo_sent(tcp, bytes, now);
    }
}

/* ---- marks, RFC 3168 section 6.1.2 ---- */

/* A window of two segments or less cannot be spread over a round trip: it goes down to one, and
 * then to one in a retransmission time-out. */
static void mark_small(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->cc.mss > 0);
    if (tcp->cc.cwnd <= tcp->cc.mss) {
        tcp->pace.next = now + pl_tcp_rto_base_ns(tcp);
        tcp->pace.burst = 0;
    }
    tcp->cc.cwnd = tcp->cc.mss;
    tcp->rec.recover = tcp->snd.nxt;
    tcp->rec.seen = true;
}

/* Of what was in flight before the ACK. A mark is never an error: nothing is kept to be undone. */
static void reduce_by_mark(struct pl_tcp *tcp, uint32_t acked) {
    PL_ASSERT(tcp->cc.cwnd > 0);
    pl_tcp_undo_forget(tcp);
    tcp->snd.cwr_due = true;
    pl_cc_mark(&tcp->cc, (uint32_t)pl_seq32_diff(tcp->snd.nxt, tcp->snd.una) + acked);
    PL_COUNT(tcp->ctx, EcnReductions);
}

/* Once per window: not while a reduction goes on, nor by an ACK of what was sent before its end. */
static void marked(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    struct pl_tcp_recovery *r = &tcp->rec;
    PL_ASSERT(tcp->snd.ecn);
    if (r->phase != PL_TCP_PHASE_OPEN || r->seen || pl_cc_has_model(&tcp->cc)) {
        return;
    }
    bool small = tcp->cc.cwnd <= 2 * tcp->cc.mss && !pl_cc_counts_marks(tcp->life.cc);
    reduce_by_mark(tcp, f->cum_bytes);
    if (small) {
        mark_small(tcp, f->now);
        return;
    }
    prr_begin(tcp, f->newly_sacked + f->cum_bytes);
    r->phase = PL_TCP_PHASE_CWR;
    trace_phase(tcp, f->now);
}

/* ---- every ACK ---- */

static void grow(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    const struct pl_tcp_snd *s = &tcp->snd;
    bool limited = s->limited || s->limited_last;
    if (!limited && pl_cc_slow_start(&tcp->cc)) {
        limited = tcp->cc.cwnd < 2 * (uint64_t)s->flight_max;
    }
    if (!limited) {
        pl_cc_pause(&tcp->cc, f->now);
        return;
    }
    if (f->delivered == 0 || f->marked) {
        return;
    }
    /* A duplicate ACK is the first sign of a loss (RFC 5681 section 3.2, step 1), unless the path
     * is known to reorder. */
    if (f->cum_bytes == 0 && !tcp->rack.reordering_seen) {
        return;
    }
    PL_ASSERT(tcp->rec.phase != PL_TCP_PHASE_RECOVERY && tcp->rec.phase != PL_TCP_PHASE_CWR);
    struct pl_cc_ack ack = {.now = f->now,
                            .bytes = f->delivered,
                            .rtt_ns = f->rtt_last_ns,
                            .srtt_ns = tcp->rtt.srtt_ns,
                            .round_start = f->round_start};
    pl_cc_ack(&tcp->cc, &ack);
}

/* The congestion control sees all of it and sets the window itself. */
static void follow(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f, bool capped) {
    struct pl_cc_sample sample;
    uint32_t before = tcp->cc.cwnd;
    PL_ASSERT(tcp->cc.mss > 0);
    pl_tcp_rate_sample(tcp, f, &sample);
    pl_cc_model(&tcp->cc, &sample);
    if (capped && tcp->cc.cwnd > before) {
        tcp->cc.cwnd = before;
    }
}

void pl_tcp_recovery_ack(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    struct pl_tcp_recovery *r = &tcp->rec;
    uint32_t before = tcp->cc.cwnd;
    PL_ASSERT(r->phase <= PL_TCP_PHASE_CWR);
    pl_cc_echo(&tcp->cc, f->delivered, f->marked, f->round_start);
    bool undone = pl_tcp_undo_ack(tcp, f);
    if (undone) {
        trace_phase(tcp, f->now);
    }
    bool capped = r->frto == PL_TCP_FRTO_CAPPED;
    if (capped) {
        r->frto = PL_TCP_FRTO_OFF;
    }
    if (r->phase != PL_TCP_PHASE_OPEN && pl_seq32_le(r->recover, tcp->snd.una)) {
        leave(tcp, f->now);
    }
    if (r->phase == PL_TCP_PHASE_OPEN && f->cum_bytes > 0) {
        r->seen = r->seen && pl_seq32_le(tcp->snd.una, r->recover);
    }
    if (!pl_tcp_repairing(tcp) && f->lost > 0 && !undone) {
        enter(tcp, f->newly_sacked + f->cum_bytes, f->now);
    }
    if (f->marked) {
        marked(tcp, f);
    }
    if (pl_cc_has_model(&tcp->cc)) {
        follow(tcp, f, capped);
    } else if (r->phase == PL_TCP_PHASE_RECOVERY || r->phase == PL_TCP_PHASE_CWR) {
        prr(tcp, f->delivered, f->cum_bytes > 0 && f->lost == 0);
    } else if (!capped) {
        grow(tcp, f);
    }
    PL_ASSERT(tcp->cc.cwnd > 0);
    if (tcp->cc.cwnd != before) {
        trace_window(tcp, f->now);
    }
}

/* A tail loss probe repaired a loss: the reduction without the recovery. */
void pl_tcp_recovery_repaired(struct pl_tcp *tcp, plait_time now) {
    if (tcp->rec.phase != PL_TCP_PHASE_OPEN || pl_cc_has_model(&tcp->cc)) {
        return;
    }
    PL_ASSERT(!tcp->rack.tlp_out);
    pl_cc_loss(&tcp->cc, tcp->cc.cwnd);
    tcp->cc.cwnd = tcp->cc.ssthresh;
    trace_window(tcp, now);
}

/* ---- the retransmission timer, RFC 6298 section 5 and RFC 5681 section 3.1 ---- */

/* What the recovery sent again is lost, too: another indication of congestion (RFC 5681 section
 * 4.3), from the window that the recovery was to end with. */
static void reduce_again(struct pl_tcp *tcp) {
    PL_ASSERT(tcp->rec.phase == PL_TCP_PHASE_RECOVERY);
    if (pl_cc_has_model(&tcp->cc)) {
        return;
    }
    tcp->snd.cwr_due = tcp->snd.ecn;
    tcp->cc.cwnd = tcp->cc.ssthresh;
    pl_cc_loss(&tcp->cc, tcp->cc.ssthresh);
}

void pl_tcp_recovery_rto(struct pl_tcp *tcp, plait_time now) {
    struct pl_tcp_recovery *r = &tcp->rec;
    const struct pl_tcp_record *head = pl_tcp_record_first(tcp);
    PL_ASSERT(head != NULL);
    PL_ASSERT(pl_seq32_eq(head->seq, tcp->snd.una));
    if (head->sacked) {
        pl_tcp_sack_forget(tcp);
    }
    if (r->phase == PL_TCP_PHASE_OPEN || (r->phase == PL_TCP_PHASE_LOSS && r->rto_count == 0)) {
        reduce(tcp);
    } else if (r->phase == PL_TCP_PHASE_RECOVERY && head->retransmitted) {
        reduce_again(tcp);
    }
    if (r->rto_count == 0) {
        r->rto_first_ms = (uint32_t)(now / PLAIT_NS_PER_MS);
    }
    if (r->rto_count < UINT8_MAX) {
        r->rto_count++;
    }
    if (tcp->rtt.backoff < 16) {
        tcp->rtt.backoff++;
    }
    tcp->snd.dupacks = 0;
    pl_tcp_tlp_reset(tcp);
    pl_tcp_rack_rto(tcp, now);
    pl_tcp_frto_begin(tcp, r->phase != PL_TCP_PHASE_OPEN);
    r->phase = PL_TCP_PHASE_LOSS;
    r->recover = pl_tcp_sent_end(tcp);
    r->seen = true;
    pl_cc_restart(&tcp->cc);
    tcp->cc.cwnd = pl_tcp_flight(tcp) + tcp->cc.mss;
    PL_ASSERT(tcp->cc.cwnd > pl_tcp_flight(tcp));
    PL_ASSERT(tcp->flight->lost_bytes > 0);
    pl_tcp_rexmit_restart(tcp, now);
    PL_COUNT(tcp->ctx, Timeouts);
    trace_phase(tcp, now);
    trace_window(tcp, now);
    tcp->ops->event(tcp->up, PL_TCP_RTO, r->rto_count, now);
}

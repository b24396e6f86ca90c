/* tcp/undo.c - finding out that nothing had been lost, and taking the reaction back.
 *
 * A reaction to loss keeps what was before it (struct pl_tcp_undo, there only as long as it may be
 * of use). Three kinds of proof that it was needless:
 *   - Eifel (RFC 3522): an ACK that advances echoes a timestamp from before the first
 *     retransmission of what it acknowledges, so the original had arrived;
 *   - D-SACK (RFC 3708): everything that was retransmitted arrived twice. That is known a round
 *     trip later, often after the recovery;
 *   - F-RTO with SACK (RFC 5682 section 3): after a timeout only the head is sent again, then up
 *     to two new segments; what is acknowledged next and was sent before the timeout and never
 *     since shows that the path was only slow.
 * The response restores the congestion control as it was (RFC 9438 section 4.9). */
#include "base/assert.h"
#include "tcp/engine.h"

enum { NEW_SEGMENTS = 2 };

/* ---- the memory of an episode ---- */

/* A reaction begins. Without memory it cannot be taken back, which is all. */
void pl_tcp_undo_begin(struct pl_tcp *tcp) {
    struct pl_tcp_undo *u = tcp->rec.undo;
    PL_ASSERT(tcp->cc.cwnd > 0);
    if (u == NULL) {
        u = pl_ctx_alloc(tcp->ctx, sizeof(*u));
    }
    if (u != NULL) {
        *u = (struct pl_tcp_undo){.cc = tcp->cc, .start = tcp->snd.una, .end = tcp->snd.nxt};
    }
    tcp->rec.undo = u;
}

void pl_tcp_undo_forget(struct pl_tcp *tcp) {
    PL_ASSERT(tcp->ctx != NULL);
    if (tcp->rec.undo != NULL) {
        pl_ctx_free(tcp->ctx, tcp->rec.undo, sizeof(*tcp->rec.undo));
        tcp->rec.undo = NULL;
    }
}

/* The reaction is over; D-SACKs for its retransmissions may come for another round trip. */
void pl_tcp_undo_linger(struct pl_tcp *tcp) {
    if (tcp->rec.undo != NULL) {
        tcp->rec.undo->end = tcp->snd.nxt;
    }
    PL_ASSERT(tcp->rec.phase == PL_TCP_PHASE_OPEN);
}

void pl_tcp_undo_sent(struct pl_tcp *tcp, uint32_t bytes, plait_time now) {
    struct pl_tcp_undo *u = tcp->rec.undo;
    PL_ASSERT(bytes > 0);
    if (u == NULL || tcp->rec.phase == PL_TCP_PHASE_OPEN) {
        return; /* a loss probe is no reaction */
    }
    if (u->retransmitted == 0) {
        u->stamp = pl_tcp_ts_of(tcp, now);
    }
    u->retransmitted += bytes;
}

/* ---- proofs ---- */

static bool is_older(const struct pl_tcp *tcp, const struct pl_segment *seg, uint32_t stamp) {
    const struct pl_tcp_options *o = &seg->options;
    PL_ASSERT((seg->flags & PL_TCP_ACK) != 0);
    bool echoes = tcp->ts.on && o->has_timestamps && o->ts_ecr != 0;
    return echoes && (int32_t)(o->ts_ecr - stamp) < 0;
}

/* Whether `seg`, which acknowledges `rec`, may do so for a second copy, by whatever reaction or
 * loss probe that was sent: then the first one was lost, and the reaction stands. */
bool pl_tcp_undo_is_repair(const struct pl_tcp *tcp, const struct pl_tcp_record *rec,
                           const struct pl_segment *seg) {
    PL_ASSERT(!rec->unsent);
    return rec->retransmitted && !is_older(tcp, seg, rec->again_ts);
}

static bool echo_is_older(const struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    const struct pl_tcp_undo *u = tcp->rec.undo;
    PL_ASSERT(u != NULL);
    if (f->cum_bytes == 0 || u->retransmitted == 0 || f->repair ||
        tcp->rec.phase == PL_TCP_PHASE_OPEN) {
        return false;
    }
    return is_older(tcp, f->seg, u->stamp);
}

static bool all_arrived_twice(const struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    struct pl_tcp_undo *u = tcp->rec.undo;
    PL_ASSERT(u != NULL);
    bool ours = f->has_dsack && u->retransmitted > 0 && pl_seq32_le(u->start, f->dsack.start) &&
                pl_seq32_le(f->dsack.end, u->end);
    if (!ours) {
        return false;
    }
    PL_ASSERT(pl_seq32_lt(f->dsack.start, f->dsack.end));
    uint32_t bytes = (uint32_t)pl_seq32_diff(f->dsack.end, f->dsack.start);
    u->twice += bytes;
    return u->twice >= u->retransmitted;
}

/* ---- F-RTO, RFC 5682 section 3.1 ---- */

/* Step 1. Not in a recovery, but again when the same segment times out again. */
void pl_tcp_frto_begin(struct pl_tcp *tcp, bool in_recovery) {
    struct pl_tcp_recovery *r = &tcp->rec;
    PL_ASSERT(!pl_list_empty(&tcp->flight->records));
    r->frto = tcp->snd.sack_ok && (!in_recovery || r->frto != PL_TCP_FRTO_OFF) ? PL_TCP_FRTO_HEAD
                                                                               : PL_TCP_FRTO_OFF;
    r->frto_left = 0;
}

/* The time-out was real: so many segments, and this ACK opens the window no further. */
static void cap(struct pl_tcp *tcp, uint32_t segments) {
    uint32_t most = segments * tcp->cc.mss;
    PL_ASSERT(most > 0);
    tcp->cc.cwnd = tcp->cc.cwnd < most ? tcp->cc.cwnd : most;
    tcp->rec.frto = PL_TCP_FRTO_CAPPED;
}

/* Step 2: the head was acknowledged. */
static void frto_head(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    struct pl_tcp_recovery *r = &tcp->rec;
    PL_ASSERT(r->frto == PL_TCP_FRTO_HEAD);
    if (f->cum_bytes == 0) {
        return;
    }
    r->frto = PL_TCP_FRTO_OFF;
    uint32_t mss = tcp->cc.mss;
    if (pl_seq32_le(r->recover, tcp->snd.una)) {
        cap(tcp, 2);
        return;
    }
    if (tcp->snd.more && !tcp->snd.fin_sent && pl_tcp_window_usable(tcp) >= mss) {
        r->frto = PL_TCP_FRTO_NEW;
        r->frto_left = NEW_SEGMENTS;
    }
}

/* Step 3; true: the timeout was spurious. */
static bool frto_new(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    struct pl_tcp_recovery *r = &tcp->rec;
    PL_ASSERT(r->frto == PL_TCP_FRTO_NEW);
    if (f->seg->payload_len > 0 && f->delivered == 0) {
        return false; /* neither a duplicate nor an advance */
    }
    r->frto = PL_TCP_FRTO_OFF;
    bool beyond = pl_seq32_lt(r->recover, tcp->rack.fack);
    if (!beyond && f->original > 0) {
        return true;
    }
    cap(tcp, 3);
    return false;
}

static bool frto(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    if (tcp->rec.phase != PL_TCP_PHASE_LOSS || tcp->rec.frto == PL_TCP_FRTO_OFF) {
        return false;
    }
    if (tcp->rec.frto == PL_TCP_FRTO_NEW) {
        return frto_new(tcp, f);
    }
    frto_head(tcp, f);
    return false;
}

/* Whether new payload goes before what the timeout gave up for lost. */
bool pl_tcp_frto_new_first(const struct pl_tcp *tcp) {
    PL_ASSERT(tcp->rec.frto_left <= NEW_SEGMENTS);
    return tcp->rec.frto == PL_TCP_FRTO_NEW && tcp->rec.frto_left > 0;
}

/* After a try to send new payload. None at all: step 2b says to go on without F-RTO. */
void pl_tcp_frto_tried(struct pl_tcp *tcp, bool sent) {
    struct pl_tcp_recovery *r = &tcp->rec;
    PL_ASSERT(r->frto == PL_TCP_FRTO_NEW && r->frto_left > 0);
    if (!sent && r->frto_left == NEW_SEGMENTS) {
        r->frto = PL_TCP_FRTO_OFF;
    }
    if (sent) {
        r->frto_left--;
    } else {
        r->frto_left = 0;
    }
}

/* ---- the response ---- */

static void undo(struct pl_tcp *tcp) {
    PL_ASSERT(tcp->rec.undo != NULL);
    PL_LIST_FOREACH_SAFE(it, &tcp->flight->lost) {
        struct pl_tcp_record *rec = PL_CONTAINER(it, struct pl_tcp_record, order);
        if (!rec->unsent) {
            pl_tcp_record_mark_flying(tcp, rec);
        }
    }
    pl_cc_undo(&tcp->cc, &tcp->rec.undo->cc);
    tcp->rec.phase = PL_TCP_PHASE_OPEN;
    tcp->rec.frto = PL_TCP_FRTO_OFF;
    pl_tcp_undo_forget(tcp);
    PL_COUNT(tcp->ctx, SpuriousRecoveries);
}

/* Whether this ACK proves the last reaction needless; then it was taken back. */
bool pl_tcp_undo_ack(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    struct pl_tcp_undo *u = tcp->rec.undo;
    PL_ASSERT(f->lost <= tcp->flight->lost_bytes);
    bool slow = frto(tcp, f);
    if (u == NULL) {
        return false;
    }
    if (slow || echo_is_older(tcp, f) || all_arrived_twice(tcp, f)) {
        undo(tcp);
        return true;
    }
    if (tcp->rec.phase == PL_TCP_PHASE_OPEN && pl_seq32_lt(u->end, tcp->snd.una)) {
        pl_tcp_undo_forget(tcp);
    }
    return false;
}

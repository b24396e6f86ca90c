/* tcp/rack.c - loss detection by time: RACK-TLP (RFC 8985).
 *
 * A segment is lost when one that was sent later has been delivered and a reordering window has
 * passed since. The window is zero while no reordering was seen and losses are certain, else a
 * quarter of the least RTT, growing with every round in which a D-SACK proves a retransmission to
 * have been needless. When no ACK comes at all, a tail loss probe after two RTTs asks for one
 * before the retransmission timer has to. Names follow the RFC's pseudocode. */
#include "base/assert.h"
#include "tcp/engine.h"

enum { DUP_THRESH = 3, REO_PERSIST = 16 };
/* TLP.max_ack_delay, added when a single segment is out: above the usual delayed ACK of 40 ms. */
#define ACK_DELAY_NS_MAX (60 * PLAIT_NS_PER_MS)
#define PTO_MARGIN_NS (2 * PLAIT_NS_PER_MS)

void pl_tcp_rack_init(struct pl_tcp *tcp) {
    PL_ASSERT(pl_list_empty(&tcp->flight->records));
    tcp->rack.reo_mult = 1;
    tcp->rack.fack = tcp->snd.iss;
    tcp->rack.tlp_sampled = true;
}

static bool sent_after(plait_time t1, pl_seq32 seq1, plait_time t2, pl_seq32 seq2) {
    return t1 > t2 || (t1 == t2 && pl_seq32_lt(seq2, seq1));
}

/* Whether an ACK of a retransmitted segment may be for its first transmission. */
static bool ambiguous(const struct pl_tcp *tcp, const struct pl_tcp_record *rec, uint64_t rtt_ns,
                      const struct pl_tcp_ack_facts *f) {
    PL_ASSERT(rec->retransmitted);
    const struct pl_tcp_options *o = &f->seg->options;
    if (tcp->ts.on && o->has_timestamps &&
        (int32_t)(o->ts_ecr - pl_tcp_ts_of(tcp, rec->sent_at)) < 0) {
        return true;
    }
    return tcp->rtt.min_ns != UINT64_MAX && rtt_ns < tcp->rtt.min_ns;
}

/* Section 6.2, steps 2 and 3: `rec` was delivered up to `end`. */
void pl_tcp_rack_delivered(struct pl_tcp *tcp, const struct pl_tcp_record *rec, pl_seq32 end,
                           struct pl_tcp_ack_facts *f) {
    PL_ASSERT(!rec->sacked && pl_seq32_lt(rec->seq, end));
    struct pl_tcp_rack *k = &tcp->rack;
    PL_ASSERT(!rec->unsent && f->now >= rec->sent_at);
    uint64_t rtt_ns = f->now - rec->sent_at;
    if (pl_seq32_lt(k->fack, end)) {
        k->fack = end;
    } else if (pl_seq32_lt(end, k->fack) && !rec->retransmitted) {
        k->reordering_seen = true;
        f->reordered = true;
    }
    if (rec->retransmitted) {
        if (ambiguous(tcp, rec, rtt_ns, f)) {
            return;
        }
    } else {
        f->original += (uint32_t)pl_seq32_diff(end, rec->seq);
        f->rtt_first_ns = rtt_ns > f->rtt_first_ns ? rtt_ns : f->rtt_first_ns;
        f->rtt_last_ns = f->rtt_last_ns == 0 || rtt_ns < f->rtt_last_ns ? rtt_ns : f->rtt_last_ns;
    }
    if (sent_after(rec->sent_at, end, k->xmit_at, k->end_seq)) {
        k->rtt_ns = rtt_ns;
        k->xmit_at = rec->sent_at;
        k->end_seq = end;
    }
}

/* Step 4, the part that adapts the window. */
void pl_tcp_rack_adapt(struct pl_tcp *tcp, bool dsack, bool recovery_exit) {
    PL_ASSERT(tcp->rack.reo_mult >= 1);
    struct pl_tcp_rack *k = &tcp->rack;
    if (k->dsack_round_on && pl_seq32_le(k->dsack_round, tcp->snd.una)) {
        k->dsack_round_on = false;
    }
    if (dsack && !k->dsack_round_on) {
        k->dsack_round_on = true;
        k->dsack_round = tcp->snd.nxt;
        if (k->reo_mult < UINT8_MAX) {
            k->reo_mult++;
        }
        k->reo_persist = REO_PERSIST;
        return;
    }
    if (recovery_exit) {
        if (k->reo_persist > 0) {
            k->reo_persist--;
        }
        k->reo_mult = k->reo_persist > 0 ? k->reo_mult : 1;
    }
    PL_ASSERT(k->reo_mult >= 1);
}

static uint64_t reo_wnd_ns(const struct pl_tcp *tcp) {
    if (!tcp->rack.reordering_seen) {
        if (pl_tcp_repairing(tcp)) {
            return 0;
        }
        if (tcp->flight->sacked_bytes >= DUP_THRESH * tcp->cc.mss) {
            return 0;
        }
    }
    if (tcp->rtt.min_ns == UINT64_MAX) {
        return 0;
    }
    PL_ASSERT(tcp->rtt.srtt_ns > 0);
    uint64_t wnd = tcp->rack.reo_mult * (tcp->rtt.min_ns / 4);
    return wnd < tcp->rtt.srtt_ns ? wnd : tcp->rtt.srtt_ns;
}

static void lose(struct pl_tcp *tcp, struct pl_tcp_record *rec, enum pl_tcp_lost_reason reason,
                 plait_time now) {
    PL_ASSERT(!rec->unsent);
    PL_ASSERT(pl_tcp_synchronized(tcp));
    if (pl_tcp_pmtu_is_probe(tcp, rec)) {
        pl_tcp_pmtu_lost(tcp);
    }
    pl_tcp_record_mark_lost(tcp, rec);
    pl_trace(tcp->ctx, now, tcp->id, PLAIT_TRACE_loss_detected, rec->seq.v, rec->len, reason, 0);
}

/* Step 5. Returns the bytes marked lost and sets or clears the reordering timer. */
uint32_t pl_tcp_rack_detect(struct pl_tcp *tcp, plait_time now) {
    const struct pl_tcp_rack *k = &tcp->rack;
    uint64_t wait = k->rtt_ns + reo_wnd_ns(tcp);
    plait_time timeout = 0;
    uint32_t lost = 0;
    PL_LIST_FOREACH_SAFE(it, &tcp->flight->sent) {
        struct pl_tcp_record *rec = PL_CONTAINER(it, struct pl_tcp_record, order);
        if (rec->sent_at > k->xmit_at) {
            break;
        }
        if (!sent_after(k->xmit_at, k->end_seq, rec->sent_at, pl_seq32_add(rec->seq, rec->len))) {
            continue;
        }
        if (rec->sent_at + wait <= now) {
            /* An MTU probe is too large, not a sign of congestion (RFC 8899 section 3). */
            lost += pl_tcp_pmtu_is_probe(tcp, rec) ? 0 : rec->len;
            lose(tcp, rec, PL_TCP_LOST_RACK, now);
        } else if (rec->sent_at + wait > timeout) {
            timeout = rec->sent_at + wait;
        }
    }
    PL_ASSERT(timeout == 0 || timeout > now);
    PL_ASSERT(lost <= tcp->flight->lost_bytes);
    if (timeout > 0) {
        tcp->deadline[PL_TCP_SLOT_PROBE] = timeout;
        tcp->rack.waiting = true;
    } else if (tcp->rack.waiting) {
        tcp->deadline[PL_TCP_SLOT_PROBE] = PLAIT_TIME_NEVER;
        tcp->rack.waiting = false;
    }
    return lost;
}

void pl_tcp_rack_timeout(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(!tcp->rack.waiting);
    uint32_t lost = pl_tcp_rack_detect(tcp, now);
    if (lost > 0) {
        pl_tcp_recovery_lost(tcp, now);
    }
}

/* Section 6.3: the retransmission timer ran out. */
void pl_tcp_rack_rto(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(!pl_list_empty(&tcp->flight->records));
    uint64_t wait = tcp->rack.rtt_ns + reo_wnd_ns(tcp);
    PL_LIST_FOREACH(it, &tcp->flight->records) {
        struct pl_tcp_record *rec = PL_CONTAINER(it, struct pl_tcp_record, link);
        if (rec->sacked || rec->lost) {
            continue;
        }
        bool first = pl_seq32_eq(rec->seq, tcp->snd.una);
        if (first || !tcp->snd.sack_ok || rec->sent_at + wait <= now) {
            lose(tcp, rec, PL_TCP_LOST_RTO, now);
        }
    }
    PL_ASSERT(tcp->flight->lost_bytes > 0);
}

/* The path's MTU shrank: what is larger cannot arrive. Or, without SACK, a segment was missed by
 * three duplicate ACKs. */
void pl_tcp_rack_lose(struct pl_tcp *tcp, struct pl_tcp_record *rec, enum pl_tcp_lost_reason reason,
                      plait_time now) {
    PL_ASSERT(rec != NULL);
    if (!rec->lost && !rec->sacked) {
        lose(tcp, rec, reason, now);
    }
}

/* ---- tail loss probes, section 7 ---- */

void pl_tcp_tlp_reset(struct pl_tcp *tcp) {
    tcp->rack.tlp_out = false;
    tcp->rack.tlp_retrans = false;
    tcp->rack.tlp_due = false;
    if (!tcp->rack.waiting) {
        tcp->deadline[PL_TCP_SLOT_PROBE] = PLAIT_TIME_NEVER;
    }
}

/* Section 7.2: after new data was sent or acknowledged. */
void pl_tcp_tlp_arm(struct pl_tcp *tcp, plait_time now) {
    const struct pl_tcp_rack *k = &tcp->rack;
    if (k->waiting) {
        return;
    }
    tcp->deadline[PL_TCP_SLOT_PROBE] = PLAIT_TIME_NEVER;
    uint32_t flight = pl_tcp_flight(tcp);
    if (!tcp->snd.sack_ok || pl_tcp_repairing(tcp) || tcp->flight->sacked_bytes > 0 ||
        flight == 0 || k->tlp_out || !k->tlp_sampled) {
        return;
    }
    uint64_t pto = PLAIT_NS_PER_S;
    if (tcp->rtt.srtt_ns > 0) {
        bool single = flight <= tcp->cc.mss;
        pto = 2 * tcp->rtt.srtt_ns + (single ? ACK_DELAY_NS_MAX : PTO_MARGIN_NS);
    }
    plait_time rto_at = tcp->deadline[PL_TCP_SLOT_REXMIT];
    PL_ASSERT(rto_at != PLAIT_TIME_NEVER);
    PL_ASSERT(pto > 0);
    tcp->deadline[PL_TCP_SLOT_PROBE] = now + pto < rto_at ? now + pto : rto_at;
}

void pl_tcp_tlp_timeout(struct pl_tcp *tcp) {
    bool may = !tcp->rack.tlp_out && tcp->rack.tlp_sampled;
    tcp->rack.tlp_due = may && !pl_list_empty(&tcp->flight->records);
}

/* Section 7.3: a probe left. */
void pl_tcp_tlp_sent(struct pl_tcp *tcp, bool retransmission, plait_time now) {
    PL_ASSERT(!tcp->rack.tlp_out && !tcp->rack.waiting);
    PL_ASSERT(!pl_list_empty(&tcp->flight->records));
    tcp->rack.tlp_due = false;
    tcp->rack.tlp_out = true;
    tcp->rack.tlp_retrans = retransmission;
    tcp->rack.tlp_sampled = false;
    tcp->rack.tlp_end = tcp->snd.nxt;
    tcp->deadline[PL_TCP_SLOT_PROBE] = PLAIT_TIME_NEVER;
    pl_tcp_rexmit_restart(tcp, now);
    PL_COUNT(tcp->ctx, TailLossProbes);
}

/* Section 7.4.2. True: the probe repaired a loss nobody else will notice. */
bool pl_tcp_tlp_acked(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    struct pl_tcp_rack *k = &tcp->rack;
    if (!k->tlp_out || pl_seq32_lt(f->seg->ack, k->tlp_end)) {
        return false;
    }
    PL_ASSERT(pl_seq32_le(f->seg->ack, tcp->snd.nxt));
    if (!k->tlp_retrans) {
        k->tlp_out = false;
        return false;
    }
    if (f->has_dsack && pl_seq32_eq(f->dsack.end, k->tlp_end)) {
        k->tlp_out = false; /* both copies arrived */
        return false;
    }
    if (pl_seq32_lt(k->tlp_end, f->seg->ack)) {
        k->tlp_out = false;
        return true;
    }
    bool dup_ack = f->cum_bytes == 0 && f->seg->payload_len == 0 && f->seg->options.sack_count == 0;
    if (dup_ack) {
        k->tlp_out = false;
    }
    return false;
}

/* tcp/ack.c - an acceptable ACK, from the window it brings to the timers it moves.
 *
 * The order matters: first what was delivered (cumulatively, then selectively), because loss
 * detection compares with it; then what must therefore be lost; then the congestion window, which
 * depends on both; then timers; and last the upper, which may do anything. */
#include "base/assert.h"
#include "tcp/engine.h"
#include "tcp/figures.h"

static void cumulative(struct pl_tcp *tcp, struct pl_tcp_ack_facts *f) {
    pl_seq32 ack = f->seg->ack;
    if (!pl_seq32_lt(tcp->snd.una, ack)) {
        return;
    }
    f->cum_bytes = (uint32_t)pl_seq32_diff(ack, tcp->snd.una);
    PL_ASSERT(f->cum_bytes > 0);
    struct pl_tcp_record *rec = pl_tcp_record_first(tcp);
    while (rec != NULL && pl_seq32_lt(rec->seq, ack)) {
        uint32_t n = (uint32_t)pl_seq32_diff(ack, rec->seq);
        n = n < rec->len ? n : rec->len;
        if (!rec->sacked) {
            pl_tcp_rack_delivered(tcp, rec, pl_seq32_add(rec->seq, n), f);
            pl_tcp_rate_delivered(tcp, rec, f);
            f->delivered += n;
            f->repair = f->repair || pl_tcp_undo_is_repair(tcp, rec, f->seg);
        }
        f->payload_bytes += rec->chunk != NULL ? n : 0;
        if (n < rec->len) {
            pl_tcp_record_trim(tcp, rec, n);
            break;
        }
        pl_tcp_record_free(tcp, rec);
        rec = pl_tcp_record_first(tcp);
    }
    PL_ASSERT(f->payload_bytes <= f->cum_bytes && f->delivered <= f->cum_bytes);
    tcp->snd.una = ack;
    PL_ASSERT(rec == NULL || pl_seq32_eq(rec->seq, ack));
    PL_ASSERT(pl_seq32_le(ack, tcp->snd.nxt));
    tcp->stats.bytes_acked += f->payload_bytes;
}

static void take_rtt(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    PL_ASSERT(f->rtt_last_ns <= f->rtt_first_ns);
    PL_ASSERT(f->rtt_first_ns == 0 || f->delivered > 0);
    if (f->rtt_first_ns > 0) {
        pl_tcp_rtt_sample(tcp, f->rtt_first_ns, f->now);
        if (f->rtt_last_ns < tcp->rtt.min_ns) {
            tcp->rtt.min_ns = f->rtt_last_ns;
            tcp->rtt.min_at = f->now;
        }
        return;
    }
    uint64_t echo_ns = f->cum_bytes > 0 ? pl_tcp_rtt_of_echo(tcp, f->seg, f->now) : 0;
    if (echo_ns > 0) {
        pl_tcp_rtt_sample(tcp, echo_ns, f->now);
    }
}

/* Rounds for window validation (RFC 7661's question: was the window used?) and HyStart++. */
static void count_rounds(struct pl_tcp *tcp, struct pl_tcp_ack_facts *f) {
    struct pl_tcp_snd *s = &tcp->snd;
    if (f->cum_bytes == 0 || pl_seq32_lt(s->una, s->round_end)) {
        return;
    }
    PL_ASSERT(pl_seq32_le(s->round_end, s->una));
    PL_ASSERT(!f->round_start);
    f->round_start = true;
    s->round_end = s->nxt;
    s->limited_last = s->limited;
    s->limited = false;
    s->flight_max = pl_tcp_flight(tcp) + f->delivered;
}

/* ---- ACKs that cannot say what arrived: RFC 6582 as far as RACK's machinery needs help ---- */

enum { DUP_THRESH = 3, SACK_ROOM = 12 };

/* Whether this ACK could have told of holes. Without room for a block (a DSS option with 64-bit
 * numbers beside timestamps fills the header) its silence means nothing. */
static bool speaks_sack(const struct pl_tcp *tcp, const struct pl_segment *seg) {
    PL_ASSERT(seg->options_len <= PL_TCP_OPTIONS_MAX);
    return tcp->snd.sack_ok &&
           (seg->options.sack_count > 0 || seg->options_len + SACK_ROOM <= PL_TCP_OPTIONS_MAX);
}

/* RFC 5681 section 2. What the upper's peer sent for its options alone is no sign of congestion
 * (RFC 8684 section 3). */
static bool is_duplicate(const struct pl_tcp *tcp, const struct pl_segment *seg, uint32_t wnd) {
    bool bare = seg->payload_len == 0 && (seg->flags & (PL_TCP_SYN | PL_TCP_FIN)) == 0;
    if (!bare || !pl_seq32_eq(seg->ack, tcp->snd.una) || pl_list_empty(&tcp->flight->records)) {
        return false;
    }
    PL_ASSERT((seg->flags & PL_TCP_RST) == 0);
    return pl_tcp_scaled_window(tcp, seg) == wnd &&
           (tcp->ops->is_signal == NULL || !tcp->ops->is_signal(tcp->up, seg));
}

static uint32_t lose_head(struct pl_tcp *tcp, plait_time now) {
    struct pl_tcp_record *rec = pl_tcp_record_first(tcp);
    if (rec == NULL || rec->lost || rec->sacked) {
        return 0; /* SACKed and yet missing: a receiver that reneges waits for the time-out */
    }
    if (rec->retransmitted && now - rec->sent_at < tcp->rtt.srtt_ns) {
        return 0; /* it is on its way again */
    }
    if (rec->cut > 0 && rec->len > rec->cut && pl_tcp_record_split(tcp, rec, rec->cut) == NULL) {
        return 0;
    }
    PL_ASSERT(pl_seq32_eq(rec->seq, tcp->snd.una));
    pl_tcp_rack_lose(tcp, rec, PL_TCP_LOST_DUPACK, now);
    return rec->len;
}

/* The left edge moved. Duplicates stood for what lay behind the hole, so that is no news (RFC 9937
 * section 6.2). In recovery the next hole begins here, unless all is repaired (RFC 6582). */
static void blind_advance(struct pl_tcp *tcp, struct pl_tcp_ack_facts *f) {
    struct pl_tcp_snd *s = &tcp->snd;
    PL_ASSERT(f->cum_bytes > 0);
    bool partial = tcp->rec.phase == PL_TCP_PHASE_RECOVERY && pl_seq32_lt(s->una, tcp->rec.recover);
    if (!partial) {
        s->dupacks = 0;
        return;
    }
    uint32_t covered = f->delivered > 0 ? (f->delivered - 1) / tcp->cc.mss : 0;
    covered = covered < s->dupacks ? covered : s->dupacks;
    s->dupacks = (uint8_t)(s->dupacks - covered);
    f->delivered -= covered * tcp->cc.mss;
    f->lost += lose_head(tcp, f->now);
    PL_ASSERT(f->delivered <= f->cum_bytes);
}

static void blind_duplicate(struct pl_tcp *tcp, struct pl_tcp_ack_facts *f) {
    struct pl_tcp_snd *s = &tcp->snd;
    const struct pl_tcp_recovery *r = &tcp->rec;
    PL_ASSERT(f->cum_bytes == 0);
    if (s->dupacks < UINT8_MAX) {
        s->dupacks++;
    }
    if (r->phase == PL_TCP_PHASE_RECOVERY) {
        /* A receiver cannot be sent more by inventing duplicates than was out (RFC 9937). */
        uint32_t left = r->prr_flight > r->prr_delivered ? r->prr_flight - r->prr_delivered : 0;
        f->delivered += tcp->cc.mss < left ? tcp->cc.mss : left;
    }
    /* After a recovery they may be the echo of needless retransmissions (RFC 6582 section 3.2). */
    bool fresh = !r->seen || pl_seq32_lt(r->recover, s->una);
    if (s->dupacks == DUP_THRESH && !pl_tcp_repairing(tcp) && fresh) {
        f->lost += lose_head(tcp, f->now);
    }
}

static void blind(struct pl_tcp *tcp, struct pl_tcp_ack_facts *f, uint32_t wnd_before) {
    PL_ASSERT(tcp->snd.sack_ok || tcp->flight->sacked_bytes == 0);
    PL_ASSERT(!pl_seq32_lt(tcp->snd.una, f->seg->ack));
    if (f->cum_bytes > 0) {
        blind_advance(tcp, f);
        return;
    }
    if (is_duplicate(tcp, f->seg, wnd_before)) {
        blind_duplicate(tcp, f);
    }
}

/* ---- what follows ---- */

static void move_timers(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    PL_ASSERT(pl_tcp_synchronized(tcp));
    if (f->cum_bytes == 0) {
        return;
    }
    if (pl_list_empty(&tcp->flight->records)) {
        tcp->deadline[PL_TCP_SLOT_REXMIT] = PLAIT_TIME_NEVER;
        tcp->deadline[PL_TCP_SLOT_PROBE] = PLAIT_TIME_NEVER;
        tcp->rack.waiting = false;
        return;
    }
    PL_ASSERT(!tcp->snd.blocked);
    pl_tcp_rexmit_restart(tcp, f->now);
    pl_tcp_tlp_arm(tcp, f->now);
}

/* Calls the upper. */
static void tell(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f) {
    PL_ASSERT(pl_seq32_le(tcp->snd.una, tcp->snd.nxt));
    PL_ASSERT(f->payload_bytes <= f->cum_bytes);
    bool progress = f->cum_bytes > 0 && tcp->rec.rto_count > 0;
    bool fin_acked =
        f->cum_bytes > 0 && tcp->snd.fin_sent && pl_seq32_eq(tcp->snd.una, tcp->snd.nxt);
    if (progress) {
        tcp->rec.rto_count = 0;
        tcp->ops->event(tcp->up, PL_TCP_PROGRESS, 0, f->now);
    }
    if (f->payload_bytes > 0 && tcp->life.state != PL_TCP_ST_CLOSED) {
        tcp->ops->acked(tcp->up, f->payload_bytes, f->now);
    }
    if (fin_acked && tcp->life.state != PL_TCP_ST_CLOSED) {
        pl_tcp_fin_acked(tcp, f->now);
    }
}

/* The acknowledgement of a segment that passed all checks. Calls the upper. */
void pl_tcp_ack_in(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    struct pl_tcp_ack_facts f = {.seg = seg,
                                 .now = now,
                                 .flight_before = pl_tcp_flight(tcp),
                                 .marked = pl_tcp_ecn_marked(tcp, seg)};
    PL_ASSERT(pl_seq32_le(seg->ack, tcp->snd.nxt));
    PL_ASSERT((seg->flags & PL_TCP_ACK) != 0);
    PL_ASSERT(pl_tcp_synchronized(tcp));
    uint32_t wnd_before = tcp->snd.wnd;
    pl_tcp_window_update(tcp, seg);
    cumulative(tcp, &f);
    if (tcp->snd.sack_ok) {
        pl_tcp_sack_in(tcp, &f);
    }
    take_rtt(tcp, &f);
    count_rounds(tcp, &f);
    bool repaired = pl_tcp_tlp_acked(tcp, &f);
    pl_tcp_rack_adapt(tcp, f.has_dsack, false);
    pl_tcp_figures_acked(tcp, &f);
    PL_ASSERT(f.newly_sacked <= f.delivered);
    if (tcp->snd.sack_ok) {
        f.lost += pl_tcp_rack_detect(tcp, now);
    }
    if (speaks_sack(tcp, seg)) {
        tcp->snd.dupacks = 0;
    } else {
        blind(tcp, &f, wnd_before);
    }
    PL_ASSERT(f.lost <= tcp->flight->lost_bytes);
    pl_tcp_recovery_ack(tcp, &f);
    if (repaired) {
        pl_tcp_recovery_repaired(tcp, now);
    }
    move_timers(tcp, &f);
    bool lost = !pl_list_empty(&tcp->flight->lost);
    if (lost || tcp->snd.more || tcp->snd.fin_wanted) {
        pl_tcp_link(tcp);
    }
    tell(tcp, &f);
    pl_tcp_figures_settle(tcp, now);
}

/* tcp/output.c - deciding what leaves next.
 *
 * The order: an RST that is owed; an ACK whose SACK blocks would not fit beside payload; a tail
 * loss probe; what is lost, lowest sequence first (F-RTO turns that round); new payload from the
 * upper; the FIN; a bare ACK or probe. Payload needs room in the congestion window and the pacer's
 * consent; new payload also needs the peer's window. When nothing may leave, whatever would change
 * that (an ACK, a timer, a kick) puts the connection into the output list again. */
#include "base/assert.h"
#include "tcp/engine.h"
#include "tcp/figures.h"

enum { PAYLOAD_MAX = 65535 - 40 - 60 }; /* of an IPv6 packet with a full TCP header */
#define RETRY_NS (10 * PLAIT_NS_PER_MS)
#define CORK_NS_MAX (200 * PLAIT_NS_PER_MS)

/* ---- what may leave ---- */

static bool sends_payload(const struct pl_tcp *tcp) {
    return tcp->life.state == PL_TCP_ST_ESTABLISHED || tcp->life.state == PL_TCP_ST_CLOSE_WAIT;
}

/* What the congestion window has left; 0 = wait. A packet must fit whole (RFC 5681 section 3): half
 * a packet too many is one loss in five where a queue holds four. */
static uint32_t window_room(const struct pl_tcp *tcp, uint32_t mss) {
    uint32_t flight = pl_tcp_flight(tcp);
    PL_ASSERT(mss > 0);
    if (flight >= tcp->cc.cwnd) {
        return 0;
    }
    uint32_t room = tcp->cc.cwnd - flight;
    return room >= mss || flight == 0 ? room : 0;
}

/* Bytes the congestion window and the pacer's burst allow: whole packets of `mss`, 0 = none. */
static uint32_t allowance(const struct pl_tcp *tcp, uint32_t mss) {
    uint32_t room = window_room(tcp, mss);
    if (room == 0) {
        return 0;
    }
    uint32_t most = mss;
    if (tcp->snd.tso && mss < PAYLOAD_MAX) {
        most = tcp->pace.burst > 0 ? tcp->pace.burst : pl_tcp_pace_quantum(tcp);
        most = most < PAYLOAD_MAX ? most : PAYLOAD_MAX;
    }
    room = room < most ? room : most;
    if (tcp->snd.cwr_due || pl_tcp_urgent(tcp) > 0) {
        return mss; /* CWR is said once, the urgent pointer is another for each: no device cuts it
                     */
    }
    return room > mss ? room / mss * mss : mss;
}

/* The same for new payload: what waits, if that is less than a packet, needs no room for one. */
static uint32_t allowance_new(const struct pl_tcp *tcp) {
    uint32_t mss = tcp->cc.mss, allowed = allowance(tcp, mss);
    if (allowed > 0 || tcp->ops->unsent == NULL) {
        return allowed;
    }
    uint32_t waits = tcp->ops->unsent(tcp->up);
    return waits > 0 && waits < mss && window_room(tcp, waits) > 0 ? waits : 0;
}

static bool retry_later(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(pl_tcp_synchronized(tcp));
    tcp->deadline[PL_TCP_SLOT_PACE] = now + RETRY_NS;
    return false;
}

/* ---- sending a record ---- */

static void account(struct pl_tcp *tcp, struct pl_tcp_record *rec, bool again, plait_time now) {
    uint32_t payload = rec->chunk != NULL ? rec->len : 0;
    PL_ASSERT(again || rec->lost);
    PL_ASSERT(!rec->sacked);
    bool idle = pl_tcp_flight(tcp) == 0;
    pl_tcp_rate_sent(tcp, rec, now);
    pl_tcp_figures_sent(tcp, rec, again, now);
    pl_tcp_record_mark_sent(tcp, rec, now);
    if (again) {
        PL_COUNT_N(tcp->ctx, RetransSegs, rec->cut > 0 ? (rec->len + rec->cut - 1) / rec->cut : 1);
        PL_COUNT_N(tcp->ctx, RetransBytes, payload);
    }
    tcp->snd.last_sent = now;
    uint32_t flight = pl_tcp_flight(tcp);
    tcp->snd.flight_max = flight > tcp->snd.flight_max ? flight : tcp->snd.flight_max;
    bool head_again = again && pl_seq32_eq(rec->seq, tcp->snd.una);
    bool armed = tcp->deadline[PL_TCP_SLOT_REXMIT] != PLAIT_TIME_NEVER;
    if (!armed || head_again || (idle && !again)) {
        pl_tcp_rexmit_restart(tcp, now);
    }
    PL_ASSERT(!rec->lost && !rec->unsent);
    pl_tcp_pace_sent(tcp, payload, now);
    pl_tcp_recovery_sent(tcp, rec->len, again, now);
}

static bool transmit(struct pl_tcp *tcp, struct pl_tcp_tx *tx, struct pl_tcp_record *rec,
                     plait_time now) {
    bool again = !rec->unsent;
    PL_ASSERT(pl_list_linked(&rec->link));
    if (!pl_tcp_segment_record(tcp, tx, rec, now)) {
        return tcp->life.state == PL_TCP_ST_CLOSED ? false : retry_later(tcp, now);
    }
    account(tcp, rec, again, now);
    return true;
}

/* The next lost (or split off, never sent) piece. */
static bool send_lost(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    struct pl_tcp_record *rec = pl_tcp_record_first_lost(tcp);
    if (rec == NULL) {
        return false;
    }
    if (rec->chunk == NULL) {
        return transmit(tcp, tx, rec, now);
    }
    uint32_t mss = tcp->cc.mss;
    PL_ASSERT(rec->lost && rec->cut > 0);
    PL_ASSERT(mss > 0 && mss <= UINT16_MAX);
    rec->cut = (uint16_t)(rec->cut < mss ? rec->cut : mss);
    uint32_t allowed = allowance(tcp, rec->len < rec->cut ? rec->len : rec->cut);
    if (allowed == 0) {
        tcp->snd.limited = true;
        return false;
    }
    if (pl_tcp_pace_wait(tcp, now)) {
        return false;
    }
    if (rec->len > allowed && pl_tcp_record_split(tcp, rec, allowed) == NULL) {
        return retry_later(tcp, now);
    }
    return transmit(tcp, tx, rec, now);
}

/* ---- new payload ---- */

/* A closed window stops us and nothing in flight will bring news: probe. */
static void persist(struct pl_tcp *tcp, plait_time now) {
    pl_tcp_figures_window(tcp, now);
    if (!pl_list_empty(&tcp->flight->records)) {
        return;
    }
    PL_ASSERT(pl_tcp_flight(tcp) == 0);
    if (!tcp->snd.blocked) {
        tcp->rec.rto_first_ms = (uint32_t)(now / PLAIT_NS_PER_MS); /* the user timeout starts */
    }
    tcp->snd.blocked = true;
    if (tcp->deadline[PL_TCP_SLOT_REXMIT] == PLAIT_TIME_NEVER) {
        pl_tcp_rexmit_restart(tcp, now);
    }
}

static void unblock(struct pl_tcp *tcp) {
    if (!tcp->snd.blocked) {
        return;
    }
    PL_ASSERT(pl_list_empty(&tcp->flight->records));
    tcp->snd.blocked = false;
    tcp->rtt.backoff = 0;
    tcp->life.retries = 0;
    tcp->deadline[PL_TCP_SLOT_REXMIT] = PLAIT_TIME_NEVER;
}

/* RFC 5681 section 4.1. */
static void restart_after_idle(struct pl_tcp *tcp, plait_time now) {
    if (!pl_list_empty(&tcp->flight->records) || tcp->stats.bytes_sent == 0) {
        return;
    }
    uint64_t rto_ns = pl_tcp_rto_base_ns(tcp);
    PL_ASSERT(rto_ns > 0);
    pl_cc_idle(&tcp->cc, (now - tcp->snd.last_sent) / rto_ns);
    pl_cc_pause(&tcp->cc, now);
}

/* What the peer's window leaves of `allowed`; 0 = wait (RFC 9293 section 3.8.6.2.1). */
static uint32_t fit_window(struct pl_tcp *tcp, uint32_t allowed, plait_time now) {
    uint32_t usable = pl_tcp_window_usable(tcp);
    uint32_t mss = tcp->cc.mss;
    if (usable == 0) {
        persist(tcp, now);
        return 0;
    }
    if (usable < mss && usable < tcp->snd.wnd_max / 2 && !pl_list_empty(&tcp->flight->records)) {
        pl_tcp_figures_window(tcp, now);
        return 0;
    }
    uint32_t len = allowed < usable ? allowed : usable;
    PL_ASSERT(len > 0);
    return len > mss ? len / mss * mss : len;
}

/* With large segments it pays to wait until ACKs have made room for one, instead of following each
 * with two packets: while the next ACK is near (the oldest packet has been out for half an RTT),
 * and room is less than a burst and than an eighth of the window, which is what this may cost. */
static bool defer(const struct pl_tcp *tcp, plait_time now) {
    const struct pl_tcp_record *head = pl_tcp_record_first(tcp);
    if (!tcp->snd.tso || head == NULL || tcp->rec.phase != PL_TCP_PHASE_OPEN) {
        return false;
    }
    uint32_t flight = pl_tcp_flight(tcp), usable = pl_tcp_window_usable(tcp);
    PL_ASSERT(flight < tcp->cc.cwnd);
    uint32_t room = tcp->cc.cwnd - flight, goal = pl_tcp_pace_quantum(tcp);
    room = room < usable ? room : usable;
    goal = goal < tcp->cc.cwnd / 8 ? goal : tcp->cc.cwnd / 8;
    PL_ASSERT(now >= head->sent_at);
    return goal >= 4 * tcp->cc.mss && room < goal && now - head->sent_at >= tcp->rtt.srtt_ns / 2;
}

/* What new payload has to be a multiple of, 0 = anything may leave. Nagle's rule (RFC 9293 section
 * 3.7.4) in the form of Minshall, which Linux has, too: a segment that is not full waits only for
 * one that was not full, so that the last piece of a large write does not wait for the first. */
static uint32_t payload_unit(struct pl_tcp *tcp) {
    struct pl_tcp_snd *s = &tcp->snd;
    PL_ASSERT(tcp->cc.mss > 0);
    s->small = s->small && pl_seq32_lt(s->una, s->small_end);
    if (s->fin_wanted || s->push_due) {
        return 0;
    }
    bool wait = tcp->tuning->cork || (!tcp->tuning->nodelay && s->small);
    return wait ? tcp->cc.mss : 0;
}

/* Less than a segment stays here. Nothing in flight means that no ACK will let it go: cork has a
 * bound in time, as in Linux. */
static void hold(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(!tcp->snd.blocked);
    tcp->snd.held = true;
    if (pl_list_empty(&tcp->flight->records) &&
        tcp->deadline[PL_TCP_SLOT_REXMIT] == PLAIT_TIME_NEVER) {
        tcp->deadline[PL_TCP_SLOT_REXMIT] = now + CORK_NS_MAX;
    }
}

static void fill(struct pl_tcp *tcp, struct pl_tcp_record *rec, const struct pl_tcp_payload *p,
                 uint32_t cut) {
    PL_ASSERT(p->chunk != NULL);
    PL_ASSERT(p->len > 0);
    rec->seq = tcp->snd.nxt;
    rec->len = p->len;
    rec->chunk = p->chunk;
    rec->offset = p->offset;
    rec->cut = (uint16_t)cut;
    rec->push = p->push;
    rec->origin = (struct pl_tcp_origin){
        .tag = p->tag, .seq = rec->seq, .len = p->len, .sum = p->sum, .flags = p->flags};
    pl_chunk_ref(rec->chunk);
    pl_tcp_record_append(tcp, rec);
    tcp->snd.held = false;
    tcp->snd.push_due = false;
    if (p->len % cut != 0) {
        tcp->snd.small = true;
        tcp->snd.small_end = tcp->snd.nxt;
    }
}

/* Asks the upper. Returns the record to send, or NULL. */
static struct pl_tcp_record *fetch(struct pl_tcp *tcp, uint32_t len, uint32_t unit, bool probe,
                                   plait_time now) {
    struct pl_tcp_payload payload = {0};
    PL_ASSERT(len > 0 && len <= UINT16_MAX);
    PL_ASSERT(sends_payload(tcp) && !tcp->snd.fin_sent);
    struct pl_tcp_record *rec = pl_tcp_record_new(tcp);
    if (rec == NULL) {
        (void)retry_later(tcp, now);
        return NULL;
    }
    enum pl_tcp_next next = tcp->ops->next(tcp->up, len, unit, &payload, now);
    bool closed = tcp->life.state == PL_TCP_ST_CLOSED;
    if (next == PL_TCP_NEXT_DATA && !closed) {
        PL_ASSERT(payload.len >= 1 && payload.len <= len);
        restart_after_idle(tcp, now);
        unblock(tcp);
        uint32_t mss = tcp->cc.mss;
        fill(tcp, rec, &payload, probe && payload.len > mss ? payload.len : mss);
        return rec;
    }
    pl_tcp_record_free(tcp, rec);
    pl_tcp_rate_limited(tcp);
    if (next == PL_TCP_NEXT_WINDOW && !closed) {
        persist(tcp, now);
        return NULL;
    }
    unblock(tcp);
    if (next == PL_TCP_NEXT_LESS && !closed) {
        hold(tcp, now);
        return NULL;
    }
    tcp->snd.held = false;
    tcp->snd.more = false;
    pl_tcp_figures_starved(tcp, now);
    return NULL;
}

/* Whether the payload of `rec` lies in so few pieces that one packet can have all of it. */
static bool is_one_packet(struct pl_tcp_tx *tx, const struct pl_tcp_record *rec) {
    uint32_t covered = 0;
    PL_ASSERT(rec->chunk != NULL);
    (void)pl_chunk_slices(rec->chunk, rec->offset, rec->len, tx->slices, PLAIT_TX_SLICES_MAX,
                          &covered);
    return covered == rec->len;
}

/* A segment that is larger than the others, to find out whether the path bears it. Only if that
 * much payload waits, and not in crumbs. */
static bool send_mtu_probe(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    uint32_t len = pl_tcp_pmtu_due(tcp, now);
    if (len == 0 || pl_tcp_pace_wait(tcp, now)) {
        return false;
    }
    PL_ASSERT(len > tcp->cc.mss);
    struct pl_tcp_record *rec = fetch(tcp, len, len, true, now);
    if (rec == NULL) {
        return false;
    }
    uint32_t mss = tcp->cc.mss;
    if (rec->cut > mss && is_one_packet(tx, rec)) {
        pl_tcp_pmtu_sent(tcp, rec);
    } else if (rec->cut > mss) {
        pl_tcp_pmtu_later(tcp, now);
        rec->cut = (uint16_t)mss;
        if (pl_tcp_record_split(tcp, rec, mss) == NULL) {
            return retry_later(tcp, now);
        }
    }
    if (!transmit(tcp, tx, rec, now)) {
        return false;
    }
    pl_tcp_tlp_arm(tcp, now);
    return true;
}

/* `probe`: a tail loss probe, which neither cwnd nor the pacer stops. */
static bool send_new(struct pl_tcp *tcp, struct pl_tcp_tx *tx, bool probe, plait_time now) {
    if (!sends_payload(tcp) || !tcp->snd.more) {
        return false;
    }
    if (!probe && send_mtu_probe(tcp, tx, now)) {
        return true;
    }
    bool first = probe || pl_tcp_frto_new_first(tcp);
    if (!sends_payload(tcp) || (!first && !pl_list_empty(&tcp->flight->lost))) {
        return false; /* the attempt ended the connection, or its payload waits for memory */
    }
    uint32_t allowed = probe ? tcp->cc.mss : allowance_new(tcp);
    if (allowed == 0) {
        pl_tcp_figures_wait(tcp, PL_TCP_WAIT_PATH, now);
        tcp->snd.limited = true;
        return false;
    }
    uint32_t len = fit_window(tcp, allowed, now);
    if (len > 0 && !probe && defer(tcp, now)) {
        tcp->snd.limited = true;
        return false;
    }
    if (len == 0) {
        pl_tcp_rate_limited(tcp);
        return false;
    }
    if (!probe && pl_tcp_pace_wait(tcp, now)) {
        return false;
    }
    PL_ASSERT(len <= allowed);
    PL_ASSERT(pl_list_empty(&tcp->flight->lost) || first);
    struct pl_tcp_record *rec = fetch(tcp, len, payload_unit(tcp), false, now);
    if (rec == NULL || !transmit(tcp, tx, rec, now)) {
        return false;
    }
    if (!probe) {
        pl_tcp_tlp_arm(tcp, now);
    }
    return true;
}

static bool send_tlp(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    if (!tcp->rack.tlp_due) {
        return false;
    }
    tcp->rack.tlp_due = false;
    if (tcp->rack.waiting) {
        return false; /* a SACK came meanwhile: RACK's timer goes first (RFC 8985 section 8) */
    }
    PL_ASSERT(!tcp->rack.tlp_out);
    PL_ASSERT(!pl_tcp_repairing(tcp));
    struct pl_tcp_record *rec = pl_tcp_record_last(tcp);
    if (rec == NULL || rec->lost) {
        return false;
    }
    if (send_new(tcp, tx, true, now)) {
        pl_tcp_tlp_sent(tcp, false, now);
        return true;
    }
    if (tcp->life.state == PL_TCP_ST_CLOSED || rec->sacked) {
        return false;
    }
    if (rec->cut > tcp->cc.mss) { /* the MTU has become smaller since */
        rec->cut = (uint16_t)tcp->cc.mss;
    }
    if (rec->cut > 0 && rec->len > rec->cut) {
        uint32_t at = (rec->len - 1) / rec->cut * rec->cut;
        rec = pl_tcp_record_split(tcp, rec, at);
        if (rec == NULL) {
            return false;
        }
    }
    if (!transmit(tcp, tx, rec, now)) {
        return false;
    }
    pl_tcp_tlp_sent(tcp, true, now);
    return true;
}

static bool send_fin(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    bool due = tcp->snd.fin_wanted && !tcp->snd.fin_sent && !tcp->snd.more && sends_payload(tcp) &&
               pl_list_empty(&tcp->flight->lost);
    if (!due) {
        return false;
    }
    if (pl_tcp_window_usable(tcp) == 0) {
        persist(tcp, now);
        return false;
    }
    struct pl_tcp_record *rec = pl_tcp_record_new(tcp);
    if (rec == NULL) {
        return retry_later(tcp, now);
    }
    PL_ASSERT(!tcp->snd.fin_sent);
    unblock(tcp);
    rec->seq = tcp->snd.nxt;
    rec->len = 1;
    pl_tcp_record_append(tcp, rec);
    pl_tcp_fin_sent(tcp, now);
    if (!transmit(tcp, tx, rec, now)) {
        return false;
    }
    pl_tcp_tlp_arm(tcp, now);
    return true;
}

/* ---- segments without payload ---- */

static bool send_ack(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    PL_ASSERT(pl_tcp_synchronized(tcp));
    pl_seq32 seq = pl_tcp_sent_end(tcp);
    if (tcp->snd.probe_due) {
        tcp->snd.probe_due = false;
        seq = pl_seq32_add(tcp->snd.una, UINT32_MAX); /* una - 1 */
        pl_tcp_segment_ack(tcp, tx, seq, now);
        if (tcp->snd.probe_byte) {
            pl_tcp_segment_garbage(tcp, tx);
        }
        return true;
    }
    if (!tcp->rcv.ack_due && !pl_tcp_window_update_due(tcp)) {
        return false;
    }
    pl_tcp_segment_ack(tcp, tx, seq, now);
    return true;
}

static bool sack_first(const struct pl_tcp *tcp) {
    return tcp->rcv.ack_due && (tcp->rcv.island_count > 0 || tcp->rcv.dsack_due);
}

static bool send_payload(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    if (pl_tcp_frto_new_first(tcp)) {
        bool sent = send_new(tcp, tx, false, now);
        pl_tcp_frto_tried(tcp, sent);
        if (sent || tcp->life.state == PL_TCP_ST_CLOSED) {
            return sent;
        }
    }
    if (tcp->rec.frto == PL_TCP_FRTO_NEW) {
        return false; /* what the next ACK acknowledges must not be ambiguous */
    }
    bool lost = !pl_list_empty(&tcp->flight->lost);
    return lost ? send_lost(tcp, tx, now) : send_new(tcp, tx, false, now);
}

static bool output_synchronized(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    uint32_t mss = pl_tcp_mss(tcp);
    PL_ASSERT(pl_tcp_synchronized(tcp));
    PL_ASSERT(mss > 0);
    if (mss != tcp->cc.mss) {
        pl_cc_set_mss(&tcp->cc, mss);
    }
    if (tcp->rcv.echo_pending > 0) {
        pl_tcp_segment_echo(tcp, tx, now);
        return tcp->life.state != PL_TCP_ST_CLOSED;
    }
    if (sack_first(tcp)) {
        return send_ack(tcp, tx, now);
    }
    if (send_tlp(tcp, tx, now)) {
        return true;
    }
    if (send_payload(tcp, tx, now)) {
        return true;
    }
    if (tcp->life.state != PL_TCP_ST_CLOSED && send_fin(tcp, tx, now)) {
        return true;
    }
    return tcp->life.state != PL_TCP_ST_CLOSED && send_ack(tcp, tx, now);
}

bool pl_tcp_output(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    PL_ASSERT(tcp->ctx != NULL && tx != NULL);
    bool sent = false;
    if (!tcp->life.rst_due && tcp->life.state != PL_TCP_ST_CLOSED) {
        bool opening = tcp->life.syn_due || !pl_tcp_synchronized(tcp);
        sent = opening ? pl_tcp_handshake_output(tcp, tx, now) : output_synchronized(tcp, tx, now);
    }
    if (!sent && tcp->life.rst_due) {
        pl_tcp_segment_rst(tcp, tx, now);
        sent = true;
    }
    if (!sent) {
        pl_list_remove(&tcp->out_link);
    }
    pl_tcp_timers_apply(tcp);
    return sent;
}

bool pl_tcp_can_send(const struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->ctx != NULL);
    if (!sends_payload(tcp) || tcp->snd.fin_sent || tcp->rec.rto_count > 0) {
        return false;
    }
    uint32_t usable = pl_tcp_window_usable(tcp);
    bool window = usable >= tcp->cc.mss || (usable > 0 && usable >= tcp->snd.wnd_max / 2);
    return window && pl_list_empty(&tcp->flight->lost) && window_room(tcp, tcp->cc.mss) > 0 &&
           !defer(tcp, now) && pl_tcp_pace_open(tcp, now);
}

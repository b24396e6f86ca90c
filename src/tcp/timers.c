/* tcp/timers.c - all deadlines of a connection behind one timer of the heap.
 *
 * Each purpose has a slot with a deadline. The heap timer stands at or before the earliest of them:
 * when a deadline moves later (the retransmission timer does at every ACK) the heap is left
 * alone, the timer fires early, finds nothing due and moves on. So the usual ACK costs no heap
 * operation. Slots fire in the order of enum pl_tcp_slot. */
#include "base/assert.h"
#include "tcp/engine.h"

/* R2 of RFC 9293 section 3.8.3, as Linux has it: 15 doublings from 200 ms. */
enum { GIVE_UP_COUNT = 15 };
enum { GIVE_UP_MS = 924 * 1000 };
#define ANSWER_NS_MAX (240 * PLAIT_NS_PER_S)

void pl_tcp_timers_init(struct pl_tcp *tcp) {
    PL_ASSERT(tcp->ctx != NULL);
    pl_timer_init(&tcp->timer, pl_tcp_timers_fire);
    for (int i = 0; i < PL_TCP_SLOT_COUNT; i++) {
        tcp->deadline[i] = PLAIT_TIME_NEVER;
    }
}

static plait_time earliest(const struct pl_tcp *tcp) {
    plait_time first = PLAIT_TIME_NEVER;
    for (int i = 0; i < PL_TCP_SLOT_COUNT; i++) {
        first = tcp->deadline[i] < first ? tcp->deadline[i] : first;
    }
    return first;
}

void pl_tcp_timers_apply(struct pl_tcp *tcp) {
    plait_time first = earliest(tcp);
    if (first == PLAIT_TIME_NEVER) {
        pl_timer_cancel(&tcp->ctx->timers, &tcp->timer);
        return;
    }
    if (!pl_timer_armed(&tcp->timer) || first < tcp->timer.deadline) {
        pl_timer_arm(&tcp->ctx->timers, &tcp->timer, first);
    }
    PL_ASSERT(pl_timer_armed(&tcp->timer));
}

void pl_tcp_timers_clear(struct pl_tcp *tcp) {
    for (int i = 0; i < PL_TCP_SLOT_COUNT; i++) {
        tcp->deadline[i] = PLAIT_TIME_NEVER;
    }
    pl_timer_cancel(&tcp->ctx->timers, &tcp->timer);
}

/* ---- the user timeout, RFC 9293 section 3.8.3 and RFC 5482 ---- */

/* Since the present run of RTOs or window probes began. */
static uint32_t stuck_ms(const struct pl_tcp *tcp, plait_time now) {
    return (uint32_t)(now / PLAIT_NS_PER_MS) - tcp->rec.rto_first_ms;
}

/* How long bytes have been waiting. A run of RTOs began one RTO after they were sent; a closed
 * window is timed from the first byte that it stopped. */
static uint32_t waited_ms(const struct pl_tcp *tcp, plait_time now) {
    uint32_t first_rto_ms = (uint32_t)(pl_tcp_rto_base_ns(tcp) / PLAIT_NS_PER_MS);
    return stuck_ms(tcp, now) + (tcp->snd.blocked ? 0 : first_rto_ms);
}

static bool user_timeout_over(const struct pl_tcp *tcp, plait_time now) {
    uint32_t patience_ms = pl_tcp_user_timeout_ms(tcp);
    return patience_ms > 0 && waited_ms(tcp, now) >= patience_ms;
}

/* The next turn comes no later than the end of the application's patience. */
static plait_time user_deadline(const struct pl_tcp *tcp, plait_time now) {
    uint32_t patience_ms = pl_tcp_user_timeout_ms(tcp);
    bool runs = pl_tcp_synchronized(tcp) && (tcp->snd.blocked || tcp->rec.rto_count > 0);
    if (patience_ms == 0 || !runs) {
        return PLAIT_TIME_NEVER;
    }
    uint32_t waited = waited_ms(tcp, now);
    return now + (patience_ms > waited ? patience_ms - waited : 0) * PLAIT_NS_PER_MS;
}

void pl_tcp_rexmit_restart(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->life.state != PL_TCP_ST_CLOSED);
    plait_time at = now + pl_tcp_rto_ns(tcp), end = user_deadline(tcp, now);
    tcp->deadline[PL_TCP_SLOT_REXMIT] = at < end ? at : end;
}

void pl_tcp_retry(struct pl_tcp *tcp, plait_time now) {
    bool waiting = pl_tcp_synchronized(tcp) && tcp->rec.rto_count > 0;
    if (!waiting || pl_list_empty(&tcp->flight->records)) {
        return;
    }
    PL_ASSERT(tcp->life.state != PL_TCP_ST_TIME_WAIT);
    if (tcp->rec.rto_count > 1) {
        tcp->rec.rto_count--; /* this one is not a sign of a dead path */
    }
    tcp->rtt.backoff = 0;
    tcp->deadline[PL_TCP_SLOT_REXMIT] = now;
    pl_tcp_timers_apply(tcp);
}

void pl_tcp_keepalive_restart(struct pl_tcp *tcp, plait_time now) {
    if (!tcp->tuning->keepalive || !pl_tcp_synchronized(tcp) ||
        tcp->life.state == PL_TCP_ST_TIME_WAIT) {
        return;
    }
    tcp->deadline[PL_TCP_SLOT_LIFE] = now + pl_tcp_uto_keep_idle_ns(tcp);
}

static void trace_timer(struct pl_tcp *tcp, enum pl_tcp_slot slot, plait_time now) {
    pl_trace(tcp->ctx, now, tcp->id, PLAIT_TRACE_timer, slot, tcp->deadline[slot],
             tcp->rec.rto_count, 0);
}

static int end_reason(const struct pl_tcp *tcp) {
    return tcp->life.soft_error != 0 ? tcp->life.soft_error : PLAIT_E_TIMED_OUT;
}

static void fire_syn(struct pl_tcp *tcp, plait_time now) {
    PL_COUNT(tcp->ctx, Timeouts);
    PL_ASSERT(tcp->life.state != PL_TCP_ST_CLOSED && !tcp->life.held);
    if (tcp->tuning->syn_count > 0 && tcp->life.retries >= tcp->tuning->syn_count) {
        pl_tcp_end(tcp, end_reason(tcp), now);
        return;
    }
    tcp->life.syn_due = true;
    if (tcp->rtt.backoff < 16) {
        tcp->rtt.backoff++;
    }
    if (tcp->rec.rto_count < UINT8_MAX) {
        tcp->rec.rto_count++;
    }
    tcp->deadline[PL_TCP_SLOT_REXMIT] = PLAIT_TIME_NEVER; /* set again by the transmission */
    if (!pl_list_empty(&tcp->flight->records) || tcp->life.early) {
        pl_tcp_rexmit_restart(tcp, now);
    }
    tcp->ops->event(tcp->up, PL_TCP_RTO, tcp->rec.rto_count, now);
}

/* RFC 9293 section 3.8.6.1: for as long as the peer answers. */
static void fire_persist(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->snd.blocked && pl_list_empty(&tcp->flight->records));
    bool patient = pl_tcp_user_timeout_ms(tcp) > GIVE_UP_MS;
    if ((tcp->life.retries >= GIVE_UP_COUNT && !patient) || user_timeout_over(tcp, now)) {
        pl_tcp_abort(tcp, end_reason(tcp), now);
        return;
    }
    tcp->life.retries++;
    if (tcp->rtt.backoff < 16) {
        tcp->rtt.backoff++;
    }
    tcp->snd.probe_due = true;
    PL_COUNT(tcp->ctx, WindowProbes);
    pl_tcp_rexmit_restart(tcp, now);
}

/* A window that shrank to zero over what is in flight: the peer answers, but may not take it (RFC
 * 9293 section 3.8.6). Silence of two of the longest time-outs is no answer. */
static bool answers_with_no_window(const struct pl_tcp *tcp, plait_time now) {
    return tcp->snd.wnd == 0 && now - tcp->stats.last_in < ANSWER_NS_MAX;
}

static bool out_of_patience(const struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->stats.last_in <= now);
    if (tcp->rec.rto_count == 0) {
        return false;
    }
    if (pl_tcp_user_timeout_ms(tcp) > 0) {
        return user_timeout_over(tcp, now);
    }
    if (answers_with_no_window(tcp, now)) {
        return false;
    }
    return tcp->rec.rto_count >= GIVE_UP_COUNT || stuck_ms(tcp, now) >= GIVE_UP_MS;
}

static void fire_rexmit(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->deadline[PL_TCP_SLOT_REXMIT] <= now);
    trace_timer(tcp, PL_TCP_SLOT_REXMIT, now);
    if (!pl_tcp_synchronized(tcp) || tcp->life.early) {
        fire_syn(tcp, now);
        return;
    }
    bool rack_first = tcp->deadline[PL_TCP_SLOT_PROBE] <= now || tcp->rack.waiting;
    if (rack_first && !out_of_patience(tcp, now)) {
        pl_tcp_rexmit_restart(tcp, now); /* RFC 8985 sections 7.2 and 8 */
        return;
    }
    if (pl_list_empty(&tcp->flight->records)) {
        if (tcp->snd.blocked) {
            fire_persist(tcp, now);
            return;
        }
        tcp->deadline[PL_TCP_SLOT_REXMIT] = PLAIT_TIME_NEVER;
        tcp->snd.push_due = tcp->snd.held;
        return;
    }
    if (out_of_patience(tcp, now)) {
        pl_tcp_abort(tcp, end_reason(tcp), now);
        return;
    }
    pl_tcp_pmtu_rto(tcp, now);
    pl_tcp_recovery_rto(tcp, now);
}

static void fire_probe(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->deadline[PL_TCP_SLOT_PROBE] <= now);
    PL_ASSERT(pl_tcp_synchronized(tcp));
    trace_timer(tcp, PL_TCP_SLOT_PROBE, now);
    tcp->deadline[PL_TCP_SLOT_PROBE] = PLAIT_TIME_NEVER;
    if (tcp->rack.waiting) {
        tcp->rack.waiting = false;
        pl_tcp_rack_timeout(tcp, now);
        return;
    }
    pl_tcp_tlp_timeout(tcp);
}

/* RFC 9293 section 3.8.4. With a user timeout that decides, not the count (as Linux). */
static bool keepalive_failed(const struct pl_tcp *tcp, plait_time now) {
    if (tcp->tuning->user_timeout_ms == 0) {
        return tcp->life.retries >= tcp->tuning->keep_count;
    }
    uint64_t silent_ms = (now - tcp->stats.last_in) / PLAIT_NS_PER_MS;
    return tcp->life.retries > 0 && silent_ms >= tcp->tuning->user_timeout_ms;
}

static void fire_keepalive(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->tuning->keepalive);
    if (keepalive_failed(tcp, now)) {
        pl_tcp_abort(tcp, end_reason(tcp), now);
        return;
    }
    if (pl_list_empty(&tcp->flight->records) && !tcp->snd.blocked) {
        tcp->life.retries++;
        tcp->snd.probe_due = true;
        tcp->deadline[PL_TCP_SLOT_LIFE] = now + tcp->tuning->keep_interval_s * PLAIT_NS_PER_S;
        return;
    }
    pl_tcp_keepalive_restart(tcp, now);
}

static void fire_life(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->life.state != PL_TCP_ST_CLOSED);
    trace_timer(tcp, PL_TCP_SLOT_LIFE, now);
    tcp->deadline[PL_TCP_SLOT_LIFE] = PLAIT_TIME_NEVER;
    if (tcp->life.state == PL_TCP_ST_TIME_WAIT) {
        pl_tcp_end(tcp, 0, now);
        return;
    }
    if (pl_tcp_synchronized(tcp) && !tcp->life.early) {
        fire_keepalive(tcp, now);
        return;
    }
    pl_tcp_end(tcp, end_reason(tcp), now);
}

static void fire_slot(struct pl_tcp *tcp, enum pl_tcp_slot slot, plait_time now) {
    switch (slot) {
        case PL_TCP_SLOT_REXMIT:
            fire_rexmit(tcp, now);
            return;
        case PL_TCP_SLOT_PROBE:
            fire_probe(tcp, now);
            return;
        case PL_TCP_SLOT_DELACK:
            tcp->rcv.ack_due = true;
            tcp->deadline[slot] = PLAIT_TIME_NEVER;
            return;
        case PL_TCP_SLOT_PACE:
            tcp->deadline[slot] = PLAIT_TIME_NEVER;
            return;
        case PL_TCP_SLOT_LIFE:
            fire_life(tcp, now);
            return;
        case PL_TCP_SLOT_COUNT:
            break;
    }
    PL_UNREACHABLE();
}

void pl_tcp_timers_fire(struct pl_timer *timer, plait_time now) {
    struct pl_tcp *tcp = PL_CONTAINER(timer, struct pl_tcp, timer);
    PL_ASSERT(tcp->ctx != NULL && !pl_timer_armed(timer));
    bool fired = false;
    for (int i = 0; i < PL_TCP_SLOT_COUNT; i++) {
        if (tcp->deadline[i] <= now) {
            fired = true;
            fire_slot(tcp, (enum pl_tcp_slot)i, now);
        }
    }
    if (fired) {
        pl_tcp_link(tcp);
    }
    pl_tcp_timers_apply(tcp);
}

/* mptcp/stale.c - dead paths: noticing them as a sender and as a receiver.
 *
 * A sender notices by its retransmission timer: after the first RTO the subflow is stale, what it
 * holds is reinjected on the others, and it gets nothing new until it makes progress. After a few
 * RTOs, and if there is another one, an initiator gives the subflow up and probes the path with new
 * joins, which find a healed path sooner than a backed-off retransmission would. When all are dead
 * they stay, and all paths are probed: a firewall may have forgotten them, and let new ones pass.
 * A stale subflow
 * that is kept is asked for a sign of life about once a second; when one comes, it retransmits at
 * once.
 *
 * A receiver sees only silence, and must not wait for the sender to notice. A subflow that
 * delivered payload and then fell silent is asked for a sign of life (an ACK that the peer must
 * answer); when no answer comes in the time its RTT allows, the path is dead: REMOVE_ADDR on a live
 * path makes the peer reinject at once (RFC 8684 section 3.4.2), and the path manager probes for
 * its return with a new address id. When other subflows show that data is missing, one unanswered
 * question is enough, otherwise three. A path that answers again at once was declared dead too
 * early: its patience doubles.
 *
 * And the peer may say, by REMOVE_ADDR, that a path is gone: it is used no more and asked for a
 * sign of life, and ends when none comes (RFC 8684 section 3.4.2). */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"

enum { RTOS_TO_GIVE_UP = 3, PROBES_MAX = 3, BUSY_MS = 2000, ASK_MS_MIN = 20, GAPS = 4 };
enum { LIFE_MS_MIN = 1000, LIFE_MS_MAX = 15000, LIFE_PART = 16, SILENT_MS = 500 };

/* The longest pause between two segments, forgotten over some hundred of them. */
static void note_gap(struct pl_subflow *sf, uint64_t gap_ns) {
    PL_ASSERT(sf->phase != PL_SF_DEAD);
    uint64_t gap_us = gap_ns / 1000 < UINT32_MAX ? gap_ns / 1000 : UINT32_MAX;
    sf->gap_us -= sf->gap_us / 256;
    sf->gap_us = gap_us > sf->gap_us ? (uint32_t)gap_us : sf->gap_us;
}

/* What comes sooner than a round trip takes was sent before we asked. */
static bool may_be_answer(const struct pl_subflow *sf, plait_time now) {
    uint64_t trip = sf->tcp.rtt.min_ns;
    PL_ASSERT(now >= sf->probed_at);
    return trip == UINT64_MAX || now - sf->probed_at >= trip;
}

void pl_stale_segment(struct pl_subflow *sf, bool payload, plait_time now) {
    PL_ASSERT(now >= sf->last_in);
    uint64_t silence = now - sf->last_in;
    note_gap(sf, silence);
    sf->last_in = now;
    if (sf->stale && silence >= SILENT_MS * PLAIT_NS_PER_MS) {
        pl_tcp_retry(&sf->tcp, now);
    }
    if (sf->doubted && may_be_answer(sf, now)) {
        sf->doubted = false;
        pl_stale_recovered(sf, now);
    }
    if (sf->silent) {
        pl_idle_heard(sf, now);
    }
    if (payload || sf->probes > 0) {
        pl_conn_touch(sf->conn); /* the next look at it has a new date */
    }
    sf->probes = 0;
}

void pl_stale_rto(struct pl_subflow *sf, int64_t count, plait_time now) {
    PL_ASSERT(count > 0);
    struct pl_conn *conn = sf->conn;
    bool carries = sf->phase == PL_SF_UP || sf->phase == PL_SF_CLOSING;
    if (conn->mode != PL_MODE_MPTCP || !carries || conn->state != PL_CONN_OPEN) {
        return;
    }
    if (!sf->stale) {
        sf->stale = true;
        PL_COUNT(conn->ctx, SubflowStale);
        PL_CONN_TRACE(conn, sf->serial, now, subflow_stale, 1, 0, 0, 0);
    }
    pl_reinject_subflow(sf, now);
    if (count >= RTOS_TO_GIVE_UP && sf->initiator && sf->phase == PL_SF_UP) {
        sf->give_up = true; /* pl_stale_run does it, when there is another one */
    }
    pl_conn_touch(conn);
}

void pl_stale_recovered(struct pl_subflow *sf, plait_time now) {
    if (!sf->stale) {
        return;
    }
    sf->stale = false;
    sf->silent = false;
    sf->reinjected = false;
    sf->give_up = false;
    PL_COUNT(sf->conn->ctx, SubflowRecover);
    PL_CONN_TRACE(sf->conn, sf->serial, now, subflow_stale, 0, 0, 0, 0);
    pl_reinject_stale(sf->conn, now);
    pl_conn_kick(sf->conn);
    pl_conn_touch(sf->conn); /* and they may be given up */
}

/* Whether it waits for its retransmission timer, and should be asked for a sign of life. */
static bool lifeless(const struct pl_subflow *sf) {
    return sf->stale && sf->phase == PL_SF_UP && (sf->tcp.rec.rto_count > 0 || sf->silent) &&
           sf->conn->state == PL_CONN_OPEN && sf->conn->mode == PL_MODE_MPTCP;
}

static plait_time next_sign(const struct pl_subflow *sf) {
    PL_ASSERT(sf->stale);
    uint64_t min = LIFE_MS_MIN * PLAIT_NS_PER_MS, max = LIFE_MS_MAX * PLAIT_NS_PER_MS;
    plait_time asked = sf->probed_at > sf->last_in ? sf->probed_at : sf->last_in;
    uint64_t pause = (asked - sf->last_in) / LIFE_PART;
    pause = pause < min ? min : pause;
    return asked + (pause < max ? pause : max);
}

static void ask_for_life(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->stale && sf->phase == PL_SF_UP);
    if (now >= next_sign(sf)) {
        sf->probed_at = now;
        pl_tcp_probe(&sf->tcp);
    }
}

void pl_stale_doubt(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->phase == PL_SF_UP);
    struct pl_conn *conn = sf->conn;
    sf->probed_at = now;
    pl_tcp_probe(&sf->tcp);
    if (sf->doubted || !pl_subflow_replaceable(sf)) {
        return;
    }
    sf->doubted = true;
    if (!sf->stale) {
        sf->stale = true;
        PL_COUNT(conn->ctx, SubflowStale);
        PL_CONN_TRACE(conn, sf->serial, now, subflow_stale, 3, 0, 0, 0);
    }
    pl_reinject_subflow(sf, now);
    pl_conn_touch(conn);
}

/* ---- the receiver's side ---- */

/* Short paths get some time for the hosts at their ends, which may be busy. */
static uint64_t answer_time(const struct pl_subflow *sf) {
    uint64_t by_rtt = 2 * sf->tcp.rtt.srtt_ns + 4 * sf->tcp.rtt.rttvar_ns;
    uint64_t min = sf->conn->ctx->config.stale_ns_min / 4;
    return by_rtt > min ? by_rtt : min;
}

/* How long it may be silent before it is asked: a few times what is usual for it. */
static uint64_t ask_after(const struct pl_subflow *sf) {
    uint64_t most = sf->conn->ctx->config.stale_ns_min / 2;
    uint64_t least = ASK_MS_MIN * PLAIT_NS_PER_MS < most ? ASK_MS_MIN * PLAIT_NS_PER_MS : most;
    uint64_t usual = GAPS * UINT64_C(1000) * sf->gap_us;
    return usual < least ? least : usual < most ? usual : most;
}

static uint64_t dead_after(struct pl_subflow *sf) {
    const struct pl_path *path = pl_pm_path_of(sf->conn, sf);
    uint64_t min = sf->conn->ctx->config.stale_ns_min;
    uint64_t by_rtt = ask_after(sf) + answer_time(sf);
    uint64_t base = by_rtt > min ? by_rtt : min;
    return path == NULL ? base : base << (path->patience > 5 ? 5 : path->patience);
}

/* Whether silence of this subflow means anything: it delivered payload not long before, and there
 * is another one. */
static bool watched(const struct pl_subflow *sf) {
    const struct pl_conn *conn = sf->conn;
    plait_time data_in = sf->tcp.stats.last_data_in;
    return conn->mode == PL_MODE_MPTCP && conn->state == PL_CONN_OPEN && sf->phase == PL_SF_UP &&
           sf->initiator && data_in != 0 && !conn->recv.fin_reached &&
           sf->last_in < data_in + BUSY_MS * PLAIT_NS_PER_MS && pl_subflow_replaceable(sf);
}

/* Data is missing, and not because everything stands still (the host itself may have). */
static bool missed(const struct pl_subflow *sf, plait_time now) {
    const struct pl_conn *conn = sf->conn;
    if (conn->recv.hole_since == PLAIT_TIME_NEVER) {
        return false;
    }
    PL_SUBFLOW_FOREACH(other, conn) {
        if (other != sf && other->phase == PL_SF_UP && now - other->last_in < ask_after(sf)) {
            return true;
        }
    }
    return false;
}

static plait_time next_look(struct pl_subflow *sf) {
    if (sf->probes == 0) {
        return sf->last_in + ask_after(sf);
    }
    plait_time answer_by = sf->probed_at + answer_time(sf);
    plait_time dead_at = sf->last_in + dead_after(sf);
    return answer_by > dead_at ? answer_by : dead_at;
}

static void look(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->phase == PL_SF_UP);
    PL_ASSERT(sf->probes <= PROBES_MAX);
    struct pl_conn *conn = sf->conn;
    if (now < next_look(sf)) {
        return;
    }
    if (sf->probes == 0 || (!missed(sf, now) && sf->probes < PROBES_MAX)) {
        sf->probes++;
        sf->probed_at = now;
        pl_tcp_probe(&sf->tcp);
        return;
    }
    PL_COUNT(conn->ctx, SubflowStale);
    PL_CONN_TRACE(conn, sf->serial, now, subflow_stale, 2, 0, 0, 0);
    pl_pm_path_dead(sf, now);
}

/* ---- what the peer removed ---- */

static plait_time next_doubt(const struct pl_subflow *sf) {
    PL_ASSERT(sf->doubted);
    return sf->probed_at + answer_time(sf);
}

static void judge_doubted(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->phase == PL_SF_UP);
    if (now < next_doubt(sf)) {
        return;
    }
    if (sf->probes < PROBES_MAX) {
        sf->probes++;
        sf->probed_at = now;
        pl_tcp_probe(&sf->tcp);
        return;
    }
    sf->doubted = false;
    if (pl_subflow_replaceable(sf)) {
        pl_subflow_reset(sf, PL_RESET_UNSPECIFIED, false, PLAIT_E_ABORTED, now);
    }
}

/* Its interface is there, and still nothing comes back. */
static bool lost_in_network(const struct pl_subflow *sf) {
    const struct pl_local_endpoint *ep =
        pl_endpoints_find(sf->conn->host->endpoints, sf->port, &sf->tcp.tuple.local);
    return sf->give_up && sf->phase == PL_SF_UP && !sf->silent && ep != NULL && ep->up;
}

void pl_stale_run(struct pl_conn *conn, plait_time now) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->doubted && sf->phase == PL_SF_UP) {
            judge_doubted(sf, now);
        } else if (sf->give_up && sf->phase == PL_SF_UP && pl_subflow_replaceable(sf)) {
            sf->give_up = false;
            pl_pm_path_dead(sf, now);
        } else if (lost_in_network(sf)) {
            sf->silent = true; /* all are dead: this one stays until there is a new one */
            pl_pm_path_silent(sf, now);
        } else if (watched(sf)) {
            look(sf, now);
        } else if (lifeless(sf)) {
            ask_for_life(sf, now);
        } else if (pl_idle_watched(sf)) {
            pl_idle_look(sf, pl_subflow_replaceable(sf), now);
        }
    }
}

plait_time pl_stale_deadline(const struct pl_conn *conn) {
    plait_time first = PLAIT_TIME_NEVER;
    PL_SUBFLOW_FOREACH(sf, conn) {
        bool doubted = sf->doubted && sf->phase == PL_SF_UP;
        plait_time t = doubted               ? next_doubt(sf)
                       : watched(sf)         ? next_look(sf)
                       : lifeless(sf)        ? next_sign(sf)
                       : pl_idle_watched(sf) ? pl_idle_next(sf)
                                             : PLAIT_TIME_NEVER;
        first = t < first ? t : first;
    }
    return first;
}

/* mptcp/reinject.c - data-level retransmission (RFC 8684 section 3.3.6).
 *
 * Bytes go out a second time, on another subflow, when
 *   - the subflow that carried them died or is stale (its RTO ran out): all it held;
 *   - the data-level window is closed by the oldest byte, and that is in flight on another subflow:
 *     the head of the line is repeated by the one that has room (opportunistic retransmission), if
 *     this is sooner than what its carrier promises, or the carrier has broken the promise;
 *   - nothing was DATA_ACKed for long and no subflow has the oldest byte in flight; not for so long
 *     when a subflow has died: the peer may have acknowledged bytes on it that it then threw away.
 * Entries refer to the same chunks as the first transmission. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/sched/sched.h"
#include "mptcp/subflow.h"

enum { HEAD_MAX = 16 * 1024, STALL_MAX = 64 * 1024, SUSPECT_MS = 25 };
/* Hosts take their time to acknowledge; and what gains less than a millisecond is not worth it. */
enum { LATE_MS_MIN = 10, GAIN_MS_MIN = 1, STALL_SHIFT_MAX = 6 };

static struct pl_reinject *entry_of(struct pl_list *link) {
    return PL_CONTAINER(link, struct pl_reinject, link);
}

static void entry_free(struct pl_conn *conn, struct pl_reinject *e) {
    PL_ASSERT(e->chunk != NULL);
    pl_list_remove(&e->link);
    pl_chunk_unref(e->chunk);
    pl_ctx_free(conn->ctx, e, sizeof *e);
}

void pl_reinject_clear(struct pl_conn *conn) {
    PL_LIST_FOREACH_SAFE(link, &conn->send.reinject) {
        entry_free(conn, entry_of(link));
    }
}

/* Moves an entry's start forward; the chunk reference follows. */
static void advance(struct pl_reinject *e, uint32_t n) {
    struct pl_chunk *chunk = e->chunk;
    PL_ASSERT(n <= e->len);
    pl_chunk_seek(&chunk, &e->offset, n);
    pl_chunk_ref(chunk);
    pl_chunk_unref(e->chunk);
    e->chunk = chunk;
    e->dsn = pl_seq64_add(e->dsn, n);
    e->len -= n;
}

void pl_reinject_add(struct pl_conn *conn, pl_seq64 dsn, struct pl_chunk *chunk, uint32_t offset,
                     uint32_t len, uint32_t from) {
    PL_ASSERT(len > 0);
    PL_ASSERT(chunk != NULL && offset <= chunk->len);
    struct pl_list *list = &conn->send.reinject;
    if (!pl_list_empty(list)) {
        struct pl_reinject *last = entry_of(list->prev);
        if (last->from == from && pl_seq64_eq(pl_seq64_add(last->dsn, last->len), dsn)) {
            last->len += len; /* the chain goes on */
            return;
        }
    }
    struct pl_reinject *e = pl_ctx_alloc(conn->ctx, sizeof *e);
    if (e == NULL) {
        return; /* the stall timer comes back to it */
    }
    e->dsn = dsn;
    e->len = len;
    e->from = from;
    e->chunk = chunk;
    e->offset = offset;
    pl_chunk_ref(chunk);
    pl_list_init(&e->link);
    pl_list_append(list, &e->link);
}

struct holder {
    struct pl_conn *conn;
    pl_seq64 dsn;
    uint32_t from;
    bool found;
    plait_time latest, sent; /* of the records so far, and of those up to the byte */
};

static void add_record(void *arg, uint64_t tag, struct pl_chunk *chunk, uint32_t offset,
                       uint32_t len, plait_time sent_at, const struct pl_tcp_origin *origin) {
    PL_ASSERT(len > 0 && len <= origin->len);
    struct holder *h = arg;
    (void)sent_at, (void)origin;
    if (pl_seq64_le(pl_seq64_of(tag + len), h->conn->send.una)) {
        return;
    }
    pl_reinject_add(h->conn, pl_seq64_of(tag), chunk, offset, len, h->from);
}

struct edge {
    pl_seq64 from, first;
};

static void find_first(void *arg, uint64_t tag, struct pl_chunk *chunk, uint32_t offset,
                       uint32_t len, plait_time sent_at, const struct pl_tcp_origin *origin) {
    struct edge *edge = arg;
    (void)chunk, (void)offset, (void)sent_at, (void)origin;
    if (pl_seq64_lt(edge->from, pl_seq64_of(tag + len))) {
        edge->first = pl_seq64_min(edge->first, pl_seq64_of(tag));
    }
}

void pl_reinject_subflow(struct pl_subflow *sf, plait_time now) {
    struct pl_conn *conn = sf->conn;
    struct holder h = {.conn = conn, .from = sf->serial};
    bool gone = sf->phase == PL_SF_DEAD;
    if (gone) { /* what the peer had not yet taken from it died with it */
        conn->send.suspect = conn->send.nxt;
    }
    if (conn->mode != PL_MODE_MPTCP || conn->state == PL_CONN_CLOSED || sf->reinjected) {
        return;
    }
    if (!gone && !pl_subflow_replaceable(sf)) {
        return; /* nobody could take it: pl_subflow_up asks again */
    }
    sf->reinjected = true;
    pl_tcp_inflight_walk(&sf->tcp, add_record, &h);
    PL_CONN_TRACE(conn, sf->serial, now, reinject, conn->send.una.v, 0, sf->serial, 0);
    pl_conn_kick(conn);
}

/* The first byte from `dsn` on that some subflow has in flight. */
static pl_seq64 first_inflight(struct pl_conn *conn, pl_seq64 dsn) {
    struct edge edge = {.from = dsn, .first = conn->send.nxt};
    PL_SUBFLOW_FOREACH(sf, conn) {
        pl_tcp_inflight_walk(&sf->tcp, find_first, &edge);
    }
    return edge.first;
}

/* What is in flight on the subflow goes to the others when it is dead. What it has acknowledged is
 * nowhere in flight, and would wait for the stall timer. */
void pl_reinject_failed(struct pl_subflow *sf, pl_seq64 dsn, plait_time now) {
    struct pl_conn *conn = sf->conn;
    struct pl_send *s = &conn->send;
    if (conn->mode != PL_MODE_MPTCP || conn->state != PL_CONN_OPEN || pl_seq64_lt(dsn, s->una) ||
        pl_seq64_le(s->nxt, dsn)) {
        return;
    }
    int64_t gone = pl_seq64_diff(first_inflight(conn, dsn), dsn);
    if (gone <= 0) {
        return;
    }
    struct pl_chunk *chunk = s->head;
    uint32_t offset = s->head_offset;
    pl_chunk_seek(&chunk, &offset, (uint64_t)pl_seq64_diff(dsn, s->una));
    uint32_t len = gone < STALL_MAX ? (uint32_t)gone : STALL_MAX;
    pl_reinject_add(conn, dsn, chunk, offset, len, sf->serial);
    PL_CONN_TRACE(conn, sf->serial, now, reinject, dsn.v, len, sf->serial, 0);
    pl_conn_kick(conn);
}

/* Whatever was reinjected before may have gone to subflows that are stale now, too. */
void pl_reinject_stale(struct pl_conn *conn, plait_time now) {
    conn->send.stall_backoff = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->stale && sf->phase != PL_SF_DEAD) {
            sf->reinjected = false;
            pl_reinject_subflow(sf, now);
        }
    }
    pl_conn_touch(conn);
}

static void fill(struct pl_conn *conn, struct pl_tcp_payload *out, struct pl_chunk *chunk,
                 uint32_t offset, uint32_t len, pl_seq64 dsn) {
    PL_ASSERT(len > 0);
    PL_ASSERT(chunk != NULL && conn->mode == PL_MODE_MPTCP);
    uint64_t sum = 0;
    out->chunk = chunk;
    out->offset = offset;
    out->len = len;
    out->tag = dsn.v;
    out->flags = 0;
    out->push = true;
    out->sum = conn->checksum ? pl_send_checksum(chunk, offset, len, &sum) : 0;
    conn->send.repeated = pl_seq64_max(conn->send.repeated, pl_seq64_add(dsn, len));
}

/* As fill(), for bytes that were lost, or may be. */
static void fill_again(struct pl_conn *conn, struct pl_tcp_payload *out, struct pl_chunk *chunk,
                       uint32_t offset, uint32_t len, pl_seq64 dsn) {
    fill(conn, out, chunk, offset, len, dsn);
    conn->send.reinjected_bytes += len;
    conn->send.reinjected_count++;
    PL_COUNT(conn->ctx, MPTCPRetrans);
}

bool pl_reinject_next(struct pl_subflow *sf, uint32_t max_bytes, struct pl_tcp_payload *out,
                      plait_time now) {
    PL_ASSERT(max_bytes > 0);
    PL_ASSERT(pl_subflow_usable(sf));
    struct pl_conn *conn = sf->conn;
    PL_LIST_FOREACH_SAFE(link, &conn->send.reinject) {
        struct pl_reinject *e = entry_of(link);
        int64_t acked = pl_seq64_diff(conn->send.una, e->dsn);
        if (acked >= (int64_t)e->len) {
            entry_free(conn, e);
            continue;
        }
        if (acked > 0) {
            advance(e, (uint32_t)acked);
        }
        if (e->from == sf->serial) {
            continue;
        }
        struct pl_subflow *preferred = conn->sched->prefer(conn, sf, now);
        if (preferred != NULL && preferred->serial != e->from) {
            sf->denied = true;
            if (!preferred->declined) {
                pl_tcp_kick(&preferred->tcp);
            }
            return false;
        }
        uint32_t len = e->len < max_bytes ? e->len : max_bytes;
        struct pl_chunk *chunk = e->chunk;
        fill_again(conn, out, chunk, e->offset, len, e->dsn);
        PL_CONN_TRACE(conn, sf->serial, now, data_out, e->dsn.v, len, 0, 1);
        pl_chunk_seek(&out->chunk, &out->offset, 0);
        if (len == e->len) { /* the chain from send.head still holds the chunk */
            entry_free(conn, e);
        } else {
            advance(e, len);
        }
        return true;
    }
    return false;
}

static void find_byte(void *arg, uint64_t tag, struct pl_chunk *chunk, uint32_t offset,
                      uint32_t len, plait_time sent_at, const struct pl_tcp_origin *origin) {
    struct holder *h = arg;
    (void)chunk, (void)offset;
    h->latest = sent_at > h->latest ? sent_at : h->latest;
    /* A checksum covers the whole mapping, and the peer takes all of it or nothing. */
    uint64_t first = h->conn->checksum ? origin->tag : tag;
    uint64_t end = h->conn->checksum ? origin->tag + origin->len : tag + len;
    if (pl_seq64_le(pl_seq64_of(first), h->dsn) && pl_seq64_lt(h->dsn, pl_seq64_of(end))) {
        h->found = true;
        h->sent = h->latest;
    }
}

/* `sent`: when the byte went out last, or one before it that the peer's TCP waits for first;
 * PLAIT_TIME_NEVER when one of them is lost. */
static bool carries(const struct pl_subflow *sf, pl_seq64 dsn, plait_time *sent) {
    struct holder h = {.conn = sf->conn, .dsn = dsn};
    pl_tcp_inflight_walk(&sf->tcp, find_byte, &h);
    *sent = h.sent;
    return h.found;
}

/* The time to an ACK, if all goes well. */
static uint64_t trip_ns(const struct pl_subflow *sf, uint64_t ms_min) {
    uint64_t doubt = 4 * sf->tcp.rtt.rttvar_ns, least = ms_min * PLAIT_NS_PER_MS;
    return sf->tcp.rtt.srtt_ns + (doubt > least ? doubt : least);
}

/* When a carrier of bytes that were sent at `sent` is overdue. 0: it is not worth waiting for, one
 * that has them acknowledged by `rival` is sooner. */
static plait_time overdue_at(const struct pl_subflow *carrier, plait_time sent, plait_time rival) {
    bool dead = carrier->stale || carrier->phase == PL_SF_DEAD || sent == PLAIT_TIME_NEVER;
    if (dead || sent + carrier->tcp.rtt.srtt_ns > rival) {
        return 0;
    }
    return sent + trip_ns(carrier, LATE_MS_MIN);
}

/* The subflows have acknowledged the oldest byte; its DATA_ACK may come a little later. */
static plait_time head_acked_at(const struct pl_conn *conn) {
    if (pl_seq64_lt(conn->send.una, conn->send.suspect)) {
        return 0;
    }
    uint64_t longest = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        uint64_t ns = sf->stale ? 0 : trip_ns(sf, LATE_MS_MIN);
        longest = ns > longest ? ns : longest;
    }
    return conn->send.progress + longest;
}

/* From when on it helps to repeat a byte on this subflow; PLAIT_TIME_NEVER: it does not. */
static plait_time repeat_at(const struct pl_subflow *sf, pl_seq64 dsn, plait_time now) {
    const struct pl_conn *conn = sf->conn;
    plait_time rival = now + trip_ns(sf, GAIN_MS_MIN), at = 0, sent;
    bool carried = false;
    PL_SUBFLOW_FOREACH(other, conn) {
        if (!carries(other, dsn, &sent)) {
            continue;
        }
        if (other == sf) {
            return PLAIT_TIME_NEVER;
        }
        plait_time due = overdue_at(other, sent, rival);
        at = due > at ? due : at;
        carried = true;
    }
    if (carried) {
        return at;
    }
    bool head = pl_seq64_eq(dsn, conn->send.una); /* else it has arrived, and waits for the head */
    return head ? head_acked_at(conn) : PLAIT_TIME_NEVER;
}

/* Whether to repeat it now; if it is too soon, somebody looks again in time. */
static bool repeat_helps(const struct pl_subflow *sf, pl_seq64 dsn, plait_time now) {
    struct pl_conn *conn = sf->conn;
    plait_time at = repeat_at(sf, dsn, now);
    bool soonest = conn->send.look_at == 0 || at < conn->send.look_at;
    if (at > now && at != PLAIT_TIME_NEVER && soonest) {
        conn->send.look_at = at;
        pl_conn_touch(conn);
    }
    return at <= now;
}

/* Another one that carried data: what this one has carried itself, it need not repeat. */
static bool has_sibling(const struct pl_subflow *sf) {
    PL_SUBFLOW_FOREACH(other, sf->conn) {
        if (other != sf && other->phase >= PL_SF_UP) {
            return true;
        }
    }
    return false;
}

/* Goes on behind what was repeated already when that makes a difference. */
bool pl_reinject_head(struct pl_subflow *sf, uint32_t max_bytes, struct pl_tcp_payload *out,
                      plait_time now) {
    PL_ASSERT(max_bytes > 0);
    PL_ASSERT(pl_subflow_usable(sf));
    struct pl_conn *conn = sf->conn;
    struct pl_send *s = &conn->send;
    pl_seq64 at = pl_seq64_max(s->una, s->opportunistic);
    int64_t ahead = pl_seq64_diff(at, s->una), left = pl_seq64_diff(s->nxt, at);
    if (!has_sibling(sf) || left <= 0 || ahead >= HEAD_MAX || !repeat_helps(sf, at, now)) {
        return false;
    }
    uint32_t most = HEAD_MAX - (uint32_t)ahead;
    uint32_t len = max_bytes < most ? max_bytes : most;
    len = left < (int64_t)len ? (uint32_t)left : len;
    struct pl_chunk *chunk = s->head;
    uint32_t offset = s->head_offset;
    pl_chunk_seek(&chunk, &offset, (uint64_t)ahead);
    s->opportunistic = pl_seq64_add(at, len);
    fill_again(conn, out, chunk, offset, len, at);
    PL_CONN_TRACE(conn, sf->serial, now, data_out, at.v, len, 0, 1);
    return true;
}

/* A scheduler that sends bytes more than once wants some of them here. */
bool pl_reinject_copy(struct pl_subflow *sf, uint32_t max_bytes, struct pl_tcp_payload *out,
                      plait_time now) {
    struct pl_conn *conn = sf->conn;
    struct pl_send *s = &conn->send;
    pl_seq64 from = s->nxt;
    if (conn->sched->copy == NULL || conn->mode != PL_MODE_MPTCP ||
        !conn->sched->copy(conn, sf, &from)) {
        return false;
    }
    PL_ASSERT(pl_seq64_le(s->una, from) && pl_seq64_lt(from, s->nxt));
    int64_t left = pl_seq64_diff(s->nxt, from);
    uint32_t len = left < (int64_t)max_bytes ? (uint32_t)left : max_bytes;
    struct pl_chunk *chunk = s->head;
    uint32_t offset = s->head_offset;
    pl_chunk_seek(&chunk, &offset, (uint64_t)pl_seq64_diff(from, s->una));
    fill(conn, out, chunk, offset, len, from);
    conn->sched->copied(conn, sf, pl_seq64_add(from, len));
    PL_CONN_TRACE(conn, sf->serial, now, data_out, from.v, len, 0, 2);
    return true;
}

static plait_time stall_deadline(const struct pl_conn *conn) {
    const struct pl_send *s = &conn->send;
    if (conn->mode != PL_MODE_MPTCP || conn->state != PL_CONN_OPEN || !pl_send_outstanding(conn) ||
        pl_conn_in_doubt(conn)) { /* the peer may have fallen back, and take it as new */
        return PLAIT_TIME_NEVER;
    }
    bool suspect = pl_seq64_lt(s->una, s->suspect);
    uint64_t rto = suspect ? SUSPECT_MS * PLAIT_NS_PER_MS : PLAIT_NS_PER_S / 2;
    PL_SUBFLOW_FOREACH(sf, conn) {
        uint64_t own = sf->tcp.rtt.srtt_ns + 4 * sf->tcp.rtt.rttvar_ns;
        if (sf->phase == PL_SF_UP && own > rto) {
            rto = own;
        }
    }
    plait_time since = s->progress > s->stalled_at ? s->progress : s->stalled_at;
    return since + (2 * rto << s->stall_backoff);
}

plait_time pl_reinject_deadline(const struct pl_conn *conn) {
    plait_time stall = stall_deadline(conn), look = conn->send.look_at;
    return look != 0 && look < stall ? look : stall;
}

/* Bytes are missing at the data level and a subflow acknowledges without options: somebody takes
 * them away, or the peer has fallen back. Repeating bytes on it would repeat them in the peer's
 * stream, so this is plain TCP from here on, if it is the first subflow and was always alone; else
 * the subflow ends (section 3.7: broken by a middlebox). */
static void end_bare(struct pl_conn *conn, plait_time now) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->phase != PL_SF_UP || !sf->bare) {
            continue;
        }
        if (sf->unmapped == NULL && pl_fallback_possible(conn, sf)) {
            PL_COUNT(conn->ctx, DssFallback);
            pl_fallback(conn, sf, PL_FALLBACK_NO_DSS, now);
        } else {
            pl_subflow_reset(sf, PL_RESET_MIDDLEBOX, false, PLAIT_E_PROTOCOL, now);
        }
    }
}

void pl_reinject_run(struct pl_conn *conn, plait_time now) {
    struct pl_send *s = &conn->send;
    bool waiting = !pl_list_empty(&s->reinject);
    if (s->look_at != 0 && now >= s->look_at) {
        s->look_at = 0;
        pl_conn_kick(conn);
    }
    if (now < stall_deadline(conn)) {
        return;
    }
    if (s->stall_backoff < STALL_SHIFT_MAX) {
        s->stall_backoff++;
    }
    s->stalled_at = now;
    PL_SUBFLOW_FOREACH(sf, conn) {
        plait_time sent;
        bool alone = !pl_subflow_replaceable(sf);
        if (sf->phase != PL_SF_DEAD && (alone || !sf->stale) && carries(sf, s->una, &sent)) {
            return; /* that subflow's own retransmission is in charge */
        }
    }
    end_bare(conn, now);
    if (conn->mode != PL_MODE_MPTCP) {
        return;
    }
    if (!waiting) {
        int64_t left = pl_seq64_diff(s->nxt, s->una);
        uint32_t len = left < STALL_MAX ? (uint32_t)left : STALL_MAX;
        pl_reinject_add(conn, s->una, s->head, s->head_offset, len, 0);
    }
    pl_conn_kick(conn);
}

void pl_reinject_check(const struct pl_conn *conn) {
    PL_LIST_FOREACH(link, &conn->send.reinject) {
        const struct pl_reinject *e = PL_CONTAINER(link, struct pl_reinject, link);
        PL_ASSERT(e->chunk != NULL);
        PL_ASSERT(e->offset <= e->chunk->len);
        PL_ASSERT(e->from < conn->serial_next);
        PL_ASSERT(pl_seq64_le(pl_seq64_add(e->dsn, e->len), conn->send.nxt));
    }
}

/* mptcp/recv.c - reassembly at the data level and the queue that the application reads (RFC 8684
 * section 3.3.4).
 *
 * `nxt` is the DATA_ACK. What arrives at nxt goes to the ready queue, what arrives ahead waits in
 * the sorted list `ooo`; the first copy of a byte wins. Each subflow's data is mostly ascending, so
 * it remembers where its last piece went (ooo_hint) and the list is rarely walked. Its length is
 * bounded as well as its bytes: tiny pieces with holes between them cost more in nodes than in
 * payload. The window is shared by all subflows and counts from nxt; its right edge never moves
 * back. What is thrown away was acknowledged by a subflow and comes again at the data level only:
 * while it is missing (`lost_end`), that subflow cannot become the whole stream. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"

/* Nodes that may wait: some of any size, and beyond them one for so many bytes. */
enum { OOO_NODES_MIN = 1024, OOO_NODE_BYTES = 1024 };
enum { REACH_MORE = 65536 }; /* beyond the largest window, data is not looked at */

void pl_recv_init(struct pl_conn *conn, uint32_t limit_bytes) {
    PL_ASSERT(limit_bytes > 0);
    struct pl_recv *r = &conn->recv;
    pl_list_init(&r->ooo);
    pl_recv_set_limit(conn, limit_bytes);
    r->hole_since = PLAIT_TIME_NEVER;
    r->starved = true;
}

static struct pl_ooo *ooo_of(struct pl_list *link) {
    return PL_CONTAINER(link, struct pl_ooo, link);
}

static pl_seq64 ooo_end(const struct pl_ooo *o) {
    return pl_seq64_add(o->dsn, o->chunk->len);
}

/* Removes a node; its chunk is the caller's. */
static struct pl_chunk *ooo_remove(struct pl_conn *conn, struct pl_ooo *o) {
    PL_ASSERT(o->chunk != NULL);
    struct pl_chunk *chunk = o->chunk;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->ooo_hint == o) {
            sf->ooo_hint = NULL;
        }
    }
    PL_ASSERT(conn->recv.ooo_bytes >= chunk->len);
    PL_ASSERT(conn->recv.ooo_count > 0);
    conn->recv.ooo_bytes -= chunk->len;
    conn->recv.ooo_count--;
    pl_list_remove(&o->link);
    pl_ctx_free(conn->ctx, o, sizeof *o);
    return chunk;
}

/* Payload up to `end` is not taken though its subflow has acknowledged it. */
static void lose(struct pl_conn *conn, pl_seq64 end) {
    conn->recv.lost_end = pl_seq64_max(conn->recv.lost_end, end);
}

void pl_recv_lost(struct pl_conn *conn) {
    lose(conn, pl_seq64_add(conn->recv.nxt, (uint64_t)conn->recv.limit_bytes + REACH_MORE));
}

/* Drops the piece that is furthest ahead. */
static void ooo_drop_last(struct pl_conn *conn) {
    PL_ASSERT(!pl_list_empty(&conn->recv.ooo));
    struct pl_ooo *last = ooo_of(conn->recv.ooo.prev);
    PL_COUNT(conn->ctx, DropMemory);
    lose(conn, ooo_end(last));
    pl_chunk_unref(ooo_remove(conn, last));
}

static void ooo_clear(struct pl_conn *conn) {
    PL_LIST_FOREACH_SAFE(link, &conn->recv.ooo) {
        pl_chunk_unref(ooo_remove(conn, ooo_of(link)));
    }
    conn->recv.hole_since = PLAIT_TIME_NEVER;
    PL_ASSERT(conn->recv.ooo_bytes == 0);
}

void pl_recv_fini(struct pl_conn *conn) {
    struct pl_recv *r = &conn->recv;
    if (r->head != NULL) {
        pl_chunk_unref(r->head);
    }
    r->head = NULL;
    r->tail = NULL;
    r->ready_bytes = 0;
    r->head_offset = 0;
    ooo_clear(conn);
}

void pl_recv_start(struct pl_conn *conn, pl_seq64 first) {
    PL_ASSERT(conn->recv.head == NULL || conn->early_in > 0);
    PL_ASSERT(pl_list_empty(&conn->recv.ooo));
    conn->recv.nxt = first;
    conn->recv.edge = first;
    conn->recv.lost_end = first;
}

static void ready_append(struct pl_conn *conn, struct pl_chunk *chunk) {
    PL_ASSERT(chunk->len > 0);
    PL_ASSERT(!conn->recv.fin_reached);
    struct pl_recv *r = &conn->recv;
    PL_ASSERT(chunk->next == NULL);
    r->ready_bytes += chunk->len;
    r->nxt = pl_seq64_add(r->nxt, chunk->len);
    if (r->head == NULL) {
        r->head = chunk;
        r->head_offset = 0;
    } else {
        pl_chunk_link(r->tail, chunk);
        pl_chunk_unref(chunk);
    }
    r->tail = chunk;
}

/* The end of the stream is reached when everything before it is here. */
static void check_fin(struct pl_conn *conn) {
    struct pl_recv *r = &conn->recv;
    if (!r->fin_known || r->fin_reached || !pl_seq64_eq(r->fin_dsn, r->nxt)) {
        return;
    }
    r->fin_reached = true;
    ooo_clear(conn); /* what lies behind the end is nobody's */
    if (conn->mode == PL_MODE_MPTCP) {
        r->nxt = pl_seq64_add(r->nxt, 1); /* DATA_FIN takes one number (section 3.3.3) */
    }
    pl_conn_say(conn, PLAIT_EVENT_READABLE, NULL, 0, 0);
    pl_conn_touch(conn);
}

/* Cuts `n` bytes off the front of the chunk at `dsn`; NULL when memory is out (the chunk is gone
 * then, too, and comes again because it is not DATA_ACKed). */
static struct pl_chunk *cut_front(struct pl_conn *conn, pl_seq64 dsn, struct pl_chunk *chunk,
                                  uint32_t n) {
    PL_ASSERT(n > 0 && n < chunk->len);
    struct pl_chunk *rest = pl_chunk_slice(chunk, n, chunk->len - n);
    if (rest == NULL) {
        PL_COUNT(conn->ctx, DropMemory);
        lose(conn, pl_seq64_add(dsn, chunk->len));
    }
    pl_chunk_unref(chunk);
    return rest;
}

/* Takes from the list what continues the ready queue. */
static void drain_ooo(struct pl_conn *conn, plait_time now) {
    struct pl_recv *r = &conn->recv;
    while (!pl_list_empty(&r->ooo)) {
        struct pl_ooo *first = ooo_of(r->ooo.next);
        int64_t overlap = pl_seq64_diff(r->nxt, first->dsn);
        if (overlap < 0) {
            break;
        }
        pl_seq64 dsn = first->dsn;
        struct pl_chunk *chunk = ooo_remove(conn, first);
        if (overlap >= (int64_t)chunk->len) {
            pl_chunk_unref(chunk);
            continue;
        }
        if (overlap > 0) {
            chunk = cut_front(conn, dsn, chunk, (uint32_t)overlap);
        }
        if (chunk == NULL) {
            break;
        }
        PL_COUNT(conn->ctx, OFOMerge);
        ready_append(conn, chunk);
    }
    r->hole_since = pl_list_empty(&r->ooo) ? PLAIT_TIME_NEVER : now;
}

/* The last node that starts at or before `dsn`, or the list head. */
static struct pl_list *ooo_place(struct pl_subflow *sf, pl_seq64 dsn) {
    struct pl_list *head = &sf->conn->recv.ooo;
    struct pl_list *at = sf->ooo_hint != NULL ? &sf->ooo_hint->link : head->prev;
    while (at != head && pl_seq64_lt(dsn, ooo_of(at)->dsn)) {
        at = at->prev;
    }
    while (at->next != head && pl_seq64_le(ooo_of(at->next)->dsn, dsn)) {
        at = at->next;
    }
    return at;
}

/* Makes a node behind `at`. Takes the chunk. */
static void ooo_add(struct pl_subflow *sf, struct pl_list *at, pl_seq64 dsn,
                    struct pl_chunk *chunk) {
    struct pl_conn *conn = sf->conn;
    struct pl_recv *r = &conn->recv;
    PL_ASSERT(chunk->len > 0);
    struct pl_ooo *o = pl_ctx_alloc(conn->ctx, sizeof *o);
    if (o == NULL) {
        PL_COUNT(conn->ctx, DropMemory);
        lose(conn, pl_seq64_add(dsn, chunk->len));
        pl_chunk_unref(chunk);
        return;
    }
    PL_COUNT(conn->ctx, OFOQueue);
    if (at->next == &r->ooo) {
        PL_COUNT(conn->ctx, OFOQueueTail);
    }
    o->dsn = dsn;
    o->chunk = chunk;
    pl_list_init(&o->link);
    pl_list_insert_before(at->next, &o->link);
    r->ooo_bytes += chunk->len;
    r->ooo_count++;
    sf->ooo_hint = o;
    while (r->ooo_count > OOO_NODES_MIN + r->ooo_bytes / OOO_NODE_BYTES) {
        ooo_drop_last(conn);
    }
}

/* Inserts what the list does not have yet. Pieces behind existing nodes are inserted one by one. */
static void ooo_insert(struct pl_subflow *sf, pl_seq64 dsn, struct pl_chunk *chunk) {
    PL_ASSERT(pl_seq64_lt(sf->conn->recv.nxt, dsn));
    struct pl_conn *conn = sf->conn;
    struct pl_list *head = &conn->recv.ooo;
    while (chunk != NULL) {
        struct pl_list *at = ooo_place(sf, dsn);
        if (at != head) {
            int64_t overlap = pl_seq64_diff(ooo_end(ooo_of(at)), dsn);
            if (overlap >= (int64_t)chunk->len) {
                PL_COUNT(conn->ctx, DuplicateData);
                pl_chunk_unref(chunk);
                return;
            }
            if (overlap > 0) {
                chunk = cut_front(conn, dsn, chunk, (uint32_t)overlap);
                dsn = pl_seq64_add(dsn, (uint64_t)overlap);
                continue;
            }
        }
        struct pl_chunk *rest = NULL;
        pl_seq64 rest_dsn = dsn;
        if (at->next != head && pl_seq64_lt(ooo_of(at->next)->dsn, pl_seq64_add(dsn, chunk->len))) {
            uint32_t keep = (uint32_t)pl_seq64_diff(ooo_of(at->next)->dsn, dsn);
            struct pl_chunk *whole = chunk;
            rest_dsn = pl_seq64_add(dsn, keep);
            rest = pl_chunk_slice(whole, keep, whole->len - keep);
            chunk = pl_chunk_slice(whole, 0, keep);
            if (rest == NULL) {
                lose(conn, pl_seq64_add(dsn, whole->len));
            }
            pl_chunk_unref(whole);
        }
        if (chunk == NULL) {
            PL_COUNT(conn->ctx, DropMemory);
            lose(conn, rest_dsn);
        } else {
            ooo_add(sf, at, dsn, chunk);
        }
        chunk = rest;
        dsn = rest_dsn;
    }
}

void pl_recv_deliver(struct pl_subflow *sf, pl_seq64 dsn, struct pl_chunk *chunk, plait_time now) {
    struct pl_conn *conn = sf->conn;
    struct pl_recv *r = &conn->recv;
    int64_t behind = pl_seq64_diff(r->nxt, dsn);
    PL_ASSERT(chunk->next == NULL && chunk->len > 0);
    PL_CONN_TRACE(conn, sf->serial, now, data_in, dsn.v, chunk->len, 0, behind >= 0);
    if (behind >= (int64_t)chunk->len || r->fin_reached || conn->state == PL_CONN_CLOSED) {
        PL_COUNT(conn->ctx, DuplicateData);
        pl_chunk_unref(chunk);
        return;
    }
    int64_t ahead = pl_seq64_diff(pl_seq64_add(dsn, chunk->len), r->nxt);
    if (conn->mode == PL_MODE_MPTCP && ahead > (int64_t)r->limit_bytes + REACH_MORE) {
        PL_COUNT(conn->ctx, NoDSSInWindow); /* section 3.8: out of window, not DATA_ACKed */
        lose(conn, pl_seq64_add(dsn, chunk->len));
        pl_chunk_unref(chunk);
        return;
    }
    if (r->fin_known && pl_seq64_lt(r->fin_dsn, pl_seq64_add(dsn, chunk->len))) {
        PL_COUNT(conn->ctx, NoDSSInWindow);
        pl_chunk_unref(chunk);
        return;
    }
    pl_recv_arrived(conn, chunk->len, now);
    if (behind < 0) {
        bool first = pl_list_empty(&r->ooo);
        ooo_insert(sf, dsn, chunk);
        if (first && !pl_list_empty(&r->ooo)) {
            r->hole_since = now;
        }
        pl_conn_touch(conn);
        return;
    }
    if (behind > 0) {
        PL_COUNT(conn->ctx, DuplicateData);
        chunk = cut_front(conn, dsn, chunk, (uint32_t)behind);
        if (chunk == NULL) {
            return;
        }
    }
    ready_append(conn, chunk);
    if (!pl_list_empty(&r->ooo)) {
        drain_ooo(conn, now);
        pl_conn_touch(conn);
    }
    check_fin(conn);
    if (pl_recv_readable(conn)) {
        pl_conn_say(conn, PLAIT_EVENT_READABLE, NULL, 0, 0);
    }
    if (conn->orphan) {
        pl_conn_touch(conn); /* nobody will read it */
    }
}

/* What waits and reaches beyond the end is not the stream's; the part before comes again. */
static void drop_behind(struct pl_conn *conn, pl_seq64 end) {
    PL_LIST_FOREACH_SAFE(link, &conn->recv.ooo) {
        if (pl_seq64_lt(end, ooo_end(ooo_of(link)))) {
            PL_COUNT(conn->ctx, NoDSSInWindow);
            pl_chunk_unref(ooo_remove(conn, ooo_of(link)));
        }
    }
    if (pl_list_empty(&conn->recv.ooo)) {
        conn->recv.hole_since = PLAIT_TIME_NEVER;
    }
}

void pl_recv_fin(struct pl_conn *conn, pl_seq64 fin_dsn, plait_time now) {
    struct pl_recv *r = &conn->recv;
    (void)now;
    if (r->fin_known || pl_seq64_lt(fin_dsn, r->nxt)) {
        return; /* a repetition */
    }
    if (pl_seq64_diff(fin_dsn, r->nxt) > (int64_t)r->limit_bytes + REACH_MORE) {
        return;
    }
    r->fin_known = true;
    r->fin_dsn = fin_dsn;
    drop_behind(conn, fin_dsn);
    check_fin(conn);
}

/* Memory is short and payload at `dsn` comes. What waits behind it may be what fills the memory,
 * and cannot be read before: it goes, the last first. It is not DATA_ACKed, so the peer has it
 * still. */
void pl_recv_make_room(struct pl_conn *conn, pl_seq64 dsn, uint32_t bytes) {
    const struct pl_memory *m = &conn->ctx->memory;
    struct pl_list *ooo = &conn->recv.ooo;
    while (!pl_list_empty(ooo) && m->used_bytes + bytes > m->max_bytes) {
        struct pl_ooo *last = ooo_of(ooo->prev);
        if (pl_seq64_le(last->dsn, dsn)) {
            break;
        }
        ooo_drop_last(conn);
    }
    if (pl_list_empty(ooo)) {
        conn->recv.hole_since = PLAIT_TIME_NEVER;
    }
}

void pl_recv_drop_ahead(struct pl_conn *conn) {
    while (!pl_list_empty(&conn->recv.ooo)) {
        ooo_drop_last(conn);
    }
    conn->recv.hole_since = PLAIT_TIME_NEVER;
    PL_ASSERT(conn->recv.ooo_count == 0);
}

struct pl_chunk *pl_recv_take(struct pl_conn *conn, uint32_t max_bytes) {
    struct pl_recv *r = &conn->recv;
    PL_ASSERT(max_bytes > 0);
    if (r->head == NULL) {
        return NULL;
    }
    uint32_t left = r->head->len - r->head_offset;
    struct pl_chunk *taken = NULL;
    if (r->head_offset > 0 || left > max_bytes) {
        uint32_t len = left < max_bytes ? left : max_bytes;
        taken = pl_chunk_slice(r->head, r->head_offset, len);
        if (taken == NULL) {
            return NULL;
        }
        r->head_offset += len;
        r->ready_bytes -= len;
        if (r->head_offset < r->head->len) {
            return taken;
        }
    }
    struct pl_chunk *head = r->head;
    r->head = head->next; /* its reference becomes the queue's */
    head->next = NULL;
    r->head_offset = 0;
    if (r->head == NULL) {
        r->tail = NULL;
    }
    if (taken != NULL) {
        pl_chunk_unref(head);
        return taken;
    }
    r->ready_bytes -= head->len;
    return head;
}

void pl_recv_check(const struct pl_conn *conn) {
    const struct pl_recv *r = &conn->recv;
    uint64_t ready = 0, waiting = 0, count = 0;
    pl_seq64 last = r->nxt;
    PL_ASSERT((r->head == NULL) == (r->tail == NULL));
    PL_ASSERT(r->head == NULL || r->head_offset < r->head->len);
    for (const struct pl_chunk *c = r->head; c != NULL; c = c->next) {
        PL_ASSERT(c->len > 0);
        PL_ASSERT((c->next == NULL) == (c == r->tail));
        ready += c->len;
    }
    PL_ASSERT(ready == (uint64_t)r->ready_bytes + r->head_offset);
    PL_LIST_FOREACH(link, &r->ooo) {
        const struct pl_ooo *o = PL_CONTAINER(link, struct pl_ooo, link);
        PL_ASSERT(o->chunk->len > 0 && o->chunk->next == NULL);
        PL_ASSERT(waiting == 0 ? pl_seq64_lt(last, o->dsn) : pl_seq64_le(last, o->dsn));
        last = pl_seq64_add(o->dsn, o->chunk->len);
        waiting += o->chunk->len;
        count++;
    }
    PL_ASSERT(waiting == r->ooo_bytes);
    PL_ASSERT(count == r->ooo_count);
    PL_ASSERT(count <= OOO_NODES_MIN + waiting / OOO_NODE_BYTES);
    PL_ASSERT((waiting == 0) == (r->hole_since == PLAIT_TIME_NEVER));
    PL_ASSERT(waiting == 0 || conn->mode == PL_MODE_MPTCP);
    PL_ASSERT(!r->fin_reached || r->fin_known);
    PL_ASSERT(!r->fin_reached || waiting == 0);
    PL_ASSERT(r->fin_reached || !r->fin_known || pl_seq64_lt(r->nxt, r->fin_dsn));
    PL_ASSERT(r->tuned_bytes <= r->limit_bytes);
}

void pl_recv_discard(struct pl_conn *conn, plait_time now) {
    struct pl_chunk *chunk = pl_recv_take(conn, UINT32_MAX);
    while (chunk != NULL) {
        pl_chunk_unref(chunk);
        chunk = pl_recv_take(conn, UINT32_MAX);
    }
    pl_recv_read_done(conn, now);
}

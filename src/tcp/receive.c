/* tcp/receive.c - payload in: trimming, the out-of-order queue, when to acknowledge.
 *
 * What arrives ahead of rcv.nxt waits in islands: runs of payload without holes, in order, none
 * touching the next. A byte that is there already is not replaced (the first copy wins), so a
 * segment may end up as several pieces around what we have. Payload stays in the buffer it arrived
 * in; chunks slice it. The islands are also the SACK blocks: the one touched last is reported first
 * (RFC 2018 section 4), behind a D-SACK block for what was received twice (RFC 2883). */
#include "base/assert.h"
#include "tcp/engine.h"
#include "tcp/figures.h"

enum { ISLANDS_MAX = 1024, QUICK_ACKS = 16 };
#define DELACK_NS (40 * PLAIT_NS_PER_MS)

static struct pl_tcp_island *island_of(struct pl_list *node) {
    return PL_CONTAINER(node, struct pl_tcp_island, link);
}

static pl_seq32 island_end(const struct pl_tcp_island *island) {
    return pl_seq32_add(island->seq, island->len);
}

void pl_tcp_receive_init(struct pl_tcp *tcp) {
    pl_list_init(&tcp->rcv.islands);
    PL_ASSERT(tcp->rcv.island_count == 0);
    tcp->rcv.mss = 536;
    tcp->rcv.quick = QUICK_ACKS;
}

static void island_free(struct pl_tcp *tcp, struct pl_tcp_island *island) {
    PL_ASSERT(tcp->rcv.island_count > 0);
    PL_ASSERT(pl_list_linked(&island->link));
    pl_list_remove(&island->link);
    tcp->rcv.island_count--;
    if (island->head != NULL) {
        pl_chunk_unref(island->head);
    }
    pl_ctx_free(tcp->ctx, island, sizeof(*island));
}

void pl_tcp_receive_clear(struct pl_tcp *tcp) {
    PL_LIST_FOREACH_SAFE(it, &tcp->rcv.islands) {
        island_free(tcp, island_of(it));
    }
    PL_ASSERT(tcp->rcv.island_count == 0);
    tcp->rcv.dsack_due = false;
}

void pl_tcp_drop_ahead(struct pl_tcp *tcp) {
    PL_LIST_FOREACH_SAFE(it, &tcp->rcv.islands) {
        PL_COUNT(tcp->ctx, DropMemory);
        island_free(tcp, island_of(it));
    }
    PL_ASSERT(tcp->rcv.island_count == 0);
}

/* Remembers a range that arrived twice; the newest is reported. */
void pl_tcp_receive_duplicate(struct pl_tcp *tcp, pl_seq32 start, pl_seq32 end) {
    PL_ASSERT(pl_seq32_lt(start, end));
    PL_COUNT_N(tcp->ctx, DuplicateBytesIn, (uint32_t)pl_seq32_diff(end, start));
    tcp->rcv.ack_due = true;
    if (tcp->rcv.dsack_due && pl_seq32_eq(tcp->rcv.dsack.end, start)) {
        tcp->rcv.dsack.end = end; /* one segment that meets several islands */
        return;
    }
    tcp->rcv.dsack = (struct pl_sack_block){start, end};
    tcp->rcv.dsack_due = true;
}

/* ---- the out-of-order queue ---- */

static void join_next(struct pl_tcp *tcp, struct pl_tcp_island *island) {
    PL_ASSERT(pl_list_linked(&island->link));
    PL_ASSERT(island->tail != NULL && island->tail->next == NULL);
    if (island->link.next == &tcp->rcv.islands) {
        return;
    }
    struct pl_tcp_island *next = island_of(island->link.next);
    if (!pl_seq32_eq(island_end(island), next->seq)) {
        return;
    }
    PL_ASSERT(next->len > 0);
    pl_chunk_link(island->tail, next->head); /* next's own reference goes with island_free */
    island->tail = next->tail;
    island->len += next->len;
    island_free(tcp, next);
}

/* Puts a piece that overlaps nothing before `at`. Takes the chunk. */
static bool island_insert(struct pl_tcp *tcp, struct pl_list *at, pl_seq32 seq,
                          struct pl_chunk *chunk) {
    struct pl_tcp_island *prev = at->prev == &tcp->rcv.islands ? NULL : island_of(at->prev);
    PL_ASSERT(pl_seq32_lt(tcp->rcv.nxt, seq));
    PL_ASSERT(prev == NULL || pl_seq32_le(island_end(prev), seq));
    PL_ASSERT(chunk->next == NULL);
    if (prev != NULL && pl_seq32_eq(island_end(prev), seq)) {
        pl_chunk_link(prev->tail, chunk);
        pl_chunk_unref(chunk); /* prev's chain holds it now */
        prev->tail = chunk;
        prev->len += chunk->len;
        prev->recency = ++tcp->rcv.recency;
        join_next(tcp, prev);
        return true;
    }
    struct pl_tcp_island *island =
        tcp->rcv.island_count < ISLANDS_MAX ? pl_ctx_alloc(tcp->ctx, sizeof(*island)) : NULL;
    if (island == NULL) {
        pl_chunk_unref(chunk);
        return false;
    }
    island->head = chunk;
    island->tail = chunk;
    island->seq = seq;
    island->len = chunk->len;
    island->recency = ++tcp->rcv.recency;
    pl_list_insert_before(at, &island->link);
    tcp->rcv.island_count++;
    join_next(tcp, island);
    return true;
}

/* First island that ends behind `seq`; searched from the end, where most arrivals belong. */
static struct pl_list *island_find(struct pl_tcp *tcp, pl_seq32 seq) {
    struct pl_list *at = &tcp->rcv.islands;
    while (at->prev != &tcp->rcv.islands && pl_seq32_lt(seq, island_end(island_of(at->prev)))) {
        at = at->prev;
    }
    return at;
}

/* ---- delivery ---- */

static void deliver(struct pl_tcp *tcp, struct pl_chunk *chunk, plait_time now) {
    PL_ASSERT(chunk->len > 0);
    PL_ASSERT(tcp->life.state != PL_TCP_ST_CLOSED);
    pl_seq32 seq = tcp->rcv.nxt;
    PL_ASSERT(chunk->next == NULL);
    tcp->rcv.nxt = pl_seq32_add(seq, chunk->len);
    tcp->stats.bytes_received += chunk->len;
    tcp->stats.last_data_in = now;
    tcp->ops->data_in(tcp->up, seq, chunk, now);
}

/* Hands up what has become contiguous. The chain is taken apart: the upper gets single chunks. */
static void drain(struct pl_tcp *tcp, plait_time now) {
    if (pl_list_empty(&tcp->rcv.islands)) {
        return;
    }
    struct pl_tcp_island *first = island_of(tcp->rcv.islands.next);
    if (!pl_seq32_eq(first->seq, tcp->rcv.nxt)) {
        return;
    }
    PL_ASSERT(first->head != NULL && first->len > 0);
    struct pl_chunk *chunk = first->head;
    first->head = NULL;
    island_free(tcp, first);
    while (chunk != NULL) {
        struct pl_chunk *next = chunk->next; /* its reference becomes ours */
        chunk->next = NULL;
        if (tcp->life.state == PL_TCP_ST_CLOSED) {
            pl_chunk_unref(chunk);
        } else {
            deliver(tcp, chunk, now);
        }
        chunk = next;
    }
}

/* A payload on its way in: what is left of it is [seq, end), at `data`. */
struct arrival {
    struct plait_buf *buf;
    const uint8_t *data;
    pl_seq32 seq, end;
};

static void advance(struct arrival *a, pl_seq32 to) {
    PL_ASSERT(pl_seq32_le(a->seq, to) && pl_seq32_le(to, a->end));
    a->data += pl_seq32_diff(to, a->seq);
    a->seq = to;
}

/* The chunk of the bytes up to `to`, which are taken off the arrival. */
static struct pl_chunk *take(struct pl_tcp *tcp, struct arrival *a, pl_seq32 to) {
    uint32_t len = (uint32_t)pl_seq32_diff(to, a->seq);
    PL_ASSERT(len > 0);
    struct pl_chunk *chunk = pl_chunk_of(&tcp->ctx->memory, a->buf, a->data, len);
    advance(a, to);
    return chunk;
}

/* Whatever is not new in front: below rcv.nxt after a delivery, or in the island there. */
static void skip(struct pl_tcp *tcp, struct arrival *a, pl_seq32 to) {
    to = pl_seq32_min(to, a->end);
    if (pl_seq32_lt(a->seq, to)) {
        pl_tcp_receive_duplicate(tcp, a->seq, to);
        advance(a, to);
    }
}

/* Memory is out, and what waits here may be what holds it: the islands go, the last one first. The
 * peer, which was told of them, has to send them again (RFC 2018 section 8 allows that). */
static struct pl_chunk *take_or_renege(struct pl_tcp *tcp, struct arrival *a, pl_seq32 to) {
    struct arrival again = *a;
    struct pl_chunk *chunk = take(tcp, a, to);
    while (chunk == NULL && !pl_list_empty(&tcp->rcv.islands)) {
        PL_COUNT(tcp->ctx, DropMemory);
        island_free(tcp, island_of(tcp->rcv.islands.prev));
        *a = again;
        chunk = take(tcp, a, to);
    }
    return chunk;
}

/* Needs no island, so that a full queue cannot stop what empties it. */
static bool take_in_order(struct pl_tcp *tcp, struct arrival *a, plait_time now) {
    PL_ASSERT(pl_seq32_eq(a->seq, tcp->rcv.nxt));
    pl_seq32 to = a->end;
    if (!pl_list_empty(&tcp->rcv.islands)) {
        to = pl_seq32_min(to, island_of(tcp->rcv.islands.next)->seq);
    }
    struct pl_chunk *chunk = take_or_renege(tcp, a, to);
    if (chunk == NULL) {
        return false;
    }
    deliver(tcp, chunk, now);
    drain(tcp, now);
    skip(tcp, a, tcp->rcv.nxt);
    return true;
}

static bool take_ahead(struct pl_tcp *tcp, struct arrival *a) {
    PL_ASSERT(pl_seq32_lt(tcp->rcv.nxt, a->seq));
    PL_ASSERT(pl_seq32_lt(a->seq, a->end));
    struct pl_list *at = island_find(tcp, a->seq);
    pl_seq32 to = a->end;
    if (at != &tcp->rcv.islands) {
        struct pl_tcp_island *next = island_of(at);
        if (pl_seq32_le(next->seq, a->seq)) {
            next->recency = ++tcp->rcv.recency;
            skip(tcp, a, island_end(next));
            return true;
        }
        to = pl_seq32_min(to, next->seq);
    }
    pl_seq32 seq = a->seq;
    struct pl_chunk *chunk = take(tcp, a, to);
    return chunk != NULL && island_insert(tcp, at, seq, chunk);
}

/* ---- acknowledging ---- */

static void estimate_mss(struct pl_tcp *tcp, const struct pl_segment *seg) {
    PL_ASSERT(seg->payload_len > 0);
    uint32_t size = seg->gso_size > 0 ? seg->gso_size : seg->payload_len;
    uint16_t len = (uint16_t)(size < UINT16_MAX ? size : UINT16_MAX);
    if (len > tcp->rcv.mss || (len == tcp->rcv.last_len && len >= 128)) {
        tcp->rcv.mss = len;
    }
    tcp->rcv.last_len = len;
}

/* Silent for longer than an RTO, the sender begins with a small window again (RFC 5681 section 4.1)
 * and waits for every ACK. Not where what came last was answered within the delay: there the ACK
 * rides on the answer. */
static void restart_quick(struct pl_tcp *tcp, plait_time now) {
    plait_time last = tcp->stats.last_data_in, sent = tcp->snd.last_sent;
    PL_ASSERT(last <= now);
    bool idle = last > 0 && now - last > pl_tcp_rto_base_ns(tcp);
    bool answers = sent >= last && sent - last < DELACK_NS;
    if (idle && !answers) {
        tcp->rcv.quick = QUICK_ACKS;
    }
}

/* Whether this segment is acknowledged at once: the first ones of a connection are, because the
 * sender is in slow start then, and what the application asks for goes before. */
static bool quick_ack(struct pl_tcp *tcp) {
    if (tcp->tuning->quickack != PL_TCP_QUICKACK_AUTO) {
        return tcp->tuning->quickack == PL_TCP_QUICKACK_ON;
    }
    if (tcp->rcv.quick == 0) {
        return false;
    }
    tcp->rcv.quick--;
    return true;
}

/* RFC 9293 section 3.8.6.3, RFC 5681 section 4.2. */
static void acknowledge(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(pl_seq32_le(tcp->rcv.acked, tcp->rcv.nxt));
    PL_ASSERT(tcp->rcv.mss > 0);
    uint32_t pending = (uint32_t)pl_seq32_diff(tcp->rcv.nxt, tcp->rcv.acked);
    bool coalesced = seg->gso_size > 0 && seg->payload_len > seg->gso_size;
    if (quick_ack(tcp)) {
        tcp->rcv.ack_due = true;
    }
    if (coalesced || pending >= 2 * (uint32_t)tcp->rcv.mss) {
        tcp->rcv.ack_due = true;
    }
    if (!tcp->rcv.ack_due && tcp->deadline[PL_TCP_SLOT_DELACK] == PLAIT_TIME_NEVER) {
        tcp->deadline[PL_TCP_SLOT_DELACK] = now + DELACK_NS;
    }
}

void pl_tcp_ack_later(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(pl_tcp_synchronized(tcp));
    if (tcp->deadline[PL_TCP_SLOT_DELACK] == PLAIT_TIME_NEVER) {
        tcp->deadline[PL_TCP_SLOT_DELACK] = now + DELACK_NS;
    }
}

/* Payload of an acceptable segment. */
void pl_tcp_receive(struct pl_tcp *tcp, const struct pl_segment *seg, struct plait_buf *buf,
                    plait_time now) {
    PL_ASSERT(seg->payload_len > 0 && seg->payload != NULL);
    PL_ASSERT(buf != NULL && !tcp->rcv.fin_done);
    pl_seq32 start = pl_seq32_max(seg->seq, tcp->rcv.nxt);
    pl_seq32 end = pl_seq32_add(seg->seq, seg->payload_len);
    estimate_mss(tcp, seg);
    restart_quick(tcp, now);
    if (pl_seq32_lt(seg->seq, tcp->rcv.nxt)) {
        pl_tcp_receive_duplicate(tcp, seg->seq, pl_seq32_min(end, tcp->rcv.nxt));
    }
    end = pl_seq32_min(end, pl_seq32_add(tcp->rcv.nxt, pl_tcp_window_accept(tcp)));
    end = tcp->rcv.fin_seen ? pl_seq32_min(end, tcp->rcv.fin_seq) : end;
    if (!pl_seq32_lt(start, end)) {
        tcp->rcv.ack_due = true;
        return;
    }
    struct arrival a = {buf, seg->payload + pl_seq32_diff(start, seg->seq), start, end};
    PL_ASSERT((uint32_t)pl_seq32_diff(end, start) <= seg->payload_len);
    bool in_order = pl_seq32_eq(start, tcp->rcv.nxt);
    bool holes = !in_order || !pl_list_empty(&tcp->rcv.islands);
    pl_tcp_figures_received(tcp, seg, in_order, now);
    if (!in_order) {
        PL_COUNT(tcp->ctx, OutOfOrderSegs);
    }
    bool ok = true;
    while (ok && pl_seq32_lt(a.seq, a.end) && tcp->life.state != PL_TCP_ST_CLOSED) {
        ok = pl_seq32_eq(a.seq, tcp->rcv.nxt) ? take_in_order(tcp, &a, now) : take_ahead(tcp, &a);
    }
    if (tcp->life.state == PL_TCP_ST_CLOSED) {
        return;
    }
    if (!ok) {
        PL_COUNT(tcp->ctx, DropMemory);
    }
    if (holes) {
        tcp->rcv.ack_due = true; /* out of order, or it fills a hole */
    } else if (ok) {
        acknowledge(tcp, seg, now);
    }
}

/* ---- SACK ---- */

/* Puts an island into best[0..n), the most recent first, if it belongs there; returns the new n. */
static unsigned rank(const struct pl_tcp_island **best, unsigned n, unsigned most,
                     const struct pl_tcp_island *island) {
    if (n == most && island->recency < best[n - 1]->recency) {
        return n;
    }
    PL_ASSERT(most > 0 && n <= most);
    unsigned at = n < most ? n++ : n - 1;
    while (at > 0 && best[at - 1]->recency < island->recency) {
        best[at] = best[at - 1];
        at--;
    }
    PL_ASSERT(at < most);
    best[at] = island;
    return n;
}

/* The islands for at most `most` blocks, most recent first; a D-SACK block leads. */
unsigned pl_tcp_receive_blocks(struct pl_tcp *tcp, struct pl_sack_block *out, unsigned most) {
    const struct pl_tcp_island *best[PL_TCP_SACK_MAX];
    unsigned led = 0, n = 0;
    PL_ASSERT(most <= PL_TCP_SACK_MAX);
    if (tcp->rcv.dsack_due && most > 0) {
        out[led++] = tcp->rcv.dsack;
        tcp->rcv.dsack_due = false;
    }
    if (led < most) {
        PL_LIST_FOREACH(it, &tcp->rcv.islands) {
            n = rank(best, n, most - led, island_of(it));
        }
    }
    for (unsigned i = 0; i < n; i++) {
        out[led + i] = (struct pl_sack_block){best[i]->seq, island_end(best[i])};
    }
    PL_ASSERT(led + n <= most);
    return led + n;
}

void pl_tcp_receive_check(const struct pl_tcp *tcp) {
    pl_seq32 last = tcp->rcv.nxt;
    uint32_t count = 0;
    PL_LIST_FOREACH(it, &tcp->rcv.islands) {
        const struct pl_tcp_island *island = PL_CONTAINER(it, struct pl_tcp_island, link);
        uint32_t len = 0;
        PL_ASSERT(pl_seq32_lt(last, island->seq));
        for (const struct pl_chunk *c = island->head; c != NULL; c = c->next) {
            len += c->len;
        }
        PL_ASSERT(len == island->len);
        last = pl_seq32_add(island->seq, island->len);
        count++;
    }
    PL_ASSERT(count == tcp->rcv.island_count);
}

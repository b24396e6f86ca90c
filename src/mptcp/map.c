/* mptcp/map.c - from a subflow's sequence numbers to the stream (RFC 8684 section 3.3.1).
 *
 * Mappings arrive as options, before TCP has put the payload in order; they are kept per subflow,
 * sorted by sequence number, until their payload was delivered. A mapping never changes: a
 * repetition is ignored, a contradiction resets the subflow. With checksums a mapping's payload is
 * held until it is complete and verified (section 3.3). Payload whose mapping did not come is held
 * for a while, in case it comes later; then the subflow is broken (section 3.7). */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"
#include "wire/checksum.h"

enum { MAPS_MAX = 16384, UNMAPPED_MAX = 256 * 1024 };
#define UNMAPPED_NS (2 * PLAIT_NS_PER_S) /* how long a mapping may be late */

static struct pl_map *map_of(struct pl_list *link) {
    return PL_CONTAINER(link, struct pl_map, link);
}

static pl_seq32 map_end(const struct pl_map *map) {
    PL_ASSERT(map->len > 0);
    return pl_seq32_add(map->seq, map->len);
}

static struct pl_map *map_alloc(struct pl_subflow *sf) {
    struct pl_map *map = sf->map_spare;
    if (map != NULL) {
        sf->map_spare = NULL;
    } else {
        map = pl_ctx_alloc(sf->conn->ctx, sizeof *map);
    }
    return map;
}

static void map_free(struct pl_subflow *sf, struct pl_map *map) {
    PL_ASSERT(map->link.next != NULL);
    PL_ASSERT(sf->map_count > 0);
    pl_list_remove(&map->link);
    sf->map_count--;
    if (map->held != NULL) {
        pl_chunk_unref(map->held);
    }
    if (sf->map_spare == NULL) {
        *map = (struct pl_map){.len = 0};
        sf->map_spare = map;
        return;
    }
    pl_ctx_free(sf->conn->ctx, map, sizeof *map);
}

static void unmapped_drop(struct pl_subflow *sf) {
    if (sf->unmapped != NULL) {
        pl_chunk_unref(sf->unmapped);
    }
    sf->unmapped = NULL;
    sf->unmapped_tail = NULL;
    sf->unmapped_bytes = 0;
}

void pl_map_clear(struct pl_subflow *sf) {
    PL_LIST_FOREACH_SAFE(link, &sf->maps) {
        map_free(sf, map_of(link));
    }
    if (sf->map_spare != NULL) {
        pl_ctx_free(sf->conn->ctx, sf->map_spare, sizeof *sf->map_spare);
        sf->map_spare = NULL;
    }
    unmapped_drop(sf);
    PL_ASSERT(sf->map_count == 0);
}

/* Appends to a private run of chunks; takes the caller's reference. */
static void run_append(struct pl_chunk **head, struct pl_chunk **tail, struct pl_chunk *chunk) {
    PL_ASSERT(chunk->next == NULL);
    if (*head == NULL) {
        *head = chunk;
    } else {
        pl_chunk_link(*tail, chunk);
        pl_chunk_unref(chunk);
    }
    *tail = chunk;
}

/* Takes the first chunk off a run; the caller gets its reference. */
static struct pl_chunk *run_pop(struct pl_chunk **head) {
    PL_ASSERT(*head != NULL);
    struct pl_chunk *chunk = *head;
    *head = chunk->next; /* the reference that `chunk` held on it is now the run's */
    chunk->next = NULL;
    return chunk;
}

static void flush_run(struct pl_subflow *sf, struct pl_chunk **run, plait_time now) {
    while (*run != NULL) {
        pl_recv_deliver(sf, sf->conn->recv.nxt, run_pop(run), now);
    }
}

void pl_map_flush(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->conn->mode == PL_MODE_PLAIN);
    PL_LIST_FOREACH_SAFE(link, &sf->maps) {
        struct pl_map *map = map_of(link);
        if (map->held != NULL && sf->unmapped != NULL && pl_seq32_lt(sf->unmapped_seq, map->seq)) {
            flush_run(sf, &sf->unmapped, now);
        }
        flush_run(sf, &map->held, now);
    }
    flush_run(sf, &sf->unmapped, now);
    pl_map_clear(sf);
}

void pl_map_doubt(struct pl_subflow *sf, struct pl_map *map) {
    PL_ASSERT(sf->unmapped == NULL);
    PL_ASSERT(sf->doubtful && map->held != NULL);
    sf->unmapped = map->held;
    sf->unmapped_tail = map->held_tail;
    sf->unmapped_seq = map->seq;
    sf->unmapped_bytes = map->arrived;
    map->held = NULL;
    PL_LIST_FOREACH_SAFE(link, &sf->maps) {
        map_free(sf, map_of(link));
    }
}

static bool same_mapping(const struct pl_map *map, const struct pl_map_in *in) {
    PL_ASSERT(in->len > 0);
    return (uint64_t)(in->dsn.v - map->dsn.v) ==
           (uint64_t)(int64_t)pl_seq32_diff(in->seq, map->seq);
}

static void advance(struct pl_map_in *in, uint32_t n) {
    PL_ASSERT(n > 0 && n <= in->len);
    in->seq = pl_seq32_add(in->seq, n);
    in->dsn = pl_seq64_add(in->dsn, n);
    in->len -= n;
}

/* The first known mapping that ends behind `seq`, or the list head; searched from the end, where
 * most belong. */
static struct pl_list *map_place(struct pl_subflow *sf, pl_seq32 seq) {
    struct pl_list *at = &sf->maps;
    while (at->prev != &sf->maps && pl_seq32_lt(seq, map_end(map_of(at->prev)))) {
        at = at->prev;
    }
    return at;
}

static bool meets(const struct pl_subflow *sf, struct pl_list *at, const struct pl_map_in *in) {
    return at != &sf->maps && pl_seq32_lt(map_of(at)->seq, pl_seq32_add(in->seq, in->len));
}

/* Whether the known mappings from `at` on that the new one meets say the same. */
static bool agrees(const struct pl_subflow *sf, struct pl_list *at, const struct pl_map_in *in) {
    for (; meets(sf, at, in); at = at->next) {
        if (!same_mapping(map_of(at), in)) {
            return false;
        }
    }
    return true;
}

static bool map_insert(struct pl_subflow *sf, struct pl_list *before, const struct pl_map_in *in,
                       uint32_t len) {
    struct pl_map *map = sf->map_count < MAPS_MAX ? map_alloc(sf) : NULL;
    if (map == NULL) {
        PL_COUNT(sf->conn->ctx, DropMemory);
        return false;
    }
    map->seq = in->seq;
    map->len = len;
    map->dsn = in->dsn;
    map->wire_len = in->wire_len;
    map->checksum = in->checksum;
    pl_list_init(&map->link);
    pl_list_insert_before(before, &map->link);
    sf->map_count++;
    return true;
}

/* Inserts what the known mappings from `at` on do not cover, piece by piece. */
static bool map_fill(struct pl_subflow *sf, struct pl_list *at, struct pl_map_in *in) {
    while (in->len > 0) {
        uint32_t piece = in->len;
        if (meets(sf, at, in)) {
            const struct pl_map *next = map_of(at);
            int32_t gap = pl_seq32_diff(next->seq, in->seq);
            if (gap <= 0) {
                uint32_t covered = (uint32_t)pl_seq32_diff(map_end(next), in->seq);
                advance(in, covered < in->len ? covered : in->len);
                at = at->next;
                continue;
            }
            piece = (uint32_t)gap;
        }
        if (!map_insert(sf, at, in, piece)) {
            return false;
        }
        advance(in, piece);
    }
    return true;
}

static void retry_unmapped(struct pl_subflow *sf, plait_time now) {
    struct pl_chunk *run = sf->unmapped;
    pl_seq32 seq = sf->unmapped_seq;
    sf->unmapped = NULL;
    sf->unmapped_tail = NULL;
    sf->unmapped_bytes = 0;
    while (run != NULL) {
        struct pl_chunk *chunk = run_pop(&run);
        uint32_t len = chunk->len;
        pl_map_data_in(sf, seq, chunk, now);
        seq = pl_seq32_add(seq, len);
    }
}

enum pl_verdict pl_map_add(struct pl_subflow *sf, const struct pl_map_in *given, plait_time now) {
    struct pl_conn *conn = sf->conn;
    struct pl_map_in in = *given;
    pl_seq32 oldest = sf->unmapped != NULL ? sf->unmapped_seq : pl_tcp_rcv_nxt(&sf->tcp);
    uint32_t reach = conn->recv.limit_bytes * 2 + 65536;
    PL_ASSERT(in.len > 0);
    if (sf->doubtful || pl_seq32_le(pl_seq32_add(in.seq, in.len), oldest)) {
        return PL_VERDICT_OK; /* void, or all of it is here already */
    }
    if (pl_seq32_diff(in.seq, oldest) > (int32_t)reach) {
        PL_COUNT(conn->ctx, DSSNoMatchTCP);
        return PL_VERDICT_DROP;
    }
    struct pl_list *at = map_place(sf, in.seq);
    if (!agrees(sf, at, &in)) {
        PL_COUNT(conn->ctx, DSSNotMatching);
        sf->reset_reason = PL_RESET_MPTCP;
        return PL_VERDICT_RESET;
    }
    if (conn->checksum && (meets(sf, at, &in) || pl_seq32_lt(in.seq, oldest))) {
        return PL_VERDICT_OK; /* a part cannot be verified: the first mapping holds */
    }
    if (!map_fill(sf, at, &in)) {
        return PL_VERDICT_DROP;
    }
    if (sf->unmapped != NULL) {
        pl_seq64 before = conn->recv.nxt;
        retry_unmapped(sf, now);
        if (pl_seq64_lt(before, conn->recv.nxt)) {
            pl_tcp_ack_now(&sf->tcp); /* the mapping may have come alone */
        }
    }
    return PL_VERDICT_OK;
}

/* The mapping of a byte; mappings that end before it are done with. */
static struct pl_map *map_find(struct pl_subflow *sf, pl_seq32 seq) {
    PL_LIST_FOREACH_SAFE(link, &sf->maps) {
        struct pl_map *map = map_of(link);
        if (pl_seq32_lt(seq, map->seq)) {
            return NULL;
        }
        if (pl_seq32_lt(seq, map_end(map))) {
            return map;
        }
        if (sf->unmapped == NULL) {
            map_free(sf, map);
        }
    }
    return NULL;
}

/* Holds a piece of a mapping until all of it is there; then verifies and delivers. */
static void verify(struct pl_subflow *sf, struct pl_map *map, struct pl_chunk *chunk,
                   plait_time now) {
    PL_ASSERT(sf->conn->checksum);
    PL_ASSERT(map->arrived < map->len);
    uint32_t ssn = map->seq.v - pl_fastopen_ssn_in(sf).v;
    map->sum = map->arrived % 2 ? pl_sum_add_odd(map->sum, chunk->data, chunk->len)
                                : pl_sum_add(map->sum, chunk->data, chunk->len);
    map->arrived += chunk->len;
    run_append(&map->held, &map->held_tail, chunk);
    if (map->arrived < map->len) {
        return;
    }
    pl_seq64 dsn = map->dsn;
    if (pl_dss_checksum(dsn, ssn, map->wire_len, map->sum) != map->checksum) {
        pl_checksum_failed(sf, map, now); /* may free the mapping */
        return;
    }
    struct pl_chunk *run = map->held;
    map->held = NULL;
    if (map->wire_len > map->len) { /* the DATA_FIN behind it */
        pl_recv_fin(sf->conn, pl_seq64_add(dsn, map->len), now);
    }
    while (run != NULL) {
        struct pl_chunk *piece = run_pop(&run);
        uint32_t len = piece->len;
        pl_recv_deliver(sf, dsn, piece, now);
        dsn = pl_seq64_add(dsn, len);
    }
}

static void hold_unmapped(struct pl_subflow *sf, pl_seq32 seq, struct pl_chunk *chunk,
                          plait_time now) {
    PL_ASSERT(chunk->len > 0);
    bool follows = sf->unmapped != NULL &&
                   pl_seq32_eq(seq, pl_seq32_add(sf->unmapped_seq, sf->unmapped_bytes));
    if (!follows) {
        if (sf->unmapped != NULL) {
            pl_recv_lost(sf->conn);
        }
        unmapped_drop(sf);
        sf->unmapped_seq = seq;
        if (!sf->doubtful) {
            sf->fail_at = now + UNMAPPED_NS;
            pl_conn_touch(sf->conn);
        }
    }
    sf->unmapped_bytes += chunk->len;
    run_append(&sf->unmapped, &sf->unmapped_tail, chunk);
    /* In doubt it is what a sender may have in flight that does not know yet. */
    uint32_t most = sf->doubtful ? sf->conn->recv.limit_bytes + 65536 : UNMAPPED_MAX;
    if (sf->unmapped_bytes > most) {
        PL_COUNT(sf->conn->ctx, DSSNoMatchTCP);
        pl_subflow_reset(sf, PL_RESET_MIDDLEBOX, false, PLAIT_E_PROTOCOL, now);
    }
}

/* Delivers the part of `chunk` that `map` covers; returns the rest, or NULL. */
static struct pl_chunk *deliver_part(struct pl_subflow *sf, struct pl_map *map, pl_seq32 seq,
                                     struct pl_chunk *chunk, plait_time now) {
    PL_ASSERT(pl_seq32_le(map->seq, seq) && pl_seq32_lt(seq, map_end(map)));
    uint32_t into = (uint32_t)pl_seq32_diff(seq, map->seq);
    uint32_t part = map->len - into;
    struct pl_chunk *rest = NULL;
    if (part < chunk->len) {
        struct pl_chunk *head = pl_chunk_slice(chunk, 0, part);
        rest = pl_chunk_slice(chunk, part, chunk->len - part);
        pl_chunk_unref(chunk);
        if (head == NULL || rest == NULL) { /* TCP has acknowledged it: only a reset is honest */
            PL_COUNT(sf->conn->ctx, DropMemory);
            if (head != NULL) {
                pl_chunk_unref(head);
            }
            if (rest != NULL) {
                pl_chunk_unref(rest);
            }
            pl_subflow_reset(sf, PL_RESET_RESOURCES, true, PLAIT_E_NO_MEMORY, now);
            return NULL;
        }
        chunk = head;
    }
    if (sf->conn->checksum) {
        verify(sf, map, chunk, now);
    } else {
        pl_recv_deliver(sf, pl_seq64_add(map->dsn, into), chunk, now);
    }
    return rest;
}

void pl_map_data_in(struct pl_subflow *sf, pl_seq32 seq, struct pl_chunk *chunk, plait_time now) {
    PL_ASSERT(chunk == NULL || chunk->next == NULL);
    while (chunk != NULL) {
        if (sf->conn->mode == PL_MODE_PLAIN) { /* fell back on an earlier part */
            pl_recv_deliver(sf, sf->conn->recv.nxt, chunk, now);
            return;
        }
        if (sf->conn->state == PL_CONN_CLOSED || sf->phase == PL_SF_DEAD) {
            pl_chunk_unref(chunk); /* reset: what follows is not to be trusted, either */
            return;
        }
        struct pl_map *map = sf->doubtful ? NULL : map_find(sf, seq);
        if (map == NULL) {
            hold_unmapped(sf, seq, chunk, now);
            return;
        }
        uint32_t part = map->len - (uint32_t)pl_seq32_diff(seq, map->seq);
        part = part < chunk->len ? part : chunk->len; /* the mapping may go on behind it */
        chunk = deliver_part(sf, map, seq, chunk, now);
        seq = pl_seq32_add(seq, part);
    }
    if (sf->unmapped == NULL) {
        map_find(sf, seq); /* frees what ended here */
    }
}

static uint64_t run_bytes(const struct pl_chunk *run) {
    uint64_t bytes = 0;
    for (; run != NULL; run = run->next) {
        PL_ASSERT(run->len > 0);
        bytes += run->len;
    }
    return bytes;
}

void pl_map_check(const struct pl_subflow *sf) {
    const struct pl_map *prev = NULL;
    uint32_t count = 0;
    PL_LIST_FOREACH(link, &sf->maps) {
        const struct pl_map *map = PL_CONTAINER(link, struct pl_map, link);
        PL_ASSERT(map->len > 0);
        PL_ASSERT(prev == NULL || pl_seq32_le(map_end(prev), map->seq));
        PL_ASSERT(map->arrived <= map->len);
        PL_ASSERT(map->held == NULL || run_bytes(map->held) == map->arrived);
        prev = map;
        count++;
    }
    PL_ASSERT(count == sf->map_count);
    PL_ASSERT(count <= MAPS_MAX);
    PL_ASSERT(count == 0 || sf->conn->mode == PL_MODE_MPTCP || sf->phase == PL_SF_DEAD);
    PL_ASSERT(run_bytes(sf->unmapped) == sf->unmapped_bytes);
    PL_ASSERT(sf->map_spare == NULL || sf->map_spare->held == NULL);
    PL_ASSERT(!sf->doubtful || sf->map_count == 0);
}

/* mptcp/send.c - the send queue of a connection.
 *
 * The stream is one chain of chunks. Three positions stand in it: una (DATA_ACKed), nxt (first byte
 * never given to a subflow; `cursor`), end (what was written). Subflows pull: pl_send_next() gives
 * the one that asks, in this order, bytes that must be repeated (reinject.c), then new bytes if the
 * scheduler lets it and the window is open. What a subflow carries is referenced by its TCP
 * records, so the queue itself only holds the chain from una on. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/sched/sched.h"
#include "mptcp/subflow.h"
#include "wire/checksum.h"

enum {
    LIMIT_START = 256 * 1024, /* send buffer before the congestion windows grow */
    LEN_MAX = 65534, /* a mapping's length has 16 bits, and DATA_FIN takes one (section 3.3) */
    SMALL = 1400,    /* below this a window remainder is not worth a segment */
    RESERVE_SHARE = 8,
    RESERVE_SHARE_OVERDUE = 2,
};

void pl_send_init(struct pl_conn *conn, uint32_t limit_bytes) {
    PL_ASSERT(limit_bytes > 0);
    struct pl_send *s = &conn->send;
    pl_list_init(&s->reinject);
    s->limit_bytes_max = limit_bytes;
    s->limit_bytes = limit_bytes < LIMIT_START ? limit_bytes : LIMIT_START;
    s->fin_resend = PLAIT_TIME_NEVER;
    s->memory_retry = PLAIT_TIME_NEVER;
    s->blocked = true;
}

void pl_send_fini(struct pl_conn *conn) {
    struct pl_send *s = &conn->send;
    if (s->head != NULL) {
        pl_chunk_unref(s->head);
    }
    s->head = NULL;
    s->tail = NULL;
    s->cursor = NULL;
}

void pl_send_drop(struct pl_conn *conn) {
    struct pl_send *s = &conn->send;
    PL_ASSERT(conn->state == PL_CONN_CLOSED && conn->error < 0);
    pl_send_fini(conn);
    s->una = s->end;
    s->nxt = s->end;
    s->head_offset = 0;
    s->cursor_offset = 0;
    s->tail_own = false;
}

void pl_send_start(struct pl_conn *conn, pl_seq64 first) {
    struct pl_send *s = &conn->send;
    PL_ASSERT(s->head == NULL);
    PL_ASSERT(pl_seq64_eq(s->una, s->nxt));
    s->una = first;
    s->nxt = first;
    s->end = first;
    s->window_edge = first;
    s->suspect = first;
    s->opportunistic = first;
    s->repeated = first;
}

void pl_send_renumber(struct pl_conn *conn, pl_seq64 una) {
    struct pl_send *s = &conn->send;
    uint64_t shift = una.v - s->una.v;
    PL_ASSERT(pl_list_empty(&s->reinject) && !s->fin_sent);
    PL_ASSERT(pl_seq64_le(s->repeated, s->una) && pl_seq64_le(s->suspect, s->una));
    s->nxt = pl_seq64_add(s->nxt, shift);
    s->end = pl_seq64_add(s->end, shift);
    s->una = una;
    s->window_edge = una;
    s->suspect = una;
    s->opportunistic = una;
    s->repeated = una;
}

void pl_send_take_back(struct pl_conn *conn, uint32_t bytes) {
    struct pl_send *s = &conn->send;
    PL_ASSERT(bytes > 0 && s->head != NULL && !s->fin_sent);
    PL_ASSERT((int64_t)bytes <= pl_seq64_diff(s->nxt, s->una));
    s->nxt = pl_seq64_of(s->nxt.v - bytes);
    s->cursor = s->head;
    s->cursor_offset = s->head_offset;
    pl_chunk_seek(&s->cursor, &s->cursor_offset, (uint64_t)pl_seq64_diff(s->nxt, s->una));
}

bool pl_send_all_sent(const struct pl_conn *conn) {
    return pl_seq64_eq(conn->send.nxt, conn->send.end);
}

bool pl_send_outstanding(const struct pl_conn *conn) {
    return pl_seq64_lt(conn->send.una, conn->send.nxt);
}

/* PLAIT_OPT_NOTSENT_LOWAT: what is written is worth nothing until it can be sent, and cannot be
 * taken back. */
static int64_t notsent_room(const struct pl_conn *conn) {
    uint32_t most = pl_conn_tuning(conn)->notsent_lowat;
    int64_t unsent = pl_seq64_diff(conn->send.end, conn->send.nxt);
    PL_ASSERT(unsent >= 0);
    return most > 0 ? (int64_t)most - unsent : INT64_MAX;
}

/* Bytes the application may add. The limit follows the congestion windows, so that the queue is
 * some round trips deep and not always the maximum. */
int64_t pl_send_room(struct pl_conn *conn) {
    struct pl_send *s = &conn->send;
    uint64_t want = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        struct pl_tcp_info info;
        pl_tcp_info(&sf->tcp, &info);
        want += info.cwnd_bytes;
    }
    want *= 3;
    want = want > s->limit_bytes_max ? s->limit_bytes_max : want;
    if (want > s->limit_bytes) {
        s->limit_bytes = (uint32_t)want;
    }
    int64_t room = (int64_t)s->limit_bytes - pl_seq64_diff(s->end, s->una);
    int64_t unsent_room = notsent_room(conn);
    return room < unsent_room ? room : unsent_room;
}

bool pl_send_writable(const struct pl_conn *conn) {
    const struct pl_send *s = &conn->send;
    return pl_seq64_diff(s->end, s->una) < (int64_t)s->limit_bytes && notsent_room(conn) > 0 &&
           s->memory_retry == PLAIT_TIME_NEVER;
}

void pl_send_append(struct pl_conn *conn, struct pl_chunk *chunk) {
    PL_ASSERT(chunk->len > 0);
    PL_ASSERT(!conn->send.fin_wanted);
    struct pl_send *s = &conn->send;
    PL_ASSERT(chunk->next == NULL);
    s->end = pl_seq64_add(s->end, chunk->len);
    s->written_bytes += chunk->len;
    if (s->head == NULL) {
        s->head = chunk;
        s->head_offset = 0;
    } else {
        pl_chunk_link(s->tail, chunk);
        pl_chunk_unref(chunk);
    }
    if (s->cursor == NULL) {
        s->cursor = chunk;
        s->cursor_offset = 0;
    }
    s->tail = chunk;
    s->tail_own = false;
}

/* The sum over bytes that may cross chunks, not folded. Returns it folded. */
uint16_t pl_send_checksum(const struct pl_chunk *chunk, uint32_t offset, uint32_t len,
                          uint64_t *sum) {
    PL_ASSERT(len > 0 && offset <= chunk->len);
    uint32_t done = 0;
    uint64_t total = 0;
    while (done < len) {
        PL_ASSERT(chunk != NULL);
        uint32_t part = chunk->len - offset;
        part = part > len - done ? len - done : part;
        total = done % 2 ? pl_sum_add_odd(total, chunk->data + offset, part)
                         : pl_sum_add(total, chunk->data + offset, part);
        done += part;
        offset = 0;
        chunk = chunk->next;
    }
    *sum = total;
    return pl_sum_fold(total);
}

/* Moves the cursor off the end of a chunk that has a successor. */
static void cursor_normalise(struct pl_send *s) {
    PL_ASSERT(s->cursor != NULL);
    PL_ASSERT(s->cursor_offset <= s->cursor->len);
    while (s->cursor_offset == s->cursor->len && s->cursor->next != NULL) {
        s->cursor = s->cursor->next;
        s->cursor_offset = 0;
    }
}

/* The next bytes of the stream. DATA_FIN rides on the last of them only while there is one subflow:
 * a Linux receiver that has got the bytes over another one before notes the DATA_FIN of the late
 * mapping, does not act on it, and ignores every repetition. Alone it is always acted on. */
static void take(struct pl_subflow *sf, uint32_t len, struct pl_tcp_payload *out, plait_time now) {
    PL_ASSERT(len > 0);
    PL_ASSERT((int64_t)len <= pl_seq64_diff(sf->conn->send.end, sf->conn->send.nxt));
    struct pl_conn *conn = sf->conn;
    struct pl_send *s = &conn->send;
    uint64_t sum = 0;
    cursor_normalise(s);
    out->chunk = s->cursor;
    out->offset = s->cursor_offset;
    out->len = len;
    out->tag = s->nxt.v;
    out->flags = 0;
    out->sum = 0;
    if (conn->checksum && conn->mode == PL_MODE_MPTCP) {
        out->sum = pl_send_checksum(s->cursor, s->cursor_offset, len, &sum);
    }
    if (!pl_send_outstanding(conn)) {
        s->progress = now;
        pl_conn_touch(conn); /* the stall timer starts */
    }
    pl_chunk_seek(&s->cursor, &s->cursor_offset, len);
    s->nxt = pl_seq64_add(s->nxt, len);
    out->push = pl_seq64_eq(s->nxt, s->end);
    bool first = conn->initiator && conn->capable == PL_CAPABLE_KEYS &&
                 out->tag == conn->keys.idsn_local.v + 1;
    if (out->push && s->fin_wanted && conn->mode == PL_MODE_MPTCP) {
        pl_conn_touch(conn); /* what comes next is the DATA_FIN, or its repetition */
        if (!first && conn->subflow_count == 1) { /* it rides on the last mapping */
            out->flags = 1;
            s->fin_sent = true;
        }
    }
    if (pl_conn_tuning(conn)->notsent_lowat > 0) {
        pl_send_wake_writer(conn);
    }
    if (conn->sched->took != NULL) {
        conn->sched->took(conn, sf, len);
    }
    PL_CONN_TRACE(conn, sf->serial, now, data_out, out->tag, len, 0, 0);
}

/* How many bytes the peer's data-level window lets us send beyond nxt (section 3.3.5). */
static int64_t window_room(const struct pl_conn *conn) {
    if (conn->mode == PL_MODE_PLAIN) {
        return INT32_MAX; /* TCP's own window rules */
    }
    return pl_seq64_diff(conn->send.window_edge, conn->send.nxt);
}

/* Whether the oldest byte is overdue: longer out than the slowest subflow needs. */
static bool head_overdue(const struct pl_conn *conn, plait_time now) {
    uint64_t rtt_max_ns = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        uint64_t rtt_ns = sf->tcp.rtt.srtt_ns + sf->tcp.rtt.rttvar_ns;
        rtt_max_ns = rtt_ns > rtt_max_ns ? rtt_ns : rtt_max_ns;
    }
    return now > conn->send.progress + rtt_max_ns + rtt_max_ns / 2;
}

/* What of the window is left free when there is more than one subflow. A Linux receiver takes
 * in-order data only while its memory is below its limit, and counts what waits behind a hole by
 * the size of its buffers, which may be a third more than the window allowed for: when the window
 * is filled behind a hole, the bytes that would close it may never be taken. */
static int64_t window_reserve(const struct pl_conn *conn, plait_time now) {
    bool several = conn->serial_next > 2; /* now or before: what died may have left a hole */
    if (!several || conn->mode == PL_MODE_PLAIN || !pl_send_outstanding(conn)) {
        return 0;
    }
    int64_t window = pl_seq64_diff(conn->send.window_edge, conn->send.una);
    return window / (head_overdue(conn, now) ? RESERVE_SHARE_OVERDUE : RESERVE_SHARE);
}

static bool refused_by_scheduler(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(pl_subflow_usable(sf));
    struct pl_conn *conn = sf->conn;
    if (conn->mode == PL_MODE_PLAIN || conn->subflow_count < 2) {
        return false;
    }
    struct pl_subflow *preferred = conn->sched->prefer(conn, sf, now);
    if (preferred == NULL) {
        return false;
    }
    sf->denied = true;
    if (!preferred->declined) { /* else the two would wake each other for ever */
        pl_tcp_kick(&preferred->tcp);
    }
    return true;
}

/* How much of `unsent` may go when segments are to be full: what ends the stream need not be. */
static int64_t whole(const struct pl_conn *conn, int64_t unsent, uint32_t unit) {
    bool no_wait = conn->send.fin_wanted || conn->abort_error != 0 ||
                   (conn->send.spliced && !pl_conn_tuning(conn)->cork);
    PL_ASSERT(unsent > 0);
    return unit == 0 || no_wait ? unsent : unsent - unsent % unit;
}

static void note_blocked(struct pl_conn *conn, plait_time now) {
    if (conn->sched->blocked != NULL) {
        conn->sched->blocked(conn, now);
    }
}

/* The payload of a SYN that shows a Fast Open cookie. */
static enum pl_tcp_next next_in_syn(struct pl_subflow *sf, uint32_t max, struct pl_tcp_payload *out,
                                    plait_time now) {
    struct pl_conn *conn = sf->conn;
    int64_t unsent = pl_seq64_diff(conn->send.end, conn->send.nxt);
    PL_ASSERT(!sf->join && conn->fastopen->cookie.len > 0);
    if (!conn->fastopen->said || unsent == 0) {
        return PL_TCP_NEXT_NOTHING;
    }
    uint32_t len = unsent < max ? (uint32_t)unsent : max;
    PL_ASSERT(len <= UINT16_MAX);
    conn->fastopen->sent_bytes = (uint16_t)len;
    take(sf, len, out, now);
    return PL_TCP_NEXT_DATA;
}

enum pl_tcp_next pl_send_next(struct pl_subflow *sf, uint32_t max_bytes, uint32_t unit,
                              struct pl_tcp_payload *out, plait_time now) {
    struct pl_conn *conn = sf->conn;
    struct pl_send *s = &conn->send;
    uint32_t max = max_bytes > LEN_MAX ? LEN_MAX : max_bytes;
    sf->denied = false;
    sf->windowed = false;
    PL_ASSERT(max_bytes > 0);
    if (sf->phase == PL_SF_OPENING && conn->fastopen != NULL) {
        return next_in_syn(sf, max, out, now);
    }
    if (sf->phase != PL_SF_UP || conn->state != PL_CONN_OPEN || !pl_fastopen_may_answer(conn)) {
        return PL_TCP_NEXT_NOTHING;
    }
    if (pl_reinject_next(sf, max, out, now) || pl_reinject_copy(sf, max, out, now)) {
        return PL_TCP_NEXT_DATA;
    }
    int64_t unsent = pl_seq64_diff(s->end, s->nxt);
    if (unsent == 0 || sf->denied || refused_by_scheduler(sf, now)) {
        return PL_TCP_NEXT_NOTHING;
    }
    unsent = whole(conn, unsent, unit);
    if (unsent == 0) {
        return PL_TCP_NEXT_LESS;
    }
    int64_t room = window_room(conn);
    if (room <= 0) {
        note_blocked(conn, now);
        return pl_reinject_head(sf, max, out, now) ? PL_TCP_NEXT_DATA : PL_TCP_NEXT_WINDOW;
    }
    room -= window_reserve(conn, now);
    if (room <= 0) { /* a DATA_ACK will come */
        note_blocked(conn, now);
        sf->windowed = true;
        return pl_reinject_head(sf, max, out, now) ? PL_TCP_NEXT_DATA : PL_TCP_NEXT_NOTHING;
    }
    int64_t len = unsent < max ? unsent : max;
    if (room < len) {
        len = room;
        if (len < SMALL && pl_send_outstanding(conn)) {
            sf->windowed = true;
            return PL_TCP_NEXT_NOTHING; /* a DATA_ACK will come and open the window */
        }
    }
    take(sf, (uint32_t)len, out, now);
    return PL_TCP_NEXT_DATA;
}

/* Frees the chain up to `to`. */
static void release(struct pl_send *s, pl_seq64 to) {
    PL_ASSERT(pl_seq64_lt(s->una, to) && pl_seq64_le(to, s->nxt));
    uint64_t n = (uint64_t)pl_seq64_diff(to, s->una);
    s->una = to;
    while (n > 0 || (s->head != NULL && s->head_offset == s->head->len)) {
        PL_ASSERT(s->head != NULL);
        uint32_t part = s->head->len - s->head_offset;
        if (n < part) {
            s->head_offset += (uint32_t)n;
            return;
        }
        n -= part;
        struct pl_chunk *next = s->head->next;
        if (next == NULL) { /* everything written is acknowledged */
            PL_ASSERT(n == 0 && pl_seq64_eq(s->una, s->end));
            pl_chunk_unref(s->head);
            s->head = NULL;
            s->tail = NULL;
            s->cursor = NULL;
            s->cursor_offset = 0;
            s->head_offset = 0;
            s->tail_own = false;
            return;
        }
        if (s->cursor == s->head) {
            s->cursor = next;
            s->cursor_offset = 0;
        }
        pl_chunk_ref(next);
        pl_chunk_unref(s->head);
        s->head = next;
        s->head_offset = 0;
    }
}

void pl_send_wake_writer(struct pl_conn *conn) {
    struct pl_send *s = &conn->send;
    uint32_t worth = s->limit_bytes / 4, lowat = pl_conn_tuning(conn)->notsent_lowat;
    worth = lowat > 0 && lowat / 2 < worth ? lowat / 2 + 1 : worth;
    if (s->blocked && pl_send_room(conn) >= (int64_t)worth) {
        s->blocked = false;
        s->memory_retry = PLAIT_TIME_NEVER;
        pl_conn_say(conn, PLAIT_EVENT_WRITABLE, NULL, 0, 0);
    }
}

void pl_send_data_ack(struct pl_conn *conn, pl_seq64 ack, uint64_t window, plait_time now) {
    struct pl_send *s = &conn->send;
    pl_seq64 last = pl_seq64_add(s->nxt, s->fin_sent && pl_send_all_sent(conn) ? 1 : 0);
    if (pl_seq64_lt(last, ack)) {
        return; /* acknowledges what was never sent */
    }
    pl_seq64 edge = pl_seq64_add(ack, window);
    bool opened = pl_seq64_lt(s->window_edge, edge);
    bool waited = pl_send_outstanding(conn);
    s->window_edge = pl_seq64_max(s->window_edge, edge);
    if (pl_seq64_lt(s->end, ack) && !s->fin_acked) {
        s->fin_acked = true;
        pl_conn_touch(conn);
    }
    pl_seq64 to = pl_seq64_min(ack, s->end);
    if (pl_seq64_lt(s->una, to)) {
        conn->bytes_acked += (uint64_t)pl_seq64_diff(to, s->una);
        conn->broken = false;
        s->progress = now;
        s->stall_backoff = 0;
        release(s, to);
        pl_send_wake_writer(conn);
        opened = opened || conn->serial_next > 2; /* window_reserve has become less */
        if ((s->fin_wanted || conn->abort_error != 0) && pl_seq64_eq(s->una, s->end)) {
            pl_conn_touch(conn);
        }
    }
    /* A small remainder of the window is used when nothing more is outstanding (pl_send_next). */
    opened = opened || (waited && !pl_send_outstanding(conn));
    if (opened && !pl_send_all_sent(conn) && conn->mode == PL_MODE_MPTCP) {
        pl_conn_kick(conn);
    }
}

void pl_send_check(const struct pl_conn *conn) {
    const struct pl_send *s = &conn->send;
    uint64_t held = 0, before_cursor = 0;
    bool passed = false;
    PL_ASSERT(pl_seq64_le(s->una, s->nxt));
    PL_ASSERT(pl_seq64_le(s->nxt, s->end));
    PL_ASSERT((s->head == NULL) == (s->tail == NULL));
    PL_ASSERT((s->head == NULL) == pl_seq64_eq(s->una, s->end));
    PL_ASSERT(s->head != NULL || s->cursor == NULL);
    for (const struct pl_chunk *c = s->head; c != NULL; c = c->next) {
        passed = passed || c == s->cursor;
        before_cursor += passed ? 0 : c->len;
        held += c->len;
        PL_ASSERT((c->next == NULL) == (c == s->tail));
    }
    PL_ASSERT(s->head == NULL || passed);
    PL_ASSERT(held == (uint64_t)pl_seq64_diff(s->end, s->una) + s->head_offset);
    PL_ASSERT(s->head == NULL || before_cursor + s->cursor_offset ==
                                     (uint64_t)pl_seq64_diff(s->nxt, s->una) + s->head_offset);
    PL_ASSERT(s->limit_bytes <= s->limit_bytes_max);
    PL_ASSERT(!s->fin_sent || s->fin_wanted);
    PL_ASSERT(s->memory_retry == PLAIT_TIME_NEVER || s->blocked);
    pl_reinject_check(conn);
}

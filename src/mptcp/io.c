/* mptcp/io.c - the application's side of a connection: write, read, splice, poll. */
#include <string.h>

#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"

enum { CHUNK_MIN = 2048, CHUNK_MAX = 65536, MEMORY_RETRY_MS = 10 };

static int write_allowed(const struct pl_conn *conn) {
    if (conn->error < 0) {
        return conn->error;
    }
    if (conn->state == PL_CONN_NEW) {
        return PLAIT_E_BAD_STATE;
    }
    return conn->send.fin_wanted || conn->state == PL_CONN_CLOSED ? PLAIT_E_CLOSED : 0;
}

/* How much a new chunk for written bytes may hold. */
static uint32_t write_capacity(struct pl_conn *conn) {
    uint64_t left = pl_conn_write_room(conn);
    return left < CHUNK_MAX ? (uint32_t)left : CHUNK_MAX;
}

/* Adds bytes to the tail chunk or a new one; 0 when memory is out. */
static uint32_t append_some(struct pl_conn *conn, const uint8_t *data, uint32_t len) {
    PL_ASSERT(len > 0 && len <= CHUNK_MAX);
    struct pl_send *s = &conn->send;
    if (s->tail != NULL && s->tail_own) {
        uint32_t n = pl_chunk_append(s->tail, data, len);
        if (n > 0) {
            s->end = pl_seq64_add(s->end, n);
            s->written_bytes += n;
            return n;
        }
    }
    uint32_t capacity = write_capacity(conn);
    if (capacity < CHUNK_MIN) {
        return 0;
    }
    uint32_t cap = len < CHUNK_MIN ? CHUNK_MIN : len;
    struct pl_chunk *chunk = pl_chunk_alloc(&conn->ctx->memory, cap > capacity ? capacity : cap);
    if (chunk == NULL) {
        return 0;
    }
    uint32_t n = pl_chunk_append(chunk, data, len);
    pl_send_append(conn, chunk);
    s->tail_own = true;
    return n;
}

/* Memory is out: nobody will say when there is some again, so the writer is woken by the clock. */
static void blocked_by_memory(struct pl_conn *conn, plait_time now) {
    PL_ASSERT(conn->state != PL_CONN_NEW);
    conn->send.blocked = true;
    conn->send.memory_retry = now + MEMORY_RETRY_MS * PLAIT_NS_PER_MS;
    pl_conn_touch(conn);
}

/* The user timeout of what is written into an empty queue starts now. */
static void queue_begins(struct pl_conn *conn, plait_time now) {
    if (pl_seq64_eq(conn->send.una, conn->send.end)) {
        conn->send.progress = now;
    }
}

int64_t pl_conn_write(struct pl_conn *conn, const void *data, size_t len, plait_time now) {
    const uint8_t *bytes = data;
    int rc = write_allowed(conn);
    if (rc < 0) {
        return rc;
    }
    int64_t room = pl_send_room(conn);
    uint64_t want = room <= 0 ? 0 : len < (uint64_t)room ? len : (uint64_t)room;
    uint64_t done = 0;
    queue_begins(conn, now);
    conn->send.blocked = want < len;
    conn->send.memory_retry = PLAIT_TIME_NEVER;
    while (done < want) {
        uint64_t left = want - done;
        uint32_t n = append_some(conn, bytes + done, left > CHUNK_MAX ? CHUNK_MAX : (uint32_t)left);
        if (n == 0) {
            blocked_by_memory(conn, now);
            break;
        }
        done += n;
    }
    if (done > 0) {
        pl_conn_kick(conn);
        pl_conn_touch(conn);
    }
    return done > 0 || len == 0 ? (int64_t)done : PLAIT_E_AGAIN;
}

int64_t pl_conn_write_buf(struct pl_conn *conn, struct plait_buf *buf, const uint8_t *data,
                          uint32_t len, plait_time now) {
    PL_ASSERT(data >= buf->data && len <= buf->cap);
    int rc = write_allowed(conn);
    if (rc < 0) {
        return rc;
    }
    int64_t room = pl_send_room(conn);
    uint32_t want = room <= 0 ? 0 : len < (uint64_t)room ? len : (uint32_t)room;
    struct pl_chunk *chunk = NULL;
    if (want > 0 && buf->cap <= pl_conn_write_room(conn)) {
        chunk = pl_chunk_of(&conn->ctx->memory, buf, data, want);
    }
    if (chunk == NULL) { /* what fits, copied; or what there is to say */
        return pl_conn_write(conn, data, len, now);
    }
    queue_begins(conn, now);
    conn->send.blocked = want < len;
    conn->send.memory_retry = PLAIT_TIME_NEVER;
    pl_send_append(conn, chunk);
    pl_conn_kick(conn);
    pl_conn_touch(conn);
    return want;
}

static int read_allowed(struct pl_conn *conn) {
    const struct pl_recv *r = &conn->recv;
    if (r->ready_bytes > 0) {
        return 1;
    }
    if (r->fin_reached) {
        return 0;
    }
    if (conn->error < 0) {
        return conn->error;
    }
    if (conn->state == PL_CONN_NEW) {
        return PLAIT_E_BAD_STATE;
    }
    conn->recv.starved = true;
    return conn->state == PL_CONN_CLOSED ? 0 : PLAIT_E_AGAIN;
}

int64_t pl_conn_read(struct pl_conn *conn, void *data, size_t len, plait_time now) {
    struct pl_recv *r = &conn->recv;
    uint8_t *out = data;
    size_t done = 0;
    int rc = read_allowed(conn);
    if (rc <= 0) {
        return rc;
    }
    while (done < len && r->head != NULL) {
        uint32_t left = r->head->len - r->head_offset;
        uint32_t part = len - done < left ? (uint32_t)(len - done) : left;
        if (out != NULL) {
            memcpy(out + done, r->head->data + r->head_offset, part);
        }
        done += part;
        r->head_offset += part;
        r->ready_bytes -= part;
        if (r->head_offset < r->head->len) {
            break;
        }
        struct pl_chunk *spent = r->head;
        r->head = spent->next;
        spent->next = NULL;
        pl_chunk_unref(spent);
        r->head_offset = 0;
    }
    if (r->head == NULL) {
        r->tail = NULL;
    }
    r->read_bytes += done;
    pl_recv_read_done(conn, now);
    return (int64_t)done;
}

unsigned pl_conn_peek(const struct pl_conn *conn, struct plait_slice *slices, unsigned max) {
    const struct pl_recv *r = &conn->recv;
    uint32_t covered = 0;
    PL_ASSERT(r->head != NULL || r->ready_bytes == 0);
    return pl_chunk_slices(r->head, r->head_offset, r->ready_bytes, slices, max, &covered);
}

int64_t pl_conn_splice(struct pl_conn *from, struct pl_conn *to, size_t max, plait_time now) {
    int rc = write_allowed(to);
    if (rc < 0) {
        return rc;
    }
    rc = read_allowed(from);
    if (rc <= 0) {
        return rc;
    }
    int64_t room = pl_send_room(to);
    uint64_t want = room <= 0 ? 0 : max < (uint64_t)room ? max : (uint64_t)room;
    uint64_t done = 0;
    queue_begins(to, now);
    to->send.blocked = from->recv.ready_bytes > want;
    to->send.memory_retry = PLAIT_TIME_NEVER;
    while (done < want && from->recv.ready_bytes > 0) {
        uint64_t left = want - done;
        struct pl_chunk *chunk = pl_recv_take(from, left > CHUNK_MAX ? CHUNK_MAX : (uint32_t)left);
        if (chunk == NULL) {
            blocked_by_memory(to, now);
            break;
        }
        done += chunk->len;
        pl_send_append(to, chunk);
        to->send.spliced = true;
    }
    if (done == 0) {
        return PLAIT_E_AGAIN;
    }
    from->recv.read_bytes += done;
    pl_recv_read_done(from, now);
    pl_conn_kick(to);
    pl_conn_touch(to);
    return (int64_t)done;
}

int pl_conn_poll(const struct pl_conn *conn) {
    const struct pl_send *s = &conn->send;
    int bits = 0;
    if (pl_recv_readable(conn) || conn->state == PL_CONN_CLOSED) {
        bits |= PLAIT_POLL_READ;
    }
    if (conn->state == PL_CONN_OPEN && (pl_send_writable(conn) || s->fin_wanted)) {
        bits |= PLAIT_POLL_WRITE;
    }
    if (conn->error < 0) {
        bits |= PLAIT_POLL_DEAD | PLAIT_POLL_WRITE;
    }
    return bits;
}

int pl_conn_set_buffers(struct pl_conn *conn, uint32_t send_bytes, uint32_t receive_bytes) {
    if ((send_bytes != 0 && send_bytes < CHUNK_MIN) ||
        (receive_bytes != 0 && (receive_bytes < CHUNK_MIN || receive_bytes > 1U << 30))) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (send_bytes != 0) {
        conn->send.limit_bytes_max = send_bytes;
        if (conn->send.limit_bytes > send_bytes) {
            conn->send.limit_bytes = send_bytes;
        }
    }
    if (receive_bytes != 0) {
        pl_recv_set_limit(conn, receive_bytes);
    }
    return 0;
}

uint64_t pl_conn_send_queue(const struct pl_conn *conn) {
    return (uint64_t)pl_seq64_diff(conn->send.end, conn->send.una);
}

uint64_t pl_conn_receive_queue(const struct pl_conn *conn) {
    return conn->recv.ready_bytes;
}

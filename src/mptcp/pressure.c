/* mptcp/pressure.c - what a connection holds of the stack's memory, and giving it back.
 *
 * Writers have half of the memory, whoever comes first. A further quarter is shared out evenly: who
 * holds less than that share may write even when the half is gone, so that those who hold much
 * for peers that take nothing cannot silence the others. The rest is for what comes in. When even
 * that is not enough, the stack asks the connections to give way (stack/memory.c). */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"

enum { SHARE_MIN = 2048 };

/* Bytes of the send queue that are everybody's right, without what the stack adds to them. */
static uint64_t share(const struct pl_memory *memory) {
    PL_ASSERT(memory->sharers > 0);
    uint64_t even = memory->max_bytes / 4 / memory->sharers;
    return even > SHARE_MIN + PL_CHUNK_OVERHEAD ? even - PL_CHUNK_OVERHEAD : SHARE_MIN;
}

/* The first chunk is kept until its last byte is acknowledged. */
static uint64_t held(const struct pl_conn *conn) {
    return pl_conn_send_queue(conn) + conn->send.head_offset;
}

bool pl_conn_over_share(const struct pl_conn *conn) {
    return held(conn) > share(&conn->ctx->memory);
}

uint64_t pl_conn_write_room(struct pl_conn *conn) {
    struct pl_memory *m = &conn->ctx->memory;
    uint64_t used = m->used_bytes + PL_CHUNK_OVERHEAD, half = m->max_bytes / 2;
    if (used < half && half - used >= SHARE_MIN) {
        return half - used;
    }
    uint64_t right = share(m), most = half + half / 2;
    uint64_t has = held(conn);
    if (has + SHARE_MIN > right) {
        return 0;
    }
    if (used + SHARE_MIN > most) {
        m->refused = true;
        return 0;
    }
    return right - has < most - used ? right - has : most - used;
}

uint32_t pl_conn_drop_ahead(struct pl_conn *conn) {
    uint64_t before = conn->ctx->memory.used_bytes;
    PL_SUBFLOW_FOREACH(sf, conn) {
        pl_tcp_drop_ahead(&sf->tcp);
    }
    pl_recv_drop_ahead(conn);
    PL_ASSERT(conn->ctx->memory.used_bytes <= before);
    return (uint32_t)(before - conn->ctx->memory.used_bytes);
}

uint64_t pl_conn_stuck_ns(const struct pl_conn *conn, plait_time now) {
    const struct pl_send *s = &conn->send;
    if (conn->state != PL_CONN_OPEN || pl_seq64_eq(s->una, s->end)) {
        return 0;
    }
    plait_time since = s->progress;
    if (conn->orphan && conn->orphan_since > since) {
        since = conn->orphan_since;
    }
    return now > since ? now - since : 0;
}

void pl_conn_give_up(struct pl_conn *conn, plait_time now) {
    PL_ASSERT(conn->state == PL_CONN_OPEN);
    pl_conn_abort(conn, PLAIT_E_NO_MEMORY, now);
    pl_send_drop(conn); /* its owner may be slow to close it */
    PL_ASSERT(pl_conn_send_queue(conn) == 0);
}

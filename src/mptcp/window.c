/* mptcp/window.c - the receive window of a connection (RFC 8684 section 3.3.4). */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"

enum { UPDATE_STEP = 4096 }; /* a window that grew by so much is worth an ACK */

uint32_t pl_recv_window(const struct pl_conn *conn) {
    const struct pl_recv *r = &conn->recv;
    const struct pl_memory *m = &conn->ctx->memory;
    uint64_t free_bytes = m->used_bytes < m->max_bytes ? m->max_bytes - m->used_bytes : 0;
    uint64_t window = r->limit_bytes > r->ready_bytes ? r->limit_bytes - r->ready_bytes : 0;
    window = window < free_bytes ? window : free_bytes;
    int64_t promised = pl_seq64_diff(r->edge, r->nxt);
    return promised > (int64_t)window ? (uint32_t)promised : (uint32_t)window;
}

void pl_recv_promise(struct pl_conn *conn) {
    pl_seq64 edge = pl_seq64_add(conn->recv.nxt, pl_recv_window(conn));
    PL_ASSERT(pl_seq64_le(conn->recv.edge, edge));
    conn->recv.edge = edge;
}

/* After the application read: tell the peer about a window that grew much (RFC 9293 section
 * 3.8.6.2.2). In plain mode TCP knows best. */
void pl_recv_read_done(struct pl_conn *conn, plait_time now) {
    const struct pl_recv *r = &conn->recv;
    (void)now;
    int64_t promised = pl_seq64_diff(r->edge, r->nxt);
    int64_t possible = (int64_t)r->limit_bytes - r->ready_bytes;
    int64_t step = r->limit_bytes / 2 < UPDATE_STEP ? r->limit_bytes / 2 : UPDATE_STEP;
    bool grew = possible >= 2 * promised && possible - promised >= step;
    if (r->fin_reached || (conn->mode == PL_MODE_MPTCP && !grew)) {
        return;
    }
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (conn->mode == PL_MODE_PLAIN) {
            pl_tcp_kick(&sf->tcp);
        } else if (sf->phase == PL_SF_UP || sf->phase == PL_SF_CLOSING) {
            pl_tcp_ack_now(&sf->tcp);
        }
    }
}

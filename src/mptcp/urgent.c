/* mptcp/urgent.c - urgent data of a plain connection (RFC 9293 section 3.8.5).
 *
 * Urgent bytes stay where they are in the stream (RFC 6093 section 6); beside it goes a mark, the
 * position behind them, in each direction. Both are kept as positions in the stream of the
 * connection, and are what matters only while they lie ahead of what was read or acknowledged.
 * MPTCP has no such thing: a pointer is of one subflow, and the stream has others. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"

int pl_conn_urgent_mark(struct pl_conn *conn) {
    struct pl_send *s = &conn->send;
    PL_ASSERT(pl_seq64_le(s->una, s->end));
    bool some = pl_seq64_lt(s->una, s->end);
    if (conn->mode != PL_MODE_PLAIN || conn->state != PL_CONN_OPEN || !some) {
        return PLAIT_E_BAD_STATE;
    }
    conn->urgent_out = s->end;
    conn->urgent_sends = true;
    PL_SUBFLOW_FOREACH(sf, conn) {
        pl_tcp_ack_now(&sf->tcp); /* unless payload says it */
    }
    return 0;
}

uint64_t pl_conn_urgent_left(const struct pl_conn *conn) {
    if (!conn->urgent_came) {
        return 0;
    }
    PL_ASSERT(conn->mode == PL_MODE_PLAIN);
    int64_t left = pl_seq64_diff(conn->urgent_in, conn->recv.nxt);
    left += (int64_t)conn->recv.ready_bytes;
    return left > 0 ? (uint64_t)left : 0;
}

uint32_t pl_urgent_out(struct pl_subflow *sf) {
    struct pl_conn *conn = sf->conn;
    if (!conn->urgent_sends) {
        return 0;
    }
    PL_ASSERT(conn->mode == PL_MODE_PLAIN);
    int64_t ahead = pl_seq64_diff(conn->urgent_out, conn->send.una);
    PL_ASSERT(ahead <= INT32_MAX);
    conn->urgent_sends = ahead > 0;
    return ahead > 0 ? (uint32_t)ahead : 0;
}

void pl_urgent_in(struct pl_subflow *sf, const struct pl_segment *seg) {
    struct pl_conn *conn = sf->conn;
    PL_ASSERT(conn->mode == PL_MODE_PLAIN);
    if ((seg->flags & PL_TCP_URG) == 0 || conn->recv.fin_reached) {
        return;
    }
    pl_seq32 end = pl_seq32_add(seg->seq, seg->urgent);
    int32_t ahead = pl_seq32_diff(end, pl_tcp_rcv_nxt(&sf->tcp));
    if (ahead <= 0) {
        return;
    }
    pl_seq64 mark = pl_seq64_add(conn->recv.nxt, (uint64_t)ahead);
    if (conn->urgent_came && pl_seq64_le(mark, conn->urgent_in)) {
        return; /* it does not go back */
    }
    conn->urgent_in = mark;
    conn->urgent_came = true;
    pl_conn_say(conn, PLAIT_EVENT_URGENT, NULL, 0, 0);
}

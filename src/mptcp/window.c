/* mptcp/window.c - the receive window of a connection (RFC 8684 section 3.3.4), and its size.
 *
 * The window follows the rate: twice what arrives, over all subflows, in one round trip of the
 * slowest path without queues, and more while that grows; but what arrives counts only as far as
 * the application reads it, or a sender could fill the buffer's bound for one that is slow. So much
 * lets a slow path's bytes arrive in their turn while the fast ones go on. A window that is simply
 * large lets the sender queue the surplus on its paths, and when one of them dies, what it held has
 * to wait behind all that. Plain TCP has no other path to wait for; there a sender in slow start,
 * which doubles once before it hears of the window and again before it hears of the next, gets all
 * it can use. Rounds are 10 ms at least: on very short paths the hosts' own delays count. The bound
 * is the socket's.
 */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"

enum {
    UPDATE_STEP = 4096, /* a window that grew by so much is worth an ACK */
    TUNED_START = 256 * 1024,
    ROUND_MS_MIN = 10,
    ROUND_MS_UNKNOWN = 100,
    FREE_SHARE = 4, /* of free memory, what one connection is promised */
};

void pl_recv_set_limit(struct pl_conn *conn, uint32_t bytes) {
    struct pl_recv *r = &conn->recv;
    uint32_t start = r->tuned_bytes > TUNED_START ? r->tuned_bytes : TUNED_START;
    PL_ASSERT(bytes > 0);
    r->limit_bytes = bytes;
    r->tuned_bytes = bytes < start ? bytes : start;
}

/* PLAIT_OPT_RCVLOWAT, but never so much that a full window could not hold it. */
static uint32_t lowat(const struct pl_conn *conn) {
    uint32_t want = pl_conn_tuning(conn)->receive_lowat, most = conn->recv.tuned_bytes / 2;
    return want < most ? want : most;
}

bool pl_recv_readable(const struct pl_conn *conn) {
    const struct pl_recv *r = &conn->recv;
    return r->fin_reached || (r->ready_bytes > 0 && r->ready_bytes >= lowat(conn));
}

/* The window has to have room for what the application waits for. */
void pl_recv_tuned(struct pl_conn *conn) {
    struct pl_recv *r = &conn->recv;
    uint64_t want = 2 * (uint64_t)pl_conn_tuning(conn)->receive_lowat;
    want = want < r->limit_bytes ? want : r->limit_bytes;
    r->tuned_bytes = want > r->tuned_bytes ? (uint32_t)want : r->tuned_bytes;
    PL_ASSERT(r->tuned_bytes <= r->limit_bytes);
}

/* The longest of the subflows' shortest round trips. */
static uint64_t round_ns(const struct pl_conn *conn) {
    uint64_t longest = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        uint64_t rtt = sf->tcp.rtt.min_ns;
        if (sf->phase == PL_SF_UP && rtt != PLAIT_TIME_NEVER && rtt > longest) {
            longest = rtt;
        }
    }
    uint64_t least = ROUND_MS_MIN * PLAIT_NS_PER_MS;
    longest = longest == 0 ? ROUND_MS_UNKNOWN * PLAIT_NS_PER_MS : longest;
    return longest > least ? longest : least;
}

void pl_recv_arrived(struct pl_conn *conn, uint32_t bytes, plait_time now) {
    struct pl_recv *r = &conn->recv;
    r->round_bytes += bytes;
    if (now - r->round_start < round_ns(conn)) {
        return;
    }
    uint64_t read = r->read_bytes - r->round_read + bytes; /* these could not be read so far */
    uint64_t used = r->round_bytes < read ? r->round_bytes : read;
    uint64_t growth = used > r->round_last ? used - r->round_last : 0;
    bool doubling = conn->mode == PL_MODE_PLAIN && growth >= r->round_last / 2;
    uint64_t want = 2 * used + (doubling ? 4 : 2) * growth;
    want = want > r->limit_bytes ? r->limit_bytes : want;
    r->tuned_bytes = want > r->tuned_bytes ? (uint32_t)want : r->tuned_bytes;
    r->round_last = used;
    r->round_read = r->read_bytes;
    r->round_bytes = 0;
    r->round_start = now;
    PL_ASSERT(r->tuned_bytes <= r->limit_bytes);
}

uint32_t pl_recv_window(const struct pl_conn *conn) {
    const struct pl_recv *r = &conn->recv;
    const struct pl_memory *m = &conn->ctx->memory;
    uint64_t free_bytes = m->used_bytes < m->max_bytes ? m->max_bytes - m->used_bytes : 0;
    uint64_t window = r->tuned_bytes > r->ready_bytes ? r->tuned_bytes - r->ready_bytes : 0;
    free_bytes /= FREE_SHARE;
    window = window < free_bytes ? window : free_bytes;
    uint32_t clamp = pl_conn_tuning(conn)->window_clamp;
    window = clamp > 0 && window > clamp ? clamp : window;
    int64_t promised = pl_seq64_diff(r->edge, r->nxt);
    return promised > (int64_t)window ? (uint32_t)promised : (uint32_t)window;
}

void pl_recv_promise(struct pl_conn *conn) {
    pl_seq64 edge = pl_seq64_add(conn->recv.nxt, pl_recv_window(conn));
    PL_ASSERT(pl_seq64_le(conn->recv.edge, edge));
    conn->recv.edge = edge;
}

/* Whether our ACKs have a DATA_ACK, or nothing of MPTCP: without, the window says nothing yet. */
static bool says_window(const struct pl_conn *conn) {
    PL_ASSERT(conn->state != PL_CONN_NEW);
    if (conn->mode == PL_MODE_PLAIN || conn->capable == PL_CAPABLE_CONFIRMED) {
        return true;
    }
    return conn->capable == PL_CAPABLE_KEYS && !conn->initiator;
}

/* After the application read: tell the peer about a window that grew much (RFC 9293 section
 * 3.8.6.2.2). In plain mode TCP knows best. */
void pl_recv_read_done(struct pl_conn *conn, plait_time now) {
    const struct pl_recv *r = &conn->recv;
    (void)now;
    int64_t promised = pl_seq64_diff(r->edge, r->nxt);
    int64_t possible = (int64_t)r->tuned_bytes - r->ready_bytes;
    int64_t step = r->tuned_bytes / 2 < UPDATE_STEP ? r->tuned_bytes / 2 : UPDATE_STEP;
    bool grew = possible >= 2 * promised && possible - promised >= step;
    if (r->fin_reached || !says_window(conn) || (conn->mode == PL_MODE_MPTCP && !grew)) {
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

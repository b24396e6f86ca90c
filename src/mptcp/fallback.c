/* mptcp/fallback.c - from MPTCP to plain TCP, and checksum failures (RFC 8684 section 3.7).
 *
 * A connection falls back by a change of mode and of its one subflow's upper: the stream's
 * positions stay. From then on subflow-level acknowledgements count. It is possible only while
 * everything in flight is contiguous on one subflow; when it is not, the subflow that fails is
 * reset and the others carry on. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"

bool pl_fallback_possible(const struct pl_conn *conn, const struct pl_subflow *sf) {
    PL_ASSERT(sf->conn == conn);
    uint32_t alive = 0;
    PL_SUBFLOW_FOREACH(other, conn) {
        alive += other->phase != PL_SF_DEAD ? 1 : 0;
    }
    /* A subflow that has been told to end cannot become the whole stream. */
    bool whole = sf->phase == PL_SF_OPENING || sf->phase == PL_SF_UP;
    return alive <= 1 && !sf->join && whole && conn->mode == PL_MODE_MPTCP &&
           pl_list_empty(&conn->recv.ooo) && pl_list_empty(&conn->send.reinject) &&
           conn->send.reinjected_bytes == 0;
}

static void sum_len(void *arg, uint64_t tag, struct pl_chunk *chunk, uint32_t offset, uint32_t len,
                    const struct pl_tcp_origin *origin) {
    uint64_t *sum = arg;
    (void)tag, (void)chunk, (void)offset, (void)origin;
    *sum += len;
}

void pl_fallback(struct pl_conn *conn, struct pl_subflow *sf, enum pl_fallback_reason reason,
                 plait_time now) {
    uint64_t inflight = 0;
    PL_ASSERT(conn->mode == PL_MODE_MPTCP);
    PL_ASSERT(!sf->join);
    PL_CONN_TRACE(conn, sf->serial, now, fallback, reason, 0, 0, 0);
    bool spoke = conn->capable >= PL_CAPABLE_KEYS;
    conn->mode = PL_MODE_PLAIN;
    pl_conn_count(conn);
    conn->fallen_back = true;
    conn->capable = PL_CAPABLE_NONE;
    conn->fin_on_ack = false;
    /* What is not in flight any more was acknowledged by the subflow. */
    pl_tcp_inflight_walk(&sf->tcp, sum_len, &inflight);
    pl_seq64 una = pl_seq64_of(conn->send.nxt.v - inflight);
    if (pl_seq64_lt(conn->send.una, una)) {
        pl_send_data_ack(conn, una, 0, now);
    }
    conn->infinite_pending = spoke && reason != PL_FALLBACK_INFINITE;
    pl_tcp_set_ops(&sf->tcp, &pl_upper_plain);
    pl_map_flush(sf, now);
    if (conn->token_added) {
        conn->host->token_remove(conn->host->arg, conn);
        conn->token_added = false;
    }
    PL_SUBFLOW_FOREACH(other, conn) {
        if (other != sf) {
            pl_tcp_abort(&other->tcp, PLAIT_E_ABORTED, now);
        }
    }
    if (conn->send.fin_wanted) {
        pl_tcp_shutdown(&sf->tcp, now);
    }
    pl_conn_say(conn, PLAIT_EVENT_FALLBACK, sf, 0, 0);
    pl_tcp_kick(&sf->tcp);
    pl_conn_touch(conn);
}

void pl_checksum_failed(struct pl_subflow *sf, pl_seq64 dsn, plait_time now) {
    PL_ASSERT(sf->conn->checksum);
    PL_ASSERT(sf->conn->mode == PL_MODE_MPTCP);
    PL_ASSERT(sf->phase != PL_SF_DEAD);
    struct pl_conn *conn = sf->conn;
    PL_COUNT(conn->ctx, DataCsumErr);
    sf->fail_pending = true;
    sf->fail_dsn = dsn;
    if (!pl_fallback_possible(conn, sf)) {
        PL_COUNT(conn->ctx, DSSCorruptionReset);
        pl_subflow_reset(sf, PL_RESET_MIDDLEBOX, false, PLAIT_E_PROTOCOL, now);
        return;
    }
    /* One subflow, all contiguous: the bytes are what the path made of them, as with plain TCP.
     * MP_FAIL goes out on the next ACK; the peer answers with an infinite mapping. */
    PL_COUNT(conn->ctx, DSSCorruptionFallback);
    pl_fallback(conn, sf, PL_FALLBACK_MP_FAIL, now);
    pl_tcp_ack_now(&sf->tcp);
}

enum pl_verdict pl_fail_in(struct pl_subflow *sf, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(pl_mptcp_has(&seg->options.mptcp, PL_MP_FAIL));
    PL_ASSERT(sf->conn->mode == PL_MODE_MPTCP);
    struct pl_conn *conn = sf->conn;
    (void)seg;
    PL_COUNT(conn->ctx, MPFailRx);
    if (!pl_fallback_possible(conn, sf)) {
        sf->reset_reason = PL_RESET_MPTCP;
        return PL_VERDICT_RESET;
    }
    sf->fail_pending = true; /* answer in kind (section 3.7) */
    sf->fail_dsn = conn->recv.nxt;
    pl_fallback(conn, sf, PL_FALLBACK_MP_FAIL, now);
    pl_tcp_ack_now(&sf->tcp);
    return PL_VERDICT_OK;
}

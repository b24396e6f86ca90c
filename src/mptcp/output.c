/* mptcp/output.c - a subflow's turn to receive and to send.
 *
 * The scheduler may refuse a subflow in favour of another one. So that nothing is forgotten, a
 * subflow that had its turn and could not go on wakes the others; it counts as `declined` until
 * something happens to it, which ends the round even when the scheduler and TCP disagree about who
 * can send. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"

/* Sees to it that payload that is needed now is not refused for payload that is needed later. */
static void make_room(struct pl_subflow *sf, const struct pl_segment *seg,
                      const struct plait_buf *buf) {
    struct pl_conn *conn = sf->conn;
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    if (seg->payload_len == 0 || conn->mode != PL_MODE_MPTCP || !pl_mptcp_has(o, PL_MP_DSS) ||
        !o->dss.has_map || o->dss.len == 0) {
        return;
    }
    pl_seq64 dsn = o->dss.dsn_is_64 ? pl_seq64_of(o->dss.dsn)
                                    : pl_seq64_expand(conn->recv.nxt, (uint32_t)o->dss.dsn);
    pl_recv_make_room(conn, dsn, buf->cap + PL_CHUNK_OVERHEAD);
}

void pl_subflow_input(struct pl_subflow *sf, const struct pl_segment *seg, struct plait_buf *buf,
                      plait_time now) {
    sf->declined = false;
    make_room(sf, seg, buf);
    pl_tcp_input(&sf->tcp, seg, buf, now);
    /* TIME-WAIT is the end of a plain connection and FIN-WAIT-2 shortens the patience with one that
     * nobody has; TCP has no events for them. */
    enum pl_tcp_state state = pl_tcp_state(&sf->tcp);
    if (sf->phase == PL_SF_DEAD || state == PL_TCP_ST_TIME_WAIT ||
        (state == PL_TCP_ST_FIN_WAIT_2 && sf->conn->orphan)) {
        pl_conn_touch(sf->conn);
    }
}

static void wake_others(struct pl_subflow *sf) {
    PL_ASSERT(sf->phase == PL_SF_UP);
    struct pl_conn *conn = sf->conn;
    if (pl_send_all_sent(conn) && pl_list_empty(&conn->send.reinject)) {
        return;
    }
    PL_SUBFLOW_FOREACH(other, conn) {
        if (other != sf && other->phase == PL_SF_UP && !other->declined) {
            pl_tcp_kick(&other->tcp);
        }
    }
}

bool pl_subflow_output(struct pl_subflow *sf, struct pl_tcp_tx *tx, plait_time now) {
    sf->denied = false;
    if (pl_tcp_output(&sf->tcp, tx, now)) {
        sf->declined = false;
        return true;
    }
    if (sf->phase == PL_SF_UP && !sf->denied && sf->conn->subflow_count > 1) {
        sf->declined = true;
        wake_others(sf);
    }
    if (sf->phase == PL_SF_DEAD) {
        pl_conn_touch(sf->conn);
    }
    return false;
}

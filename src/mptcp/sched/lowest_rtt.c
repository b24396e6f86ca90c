/* mptcp/sched/lowest_rtt.c - the default scheduler: the lowest smoothed RTT among the subflows that
 * have room.
 *
 * Backups count only when nothing else is alive (RFC 8684 section 3.3.8), stale subflows only when
 * all are stale. A subflow that had its chance and sent nothing (declined) does not block the
 * others. */
#include "base/assert.h"
#include "mptcp/sched/sched.h"
#include "mptcp/subflow.h"

static struct pl_subflow *prefer(struct pl_conn *conn, struct pl_subflow *asking, plait_time now) {
    PL_ASSERT(pl_subflow_usable(asking));
    struct pl_subflow *best = asking;
    PL_ASSERT(asking->conn == conn);
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf == asking || !pl_subflow_usable(sf) || pl_sched_rank(sf) > pl_sched_rank(best)) {
            continue;
        }
        if (pl_sched_rank(sf) <
            pl_sched_rank(best)) { /* a better class wins even when it is full */
            best = sf;
            continue;
        }
        if (!sf->declined && pl_sched_faster(sf, best) && pl_tcp_can_send(&sf->tcp, now)) {
            best = sf;
        }
    }
    return best == asking ? NULL : best;
}

const struct pl_sched pl_sched_lowest_rtt = {.name = "lowest-rtt", .prefer = prefer};

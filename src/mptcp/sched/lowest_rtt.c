/* mptcp/sched/lowest_rtt.c - the default scheduler: the lowest smoothed RTT among the subflows that
 * have room.
 *
 * Backups count only when nothing else is alive (RFC 8684 section 3.3.8), stale subflows only when
 * all are stale. A subflow that had its chance and sent nothing (declined) does not block the
 * others. */
#include "base/assert.h"
#include "mptcp/sched/sched.h"
#include "mptcp/subflow.h"

/* Smaller is better: alive before stale, regular before backup. */
static unsigned rank(const struct pl_subflow *sf) {
    return (sf->stale ? 2U : 0U) + (sf->backup || sf->backup_peer ? 1U : 0U);
}

static bool better(const struct pl_subflow *a, const struct pl_subflow *b) {
    PL_ASSERT(a->conn == b->conn);
    uint64_t rtt_a = a->tcp.rtt.srtt_ns, rtt_b = b->tcp.rtt.srtt_ns;
    if (rtt_a != rtt_b) {
        return rtt_a < rtt_b;
    }
    return a->serial < b->serial;
}

static struct pl_subflow *prefer(struct pl_conn *conn, struct pl_subflow *asking, plait_time now) {
    PL_ASSERT(pl_subflow_usable(asking));
    struct pl_subflow *best = asking;
    PL_ASSERT(asking->conn == conn);
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf == asking || !pl_subflow_usable(sf) || rank(sf) > rank(best)) {
            continue;
        }
        if (rank(sf) < rank(best)) { /* a better class wins even when it is full */
            best = sf;
            continue;
        }
        if (!sf->declined && better(sf, best) && pl_tcp_can_send(&sf->tcp, now)) {
            best = sf;
        }
    }
    return best == asking ? NULL : best;
}

const struct pl_sched pl_sched_lowest_rtt = {"lowest-rtt", prefer};

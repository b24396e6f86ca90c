/* mptcp/sched/backup.c - one path at a time, the others in hot standby (RFC 6897 appendix A.2): for
 * those who want an even delay more than the sum of the rates.
 *
 * The subflow in use stays in use while it lives and nothing of a better class comes up; the next
 * one is the fastest then. So the delay of the stream is that of one path, and does not move with
 * small changes of the round-trip times. */
#include "base/assert.h"
#include "mptcp/sched/sched.h"
#include "mptcp/subflow.h"

struct active {
    uint32_t serial;
};

static struct pl_subflow *choose(const struct pl_conn *conn, struct pl_subflow *asking) {
    const struct active *active = conn->sched_state;
    unsigned rank = pl_sched_best_rank(conn, asking);
    struct pl_subflow *best = NULL;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (!pl_subflow_usable(sf) || pl_sched_rank(sf) != rank) {
            continue;
        }
        if (sf->serial == active->serial) {
            return sf;
        }
        best = best == NULL || pl_sched_faster(sf, best) ? sf : best;
    }
    PL_ASSERT(best != NULL);
    return best;
}

/* The one in use may be full: then the bytes wait for it. */
static struct pl_subflow *prefer(struct pl_conn *conn, struct pl_subflow *asking, plait_time now) {
    struct active *active = conn->sched_state;
    struct pl_subflow *best = choose(conn, asking);
    (void)now;
    active->serial = best->serial;
    return best == asking ? NULL : best;
}

const struct pl_sched pl_sched_backup = {
    .name = "backup",
    .state_bytes = sizeof(struct active),
    .prefer = prefer,
};

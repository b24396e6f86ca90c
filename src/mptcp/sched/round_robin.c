/* mptcp/sched/round_robin.c - one after the other: each subflow that has room takes one segment (of
 * up to 64 KB where a device cuts them), then it is the next one's turn.
 *
 * Of use where paths are alike and a test or an operator wants all of them used; on unlike paths
 * the slow ones hold up the reassembly of what the fast ones carry. */
#include "base/assert.h"
#include "mptcp/sched/sched.h"
#include "mptcp/subflow.h"

struct turn {
    uint32_t last; /* serial of the subflow that took data last */
};

/* Which of two comes first after `last`: in the order of serials, and round again. */
static bool before(uint32_t a, uint32_t b, uint32_t last) {
    PL_ASSERT(a != b);
    if ((a > last) != (b > last)) {
        return a > last;
    }
    return a < b;
}

static struct pl_subflow *prefer(struct pl_conn *conn, struct pl_subflow *asking, plait_time now) {
    const struct turn *turn = conn->sched_state;
    unsigned rank = pl_sched_best_rank(conn, asking);
    struct pl_subflow *next = pl_sched_rank(asking) == rank ? asking : NULL;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf == asking || !pl_subflow_usable(sf) || pl_sched_rank(sf) != rank) {
            continue;
        }
        if (next == NULL ||
            (before(sf->serial, next->serial, turn->last) && pl_sched_ready(sf, now))) {
            next = sf;
        }
    }
    PL_ASSERT(next != NULL);
    return next == asking ? NULL : next;
}

static void took(struct pl_conn *conn, struct pl_subflow *sf, uint32_t bytes) {
    struct turn *turn = conn->sched_state;
    PL_ASSERT(bytes > 0);
    turn->last = sf->serial;
}

const struct pl_sched pl_sched_round_robin = {
    .name = "roundrobin",
    .state_bytes = sizeof(struct turn),
    .prefer = prefer,
    .took = took,
};

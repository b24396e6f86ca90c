/* mptcp/sched/sched.c - choosing a scheduler, and what the built-in ones share. */
#include "mptcp/sched/sched.h"

#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"

static const struct pl_sched *const builtin[PLAIT_SCHED_BUILTIN_COUNT] = {
    [PLAIT_SCHED_LOWEST_RTT] = &pl_sched_lowest_rtt,
    [PLAIT_SCHED_ROUND_ROBIN] = &pl_sched_round_robin,
    [PLAIT_SCHED_REDUNDANT] = &pl_sched_redundant,
    [PLAIT_SCHED_BACKUP] = &pl_sched_backup,
    [PLAIT_SCHED_ECF] = &pl_sched_ecf,
    [PLAIT_SCHED_BLEST] = &pl_sched_blest,
};

const struct pl_sched *pl_sched_builtin(int64_t id) {
    return id >= 0 && id < PLAIT_SCHED_BUILTIN_COUNT ? builtin[id] : NULL;
}

int pl_sched_set(struct pl_conn *conn, const struct pl_sched *sched) {
    PL_ASSERT(sched->name != NULL && sched->prefer != NULL);
    PL_ASSERT((sched->copy == NULL) == (sched->copied == NULL));
    void *state = NULL;
    if (sched == conn->sched) {
        return 0;
    }
    if (sched->state_bytes > 0) {
        state = pl_ctx_alloc(conn->ctx, sched->state_bytes);
        if (state == NULL) {
            return PLAIT_E_NO_MEMORY;
        }
    }
    pl_sched_fini(conn);
    conn->sched = sched;
    conn->sched_state = state;
    pl_conn_kick(conn);
    return 0;
}

void pl_sched_fini(struct pl_conn *conn) {
    PL_ASSERT(conn->sched_state == NULL || conn->sched->state_bytes > 0);
    if (conn->sched_state != NULL) {
        pl_ctx_free(conn->ctx, conn->sched_state, conn->sched->state_bytes);
    }
    conn->sched_state = NULL;
}

unsigned pl_sched_best_rank(const struct pl_conn *conn, const struct pl_subflow *asking) {
    PL_ASSERT(pl_subflow_usable(asking) && asking->conn == conn);
    unsigned best = pl_sched_rank(asking);
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (pl_subflow_usable(sf) && pl_sched_rank(sf) < best) {
            best = pl_sched_rank(sf);
        }
    }
    return best;
}

bool pl_sched_faster(const struct pl_subflow *a, const struct pl_subflow *b) {
    PL_ASSERT(a->conn == b->conn);
    uint64_t rtt_a = a->tcp.rtt.srtt_ns, rtt_b = b->tcp.rtt.srtt_ns;
    if (rtt_a != rtt_b) {
        return rtt_a < rtt_b;
    }
    return a->serial < b->serial;
}

bool pl_sched_ready(const struct pl_subflow *sf, plait_time now) {
    return pl_subflow_usable(sf) && !sf->declined && pl_tcp_can_send(&sf->tcp, now);
}

struct pl_subflow *pl_sched_fastest(struct pl_conn *conn, unsigned rank, bool ready,
                                    plait_time now) {
    struct pl_subflow *best = NULL;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (pl_subflow_usable(sf) && pl_sched_rank(sf) == rank &&
            (!ready || pl_sched_ready(sf, now)) && (best == NULL || pl_sched_faster(sf, best))) {
            best = sf;
        }
    }
    return best;
}

bool pl_sched_awaited(const struct pl_subflow *sf) {
    struct pl_tcp_info info;
    if (!pl_subflow_usable(sf) || sf->stale) {
        return false;
    }
    pl_tcp_info(&sf->tcp, &info);
    return info.inflight_bytes > 0;
}

struct pl_subflow *pl_sched_patient(struct pl_conn *conn, struct pl_subflow *asking,
                                    pl_sched_wait *wait, plait_time now) {
    unsigned rank = pl_sched_best_rank(conn, asking);
    struct pl_subflow *fast = pl_sched_fastest(conn, rank, false, now);
    PL_ASSERT(fast != NULL);
    if (pl_sched_rank(asking) != rank) {
        return fast;
    }
    struct pl_subflow *next = pl_sched_fastest(conn, rank, true, now);
    if (next == NULL || pl_sched_faster(asking, next)) {
        next = asking;
    }
    if (next != fast && pl_sched_awaited(fast) && wait(conn, fast, next, now)) {
        next = fast;
    }
    return next == asking ? NULL : next;
}

/* mptcp/sched/ecf.c - earliest completion first (Lim, Nahum, Towsley, Gibbens: ECF, CoNEXT 2017).
 *
 * The fastest subflow takes what it can. When it is full, the next one takes data only if that
 * brings the end of what is to be sent nearer: not if the fast one would have sent all of it by the
 * time that the slow one's segment has arrived. */
#include "base/assert.h"
#include "mptcp/sched/sched.h"
#include "mptcp/subflow.h"

enum { BETA_INVERSE = 4 };

struct patience {
    bool waiting; /* it was decided to wait, which takes a little more to be given up again */
};

static uint64_t cwnd_of(const struct pl_subflow *sf) {
    struct pl_tcp_info info;
    pl_tcp_info(&sf->tcp, &info);
    return info.cwnd_bytes > 0 ? info.cwnd_bytes : 1;
}

/* Whether all that is written is done sooner if the slow one leaves it to the fast one. */
static bool better_wait(struct pl_conn *conn, const struct pl_subflow *fast,
                        const struct pl_subflow *slow, plait_time now) {
    struct patience *patience = conn->sched_state;
    (void)now;
    uint64_t left = (uint64_t)pl_seq64_diff(conn->send.end, conn->send.nxt);
    uint64_t rtt_f = fast->tcp.rtt.srtt_ns, rtt_s = slow->tcp.rtt.srtt_ns;
    uint64_t var_f = fast->tcp.rtt.rttvar_ns, var_s = slow->tcp.rtt.rttvar_ns;
    uint64_t margin = var_f > var_s ? var_f : var_s;
    PL_ASSERT(rtt_f <= rtt_s);
    uint64_t by_slow = rtt_s + margin;
    by_slow += patience->waiting ? by_slow / BETA_INVERSE : 0;
    uint64_t rounds = left / cwnd_of(fast);
    if (rounds > 64 || (rounds + 1) * rtt_f >= by_slow) {
        patience->waiting = false;
        return false;
    }
    uint64_t slow_rounds = (left + cwnd_of(slow) - 1) / cwnd_of(slow);
    if (slow_rounds * rtt_s < 2 * rtt_f + margin) {
        return false;
    }
    patience->waiting = true;
    return true;
}

static struct pl_subflow *prefer(struct pl_conn *conn, struct pl_subflow *asking, plait_time now) {
    return pl_sched_patient(conn, asking, better_wait, now);
}

const struct pl_sched pl_sched_ecf = {
    .name = "ecf",
    .state_bytes = sizeof(struct patience),
    .prefer = prefer,
};

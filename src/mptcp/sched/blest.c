/* mptcp/sched/blest.c - blocking estimation (Ferlin, Alay, Mehani, Boreli: BLEST, IFIP Networking
 * 2016).
 *
 * The fastest subflow takes what it can. When it is full, the next one takes data only if the
 * window has room for that *and* for all that the fast one can send until the slow one's segment is
 * acknowledged. Else that segment would hold the window shut, and the fast path would stand still
 * for it. The estimate is scaled by what came of earlier ones. */
#include "base/assert.h"
#include "mptcp/sched/sched.h"
#include "mptcp/subflow.h"

enum { SCALE_ONE = 1000, SCALE_MAX = 4000, SCALE_STEP = 10, RATIO_MAX = 64 };

struct estimate {
    plait_time judged_at; /* when `scale` was adapted last */
    uint32_t scale;       /* thousandths; 0: not begun */
    bool blocked;         /* the window was used up since then */
};

/* Once a round trip of the slow path: more careful after a window that was used up, else less. */
static void adapt(struct estimate *e, const struct pl_subflow *slow, plait_time now) {
    if (e->scale == 0) {
        *e = (struct estimate){.scale = SCALE_ONE, .judged_at = now};
    }
    if (now - e->judged_at < slow->tcp.rtt.srtt_ns) {
        return;
    }
    e->judged_at = now;
    if (e->blocked && e->scale < SCALE_MAX) {
        e->scale += SCALE_STEP;
    } else if (!e->blocked && e->scale > SCALE_ONE) {
        e->scale -= SCALE_STEP;
    }
    e->blocked = false;
    PL_ASSERT(e->scale >= SCALE_ONE && e->scale <= SCALE_MAX);
}

/* What the fast one sends in a round trip of the slow one, growing by a segment each of its own. */
static uint64_t meanwhile(const struct pl_tcp_info *fast, const struct pl_subflow *slow) {
    uint64_t ratio = fast->srtt_ns > 0 ? slow->tcp.rtt.srtt_ns / fast->srtt_ns : 1;
    ratio = ratio < 1 ? 1 : ratio > RATIO_MAX ? RATIO_MAX : ratio;
    return (fast->cwnd_bytes + (ratio - 1) * fast->mss / 2) * ratio;
}

static bool would_block(struct pl_conn *conn, const struct pl_subflow *fast,
                        const struct pl_subflow *slow, plait_time now) {
    struct estimate *e = conn->sched_state;
    struct pl_tcp_info f, s;
    PL_ASSERT(fast != slow);
    pl_tcp_info(&fast->tcp, &f);
    pl_tcp_info(&slow->tcp, &s);
    adapt(e, slow, now);
    int64_t window = pl_seq64_diff(conn->send.window_edge, conn->send.una);
    int64_t left = window - (int64_t)s.inflight_bytes - (int64_t)s.mss;
    return (int64_t)(meanwhile(&f, slow) * e->scale / SCALE_ONE) > left;
}

static struct pl_subflow *prefer(struct pl_conn *conn, struct pl_subflow *asking, plait_time now) {
    return pl_sched_patient(conn, asking, would_block, now);
}

static void blocked(struct pl_conn *conn, plait_time now) {
    struct estimate *e = conn->sched_state;
    (void)now;
    e->blocked = true;
}

const struct pl_sched pl_sched_blest = {
    .name = "blest",
    .state_bytes = sizeof(struct estimate),
    .prefer = prefer,
    .blocked = blocked,
};

/* mptcp/sched/sched.h - schedulers decide which subflow takes the next new bytes.
 *
 * Output is pulled: a port asks a subflow, and the subflow asks for data. So a scheduler is asked
 * "may this subflow take data now?". Whoever is refused is woken when the subflows that were
 * preferred stop sending (mptcp/output.c). Only usable subflows ask.
 *
 * A scheduler may make the asking one wait for another that has no room now, but only for one that
 * something will happen to (pl_sched_awaited): else nobody would send, for ever.
 *
 * What it has to remember is conn->sched_state: `state_bytes` zeros at first, that only it reads.
 */
#ifndef PL_MPTCP_SCHED_SCHED_H
#define PL_MPTCP_SCHED_SCHED_H

#include "mptcp/state.h"
#include "plait/scheduler.h"

struct pl_sched {
    const char *name;
    uint32_t state_bytes;
    /* NULL: take it. Otherwise the subflow that should take it instead. */
    struct pl_subflow *(*prefer)(struct pl_conn *conn, struct pl_subflow *asking, plait_time now);
    /* `sf` took the new bytes up to conn->send.nxt. NULL: no need to know. */
    void (*took)(struct pl_conn *conn, struct pl_subflow *sf, uint32_t bytes);
    /* Bytes that are out already and that `sf` should carry, too, from *from on; false: none. NULL:
     * bytes go out once. */
    bool (*copy)(struct pl_conn *conn, struct pl_subflow *sf, pl_seq64 *from);
    /* Copies up to `end` were given to `sf`. */
    void (*copied)(struct pl_conn *conn, struct pl_subflow *sf, pl_seq64 end);
    /* The connection's window is used up. NULL: no need to know. */
    void (*blocked)(struct pl_conn *conn, plait_time now);
};

extern const struct pl_sched pl_sched_lowest_rtt, pl_sched_round_robin, pl_sched_redundant,
    pl_sched_backup, pl_sched_ecf, pl_sched_blest;

/* The built-in scheduler of an enum plait_sched, NULL when there is none. */
const struct pl_sched *pl_sched_builtin(int64_t id);
/* From here on `sched` decides. Errors: NO_MEMORY, and the old one goes on. */
PLAIT_MUST_CHECK int pl_sched_set(struct pl_conn *conn, const struct pl_sched *sched);
void pl_sched_fini(struct pl_conn *conn);

/* What all of them agree on: alive before stale, regular before backup (RFC 8684 section 3.3.8).
 * Smaller is better, and a better class wins even when it is full. */
static inline unsigned pl_sched_rank(const struct pl_subflow *sf) {
    return (sf->stale ? 2U : 0U) + (sf->backup || sf->backup_peer ? 1U : 0U);
}
/* The best rank that a usable subflow has; `asking` is one. */
unsigned pl_sched_best_rank(const struct pl_conn *conn, const struct pl_subflow *asking);
/* The lower RTT, and of equal ones the older subflow. */
bool pl_sched_faster(const struct pl_subflow *a, const struct pl_subflow *b);
/* The fastest usable subflow of this rank, or NULL; `ready`: of those that have room. */
struct pl_subflow *pl_sched_fastest(struct pl_conn *conn, unsigned rank, bool ready,
                                    plait_time now);
/* It could take new bytes now, and did not pass its last chance by. */
bool pl_sched_ready(const struct pl_subflow *sf, plait_time now);
/* It has no room now, but will be heard of: an acknowledgement, or its retransmission timer. */
bool pl_sched_awaited(const struct pl_subflow *sf);
/* Whether the fastest subflow, which is full, should be waited for rather than `slow` be used. */
typedef bool pl_sched_wait(struct pl_conn *conn, const struct pl_subflow *fast,
                           const struct pl_subflow *slow, plait_time now);
/* The answer to `prefer` of those who take the fastest subflow that has room, unless it is worth
 * waiting for a faster one. */
struct pl_subflow *pl_sched_patient(struct pl_conn *conn, struct pl_subflow *asking,
                                    pl_sched_wait *wait, plait_time now);

#endif

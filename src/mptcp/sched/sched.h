/* mptcp/sched/sched.h - schedulers decide which subflow takes the next new bytes.
 *
 * Output is pulled: a port asks a subflow, and the subflow asks for data. So a scheduler is asked
 * "may this subflow take data now?". Whoever is refused is woken when the subflows that were
 * preferred stop sending (mptcp/output.c). Only usable subflows ask. */
#ifndef PL_MPTCP_SCHED_SCHED_H
#define PL_MPTCP_SCHED_SCHED_H

#include "mptcp/state.h"

struct pl_sched {
    const char *name;
    /* NULL: take it. Otherwise the subflow that should take it instead. */
    struct pl_subflow *(*prefer)(struct pl_conn *conn, struct pl_subflow *asking, plait_time now);
};

extern const struct pl_sched pl_sched_lowest_rtt;

#endif

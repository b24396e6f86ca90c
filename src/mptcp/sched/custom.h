/* mptcp/sched/custom.h - schedulers that the embedder brought (plait/scheduler.h). */
#ifndef PL_MPTCP_SCHED_CUSTOM_H
#define PL_MPTCP_SCHED_CUSTOM_H

#include "mptcp/sched/sched.h"

enum {
    PL_SCHED_PATHS_MAX = 36,      /* subflows_max at most, and those that are being replaced */
    PL_SCHED_PATH_SIZE_MAX = 256, /* of an author's struct plait_sched_path */
};

struct pl_sched_custom {
    struct pl_sched ops;
    struct plait_scheduler outer; /* ops.name points into it */
    size_t path_size;             /* of a struct plait_sched_path, as its author knows it */
};

void pl_sched_custom_init(struct pl_sched_custom *custom, const struct plait_scheduler *outer,
                          size_t path_size);

#endif

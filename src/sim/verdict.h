/* sim/verdict.h - what a run found wrong. Every checker is handed the same verdict; the first
 * failure stays, later ones are counted only, because they mostly follow from it. */
#ifndef PL_SIM_VERDICT_H
#define PL_SIM_VERDICT_H

#include "plait/types.h"

struct pl_sim_verdict {
    const plait_time *clock; /* the run's virtual time */
    unsigned failures;
    plait_time time;  /* of the first one */
    char reason[240]; /* of the first one; "" while there is none */
};

__attribute__((format(printf, 2, 3))) void pl_sim_fail(struct pl_sim_verdict *verdict,
                                                       const char *format, ...);

#endif

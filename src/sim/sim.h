/* sim/sim.h - running seeds.
 *
 * pl_sim_run() runs one seed in this process; a broken invariant aborts it. pl_sim_jobs() runs many
 * in worker processes and turns the death of one into a failure of the seed it was running. */
#ifndef PL_SIM_SIM_H
#define PL_SIM_SIM_H

#include <stdio.h>

#include "sim/record.h"

#define PL_SIM_FAULTS_ALL UINT64_MAX
#define PL_SIM_FILL_DEFAULT 0xa5

struct pl_sim_options {
    uint64_t allowed;               /* faults that may happen: bits (1 << enum pl_sim_fault) */
    bool canary;                    /* expect other bytes than are sent: must fail */
    uint8_t fill;                   /* what fresh memory holds; must not matter */
    const struct plait_env *hashes; /* whose hashes are used */
    FILE *trace;                    /* JSON lines; NULL: none */
    pl_record_capture *capture;     /* NULL: none */
    void *capture_arg;
};

struct pl_sim_result {
    uint64_t seed;
    bool failed;
    plait_time failed_at;
    char reason[240];
    char faults[240];
    uint64_t hash;
    uint64_t packets;
    uint64_t payload_bytes; /* that applications read */
    plait_time simulated_ns;
};

/* Runs one seed. Returns 0, or a negative plait_error when it could not be run at all (files). */
PLAIT_MUST_CHECK int pl_sim_run(const struct pl_sim_options *options, uint64_t seed,
                                struct pl_sim_result *result);

struct pl_sim_jobs {
    uint64_t first, count; /* seeds; count 0: until `seconds` are over */
    unsigned seconds;      /* 0: no limit */
    unsigned workers;
    /* Called in the parent, in the order in which seeds end. */
    void (*done)(void *arg, const struct pl_sim_result *result);
    void *arg;
};

/* Returns 0 or a negative plait_error when workers cannot be started. */
PLAIT_MUST_CHECK int pl_sim_jobs(const struct pl_sim_jobs *jobs,
                                 const struct pl_sim_options *options);

#endif

/* sim/env.h - struct plait_env of a simulated host: seeded randomness, memory that is counted and
 * can fail, hashes of libcrypto, traces into the record.
 *
 * What the stack frees is compared with what it allocated; fresh memory is filled with a byte that
 * two runs of a seed may choose differently, so that a read of uninitialised memory changes the
 * trace hash. */
#ifndef PL_SIM_ENV_H
#define PL_SIM_ENV_H

#include "base/rng.h"
#include "plait/env.h"
#include "sim/record.h"
#include "sim/verdict.h"

struct pl_sim_env {
    struct plait_env env;
    const struct plait_env *hashes; /* whose hashes are used */
    struct pl_rng random;           /* keys, ISNs, nonces */
    struct pl_rng failures;
    uint32_t fail_ppm; /* of allocations, now */
    uint8_t fill;
    unsigned host;
    uint64_t live_bytes, live_blocks, peak_bytes;
    uint64_t failed; /* allocations refused so far */
    struct pl_record *record;
    struct pl_sim_verdict *verdict;
};

void pl_sim_env_init(struct pl_sim_env *env, const struct plait_env *hashes, uint64_t seed,
                     unsigned host, struct pl_record *record, struct pl_sim_verdict *verdict);

#endif

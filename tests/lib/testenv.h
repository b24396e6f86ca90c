/* testenv.h - an environment for tests: malloc with counting and a failure at the n-th call,
 * repeatable randomness, hashes from libcrypto. It also defines plait_abort_hook, which prints
 * and aborts. */
#ifndef TESTENV_H
#define TESTENV_H

#include "base/rng.h"
#include "plait/env.h"

struct test_env {
    struct plait_env env; /* hand out &test.env */
    struct pl_rng rng;
    uint64_t live_count; /* allocations that exist */
    uint64_t live_bytes;
    uint64_t alloc_count; /* calls of alloc so far, failed ones included */
    uint64_t fail_at;     /* the call of this number (1, 2, …) fails; 0 for none */
    bool fail_after;      /* and all calls after it */
};

/* Needs no end: a test that cares checks that live_count is zero. */
void test_env_init(struct test_env *t, uint64_t seed);

#endif

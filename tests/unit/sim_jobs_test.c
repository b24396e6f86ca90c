/* sim/jobs: every seed is reported once, by whatever worker; a worker that dies is a failing seed
 * with the reason it gave, and the others go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plait/error.h"
#include "sim/sim.h"
#include "testenv.h"

enum { SEEDS = 12 };

struct results {
    unsigned count[SEEDS];
    unsigned failed, total;
    char reason[240];
};

static void take(void *arg, const struct pl_sim_result *result) {
    struct results *r = arg;
    assert_true(result->seed < SEEDS);
    r->count[result->seed]++;
    r->total++;
    r->failed += result->failed ? 1 : 0;
    if (result->failed) {
        memcpy(r->reason, result->reason, sizeof(r->reason));
    }
}

static void dying_sha256(void *user, const void *msg, size_t len, uint8_t out[32]) {
    (void)user, (void)msg, (void)len, (void)out;
    plait_abort_hook("made to fail", "here", 1);
}

static struct results run(const struct plait_env *hashes, unsigned workers, uint64_t count) {
    struct results r = {.failed = 0};
    struct pl_sim_options options = {.fill = PL_SIM_FILL_DEFAULT, .hashes = hashes};
    struct pl_sim_jobs jobs = {.count = count, .workers = workers, .done = take, .arg = &r};
    assert_int_equal(pl_sim_jobs(&jobs, &options), 0);
    return r;
}

static void every_seed_once(void **state) {
    struct test_env env;
    (void)state;
    test_env_init(&env, 1);
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct results r = run(&env.env, workers, SEEDS);
        for (unsigned i = 0; i < SEEDS; i++) {
            assert_int_equal(r.count[i], 1);
        }
        assert_int_equal(r.failed, 0);
    }
}

static void death_is_a_failure(void **state) {
    struct test_env env;
    (void)state;
    test_env_init(&env, 1);
    env.env.sha256 = dying_sha256;
    struct results r = run(&env.env, 2, 4);
    assert_int_equal(r.total, 4);
    assert_true(r.failed > 0); /* a seed whose connections are plain TCP needs no hash */
    assert_non_null(strstr(r.reason, "died of signal"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_seed_once),
        cmocka_unit_test(death_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

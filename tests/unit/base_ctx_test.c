/* base/ctx: what it accepts, timers by reservation, traces. */
#include "base/ctx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "testenv.h"

static struct test_env env;
static struct pl_ctx ctx;
static struct plait_trace_record last;
static unsigned traced;

static void sink(void *user, const struct plait_trace_record *record) {
    assert_ptr_equal(user, &env);
    last = *record;
    traced++;
}

static int setup(void **state) {
    (void)state;
    test_env_init(&env, 11);
    traced = 0;
    return 0;
}

static void test_init_takes_defaults_or_settings(void **state) {
    (void)state;
    assert_int_equal(pl_ctx_init(&ctx, &env.env, NULL), 0);
    assert_int_equal(ctx.config.subflows_max, 8);
    assert_true(ctx.hash_key.k0 != 0);
    assert_int_equal(ctx.memory.max_bytes, ctx.config.memory_bytes_max);
    struct plait_config config = ctx.config;
    pl_ctx_fini(&ctx);
    config.subflows_max = 3;
    assert_int_equal(pl_ctx_init(&ctx, &env.env, &config), 0);
    assert_int_equal(ctx.config.subflows_max, 3);
    pl_ctx_fini(&ctx);
    config.subflows_max = 0;
    assert_int_equal(pl_ctx_init(&ctx, &env.env, &config), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(env.live_count, 0);
}

static void test_an_incomplete_environment_is_refused(void **state) {
    (void)state;
    const size_t holes[] = {
        offsetof(struct plait_env, alloc),       offsetof(struct plait_env, free),
        offsetof(struct plait_env, random),      offsetof(struct plait_env, sha256),
        offsetof(struct plait_env, hmac_sha256), offsetof(struct plait_env, size),
    };
    assert_int_equal(pl_ctx_init(&ctx, NULL, NULL), PLAIT_E_BAD_ARGUMENT);
    for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
        struct plait_env broken = env.env;
        memset((char *)&broken + holes[i], 0, sizeof(void *));
        assert_int_equal(pl_ctx_init(&ctx, &broken, NULL), PLAIT_E_BAD_ARGUMENT);
    }
}

static void test_timers_are_reserved(void **state) {
    (void)state;
    assert_int_equal(pl_ctx_init(&ctx, &env.env, NULL), 0);
    env.fail_at = env.alloc_count + 1;
    assert_int_equal(pl_ctx_timers_add(&ctx, 4), PLAIT_E_NO_MEMORY);
    assert_int_equal(ctx.timers_reserved, 0);
    assert_int_equal(pl_ctx_timers_add(&ctx, 4), 0);
    assert_int_equal(pl_ctx_timers_add(&ctx, 400), 0);
    assert_int_equal(ctx.timers_reserved, 404);
    assert_true(ctx.timers.cap >= 404);
    assert_int_equal(pl_ctx_timers_add(&ctx, UINT32_MAX), PLAIT_E_NO_MEMORY);
    pl_ctx_timers_sub(&ctx, 404);
    pl_ctx_fini(&ctx);
    assert_int_equal(env.live_count, 0);
}

static void test_memory_is_zeroed(void **state) {
    (void)state;
    assert_int_equal(pl_ctx_init(&ctx, &env.env, NULL), 0);
    uint8_t *ptr = pl_ctx_alloc(&ctx, 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ptr[i], 0);
    }
    pl_ctx_free(&ctx, ptr, 100);
    env.fail_at = env.alloc_count + 1;
    assert_null(pl_ctx_alloc(&ctx, 100));
    assert_int_not_equal(pl_ctx_random32(&ctx), pl_ctx_random32(&ctx));
    pl_ctx_fini(&ctx);
}

static void count_up(void *user, void *buf, size_t len) {
    (void)user;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)buf)[i] = (uint8_t)(i + 1);
    }
}

/* A number is made of bytes in the same way everywhere, so that a seed means the same. */
static void test_random_numbers(void **state) {
    (void)state;
    env.env.random = count_up;
    assert_true(pl_env_random64(&env.env) == UINT64_C(0x0807060504030201));
    assert_int_equal(pl_ctx_init(&ctx, &env.env, NULL), 0);
    assert_true(ctx.hash_key.k0 == UINT64_C(0x0807060504030201));
    assert_int_equal(pl_ctx_random32(&ctx), 0x01020304);
    pl_ctx_fini(&ctx);
}

static void test_traces_and_counters(void **state) {
    (void)state;
    assert_int_equal(pl_ctx_init(&ctx, &env.env, NULL), 0);
    assert_false(pl_trace_on(&ctx));
    struct pl_trace_id id = {.connection = 7, .subflow = 2};
    pl_trace(&ctx, 99, id, PLAIT_TRACE_rtt, 1, 2, 3, 4);
    assert_int_equal(traced, 0);
    env.env.trace = sink;
    assert_true(pl_trace_on(&ctx));
    pl_trace(&ctx, 99, id, PLAIT_TRACE_rtt, 1, 2, 3, 4);
    assert_int_equal(traced, 1);
    assert_int_equal(last.time, 99);
    assert_int_equal(last.type, PLAIT_TRACE_rtt);
    assert_int_equal(last.connection, 7);
    assert_int_equal(last.subflow, 2);
    assert_int_equal(last.arg[0], 1);
    assert_int_equal(last.arg[3], 4);
    PL_COUNT(&ctx, InPackets);
    PL_COUNT_N(&ctx, InPackets, 4);
    assert_int_equal(ctx.counters[PLAIT_COUNTER_InPackets], 5);
    pl_ctx_fini(&ctx);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_init_takes_defaults_or_settings),
        TEST(test_an_incomplete_environment_is_refused),
        TEST(test_timers_are_reserved),
        TEST(test_memory_is_zeroed),
        TEST(test_random_numbers),
        TEST(test_traces_and_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* stack/stack: creation, time, limits, statistics. */
#include "plait/stack.h"

#include "stack_test.h"

static void test_creation_fails_cleanly(void **state) {
    (void)state;
    struct test_env env;
    struct plait_stack *other = NULL;
    test_env_init(&env, 9);
    assert_int_equal(plait_stack_create(NULL, &env.env, NULL), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_stack_create(&other, NULL, NULL), PLAIT_E_BAD_ARGUMENT);
    struct plait_config config;
    plait_config_init(&config);
    config.size = 1;
    assert_int_equal(plait_stack_create(&other, &env.env, &config), PLAIT_E_BAD_ARGUMENT);
    for (env.fail_at = 1; env.fail_at <= 4; env.fail_at++) {
        env.alloc_count = 0;
        assert_int_equal(plait_stack_create(&other, &env.env, NULL), PLAIT_E_NO_MEMORY);
        assert_null(other);
        assert_int_equal(env.live_count, 0);
    }
    env.alloc_count = 0;
    assert_int_equal(plait_stack_create(&other, &env.env, NULL), 0);
    plait_stack_destroy(other);
    assert_int_equal(env.live_count, 0);
    plait_stack_destroy(NULL);
}

static plait_sock dial(int expected) {
    plait_sock sock = 0;
    struct plait_endpoint to = {.addr = addr("10.0.0.1"), .port = 80};
    assert_int_equal(plait_open(stack, &sock), 0);
    assert_int_equal(plait_connect(stack, sock, &to, now), expected);
    return sock;
}

static void test_time_never_goes_back(void **state) {
    (void)state;
    dial(0);
    struct pl_ip ip;
    struct pl_segment seg;
    assert_true(take(&ip, &seg));
    plait_time due = plait_deadline(stack);
    assert_true(due > now && due < now + 2 * SECOND);
    plait_tick(stack, 5);
    assert_int_equal(plait_deadline(stack), due);
    expect_silence();
    plait_tick(stack, due);
    now = 0;
    assert_true(take(&ip, &seg)); /* the SYN again, although the call says it is 0 */
    assert_true(plait_deadline(stack) > due);
}

static void test_an_idle_stack_sleeps(void **state) {
    (void)state;
    assert_int_equal(plait_deadline(stack), PLAIT_TIME_NEVER);
    plait_tick(stack, now);
    assert_int_equal(plait_deadline(stack), PLAIT_TIME_NEVER);
}

static void test_connections_are_limited(void **state) {
    (void)state;
    struct plait_config config;
    plait_config_init(&config);
    config.connections_max = 3;
    teardown(NULL);
    assert_int_equal(plait_stack_create(&stack, &memory.env, &config), 0);
    port = add_port(0);
    assert_true(add_address(port, "10.0.0.2") > 0);
    listen_on(0, NULL, 80);
    plait_sock first = dial(0);
    dial(0);
    struct made m = syn_to(80);
    send_made(&m);
    m.src_port++;
    send_made(&m);
    assert_int_equal(counter(PLAIT_COUNTER_DropMemory), 1);
    dial(PLAIT_E_LIMIT);
    assert_int_equal(plait_close(stack, first, now), 0);
    dial(0);
}

static void test_statistics(void **state) {
    (void)state;
    struct plait_stack_stats stats = {0};
    dial(0);
    plait_stack_stats(stack, &stats);
    assert_int_equal(stats.size, sizeof(stats));
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.subflows, 1);
    assert_int_equal(stats.memory_bytes, 0);
    struct plait_stack_stats part = {.size = offsetof(struct plait_stack_stats, subflows),
                                     .subflows = 77};
    plait_stack_stats(stack, &part);
    assert_int_equal(part.connections, 1);
    assert_int_equal(part.subflows, 77);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_creation_fails_cleanly),
        TEST(test_time_never_goes_back),
        TEST(test_an_idle_stack_sleeps),
        TEST(test_connections_are_limited),
        TEST(test_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

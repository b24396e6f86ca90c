/* mptcp_sched_blest_test.c - a small window and a slow path: what would hold the window shut is not
 * sent there. */
#include "mptcp_sched_test.h"

static uint64_t bulk_with(const char *name, uint64_t slow_ns, uint32_t window,
                          unsigned *slow_segments) {
    const uint64_t delay[] = {10 * MS, slow_ns};
    struct plait_config config;
    plait_config_init(&config);
    config.receive_buffer_bytes = window;
    sched_begin(name, 2, delay, &config);
    uint64_t took_ns = sched_send(CARRIED_MAX);
    *slow_segments = sched_segments(1);
    link_finish(&l);
    return took_ns;
}

static void test_small_window(void **state) {
    unsigned slow_lowest = 0, slow_blest = 0;
    (void)state;
    uint64_t lowest = bulk_with("lowest-rtt", 150 * MS, 64 * 1024, &slow_lowest);
    uint64_t blest = bulk_with("blest", 150 * MS, 64 * 1024, &slow_blest);
    assert_true(slow_blest < slow_lowest);
    assert_true(blest < lowest);
}

/* Where the window is no matter, the slow path helps. */
static void test_large_window(void **state) {
    unsigned slow = 0;
    (void)state;
    bulk_with("blest", 15 * MS, 8 << 20, &slow);
    assert_true(slow > 0);
}

static void test_fast_dies(void **state) {
    static const uint64_t delay[] = {10 * MS, 150 * MS};
    (void)state;
    sched_begin("blest", 2, delay, NULL);
    dead[0] = true;
    assert_true(sched_send(100000) < 8 * SECOND);
    dead[0] = false;
    pair_run(&l.pair, 5 * SECOND);
    link_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_window),
        cmocka_unit_test(test_large_window),
        cmocka_unit_test(test_fast_dies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

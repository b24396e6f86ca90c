/* mptcp_sched_ecf_test.c - a burst that is a little more than the fast path's window: its end waits
 * for the fast path and does not crawl over the slow one. */
#include "mptcp_sched_test.h"

enum { BURST = 20000 }; /* 10 segments of window and some more */

static uint64_t burst_with(const char *name, uint64_t slow_ns, unsigned *slow_segments) {
    const uint64_t delay[] = {5 * MS, slow_ns};
    sched_begin(name, 2, delay, NULL);
    uint64_t took_ns = sched_send(BURST);
    *slow_segments = sched_segments(1);
    link_finish(&l);
    return took_ns;
}

static void test_end_of_burst(void **state) {
    unsigned slow = 0;
    (void)state;
    uint64_t lowest = burst_with("lowest-rtt", 200 * MS, &slow);
    assert_true(slow > 0 && lowest >= 200 * MS);
    uint64_t ecf = burst_with("ecf", 200 * MS, &slow);
    assert_int_equal(slow, 0);
    assert_true(ecf < 40 * MS);
}

/* Paths that are alike are all used: waiting would gain nothing. */
static void test_alike(void **state) {
    unsigned slow = 0;
    (void)state;
    burst_with("ecf", 6 * MS, &slow);
    assert_true(slow > 0);
}

/* Bulk data uses the slow path as well: it ends sooner so. */
static void test_bulk(void **state) {
    static const uint64_t delay[] = {20 * MS, 40 * MS};
    (void)state;
    sched_begin("ecf", 2, delay, NULL);
    sched_send(CARRIED_MAX);
    assert_true(sched_segments(1) > 20);
    link_finish(&l);
}

/* The fast path dies while its end is waited for. */
static void test_fast_dies(void **state) {
    static const uint64_t delay[] = {5 * MS, 200 * MS};
    (void)state;
    sched_begin("ecf", 2, delay, NULL);
    dead[0] = true;
    assert_true(sched_send(BURST) < 5 * SECOND);
    dead[0] = false;
    pair_run(&l.pair, 5 * SECOND);
    link_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_of_burst),
        cmocka_unit_test(test_alike),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_fast_dies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

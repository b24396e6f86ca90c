/* mptcp_sched_backup_test.c - one path carries, the others stand by. */
#include "mptcp_sched_test.h"

/* Much more than a window: nothing spills over. */
static void test_one_path(void **state) {
    static const uint64_t delay[] = {10 * MS, 30 * MS};
    (void)state;
    sched_begin("backup", 2, delay, NULL);
    sched_send(CARRIED_MAX);
    assert_int_equal(sched_carried(0, CARRIED_MAX), CARRIED_MAX);
    assert_int_equal(sched_segments(1), 0);
    link_finish(&l);
}

/* It does not change for a little less delay, as the default would. */
static void test_stays(void **state) {
    static const uint64_t delay[] = {10 * MS, 12 * MS};
    (void)state;
    sched_begin("backup", 2, delay, NULL);
    sched_send(10000);
    l.pair.path[0].delay_ns = 20 * MS;
    sched_send(300000);
    assert_int_equal(sched_segments(1), 0);
    sched_forget();
    assert_int_equal(plait_set_text(l.pair.stack[PAIR_A], l.a, "PLAIT_SCHEDULER", "lowest-rtt"), 0);
    sched_send(300000);
    assert_true(sched_segments(1) > 0);
    link_finish(&l);
}

/* When it dies, the standby takes over, and keeps the stream when the first one is back. */
static void test_takes_over(void **state) {
    static const uint64_t delay[] = {10 * MS, 10 * MS};
    (void)state;
    sched_begin("backup", 2, delay, NULL);
    sched_send(50000);
    dead[0] = true;
    assert_true(sched_send(50000) < 3 * SECOND);
    assert_true(sched_segments(1) > 30);
    dead[0] = false;
    pair_run(&l.pair, 10 * SECOND);
    sched_forget();
    sched_send(100000);
    assert_int_equal(sched_segments(0), 0);
    assert_int_equal(sched_carried(1, 100000), 100000);
    link_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_path),
        cmocka_unit_test(test_stays),
        cmocka_unit_test(test_takes_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mptcp_sched_round_robin_test.c - the paths take turns. */
#include "mptcp_sched_test.h"

/* However unlike the paths are, the segments of what fits into all windows alternate. */
static void test_turns(void **state) {
    static const uint64_t delay[] = {5 * MS, 50 * MS, 20 * MS};
    (void)state;
    sched_begin("roundrobin", 3, delay, NULL);
    sched_send(12 * 1300); /* no more than pacing lets go at once */
    assert_true(order_count >= 11);
    unsigned seen[3] = {0};
    for (unsigned i = 0; i < order_count; i++) {
        seen[order[i]]++;
    }
    for (unsigned path = 0; path < 3; path++) {
        assert_int_equal(seen[path] * 4 / order_count, 1); /* a third, one more or less */
    }
    for (unsigned i = 1; i < order_count; i++) {
        assert_int_not_equal(order[i], order[i - 1]);
    }
    link_finish(&l);
}

/* The default in the same place uses the fastest path only. */
static void test_default_differs(void **state) {
    static const uint64_t delay[] = {5 * MS, 50 * MS};
    (void)state;
    sched_begin("default", 2, delay, NULL);
    sched_send(4 * 1300); /* no more than pacing lets go at once */
    assert_int_equal(sched_segments(1), 0);
    link_finish(&l);
}

/* Who has no room is passed over, a dead path too, and a backup waits. */
static void test_others_go_on(void **state) {
    static const uint64_t delay[] = {5 * MS, 5 * MS, 5 * MS};
    (void)state;
    sched_begin("roundrobin", 3, delay, NULL);
    struct plait_addr addr = pair_addr(PAIR_A, 2, PLAIT_IPV4);
    plait_port_id port = l.pair.path[2].port[PAIR_A];
    assert_int_equal(plait_address_set_backup(l.pair.stack[PAIR_A], port, &addr, true, l.pair.now),
                     0);
    pair_run(&l.pair, 100 * MS);
    dead[1] = true;
    sched_send(400000);
    assert_int_equal(sched_segments(2), 0);
    assert_true(sched_segments(0) > 200);
    pair_run(&l.pair, SECOND);
    dead[1] = false;
    pair_run(&l.pair, 5 * SECOND);
    sched_forget();
    sched_send(400000);
    assert_true(sched_segments(1) > 50);
    link_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_default_differs),
        cmocka_unit_test(test_others_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

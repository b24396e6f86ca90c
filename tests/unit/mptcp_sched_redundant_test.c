/* mptcp_sched_redundant_test.c - every byte by every path: what is lost on one costs nothing. */
#include "mptcp_sched_test.h"

static const uint64_t alike[] = {10 * MS, 11 * MS, 12 * MS};

static void test_each_byte_on_each_path(void **state) {
    (void)state;
    sched_begin("redundant", 3, alike, NULL);
    sched_send(20000);
    pair_run(&l.pair, SECOND);
    for (unsigned path = 0; path < 3; path++) {
        assert_int_equal(sched_carried(path, 20000), 20000);
    }
    for (unsigned i = 0; i < 20000; i++) {
        assert_int_equal(carried[0][i] + carried[1][i] + carried[2][i], 3); /* and not more often */
    }
    link_finish(&l);
}

/* A lost segment is there already, by the other path: nothing waits for its repetition. */
static void test_loss_costs_nothing(void **state) {
    (void)state;
    sched_begin("redundant", 2, alike, NULL);
    uint64_t quiet = sched_send(1400);
    pair_run(&l.pair, SECOND);
    lose_next[0] = true;
    uint64_t with_loss = sched_send(1400);
    assert_true(with_loss <= quiet + 2 * MS);
    link_finish(&l);
}

/* A path dies under a stream of messages: none of them is late. */
static void test_death_costs_nothing(void **state) {
    (void)state;
    sched_begin("redundant", 2, alike, NULL);
    for (unsigned i = 0; i < 50; i++) {
        dead[0] = i >= 10 && i < 30;
        assert_true(sched_send(1000) < 30 * MS);
        pair_run(&l.pair, 100 * MS);
    }
    link_finish(&l);
}

/* A slow path repeats what is missing now, not what has arrived long ago. */
static void test_slow_path_leaps(void **state) {
    static const uint64_t unlike[] = {5 * MS, 400 * MS};
    (void)state;
    sched_begin("redundant", 2, unlike, NULL);
    sched_send(CARRIED_MAX);
    uint64_t slow = sched_carried(1, CARRIED_MAX);
    assert_int_equal(sched_carried(0, CARRIED_MAX), CARRIED_MAX);
    assert_true(slow > 0 && slow < CARRIED_MAX / 2);
    link_finish(&l);
}

/* Backups and dead paths take no part. */
static void test_class(void **state) {
    (void)state;
    sched_begin("redundant", 3, alike, NULL);
    struct plait_addr addr = pair_addr(PAIR_A, 1, PLAIT_IPV4);
    plait_port_id port = l.pair.path[1].port[PAIR_A];
    assert_int_equal(plait_address_set_backup(l.pair.stack[PAIR_A], port, &addr, true, l.pair.now),
                     0);
    sched_send(10000);
    pair_run(&l.pair, SECOND);
    assert_int_equal(sched_segments(1), 0);
    assert_int_equal(sched_carried(0, 10000), 10000);
    assert_int_equal(sched_carried(2, 10000), 10000);
    link_finish(&l);
}

static unsigned times(unsigned i) {
    return carried[0][i] + carried[1][i];
}

/* Chosen while bytes are in flight: those go out once, what follows goes by each path; and a
 * subflow that comes up then carries what is missing from the beginning. */
static void test_begins_with_the_next_byte(void **state) {
    static const uint8_t bytes[40000];
    (void)state;
    sched_begin("lowest-rtt", 2, alike, NULL);
    struct plait_stack *a = l.pair.stack[PAIR_A];
    int64_t n = plait_write(a, l.a, bytes, sizeof(bytes), l.pair.now);
    assert_int_equal(n, sizeof(bytes));
    pair_run(&l.pair, 5 * MS); /* on the way, not acknowledged */
    unsigned flying = 0;
    while (flying < sizeof(bytes) && times(flying) > 0) {
        flying++;
    }
    assert_true(flying > 10000 && flying < sizeof(bytes));
    assert_int_equal(plait_set(a, l.a, PLAIT_OPT_SCHEDULER, PLAIT_SCHED_REDUNDANT), 0);
    pair_run(&l.pair, 2 * SECOND);
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        assert_int_equal(times(i), i < flying ? 1 : 2);
    }
    uint8_t got[sizeof(bytes)];
    assert_int_equal(plait_read(l.pair.stack[PAIR_B], l.b, got, sizeof(got), l.pair.now),
                     sizeof(bytes));
    link_finish(&l);
}

/* Chosen and left in the middle of a transfer, with checksums; the bytes are right. */
static void test_changed_under_way(void **state) {
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.checksum = true;
    sched_begin("redundant", 2, alike, &config);
    for (unsigned i = 0; i < 12; i++) {
        int64_t next = i % PLAIT_SCHED_BUILTIN_COUNT;
        assert_int_equal(plait_set(l.pair.stack[PAIR_A], l.a, PLAIT_OPT_SCHEDULER, next), 0);
        sched_send(100000);
    }
    link_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_byte_on_each_path),
        cmocka_unit_test(test_loss_costs_nothing),
        cmocka_unit_test(test_death_costs_nothing),
        cmocka_unit_test(test_slow_path_leaps),
        cmocka_unit_test(test_class),
        cmocka_unit_test(test_begins_with_the_next_byte),
        cmocka_unit_test(test_changed_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mptcp_stale_test.c - dead paths: noticed by the sender, by the receiver, and used again when they
 * return. */
#include "mptcp_paths.h"

enum { BUFFER = 65536, BYTES = 900000 };

/* How many subflows a side would use for new data. */
static unsigned fresh_subflows(struct link *l, unsigned side) {
    struct plait_subflow_info info[8];
    plait_sock sock = side == PAIR_A ? l->a : l->b;
    int n = plait_subflows(l->pair.stack[side], sock, info, 8);
    unsigned fresh = 0;
    for (int i = 0; i < n && i < 8; i++) {
        fresh += info[i].established && !info[i].stale ? 1 : 0;
    }
    return fresh;
}

/* How long the transfer takes when nothing happens. */
static uint64_t undisturbed(unsigned from) {
    struct link l;
    slow_link(&l, 2, 25 * MS, BUFFER);
    uint64_t ns = timed_transfer(&l, from, BYTES);
    assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_SubflowStale), 0);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_SubflowStale), 0);
    link_finish(&l);
    return ns;
}

/* One path dies while both are needed, before the window of either is as large as the buffer, and
 * stays dead until the end; `cost` is what that may take longer. */
static void run_death(unsigned from, unsigned path, unsigned way, uint64_t cost) {
    struct link l;
    struct timetable t = {.count = 1, .change = {{60 * MS, path, true, way}}};
    uint64_t before = undisturbed(from);
    slow_link(&l, 2, 25 * MS, BUFFER);
    timetable_start(&l, &t);
    uint64_t ns = timed_transfer(&l, from, BYTES);
    assert_in_range(ns, before / 2, before + cost);
    assert_true(reinjected(&l, from) > 0 || way != BOTH_WAYS);
    assert_int_equal(fresh_subflows(&l, from), 1);
    t.count = 0;
    pair_run(&l.pair, 2 * SECOND); /* used again within two seconds */
    assert_int_equal(link_subflows(&l), 2);
    uint64_t sent = l.pair.sent[from][path];
    (void)timed_transfer(&l, from, 300000);
    assert_true(l.pair.sent[from][path] > sent + 20);
    link_finish(&l);
}

static void test_sender_notices(void **state) {
    (void)state;
    run_death(PAIR_A, 1, BOTH_WAYS, 800 * MS);
    run_death(PAIR_A, 0, BOTH_WAYS, 800 * MS);
}

static void test_receiver_notices(void **state) {
    (void)state;
    run_death(PAIR_B, 1, BOTH_WAYS, 800 * MS);
    run_death(PAIR_B, 0, BOTH_WAYS, 800 * MS);
}

/* Only one direction is dead: data passes and ACKs do not, or the other way round. */
static void test_one_way_deaths(void **state) {
    (void)state;
    run_death(PAIR_A, 1, PAIR_A, 800 * MS);
    run_death(PAIR_A, 1, PAIR_B, 800 * MS);
    run_death(PAIR_B, 1, PAIR_A, 800 * MS);
    run_death(PAIR_B, 1, PAIR_B, 800 * MS);
}

static void run_flapping(unsigned from, uint64_t period, unsigned paths) {
    struct link l;
    struct timetable t = {0};
    slow_link(&l, paths, 20 * MS, BUFFER);
    for (unsigned i = 0; i < CHANGES_MAX / 2; i++) { /* in turns: there is always one that works */
        t.change[t.count++] =
            (struct change){i * period, (i + paths - 1) % paths, false, BOTH_WAYS};
        t.change[t.count++] = (struct change){i * period, i % paths, true, BOTH_WAYS};
    }
    timetable_start(&l, &t);
    assert_true(timed_transfer(&l, from, BYTES) < 60 * SECOND);
    t.count = 0;
    pair_run(&l.pair, 2 * SECOND);
    (void)timed_transfer(&l, !from, 100000);
    assert_int_equal(link_subflows(&l), paths);
    link_finish(&l);
}

static void test_flapping(void **state) {
    (void)state;
    run_flapping(PAIR_A, 400 * MS, 2);
    run_flapping(PAIR_B, 400 * MS, 2);
    run_flapping(PAIR_A, 1500 * MS, 3);
    run_flapping(PAIR_B, 1500 * MS, 3);
}

/* Everything is dead for a while; then one path comes back, and it goes on (no_subflow_ns). */
static void test_all_dead(void **state) {
    (void)state;
    for (unsigned from = 0; from < PAIR_SIDES; from++) {
        for (unsigned back = 0; back < 2; back++) {
            struct link l;
            struct timetable t = {.count = 3,
                                  .change = {{300 * MS, 0, true, BOTH_WAYS},
                                             {300 * MS, 1, true, BOTH_WAYS},
                                             {20 * SECOND, back, false, BOTH_WAYS}}};
            slow_link(&l, 2, 25 * MS, BUFFER);
            timetable_start(&l, &t);
            uint64_t ns = timed_transfer(&l, from, BYTES);
            assert_in_range(ns, 20 * SECOND, 40 * SECOND);
            t.count = 0;
            pair_run(&l.pair, 2 * SECOND);
            assert_int_equal(link_subflows(&l), 2);
            link_finish(&l);
        }
    }
}

/* The only path dies and comes back: as with plain TCP. */
static void test_only_path(void **state) {
    struct link l;
    struct timetable t = {
        .count = 2, .change = {{300 * MS, 0, true, BOTH_WAYS}, {3 * SECOND, 0, false, BOTH_WAYS}}};
    (void)state;
    slow_link(&l, 1, 25 * MS, BUFFER);
    timetable_start(&l, &t);
    assert_true(timed_transfer(&l, PAIR_B, BYTES) < 12 * SECOND);
    link_finish(&l);
}

/* Silence without a reason to talk means nothing: idle, or a few bytes now and then. */
static void test_idle_is_not_dead(void **state) {
    struct link l;
    (void)state;
    slow_link(&l, 2, 25 * MS, BUFFER);
    pair_run(&l.pair, 60 * SECOND);
    for (unsigned i = 0; i < 20; i++) {
        (void)timed_transfer(&l, i % 2, 100 + i);
        pair_run(&l.pair, (i * 137 % 900) * MS);
    }
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        assert_int_equal(link_count(&l, side, PLAIT_COUNTER_SubflowStale), 0);
        assert_int_equal(link_count(&l, side, PLAIT_COUNTER_MPJoinSynTx), side == PAIR_A ? 1 : 0);
    }
    link_finish(&l);
}

/* Loss is not death, either: neither end gives up a path that only loses a lot. */
static void test_loss_is_not_death(void **state) {
    struct link l;
    (void)state;
    slow_link(&l, 2, 10 * MS, BUFFER);
    l.pair.path[0].loss_ppm = 20000;
    l.pair.path[1].loss_ppm = 20000;
    (void)timed_transfer(&l, PAIR_A, BYTES);
    (void)timed_transfer(&l, PAIR_B, BYTES);
    l.pair.path[0].loss_ppm = 0;
    l.pair.path[1].loss_ppm = 0;
    pair_run(&l.pair, 3 * SECOND);
    assert_int_equal(link_subflows(&l), 2);
    assert_true(link_count(&l, PAIR_A, PLAIT_COUNTER_MPJoinSynTx) <= 4);
    link_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sender_notices),   cmocka_unit_test(test_receiver_notices),
        cmocka_unit_test(test_one_way_deaths),   cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_all_dead),         cmocka_unit_test(test_only_path),
        cmocka_unit_test(test_idle_is_not_dead), cmocka_unit_test(test_loss_is_not_death),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mptcp_sched_custom_test.c - a scheduler of the embedder's: what it is shown, what it decides, and
 * that it can do no harm. */
#include "mptcp_sched_test.h"

struct memory {
    uint32_t asked, sent;
    uint64_t bytes[SCHED_PATHS + 2]; /* by serial */
};

static struct memory last; /* a copy of the state, for the test to see */
static struct plait_sched_view seen;
static struct plait_sched_path seen_path[SCHED_PATHS];

/* The path with the highest port id that can send. */
static unsigned choose(void *state, const struct plait_sched_view *view) {
    struct memory *m = state;
    unsigned best = view->asking;
    m->asked++;
    seen = *view;
    for (unsigned i = 0; i < view->count; i++) {
        seen_path[i] = view->path[i];
        if (view->path[i].can_send && view->path[i].port > view->path[best].port) {
            best = i;
        }
    }
    last = *m;
    return best;
}

static unsigned nonsense(void *state, const struct plait_sched_view *view) {
    (void)state, (void)view;
    return 1000;
}

/* Always the first, whatever becomes of it. */
static unsigned stubborn(void *state, const struct plait_sched_view *view) {
    (void)state, (void)view;
    return 0;
}

static void sent(void *state, uint32_t serial, uint32_t bytes) {
    struct memory *m = state;
    m->sent++;
    m->bytes[serial] += bytes;
    last = *m;
}

static const struct plait_scheduler highest_port = {.size = sizeof(struct plait_scheduler),
                                                    .name = "highest-port",
                                                    .state_bytes = sizeof(struct memory),
                                                    .choose = choose,
                                                    .sent = sent};
static const uint64_t delay[] = {5 * MS, 30 * MS, 60 * MS};

static void begin(const struct plait_scheduler *scheduler, unsigned paths) {
    sched_begin("default", paths, delay, NULL);
    struct plait_stack *stack = l.pair.stack[PAIR_A];
    int number = plait_scheduler_add(stack, scheduler);
    assert_true(number >= PLAIT_SCHED_CUSTOM_FIRST);
    assert_int_equal(plait_scheduler_find(stack, scheduler->name), number);
    assert_string_equal(plait_scheduler_name(stack, number), scheduler->name);
    assert_int_equal(plait_set_text(stack, l.a, "PLAIT_SCHEDULER", scheduler->name), 0);
    assert_int_equal(pair_get(&l.pair, PAIR_A, l.a, PLAIT_OPT_SCHEDULER), number);
}

static void test_decides(void **state) {
    (void)state;
    begin(&highest_port, 3);
    for (unsigned i = 0; i < 10; i++) { /* no more than pacing lets go at once */
        sched_send(1000);
    }
    assert_int_equal(sched_carried(2, 10000), 10000);
    assert_int_equal(sched_segments(0) + sched_segments(1), 0);
    assert_int_equal(last.bytes[3], 10000);
    assert_true(last.asked > 0 && last.sent > 0);
    assert_int_equal(seen.count, 3);
    assert_true(seen_path[0].srtt_ns >= 10 * MS && seen_path[0].srtt_ns < 12 * MS);
    assert_true(seen_path[2].srtt_ns >= 120 * MS && seen_path[2].cwnd_bytes > 0);
    link_finish(&l);
}

/* docs/api.md: an author whose struct is longer than ours finds his paths where he looks. */
struct newer_path {
    struct plait_sched_path now;
    uint64_t later;
};
static unsigned newer_seen;

static unsigned newer(void *state, const struct plait_sched_view *view) {
    const struct newer_path *path = (const struct newer_path *)(const void *)view->path;
    unsigned best = view->asking;
    (void)state;
    newer_seen += view->size == sizeof(*view) ? 1 : 0;
    for (unsigned i = 0; i < view->count; i++) {
        newer_seen += path[i].later == 0 ? 0 : 1000000;
        if (path[i].now.can_send && path[i].now.port > path[best].now.port) {
            best = i;
        }
    }
    return best;
}

static void test_longer_paths(void **state) {
    static const struct plait_scheduler mine = {
        .size = sizeof(mine), .name = "newer", .choose = newer};
    (void)state;
    newer_seen = 0;
    sched_begin("default", 3, delay, NULL);
    struct plait_stack *stack = l.pair.stack[PAIR_A];
    assert_true(plait_scheduler_add_sized(stack, &mine, sizeof(struct newer_path)) > 0);
    assert_int_equal(plait_set_text(stack, l.a, "PLAIT_SCHEDULER", "newer"), 0);
    for (unsigned i = 0; i < 10; i++) {
        sched_send(1000);
    }
    assert_int_equal(sched_carried(2, 10000), 10000);
    assert_true(newer_seen > 0 && newer_seen < 1000000);
    link_finish(&l);
}

static void test_no_harm(void **state) {
    static const struct plait_scheduler bad[] = {
        {.size = sizeof(struct plait_scheduler), .name = "nonsense", .choose = nonsense},
        {.size = sizeof(struct plait_scheduler), .name = "stubborn", .choose = stubborn},
    };
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        begin(&bad[i], 2);
        sched_send(300000);
        dead[0] = true;
        assert_true(sched_send(100000) < 10 * SECOND);
        dead[0] = false;
        pair_run(&l.pair, 5 * SECOND);
        sched_send(100000);
        link_finish(&l);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decides),
        cmocka_unit_test(test_longer_paths),
        cmocka_unit_test(test_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

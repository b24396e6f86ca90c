/* stack_scheduler_test.c - the list of schedulers: names, numbers, limits. */
#include "stack_test.h"

#include "plait/scheduler.h"

static unsigned choose(void *state, const struct plait_sched_view *view) {
    (void)state;
    return view->asking;
}

static struct plait_scheduler named(const char *name) {
    struct plait_scheduler out = {.size = sizeof(out), .choose = choose};
    size_t len = strlen(name);
    memcpy(out.name, name, len < sizeof(out.name) ? len : sizeof(out.name));
    return out;
}

static void test_builtin(void **state) {
    static const char *const names[] = {"lowest-rtt", "roundrobin", "redundant",
                                        "backup",     "ecf",        "blest"};
    (void)state;
    for (int i = 0; i < PLAIT_SCHED_BUILTIN_COUNT; i++) {
        assert_string_equal(plait_scheduler_name(stack, i), names[i]);
        assert_int_equal(plait_scheduler_find(stack, names[i]), i);
    }
    assert_int_equal(plait_scheduler_find(stack, "default"), PLAIT_SCHED_LOWEST_RTT);
    assert_int_equal(plait_scheduler_find(stack, "fastest"), PLAIT_E_NO_OPTION);
    assert_int_equal(plait_scheduler_find(stack, NULL), PLAIT_E_NO_OPTION);
    assert_null(plait_scheduler_name(stack, PLAIT_SCHED_BUILTIN_COUNT));
    assert_null(plait_scheduler_name(stack, -1));
    assert_null(plait_scheduler_name(stack, PLAIT_SCHED_CUSTOM_FIRST));
}

static void test_custom(void **state) {
    (void)state;
    for (int i = 0; i < 8; i++) {
        char name[] = "mine-0";
        name[5] = (char)('0' + i);
        struct plait_scheduler mine = named(name);
        assert_int_equal(plait_scheduler_add(stack, &mine), PLAIT_SCHED_CUSTOM_FIRST + i);
        assert_int_equal(plait_scheduler_find(stack, name), PLAIT_SCHED_CUSTOM_FIRST + i);
        assert_int_equal(plait_scheduler_add(stack, &mine), PLAIT_E_IN_USE);
    }
    struct plait_scheduler more = named("more");
    assert_int_equal(plait_scheduler_add(stack, &more), PLAIT_E_LIMIT);
}

static void test_refused(void **state) {
    struct plait_scheduler bad = named("lowest-rtt");
    (void)state;
    assert_int_equal(plait_scheduler_add(stack, &bad), PLAIT_E_IN_USE);
    bad = named("");
    assert_int_equal(plait_scheduler_add(stack, &bad), PLAIT_E_BAD_ARGUMENT);
    bad = named("sixteen-letters-");
    assert_int_equal(plait_scheduler_add(stack, &bad), PLAIT_E_BAD_ARGUMENT);
    bad = named("x");
    bad.state_bytes = 1 << 20;
    assert_int_equal(plait_scheduler_add(stack, &bad), PLAIT_E_BAD_ARGUMENT);
    bad = named("x");
    bad.choose = NULL;
    assert_int_equal(plait_scheduler_add(stack, &bad), PLAIT_E_BAD_ARGUMENT);
    bad = named("x");
    bad.size = 1;
    assert_int_equal(plait_scheduler_add(stack, &bad), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_scheduler_add(stack, NULL), PLAIT_E_BAD_ARGUMENT);
}

/* docs/api.md: schedulers that were written with older or newer headers. */
static void test_sizes(void **state) {
    struct {
        struct plait_scheduler now;
        uint64_t later;
    } newer = {.now = named("newer"), .later = 1};
    size_t path = sizeof(struct plait_sched_path);
    (void)state;
    newer.now.size = sizeof(newer);
    assert_int_equal(plait_scheduler_add(stack, &newer.now), PLAIT_E_BAD_ARGUMENT);
    newer.later = 0;
    assert_true(plait_scheduler_add(stack, &newer.now) >= PLAIT_SCHED_CUSTOM_FIRST);
    struct plait_scheduler mine = named("a");
    assert_true(plait_scheduler_add_sized(stack, &mine, path + 64) >= 0);
    mine = named("b");
    assert_int_equal(plait_scheduler_add_sized(stack, &mine, path + 1), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_scheduler_add_sized(stack, &mine, 8), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_scheduler_add_sized(stack, &mine, 4096), PLAIT_E_BAD_ARGUMENT);
    mine.size = 1 << 20;
    assert_int_equal(plait_scheduler_add(stack, &mine), PLAIT_E_BAD_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_builtin), TEST(test_custom), TEST(test_refused),
                                       TEST(test_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* base/ranges: against a bitmap, and the limits. */
#include "base/ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plait/error.h"
#include "testenv.h"

static struct test_env env;
static struct pl_ranges ranges;

static int setup(void **state) {
    (void)state;
    test_env_init(&env, 5);
    pl_ranges_init(&ranges, &env.env, 64);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    pl_ranges_check(&ranges);
    pl_ranges_fini(&ranges);
    return env.live_count == 0 ? 0 : -1;
}

static void test_add_merges_what_touches(void **state) {
    (void)state;
    assert_int_equal(pl_ranges_add(&ranges, 1, 3), 0);
    assert_int_equal(pl_ranges_add(&ranges, 5, 7), 0);
    assert_int_equal(ranges.count, 2);
    assert_int_equal(pl_ranges_add(&ranges, 3, 5), 0);
    assert_int_equal(ranges.count, 1);
    assert_true(pl_ranges_contains(&ranges, 1, 7));
    assert_false(pl_ranges_contains(&ranges, 0, 7));
    assert_false(pl_ranges_contains(&ranges, 1, 8));
    assert_int_equal(pl_ranges_add(&ranges, 9, 9), 0);
    assert_int_equal(ranges.count, 1);
    assert_true(pl_ranges_contains(&ranges, 100, 100));
}

static void test_remove_splits(void **state) {
    (void)state;
    assert_int_equal(pl_ranges_add(&ranges, 10, 20), 0);
    assert_int_equal(pl_ranges_remove(&ranges, 12, 15), 0);
    assert_int_equal(ranges.count, 2);
    assert_true(pl_ranges_contains(&ranges, 10, 12));
    assert_false(pl_ranges_contains(&ranges, 12, 13));
    assert_true(pl_ranges_contains(&ranges, 15, 20));
    assert_int_equal(pl_ranges_remove(&ranges, 16, 16), 0);
    assert_int_equal(ranges.count, 2);
    assert_int_equal(pl_ranges_remove(&ranges, 0, 100), 0);
    assert_int_equal(ranges.count, 0);
    assert_int_equal(pl_ranges_remove(&ranges, 0, 100), 0);
}

static void test_gap_finds_the_first_hole(void **state) {
    (void)state;
    struct pl_range gap;
    assert_true(pl_ranges_gap(&ranges, 5, 9, &gap));
    assert_int_equal(gap.start, 5);
    assert_int_equal(gap.end, 9);
    assert_int_equal(pl_ranges_add(&ranges, 10, 20), 0);
    assert_int_equal(pl_ranges_add(&ranges, 30, 40), 0);
    assert_true(pl_ranges_gap(&ranges, 10, 100, &gap));
    assert_int_equal(gap.start, 20);
    assert_int_equal(gap.end, 30);
    assert_true(pl_ranges_gap(&ranges, 35, 100, &gap));
    assert_int_equal(gap.start, 40);
    assert_int_equal(gap.end, 100);
    assert_false(pl_ranges_gap(&ranges, 10, 20, &gap));
    assert_false(pl_ranges_gap(&ranges, 20, 20, &gap));
    assert_true(pl_ranges_gap(&ranges, UINT64_MAX - 1, UINT64_MAX, &gap));
}

static void test_limit_and_memory_change_nothing(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 64; i++) {
        assert_int_equal(pl_ranges_add(&ranges, 10 * i, 10 * i + 5), 0);
    }
    assert_int_equal(pl_ranges_add(&ranges, 1000, 1001), PLAIT_E_LIMIT);
    assert_int_equal(pl_ranges_remove(&ranges, 1, 2), PLAIT_E_LIMIT);
    assert_true(pl_ranges_contains(&ranges, 0, 5));
    assert_int_equal(pl_ranges_add(&ranges, 5, 10), 0);
    assert_int_equal(ranges.count, 63);
    struct pl_ranges other;
    pl_ranges_init(&other, &env.env, 64);
    env.fail_at = env.alloc_count + 1;
    assert_int_equal(pl_ranges_add(&other, 1, 2), PLAIT_E_NO_MEMORY);
    assert_int_equal(pl_ranges_add(&other, 1, 2), 0);
    pl_ranges_fini(&other);
}

enum { SPACE = 200 };

static void compare_with(const bool *model) {
    pl_ranges_check(&ranges);
    for (uint64_t i = 0; i < SPACE; i++) {
        assert_int_equal(pl_ranges_contains(&ranges, i, i + 1), model[i]);
    }
    struct pl_range gap = {0};
    uint64_t first = 0;
    while (first < SPACE && model[first]) {
        first++;
    }
    assert_int_equal(pl_ranges_gap(&ranges, 0, SPACE, &gap), first < SPACE);
    if (first < SPACE) {
        uint64_t end = first;
        while (end < SPACE && !model[end]) {
            end++;
        }
        assert_int_equal(gap.start, first);
        assert_int_equal(gap.end, end);
    }
}

static void test_matches_a_bitmap(void **state) {
    (void)state;
    bool model[SPACE] = {false};
    for (int round = 0; round < 4000; round++) {
        uint64_t start = pl_rng_below(&env.rng, SPACE);
        uint64_t end = start + pl_rng_below(&env.rng, 12);
        end = end > SPACE ? SPACE : end;
        int action = (int)pl_rng_below(&env.rng, 100);
        if (action == 0) {
            pl_ranges_remove_below(&ranges, start);
            memset(model, 0, start * sizeof(model[0]));
        } else {
            bool add = action < 55;
            int error =
                add ? pl_ranges_add(&ranges, start, end) : pl_ranges_remove(&ranges, start, end);
            for (uint64_t i = start; error == 0 && i < end; i++) {
                model[i] = add;
            }
        }
        compare_with(model);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_add_merges_what_touches),  TEST(test_remove_splits),
        TEST(test_gap_finds_the_first_hole), TEST(test_limit_and_memory_change_nothing),
        TEST(test_matches_a_bitmap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* base/timers: order, stability, growth, what a fire function may do. */
#include "base/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/list.h"
#include "plait/error.h"
#include "testenv.h"

enum { MANY = 500 };

struct item {
    struct pl_timer timer;
    struct pl_timers *timers;
    int id;
    plait_time again; /* re-arm for this time when fired, 0 for not */
    struct item *cancel;
};

static int fired[4 * MANY];
static plait_time fired_at[4 * MANY];
static unsigned fired_count;

static void fire(struct pl_timer *timer, plait_time now) {
    struct item *item = PL_CONTAINER(timer, struct item, timer);
    assert_false(pl_timer_armed(timer));
    if (fired_count < 4 * MANY) {
        fired[fired_count] = item->id;
        fired_at[fired_count] = now;
    }
    fired_count++;
    if (item->again != 0) {
        pl_timer_arm(item->timers, timer, item->again);
    }
    if (item->cancel != NULL) {
        pl_timer_cancel(item->timers, &item->cancel->timer);
    }
}

static struct test_env env;
static struct pl_timers timers;
static struct item items[MANY];

static int setup(void **state) {
    (void)state;
    test_env_init(&env, 1);
    pl_timers_init(&timers, &env.env);
    for (int i = 0; i < MANY; i++) {
        items[i] = (struct item){.timers = &timers, .id = i};
        pl_timer_init(&items[i].timer, fire);
    }
    fired_count = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    pl_timers_check(&timers);
    pl_timers_fini(&timers);
    return env.live_count == 0 ? 0 : -1;
}

static void test_fires_by_deadline_then_by_arming(void **state) {
    (void)state;
    assert_int_equal(pl_timers_reserve(&timers, 5), 0);
    pl_timer_arm(&timers, &items[0].timer, 30);
    pl_timer_arm(&timers, &items[1].timer, 10);
    pl_timer_arm(&timers, &items[2].timer, 20);
    pl_timer_arm(&timers, &items[3].timer, 10);
    pl_timer_arm(&timers, &items[4].timer, 10);
    assert_int_equal(pl_timers_next(&timers), 10);
    pl_timers_run(&timers, 9);
    assert_int_equal(fired_count, 0);
    pl_timers_run(&timers, 25);
    assert_int_equal(fired_count, 4);
    const int want[] = {1, 3, 4, 2};
    assert_memory_equal(fired, want, sizeof(want));
    assert_int_equal(fired_at[0], 25);
    assert_int_equal(pl_timers_next(&timers), 30);
    pl_timers_run(&timers, 30);
    assert_int_equal(fired[4], 0);
    assert_true(pl_timers_next(&timers) == PLAIT_TIME_NEVER);
}

static void test_moving_makes_a_timer_the_last_of_its_deadline(void **state) {
    (void)state;
    assert_int_equal(pl_timers_reserve(&timers, 3), 0);
    for (int i = 0; i < 3; i++) {
        pl_timer_arm(&timers, &items[i].timer, 10);
    }
    pl_timer_arm(&timers, &items[0].timer, 10);
    pl_timers_run(&timers, 10);
    const int want[] = {1, 2, 0};
    assert_memory_equal(fired, want, sizeof(want));
}

static void test_never_and_cancel_disarm(void **state) {
    (void)state;
    assert_int_equal(pl_timers_reserve(&timers, 2), 0);
    pl_timer_arm(&timers, &items[0].timer, 10);
    pl_timer_arm(&timers, &items[1].timer, 11);
    assert_true(pl_timer_armed(&items[0].timer));
    pl_timer_arm(&timers, &items[0].timer, PLAIT_TIME_NEVER);
    assert_false(pl_timer_armed(&items[0].timer));
    pl_timer_cancel(&timers, &items[1].timer);
    pl_timer_cancel(&timers, &items[1].timer);
    assert_true(pl_timers_next(&timers) == PLAIT_TIME_NEVER);
    pl_timers_run(&timers, 1000);
    assert_int_equal(fired_count, 0);
}

static void test_a_fire_function_may_arm_and_cancel(void **state) {
    (void)state;
    assert_int_equal(pl_timers_reserve(&timers, 3), 0);
    items[0].again = 50;
    items[0].cancel = &items[1];
    for (int i = 0; i < 3; i++) {
        pl_timer_arm(&timers, &items[i].timer, 10 + (plait_time)i);
    }
    pl_timers_run(&timers, 20);
    const int want[] = {0, 2};
    assert_int_equal(fired_count, 2);
    assert_memory_equal(fired, want, sizeof(want));
    assert_int_equal(pl_timers_next(&timers), 50);
}

static void test_a_timer_that_is_always_due_does_not_hang(void **state) {
    (void)state;
    assert_int_equal(pl_timers_reserve(&timers, 1), 0);
    items[0].again = 1;
    pl_timer_arm(&timers, &items[0].timer, 1);
    pl_timers_run(&timers, 5);
    assert_int_equal(fired_count, 10000);
    assert_int_equal(pl_timers_next(&timers), 1);
}

/* Random arming, moving and cancelling against a plain array of deadlines. */
static void test_matches_a_model(void **state) {
    (void)state;
    plait_time model[MANY];
    assert_int_equal(pl_timers_reserve(&timers, MANY), 0);
    for (int i = 0; i < MANY; i++) {
        model[i] = PLAIT_TIME_NEVER;
    }
    for (int round = 0; round < 20000; round++) {
        int i = (int)pl_rng_below(&env.rng, MANY);
        model[i] =
            pl_rng_chance(&env.rng, 300000) ? PLAIT_TIME_NEVER : 1 + pl_rng_below(&env.rng, 200);
        pl_timer_arm(&timers, &items[i].timer, model[i]);
        if (round % 500 == 0) {
            pl_timers_check(&timers);
        }
    }
    unsigned armed = 0;
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(pl_timer_armed(&items[i].timer), model[i] != PLAIT_TIME_NEVER);
        armed += model[i] != PLAIT_TIME_NEVER;
    }
    for (plait_time now = pl_timers_next(&timers); now != PLAIT_TIME_NEVER;
         now = pl_timers_next(&timers)) {
        unsigned from = fired_count;
        pl_timers_run(&timers, now);
        for (unsigned k = from; k < fired_count; k++) {
            assert_int_equal(model[fired[k]], now);
        }
    }
    assert_int_equal(fired_count, armed);
}

static void test_reserve_reports_memory(void **state) {
    (void)state;
    env.fail_at = 1;
    assert_int_equal(pl_timers_reserve(&timers, 1), PLAIT_E_NO_MEMORY);
    assert_int_equal(pl_timers_reserve(&timers, 1), 0);
    pl_timer_arm(&timers, &items[0].timer, 7);
    env.fail_at = 3;
    assert_int_equal(pl_timers_reserve(&timers, 1000), PLAIT_E_NO_MEMORY);
    assert_int_equal(pl_timers_next(&timers), 7);
    assert_int_equal(pl_timers_reserve(&timers, 1000), 0);
    assert_int_equal(pl_timers_next(&timers), 7);
    assert_int_equal(pl_timers_reserve(&timers, UINT32_MAX), PLAIT_E_NO_MEMORY);
    assert_int_equal(pl_timers_reserve(&timers, 1), 0);
}

static void test_fini_leaves_timers_idle(void **state) {
    (void)state;
    assert_int_equal(pl_timers_reserve(&timers, 1), 0);
    pl_timer_arm(&timers, &items[0].timer, 7);
    pl_timers_fini(&timers);
    assert_false(pl_timer_armed(&items[0].timer));
    assert_true(pl_timers_next(&timers) == PLAIT_TIME_NEVER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fires_by_deadline_then_by_arming, setup, teardown),
        cmocka_unit_test_setup_teardown(test_moving_makes_a_timer_the_last_of_its_deadline, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_never_and_cancel_disarm, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_fire_function_may_arm_and_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_timer_that_is_always_due_does_not_hang, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_matches_a_model, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reserve_reports_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fini_leaves_timers_idle, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* stack_monitor_test.c - the ring behind plait_monitor_next: order, bounds, listeners, names. */
#include "stack_test.h"

#include "plait/monitor.h"
#include "stack/monitor.h"

static void test_off(void **state) {
    struct plait_monitor_event event;
    (void)state;
    listen_on(0, NULL, 80);
    assert_false(plait_monitor_next(stack, &event));
    assert_int_equal(plait_monitor_start(stack, 1 << 20), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_monitor_start(stack, 0), 0);
    assert_int_equal(plait_monitor_lost(stack), 0);
}

static void test_listeners(void **state) {
    struct plait_monitor_event event;
    (void)state;
    assert_int_equal(plait_monitor_start(stack, 10), 0);
    plait_sock sock = listen_on(0, NULL, 80);
    plait_sock plain = 0;
    assert_int_equal(plait_open(stack, &plain), 0);
    assert_int_equal(plait_set(stack, plain, PLAIT_OPT_MPTCP, 0), 0);
    assert_int_equal(plait_listen(stack, plain, 1), 0); /* of no interest */
    assert_true(plait_monitor_next(stack, &event));
    assert_int_equal(event.type, PLAIT_MONITOR_LISTENER_CREATED);
    assert_int_equal(event.local.port, 80);
    assert_int_equal(event.token, 0);
    assert_false(plait_monitor_next(stack, &event));
    assert_int_equal(plait_close(stack, sock, now), 0);
    assert_true(plait_monitor_next(stack, &event));
    assert_int_equal(event.type, PLAIT_MONITOR_LISTENER_CLOSED);
    assert_false(plait_monitor_next(stack, NULL));
}

static void test_full(void **state) {
    struct plait_monitor_event event = {.type = PLAIT_MONITOR_REMOVED};
    (void)state;
    assert_int_equal(plait_monitor_start(stack, 3), 0);
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 5; i++) {
            event.token = round * 10 + i;
            pl_monitor_push(stack, &event);
        }
        for (uint32_t i = 0; i < 3; i++) { /* the oldest are kept */
            assert_true(plait_monitor_next(stack, &event));
            assert_int_equal(event.token, round * 10 + i);
        }
        assert_false(plait_monitor_next(stack, &event));
        assert_int_equal(plait_monitor_lost(stack), (round + 1) * 2);
    }
    pl_monitor_push(stack, &event);
    assert_int_equal(plait_monitor_start(stack, 4), 0);
    assert_false(plait_monitor_next(stack, &event));
    assert_int_equal(plait_monitor_lost(stack), 0);
}

/* docs/api.md: a program of older headers, and one of newer ones. */
static void test_sizes(void **state) {
    struct plait_monitor_event event = {
        .type = PLAIT_MONITOR_SF_CLOSED, .token = 77, .backup = true};
    struct {
        struct plait_monitor_event now;
        uint64_t later;
    } newer = {.later = 5};
    (void)state;
    assert_int_equal(plait_monitor_start(stack, 3), 0);
    pl_monitor_push(stack, &event);
    pl_monitor_push(stack, &event);
    memset(&event, 0xaa, sizeof(event));
    size_t older = offsetof(struct plait_monitor_event, local);
    assert_true(plait_monitor_next_sized(stack, &event, older));
    assert_int_equal(event.token, 77);
    assert_int_equal(event.local.addr.family, 0xaa); /* behind the end of his struct */
    assert_true(plait_monitor_next_sized(stack, &newer, sizeof(newer)));
    assert_int_equal(newer.now.token, 77);
    assert_true(newer.now.backup);
    assert_int_equal(newer.later, 0);
    assert_false(plait_monitor_next_sized(stack, &newer, sizeof(newer)));
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(plait_monitor_name(PLAIT_MONITOR_CREATED), "CREATED");
    assert_string_equal(plait_monitor_name(PLAIT_MONITOR_SF_PRIO), "SF_PRIO");
    assert_string_equal(plait_monitor_name(PLAIT_MONITOR_LISTENER_CLOSED), "LISTENER_CLOSED");
    assert_null(plait_monitor_name(0));
    assert_null(plait_monitor_name(5));
    assert_null(plait_monitor_name(1000));
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_off), TEST(test_listeners), TEST(test_full),
                                       TEST(test_sizes), TEST(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

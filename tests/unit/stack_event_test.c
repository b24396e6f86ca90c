/* stack/event: bits coalesce, turns are fair, nothing grows. */
#include "stack/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct pl_events events;
static struct pl_event_source a, b;

static int setup(void **state) {
    (void)state;
    pl_events_init(&events);
    pl_event_source_init(&a, 1);
    pl_event_source_init(&b, 2);
    return 0;
}

static void expect(uint32_t type, plait_sock sock) {
    struct plait_event event;
    pl_events_check(&events);
    assert_true(pl_event_pop(&events, &event));
    assert_int_equal(event.type, type);
    assert_int_equal(event.sock, sock);
}

static void expect_nothing(void) {
    struct plait_event event;
    assert_false(pl_event_pop(&events, &event));
}

static void raise_bit(struct pl_event_source *source, uint32_t type) {
    pl_event_raise(&events, source, type, 0);
}

static void push(plait_sock sock, uint32_t type, uint8_t id) {
    struct plait_event event = {.type = type, .sock = sock, .id = id};
    pl_event_push(&events, &event);
}

static void test_bits_coalesce(void **state) {
    (void)state;
    for (int i = 0; i < 1000; i++) {
        raise_bit(&a, PLAIT_EVENT_READABLE);
    }
    expect(PLAIT_EVENT_READABLE, 1);
    expect_nothing();
    raise_bit(&a, PLAIT_EVENT_READABLE);
    expect(PLAIT_EVENT_READABLE, 1);
    expect_nothing();
}

static void test_sources_take_turns(void **state) {
    (void)state;
    raise_bit(&b, PLAIT_EVENT_WRITABLE);
    raise_bit(&a, PLAIT_EVENT_READABLE);
    raise_bit(&b, PLAIT_EVENT_READABLE);
    expect(PLAIT_EVENT_READABLE, 2);
    expect(PLAIT_EVENT_READABLE, 1);
    expect(PLAIT_EVENT_WRITABLE, 2);
    expect_nothing();
}

static void test_bits_of_a_source_have_an_order(void **state) {
    (void)state;
    raise_bit(&a, PLAIT_EVENT_CLOSED);
    raise_bit(&a, PLAIT_EVENT_WRITABLE);
    raise_bit(&a, PLAIT_EVENT_READABLE);
    raise_bit(&a, PLAIT_EVENT_FALLBACK);
    raise_bit(&a, PLAIT_EVENT_CONNECTED);
    expect(PLAIT_EVENT_CONNECTED, 1);
    expect(PLAIT_EVENT_FALLBACK, 1);
    expect(PLAIT_EVENT_READABLE, 1);
    expect(PLAIT_EVENT_WRITABLE, 1);
    expect(PLAIT_EVENT_CLOSED, 1);
    expect_nothing();
}

static void test_path_events_keep_their_place(void **state) {
    (void)state;
    push(1, PLAIT_EVENT_SF_ESTABLISHED, 1);
    raise_bit(&a, PLAIT_EVENT_CONNECTED);
    push(1, PLAIT_EVENT_SF_CLOSED, 1);
    pl_event_raise(&events, &a, PLAIT_EVENT_ERROR, PLAIT_E_RESET);
    expect(PLAIT_EVENT_SF_ESTABLISHED, 1);
    expect(PLAIT_EVENT_CONNECTED, 1);
    expect(PLAIT_EVENT_SF_CLOSED, 1);
    struct plait_event event;
    assert_true(pl_event_pop(&events, &event));
    assert_int_equal(event.type, PLAIT_EVENT_ERROR);
    assert_int_equal(event.error, PLAIT_E_RESET);
    expect_nothing();
}

static void test_the_ring_is_bounded_and_bits_are_not_lost(void **state) {
    (void)state;
    for (unsigned i = 0; i < 3 * PL_EVENTS_RING; i++) {
        push(1, PLAIT_EVENT_ANNOUNCED, (uint8_t)i);
    }
    raise_bit(&b, PLAIT_EVENT_CLOSED);
    for (unsigned i = 0; i < PL_EVENTS_RING; i++) {
        struct plait_event event;
        assert_true(pl_event_pop(&events, &event));
        assert_int_equal(event.id, (uint8_t)i);
    }
    expect(PLAIT_EVENT_CLOSED, 2);
    expect_nothing();
    push(2, PLAIT_EVENT_REMOVED, 1); /* the ring goes round */
    expect(PLAIT_EVENT_REMOVED, 2);
}

static void test_a_source_that_ends_is_silent(void **state) {
    (void)state;
    raise_bit(&a, PLAIT_EVENT_READABLE);
    raise_bit(&b, PLAIT_EVENT_READABLE);
    pl_event_source_fini(&a);
    expect(PLAIT_EVENT_READABLE, 2);
    expect_nothing();
    pl_event_source_fini(&b); /* nothing pending is fine */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bits_coalesce, setup),
        cmocka_unit_test_setup(test_sources_take_turns, setup),
        cmocka_unit_test_setup(test_bits_of_a_source_have_an_order, setup),
        cmocka_unit_test_setup(test_path_events_keep_their_place, setup),
        cmocka_unit_test_setup(test_the_ring_is_bounded_and_bits_are_not_lost, setup),
        cmocka_unit_test_setup(test_a_source_that_ends_is_silent, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

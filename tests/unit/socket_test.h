/* tests/unit/socket_test.h - what the tests of src/socket share: a pair of stacks. Included by each
 * test program once. */
#ifndef PL_TEST_SOCKET_TEST_H
#define PL_TEST_SOCKET_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stack_pair.h"

#define MS PLAIT_NS_PER_MS
#define SECOND PLAIT_NS_PER_S
#define A (pair.stack[PAIR_A])
#define B (pair.stack[PAIR_B])

static struct stack_pair pair;

static inline int setup(void **state) {
    (void)state;
    pair_init(&pair, NULL);
    return 0;
}

static inline int teardown(void **state) {
    (void)state;
    pair_fini(&pair);
    return 0;
}

static inline plait_sock open_on(struct plait_stack *stack) {
    plait_sock sock = 0;
    assert_int_equal(plait_open(stack, &sock), 0);
    return sock;
}

static inline uint32_t connections(unsigned side) {
    struct plait_stack_stats stats = {0};
    plait_stack_stats(pair.stack[side], &stats);
    return stats.connections;
}

/* Everything that a side has to say now must be of these types; returns which came, as bits. */
static inline uint32_t drain(unsigned side, plait_sock sock) {
    struct plait_event event;
    uint32_t seen = 0;
    while (plait_event_next(pair.stack[side], &event)) {
        if (event.sock == sock) {
            seen |= UINT32_C(1) << event.type;
        }
    }
    return seen;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif

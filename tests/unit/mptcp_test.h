/* mptcp_test.h - an established connection between two stacks, for the tests of src/mptcp. */
#ifndef MPTCP_TEST_H
#define MPTCP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stack_pair.h"
#include "tamper.h"

struct link {
    struct stack_pair pair;
    plait_sock listener, a, b;
};

enum { LINK_PORT = 80 };
#define LINK_PATIENCE (30 * PLAIT_NS_PER_S)

/* Builds the pair with `paths` paths; A opens subflows from all of its addresses. */
static inline void link_init2(struct link *l, unsigned paths, const struct plait_config *a,
                              const struct plait_config *b) {
    struct pair_setup setup = {
        .seed = 42,
        .paths = paths,
        .address_flags = {PLAIT_ADDRESS_SUBFLOW, 0},
        .config = {a, b},
    };
    pair_init(&l->pair, &setup);
    l->listener = pair_listen(&l->pair, LINK_PORT);
    l->a = 0;
    l->b = 0;
}

static inline void link_init(struct link *l, unsigned paths, const struct plait_config *config) {
    link_init2(l, paths, config, config);
}

static inline void link_filter(struct link *l, pair_filter *filter, void *arg) {
    l->pair.filter = filter;
    l->pair.filter_arg = arg;
}

static inline void link_connect(struct link *l) {
    l->a = pair_connect(&l->pair, l->listener, LINK_PORT, PLAIT_IPV4, &l->b);
}

static inline bool link_is_mptcp(struct link *l) {
    return pair_get(&l->pair, PAIR_A, l->a, PLAIT_OPT_IS_MPTCP) == 1;
}

static inline uint64_t link_count(struct link *l, unsigned side, enum plait_counter counter) {
    return pair_counter(&l->pair, side, counter);
}

/* Bytes both ways, checked. */
static inline void link_transfer(struct link *l, uint64_t len) {
    assert_true(pair_transfer(&l->pair, PAIR_A, l->a, l->b, len, LINK_PATIENCE));
    assert_true(pair_transfer(&l->pair, PAIR_B, l->b, l->a, len, LINK_PATIENCE));
}

static inline struct plait_stack *link_stack(struct link *l, unsigned side) {
    return l->pair.stack[side];
}

/* How many subflows of A are established. */
static inline unsigned link_subflows(struct link *l) {
    struct plait_subflow_info info[8];
    int n = plait_subflows(l->pair.stack[PAIR_A], l->a, info, 8);
    unsigned up = 0;
    for (int i = 0; i < n && i < 8; i++) {
        up += info[i].established ? 1 : 0;
    }
    return up;
}

/* Ends both sides in good order and checks that nothing is left. */
static inline void link_finish(struct link *l) {
    struct stack_pair *p = &l->pair;
    assert_int_equal(plait_shutdown(p->stack[PAIR_A], l->a, p->now), 0);
    assert_int_equal(plait_shutdown(p->stack[PAIR_B], l->b, p->now), 0);
    assert_true(pair_wait_event(p, PAIR_A, l->a, PLAIT_EVENT_CLOSED, LINK_PATIENCE, NULL));
    assert_int_equal(plait_close(p->stack[PAIR_A], l->a, p->now), 0);
    assert_int_equal(plait_close(p->stack[PAIR_B], l->b, p->now), 0);
    pair_run(p, 300 * PLAIT_NS_PER_S);
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        struct plait_stack_stats stats = {.size = sizeof(stats)};
        plait_stack_check(p->stack[side]);
        plait_stack_stats(p->stack[side], &stats);
        assert_int_equal(stats.connections, 0);
        assert_int_equal(stats.memory_bytes, 0);
    }
    pair_fini(p);
}

#endif

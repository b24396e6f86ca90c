/* mptcp_paths.h - paths that die and come back by a timetable, for tests with a pair of stacks. */
#ifndef MPTCP_PATHS_H
#define MPTCP_PATHS_H

#include "mptcp_test.h"

#ifndef MS
#define MS PLAIT_NS_PER_MS
#define SECOND PLAIT_NS_PER_S
#endif

enum { BOTH_WAYS = PAIR_SIDES, CHANGES_MAX = 64 };

/* At `at` after the start, a path is cut (for what `from` sends) or whole again. */
struct change {
    uint64_t at;
    unsigned path;
    bool cut;
    unsigned from;
};

struct timetable {
    plait_time start;
    struct change change[CHANGES_MAX];
    unsigned count;
};

static inline bool timetable_filter(struct stack_pair *pair, unsigned from, unsigned path,
                                    uint8_t *packet, uint32_t len) {
    const struct timetable *t = pair->filter_arg;
    bool cut = false;
    (void)packet, (void)len;
    for (unsigned i = 0; i < t->count; i++) {
        const struct change *c = &t->change[i];
        if (pair->now >= t->start + c->at && c->path == path &&
            (c->from == BOTH_WAYS || c->from == from)) {
            cut = c->cut;
        }
    }
    return cut;
}

static inline void timetable_start(struct link *l, struct timetable *t) {
    t->start = l->pair.now;
    link_filter(l, timetable_filter, t);
}

/* A pair with `paths` paths of `delay_ns` each way whose windows keep a transfer busy for a while:
 * `buffer` bytes per round trip. */
static inline void slow_link(struct link *l, unsigned paths, uint64_t delay_ns, uint32_t buffer) {
    struct plait_config config;
    plait_config_init(&config);
    config.receive_buffer_bytes = buffer;
    link_init(l, paths, &config);
    for (unsigned i = 0; i < paths; i++) {
        l->pair.path[i].delay_ns = delay_ns;
    }
    link_connect(l);
    link_transfer(l, 1000);
    pair_run(&l->pair, SECOND);
    assert_int_equal(link_subflows(l), paths);
}

/* Sends `len` bytes from a side and returns how long it took. */
static inline uint64_t timed_transfer(struct link *l, unsigned from, uint64_t len) {
    plait_time start = l->pair.now;
    plait_sock source = from == PAIR_A ? l->a : l->b, sink = from == PAIR_A ? l->b : l->a;
    assert_true(pair_transfer(&l->pair, from, source, sink, len, 120 * SECOND));
    plait_stack_check(l->pair.stack[PAIR_A]);
    plait_stack_check(l->pair.stack[PAIR_B]);
    return l->pair.now - start;
}

static inline uint64_t reinjected(struct link *l, unsigned side) {
    struct plait_connection_info info = {.size = sizeof(info)};
    plait_sock sock = side == PAIR_A ? l->a : l->b;
    assert_int_equal(plait_connection(l->pair.stack[side], sock, &info), 0);
    return info.reinjected_bytes;
}

#endif

/* mptcp_sched_test.h - what the tests of schedulers share: a connection of two stacks over paths of
 * their own delays, and which bytes of A's stream went by which path. Included by each test program
 * once. */
#ifndef MPTCP_SCHED_TEST_H
#define MPTCP_SCHED_TEST_H

#include "mptcp_test.h"
#include "plait/scheduler.h"

#ifndef MS
#define MS PLAIT_NS_PER_MS
#define SECOND PLAIT_NS_PER_S
#endif

enum { CARRIED_MAX = 1 << 20, ORDER_MAX = 8192, SCHED_PATHS = 3 };

static struct link l;
static uint8_t carried[SCHED_PATHS][CARRIED_MAX]; /* how often each byte went by each path */
static uint8_t order[ORDER_MAX]; /* paths of the data segments, as they were sent */
static unsigned order_count;
static uint64_t base; /* DSN of byte 0; only bytes from there on are looked at */
static bool dead[SCHED_PATHS];
static bool lose_next[SCHED_PATHS]; /* the next data segment there is lost */

static inline bool sched_watch(struct stack_pair *pair, unsigned from, unsigned path,
                               uint8_t *packet, uint32_t len) {
    struct tamper t;
    (void)pair;
    bool lost = dead[path];
    if (from != PAIR_A || !tamper_parse(&t, packet, len)) {
        return lost;
    }
    const struct pl_mptcp_options *o = &t.seg.options.mptcp;
    if (t.seg.payload_len == 0 || !pl_mptcp_has(o, PL_MP_DSS) || !o->dss.has_map || base == 0) {
        return lost;
    }
    /* Within a mapping a segment may begin anywhere; these links cut nothing. */
    uint64_t at =
        (o->dss.dsn_is_64 ? o->dss.dsn : (base & ~UINT64_C(0xffffffff)) | o->dss.dsn) - base;
    for (uint64_t i = at; i < at + t.seg.payload_len && i < CARRIED_MAX; i++) {
        carried[path][i]++;
    }
    if (order_count < ORDER_MAX) {
        order[order_count++] = (uint8_t)path;
    }
    lost = lost || lose_next[path];
    lose_next[path] = false;
    return lost;
}

static inline uint64_t sched_end(void) {
    struct plait_connection_info info = {.size = sizeof(info)};
    assert_int_equal(plait_connection(l.pair.stack[PAIR_A], l.a, &info), 0);
    return info.write_seq;
}

/* Forgets what was seen; byte 0 is the next one that is written. */
static inline void sched_forget(void) {
    memset(carried, 0, sizeof(carried));
    order_count = 0;
    base = sched_end();
}

/* Connects over `paths` paths of these delays (one way), all subflows up, RTTs measured. */
static inline void sched_begin(const char *name, unsigned paths, const uint64_t *delay_ns,
                               const struct plait_config *config) {
    memset(dead, 0, sizeof(dead));
    memset(lose_next, 0, sizeof(lose_next));
    base = 0;
    link_init(&l, paths, config);
    for (unsigned i = 0; i < paths; i++) {
        l.pair.path[i].delay_ns = delay_ns[i];
    }
    link_filter(&l, sched_watch, NULL);
    link_connect(&l);
    link_transfer(&l, 1000);
    pair_run(&l.pair, 3 * SECOND);
    assert_int_equal(link_subflows(&l), paths);
    assert_int_equal(plait_set_text(l.pair.stack[PAIR_A], l.a, "PLAIT_SCHEDULER", name), 0);
    sched_forget();
}

/* Sends `len` bytes from A and returns how long that took. */
static inline uint64_t sched_send(uint64_t len) {
    plait_time start = l.pair.now;
    assert_true(pair_transfer(&l.pair, PAIR_A, l.a, l.b, len, 120 * SECOND));
    plait_stack_check(l.pair.stack[PAIR_A]);
    return l.pair.now - start;
}

/* How many of the first `len` bytes went by a path at least once. */
static inline uint64_t sched_carried(unsigned path, uint64_t len) {
    uint64_t n = 0;
    assert_true(len <= CARRIED_MAX);
    for (uint64_t i = 0; i < len; i++) {
        n += carried[path][i] > 0 ? 1 : 0;
    }
    return n;
}

/* The data segments that a path has seen. */
static inline unsigned sched_segments(unsigned path) {
    unsigned n = 0;
    for (unsigned i = 0; i < order_count; i++) {
        n += order[i] == path ? 1 : 0;
    }
    return n;
}

#endif

/* mptcp_idle_test.c - a host that only waits finds out that its paths are dead, if there are
 * others, and otherwise leaves its peer in peace. */
#include "mptcp_test.h"

enum { PORTS_MAX = 8, HOUR = 3600 };

/* A NAT that forgets: from `closed` on, what the flows seen before send or get is lost. */
struct forgetful {
    bool closed;
    uint16_t port[PORTS_MAX]; /* A's */
    unsigned count;
};

static bool forgetful_filter(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                             uint32_t len) {
    struct forgetful *f = pair->filter_arg;
    struct tamper t;
    (void)path;
    if (!tamper_parse(&t, packet, len)) {
        return false;
    }
    uint16_t port = from == PAIR_A ? t.seg.src_port : t.seg.dst_port;
    for (unsigned i = 0; i < f->count; i++) {
        if (f->port[i] == port) {
            return f->closed;
        }
    }
    if (!f->closed && f->count < PORTS_MAX) {
        f->port[f->count++] = port;
    }
    return false;
}

/* Every mapping is gone, B speaks, and only A can open a path. */
static void run_forgotten(unsigned idle_seconds, unsigned most_seconds) {
    struct forgetful f = {0};
    uint8_t block[1000] = {0};
    struct link l;
    link_init(&l, 2, NULL);
    link_filter(&l, forgetful_filter, &f);
    link_connect(&l);
    link_transfer(&l, 1000);
    pair_run(&l.pair, idle_seconds * PLAIT_NS_PER_S);
    assert_int_equal(link_subflows(&l), 2);
    f.closed = true;
    assert_int_equal(plait_write(link_stack(&l, PAIR_B), l.b, block, 1000, l.pair.now), 1000);
    int64_t got = PLAIT_E_AGAIN;
    for (unsigned i = 0; i < most_seconds && got == PLAIT_E_AGAIN; i++) {
        pair_run(&l.pair, PLAIT_NS_PER_S);
        got = plait_read(link_stack(&l, PAIR_A), l.a, block, 1000, l.pair.now);
    }
    assert_int_equal(got, 1000);
    pair_run(&l.pair, 5 * PLAIT_NS_PER_S);
    assert_int_equal(link_subflows(&l), 2); /* the dead ones have made room */
    link_transfer(&l, 100000);
    link_finish(&l);
}

static void test_forgotten(void **state) {
    (void)state;
    run_forgotten(1, 30);
    run_forgotten(120, 120);
}

/* The outage passes: the subflows that were silent go on, and no others are left over. */
static void test_outage(void **state) {
    struct forgetful f = {0};
    struct link l;
    (void)state;
    link_init(&l, 2, NULL);
    link_filter(&l, forgetful_filter, &f);
    link_connect(&l);
    link_transfer(&l, 1000);
    for (unsigned seconds = 10; seconds <= 1000; seconds *= 10) {
        for (unsigned path = 0; path < 2; path++) {
            l.pair.path[path].loss_ppm = 1000000;
        }
        pair_run(&l.pair, seconds * PLAIT_NS_PER_S);
        for (unsigned path = 0; path < 2; path++) {
            l.pair.path[path].loss_ppm = 0;
        }
        pair_run(&l.pair, 60 * PLAIT_NS_PER_S);
        assert_int_equal(link_subflows(&l), 2);
        link_transfer(&l, 1000);
    }
    link_finish(&l);
}

/* Packets of both sides in an hour of silence. */
static uint64_t chatter(unsigned paths) {
    struct link l;
    uint64_t sent = 0;
    link_init(&l, paths, NULL);
    link_connect(&l);
    link_transfer(&l, 1000);
    pair_run(&l.pair, 5 * PLAIT_NS_PER_S);
    for (unsigned i = 0; i < 2 * paths; i++) {
        sent -= l.pair.sent[i % 2][i / 2];
    }
    pair_run(&l.pair, HOUR * PLAIT_NS_PER_S);
    for (unsigned i = 0; i < 2 * paths; i++) {
        sent += l.pair.sent[i % 2][i / 2];
    }
    assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_SubflowStale), 0);
    link_finish(&l);
    return sent;
}

/* One path: as plain TCP, where keep-alives are off unless asked for (RFC 9293 section 3.8.4). */
static void test_quiet(void **state) {
    (void)state;
    assert_int_equal(chatter(1), 0);
    assert_in_range(chatter(2), 2 * 2 * 8, 2 * 2 * 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_outage),
        cmocka_unit_test(test_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

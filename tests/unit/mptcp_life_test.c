/* mptcp_life_test.c - a connection as a whole: born, settled, ended, with and without memory. */
#include "mptcp/subflow.h"
#include "mptcp_paths.h"
#include "mptcp_peer_test.h"

/* ---- every allocation fails ---- */

enum { FAIL_BYTES = 12000, FAIL_RUN_S = 150 };

struct attempt {
    plait_time start;
    plait_sock listener, sock[PAIR_SIDES];
    uint64_t written[PAIR_SIDES], read[PAIR_SIDES];
    bool open[PAIR_SIDES], shut[PAIR_SIDES], ended[PAIR_SIDES];
    int error[PAIR_SIDES];
};

static void write_some(struct stack_pair *p, struct attempt *t, unsigned side) {
    uint8_t block[1000];
    bool joined = p->now >= t->start + 60 * MS; /* the second half goes over two subflows */
    uint64_t until = joined ? FAIL_BYTES : FAIL_BYTES / 2;
    while (t->written[side] < until &&
           (plait_poll(p->stack[side], t->sock[side]) & PLAIT_POLL_WRITE) != 0) {
        for (unsigned i = 0; i < sizeof(block); i++) {
            block[i] = pair_pattern(t->written[side] + i);
        }
        int64_t n = plait_write(p->stack[side], t->sock[side], block, sizeof(block), p->now);
        if (n <= 0) {
            t->error[side] = n != PLAIT_E_AGAIN ? (int)n : t->error[side];
            return;
        }
        t->written[side] += (uint64_t)n;
    }
    if (!t->shut[side] && joined) {
        t->shut[side] = plait_shutdown(p->stack[side], t->sock[side], p->now) == 0;
    }
}

static void read_some(struct stack_pair *p, struct attempt *t, unsigned side) {
    uint8_t block[2000];
    while (!t->ended[side]) {
        int64_t n = plait_read(p->stack[side], t->sock[side], block, sizeof(block), p->now);
        for (int64_t i = 0; i < n; i++) {
            assert_int_equal(block[i], pair_pattern(t->read[side] + (uint64_t)i));
        }
        if (n <= 0) {
            t->ended[side] = n == 0;
            t->error[side] = n < 0 && n != PLAIT_E_AGAIN ? (int)n : t->error[side];
            return;
        }
        t->read[side] += (uint64_t)n;
    }
}

static bool attempt_over(struct stack_pair *p, void *arg) {
    struct attempt *t = arg;
    bool over[PAIR_SIDES];
    if (!t->open[PAIR_B] && plait_accept(p->stack[PAIR_B], t->listener, &t->sock[PAIR_B]) == 0) {
        t->open[PAIR_B] = true;
    }
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        if (t->open[side] && t->error[side] == 0) {
            write_some(p, t, side);
            read_some(p, t, side);
        }
        over[side] = t->error[side] != 0 || (t->ended[side] && t->shut[side]);
    }
    /* A connection that B never heard of ends at A alone. */
    return over[PAIR_A] && (over[PAIR_B] || !t->open[PAIR_B]);
}

/* One life in which the n-th allocation of a side fails (or all from it on). Returns false when
 * nothing failed any more. */
static bool run_failing(unsigned side, uint64_t n, bool after) {
    struct stack_pair pair, *p = &pair;
    struct attempt t = {0};
    struct plait_config config;
    plait_config_init(&config);
    config.syn_timeout_ns = 20 * SECOND;
    config.orphan_ns = 20 * SECOND;
    config.no_subflow_ns = 20 * SECOND;
    struct pair_setup setup = {.seed = 4,
                               .paths = 2,
                               .address_flags = {PLAIT_ADDRESS_SUBFLOW, PLAIT_ADDRESS_SIGNAL},
                               .config = {&config, &config}};
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    pair_init(p, &setup);
    t.listener = pair_listen(p, LINK_PORT);
    t.start = p->now;
    p->env[side].fail_at = p->env[side].alloc_count + n;
    p->env[side].fail_after = after;
    int rc = plait_open(p->stack[PAIR_A], &t.sock[PAIR_A]);
    t.error[PAIR_A] = rc;
    if (rc == 0) {
        t.error[PAIR_A] = plait_connect(p->stack[PAIR_A], t.sock[PAIR_A], &remote, p->now);
        t.open[PAIR_A] = t.error[PAIR_A] == 0;
    }
    if (t.open[PAIR_A]) {
        bool over = pair_run_until(p, attempt_over, &t, (after ? 30 : FAIL_RUN_S) * SECOND);
        assert_true(over || after); /* with no memory for ever, somebody may wait for ever */
    }
    bool failed = p->env[side].alloc_count >= p->env[side].fail_at;
    for (unsigned i = 0; i < PAIR_SIDES; i++) {
        if (t.sock[i] != 0) {
            (void)plait_close(p->stack[i], t.sock[i], p->now);
        }
    }
    p->env[side].fail_at = 0;
    pair_run(p, 200 * SECOND);
    pair_fini(p);
    return failed;
}

static void test_one_allocation_fails(void **state) {
    (void)state;
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        uint64_t n = 1;
        while (run_failing(side, n, false)) {
            n++;
        }
        assert_true(n > 80);
    }
}

static void test_all_allocations_fail(void **state) {
    (void)state;
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        for (uint64_t n = 1; run_failing(side, n, true); n += 7) {
        }
    }
}

/* ---- ends ---- */

static void test_established_counter(void **state) {
    struct link l;
    (void)state;
    slow_link(&l, 2, 5 * MS, 65536);
    assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_MPCurrEstab), 1);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_MPCurrEstab), 1);
    link_filter(&l, NULL, NULL);
    struct stack_pair *p = &l.pair;
    assert_int_equal(plait_abort(p->stack[PAIR_A], l.a, PLAIT_E_ABORTED, p->now), 0);
    assert_true(pair_wait_event(p, PAIR_B, l.b, PLAIT_EVENT_ERROR, SECOND, NULL));
    assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_MPCurrEstab), 0);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_MPCurrEstab), 0);
    assert_int_equal(plait_close(p->stack[PAIR_B], l.b, p->now), 0);
    pair_run(p, SECOND);
    pair_fini(p);
}

/* Destroyed in the middle of everything: nothing is sent and nothing stays. */
static void test_destroyed_busy(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 3, .cap_flags = PL_CAPABLE_CHECKSUM});
    peer_join(&peer, 1, false);
    peer_join(&peer, 2, true);
    peer.mute[0] = true;
    peer_write(&peer, 0, 50000);
    peer_data(&peer, 0, 5000, 1000);
    struct pl_mptcp_options o = peer_map(&peer, 0, 1000, 3000, false);
    send_next(0, 0, 700, &o); /* half a mapping */
    send_next(1, 0, 100, NULL);
    peer_send(&peer, &(struct peer_seg){.flow = 2, .flags = PL_TCP_RST, .seq = PEER_NO_OFFSET});
    peer_fini(&peer);
}

/* Many lives of one stack leave nothing behind. */
static void test_many_lives(void **state) {
    struct link l;
    (void)state;
    link_init(&l, 2, NULL);
    for (unsigned i = 0; i < 20; i++) {
        struct stack_pair *p = &l.pair;
        link_connect(&l);
        link_transfer(&l, 3000 + i);
        if (i % 3 == 0) {
            assert_int_equal(
                plait_abort(p->stack[i % 2], i % 2 ? l.b : l.a, PLAIT_E_ABORTED, p->now), 0);
        }
        (void)plait_close(p->stack[PAIR_A], l.a, p->now);
        (void)plait_close(p->stack[PAIR_B], l.b, p->now);
        pair_run(p, (i % 4) * SECOND);
    }
    pair_run(&l.pair, 200 * SECOND);
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        struct plait_stack_stats stats = {.size = sizeof(stats)};
        plait_stack_stats(l.pair.stack[side], &stats);
        assert_int_equal(stats.connections, 0);
        assert_int_equal(stats.subflows, 0);
        assert_int_equal(stats.memory_bytes, 0);
        assert_int_equal(link_count(&l, side, PLAIT_COUNTER_MPCurrEstab), 0);
    }
    pair_fini(&l.pair);
}

/* What many idle connections with two subflows hold, each at either end, tables included. */
static void test_idle_is_small(void **state) {
    enum { CONNECTIONS = 64, BYTES_MAX = 3000 };
    struct plait_stack_stats stats = {.size = sizeof(stats)};
    uint64_t before[PAIR_SIDES];
    struct link l;
    (void)state;
    link_init(&l, 2, NULL);
    link_connect(&l);
    link_transfer(&l, 100);
    pair_run(&l.pair, PLAIT_NS_PER_S);
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        before[side] = l.pair.env[side].live_bytes;
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        link_connect(&l);
        link_transfer(&l, 100);
    }
    pair_run(&l.pair, 10 * PLAIT_NS_PER_S);
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        plait_stack_stats(link_stack(&l, side), &stats);
        assert_int_equal(stats.subflows, 2 * (CONNECTIONS + 1));
        uint64_t each = (l.pair.env[side].live_bytes - before[side]) / CONNECTIONS;
        assert_in_range(each, 1000, BYTES_MAX);
    }
    pair_fini(&l.pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_allocation_fails), cmocka_unit_test(test_all_allocations_fail),
        cmocka_unit_test(test_established_counter),  cmocka_unit_test(test_destroyed_busy),
        cmocka_unit_test(test_many_lives),           cmocka_unit_test(test_idle_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

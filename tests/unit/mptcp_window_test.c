/* mptcp_window_test.c - the receive window follows the rate (RFC 8684 section 3.3.4). */
#include "mptcp_test.h"

/* The largest window that B advertised beyond a DATA_ACK. */
struct seen {
    uint32_t largest;
    uint8_t wscale;
};

static bool watch(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                  uint32_t len) {
    struct seen *seen = pair->filter_arg;
    struct tamper t;
    (void)path;
    if (from != PAIR_B || !tamper_parse(&t, packet, len)) {
        return false;
    }
    if ((t.seg.flags & PL_TCP_SYN) != 0) {
        seen->wscale = t.seg.options.has_wscale ? t.seg.options.wscale : 0;
        return false;
    }
    uint32_t window = (uint32_t)t.seg.window_raw << seen->wscale;
    seen->largest = window > seen->largest ? window : seen->largest;
    return false;
}

static uint32_t largest_window(uint64_t bytes, uint64_t delay_ns, uint32_t bound) {
    struct link l;
    struct seen seen = {0};
    struct plait_config config;
    plait_config_init(&config);
    config.receive_buffer_bytes = bound;
    struct pair_setup setup = {
        .seed = 9, .paths = 1, .delay_ns = delay_ns, .config = {&config, &config}};
    pair_init(&l.pair, &setup);
    l.listener = pair_listen(&l.pair, LINK_PORT);
    link_filter(&l, watch, &seen);
    link_connect(&l);
    assert_true(pair_transfer(&l.pair, PAIR_A, l.a, l.b, bytes, LINK_PATIENCE));
    link_finish(&l);
    return seen.largest;
}

static void test_starts_small(void **state) {
    (void)state;
    assert_in_range(largest_window(20000, 20 * PLAIT_NS_PER_MS, 8U << 20), 200 * 1024, 256 * 1024);
}

/* No rate limit but the window: it must grow until the bound, round by round. */
static void test_grows_with_the_rate(void **state) {
    (void)state;
    assert_in_range(largest_window(12U << 20, 20 * PLAIT_NS_PER_MS, 4U << 20), 2U << 20, 4U << 20);
}

/* Plain TCP: nine doublings of the first window are 7 MB, ten round trips. */
static void test_does_not_hold_slow_start_back(void **state) {
    (void)state;
    struct link l;
    struct plait_config config;
    plait_config_init(&config);
    config.receive_buffer_bytes = 64U << 20;
    config.send_buffer_bytes = 64U << 20;
    config.mptcp = false;
    struct pair_setup setup = {
        .seed = 9, .paths = 1, .delay_ns = 50 * PLAIT_NS_PER_MS, .config = {&config, &config}};
    pair_init(&l.pair, &setup);
    l.listener = pair_listen(&l.pair, LINK_PORT);
    link_connect(&l);
    plait_time start = l.pair.now;
    assert_true(pair_transfer(&l.pair, PAIR_A, l.a, l.b, 7U << 20, LINK_PATIENCE));
    assert_true(l.pair.now - start < 1000 * PLAIT_NS_PER_MS);
    link_finish(&l);
}

static void test_never_above_the_bound(void **state) {
    (void)state;
    assert_in_range(largest_window(4U << 20, 20 * PLAIT_NS_PER_MS, 100000), 50000, 100000);
}

/* What is not read takes from the window; reading gives it back and says so. */
static void test_closes_and_opens(void **state) {
    struct link l;
    uint8_t block[4096] = {0};
    (void)state;
    link_init(&l, 1, NULL);
    link_connect(&l);
    uint64_t written = 0, seen = 0;
    for (unsigned i = 0; i < 400; i++) {
        int64_t n = plait_write(link_stack(&l, PAIR_A), l.a, block, sizeof(block), l.pair.now);
        written += n > 0 ? (uint64_t)n : 0;
        pair_run(&l.pair, PLAIT_NS_PER_MS);
    }
    pair_run(&l.pair, PLAIT_NS_PER_S);
    int64_t held = pair_get(&l.pair, PAIR_B, l.b, PLAIT_OPT_RECEIVE_QUEUE);
    assert_in_range(held, 100 * 1024, 600 * 1024);
    assert_true((uint64_t)held < written);
    while (seen < written) {
        int64_t n = plait_read(link_stack(&l, PAIR_B), l.b, block, sizeof(block), l.pair.now);
        seen += n > 0 ? (uint64_t)n : 0;
        pair_run(&l.pair, n > 0 ? PLAIT_NS_PER_MS / 10 : 5 * PLAIT_NS_PER_MS);
        assert_true(l.pair.now < 3600 * PLAIT_NS_PER_S);
    }
    link_finish(&l);
}

/* ---- a link with a rate: RFC 9293 section 3.8 leaves the size of buffers open ---- */

enum { PIPE_RATE = 12500000, PIPE_QUEUE_MS = 100 }; /* 100 Mb/s */
#define PIPE_RTT_MS 100

/* Side A writes as much as it may; B reads at most `read_rate` bytes per second. */
struct pipe_run {
    struct link l;
    uint64_t read, read_rate, written;
    plait_time start, free_at;
    uint32_t queue_most, receive_most;
};

/* A queue in front of A's link, by its length alone: what would wait for too long is lost, and what
 * does not is early by as much as it should have waited. */
static bool police(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                   uint32_t len) {
    struct pipe_run *run = pair->filter_arg;
    (void)path, (void)packet;
    if (from != PAIR_A) {
        return false;
    }
    run->free_at = run->free_at > pair->now ? run->free_at : pair->now;
    if (run->free_at - pair->now > PIPE_QUEUE_MS * PLAIT_NS_PER_MS) {
        return true;
    }
    run->free_at += len * PLAIT_NS_PER_S / PIPE_RATE;
    return false;
}

static void pipe_init(struct pipe_run *run, bool mptcp, uint64_t read_rate) {
    struct plait_config config;
    plait_config_init(&config);
    config.mptcp = mptcp;
    struct pair_setup setup = {.seed = 7,
                               .paths = 1,
                               .delay_ns = PIPE_RTT_MS * PLAIT_NS_PER_MS / 2,
                               .config = {&config, &config}};
    *run = (struct pipe_run){.read_rate = read_rate};
    pair_init(&run->l.pair, &setup);
    run->l.listener = pair_listen(&run->l.pair, LINK_PORT);
    link_connect(&run->l);
    link_filter(&run->l, police, run);
    run->start = run->l.pair.now;
}

static void pipe_turn(struct pipe_run *run) {
    static uint8_t block[65536];
    struct stack_pair *p = &run->l.pair;
    int64_t n = 1;
    while (n > 0) {
        n = plait_write(p->stack[PAIR_A], run->l.a, block, sizeof(block), p->now);
        run->written += n > 0 ? (uint64_t)n : 0;
    }
    uint32_t queue = (uint32_t)pair_get(p, PAIR_A, run->l.a, PLAIT_OPT_SEND_QUEUE);
    run->queue_most = queue > run->queue_most ? queue : run->queue_most;
    uint32_t held = (uint32_t)pair_get(p, PAIR_B, run->l.b, PLAIT_OPT_RECEIVE_QUEUE);
    run->receive_most = held > run->receive_most ? held : run->receive_most;
    uint64_t due = (p->now - run->start) * run->read_rate / PLAIT_NS_PER_S;
    for (n = 1; n > 0 && run->read < due;) {
        uint64_t most = due - run->read < sizeof(block) ? due - run->read : sizeof(block);
        n = plait_read(p->stack[PAIR_B], run->l.b, block, (size_t)most, p->now);
        run->read += n > 0 ? (uint64_t)n : 0;
    }
}

static void pipe_for(struct pipe_run *run, unsigned ms) {
    for (unsigned i = 0; i < ms; i++) {
        pipe_turn(run);
        pair_run(&run->l.pair, PLAIT_NS_PER_MS);
    }
}

static void pipe_end(struct pipe_run *run) {
    struct stack_pair *p = &run->l.pair;
    assert_int_equal(plait_abort(p->stack[PAIR_A], run->l.a, PLAIT_E_ABORTED, p->now), 0);
    assert_int_equal(plait_abort(p->stack[PAIR_B], run->l.b, PLAIT_E_ABORTED, p->now), 0);
    pair_run(p, 300 * PLAIT_NS_PER_S);
    pair_fini(p);
}

/* A fast reader has what CUBIC gets through a policer from default settings, after slow start. */
static void test_fast_reader(void **state) {
    (void)state;
    for (int mptcp = 0; mptcp <= 1; mptcp++) {
        struct pipe_run run;
        pipe_init(&run, mptcp != 0, UINT64_C(1) << 30);
        pipe_for(&run, 2500);
        uint64_t before = run.read;
        pipe_for(&run, 4000);
        assert_in_range(run.read - before, PIPE_RATE / 4 * 3 * 4, PIPE_RATE * 4);
        pipe_end(&run);
    }
}

/* What nobody reads does not make the buffer grow, however fast it comes. */
static void test_slow_reader(void **state) {
    (void)state;
    for (int mptcp = 0; mptcp <= 1; mptcp++) {
        struct pipe_run run;
        pipe_init(&run, mptcp != 0, 50000);
        pipe_for(&run, 5000);
        assert_in_range(run.receive_most, 200 * 1024, 256 * 1024);
        assert_in_range(run.read, 200000, 250000);
        run.read_rate = UINT64_C(1) << 30; /* it wakes up, and the buffer may grow */
        pipe_for(&run, 5000);
        assert_true(run.read > 20000000);
        pipe_end(&run);
    }
}

/* The send buffer follows the congestion window and is not taken at once. */
static void test_send_buffer(void **state) {
    (void)state;
    for (int mptcp = 0; mptcp <= 1; mptcp++) {
        struct pipe_run run;
        pipe_init(&run, mptcp != 0, UINT64_C(1) << 30);
        pipe_for(&run, 250); /* two round trips */
        assert_in_range(run.queue_most, 200 * 1024, 256 * 1024);
        pipe_for(&run, 3000);
        assert_in_range(run.queue_most, 2 * (PIPE_RATE / 1000) * PIPE_RTT_MS, 8U << 20);
        pipe_end(&run);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_small),
        cmocka_unit_test(test_grows_with_the_rate),
        cmocka_unit_test(test_does_not_hold_slow_start_back),
        cmocka_unit_test(test_never_above_the_bound),
        cmocka_unit_test(test_closes_and_opens),
        cmocka_unit_test(test_fast_reader),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_send_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_small),
        cmocka_unit_test(test_grows_with_the_rate),
        cmocka_unit_test(test_does_not_hold_slow_start_back),
        cmocka_unit_test(test_never_above_the_bound),
        cmocka_unit_test(test_closes_and_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

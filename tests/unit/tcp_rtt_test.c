/* tcp/rtt: RFC 6298. */
#include "tcp_test.h"

static struct tcp_pair *p;
static struct pl_tcp *a;

static int setup(void **state) {
    (void)state;
    p = test_pair(NULL);
    a = tcp_of(p, PAIR_A);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

static void test_first_sample(void **state) {
    (void)state;
    assert_int_equal(pl_tcp_rto_ns(a), S);
    pl_tcp_rtt_sample(a, 100 * MS, p->now);
    assert_int_equal(a->rtt.srtt_ns, 100 * MS);
    assert_int_equal(a->rtt.rttvar_ns, 50 * MS);
    assert_int_equal(pl_tcp_rto_ns(a), 300 * MS);
    assert_int_equal(a->rtt.min_ns, 100 * MS);
}

/* Every sample begins a round here, since nothing is in flight. */
static void sample(uint64_t ns) {
    a->snd.una.v += 1000;
    a->snd.nxt.v += 1000;
    p->now += 10 * MS;
    pl_tcp_rtt_sample(a, ns, p->now);
}

static void test_a_steady_path_keeps_a_margin(void **state) {
    (void)state;
    for (int i = 0; i < 1000; i++) {
        sample(300 * MS);
    }
    assert_true(a->rtt.rttvar_ns < MS);
    assert_in_range(pl_tcp_rto_ns(a), 499 * MS, 501 * MS); /* 200 ms above the RTT */
}

static void test_jitter_raises_the_timeout(void **state) {
    (void)state;
    for (int i = 0; i < 1000; i++) {
        sample(i % 2 == 0 ? 100 * MS : 300 * MS);
    }
    assert_true(pl_tcp_rto_ns(a) > 400 * MS);
    for (int i = 0; i < 1000; i++) {
        sample(200 * MS);
    }
    assert_true(pl_tcp_rto_ns(a) < 410 * MS);
}

static void test_back_off(void **state) {
    (void)state;
    pl_tcp_rtt_sample(a, 100 * MS, p->now);
    a->rtt.backoff = 3;
    assert_int_equal(pl_tcp_rto_ns(a), 8 * 300 * MS);
    assert_int_equal(pl_tcp_rto_base_ns(a), 300 * MS);
    a->rtt.backoff = 16;
    assert_int_equal(pl_tcp_rto_ns(a), 120 * S);
    pl_tcp_rtt_sample(a, 100 * MS, p->now);
    assert_int_equal(a->rtt.backoff, 0);
}

/* RFC 6298 section 5.7. */
static void test_after_a_lost_syn(void **state) {
    (void)state;
    a->rtt.syn_lost = true;
    assert_int_equal(pl_tcp_rto_ns(a), 3 * S);
    pl_tcp_rtt_sample(a, 100 * MS, p->now);
    assert_int_equal(pl_tcp_rto_ns(a), 300 * MS);
}

static void test_least_rtt_is_forgotten(void **state) {
    (void)state;
    pl_tcp_rtt_sample(a, 10 * MS, p->now);
    pl_tcp_rtt_sample(a, 100 * MS, p->now + 100 * S);
    assert_int_equal(a->rtt.min_ns, 10 * MS);
    pl_tcp_rtt_sample(a, 100 * MS, p->now + 301 * S); /* the path became longer */
    assert_int_equal(a->rtt.min_ns, 100 * MS);
}

static void test_echo(void **state) {
    (void)state;
    struct pl_segment seg = {.options = {.has_timestamps = true}};
    a->ts.on = true;
    seg.options.ts_ecr = pl_tcp_ts_of(a, p->now - 50 * MS);
    assert_int_equal(pl_tcp_rtt_of_echo(a, &seg, p->now), 50 * MS);
    seg.options.ts_ecr = pl_tcp_ts_of(a, p->now);
    assert_int_equal(pl_tcp_rtt_of_echo(a, &seg, p->now), MS / 2);
    seg.options.ts_ecr += 5; /* the future */
    assert_int_equal(pl_tcp_rtt_of_echo(a, &seg, p->now), 0);
    seg.options.ts_ecr = 0;
    assert_int_equal(pl_tcp_rtt_of_echo(a, &seg, p->now), 0);
}

static void test_zero_rtt(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) {
        sample(0);
    }
    assert_true(a->rtt.srtt_ns >= 1);
    assert_true(pl_tcp_rto_ns(a) >= 200 * MS);
    assert_true(pl_tcp_pace_rate(a) > 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_first_sample),
        T(test_a_steady_path_keeps_a_margin),
        T(test_jitter_raises_the_timeout),
        T(test_back_off),
        T(test_after_a_lost_syn),
        T(test_least_rtt_is_forgotten),
        T(test_echo),
        T(test_zero_rtt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tcp/engine: goodput on virtual time against what the path or the theory allows. */
#include "tcp_test.h"

struct path {
    uint64_t rate; /* bits per second */
    uint64_t rtt_ns;
    double queue_bdp;
    uint32_t loss_ppm;
    bool large; /* TSO and coalesced input */
};

static double run_with(const struct path *path, uint64_t warm_ns, uint64_t ns, uint8_t cc,
                       uint64_t seed) {
    struct tcp_pair_setup s = test_setup();
    uint64_t rate = path->rate / 8;
    s.seed = seed;
    s.cc = cc;
    s.receive_buffer = 64 << 20;
    s.tso[PAIR_A] = path->large;
    s.tso[PAIR_B] = path->large;
    s.pipe.rate = rate;
    s.pipe.delay_ns = path->rtt_ns / 2;
    s.pipe.queue_bytes = (uint32_t)((double)(rate * path->rtt_ns / S) * path->queue_bdp) + 3000;
    s.pipe.loss_ppm = path->loss_ppm;
    s.pipe.gro_ns = path->large ? 50000 : 0;
    struct tcp_pair *p = tcp_pair_new(&s);
    p->check = false;
    p->pipe[PAIR_B].loss_ppm = 0;
    tcp_pair_open(p);
    tcp_pair_send(p, PAIR_A, UINT64_C(1) << 40);
    tcp_pair_run_for(p, warm_ns);
    uint64_t before = p->end[PAIR_B].received;
    tcp_pair_run_for(p, ns);
    double bits = 8.0 * (double)(p->end[PAIR_B].received - before);
    double rate_got = bits / ((double)ns / 1e9);
    assert_int_equal(p->end[PAIR_A].rtos, 0);
    tcp_pair_free(p);
    return rate_got;
}

/* Share of the rate, start included. 1448 of 1500 bytes is the most there can be. */
static double share(const struct path *path, uint64_t ns) {
    double got = run_with(path, 0, ns, PLAIT_CC_CUBIC, 1);
    double part = got / (double)path->rate;
    print_message("# %llu Mb/s %llu ms queue %.1f loss %u large %d: %.1f %%\n",
                  (unsigned long long)path->rate / 1000000, (unsigned long long)(path->rtt_ns / MS),
                  path->queue_bdp, path->loss_ppm, path->large, 100 * part);
    return part;
}

static void test_access_link(void **state) {
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct path path = {.rate = 20000000, .rtt_ns = 20 * MS, .queue_bdp = 1, .large = large};
        assert_true(share(&path, 10 * S) >= 0.92);
        path.queue_bdp = 0.5;
        assert_true(share(&path, 10 * S) >= 0.92);
        path.queue_bdp = 4;
        assert_true(share(&path, 10 * S) >= 0.92);
    }
}

static void test_long_link(void **state) {
    (void)state;
    struct path path = {.rate = 50000000, .rtt_ns = 150 * MS, .queue_bdp = 1};
    assert_true(share(&path, 20 * S) >= 0.85);
}

static void test_gigabit(void **state) {
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct path path = {.rate = 1000000000, .rtt_ns = 20 * MS, .queue_bdp = 1, .large = large};
        assert_true(share(&path, 2 * S) >= 0.85);
    }
}

static void test_ten_gigabit_next_door(void **state) {
    (void)state;
    struct path path = {
        .rate = UINT64_C(10000000000), .rtt_ns = MS / 5, .queue_bdp = 4, .large = true};
    assert_true(share(&path, S / 5) >= 0.88);
}

/* RFC 9438 section 5.1, table 2: 59 segments on average at a loss of 1e-3 and 100 ms. */
static void test_cubic_meets_its_model(void **state) {
    (void)state;
    struct path path = {.rate = 100000000, .rtt_ns = 100 * MS, .queue_bdp = 1, .loss_ppm = 1000};
    double got = 0;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        got += run_with(&path, 30 * S, 150 * S, PLAIT_CC_CUBIC, seed) / 2;
    }
    double segments = got / 8 / 1448 * 0.1;
    print_message("# cubic: %.1f segments\n", segments);
    assert_true(segments > 59 * 0.75 && segments < 59 * 1.25);
}

/* RFC 9438 section 5.1: sqrt(3/2) / sqrt(p) segments for Reno. */
static void test_reno_meets_its_model(void **state) {
    (void)state;
    struct path path = {.rate = 100000000, .rtt_ns = 50 * MS, .queue_bdp = 1, .loss_ppm = 1000};
    double got = 0;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        got += run_with(&path, 30 * S, 150 * S, PLAIT_CC_RENO, seed) / 2;
    }
    double segments = got / 8 / 1448 * 0.05;
    print_message("# reno: %.1f segments\n", segments);
    assert_true(segments > 38.7 * 0.8 && segments < 38.7 * 1.25);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_access_link),
        cmocka_unit_test(test_long_link),
        cmocka_unit_test(test_gigabit),
        cmocka_unit_test(test_ten_gigabit_next_door),
        cmocka_unit_test(test_cubic_meets_its_model),
        cmocka_unit_test(test_reno_meets_its_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

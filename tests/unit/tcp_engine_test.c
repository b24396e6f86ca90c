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

/* ---- BBR ---- */

static void report(const char *name, const struct path *path, double part) {
    print_message("# %s: %llu Mb/s %llu ms queue %.1f loss %u large %d: %.1f %%\n", name,
                  (unsigned long long)path->rate / 1000000, (unsigned long long)(path->rtt_ns / MS),
                  path->queue_bdp, path->loss_ppm, path->large, 100 * part);
}

/* Random loss is no congestion: one packet in a hundred costs about one in a hundred, where CUBIC
 * has little left. */
static void test_bbr_and_random_loss(void **state) {
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct path path = {
            .rate = 10000000, .rtt_ns = 40 * MS, .queue_bdp = 1, .loss_ppm = 10000, .large = large};
        double bbr = run_with(&path, 5 * S, 60 * S, PLAIT_CC_BBR, 1) / (double)path.rate;
        double cubic = run_with(&path, 5 * S, 60 * S, PLAIT_CC_CUBIC, 1) / (double)path.rate;
        report("bbr", &path, bbr);
        report("cubic", &path, cubic);
        assert_true(bbr >= 0.9);
        assert_true(cubic < 0.6);
    }
}

struct queue {
    double average, most; /* of the bandwidth-delay product */
};

/* Looks at the queue every millisecond. */
static struct queue queue_over(struct tcp_pair *p, uint64_t ns) {
    const struct tcp_pair_pipe *pipe = &p->pipe[PAIR_A];
    double bdp = (double)pipe->rate * 2 * (double)pipe->delay_ns / 1e9;
    struct queue q = {0};
    for (uint64_t t = 0; t < ns; t += MS) {
        tcp_pair_run_for(p, MS);
        uint64_t wait = pipe->free_at > p->now ? pipe->free_at - p->now : 0;
        double bytes = (double)wait * (double)pipe->rate / 1e9;
        q.most = bytes / bdp > q.most ? bytes / bdp : q.most;
        q.average += bytes / bdp / ((double)ns / MS);
    }
    return q;
}

static struct tcp_pair *pair_on(uint64_t rate, uint64_t rtt_ns, double queue_bdp, uint8_t cc) {
    struct tcp_pair_setup s = test_setup();
    s.cc = cc;
    s.receive_buffer = 64 << 20;
    s.pipe.rate = rate / 8;
    s.pipe.delay_ns = rtt_ns / 2;
    s.pipe.queue_bytes = (uint32_t)((double)(rate / 8 * rtt_ns / S) * queue_bdp) + 3000;
    struct tcp_pair *p = tcp_pair_new(&s);
    p->check = false;
    tcp_pair_open(p);
    tcp_pair_send(p, PAIR_A, UINT64_C(1) << 40);
    return p;
}

/* A queue of four times the BDP, which CUBIC fills. */
static void test_bbr_keeps_the_queue_short(void **state) {
    (void)state;
    struct tcp_pair *bbr = pair_on(10000000, 40 * MS, 4, PLAIT_CC_BBR);
    struct tcp_pair *cubic = pair_on(10000000, 40 * MS, 4, PLAIT_CC_CUBIC);
    tcp_pair_run_for(bbr, 2 * S);
    tcp_pair_run_for(cubic, 20 * S);
    struct queue short_one = queue_over(bbr, 30 * S), long_one = queue_over(cubic, 10 * S);
    print_message("# queue in BDP: bbr %.2f (most %.2f), cubic %.2f (most %.2f)\n",
                  short_one.average, short_one.most, long_one.average, long_one.most);
    assert_true(short_one.average < 0.5 && short_one.most <= 1.1);
    assert_true(long_one.average > 2);
    assert_int_equal(bbr->pipe[PAIR_A].drops, 0);
    tcp_pair_free(bbr);
    tcp_pair_free(cubic);
}

/* Two flows through one queue; returns the share of the first. The second comes 3 s later. */
static double share_of_first(uint8_t first_cc, uint8_t second_cc) {
    struct tcp_pair *first = pair_on(20000000, 40 * MS, 2, first_cc);
    tcp_pair_run_for(first, 3 * S);
    struct tcp_pair *second = pair_on(20000000, 40 * MS, 2, second_cc);
    uint64_t begin[2] = {0}, lead = first->now - second->now;
    second->pipe[PAIR_A].free_at = 0;
    tcp_pair_run_for(second, lead); /* the clocks meet; its own pipe until then */
    second->shared = &first->pipe[PAIR_A];
    for (uint64_t t = 0; t < 60 * S; t += MS / 2) {
        tcp_pair_run_for(first, MS / 2);
        tcp_pair_run_for(second, MS / 2);
        if (t == 20 * S) {
            begin[0] = first->end[PAIR_B].received;
            begin[1] = second->end[PAIR_B].received;
        }
    }
    double a = (double)(first->end[PAIR_B].received - begin[0]);
    double b = (double)(second->end[PAIR_B].received - begin[1]);
    print_message("# shares: %.1f %% and %.1f %% of the link\n", 100 * a / 100e6, 100 * b / 100e6);
    assert_true(a + b >= 0.9 * 100e6);
    tcp_pair_free(first);
    tcp_pair_free(second);
    return a / (a + b);
}

static void test_bbr_shares(void **state) {
    (void)state;
    double part = share_of_first(PLAIT_CC_BBR, PLAIT_CC_BBR);
    assert_true(part > 0.35 && part < 0.65);
}

/* After ten seconds without a shorter round trip the queue is let run empty, to see the path. */
static void test_bbr_follows_a_longer_path(void **state) {
    (void)state;
    struct tcp_pair *p = pair_on(10000000, 20 * MS, 4, PLAIT_CC_BBR);
    tcp_pair_run_for(p, 5 * S);
    p->pipe[PAIR_A].delay_ns = 60 * MS;
    tcp_pair_run_for(p, 20 * S);
    uint64_t before = p->end[PAIR_B].received;
    tcp_pair_run_for(p, 10 * S);
    assert_true(8 * (p->end[PAIR_B].received - before) >= 10 * 9000000);
    p->pipe[PAIR_A].rate /= 4;
    tcp_pair_run_for(p, 10 * S);
    struct queue q = queue_over(p, 10 * S);
    print_message("# queue at a quarter of the rate: %.2f BDP (most %.2f)\n", q.average, q.most);
    before = p->end[PAIR_B].received;
    tcp_pair_run_for(p, 10 * S);
    assert_true(8 * (p->end[PAIR_B].received - before) >= 10 * 2200000);
    assert_true(q.average < 1);
    tcp_pair_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_access_link),
        cmocka_unit_test(test_long_link),
        cmocka_unit_test(test_gigabit),
        cmocka_unit_test(test_ten_gigabit_next_door),
        cmocka_unit_test(test_cubic_meets_its_model),
        cmocka_unit_test(test_reno_meets_its_model),
        cmocka_unit_test(test_bbr_and_random_loss),
        cmocka_unit_test(test_bbr_keeps_the_queue_short),
        cmocka_unit_test(test_bbr_shares),
        cmocka_unit_test(test_bbr_follows_a_longer_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

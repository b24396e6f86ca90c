/* mptcp/couple: the formula of RFC 6356, and its three goals on virtual time.
 *
 * Here the paths of a pair lead through bottlenecks: a rate and a queue each, which the paths that
 * name it share. Some bulk flows from A to B run side by side; what counts is what B has read. */
#include "mptcp/couple.h"

#include "mptcp_test.h"

#define MS PLAIT_NS_PER_MS
#define SECOND PLAIT_NS_PER_S

/* ---- the formula ---- */

static void test_one_path(void **state) {
    (void)state;
    const struct pl_couple_path path[] = {{50000, 20000}};
    assert_int_equal(pl_couple_step(path, 1), 50000); /* Reno */
    assert_int_equal(pl_couple_step(path, 0), 0);
    const struct pl_couple_path idle[] = {{0, 20000}, {50000, 10000}, {0, 10}};
    assert_int_equal(pl_couple_step(idle, 3), 50000);
    assert_int_equal(pl_couple_step(idle, 1), 0);
}

/* n equal paths: alpha is 1/n, each grows by 1/n^2 of a segment per round trip. */
static void test_equal_paths(void **state) {
    (void)state;
    struct pl_couple_path path[8];
    for (unsigned n = 1; n <= 8; n++) {
        path[n - 1] = (struct pl_couple_path){40000, 10000};
        assert_int_equal(pl_couple_step(path, n), n * n * 40000);
    }
}

/* Against formula (2) in floating point, over windows and RTTs of all sizes. */
static void test_formula(void **state) {
    struct pl_rng rng;
    (void)state;
    pl_rng_init(&rng, 6356);
    for (unsigned i = 0; i < 20000; i++) {
        struct pl_couple_path path[PL_COUPLE_PATHS];
        unsigned n = (unsigned)pl_rng_range(&rng, 1, 5);
        double total = 0, most = 0, rates = 0;
        for (unsigned k = 0; k < n; k++) {
            path[k].window = (uint32_t)pl_rng_range(&rng, 1000, UINT64_C(1000) << (k + i % 10));
            path[k].rtt_us = (uint32_t)pl_rng_range(&rng, 100, 1000000);
            double w = path[k].window, rtt = path[k].rtt_us;
            total += w;
            rates += w / rtt;
            most = w / rtt / rtt > most ? w / rtt / rtt : most;
        }
        double alpha = total * most / (rates * rates), step = total / alpha;
        double got = pl_couple_step(path, n);
        if (step < 4e9) {
            assert_true(got < step * 1.05 + n && got > step * 0.95 - n);
        }
    }
}

/* What a peer with strange ACKs and clocks can bring about. */
static void test_extremes(void **state) {
    (void)state;
    const struct pl_couple_path large[] = {{PL_CC_CWND_MAX, 1}, {PL_CC_CWND_MAX, UINT32_MAX}};
    assert_int_equal(pl_couple_step(large, 1), PL_CC_CWND_MAX);
    assert_true(pl_couple_step(large, 2) >= PL_CC_CWND_MAX);
    const struct pl_couple_path small[] = {{1, UINT32_MAX}, {1, UINT32_MAX}};
    assert_int_equal(pl_couple_step(small, 2), 4);
    const struct pl_couple_path far[] = {{PL_CC_CWND_MAX, 1}, {1, UINT32_MAX}, {1, 1}};
    assert_true(pl_couple_step(far, 3) >= PL_CC_CWND_MAX);
}

/* ---- bottlenecks ---- */

enum { FLOWS_MAX = 8, PACKET = 1500 };

struct bottleneck {
    uint64_t rate_bps; /* 0: none */
    uint32_t packets;  /* queue */
    plait_time free_at;
    uint64_t passed[PAIR_PATHS_MAX]; /* packets of each path */
};

struct flow {
    plait_sock source, sink;
    uint64_t bytes;
};

static struct link l;
static struct bottleneck bottleneck[PAIR_PATHS_MAX];
static unsigned leads_to[PAIR_PATHS_MAX]; /* which one a path goes through */
static uint64_t delay_ns[PAIR_PATHS_MAX]; /* one way */
static struct flow flow[FLOWS_MAX];
static unsigned flow_count;

/* A drop-tail queue in front of a transmitter; acknowledgements are free. */
static bool squeeze(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                    uint32_t len) {
    struct bottleneck *b = &bottleneck[leads_to[path]];
    (void)packet;
    pair->path[path].delay_ns = delay_ns[path];
    if (from == PAIR_B || b->rate_bps == 0) {
        return false;
    }
    plait_time start = b->free_at > pair->now ? b->free_at : pair->now;
    if ((start - pair->now) / (PACKET * 8 * SECOND / b->rate_bps) >= b->packets) {
        return true;
    }
    b->free_at = start + len * 8 * SECOND / b->rate_bps;
    b->passed[path]++;
    pair->path[path].delay_ns = b->free_at - pair->now + delay_ns[path];
    return false;
}

/* `paths` paths without anything on them. */
static void begin(unsigned paths, uint64_t seed) {
    struct pair_setup setup = {.seed = seed,
                               .paths = paths,
                               .address_flags = {PLAIT_ADDRESS_SUBFLOW, 0},
                               .ipv4_only = true};
    memset(bottleneck, 0, sizeof(bottleneck));
    flow_count = 0;
    pair_init(&l.pair, &setup);
    l.listener = pair_listen(&l.pair, LINK_PORT);
    link_filter(&l, squeeze, NULL);
}

static void add_flow(plait_sock sock) {
    struct flow *f = &flow[flow_count++];
    *f = (struct flow){.source = sock};
    assert_true(pair_wait_event(&l.pair, PAIR_A, sock, PLAIT_EVENT_CONNECTED, LINK_PATIENCE, NULL));
    pair_run(&l.pair, SECOND);
    assert_int_equal(plait_accept(l.pair.stack[PAIR_B], l.listener, &f->sink), 0);
}

static void pump(struct stack_pair *pair) {
    static uint8_t block[65536];
    for (unsigned i = 0; i < flow_count; i++) {
        int64_t n;
        while (plait_write(pair->stack[PAIR_A], flow[i].source, block, sizeof(block), pair->now) >
               0) {
        }
        while ((n = plait_read(pair->stack[PAIR_B], flow[i].sink, block, sizeof(block),
                               pair->now)) > 0) {
            flow[i].bytes += (uint64_t)n;
        }
    }
}

/* The applications look every few milliseconds. */
static void run_for(uint64_t ns) {
    for (uint64_t done = 0; done < ns; done += 4 * MS) {
        pump(&l.pair);
        pair_run(&l.pair, 4 * MS);
    }
}

/* One TCP over one path. */
static void add_tcp(unsigned path) {
    struct plait_stack *a = l.pair.stack[PAIR_A];
    struct plait_addr local = pair_addr(PAIR_A, path, PLAIT_IPV4);
    struct plait_endpoint remote = pair_endpoint(PAIR_B, path, PLAIT_IPV4, LINK_PORT);
    plait_sock sock;
    assert_int_equal(plait_open(a, &sock), 0);
    assert_int_equal(plait_bind(a, sock, l.pair.path[path].port[PAIR_A], &local, 0), 0);
    assert_int_equal(plait_set(a, sock, PLAIT_OPT_CONGESTION, PLAIT_CC_RENO), 0);
    assert_int_equal(plait_connect(a, sock, &remote, l.pair.now), 0);
    add_flow(sock);
}

/* A connection over all paths. */
static void add_mptcp(const char *cc) {
    struct plait_stack *a = l.pair.stack[PAIR_A];
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    plait_sock sock;
    assert_int_equal(plait_open(a, &sock), 0);
    assert_int_equal(plait_set_text(a, sock, "TCP_CONGESTION", cc), 0);
    assert_int_equal(plait_connect(a, sock, &remote, l.pair.now), 0);
    add_flow(sock);
    l.a = sock;
    run_for(SECOND); /* joins wait for the first bytes */
    assert_int_equal(link_subflows(&l), l.pair.paths);
}

/* All flows for a while, of which the first third does not count; kb/s of each are in `out`. */
static void run(uint64_t seconds, uint64_t *out) {
    run_for(seconds * SECOND / 3);
    for (unsigned i = 0; i < flow_count; i++) {
        flow[i].bytes = 0;
    }
    memset(bottleneck[0].passed, 0, sizeof(bottleneck[0].passed));
    memset(bottleneck[1].passed, 0, sizeof(bottleneck[1].passed));
    run_for(seconds * SECOND * 2 / 3);
    for (unsigned i = 0; i < flow_count; i++) {
        out[i] = flow[i].bytes * 8 * 3 / 2 / seconds / 1000;
        print_message("  flow %u: %llu kb/s\n", i, (unsigned long long)out[i]);
    }
    plait_stack_check(l.pair.stack[PAIR_A]);
    pair_fini(&l.pair);
}

/* ---- RFC 6356 section 1 ---- */

/* Two subflows and two TCPs, through one queue: what the connection takes, in percent of what a TCP
 * takes. */
static unsigned shared(const char *cc) {
    uint64_t rate[FLOWS_MAX];
    begin(2, 1);
    bottleneck[0] = (struct bottleneck){.rate_bps = 20000000, .packets = 70};
    for (unsigned i = 0; i < 2; i++) {
        leads_to[i] = 0;
        delay_ns[i] = 20 * MS;
    }
    add_mptcp(cc);
    add_tcp(0);
    add_tcp(1);
    run(60, rate);
    return (unsigned)(rate[0] * 200 / (rate[1] + rate[2]));
}

static void test_do_no_harm(void **state) {
    (void)state;
    unsigned coupled = shared("lia"), uncoupled = shared("reno");
    print_message("  of one TCP's share: lia %u %%, reno %u %%\n", coupled, uncoupled);
    assert_true(coupled < 135 && coupled > 65);
    assert_true(uncoupled > 150); /* else the test shows nothing */
}

/* One flow alone over paths that lose by chance, whatever it does. */
static uint64_t lossy(unsigned first, unsigned paths, const char *cc) {
    static const uint64_t way_ns[] = {5 * MS, 50 * MS};
    static const uint32_t loss_ppm[] = {40000, 10000};
    uint64_t rate[FLOWS_MAX];
    begin(paths, 1);
    bottleneck[1] = (struct bottleneck){.rate_bps = 20000000, .packets = 200}; /* never full */
    for (unsigned i = 0; i < paths; i++) {
        leads_to[i] = 1;
        delay_ns[i] = way_ns[first + i];
    }
    if (paths == 1) {
        add_tcp(0);
    } else {
        add_mptcp(cc);
    }
    for (unsigned i = 0; i < paths; i++) {
        l.pair.path[i].loss_ppm = loss_ppm[first + i];
    }
    run(90, rate);
    return rate[0];
}

/* Windows of a few packets, so the estimate of what the best path would give is a rough one: about
 * 0.9 in the long run. Where queues fill, see test_balance_congestion. */
static void test_improve_throughput(void **state) {
    (void)state;
    uint64_t fast = lossy(0, 1, NULL), slow = lossy(1, 1, NULL), coupled = lossy(0, 2, "lia");
    uint64_t best = fast > slow ? fast : slow;
    print_message("  %llu and %llu kb/s alone, lia %llu\n", (unsigned long long)fast,
                  (unsigned long long)slow, (unsigned long long)coupled);
    assert_true(coupled * 100 > best * 75);
}

/* Two like bottlenecks, three TCPs on the first, none on the second: the part of its packets, in
 * percent, that the connection sends through the crowd. */
static unsigned crowded(const char *cc, uint64_t *rate) {
    begin(2, 7);
    for (unsigned i = 0; i < 2; i++) {
        bottleneck[i] = (struct bottleneck){.rate_bps = 10000000, .packets = 40};
        leads_to[i] = i;
        delay_ns[i] = 20 * MS;
    }
    add_mptcp(cc);
    for (unsigned i = 0; i < 3; i++) {
        add_tcp(0);
    }
    run(60, rate);
    uint64_t others = rate[1] + rate[2] + rate[3], through = 9500 > others ? 9500 - others : 0;
    return (unsigned)(through * 100 / rate[0]);
}

static void test_balance_congestion(void **state) {
    (void)state;
    uint64_t rate[FLOWS_MAX];
    unsigned uncoupled = crowded("reno", rate), coupled = crowded("lia", rate);
    print_message("  through the crowd: lia %u %%, reno %u %%\n", coupled, uncoupled);
    assert_true(coupled * 3 < uncoupled * 2);
    assert_true(rate[0] > 9300); /* and no less than the free path carries: goal 1 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_path),
        cmocka_unit_test(test_equal_paths),
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_do_no_harm),
        cmocka_unit_test(test_improve_throughput),
        cmocka_unit_test(test_balance_congestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tcp/pmtu: black holes, the search upwards, and how far ICMP is believed. */
#include "tcp_test.h"

static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *a;
static uint32_t hole;    /* packets of A with more bytes vanish; 0: none do */
static uint32_t largest; /* that A sent */

static bool filter(struct tcp_pair *pair, int from, struct pl_segment *seg, void *arg) {
    uint32_t packet = 20 + 20 + (seg->options.has_timestamps ? 12U : 0U) + seg->payload_len;
    bool pass = tap_filter(pair, from, seg, arg);
    if (from != PAIR_A) {
        return pass;
    }
    largest = packet > largest ? packet : largest;
    return pass && (hole == 0 || packet <= hole);
}

static int setup(void **state) {
    (void)state;
    hole = 0;
    largest = 0;
    p = test_pair(&tap);
    p->filter = filter;
    a = tcp_of(p, PAIR_A);
    tcp_pair_open(p);
    tcp_pair_run_for(p, S);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

static void transfer(uint32_t bytes) {
    tcp_pair_send(p, PAIR_A, bytes);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    tcp_pair_run_for(p, S);
}

/* RFC 8899 section 4.3: what vanishes without a word is found out, and then the size that passes.
 */
static void test_black_hole(void **state) {
    (void)state;
    hole = 1400;
    transfer(2000000);
    assert_in_range(a->snd.mtu, 1400 - 8, 1400);
    assert_int_equal(COUNT(p, PAIR_A, MtuBlackHoles), 1);
    assert_true(COUNT(p, PAIR_A, TCPMTUPSuccess) > 0);
    assert_true(COUNT(p, PAIR_A, Timeouts) <= 3);
}

/* A path that takes nothing above the base. */
static void test_less_than_the_base(void **state) {
    (void)state;
    hole = 700;
    transfer(300000);
    assert_in_range(a->snd.mtu, 576, 700);
}

/* It was no black hole, the path was dead: one probe and the full size is back. */
static void test_a_dead_path_is_no_black_hole(void **state) {
    (void)state;
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, 500000);
    tcp_pair_run_for(p, 3 * S);
    assert_int_equal(a->snd.mtu, 1200);
    tap.drop_all[PAIR_A] = false;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_int_equal(a->snd.mtu, 1500);
    assert_int_equal(COUNT(p, PAIR_A, MtuProbes), 1);
    assert_null(a->pmtu);
}

/* RFC 8899 section 3, point 7: a lost probe is no sign of congestion. */
static void test_a_lost_probe_does_not_slow_down(void **state) {
    (void)state;
    transfer(500000);
    pl_tcp_too_big(a, 1300, p->now);
    hole = 1300;
    tcp_pair_run_for(p, 600 * S);
    transfer(100000); /* the window, which was idle, is in use again */
    uint64_t probes = COUNT(p, PAIR_A, TCPMTUPFail), retrans = COUNT(p, PAIR_A, RetransSegs);
    uint32_t ssthresh = a->cc.ssthresh;
    transfer(1000000);
    assert_true(COUNT(p, PAIR_A, TCPMTUPFail) > probes + 3);
    assert_true(COUNT(p, PAIR_A, RetransSegs) > retrans);
    assert_int_equal(COUNT(p, PAIR_A, FastRecoveries), 0);
    assert_int_equal(a->cc.ssthresh, ssthresh);
    assert_in_range(a->snd.mtu, 1300, 1307);
}

/* RFC 8201 section 4: no attempt to find out more for ten minutes, then one. */
static void test_too_big_lasts_ten_minutes(void **state) {
    (void)state;
    transfer(100000);
    pl_tcp_too_big(a, 1400, p->now);
    assert_int_equal(a->snd.mtu, 1400);
    largest = 0;
    for (int i = 0; i < 59; i++) {
        tcp_pair_run_for(p, 9 * S);
        transfer(20000);
    }
    assert_int_equal(largest, 1400);
    tcp_pair_run_for(p, 15 * S);
    transfer(100000);
    assert_int_equal(largest, 1500);
    assert_int_equal(a->snd.mtu, 1500);
}

static void test_too_big_has_bounds(void **state) {
    (void)state;
    pl_tcp_too_big(a, 1400, p->now);
    pl_tcp_too_big(a, 1450, p->now);
    assert_int_equal(a->snd.mtu, 1400);
    pl_tcp_too_big(a, 0, p->now);
    assert_int_equal(a->snd.mtu, 576);
    pl_tcp_set_mtu(a, 1500, p->now); /* the port says so: searched for at once */
    transfer(100000);
    assert_int_equal(a->snd.mtu, 1500);
}

/* What is in flight and too large goes again at once, and the window stays. */
static void test_too_big_in_flight(void **state) {
    (void)state;
    hole = 1000;
    tcp_pair_send(p, PAIR_A, 10000);
    tcp_pair_run_for(p, MS);
    pl_tcp_too_big(a, 1000, p->now);
    uint32_t cwnd = a->cc.cwnd;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 100 * MS));
    assert_int_equal(COUNT(p, PAIR_A, Timeouts), 0);
    assert_true(a->cc.cwnd >= cwnd);
}

/* A router that answers a probe names the size: the search goes on there. */
static void test_too_big_for_a_probe(void **state) {
    (void)state;
    transfer(100000);
    pl_tcp_too_big(a, 1300, p->now);
    tcp_pair_run_for(p, 600 * S);
    hole = 1432;
    tcp_pair_send(p, PAIR_A, 500000);
    for (int i = 0; i < 1000 && a->pmtu->size == 0; i++) {
        tcp_pair_run_for(p, MS);
    }
    pl_tcp_too_big(a, 1432, p->now);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_int_equal(a->snd.mtu, 1432);
    assert_int_equal(COUNT(p, PAIR_A, MtuProbes), 2);
}

/* What lies in so many pieces that one packet cannot have them all is no probe. */
static void test_crumbs_prove_nothing(void **state) {
    (void)state;
    transfer(100000);
    pl_tcp_too_big(a, 1300, p->now);
    tcp_pair_run_for(p, 600 * S);
    hole = 1300;
    largest = 0;
    p->end[PAIR_A].chunk_bytes = 40;
    transfer(200000);
    assert_in_range(largest, 500, 1200);
    assert_int_equal(a->snd.mtu, 1300);
    assert_int_equal(COUNT(p, PAIR_A, MtuProbes), 0);
    p->end[PAIR_A].chunk_bytes = 16384;
    transfer(200000);
    assert_true(COUNT(p, PAIR_A, MtuProbes) > 0);
    assert_in_range(a->snd.mtu, 1300, 1307);
    assert_int_equal(COUNT(p, PAIR_A, MtuBlackHoles), 0);
}

/* Nor is there memory to take them apart: sending goes on a little later. */
static void test_crumbs_without_memory(void **state) {
    (void)state;
    transfer(100000);
    p->end[PAIR_A].chunk_bytes = 40;
    for (uint64_t n = 60; n < 90; n++) {
        pl_tcp_too_big(a, 1300, p->now);
        tcp_pair_run_for(p, 600 * S);
        p->end[PAIR_A].env.fail_at = p->end[PAIR_A].env.alloc_count + n;
        transfer(20000);
    }
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_black_hole),
        T(test_less_than_the_base),
        T(test_a_dead_path_is_no_black_hole),
        T(test_a_lost_probe_does_not_slow_down),
        T(test_too_big_lasts_ten_minutes),
        T(test_too_big_has_bounds),
        T(test_too_big_in_flight),
        T(test_too_big_for_a_probe),
        T(test_crumbs_prove_nothing),
        T(test_crumbs_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

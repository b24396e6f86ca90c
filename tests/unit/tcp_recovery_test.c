/* tcp/recovery: PRR, timeouts, undo, peers without SACK. */
#include "tcp/engine.h"
#include "tcp_test.h"

enum { MSS = 1448 };
static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *a;

static void open_with(uint32_t cwnd_packets) {
    p = test_pair(&tap);
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    tap_clear(&tap);
    a = tcp_of(p, PAIR_A);
    a->cc.cwnd = cwnd_packets * MSS;
    a->snd.wnd = 1 << 20;
}

static uint32_t flight_now;
static bool recovering(struct tcp_pair *q) {
    flight_now = pl_tcp_flight(tcp_of(q, PAIR_A));
    return tcp_of(q, PAIR_A)->rec.phase == PL_TCP_PHASE_RECOVERY;
}
static bool recovered(struct tcp_pair *q) {
    return tcp_of(q, PAIR_A)->rec.phase == PL_TCP_PHASE_OPEN;
}

/* One loss in a window of 40: never more in flight than before, and 0.7 of it at the end. */
static void test_one_reduction(void **state) {
    (void)state;
    open_with(40);
    a->cc.ssthresh = 40 * MSS;
    tap.drop_data[PAIR_A] = 1 << 10;
    tcp_pair_send(p, PAIR_A, 400 * MSS);
    assert_true(tcp_pair_run(p, recovering, S));
    uint32_t at_entry = a->rec.undo->cc.cwnd;
    assert_int_equal(a->cc.ssthresh, (uint64_t)at_entry * 7 / 10);
    assert_true(tcp_pair_run(p, recovered, S));
    assert_true(a->cc.cwnd >= a->cc.ssthresh && a->cc.cwnd <= a->cc.ssthresh + MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    assert_int_equal(pl_tcp_retrans_bytes(a), MSS);
    assert_int_equal(p->end[PAIR_A].rtos, 0);
    tcp_pair_free(p);
}

/* PRR spreads the reduction: sending goes on during recovery, at about 0.7 of the rate. */
static void test_prr_keeps_sending(void **state) {
    (void)state;
    open_with(40);
    a->cc.ssthresh = 40 * MSS;
    tap.drop_data[PAIR_A] = 1 << 5;
    tcp_pair_send(p, PAIR_A, 400 * MSS);
    assert_true(tcp_pair_run(p, recovering, S));
    uint64_t before = a->stats.bytes_sent;
    uint32_t expect = a->rec.prr_flight;
    assert_true(tcp_pair_run(p, recovered, S));
    uint64_t sent = a->stats.bytes_sent - before;
    assert_true(sent >= expect / 2 && sent <= expect * 3 / 4 + 2 * MSS);
    tcp_pair_free(p);
}

/* Most of a window is lost: recovery without a timeout, and not faster than one packet per ACK + 1.
 */
static void test_heavy_loss(void **state) {
    (void)state;
    open_with(40);
    a->cc.ssthresh = 40 * MSS;
    tap.drop_data[PAIR_A] = UINT64_C(0x7ffffffff) << 2; /* 35 of 40 */
    tcp_pair_send(p, PAIR_A, 40 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_int_equal(p->end[PAIR_A].rtos, 0);
    assert_int_equal(COUNT(p, PAIR_A, FastRecoveries), 1);
    assert_int_equal(pl_tcp_retrans_bytes(a), 35 * MSS);
    tcp_pair_free(p);
}

static void test_timeout(void **state) {
    (void)state;
    open_with(20);
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, 20 * MSS);
    tcp_pair_run_for(p, 500 * MS);
    assert_int_equal(p->end[PAIR_A].rtos, 1);
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_LOSS);
    assert_int_equal(a->cc.ssthresh, 20 * MSS * 7 / 10);
    assert_int_equal(pl_tcp_flight(a), MSS);
    tap.drop_all[PAIR_A] = false;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_int_equal(p->end[PAIR_A].progresses, 1);
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_OPEN);
    assert_int_equal(a->rec.rto_count, 0);
    assert_true(a->cc.cwnd <= a->cc.ssthresh + 2 * MSS);
    tcp_pair_free(p);
}

/* The second timeout of one loss does not reduce ssthresh again (RFC 5681 section 3.1). */
static void test_timeouts_in_a_row_reduce_once(void **state) {
    (void)state;
    open_with(20);
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, 20 * MSS);
    tcp_pair_run_for(p, 10 * S);
    assert_true(p->end[PAIR_A].rtos >= 4);
    assert_int_equal(a->cc.ssthresh, 20 * MSS * 7 / 10);
    tcp_pair_free(p);
}

/* The path only became slow: the echoed timestamp shows that nothing was lost. */
static void test_spurious_timeout(void **state) {
    (void)state;
    open_with(20);
    tcp_pair_send(p, PAIR_A, 2000 * MSS);
    tcp_pair_run_for(p, 100 * MS);
    uint32_t cwnd = a->cc.cwnd, ssthresh = a->cc.ssthresh;
    p->pipe[PAIR_A].delay_ns = 600 * MS;
    assert_true(!recovering(p));
    tcp_pair_run_for(p, 580 * MS);
    assert_true(p->end[PAIR_A].rtos >= 1);
    assert_true(a->cc.cwnd < cwnd);
    tcp_pair_run_for(p, 150 * MS);
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_OPEN);
    assert_true(a->cc.cwnd >= cwnd);
    assert_true(a->cc.ssthresh >= ssthresh);
    assert_true(pl_tcp_retrans_bytes(a) < 10 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    tcp_pair_free(p);
}

static void test_real_timeouts_are_not_undone(void **state) {
    (void)state;
    open_with(20);
    tcp_pair_send(p, PAIR_A, 200 * MSS);
    tcp_pair_run_for(p, 30 * MS);
    tap.drop_all[PAIR_A] = true;
    tcp_pair_run_for(p, 300 * MS);
    tap.drop_all[PAIR_A] = false;
    uint32_t ssthresh = a->cc.ssthresh;
    assert_true(ssthresh < 100 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_true(a->cc.ssthresh <= ssthresh);
    tcp_pair_free(p);
}

static void no_sack_pair(uint64_t drop) {
    p = test_pair(&tap);
    tap.no_sack = true;
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    a = tcp_of(p, PAIR_A);
    assert_false(a->snd.sack_ok);
    tap.drop_data[PAIR_A] = drop;
}

static void test_without_sack(void **state) {
    (void)state;
    no_sack_pair(1 << 2);
    tcp_pair_send(p, PAIR_A, 100 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_int_equal(p->end[PAIR_A].rtos, 0);
    assert_int_equal(pl_tcp_retrans_bytes(a), MSS);
    tcp_pair_free(p);
    no_sack_pair(1 << 2 | 1 << 4 | 1 << 6); /* partial ACKs find the others */
    tcp_pair_send(p, PAIR_A, 100 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_int_equal(p->end[PAIR_A].rtos, 0);
    assert_int_equal(pl_tcp_retrans_bytes(a), 3 * MSS);
    tcp_pair_free(p);
}

static void test_without_sack_over_bad_paths(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed < 6; seed++) {
        no_sack_pair(0);
        pl_rng_init(&p->rng, seed);
        p->pipe[PAIR_A].loss_ppm = 50000;
        p->pipe[PAIR_B].loss_ppm = 20000;
        tcp_pair_send(p, PAIR_A, 300000);
        assert_true(tcp_pair_run(p, tcp_pair_all_received, 300 * S));
        tcp_pair_free(p);
    }
}

static void test_without_timestamps(void **state) {
    (void)state;
    p = test_pair(&tap);
    tap.no_timestamps = true;
    tcp_pair_open(p);
    a = tcp_of(p, PAIR_A);
    assert_false(a->ts.on);
    p->pipe[PAIR_A].loss_ppm = 30000;
    tcp_pair_send(p, PAIR_A, 1000000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 300 * S));
    tcp_pair_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_reduction),
        cmocka_unit_test(test_prr_keeps_sending),
        cmocka_unit_test(test_heavy_loss),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_timeouts_in_a_row_reduce_once),
        cmocka_unit_test(test_spurious_timeout),
        cmocka_unit_test(test_real_timeouts_are_not_undone),
        cmocka_unit_test(test_without_sack),
        cmocka_unit_test(test_without_sack_over_bad_paths),
        cmocka_unit_test(test_without_timestamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tcp/pacing: rate, bursts, late wake-ups. */
#include "tcp_test.h"

enum { MSS = 1448 };
static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *a;

static int setup(void **state) {
    (void)state;
    p = test_pair(&tap);
    p->pipe[0].delay_ns = 50 * MS;
    p->pipe[1].delay_ns = 50 * MS;
    tcp_pair_open(p);
    tcp_pair_run_for(p, 200 * MS);
    tap_clear(&tap);
    a = tcp_of(p, PAIR_A);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

static void test_rate(void **state) {
    (void)state;
    assert_in_range(pl_tcp_pace_rate(a), 4 * 144800, 4 * 144800 + 2); /* first slow start, 100 ms */
    a->cc.hystart_on = false;
    assert_in_range(pl_tcp_pace_rate(a), 2 * 144800, 2 * 144800 + 2); /* another one */
    a->cc.ssthresh = a->cc.cwnd;
    assert_in_range(pl_tcp_pace_rate(a), 12 * 14480, 12 * 14480 + 2);
    a->rtt.srtt_ns = 0;
    assert_int_equal(pl_tcp_pace_rate(a), 0);
    assert_int_equal(pl_tcp_pace_quantum(a), 65536);
}

static void test_quantum(void **state) {
    (void)state;
    assert_int_equal(pl_tcp_pace_quantum(a), 2 * MSS);
    a->cc.cwnd = 1 << 19; /* 20 MB/s: 1 ms is 20 KB */
    assert_in_range(pl_tcp_pace_quantum(a), 20900, 21000);
    a->cc.cwnd = 1 << 23;
    assert_int_equal(pl_tcp_pace_quantum(a), 65536);
    a->cc.cwnd = 1 << 28; /* whole packets, so that no small one follows a large segment */
    assert_int_equal(pl_tcp_pace_quantum(a), 65536 / MSS * MSS);
}

static void test_spacing(void **state) {
    (void)state;
    a->cc.cwnd = 100 * MSS;
    a->cc.ssthresh = 100 * MSS;
    a->snd.wnd = 1 << 20;
    tcp_pair_send(p, PAIR_A, 100 * MSS);
    tcp_pair_run_for(p, 90 * MS);
    assert_int_equal(tap.data_seen[PAIR_A], 100);
    plait_time first = tap_nth(&tap, PAIR_A, 0)->at;
    for (unsigned i = 6; i < 100; i++) { /* two segments per 100 ms * 2 / 120 */
        plait_time at = tap_nth(&tap, PAIR_A, i)->at;
        uint64_t even = first + i * (100 * MS / 120);
        assert_true(at <= even && at + 4 * 100 * MS / 120 + MS >= even);
    }
    unsigned together = 0, most = 0;
    for (unsigned i = 1; i < 100; i++) {
        bool same = tap_nth(&tap, PAIR_A, i)->at == tap_nth(&tap, PAIR_A, i - 1)->at;
        together = same ? together + 1 : 0;
        most = together > most ? together : most;
    }
    assert_true(most + 1 <= 4); /* the first burst has one more to its credit */
}

/* A port that comes every 5 ms only still gets the whole rate out of bursts and credit. */
static void test_a_late_caller(void **state) {
    (void)state;
    struct pl_tcp_tx tx;
    a->cc.cwnd = 1000 * MSS;
    a->cc.ssthresh = 1000 * MSS;
    a->snd.wnd = 1 << 26;
    tap.drop_all[PAIR_A] = true;
    p->end[PAIR_A].send_total = 100000000;
    uint64_t sent = 0, rate = pl_tcp_pace_rate(a);
    plait_time begin = p->now;
    for (plait_time now = begin; now < begin + 80 * MS; now += MS) {
        pl_tcp_kick(a);
        while (pl_tcp_output(a, &tx, now)) {
            sent += tx.payload_len;
        }
    }
    assert_true(sent > rate * 75 / 1000 && sent < rate * 84 / 1000);
}

/* 9.6 Gb/s are 1.2 MB a millisecond, or 18 bursts: one that comes every millisecond gets them. */
static void test_faster_than_clocks(void **state) {
    (void)state;
    struct pl_tcp_tx tx;
    a->cc.cwnd = 100000000;
    a->cc.ssthresh = 100000000;
    a->snd.wnd = 1 << 30;
    tap.drop_all[PAIR_A] = true;
    p->end[PAIR_A].send_total = 100000000;
    uint64_t sent = 0, rate = pl_tcp_pace_rate(a);
    for (plait_time now = p->now; now < p->now + 20 * MS; now += MS) {
        pl_tcp_kick(a);
        while (pl_tcp_output(a, &tx, now)) {
            sent += tx.payload_len;
        }
    }
    assert_true(sent > rate * 18 / 1000 && sent < rate * 22 / 1000);
}

/* A burst of 2 takes 17 ms here, more than there is ever to a caller's credit: no second one. */
static void test_no_credit_from_idleness(void **state) {
    (void)state;
    struct pl_tcp_tx tx;
    a->cc.ssthresh = a->cc.cwnd;
    p->end[PAIR_A].send_total = 100000000;
    uint64_t sent = 0;
    pl_tcp_kick(a);
    while (pl_tcp_output(a, &tx, p->now + 100 * S)) {
        sent += tx.payload_len;
    }
    assert_int_equal(sent, 2 * MSS);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_rate),
        T(test_quantum),
        T(test_spacing),
        T(test_a_late_caller),
        T(test_faster_than_clocks),
        T(test_no_credit_from_idleness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tcp/timers: back-off, patience, probes for ever, keep-alive. */
#include "tcp_test.h"

static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *a;

static int setup(void **state) {
    (void)state;
    p = test_pair(&tap);
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    tap_clear(&tap);
    a = tcp_of(p, PAIR_A);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

static bool closed_a(struct tcp_pair *q) {
    return q->end[PAIR_A].closed > 0;
}

static void test_back_off(void **state) {
    (void)state;
    tap.drop_all[PAIR_A] = true;
    plait_time begin = p->now;
    tcp_pair_send(p, PAIR_A, 100);
    tcp_pair_run_for(p, 60 * S);
    /* 0: original, 1: probe after 100 ms, then 220 ms later and doubling */
    plait_time last = tap_nth(&tap, PAIR_A, 1)->at;
    assert_int_equal(last - begin, 100 * MS);
    uint64_t rto = 220 * MS;
    for (unsigned i = 2; i < 9; i++) {
        const struct tap_note *n = tap_nth(&tap, PAIR_A, i);
        assert_int_equal(n->at - last, rto);
        last = n->at;
        rto *= 2;
    }
    struct pl_tcp_info info;
    pl_tcp_info(a, &info);
    assert_int_equal(info.rto_backoff, p->end[PAIR_A].rtos);
    tap.drop_all[PAIR_A] = false;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 100 * S));
    assert_int_equal(a->rtt.backoff, 0);
    assert_int_equal(p->end[PAIR_A].progresses, 1);
    assert_true(pl_tcp_rto_ns(a) < S);
}

static void test_back_off_is_bounded(void **state) {
    (void)state;
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, 100);
    tcp_pair_run_for(p, 700 * S);
    const struct tap_note *last = tap_last(&tap, PAIR_A);
    unsigned n = tap_count(&tap, PAIR_A, PL_TCP_ACK, true);
    assert_int_equal(last->at - tap_nth(&tap, PAIR_A, n - 2)->at, 120 * S);
}

static void test_giving_up(void **state) {
    (void)state;
    tap.drop_all[PAIR_A] = true;
    plait_time begin = p->now;
    tcp_pair_send(p, PAIR_A, 100);
    assert_true(tcp_pair_run(p, closed_a, 3000 * S));
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_TIMED_OUT);
    uint64_t took = p->now - begin;
    assert_true(took > 900 * S && took < 1200 * S);
    assert_int_equal(p->end[PAIR_A].rtos, 15);
}

static void test_the_reason_is_remembered(void **state) {
    (void)state;
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, 100);
    pl_tcp_icmp_error(a, false, PLAIT_E_HOST_UNREACHABLE, p->now);
    assert_true(tcp_pair_run(p, closed_a, 3000 * S));
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_HOST_UNREACHABLE);
}

static void test_a_reason_that_went_away(void **state) {
    (void)state;
    pl_tcp_icmp_error(a, true, PLAIT_E_UNREACHABLE, p->now); /* established: soft */
    tcp_pair_send(p, PAIR_A, 100);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, S));
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, 100);
    assert_true(tcp_pair_run(p, closed_a, 3000 * S));
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_TIMED_OUT);
}

/* The upper learned that the path answers: no waiting for a timer that was doubled six times. */
static void test_retry(void **state) {
    (void)state;
    pl_tcp_retry(a, p->now); /* nothing waits */
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, 5000);
    tcp_pair_run_for(p, 15 * S);
    unsigned rtos = p->end[PAIR_A].rtos;
    assert_true(rtos >= 5);
    tap.drop_all[PAIR_A] = false;
    plait_time begin = p->now;
    pl_tcp_retry(a, p->now);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    assert_true(p->now - begin < 100 * MS);
    assert_int_equal(p->end[PAIR_A].progresses, 1);
}

/* ---- probes of a closed window ---- */

static void close_window(void) {
    p->end[PAIR_B].hold = true;
    p->end[PAIR_B].receive_buffer = 20000;
    tcp_of(p, PAIR_B)->rcv.edge = pl_seq32_add(tcp_of(p, PAIR_B)->rcv.nxt, 20000);
    a->snd.wnd = 20000;
    tcp_pair_send(p, PAIR_A, 100000);
    tcp_pair_run_for(p, 200 * MS);
    assert_int_equal(a->snd.wnd, 0);
    tap_clear(&tap);
}

static void test_window_probes(void **state) {
    (void)state;
    close_window();
    tcp_pair_run_for(p, 20000 * S);
    assert_int_equal(p->end[PAIR_A].closed, 0); /* for as long as the peer answers */
    unsigned n = tap_count(&tap, PAIR_A, PL_TCP_ACK, false);
    assert_true(n > 160 && n < 180);
    const struct tap_note *probe = tap_nth(&tap, PAIR_A, 5);
    assert_int_equal(probe->seq, a->snd.una.v - 1000 - 1);
    assert_int_equal(tap_count(&tap, PAIR_A, PL_TCP_ACK, true), 0);
    tcp_pair_read(p, PAIR_B, 30000);
    p->end[PAIR_B].hold = false;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    assert_int_equal(a->rtt.backoff, 0);
}

static void test_a_lost_window_update(void **state) {
    (void)state;
    close_window();
    tap.drop_all[PAIR_B] = true;
    p->end[PAIR_B].hold = false;
    tcp_pair_read(p, PAIR_B, 30000);
    tcp_pair_run_for(p, S);
    tap.drop_all[PAIR_B] = false;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
}

static void test_unanswered_window_probes(void **state) {
    (void)state;
    close_window();
    tap.drop_all[PAIR_B] = true;
    assert_true(tcp_pair_run(p, closed_a, 3000 * S));
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_TIMED_OUT);
}

/* The upper's window (MPTCP) is probed in the same way. */
static void test_the_upper_is_closed(void **state) {
    (void)state;
    p->end[PAIR_A].upper_closed = true;
    tcp_pair_send(p, PAIR_A, 100000);
    tcp_pair_run_for(p, 100 * S);
    unsigned n = tap_count(&tap, PAIR_A, PL_TCP_ACK, false);
    assert_true(n >= 8 && n <= 10);
    assert_int_equal(tap_nth(&tap, PAIR_A, 0)->seq, 0);
    assert_int_equal(tap_count(&tap, PAIR_B, PL_TCP_ACK, false), n); /* each is answered */
    p->end[PAIR_A].upper_closed = false;
    pl_tcp_kick(a);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    tcp_pair_run_for(p, S);
    assert_int_equal(pl_timers_next(&p->end[PAIR_A].ctx.timers), PLAIT_TIME_NEVER);
}

/* ---- keep-alive ---- */

static struct tcp_pair *keepalive_pair(void) {
    struct tcp_pair_setup s = test_setup();
    static struct pl_tcp_tuning tuning;
    tuning = pl_tcp_tuning_default;
    tuning.keepalive = true;
    tuning.keep_idle_s = 100;
    s.tuning[0] = &tuning;
    s.tuning[1] = &tuning;
    struct tcp_pair *q = tcp_pair_new(&s);
    memset(&tap, 0, sizeof(tap));
    q->filter = tap_filter;
    q->filter_arg = &tap;
    tcp_pair_open(q);
    tcp_pair_run_for(q, S);
    tap_clear(&tap);
    return q;
}

static void test_keepalive(void **state) {
    (void)state;
    struct tcp_pair *q = keepalive_pair();
    tcp_pair_run_for(q, 10000 * S);
    assert_int_equal(q->end[PAIR_A].closed, 0);
    assert_true(tap.count > 200 && tap.count < 600);
    tap.drop_all[PAIR_B] = true;
    plait_time begin = q->now;
    assert_true(tcp_pair_run(q, closed_a, 3000 * S));
    assert_int_equal(q->end[PAIR_A].closed_error, PLAIT_E_TIMED_OUT);
    assert_true(q->now - begin <= (100 + 9 * 75) * S);
    tcp_pair_free(q);
}

/* TIME-WAIT ends when it should, whatever the keep-alive's idle time is. */
static void test_keepalive_leaves_time_wait_alone(void **state) {
    (void)state;
    struct tcp_pair *q = keepalive_pair();
    tcp_pair_close(q, PAIR_A);
    tcp_pair_run_for(q, S);
    tcp_pair_close(q, PAIR_B);
    tcp_pair_run_for(q, S);
    assert_int_equal(pl_tcp_state(tcp_of(q, PAIR_A)), PL_TCP_ST_TIME_WAIT);
    assert_true(tcp_pair_run(q, closed_a, 60 * S));
    tcp_pair_free(q);
}

/* An ACK costs no heap operation: the timer is moved when it fires. */
static void test_one_timer(void **state) {
    (void)state;
    tcp_pair_send(p, PAIR_A, 3000);
    tcp_pair_run_for(p, 5 * MS);
    assert_int_equal(p->end[PAIR_A].ctx.timers.count, 1);
    assert_true(pl_timer_armed(&a->timer));
    assert_true(tcp_pair_run(p, tcp_pair_all_received, S));
    tcp_pair_run_for(p, S);
    assert_int_equal(p->end[PAIR_A].ctx.timers.count, 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_back_off),
        T(test_back_off_is_bounded),
        T(test_giving_up),
        T(test_the_reason_is_remembered),
        T(test_a_reason_that_went_away),
        T(test_retry),
        T(test_window_probes),
        T(test_a_lost_window_update),
        T(test_unanswered_window_probes),
        T(test_the_upper_is_closed),
        T(test_one_timer),
        cmocka_unit_test(test_keepalive),
        cmocka_unit_test(test_keepalive_leaves_time_wait_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tcp/ack: what an acknowledgement moves and whom it tells. */
#include "tcp_test.h"

enum { MSS = 1448 };
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
    tap.drop_all[PAIR_A] = true;
    a->cc.cwnd = 20 * MSS;
    tcp_pair_send(p, PAIR_A, 10 * MSS);
    tcp_pair_run_for(p, 20 * MS);
    assert_int_equal(pl_tcp_flight(a), 10 * MSS);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

static void ack(uint32_t at) {
    struct pl_segment seg = next_segment(p, PAIR_A, PL_TCP_ACK);
    seg.ack = pl_seq32_of(1001 + at);
    seg.window_raw = 10000;
    tcp_pair_inject(p, PAIR_A, &seg, 0);
    pl_tcp_check(a);
}

static void test_partial_ack_trims(void **state) {
    (void)state;
    ack(MSS + 100);
    assert_int_equal(p->end[PAIR_A].acked, MSS + 100);
    assert_int_equal(pl_tcp_flight(a), 9 * MSS - 100);
    assert_int_equal(pl_tcp_record_first(a)->len, MSS - 100);
    ack(MSS + 100); /* nothing new */
    assert_int_equal(p->end[PAIR_A].acked, MSS + 100);
    ack(10 * MSS);
    assert_int_equal(p->end[PAIR_A].acked, 10 * MSS);
    assert_null(pl_tcp_record_first(a));
    assert_int_equal(a->deadline[PL_TCP_SLOT_REXMIT], PLAIT_TIME_NEVER);
    assert_int_equal(a->deadline[PL_TCP_SLOT_PROBE], PLAIT_TIME_NEVER);
}

static void test_the_timer_restarts(void **state) {
    (void)state;
    tcp_pair_run_for(p, 20 * MS);
    ack(MSS);
    assert_int_equal(a->deadline[PL_TCP_SLOT_REXMIT], p->now + pl_tcp_rto_ns(a));
    plait_time before = a->deadline[PL_TCP_SLOT_REXMIT];
    tcp_pair_run_for(p, 5 * MS);
    ack(MSS);
    assert_int_equal(a->deadline[PL_TCP_SLOT_REXMIT], before); /* nothing new: RFC 6298 5.3 */
}

static void test_samples(void **state) {
    (void)state;
    plait_time sent = pl_tcp_record_first(a)->sent_at;
    uint64_t before = a->rtt.srtt_ns;
    ack(MSS);
    uint64_t sample = p->now - sent;
    assert_int_equal(a->rtt.srtt_ns, before - before / 8 + sample / 8);
}

/* Retransmitted payload gives no sample of its own, only the echoed timestamp (Karn). */
static void test_karn(void **state) {
    (void)state;
    struct pl_tcp_record *rec = pl_tcp_record_first(a);
    rec->retransmitted = true;
    a->ts.on = false;
    uint64_t before = a->rtt.srtt_ns;
    ack(MSS);
    assert_int_equal(a->rtt.srtt_ns, before);
}

static void test_progress_is_told_once(void **state) {
    (void)state;
    tcp_pair_run_for(p, S);
    assert_true(p->end[PAIR_A].rtos >= 2);
    ack(MSS);
    assert_int_equal(p->end[PAIR_A].progresses, 1);
    ack(2 * MSS);
    assert_int_equal(p->end[PAIR_A].progresses, 1);
}

static void test_window_growth_needs_use(void **state) {
    (void)state;
    a->snd.limited = false;
    a->snd.limited_last = false;
    a->snd.flight_max = 5 * MSS;
    uint32_t before = a->cc.cwnd;
    ack(MSS);
    assert_int_equal(a->cc.cwnd, before);
    a->snd.limited = true;
    ack(2 * MSS);
    assert_int_equal(a->cc.cwnd, before + MSS);
}

static struct pl_tcp_upper ops;
static void abort_on_acked(void *up, uint32_t bytes, plait_time now) {
    struct tcp_pair_end *e = up;
    e->acked += bytes;
    pl_tcp_abort(&e->tcp, PLAIT_E_ABORTED, now);
}

static void test_the_upper_aborts_meanwhile(void **state) {
    (void)state;
    ops = *a->ops;
    ops.acked = abort_on_acked;
    pl_tcp_set_ops(a, &ops);
    tcp_pair_close(p, PAIR_A);
    tcp_pair_run_for(p, MS);
    struct pl_segment seg = next_segment(p, PAIR_A, PL_TCP_ACK); /* the FIN too */
    tcp_pair_inject(p, PAIR_A, &seg, 0);
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_ABORTED);
    pl_tcp_check(a);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_partial_ack_trims),
        T(test_the_timer_restarts),
        T(test_samples),
        T(test_karn),
        T(test_progress_is_told_once),
        T(test_window_growth_needs_use),
        T(test_the_upper_aborts_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

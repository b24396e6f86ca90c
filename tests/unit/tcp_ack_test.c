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

/* ---- duplicate ACKs that cannot carry SACK blocks ---- */

static struct pl_tcp_upper ops;

static void duplicates(unsigned n, uint8_t options_len) {
    struct pl_segment seg = next_segment(p, PAIR_A, PL_TCP_ACK);
    seg.ack = a->snd.una;
    seg.window_raw = (uint16_t)(a->snd.wnd >> a->snd.wscale);
    a->snd.wnd = pl_tcp_scaled_window(a, &seg);
    seg.options_len = options_len;
    for (unsigned i = 0; i < n; i++) {
        pl_tcp_input(a, &seg, NULL, p->now);
        pl_tcp_check(a);
    }
}

/* Linux's ACKs with a DATA_FIN have 40 bytes of options: no room to say what is missing. */
static void test_full_options_count_as_duplicates(void **state) {
    (void)state;
    duplicates(5, 12); /* room for blocks, none there: nothing is missing */
    assert_int_equal(a->flight->lost_bytes, 0);
    duplicates(2, 40);
    assert_int_equal(a->flight->lost_bytes, 0);
    duplicates(1, 40);
    assert_int_equal(a->flight->lost_bytes, MSS);
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_RECOVERY);
    tcp_pair_run_for(p, MS);
    assert_int_equal(pl_tcp_retrans_bytes(a), MSS);
}

/* A partial ACK finds the next hole, but not one that was filled a moment ago. */
static void test_full_options_partial_acks(void **state) {
    (void)state;
    duplicates(3, 40);
    tcp_pair_run_for(p, MS);
    struct pl_segment seg = next_segment(p, PAIR_A, PL_TCP_ACK);
    seg.ack = pl_seq32_of(1001 + 2 * MSS);
    seg.options_len = 40;
    pl_tcp_input(a, &seg, NULL, p->now);
    assert_true(pl_tcp_record_first(a)->lost);
    tcp_pair_run_for(p, MS);
    assert_int_equal(pl_tcp_retrans_bytes(a), 2 * MSS);
    seg.ack = pl_seq32_of(1001 + 2 * MSS + 10);
    pl_tcp_input(a, &seg, NULL, p->now);
    assert_false(pl_tcp_record_first(a)->lost);
}

static bool always_signal(void *up, const struct pl_segment *seg) {
    (void)up;
    (void)seg;
    return true;
}

static void test_signals_are_no_duplicates(void **state) {
    (void)state;
    const struct pl_tcp_upper *before = a->ops;
    a->snd.sack_ok = false;
    ops = *a->ops;
    ops.is_signal = always_signal;
    pl_tcp_set_ops(a, &ops);
    duplicates(10, 16);
    assert_int_equal(a->snd.dupacks, 0);
    assert_int_equal(a->flight->lost_bytes, 0);
    pl_tcp_set_ops(a, before);
    duplicates(3, 12);
    assert_int_equal(a->flight->lost_bytes, MSS);
}

static void test_old_and_window_acks_are_no_duplicates(void **state) {
    (void)state;
    a->snd.sack_ok = false;
    ack(MSS);
    struct pl_segment seg = next_segment(p, PAIR_A, PL_TCP_ACK);
    seg.window_raw = (uint16_t)(a->snd.wnd >> a->snd.wscale);
    seg.ack = pl_seq32_of(1001); /* overtaken on its way */
    for (int i = 0; i < 5; i++) {
        pl_tcp_input(a, &seg, NULL, p->now);
    }
    seg.ack = a->snd.una;
    for (int i = 0; i < 5; i++) {
        seg.window_raw++;
        pl_tcp_input(a, &seg, NULL, p->now);
    }
    assert_int_equal(a->snd.dupacks, 0);
    assert_int_equal(a->flight->lost_bytes, 0);
}

/* RFC 9937 section 6.2: invented duplicates buy no more than was out. */
static void test_invented_duplicates(void **state) {
    (void)state;
    a->snd.sack_ok = false;
    a->snd.wnd = 1 << 20;
    a->snd.wnd_max = 1 << 20;
    tcp_pair_send(p, PAIR_A, 1000 * MSS);
    tcp_pair_run_for(p, 20 * MS);
    uint32_t out = pl_tcp_flight(a);
    uint64_t before = a->stats.bytes_sent;
    for (int i = 0; i < 250; i++) {
        duplicates(1, 12);
        tcp_pair_run_for(p, MS / 10);
    }
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_RECOVERY);
    assert_true(a->rec.prr_delivered <= a->rec.prr_flight);
    assert_true(a->stats.bytes_sent - before <= out + 5 * MSS);
}

/* RFC 6582 section 3.2, step 1: duplicates of the last ACK of a recovery start no other. */
static void test_duplicates_after_a_recovery(void **state) {
    (void)state;
    a->snd.sack_ok = false;
    duplicates(3, 12);
    tcp_pair_run_for(p, MS);
    pl_seq32 recover = a->rec.recover;
    tcp_pair_send(p, PAIR_A, 30 * MSS);
    tcp_pair_run_for(p, MS);
    struct pl_segment seg = next_segment(p, PAIR_A, PL_TCP_ACK);
    seg.window_raw = 10000;
    seg.ack = recover;
    pl_tcp_input(a, &seg, NULL, p->now);
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_OPEN);
    tcp_pair_run_for(p, 5 * MS);
    duplicates(3, 12);
    assert_int_equal(a->flight->lost_bytes, 0);
    seg.ack = pl_seq32_add(recover, MSS);
    pl_tcp_input(a, &seg, NULL, p->now);
    duplicates(3, 12);
    assert_int_equal(a->flight->lost_bytes, MSS);
}

/* RFC 3042: the first two duplicates let a new segment out each, the window unchanged. */
static void test_limited_transmit(void **state) {
    (void)state;
    a->snd.sack_ok = false;
    a->cc.cwnd = 10 * MSS;
    a->snd.wnd = 1 << 20;
    a->snd.wnd_max = 1 << 20;
    a->rtt.srtt_ns = 0; /* not paced */
    tcp_pair_send(p, PAIR_A, 10 * MSS);
    for (unsigned n = 1; n <= 2; n++) {
        uint64_t before = a->stats.bytes_sent;
        duplicates(1, 12);
        tcp_pair_run_for(p, MS);
        assert_int_equal(a->stats.bytes_sent - before, MSS);
        assert_int_equal(a->cc.cwnd, 10 * MSS);
    }
}

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
        T(test_full_options_count_as_duplicates),
        T(test_full_options_partial_acks),
        T(test_signals_are_no_duplicates),
        T(test_old_and_window_acks_are_no_duplicates),
        T(test_invented_duplicates),
        T(test_duplicates_after_a_recovery),
        T(test_limited_transmit),
        T(test_the_upper_aborts_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

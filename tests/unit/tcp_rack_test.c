/* tcp/rack: loss by time, reordering, tail loss probes (RFC 8985). */
#include "tcp/engine.h"
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
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

static void send_all(uint32_t packets) {
    tcp_pair_send(p, PAIR_A, packets * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
}

static void expect_no_timeout(void) {
    assert_int_equal(p->end[PAIR_A].rtos, 0);
}

static void test_one_loss(void **state) {
    (void)state;
    tap.drop_data[PAIR_A] = 1 << 2;
    plait_time begin = p->now;
    send_all(10);
    expect_no_timeout();
    assert_int_equal(pl_tcp_retrans_bytes(a), MSS);
    assert_int_equal(COUNT(p, PAIR_A, FastRecoveries), 1);
    assert_true(p->now - begin < 75 * MS); /* paced out, one RTT more for the loss */
}

/* A single SACK is enough, after a quarter of the RTT. */
static void test_loss_before_the_last_packet(void **state) {
    (void)state;
    tap.drop_data[PAIR_A] = 1 << 1;
    send_all(3);
    expect_no_timeout();
    assert_int_equal(pl_tcp_retrans_bytes(a), MSS);
    assert_int_equal(COUNT(p, PAIR_A, TailLossProbes), 0);
}

static void test_the_retransmission_is_lost_too(void **state) {
    (void)state;
    tcp_pair_send(p, PAIR_A, 30 * MSS);
    tap.drop_data[PAIR_A] = 1 << 1 | UINT64_C(1) << 12;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    expect_no_timeout();
    const struct tap_note *lost = NULL;
    unsigned copies = 0;
    for (unsigned i = 0; i < tap.count; i++) {
        lost = tap.note[i].dropped && lost == NULL ? &tap.note[i] : lost;
        copies += lost != NULL && tap.note[i].from == PAIR_A && tap.note[i].len > 0 &&
                  tap.note[i].seq == lost->seq;
    }
    assert_true(copies >= 2);
}

/* A rate, so that not all of a burst is acknowledged at once: there is room for few SACK blocks. */
static void test_many_losses_in_a_window(void **state) {
    (void)state;
    p->pipe[PAIR_A].rate = 12500000;
    send_all(40); /* grow a little */
    uint32_t at = tap.data_seen[PAIR_A];
    assert_true(at < 45);
    tap.drop_data[PAIR_A] = UINT64_C(0x155) << at;
    send_all(40);
    expect_no_timeout();
    assert_int_equal(COUNT(p, PAIR_A, FastRecoveries), 1);
    assert_int_equal(pl_tcp_retrans_bytes(a), 5 * MSS);
}

/* ---- tail loss probes ---- */

static void test_the_tail_is_lost(void **state) {
    (void)state;
    tap.drop_data[PAIR_A] = 1 << 9;
    plait_time begin = p->now;
    send_all(10);
    expect_no_timeout();
    assert_int_equal(COUNT(p, PAIR_A, TailLossProbes), 1);
    assert_true(p->now - begin < 200 * MS);
    assert_int_equal(COUNT(p, PAIR_A, FastRecoveries), 0);
}

/* The probe repaired the loss, so the window is reduced when the next ACK shows it. */
static void test_a_repaired_loss_counts(void **state) {
    (void)state;
    p->pipe[PAIR_A].rate = 12500000;
    tap.drop_data[PAIR_A] = 1 << 9;
    send_all(10);
    uint32_t cwnd = a->cc.cwnd;
    assert_int_equal(a->cc.ssthresh, PL_CC_SSTHRESH_INFINITE);
    send_all(10);
    /* The ACK that shows it still counted for growth. */
    assert_true(a->cc.ssthresh <= (cwnd + 5 * MSS) * 7 / 10);
}

static void test_a_needless_probe_does_not_count(void **state) {
    (void)state;
    tcp_pair_send(p, PAIR_A, 10 * MSS);
    tcp_pair_run_for(p, 5 * MS);
    p->pipe[PAIR_B].delay_ns = 100 * MS; /* the ACKs are late */
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    tcp_pair_run_for(p, S);
    assert_int_equal(COUNT(p, PAIR_A, TailLossProbes), 1);
    p->pipe[PAIR_B].delay_ns = 10 * MS;
    send_all(10);
    assert_int_equal(a->cc.ssthresh, PL_CC_SSTHRESH_INFINITE);
    expect_no_timeout();
}

static void test_the_probe_is_new_payload_if_there_is_any(void **state) {
    (void)state;
    a->cc.cwnd = 5 * MSS;
    tap.drop_data[PAIR_A] = 0x1f; /* everything that fits the window */
    tcp_pair_send(p, PAIR_A, 8 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_int_equal(COUNT(p, PAIR_A, TailLossProbes), 1);
    assert_int_equal(tap_nth(&tap, PAIR_A, 5)->seq, 5 * MSS + 1);
    expect_no_timeout();
}

static void test_one_probe_then_the_timer(void **state) {
    (void)state;
    tap.drop_data[PAIR_A] = 0x3;
    plait_time begin = p->now;
    tcp_pair_send(p, PAIR_A, 100);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_int_equal(COUNT(p, PAIR_A, TailLossProbes), 1);
    assert_int_equal(p->end[PAIR_A].rtos, 1);
    assert_int_equal(p->end[PAIR_A].progresses, 1);
    const struct tap_note *probe = tap_nth(&tap, PAIR_A, 1);
    assert_int_equal(probe->at - begin,
                     2 * 20 * MS + 60 * MS); /* one segment: the ACK may be late */
    assert_int_equal(tap_nth(&tap, PAIR_A, 2)->at - probe->at, 220 * MS);
}

/* ---- reordering ---- */

/* A SACK comes after a probe's time and before its turn: what the SACK shows goes first, and the
 * clock that it started is not lost. */
static void test_a_sack_before_the_probe(void **state) {
    (void)state;
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, 4 * MSS);
    tcp_pair_run_for(p, 25 * MS);
    a->deadline[PL_TCP_SLOT_PROBE] = PLAIT_TIME_NEVER; /* as its timer does, */
    pl_tcp_tlp_timeout(a);                             /* and no output follows */
    pl_tcp_link(a);
    struct pl_segment ack = {.seq = a->rcv.nxt, .ack = a->snd.una, .flags = PL_TCP_ACK};
    ack.window_raw = 1000;
    ack.options.has_timestamps = true;
    ack.options.ts_val = a->ts.recent;
    ack.options.sack_count = 1;
    ack.options.sack[0] =
        (struct pl_sack_block){pl_seq32_add(a->snd.una, MSS), pl_seq32_add(a->snd.una, 2 * MSS)};
    tcp_pair_inject(p, PAIR_A, &ack, 0);
    assert_true(a->rack.waiting);
    tcp_pair_run_for(p, MS);
    assert_true(a->deadline[PL_TCP_SLOT_PROBE] != PLAIT_TIME_NEVER);
    assert_int_equal(COUNT(p, PAIR_A, TailLossProbes), 0);
    tap.drop_all[PAIR_A] = false;
    tcp_pair_run_for(p, 15 * MS);
    assert_true(pl_tcp_retrans_bytes(a) >= MSS); /* the head, when that clock says so */
    expect_no_timeout();
}

static void test_reordering_is_learned(void **state) {
    (void)state;
    p->pipe[PAIR_A].reorder_ppm = 100000;
    p->pipe[PAIR_A].reorder_ns = 4 * MS; /* less than a quarter of the RTT */
    send_all(3000);
    assert_true(a->rack.reordering_seen);
    uint64_t before = pl_tcp_retrans_bytes(a);
    assert_true(before < 60 * MSS);
    send_all(3000);
    assert_int_equal(pl_tcp_retrans_bytes(a), before);
    expect_no_timeout();
}

static void test_the_window_adapts_to_dsacks(void **state) {
    (void)state;
    p->pipe[PAIR_A].reorder_ppm = 50000;
    p->pipe[PAIR_A].reorder_ns = 18 * MS; /* nearly a whole RTT */
    send_all(8000);
    assert_true(a->rack.reo_mult > 1);
    uint64_t before = pl_tcp_retrans_bytes(a);
    send_all(8000);
    assert_true(pl_tcp_retrans_bytes(a) - before < 8000 / 50 * MSS);
    expect_no_timeout();
}

static void test_the_adaptation_ends(void **state) {
    (void)state;
    pl_tcp_rack_adapt(a, true, false);
    assert_int_equal(a->rack.reo_mult, 2);
    for (int i = 0; i < 15; i++) {
        pl_tcp_rack_adapt(a, false, true);
        assert_int_equal(a->rack.reo_mult, 2);
    }
    pl_tcp_rack_adapt(a, false, true);
    assert_int_equal(a->rack.reo_mult, 1);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_one_loss),
        T(test_loss_before_the_last_packet),
        T(test_the_retransmission_is_lost_too),
        T(test_many_losses_in_a_window),
        T(test_the_tail_is_lost),
        T(test_a_repaired_loss_counts),
        T(test_a_needless_probe_does_not_count),
        T(test_the_probe_is_new_payload_if_there_is_any),
        T(test_one_probe_then_the_timer),
        T(test_a_sack_before_the_probe),
        T(test_reordering_is_learned),
        T(test_the_window_adapts_to_dsacks),
        T(test_the_adaptation_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

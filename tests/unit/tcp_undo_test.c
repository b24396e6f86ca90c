/* tcp/undo: reactions to loss that are taken back, and those that are not. */
#include "tcp_test.h"

enum { MSS = 1448, MSS_BARE = 1460 };
static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *a;

static void open_pair(bool timestamps) {
    p = test_pair(&tap);
    tap.no_timestamps = !timestamps;
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    tap_clear(&tap);
    a = tcp_of(p, PAIR_A);
    assert_int_equal(a->ts.on, timestamps);
    a->snd.wnd = 1 << 20;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

static bool timed_out(struct tcp_pair *q) {
    return q->end[PAIR_A].rtos > 0;
}
static bool wants_new(struct tcp_pair *q) {
    return tcp_of(q, PAIR_A)->rec.frto == PL_TCP_FRTO_NEW;
}
static bool in_recovery(struct tcp_pair *q) {
    return tcp_of(q, PAIR_A)->rec.phase == PL_TCP_PHASE_RECOVERY;
}

static bool opened(struct tcp_pair *q) {
    return tcp_of(q, PAIR_A)->rec.phase == PL_TCP_PHASE_OPEN;
}

static void wait_for(tcp_pair_done *event) {
    assert_true(tcp_pair_run(p, event, 10 * S));
}

/* ---- F-RTO, RFC 5682 section 3.1 ---- */

/* The path becomes slow in full flight: hardly anything is sent again. */
static void test_frto_slow_path(void **state) {
    (void)state;
    open_pair(false);
    a->cc.ssthresh = 20 * MSS_BARE;
    a->cc.cwnd = 20 * MSS_BARE;
    tcp_pair_send(p, PAIR_A, 4000 * MSS_BARE);
    tcp_pair_run_for(p, 100 * MS);
    p->pipe[PAIR_A].delay_ns = 400 * MS;
    wait_for(timed_out);
    uint32_t cwnd = 20 * MSS_BARE;
    assert_int_equal(a->rec.frto, PL_TCP_FRTO_HEAD);
    assert_true(a->cc.cwnd <= 2 * MSS_BARE);
    wait_for(opened);
    assert_int_equal(COUNT(p, PAIR_A, SpuriousRecoveries), 1);
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_OPEN);
    assert_true(a->cc.cwnd >= cwnd);
    assert_true(pl_tcp_retrans_bytes(a) <= 2 * MSS_BARE); /* the head, and a loss probe before */
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 600 * S));
}

static void lose_a_window(void) {
    a->cc.cwnd = 20 * MSS_BARE;
    tcp_pair_send(p, PAIR_A, 20 * MSS_BARE);
    tcp_pair_run_for(p, 50 * MS);
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, 20 * MSS_BARE);
    tcp_pair_run_for(p, 30 * MS);
    assert_int_equal(pl_tcp_flight(a), 20 * MSS_BARE);
    wait_for(timed_out);
    assert_int_equal(a->rec.frto, PL_TCP_FRTO_HEAD);
    tap.drop_all[PAIR_A] = false;
}

/* A window was lost: the two new segments come back as SACK, which says nothing of the old ones. */
static void test_frto_real_loss(void **state) {
    (void)state;
    open_pair(false);
    lose_a_window();
    tcp_pair_send(p, PAIR_A, 100 * MSS_BARE);
    a->rtt.backoff = 0;
    pl_seq32 recover = a->rec.recover;
    wait_for(wants_new);
    uint64_t again = pl_tcp_retrans_bytes(a);
    a->cc.cwnd = 10 * MSS_BARE; /* there is room, but the answer comes first */
    tcp_pair_run_for(p, 2 * MS);
    assert_int_equal(a->rec.frto_left, 0);
    assert_int_equal(pl_tcp_retrans_bytes(a), again);
    assert_int_equal(pl_seq32_diff(pl_tcp_sent_end(a), recover), 2 * a->cc.mss);
    tcp_pair_run_for(p, 25 * MS);
    assert_int_equal(a->rec.frto, PL_TCP_FRTO_OFF);
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_LOSS);
    assert_true(a->cc.cwnd <= 5 * MSS_BARE); /* 3, and what has come since */
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_int_equal(COUNT(p, PAIR_A, SpuriousRecoveries), 0);
    assert_true(pl_tcp_retrans_bytes(a) >= 20 * MSS_BARE);
}

/* Step 2b: nothing new to send, so retransmissions go on at once. */
static void test_frto_nothing_new(void **state) {
    (void)state;
    open_pair(false);
    lose_a_window();
    a->rtt.backoff = 0;
    plait_time start = p->now;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_true(p->now - start < S);
    assert_int_equal(a->rec.frto, PL_TCP_FRTO_OFF);
    assert_int_equal(COUNT(p, PAIR_A, SpuriousRecoveries), 0);
}

/* Not within a recovery (step 1). */
static void test_frto_not_in_recovery(void **state) {
    (void)state;
    open_pair(false);
    a->cc.cwnd = 20 * MSS_BARE;
    tap.drop_data[PAIR_A] = 1 << 2 | 1 << 20; /* and its retransmission */
    tcp_pair_send(p, PAIR_A, 20 * MSS_BARE);
    wait_for(in_recovery);
    tap.drop_all[PAIR_A] = true;
    wait_for(timed_out);
    assert_int_equal(a->rec.frto, PL_TCP_FRTO_OFF);
    tap.drop_all[PAIR_A] = false;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
}

/* ---- D-SACK and timestamps ---- */

enum { SENT = 20 };

static void ack_with(uint32_t at, uint32_t from, uint32_t to, uint32_t ts_ecr) {
    struct pl_segment seg = next_segment(p, PAIR_A, PL_TCP_ACK);
    seg.ack = pl_seq32_of(1001 + at);
    seg.window_raw = 10000;
    if (to > from) {
        seg.options.sack_count = 1;
        seg.options.sack[0] =
            (struct pl_sack_block){pl_seq32_of(1001 + from), pl_seq32_of(1001 + to)};
    }
    if (ts_ecr != 0) {
        seg.options.ts_ecr = ts_ecr;
    }
    tcp_pair_inject(p, PAIR_A, &seg, 0);
    pl_tcp_check(a);
}

/* Two segments are late: RACK has them sent again. */
static void two_are_late(bool timestamps) {
    uint32_t mss = timestamps ? MSS : MSS_BARE;
    open_pair(timestamps);
    tap.drop_all[PAIR_A] = true;
    a->cc.cwnd = SENT * mss;
    a->cc.ssthresh = SENT * mss;
    tcp_pair_send(p, PAIR_A, SENT * mss);
    tcp_pair_run_for(p, 25 * MS);
    assert_int_equal(pl_tcp_flight(a), SENT * mss);
    ack_with(0, 2 * mss, SENT * mss, 0);
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_RECOVERY);
    tcp_pair_run_for(p, 10 * MS);
    assert_int_equal(pl_tcp_retrans_bytes(a), 2 * mss);
}

static void test_dsack_undoes_afterwards(void **state) {
    (void)state;
    two_are_late(false);
    ack_with(SENT * MSS_BARE, 0, 0, 0);
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_OPEN);
    assert_int_equal(a->cc.ssthresh, SENT * MSS_BARE * 7 / 10);
    ack_with(SENT * MSS_BARE, 0, MSS_BARE, 0); /* one of the two is not enough */
    assert_int_equal(a->cc.ssthresh, SENT * MSS_BARE * 7 / 10);
    ack_with(SENT * MSS_BARE, MSS_BARE, 2 * MSS_BARE, 0);
    assert_int_equal(a->cc.cwnd, SENT * MSS_BARE);
    assert_int_equal(a->cc.ssthresh, SENT * MSS_BARE);
    assert_null(a->rec.undo);
    assert_int_equal(COUNT(p, PAIR_A, SpuriousRecoveries), 1);
}

/* Once what was sent after the recovery is acknowledged, no D-SACK can be for it. */
static void test_the_memory_ends(void **state) {
    (void)state;
    two_are_late(false);
    ack_with(SENT * MSS_BARE, 0, 0, 0);
    tcp_pair_send(p, PAIR_A, 4 * MSS_BARE);
    tcp_pair_run_for(p, 10 * MS);
    assert_non_null(a->rec.undo);
    ack_with((SENT + 4) * MSS_BARE, 0, 0, 0);
    assert_null(a->rec.undo);
    ack_with((SENT + 4) * MSS_BARE, 0, 2 * MSS_BARE, 0);
    assert_int_equal(COUNT(p, PAIR_A, SpuriousRecoveries), 0);
}

static void test_an_older_echo_undoes(void **state) {
    (void)state;
    two_are_late(true);
    ack_with(MSS, 2 * MSS, SENT * MSS, pl_tcp_ts_of(a, p->now - 30 * MS));
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_OPEN);
    assert_int_equal(a->cc.ssthresh, SENT * MSS);
    assert_true(a->cc.cwnd >= SENT * MSS);
    assert_int_equal(a->flight->lost_bytes, 0);
}

static void test_a_newer_echo_does_not(void **state) {
    (void)state;
    two_are_late(true);
    ack_with(MSS, 2 * MSS, SENT * MSS, pl_tcp_ts_of(a, p->now));
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_RECOVERY);
    ack_with(SENT * MSS, 0, 0, pl_tcp_ts_of(a, p->now));
    assert_int_equal(a->cc.ssthresh, SENT * MSS * 7 / 10);
    assert_int_equal(COUNT(p, PAIR_A, SpuriousRecoveries), 0);
}

/* Without memory for it there is no way back, and nothing else. */
static void test_no_memory(void **state) {
    (void)state;
    open_pair(false);
    p->end[PAIR_A].env.fail_at = p->end[PAIR_A].env.alloc_count + 1;
    pl_tcp_undo_begin(a);
    assert_null(a->rec.undo);
    pl_tcp_undo_begin(a);
    assert_non_null(a->rec.undo);
    pl_tcp_undo_forget(a);
    assert_null(a->rec.undo);
}

/* A path that loses one packet in ten and never reorders, with a window that holds many of them:
 * while one reaction's retransmissions are under way the next begins, and their ACKs prove nothing
 * about it. */
static void test_repairs_of_before_prove_nothing(void **state) {
    (void)state;
    open_pair(true);
    p->check = false;
    p->pipe[PAIR_A].loss_ppm = 100000;
    tcp_pair_send(p, PAIR_A, UINT64_C(1) << 30);
    for (int i = 0; i < 200; i++) {
        tcp_pair_run_for(p, 30 * MS);
        if (a->rec.phase == PL_TCP_PHASE_OPEN) {
            a->cc.cwnd = 60 * MSS;
            a->cc.ssthresh = 50 * MSS;
        }
    }
    assert_true(COUNT(p, PAIR_A, FastRecoveries) > 50);
    assert_int_equal(COUNT(p, PAIR_A, SpuriousRecoveries), 0);
}

int main(void) {
#define T(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        T(test_frto_slow_path),
        T(test_frto_real_loss),
        T(test_frto_nothing_new),
        T(test_frto_not_in_recovery),
        T(test_dsack_undoes_afterwards),
        T(test_the_memory_ends),
        T(test_an_older_echo_undoes),
        T(test_a_newer_echo_does_not),
        T(test_no_memory),
        T(test_repairs_of_before_prove_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

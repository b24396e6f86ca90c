/* tcp/close: all orders of closing, lost FINs, TIME-WAIT, abort. */
#include "tcp_test.h"

static struct tap tap;

static struct tcp_pair *open_pair(void) {
    struct tcp_pair *p = test_pair(&tap);
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    tap_clear(&tap);
    return p;
}

static enum pl_tcp_state state_of(struct tcp_pair *p, int who) {
    return pl_tcp_state(tcp_of(p, who));
}

static void expect_clean(struct tcp_pair *p) {
    assert_int_equal(p->end[0].closed_error, 0);
    assert_int_equal(p->end[1].closed_error, 0);
    assert_int_equal(p->end[0].fins_in, 1);
    assert_int_equal(p->end[1].fins_in, 1);
    assert_true(pl_tcp_finished(tcp_of(p, 0)) && pl_tcp_finished(tcp_of(p, 1)));
    tcp_pair_free(p);
}

static void test_one_after_the_other(void **state) {
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct tcp_pair *p = open_pair();
        p->end[1 - first].no_close = true;
        tcp_pair_close(p, first);
        tcp_pair_run_for(p, 15 * MS);
        assert_int_equal(state_of(p, first), PL_TCP_ST_FIN_WAIT_1);
        assert_int_equal(state_of(p, 1 - first), PL_TCP_ST_CLOSE_WAIT);
        tcp_pair_run_for(p, S);
        assert_int_equal(state_of(p, first), PL_TCP_ST_FIN_WAIT_2);
        tcp_pair_close(p, 1 - first);
        tcp_pair_run_for(p, 15 * MS);
        assert_int_equal(state_of(p, first), PL_TCP_ST_TIME_WAIT);
        assert_int_equal(state_of(p, 1 - first), PL_TCP_ST_LAST_ACK);
        plait_time since = p->now - 5 * MS;
        tcp_pair_run_for(p, 15 * MS);
        assert_int_equal(p->end[1 - first].closed, 1);
        assert_true(tcp_pair_run(p, tcp_pair_all_closed, 100 * S));
        assert_int_equal(p->now - since, 60 * S);
        expect_clean(p);
    }
}

static void test_both_at_once(void **state) {
    (void)state;
    struct tcp_pair *p = open_pair();
    tcp_pair_close(p, PAIR_A);
    tcp_pair_close(p, PAIR_B);
    tcp_pair_run_for(p, 12 * MS);
    assert_int_equal(state_of(p, PAIR_A), PL_TCP_ST_CLOSING);
    assert_int_equal(state_of(p, PAIR_B), PL_TCP_ST_CLOSING);
    tcp_pair_run_for(p, 10 * MS);
    assert_int_equal(state_of(p, PAIR_A), PL_TCP_ST_TIME_WAIT);
    assert_int_equal(state_of(p, PAIR_B), PL_TCP_ST_TIME_WAIT);
    assert_true(tcp_pair_run(p, tcp_pair_all_closed, 100 * S));
    expect_clean(p);
}

static void test_close_with_payload_queued(void **state) {
    (void)state;
    struct tcp_pair *p = open_pair();
    tcp_pair_send(p, PAIR_A, 300000);
    tcp_pair_close(p, PAIR_A);
    tcp_pair_close(p, PAIR_A); /* again: nothing */
    tcp_pair_send(p, PAIR_B, 200000);
    assert_true(tcp_pair_run(p, tcp_pair_all_closed, 100 * S));
    assert_int_equal(p->end[PAIR_B].received, 300000);
    assert_int_equal(p->end[PAIR_A].received, 200000);
    expect_clean(p);
}

static void test_half_close(void **state) {
    (void)state;
    struct tcp_pair *p = open_pair();
    p->end[PAIR_B].no_close = true;
    tcp_pair_close(p, PAIR_A);
    tcp_pair_run_for(p, 10 * S);
    tcp_pair_send(p, PAIR_B, 500000); /* in CLOSE-WAIT, into FIN-WAIT-2 */
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    assert_int_equal(state_of(p, PAIR_A), PL_TCP_ST_FIN_WAIT_2);
    tcp_pair_close(p, PAIR_B);
    assert_true(tcp_pair_run(p, tcp_pair_all_closed, 100 * S));
    expect_clean(p);
}

static void test_close_before_the_handshake_is_over(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tcp_pair_connect(p, PAIR_A);
    tcp_pair_send(p, PAIR_A, 3000);
    tcp_pair_close(p, PAIR_A);
    assert_true(tcp_pair_run(p, tcp_pair_all_closed, 100 * S));
    assert_int_equal(p->end[PAIR_B].received, 3000);
    expect_clean(p);
}

static void test_lost_fin(void **state) {
    (void)state;
    for (int who = 0; who < 2; who++) {
        struct tcp_pair *p = open_pair();
        tap.flags = PL_TCP_FIN | PL_TCP_ACK;
        tap.drop_flags[who] = 2;
        tcp_pair_close(p, PAIR_A);
        assert_true(tcp_pair_run(p, tcp_pair_all_closed, 100 * S));
        assert_true(tap_count(&tap, who, PL_TCP_FIN, false) >= 3);
        expect_clean(p);
    }
}

static void test_lost_last_ack(void **state) {
    (void)state;
    struct tcp_pair *p = open_pair();
    p->end[PAIR_B].no_close = true;
    tcp_pair_close(p, PAIR_A);
    tcp_pair_run_for(p, S);
    tcp_pair_close(p, PAIR_B);
    tap.drop_all[PAIR_A] = true;
    tcp_pair_run_for(p, 100 * MS);
    assert_int_equal(state_of(p, PAIR_A), PL_TCP_ST_TIME_WAIT);
    tap.drop_all[PAIR_A] = false;
    plait_time healed = p->now;
    tcp_pair_run_for(p, 2 * S);
    assert_int_equal(p->end[PAIR_B].closed, 1);
    assert_true(tcp_pair_run(p, tcp_pair_all_closed, 100 * S));
    assert_true(p->now - healed >= 60 * S); /* TIME-WAIT began anew */
    expect_clean(p);
}

static void test_fin_out_of_order(void **state) {
    (void)state;
    struct tcp_pair *p = open_pair();
    tap.data_seen[PAIR_A] = 0;
    tap.drop_data[PAIR_A] = 1;
    tcp_pair_send(p, PAIR_A, 1000);
    tcp_pair_close(p, PAIR_A);
    tcp_pair_run_for(p, 12 * MS);
    assert_int_equal(p->end[PAIR_B].fins_in, 0);
    assert_true(tcp_pair_run(p, tcp_pair_all_closed, 100 * S));
    assert_int_equal(p->end[PAIR_B].received, 1000);
    expect_clean(p);
}

static void test_time_wait_answers(void **state) {
    (void)state;
    struct tcp_pair *p = open_pair();
    tcp_pair_close(p, PAIR_A);
    tcp_pair_run_for(p, S);
    assert_int_equal(state_of(p, PAIR_A), PL_TCP_ST_TIME_WAIT);
    tap_clear(&tap);
    struct pl_segment seg = next_segment(p, PAIR_A, PL_TCP_RST);
    tcp_pair_inject(p, PAIR_A, &seg, 0); /* RFC 1337 */
    assert_int_equal(state_of(p, PAIR_A), PL_TCP_ST_TIME_WAIT);
    seg = next_segment(p, PAIR_A, PL_TCP_ACK);
    tcp_pair_inject(p, PAIR_A, &seg, 0);
    tcp_pair_run_for(p, MS);
    assert_int_equal(tap.count, 0);
    for (int i = 0; i < 100; i++) {
        seg = next_segment(p, PAIR_A, PL_TCP_ACK);
        seg.seq.v -= 50;
        tcp_pair_inject(p, PAIR_A, &seg, 0);
        tcp_pair_run_for(p, MS);
    }
    assert_int_equal(tap_count(&tap, PAIR_A, PL_TCP_ACK, false), 10); /* the rate limit */
    tcp_pair_free(p);
}

static void test_time_wait_reuse(void **state) {
    (void)state;
    struct tcp_pair *p = open_pair();
    struct pl_tcp *tcp = tcp_of(p, PAIR_A);
    struct pl_segment syn = {.seq = {tcp->rcv.nxt.v + 5000}, .flags = PL_TCP_SYN};
    assert_false(pl_tcp_time_wait_reusable(tcp, &syn));
    tcp_pair_close(p, PAIR_A);
    tcp_pair_run_for(p, S);
    assert_true(pl_tcp_time_wait_reusable(tcp, &syn));
    syn.seq.v = tcp->rcv.nxt.v - 10;
    assert_false(pl_tcp_time_wait_reusable(tcp, &syn));
    syn.options.has_timestamps = true;
    syn.options.ts_val = tcp->ts.recent + 1;
    assert_true(pl_tcp_time_wait_reusable(tcp, &syn));
    syn.options.ts_val = tcp->ts.recent - 1;
    syn.seq.v = tcp->rcv.nxt.v + 10;
    assert_false(pl_tcp_time_wait_reusable(tcp, &syn));
    syn.flags |= PL_TCP_ACK;
    assert_false(pl_tcp_time_wait_reusable(tcp, &syn));
    tcp_pair_free(p);
}

static void test_abort(void **state) {
    (void)state;
    struct tcp_pair *p = open_pair();
    pl_tcp_abort(tcp_of(p, PAIR_A), PLAIT_E_ABORTED, p->now);
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_ABORTED);
    assert_false(pl_tcp_finished(tcp_of(p, PAIR_A)));
    pl_tcp_abort(tcp_of(p, PAIR_A), PLAIT_E_ABORTED, p->now);
    tcp_pair_run_for(p, S);
    assert_true(pl_tcp_finished(tcp_of(p, PAIR_A)));
    assert_int_equal(tap.count, 1);
    assert_int_equal(tap.note[0].flags, PL_TCP_RST | PL_TCP_ACK);
    assert_int_equal(p->end[PAIR_B].closed_error, PLAIT_E_RESET);
    assert_true(pl_tcp_finished(tcp_of(p, PAIR_B)));
    tcp_pair_free(p);
}

/* What is in flight can still be walked while CLOSED is told. */
static void test_abort_with_payload_in_flight(void **state) {
    (void)state;
    struct tcp_pair *p = open_pair();
    tcp_pair_send(p, PAIR_A, 100000);
    tcp_pair_run_for(p, 5 * MS);
    assert_true(pl_tcp_flight(tcp_of(p, PAIR_A)) > 0);
    pl_tcp_abort(tcp_of(p, PAIR_A), PLAIT_E_ABORTED, p->now);
    pl_tcp_check(tcp_of(p, PAIR_A));
    tcp_pair_run_for(p, S);
    assert_int_equal(p->end[PAIR_B].closed_error, PLAIT_E_RESET);
    tcp_pair_free(p);
}

static void test_abort_when_nobody_knows(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tcp_pair_connect(p, PAIR_A);
    pl_tcp_abort(tcp_of(p, PAIR_A), PLAIT_E_ABORTED, p->now);
    pl_tcp_abort(tcp_of(p, PAIR_B), PLAIT_E_ABORTED, p->now); /* never opened */
    tcp_pair_run_for(p, S);
    assert_int_equal(tap.count, 0);
    assert_int_equal(p->end[PAIR_A].closed, 1);
    assert_int_equal(p->end[PAIR_B].closed, 1);
    assert_true(pl_tcp_finished(tcp_of(p, PAIR_A)));
    tcp_pair_free(p);
}

static void test_the_peer_dies_while_closing(void **state) {
    (void)state;
    struct tcp_pair *p = open_pair();
    tcp_pair_close(p, PAIR_A);
    tap.drop_all[PAIR_A] = true;
    tcp_pair_run_for(p, 2000 * S);
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_TIMED_OUT);
    tcp_pair_free(p);
}

/* Takes A to a state of section 3.6; what A sends from then on is lost when it closes last. */
static struct tcp_pair *bring(enum pl_tcp_state want) {
    struct tcp_pair *p = open_pair();
    p->end[PAIR_A].no_close = p->end[PAIR_B].no_close = true;
    bool passive = want == PL_TCP_ST_CLOSE_WAIT || want == PL_TCP_ST_LAST_ACK;
    if (passive) {
        tcp_pair_close(p, PAIR_B);
        tcp_pair_run_for(p, S);
    }
    tap.drop_all[PAIR_A] = want != PL_TCP_ST_FIN_WAIT_2 && want != PL_TCP_ST_TIME_WAIT;
    if (want > PL_TCP_ST_ESTABLISHED && want != PL_TCP_ST_CLOSE_WAIT) {
        tcp_pair_close(p, PAIR_A);
        tcp_pair_run_for(p, 50 * MS);
    }
    if (want == PL_TCP_ST_CLOSING || want == PL_TCP_ST_TIME_WAIT) {
        tcp_pair_close(p, PAIR_B);
        tcp_pair_run_for(p, 50 * MS);
    }
    assert_int_equal(state_of(p, PAIR_A), want);
    tap.drop_all[PAIR_A] = false;
    tap_clear(&tap);
    return p;
}

/* RFC 5961 section 4.2: a SYN is challenged in every synchronised state, and changes nothing. */
static void test_syn_in_every_state(void **state) {
    (void)state;
    for (int st = PL_TCP_ST_ESTABLISHED; st < PL_TCP_ST_TIME_WAIT; st++) {
        struct tcp_pair *p = bring((enum pl_tcp_state)st);
        struct pl_segment syn = next_segment(p, PAIR_A, PL_TCP_SYN);
        tcp_pair_inject(p, PAIR_A, &syn, 0);
        tcp_pair_run_for(p, MS);
        assert_int_equal(tap_count(&tap, PAIR_A, PL_TCP_ACK, false), 1);
        assert_int_equal(state_of(p, PAIR_A), st);
        assert_int_equal(COUNT(p, PAIR_A, SynChallenges), 1);
        tcp_pair_free(p);
    }
}

/* RFC 9293 section 3.10.7.4, second check: which states the user hears of a reset in. */
static void test_reset_in_every_state(void **state) {
    (void)state;
    for (int st = PL_TCP_ST_ESTABLISHED; st < PL_TCP_ST_TIME_WAIT; st++) {
        struct tcp_pair *p = bring((enum pl_tcp_state)st);
        struct pl_segment rst = next_segment(p, PAIR_A, PL_TCP_RST);
        bool over = st == PL_TCP_ST_CLOSING || st == PL_TCP_ST_LAST_ACK;
        tcp_pair_inject(p, PAIR_A, &rst, 0);
        assert_int_equal(p->end[PAIR_A].closed, 1);
        assert_int_equal(p->end[PAIR_A].closed_error, over ? 0 : PLAIT_E_RESET);
        tcp_pair_free(p);
    }
}

/* In LAST-ACK with payload that nobody acknowledged the reset is an error. */
static void test_reset_loses_payload(void **state) {
    (void)state;
    struct tcp_pair *p = bring(PL_TCP_ST_CLOSE_WAIT);
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, 100);
    tcp_pair_close(p, PAIR_A);
    tcp_pair_run_for(p, 50 * MS);
    assert_int_equal(state_of(p, PAIR_A), PL_TCP_ST_LAST_ACK);
    struct pl_segment rst = next_segment(p, PAIR_A, PL_TCP_RST);
    tcp_pair_inject(p, PAIR_A, &rst, 0);
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_RESET);
    tcp_pair_free(p);
}

/* Section 3.6: a FIN that was lost comes again in each state that has one unacknowledged. */
static void test_fin_is_repeated_in_every_state(void **state) {
    (void)state;
    const enum pl_tcp_state closing[] = {PL_TCP_ST_FIN_WAIT_1, PL_TCP_ST_CLOSING,
                                         PL_TCP_ST_LAST_ACK};
    for (int i = 0; i < 3; i++) {
        struct tcp_pair *p = bring(closing[i]);
        tcp_pair_run_for(p, 3 * S);
        assert_true(tap_count(&tap, PAIR_A, PL_TCP_FIN, false) > 0);
        assert_int_equal(p->end[PAIR_B].fins_in, 1);
        enum pl_tcp_state then = closing[i] == PL_TCP_ST_FIN_WAIT_1 ? PL_TCP_ST_FIN_WAIT_2
                                 : closing[i] == PL_TCP_ST_CLOSING  ? PL_TCP_ST_TIME_WAIT
                                                                    : PL_TCP_ST_CLOSED;
        assert_int_equal(state_of(p, PAIR_A), then);
        tcp_pair_free(p);
    }
}

/* RFC 5461 section 2: no ICMP error ends a synchronised connection, hard or soft. */
static void test_icmp_in_every_state(void **state) {
    (void)state;
    for (int st = PL_TCP_ST_ESTABLISHED; st <= PL_TCP_ST_TIME_WAIT; st++) {
        struct tcp_pair *p = bring((enum pl_tcp_state)st);
        pl_tcp_icmp_error(tcp_of(p, PAIR_A), true, PLAIT_E_REFUSED, p->now);
        pl_tcp_icmp_error(tcp_of(p, PAIR_A), false, PLAIT_E_HOST_UNREACHABLE, p->now);
        tcp_pair_run_for(p, MS);
        assert_int_equal(state_of(p, PAIR_A), st);
        tcp_pair_free(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_both_at_once),
        cmocka_unit_test(test_close_with_payload_queued),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_close_before_the_handshake_is_over),
        cmocka_unit_test(test_lost_fin),
        cmocka_unit_test(test_lost_last_ack),
        cmocka_unit_test(test_fin_out_of_order),
        cmocka_unit_test(test_time_wait_answers),
        cmocka_unit_test(test_time_wait_reuse),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_abort_with_payload_in_flight),
        cmocka_unit_test(test_abort_when_nobody_knows),
        cmocka_unit_test(test_the_peer_dies_while_closing),
        cmocka_unit_test(test_syn_in_every_state),
        cmocka_unit_test(test_reset_in_every_state),
        cmocka_unit_test(test_reset_loses_payload),
        cmocka_unit_test(test_fin_is_repeated_in_every_state),
        cmocka_unit_test(test_icmp_in_every_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

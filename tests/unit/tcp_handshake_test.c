/* tcp/handshake: opening in all roles, over loss, with refusals. */
#include "tcp_test.h"

static struct tap tap;

static bool both_open(struct tcp_pair *p) {
    return p->end[0].established > 0 && p->end[1].established > 0;
}

static bool one_closed(struct tcp_pair *p) {
    return p->end[0].closed > 0 || p->end[1].closed > 0;
}

static void test_three_way(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    plait_time begin = p->now;
    tcp_pair_open(p);
    assert_int_equal(p->now - begin, 30 * MS);
    tcp_pair_run_for(p, S);
    assert_int_equal(tap.count, 3);
    assert_int_equal(tap.note[0].flags, PL_TCP_SYN);
    assert_int_equal(tap.note[1].flags, PL_TCP_SYN | PL_TCP_ACK);
    assert_int_equal(tap.note[2].flags, PL_TCP_ACK);
    assert_int_equal(tap.note[2].seq, 1);
    assert_int_equal(tap.note[2].ack, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pl_tcp_state(tcp_of(p, i)), PL_TCP_ST_ESTABLISHED);
        assert_int_equal(tcp_of(p, i)->rtt.srtt_ns, 20 * MS);
        assert_int_equal(pl_tcp_mss(tcp_of(p, i)), 1448);
        assert_true(tcp_of(p, i)->ts.on && tcp_of(p, i)->snd.sack_ok);
        assert_int_equal(tcp_of(p, i)->snd.wscale, 7); /* 4 MB buffers */
        assert_int_equal(pl_timers_next(&p->end[i].ctx.timers), PLAIT_TIME_NEVER);
    }
    assert_int_equal(p->end[PAIR_A].asked[PL_SEG_SYN], 1);
    assert_int_equal(p->end[PAIR_B].asked[PL_SEG_SYN_ACK], 1);
    assert_int_equal(p->end[PAIR_A].asked[PL_SEG_ACK], 1);
    assert_int_equal(COUNT(p, PAIR_A, ActiveOpens), 1);
    assert_int_equal(COUNT(p, PAIR_B, PassiveOpens), 1);
    tcp_pair_free(p);
}

static void test_lost_syns(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    plait_time begin = p->now;
    tap.flags = PL_TCP_SYN;
    tap.drop_flags[PAIR_A] = 3;
    tcp_pair_open(p);
    assert_int_equal(tap.note[1].at - begin, S);
    assert_int_equal(tap.note[2].at - begin, 3 * S);
    assert_int_equal(tap.note[3].at - begin, 7 * S);
    assert_int_equal(p->end[PAIR_A].rtos, 3);
    assert_int_equal(p->end[PAIR_A].progresses, 1);
    assert_int_equal(tcp_of(p, PAIR_A)->cc.cwnd, 1448);
    assert_int_equal(tcp_of(p, PAIR_A)->rtt.srtt_ns, 20 * MS); /* from the echoed timestamp */
    tcp_pair_send(p, PAIR_A, 100000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    tcp_pair_free(p);
}

static void test_one_lost_syn_keeps_the_window(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tap.flags = PL_TCP_SYN;
    tap.drop_flags[PAIR_A] = 1;
    tcp_pair_open(p);
    assert_int_equal(tcp_of(p, PAIR_A)->cc.cwnd, 10 * 1448);
    tcp_pair_free(p);
}

static void test_lost_syn_ack(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    plait_time begin = p->now;
    tap.flags = PL_TCP_SYN | PL_TCP_ACK;
    tap.drop_flags[PAIR_B] = 1;
    tcp_pair_open(p);
    assert_true(p->now - begin < 1100 * MS);
    assert_int_equal(p->end[PAIR_A].established, 1);
    assert_int_equal(p->end[PAIR_B].established, 1);
    tcp_pair_free(p);
}

static void test_lost_third_ack(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tap.flags = PL_TCP_ACK;
    tap.drop_flags[PAIR_A] = 1;
    tcp_pair_connect(p, PAIR_A);
    tcp_pair_send(p, PAIR_A, 5000); /* data serves as well */
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 200 * MS));
    assert_int_equal(p->end[PAIR_B].established, 1);
    tcp_pair_free(p);
}

static void test_lost_third_ack_and_nothing_to_say(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tap.flags = PL_TCP_ACK;
    tap.drop_flags[PAIR_A] = 1;
    tcp_pair_connect(p, PAIR_A);
    assert_true(tcp_pair_run(p, both_open, 3 * S)); /* the repeated SYN/ACK is answered */
    tcp_pair_free(p);
}

static void test_simultaneous_open(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tcp_pair_connect(p, PAIR_A);
    tcp_pair_connect(p, PAIR_B);
    assert_true(tcp_pair_run(p, both_open, S));
    assert_int_equal(tap_count(&tap, PAIR_A, PL_TCP_SYN | PL_TCP_ACK, false), 1);
    tcp_pair_send(p, PAIR_A, 50000);
    tcp_pair_send(p, PAIR_B, 70000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 5 * S));
    tcp_pair_close(p, PAIR_A);
    assert_true(tcp_pair_run(p, tcp_pair_all_closed, 100 * S));
    tcp_pair_free(p);
}

static void test_simultaneous_open_with_loss(void **state) {
    (void)state;
    for (int from = 0; from < 2; from++) {
        struct tcp_pair *p = test_pair(&tap);
        tap.flags = PL_TCP_SYN | PL_TCP_ACK;
        tap.drop_flags[from] = 1;
        tcp_pair_connect(p, PAIR_A);
        tcp_pair_connect(p, PAIR_B);
        assert_true(tcp_pair_run(p, both_open, 5 * S));
        tcp_pair_free(p);
    }
}

static void test_nobody_there(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    plait_time begin = p->now;
    p->pipe[PAIR_A].cut = true;
    tcp_pair_connect(p, PAIR_A);
    assert_true(tcp_pair_run(p, one_closed, 1000 * S));
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_TIMED_OUT);
    assert_int_equal(p->now - begin, 180 * S);
    assert_int_equal(tap_count(&tap, PAIR_A, PL_TCP_SYN, false), 8);
    assert_true(pl_tcp_finished(tcp_of(p, PAIR_A)));
    tcp_pair_free(p);
}

static void test_unreachable(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    p->pipe[PAIR_A].cut = true;
    tcp_pair_connect(p, PAIR_A);
    tcp_pair_run_for(p, S);
    pl_tcp_icmp_error(tcp_of(p, PAIR_A), false, PLAIT_E_HOST_UNREACHABLE, p->now);
    assert_int_equal(p->end[PAIR_A].closed, 0);
    assert_true(tcp_pair_run(p, one_closed, 1000 * S));
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_HOST_UNREACHABLE);
    tcp_pair_free(p);
    p = test_pair(&tap);
    tcp_pair_connect(p, PAIR_A);
    pl_tcp_icmp_error(tcp_of(p, PAIR_A), true, PLAIT_E_UNREACHABLE, p->now);
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_UNREACHABLE);
    tcp_pair_free(p);
}

static void test_refused(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tap.drop_all[PAIR_A] = true;
    tcp_pair_connect(p, PAIR_A);
    tcp_pair_run_for(p, MS);
    struct pl_segment rst = {.seq = {77}, .flags = PL_TCP_RST};
    tcp_pair_inject(p, PAIR_A, &rst, 0);
    assert_int_equal(p->end[PAIR_A].closed, 0); /* anybody could send that */
    rst.flags = PL_TCP_RST | PL_TCP_ACK;
    rst.ack = pl_seq32_of(1000);
    tcp_pair_inject(p, PAIR_A, &rst, 0);
    assert_int_equal(p->end[PAIR_A].closed, 0);
    rst.ack = pl_seq32_of(1001);
    tcp_pair_inject(p, PAIR_A, &rst, 0);
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_REFUSED);
    assert_true(pl_tcp_finished(tcp_of(p, PAIR_A)));
    tcp_pair_free(p);
}

/* RFC 9293 section 3.5.2: an old SYN/ACK is answered with a reset, and the opening goes on. */
static void test_syn_ack_of_an_older_life(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tcp_pair_connect(p, PAIR_A);
    tcp_pair_run_for(p, MS);
    struct pl_segment old = {.seq = {77}, .ack = {555}, .flags = PL_TCP_SYN | PL_TCP_ACK};
    tcp_pair_inject(p, PAIR_A, &old, 0);
    assert_true(tcp_pair_run(p, both_open, S));
    const struct tap_note *rst = tap_nth(&tap, PAIR_A, 1);
    assert_int_equal(rst->flags, PL_TCP_RST);
    assert_int_equal((uint32_t)(rst->seq + 1000), 555);
    tcp_pair_free(p);
}

static void test_held(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    struct pl_segment syn = {.seq = {1000}, .flags = PL_TCP_SYN, .window_raw = 1000};
    pl_tcp_accept(tcp_of(p, PAIR_B), &syn, true, p->now);
    tcp_pair_run_for(p, 10 * S);
    tcp_pair_inject(p, PAIR_B, &syn, 0);
    tcp_pair_run_for(p, S);
    assert_int_equal(tap.count, 0);
    pl_tcp_confirm(tcp_of(p, PAIR_B), p->now);
    tcp_pair_run_for(p, 100 * MS);
    assert_int_equal(tap_count(&tap, PAIR_B, PL_TCP_SYN | PL_TCP_ACK, false), 1);
    pl_tcp_confirm(tcp_of(p, PAIR_B), p->now); /* again: nothing */
    tcp_pair_free(p);
}

static void test_held_and_given_up(void **state) {
    (void)state;
    struct pl_segment syn = {.seq = {1000}, .flags = PL_TCP_SYN, .window_raw = 1000};
    for (int refuse = 0; refuse < 2; refuse++) {
        struct tcp_pair *p = test_pair(&tap);
        pl_tcp_accept(tcp_of(p, PAIR_B), &syn, true, p->now);
        pl_tcp_abort(tcp_of(p, PAIR_B), refuse ? PLAIT_E_REFUSED : PLAIT_E_TIMED_OUT, p->now);
        assert_int_equal(pl_tcp_finished(tcp_of(p, PAIR_B)), !refuse);
        tcp_pair_run_for(p, S);
        assert_int_equal(tap.count, refuse);
        assert_true(pl_tcp_finished(tcp_of(p, PAIR_B)));
        if (refuse) {
            assert_int_equal(tap.note[0].flags, PL_TCP_RST | PL_TCP_ACK);
            assert_int_equal(tap.note[0].ack, 1);
        }
        tcp_pair_free(p);
    }
}

static void test_held_too_long(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    struct pl_segment syn = {.seq = {1000}, .flags = PL_TCP_SYN, .window_raw = 1000};
    pl_tcp_accept(tcp_of(p, PAIR_B), &syn, true, p->now);
    tcp_pair_run_for(p, 181 * S);
    assert_int_equal(p->end[PAIR_B].closed_error, PLAIT_E_TIMED_OUT);
    assert_int_equal(tap.count, 0);
    tcp_pair_free(p);
}

static void test_the_upper_refuses(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    p->end[PAIR_A].verdict = PL_VERDICT_RESET;
    p->end[PAIR_A].verdict_kind = PL_SEG_SYN_ACK;
    tcp_pair_connect(p, PAIR_A);
    tcp_pair_run_for(p, S);
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_PROTOCOL);
    assert_int_equal(p->end[PAIR_B].closed_error, PLAIT_E_RESET);
    assert_int_equal(p->end[PAIR_B].established, 0);
    tcp_pair_free(p);
    p = test_pair(&tap);
    p->end[PAIR_B].verdict = PL_VERDICT_RESET;
    p->end[PAIR_B].verdict_kind = PL_SEG_SYN;
    tcp_pair_connect(p, PAIR_A);
    tcp_pair_run_for(p, S);
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_REFUSED);
    tcp_pair_free(p);
}

/* MP_JOIN's third ACK may be refused by the upper: the handshake is not complete then. */
static void test_the_upper_drops_the_third_ack(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    p->end[PAIR_B].verdict = PL_VERDICT_DROP;
    p->end[PAIR_B].verdict_kind = PL_SEG_ACK;
    tcp_pair_connect(p, PAIR_A);
    tcp_pair_run_for(p, 500 * MS);
    assert_int_equal(p->end[PAIR_A].established, 1);
    assert_int_equal(p->end[PAIR_B].established, 0);
    p->end[PAIR_B].verdict = PL_VERDICT_OK;
    assert_true(tcp_pair_run(p, both_open, 3 * S));
    tcp_pair_free(p);
}

static void test_plain_peer(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    struct pl_segment syn = {.seq = {1000}, .flags = PL_TCP_SYN, .window_raw = 65535};
    pl_tcp_accept(tcp_of(p, PAIR_B), &syn, false, p->now);
    tcp_pair_run_for(p, MS);
    struct pl_segment ack = {
        .seq = {1001}, .ack = {5001}, .flags = PL_TCP_ACK, .window_raw = 65535};
    tcp_pair_inject(p, PAIR_B, &ack, 0);
    const struct pl_tcp *tcp = tcp_of(p, PAIR_B);
    assert_int_equal(p->end[PAIR_B].established, 1);
    assert_false(tcp->ts.on);
    assert_false(tcp->snd.sack_ok);
    assert_int_equal(tcp->rcv.wscale, 0);
    assert_int_equal(tcp->snd.wscale, 0);
    assert_int_equal(pl_tcp_mss(tcp), 536);
    assert_int_equal(tcp->snd.wnd, 65535);
    tcp_pair_free(p);
}

static void test_reset_before_the_third_ack(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tap.flags = PL_TCP_ACK;
    tap.drop_flags[PAIR_A] = 1;
    tcp_pair_connect(p, PAIR_A);
    tcp_pair_run_for(p, 100 * MS);
    pl_tcp_abort(tcp_of(p, PAIR_A), PLAIT_E_ABORTED, p->now);
    tcp_pair_run_for(p, 100 * MS);
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_ABORTED);
    assert_int_equal(p->end[PAIR_B].closed_error, PLAIT_E_RESET);
    tcp_pair_free(p);
}

/* B in SYN-RECEIVED; A's third ACK is lost. */
static struct tcp_pair *half_open(void) {
    struct tcp_pair *p = test_pair(&tap);
    tap.drop_flags[PAIR_A] = 1;
    tap.flags = PL_TCP_ACK;
    tcp_pair_connect(p, PAIR_A);
    tcp_pair_run_for(p, 50 * MS);
    assert_int_equal(pl_tcp_state(tcp_of(p, PAIR_B)), PL_TCP_ST_SYN_RECEIVED);
    tap_clear(&tap);
    return p;
}

/* RFC 9293 section 3.10.7.4, first check: an unacceptable segment is answered in SYN-RECEIVED. */
static void test_syn_received_answers_the_unacceptable(void **state) {
    (void)state;
    struct tcp_pair *p = half_open();
    struct pl_segment old = next_segment(p, PAIR_B, PL_TCP_ACK);
    old.seq.v -= 100;
    tcp_pair_inject(p, PAIR_B, &old, 0);
    tcp_pair_run_for(p, MS);
    assert_int_equal(tap.count, 1);
    assert_int_equal(tap.note[0].flags, PL_TCP_ACK);
    assert_int_equal(tap.note[0].seq, 1);
    assert_int_equal(tap.note[0].ack, 1);
    assert_int_equal(pl_tcp_state(tcp_of(p, PAIR_B)), PL_TCP_ST_SYN_RECEIVED);
    assert_true(tcp_pair_run(p, both_open, 3 * S));
    tcp_pair_free(p);
}

/* RFC 5961 section 3: an inexact reset is challenged before the handshake is over, too. */
static void test_syn_received_challenges_a_reset(void **state) {
    (void)state;
    struct tcp_pair *p = half_open();
    struct pl_segment rst = next_segment(p, PAIR_B, PL_TCP_RST);
    rst.seq.v += 1;
    tcp_pair_inject(p, PAIR_B, &rst, 0);
    tcp_pair_run_for(p, MS);
    assert_int_equal(tap_count(&tap, PAIR_B, PL_TCP_ACK, false), 1);
    assert_int_equal(COUNT(p, PAIR_B, ChallengeAcks), 1);
    assert_int_equal(p->end[PAIR_B].closed, 0);
    tcp_pair_free(p);
}

/* Fourth check: a new SYN in the window takes a passive connection back to LISTEN; an active one
 * (crossed SYNs) is synchronised and challenges it. */
static void test_syn_received_and_another_syn(void **state) {
    (void)state;
    struct tcp_pair *p = half_open();
    struct pl_segment syn = next_segment(p, PAIR_B, PL_TCP_SYN);
    syn.seq.v += 10;
    tcp_pair_inject(p, PAIR_B, &syn, 0);
    assert_int_equal(p->end[PAIR_B].closed, 1);
    tcp_pair_run_for(p, MS);
    assert_int_equal(tap.count, 0);
    tcp_pair_free(p);
    p = test_pair(&tap);
    tap.flags = PL_TCP_SYN | PL_TCP_ACK;
    tap.drop_flags[PAIR_A] = tap.drop_flags[PAIR_B] = 1;
    tcp_pair_connect(p, PAIR_A);
    tcp_pair_connect(p, PAIR_B);
    tcp_pair_run_for(p, 50 * MS);
    assert_int_equal(pl_tcp_state(tcp_of(p, PAIR_B)), PL_TCP_ST_SYN_RECEIVED);
    syn = next_segment(p, PAIR_B, PL_TCP_SYN);
    syn.seq.v += 10;
    tcp_pair_inject(p, PAIR_B, &syn, 0);
    assert_int_equal(p->end[PAIR_B].closed, 0);
    assert_int_equal(COUNT(p, PAIR_B, SynChallenges), 1);
    tcp_pair_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_way),
        cmocka_unit_test(test_lost_syns),
        cmocka_unit_test(test_one_lost_syn_keeps_the_window),
        cmocka_unit_test(test_lost_syn_ack),
        cmocka_unit_test(test_lost_third_ack),
        cmocka_unit_test(test_lost_third_ack_and_nothing_to_say),
        cmocka_unit_test(test_simultaneous_open),
        cmocka_unit_test(test_simultaneous_open_with_loss),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_syn_ack_of_an_older_life),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_held_and_given_up),
        cmocka_unit_test(test_held_too_long),
        cmocka_unit_test(test_the_upper_refuses),
        cmocka_unit_test(test_the_upper_drops_the_third_ack),
        cmocka_unit_test(test_plain_peer),
        cmocka_unit_test(test_reset_before_the_third_ack),
        cmocka_unit_test(test_syn_received_answers_the_unacceptable),
        cmocka_unit_test(test_syn_received_challenges_a_reset),
        cmocka_unit_test(test_syn_received_and_another_syn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

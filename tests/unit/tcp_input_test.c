/* tcp/input: the checks of RFC 9293 section 3.10.7.4, RFC 5961 and RFC 7323 section 5. */
#include "tcp_test.h"

static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *b;

static int setup(void **state) {
    (void)state;
    p = test_pair(&tap);
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    tap_clear(&tap);
    b = tcp_of(p, PAIR_B);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

/* Hands a segment to B and counts what it answers at once. */
static unsigned answers(const struct pl_segment *seg) {
    unsigned before = tap.count;
    tcp_pair_inject(p, PAIR_B, seg, 0);
    tcp_pair_run_for(p, MS / 10);
    return tap.count - before;
}

static void test_reset_needs_the_exact_sequence(void **state) {
    (void)state;
    struct pl_segment rst = next_segment(p, PAIR_B, PL_TCP_RST);
    rst.seq.v += 1;
    assert_int_equal(answers(&rst), 1);
    assert_int_equal(COUNT(p, PAIR_B, ChallengeAcks), 1);
    rst.seq.v -= 2;
    assert_int_equal(answers(&rst), 0); /* outside the window */
    rst.seq.v = b->rcv.nxt.v + (8 << 20);
    assert_int_equal(answers(&rst), 0);
    assert_int_equal(p->end[PAIR_B].closed, 0);
    rst.seq = b->rcv.nxt;
    assert_int_equal(answers(&rst), 0);
    assert_int_equal(p->end[PAIR_B].closed_error, PLAIT_E_RESET);
}

static void test_syn_is_challenged(void **state) {
    (void)state;
    struct pl_segment syn = next_segment(p, PAIR_B, PL_TCP_SYN);
    assert_int_equal(answers(&syn), 1);
    assert_int_equal(tap.note[0].flags, PL_TCP_ACK);
    assert_int_equal(p->end[PAIR_B].closed, 0);
    assert_int_equal(COUNT(p, PAIR_B, ChallengeAcks), 1);
}

static void test_challenges_are_limited(void **state) {
    (void)state;
    struct pl_segment rst = next_segment(p, PAIR_B, PL_TCP_RST);
    rst.seq.v += 1;
    unsigned sent = 0;
    for (int i = 0; i < 1000; i++) {
        sent += answers(&rst);
    }
    assert_int_equal(sent, 10);
    tcp_pair_run_for(p, S);
    assert_int_equal(answers(&rst), 1);
}

static void test_ack_of_what_was_never_sent(void **state) {
    (void)state;
    struct pl_segment ack = next_segment(p, PAIR_B, PL_TCP_ACK);
    ack.ack.v += 1;
    ack.payload_len = 10;
    assert_int_equal(answers(&ack), 1);
    assert_int_equal(COUNT(p, PAIR_B, DropBadAck), 1);
    assert_int_equal(p->end[PAIR_B].received, 0);
}

static void test_ack_from_long_ago(void **state) {
    (void)state;
    struct pl_segment ack = next_segment(p, PAIR_B, PL_TCP_ACK);
    ack.payload_len = 10;
    ack.ack.v -= 100; /* old but possible: payload counts */
    (void)answers(&ack);
    assert_int_equal(p->end[PAIR_B].received, 10);
    ack = next_segment(p, PAIR_B, PL_TCP_ACK);
    ack.payload_len = 10;
    ack.ack.v -= b->snd.wnd_max + 1;
    assert_int_equal(answers(&ack), 1);
    assert_int_equal(p->end[PAIR_B].received, 10);
}

static void test_without_ack_flag(void **state) {
    (void)state;
    struct pl_segment seg = next_segment(p, PAIR_B, 0);
    seg.payload_len = 10;
    assert_int_equal(answers(&seg), 0);
    assert_int_equal(p->end[PAIR_B].received, 0);
}

static void test_out_of_window(void **state) {
    (void)state;
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK);
    seg.payload_len = 10;
    seg.seq.v += 8 << 20;
    assert_int_equal(answers(&seg), 1);
    assert_int_equal(COUNT(p, PAIR_B, DropOutOfWindow), 1);
    seg.seq.v = b->rcv.nxt.v - 1;
    seg.payload_len = 0; /* a keep-alive or window probe */
    assert_int_equal(answers(&seg), 1);
}

/* Two ends that disagree must not answer each other for ever. */
static void test_no_ack_storm(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        tcp_of(p, i)->rcv.nxt.v += 1000000000;
        tcp_of(p, i)->rcv.edge.v += 1000000000;
        pl_tcp_ack_now(tcp_of(p, i));
    }
    tcp_pair_run_for(p, 10 * S);
    assert_true(tap.count < 250);
}

static void test_paws(void **state) {
    (void)state;
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK);
    seg.payload_len = 10;
    seg.options.ts_val = b->ts.recent - 1;
    assert_int_equal(answers(&seg), 1);
    assert_int_equal(COUNT(p, PAIR_B, DropPaws), 1);
    assert_int_equal(p->end[PAIR_B].received, 0);
    b->ts.recent_at_s -= 25U * 86400U; /* idle for 25 days: the clock may have wrapped */
    (void)answers(&seg);
    assert_int_equal(p->end[PAIR_B].received, 10);
}

static void test_the_upper_judges(void **state) {
    (void)state;
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK);
    seg.payload_len = 10;
    p->end[PAIR_B].verdict = PL_VERDICT_DROP;
    (void)answers(&seg);
    assert_int_equal(p->end[PAIR_B].received, 0);
    assert_int_equal(p->end[PAIR_B].closed, 0);
    p->end[PAIR_B].verdict = PL_VERDICT_RESET;
    assert_int_equal(answers(&seg), 1);
    assert_int_equal(tap.note[0].flags, PL_TCP_RST | PL_TCP_ACK);
    assert_int_equal(p->end[PAIR_B].closed_error, PLAIT_E_PROTOCOL);
}

static void test_urgent_is_payload(void **state) {
    (void)state;
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK | PL_TCP_URG);
    seg.payload_len = 10;
    seg.urgent = 5;
    (void)answers(&seg);
    assert_int_equal(p->end[PAIR_B].received, 10);
}

static void test_after_the_end(void **state) {
    (void)state;
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK);
    pl_tcp_abort(b, PLAIT_E_ABORTED, p->now);
    tcp_pair_run_for(p, MS);
    tap_clear(&tap);
    assert_int_equal(answers(&seg), 0);
    assert_int_equal(COUNT(p, PAIR_B, DropBadState), 1);
}

static void test_kinds(void **state) {
    (void)state;
    struct pl_segment seg = {.flags = PL_TCP_SYN};
    assert_int_equal(pl_tcp_kind(&seg), PL_SEG_SYN);
    seg.flags = PL_TCP_SYN | PL_TCP_ACK;
    assert_int_equal(pl_tcp_kind(&seg), PL_SEG_SYN_ACK);
    seg.flags = PL_TCP_ACK;
    assert_int_equal(pl_tcp_kind(&seg), PL_SEG_ACK);
    seg.flags = PL_TCP_ACK | PL_TCP_FIN;
    assert_int_equal(pl_tcp_kind(&seg), PL_SEG_FIN);
    seg.payload_len = 1;
    assert_int_equal(pl_tcp_kind(&seg), PL_SEG_DATA);
    seg.flags = PL_TCP_ACK | PL_TCP_RST;
    assert_int_equal(pl_tcp_kind(&seg), PL_SEG_RST);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_reset_needs_the_exact_sequence),
        T(test_syn_is_challenged),
        T(test_challenges_are_limited),
        T(test_ack_of_what_was_never_sent),
        T(test_ack_from_long_ago),
        T(test_without_ack_flag),
        T(test_out_of_window),
        T(test_no_ack_storm),
        T(test_paws),
        T(test_the_upper_judges),
        T(test_urgent_is_payload),
        T(test_after_the_end),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

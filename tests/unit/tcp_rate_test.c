/* tcp/rate: samples of the delivery rate. */
#include "tcp_test.h"

enum { MSS = 1448 };
static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *a;

static int setup(void **state) {
    (void)state;
    struct tcp_pair_setup s = test_setup();
    s.cc = PLAIT_CC_BBR;
    p = tcp_pair_new(&s);
    memset(&tap, 0, sizeof(tap));
    p->filter = tap_filter;
    p->filter_arg = &tap;
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    tap.drop_all[PAIR_A] = true;
    a = tcp_of(p, PAIR_A);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

static const struct pl_rate *rate(void) {
    return pl_cc_rate(&a->cc);
}

/* Sends n segments at once, as far as pacing is concerned. */
static void send(unsigned n) {
    a->pace.next = 0;
    a->pace.burst = 65536;
    tcp_pair_send(p, PAIR_A, n * MSS);
    tcp_pair_run_for(p, 0);
}

/* Acknowledges n more segments; what a model is told. */
static struct pl_cc_sample acknowledge(unsigned n) {
    struct pl_segment seg = {.ack = pl_seq32_add(a->snd.una, n * MSS), .flags = PL_TCP_ACK};
    struct pl_tcp_ack_facts f = {.seg = &seg, .now = p->now};
    struct pl_cc_sample s;
    for (unsigned i = 0; i < n; i++) {
        struct pl_tcp_record *rec = pl_tcp_record_first(a);
        pl_tcp_rate_delivered(a, rec, &f);
        f.delivered += rec->len;
        f.rtt_last_ns = p->now - rec->sent_at;
        pl_tcp_record_free(a, rec);
    }
    a->snd.una = seg.ack;
    pl_tcp_rate_sample(a, &f, &s);
    return s;
}

static void test_one_flight(void **state) {
    (void)state;
    send(4);
    assert_int_equal(rate()->first_sent_at, p->now); /* the flight begins */
    tcp_pair_run_for(p, 20 * MS);
    struct pl_cc_sample s = acknowledge(4);
    assert_int_equal(s.acked, 4 * MSS);
    assert_int_equal(s.rate, 4 * MSS * 50); /* in 20 ms */
    assert_int_equal(s.sent_at_count, 0);
    assert_int_equal(rate()->delivered, 4 * MSS);
    assert_int_equal(rate()->delivered_at, p->now);
}

/* ACKs that arrive together do not raise the rate above that of sending. */
static void test_compressed_acks(void **state) {
    (void)state;
    send(1);
    tcp_pair_run_for(p, 30 * MS);
    send(1);
    tcp_pair_run_for(p, 30 * MS);
    send(1);
    tcp_pair_run_for(p, 20 * MS);
    assert_int_equal(acknowledge(1).rate, MSS * 1000 / 80);
    struct pl_cc_sample s = acknowledge(2);
    assert_int_equal(s.rate, (uint64_t)3 * MSS * 1000 / 80);
    send(1);
    tcp_pair_run_for(p, 5 * MS);
    a->rtt.min_ns = 10 * MS; /* faster than the path can be: a copy of before was acknowledged */
    assert_int_equal(acknowledge(1).rate, 0);
}

static void test_limited(void **state) {
    (void)state;
    send(2);
    assert_true(rate()->limited_until > 0); /* there was no more to send */
    tcp_pair_run_for(p, 20 * MS);
    struct pl_cc_sample s = acknowledge(1);
    send(10);
    tcp_pair_run_for(p, 20 * MS);
    s = acknowledge(1);
    s = acknowledge(1);
    assert_true(s.limited);              /* it was sent in the bubble */
    assert_int_equal(s.flight, 8 * MSS); /* of ten that the window allows */
}

static void test_a_cut_record_keeps_its_mark(void **state) {
    (void)state;
    send(1);
    struct pl_tcp_record *rec = pl_tcp_record_first(a);
    assert_true(rec->measured && rec->mark[0].valid);
    struct pl_tcp_record *tail = pl_tcp_record_split(a, rec, 500);
    assert_non_null(tail);
    assert_true(tail->measured && tail->mark[0].valid);
    assert_int_equal(tail->mark[0].delivered_at, rec->mark[0].delivered_at);
}

/* What was sent before the change has no mark and gives no sample. */
static void test_nothing_without_a_model(void **state) {
    (void)state;
    pl_tcp_set_cc(a, PLAIT_CC_RENO);
    assert_null(rate());
    send(1);
    assert_false(pl_tcp_record_first(a)->measured);
    pl_tcp_set_cc(a, PLAIT_CC_BBR);
    send(1);
    tcp_pair_run_for(p, 20 * MS);
    struct pl_cc_sample s = acknowledge(1);
    assert_int_equal(s.rate, 0);
    assert_int_equal(s.acked, MSS);
    assert_true(acknowledge(1).rate > 0);
    a->tuning = &pl_tcp_tuning_default;
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_one_flight),
        T(test_compressed_acks),
        T(test_limited),
        T(test_a_cut_record_keeps_its_mark),
        T(test_nothing_without_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

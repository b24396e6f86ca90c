/* tcp/cc/bbr: the modes, the filters and the window, sample by sample. */
#include "tcp/cc/bbr.h"

#include "plait/stack.h"
#include "tcp_test.h"

enum { MSS = 1000, RATE = 1000000 }; /* 1 MB/s; with 40 ms the BDP is 40 segments */
#define RTT (40 * MS)

static struct pl_cc cc;
static struct pl_cc_bbr bbr;
static plait_time now;

static int setup(void **state) {
    (void)state;
    bbr = (struct pl_cc_bbr){0};
    now = 50 * S;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    pl_cc_change(&cc, PLAIT_CC_BBR, &bbr);
    return 0;
}

static struct pl_cc_sample sample(uint64_t rate, uint32_t flight) {
    return (struct pl_cc_sample){.now = now,
                                 .rate = rate,
                                 .rtt_ns = RTT,
                                 .acked = MSS,
                                 .flight_before = flight + MSS,
                                 .flight = flight,
                                 .burst = 2 * MSS};
}

/* One ACK; `fresh`: of something that was sent in this round, so that a new one begins. */
static void ack(struct pl_cc_sample s, bool fresh) {
    bbr.rate.delivered += s.acked;
    s.now = now;
    s.sent_at_count = fresh ? bbr.rate.delivered - s.acked : 0;
    if (!fresh && bbr.round_end == 0) {
        bbr.round_end = 1;
    }
    pl_cc_model(&cc, &s);
}

/* A round trip in which the path delivers at `rate`. */
static void round_trip(uint64_t rate, uint32_t flight) {
    now += RTT + MS;
    ack(sample(rate, flight), true);
}

static void to_probe_bw(void) {
    for (int i = 0; i < 4; i++) {
        round_trip(RATE, 120 * MSS);
    }
    round_trip(RATE, 40 * MSS);
    assert_int_equal(bbr.mode, PL_BBR_PROBE_BW);
}

static void test_startup_follows_the_rate(void **state) {
    (void)state;
    assert_int_equal(pl_cc_pace(&cc), 0);
    uint64_t rate = RATE / 16;
    for (int i = 0; i < 5; i++, rate *= 2) {
        round_trip(rate, 10 * MSS);
        assert_int_equal(bbr.mode, PL_BBR_STARTUP);
        assert_int_equal(bbr.bandwidth, rate);
        assert_int_equal(pl_cc_pace(&cc), rate * 739 / 256 * 99 / 100);
    }
    assert_int_equal(bbr.min_rtt_ns, RTT);
    uint64_t pace = pl_cc_pace(&cc);
    round_trip(RATE / 2, 10 * MSS); /* a lower sample lowers nothing */
    assert_int_equal(pl_cc_pace(&cc), pace);
}

static void test_the_path_is_full(void **state) {
    (void)state;
    round_trip(RATE, 100 * MSS);
    round_trip(RATE * 5 / 4, 100 * MSS); /* just enough to go on */
    round_trip(RATE * 5 / 4, 100 * MSS);
    round_trip(RATE * 5 / 4, 100 * MSS);
    struct pl_cc_sample limited = sample(RATE, 100 * MSS);
    limited.limited = true;
    now += RTT;
    ack(limited, true); /* an application that pauses does not end it */
    assert_int_equal(bbr.mode, PL_BBR_STARTUP);
    round_trip(RATE * 5 / 4, 100 * MSS);
    assert_int_equal(bbr.mode, PL_BBR_DRAIN);
    assert_int_equal(pl_cc_pace(&cc), RATE * 5 / 4 * 88 / 256 * 99 / 100);
    ack(sample(RATE, 90 * MSS), false);
    assert_int_equal(bbr.mode, PL_BBR_DRAIN);
    ack(sample(RATE, 50 * MSS), false); /* the BDP */
    assert_int_equal(bbr.mode, PL_BBR_PROBE_BW);
    assert_int_not_equal(bbr.phase, 1);
}

static void test_phases(void **state) {
    (void)state;
    to_probe_bw();
    bbr.phase = 7;
    bbr.phase_at = now;
    ack(sample(RATE, 40 * MSS), false);
    assert_int_equal(bbr.phase, 7); /* not before a least RTT has passed */
    assert_int_equal(pl_cc_pace(&cc), RATE * 99 / 100);
    round_trip(RATE, 40 * MSS);
    assert_int_equal(bbr.phase, 0);
    assert_int_equal(pl_cc_pace(&cc), RATE * 5 / 4 * 99 / 100);
    round_trip(RATE, 45 * MSS);
    assert_int_equal(bbr.phase, 0); /* the excess is not in flight yet */
    round_trip(RATE, 60 * MSS);
    assert_int_equal(bbr.phase, 1);
    assert_int_equal(pl_cc_pace(&cc), RATE * 3 / 4 * 99 / 100);
    now += MS;
    ack(sample(RATE, 40 * MSS), false); /* the queue is gone: no need to wait */
    assert_int_equal(bbr.phase, 2);
    bbr.phase = 0;
    now += RTT + MS;
    struct pl_cc_sample s = sample(RATE, 45 * MSS);
    s.lost = MSS; /* the queue was full */
    ack(s, false);
    assert_int_equal(bbr.phase, 1);
}

static void test_window_is_twice_the_path(void **state) {
    (void)state;
    to_probe_bw();
    bbr.phase = 2;
    bbr.phase_at = now + S;
    for (int i = 0; i < 200; i++) {
        bbr.extra[0] = 0;
        bbr.extra[1] = 0;
        bbr.train_bytes = 0;
        bbr.train_at = now - MS;
        ack(sample(RATE, 40 * MSS), false);
    }
    /* 2 * 41 (the RTT is rounded up), three bursts of two, and even */
    assert_in_range(cc.cwnd, 86 * MSS, 92 * MSS);
}

static void test_ten_rounds(void **state) {
    (void)state;
    to_probe_bw();
    round_trip(2 * RATE, 40 * MSS);
    for (int i = 0; i < 9; i++) {
        round_trip(RATE, 40 * MSS);
        assert_int_equal(bbr.bandwidth, 2 * RATE);
    }
    round_trip(RATE, 40 * MSS);
    assert_int_equal(bbr.bandwidth, RATE);
    struct pl_cc_sample limited = sample(RATE / 10, 4 * MSS);
    limited.limited = true;
    for (int i = 0; i < 50; i++) { /* nothing is learnt from them, and nothing forgotten */
        now += RTT;
        ack(limited, true);
        assert_int_equal(bbr.bandwidth, RATE);
    }
    round_trip(RATE / 2, 40 * MSS);
    assert_int_equal(bbr.bandwidth, RATE / 2);
}

static void test_probe_rtt(void **state) {
    (void)state;
    to_probe_bw();
    cc.cwnd = 80 * MSS;
    now += 10 * S;
    struct pl_cc_sample s = sample(RATE, 40 * MSS);
    s.rtt_ns = RTT + 5 * MS;
    ack(s, true);
    assert_int_equal(bbr.mode, PL_BBR_PROBE_RTT);
    assert_int_equal(bbr.min_rtt_ns, RTT + 5 * MS); /* the old one is too old */
    assert_int_equal(cc.cwnd, 4 * MSS);
    assert_int_equal(bbr.probe_rtt_done, 0); /* the queue goes first */
    now += RTT;
    ack(sample(RATE, 4 * MSS), false);
    assert_int_equal(bbr.probe_rtt_done, now + 200 * MS);
    assert_true(bbr.rate.limited_until > 0);
    now += 150 * MS;
    ack(sample(RATE / 10, 4 * MSS), true);
    assert_int_equal(bbr.mode, PL_BBR_PROBE_RTT);
    now += 60 * MS;
    ack(sample(RATE / 10, 4 * MSS), true);
    assert_int_equal(bbr.mode, PL_BBR_PROBE_BW);
    assert_true(cc.cwnd >= 80 * MSS);
    assert_int_equal(bbr.min_rtt_at, now);
}

static void test_recovery(void **state) {
    (void)state;
    to_probe_bw();
    cc.cwnd = 80 * MSS;
    pl_cc_loss(&cc, cc.cwnd);
    assert_int_equal(bbr.prior_cwnd, 80 * MSS);
    struct pl_cc_sample s = sample(RATE, 50 * MSS);
    s.trouble = PL_CC_TROUBLE_RECOVERY;
    s.lost = 3 * MSS;
    ack(s, false);
    assert_int_equal(cc.cwnd, 51 * MSS); /* one for one */
    s.lost = 0;
    ack(s, false);
    assert_int_equal(cc.cwnd, 51 * MSS);
    now += RTT;
    ack(s, true); /* a round later it grows again */
    assert_int_equal(cc.cwnd, 52 * MSS);
    s.trouble = PL_CC_TROUBLE_NONE;
    ack(s, false);
    assert_in_range(cc.cwnd, 80 * MSS, 92 * MSS);
    pl_cc_loss(&cc, cc.cwnd);
    pl_cc_restart(&cc);
    cc.cwnd = MSS;
    s.trouble = PL_CC_TROUBLE_TIMEOUT;
    ack(s, false);
    assert_int_equal(cc.cwnd, 4 * MSS);
    s.trouble = PL_CC_TROUBLE_NONE;
    ack(s, false);
    assert_true(cc.cwnd >= 80 * MSS);
}

static void test_after_a_pause(void **state) {
    (void)state;
    to_probe_bw();
    bbr.phase = 0;
    bbr.rate.limited_until = 1;
    uint32_t cwnd = cc.cwnd;
    pl_cc_idle(&cc, 100);
    assert_int_equal(cc.cwnd, cwnd);
    assert_int_equal(pl_cc_pace(&cc), RATE * 99 / 100);
    now += 20 * S; /* the pause let the queue drain: no need for PROBE_RTT */
    ack(sample(RATE, 0), true);
    assert_int_equal(bbr.mode, PL_BBR_PROBE_BW);
}

static void test_trains_of_acks(void **state) {
    (void)state;
    to_probe_bw();
    bbr.phase_at = now + S;
    uint32_t before = cc.cwnd;
    struct pl_cc_sample s = sample(RATE, 40 * MSS);
    s.acked = 30 * MSS;
    for (int i = 0; i < 8; i++) { /* 30 segments every 30 ms */
        now += 30 * MS;
        ack(s, false);
    }
    assert_true(bbr.extra[0] >= 29 * MSS || bbr.extra[1] >= 29 * MSS);
    assert_true(cc.cwnd > before);
    for (int i = 0; i < 20; i++) { /* a little slower: forgotten after five to ten rounds */
        for (int k = 0; k < 40; k++) {
            now += MS + MS / 5;
            ack(sample(RATE, 40 * MSS), k == 0);
        }
    }
    assert_true(bbr.extra[0] <= 4 * MSS && bbr.extra[1] <= 4 * MSS);
}

static void test_changing(void **state) {
    (void)state;
    round_trip(RATE, 40 * MSS);
    cc.cwnd = 50 * MSS;
    pl_cc_change(&cc, PLAIT_CC_RENO, NULL);
    assert_int_equal(cc.cwnd, 50 * MSS);
    assert_int_equal(cc.ssthresh, 50 * MSS);
    assert_int_equal(pl_cc_pace(&cc), 0);
    assert_int_equal(pl_cc_state_size(PLAIT_CC_BBR), sizeof(struct pl_cc_bbr));
    assert_string_equal(pl_cc_name(PLAIT_CC_BBR), "bbr");
}

int main(void) {
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(test_startup_follows_the_rate),
        T(test_the_path_is_full),
        T(test_phases),
        T(test_window_is_twice_the_path),
        T(test_ten_rounds),
        T(test_probe_rtt),
        T(test_recovery),
        T(test_after_a_pause),
        T(test_trains_of_acks),
        T(test_changing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

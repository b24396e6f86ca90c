/* tcp/cc/cc: slow start, HyStart++, loss, idle, undo. */
#include "tcp/cc/cc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plait/stack.h"

enum { MSS = 1000 };
#define MS PLAIT_NS_PER_MS

static void test_initial_window(void **state) {
    (void)state;
    assert_int_equal(pl_cc_initial_window(1000), 10000);
    assert_int_equal(pl_cc_initial_window(1460), 14600);
    assert_int_equal(pl_cc_initial_window(2000), 14600);
    assert_int_equal(pl_cc_initial_window(9000), 18000);
}

static void ack(struct pl_cc *cc, uint32_t bytes, uint64_t rtt_ns, bool round) {
    struct pl_cc_ack a = {
        .now = 1, .bytes = bytes, .rtt_ns = rtt_ns, .srtt_ns = rtt_ns, .round_start = round};
    pl_cc_ack(cc, &a);
}

/* A round of `n` ACKs with one RTT. */
static void go_round(struct pl_cc *cc, unsigned n, uint64_t rtt_ns) {
    for (unsigned i = 0; i < n; i++) {
        ack(cc, MSS, rtt_ns, i == 0);
    }
}

static void test_slow_start_doubles(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    go_round(&cc, 10, 20 * MS);
    assert_int_equal(cc.cwnd, 20 * MSS);
    go_round(&cc, 20, 20 * MS);
    assert_int_equal(cc.cwnd, 40 * MSS);
    assert_true(pl_cc_slow_start(&cc));
}

static void test_hystart_leaves_when_delay_rises(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    go_round(&cc, 10, 40 * MS);
    go_round(&cc, 20, 44 * MS); /* less than an eighth: goes on */
    assert_int_equal(cc.cwnd, 40 * MSS);
    go_round(&cc, 40, 50 * MS); /* conservative from the eighth ACK of the round on */
    assert_true(cc.cwnd > 40 * MSS && cc.cwnd < 60 * MSS);
    assert_true(pl_cc_slow_start(&cc));
    for (int i = 0; i < 4; i++) {
        assert_true(cc.hystart_on);
        go_round(&cc, 20, 55 * MS);
    }
    go_round(&cc, 1, 55 * MS);
    assert_false(cc.hystart_on);
    assert_int_equal(cc.ssthresh, cc.cwnd);
}

static void test_hystart_ends_when_delay_goes_on_rising(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    go_round(&cc, 10, 40 * MS);
    go_round(&cc, 20, 60 * MS);
    go_round(&cc, 7, 80 * MS);
    assert_true(cc.hystart_on);
    go_round(&cc, 8, 80 * MS); /* another eighth: the queue is ours */
    assert_false(cc.hystart_on);
    assert_int_equal(cc.ssthresh, cc.cwnd);
}

/* A round of `n` ACKs, `gap` apart, of packets that took `rtt`; returns the end of it. */
static plait_time train(struct pl_cc *cc, plait_time now, unsigned n, uint64_t gap, uint64_t rtt) {
    for (unsigned i = 0; i < n; i++) {
        struct pl_cc_ack a = {
            .now = now, .bytes = MSS, .rtt_ns = rtt, .srtt_ns = rtt, .round_start = i == 0};
        pl_cc_ack(cc, &a);
        now += gap;
    }
    return now;
}

/* ACKs that come 2 ms apart are 10 in an RTT of 20 ms: a window of 10 fills the path. */
static void test_hystart_sees_a_full_path(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    (void)train(&cc, 1000 * MS, 10, 2 * MS, 20 * MS); /* no delay, but the rate */
    assert_true(cc.hystart_on);
    assert_in_range(cc.cwnd, 17 * MSS, 18 * MSS); /* it takes eight samples */
}

/* Half as large again as what the path holds: no need to wait for the delay. */
static void test_hystart_leaves_an_overfull_path(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    plait_time now = train(&cc, 1000 * MS, 10, 2 * MS, 20 * MS);
    (void)train(&cc, now, 9, 2 * MS, 20 * MS);
    assert_false(cc.hystart_on);
    assert_in_range(cc.ssthresh, 18 * MSS, 20 * MSS);
}

/* The path holds 20. The delay does not follow: once in a while an ACK counts in full. */
static void test_hystart_forgives_the_rate(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    plait_time now = train(&cc, 1000 * MS, 10, MS, 20 * MS);
    assert_in_range(cc.cwnd, 18 * MSS, 19 * MSS);
    (void)train(&cc, now, 7, MS, 20 * MS);
    uint32_t before = cc.cwnd;
    ack(&cc, MSS, 20 * MS, false);
    assert_true(cc.hystart_on);
    assert_int_equal(cc.cwnd, before + MSS);
}

/* ACKs come slowly because we sent slowly: no rate of the path. */
static void test_hystart_ignores_what_we_did_not_send(void **state) {
    (void)state;
    struct pl_cc cc;
    plait_time now = 1000 * MS;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    for (unsigned i = 0; i < 12; i++, now += MS) {
        struct pl_cc_ack a = {.now = now, .bytes = MSS, .rtt_ns = 20 * MS, .round_start = i == 0};
        if (i % 3 == 2) {
            pl_cc_pause(&cc, now);
            continue;
        }
        pl_cc_ack(&cc, &a);
    }
    assert_int_equal(cc.cwnd, 18 * MSS);
}

/* What comes in spurts says nothing about the path: each is a train of its own. */
static void test_hystart_ignores_pauses(void **state) {
    (void)state;
    struct pl_cc cc;
    plait_time now = 1000 * MS;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    (void)train(&cc, now, 10, 0, 20 * MS);
    for (unsigned i = 0; i < 8; i++) {
        now += 4 * MS;
        struct pl_cc_ack a = {
            .now = now, .bytes = 2 * MSS, .rtt_ns = 20 * MS, .round_start = i == 0};
        pl_cc_ack(&cc, &a);
    }
    assert_int_equal(cc.cwnd, 36 * MSS);
}

static void test_hystart_comes_back(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    go_round(&cc, 10, 40 * MS);
    go_round(&cc, 20, 60 * MS);
    uint32_t cwnd = cc.cwnd;
    go_round(&cc, 20, 41 * MS); /* it was only jitter */
    assert_true(cc.cwnd > cwnd + 10 * MSS);
    for (int i = 0; i < 10; i++) {
        go_round(&cc, 10, 41 * MS);
    }
    assert_true(cc.hystart_on);
}

static void test_loss(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    pl_cc_loss(&cc, 10 * MSS);
    assert_int_equal(cc.ssthresh, 7 * MSS);
    assert_false(cc.hystart_on);
    cc.cwnd = MSS;
    pl_cc_loss(&cc, MSS);
    assert_int_equal(cc.ssthresh, 2 * MSS);
    pl_cc_init(&cc, PLAIT_CC_RENO, MSS);
    pl_cc_loss(&cc, 10 * MSS);
    assert_int_equal(cc.ssthresh, 5 * MSS);
}

static void test_slow_start_stops_at_ssthresh(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_RENO, MSS);
    pl_cc_loss(&cc, 10 * MSS);
    pl_cc_restart(&cc);
    cc.cwnd = MSS;
    ack(&cc, 3 * MSS, 0, false);
    assert_int_equal(cc.cwnd, 4 * MSS);
    ack(&cc, 3 * MSS, 0, false);
    assert_int_equal(cc.cwnd, 5 * MSS);
    assert_false(pl_cc_slow_start(&cc));
}

static void test_idle(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    cc.cwnd = 160 * MSS;
    pl_cc_idle(&cc, 0);
    assert_int_equal(cc.cwnd, 160 * MSS);
    pl_cc_idle(&cc, 2);
    assert_int_equal(cc.cwnd, 40 * MSS);
    pl_cc_idle(&cc, 1000);
    assert_int_equal(cc.cwnd, 10 * MSS);
    pl_cc_loss(&cc, 10 * MSS);
    cc.cwnd = 80 * MSS;
    pl_cc_idle(&cc, 3);
    assert_int_equal(cc.ssthresh, 60 * MSS);
}

/* The curve goes on where it was, slow start with its memory too (RFC 9438 section 4.9.2). */
static void test_undo(void **state) {
    (void)state;
    struct pl_cc cc, before;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    go_round(&cc, 10, 20 * MS);
    before = cc;
    pl_cc_loss(&cc, 10 * MSS);
    cc.cwnd = cc.ssthresh;
    pl_cc_undo(&cc, &before);
    assert_memory_equal(&cc, &before, sizeof(cc));
    pl_cc_loss(&cc, 20 * MSS);
    cc.cwnd = cc.ssthresh;
    go_round(&cc, 20, 20 * MS);
    assert_true(cc.u.cubic.epoch_ms > 0 && cc.u.cubic.wmax == 20 * MSS);
    before = cc;
    pl_cc_loss(&cc, 20 * MSS);
    cc.cwnd = cc.ssthresh;
    pl_cc_set_mss(&cc, 500);
    pl_cc_undo(&cc, &before);
    assert_int_equal(cc.u.cubic.epoch_ms, before.u.cubic.epoch_ms);
    assert_int_equal(cc.u.cubic.wmax, before.u.cubic.wmax);
    assert_int_equal(cc.cwnd, before.cwnd);
    assert_int_equal(cc.mss, 500);
    cc.cwnd = 100 * MSS; /* it has grown beyond since: only the bound comes back */
    cc.ssthresh = 4 * MSS;
    pl_cc_undo(&cc, &before);
    assert_int_equal(cc.cwnd, 100 * MSS);
    assert_int_equal(cc.ssthresh, before.ssthresh);
}

static void test_bounds(void **state) {
    (void)state;
    struct pl_cc cc;
    for (uint8_t algorithm = 0; algorithm < 2; algorithm++) {
        pl_cc_init(&cc, algorithm, MSS);
        for (int i = 0; i < 100; i++) {
            ack(&cc, 500000000, 20 * MS, true);
        }
        assert_int_equal(cc.cwnd, PL_CC_CWND_MAX);
        pl_cc_loss(&cc, cc.cwnd);
        for (int i = 0; i < 100; i++) {
            ack(&cc, UINT32_MAX, 20 * MS, true);
        }
        assert_true(cc.cwnd <= PL_CC_CWND_MAX);
    }
    pl_cc_set_mss(&cc, 9000);
    cc.cwnd = 100;
    pl_cc_set_mss(&cc, 1000);
    assert_int_equal(cc.cwnd, 1000);
}

/* Another algorithm in the middle of a connection keeps the windows and starts with a clean state.
 */
static void test_change(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, 1000);
    pl_cc_loss(&cc, cc.cwnd);
    cc.cwnd = cc.ssthresh;
    uint32_t before = cc.cwnd;
    pl_cc_change(&cc, PLAIT_CC_RENO, NULL);
    assert_string_equal(cc.ops->name, "reno");
    assert_int_equal(cc.cwnd, before);
    assert_int_equal(cc.u.reno.credit, 0);
    for (int i = 0; i < 100; i++) {
        ack(&cc, 1000, 20 * MS, false);
    }
    assert_true(cc.cwnd > before);
    assert_string_equal(pl_cc_name(PLAIT_CC_CUBIC), "cubic");
    assert_null(pl_cc_name(255));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initial_window),
        cmocka_unit_test(test_slow_start_doubles),
        cmocka_unit_test(test_hystart_leaves_when_delay_rises),
        cmocka_unit_test(test_hystart_ends_when_delay_goes_on_rising),
        cmocka_unit_test(test_hystart_sees_a_full_path),
        cmocka_unit_test(test_hystart_leaves_an_overfull_path),
        cmocka_unit_test(test_hystart_ignores_what_we_did_not_send),
        cmocka_unit_test(test_hystart_forgives_the_rate),
        cmocka_unit_test(test_hystart_ignores_pauses),
        cmocka_unit_test(test_hystart_comes_back),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_slow_start_stops_at_ssthresh),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_undo),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

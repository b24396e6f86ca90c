/* tcp/cc/dctcp: the part that is marked, and the window that follows from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plait/stack.h"
#include "tcp/cc/cc.h"

enum { MSS = 1000, ONE = 1 << 20 };

/* A window of `packets`, of which `marked` were. */
static void window(struct pl_cc *cc, uint32_t packets, uint32_t marked) {
    for (uint32_t i = 0; i < packets; i++) {
        pl_cc_echo(cc, MSS, i < marked, i + 1 == packets);
    }
}

static double alpha(const struct pl_cc *cc) {
    return (double)cc->u.dctcp.alpha / ONE;
}

static void begin(struct pl_cc *cc, uint32_t packets) {
    pl_cc_init(cc, PLAIT_CC_DCTCP, MSS);
    cc->cwnd = packets * MSS;
    cc->ssthresh = cc->cwnd;
}

static void test_alpha_begins_with_one(void **state) {
    (void)state;
    struct pl_cc cc;
    begin(&cc, 20);
    assert_int_equal(cc.u.dctcp.alpha, ONE);
    pl_cc_mark(&cc, 20 * MSS);
    assert_int_equal(cc.ssthresh, 10 * MSS);
}

/* A sixteenth of the way per window. */
static void test_alpha_follows_the_marks(void **state) {
    (void)state;
    struct pl_cc cc;
    begin(&cc, 20);
    window(&cc, 16, 0);
    assert_float_equal(alpha(&cc), 15.0 / 16, 1e-5);
    window(&cc, 16, 8);
    assert_float_equal(alpha(&cc), 15.0 / 16 * 15 / 16 + 0.5 / 16, 1e-5);
    for (int i = 0; i < 200; i++) {
        window(&cc, 40, 10);
    }
    assert_float_equal(alpha(&cc), 0.25, 1e-3);
    pl_cc_mark(&cc, 20 * MSS);
    assert_int_equal(cc.ssthresh / 10, 20 * MSS * 7 / 8 / 10);
    for (int i = 0; i < 1000; i++) {
        window(&cc, 40, 0);
    }
    assert_float_equal(alpha(&cc), 0, 1e-4); /* it does not stick above */
    for (int i = 0; i < 1000; i++) {
        window(&cc, 40, 40);
    }
    assert_float_equal(alpha(&cc), 1, 1e-4);
}

/* A window without a byte says nothing. */
static void test_nothing_acknowledged(void **state) {
    (void)state;
    struct pl_cc cc;
    begin(&cc, 20);
    pl_cc_echo(&cc, 0, true, true);
    assert_int_equal(cc.u.dctcp.alpha, ONE);
}

static void test_two_segments_stay(void **state) {
    (void)state;
    struct pl_cc cc;
    begin(&cc, 2);
    pl_cc_mark(&cc, 2 * MSS);
    assert_int_equal(cc.ssthresh, 2 * MSS);
}

/* RFC 8257 section 3.4: as Reno; and growth is Reno's. */
static void test_losses_halve(void **state) {
    (void)state;
    struct pl_cc cc;
    begin(&cc, 20);
    for (int i = 0; i < 100; i++) {
        window(&cc, 16, 0);
    }
    pl_cc_loss(&cc, 20 * MSS);
    assert_int_equal(cc.ssthresh, 10 * MSS);
    cc.cwnd = cc.ssthresh;
    for (int i = 0; i < 10; i++) {
        pl_cc_ack(&cc, &(struct pl_cc_ack){.now = 1, .bytes = MSS});
    }
    assert_int_equal(cc.cwnd, 11 * MSS);
    assert_true(alpha(&cc) < 0.01); /* and it has not forgotten what it knew */
}

/* To and from another one: windows stay, alpha begins anew, slow start goes on or has an end. */
static void test_changes(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_CUBIC, MSS);
    cc.cwnd = 33 * MSS;
    pl_cc_change(&cc, PLAIT_CC_DCTCP, NULL);
    assert_int_equal(cc.cwnd, 33 * MSS);
    assert_int_equal(cc.u.dctcp.alpha, ONE);
    assert_true(pl_cc_slow_start(&cc));
    pl_cc_ack(&cc, &(struct pl_cc_ack){.now = 1, .bytes = MSS, .round_start = true});
    assert_int_equal(cc.cwnd, 34 * MSS);
    pl_cc_change(&cc, PLAIT_CC_RENO, NULL);
    assert_int_equal(cc.ssthresh, 34 * MSS);
    pl_cc_mark(&cc, 34 * MSS); /* a mark is a loss to Reno */
    assert_int_equal(cc.ssthresh, 17 * MSS);
    assert_true(pl_cc_counts_marks(PLAIT_CC_DCTCP));
    assert_false(pl_cc_counts_marks(PLAIT_CC_RENO) || pl_cc_counts_marks(200));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alpha_begins_with_one),
        cmocka_unit_test(test_alpha_follows_the_marks),
        cmocka_unit_test(test_nothing_acknowledged),
        cmocka_unit_test(test_two_segments_stay),
        cmocka_unit_test(test_losses_halve),
        cmocka_unit_test(test_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

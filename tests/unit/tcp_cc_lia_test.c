/* tcp/cc/lia: Reno, slowed down to what its owner says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plait/stack.h"
#include "tcp/cc/cc.h"

enum { MSS = 1000 };

/* In congestion avoidance with a window of `packets`. */
static void begin(struct pl_cc *cc, uint8_t algorithm, uint32_t packets) {
    pl_cc_init(cc, algorithm, MSS);
    cc->cwnd = 2 * packets * MSS;
    pl_cc_loss(cc, cc->cwnd);
    cc->cwnd = cc->ssthresh;
    assert_int_equal(cc->cwnd, packets * MSS);
}

static void acknowledge(struct pl_cc *cc, uint32_t bytes) {
    struct pl_cc_ack a = {.now = 1, .bytes = bytes};
    pl_cc_ack(cc, &a);
}

static void test_alone_it_is_reno(void **state) {
    (void)state;
    struct pl_cc lia, reno;
    begin(&lia, PLAIT_CC_LIA, 20);
    begin(&reno, PLAIT_CC_RENO, 20);
    for (uint32_t i = 0; i < 5000; i++) {
        acknowledge(&lia, 1 + i % 3 * MSS);
        acknowledge(&reno, 1 + i % 3 * MSS);
        assert_int_equal(lia.cwnd, reno.cwnd);
    }
    assert_true(lia.cwnd > 50 * MSS);
    pl_cc_loss(&lia, lia.cwnd);
    pl_cc_loss(&reno, reno.cwnd);
    assert_int_equal(lia.ssthresh, reno.ssthresh);
}

/* A segment for each `step` acknowledged bytes, whatever the window is. */
static void test_grows_by_steps(void **state) {
    (void)state;
    struct pl_cc cc;
    begin(&cc, PLAIT_CC_LIA, 20);
    pl_cc_couple(&cc, 80 * MSS);
    for (uint32_t i = 0; i < 79; i++) {
        acknowledge(&cc, MSS);
    }
    assert_int_equal(cc.cwnd, 20 * MSS);
    acknowledge(&cc, MSS);
    assert_int_equal(cc.cwnd, 21 * MSS);
    pl_cc_couple(&cc, 40 * MSS);
    for (uint32_t i = 0; i < 400; i++) {
        acknowledge(&cc, MSS / 2);
    }
    assert_int_equal(cc.cwnd, 26 * MSS);
}

/* RFC 6356 section 3: no more than a TCP in its place, and never nothing for ever. */
static void test_bounds(void **state) {
    (void)state;
    struct pl_cc cc;
    begin(&cc, PLAIT_CC_LIA, 20);
    pl_cc_couple(&cc, 1);
    for (uint32_t i = 0; i < 20; i++) {
        acknowledge(&cc, MSS);
    }
    assert_int_equal(cc.cwnd, 21 * MSS);
    pl_cc_couple(&cc, 1000 * 1000 * MSS);
    for (uint32_t i = 0; i < 1000 * 1000; i++) {
        acknowledge(&cc, MSS - 1);
    }
    assert_int_equal(cc.cwnd, 21 * MSS);
    for (uint32_t i = 0; i < 1100; i++) {
        acknowledge(&cc, MSS);
    }
    assert_int_equal(cc.cwnd, 22 * MSS);
}

/* A step that is suddenly far smaller does not pay out what was saved for the large one at once. */
static void test_credit_is_bounded(void **state) {
    (void)state;
    struct pl_cc cc;
    begin(&cc, PLAIT_CC_LIA, 20);
    pl_cc_couple(&cc, 1000 * MSS);
    for (uint32_t i = 0; i < 999; i++) {
        acknowledge(&cc, MSS);
    }
    pl_cc_couple(&cc, 0);
    for (uint32_t i = 0; i < 20; i++) {
        acknowledge(&cc, MSS);
    }
    assert_true(cc.cwnd <= 23 * MSS);
}

/* In slow start it is slow start, HyStart++ included; the word comes too early then. */
static void test_slow_start(void **state) {
    (void)state;
    struct pl_cc cc;
    pl_cc_init(&cc, PLAIT_CC_LIA, MSS);
    uint32_t before = cc.cwnd;
    assert_true(pl_cc_is_coupled(&cc) && cc.hystart_on);
    pl_cc_couple(&cc, 1000 * MSS);
    acknowledge(&cc, MSS);
    assert_int_equal(cc.cwnd, before + MSS);
    assert_true(cc.hystart_on);
    pl_cc_init(&cc, PLAIT_CC_RENO, MSS);
    assert_false(pl_cc_is_coupled(&cc));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_it_is_reno), cmocka_unit_test(test_grows_by_steps),
        cmocka_unit_test(test_bounds),           cmocka_unit_test(test_credit_is_bounded),
        cmocka_unit_test(test_slow_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

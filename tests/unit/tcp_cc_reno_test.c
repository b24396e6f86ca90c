/* tcp/cc/reno: one segment per round trip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plait/stack.h"
#include "tcp/cc/cc.h"

enum { MSS = 1000 };

static void begin(struct pl_cc *cc, uint32_t packets) {
    pl_cc_init(cc, PLAIT_CC_RENO, MSS);
    cc->cwnd = 2 * packets * MSS;
    pl_cc_loss(cc, cc->cwnd);
    cc->cwnd = cc->ssthresh;
    assert_int_equal(cc->cwnd, packets * MSS);
}

static void test_one_segment_per_round(void **state) {
    (void)state;
    struct pl_cc cc;
    begin(&cc, 20);
    for (uint32_t round = 0; round < 50; round++) {
        uint32_t left = cc.cwnd, expect = cc.cwnd + MSS;
        while (left > 0) {
            struct pl_cc_ack a = {.now = 1, .bytes = left < 2 * MSS ? left : 2 * MSS};
            left -= a.bytes;
            pl_cc_ack(&cc, &a);
        }
        assert_int_equal(cc.cwnd, expect);
    }
}

static void test_a_large_ack_counts_once(void **state) {
    (void)state;
    struct pl_cc cc;
    begin(&cc, 20);
    struct pl_cc_ack a = {.now = 1, .bytes = 100 * MSS};
    pl_cc_ack(&cc, &a);
    assert_int_equal(cc.cwnd, 21 * MSS);
}

static void test_halves_what_flew(void **state) {
    (void)state;
    struct pl_cc cc;
    begin(&cc, 20);
    pl_cc_loss(&cc, 12 * MSS);
    assert_int_equal(cc.ssthresh, 6 * MSS);
    pl_cc_loss(&cc, 1000 * MSS); /* never more than the window */
    assert_int_equal(cc.ssthresh, 10 * MSS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_segment_per_round),
        cmocka_unit_test(test_a_large_ack_counts_once),
        cmocka_unit_test(test_halves_what_flew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

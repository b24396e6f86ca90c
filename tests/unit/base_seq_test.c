/* base/seq: order across the wrap, and the 64-bit number nearest to a 32-bit one. */
#include "base/seq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_order_wraps(void **state) {
    (void)state;
    pl_seq32 a = pl_seq32_of(UINT32_MAX - 1), b = pl_seq32_add(a, 5);
    assert_int_equal(b.v, 3);
    assert_true(pl_seq32_lt(a, b));
    assert_false(pl_seq32_lt(b, a));
    assert_true(pl_seq32_le(a, a));
    assert_int_equal(pl_seq32_diff(b, a), 5);
    assert_int_equal(pl_seq32_diff(a, b), -5);
    assert_true(pl_seq32_eq(pl_seq32_max(a, b), b));
    assert_true(pl_seq32_eq(pl_seq32_min(a, b), a));
    pl_seq64 c = pl_seq64_of(UINT64_MAX), d = pl_seq64_add(c, 2);
    assert_true(pl_seq64_lt(c, d));
    assert_true(pl_seq64_le(d, d));
    assert_true(pl_seq64_diff(c, d) == -2);
    assert_true(pl_seq64_eq(pl_seq64_max(c, d), d));
    assert_true(pl_seq64_eq(pl_seq64_min(c, d), c));
}

static void check_expand(uint64_t near, uint64_t value) {
    assert_true(pl_seq64_expand(pl_seq64_of(near), (uint32_t)value).v == value);
}

static void test_expand_takes_the_nearest(void **state) {
    (void)state;
    const uint64_t high = UINT64_C(0x500000000);
    check_expand(high, high);
    check_expand(high, high - 1);
    check_expand(high - 1, high);
    check_expand(high + 10, high + 10 + 0x7fffffff);
    check_expand(high + 10, high + 10 - 0x80000000);
    check_expand(0, UINT64_MAX);
    check_expand(UINT64_MAX, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_wraps),
        cmocka_unit_test(test_expand_takes_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

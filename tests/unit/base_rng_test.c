/* base/rng: the published sequence, bounds, and that nothing depends on the host. */
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "testenv.h"

static void test_known_sequence(void **state) {
    (void)state;
    /* xoshiro256** from the state 1, 2, 3, 4, as other implementations of it publish. */
    struct pl_rng r = {{1, 2, 3, 4}};
    const uint64_t want[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240)};
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        assert_true(pl_rng_next(&r) == want[i]);
    }
    /* splitmix64 from seed 0. */
    pl_rng_init(&r, 0);
    assert_true(r.s[0] == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(r.s[1] == UINT64_C(0x6e789e6aa1b965f4));
}

static void test_bounds(void **state) {
    (void)state;
    struct pl_rng r;
    pl_rng_init(&r, 7);
    unsigned seen[5] = {0};
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(pl_rng_below(&r, 1), 0);
        seen[pl_rng_below(&r, 5)]++;
        uint64_t v = pl_rng_range(&r, 10, 12);
        assert_in_range(v, 10, 12);
        assert_true(pl_rng_below(&r, UINT64_C(3) << 62) < UINT64_C(3) << 62);
    }
    for (int i = 0; i < 5; i++) {
        assert_in_range(seen[i], 800, 1200);
    }
    assert_int_equal(pl_rng_range(&r, 9, 9), 9);
    uint64_t any = 0;
    for (int i = 0; i < 20; i++) {
        any |= pl_rng_range(&r, 0, UINT64_MAX);
    }
    assert_true(any > UINT64_MAX / 2);
    assert_in_range(pl_rng_range(&r, UINT64_MAX - 1, UINT64_MAX), UINT64_MAX - 1, UINT64_MAX);
}

/* With n = 3 * 2^62 a plain remainder would give the lowest third twice as often. */
static void test_no_modulo_bias(void **state) {
    (void)state;
    struct pl_rng r;
    pl_rng_init(&r, 12);
    unsigned low = 0;
    for (int i = 0; i < 6000; i++) {
        low += pl_rng_below(&r, UINT64_C(3) << 62) < UINT64_C(1) << 62;
    }
    assert_in_range(low, 1850, 2150);
}

static void test_chance(void **state) {
    (void)state;
    struct pl_rng r;
    pl_rng_init(&r, 8);
    unsigned hits = 0;
    for (int i = 0; i < 20000; i++) {
        assert_false(pl_rng_chance(&r, 0));
        assert_true(pl_rng_chance(&r, 1000000));
        hits += pl_rng_chance(&r, 250000);
    }
    assert_in_range(hits, 4700, 5300);
}

static void test_fill_is_little_endian_and_exact(void **state) {
    (void)state;
    struct pl_rng a, b;
    uint8_t bytes[12];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = 0xee;
    }
    pl_rng_init(&a, 9);
    b = a;
    pl_rng_fill(&a, bytes, 11);
    uint64_t first = pl_rng_next(&b), second = pl_rng_next(&b);
    for (size_t i = 0; i < 11; i++) {
        uint64_t word = i < 8 ? first : second;
        assert_int_equal(bytes[i], (uint8_t)(word >> (8 * (i % 8))));
    }
    assert_int_equal(bytes[11], 0xee);
    assert_true(pl_rng_next(&a) == pl_rng_next(&b));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_sequence),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_no_modulo_bias),
        cmocka_unit_test(test_chance),
        cmocka_unit_test(test_fill_is_little_endian_and_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

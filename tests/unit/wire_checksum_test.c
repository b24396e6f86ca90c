/* wire/checksum: against the two-bytes-at-a-time sum of RFC 1071, in every split and alignment. */
#include "wire/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "testenv.h"

static uint16_t plain_sum(const uint8_t *data, size_t len) {
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static uint8_t bytes[70000];

static int fill(void **state) {
    (void)state;
    struct pl_rng rng;
    pl_rng_init(&rng, 3);
    pl_rng_fill(&rng, bytes, sizeof(bytes));
    return 0;
}

static void test_example_of_the_rfc(void **state) {
    (void)state;
    const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    assert_int_equal(pl_sum_fold(pl_sum_add(0, example, sizeof(example))), 0xddf2);
}

static void test_every_length_and_alignment(void **state) {
    (void)state;
    for (size_t at = 0; at < 8; at++) {
        for (size_t len = 0; len < 200; len++) {
            assert_int_equal(pl_sum_fold(pl_sum_add(0, bytes + at, len)),
                             plain_sum(bytes + at, len));
        }
    }
    assert_int_equal(pl_sum_fold(pl_sum_add(0, bytes, sizeof(bytes))),
                     plain_sum(bytes, sizeof(bytes)));
}

static void test_pieces_add_up(void **state) {
    (void)state;
    for (size_t len = 1; len < 90; len++) {
        for (size_t cut = 0; cut <= len; cut++) {
            uint64_t sum = pl_sum_add(0, bytes, cut);
            sum = cut % 2 == 0 ? pl_sum_add(sum, bytes + cut, len - cut)
                               : pl_sum_add_odd(sum, bytes + cut, len - cut);
            assert_int_equal(pl_sum_fold(sum), plain_sum(bytes, len));
        }
    }
}

static void test_extremes_do_not_overflow(void **state) {
    (void)state;
    memset(bytes, 0xff, sizeof(bytes));
    uint64_t sum = 0;
    for (int i = 0; i < 1000; i++) {
        sum = pl_sum_add(sum, bytes, sizeof(bytes));
    }
    assert_int_equal(pl_sum_fold(sum), 0xffff);
    assert_int_equal(pl_sum_fold(UINT64_MAX), 0xffff);
    assert_int_equal(pl_sum_fold(0x1fffe), 0xffff);
    assert_int_equal(pl_sum_fold(0x10000), 1);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(pl_sum_fold(pl_sum_add(0, bytes, sizeof(bytes))), 0);
    assert_int_equal(pl_sum_fold(pl_sum_add(0, NULL, 0)), 0);
}

static void test_pseudo_headers(void **state) {
    (void)state;
    struct plait_addr a = {.bytes = {192, 0, 2, 1}, .family = PLAIT_IPV4};
    struct plait_addr b = {.bytes = {198, 51, 100, 2}, .family = PLAIT_IPV4};
    uint8_t v4[12] = {192, 0, 2, 1, 198, 51, 100, 2, 0, 6, 0x12, 0x34};
    assert_int_equal(pl_sum_fold(pl_sum_pseudo(&a, &b, 6, 0x1234)), plain_sum(v4, 12));
    struct plait_addr c = {.family = PLAIT_IPV6}, d = {.family = PLAIT_IPV6};
    uint8_t v6[40] = {0};
    for (uint8_t i = 0; i < 16; i++) {
        v6[i] = c.bytes[i] = (uint8_t)(0x20 + i);
        v6[16 + i] = d.bytes[i] = (uint8_t)(0xe0 + i);
    }
    v6[33] = 1; /* 32-bit length 0x00012345 */
    v6[34] = 0x23;
    v6[35] = 0x45;
    v6[39] = 58;
    assert_int_equal(pl_sum_fold(pl_sum_pseudo(&c, &d, 58, 0x12345)), plain_sum(v6, 40));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example_of_the_rfc),
        cmocka_unit_test_setup(test_every_length_and_alignment, fill),
        cmocka_unit_test_setup(test_pieces_add_up, fill),
        cmocka_unit_test(test_extremes_do_not_overflow),
        cmocka_unit_test(test_pseudo_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

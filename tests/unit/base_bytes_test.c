/* base/bytes: big-endian at every alignment. */
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_loads_and_stores(void **state) {
    (void)state;
    uint8_t raw[16];
    for (unsigned at = 0; at < 8; at++) {
        pl_put64(raw + at, UINT64_C(0xfedcba9876543210));
        assert_int_equal(raw[at], 0xfe);
        assert_int_equal(raw[at + 7], 0x10);
        assert_int_equal(pl_get16(raw + at), 0xfedc);
        assert_int_equal(pl_get32(raw + at), 0xfedcba98);
        assert_true(pl_get64(raw + at) == UINT64_C(0xfedcba9876543210));
        pl_put32(raw + at, 0x80000001);
        assert_int_equal(pl_get32(raw + at), 0x80000001);
        pl_put16(raw + at, 0x8001);
        assert_int_equal(pl_get16(raw + at), 0x8001);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loads_and_stores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

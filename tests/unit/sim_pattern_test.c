/* sim/pattern: any piece of the stream equals the same piece of the whole; one wrong byte is found.
 */
#include "sim/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void pieces_agree(void **state) {
    uint8_t whole[200], piece[200];
    (void)state;
    pl_pattern_fill(7, 0, whole, sizeof(whole));
    for (size_t from = 0; from < 20; from++) {
        for (size_t len = 0; len < 40; len++) {
            pl_pattern_fill(7, from, piece, len);
            assert_memory_equal(piece, whole + from, len);
        }
    }
}

static void wrong_bytes_are_found(void **state) {
    uint8_t bytes[100];
    (void)state;
    pl_pattern_fill(9, 1000, bytes, sizeof(bytes));
    assert_int_equal(pl_pattern_compare(9, 1000, bytes, sizeof(bytes)), sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] ^= 1;
        assert_int_equal(pl_pattern_compare(9, 1000, bytes, sizeof(bytes)), i);
        bytes[i] ^= 1;
    }
    assert_int_not_equal(pl_pattern_compare(8, 1000, bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_not_equal(pl_pattern_compare(9, 1001, bytes, sizeof(bytes)), sizeof(bytes));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_agree),
        cmocka_unit_test(wrong_bytes_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* base/error: every code has a class, a name and a text; other numbers have "UNKNOWN". */
#include "plait/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_codes(void **state) {
    (void)state;
    static const int codes[] = {
#define PLAIT_ERROR(code, class, name, text) -(code),
#include "plait/errors.def"
#undef PLAIT_ERROR
    };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_true(codes[i] < 0);
        assert_int_not_equal(plait_error_class(codes[i]), PLAIT_CLASS_NONE);
        assert_string_not_equal(plait_error_name(codes[i]), "UNKNOWN");
        assert_true(strlen(plait_error_text(codes[i])) > 5);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(codes[i], codes[k]);
        }
    }
    assert_string_equal(plait_error_name(PLAIT_E_NO_MEMORY), "NO_MEMORY");
    assert_string_equal(plait_error_text(PLAIT_E_REFUSED), "connection refused");
    assert_int_equal(plait_error_class(PLAIT_E_AGAIN), PLAIT_CLASS_AGAIN);
    assert_int_equal(plait_error_class(PLAIT_E_RESET), PLAIT_CLASS_PEER);
}

static void test_what_is_no_code(void **state) {
    (void)state;
    assert_string_equal(plait_error_name(0), "OK");
    assert_int_equal(plait_error_class(0), PLAIT_CLASS_NONE);
    assert_string_equal(plait_error_name(5), "UNKNOWN");
    assert_string_equal(plait_error_name(-9999), "UNKNOWN");
    assert_int_equal(plait_error_class(-9999), PLAIT_CLASS_NONE);
    assert_string_equal(plait_error_text(-9999), "unknown error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_what_is_no_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

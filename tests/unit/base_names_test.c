/* base/names: every event and counter has a name, and no two the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plait/trace.h"

static void test_trace_names(void **state) {
    (void)state;
    for (uint32_t i = 0; i < PLAIT_TRACE_COUNT; i++) {
        assert_true(strlen(plait_trace_name(i)) > 0);
        assert_string_not_equal(plait_trace_name(i), "unknown");
        for (uint32_t k = 0; k < i; k++) {
            assert_string_not_equal(plait_trace_name(i), plait_trace_name(k));
        }
        bool ended = false; /* names come first, then nothing */
        for (unsigned a = 0; a < 4; a++) {
            bool empty = plait_trace_arg_name(i, a)[0] == '\0';
            assert_true(empty || !ended);
            ended = empty;
        }
    }
    assert_string_equal(plait_trace_name(PLAIT_TRACE_rtt), "rtt");
    assert_string_equal(plait_trace_arg_name(PLAIT_TRACE_rtt, 3), "rto_ns");
    assert_string_equal(plait_trace_arg_name(PLAIT_TRACE_rtt, 4), "");
    assert_string_equal(plait_trace_name(PLAIT_TRACE_COUNT), "unknown");
    assert_string_equal(plait_trace_arg_name(PLAIT_TRACE_COUNT, 0), "");
}

static void test_counter_names(void **state) {
    (void)state;
    for (unsigned i = 0; i < PLAIT_COUNTER_COUNT; i++) {
        assert_true(strlen(plait_counter_name(i)) > 0);
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(plait_counter_name(i), plait_counter_name(k));
        }
    }
    assert_string_equal(plait_counter_name(PLAIT_COUNTER_InPackets), "InPackets");
    assert_string_equal(plait_counter_name(PLAIT_COUNTER_COUNT), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace_names),
        cmocka_unit_test(test_counter_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

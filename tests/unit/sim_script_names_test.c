/* sim/script_names: everything that include/plait/ names has a name in scripts. */
#include "sim/script_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sim/script_cursor.h"

static void every_socket_option(void **state) {
    (void)state;
    for (unsigned i = 0; i < PLAIT_OPT_COUNT; i++) {
        assert_non_null(pl_script_option_name(i)); /* a new one is a line in script_names.c */
        assert_int_equal(pl_script_option_find(pl_script_option_name(i)), i);
    }
}

static void events(void **state) {
    (void)state;
    assert_int_equal(pl_script_event_find("error"), PLAIT_EVENT_ERROR);
    assert_int_equal(pl_script_event_find("fallback"), PLAIT_EVENT_FALLBACK);
    assert_int_equal(pl_script_event_find("rain"), -1);
}

static void errors(void **state) {
    int64_t code = 0;
    (void)state;
    assert_true(pl_script_error_find("AGAIN", &code));
    assert_int_equal(code, PLAIT_E_AGAIN);
    assert_true(pl_script_error_find("OK", &code));
    assert_int_equal(code, 0);
    assert_false(pl_script_error_find("RAIN", &code));
}

static void members_are_set_and_read(void **state) {
    static const char *const names[] = {"mptcp", "cc", "connections_max", "memory_bytes_max",
                                        "rto_min_ns"};
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct pl_script_member *member = pl_script_config_find(names[i]);
        assert_non_null(member);
        pl_script_member_set(member, &config, 1);
        assert_int_equal(pl_script_member_get(member, &config), 1);
    }
    assert_int_equal(config.rto_min_ns, 1);
    assert_int_equal(config.connections_max, 1);
    assert_null(pl_script_config_find("rain"));
}

static void information_of_subflow_and_connection(void **state) {
    bool of_connection = true;
    (void)state;
    int index = pl_script_info_find("segments_received");
    assert_true(index >= 0);
    assert_string_equal(pl_script_info_member((unsigned)index, &of_connection)->name,
                        "segments_received");
    assert_false(of_connection);
    index = pl_script_info_find("fallback");
    assert_true(index >= 0);
    (void)pl_script_info_member((unsigned)index, &of_connection);
    assert_true(of_connection);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_socket_option),
        cmocka_unit_test(events),
        cmocka_unit_test(errors),
        cmocka_unit_test(members_are_set_and_read),
        cmocka_unit_test(information_of_subflow_and_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

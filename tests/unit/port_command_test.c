#include "port/command.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_output_and_status(void **state) {
    (void)state;
    char out[64];
    const char *const echo[] = {"echo", "one", "two words", NULL};
    assert_int_equal(pl_command_run(echo, NULL, out, sizeof(out)), 0);
    assert_string_equal(out, "one two words\n");
    const char *const cat[] = {"cat", NULL};
    assert_int_equal(pl_command_run(cat, "fed text", out, sizeof(out)), 0);
    assert_string_equal(out, "fed text");
    assert_int_equal(pl_command_run(cat, "fed text", out, 4), 0);
    assert_string_equal(out, "fed");
    const char *const fails[] = {"sh", "-c", "echo bad >&2; exit 9", NULL};
    assert_int_equal(pl_command_run(fails, NULL, out, sizeof(out)), 9);
    assert_string_equal(out, "bad\n");
}

static void test_signals_and_missing_programs(void **state) {
    (void)state;
    char out[8] = "x";
    const char *const dies[] = {"sh", "-c", "kill -TERM $$", NULL};
    assert_int_equal(pl_command_run(dies, NULL, NULL, 0), 128 + 15);
    const char *const missing[] = {"/no/such/program", NULL};
    assert_int_equal(pl_command_run(missing, NULL, out, sizeof(out)), -ENOENT);
    assert_string_equal(out, "");
}

static void test_sysctl(void **state) {
    (void)state;
    char value[64];
    assert_int_equal(pl_sysctl_read("kernel/ostype", value, sizeof(value)), 0);
    assert_string_equal(value, "Linux");
    assert_int_equal(pl_sysctl_read("kernel/no_such_thing", value, sizeof(value)), -ENOENT);
    assert_true(pl_sysctl_write("kernel/ostype", "x") < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_status),
        cmocka_unit_test(test_signals_and_missing_programs),
        cmocka_unit_test(test_sysctl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

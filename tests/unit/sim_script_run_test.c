/* sim/script_run: verdicts and what is said, seen from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/script.h"
#include "testenv.h"

static char *said;

static enum pl_script_result run_with(const char *text, struct pl_script_options options) {
    struct test_env env;
    size_t len = 0;
    free(said);
    said = NULL;
    test_env_init(&env, 1);
    FILE *out = open_memstream(&said, &len);
    assert_non_null(out);
    options.hashes = &env.env;
    options.out = out;
    enum pl_script_result result = pl_script_run("x", text, strlen(text), &options);
    assert_int_equal(fclose(out), 0);
    return result;
}

static enum pl_script_result run(const char *text, bool verbose) {
    return run_with(text, (struct pl_script_options){.verbose = verbose});
}

static int teardown(void **state) {
    (void)state;
    free(said);
    said = NULL;
    return 0;
}

#define OPENING                            \
    "+0 listen\n"                          \
    "+0 < S 0:0(0) win 65535 <mss 1000>\n" \
    "+0 > S. 0:0(0) ack 1 ...\n"           \
    "+0.05 < . 1:1(0) ack 1 win 65535\n"   \
    "+0 accept\n"

/* What `script` includes, by the name of a file. */
static char *opening(void *arg, const char *script, const char *file, size_t *len) {
    assert_string_equal(script, "x");
    if (strcmp(file, "opening") != 0) {
        return NULL;
    }
    (*(unsigned *)arg)++;
    *len = strlen(OPENING);
    return strdup(OPENING);
}

static void includes(void **state) {
    unsigned count = 0;
    struct pl_script_options options = {.include = opening, .include_arg = &count};
    (void)state;
    assert_int_equal(run_with("mtu 1400\ninclude opening\n+0 write 10\n"
                              "+0 > P. 1:11(10) ack 1 win *\n",
                              options),
                     PL_SCRIPT_PASS);
    assert_int_equal(count, 1);
    /* What fails in there is said to fail where it is included. */
    assert_int_equal(run_with("\ninclude opening\nmtu 1400\n", options), PL_SCRIPT_TROUBLE);
    assert_non_null(strstr(said, "x:3: settings stand before"));
    assert_int_equal(run_with("mtu 1400\ninclude closing\n", options), PL_SCRIPT_TROUBLE);
    assert_non_null(strstr(said, "x:2: cannot read `closing`"));
    assert_int_equal(run("include opening\n", false), PL_SCRIPT_TROUBLE);
}

/* A recorded script has the settings and the lines of what it includes. */
static void included_lines_are_recorded(void **state) {
    unsigned count = 0;
    struct pl_script_options options = {.include = opening, .include_arg = &count, .record = true};
    (void)state;
    assert_int_equal(run_with("mtu 1400\ninclude opening\n+0 write 10\n", options), PL_SCRIPT_PASS);
    assert_null(strstr(said, "include"));
    assert_non_null(strstr(said, "mtu 1400\n0 listen\n"));
}

static void passes_in_silence(void **state) {
    (void)state;
    assert_int_equal(run(OPENING "+0 write 10\n+0 > P. 1:11(10) ack 1 win *\n", false),
                     PL_SCRIPT_PASS);
    assert_string_equal(said, "");
}

/* What -v prints is a script of the same exchange. */
static void verbose_output_is_a_script(void **state) {
    char script[2000];
    (void)state;
    assert_int_equal(run(OPENING "+0 write 10\n+0 > P. 1:11(10) ack 1 win *\n", true),
                     PL_SCRIPT_PASS);
    const char *last = strstr(said, "0.05 > P.");
    assert_non_null(last);
    assert_true(snprintf(script, sizeof(script), "0 listen\n%.*s0.05 accept\n0.05 write 10\n%s",
                         (int)(last - said), said, last) > 0);
    assert_int_equal(run(script, false), PL_SCRIPT_PASS);
}

static void records_what_was_not_expected(void **state) {
    const struct pl_script_options record = {.record = true};
    (void)state;
    assert_int_equal(run_with("mtu 1400\n+0 listen\n+0 < S 0:0(0) win 65535 <mss 1000>\n"
                              "+0.05 < . 1:1(0) ack 1 win 9\n",
                              record),
                     PL_SCRIPT_PASS);
    assert_string_equal(said,
                        "mtu 1400\n0 listen\n0 < S 0:0(0) win 65535 <mss 1000>\n"
                        "0 > S. 0:0(0) ack 1 win 65535 <mss 1360>\n"
                        "0.05 < . 1:1(0) ack 1 win 9\n");
}

static void marks_the_difference(void **state) {
    (void)state;
    assert_int_equal(run(OPENING "+0 write 10\n+0 > P. 1:11(10) ack 2 win *\n", false),
                     PL_SCRIPT_FAIL);
    assert_non_null(strstr(said, "x:7: the segment differs in: ack\n"));
    assert_non_null(strstr(said, "  line    +0 > P. 1:11(10) ack 2 win *\n"));
    assert_non_null(strstr(said,
                           "  came    0.05 > P. 1:11(10) ack 1 win 65535\n"
                           "                            ^^^^^^\n"));
}

static void wrong_text_is_trouble(void **state) {
    (void)state;
    assert_int_equal(run("+0 listen\n+0 sing\n", false), PL_SCRIPT_TROUBLE);
    assert_string_equal(said, "x:2: no call or expectation `sing`\n");
}

static void setting_that_the_stack_refuses(void **state) {
    (void)state;
    assert_int_equal(run("mtu 100\n+0 listen\n", false), PL_SCRIPT_TROUBLE);
    assert_non_null(strstr(said, "cannot set up"));
}

static void times_are_exact(void **state) {
    (void)state;
    const char *syn =
        "+0 connect\n+0 > S 0:0(0) win * <mss *,...>\n%s > S 0:0(0) win * "
        "<mss *,...>\n";
    static const struct {
        const char *time;
        enum pl_script_result result;
    } cases[] = {
        {"+1", PL_SCRIPT_PASS},        {"+1.000001", PL_SCRIPT_PASS}, {"+0.999998", PL_SCRIPT_FAIL},
        {"+1.000002", PL_SCRIPT_FAIL}, {"+0.9..1.1", PL_SCRIPT_PASS}, {"+0.8..0.9", PL_SCRIPT_FAIL},
        {"*", PL_SCRIPT_PASS},         {"1", PL_SCRIPT_PASS},         {"+1000ms", PL_SCRIPT_PASS}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[300];
        assert_true(snprintf(text, sizeof(text), syn, cases[i].time) > 0);
        assert_int_equal(run(text, false), cases[i].result);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(passes_in_silence, teardown),
        cmocka_unit_test_teardown(includes, teardown),
        cmocka_unit_test_teardown(included_lines_are_recorded, teardown),
        cmocka_unit_test_teardown(verbose_output_is_a_script, teardown),
        cmocka_unit_test_teardown(records_what_was_not_expected, teardown),
        cmocka_unit_test_teardown(marks_the_difference, teardown),
        cmocka_unit_test_teardown(wrong_text_is_trouble, teardown),
        cmocka_unit_test_teardown(setting_that_the_stack_refuses, teardown),
        cmocka_unit_test_teardown(times_are_exact, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* net/mahimahi: the file format, and the delivery rules one by one. */
#include "net/mahimahi.h"

#include "net_test.h"

static struct pl_mahimahi parse(const char *text) {
    struct pl_mahimahi trace;
    char error[80];
    assert_int_equal(
        pl_mahimahi_parse(&trace, &memory.env, text, strlen(text), error, sizeof error), 0);
    assert_string_equal(error, "");
    return trace;
}

static void reads_lines(void **state) {
    static const uint32_t expected[] = {0, 5, 5, 4294967295U};
    (void)state;
    struct pl_mahimahi trace = parse("0\n5\r\n5\n4294967295");
    assert_int_equal(trace.count, 4);
    assert_memory_equal(trace.ms, expected, sizeof expected);
    pl_mahimahi_fini(&trace);
    pl_mahimahi_fini(&trace);
}

static void says_what_is_wrong(void **state) {
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "trace: it is empty"},
        {"0\n0\n", "trace: it lasts 0 ms"},
        {"1\n\n2\n", "trace line 2: not a number of milliseconds"},
        {"1\n2\nx\n", "trace line 3: not a number of milliseconds"},
        {"-1\n", "trace line 1: not a number of milliseconds"},
        {"1 \n", "trace line 1: not a number of milliseconds"},
        {"4294967296\n", "trace line 1: not a number of milliseconds"},
        {"5\n4\n", "trace line 2: the time goes back"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_mahimahi trace;
        char error[80];
        assert_int_equal(pl_mahimahi_parse(&trace, &memory.env, cases[i].text,
                                           strlen(cases[i].text), error, sizeof error),
                         PLAIT_E_BAD_ARGUMENT);
        assert_string_equal(error, cases[i].error);
        pl_mahimahi_fini(&trace);
    }
}

static void survives_no_memory(void **state) {
    struct pl_mahimahi trace;
    char error[80];
    (void)state;
    memory.fail_at = 1;
    assert_int_equal(pl_mahimahi_parse(&trace, &memory.env, "1\n", 2, error, sizeof error),
                     PLAIT_E_NO_MEMORY);
    assert_string_equal(error, "trace: out of memory");
}

static void packets_share_and_span(void **state) {
    struct pl_mahimahi_cursor cursor;
    (void)state;
    struct pl_mahimahi trace = parse("1\n4\n6\n10\n");
    pl_mahimahi_cursor_init(&cursor, &trace, 0);
    pl_mahimahi_seek(&cursor, 0);
    assert_int_equal(pl_mahimahi_take(&cursor, 1000), 1 * MS);
    assert_int_equal(pl_mahimahi_take(&cursor, 504), 1 * MS); /* shares it, to the last byte */
    assert_int_equal(pl_mahimahi_take(&cursor, 1504), 4 * MS);
    assert_int_equal(pl_mahimahi_take(&cursor, 1), 6 * MS);
    assert_int_equal(pl_mahimahi_take(&cursor, 1504), 10 * MS); /* spans two */
    assert_int_equal(pl_mahimahi_take(&cursor, 3 * 1504), 16 * MS);
    pl_mahimahi_fini(&trace);
}

static void wraps_at_the_last_timestamp(void **state) {
    struct pl_mahimahi_cursor cursor;
    (void)state;
    struct pl_mahimahi trace = parse("0\n3\n10\n");
    pl_mahimahi_cursor_init(&cursor, &trace, 100 * MS);
    static const plait_time expected[] = {100, 103, 110, 110, 113, 120, 120};
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(pl_mahimahi_take(&cursor, 1504), expected[i] * MS);
    }
    pl_mahimahi_fini(&trace);
}

static void seek_finds_the_first_one_after(void **state) {
    static const struct {
        plait_time now, first;
    } cases[] = {
        {0, 100 * MS},
        {100 * MS - 1, 100 * MS},
        {100 * MS, 103 * MS},
        {103 * MS - 1, 103 * MS},
        {103 * MS, 110 * MS},
        {103 * MS + 1, 110 * MS},
        {110 * MS, 113 * MS},
        {119 * MS, 120 * MS},
        {UINT64_C(100000000100) * MS, UINT64_C(100000000103) * MS},
    };
    struct pl_mahimahi_cursor cursor;
    (void)state;
    struct pl_mahimahi trace = parse("0\n3\n3\n10\n");
    pl_mahimahi_cursor_init(&cursor, &trace, 100 * MS);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_mahimahi_seek(&cursor, cases[i].now);
        assert_int_equal(pl_mahimahi_take(&cursor, 1), cases[i].first);
    }
    pl_mahimahi_fini(&trace);
}

static void seek_loses_the_rest_of_an_opportunity(void **state) {
    struct pl_mahimahi_cursor cursor;
    (void)state;
    struct pl_mahimahi trace = parse("3\n3\n7\n");
    pl_mahimahi_cursor_init(&cursor, &trace, 0);
    pl_mahimahi_seek(&cursor, 0);
    assert_int_equal(pl_mahimahi_take(&cursor, 100), 3 * MS);
    pl_mahimahi_seek(&cursor, 3 * MS);
    assert_int_equal(pl_mahimahi_take(&cursor, 100), 7 * MS);
    pl_mahimahi_fini(&trace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(says_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(packets_share_and_span, setup, teardown),
        cmocka_unit_test_setup_teardown(wraps_at_the_last_timestamp, setup, teardown),
        cmocka_unit_test_setup_teardown(seek_finds_the_first_one_after, setup, teardown),
        cmocka_unit_test_setup_teardown(seek_loses_the_rest_of_an_opportunity, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

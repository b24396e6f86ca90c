/* net/text: putting text together and cutting it off. */
#include "net/text.h"

#include "net_test.h"

static void adds_numbers_and_strings(void **state) {
    char out[80];
    struct pl_text text;
    (void)state;
    pl_text_init(&text, out, sizeof out);
    assert_string_equal(out, "");
    pl_text_add(&text, "a ");
    pl_text_add_number(&text, 0);
    pl_text_add(&text, " ");
    pl_text_add_number(&text, UINT64_MAX);
    pl_text_add_bytes(&text, " xyz", 2);
    assert_string_equal(out, "a 0 18446744073709551615 x");
    assert_int_equal(text.len, strlen(out));
}

static void adds_decimals_without_trailing_zeros(void **state) {
    static const struct {
        uint64_t value;
        unsigned digits;
        const char *text;
    } cases[] = {{10000, 4, "1"}, {12500, 3, "12.5"},     {1, 4, "0.0001"},
                 {0, 4, "0"},     {1000100, 4, "100.01"}, {7, 0, "7"}};
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[80];
        struct pl_text text;
        pl_text_init(&text, out, sizeof out);
        pl_text_add_decimal(&text, cases[i].value, cases[i].digits);
        assert_string_equal(out, cases[i].text);
    }
}

static void cuts_and_still_counts(void **state) {
    char out[6] = "#####";
    struct pl_text text;
    (void)state;
    pl_text_init(&text, out, 5);
    pl_text_add(&text, "abc");
    pl_text_add(&text, "def");
    pl_text_add(&text, "g");
    assert_string_equal(out, "abcd");
    assert_int_equal(text.len, 7);
    pl_text_init(&text, out, 1);
    pl_text_add_number(&text, 12);
    assert_string_equal(out, "");
    assert_int_equal(text.len, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(adds_numbers_and_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(adds_decimals_without_trailing_zeros, setup, teardown),
        cmocka_unit_test_setup_teardown(cuts_and_still_counts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

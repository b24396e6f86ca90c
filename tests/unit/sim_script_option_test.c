/* sim/script_option: bytes -> values -> bytes for every form, and agreement with src/wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sim/script_value.h"
#include "wire/tcp.h"

static void fill(struct pl_script_option *option) {
    for (unsigned i = 0; i < option->form->count; i++) {
        const struct pl_script_field *field = &option->form->fields[i];
        struct pl_script_value *value = &option->values[i];
        uint64_t number = 0x0102030405060708 + i;
        *value = (struct pl_script_value){.kind = PL_VALUE_NUMBER, .absolute = true};
        if (field->codec == PL_CODEC_BYTES || field->codec == PL_CODEC_ADDRESS) {
            value->kind = PL_VALUE_BYTES;
            value->len = field->len != 0 ? field->len : 6;
            memset(value->bytes, 0x40 + (int)i, value->len);
        } else if (field->codec == PL_CODEC_NUMBER) {
            value->number = field->len == 8 ? number : number & ((1ull << 8 * field->len) - 1);
        } else if (field->codec == PL_CODEC_MASK) {
            value->number = field->len; /* all its bits */
        } else {
            value->number = 1;
        }
    }
}

static void every_form_and_back(void **state) {
    const struct pl_script_form *form;
    (void)state;
    for (unsigned i = 0; (form = pl_script_form_at(i)) != NULL; i++) {
        struct pl_script_option option = {.form = form}, again;
        uint8_t bytes[40];
        if (strcmp(form->name, "raw") == 0) {
            continue;
        }
        fill(&option);
        uint32_t len = pl_script_option_encode(&option, bytes);
        assert_true(len >= 1 && len <= 40);
        assert_true(form->len == 0 || form->len == len);
        pl_script_option_decode(bytes, len, &again);
        assert_ptr_equal(again.form, form);
        for (unsigned f = 0; f < form->count; f++) {
            assert_int_equal(again.values[f].number, option.values[f].number);
            assert_memory_equal(again.values[f].bytes, option.values[f].bytes,
                                option.values[f].len);
        }
    }
}

/* Two programs that read the same bytes: the table here and the parser of the stack. */
static void agrees_with_the_stack(void **state) {
    static const uint8_t dss[] = {30, 26, 0x20, 0x1f, 1, 2, 3, 4,  5,  6, 7, 8, 9,
                                  10, 11, 12,   13,   4, 5, 6, 17, 18, 9, 8, 7, 1};
    struct pl_mptcp_options wire = {0};
    struct pl_script_option option;
    (void)state;
    pl_mptcp_parse(dss, sizeof(dss), false, true, &wire);
    pl_script_option_decode(dss, sizeof(dss), &option);
    assert_string_equal(option.form->name, "dss");
    assert_int_equal(option.values[0].number, wire.dss.data_fin);
    assert_int_equal(option.values[1].number, 0); /* reserved bits */
    assert_int_equal(option.values[2].number, wire.dss.ack);
    assert_int_equal(option.values[3].number, wire.dss.dsn);
    assert_int_equal(option.values[4].number, wire.dss.ssn);
    assert_int_equal(option.values[5].number, wire.dss.len);
}

static void what_fits_nothing_is_raw(void **state) {
    static const uint8_t odd[][5] = {
        {200, 5, 1, 2, 3}, {2, 5, 1, 2, 3}, {30, 5, 0x70, 2, 3}, {34, 1}, {30, 3, 0xf0}};
    struct pl_script_option option;
    uint8_t bytes[40];
    (void)state;
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        uint32_t len = odd[i][1];
        pl_script_option_decode(odd[i], len, &option);
        assert_string_equal(option.form->name, "raw");
        assert_int_equal(pl_script_option_encode(&option, bytes), len);
        assert_memory_equal(bytes, odd[i], len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_and_back),
        cmocka_unit_test(agrees_with_the_stack),
        cmocka_unit_test(what_fits_nothing_is_raw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

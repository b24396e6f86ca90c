/* sim/script_compare: a segment equals itself, differs in what was changed and in nothing else, and
 * what is not named must be absent unless the line says otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sim/script_state.h"
#include "wire/tcp.h"

static struct pl_script_value number(uint64_t n) {
    return (struct pl_script_value){.kind = PL_VALUE_NUMBER, .absolute = true, .number = n};
}

static struct pl_script_option option(const char *text, uint32_t len) {
    struct pl_script_option out;
    pl_script_option_decode((const uint8_t *)text, len, &out);
    return out;
}

static struct pl_script_segment segment(void) {
    struct pl_script_segment s = {
        .flags = PL_TCP_ACK, .seq = number(5), .ack = number(6), .win = number(7), .len = 8};
    s.ecn = s.tos = s.urg = number(0);
    s.ttl = number(64);
    s.options[s.option_count++] = option("\2\4\5\6", 4);
    s.options[s.option_count++] = option("\4\2", 2);
    return s;
}

static void one_difference_at_a_time(void **state) {
    struct pl_script_segment want = segment(), got = segment();
    (void)state;
    assert_int_equal(pl_script_compare_segments(&want, &got), 0);
    got.flags |= PL_TCP_PSH;
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_FLAGS);
    got = segment();
    got.seq.number++;
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_SEQ);
    got = segment();
    got.len++;
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_SEQ);
    got = segment();
    got.ack.number++;
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_ACK);
    got = segment();
    got.win.number++;
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_WIN);
    got = segment();
    got.ecn.number = 3;
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_IP);
    got = segment();
    got.urg.number = 3;
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_URG);
    got = segment();
    got.options[0].values[0].number++;
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_OPTIONS);
}

static void what_is_not_named(void **state) {
    struct pl_script_segment want = segment(), got = segment();
    (void)state;
    want.urg = want.ecn = (struct pl_script_value){0};
    got.urg = number(1);
    got.ecn = number(2);
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_URG | 1u << PL_PART_IP);
    want.rest = true;
    assert_int_equal(pl_script_compare_segments(&want, &got), 0);
    want.win.kind = PL_VALUE_ANY;
    got.win.number = 99;
    assert_int_equal(pl_script_compare_segments(&want, &got), 0);
}

static void options_by_order(void **state) {
    struct pl_script_segment want = segment(), got = segment();
    (void)state;
    got.options[2] = option("\1", 1); /* a NOP, which nobody asked for */
    got.option_count = 3;
    assert_int_equal(pl_script_compare_segments(&want, &got), 0);
    want.nops = true;
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_OPTIONS);
    want.nops = false;
    got.options[2] = option("\3\3\7", 3);
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_OPTIONS);
    want.options_rest = true;
    assert_int_equal(pl_script_compare_segments(&want, &got), 0);
    got.options[0] = option("\4\2", 2);
    got.options[1] = option("\2\4\5\6", 4);
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_OPTIONS);
}

static void at_least(void **state) {
    struct pl_script_segment want = segment(), got = segment();
    (void)state;
    want.win = number(100);
    want.win.kind = PL_VALUE_AT_LEAST;
    got.win = number(99);
    assert_int_equal(pl_script_compare_segments(&want, &got), 1u << PL_PART_WIN);
    got.win = number(101);
    assert_int_equal(pl_script_compare_segments(&want, &got), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_difference_at_a_time),
        cmocka_unit_test(what_is_not_named),
        cmocka_unit_test(options_by_order),
        cmocka_unit_test(at_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

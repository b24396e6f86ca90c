/* sim/script_parse, script_segment, script_setting: what lines become, and what is said about wrong
 * ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/script_program.h"
#include "wire/tcp.h"

static struct pl_script_program program;

static const struct pl_script_line *parse(const char *text) {
    assert_true(pl_script_parse(&program, "x", text, strlen(text), NULL));
    return program.lines;
}

static int teardown(void **state) {
    (void)state;
    pl_script_program_fini(&program);
    return 0;
}

static void times(void **state) {
    (void)state;
    const struct pl_script_line *l = parse("+0 listen\n+0.05 close\n2.5 close\n+40ms close\n");
    assert_int_equal(l[0].when, PL_WHEN_AFTER);
    assert_int_equal(l[0].time, 0);
    assert_int_equal(l[1].time, 50 * PLAIT_NS_PER_MS);
    assert_int_equal(l[2].when, PL_WHEN_AT);
    assert_int_equal(l[2].time, 2500 * PLAIT_NS_PER_MS);
    assert_int_equal(l[3].time, 40 * PLAIT_NS_PER_MS);
    assert_int_equal(l[3].at, 4);
    pl_script_program_fini(&program);
    l = parse("+0.1..0.2 > . 1(0) ack 1 ...\n* > . 1(0) ack 1 ...\n+3us close");
    assert_int_equal(l[0].time, 100 * PLAIT_NS_PER_MS);
    assert_int_equal(l[0].time_last, 200 * PLAIT_NS_PER_MS);
    assert_int_equal(l[1].when, PL_WHEN_ANY);
    assert_int_equal(l[2].time, 3000);
}

static void segments(void **state) {
    (void)state;
    const struct pl_script_segment *s =
        parse("+0 < [ce,bad-checksum] FP. 1:101(100) ack @7 win 5 urg 3 by 50 <mss 9,sackOK>")
            ->segment;
    assert_int_equal(s->flags, PL_TCP_FIN | PL_TCP_PSH | PL_TCP_ACK);
    assert_int_equal(s->ecn.number, 3);
    assert_true(s->bad_checksum);
    assert_int_equal(s->seq.number, 1);
    assert_false(s->seq.absolute);
    assert_int_equal(s->len, 100);
    assert_int_equal(s->ack.number, 7);
    assert_true(s->ack.absolute);
    assert_int_equal(s->win.number, 5);
    assert_int_equal(s->urg.number, 3);
    assert_int_equal(s->piece, 50);
    assert_int_equal(s->option_count, 2);
    assert_string_equal(s->options[0].form->name, "mss");
    assert_int_equal(s->options[0].values[0].number, 9);
}

static void symbols(void **state) {
    (void)state;
    const struct pl_script_segment *s =
        parse("+0 > S. -1(0) ack $a+2 win * <TS val $b ecr,mp_capable key,...> ...")->segment;
    assert_int_equal((int64_t)s->seq.number, -1);
    assert_int_equal(s->ack.kind, PL_VALUE_VARIABLE);
    assert_int_equal(s->ack.number, 2);
    assert_int_equal(s->win.kind, PL_VALUE_ANY);
    assert_int_equal(s->options[0].values[0].kind, PL_VALUE_VARIABLE);
    assert_int_equal(s->options[0].values[0].variable, 1);
    assert_int_equal(s->options[0].values[1].kind, PL_VALUE_AUTO);
    assert_int_equal(s->options[1].form->len, 12);
    assert_true(s->options_rest && s->rest);
    assert_string_equal(program.variables[0], "a");
}

static void forms_by_fields(void **state) {
    static const struct {
        const char *option;
        unsigned len;
    } cases[] = {
        {"mp_capable", 4},
        {"mp_capable key rkey", 20},
        {"mp_capable key rkey len 5", 22},
        {"mp_capable key rkey len csum", 24},
        {"mp_join id 1 token nonce", 12},
        {"mp_join id 1 backup hmac nonce 7", 16},
        {"mp_join hmac", 24},
        {"dss ack4", 8},
        {"dss ack8 dsn4 ssn len csum", 24},
        {"dss ack8 dsn8 ssn len fin", 26},
        {"add_addr id 2 addr 192.0.2.9 port 80 hmac", 18},
        {"add_addr id 2 addr 2001:db8::9 hmac", 28},
        {"add_addr_echo id 2 addr 2001:db8::9", 20},
        {"remove_addr 1 2 3", 6},
        {"sack 1:2 3:4 5:6", 26},
        {"mp_tcprst reason 3", 4},
        {"FO", 2},
        {"TS", 10},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200];
        assert_true(snprintf(text, sizeof(text), "+0 < . 1(0) ack 1 <%s>", cases[i].option) > 0);
        const struct pl_script_segment *s = parse(text)->segment;
        assert_int_equal(s->option_count, 1);
        assert_int_equal(s->options[0].form->len, cases[i].len);
        pl_script_program_fini(&program);
    }
}

static void settings(void **state) {
    (void)state;
    parse(
        "mptcp on\ncc reno\nrto_min_ns 10ms\nfamily v4 v6\nport 2 mtu 1400 backup\n"
        "flow b port 2 remote 7 isn 9 # words\n\n+0 b < S 0(0)\n");
    assert_true(program.config.mptcp);
    assert_int_equal(program.config.cc, PLAIT_CC_RENO);
    assert_int_equal(program.config.rto_min_ns, 10 * PLAIT_NS_PER_MS);
    assert_true(program.v4 && program.v6);
    assert_true(program.ports[1].used);
    assert_int_equal(program.ports[1].mtu, 1400);
    assert_int_equal(program.ports[1].address_flags, PLAIT_ADDRESS_BACKUP);
    assert_int_equal(program.flow_count, 2);
    assert_int_equal(program.flows[1].remote_port, 7);
    assert_int_equal(program.flows[1].isn, 9);
    assert_int_equal(program.lines[0].flow, 1);
}

static void calls(void **state) {
    (void)state;
    const struct pl_script_line *l = parse(
        "+0 listen 90 backlog 3\n+0 s: read 5 = AGAIN\n+0 set nodelay 1\n"
        "+0 poll = read|write\n+0 expect info cwnd_bytes >= 10\n+0 expect drop Paws\n");
    assert_int_equal(l[0].socket, 1);
    assert_int_equal(l[0].endpoint.port, 90);
    assert_int_equal(l[0].number, 3);
    assert_int_equal(l[1].socket, 2);
    assert_int_equal(l[1].result, PLAIT_E_AGAIN);
    assert_int_equal(l[2].what, PLAIT_OPT_NODELAY);
    assert_int_equal(l[3].result, PLAIT_POLL_READ | PLAIT_POLL_WRITE);
    assert_int_equal(l[4].compare, PL_AT_LEAST);
    assert_int_equal(l[5].verb, PL_EXPECT_DROP);
}

static void wrong_lines(void **state) {
    static const struct {
        unsigned line;
        const char *text;
    } cases[] = {
        {1, ""},
        {1, "+0"},
        {1, "+ listen"},
        {2, "+0 listen\n+1.0000000001 close"},
        {1, "+0.2..0.1 > . 1(0) ack 1 ..."},
        {1, "* close"},
        {1, "+0 < X 1(0)"},
        {1, "+0 < . 1(0)"},
        {1, "+0 < . 1:3(1) ack 1"},
        {1, "+0 < . 1(0) ack 1 ..."},
        {1, "+0 > . 1(0) ack 1"},
        {1, "+0 < . 1(0) ack 1 win 1 by 0"},
        {1, "+0 < . 1(0) ack 1 <mss>,"},
        {1, "+0 < . 1(0) ack 1 <mss 1460"},
        {1, "+0 < icmp rain for 1(0)"},
        {1, "+0 < raw 4"},
        {1, "+0 close = NOTHING"},
        {1, "+0 expect counter Rain == 1"},
        {1, "+0 set rain 1"},
        {1, "+0 close close"},
        {1, "+0 < . 99999999999999999999(0) ack 1"},
        {2, "mtu 1400\nport 9\n+0 close"},
        {1, "rto_min_ns\n+0 close"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_false(pl_script_parse(&program, "x", cases[i].text, strlen(cases[i].text), NULL));
        assert_int_equal(program.error_line, cases[i].line);
        assert_true(program.error[0] != '\0');
        pl_script_program_fini(&program);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(times, teardown),
        cmocka_unit_test_teardown(segments, teardown),
        cmocka_unit_test_teardown(symbols, teardown),
        cmocka_unit_test(forms_by_fields),
        cmocka_unit_test_teardown(settings, teardown),
        cmocka_unit_test_teardown(calls, teardown),
        cmocka_unit_test(wrong_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

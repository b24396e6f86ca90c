/* net/link_config: every word of the text form, every error, and the way back. */
#include "net/link_config.h"

#include "net_test.h"

static struct pl_link_config parse(const char *text) {
    struct pl_link_config config;
    char error[200];
    int rc = pl_link_parse(text, &config, error, sizeof error);
    assert_string_equal(error, "");
    assert_int_equal(rc, 0);
    return config;
}

static void empty_text_is_the_default(void **state) {
    struct pl_link_config config = parse(" \n\t "), fresh;
    (void)state;
    pl_link_config_init(&fresh);
    assert_memory_equal(&config, &fresh, sizeof config);
    assert_int_equal(config.limit_packets, 1000);
}

static void reads_every_word(void **state) {
    (void)state;
    struct pl_link_config config = parse(
        "rate 20mbit overhead 18 limit 100 limit-bytes 60000 mtu 1400 delay 10ms 2ms 25% "
        "loss 1% reorder 5% gap 3 duplicate 1% corrupt 0.1% down");
    assert_int_equal(config.rate_bps, 20000000);
    assert_int_equal(config.overhead_bytes, 18);
    assert_int_equal(config.limit_packets, 100);
    assert_int_equal(config.limit_bytes, 60000);
    assert_int_equal(config.mtu, 1400);
    assert_int_equal(config.delay_ns, 10 * MS);
    assert_int_equal(config.jitter_ns, 2 * MS);
    assert_int_equal(config.jitter_correlation_ppm, 250000);
    assert_int_equal(config.loss.model, PL_LOSS_RANDOM);
    assert_int_equal(config.loss.random_ppm, 10000);
    assert_int_equal(config.reorder_ppm, 50000);
    assert_int_equal(config.reorder_gap, 3);
    assert_int_equal(config.duplicate_ppm, 10000);
    assert_int_equal(config.corrupt_ppm, 1000);
    assert_true(config.down);
    assert_null(config.trace_name.data);
}

static void reads_units(void **state) {
    (void)state;
    assert_int_equal(parse("rate 1500").rate_bps, 1500);
    assert_int_equal(parse("rate 1.5kbit").rate_bps, 1500);
    assert_int_equal(parse("rate 2.5gbit").rate_bps, UINT64_C(2500000000));
    assert_int_equal(parse("rate 10tbit").rate_bps, PL_LINK_RATE_MAX);
    assert_int_equal(parse("rate 1mbps").rate_bps, 8000000);
    assert_int_equal(parse("rate 0").rate_bps, 0);
    assert_int_equal(parse("delay 0").delay_ns, 0);
    assert_int_equal(parse("delay 0.25s").delay_ns, 250 * MS);
    assert_int_equal(parse("delay 7us").delay_ns, 7000);
    assert_int_equal(parse("delay 7ns").delay_ns, 7);
    assert_int_equal(parse("delay 1ms 500us").jitter_ns, 500000);
    assert_int_equal(parse("delay 1ms 1ms 12.5").jitter_correlation_ppm, 125000);
    assert_int_equal(parse("loss 0.0001%").loss.random_ppm, 1);
    assert_int_equal(parse("loss random 2").loss.random_ppm, 20000);
    assert_int_equal(parse("loss 0%").loss.model, PL_LOSS_NONE);
    assert_int_equal(parse("limit-bytes 64k").limit_bytes, 65536);
    assert_int_equal(parse("limit-bytes 1.5mb").limit_bytes, 1572864);
    assert_int_equal(parse("mark-bytes 30k").mark_bytes, 30720);
}

static void gemodel_has_netems_defaults(void **state) {
    (void)state;
    struct pl_loss_config one = parse("loss gemodel 1% delay 3ms").loss;
    assert_int_equal(one.model, PL_LOSS_GEMODEL);
    assert_int_equal(one.to_bad_ppm, 10000);
    assert_int_equal(one.to_good_ppm, 990000);
    assert_int_equal(one.bad_loss_ppm, 1000000);
    assert_int_equal(one.good_loss_ppm, 0);
    struct pl_loss_config all = parse("loss gemodel 1% 10% 90% 0.1%").loss;
    assert_int_equal(all.to_good_ppm, 100000);
    assert_int_equal(all.bad_loss_ppm, 900000);
    assert_int_equal(all.good_loss_ppm, 1000);
}

static void limit_bytes_replaces_the_default_limit(void **state) {
    (void)state;
    assert_int_equal(parse("limit-bytes 60000").limit_packets, 0);
    assert_int_equal(parse("limit-bytes 60000 limit 7").limit_packets, 7);
    assert_int_equal(parse("limit 0").limit_packets, 0);
}

static void trace_is_a_name_for_the_caller(void **state) {
    (void)state;
    static const char text[] = "delay 1ms trace /a/b.up limit 5";
    struct pl_link_config config = parse(text);
    assert_ptr_equal(config.trace_name.data, strstr(text, "/a"));
    assert_int_equal(config.trace_name.len, 7);
    assert_null(config.trace);
    assert_int_equal(config.limit_packets, 5);
}

static void errors_are_one_clear_line(void **state) {
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"rate", "rate: expected a rate like 20mbit, but the text ends"},
        {"rate 20mb", "rate: expected a rate like 20mbit, not \"20mb\""},
        {"rate 0.5", "rate: expected a rate like 20mbit, not \"0.5\""},
        {"rate 99999999999999999999",
         "rate: expected a rate like 20mbit, not \"99999999999999999999\""},
        {"rate 11tbit", "the rate is over 10 Tbit/s"},
        {"rate 1mbit rate 2mbit", "rate: given twice"},
        {"speed 1mbit", "speed: not a word of a link's settings"},
        {"delay 10", "delay: expected a time with its unit like 10ms, not \"10\""},
        {"delay ms", "delay: expected a time with its unit like 10ms, not \"ms\""},
        {"delay 1.2.3ms", "delay: expected a time with its unit like 10ms, not \"1.2.3ms\""},
        {"delay 0.5ns", "delay: expected a time with its unit like 10ms, not \"0.5ns\""},
        {"delay 2h", "delay: expected a time with its unit like 10ms, not \"2h\""},
        {"delay 3601s", "a delay is over one hour"},
        {"delay 10ms 1ms 1ms", "delay: expected a percentage (0.0001% to 100%), not \"1ms\""},
        {"loss 101%", "loss: expected a percentage (0.0001% to 100%), not \"101%\""},
        {"loss 0.00001%", "loss: expected a percentage (0.0001% to 100%), not \"0.00001%\""},
        {"loss gemodel", "loss: expected a percentage (0.0001% to 100%), but the text ends"},
        {"loss 1% 2%", "2%: not a word of a link's settings"},
        {"reorder 5%", "reorder needs a delay that packets can skip"},
        {"reorder 5% gap x", "reorder: expected a number, not \"x\""},
        {"limit -1", "limit: expected a number, not \"-1\""},
        {"limit 4294967296", "limit: expected a number, not \"4294967296\""},
        {"mark-bytes many", "mark-bytes: expected a number of bytes, not \"many\""},
        {"limit-bytes many", "limit-bytes: expected a number of bytes, not \"many\""},
        {"trace", "trace: expected the name of a trace, but the text ends"},
        {"trace a rate 1mbit", "a link has a rate or a trace, not both"},
        {"overhead 70000", "the overhead is over 65535 bytes"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_link_config config;
        char error[200];
        memset(&config, 0x5a, sizeof config);
        struct pl_link_config before = config;
        int rc = pl_link_parse(cases[i].text, &config, error, sizeof error);
        assert_string_equal(error, cases[i].error);
        assert_int_equal(rc, PLAIT_E_BAD_ARGUMENT);
        assert_memory_equal(&config, &before, sizeof config);
    }
}

static void format_is_canonical_and_reads_back(void **state) {
    static const char *const texts[] = {
        "",
        "rate 20mbit delay 10ms 2ms 25% loss 1% reorder 5% gap 3 duplicate 1% limit 100",
        "delay 1ms reorder 5% gap 3 duplicate 1% corrupt 0.1%",
        "rate 1500bit overhead 18 delay 1500us loss gemodel 1% 10% 90.5% 0.0001% limit-bytes 60000",
        "trace /x.up delay 1s limit-bytes 9 limit 7 mark-bytes 5 mtu 1400 down",
        "rate 2500mbit delay 0ns 5ms limit 0",
        "rate 10gbit delay 10ms reorder 100% down",
    };
    (void)state;
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char out[200];
        struct pl_link_config config = parse(texts[i]);
        assert_int_equal(pl_link_format(&config, out, sizeof out), strlen(texts[i]));
        assert_string_equal(out, texts[i]);
    }
    char out[200];
    struct pl_link_config config = parse("delay 0.0015s rate 1000kbit limit 1000 loss random 1.50");
    assert_int_equal(pl_link_format(&config, out, 9), strlen("rate 1mbit delay 1500us loss 1.5%"));
    assert_string_equal(out, "rate 1mb");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(empty_text_is_the_default, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_every_word, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_units, setup, teardown),
        cmocka_unit_test_setup_teardown(gemodel_has_netems_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(limit_bytes_replaces_the_default_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(trace_is_a_name_for_the_caller, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_are_one_clear_line, setup, teardown),
        cmocka_unit_test_setup_teardown(format_is_canonical_and_reads_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* cli/lab_measure: figures of downloads that are drawn here by hand, a point every 10 ms. The
 * command-line program is no library, so its source is part of this test. */
#include "cli/lab_measure.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { STEP_MS = 10, PACKET = 1500 };

static struct lab_measure measure;
static struct lab_point point;

static int setup(void **state) {
    (void)state;
    lab_measure_init(&measure);
    memset(&point, 0, sizeof(point));
    return 0;
}

/* For so long, each step brings so many packets on the links, and bytes of the file. */
static void pass(unsigned ms, unsigned wlan, unsigned wwan, unsigned file_bytes) {
    for (unsigned t = 0; t < ms; t += STEP_MS) {
        point.at_ns += ms_to_ns(STEP_MS);
        point.file_bytes += file_bytes;
        point.link_packets[LAB_WLAN] += wlan;
        point.link_bytes[LAB_WLAN] += UINT64_C(1) * wlan * PACKET;
        point.link_packets[LAB_WWAN] += wwan;
        point.link_bytes[LAB_WWAN] += UINT64_C(1) * wwan * PACKET;
        lab_measure_add(&measure, &point);
    }
}

static void expect_near(double value, double expected) {
    assert_true(value > expected - 0.001);
    assert_true(value < expected + 0.001);
}

static void test_nothing_is_not_zero(void **state) {
    (void)state;
    pass(500, 0, 0, 0);
    assert_true(lab_measure_both_mbps(&measure) < 0);
    assert_true(lab_measure_carried_mbps(&measure) < 0);
    assert_true(lab_measure_outage_mbps(&measure) < 0);
    assert_true(lab_measure_gap_ms(&measure) < 0);
    assert_true(lab_measure_returned_ms(&measure) < 0);
    assert_true(lab_measure_full_ms(&measure) < 0);
}

/* Slow until 1 s after the first byte, fast after the outage only when 2 s are over. */
static void test_both_leaves_out_what_settles(void **state) {
    (void)state;
    pass(100, 0, 0, 0);
    pass(STEP_MS, 1, 1, 1000); /* the first byte */
    pass(1000, 1, 1, 1000);
    pass(500, 2, 1, 3000);
    lab_measure_dead(&measure);
    pass(1000, 0, 1, 1000);
    lab_measure_back(&measure);
    pass(2000, 1, 1, 1500);
    pass(500, 2, 1, 3500);
    lab_measure_end(&measure, true);
    expect_near(lab_measure_window_mbps(&measure.before), 2.4);
    expect_near(lab_measure_window_mbps(&measure.after), 2.8);
    expect_near(lab_measure_both_mbps(&measure), 2.6);
    expect_near(lab_measure_carried_mbps(&measure), 3.6);
    expect_near(lab_measure_outage_mbps(&measure), 0.8);
}

/* Bytes that had waited for others are no rate of the links. */
static void test_both_is_what_the_links_can_have_brought(void **state) {
    (void)state;
    pass(STEP_MS, 1, 1, 1000);
    pass(1000, 1, 1, 1000);
    pass(500, 1, 1, 9000);
    expect_near(lab_measure_both_mbps(&measure), 2.4 * 1428 / 1500.0);
}

static void test_gap_between_two_increases(void **state) {
    (void)state;
    pass(700, 0, 0, 0); /* before the first byte there is no gap */
    pass(100, 1, 1, 1000);
    pass(300, 1, 1, 0);
    pass(100, 1, 1, 1000);
    pass(200, 1, 1, 0);
    pass(100, 1, 1, 1000);
    pass(900, 1, 1, 0); /* nor after the last */
    lab_measure_end(&measure, true);
    expect_near(lab_measure_gap_ms(&measure), 300 + STEP_MS);
    assert_int_equal(measure.gap_at_ns, ms_to_ns(800));
}

static void test_gap_of_an_unfinished_download(void **state) {
    (void)state;
    pass(100, 1, 1, 1000);
    pass(900, 1, 1, 0);
    lab_measure_end(&measure, false);
    expect_near(lab_measure_gap_ms(&measure), 900);
}

/* Packets without payload, of 40 to 80 bytes, do not count as a return. */
static void test_return_is_the_first_payload(void **state) {
    (void)state;
    pass(1000, 1, 1, 1000);
    lab_measure_dead(&measure);
    pass(1000, 0, 1, 1000);
    lab_measure_back(&measure);
    pass(200, 0, 1, 1000);
    point.link_packets[LAB_WLAN] += 3;
    point.link_bytes[LAB_WLAN] += 3 * EMPTY_PACKET_MAX;
    pass(100, 0, 1, 1000);
    assert_true(lab_measure_returned_ms(&measure) < 0);
    point.link_packets[LAB_WLAN] += 1;
    point.link_bytes[LAB_WLAN] += 600;
    pass(STEP_MS, 0, 1, 1000);
    pass(100, 3, 1, 1000);
    expect_near(lab_measure_returned_ms(&measure), 300 + STEP_MS);
}

/* wlan0 has 20 Mb/s, of which 80 % are 200 kB in 100 ms: 14 packets in every 10 ms. */
static void test_full_rate_after_the_return(void **state) {
    (void)state;
    pass(1000, 17, 1, 1000);
    lab_measure_dead(&measure);
    pass(1000, 0, 1, 1000);
    lab_measure_back(&measure);
    pass(400, 10, 1, 1000);
    assert_true(lab_measure_full_ms(&measure) < 0);
    pass(300, 16, 1, 1000);
    expect_near(lab_measure_full_ms(&measure), 500);
}

static void test_samples_are_100_ms_apart(void **state) {
    (void)state;
    pass(1000, 4, 2, 1250);
    assert_int_equal(measure.sample_count, 11);
    expect_near(lab_measure_sample_mbps(&measure, LAB_WLAN, 5), 4.8);
    expect_near(lab_measure_sample_mbps(&measure, LAB_WWAN, 5), 2.4);
    expect_near(lab_measure_sample_mbps(&measure, LAB_LINKS, 5), 1.0);
}

/* More samples than there is room for are left out, the figures go on. */
static void test_long_runs(void **state) {
    (void)state;
    pass(LAB_SAMPLES_MAX * LAB_SAMPLE_MS + 5000, 1, 1, 1000);
    assert_int_equal(measure.sample_count, LAB_SAMPLES_MAX);
    expect_near(lab_measure_both_mbps(&measure), 0.8);
}

static void test_links(void **state) {
    (void)state;
    expect_near(lab_measure_sum_mbps(), 30);
    expect_near(lab_measure_payload_mbps(), 30 * 1428 / 1500.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_is_not_zero, setup),
        cmocka_unit_test_setup(test_both_leaves_out_what_settles, setup),
        cmocka_unit_test_setup(test_both_is_what_the_links_can_have_brought, setup),
        cmocka_unit_test_setup(test_gap_between_two_increases, setup),
        cmocka_unit_test_setup(test_gap_of_an_unfinished_download, setup),
        cmocka_unit_test_setup(test_return_is_the_first_payload, setup),
        cmocka_unit_test_setup(test_full_rate_after_the_return, setup),
        cmocka_unit_test_setup(test_samples_are_100_ms_apart, setup),
        cmocka_unit_test_setup(test_long_runs, setup),
        cmocka_unit_test(test_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

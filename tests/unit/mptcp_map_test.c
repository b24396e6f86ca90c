/* mptcp_map_test.c - mappings of a subflow (RFC 8684 section 3.3.1): every way in which they can
 * come, and those in which they must not. */
#include "mptcp/subflow.h"
#include "mptcp_peer_test.h"

static void test_one_mapping_three_segments(void **state) {
    (void)state;
    begin();
    struct pl_mptcp_options o = peer_map(&peer, 0, 0, 3000, false);
    send_next(0, 0, 1000, &o);
    send_next(0, 1000, 1000, NULL);
    send_next(0, 2000, 1000, NULL);
    expect_read(3000);
    assert_int_equal(peer.ack_seen, 3000);
    peer_fini(&peer);
}

static void test_repeated_on_every_segment(void **state) {
    (void)state;
    begin();
    struct pl_mptcp_options o = peer_map(&peer, 0, 0, 3000, false);
    for (uint32_t i = 0; i < 3; i++) {
        send_next(0, i * 1000, 1000, &o);
    }
    send_options(0, &o); /* wholly in the past */
    expect_read(3000);
    expect_counter(PLAIT_COUNTER_DSSNotMatching, 0);
    peer_fini(&peer);
}

static void test_before_the_data(void **state) {
    (void)state;
    begin();
    struct pl_mptcp_options first = peer_map(&peer, 0, 0, 500, false);
    struct pl_mptcp_options second = peer_map(&peer, 500, 500, 700, false);
    send_options(0, &second);
    send_options(0, &first);
    send_next(0, 0, 1200, NULL); /* one segment, two mappings */
    expect_read(1200);
    peer_fini(&peer);
}

static void test_after_the_data(void **state) {
    (void)state;
    begin();
    send_next(0, 0, 400, NULL);
    send_next(0, 400, 600, NULL);
    expect_read(0);
    assert_int_equal(peer.ack_seen, 0);
    struct pl_mptcp_options o = peer_map(&peer, 0, 0, 700, false);
    send_options(0, &o);
    expect_read(700);
    o = peer_map(&peer, 700, 700, 900, false);
    send_next(0, 1000, 600, &o);
    expect_read(1600);
    assert_int_equal(peer.flow[0].rst_in, false);
    peer_fini(&peer);
}

/* The second mapping repeats part of the first and goes on; both agree. */
static void test_overlap_that_agrees(void **state) {
    (void)state;
    begin();
    struct pl_mptcp_options a = peer_map(&peer, 0, 0, 1000, false);
    struct pl_mptcp_options b = peer_map(&peer, 500, 500, 1500, false);
    struct pl_mptcp_options c = peer_map(&peer, 0, 0, 3000, false);
    send_options(0, &a);
    send_options(0, &b);
    send_options(0, &c);
    send_next(0, 0, 1200, NULL);
    send_next(0, 1200, 800, NULL);
    expect_read(2000);
    send_next(0, 2000, 1000, &c);
    expect_read(3000);
    expect_counter(PLAIT_COUNTER_DSSNotMatching, 0);
    peer_fini(&peer);
}

/* The new mapping starts before a known one and reaches into it. */
static void test_overlap_from_the_front(void **state) {
    (void)state;
    begin();
    struct pl_mptcp_options b = peer_map(&peer, 1000, 1000, 1000, false);
    struct pl_mptcp_options a = peer_map(&peer, 0, 0, 1400, false);
    send_options(0, &b);
    send_next(0, 0, 1400, &a);
    send_next(0, 1400, 600, NULL);
    expect_read(2000);
    peer_fini(&peer);
}

/* It holds known ones: what lies between and behind them is new. */
static void test_overlap_around(void **state) {
    (void)state;
    begin();
    struct pl_mptcp_options a = peer_map(&peer, 500, 500, 300, false);
    struct pl_mptcp_options b = peer_map(&peer, 1000, 1000, 200, false);
    struct pl_mptcp_options around = peer_map(&peer, 0, 0, 2000, false);
    send_options(0, &a);
    send_options(0, &b);
    send_options(0, &around);
    assert_int_equal(peer_subflow(&peer, 0)->map_count, 5);
    send_options(0, &around);
    assert_int_equal(peer_subflow(&peer, 0)->map_count, 5);
    send_next(0, 0, 1100, NULL);
    send_next(0, 1100, 900, NULL);
    expect_read(2000);
    peer_fini(&peer);
}

static void run_contradiction(uint32_t ssn, uint32_t len, uint64_t at) {
    begin();
    unsigned second = peer_join(&peer, 0, false), from = peer.log_count;
    struct pl_mptcp_options known = peer_map(&peer, 1000, 1000, 1000, false);
    struct pl_mptcp_options other = peer_map(&peer, at, ssn, len, false);
    send_options(second, &known);
    send_options(second, &other);
    const struct peer_rx *rst = expect_rst(from, second);
    assert_true(pl_mptcp_has(&rst->seg.options.mptcp, PL_MP_TCPRST));
    assert_int_equal(rst->seg.options.mptcp.tcprst.reason, PL_RESET_MPTCP);
    expect_counter(PLAIT_COUNTER_DSSNotMatching, 1);
    peer_data(&peer, 0, 0, 500); /* the connection goes on */
    expect_read(500);
    peer_fini(&peer);
}

/* A mapping must not change (section 3.3.1): the subflow is reset. */
static void test_contradictions(void **state) {
    (void)state;
    run_contradiction(1000, 1000, 5000); /* the same range, elsewhere */
    run_contradiction(1500, 1000, 1000); /* behind */
    run_contradiction(500, 1000, 501);   /* before */
    run_contradiction(0, 4000, 1);       /* around */
    run_contradiction(1999, 1, 1998);    /* the last byte */
    run_contradiction(0, 1001, 1);       /* the first */
}

static void test_beyond_reach(void **state) {
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.receive_buffer_bytes = 8192;
    begin_with(&(struct peer_setup){.config = &config});
    struct pl_mptcp_options o = peer_map(&peer, 1 << 20, 1 << 20, 1000, false);
    send_options(0, &o);
    expect_counter(PLAIT_COUNTER_DSSNoMatchTCP, 1);
    o = peer_map(&peer, 0, (uint32_t)-5000, 1000, false); /* far in the past */
    send_options(0, &o);
    peer_data(&peer, 0, 0, 1000);
    expect_read(1000);
    peer_fini(&peer);
}

static void test_never_mapped(void **state) {
    (void)state;
    begin();
    unsigned second = peer_join(&peer, 0, false), from = peer.log_count;
    for (unsigned i = 0; i < 200 && !peer.flow[second].rst_in; i++) {
        send_next(second, i * 1400, 1400, NULL);
    }
    const struct peer_rx *rst = expect_rst(from, second);
    assert_int_equal(rst->seg.options.mptcp.tcprst.reason, PL_RESET_MIDDLEBOX);
    peer_data(&peer, 0, 0, 100);
    expect_read(100);
    peer_fini(&peer);
}

/* A little of it, and for long: the mapping does not come any more. */
static void test_mapped_too_late(void **state) {
    (void)state;
    begin();
    unsigned second = peer_join(&peer, 0, false), from = peer.log_count;
    send_next(second, 0, 100, NULL);
    peer_run(&peer, 1900 * MS);
    assert_false(peer.flow[second].rst_in);
    peer_run(&peer, 200 * MS);
    const struct peer_rx *rst = expect_rst(from, second);
    assert_int_equal(rst->seg.options.mptcp.tcprst.reason, PL_RESET_MIDDLEBOX);
    peer_data(&peer, 0, 0, 100);
    expect_read(100);
    peer_fini(&peer);
}

/* A hole of unmapped payload does not hold up what was mapped behind it, once it is mapped. */
static void test_unmapped_hole(void **state) {
    (void)state;
    begin();
    struct pl_mptcp_options late = peer_map(&peer, 0, 0, 500, false);
    struct pl_mptcp_options behind = peer_map(&peer, 500, 500, 500, false);
    send_next(0, 0, 500, NULL);
    send_next(0, 500, 500, &behind);
    expect_read(0);
    send_options(0, &late);
    expect_read(1000);
    peer_fini(&peer);
}

/* Segments overtake each other within the subflow; mappings come with each. */
static void test_out_of_order_segments(void **state) {
    (void)state;
    begin();
    for (int i = 4; i >= 0; i--) {
        struct pl_mptcp_options o =
            peer_map(&peer, (uint64_t)i * 700, (uint32_t)i * 700, 700, false);
        send_at(0, i * 700, (uint64_t)i * 700, 700, &o);
    }
    expect_read(3500);
    assert_int_equal(peer.ack_seen, 3500);
    peer_fini(&peer);
}

/* The stream's order is not the subflow's: DSNs jump back and forth. */
static void test_dsn_order_differs(void **state) {
    (void)state;
    begin();
    static const uint32_t order[] = {3, 1, 4, 0, 2};
    for (unsigned i = 0; i < 5; i++) {
        peer_data(&peer, 0, order[i] * 900, 900);
    }
    expect_read(4500);
    peer_fini(&peer);
}

static void test_too_many_mappings(void **state) {
    (void)state;
    begin();
    for (uint32_t i = 0; i < 17000; i++) {
        struct pl_mptcp_options o = peer_map(&peer, 2 * i + 2, 2 * i + 2, 1, false);
        send_options(0, &o);
        peer.log_count = 0;
    }
    assert_true(peer_counter(&peer, PLAIT_COUNTER_DropMemory) > 0);
    assert_true(peer_subflow(&peer, 0)->map_count <= 16384);
    peer_data(&peer, 0, 0, 1);
    peer_fini(&peer);
}

/* With checksums a mapping is delivered as a whole, across segments of odd lengths. */
static void test_checksum_across_segments(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.cap_flags = PL_CAPABLE_CHECKSUM});
    struct pl_mptcp_options o = peer_map(&peer, 0, 0, 2001, false);
    send_next(0, 0, 333, &o);
    send_next(0, 333, 667, NULL);
    expect_read(0);
    send_next(0, 1000, 1001, &o);
    expect_read(2001);
    expect_counter(PLAIT_COUNTER_DataCsumErr, 0);
    peer_fini(&peer);
}

/* A mapping that overlaps another one cannot be verified in part: the first holds. */
static void test_checksum_and_overlap(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.cap_flags = PL_CAPABLE_CHECKSUM});
    struct pl_mptcp_options a = peer_map(&peer, 0, 0, 1000, false);
    struct pl_mptcp_options b = peer_map(&peer, 500, 500, 1000, false);
    send_options(0, &a);
    send_options(0, &b);
    send_next(0, 0, 1000, NULL);
    expect_read(1000);
    expect_counter(PLAIT_COUNTER_DataCsumErr, 0);
    peer_fini(&peer);
}

/* Nor can one whose first bytes are gone: its payload waits for one that fits. */
static void test_checksum_and_past(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.cap_flags = PL_CAPABLE_CHECKSUM});
    peer_data(&peer, 0, 0, 1000);
    struct pl_mptcp_options late = peer_map(&peer, 500, 500, 1000, false);
    struct pl_mptcp_options fits = peer_map(&peer, 1000, 1000, 500, false);
    send_next(0, 1000, 500, &late);
    peer_data(&peer, 0, 1500, 500);
    expect_read(1000);
    send_options(0, &fits);
    expect_read(2000);
    expect_counter(PLAIT_COUNTER_DataCsumErr, 0);
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_mapping_three_segments),
        cmocka_unit_test(test_repeated_on_every_segment),
        cmocka_unit_test(test_before_the_data),
        cmocka_unit_test(test_after_the_data),
        cmocka_unit_test(test_overlap_that_agrees),
        cmocka_unit_test(test_overlap_from_the_front),
        cmocka_unit_test(test_overlap_around),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_beyond_reach),
        cmocka_unit_test(test_never_mapped),
        cmocka_unit_test(test_mapped_too_late),
        cmocka_unit_test(test_unmapped_hole),
        cmocka_unit_test(test_out_of_order_segments),
        cmocka_unit_test(test_dsn_order_differs),
        cmocka_unit_test(test_too_many_mappings),
        cmocka_unit_test(test_checksum_across_segments),
        cmocka_unit_test(test_checksum_and_overlap),
        cmocka_unit_test(test_checksum_and_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

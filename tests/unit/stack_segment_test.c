/* stack/segment: a segment that no flow knows is dropped or answered with the right reset. */
#include "stack/segment.h"

#include "stack_test.h"

static void expect_reset(uint32_t seq, uint32_t ack, bool has_ack) {
    struct pl_ip ip;
    struct pl_segment seg;
    assert_true(take(&ip, &seg));
    assert_int_equal(seg.flags, has_ack ? PL_TCP_RST | PL_TCP_ACK : PL_TCP_RST);
    assert_int_equal(seg.seq.v, seq);
    assert_int_equal(seg.ack.v, ack);
    assert_int_equal(seg.payload_len, 0);
    assert_int_equal(ip.hops, 64);
    expect_silence();
}

static void test_closed_ports_are_reset(void **state) {
    (void)state;
    struct made m = syn_to(80);
    send_made(&m);
    expect_reset(0, 5001, true);
    m.flags = PL_TCP_ACK;
    m.ack = 777;
    m.payload_len = 10;
    send_made(&m);
    expect_reset(777, 0, false);
    m.flags = PL_TCP_FIN;
    send_made(&m);
    expect_reset(0, 5011, true);
    m.flags = PL_TCP_SYN | PL_TCP_ACK; /* a late answer to somebody else's SYN */
    send_made(&m);
    expect_reset(777, 0, false);
    assert_int_equal(counter(PLAIT_COUNTER_DropNoSocket), 4);
    assert_int_equal(counter(PLAIT_COUNTER_OutRsts), 4);
}

static void test_ipv6_too(void **state) {
    (void)state;
    struct made m = syn_to(80);
    m.src = "fd00::1";
    m.dst = "fd00::2";
    send_made(&m);
    expect_reset(0, 5001, true);
}

static void test_resets_are_never_answered(void **state) {
    (void)state;
    struct made m = syn_to(80);
    m.flags = PL_TCP_RST;
    send_made(&m);
    m.flags = PL_TCP_RST | PL_TCP_ACK;
    send_made(&m);
    m.flags = PL_TCP_RST | PL_TCP_SYN;
    send_made(&m);
    assert_int_equal(counter(PLAIT_COUNTER_DropNoSocket), 3);
    assert_int_equal(counter(PLAIT_COUNTER_InRsts), 3);
    expect_silence();
}

static void test_other_peoples_packets(void **state) {
    (void)state;
    struct made m = syn_to(80);
    m.dst = "10.0.0.3";
    send_made(&m);
    m.dst = "10.255.255.255";
    send_made(&m);
    m.dst = "224.0.0.1";
    send_made(&m);
    assert_int_equal(counter(PLAIT_COUNTER_DropNotForUs), 3);
    expect_silence();
}

static void test_bad_sources_are_not_answered(void **state) {
    (void)state;
    listen_on(0, NULL, 80);
    struct made m = syn_to(80);
    const char *sources[] = {"224.0.0.1", "255.255.255.255", "0.0.0.0", "127.0.0.1"};
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        m.src = sources[i];
        m.flags = PL_TCP_SYN;
        send_made(&m);
        m.flags = PL_TCP_ACK;
        send_made(&m);
    }
    assert_int_equal(counter(PLAIT_COUNTER_DropBadState), 4);
    assert_int_equal(counter(PLAIT_COUNTER_DropNoSocket), 4);
    assert_int_equal(counter(PLAIT_COUNTER_OutRsts), 0);
    expect_silence();
}

static void test_every_address_is_ours_on_some_ports(void **state) {
    (void)state;
    plait_port_id any = add_port(PLAIT_PORT_ANY_ADDRESS);
    struct made m = syn_to(80);
    m.dst = "192.0.2.1";
    send_made_on(any, &m);
    struct pl_ip ip;
    struct pl_segment seg;
    assert_true(take_from(any, &ip, &seg));
    assert_int_equal(seg.flags, PL_TCP_RST | PL_TCP_ACK);
    struct plait_addr src = addr("192.0.2.1");
    assert_true(pl_addr_equal(&ip.src, &src));
    m.dst = "239.1.2.3"; /* multicast is nobody's */
    send_made_on(any, &m);
    m.dst = "255.255.255.255";
    send_made_on(any, &m);
    assert_int_equal(counter(PLAIT_COUNTER_OutRsts), 1);
    assert_false(take_from(any, &ip, &seg));
}

static void test_checksums(void **state) {
    (void)state;
    struct made m = syn_to(80);
    m.bad_checksum = true;
    send_made(&m);
    assert_int_equal(counter(PLAIT_COUNTER_DropChecksum), 1);
    expect_silence();
    uint8_t packet[100];
    size_t len = make(&m, packet);
    input_meta(port, packet, len, PLAIT_RX_CSUM_OK);
    expect_reset(0, 5001, true);
}

static void test_bad_options(void **state) {
    (void)state;
    struct made m = syn_to(80);
    m.options_len = 4;
    m.options[0] = 2; /* MSS that is longer than the header */
    m.options[1] = 40;
    send_made(&m);
    assert_int_equal(counter(PLAIT_COUNTER_DropBadOption), 1);
    expect_silence();
}

static void test_the_reply_ring_is_bounded(void **state) {
    (void)state;
    struct made m = syn_to(80);
    for (unsigned i = 0; i < 1000; i++) {
        m.src_port = (uint16_t)(1000 + i);
        send_made(&m);
    }
    struct pl_ip ip;
    struct pl_segment seg;
    unsigned count = 0;
    while (take(&ip, &seg)) {
        assert_int_equal(seg.dst_port, 1000 + count);
        count++;
    }
    assert_int_equal(count, PL_REPLY_RING);
    assert_int_equal(counter(PLAIT_COUNTER_OutRsts), PL_REPLY_RING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_closed_ports_are_reset),
        TEST(test_ipv6_too),
        TEST(test_resets_are_never_answered),
        TEST(test_other_peoples_packets),
        TEST(test_bad_sources_are_not_answered),
        TEST(test_every_address_is_ours_on_some_ports),
        TEST(test_checksums),
        TEST(test_bad_options),
        TEST(test_the_reply_ring_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

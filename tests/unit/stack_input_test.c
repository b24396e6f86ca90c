/* stack/input: what is dropped before TCP looks at it, and why. */
#include "stack/input.h"

#include "stack_test.h"

static uint8_t packet[2000];

static void test_truncated_and_malformed(void **state) {
    (void)state;
    struct made m = syn_to(80);
    size_t len = make(&m, packet);
    for (size_t cut = 0; cut < len; cut++) {
        input(packet, cut);
    }
    assert_int_equal(counter(PLAIT_COUNTER_DropTruncated), len);
    packet[0] = 0x75;
    input(packet, len);
    assert_int_equal(counter(PLAIT_COUNTER_DropTruncated), len + 1);
    assert_int_equal(counter(PLAIT_COUNTER_InPackets), len + 1);
    expect_silence();
}

static void test_bad_ip_checksum(void **state) {
    (void)state;
    struct made m = syn_to(80);
    size_t len = make(&m, packet);
    packet[8]--; /* TTL */
    input(packet, len);
    assert_int_equal(counter(PLAIT_COUNTER_DropChecksum), 1);
    expect_silence();
}

static void fix_ip_checksum(void) {
    pl_put16(packet + 10, 0);
    pl_put16(packet + 10, (uint16_t)~pl_sum_fold(pl_sum_add(0, packet, 20)));
}

static void test_fragments(void **state) {
    (void)state;
    struct made m = syn_to(80);
    size_t len = make(&m, packet);
    pl_put16(packet + 6, 0x2000); /* more fragments */
    fix_ip_checksum();
    input(packet, len);
    pl_put16(packet + 6, 0x0010); /* not the first */
    fix_ip_checksum();
    input(packet, len);
    assert_int_equal(counter(PLAIT_COUNTER_DropFragment), 2);
    expect_silence();
}

static void test_other_protocols(void **state) {
    (void)state;
    struct made m = syn_to(80);
    size_t len = make(&m, packet);
    packet[9] = PL_IP_UDP;
    fix_ip_checksum();
    input(packet, len);
    packet[9] = PL_IP_ICMP6; /* not in IPv4 */
    fix_ip_checksum();
    input(packet, len);
    assert_int_equal(counter(PLAIT_COUNTER_DropProtocol), 2);
    expect_silence();
}

static void test_echo_requests_are_not_answered(void **state) {
    (void)state;
    struct made m = syn_to(80);
    size_t len = make(&m, packet);
    packet[9] = PL_IP_ICMP;
    fix_ip_checksum();
    memset(packet + 20, 0, len - 20);
    packet[20] = 8;
    pl_put16(packet + 22, (uint16_t)~pl_sum_fold(pl_sum_add(0, packet + 20, len - 20)));
    uint64_t before = counter(PLAIT_COUNTER_InBytes);
    input(packet, len);
    assert_int_equal(counter(PLAIT_COUNTER_InBytes), before + len);
    assert_int_equal(counter(PLAIT_COUNTER_IcmpIn), 1);
    assert_int_equal(counter(PLAIT_COUNTER_DropIcmp), 1);
    expect_silence();
}

static void test_ports_that_are_not_there(void **state) {
    (void)state;
    struct made m = syn_to(80);
    const plait_port_id ids[] = {0, port + 1, 63, 64, UINT32_MAX};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        send_made_on(ids[i], &m);
        assert_int_equal(plait_output(stack, ids[i], &tx, 1, now), 0);
    }
    assert_int_equal(plait_port_set_up(stack, port, false, now), 0);
    send_made(&m);
    assert_int_equal(counter(PLAIT_COUNTER_DropNoPort), 6);
    expect_silence();
}

static void test_buffers_that_lie(void **state) {
    (void)state;
    struct plait_buf *buf = plait_buf_alloc(&memory.env, 100);
    buf->len = 101;
    plait_input(stack, port, buf, NULL, now);
    plait_input(stack, port, NULL, NULL, now);
    assert_int_equal(counter(PLAIT_COUNTER_InPackets), 0);
    buf->len = 0;
    plait_input(stack, port, buf, NULL, now);
    assert_int_equal(counter(PLAIT_COUNTER_DropTruncated), 1);
    plait_buf_unref(buf);
}

/* Random bytes with a valid start, into a stack that listens to everything. */
static void test_random_bytes(void **state) {
    (void)state;
    plait_port_id any = add_port(PLAIT_PORT_ANY_ADDRESS);
    listen_on(any, NULL, 0);
    listen_on(0, NULL, 80);
    for (unsigned i = 0; i < 20000; i++) {
        struct made m = syn_to(80);
        m.flags = (uint8_t)pl_rng_next(&memory.rng);
        m.options_len = 4 * (uint32_t)pl_rng_below(&memory.rng, 11);
        m.payload_len = (uint32_t)pl_rng_below(&memory.rng, 50);
        pl_rng_fill(&memory.rng, m.options, sizeof(m.options));
        size_t len = make(&m, packet);
        for (uint64_t flips = pl_rng_below(&memory.rng, 4); flips > 0; flips--) {
            packet[pl_rng_below(&memory.rng, len)] = (uint8_t)pl_rng_next(&memory.rng);
        }
        input_meta(i % 2 != 0 ? port : any, packet, len, PLAIT_RX_CSUM_OK);
        now += pl_rng_below(&memory.rng, 50 * MS);
        plait_tick(stack, now);
        struct pl_ip ip;
        struct pl_segment seg;
        take(&ip, &seg);
        take_from(any, &ip, &seg);
    }
    assert_int_equal(counter(PLAIT_COUNTER_InPackets), 20000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_truncated_and_malformed),
        TEST(test_bad_ip_checksum),
        TEST(test_fragments),
        TEST(test_other_protocols),
        TEST(test_echo_requests_are_not_answered),
        TEST(test_ports_that_are_not_there),
        TEST(test_buffers_that_lie),
        TEST(test_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

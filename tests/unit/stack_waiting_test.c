/* stack/waiting: the two queues under attack; a legitimate client is served all the same. */
#include "stack/waiting.h"

#include "base/bytes.h"
#include "socket_test.h"
#include "wire/checksum.h"

enum { SYN_RATE = 100000, BATCH = 50 };

static plait_sock listener;

static int setup_listener(void **state) {
    setup(state);
    listener = pair_listen(&pair, 80); /* of 16 */
    return 0;
}

/* A SYN from anywhere: addresses, ports and numbers follow from `i`. */
static uint32_t make_syn(uint32_t i, uint8_t *out) {
    uint32_t mixed = i * UINT32_C(2654435761);
    struct pl_ip ip = {.dst = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 80).addr,
                       .protocol = PL_IP_TCP,
                       .hops = 60,
                       .payload_len = PL_TCP_HEADER + 4};
    ip.src.family = PLAIT_IPV4;
    pl_put32(ip.src.bytes, UINT32_C(0x0b000000) | (mixed & 0xffffff)); /* 11.x.x.x */
    struct pl_segment seg = {.src_port = (uint16_t)(1024 + i % 60000),
                             .dst_port = 80,
                             .flags = PL_TCP_SYN,
                             .seq = {mixed},
                             .window_raw = 65535};
    uint32_t at = pl_ip_write(out, &ip, 1);
    pl_tcp_put_mss(out + at + PL_TCP_HEADER, 1460);
    pl_tcp_write(out + at, &seg, 4);
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    sum = pl_sum_add(sum, out + at, ip.payload_len);
    pl_put16(out + at + 16, (uint16_t)~pl_sum_fold(sum));
    return at + ip.payload_len;
}

/* 100,000 SYNs a second for so long, in batches of what a device hands over at once. */
static void flood(uint32_t *serial, uint64_t ns) {
    plait_time end = pair.now + ns;
    while (pair.now < end) {
        for (unsigned i = 0; i < BATCH; i++) {
            uint8_t packet[64];
            uint32_t len = make_syn((*serial)++, packet);
            struct plait_buf *buf = plait_buf_alloc(&pair.env[PAIR_B].env, len);
            assert_non_null(buf);
            memcpy(buf->data, packet, len);
            buf->len = len;
            plait_input(B, pair.path[0].port[PAIR_B], buf, NULL, pair.now);
            plait_buf_unref(buf);
        }
        pair_run(&pair, SECOND / SYN_RATE * BATCH);
    }
}

/* What the flood makes us answer goes nowhere, as it would with forged sources. */
static bool only_to_a(struct stack_pair *p, unsigned from, unsigned path, uint8_t *packet,
                      uint32_t len) {
    (void)p, (void)path, (void)len;
    return from == PAIR_B && packet[0] >> 4 == 4 && packet[16] == 11;
}

/* RFC 4987 section 3.6. Four clients in a second of flood: each connects within a retransmission of
 * its SYN, and moves its bytes; memory does not grow with the flood. */
static void test_a_syn_flood(void **state) {
    (void)state;
    uint32_t serial = 0;
    uint64_t held_max = 0;
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 80);
    pair.filter = only_to_a;
    flood(&serial, 50 * MS);
    for (unsigned i = 0; i < 4; i++) {
        plait_sock client = open_on(A), server = 0;
        assert_int_equal(plait_connect(A, client, &remote, pair.now), 0);
        flood(&serial, 20 * MS);
        assert_int_equal(plait_accept(B, listener, &server), 0);
        assert_int_equal(plait_write(A, client, "legitimate", 10, pair.now), 10);
        flood(&serial, 200 * MS);
        char got[16];
        assert_int_equal(plait_read(B, server, got, sizeof(got), pair.now), 10);
        assert_int_equal(pair_get(&pair, PAIR_B, server, PLAIT_OPT_IS_MPTCP), 1);
        held_max = pair.env[PAIR_B].live_bytes > held_max ? pair.env[PAIR_B].live_bytes : held_max;
    }
    assert_true(serial > 90000);
    assert_int_equal(connections(PAIR_B), 16 + 4);
    assert_int_equal(pair_counter(&pair, PAIR_B, PLAIT_COUNTER_SyncookiesRecv), 4);
    assert_true(held_max < 1 << 20);
}

/* Without cookies the same flood shuts everybody out: what the test above is worth. */
static void test_the_same_without_cookies(void **state) {
    (void)state;
    uint32_t serial = 0;
    plait_sock client = open_on(A), server = 0;
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 80);
    pair.filter = only_to_a;
    pair.stack[PAIR_B]->ctx.config.syn_cookies = PLAIT_SYN_COOKIES_NEVER;
    flood(&serial, 5 * MS);
    assert_int_equal(plait_connect(A, client, &remote, pair.now), 0);
    flood(&serial, 100 * MS);
    assert_int_equal(plait_accept(B, listener, &server), PLAIT_E_AGAIN);
}

#define WAITING_TEST(f) cmocka_unit_test_setup_teardown(f, setup_listener, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WAITING_TEST(test_a_syn_flood),
        WAITING_TEST(test_the_same_without_cookies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

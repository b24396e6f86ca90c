/* stack/output: headers, checksums whole and partial, turns. Every packet that is taken has its
 * checksum verified. */
#include "stack/output.h"

#include "stack_test.h"

static void dial_from(plait_port_id id, const char *remote) {
    plait_sock sock = 0;
    struct plait_endpoint to = {.addr = addr(remote), .port = 80};
    assert_int_equal(plait_open(stack, &sock), 0);
    assert_int_equal(plait_bind(stack, sock, id, NULL, 0), 0);
    assert_int_equal(plait_connect(stack, sock, &to, now), 0);
}

static void test_whole_checksums(void **state) {
    (void)state;
    struct pl_ip ip;
    struct pl_segment seg;
    dial_from(port, "10.0.0.1");
    assert_true(take(&ip, &seg));
    assert_false(tx.needs_csum);
    assert_int_equal(ip.hops, 64);
    dial_from(port, "fd00::1");
    assert_true(take(&ip, &seg));
    assert_int_equal(ip.header_len, 40);
    assert_int_equal(counter(PLAIT_COUNTER_OutPackets), 2);
    assert_true(counter(PLAIT_COUNTER_OutBytes) >= 20 + 40 + 2 * 20); /* the headers */
    expect_silence();
}

static void test_partial_checksums(void **state) {
    (void)state;
    plait_port_id offload = add_port(PLAIT_PORT_TX_CSUM);
    assert_true(add_address(offload, "10.0.1.2") > 0);
    assert_true(add_address(offload, "fd00:1::2") > 0);
    const char *remotes[] = {"10.0.1.1", "fd00:1::1"};
    for (unsigned i = 0; i < 2; i++) {
        struct pl_ip ip;
        struct pl_segment seg;
        dial_from(offload, remotes[i]);
        assert_true(take_from(offload, &ip, &seg));
        assert_true(tx.needs_csum);
        assert_int_equal(tx.csum_start, ip.header_len);
        assert_int_equal(tx.csum_offset, 16);
        uint8_t *tcp = tx.header + ip.header_len; /* what the device does with it */
        uint64_t sum = pl_sum_add(0, tcp, tx.header_len - ip.header_len);
        pl_put16(tcp + 16, (uint16_t)~pl_sum_fold(sum));
        sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
        sum = pl_sum_add(sum, tcp, tx.header_len - ip.header_len);
        assert_int_equal(pl_sum_fold(sum), 0xffff);
    }
}

static void test_identifications_go_on(void **state) {
    (void)state;
    struct pl_ip ip;
    struct pl_segment seg;
    uint16_t before = 0;
    for (unsigned i = 0; i < 5; i++) {
        dial_from(port, "10.0.0.1");
        assert_true(take(&ip, &seg));
        uint16_t ident = pl_get16(tx.header + 4);
        assert_true(i == 0 || ident == (uint16_t)(before + 1));
        before = ident;
    }
}

static void test_a_batch_and_its_bound(void **state) {
    (void)state;
    static struct plait_tx batch[8];
    for (unsigned i = 0; i < 10; i++) {
        dial_from(port, "10.0.0.1");
    }
    struct made m = syn_to(9);
    send_made(&m);
    assert_int_equal(plait_output(stack, port, batch, 0, now), 0);
    assert_int_equal(plait_output(stack, port, NULL, 8, now), 0);
    assert_int_equal(plait_output(stack, port, batch, 8, now), 8);
    struct pl_segment seg; /* what has no connection goes first */
    assert_int_equal(pl_tcp_parse(batch[0].header + 20, batch[0].header_len - 20, &seg), PL_TCP_OK);
    assert_int_equal(seg.flags, PL_TCP_RST | PL_TCP_ACK);
    assert_true(plait_output_pending(stack, port));
    assert_int_equal(plait_output(stack, port, batch, 8, now), 3);
    assert_false(plait_output_pending(stack, port));
}

/* The mark goes with every packet of its socket and with no other. */
static void test_mark(void **state) {
    (void)state;
    struct plait_endpoint to = {.addr = addr("10.0.0.1"), .port = 80};
    struct pl_ip ip;
    struct pl_segment seg;
    plait_sock sock = 0;
    assert_int_equal(plait_open(stack, &sock), 0);
    assert_int_equal(plait_set(stack, sock, PLAIT_OPT_MARK, 0xdeadbeef), 0);
    assert_int_equal(plait_connect(stack, sock, &to, now), 0);
    assert_true(take(&ip, &seg));
    assert_int_equal(tx.mark, 0xdeadbeef);
    dial_from(port, "10.0.0.1");
    assert_true(take(&ip, &seg));
    assert_int_equal(tx.mark, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_whole_checksums),
        TEST(test_partial_checksums),
        TEST(test_identifications_go_on),
        TEST(test_a_batch_and_its_bound),
        TEST(test_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

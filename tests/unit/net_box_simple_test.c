/* net/box_simple: the kinds that need nothing but the packet. */
#include "net_chain_pair.h"

static void translates_and_rebinds(void **state) {
    struct pl_box_config config = {.kind = PL_BOX_KIND_REBIND,
                                   .ways = PL_BOX_WAY_BOTH,
                                   .after_bytes = 3,
                                   .port_first = 20000,
                                   .outside = {{.bytes = {1, 2, 3, 4}, .family = PLAIT_IPV4}}};
    (void)state;
    assert_int_equal(pl_chain_init(&chain, &memory.env, &config, 1, take_output, NULL), 0);
    send_data(1000, "abc");
    assert_int_equal(outputs[0].ip.src.bytes[0], 1);
    uint16_t first = outputs[0].seg.src_port;
    send_data(1003, "def");
    assert_int_not_equal(outputs[1].seg.src_port, first);
    pl_chain_rebind(&chain);
    send_data(1006, "ghi");
    assert_int_not_equal(outputs[2].seg.src_port, outputs[1].seg.src_port);
    close_chain();
}

static void numbers_of_both_sides_change(void **state) {
    (void)state;
    open_box("reseq");
    send_data(1000, "abc");
    send_ack(1003);
    assert_int_not_equal(outputs[0].seg.seq.v, 1000);
    assert_int_not_equal(outputs[1].seg.seq.v, 9000);
    uint32_t delta = outputs[1].seg.seq.v - 9000;
    assert_int_equal(outputs[0].seg.ack.v + delta, 9000); /* it is taken off again */
    close_chain();
}

static void strip_one(const char *text, bool syn, bool syn_ack, bool data, bool ack) {
    const bool left[4] = {syn, syn_ack, data, ack};
    open_box(text);
    enter(PL_BOX_OUT, PL_TCP_SYN, 999, 0, NULL, 0, 0);
    enter(PL_BOX_IN, PL_TCP_SYN | PL_TCP_ACK, 8999, 1000, NULL, 0, 0);
    send_data(1000, "abc");
    send_ack(1003);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(has_mptcp(i), left[i]);
        assert_true(outputs[i].seg.options.has_timestamps);
    }
    assert_int_equal(pl_chain_acted(&chain, 0), 4 - syn - syn_ack - data - ack);
    close_chain();
}

static void strips(void **state) {
    (void)state;
    strip_one("strip-syn", false, true, true, true);
    strip_one("strip-synack", true, false, true, true);
    strip_one("strip-data", true, true, false, true);
    strip_one("strip-ack", true, true, true, false);
    strip_one("strip-other", true, true, false, false);
}

static void drops_syns(void **state) {
    (void)state;
    open_box("drop-syn");
    enter(PL_BOX_OUT, PL_TCP_SYN, 999, 0, NULL, 0, 0);
    assert_int_equal(output_count, 0);
    enter(PL_BOX_IN, PL_TCP_SYN | PL_TCP_ACK, 8999, 1000, NULL, 0, 0);
    send_data(1000, "abc");
    assert_int_equal(output_count, 2);
    close_chain();
}

static void cuts_payload_of_syns(void **state) {
    (void)state;
    open_box("syn-data");
    enter(PL_BOX_OUT, PL_TCP_SYN, 999, 0, "early", 5, 0);
    assert_int_equal(outputs[0].seg.payload_len, 0);
    assert_true(has_mptcp(0));
    send_data(1000, "abc");
    assert_data(1, 1000, "abc");
    assert_int_equal(pl_chain_acted(&chain, 0), 1);
    close_chain();
}

/* By position: a repetition, cut otherwise, has the same bytes. */
static void rewrites_by_position(void **state) {
    struct pl_box_config config = {
        .kind = PL_BOX_KIND_REWRITE, .ways = PL_BOX_WAY_BOTH, .every_bytes = 4};
    (void)state;
    assert_int_equal(pl_chain_init(&chain, &memory.env, &config, 1, take_output, NULL), 0);
    send_data(1000, "ABCDEFGHIJ");
    assert_data(0, 1000, "aBCDeFGHiJ");
    send_data(1002, "CDEFGH");
    assert_data(1, 1002, "CDeFGH");
    close_chain();
}

static void duplicates_with_and_without(void **state) {
    (void)state;
    open_box("dup");
    send_data(1000, "abc");
    assert_data(0, 1000, "abc");
    assert_data(1, 1000, "abc");
    assert_true(has_mptcp(0) && has_mptcp(1));
    close_chain();
    open_box("dup-bare");
    send_data(1000, "abc");
    assert_int_equal(output_count, 2);
    assert_false(has_mptcp(0));
    assert_true(has_mptcp(1));
    close_chain();
}

/* An announcement of 10.0.0.9; the HMAC is 5. */
static void announce(void) {
    const struct plait_rx_meta none = {0};
    struct pl_mptcp_options o = {0};
    uint8_t options[40];
    o.add_addr.address_id = 3;
    o.add_addr.addr = (struct plait_addr){.bytes = {10, 0, 0, 9}, .family = PLAIT_IPV4};
    o.add_addr.hmac = 5;
    uint32_t len = pl_mptcp_write(options, PL_MP_ADD_ADDR, &o);
    struct pl_segment seg = {.src_port = 80, .dst_port = 4000, .flags = PL_TCP_ACK};
    struct pl_ip ip = {.src = server.addr,
                       .dst = client.addr,
                       .protocol = PL_IP_TCP,
                       .hops = 64,
                       .payload_len = 20 + len};
    struct plait_buf *buf = plait_buf_alloc(&memory.env, 100);
    uint32_t at = pl_ip_write(buf->data, &ip, 0);
    memcpy(buf->data + at + 20, options, len);
    pl_tcp_write(buf->data + at, &seg, len);
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, 20 + len);
    pl_put16(buf->data + at + 16,
             (uint16_t)~pl_sum_fold(pl_sum_add(sum, buf->data + at, 20 + len)));
    buf->len = at + 20 + len;
    pl_chain_send(&chain, PL_BOX_IN, buf, &none, 0);
    plait_buf_unref(buf);
}

static void announcements_go_or_change(void **state) {
    (void)state;
    open_box("add-addr-drop");
    announce();
    assert_false(has_mptcp(0));
    close_chain();
    open_box("add-addr-alter");
    announce();
    assert_true(pl_mptcp_has(&outputs[0].seg.options.mptcp, PL_MP_ADD_ADDR));
    assert_int_not_equal(outputs[0].seg.options.mptcp.add_addr.addr.bytes[0], 10);
    assert_int_equal(outputs[0].seg.options.mptcp.add_addr.hmac, 5);
    close_chain();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(translates_and_rebinds, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_of_both_sides_change, setup, teardown),
        cmocka_unit_test_setup_teardown(strips, setup, teardown),
        cmocka_unit_test_setup_teardown(drops_syns, setup, teardown),
        cmocka_unit_test_setup_teardown(cuts_payload_of_syns, setup, teardown),
        cmocka_unit_test_setup_teardown(rewrites_by_position, setup, teardown),
        cmocka_unit_test_setup_teardown(duplicates_with_and_without, setup, teardown),
        cmocka_unit_test_setup_teardown(announcements_go_or_change, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

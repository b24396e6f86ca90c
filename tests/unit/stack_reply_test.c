/* stack/reply: which reset answers what (RFC 9293 section 3.10.7.1). */
#include "stack/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/addr.h"

static struct pl_reply_ring ring;

static struct plait_addr addr(const char *text) {
    struct plait_addr out;
    assert_true(pl_addr_parse(text, &out));
    return out;
}

static struct pl_ip between(const char *src, const char *dst) {
    return (struct pl_ip){.src = addr(src), .dst = addr(dst), .protocol = PL_IP_TCP};
}

static int setup(void **state) {
    (void)state;
    ring = (struct pl_reply_ring){0};
    return 0;
}

static struct pl_segment segment(uint8_t flags) {
    return (struct pl_segment){.src_port = 1000,
                               .dst_port = 80,
                               .seq = {500},
                               .ack = {700},
                               .flags = flags,
                               .payload_len = 10};
}

static void test_without_ack_the_reset_acknowledges(void **state) {
    (void)state;
    struct pl_ip ip = between("10.0.0.1", "10.0.0.2");
    struct pl_segment syn = segment(PL_TCP_SYN | PL_TCP_FIN);
    assert_true(pl_reply_reset(&ring, &ip, &syn, -1));
    struct pl_reply reply;
    assert_true(pl_reply_take(&ring, &reply));
    assert_int_equal(reply.flags, PL_TCP_RST | PL_TCP_ACK);
    assert_int_equal(reply.seq.v, 0);
    assert_int_equal(reply.ack.v, 500 + 10 + 2);
    assert_int_equal(reply.src_port, 80);
    assert_int_equal(reply.dst_port, 1000);
    assert_true(pl_addr_equal(&reply.src, &ip.dst));
    assert_true(pl_addr_equal(&reply.dst, &ip.src));
    assert_int_equal(reply.options_len, 0);
    assert_false(pl_reply_take(&ring, &reply));
}

static void test_with_ack_the_reset_has_its_number(void **state) {
    (void)state;
    struct pl_ip ip = between("fd00::1", "fd00::2");
    struct pl_segment ack = segment(PL_TCP_ACK);
    assert_true(pl_reply_reset(&ring, &ip, &ack, -1));
    struct pl_reply reply;
    assert_true(pl_reply_take(&ring, &reply));
    assert_int_equal(reply.flags, PL_TCP_RST);
    assert_int_equal(reply.seq.v, 700);
    assert_int_equal(reply.ack.v, 0);
}

static void test_a_reason_becomes_mp_tcprst(void **state) {
    (void)state;
    struct pl_ip ip = between("10.0.0.1", "10.0.0.2");
    struct pl_segment syn = segment(PL_TCP_SYN);
    assert_true(pl_reply_reset(&ring, &ip, &syn, 3));
    struct pl_reply reply;
    assert_true(pl_reply_take(&ring, &reply));
    assert_int_equal(reply.options_len, 4);
    struct pl_mptcp_options options = {0};
    pl_mptcp_parse(reply.options, 4, false, true, &options);
    assert_true(pl_mptcp_has(&options, PL_MP_TCPRST));
    assert_int_equal(options.tcprst.reason, 3);
}

static void test_what_is_never_answered(void **state) {
    (void)state;
    struct pl_segment syn = segment(PL_TCP_SYN), rst = segment(PL_TCP_RST | PL_TCP_ACK);
    struct pl_ip ip = between("10.0.0.1", "10.0.0.2");
    assert_false(pl_reply_reset(&ring, &ip, &rst, -1));
    const char *bad4[] = {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "0.1.2.3"};
    for (size_t i = 0; i < sizeof(bad4) / sizeof(bad4[0]); i++) {
        struct pl_ip from = between(bad4[i], "10.0.0.2"), to = between("10.0.0.1", bad4[i]);
        assert_false(pl_reply_reset(&ring, &from, &syn, -1));
        assert_false(pl_reply_reset(&ring, &to, &syn, -1));
    }
    const char *bad6[] = {"::", "::1", "ff02::1"};
    for (size_t i = 0; i < sizeof(bad6) / sizeof(bad6[0]); i++) {
        struct pl_ip from = between(bad6[i], "fd00::1");
        assert_false(pl_reply_reset(&ring, &from, &syn, -1));
    }
    assert_int_equal(ring.count, 0);
}

static void test_the_ring_is_bounded(void **state) {
    (void)state;
    struct pl_ip ip = between("10.0.0.1", "10.0.0.2");
    struct pl_reply reply;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < PL_REPLY_RING; i++) {
            struct pl_segment syn = segment(PL_TCP_SYN);
            syn.src_port = (uint16_t)(i + 1);
            assert_true(pl_reply_reset(&ring, &ip, &syn, -1));
        }
        struct pl_segment syn = segment(PL_TCP_SYN);
        assert_false(pl_reply_reset(&ring, &ip, &syn, -1));
        for (unsigned i = 0; i < PL_REPLY_RING; i++) {
            assert_true(pl_reply_take(&ring, &reply));
            assert_int_equal(reply.dst_port, i + 1);
        }
    }
    assert_false(pl_reply_take(&ring, &reply));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_without_ack_the_reset_acknowledges, setup),
        cmocka_unit_test_setup(test_with_ack_the_reset_has_its_number, setup),
        cmocka_unit_test_setup(test_a_reason_becomes_mp_tcprst, setup),
        cmocka_unit_test_setup(test_what_is_never_answered, setup),
        cmocka_unit_test_setup(test_the_ring_is_bounded, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* stack/syn: SYNs without a flow: joins, listeners, and neither. */
#include "stack/syn.h"

#include "stack_test.h"

/* Takes the reset that answers a SYN; its MP_TCPRST reason, or -1 without one. */
static int reset_reason(void) {
    struct pl_ip ip;
    struct pl_segment seg;
    assert_true(take(&ip, &seg));
    assert_int_equal(seg.flags, PL_TCP_RST | PL_TCP_ACK);
    if (!pl_mptcp_has(&seg.options.mptcp, PL_MP_TCPRST)) {
        return -1;
    }
    return seg.options.mptcp.tcprst.reason;
}

static struct made join_to(uint16_t dst_port, uint32_t token) {
    struct made m = syn_to(dst_port);
    struct pl_mptcp_options options = {.join = {.len = 12, .token = token, .nonce = 9}};
    m.options_len = pl_mptcp_write(m.options, PL_MP_JOIN, &options);
    assert_int_equal(m.options_len, 12);
    return m;
}

static void test_joins_with_an_unknown_token(void **state) {
    (void)state;
    listen_on(0, NULL, 80);
    struct made m = join_to(80, 0x12345678);
    send_made(&m);
    assert_int_equal(reset_reason(), 1);
    m = join_to(81, 0x12345678);
    send_made(&m);
    assert_int_equal(reset_reason(), 1);
    assert_int_equal(counter(PLAIT_COUNTER_MPJoinNoTokenFound), 2);
    assert_int_equal(counter(PLAIT_COUNTER_MPRstTx), 2);
    expect_silence();
}

static void test_without_listener(void **state) {
    (void)state;
    struct made m = syn_to(80);
    send_made(&m);
    assert_int_equal(reset_reason(), -1);
    assert_int_equal(counter(PLAIT_COUNTER_MPRstTx), 0);
}

static void test_a_listener_answers(void **state) {
    (void)state;
    listen_on(0, NULL, 80);
    struct made m = syn_to(80);
    send_made(&m);
    struct pl_ip ip;
    struct pl_segment seg;
    assert_true(take(&ip, &seg));
    assert_int_equal(seg.flags, PL_TCP_SYN | PL_TCP_ACK);
    assert_int_equal(seg.ack.v, 5001);
    struct plait_stack_stats stats = {0};
    plait_stack_stats(stack, &stats);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.subflows, 1);
    assert_int_equal(counter(PLAIT_COUNTER_PassiveOpens), 1);
}

static void test_malformed_syns_are_dropped(void **state) {
    (void)state;
    listen_on(0, NULL, 80);
    struct made m = syn_to(80);
    m.flags = PL_TCP_SYN | PL_TCP_FIN;
    send_made(&m);
    m = syn_to(80);
    m.src_port = 0;
    send_made(&m);
    m = syn_to(0);
    send_made(&m);
    assert_int_equal(counter(PLAIT_COUNTER_DropBadState), 3);
    expect_silence();
}

/* The "land" attack. */
static void test_a_syn_from_ourselves(void **state) {
    (void)state;
    listen_on(0, NULL, 80);
    struct made m = syn_to(80);
    m.src = m.dst;
    m.src_port = m.dst_port;
    send_made(&m);
    expect_silence();
    assert_int_equal(counter(PLAIT_COUNTER_DropBadState), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_joins_with_an_unknown_token), TEST(test_without_listener),
        TEST(test_a_listener_answers),          TEST(test_malformed_syns_are_dropped),
        TEST(test_a_syn_from_ourselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

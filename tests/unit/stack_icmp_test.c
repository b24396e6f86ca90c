/* stack/icmp: errors are believed when they are about a segment in flight, and only so far. */
#include "stack/icmp.h"

#include "stack_test.h"
#include "tcp/state.h"

static plait_sock sock;
static uint8_t syn[200]; /* what was sent: the start of every ICMP error */
static size_t syn_len;

static void dial(const char *text) {
    struct plait_endpoint remote = {.addr = addr(text), .port = 80};
    struct pl_ip ip;
    struct pl_segment seg;
    assert_int_equal(plait_open(stack, &sock), 0);
    assert_int_equal(plait_connect(stack, sock, &remote, now), 0);
    assert_true(take(&ip, &seg));
    memcpy(syn, tx.header, tx.header_len);
    syn_len = tx.header_len;
}

/* Makes the quoted packet say that it was so long. */
static void quote_length(uint16_t len) {
    bool v4 = syn[0] >> 4 == 4;
    pl_put16(syn + (v4 ? 2 : 4), v4 ? len : (uint16_t)(len - 40));
}

/* An ICMP error from 10.9.9.9 (fd00::9) about `syn`. */
static void icmp(uint8_t type, uint8_t code, uint32_t mtu) {
    bool v4 = syn[0] >> 4 == 4;
    uint8_t packet[400];
    struct pl_ip ip = {.src = addr(v4 ? "10.9.9.9" : "fd00::9"),
                       .dst = addr(v4 ? "10.0.0.2" : "fd00::2"),
                       .protocol = v4 ? PL_IP_ICMP : PL_IP_ICMP6,
                       .hops = 60,
                       .payload_len = (uint32_t)(8 + syn_len)};
    uint32_t at = pl_ip_write(packet, &ip, 7);
    uint8_t *message = packet + at;
    memset(message, 0, 8);
    message[0] = type;
    message[1] = code;
    pl_put32(message + 4, mtu);
    memcpy(message + 8, syn, syn_len);
    uint64_t sum = v4 ? 0 : pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_ICMP6, ip.payload_len);
    sum = pl_sum_add(sum, message, ip.payload_len);
    pl_put16(message + 2, (uint16_t)~pl_sum_fold(sum));
    input(packet, at + ip.payload_len);
}

static int64_t option(enum plait_option which) {
    int64_t value = 0;
    assert_int_equal(plait_get(stack, sock, which, &value), 0);
    return value;
}

static uint32_t mtu_of_flow(void) {
    for (uint32_t i = 0; i < stack->flows.bucket_count; i++) {
        struct pl_hash_node *node = stack->flows.buckets[i];
        if (node != NULL) {
            return pl_subflow_tcp(pl_subflow_of_flow_node(node))->snd.mtu;
        }
    }
    return 0;
}

static void test_too_big(void **state) {
    (void)state;
    dial("10.0.0.1");
    assert_int_equal(mtu_of_flow(), 1500);
    icmp(3, 4, 1400); /* 1400 were not too small for 60 */
    icmp(3, 4, 100);
    assert_int_equal(mtu_of_flow(), 1500);
    assert_int_equal(counter(PLAIT_COUNTER_DropIcmp), 2);
    quote_length(1500);
    icmp(3, 4, 9000);
    assert_int_equal(mtu_of_flow(), 1500);
    icmp(3, 4, 1400);
    assert_int_equal(mtu_of_flow(), 1400);
    icmp(3, 4, 1450); /* RFC 8201 section 4: an error never raises the estimate */
    assert_int_equal(mtu_of_flow(), 1400);
    icmp(3, 4, 68);
    assert_int_equal(mtu_of_flow(), 576);
    assert_int_equal(counter(PLAIT_COUNTER_IcmpTooBig), 3);
}

static void test_too_big_without_a_size(void **state) {
    (void)state;
    dial("10.0.0.1");
    quote_length(1500);
    icmp(3, 4, 0);
    assert_int_equal(mtu_of_flow(), 1492); /* RFC 1191 section 7.1's plateaus, one after another */
    quote_length(1492);
    icmp(3, 4, 0);
    assert_int_equal(mtu_of_flow(), 1006);
    quote_length(1006);
    icmp(3, 4, 0);
    assert_int_equal(mtu_of_flow(), 576);
}

static void test_too_big_v6(void **state) {
    (void)state;
    dial("fd00::1");
    quote_length(1500);
    icmp(2, 0, 1300);
    assert_int_equal(mtu_of_flow(), 1300);
    icmp(2, 0, 600);
    assert_int_equal(mtu_of_flow(), 1280);
}

static void test_port_unreachable_refuses(void **state) {
    (void)state;
    dial("10.0.0.1");
    icmp(3, 3, 0);
    assert_int_equal(option(PLAIT_OPT_STATE), PLAIT_SOCKET_DEAD);
    assert_int_equal(option(PLAIT_OPT_ERROR), PLAIT_E_REFUSED);
    assert_int_equal(counter(PLAIT_COUNTER_IcmpUnreachable), 1);
}

static int soft_error(void) {
    struct plait_subflow_info info = {0};
    assert_int_equal(plait_subflows(stack, sock, &info, 1), 1);
    return info.soft_error;
}

/* RFC 9293 sections 3.9.1.8 and 3.9.2.2: it can be asked for, and it is why the attempt failed. */
static void test_net_unreachable_is_soft(void **state) {
    (void)state;
    dial("10.0.0.1");
    assert_int_equal(soft_error(), 0);
    icmp(3, 0, 0);
    assert_int_equal(option(PLAIT_OPT_STATE), PLAIT_SOCKET_CONNECTING);
    assert_int_equal(soft_error(), PLAIT_E_HOST_UNREACHABLE);
    struct pl_ip ip;
    struct pl_segment seg;
    for (unsigned i = 0; i < 1000 && option(PLAIT_OPT_STATE) != PLAIT_SOCKET_DEAD; i++) {
        while (take(&ip, &seg)) {
        }
        now = plait_deadline(stack);
        plait_tick(stack, now);
    }
    assert_int_equal(option(PLAIT_OPT_ERROR), PLAIT_E_HOST_UNREACHABLE);
}

/* Another sequence number, another flow, or not an error: counted and ignored. */
static void test_what_is_not_believed(void **state) {
    (void)state;
    dial("10.0.0.1");
    uint32_t seq = pl_get32(syn + 24);
    pl_put32(syn + 24, seq + 1);
    icmp(3, 3, 0);
    pl_put32(syn + 24, seq - 1);
    icmp(3, 4, 600);
    pl_put32(syn + 24, seq);
    pl_put16(syn + 20, (uint16_t)(pl_get16(syn + 20) + 1));
    icmp(3, 3, 0);
    icmp(8, 0, 0);
    assert_int_equal(counter(PLAIT_COUNTER_DropIcmp), 4);
    assert_int_equal(counter(PLAIT_COUNTER_IcmpIn), 4);
    assert_int_equal(option(PLAIT_OPT_STATE), PLAIT_SOCKET_CONNECTING);
    assert_int_equal(mtu_of_flow(), 1500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_too_big),
        TEST(test_too_big_without_a_size),
        TEST(test_too_big_v6),
        TEST(test_port_unreachable_refuses),
        TEST(test_net_unreachable_is_soft),
        TEST(test_what_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

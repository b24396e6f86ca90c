/* sim/too_big: the message is one that the stack's parser takes, and names the flow. */
#include "sim/too_big.h"

#include "box_packet.h"
#include "testenv.h"
#include "wire/icmp.h"

static void message_is_parsed(void **state) {
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        struct test_env env;
        struct plait_endpoint from = {box_addr(v6 != 0, 1), 4000}, to = {box_addr(v6 != 0, 2), 80};
        struct box_packet p = box_packet_make(&from, &to, PL_TCP_ACK, NULL, 0);
        struct pl_ip ip;
        struct pl_icmp_error error;
        test_env_init(&env, 1);
        struct plait_buf *packet = plait_buf_alloc(&env.env, p.len);
        memcpy(packet->data, p.data, p.len);
        packet->len = p.len;
        struct plait_buf *message = pl_too_big_message(&env.env, packet, 1300);
        assert_non_null(message);
        assert_int_equal(pl_ip_parse(message->data, message->len, &ip), PL_IP_OK);
        assert_true(pl_addr_equal(&ip.dst, &from.addr));
        assert_true(pl_icmp_parse(&ip, message->data + ip.header_len, ip.payload_len, &error));
        assert_int_equal(error.kind, PL_ICMP_TOO_BIG);
        assert_int_equal(error.mtu, 1300);
        assert_int_equal(error.inner_src_port, 4000);
        assert_int_equal(error.inner_seq.v, 1000);
        plait_buf_unref(message);
        packet->data[v6 != 0 ? 6 : 9] = PL_IP_UDP;
        assert_null(pl_too_big_message(&env.env, packet, 1300));
        plait_buf_unref(packet);
        assert_int_equal(env.live_count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(message_is_parsed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

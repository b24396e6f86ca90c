/* net/box_nat: translation there and back, unknown mappings, rebinding, a full table. */
#include "box_packet.h"
#include "net/box.h"

static struct plait_endpoint endpoint(uint8_t last, uint16_t port) {
    return (struct plait_endpoint){box_addr(false, last), port};
}

/* Sends from `inside` to `server`; returns the port seen outside. */
static uint16_t send_out(struct pl_nat *nat, struct plait_endpoint inside,
                         struct plait_endpoint server) {
    struct box_packet p = box_packet_make(&inside, &server, PL_TCP_SYN, NULL, 0);
    struct pl_ip ip;
    struct pl_segment seg;
    assert_true(pl_nat_pass(nat, PL_BOX_OUT, p.data, p.len));
    assert_true(box_packet_valid(&p, &ip, &seg));
    assert_true(pl_addr_equal(&ip.src, &nat->outside));
    assert_int_equal(seg.dst_port, server.port);
    return seg.src_port;
}

/* Sends from `server` to the outside port; false when it is dropped. */
static bool send_in(struct pl_nat *nat, struct plait_endpoint server, uint16_t port,
                    struct pl_ip *ip, struct pl_segment *seg) {
    struct plait_endpoint outside = {nat->outside, port};
    struct box_packet p = box_packet_make(&server, &outside, PL_TCP_ACK, NULL, 0);
    bool passed = pl_nat_pass(nat, PL_BOX_IN, p.data, p.len);
    assert_true(box_packet_valid(&p, ip, seg));
    return passed;
}

static void translates_both_ways(void **state) {
    struct pl_nat nat;
    struct pl_ip ip;
    struct pl_segment seg;
    struct plait_addr outside = box_addr(false, 250);
    struct plait_endpoint a = endpoint(1, 4000), b = endpoint(2, 4000), server = endpoint(9, 80);
    (void)state;
    pl_nat_init(&nat, &outside, 20000);
    uint16_t port_a = send_out(&nat, a, server);
    uint16_t port_b = send_out(&nat, b, server);
    assert_int_not_equal(port_a, port_b);
    assert_int_equal(send_out(&nat, a, endpoint(8, 443)), port_a);
    assert_true(send_in(&nat, server, port_b, &ip, &seg));
    assert_true(pl_addr_equal(&ip.dst, &b.addr));
    assert_int_equal(seg.dst_port, 4000);
    assert_false(send_in(&nat, server, 3, &ip, &seg));
}

static void rebinding_forgets(void **state) {
    struct pl_nat nat;
    struct pl_ip ip;
    struct pl_segment seg;
    struct plait_addr outside = box_addr(false, 250), other = box_addr(false, 251);
    struct plait_endpoint a = endpoint(1, 4000), server = endpoint(9, 80);
    (void)state;
    pl_nat_init(&nat, &outside, 65535);
    uint16_t before = send_out(&nat, a, server);
    pl_nat_rebind(&nat, NULL);
    assert_false(send_in(&nat, server, before, &ip, &seg));
    uint16_t after = send_out(&nat, a, server);
    assert_int_not_equal(before, after);
    assert_true(send_in(&nat, server, after, &ip, &seg));
    pl_nat_rebind(&nat, &other);
    (void)send_out(&nat, a, server);
    assert_true(pl_addr_equal(&nat.outside, &other));
}

static void oldest_makes_room(void **state) {
    struct pl_nat nat;
    struct pl_ip ip;
    struct pl_segment seg;
    struct plait_addr outside = box_addr(false, 250);
    struct plait_endpoint server = endpoint(9, 80);
    (void)state;
    pl_nat_init(&nat, &outside, 20000);
    uint16_t first = send_out(&nat, endpoint(1, 1), server);
    uint16_t second = send_out(&nat, endpoint(1, 2), server);
    for (uint16_t i = 3; i <= PL_NAT_MAX + 1; i++) {
        (void)send_out(&nat, endpoint(1, i), server);
    }
    assert_false(send_in(&nat, server, first, &ip, &seg));
    assert_true(send_in(&nat, server, second, &ip, &seg));
}

static void zeroed_lets_pass(void **state) {
    struct pl_nat nat = {0};
    struct plait_endpoint a = endpoint(1, 4000), server = endpoint(9, 80);
    struct box_packet p = box_packet_make(&a, &server, PL_TCP_SYN, NULL, 0);
    struct box_packet was = p;
    (void)state;
    assert_true(pl_nat_pass(&nat, PL_BOX_OUT, p.data, p.len));
    assert_memory_equal(&p, &was, sizeof(p));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(translates_both_ways),
        cmocka_unit_test(rebinding_forgets),
        cmocka_unit_test(oldest_makes_room),
        cmocka_unit_test(zeroed_lets_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* stack/port: adding, removing, carrier and MTU. */
#include "stack/port.h"

#include "stack_test.h"

static int add(uint32_t mtu, uint32_t flags, size_t size, char last) {
    struct plait_port_config config = {.size = size, .mtu = mtu, .flags = flags};
    config.name[15] = last;
    plait_port_id id = 0;
    return plait_port_add(stack, &config, &id);
}

static void test_bad_settings(void **state) {
    (void)state;
    size_t size = sizeof(struct plait_port_config);
    plait_port_id id = 0;
    struct plait_port_config good = {.size = size, .mtu = 1500};
    assert_int_equal(add(575, 0, size, 0), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(add(65536, 0, size, 0), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(add(1500, 1 << 6, size, 0), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(add(1500, 0, size - 1, 0), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(add(1500, 0, size, 'x'), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_port_add(stack, NULL, &id), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_port_add(stack, &good, NULL), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(add(576, 0, size, 0), 0);
    assert_int_equal(add(65535, 63, size, 0), 0);
}

static void test_ports_are_bounded_and_ids_not_reused_soon(void **state) {
    (void)state;
    for (unsigned i = 2; i < PL_PORTS_MAX; i++) {
        assert_int_equal(add_port(0), i);
    }
    assert_int_equal(add(1500, 0, sizeof(struct plait_port_config), 0), PLAIT_E_LIMIT);
    assert_int_equal(plait_port_remove(stack, 5, now), 0);
    assert_int_equal(plait_port_remove(stack, 9, now), 0);
    assert_int_equal(add_port(0), 5);
    assert_int_equal(plait_port_remove(stack, 5, now), 0);
    assert_int_equal(add_port(0), 9);
    assert_int_equal(add_port(0), 5);
}

static void test_calls_for_no_port(void **state) {
    (void)state;
    assert_int_equal(plait_port_remove(stack, port, now), 0);
    plait_port_id ids[] = {0, port, 2, 64, UINT32_MAX};
    struct plait_addr a = addr("10.0.0.9");
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        assert_int_equal(plait_port_remove(stack, ids[i], now), PLAIT_E_BAD_PORT);
        assert_int_equal(plait_port_set_up(stack, ids[i], true, now), PLAIT_E_BAD_PORT);
        assert_int_equal(plait_port_set_mtu(stack, ids[i], 1500), PLAIT_E_BAD_PORT);
        assert_int_equal(plait_address_add(stack, ids[i], &a, 0, 0, 0, now), PLAIT_E_BAD_PORT);
        assert_int_equal(plait_address_remove(stack, ids[i], &a, now), PLAIT_E_BAD_PORT);
        assert_int_equal(plait_address_set_backup(stack, ids[i], &a, true, now), PLAIT_E_BAD_PORT);
        assert_false(plait_output_pending(stack, ids[i]));
    }
}

static void test_mtu_bounds(void **state) {
    (void)state;
    assert_int_equal(plait_port_set_mtu(stack, port, 1280), 0);
    assert_int_equal(plait_port_set_mtu(stack, port, 1279), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_port_set_mtu(stack, port, 65536), PLAIT_E_BAD_ARGUMENT);
    struct plait_addr v6 = addr("fd00::2");
    assert_int_equal(plait_address_remove(stack, port, &v6, now), 0);
    assert_int_equal(plait_port_set_mtu(stack, port, 576), 0);
    assert_int_equal(plait_port_set_mtu(stack, port, 575), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(add_address(port, "fd00::2"), PLAIT_E_BAD_ARGUMENT);
}

static plait_sock connect_to(const char *text) {
    plait_sock sock = 0;
    struct plait_endpoint remote = {.addr = addr(text), .port = 80};
    assert_int_equal(plait_open(stack, &sock), 0);
    assert_int_equal(plait_connect(stack, sock, &remote, now), 0);
    return sock;
}

static void expect_dead(plait_sock sock) {
    int64_t value = 0;
    assert_int_equal(plait_get(stack, sock, PLAIT_OPT_STATE, &value), 0);
    assert_int_equal(value, PLAIT_SOCKET_DEAD);
    assert_int_equal(plait_get(stack, sock, PLAIT_OPT_ERROR, &value), 0);
    assert_true(value < 0);
}

/* Without carrier a handshake waits, and a new one does not start. */
static void test_carrier_lost_while_connecting(void **state) {
    (void)state;
    plait_sock sock = connect_to("10.0.0.1"), other = 0;
    assert_true(plait_output_pending(stack, port));
    assert_int_equal(plait_port_set_up(stack, port, false, now), 0);
    assert_false(plait_output_pending(stack, port));
    assert_int_equal(plait_output(stack, port, &tx, 1, now), 0);
    assert_int_equal(plait_open(stack, &other), 0);
    struct plait_endpoint remote = {.addr = addr("10.0.0.1"), .port = 80};
    assert_int_equal(plait_connect(stack, other, &remote, now), PLAIT_E_NO_ADDRESS);
    assert_int_equal(plait_port_set_up(stack, port, true, now), 0);
    now += 2 * SECOND;
    plait_tick(stack, now);
    struct pl_ip ip;
    struct pl_segment seg;
    assert_true(take(&ip, &seg)); /* the SYN again */
    assert_int_equal(seg.flags, PL_TCP_SYN);
    assert_int_equal(plait_connect(stack, other, &remote, now), 0);
    assert_int_equal(plait_close(stack, sock, now), 0);
}

static void test_removal_while_connecting(void **state) {
    (void)state;
    plait_sock sock = connect_to("fd00::1");
    assert_int_equal(plait_port_remove(stack, port, now), 0);
    expect_dead(sock);
    struct plait_stack_stats stats = {0};
    plait_stack_stats(stack, &stats);
    assert_int_equal(stats.subflows, 0);
    plait_stack_check(stack);
    for (unsigned i = 0; i < 2 * PL_PORTS_MAX; i++) { /* goes round over the old struct */
        plait_port_id id = add_port(0);
        assert_int_equal(plait_port_remove(stack, id, now), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_bad_settings),
        TEST(test_ports_are_bounded_and_ids_not_reused_soon),
        TEST(test_calls_for_no_port),
        TEST(test_mtu_bounds),
        TEST(test_carrier_lost_while_connecting),
        TEST(test_removal_while_connecting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

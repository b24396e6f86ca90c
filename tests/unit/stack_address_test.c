/* stack/address: the endpoint table. */
#include "stack/address.h"

#include "stack_test.h"

static int add(const char *text, uint32_t flags, uint16_t announce_port, uint8_t id) {
    struct plait_addr a = addr(text);
    return plait_address_add(stack, port, &a, flags, announce_port, id, now);
}

static void test_ids(void **state) {
    (void)state; /* 1 and 2 are taken */
    assert_int_equal(add("10.0.0.3", 0, 0, 200), 200);
    assert_int_equal(add("10.0.0.4", 0, 0, 0), 3);
    assert_int_equal(add("10.0.0.5", 0, 0, 3), PLAIT_E_IN_USE);
    assert_int_equal(add("10.0.0.4", 0, 0, 0), PLAIT_E_IN_USE);
    struct plait_addr first = addr("10.0.0.2");
    assert_int_equal(plait_address_remove(stack, port, &first, now), 0);
    assert_int_equal(plait_address_remove(stack, port, &first, now), PLAIT_E_NO_ADDRESS);
    assert_int_equal(add("10.0.0.5", 0, 0, 0), 4); /* the one that was freed rests */
    for (unsigned i = 0; i < 300; i++) {
        struct plait_addr next = addr("10.0.0.9");
        int id = add("10.0.0.9", 0, 0, 0);
        assert_in_range(id, 1, 127);
        assert_true(id != 2 && id != 3 && id != 4);
        assert_int_equal(plait_address_remove(stack, port, &next, now), 0);
    }
}

static void test_bad_addresses(void **state) {
    (void)state;
    const char *bad[] = {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::", "ff02::1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(add(bad[i], 0, 0, 0), PLAIT_E_BAD_ARGUMENT);
    }
    struct plait_addr a = addr("10.0.0.9");
    a.bytes[15] = 1; /* equal addresses must have equal bytes */
    assert_int_equal(plait_address_add(stack, port, &a, 0, 0, 0, now), PLAIT_E_BAD_ARGUMENT);
    a.family = 5;
    assert_int_equal(plait_address_add(stack, port, &a, 0, 0, 0, now), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_address_add(stack, port, NULL, 0, 0, 0, now), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_address_remove(stack, port, NULL, now), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_address_set_backup(stack, port, NULL, true, now), PLAIT_E_BAD_ARGUMENT);
}

static void test_flags(void **state) {
    (void)state;
    assert_int_equal(add("10.0.0.3", 16, 0, 0), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(add("10.0.0.3", PLAIT_ADDRESS_SIGNAL | PLAIT_ADDRESS_FULLMESH, 0, 0),
                     PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(add("10.0.0.3", PLAIT_ADDRESS_SUBFLOW, 8080, 0), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(add("10.0.0.3", PLAIT_ADDRESS_SIGNAL, 8080, 0), 3);
    const struct pl_local_endpoint *ep = pl_endpoints_by_id(&stack->endpoints, 3);
    assert_int_equal(ep->announce_port, 8080);
    assert_true(ep->up);
    assert_false(ep->backup);
}

static int announce(const char *inside, const char *outside) {
    struct plait_addr in = addr(inside), out = addr(outside);
    return plait_address_announce(stack, port, &in, &out, now);
}

static void test_announced_from_outside(void **state) {
    (void)state;
    struct plait_addr a = addr("10.0.0.3");
    assert_int_equal(announce("10.0.0.3", "192.0.2.1"), PLAIT_E_NO_ADDRESS);
    assert_int_equal(add("10.0.0.3", 0, 0, 0), 3);
    assert_int_equal(announce("10.0.0.3", "2001:db8::1"), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(announce("10.0.0.3", "127.0.0.1"), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_address_announce(stack, port, &a, NULL, now), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_address_announce(stack, port, NULL, &a, now), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_address_announce(stack, 60, &a, &a, now), PLAIT_E_BAD_PORT);
    assert_int_equal(announce("10.0.0.3", "192.0.2.1"), 0);
    const struct pl_local_endpoint *ep = pl_endpoints_by_id(&stack->endpoints, 3);
    assert_true((ep->flags & PLAIT_ADDRESS_SIGNAL) != 0);
    assert_true(pl_addr_equal(&ep->addr, &a));
    assert_int_equal(announce("10.0.0.3", "192.0.2.2"), PLAIT_E_IN_USE);
    assert_int_equal(add("10.0.0.4", PLAIT_ADDRESS_FULLMESH, 0, 0), 4);
    assert_int_equal(announce("10.0.0.4", "192.0.2.2"), PLAIT_E_BAD_ARGUMENT);
}

static void test_backup_comes_from_the_address_or_the_port(void **state) {
    (void)state;
    uint32_t generation = stack->endpoints.generation;
    struct plait_addr a = addr("10.0.0.2"), other = addr("10.9.9.9");
    const struct pl_local_endpoint *ep = pl_endpoints_by_id(&stack->endpoints, 1);
    assert_int_equal(plait_address_set_backup(stack, port, &a, true, now), 0);
    assert_true(ep->backup);
    assert_true(stack->endpoints.generation != generation);
    assert_int_equal(plait_address_set_backup(stack, port, &a, false, now), 0);
    assert_false(ep->backup);
    assert_int_equal(plait_address_set_backup(stack, port, &other, true, now), PLAIT_E_NO_ADDRESS);
    plait_port_id spare = add_port(PLAIT_PORT_BACKUP);
    int id = add_address(spare, "10.0.1.2");
    ep = pl_endpoints_by_id(&stack->endpoints, (uint8_t)id);
    assert_true(ep->backup);
    a = addr("10.0.1.2");
    assert_int_equal(plait_address_set_backup(stack, spare, &a, false, now), 0);
    assert_true(ep->backup);
}

static void test_the_table_is_bounded(void **state) {
    (void)state;
    for (unsigned i = 2; i < PL_ENDPOINTS_MAX; i++) {
        struct plait_addr a = {.bytes = {10, 1, 0, (uint8_t)i}, .family = PLAIT_IPV4};
        assert_int_equal(plait_address_add(stack, port, &a, 0, 0, 0, now), (int)i + 1);
    }
    assert_int_equal(add("10.2.0.1", 0, 0, 0), PLAIT_E_LIMIT);
    assert_int_equal(plait_port_remove(stack, port, now), 0);
    assert_int_equal(stack->endpoints.count, 0);
}

static void test_entries_follow_their_port(void **state) {
    (void)state;
    assert_int_equal(plait_port_set_up(stack, port, false, now), 0);
    assert_false(pl_endpoints_by_id(&stack->endpoints, 1)->up);
    assert_int_equal(add("10.0.0.3", 0, 0, 0), 3);
    assert_false(pl_endpoints_by_id(&stack->endpoints, 3)->up);
    plait_stack_check(stack);
    assert_int_equal(plait_port_set_up(stack, port, true, now), 0);
    assert_true(pl_endpoints_by_id(&stack->endpoints, 1)->up);
    assert_true(pl_endpoints_by_id(&stack->endpoints, 3)->up);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_ids),
        TEST(test_bad_addresses),
        TEST(test_flags),
        TEST(test_announced_from_outside),
        TEST(test_backup_comes_from_the_address_or_the_port),
        TEST(test_the_table_is_bounded),
        TEST(test_entries_follow_their_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

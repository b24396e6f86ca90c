/* mptcp_policy_test.c - which local addresses a connection may use: sets, denials, ports. */
#include "mptcp/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct plait_addr host(uint8_t last) {
    return (struct plait_addr){.family = PLAIT_IPV4, .bytes = {10, 0, 0, last}};
}

static bool allows(const struct pl_policy *p, plait_port_id port, uint8_t last) {
    struct plait_addr addr = host(last);
    return pl_policy_allows(p, port, &addr);
}

static int add(struct pl_policy *p, plait_port_id port, uint8_t last, bool first) {
    struct plait_local local = {.port = port};
    local.addr = last != 0 ? host(last) : local.addr;
    return pl_policy_add(p, &local, first);
}

static int take(struct pl_policy *p, plait_port_id port, uint8_t last) {
    struct plait_local local = {.port = port};
    local.addr = last != 0 ? host(last) : local.addr;
    return pl_policy_remove(p, &local);
}

static void test_none(void **state) {
    struct pl_policy p = pl_policy_default;
    (void)state;
    assert_true(allows(NULL, 1, 1));
    assert_true(allows(&p, 1, 1));
    p.port_mask = 1 << 2;
    assert_false(allows(&p, 1, 1));
    assert_true(allows(&p, 2, 1));
    assert_false(allows(&p, 200, 1));
}

static void test_set(void **state) {
    struct pl_policy p = pl_policy_default;
    (void)state;
    assert_int_equal(add(&p, 0, 1, true), 0);
    assert_int_equal(add(&p, 3, 2, true), 0);
    assert_true(allows(&p, 1, 1));
    assert_true(allows(&p, 3, 2));
    assert_false(allows(&p, 1, 2));
    assert_false(allows(&p, 1, 3));
    assert_int_equal(add(&p, 5, 0, true), 0); /* a whole port */
    assert_true(allows(&p, 5, 77));
    assert_int_equal(take(&p, 0, 1), 0);
    assert_false(allows(&p, 1, 1));
    assert_int_equal(add(&p, 0, 1, false), 0);
    assert_true(allows(&p, 1, 1));
    assert_int_equal(add(&p, 0, 0, false), 0); /* everything */
    assert_true(allows(&p, 1, 9));
    assert_int_equal(p.local_count, 0);
    assert_int_equal(add(&p, 0, 1, true), 0); /* and that was meant */
    assert_true(allows(&p, 1, 9));
}

static void test_denied(void **state) {
    struct pl_policy p = pl_policy_default;
    (void)state;
    assert_int_equal(take(&p, 0, 1), 0);
    assert_false(allows(&p, 1, 1));
    assert_true(allows(&p, 1, 2));
    assert_int_equal(take(&p, 4, 0), 0);
    assert_false(allows(&p, 4, 2));
    assert_int_equal(add(&p, 0, 1, false), 0); /* later than connect: no restriction to it */
    assert_true(allows(&p, 1, 1));
    assert_true(allows(&p, 1, 2));
}

static void test_full(void **state) {
    struct pl_policy p = pl_policy_default;
    (void)state;
    for (uint8_t i = 1; i <= PL_POLICY_LOCALS_MAX; i++) {
        assert_int_equal(add(&p, 0, i, true), 0);
    }
    assert_int_equal(add(&p, 0, 100, true), PLAIT_E_LIMIT);
    assert_int_equal(take(&p, 0, 100), PLAIT_E_LIMIT);
    assert_int_equal(take(&p, 0, 1), 0); /* has a place already */
}

static void test_flags_and_ports(void **state) {
    struct pl_policy p = pl_policy_default;
    struct pl_local_endpoint ep = {.addr = host(1), .port = 1, .flags = PLAIT_ADDRESS_SUBFLOW};
    struct plait_local local = {.addr = host(1), .tcp_port = 99, .flags = PLAIT_ADDRESS_SIGNAL};
    (void)state;
    assert_int_equal(pl_policy_flags(NULL, &ep), PLAIT_ADDRESS_SUBFLOW);
    assert_int_equal(pl_policy_tcp_port(NULL, 1, &ep.addr), 0);
    assert_int_equal(pl_policy_add(&p, &local, true), 0);
    assert_int_equal(pl_policy_flags(&p, &ep), PLAIT_ADDRESS_SUBFLOW | PLAIT_ADDRESS_SIGNAL);
    assert_int_equal(pl_policy_tcp_port(&p, 1, &ep.addr), 99);
    assert_false(pl_policy_hints(&p, 1, &ep.addr));
    assert_int_equal(add(&p, 0, 1, true), 0);
    assert_true(pl_policy_hints(&p, 1, &ep.addr));
    assert_int_equal(pl_policy_tcp_port(&p, 1, &ep.addr), 0);
    assert_int_equal(take(&p, 0, 1), 0);
    assert_false(pl_policy_hints(&p, 1, &ep.addr));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_denied),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_flags_and_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

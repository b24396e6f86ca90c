/* mptcp_endpoints_test.c - look-ups in the table of local addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mptcp/endpoints.h"
#include "testenv.h"
#include "wire/addr.h"

static struct plait_addr addr(const char *text) {
    struct plait_addr out;
    assert_true(pl_addr_parse(text, &out));
    return out;
}

static void test_find(void **state) {
    struct plait_addr a = addr("10.0.0.1"), b = addr("fd00::1"), c = addr("10.0.0.2");
    struct pl_endpoints table = {.count = 3};
    (void)state;
    table.entry[0] = (struct pl_local_endpoint){.addr = a, .port = 1, .id = 7};
    table.entry[1] = (struct pl_local_endpoint){.addr = b, .port = 2, .id = 255};
    table.entry[2] = (struct pl_local_endpoint){.addr = a, .port = 3, .id = 1};
    assert_ptr_equal(pl_endpoints_find(&table, 1, &a), &table.entry[0]);
    assert_ptr_equal(pl_endpoints_find(&table, 3, &a), &table.entry[2]);
    assert_ptr_equal(pl_endpoints_find(&table, 0, &a), &table.entry[0]);
    assert_ptr_equal(pl_endpoints_find(&table, 0, &b), &table.entry[1]);
    assert_null(pl_endpoints_find(&table, 2, &a));
    assert_null(pl_endpoints_find(&table, 0, &c));
}

static void test_by_id(void **state) {
    struct pl_endpoints table = {.count = 2};
    (void)state;
    table.entry[0].id = 7;
    table.entry[1].id = 255;
    table.entry[2].id = 9; /* behind the end */
    assert_ptr_equal(pl_endpoints_by_id(&table, 7), &table.entry[0]);
    assert_ptr_equal(pl_endpoints_by_id(&table, 255), &table.entry[1]);
    assert_null(pl_endpoints_by_id(&table, 9));
    assert_null(pl_endpoints_by_id(&table, 0));
}

static void test_empty(void **state) {
    struct pl_endpoints table = {.count = 0};
    struct plait_addr a = addr("10.0.0.1");
    (void)state;
    assert_null(pl_endpoints_find(&table, 0, &a));
    assert_null(pl_endpoints_by_id(&table, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_by_id),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

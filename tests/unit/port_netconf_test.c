/* Links, addresses, routes and rules, read back with ip(8). */
#include "port/netconf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "port/command.h"
#include "port_netns_test.h"
#include "wire/addr.h"

static bool allowed;
static struct pl_netconf *conf;
static int other; /* a second namespace; it and what is in it live while this is open */
static char output[8192];

static struct plait_addr addr(const char *text) {
    struct plait_addr value;
    assert_true(pl_addr_parse(text, &value));
    return value;
}

/* Whether `ip ARGUMENTS` prints `want`. */
static bool ip_says(const char *arguments, const char *want) {
    const char *argv[16] = {"ip"};
    char text[256];
    unsigned count = 1;
    snprintf(text, sizeof(text), "%s", arguments);
    for (char *at = text; at != NULL && count < 15; count++) {
        argv[count] = strsep(&at, " ");
    }
    assert_true(pl_command_run(argv, NULL, output, sizeof(output)) >= 0);
    return strstr(output, want) != NULL;
}

static int setup(void **state) {
    (void)state;
    if (allowed) {
        assert_int_equal(pl_netconf_open(&conf, -1), 0);
        other = netns_test_another();
        assert_int_equal(pl_netconf_veth(conf, "near", "far", other, 1400), 0);
        assert_int_equal(pl_netconf_veth(conf, "near", "far", other, 1400), -EEXIST);
        struct pl_netconf *there;
        assert_int_equal(pl_netconf_open(&there, other), 0);
        int far = pl_netconf_index(there, "far");
        assert_true(far > 0);
        assert_int_equal(pl_netconf_link_up(there, far, 0), 0);
        pl_netconf_close(there);
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (allowed) {
        assert_int_equal(pl_netconf_link_delete(conf, "near"), 0);
        assert_int_equal(pl_netconf_link_delete(conf, "near"), -ENODEV);
        pl_netconf_close(conf);
        close(other);
    }
    return 0;
}

static int near_with_addresses(void) {
    int index = pl_netconf_index(conf, "near");
    struct plait_addr v4 = addr("10.5.0.1"), v6 = addr("fd05::1");
    assert_true(index > 0);
    assert_int_equal(pl_netconf_address(conf, index, &v4, 30), 0);
    assert_int_equal(pl_netconf_address(conf, index, &v4, 30), 0);
    assert_int_equal(pl_netconf_address(conf, index, &v6, 64), 0);
    assert_int_equal(pl_netconf_link_up(conf, index, 1350), 0);
    return index;
}

static void test_link_and_addresses(void **state) {
    (void)state;
    if (!allowed) {
        skip();
    }
    int index = near_with_addresses();
    assert_int_equal(pl_netconf_index(conf, "nosuch"), -ENODEV);
    assert_false(ip_says("neigh add 10.5.0.2 lladdr 02:00:00:00:00:01 dev near", "rror"));
    struct plait_addr neighbour = addr("10.5.0.2");
    assert_int_equal(pl_netconf_forget_neighbour(conf, index, &neighbour), 0);
    assert_false(ip_says("neigh show dev near", "02:00:00:00:00:01"));
    assert_int_equal(pl_netconf_forget_neighbour(conf, index, &neighbour), -ENOENT);
    assert_true(ip_says("link show near", "mtu 1350"));
    assert_true(ip_says("link show near", "LOWER_UP"));
    assert_true(ip_says("addr show near", "inet 10.5.0.1/30"));
    assert_true(ip_says("addr show near", "inet6 fd05::1/64 scope global"));
    assert_false(ip_says("addr show near", "fd05::1/64 scope global tentative"));
}

static void test_routes(void **state) {
    (void)state;
    if (!allowed) {
        skip();
    }
    const struct pl_tables tables = {69999, 2};
    int index = near_with_addresses();
    struct pl_route route = {.family = PLAIT_IPV4, .table = 70000, .via = addr("10.5.0.2")};
    route.index = index;
    route.source = addr("10.5.0.1");
    assert_int_equal(pl_netconf_route(conf, &route), 0);
    assert_int_equal(pl_netconf_route(conf, &route), 0);
    struct pl_route net = {.family = PLAIT_IPV4, .table = 70000, .dst = addr("10.6.0.0")};
    net.prefix_len = 16;
    net.index = index;
    assert_int_equal(pl_netconf_route(conf, &net), 0);
    struct pl_route last = {.kind = PL_ROUTE_UNREACHABLE, .family = PLAIT_IPV4, .table = 70000};
    last.metric = 4000000000U;
    assert_int_equal(pl_netconf_route(conf, &last), 0);
    last.family = PLAIT_IPV6;
    assert_int_equal(pl_netconf_route(conf, &last), 0);
    struct pl_route six = {.family = PLAIT_IPV6, .table = 70000, .via = addr("fe80::1")};
    six.index = index;
    assert_int_equal(pl_netconf_route(conf, &six), 0);
    assert_true(ip_says("route show table 70000", "default via 10.5.0.2 dev near"));
    assert_true(ip_says("route show table 70000", "10.6.0.0/16 dev near"));
    assert_true(ip_says("-6 route show table 70000", "default via fe80::1 dev near"));
    assert_int_equal(pl_netconf_route_delete(conf, &six), 0);
    assert_false(ip_says("-6 route show table 70000", "fe80"));
    assert_int_equal(pl_netconf_route_delete(conf, &six), -ESRCH);
    assert_int_equal(pl_netconf_flush_routes(conf, tables, true), 0);
    assert_false(ip_says("route show table 70000", "near"));
    assert_true(ip_says("route show table 70000", "unreachable default"));
    assert_true(ip_says("-6 route show table 70000", "unreachable default"));
    assert_int_equal(pl_netconf_flush_routes(conf, tables, false), 0);
    assert_false(ip_says("route show table 70000", "default"));
    assert_false(ip_says("-6 route show table 70000", "default"));
    assert_true(ip_says("route show table main", "10.5.0.0/30"));
}

static void test_rules(void **state) {
    (void)state;
    if (!allowed) {
        skip();
    }
    struct pl_rule in = {.family = PLAIT_IPV4, .priority = 900, .table = 70000, .iif = "near"};
    struct pl_rule tcp = {.family = PLAIT_IPV6, .priority = 901, .table = 70000, .ip_protocol = 6};
    struct pl_rule to = {.family = PLAIT_IPV4, .priority = 902, .table = 254};
    to.dst = addr("10.5.0.0");
    to.dst_len = 30;
    assert_int_equal(pl_netconf_rule_add(conf, &in), 0);
    assert_int_equal(pl_netconf_rule_add(conf, &in), -EEXIST);
    assert_int_equal(pl_netconf_rule_add(conf, &tcp), 0);
    assert_int_equal(pl_netconf_rule_add(conf, &to), 0);
    assert_true(ip_says("rule", "900:\tfrom all iif near lookup 70000"));
    assert_true(ip_says("-6 rule", "901:\tfrom all ipproto tcp lookup 70000"));
    assert_true(ip_says("rule", "902:\tfrom all to 10.5.0.0/30 lookup main"));
    assert_int_equal(pl_netconf_rule_delete(conf, &in), 0);
    assert_int_equal(pl_netconf_rule_delete(conf, &in), -ENOENT);
    assert_int_equal(pl_netconf_rule_add(conf, &in), 0);
    assert_int_equal(pl_netconf_flush_rules(conf, (struct pl_tables){70001, 5}), 0);
    assert_true(ip_says("rule", "near"));
    assert_int_equal(pl_netconf_flush_rules(conf, (struct pl_tables){69000, 1001}), 0);
    assert_false(ip_says("rule", "near"));
    assert_false(ip_says("-6 rule", "901:"));
    assert_int_equal(pl_netconf_rule_delete(conf, &to), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_link_and_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_routes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rules, setup, teardown),
    };
    allowed = netns_test_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

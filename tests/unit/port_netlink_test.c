/* The link monitor in a namespace of its own. */
#include "port/netlink.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "port/command.h"
#include "port_netns_test.h"
#include "wire/addr.h"

static bool allowed;
static struct pl_netlink *monitor;

/* What the callback saw of the link "one" since the last look. */
static unsigned changes_of_one;

static void note(void *user, const struct pl_link *link, unsigned changes) {
    (void)user;
    if (strcmp(link->name, "one") == 0) {
        changes_of_one |= changes;
    }
}

static void ip(const char *arguments) {
    const char *argv[24] = {"ip"};
    char text[256];
    unsigned count = 1;
    snprintf(text, sizeof(text), "%s", arguments);
    for (char *at = text; at != NULL && count < 23; count++) {
        argv[count] = strsep(&at, " ");
    }
    assert_int_equal(pl_command_run(argv, NULL, NULL, 0), 0);
}

/* Reads notifications until `want` was seen. */
static const struct pl_link *expect(unsigned want) {
    changes_of_one = 0;
    for (int i = 0; i < 20 && (changes_of_one & want) != want; i++) {
        struct pollfd pfd = {.fd = pl_netlink_fd(monitor), .events = POLLIN};
        poll(&pfd, 1, 500);
        assert_int_equal(pl_netlink_read(monitor, note, NULL), 0);
    }
    assert_int_equal(changes_of_one & want, want);
    return pl_links_by_name(pl_netlink_links(monitor), "one");
}

static int setup(void **state) {
    (void)state;
    if (!allowed) {
        return 0;
    }
    assert_int_equal(pl_netlink_open(&monitor, -1), 0);
    ip("link add one type veth peer name two");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (!allowed) {
        return 0;
    }
    const char *const gone[] = {"ip", "link", "delete", "one", NULL};
    int result = pl_command_run(gone, NULL, NULL, 0);
    pl_netlink_close(monitor);
    return result < 0 ? result : 0;
}

static void test_life_of_a_link(void **state) {
    (void)state;
    if (!allowed) {
        skip();
    }
    const struct pl_link *link = expect(PL_LINK_NEW);
    assert_false(link->up);
    ip("link set one up mtu 1400");
    link = expect(PL_LINK_STATE);
    assert_true(link->up);
    assert_false(link->carrier);
    assert_int_equal(link->mtu, 1400);
    ip("link set two up");
    assert_true(expect(PL_LINK_STATE)->carrier);
    ip("link set two down");
    assert_false(expect(PL_LINK_STATE)->carrier);
    ip("link delete one");
    assert_null(expect(PL_LINK_GONE));
}

static void test_addresses(void **state) {
    (void)state;
    struct plait_addr v4, v6;
    bool has4 = false, has6 = false;
    if (!allowed) {
        skip();
    }
    assert_true(pl_addr_parse("10.1.2.3", &v4));
    assert_true(pl_addr_parse("fd01::3", &v6));
    ip("addr add 10.1.2.3/24 dev one");
    ip("addr add fd01::3/64 dev one nodad");
    const struct pl_link *link = expect(PL_LINK_NEW);
    for (unsigned i = 0; i < link->addr_count; i++) {
        const struct pl_link_addr *addr = &link->addrs[i];
        has4 |= pl_addr_equal(&addr->addr, &v4) && addr->prefix_len == 24 && addr->global;
        has6 |= pl_addr_equal(&addr->addr, &v6) && addr->prefix_len == 64 && addr->global;
    }
    assert_true(has4);
    assert_true(has6);
    ip("addr del 10.1.2.3/24 dev one");
    assert_int_equal(expect(PL_LINK_ADDRS)->addr_count, 1);
}

static void assert_gateway(const struct pl_gateway *gateway, const char *via, unsigned metric) {
    char text[PL_ADDR_TEXT];
    assert_true(gateway->present);
    pl_addr_format(&gateway->via, text);
    assert_string_equal(text, via);
    assert_int_equal(gateway->metric, metric);
}

static void test_default_routes(void **state) {
    (void)state;
    if (!allowed) {
        skip();
    }
    ip("link set one up");
    ip("link set two up");
    ip("addr add 10.1.2.3/24 dev one");
    ip("addr add fd01::3/64 dev one nodad");
    ip("route add default via 10.1.2.1 dev one metric 50");
    ip("route add default via 10.1.2.2 dev one metric 40");
    ip("route add default via 10.1.2.9 dev one table 77");
    ip("route add default via fd01::1 dev one metric 9");
    const struct pl_link *link = expect(PL_LINK_NEW);
    assert_gateway(&link->gateway4, "10.1.2.2", 40);
    assert_gateway(&link->gateway6, "fd01::1", 9);
    ip("route del default via 10.1.2.2 dev one");
    assert_gateway(&expect(PL_LINK_GATEWAY)->gateway4, "10.1.2.1", 50);
    ip("route del default via 10.1.2.1 dev one");
    assert_false(expect(PL_LINK_GATEWAY)->gateway4.present);
    ip("route add default dev one");
    assert_gateway(&expect(PL_LINK_GATEWAY)->gateway4, "none", 0);
    ip("route replace default metric 0 nexthop via 10.1.2.7 dev one nexthop via 10.1.2.8 dev one");
    assert_gateway(&expect(PL_LINK_GATEWAY)->gateway4, "10.1.2.7", 0);
}

static void test_prefixes(void **state) {
    (void)state;
    struct pl_prefix prefix[64];
    struct plait_addr want;
    bool found = false;
    if (!allowed) {
        skip();
    }
    ip("link set one up");
    ip("addr add 10.77.0.1/16 dev one");
    assert_true(pl_addr_parse("10.77.0.0", &want));
    int count = pl_netlink_prefixes(monitor, prefix, 64);
    assert_in_range(count, 1, 64);
    for (int i = 0; i < count; i++) {
        found |= prefix[i].prefix_len == 16 && pl_addr_equal(&prefix[i].addr, &want);
        assert_int_not_equal(prefix[i].prefix_len, 0);
    }
    assert_true(found);
    assert_int_equal(pl_netlink_prefixes(monitor, prefix, 0), count);
}

/* The kernel's own decision, policy rules included. */
static void test_lookup(void **state) {
    (void)state;
    struct plait_addr dst, dst6;
    struct pl_gateway gateway;
    if (!allowed) {
        skip();
    }
    assert_true(pl_addr_parse("198.51.100.7", &dst));
    assert_true(pl_addr_parse("2001:db8::7", &dst6));
    assert_true(pl_netlink_lookup(monitor, &dst, &gateway) < 0);
    ip("link set one up");
    ip("link set two up");
    ip("addr add 10.1.2.3/24 dev one");
    ip("addr add fd01::3/64 dev one nodad");
    ip("addr add 10.1.3.3/24 dev two");
    ip("route add default via 10.1.2.1 dev one");
    ip("route add default via fd01::1 dev one");
    const struct pl_link *one = expect(PL_LINK_NEW);
    assert_int_equal(pl_netlink_lookup(monitor, &dst, &gateway), one->index);
    assert_gateway(&gateway, "10.1.2.1", 0);
    assert_int_equal(pl_netlink_lookup(monitor, &dst6, &gateway), one->index);
    assert_gateway(&gateway, "fd01::1", 0);
    const struct pl_link *two = pl_links_by_name(pl_netlink_links(monitor), "two");
    ip("rule add pref 50 lookup 77");
    ip("route add default dev two table 77");
    assert_int_equal(pl_netlink_lookup(monitor, &dst, &gateway), two->index);
    assert_gateway(&gateway, "none", 0);
    ip("rule del pref 50");
}

static void test_prefix_match(void **state) {
    (void)state;
    struct plait_addr a, b;
    assert_true(pl_addr_parse("10.111.7.1", &a));
    assert_true(pl_addr_parse("10.111.4.200", &b));
    assert_true(pl_prefix_match(&a, &b, 0));
    assert_true(pl_prefix_match(&a, &b, 16));
    assert_true(pl_prefix_match(&a, &b, 22));
    assert_false(pl_prefix_match(&a, &b, 23));
    assert_false(pl_prefix_match(&a, &b, 32));
    assert_true(pl_prefix_match(&a, &a, 32));
    assert_true(pl_addr_parse("fd00::1", &b));
    assert_false(pl_prefix_match(&a, &b, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life_of_a_link, setup, teardown),
        cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_default_routes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prefixes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lookup, setup, teardown),
        cmocka_unit_test(test_prefix_match),
    };
    allowed = netns_test_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

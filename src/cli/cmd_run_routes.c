/* cli/cmd_run_routes.c - the routing tables of the links.
 *
 * A link's table knows that link's prefixes and gateways and nothing else, and ends in
 * "unreachable": what is looked up there leaves by the link or not at all. */
#include <string.h>

#include "cli/cmd_run.h"
#include "wire/addr.h"

enum { TABLE_METRIC = 100 };

void run_route_add(struct run *run, const struct pl_route *route) {
    int result = pl_netconf_route(run->conf, route);
    if (result < 0) {
        char text[PL_ADDR_TEXT];
        pl_addr_format(&route->dst, text);
        run_debug(run, "route %s/%u in table %u: %s", text, route->prefix_len, route->table,
                  strerror(-result));
    }
}

/* The prefixes that the link itself is in. */
void run_route_connected(struct run *run, uint32_t table, const struct pl_link *seen) {
    for (unsigned i = 0; i < seen->addr_count; i++) {
        const struct pl_link_addr *addr = &seen->addrs[i];
        if (!addr->global || addr->prefix_len == 0) {
            continue;
        }
        struct pl_route route = {.family = addr->addr.family, .table = table, .dst = addr->addr};
        route.prefix_len = addr->prefix_len;
        for (unsigned bit = route.prefix_len; bit < 128; bit++) {
            route.dst.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
        }
        route.index = seen->index;
        route.metric = TABLE_METRIC;
        run_route_add(run, &route);
    }
}

void run_route_default(struct run *run, uint32_t table, const struct pl_link *seen,
                       uint8_t family) {
    const struct pl_gateway *gateway = family == PLAIT_IPV4 ? &seen->gateway4 : &seen->gateway6;
    if (!gateway->present) {
        return;
    }
    struct pl_route route = {.family = family, .table = table, .via = gateway->via};
    route.index = seen->index;
    route.metric = TABLE_METRIC;
    /* The gateway was reachable in the main table; here it need not be in a known prefix. */
    route.onlink = gateway->via.family == PLAIT_IPV4;
    run_route_add(run, &route);
}

void run_route_last(struct run *run, uint32_t table) {
    struct pl_route last = {.kind = PL_ROUTE_UNREACHABLE,
                            .family = PLAIT_IPV4,
                            .table = table,
                            .metric = RUN_LAST_METRIC};
    run_route_add(run, &last);
    last.family = PLAIT_IPV6;
    run_route_add(run, &last);
}

static bool same_routes(const struct pl_link *a, const struct pl_link *b) {
    return a->index == b->index && a->up == b->up && a->addr_count == b->addr_count &&
           memcmp(a->addrs, b->addrs, sizeof(a->addrs)) == 0 &&
           memcmp(&a->gateway4, &b->gateway4, sizeof(a->gateway4)) == 0 &&
           memcmp(&a->gateway6, &b->gateway6, sizeof(a->gateway6)) == 0;
}

void run_route_flush(struct run *run, uint32_t table) {
    int result = pl_netconf_flush_routes(run->conf, (struct pl_tables){table, 1}, true);
    if (result < 0) {
        run_debug(run, "table %u: %s", table, strerror(-result));
    }
}

void run_route_link(struct run *run, struct run_link *link, const struct pl_link *seen) {
    struct run_applied *applied = &link->applied;
    uint32_t table = run->plan.tables.first + link->slot;
    if (applied->routed && same_routes(&applied->link, seen)) {
        return;
    }
    run_route_flush(run, table);
    applied->link = *seen;
    applied->routed = seen->up;
    if (seen->up) {
        run_route_connected(run, table, seen);
        run_route_default(run, table, seen, PLAIT_IPV4);
        run_route_default(run, table, seen, PLAIT_IPV6);
    }
}

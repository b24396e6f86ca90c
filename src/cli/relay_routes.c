/* cli/relay_routes.c - the routing tables of the links.
 *
 * A link's table knows that link's prefixes and gateways and nothing else, and ends in
 * "unreachable": what is looked up there leaves by the link or not at all. */
#include <string.h>

#include "cli/relay.h"
#include "wire/addr.h"

enum { TABLE_METRIC = 100 };

void relay_route_add(struct relay *relay, const struct pl_route *route) {
    int result = pl_netconf_route(relay->conf, route);
    if (result < 0) {
        char text[PL_ADDR_TEXT];
        pl_addr_format(&route->dst, text);
        relay_debug(relay, "route %s/%u in table %u: %s", text, route->prefix_len, route->table,
                    strerror(-result));
    }
}

/* The prefixes that the link itself is in. */
void relay_route_connected(struct relay *relay, uint32_t table, const struct pl_link *seen) {
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
        relay_route_add(relay, &route);
    }
}

void relay_route_default(struct relay *relay, uint32_t table, const struct pl_link *seen,
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
    relay_route_add(relay, &route);
}

void relay_route_last(struct relay *relay, uint32_t table) {
    struct pl_route last = {.kind = PL_ROUTE_UNREACHABLE,
                            .family = PLAIT_IPV4,
                            .table = table,
                            .metric = RELAY_LAST_METRIC};
    relay_route_add(relay, &last);
    last.family = PLAIT_IPV6;
    relay_route_add(relay, &last);
}

static bool same_routes(const struct pl_link *a, const struct pl_link *b) {
    return a->index == b->index && a->up == b->up && a->addr_count == b->addr_count &&
           memcmp(a->addrs, b->addrs, sizeof(a->addrs)) == 0 &&
           memcmp(&a->gateway4, &b->gateway4, sizeof(a->gateway4)) == 0 &&
           memcmp(&a->gateway6, &b->gateway6, sizeof(a->gateway6)) == 0;
}

void relay_route_flush(struct relay *relay, uint32_t table) {
    int result = pl_netconf_flush_routes(relay->conf, (struct pl_tables){table, 1}, true);
    if (result < 0) {
        relay_debug(relay, "table %u: %s", table, strerror(-result));
    }
}

void relay_route_link(struct relay *relay, struct relay_link *link, const struct pl_link *seen) {
    struct relay_applied *applied = &link->applied;
    uint32_t table = relay->plan.tables.first + link->slot;
    if (applied->routed && same_routes(&applied->link, seen)) {
        return;
    }
    relay_route_flush(relay, table);
    applied->link = *seen;
    applied->routed = seen->up;
    if (seen->up) {
        relay_route_connected(relay, table, seen);
        relay_route_default(relay, table, seen, PLAIT_IPV4);
        relay_route_default(relay, table, seen, PLAIT_IPV6);
    }
}

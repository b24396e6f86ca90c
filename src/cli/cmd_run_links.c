/* cli/cmd_run_links.c - the links that carry subflows.
 *
 * Each has a TUN device on the host side whose far end is a port of the stack. A rule leads what
 * comes out of the device to a routing table that knows this one link, and that ends in
 * "unreachable". run_links_update() compares what the kernel says about each interface with what
 * was applied last and does what is different, so it can be called at any time and any number of
 * times.
 *
 * A port is up while its link has carrier and an address and route of either family. When the
 * link's own address changes, the flows behind it are lost (they were masqueraded as that address),
 * so the stack's address is taken away and given back: it opens new subflows. */
#include <errno.h>
#include <string.h>

#include "cli/cmd_run.h"
#include "port/command.h"
#include "port/pcapng.h"
#include "wire/addr.h"

#define SILENCE_NS_MAX PLAIT_NS_PER_S

enum { TABLE_METRIC = 100, MTU6_MIN = 1280 };

/* ---- what the kernel has ---- */

static const struct plait_addr *global_addr(const struct pl_link *link, uint8_t family) {
    for (unsigned i = 0; i < link->addr_count; i++) {
        const struct pl_link_addr *addr = &link->addrs[i];
        if (addr->addr.family == family && addr->global && !addr->tentative) {
            return &addr->addr;
        }
    }
    return NULL;
}

/* The link's own address if the link can be used for a family, else NULL. A link that was named by
 * the user and never had a default route is good for its own prefixes. */
static const struct plait_addr *usable(struct run_link *link, const struct pl_link *seen,
                                       uint8_t family) {
    unsigned six = family == PLAIT_IPV6;
    const struct pl_gateway *gateway = six ? &seen->gateway6 : &seen->gateway4;
    if (!seen->carrier || (six && seen->mtu < MTU6_MIN)) {
        return NULL;
    }
    if (gateway->present) {
        link->had_gateway[six] = true;
    } else if (!link->given || link->had_gateway[six]) {
        return NULL;
    }
    return global_addr(seen, family);
}

/* ---- sysctls ---- */

static int set_for(struct run *run, const char *format_head, const char *name, const char *tail,
                   const char *value, char was[16]) {
    char path[160];
    snprintf(path, sizeof(path), "%s/%s/%s", format_head, name, tail);
    return run_state_sysctl(&run->state, path, value, was);
}

/* Before Linux 6.17 only the whole host can forward IPv6. Its interfaces would then ignore router
 * advertisements and lose what they learnt from them, so those that listen are told to go on. */
static bool forward_all6(struct run *run) {
    const struct pl_links *links = pl_netlink_links(run->monitor);
    char was[16] = "0", value[16], path[160];
    for (unsigned i = 0; i < links->count; i++) {
        snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", links->link[i].name);
        if (pl_sysctl_read(path, value, sizeof(value)) == 0 && strcmp(value, "1") == 0 &&
            run_state_sysctl(&run->state, path, "2", NULL) < 0) {
            return false;
        }
    }
    if (run_state_sysctl(&run->state, "net/ipv6/conf/all/forwarding", "1", was) < 0) {
        return false;
    }
    run->links.guard6 = strcmp(was, "0") == 0;
    return true;
}

/* Lets packets that come in by the link be forwarded. */
static void prepare_link(struct run *run, struct run_link *link, int index) {
    char was[16] = "0";
    if (link->prepared_index == index) {
        return;
    }
    link->prepared_index = index;
    if (set_for(run, "net/ipv4/conf", link->name, "forwarding", "1", was) < 0) {
        cli_say("%s: cannot switch IPv4 forwarding on", link->name);
    }
    link->was_forwarding[0] = strcmp(was, "0") != 0;
    memcpy(was, "0", 2);
    if (set_for(run, "net/ipv6/conf", link->name, "force_forwarding", "1", was) < 0 &&
        !forward_all6(run)) {
        run_debug(run, "%s: no IPv6 forwarding", link->name);
        return;
    }
    char all[16] = "0";
    if (pl_sysctl_read("net/ipv6/conf/all/forwarding", all, sizeof(all)) < 0) {
        return;
    }
    link->was_forwarding[1] = strcmp(was, "0") != 0 || (!run->links.guard6 && all[0] == '1');
}

/* The settings of a device that is ours and vanishes with us. */
static void prepare_own(const char *name) {
    static const char *const settings[][2] = {
        {"ipv4/conf/%s/forwarding", "1"},     {"ipv4/conf/%s/rp_filter", "0"},
        {"ipv4/conf/%s/route_localnet", "1"}, {"ipv6/conf/%s/force_forwarding", "1"},
        {"ipv6/conf/%s/addr_gen_mode", "1"},  {"ipv6/conf/%s/accept_ra", "0"}};
    for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const char *mark = strchr(settings[i][0], '%');
        char path[160];
        snprintf(path, sizeof(path), "net/%.*s%s%s", (int)(mark - settings[i][0]), settings[i][0],
                 name, mark + 2);
        int result = pl_sysctl_write(path, settings[i][1]);
        (void)result; /* not every kernel has every one of them */
    }
}

/* ---- routes ---- */

static void add_route(struct run *run, const struct pl_route *route) {
    int result = pl_netconf_route(run->conf, route);
    if (result < 0) {
        char text[PL_ADDR_TEXT];
        pl_addr_format(&route->dst, text);
        run_debug(run, "route %s/%u in table %u: %s", text, route->prefix_len, route->table,
                  strerror(-result));
    }
}

/* The prefixes that the link itself is in. */
static void add_connected(struct run *run, uint32_t table, const struct pl_link *seen) {
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
        add_route(run, &route);
    }
}

static void add_default(struct run *run, uint32_t table, const struct pl_link *seen,
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
    add_route(run, &route);
}

static void add_last_resort(struct run *run, uint32_t table) {
    struct pl_route last = {.kind = PL_ROUTE_UNREACHABLE,
                            .family = PLAIT_IPV4,
                            .table = table,
                            .metric = RUN_LAST_METRIC};
    add_route(run, &last);
    last.family = PLAIT_IPV6;
    add_route(run, &last);
}

static bool same_routes(const struct pl_link *a, const struct pl_link *b) {
    return a->index == b->index && a->up == b->up && a->addr_count == b->addr_count &&
           memcmp(a->addrs, b->addrs, sizeof(a->addrs)) == 0 &&
           memcmp(&a->gateway4, &b->gateway4, sizeof(a->gateway4)) == 0 &&
           memcmp(&a->gateway6, &b->gateway6, sizeof(a->gateway6)) == 0;
}

static void flush(struct run *run, uint32_t table) {
    int result = pl_netconf_flush_routes(run->conf, (struct pl_tables){table, 1}, true);
    if (result < 0) {
        run_debug(run, "table %u: %s", table, strerror(-result));
    }
}

static void route_link(struct run *run, struct run_link *link, const struct pl_link *seen) {
    struct run_applied *applied = &link->applied;
    uint32_t table = run->plan.tables.first + link->slot;
    if (applied->routed && same_routes(&applied->link, seen)) {
        return;
    }
    flush(run, table);
    applied->link = *seen;
    applied->routed = seen->up;
    if (seen->up) {
        add_connected(run, table, seen);
        add_default(run, table, seen, PLAIT_IPV4);
        add_default(run, table, seen, PLAIT_IPV6);
    }
}

/* ---- everything but TCP ---- */

static uint32_t metric_of(const struct run_link *link) {
    const struct pl_link *seen = &link->applied.link;
    return seen->gateway4.present ? seen->gateway4.metric : seen->gateway6.metric;
}

/* Lowest round-trip time where both are known, else lowest metric. */
static bool better(const struct run_link *a, const struct run_link *b) {
    if (a->srtt_ns > 0 && b->srtt_ns > 0) {
        return a->srtt_ns < b->srtt_ns;
    }
    return metric_of(a) < metric_of(b);
}

/* Up, and not silent for so long that the stack's paths over it must be dead. */
static bool serves(const struct run_link *link, plait_time now) {
    return link->applied.up &&
           (link->silent_since == 0 || now - link->silent_since < SILENCE_NS_MAX);
}

/* A link that serves is kept: changing it breaks what runs over it. One that does not is kept
 * for want of a better one. */
static void choose_best(struct run *run) {
    struct run_links *links = &run->links;
    const struct run_link *before = links->best;
    plait_time now = pl_posix_now();
    if (links->best != NULL && serves(links->best, now)) {
        return;
    }
    if (links->best != NULL && !links->best->applied.up) {
        links->best = NULL;
    }
    for (unsigned i = 0; i < links->count; i++) {
        struct run_link *link = &links->link[i];
        bool first = links->best == NULL && link->applied.up;
        bool other = links->best != NULL && serves(link, now) &&
                     (!serves(links->best, now) || better(link, links->best));
        if (first || other) {
            links->best = link;
        }
    }
    if (links->best != before) {
        run_debug(run, "UDP and the rest go over %s",
                  links->best != NULL ? links->best->name : "no link");
    }
}

static void route_uplink(struct run *run, bool links_changed) {
    struct run_links *links = &run->links;
    const struct run_link *before = links->best;
    uint32_t table = run->plan.tables.first + RUN_SLOT_UPLINK;
    choose_best(run);
    if (!links_changed && before == links->best) {
        return;
    }
    flush(run, table);
    for (unsigned i = 0; i < links->count; i++) {
        if (links->link[i].applied.up) {
            add_connected(run, table, &links->link[i].applied.link);
        }
    }
    if (links->best != NULL) {
        add_default(run, table, &links->best->applied.link, PLAIT_IPV4);
        add_default(run, table, &links->best->applied.link, PLAIT_IPV6);
    }
}

/* ---- the stack's view ---- */

/* Gives, takes away or renews the stack's address of a family. */
static void apply_addr(struct run *run, struct run_link *link, struct plait_addr *applied,
                       const struct plait_addr *own, const struct plait_addr *far, plait_time now) {
    static const struct plait_addr none;
    if (own == NULL) {
        own = &none;
    }
    if (pl_addr_equal(applied, own) && applied->family == own->family) {
        return;
    }
    if (applied->family != PLAIT_FAMILY_NONE) {
        plait_address_remove(run->loop.stack, link->port->io.id, far, now);
    }
    *applied = *own;
    if (own->family != PLAIT_FAMILY_NONE &&
        plait_address_add(run->loop.stack, link->port->io.id, far, PLAIT_ADDRESS_SUBFLOW, 0, 0,
                          now) < 0) {
        cli_say("%s: the stack takes no more addresses", link->name);
        *applied = none;
    }
}

/* While the link was dead, questions for the gateway's hardware address went unanswered. */
static void wake_gateways(struct run *run, const struct pl_link *seen) {
    const struct pl_gateway *gateways[] = {&seen->gateway4, &seen->gateway6};
    for (unsigned i = 0; i < 2; i++) {
        if (gateways[i]->present && gateways[i]->via.family != PLAIT_FAMILY_NONE) {
            int result = pl_netconf_forget_neighbour(run->conf, seen->index, &gateways[i]->via);
            (void)result; /* there may be none */
        }
    }
}

static void apply(struct run *run, struct run_link *link, const struct pl_link *seen) {
    struct run_applied *applied = &link->applied;
    struct run_ends ends = run_plan_ends(&run->plan, link->slot);
    const struct plait_addr *own4 = usable(link, seen, PLAIT_IPV4);
    const struct plait_addr *own6 = usable(link, seen, PLAIT_IPV6);
    bool up = link->port != NULL && !link->port->gone && (own4 != NULL || own6 != NULL);
    plait_time now = pl_posix_now();
    if (up) {
        if (seen->mtu != applied->link.mtu) {
            plait_port_set_mtu(run->loop.stack, link->port->io.id, seen->mtu);
            int result = pl_netconf_link_up(run->conf, link->tun_index, seen->mtu);
            run_debug(run, "%s: MTU %u%s", link->name, seen->mtu, result < 0 ? ", failed" : "");
            applied->link.mtu = seen->mtu;
        }
        route_link(run, link, seen);
        apply_addr(run, link, &applied->addr4, own4, &ends.far4, now);
        apply_addr(run, link, &applied->addr6, own6, &ends.far6, now);
    } else if (!seen->up) {
        applied->routed = false; /* the kernel has removed them */
    }
    if (up != applied->up) {
        applied->up = up;
        run_debug(run, "link %s is %s", link->name, up ? "up" : "down");
        if (up) {
            wake_gateways(run, seen);
        }
        if (link->port != NULL) {
            plait_port_set_up(run->loop.stack, link->port->io.id, up, now);
        }
    }
}

/* ---- making links ---- */

static int make_rules(struct run *run, const struct run_link *link) {
    struct run_ends ends = run_plan_ends(&run->plan, link->slot);
    struct pl_rule in = {.family = PLAIT_IPV4, .priority = RUN_RULE_IN};
    struct pl_route back = {.family = PLAIT_IPV4,
                            .table = run->plan.tables.first + RUN_TABLE_RETURN,
                            .dst = ends.host4,
                            .prefix_len = RUN_PREFIX4,
                            .index = link->tun_index};
    in.table = run->plan.tables.first + link->slot;
    run_plan_name(run->plan.instance, link->slot, in.iif);
    add_last_resort(run, in.table);
    back.dst.bytes[3] &= 0xfc;
    add_route(run, &back);
    int result = pl_netconf_rule_add(run->conf, &in);
    in.family = PLAIT_IPV6;
    if (pl_netconf_rule_add(run->conf, &in) == 0 &&
        pl_netconf_address(run->conf, link->tun_index, &ends.host6, RUN_PREFIX6) == 0) {
        back.family = PLAIT_IPV6;
        back.dst = ends.host6;
        back.dst.bytes[15] = 0;
        back.prefix_len = RUN_PREFIX6;
        add_route(run, &back);
    }
    return result;
}

static int make_device(struct run *run, struct run_link *link, const struct pl_link *seen) {
    struct run_ends ends = run_plan_ends(&run->plan, link->slot);
    struct plait_port_config config = {.size = sizeof(config), .mtu = seen->mtu};
    struct pl_tun tun;
    char name[16];
    run_plan_name(run->plan.instance, link->slot, name);
    int result = pl_tun_open(&tun, name, -1);
    if (result < 0) {
        return result;
    }
    snprintf(config.name, sizeof(config.name), "%s", link->name);
    config.flags = tun.vnet ? PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM : 0;
    if (pl_loop_add_port(&run->loop, &tun, &config, &link->port) < 0) {
        return -ENOSPC;
    }
    plait_port_set_up(run->loop.stack, link->port->io.id, false, pl_posix_now());
    link->tun_index = pl_netconf_index(run->conf, name);
    if (link->tun_index < 0) {
        return link->tun_index;
    }
    prepare_own(name);
    result = pl_netconf_address(run->conf, link->tun_index, &ends.host4, RUN_PREFIX4);
    if (result == 0) {
        result = pl_netconf_link_up(run->conf, link->tun_index, seen->mtu);
    }
    return result == 0 ? make_rules(run, link) : result;
}

static struct run_link *find(struct run_links *links, const char *name) {
    for (unsigned i = 0; i < links->count; i++) {
        if (strcmp(links->link[i].name, name) == 0) {
            return &links->link[i];
        }
    }
    return NULL;
}

/* Adds a link; false (and said why) when its device cannot be made. */
static bool add_link(struct run *run, const struct pl_link *seen, bool given) {
    struct run_links *links = &run->links;
    if (links->count == RUN_LINKS_MAX) {
        cli_say("%s: no more than %d links", seen->name, RUN_LINKS_MAX);
        return false;
    }
    /* Names go into nftables' language between quotes, where an asterisk at the end is a pattern.
     */
    if (strpbrk(seen->name, "\"\\*") != NULL) {
        cli_say("%s: an interface of this name cannot be used", seen->name);
        return false;
    }
    struct run_link *link = &links->link[links->count];
    memset(link, 0, sizeof(*link));
    memcpy(link->name, seen->name, sizeof(link->name));
    link->slot = links->count++;
    link->given = given;
    int result = make_device(run, link, seen);
    if (result < 0) {
        cli_say("%s: cannot make a device for it: %s", seen->name, strerror(-result));
        return false;
    }
    prepare_link(run, link, seen->index);
    if (run->capture != NULL) {
        link->port->io.capture = run->capture;
        link->port->io.capture_id = pl_pcapng_add(run->capture, link->name);
    }
    return true;
}

static bool has_default(const struct pl_link *link) {
    return !link->loopback && (link->gateway4.present || link->gateway6.present);
}

static uint32_t link_metric(const struct pl_link *link) {
    return link->gateway4.present ? link->gateway4.metric : link->gateway6.metric;
}

/* All interfaces with a default route, best metric first; the first one starts connections. */
static bool add_default_links(struct run *run) {
    const struct pl_links *seen = pl_netlink_links(run->monitor);
    bool added = false;
    for (;;) {
        const struct pl_link *next = NULL;
        for (unsigned i = 0; i < seen->count; i++) {
            const struct pl_link *link = &seen->link[i];
            if (has_default(link) && find(&run->links, link->name) == NULL &&
                (next == NULL || link_metric(link) < link_metric(next))) {
                next = link;
            }
        }
        if (next == NULL || run->links.count == RUN_LINKS_MAX) {
            return added;
        }
        added |= add_link(run, next, false);
    }
}

static bool add_given_links(struct run *run) {
    const struct pl_links *seen = pl_netlink_links(run->monitor);
    for (unsigned i = 0; i < run->options.link_count; i++) {
        const char *name = run->options.links[i];
        const struct pl_link *link = pl_links_by_name(seen, name);
        if (link == NULL) {
            cli_say("run: --link %s: there is no such interface; `ip link` lists them", name);
            run->trouble = EXIT_USAGE;
            return false;
        }
        if (find(&run->links, name) == NULL && !add_link(run, link, true)) {
            return false;
        }
    }
    return true;
}

/* What all devices have in common: the way back to them, and the uplink pair's way out. */
static int make_common(struct run *run) {
    struct run_ends ends = run_plan_ends(&run->plan, 0);
    struct pl_rule back = {.family = PLAIT_IPV4,
                           .priority = RUN_RULE_RETURN,
                           .table = run->plan.tables.first + RUN_TABLE_RETURN,
                           .dst = ends.host4,
                           .dst_len = RUN_BLOCK4};
    struct pl_rule out = {.family = PLAIT_IPV4,
                          .priority = RUN_RULE_IN,
                          .table = run->plan.tables.first + RUN_SLOT_UPLINK};
    run_plan_name(run->plan.instance, RUN_SLOT_UPLINK, out.iif);
    prepare_own(out.iif);
    back.dst.bytes[3] = 0;
    ends = run_plan_ends(&run->plan, RUN_SLOT_UPLINK);
    struct pl_route uplink = {.family = PLAIT_IPV4,
                              .table = back.table,
                              .dst = ends.host4,
                              .prefix_len = RUN_PREFIX4,
                              .index = run->inner.host_index};
    uplink.dst.bytes[3] &= 0xfc;
    add_route(run, &uplink);
    add_last_resort(run, out.table);
    int result = pl_netconf_rule_add(run->conf, &back);
    if (result == 0) {
        result = pl_netconf_rule_add(run->conf, &out);
    }
    back.family = out.family = uplink.family = PLAIT_IPV6;
    back.dst = uplink.dst = ends.host6;
    back.dst_len = RUN_BLOCK6;
    back.dst.bytes[7] = back.dst.bytes[15] = 0;
    uplink.dst.bytes[15] = 0;
    uplink.prefix_len = RUN_PREFIX6;
    if (pl_netconf_rule_add(run->conf, &back) == 0 && pl_netconf_rule_add(run->conf, &out) == 0) {
        add_route(run, &uplink);
    }
    return result;
}

bool run_links_begin(struct run *run) {
    int result = make_common(run);
    if (result < 0) {
        cli_say("cannot make routing rules: %s", strerror(-result));
        return false;
    }
    if (run->options.link_count > 0) {
        if (!add_given_links(run)) {
            return false;
        }
    } else if (!add_default_links(run)) {
        cli_say("no interface has a default route; name those to use with --link");
        return false;
    }
    if (!run_nat_load(run)) {
        return false;
    }
    run_links_update(run);
    return true;
}

/* ---- following ---- */

void run_links_update(struct run *run) {
    const struct pl_links *seen = pl_netlink_links(run->monitor);
    struct run_links *links = &run->links;
    static const struct pl_link gone;
    bool changed = false, ipv6 = false;
    if (run->options.link_count == 0 && add_default_links(run) && !run_nat_load(run)) {
        return;
    }
    for (unsigned i = 0; i < links->count; i++) {
        struct run_link *link = &links->link[i];
        struct run_applied before = link->applied;
        const struct pl_link *now = pl_links_by_name(seen, link->name);
        if (now != NULL) {
            prepare_link(run, link, now->index);
        }
        apply(run, link, now != NULL ? now : &gone);
        changed |= memcmp(&before, &link->applied, sizeof(before)) != 0;
        ipv6 |= link->applied.up && link->applied.addr6.family != PLAIT_FAMILY_NONE;
    }
    route_uplink(run, changed);
    run_inner_ipv6(run, ipv6);
}

void run_links_choose(struct run *run) {
    route_uplink(run, false);
}

struct run_link *run_links_of_port(struct run *run, plait_port_id port) {
    for (unsigned i = 0; i < run->links.count; i++) {
        struct run_link *link = &run->links.link[i];
        if (link->port != NULL && link->port->io.id == port) {
            return link;
        }
    }
    return NULL;
}

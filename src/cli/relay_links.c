/* cli/relay_links.c - the links that carry subflows.
 *
 * Each has a TUN device on the host side whose far end is a port of the stack. A rule leads what
 * comes out of the device to a routing table that knows this one link, and that ends in
 * "unreachable". relay_links_update() compares what the kernel says about each interface with what
 * was applied last and does what is different, so it can be called at any time and any number of
 * times.
 *
 * A port is up while its link has carrier and an address and route of either family. When the
 * link's own address changes, the flows behind it are lost (they were masqueraded as that address),
 * so the stack's address is taken away and given back: it opens new subflows. */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "cli/relay.h"
#include "port/pcapng.h"
#include "wire/addr.h"

#define SILENCE_NS_MAX PLAIT_NS_PER_S

enum { MTU6_MIN = 1280 };

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
static const struct plait_addr *usable(struct relay_link *link, const struct pl_link *seen,
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

/* Where the kernel sends packets for the Internet if that is none of the default routes: a VPN that
 * works with policy rules or with two halves of the address space. */
struct detour {
    int index; /* 0: none */
    struct pl_gateway gateway4, gateway6;
};

/* Two root name servers: addresses that nobody has a route of their own for. Nothing is sent. */
static const struct plait_addr afar4 = {.bytes = {198, 41, 0, 4}, .family = PLAIT_IPV4};
static const struct plait_addr afar6 = {.bytes = {0x20, 0x01, 0x05, 0x00, 0x00, 0x9f, [15] = 0x42},
                                        .family = PLAIT_IPV6};

static struct detour find_detour(struct relay *relay) {
    struct detour detour = {0};
    const struct pl_links *links = pl_netlink_links(relay->monitor);
    int index4 = pl_netlink_lookup(relay->monitor, &afar4, &detour.gateway4);
    int index6 = pl_netlink_lookup(relay->monitor, &afar6, &detour.gateway6);
    const struct pl_link *link4 = pl_links_by_index(links, index4);
    const struct pl_link *link6 = pl_links_by_index(links, index6);
    if (link4 != NULL && !link4->loopback && !link4->gateway4.present) {
        detour.index = index4;
    } else if (link6 != NULL && !link6->loopback && !link6->gateway6.present) {
        detour.index = index6;
    }
    detour.gateway4.present &= index4 == detour.index;
    detour.gateway6.present &= index6 == detour.index;
    return detour;
}

/* The link as it is to be seen: while there is a detour, no other way leads to the Internet. */
static void look_along(const struct detour *detour, struct pl_link *link) {
    if (detour->index == 0) {
        return;
    }
    bool own = link->index == detour->index;
    link->gateway4 = own ? detour->gateway4 : (struct pl_gateway){0};
    link->gateway6 = own ? detour->gateway6 : (struct pl_gateway){0};
}

/* ---- everything but TCP ---- */

static uint32_t metric_of(const struct relay_link *link) {
    const struct pl_link *seen = &link->applied.link;
    return seen->gateway4.present ? seen->gateway4.metric : seen->gateway6.metric;
}

/* Lowest round-trip time where both are known, else lowest metric. */
static bool better(const struct relay_link *a, const struct relay_link *b) {
    if (a->srtt_ns > 0 && b->srtt_ns > 0) {
        return a->srtt_ns < b->srtt_ns;
    }
    return metric_of(a) < metric_of(b);
}

/* Up, and not silent for so long that the stack's paths over it must be dead. */
static bool serves(const struct relay_link *link, plait_time now) {
    return link->applied.up &&
           (link->silent_since == 0 || now - link->silent_since < SILENCE_NS_MAX);
}

/* A link that serves is kept: changing it breaks what runs over it. One that does not is kept
 * for want of a better one. */
static void choose_best(struct relay *relay) {
    struct relay_links *links = &relay->links;
    const struct relay_link *before = links->best;
    plait_time now = pl_posix_now();
    if (links->best != NULL && serves(links->best, now)) {
        return;
    }
    if (links->best != NULL && !links->best->applied.up) {
        links->best = NULL;
    }
    for (unsigned i = 0; i < links->count; i++) {
        struct relay_link *link = &links->link[i];
        bool first = links->best == NULL && link->applied.up;
        bool other = links->best != NULL && serves(link, now) &&
                     (!serves(links->best, now) || better(link, links->best));
        if (first || other) {
            links->best = link;
        }
    }
    if (links->best != before) {
        relay_debug(relay, "UDP and the rest go over %s",
                    links->best != NULL ? links->best->name : "no link");
    }
}

static void route_uplink(struct relay *relay, bool links_changed) {
    struct relay_links *links = &relay->links;
    const struct relay_link *before = links->best;
    uint32_t table = relay->plan.tables.first + RELAY_SLOT_UPLINK;
    choose_best(relay);
    if (!links_changed && before == links->best) {
        return;
    }
    relay_route_flush(relay, table);
    for (unsigned i = 0; i < links->count; i++) {
        if (links->link[i].applied.up) {
            relay_route_connected(relay, table, &links->link[i].applied.link);
        }
    }
    if (links->best != NULL) {
        relay_route_default(relay, table, &links->best->applied.link, PLAIT_IPV4);
        relay_route_default(relay, table, &links->best->applied.link, PLAIT_IPV6);
    }
}

/* ---- the stack's view ---- */

/* `plait run` opens subflows from every address. `plait serve` leaves that to the clients, which
 * may be where nobody can connect to, and tells them the links' own addresses; but not when it
 * listens on one address only, for the others lead nowhere then. */
static int give_addr(struct relay *relay, const struct relay_link *link,
                     const struct plait_addr *own, const struct plait_addr *far, plait_time now) {
    struct plait_stack *stack = relay->loop.stack;
    const struct relay_service *service = &relay->options.service;
    plait_port_id port = link->port->io.id;
    uint32_t flags = service->port != 0 ? 0 : PLAIT_ADDRESS_SUBFLOW;
    int result = plait_address_add(stack, port, far, flags, 0, 0, now);
    if (result >= 0 && service->port != 0 && service->addr.family == PLAIT_FAMILY_NONE) {
        result = plait_address_announce(stack, port, far, own, now);
    }
    return result;
}

/* Gives, takes away or renews the stack's address of a family. */
static void apply_addr(struct relay *relay, struct relay_link *link, struct plait_addr *applied,
                       const struct plait_addr *own, const struct plait_addr *far, plait_time now) {
    static const struct plait_addr none;
    if (own == NULL) {
        own = &none;
    }
    if (pl_addr_equal(applied, own) && applied->family == own->family) {
        return;
    }
    if (applied->family != PLAIT_FAMILY_NONE) {
        plait_address_remove(relay->loop.stack, link->port->io.id, far, now);
    }
    *applied = *own;
    if (own->family == PLAIT_FAMILY_NONE) {
        return;
    }
    int result = give_addr(relay, link, own, far, now);
    if (result < 0) {
        cli_say("%s: the stack takes no more addresses", link->name);
        *applied = none;
    }
}

/* While the link was dead, questions for the gateway's hardware address went unanswered. */
static void wake_gateways(struct relay *relay, const struct pl_link *seen) {
    const struct pl_gateway *gateways[] = {&seen->gateway4, &seen->gateway6};
    for (unsigned i = 0; i < 2; i++) {
        if (gateways[i]->present && gateways[i]->via.family != PLAIT_FAMILY_NONE) {
            int result = pl_netconf_forget_neighbour(relay->conf, seen->index, &gateways[i]->via);
            (void)result; /* there may be none */
        }
    }
}

static void apply(struct relay *relay, struct relay_link *link, const struct pl_link *seen) {
    struct relay_applied *applied = &link->applied;
    struct relay_ends ends = relay_plan_ends(&relay->plan, link->slot);
    const struct plait_addr *own4 = usable(link, seen, PLAIT_IPV4);
    const struct plait_addr *own6 = usable(link, seen, PLAIT_IPV6);
    bool up = link->port != NULL && !link->port->gone && (own4 != NULL || own6 != NULL);
    plait_time now = pl_posix_now();
    if (up) {
        if (seen->mtu != applied->link.mtu) {
            plait_port_set_mtu(relay->loop.stack, link->port->io.id, relay_link_mtu(seen));
            int result = pl_netconf_link_up(relay->conf, link->tun_index, relay_link_mtu(seen));
            relay_debug(relay, "%s: MTU %u%s", link->name, seen->mtu, result < 0 ? ", failed" : "");
            applied->link.mtu = seen->mtu;
        }
        relay_route_link(relay, link, seen);
        apply_addr(relay, link, &applied->addr4, own4, &ends.far4, now);
        apply_addr(relay, link, &applied->addr6, own6, &ends.far6, now);
    } else if (!seen->up) {
        applied->routed = false; /* the kernel has removed them */
    }
    if (up != applied->up) {
        applied->up = up;
        relay_debug(relay, "link %s is %s", link->name, up ? "up" : "down");
        if (up) {
            wake_gateways(relay, seen);
        }
        if (link->port != NULL) {
            plait_port_set_up(relay->loop.stack, link->port->io.id, up, now);
        }
    }
}

/* ---- choosing links ---- */

static struct relay_link *find(struct relay_links *links, const char *name) {
    for (unsigned i = 0; i < links->count; i++) {
        if (strcmp(links->link[i].name, name) == 0) {
            return &links->link[i];
        }
    }
    return NULL;
}

static bool has_slot(const struct relay_links *links, unsigned slot) {
    for (unsigned i = 0; i < links->count; i++) {
        if (links->link[i].slot == slot) {
            return true;
        }
    }
    return false;
}

/* Their order stays: the first one starts connections. */
static void forget_link(struct relay *relay, struct relay_link *link) {
    struct relay_links *links = &relay->links;
    size_t after = (size_t)(links->link + links->count - (link + 1));
    relay_device_unmake(relay, link);
    if (links->best == link) {
        links->best = NULL;
    } else if (links->best > link) {
        links->best--;
    }
    memmove(link, link + 1, after * sizeof(*link));
    links->count--;
}

/* Interfaces come back under their names, so their links wait for them, until all slots are taken:
 * then that of the first whose interface is gone is given away. False when there is none. */
static bool make_room(struct relay *relay) {
    struct relay_links *links = &relay->links;
    const struct pl_links *seen = pl_netlink_links(relay->monitor);
    for (unsigned i = 0; i < links->count; i++) {
        struct relay_link *link = &links->link[i];
        if (!link->given && pl_links_by_name(seen, link->name) == NULL) {
            relay_debug(relay, "link %s is forgotten", link->name);
            relay_state_forget(&relay->state, link->name);
            forget_link(relay, link);
            return true;
        }
    }
    return false;
}

/* Adds a link; false (and said why) when its device cannot be made. */
static bool add_link(struct relay *relay, const struct pl_link *seen, bool given) {
    struct relay_links *links = &relay->links;
    if (links->count == RELAY_LINKS_MAX) {
        cli_say("%s: no more than %d links", seen->name, RELAY_LINKS_MAX);
        return false;
    }
    if (!relay_nat_takes_name(seen->name)) {
        return false;
    }
    struct relay_link *link = &links->link[links->count];
    memset(link, 0, sizeof(*link));
    memcpy(link->name, seen->name, sizeof(link->name));
    while (has_slot(links, link->slot)) {
        link->slot++;
    }
    link->given = given;
    links->count++;
    int result = relay_device_make(relay, link, seen);
    if (result < 0) {
        cli_say("%s: cannot make a device for it: %s", seen->name, strerror(-result));
        forget_link(relay, link);
        return false;
    }
    relay_device_prepare(relay, link, seen->index);
    if (relay->capture != NULL) {
        link->port->io.capture = relay->capture;
        link->port->io.capture_id = pl_pcapng_add(relay->capture, link->name);
    }
    return true;
}

static bool is_refused(const struct relay_links *links, const struct pl_link *seen) {
    for (unsigned i = 0; i < links->refused_count; i++) {
        const struct relay_refused *refused = &links->refused[i];
        if (refused->index == seen->index && strcmp(refused->name, seen->name) == 0) {
            return true;
        }
    }
    return false;
}

/* Remembers that an interface cannot be a link, in the place of one that is none any more: there
 * are never more than interfaces. */
static void refuse(struct relay *relay, const struct pl_link *seen) {
    struct relay_links *links = &relay->links;
    unsigned at = 0;
    while (at < links->refused_count) {
        const struct relay_refused *old = &links->refused[at];
        const struct pl_link *now = pl_links_by_index(pl_netlink_links(relay->monitor), old->index);
        if (now == NULL || strcmp(now->name, old->name) != 0) {
            break;
        }
        at++;
    }
    PL_ASSERT(at < PL_LINKS_MAX);
    links->refused[at].index = seen->index;
    memcpy(links->refused[at].name, seen->name, sizeof(seen->name));
    links->refused_count += at == links->refused_count;
}

static uint32_t link_metric(const struct pl_link *link) {
    return link->gateway4.present ? link->gateway4.metric : link->gateway6.metric;
}

/* Of the interfaces with a way to the Internet that are not used yet and can be, the one with the
 * best metric. False when there are none. */
static bool next_link(struct relay *relay, const struct detour *detour, struct pl_link *next) {
    const struct pl_links *seen = pl_netlink_links(relay->monitor);
    bool found = false;
    for (unsigned i = 0; i < seen->count; i++) {
        struct pl_link link = seen->link[i];
        look_along(detour, &link);
        bool leads = !link.loopback && (link.gateway4.present || link.gateway6.present);
        if (leads && find(&relay->links, link.name) == NULL && !is_refused(&relay->links, &link) &&
            (!found || link_metric(&link) < link_metric(next))) {
            *next = link;
            found = true;
        }
    }
    return found;
}

/* Adds them all, best first: the first one starts connections. */
static bool add_default_links(struct relay *relay, const struct detour *detour) {
    struct pl_link next;
    bool added = false;
    while (next_link(relay, detour, &next) &&
           (relay->links.count < RELAY_LINKS_MAX || make_room(relay))) {
        if (!add_link(relay, &next, false)) {
            refuse(relay, &next);
            continue;
        }
        added = true;
        if (detour->index != 0) {
            cli_say(
                "all traffic of this host goes by %s, a VPN or the like%s (name links with --link "
                "for something else)",
                next.name,
                relay_serves(&relay->options) ? ": connections are taken from there only"
                                              : "; so does this program's");
        }
    }
    return added;
}

static bool add_given_links(struct relay *relay) {
    const struct pl_links *seen = pl_netlink_links(relay->monitor);
    for (unsigned i = 0; i < relay->options.link_count; i++) {
        const char *name = relay->options.links[i];
        const struct pl_link *link = pl_links_by_name(seen, name);
        if (link == NULL) {
            cli_say("%s: --link %s: there is no such interface; `ip link` lists them",
                    relay->options.command, name);
            relay->trouble = EXIT_USAGE;
            return false;
        }
        if (find(&relay->links, name) == NULL && !add_link(relay, link, true)) {
            return false;
        }
    }
    return true;
}

/* What all devices have in common: the way back to them, and the uplink pair's way out. */
bool relay_links_begin(struct relay *relay) {
    struct detour detour = find_detour(relay);
    int result = relay_device_common(relay);
    if (result < 0) {
        cli_say("cannot make routing rules: %s", strerror(-result));
        return false;
    }
    if (relay->options.link_count > 0) {
        if (!add_given_links(relay)) {
            return false;
        }
    } else if (!add_default_links(relay, &detour)) {
        if (relay->links.refused_count == 0) {
            cli_say("no interface has a default route; name those to use with --link");
        }
        return false;
    }
    if (!relay_nat_load(relay)) {
        return false;
    }
    relay_links_update(relay);
    return true;
}

/* ---- following ---- */

void relay_links_update(struct relay *relay) {
    const struct pl_links *seen = pl_netlink_links(relay->monitor);
    struct relay_links *links = &relay->links;
    struct detour detour = {0};
    bool changed = false, ipv6 = false;
    if (relay->options.link_count == 0) {
        detour = find_detour(relay);
        if (add_default_links(relay, &detour) && !relay_nat_load(relay)) {
            return;
        }
    }
    for (unsigned i = 0; i < links->count; i++) {
        struct relay_link *link = &links->link[i];
        struct relay_applied before = link->applied;
        const struct pl_link *now = pl_links_by_name(seen, link->name);
        struct pl_link view = now != NULL ? *now : (struct pl_link){0};
        if (now != NULL) {
            relay_device_prepare(relay, link, now->index);
            look_along(&detour, &view);
        }
        apply(relay, link, &view);
        changed |= memcmp(&before, &link->applied, sizeof(before)) != 0;
        ipv6 |= link->applied.up && link->applied.addr6.family != PLAIT_FAMILY_NONE;
    }
    if (relay_has_program(&relay->options)) {
        route_uplink(relay, changed);
        relay_inner_ipv6(relay, ipv6);
    }
}

void relay_links_choose(struct relay *relay) {
    if (relay_has_program(&relay->options)) {
        route_uplink(relay, false);
    }
}

struct relay_link *relay_links_of_port(struct relay *relay, plait_port_id port) {
    for (unsigned i = 0; i < relay->links.count; i++) {
        struct relay_link *link = &relay->links.link[i];
        if (link->port != NULL && link->port->io.id == port) {
            return link;
        }
    }
    return NULL;
}

void relay_links_outside(const struct relay *relay, struct plait_addr *addr) {
    const struct relay_service *service = &relay->options.service;
    if (service->addr.family != PLAIT_FAMILY_NONE) {
        *addr = service->addr;
        return;
    }
    for (unsigned i = 0; i < relay->links.count; i++) {
        const struct relay_link *link = &relay->links.link[i];
        struct relay_ends ends = relay_plan_ends(&relay->plan, link->slot);
        bool six = addr->family == PLAIT_IPV6;
        const struct plait_addr *own = six ? &link->applied.addr6 : &link->applied.addr4;
        if (pl_addr_equal(addr, six ? &ends.far6 : &ends.far4) &&
            own->family != PLAIT_FAMILY_NONE) {
            *addr = *own;
            return;
        }
    }
}

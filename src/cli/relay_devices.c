/* cli/relay_devices.c - the devices on the host side, their rules and their settings.
 *
 * Rules lead what comes out of a device to the table of its link, and answers back to the devices
 * whatever other tables say. Forwarding is switched on for the interfaces concerned only. */
#include <errno.h>
#include <string.h>

#include "cli/relay.h"
#include "port/command.h"
#include "port/pcapng.h"

/* ---- sysctls ---- */

static int set_for(struct relay *relay, const char *format_head, const char *name, const char *tail,
                   const char *value, char was[16]) {
    char path[160];
    snprintf(path, sizeof(path), "%s/%s/%s", format_head, name, tail);
    return relay_state_sysctl(&relay->state, path, value, was);
}

/* Before Linux 6.17 only the whole host can forward IPv6. Its interfaces would then ignore router
 * advertisements and lose what they learnt from them, so those that listen are told to go on. */
static bool forward_all6(struct relay *relay) {
    const struct pl_links *links = pl_netlink_links(relay->monitor);
    char was[16] = "0", value[16], path[160];
    for (unsigned i = 0; i < links->count; i++) {
        snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", links->link[i].name);
        if (pl_sysctl_read(path, value, sizeof(value)) == 0 && strcmp(value, "1") == 0 &&
            relay_state_sysctl(&relay->state, path, "2", NULL) < 0) {
            return false;
        }
    }
    if (relay_state_sysctl(&relay->state, "net/ipv6/conf/all/forwarding", "1", was) < 0) {
        return false;
    }
    relay->links.guard6 = strcmp(was, "0") == 0;
    return true;
}

/* Lets packets that come in by the link be forwarded. */
void relay_device_prepare(struct relay *relay, struct relay_link *link, int index) {
    char was[16] = "0";
    if (link->prepared_index == index) {
        return;
    }
    link->prepared_index = index;
    if (set_for(relay, "net/ipv4/conf", link->name, "forwarding", "1", was) < 0) {
        cli_say("%s: cannot switch IPv4 forwarding on", link->name);
    }
    link->was_forwarding[0] = strcmp(was, "0") != 0;
    memcpy(was, "0", 2);
    if (set_for(relay, "net/ipv6/conf", link->name, "force_forwarding", "1", was) < 0 &&
        !forward_all6(relay)) {
        relay_debug(relay, "%s: no IPv6 forwarding", link->name);
        return;
    }
    char all[16] = "0";
    if (pl_sysctl_read("net/ipv6/conf/all/forwarding", all, sizeof(all)) < 0) {
        return;
    }
    link->was_forwarding[1] = strcmp(was, "0") != 0 || (!relay->links.guard6 && all[0] == '1');
}

void relay_device_own(const char *name) {
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

/* ---- making links ---- */

void relay_device_return(struct relay *relay, unsigned slot, int index) {
    struct relay_ends ends = relay_plan_ends(&relay->plan, slot);
    struct pl_route back = {.family = PLAIT_IPV4,
                            .table = relay->plan.tables.first + RELAY_TABLE_RETURN,
                            .dst = ends.host4,
                            .prefix_len = RELAY_PREFIX4,
                            .index = index};
    back.dst.bytes[3] &= 0xfc;
    relay_route_add(relay, &back);
    if (pl_netconf_address(relay->conf, index, &ends.host6, RELAY_PREFIX6) == 0) {
        back.family = PLAIT_IPV6;
        back.dst = ends.host6;
        back.dst.bytes[15] = 0;
        back.prefix_len = RELAY_PREFIX6;
        relay_route_add(relay, &back);
    }
}

static int make_rules(struct relay *relay, const struct relay_link *link) {
    struct pl_rule in = {.family = PLAIT_IPV4, .priority = RELAY_RULE_IN};
    in.table = relay->plan.tables.first + link->slot;
    relay_plan_name(relay->plan.instance, link->slot, in.iif);
    relay_route_last(relay, in.table);
    relay_device_return(relay, link->slot, link->tun_index);
    int result = pl_netconf_rule_add(relay->conf, &in);
    in.family = PLAIT_IPV6;
    int six = pl_netconf_rule_add(relay->conf, &in);
    (void)six; /* IPv6 may be off */
    return result;
}

int relay_device_make(struct relay *relay, struct relay_link *link, const struct pl_link *seen) {
    struct relay_ends ends = relay_plan_ends(&relay->plan, link->slot);
    struct plait_port_config config = {.size = sizeof(config), .mtu = relay_link_mtu(seen)};
    struct pl_tun tun;
    char name[16];
    relay_plan_name(relay->plan.instance, link->slot, name);
    int result = pl_tun_open(&tun, name, -1);
    if (result < 0) {
        return result;
    }
    snprintf(config.name, sizeof(config.name), "%s", link->name);
    config.flags = tun.vnet ? PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM : 0;
    if (pl_loop_add_port(&relay->loop, &tun, &config, &link->port) < 0) {
        return -ENOSPC;
    }
    plait_port_set_up(relay->loop.stack, link->port->io.id, false, pl_posix_now());
    link->tun_index = pl_netconf_index(relay->conf, name);
    if (link->tun_index < 0) {
        return link->tun_index;
    }
    relay_device_own(name);
    result = pl_netconf_address(relay->conf, link->tun_index, &ends.host4, RELAY_PREFIX4);
    if (result == 0) {
        result = pl_netconf_link_up(relay->conf, link->tun_index, relay_link_mtu(seen));
    }
    if (result == 0) {
        result = make_rules(relay, link);
    }
    bool listens = !relay_serves(&relay->options) || relay_accept_link(relay, link);
    return result == 0 && !listens ? -EADDRINUSE : result;
}

void relay_device_unmake(struct relay *relay, struct relay_link *link) {
    struct pl_tables table = {relay->plan.tables.first + link->slot, 1};
    char name[16];
    relay_plan_name(relay->plan.instance, link->slot, name);
    if (link->listener != 0) {
        plait_close(relay->loop.stack, link->listener, pl_posix_now());
        link->listener = 0;
    }
    if (link->port != NULL) {
        /* By name, as the descriptor stays open until the loop's next turn. */
        int result = pl_netconf_link_delete(relay->conf, name);
        (void)result; /* it may have vanished by itself */
        pl_loop_remove_port(&relay->loop, link->port);
        link->port = NULL;
    }
    int result = pl_netconf_flush_rules(relay->conf, table);
    result |= pl_netconf_flush_routes(relay->conf, table, false);
    (void)result; /* there may be none */
}

/* The uplink pair's way out. */
static int make_uplink_rules(struct relay *relay) {
    struct pl_rule out = {.family = PLAIT_IPV4,
                          .priority = RELAY_RULE_IN,
                          .table = relay->plan.tables.first + RELAY_SLOT_UPLINK};
    relay_plan_name(relay->plan.instance, RELAY_SLOT_UPLINK, out.iif);
    relay_device_own(out.iif);
    relay_route_last(relay, out.table);
    relay_device_return(relay, RELAY_SLOT_UPLINK, relay->inner.host_index);
    int result = pl_netconf_rule_add(relay->conf, &out);
    out.family = PLAIT_IPV6;
    int six = pl_netconf_rule_add(relay->conf, &out);
    (void)six; /* IPv6 may be off */
    return result;
}

int relay_device_common(struct relay *relay) {
    struct relay_ends ends = relay_plan_ends(&relay->plan, 0);
    struct pl_rule back = {.family = PLAIT_IPV4,
                           .priority = RELAY_RULE_RETURN,
                           .table = relay->plan.tables.first + RELAY_TABLE_RETURN,
                           .dst = ends.host4,
                           .dst_len = RELAY_BLOCK4};
    back.dst.bytes[3] = 0;
    int result = pl_netconf_rule_add(relay->conf, &back);
    back.family = PLAIT_IPV6;
    back.dst = ends.host6;
    back.dst_len = RELAY_BLOCK6;
    back.dst.bytes[7] = back.dst.bytes[15] = 0;
    int six = pl_netconf_rule_add(relay->conf, &back);
    (void)six; /* IPv6 may be off */
    if (result == 0 && relay_has_program(&relay->options)) {
        result = make_uplink_rules(relay);
    }
    return result;
}

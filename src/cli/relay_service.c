/* cli/relay_service.c - the way to a service that listens somewhere already.
 *
 * One more TUN device of the host, whose far end is the stack's inner port. The stack connects to
 * the device's own address, and a rule of relay_nat.c makes the service's of it: so 127.0.0.1 can
 * be reached, which no route leads to. A service behind another interface is reached as by a
 * router: what goes there is masqueraded, and answers are forwarded to us and nobody else. */
#include <errno.h>
#include <string.h>

#include "cli/relay.h"
#include "port/pcapng.h"

enum { SERVICE_MTU = 1500 };

static int make_device(struct relay *relay) {
    struct relay_ends ends = relay_plan_ends(&relay->plan, RELAY_SLOT_SERVICE);
    struct relay_inner *inner = &relay->inner;
    struct plait_port_config config = {
        .size = sizeof(config), .name = "service", .mtu = SERVICE_MTU};
    struct pl_tun tun;
    char name[16];
    relay_plan_name(relay->plan.instance, RELAY_SLOT_SERVICE, name);
    int result = pl_tun_open(&tun, name, -1);
    if (result < 0) {
        return result;
    }
    config.flags = PLAIT_PORT_ANY_ADDRESS | PLAIT_PORT_NO_MPTCP;
    config.flags |= tun.vnet ? PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM : 0;
    if (pl_loop_add_port(&relay->loop, &tun, &config, &inner->port) < 0) {
        return -ENOMEM;
    }
    inner->tun_index = pl_netconf_index(relay->conf, name);
    if (inner->tun_index < 0) {
        return inner->tun_index;
    }
    relay_device_own(name);
    result = pl_netconf_address(relay->conf, inner->tun_index, &ends.host4, RELAY_PREFIX4);
    if (result == 0) {
        result = pl_netconf_link_up(relay->conf, inner->tun_index, SERVICE_MTU);
    }
    relay_device_return(relay, RELAY_SLOT_SERVICE, inner->tun_index);
    return result;
}

/* Where the service is on another host: its answers are to be forwarded. False: said why not. */
static bool make_way(struct relay *relay) {
    struct pl_gateway gateway;
    const struct plait_addr *to = &relay->options.service.to.addr;
    int index = pl_netlink_lookup(relay->monitor, to, &gateway);
    const struct pl_link *seen = pl_links_by_index(pl_netlink_links(relay->monitor), index);
    if (seen == NULL || seen->loopback) {
        return true;
    }
    if (!relay_nat_takes_name(seen->name)) {
        return false;
    }
    memcpy(relay->service_way.name, seen->name, sizeof(relay->service_way.name));
    relay_device_prepare(relay, &relay->service_way, seen->index);
    relay_debug(relay, "the service is behind %s", seen->name);
    return true;
}

bool relay_service_begin(struct relay *relay) {
    int result = make_device(relay);
    if (result < 0) {
        cli_say("cannot make a device for the way to the service: %s", strerror(-result));
        return false;
    }
    return make_way(relay);
}

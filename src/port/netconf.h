/* port/netconf.h - setting up links, addresses, routes and rules by rtnetlink.
 *
 * One socket per namespace; every call is one request and its acknowledgement. All return 0 or
 * -errno. What exists already (EEXIST) or is gone already (ENOENT, ESRCH, ENODEV) is left to the
 * caller to judge. */
#ifndef PL_PORT_NETCONF_H
#define PL_PORT_NETCONF_H

#include "plait/types.h"

struct pl_netconf;

PLAIT_MUST_CHECK int pl_netconf_open(struct pl_netconf **out, int ns);
void pl_netconf_close(struct pl_netconf *conf);

/* Index of an interface, or -errno. */
PLAIT_MUST_CHECK int pl_netconf_index(struct pl_netconf *conf, const char *name);
/* mtu 0: as it is. */
PLAIT_MUST_CHECK int pl_netconf_link_up(struct pl_netconf *conf, int index, uint32_t mtu);
PLAIT_MUST_CHECK int pl_netconf_link_delete(struct pl_netconf *conf, const char *name);
/* Creates a pair: `name` here, `peer` in the namespace `peer_ns`. */
PLAIT_MUST_CHECK int pl_netconf_veth(struct pl_netconf *conf, const char *name, const char *peer,
                                     int peer_ns, uint32_t mtu);
/* Without duplicate address detection. */
PLAIT_MUST_CHECK int pl_netconf_address(struct pl_netconf *conf, int index,
                                        const struct plait_addr *addr, uint8_t prefix_len);

enum pl_route_kind {
    PL_ROUTE_UNICAST,
    PL_ROUTE_UNREACHABLE, /* answered with ICMP */
};

struct pl_route {
    enum pl_route_kind kind;
    uint8_t family; /* enum plait_family */
    uint32_t table;
    struct plait_addr dst; /* prefix_len 0: default */
    uint8_t prefix_len;
    struct plait_addr via;    /* family NONE: none */
    struct plait_addr source; /* preferred source, family NONE: none */
    int index;                /* outgoing interface, 0: none */
    uint32_t metric;
    bool onlink; /* the gateway need not be in a connected prefix */
};
/* Adds, or replaces the one with the same destination, metric and table. */
PLAIT_MUST_CHECK int pl_netconf_route(struct pl_netconf *conf, const struct pl_route *route);
PLAIT_MUST_CHECK int pl_netconf_route_delete(struct pl_netconf *conf, const struct pl_route *route);

/* A run of routing tables. */
struct pl_tables {
    uint32_t first, count;
};
/* Removes every route of the tables (both families), with `keep_unreachable` all but those. */
PLAIT_MUST_CHECK int pl_netconf_flush_routes(struct pl_netconf *conf, struct pl_tables tables,
                                             bool keep_unreachable);
/* Removes every rule that leads to one of the tables. */
PLAIT_MUST_CHECK int pl_netconf_flush_rules(struct pl_netconf *conf, struct pl_tables tables);

/* Forgets what is known about a neighbour: the next packet asks for it at once, where a failed or
 * unanswered question would otherwise be repeated only every second. */
PLAIT_MUST_CHECK int pl_netconf_forget_neighbour(struct pl_netconf *conf, int index,
                                                 const struct plait_addr *addr);

struct pl_rule {
    uint8_t family;
    uint32_t priority;
    uint32_t table;
    char iif[16];        /* "" : any */
    uint8_t ip_protocol; /* 0: any */
    struct plait_addr dst;
    uint8_t dst_len; /* 0: any destination */
};
PLAIT_MUST_CHECK int pl_netconf_rule_add(struct pl_netconf *conf, const struct pl_rule *rule);
PLAIT_MUST_CHECK int pl_netconf_rule_delete(struct pl_netconf *conf, const struct pl_rule *rule);

#endif

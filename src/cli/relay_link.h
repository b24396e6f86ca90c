/* cli/relay_link.h - the links that carry subflows, their devices, routes and rules. */
#ifndef PL_CLI_RELAY_LINK_H
#define PL_CLI_RELAY_LINK_H

#include "cli/relay_options.h"
#include "port/loop.h"
#include "port/netlink.h"

enum {
    RELAY_RULE_RETURN = 899, /* priorities of the policy rules */
    RELAY_RULE_IN = 900,
    RELAY_LAST_METRIC = 0x7fffffff /* of the unreachable routes that end every table */
};

struct relay;
struct pl_route;

/* ---- links ---- */

/* What the stack and the tables were last told about a link. */
struct relay_applied {
    bool up;
    bool routed;
    struct pl_link link;            /* as it was when the routes were made */
    struct plait_addr addr4, addr6; /* the link's own; family NONE: not in use */
};

struct relay_link {
    char name[16];
    unsigned slot;
    bool given;             /* by --link: used without a default route, too */
    bool had_gateway[2];    /* a default route was seen (v4, v6) */
    bool was_forwarding[2]; /* before any instance came */
    int prepared_index;     /* the interface whose sysctls are set, 0: none */
    int tun_index;
    struct pl_loop_port *port; /* NULL when the device is gone */
    plait_sock listener;       /* of `plait serve`, 0: none */
    struct relay_applied applied;
    uint64_t subflows_opened;
    unsigned subflows, live; /* now; of these, not silent */
    bool lost;               /* its last subflow timed out */
    plait_time silent_since; /* all its subflows are silent since; 0: no */
    uint64_t srtt_ns;        /* last known, 0: none */
};

/* An interface that cannot be a link. It is not tried again until it is another one or is called
 * differently. */
struct relay_refused {
    int index;
    char name[16];
};

struct relay_links {
    unsigned count;
    struct relay_link link[RELAY_LINKS_MAX];
    struct relay_link *best;  /* for everything but TCP; NULL: none */
    struct pl_link uplink_by; /* as it was when the uplink's routes were made */
    bool ipv6;                /* some link can do IPv6 */
    bool warned;              /* of a firewall that drops */
    bool guard6;              /* the whole host became an IPv6 router for us */
    unsigned refused_count;
    struct relay_refused refused[PL_LINKS_MAX];
};

/* The MTU of a link's device and port: the link's, within what IP and the stack allow. */
static inline uint32_t relay_link_mtu(const struct pl_link *seen) {
    uint32_t mtu = seen->mtu < 65535 ? seen->mtu : 65535;
    return mtu > 576 ? mtu : 576;
}

/* Chooses the links and makes their devices and rules. False: said why. */
bool relay_links_begin(struct relay *relay);
/* Looks at the kernel's picture again and acts on what is different. */
void relay_links_update(struct relay *relay);
/* Chooses another link for everything but TCP if the present one serves no more. */
void relay_links_choose(struct relay *relay);
/* The link behind a port of the stack, or NULL. */
struct relay_link *relay_links_of_port(struct relay *relay, plait_port_id port);

/* Makes of an address of the stack the one by which clients know it. */
void relay_links_outside(const struct relay *relay, struct plait_addr *addr);

/* ---- their devices ---- */

/* Makes the device, port and rules of a new link. Returns 0 or -errno. */
PLAIT_MUST_CHECK int relay_device_make(struct relay *relay, struct relay_link *link,
                                       const struct pl_link *seen);
/* Undoes that, however far it came: the slot is free then. */
void relay_device_unmake(struct relay *relay, struct relay_link *link);
/* The settings of a device that is ours and vanishes with us. */
void relay_device_own(const char *name);
/* The way back to a device, from wherever the rules of relay_device_common() apply. */
void relay_device_return(struct relay *relay, unsigned slot, int index);
/* Lets packets that come in by the link be forwarded, once per interface. */
void relay_device_prepare(struct relay *relay, struct relay_link *link, int index);
/* What all devices have in common: the way back to them, and the uplink pair's way out. Returns 0
 * or -errno. */
PLAIT_MUST_CHECK int relay_device_common(struct relay *relay);

/* ---- and their routes ---- */

/* Failures are told with -d: a route that cannot be made is a path that does not work. */
void relay_route_add(struct relay *relay, const struct pl_route *route);
/* The prefixes that the link itself is in. */
void relay_route_connected(struct relay *relay, uint32_t table, const struct pl_link *seen);
void relay_route_default(struct relay *relay, uint32_t table, const struct pl_link *seen,
                         uint8_t family);
/* "Unreachable", for both families. */
void relay_route_last(struct relay *relay, uint32_t table);
/* Removes all but that. */
void relay_route_flush(struct relay *relay, uint32_t table);
/* Makes the link's table right, if anything that matters to it is different. */
void relay_route_link(struct relay *relay, struct relay_link *link, const struct pl_link *seen);

/* ---- rules of nftables ---- */

/* Whether rules can name the interface. False: said so. */
bool relay_nat_takes_name(const char *name);
/* Loads (or replaces) the instance's table. False: said why. */
bool relay_nat_load(struct relay *relay);

#endif

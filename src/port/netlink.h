/* port/netlink.h - what the kernel knows about links, addresses and default routes.
 *
 * pl_netlink_open() subscribes to changes and takes a first picture; pl_netlink_read(), called
 * when the descriptor is readable, takes a new one and tells the differences link by link. A
 * picture is always complete: a lost notification (ENOBUFS) costs nothing but a new picture.
 *
 * The picture belongs to the monitor and is valid until the next pl_netlink_read(). */
#ifndef PL_PORT_NETLINK_H
#define PL_PORT_NETLINK_H

#include "plait/types.h"

enum {
    PL_LINKS_MAX = 256,
    PL_LINK_ADDRS_MAX = 16,
    PL_LINK_ROUTES_MAX = 64,
};

struct pl_link_addr {
    struct plait_addr addr;
    uint8_t prefix_len;
    bool global;    /* scope global: of use beyond the link */
    bool tentative; /* or failed duplicate address detection */
};

struct pl_gateway {
    bool present;
    struct plait_addr via; /* family NONE: the link is the route (tunnels); may be IPv6 for IPv4 */
    uint32_t metric;       /* lower is better */
};

/* One interface. */
struct pl_link {
    int index;
    char name[16];
    bool up;      /* administratively */
    bool carrier; /* up and running */
    bool loopback;
    uint32_t mtu;
    unsigned addr_count;
    struct pl_link_addr addrs[PL_LINK_ADDRS_MAX];
    struct pl_gateway gateway4, gateway6; /* the best default route of the main table, by metric */
};

struct pl_links {
    unsigned count;
    struct pl_link link[PL_LINKS_MAX];
};

/* Prefixes in use by routes of any table; for choosing private addresses. */
struct pl_prefix {
    struct plait_addr addr;
    uint8_t prefix_len;
    int link; /* index of the outgoing interface, 0 if unknown */
};

enum pl_link_change {
    PL_LINK_NEW = 1 << 0,
    PL_LINK_GONE = 1 << 1,
    PL_LINK_STATE = 1 << 2,   /* up, carrier, MTU or name */
    PL_LINK_ADDRS = 1 << 3,   /* addresses */
    PL_LINK_GATEWAY = 1 << 4, /* default routes */
};

/* `link` is the new state (the last one known with PL_LINK_GONE), `changes` of pl_link_change. */
typedef void (*pl_link_callback)(void *user, const struct pl_link *link, unsigned changes);

struct pl_netlink;

/* Watches the namespace `ns` (< 0: the caller's). Returns 0 or -errno. */
PLAIT_MUST_CHECK int pl_netlink_open(struct pl_netlink **out, int ns);
void pl_netlink_close(struct pl_netlink *monitor);
/* Becomes readable when something may have changed. */
int pl_netlink_fd(const struct pl_netlink *monitor);
/* Consumes notifications and calls back for every link that differs. Returns 0 or -errno. */
PLAIT_MUST_CHECK int pl_netlink_read(struct pl_netlink *monitor, pl_link_callback callback,
                                     void *user);
/* The present picture. */
const struct pl_links *pl_netlink_links(const struct pl_netlink *monitor);
const struct pl_link *pl_links_by_name(const struct pl_links *links, const char *name);
const struct pl_link *pl_links_by_index(const struct pl_links *links, int index);

/* Lists the destinations of all routes but default ones. Returns how many there are (at most
 * `max` are stored) or -errno. */
int pl_netlink_prefixes(struct pl_netlink *monitor, struct pl_prefix *out, unsigned max);

/* Which interface the kernel would send by to a destination, and through which gateway. Returns the
 * index, or -errno (-ENETUNREACH: by none). Policy rules count, so this finds out about VPNs. */
int pl_netlink_lookup(struct pl_netlink *monitor, const struct plait_addr *dst,
                      struct pl_gateway *gateway);

/* Whether the first prefix_len bits of two addresses of one family agree. */
bool pl_prefix_match(const struct plait_addr *a, const struct plait_addr *b, unsigned prefix_len);

#endif

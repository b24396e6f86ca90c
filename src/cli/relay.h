/* cli/relay.h - programs on one side, links on the other, and a stack between them: what `plait
 * run` is made of.
 *
 *   cmd_run.c        options, the order of setting up and taking down, signals
 *   relay_state.c    instances: numbers, state files, sysctls, leftovers of dead instances
 *   relay_plan.c     addresses, routing tables and device names of an instance
 *   relay_links.c    the links, following what the kernel says about them
 *   relay_devices.c  their devices; relay_routes.c: their routes
 *   relay_nat.c      the nftables rules
 *   relay_inner.c    the program's network namespace and the program
 *   relay_resolv.c   its resolver
 *   relay_conns.c    its connections
 *   relay_report.c   --json and --progress
 *
 * One struct relay is the whole state; every part has its own piece of it. One thread. */
#ifndef PL_CLI_RELAY_H
#define PL_CLI_RELAY_H

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>

#include "cli/cli.h"
#include "cli/relay_plan.h"
#include "cli/relay_state.h"
#include "port/loop.h"
#include "port/netconf.h"
#include "port/netlink.h"
#include "proxy/splice.h"

enum {
    RELAY_LINKS_MAX = 60,
    RELAY_RULE_RETURN = 899, /* priorities of the policy rules */
    RELAY_RULE_IN = 900,
    RELAY_LAST_METRIC = 0x7fffffff /* of the unreachable routes that end every table */
};

/* The interfaces in the program's namespace: for TCP, and for everything else. */
#define RELAY_TUN_NAME "plait0"
#define RELAY_UPLINK_NAME "uplink0"

struct relay;

struct relay_options {
    bool debug, json, help;
    const char *json_file, *pcap, *progress;
    const char *links[RELAY_LINKS_MAX];
    unsigned link_count;
    char **program; /* NULL terminated */
};

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
    struct relay_applied applied;
    uint64_t subflows_opened;
    unsigned subflows, live; /* now; of these, not silent */
    bool lost;               /* its last subflow timed out */
    plait_time silent_since; /* all its subflows are silent since; 0: no */
    uint64_t srtt_ns;        /* last known, 0: none */
};

struct relay_links {
    unsigned count;
    struct relay_link link[RELAY_LINKS_MAX];
    struct relay_link *best;  /* for everything but TCP; NULL: none */
    struct pl_link uplink_by; /* as it was when the uplink's routes were made */
    bool ipv6;                /* some link can do IPv6 */
    bool warned;              /* of a firewall that drops */
    bool guard6;              /* the whole host became an IPv6 router for us */
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

/* ---- their devices ---- */

/* Makes the device, port and rules of a new link. Returns 0 or -errno. */
PLAIT_MUST_CHECK int relay_device_make(struct relay *relay, struct relay_link *link,
                                       const struct pl_link *seen);
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

/* Loads (or replaces) the instance's table. False: said why. */
bool relay_nat_load(struct relay *relay);

/* ---- the program and its namespace ---- */

struct relay_resolv {
    char source[64];   /* file to mount over /etc/resolv.conf; "" for none */
    bool own_file;     /* and it is ours to remove */
    char loopback[46]; /* resolver on the host's loopback to which port 53 is led; "" for none */
};

struct relay_inner {
    int ns;      /* descriptor of its namespace, -1 before there is one */
    int talk_fd; /* to the child, until it runs the program */
    pid_t child;
    struct pl_netconf *conf;
    struct pl_loop_port *port;
    int tun_index, uplink_index; /* in the namespace */
    int host_index;              /* of the uplink's host side */
    bool ipv6;                   /* routes for it exist */
    struct relay_resolv resolv;
};

void relay_resolv_plan(struct relay *relay);
void relay_resolv_remove(struct relay *relay);
/* In the child: mounts it. */
void relay_resolv_mount(const struct relay_resolv *resolv);

/* Starts the child, which waits in namespaces of its own. False: said why. */
bool relay_inner_spawn(struct relay *relay);
/* Makes its devices, addresses and routes. False: said why. */
bool relay_inner_setup(struct relay *relay);
/* Switches the program's IPv6 routes. */
void relay_inner_ipv6(struct relay *relay, bool on);
/* Lets the child run the program. Returns 0, or an exit status when it cannot. */
int relay_inner_go(struct relay *relay);
void relay_inner_end(struct relay *relay);

/* ---- connections ---- */

struct relay_conn {
    struct pl_splice splice;
    struct plait_endpoint destination;
    bool connected, mptcp, fell_back;
    uint32_t slot, generation;
};

struct relay_conns {
    plait_sock listener;
    struct relay_conn **slots;
    uint32_t *generations;
    uint32_t slot_count, slot_hint, open;
    uint64_t total, connected, mptcp, fallbacks, failed;
    uint64_t bytes[2]; /* of finished ones: from the program, to the program */
};

bool relay_conns_begin(struct relay *relay);
void relay_conns_event(struct relay *relay, const struct plait_event *event, plait_time now);
/* Counts subflows and round-trip times into the links. */
void relay_conns_measure(struct relay *relay);
/* Bytes from (0) or to (1) the program in all connections so far. */
uint64_t relay_conns_bytes(const struct relay *relay, unsigned direction);
/* Bytes that the program wrote and its peers do not have yet; `closing`: how many connections
 * have still to say goodbye. */
uint64_t relay_conns_undelivered(struct relay *relay, unsigned *closing);
void relay_conns_end(struct relay *relay);

/* ---- reports ---- */

struct relay_report {
    int progress_fd; /* -1: none */
    bool progress_own;
    uv_timer_t timer;
    bool timer_open;
    plait_time started;
};

/* False: a file cannot be opened, said why. */
bool relay_report_begin(struct relay *relay);
void relay_report_end(struct relay *relay, int status);

/* ---- all of it ---- */

struct relay {
    struct relay_options options;
    struct relay_state state;
    struct relay_plan plan;
    struct pl_loop loop;
    struct pl_netlink *monitor;
    struct pl_netconf *conf; /* of the host side */
    struct pl_pcapng *capture;
    struct relay_links links;
    struct relay_inner inner;
    struct relay_conns conns;
    struct relay_report report;
    sigset_t signals_before; /* the mask we were started with, and the program gets */
    int trouble;             /* exit status when setting up fails */
    bool exited;             /* the program has ended */
    int status;              /* as of waitpid() */
};

/* A line on stderr with -d. */
__attribute__((format(printf, 2, 3))) void relay_debug(const struct relay *relay,
                                                       const char *format, ...);

#endif

/* cli/cmd_run.h - the parts of `plait run` and what they share.
 *
 *   cmd_run.c         options, the order of setting up and taking down, signals
 *   cmd_run_state.c   instances: numbers, state files, sysctls, leftovers of dead instances
 *   cmd_run_plan.c    addresses, routing tables and device names of an instance
 *   cmd_run_links.c   the links, following what the kernel says about them
 *   cmd_run_devices.c their devices; cmd_run_routes.c: their routes
 *   cmd_run_nat.c     the nftables rules
 *   cmd_run_inner.c   the program's network namespace and the program
 *   cmd_run_resolv.c  its resolver
 *   cmd_run_conns.c   its connections
 *   cmd_run_report.c  --json and --progress
 *
 * One struct run is the whole state; every part has its own piece of it. One thread. */
#ifndef PL_CLI_CMD_RUN_H
#define PL_CLI_CMD_RUN_H

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>

#include "cli/cli.h"
#include "cli/cmd_run_plan.h"
#include "cli/cmd_run_state.h"
#include "port/loop.h"
#include "port/netconf.h"
#include "port/netlink.h"
#include "proxy/splice.h"

enum {
    RUN_LINKS_MAX = 60,
    RUN_RULE_RETURN = 899, /* priorities of the policy rules */
    RUN_RULE_IN = 900,
    RUN_LAST_METRIC = 0x7fffffff /* of the unreachable routes that end every table */
};

/* The interfaces in the program's namespace: for TCP, and for everything else. */
#define RUN_TUN_NAME "plait0"
#define RUN_UPLINK_NAME "uplink0"

struct run;

struct run_options {
    bool debug, json, help;
    const char *json_file, *pcap, *progress;
    const char *links[RUN_LINKS_MAX];
    unsigned link_count;
    char **program; /* NULL terminated */
};

/* ---- links ---- */

/* What the stack and the tables were last told about a link. */
struct run_applied {
    bool up;
    bool routed;
    struct pl_link link;            /* as it was when the routes were made */
    struct plait_addr addr4, addr6; /* the link's own; family NONE: not in use */
};

struct run_link {
    char name[16];
    unsigned slot;
    bool given;             /* by --link: used without a default route, too */
    bool had_gateway[2];    /* a default route was seen (v4, v6) */
    bool was_forwarding[2]; /* before any instance came */
    int prepared_index;     /* the interface whose sysctls are set, 0: none */
    int tun_index;
    struct pl_loop_port *port; /* NULL when the device is gone */
    struct run_applied applied;
    uint64_t subflows_opened;
    unsigned subflows, live; /* now; of these, not silent */
    bool lost;               /* its last subflow timed out */
    plait_time silent_since; /* all its subflows are silent since; 0: no */
    uint64_t srtt_ns;        /* last known, 0: none */
};

struct run_links {
    unsigned count;
    struct run_link link[RUN_LINKS_MAX];
    struct run_link *best;    /* for everything but TCP; NULL: none */
    struct pl_link uplink_by; /* as it was when the uplink's routes were made */
    bool ipv6;                /* some link can do IPv6 */
    bool warned;              /* of a firewall that drops */
    bool guard6;              /* the whole host became an IPv6 router for us */
};

/* The MTU of a link's device and port: the link's, within what IP and the stack allow. */
static inline uint32_t run_link_mtu(const struct pl_link *seen) {
    uint32_t mtu = seen->mtu < 65535 ? seen->mtu : 65535;
    return mtu > 576 ? mtu : 576;
}

/* Chooses the links and makes their devices and rules. False: said why. */
bool run_links_begin(struct run *run);
/* Looks at the kernel's picture again and acts on what is different. */
void run_links_update(struct run *run);
/* Chooses another link for everything but TCP if the present one serves no more. */
void run_links_choose(struct run *run);
/* The link behind a port of the stack, or NULL. */
struct run_link *run_links_of_port(struct run *run, plait_port_id port);

/* ---- their devices ---- */

/* Makes the device, port and rules of a new link. Returns 0 or -errno. */
PLAIT_MUST_CHECK int run_device_make(struct run *run, struct run_link *link,
                                     const struct pl_link *seen);
/* Lets packets that come in by the link be forwarded, once per interface. */
void run_device_prepare(struct run *run, struct run_link *link, int index);
/* What all devices have in common: the way back to them, and the uplink pair's way out. Returns 0
 * or -errno. */
PLAIT_MUST_CHECK int run_device_common(struct run *run);

/* ---- and their routes ---- */

/* Failures are told with -d: a route that cannot be made is a path that does not work. */
void run_route_add(struct run *run, const struct pl_route *route);
/* The prefixes that the link itself is in. */
void run_route_connected(struct run *run, uint32_t table, const struct pl_link *seen);
void run_route_default(struct run *run, uint32_t table, const struct pl_link *seen, uint8_t family);
/* "Unreachable", for both families. */
void run_route_last(struct run *run, uint32_t table);
/* Removes all but that. */
void run_route_flush(struct run *run, uint32_t table);
/* Makes the link's table right, if anything that matters to it is different. */
void run_route_link(struct run *run, struct run_link *link, const struct pl_link *seen);

/* ---- rules of nftables ---- */

/* Loads (or replaces) the instance's table. False: said why. */
bool run_nat_load(struct run *run);

/* ---- the program and its namespace ---- */

struct run_resolv {
    char source[64];   /* file to mount over /etc/resolv.conf; "" for none */
    bool own_file;     /* and it is ours to remove */
    char loopback[46]; /* resolver on the host's loopback to which port 53 is led; "" for none */
};

struct run_inner {
    int ns;      /* descriptor of its namespace, -1 before there is one */
    int talk_fd; /* to the child, until it runs the program */
    pid_t child;
    struct pl_netconf *conf;
    struct pl_loop_port *port;
    int tun_index, uplink_index; /* in the namespace */
    int host_index;              /* of the uplink's host side */
    bool ipv6;                   /* routes for it exist */
    struct run_resolv resolv;
};

void run_resolv_plan(struct run *run);
void run_resolv_remove(struct run *run);
/* In the child: mounts it. */
void run_resolv_mount(const struct run_resolv *resolv);

/* Starts the child, which waits in namespaces of its own. False: said why. */
bool run_inner_spawn(struct run *run);
/* Makes its devices, addresses and routes. False: said why. */
bool run_inner_setup(struct run *run);
/* Switches the program's IPv6 routes. */
void run_inner_ipv6(struct run *run, bool on);
/* Lets the child run the program. Returns 0, or an exit status when it cannot. */
int run_inner_go(struct run *run);
void run_inner_end(struct run *run);

/* ---- connections ---- */

struct run_conn {
    struct pl_splice splice;
    struct plait_endpoint destination;
    bool connected, mptcp, fell_back;
    uint32_t slot, generation;
};

struct run_conns {
    plait_sock listener;
    struct run_conn **slots;
    uint32_t *generations;
    uint32_t slot_count, slot_hint, open;
    uint64_t total, connected, mptcp, fallbacks, failed;
    uint64_t bytes[2]; /* of finished ones: from the program, to the program */
};

bool run_conns_begin(struct run *run);
void run_conns_event(struct run *run, const struct plait_event *event, plait_time now);
/* Counts subflows and round-trip times into the links. */
void run_conns_measure(struct run *run);
/* Bytes from (0) or to (1) the program in all connections so far. */
uint64_t run_conns_bytes(const struct run *run, unsigned direction);
/* Bytes that the program wrote and its peers do not have yet; `closing`: how many connections
 * have still to say goodbye. */
uint64_t run_conns_undelivered(struct run *run, unsigned *closing);
void run_conns_end(struct run *run);

/* ---- reports ---- */

struct run_report {
    int progress_fd; /* -1: none */
    bool progress_own;
    uv_timer_t timer;
    bool timer_open;
    plait_time started;
};

/* False: a file cannot be opened, said why. */
bool run_report_begin(struct run *run);
void run_report_end(struct run *run, int status);

/* ---- all of it ---- */

struct run {
    struct run_options options;
    struct run_state state;
    struct run_plan plan;
    struct pl_loop loop;
    struct pl_netlink *monitor;
    struct pl_netconf *conf; /* of the host side */
    struct pl_pcapng *capture;
    struct run_links links;
    struct run_inner inner;
    struct run_conns conns;
    struct run_report report;
    sigset_t signals_before; /* the mask we were started with, and the program gets */
    int trouble;             /* exit status when setting up fails */
    bool exited;             /* the program has ended */
    int status;              /* as of waitpid() */
};

/* A line on stderr with -d. */
__attribute__((format(printf, 2, 3))) void run_debug(const struct run *run, const char *format,
                                                     ...);

#endif

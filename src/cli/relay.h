/* cli/relay.h - programs on one side, links on the other, and a stack between them: what `plait
 * run` and its mirror image `plait serve` are made of.
 *
 *   cmd_run.c        `plait run`; cmd_serve.c: `plait serve`
 *   relay.c          the order of setting up and taking down, signals
 *   relay_options.c  the options that all have
 *   relay_state.c    instances: numbers, state files, sysctls, leftovers of dead instances
 *   relay_plan.c     addresses, routing tables and device names of an instance
 *   relay_links.c    the links, following what the kernel says about them
 *   relay_devices.c  their devices; relay_routes.c: their routes
 *   relay_nat.c      the nftables rules
 *   relay_inner.c    the program's network namespace and the program
 *   relay_program.c  its end
 *   relay_resolv.c   its resolver
 *   relay_service.c  the way to a service that is no program of ours
 *   relay_conns.c    the connections; relay_accept.c: how they begin
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
#include "cli/relay_link.h"
#include "cli/relay_options.h"
#include "cli/relay_plan.h"
#include "cli/relay_state.h"
#include "port/loop.h"
#include "port/netconf.h"
#include "port/netlink.h"
#include "proxy/splice.h"

/* The interfaces in the program's namespace: for TCP, and for everything else. */
#define RELAY_TUN_NAME "plait0"
#define RELAY_UPLINK_NAME "uplink0"

struct relay;

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

/* After SIGCHLD: when it was the program, what it wrote last is delivered and the loop ends. */
void relay_program_reap(struct relay *relay);
/* Ends this process as the program ended: the exit status to return, or the same signal. */
int relay_program_pass_on(int status);

/* ---- a service elsewhere ---- */

/* Makes the device by which the stack gets to options.service.to. False: said why. */
bool relay_service_begin(struct relay *relay);
/* Whether connections are taken in over the links. */
static inline bool relay_serves(const struct relay_options *options) {
    return options->service.port != 0;
}
static inline bool relay_has_program(const struct relay_options *options) {
    return options->program[0] != NULL;
}

/* ---- connections ---- */

struct relay_conn {
    struct pl_splice splice;
    unsigned outer;             /* which of the spliced sockets is the one over the links */
    struct plait_endpoint peer; /* at the far end of that one */
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

/* Listens for the program's connections. False: said why. */
bool relay_accept_program(struct relay *relay);
/* Listens on a link for those to the service. False: said why. */
bool relay_accept_link(struct relay *relay, struct relay_link *link);
/* PLAIT_OPT_USER of the listeners. */
enum { RELAY_USER_LISTENER = -1 };
/* Takes an event that may be that the service has accepted. */
void relay_accept_connected(struct relay *relay, struct relay_conn *conn,
                            const struct plait_event *event, plait_time now);
/* The connections that wait at a listener. */
void relay_accept_all(struct relay *relay, plait_sock listener, plait_time now);

/* Returns NULL when memory is out. */
struct relay_conn *relay_conn_create(struct relay_conns *conns);
void relay_conn_destroy(struct relay_conns *conns, struct relay_conn *conn);
/* What PLAIT_OPT_USER of its sockets is. */
int64_t relay_conn_user(const struct relay_conn *conn);
/* The peer, as text. */
const char *relay_conn_name(const struct relay_conn *conn, char text[64]);
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

struct relay_control {
    int signal_fd;
    uv_poll_t signals, monitor;
    uv_timer_t linger;
    bool polls_open, linger_open;
    unsigned steps, quiet, closing, stalled; /* of the linger timer */
    uint64_t undelivered;
};

struct relay {
    struct relay_options options;
    struct relay_control control;
    struct relay_state state;
    struct relay_plan plan;
    struct pl_loop loop;
    struct pl_netlink *monitor;
    struct pl_netconf *conf; /* of the host side */
    struct pl_pcapng *capture;
    struct relay_links links;
    struct relay_inner inner;
    struct relay_link service_way; /* the interface behind which a remote service is */
    struct relay_conns conns;
    struct relay_report report;
    sigset_t signals_before; /* the mask we were started with, and the program gets */
    int trouble;             /* exit status when setting up fails */
    bool exited;             /* the program has ended */
    int status;              /* as of waitpid() */
};

/* Whether this is inside of a `plait run`. */
bool relay_is_nested(const struct relay *relay);
/* With the options parsed: looks at rights and at the kernel. Returns 0 or an exit status. */
int relay_open(struct relay *relay);
/* All the rest; returns the exit status. */
int relay_run(struct relay *relay);

/* A line on stderr with -d. */
__attribute__((format(printf, 2, 3))) void relay_debug(const struct relay *relay,
                                                       const char *format, ...);

#endif

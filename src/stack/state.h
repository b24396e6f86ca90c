/* stack/state.h - the struct of a stack and of what it holds. Private to src/stack and src/socket.
 *
 * Who owns what: the stack owns ports, connections (each in a pl_stack_conn) and the tables;
 * sockets belong to the layer above, which registers itself as `owner` and owns the pl_listener
 * structs.
 *
 * Every verb (input, output, tick, a socket call, a change of ports) has the form
 *     now = pl_stack_enter(stack, now);  ... act ...;  pl_conns_settle(stack);
 * Connections are created in between but only destroyed by the settle loop or by the verb itself,
 * never while engine code of theirs is running. */
#ifndef PL_STACK_STATE_H
#define PL_STACK_STATE_H

#include "base/ctx.h"
#include "mptcp/conn.h"
#include "stack/event.h"
#include "stack/reply.h"
#include "stack/secrets.h"

enum { PL_SCHEDULERS_MAX = 8 };

struct pl_port {
    plait_port_id id; /* 1..PL_PORTS_MAX - 1: a bit of PLAIT_OPT_PORT_MASK */
    char name[16];
    uint32_t mtu, flags;
    bool up;
    /* Gone for everybody; the struct stays until its last flow has let go of out_list. */
    bool removed;
    uint16_t ident;          /* next IPv4 identification */
    uint32_t flow_count;     /* flows that are registered over this port */
    struct pl_list out_list; /* subflows that have something to send */
    struct pl_reply_ring replies;
};

struct pl_stack_conn;

/* A listening socket's part in the stack; embedded in what the socket layer allocates. */
struct pl_listener {
    struct pl_hash_node node; /* plait_stack.listeners, by TCP port */
    struct pl_list link;      /* plait_stack.listener_list */
    plait_port_id port;       /* 0: any */
    struct plait_addr addr;   /* family NONE: any */
    uint16_t tcp_port;        /* 0: every TCP port (PLAIT_PORT_ANY_ADDRESS ports only) */
    uint32_t backlog;         /* bound of either queue */
    bool defer;
    bool transparent, v6only, reuse; /* PLAIT_OPT_… of these names */
    uint16_t defer_accept_s;         /* PLAIT_OPT_DEFER_ACCEPT */
    struct plait_stack *stack;       /* for the timer */
    struct pl_timer timer;           /* the next connection whose wait for data is over */
    struct pl_conn_setup setup;      /* for what is accepted */
    struct pl_list embryonic;        /* pl_stack_conn.wait_link: handshake runs */
    struct pl_list ready;            /* pl_stack_conn.wait_link: can be accepted */
    uint32_t embryonic_count, ready_count;
    uint32_t fastopen_max;       /* PLAIT_OPT_FASTOPEN; 0: off */
    uint32_t fast_count;         /* length of `fast` */
    struct pl_list fast;         /* pl_stack_conn.fast_link: by cookie, maybe still unproven */
    uint32_t fast_reset_count;   /* of those that were reset lately, ... */
    plait_time fast_reset_until; /* ... and until when they count */
    struct pl_event_source *source;
};

/* A connection and who is responsible for it: a listener, else an owner (socket), else nobody: then
 * it ends by itself. Also what pl_conn_user() names. */
struct pl_stack_conn {
    struct pl_list link;      /* plait_stack.conns */
    struct pl_list wait_link; /* a list of `listener`, or one of the owner's */
    struct pl_conn *conn;
    struct pl_listener *listener;
    void *owner;
    struct pl_list fast_link;    /* in fast_of->fast */
    struct pl_listener *fast_of; /* NULL: not (any more) */
    plait_time data_due; /* in `embryonic`: acceptable then, though no data came; 0: handshake */
    bool ready;          /* in `ready` of its listener */
    bool held;           /* its SYN waits for an answer */
    bool done;           /* pl_conn_settle said that nothing of it is left but what can be read */
};

/* What the socket layer is told. `owner` is that of the pl_stack_conn. */
struct pl_stack_owner {
    void (*event)(struct plait_stack *stack, void *owner, struct pl_stack_conn *sc,
                  const struct plait_event *event);
    /* At the end of every verb: what event() left to do. True when there was something. */
    bool (*settle)(struct plait_stack *stack);
    void (*check)(const struct plait_stack *stack);
    /* Frees all sockets, and does not touch connections. */
    void (*destroy)(struct plait_stack *stack);
};

/* What the initial sequence number of a flow that the segment at hand opens has to be. */
enum pl_iss_kind {
    PL_ISS_ANY,      /* RFC 6528 */
    PL_ISS_AT_LEAST, /* beyond the old connection's in TIME-WAIT (RFC 9293 section 3.6.1, MAY-2) */
    PL_ISS_EXACTLY,  /* the one that a SYN cookie gave away */
};
struct pl_iss_rule {
    enum pl_iss_kind kind;
    pl_seq32 seq;
    bool has_ts; /* so has the clock of its time stamps */
    uint32_t ts_offset;
};

struct pl_peers { /* peers.c */
    struct pl_list list;
    uint32_t count;
};

struct pl_syncookie { /* syncookie.c */
    bool on;          /* the rest is valid */
    uint64_t period;  /* now / 64 s when the newest secret was made */
    plait_time sent_at;
    uint8_t secret[2][32]; /* by the low bit of the period */
    uint8_t taken[2][512]; /* bits by a part of the MAC: cookies that opened a connection */
};

struct pl_joincookie { /* joincookie.c */
    struct pl_secrets secrets;
    plait_time sent_at;
    uint8_t taken[2][512]; /* bits by the nonce: cookies that opened a subflow */
};

struct pl_monitor {                   /* monitor.c */
    struct plait_monitor_event *ring; /* NULL: off */
    uint32_t capacity, head, count;
    uint64_t lost;
};

struct pl_sched_custom; /* mptcp/sched/custom.h */

struct plait_stack {
    struct pl_ctx ctx;
    plait_time now;                      /* the latest seen */
    struct pl_port *ports[PL_PORTS_MAX]; /* by id; [0] stays NULL */
    plait_port_id port_last;             /* the id given last */
    uint32_t port_dark_count;            /* structs in `ports` that are not up */
    struct pl_endpoints endpoints;
    struct pl_hash_table flows;  /* pl_subflow_flow_node, by tuple */
    struct pl_hash_table tokens; /* pl_conn_token_node, by token */
    struct pl_hash_table listeners;
    struct pl_list listener_list;
    struct pl_list conns;
    uint32_t conn_count;
    uint32_t conn_serial;
    uint32_t ephemeral_next;
    struct pl_iss_rule iss_rule; /* ANY between verbs */
    struct pl_syncookie syncookie;
    struct pl_joincookie joincookie;
    struct pl_secrets fastopen; /* fastopen.c */
    struct pl_peers peers;
    plait_time relieved_at; /* memory.c */
    struct pl_list settle_list;
    struct pl_conn_host host;
    struct pl_events events;
    struct pl_monitor monitor;
    struct pl_sched_custom *schedulers[PL_SCHEDULERS_MAX]; /* scheduler.c */
    uint32_t scheduler_count;
    const struct pl_stack_owner *owner; /* NULL until the first socket */
    void *sockets;                      /* the owner's */
};

/* `now` of a verb: never before what was seen already. */
static inline plait_time pl_stack_enter(struct plait_stack *stack, plait_time now) {
    if (now > stack->now) {
        stack->now = now;
    }
    return stack->now;
}

/* The port with this id, or NULL when there is none (any more). */
static inline struct pl_port *pl_stack_port(const struct plait_stack *stack, plait_port_id id) {
    struct pl_port *port = id < PL_PORTS_MAX ? stack->ports[id] : NULL;
    return port == NULL || port->removed ? NULL : port;
}

#endif

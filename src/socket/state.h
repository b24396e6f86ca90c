/* socket/state.h - a socket, and the table of them. Private to src/socket.
 *
 * A socket is what an application's id names. Depending on its state it has attempts (CONNECTING),
 * a listener (LISTENING) or a connection (HELD, OPEN, and mostly DEAD), which it owns in the sense
 * of stack/state.h: sc->owner points here. */
#ifndef PL_SOCKET_STATE_H
#define PL_SOCKET_STATE_H

#include "mptcp/policy.h"
#include "stack/state.h"

struct pl_attempts;

struct pl_socket {
    struct pl_event_source source; /* also holds the id */
    struct pl_list settle_link;    /* pl_sockets.settle: something is to be decided */
    struct pl_stack_conn *sc;
    struct pl_listener *listener;
    struct pl_attempts *attempts;
    enum plait_socket_state state;
    int error; /* why it is DEAD */
    int64_t user;
    struct pl_policy *policy;                         /* NULL: the default */
    uint32_t send_buffer_bytes, receive_buffer_bytes; /* 0: the stack's */
    bool mptcp, mptcp_set, defer;                     /* set: by the application */
    uint8_t versions;                                 /* enum plait_mptcp_versions */
    bool freebind, transparent, v6only, reuse;        /* PLAIT_OPT_… of these names */
    bool fastopen_connect;                            /* PLAIT_OPT_FASTOPEN_CONNECT */
    uint16_t defer_accept_s, fastopen_max;
    uint16_t linger;              /* PLAIT_OPT_LINGER + 1: 1 resets at close */
    uint8_t sched;                /* PLAIT_OPT_SCHEDULER */
    struct pl_tcp_tuning *tuning; /* NULL: the defaults */
    uint16_t tcp_port;            /* bound; 0: any */
    plait_port_id port;
    struct plait_addr addr;
};

struct pl_socket_slot {
    struct pl_socket *socket; /* NULL: free */
    uint32_t generation;      /* of the socket, or of the next one */
    uint32_t free_next;       /* index + 1 of the next free slot, 0: last */
};

/* plait_stack.sockets, made with the first socket. */
struct pl_sockets {
    struct pl_socket_slot *slots;
    uint32_t slot_count, used_count;
    uint32_t free_first, free_last; /* index + 1; first in, first out, so generations last */
    struct pl_list settle;
};

static inline bool pl_socket_is_bound(const struct pl_socket *sock) {
    return sock->port != 0 || sock->addr.family != PLAIT_FAMILY_NONE;
}

/* Whether its connections speak MPTCP. Whoever binds to an address or a port and says nothing about
 * MPTCP does not know it, and gets one path (RFC 6897 section 4.2.1). */
static inline bool pl_socket_wants_mptcp(const struct pl_socket *sock) {
    bool named = sock->policy != NULL && (sock->policy->lifted || sock->policy->restricted);
    return sock->mptcp && (sock->mptcp_set || named || !pl_socket_is_bound(sock));
}

/* The connection that calls about a socket mean, or NULL. */
struct pl_conn *pl_socket_conn(const struct pl_socket *sock);

#endif

/* The life of a socket: open, bind, listen, connect, accept, confirm, close, abort. Every call
 * looks its id up, checks the state, acts and settles the stack. */
#include "plait/socket.h"

#include "base/assert.h"
#include "socket/attempts.h"
#include "socket/options.h"
#include "socket/owner.h"
#include "socket/policy.h"
#include "socket/table.h"
#include "stack/conns.h"
#include "stack/listen.h"
#include "stack/port.h"
#include "stack/scheduler.h"
#include "stack/waiting.h"
#include "wire/addr.h"

int plait_open(struct plait_stack *stack, plait_sock *out) {
    if (out == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    struct pl_socket *sock = NULL;
    int error = pl_table_add(stack, &pl_socket_owner, &sock);
    if (error != 0) {
        return error;
    }
    PL_ASSERT(sock->state == PLAIT_SOCKET_NEW);
    *out = sock->source.sock;
    return 0;
}

/* Whether an address is one of ours: on a port, or with port 0 on any. */
static bool is_local(const struct plait_stack *stack, plait_port_id id,
                     const struct plait_addr *addr) {
    if (id == 0) {
        return pl_endpoints_find(&stack->endpoints, 0, addr) != NULL;
    }
    const struct pl_port *port = pl_stack_port(stack, id);
    PL_ASSERT(port != NULL);
    return pl_port_has_address(stack, port, addr);
}

int plait_bind(struct plait_stack *stack, plait_sock id, plait_port_id port,
               const struct plait_addr *addr, uint16_t tcp_port) {
    struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (sock->state != PLAIT_SOCKET_NEW) {
        return PLAIT_E_BAD_STATE;
    }
    if (port != 0 && pl_stack_port(stack, port) == NULL) {
        return PLAIT_E_BAD_PORT;
    }
    bool any = addr == NULL || addr->family == PLAIT_FAMILY_NONE;
    if (!any && !pl_addr_is_host(addr)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    bool anywhere = sock->freebind || sock->transparent;
    if (!any && !anywhere && !is_local(stack, port, addr)) {
        return PLAIT_E_NO_ADDRESS;
    }
    sock->port = port;
    sock->addr = any ? (struct plait_addr){0} : *addr;
    sock->tcp_port = tcp_port;
    return 0;
}

/* A listener's TCP port: the bound one, 0 for all on a port that takes every address, or a free one
 * (0 with an error). */
static int listen_port(struct plait_stack *stack, const struct pl_socket *sock, uint16_t *out) {
    const struct pl_port *port = pl_stack_port(stack, sock->port);
    *out = sock->tcp_port;
    PL_ASSERT(sock->state == PLAIT_SOCKET_NEW);
    if (sock->tcp_port != 0 || (port != NULL && (port->flags & PLAIT_PORT_ANY_ADDRESS) != 0)) {
        return 0;
    }
    *out = pl_listen_pick(stack);
    return *out == 0 ? PLAIT_E_IN_USE : 0;
}

static void fill_listener(const struct plait_stack *stack, const struct pl_socket *sock,
                          uint16_t tcp_port, uint32_t backlog, struct pl_event_source *source,
                          struct pl_listener *out) {
    PL_ASSERT(backlog > 0);
    *out = (struct pl_listener){
        .port = sock->port,
        .addr = sock->addr,
        .tcp_port = tcp_port,
        .backlog = backlog,
        .defer = sock->defer,
        .defer_accept_s = sock->defer_accept_s,
        .fastopen_max = sock->fastopen_max,
        .transparent = sock->transparent,
        .v6only = sock->v6only,
        .reuse = sock->reuse,
        .source = source,
        .setup = {.mptcp = pl_socket_wants_mptcp(sock),
                  .policy = sock->policy,
                  .versions = sock->versions,
                  .send_buffer_bytes = sock->send_buffer_bytes,
                  .receive_buffer_bytes = sock->receive_buffer_bytes,
                  .tuning = sock->tuning,
                  .sched = pl_scheduler_of(stack, sock->sched),
                  .transparent = sock->transparent},
    };
}

int plait_listen(struct plait_stack *stack, plait_sock id, uint32_t backlog) {
    struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (sock->state != PLAIT_SOCKET_NEW) {
        return PLAIT_E_BAD_STATE;
    }
    if (backlog == 0) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    uint16_t tcp_port = 0;
    int error = listen_port(stack, sock, &tcp_port);
    error = error == 0 ? pl_socket_policy_start(stack, sock) : error;
    if (error != 0) {
        return error;
    }
    struct pl_listener *listener = pl_ctx_alloc(&stack->ctx, sizeof(*listener));
    if (listener == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    fill_listener(stack, sock, tcp_port, backlog, &sock->source, listener);
    error = pl_listen_start(stack, listener);
    if (error != 0) {
        pl_ctx_free(&stack->ctx, listener, sizeof(*listener));
        return error;
    }
    sock->listener = listener;
    sock->tcp_port = tcp_port;
    sock->state = PLAIT_SOCKET_LISTENING;
    return 0;
}

int plait_connect(struct plait_stack *stack, plait_sock id, const struct plait_endpoint *remote,
                  plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (sock->state != PLAIT_SOCKET_NEW) {
        return PLAIT_E_BAD_STATE;
    }
    if (remote == NULL || remote->port == 0 || !pl_addr_is_host(&remote->addr)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    int error = pl_socket_policy_start(stack, sock);
    error = error == 0 ? pl_attempts_start(stack, sock, remote) : error;
    if (error == 0) {
        PL_ASSERT(sock->attempts != NULL);
        sock->state = PLAIT_SOCKET_CONNECTING;
        if (pl_attempts_waiting(sock)) {
            pl_event_raise(&stack->events, &sock->source, PLAIT_EVENT_WRITABLE, 0);
        }
    }
    pl_conns_settle(stack);
    return error;
}

/* What an accepted socket has of its listener's. */
static void inherit(struct pl_socket *sock, const struct pl_socket *parent) {
    sock->mptcp = parent->mptcp;
    sock->versions = parent->versions;
    sock->send_buffer_bytes = parent->send_buffer_bytes;
    sock->receive_buffer_bytes = parent->receive_buffer_bytes;
    sock->mptcp_set = parent->mptcp_set;
    sock->sched = parent->sched;
}

int plait_accept(struct plait_stack *stack, plait_sock id, plait_sock *out) {
    struct pl_socket *parent = pl_table_find(stack, id);
    if (parent == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (parent->state != PLAIT_SOCKET_LISTENING) {
        return PLAIT_E_BAD_STATE;
    }
    if (out == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (pl_list_empty(&parent->listener->ready)) {
        return PLAIT_E_AGAIN;
    }
    struct pl_socket *sock = NULL;
    int error = pl_table_add(stack, &pl_socket_owner, &sock);
    if (error != 0) {
        return error;
    }
    error = pl_options_inherit(stack, sock, parent);
    error = error == 0 ? pl_socket_policy_inherit(stack, sock, parent) : error;
    if (error != 0) {
        pl_table_remove(stack, sock);
        return error;
    }
    sock->sc = pl_waiting_take(parent->listener);
    PL_ASSERT(sock->sc != NULL);
    sock->sc->owner = sock;
    sock->state = sock->sc->held ? PLAIT_SOCKET_HELD : PLAIT_SOCKET_OPEN;
    inherit(sock, parent);
    if (sock->state == PLAIT_SOCKET_OPEN) {
        pl_socket_announce(stack, sock);
    }
    *out = sock->source.sock;
    return 0;
}

int plait_confirm(struct plait_stack *stack, plait_sock id, plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (sock->state != PLAIT_SOCKET_HELD) {
        return PLAIT_E_BAD_STATE;
    }
    PL_ASSERT(sock->sc->held);
    sock->sc->held = false;
    sock->state = PLAIT_SOCKET_CONNECTING;
    pl_conn_confirm(sock->sc->conn, stack->now);
    pl_conns_settle(stack);
    return 0;
}

/* Leaves the connection of a socket alone from here on: it ends by itself, or at once with a reset
 * when data was not read. */
static void give_up_conn(struct plait_stack *stack, struct pl_socket *sock) {
    struct pl_stack_conn *sc = sock->sc;
    PL_ASSERT(sc->owner == sock);
    sock->sc = NULL;
    sc->owner = NULL;
    pl_conn_orphan(sc->conn, stack->now);
    pl_conns_release(stack, sc);
}

static void end(struct plait_stack *stack, struct pl_socket *sock) {
    if (sock->attempts != NULL) {
        pl_attempts_cancel(stack, sock);
    }
    if (sock->listener != NULL) {
        pl_socket_unlisten(stack, sock);
    }
    if (sock->sc != NULL) {
        give_up_conn(stack, sock);
    }
    PL_ASSERT(sock->sc == NULL);
    pl_table_remove(stack, sock);
    pl_conns_settle(stack);
}

int plait_close(struct plait_stack *stack, plait_sock id, plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    bool opening = sock->state == PLAIT_SOCKET_HELD || sock->state == PLAIT_SOCKET_CONNECTING;
    if (sock->sc != NULL && opening) {
        pl_conn_abort(sock->sc->conn, PLAIT_E_REFUSED, stack->now);
    } else if (sock->sc != NULL && sock->linger == 1) {
        pl_conn_abort(sock->sc->conn, PLAIT_E_ABORTED, stack->now); /* as plait_abort */
    }
    end(stack, sock);
    return 0;
}

int plait_abort(struct plait_stack *stack, plait_sock id, int error, plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (sock->state == PLAIT_SOCKET_HELD && error != PLAIT_E_REFUSED) {
        struct pl_stack_conn *sc = sock->sc;
        sock->sc = NULL;
        sc->owner = NULL;
        pl_conns_destroy(stack, sc);
    } else if (sock->sc != NULL) {
        bool known = plait_error_class(error) != PLAIT_CLASS_NONE;
        pl_conn_abort(sock->sc->conn, known ? error : PLAIT_E_ABORTED, stack->now);
    }
    end(stack, sock);
    return 0;
}

int plait_abort_delivered(struct plait_stack *stack, plait_sock id, int error, plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (sock->state != PLAIT_SOCKET_OPEN) {
        return plait_abort(stack, id, error, now);
    }
    PL_ASSERT(sock->sc != NULL);
    bool known = plait_error_class(error) != PLAIT_CLASS_NONE;
    pl_conn_abort_delivered(sock->sc->conn, known ? error : PLAIT_E_ABORTED, stack->now);
    end(stack, sock);
    return 0;
}

bool plait_event_next(struct plait_stack *stack, struct plait_event *event) {
    if (event == NULL) {
        return false;
    }
    /* What is queued for a socket that was closed since is not told. */
    while (pl_event_pop(&stack->events, event)) {
        const struct pl_socket *sock = pl_table_find(stack, event->sock);
        if (sock != NULL) {
            PL_ASSERT(event->type != PLAIT_EVENT_NONE);
            event->user = sock->user;
            return true;
        }
    }
    return false;
}

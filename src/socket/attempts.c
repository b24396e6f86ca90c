#include "socket/attempts.h"

#include "base/assert.h"
#include "mptcp/policy.h"
#include "stack/conns.h"
#include "stack/peers.h"
#include "stack/scheduler.h"
#include "wire/addr.h"

enum { PATHS_MAX = 8 };

struct path {
    plait_port_id port;
    struct plait_addr addr;
};

struct pl_attempts {
    struct pl_timer timer; /* time for the next attempt */
    struct plait_stack *stack;
    struct pl_socket *sock;
    struct plait_endpoint remote;
    struct pl_list running; /* pl_stack_conn.wait_link, oldest first */
    bool next_due;
    bool waiting; /* for the first byte; nothing runs */
    int error;    /* of the last attempt that failed */
    uint32_t path_count, path_next;
    struct path paths[PATHS_MAX];
};

static struct pl_stack_conn *of_link(struct pl_list *link) {
    return PL_CONTAINER(link, struct pl_stack_conn, wait_link);
}

static void fired(struct pl_timer *timer, plait_time now) {
    struct pl_attempts *a = PL_CONTAINER(timer, struct pl_attempts, timer);
    struct pl_sockets *table = a->stack->sockets;
    PL_ASSERT(now <= a->stack->now);
    a->next_due = true;
    pl_list_remove(&a->sock->settle_link);
    pl_list_append(&table->settle, &a->sock->settle_link);
}

/* ---- which paths, in which order ---- */

static void add_path(struct pl_attempts *a, plait_port_id port, const struct plait_addr *addr) {
    PL_ASSERT(port != 0);
    if (a->path_count < PATHS_MAX) {
        a->paths[a->path_count++] = (struct path){.port = port, .addr = *addr};
    }
}

/* Whether a path over this port, and with `addr` != NULL from this address, is there already. */
static bool has_path(const struct pl_attempts *a, plait_port_id port,
                     const struct plait_addr *addr) {
    for (uint32_t i = 0; i < a->path_count; i++) {
        const struct path *path = &a->paths[i];
        if (path->port == port && (addr == NULL || pl_addr_equal(&path->addr, addr))) {
            return true;
        }
    }
    return false;
}

/* Whether a connection of this socket may start from an entry of the endpoint table. A port that
 * takes packets to every address is where programs are, not a way out, unless it was asked for. */
static bool may_use(const struct plait_stack *stack, const struct pl_socket *sock,
                    const struct pl_local_endpoint *ep, uint8_t family) {
    const struct pl_port *port = pl_stack_port(stack, ep->port);
    PL_ASSERT(port != NULL);
    if (!ep->up || ep->addr.family != family) {
        return false;
    }
    if (sock->addr.family != PLAIT_FAMILY_NONE && !pl_addr_equal(&sock->addr, &ep->addr)) {
        return false;
    }
    if (!pl_policy_allows(sock->policy, ep->port, &ep->addr)) {
        return false;
    }
    if (sock->port != 0) {
        return sock->port == ep->port;
    }
    return (port->flags & PLAIT_PORT_ANY_ADDRESS) == 0;
}

/* In the order of the endpoint table: first one address of each port, then the others; and all that
 * before backups. */
static void find_paths(struct pl_attempts *a) {
    const struct pl_endpoints *table = &a->stack->endpoints;
    for (unsigned pass = 0; pass < 4; pass++) {
        bool backup = pass >= 2, one_per_port = pass % 2 == 0;
        for (uint32_t i = 0; i < table->count; i++) {
            const struct pl_local_endpoint *ep = &table->entry[i];
            if (ep->backup == backup && may_use(a->stack, a->sock, ep, a->remote.addr.family) &&
                !has_path(a, ep->port, one_per_port ? NULL : &ep->addr)) {
                add_path(a, ep->port, &ep->addr);
            }
        }
    }
    PL_ASSERT(a->path_count <= PATHS_MAX);
}

/* On a port that takes every address, and with PLAIT_OPT_TRANSPARENT on any, a bound address need
 * not be in the table. */
static void find_bound_path(struct pl_attempts *a) {
    const struct pl_socket *sock = a->sock;
    const struct pl_port *port = pl_stack_port(a->stack, sock->port);
    PL_ASSERT(a->path_count == 0);
    bool takes_it = port != NULL && port->up &&
                    (sock->transparent || (port->flags & PLAIT_PORT_ANY_ADDRESS) != 0);
    if (takes_it && sock->addr.family == a->remote.addr.family) {
        add_path(a, sock->port, &sock->addr);
    }
}

/* ---- Fast Open ---- */

static bool wants_mptcp(const struct pl_attempts *a, const struct pl_port *port) {
    return pl_socket_wants_mptcp(a->sock) && (port->flags & PLAIT_PORT_NO_MPTCP) == 0;
}

/* What the SYN on a path shall say of it; false: nothing. */
static bool plan_fastopen(const struct pl_attempts *a, const struct path *path,
                          struct pl_conn_fastopen *out) {
    const struct pl_port *port = pl_stack_port(a->stack, path->port);
    *out = (struct pl_conn_fastopen){0};
    if (port == NULL || (wants_mptcp(a, port) && a->sock->versions == PLAIT_MPTCP_V0)) {
        return false; /* version 0 knows no payload in a SYN */
    }
    return a->sock->fastopen_connect && pl_peers_plan(a->stack, &path->addr, &a->remote, out);
}

/* An attempt has ended, one way or the other. */
static void note(struct plait_stack *stack, struct pl_stack_conn *sc, bool failed) {
    struct pl_conn_fastopen fastopen;
    PL_ASSERT(sc->listener == NULL);
    if (pl_conn_take_fastopen(sc->conn, &fastopen)) {
        pl_peers_learn(stack, pl_conn_tuple(sc->conn), &fastopen, failed);
    }
}

bool pl_attempts_waiting(const struct pl_socket *sock) {
    return sock->attempts != NULL && sock->attempts->waiting;
}

/* ---- one attempt ---- */

static int start_on(struct pl_attempts *a, const struct path *path) {
    const struct pl_socket *sock = a->sock;
    const struct pl_port *port = pl_stack_port(a->stack, path->port);
    if (port == NULL) {
        return PLAIT_E_NO_ADDRESS;
    }
    struct pl_conn_fastopen fastopen;
    struct pl_conn_setup setup = {
        .mptcp = wants_mptcp(a, port),
        .versions = sock->versions,
        .fastopen = plan_fastopen(a, path, &fastopen) ? &fastopen : NULL,
        .policy = sock->policy,
        .send_buffer_bytes = sock->send_buffer_bytes,
        .receive_buffer_bytes = sock->receive_buffer_bytes,
        .tuning = sock->tuning,
        .sched = pl_scheduler_of(a->stack, sock->sched),
        .transparent = sock->transparent,
    };
    struct pl_tcp_tuple tuple = {
        .local = path->addr,
        .remote = a->remote.addr,
        .local_port = sock->tcp_port != 0
                          ? sock->tcp_port
                          : pl_policy_tcp_port(sock->policy, path->port, &path->addr),
        .remote_port = a->remote.port,
    };
    struct pl_stack_conn *sc = NULL;
    int error = pl_conns_create(a->stack, &setup, &sc);
    if (error != 0) {
        return error;
    }
    error = pl_conn_connect(sc->conn, path->port, tuple, a->stack->now);
    if (error != 0) {
        pl_conns_destroy(a->stack, sc);
        return error;
    }
    sc->owner = a->sock;
    PL_ASSERT(!pl_list_linked(&sc->wait_link));
    pl_list_append(&a->running, &sc->wait_link);
    return 0;
}

/* Starts the next attempt that can be started. Errors: that of the last path; NO_ADDRESS when there
 * was none. */
static int start_next(struct pl_attempts *a) {
    int error = PLAIT_E_NO_ADDRESS;
    a->next_due = false;
    while (error != 0 && a->path_next < a->path_count) {
        error = start_on(a, &a->paths[a->path_next++]);
    }
    plait_time next = PLAIT_TIME_NEVER;
    if (error == 0 && a->path_next < a->path_count) {
        next = a->stack->now + PL_ATTEMPT_DELAY_NS;
    }
    pl_timer_arm(&a->stack->ctx.timers, &a->timer, next);
    PL_ASSERT(error == 0 || a->path_next == a->path_count);
    return error;
}

int pl_attempts_start(struct plait_stack *stack, struct pl_socket *sock,
                      const struct plait_endpoint *remote) {
    PL_ASSERT(sock->attempts == NULL);
    struct pl_attempts *a = pl_ctx_alloc(&stack->ctx, sizeof(*a));
    if (a == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    int error = pl_ctx_timers_add(&stack->ctx, 1);
    if (error != 0) {
        pl_ctx_free(&stack->ctx, a, sizeof(*a));
        return error;
    }
    a->stack = stack;
    a->sock = sock;
    a->remote = *remote;
    pl_list_init(&a->running);
    pl_timer_init(&a->timer, fired);
    sock->attempts = a;
    find_paths(a);
    if (a->path_count == 0) {
        find_bound_path(a);
    }
    struct pl_conn_fastopen fastopen;
    if (a->path_count > 0 && plan_fastopen(a, &a->paths[0], &fastopen) && fastopen.cookie.len > 0) {
        a->waiting = true;
        return 0;
    }
    error = start_next(a);
    if (error != 0) {
        pl_attempts_free(stack, sock);
    }
    return error;
}

int pl_attempts_go(struct plait_stack *stack, struct pl_socket *sock) {
    struct pl_attempts *a = sock->attempts;
    PL_ASSERT(a->waiting && pl_list_empty(&a->running));
    a->waiting = false;
    int error = start_next(a);
    if (error != 0) {
        pl_attempts_free(stack, sock);
        return error;
    }
    a->path_count = a->path_next;
    pl_timer_arm(&stack->ctx.timers, &a->timer, PLAIT_TIME_NEVER);
    return 0;
}

static void give_up(struct plait_stack *stack, struct pl_stack_conn *sc) {
    pl_list_remove(&sc->wait_link);
    PL_ASSERT(sc->listener == NULL);
    note(stack, sc, false);
    pl_conn_abort(sc->conn, PLAIT_E_ABORTED, stack->now);
    pl_conn_orphan(sc->conn, stack->now);
    pl_conns_release(stack, sc);
}

void pl_attempts_cancel(struct plait_stack *stack, struct pl_socket *sock) {
    struct pl_attempts *a = sock->attempts;
    PL_ASSERT(a != NULL);
    while (!pl_list_empty(&a->running)) {
        struct pl_stack_conn *sc = of_link(a->running.next);
        sc->owner = NULL; /* nobody hears how it ends */
        give_up(stack, sc);
    }
    pl_attempts_free(stack, sock);
}

void pl_attempts_free(struct plait_stack *stack, struct pl_socket *sock) {
    struct pl_attempts *a = sock->attempts;
    PL_ASSERT(pl_list_empty(&a->running));
    pl_timer_cancel(&stack->ctx.timers, &a->timer);
    pl_ctx_timers_sub(&stack->ctx, 1);
    pl_ctx_free(&stack->ctx, a, sizeof(*a));
    sock->attempts = NULL;
}

int pl_attempts_tune(struct pl_socket *sock, const struct pl_tcp_tuning *tuning, plait_time now) {
    int error = 0;
    PL_ASSERT(sock->attempts != NULL && tuning != NULL);
    PL_LIST_FOREACH(it, &sock->attempts->running) {
        int one = pl_conn_tune(of_link(it)->conn, tuning, now);
        error = error != 0 ? error : one;
    }
    return error;
}

int pl_attempts_set_policy(struct pl_socket *sock, const struct pl_policy *policy) {
    int error = 0;
    PL_ASSERT(sock->attempts != NULL && policy != NULL);
    PL_LIST_FOREACH(it, &sock->attempts->running) {
        int one = pl_conn_set_policy(of_link(it)->conn, policy);
        error = error != 0 ? error : one;
    }
    return error;
}

int pl_attempts_schedule(struct pl_socket *sock, const struct pl_sched *sched) {
    int error = 0;
    PL_ASSERT(sock->attempts != NULL && sched != NULL);
    PL_LIST_FOREACH(it, &sock->attempts->running) {
        int one = pl_conn_schedule(of_link(it)->conn, sched);
        error = error != 0 ? error : one;
    }
    return error;
}

struct pl_stack_conn *pl_attempts_first(const struct pl_socket *sock) {
    PL_ASSERT(sock->attempts != NULL);
    struct pl_list *running = &sock->attempts->running;
    return pl_list_empty(running) ? NULL : of_link(running->next);
}

/* ---- what became of them ---- */

/* Drops attempts that have failed; returns one whose handshake is complete, or NULL. */
static struct pl_stack_conn *sort_out(struct pl_attempts *a) {
    struct pl_stack_conn *winner = NULL;
    PL_LIST_FOREACH_SAFE(it, &a->running) {
        struct pl_stack_conn *sc = of_link(it);
        enum pl_conn_state state = pl_conn_state(sc->conn);
        if (state == PL_CONN_CLOSED && pl_conn_error(sc->conn) != 0) {
            a->error = pl_conn_error(sc->conn);
            note(a->stack, sc, true);
            pl_list_remove(&sc->wait_link);
            pl_conns_release(a->stack, sc);
        } else if (state != PL_CONN_OPENING && winner == NULL) {
            PL_ASSERT(state != PL_CONN_NEW);
            winner = sc;
        }
    }
    return winner;
}

static bool peer_said_no(int error) {
    return error == PLAIT_E_REFUSED || error == PLAIT_E_RESET;
}

int pl_attempts_settle(struct plait_stack *stack, struct pl_socket *sock) {
    struct pl_attempts *a = sock->attempts;
    PL_ASSERT(a->sock == sock);
    if (a->waiting) {
        return 0;
    }
    struct pl_stack_conn *winner = sort_out(a);
    if (winner != NULL) {
        pl_list_remove(&winner->wait_link);
        sock->sc = winner;
        note(stack, winner, false);
        pl_attempts_cancel(stack, sock);
        return 0;
    }
    bool idle = pl_list_empty(&a->running);
    if (a->path_next < a->path_count && (a->next_due || (idle && !peer_said_no(a->error)))) {
        int error = start_next(a);
        a->error = error != 0 && a->error == 0 ? error : a->error;
    }
    if (!pl_list_empty(&a->running)) {
        return 0;
    }
    int error = a->error;
    PL_ASSERT(error != 0);
    pl_attempts_free(stack, sock);
    return error;
}

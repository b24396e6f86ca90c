#include "stack/listen.h"

#include "base/assert.h"
#include "stack/conns.h"
#include "stack/demux.h"
#include "stack/early.h"
#include "stack/monitor.h"
#include "stack/waiting.h"
#include "wire/addr.h"

enum { PICK_MIN = 32768, PICK_COUNT = 60999 - PICK_MIN + 1 };

static struct pl_listener *of_node(struct pl_hash_node *node) {
    return node == NULL ? NULL : PL_CONTAINER(node, struct pl_listener, node);
}

static struct pl_listener *next_listener(struct pl_listener *listener) {
    return of_node(pl_hash_find_next(&listener->node));
}

static bool same_place(const struct pl_listener *a, const struct pl_listener *b) {
    return a->port == b->port && a->tcp_port == b->tcp_port && pl_addr_equal(&a->addr, &b->addr);
}

/* Whether connections of an earlier listener are still there, which PLAIT_OPT_REUSEADDR permits. */
static bool in_use(const struct plait_stack *stack, uint16_t tcp_port) {
    PL_LIST_FOREACH(it, &stack->conns) {
        const struct pl_stack_conn *sc = PL_CONTAINER(it, struct pl_stack_conn, link);
        if (tcp_port != 0 && pl_conn_tuple(sc->conn)->local_port == tcp_port) {
            return true;
        }
    }
    return false;
}

int pl_listen_start(struct plait_stack *stack, struct pl_listener *listener) {
    PL_ASSERT(listener->source != NULL);
    struct pl_listener *other = of_node(pl_hash_find(&stack->listeners, listener->tcp_port));
    for (; other != NULL; other = next_listener(other)) {
        if (same_place(other, listener)) {
            return PLAIT_E_IN_USE;
        }
    }
    if (!listener->reuse && in_use(stack, listener->tcp_port)) {
        return PLAIT_E_IN_USE;
    }
    int error = pl_ctx_timers_add(&stack->ctx, 1);
    if (error != 0) {
        return error;
    }
    pl_waiting_init(stack, listener);
    pl_hash_insert(&stack->listeners, &listener->node, listener->tcp_port);
    pl_list_append(&stack->listener_list, &listener->link);
    PL_ASSERT(pl_list_linked(&listener->link));
    pl_monitor_listener(stack, listener, PLAIT_MONITOR_LISTENER_CREATED);
    return 0;
}

uint16_t pl_listen_pick(struct plait_stack *stack) {
    for (uint32_t i = 0; i < PICK_COUNT; i++) {
        uint16_t tcp_port = (uint16_t)(PICK_MIN + stack->ephemeral_next++ % PICK_COUNT);
        PL_ASSERT(tcp_port >= PICK_MIN);
        if (pl_hash_find(&stack->listeners, tcp_port) == NULL) {
            return tcp_port;
        }
    }
    return 0;
}

static void reset_waiting(struct plait_stack *stack, struct pl_list *list) {
    while (!pl_list_empty(list)) {
        struct pl_stack_conn *sc = PL_CONTAINER(list->next, struct pl_stack_conn, wait_link);
        pl_waiting_remove(sc);
        pl_conn_abort(sc->conn, PLAIT_E_REFUSED, stack->now);
        pl_conn_orphan(sc->conn, stack->now);
        pl_conns_release(stack, sc);
    }
}

void pl_listen_stop(struct plait_stack *stack, struct pl_listener *listener) {
    pl_monitor_listener(stack, listener, PLAIT_MONITOR_LISTENER_CLOSED);
    reset_waiting(stack, &listener->embryonic);
    reset_waiting(stack, &listener->ready);
    PL_ASSERT(listener->embryonic_count == 0 && listener->ready_count == 0);
    pl_early_stop(listener);
    pl_timer_cancel(&stack->ctx.timers, &listener->timer);
    pl_ctx_timers_sub(&stack->ctx, 1);
    pl_hash_remove(&stack->listeners, &listener->node);
    pl_list_remove(&listener->link);
}

/* How well a listener fits: 0 not at all, more the better. A listener for every TCP port only
 * listens on ports that take packets to every address. */
static unsigned fit(const struct pl_listener *listener, const struct pl_port *port,
                    const struct plait_addr *addr) {
    if (listener->port != 0 && listener->port != port->id) {
        return 0;
    }
    if (listener->addr.family != PLAIT_FAMILY_NONE && !pl_addr_equal(&listener->addr, addr)) {
        return 0;
    }
    if (listener->v6only && addr->family != PLAIT_IPV6) {
        return 0;
    }
    if (listener->tcp_port == 0 && (port->flags & PLAIT_PORT_ANY_ADDRESS) == 0) {
        return 0;
    }
    unsigned by_port = listener->port != 0 ? 1 : 0;
    unsigned by_address = listener->addr.family != PLAIT_FAMILY_NONE ? 2 : 0;
    return 1 + by_port + by_address;
}

static struct pl_listener *best(const struct plait_stack *stack, const struct pl_port *port,
                                const struct plait_addr *addr, uint16_t key) {
    struct pl_listener *found = NULL;
    unsigned found_fit = 0;
    struct pl_listener *listener = of_node(pl_hash_find(&stack->listeners, key));
    for (; listener != NULL; listener = next_listener(listener)) {
        unsigned this_fit = fit(listener, port, addr);
        if (this_fit > found_fit) {
            found = listener;
            found_fit = this_fit;
        }
    }
    return found;
}

struct pl_listener *pl_listen_find(const struct plait_stack *stack, const struct pl_port *port,
                                   const struct plait_addr *addr, uint16_t tcp_port) {
    PL_ASSERT(port != NULL);
    struct pl_listener *exact = tcp_port == 0 ? NULL : best(stack, port, addr, tcp_port);
    return exact != NULL ? exact : best(stack, port, addr, 0);
}

bool pl_listen_full(struct plait_stack *stack, const struct pl_listener *listener) {
    PL_ASSERT(listener->backlog > 0);
    if (listener->ready_count < listener->backlog) {
        return false;
    }
    PL_COUNT(&stack->ctx, ListenOverflows);
    PL_COUNT(&stack->ctx, DropBacklog);
    return true;
}

/* How connections are set up that come over this port. */
static struct pl_conn_setup setup_for(const struct pl_listener *listener,
                                      const struct pl_port *port) {
    struct pl_conn_setup setup = listener->setup;
    PL_ASSERT(port->id != 0);
    if ((port->flags & PLAIT_PORT_NO_MPTCP) != 0) {
        setup.mptcp = false;
    }
    return setup;
}

/* Makes a connection from a SYN and puts it into the SYN queue; NULL when that was not possible. */
static struct pl_stack_conn *take(struct plait_stack *stack, struct pl_listener *listener,
                                  const struct pl_port *port, const struct pl_conn_setup *setup,
                                  const struct pl_tcp_tuple *tuple, const struct pl_segment *syn,
                                  bool hold) {
    struct pl_stack_conn *sc = NULL;
    PL_ASSERT((syn->flags & (PL_TCP_SYN | PL_TCP_ACK)) == PL_TCP_SYN);
    int error = pl_conns_create(stack, setup, &sc);
    if (error != 0) {
        PL_COUNT(&stack->ctx, DropMemory);
        return NULL;
    }
    pl_waiting_add(listener, sc);
    error = pl_conn_accept(sc->conn, port->id, *tuple, syn, hold, stack->now);
    if (error != 0) {
        PL_COUNT(&stack->ctx, DropMemory);
        pl_conns_destroy(stack, sc);
        return NULL;
    }
    return sc;
}

struct pl_stack_conn *pl_listen_early(struct plait_stack *stack, struct pl_listener *listener,
                                      const struct pl_packet *packet,
                                      const struct pl_tcp_cookie *grant) {
    struct pl_conn_setup setup = setup_for(listener, packet->port);
    struct pl_stack_conn *sc = NULL;
    setup.grant = *grant;
    if (pl_conns_create(stack, &setup, &sc) != 0) {
        PL_COUNT(&stack->ctx, DropMemory);
        return NULL;
    }
    pl_waiting_add(listener, sc);
    int error = pl_conn_accept_early(sc->conn, packet->port->id, pl_packet_tuple(packet),
                                     &packet->seg, packet->buf, stack->now);
    if (error != 0) {
        PL_COUNT(&stack->ctx, DropMemory);
        pl_conns_destroy(stack, sc);
        return NULL;
    }
    return sc;
}

bool pl_listen_syn(struct plait_stack *stack, struct pl_listener *listener,
                   const struct pl_port *port, const struct pl_tcp_tuple *tuple,
                   const struct pl_segment *syn, const struct pl_tcp_cookie *grant) {
    struct pl_conn_setup setup = setup_for(listener, port);
    setup.grant = *grant;
    struct pl_stack_conn *sc = take(stack, listener, port, &setup, tuple, syn, listener->defer);
    if (sc == NULL) {
        return false;
    }
    if (listener->defer) {
        sc->held = true;
        pl_waiting_ready(stack, sc);
    }
    return true;
}

void pl_listen_resume(struct plait_stack *stack, struct pl_listener *listener,
                      const struct pl_port *port, const struct pl_tcp_tuple *tuple,
                      const struct pl_segment *syn, uint64_t key) {
    struct pl_conn_setup setup = setup_for(listener, port);
    struct pl_tcp_tx said;
    setup.key = key;
    setup.has_key = true;
    /* Its SYN was answered, even if the listener has begun to defer since. */
    if (take(stack, listener, port, &setup, tuple, syn, false) == NULL) {
        return;
    }
    struct pl_subflow *sf = pl_demux_flow(stack, port->id, tuple);
    if (sf != NULL) {
        (void)pl_subflow_output(sf, &said, stack->now); /* the SYN/ACK went out long ago */
    }
}

void pl_listen_check(const struct plait_stack *stack) {
    uint32_t count = 0;
    PL_LIST_FOREACH(it, &stack->listener_list) {
        const struct pl_listener *listener = PL_CONTAINER(it, struct pl_listener, link);
        PL_ASSERT(listener->source != NULL);
        pl_waiting_check(listener);
        count++;
    }
    PL_ASSERT(count == stack->listeners.count);
}

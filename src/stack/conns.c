/* How a verb ends. Engine code never frees: it leaves a connection in settle_list. The loop below
 * settles those, frees the ones that have ended and belong to nobody, lets the sockets act on what
 * they were told meanwhile, and goes on until nothing is left. It is bounded: what a bug (or a very
 * busy moment) leaves over is done in the next verb, which plait_deadline() then asks for. */
#include "stack/conns.h"

#include "base/assert.h"
#include "stack/early.h"
#include "stack/memory.h"
#include "stack/waiting.h"

enum { SETTLE_ROUNDS = 16, DISCARD_PACKETS_MAX = 4096 };

struct pl_stack_conn *pl_conns_of(const struct pl_conn *conn) {
    return (struct pl_stack_conn *)(uintptr_t)pl_conn_user(conn);
}

enum { LIMIT_CONNECTIONS, LIMIT_MEMORY };

static int refuse(struct plait_stack *stack, int kind, uint64_t value, uint64_t limit) {
    struct pl_trace_id nobody = {0};
    pl_trace(&stack->ctx, stack->now, nobody, PLAIT_TRACE_limit, (uint64_t)kind, value, limit, 0);
    return kind == LIMIT_MEMORY ? PLAIT_E_NO_MEMORY : PLAIT_E_LIMIT;
}

int pl_conns_create(struct plait_stack *stack, const struct pl_conn_setup *setup,
                    struct pl_stack_conn **out) {
    struct pl_memory *memory = &stack->ctx.memory;
    uint32_t most = stack->ctx.config.connections_max;
    PL_ASSERT(out != NULL);
    if (stack->conn_count >= most) {
        return refuse(stack, LIMIT_CONNECTIONS, stack->conn_count, most);
    }
    if (pl_memory_full(stack)) {
        memory->refused = true;
        return refuse(stack, LIMIT_MEMORY, memory->used_bytes, memory->max_bytes);
    }
    struct pl_stack_conn *sc = pl_ctx_alloc(&stack->ctx, sizeof(*sc));
    if (sc == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    struct pl_conn_setup numbered = *setup;
    numbered.serial = ++stack->conn_serial;
    int error = pl_conn_create(&sc->conn, &stack->ctx, &stack->host, &numbered);
    if (error != 0) {
        pl_ctx_free(&stack->ctx, sc, sizeof(*sc));
        return error;
    }
    pl_conn_set_user(sc->conn, (uint64_t)(uintptr_t)sc);
    pl_list_init(&sc->wait_link);
    pl_list_init(&sc->link);
    pl_list_init(&sc->fast_link);
    pl_list_append(&stack->conns, &sc->link);
    stack->conn_count++;
    *out = sc;
    PL_ASSERT(pl_conns_of(sc->conn) == sc);
    return 0;
}

void pl_conns_destroy(struct plait_stack *stack, struct pl_stack_conn *sc) {
    PL_ASSERT(stack->conn_count > 0);
    if (sc->listener != NULL) {
        pl_waiting_remove(sc);
    }
    PL_ASSERT(!pl_list_linked(&sc->wait_link));
    pl_early_forget(stack, sc);
    pl_conn_destroy(sc->conn);
    pl_list_remove(&sc->link);
    stack->conn_count--;
    pl_ctx_free(&stack->ctx, sc, sizeof(*sc));
}

void pl_conns_release(struct plait_stack *stack, struct pl_stack_conn *sc) {
    PL_ASSERT(sc->listener == NULL);
    sc->owner = NULL;
    if (sc->done || pl_conn_settle(sc->conn, stack->now)) {
        pl_conns_destroy(stack, sc);
    }
}

void pl_conns_event(struct plait_stack *stack, struct pl_conn *conn,
                    const struct plait_event *event) {
    struct pl_stack_conn *sc = pl_conns_of(conn);
    PL_ASSERT(event->type != PLAIT_EVENT_NONE);
    if (sc == NULL) {
        return;
    }
    PL_ASSERT(sc->listener == NULL || sc->owner == NULL);
    if (sc->listener != NULL) {
        pl_waiting_event(stack, sc, event);
    } else if (sc->owner != NULL) {
        stack->owner->event(stack, sc->owner, sc, event);
    }
}

/* What goes out over a port that is down is lost, as it would be on the link. Nothing may wait
 * there: a connection that only has its reset to send could not end. */
static void discard(struct plait_stack *stack, struct pl_port *port) {
    struct pl_tcp_tx tx;
    for (unsigned i = 0; i < DISCARD_PACKETS_MAX && !pl_list_empty(&port->out_list); i++) {
        struct pl_subflow *sf = pl_subflow_of_tcp_link(port->out_list.next);
        pl_subflow_output(sf, &tx, stack->now);
    }
    port->replies.count = 0;
}

static void discard_all(struct plait_stack *stack) {
    if (stack->port_dark_count == 0) {
        return;
    }
    for (plait_port_id id = 1; id < PL_PORTS_MAX; id++) {
        struct pl_port *port = stack->ports[id];
        if (port != NULL && !port->up) {
            PL_ASSERT(port->id == id);
            discard(stack, port);
        }
    }
}

static void settle_one(struct plait_stack *stack, struct pl_list *link) {
    struct pl_stack_conn *sc = pl_conns_of(pl_conn_of_settle_link(link));
    pl_list_remove(link);
    PL_ASSERT(sc != NULL);
    sc->done = pl_conn_settle(sc->conn, stack->now);
    if (sc->done && sc->owner == NULL) {
        pl_conns_destroy(stack, sc);
    }
}

void pl_conns_settle(struct plait_stack *stack) {
    bool sockets_acted = false;
    for (unsigned round = 0; round < SETTLE_ROUNDS; round++) {
        uint32_t budget = stack->conn_count + 1;
        for (uint32_t i = 0; i < budget && !pl_list_empty(&stack->settle_list); i++) {
            settle_one(stack, stack->settle_list.next);
        }
        discard_all(stack);
        sockets_acted = stack->owner != NULL && stack->owner->settle(stack);
        if (!sockets_acted && pl_list_empty(&stack->settle_list)) {
            return;
        }
    }
}

void pl_conns_check(const struct plait_stack *stack) {
    uint32_t count = 0;
    PL_LIST_FOREACH(it, &stack->conns) {
        const struct pl_stack_conn *sc = PL_CONTAINER(it, struct pl_stack_conn, link);
        PL_ASSERT(pl_conns_of(sc->conn) == sc);
        PL_ASSERT(sc->listener == NULL || sc->owner == NULL);
        PL_ASSERT(sc->listener == NULL || pl_list_linked(&sc->wait_link));
        pl_conn_check(sc->conn);
        count++;
    }
    PL_ASSERT(count == stack->conn_count);
    PL_ASSERT(count <= stack->ctx.config.connections_max);
}

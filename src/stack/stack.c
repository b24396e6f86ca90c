/* The verbs of a stack: creation and end, input, output, time, counters. See stack/state.h for what
 * they have in common. */
#include "plait/stack.h"

#include <string.h>

#include "base/assert.h"
#include "stack/address.h"
#include "stack/conns.h"
#include "stack/host.h"
#include "stack/input.h"
#include "stack/listen.h"
#include "stack/memory.h"
#include "stack/monitor.h"
#include "stack/output.h"
#include "stack/peers.h"
#include "stack/port.h"
#include "stack/scheduler.h"

static int init_tables(struct plait_stack *stack, const struct plait_env *env) {
    struct pl_hash_table *tables[] = {&stack->flows, &stack->tokens, &stack->listeners};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        int error = pl_hash_init(tables[i], env);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* Tables that were not initialised are zero, which pl_hash_fini() takes. */
static void fini_tables(struct plait_stack *stack) {
    PL_ASSERT(stack->flows.count == 0);
    PL_ASSERT(stack->tokens.count == 0);
    pl_hash_fini(&stack->listeners);
    pl_hash_fini(&stack->tokens);
    pl_hash_fini(&stack->flows);
}

int plait_stack_create(struct plait_stack **out, const struct plait_env *env,
                       const struct plait_config *config) {
    struct pl_ctx probe;
    if (out == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    int error = pl_ctx_init(&probe, env, config);
    if (error != 0) {
        return error;
    }
    struct plait_stack *stack = pl_ctx_alloc(&probe, sizeof(*stack));
    if (stack == NULL) {
        pl_ctx_fini(&probe);
        return PLAIT_E_NO_MEMORY;
    }
    stack->ctx = probe;
    error = init_tables(stack, env);
    if (error != 0) {
        fini_tables(stack);
        pl_ctx_fini(&stack->ctx);
        env->free(env->user, stack, sizeof(*stack));
        return error;
    }
    pl_list_init(&stack->listener_list);
    pl_list_init(&stack->conns);
    pl_events_init(&stack->events);
    pl_host_init(stack);
    pl_peers_init(stack);
    stack->ephemeral_next = pl_ctx_random32(&stack->ctx);
    PL_ASSERT(pl_list_empty(&stack->settle_list));
    *out = stack;
    return 0;
}

void plait_stack_destroy(struct plait_stack *stack) {
    if (stack == NULL) {
        return;
    }
    PL_LIST_FOREACH_SAFE(it, &stack->conns) {
        struct pl_stack_conn *sc = PL_CONTAINER(it, struct pl_stack_conn, link);
        if (sc->listener == NULL) {
            pl_list_remove(&sc->wait_link);
        }
        pl_conns_destroy(stack, sc);
    }
    PL_ASSERT(stack->conn_count == 0);
    if (stack->owner != NULL) {
        stack->owner->destroy(stack);
    }
    PL_ASSERT(stack->listeners.count == 0);
    pl_port_free_all(stack);
    pl_scheduler_free_all(stack);
    pl_monitor_stop(stack);
    pl_peers_fini(stack);
    fini_tables(stack);
    const struct plait_env *env = stack->ctx.env;
    pl_ctx_fini(&stack->ctx);
    env->free(env->user, stack, sizeof(*stack));
}

void plait_input(struct plait_stack *stack, plait_port_id port, struct plait_buf *buf,
                 const struct plait_rx_meta *meta, plait_time now) {
    pl_stack_enter(stack, now);
    if (buf == NULL || buf->len > buf->cap) {
        return;
    }
    pl_input_packet(stack, port, buf, meta);
    pl_memory_relieve(stack);
    pl_conns_settle(stack);
}

unsigned plait_output(struct plait_stack *stack, plait_port_id port_id, struct plait_tx *tx,
                      unsigned max, plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_port *port = pl_stack_port(stack, port_id);
    if (port == NULL || !port->up || tx == NULL) {
        return 0;
    }
    return pl_output_pull(stack, port, tx, max);
}

bool plait_output_pending(const struct plait_stack *stack, plait_port_id port_id) {
    const struct pl_port *port = pl_stack_port(stack, port_id);
    return port != NULL && port->up && (port->replies.count > 0 || !pl_list_empty(&port->out_list));
}

plait_time plait_deadline(const struct plait_stack *stack) {
    plait_time next = pl_timers_next(&stack->ctx.timers);
    bool left_over = !pl_list_empty(&stack->settle_list);
    return left_over && stack->now < next ? stack->now : next;
}

void plait_tick(struct plait_stack *stack, plait_time now) {
    pl_timers_run(&stack->ctx.timers, pl_stack_enter(stack, now));
    pl_memory_relieve(stack);
    pl_conns_settle(stack);
}

const uint64_t *plait_counters(const struct plait_stack *stack) {
    return stack->ctx.counters;
}

void plait_stack_stats(const struct plait_stack *stack, struct plait_stack_stats *out) {
    struct plait_stack_stats stats = {
        .size = sizeof(stats),
        .connections = stack->conn_count,
        .subflows = stack->flows.count,
        .memory_bytes = stack->ctx.memory.used_bytes,
    };
    bool shorter = out->size > 0 && out->size < sizeof(stats);
    stats.size = shorter ? out->size : sizeof(stats);
    memcpy(out, &stats, stats.size);
}

void plait_stack_check(const struct plait_stack *stack) {
    PL_ASSERT(stack->ctx.memory.used_bytes <= stack->ctx.memory.max_bytes);
    pl_timers_check(&stack->ctx.timers);
    pl_port_check(stack);
    pl_address_check(stack);
    pl_listen_check(stack);
    pl_events_check(&stack->events);
    pl_conns_check(stack);
    pl_peers_check(stack);
    if (stack->owner != NULL) {
        stack->owner->check(stack);
    }
}

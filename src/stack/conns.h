/* stack/conns.h - the connections of a stack: creation within the limits, events on their way to
 * whoever is responsible, and the settle loop that ends every verb. */
#ifndef PL_STACK_CONNS_H
#define PL_STACK_CONNS_H

#include "stack/state.h"

/* A new connection without listener or owner. Errors: LIMIT, NO_MEMORY. */
PLAIT_MUST_CHECK int pl_conns_create(struct plait_stack *stack, const struct pl_conn_setup *setup,
                                     struct pl_stack_conn **out);
/* Frees it at once, without a word on the wire. Not for use inside engine code. */
void pl_conns_destroy(struct plait_stack *stack, struct pl_stack_conn *sc);
/* Nobody is responsible any more: it is freed now if nothing is left of it, or when it has ended.
 * The caller has orphaned or aborted it. */
void pl_conns_release(struct plait_stack *stack, struct pl_stack_conn *sc);
/* The stack's part of a connection. */
struct pl_stack_conn *pl_conns_of(const struct pl_conn *conn);
/* pl_conn_host.event */
void pl_conns_event(struct plait_stack *stack, struct pl_conn *conn,
                    const struct plait_event *event);
/* Runs deferred work until there is none. Ends every verb. */
void pl_conns_settle(struct plait_stack *stack);
void pl_conns_check(const struct plait_stack *stack);

#endif

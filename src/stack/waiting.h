/* stack/waiting.h - the two queues of a listener, and what happens to a connection in them. */
#ifndef PL_STACK_WAITING_H
#define PL_STACK_WAITING_H

#include "stack/state.h"

/* Prepares the part of a listener that is managed here. */
void pl_waiting_init(struct plait_stack *stack, struct pl_listener *listener);
/* Makes a listener responsible for a connection that nobody has: it waits for its handshake. */
void pl_waiting_add(struct pl_listener *listener, struct pl_stack_conn *sc);
/* It can be accepted now. */
void pl_waiting_ready(struct plait_stack *stack, struct pl_stack_conn *sc);
/* An event of a connection that waits. */
void pl_waiting_event(struct plait_stack *stack, struct pl_stack_conn *sc,
                      const struct plait_event *event);
/* Takes a connection off its listener: nobody has it. */
void pl_waiting_remove(struct pl_stack_conn *sc);
/* The next connection that can be accepted, removed from its listener; or NULL. */
struct pl_stack_conn *pl_waiting_take(struct pl_listener *listener);
void pl_waiting_check(const struct pl_listener *listener);

#endif

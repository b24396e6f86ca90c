/* stack/waiting.h - the two queues of a listener, and what happens to a connection in them.
 *
 * The backlog bounds each of them, as on Linux. A full SYN queue is answered with SYN cookies
 * (stack/syncookie.h); a full accept queue takes no SYN, and leaves what is in the SYN queue there.
 */
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
/* Whether the segment would complete a handshake for which the accept queue has no room: then it is
 * as good as lost, and the peer's answer to the repeated SYN/ACK is the next chance. */
bool pl_waiting_must_stay(struct plait_stack *stack, const struct pl_stack_conn *sc,
                          const struct pl_segment *seg);
void pl_waiting_check(const struct pl_listener *listener);

#endif

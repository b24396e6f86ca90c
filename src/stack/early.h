/* stack/early.h - a listener's connections that did not wait for their third ACK
 * (stack/fastopen.h).
 *
 * PLAIT_OPT_FASTOPEN bounds them. One that is reset before that ACK counts for another minute, so
 * that resets from forged sources do not make room for the next ones (RFC 7413 section 5.1). */
#ifndef PL_STACK_EARLY_H
#define PL_STACK_EARLY_H

#include "stack/state.h"

void pl_early_add(struct pl_listener *listener, struct pl_stack_conn *sc);
/* Whether one more may skip the wait. Those that have got their ACK do not count. */
bool pl_early_room(const struct plait_stack *stack, struct pl_listener *listener);
/* A connection ends; it may be one of these. */
void pl_early_forget(struct plait_stack *stack, struct pl_stack_conn *sc);
/* A listener ends. */
void pl_early_stop(struct pl_listener *listener);

#endif

/* stack/host.h - the stack as a connection sees it (mptcp/host.h). */
#ifndef PL_STACK_HOST_H
#define PL_STACK_HOST_H

#include "stack/state.h"

/* Fills in stack->host. */
void pl_host_init(struct plait_stack *stack);

#endif

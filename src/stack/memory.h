/* stack/memory.h - who gives way when payload fills memory_bytes_max.
 *
 * Short of memory, windows shrink and writers wait (mptcp/window.c, mptcp/pressure.c). When payload
 * had to be refused to one who had a right to it, the stack makes room, in this order: what arrived
 * out of order; what sockets hold that nobody has any more; what is more than a share of the memory
 * and has waited longest for peers that take nothing, since a zero window may be kept for ever only
 * as long as there are resources (RFC 9293 section 3.8.6.1). */
#ifndef PL_STACK_MEMORY_H
#define PL_STACK_MEMORY_H

#include "stack/state.h"

/* Whether there is no room for another connection. */
bool pl_memory_full(const struct plait_stack *stack);
/* Makes room if there was a refusal; not inside engine code. */
void pl_memory_relieve(struct plait_stack *stack);

#endif

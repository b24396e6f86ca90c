/* stack/scheduler.h - the schedulers that connections of a stack can have, by number. */
#ifndef PL_STACK_SCHEDULER_H
#define PL_STACK_SCHEDULER_H

#include "plait/scheduler.h"
#include "stack/state.h"

/* NULL when there is none with this number. */
const struct pl_sched *pl_scheduler_of(const struct plait_stack *stack, int64_t number);
/* Frees those of the embedder; no connection is left. */
void pl_scheduler_free_all(struct plait_stack *stack);

#endif

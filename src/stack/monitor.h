/* stack/monitor.h - the ring behind plait/monitor.h. */
#ifndef PL_STACK_MONITOR_H
#define PL_STACK_MONITOR_H

#include "stack/state.h"

/* Keeps an event, or counts it as lost. */
void pl_monitor_push(struct plait_stack *stack, const struct plait_monitor_event *event);
void pl_monitor_listener(struct plait_stack *stack, const struct pl_listener *listener,
                         uint32_t type);
void pl_monitor_stop(struct plait_stack *stack);

#endif

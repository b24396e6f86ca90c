/* stack/segment.h - a TCP segment finds its subflow, or an answer. */
#ifndef PL_STACK_SEGMENT_H
#define PL_STACK_SEGMENT_H

#include "stack/packet.h"

/* packet->ip and payload are set, and the destination address is not looked at yet. */
void pl_segment_input(struct plait_stack *stack, struct pl_packet *packet);

#endif

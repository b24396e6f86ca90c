/* stack/input.h - a packet that arrived: IP, and whose business the rest is. */
#ifndef PL_STACK_INPUT_H
#define PL_STACK_INPUT_H

#include "stack/packet.h"

/* What plait_input() does between entering the stack and settling. */
void pl_input_packet(struct plait_stack *stack, plait_port_id port, struct plait_buf *buf,
                     const struct plait_rx_meta *meta);

#endif

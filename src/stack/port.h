/* stack/port.h - ports: attributes, carrier, MTU; and which addresses are theirs. */
#ifndef PL_STACK_PORT_H
#define PL_STACK_PORT_H

#include "stack/state.h"

/* Whether packets to this address that come in over the port are ours. */
bool pl_port_has_address(const struct plait_stack *stack, const struct pl_port *port,
                         const struct plait_addr *addr);
/* Frees the structs of all ports; no flow is left. */
void pl_port_free_all(struct plait_stack *stack);
void pl_port_check(const struct plait_stack *stack);

#endif

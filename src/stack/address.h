/* stack/address.h - the addresses of ports as MPTCP endpoints: keeps the table that connections
 * read (mptcp/endpoints.h) and tells every connection of each change, after it was made. */
#ifndef PL_STACK_ADDRESS_H
#define PL_STACK_ADDRESS_H

#include "stack/state.h"

enum { PL_MTU_MIN_V6 = 1280 };

/* A port went up or down: its entries follow. The caller tells the connections. */
void pl_address_port_changed(struct plait_stack *stack, const struct pl_port *port);
/* Takes all addresses of a port away. */
void pl_address_remove_all(struct plait_stack *stack, plait_port_id port);
bool pl_address_has_v6(const struct plait_stack *stack, plait_port_id port);
void pl_address_check(const struct plait_stack *stack);

#endif

/* socket/options.h - options of accepted sockets. */
#ifndef PL_SOCKET_OPTIONS_H
#define PL_SOCKET_OPTIONS_H

#include "socket/state.h"

/* An accepted socket has its listener's tuning; its connection has it already. Errors: NO_MEMORY.
 */
PLAIT_MUST_CHECK int pl_options_inherit(struct plait_stack *stack, struct pl_socket *sock,
                                        const struct pl_socket *parent);

#endif

/* socket/policy.h - what an application wants of paths, before and while there is a connection. */
#ifndef PL_SOCKET_POLICY_H
#define PL_SOCKET_POLICY_H

#include "socket/state.h"

/* The socket's policy, to be changed; made when there is none. NULL: no memory. */
struct pl_policy *pl_socket_policy_own(struct plait_stack *stack, struct pl_socket *sock);
/* Hands a changed policy on to whatever the socket has. Errors: NO_MEMORY. */
PLAIT_MUST_CHECK int pl_socket_policy_apply(struct plait_stack *stack, struct pl_socket *sock);
/* It connects or listens: what it was bound to is all it may use, besides what was added
 * (section 5.3.2). Errors: NO_MEMORY, LIMIT. */
PLAIT_MUST_CHECK int pl_socket_policy_start(struct plait_stack *stack, struct pl_socket *sock);
/* An accepted socket has its listener's; its connection has it already. Errors: NO_MEMORY. */
PLAIT_MUST_CHECK int pl_socket_policy_inherit(struct plait_stack *stack, struct pl_socket *sock,
                                              const struct pl_socket *parent);
void pl_socket_policy_free(struct plait_stack *stack, struct pl_socket *sock);

#endif

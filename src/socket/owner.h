/* socket/owner.h - the socket layer as the stack sees it: events of connections become the state of
 * sockets and events for the application. */
#ifndef PL_SOCKET_OWNER_H
#define PL_SOCKET_OWNER_H

#include "socket/state.h"

extern const struct pl_stack_owner pl_socket_owner;

/* The socket is DEAD from here on; says so. */
void pl_socket_die(struct plait_stack *stack, struct pl_socket *sock, int error);
/* Stops listening. */
void pl_socket_unlisten(struct plait_stack *stack, struct pl_socket *sock);
/* Tells by level what an application may have missed. */
void pl_socket_announce(struct plait_stack *stack, struct pl_socket *sock);

#endif

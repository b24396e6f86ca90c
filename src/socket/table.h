/* socket/table.h - ids to sockets. An id is (generation << 32 | index + 1), so 0 is never one, and
 * an id that was closed names nothing for 2^32 re-uses of its slot. */
#ifndef PL_SOCKET_TABLE_H
#define PL_SOCKET_TABLE_H

#include "socket/state.h"

/* The socket with this id, or NULL. */
struct pl_socket *pl_table_find(const struct plait_stack *stack, plait_sock id);
/* A new socket in state NEW; makes the table, with its owner, if there is none. Errors: NO_MEMORY,
 * LIMIT. */
PLAIT_MUST_CHECK int pl_table_add(struct plait_stack *stack, const struct pl_stack_owner *owner,
                                  struct pl_socket **out);
/* Ends the id and frees the socket, which has given up what it had. */
void pl_table_remove(struct plait_stack *stack, struct pl_socket *sock);
/* Frees a table without sockets. */
void pl_table_destroy(struct plait_stack *stack);

#endif

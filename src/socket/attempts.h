/* socket/attempts.h - how plait_connect() finds a path that works.
 *
 * A connection starts on one path. Where several could carry the first subflow, the next one is
 * tried PL_ATTEMPT_DELAY after the last (RFC 8305 section 5, with paths in place of addresses), or
 * at once when every attempt so far has failed without the peer's word. The first handshake that
 * completes wins; the other attempts are given up. Each attempt is a connection of its own with
 * keys of its own, so that a late SYN/ACK of a loser belongs to nobody and is reset. */
#ifndef PL_SOCKET_ATTEMPTS_H
#define PL_SOCKET_ATTEMPTS_H

#include "socket/state.h"

#define PL_ATTEMPT_DELAY_NS PLAIT_NS_PER_S

/* Begins. The socket has attempts when this returns 0. Errors: NO_ADDRESS, and those of the first
 * attempt. */
PLAIT_MUST_CHECK int pl_attempts_start(struct plait_stack *stack, struct pl_socket *sock,
                                       const struct plait_endpoint *remote);
/* A Fast Open cookie is known, and the SYN waits for something to carry (RFC 7413). */
bool pl_attempts_waiting(const struct pl_socket *sock);
/* Ends that wait: starts on the first path that can be used, and no other, for it will have the
 * bytes. Errors: as pl_attempts_start. */
PLAIT_MUST_CHECK int pl_attempts_go(struct plait_stack *stack, struct pl_socket *sock);
/* Acts on what was told: ends the attempts with a connection (sock->sc) or with an error (returned;
 * none is left), or starts the next one. Returns 0 while it goes on and when it is won. */
int pl_attempts_settle(struct plait_stack *stack, struct pl_socket *sock);
/* Socket options that were set meanwhile. Errors: NO_MEMORY. */
PLAIT_MUST_CHECK int pl_attempts_tune(struct pl_socket *sock, const struct pl_tcp_tuning *tuning,
                                      plait_time now);
/* Another policy. Errors: NO_MEMORY. */
PLAIT_MUST_CHECK int pl_attempts_set_policy(struct pl_socket *sock, const struct pl_policy *policy);
/* Another scheduler. Errors: NO_MEMORY. */
PLAIT_MUST_CHECK int pl_attempts_schedule(struct pl_socket *sock, const struct pl_sched *sched);
/* Gives up, aborting what runs. */
void pl_attempts_cancel(struct plait_stack *stack, struct pl_socket *sock);
/* Frees the bookkeeping when connections are gone or the stack is being destroyed. */
void pl_attempts_free(struct plait_stack *stack, struct pl_socket *sock);
/* The attempt that runs longest, or NULL. */
struct pl_stack_conn *pl_attempts_first(const struct pl_socket *sock);

#endif

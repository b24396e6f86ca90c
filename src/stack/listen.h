/* stack/listen.h - listeners, and the SYNs that they take.
 *
 * A connection waits (stack/waiting.h) in `embryonic` while its handshake runs and in `ready` when
 * it can be accepted: established, or with its SYN held. One that dies before it is accepted
 * disappears. */
#ifndef PL_STACK_LISTEN_H
#define PL_STACK_LISTEN_H

#include "stack/packet.h"

/* Starts listening: port, addr, tcp_port, backlog, defer, setup and source are set. Errors: IN_USE
 * when another listener has the same port, address and TCP port. */
PLAIT_MUST_CHECK int pl_listen_start(struct plait_stack *stack, struct pl_listener *listener);
/* A TCP port on which nobody listens, for a listener that does not care; 0 when there is none. */
uint16_t pl_listen_pick(struct plait_stack *stack);
/* Stops; connections that wait are reset. */
void pl_listen_stop(struct plait_stack *stack, struct pl_listener *listener);
/* The most specific listener for a SYN that came over `port`, or NULL. */
struct pl_listener *pl_listen_find(const struct plait_stack *stack, const struct pl_port *port,
                                   const struct plait_addr *addr, uint16_t tcp_port);
/* Whether the accept queue is full, so that no SYN is taken (counted). */
bool pl_listen_full(struct plait_stack *stack, const struct pl_listener *listener);
/* A SYN for a listener, without MP_JOIN. The SYN/ACK brings `grant` when its len is not 0. False
 * when it was dropped (and counted). */
bool pl_listen_syn(struct plait_stack *stack, struct pl_listener *listener,
                   const struct pl_port *port, const struct pl_tcp_tuple *tuple,
                   const struct pl_segment *syn, const struct pl_tcp_cookie *grant);
/* A SYN with a good Fast Open cookie: the connection, which can be accepted, or NULL (counted). */
struct pl_stack_conn *pl_listen_early(struct plait_stack *stack, struct pl_listener *listener,
                                      const struct pl_packet *packet,
                                      const struct pl_tcp_cookie *grant);
/* As if the SYN had been taken when it came, and answered: for a cookie's third ACK. `key` is what
 * the SYN/ACK gave as MPTCP's. */
void pl_listen_resume(struct plait_stack *stack, struct pl_listener *listener,
                      const struct pl_port *port, const struct pl_tcp_tuple *tuple,
                      const struct pl_segment *syn, uint64_t key);
void pl_listen_check(const struct plait_stack *stack);

#endif

/* stack/joincookie.h - joins that keep no state before their third ACK (RFC 7430 section 3.1).
 *
 * Who knows the token of a connection can fill its few places for half-open joins, and true ones
 * would have to wait. So while they are taken, a join's SYN/ACK carries what a half-open subflow
 * would remember. The third ACK brings an HMAC of 160 bits over both nonces (RFC 8684 section 3.2),
 * so no bit is needed for a MAC, and all 64 that come back can say something: our sequence number
 * is the peer's nonce; the time stamp is 14 bits of the token, the peer's address id and flag B,
 * MSS, window scale and SACK. Both are masked by a keyed hash of the addresses, ports and the
 * peer's sequence number. Our own nonce does not come back: it is a keyed hash of all that did, so
 * that the HMAC proves the peer's keys and that nothing of the cookie was changed, in one. The
 * connections whose token has these 14 bits are tried, a few at most: of 65,536 connections it is
 * four.
 *
 * What it costs: a join without time stamps has no cookie and waits; so may one in a stack of more
 * than some 200,000 connections. No ECN. The clock of such a subflow's time stamps begins at the
 * cookie. A cookie is good for one to two minutes, and for one subflow: what opened one is refused
 * from then on, and, by the same bit, one in 4096 others. */
#ifndef PL_STACK_JOINCOOKIE_H
#define PL_STACK_JOINCOOKIE_H

#include "stack/packet.h"

/* Answers a SYN with MP_JOIN for `conn` by a cookie, if it is time for that and the join is
 * welcome: true. */
bool pl_joincookie_answer(struct plait_stack *stack, struct pl_conn *conn,
                          const struct pl_packet *packet);
/* A segment without a flow. The third ACK of such a join, which is to be given to the new subflow;
 * or NULL. */
struct pl_subflow *pl_joincookie_take(struct plait_stack *stack, const struct pl_packet *packet);

#endif

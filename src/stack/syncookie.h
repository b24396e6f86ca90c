/* stack/syncookie.h - SYN/ACKs that keep no state (RFC 4987 section 3.6, appendix A).
 *
 * While a listener's SYN queue is full, everything that a connection in SYN-RECEIVED would remember
 * goes into the SYN/ACK: MACs over the addresses, TCP ports and the client's sequence number, with
 * an index of its MSS, are the sequence number; window scale, SACK and ECN stand in the low six
 * bits of the timestamp, as Linux has it; MPTCP's key follows from the same secret, and the third
 * ACK brings both keys (RFC 8684 section 3.1). When that ACK comes, the SYN is made again from what
 * it says and taken as usual. A client without timestamps gets neither window scaling nor SACK.
 *
 * A secret serves for a period of 64 s and is good for another one, then it is overwritten. */
#ifndef PL_STACK_SYNCOOKIE_H
#define PL_STACK_SYNCOOKIE_H

#include "stack/packet.h"

/* Whether a SYN for this listener is to be answered with a cookie. */
bool pl_syncookie_due(const struct plait_stack *stack, const struct pl_listener *listener);
/* Answers a SYN with a cookie. */
void pl_syncookie_answer(struct plait_stack *stack, const struct pl_listener *listener,
                         const struct pl_packet *packet);
/* A segment without a flow. True when it is of such a handshake: either it brought a good cookie
 * and there is a flow for it now, or it is dropped, for want of room or memory or because it is not
 * the first of its connection that arrives. What acknowledges no cookie of ours, or one whose
 * connection is no more, gets its reset (RFC 9293 section 3.10.7.2). */
bool pl_syncookie_take(struct plait_stack *stack, const struct pl_packet *packet);

/* What a cookie says of a SYN's MSS, in three bits, and what it comes back as. */
unsigned pl_syncookie_mss_index(const struct pl_segment *syn, uint8_t family);
uint16_t pl_syncookie_mss(unsigned index);
/* The MSS option of the answer. */
uint16_t pl_syncookie_mss_offer(const struct pl_packet *packet);

#endif

/* sim/too_big.h - what a router answers to a packet that is too long for the next link: ICMP
 * "fragmentation needed" (RFC 1191) or ICMPv6 "packet too big" (RFC 4443 section 3.2). */
#ifndef PL_SIM_TOO_BIG_H
#define PL_SIM_TOO_BIG_H

#include "plait/buf.h"

/* A message to the sender of `packet`, or NULL (no memory, or no packet to answer). */
struct plait_buf *pl_too_big_message(const struct plait_env *env, const struct plait_buf *packet,
                                     uint32_t mtu);

#endif

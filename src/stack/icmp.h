/* stack/icmp.h - ICMP errors about our segments; nothing else of ICMP is for this stack. */
#ifndef PL_STACK_ICMP_H
#define PL_STACK_ICMP_H

#include "stack/packet.h"

/* An ICMP or ICMPv6 packet. Echo requests are not answered. */
void pl_icmp_input(struct plait_stack *stack, const struct pl_packet *packet);

#endif

/* stack/syn.h - a SYN that no flow knows: a join, a new connection, or neither. */
#ifndef PL_STACK_SYN_H
#define PL_STACK_SYN_H

#include "stack/packet.h"

enum { PL_SYN_TAKEN = -1, PL_SYN_REFUSED = -2 };

/* PL_SYN_TAKEN: there is a subflow now, or the SYN was dropped and counted. PL_SYN_REFUSED: answer
 * with a reset; or a reason >= 0: answer with a reset that gives it in MP_TCPRST. */
int pl_syn_input(struct plait_stack *stack, const struct pl_packet *packet);

#endif

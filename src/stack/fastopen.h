/* stack/fastopen.h - the listener's side of TCP Fast Open (RFC 7413).
 *
 * A cookie is a MAC over both addresses with a secret that changes every hour; the one before is
 * good, too, and brings a new cookie with the SYN/ACK. A SYN with a good cookie may carry payload
 * that the application gets at once; stack/early.h bounds how many such connections there are. */
#ifndef PL_STACK_FASTOPEN_H
#define PL_STACK_FASTOPEN_H

#include "stack/packet.h"

/* A SYN for a listener. False when it has nothing to do with Fast Open: then it goes the usual way;
 * *grant is set when its SYN/ACK shall bring a cookie. */
bool pl_fastopen_syn(struct plait_stack *stack, struct pl_listener *listener,
                     const struct pl_packet *packet, struct pl_tcp_cookie *grant);

#endif

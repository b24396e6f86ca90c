/* proxy/splice.h - two connections joined into one: what arrives on either is sent on the other.
 *
 * Driven by the stack's events; does no I/O, owns no memory. States of a pair:
 *   HELD     sock[0] is a held SYN, sock[1] is connecting: it is confirmed when sock[1] is
 *            connected, and answered with the error when that fails
 *   FLOWING  bytes move both ways; an end of stream is passed on as one (half-close)
 *   DONE     both sockets are closed and their ids dead
 * After an error what had arrived is passed on before the other side is reset.
 * The caller sends both sockets' events here and forgets the pair when it is DONE. Back-pressure
 * is the stack's: what one side cannot send stays in the receive queue of the other and closes
 * its window. */
#ifndef PL_PROXY_SPLICE_H
#define PL_PROXY_SPLICE_H

#include "plait/socket.h"

enum pl_splice_state { PL_SPLICE_HELD, PL_SPLICE_FLOWING, PL_SPLICE_DONE };

struct pl_splice {
    enum pl_splice_state state;
    plait_sock sock[2];
    uint64_t bytes[2]; /* bytes[i]: read from sock[i] and written to the other */
    bool ended[2];     /* the end of stream of sock[i] was passed on */
    bool closed[2];    /* sock[i] has said CLOSED */
    bool dead[2];      /* sock[i] has said ERROR */
    int error;         /* why it ended, 0 after two ends of stream */
};

/* Joins a held SYN and a socket on which plait_connect() was called. */
void pl_splice_init_held(struct pl_splice *splice, plait_sock held, plait_sock connecting);
/* Joins two open sockets and moves what is there. */
void pl_splice_init_open(struct plait_stack *stack, struct pl_splice *splice, plait_sock a,
                         plait_sock b, plait_time now);

/* Takes an event of one of the two sockets. */
void pl_splice_event(struct plait_stack *stack, struct pl_splice *splice,
                     const struct plait_event *event, plait_time now);

/* Ends both sides at once. */
void pl_splice_abort(struct plait_stack *stack, struct pl_splice *splice, int error,
                     plait_time now);

/* Bytes of the direction from sock[from] that the far end of the other does not have yet, as far
 * as the stack knows. 0 when the pair is DONE. */
uint64_t pl_splice_undelivered(struct plait_stack *stack, const struct pl_splice *splice,
                               unsigned from);

#endif

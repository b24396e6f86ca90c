/* interop/transfer.h - the transfer protocol of the interop cases, our end.
 *
 * Each side sends a pseudo-random stream of its own and checks the peer's byte by byte. The first
 * PEER_HELLO bytes go at once, the rest when `join_wait` subflows are established (and, with
 * `wait_eof`, after the peer's end of stream). kernel_peer.py does the same on a kernel socket.
 *
 * Life: transfer_init -> transfer_start (with a connected socket) -> transfer_step after every
 * event -> over. Once `over` is set the socket is closed and `error` says why, 0 for well. */
#ifndef INTEROP_TRANSFER_H
#define INTEROP_TRANSFER_H

#include "plait/plait.h"

enum { PEER_HELLO = 1000, PEER_ACTIONS_MAX = 16, PEER_SUBFLOWS_MAX = 32 };

/* Something to do when `at` bytes were received. */
struct transfer_action {
    uint64_t at;
    const char *what; /* the caller's */
};

struct transfer_options {
    uint64_t bytes, peer_bytes;
    const char *seed, *peer_seed;
    unsigned join_wait;
    bool wait_eof;
    bool any_bytes;       /* others than expected, or more or fewer, are noted and no failure */
    int64_t fastclose_at; /* abort when so many bytes were received; negative: never */
    struct transfer_action actions[PEER_ACTIONS_MAX]; /* in ascending order */
    unsigned action_count;
    void (*act)(void *user, const char *what, plait_time now);
    void *user;
};

struct transfer {
    struct transfer_options options;
    struct plait_stack *stack;
    plait_sock sock;
    uint8_t *out, *expected;
    uint64_t sent, received;
    unsigned actions_done;
    unsigned established_max;
    bool released, shut, eof, aborted, over;
    bool altered;        /* with any_bytes: they were others */
    int error;           /* a negative plait_error */
    const char *verdict; /* what was wrong with the bytes, or NULL */
    struct plait_connection_info info;
    struct plait_subflow_info subflows[PEER_SUBFLOWS_MAX]; /* by serial number - 1, as last seen */
    unsigned subflow_count;
};

/* Makes both streams; returns 0 or NO_MEMORY. */
PLAIT_MUST_CHECK int transfer_init(struct transfer *t, struct plait_stack *stack,
                                   const struct transfer_options *options);
void transfer_fini(struct transfer *t);

void transfer_start(struct transfer *t, plait_sock sock, plait_time now);
/* Reads, acts and writes whatever is possible now. */
void transfer_step(struct transfer *t, plait_time now);
/* Ends it with an error: the connection's (an event), or TIMED_OUT. */
void transfer_fail(struct transfer *t, int error, plait_time now);

#endif

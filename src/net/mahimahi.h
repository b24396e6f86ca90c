/* net/mahimahi.h - packet-delivery traces in Mahimahi's format.
 *
 * A trace is text with one integer per line, never decreasing: the millisecond at which
 * PL_MAHIMAHI_BYTES may leave the link (an "opportunity"). After the last one the trace starts
 * again, with the last timestamp as its new zero.
 *
 * A trace is immutable once parsed and may be shared by many links; whoever parsed it keeps it
 * until the last of them is gone. A cursor is one link's position in it. */
#ifndef PL_NET_MAHIMAHI_H
#define PL_NET_MAHIMAHI_H

#include "plait/env.h"
#include "plait/error.h"

#define PL_MAHIMAHI_BYTES 1504 /* per opportunity: a packet of 1500 bytes and its frame header */
#define PL_MAHIMAHI_HEADER 4   /* the frame header every packet is charged with */

struct pl_mahimahi {
    const struct plait_env *env;
    uint32_t *ms; /* `count` > 0 timestamps; the last one is > 0 */
    uint32_t count;
};

/* Reads a trace from the `len` bytes of a file. On failure (BAD_ARGUMENT, NO_MEMORY) `error` holds
 * one line without a line feed (always terminated; error_size > 0), and there is nothing to free.
 */
PLAIT_MUST_CHECK int pl_mahimahi_parse(struct pl_mahimahi *trace, const struct plait_env *env,
                                       const void *bytes, size_t len, char *error,
                                       size_t error_size);
void pl_mahimahi_fini(struct pl_mahimahi *trace);

struct pl_mahimahi_cursor {
    const struct pl_mahimahi *trace;
    plait_time origin; /* the time of the trace's first zero */
    plait_time base;   /* the time of this round's zero */
    uint32_t index;    /* the opportunity in use */
    uint32_t left_bytes;
};

void pl_mahimahi_cursor_init(struct pl_mahimahi_cursor *cursor, const struct pl_mahimahi *trace,
                             plait_time origin);
/* Forgets all opportunities up to and including `now`: nobody was there to use them. */
void pl_mahimahi_seek(struct pl_mahimahi_cursor *cursor, plait_time now);
/* Uses up `bytes` > 0 of what the trace offers next and returns when the last of them leaves. What
 * remains of that opportunity serves the next call, unless pl_mahimahi_seek() comes first. */
plait_time pl_mahimahi_take(struct pl_mahimahi_cursor *cursor, uint32_t bytes);

#endif

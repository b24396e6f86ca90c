/* plait/buf.h - reference-counted packet buffers.
 *
 * A port allocates a buffer, lets the device write a packet into `data`, sets `len` and hands it
 * to plait_input(). The stack takes references of its own on payload it keeps, so the port drops
 * its reference right after the call and never reuses a buffer whose `refs` is not 1. */
#ifndef PLAIT_BUF_H
#define PLAIT_BUF_H

#include "plait/types.h"

struct plait_stack;
struct plait_env;

struct plait_buf {
    uint32_t refs;
    uint32_t cap; /* bytes that fit in data */
    uint32_t len; /* bytes in use */
    const struct plait_env *env;
    uint8_t data[];
};

/* A buffer of `cap` bytes with one reference, or NULL when memory is out. */
struct plait_buf *plait_buf_alloc(const struct plait_env *env, uint32_t cap);
void plait_buf_ref(struct plait_buf *buf);
/* Drops one reference and frees the buffer with the last one. */
void plait_buf_unref(struct plait_buf *buf);

#endif

/* base/chunk.h - payload: reference-counted pieces of buffers, linked to a stream.
 *
 * A pl_chunk is `len` bytes at `data` inside `buf`. In a send queue chunk->next is the following
 * bytes of the stream, and a chunk holds one reference on its `next`: whoever holds a chunk can
 * read everything behind it. In-flight records of subflows hold (chunk, offset); the queue holds
 * its head; so bytes are freed exactly when they are acknowledged everywhere that carried them.
 * `data` and the first `len` bytes never change once visible; the last chunk of a send queue may
 * grow at its end. Dropping a long chain is iterative. */
#ifndef PL_BASE_CHUNK_H
#define PL_BASE_CHUNK_H

#include "base/assert.h"
#include "plait/buf.h"
#include "plait/env.h"

struct pl_memory { /* payload accounting of one stack */
    const struct plait_env *env;
    uint64_t used_bytes; /* charges of the chunks that exist (chunk.c says how they are made) */
    uint64_t max_bytes;
    uint32_t sharers; /* connections */
    bool refused;     /* there was too little since this was cleared (stack/memory.c) */
};

struct pl_chunk {
    uint32_t refs;
    uint32_t len;
    struct pl_chunk *next;
    struct plait_buf *buf;
    const uint8_t *data;
    struct pl_memory *memory;
    uint32_t charge; /* bytes charged to `memory` */
    bool growable;   /* from pl_chunk_alloc */
};

/* What a chunk is charged beyond the bytes it keeps: its own header and its buffer's. */
enum { PL_CHUNK_OVERHEAD = sizeof(struct pl_chunk) + sizeof(struct plait_buf) };

/* A chunk over part of `buf` (takes a reference of its own). When the part is under a quarter of
 * the buffer's capacity the bytes are copied into a buffer of their own size. NULL: no memory or
 * over the limit. */
struct pl_chunk *pl_chunk_of(struct pl_memory *memory, struct plait_buf *buf, const uint8_t *data,
                             uint32_t len);
/* An empty chunk with room for `cap` bytes of its own; NULL as above. */
struct pl_chunk *pl_chunk_alloc(struct pl_memory *memory, uint32_t cap);
/* Appends bytes to a chunk from pl_chunk_alloc that is the last of its stream; returns how many
 * fitted, 0 if the chunk cannot grow. */
uint32_t pl_chunk_append(struct pl_chunk *chunk, const void *data, uint32_t len);
/* A chunk that shares (or, by the rule of pl_chunk_of, copies) bytes [offset, offset+len) of
 * another one; NULL as above. */
struct pl_chunk *pl_chunk_slice(const struct pl_chunk *chunk, uint32_t offset, uint32_t len);
static inline void pl_chunk_ref(struct pl_chunk *chunk) {
    PL_ASSERT(chunk->refs > 0);
    PL_ASSERT(chunk->refs < UINT32_MAX);
    chunk->refs++;
}
/* Drops a reference (NULL is allowed); frees the chunk, and then its successors as far as nobody
 * else holds them. */
void pl_chunk_unref(struct pl_chunk *chunk);
/* Sets chunk->next (must be NULL) and takes a reference on it. */
void pl_chunk_link(struct pl_chunk *chunk, struct pl_chunk *next);
/* Walks `offset` bytes forward from (*chunk, *at) without touching references. The position stays
 * at the end of a chunk rather than at the start of a next one that does not exist. */
void pl_chunk_seek(struct pl_chunk **chunk, uint32_t *at, uint64_t offset);
/* Describes up to `len` bytes from (chunk, at) as slices; returns the number of slices and stores
 * the bytes covered, which is less than `len` if `max` slices do not reach. */
unsigned pl_chunk_slices(const struct pl_chunk *chunk, uint32_t at, uint32_t len,
                         struct plait_slice *out, unsigned max, uint32_t *covered);

#endif

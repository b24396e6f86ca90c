/* Payload chunks and their accounting.
 *
 * The limit is there so that a peer cannot make the stack hold more memory than it was given.
 * Therefore a chunk is charged what it keeps alive and not what it shows: the capacity of its
 * buffer plus both headers, or segments of one byte would cost a hundred times what was counted.
 * A buffer that would be kept for less than a quarter of its capacity is not kept but copied.
 *
 * A slice shares a buffer that another chunk was already charged for; it is charged its length, so
 * that moving a queue piece by piece does not count whole buffers several times. The quarter rule
 * bounds what slices can keep alive to four times what they are charged. */
#include "base/chunk.h"

#include <string.h>

#include "base/assert.h"

enum { KEEP_SHARE = 4 };

static bool memory_take(struct pl_memory *memory, uint64_t charge) {
    if (charge > UINT32_MAX || memory->used_bytes + charge > memory->max_bytes) {
        memory->refused = true;
        return false;
    }
    memory->used_bytes += charge;
    return true;
}

static void memory_give(struct pl_memory *memory, uint64_t charge) {
    PL_ASSERT(memory->used_bytes >= charge);
    memory->used_bytes -= charge;
}

/* A chunk without bytes, charged for `kept` bytes and its headers. */
static struct pl_chunk *chunk_create(struct pl_memory *memory, uint32_t kept) {
    uint64_t charge = (uint64_t)kept + PL_CHUNK_OVERHEAD;
    if (!memory_take(memory, charge)) {
        return NULL;
    }
    struct pl_chunk *chunk = memory->env->alloc(memory->env->user, sizeof(*chunk));
    if (chunk == NULL) {
        memory_give(memory, charge);
        return NULL;
    }
    *chunk = (struct pl_chunk){.refs = 1, .memory = memory, .charge = (uint32_t)charge};
    return chunk;
}

static void chunk_free(struct pl_chunk *chunk) {
    struct pl_memory *memory = chunk->memory;
    PL_ASSERT(chunk->refs == 0);
    if (chunk->buf != NULL) {
        plait_buf_unref(chunk->buf);
    }
    memory_give(memory, chunk->charge);
    memory->env->free(memory->env->user, chunk, sizeof(*chunk));
}

struct pl_chunk *pl_chunk_alloc(struct pl_memory *memory, uint32_t cap) {
    struct pl_chunk *chunk = chunk_create(memory, cap);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->buf = plait_buf_alloc(memory->env, cap);
    if (chunk->buf == NULL) {
        pl_chunk_unref(chunk);
        return NULL;
    }
    chunk->data = chunk->buf->data;
    chunk->growable = true;
    return chunk;
}

static struct pl_chunk *chunk_copy(struct pl_memory *memory, const uint8_t *data, uint32_t len) {
    struct pl_chunk *chunk = pl_chunk_alloc(memory, len);
    if (chunk == NULL) {
        return NULL;
    }
    uint32_t copied = pl_chunk_append(chunk, data, len);
    PL_ASSERT(copied == len);
    return chunk;
}

static struct pl_chunk *chunk_share(struct pl_memory *memory, struct plait_buf *buf,
                                    const uint8_t *data, uint32_t len, uint32_t kept) {
    PL_ASSERT(data >= buf->data);
    PL_ASSERT((uint64_t)(data - buf->data) + len <= buf->cap);
    if ((uint64_t)len * KEEP_SHARE < buf->cap) {
        return chunk_copy(memory, data, len);
    }
    struct pl_chunk *chunk = chunk_create(memory, kept);
    if (chunk == NULL) {
        return NULL;
    }
    plait_buf_ref(buf);
    chunk->buf = buf;
    chunk->data = data;
    chunk->len = len;
    return chunk;
}

struct pl_chunk *pl_chunk_of(struct pl_memory *memory, struct plait_buf *buf, const uint8_t *data,
                             uint32_t len) {
    return chunk_share(memory, buf, data, len, buf->cap);
}

struct pl_chunk *pl_chunk_slice(const struct pl_chunk *chunk, uint32_t offset, uint32_t len) {
    PL_ASSERT(offset <= chunk->len);
    PL_ASSERT(len <= chunk->len - offset);
    return chunk_share(chunk->memory, chunk->buf, chunk->data + offset, len, len);
}

uint32_t pl_chunk_append(struct pl_chunk *chunk, const void *data, uint32_t len) {
    if (!chunk->growable || chunk->next != NULL) {
        return 0;
    }
    struct plait_buf *buf = chunk->buf;
    PL_ASSERT(chunk->len == buf->len);
    PL_ASSERT(buf->len <= buf->cap);
    uint32_t room = buf->cap - buf->len;
    uint32_t n = len < room ? len : room;
    if (n > 0) {
        memcpy(buf->data + buf->len, data, n);
    }
    buf->len += n;
    chunk->len += n;
    return n;
}

void pl_chunk_unref(struct pl_chunk *chunk) {
    while (chunk != NULL) {
        PL_ASSERT(chunk->refs > 0);
        chunk->refs--;
        if (chunk->refs > 0) {
            return;
        }
        struct pl_chunk *next = chunk->next;
        chunk_free(chunk);
        chunk = next;
    }
}

void pl_chunk_link(struct pl_chunk *chunk, struct pl_chunk *next) {
    PL_ASSERT(chunk->next == NULL);
    PL_ASSERT(chunk != next);
    chunk->next = next;
    pl_chunk_ref(next);
}

void pl_chunk_seek(struct pl_chunk **chunk, uint32_t *at, uint64_t offset) {
    PL_ASSERT(*at <= (*chunk)->len);
    uint32_t room = (*chunk)->len - *at;
    while (offset >= room && (*chunk)->next != NULL) {
        offset -= room;
        *chunk = (*chunk)->next;
        *at = 0;
        room = (*chunk)->len;
    }
    PL_ASSERT(offset <= room);
    *at += (uint32_t)offset;
}

unsigned pl_chunk_slices(const struct pl_chunk *chunk, uint32_t at, uint32_t len,
                         struct plait_slice *out, unsigned max, uint32_t *covered) {
    unsigned count = 0;
    uint32_t left = len;
    while (chunk != NULL && left > 0 && count < max) {
        PL_ASSERT(at <= chunk->len);
        uint32_t n = chunk->len - at;
        if (n > left) {
            n = left;
        }
        if (n > 0) {
            out[count] = (struct plait_slice){.data = chunk->data + at, .len = n};
            count++;
        }
        left -= n;
        chunk = chunk->next;
        at = 0;
    }
    *covered = len - left;
    return count;
}

/* plait/env.h - what the library needs from its surroundings.
 *
 * The caller fills one struct plait_env and keeps it, and whatever `user` points to, alive as long
 * as the stack. Every function gets `user` first. None of them may call back into the stack. */
#ifndef PLAIT_ENV_H
#define PLAIT_ENV_H

#include "plait/types.h"

struct plait_trace_record;

struct plait_env {
    size_t size; /* sizeof(struct plait_env) of the caller's headers */
    void *user;
    /* Like malloc: `size` > 0 bytes aligned for any type, or NULL. */
    void *(*alloc)(void *user, size_t size);
    /* Like free; `size` is what was asked for. `ptr` is never NULL. */
    void (*free)(void *user, void *ptr, size_t size);
    /* Fills buf with `len` unpredictable bytes. Keys, ISNs, nonces and hash seeds come from it. */
    void (*random)(void *user, void *buf, size_t len);
    /* SHA-256 of msg (RFC 8684 section 3.2). */
    void (*sha256)(void *user, const void *msg, size_t len, uint8_t out[32]);
    /* HMAC-SHA-256 (RFC 8684 section 3.2; RFC 2104). */
    void (*hmac_sha256)(void *user, const void *key, size_t key_len, const void *msg, size_t len,
                        uint8_t out[32]);
    /* SHA-1 and HMAC-SHA-1 (RFC 6824 section 3.1), for plait_config.v0 only; else NULL will do. */
    void (*sha1)(void *user, const void *msg, size_t len, uint8_t out[20]);
    void (*hmac_sha1)(void *user, const void *key, size_t key_len, const void *msg, size_t len,
                      uint8_t out[20]);
    /* Optional trace sink, NULL for none. The record is borrowed for the call. */
    void (*trace)(void *user, const struct plait_trace_record *record);
};

/* Called when an invariant of the library is broken; must not return. The core declares it and
 * the embedder defines it: it is the one symbol besides memcpy, memmove, memset and memcmp that
 * the core archive leaves undefined. */
_Noreturn void plait_abort_hook(const char *expression, const char *file, int line);

#endif

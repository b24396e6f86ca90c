/* port/posix_env.h - struct plait_env from malloc, getrandom and OpenSSL's libcrypto.
 *
 * Owned by one thread. Freed packet buffers (60..80 KB) are kept for the next packet: giving them
 * back to malloc costs 16 page faults each, which is more than the packet itself.
 *
 * States: after pl_posix_env_init() every call is legal; after pl_posix_env_fini() none. The stack
 * that uses `env` must be destroyed before fini. */
#ifndef PL_PORT_POSIX_ENV_H
#define PL_PORT_POSIX_ENV_H

#include "plait/env.h"
#include "plait/error.h"

enum { PL_POSIX_ENV_SPARE_MAX = 128, PL_POSIX_ENV_RANDOM_BYTES = 1024 };

struct pl_posix_env {
    struct plait_env env; /* give &env to plait_stack_create() */
    void *sha256, *sha1;  /* EVP_MD, fetched once; sha1 NULL where libcrypto refuses it */
    void *md_ctx;         /* EVP_MD_CTX, reused */
    void *spare[PL_POSIX_ENV_SPARE_MAX];
    size_t spare_size; /* the size all spare blocks were allocated with */
    unsigned spare_count;
    unsigned random_left; /* unused bytes at the end of random */
    uint8_t random[PL_POSIX_ENV_RANDOM_BYTES];
};

/* Fills `env`; without the functions for SHA-1 (MPTCP version 0) where it is forbidden. Errors:
 * NO_MEMORY when libcrypto has no SHA-256 or no memory. */
PLAIT_MUST_CHECK int pl_posix_env_init(struct pl_posix_env *env);
void pl_posix_env_fini(struct pl_posix_env *env);

/* CLOCK_MONOTONIC in nanoseconds: the `now` of every stack in this process. */
plait_time pl_posix_now(void);
/* Nanoseconds to add to pl_posix_now() for the time since 1970, as of now. Taken once, so that
 * time stamps never step. */
uint64_t pl_posix_real_offset(void);

#endif

/* port/posix_env.c - memory, randomness and hashes of a POSIX process.
 *
 * The hashes are on the path of every connection set-up (keys, tokens, join HMACs), so the digest
 * is fetched once and one context is reused. HMAC is computed from two plain digests (RFC 2104):
 * that needs no key object and no allocation per message. Randomness comes from getrandom(2) in
 * blocks, one system call for about a hundred connections; used bytes are wiped. */
#include "port/posix_env.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/assert.h"

enum { SPARE_BYTES_MIN = 60000, SPARE_BYTES_MAX = 80000, SHA256_BYTES = 32, HMAC_BLOCK = 64 };

static bool is_packet_size(size_t size) {
    return size >= SPARE_BYTES_MIN && size <= SPARE_BYTES_MAX;
}

static void *env_alloc(void *user, size_t size) {
    struct pl_posix_env *env = user;
    if (env->spare_count > 0 && size == env->spare_size) {
        return env->spare[--env->spare_count];
    }
    return malloc(size);
}

static void env_free(void *user, void *ptr, size_t size) {
    struct pl_posix_env *env = user;
    if (is_packet_size(size) && env->spare_count < PL_POSIX_ENV_SPARE_MAX &&
        (env->spare_count == 0 || env->spare_size == size)) {
        env->spare_size = size;
        env->spare[env->spare_count++] = ptr;
        return;
    }
    free(ptr);
}

/* Fills buf from the kernel; without randomness no key is safe, so failing is fatal. */
static void kernel_random(uint8_t *buf, size_t len) {
    while (len > 0) {
        ssize_t n = getrandom(buf, len, 0);
        if (n < 0) {
            PL_ASSERT(errno == EINTR);
            continue;
        }
        buf += n;
        len -= (size_t)n;
    }
}

static void env_random(void *user, void *buf, size_t len) {
    struct pl_posix_env *env = user;
    if (len > sizeof(env->random)) {
        kernel_random(buf, len);
        return;
    }
    if (len > env->random_left) {
        kernel_random(env->random, sizeof(env->random));
        env->random_left = sizeof(env->random);
    }
    uint8_t *from = env->random + sizeof(env->random) - env->random_left;
    memcpy(buf, from, len);
    OPENSSL_cleanse(from, len);
    env->random_left -= (unsigned)len;
}

/* Digest of two pieces. libcrypto can fail here only by running out of memory, and a wrong hash
 * must never go on the wire. */
static void digest(struct pl_posix_env *env, const void *a, size_t a_len, const void *b,
                   size_t b_len, uint8_t out[SHA256_BYTES]) {
    unsigned len = 0;
    int ok = EVP_DigestInit_ex2(env->md_ctx, env->md, NULL) &&
             EVP_DigestUpdate(env->md_ctx, a, a_len) && EVP_DigestUpdate(env->md_ctx, b, b_len) &&
             EVP_DigestFinal_ex(env->md_ctx, out, &len);
    PL_ASSERT(ok);
    PL_ASSERT(len == SHA256_BYTES);
}

static void env_sha256(void *user, const void *msg, size_t len, uint8_t out[SHA256_BYTES]) {
    digest(user, msg, len, "", 0, out);
}

static void env_hmac_sha256(void *user, const void *key, size_t key_len, const void *msg,
                            size_t len, uint8_t out[SHA256_BYTES]) {
    uint8_t block[HMAC_BLOCK] = {0};
    uint8_t inner[SHA256_BYTES];
    if (key_len > HMAC_BLOCK) {
        env_sha256(user, key, key_len, block);
    } else if (key_len > 0) {
        memcpy(block, key, key_len);
    }
    for (size_t i = 0; i < HMAC_BLOCK; i++) {
        block[i] ^= 0x36;
    }
    digest(user, block, sizeof(block), msg, len, inner);
    for (size_t i = 0; i < HMAC_BLOCK; i++) {
        block[i] ^= 0x36 ^ 0x5c;
    }
    digest(user, block, sizeof(block), inner, sizeof(inner), out);
    OPENSSL_cleanse(block, sizeof(block));
}

int pl_posix_env_init(struct pl_posix_env *env) {
    memset(env, 0, sizeof(*env));
    env->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    env->md_ctx = EVP_MD_CTX_new();
    if (env->md == NULL || env->md_ctx == NULL) {
        pl_posix_env_fini(env);
        return PLAIT_E_NO_MEMORY;
    }
    env->env = (struct plait_env){
        .size = sizeof(env->env),
        .user = env,
        .alloc = env_alloc,
        .free = env_free,
        .random = env_random,
        .sha256 = env_sha256,
        .hmac_sha256 = env_hmac_sha256,
    };
    return 0;
}

void pl_posix_env_fini(struct pl_posix_env *env) {
    while (env->spare_count > 0) {
        free(env->spare[--env->spare_count]);
    }
    EVP_MD_CTX_free(env->md_ctx);
    EVP_MD_free(env->md);
    OPENSSL_cleanse(env->random, sizeof(env->random));
    env->md_ctx = NULL;
    env->md = NULL;
    env->random_left = 0;
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * PLAIT_NS_PER_S + (uint64_t)ts.tv_nsec;
}

plait_time pl_posix_now(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t pl_posix_real_offset(void) {
    return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
}

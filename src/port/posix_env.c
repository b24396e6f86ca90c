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

enum { SPARE_BYTES_MIN = 60000, SPARE_BYTES_MAX = 80000, DIGEST_MAX = 32, HMAC_BLOCK = 64 };

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
static void digest(struct pl_posix_env *env, const EVP_MD *md, const void *a, size_t a_len,
                   const void *b, size_t b_len, uint8_t *out) {
    unsigned len = 0;
    int ok = EVP_DigestInit_ex2(env->md_ctx, md, NULL) && EVP_DigestUpdate(env->md_ctx, a, a_len) &&
             EVP_DigestUpdate(env->md_ctx, b, b_len) && EVP_DigestFinal_ex(env->md_ctx, out, &len);
    PL_ASSERT(ok);
    PL_ASSERT(len == (unsigned)EVP_MD_get_size(md));
}

/* Both hashes work on blocks of the same size. */
static void hmac(struct pl_posix_env *env, const EVP_MD *md, const void *key, size_t key_len,
                 const void *msg, size_t len, uint8_t *out) {
    uint8_t block[HMAC_BLOCK] = {0};
    uint8_t inner[DIGEST_MAX];
    size_t digest_len = (size_t)EVP_MD_get_size(md);
    PL_ASSERT(digest_len <= sizeof(inner));
    if (key_len > HMAC_BLOCK) {
        digest(env, md, key, key_len, "", 0, block);
    } else if (key_len > 0) {
        memcpy(block, key, key_len);
    }
    for (size_t i = 0; i < HMAC_BLOCK; i++) {
        block[i] ^= 0x36;
    }
    digest(env, md, block, sizeof(block), msg, len, inner);
    for (size_t i = 0; i < HMAC_BLOCK; i++) {
        block[i] ^= 0x36 ^ 0x5c;
    }
    digest(env, md, block, sizeof(block), inner, digest_len, out);
    OPENSSL_cleanse(block, sizeof(block));
}

static void env_sha256(void *user, const void *msg, size_t len, uint8_t out[32]) {
    struct pl_posix_env *env = user;
    digest(env, env->sha256, msg, len, "", 0, out);
}

static void env_hmac_sha256(void *user, const void *key, size_t key_len, const void *msg,
                            size_t len, uint8_t out[32]) {
    struct pl_posix_env *env = user;
    hmac(env, env->sha256, key, key_len, msg, len, out);
}

static void env_sha1(void *user, const void *msg, size_t len, uint8_t out[20]) {
    struct pl_posix_env *env = user;
    digest(env, env->sha1, msg, len, "", 0, out);
}

static void env_hmac_sha1(void *user, const void *key, size_t key_len, const void *msg, size_t len,
                          uint8_t out[20]) {
    struct pl_posix_env *env = user;
    hmac(env, env->sha1, key, key_len, msg, len, out);
}

int pl_posix_env_init(struct pl_posix_env *env) {
    memset(env, 0, sizeof(*env));
    env->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    env->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    env->md_ctx = EVP_MD_CTX_new();
    if (env->sha256 == NULL || env->md_ctx == NULL) {
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
        .sha1 = env->sha1 != NULL ? env_sha1 : NULL,
        .hmac_sha1 = env->sha1 != NULL ? env_hmac_sha1 : NULL,
    };
    return 0;
}

void pl_posix_env_fini(struct pl_posix_env *env) {
    while (env->spare_count > 0) {
        free(env->spare[--env->spare_count]);
    }
    EVP_MD_CTX_free(env->md_ctx);
    EVP_MD_free(env->sha256);
    EVP_MD_free(env->sha1);
    OPENSSL_cleanse(env->random, sizeof(env->random));
    env->md_ctx = NULL;
    env->sha256 = NULL;
    env->sha1 = NULL;
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

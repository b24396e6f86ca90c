#include "testenv.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void plait_abort_hook(const char *expression, const char *file, int line) {
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, expression);
    abort();
}

/* Remembers the size, to compare it with the one that is freed. */
struct block {
    size_t size;
    _Alignas(max_align_t) uint8_t bytes[];
};

static void *test_alloc(void *user, size_t size) {
    struct test_env *t = user;
    t->alloc_count++;
    bool fails = t->alloc_count == t->fail_at || (t->fail_after && t->alloc_count > t->fail_at);
    if (fails && t->fail_at != 0) {
        return NULL;
    }
    struct block *block = malloc(sizeof(*block) + size);
    if (block == NULL) {
        return NULL;
    }
    block->size = size;
    memset(block->bytes, 0xa5, size); /* so that nothing works by luck on fresh zeroed pages */
    t->live_count++;
    t->live_bytes += size;
    return block->bytes;
}

static void test_free(void *user, void *ptr, size_t size) {
    struct test_env *t = user;
    if (ptr == NULL) {
        plait_abort_hook("free of NULL", __FILE__, __LINE__);
    }
    struct block *block = (void *)((uint8_t *)ptr - offsetof(struct block, bytes));
    if (block->size != size) {
        plait_abort_hook("free with another size than alloc", __FILE__, __LINE__);
    }
    t->live_count--;
    t->live_bytes -= size;
    memset(block, 0x5a, sizeof(*block) + size);
    free(block);
}

static void test_random(void *user, void *buf, size_t len) {
    struct test_env *t = user;
    pl_rng_fill(&t->rng, buf, len);
}

static void test_sha256(void *user, const void *msg, size_t len, uint8_t out[32]) {
    (void)user;
    SHA256(msg, len, out);
}

static void test_hmac_sha256(void *user, const void *key, size_t key_len, const void *msg,
                             size_t len, uint8_t out[32]) {
    (void)user;
    unsigned out_len = 32;
    if (HMAC(EVP_sha256(), key, (int)key_len, msg, len, out, &out_len) == NULL) {
        plait_abort_hook("HMAC failed", __FILE__, __LINE__);
    }
}

static void test_sha1(void *user, const void *msg, size_t len, uint8_t out[20]) {
    (void)user;
    SHA1(msg, len, out);
}

static void test_hmac_sha1(void *user, const void *key, size_t key_len, const void *msg, size_t len,
                           uint8_t out[20]) {
    (void)user;
    unsigned out_len = 20;
    if (HMAC(EVP_sha1(), key, (int)key_len, msg, len, out, &out_len) == NULL) {
        plait_abort_hook("HMAC failed", __FILE__, __LINE__);
    }
}

void test_env_init(struct test_env *t, uint64_t seed) {
    *t = (struct test_env){
        .env =
            {
                .size = sizeof(t->env),
                .user = t,
                .alloc = test_alloc,
                .free = test_free,
                .random = test_random,
                .sha256 = test_sha256,
                .hmac_sha256 = test_hmac_sha256,
                .sha1 = test_sha1,
                .hmac_sha1 = test_hmac_sha1,
            },
    };
    pl_rng_init(&t->rng, seed);
}

#include "sim/env.h"

#include <stdlib.h>
#include <string.h>

/* Stands before every block; 16 bytes keep the alignment of malloc. */
struct block {
    uint64_t size;
    uint64_t mark;
};

#define MARK_LIVE UINT64_C(0x706c616974206f6b)
#define MARK_FREE UINT64_C(0x667265656420706c)

_Static_assert(sizeof(struct block) == 16, "blocks keep malloc's alignment");

static void *env_alloc(void *user, size_t size) {
    struct pl_sim_env *env = user;
    if (size == 0) {
        pl_sim_fail(env->verdict, "host %c: allocation of 0 bytes", 'a' + (int)env->host);
    }
    if (env->fail_ppm > 0 && pl_rng_chance(&env->failures, env->fail_ppm)) {
        env->failed++;
        return NULL;
    }
    struct block *block = malloc(sizeof(*block) + size);
    if (block == NULL) {
        return NULL;
    }
    *block = (struct block){.size = size, .mark = MARK_LIVE};
    memset(block + 1, env->fill, size);
    env->live_bytes += size;
    env->live_blocks++;
    if (env->live_bytes > env->peak_bytes) {
        env->peak_bytes = env->live_bytes;
    }
    return block + 1;
}

static void env_free(void *user, void *ptr, size_t size) {
    struct pl_sim_env *env = user;
    struct block *block = (struct block *)ptr - 1;
    if (block->mark != MARK_LIVE || block->size != size) {
        pl_sim_fail(env->verdict, "host %c: free of %zu bytes where %llu were allocated",
                    'a' + (int)env->host, size, (unsigned long long)block->size);
        return;
    }
    block->mark = MARK_FREE;
    env->live_bytes -= size;
    env->live_blocks--;
    free(block);
}

static void env_random(void *user, void *buf, size_t len) {
    struct pl_sim_env *env = user;
    pl_rng_fill(&env->random, buf, len);
}

static void env_sha256(void *user, const void *msg, size_t len, uint8_t out[32]) {
    struct pl_sim_env *env = user;
    env->hashes->sha256(env->hashes->user, msg, len, out);
}

static void env_hmac_sha256(void *user, const void *key, size_t key_len, const void *msg,
                            size_t len, uint8_t out[32]) {
    struct pl_sim_env *env = user;
    env->hashes->hmac_sha256(env->hashes->user, key, key_len, msg, len, out);
}

static void env_sha1(void *user, const void *msg, size_t len, uint8_t out[20]) {
    struct pl_sim_env *env = user;
    env->hashes->sha1(env->hashes->user, msg, len, out);
}

static void env_hmac_sha1(void *user, const void *key, size_t key_len, const void *msg, size_t len,
                          uint8_t out[20]) {
    struct pl_sim_env *env = user;
    env->hashes->hmac_sha1(env->hashes->user, key, key_len, msg, len, out);
}

static void env_trace(void *user, const struct plait_trace_record *record) {
    struct pl_sim_env *env = user;
    pl_record_trace(env->record, env->host, record);
}

void pl_sim_env_init(struct pl_sim_env *env, const struct plait_env *hashes, uint64_t seed,
                     unsigned host, struct pl_record *record, struct pl_sim_verdict *verdict) {
    *env = (struct pl_sim_env){
        .hashes = hashes,
        .fill = 0xa5,
        .host = host,
        .record = record,
        .verdict = verdict,
    };
    env->env = (struct plait_env){
        .size = sizeof(env->env),
        .user = env,
        .alloc = env_alloc,
        .free = env_free,
        .random = env_random,
        .sha256 = env_sha256,
        .hmac_sha256 = env_hmac_sha256,
        .sha1 = env_sha1,
        .hmac_sha1 = env_hmac_sha1,
        .trace = env_trace,
    };
    pl_rng_init(&env->random, seed);
    pl_rng_init(&env->failures, ~seed);
}

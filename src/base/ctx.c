#include "base/ctx.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

static bool env_ok(const struct plait_env *env) {
    return env != NULL && env->size == sizeof(*env) && env->alloc != NULL && env->free != NULL &&
           env->random != NULL && env->sha256 != NULL && env->hmac_sha256 != NULL;
}

/* Version 0 of MPTCP has hashes of its own. */
static bool v0_ok(const struct plait_env *env, const struct plait_config *config) {
    return config->v0 == NULL || (env->sha1 != NULL && env->hmac_sha1 != NULL);
}

int pl_ctx_init(struct pl_ctx *ctx, const struct plait_env *env,
                const struct plait_config *config) {
    PL_ASSERT(ctx != NULL);
    if (!env_ok(env)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    *ctx = (struct pl_ctx){.env = env};
    plait_config_init(&ctx->config);
    if (config != NULL) {
        if (pl_config_check(config) != 0 || !v0_ok(env, config)) {
            return PLAIT_E_BAD_ARGUMENT;
        }
        ctx->config = *config;
    }
    pl_timers_init(&ctx->timers, env);
    ctx->memory = (struct pl_memory){.env = env, .max_bytes = ctx->config.memory_bytes_max};
    ctx->hash_key.k0 = pl_env_random64(env);
    ctx->hash_key.k1 = pl_env_random64(env);
    return 0;
}

void pl_ctx_fini(struct pl_ctx *ctx) {
    PL_ASSERT(ctx->timers_reserved == 0);
    PL_ASSERT(ctx->memory.used_bytes == 0);
    pl_timers_fini(&ctx->timers);
}

int pl_ctx_timers_add(struct pl_ctx *ctx, uint32_t n) {
    if (n > UINT32_MAX - ctx->timers_reserved) {
        return PLAIT_E_NO_MEMORY;
    }
    int error = pl_timers_reserve(&ctx->timers, ctx->timers_reserved + n);
    if (error != 0) {
        return error;
    }
    ctx->timers_reserved += n;
    return 0;
}

void pl_ctx_timers_sub(struct pl_ctx *ctx, uint32_t n) {
    PL_ASSERT(ctx->timers_reserved >= n);
    ctx->timers_reserved -= n;
    PL_ASSERT(ctx->timers.count <= ctx->timers_reserved);
}

void *pl_ctx_alloc(struct pl_ctx *ctx, size_t size) {
    PL_ASSERT(size > 0);
    void *ptr = ctx->env->alloc(ctx->env->user, size);
    if (ptr != NULL) {
        memset(ptr, 0, size);
    }
    return ptr;
}

void pl_ctx_free(struct pl_ctx *ctx, void *ptr, size_t size) {
    PL_ASSERT(ptr != NULL);
    ctx->env->free(ctx->env->user, ptr, size);
}

uint32_t pl_ctx_random32(struct pl_ctx *ctx) {
    uint8_t b[4];
    ctx->env->random(ctx->env->user, b, sizeof(b));
    return pl_get32(b);
}

uint64_t pl_env_random64(const struct plait_env *env) {
    uint8_t b[8];
    uint64_t value = 0;
    env->random(env->user, b, sizeof(b));
    for (unsigned i = 0; i < sizeof(b); i++) {
        value |= (uint64_t)b[i] << (8 * i);
    }
    return value;
}

void pl_trace(const struct pl_ctx *ctx, plait_time now, struct pl_trace_id id,
              enum plait_trace_type type, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3) {
    PL_ASSERT(type < PLAIT_TRACE_COUNT);
    if (ctx->env->trace == NULL) {
        return;
    }
    struct plait_trace_record record;
    memset(&record, 0, sizeof(record)); /* padding too: records are hashed */
    record.time = now;
    record.type = type;
    record.connection = id.connection;
    record.subflow = id.subflow;
    record.arg[0] = a0;
    record.arg[1] = a1;
    record.arg[2] = a2;
    record.arg[3] = a3;
    ctx->env->trace(ctx->env->user, &record);
}

/* base/ctx.h - what all objects of one stack share: surroundings, timers, memory, counters. The
 * stack owns it; everything below borrows it. */
#ifndef PL_BASE_CTX_H
#define PL_BASE_CTX_H

#include "base/chunk.h"
#include "base/hash.h"
#include "base/timers.h"
#include "plait/stack.h"
#include "plait/trace.h"

struct pl_ctx {
    const struct plait_env *env;
    struct plait_config config;
    struct pl_timers timers;
    uint32_t timers_reserved; /* timers that exist; see pl_ctx_timers_add */
    struct pl_memory memory;
    struct pl_hash_key hash_key;
    uint64_t counters[PLAIT_COUNTER_COUNT];
};

#define PL_COUNT(ctx, name) ((ctx)->counters[PLAIT_COUNTER_##name]++)
#define PL_COUNT_N(ctx, name, n) ((ctx)->counters[PLAIT_COUNTER_##name] += (n))

/* Copies *config (NULL: the defaults). Errors: BAD_ARGUMENT for an incomplete environment or a
 * setting out of range. */
PLAIT_MUST_CHECK int pl_ctx_init(struct pl_ctx *ctx, const struct plait_env *env,
                                 const struct plait_config *config);
/* Everything that was allocated through the context must be gone. */
void pl_ctx_fini(struct pl_ctx *ctx);
/* 0, or BAD_ARGUMENT when a setting is out of its range. */
PLAIT_MUST_CHECK int pl_config_check(const struct plait_config *config);

/* Accounts for n more timers that may be armed at once (0 or NO_MEMORY); and n fewer. */
PLAIT_MUST_CHECK int pl_ctx_timers_add(struct pl_ctx *ctx, uint32_t n);
void pl_ctx_timers_sub(struct pl_ctx *ctx, uint32_t n);

/* Zeroed memory from the environment, or NULL. */
void *pl_ctx_alloc(struct pl_ctx *ctx, size_t size);
void pl_ctx_free(struct pl_ctx *ctx, void *ptr, size_t size);
uint32_t pl_ctx_random32(struct pl_ctx *ctx);
/* Numbers, not memory: a seed means the same on every byte order. */
uint64_t pl_env_random64(const struct plait_env *env);

/* Who a trace record is about. */
struct pl_trace_id {
    uint32_t connection, subflow;
};
static inline bool pl_trace_on(const struct pl_ctx *ctx) {
    return ctx->env->trace != NULL;
}
void pl_trace(const struct pl_ctx *ctx, plait_time now, struct pl_trace_id id,
              enum plait_trace_type type, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3);

#endif

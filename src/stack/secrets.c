#include "stack/secrets.h"

#include "base/assert.h"

unsigned pl_secrets_turn(struct pl_secrets *s, const struct pl_ctx *ctx, plait_time now,
                         uint64_t length_ns) {
    PL_ASSERT(length_ns > 0);
    uint64_t period = now / length_ns;
    unsigned which = period & 1;
    if (s->on && s->period == period) {
        return which;
    }
    bool next = s->on && s->period + 1 == period;
    ctx->env->random(ctx->env->user, s->secret[which], PL_SECRET_LEN);
    if (!next) {
        ctx->env->random(ctx->env->user, s->secret[1 - which], PL_SECRET_LEN);
    }
    s->on = true;
    s->period = period;
    return which;
}

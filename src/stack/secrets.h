/* stack/secrets.h - a pair of secrets that take turns, for what we hand out and recognise again.
 *
 * One secret serves for a period and is good for another one, then it is overwritten. */
#ifndef PL_STACK_SECRETS_H
#define PL_STACK_SECRETS_H

#include "base/ctx.h"

enum { PL_SECRET_LEN = 32 };

struct pl_secrets {
    bool on;         /* the rest is valid */
    uint64_t period; /* now / length when the newest secret was made */
    uint8_t secret[2][PL_SECRET_LEN];
};

/* Sees to it that there are secrets for now; returns which one serves. */
unsigned pl_secrets_turn(struct pl_secrets *s, const struct pl_ctx *ctx, plait_time now,
                         uint64_t length_ns);

#endif

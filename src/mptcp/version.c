/* mptcp/version.c - which version a connection speaks (RFC 8684 section 3.1; RFC 6824 section 3.1).
 *
 * A client offers its highest. A server answers with the highest that both know and that this SYN
 * can begin: a SYN of version 1 has no key, so it cannot begin version 0. */
#include "mptcp/version.h"

#include "base/assert.h"

static const struct plait_mptcp_version *allowed(const struct pl_ctx *ctx, uint8_t versions,
                                                 unsigned number) {
    PL_ASSERT(versions <= PLAIT_MPTCP_V1_V0);
    if (number == 0) {
        return versions == PLAIT_MPTCP_V1 ? NULL : ctx->config.v0;
    }
    return versions == PLAIT_MPTCP_V0 ? NULL : &pl_mptcp_v1;
}

/* All the algorithms that bits C to H name are HMACs that we know, or we name none of them. */
static bool acceptable(const struct pl_mptcp_options *o, uint8_t len) {
    return pl_mptcp_has(o, PL_MP_CAPABLE) && o->capable.len == len &&
           (o->capable.flags & PL_CAPABLE_HMAC_SHA256) != 0 &&
           (o->capable.flags & PL_CAPABLE_EXTENSION) == 0;
}

const struct plait_mptcp_version *pl_version_offered(const struct pl_ctx *ctx, uint8_t versions) {
    const struct plait_mptcp_version *v1 = allowed(ctx, versions, 1);
    const struct plait_mptcp_version *v = v1 != NULL ? v1 : allowed(ctx, versions, 0);
    PL_ASSERT(v != NULL);
    return v;
}

const struct plait_mptcp_version *pl_version_for_syn(const struct pl_ctx *ctx, uint8_t versions,
                                                     const struct pl_mptcp_options *syn) {
    const struct plait_mptcp_version *v = allowed(ctx, versions, syn->capable.version);
    return v != NULL && acceptable(syn, v->syn_len) ? v : NULL;
}

const struct plait_mptcp_version *pl_version_chosen(const struct pl_ctx *ctx, uint8_t versions,
                                                    const struct plait_mptcp_version *offered,
                                                    const struct pl_mptcp_options *syn_ack) {
    PL_ASSERT(offered != NULL);
    if (!acceptable(syn_ack, 12) || syn_ack->capable.version > offered->number) {
        return NULL;
    }
    return allowed(ctx, versions, syn_ack->capable.version);
}

bool pl_version_ignores(const struct pl_ctx *ctx, uint8_t versions,
                        const struct pl_mptcp_options *syn) {
    if (!pl_mptcp_has(syn, PL_MP_CAPABLE) || (syn->capable.flags & PL_CAPABLE_EXTENSION) == 0) {
        return false;
    }
    const struct plait_mptcp_version *v = allowed(ctx, versions, syn->capable.version);
    return v != NULL && v->extension_drops;
}

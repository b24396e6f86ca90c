/* mptcp/v0.c - version 0: RFC 6824, with SHA-1. The keys are in the SYN and the SYN/ACK, data never
 * rides on MP_CAPABLE, addresses are announced without proof and answer, resets give no reason. */
#include "mptcp/version.h"

static void hash(const struct plait_env *env, const void *msg, size_t len,
                 uint8_t out[PL_DIGEST_MAX]) {
    env->sha1(env->user, msg, len, out);
}

static void hmac(const struct plait_env *env, const void *key, size_t key_len, const void *msg,
                 size_t len, uint8_t out[PL_DIGEST_MAX]) {
    env->hmac_sha1(env->user, key, key_len, msg, len, out);
}

const struct plait_mptcp_version plait_mptcp_v0 = {
    .number = 0,
    .syn_len = 12,
    .digest_len = 20,
    .extension_drops = true,
    .prio_by_id = true,
    .hash = hash,
    .hmac = hmac,
};

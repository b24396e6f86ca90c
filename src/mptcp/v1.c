/* mptcp/v1.c - version 1: RFC 8684, with SHA-256. */
#include "mptcp/version.h"

static void hash(const struct plait_env *env, const void *msg, size_t len,
                 uint8_t out[PL_DIGEST_MAX]) {
    env->sha256(env->user, msg, len, out);
}

static void hmac(const struct plait_env *env, const void *key, size_t key_len, const void *msg,
                 size_t len, uint8_t out[PL_DIGEST_MAX]) {
    env->hmac_sha256(env->user, key, key_len, msg, len, out);
}

const struct plait_mptcp_version pl_mptcp_v1 = {
    .number = 1,
    .syn_len = 4,
    .digest_len = 32,
    .data_in_capable = true,
    .no_join_flag = true,
    .address_signed = true,
    .checksum_strict = true,
    .reset_reasons = true,
    .fastclose_on_rst = true,
    .hash = hash,
    .hmac = hmac,
};

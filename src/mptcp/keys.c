/* mptcp/keys.c - see keys.h. */
#include "mptcp/keys.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

void pl_key_hash(const struct plait_mptcp_version *v, const struct plait_env *env, uint64_t key,
                 uint32_t *token, pl_seq64 *idsn) {
    uint8_t bytes[8], digest[PL_DIGEST_MAX];
    PL_ASSERT(v->digest_len >= 12 && v->digest_len <= PL_DIGEST_MAX);
    pl_put64(bytes, key);
    v->hash(env, bytes, sizeof bytes, digest);
    *token = pl_get32(digest);
    *idsn = pl_seq64_of(pl_get64(digest + v->digest_len - 8));
}

void pl_join_hmac(const struct plait_mptcp_version *v, const struct plait_env *env,
                  uint64_t key_first, uint64_t key_second, uint32_t nonce_first,
                  uint32_t nonce_second, uint8_t out[PL_DIGEST_MAX]) {
    uint8_t key[16], msg[8];
    pl_put64(key, key_first);
    pl_put64(key + 8, key_second);
    pl_put32(msg, nonce_first);
    pl_put32(msg + 4, nonce_second);
    v->hmac(env, key, sizeof key, msg, sizeof msg, out);
}

uint64_t pl_add_addr_hmac(const struct plait_env *env, uint64_t key_first, uint64_t key_second,
                          const struct pl_remote_addr_msg *m) {
    uint8_t key[16], msg[19], digest[32];
    uint32_t addr_len = m->addr.family == PLAIT_IPV4 ? 4 : 16;
    PL_ASSERT(m->addr.family == PLAIT_IPV4 || m->addr.family == PLAIT_IPV6);
    pl_put64(key, key_first);
    pl_put64(key + 8, key_second);
    msg[0] = m->id;
    memcpy(msg + 1, m->addr.bytes, addr_len);
    pl_put16(msg + 1 + addr_len, m->port);
    env->hmac_sha256(env->user, key, sizeof key, msg, 3 + addr_len, digest);
    return pl_get64(digest + 24);
}

bool pl_secret_equal(const uint8_t *a, const uint8_t *b, uint32_t len) {
    PL_ASSERT(a != NULL && b != NULL);
    uint8_t diff = 0;
    for (uint32_t i = 0; i < len; i++) {
        diff = (uint8_t)(diff | (a[i] ^ b[i]));
    }
    return diff == 0;
}

bool pl_key_equal(uint64_t a, uint64_t b) {
    return pl_secret_equal((const uint8_t *)&a, (const uint8_t *)&b, sizeof a);
}

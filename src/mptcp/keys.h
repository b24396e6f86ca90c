/* mptcp/keys.h - the hashes of RFC 8684 and, in version 0, RFC 6824: token and IDSN of a key
 * (section 3.1), HMACs of a join (section 3.2) and of an ADD_ADDR (section 3.4.1). Keys are
 * host-order numbers of the wire's bytes. */
#ifndef PL_MPTCP_KEYS_H
#define PL_MPTCP_KEYS_H

#include "base/seq.h"
#include "mptcp/version.h"

struct pl_remote_addr_msg {
    uint8_t id;
    struct plait_addr addr;
    uint16_t port; /* 0 when the option names none */
};

void pl_key_hash(const struct plait_mptcp_version *v, const struct plait_env *env, uint64_t key,
                 uint32_t *token, pl_seq64 *idsn);
/* HMAC with key (first ++ second) over (nonce_first ++ nonce_second). */
void pl_join_hmac(const struct plait_mptcp_version *v, const struct plait_env *env,
                  uint64_t key_first, uint64_t key_second, uint32_t nonce_first,
                  uint32_t nonce_second, uint8_t out[PL_DIGEST_MAX]);
/* The last 64 bits of the HMAC of an ADD_ADDR. Version 1 only. */
uint64_t pl_add_addr_hmac(const struct plait_env *env, uint64_t key_first, uint64_t key_second,
                          const struct pl_remote_addr_msg *msg);
/* Both in constant time: whoever guesses learns nothing from how long the answer takes. */
bool pl_secret_equal(const uint8_t *a, const uint8_t *b, uint32_t len);
bool pl_key_equal(uint64_t a, uint64_t b);

#endif

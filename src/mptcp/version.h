/* mptcp/version.h - what differs between the versions of MPTCP, as one constant struct for each.
 *
 * Version 1 (RFC 8684) is always there. Version 0 (RFC 6824) comes with plait_config.v0: whoever
 * does not name plait_mptcp_v0 does not link it. Code asks a connection's version for a property,
 * never for its number; what RFC 8684 appendix E lists and has no property here is the same code.
 */
#ifndef PL_MPTCP_VERSION_H
#define PL_MPTCP_VERSION_H

#include "base/ctx.h"
#include "wire/mptcp.h"

enum { PL_DIGEST_MAX = 32 };

struct plait_mptcp_version {
    uint8_t number;        /* in MP_CAPABLE */
    uint8_t syn_len;       /* MP_CAPABLE of a SYN: 4, or 12 with the initiator's key */
    uint8_t digest_len;    /* of the hash that tokens, IDSNs and HMACs are made with */
    bool data_in_capable;  /* the first data has MP_CAPABLE in place of its mapping */
    bool no_join_flag;     /* bit C of MP_CAPABLE means "no joins to this address" */
    bool extension_drops;  /* a SYN with bit B is ignored as a whole, not only its option */
    bool address_signed;   /* ADD_ADDR has an HMAC and is echoed */
    bool checksum_strict;  /* one in a mapping that was not agreed on resets the subflow */
    bool prio_by_id;       /* MP_PRIO may name an address */
    bool reset_reasons;    /* MP_TCPRST */
    bool fastclose_on_rst; /* MP_FASTCLOSE may stand on a RST and needs no answer */
    void (*hash)(const struct plait_env *env, const void *msg, size_t len,
                 uint8_t out[PL_DIGEST_MAX]);
    void (*hmac)(const struct plait_env *env, const void *key, size_t key_len, const void *msg,
                 size_t len, uint8_t out[PL_DIGEST_MAX]);
};

extern const struct plait_mptcp_version pl_mptcp_v1;

/* `versions` is an enum plait_mptcp_versions. */

/* The one that a client offers. */
const struct plait_mptcp_version *pl_version_offered(const struct pl_ctx *ctx, uint8_t versions);
/* The highest one that a server can answer this SYN's MP_CAPABLE with; NULL: none, it is plain TCP.
 */
const struct plait_mptcp_version *pl_version_for_syn(const struct pl_ctx *ctx, uint8_t versions,
                                                     const struct pl_mptcp_options *syn);
/* The one that a SYN/ACK has chosen, `offered` or a lower one; NULL: none that we can speak. */
const struct plait_mptcp_version *pl_version_chosen(const struct pl_ctx *ctx, uint8_t versions,
                                                    const struct plait_mptcp_version *offered,
                                                    const struct pl_mptcp_options *syn_ack);
/* Whether a SYN is to be ignored altogether (RFC 6824 section 3.1, bit B). */
bool pl_version_ignores(const struct pl_ctx *ctx, uint8_t versions,
                        const struct pl_mptcp_options *syn);

#endif

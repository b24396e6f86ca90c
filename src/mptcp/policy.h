/* mptcp/policy.h - what an application wants of the paths of one connection: which local addresses,
 * which path manager, how many (RFC 6897 section 5.3.3 and appendix A.3).
 *
 * A connection that nobody told anything has none (NULL): all addresses of the stack, by the rules
 * of its endpoints. A leaf: it knows no connection. */
#ifndef PL_MPTCP_POLICY_H
#define PL_MPTCP_POLICY_H

#include "mptcp/endpoints.h"
#include "plait/multipath.h"

enum { PL_POLICY_LOCALS_MAX = 16, PL_NDIFFPORTS_DEFAULT = 2 };

struct pl_policy_local {
    plait_time leave_at;    /* denied, but its subflows stay until then; 0: not any more */
    struct plait_addr addr; /* family NONE: every address of `port` */
    plait_port_id port;     /* 0: any */
    uint16_t tcp_port;      /* of its subflows; 0: any */
    uint8_t flags;          /* PLAIT_ADDRESS_…, besides the endpoint's */
    bool denied;            /* taken away with plait_multipath_remove */
};

struct pl_policy {
    uint64_t port_mask;                          /* PLAIT_OPT_PORT_MASK; 0: all ports */
    uint8_t manager;                             /* enum plait_pm */
    uint8_t subflows_max, add_addr_accepted_max; /* one more than the limit; 0: the stack's */
    uint8_t ndiffports;                          /* 0: the default */
    bool restricted;                             /* to what is in `local` */
    bool lifted;                                 /* by intent: a bound address is no bound */
    uint8_t fate_sharing;                        /* PLAIT_OPT_FATE_SHARING */
    uint8_t local_count;
    struct pl_policy_local local[PL_POLICY_LOCALS_MAX];
};

extern const struct pl_policy pl_policy_default;

/* Whether a connection may use this address of this port. `policy` may be NULL in all of these. */
bool pl_policy_allows(const struct pl_policy *policy, plait_port_id port,
                      const struct plait_addr *addr);
/* PLAIT_ADDRESS_… of an endpoint for this connection. */
uint32_t pl_policy_flags(const struct pl_policy *policy, const struct pl_local_endpoint *ep);
/* It was named by its address and without flags: whatever is best. */
bool pl_policy_hints(const struct pl_policy *policy, plait_port_id port,
                     const struct plait_addr *addr);
/* The TCP port that subflows from it shall have, 0: any. */
uint16_t pl_policy_tcp_port(const struct pl_policy *policy, plait_port_id port,
                            const struct plait_addr *addr);
/* The entry that says something about exactly this, or NULL. */
struct pl_policy_local *pl_policy_find(struct pl_policy *policy, plait_port_id port,
                                       const struct plait_addr *addr);
/* More may be used; `first`: nothing is said about addresses yet, so this and what follows is all
 * that may be. An entry without an address and without a port lifts every bound. Errors: LIMIT. */
PLAIT_MUST_CHECK int pl_policy_add(struct pl_policy *policy, const struct plait_local *local,
                                   bool first);
/* Less may be used. Errors: LIMIT. */
PLAIT_MUST_CHECK int pl_policy_remove(struct pl_policy *policy, const struct plait_local *local);

#endif

/* mptcp/endpoints.h - the local addresses of a stack as MPTCP endpoints (the table behind `ip mptcp
 * endpoint`). The stack owns and changes it; connections read it. An entry's address id is unique
 * in the table; id 0 is the address of a connection's first subflow (RFC 8684 section 3.2) and
 * never stands here. */
#ifndef PL_MPTCP_ENDPOINTS_H
#define PL_MPTCP_ENDPOINTS_H

#include "plait/stack.h"

enum { PL_ENDPOINTS_MAX = 64, PL_PORTS_MAX = 64 };

struct pl_local_endpoint {
    struct plait_addr addr;
    struct plait_addr outside; /* what ADD_ADDR says in its place; family NONE: `addr` */
    plait_port_id port;
    uint32_t flags;         /* PLAIT_ADDRESS_… */
    uint16_t announce_port; /* 0: none */
    uint8_t id;             /* 1..255 */
    bool up;                /* its port is up */
    bool backup;            /* address flag or port flag */
};

struct pl_endpoints {
    uint32_t count;
    struct pl_local_endpoint entry[PL_ENDPOINTS_MAX];
    uint32_t generation; /* changes with every change */
    uint8_t id_last;     /* the one that was chosen last */
};

/* The entry with this address on this port (port 0: any), or NULL. */
const struct pl_local_endpoint *pl_endpoints_find(const struct pl_endpoints *table,
                                                  plait_port_id port,
                                                  const struct plait_addr *addr);
const struct pl_local_endpoint *pl_endpoints_by_id(const struct pl_endpoints *table, uint8_t id);

#endif

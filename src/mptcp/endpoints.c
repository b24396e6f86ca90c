/* mptcp/endpoints.c - look-ups in the table of local addresses. */
#include "mptcp/endpoints.h"

#include "base/assert.h"
#include "wire/ip.h"

const struct pl_local_endpoint *pl_endpoints_find(const struct pl_endpoints *table,
                                                  plait_port_id port,
                                                  const struct plait_addr *addr) {
    PL_ASSERT(table->count <= PL_ENDPOINTS_MAX);
    for (uint32_t i = 0; i < table->count; i++) {
        const struct pl_local_endpoint *ep = &table->entry[i];
        if ((port == 0 || ep->port == port) && pl_addr_equal(&ep->addr, addr)) {
            return ep;
        }
    }
    return NULL;
}

const struct pl_local_endpoint *pl_endpoints_by_id(const struct pl_endpoints *table, uint8_t id) {
    PL_ASSERT(table->count <= PL_ENDPOINTS_MAX);
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->entry[i].id == id) {
            return &table->entry[i];
        }
    }
    return NULL;
}

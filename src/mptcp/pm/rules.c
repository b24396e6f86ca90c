/* mptcp/pm/rules.c - which paths are wanted: Linux's endpoint rules, see paths.c. */
#include "base/assert.h"
#include "mptcp/pm/pm.h"
#include "wire/ip.h"

static bool port_allowed(const struct pl_conn *conn, plait_port_id port) {
    return conn->port_mask == 0 || (port < 64 && (conn->port_mask >> port & 1) != 0);
}

static bool remote_allowed(const struct pl_conn *conn, uint8_t index) {
    PL_ASSERT(index < conn->pm->remote_count);
    const struct pl_remote *r = &conn->pm->remotes[index];
    return r->usable && !(index == 0 && conn->no_join_remote);
}

/* The endpoint of the first subflow's local address, or NULL. A port that was removed and added
 * again has another id. */
static const struct pl_local_endpoint *own_endpoint(const struct pl_conn *conn) {
    const struct pl_endpoints *table = conn->host->endpoints;
    const struct pl_local_endpoint *ep = pl_endpoints_find(table, conn->port, &conn->tuple.local);
    return ep != NULL ? ep : pl_endpoints_find(table, 0, &conn->tuple.local);
}

/* That endpoint is id 0's path already. */
static bool is_first(const struct pl_conn *conn, const struct pl_local_endpoint *ep) {
    return ep == own_endpoint(conn);
}

static void want_for_endpoint(struct pl_conn *conn, const struct pl_local_endpoint *ep) {
    PL_ASSERT(ep->id != 0);
    struct pl_pm *pm = conn->pm;
    bool fullmesh = (ep->flags & PLAIT_ADDRESS_FULLMESH) != 0;
    if ((ep->flags & (PLAIT_ADDRESS_SUBFLOW | PLAIT_ADDRESS_FULLMESH)) == 0 ||
        !port_allowed(conn, ep->port)) {
        return;
    }
    for (uint8_t i = 0; i < pm->remote_count; i++) {
        bool first = i == 0 && is_first(conn, ep);
        if (remote_allowed(conn, i) && pm->remotes[i].addr.family == ep->addr.family && !first &&
            (i == 0 || fullmesh)) {
            pl_pm_want(conn, ep->port, &ep->addr, i, is_first(conn, ep) ? 0 : ep->id);
        }
    }
}

/* An announced address that no fullmesh endpoint covers gets one path. */
static void want_for_announced(struct pl_conn *conn, uint8_t index) {
    PL_ASSERT(index > 0 && index < conn->pm->remote_count);
    const struct pl_endpoints *table = conn->host->endpoints;
    const struct pl_remote *r = &conn->pm->remotes[index];
    for (unsigned i = 0; i < conn->pm->path_count; i++) {
        if (conn->pm->paths[i].wanted && conn->pm->paths[i].remote_index == index) {
            return;
        }
    }
    const struct pl_local_endpoint *own = own_endpoint(conn);
    if (own != NULL && own->addr.family == r->addr.family && port_allowed(conn, own->port)) {
        pl_pm_want(conn, own->port, &own->addr, index, 0);
        return;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        const struct pl_local_endpoint *ep = &table->entry[i];
        if (ep->addr.family == r->addr.family && port_allowed(conn, ep->port)) {
            pl_pm_want(conn, ep->port, &ep->addr, index, ep->id);
            return;
        }
    }
}

static bool any_wanted(const struct pl_pm *pm) {
    for (unsigned i = 0; i < pm->path_count; i++) {
        if (pm->paths[i].wanted) {
            return true;
        }
    }
    return false;
}

/* No path is left by the rules, because addresses were taken away. An initiator tries the peer's
 * first address all the same, from wherever it can: it may be back, and nobody else will try. */
static void want_last_resort(struct pl_conn *conn) {
    const struct pl_endpoints *table = conn->host->endpoints;
    const struct pl_local_endpoint *from = NULL;
    if (!conn->initiator || conn->no_join_remote || any_wanted(conn->pm)) {
        return;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        const struct pl_local_endpoint *ep = &table->entry[i];
        if (ep->addr.family != conn->tuple.local.family || !port_allowed(conn, ep->port)) {
            continue;
        }
        if (from == NULL || (ep->up && !from->up) || (ep->up && is_first(conn, ep))) {
            from = ep;
        }
    }
    if (from != NULL) {
        pl_pm_want(conn, from->port, &from->addr, 0, from->id);
    }
}

void pl_pm_rules_run(struct pl_conn *conn) {
    /* The first path: index 0, unless its address was taken away. */
    const struct pl_endpoints *table = conn->host->endpoints;
    const struct pl_local_endpoint *own = own_endpoint(conn);
    if (conn->initiator && own != NULL && remote_allowed(conn, 0)) {
        pl_pm_want(conn, own->port, &own->addr, 0, own->id);
    }
    for (uint32_t i = 0; i < table->count; i++) {
        want_for_endpoint(conn, &table->entry[i]);
    }
    for (uint8_t i = 1; i < conn->pm->remote_count; i++) {
        if (conn->pm->remotes[i].usable) {
            want_for_announced(conn, i);
        }
    }
    want_last_resort(conn);
}

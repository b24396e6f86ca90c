/* mptcp/pm/rules.c - the path managers: which paths a connection wants.
 *
 * `kernel` has Linux's rules for endpoints: the first path; every `subflow` endpoint to the peer's
 * first address; every `fullmesh` endpoint to all of them; an address that the peer announced from
 * the fullmesh endpoints, or else from the first path's local address. `fullmesh` has all pairs,
 * `ndiffports` several subflows between the first two addresses, `userspace` none: the application
 * opens what it wants. Whatever they want, a connection uses only addresses that it may use
 * (mptcp/policy.h). */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "wire/ip.h"

struct manager {
    const char *name;
    void (*want)(struct pl_conn *conn);
    bool automatic; /* does things that nobody asked this connection for */
};

uint32_t pl_pm_flags(const struct pl_conn *conn, const struct pl_local_endpoint *ep) {
    uint32_t flags = pl_policy_flags(conn->policy, ep);
    bool hint = conn->policy != NULL && pl_policy_hints(conn->policy, ep->port, &ep->addr);
    if (!pl_pm_is_automatic(conn)) {
        return flags & ~ep->flags;
    }
    /* Who connects opens subflows, and who was connected to may be unable to (a NAT). */
    if (hint && (flags & (PLAIT_ADDRESS_SUBFLOW | PLAIT_ADDRESS_FULLMESH)) == 0) {
        flags |= conn->initiator ? PLAIT_ADDRESS_SUBFLOW : PLAIT_ADDRESS_SIGNAL;
    }
    return flags;
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

static void want(struct pl_conn *conn, const struct pl_local_endpoint *ep, uint8_t remote_index,
                 uint8_t local_id) {
    struct pl_path_key key = {.port = ep->port, .local = ep->addr, .remote_index = remote_index};
    PL_ASSERT(pl_conn_may_use(conn, ep->port, &ep->addr));
    pl_pm_want(conn, &key, local_id);
}

/* The first path, unless its address was taken away. */
static void want_first(struct pl_conn *conn) {
    const struct pl_local_endpoint *own = own_endpoint(conn);
    if (conn->initiator && own != NULL && remote_allowed(conn, 0) &&
        pl_conn_may_use(conn, own->port, &own->addr)) {
        want(conn, own, 0, own->id);
    }
}

/* From an endpoint to the first address of the peer, or with `mesh` to all. */
static void want_from(struct pl_conn *conn, const struct pl_local_endpoint *ep, bool mesh) {
    PL_ASSERT(ep->id != 0);
    if (!pl_conn_may_use(conn, ep->port, &ep->addr)) {
        return;
    }
    for (uint8_t i = 0; i < conn->pm->remote_count; i++) {
        bool first = i == 0 && is_first(conn, ep);
        if (remote_allowed(conn, i) && conn->pm->remotes[i].addr.family == ep->addr.family &&
            !first && (i == 0 || mesh)) {
            want(conn, ep, i, is_first(conn, ep) ? 0 : ep->id);
        }
    }
}

static void want_for_endpoint(struct pl_conn *conn, const struct pl_local_endpoint *ep) {
    uint32_t flags = pl_pm_flags(conn, ep);
    if ((flags & (PLAIT_ADDRESS_SUBFLOW | PLAIT_ADDRESS_FULLMESH)) != 0) {
        want_from(conn, ep, (flags & PLAIT_ADDRESS_FULLMESH) != 0);
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
    if (own != NULL && own->addr.family == r->addr.family &&
        pl_conn_may_use(conn, own->port, &own->addr)) {
        want(conn, own, index, 0);
        return;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        const struct pl_local_endpoint *ep = &table->entry[i];
        if (ep->addr.family == r->addr.family && pl_conn_may_use(conn, ep->port, &ep->addr)) {
            want(conn, ep, index, ep->id);
            return;
        }
    }
}

bool pl_pm_wants_any(const struct pl_conn *conn) {
    for (unsigned i = 0; i < conn->pm->path_count; i++) {
        if (conn->pm->paths[i].wanted) {
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
    if (!conn->initiator || conn->no_join_remote || pl_pm_wants_any(conn)) {
        return;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        const struct pl_local_endpoint *ep = &table->entry[i];
        if (ep->addr.family != conn->tuple.local.family ||
            !pl_conn_may_use(conn, ep->port, &ep->addr)) {
            continue;
        }
        if (from == NULL || (ep->up && !from->up) || (ep->up && is_first(conn, ep))) {
            from = ep;
        }
    }
    if (from != NULL) {
        want(conn, from, 0, from->id);
    }
}

/* ---- the managers ---- */

static void want_kernel(struct pl_conn *conn) {
    const struct pl_endpoints *table = conn->host->endpoints;
    want_first(conn);
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

static void want_fullmesh(struct pl_conn *conn) {
    const struct pl_endpoints *table = conn->host->endpoints;
    want_first(conn);
    for (uint32_t i = 0; i < table->count; i++) {
        want_from(conn, &table->entry[i], true);
    }
    want_last_resort(conn);
}

/* From several TCP ports of one address to one address: for equal-cost paths behind one link. */
static void want_ndiffports(struct pl_conn *conn) {
    const struct pl_local_endpoint *own = own_endpoint(conn);
    uint8_t n = conn->policy->ndiffports;
    want_first(conn);
    if (!conn->initiator || own == NULL || !remote_allowed(conn, 0) ||
        !pl_conn_may_use(conn, own->port, &own->addr)) {
        want_last_resort(conn);
        return;
    }
    for (uint8_t i = 1; i < (n > 0 ? n : PL_NDIFFPORTS_DEFAULT); i++) {
        struct pl_path_key key = {.port = own->port, .local = own->addr, .ordinal = i};
        pl_pm_want(conn, &key, 0);
    }
}

static void want_nothing(struct pl_conn *conn) {
    (void)conn;
}

static const struct manager managers[PLAIT_PM_COUNT] = {
    [PLAIT_PM_KERNEL] = {"kernel", want_kernel, true},
    [PLAIT_PM_FULLMESH] = {"fullmesh", want_fullmesh, true},
    [PLAIT_PM_NDIFFPORTS] = {"ndiffports", want_ndiffports, true},
    [PLAIT_PM_USERSPACE] = {"userspace", want_nothing, false},
};

static const struct manager *manager_of(const struct pl_conn *conn) {
    uint8_t id = conn->policy != NULL ? conn->policy->manager : PLAIT_PM_KERNEL;
    PL_ASSERT(id < PLAIT_PM_COUNT);
    return &managers[id];
}

const char *plait_path_manager_name(int64_t manager) {
    return manager >= 0 && manager < PLAIT_PM_COUNT ? managers[manager].name : NULL;
}

bool pl_pm_is_automatic(const struct pl_conn *conn) {
    return manager_of(conn)->automatic;
}

void pl_pm_rules_run(struct pl_conn *conn) {
    manager_of(conn)->want(conn);
}

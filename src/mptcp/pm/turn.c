/* mptcp/pm/turn.c - the path manager's frame: creation, the first path, and its turn in
 * pl_conn_settle. */
#include "mptcp/pm/pm.h"

#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"
#include "wire/addr.h"

enum { SPARE_SUBFLOWS = 4 };

int pl_pm_init(struct pl_conn *conn) {
    PL_ASSERT(conn->pm == NULL);
    conn->pm = pl_ctx_alloc(conn->ctx, sizeof *conn->pm);
    if (conn->pm == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    conn->pm->rescan = true;
    conn->pm->id_next = 255;
    if (pl_pm_add_remote(conn->ctx, conn->pm) == NULL ||
        pl_pm_add_path(conn->ctx, conn->pm) == NULL) {
        pl_pm_fini(conn);
        return PLAIT_E_NO_MEMORY;
    }
    return 0;
}

void pl_pm_fini(struct pl_conn *conn) {
    if (conn->pm != NULL) {
        pl_pm_free_tables(conn->ctx, conn->pm);
        pl_ctx_free(conn->ctx, conn->pm, sizeof *conn->pm);
        conn->pm = NULL;
    }
}

void pl_pm_first(struct pl_conn *conn, struct pl_subflow *sf) {
    PL_ASSERT(!sf->join);
    struct pl_pm *pm = conn->pm;
    PL_ASSERT(pm->remote_count == 1 && pm->path_count == 1);
    pm->remotes[0] = (struct pl_remote){
        .addr = sf->tcp.tuple.remote,
        .port = sf->tcp.tuple.remote_port,
        .usable = true,
    };
    pm->paths[0] = (struct pl_path){
        .port = sf->port,
        .local = sf->tcp.tuple.local,
        .wanted = conn->initiator,
        .worked = true,
        .subflow = sf->serial,
    };
}

void pl_pm_run(struct pl_conn *conn, plait_time now) {
    PL_ASSERT(conn->pm != NULL);
    if (!pl_conn_fully_established(conn)) {
        return;
    }
    pl_pm_paths_run(conn, now);
    pl_multipath_run(conn, now);
    pl_pm_announce_run(conn, now);
}

plait_time pl_pm_deadline(const struct pl_conn *conn) {
    if (conn->pm == NULL || !pl_conn_fully_established(conn)) {
        return PLAIT_TIME_NEVER;
    }
    plait_time a = pl_pm_paths_deadline(conn), b = pl_pm_announce_deadline(conn);
    plait_time c = pl_multipath_deadline(conn);
    a = a < b ? a : b;
    return a < c ? a : c;
}

/* An id that no endpoint of the stack has and that this connection did not use for a while. Goes
 * down from 255, away from the ids that endpoints get. */
uint8_t pl_pm_new_id(struct pl_conn *conn) {
    PL_ASSERT(conn->pm != NULL && conn->pm->id_next != 0);
    struct pl_pm *pm = conn->pm;
    for (unsigned tries = 0; tries < 255; tries++) {
        uint8_t id = pm->id_next;
        pm->id_next = id == 1 ? 255 : (uint8_t)(id - 1);
        bool taken = pl_endpoints_by_id(conn->host->endpoints, id) != NULL ||
                     pl_pm_removal_pending(conn, id);
        PL_SUBFLOW_FOREACH(sf, conn) {
            taken = taken || sf->local_id == id;
        }
        if (!taken) {
            return id;
        }
    }
    return pm->id_next;
}

bool pl_pm_id_free(const struct pl_conn *conn, uint8_t id, const struct plait_addr *addr) {
    PL_ASSERT(addr->family != PLAIT_FAMILY_NONE);
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->phase != PL_SF_DEAD && sf->local_id == id &&
            !pl_addr_equal(&sf->tcp.tuple.local, addr)) {
            return false;
        }
    }
    return !pl_pm_removal_pending(conn, id);
}

uint8_t pl_pm_id_for(struct pl_conn *conn, const struct pl_local_endpoint *ep) {
    bool first = ep->port == conn->port && pl_addr_equal(&ep->addr, &conn->tuple.local);
    uint8_t id = first ? 0 : ep->id;
    return pl_pm_id_free(conn, id, &ep->addr) ? id : pl_pm_new_id(conn);
}

uint8_t pl_pm_remote_id(const struct pl_conn *conn, const struct plait_addr *addr) {
    const struct pl_pm *pm = conn->pm;
    for (unsigned i = 0; i < pm->remote_count; i++) {
        if (pl_addr_equal(&pm->remotes[i].addr, addr)) {
            return pm->remotes[i].id;
        }
    }
    return 0; /* its SYN/ACK will tell */
}

/* Attempts and stale subflows do not count: the peer may be replacing just these, and two ends that
 * try at once must not refuse each other for ever. */
bool pl_pm_may_accept(const struct pl_conn *conn) {
    return pl_pm_may_keep(conn) &&
           conn->subflow_count < pl_conn_subflows_max(conn) + SPARE_SUBFLOWS;
}

bool pl_pm_may_keep(const struct pl_conn *conn) {
    uint32_t working = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        working += sf->phase == PL_SF_UP && !sf->stale ? 1 : 0;
    }
    return working < pl_conn_subflows_max(conn);
}

void pl_pm_check(const struct pl_conn *conn) {
    const struct pl_pm *pm = conn->pm;
    PL_ASSERT(pm->remote_count >= 1 && pm->remote_count <= PL_REMOTES_MAX);
    PL_ASSERT(pm->path_count >= 1 && pm->path_count <= PL_PATHS_MAX);
    PL_ASSERT(pm->removal_count <= PL_REMOVALS_MAX);
    PL_ASSERT(pm->announcement_count <= pm->announcement_cap);
    PL_ASSERT(pm->announcement_cap <= PL_ANNOUNCEMENTS_MAX);
    PL_ASSERT(pm->remotes[0].id == 0);
    PL_ASSERT(pm->id_next != 0);
    for (unsigned i = 1; i < pm->remote_count; i++) {
        PL_ASSERT(pm->remotes[i].id != 0);
        PL_ASSERT(pm->remotes[i].addr.family != PLAIT_FAMILY_NONE);
        for (unsigned k = 1; k < i; k++) {
            PL_ASSERT(pm->remotes[k].id != pm->remotes[i].id);
        }
    }
    for (unsigned i = 0; i < pm->path_count; i++) {
        const struct pl_path *p = &pm->paths[i];
        PL_ASSERT(p->remote_index < pm->remote_count);
        PL_ASSERT(p->subflow < conn->serial_next);
        PL_ASSERT(p->port == 0 || p->local.family == pm->remotes[p->remote_index].addr.family);
        for (unsigned k = 0; k < i; k++) {
            PL_ASSERT(p->subflow == 0 || p->subflow != pm->paths[k].subflow);
        }
    }
}

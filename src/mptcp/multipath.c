/* mptcp/multipath.c - what an application does to the paths of its connection (RFC 6897
 * section 5.3.3, appendix A.3): local addresses that it may use, subflows one by one. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"
#include "wire/ip.h"

enum { LEAVE_SECONDS = 3 };

bool pl_conn_may_use(const struct pl_conn *conn, plait_port_id port,
                     const struct plait_addr *addr) {
    return pl_policy_allows(conn->policy, port, addr);
}

uint32_t pl_conn_subflows_max(const struct pl_conn *conn) {
    uint32_t most = conn->ctx->config.subflows_max;
    uint32_t own = conn->policy != NULL ? conn->policy->subflows_max : 0;
    return own > 0 && own - 1 < most ? own - 1 : most;
}

uint32_t pl_conn_add_addr_accepted_max(const struct pl_conn *conn) {
    uint32_t own = conn->policy != NULL ? conn->policy->add_addr_accepted_max : 0;
    return own > 0 ? own - 1 : conn->ctx->config.add_addr_accepted_max;
}

int pl_conn_set_policy(struct pl_conn *conn, const struct pl_policy *policy) {
    if (conn->policy == NULL) {
        conn->policy = pl_ctx_alloc(conn->ctx, sizeof(*conn->policy));
    }
    if (conn->policy == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    struct pl_policy old = *conn->policy;
    *conn->policy = *policy;
    for (unsigned i = 0; i < old.local_count; i++) { /* what is on its way out stays so */
        const struct pl_policy_local *was = &old.local[i];
        struct pl_policy_local *local = pl_policy_find(conn->policy, was->port, &was->addr);
        if (local != NULL && local->denied) {
            local->leave_at = was->leave_at;
        }
    }
    if (conn->pm != NULL) {
        conn->pm->rescan = true;
        pl_conn_touch(conn);
    }
    return 0;
}

void pl_conn_policy_fini(struct pl_conn *conn) {
    if (conn->policy != NULL) {
        pl_ctx_free(conn->ctx, conn->policy, sizeof(*conn->policy));
    }
    conn->policy = NULL;
}

/* ---- addresses that were taken away ---- */

static bool uses(const struct pl_subflow *sf, const struct pl_policy_local *local) {
    bool same_port = local->port == 0 || local->port == sf->port;
    return sf->phase != PL_SF_DEAD && sf->phase != PL_SF_CLOSING && same_port &&
           (local->addr.family == PLAIT_FAMILY_NONE ||
            pl_addr_equal(&local->addr, &sf->tcp.tuple.local));
}

/* What works without this address, and whether something could be tried. */
static bool works_without(const struct pl_conn *conn, const struct pl_policy_local *local) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (!uses(sf, local) && sf->phase == PL_SF_UP && !sf->stale) {
            return true;
        }
    }
    return false;
}

/* Ends the subflows of an address that is not to be used, and tells the peer; what an orderly end
 * cannot deliver is reinjected. */
static void leave(struct pl_conn *conn, struct pl_policy_local *local, plait_time now) {
    const struct pl_endpoints *table = conn->host->endpoints;
    PL_ASSERT(local->denied);
    local->leave_at = 0;
    PL_LIST_FOREACH_SAFE(link, &conn->subflows) {
        struct pl_subflow *sf = pl_subflow_of_link(link);
        if (!uses(sf, local)) {
            continue;
        }
        PL_COUNT(conn->ctx, RmSubflow);
        pl_pm_let_go(sf);
        pl_pm_remove_addr_out(conn, sf->local_id, &sf->tcp.tuple.local, now);
        if (sf->phase == PL_SF_UP && !sf->stale) {
            sf->removals_due = true; /* it may be the last one that can say so */
            pl_tcp_ack_now(&sf->tcp);
            pl_subflow_close(sf, now);
        } else {
            pl_subflow_reset(sf, PL_RESET_UNSPECIFIED, false, PLAIT_E_ABORTED, now);
        }
    }
    for (uint32_t i = 0; i < table->count; i++) { /* announced, though nothing used it */
        const struct pl_local_endpoint *ep = &table->entry[i];
        bool same_port = local->port == 0 || local->port == ep->port;
        if (same_port && pl_addr_equal(&local->addr, &ep->addr) &&
            pl_pm_is_announced(conn, ep->id)) {
            pl_pm_remove_addr_out(conn, ep->id, &ep->addr, now);
        }
    }
}

void pl_conn_local_removed(struct pl_conn *conn, plait_port_id port, const struct plait_addr *addr,
                           plait_time now) {
    struct pl_policy_local *local =
        conn->policy != NULL ? pl_policy_find(conn->policy, port, addr) : NULL;
    if (local == NULL || !local->denied || conn->pm == NULL || !pl_conn_fully_established(conn)) {
        return;
    }
    conn->pm->rescan = true;
    if (works_without(conn, local)) {
        leave(conn, local, now);
    } else { /* RFC 6897 section 5.3.3: others first, if there are any */
        local->leave_at = now + LEAVE_SECONDS * PLAIT_NS_PER_S;
    }
    pl_conn_touch(conn);
}

/* The first subflow is gone, and the application wants to go with it: the addresses that it knows
 * may be somebody else's now (RFC 6897 section 4.2.2). */
static bool fate_is_sealed(const struct pl_conn *conn) {
    if (conn->policy == NULL || conn->policy->fate_sharing == 0 || conn->state != PL_CONN_OPEN) {
        return false;
    }
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (!sf->join && sf->phase != PL_SF_DEAD) {
            return false;
        }
    }
    return true;
}

void pl_multipath_run(struct pl_conn *conn, plait_time now) {
    if (fate_is_sealed(conn)) {
        pl_conn_abort(conn, PLAIT_E_ABORTED, now);
        return;
    }
    for (unsigned i = 0; conn->policy != NULL && i < conn->policy->local_count; i++) {
        struct pl_policy_local *local = &conn->policy->local[i];
        bool late = now >= local->leave_at || !pl_pm_wants_any(conn);
        if (local->leave_at != 0 && (late || works_without(conn, local))) {
            leave(conn, local, now);
        }
    }
}

plait_time pl_multipath_deadline(const struct pl_conn *conn) {
    plait_time first = PLAIT_TIME_NEVER;
    for (unsigned i = 0; conn->policy != NULL && i < conn->policy->local_count; i++) {
        plait_time at = conn->policy->local[i].leave_at;
        first = at != 0 && at < first ? at : first;
    }
    return first;
}

/* ---- subflows one by one ---- */

/* The endpoint that a subflow to `to` shall come from, or NULL. */
static const struct pl_local_endpoint *endpoint_for(const struct pl_conn *conn,
                                                    const struct plait_local *local,
                                                    const struct plait_addr *to) {
    const struct pl_endpoints *table = conn->host->endpoints;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct pl_local_endpoint *ep = &table->entry[i];
        bool fits =
            (local->port == 0 || local->port == ep->port) &&
            (local->addr.family == PLAIT_FAMILY_NONE || pl_addr_equal(&local->addr, &ep->addr));
        if (fits && ep->up && ep->addr.family == to->family &&
            pl_conn_may_use(conn, ep->port, &ep->addr)) {
            return ep;
        }
    }
    return NULL;
}

int pl_conn_subflow_open(struct pl_conn *conn, const struct plait_local *local,
                         const struct plait_endpoint *remote, bool backup, plait_time now) {
    struct pl_subflow *sf = NULL;
    if (conn->pm == NULL || !pl_conn_fully_established(conn)) {
        return PLAIT_E_BAD_STATE;
    }
    const struct pl_local_endpoint *ep = endpoint_for(conn, local, &remote->addr);
    if (ep == NULL) {
        return PLAIT_E_NO_ADDRESS;
    }
    if (pl_pm_alive_count(conn) >= pl_conn_subflows_max(conn)) {
        return PLAIT_E_LIMIT;
    }
    struct pl_subflow_setup setup = {
        .port = ep->port,
        .tuple = {.local = ep->addr,
                  .remote = remote->addr,
                  .local_port = local->tcp_port,
                  .remote_port = remote->port},
        .initiator = true,
        .join = true,
        .backup = backup || ep->backup,
        .local_id = pl_pm_id_for(conn, ep),
        .remote_id = pl_pm_remote_id(conn, &remote->addr),
    };
    int rc = pl_subflow_create(conn, &setup, &sf, now);
    if (rc < 0) {
        return rc;
    }
    sf->nonce_local = pl_ctx_random32(conn->ctx);
    pl_tcp_connect(&sf->tcp, now);
    pl_conn_touch(conn);
    PL_ASSERT(sf->serial <= INT32_MAX);
    return (int)sf->serial;
}

/* A subflow that can be acted on, or NULL. */
static struct pl_subflow *living(const struct pl_conn *conn, uint32_t serial) {
    struct pl_subflow *sf = serial != 0 ? pl_conn_subflow(conn, serial) : NULL;
    return sf != NULL && sf->phase != PL_SF_DEAD ? sf : NULL;
}

int pl_conn_subflow_close(struct pl_conn *conn, uint32_t serial, bool reset, plait_time now) {
    struct pl_subflow *sf = living(conn, serial);
    if (sf == NULL || conn->mode != PL_MODE_MPTCP || !pl_conn_fully_established(conn)) {
        return PLAIT_E_BAD_STATE;
    }
    pl_pm_give_up(sf);
    if (reset) {
        pl_subflow_reset(sf, PL_RESET_UNSPECIFIED, false, PLAIT_E_ABORTED, now);
    } else {
        pl_subflow_close(sf, now);
    }
    pl_conn_touch(conn);
    return 0;
}

int pl_conn_subflow_set_backup(struct pl_conn *conn, uint32_t serial, bool backup) {
    struct pl_subflow *sf = living(conn, serial);
    if (sf == NULL || conn->mode != PL_MODE_MPTCP) {
        return PLAIT_E_BAD_STATE;
    }
    if (sf->backup != backup) {
        sf->backup = backup;
        sf->prio_pending = true; /* MP_PRIO, RFC 8684 section 3.3.8 */
        if (sf->phase == PL_SF_UP) {
            pl_tcp_ack_now(&sf->tcp);
        }
        pl_conn_kick(conn);
    }
    return 0;
}

int pl_conn_subflow_set_cc(struct pl_conn *conn, uint32_t serial, uint8_t cc) {
    struct pl_subflow *sf = living(conn, serial);
    if (sf == NULL) {
        return PLAIT_E_BAD_STATE;
    }
    pl_tcp_set_cc(&sf->tcp, cc);
    return 0;
}

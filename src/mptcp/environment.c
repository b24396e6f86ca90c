/* mptcp/environment.c - what a connection does when local addresses and ports come, go and change.
 */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"
#include "wire/ip.h"

void pl_conn_endpoint_added(struct pl_conn *conn, const struct pl_local_endpoint *ep,
                            plait_time now) {
    PL_ASSERT(ep->id != 0);
    PL_ASSERT(ep->port != 0);
    if (conn->pm != NULL) {
        pl_pm_removal_cancel(conn, ep->id, &ep->addr);
        if (ep->port == conn->port) {
            pl_pm_removal_cancel(conn, 0, &ep->addr);
        }
    }
    pl_pm_port_up(conn, ep->port, now);
}

void pl_conn_endpoint_removed(struct pl_conn *conn, const struct pl_local_endpoint *ep,
                              plait_time now) {
    PL_ASSERT(ep->id != 0);
    PL_ASSERT(ep->port != 0);
    bool used = false;
    if (conn->pm == NULL || conn->state == PL_CONN_CLOSED) {
        return; /* plain TCP on an address that is gone: its own timers decide */
    }
    PL_LIST_FOREACH_SAFE(link, &conn->subflows) {
        struct pl_subflow *sf = pl_subflow_of_link(link);
        if (sf->port != ep->port || !pl_addr_equal(&sf->tcp.tuple.local, &ep->addr) ||
            sf->phase == PL_SF_DEAD || (conn->state != PL_CONN_OPEN && !sf->join)) {
            continue;
        }
        if (pl_conn_fully_established(conn)) {
            used = used || sf->local_id == ep->id;
            PL_COUNT(conn->ctx, RmSubflow);
            pl_pm_path_dead(sf, now);
        }
    }
    if (!used && (ep->flags & PLAIT_ADDRESS_SIGNAL) != 0 && pl_conn_fully_established(conn)) {
        pl_pm_remove_addr_out(conn, ep->id, &ep->addr, now);
    }
    conn->pm->rescan = true;
    pl_conn_touch(conn);
}

void pl_conn_endpoint_backup(struct pl_conn *conn, const struct pl_local_endpoint *ep,
                             plait_time now) {
    PL_ASSERT(ep->id != 0);
    PL_ASSERT(ep->port != 0);
    (void)now;
    if (conn->mode != PL_MODE_MPTCP) {
        return;
    }
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->port == ep->port && pl_addr_equal(&sf->tcp.tuple.local, &ep->addr) &&
            sf->backup != ep->backup) {
            sf->backup = ep->backup;
            sf->prio_pending = true; /* MP_PRIO, RFC 8684 section 3.3.8 */
            if (sf->phase == PL_SF_UP) {
                pl_tcp_ack_now(&sf->tcp);
            }
        }
    }
    pl_conn_kick(conn);
}

/* A port without carrier: others take over at once. The only subflow waits, as plain TCP would. */
void pl_conn_port_down(struct pl_conn *conn, plait_port_id port, plait_time now) {
    PL_ASSERT(port != 0);
    PL_LIST_FOREACH_SAFE(link, &conn->subflows) {
        struct pl_subflow *sf = pl_subflow_of_link(link);
        if (sf->port != port || sf->phase != PL_SF_UP || conn->mode != PL_MODE_MPTCP) {
            continue;
        }
        if (pl_conn_fully_established(conn) && pl_subflow_replaceable(sf)) {
            pl_pm_path_dead(sf, now);
        } else {
            sf->stale = true;
        }
    }
    pl_conn_touch(conn);
}

void pl_conn_port_up(struct pl_conn *conn, plait_port_id port, plait_time now) {
    PL_ASSERT(port != 0);
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->port == port && sf->stale && sf->phase == PL_SF_UP) {
            pl_stale_recovered(sf, now);
            pl_tcp_probe(&sf->tcp);
        }
    }
    pl_pm_port_up(conn, port, now);
}

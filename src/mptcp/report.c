/* mptcp/report.c - tells the stack's monitor what happens to a connection and its subflows, with
 * the meanings of Linux's events (include/uapi/linux/mptcp_pm.h): SF_... are of joins, and of the
 * first subflow only when it ends before the connection. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"

static struct plait_monitor_event report_of(const struct pl_conn *conn, uint32_t type) {
    const struct pl_tcp_tuple *t = &conn->tuple;
    return (struct plait_monitor_event){
        .type = type,
        .token = conn->keys.token_local,
        .local = {.addr = t->local, .port = t->local_port},
        .remote = {.addr = t->remote, .port = t->remote_port},
        .port = conn->port,
        .server_side = !conn->initiator,
        .deny_join_id0 = conn->no_join_remote,
    };
}

static void send(const struct pl_conn *conn, const struct plait_monitor_event *event) {
    PL_ASSERT(conn->host->monitored);
    conn->host->report(conn->host->arg, event);
}

void pl_report_life(struct pl_conn *conn) {
    bool open = conn->state == PL_CONN_OPEN && pl_conn_is_mptcp(conn);
    if (!conn->host->monitored || !open) {
        return;
    }
    if (!conn->created_said) {
        struct plait_monitor_event event = report_of(conn, PLAIT_MONITOR_CREATED);
        conn->created_said = true;
        send(conn, &event);
    }
    if (!conn->established_said && conn->capable == PL_CAPABLE_CONFIRMED) {
        struct plait_monitor_event event = report_of(conn, PLAIT_MONITOR_ESTABLISHED);
        conn->established_said = true;
        send(conn, &event);
    }
}

void pl_report_closed(struct pl_conn *conn) {
    PL_ASSERT(conn->state == PL_CONN_CLOSED);
    if (conn->host->monitored && conn->created_said) {
        struct plait_monitor_event event = report_of(conn, PLAIT_MONITOR_CLOSED);
        event.error = conn->error;
        conn->created_said = false;
        send(conn, &event);
    }
}

static uint32_t type_of(enum plait_event_type type) {
    switch (type) {
        case PLAIT_EVENT_SF_ESTABLISHED:
            return PLAIT_MONITOR_SF_ESTABLISHED;
        case PLAIT_EVENT_SF_CLOSED:
            return PLAIT_MONITOR_SF_CLOSED;
        case PLAIT_EVENT_SF_PRIO:
            return PLAIT_MONITOR_SF_PRIO;
        case PLAIT_EVENT_ANNOUNCED:
            return PLAIT_MONITOR_ANNOUNCED;
        case PLAIT_EVENT_REMOVED:
            return PLAIT_MONITOR_REMOVED;
        default:
            return 0;
    }
}

void pl_report_path(const struct pl_subflow *sf, enum plait_event_type what, int error,
                    uint8_t remote_id) {
    const struct pl_conn *conn = sf->conn;
    uint32_t type = type_of(what);
    bool first = type == PLAIT_MONITOR_SF_ESTABLISHED && !sf->join;
    if (!conn->host->monitored || type == 0 || first) {
        return;
    }
    struct plait_monitor_event event = report_of(conn, type);
    event.local = (struct plait_endpoint){sf->tcp.tuple.local, sf->tcp.tuple.local_port};
    event.remote = (struct plait_endpoint){sf->tcp.tuple.remote, sf->tcp.tuple.remote_port};
    event.port = sf->port;
    event.local_id = sf->local_id;
    event.remote_id = remote_id;
    event.backup = sf->backup_peer;
    event.error = error;
    event.reset_reason = type == PLAIT_MONITOR_SF_CLOSED ? sf->reset_reason : 0;
    for (unsigned i = 0; type == PLAIT_MONITOR_ANNOUNCED && i < conn->pm->remote_count; i++) {
        const struct pl_remote *r = &conn->pm->remotes[i];
        if (r->id == remote_id) {
            event.remote = (struct plait_endpoint){r->addr, r->port};
        }
    }
    send(conn, &event);
}

/* Subflows that joined, and what the peer has announced: as if it happened now. */
static void report_paths(const struct pl_conn *conn) {
    const struct pl_subflow *some = pl_conn_signal_subflow(conn);
    PL_ASSERT(conn->host->monitored);
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->phase == PL_SF_UP) {
            pl_report_path(sf, PLAIT_EVENT_SF_ESTABLISHED, 0, sf->remote_id);
        }
    }
    for (unsigned i = 0; some != NULL && i < conn->pm->remote_count; i++) {
        const struct pl_remote *r = &conn->pm->remotes[i];
        if (r->usable && r->id != 0) {
            pl_report_path(some, PLAIT_EVENT_ANNOUNCED, 0, r->id);
        }
    }
}

void pl_conn_report(struct pl_conn *conn) {
    conn->created_said = false;
    conn->established_said = false;
    pl_report_life(conn);
    if (conn->established_said && conn->pm != NULL) {
        report_paths(conn);
    }
}

/* mptcp/open.c - how connections and subflows begin: connect, a SYN for a listener, a SYN that
 * joins. */
#include <string.h>

#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"

static int first_subflow(struct pl_conn *conn, plait_port_id port, const struct pl_tcp_tuple *tuple,
                         struct pl_subflow **sf, plait_time now) {
    PL_ASSERT(conn->state == PL_CONN_NEW);
    PL_ASSERT(conn->subflow_count == 0);
    struct pl_subflow_setup setup = {
        .port = port,
        .tuple = *tuple,
        .initiator = conn->initiator,
    };
    int rc = pl_subflow_create(conn, &setup, sf, now);
    if (rc < 0) {
        return rc;
    }
    conn->tuple = (*sf)->tcp.tuple;
    conn->port = port;
    conn->state = PL_CONN_OPENING;
    if (conn->mode != PL_MODE_MPTCP) {
        return 0;
    }
    rc = pl_pm_init(conn);
    if (rc < 0) {
        pl_subflow_destroy(*sf);
        conn->state = PL_CONN_NEW;
        return rc;
    }
    pl_pm_first(conn, *sf);
    return 0;
}

/* Sequence spaces of a plain stream: any numbers do, they never leave the host. */
static void start_plain(struct pl_conn *conn) {
    PL_ASSERT(conn->state == PL_CONN_NEW);
    pl_send_start(conn, pl_seq64_of(1));
    pl_recv_start(conn, pl_seq64_of(1));
}

int pl_conn_connect(struct pl_conn *conn, plait_port_id port, struct pl_tcp_tuple tuple,
                    plait_time now) {
    struct pl_subflow *sf = NULL;
    if (conn->state != PL_CONN_NEW) {
        return PLAIT_E_BAD_STATE;
    }
    conn->initiator = true;
    conn->checksum = conn->ctx->config.checksum;
    start_plain(conn);
    if (conn->mode == PL_MODE_MPTCP) {
        if (pl_capable_start(conn) < 0) {
            conn->mode = PL_MODE_PLAIN;
        } else {
            conn->capable = PL_CAPABLE_ASKED;
        }
    }
    int rc = first_subflow(conn, port, &tuple, &sf, now);
    if (rc < 0) {
        return rc;
    }
    if (conn->fastopen != NULL && conn->fastopen->cookie.len > 0) {
        pl_tcp_connect_fast(&sf->tcp, conn->fastopen->mss, now);
    } else {
        pl_tcp_connect(&sf->tcp, now);
    }
    pl_conn_touch(conn);
    return 0;
}

bool pl_conn_take_fastopen(struct pl_conn *conn, struct pl_conn_fastopen *out) {
    if (conn->fastopen == NULL) {
        return false;
    }
    *out = *conn->fastopen;
    pl_ctx_free(conn->ctx, conn->fastopen, sizeof *conn->fastopen);
    conn->fastopen = NULL;
    PL_ASSERT(out->said || out->sent_bytes == 0);
    return true;
}

int pl_conn_accept(struct pl_conn *conn, plait_port_id port, struct pl_tcp_tuple tuple,
                   const struct pl_segment *syn, bool hold, plait_time now) {
    struct pl_subflow *sf = NULL;
    PL_ASSERT(conn->state == PL_CONN_NEW);
    start_plain(conn);
    pl_capable_syn_in(conn, syn);
    int rc = first_subflow(conn, port, &tuple, &sf, now);
    if (rc < 0) {
        return rc;
    }
    conn->held = hold;
    pl_tcp_accept(&sf->tcp, syn, hold, now);
    pl_conn_touch(conn);
    return 0;
}

int pl_conn_accept_early(struct pl_conn *conn, plait_port_id port, struct pl_tcp_tuple tuple,
                         const struct pl_segment *syn, struct plait_buf *buf, plait_time now) {
    struct pl_subflow *sf = NULL;
    PL_ASSERT(conn->state == PL_CONN_NEW);
    start_plain(conn);
    pl_capable_syn_in(conn, syn);
    int rc = first_subflow(conn, port, &tuple, &sf, now);
    if (rc < 0) {
        return rc;
    }
    conn->early = true;
    conn->send.window_edge = pl_seq64_add(conn->send.una, syn->window_raw);
    pl_tcp_accept_early(&sf->tcp, syn, buf, now);
    pl_conn_touch(conn);
    return 0;
}

bool pl_conn_is_early(const struct pl_conn *conn) {
    return conn->early;
}

void pl_conn_confirm(struct pl_conn *conn, plait_time now) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (!sf->join && conn->held) {
            conn->held = false;
            pl_tcp_confirm(&sf->tcp, now);
            return;
        }
    }
}

bool pl_conn_gives_reasons(const struct pl_conn *conn) {
    return conn->version->reset_reasons;
}

/* Where we said, with flag C, that we take no joins (RFC 8684 section 3.1). */
static bool to_initial(const struct pl_conn *conn, const struct pl_tcp_tuple *tuple) {
    PL_ASSERT(tuple->local_port != 0);
    return tuple->local_port == conn->tuple.local_port &&
           memcmp(&conn->tuple.local, &tuple->local, sizeof tuple->local) == 0;
}

int pl_conn_join(struct pl_conn *conn, plait_port_id port, struct pl_tcp_tuple tuple,
                 const struct pl_segment *syn, uint8_t *reason, plait_time now) {
    PL_ASSERT(reason != NULL);
    const struct pl_mptcp_options *o = &syn->options.mptcp;
    struct pl_subflow *sf = NULL;
    PL_COUNT(conn->ctx, MPJoinSynRx);
    *reason = PL_RESET_PROHIBITED;
    if (!pl_mptcp_has(o, PL_MP_JOIN) || o->join.len != 12) {
        *reason = PL_RESET_MPTCP;
        return PLAIT_E_PROTOCOL;
    }
    if (!pl_conn_fully_established(conn) || !pl_pm_may_accept(conn) ||
        !pl_conn_may_use(conn, port, &tuple.local)) {
        if (conn->state == PL_CONN_CLOSED) {
            *reason = PL_RESET_MPTCP; /* as for a token that nobody has */
        } else if (!pl_conn_fully_established(conn)) {
            *reason = PL_RESET_UNSPECIFIED; /* will pass */
        }
        PL_COUNT(conn->ctx, MPJoinRejected);
        return PLAIT_E_LIMIT;
    }
    if (conn->ctx->config.deny_join_initial && to_initial(conn, &tuple)) {
        PL_COUNT(conn->ctx, MPJoinRejected);
        return PLAIT_E_LIMIT;
    }
    if (o->join.backup) {
        PL_COUNT(conn->ctx, MPJoinSynBackupRx);
    }
    if (tuple.local_port != conn->tuple.local_port) {
        PL_COUNT(conn->ctx, MPJoinPortSynRx);
    }
    const struct pl_local_endpoint *ep =
        pl_endpoints_find(conn->host->endpoints, port, &tuple.local);
    bool initial =
        conn->port == port && memcmp(&conn->tuple.local, &tuple.local, sizeof tuple.local) == 0;
    struct pl_subflow_setup setup = {
        .port = port,
        .tuple = tuple,
        .join = true,
        .backup = ep != NULL && ep->backup,
        .local_id = initial || ep == NULL ? 0 : ep->id,
        .remote_id = o->join.address_id,
    };
    int rc = pl_subflow_create(conn, &setup, &sf, now);
    if (rc < 0) {
        *reason = PL_RESET_RESOURCES;
        return rc;
    }
    sf->nonce_local = pl_ctx_random32(conn->ctx);
    sf->nonce_remote = o->join.nonce;
    sf->backup_peer = o->join.backup;
    pl_pm_subflow_made(sf, now);
    pl_tcp_accept(&sf->tcp, syn, false, now);
    pl_conn_touch(conn);
    return 0;
}

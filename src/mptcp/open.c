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

/* Whether a join is welcome; how many are half-open is not asked. */
static bool welcome(const struct pl_conn *conn, const struct pl_join_request *join,
                    uint8_t *reason) {
    const struct pl_tcp_tuple *tuple = &join->tuple;
    *reason = PL_RESET_PROHIBITED;
    if (!pl_conn_fully_established(conn)) {
        bool closed = conn->state == PL_CONN_CLOSED; /* as for a token that nobody has */
        *reason = closed ? PL_RESET_MPTCP : PL_RESET_UNSPECIFIED; /* will pass */
        return false;
    }
    if (!pl_pm_may_keep(conn) || !pl_conn_may_use(conn, join->port, &tuple->local)) {
        return false;
    }
    return !conn->ctx->config.deny_join_initial || !to_initial(conn, tuple);
}

static void count_syn(const struct pl_conn *conn, const struct pl_join_request *join) {
    PL_ASSERT(pl_mptcp_has(&join->syn->options.mptcp, PL_MP_JOIN));
    if (join->syn->options.mptcp.join.backup) {
        PL_COUNT(conn->ctx, MPJoinSynBackupRx);
    }
    if (join->tuple.local_port != conn->tuple.local_port) {
        PL_COUNT(conn->ctx, MPJoinPortSynRx);
    }
}

static struct pl_subflow_setup setup_of(const struct pl_conn *conn,
                                        const struct pl_join_request *join) {
    const struct plait_addr *local = &join->tuple.local;
    const struct pl_local_endpoint *ep =
        pl_endpoints_find(conn->host->endpoints, join->port, local);
    bool initial =
        conn->port == join->port && memcmp(&conn->tuple.local, local, sizeof *local) == 0;
    return (struct pl_subflow_setup){
        .port = join->port,
        .tuple = join->tuple,
        .join = true,
        .stateless = join->stateless,
        .backup = ep != NULL && ep->backup,
        .local_id = initial || ep == NULL ? 0 : ep->id,
        .remote_id = join->syn->options.mptcp.join.address_id,
    };
}

bool pl_conn_joins_crowd(const struct pl_conn *conn) {
    PL_ASSERT(conn->ctx != NULL);
    return pl_conn_fully_established(conn) && !pl_pm_may_accept(conn);
}

uint32_t pl_conn_join_stateless(struct pl_conn *conn, const struct pl_join_request *join,
                                uint16_t *window_raw, uint8_t *out, uint32_t room) {
    uint8_t reason;
    struct pl_mptcp_options o = {0};
    if (join->syn->options.mptcp.join.len != 12 || !welcome(conn, join, &reason) || room < 16) {
        return 0;
    }
    PL_COUNT(conn->ctx, MPJoinSynRx);
    count_syn(conn, join);
    struct pl_subflow_setup setup = setup_of(conn, join);
    bool port_backup =
        (conn->host->port_flags(conn->host->arg, join->port) & PLAIT_PORT_BACKUP) != 0;
    uint32_t window = pl_recv_window(conn);
    *window_raw = (uint16_t)(window < UINT16_MAX ? window : UINT16_MAX);
    o.join.len = 16;
    o.join.backup = setup.backup || port_backup;
    o.join.address_id = setup.local_id;
    o.join.nonce = join->nonce;
    pl_join_answer(conn, join->nonce, join->syn->options.mptcp.join.nonce, o.join.hmac);
    return pl_mptcp_write(out, PL_MP_JOIN, &o);
}

int pl_conn_join(struct pl_conn *conn, const struct pl_join_request *join, uint8_t *reason,
                 plait_time now) {
    PL_ASSERT(reason != NULL);
    const struct pl_mptcp_options *o = &join->syn->options.mptcp;
    struct pl_subflow *sf = NULL;
    if (!join->stateless) {
        PL_COUNT(conn->ctx, MPJoinSynRx);
    }
    if (!pl_mptcp_has(o, PL_MP_JOIN) || o->join.len != 12) {
        *reason = PL_RESET_MPTCP;
        return PLAIT_E_PROTOCOL;
    }
    if (!welcome(conn, join, reason) || (!join->stateless && !pl_pm_may_accept(conn))) {
        PL_COUNT(conn->ctx, MPJoinRejected);
        return PLAIT_E_LIMIT;
    }
    if (!join->stateless) {
        count_syn(conn, join);
    }
    struct pl_subflow_setup setup = setup_of(conn, join);
    int rc = pl_subflow_create(conn, &setup, &sf, now);
    if (rc < 0) {
        *reason = PL_RESET_RESOURCES;
        return rc;
    }
    sf->nonce_local = join->stateless ? join->nonce : pl_ctx_random32(conn->ctx);
    sf->nonce_remote = o->join.nonce;
    sf->backup_peer = o->join.backup;
    pl_pm_subflow_made(sf, now);
    pl_tcp_accept(&sf->tcp, join->syn, false, now);
    pl_conn_touch(conn);
    return 0;
}

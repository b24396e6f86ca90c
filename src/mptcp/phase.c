/* mptcp/phase.c - one subflow's life inside its connection.
 *
 * Phases: OPENING -> (PRE ->) UP -> CLOSING -> DEAD. TCP's events drive them. What a subflow held
 * when it died goes to the connection's reinjection list; what to do about the path is the path
 * manager's. */
#include "mptcp/subflow.h"

#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"

enum { JOIN_SECONDS = 3 };

int pl_subflow_create(struct pl_conn *conn, const struct pl_subflow_setup *setup,
                      struct pl_subflow **out, plait_time now) {
    PL_ASSERT(conn->state != PL_CONN_CLOSED);
    PL_ASSERT(setup->port != 0);
    PL_ASSERT(!setup->join || conn->mode == PL_MODE_MPTCP);
    struct pl_flow_port port = {.transparent = conn->transparent && !setup->join};
    struct pl_tcp_tuple tuple = setup->tuple;
    int rc = conn->host->flow_prepare(conn->host->arg, setup->port, &tuple, &port, now);
    if (rc < 0) {
        return rc;
    }
    struct pl_subflow *sf = pl_ctx_alloc(conn->ctx, sizeof *sf);
    if (sf == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    sf->serial = conn->serial_next;
    bool by_cookie = setup->join ? setup->stateless : conn->key_given;
    struct pl_tcp_setup tcp = {
        .tuple = tuple,
        .ops = conn->mode == PL_MODE_MPTCP ? &pl_upper_mptcp : &pl_upper_plain,
        .up = sf,
        .out_list = port.out_list,
        .trace_id = {conn->trace_id.connection, sf->serial},
        .mtu = port.mtu,
        .tso = port.tso,
        .iss = port.iss,
        .ts_offset = port.ts_offset,
        .cc = pl_conn_cc(conn),
        .tuning = pl_conn_tuning(conn),
        .syn_timeout_ns = setup->join && setup->syn_timeout_ns == 0 ? JOIN_SECONDS * PLAIT_NS_PER_S
                                                                    : setup->syn_timeout_ns,
        /* A SYN cookie has promised the stack's scale; nobody knows it but the peer. */
        .receive_buffer_bytes = by_cookie ? 0 : conn->recv.limit_bytes,
    };
    rc = pl_tcp_init(&sf->tcp, conn->ctx, &tcp);
    if (rc < 0) {
        pl_ctx_free(conn->ctx, sf, sizeof *sf);
        return rc;
    }
    conn->serial_next++;
    conn->subflow_count++;
    sf->conn = conn;
    sf->port = setup->port;
    sf->initiator = setup->initiator;
    sf->join = setup->join;
    sf->local_id = setup->local_id;
    sf->remote_id = setup->remote_id;
    sf->backup = setup->backup || port.backup;
    sf->join_resend_at = PLAIT_TIME_NEVER;
    sf->fail_at = PLAIT_TIME_NEVER;
    sf->last_in = now;
    pl_list_init(&sf->maps);
    pl_list_append(&conn->subflows, &sf->link);
    conn->host->flow_add(conn->host->arg, sf);
    sf->flow_added = true;
    PL_CONN_TRACE(conn, sf->serial, now, subflow_open, sf->local_id, sf->remote_id, sf->backup, 0);
    *out = sf;
    return 0;
}

void pl_subflow_destroy(struct pl_subflow *sf) {
    PL_ASSERT(sf->serial != 0);
    struct pl_conn *conn = sf->conn;
    PL_ASSERT(conn->subflow_count > 0);
    if (sf->flow_added) {
        conn->host->flow_remove(conn->host->arg, sf);
    }
    pl_tcp_fini(&sf->tcp);
    pl_map_clear(sf);
    pl_list_remove(&sf->link);
    conn->subflow_count--;
    pl_ctx_free(conn->ctx, sf, sizeof *sf);
}

void pl_subflow_reset(struct pl_subflow *sf, uint8_t reason, bool transient, int error,
                      plait_time now) {
    PL_ASSERT(error < 0);
    if (sf->phase == PL_SF_DEAD) {
        return;
    }
    sf->reset_reason = reason;
    sf->reset_transient = transient;
    sf->conn->broken = sf->conn->broken || reason == PL_RESET_MIDDLEBOX;
    pl_tcp_abort(&sf->tcp, error, now);
    pl_conn_touch(sf->conn);
}

void pl_subflow_close(struct pl_subflow *sf, plait_time now) {
    if (sf->phase == PL_SF_DEAD) {
        return;
    }
    if (sf->phase == PL_SF_OPENING) {
        pl_subflow_reset(sf, PL_RESET_UNSPECIFIED, false, PLAIT_E_ABORTED, now);
        return;
    }
    if (sf->conn->mode == PL_MODE_MPTCP) {
        sf->phase = PL_SF_CLOSING;
    }
    pl_tcp_shutdown(&sf->tcp, now);
}

bool pl_subflow_usable(const struct pl_subflow *sf) {
    return sf->phase == PL_SF_UP;
}

bool pl_subflow_replaceable(const struct pl_subflow *sf) {
    PL_ASSERT(sf->conn != NULL);
    PL_SUBFLOW_FOREACH(other, sf->conn) {
        if (other != sf && other->phase == PL_SF_UP && !other->stale) {
            return true;
        }
    }
    return false;
}

bool pl_subflow_acks_data(const struct pl_subflow *sf, const struct pl_segment *seg) {
    bool sent = sf->tcp.stats.bytes_sent > 0; /* else it may be our FIN */
    return sent && pl_seq32_lt(pl_seq32_add(pl_fastopen_ssn_out(sf), 1), seg->ack);
}

struct pl_subflow *pl_conn_subflow(const struct pl_conn *conn, uint32_t serial) {
    PL_ASSERT(serial != 0);
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->serial == serial) {
            return sf;
        }
    }
    return NULL;
}

struct pl_subflow *pl_conn_signal_subflow(const struct pl_conn *conn) {
    struct pl_subflow *best = NULL;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->phase != PL_SF_UP && sf->phase != PL_SF_CLOSING) {
            continue;
        }
        if (best == NULL || (best->phase == PL_SF_CLOSING && sf->phase == PL_SF_UP) ||
            (best->stale && !sf->stale)) {
            best = sf;
        }
    }
    return best;
}

void pl_conn_kick(struct pl_conn *conn) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->phase == PL_SF_UP) {
            sf->declined = false;
            pl_tcp_kick(&sf->tcp);
        }
    }
}

/* What stayed open only because nothing else was up can follow the peer's FIN now. */
static void end_half_closed(struct pl_conn *conn, const struct pl_subflow *fresh, plait_time now) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf != fresh && sf->phase == PL_SF_UP &&
            pl_tcp_state(&sf->tcp) == PL_TCP_ST_CLOSE_WAIT) {
            pl_subflow_close(sf, now);
        }
    }
}

void pl_subflow_up(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->join || sf->phase != PL_SF_PRE);
    struct pl_conn *conn = sf->conn;
    if (sf->phase != PL_SF_OPENING && sf->phase != PL_SF_PRE) {
        return;
    }
    sf->phase = PL_SF_UP;
    sf->probed_at = 0; /* what the handshake needed goes */
    sf->fail_dsn = pl_seq64_of(0);
    end_half_closed(conn, sf, now);
    if (conn->pm != NULL) {
        pl_pm_subflow_up(sf, now);
    }
    if (conn->mode == PL_MODE_MPTCP) {
        pl_conn_say(conn, PLAIT_EVENT_SF_ESTABLISHED, sf, 0, sf->remote_id);
    }
    pl_conn_kick(conn);
    pl_conn_touch(conn);
}

static void established(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->phase == PL_SF_OPENING);
    struct pl_conn *conn = sf->conn;
    if (!sf->join) {
        pl_subflow_up(sf, now);
        pl_conn_opened(conn, now);
        return;
    }
    if (sf->initiator) { /* the third ACK carries the HMAC; its ACK must come first */
        sf->phase = PL_SF_PRE;
        pl_conn_touch(conn);
        return;
    }
    pl_subflow_up(sf, now);
    pl_tcp_ack_now(&sf->tcp); /* the initiator may not send before (RFC 8684 section 3.2) */
}

/* The first subflow ended: what that means for a connection in plain mode, or one that never
 * opened. */
static void only_subflow_closed(struct pl_subflow *sf, int error, plait_time now) {
    PL_ASSERT(!sf->join);
    PL_ASSERT(error <= 0);
    struct pl_conn *conn = sf->conn;
    if (conn->state != PL_CONN_OPEN && conn->state != PL_CONN_OPENING) {
        return;
    }
    if (error == 0 && conn->recv.fin_reached && conn->send.fin_wanted) {
        conn->send.fin_acked = true;
    }
    pl_conn_closed(conn, error, now);
}

void pl_subflow_say_closed(struct pl_subflow *sf, int error) {
    PL_ASSERT(error <= 0);
    if (!sf->closed_said) {
        sf->closed_said = true;
        pl_conn_say(sf->conn, PLAIT_EVENT_SF_CLOSED, sf, error, sf->remote_id);
    }
}

static void closed(struct pl_subflow *sf, int error, plait_time now) {
    PL_ASSERT(error <= 0);
    PL_ASSERT(sf->phase != PL_SF_DEAD);
    struct pl_conn *conn = sf->conn;
    bool was_opening = sf->phase == PL_SF_OPENING;
    PL_CONN_TRACE(conn, sf->serial, now, subflow_close, sf->reset_reason, (uint64_t)(int64_t)error,
                  0, 0);
    sf->phase = PL_SF_DEAD;
    pl_conn_touch(conn);
    if (conn->mode == PL_MODE_PLAIN) {
        if (!sf->join) {
            only_subflow_closed(sf, error, now);
        }
        return;
    }
    if (!sf->join && (conn->state != PL_CONN_OPEN || conn->capable != PL_CAPABLE_CONFIRMED)) {
        /* Nothing can be joined to it (RFC 8684 section 3.1). */
        only_subflow_closed(sf, error, now);
        return;
    }
    if (!was_opening) {
        pl_reinject_subflow(sf, now);
    }
    if (conn->state == PL_CONN_CLOSED) {
        return;
    }
    pl_subflow_say_closed(sf, error);
    if (conn->pm != NULL) {
        pl_pm_subflow_closed(sf, error, now);
    }
}

/* Whether the connection can do without it: another one is up, or both streams have ended. The last
 * one stays open in our direction, for the peer's FIN ends only its own. */
static bool spare(const struct pl_subflow *sf) {
    const struct pl_conn *conn = sf->conn;
    PL_SUBFLOW_FOREACH(other, conn) {
        if (other != sf && other->phase == PL_SF_UP) {
            return true;
        }
    }
    return conn->state != PL_CONN_OPEN || (conn->recv.fin_known && conn->send.fin_acked);
}

/* The peer's FIN: in plain mode the end of the stream, else the end of this subflow only
 * (RFC 8684 section 3.3.3). */
static void fin_in(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->phase != PL_SF_DEAD);
    struct pl_conn *conn = sf->conn;
    if (conn->mode == PL_MODE_PLAIN) {
        pl_recv_fin(conn, conn->recv.nxt, now);
        return;
    }
    if (sf->doubtful) { /* the answer to MP_FAIL may come late: see pl_fallback */
        return;
    }
    if (sf->unmapped != NULL) { /* a stream whose mappings were lost on the way has ended */
        pl_subflow_reset(sf, PL_RESET_MIDDLEBOX, false, PLAIT_E_PROTOCOL, now);
        return;
    }
    if ((sf->phase == PL_SF_UP || sf->phase == PL_SF_PRE) && spare(sf)) {
        sf->phase = PL_SF_CLOSING;
        pl_tcp_shutdown(&sf->tcp, now);
        pl_conn_kick(conn);
    }
    pl_conn_touch(conn);
}

void pl_subflow_event(void *up, enum pl_tcp_event event, int64_t arg, plait_time now) {
    struct pl_subflow *sf = up;
    switch (event) {
        case PL_TCP_ESTABLISHED:
            established(sf, now);
            break;
        case PL_TCP_RTO:
            pl_stale_rto(sf, arg, now);
            break;
        case PL_TCP_PROGRESS:
            pl_stale_recovered(sf, now);
            break;
        case PL_TCP_FIN_IN:
            fin_in(sf, now);
            break;
        case PL_TCP_CLOSED:
            closed(sf, (int)arg, now);
            break;
    }
}

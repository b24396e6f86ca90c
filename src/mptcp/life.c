/* mptcp/life.c - a connection as a whole: birth, end, and the deferred work between.
 *
 * Everything that must not happen while TCP code is on the stack (freeing a subflow, opening one,
 * retransmitting at the data level) is done in pl_conn_settle(). Engine code only marks the
 * connection with pl_conn_touch(). One heap timer per connection stands for the earliest of the
 * modules' deadlines; when it fires it just touches the connection. */
#include "mptcp/conn.h"

#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/sched/sched.h"
#include "mptcp/subflow.h"

static void timer_fired(struct pl_timer *timer, plait_time now) {
    (void)now;
    pl_conn_touch(PL_CONTAINER(timer, struct pl_conn, timer));
}

int pl_conn_create(struct pl_conn **out, struct pl_ctx *ctx, const struct pl_conn_host *host,
                   const struct pl_conn_setup *setup) {
    struct pl_conn *conn = pl_ctx_alloc(ctx, sizeof *conn);
    const struct plait_config *c = &ctx->config;
    if (conn == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    if (pl_ctx_timers_add(ctx, 1) < 0) {
        pl_ctx_free(ctx, conn, sizeof *conn);
        return PLAIT_E_NO_MEMORY;
    }
    conn->ctx = ctx;
    ctx->memory.sharers++;
    conn->host = host;
    conn->trace_id.connection = setup->serial;
    conn->transparent = setup->transparent;
    conn->mode = setup->mptcp ? PL_MODE_MPTCP : PL_MODE_PLAIN;
    conn->versions = setup->versions & 3u;
    conn->version = pl_version_offered(ctx, setup->versions);
    conn->key_given = setup->has_key;
    conn->keys.local_key = setup->has_key ? setup->key : 0;
    conn->sched = &pl_sched_lowest_rtt;
    conn->serial_next = 1;
    conn->no_subflow_since = PLAIT_TIME_NEVER;
    conn->orphan_since = PLAIT_TIME_NEVER;
    pl_list_init(&conn->subflows);
    pl_list_init(&conn->settle_link);
    pl_timer_init(&conn->timer, timer_fired);
    pl_send_init(conn, setup->send_buffer_bytes ? setup->send_buffer_bytes : c->send_buffer_bytes);
    pl_recv_init(
        conn, setup->receive_buffer_bytes ? setup->receive_buffer_bytes : c->receive_buffer_bytes);
    if ((setup->policy != NULL && pl_conn_set_policy(conn, setup->policy) != 0) ||
        (setup->sched != NULL && pl_sched_set(conn, setup->sched) != 0) ||
        (setup->tuning != NULL && pl_conn_tune(conn, setup->tuning, 0) != 0)) {
        pl_conn_destroy(conn);
        return PLAIT_E_NO_MEMORY;
    }
    if (setup->grant.len > 0) {
        conn->grant = pl_ctx_alloc(ctx, sizeof *conn->grant);
        if (conn->grant != NULL) { /* else the peer has to ask again */
            *conn->grant = setup->grant;
        }
    }
    if (setup->fastopen != NULL) {
        conn->fastopen = pl_ctx_alloc(ctx, sizeof *conn->fastopen);
        if (conn->fastopen != NULL) { /* else it is the usual handshake */
            *conn->fastopen = *setup->fastopen;
        }
    }
    *out = conn;
    return 0;
}

void pl_conn_destroy(struct pl_conn *conn) {
    PL_ASSERT(conn->ctx != NULL && conn->host != NULL);
    struct pl_ctx *ctx = conn->ctx;
    PL_LIST_FOREACH_SAFE(link, &conn->subflows) {
        pl_subflow_destroy(pl_subflow_of_link(link));
    }
    PL_ASSERT(conn->subflow_count == 0);
    if (conn->token_added) {
        conn->host->token_remove(conn->host->arg, conn);
    }
    conn->state = PL_CONN_CLOSED;
    pl_conn_count(conn);
    pl_reinject_clear(conn);
    pl_send_fini(conn);
    pl_recv_fini(conn);
    if (conn->grant != NULL) {
        pl_ctx_free(ctx, conn->grant, sizeof *conn->grant);
    }
    if (conn->fastopen != NULL) {
        pl_ctx_free(ctx, conn->fastopen, sizeof *conn->fastopen);
    }
    pl_sched_fini(conn);
    pl_pm_fini(conn);
    pl_conn_policy_fini(conn);
    pl_conn_tune_fini(conn);
    pl_list_remove(&conn->settle_link);
    pl_timer_cancel(&ctx->timers, &conn->timer);
    pl_ctx_timers_sub(ctx, 1);
    PL_ASSERT(ctx->memory.sharers > 0);
    ctx->memory.sharers--;
    pl_ctx_free(ctx, conn, sizeof *conn);
}

void pl_conn_count(struct pl_conn *conn) {
    bool established = conn->mode == PL_MODE_MPTCP && conn->capable == PL_CAPABLE_CONFIRMED &&
                       conn->state != PL_CONN_CLOSED;
    if (established != conn->counted) {
        conn->counted = established;
        conn->ctx->counters[PLAIT_COUNTER_MPCurrEstab] += established ? 1 : UINT64_MAX;
    }
    pl_report_life(conn);
}

void pl_conn_touch(struct pl_conn *conn) {
    if (!pl_list_linked(&conn->settle_link)) {
        pl_list_append(conn->host->settle_list, &conn->settle_link);
    }
}

void pl_conn_say(struct pl_conn *conn, enum plait_event_type type, const struct pl_subflow *sf,
                 int error, uint8_t id) {
    PL_ASSERT(type != PLAIT_EVENT_NONE);
    PL_ASSERT(error <= 0);
    struct plait_event event = {.type = type, .error = error, .id = id};
    if (sf != NULL) {
        event.port = sf->port;
        event.serial = sf->serial;
        event.backup = sf->backup || sf->backup_peer;
        pl_report_path(sf, type, error, id);
    }
    conn->host->event(conn->host->arg, conn, &event);
}

bool pl_conn_fully_established(const struct pl_conn *conn) {
    return conn->mode == PL_MODE_MPTCP && conn->capable == PL_CAPABLE_CONFIRMED &&
           conn->state == PL_CONN_OPEN;
}

void pl_conn_opened(struct pl_conn *conn, plait_time now) {
    PL_ASSERT(conn->error == 0);
    if (conn->state != PL_CONN_OPENING) {
        return;
    }
    PL_CONN_TRACE(conn, 0, now, conn_state, conn->state, PL_CONN_OPEN, conn->mode, 0);
    conn->state = PL_CONN_OPEN;
    conn->held = false;
    conn->connected_said = true;
    conn->send.progress = now;
    pl_report_life(conn);
    pl_conn_say(conn, PLAIT_EVENT_CONNECTED, NULL, 0, 0);
    pl_conn_say(conn, PLAIT_EVENT_WRITABLE, NULL, 0, 0);
}

/* The peer has ended, all our bytes have arrived, and only the DATA_ACK of our DATA_FIN is missing:
 * the peer may be gone because for it everything is over. TCP makes no error of that, either
 * (RFC 9293 section 3.10.7.4, RST in LAST-ACK). */
static bool only_goodbye_missing(const struct pl_conn *conn) {
    return conn->mode == PL_MODE_MPTCP && conn->recv.fin_reached && conn->send.fin_sent &&
           pl_seq64_eq(conn->send.una, conn->send.end);
}

void pl_conn_closed(struct pl_conn *conn, int error, plait_time now) {
    PL_ASSERT(error <= 0);
    if (conn->state == PL_CONN_CLOSED) {
        return;
    }
    if ((error == PLAIT_E_RESET || error == PLAIT_E_TIMED_OUT) && only_goodbye_missing(conn)) {
        error = 0;
    }
    PL_CONN_TRACE(conn, 0, now, conn_state, conn->state, PL_CONN_CLOSED, conn->mode, 0);
    conn->state = PL_CONN_CLOSED;
    pl_conn_count(conn);
    conn->error = error;
    conn->closed_at = now;
    conn->closed_said = true;
    if (error < 0) {
        pl_reinject_clear(conn);
    }
    pl_report_closed(conn);
    pl_conn_say(conn, error < 0 ? PLAIT_EVENT_ERROR : PLAIT_EVENT_CLOSED, NULL, error, 0);
    pl_conn_touch(conn);
}

/* Frees subflows that are through; notes when the last one that worked is gone. */
static void reap(struct pl_conn *conn, plait_time now) {
    bool alive = false;
    PL_LIST_FOREACH_SAFE(link, &conn->subflows) {
        struct pl_subflow *sf = pl_subflow_of_link(link);
        if (sf->phase == PL_SF_DEAD && pl_tcp_finished(&sf->tcp)) {
            pl_subflow_destroy(sf);
            continue;
        }
        if (conn->state == PL_CONN_OPEN && conn->mode == PL_MODE_MPTCP &&
            pl_tcp_state(&sf->tcp) == PL_TCP_ST_TIME_WAIT) {
            pl_subflow_say_closed(sf, 0); /* not a minute later */
        }
        alive = alive || (sf->phase != PL_SF_DEAD && sf->phase != PL_SF_OPENING);
    }
    if (alive || conn->state != PL_CONN_OPEN) {
        conn->no_subflow_since = PLAIT_TIME_NEVER;
    } else if (conn->no_subflow_since == PLAIT_TIME_NEVER) {
        conn->no_subflow_since = now;
    }
}

/* In doubt nothing is opened or announced: the answer decides whether there is MPTCP. */
static bool has_paths(const struct pl_conn *conn) {
    return conn->pm != NULL && !pl_conn_in_doubt(conn);
}

static plait_time earliest(const struct pl_conn *conn) {
    plait_time pm = has_paths(conn) ? pl_pm_deadline(conn) : PLAIT_TIME_NEVER;
    plait_time t[6] = {
        pl_join_deadline(conn),  pl_reinject_deadline(conn), pl_close_deadline(conn),
        pl_stale_deadline(conn), pl_fail_deadline(conn),     pm,
    };
    plait_time first = PLAIT_TIME_NEVER;
    for (unsigned i = 0; i < 6; i++) {
        first = t[i] < first ? t[i] : first;
    }
    return first;
}

bool pl_conn_settle(struct pl_conn *conn, plait_time now) {
    PL_ASSERT(conn->state != PL_CONN_NEW || pl_list_empty(&conn->subflows));
    pl_list_remove(&conn->settle_link);
    reap(conn, now);
    pl_join_run(conn, now);
    pl_fail_run(conn, now);
    pl_stale_run(conn, now);
    pl_reinject_run(conn, now);
    pl_close_run(conn, now);
    if (has_paths(conn)) {
        pl_pm_run(conn, now);
    }
    reap(conn, now);
    if (conn->state == PL_CONN_CLOSED && pl_list_empty(&conn->subflows)) {
        pl_timer_cancel(&conn->ctx->timers, &conn->timer);
        return true;
    }
    pl_timer_arm(&conn->ctx->timers, &conn->timer, earliest(conn));
    return false;
}

static void check_subflow(const struct pl_subflow *sf) {
    const struct pl_conn *conn = sf->conn;
    PL_ASSERT(sf->serial != 0 && sf->serial < conn->serial_next);
    PL_ASSERT(sf->flow_added);
    PL_ASSERT(sf->join || sf->initiator == conn->initiator);
    PL_ASSERT(sf->phase <= PL_SF_DEAD);
    PL_ASSERT(sf->phase != PL_SF_PRE || (sf->join && sf->initiator));
    PL_ASSERT(sf->phase != PL_SF_DEAD || pl_tcp_state(&sf->tcp) == PL_TCP_ST_CLOSED);
    PL_ASSERT(sf->phase != PL_SF_OPENING || !sf->stale);
    PL_ASSERT(!sf->join || sf->phase == PL_SF_DEAD || conn->mode == PL_MODE_MPTCP);
    pl_map_check(sf);
    pl_tcp_check(&sf->tcp);
}

void pl_conn_check(const struct pl_conn *conn) {
    uint32_t count = 0, first = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        PL_ASSERT(sf->conn == conn);
        check_subflow(sf);
        first += sf->join ? 0 : 1;
        count++;
    }
    PL_ASSERT(count == conn->subflow_count);
    PL_ASSERT(first <= 1);
    PL_ASSERT(conn->error <= 0);
    PL_ASSERT(conn->state == PL_CONN_CLOSED || conn->error == 0);
    PL_ASSERT(conn->mode == PL_MODE_MPTCP || !pl_conn_fully_established(conn));
    PL_ASSERT(conn->mode == PL_MODE_MPTCP || conn->subflow_count <= 1 ||
              conn->state == PL_CONN_CLOSED || conn->fallen_back);
    PL_ASSERT(!conn->token_added || conn->mode == PL_MODE_MPTCP || conn->fallen_back);
    pl_send_check(conn);
    pl_recv_check(conn);
    if (conn->pm != NULL) {
        pl_pm_check(conn);
    }
}

/* mptcp/tune.c - socket options on their way to the subflows.
 *
 * A connection has one struct of settings (tcp/tuning.h) and all its subflows point to it. It is
 * made when the application sets the first option; until then they point to the defaults. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/sched/sched.h"

const struct pl_tcp_tuning *pl_conn_tuning(const struct pl_conn *conn) {
    return conn->tuning != NULL ? conn->tuning : &pl_tcp_tuning_default;
}

uint8_t pl_conn_cc(const struct pl_conn *conn) {
    uint8_t own = pl_conn_tuning(conn)->cc;
    return own > 0 ? (uint8_t)(own - 1) : conn->ctx->config.cc;
}

int pl_conn_tune(struct pl_conn *conn, const struct pl_tcp_tuning *tuning, plait_time now) {
    PL_ASSERT(tuning != NULL);
    bool told = pl_conn_tuning(conn)->uto_s == tuning->uto_s;
    if (conn->tuning == NULL) {
        conn->tuning = pl_ctx_alloc(conn->ctx, sizeof(*conn->tuning));
    }
    if (conn->tuning == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    bool other_cc = tuning->cc > 0 && tuning->cc != conn->tuning->cc;
    *conn->tuning = *tuning;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (other_cc) {
            pl_tcp_set_cc(&sf->tcp, (uint8_t)(tuning->cc - 1));
        }
        pl_tcp_tuned(&sf->tcp, conn->tuning, now);
        if (!told) {
            pl_tcp_uto_advertise(&sf->tcp);
        }
    }
    pl_recv_tuned(conn);
    pl_conn_touch(conn);
    return 0;
}

int pl_conn_schedule(struct pl_conn *conn, const struct pl_sched *sched) {
    PL_ASSERT(sched != NULL);
    return pl_sched_set(conn, sched);
}

/* There is one subflow where it is in use: plain TCP. */
uint32_t pl_conn_peer_uto_s(const struct pl_conn *conn) {
    uint32_t seconds = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        seconds = pl_tcp_uto_peer_s(&sf->tcp);
    }
    PL_ASSERT(seconds <= PL_TCP_UTO_MAX_S);
    return seconds;
}

void pl_conn_tune_fini(struct pl_conn *conn) {
    if (conn->tuning != NULL) {
        pl_ctx_free(conn->ctx, conn->tuning, sizeof(*conn->tuning));
    }
    conn->tuning = NULL;
}

/* RFC 5482 says how long what was written may wait for its acknowledgement; a connection with
 * several subflows outlives each of them, so the question is put here once more. */
plait_time pl_conn_user_deadline(const struct pl_conn *conn) {
    uint32_t patience_ms = pl_conn_tuning(conn)->user_timeout_ms;
    bool waits = conn->state == PL_CONN_OPEN && pl_seq64_lt(conn->send.una, conn->send.end);
    if (patience_ms == 0 || !waits || conn->mode != PL_MODE_MPTCP) {
        return PLAIT_TIME_NEVER;
    }
    return conn->send.progress + patience_ms * PLAIT_NS_PER_MS;
}

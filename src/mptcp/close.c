/* mptcp/close.c - how a connection ends (RFC 8684 sections 3.3.3 and 3.5).
 *
 * Orderly: the application shuts its direction down; DATA_FIN follows the last byte, on the last
 * mapping or alone on an ACK, and is repeated until it is DATA_ACKed. When both directions have
 * ended, all subflows get a FIN and the connection is CLOSED; the subflows linger as TCP wants.
 * Abrupt: RSTs with MP_FASTCLOSE, in version 0 an ACK with it on one subflow, repeated until that
 * is reset (RFC 6824 section 3.5). In plain mode FIN and RST of the one subflow do all that. Three
 * patiences bound the rest: a socket nobody holds (orphan), a connection without subflows, subflows
 * of a closed connection. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/keys.h"
#include "mptcp/subflow.h"

enum { FASTCLOSES_AGAIN = 3 }; /* RFC 6824 section 3.5 */

static struct pl_subflow *first_subflow(const struct pl_conn *conn) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (!sf->join) {
            return sf;
        }
    }
    return NULL;
}

int pl_conn_shutdown(struct pl_conn *conn, plait_time now) {
    if (conn->error < 0) {
        return conn->error;
    }
    if (conn->state == PL_CONN_NEW) {
        return PLAIT_E_BAD_STATE;
    }
    if (conn->send.fin_wanted || conn->state == PL_CONN_CLOSED) {
        return 0;
    }
    conn->send.fin_wanted = true;
    struct pl_subflow *sf = first_subflow(conn);
    if (conn->mode == PL_MODE_PLAIN && sf != NULL) {
        pl_tcp_shutdown(&sf->tcp, now);
    }
    pl_conn_kick(conn); /* what waited for more to come waits no longer */
    pl_conn_touch(conn);
    return 0;
}

void pl_conn_orphan(struct pl_conn *conn, plait_time now) {
    if (conn->abort_error != 0) {
        return; /* pl_conn_abort_delivered has made it one */
    }
    conn->orphan = true;
    conn->orphan_since = now;
    if (conn->state == PL_CONN_NEW) {
        conn->state = PL_CONN_CLOSED;
    } else if (conn->recv.ready_bytes > 0 && conn->state != PL_CONN_CLOSED) {
        pl_conn_abort(conn, PLAIT_E_ABORTED,
                      now); /* RFC 9293 section 3.10.4: data is lost, say so */
    } else if (conn->state != PL_CONN_CLOSED) {
        (void)pl_conn_shutdown(conn, now);
    }
    pl_conn_touch(conn);
}

void pl_conn_abort(struct pl_conn *conn, int error, plait_time now) {
    bool silent = conn->held && error != PLAIT_E_REFUSED;
    if (conn->state == PL_CONN_CLOSED) {
        return;
    }
    uint8_t known = conn->version->fastclose_on_rst ? PL_CAPABLE_KEYS : PL_CAPABLE_CONFIRMED;
    conn->fastclose = conn->mode == PL_MODE_MPTCP && conn->capable >= known;
    pl_conn_closed(conn, error, now);
    struct pl_subflow *teller = pl_conn_fastclosing(conn) ? pl_conn_signal_subflow(conn) : NULL;
    conn->send.fin_resend = teller != NULL ? now : PLAIT_TIME_NEVER;
    conn->send.fin_backoff = 0;
    PL_LIST_FOREACH_SAFE(link, &conn->subflows) {
        struct pl_subflow *sf = pl_subflow_of_link(link);
        if (sf == teller) {
            continue;
        }
        if (silent) {
            pl_subflow_destroy(sf);
        } else {
            pl_subflow_reset(sf, PL_RESET_UNSPECIFIED, false, error, now);
        }
    }
    pl_conn_touch(conn);
}

bool pl_conn_fastclosing(const struct pl_conn *conn) {
    return conn->fastclose && conn->state == PL_CONN_CLOSED && !conn->version->fastclose_on_rst;
}

/* Both ends may do so at once: then the answer is a reset, too. */
enum pl_verdict pl_fastclosing_in(struct pl_subflow *sf, const struct pl_segment *seg) {
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    PL_ASSERT(pl_conn_fastclosing(sf->conn));
    bool as_well = pl_mptcp_has(o, PL_MP_FASTCLOSE) &&
                   pl_key_equal(o->fastclose.key_receiver, sf->conn->keys.local_key);
    PL_COUNT_N(sf->conn->ctx, MPFastcloseRx, as_well ? 1 : 0);
    return as_well ? PL_VERDICT_RESET : PL_VERDICT_DROP;
}

void pl_conn_abort_delivered(struct pl_conn *conn, int error, plait_time now) {
    PL_ASSERT(error < 0);
    if (conn->state != PL_CONN_OPEN || pl_seq64_eq(conn->send.una, conn->send.end)) {
        pl_conn_abort(conn, error, now);
        return;
    }
    conn->abort_error = (int16_t)error;
    conn->orphan = true;
    conn->orphan_since = now;
    pl_conn_touch(conn);
}

enum pl_verdict pl_fastclose_in(struct pl_subflow *sf, const struct pl_segment *seg,
                                enum pl_seg_kind kind, plait_time now) {
    PL_ASSERT(pl_mptcp_has(&seg->options.mptcp, PL_MP_FASTCLOSE));
    PL_ASSERT(sf->phase != PL_SF_DEAD);
    struct pl_conn *conn = sf->conn;
    if (!pl_key_equal(seg->options.mptcp.fastclose.key_receiver, conn->keys.local_key) ||
        conn->capable < PL_CAPABLE_KEYS) {
        return PL_VERDICT_DROP;
    }
    PL_COUNT(conn->ctx, MPFastcloseRx);
    pl_conn_closed(conn, PLAIT_E_RESET, now);
    PL_SUBFLOW_FOREACH(other, conn) {
        if (other != sf) {
            pl_subflow_reset(other, PL_RESET_UNSPECIFIED, false, PLAIT_E_RESET, now);
        }
    }
    return kind == PL_SEG_RST ? PL_VERDICT_OK : PL_VERDICT_RESET;
}

/* ---- DATA_FIN ---- */

/* The peer must have our keys first: without them it takes the segment for plain TCP. */
static bool data_fin_due(const struct pl_conn *conn) {
    return conn->mode == PL_MODE_MPTCP && conn->state == PL_CONN_OPEN && conn->send.fin_wanted &&
           !conn->send.fin_acked && pl_send_all_sent(conn) && conn->capable >= PL_CAPABLE_KEYS &&
           (conn->keys_sent || !conn->initiator);
}

static uint64_t fin_interval(const struct pl_conn *conn, const struct pl_subflow *sf) {
    PL_ASSERT(sf->conn == conn);
    PL_ASSERT(sf->phase == PL_SF_UP || sf->phase == PL_SF_CLOSING);
    uint64_t by_rtt = sf->tcp.rtt.srtt_ns + 4 * sf->tcp.rtt.rttvar_ns;
    uint64_t base = by_rtt < 200 * PLAIT_NS_PER_MS ? 200 * PLAIT_NS_PER_MS : by_rtt;
    return base << (conn->send.fin_backoff > 6 ? 6 : conn->send.fin_backoff);
}

/* Nothing but its DATA_ACK tells whether a bare DATA_FIN arrived, and the subflow may be dead
 * without knowing: every repetition takes the next one. */
static struct pl_subflow *fin_subflow(const struct pl_conn *conn) {
    uint32_t usable = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        usable += pl_subflow_usable(sf) ? 1 : 0;
    }
    uint32_t turn = usable > 0 && conn->send.fin_sent ? conn->send.fin_backoff % usable + 1 : 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (turn > 0 && pl_subflow_usable(sf) && --turn == 0) {
            return sf;
        }
    }
    return pl_conn_signal_subflow(conn);
}

static void data_fin_run(struct pl_conn *conn, plait_time now) {
    PL_ASSERT(conn->state != PL_CONN_NEW || !conn->send.fin_wanted);
    struct pl_send *s = &conn->send;
    struct pl_subflow *sf = pl_conn_signal_subflow(conn);
    if (!data_fin_due(conn) || sf == NULL) {
        return;
    }
    if (s->fin_sent && s->fin_resend == PLAIT_TIME_NEVER) { /* it went out with data */
        s->fin_resend = now + fin_interval(conn, sf);
        return;
    }
    if (s->fin_sent && now < s->fin_resend) {
        return;
    }
    s->fin_resend = now + fin_interval(conn, sf);
    if (s->fin_sent) {
        s->fin_backoff++;
    }
    sf = fin_subflow(conn);
    s->fin_sent = true;
    conn->fin_on_ack = true;
    pl_tcp_ack_now(&sf->tcp);
}

static void fastclose_run(struct pl_conn *conn, plait_time now) {
    struct pl_send *s = &conn->send;
    struct pl_subflow *sf = pl_conn_signal_subflow(conn);
    if (!pl_conn_fastclosing(conn) || sf == NULL || now < s->fin_resend) {
        return;
    }
    if (s->fin_backoff > FASTCLOSES_AGAIN) {
        pl_subflow_reset(sf, PL_RESET_UNSPECIFIED, false, PLAIT_E_TIMED_OUT, now);
        return;
    }
    s->fin_resend = now + fin_interval(conn, sf);
    s->fin_backoff++;
    pl_tcp_ack_now(&sf->tcp);
}

/* ---- the end ---- */

static void finish(struct pl_conn *conn, plait_time now) {
    struct pl_subflow *first = first_subflow(conn);
    if (conn->state != PL_CONN_OPEN || !conn->recv.fin_reached) {
        return;
    }
    if (conn->mode == PL_MODE_PLAIN) {
        if (first != NULL && pl_tcp_state(&first->tcp) == PL_TCP_ST_TIME_WAIT) {
            pl_conn_closed(conn, 0, now);
        }
        return;
    }
    if (!conn->send.fin_acked) {
        return;
    }
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->stale) { /* a FIN would wait behind what a dead path holds */
            pl_subflow_reset(sf, PL_RESET_PERFORMANCE, false, PLAIT_E_TIMED_OUT, now);
        } else {
            pl_subflow_close(sf, now);
        }
    }
    pl_conn_closed(conn, 0, now);
}

/* Everything of ours has arrived, the end included, and the peer goes on (RFC 9293 section 3.3.2;
 * for MPTCP RFC 8684 section 3.3.3). */
static bool fin_wait_2(const struct pl_conn *conn) {
    const struct pl_subflow *first = first_subflow(conn);
    if (conn->mode == PL_MODE_MPTCP) {
        return conn->send.fin_acked;
    }
    return first != NULL && pl_tcp_state(&first->tcp) == PL_TCP_ST_FIN_WAIT_2;
}

static plait_time orphan_deadline(const struct pl_conn *conn) {
    PL_ASSERT(conn->orphan == (conn->orphan_since != PLAIT_TIME_NEVER));
    if (!conn->orphan || conn->state == PL_CONN_CLOSED) {
        return PLAIT_TIME_NEVER;
    }
    plait_time since =
        conn->send.progress > conn->orphan_since ? conn->send.progress : conn->orphan_since;
    uint64_t patience = conn->ctx->config.orphan_ns;
    uint64_t linger2 = pl_conn_tuning(conn)->linger2_s * PLAIT_NS_PER_S;
    return since + (fin_wait_2(conn) && linger2 < patience ? linger2 : patience);
}

static plait_time lonely_deadline(const struct pl_conn *conn) {
    return conn->no_subflow_since == PLAIT_TIME_NEVER || conn->state != PL_CONN_OPEN
               ? PLAIT_TIME_NEVER
               : conn->no_subflow_since + conn->ctx->config.no_subflow_ns;
}

/* Subflow after subflow, and none delivers: there is no working one, either. */
static plait_time fruitless_deadline(const struct pl_conn *conn) {
    return conn->broken && conn->state == PL_CONN_OPEN && pl_send_outstanding(conn)
               ? conn->send.progress + conn->ctx->config.no_subflow_ns
               : PLAIT_TIME_NEVER;
}

/* Subflows of a closed connection that cannot finish by themselves. */
static plait_time linger_deadline(const struct pl_conn *conn) {
    PL_ASSERT(conn->state != PL_CONN_CLOSED || conn->closed_said || !conn->connected_said);
    if (conn->state != PL_CONN_CLOSED) {
        return PLAIT_TIME_NEVER;
    }
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->phase != PL_SF_DEAD && pl_tcp_state(&sf->tcp) != PL_TCP_ST_TIME_WAIT) {
            return conn->closed_at + conn->ctx->config.orphan_ns;
        }
    }
    return PLAIT_TIME_NEVER;
}

static void orphan_run(struct pl_conn *conn, plait_time now) {
    bool delivered = pl_seq64_eq(conn->send.una, conn->send.end);
    if (!conn->orphan || conn->state == PL_CONN_CLOSED) {
        return;
    }
    if (conn->abort_error != 0) {
        pl_recv_discard(conn, now);
    }
    if (conn->abort_error != 0 && delivered) {
        pl_conn_abort(conn, conn->abort_error, now);
    } else if (now >= orphan_deadline(conn) ||
               (conn->recv.ready_bytes > 0 && conn->abort_error == 0)) {
        pl_conn_abort(conn, PLAIT_E_TIMED_OUT, now);
    }
}

static void patience_run(struct pl_conn *conn, plait_time now) {
    orphan_run(conn, now);
    if (now >= pl_conn_user_deadline(conn)) {
        pl_conn_abort(conn, PLAIT_E_TIMED_OUT, now); /* RFC 9293 section 3.9.1.8: aborted */
    }
    if (now >= fruitless_deadline(conn)) {
        pl_conn_abort(conn, PLAIT_E_TIMED_OUT, now);
    }
    if (now >= lonely_deadline(conn)) {
        pl_conn_closed(conn, PLAIT_E_TIMED_OUT, now);
    }
    if (now >= linger_deadline(conn)) {
        PL_SUBFLOW_FOREACH(sf, conn) {
            if (pl_tcp_state(&sf->tcp) != PL_TCP_ST_TIME_WAIT) {
                pl_subflow_reset(sf, PL_RESET_OUTSTANDING, false, PLAIT_E_TIMED_OUT, now);
            }
        }
    }
}

void pl_close_run(struct pl_conn *conn, plait_time now) {
    PL_ASSERT(conn->state != PL_CONN_NEW || !conn->orphan);
    data_fin_run(conn, now);
    fastclose_run(conn, now);
    finish(conn, now);
    patience_run(conn, now);
    if (now >= conn->send.memory_retry) {
        conn->send.memory_retry = PLAIT_TIME_NEVER;
        pl_send_wake_writer(conn);
    }
}

static bool says_the_end(const struct pl_conn *conn) {
    return data_fin_due(conn) || pl_conn_fastclosing(conn);
}

plait_time pl_close_deadline(const struct pl_conn *conn) {
    plait_time t[7] = {
        /* Without a subflow there is nothing to do; the next one brings a turn. */
        says_the_end(conn) && pl_conn_signal_subflow(conn) != NULL ? conn->send.fin_resend
                                                                   : PLAIT_TIME_NEVER,
        orphan_deadline(conn),
        fruitless_deadline(conn),
        lonely_deadline(conn),
        linger_deadline(conn),
        conn->send.memory_retry,
        pl_conn_user_deadline(conn),
    };
    plait_time first = PLAIT_TIME_NEVER;
    for (unsigned i = 0; i < 7; i++) {
        first = t[i] < first ? t[i] : first;
    }
    return first;
}

/* mptcp/upper.c - the two uppers that TCP sees: an MPTCP subflow, and plain TCP.
 *
 * This file only says which module answers what; the rules are in capable.c, join.c, dss.c, map.c,
 * send.c and recv.c. Falling back swaps the one struct of functions for the other (fallback.c). */
#include "base/assert.h"
#include "mptcp/couple.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"

/* MP_CAPABLE with data 24, DSS with two 64-bit numbers and a checksum 28 (RFC 8684 section 3.3). */
enum { DATA_OPTIONS_LEN = 28 };

/* ---- MPTCP ---- */

static uint32_t mp_data_options_len(void *up) {
    (void)up;
    return DATA_OPTIONS_LEN;
}

/* RST: MP_FASTCLOSE for the whole connection, or why this subflow ends (sections 3.5, 3.6). In
 * version 0 neither. */
static uint32_t write_rst(struct pl_subflow *sf, uint8_t *out, uint32_t room) {
    PL_ASSERT(out != NULL && room <= PL_TCP_OPTIONS_MAX);
    struct pl_conn *conn = sf->conn;
    struct pl_mptcp_options o = {0};
    uint32_t used = 0;
    if (conn->fastclose && conn->version->fastclose_on_rst) {
        o.fastclose.key_receiver = conn->keys.remote_key;
        PL_COUNT(conn->ctx, MPFastcloseTx);
        return room < 12 ? 0 : pl_mptcp_write(out, PL_MP_FASTCLOSE, &o);
    }
    if (sf->fail_pending && room >= 12) {
        o.fail.dsn = sf->fail_dsn.v;
        PL_COUNT(conn->ctx, MPFailTx);
        used = pl_mptcp_write(out, PL_MP_FAIL, &o);
    }
    o.tcprst.reason = sf->reset_reason;
    o.tcprst.transient = sf->reset_transient;
    if (room - used >= 4 && conn->version->reset_reasons) {
        PL_COUNT(conn->ctx, MPRstTx);
        used += pl_mptcp_write(out + used, PL_MP_TCPRST, &o);
    }
    return used;
}

static uint32_t write_prio(struct pl_subflow *sf, uint8_t *out, uint32_t room) {
    struct pl_mptcp_options o = {0};
    o.prio.backup = sf->backup;
    if (!sf->prio_pending || room < 4) {
        return 0;
    }
    sf->prio_pending = false;
    PL_COUNT(sf->conn->ctx, MPPrioTx);
    return pl_mptcp_write(out, PL_MP_PRIO, &o);
}

static uint32_t write_fail(struct pl_subflow *sf, uint8_t *out, uint32_t room) {
    struct pl_mptcp_options o = {0};
    o.fail.dsn = sf->fail_dsn.v;
    if (!sf->fail_pending || room < 12) {
        return 0;
    }
    sf->fail_pending = sf->doubtful; /* again and again, until it is answered */
    PL_COUNT(sf->conn->ctx, MPFailTx);
    return pl_mptcp_write(out, PL_MP_FAIL, &o);
}

/* The connection was aborted and this subflow is still there: version 0 says so on an ACK (RFC 6824
 * section 3.5). */
static uint32_t write_fastclose(const struct pl_conn *conn, uint8_t *out, uint32_t room) {
    struct pl_mptcp_options o = {.fastclose = {.key_receiver = conn->keys.remote_key}};
    PL_ASSERT(conn->state == PL_CONN_CLOSED);
    if (room < 12) {
        return 0;
    }
    PL_COUNT(conn->ctx, MPFastcloseTx);
    return pl_mptcp_write(out, PL_MP_FASTCLOSE, &o);
}

/* A segment without payload: signals of the path manager that need much room go alone, everything
 * else after the DATA_ACK. */
static uint32_t write_ack(struct pl_subflow *sf, uint8_t *out, uint32_t room, plait_time now) {
    PL_ASSERT(room <= PL_TCP_OPTIONS_MAX);
    PL_ASSERT(sf->conn->mode == PL_MODE_MPTCP);
    struct pl_conn *conn = sf->conn;
    uint32_t used = 0;
    if (pl_conn_fastclosing(conn)) {
        return write_fastclose(conn, out, room);
    }
    if (pl_pm_room_wanted(conn, now) + 12 > room) {
        used = pl_pm_write(sf, out, room, now);
        if (used > 0) {
            pl_tcp_ack_now(&sf->tcp); /* the DATA_ACK follows */
            return used;
        }
    }
    used = pl_dss_write_ack(sf, out, room, now);
    used += write_fail(sf, out + used, room - used);
    used += write_prio(sf, out + used, room - used);
    used += pl_pm_write(sf, out + used, room - used, now);
    PL_ASSERT(used <= room);
    return used;
}

static uint32_t mp_write_options(void *up, const struct pl_seg_out *seg, uint8_t *out,
                                 uint32_t room, plait_time now) {
    struct pl_subflow *sf = up;
    uint32_t used = 0;
    if (seg->kind == PL_SEG_RST) {
        return write_rst(sf, out, room);
    }
    if (!sf->join) {
        used = pl_capable_write(sf, seg, out, room, now);
    } else if (sf->phase == PL_SF_OPENING || sf->phase == PL_SF_PRE) {
        return pl_join_write(sf, seg, out, room, now);
    }
    if (seg->kind == PL_SEG_SYN || seg->kind == PL_SEG_SYN_ACK) {
        return used + pl_fastopen_write(sf->conn, seg, out + used, room - used);
    }
    if (used > 0) {
        return used;
    }
    if (seg->kind == PL_SEG_DATA) {
        return pl_dss_write_data(sf, seg, out, room);
    }
    return sf->conn->capable < PL_CAPABLE_KEYS ? 0 : write_ack(sf, out, room, now);
}

/* For the subflow it came on, or, in version 0, for all of the address that it names (RFC 6824
 * section 3.3.8). RFC 8684 has given that up, because it cannot be proved. */
static void prio_in(struct pl_subflow *sf, const struct pl_mptcp_options *o) {
    PL_ASSERT(pl_mptcp_has(o, PL_MP_PRIO));
    struct pl_conn *conn = sf->conn;
    PL_COUNT(conn->ctx, MPPrioRx);
    if (o->prio.has_id && !conn->version->prio_by_id) {
        return;
    }
    PL_SUBFLOW_FOREACH(other, conn) {
        bool meant = o->prio.has_id ? other->remote_id == o->prio.address_id : other == sf;
        if (meant && other->backup_peer != o->prio.backup && other->phase != PL_SF_DEAD) {
            other->backup_peer = o->prio.backup;
            pl_conn_say(conn, PLAIT_EVENT_SF_PRIO, other, 0, other->remote_id);
            pl_conn_kick(conn);
        }
    }
}

static enum pl_verdict rst_in(struct pl_subflow *sf, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT((seg->flags & PL_TCP_RST) != 0);
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    if (pl_mptcp_has(o, PL_MP_TCPRST) && sf->conn->version->reset_reasons) {
        PL_COUNT(sf->conn->ctx, MPRstRx);
        sf->reset_reason = o->tcprst.reason; /* for the monitor */
        pl_pm_rst_reason(sf, o->tcprst.reason, o->tcprst.transient);
    }
    if (pl_mptcp_has(o, PL_MP_FASTCLOSE)) {
        return pl_fastclose_in(sf, seg, PL_SEG_RST, now);
    }
    if (pl_mptcp_has(o, PL_MP_FAIL)) {
        PL_COUNT(sf->conn->ctx, MPFailRx);
        pl_reinject_failed(sf, pl_seq64_of(o->fail.dsn), now);
    }
    return PL_VERDICT_OK;
}

/* Whether the peer's options still reach us: see pl_reinject_run. */
static void note_bare(struct pl_subflow *sf, const struct pl_segment *seg) {
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    if (pl_mptcp_has(o, PL_MP_DSS)) {
        sf->bare = false;
    } else if (o->present == 0 && pl_seq32_lt(sf->tcp.snd.una, seg->ack)) {
        sf->bare = true;
    }
}

/* The end of the connection or of MPTCP. Goes before the DSS: an infinite mapping may come in the
 * same segment as MP_FAIL, which still wants its answer. */
static enum pl_verdict endings_in(struct pl_subflow *sf, const struct pl_segment *seg,
                                  enum pl_seg_kind kind, plait_time now) {
    PL_ASSERT(sf->conn->mode == PL_MODE_MPTCP);
    PL_ASSERT(kind != PL_SEG_SYN && kind != PL_SEG_SYN_ACK);
    if (pl_mptcp_has(&seg->options.mptcp, PL_MP_FASTCLOSE)) {
        return pl_fastclose_in(sf, seg, kind, now);
    }
    return pl_mptcp_has(&seg->options.mptcp, PL_MP_FAIL) ? pl_fail_in(sf, seg, now) : PL_VERDICT_OK;
}

/* Options that come on any segment of an established subflow. */
static void signals_in(struct pl_subflow *sf, const struct pl_segment *seg, plait_time now) {
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    PL_ASSERT(o->present != 0);
    PL_ASSERT(sf->conn->mode == PL_MODE_MPTCP);
    if (pl_mptcp_has(o, PL_MP_ADD_ADDR)) {
        pl_pm_add_addr_in(sf, o, now);
    }
    if (pl_mptcp_has(o, PL_MP_REMOVE_ADDR)) {
        pl_pm_remove_addr_in(sf, o, now);
    }
    if (pl_mptcp_has(o, PL_MP_PRIO)) {
        prio_in(sf, o);
    }
}

static enum pl_verdict mp_options_in(void *up, const struct pl_segment *seg, enum pl_seg_kind kind,
                                     plait_time now) {
    struct pl_subflow *sf = up;
    pl_stale_segment(sf, seg->payload_len > 0, now);
    if (kind == PL_SEG_RST) {
        return rst_in(sf, seg, now);
    }
    if (pl_conn_fastclosing(sf->conn)) {
        return pl_fastclosing_in(sf, seg);
    }
    if (kind == PL_SEG_SYN_ACK && !sf->join) {
        pl_fastopen_answer_in(sf, seg);
    }
    if (kind != PL_SEG_SYN) {
        sf->conn->early = false; /* it acknowledges our SYN */
    }
    enum pl_verdict verdict =
        sf->join ? pl_join_in(sf, seg, kind, now) : pl_capable_in(sf, seg, kind, now);
    if (verdict != PL_VERDICT_OK || sf->conn->mode == PL_MODE_PLAIN || kind == PL_SEG_SYN ||
        kind == PL_SEG_SYN_ACK) {
        return verdict;
    }
    note_bare(sf, seg);
    if (seg->options.mptcp.present == 0) {
        return PL_VERDICT_OK;
    }
    verdict = endings_in(sf, seg, kind, now);
    if (verdict == PL_VERDICT_OK && sf->conn->mode == PL_MODE_MPTCP &&
        pl_mptcp_has(&seg->options.mptcp, PL_MP_DSS)) {
        verdict = pl_dss_in(sf, seg, now);
    }
    if (verdict == PL_VERDICT_OK && sf->conn->mode == PL_MODE_MPTCP) {
        signals_in(sf, seg, now);
    }
    return verdict;
}

/* Every ACK has a DSS option; what has another one was sent for that (RFC 8684 section 3.4.1). */
static bool mp_is_signal(void *up, const struct pl_segment *seg) {
    (void)up;
    PL_ASSERT(seg->payload_len == 0);
    return (seg->options.mptcp.present & ~(1U << PL_MP_DSS)) != 0;
}

static enum pl_tcp_next mp_next(void *up, uint32_t max_bytes, uint32_t unit,
                                struct pl_tcp_payload *out, plait_time now) {
    const struct pl_subflow *sf = up;
    if (pl_capable_first(sf->conn)) {
        return PL_TCP_NEXT_NOTHING;
    }
    return pl_send_next(up, max_bytes, unit, out, now);
}

static uint32_t unsent(void *up) {
    const struct pl_subflow *sf = up;
    int64_t bytes = pl_seq64_diff(sf->conn->send.end, sf->conn->send.nxt);
    PL_ASSERT(bytes >= 0);
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

static enum pl_tcp_stall stalled(void *up) {
    const struct pl_subflow *sf = up;
    const struct pl_conn *conn = sf->conn;
    if (!pl_send_all_sent(conn)) {
        return sf->windowed ? PL_TCP_STALL_WINDOW : PL_TCP_STALL_NONE;
    }
    bool full = !conn->send.fin_wanted && !pl_send_writable(conn);
    return full ? PL_TCP_STALL_BUFFER : PL_TCP_STALL_NONE;
}

static void mp_data_in(void *up, pl_seq32 seq, struct pl_chunk *chunk, plait_time now) {
    struct pl_subflow *sf = up;
    if (sf->conn->capable == PL_CAPABLE_ANSWERED) { /* nothing else is let in before the keys */
        pl_fastopen_data_in(sf, chunk, now);
        return;
    }
    pl_map_data_in(sf, seq, chunk, now);
}

/* What the SYN carried and its answer did not acknowledge: it goes again as if for the first time,
 * so that it has a mapping (RFC 8684 appendix B.3, figures 20 and 21). */
static void taken_back(void *up, uint32_t bytes) {
    struct pl_subflow *sf = up;
    pl_send_take_back(sf->conn, bytes);
}

static void mp_acked(void *up, uint32_t bytes, plait_time now) {
    (void)bytes; /* the data-level acknowledgement counts */
    pl_couple_acked(up, now);
}

static uint32_t window(void *up) {
    struct pl_subflow *sf = up;
    return pl_recv_window(sf->conn);
}

static uint32_t window_max(void *up) {
    struct pl_subflow *sf = up;
    return sf->conn->recv.limit_bytes;
}

const struct pl_tcp_upper pl_upper_mptcp = {
    .next = mp_next,
    .unsent = unsent,
    .stalled = stalled,
    .data_options_len = mp_data_options_len,
    .write_options = mp_write_options,
    .options_in = mp_options_in,
    .is_signal = mp_is_signal,
    .data_in = mp_data_in,
    .acked = mp_acked,
    .taken_back = taken_back,
    .window = window,
    .shared_window = true,
    .window_max = window_max,
    .event = pl_subflow_event,
};

/* ---- plain TCP ---- */

static uint32_t plain_data_options_len(void *up) {
    struct pl_subflow *sf = up;
    return sf->conn->infinite_pending || sf->conn->infinite_sent ? DATA_OPTIONS_LEN : 0;
}

/* Whether the infinite mapping belongs to a data segment: to the first new one, and to its
 * repetitions, as the peer may have seen none of them. */
static bool is_infinite(const struct pl_subflow *sf, const struct pl_seg_out *seg) {
    const struct pl_conn *conn = sf->conn;
    PL_ASSERT(seg->kind == PL_SEG_DATA && seg->origin != NULL);
    return seg->retransmission
               ? conn->infinite_sent && pl_seq32_eq(seg->origin->seq, sf->infinite_at)
               : conn->infinite_pending;
}

/* The one option of a fallen-back connection: the infinite mapping (section 3.7). */
static uint32_t plain_write_options(void *up, const struct pl_seg_out *seg, uint8_t *out,
                                    uint32_t room, plait_time now) {
    struct pl_subflow *sf = up;
    struct pl_mptcp_options o = {0};
    (void)now;
    if (seg->kind == PL_SEG_SYN || seg->kind == PL_SEG_SYN_ACK) {
        return pl_fastopen_write(sf->conn, seg, out, room);
    }
    if (sf->fail_pending) {
        return write_fail(sf, out, room);
    }
    if (seg->kind != PL_SEG_DATA || !is_infinite(sf, seg) || room < 20) {
        return 0;
    }
    sf->conn->infinite_pending = sf->conn->infinite_pending && seg->retransmission;
    sf->conn->infinite_sent = true;
    sf->infinite_at = seg->origin->seq;
    o.dss.has_map = true;
    o.dss.dsn_is_64 = true;
    o.dss.dsn = seg->origin->tag;
    o.dss.ssn = seg->origin->seq.v - pl_fastopen_ssn_out(sf).v;
    PL_COUNT(sf->conn->ctx, InfiniteMapTx);
    return pl_mptcp_write(out, PL_MP_DSS, &o);
}

static enum pl_verdict plain_options_in(void *up, const struct pl_segment *seg,
                                        enum pl_seg_kind kind, plait_time now) {
    struct pl_subflow *sf = up;
    (void)now;
    if (kind != PL_SEG_RST && pl_mptcp_has(&seg->options.mptcp, PL_MP_FAIL)) {
        pl_fail_again(sf, seg);
    }
    if (kind != PL_SEG_SYN && kind != PL_SEG_RST) {
        sf->conn->early = false; /* it acknowledges our SYN */
    }
    if (kind == PL_SEG_DATA || kind == PL_SEG_ACK || kind == PL_SEG_FIN) {
        pl_urgent_in(sf, seg);
    }
    if (kind == PL_SEG_SYN_ACK) {
        pl_fastopen_answer_in(sf, seg);
    }
    if (kind != PL_SEG_RST && pl_dss_strays(sf, seg)) {
        PL_COUNT(sf->conn->ctx, FallbackFailed);
        sf->reset_reason = PL_RESET_MIDDLEBOX;
        return PL_VERDICT_RESET;
    }
    return PL_VERDICT_OK;
}

static void plain_data_in(void *up, pl_seq32 seq, struct pl_chunk *chunk, plait_time now) {
    struct pl_subflow *sf = up;
    (void)seq;
    pl_recv_deliver(sf, sf->conn->recv.nxt, chunk, now);
}

static void plain_acked(void *up, uint32_t bytes, plait_time now) {
    struct pl_subflow *sf = up;
    struct pl_conn *conn = sf->conn;
    pl_send_data_ack(conn, pl_seq64_add(conn->send.una, bytes), UINT32_MAX, now);
    if (conn->infinite_sent && pl_seq32_lt(sf->infinite_at, sf->tcp.snd.una)) {
        conn->infinite_sent = false;
    }
}

static uint32_t plain_urgent(void *up) {
    return pl_urgent_out(up);
}

const struct pl_tcp_upper pl_upper_plain = {
    .next = mp_next,
    .unsent = unsent,
    .stalled = stalled,
    .data_options_len = plain_data_options_len,
    .write_options = plain_write_options,
    .options_in = plain_options_in,
    .data_in = plain_data_in,
    .acked = plain_acked,
    .taken_back = taken_back,
    .urgent = plain_urgent,
    .window = window,
    .shared_window = false,
    .window_max = window_max,
    .event = pl_subflow_event,
};

/* mptcp/dss.c - the DSS option: mappings, DATA_ACKs and DATA_FIN on the wire (RFC 8684
 * section 3.3).
 *
 * We send 64-bit numbers always: the peer must answer 64-bit DSNs with 64-bit DATA_ACKs, so that
 * neither side has to reason about wraps; 32-bit forms are accepted and expanded. */
#include "base/assert.h"
#include "base/bytes.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"
#include "wire/checksum.h"

uint16_t pl_dss_checksum(pl_seq64 dsn, uint32_t ssn, uint16_t len, uint64_t payload_sum) {
    uint8_t pseudo[16] = {0};
    pl_put64(pseudo, dsn.v);
    pl_put32(pseudo + 8, ssn);
    pl_put16(pseudo + 12, len);
    return (uint16_t)~pl_sum_fold(pl_sum_add(pl_sum_fold(payload_sum), pseudo, sizeof pseudo));
}

static void add_ack(const struct pl_conn *conn, struct pl_mptcp_options *o) {
    PL_ASSERT(conn->capable >= PL_CAPABLE_KEYS);
    PL_ASSERT(conn->mode == PL_MODE_MPTCP);
    o->dss.has_ack = true;
    o->dss.ack_is_64 = true;
    o->dss.ack = conn->recv.nxt.v;
}

uint32_t pl_dss_write_data(struct pl_subflow *sf, const struct pl_seg_out *seg, uint8_t *out,
                           uint32_t room) {
    PL_ASSERT(seg->origin->len <= UINT16_MAX);
    PL_ASSERT(seg->kind == PL_SEG_DATA);
    struct pl_conn *conn = sf->conn;
    const struct pl_tcp_origin *origin = seg->origin;
    struct pl_mptcp_options o = {0};
    uint32_t ssn = origin->seq.v - pl_fastopen_ssn_out(sf).v;
    PL_ASSERT(origin->len > 0);
    o.dss.has_map = true;
    o.dss.dsn_is_64 = true;
    o.dss.dsn = origin->tag;
    o.dss.ssn = ssn;
    o.dss.data_fin = origin->flags != 0;
    o.dss.len = (uint16_t)(origin->len + (o.dss.data_fin ? 1 : 0));
    o.dss.has_checksum = conn->checksum;
    if (conn->checksum) {
        o.dss.checksum = pl_dss_checksum(pl_seq64_of(origin->tag), ssn, o.dss.len, origin->sum);
    }
    if (conn->capable >= PL_CAPABLE_KEYS) { /* else an answer to Fast Open before the third ACK */
        add_ack(conn, &o);
    }
    if (pl_mptcp_len(PL_MP_DSS, &o) > room) {
        o.dss.has_ack = false;
    } else if (o.dss.has_ack) {
        pl_recv_promise(conn);
    }
    return pl_mptcp_len(PL_MP_DSS, &o) <= room ? pl_mptcp_write(out, PL_MP_DSS, &o) : 0;
}

uint32_t pl_dss_write_ack(struct pl_subflow *sf, uint8_t *out, uint32_t room, plait_time now) {
    PL_ASSERT(!sf->conn->fin_on_ack || sf->conn->send.fin_wanted);
    struct pl_conn *conn = sf->conn;
    struct pl_mptcp_options o = {0};
    (void)now;
    add_ack(conn, &o);
    if (conn->fin_on_ack) { /* DATA_FIN without data: SSN 0, length 1 (section 3.3.3) */
        o.dss.has_map = true;
        o.dss.dsn_is_64 = true;
        o.dss.data_fin = true;
        o.dss.dsn = conn->send.end.v;
        o.dss.len = 1;
        o.dss.has_checksum = conn->checksum;
        o.dss.checksum = conn->checksum ? pl_dss_checksum(conn->send.end, 0, 1, 0) : 0;
    }
    if (pl_mptcp_len(PL_MP_DSS, &o) > room) {
        o.dss.has_map = false;
    } else if (conn->fin_on_ack) {
        conn->fin_on_ack = false;
        conn->send.fin_sent = true;
    }
    if (pl_mptcp_len(PL_MP_DSS, &o) > room) {
        return 0;
    }
    pl_recv_promise(conn);
    return pl_mptcp_write(out, PL_MP_DSS, &o);
}

static void ack_in(struct pl_subflow *sf, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(seg->options.mptcp.dss.has_ack);
    PL_ASSERT(sf->conn->mode == PL_MODE_MPTCP);
    struct pl_conn *conn = sf->conn;
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    pl_seq64 ack = o->dss.ack_is_64 ? pl_seq64_of(o->dss.ack)
                                    : pl_seq64_expand(conn->send.una, (uint32_t)o->dss.ack);
    sf->dss_seen = true;
    sf->proven = sf->proven || pl_subflow_acks_data(sf, seg);
    pl_send_data_ack(conn, ack, pl_tcp_scaled_window(&sf->tcp, seg), now);
}

enum pl_verdict pl_dss_not_as_agreed(struct pl_subflow *sf) {
    PL_COUNT(sf->conn->ctx, DSSNotMatching);
    sf->reset_reason = PL_RESET_MPTCP;
    sf->reset_transient = false;
    return PL_VERDICT_RESET;
}

static enum pl_verdict infinite_in(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->conn->mode == PL_MODE_MPTCP);
    struct pl_conn *conn = sf->conn;
    PL_COUNT(conn->ctx, InfiniteMapRx);
    if (!pl_fallback_possible(conn, sf)) {
        PL_COUNT(conn->ctx, FallbackFailed);
        sf->reset_reason = PL_RESET_MPTCP;
        return PL_VERDICT_RESET;
    }
    pl_fallback(conn, sf, PL_FALLBACK_INFINITE, now);
    return PL_VERDICT_OK;
}

/* A DATA_FIN without data: its checksum covers the pseudo-header only (section 3.3.3). */
static void bare_fin_in(struct pl_subflow *sf, const struct pl_mptcp_options *o, pl_seq64 dsn,
                        plait_time now) {
    PL_ASSERT(o->dss.data_fin && o->dss.len == 1);
    struct pl_conn *conn = sf->conn;
    if (conn->checksum && pl_dss_checksum(dsn, o->dss.ssn, 1, 0) != o->dss.checksum) {
        PL_COUNT(conn->ctx, DataCsumErr);
        return; /* it is repeated until it is acknowledged */
    }
    pl_recv_fin(conn, dsn, now);
    pl_tcp_ack_now(&sf->tcp);
}

static enum pl_verdict map_in(struct pl_subflow *sf, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(seg->options.mptcp.dss.has_map);
    PL_ASSERT(sf->conn->capable >= PL_CAPABLE_KEYS);
    struct pl_conn *conn = sf->conn;
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    pl_seq64 dsn = o->dss.dsn_is_64 ? pl_seq64_of(o->dss.dsn)
                                    : pl_seq64_expand(conn->recv.nxt, (uint32_t)o->dss.dsn);
    uint32_t fin = o->dss.data_fin ? 1 : 0;
    if (o->dss.len == 0) {
        return infinite_in(sf, now);
    }
    if (sf->doubtful) {
        return PL_VERDICT_OK; /* mappings are void since a checksum failed */
    }
    bool missing = conn->checksum && !o->dss.has_checksum;
    bool uninvited = !conn->checksum && o->dss.has_checksum; /* RFC 6824 section 3.3: ignored */
    if (missing || (uninvited && conn->version->checksum_strict)) {
        return pl_dss_not_as_agreed(sf);
    }
    if (o->dss.len == fin) {
        bare_fin_in(sf, o, dsn, now);
        return PL_VERDICT_OK;
    }
    struct pl_map_in in = {
        .seq = pl_seq32_add(pl_fastopen_ssn_in(sf), o->dss.ssn),
        .len = o->dss.len - fin,
        .dsn = dsn,
        .wire_len = o->dss.len,
        .checksum = o->dss.checksum,
    };
    if (fin != 0 && !conn->checksum) { /* else when the mapping has proved right: map.c */
        pl_recv_fin(conn, pl_seq64_add(dsn, in.len), now);
    }
    return pl_map_add(sf, &in, now);
}

bool pl_dss_strays(const struct pl_subflow *sf, const struct pl_segment *seg) {
    const struct pl_conn *conn = sf->conn;
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    PL_ASSERT(conn->mode == PL_MODE_PLAIN);
    bool maps = pl_mptcp_has(o, PL_MP_DSS) && o->dss.has_map && o->dss.len > 0;
    pl_seq32 next = pl_tcp_rcv_nxt(&sf->tcp);
    pl_seq32 end = pl_seq32_add(seg->seq, seg->payload_len);
    if (!conn->fallen_back || !sf->bare || !maps || !pl_seq32_lt(next, end)) {
        return false;
    }
    pl_seq32 ssn = pl_seq32_add(pl_fastopen_ssn_in(sf), o->dss.ssn);
    return (uint32_t)o->dss.dsn - (uint32_t)conn->recv.nxt.v != ssn.v - next.v;
}

enum pl_verdict pl_dss_in(struct pl_subflow *sf, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(pl_mptcp_has(&seg->options.mptcp, PL_MP_DSS));
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    if (sf->conn->capable < PL_CAPABLE_KEYS) {
        return PL_VERDICT_DROP;
    }
    if (o->dss.has_ack) {
        ack_in(sf, seg, now);
    }
    return o->dss.has_map ? map_in(sf, seg, now) : PL_VERDICT_OK;
}

/* sim/check_data.c - the packet checker: MPTCP connections (RFC 8684).
 *
 * Connections are recognised as a middlebox could: by the keys in MP_CAPABLE and by the tokens in
 * MP_JOIN. Data offsets count from 0 at IDSN + 1. A connection that falls back (section 3.7) is
 * not followed any further at this level; whether it falls back without a cause is for the checks
 * at the end of a run. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "sim/check.h"

static void hash_key(const struct pl_check *check, bool is_v0, uint64_t key, uint32_t *token,
                     uint64_t *idsn) {
    uint8_t bytes[8];
    uint8_t out[32];
    pl_put64(bytes, key);
    if (is_v0) {
        check->hashes->sha1(check->hashes->user, bytes, sizeof(bytes), out);
    } else {
        check->hashes->sha256(check->hashes->user, bytes, sizeof(bytes), out);
    }
    *token = pl_get32(out);
    *idsn = pl_get64(out + (is_v0 ? 12 : 24));
}

static struct pl_check_conn *conn_by_token(struct pl_check *check, uint32_t token, bool local) {
    for (struct pl_check_conn *conn = check->conns; conn != NULL; conn = conn->next) {
        if ((local ? conn->token_local : conn->token_remote) == token) {
            return conn;
        }
    }
    return NULL;
}

static void conn_make(struct pl_check *check, struct pl_check_flow *flow) {
    struct pl_check_conn *conn = calloc(1, sizeof(*conn));
    PL_ASSERT(conn != NULL);
    hash_key(check, flow->is_v0, flow->key_local, &conn->token_local, &conn->idsn_local);
    hash_key(check, flow->is_v0, flow->key_remote, &conn->token_remote, &conn->idsn_remote);
    conn->out_edge = flow->out.edge;
    conn->plain = flow->plain;
    conn->next = check->conns;
    check->conns = conn;
    flow->conn = conn;
}

/* The key in a SYN of version 0 (RFC 6824 section 3.1): the third ACK may be lost then, and the
 * first DSS says that both ends know both keys. True: nothing else is to be seen in it. */
static bool take_capable_v0(struct pl_check *check, struct pl_check_flow *flow,
                            const struct pl_segment *seg, bool sent) {
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    if ((seg->flags & (PL_TCP_SYN | PL_TCP_ACK)) == PL_TCP_SYN) {
        flow->syn_key = pl_mptcp_has(o, PL_MP_CAPABLE) && o->capable.len == 12;
        if (flow->syn_key) {
            *(sent ? &flow->key_local : &flow->key_remote) = o->capable.key_sender;
        }
        return true;
    }
    bool both = flow->is_v0 && flow->syn_key && (flow->capable_in || flow->capable_out);
    if (!both || flow->plain || !pl_mptcp_has(o, PL_MP_DSS)) {
        return false;
    }
    conn_make(check, flow);
    return true;
}

/* MP_CAPABLE in either way (section 3.1): with both keys known there is a connection. */
static void take_capable(struct pl_check *check, struct pl_check_flow *flow,
                         const struct pl_segment *seg, bool sent) {
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    bool syn_ack = (seg->flags & (PL_TCP_SYN | PL_TCP_ACK)) == (PL_TCP_SYN | PL_TCP_ACK);
    if (flow->conn != NULL || take_capable_v0(check, flow, seg, sent) ||
        !pl_mptcp_has(o, PL_MP_CAPABLE)) {
        return;
    }
    if (syn_ack && o->capable.len == 12) {
        *(sent ? &flow->key_local : &flow->key_remote) = o->capable.key_sender;
        *(sent ? &flow->capable_out : &flow->capable_in) = true;
        flow->is_v0 = o->capable.version == 0;
        return;
    }
    bool mine = sent ? flow->capable_in : flow->capable_out;
    if (o->capable.len < 20 || !mine) {
        return;
    }
    if (o->capable.key_receiver != (sent ? flow->key_remote : flow->key_local)) {
        if (sent) {
            pl_sim_fail(check->verdict, "host %c sent MP_CAPABLE with another key than it got",
                        'a' + (int)check->host);
        }
        return;
    }
    *(sent ? &flow->key_local : &flow->key_remote) = o->capable.key_sender;
    conn_make(check, flow);
}

static void take_join(struct pl_check *check, struct pl_check_flow *flow,
                      const struct pl_segment *seg, bool sent) {
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    bool syn = (seg->flags & (PL_TCP_SYN | PL_TCP_ACK)) == PL_TCP_SYN;
    if (!syn) {
        return;
    }
    flow->syn_conn =
        pl_mptcp_has(o, PL_MP_JOIN) ? conn_by_token(check, o->join.token, !sent) : NULL;
    if (!pl_mptcp_has(o, PL_MP_JOIN) || flow->conn != NULL) {
        return;
    }
    flow->conn = flow->syn_conn;
    if (sent && flow->conn == NULL) {
        pl_sim_fail(check->verdict, "host %c sent MP_JOIN with a token nobody has",
                    'a' + (int)check->host);
    }
}

/* A data sequence number as an offset, near `near`. UINT64_MAX: before the beginning. */
static uint64_t data_offset(uint64_t value, bool is_64, uint64_t idsn, uint64_t near) {
    uint64_t first = idsn + 1;
    if (!is_64) {
        value = pl_seq64_expand((pl_seq64){first + near}, (uint32_t)value).v;
    }
    int64_t offset = (int64_t)(value - first);
    return offset < 0 ? UINT64_MAX : (uint64_t)offset;
}

/* ---- mappings ---- */

static void mapping_add(struct pl_check *check, struct pl_check_flow *flow,
                        struct pl_check_mapping new) {
    for (uint32_t i = flow->mapping_count; i-- > 0;) {
        const struct pl_check_mapping *m = &flow->mapping[i];
        bool same = m->offset == new.offset && m->len == new.len && m->dsn == new.dsn;
        if (same) {
            return;
        }
        if (m->offset < new.offset + new.len &&new.offset < m->offset + m->len) {
            pl_sim_fail(check->verdict,
                        "host %c changed a mapping: ssn %llu len %llu dsn %llu, was %llu %llu %llu",
                        'a' + (int)check->host, (unsigned long long)new.offset,
                        (unsigned long long)new.len, (unsigned long long)new.dsn,
                        (unsigned long long)m->offset, (unsigned long long)m->len,
                        (unsigned long long)m->dsn);
            return;
        }
    }
    if (flow->mapping_count == flow->mapping_cap) {
        flow->mapping_cap = flow->mapping_cap == 0 ? 64 : flow->mapping_cap * 2;
        flow->mapping = realloc(flow->mapping, flow->mapping_cap * sizeof(flow->mapping[0]));
        PL_ASSERT(flow->mapping != NULL);
    }
    flow->mapping[flow->mapping_count++] = new;
}

static const struct pl_check_mapping *mapping_at(const struct pl_check_flow *flow,
                                                 uint64_t offset) {
    for (uint32_t i = flow->mapping_count; i-- > 0;) {
        const struct pl_check_mapping *m = &flow->mapping[i];
        if (offset >= m->offset && offset - m->offset < m->len) {
            return m;
        }
    }
    return NULL;
}

static uint64_t ssn_offset(const struct pl_check_way *way, uint32_t ssn) {
    return pl_check_offset(way, (pl_seq32){way->isn + way->early + ssn});
}

/* The mapping a sent segment names, in its DSS or by being MP_CAPABLE with data. */
static void take_mapping_sent(struct pl_check *check, struct pl_check_flow *flow,
                              const struct pl_segment *seg) {
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    if (pl_mptcp_has(o, PL_MP_CAPABLE) && o->capable.len > 20 && seg->payload_len > 0) {
        mapping_add(check, flow,
                    (struct pl_check_mapping){flow->out.early, o->capable.data_len, 0});
    }
    if (!pl_mptcp_has(o, PL_MP_DSS) || !o->dss.has_map) {
        return;
    }
    if (o->dss.len == 0) {
        flow->plain = true; /* infinite mapping, section 3.7 */
        flow->conn->plain = true;
        return;
    }
    uint64_t len = o->dss.len - (o->dss.data_fin ? 1U : 0U);
    uint64_t dsn =
        data_offset(o->dss.dsn, o->dss.dsn_is_64, flow->conn->idsn_local, flow->conn->out_acked);
    if (len == 0) {
        return;
    }
    struct pl_check_mapping new = {ssn_offset(&flow->out, o->dss.ssn), len, dsn};
    if (new.offset == UINT64_MAX || dsn == UINT64_MAX) {
        pl_sim_fail(check->verdict, "host %c sent a mapping of nothing", 'a' + (int)check->host);
        return;
    }
    mapping_add(check, flow, new);
}

/* Follows the payload of a sent segment to the data level. */
static void check_mapped(struct pl_check *check, struct pl_check_flow *flow,
                         const struct pl_segment *seg) {
    struct pl_check_conn *conn = flow->conn;
    uint64_t offset = pl_check_offset(&flow->out, seg->seq);
    char host = (char)('a' + (int)check->host);
    uint32_t done = 0;
    while (done < seg->payload_len) {
        const struct pl_check_mapping *m = mapping_at(flow, offset + done);
        bool first = check->stateless && flow->mapping_count == 0;
        if (m == NULL && (check->rewritten || first)) {
            flow->plain = true;
            conn->plain = true;
            return;
        }
        if (m == NULL) {
            pl_sim_fail(check->verdict, "host %c sent data without a mapping", host);
            return;
        }
        uint64_t skip = offset + done - m->offset;
        uint64_t left = m->len - skip;
        uint32_t n = seg->payload_len - done;
        n = n < left ? n : (uint32_t)left;
        uint64_t at = m->dsn + skip;
        if (!pl_check_bytes_put(&conn->bytes, at, seg->payload + done, n)) {
            pl_sim_fail(check->verdict, "host %c sent another byte at the same DSN", host);
            return;
        }
        if (at + n > conn->out_edge && !check->lenient) {
            pl_sim_fail(check->verdict, "host %c sent %llu bytes beyond the data-level window",
                        host, (unsigned long long)(at + n - conn->out_edge));
            return;
        }
        done += n;
    }
}

/* ---- acknowledgements and windows ---- */

static uint64_t scaled_window(const struct pl_check_way *own, const struct pl_check_way *other,
                              const struct pl_segment *seg, uint8_t *shift) {
    *shift = own->wscale_given && other->wscale_given ? own->wscale : 0;
    return (uint64_t)seg->window_raw << *shift;
}

static void check_data_ack(struct pl_check *check, struct pl_check_flow *flow,
                           const struct pl_segment *seg) {
    struct pl_check_conn *conn = flow->conn;
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    char host = (char)('a' + (int)check->host);
    if (!pl_mptcp_has(o, PL_MP_DSS) || !o->dss.has_ack) {
        return;
    }
    uint64_t acked = data_offset(o->dss.ack, o->dss.ack_is_64, conn->idsn_remote, conn->in_acked);
    if (acked == UINT64_MAX || acked > conn->in_high) {
        pl_sim_fail(check->verdict, "host %c sent a DATA_ACK for what did not arrive", host);
        return;
    }
    if (acked < conn->in_acked) {
        pl_sim_fail(check->verdict, "host %c takes a DATA_ACK back", host);
        return;
    }
    conn->in_acked = acked;
    uint8_t shift = 0;
    uint64_t edge = acked + scaled_window(&flow->out, &flow->in, seg, &shift);
    if (edge + (UINT64_C(1) << shift) < conn->in_edge && !check->lenient) {
        pl_sim_fail(check->verdict, "host %c shrinks its window by %llu bytes", host,
                    (unsigned long long)(conn->in_edge - edge));
    }
    conn->in_edge = edge > conn->in_edge ? edge : conn->in_edge;
}

void pl_check_data_sent(struct pl_check *check, struct pl_check_flow *flow,
                        const struct pl_segment *seg) {
    take_capable(check, flow, seg, true);
    take_join(check, flow, seg, true);
    if (flow->conn == NULL || flow->conn->plain || (seg->flags & PL_TCP_SYN) != 0) {
        return;
    }
    take_mapping_sent(check, flow, seg);
    if (!flow->plain && !flow->probe && seg->payload_len > 0) {
        check_mapped(check, flow, seg);
    }
    check_data_ack(check, flow, seg);
}

/* ---- what arrives ---- */

static void take_mapping_arrived(struct pl_check_conn *conn, const struct pl_segment *seg) {
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    uint64_t end = 0;
    if (pl_mptcp_has(o, PL_MP_CAPABLE) && o->capable.len > 20) {
        end = o->capable.data_len;
    }
    if (pl_mptcp_has(o, PL_MP_DSS) && o->dss.has_map && o->dss.len > 0) {
        uint64_t dsn = data_offset(o->dss.dsn, o->dss.dsn_is_64, conn->idsn_remote, conn->in_acked);
        end = dsn != UINT64_MAX ? dsn + o->dss.len : 0;
    }
    conn->in_high = end > conn->in_high ? end : conn->in_high;
}

static void take_window(struct pl_check_flow *flow, const struct pl_segment *seg) {
    struct pl_check_conn *conn = flow->conn;
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    if (pl_mptcp_has(o, PL_MP_DSS) && o->dss.has_ack) {
        uint64_t acked =
            data_offset(o->dss.ack, o->dss.ack_is_64, conn->idsn_local, conn->out_acked);
        if (acked != UINT64_MAX && acked > conn->out_acked) {
            conn->out_acked = acked;
        }
    }
    uint8_t shift = 0;
    uint64_t edge = conn->out_acked + scaled_window(&flow->in, &flow->out, seg, &shift);
    conn->out_edge = edge > conn->out_edge ? edge : conn->out_edge;
}

void pl_check_data_arrived(struct pl_check *check, struct pl_check_flow *flow,
                           const struct pl_segment *seg) {
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    take_capable(check, flow, seg, false);
    take_join(check, flow, seg, false);
    bool syn = (seg->flags & PL_TCP_SYN) != 0;
    if (flow->conn == NULL || syn) {
        bool forgotten = check->cookies && flow->capable_out;
        flow->plain = flow->plain || (!syn && (o->present == 0 || forgotten)); /* before the keys */
        return;
    }
    bool infinite = pl_mptcp_has(o, PL_MP_DSS) && o->dss.has_map && o->dss.len == 0;
    if (o->present == 0 || infinite || pl_mptcp_has(o, PL_MP_FAIL)) {
        flow->conn->plain = true; /* the host may fall back now, section 3.7 */
        return;
    }
    take_mapping_arrived(flow->conn, seg);
    take_window(flow, seg);
}

/* mptcp/fastopen.c - payload in the SYN of the first subflow (RFC 7413; RFC 8684 appendix B).
 *
 * With MPTCP, what the SYN/ACK acknowledges of it is in the stream but not in the data sequence
 * space, so that everything in that space can have a checksum (appendix B.2): the first byte behind
 * it has the data sequence number IDSN + 1 and the subflow sequence number 1. `early_out` and
 * `early_in` are these bytes. Each end has to number its stream anew when it knows them: we, when
 * the SYN/ACK comes; a listener, which hands the payload on at once, when the peer's key comes.
 *
 * Payload that the SYN/ACK does not acknowledge is not early any more, says appendix B.3. A Linux
 * client whose SYN was lost sends it in front of the data sequence space all the same, in the
 * segment with both keys and no length: what cannot be in the space, then. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"
#include "wire/checksum.h"

/* The SYN/ACK's cookie, which a repetition leaves out (RFC 7413 section 4.2.1). */
static uint32_t write_grant(const struct pl_conn *conn, bool again, uint8_t *out, uint32_t room) {
    if (conn->grant == NULL || again || pl_tcp_fastopen_len(conn->grant) > room) {
        return 0;
    }
    PL_ASSERT(conn->grant->len > 0);
    return pl_tcp_put_fastopen(out, conn->grant);
}

/* A repetition of the SYN goes without it and without payload (RFC 7413 section 4.2.2). */
static uint32_t write_request(struct pl_conn *conn, bool again, uint8_t *out, uint32_t room) {
    struct pl_conn_fastopen *f = conn->fastopen;
    if (f == NULL || again) {
        if (f != NULL) {
            f->repeated = f->said;
        }
        return 0;
    }
    if (pl_tcp_fastopen_len(&f->cookie) > room) {
        return 0;
    }
    f->said = true;
    return pl_tcp_put_fastopen(out, &f->cookie);
}

uint32_t pl_fastopen_write(struct pl_conn *conn, const struct pl_seg_out *seg, uint8_t *out,
                           uint32_t room) {
    PL_ASSERT(seg->kind == PL_SEG_SYN || seg->kind == PL_SEG_SYN_ACK);
    PL_ASSERT(room <= PL_TCP_OPTIONS_MAX);
    return seg->kind == PL_SEG_SYN ? write_request(conn, seg->retransmission, out, room)
                                   : write_grant(conn, seg->retransmission, out, room);
}

void pl_fastopen_answer_in(struct pl_subflow *sf, const struct pl_segment *syn_ack) {
    struct pl_conn_fastopen *f = sf->conn->fastopen;
    const struct pl_tcp_options *o = &syn_ack->options;
    if (f == NULL || !f->said || f->answered) {
        return;
    }
    pl_seq32 first = pl_seq32_add(pl_tcp_iss(&sf->tcp), 1);
    PL_ASSERT(pl_seq32_le(first, syn_ack->ack));
    f->answered = true;
    f->acked_bytes = (uint32_t)pl_seq32_diff(syn_ack->ack, first);
    f->mss = o->has_mss ? o->mss : 0;
    f->granted = o->has_fastopen && o->fastopen.len > 0;
    f->grant = o->fastopen;
}

void pl_fastopen_accepted(struct pl_subflow *sf, const struct pl_segment *syn_ack, plait_time now) {
    struct pl_conn *conn = sf->conn;
    int32_t acked = pl_seq32_diff(syn_ack->ack, pl_seq32_add(pl_tcp_iss(&sf->tcp), 1));
    PL_ASSERT(acked >= 0 && acked <= UINT16_MAX);
    PL_ASSERT(conn->mode == PL_MODE_MPTCP && conn->early_out == 0);
    if (acked == 0) {
        return;
    }
    conn->early_out = (uint16_t)acked;
    pl_send_data_ack(conn, pl_seq64_add(conn->send.una, (uint32_t)acked), 0, now);
    pl_send_renumber(conn, pl_seq64_add(conn->keys.idsn_local, 1));
}

/* What a Linux server's program writes while the third ACK comes in stays with the kernel until our
 * next segment, however long that takes. So there is one, unless we say something anyway. */
void pl_fastopen_keys_out(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->conn->initiator && sf->conn->keys_sent);
    if (sf->conn->early_out > 0) {
        pl_tcp_ack_later(&sf->tcp, now);
    }
}

void pl_fastopen_data_in(struct pl_subflow *sf, struct pl_chunk *chunk, plait_time now) {
    struct pl_conn *conn = sf->conn;
    PL_ASSERT(conn->capable == PL_CAPABLE_ANSWERED);
    PL_ASSERT(chunk->len + conn->early_in <= UINT16_MAX);
    conn->early_in = (uint16_t)(conn->early_in + chunk->len);
    pl_recv_deliver(sf, conn->recv.nxt, chunk, now);
}

/* It gets a mapping in front of the space, whose checksum is that of what came. */
enum pl_verdict pl_fastopen_repeated_in(struct pl_subflow *sf, const struct pl_segment *seg,
                                        plait_time now) {
    struct pl_conn *conn = sf->conn;
    uint32_t len = seg->payload_len;
    pl_seq32 first = pl_seq32_add(pl_tcp_irs(&sf->tcp), 1);
    bool nothing_yet = conn->capable == PL_CAPABLE_KEYS && conn->early_in == 0 &&
                       pl_seq32_eq(pl_tcp_rcv_nxt(&sf->tcp), first);
    if (!nothing_yet || !pl_seq32_eq(seg->seq, first) || len > UINT16_MAX) {
        return PL_VERDICT_OK;
    }
    PL_ASSERT(len > 0 && seg->options.mptcp.capable.len == 20);
    PL_ASSERT(pl_seq64_eq(conn->recv.nxt, pl_seq64_add(conn->keys.idsn_remote, 1)));
    struct pl_map_in in = {.seq = first, .len = len, .wire_len = (uint16_t)len};
    in.dsn = pl_seq64_of(conn->recv.nxt.v - len);
    if (conn->checksum) {
        in.checksum =
            pl_dss_checksum(in.dsn, 1 - len, in.wire_len, pl_sum_add(0, seg->payload, len));
    }
    enum pl_verdict verdict = pl_map_add(sf, &in, now);
    if (verdict == PL_VERDICT_OK) {
        conn->early_in = (uint16_t)len;
        pl_recv_start(conn, in.dsn);
    }
    return verdict;
}

bool pl_fastopen_may_answer(const struct pl_conn *conn) {
    PL_ASSERT(conn->ctx != NULL);
    bool waits = conn->mode == PL_MODE_MPTCP && conn->capable == PL_CAPABLE_ANSWERED;
    return !waits || conn->ctx->config.fastopen_answers_early;
}

pl_seq32 pl_fastopen_ssn_out(const struct pl_subflow *sf) {
    PL_ASSERT(sf->conn != NULL);
    return pl_seq32_add(pl_tcp_iss(&sf->tcp), sf->join ? 0 : sf->conn->early_out);
}

pl_seq32 pl_fastopen_ssn_in(const struct pl_subflow *sf) {
    PL_ASSERT(sf->conn != NULL);
    return pl_seq32_add(pl_tcp_irs(&sf->tcp), sf->join ? 0 : sf->conn->early_in);
}

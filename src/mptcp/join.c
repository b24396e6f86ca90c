/* mptcp/join.c - the MP_JOIN handshake (RFC 8684 section 3.2).
 *
 * SYN: the token of the peer, a nonce, our address id. SYN/ACK and third ACK prove with an HMAC
 * over both nonces that each side knows both keys (SHA-256, in version 0 SHA-1). The initiator
 * sends no data before its third ACK was acknowledged (phase PRE) and repeats that ACK until then.
 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "mptcp/internal.h"
#include "mptcp/keys.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"

enum { RESENDS_MAX = 6 };

static void hmac_local(const struct pl_subflow *sf, uint8_t out[PL_DIGEST_MAX]) {
    PL_ASSERT(sf->join);
    const struct pl_mp_keys *k = &sf->conn->keys;
    pl_join_hmac(sf->conn->version, sf->conn->ctx->env, k->local_key, k->remote_key,
                 sf->nonce_local, sf->nonce_remote, out);
}

static void hmac_remote(const struct pl_subflow *sf, uint8_t out[PL_DIGEST_MAX]) {
    PL_ASSERT(sf->join);
    const struct pl_mp_keys *k = &sf->conn->keys;
    pl_join_hmac(sf->conn->version, sf->conn->ctx->env, k->remote_key, k->local_key,
                 sf->nonce_remote, sf->nonce_local, out);
}

uint32_t pl_join_write(struct pl_subflow *sf, const struct pl_seg_out *seg, uint8_t *out,
                       uint32_t room, plait_time now) {
    PL_ASSERT(sf->join);
    PL_ASSERT(sf->phase == PL_SF_OPENING || sf->phase == PL_SF_PRE);
    struct pl_mptcp_options o = {0};
    uint8_t digest[PL_DIGEST_MAX];
    o.join.backup = sf->backup;
    o.join.address_id = sf->local_id;
    o.join.nonce = sf->nonce_local;
    if (seg->kind == PL_SEG_SYN) {
        o.join.len = 12;
        o.join.token = sf->conn->keys.token_remote;
        if (sf->syn_count == 0) { /* Linux counts joins, not the SYNs that one takes */
            sf->syn_count = 1;
            PL_COUNT(sf->conn->ctx, MPJoinSynTx);
        }
    } else if (seg->kind == PL_SEG_SYN_ACK) {
        o.join.len = 16;
        hmac_local(sf, digest);
        memcpy(o.join.hmac, digest, 8);
    } else if (seg->kind == PL_SEG_ACK && sf->initiator && sf->phase == PL_SF_PRE) {
        o.join.len = 24;
        hmac_local(sf, digest);
        memcpy(o.join.hmac, digest, 20);
        sf->join_resend++;
        sf->join_resend_at =
            now + (200 * PLAIT_NS_PER_MS << (sf->join_resend > 4 ? 4 : sf->join_resend));
        pl_conn_touch(sf->conn); /* there is a deadline now */
    } else {
        return 0;
    }
    PL_ASSERT(o.join.len <= room);
    return pl_mptcp_write(out, PL_MP_JOIN, &o);
}

static enum pl_verdict refuse(struct pl_subflow *sf) {
    sf->reset_reason = PL_RESET_MPTCP;
    sf->reset_transient = false;
    sf->hmac_failed = true;
    return PL_VERDICT_RESET;
}

static enum pl_verdict syn_ack_in(struct pl_subflow *sf, const struct pl_mptcp_options *o) {
    PL_ASSERT(sf->join);
    PL_ASSERT(sf->initiator || sf->phase != PL_SF_OPENING);
    uint8_t digest[PL_DIGEST_MAX];
    if (sf->phase != PL_SF_OPENING) {
        return PL_VERDICT_OK; /* a repeated SYN/ACK: TCP answers with the third ACK */
    }
    if (!pl_mptcp_has(o, PL_MP_JOIN) || o->join.len != 16) {
        return refuse(sf);
    }
    sf->nonce_remote = o->join.nonce;
    hmac_remote(sf, digest);
    if (!pl_secret_equal(digest, o->join.hmac, 8)) {
        PL_COUNT(sf->conn->ctx, MPJoinSynAckHMacFailure);
        return refuse(sf);
    }
    PL_COUNT(sf->conn->ctx, MPJoinSynAckRx);
    if (o->join.backup) {
        PL_COUNT(sf->conn->ctx, MPJoinSynAckBackupRx);
    }
    if (sf->tcp.tuple.remote_port != sf->conn->tuple.remote_port) {
        PL_COUNT(sf->conn->ctx, MPJoinPortSynAckRx);
    }
    sf->remote_id = o->join.address_id;
    sf->backup_peer = o->join.backup;
    return PL_VERDICT_OK;
}

static enum pl_verdict third_ack_in(struct pl_subflow *sf, const struct pl_mptcp_options *o) {
    PL_ASSERT(!sf->initiator);
    PL_ASSERT(sf->phase == PL_SF_OPENING);
    uint8_t digest[PL_DIGEST_MAX];
    if (!pl_mptcp_has(o, PL_MP_JOIN) || o->join.len != 24) {
        return refuse(sf);
    }
    hmac_remote(sf, digest);
    if (!pl_secret_equal(digest, o->join.hmac, 20)) {
        PL_COUNT(sf->conn->ctx, MPJoinAckHMacFailure);
        return refuse(sf);
    }
    if (!pl_pm_may_keep(sf->conn)) { /* several were opened at once */
        PL_COUNT(sf->conn->ctx, MPJoinRejected);
        sf->reset_reason = PL_RESET_PROHIBITED;
        return PL_VERDICT_RESET;
    }
    PL_COUNT(sf->conn->ctx, MPJoinAckRx);
    if (sf->tcp.tuple.local_port != sf->conn->tuple.local_port) {
        PL_COUNT(sf->conn->ctx, MPJoinPortAckRx);
    }
    return PL_VERDICT_OK;
}

enum pl_verdict pl_join_in(struct pl_subflow *sf, const struct pl_segment *seg,
                           enum pl_seg_kind kind, plait_time now) {
    PL_ASSERT(sf->join);
    PL_ASSERT(sf->phase != PL_SF_DEAD);
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    if (kind == PL_SEG_SYN) { /* checked by pl_conn_join; on an initiator: a simultaneous open */
        return sf->initiator ? refuse(sf) : PL_VERDICT_OK;
    }
    if (kind == PL_SEG_SYN_ACK) {
        return syn_ack_in(sf, o);
    }
    if (sf->phase == PL_SF_OPENING && !sf->initiator) {
        return third_ack_in(sf, o);
    }
    if (sf->phase == PL_SF_PRE) {
        pl_subflow_up(sf, now);
    }
    if (sf->phase == PL_SF_UP && pl_mptcp_has(o, PL_MP_JOIN) && o->join.len == 24) {
        pl_tcp_ack_now(&sf->tcp); /* our ACK to the third ACK was lost */
    }
    if (pl_subflow_acks_data(sf, seg) && !sf->proven && o->present == 0 && o->bad == 0) {
        sf->reset_reason = PL_RESET_MIDDLEBOX; /* options got lost (section 3.7) */
        sf->reset_transient = false;
        pl_pm_rst_reason(sf, PL_RESET_MIDDLEBOX, false); /* they would again */
        return PL_VERDICT_RESET;
    }
    return PL_VERDICT_OK;
}

void pl_join_answer(const struct pl_conn *conn, uint32_t nonce_local, uint32_t nonce_remote,
                    uint8_t hmac[8]) {
    const struct pl_mp_keys *k = &conn->keys;
    uint8_t digest[PL_DIGEST_MAX];
    pl_join_hmac(conn->version, conn->ctx->env, k->local_key, k->remote_key, nonce_local,
                 nonce_remote, digest);
    memcpy(hmac, digest, 8);
}

bool pl_conn_join_proved(const struct pl_conn *conn, uint32_t nonce_local, uint32_t nonce_remote,
                         const uint8_t hmac[20]) {
    const struct pl_mp_keys *k = &conn->keys;
    uint8_t digest[PL_DIGEST_MAX];
    if (!pl_conn_fully_established(conn)) {
        return false;
    }
    pl_join_hmac(conn->version, conn->ctx->env, k->remote_key, k->local_key, nonce_remote,
                 nonce_local, digest);
    return pl_secret_equal(digest, hmac, 20);
}

void pl_join_run(struct pl_conn *conn, plait_time now) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->phase != PL_SF_PRE || sf->join_resend_at > now) {
            continue;
        }
        if (sf->join_resend > RESENDS_MAX) {
            pl_subflow_reset(sf, PL_RESET_MPTCP, true, PLAIT_E_TIMED_OUT, now);
            continue;
        }
        sf->join_resend_at = now + PLAIT_NS_PER_S;
        pl_tcp_ack_now(&sf->tcp);
    }
}

plait_time pl_join_deadline(const struct pl_conn *conn) {
    plait_time first = PLAIT_TIME_NEVER;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->phase == PL_SF_PRE && sf->join_resend_at < first) {
            first = sf->join_resend_at;
        }
    }
    return first;
}

/* mptcp/capable.c - the MP_CAPABLE handshake of the first subflow (RFC 8684 section 3.1).
 *
 *   initiator: ASKED --SYN/ACK with key--> KEYS --any DSS--> CONFIRMED
 *   responder: ANSWERED --ACK or data with both keys--> KEYS --any DSS, or data with MP_CAPABLE-->
 * CONFIRMED
 *
 * Anything that shows that options do not get through before CONFIRMED leads to plain TCP
 * (section 3.7). In KEYS the initiator repeats its keys on every pure ACK and on the first data,
 * because it cannot know whether the third ACK arrived. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/keys.h"
#include "mptcp/subflow.h"

enum { SYNS_WITH_CAPABLE = 3, KEY_TRIES = 8 };

int pl_capable_start(struct pl_conn *conn) {
    PL_ASSERT(!conn->token_added);
    PL_ASSERT(conn->mode == PL_MODE_MPTCP);
    const struct plait_env *env = conn->ctx->env;
    struct pl_mp_keys *k = &conn->keys;
    for (unsigned i = 0; i < (conn->key_given ? 1 : KEY_TRIES); i++) {
        if (!conn->key_given) {
            k->local_key = pl_env_random64(env);
        }
        pl_key_hash(conn->version, env, k->local_key, &k->token_local, &k->idsn_local);
        if (conn->host->token_add(conn->host->arg, conn)) {
            conn->token_added = true;
            pl_send_renumber(conn, pl_seq64_add(k->idsn_local, 1));
            return 0;
        }
    }
    PL_COUNT(conn->ctx, MPFallbackTokenInit);
    return PLAIT_E_LIMIT;
}

static void take_flags(struct pl_conn *conn, uint8_t flags) {
    bool no_join = conn->version->no_join_flag && (flags & PL_CAPABLE_NO_JOIN) != 0;
    conn->checksum = conn->checksum || (flags & PL_CAPABLE_CHECKSUM) != 0;
    conn->no_join_remote = conn->no_join_remote || no_join;
}

static void take_remote_key(struct pl_conn *conn, uint64_t key) {
    PL_ASSERT(conn->capable < PL_CAPABLE_KEYS);
    PL_ASSERT(conn->token_added);
    struct pl_mp_keys *k = &conn->keys;
    k->remote_key = key;
    pl_key_hash(conn->version, conn->ctx->env, key, &k->token_remote, &k->idsn_remote);
    pl_recv_start(conn, pl_seq64_add(k->idsn_remote, 1));
    conn->capable = PL_CAPABLE_KEYS;
}

void pl_capable_syn_in(struct pl_conn *conn, const struct pl_segment *syn) {
    const struct pl_mptcp_options *o = &syn->options.mptcp;
    PL_ASSERT(conn->state == PL_CONN_NEW);
    conn->capable = PL_CAPABLE_NONE;
    if (conn->mode != PL_MODE_MPTCP || !pl_mptcp_has(o, PL_MP_CAPABLE)) {
        conn->mode = PL_MODE_PLAIN;
        return;
    }
    PL_COUNT(conn->ctx, MPCapableSYNRX);
    const struct plait_mptcp_version *version = pl_version_for_syn(conn->ctx, conn->versions, o);
    conn->version = version != NULL ? version : conn->version;
    if (version == NULL || pl_capable_start(conn) < 0) {
        conn->mode = PL_MODE_PLAIN;
        return;
    }
    conn->keys.remote_key = o->capable.key_sender; /* 0: it comes with the third ACK */
    conn->checksum = conn->ctx->config.checksum;
    take_flags(conn, o->capable.flags);
    conn->capable = PL_CAPABLE_ANSWERED;
}

static uint8_t flags_with(const struct plait_mptcp_version *version,
                          const struct plait_config *config, bool checksum) {
    uint8_t flags = PL_CAPABLE_HMAC_SHA256;
    if (checksum || config->checksum) {
        flags |= PL_CAPABLE_CHECKSUM;
    }
    if (config->deny_join_initial && version->no_join_flag) {
        flags |= PL_CAPABLE_NO_JOIN;
    }
    return flags;
}

static uint8_t own_flags(const struct pl_conn *conn) {
    PL_ASSERT(conn->mode == PL_MODE_MPTCP);
    PL_ASSERT(conn->token_added);
    return flags_with(conn->version, &conn->ctx->config, conn->checksum);
}

uint32_t pl_conn_stateless_capable(const struct pl_ctx *ctx, uint8_t versions,
                                   const struct pl_segment *syn, uint64_t key, uint8_t *out,
                                   uint32_t room) {
    const struct pl_mptcp_options *asked = &syn->options.mptcp;
    PL_ASSERT((syn->flags & PL_TCP_SYN) != 0);
    const struct plait_mptcp_version *version = pl_version_for_syn(ctx, versions, asked);
    if (version == NULL || room < 12) {
        return 0;
    }
    struct pl_mptcp_options o = {
        .capable = {.len = 12, .version = version->number, .key_sender = key}};
    bool checksum = (asked->capable.flags & PL_CAPABLE_CHECKSUM) != 0;
    o.capable.flags = flags_with(version, &ctx->config, checksum);
    return pl_mptcp_write(out, PL_MP_CAPABLE, &o);
}

/* Which form a segment of this kind carries now; 0: none. */
static uint8_t form(struct pl_subflow *sf, const struct pl_seg_out *seg) {
    PL_ASSERT(!sf->join);
    PL_ASSERT(sf->conn->mode == PL_MODE_MPTCP);
    const struct pl_conn *conn = sf->conn;
    if (seg->kind == PL_SEG_SYN) {
        if (conn->capable != PL_CAPABLE_ASKED) {
            return 0;
        }
        /* Linux counts connections here, not the SYNs that each one takes. */
        if (sf->syn_count == 0) {
            PL_COUNT(conn->ctx, MPCapableSYNTX);
        } else if (sf->syn_count == SYNS_WITH_CAPABLE) {
            PL_COUNT(conn->ctx, MPCapableSYNTXDrop);
        }
        if (sf->syn_count > SYNS_WITH_CAPABLE) {
            return 0;
        }
        sf->syn_count++;
        return sf->syn_count <= SYNS_WITH_CAPABLE ? conn->version->syn_len : 0;
    }
    if (seg->kind == PL_SEG_SYN_ACK) {
        return conn->capable == PL_CAPABLE_ANSWERED ? 12 : 0;
    }
    if (!conn->initiator || conn->capable != PL_CAPABLE_KEYS) {
        return 0;
    }
    if (seg->kind == PL_SEG_DATA) {
        /* The option names no SSN: it is for the first byte of the subflow, and for nothing that
         * carries the first data again. */
        bool first = conn->version->data_in_capable &&
                     seg->origin->tag == conn->keys.idsn_local.v + 1 &&
                     pl_seq32_eq(seg->origin->seq, pl_seq32_add(pl_fastopen_ssn_out(sf), 1));
        return first ? (conn->checksum ? 24 : 22) : 0;
    }
    /* A DATA_FIN without data goes out in turns with the keys. */
    return seg->kind == PL_SEG_ACK && !(conn->fin_on_ack && conn->send.fin_backoff % 2 == 0) ? 20
                                                                                             : 0;
}

uint32_t pl_capable_write(struct pl_subflow *sf, const struct pl_seg_out *seg, uint8_t *out,
                          uint32_t room, plait_time now) {
    struct pl_conn *conn = sf->conn;
    struct pl_mptcp_options o = {0};
    o.capable.len = form(sf, seg);
    if (o.capable.len == 0) {
        return 0;
    }
    o.capable.version = conn->version->number;
    o.capable.flags = own_flags(conn);
    o.capable.key_sender = conn->keys.local_key;
    o.capable.key_receiver = conn->keys.remote_key;
    if (o.capable.len >= 22) {
        /* DATA_FIN never rides on it: the option has no flag for that. */
        PL_ASSERT(seg->origin->flags == 0);
        o.capable.data_len = (uint16_t)seg->origin->len;
        o.capable.has_checksum = conn->checksum;
        if (conn->checksum) {
            o.capable.checksum = pl_dss_checksum(pl_seq64_of(seg->origin->tag), 1,
                                                 o.capable.data_len, seg->origin->sum);
        }
    }
    if (o.capable.len >= 20 && !conn->keys_sent) {
        conn->keys_sent = true;
        pl_fastopen_keys_out(sf, now);
        pl_conn_touch(conn); /* a DATA_FIN may have waited for it, */
        pl_conn_kick(conn);  /* and in version 0 data, too */
    }
    return pl_mptcp_len(PL_MP_CAPABLE, &o) <= room ? pl_mptcp_write(out, PL_MP_CAPABLE, &o) : 0;
}

/* The server has chosen a lower version than ours (RFC 8684 section 3.1), whose token and IDSN are
 * others. Our SYN had no key, so any will do; bytes that wait to be sent get other numbers. Those
 * that it has taken from the SYN have none: no other version knows such bytes. */
static bool change_version(struct pl_subflow *sf, const struct plait_mptcp_version *version,
                           const struct pl_segment *syn_ack) {
    struct pl_conn *conn = sf->conn;
    PL_ASSERT(conn->capable == PL_CAPABLE_ASKED);
    if (version == conn->version) {
        return true;
    }
    if (!pl_seq32_eq(syn_ack->ack, pl_seq32_add(pl_tcp_iss(&sf->tcp), 1))) {
        return false;
    }
    conn->host->token_remove(conn->host->arg, conn);
    conn->token_added = false;
    conn->version = version;
    return pl_capable_start(conn) == 0;
}

bool pl_capable_first(const struct pl_conn *conn) {
    return conn->capable == PL_CAPABLE_KEYS && conn->initiator && !conn->keys_sent &&
           !conn->version->data_in_capable;
}

static enum pl_verdict syn_ack_in(struct pl_subflow *sf, const struct pl_segment *seg,
                                  plait_time now) {
    PL_ASSERT(!sf->join);
    PL_ASSERT(sf->conn->capable != PL_CAPABLE_ASKED || sf->conn->initiator);
    struct pl_conn *conn = sf->conn;
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    if (conn->capable != PL_CAPABLE_ASKED) {
        return PL_VERDICT_OK; /* a repeated SYN/ACK */
    }
    const struct plait_mptcp_version *version =
        pl_version_chosen(conn->ctx, conn->versions, conn->version, o);
    if (version == NULL || !change_version(sf, version, seg)) {
        PL_COUNT(conn->ctx, MPCapableFallbackSYNACK);
        pl_fallback(conn, sf, PL_FALLBACK_SYN_ACK, now);
        return PL_VERDICT_OK;
    }
    PL_COUNT(conn->ctx, MPCapableSYNACKRX);
    take_flags(conn, o->capable.flags);
    take_remote_key(conn, o->capable.key_sender);
    pl_fastopen_accepted(sf, seg, now);
    conn->send.window_edge = pl_seq64_add(conn->send.una, seg->window_raw);
    return PL_VERDICT_OK;
}

static void confirm(struct pl_conn *conn) {
    PL_ASSERT(conn->capable == PL_CAPABLE_KEYS);
    conn->capable = PL_CAPABLE_CONFIRMED;
    pl_conn_count(conn);
    pl_conn_touch(conn);
}

/* The mapping that stands in an MP_CAPABLE with data: the first byte of both spaces. */
static enum pl_verdict data_in(struct pl_subflow *sf, const struct pl_mptcp_options *o,
                               plait_time now) {
    PL_ASSERT(o->capable.len == 22 || o->capable.len == 24);
    PL_ASSERT(!sf->conn->initiator);
    struct pl_conn *conn = sf->conn;
    struct pl_map_in in = {
        .seq = pl_seq32_add(pl_fastopen_ssn_in(sf), 1),
        .len = o->capable.data_len,
        .dsn = pl_seq64_add(conn->keys.idsn_remote, 1),
        .wire_len = o->capable.data_len,
        .checksum = o->capable.checksum,
    };
    if (in.len == 0) {
        return PL_VERDICT_OK;
    }
    if (o->capable.has_checksum != conn->checksum) {
        return pl_dss_not_as_agreed(sf);
    }
    if (conn->capable == PL_CAPABLE_KEYS) {
        confirm(conn);
    }
    return pl_map_add(sf, &in, now);
}

/* Both keys, and they are the ones that were exchanged. */
static bool keys_right(const struct pl_conn *conn, const struct pl_mptcp_options *o) {
    uint64_t promised = conn->keys.remote_key;
    return o->capable.version == conn->version->number &&
           pl_key_equal(o->capable.key_receiver, conn->keys.local_key) &&
           (promised == 0 || pl_key_equal(o->capable.key_sender, promised));
}

static void both_keys(struct pl_subflow *sf, const struct pl_segment *seg, uint64_t remote_key) {
    struct pl_conn *conn = sf->conn;
    take_remote_key(conn, remote_key);
    conn->send.window_edge = pl_seq64_add(conn->send.una, pl_tcp_scaled_window(&sf->tcp, seg));
    if (pl_send_outstanding(conn)) { /* sent before: it had no DATA_ACK, which confirms */
        pl_tcp_ack_now(&sf->tcp);
    }
    if (sf->phase == PL_SF_UP) { /* by Fast Open: now it may answer */
        pl_tcp_kick(&sf->tcp);
        pl_conn_touch(conn);
    }
}

/* Where the peer's key was in its SYN (RFC 6824), its data does not repeat it. A DATA_ACK of our
 * first octet, which only our key tells, or a mapping that begins with its own says that the third
 * ACK was lost. */
static bool keys_implied(const struct pl_conn *conn, const struct pl_mptcp_options *o) {
    uint32_t token;
    pl_seq64 idsn_remote;
    if (conn->keys.remote_key == 0 || !pl_mptcp_has(o, PL_MP_DSS)) {
        return false;
    }
    pl_key_hash(conn->version, conn->ctx->env, conn->keys.remote_key, &token, &idsn_remote);
    bool acks = o->dss.has_ack && (uint32_t)o->dss.ack == (uint32_t)(conn->keys.idsn_local.v + 1);
    bool begins = o->dss.has_map && (uint32_t)o->dss.dsn == (uint32_t)(idsn_remote.v + 1);
    return acks || begins;
}

/* The responder waits for the peer's key. */
static enum pl_verdict third_ack_in(struct pl_subflow *sf, const struct pl_segment *seg,
                                    plait_time now) {
    PL_ASSERT(sf->conn->capable == PL_CAPABLE_ANSWERED);
    PL_ASSERT(!sf->conn->initiator);
    struct pl_conn *conn = sf->conn;
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    bool keys = pl_mptcp_has(o, PL_MP_CAPABLE) && o->capable.len >= 20;
    if (keys && keys_right(conn, o)) {
        PL_COUNT(conn->ctx, MPCapableACKRX);
        both_keys(sf, seg, o->capable.key_sender);
        return PL_VERDICT_OK;
    }
    if (!keys && keys_implied(conn, o)) {
        both_keys(sf, seg, conn->keys.remote_key);
        confirm(conn);
        return PL_VERDICT_OK;
    }
    if (!keys && (o->present != 0 || o->bad != 0)) {
        return PL_VERDICT_DROP; /* options do pass, but the keys were lost: they come again */
    }
    /* No option, or somebody meddles with them: no MPTCP, and no RST either (section 3.1). */
    PL_COUNT(conn->ctx, MPCapableFallbackACK);
    pl_fallback(conn, sf, PL_FALLBACK_ACK, now);
    return PL_VERDICT_OK;
}

static bool is_fin(const struct pl_segment *seg) {
    return (seg->flags & PL_TCP_FIN) != 0;
}

/* Options are lost on the way: plain TCP, or when that is not safe any more, the end. */
static enum pl_verdict no_dss(struct pl_subflow *sf, plait_time now) {
    if (pl_fallback_possible(sf->conn, sf)) {
        if (sf->conn->capable == PL_CAPABLE_CONFIRMED) {
            PL_COUNT(sf->conn->ctx, DssFallback);
        } else {
            PL_COUNT(sf->conn->ctx, MPCapableDataFallback);
        }
        pl_fallback(sf->conn, sf, PL_FALLBACK_NO_DSS, now);
        return PL_VERDICT_OK;
    }
    PL_COUNT(sf->conn->ctx, FallbackFailed);
    sf->reset_reason = PL_RESET_MIDDLEBOX;
    return PL_VERDICT_RESET;
}

/* The peer is known to speak MPTCP, but our data is acknowledged without a DATA_ACK: it does not
 * see our options, or we do not see its. It may have fallen back already, so that what it takes for
 * the stream is this subflow: fall back as well, or give the subflow up, but never go on
 * (section 3.7). */
static enum pl_verdict unanswered_in(struct pl_subflow *sf, const struct pl_segment *seg,
                                     plait_time now) {
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    if (sf->proven || sf->doubtful || o->present != 0 || o->bad != 0) {
        return PL_VERDICT_OK;
    }
    bool ended = is_fin(seg) && !sf->dss_seen;
    return pl_subflow_acks_data(sf, seg) || ended ? no_dss(sf, now) : PL_VERDICT_OK;
}

/* Both keys known, nothing confirmed: does the peer's MPTCP reach us? */
static enum pl_verdict unconfirmed_in(struct pl_subflow *sf, const struct pl_segment *seg,
                                      plait_time now) {
    PL_ASSERT(sf->conn->capable == PL_CAPABLE_KEYS);
    struct pl_conn *conn = sf->conn;
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    /* A mapping alone does not say that the peer has got our key: it may answer to Fast Open. */
    if ((pl_mptcp_has(o, PL_MP_DSS) && o->dss.has_ack) || pl_mptcp_has(o, PL_MP_FASTCLOSE)) {
        bool silent = pl_seq64_lt(pl_seq64_add(conn->keys.idsn_remote, 1), conn->recv.nxt);
        confirm(conn);
        if (silent) { /* our ACKs had the keys in place of the DATA_ACK */
            pl_tcp_ack_now(&sf->tcp);
        }
        return PL_VERDICT_OK;
    }
    if (pl_mptcp_has(o, PL_MP_CAPABLE) || o->present != 0) {
        return PL_VERDICT_OK;
    }
    bool speaks = seg->payload_len > 0 || is_fin(seg) || pl_subflow_acks_data(sf, seg);
    return speaks ? no_dss(sf, now) : PL_VERDICT_OK;
}

enum pl_verdict pl_capable_in(struct pl_subflow *sf, const struct pl_segment *seg,
                              enum pl_seg_kind kind, plait_time now) {
    PL_ASSERT(!sf->join);
    PL_ASSERT(sf->conn->mode == PL_MODE_MPTCP);
    struct pl_conn *conn = sf->conn;
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    enum pl_verdict verdict = PL_VERDICT_OK;
    if (kind == PL_SEG_SYN) { /* of a new passive connection, or a simultaneous open */
        if (conn->capable == PL_CAPABLE_ASKED) {
            PL_COUNT(conn->ctx, SimultConnectFallback);
            pl_fallback(conn, sf, PL_FALLBACK_SYN, now);
        }
        return PL_VERDICT_OK;
    }
    if (kind == PL_SEG_SYN_ACK) {
        return syn_ack_in(sf, seg, now);
    }
    if (conn->capable == PL_CAPABLE_ANSWERED) {
        verdict = third_ack_in(sf, seg, now);
    } else if (conn->capable == PL_CAPABLE_KEYS) {
        verdict = unconfirmed_in(sf, seg, now);
    } else if (conn->capable == PL_CAPABLE_CONFIRMED) {
        verdict = unanswered_in(sf, seg, now);
    }
    if (verdict != PL_VERDICT_OK || conn->mode == PL_MODE_PLAIN) {
        return verdict;
    }
    if (conn->initiator || !pl_mptcp_has(o, PL_MP_CAPABLE)) {
        return PL_VERDICT_OK;
    }
    if (o->capable.len == 20 && seg->payload_len > 0) {
        return pl_fastopen_repeated_in(sf, seg, now);
    }
    return o->capable.len > 20 ? data_in(sf, o, now) : PL_VERDICT_OK;
}

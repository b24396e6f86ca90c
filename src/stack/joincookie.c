#include "stack/joincookie.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "stack/demux.h"
#include "stack/reply.h"
#include "stack/syncookie.h"

#define PERIOD_NS (64 * PLAIT_NS_PER_S)
enum { TRIES_MAX = 16, MESSAGE_LEN = 41, SEALED_LEN = MESSAGE_LEN + 8 };

/* The time stamp, before it is masked. The lowest bit is not: it says which secret. */
enum {
    WHICH_MASK = 1,
    MSS_SHIFT = 1,
    MSS_MASK = 7,
    WSCALE_SHIFT = 4,
    WSCALE_MASK = 15,
    WSCALE_NONE = 15,
    SACK_SHIFT = 8,
    BACKUP_SHIFT = 9,
    ID_SHIFT = 10,
    ID_MASK = 255,
    TOKEN_SHIFT = 18,
    TOKEN_BITS = 14,
    TOKEN_MASK = (1 << TOKEN_BITS) - 1,
};

/* What the keyed hash of a join's four-tuple and sequence number gives. */
struct mask {
    uint32_t number, stamp;
};

/* ---- secrets ---- */

static unsigned turn(struct plait_stack *stack) {
    struct pl_joincookie *c = &stack->joincookie;
    bool was_on = c->secrets.on;
    uint64_t was = c->secrets.period;
    unsigned which = pl_secrets_turn(&c->secrets, &stack->ctx, stack->now, PERIOD_NS);
    PL_ASSERT(which <= 1);
    if (!was_on || c->secrets.period > was) {
        memset(c->taken[which], 0, sizeof(c->taken[0]));
    }
    if (!was_on || c->secrets.period > was + 1) {
        memset(c->taken[1 - which], 0, sizeof(c->taken[0]));
    }
    return which;
}

static void keyed(const struct plait_stack *stack, unsigned which, const uint8_t *message,
                  size_t len, uint8_t digest[32]) {
    const struct plait_env *env = stack->ctx.env;
    const struct pl_secrets *s = &stack->joincookie.secrets;
    PL_ASSERT(which <= 1 && s->on);
    env->hmac_sha256(env->user, s->secret[which], PL_SECRET_LEN, message, len, digest);
}

static void message_of(const struct pl_tcp_tuple *tuple, pl_seq32 isn,
                       uint8_t message[MESSAGE_LEN]) {
    memcpy(message, tuple->local.bytes, 16);
    memcpy(message + 16, tuple->remote.bytes, 16);
    pl_put16(message + 32, tuple->local_port);
    pl_put16(message + 34, tuple->remote_port);
    message[36] = tuple->local.family;
    pl_put32(message + 37, isn.v);
}

static struct mask mask_of(const struct plait_stack *stack, unsigned which,
                           const uint8_t message[MESSAGE_LEN]) {
    uint8_t digest[32];
    keyed(stack, which, message, MESSAGE_LEN, digest);
    return (struct mask){.number = pl_get32(digest), .stamp = pl_get32(digest + 4) & ~1U};
}

/* Our nonce: as good as random, and another one for whatever else the cookie says. */
static uint32_t nonce_of(const struct plait_stack *stack, uint32_t stamp, uint32_t nonce_remote,
                         const uint8_t message[MESSAGE_LEN]) {
    uint8_t sealed[SEALED_LEN], digest[32];
    memcpy(sealed, message, MESSAGE_LEN);
    pl_put32(sealed + MESSAGE_LEN, stamp);
    pl_put32(sealed + MESSAGE_LEN + 4, nonce_remote);
    keyed(stack, stamp & WHICH_MASK, sealed, SEALED_LEN, digest);
    return pl_get32(digest);
}

/* ---- what a SYN says, in 32 bits ---- */

static uint32_t stamp_of(const struct pl_segment *syn, uint8_t family, unsigned which) {
    const struct pl_tcp_options *o = &syn->options;
    uint32_t wscale = o->wscale < WSCALE_NONE ? o->wscale : WSCALE_NONE - 1;
    PL_ASSERT(o->has_timestamps && which <= 1);
    return (o->mptcp.join.token & TOKEN_MASK) << TOKEN_SHIFT |
           (uint32_t)o->mptcp.join.address_id << ID_SHIFT |
           (o->mptcp.join.backup ? 1U << BACKUP_SHIFT : 0) |
           (o->has_sack_ok ? 1U << SACK_SHIFT : 0) |
           (o->has_wscale ? wscale : WSCALE_NONE) << WSCALE_SHIFT |
           pl_syncookie_mss_index(syn, family) << MSS_SHIFT | which;
}

/* The SYN again; the third ACK's own stamps go on from it. */
static struct pl_segment syn_of(const struct pl_segment *ack, uint32_t stamp, uint32_t nonce) {
    struct pl_segment syn = {.src_port = ack->src_port,
                             .dst_port = ack->dst_port,
                             .seq = pl_seq32_add(ack->seq, UINT32_MAX),
                             .flags = PL_TCP_SYN,
                             .window_raw = ack->window_raw};
    struct pl_tcp_options *o = &syn.options;
    PL_ASSERT(ack->options.has_timestamps);
    o->has_mss = true;
    o->mss = pl_syncookie_mss(stamp >> MSS_SHIFT & MSS_MASK);
    o->has_timestamps = true;
    o->ts_val = ack->options.ts_val;
    o->has_sack_ok = (stamp >> SACK_SHIFT & 1) != 0;
    o->wscale = stamp >> WSCALE_SHIFT & WSCALE_MASK;
    o->has_wscale = o->wscale != WSCALE_NONE;
    o->mptcp.present = 1 << PL_MP_JOIN;
    o->mptcp.join.len = 12;
    o->mptcp.join.backup = (stamp >> BACKUP_SHIFT & 1) != 0;
    o->mptcp.join.address_id = stamp >> ID_SHIFT & ID_MASK;
    o->mptcp.join.nonce = nonce;
    return syn;
}

/* ---- answering ---- */

static bool due(const struct plait_stack *stack, const struct pl_conn *conn,
                const struct pl_segment *syn) {
    uint8_t when = stack->ctx.config.syn_cookies;
    if (when == PLAIT_SYN_COOKIES_NEVER || !syn->options.has_timestamps) {
        return false;
    }
    return when == PLAIT_SYN_COOKIES_ALWAYS || pl_conn_joins_crowd(conn);
}

static uint8_t put_options(const struct plait_stack *stack, const struct pl_packet *packet,
                           uint32_t stamp, uint8_t out[PL_REPLY_OPTIONS]) {
    const struct pl_tcp_options *o = &packet->seg.options;
    uint32_t len = pl_tcp_put_mss(out, pl_syncookie_mss_offer(packet));
    len += o->has_sack_ok ? pl_tcp_put_sack_ok(out + len) : 0;
    len += pl_tcp_put_timestamps(out + len, stamp, o->ts_val);
    if (o->has_wscale) {
        len += pl_tcp_put_wscale(out + len, pl_tcp_wscale_choose(&stack->ctx, 0));
    }
    PL_ASSERT(len % 4 == 0 && len + 16 <= PL_REPLY_OPTIONS);
    return (uint8_t)len;
}

bool pl_joincookie_answer(struct plait_stack *stack, struct pl_conn *conn,
                          const struct pl_packet *packet) {
    const struct pl_segment *syn = &packet->seg;
    uint8_t message[MESSAGE_LEN];
    if (!due(stack, conn, syn)) {
        return false;
    }
    struct pl_join_request join = {
        .port = packet->port->id, .tuple = pl_packet_tuple(packet), .syn = syn};
    uint32_t nonce_remote = syn->options.mptcp.join.nonce;
    uint32_t stamp = stamp_of(syn, join.tuple.local.family, turn(stack));
    message_of(&join.tuple, syn->seq, message);
    struct mask mask = mask_of(stack, stamp & WHICH_MASK, message);
    join.nonce = nonce_of(stack, stamp, nonce_remote, message);
    struct pl_reply reply = {.src = packet->ip.dst,
                             .dst = packet->ip.src,
                             .src_port = syn->dst_port,
                             .dst_port = syn->src_port,
                             .seq = pl_seq32_of(nonce_remote ^ mask.number),
                             .ack = pl_seq32_add(syn->seq, 1),
                             .flags = PL_TCP_SYN | PL_TCP_ACK};
    reply.options_len = put_options(stack, packet, stamp ^ mask.stamp, reply.options);
    uint32_t room = PL_REPLY_OPTIONS - reply.options_len;
    uint32_t len = pl_conn_join_stateless(conn, &join, &reply.window_raw,
                                          reply.options + reply.options_len, room);
    if (len == 0) {
        return false;
    }
    reply.options_len += (uint8_t)len;
    stack->joincookie.sent_at = stack->now;
    if (pl_reply_put(&packet->port->replies, &reply)) {
        PL_COUNT(&stack->ctx, SyncookiesSent);
    } else {
        PL_COUNT(&stack->ctx, DropBacklog);
    }
    return true;
}

/* ---- the third ACK ---- */

static bool may_be_cookie(const struct plait_stack *stack, const struct pl_segment *seg) {
    const struct pl_joincookie *c = &stack->joincookie;
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    bool is_ack = (seg->flags & (PL_TCP_ACK | PL_TCP_SYN | PL_TCP_RST)) == PL_TCP_ACK;
    return is_ack && c->secrets.on && stack->now - c->sent_at < 2 * PERIOD_NS &&
           seg->options.has_timestamps && pl_mptcp_has(o, PL_MP_JOIN) && o->join.len == 24;
}

/* The connection whose keys the HMAC proves. */
static struct pl_conn *find(const struct plait_stack *stack, uint32_t stamp, uint32_t nonce_local,
                            uint32_t nonce_remote, const uint8_t hmac[20]) {
    const struct pl_hash_table *tokens = &stack->tokens;
    uint32_t ending = stamp >> TOKEN_SHIFT;
    struct pl_hash_node *node = pl_hash_find_ending(tokens, ending, TOKEN_BITS, NULL);
    for (unsigned i = 0; node != NULL && i < TRIES_MAX; i++) {
        struct pl_conn *conn = pl_conn_of_token_node(node);
        PL_ASSERT((pl_conn_token(conn) & TOKEN_MASK) == ending);
        if (pl_conn_join_proved(conn, nonce_local, nonce_remote, hmac)) {
            return conn;
        }
        node = pl_hash_find_ending(tokens, ending, TOKEN_BITS, node);
    }
    return NULL;
}

/* False: a subflow was opened by this cookie already, or by another with the same bit. */
static bool take_once(struct plait_stack *stack, unsigned which, uint32_t nonce_local) {
    struct pl_joincookie *c = &stack->joincookie;
    unsigned bit = nonce_local % (sizeof(c->taken[0]) * 8);
    bool taken = (c->taken[which][bit / 8] >> bit % 8 & 1) != 0;
    c->taken[which][bit / 8] |= (uint8_t)(1 << bit % 8);
    return !taken;
}

/* Makes the half-open subflow that would have been there, its SYN/ACK sent. */
static struct pl_subflow *restore(struct plait_stack *stack, struct pl_conn *conn,
                                  const struct pl_packet *packet,
                                  const struct pl_join_request *join) {
    const struct pl_segment *ack = &packet->seg;
    struct pl_tcp_tx said;
    uint8_t reason;
    uint32_t clock = (uint32_t)(stack->now / PLAIT_NS_PER_MS);
    stack->iss_rule = (struct pl_iss_rule){.kind = PL_ISS_EXACTLY,
                                           .seq = pl_seq32_add(ack->ack, UINT32_MAX),
                                           .has_ts = true,
                                           .ts_offset = ack->options.ts_ecr - clock};
    int error = pl_conn_join(conn, join, &reason, stack->now);
    stack->iss_rule = (struct pl_iss_rule){.kind = PL_ISS_ANY};
    if (error != 0) {
        return NULL;
    }
    struct pl_subflow *sf = pl_demux_flow(stack, packet->port->id, &join->tuple);
    PL_ASSERT(sf != NULL);
    (void)pl_subflow_output(sf, &said, stack->now);
    return sf;
}

struct pl_subflow *pl_joincookie_take(struct plait_stack *stack, const struct pl_packet *packet) {
    const struct pl_segment *ack = &packet->seg;
    struct pl_tcp_tuple tuple = pl_packet_tuple(packet);
    uint8_t message[MESSAGE_LEN];
    if (!may_be_cookie(stack, ack)) {
        return NULL;
    }
    (void)turn(stack);
    unsigned which = ack->options.ts_ecr & WHICH_MASK;
    message_of(&tuple, pl_seq32_add(ack->seq, UINT32_MAX), message);
    struct mask mask = mask_of(stack, which, message);
    uint32_t stamp = ack->options.ts_ecr ^ mask.stamp;
    uint32_t nonce_remote = (ack->ack.v - 1) ^ mask.number;
    uint32_t nonce_local = nonce_of(stack, stamp, nonce_remote, message);
    struct pl_conn *conn =
        find(stack, stamp, nonce_local, nonce_remote, ack->options.mptcp.join.hmac);
    if (conn == NULL || !take_once(stack, which, nonce_local)) {
        PL_COUNT(&stack->ctx, SyncookiesFailed);
        return NULL;
    }
    PL_COUNT(&stack->ctx, SyncookiesRecv);
    const struct pl_segment syn = syn_of(ack, stamp, nonce_remote);
    struct pl_join_request join = {.port = packet->port->id,
                                   .tuple = tuple,
                                   .syn = &syn,
                                   .stateless = true,
                                   .nonce = nonce_local};
    return restore(stack, conn, packet, &join);
}

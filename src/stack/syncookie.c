/* The cookie: bit 31 says which of the two secrets, bits 28 to 30 are the MSS, 14 bits are a MAC
 * over the addresses and ports, and 14 bits one over these and the client's sequence number. Both
 * open a connection; the first alone says that a segment belongs to a handshake of ours. RFC 4987's
 * counter is not needed, since a secret is not used for longer than its period. */
#include "stack/syncookie.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "mptcp/keys.h"
#include "stack/demux.h"
#include "stack/listen.h"
#include "stack/reply.h"

enum { PERIOD_SECONDS = 64, MSS_SHIFT = 28, MSS_COUNT = 8 };
enum { FLOW_SHIFT = 14, FLOW_LEN = 36 };
/* What the low bits of our timestamp say. */
enum { TS_BITS = 6, TS_MASK = 63, TS_WSCALE = 15, TS_SACK = 16, TS_ECN = 32, NO_WSCALE = 15 };
enum { MESSAGE_LEN = 42 };

/* What networks make of MSS; the largest that is not above the client's is taken. */
static const uint16_t mss_table[MSS_COUNT] = {48, 536, 1220, 1300, 1400, 1440, 1460, 8940};

struct cookie {
    uint32_t number; /* our initial sequence number */
    uint64_t key;    /* MPTCP's */
};

/* ---- secrets ---- */

static uint64_t period_of(plait_time now) {
    return now / (PERIOD_SECONDS * PLAIT_NS_PER_S);
}

static void renew(struct plait_stack *stack, unsigned which) {
    struct pl_syncookie *c = &stack->syncookie;
    PL_ASSERT(which <= 1);
    stack->ctx.env->random(stack->ctx.env->user, c->secret[which], sizeof(c->secret[0]));
    memset(c->taken[which], 0, sizeof(c->taken[0]));
}

/* Makes a secret for this period, and forgets what is older than the last one. */
static void rotate(struct plait_stack *stack) {
    struct pl_syncookie *c = &stack->syncookie;
    uint64_t period = period_of(stack->now);
    if (c->on && c->period == period) {
        return;
    }
    bool next = c->on && c->period + 1 == period;
    renew(stack, period & 1);
    if (!next) {
        renew(stack, 1 - (period & 1));
    }
    c->on = true;
    c->period = period;
    PL_ASSERT(period_of(stack->now) == c->period);
}

/* ---- cookies ---- */

static void mac_of(const struct plait_stack *stack, unsigned which, const uint8_t *message,
                   size_t len, uint8_t mac[32]) {
    const struct plait_env *env = stack->ctx.env;
    PL_ASSERT(which <= 1 && len <= MESSAGE_LEN);
    env->hmac_sha256(env->user, stack->syncookie.secret[which], sizeof(stack->syncookie.secret[0]),
                     message, len, mac);
}

static struct cookie make(const struct plait_stack *stack, unsigned which, unsigned mss_index,
                          const struct pl_tcp_tuple *tuple, pl_seq32 client_isn) {
    uint8_t message[MESSAGE_LEN], flow[32], whole[32];
    PL_ASSERT(which <= 1 && mss_index < MSS_COUNT);
    memcpy(message, tuple->local.bytes, 16);
    memcpy(message + 16, tuple->remote.bytes, 16);
    pl_put16(message + 32, tuple->local_port);
    pl_put16(message + 34, tuple->remote_port);
    mac_of(stack, which, message, FLOW_LEN, flow);
    pl_put32(message + FLOW_LEN, client_isn.v);
    message[40] = tuple->local.family;
    message[41] = (uint8_t)mss_index;
    mac_of(stack, which, message, MESSAGE_LEN, whole);
    uint32_t head = (uint32_t)which << 31 | (uint32_t)mss_index << MSS_SHIFT;
    uint32_t mid = (pl_get32(flow) >> (32 - FLOW_SHIFT)) << FLOW_SHIFT;
    uint32_t low = pl_get32(whole) >> (32 - FLOW_SHIFT);
    return (struct cookie){.number = head | mid | low, .key = pl_get64(whole + 8)};
}

unsigned pl_syncookie_mss_index(const struct pl_segment *syn, uint8_t family) {
    uint16_t mss = family == PLAIT_IPV6 ? 1220 : 536;
    unsigned i = MSS_COUNT - 1;
    mss = syn->options.has_mss ? syn->options.mss : mss;
    while (i > 0 && mss_table[i] > mss) {
        i--;
    }
    PL_ASSERT(i < MSS_COUNT);
    return i;
}

uint16_t pl_syncookie_mss(unsigned index) {
    PL_ASSERT(index < MSS_COUNT);
    return mss_table[index];
}

/* The present time stamp with its low bits replaced, and not later than it. */
static uint32_t stamp(const struct plait_stack *stack, const struct pl_tcp_tuple *tuple,
                      const struct pl_segment *syn, bool ecn) {
    const struct pl_tcp_options *o = &syn->options;
    uint32_t real = pl_demux_ts_offset(stack, tuple) + (uint32_t)(stack->now / PLAIT_NS_PER_MS);
    uint32_t wscale = o->wscale < NO_WSCALE ? o->wscale : NO_WSCALE - 1;
    uint32_t bits =
        (o->has_wscale ? wscale : NO_WSCALE) | (o->has_sack_ok ? TS_SACK : 0) | (ecn ? TS_ECN : 0);
    uint32_t value = (real & ~(uint32_t)TS_MASK) | bits;
    PL_ASSERT(bits <= TS_MASK);
    return (int32_t)(value - real) > 0 ? value - (TS_MASK + 1) : value;
}

/* ---- answering ---- */

static bool speaks_mptcp(const struct pl_listener *listener, const struct pl_port *port) {
    return listener->setup.mptcp && (port->flags & PLAIT_PORT_NO_MPTCP) == 0;
}

/* A key whose token is in use is not given away: joins could not tell the two connections apart,
 * and there is no other key to choose (RFC 8684 section 3.1). */
static bool token_is_free(const struct plait_stack *stack, const struct pl_listener *listener,
                          const struct pl_segment *syn, uint64_t key) {
    const struct plait_mptcp_version *version =
        pl_version_for_syn(&stack->ctx, listener->setup.versions, &syn->options.mptcp);
    uint32_t token = 0;
    pl_seq64 idsn;
    if (version == NULL) {
        return false;
    }
    pl_key_hash(version, stack->ctx.env, key, &token, &idsn);
    return pl_demux_token(stack, token) == NULL;
}

uint16_t pl_syncookie_mss_offer(const struct pl_packet *packet) {
    uint32_t headers = PL_TCP_HEADER + (packet->ip.src.family == PLAIT_IPV6 ? 40 : 20);
    uint32_t mss = packet->port->mtu - headers;
    PL_ASSERT(packet->port->mtu > headers);
    return (uint16_t)(mss < UINT16_MAX ? mss : UINT16_MAX);
}

static void put_options(struct plait_stack *stack, const struct pl_listener *listener,
                        const struct pl_packet *packet, uint64_t key, struct pl_reply *reply) {
    const struct pl_tcp_options *o = &packet->seg.options;
    struct pl_tcp_tuple tuple = pl_packet_tuple(packet);
    uint32_t len = pl_tcp_put_mss(reply->options, pl_syncookie_mss_offer(packet));
    if (o->has_timestamps) {
        bool ecn = (reply->flags & PL_TCP_ECE) != 0;
        uint32_t value = stamp(stack, &tuple, &packet->seg, ecn);
        len += o->has_sack_ok ? pl_tcp_put_sack_ok(reply->options + len) : 0;
        len += pl_tcp_put_timestamps(reply->options + len, value, o->ts_val);
        if (o->has_wscale) {
            len += pl_tcp_put_wscale(reply->options + len, pl_tcp_wscale_choose(&stack->ctx, 0));
        }
    }
    if (speaks_mptcp(listener, packet->port) && token_is_free(stack, listener, &packet->seg, key)) {
        uint32_t room = PL_REPLY_OPTIONS - len;
        len += pl_conn_stateless_capable(&stack->ctx, listener->setup.versions, &packet->seg, key,
                                         reply->options + len, room);
    }
    PL_ASSERT(len % 4 == 0 && len <= PL_REPLY_OPTIONS);
    reply->options_len = (uint8_t)len;
}

bool pl_syncookie_due(const struct plait_stack *stack, const struct pl_listener *listener) {
    uint8_t when = stack->ctx.config.syn_cookies;
    if (listener->defer || when == PLAIT_SYN_COOKIES_NEVER) {
        return false;
    }
    return when == PLAIT_SYN_COOKIES_ALWAYS || listener->embryonic_count >= listener->backlog;
}

/* Who says ECE has to answer marks later (RFC 3168 section 6.1.1), so it must be remembered: in the
 * timestamp. */
static bool agrees_to_ecn(const struct plait_stack *stack, const struct pl_listener *listener,
                          const struct pl_segment *syn) {
    const struct pl_tcp_tuning *tuning = listener->setup.tuning;
    uint8_t own = tuning != NULL ? tuning->cc : 0;
    uint8_t cc = own > 0 ? (uint8_t)(own - 1) : stack->ctx.config.cc;
    return syn->options.has_timestamps && pl_tcp_ecn_agrees(&stack->ctx, cc, syn);
}

void pl_syncookie_answer(struct plait_stack *stack, const struct pl_listener *listener,
                         const struct pl_packet *packet) {
    const struct pl_segment *syn = &packet->seg;
    struct pl_tcp_tuple tuple = pl_packet_tuple(packet);
    rotate(stack);
    unsigned which = stack->syncookie.period & 1;
    struct cookie cookie =
        make(stack, which, pl_syncookie_mss_index(syn, tuple.local.family), &tuple, syn->seq);
    uint32_t window = listener->setup.receive_buffer_bytes != 0
                          ? listener->setup.receive_buffer_bytes
                          : stack->ctx.config.receive_buffer_bytes;
    struct pl_reply reply = {.src = packet->ip.dst,
                             .dst = packet->ip.src,
                             .src_port = syn->dst_port,
                             .dst_port = syn->src_port,
                             .seq = pl_seq32_of(cookie.number),
                             .ack = pl_seq32_add(syn->seq, 1),
                             .flags = PL_TCP_SYN | PL_TCP_ACK,
                             .window_raw = (uint16_t)(window < UINT16_MAX ? window : UINT16_MAX)};
    if (agrees_to_ecn(stack, listener, syn)) {
        reply.flags |= PL_TCP_ECE;
    }
    put_options(stack, listener, packet, cookie.key, &reply);
    stack->syncookie.sent_at = stack->now;
    if (pl_reply_put(&packet->port->replies, &reply)) {
        PL_COUNT(&stack->ctx, SyncookiesSent);
    } else {
        PL_COUNT(&stack->ctx, DropBacklog);
    }
}

/* ---- the third ACK ---- */

/* Without timestamps there is nothing but the MSS. */
static void restore_options(const struct pl_segment *ack, struct pl_segment *syn) {
    const struct pl_tcp_options *from = &ack->options;
    struct pl_tcp_options *to = &syn->options;
    PL_ASSERT(to->has_mss);
    if (!from->has_timestamps) {
        return;
    }
    to->has_timestamps = true;
    to->ts_val = from->ts_val;
    uint32_t bits = from->ts_ecr & TS_MASK;
    to->has_sack_ok = (bits & TS_SACK) != 0;
    to->has_wscale = (bits & TS_WSCALE) != NO_WSCALE;
    to->wscale = (uint8_t)(bits & TS_WSCALE);
    if ((bits & TS_ECN) != 0) {
        syn->flags |= PL_TCP_ECE | PL_TCP_CWR;
    }
}

/* The peer has our key only if it asked for MPTCP and got an answer. */
static void restore_capable(const struct pl_segment *ack, uint64_t key, struct pl_segment *syn) {
    const struct pl_mptcp_options *from = &ack->options.mptcp;
    bool both_keys = pl_mptcp_has(from, PL_MP_CAPABLE) && from->capable.len >= 20;
    if (!both_keys || !pl_key_equal(from->capable.key_receiver, key)) {
        return;
    }
    syn->options.mptcp.present = 1 << PL_MP_CAPABLE;
    syn->options.mptcp.capable.version = from->capable.version;
    syn->options.mptcp.capable.flags = from->capable.flags;
    syn->options.mptcp.capable.len = 4;
    if (from->capable.version == 0) { /* its SYN had the key */
        syn->options.mptcp.capable.len = 12;
        syn->options.mptcp.capable.key_sender = from->capable.key_sender;
    }
}

/* What opens a connection: an ACK, with or without payload, while cookies are about. One that joins
 * opens none. */
static bool may_be_cookie(const struct plait_stack *stack, const struct pl_segment *seg) {
    const struct pl_syncookie *c = &stack->syncookie;
    bool is_ack = (seg->flags & (PL_TCP_ACK | PL_TCP_SYN | PL_TCP_RST)) == PL_TCP_ACK;
    return is_ack && c->on && !pl_mptcp_has(&seg->options.mptcp, PL_MP_JOIN) &&
           stack->now - c->sent_at < 2 * PERIOD_SECONDS * PLAIT_NS_PER_S;
}

/* ---- cookies that were good once ---- */

/* The bit of a cookie's connection; which of the two secrets it is from goes into *which. */
static unsigned bit_of(const struct plait_stack *stack, uint32_t number, unsigned *which) {
    *which = number >> 31;
    return (number >> FLOW_SHIFT) % (sizeof(stack->syncookie.taken[0]) * 8);
}

static void remember(struct plait_stack *stack, uint32_t number) {
    unsigned which, bit = bit_of(stack, number, &which);
    stack->syncookie.taken[which][bit / 8] |= (uint8_t)(1 << bit % 8);
}

/* Whether a connection was opened by this cookie, or by one of the few with the same bit. */
static bool was_taken(const struct plait_stack *stack, uint32_t number) {
    unsigned which, bit = bit_of(stack, number, &which);
    return (stack->syncookie.taken[which][bit / 8] >> bit % 8 & 1) != 0;
}

enum verdict { FOREIGN, NOT_THE_FIRST, GOOD };

static enum verdict compare(const struct plait_stack *stack, uint32_t number, uint32_t wanted) {
    if (number == wanted) {
        return GOOD;
    }
    bool waits = number >> FLOW_SHIFT == wanted >> FLOW_SHIFT && !was_taken(stack, number);
    return waits ? NOT_THE_FIRST : FOREIGN;
}

/* Makes the SYN again, when the cookie is good. */
static enum verdict restore(struct plait_stack *stack, const struct pl_packet *packet,
                            struct pl_segment *syn, uint64_t *key) {
    const struct pl_segment *ack = &packet->seg;
    struct pl_tcp_tuple tuple = pl_packet_tuple(packet);
    uint32_t number = ack->ack.v - 1;
    unsigned index = number >> MSS_SHIFT & (MSS_COUNT - 1);
    *syn = (struct pl_segment){.src_port = ack->src_port,
                               .dst_port = ack->dst_port,
                               .seq = pl_seq32_add(ack->seq, UINT32_MAX),
                               .flags = PL_TCP_SYN,
                               .window_raw = ack->window_raw};
    rotate(stack);
    struct cookie cookie = make(stack, number >> 31, index, &tuple, syn->seq);
    enum verdict verdict = compare(stack, number, cookie.number);
    if (verdict != GOOD) {
        return verdict;
    }
    syn->options.has_mss = true;
    syn->options.mss = pl_syncookie_mss(index);
    restore_options(ack, syn);
    restore_capable(ack, cookie.key, syn);
    *key = cookie.key;
    return GOOD;
}

/* An ACK with another option of MPTCP (an ADD_ADDR, say) has overtaken the third one, or that is
 * lost. Nothing has to be done for it now, and the next ACK or the first data has the keys (RFC
 * 8684 section 3.1). */
static bool overtook_keys(const struct pl_segment *ack) {
    const struct pl_mptcp_options *o = &ack->options.mptcp;
    PL_ASSERT((ack->flags & PL_TCP_ACK) != 0);
    bool bare = ack->payload_len == 0 && (ack->flags & PL_TCP_FIN) == 0;
    return bare && o->present != 0 && !pl_mptcp_has(o, PL_MP_CAPABLE);
}

bool pl_syncookie_take(struct plait_stack *stack, const struct pl_packet *packet) {
    struct pl_segment syn;
    uint64_t key = 0;
    struct pl_listener *listener =
        !may_be_cookie(stack, &packet->seg)
            ? NULL
            : pl_listen_find(stack, packet->port, &packet->ip.dst, packet->seg.dst_port);
    if (listener == NULL) {
        return false;
    }
    enum verdict verdict = restore(stack, packet, &syn, &key);
    if (verdict != GOOD) {
        PL_COUNT(&stack->ctx, SyncookiesFailed);
        return verdict == NOT_THE_FIRST;
    }
    if (overtook_keys(&packet->seg)) {
        return true;
    }
    PL_COUNT(&stack->ctx, SyncookiesRecv);
    bool too_early = listener->defer_accept_s > 0 && packet->seg.payload_len == 0;
    if (too_early || pl_listen_full(stack, listener)) {
        return true; /* PLAIT_OPT_DEFER_ACCEPT: the first data brings the cookie, too */
    }
    struct pl_tcp_tuple tuple = pl_packet_tuple(packet);
    stack->iss_rule = (struct pl_iss_rule){.kind = PL_ISS_EXACTLY,
                                           .seq = pl_seq32_add(packet->seg.ack, UINT32_MAX)};
    pl_listen_resume(stack, listener, packet->port, &tuple, &syn, key);
    remember(stack, packet->seg.ack.v - 1);
    return true;
}

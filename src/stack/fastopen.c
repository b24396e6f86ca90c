#include "stack/fastopen.h"

#include <string.h>

#include "base/assert.h"
#include "stack/early.h"
#include "stack/listen.h"

/* A SYN/ACK with MP_CAPABLE and all that TCP has to say leaves 8 bytes (RFC 8684 appendix B.1). */
enum { COOKIE_LEN = 8, COOKIE_LEN_MPTCP = 6 };
#define PERIOD_NS (3600 * PLAIT_NS_PER_S)

static void make(const struct plait_stack *stack, unsigned which, const struct pl_ip *ip,
                 struct pl_tcp_cookie *out) {
    const struct plait_env *env = stack->ctx.env;
    uint8_t message[34], mac[32];
    PL_ASSERT(which <= 1);
    memcpy(message, ip->src.bytes, 16);
    memcpy(message + 16, ip->dst.bytes, 16);
    message[32] = ip->src.family;
    message[33] = ip->dst.family;
    env->hmac_sha256(env->user, stack->fastopen.secret[which], PL_SECRET_LEN, message,
                     sizeof(message), mac);
    *out = (struct pl_tcp_cookie){.len = COOKIE_LEN};
    memcpy(out->bytes, mac, COOKIE_LEN);
}

/* A cookie of either length is good with and without MPTCP: a client does not keep them apart. */
static bool matches(const struct pl_tcp_cookie *shown, const struct pl_tcp_cookie *whole) {
    uint8_t diff = 0;
    PL_ASSERT(whole->len == COOKIE_LEN);
    if (shown->len != COOKIE_LEN && shown->len != COOKIE_LEN_MPTCP) {
        return false;
    }
    for (unsigned i = 0; i < shown->len; i++) {
        diff |= shown->bytes[i] ^ whole->bytes[i];
    }
    return diff == 0;
}

/* RFC 6824 does not say where payload of a SYN is in the data sequence space. */
static bool with_v0(const struct pl_packet *packet) {
    const struct pl_mptcp_options *o = &packet->seg.options.mptcp;
    return pl_mptcp_has(o, PL_MP_CAPABLE) && o->capable.version == 0;
}

static bool wanted(const struct pl_listener *listener, const struct pl_packet *packet) {
    return !with_v0(packet) && listener->fastopen_max > 0 && packet->seg.options.has_fastopen &&
           !listener->defer && listener->defer_accept_s == 0;
}

static bool with_mptcp(const struct pl_packet *packet) {
    return pl_mptcp_has(&packet->seg.options.mptcp, PL_MP_CAPABLE);
}

bool pl_fastopen_syn(struct plait_stack *stack, struct pl_listener *listener,
                     const struct pl_packet *packet, struct pl_tcp_cookie *grant) {
    const struct pl_tcp_cookie *shown = &packet->seg.options.fastopen;
    struct pl_tcp_cookie fresh, old;
    *grant = (struct pl_tcp_cookie){0};
    if (!wanted(listener, packet)) {
        return false;
    }
    unsigned which = pl_secrets_turn(&stack->fastopen, &stack->ctx, stack->now, PERIOD_NS);
    make(stack, which, &packet->ip, &fresh);
    make(stack, 1 - which, &packet->ip, &old);
    bool is_fresh = matches(shown, &fresh), is_old = matches(shown, &old);
    if (!pl_early_room(stack, listener)) {
        PL_COUNT(&stack->ctx, TCPFastOpenListenOverflow);
        return false;
    }
    if (!is_fresh) {
        *grant = fresh;
        grant->len = with_mptcp(packet) ? COOKIE_LEN_MPTCP : COOKIE_LEN;
    }
    if (!is_fresh && !is_old) {
        PL_COUNT_N(&stack->ctx, TCPFastOpenCookieReqd, shown->len == 0 ? 1 : 0);
        PL_COUNT_N(&stack->ctx, TCPFastOpenPassiveFail, shown->len == 0 ? 0 : 1);
        return false;
    }
    struct pl_stack_conn *sc = pl_listen_early(stack, listener, packet, grant);
    if (sc != NULL) {
        PL_COUNT(&stack->ctx, TCPFastOpenPassive);
        pl_early_add(listener, sc);
    }
    return true;
}

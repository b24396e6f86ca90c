/* tcp/uto.c - the user timeout option (RFC 5482): how long each end means to wait for the other.
 *
 * An application that turns it on says how long it would have its bytes wait for their
 * acknowledgement (ADV_UTO), and both ends then wait as long as the more patient of them, within
 * bounds (section 3.1): at least 100 s, and longer than the RTO of the moment; at most an hour,
 * or what we advertise ourselves, so that a stranger cannot make us keep state for days. An
 * application that has set its user timeout keeps that (CHANGEABLE is false), and is told what the
 * peer said.
 *
 * It is for plain TCP: a connection over several paths is not at the mercy of one of them. So it is
 * not in SYNs that ask for MPTCP; when these come to nothing, it is in the first segment that has
 * room. */
#include "base/assert.h"
#include "tcp/engine.h"

enum { MINUTES = 0x8000, VALUE = 0x7fff, LEAST_S = 100, MOST_S = 3600 };
enum { OPTION_LEN = 4 };

static bool enabled(const struct pl_tcp *tcp) {
    return tcp->tuning->uto_s > 0 && !tcp->ops->shared_window;
}

/* Section 3.3: 15 bits of seconds, or of minutes. Rounded up. */
static uint16_t encode(uint32_t seconds) {
    PL_ASSERT(seconds > 0 && seconds <= PL_TCP_UTO_MAX_S);
    uint32_t raw = seconds <= VALUE ? seconds : MINUTES | (seconds + 59) / 60;
    return (uint16_t)raw;
}

/* What the peer said last, seconds; 0: nothing yet. */
uint32_t pl_tcp_uto_peer_s(const struct pl_tcp *tcp) {
    uint32_t value = tcp->life.uto_peer & VALUE;
    PL_ASSERT(value * 60 <= PL_TCP_UTO_MAX_S);
    return (tcp->life.uto_peer & MINUTES) != 0 ? value * 60 : value;
}

/* Section 3.4: a value of zero is reserved. */
void pl_tcp_uto_in(struct pl_tcp *tcp, const struct pl_segment *seg) {
    PL_ASSERT((seg->flags & PL_TCP_RST) == 0);
    if (enabled(tcp) && (seg->options.uto & VALUE) != 0) {
        tcp->life.uto_peer = seg->options.uto;
    }
}

/* The application wants another one, or its first. */
void pl_tcp_uto_advertise(struct pl_tcp *tcp) {
    PL_ASSERT(tcp->tuning != NULL);
    tcp->snd.uto_due = tcp->tuning->uto_s > 0;
}

/* At the end of a segment's options. SYNs have it each time, others once. */
uint32_t pl_tcp_uto_put(struct pl_tcp *tcp, uint8_t *out, uint32_t room, bool is_syn) {
    if (!enabled(tcp) || room < OPTION_LEN || (!is_syn && !tcp->snd.uto_due)) {
        return 0;
    }
    if (!is_syn) {
        tcp->snd.uto_due = false;
    }
    uint32_t len = pl_tcp_put_uto(out, encode(tcp->tuning->uto_s));
    PL_ASSERT(len == OPTION_LEN);
    return len;
}

/* Section 3.1: USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)). */
static uint32_t adopted_ms(const struct pl_tcp *tcp) {
    uint32_t ours = tcp->tuning->uto_s, peers = pl_tcp_uto_peer_s(tcp);
    uint32_t most = ours > MOST_S ? ours : MOST_S;
    uint32_t wish = ours > peers ? ours : peers;
    uint64_t rto_s = pl_tcp_rto_ns(tcp) / PLAIT_NS_PER_S + 1;
    uint32_t least = rto_s > LEAST_S ? (uint32_t)rto_s : LEAST_S;
    PL_ASSERT(least < most);
    wish = wish > least ? wish : least;
    return (wish < most ? wish : most) * 1000;
}

/* How long what was sent may wait for its acknowledgement; 0: the usual patience. */
uint32_t pl_tcp_user_timeout_ms(const struct pl_tcp *tcp) {
    uint32_t own = tcp->tuning->user_timeout_ms;
    PL_ASSERT(tcp->ops != NULL);
    return own > 0 || !enabled(tcp) ? own : adopted_ms(tcp);
}

/* Section 4.2: keep-alives do not end what the other end was told will wait longer. */
uint64_t pl_tcp_uto_keep_idle_ns(const struct pl_tcp *tcp) {
    uint64_t own_ns = tcp->tuning->keep_idle_s * PLAIT_NS_PER_S;
    bool adopts = enabled(tcp) && tcp->tuning->user_timeout_ms == 0;
    uint64_t least_ns = adopts ? adopted_ms(tcp) * PLAIT_NS_PER_MS + PLAIT_NS_PER_S : 0;
    PL_ASSERT(own_ns > 0);
    return own_ns > least_ns ? own_ns : least_ns;
}

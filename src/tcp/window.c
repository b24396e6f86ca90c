/* tcp/window.c - the receive window we advertise and the send window we were given.
 *
 * With a window of its own a connection never takes back what it advertised (what it once did is
 * accepted, even when the scaled field cannot say so), and does not advertise small steps (silly
 * window, RFC 9293 section 3.8.6.2.2). With a shared window (MPTCP)
 * the right edge is the upper's business; segments are accepted as far as window_max() says. */
#include "base/assert.h"
#include "tcp/engine.h"

static uint32_t open_bytes(const struct pl_tcp *tcp) {
    int32_t open = pl_seq32_diff(tcp->rcv.edge, tcp->rcv.nxt);
    return open > 0 ? (uint32_t)open : 0;
}

static uint32_t step_min(const struct pl_tcp *tcp) {
    PL_ASSERT(tcp->rcv.mss > 0);
    uint32_t half = tcp->ops->window_max(tcp->up) / 2;
    return tcp->rcv.mss < half ? tcp->rcv.mss : half;
}

/* How many bytes beyond rcv.nxt may arrive. */
uint32_t pl_tcp_window_accept(const struct pl_tcp *tcp) {
    if (tcp->ops->shared_window) {
        return tcp->ops->window_max(tcp->up);
    }
    return open_bytes(tcp);
}

static uint16_t advertise_shared(struct pl_tcp *tcp, uint8_t shift) {
    uint32_t window = tcp->ops->window(tcp->up);
    uint32_t raw = window >> shift;
    raw = raw < UINT16_MAX ? raw : UINT16_MAX;
    tcp->rcv.wnd_sent = raw << shift;
    /* What a peer that falls back to plain TCP will take the edge to be. */
    tcp->rcv.edge = pl_seq32_max(tcp->rcv.edge, pl_seq32_add(tcp->rcv.nxt, raw << shift));
    return (uint16_t)raw;
}

static uint16_t advertise_own(struct pl_tcp *tcp, uint8_t shift) {
    uint32_t open = open_bytes(tcp);
    uint32_t free_bytes = tcp->ops->window(tcp->up);
    uint32_t unit = UINT32_C(1) << shift;
    uint32_t raw = (open + unit - 1) >> shift; /* never a smaller edge, ... */
    if (raw << shift > open && raw << shift > free_bytes) {
        raw = open >> shift; /* ... but less than a unit for want of room (RFC 7323 section 2.4) */
    }
    if (free_bytes > open && free_bytes - open >= step_min(tcp) && free_bytes >> shift > raw) {
        raw = free_bytes >> shift;
    }
    raw = raw < UINT16_MAX ? raw : UINT16_MAX;
    PL_ASSERT(raw <= UINT16_MAX && shift <= 14);
    tcp->rcv.wnd_sent = raw << shift;
    tcp->rcv.edge = pl_seq32_max(tcp->rcv.edge, pl_seq32_add(tcp->rcv.nxt, raw << shift));
    return (uint16_t)raw;
}

/* The window field for a segment that is sent now. SYNs are never scaled (RFC 7323 section 2.2). */
uint16_t pl_tcp_window_advertise(struct pl_tcp *tcp, bool is_syn) {
    uint8_t shift = is_syn ? 0 : tcp->rcv.wscale;
    PL_ASSERT(shift <= 14);
    if (tcp->ops->shared_window) {
        return advertise_shared(tcp, shift);
    }
    return advertise_own(tcp, shift);
}

/* Whether the window has grown so much that the peer should be told without being asked. */
bool pl_tcp_window_update_due(const struct pl_tcp *tcp) {
    PL_ASSERT(tcp->rcv.wscale <= 14);
    if (tcp->rcv.fin_done || !pl_tcp_synchronized(tcp)) {
        return false;
    }
    uint32_t free_bytes = tcp->ops->window(tcp->up);
    /* What the window field can say: without that, an update that moves less than a step of the
     * scale is due again as soon as it went out. */
    uint32_t sayable = free_bytes >> tcp->rcv.wscale << tcp->rcv.wscale;
    if (tcp->ops->shared_window) {
        return tcp->rcv.wnd_sent < tcp->rcv.mss && sayable >= tcp->rcv.mss;
    }
    if (pl_seq32_eq(tcp->rcv.nxt, pl_seq32_add(tcp->rcv.irs, 1))) {
        return false; /* an unscaled SYN/ACK said 64 KB: enough until the first payload */
    }
    uint32_t open = open_bytes(tcp);
    uint32_t most = (uint32_t)UINT16_MAX << tcp->rcv.wscale;
    free_bytes = sayable < most ? sayable : most;
    return free_bytes / 2 >= open && free_bytes > open && free_bytes - open >= step_min(tcp);
}

uint32_t pl_tcp_scaled_window(const struct pl_tcp *tcp, const struct pl_segment *seg) {
    bool is_syn = (seg->flags & PL_TCP_SYN) != 0;
    PL_ASSERT(tcp->snd.wscale <= 14);
    return (uint32_t)seg->window_raw << (is_syn ? 0 : tcp->snd.wscale);
}

/* Takes the send window from a segment (RFC 9293 section 3.10.7.4). Its rule takes a segment with a
 * lower sequence number for old; a retransmission has one, but says how much of the window the
 * data took that it acknowledges. */
void pl_tcp_window_update(struct pl_tcp *tcp, const struct pl_segment *seg) {
    struct pl_tcp_snd *s = &tcp->snd;
    bool newer = pl_seq32_lt(s->wl1, seg->seq) ||
                 (pl_seq32_eq(s->wl1, seg->seq) && pl_seq32_le(s->wl2, seg->ack)) ||
                 pl_seq32_lt(s->wl2, seg->ack);
    if (!newer || pl_seq32_lt(seg->ack, s->una)) {
        return;
    }
    uint32_t wnd = pl_tcp_scaled_window(tcp, seg);
    if (wnd > s->wnd && s->blocked) {
        pl_tcp_link(tcp);
    }
    s->wnd = wnd;
    s->wnd_max = wnd > s->wnd_max ? wnd : s->wnd_max;
    s->wl1 = seg->seq;
    s->wl2 = seg->ack;
    PL_ASSERT(s->wnd <= s->wnd_max);
}

/* Bytes of new sequence space the peer would take now. */
uint32_t pl_tcp_window_usable(const struct pl_tcp *tcp) {
    int32_t room = pl_seq32_diff(pl_seq32_add(tcp->snd.una, tcp->snd.wnd), tcp->snd.nxt);
    PL_ASSERT(tcp->snd.wnd <= UINT32_C(1) << 30);
    return room > 0 ? (uint32_t)room : 0;
}

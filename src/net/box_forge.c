/* net/box_forge.c - boxes that speak for others: a proxy that acknowledges, a censor that resets,
 * and one that makes windows small. */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "net/box_kind.h"
#include "wire/tcp.h"

enum {
    PORTS = 0,
    SEQUENCE = 4,
    ACK_NUMBER = 8,
    FLAGS = 13,
    WINDOW = 14,
    OPTION_TIMESTAMPS = 8,
    CLAMP_BYTES = 8192,
};
#define RESEND_NS (300 * PLAIT_NS_PER_MS)

static const struct plait_rx_meta no_meta;

static pl_seq32 seq_of(const struct pl_box_view *view) {
    return (pl_seq32){pl_get32(view->tcp + SEQUENCE)};
}

static pl_seq32 end_of(const struct pl_box_view *view) {
    return pl_seq32_add(seq_of(view), pl_box_payload_len(view));
}

/* ---- answers ---- */

/* Options of an answer: the time stamps, turned round; the others are NOPs. */
static void turn_options(struct pl_box_view *view, uint32_t ts_val) {
    uint32_t len = 0;
    for (uint32_t at = PL_TCP_HEADER; pl_box_option(view, &at, &len); at += len) {
        if (view->tcp[at] != OPTION_TIMESTAMPS || len != 10) {
            pl_box_blank(view, at, len);
            continue;
        }
        uint32_t echo = pl_get32(view->tcp + at + 2);
        pl_box_put_tcp32(view, at + 2, ts_val);
        pl_box_put_tcp32(view, at + 6, echo);
    }
}

/* A segment without payload to the sender of `packet`, as if from its receiver. */
static void answer(struct pl_box *box, const struct pl_box_packet *packet, uint8_t flags,
                   pl_seq32 seq, pl_seq32 ack) {
    const struct pl_box_half *peer = &packet->flow->half[1 - (unsigned)packet->way];
    const struct plait_slice none = {0};
    struct plait_endpoint from, to;
    struct pl_box_view view;
    struct plait_buf *buf = pl_box_make(box->env, &packet->view, none, none);
    if (buf == NULL) {
        return;
    }
    pl_box_seal(buf);
    bool parsed = pl_box_view(buf->data, buf->len, &view);
    PL_ASSERT(parsed);
    pl_box_endpoint(&view, true, &from);
    pl_box_endpoint(&view, false, &to);
    pl_box_put_address(&view, true, &to.addr);
    pl_box_put_address(&view, false, &from.addr);
    pl_box_put_tcp16(&view, PORTS, to.port);
    pl_box_put_tcp16(&view, PORTS + 2, from.port);
    pl_box_put_tcp32(&view, SEQUENCE, seq.v);
    pl_box_put_tcp32(&view, ACK_NUMBER, ack.v);
    pl_box_put_tcp16(&view, WINDOW, peer->window_raw);
    pl_box_put_tcp(&view, FLAGS, flags);
    turn_options(&view, peer->ts_val);
    enum pl_box_way back = packet->way == PL_BOX_OUT ? PL_BOX_IN : PL_BOX_OUT;
    pl_box_emit(box, back, buf, &no_meta);
    plait_buf_unref(buf);
}

/* ---- proxy-ack ---- */

/* What the receiver has acknowledged itself need not be kept. */
static void forget_acked(struct pl_box_half *half, const struct pl_box_view *view) {
    pl_seq32 ack = {pl_get32(view->tcp + ACK_NUMBER)};
    struct pl_box_view first;
    if ((view->tcp[FLAGS] & PL_TCP_ACK) == 0 || !half->based) {
        return;
    }
    half->base = pl_seq32_max(half->base, ack);
    while (half->held_count > 0 && pl_box_view(half->held[0]->data, half->held[0]->len, &first) &&
           pl_seq32_le(end_of(&first), ack)) {
        plait_buf_unref(pl_box_unhold(half));
    }
}

/* Keeps a copy and acknowledges; not what is behind a hole, and not more than there is room for. It
 * begins where the receiver is: what the box sees first need not be what comes first. */
static void vouch(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    struct pl_box_half *half = &packet->flow->half[packet->way];
    const struct pl_box_half *peer = &packet->flow->half[1 - (unsigned)packet->way];
    if (!half->based) {
        half->based = true;
        half->base = peer->known ? peer->ack : seq_of(&packet->view);
    }
    if (!pl_seq32_eq(half->base, seq_of(&packet->view)) || !peer->known) {
        return;
    }
    struct plait_buf *copy = pl_box_copy(box->env, packet->buf);
    if (copy == NULL || !pl_box_hold(half, copy)) {
        if (copy != NULL) {
            plait_buf_unref(copy);
        }
        return;
    }
    plait_buf_unref(copy);
    half->due = half->due != 0 ? half->due : now + RESEND_NS;
    half->base = end_of(&packet->view);
    box->acted++;
    answer(box, packet, PL_TCP_ACK, peer->next, half->base);
}

static void proxy_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    const uint8_t special = PL_TCP_SYN | PL_TCP_RST | PL_TCP_FIN;
    struct pl_box_view *view = &packet->view;
    if (pl_box_sound(view)) {
        forget_acked(&packet->flow->half[1 - (unsigned)packet->way], view);
        if (pl_box_acts_on(box, packet->way) && pl_box_payload_len(view) > 0 &&
            (view->tcp[FLAGS] & special) == 0) {
            vouch(box, packet, now);
        }
    }
    pl_box_pass(box, packet);
}

/* What the receiver has not acknowledged for a while goes out again. */
static void proxy_tick(struct pl_box *box, plait_time now) {
    for (unsigned i = 0; i < 2 * box->flow_count; i++) {
        struct pl_box_half *half = &box->flows[i / 2].half[i % 2];
        if (half->due != 0 && half->due <= now) {
            half->due = now + RESEND_NS;
            struct plait_buf *copy = pl_box_copy(box->env, half->held[0]);
            if (copy != NULL) {
                pl_box_freshen(copy, half);
                pl_box_emit(box, (enum pl_box_way)(i % 2), copy, &no_meta);
                plait_buf_unref(copy);
            }
        }
    }
}

const struct pl_box_ops pl_box_proxy = {.pass = proxy_pass, .tick = proxy_tick};

/* ---- rst ---- */

/* The one to the receiver comes right before the payload that provoked it. */
static void send_resets(struct pl_box *box, struct pl_box_packet *packet) {
    const struct plait_slice none = {0};
    const struct pl_box_half *peer = &packet->flow->half[1 - (unsigned)packet->way];
    pl_seq32 back = peer->known ? peer->next : (pl_seq32){pl_get32(packet->view.tcp + ACK_NUMBER)};
    struct plait_buf *buf = pl_box_make(box->env, &packet->view, none, none);
    if (buf != NULL) {
        buf->data[(packet->view.tcp - packet->view.ip) + FLAGS] = PL_TCP_RST | PL_TCP_ACK;
        pl_box_seal(buf);
        (void)pl_strip_pass(PL_STRIP_OTHER, buf->data, buf->len);
        pl_box_emit(box, packet->way, buf, &no_meta);
        plait_buf_unref(buf);
    }
    answer(box, packet, PL_TCP_RST | PL_TCP_ACK, back, end_of(&packet->view));
}

/* One that came up in the middle spares the connections that came later. */
static void reset_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    struct pl_box_flow *flow = packet->flow;
    bool spared = flow->young && box->config.after_bytes > 0;
    (void)now;
    if (!pl_box_acts_on(box, packet->way) || pl_box_payload_len(&packet->view) == 0 || flow->done ||
        spared || !pl_box_sound(&packet->view)) {
        pl_box_pass(box, packet);
        return;
    }
    flow->done = true;
    box->acted++;
    send_resets(box, packet);
    pl_box_pass(box, packet);
}

const struct pl_box_ops pl_box_reset = {.pass = reset_pass};

/* ---- clamp ---- */

static void clamp_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    const struct pl_box_half *half = packet->flow->half;
    struct pl_box_view *view = &packet->view;
    bool scaled =
        (view->tcp[FLAGS] & PL_TCP_SYN) == 0 && half[0].wscale_given && half[1].wscale_given;
    uint32_t most = CLAMP_BYTES >> (scaled ? half[packet->way].wscale : 0);
    (void)now;
    most = most > 0 ? most : 1;
    if (pl_box_acts_on(box, packet->way) && pl_get16(view->tcp + WINDOW) > most) {
        box->acted++;
        pl_box_put_tcp16(view, WINDOW, (uint16_t)most);
    }
    pl_box_pass(box, packet);
}

const struct pl_box_ops pl_box_clamp = {.pass = clamp_pass};

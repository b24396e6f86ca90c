/* net/box_segments.c - boxes that move the borders of segments: split, coalesce, and a normaliser
 * that lets nothing pass behind a hole. */
#include "base/assert.h"
#include "base/bytes.h"
#include "net/box_kind.h"
#include "wire/tcp.h"

enum { SEQUENCE = 4, ACK_NUMBER = 8, FLAGS = 13, WINDOW = 14 };
enum { LAST_FLAGS = PL_TCP_FIN | PL_TCP_PSH, COALESCED_MAX = 60000 };
#define COALESCE_NS (20 * PLAIT_NS_PER_MS)

static const struct plait_rx_meta no_meta;

static pl_seq32 seq_of(const struct pl_box_view *view) {
    return (pl_seq32){pl_get32(view->tcp + SEQUENCE)};
}

/* A segment with payload that such boxes work on. */
static bool is_data(const struct pl_box *box, const struct pl_box_packet *packet) {
    const uint8_t special = PL_TCP_SYN | PL_TCP_RST | PL_TCP_URG;
    return pl_box_acts_on(box, packet->way) && pl_box_payload_len(&packet->view) > 0 &&
           (packet->view.tcp[FLAGS] & special) == 0 && pl_box_sound(&packet->view);
}

static struct plait_slice payload_of(const struct pl_box_view *view) {
    return (struct plait_slice){.data = view->tcp + view->tcp_header_len,
                                .len = pl_box_payload_len(view)};
}

/* ---- split ---- */

/* Sends one piece of a packet. */
static void send_piece(struct pl_box *box, struct pl_box_packet *packet, uint32_t from,
                       uint32_t len) {
    struct plait_slice all = payload_of(&packet->view);
    const struct plait_slice none = {0};
    struct plait_slice piece = {.data = all.data + from, .len = len};
    struct plait_buf *buf = pl_box_make(box->env, &packet->view, piece, none);
    if (buf == NULL) {
        return;
    }
    uint8_t *tcp = buf->data + (packet->view.tcp - packet->view.ip);
    pl_put32(tcp + SEQUENCE, pl_seq32_add(seq_of(&packet->view), from).v);
    if (from + len < all.len) {
        tcp[FLAGS] &= (uint8_t)~LAST_FLAGS;
    }
    pl_box_seal(buf);
    if (from > 0 && box->config.kind == PL_BOX_KIND_SPLIT_BARE) {
        (void)pl_strip_pass(PL_STRIP_OTHER, buf->data, buf->len);
    }
    pl_box_emit(box, packet->way, buf, &no_meta);
    plait_buf_unref(buf);
}

static void split_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    uint32_t len = pl_box_payload_len(&packet->view);
    (void)now;
    if (!is_data(box, packet) || len < 2) {
        pl_box_pass(box, packet);
        return;
    }
    box->acted++;
    send_piece(box, packet, 0, len / 2);
    send_piece(box, packet, len / 2, len - len / 2);
}

const struct pl_box_ops pl_box_split = {.pass = split_pass};

/* ---- coalesce ---- */

static void flush(struct pl_box *box, struct pl_box_half *half, enum pl_box_way way) {
    if (half->held_count > 0) {
        struct plait_buf *buf = pl_box_unhold(half);
        pl_box_emit(box, way, buf, &no_meta);
        plait_buf_unref(buf);
    }
}

/* The held segment and the one that follows it as one, with the options of the first; NULL: they do
 * not fit. */
static struct plait_buf *join(struct pl_box *box, struct plait_buf *held,
                              const struct pl_box_packet *second) {
    struct pl_box_view first;
    bool parsed = pl_box_view(held->data, held->len, &first);
    PL_ASSERT(parsed);
    pl_seq32 end = pl_seq32_add(seq_of(&first), pl_box_payload_len(&first));
    uint32_t len = pl_box_payload_len(&first) + pl_box_payload_len(&second->view);
    if (!pl_seq32_eq(end, seq_of(&second->view)) || len > COALESCED_MAX ||
        (first.tcp[FLAGS] & PL_TCP_FIN) != 0) {
        return NULL;
    }
    struct plait_buf *buf =
        pl_box_make(box->env, &first, payload_of(&first), payload_of(&second->view));
    if (buf != NULL) {
        uint8_t *tcp = buf->data + (first.tcp - first.ip);
        tcp[FLAGS] |= second->view.tcp[FLAGS];
        pl_put32(tcp + ACK_NUMBER, pl_get32(second->view.tcp + ACK_NUMBER));
        pl_put16(tcp + WINDOW, pl_get16(second->view.tcp + WINDOW));
        pl_box_seal(buf);
    }
    return buf;
}

static void coalesce_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    struct pl_box_half *half = &packet->flow->half[packet->way];
    if (!is_data(box, packet)) {
        flush(box, half, packet->way);
        pl_box_pass(box, packet);
        return;
    }
    struct plait_buf *both = half->held_count > 0 ? join(box, half->held[0], packet) : NULL;
    if (both != NULL) {
        box->acted++;
        plait_buf_unref(pl_box_unhold(half));
        pl_box_emit(box, packet->way, both, &no_meta);
        plait_buf_unref(both);
        return;
    }
    flush(box, half, packet->way);
    bool held = pl_box_hold(half, packet->buf);
    PL_ASSERT(held);
    half->due = now + COALESCE_NS;
}

static void coalesce_tick(struct pl_box *box, plait_time now) {
    for (unsigned i = 0; i < 2 * box->flow_count; i++) {
        struct pl_box_half *half = &box->flows[i / 2].half[i % 2];
        if (half->due != 0 && half->due <= now) {
            flush(box, half, (enum pl_box_way)(i % 2));
        }
    }
}

const struct pl_box_ops pl_box_coalesce = {.pass = coalesce_pass, .tick = coalesce_tick};

/* ---- hole ---- */

/* Lets a segment pass that is not behind a hole. */
static void pass_in_order(struct pl_box *box, struct pl_box_half *half, enum pl_box_way way,
                          struct plait_buf *buf, const struct plait_rx_meta *meta) {
    struct pl_box_view view;
    bool parsed = pl_box_view(buf->data, buf->len, &view);
    PL_ASSERT(parsed);
    half->base = pl_seq32_max(half->base, pl_seq32_add(seq_of(&view), pl_box_payload_len(&view)));
    pl_box_emit(box, way, buf, meta);
}

/* The index of a held segment that follows, or the number of them. */
static unsigned find_next(const struct pl_box_half *half) {
    for (unsigned i = 0; i < half->held_count; i++) {
        struct pl_box_view view;
        if (pl_box_view(half->held[i]->data, half->held[i]->len, &view) &&
            pl_seq32_le(seq_of(&view), half->base)) {
            return i;
        }
    }
    return half->held_count;
}

static void release_filled(struct pl_box *box, struct pl_box_half *half, enum pl_box_way way) {
    unsigned at;
    while ((at = find_next(half)) < half->held_count) {
        struct plait_buf *buf = half->held[at];
        half->held[at] = half->held[0];
        half->held[0] = buf;
        buf = pl_box_unhold(half);
        pl_box_freshen(buf, half);
        pass_in_order(box, half, way, buf, &no_meta);
        plait_buf_unref(buf);
    }
}

/* Everything that is behind the hole waits, FINs too; resets do not. */
static void hole_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    struct pl_box_half *half = &packet->flow->half[packet->way];
    pl_seq32 seq = seq_of(&packet->view);
    (void)now;
    bool counts = is_data(box, packet) || (packet->view.tcp[FLAGS] & PL_TCP_FIN) != 0;
    if (!counts || !pl_box_acts_on(box, packet->way)) {
        pl_box_pass(box, packet);
        return;
    }
    if (!half->based) {
        half->based = true;
        half->base = seq;
    }
    if (pl_seq32_lt(half->base, seq)) {
        box->acted++;
        (void)pl_box_hold(half, packet->buf); /* a full one drops it */
        return;
    }
    pass_in_order(box, half, packet->way, packet->buf, &packet->meta);
    release_filled(box, half, packet->way);
}

const struct pl_box_ops pl_box_hole = {.pass = hole_pass};

/* net/box_length.c - an application-level gateway that changes the length of what is said.
 *
 * From the first payload it sees on, at every N-th byte of the sender's stream, it puts a few bytes
 * in or takes a few out, and mends the numbers of both ways: sequence numbers of the sender's
 * segments, acknowledgements and SACK blocks of the receiver's. What is done depends on the
 * position alone, so that repetitions, however they are cut, come out the same. MPTCP's options it
 * does not know. */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "net/box_kind.h"
#include "wire/tcp.h"

enum { SEQUENCE = 4, ACK_NUMBER = 8, FLAGS = 13, OPTION_SACK = 5, CHANGE = 3, PUT_IN = '+' };

/* How far a number of the sender's, `offset` behind the base, moves. */
static uint32_t moved(const struct pl_box *box, uint32_t offset) {
    uint32_t every = box->config.every_bytes;
    uint32_t changes = offset / every; /* those whole */
    uint32_t into = offset % every;
    if (box->config.kind == PL_BOX_KIND_GROW) {
        return changes * CHANGE + (into > 0 ? CHANGE : 0);
    }
    return changes * CHANGE + (into < CHANGE ? into : CHANGE);
}

/* What is behind the payload, a FIN, moves as its end does. */
static uint32_t there(const struct pl_box *box, const struct pl_box_half *half, uint32_t offset) {
    bool grows = box->config.kind == PL_BOX_KIND_GROW;
    uint32_t at = offset;
    if (pl_seq32_lt(half->data_end, pl_seq32_add(half->base, offset))) {
        at = (uint32_t)pl_seq32_diff(half->data_end, half->base);
    }
    return grows ? offset + moved(box, at) : offset - moved(box, at);
}

/* The other way: the last of the sender's numbers that became this one. */
static uint32_t back(const struct pl_box *box, const struct pl_box_half *half, uint32_t offset) {
    uint32_t low = 0;
    uint32_t high = 2 * offset + CHANGE + 1;
    while (high - low > 1) { /* there(low) <= offset < there(high) */
        uint32_t middle = low + (high - low) / 2;
        if (there(box, half, middle) <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static pl_seq32 shift(const struct pl_box *box, const struct pl_box_half *half, pl_seq32 seq) {
    int32_t offset = pl_seq32_diff(seq, half->base);
    if (!half->based || offset <= 0) {
        return seq;
    }
    return pl_seq32_add(half->base, there(box, half, (uint32_t)offset));
}

static pl_seq32 shift_back(const struct pl_box *box, const struct pl_box_half *half, pl_seq32 ack) {
    int32_t offset = pl_seq32_diff(ack, half->base);
    if (!half->based || offset <= 0) {
        return ack;
    }
    return pl_seq32_min(pl_seq32_add(half->base, back(box, half, (uint32_t)offset)), half->next);
}

/* ---- the receiver's numbers ---- */

static void mend_acks(const struct pl_box *box, const struct pl_box_half *half,
                      struct pl_box_view *view) {
    uint32_t len = 0;
    if ((view->tcp[FLAGS] & PL_TCP_ACK) == 0) {
        return;
    }
    pl_seq32 ack = {pl_get32(view->tcp + ACK_NUMBER)};
    pl_box_put_tcp32(view, ACK_NUMBER, shift_back(box, half, ack).v);
    for (uint32_t at = PL_TCP_HEADER; pl_box_option(view, &at, &len); at += len) {
        for (uint32_t i = 2; view->tcp[at] == OPTION_SACK && i + 4 <= len; i += 4) {
            pl_seq32 edge = {pl_get32(view->tcp + at + i)};
            pl_box_put_tcp32(view, at + i, shift_back(box, half, edge).v);
        }
    }
}

/* ---- the sender's bytes ---- */

static bool is_place(const struct pl_box *box, uint32_t offset) {
    return offset % box->config.every_bytes == 0;
}

static bool is_gone(const struct pl_box *box, uint32_t offset) {
    return offset % box->config.every_bytes < CHANGE;
}

/* Copies `len` bytes that start `offset` behind the base as they shall be; returns how many. */
static uint32_t edit(const struct pl_box *box, uint32_t offset, const uint8_t *from, uint32_t len,
                     uint8_t *to) {
    bool grows = box->config.kind == PL_BOX_KIND_GROW;
    uint32_t n = 0;
    for (uint32_t i = 0; i < len; i++) {
        if (grows && is_place(box, offset + i)) {
            memset(to + n, PUT_IN, CHANGE);
            n += CHANGE;
        }
        if (grows || !is_gone(box, offset + i)) {
            to[n++] = from[i];
        }
    }
    return n;
}

static struct plait_buf *edited(struct pl_box *box, const struct pl_box_view *view,
                                uint32_t offset) {
    const uint8_t *payload = view->tcp + view->tcp_header_len;
    const struct plait_slice none = {0};
    uint32_t len = pl_box_payload_len(view);
    uint32_t room = len + CHANGE * (len / box->config.every_bytes + 2);
    struct plait_buf *bytes = plait_buf_alloc(box->env, room);
    if (bytes == NULL) {
        return NULL;
    }
    bytes->len = edit(box, offset, payload, len, bytes->data);
    PL_ASSERT(bytes->len <= room);
    struct plait_slice slice = {.data = bytes->data, .len = bytes->len};
    struct plait_buf *buf = pl_box_make(box->env, view, slice, none);
    plait_buf_unref(bytes);
    return buf;
}

static void change(struct pl_box *box, struct pl_box_packet *packet) {
    struct pl_box_half *half = &packet->flow->half[packet->way];
    struct pl_box_view *view = &packet->view;
    uint32_t len = pl_box_payload_len(view);
    pl_seq32 seq = {pl_get32(view->tcp + SEQUENCE)};
    bool syn = (view->tcp[FLAGS] & PL_TCP_SYN) != 0;
    if (!half->based && len > 0 && !syn) {
        half->based = true;
        half->base = seq;
    }
    pl_seq32 to = shift(box, half, seq);
    int32_t offset = pl_seq32_diff(seq, half->base);
    bool edits = half->based && len > 0 && offset >= 0 && !syn;
    struct plait_buf *buf = edits ? edited(box, view, (uint32_t)offset) : NULL;
    if (buf == NULL) {
        pl_box_put_tcp32(view, SEQUENCE, to.v);
        pl_box_pass(box, packet);
        return;
    }
    box->acted += buf->len != packet->buf->len ? 1 : 0;
    pl_put32(buf->data + (view->tcp - view->ip) + SEQUENCE, to.v);
    pl_box_seal(buf);
    packet->meta.gso_size = 0;
    pl_box_emit(box, packet->way, buf, &packet->meta);
    plait_buf_unref(buf);
}

static void length_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    unsigned other = 1 - (unsigned)packet->way;
    (void)now;
    if (!pl_box_sound(&packet->view)) { /* it would become right */
        pl_box_pass(box, packet);
        return;
    }
    if (pl_box_acts_on(box, (enum pl_box_way)other)) {
        mend_acks(box, &packet->flow->half[other], &packet->view);
    }
    if (pl_box_acts_on(box, packet->way)) {
        change(box, packet);
        return;
    }
    pl_box_pass(box, packet);
}

const struct pl_box_ops pl_box_length = {.pass = length_pass};

/* net/box_simple.c - the kinds that need to know nothing but the packet: translators, numbers,
 * options, bytes, copies. */
#include "base/assert.h"
#include "base/bytes.h"
#include "net/box_kind.h"
#include "wire/mptcp.h"
#include "wire/tcp.h"

enum { FLAGS = 13, SEQUENCE = 4, OPTION_30_SUBTYPE = 2, ADDRESS = 4, ECHO = 1 };

/* ---- nat, rebind ---- */

static void nat_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    struct pl_nat *nat = &box->nat[packet->view.v6 ? 1 : 0];
    bool forget = box->config.kind == PL_BOX_KIND_REBIND && !box->rebound;
    if (forget && pl_box_acting(box, now)) {
        box->rebound = true;
        for (unsigned i = 0; i < 2; i++) {
            if (box->nat[i].on) {
                pl_nat_rebind(&box->nat[i], NULL);
            }
        }
    }
    box->acted += nat->on ? 1 : 0;
    if (pl_nat_pass(nat, packet->way, packet->buf->data, packet->buf->len)) {
        pl_box_pass(box, packet);
    }
}

const struct pl_box_ops pl_box_nat = {.pass = nat_pass};

/* ---- reseq: the numbers of the inside (OUT), of the outside (IN) ---- */

#define SECRET UINT64_C(0x5eed0fb0c5)

static void reseq_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    uint64_t secret = box->config.seed != 0 ? box->config.seed : SECRET;
    enum pl_box_way other = packet->way == PL_BOX_OUT ? PL_BOX_IN : PL_BOX_OUT;
    (void)now;
    if (pl_box_acts_on(box, PL_BOX_OUT)) {
        pl_reseq_pass(secret, packet->way, packet->buf->data, packet->buf->len);
    }
    if (pl_box_acts_on(box, PL_BOX_IN)) {
        pl_reseq_pass(~secret, other, packet->buf->data, packet->buf->len);
    }
    box->acted++;
    pl_box_pass(box, packet);
}

const struct pl_box_ops pl_box_reseq = {.pass = reseq_pass};

/* ---- strip-… ---- */

static uint32_t strip_segments(enum pl_box_kind kind) {
    switch (kind) {
        case PL_BOX_KIND_STRIP_SYN:
            return PL_STRIP_SYN;
        case PL_BOX_KIND_STRIP_SYN_ACK:
            return PL_STRIP_SYN_ACK;
        case PL_BOX_KIND_STRIP_DATA:
            return PL_STRIP_DATA;
        case PL_BOX_KIND_STRIP_ACK:
            return PL_STRIP_ACK;
        default:
            return PL_STRIP_OTHER;
    }
}

static void strip_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    uint32_t segments = strip_segments(box->config.kind);
    (void)now;
    if (pl_box_acts_on(box, packet->way) &&
        pl_strip_pass(segments, packet->buf->data, packet->buf->len)) {
        box->acted++;
    }
    pl_box_pass(box, packet);
}

const struct pl_box_ops pl_box_strip = {.pass = strip_pass};

/* ---- drop-syn, syn-data ---- */

static bool has_option_30(const struct pl_box_view *view) {
    uint32_t len = 0;
    for (uint32_t at = PL_TCP_HEADER; pl_box_option(view, &at, &len); at += len) {
        if (view->tcp[at] == PL_TCPOPT_MPTCP) {
            return true;
        }
    }
    return false;
}

static bool is_syn(const struct pl_box_view *view) {
    return (view->tcp[FLAGS] & (PL_TCP_SYN | PL_TCP_ACK)) == PL_TCP_SYN;
}

static void drop_syn_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    (void)now;
    if (pl_box_acts_on(box, packet->way) && is_syn(&packet->view) && has_option_30(&packet->view)) {
        box->acted++;
        return;
    }
    pl_box_pass(box, packet);
}

const struct pl_box_ops pl_box_drop_syn = {.pass = drop_syn_pass};

static void syn_data_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    (void)now;
    bool cut = pl_box_acts_on(box, packet->way) && (packet->view.tcp[FLAGS] & PL_TCP_SYN) != 0 &&
               pl_box_payload_len(&packet->view) > 0 && pl_box_sound(&packet->view);
    if (cut) {
        box->acted++;
        packet->buf->len -= pl_box_payload_len(&packet->view);
        pl_box_seal(packet->buf);
    }
    pl_box_pass(box, packet);
}

const struct pl_box_ops pl_box_syn_data = {.pass = syn_data_pass};

/* ---- rewrite: the byte at every N-th sequence number ---- */

/* A bit is set and never cleared: see pl_rewrite_pass(). By number, so that a repetition has the
 * same bytes. */
static void rewrite_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    struct pl_box_view *view = &packet->view;
    uint32_t seq = pl_get32(view->tcp + SEQUENCE);
    uint32_t len = pl_box_payload_len(view);
    uint32_t every = box->config.every_bytes;
    (void)now;
    if (!pl_box_acts_on(box, packet->way) || (view->tcp[FLAGS] & PL_TCP_SYN) != 0) {
        pl_box_pass(box, packet);
        return;
    }
    for (uint32_t i = (every - seq % every) % every; i < len; i += every) {
        uint32_t at = view->tcp_header_len + i;
        if ((at | 1) < view->tcp_len && (view->tcp[at] & PL_REWRITE_BIT) == 0) {
            pl_box_put_tcp(view, at, view->tcp[at] | PL_REWRITE_BIT);
            box->acted++;
        }
    }
    pl_box_pass(box, packet);
}

const struct pl_box_ops pl_box_rewrite = {.pass = rewrite_pass};

/* ---- dup, dup-bare ---- */

static void dup_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    bool bare = box->config.kind == PL_BOX_KIND_DUP_BARE;
    (void)now;
    if (!pl_box_acts_on(box, packet->way) || (bare && !has_option_30(&packet->view))) {
        pl_box_pass(box, packet);
        return;
    }
    struct plait_buf *copy = pl_box_copy(box->env, packet->buf);
    if (copy != NULL) {
        if (bare) {
            (void)pl_strip_pass(PL_STRIP_OTHER, copy->data, copy->len);
        }
        box->acted++;
        pl_box_emit(box, packet->way, copy, &packet->meta);
        plait_buf_unref(copy);
    }
    pl_box_pass(box, packet);
}

const struct pl_box_ops pl_box_dup = {.pass = dup_pass};

/* ---- add-addr-drop, add-addr-alter ---- */

static void announce_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    struct pl_box_view *view = &packet->view;
    uint32_t len = 0;
    (void)now;
    for (uint32_t at = PL_TCP_HEADER; pl_box_option(view, &at, &len); at += len) {
        uint8_t subtype = view->tcp[at + OPTION_30_SUBTYPE];
        if (!pl_box_acts_on(box, packet->way) || view->tcp[at] != PL_TCPOPT_MPTCP || len < 8 ||
            subtype >> 4 != PL_MP_ADD_ADDR || (subtype & ECHO) != 0) {
            continue;
        }
        box->acted++;
        if (box->config.kind == PL_BOX_KIND_ADD_ADDR_DROP) {
            pl_box_blank(view, at, len);
        } else {
            pl_box_put_tcp(view, at + ADDRESS, view->tcp[at + ADDRESS] ^ 1);
        }
    }
    pl_box_pass(box, packet);
}

const struct pl_box_ops pl_box_announce = {.pass = announce_pass};

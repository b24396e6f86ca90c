/* net/box_options.c - boxes that meddle with TCP itself: option removal and new sequence numbers.
 */
#include "base/bytes.h"
#include "net/box.h"
#include "wire/mptcp.h"
#include "wire/tcp.h"

enum { OPTION_SACK = 5, FLAGS = 13, SEQUENCE = 4, ACK_NUMBER = 8 };

static uint32_t segment_kind(const struct pl_box_view *view) {
    uint8_t flags = view->tcp[FLAGS];
    if ((flags & PL_TCP_SYN) == 0) {
        return pl_box_payload_len(view) > 0 ? PL_STRIP_DATA : PL_STRIP_ACK;
    }
    return (flags & PL_TCP_ACK) != 0 ? PL_STRIP_SYN_ACK : PL_STRIP_SYN;
}

bool pl_strip_pass(uint32_t segments, uint8_t *packet, uint32_t len) {
    struct pl_box_view view;
    bool found = false;
    if (segments == 0 || !pl_box_view(packet, len, &view) ||
        (segment_kind(&view) & segments) == 0) {
        return false;
    }
    uint32_t option_len = 0;
    for (uint32_t at = PL_TCP_HEADER; pl_box_option(&view, &at, &option_len); at += option_len) {
        if (view.tcp[at] == PL_TCPOPT_MPTCP) {
            pl_box_blank(&view, at, option_len);
            found = true;
        }
    }
    return found;
}

bool pl_rewrite_pass(uint64_t at, uint8_t *packet, uint32_t len) {
    struct pl_box_view view;
    if (!pl_box_view(packet, len, &view)) {
        return false;
    }
    uint32_t whole = view.tcp_len & ~UINT32_C(1);
    if (whole <= view.tcp_header_len) {
        return false;
    }
    uint32_t len_max = whole - view.tcp_header_len;
    for (uint32_t i = 0; i < len_max; i++) {
        uint32_t offset = view.tcp_header_len + (uint32_t)((at + i) % len_max);
        if ((view.tcp[offset] & PL_REWRITE_BIT) == 0) {
            pl_box_put_tcp(&view, offset, view.tcp[offset] | PL_REWRITE_BIT);
            return true;
        }
    }
    return false;
}

static void add32(struct pl_box_view *view, uint32_t offset, uint32_t delta) {
    pl_box_put_tcp32(view, offset, pl_get32(view->tcp + offset) + delta);
}

/* A number that depends on the flow only, the same in both ways. */
static uint32_t flow_delta(uint64_t secret, const struct pl_box_view *view, enum pl_box_way way) {
    uint32_t size = view->v6 ? 16 : 4;
    const uint8_t *source = view->ip + (view->v6 ? 8 : 12);
    const uint8_t *inside = way == PL_BOX_OUT ? source : source + size;
    const uint8_t *outside = way == PL_BOX_OUT ? source + size : source;
    uint32_t inside_port = pl_get16(view->tcp + (way == PL_BOX_OUT ? 0 : 2));
    uint32_t outside_port = pl_get16(view->tcp + (way == PL_BOX_OUT ? 2 : 0));
    uint64_t h = secret ^ ((uint64_t)inside_port << 16 | outside_port);
    for (uint32_t i = 0; i < size; i += 4) {
        h = (h ^ pl_get32(inside + i)) * UINT64_C(0x9fb21c651e98df25);
        h = (h ^ h >> 31 ^ pl_get32(outside + i)) * UINT64_C(0xd6e8feb86659fd93);
    }
    return (uint32_t)(h >> 32);
}

static void shift_sack(struct pl_box_view *view, uint32_t delta) {
    uint32_t len = 0;
    for (uint32_t at = PL_TCP_HEADER; pl_box_option(view, &at, &len); at += len) {
        if (view->tcp[at] != OPTION_SACK) {
            continue;
        }
        for (uint32_t i = 2; i + 4 <= len; i += 4) {
            add32(view, at + i, delta);
        }
    }
}

void pl_reseq_pass(uint64_t secret, enum pl_box_way way, uint8_t *packet, uint32_t len) {
    struct pl_box_view view;
    if (secret == 0 || !pl_box_view(packet, len, &view)) {
        return;
    }
    uint32_t delta = flow_delta(secret, &view, way);
    if (way == PL_BOX_OUT) {
        add32(&view, SEQUENCE, delta);
        return;
    }
    if ((view.tcp[FLAGS] & PL_TCP_ACK) != 0) {
        add32(&view, ACK_NUMBER, 0U - delta);
        shift_sack(&view, 0U - delta);
    }
}

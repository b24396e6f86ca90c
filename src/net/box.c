/* net/box.c - taking packets apart for middleboxes, and changes that keep checksums right. */
#include "net/box.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { TCP_CHECKSUM = 16, IP4_CHECKSUM = 10, IP4_SOURCE = 12, IP6_SOURCE = 8 };
enum { OPTION_END = 0, OPTION_NOP = 1 };

bool pl_box_view(uint8_t *packet, uint32_t len, struct pl_box_view *out) {
    struct pl_ip ip;
    if (pl_ip_parse(packet, len, &ip) != PL_IP_OK) {
        return false;
    }
    if (ip.protocol != PL_IP_TCP || ip.fragment || ip.payload_len < PL_TCP_HEADER) {
        return false;
    }
    out->ip = packet;
    out->tcp = packet + ip.header_len;
    out->tcp_len = ip.payload_len;
    out->tcp_header_len = (uint32_t)(out->tcp[12] >> 4) * 4;
    out->v6 = ip.src.family == PLAIT_IPV6;
    return out->tcp_header_len >= PL_TCP_HEADER && out->tcp_header_len <= out->tcp_len;
}

/* RFC 1624 equation 3: the checksum at `checksum` after a covered word went from `was` to `is`. */
static void update(uint8_t *checksum, uint16_t was, uint16_t is) {
    uint32_t sum = (uint16_t)~pl_get16(checksum);
    sum += (uint16_t)~was;
    sum += is;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    pl_put16(checksum, (uint16_t)~sum);
}

void pl_box_put_tcp(struct pl_box_view *view, uint32_t offset, uint8_t value) {
    PL_ASSERT((offset | 1) < view->tcp_len);
    uint8_t *word = view->tcp + (offset & ~UINT32_C(1));
    uint16_t was = pl_get16(word);
    view->tcp[offset] = value;
    update(view->tcp + TCP_CHECKSUM, was, pl_get16(word));
}

void pl_box_put_address(struct pl_box_view *view, bool source, const struct plait_addr *addr) {
    PL_ASSERT((addr->family == PLAIT_IPV6) == view->v6);
    uint32_t size = view->v6 ? 16 : 4;
    uint8_t *at = view->ip + (view->v6 ? IP6_SOURCE : IP4_SOURCE) + (source ? 0 : size);
    for (uint32_t i = 0; i < size; i += 2) {
        uint16_t was = pl_get16(at + i);
        memcpy(at + i, addr->bytes + i, 2);
        uint16_t is = pl_get16(at + i);
        update(view->tcp + TCP_CHECKSUM, was, is);
        if (!view->v6) {
            update(view->ip + IP4_CHECKSUM, was, is);
        }
    }
}

void pl_box_put_tcp16(struct pl_box_view *view, uint32_t offset, uint16_t value) {
    pl_box_put_tcp(view, offset, (uint8_t)(value >> 8));
    pl_box_put_tcp(view, offset + 1, (uint8_t)value);
}

void pl_box_put_tcp32(struct pl_box_view *view, uint32_t offset, uint32_t value) {
    pl_box_put_tcp16(view, offset, (uint16_t)(value >> 16));
    pl_box_put_tcp16(view, offset + 2, (uint16_t)value);
}

void pl_box_endpoint(const struct pl_box_view *view, bool source, struct plait_endpoint *out) {
    memset(out, 0, sizeof(*out));
    uint32_t size = view->v6 ? 16 : 4;
    memcpy(out->addr.bytes, view->ip + (view->v6 ? IP6_SOURCE : IP4_SOURCE) + (source ? 0 : size),
           size);
    out->addr.family = view->v6 ? PLAIT_IPV6 : PLAIT_IPV4;
    out->port = pl_get16(view->tcp + (source ? 0 : 2));
}

bool pl_box_sound(const struct pl_box_view *view) {
    struct plait_endpoint from, to;
    pl_box_endpoint(view, true, &from);
    pl_box_endpoint(view, false, &to);
    uint64_t sum = pl_sum_pseudo(&from.addr, &to.addr, PL_IP_TCP, view->tcp_len);
    return pl_sum_fold(pl_sum_add(sum, view->tcp, view->tcp_len)) == 0xffff;
}

bool pl_box_option(const struct pl_box_view *view, uint32_t *at, uint32_t *len) {
    PL_ASSERT(*at >= PL_TCP_HEADER);
    while (*at < view->tcp_header_len && view->tcp[*at] == OPTION_NOP) {
        (*at)++;
    }
    if (*at + 2 > view->tcp_header_len || view->tcp[*at] == OPTION_END) {
        return false;
    }
    *len = view->tcp[*at + 1];
    return *len >= 2 && *at + *len <= view->tcp_header_len;
}

void pl_box_blank(struct pl_box_view *view, uint32_t at, uint32_t len) {
    PL_ASSERT(at + len <= view->tcp_header_len);
    for (uint32_t i = 0; i < len; i++) {
        pl_box_put_tcp(view, at + i, OPTION_NOP);
    }
}

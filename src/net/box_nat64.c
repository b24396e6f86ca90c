/* net/box_nat64.c - stateful NAT64 (RFC 6146): an inside that has IPv6 only talks to IPv4 servers,
 * under addresses of the prefix 64:ff9b::/96 (its section 1.2.1) that contain theirs.
 *
 * A SYN from the inside makes a binding of its address and port to a port of the IPv4 address
 * outside; what has no binding is discarded in silence (section 3.5.2.2). Filtering does not depend
 * on the address of the peer. The network behind it has native IPv6 as well: what goes to other
 * addresses passes unchanged. A corrupted segment stays one: its checksum is changed by the
 * difference that the addresses make (RFC 1624). ICMP is not translated. */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "net/box_kind.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { FLAGS = 13, CHECKSUM = 16, EMBEDDED = 12, HEADER_MAX = 40, PAYLOAD_MAX = 65535 - 20 };

static const uint8_t prefix[EMBEDDED] = {0x00, 0x64, 0xff, 0x9b};

struct plait_addr pl_nat64_embed(const struct plait_addr *v4) {
    struct plait_addr out = {.family = PLAIT_IPV6};
    PL_ASSERT(v4->family == PLAIT_IPV4);
    memcpy(out.bytes, prefix, EMBEDDED);
    memcpy(out.bytes + EMBEDDED, v4->bytes, 4);
    return out;
}

/* The IPv4 address in an address of the prefix; false: it is of another one. */
static bool extract(const struct plait_addr *v6, struct plait_addr *out) {
    if (v6->family != PLAIT_IPV6 || memcmp(v6->bytes, prefix, EMBEDDED) != 0) {
        return false;
    }
    *out = (struct plait_addr){.family = PLAIT_IPV4};
    memcpy(out->bytes, v6->bytes + EMBEDDED, 4);
    return true;
}

/* The checksum, which covered the addresses of `was`, for those of `is`. */
static uint16_t mended(uint16_t checksum, const struct pl_ip *was, const struct pl_ip *is) {
    uint64_t sum = (uint16_t)~checksum;
    sum += (uint16_t)~pl_sum_fold(
        pl_sum_pseudo(&was->src, &was->dst, was->protocol, was->payload_len));
    sum += pl_sum_fold(pl_sum_pseudo(&is->src, &is->dst, is->protocol, is->payload_len));
    return (uint16_t)~pl_sum_fold(sum);
}

/* Sends the packet on with other addresses and ports, in the other family. */
static void send_as(struct pl_box *box, const struct pl_box_packet *packet,
                    const struct plait_endpoint *src, const struct plait_endpoint *dst) {
    struct pl_ip was;
    enum pl_ip_result result = pl_ip_parse(packet->buf->data, packet->buf->len, &was);
    PL_ASSERT(result == PL_IP_OK);
    struct pl_ip is = was;
    is.src = src->addr;
    is.dst = dst->addr;
    is.hops--; /* as a router does */
    if (was.hops <= 1 || was.payload_len > PAYLOAD_MAX) {
        return;
    }
    struct plait_buf *buf = plait_buf_alloc(box->env, HEADER_MAX + was.payload_len);
    if (buf == NULL) {
        return;
    }
    uint32_t at = pl_ip_write(buf->data, &is, 0);
    buf->len = at + was.payload_len;
    memcpy(buf->data + at, packet->view.tcp, was.payload_len);
    pl_put16(buf->data + at + CHECKSUM, mended(pl_get16(buf->data + at + CHECKSUM), &was, &is));
    struct pl_box_view view;
    if (pl_box_view(buf->data, buf->len, &view)) {
        pl_box_put_tcp16(&view, 0, src->port);
        pl_box_put_tcp16(&view, 2, dst->port);
        box->acted++;
        pl_box_emit(box, packet->way, buf, &packet->meta);
    }
    plait_buf_unref(buf);
}

static void outward(struct pl_box *box, struct pl_box_packet *packet) {
    struct plait_endpoint src, dst;
    struct plait_addr server;
    pl_box_endpoint(&packet->view, true, &src);
    pl_box_endpoint(&packet->view, false, &dst);
    if (!extract(&dst.addr, &server)) {
        pl_box_pass(box, packet);
        return;
    }
    bool syn = (packet->view.tcp[FLAGS] & (PL_TCP_SYN | PL_TCP_ACK)) == PL_TCP_SYN;
    const struct pl_nat_mapping *m = pl_nat_of_inside(&box->nat[0], &src, syn);
    if (m == NULL) {
        return;
    }
    src = (struct plait_endpoint){.addr = box->nat[0].outside, .port = m->outside_port};
    dst.addr = server;
    send_as(box, packet, &src, &dst);
}

static void inward(struct pl_box *box, struct pl_box_packet *packet) {
    struct plait_endpoint src, dst;
    pl_box_endpoint(&packet->view, true, &src);
    pl_box_endpoint(&packet->view, false, &dst);
    if (!pl_addr_equal(&dst.addr, &box->nat[0].outside)) {
        pl_box_pass(box, packet);
        return;
    }
    const struct pl_nat_mapping *m = pl_nat_of_outside(&box->nat[0], dst.port);
    if (m == NULL) {
        return;
    }
    src.addr = pl_nat64_embed(&src.addr);
    send_as(box, packet, &src, &m->inside);
}

static void nat64_pass(struct pl_box *box, struct pl_box_packet *packet, plait_time now) {
    (void)now;
    if (!box->nat[0].on) {
        pl_box_pass(box, packet);
    } else if (packet->way == PL_BOX_OUT) {
        outward(box, packet);
    } else {
        inward(box, packet);
    }
}

const struct pl_box_ops pl_box_nat64 = {.pass = nat64_pass};

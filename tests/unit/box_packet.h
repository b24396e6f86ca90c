/* box_packet.h - TCP packets for the tests of middleboxes. */
#ifndef BOX_PACKET_H
#define BOX_PACKET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

struct box_packet {
    uint8_t data[256];
    uint32_t len;
};

static inline struct plait_addr box_addr(bool v6, uint8_t last) {
    struct plait_addr addr = {.family = v6 ? PLAIT_IPV6 : PLAIT_IPV4};
    addr.bytes[0] = v6 ? 0xfd : 10;
    addr.bytes[v6 ? 15 : 3] = last;
    return addr;
}

/* A segment from `from` to `to` with options of a multiple of 4 bytes and a payload of 5. */
static inline struct box_packet box_packet_make(const struct plait_endpoint *from,
                                                const struct plait_endpoint *to, uint8_t flags,
                                                const uint8_t *options, uint32_t options_len) {
    struct box_packet p = {.len = 0};
    struct pl_segment seg = {.src_port = from->port,
                             .dst_port = to->port,
                             .seq = {1000},
                             .ack = {2000},
                             .flags = flags,
                             .window_raw = 77};
    uint32_t tcp_len = 20 + options_len + 5;
    struct pl_ip ip = {.src = from->addr,
                       .dst = to->addr,
                       .protocol = PL_IP_TCP,
                       .hops = 64,
                       .payload_len = tcp_len};
    uint32_t at = pl_ip_write(p.data, &ip, 7);
    if (options_len > 0) {
        memcpy(p.data + at + 20, options, options_len);
    }
    pl_tcp_write(p.data + at, &seg, options_len);
    memcpy(p.data + at + 20 + options_len, "HELLO", 5);
    uint64_t sum = pl_sum_pseudo(&from->addr, &to->addr, PL_IP_TCP, tcp_len);
    pl_put16(p.data + at + 16, (uint16_t)~pl_sum_fold(pl_sum_add(sum, p.data + at, tcp_len)));
    p.len = at + tcp_len;
    return p;
}

/* Whether the TCP checksum is right; the IP header's is looked at by pl_ip_parse. */
static inline bool box_packet_valid(const struct box_packet *p, struct pl_ip *ip,
                                    struct pl_segment *seg) {
    if (pl_ip_parse(p->data, p->len, ip) != PL_IP_OK) {
        return false;
    }
    uint64_t sum = pl_sum_pseudo(&ip->src, &ip->dst, PL_IP_TCP, ip->payload_len);
    assert_int_equal(pl_tcp_parse(p->data + ip->header_len, ip->payload_len, seg), PL_TCP_OK);
    return pl_sum_fold(pl_sum_add(sum, p->data + ip->header_len, ip->payload_len)) == 0xffff;
}

#endif

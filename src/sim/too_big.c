#include "sim/too_big.h"

#include <string.h>

#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/ip.h"

enum { QUOTED_MAX = 100, ICMP_HEADER = 8, UNREACHABLE = 3, NEEDS_FRAGMENTATION = 4, TOO_BIG = 2 };

/* The router's address: 203.0.113.1 or 2001:db8:ffff::1. */
static struct plait_addr router(uint8_t family) {
    struct plait_addr v4 = {.bytes = {203, 0, 113, 1}, .family = PLAIT_IPV4};
    struct plait_addr v6 = {.bytes = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff}, .family = PLAIT_IPV6};
    v6.bytes[15] = 1;
    return family == PLAIT_IPV6 ? v6 : v4;
}

static void write_message(uint8_t *icmp, const struct pl_ip *ip, uint32_t len, uint32_t mtu) {
    bool v6 = ip->src.family == PLAIT_IPV6;
    memset(icmp, 0, ICMP_HEADER);
    icmp[0] = v6 ? TOO_BIG : UNREACHABLE;
    icmp[1] = v6 ? 0 : NEEDS_FRAGMENTATION;
    pl_put32(icmp + 4, mtu);
    uint64_t sum = v6 ? pl_sum_pseudo(&ip->src, &ip->dst, PL_IP_ICMP6, len) : 0;
    pl_put16(icmp + 2, (uint16_t)~pl_sum_fold(pl_sum_add(sum, icmp, len)));
}

struct plait_buf *pl_too_big_message(const struct plait_env *env, const struct plait_buf *packet,
                                     uint32_t mtu) {
    struct pl_ip inner;
    if (pl_ip_parse(packet->data, packet->len, &inner) != PL_IP_OK || inner.protocol != PL_IP_TCP) {
        return NULL;
    }
    bool v6 = inner.src.family == PLAIT_IPV6;
    uint32_t quoted = packet->len < QUOTED_MAX ? packet->len : QUOTED_MAX;
    uint32_t len = ICMP_HEADER + quoted;
    struct plait_buf *buf = plait_buf_alloc(env, 40 + len);
    if (buf == NULL) {
        return NULL;
    }
    struct pl_ip ip = {.src = router(inner.src.family),
                       .dst = inner.src,
                       .protocol = v6 ? PL_IP_ICMP6 : PL_IP_ICMP,
                       .hops = 64,
                       .payload_len = len};
    uint32_t at = pl_ip_write(buf->data, &ip, 0);
    memcpy(buf->data + at + ICMP_HEADER, packet->data, quoted);
    write_message(buf->data + at, &ip, len, mtu);
    buf->len = at + len;
    return buf;
}

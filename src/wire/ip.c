/* IP headers. Extension headers of IPv6 are walked, never interpreted, but for the fragment header.
 */
#include "wire/ip.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "wire/checksum.h"

enum {
    IPV4_HEADER = 20,
    IPV6_HEADER = 40,
    IPV4_DF = 0x4000,
    IPV4_MF = 0x2000,
    IPV4_OFFSET = 0x1fff,
    EXTENSIONS_MAX = 8, /* a chain of more is no honest packet */
};
enum { EXT_HOP_BY_HOP = 0, EXT_ROUTING = 43, EXT_FRAGMENT = 44, EXT_DESTINATION = 60 };

static void addr_set(struct plait_addr *addr, uint8_t family, const uint8_t *bytes) {
    PL_ASSERT(family == PLAIT_IPV4 || family == PLAIT_IPV6);
    *addr = (struct plait_addr){.family = family};
    memcpy(addr->bytes, bytes, family == PLAIT_IPV4 ? 4 : 16);
}

/* `quoted`: the packet is the start of one that an ICMP error quotes. It is cut short, and its
 * header is as some router changed it: the checksum says nothing about who sent it. */
static enum pl_ip_result parse_v4(const uint8_t *data, size_t len, bool quoted, struct pl_ip *out) {
    if (len < IPV4_HEADER) {
        return PL_IP_TRUNCATED;
    }
    uint32_t header_len = 4u * (data[0] & 15);
    uint32_t total_len = pl_get16(data + 2);
    if (header_len < IPV4_HEADER || total_len < header_len) {
        return PL_IP_MALFORMED;
    }
    if (len < header_len || (!quoted && len < total_len)) {
        return PL_IP_TRUNCATED;
    }
    if (!quoted && pl_sum_fold(pl_sum_add(0, data, header_len)) != 0xffff) {
        return PL_IP_BAD_CHECKSUM;
    }
    addr_set(&out->src, PLAIT_IPV4, data + 12);
    addr_set(&out->dst, PLAIT_IPV4, data + 16);
    out->protocol = data[9];
    out->hops = data[8];
    out->traffic_class = data[1];
    out->fragment = (pl_get16(data + 6) & (IPV4_MF | IPV4_OFFSET)) != 0;
    out->header_len = header_len;
    out->payload_len = (uint32_t)(len < total_len ? len : total_len) - header_len;
    PL_ASSERT((size_t)out->header_len + out->payload_len <= len);
    return PL_IP_OK;
}

static bool is_extension(uint8_t protocol) {
    return protocol == EXT_HOP_BY_HOP || protocol == EXT_ROUTING || protocol == EXT_FRAGMENT ||
           protocol == EXT_DESTINATION;
}

/* Walks the extension headers of out->protocol at data[out->header_len..end). */
static enum pl_ip_result skip_extensions(const uint8_t *data, size_t end, struct pl_ip *out) {
    for (unsigned i = 0; is_extension(out->protocol); i++) {
        size_t at = out->header_len;
        PL_ASSERT(at <= end);
        if (i == EXTENSIONS_MAX || (i > 0 && out->protocol == EXT_HOP_BY_HOP)) {
            return PL_IP_MALFORMED;
        }
        if (end - at < 8) {
            return PL_IP_TRUNCATED;
        }
        bool is_fragment = out->protocol == EXT_FRAGMENT;
        uint32_t ext_len = is_fragment ? 8 : 8 + 8 * (uint32_t)data[at + 1];
        if (end - at < ext_len) {
            return PL_IP_TRUNCATED;
        }
        out->protocol = data[at];
        out->header_len += ext_len;
        /* Offset 0 and no more to come is a whole datagram (RFC 6946). */
        if (is_fragment && (pl_get16(data + at + 2) & 0xfff9) != 0) {
            out->fragment = true;
            return PL_IP_OK;
        }
    }
    return PL_IP_OK;
}

static enum pl_ip_result parse_v6(const uint8_t *data, size_t len, bool quoted, struct pl_ip *out) {
    if (len < IPV6_HEADER) {
        return PL_IP_TRUNCATED;
    }
    size_t end = IPV6_HEADER + (size_t)pl_get16(data + 4);
    if (len < end) {
        if (!quoted) {
            return PL_IP_TRUNCATED;
        }
        end = len;
    }
    addr_set(&out->src, PLAIT_IPV6, data + 8);
    addr_set(&out->dst, PLAIT_IPV6, data + 24);
    out->protocol = data[6];
    out->hops = data[7];
    out->traffic_class = (uint8_t)(pl_get16(data) >> 4);
    out->fragment = false;
    out->header_len = IPV6_HEADER;
    enum pl_ip_result result = skip_extensions(data, end, out);
    PL_ASSERT(out->header_len <= end);
    out->payload_len = (uint32_t)(end - out->header_len);
    return result;
}

static enum pl_ip_result parse(const uint8_t *data, size_t len, bool quoted, struct pl_ip *out) {
    *out = (struct pl_ip){0};
    if (len == 0) {
        return PL_IP_TRUNCATED;
    }
    switch (data[0] >> 4) {
        case 4:
            return parse_v4(data, len, quoted, out);
        case 6:
            return parse_v6(data, len, quoted, out);
        default:
            return PL_IP_MALFORMED;
    }
}

enum pl_ip_result pl_ip_parse(const uint8_t *data, size_t len, struct pl_ip *out) {
    return parse(data, len, false, out);
}

enum pl_ip_result pl_ip_parse_quoted(const uint8_t *data, size_t len, struct pl_ip *out) {
    return parse(data, len, true, out);
}

static uint32_t write_v4(uint8_t *out, const struct pl_ip *ip, uint16_t ident) {
    out[0] = 0x45;
    out[1] = ip->traffic_class;
    pl_put16(out + 2, (uint16_t)(IPV4_HEADER + ip->payload_len));
    pl_put16(out + 4, ident);
    pl_put16(out + 6, IPV4_DF);
    out[8] = ip->hops;
    out[9] = ip->protocol;
    pl_put16(out + 10, 0);
    memcpy(out + 12, ip->src.bytes, 4);
    memcpy(out + 16, ip->dst.bytes, 4);
    uint16_t sum = pl_sum_fold(pl_sum_add(0, out, IPV4_HEADER));
    pl_put16(out + 10, (uint16_t)~sum);
    return IPV4_HEADER;
}

static uint32_t write_v6(uint8_t *out, const struct pl_ip *ip) {
    pl_put32(out, UINT32_C(6) << 28 | (uint32_t)ip->traffic_class << 20);
    pl_put16(out + 4, (uint16_t)ip->payload_len);
    out[6] = ip->protocol;
    out[7] = ip->hops;
    memcpy(out + 8, ip->src.bytes, 16);
    memcpy(out + 24, ip->dst.bytes, 16);
    return IPV6_HEADER;
}

uint32_t pl_ip_write(uint8_t *out, const struct pl_ip *ip, uint16_t ident) {
    PL_ASSERT(ip->src.family == ip->dst.family);
    PL_ASSERT(ip->src.family == PLAIT_IPV4 || ip->src.family == PLAIT_IPV6);
    return ip->src.family == PLAIT_IPV4 ? write_v4(out, ip, ident) : write_v6(out, ip);
}

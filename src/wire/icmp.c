/* What an ICMP error means for TCP is a table of type and code (RFC 1122 section 4.2.3.9, RFC 5461,
 * RFC 4443 section 3). Whether it is to be believed is for TCP to say: it compares inner_seq. */
#include "wire/icmp.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "wire/checksum.h"

enum { ICMP_HEADER = 8, QUOTED_TCP_MIN = 8 };
enum { V4_UNREACHABLE = 3, V4_TIME_EXCEEDED = 11, V4_PARAMETER_PROBLEM = 12 };
enum { V6_UNREACHABLE = 1, V6_TOO_BIG = 2, V6_TIME_EXCEEDED = 3 };

/* Codes of "destination unreachable". */
static const uint8_t v4_codes[] = {
    PL_ICMP_NET_UNREACHABLE,  PL_ICMP_NET_UNREACHABLE,  /* net, host */
    PL_ICMP_PORT_UNREACHABLE, PL_ICMP_PORT_UNREACHABLE, /* protocol, port */
    PL_ICMP_TOO_BIG,          PL_ICMP_NET_UNREACHABLE,  /* DF set, source route failed */
    PL_ICMP_NET_UNREACHABLE,  PL_ICMP_NET_UNREACHABLE,  /* net, host unknown */
    PL_ICMP_NET_UNREACHABLE,  PL_ICMP_PORT_UNREACHABLE, /* isolated, net prohibited */
    PL_ICMP_PORT_UNREACHABLE, PL_ICMP_NET_UNREACHABLE,  /* host prohibited, net for TOS */
    PL_ICMP_NET_UNREACHABLE,  PL_ICMP_PORT_UNREACHABLE, /* host for TOS, prohibited */
};
static const uint8_t v6_codes[] = {
    PL_ICMP_NET_UNREACHABLE,  PL_ICMP_PORT_UNREACHABLE, /* no route, prohibited */
    PL_ICMP_NET_UNREACHABLE,  PL_ICMP_NET_UNREACHABLE,  /* beyond scope, address */
    PL_ICMP_PORT_UNREACHABLE, PL_ICMP_PORT_UNREACHABLE, /* port, source policy */
    PL_ICMP_PORT_UNREACHABLE,                           /* reject route */
};

static enum pl_icmp_kind kind_of(uint8_t family, uint8_t type, uint8_t code) {
    if (family == PLAIT_IPV4) {
        if (type == V4_UNREACHABLE && code < sizeof(v4_codes)) {
            return (enum pl_icmp_kind)v4_codes[code];
        }
        bool soft = type == V4_TIME_EXCEEDED || type == V4_PARAMETER_PROBLEM;
        return soft && code <= 1 ? PL_ICMP_NET_UNREACHABLE : PL_ICMP_OTHER;
    }
    if (type == V6_UNREACHABLE && code < sizeof(v6_codes)) {
        return (enum pl_icmp_kind)v6_codes[code];
    }
    if (type == V6_TOO_BIG) {
        return PL_ICMP_TOO_BIG;
    }
    return type == V6_TIME_EXCEEDED && code == 0 ? PL_ICMP_NET_UNREACHABLE : PL_ICMP_OTHER;
}

static bool checksum_ok(const struct pl_ip *ip, const uint8_t *payload, size_t len) {
    uint64_t sum = 0;
    if (ip->src.family == PLAIT_IPV6) {
        sum = pl_sum_pseudo(&ip->src, &ip->dst, PL_IP_ICMP6, (uint32_t)len);
    }
    return pl_sum_fold(pl_sum_add(sum, payload, len)) == 0xffff;
}

/* Reads the packet that the message quotes. Only the first eight bytes of its TCP header are sure
 * to be there (RFC 792). */
static bool parse_inner(const uint8_t *data, size_t len, uint8_t family,
                        struct pl_icmp_error *out) {
    if (pl_ip_parse_quoted(data, len, &out->inner) != PL_IP_OK) {
        return false;
    }
    if (out->inner.src.family != family || out->inner.protocol != PL_IP_TCP ||
        out->inner.fragment || out->inner.payload_len < QUOTED_TCP_MIN) {
        return false;
    }
    const uint8_t *tcp = data + out->inner.header_len;
    out->inner_total = family == PLAIT_IPV6 ? pl_get16(data + 4) + 40U : pl_get16(data + 2);
    PL_ASSERT(out->inner.header_len + QUOTED_TCP_MIN <= len);
    out->inner_src_port = pl_get16(tcp);
    out->inner_dst_port = pl_get16(tcp + 2);
    out->inner_seq = pl_seq32_of(pl_get32(tcp + 4));
    return true;
}

bool pl_icmp_parse(const struct pl_ip *ip, const uint8_t *payload, size_t len,
                   struct pl_icmp_error *out) {
    *out = (struct pl_icmp_error){.kind = PL_ICMP_OTHER};
    uint8_t family = ip->src.family;
    if (len < ICMP_HEADER || ip->protocol != (family == PLAIT_IPV4 ? PL_IP_ICMP : PL_IP_ICMP6)) {
        return false;
    }
    enum pl_icmp_kind kind = kind_of(family, payload[0], payload[1]);
    if (kind == PL_ICMP_OTHER || !checksum_ok(ip, payload, len)) {
        return false;
    }
    if (!parse_inner(payload + ICMP_HEADER, len - ICMP_HEADER, family, out)) {
        return false;
    }
    out->kind = kind;
    if (kind == PL_ICMP_TOO_BIG) {
        out->mtu = family == PLAIT_IPV4 ? pl_get16(payload + 6) : pl_get32(payload + 4);
    }
    return true;
}

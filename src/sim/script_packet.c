/* Segments <-> packets. The TCP header is written and read here, not by src/wire. */
#include <string.h>

#include "base/bytes.h"
#include "plait/buf.h"
#include "sim/pattern.h"
#include "sim/script_state.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { ICMP_HEADER = 8, QUOTE_TCP = 20, TTL = 64, TCP_CHECKSUM = 16, OPTIONS_MAX = 40 };

/* ---- building ---- */

static uint32_t put_options(const struct pl_script_segment *segment, uint8_t *out) {
    uint8_t one[OPTIONS_MAX];
    uint32_t len = 0;
    for (unsigned i = 0; i < segment->option_count; i++) {
        uint32_t added = pl_script_option_encode(&segment->options[i], one);
        if (len + added > OPTIONS_MAX) {
            return OPTIONS_MAX + 1;
        }
        memcpy(out + len, one, added);
        len += added;
    }
    while (len % 4 != 0) {
        out[len++] = 1;
    }
    return len;
}

static struct pl_ip ip_header(const struct pl_script_segment *segment, const struct plait_addr *src,
                              const struct plait_addr *dst, uint8_t protocol, uint32_t len) {
    uint64_t ecn = segment->ecn.kind == PL_VALUE_NUMBER ? segment->ecn.number & 3 : 0;
    uint64_t dscp = segment->tos.kind == PL_VALUE_NUMBER ? segment->tos.number & 63 : 0;
    return (struct pl_ip){
        .src = *src,
        .dst = *dst,
        .protocol = protocol,
        .hops = segment->ttl.kind == PL_VALUE_NUMBER ? (uint8_t)segment->ttl.number : TTL,
        .traffic_class = (uint8_t)(dscp << 2 | ecn),
        .payload_len = len,
    };
}

static void put_tcp(const struct pl_script_segment *segment, uint16_t src_port, uint16_t dst_port,
                    uint32_t options_len, uint8_t *out) {
    memset(out, 0, PL_TCP_HEADER);
    pl_put16(out, src_port);
    pl_put16(out + 2, dst_port);
    pl_put32(out + 4, (uint32_t)segment->seq.number);
    pl_put32(out + 8, (uint32_t)segment->ack.number);
    out[12] = (uint8_t)((PL_TCP_HEADER + options_len) / 4 << 4);
    out[13] = segment->flags;
    uint64_t window = segment->win.kind == PL_VALUE_NONE ? 65535 : segment->win.number;
    pl_put16(out + 14, (uint16_t)window);
    pl_put16(out + 18, (uint16_t)segment->urg.number);
}

static void put_checksum(const struct plait_addr *src, const struct plait_addr *dst, uint8_t *data,
                         uint32_t len, uint8_t protocol, uint32_t at) {
    uint64_t sum = pl_sum_pseudo(src, dst, protocol, len);
    if (protocol == PL_IP_ICMP) {
        sum = 0; /* ICMP for IPv4 has no pseudo header */
    }
    pl_put16(data + at, 0);
    pl_put16(data + at, (uint16_t)~pl_sum_fold(pl_sum_add(sum, data, len)));
}

static struct plait_buf *build_tcp(struct pl_script_run *run, unsigned index,
                                   const struct pl_script_segment *segment) {
    const struct pl_script_flow *flow = &run->flows[index];
    uint8_t options[OPTIONS_MAX + 4];
    uint32_t options_len = put_options(segment, options);
    if (options_len > OPTIONS_MAX) {
        return NULL;
    }
    uint32_t tcp_len = PL_TCP_HEADER + options_len + segment->len;
    struct plait_buf *buf = plait_buf_alloc(&run->env.env, tcp_len + 40);
    if (buf == NULL) {
        return NULL;
    }
    const struct plait_addr *src = &flow->remote.addr, *dst = &flow->local.addr;
    struct pl_ip ip = ip_header(segment, src, dst, PL_IP_TCP, tcp_len);
    uint32_t ip_len = pl_ip_write(buf->data, &ip, 1);
    uint8_t *tcp = buf->data + ip_len;
    put_tcp(segment, flow->remote.port, flow->local.port, options_len, tcp);
    memcpy(tcp + PL_TCP_HEADER, options, options_len);
    pl_pattern_fill(pl_script_pattern(run, true) + (segment->other_bytes ? 1000 : 0),
                    pl_script_stream_offset(run, index, true, segment),
                    tcp + PL_TCP_HEADER + options_len, segment->len);
    put_checksum(src, dst, tcp, tcp_len, PL_IP_TCP, TCP_CHECKSUM);
    tcp[TCP_CHECKSUM] ^= segment->bad_checksum ? 1 : 0;
    buf->data[8] ^= segment->bad_ip_checksum ? 1 : 0;
    buf->len = ip_len + tcp_len;
    return buf;
}

/* An ICMP error that quotes the IP header and 20 octets of a segment of the stack's. */
static struct plait_buf *build_icmp(struct pl_script_run *run, unsigned index,
                                    const struct pl_script_segment *segment) {
    const struct pl_script_flow *flow = &run->flows[index];
    const struct plait_addr *us = &flow->local.addr, *peer = &flow->remote.addr;
    bool v6 = us->family == PLAIT_IPV6;
    uint8_t protocol = v6 ? PL_IP_ICMP6 : PL_IP_ICMP;
    struct plait_buf *buf = plait_buf_alloc(&run->env.env, 200);
    if (buf == NULL) {
        return NULL;
    }
    uint32_t inner_ip_len = v6 ? 40 : 20;
    uint32_t icmp_len = ICMP_HEADER + inner_ip_len + QUOTE_TCP;
    struct pl_ip outer = ip_header(segment, peer, us, protocol, icmp_len);
    uint32_t ip_len = pl_ip_write(buf->data, &outer, 1);
    uint8_t *icmp = buf->data + ip_len;
    memset(icmp, 0, icmp_len);
    pl_script_icmp_code(segment, us->family, &icmp[0], &icmp[1]);
    if (v6) {
        pl_put32(icmp + 4, segment->icmp_mtu);
    } else {
        pl_put16(icmp + 6, (uint16_t)segment->icmp_mtu);
    }
    struct pl_ip inner = ip_header(segment, us, peer, PL_IP_TCP, PL_TCP_HEADER + segment->len);
    pl_ip_write(icmp + ICMP_HEADER, &inner, 1);
    uint8_t *tcp = icmp + ICMP_HEADER + inner_ip_len;
    pl_put16(tcp, flow->local.port);
    pl_put16(tcp + 2, flow->remote.port);
    pl_put32(tcp + 4, (uint32_t)segment->seq.number);
    tcp[12] = 0x50;
    tcp[13] = PL_TCP_ACK;
    put_checksum(peer, us, icmp, icmp_len, protocol, 2);
    icmp[2] ^= segment->bad_checksum ? 1 : 0;
    buf->len = ip_len + icmp_len;
    return buf;
}

struct plait_buf *pl_script_build(struct pl_script_run *run, unsigned flow,
                                  const struct pl_script_segment *segment) {
    if (segment->kind == PL_SEGMENT_TCP) {
        return build_tcp(run, flow, segment);
    }
    if (segment->kind == PL_SEGMENT_ICMP) {
        return build_icmp(run, flow, segment);
    }
    struct plait_buf *buf = plait_buf_alloc(&run->env.env, segment->len);
    if (buf != NULL) {
        memcpy(buf->data, segment->raw, segment->len);
        buf->len = segment->len;
    }
    return buf;
}

/* ---- taking apart ---- */

static struct pl_script_value number(uint64_t value) {
    return (struct pl_script_value){.kind = PL_VALUE_NUMBER, .absolute = true, .number = value};
}

/* False: lengths that contradict each other. */
static bool take_options(const uint8_t *data, uint32_t len, struct pl_script_segment *out) {
    for (uint32_t at = 0; at < len;) {
        uint32_t one = data[at] <= 1 ? 1 : at + 1 < len ? data[at + 1] : 0;
        if (one == 0 || (data[at] > 1 && one < 2) || at + one > len) {
            return false;
        }
        if (out->option_count == PL_SCRIPT_OPTIONS_MAX) {
            /* Only NOPs come so often; the first ones will do. */
            if (data[at] > 1) {
                return false;
            }
        } else {
            pl_script_option_decode(data + at, one, &out->options[out->option_count++]);
        }
        at += one;
    }
    return true;
}

bool pl_script_take_apart(const uint8_t *data, uint32_t len, struct pl_script_segment *out,
                          struct plait_endpoint *src, struct plait_endpoint *dst,
                          const uint8_t **payload) {
    struct pl_ip ip;
    memset(out, 0, sizeof(*out));
    if (!pl_device_verify(data, len) || pl_ip_parse(data, len, &ip) != PL_IP_OK ||
        ip.payload_len < PL_TCP_HEADER) {
        return false;
    }
    const uint8_t *tcp = data + ip.header_len;
    uint32_t header_len = 4u * (tcp[12] >> 4);
    if (header_len < PL_TCP_HEADER || header_len > ip.payload_len) {
        return false;
    }
    *src = (struct plait_endpoint){.addr = ip.src, .port = pl_get16(tcp)};
    *dst = (struct plait_endpoint){.addr = ip.dst, .port = pl_get16(tcp + 2)};
    out->seq = number(pl_get32(tcp + 4));
    out->ack = number(pl_get32(tcp + 8));
    out->flags = tcp[13];
    out->win = number(pl_get16(tcp + 14));
    out->urg = number(pl_get16(tcp + 18));
    out->ecn = number(ip.traffic_class & 3);
    out->tos = number(ip.traffic_class >> 2);
    out->ttl = number(ip.hops);
    out->len = ip.payload_len - header_len;
    *payload = tcp + header_len;
    return take_options(tcp + PL_TCP_HEADER, header_len - PL_TCP_HEADER, out);
}

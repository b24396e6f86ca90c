/* wire/icmp.h - the ICMP (RFC 792) and ICMPv6 (RFC 4443) errors that concern TCP. */
#ifndef PL_WIRE_ICMP_H
#define PL_WIRE_ICMP_H

#include "base/seq.h"
#include "wire/ip.h"

enum pl_icmp_kind {
    PL_ICMP_OTHER,
    PL_ICMP_TOO_BIG,          /* mtu is set (0 for old routers, RFC 1191 section 5) */
    PL_ICMP_NET_UNREACHABLE,  /* and host, hop limit: soft errors (RFC 5461) */
    PL_ICMP_PORT_UNREACHABLE, /* and protocol, administratively prohibited: hard */
};

struct pl_icmp_error {
    enum pl_icmp_kind kind;
    uint32_t mtu;
    struct pl_ip inner;   /* our packet that caused it: src is our address */
    uint32_t inner_total; /* its length, by its own header; most of it is not quoted */
    uint16_t inner_src_port, inner_dst_port;
    pl_seq32 inner_seq;
};

/* Parses an ICMP message (the IP payload of `ip`), checksum included. False: nothing that concerns
 * TCP. */
bool pl_icmp_parse(const struct pl_ip *ip, const uint8_t *payload, size_t len,
                   struct pl_icmp_error *out);

#endif

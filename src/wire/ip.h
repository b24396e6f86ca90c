/* wire/ip.h - IPv4 (RFC 791) and IPv6 (RFC 8200) headers, bytes <-> plain structs. */
#ifndef PL_WIRE_IP_H
#define PL_WIRE_IP_H

#include "wire/addr.h"

enum { PL_IP_TCP = 6, PL_IP_ICMP = 1, PL_IP_ICMP6 = 58, PL_IP_UDP = 17 };

/* The ECN field, the low two bits of the traffic class (RFC 3168 section 5). */
enum pl_ip_ecn { PL_IP_NOT_ECT = 0, PL_IP_ECT1 = 1, PL_IP_ECT0 = 2, PL_IP_CE = 3, PL_IP_ECN = 3 };

struct pl_ip {
    struct plait_addr src, dst;
    uint8_t protocol; /* of the payload, behind IPv6 extension headers */
    uint8_t hops;     /* TTL or hop limit */
    uint8_t traffic_class;
    bool fragment;        /* not the whole datagram */
    uint32_t header_len;  /* IPv6 extension headers included */
    uint32_t payload_len; /* by the IP length field, never more than the bytes given */
};

enum pl_ip_result { PL_IP_OK, PL_IP_TRUNCATED, PL_IP_BAD_CHECKSUM, PL_IP_MALFORMED };

/* Parses a packet. IPv4 options and the IPv6 hop-by-hop, routing, destination and fragment headers
 * are skipped. */
enum pl_ip_result pl_ip_parse(const uint8_t *data, size_t len, struct pl_ip *out);
/* The same for the start of a packet that an ICMP error quotes: it may be cut short behind the
 * header, in which case payload_len is what is there, and the IPv4 header checksum is not looked
 * at. */
enum pl_ip_result pl_ip_parse_quoted(const uint8_t *data, size_t len, struct pl_ip *out);
/* Writes a header without options (20 or 40 bytes) for `payload_len` bytes of payload, DF set, and
 * returns its length. Packets of more than 65,535 bytes (GSO over IPv6) write length modulo 2^16.
 * `ident` is the IPv4 identification. */
uint32_t pl_ip_write(uint8_t *out, const struct pl_ip *ip, uint16_t ident);

#endif

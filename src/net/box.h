/* net/box.h - middleboxes: what stands in the way of MPTCP in real networks.
 *
 * A box sits between a host (inside) and the network (outside). The ones here change packets in
 * place; their length stays. Checksums are updated incrementally (RFC 1624), so that a packet that
 * was corrupted before the box is still seen to be corrupted behind it. Everything but TCP passes
 * unchanged. net/chain.h has all kinds of boxes, in a row.
 *
 * The structs are plain state of the caller's; a zeroed box lets everything pass. */
#ifndef PL_NET_BOX_H
#define PL_NET_BOX_H

#include "plait/types.h"

enum pl_box_way { PL_BOX_OUT, PL_BOX_IN }; /* out: from the inside */

/* A TCP packet taken apart. */
struct pl_box_view {
    uint8_t *ip;
    uint8_t *tcp;
    uint32_t tcp_header_len;
    uint32_t tcp_len; /* header and payload */
    bool v6;
};
/* False: not a whole TCP packet. */
bool pl_box_view(uint8_t *packet, uint32_t len, struct pl_box_view *out);
/* Whether the TCP checksum is right. */
bool pl_box_sound(const struct pl_box_view *view);
void pl_box_endpoint(const struct pl_box_view *view, bool source, struct plait_endpoint *out);
static inline uint32_t pl_box_payload_len(const struct pl_box_view *view) {
    return view->tcp_len - view->tcp_header_len;
}
/* Offset and length of the next option at or after *at (PL_TCP_HEADER at first), skipping NOPs;
 * false at the end of the list or where it is malformed. */
bool pl_box_option(const struct pl_box_view *view, uint32_t *at, uint32_t *len);
/* Makes NOPs of an option. */
void pl_box_blank(struct pl_box_view *view, uint32_t at, uint32_t len);
void pl_box_put_tcp16(struct pl_box_view *view, uint32_t offset, uint16_t value);
void pl_box_put_tcp32(struct pl_box_view *view, uint32_t offset, uint32_t value);
/* Change one byte of the TCP segment (but for a last one at an even offset), or of an address in
 * the IP header, and the checksums. */
void pl_box_put_tcp(struct pl_box_view *view, uint32_t offset, uint8_t value);
void pl_box_put_address(struct pl_box_view *view, bool source, const struct plait_addr *addr);

/* ---- address and port translation (RFC 4787's endpoint-independent mapping) ----
 *
 * All that comes from the inside leaves with `outside` as its source. After a rebinding the old
 * mappings are gone: what comes to them is dropped, and each flow gets a new port. */
enum { PL_NAT_MAX = 256 };
struct pl_nat_mapping {
    struct plait_endpoint inside;
    uint16_t outside_port;
};
struct pl_nat {
    bool on;
    struct plait_addr outside;
    uint16_t port_next;
    uint32_t count; /* mappings in use; the oldest is replaced when all are */
    struct pl_nat_mapping mapping[PL_NAT_MAX];
};
void pl_nat_init(struct pl_nat *nat, const struct plait_addr *outside, uint16_t port_first);
/* Forgets all mappings. `outside` may be NULL (unchanged). Ports go on where they were. */
void pl_nat_rebind(struct pl_nat *nat, const struct plait_addr *outside);
/* False: the packet is dropped. */
bool pl_nat_pass(struct pl_nat *nat, enum pl_box_way way, uint8_t *packet, uint32_t len);
/* The mapping of an end point of the inside (`make`: there will be one), of a port of the outside;
 * NULL: there is none. */
const struct pl_nat_mapping *pl_nat_of_inside(struct pl_nat *nat,
                                              const struct plait_endpoint *inside, bool make);
const struct pl_nat_mapping *pl_nat_of_outside(struct pl_nat *nat, uint16_t port);
/* The IPv6 address under which a NAT64 (net/box_nat64.c) shows an IPv4 address. */
struct plait_addr pl_nat64_embed(const struct plait_addr *v4);

/* ---- removal of the MPTCP option (RFC 8684 section 3.7, RFC 6824 section 6) ----
 *
 * The option's bytes become NOPs. `segments` chooses where. */
enum pl_strip_segment {
    PL_STRIP_SYN = 1 << 0,
    PL_STRIP_SYN_ACK = 1 << 1,
    PL_STRIP_DATA = 1 << 2, /* with payload */
    PL_STRIP_ACK = 1 << 3,  /* without */
    PL_STRIP_OTHER = PL_STRIP_DATA | PL_STRIP_ACK,
};
/* Returns whether there was one to remove. */
bool pl_strip_pass(uint32_t segments, uint8_t *packet, uint32_t len);

/* ---- a changed payload (RFC 8684 section 3.7) ----
 *
 * An application-level gateway that makes a small letter of a byte (sets 0x20) and knows how to
 * make TCP's checksum right again. It never clears a bit: the sum of a few such changes is never
 * zero, so that a DSS checksum over several packets notices them. `at` chooses the byte. Returns
 * whether there was one. */
enum { PL_REWRITE_BIT = 0x20 };
bool pl_rewrite_pass(uint64_t at, uint8_t *packet, uint32_t len);

/* ---- randomised sequence numbers ----
 *
 * A firewall that hides the initial sequence numbers of the inside: it adds a number that depends
 * on the flow to them, and takes it off again in acknowledgements, SACK blocks included. Stateless;
 * `secret` 0 changes nothing. */
void pl_reseq_pass(uint64_t secret, enum pl_box_way way, uint8_t *packet, uint32_t len);

#endif

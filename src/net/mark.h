/* net/mark.h - what a router does to the ECN field (RFC 3168 section 5). */
#ifndef PL_NET_MARK_H
#define PL_NET_MARK_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a packet may be marked: it is IP, and its sender said ECT or somebody marked it. */
bool pl_mark_capable(const uint8_t *packet, uint32_t len);
/* Sets CE in a capable packet; the IPv4 header checksum stays right. */
void pl_mark_ce(uint8_t *packet, uint32_t len);

#endif

/* tamper.h - finding and changing MPTCP options of packets on their way, for pair filters. */
#ifndef TAMPER_H
#define TAMPER_H

#include "wire/mptcp.h"
#include "wire/tcp.h"

struct tamper {
    struct pl_segment seg;
    uint8_t *tcp; /* the TCP header inside the packet */
    uint8_t *packet;
    uint32_t len;
};

/* Parses an IP packet with a TCP segment; false for anything else. */
bool tamper_parse(struct tamper *t, uint8_t *packet, uint32_t len);
/* The bytes of the first MPTCP option of this subtype, or NULL. */
uint8_t *tamper_option(struct tamper *t, enum pl_mptcp_subtype subtype);
/* Overwrites all MPTCP options with NOPs. Returns how many there were. */
unsigned tamper_strip(struct tamper *t);
/* Makes the TCP checksum right again. */
void tamper_fix(struct tamper *t);

#endif

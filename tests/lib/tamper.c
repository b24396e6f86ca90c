/* tamper.c - see tamper.h. */
#include "tamper.h"

#include <string.h>

#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/ip.h"

bool tamper_parse(struct tamper *t, uint8_t *packet, uint32_t len) {
    struct pl_ip ip;
    if (pl_ip_parse(packet, len, &ip) != PL_IP_OK || ip.protocol != PL_IP_TCP) {
        return false;
    }
    t->packet = packet;
    t->len = len;
    t->tcp = packet + ip.header_len;
    return pl_tcp_parse(t->tcp, ip.payload_len, &t->seg) == PL_TCP_OK;
}

/* The option after `at`, or the first one when NULL; NULL at the end. */
static uint8_t *next_option(struct tamper *t, uint8_t *at) {
    uint8_t *end = t->tcp + (size_t)(t->tcp[12] >> 4) * 4;
    uint8_t *p = at == NULL ? t->tcp + PL_TCP_HEADER : at + (at[0] <= 1 ? 1 : at[1]);
    return p >= end || *p == 0 ? NULL : p;
}

uint8_t *tamper_option(struct tamper *t, enum pl_mptcp_subtype subtype) {
    for (uint8_t *p = next_option(t, NULL); p != NULL; p = next_option(t, p)) {
        if (p[0] == PL_TCPOPT_MPTCP && p[2] >> 4 == (int)subtype) {
            return p;
        }
    }
    return NULL;
}

unsigned tamper_strip(struct tamper *t) {
    unsigned count = 0;
    uint8_t *p = next_option(t, NULL);
    while (p != NULL) {
        uint8_t *next = next_option(t, p);
        if (p[0] == PL_TCPOPT_MPTCP) {
            memset(p, 1, p[1]);
            count++;
        }
        p = next;
    }
    tamper_fix(t);
    return count;
}

void tamper_fix(struct tamper *t) {
    struct pl_ip ip;
    if (pl_ip_parse(t->packet, t->len, &ip) != PL_IP_OK) {
        return;
    }
    pl_put16(t->tcp + 16, 0);
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    sum = pl_sum_add(sum, t->tcp, ip.payload_len);
    pl_put16(t->tcp + 16, (uint16_t)~pl_sum_fold(sum));
}

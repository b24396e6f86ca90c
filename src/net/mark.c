#include "net/mark.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/ip.h"

enum { IP4_LEN_MIN = 20, IP6_LEN = 40, IP4_TOS = 1, IP4_CHECKSUM = 10 };

static uint32_t header_len(const uint8_t *packet, uint32_t len) {
    if (len >= IP6_LEN && packet[0] >> 4 == 6) {
        return IP6_LEN;
    }
    uint32_t own = len >= IP4_LEN_MIN && packet[0] >> 4 == 4 ? (uint32_t)(packet[0] & 15U) * 4 : 0;
    return own >= IP4_LEN_MIN && own <= len ? own : 0;
}

bool pl_mark_capable(const uint8_t *packet, uint32_t len) {
    uint32_t header = header_len(packet, len);
    if (header == 0) {
        return false;
    }
    PL_ASSERT(header <= len);
    uint32_t traffic_class =
        packet[0] >> 4 == 4 ? packet[IP4_TOS] : (uint32_t)(pl_get16(packet) >> 4);
    return (traffic_class & PL_IP_ECN) != PL_IP_NOT_ECT;
}

void pl_mark_ce(uint8_t *packet, uint32_t len) {
    uint32_t header = header_len(packet, len);
    PL_ASSERT(pl_mark_capable(packet, len));
    if (packet[0] >> 4 == 6) {
        pl_put16(packet, (uint16_t)(pl_get16(packet) | PL_IP_CE << 4));
        return;
    }
    packet[IP4_TOS] |= PL_IP_CE;
    pl_put16(packet + IP4_CHECKSUM, 0);
    pl_put16(packet + IP4_CHECKSUM, (uint16_t)~pl_sum_fold(pl_sum_add(0, packet, header)));
}

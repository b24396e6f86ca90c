/* The Internet checksum is a ones' complement sum, so it does not matter in which byte order or
 * word size it is added up (RFC 1071 section 2): words of 8 bytes are added as the host loads them,
 * and only the folded result is turned into network order. */
#include "wire/checksum.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

/* A ones' complement addition of 8 bytes: what is carried out comes back in. Two instructions on
 * most machines, where adding up two words of 32 takes four. */
static uint64_t add64(uint64_t sum, uint64_t word) {
    sum += word;
    return sum + (sum < word);
}

/* 8 bytes as the host loads them. */
static uint64_t load64(const uint8_t *data) {
    uint64_t word;
    memcpy(&word, data, sizeof(word));
    return word;
}

static uint16_t fold(uint64_t sum) {
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    PL_ASSERT(sum <= 0xffff);
    return (uint16_t)sum;
}

/* The folded sum of a piece, as the big-endian value that stands for it on the wire. */
static uint16_t sum_piece(const uint8_t *data, size_t len) {
    uint64_t a = 0, b = 0, c = 0, d = 0, rest = 0;
    for (; len >= 32; len -= 32, data += 32) { /* four chains, so that none waits for another */
        a = add64(a, load64(data));
        b = add64(b, load64(data + 8));
        c = add64(c, load64(data + 16));
        d = add64(d, load64(data + 24));
    }
    for (; len >= 8; len -= 8, data += 8) {
        a = add64(a, load64(data));
    }
    if (len > 0) {
        memcpy(&rest, data, len);
    }
    a = add64(a, rest);
    uint16_t host = fold(add64(add64(a, b), add64(c, d)));
    uint8_t wire[2];
    memcpy(wire, &host, sizeof(wire));
    return pl_get16(wire);
}

uint64_t pl_sum_add(uint64_t sum, const uint8_t *data, size_t len) {
    PL_ASSERT(len == 0 || data != NULL);
    return sum + sum_piece(data, len);
}

uint64_t pl_sum_add_odd(uint64_t sum, const uint8_t *data, size_t len) {
    PL_ASSERT(len == 0 || data != NULL);
    uint16_t piece = sum_piece(data, len);
    return sum + (uint16_t)(piece << 8 | piece >> 8);
}

uint16_t pl_sum_fold(uint64_t sum) {
    return fold(sum);
}

uint64_t pl_sum_pseudo(const struct plait_addr *src, const struct plait_addr *dst, uint8_t protocol,
                       uint32_t len) {
    PL_ASSERT(src->family == dst->family);
    size_t addr_len = src->family == PLAIT_IPV4 ? 4 : 16;
    uint64_t sum = pl_sum_add(0, src->bytes, addr_len);
    sum = pl_sum_add(sum, dst->bytes, addr_len);
    return sum + protocol + (len >> 16) + (len & 0xffff);
}

#include "sim/pattern.h"

/* Eight bytes of the stream: the finishing step of splitmix64 over seed and position. */
static uint64_t word_at(uint64_t seed, uint64_t index) {
    uint64_t z = seed + index * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint8_t byte_of(uint64_t word, uint64_t offset) {
    return (uint8_t)(word >> (8 * (offset % 8)));
}

void pl_pattern_fill(uint64_t seed, uint64_t offset, uint8_t *out, size_t len) {
    uint64_t word = word_at(seed, offset / 8);
    for (size_t i = 0; i < len; i++) {
        uint64_t at = offset + i;
        if (at % 8 == 0) {
            word = word_at(seed, at / 8);
        }
        out[i] = byte_of(word, at);
    }
}

size_t pl_pattern_compare(uint64_t seed, uint64_t offset, const uint8_t *data, size_t len) {
    uint64_t word = word_at(seed, offset / 8);
    for (size_t i = 0; i < len; i++) {
        uint64_t at = offset + i;
        if (at % 8 == 0) {
            word = word_at(seed, at / 8);
        }
        if (data[i] != byte_of(word, at)) {
            return i;
        }
    }
    return len;
}

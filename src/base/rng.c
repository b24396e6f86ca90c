/* xoshiro256** (Blackman and Vigna), seeded through splitmix64 as its authors advise. */
#include "base/rng.h"

#include "base/assert.h"

static uint64_t rotl(uint64_t x, unsigned n) {
    return x << n | x >> (64 - n);
}

static uint64_t splitmix(uint64_t *state) {
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void pl_rng_init(struct pl_rng *r, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        r->s[i] = splitmix(&seed);
    }
    PL_ASSERT((r->s[0] | r->s[1] | r->s[2] | r->s[3]) != 0);
}

uint64_t pl_rng_next(struct pl_rng *r) {
    uint64_t result = rotl(r->s[1] * 5, 7) * 9;
    uint64_t t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = rotl(r->s[3], 45);
    return result;
}

uint64_t pl_rng_below(struct pl_rng *r, uint64_t n) {
    PL_ASSERT(n > 0);
    /* 2^64 mod n values at the bottom would be over-represented. */
    uint64_t skip = (UINT64_MAX - n + 1) % n;
    for (;;) {
        uint64_t x = pl_rng_next(r);
        if (x >= skip) {
            return x % n;
        }
    }
}

uint64_t pl_rng_range(struct pl_rng *r, uint64_t lo, uint64_t hi) {
    PL_ASSERT(lo <= hi);
    if (hi - lo == UINT64_MAX) {
        return pl_rng_next(r);
    }
    return lo + pl_rng_below(r, hi - lo + 1);
}

bool pl_rng_chance(struct pl_rng *r, uint32_t ppm) {
    return pl_rng_below(r, 1000000) < ppm;
}

void pl_rng_fill(struct pl_rng *r, void *buf, size_t len) {
    uint8_t *p = buf;
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) {
        if (i % 8 == 0) {
            word = pl_rng_next(r);
        }
        p[i] = (uint8_t)(word >> (8 * (i % 8)));
    }
}

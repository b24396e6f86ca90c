/* base/rng.h - a seeded generator (xoshiro256**) for simulation and tests. Never for keys. */
#ifndef PL_BASE_RNG_H
#define PL_BASE_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_rng {
    uint64_t s[4];
};

void pl_rng_init(struct pl_rng *r, uint64_t seed);
uint64_t pl_rng_next(struct pl_rng *r);
/* Uniform in [0, n), n > 0, without modulo bias. */
uint64_t pl_rng_below(struct pl_rng *r, uint64_t n);
/* Uniform in [lo, hi]. */
uint64_t pl_rng_range(struct pl_rng *r, uint64_t lo, uint64_t hi);
/* True with probability ppm / 1,000,000. */
bool pl_rng_chance(struct pl_rng *r, uint32_t ppm);
void pl_rng_fill(struct pl_rng *r, void *buf, size_t len);

#endif

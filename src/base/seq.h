/* base/seq.h - sequence numbers that wrap: 32 bits (RFC 9293 section 3.4) and 64 bits (data
 * sequence numbers, RFC 8684 section 3.3.1). One-member structs, so that `<` does not compile.
 * Order is by signed distance: only meaningful between numbers less than half the space apart. */
#ifndef PL_BASE_SEQ_H
#define PL_BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t v;
} pl_seq32;

typedef struct {
    uint64_t v;
} pl_seq64;

static inline pl_seq32 pl_seq32_of(uint32_t v) {
    return (pl_seq32){v};
}
static inline pl_seq32 pl_seq32_add(pl_seq32 a, uint32_t n) {
    return (pl_seq32){a.v + n};
}
/* a - b as a signed distance. */
static inline int32_t pl_seq32_diff(pl_seq32 a, pl_seq32 b) {
    return (int32_t)(a.v - b.v);
}
static inline bool pl_seq32_eq(pl_seq32 a, pl_seq32 b) {
    return a.v == b.v;
}
static inline bool pl_seq32_lt(pl_seq32 a, pl_seq32 b) {
    return pl_seq32_diff(a, b) < 0;
}
static inline bool pl_seq32_le(pl_seq32 a, pl_seq32 b) {
    return pl_seq32_diff(a, b) <= 0;
}
static inline pl_seq32 pl_seq32_max(pl_seq32 a, pl_seq32 b) {
    return pl_seq32_lt(a, b) ? b : a;
}
static inline pl_seq32 pl_seq32_min(pl_seq32 a, pl_seq32 b) {
    return pl_seq32_lt(a, b) ? a : b;
}

static inline pl_seq64 pl_seq64_of(uint64_t v) {
    return (pl_seq64){v};
}
static inline pl_seq64 pl_seq64_add(pl_seq64 a, uint64_t n) {
    return (pl_seq64){a.v + n};
}
static inline int64_t pl_seq64_diff(pl_seq64 a, pl_seq64 b) {
    return (int64_t)(a.v - b.v);
}
static inline bool pl_seq64_eq(pl_seq64 a, pl_seq64 b) {
    return a.v == b.v;
}
static inline bool pl_seq64_lt(pl_seq64 a, pl_seq64 b) {
    return pl_seq64_diff(a, b) < 0;
}
static inline bool pl_seq64_le(pl_seq64 a, pl_seq64 b) {
    return pl_seq64_diff(a, b) <= 0;
}
static inline pl_seq64 pl_seq64_max(pl_seq64 a, pl_seq64 b) {
    return pl_seq64_lt(a, b) ? b : a;
}
static inline pl_seq64 pl_seq64_min(pl_seq64 a, pl_seq64 b) {
    return pl_seq64_lt(a, b) ? a : b;
}
/* The 64-bit number nearest to `near` whose low 32 bits are `low` (RFC 8684 section 3.3.1:
 * a 4-octet DSN or DATA_ACK is the lower part of the 64-bit one). */
static inline pl_seq64 pl_seq64_expand(pl_seq64 near, uint32_t low) {
    int32_t delta = (int32_t)(low - (uint32_t)near.v);
    return (pl_seq64){near.v + (uint64_t)(int64_t)delta};
}

#endif

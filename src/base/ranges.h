/* base/ranges.h - a bounded set of disjoint half-open ranges of uint64.
 *
 * Ranges are kept sorted, and never touch: [1,3) and [3,5) become [1,5). Numbers do not wrap;
 * whoever keeps sequence numbers here stores them relative to a start. Storage grows up to `max`
 * ranges. */
#ifndef PL_BASE_RANGES_H
#define PL_BASE_RANGES_H

#include "plait/env.h"

struct pl_range {
    uint64_t start, end;
};

struct pl_ranges {
    const struct plait_env *env;
    struct pl_range *at; /* at[0..count), sorted */
    uint32_t count, cap, max;
};

void pl_ranges_init(struct pl_ranges *r, const struct plait_env *env, uint32_t max);
void pl_ranges_fini(struct pl_ranges *r);
/* Adds [start, end). Errors, both without any change: LIMIT when it would take more than `max`
 * ranges, NO_MEMORY. An empty range changes nothing. */
PLAIT_MUST_CHECK int pl_ranges_add(struct pl_ranges *r, uint64_t start, uint64_t end);
/* Takes [start, end) out. Errors as for add (a range may be split in two). */
PLAIT_MUST_CHECK int pl_ranges_remove(struct pl_ranges *r, uint64_t start, uint64_t end);
/* Forgets everything below `limit`; cannot fail. */
void pl_ranges_remove_below(struct pl_ranges *r, uint64_t limit);
/* Whether all of [start, end) is in the set; an empty range is. */
bool pl_ranges_contains(const struct pl_ranges *r, uint64_t start, uint64_t end);
/* The first range of numbers in [from, limit) that is not in the set; false when there is none. */
bool pl_ranges_gap(const struct pl_ranges *r, uint64_t from, uint64_t limit, struct pl_range *gap);
void pl_ranges_check(const struct pl_ranges *r);

#endif

/* A sorted array. The sets are small (holes in a window), so moving the tail on an insertion costs
 * less than a tree would; looking up is a binary search. */
#include "base/ranges.h"

#include <string.h>

#include "base/assert.h"
#include "plait/error.h"

enum { CAP_MIN = 8 };

void pl_ranges_init(struct pl_ranges *r, const struct plait_env *env, uint32_t max) {
    PL_ASSERT(env != NULL);
    PL_ASSERT(max > 0);
    *r = (struct pl_ranges){.env = env, .max = max};
}

void pl_ranges_fini(struct pl_ranges *r) {
    if (r->at != NULL) {
        r->env->free(r->env->user, r->at, r->cap * sizeof(*r->at));
    }
    r->at = NULL;
    r->count = 0;
    r->cap = 0;
}

/* Index of the first range whose end is at or after `value`; count if there is none. */
static uint32_t first_ending_at(const struct pl_ranges *r, uint64_t value) {
    uint32_t lo = 0, hi = r->count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (r->at[mid].end < value) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static int make_room(struct pl_ranges *r) {
    if (r->count >= r->max) {
        return PLAIT_E_LIMIT;
    }
    if (r->count < r->cap) {
        return 0;
    }
    uint32_t cap = r->cap < CAP_MIN ? CAP_MIN : 2 * r->cap;
    struct pl_range *at = r->env->alloc(r->env->user, cap * sizeof(*at));
    if (at == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    if (r->at != NULL) {
        memcpy(at, r->at, r->count * sizeof(*at));
        r->env->free(r->env->user, r->at, r->cap * sizeof(*at));
    }
    PL_ASSERT(cap > r->count);
    r->at = at;
    r->cap = cap;
    return 0;
}

/* Replaces at[from..to) by the `n` ranges at `with`. Room for them has been made. */
static void replace(struct pl_ranges *r, uint32_t from, uint32_t to, const struct pl_range *with,
                    uint32_t n) {
    PL_ASSERT(from <= to);
    PL_ASSERT(to <= r->count);
    PL_ASSERT(r->count - (to - from) + n <= r->cap);
    if (r->count > to) {
        memmove(r->at + from + n, r->at + to, (r->count - to) * sizeof(*r->at));
    }
    if (n > 0) {
        memcpy(r->at + from, with, n * sizeof(*r->at));
    }
    r->count = r->count - (to - from) + n;
}

int pl_ranges_add(struct pl_ranges *r, uint64_t start, uint64_t end) {
    if (start >= end) {
        return 0;
    }
    uint32_t from = first_ending_at(r, start);
    uint32_t to = from;
    struct pl_range merged = {start, end};
    while (to < r->count && r->at[to].start <= end) {
        merged.start = r->at[to].start < merged.start ? r->at[to].start : merged.start;
        merged.end = r->at[to].end > merged.end ? r->at[to].end : merged.end;
        to++;
    }
    if (from == to) {
        int error = make_room(r);
        if (error != 0) {
            return error;
        }
    }
    PL_ASSERT(merged.start <= start);
    PL_ASSERT(merged.end >= end);
    replace(r, from, to, &merged, 1);
    return 0;
}

int pl_ranges_remove(struct pl_ranges *r, uint64_t start, uint64_t end) {
    if (start >= end) {
        return 0;
    }
    uint32_t from = first_ending_at(r, start);
    uint32_t to = from;
    struct pl_range rest[2];
    uint32_t n = 0;
    while (to < r->count && r->at[to].start < end) {
        if (r->at[to].start < start) {
            rest[n++] =
                (struct pl_range){r->at[to].start, r->at[to].end < start ? r->at[to].end : start};
        }
        if (r->at[to].end > end) {
            rest[n++] = (struct pl_range){end, r->at[to].end};
        }
        to++;
    }
    PL_ASSERT(n <= 2);
    if (n > to - from) {
        int error = make_room(r);
        if (error != 0) {
            return error;
        }
    }
    replace(r, from, to, rest, n);
    return 0;
}

void pl_ranges_remove_below(struct pl_ranges *r, uint64_t limit) {
    uint32_t keep = first_ending_at(r, limit);
    if (keep < r->count && r->at[keep].end == limit) {
        keep++;
    }
    replace(r, 0, keep, NULL, 0);
    if (r->count > 0 && r->at[0].start < limit) {
        r->at[0].start = limit;
    }
}

/* The range that holds `value`, or NULL. */
static const struct pl_range *holding(const struct pl_ranges *r, uint64_t value) {
    uint32_t i = value == UINT64_MAX ? r->count : first_ending_at(r, value + 1);
    return i < r->count && r->at[i].start <= value ? &r->at[i] : NULL;
}

bool pl_ranges_contains(const struct pl_ranges *r, uint64_t start, uint64_t end) {
    if (start >= end) {
        return true;
    }
    const struct pl_range *range = holding(r, start);
    return range != NULL && range->end >= end;
}

bool pl_ranges_gap(const struct pl_ranges *r, uint64_t from, uint64_t limit, struct pl_range *gap) {
    const struct pl_range *range = holding(r, from);
    uint64_t start = range == NULL ? from : range->end;
    if (start >= limit) {
        return false;
    }
    uint32_t i = first_ending_at(r, start);
    while (i < r->count && r->at[i].start < start) {
        i++;
    }
    uint64_t end = i < r->count && r->at[i].start < limit ? r->at[i].start : limit;
    PL_ASSERT(start < end);
    *gap = (struct pl_range){start, end};
    return true;
}

void pl_ranges_check(const struct pl_ranges *r) {
    PL_ASSERT(r->count <= r->cap);
    PL_ASSERT(r->count <= r->max);
    for (uint32_t i = 0; i < r->count; i++) {
        PL_ASSERT(r->at[i].start < r->at[i].end);
        PL_ASSERT(i == 0 || r->at[i - 1].end < r->at[i].start);
    }
}

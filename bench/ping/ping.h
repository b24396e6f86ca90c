/* bench/ping/ping.h - the times of a ping-pong. */
#ifndef BENCH_PING_H
#define BENCH_PING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { PING_BYTES = 64, PING_WARM = 200, PING_LOAD_MS = 500 };

struct ping_times {
    uint64_t *ns;
    unsigned count;
};

static inline void ping_times_init(struct ping_times *t, unsigned count) {
    *t = (struct ping_times){.ns = calloc(count, sizeof(*t->ns)), .count = count};
    if (t->ns == NULL || count == 0) {
        abort();
    }
}

/* The first PING_WARM are not counted. */
static inline void ping_times_add(struct ping_times *t, unsigned i, uint64_t ns) {
    if (i >= PING_WARM) {
        t->ns[i - PING_WARM] = ns;
    }
}

static inline int ping_compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static inline void ping_times_print(struct ping_times *t) {
    qsort(t->ns, t->count, sizeof(*t->ns), ping_compare);
    printf("{\"p50_us\": %.2f, \"p99_us\": %.2f}\n", (double)t->ns[t->count / 2] / 1e3,
           (double)t->ns[t->count - 1 - t->count / 100] / 1e3);
    free(t->ns);
}

#endif

/* base/timers.h - a binary heap of timers.
 *
 * A pl_timer is embedded in what it belongs to. States: idle (index 0), armed (index > 0). Equal
 * deadlines fire in the order they were armed, so that runs are repeatable. A fire function may arm
 * or cancel any timer, its own included, and may free its container; it was idle when called. */
#ifndef PL_BASE_TIMERS_H
#define PL_BASE_TIMERS_H

#include "plait/env.h"

struct pl_timer;
typedef void pl_timer_fire(struct pl_timer *timer, plait_time now);

struct pl_timer {
    plait_time deadline;
    uint64_t order;
    pl_timer_fire *fire;
    uint32_t index; /* 1-based position in the heap, 0 = idle */
};

struct pl_timers {
    const struct plait_env *env;
    struct pl_timer **heap; /* heap[1..count] */
    uint32_t count, cap;
    uint64_t order_next;
};

void pl_timers_init(struct pl_timers *t, const struct plait_env *env);
void pl_timers_fini(struct pl_timers *t);
/* Makes room for `n` timers in all, so that arming cannot fail. Returns 0 or NO_MEMORY. Whoever
 * creates an object with timers reserves first (count the timers that exist). */
PLAIT_MUST_CHECK int pl_timers_reserve(struct pl_timers *t, uint32_t n);
void pl_timer_init(struct pl_timer *timer, pl_timer_fire *fire);
static inline bool pl_timer_armed(const struct pl_timer *timer) {
    return timer->index != 0;
}
/* Arms or moves a timer. PLAIT_TIME_NEVER cancels. */
void pl_timer_arm(struct pl_timers *t, struct pl_timer *timer, plait_time deadline);
void pl_timer_cancel(struct pl_timers *t, struct pl_timer *timer);
/* Earliest deadline or PLAIT_TIME_NEVER. */
plait_time pl_timers_next(const struct pl_timers *t);
/* Fires everything due at `now` (timers armed meanwhile for `now` or before fire too, up to a
 * bound of 10,000 per call, so that a bug cannot hang the caller). */
void pl_timers_run(struct pl_timers *t, plait_time now);
void pl_timers_check(const struct pl_timers *t);

#endif

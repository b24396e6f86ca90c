/* A binary heap, 1-based so that index 0 can mean "idle". The order of two timers is (deadline,
 * arming order): a strict order, so the sequence of firings depends on nothing else. */
#include "base/timers.h"

#include <string.h>

#include "base/assert.h"
#include "plait/error.h"

enum { CAP_MIN = 16, RUN_MAX = 10000 };

static bool before(const struct pl_timer *a, const struct pl_timer *b) {
    if (a->deadline != b->deadline) {
        return a->deadline < b->deadline;
    }
    return a->order < b->order;
}

static void place(struct pl_timers *t, uint32_t index, struct pl_timer *timer) {
    PL_ASSERT(index >= 1);
    PL_ASSERT(index <= t->count);
    t->heap[index] = timer;
    timer->index = index;
}

static void sift_up(struct pl_timers *t, uint32_t index, struct pl_timer *timer) {
    while (index > 1 && before(timer, t->heap[index / 2])) {
        place(t, index, t->heap[index / 2]);
        index /= 2;
    }
    place(t, index, timer);
}

static void sift_down(struct pl_timers *t, uint32_t index, struct pl_timer *timer) {
    for (;;) {
        uint64_t child = 2 * (uint64_t)index;
        if (child > t->count) {
            break;
        }
        if (child < t->count && before(t->heap[child + 1], t->heap[child])) {
            child++;
        }
        if (before(timer, t->heap[child])) {
            break;
        }
        place(t, index, t->heap[child]);
        index = (uint32_t)child;
    }
    place(t, index, timer);
}

/* Puts a timer where it belongs, starting from a hole at `index`. */
static void settle(struct pl_timers *t, uint32_t index, struct pl_timer *timer) {
    if (index > 1 && before(timer, t->heap[index / 2])) {
        sift_up(t, index, timer);
        return;
    }
    sift_down(t, index, timer);
}

void pl_timers_init(struct pl_timers *t, const struct plait_env *env) {
    PL_ASSERT(env != NULL);
    *t = (struct pl_timers){.env = env};
}

void pl_timers_fini(struct pl_timers *t) {
    for (uint32_t i = 1; i <= t->count; i++) {
        t->heap[i]->index = 0;
    }
    if (t->heap != NULL) {
        t->env->free(t->env->user, t->heap, (t->cap + (size_t)1) * sizeof(*t->heap));
    }
    t->heap = NULL;
    t->count = 0;
    t->cap = 0;
}

int pl_timers_reserve(struct pl_timers *t, uint32_t n) {
    if (n <= t->cap) {
        return 0;
    }
    uint64_t cap = t->cap < CAP_MIN ? CAP_MIN : 2 * (uint64_t)t->cap;
    if (cap < n) {
        cap = n;
    }
    if (cap >= UINT32_MAX / sizeof(*t->heap)) {
        return PLAIT_E_NO_MEMORY;
    }
    struct pl_timer **heap = t->env->alloc(t->env->user, (size_t)(cap + 1) * sizeof(*heap));
    if (heap == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    heap[0] = NULL;
    if (t->heap != NULL) {
        memcpy(heap + 1, t->heap + 1, t->count * sizeof(*heap));
        t->env->free(t->env->user, t->heap, (t->cap + (size_t)1) * sizeof(*heap));
    }
    PL_ASSERT(cap >= n);
    t->heap = heap;
    t->cap = (uint32_t)cap;
    return 0;
}

void pl_timer_init(struct pl_timer *timer, pl_timer_fire *fire) {
    PL_ASSERT(fire != NULL);
    *timer = (struct pl_timer){.deadline = PLAIT_TIME_NEVER, .fire = fire};
}

void pl_timer_arm(struct pl_timers *t, struct pl_timer *timer, plait_time deadline) {
    if (deadline == PLAIT_TIME_NEVER) {
        pl_timer_cancel(t, timer);
        return;
    }
    PL_ASSERT(timer->fire != NULL);
    timer->deadline = deadline;
    timer->order = t->order_next++;
    if (timer->index == 0) {
        PL_ASSERT(t->count < t->cap);
        t->count++;
        sift_up(t, t->count, timer);
        return;
    }
    PL_ASSERT(t->heap[timer->index] == timer);
    settle(t, timer->index, timer);
}

void pl_timer_cancel(struct pl_timers *t, struct pl_timer *timer) {
    uint32_t index = timer->index;
    if (index == 0) {
        return;
    }
    PL_ASSERT(index <= t->count);
    PL_ASSERT(t->heap[index] == timer);
    struct pl_timer *last = t->heap[t->count];
    PL_ASSERT(last->index == t->count);
    t->count--;
    timer->index = 0;
    timer->deadline = PLAIT_TIME_NEVER;
    if (last != timer) {
        settle(t, index, last);
    }
}

plait_time pl_timers_next(const struct pl_timers *t) {
    return t->count == 0 ? PLAIT_TIME_NEVER : t->heap[1]->deadline;
}

void pl_timers_run(struct pl_timers *t, plait_time now) {
    for (unsigned fired = 0; fired < RUN_MAX; fired++) {
        if (t->count == 0 || t->heap[1]->deadline > now) {
            return;
        }
        struct pl_timer *timer = t->heap[1];
        pl_timer_cancel(t, timer);
        PL_ASSERT(!pl_timer_armed(timer));
        timer->fire(timer, now);
    }
}

void pl_timers_check(const struct pl_timers *t) {
    PL_ASSERT(t->count <= t->cap);
    for (uint32_t i = 1; i <= t->count; i++) {
        PL_ASSERT(t->heap[i]->index == i);
        PL_ASSERT(t->heap[i]->fire != NULL);
        PL_ASSERT(i == 1 || before(t->heap[i / 2], t->heap[i]));
    }
}

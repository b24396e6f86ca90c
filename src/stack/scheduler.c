#include "stack/scheduler.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/sized.h"
#include "base/text.h"
#include "mptcp/sched/custom.h"

enum {
    STATE_BYTES_MAX = 4096,
    SIZE_MIN = offsetof(struct plait_scheduler, sent) + sizeof(void *), /* as they began */
    SIZE_BOUND = 4096,                                                  /* more is a mistake */
    PATH_SIZE_MIN = offsetof(struct plait_sched_path, stale) + sizeof(bool),
};

const struct pl_sched *pl_scheduler_of(const struct plait_stack *stack, int64_t number) {
    int64_t custom = number - PLAIT_SCHED_CUSTOM_FIRST;
    if (custom < 0) {
        return pl_sched_builtin(number);
    }
    PL_ASSERT(stack->scheduler_count <= PL_SCHEDULERS_MAX);
    return custom < stack->scheduler_count ? &stack->schedulers[custom]->ops : NULL;
}

/* The name is there, ends, and is not empty. */
static bool name_ok(const char *name, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (name[i] == 0) {
            return i > 0;
        }
    }
    return false;
}

/* As we know it; false when it cannot be one. */
static bool take(struct plait_scheduler *out, const struct plait_scheduler *given) {
    if (given == NULL || given->size < SIZE_MIN || given->size > SIZE_BOUND ||
        !pl_sized_in(out, sizeof(*out), given, given->size)) {
        return false;
    }
    return out->choose != NULL && out->state_bytes <= STATE_BYTES_MAX &&
           name_ok(out->name, sizeof(out->name));
}

int plait_scheduler_add_sized(struct plait_stack *stack, const struct plait_scheduler *given,
                              size_t path_size) {
    struct plait_scheduler scheduler;
    if (!take(&scheduler, given) || path_size < PATH_SIZE_MIN ||
        path_size > PL_SCHED_PATH_SIZE_MAX || path_size % _Alignof(struct plait_sched_path) != 0) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (plait_scheduler_find(stack, scheduler.name) >= 0) {
        return PLAIT_E_IN_USE;
    }
    if (stack->scheduler_count == PL_SCHEDULERS_MAX) {
        return PLAIT_E_LIMIT;
    }
    struct pl_sched_custom *custom = pl_ctx_alloc(&stack->ctx, sizeof(*custom));
    if (custom == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    pl_sched_custom_init(custom, &scheduler, path_size);
    stack->schedulers[stack->scheduler_count] = custom;
    return PLAIT_SCHED_CUSTOM_FIRST + (int)stack->scheduler_count++;
}

int plait_scheduler_find(const struct plait_stack *stack, const char *name) {
    if (name == NULL) {
        return PLAIT_E_NO_OPTION;
    }
    if (pl_text_equal(name, "default")) {
        return PLAIT_SCHED_LOWEST_RTT;
    }
    int last = PLAIT_SCHED_CUSTOM_FIRST + (int)stack->scheduler_count;
    for (int i = 0; i < last; i++) {
        const struct pl_sched *sched = pl_scheduler_of(stack, i);
        if (sched != NULL && pl_text_equal(name, sched->name)) {
            return i;
        }
    }
    return PLAIT_E_NO_OPTION;
}

const char *plait_scheduler_name(const struct plait_stack *stack, int64_t scheduler) {
    const struct pl_sched *sched = pl_scheduler_of(stack, scheduler);
    return sched != NULL ? sched->name : NULL;
}

void pl_scheduler_free_all(struct plait_stack *stack) {
    PL_ASSERT(stack->conn_count == 0);
    for (uint32_t i = 0; i < stack->scheduler_count; i++) {
        pl_ctx_free(&stack->ctx, stack->schedulers[i], sizeof(*stack->schedulers[i]));
    }
    stack->scheduler_count = 0;
}

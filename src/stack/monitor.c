#include "stack/monitor.h"

#include "base/assert.h"
#include "base/sized.h"

enum { CAPACITY_MAX = 65536 };

static size_t ring_bytes(uint32_t capacity) {
    PL_ASSERT(capacity > 0 && capacity <= CAPACITY_MAX);
    return capacity * sizeof(struct plait_monitor_event);
}

void pl_monitor_stop(struct plait_stack *stack) {
    struct pl_monitor *m = &stack->monitor;
    PL_ASSERT((m->ring == NULL) == (m->capacity == 0));
    if (m->ring != NULL) {
        pl_ctx_free(&stack->ctx, m->ring, ring_bytes(m->capacity));
    }
    *m = (struct pl_monitor){0};
    stack->host.monitored = false;
}

static void tell_what_there_is(struct plait_stack *stack) {
    PL_ASSERT(stack->monitor.count == 0);
    PL_LIST_FOREACH(it, &stack->listener_list) {
        const struct pl_listener *listener = PL_CONTAINER(it, struct pl_listener, link);
        pl_monitor_listener(stack, listener, PLAIT_MONITOR_LISTENER_CREATED);
    }
    PL_LIST_FOREACH(it, &stack->conns) {
        pl_conn_report(PL_CONTAINER(it, struct pl_stack_conn, link)->conn);
    }
}

int plait_monitor_start(struct plait_stack *stack, uint32_t capacity) {
    if (capacity > CAPACITY_MAX) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    pl_monitor_stop(stack);
    if (capacity == 0) {
        return 0;
    }
    stack->monitor.ring = pl_ctx_alloc(&stack->ctx, ring_bytes(capacity));
    if (stack->monitor.ring == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    stack->monitor.capacity = capacity;
    stack->host.monitored = true;
    tell_what_there_is(stack);
    return 0;
}

void pl_monitor_push(struct plait_stack *stack, const struct plait_monitor_event *event) {
    struct pl_monitor *m = &stack->monitor;
    PL_ASSERT(m->count <= m->capacity && m->head < m->capacity);
    if (m->count == m->capacity) {
        m->lost++;
        return;
    }
    struct plait_monitor_event *place = &m->ring[(m->head + m->count) % m->capacity];
    *place = *event;
    place->time = stack->now;
    m->count++;
}

bool plait_monitor_next_sized(struct plait_stack *stack, void *event, size_t size) {
    struct pl_monitor *m = &stack->monitor;
    if (m->count == 0 || event == NULL) {
        return false;
    }
    (void)pl_sized_out(event, size, &m->ring[m->head], sizeof(m->ring[0]));
    m->head = (m->head + 1) % m->capacity;
    m->count--;
    return true;
}

uint64_t plait_monitor_lost(const struct plait_stack *stack) {
    return stack->monitor.lost;
}

void pl_monitor_listener(struct plait_stack *stack, const struct pl_listener *listener,
                         uint32_t type) {
    struct plait_monitor_event event = {
        .type = type,
        .local = {.addr = listener->addr, .port = listener->tcp_port},
        .port = listener->port,
    };
    if (stack->host.monitored && listener->setup.mptcp) {
        pl_monitor_push(stack, &event);
    }
}

const char *plait_monitor_name(uint32_t type) {
    static const char *const names[] = {
        [PLAIT_MONITOR_CREATED] = "CREATED",
        [PLAIT_MONITOR_ESTABLISHED] = "ESTABLISHED",
        [PLAIT_MONITOR_CLOSED] = "CLOSED",
        [PLAIT_MONITOR_ANNOUNCED] = "ANNOUNCED",
        [PLAIT_MONITOR_REMOVED] = "REMOVED",
        [PLAIT_MONITOR_SF_ESTABLISHED] = "SF_ESTABLISHED",
        [PLAIT_MONITOR_SF_CLOSED] = "SF_CLOSED",
        [PLAIT_MONITOR_SF_PRIO] = "SF_PRIO",
        [PLAIT_MONITOR_LISTENER_CREATED] = "LISTENER_CREATED",
        [PLAIT_MONITOR_LISTENER_CLOSED] = "LISTENER_CLOSED",
    };
    return type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}

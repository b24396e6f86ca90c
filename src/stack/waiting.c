#include "stack/waiting.h"

#include "base/assert.h"

/* PLAIT_OPT_DEFER_ACCEPT: whatever has waited long enough for data is acceptable without. */
static void fired(struct pl_timer *timer, plait_time now) {
    struct pl_listener *listener = PL_CONTAINER(timer, struct pl_listener, timer);
    plait_time next = PLAIT_TIME_NEVER;
    PL_LIST_FOREACH_SAFE(it, &listener->embryonic) {
        struct pl_stack_conn *sc = PL_CONTAINER(it, struct pl_stack_conn, wait_link);
        if (sc->data_due != 0 && sc->data_due <= now) {
            pl_waiting_ready(listener->stack, sc);
        } else if (sc->data_due != 0) {
            next = sc->data_due < next ? sc->data_due : next;
        }
    }
    pl_timer_arm(&listener->stack->ctx.timers, timer, next);
}

void pl_waiting_init(struct plait_stack *stack, struct pl_listener *listener) {
    listener->stack = stack;
    listener->embryonic_count = listener->ready_count = 0;
    pl_list_init(&listener->embryonic);
    pl_list_init(&listener->ready);
    pl_list_init(&listener->fast);
    listener->fast_count = listener->fast_reset_count = 0;
    pl_timer_init(&listener->timer, fired);
}

static void wait_for_data(struct plait_stack *stack, struct pl_stack_conn *sc) {
    struct pl_listener *listener = sc->listener;
    PL_ASSERT(sc->data_due == 0);
    sc->data_due = stack->now + listener->defer_accept_s * PLAIT_NS_PER_S;
    if (!pl_timer_armed(&listener->timer) || sc->data_due < listener->timer.deadline) {
        pl_timer_arm(&stack->ctx.timers, &listener->timer, sc->data_due);
    }
}

void pl_waiting_add(struct pl_listener *listener, struct pl_stack_conn *sc) {
    PL_ASSERT(sc->listener == NULL);
    PL_ASSERT(sc->owner == NULL);
    sc->listener = listener;
    sc->ready = false;
    pl_list_append(&listener->embryonic, &sc->wait_link);
    listener->embryonic_count++;
}

void pl_waiting_ready(struct plait_stack *stack, struct pl_stack_conn *sc) {
    struct pl_listener *listener = sc->listener;
    PL_ASSERT(listener != NULL && !sc->ready);
    PL_ASSERT(listener->embryonic_count > 0);
    sc->data_due = 0;
    pl_list_remove(&sc->wait_link);
    pl_list_append(&listener->ready, &sc->wait_link);
    listener->embryonic_count--;
    listener->ready_count++;
    sc->ready = true;
    pl_event_raise(&stack->events, listener->source, PLAIT_EVENT_ACCEPT, 0);
}

void pl_waiting_event(struct plait_stack *stack, struct pl_stack_conn *sc,
                      const struct plait_event *event) {
    PL_ASSERT(sc->owner == NULL);
    PL_ASSERT(sc->listener != NULL);
    /* The rest is told to the socket, by level, when there is one. */
    bool connected = event->type == PLAIT_EVENT_CONNECTED && !sc->held;
    bool news = sc->data_due != 0 &&
                (event->type == PLAIT_EVENT_READABLE || event->type == PLAIT_EVENT_ERROR);
    if (connected && sc->listener->defer_accept_s > 0) {
        wait_for_data(stack, sc);
    } else if (connected || news) {
        pl_waiting_ready(stack, sc);
    }
}

void pl_waiting_remove(struct pl_stack_conn *sc) {
    PL_ASSERT(sc->listener != NULL);
    uint32_t *count = sc->ready ? &sc->listener->ready_count : &sc->listener->embryonic_count;
    PL_ASSERT(*count > 0);
    pl_list_remove(&sc->wait_link);
    (*count)--;
    sc->listener = NULL;
}

struct pl_stack_conn *pl_waiting_take(struct pl_listener *listener) {
    PL_ASSERT(listener->source != NULL);
    if (pl_list_empty(&listener->ready)) {
        return NULL;
    }
    struct pl_stack_conn *sc = PL_CONTAINER(listener->ready.next, struct pl_stack_conn, wait_link);
    PL_ASSERT(sc->listener == listener);
    pl_waiting_remove(sc);
    return sc;
}

bool pl_waiting_must_stay(struct plait_stack *stack, const struct pl_stack_conn *sc,
                          const struct pl_segment *seg) {
    PL_ASSERT(sc != NULL);
    bool opens = (seg->flags & (PL_TCP_ACK | PL_TCP_SYN | PL_TCP_RST)) == PL_TCP_ACK;
    if (!opens || sc->listener == NULL || sc->ready ||
        sc->listener->ready_count < sc->listener->backlog) {
        return false;
    }
    PL_COUNT(&stack->ctx, ListenOverflows);
    return true;
}

static uint32_t check_list(const struct pl_listener *listener, const struct pl_list *list) {
    uint32_t count = 0;
    PL_LIST_FOREACH(it, list) {
        const struct pl_stack_conn *sc = PL_CONTAINER(it, struct pl_stack_conn, wait_link);
        PL_ASSERT(sc->listener == listener);
        PL_ASSERT(sc->owner == NULL);
        count++;
    }
    return count;
}

void pl_waiting_check(const struct pl_listener *listener) {
    PL_ASSERT(check_list(listener, &listener->embryonic) == listener->embryonic_count);
    PL_ASSERT(check_list(listener, &listener->ready) == listener->ready_count);
    PL_ASSERT(listener->embryonic_count <= listener->backlog);
    /* What waited for data (DEFER_ACCEPT) does not wait longer for want of room. */
    PL_ASSERT(listener->ready_count <= 2 * (uint64_t)listener->backlog);
}

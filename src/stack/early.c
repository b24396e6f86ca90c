#include "stack/early.h"

#include "base/assert.h"

enum { RESET_PENALTY_SECONDS = 60 };

void pl_early_add(struct pl_listener *listener, struct pl_stack_conn *sc) {
    PL_ASSERT(sc->fast_of == NULL);
    sc->fast_of = listener;
    pl_list_append(&listener->fast, &sc->fast_link);
    listener->fast_count++;
}

static void strike(struct pl_stack_conn *sc) {
    PL_ASSERT(sc->fast_of != NULL && sc->fast_of->fast_count > 0);
    pl_list_remove(&sc->fast_link);
    sc->fast_of->fast_count--;
    sc->fast_of = NULL;
}

void pl_early_forget(struct plait_stack *stack, struct pl_stack_conn *sc) {
    struct pl_listener *listener = sc->fast_of;
    if (listener == NULL) {
        return;
    }
    bool unproven = pl_conn_is_early(sc->conn);
    strike(sc);
    if (unproven) {
        listener->fast_reset_count++;
        listener->fast_reset_until = stack->now + RESET_PENALTY_SECONDS * PLAIT_NS_PER_S;
    }
}

void pl_early_stop(struct pl_listener *listener) {
    PL_LIST_FOREACH_SAFE(it, &listener->fast) {
        strike(PL_CONTAINER(it, struct pl_stack_conn, fast_link));
    }
    PL_ASSERT(listener->fast_count == 0);
}

bool pl_early_room(const struct plait_stack *stack, struct pl_listener *listener) {
    PL_LIST_FOREACH_SAFE(it, &listener->fast) {
        struct pl_stack_conn *sc = PL_CONTAINER(it, struct pl_stack_conn, fast_link);
        PL_ASSERT(sc->fast_of == listener);
        if (!pl_conn_is_early(sc->conn)) {
            strike(sc);
        }
    }
    if (listener->fast_reset_count > 0 && stack->now >= listener->fast_reset_until) {
        listener->fast_reset_count = 0;
    }
    return listener->fast_count + listener->fast_reset_count < listener->fastopen_max;
}

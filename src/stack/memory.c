#include "stack/memory.h"

#include "base/assert.h"

/* A pass looks at every connection, so there are not many. */
#define PASS_NS (100 * PLAIT_NS_PER_MS)
/* How long without progress before a connection is given up for want of memory. */
#define ORPHAN_NS PLAIT_NS_PER_S
#define STUCK_NS (30 * PLAIT_NS_PER_S)

bool pl_memory_full(const struct plait_stack *stack) {
    const struct pl_memory *m = &stack->ctx.memory;
    return m->used_bytes > m->max_bytes - m->max_bytes / 8;
}

/* Below what refuses nobody who has a right. */
static bool relieved(const struct plait_stack *stack) {
    const struct pl_memory *m = &stack->ctx.memory;
    return m->used_bytes <= m->max_bytes / 8 * 5;
}

static struct pl_conn *conn_of(struct pl_list *link) {
    return PL_CONTAINER(link, struct pl_stack_conn, link)->conn;
}

/* The peer, which was told of it, has it still (RFC 2018 section 8; DATA_ACK says nothing of it).
 */
static void drop_ahead(struct plait_stack *stack) {
    PL_LIST_FOREACH(it, &stack->conns) {
        if (!pl_memory_full(stack)) {
            return;
        }
        if (pl_conn_drop_ahead(conn_of(it)) > 0) {
            PL_COUNT(&stack->ctx, OfoPruned);
        }
    }
}

/* The one that waits longest goes first. */
static struct pl_conn *longest(const struct plait_stack *stack, bool orphans, uint64_t least_ns) {
    struct pl_conn *found = NULL;
    uint64_t most = least_ns;
    PL_LIST_FOREACH(it, &stack->conns) {
        const struct pl_stack_conn *sc = PL_CONTAINER(it, struct pl_stack_conn, link);
        uint64_t stuck = pl_conn_stuck_ns(sc->conn, stack->now);
        bool may = sc->owner == NULL ? orphans : !orphans && pl_conn_over_share(sc->conn);
        if (stuck >= most && may && sc->listener == NULL) {
            found = sc->conn;
            most = stuck + 1;
        }
    }
    return found;
}

/* A few a pass, so that its time stays bounded. */
static void give_up(struct plait_stack *stack, bool orphans, uint64_t least_ns) {
    enum { MOST = 16 };
    for (unsigned i = 0; i < MOST && !relieved(stack); i++) {
        struct pl_conn *conn = longest(stack, orphans, least_ns);
        if (conn == NULL) {
            return;
        }
        PL_COUNT(&stack->ctx, AbortOnMemory);
        pl_conn_give_up(conn, stack->now);
    }
}

void pl_memory_relieve(struct plait_stack *stack) {
    struct pl_memory *m = &stack->ctx.memory;
    if (!m->refused || stack->now < stack->relieved_at + PASS_NS) {
        return;
    }
    PL_COUNT(&stack->ctx, MemoryPressures);
    m->refused = false;
    stack->relieved_at = stack->now;
    drop_ahead(stack);
    give_up(stack, true, ORPHAN_NS);
    give_up(stack, false, STUCK_NS);
    PL_ASSERT(m->used_bytes <= m->max_bytes);
}

#include "socket/table.h"

#include <string.h>

#include "base/assert.h"
#include "socket/policy.h"

enum { SLOTS_MIN = 16 };
#define SLOTS_MAX (UINT32_C(1) << 26)

static struct pl_sockets *table_of(const struct plait_stack *stack) {
    return stack->sockets;
}

struct pl_socket *pl_table_find(const struct plait_stack *stack, plait_sock id) {
    const struct pl_sockets *table = table_of(stack);
    uint32_t index = (uint32_t)id - 1;
    if (table == NULL || index >= table->slot_count) {
        return NULL;
    }
    const struct pl_socket_slot *slot = &table->slots[index];
    if (slot->socket == NULL || slot->generation != (uint32_t)(id >> 32)) {
        return NULL;
    }
    PL_ASSERT(slot->socket->source.sock == id);
    return slot->socket;
}

static struct pl_sockets *make_table(struct plait_stack *stack,
                                     const struct pl_stack_owner *owner) {
    if (stack->sockets == NULL) {
        struct pl_sockets *table = pl_ctx_alloc(&stack->ctx, sizeof(*table));
        if (table != NULL) {
            pl_list_init(&table->settle);
            stack->sockets = table;
            stack->owner = owner;
        }
    }
    return stack->sockets;
}

static void push_free(struct pl_sockets *table, uint32_t index) {
    struct pl_socket_slot *slot = &table->slots[index];
    PL_ASSERT(slot->socket == NULL);
    slot->free_next = 0;
    if (table->free_last == 0) {
        table->free_first = index + 1;
    } else {
        table->slots[table->free_last - 1].free_next = index + 1;
    }
    table->free_last = index + 1;
}

static uint32_t pop_free(struct pl_sockets *table) {
    PL_ASSERT(table->free_first != 0);
    uint32_t index = table->free_first - 1;
    table->free_first = table->slots[index].free_next;
    if (table->free_first == 0) {
        table->free_last = 0;
    }
    return index;
}

static int grow(struct plait_stack *stack, struct pl_sockets *table) {
    uint32_t count = table->slot_count == 0 ? SLOTS_MIN : 2 * table->slot_count;
    if (count > SLOTS_MAX) {
        return PLAIT_E_LIMIT;
    }
    struct pl_socket_slot *slots = pl_ctx_alloc(&stack->ctx, count * sizeof(*slots));
    if (slots == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    uint32_t old_count = table->slot_count;
    if (old_count > 0) {
        memcpy(slots, table->slots, old_count * sizeof(*slots));
        pl_ctx_free(&stack->ctx, table->slots, old_count * sizeof(*slots));
    }
    table->slots = slots;
    table->slot_count = count;
    for (uint32_t i = old_count; i < count; i++) {
        push_free(table, i);
    }
    return 0;
}

int pl_table_add(struct plait_stack *stack, const struct pl_stack_owner *owner,
                 struct pl_socket **out) {
    struct pl_sockets *table = make_table(stack, owner);
    if (table == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    if (table->free_first == 0) {
        int error = grow(stack, table);
        if (error != 0) {
            return error;
        }
    }
    struct pl_socket *sock = pl_ctx_alloc(&stack->ctx, sizeof(*sock));
    if (sock == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    uint32_t index = pop_free(table);
    struct pl_socket_slot *slot = &table->slots[index];
    pl_event_source_init(&sock->source, (plait_sock)slot->generation << 32 | (index + 1));
    pl_list_init(&sock->settle_link);
    sock->mptcp = stack->ctx.config.mptcp;
    sock->versions = stack->ctx.config.versions;
    sock->reuse = true;
    slot->socket = sock;
    table->used_count++;
    PL_ASSERT(pl_table_find(stack, sock->source.sock) == sock);
    *out = sock;
    return 0;
}

void pl_table_remove(struct plait_stack *stack, struct pl_socket *sock) {
    struct pl_sockets *table = table_of(stack);
    PL_ASSERT(pl_table_find(stack, sock->source.sock) == sock);
    PL_ASSERT(sock->attempts == NULL && sock->listener == NULL);
    uint32_t index = (uint32_t)sock->source.sock - 1;
    pl_event_source_fini(&sock->source);
    pl_socket_policy_free(stack, sock);
    if (sock->tuning != NULL) {
        pl_ctx_free(&stack->ctx, sock->tuning, sizeof(*sock->tuning));
    }
    pl_list_remove(&sock->settle_link);
    table->slots[index].socket = NULL;
    table->slots[index].generation++;
    table->used_count--;
    push_free(table, index);
    pl_ctx_free(&stack->ctx, sock, sizeof(*sock));
}

void pl_table_destroy(struct plait_stack *stack) {
    struct pl_sockets *table = table_of(stack);
    PL_ASSERT(table->used_count == 0);
    if (table->slot_count > 0) {
        pl_ctx_free(&stack->ctx, table->slots, table->slot_count * sizeof(*table->slots));
    }
    pl_ctx_free(&stack->ctx, table, sizeof(*table));
    stack->sockets = NULL;
    stack->owner = NULL;
}

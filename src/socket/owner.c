/* Events come from the inside of engine code, so all they do here is to change the socket's own
 * state, raise bits and put the socket into the settle list. Connections are started and given up
 * in settle(), at the end of the verb. */
#include "socket/owner.h"

#include "base/assert.h"
#include "socket/attempts.h"
#include "socket/table.h"
#include "stack/listen.h"

struct pl_conn *pl_socket_conn(const struct pl_socket *sock) {
    PL_ASSERT(sock->sc == NULL || sock->attempts == NULL);
    const struct pl_stack_conn *sc = sock->sc;
    if (sock->attempts != NULL) {
        sc = pl_attempts_first(sock);
    }
    return sc == NULL ? NULL : sc->conn;
}

void pl_socket_die(struct plait_stack *stack, struct pl_socket *sock, int error) {
    PL_ASSERT(error < 0);
    sock->state = PLAIT_SOCKET_DEAD;
    sock->error = error;
    pl_event_raise(&stack->events, &sock->source, PLAIT_EVENT_ERROR, error);
}

void pl_socket_announce(struct plait_stack *stack, struct pl_socket *sock) {
    PL_ASSERT(sock->sc != NULL);
    int level = pl_conn_poll(sock->sc->conn);
    if ((level & PLAIT_POLL_READ) != 0) {
        pl_event_raise(&stack->events, &sock->source, PLAIT_EVENT_READABLE, 0);
    }
    if ((level & PLAIT_POLL_WRITE) != 0) {
        pl_event_raise(&stack->events, &sock->source, PLAIT_EVENT_WRITABLE, 0);
    }
}

void pl_socket_unlisten(struct plait_stack *stack, struct pl_socket *sock) {
    PL_ASSERT(sock->listener != NULL);
    pl_listen_stop(stack, sock->listener);
    pl_ctx_free(&stack->ctx, sock->listener, sizeof(*sock->listener));
    sock->listener = NULL;
}

static void want_settle(struct plait_stack *stack, struct pl_socket *sock) {
    struct pl_sockets *table = stack->sockets;
    if (!pl_list_linked(&sock->settle_link)) {
        pl_list_append(&table->settle, &sock->settle_link);
    }
}

/* While it connects, a socket hears of its attempts only how they end; of paths it hears all but
 * the end of an attempt that is of no importance. */
static bool is_of_attempt(const struct pl_socket *sock, uint32_t type) {
    if (sock->attempts == NULL) {
        return false;
    }
    return type == PLAIT_EVENT_CONNECTED || type == PLAIT_EVENT_ERROR ||
           type == PLAIT_EVENT_CLOSED || type == PLAIT_EVENT_SF_CLOSED ||
           type == PLAIT_EVENT_READABLE || type == PLAIT_EVENT_WRITABLE ||
           type == PLAIT_EVENT_URGENT;
}

static void on_event(struct plait_stack *stack, void *owner, struct pl_stack_conn *sc,
                     const struct plait_event *event) {
    struct pl_socket *sock = owner;
    PL_ASSERT(sc->owner == sock);
    if (is_of_attempt(sock, event->type)) {
        want_settle(stack, sock);
        return;
    }
    PL_ASSERT(sock->attempts != NULL || sock->sc == sc);
    if (event->type == PLAIT_EVENT_ERROR) {
        pl_socket_die(stack, sock, event->error);
        return;
    }
    if (event->type == PLAIT_EVENT_CONNECTED) {
        sock->state = PLAIT_SOCKET_OPEN;
    }
    if (pl_event_is_bit(event->type)) {
        pl_event_raise(&stack->events, &sock->source, event->type, 0);
        return;
    }
    struct plait_event copy = *event;
    copy.sock = sock->source.sock;
    pl_event_push(&stack->events, &copy);
}

static void settle_one(struct plait_stack *stack, struct pl_socket *sock) {
    if (sock->attempts == NULL) {
        return;
    }
    int error = pl_attempts_settle(stack, sock);
    if (error != 0) {
        pl_socket_die(stack, sock, error);
        return;
    }
    if (sock->attempts == NULL) {
        PL_ASSERT(sock->sc != NULL);
        sock->state = PLAIT_SOCKET_OPEN;
        pl_event_raise(&stack->events, &sock->source, PLAIT_EVENT_CONNECTED, 0);
        pl_socket_announce(stack, sock);
    }
}

static bool on_settle(struct plait_stack *stack) {
    struct pl_sockets *table = stack->sockets;
    bool acted = false;
    uint32_t budget = table->used_count;
    for (uint32_t i = 0; i < budget && !pl_list_empty(&table->settle); i++) {
        struct pl_list *link = table->settle.next;
        pl_list_remove(link);
        settle_one(stack, PL_CONTAINER(link, struct pl_socket, settle_link));
        acted = true;
    }
    return acted;
}

static void check_socket(const struct pl_socket *sock) {
    PL_ASSERT(sock->attempts == NULL || sock->state == PLAIT_SOCKET_CONNECTING);
    PL_ASSERT(sock->attempts == NULL || sock->sc == NULL);
    PL_ASSERT((sock->listener != NULL) == (sock->state == PLAIT_SOCKET_LISTENING));
    PL_ASSERT((sock->error != 0) == (sock->state == PLAIT_SOCKET_DEAD));
    PL_ASSERT(sock->sc == NULL || sock->sc->owner == sock);
    PL_ASSERT(sock->state != PLAIT_SOCKET_OPEN || sock->sc != NULL);
}

static void on_check(const struct plait_stack *stack) {
    const struct pl_sockets *table = stack->sockets;
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->slot_count; i++) {
        if (table->slots[i].socket != NULL) {
            check_socket(table->slots[i].socket);
            count++;
        }
    }
    PL_ASSERT(count == table->used_count);
}

static void on_destroy(struct plait_stack *stack) {
    const struct pl_sockets *table = stack->sockets;
    for (uint32_t i = 0; i < table->slot_count; i++) {
        struct pl_socket *sock = table->slots[i].socket;
        if (sock == NULL) {
            continue;
        }
        if (sock->attempts != NULL) {
            pl_attempts_free(stack, sock);
        }
        if (sock->listener != NULL) {
            pl_socket_unlisten(stack, sock);
        }
        pl_table_remove(stack, sock);
    }
    PL_ASSERT(table->used_count == 0);
    pl_table_destroy(stack);
}

const struct pl_stack_owner pl_socket_owner = {
    .event = on_event,
    .settle = on_settle,
    .check = on_check,
    .destroy = on_destroy,
};

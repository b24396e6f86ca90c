/* Bytes: write, read, splice, shutdown, poll. Results are those of the connection, once the socket
 * is in a state that has one. */
#include "base/assert.h"
#include "plait/socket.h"
#include "socket/attempts.h"
#include "socket/owner.h"
#include "socket/table.h"
#include "stack/conns.h"

/* 0 when bytes can be asked for; else why not. */
static int ready_for_bytes(const struct pl_socket *sock) {
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    switch (sock->state) {
        case PLAIT_SOCKET_OPEN:
            PL_ASSERT(sock->sc != NULL);
            return 0;
        case PLAIT_SOCKET_CONNECTING:
            return PLAIT_E_AGAIN;
        case PLAIT_SOCKET_DEAD:
            return sock->error;
        case PLAIT_SOCKET_NEW:
        case PLAIT_SOCKET_HELD:
        case PLAIT_SOCKET_LISTENING:
            break;
    }
    return PLAIT_E_BAD_STATE;
}

/* What had arrived before the error can still be read. */
static int ready_to_read(const struct pl_socket *sock) {
    bool rest = sock != NULL && sock->state == PLAIT_SOCKET_DEAD && sock->sc != NULL &&
                pl_conn_receive_queue(sock->sc->conn) > 0;
    return rest ? 0 : ready_for_bytes(sock);
}

/* A connect that waited for the first byte begins (PLAIT_OPT_FASTOPEN_CONNECT). Returns its
 * connection, which takes bytes already, or NULL; *error says why there is none. */
static struct pl_conn *begin(struct plait_stack *stack, struct pl_socket *sock, int *error) {
    *error = 0;
    if (sock == NULL || !pl_attempts_waiting(sock)) {
        return NULL;
    }
    PL_ASSERT(sock->state == PLAIT_SOCKET_CONNECTING);
    *error = pl_attempts_go(stack, sock);
    if (*error != 0) {
        pl_socket_die(stack, sock, *error);
        return NULL;
    }
    return pl_socket_conn(sock);
}

/* The connection that takes bytes, or NULL and why there is none. */
static struct pl_conn *to_write(struct plait_stack *stack, struct pl_socket *sock, int *error) {
    struct pl_conn *conn = begin(stack, sock, error);
    if (conn != NULL || *error != 0) {
        return conn;
    }
    *error = ready_for_bytes(sock);
    return *error == 0 ? sock->sc->conn : NULL;
}

int64_t plait_write(struct plait_stack *stack, plait_sock id, const void *data, size_t len,
                    plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_socket *sock = pl_table_find(stack, id);
    int error = 0;
    if (data == NULL && len > 0) {
        return sock == NULL ? PLAIT_E_BAD_SOCKET : PLAIT_E_BAD_ARGUMENT;
    }
    struct pl_conn *conn = to_write(stack, sock, &error);
    if (conn == NULL) {
        return error;
    }
    int64_t written = pl_conn_write(conn, data, len, stack->now);
    PL_ASSERT(written <= 0 || (uint64_t)written <= len);
    pl_conns_settle(stack);
    return written;
}

int64_t plait_write_buf(struct plait_stack *stack, plait_sock id, struct plait_buf *buf,
                        uint32_t offset, uint32_t len, plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_socket *sock = pl_table_find(stack, id);
    int error = 0;
    if (buf == NULL || buf->len > buf->cap || offset > buf->len || len > buf->len - offset) {
        return sock == NULL ? PLAIT_E_BAD_SOCKET : PLAIT_E_BAD_ARGUMENT;
    }
    struct pl_conn *conn = to_write(stack, sock, &error);
    if (conn == NULL) {
        return error;
    }
    int64_t written = pl_conn_write_buf(conn, buf, buf->data + offset, len, stack->now);
    PL_ASSERT(written <= (int64_t)len);
    pl_conns_settle(stack);
    return written;
}

static int64_t read_to(struct plait_stack *stack, const struct pl_socket *sock, void *data,
                       size_t len) {
    int64_t got = pl_conn_read(sock->sc->conn, data, len, stack->now);
    PL_ASSERT(got <= 0 || (uint64_t)got <= len);
    pl_conns_settle(stack);
    return got;
}

int64_t plait_read(struct plait_stack *stack, plait_sock id, void *data, size_t len,
                   plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_socket *sock = pl_table_find(stack, id);
    int error = ready_to_read(sock);
    if (error != 0) {
        return error;
    }
    if (data == NULL && len > 0) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    return read_to(stack, sock, data, len);
}

int plait_peek(struct plait_stack *stack, plait_sock id, struct plait_slice *slices, unsigned max) {
    const struct pl_socket *sock = pl_table_find(stack, id);
    int error = ready_to_read(sock);
    if (error != 0) {
        return error == PLAIT_E_AGAIN ? 0 : error;
    }
    if (slices == NULL && max > 0) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    unsigned most = max < INT32_MAX ? max : INT32_MAX;
    return (int)pl_conn_peek(sock->sc->conn, slices, most);
}

int64_t plait_skip(struct plait_stack *stack, plait_sock id, size_t len, plait_time now) {
    pl_stack_enter(stack, now);
    const struct pl_socket *sock = pl_table_find(stack, id);
    int error = ready_to_read(sock);
    return error != 0 ? error : read_to(stack, sock, NULL, len);
}

int64_t plait_splice(struct plait_stack *stack, plait_sock from_id, plait_sock to_id, size_t max,
                     plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_socket *from = pl_table_find(stack, from_id);
    struct pl_socket *to = pl_table_find(stack, to_id);
    int error = ready_to_read(from);
    if (error != 0) {
        return error;
    }
    struct pl_conn *conn = to_write(stack, to, &error);
    if (conn == NULL) {
        return error;
    }
    int64_t moved = pl_conn_splice(from->sc->conn, conn, max, stack->now);
    PL_ASSERT(moved <= 0 || (uint64_t)moved <= max);
    pl_conns_settle(stack);
    return moved;
}

int plait_shutdown(struct plait_stack *stack, plait_sock id, plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_socket *sock = pl_table_find(stack, id);
    int begun = 0;
    (void)begin(stack, sock, &begun);
    int error = begun != 0 ? begun : ready_for_bytes(sock);
    if (error != 0) {
        return error;
    }
    error = pl_conn_shutdown(sock->sc->conn, stack->now);
    pl_conns_settle(stack);
    return error;
}

int plait_poll(struct plait_stack *stack, plait_sock id) {
    const struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    switch (sock->state) {
        case PLAIT_SOCKET_OPEN:
            PL_ASSERT(sock->sc != NULL);
            return pl_conn_poll(sock->sc->conn);
        case PLAIT_SOCKET_LISTENING:
            PL_ASSERT(sock->listener != NULL);
            return pl_list_empty(&sock->listener->ready) ? 0 : PLAIT_POLL_READ;
        case PLAIT_SOCKET_DEAD:
            return PLAIT_POLL_DEAD | (ready_to_read(sock) == 0 ? PLAIT_POLL_READ : 0);
        case PLAIT_SOCKET_CONNECTING:
            return pl_attempts_waiting(sock) ? PLAIT_POLL_WRITE : 0;
        case PLAIT_SOCKET_NEW:
        case PLAIT_SOCKET_HELD:
            break;
    }
    return 0;
}

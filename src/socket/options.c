#include "base/assert.h"
#include "plait/socket.h"
#include "socket/table.h"

enum { BUFFER_BYTES_MIN = 4096, BUFFER_BYTES_MAX = 1 << 30 };

static bool is_bool(int64_t value) {
    return value == 0 || value == 1;
}

static int set_mptcp(struct pl_socket *sock, int64_t value) {
    if (sock->state != PLAIT_SOCKET_NEW) {
        return PLAIT_E_BAD_STATE;
    }
    if (!is_bool(value)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    sock->mptcp = value != 0;
    return 0;
}

static int set_defer(struct pl_socket *sock, int64_t value) {
    bool listening = sock->state == PLAIT_SOCKET_LISTENING;
    if (sock->state != PLAIT_SOCKET_NEW && !listening) {
        return PLAIT_E_BAD_STATE;
    }
    if (!is_bool(value)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    sock->defer = value != 0;
    if (listening) {
        PL_ASSERT(sock->listener != NULL);
        sock->listener->defer = sock->defer;
    }
    return 0;
}

static int set_port_mask(struct pl_socket *sock, int64_t value) {
    if (sock->state != PLAIT_SOCKET_NEW) {
        return PLAIT_E_BAD_STATE;
    }
    if (((uint64_t)value & 1) != 0) {
        return PLAIT_E_BAD_ARGUMENT; /* there is no port 0 */
    }
    sock->port_mask = (uint64_t)value;
    return 0;
}

/* Buffers of a listener are those of what it accepts. */
static int set_buffer(const struct plait_stack *stack, struct pl_socket *sock,
                      enum plait_option option, int64_t value) {
    if (value < BUFFER_BYTES_MIN || value > BUFFER_BYTES_MAX) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (option == PLAIT_OPT_SEND_BUFFER) {
        sock->send_buffer_bytes = (uint32_t)value;
    } else {
        sock->receive_buffer_bytes = (uint32_t)value;
    }
    if (sock->listener != NULL) {
        sock->listener->setup.send_buffer_bytes = sock->send_buffer_bytes;
        sock->listener->setup.receive_buffer_bytes = sock->receive_buffer_bytes;
    }
    if (sock->sc == NULL) {
        return 0;
    }
    const struct plait_config *config = &stack->ctx.config;
    uint32_t send = sock->send_buffer_bytes, receive = sock->receive_buffer_bytes;
    send = send != 0 ? send : config->send_buffer_bytes;
    receive = receive != 0 ? receive : config->receive_buffer_bytes;
    PL_ASSERT(send > 0 && receive > 0);
    return pl_conn_set_buffers(sock->sc->conn, send, receive);
}

int plait_set(struct plait_stack *stack, plait_sock id, enum plait_option option, int64_t value) {
    struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    switch (option) {
        case PLAIT_OPT_MPTCP:
            return set_mptcp(sock, value);
        case PLAIT_OPT_NODELAY:
            return value == 1 ? 0 : PLAIT_E_BAD_ARGUMENT;
        case PLAIT_OPT_SEND_BUFFER:
        case PLAIT_OPT_RECEIVE_BUFFER:
            return set_buffer(stack, sock, option, value);
        case PLAIT_OPT_DEFER:
            return set_defer(sock, value);
        case PLAIT_OPT_USER:
            sock->user = value;
            return 0;
        case PLAIT_OPT_PORT_MASK:
            return set_port_mask(sock, value);
        case PLAIT_OPT_IS_MPTCP:
        case PLAIT_OPT_STATE:
        case PLAIT_OPT_ERROR:
        case PLAIT_OPT_SEND_QUEUE:
        case PLAIT_OPT_RECEIVE_QUEUE:
            break;
    }
    return PLAIT_E_NO_OPTION;
}

static int64_t or_default(uint32_t own, uint32_t stack_wide) {
    PL_ASSERT(stack_wide > 0);
    return own != 0 ? own : stack_wide;
}

/* Those that a socket without a connection answers with 0. */
static int get_of_conn(const struct pl_socket *sock, enum plait_option option, int64_t *value) {
    const struct pl_conn *conn = pl_socket_conn(sock);
    *value = 0;
    switch (option) {
        case PLAIT_OPT_IS_MPTCP:
            *value = conn != NULL && pl_conn_is_mptcp(conn) ? 1 : 0;
            return 0;
        case PLAIT_OPT_SEND_QUEUE:
            *value = conn != NULL ? (int64_t)pl_conn_send_queue(conn) : 0;
            return 0;
        case PLAIT_OPT_RECEIVE_QUEUE:
            *value = conn != NULL ? (int64_t)pl_conn_receive_queue(conn) : 0;
            return 0;
        default:
            break;
    }
    return PLAIT_E_NO_OPTION;
}

int plait_get(struct plait_stack *stack, plait_sock id, enum plait_option option, int64_t *value) {
    const struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (value == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    const struct plait_config *config = &stack->ctx.config;
    switch (option) {
        case PLAIT_OPT_MPTCP:
            *value = sock->mptcp ? 1 : 0;
            return 0;
        case PLAIT_OPT_NODELAY:
            *value = 1;
            return 0;
        case PLAIT_OPT_SEND_BUFFER:
            *value = or_default(sock->send_buffer_bytes, config->send_buffer_bytes);
            return 0;
        case PLAIT_OPT_RECEIVE_BUFFER:
            *value = or_default(sock->receive_buffer_bytes, config->receive_buffer_bytes);
            return 0;
        case PLAIT_OPT_DEFER:
            *value = sock->defer ? 1 : 0;
            return 0;
        case PLAIT_OPT_STATE:
            *value = (int64_t)sock->state;
            return 0;
        case PLAIT_OPT_ERROR:
            *value = sock->error;
            return 0;
        case PLAIT_OPT_USER:
            *value = sock->user;
            return 0;
        case PLAIT_OPT_PORT_MASK:
            *value = (int64_t)sock->port_mask;
            return 0;
        default:
            return get_of_conn(sock, option, value);
    }
}

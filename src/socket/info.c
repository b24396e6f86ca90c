/* What a socket and its connection are: addresses, subflows, MPTCP_INFO. */
#include <string.h>

#include "base/assert.h"
#include "base/sized.h"
#include "plait/socket.h"
#include "plait/tcp_info.h"
#include "socket/table.h"

int plait_local(struct plait_stack *stack, plait_sock id, struct plait_endpoint *out) {
    const struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (out == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    const struct pl_conn *conn = pl_socket_conn(sock);
    *out = (struct plait_endpoint){.addr = sock->addr, .port = sock->tcp_port};
    if (conn != NULL) {
        const struct pl_tcp_tuple *tuple = pl_conn_tuple(conn);
        PL_ASSERT(tuple->local_port != 0);
        *out = (struct plait_endpoint){.addr = tuple->local, .port = tuple->local_port};
    }
    return 0;
}

int plait_remote(struct plait_stack *stack, plait_sock id, struct plait_endpoint *out) {
    const struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (out == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    const struct pl_conn *conn = pl_socket_conn(sock);
    if (conn == NULL) {
        return PLAIT_E_BAD_STATE;
    }
    const struct pl_tcp_tuple *tuple = pl_conn_tuple(conn);
    PL_ASSERT(tuple->remote_port != 0);
    *out = (struct plait_endpoint){.addr = tuple->remote, .port = tuple->remote_port};
    return 0;
}

int plait_subflows_sized(struct plait_stack *stack, plait_sock id, void *out, size_t size,
                         unsigned max) {
    struct plait_subflow_info info;
    const struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (max > 0 && (out == NULL || size < sizeof(info.size))) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    const struct pl_conn *conn = pl_socket_conn(sock);
    if (conn == NULL) {
        return PLAIT_E_BAD_STATE;
    }
    unsigned count = 0;
    for (; pl_conn_subflow_info(conn, count, &info); count++) {
        info.size = size < sizeof(info) ? size : sizeof(info);
        if (count < max) {
            (void)pl_sized_out((uint8_t *)out + count * size, size, &info, sizeof(info));
        }
    }
    PL_ASSERT(count <= INT32_MAX);
    return (int)count;
}

int plait_connection(struct plait_stack *stack, plait_sock id, struct plait_connection_info *out) {
    const struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (out == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    const struct pl_conn *conn = pl_socket_conn(sock);
    if (conn == NULL) {
        return PLAIT_E_BAD_STATE;
    }
    struct plait_connection_info info = {0};
    pl_conn_info(conn, &info);
    bool shorter = out->size > 0 && out->size < sizeof(info);
    info.size = shorter ? out->size : sizeof(info);
    PL_ASSERT(info.size <= sizeof(info));
    memcpy(out, &info, info.size);
    return 0;
}

int plait_mptcp_info(struct plait_stack *stack, plait_sock id, void *out, size_t *size) {
    const struct pl_socket *sock = pl_table_find(stack, id);
    struct plait_mptcp_info info;
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (out == NULL || size == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    const struct pl_conn *conn = pl_socket_conn(sock);
    if (conn == NULL || !pl_conn_mptcp_info(conn, &info, stack->now)) {
        return PLAIT_E_BAD_STATE;
    }
    *size = *size < sizeof(info) ? *size : sizeof(info);
    memcpy(out, &info, *size);
    return 0;
}

int plait_tcp_info(struct plait_stack *stack, plait_sock id, uint32_t serial, void *out,
                   size_t *size) {
    const struct pl_socket *sock = pl_table_find(stack, id);
    struct plait_tcp_info info;
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (out == NULL || size == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    const struct pl_conn *conn = pl_socket_conn(sock);
    if (conn == NULL || !pl_conn_tcp_info(conn, serial, &info, stack->now)) {
        return PLAIT_E_BAD_STATE;
    }
    *size = *size < sizeof(info) ? *size : sizeof(info);
    memcpy(out, &info, *size);
    return 0;
}

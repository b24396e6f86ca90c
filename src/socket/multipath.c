/* The calls of plait/multipath.h: look the id up, check, hand on, settle. */
#include "plait/multipath.h"

#include "base/assert.h"
#include "mptcp/policy.h"
#include "socket/policy.h"
#include "socket/table.h"
#include "stack/conns.h"
#include "tcp/cc/cc.h"
#include "wire/addr.h"

enum {
    LOCAL_FLAGS = PLAIT_ADDRESS_SIGNAL | PLAIT_ADDRESS_SUBFLOW | PLAIT_ADDRESS_FULLMESH,
    INFOS_MAX = 36,
};

/* Whether an entry names something that there can be. */
static bool local_ok(const struct plait_local *local) {
    bool any = local->addr.family == PLAIT_FAMILY_NONE;
    return (any || pl_addr_is_host(&local->addr)) && local->port < PL_PORTS_MAX &&
           (local->flags & ~(uint32_t)LOCAL_FLAGS) == 0;
}

/* RFC 6897 section 7: what is not an address of this host is not taken. */
static bool is_here(const struct plait_stack *stack, const struct pl_socket *sock,
                    const struct plait_local *local) {
    if (local->addr.family == PLAIT_FAMILY_NONE) {
        return local->port == 0 || pl_stack_port(stack, local->port) != NULL;
    }
    return sock->freebind || pl_endpoints_find(&stack->endpoints, local->port, &local->addr);
}

static bool list_ok(const struct plait_local *list, unsigned count) {
    if (list == NULL && count > 0) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!local_ok(&list[i])) {
            return false;
        }
    }
    return true;
}

/* All of the list or nothing of it. */
static int add_all(struct plait_stack *stack, struct pl_socket *sock,
                   const struct plait_local *list, unsigned count) {
    bool first = sock->state == PLAIT_SOCKET_NEW || sock->state == PLAIT_SOCKET_LISTENING;
    struct pl_policy *policy = pl_socket_policy_own(stack, sock);
    if (policy == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    struct pl_policy changed = *policy;
    for (unsigned i = 0; i < count; i++) {
        if (!is_here(stack, sock, &list[i])) {
            return PLAIT_E_NO_ADDRESS;
        }
        int error = pl_policy_add(&changed, &list[i], first);
        if (error != 0) {
            return error;
        }
    }
    *policy = changed;
    return pl_socket_policy_apply(stack, sock);
}

int plait_multipath_add(struct plait_stack *stack, plait_sock id, const struct plait_local *list,
                        unsigned count, plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (!list_ok(list, count)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    int error = add_all(stack, sock, list, count);
    pl_conns_settle(stack);
    return error;
}

static int remove_one(struct plait_stack *stack, struct pl_socket *sock,
                      const struct plait_local *local) {
    struct pl_policy *policy = pl_socket_policy_own(stack, sock);
    if (policy == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    int error = pl_policy_remove(policy, local);
    if (error == 0) {
        error = pl_socket_policy_apply(stack, sock);
    }
    if (error == 0 && sock->sc != NULL) {
        pl_conn_local_removed(sock->sc->conn, local->port, &local->addr, stack->now);
    }
    return error;
}

int plait_multipath_remove(struct plait_stack *stack, plait_sock id, const struct plait_local *list,
                           unsigned count, plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_socket *sock = pl_table_find(stack, id);
    int error = 0;
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (!list_ok(list, count)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    for (unsigned i = 0; i < count && error == 0; i++) {
        error = remove_one(stack, sock, &list[i]);
    }
    pl_conns_settle(stack);
    return error;
}

int plait_multipath_subflows(struct plait_stack *stack, plait_sock id,
                             struct plait_address_pair *out, unsigned max) {
    struct plait_subflow_info info[INFOS_MAX];
    if (out == NULL && max > 0) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    int count = plait_subflows(stack, id, info, INFOS_MAX), established = 0;
    for (int i = 0; i < count && i < INFOS_MAX; i++) {
        if (!info[i].established) {
            continue;
        }
        PL_ASSERT(info[i].local.addr.family == info[i].remote.addr.family);
        if ((unsigned)established < max) {
            out[established].local = info[i].local;
            out[established].remote = info[i].remote;
        }
        established++;
    }
    return count < 0 ? count : established;
}

/* ---- subflows one by one ---- */

/* The connection of an open socket, or NULL with *error set. */
static struct pl_conn *conn_of(const struct plait_stack *stack, plait_sock id, int *error) {
    const struct pl_socket *sock = pl_table_find(stack, id);
    if (sock == NULL) {
        *error = PLAIT_E_BAD_SOCKET;
        return NULL;
    }
    *error = sock->state == PLAIT_SOCKET_OPEN ? 0 : PLAIT_E_BAD_STATE;
    PL_ASSERT(sock->state != PLAIT_SOCKET_OPEN || sock->sc != NULL);
    return *error == 0 ? sock->sc->conn : NULL;
}

int plait_subflow_open(struct plait_stack *stack, plait_sock id, const struct plait_local *local,
                       const struct plait_endpoint *remote, bool backup, plait_time now) {
    int error = 0;
    pl_stack_enter(stack, now);
    struct pl_conn *conn = conn_of(stack, id, &error);
    if (conn == NULL) {
        return error;
    }
    if (local == NULL || remote == NULL || !local_ok(local) || remote->port == 0 ||
        !pl_addr_is_host(&remote->addr)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    int result = pl_conn_subflow_open(conn, local, remote, backup, stack->now);
    pl_conns_settle(stack);
    return result;
}

int plait_subflow_close(struct plait_stack *stack, plait_sock id, uint32_t serial, bool reset,
                        plait_time now) {
    int error = 0;
    pl_stack_enter(stack, now);
    struct pl_conn *conn = conn_of(stack, id, &error);
    if (conn != NULL) {
        error = pl_conn_subflow_close(conn, serial, reset, stack->now);
        pl_conns_settle(stack);
    }
    return error;
}

int plait_subflow_set_backup(struct plait_stack *stack, plait_sock id, uint32_t serial, bool backup,
                             plait_time now) {
    int error = 0;
    pl_stack_enter(stack, now);
    struct pl_conn *conn = conn_of(stack, id, &error);
    if (conn != NULL) {
        error = pl_conn_subflow_set_backup(conn, serial, backup);
        pl_conns_settle(stack);
    }
    return error;
}

int plait_subflow_set_cc(struct plait_stack *stack, plait_sock id, uint32_t serial, int64_t cc,
                         plait_time now) {
    int error = 0;
    pl_stack_enter(stack, now);
    struct pl_conn *conn = conn_of(stack, id, &error);
    if (conn != NULL && (cc < 0 || cc > UINT8_MAX || pl_cc_name((uint8_t)cc) == NULL)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (conn != NULL) {
        error = pl_conn_subflow_set_cc(conn, serial, (uint8_t)cc);
        pl_conns_settle(stack);
    }
    return error;
}

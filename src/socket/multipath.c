/* The calls of plait/multipath.h: look the id up, check, hand on, settle. */
#include "plait/multipath.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/sized.h"
#include "mptcp/policy.h"
#include "socket/policy.h"
#include "socket/table.h"
#include "stack/conns.h"
#include "tcp/cc/cc.h"
#include "wire/addr.h"

enum {
    LOCAL_FLAGS = PLAIT_ADDRESS_SIGNAL | PLAIT_ADDRESS_SUBFLOW | PLAIT_ADDRESS_FULLMESH,
    LOCAL_SIZE_MIN = offsetof(struct plait_local, flags) + sizeof(uint32_t), /* as it began */
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

/* A caller's list: entries of his length. */
struct list {
    const uint8_t *at;
    size_t size;
    unsigned count;
};

/* Entry `i` as we know it; false when it asks for something that we do not know. */
static bool take(const struct list *list, unsigned i, struct plait_local *out) {
    PL_ASSERT(i < list->count);
    return pl_sized_in(out, sizeof(*out), list->at + i * list->size, list->size) && local_ok(out);
}

static bool list_ok(const struct list *list) {
    struct plait_local local;
    if (list->count > 0 && (list->at == NULL || list->size < LOCAL_SIZE_MIN)) {
        return false;
    }
    for (unsigned i = 0; i < list->count; i++) {
        if (!take(list, i, &local)) {
            return false;
        }
    }
    return true;
}

/* What a list makes of a policy: an error for one of its entries is one for all of them. */
typedef int edit(const struct plait_stack *stack, const struct pl_socket *sock,
                 struct pl_policy *policy, const struct plait_local *local);

static int add_one(const struct plait_stack *stack, const struct pl_socket *sock,
                   struct pl_policy *policy, const struct plait_local *local) {
    bool first = sock->state == PLAIT_SOCKET_NEW || sock->state == PLAIT_SOCKET_LISTENING;
    return is_here(stack, sock, local) ? pl_policy_add(policy, local, first) : PLAIT_E_NO_ADDRESS;
}

static int remove_one(const struct plait_stack *stack, const struct pl_socket *sock,
                      struct pl_policy *policy, const struct plait_local *local) {
    (void)stack, (void)sock;
    return pl_policy_remove(policy, local);
}

/* All of the list or nothing of it. */
static int edit_all(struct plait_stack *stack, struct pl_socket *sock, const struct list *list,
                    edit *one) {
    struct plait_local local;
    struct pl_policy *policy = pl_socket_policy_own(stack, sock);
    if (policy == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    struct pl_policy changed = *policy, old = *policy;
    for (unsigned i = 0; i < list->count; i++) {
        (void)take(list, i, &local);
        int error = one(stack, sock, &changed, &local);
        if (error != 0) {
            return error;
        }
    }
    *policy = changed;
    int error = pl_socket_policy_apply(stack, sock);
    if (error != 0) { /* of several attempts to connect some may have taken it: they had room */
        *policy = old;
        int again = pl_socket_policy_apply(stack, sock);
        PL_ASSERT(again == 0 || again == error);
    }
    return error;
}

static int edit_list(struct plait_stack *stack, plait_sock id, const struct list *list, edit *one,
                     struct pl_socket **out) {
    struct pl_socket *sock = pl_table_find(stack, id);
    *out = sock;
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    return list_ok(list) ? edit_all(stack, sock, list, one) : PLAIT_E_BAD_ARGUMENT;
}

int plait_multipath_add_sized(struct plait_stack *stack, plait_sock id, const void *list,
                              size_t size, unsigned count, plait_time now) {
    struct pl_socket *sock = NULL;
    const struct list all = {list, size, count};
    pl_stack_enter(stack, now);
    int error = edit_list(stack, id, &all, add_one, &sock);
    pl_conns_settle(stack);
    return error;
}

int plait_multipath_remove_sized(struct plait_stack *stack, plait_sock id, const void *list,
                                 size_t size, unsigned count, plait_time now) {
    struct pl_socket *sock = NULL;
    const struct list all = {list, size, count};
    pl_stack_enter(stack, now);
    int error = edit_list(stack, id, &all, remove_one, &sock);
    for (unsigned i = 0; error == 0 && sock->sc != NULL && i < count; i++) {
        struct plait_local local;
        (void)take(&all, i, &local);
        pl_conn_local_removed(sock->sc->conn, local.port, &local.addr, stack->now);
    }
    pl_conns_settle(stack);
    return error;
}

int plait_multipath_subflows_sized(struct plait_stack *stack, plait_sock id, void *out, size_t size,
                                   unsigned max) {
    struct plait_subflow_info info;
    struct plait_address_pair pair;
    unsigned established = 0;
    if (max > 0 && (out == NULL || size == 0)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    int count = plait_subflows(stack, id, NULL, 0);
    for (int i = 0; i < count; i++) {
        const struct pl_conn *conn = pl_socket_conn(pl_table_find(stack, id));
        if (!pl_conn_subflow_info(conn, (unsigned)i, &info) || !info.established) {
            continue;
        }
        memset(&pair, 0, sizeof pair);
        pair.local = info.local;
        pair.remote = info.remote;
        PL_ASSERT(pair.local.addr.family == pair.remote.addr.family);
        if (established < max) {
            (void)pl_sized_out((uint8_t *)out + established * size, size, &pair, sizeof(pair));
        }
        established++;
    }
    return count < 0 ? count : (int)established;
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

int plait_subflow_open_sized(struct plait_stack *stack, plait_sock id, const void *local,
                             size_t size, const struct plait_endpoint *remote, bool backup,
                             plait_time now) {
    const struct list one = {local, size, 1};
    struct plait_local from;
    int error = 0;
    pl_stack_enter(stack, now);
    struct pl_conn *conn = conn_of(stack, id, &error);
    if (conn == NULL) {
        return error;
    }
    if (remote == NULL || !list_ok(&one) || remote->port == 0 || !pl_addr_is_host(&remote->addr)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    (void)take(&one, 0, &from);
    int result = pl_conn_subflow_open(conn, &from, remote, backup, stack->now);
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

#include "socket/policy.h"

#include "base/assert.h"
#include "mptcp/policy.h"
#include "socket/attempts.h"

struct pl_policy *pl_socket_policy_own(struct plait_stack *stack, struct pl_socket *sock) {
    if (sock->policy == NULL) {
        sock->policy = pl_ctx_alloc(&stack->ctx, sizeof(*sock->policy));
        if (sock->policy != NULL) {
            *sock->policy = pl_policy_default;
        }
    }
    return sock->policy;
}

int pl_socket_policy_apply(struct plait_stack *stack, struct pl_socket *sock) {
    PL_ASSERT(sock->policy != NULL);
    (void)stack;
    if (sock->listener != NULL) {
        sock->listener->setup.policy = sock->policy;
    }
    if (sock->attempts != NULL) {
        return pl_attempts_set_policy(sock, sock->policy);
    }
    return sock->sc != NULL ? pl_conn_set_policy(sock->sc->conn, sock->policy) : 0;
}

int pl_socket_policy_start(struct plait_stack *stack, struct pl_socket *sock) {
    struct plait_local bound = {.addr = sock->addr, .port = sock->port};
    bool lifted = sock->policy != NULL && sock->policy->lifted;
    if (!pl_socket_is_bound(sock) || lifted || !pl_socket_wants_mptcp(sock)) {
        return 0;
    }
    struct pl_policy *policy = pl_socket_policy_own(stack, sock);
    return policy == NULL ? PLAIT_E_NO_MEMORY : pl_policy_add(policy, &bound, true);
}

int pl_socket_policy_inherit(struct plait_stack *stack, struct pl_socket *sock,
                             const struct pl_socket *parent) {
    PL_ASSERT(sock->policy == NULL);
    if (parent->policy == NULL) {
        return 0;
    }
    if (pl_socket_policy_own(stack, sock) == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    *sock->policy = *parent->policy;
    return 0;
}

void pl_socket_policy_free(struct plait_stack *stack, struct pl_socket *sock) {
    if (sock->policy != NULL) {
        pl_ctx_free(&stack->ctx, sock->policy, sizeof(*sock->policy));
    }
    sock->policy = NULL;
}

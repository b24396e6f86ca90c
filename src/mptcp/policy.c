#include "mptcp/policy.h"

#include "base/assert.h"
#include "wire/ip.h"

const struct pl_policy pl_policy_default = {.manager = PLAIT_PM_KERNEL};

static bool is_any(const struct plait_addr *addr) {
    return addr->family == PLAIT_FAMILY_NONE;
}

static bool covers(const struct pl_policy_local *local, plait_port_id port,
                   const struct plait_addr *addr) {
    bool same_port = local->port == 0 || local->port == port;
    return same_port && (is_any(&local->addr) || pl_addr_equal(&local->addr, addr));
}

bool pl_policy_allows(const struct pl_policy *policy, plait_port_id port,
                      const struct plait_addr *addr) {
    bool named = false;
    if (policy == NULL) {
        return true;
    }
    if (policy->port_mask != 0 && (port >= PL_PORTS_MAX || (policy->port_mask >> port & 1) == 0)) {
        return false;
    }
    PL_ASSERT(policy->local_count <= PL_POLICY_LOCALS_MAX);
    for (unsigned i = 0; i < policy->local_count; i++) {
        const struct pl_policy_local *local = &policy->local[i];
        if (covers(local, port, addr)) {
            if (local->denied) {
                return false;
            }
            named = true;
        }
    }
    return named || !policy->restricted;
}

uint32_t pl_policy_flags(const struct pl_policy *policy, const struct pl_local_endpoint *ep) {
    uint32_t flags = ep->flags;
    for (unsigned i = 0; policy != NULL && i < policy->local_count; i++) {
        const struct pl_policy_local *local = &policy->local[i];
        flags |= covers(local, ep->port, &ep->addr) ? local->flags : 0;
    }
    return flags;
}

bool pl_policy_hints(const struct pl_policy *policy, plait_port_id port,
                     const struct plait_addr *addr) {
    PL_ASSERT(policy->local_count <= PL_POLICY_LOCALS_MAX);
    for (unsigned i = 0; i < policy->local_count; i++) {
        const struct pl_policy_local *local = &policy->local[i];
        if (!local->denied && !is_any(&local->addr) && covers(local, port, addr) &&
            local->flags == 0) {
            return true;
        }
    }
    return false;
}

uint16_t pl_policy_tcp_port(const struct pl_policy *policy, plait_port_id port,
                            const struct plait_addr *addr) {
    PL_ASSERT(port != 0);
    for (unsigned i = 0; policy != NULL && i < policy->local_count; i++) {
        const struct pl_policy_local *local = &policy->local[i];
        if (covers(local, port, addr) && local->tcp_port != 0) {
            return local->tcp_port;
        }
    }
    return 0;
}

struct pl_policy_local *pl_policy_find(struct pl_policy *policy, plait_port_id port,
                                       const struct plait_addr *addr) {
    PL_ASSERT(policy->local_count <= PL_POLICY_LOCALS_MAX);
    for (unsigned i = 0; i < policy->local_count; i++) {
        struct pl_policy_local *local = &policy->local[i];
        if (local->port == port && pl_addr_equal(&local->addr, addr)) {
            return local;
        }
    }
    return NULL;
}

static struct pl_policy_local *place(struct pl_policy *policy, const struct plait_local *want) {
    struct pl_policy_local *local = pl_policy_find(policy, want->port, &want->addr);
    if (local == NULL && policy->local_count < PL_POLICY_LOCALS_MAX) {
        local = &policy->local[policy->local_count++];
    }
    return local;
}

int pl_policy_add(struct pl_policy *policy, const struct plait_local *want, bool first) {
    if (is_any(&want->addr) && want->port == 0) {
        policy->restricted = false;
        policy->lifted = true;
        policy->local_count = 0;
        return 0;
    }
    struct pl_policy_local *local = place(policy, want);
    if (local == NULL) {
        return PLAIT_E_LIMIT;
    }
    *local = (struct pl_policy_local){
        .addr = want->addr,
        .port = want->port,
        .tcp_port = want->tcp_port,
        .flags = (uint8_t)want->flags,
    };
    policy->restricted = policy->restricted || (first && !policy->lifted);
    return 0;
}

int pl_policy_remove(struct pl_policy *policy, const struct plait_local *want) {
    struct pl_policy_local *local = place(policy, want);
    if (local == NULL) {
        return PLAIT_E_LIMIT;
    }
    *local = (struct pl_policy_local){.addr = want->addr, .port = want->port, .denied = true};
    return 0;
}

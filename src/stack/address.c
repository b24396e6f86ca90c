#include "stack/address.h"

#include <string.h>

#include "base/assert.h"
#include "stack/conns.h"
#include "wire/addr.h"

enum {
    FLAGS_ALL = PLAIT_ADDRESS_SIGNAL | PLAIT_ADDRESS_SUBFLOW | PLAIT_ADDRESS_BACKUP |
                PLAIT_ADDRESS_FULLMESH,
    ID_CHOSEN_MAX = 127,
};

typedef void tell_function(struct pl_conn *conn, const struct pl_local_endpoint *ep,
                           plait_time now);

static void tell_all(struct plait_stack *stack, tell_function *tell,
                     const struct pl_local_endpoint *ep) {
    PL_ASSERT(ep->id != 0);
    PL_LIST_FOREACH(it, &stack->conns) {
        tell(PL_CONTAINER(it, struct pl_stack_conn, link)->conn, ep, stack->now);
    }
}

static struct pl_local_endpoint *find(struct plait_stack *stack, plait_port_id port,
                                      const struct plait_addr *addr) {
    const struct pl_local_endpoint *ep = pl_endpoints_find(&stack->endpoints, port, addr);
    return ep == NULL ? NULL : &stack->endpoints.entry[ep - stack->endpoints.entry];
}

/* An address that is valid and has nothing behind its bytes, so that equal means equal bytes. */
static bool addr_ok(const struct plait_addr *addr) {
    static const uint8_t zero[12];
    if (addr == NULL || !pl_addr_is_host(addr)) {
        return false;
    }
    return addr->family == PLAIT_IPV6 || memcmp(addr->bytes + 4, zero, sizeof(zero)) == 0;
}

/* The rules of `ip mptcp endpoint add`: a port number is for announcing, and an address is either
 * announced or meshed. */
static bool flags_ok(uint32_t flags, uint16_t announce_port) {
    bool announced = (flags & PLAIT_ADDRESS_SIGNAL) != 0;
    bool meshed = (flags & PLAIT_ADDRESS_FULLMESH) != 0;
    return (flags & ~(uint32_t)FLAGS_ALL) == 0 && !(announced && meshed) &&
           (announce_port == 0 || announced);
}

/* The next free id in turn: one that was freed rests for as long as possible, because connections
 * must tell their peers first that it is free (RFC 8684 section 3.4.1). Ids above are for the
 * connections' own use (pl_pm_new_id). */
static uint8_t free_id(struct plait_stack *stack) {
    uint8_t *id = &stack->endpoints.id_last;
    static_assert((int)PL_ENDPOINTS_MAX <= ID_CHOSEN_MAX, "there is one");
    do {
        *id = *id < ID_CHOSEN_MAX ? (uint8_t)(*id + 1) : 1;
    } while (pl_endpoints_by_id(&stack->endpoints, *id) != NULL);
    return *id;
}

static bool backup_of(const struct pl_port *port, uint32_t flags) {
    return (flags & PLAIT_ADDRESS_BACKUP) != 0 || (port->flags & PLAIT_PORT_BACKUP) != 0;
}

static int add_check(struct plait_stack *stack, const struct pl_port *port,
                     const struct plait_addr *addr, uint8_t id) {
    if (addr->family == PLAIT_IPV6 && port->mtu < PL_MTU_MIN_V6) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (find(stack, port->id, addr) != NULL) {
        return PLAIT_E_IN_USE;
    }
    if (id != 0 && pl_endpoints_by_id(&stack->endpoints, id) != NULL) {
        return PLAIT_E_IN_USE;
    }
    return stack->endpoints.count == PL_ENDPOINTS_MAX ? PLAIT_E_LIMIT : 0;
}

int plait_address_add(struct plait_stack *stack, plait_port_id port_id,
                      const struct plait_addr *addr, uint32_t flags, uint16_t announce_port,
                      uint8_t id, plait_time now) {
    pl_stack_enter(stack, now);
    const struct pl_port *port = pl_stack_port(stack, port_id);
    if (port == NULL) {
        return PLAIT_E_BAD_PORT;
    }
    if (!addr_ok(addr) || !flags_ok(flags, announce_port)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    int error = add_check(stack, port, addr, id);
    if (error != 0) {
        return error;
    }
    struct pl_local_endpoint *ep = &stack->endpoints.entry[stack->endpoints.count];
    *ep = (struct pl_local_endpoint){
        .addr = *addr,
        .port = port_id,
        .flags = flags,
        .announce_port = announce_port,
        .id = id != 0 ? id : free_id(stack),
        .up = port->up,
        .backup = backup_of(port, flags),
    };
    stack->endpoints.count++;
    stack->endpoints.generation++;
    PL_ASSERT(find(stack, port_id, addr) == ep);
    tell_all(stack, pl_conn_endpoint_added, ep);
    pl_conns_settle(stack);
    return ep->id;
}

int plait_address_announce(struct plait_stack *stack, plait_port_id port_id,
                           const struct plait_addr *addr, const struct plait_addr *outside,
                           plait_time now) {
    pl_stack_enter(stack, now);
    if (pl_stack_port(stack, port_id) == NULL) {
        return PLAIT_E_BAD_PORT;
    }
    if (addr == NULL || !addr_ok(outside) || outside->family != addr->family) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    struct pl_local_endpoint *ep = find(stack, port_id, addr);
    if (ep == NULL) {
        return PLAIT_E_NO_ADDRESS;
    }
    if ((ep->flags & PLAIT_ADDRESS_SIGNAL) != 0) {
        return PLAIT_E_IN_USE; /* an id stands for one address until it is removed */
    }
    if (!flags_ok(ep->flags | PLAIT_ADDRESS_SIGNAL, 0)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    ep->outside = *outside;
    ep->flags |= PLAIT_ADDRESS_SIGNAL;
    stack->endpoints.generation++;
    tell_all(stack, pl_conn_endpoint_added, ep);
    pl_conns_settle(stack);
    return 0;
}

static void remove_entry(struct plait_stack *stack, struct pl_local_endpoint *ep) {
    struct pl_endpoints *table = &stack->endpoints;
    struct pl_local_endpoint gone = *ep;
    size_t at = (size_t)(ep - table->entry);
    PL_ASSERT(at < table->count);
    table->count--;
    memmove(ep, ep + 1, (table->count - at) * sizeof(*ep));
    table->generation++;
    tell_all(stack, pl_conn_endpoint_removed, &gone);
}

int plait_address_remove(struct plait_stack *stack, plait_port_id port,
                         const struct plait_addr *addr, plait_time now) {
    pl_stack_enter(stack, now);
    if (addr == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (pl_stack_port(stack, port) == NULL) {
        return PLAIT_E_BAD_PORT;
    }
    struct pl_local_endpoint *ep = find(stack, port, addr);
    if (ep == NULL) {
        return PLAIT_E_NO_ADDRESS;
    }
    remove_entry(stack, ep);
    pl_conns_settle(stack);
    return 0;
}

int plait_address_set_backup(struct plait_stack *stack, plait_port_id port_id,
                             const struct plait_addr *addr, bool backup, plait_time now) {
    pl_stack_enter(stack, now);
    if (addr == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    const struct pl_port *port = pl_stack_port(stack, port_id);
    if (port == NULL) {
        return PLAIT_E_BAD_PORT;
    }
    struct pl_local_endpoint *ep = find(stack, port_id, addr);
    if (ep == NULL) {
        return PLAIT_E_NO_ADDRESS;
    }
    uint32_t other_flags = ep->flags & ~(uint32_t)PLAIT_ADDRESS_BACKUP;
    ep->flags = other_flags | (backup ? (uint32_t)PLAIT_ADDRESS_BACKUP : 0);
    ep->backup = backup_of(port, ep->flags);
    stack->endpoints.generation++;
    tell_all(stack, pl_conn_endpoint_backup, ep);
    pl_conns_settle(stack);
    return 0;
}

void pl_address_port_changed(struct plait_stack *stack, const struct pl_port *port) {
    for (uint32_t i = 0; i < stack->endpoints.count; i++) {
        struct pl_local_endpoint *ep = &stack->endpoints.entry[i];
        if (ep->port == port->id) {
            PL_ASSERT(ep->up != port->up);
            ep->up = port->up;
        }
    }
    stack->endpoints.generation++;
}

void pl_address_remove_all(struct plait_stack *stack, plait_port_id port) {
    PL_ASSERT(port != 0);
    for (uint32_t i = stack->endpoints.count; i-- > 0;) {
        if (stack->endpoints.entry[i].port == port) {
            remove_entry(stack, &stack->endpoints.entry[i]);
        }
    }
}

bool pl_address_has_v6(const struct plait_stack *stack, plait_port_id port) {
    PL_ASSERT(stack->endpoints.count <= PL_ENDPOINTS_MAX);
    for (uint32_t i = 0; i < stack->endpoints.count; i++) {
        const struct pl_local_endpoint *ep = &stack->endpoints.entry[i];
        if (ep->port == port && ep->addr.family == PLAIT_IPV6) {
            return true;
        }
    }
    return false;
}

void pl_address_check(const struct plait_stack *stack) {
    PL_ASSERT(stack->endpoints.count <= PL_ENDPOINTS_MAX);
    for (uint32_t i = 0; i < stack->endpoints.count; i++) {
        const struct pl_local_endpoint *ep = &stack->endpoints.entry[i];
        const struct pl_port *port = pl_stack_port(stack, ep->port);
        PL_ASSERT(port != NULL);
        PL_ASSERT(ep->up == port->up);
        PL_ASSERT(ep->backup == backup_of(port, ep->flags));
        PL_ASSERT(pl_endpoints_by_id(&stack->endpoints, ep->id) == ep);
    }
}

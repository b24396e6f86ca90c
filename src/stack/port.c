/* Ports come and go at any time. A subflow is linked into its port's out_list, so a removed port's
 * struct lives on, invisible, until the last flow over it is gone. Ids are given in a circle: a
 * mask of ports that a socket was given (PLAIT_OPT_PORT_MASK) must not soon mean another link. */
#include "stack/port.h"

#include <string.h>

#include "base/assert.h"
#include "stack/address.h"
#include "stack/conns.h"
#include "stack/demux.h"

enum {
    MTU_MIN = 576,
    MTU_MAX = 65535,
    FLAGS_ALL = PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM | PLAIT_PORT_ANY_ADDRESS | PLAIT_PORT_BACKUP |
                PLAIT_PORT_METERED | PLAIT_PORT_NO_MPTCP,
};

bool pl_port_has_address(const struct plait_stack *stack, const struct pl_port *port,
                         const struct plait_addr *addr) {
    PL_ASSERT(port != NULL);
    if ((port->flags & PLAIT_PORT_ANY_ADDRESS) != 0) {
        return true;
    }
    /* The weak host model (RFC 1122 section 3.3.4.2), as in Linux: a join may come in over another
     * port than the one that has its destination address. */
    return pl_endpoints_find(&stack->endpoints, 0, addr) != NULL;
}

static bool config_ok(const struct plait_port_config *config) {
    return config != NULL && config->size == sizeof(*config) && config->mtu >= MTU_MIN &&
           config->mtu <= MTU_MAX && (config->flags & ~(uint32_t)FLAGS_ALL) == 0 &&
           config->name[sizeof(config->name) - 1] == '\0';
}

static bool reusable(const struct pl_port *port) {
    return port->removed && port->flow_count == 0 && pl_list_empty(&port->out_list);
}

/* The next free id after the one given last, or 0. */
static plait_port_id free_id(const struct plait_stack *stack) {
    for (uint32_t i = 1; i < PL_PORTS_MAX; i++) {
        plait_port_id id = 1 + (stack->port_last - 1 + i) % (PL_PORTS_MAX - 1);
        PL_ASSERT(id < PL_PORTS_MAX);
        if (stack->ports[id] == NULL || reusable(stack->ports[id])) {
            return id;
        }
    }
    return 0;
}

int plait_port_add(struct plait_stack *stack, const struct plait_port_config *config,
                   plait_port_id *out) {
    if (!config_ok(config) || out == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    plait_port_id id = free_id(stack);
    if (id == 0) {
        return PLAIT_E_LIMIT;
    }
    struct pl_port *port = stack->ports[id];
    if (port == NULL) {
        port = pl_ctx_alloc(&stack->ctx, sizeof(*port));
        if (port == NULL) {
            return PLAIT_E_NO_MEMORY;
        }
    } else {
        PL_ASSERT(stack->port_dark_count > 0);
        stack->port_dark_count--;
    }
    *port = (struct pl_port){.id = id, .mtu = config->mtu, .flags = config->flags, .up = true};
    memcpy(port->name, config->name, sizeof(port->name));
    pl_list_init(&port->out_list);
    stack->ports[id] = port;
    stack->port_last = id;
    PL_ASSERT(pl_stack_port(stack, id) == port);
    *out = id;
    return 0;
}

static void set_carrier(struct plait_stack *stack, struct pl_port *port, bool up) {
    PL_ASSERT(port->up != up);
    port->up = up;
    if (up) {
        stack->port_dark_count--;
    } else {
        stack->port_dark_count++;
    }
    pl_address_port_changed(stack, port);
    PL_LIST_FOREACH(it, &stack->conns) {
        struct pl_stack_conn *sc = PL_CONTAINER(it, struct pl_stack_conn, link);
        if (port->up) {
            pl_conn_port_up(sc->conn, port->id, stack->now);
        } else {
            pl_conn_port_down(sc->conn, port->id, stack->now);
        }
    }
}

int plait_port_remove(struct plait_stack *stack, plait_port_id id, plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_port *port = pl_stack_port(stack, id);
    if (port == NULL) {
        return PLAIT_E_BAD_PORT;
    }
    if (port->up) {
        set_carrier(stack, port, false);
    }
    pl_address_remove_all(stack, id);
    pl_demux_abort(stack, id, PLAIT_E_UNREACHABLE);
    port->removed = true;
    pl_conns_settle(stack);
    PL_ASSERT(pl_stack_port(stack, id) == NULL);
    return 0;
}

int plait_port_set_up(struct plait_stack *stack, plait_port_id id, bool up, plait_time now) {
    pl_stack_enter(stack, now);
    struct pl_port *port = pl_stack_port(stack, id);
    if (port == NULL) {
        return PLAIT_E_BAD_PORT;
    }
    if (port->up != up) {
        set_carrier(stack, port, up);
        pl_conns_settle(stack);
    }
    return 0;
}

int plait_port_set_mtu(struct plait_stack *stack, plait_port_id id, uint32_t mtu) {
    struct pl_port *port = pl_stack_port(stack, id);
    if (port == NULL) {
        return PLAIT_E_BAD_PORT;
    }
    uint32_t least = pl_address_has_v6(stack, id) ? PL_MTU_MIN_V6 : MTU_MIN;
    if (mtu < least || mtu > MTU_MAX) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    port->mtu = mtu;
    pl_demux_set_mtu(stack, id, mtu);
    pl_conns_settle(stack);
    return 0;
}

void pl_port_free_all(struct plait_stack *stack) {
    PL_ASSERT(stack->flows.count == 0);
    for (plait_port_id id = 1; id < PL_PORTS_MAX; id++) {
        struct pl_port *port = stack->ports[id];
        if (port != NULL) {
            PL_ASSERT(pl_list_empty(&port->out_list));
            pl_ctx_free(&stack->ctx, port, sizeof(*port));
            stack->ports[id] = NULL;
        }
    }
}

void pl_port_check(const struct plait_stack *stack) {
    uint32_t flows = 0, dark = 0;
    PL_ASSERT(stack->ports[0] == NULL);
    for (plait_port_id id = 1; id < PL_PORTS_MAX; id++) {
        const struct pl_port *port = stack->ports[id];
        if (port != NULL) {
            PL_ASSERT(port->id == id);
            PL_ASSERT(!port->removed || !port->up);
            PL_ASSERT(port->replies.count <= PL_REPLY_RING);
            flows += port->flow_count;
            dark += port->up ? 0 : 1;
        }
    }
    PL_ASSERT(dark == stack->port_dark_count);
    PL_ASSERT(flows == stack->flows.count);
}

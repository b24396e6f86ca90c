/* One secret key serves every hash here; what a hash is for is part of what is hashed, so that
 * a number that a peer can see (an ISN, a TCP port) says nothing about the place of a flow. */
#include "stack/demux.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "tcp/state.h"
#include "wire/addr.h"

enum { EPHEMERAL_MIN = 32768, EPHEMERAL_COUNT = 60999 - EPHEMERAL_MIN + 1, ISS_TICK_NS = 4000 };

enum purpose { PURPOSE_FLOW, PURPOSE_ISS, PURPOSE_EPHEMERAL, PURPOSE_TIMESTAMP };

enum { KEY_BYTES = 40 };

static uint64_t hash_tuple(const struct plait_stack *stack, enum purpose purpose,
                           const struct pl_tcp_tuple *tuple) {
    uint8_t key[KEY_BYTES];
    memcpy(key, tuple->local.bytes, 16);
    memcpy(key + 16, tuple->remote.bytes, 16);
    pl_put16(key + 32, tuple->local_port);
    pl_put16(key + 34, tuple->remote_port);
    key[36] = tuple->local.family;
    key[37] = tuple->remote.family;
    pl_put16(key + 38, (uint16_t)purpose);
    return pl_hash_bytes(&stack->ctx.hash_key, key, sizeof(key));
}

static const struct pl_tcp_tuple *tuple_of(struct pl_subflow *sf) {
    return &pl_subflow_tcp(sf)->tuple;
}

static bool tuple_equal(const struct pl_tcp_tuple *a, const struct pl_tcp_tuple *b) {
    return a->local_port == b->local_port && a->remote_port == b->remote_port &&
           pl_addr_equal(&a->local, &b->local) && pl_addr_equal(&a->remote, &b->remote);
}

struct pl_subflow *pl_demux_flow(const struct plait_stack *stack, plait_port_id port,
                                 const struct pl_tcp_tuple *tuple) {
    PL_ASSERT(port != 0);
    struct pl_hash_node *node = pl_hash_find(&stack->flows, hash_tuple(stack, PURPOSE_FLOW, tuple));
    for (; node != NULL; node = pl_hash_find_next(node)) {
        struct pl_subflow *sf = pl_subflow_of_flow_node(node);
        if (pl_subflow_port(sf) == port && tuple_equal(tuple_of(sf), tuple)) {
            return sf;
        }
    }
    return NULL;
}

struct pl_subflow *pl_demux_arrived(const struct plait_stack *stack, const struct pl_port *port,
                                    const struct pl_tcp_tuple *tuple) {
    struct pl_subflow *sf = pl_demux_flow(stack, port->id, tuple);
    if (sf != NULL || (port->flags & PLAIT_PORT_ANY_ADDRESS) != 0) {
        return sf;
    }
    struct pl_hash_node *node = pl_hash_find(&stack->flows, hash_tuple(stack, PURPOSE_FLOW, tuple));
    for (; node != NULL; node = pl_hash_find_next(node)) {
        sf = pl_subflow_of_flow_node(node);
        const struct pl_port *own = stack->ports[pl_subflow_port(sf)];
        PL_ASSERT(own != NULL);
        if ((own->flags & PLAIT_PORT_ANY_ADDRESS) == 0 && tuple_equal(tuple_of(sf), tuple)) {
            return sf;
        }
    }
    return NULL;
}

/* A port that was removed still counts its flows. */
static struct pl_port *port_of(const struct plait_stack *stack, const struct pl_subflow *sf) {
    plait_port_id id = pl_subflow_port(sf);
    PL_ASSERT(id < PL_PORTS_MAX);
    PL_ASSERT(stack->ports[id] != NULL);
    return stack->ports[id];
}

void pl_demux_flow_add(struct plait_stack *stack, struct pl_subflow *sf) {
    const struct pl_tcp_tuple *tuple = tuple_of(sf);
    PL_ASSERT(pl_demux_flow(stack, pl_subflow_port(sf), tuple) == NULL);
    uint64_t hash = hash_tuple(stack, PURPOSE_FLOW, tuple);
    pl_hash_insert(&stack->flows, pl_subflow_flow_node(sf), hash);
    port_of(stack, sf)->flow_count++;
}

void pl_demux_flow_remove(struct plait_stack *stack, struct pl_subflow *sf) {
    struct pl_port *port = port_of(stack, sf);
    PL_ASSERT(port->flow_count > 0);
    port->flow_count--;
    pl_hash_remove(&stack->flows, pl_subflow_flow_node(sf));
}

/* The next flow over a port from bucket *at on, behind `node` (NULL: the bucket's first). */
static struct pl_hash_node *next_over(const struct plait_stack *stack, plait_port_id port,
                                      uint32_t *at, struct pl_hash_node *node) {
    const struct pl_hash_table *t = &stack->flows;
    PL_ASSERT(port != 0);
    node = node == NULL ? t->buckets[*at] : node->next;
    while (node == NULL || pl_subflow_port(pl_subflow_of_flow_node(node)) != port) {
        if (node != NULL) {
            node = node->next;
        } else if (++*at < t->bucket_count) {
            node = t->buckets[*at];
        } else {
            return NULL;
        }
    }
    return node;
}

void pl_demux_set_mtu(struct plait_stack *stack, plait_port_id port, uint32_t mtu) {
    uint32_t at = 0;
    struct pl_hash_node *node = next_over(stack, port, &at, NULL);
    for (; node != NULL; node = next_over(stack, port, &at, node)) {
        pl_tcp_set_mtu(pl_subflow_tcp(pl_subflow_of_flow_node(node)), mtu, stack->now);
    }
}

void pl_demux_abort(struct plait_stack *stack, plait_port_id port, int error) {
    uint32_t at = 0;
    PL_ASSERT(error < 0);
    struct pl_hash_node *node = next_over(stack, port, &at, NULL);
    for (; node != NULL; node = next_over(stack, port, &at, node)) {
        pl_tcp_abort(pl_subflow_tcp(pl_subflow_of_flow_node(node)), error, stack->now);
    }
}

struct pl_conn *pl_demux_token(const struct plait_stack *stack, uint32_t token) {
    PL_ASSERT(stack != NULL);
    /* Local tokens are bits of a SHA-256 of our own random keys: nobody chooses the bucket. */
    struct pl_hash_node *node = pl_hash_find(&stack->tokens, token);
    return node == NULL ? NULL : pl_conn_of_token_node(node);
}

bool pl_demux_token_add(struct plait_stack *stack, struct pl_conn *conn) {
    PL_ASSERT(conn != NULL);
    if (pl_demux_token(stack, pl_conn_token(conn)) != NULL) {
        return false;
    }
    pl_hash_insert(&stack->tokens, pl_conn_token_node(conn), pl_conn_token(conn));
    return true;
}

void pl_demux_token_remove(struct plait_stack *stack, struct pl_conn *conn) {
    PL_ASSERT(pl_demux_token(stack, pl_conn_token(conn)) == conn);
    pl_hash_remove(&stack->tokens, pl_conn_token_node(conn));
}

/* Whether no flow to the same remote has this TCP port at another address of ours. */
static bool free_elsewhere(const struct plait_stack *stack, const struct pl_tcp_tuple *tuple) {
    struct pl_tcp_tuple other = *tuple;
    for (uint32_t i = 0; i < stack->endpoints.count; i++) {
        const struct pl_local_endpoint *ep = &stack->endpoints.entry[i];
        other.local = ep->addr;
        if (ep->addr.family == tuple->local.family &&
            pl_demux_flow(stack, ep->port, &other) != NULL) {
            return false;
        }
    }
    return true;
}

/* The first one from the last on; `reserve`: at all addresses, so that joins can have it, too (RFC
 * 8684 section 3.9.1). */
static uint16_t pick(struct plait_stack *stack, plait_port_id port,
                     const struct pl_tcp_tuple *tuple, bool reserve) {
    struct pl_tcp_tuple try = *tuple;
    try.local_port = 0;
    uint64_t offset = hash_tuple(stack, PURPOSE_EPHEMERAL, &try) % EPHEMERAL_COUNT;
    for (uint32_t i = 0; i < EPHEMERAL_COUNT; i++) {
        uint64_t at = (offset + stack->ephemeral_next++) % EPHEMERAL_COUNT;
        try.local_port = (uint16_t)(EPHEMERAL_MIN + at);
        PL_ASSERT(try.local_port >= EPHEMERAL_MIN);
        if (pl_demux_flow(stack, port, &try) == NULL && (!reserve || free_elsewhere(stack, &try))) {
            return try.local_port;
        }
    }
    return 0;
}

uint16_t pl_demux_ephemeral(struct plait_stack *stack, plait_port_id port,
                            const struct pl_tcp_tuple *tuple) {
    uint16_t chosen = pick(stack, port, tuple, true);
    return chosen != 0 ? chosen : pick(stack, port, tuple, false);
}

pl_seq32 pl_demux_iss(const struct plait_stack *stack, const struct pl_tcp_tuple *tuple) {
    PL_ASSERT(tuple->local_port != 0);
    uint32_t clock = (uint32_t)(stack->now / ISS_TICK_NS);
    return pl_seq32_of(clock + (uint32_t)hash_tuple(stack, PURPOSE_ISS, tuple));
}

uint32_t pl_demux_ts_offset(const struct plait_stack *stack, const struct pl_tcp_tuple *tuple) {
    struct pl_tcp_tuple hosts = {.local = tuple->local, .remote = tuple->remote};
    PL_ASSERT(hosts.local.family == hosts.remote.family);
    return (uint32_t)hash_tuple(stack, PURPOSE_TIMESTAMP, &hosts);
}

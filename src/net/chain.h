/* net/chain.h - a row of middleboxes between a host (inside) and the network (outside).
 *
 *     host -> box 0 -> box 1 -> ... -> network     PL_BOX_OUT
 *     host <- box 0 <- box 1 <- ... <- network     PL_BOX_IN
 *
 * A packet that enters comes out at the other side, changed or not; or as several, later, or not at
 * all; and a box may send packets of its own, in either way. What the chain does depends on the
 * packets and the times alone. No I/O, no clock: like a link (net/link.h), the caller asks for the
 * deadline and ticks.
 *
 * A box acts on one way or on both. It begins when `after_bytes` of TCP payload have entered its
 * chain, in both ways together, and not before `from`; before that and from `until` on packets pass
 * unchanged. So a box can come up in the middle of a connection, in virtual time and in real time
 * alike.
 *
 * Ownership: the chain copies what it changes and keeps no packet of the caller's but by reference.
 * What it holds is bounded (box_kind.h). States: zeroed or after fini: only init; after init:
 * everything. */
#ifndef PL_NET_CHAIN_H
#define PL_NET_CHAIN_H

#include "net/box_config.h"
#include "plait/buf.h"
#include "plait/stack.h"

enum { PL_CHAIN_MAX = 8 };

struct pl_box; /* net/box_kind.h */

/* A packet comes out: OUT at the network's side, IN at the host's. The callee does not keep it. */
typedef void pl_chain_emit(void *arg, enum pl_box_way way, struct plait_buf *packet,
                           const struct plait_rx_meta *meta);

struct pl_chain_item; /* a packet between two boxes */

struct pl_chain {
    const struct plait_env *env;
    pl_chain_emit *emit;
    void *arg;
    struct pl_box *box[PL_CHAIN_MAX];
    unsigned count;
    uint64_t payload_bytes;
    struct pl_chain_item *items; /* a ring */
    unsigned item_first, item_count;
    bool running;
    plait_time now;
};

/* Errors: NO_MEMORY, BAD_ARGUMENT (more than PL_CHAIN_MAX). No boxes: everything passes. */
PLAIT_MUST_CHECK int pl_chain_init(struct pl_chain *chain, const struct plait_env *env,
                                   const struct pl_box_config *configs, unsigned count,
                                   pl_chain_emit *emit, void *arg);
/* Drops what the boxes hold. Allowed twice. */
void pl_chain_fini(struct pl_chain *chain);
/* A packet enters. `emit` is called before this returns, unless a box holds the packet. */
void pl_chain_send(struct pl_chain *chain, enum pl_box_way way, struct plait_buf *packet,
                   const struct plait_rx_meta *meta, plait_time now);
/* When to call pl_chain_tick(), or PLAIT_TIME_NEVER. */
plait_time pl_chain_deadline(const struct pl_chain *chain);
void pl_chain_tick(struct pl_chain *chain, plait_time now);
/* Translators forget their mappings. */
void pl_chain_rebind(struct pl_chain *chain);
/* How often box `index` did something to a packet. */
uint64_t pl_chain_acted(const struct pl_chain *chain, unsigned index);

#endif

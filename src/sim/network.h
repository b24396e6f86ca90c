/* sim/network.h - everything between the hosts' devices: boxes, links, the router.
 *
 * A packet of a port passes that port's boxes (net/chain.h) and its up link; the router finds the
 * port that has the destination address (in the plan, or outside a translator: addresses that a
 * host has lost are still routed to it); then that port's down link and boxes. */
#ifndef PL_SIM_NETWORK_H
#define PL_SIM_NETWORK_H

#include "base/timers.h"
#include "net/chain.h"
#include "net/link.h"
#include "sim/plan.h"
#include "sim/record.h"

struct pl_network;

struct pl_attachment {
    struct pl_network *network;
    unsigned host, port;
    struct pl_link up, down;
    struct pl_timer up_timer, down_timer, box_timer;
    struct pl_chain boxes;
    uint64_t payload_bytes; /* TCP's, that the host sent or got here */
};

/* A packet for a host. The callee does not keep `packet`. */
typedef void pl_network_deliver(void *arg, unsigned host, unsigned port, struct plait_buf *packet,
                                const struct plait_rx_meta *meta);

struct pl_network {
    const struct pl_plan *plan;
    const struct plait_env *env;
    struct pl_timers *timers;
    const plait_time *clock;
    pl_network_deliver *deliver;
    void *deliver_arg;
    struct pl_record *record;
    uint64_t unrouted;
    struct pl_attachment at[2][PL_PLAN_PORTS_MAX];
};

/* Errors: NO_MEMORY. The network is to be finished in any case. */
PLAIT_MUST_CHECK int pl_network_init(struct pl_network *network, const struct pl_plan *plan,
                                     const struct plait_env *env, struct pl_timers *timers,
                                     const plait_time *clock);
void pl_network_fini(struct pl_network *network);
/* A packet leaves a host's device. The network takes a reference of its own. */
void pl_network_send(struct pl_network *network, unsigned host, unsigned port,
                     struct plait_buf *packet, const struct plait_rx_meta *meta);
/* Packets that wait in a port's up link, and about when the next one will have left. */
uint32_t pl_network_backlog(struct pl_network *network, unsigned host, unsigned port,
                            plait_time *ready);
void pl_network_blackhole(struct pl_network *network, unsigned host, unsigned port, bool on);
void pl_network_rebind(struct pl_network *network, unsigned host, unsigned port);
/* Takes all harm out of the links. Boxes have their own times. */
void pl_network_heal(struct pl_network *network);

#endif

#include "sim/network.h"

#include <string.h>

#include "base/assert.h"
#include "base/list.h"
#include "sim/device.h"
#include "sim/too_big.h"
#include "wire/ip.h"

static void arm(struct pl_attachment *at) {
    pl_timer_arm(at->network->timers, &at->up_timer, pl_link_deadline(&at->up));
    pl_timer_arm(at->network->timers, &at->down_timer, pl_link_deadline(&at->down));
}

static struct pl_attachment *route(struct pl_network *network, const struct plait_addr *dst) {
    for (unsigned h = 0; h < 2; h++) {
        for (unsigned p = 0; p < network->plan->host[h].port_count; p++) {
            struct pl_attachment *at = &network->at[h][p];
            const struct pl_plan_port *port = &network->plan->host[h].port[p];
            const struct pl_nat *nat = &at->nat[dst->family == PLAIT_IPV6 ? 1 : 0];
            if (nat->on) {
                if (pl_addr_equal(&nat->outside, dst)) {
                    return at;
                }
                continue;
            }
            for (unsigned i = 0; i < port->address_count; i++) {
                if (pl_addr_equal(&port->address[i].addr, dst)) {
                    return at;
                }
            }
        }
    }
    return NULL;
}

/* Sends over a link; the sender of a packet that is too long for it is told. */
static void send_over(struct pl_network *network, struct pl_link *link, struct plait_buf *packet,
                      const struct pl_link_meta *meta) {
    struct pl_ip ip;
    enum pl_link_drop drop = pl_link_send(link, packet, meta, *network->clock);
    if (drop != PL_LINK_DROP_MTU || pl_ip_parse(packet->data, packet->len, &ip) != PL_IP_OK) {
        return;
    }
    struct pl_attachment *sender = route(network, &ip.src);
    struct plait_buf *message =
        sender != NULL ? pl_too_big_message(network->env, packet, link->config.mtu) : NULL;
    if (message != NULL) {
        (void)pl_link_send(&sender->down, message, NULL, *network->clock);
        plait_buf_unref(message);
        arm(sender);
    }
}

/* Boxes change packets, and a packet may be shared (duplicates, the sender's capture). */
static struct plait_buf *copy_of(struct pl_network *network, const struct plait_buf *packet) {
    struct plait_buf *copy = plait_buf_alloc(network->env, packet->len);
    if (copy != NULL) {
        memcpy(copy->data, packet->data, packet->len);
        copy->len = packet->len;
    }
    return copy;
}

static bool has_boxes(const struct pl_attachment *at) {
    return at->nat[0].on || at->nat[1].on || at->strip != 0 || at->reseq != 0 ||
           at->rewrite_ppm != 0;
}

static bool boxes_pass(struct pl_attachment *at, enum pl_box_way way, struct plait_buf *packet) {
    if ((at->strip_ways >> way & 1) != 0) {
        pl_strip_pass(at->strip, packet->data, packet->len);
    }
    if (at->rewrite_ppm != 0 && pl_rng_chance(&at->rng, at->rewrite_ppm)) {
        (void)pl_rewrite_pass(pl_rng_next(&at->rng), packet->data, packet->len);
    }
    if (way == PL_BOX_OUT) {
        pl_reseq_pass(at->reseq, way, packet->data, packet->len);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (!pl_nat_pass(&at->nat[i], way, packet->data, packet->len)) {
            return false;
        }
    }
    if (way == PL_BOX_IN) {
        pl_reseq_pass(at->reseq, way, packet->data, packet->len);
    }
    return true;
}

void pl_network_send(struct pl_network *network, unsigned host, unsigned port,
                     struct plait_buf *packet, const struct plait_rx_meta *meta) {
    struct pl_attachment *at = &network->at[host][port];
    struct pl_link_meta link_meta = {.rx = *meta};
    struct plait_buf *mine = packet;
    if (has_boxes(at)) {
        mine = copy_of(network, packet);
        if (mine == NULL) {
            return;
        }
    } else {
        plait_buf_ref(mine);
    }
    if (boxes_pass(at, PL_BOX_OUT, mine)) {
        send_over(network, &at->up, mine, &link_meta);
    }
    plait_buf_unref(mine);
    arm(at);
}

/* A packet with two flipped bits may look right again, so a second link that corrupts gets no
 * packet that is corrupted already. */
static bool would_corrupt_twice(const struct pl_attachment *from, const struct pl_attachment *to,
                                const struct plait_buf *packet) {
    return from->up.config.corrupt_ppm > 0 && to->down.config.corrupt_ppm > 0 &&
           !pl_device_verify(packet->data, packet->len);
}

/* Packets that have come through an up link go to the router. */
static void up_fire(struct pl_timer *timer, plait_time now) {
    struct pl_attachment *from = PL_CONTAINER(timer, struct pl_attachment, up_timer);
    struct pl_link_meta meta;
    struct plait_buf *packet;
    while ((packet = pl_link_next(&from->up, now, &meta)) != NULL) {
        struct pl_ip ip;
        struct pl_attachment *to = NULL;
        if (pl_ip_parse(packet->data, packet->len, &ip) == PL_IP_OK) {
            to = route(from->network, &ip.dst);
        }
        if (to != NULL && !would_corrupt_twice(from, to, packet)) {
            send_over(from->network, &to->down, packet, &meta);
            arm(to);
        } else {
            from->network->unrouted++;
        }
        plait_buf_unref(packet);
    }
    arm(from);
}

static void down_fire(struct pl_timer *timer, plait_time now) {
    struct pl_attachment *at = PL_CONTAINER(timer, struct pl_attachment, down_timer);
    struct pl_network *network = at->network;
    struct pl_link_meta meta;
    struct plait_buf *packet;
    while ((packet = pl_link_next(&at->down, now, &meta)) != NULL) {
        struct plait_buf *copy = copy_of(network, packet);
        plait_buf_unref(packet);
        if (copy == NULL) {
            continue;
        }
        if (boxes_pass(at, PL_BOX_IN, copy)) {
            network->deliver(network->deliver_arg, at->host, at->port, copy, &meta.rx);
        }
        plait_buf_unref(copy);
    }
    arm(at);
}

static int attach(struct pl_network *network, unsigned host, unsigned port) {
    const struct pl_plan_port *plan = &network->plan->host[host].port[port];
    struct pl_attachment *at = &network->at[host][port];
    struct pl_rng seeds = pl_plan_rng(network->plan, PL_PART_LINKS + 100 + host * 8 + port);
    at->network = network;
    at->host = host;
    at->port = port;
    at->strip = plan->strip;
    at->strip_ways = 3;
    at->rewrite_ppm = plan->rewrite_ppm;
    pl_rng_init(&at->rng, pl_rng_next(&seeds));
    at->reseq = plan->reseq;
    pl_timer_init(&at->up_timer, up_fire);
    pl_timer_init(&at->down_timer, down_fire);
    for (unsigned i = 0; i < 2; i++) {
        if (plan->nat && plan->nat_outside[i].family != PLAIT_FAMILY_NONE) {
            pl_nat_init(&at->nat[i], &plan->nat_outside[i], plan->nat_port_first);
        }
    }
    int error = pl_link_init(&at->up, network->env, &plan->up, pl_rng_next(&seeds));
    if (error != 0) {
        return error;
    }
    return pl_link_init(&at->down, network->env, &plan->down, pl_rng_next(&seeds));
}

int pl_network_init(struct pl_network *network, const struct pl_plan *plan,
                    const struct plait_env *env, struct pl_timers *timers,
                    const plait_time *clock) {
    memset(network, 0, sizeof(*network));
    network->plan = plan;
    network->env = env;
    network->timers = timers;
    network->clock = clock;
    int error = pl_timers_reserve(timers, timers->count + 4 * PL_PLAN_PORTS_MAX);
    for (unsigned h = 0; h < 2; h++) {
        for (unsigned p = 0; p < plan->host[h].port_count && error == 0; p++) {
            error = attach(network, h, p);
        }
    }
    return error;
}

void pl_network_fini(struct pl_network *network) {
    for (unsigned h = 0; h < 2; h++) {
        for (unsigned p = 0; p < network->plan->host[h].port_count; p++) {
            struct pl_attachment *at = &network->at[h][p];
            if (at->network != NULL) {
                pl_timer_cancel(network->timers, &at->up_timer);
                pl_timer_cancel(network->timers, &at->down_timer);
                pl_link_fini(&at->up);
                pl_link_fini(&at->down);
            }
        }
    }
}

uint32_t pl_network_backlog(struct pl_network *network, unsigned host, unsigned port,
                            plait_time *ready) {
    enum { TYPICAL_BITS = 12000 };
    struct pl_link *link = &network->at[host][port].up;
    struct pl_link_stats stats;
    pl_link_stats(link, *network->clock, &stats);
    *ready = *network->clock + TYPICAL_BITS * PLAIT_NS_PER_S / link->config.rate_bps + 1;
    return stats.queue_packets;
}

static void set_link(struct pl_network *network, struct pl_link *link,
                     const struct pl_link_config *config) {
    int error = pl_link_set(link, config, *network->clock);
    PL_ASSERT(error == 0);
}

void pl_network_blackhole(struct pl_network *network, unsigned host, unsigned port, bool on) {
    struct pl_attachment *at = &network->at[host][port];
    struct pl_link_config up = at->up.config;
    struct pl_link_config down = at->down.config;
    up.down = on;
    down.down = on;
    set_link(network, &at->up, &up);
    set_link(network, &at->down, &down);
    arm(at);
}

void pl_network_rebind(struct pl_network *network, unsigned host, unsigned port) {
    for (unsigned i = 0; i < 2; i++) {
        struct pl_nat *nat = &network->at[host][port].nat[i];
        if (nat->on) {
            pl_nat_rebind(nat, NULL);
        }
    }
}

void pl_network_strip(struct pl_network *network, unsigned host, unsigned port, uint32_t segments,
                      uint32_t ways) {
    network->at[host][port].strip |= segments;
    network->at[host][port].strip_ways = ways;
}

static void heal_link(struct pl_network *network, struct pl_link *link) {
    struct pl_link_config config = link->config;
    config.loss = (struct pl_loss_config){0};
    config.duplicate_ppm = 0;
    config.reorder_ppm = 0;
    config.corrupt_ppm = 0;
    config.jitter_ns = 0;
    config.limit_packets = config.limit_packets < 30 ? 30 : config.limit_packets;
    config.down = false;
    set_link(network, link, &config);
}

void pl_network_heal(struct pl_network *network) {
    for (unsigned h = 0; h < 2; h++) {
        for (unsigned p = 0; p < network->plan->host[h].port_count; p++) {
            struct pl_attachment *at = &network->at[h][p];
            heal_link(network, &at->up);
            heal_link(network, &at->down);
            at->strip = 0;
            at->rewrite_ppm = 0;
            arm(at);
        }
    }
}

#include "sim/network.h"

#include <string.h>

#include "base/assert.h"
#include "base/list.h"
#include "net/box_kind.h"
#include "sim/device.h"
#include "sim/too_big.h"
#include "wire/ip.h"

static void arm(struct pl_attachment *at) {
    pl_timer_arm(at->network->timers, &at->up_timer, pl_link_deadline(&at->up));
    pl_timer_arm(at->network->timers, &at->down_timer, pl_link_deadline(&at->down));
    pl_timer_arm(at->network->timers, &at->box_timer, pl_chain_deadline(&at->boxes));
}

/* The address outside a port's translator, or NULL. */
static const struct plait_addr *outside(const struct pl_plan_port *port, uint8_t family) {
    for (unsigned i = 0; i < port->box_count; i++) {
        const struct plait_addr *addr = &port->box[i].outside[family == PLAIT_IPV6 ? 1 : 0];
        if (addr->family == family) {
            return addr;
        }
    }
    return NULL;
}

static struct pl_attachment *route(struct pl_network *network, const struct plait_addr *dst) {
    for (unsigned h = 0; h < 2; h++) {
        for (unsigned p = 0; p < network->plan->host[h].port_count; p++) {
            struct pl_attachment *at = &network->at[h][p];
            const struct pl_plan_port *port = &network->plan->host[h].port[p];
            const struct plait_addr *translated = outside(port, dst->family);
            if (translated != NULL && pl_addr_equal(translated, dst)) {
                return at;
            }
            for (unsigned i = 0; translated == NULL && i < port->address_count; i++) {
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

static void count_payload(struct pl_attachment *at, struct plait_buf *packet) {
    struct pl_box_view view;
    if (pl_box_view(packet->data, packet->len, &view)) {
        at->payload_bytes += pl_box_payload_len(&view);
    }
}

/* Behind the boxes: to the link, or to the host, which gets bytes of its own (duplicates share
 * theirs, and a host may change what it gets). */
static void from_boxes(void *arg, enum pl_box_way way, struct plait_buf *packet,
                       const struct plait_rx_meta *meta) {
    struct pl_attachment *at = arg;
    struct pl_network *network = at->network;
    if (way == PL_BOX_OUT) {
        const struct pl_link_meta link_meta = {.rx = *meta};
        send_over(network, &at->up, packet, &link_meta);
        return;
    }
    struct plait_buf *copy = pl_box_copy(network->env, packet);
    if (copy != NULL) {
        count_payload(at, copy);
        network->deliver(network->deliver_arg, at->host, at->port, copy, meta);
        plait_buf_unref(copy);
    }
}

void pl_network_send(struct pl_network *network, unsigned host, unsigned port,
                     struct plait_buf *packet, const struct plait_rx_meta *meta) {
    struct pl_attachment *at = &network->at[host][port];
    count_payload(at, packet);
    pl_chain_send(&at->boxes, PL_BOX_OUT, packet, meta, *network->clock);
    arm(at);
}

static void box_fire(struct pl_timer *timer, plait_time now) {
    struct pl_attachment *at = PL_CONTAINER(timer, struct pl_attachment, box_timer);
    pl_chain_tick(&at->boxes, now);
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
    struct pl_link_meta meta;
    struct plait_buf *packet;
    while ((packet = pl_link_next(&at->down, now, &meta)) != NULL) {
        pl_chain_send(&at->boxes, PL_BOX_IN, packet, &meta.rx, now);
        plait_buf_unref(packet);
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
    pl_timer_init(&at->up_timer, up_fire);
    pl_timer_init(&at->down_timer, down_fire);
    pl_timer_init(&at->box_timer, box_fire);
    int error = pl_chain_init(&at->boxes, network->env, plan->box, plan->box_count, from_boxes, at);
    if (error == 0) {
        error = pl_link_init(&at->up, network->env, &plan->up, pl_rng_next(&seeds));
    }
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
    int error = pl_timers_reserve(timers, timers->count + 6 * PL_PLAN_PORTS_MAX);
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
                pl_timer_cancel(network->timers, &at->box_timer);
                pl_chain_fini(&at->boxes);
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
    pl_chain_rebind(&network->at[host][port].boxes);
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
            arm(at);
        }
    }
}

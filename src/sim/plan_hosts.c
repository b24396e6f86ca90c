/* sim/plan_hosts.c - hosts, ports, addresses and links of a plan. */
#include <string.h>

#include "sim/plan.h"

#define KIB UINT64_C(1024)

static void set_v4(struct plait_addr *addr, uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    memset(addr, 0, sizeof(*addr));
    addr->family = PLAIT_IPV4;
    addr->bytes[0] = a;
    addr->bytes[1] = b;
    addr->bytes[2] = c;
    addr->bytes[3] = d;
}

/* 2001:db8:`net`:`host`::`port` */
static void set_v6(struct plait_addr *addr, uint8_t net, uint8_t host, uint8_t port) {
    static const uint8_t prefix[4] = {0x20, 0x01, 0x0d, 0xb8};
    memset(addr, 0, sizeof(*addr));
    addr->family = PLAIT_IPV6;
    memcpy(addr->bytes, prefix, sizeof(prefix));
    addr->bytes[5] = net;
    addr->bytes[7] = host;
    addr->bytes[15] = port;
}

enum family_mode { FAMILY_V4, FAMILY_V6, FAMILY_DUAL, FAMILY_MIXED };

/* A mixed topology gives every port one random family, but for the first: it has both, so that the
 * hosts can reach each other. */
static void draw_addresses(struct pl_plan_host *host, unsigned index, enum family_mode mode,
                           struct pl_rng *rng) {
    for (unsigned p = 0; p < host->port_count; p++) {
        struct pl_plan_port *port = &host->port[p];
        bool dual = mode == FAMILY_DUAL || (mode == FAMILY_MIXED && p == 0);
        bool v6_only = mode == FAMILY_V6 || (mode == FAMILY_MIXED && pl_rng_chance(rng, 500000));
        if (dual || !v6_only) {
            set_v4(&port->address[port->address_count++].addr, 10, (uint8_t)(index + 1),
                   (uint8_t)(p + 1), 1);
        }
        if (dual || v6_only) {
            set_v6(&port->address[port->address_count++].addr, 1, (uint8_t)(index + 1),
                   (uint8_t)(p + 1));
        }
    }
}

static void draw_topology(struct pl_plan *plan) {
    struct pl_rng rng = pl_plan_rng(plan, PL_PART_TOPOLOGY);
    static const enum family_mode modes[] = {FAMILY_V4, FAMILY_V4,   FAMILY_V6,
                                             FAMILY_V6, FAMILY_DUAL, FAMILY_MIXED};
    enum family_mode mode = modes[pl_rng_below(&rng, 6)];
    for (unsigned h = 0; h < 2; h++) {
        struct pl_plan_host *host = &plan->host[h];
        host->port_count = (unsigned)pl_rng_range(&rng, 1, PL_PLAN_PORTS_MAX);
        if (h == 1 && pl_rng_chance(&rng, 500000)) {
            host->port_count = 1;
        }
        for (unsigned p = 0; p < host->port_count; p++) {
            static const uint32_t mtus[] = {1500, 1500, 1500, 1400, 1280, 9000};
            host->port[p].mtu = mtus[pl_rng_below(&rng, 6)];
            if (mode == FAMILY_V4 && pl_rng_chance(&rng, 100000)) {
                host->port[p].mtu = 576;
            }
        }
        draw_addresses(host, h, mode, &rng);
    }
}

/* What an administrator would say with `ip mptcp endpoint`. */
static void draw_endpoints(struct pl_plan *plan) {
    struct pl_rng rng = pl_plan_rng(plan, PL_PART_ENDPOINTS);
    for (unsigned h = 0; h < 2; h++) {
        static const uint32_t styles[] = {
            0,
            PLAIT_ADDRESS_SUBFLOW,
            PLAIT_ADDRESS_SUBFLOW,
            PLAIT_ADDRESS_SIGNAL,
            PLAIT_ADDRESS_SIGNAL,
            PLAIT_ADDRESS_SUBFLOW | PLAIT_ADDRESS_FULLMESH,
            PLAIT_ADDRESS_SIGNAL | PLAIT_ADDRESS_SUBFLOW,
        };
        uint32_t style = styles[pl_rng_below(&rng, 7)];
        bool uniform = pl_rng_chance(&rng, 600000);
        for (unsigned p = 0; p < plan->host[h].port_count; p++) {
            struct pl_plan_port *port = &plan->host[h].port[p];
            for (unsigned i = 0; i < port->address_count; i++) {
                uint32_t other = styles[pl_rng_below(&rng, 7)];
                uint16_t tcp_port = (uint16_t)pl_rng_range(&rng, 6000, 6100);
                bool announced = pl_rng_chance(&rng, 100000);
                port->address[i].flags = uniform ? style : other;
                bool signals = (port->address[i].flags & PLAIT_ADDRESS_SIGNAL) != 0;
                port->address[i].announce_port = announced && signals ? tcp_port : 0;
            }
        }
    }
}

static void draw_priorities(struct pl_plan *plan) {
    struct pl_rng rng = pl_plan_rng(plan, PL_SIM_PRIORITY);
    for (unsigned h = 0; h < 2; h++) {
        for (unsigned p = 0; p < plan->host[h].port_count; p++) {
            struct pl_plan_port *port = &plan->host[h].port[p];
            port->flags |= pl_rng_chance(&rng, 150000) ? PLAIT_PORT_BACKUP : 0;
            for (unsigned i = 0; i < port->address_count; i++) {
                port->address[i].flags |= pl_rng_chance(&rng, 250000) ? PLAIT_ADDRESS_BACKUP : 0;
            }
        }
    }
}

static void draw_offloads(struct pl_plan *plan) {
    struct pl_rng rng = pl_plan_rng(plan, PL_SIM_OFFLOAD);
    for (unsigned h = 0; h < 2; h++) {
        for (unsigned p = 0; p < plan->host[h].port_count; p++) {
            struct pl_plan_port *port = &plan->host[h].port[p];
            port->flags |= pl_rng_chance(&rng, 500000) ? PLAIT_PORT_TX_CSUM : 0;
            if (pl_rng_chance(&rng, 500000)) {
                port->flags |= PLAIT_PORT_TSO;
                port->uncut = pl_rng_chance(&rng, 400000);
            }
            port->rx_csum_ok = pl_rng_chance(&rng, 500000);
        }
    }
}

static void draw_rings(struct pl_plan *plan) {
    struct pl_rng rng = pl_plan_rng(plan, PL_SIM_RING);
    for (unsigned h = 0; h < 2; h++) {
        for (unsigned p = 0; p < plan->host[h].port_count; p++) {
            bool here = pl_rng_chance(&rng, 600000);
            uint32_t ring = (uint32_t)pl_rng_range(&rng, 1, 16);
            plan->host[h].port[p].ring = here ? ring : 0;
        }
    }
}

/* ---- links ---- */

static void draw_link(struct pl_link_config *link, struct pl_rng *rng, bool fast) {
    pl_link_config_init(link);
    link->rate_bps = pl_plan_log(rng, fast ? 20000000 : 300000, 200000000);
    link->delay_ns = pl_plan_log(rng, 100000, fast ? 10000000 : 80000000);
    link->limit_packets = (uint32_t)pl_plan_log(rng, 30, 300);
}

static void harm_link(const struct pl_plan *plan, struct pl_link_config *link,
                      struct pl_rng rng[PL_SIM_FAULT_COUNT]) {
    if (plan->fault[PL_SIM_LOSS]) {
        link->loss.model = PL_LOSS_RANDOM;
        link->loss.random_ppm = (uint32_t)pl_plan_log(&rng[PL_SIM_LOSS], 1000, 100000);
    }
    if (plan->fault[PL_SIM_BURST]) {
        link->loss = (struct pl_loss_config){
            .model = PL_LOSS_GEMODEL,
            .to_bad_ppm = (uint32_t)pl_plan_log(&rng[PL_SIM_BURST], 1000, 50000),
            .to_good_ppm = (uint32_t)pl_plan_log(&rng[PL_SIM_BURST], 50000, 500000),
            .bad_loss_ppm = (uint32_t)pl_rng_range(&rng[PL_SIM_BURST], 300000, 1000000),
            .good_loss_ppm = link->loss.random_ppm,
        };
    }
    if (plan->fault[PL_SIM_DUPLICATE]) {
        link->duplicate_ppm = (uint32_t)pl_plan_log(&rng[PL_SIM_DUPLICATE], 1000, 200000);
    }
    if (plan->fault[PL_SIM_REORDER]) {
        link->reorder_ppm = (uint32_t)pl_plan_log(&rng[PL_SIM_REORDER], 1000, 300000);
        link->reorder_gap = (uint32_t)pl_rng_range(&rng[PL_SIM_REORDER], 1, 10);
    }
    if (plan->fault[PL_SIM_JITTER]) {
        link->jitter_ns = pl_plan_log(&rng[PL_SIM_JITTER], 100000, 60000000);
        link->delay_ns += link->jitter_ns;
    }
    if (plan->fault[PL_SIM_CORRUPT]) {
        link->corrupt_ppm = (uint32_t)pl_plan_log(&rng[PL_SIM_CORRUPT], 1000, 50000);
    }
    if (plan->fault[PL_SIM_QUEUE]) {
        link->limit_packets = (uint32_t)pl_rng_range(&rng[PL_SIM_QUEUE], 4, 20);
    }
    if (plan->fault[PL_SIM_ECN]) {
        link->mark_bytes = pl_plan_log(&rng[PL_SIM_ECN], 200, 8000);
    }
}

/* Boxes that change packets do not change what ICMP quotes here, so there is none together with it.
 */
static void draw_path_mtus(struct pl_plan *plan) {
    bool boxes = plan->fault[PL_SIM_NAT] || plan->fault[PL_SIM_RESEQ];
    struct pl_rng rng = pl_plan_rng(plan, PL_SIM_PMTU);
    for (unsigned h = 0; h < 2; h++) {
        for (unsigned p = 0; p < plan->host[h].port_count; p++) {
            struct pl_plan_port *port = &plan->host[h].port[p];
            bool here = pl_rng_chance(&rng, 500000);
            uint32_t mtu = (uint32_t)pl_rng_range(&rng, 1280, 1500);
            if (here && !boxes && port->mtu > mtu) {
                port->up.mtu = mtu;
                port->down.mtu = mtu;
            }
        }
    }
}

static void draw_links(struct pl_plan *plan) {
    struct pl_rng base = pl_plan_rng(plan, PL_PART_LINKS);
    struct pl_rng rng[PL_SIM_FAULT_COUNT];
    for (unsigned i = 0; i < PL_SIM_FAULT_COUNT; i++) {
        rng[i] = pl_plan_rng(plan, i);
    }
    for (unsigned h = 0; h < 2; h++) {
        bool fast = h == 1 && pl_rng_chance(&base, 700000);
        for (unsigned p = 0; p < plan->host[h].port_count; p++) {
            struct pl_plan_port *port = &plan->host[h].port[p];
            draw_link(&port->up, &base, fast);
            draw_link(&port->down, &base, fast);
            if (!fast) {
                harm_link(plan, &port->up, rng);
                harm_link(plan, &port->down, rng);
            }
        }
    }
}

/* ---- boxes ---- */

static void draw_nat(struct pl_plan *plan) {
    struct pl_rng rng = pl_plan_rng(plan, PL_SIM_NAT);
    for (unsigned p = 0; p < plan->host[0].port_count; p++) {
        struct pl_plan_port *port = &plan->host[0].port[p];
        struct pl_box_config nat = {.kind = PL_BOX_KIND_NAT, .ways = PL_BOX_WAY_BOTH};
        bool here = p == 0 || pl_rng_chance(&rng, 500000);
        nat.port_first = (uint16_t)pl_rng_range(&rng, 10000, 60000);
        for (unsigned i = 0; i < port->address_count; i++) {
            if (port->address[i].addr.family == PLAIT_IPV4) {
                set_v4(&nat.outside[0], 198, 51, 100, (uint8_t)(p + 1));
            } else {
                set_v6(&nat.outside[1], 2, 0, (uint8_t)(p + 1));
            }
        }
        if (here) {
            pl_plan_add_box(port, &nat);
        }
    }
}

static void add_harm(struct pl_plan *plan, struct pl_plan_port *port, enum pl_box_kind kind) {
    struct pl_box_config box = {.kind = kind, .ways = PL_BOX_WAY_BOTH, .until = plan->heal_time};
    pl_plan_add_box(port, &box);
}

static void draw_boxes(struct pl_plan *plan) {
    struct pl_rng strip = pl_plan_rng(plan, PL_SIM_STRIP_SYN);
    struct pl_rng rewrite = pl_plan_rng(plan, PL_SIM_REWRITE);
    struct pl_rng reseq = pl_plan_rng(plan, PL_SIM_RESEQ);
    for (unsigned h = 0; h < 2; h++) {
        for (unsigned p = 0; p < plan->host[h].port_count; p++) {
            struct pl_plan_port *port = &plan->host[h].port[p];
            bool rewrites = pl_rng_chance(&rewrite, 500000);
            uint32_t every_bytes = (uint32_t)pl_plan_log(&rewrite, 5000, 500000);
            bool strips = pl_rng_chance(&strip, 500000);
            bool reseqs = pl_rng_chance(&reseq, 500000);
            uint64_t secret = pl_rng_next(&reseq);
            if (plan->fault[PL_SIM_STRIP_SYN] && strips) {
                add_harm(plan, port, PL_BOX_KIND_STRIP_SYN);
            }
            if (plan->fault[PL_SIM_STRIP_SYN_ACK] && strips) {
                add_harm(plan, port, PL_BOX_KIND_STRIP_SYN_ACK);
            }
            if (plan->fault[PL_SIM_REWRITE] && rewrites) {
                add_harm(plan, port, PL_BOX_KIND_REWRITE);
                port->box[port->box_count - 1].every_bytes = every_bytes;
            }
            if (plan->fault[PL_SIM_RESEQ] && reseqs) {
                const struct pl_box_config box = {
                    .kind = PL_BOX_KIND_RESEQ, .ways = PL_BOX_WAY_OUT, .seed = secret};
                pl_plan_add_box(port, &box);
            }
        }
    }
    if (plan->fault[PL_SIM_NAT]) {
        draw_nat(plan);
    }
}

/* ---- settings ---- */

static void draw_config(struct plait_config *config, struct pl_rng *rng) {
    static const uint64_t waits_ns[] = {3 * PLAIT_NS_PER_S, 10 * PLAIT_NS_PER_S,
                                        60 * PLAIT_NS_PER_S};
    plait_config_init(config);
    config->v0 = &plait_mptcp_v0;
    config->cc = pl_rng_chance(rng, 500000) ? PLAIT_CC_CUBIC : PLAIT_CC_RENO;
    config->subflows_max = (uint32_t)pl_rng_range(rng, 2, 8);
    config->add_addr_accepted_max = (uint32_t)pl_rng_range(rng, 0, 8);
    config->send_buffer_bytes = (uint32_t)pl_plan_log(rng, 16 * KIB, 1024 * KIB);
    config->receive_buffer_bytes = (uint32_t)pl_plan_log(rng, 16 * KIB, 1024 * KIB);
    config->time_wait_ns = waits_ns[pl_rng_below(rng, 3)];
    config->orphan_ns = pl_rng_range(rng, 30, 90) * PLAIT_NS_PER_S;
}

/* A quarter of the hosts keep what draw_config drew. */
static void draw_cc(struct plait_config *config, struct pl_rng *rng) {
    if (pl_rng_chance(rng, 500000)) {
        config->cc = PLAIT_CC_BBR;
    } else if (pl_rng_chance(rng, 500000)) {
        config->cc = PLAIT_CC_LIA;
    }
}

/* What reacts to marks: BBR does not. Most hosts ask, or nobody would hear of the queues. */
static void draw_ecn(struct plait_config *config, struct pl_rng *rng) {
    static const uint8_t answers[] = {PLAIT_CC_CUBIC, PLAIT_CC_RENO, PLAIT_CC_DCTCP,
                                      PLAIT_CC_DCTCP};
    static const uint8_t wishes[] = {PLAIT_ECN_ON, PLAIT_ECN_ON, PLAIT_ECN_ACCEPT, PLAIT_ECN_OFF};
    uint8_t answer = answers[pl_rng_below(rng, 4)];
    config->ecn = wishes[pl_rng_below(rng, 4)];
    config->cc = pl_rng_chance(rng, 900000) ? answer : config->cc;
}

static void draw_config_faults(struct pl_plan *plan) {
    struct pl_rng buffers = pl_plan_rng(plan, PL_SIM_BUFFERS);
    struct pl_rng memory = pl_plan_rng(plan, PL_SIM_MEMORY);
    struct pl_rng checksum = pl_plan_rng(plan, PL_SIM_CHECKSUM);
    struct pl_rng deny = pl_plan_rng(plan, PL_SIM_DENY_JOIN);
    struct pl_rng plain = pl_plan_rng(plan, PL_SIM_PLAIN_PEER);
    struct pl_rng ecn = pl_plan_rng(plan, PL_SIM_ECN);
    struct pl_rng versions = pl_plan_rng(plan, PL_SIM_VERSIONS);
    for (unsigned h = 0; h < 2; h++) {
        struct plait_config *config = &plan->host[h].config;
        if (plan->fault[PL_SIM_BUFFERS]) {
            config->send_buffer_bytes = (uint32_t)pl_rng_range(&buffers, 4 * KIB, 12 * KIB);
            config->receive_buffer_bytes = (uint32_t)pl_rng_range(&buffers, 4 * KIB, 12 * KIB);
        }
        if (plan->fault[PL_SIM_MEMORY]) {
            config->memory_bytes_max = pl_plan_log(&memory, 64 * KIB, 1024 * KIB);
        }
        if (plan->fault[PL_SIM_COOKIES]) {
            config->syn_cookies = PLAIT_SYN_COOKIES_ALWAYS;
        }
        config->checksum = plan->fault[PL_SIM_CHECKSUM] && pl_rng_chance(&checksum, 500000);
        if (plan->fault[PL_SIM_ECN]) {
            draw_ecn(config, &ecn);
        }
        if (plan->fault[PL_SIM_VERSIONS]) {
            config->versions = (uint8_t)pl_rng_below(&versions, PLAIT_MPTCP_V1_V0 + 1);
        }
        config->deny_join_initial = plan->fault[PL_SIM_DENY_JOIN] && pl_rng_chance(&deny, 500000);
    }
    if (plan->fault[PL_SIM_REWRITE]) { /* mostly with a way to notice */
        plan->bytes = PL_BYTES_MARKED;
        plan->host[0].config.checksum = true;
    }
    if (plan->fault[PL_SIM_PLAIN_PEER]) {
        plan->host[pl_rng_below(&plain, 2)].config.mptcp = false;
    }
}

void pl_plan_draw_hosts(struct pl_plan *plan) {
    struct pl_rng rng = pl_plan_rng(plan, PL_PART_CONFIG);
    struct pl_rng cc = pl_plan_rng(plan, PL_PART_CC);
    draw_topology(plan);
    draw_endpoints(plan);
    draw_config(&plan->host[0].config, &rng);
    draw_config(&plan->host[1].config, &rng);
    draw_cc(&plan->host[0].config, &cc);
    draw_cc(&plan->host[1].config, &cc);
    draw_config_faults(plan);
    if (plan->fault[PL_SIM_PRIORITY]) {
        draw_priorities(plan);
    }
    if (plan->fault[PL_SIM_OFFLOAD]) {
        draw_offloads(plan);
    }
    draw_links(plan);
    if (plan->fault[PL_SIM_RING]) {
        draw_rings(plan);
    }
    if (plan->fault[PL_SIM_PMTU]) {
        draw_path_mtus(plan);
    }
    draw_boxes(plan);
}

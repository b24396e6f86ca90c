/* sim/boxes.c - one row: a plan without chance in it, the run, and what the end looks like. */
#include "sim/boxes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/plan.h"
#include "sim/world.h"

enum {
    TOTAL_BYTES = 400000,  /* each way */
    MIDDLE_BYTES = 100000, /* of a path, both ways */
    PATHS = 2,
    SHARE_MIN_PCT = 5, /* a path with less of the last quarter carries nothing */
    BUFFER_BYTES = 256 * 1024,
    REWRITE_EVERY = 4000, /* half of these bytes have the bit already */
};
#define HEAL_NS (100 * PLAIT_NS_PER_S)
#define LOOK_NS (20 * PLAIT_NS_PER_MS)

const char *pl_boxes_class_name(enum pl_boxes_class class) {
    static const char *const names[PL_BOXES_CLASSES] = {"multipath", "one-path", "fallback",
                                                        "error"};
    PL_ASSERT((unsigned)class < PL_BOXES_CLASSES);
    return names[class];
}

/* ---- the plan ---- */

static bool is_announcement(enum pl_box_kind kind) {
    return kind == PL_BOX_KIND_ADD_ADDR_DROP || kind == PL_BOX_KIND_ADD_ADDR_ALTER;
}

/* The host with the two paths: 0 is the client. */
static unsigned host_of_boxes(const struct pl_boxes_case *box) {
    bool announced = is_announcement(box->kind[0]);
    announced = announced || (box->count == 2 && is_announcement(box->kind[1]));
    return announced ? 1 : 0;
}

/* A client of IPv6 behind a NAT64. With one path there, the other is native: the server announces
 * an address of that family. With both, it announces one that the client has no use for. */
static bool behind_nat64(const struct pl_boxes_case *box) {
    return box->kind[0] == PL_BOX_KIND_NAT64 ||
           (box->count == 2 && box->kind[1] == PL_BOX_KIND_NAT64);
}

static struct plait_addr address_v6(unsigned host, unsigned port) {
    return (struct plait_addr){.bytes = {0xfd, [13] = (uint8_t)(host + 1), (uint8_t)(port + 1), 1},
                               .family = PLAIT_IPV6};
}

static struct plait_addr address(unsigned host, unsigned port) {
    return (struct plait_addr){.bytes = {10, (uint8_t)(host + 1), (uint8_t)(port + 1), 1},
                               .family = PLAIT_IPV4};
}

/* Paths are slow, so that what goes wrong on one can be mended before the end. */
static void plan_port(struct pl_plan_port *port, unsigned host, unsigned index, bool path) {
    port->mtu = 1500;
    port->address_count = 1;
    port->address[0].addr = address(host, index);
    pl_link_config_init(&port->up);
    port->up.rate_bps = path ? 1000000 : 100000000;
    port->up.delay_ns = (path ? 10 : 1) * PLAIT_NS_PER_MS;
    port->up.limit_packets = 60;
    if (path) {
        port->up.loss = (struct pl_loss_config){.model = PL_LOSS_RANDOM, .random_ppm = 20000};
    }
    port->down = port->up;
}

static void plan_box(struct pl_plan_port *port, const struct pl_boxes_case *box, unsigned which,
                     unsigned host) {
    static const uint32_t out_of_way[PL_BOXES_WAYS] = {PL_BOX_WAY_OUT, PL_BOX_WAY_IN,
                                                       PL_BOX_WAY_BOTH};
    struct pl_box_config config = {.kind = box->kind[which], .ways = out_of_way[box->way]};
    if (host == 1 && config.ways != PL_BOX_WAY_BOTH) {
        config.ways ^= PL_BOX_WAY_BOTH;
    }
    config.after_bytes = box->middle ? MIDDLE_BYTES : 0;
    config.every_bytes = config.kind == PL_BOX_KIND_REWRITE ? REWRITE_EVERY : 0;
    if (config.kind == PL_BOX_KIND_NAT || config.kind == PL_BOX_KIND_REBIND) {
        config.port_first = 20000;
        config.outside[0] = port->address[0].addr;
        config.outside[0].bytes[0] = 198;
    } else if (config.kind == PL_BOX_KIND_NAT64) {
        config.port_first = 30000;
        config.outside[0] = address(host, port->address[0].addr.bytes[14] - 1U);
        config.outside[0].bytes[0] = 198;
    }
    pl_plan_add_box(port, &config);
}

static enum pl_plan_bytes bytes_after(const struct pl_boxes_case *box) {
    enum pl_plan_bytes bytes = PL_BYTES_SAME;
    for (unsigned i = 0; i < box->count; i++) {
        if (box->kind[i] == PL_BOX_KIND_GROW || box->kind[i] == PL_BOX_KIND_SHRINK) {
            return PL_BYTES_OTHER;
        }
        bytes = box->kind[i] == PL_BOX_KIND_REWRITE ? PL_BYTES_MARKED : bytes;
    }
    return bytes;
}

static void plan_families(struct pl_plan *plan, bool native) {
    struct pl_plan_port *server = &plan->host[1].port[0];
    for (unsigned p = 0; p < PATHS; p++) {
        plan->host[0].port[p].address[0].addr = address_v6(0, p);
    }
    plan->conn[0].nat64 = true;
    server->address_count = 2;
    server->address[1].flags = PLAIT_ADDRESS_SIGNAL;
    server->address[1].addr = native ? address_v6(1, 0) : address(1, 1);
    if (native) { /* from the second path it reaches that address only */
        plan->host[0].port[1].address[0].flags = PLAIT_ADDRESS_FULLMESH;
    }
}

static void plan_hosts(struct pl_plan *plan, const struct pl_boxes_case *box) {
    unsigned paths_at = host_of_boxes(box);
    for (unsigned h = 0; h < 2; h++) {
        struct pl_plan_host *host = &plan->host[h];
        plait_config_init(&host->config);
        host->config.checksum = box->checksum;
        host->config.send_buffer_bytes = BUFFER_BYTES;
        host->config.time_wait_ns = PLAIT_NS_PER_S;
        host->port_count = h == paths_at ? PATHS : 1;
        for (unsigned p = 0; p < host->port_count; p++) {
            plan_port(&host->port[p], h, p, h == paths_at);
        }
    }
    plan->host[paths_at].port[1].address[0].flags =
        paths_at == 0 ? PLAIT_ADDRESS_SUBFLOW : PLAIT_ADDRESS_SIGNAL;
    if (behind_nat64(box)) {
        plan_families(plan, box->place == PL_BOXES_FIRST);
    }
    for (unsigned p = 0; p < PATHS; p++) {
        bool here = box->place == PL_BOXES_ALL || (unsigned)box->place == p;
        for (unsigned i = 0; i < box->count && here; i++) {
            plan_box(&plan->host[paths_at].port[p], box, i, paths_at);
        }
    }
}

static void plan_conn(struct pl_plan *plan) {
    struct pl_plan_conn *conn = &plan->conn[0];
    plan->conn_count = 1;
    conn->family = conn->nat64 ? PLAIT_IPV6 : PLAIT_IPV4;
    conn->bound = true;
    for (unsigned s = 0; s < 2; s++) {
        conn->side[s] = (struct pl_plan_side){.total = TOTAL_BYTES,
                                              .first = TOTAL_BYTES,
                                              .peer_unit = 1,
                                              .write_max = 16384,
                                              .read_max = 65536,
                                              .end = PL_END_SHUTDOWN,
                                              .pattern = plan->seed * 2 + s,
                                              .mptcp = true};
    }
}

static void make_plan(struct pl_plan *plan, const struct pl_boxes_case *box, uint64_t seed) {
    memset(plan, 0, sizeof(*plan));
    plan->seed = seed;
    plan->heal_time = HEAL_NS;
    plan->errors_tell = true;
    plan->bytes = bytes_after(box);
    plan_hosts(plan, box);
    plan_conn(plan);
}

/* ---- looking on ---- */

struct watch {
    struct pl_world *world;
    struct pl_timer timer;
    unsigned host;
    bool marked;
    uint64_t payload_bytes[PATHS]; /* at three quarters of the transfer */
};

static void look(struct pl_timer *timer, plait_time now) {
    struct watch *watch = PL_CONTAINER(timer, struct watch, timer);
    struct pl_world *world = watch->world;
    uint64_t read = world->app[0][0].received + world->app[0][1].received;
    if (read < 2 * TOTAL_BYTES / 4 * 3) {
        if (!world->healed) {
            pl_timer_arm(&world->timers, &watch->timer, now + LOOK_NS);
        }
        return;
    }
    watch->marked = true;
    for (unsigned p = 0; p < PATHS; p++) {
        watch->payload_bytes[p] = world->network.at[watch->host][p].payload_bytes;
    }
}

static bool both_paths_carry(const struct watch *watch) {
    uint64_t share[PATHS], all = 0;
    for (unsigned p = 0; p < PATHS; p++) {
        share[p] = watch->world->network.at[watch->host][p].payload_bytes - watch->payload_bytes[p];
        all += share[p];
    }
    return share[0] * 100 > all * SHARE_MIN_PCT && share[1] * 100 > all * SHARE_MIN_PCT;
}

/* ---- the result ---- */

static void name_counters(const struct pl_world *world, struct pl_boxes_result *result) {
    static const enum plait_counter telling[] = {PLAIT_COUNTER_MPCapableSYNTXDrop,
                                                 PLAIT_COUNTER_MPCapableFallbackSYNACK,
                                                 PLAIT_COUNTER_MPCapableFallbackACK,
                                                 PLAIT_COUNTER_MPCapableDataFallback,
                                                 PLAIT_COUNTER_DssFallback,
                                                 PLAIT_COUNTER_DataCsumErr,
                                                 PLAIT_COUNTER_DSSCorruptionFallback,
                                                 PLAIT_COUNTER_DSSCorruptionReset,
                                                 PLAIT_COUNTER_DSSNotMatching,
                                                 PLAIT_COUNTER_DSSNoMatchTCP,
                                                 PLAIT_COUNTER_MPJoinSynAckHMacFailure,
                                                 PLAIT_COUNTER_MPJoinAckHMacFailure,
                                                 PLAIT_COUNTER_MPJoinRejected,
                                                 PLAIT_COUNTER_AddAddrDrop,
                                                 PLAIT_COUNTER_FallbackFailed};
    size_t used = 0;
    for (unsigned i = 0; i < sizeof(telling) / sizeof(telling[0]); i++) {
        uint64_t value = plait_counters(world->host[0].stack)[telling[i]] +
                         plait_counters(world->host[1].stack)[telling[i]];
        if (value > 0 && used < sizeof(result->noticed)) {
            int n = snprintf(result->noticed + used, sizeof(result->noticed) - used, "%s%s",
                             used > 0 ? "," : "", plait_counter_name(telling[i]));
            used += n > 0 ? (size_t)n : 0;
        }
    }
    if (used == 0) {
        snprintf(result->noticed, sizeof(result->noticed), "-");
    }
}

static bool all_acted(const struct pl_world *world, const struct pl_boxes_case *box,
                      unsigned host) {
    for (unsigned i = 0; i < box->count; i++) {
        uint64_t acted = 0;
        for (unsigned p = 0; p < PATHS; p++) {
            const struct pl_chain *chain = &world->network.at[host][p].boxes;
            acted += chain->count > i ? pl_chain_acted(chain, i) : 0;
        }
        if (acted == 0) {
            return false;
        }
    }
    return true;
}

/* Each end has come to its own end (the world sees to that); without an error, all that was written
 * was read. */
static void judge(struct pl_world *world, const struct pl_boxes_result *result) {
    for (unsigned s = 0; s < 2; s++) {
        const struct pl_app *app = &world->app[0][s];
        PL_ASSERT(app->state == PL_APP_DONE || app->state == PL_APP_IDLE);
        if (result->class == PL_BOXES_ERROR) {
            continue;
        }
        bool whole = app->received == TOTAL_BYTES || app->altered;
        if (app->written != TOTAL_BYTES || !whole) {
            pl_sim_fail(&world->verdict, "side %c read %llu of %d bytes, and no error",
                        'a' + (int)s, (unsigned long long)app->received, TOTAL_BYTES);
        }
    }
}

static void fill_result(const struct watch *watch, const struct pl_boxes_case *box,
                        struct pl_boxes_result *result) {
    struct pl_world *world = watch->world;
    result->class = both_paths_carry(watch) ? PL_BOXES_MULTIPATH : PL_BOXES_ONE_PATH;
    for (unsigned s = 2; s-- > 0;) {
        const struct pl_app *app = &world->app[0][s];
        result->altered = result->altered || app->altered;
        result->ended_at = app->done_at > result->ended_at ? app->done_at : result->ended_at;
        if (app->fallback && result->class != PL_BOXES_ERROR) {
            result->class = PL_BOXES_FALLBACK;
        }
        result->told[s] = app->error;
        result->began[s] = app->state != PL_APP_IDLE;
        result->class = app->error != 0 ? PL_BOXES_ERROR : result->class;
    }
    name_counters(world, result);
    result->acted = all_acted(world, box, watch->host);
    if (world->verdict.failures == 0) {
        judge(world, result);
    }
}

static void run(struct pl_world *world, const struct pl_boxes_case *box,
                struct pl_boxes_result *result) {
    struct watch watch = {.world = world, .host = host_of_boxes(box)};
    pl_timer_init(&watch.timer, look);
    pl_timer_arm(&world->timers, &watch.timer, LOOK_NS);
    pl_world_run(world);
    pl_timer_cancel(&world->timers, &watch.timer);
    fill_result(&watch, box, result);
}

int pl_boxes_run(const struct pl_boxes_case *box, const struct pl_sim_options *options,
                 uint64_t seed, struct pl_boxes_result *result) {
    struct pl_plan *plan = malloc(sizeof(*plan));
    struct pl_world *world = malloc(sizeof(*world));
    int error = PLAIT_E_NO_MEMORY;
    *result = (struct pl_boxes_result){.class = PL_BOXES_ERROR};
    if (plan != NULL && world != NULL) {
        make_plan(plan, box, seed);
        error = pl_world_init(world, plan, options->hashes);
    }
    if (error == 0) {
        world->fill = options->fill;
        world->record.trace = options->trace;
        world->record.capture = options->capture;
        world->record.capture_arg = options->capture_arg;
        run(world, box, result);
        pl_world_fini(world);
        memcpy(result->reason, world->verdict.reason, sizeof(result->reason));
        result->hash = world->record.hash;
    }
    free(world);
    free(plan);
    return error;
}

/* sim/grid.c - two stacks, two links and a clock.
 *
 * The transfer lasts a while and is then cut off, so that the figures are those of a connection in
 * the midst of its work. The while is long enough for GOAL_PACKETS at the rate that the link or the
 * loss leaves (M. Mathis et al., "The macroscopic behavior of the TCP congestion avoidance
 * algorithm", 1997), for ROUNDS round trips at least and TIME_MAX at most. */
#include "sim/grid.h"

#include <string.h>

#include "net/link.h"
#include "plait/plait.h"
#include "sim/device.h"
#include "sim/env.h"

enum {
    SENDER,
    RECEIVER,
    HOSTS,
    PACKET = 1500,
    QUEUE_PACKETS_MIN = 4,
    ACK_QUEUE_PACKETS = 100000,
    GOAL_PACKETS = 12000,
    ROUNDS = 12,
    PORT = 5001,
    CHUNK = 1 << 16,
    BATCH = 16,
    SPARE_BUFFER = 1 << 20,
    TURNS_MAX = 100, /* of the hosts at one instant */
};
#define TIME_MAX (60 * PLAIT_NS_PER_S)
#define CONNECT_TIME_MAX (130 * PLAIT_NS_PER_S)

struct host {
    struct pl_sim_env env;
    struct plait_stack *stack;
    plait_port_id port;
    plait_sock sock;
    bool ready; /* writable, or readable */
    struct pl_plan_port plan;
    struct pl_device device;
    struct pl_link out; /* towards the other one */
};

struct grid {
    const struct pl_grid_cell *cell;
    struct pl_sim_verdict verdict;
    struct pl_record record;
    struct host host[HOSTS];
    plait_sock listener;
    plait_time now, start, end;
    uint64_t received;
};

static const uint32_t grid_mbps[] = {1, 10, 100, 1000};
static const uint32_t grid_rtt_ms[] = {1, 20, 100, 300};
static const uint32_t grid_loss_ppm[] = {0, 1000, 10000, 30000};
static const uint32_t grid_queue_pct[] = {25, 100, 400};

/* ---- the grid ---- */

uint64_t pl_grid_queue_bytes(const struct pl_grid_cell *cell) {
    uint64_t bdp = (uint64_t)cell->mbps * cell->rtt_ms * 125;
    uint64_t packets = (bdp * cell->queue_pct / 100 + PACKET / 2) / PACKET;
    return (packets > QUEUE_PACKETS_MIN ? packets : QUEUE_PACKETS_MIN) * PACKET;
}

/* Queues below the least one are the same link as the cell before. */
static bool repeats(unsigned index, const struct pl_grid_cell *cell) {
    struct pl_grid_cell before = *cell;
    if (index % 3 == 0) {
        return false;
    }
    before.queue_pct = grid_queue_pct[index % 3 - 1];
    return pl_grid_queue_bytes(cell) == pl_grid_queue_bytes(&before);
}

bool pl_grid_cell(unsigned index, struct pl_grid_cell *out) {
    for (unsigned i = 0; i < 4 * 4 * 4 * 3; i++) {
        *out = (struct pl_grid_cell){.mbps = grid_mbps[i / 48],
                                     .rtt_ms = grid_rtt_ms[i / 12 % 4],
                                     .loss_ppm = grid_loss_ppm[i / 3 % 4],
                                     .queue_pct = grid_queue_pct[i % 3]};
        if (!repeats(i, out) && index-- == 0) {
            return true;
        }
    }
    return false;
}

static uint64_t square_root(uint64_t x) {
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 31; bit > 0; bit >>= 1) {
        root += (root + bit) * (root + bit) <= x ? bit : 0;
    }
    return root;
}

static uint64_t duration_ns(const struct pl_grid_cell *cell) {
    uint64_t packets_per_s = (uint64_t)cell->mbps * 1000000 / 8 / PACKET;
    if (cell->loss_ppm > 0) { /* 1.22 / (RTT * sqrt(loss)) */
        uint64_t lossy = 1220 * 1000 / (cell->rtt_ms * square_root(cell->loss_ppm));
        packets_per_s = lossy < packets_per_s ? lossy : packets_per_s;
    }
    uint64_t ns = GOAL_PACKETS * PLAIT_NS_PER_S / (packets_per_s > 0 ? packets_per_s : 1);
    uint64_t least = ROUNDS * cell->rtt_ms * PLAIT_NS_PER_MS;
    ns = ns > least ? ns : least;
    return ns < TIME_MAX ? ns : TIME_MAX;
}

/* ---- setting up ---- */

static struct plait_addr address(unsigned index) {
    return (struct plait_addr){.bytes = {10, 0, 0, (uint8_t)(index + 1)}, .family = PLAIT_IPV4};
}

static void emit(void *arg, struct plait_buf *packet, const struct plait_rx_meta *meta) {
    struct host *host = arg;
    const struct pl_link_meta with = {.rx = *meta};
    (void)pl_link_send(&host->out, packet, &with, *host->env.record->clock);
}

static void link_settings(const struct pl_grid_cell *cell, unsigned index,
                          struct pl_link_config *config) {
    pl_link_config_init(config);
    config->rate_bps = cell->mbps * UINT64_C(1000000);
    config->delay_ns = cell->rtt_ms * PLAIT_NS_PER_MS / 2;
    config->memory_bytes_max = UINT64_C(1) << 32;
    config->limit_packets = ACK_QUEUE_PACKETS;
    if (index == SENDER) {
        config->limit_packets = 0;
        config->limit_bytes = pl_grid_queue_bytes(cell);
        config->loss.model = cell->loss_ppm > 0 ? PL_LOSS_RANDOM : PL_LOSS_NONE;
        config->loss.random_ppm = cell->loss_ppm;
    }
}

/* What is on the way and in the queue, twice: buffers shall not be the limit. */
static uint32_t buffer_bytes(const struct pl_grid_cell *cell) {
    uint64_t bdp = (uint64_t)cell->mbps * cell->rtt_ms * 125;
    return (uint32_t)(2 * (bdp + pl_grid_queue_bytes(cell)) + SPARE_BUFFER);
}

static int host_start(struct grid *grid, unsigned index, const struct pl_grid_options *options) {
    struct host *host = &grid->host[index];
    struct plait_config config;
    struct plait_port_config port = {.size = sizeof(port), .name = "link", .mtu = PACKET};
    struct pl_link_config link;
    struct plait_addr addr = address(index);
    plait_config_init(&config);
    config.send_buffer_bytes = buffer_bytes(grid->cell);
    config.receive_buffer_bytes = 2 * config.send_buffer_bytes;
    config.memory_bytes_max = UINT64_C(1) << 32;
    port.flags = PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM;
    pl_sim_env_init(&host->env, options->hashes, 2 * options->seed + index, index, &grid->record,
                    &grid->verdict);
    host->env.env.trace = options->trace != NULL ? host->env.env.trace : NULL;
    host->plan = (struct pl_plan_port){.mtu = PACKET, .flags = port.flags};
    host->device = (struct pl_device){.env = &host->env.env,
                                      .port = &host->plan,
                                      .mtu = PACKET,
                                      .verdict = &grid->verdict,
                                      .emit = emit,
                                      .arg = host};
    link_settings(grid->cell, index, &link);
    int error = pl_link_init(&host->out, &host->env.env, &link, 2 * options->seed + index);
    if (error == 0) {
        error = plait_stack_create(&host->stack, &host->env.env, &config);
    }
    if (error == 0) {
        error = plait_port_add(host->stack, &port, &host->port);
    }
    return error < 0 ? error : plait_address_add(host->stack, host->port, &addr, 0, 0, 0, 0);
}

static void host_stop(struct host *host) {
    plait_stack_destroy(host->stack);
    pl_link_fini(&host->out);
}

static int connect_hosts(struct grid *grid) {
    struct plait_stack *sender = grid->host[SENDER].stack;
    struct plait_stack *receiver = grid->host[RECEIVER].stack;
    const struct plait_endpoint to = {.addr = address(RECEIVER), .port = PORT};
    int error = plait_open(receiver, &grid->listener);
    if (error == 0) {
        error = plait_bind(receiver, grid->listener, 0, NULL, PORT);
    }
    if (error == 0) {
        error = plait_listen(receiver, grid->listener, 1);
    }
    if (error == 0) {
        error = plait_open(sender, &grid->host[SENDER].sock);
    }
    if (error == 0) {
        error = plait_set(sender, grid->host[SENDER].sock, PLAIT_OPT_MPTCP, 0);
    }
    return error < 0 ? error : plait_connect(sender, grid->host[SENDER].sock, &to, 0);
}

/* ---- running ---- */

static void complain(struct grid *grid, const char *what, int error) {
    pl_sim_fail(&grid->verdict, "%s: %s", what, plait_error_name(error));
}

static void take_event(struct grid *grid, struct host *host, const struct plait_event *event) {
    if (event->type == PLAIT_EVENT_ERROR) {
        complain(grid, "connection", event->error);
    } else if (event->type == PLAIT_EVENT_CONNECTED && host == &grid->host[SENDER]) {
        grid->start = grid->now;
        grid->end = grid->now + duration_ns(grid->cell);
        host->ready = true;
    } else if (event->type == PLAIT_EVENT_ACCEPT) {
        int error = plait_accept(host->stack, grid->listener, &host->sock);
        if (error < 0) {
            complain(grid, "accept", error);
        }
    } else if (event->type == PLAIT_EVENT_WRITABLE || event->type == PLAIT_EVENT_READABLE) {
        host->ready = true;
    }
}

static void send_all(struct grid *grid) {
    static const uint8_t zeros[CHUNK];
    struct host *host = &grid->host[SENDER];
    int64_t n = 0;
    while (host->ready) {
        n = plait_write(host->stack, host->sock, zeros, sizeof(zeros), grid->now);
        host->ready = n > 0;
    }
    if (n < 0 && n != PLAIT_E_AGAIN) {
        complain(grid, "write", (int)n);
    }
}

static void read_all(struct grid *grid) {
    static uint8_t chunk[CHUNK];
    struct host *host = &grid->host[RECEIVER];
    int64_t n = 0;
    while (host->ready && host->sock != 0) {
        n = plait_read(host->stack, host->sock, chunk, sizeof(chunk), grid->now);
        host->ready = n > 0;
        grid->received += n > 0 ? (uint64_t)n : 0;
    }
    if (n < 0 && n != PLAIT_E_AGAIN) {
        complain(grid, "read", (int)n);
    }
}

/* What has arrived, what is due, and what that makes the host send. */
static void serve(struct grid *grid, unsigned index) {
    struct host *host = &grid->host[index], *peer = &grid->host[1 - index];
    struct pl_link_meta meta;
    struct plait_buf *buf;
    while ((buf = pl_link_next(&peer->out, grid->now, &meta)) != NULL) {
        plait_input(host->stack, host->port, buf, &meta.rx, grid->now);
        plait_buf_unref(buf);
    }
    if (plait_deadline(host->stack) <= grid->now) {
        plait_tick(host->stack, grid->now);
    }
    struct plait_event event;
    while (plait_event_next(host->stack, &event)) {
        take_event(grid, host, &event);
    }
    send_all(grid);
    read_all(grid);
    struct plait_tx tx[BATCH];
    unsigned n;
    while ((n = plait_output(host->stack, host->port, tx, BATCH, grid->now)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            pl_device_send(&host->device, &tx[i]);
        }
    }
}

static plait_time earlier(plait_time a, plait_time b) {
    return a < b ? a : b;
}

static void run(struct grid *grid) {
    unsigned turns = 0;
    grid->end = CONNECT_TIME_MAX;
    while (grid->now < grid->end && grid->verdict.failures == 0) {
        serve(grid, SENDER);
        serve(grid, RECEIVER);
        plait_time next = PLAIT_TIME_NEVER;
        for (unsigned i = 0; i < HOSTS; i++) {
            next = earlier(next, plait_deadline(grid->host[i].stack));
            next = earlier(next, pl_link_deadline(&grid->host[i].out));
        }
        turns = next > grid->now ? 0 : turns + 1;
        if (turns > TURNS_MAX) {
            pl_sim_fail(&grid->verdict, "time stands still");
        }
        grid->now = next > grid->now ? earlier(next, grid->end) : grid->now;
    }
    if (grid->start == 0) {
        pl_sim_fail(&grid->verdict, "not connected in time");
    }
}

static uint64_t ratio_ppm(uint64_t part, uint64_t whole) {
    return whole > 0 ? part * 1000000 / whole : 0;
}

static void measure(struct grid *grid, struct pl_grid_result *result) {
    struct host *sender = &grid->host[SENDER];
    struct plait_subflow_info info = {.size = sizeof(info)};
    struct pl_link_stats link;
    if (plait_subflows(sender->stack, sender->sock, &info, 1) != 1) {
        pl_sim_fail(&grid->verdict, "the connection is gone");
    }
    pl_link_stats(&sender->out, grid->now, &link);
    result->time_ns = grid->now - grid->start;
    result->bytes = grid->received;
    result->retransmits = info.retrans_bytes;
    result->packets_lost = link.drop_packets[PL_LINK_DROP_LOSS];
    result->packets_overflowed = link.drop_packets[PL_LINK_DROP_QUEUE];
    uint64_t capacity = grid->cell->mbps * (result->time_ns / 1000) / 8;
    result->goodput_ppm = ratio_ppm(result->bytes, capacity);
    result->retransmits_ppm = ratio_ppm(result->retransmits, result->bytes);
}

int pl_grid_run(const struct pl_grid_cell *cell, const struct pl_grid_options *options,
                struct pl_grid_result *result) {
    struct grid grid = {.cell = cell};
    memset(result, 0, sizeof(*result));
    grid.verdict.clock = &grid.now;
    pl_record_init(&grid.record, &grid.now);
    grid.record.trace = options->trace;
    int error = host_start(&grid, SENDER, options);
    error = error < 0 ? error : host_start(&grid, RECEIVER, options);
    error = error < 0 ? error : connect_hosts(&grid);
    if (error == 0) {
        run(&grid);
        measure(&grid, result);
    }
    host_stop(&grid.host[SENDER]);
    host_stop(&grid.host[RECEIVER]);
    memcpy(result->reason, grid.verdict.reason, sizeof(result->reason));
    return error;
}

/* sim/host.c - a host: a stack, its ports, and the loop that plait/stack.h describes. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "sim/device.h"
#include "sim/world.h"

enum { OUTPUT_BATCH = 8, SERVE_ROUNDS_MAX = 20000 };

static void fail(struct pl_host *host, const char *what, int error) {
    pl_sim_fail(&host->world->verdict, "host %c: %s: %s", 'a' + (int)host->index, what,
                plait_error_name(error));
}

static void plug(struct pl_host *host, unsigned index) {
    const struct pl_plan_port *plan = &host->plan->port[index];
    struct plait_port_config config = {
        .size = sizeof(config), .mtu = plan->mtu, .flags = plan->flags};
    snprintf(config.name, sizeof(config.name), "p%u", index + 1);
    int result = plait_port_add(host->stack, &config, &host->port_id[index]);
    if (result != 0) {
        fail(host, "port_add", result);
        return;
    }
    host->unplugged[index] = false;
    host->mtu[index] = plan->mtu;
    host->up[index] = true;
    for (unsigned i = 0; i < plan->address_count; i++) {
        host->address_gone[index][i] = false;
        result = plait_address_add(host->stack, host->port_id[index], &plan->address[i].addr,
                                   plan->address[i].flags, plan->address[i].announce_port, 0,
                                   host->world->now);
        if (result < 0) {
            fail(host, "address_add", result);
        }
    }
}

void pl_host_plug(struct pl_host *host, unsigned index) {
    uint32_t fail_ppm = host->env.fail_ppm;
    host->env.fail_ppm = 0; /* that is for what happens by itself */
    plug(host, index);
    host->env.fail_ppm = fail_ppm;
}

static void add_listener(struct pl_host *host, unsigned conn) {
    const struct pl_plan_conn *plan = &host->world->plan->conn[conn];
    plait_sock *sock = &host->listener[conn];
    *sock = 0;
    if (plan->initiator == host->index) {
        return;
    }
    int result = plait_open(host->stack, sock);
    if (result == 0 && !plan->side[host->index].mptcp) {
        result = plait_set(host->stack, *sock, PLAIT_OPT_MPTCP, 0);
    }
    if (result == 0 && plan->defer) {
        result = plait_set(host->stack, *sock, PLAIT_OPT_DEFER, 1);
    }
    if (result == 0) {
        result = plait_bind(host->stack, *sock, 0, NULL, pl_app_tcp_port(conn));
    }
    if (result == 0) {
        result = plait_listen(host->stack, *sock, 8);
    }
    if (result == 0 && host->world->plan->fault[PL_SIM_FASTOPEN]) {
        result = plait_set(host->stack, *sock, PLAIT_OPT_FASTOPEN, 8);
    }
    if (result != 0) {
        fail(host, "listener", result);
    }
}

static void host_fire(struct pl_timer *timer, plait_time now) {
    struct pl_host *host = PL_CONTAINER(timer, struct pl_host, timer);
    plait_tick(host->stack, now);
    pl_host_touch(host);
}

static void ring_fire(struct pl_timer *timer, plait_time now) {
    struct pl_host *host = PL_CONTAINER(timer, struct pl_host, ring_timer);
    (void)now;
    pl_host_touch(host);
}

void pl_host_start(struct pl_host *host, struct pl_world *world, unsigned index) {
    unsigned serial = host->serial + 1;
    *host = (struct pl_host){
        .world = world, .index = index, .plan = &world->plan->host[index], .serial = serial};
    struct pl_rng seeds = pl_plan_rng(world->plan, PL_PART_HOST_ENV + 16 * index + serial);
    pl_sim_env_init(&host->env, world->hashes, pl_rng_next(&seeds), index, &world->record,
                    &world->verdict);
    host->env.fill = world->fill;
    pl_timer_init(&host->timer, host_fire);
    pl_timer_init(&host->ring_timer, ring_fire);
    pl_check_init(&host->check, world->hashes, host->plan, index, &world->verdict);
    host->check.lenient = world->plan->fault[PL_SIM_ALLOC] || world->plan->fault[PL_SIM_MEMORY];
    host->check.rewritten = world->plan->bytes != PL_BYTES_SAME;
    host->check.cookies = world->plan->fault[PL_SIM_COOKIES];
    bool forgets = world->plan->fault[PL_SIM_ALLOC] || world->plan->fault[PL_SIM_VERSIONS];
    host->check.stateless = host->check.cookies && forgets;
    int result = plait_stack_create(&host->stack, &host->env.env, &host->plan->config);
    if (result != 0) {
        fail(host, "stack_create", result);
        host->stack = NULL;
        return;
    }
    for (unsigned p = 0; p < host->plan->port_count; p++) {
        pl_host_plug(host, p);
    }
    for (unsigned c = 0; c < world->plan->conn_count; c++) {
        add_listener(host, c);
    }
    host->env.fail_ppm = world->healed ? 0 : world->plan->alloc_fail_ppm;
    pl_host_touch(host);
}

void pl_host_stop(struct pl_host *host) {
    if (host->stack == NULL) {
        return;
    }
    plait_stack_destroy(host->stack);
    host->stack = NULL;
    pl_timer_cancel(&host->world->timers, &host->timer);
    pl_timer_cancel(&host->world->timers, &host->ring_timer);
    pl_check_fini(&host->check);
    if (host->env.live_blocks != 0) {
        pl_sim_fail(&host->world->verdict, "host %c: destroy leaves %llu bytes in %llu blocks",
                    'a' + (int)host->index, (unsigned long long)host->env.live_bytes,
                    (unsigned long long)host->env.live_blocks);
    }
}

void pl_host_close_listeners(struct pl_host *host) {
    for (unsigned c = 0; c < PL_PLAN_CONNS_MAX && host->stack != NULL; c++) {
        if (host->listener[c] != 0) {
            int result = plait_close(host->stack, host->listener[c], host->world->now);
            if (result != 0) {
                fail(host, "close of a listener", result);
            }
            host->listener[c] = 0;
        }
    }
    pl_host_touch(host);
}

int pl_host_port_index(const struct pl_host *host, plait_port_id id) {
    for (unsigned p = 0; p < host->plan->port_count; p++) {
        if (host->port_id[p] == id) {
            return (int)p;
        }
    }
    return -1;
}

void pl_host_touch(struct pl_host *host) {
    host->touched = true;
}

void pl_host_input(struct pl_host *host, unsigned port, struct plait_buf *packet,
                   const struct plait_rx_meta *meta) {
    struct plait_rx_meta mine = *meta;
    if (host->stack == NULL || host->unplugged[port]) {
        return;
    }
    pl_check_arrived(&host->check, packet->data, packet->len);
    pl_record_packet(&host->world->record, host->index, port + 1, false, packet->data, packet->len);
    if (host->plan->port[port].rx_csum_ok && pl_device_verify(packet->data, packet->len)) {
        mine.flags |= PLAIT_RX_CSUM_OK;
    }
    plait_input(host->stack, host->port_id[port], packet, &mine, host->world->now);
    pl_host_touch(host);
}

/* ---- the loop ---- */

struct outlet {
    struct pl_host *host;
    unsigned port;
};

static void emit(void *arg, struct plait_buf *packet, const struct plait_rx_meta *meta) {
    struct outlet *outlet = arg;
    struct pl_host *host = outlet->host;
    pl_check_sent(&host->check, outlet->port, host->mtu[outlet->port], packet->data, packet->len);
    pl_record_packet(&host->world->record, host->index, outlet->port + 1, true, packet->data,
                     packet->len);
    if (host->up[outlet->port]) {
        pl_network_send(&host->world->network, host->index, outlet->port, packet, meta);
    } else {
        fail(host, "output for a port that is down", 0);
    }
}

/* How many packets the device takes now. A full one looks again when about one has left. */
static unsigned device_room(struct pl_host *host, unsigned port) {
    uint32_t ring = host->plan->port[port].ring;
    if (ring == 0) {
        return OUTPUT_BATCH;
    }
    plait_time ready = PLAIT_TIME_NEVER;
    uint32_t waiting = pl_network_backlog(&host->world->network, host->index, port, &ready);
    if (waiting < ring) {
        return ring - waiting < OUTPUT_BATCH ? ring - waiting : OUTPUT_BATCH;
    }
    if (!pl_timer_armed(&host->ring_timer) || ready < host->ring_timer.deadline) {
        pl_timer_arm(&host->world->timers, &host->ring_timer, ready);
    }
    return 0;
}

static bool pull(struct pl_host *host, unsigned port) {
    unsigned room = device_room(host, port);
    if (room == 0) {
        return false;
    }
    struct plait_tx tx[OUTPUT_BATCH];
    struct outlet outlet = {.host = host, .port = port};
    struct pl_device device = {
        .env = &host->world->network_env.env,
        .port = &host->plan->port[port],
        .mtu = host->mtu[port],
        .verdict = &host->world->verdict,
        .emit = emit,
        .arg = &outlet,
    };
    unsigned n = plait_output(host->stack, host->port_id[port], tx, room, host->world->now);
    if (n > room) {
        fail(host, "output returned more packets than asked for", 0);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        pl_device_send(&device, &tx[i]);
    }
    return n > 0;
}

static void dispatch(struct pl_host *host, const struct plait_event *event) {
    for (unsigned c = 0; c < host->world->plan->conn_count; c++) {
        struct pl_app *app = &host->world->app[c][host->index];
        if (event->type == PLAIT_EVENT_ACCEPT && event->sock == host->listener[c]) {
            pl_app_accept(app);
        } else if (event->type != PLAIT_EVENT_ACCEPT) {
            pl_app_event(app, event);
        }
    }
}

static void check_deadline(struct pl_host *host) {
    plait_time deadline = plait_deadline(host->stack);
    if (deadline <= host->world->now) {
        deadline = host->world->now + 1;
    }
    pl_timer_arm(&host->world->timers, &host->timer, deadline);
}

void pl_host_serve(struct pl_host *host) {
    struct plait_event event;
    unsigned rounds = 0;
    host->touched = false;
    if (host->stack == NULL) {
        return;
    }
    bool more = true;
    while (more && rounds < SERVE_ROUNDS_MAX) {
        more = false;
        rounds++;
        if (plait_event_next(host->stack, &event)) {
            dispatch(host, &event);
            more = true;
            continue;
        }
        for (unsigned p = 0; p < host->plan->port_count; p++) {
            if (!host->unplugged[p] && plait_output_pending(host->stack, host->port_id[p])) {
                more = pull(host, p) || more;
            }
        }
    }
    if (more) {
        fail(host, "events or output without end", 0);
    }
    host->touched = false;
    check_deadline(host);
}

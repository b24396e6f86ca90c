/* The field of a siege: two stacks, the network between them, their applications, the witnesses. */
#include "sim/siege.h"

#include <string.h>

#include "sim/pattern.h"

enum {
    UNIT = 1000,    /* bytes that each application writes */
    TOTAL = 300000, /* each way */
    BATCH = 16,
    READ_BATCH = 64,
    PATTERN = 77,
    TURNS_MAX = 1000,
    MTU = 1500,
    CHUNK = 4096,
    INFOS_MAX = 64,
};
#define DELAY (5 * PLAIT_NS_PER_MS)
#define WRITE_GAP (10 * PLAIT_NS_PER_MS)
#define TIME_MAX (150 * PLAIT_NS_PER_S)
/* When the client's second address goes and returns, for attacks that want that. */
#define AWAY (900 * PLAIT_NS_PER_MS)
#define BACK (1200 * PLAIT_NS_PER_MS)

/* ---- the network ---- */

static int destination(const struct plait_addr *dst) {
    if (dst->bytes[1] == SIEGE_ATTACKER_NET) {
        return SIEGE_ATTACKER;
    }
    return dst->bytes[1] == 0 ? dst->bytes[3] - 1 : -1;
}

/* A packet of a host's: the attacker may see it, then it is on its way. */
static void emit(void *arg, struct plait_buf *buf, const struct plait_rx_meta *meta) {
    struct pl_siege_host *host = arg;
    struct pl_siege *siege = host->siege;
    struct pl_siege_packet packet = {.from = host->index};
    const struct pl_link_meta with = {.rx = *meta, .tag = host->index};
    if (!pl_siege_parse(&packet, buf->data, buf->len)) {
        return;
    }
    pl_siege_learn(siege, &packet);
    if (pl_siege_foreign(&packet.dst.addr)) {
        siege->result->answers++;
        siege->result->stolen_bytes += packet.seg.payload_len;
    }
    pl_record_packet(&siege->record, host->index, 1, true, buf->data, buf->len);
    if (siege->attack->see == NULL || siege->attack->see(siege, &packet)) {
        (void)pl_link_send(&siege->wire, buf, &with, siege->now);
    }
}

static void deliver(struct pl_siege *siege, struct plait_buf *buf,
                    const struct pl_link_meta *meta) {
    struct pl_siege_packet packet = {.from = (unsigned)meta->tag};
    if (!pl_siege_parse(&packet, buf->data, buf->len)) {
        return;
    }
    int to = destination(&packet.dst.addr);
    if (to == SIEGE_ATTACKER) {
        if (siege->attack->got != NULL) {
            siege->attack->got(siege, &packet);
        }
        return;
    }
    if (to < 0 || to >= SIEGE_HOSTS) {
        return;
    }
    struct pl_siege_host *host = &siege->host[to];
    unsigned port = packet.dst.addr.bytes[2];
    if (port < host->ports) {
        pl_record_packet(&siege->record, host->index, port + 1, false, buf->data, buf->len);
        plait_input(host->stack, host->port[port], buf, &meta->rx, siege->now);
    }
}

/* ---- setting up ---- */

static int add_port(struct pl_siege_host *host, unsigned index) {
    struct plait_port_config config = {.size = sizeof(config), .name = "port", .mtu = MTU};
    struct plait_endpoint end = pl_siege_endpoint(0, index, host->index + 1, 0);
    int error = plait_port_add(host->stack, &config, &host->port[index]);
    host->ports++;
    uint32_t flags = host->index == SIEGE_CLIENT ? PLAIT_ADDRESS_SUBFLOW : 0;
    int id = error < 0 ? error
                       : plait_address_add(host->stack, host->port[index], &end.addr, flags, 0, 0,
                                           host->siege->now);
    return id < 0 ? id : 0;
}

static int host_start(struct pl_siege *siege, unsigned index) {
    struct pl_siege_host *host = &siege->host[index];
    const struct pl_siege_attack *attack = siege->attack;
    struct plait_config config;
    host->siege = siege;
    host->index = index;
    plait_config_init(&config);
    config.checksum = attack->checksum;
    config.v0 = &plait_mptcp_v0;
    config.versions = siege->options->v0 ? PLAIT_MPTCP_V0 : PLAIT_MPTCP_V1;
    config.add_addr_accepted_max = 4;
    pl_sim_env_init(&host->env, siege->options->hashes, 2 * siege->options->seed + index, index,
                    &siege->record, &siege->verdict);
    host->env.env.trace = siege->options->trace != NULL ? host->env.env.trace : NULL;
    host->plan = (struct pl_plan_port){.mtu = MTU};
    host->device = (struct pl_device){.env = &host->env.env,
                                      .port = &host->plan,
                                      .mtu = MTU,
                                      .verdict = &siege->verdict,
                                      .emit = emit,
                                      .arg = host};
    int error = plait_stack_create(&host->stack, &host->env.env, &config);
    unsigned ports = index == SIEGE_CLIENT && !attack->single ? SIEGE_PORTS : 1;
    for (unsigned i = 0; error == 0 && i < ports; i++) {
        error = add_port(host, i);
    }
    return error;
}

static int begin(struct pl_siege *siege) {
    struct plait_stack *client = siege->host[SIEGE_CLIENT].stack;
    struct plait_stack *server = siege->host[SIEGE_SERVER].stack;
    const struct plait_endpoint to = pl_siege_endpoint(0, 0, SIEGE_SERVER + 1, SIEGE_TCP_PORT);
    int error = plait_open(server, &siege->listener);
    if (error == 0) {
        error = plait_bind(server, siege->listener, 0, NULL, SIEGE_TCP_PORT);
    }
    if (error == 0) {
        error = plait_listen(server, siege->listener, 16);
    }
    if (error == 0) {
        error = plait_open(client, &siege->host[SIEGE_CLIENT].sock);
    }
    return error < 0 ? error
                     : plait_connect(client, siege->host[SIEGE_CLIENT].sock, &to, siege->now);
}

/* ---- applications ---- */

static void complain(struct pl_siege_host *host, const char *what, int error) {
    pl_sim_fail(&host->siege->verdict, "%s: %s: %s",
                host->index == SIEGE_CLIENT ? "client" : "server", what, plait_error_name(error));
}

static void take_event(struct pl_siege_host *host, const struct plait_event *event) {
    struct pl_siege *siege = host->siege;
    if (event->type == PLAIT_EVENT_ACCEPT) {
        plait_sock sock = 0;
        int error = plait_accept(host->stack, siege->listener, &sock);
        host->sock = error == 0 && host->sock == 0 ? sock : host->sock;
    } else if (event->sock != host->sock) {
        return;
    } else if (event->type == PLAIT_EVENT_ERROR) {
        complain(host, "connection", event->error);
        host->gone = true;
    } else if (event->type == PLAIT_EVENT_FALLBACK) {
        siege->result->fallback = true;
    }
}

static void write_some(struct pl_siege_host *host) {
    struct pl_siege *siege = host->siege;
    uint8_t bytes[UNIT];
    if (host->sock == 0 || host->gone || host->shut) {
        return;
    }
    if (host->written >= TOTAL) {
        host->shut = plait_shutdown(host->stack, host->sock, siege->now) == 0;
        return;
    }
    pl_pattern_fill(PATTERN + host->index, host->written, bytes, sizeof(bytes));
    int64_t n = plait_write(host->stack, host->sock, bytes, sizeof(bytes), siege->now);
    host->written += n > 0 ? (uint64_t)n : 0;
}

static void read_all(struct pl_siege_host *host) {
    uint8_t bytes[CHUNK];
    int64_t n = 1;
    while (host->sock != 0 && !host->gone && !host->eof && n > 0) {
        n = plait_read(host->stack, host->sock, bytes, sizeof(bytes), host->siege->now);
        if (n == 0) {
            host->eof = true;
        }
        if (n > 0 &&
            pl_pattern_compare(PATTERN + 1 - host->index, host->received, bytes, (size_t)n) !=
                (size_t)n &&
            !host->siege->attack->as_tcp) {
            pl_sim_fail(&host->siege->verdict, "wrong bytes");
        }
        host->received += n > 0 ? (uint64_t)n : 0;
    }
}

/* ---- witnesses ---- */

static void watch_subflows(struct pl_siege_host *host) {
    struct pl_siege *siege = host->siege;
    struct plait_subflow_info info[INFOS_MAX];
    uint32_t own = 0, foreign = 0;
    memset(info, 0, sizeof(info));
    info[0].size = sizeof(info[0]);
    int n = plait_subflows(host->stack, host->sock, info, INFOS_MAX);
    for (int i = 0; i < n && i < INFOS_MAX; i++) {
        bool stranger = pl_siege_foreign(&info[i].remote.addr);
        foreign += stranger && info[i].established ? 1 : 0;
        own += !stranger && info[i].established ? 1 : 0;
    }
    host->known = own > host->known ? own : host->known;
    if (!host->shut && !siege->attack->away && host->known - own > siege->result->lost) {
        siege->result->lost = host->known - own;
    }
    siege->result->foreign = foreign > siege->result->foreign ? foreign : siege->result->foreign;
    if (host->index == SIEGE_SERVER && !host->shut) {
        siege->result->joined = own == SIEGE_FLOWS;
        if (siege->now == siege->attack->joined_by && own != SIEGE_FLOWS) {
            pl_sim_fail(&siege->verdict, "a true join had to wait for the end of the flood");
        }
    }
}

static void watch_state(struct pl_siege_host *host) {
    struct pl_siege *siege = host->siege;
    struct plait_stack_stats stats = {.size = sizeof(stats)};
    plait_stack_stats(host->stack, &stats);
    uint32_t own = SIEGE_FLOWS;
    uint32_t more = stats.subflows > own ? stats.subflows - own : 0;
    uint64_t memory =
        host->env.live_bytes > host->memory_before ? host->env.live_bytes - host->memory_before : 0;
    if (more > siege->result->half_open) {
        siege->result->half_open = more;
    }
    if (memory > siege->result->memory_bytes) {
        siege->result->memory_bytes = memory;
    }
}

/* ---- running ---- */

static void serve(struct pl_siege_host *host) {
    struct plait_event event;
    struct plait_tx tx[BATCH];
    unsigned n;
    if (plait_deadline(host->stack) <= host->siege->now) {
        plait_tick(host->stack, host->siege->now);
    }
    while (plait_event_next(host->stack, &event)) {
        take_event(host, &event);
    }
    read_all(host);
    for (unsigned i = 0; i < host->ports; i++) {
        while ((n = plait_output(host->stack, host->port[i], tx, BATCH, host->siege->now)) > 0) {
            for (unsigned k = 0; k < n; k++) {
                pl_device_send(&host->device, &tx[k]);
            }
        }
    }
}

/* The client's second address goes and returns, for attacks that want that. */
static void move_away(struct pl_siege *siege) {
    struct pl_siege_host *host = &siege->host[SIEGE_CLIENT];
    struct plait_endpoint end = pl_siege_endpoint(0, 1, 1, 0);
    int error = 0;
    if (siege->now == AWAY) {
        error = plait_address_remove(host->stack, host->port[1], &end.addr, siege->now);
    } else if (siege->now == BACK) {
        error = plait_address_add(host->stack, host->port[1], &end.addr, PLAIT_ADDRESS_SUBFLOW, 0,
                                  0, siege->now);
    }
    if (error < 0) {
        complain(host, "address", error);
    }
}

static void step(struct pl_siege *siege) {
    for (unsigned i = 0; i < SIEGE_HOSTS; i++) {
        if (siege->host[i].sock != 0) {
            watch_subflows(&siege->host[i]);
            watch_state(&siege->host[i]);
        }
    }
    if (siege->attack->away) {
        move_away(siege);
    }
    if (siege->attack->act != NULL) {
        siege->attack->act(siege, siege->turn);
    }
    siege->turn++;
    siege->step_at += SIEGE_STEP;
}

/* What is due now. */
static void turn(struct pl_siege *siege) {
    struct pl_link_meta meta;
    struct plait_buf *buf;
    for (unsigned i = 1; (buf = pl_link_next(&siege->wire, siege->now, &meta)) != NULL; i++) {
        deliver(siege, buf, &meta);
        plait_buf_unref(buf);
        if (i % READ_BATCH == 0) { /* as an event loop does it */
            serve(&siege->host[SIEGE_CLIENT]);
            serve(&siege->host[SIEGE_SERVER]);
        }
    }
    if (siege->now >= siege->write_at) {
        write_some(&siege->host[SIEGE_CLIENT]);
        write_some(&siege->host[SIEGE_SERVER]);
        siege->write_at = siege->now + WRITE_GAP;
    }
    if (siege->now >= siege->step_at) {
        step(siege);
    }
    serve(&siege->host[SIEGE_CLIENT]);
    serve(&siege->host[SIEGE_SERVER]);
}

static bool finished(const struct pl_siege *siege) {
    const struct pl_siege_host *client = &siege->host[SIEGE_CLIENT];
    const struct pl_siege_host *server = &siege->host[SIEGE_SERVER];
    return client->gone || server->gone || (client->eof && server->eof);
}

static plait_time earlier(plait_time a, plait_time b) {
    return a < b ? a : b;
}

static plait_time next_time(const struct pl_siege *siege) {
    plait_time next = earlier(siege->step_at, siege->write_at);
    next = earlier(next, pl_link_deadline(&siege->wire));
    next = earlier(next, plait_deadline(siege->host[SIEGE_CLIENT].stack));
    return earlier(next, plait_deadline(siege->host[SIEGE_SERVER].stack));
}

static void run(struct pl_siege *siege) {
    unsigned turns = 0;
    while (siege->now < TIME_MAX && siege->verdict.failures == 0 && !finished(siege)) {
        if (siege->now < SIEGE_ATTACK) {
            siege->host[SIEGE_CLIENT].memory_before = siege->host[SIEGE_CLIENT].env.live_bytes;
            siege->host[SIEGE_SERVER].memory_before = siege->host[SIEGE_SERVER].env.live_bytes;
        }
        turn(siege);
        plait_time next = next_time(siege);
        turns = next > siege->now ? 0 : turns + 1;
        if (turns > TURNS_MAX) {
            pl_sim_fail(&siege->verdict, "time stands still");
        }
        siege->now = next > siege->now ? next : siege->now;
    }
}

static enum pl_attack_outcome promised(const struct pl_siege *siege) {
    const struct pl_siege_attack *attack = siege->attack;
    if (!siege->options->v0 || attack->v0 == SIEGE_V0_SAME) {
        return attack->promised;
    }
    return attack->v0 == SIEGE_V0_BOUNDED ? PL_ATTACK_BOUNDED : PL_ATTACK_RESIDUAL;
}

static void conclude(struct pl_siege *siege) {
    struct pl_attack_result *r = siege->result;
    const struct pl_siege_attack *attack = siege->attack;
    const struct pl_siege_host *client = &siege->host[SIEGE_CLIENT];
    const struct pl_siege_host *server = &siege->host[SIEGE_SERVER];
    r->delivered = client->eof && server->eof &&
                   (attack->as_tcp || (client->received == TOTAL && server->received == TOTAL));
    if (!r->delivered) {
        pl_sim_fail(&siege->verdict, "the transfer did not end: %u of %u and %u bytes",
                    (unsigned)client->received, (unsigned)server->received, TOTAL);
    }
    uint32_t half_open_max =
        attack->half_open_max + (siege->options->v0 ? attack->v0_half_open_max : 0);
    if (r->half_open > half_open_max) {
        pl_sim_fail(&siege->verdict, "%u subflows of the attacker's at a time, more than %u",
                    r->half_open, half_open_max);
    }
    if (attack->answers_max > 0 && r->answers * 100 > r->forged * attack->answers_max) {
        pl_sim_fail(&siege->verdict, "%u packets for %u of the attacker's", (unsigned)r->answers,
                    (unsigned)r->forged);
    }
    if (!attack->single && !r->joined && r->foreign == 0) {
        pl_sim_fail(&siege->verdict, "the second path is not in use in the end");
    }
    memcpy(r->reason, siege->verdict.reason, sizeof(r->reason));
    r->promised = promised(siege);
    r->outcome = siege->verdict.failures > 0                      ? PL_ATTACK_BROKEN
                 : r->foreign > 0 || attack->as_tcp               ? PL_ATTACK_RESIDUAL
                 : r->lost > 0 || r->half_open > 0 || r->fallback ? PL_ATTACK_BOUNDED
                                                                  : PL_ATTACK_REFUSED;
}

int pl_siege_run(const struct pl_siege_attack *attack, const struct pl_attack_options *options,
                 struct pl_attack_result *result) {
    struct pl_siege siege = {.attack = attack,
                             .options = options,
                             .version = options->v0 ? &plait_mptcp_v0 : &pl_mptcp_v1,
                             .result = result,
                             .step_at = SIEGE_ATTACK,
                             .write_at = 100 * PLAIT_NS_PER_MS};
    struct pl_sim_env outside;
    struct pl_link_config link;
    memset(result, 0, sizeof(*result));
    siege.verdict.clock = &siege.now;
    pl_record_init(&siege.record, &siege.now);
    siege.record.trace = options->trace;
    siege.record.capture = options->capture;
    siege.record.capture_arg = options->capture_arg;
    pl_rng_init(&siege.rng, options->seed + 1000);
    pl_sim_env_init(&outside, options->hashes, options->seed + 2000, SIEGE_ATTACKER, &siege.record,
                    &siege.verdict);
    pl_link_config_init(&link);
    link.delay_ns = DELAY;
    link.limit_packets = 0;
    int error = pl_link_init(&siege.wire, &outside.env, &link, options->seed);
    for (unsigned i = 0; error == 0 && i < SIEGE_HOSTS; i++) {
        error = host_start(&siege, i);
    }
    error = error < 0 ? error : begin(&siege);
    if (error == 0) {
        run(&siege);
        conclude(&siege);
    }
    for (unsigned i = 0; i < SIEGE_HOSTS; i++) {
        plait_stack_destroy(siege.host[i].stack);
    }
    pl_link_fini(&siege.wire);
    return error;
}

#include "stack_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { BATCH = 8, STEPS_AT_ONCE_MAX = 200000 };

struct pair_packet {
    struct pair_packet *next;
    plait_time at;
    unsigned to, path;
    struct plait_rx_meta meta;
    uint32_t len;
    uint8_t bytes[];
};

static void need(bool ok, const char *what) {
    if (!ok) {
        plait_abort_hook(what, __FILE__, __LINE__);
    }
}

struct plait_addr pair_addr(unsigned side, unsigned path, enum plait_family family) {
    struct plait_addr addr = {.family = (uint8_t)family};
    uint8_t host = (uint8_t)(side + 1);
    if (family == PLAIT_IPV4) {
        addr.bytes[0] = 10;
        addr.bytes[2] = (uint8_t)path;
        addr.bytes[3] = host;
    } else {
        addr.bytes[0] = 0xfd;
        addr.bytes[3] = (uint8_t)path;
        addr.bytes[15] = host;
    }
    return addr;
}

struct plait_endpoint pair_endpoint(unsigned side, unsigned path, enum plait_family family,
                                    uint16_t port) {
    return (struct plait_endpoint){.addr = pair_addr(side, path, family), .port = port};
}

static void add_port(struct stack_pair *pair, unsigned side, unsigned path,
                     const struct pair_setup *setup) {
    struct plait_port_config config = {
        .size = sizeof(config),
        .mtu = setup->mtu != 0 ? setup->mtu : 1500,
        .flags = setup->port_flags[side],
    };
    struct plait_stack *stack = pair->stack[side];
    need(plait_port_add(stack, &config, &pair->path[path].port[side]) == 0, "plait_port_add");
    if (setup->no_addresses[side]) {
        return;
    }
    for (unsigned i = 0; i < (setup->ipv4_only ? 1 : 2); i++) {
        struct plait_addr addr = pair_addr(side, path, i == 0 ? PLAIT_IPV4 : PLAIT_IPV6);
        int id = plait_address_add(stack, pair->path[path].port[side], &addr,
                                   setup->address_flags[side], 0, 0, pair->now);
        need(id > 0, "plait_address_add");
    }
}

void pair_init(struct stack_pair *pair, const struct pair_setup *given) {
    struct pair_setup setup = {0};
    if (given != NULL) {
        setup = *given;
    }
    *pair = (struct stack_pair){.now = 1000 * PLAIT_NS_PER_S};
    pair->paths = setup.paths != 0 ? setup.paths : 1;
    need(pair->paths <= PAIR_PATHS_MAX, "paths");
    pl_rng_init(&pair->rng, setup.seed + 77);
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        test_env_init(&pair->env[side], setup.seed * 2 + side + 1);
        int error =
            plait_stack_create(&pair->stack[side], &pair->env[side].env, setup.config[side]);
        need(error == 0, "plait_stack_create");
        for (unsigned path = 0; path < pair->paths; path++) {
            add_port(pair, side, path, &setup);
        }
    }
    for (unsigned path = 0; path < pair->paths; path++) {
        pair->path[path].delay_ns = setup.delay_ns != 0 ? setup.delay_ns : 5 * PLAIT_NS_PER_MS;
        pair->path[path].loss_ppm = setup.loss_ppm;
    }
}

void pair_fini(struct stack_pair *pair) {
    while (pair->queue != NULL) {
        struct pair_packet *packet = pair->queue;
        pair->queue = packet->next;
        free(packet);
    }
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        plait_stack_check(pair->stack[side]);
        plait_stack_destroy(pair->stack[side]);
        need(pair->env[side].live_count == 0, "memory back to zero");
    }
}

/* ---- the wire ---- */

static void enqueue(struct stack_pair *pair, struct pair_packet *packet) {
    struct pair_packet **at = &pair->queue;
    while (*at != NULL && (*at)->at <= packet->at) {
        at = &(*at)->next;
    }
    packet->next = *at;
    *at = packet;
}

static struct pair_packet *make_packet(const struct stack_pair *pair, unsigned to, unsigned path,
                                       uint32_t len) {
    struct pair_packet *packet = malloc(sizeof(*packet) + len);
    need(packet != NULL, "malloc");
    *packet = (struct pair_packet){.to = to, .path = path, .len = len};
    packet->at = pair->now + pair->path[path].delay_ns;
    packet->meta.flags = pair->trust ? (uint32_t)PLAIT_RX_CSUM_OK : 0;
    return packet;
}

void pair_inject(struct stack_pair *pair, unsigned to, unsigned path, const uint8_t *bytes,
                 uint32_t len) {
    struct pair_packet *packet = make_packet(pair, to, path, len);
    memcpy(packet->bytes, bytes, len);
    enqueue(pair, packet);
}

static void transmit(struct stack_pair *pair, unsigned from, unsigned path,
                     const struct plait_tx *tx) {
    const struct pair_path *p = &pair->path[path];
    uint32_t len = tx->header_len + tx->payload_len;
    struct pair_packet *packet = make_packet(pair, !from, path, len);
    packet->meta.gso_size = tx->gso_size;
    packet->meta.flags |= tx->needs_csum ? (uint32_t)PLAIT_RX_CSUM_OK : 0;
    memcpy(packet->bytes, tx->header, tx->header_len);
    uint32_t at = tx->header_len;
    for (uint32_t i = 0; i < tx->slice_count; i++) {
        memcpy(packet->bytes + at, tx->slices[i].data, tx->slices[i].len);
        at += tx->slices[i].len;
    }
    need(at == len, "slices and payload_len agree");
    pair->sent[from][path]++;
    bool lost = p->cut || pl_rng_chance(&pair->rng, p->loss_ppm);
    if (lost || (pair->filter != NULL && pair->filter(pair, from, path, packet->bytes, len))) {
        free(packet);
        return;
    }
    packet->at = pair->now + p->delay_ns; /* a filter may have changed it */
    enqueue(pair, packet);
}

static void pull(struct stack_pair *pair, unsigned side, unsigned path) {
    plait_port_id port = pair->path[path].port[side];
    struct plait_stack *stack = pair->stack[side];
    for (unsigned rounds = 0; rounds < STEPS_AT_ONCE_MAX; rounds++) {
        bool pending = plait_output_pending(stack, port);
        struct plait_tx tx[BATCH];
        unsigned count = plait_output(stack, port, tx, BATCH, pair->now);
        need(pending || count == 0, "output without being pending");
        for (unsigned i = 0; i < count; i++) {
            transmit(pair, side, path, &tx[i]);
        }
        if (count == 0) {
            return;
        }
    }
    need(false, "output ends");
}

static void pull_all(struct stack_pair *pair) {
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        for (unsigned path = 0; path < pair->paths; path++) {
            pull(pair, side, path);
        }
    }
}

static void deliver(struct stack_pair *pair) {
    struct pair_packet *packet = pair->queue;
    pair->queue = packet->next;
    struct plait_buf *buf = plait_buf_alloc(&pair->env[packet->to].env, packet->len);
    if (buf != NULL) {
        memcpy(buf->data, packet->bytes, packet->len);
        buf->len = packet->len;
        plait_input(pair->stack[packet->to], pair->path[packet->path].port[packet->to], buf,
                    &packet->meta, pair->now);
        plait_buf_unref(buf);
        if (pair->act != NULL) {
            pair->act(pair, packet->to, pair->act_arg);
        }
    }
    free(packet);
}

/* ---- time ---- */

bool pair_step(struct stack_pair *pair, plait_time until) {
    pull_all(pair);
    plait_time next = pair->queue != NULL ? pair->queue->at : PLAIT_TIME_NEVER;
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        plait_time deadline = plait_deadline(pair->stack[side]);
        next = deadline < next ? deadline : next;
    }
    if (next > until) {
        pair->now = until > pair->now ? until : pair->now;
        return false;
    }
    pair->now = next > pair->now ? next : pair->now;
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        if (plait_deadline(pair->stack[side]) <= pair->now) {
            plait_tick(pair->stack[side], pair->now);
        }
    }
    if (pair->queue != NULL && pair->queue->at <= pair->now) {
        deliver(pair);
    }
    pull_all(pair);
    return true;
}

struct stuck {
    plait_time at;
    uint32_t steps;
};

/* A stack that always has something to do now would hang the test. */
static void guard(const struct stack_pair *pair, struct stuck *stuck) {
    stuck->steps = pair->now == stuck->at ? stuck->steps + 1 : 0;
    stuck->at = pair->now;
    need(stuck->steps < STEPS_AT_ONCE_MAX, "time goes on");
}

void pair_run(struct stack_pair *pair, uint64_t ns) {
    plait_time until = pair->now + ns;
    struct stuck stuck = {0};
    while (pair_step(pair, until)) {
        guard(pair, &stuck);
    }
}

bool pair_run_until(struct stack_pair *pair, pair_condition *condition, void *arg, uint64_t ns) {
    plait_time until = pair->now + ns;
    struct stuck stuck = {0};
    while (!condition(pair, arg)) {
        if (!pair_step(pair, until)) {
            return condition(pair, arg);
        }
        guard(pair, &stuck);
    }
    return true;
}

/* ---- sockets ---- */

struct wanted {
    unsigned side;
    plait_sock sock;
    uint32_t type;
    struct plait_event event;
};

static bool event_came(struct stack_pair *pair, void *arg) {
    struct wanted *w = arg;
    while (plait_event_next(pair->stack[w->side], &w->event)) {
        if (w->event.sock == w->sock && w->event.type == w->type) {
            return true;
        }
    }
    return false;
}

bool pair_wait_event(struct stack_pair *pair, unsigned side, plait_sock sock, uint32_t type,
                     uint64_t ns, struct plait_event *out) {
    struct wanted wanted = {.side = side, .sock = sock, .type = type};
    bool came = pair_run_until(pair, event_came, &wanted, ns);
    if (came && out != NULL) {
        *out = wanted.event;
    }
    return came;
}

int64_t pair_get(struct stack_pair *pair, unsigned side, plait_sock sock,
                 enum plait_option option) {
    int64_t value = 0;
    need(plait_get(pair->stack[side], sock, option, &value) == 0, "plait_get");
    return value;
}

uint64_t pair_counter(const struct stack_pair *pair, unsigned side, enum plait_counter counter) {
    return plait_counters(pair->stack[side])[counter];
}

plait_sock pair_listen(struct stack_pair *pair, uint16_t port) {
    plait_sock listener = 0;
    need(plait_open(pair->stack[PAIR_B], &listener) == 0, "plait_open");
    need(plait_bind(pair->stack[PAIR_B], listener, 0, NULL, port) == 0, "plait_bind");
    need(plait_listen(pair->stack[PAIR_B], listener, 16) == 0, "plait_listen");
    return listener;
}

plait_sock pair_connect(struct stack_pair *pair, plait_sock listener, uint16_t port,
                        enum plait_family family, plait_sock *accepted) {
    plait_sock sock = 0;
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, family, port);
    uint64_t limit = 60 * PLAIT_NS_PER_S;
    need(plait_open(pair->stack[PAIR_A], &sock) == 0, "plait_open");
    need(plait_connect(pair->stack[PAIR_A], sock, &remote, pair->now) == 0, "plait_connect");
    need(pair_wait_event(pair, PAIR_A, sock, PLAIT_EVENT_CONNECTED, limit, NULL), "CONNECTED");
    if (plait_accept(pair->stack[PAIR_B], listener, accepted) != 0) {
        need(pair_wait_event(pair, PAIR_B, listener, PLAIT_EVENT_ACCEPT, limit, NULL), "ACCEPT");
        need(plait_accept(pair->stack[PAIR_B], listener, accepted) == 0, "plait_accept");
    }
    return sock;
}

uint8_t pair_pattern(uint64_t i) {
    return (uint8_t)(i ^ i >> 8 ^ i >> 16 ^ (i * 7 >> 3));
}

struct transfer {
    unsigned from;
    plait_sock source, sink;
    uint64_t len, written, read;
    int64_t error;
};

static void write_more(struct stack_pair *pair, struct transfer *t) {
    uint8_t block[8192];
    while (t->written < t->len) {
        uint64_t left = t->len - t->written;
        size_t n = left < sizeof(block) ? (size_t)left : sizeof(block);
        for (size_t i = 0; i < n; i++) {
            block[i] = pair_pattern(t->written + i);
        }
        int64_t result = plait_write(pair->stack[t->from], t->source, block, n, pair->now);
        if (result <= 0) {
            t->error = result != PLAIT_E_AGAIN ? result : t->error;
            return;
        }
        t->written += (uint64_t)result;
    }
}

static void read_more(struct stack_pair *pair, struct transfer *t) {
    uint8_t block[8192];
    for (;;) {
        int64_t n = plait_read(pair->stack[!t->from], t->sink, block, sizeof(block), pair->now);
        if (n <= 0) {
            t->error = n != PLAIT_E_AGAIN ? n : t->error;
            return;
        }
        for (int64_t i = 0; i < n; i++) {
            need(block[i] == pair_pattern(t->read + (uint64_t)i), "the bytes that were written");
        }
        t->read += (uint64_t)n;
    }
}

static bool transfer_done(struct stack_pair *pair, void *arg) {
    struct transfer *t = arg;
    write_more(pair, t);
    read_more(pair, t);
    return t->read == t->len || t->error != 0;
}

bool pair_transfer(struct stack_pair *pair, unsigned from, plait_sock source, plait_sock sink,
                   uint64_t len, uint64_t ns) {
    struct transfer t = {.from = from, .source = source, .sink = sink, .len = len};
    return pair_run_until(pair, transfer_done, &t, ns) && t.read == len;
}

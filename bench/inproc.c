/* bench/inproc.c - two stacks in one process, joined by memory: what the data path costs without
 * any device.
 *
 *   inproc [--subflows N] [--mtu BYTES] [--tso] [--checksum] [--cut] [--sums]
 *          [--seconds S | --rounds N]
 *   inproc --idle CONNECTIONS [--subflows N]
 *
 * --cut: the stacks deal in large segments and the wire in packets of the MTU, as plait/offload.h
 * cuts and merges them. --sums: no TCP checksum is left out.
 *
 * Prints one JSON object: payload bytes and data segments a second of a core's time; or what an
 * idle connection takes of memory at either end, all tables included. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plait/plait.h"
#include "port/posix_env.h"

enum {
    PORTS_MAX = 4,
    BATCH = 64,
    CUT_BATCH = 8,
    DELAY_NS = 50000,
    IDLE_MAX = 50000,
    SLOT = 2048,
    SLOTS = 1024
};

struct options {
    unsigned subflows, mtu, idle, rounds;
    bool tso, checksum, cut, sums;
    double seconds;
};

/* An environment that counts what its stack holds. */
struct counted {
    struct pl_posix_env real; /* first: what its functions get as `user` */
    void *(*alloc)(void *user, size_t size);
    void (*free)(void *user, void *ptr, size_t size);
    uint64_t bytes;
};

struct bench {
    struct counted env[2];
    struct plait_stack *stack[2];
    plait_port_id port[2][PORTS_MAX];
    plait_sock listener, a, b;
    plait_time now; /* virtual: 1 us per round */
    uint64_t segments, bytes;
    struct plait_buf *buf;
    struct plait_merge merge[2][PORTS_MAX];
    const struct options *options;
    uint32_t wire_len[SLOTS]; /* packets on their way */
    uint8_t wire[SLOTS][SLOT];
};

static void need(bool ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "inproc: %s failed\n", what);
        exit(1);
    }
}

static void *counted_alloc(void *user, size_t size) {
    struct counted *c = user;
    void *ptr = c->alloc(user, size);
    c->bytes += ptr != NULL ? size : 0;
    return ptr;
}

static void counted_free(void *user, void *ptr, size_t size) {
    struct counted *c = user;
    c->bytes -= size;
    c->free(user, ptr, size);
}

static const struct plait_env *counted_init(struct counted *c) {
    need(pl_posix_env_init(&c->real) == 0, "pl_posix_env_init");
    c->alloc = c->real.env.alloc;
    c->free = c->real.env.free;
    c->real.env.alloc = counted_alloc;
    c->real.env.free = counted_free;
    return &c->real.env;
}

static struct plait_addr address(unsigned side, unsigned path) {
    return (struct plait_addr){.bytes = {10, 0, (uint8_t)path, (uint8_t)(side + 1)},
                               .family = PLAIT_IPV4};
}

static void set_up(struct bench *b, const struct options *o) {
    struct plait_config config;
    plait_config_init(&config);
    config.checksum = o->checksum;
    for (unsigned side = 0; side < 2; side++) {
        const struct plait_env *env = counted_init(&b->env[side]);
        need(plait_stack_create(&b->stack[side], env, &config) == 0, "plait_stack_create");
        for (unsigned p = 0; p < o->subflows; p++) {
            struct plait_port_config port = {.size = sizeof(port), .name = "mem", .mtu = o->mtu};
            struct plait_addr addr = address(side, p);
            port.flags = (o->sums ? 0 : PLAIT_PORT_TX_CSUM) | (o->tso ? PLAIT_PORT_TSO : 0);
            need(plait_port_add(b->stack[side], &port, &b->port[side][p]) == 0, "plait_port_add");
            need(plait_address_add(b->stack[side], b->port[side][p], &addr,
                                   side == 0 ? PLAIT_ADDRESS_SUBFLOW : 0, 0, 0, b->now) > 0,
                 "plait_address_add");
        }
    }
    b->buf = NULL;
}

static uint32_t gather(const struct plait_tx *tx, uint8_t *out) {
    uint32_t at = tx->header_len;
    memcpy(out, tx->header, at);
    for (unsigned i = 0; i < tx->slice_count; i++) {
        memcpy(out + at, tx->slices[i].data, tx->slices[i].len);
        at += tx->slices[i].len;
    }
    return at;
}

/* A packet into a buffer of its own; the last one is used again when nobody kept it. */
static struct plait_buf *copy_packet(struct bench *b, const struct plait_tx *tx) {
    uint32_t len = tx->header_len + tx->payload_len;
    if (b->buf == NULL || b->buf->refs > 1 || b->buf->cap < len) {
        if (b->buf != NULL) {
            plait_buf_unref(b->buf);
        }
        b->buf = plait_buf_alloc(&b->env[0].real.env, len < 2048 ? 2048 : 66000);
        need(b->buf != NULL, "plait_buf_alloc");
    }
    b->buf->len = gather(tx, b->buf->data);
    return b->buf;
}

/* Everything on the wire arrives. */
static void arrive(struct bench *b, unsigned to, unsigned path, unsigned count) {
    struct plait_rx_meta meta = {.flags = b->options->sums ? 0 : PLAIT_RX_CSUM_OK};
    struct plait_merge *merge = &b->merge[to][path];
    for (unsigned i = 0; i < count; i++) {
        plait_merge_input(merge, b->stack[to], b->port[to][path], &b->env[to].real.env, b->wire[i],
                          b->wire_len[i], &meta, b->now);
    }
    plait_merge_flush(merge, b->stack[to], b->port[to][path], b->now);
}

/* Packets of the MTU's size: cut, carried, merged. */
static void carry_cut(struct bench *b, unsigned from, unsigned path) {
    struct plait_tx tx[CUT_BATCH], piece;
    struct plait_cut cut;
    unsigned n = plait_output(b->stack[from], b->port[from][path], tx, CUT_BATCH, b->now);
    unsigned count = 0;
    for (unsigned i = 0; i < n; i++) {
        plait_cut_start(&cut, &tx[i], !b->options->sums);
        while (plait_cut_next(&cut, &piece)) {
            need(count < SLOTS, "room on the wire");
            b->segments += piece.payload_len > 0;
            b->wire_len[count] = gather(&piece, b->wire[count]);
            count++;
        }
    }
    arrive(b, 1 - from, path, count);
}

static void carry(struct bench *b, unsigned from, unsigned path) {
    struct plait_tx tx[BATCH];
    unsigned n = plait_output(b->stack[from], b->port[from][path], tx, BATCH, b->now);
    for (unsigned i = 0; i < n; i++) {
        struct plait_rx_meta meta = {.flags = b->options->sums ? 0 : PLAIT_RX_CSUM_OK,
                                     .gso_size = tx[i].gso_size};
        uint32_t cut = tx[i].gso_size != 0 ? tx[i].gso_size : tx[i].payload_len;
        b->segments += tx[i].payload_len == 0 ? 0 : (tx[i].payload_len + cut - 1) / cut;
        plait_input(b->stack[1 - from], b->port[1 - from][path], copy_packet(b, &tx[i]), &meta,
                    b->now);
    }
}

static void round_trip(struct bench *b, const struct options *o) {
    struct plait_event event;
    for (unsigned side = 0; side < 2; side++) {
        for (unsigned p = 0; p < o->subflows; p++) {
            o->cut ? carry_cut(b, side, p) : carry(b, side, p);
        }
        if (plait_deadline(b->stack[side]) <= b->now) {
            plait_tick(b->stack[side], b->now);
        }
        while (plait_event_next(b->stack[side], &event)) {
        }
    }
    b->now += DELAY_NS;
}

static void listen_on_b(struct bench *b) {
    need(plait_open(b->stack[1], &b->listener) == 0, "plait_open");
    need(plait_bind(b->stack[1], b->listener, 0, NULL, 80) == 0, "plait_bind");
    need(plait_listen(b->stack[1], b->listener, 16) == 0, "plait_listen");
}

static void open_connection(struct bench *b, const struct options *o, unsigned rounds) {
    struct plait_endpoint remote = {.addr = address(1, 0), .port = 80};
    b->b = 0;
    need(plait_open(b->stack[0], &b->a) == 0, "plait_open");
    need(plait_connect(b->stack[0], b->a, &remote, b->now) == 0, "plait_connect");
    for (unsigned i = 0; i < rounds; i++) {
        round_trip(b, o);
        if (b->b == 0) {
            (void)!plait_accept(b->stack[1], b->listener, &b->b);
        }
    }
    need(b->b != 0, "plait_accept");
}

/* Connections that are open, have said something once, and then nothing for ten seconds. */
static void idle(struct bench *b, const struct options *o) {
    uint8_t bytes[16] = {0};
    uint64_t before[2] = {b->env[0].bytes, b->env[1].bytes};
    for (unsigned i = 0; i < o->idle; i++) {
        open_connection(b, o, 40);
        need(plait_write(b->stack[0], b->a, bytes, 16, b->now) == 16, "plait_write");
        for (unsigned k = 0; k < 10; k++) {
            round_trip(b, o);
        }
        need(plait_read(b->stack[1], b->b, bytes, 16, b->now) == 16, "plait_read");
    }
    for (unsigned i = 0; i < 200000; i++) {
        round_trip(b, o);
    }
    struct plait_stack_stats stats = {.size = sizeof(stats)};
    plait_stack_stats(b->stack[1], &stats);
    need(stats.connections == o->idle && stats.subflows == o->idle * o->subflows, "all subflows");
    printf("{\"idle_bytes\": %" PRIu64 ", \"idle_bytes_passive\": %" PRIu64
           ", \"connections\": %u, \"subflows\": %u}\n",
           (b->env[0].bytes - before[0]) / o->idle, (b->env[1].bytes - before[1]) / o->idle,
           o->idle, o->subflows);
}

/* Of this process, whatever else the machine does. */
static uint64_t cpu_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * PLAIT_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint64_t transfer(struct bench *b, const struct options *o) {
    static uint8_t block[262144];
    uint64_t start = cpu_ns(), end = start + (uint64_t)(o->seconds * 1e9);
    b->segments = 0;
    for (unsigned round = 0; o->rounds > 0 ? round < o->rounds : cpu_ns() < end; round++) {
        for (unsigned i = 0; i < 64; i++) {
            (void)!plait_write(b->stack[0], b->a, block, sizeof(block), b->now);
            round_trip(b, o);
            int64_t n = plait_read(b->stack[1], b->b, block, sizeof(block), b->now);
            b->bytes += n > 0 ? (uint64_t)n : 0;
        }
    }
    return cpu_ns() - start;
}

static void bulk(struct bench *b, const struct options *o) {
    open_connection(b, o, 200);
    double seconds = (double)transfer(b, o) / 1e9;
    struct plait_subflow_info info[PORTS_MAX];
    int subflows = plait_subflows(b->stack[0], b->a, info, PORTS_MAX);
    printf("{\"gbps\": %.3f, \"segments_per_s\": %.0f, \"subflows\": %d, \"bytes\": %" PRIu64
           ", \"segments\": %" PRIu64 "}\n",
           (double)b->bytes * 8 / 1e9 / seconds, (double)b->segments / seconds, subflows, b->bytes,
           b->segments);
}

static bool parse(int argc, char **argv, struct options *o) {
    const struct option longs[] = {{"subflows", required_argument, NULL, 's'},
                                   {"mtu", required_argument, NULL, 'm'},
                                   {"tso", no_argument, NULL, 't'},
                                   {"cut", no_argument, NULL, 'u'},
                                   {"sums", no_argument, NULL, 'S'},
                                   {"checksum", no_argument, NULL, 'c'},
                                   {"seconds", required_argument, NULL, 'd'},
                                   {"idle", required_argument, NULL, 'i'},
                                   {"rounds", required_argument, NULL, 'r'},
                                   {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
            case 's':
                o->subflows = (unsigned)strtoul(optarg, NULL, 10);
                break;
            case 'm':
                o->mtu = (unsigned)strtoul(optarg, NULL, 10);
                break;
            case 't':
                o->tso = true;
                break;
            case 'u':
                o->cut = o->tso = true;
                break;
            case 'S':
                o->sums = true;
                break;
            case 'c':
                o->checksum = true;
                break;
            case 'd':
                o->seconds = strtod(optarg, NULL);
                break;
            case 'i':
                o->idle = (unsigned)strtoul(optarg, NULL, 10);
                break;
            case 'r':
                o->rounds = (unsigned)strtoul(optarg, NULL, 10);
                break;
            default:
                return false;
        }
    }
    return o->subflows >= 1 && o->subflows <= PORTS_MAX && o->mtu >= 576 && o->mtu <= 65535 &&
           o->seconds > 0 && o->idle <= IDLE_MAX && optind == argc;
}

int main(int argc, char **argv) {
    struct options o = {.subflows = 1, .mtu = 1500, .seconds = 1};
    static struct bench b = {.now = PLAIT_NS_PER_S};
    if (!parse(argc, argv, &o)) {
        fprintf(stderr,
                "usage: inproc [--subflows 1..4] [--mtu 576..65535] [--tso] [--checksum]"
                " [--cut] [--sums] [--seconds S | --rounds N] [--idle CONNECTIONS]\n");
        return 2;
    }
    b.options = &o;
    set_up(&b, &o);
    listen_on_b(&b);
    o.idle > 0 ? idle(&b, &o) : bulk(&b, &o);
    if (b.buf != NULL) {
        plait_buf_unref(b.buf);
    }
    for (unsigned i = 0; i < 2 * PORTS_MAX; i++) {
        plait_merge_fini(&b.merge[i / PORTS_MAX][i % PORTS_MAX]);
    }
    plait_stack_destroy(b.stack[0]);
    plait_stack_destroy(b.stack[1]);
    pl_posix_env_fini(&b.env[0].real);
    pl_posix_env_fini(&b.env[1].real);
    return 0;
}

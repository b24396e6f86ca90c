#include "joined.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, CONNECTIONS_MAX = 4000000 };

void joined_need(bool ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "bench: %s failed\n", what);
        exit(1);
    }
}

static uint64_t taken(void *ptr) {
    return ptr != NULL ? malloc_usable_size(ptr) + sizeof(size_t) : 0;
}

static void *counted_alloc(void *user, size_t size) {
    struct joined_env *env = user;
    void *ptr = env->alloc(user, size);
    env->bytes += taken(ptr);
    return ptr;
}

static void counted_free(void *user, void *ptr, size_t size) {
    struct joined_env *env = user;
    env->bytes -= taken(ptr);
    env->free(user, ptr, size);
}

static const struct plait_env *env_init(struct joined_env *env) {
    joined_need(pl_posix_env_init(&env->real) == 0, "pl_posix_env_init");
    env->alloc = env->real.env.alloc;
    env->free = env->real.env.free;
    env->real.env.alloc = counted_alloc;
    env->real.env.free = counted_free;
    return &env->real.env;
}

static struct plait_addr address(unsigned side, unsigned path) {
    return (struct plait_addr){.bytes = {10, 0, (uint8_t)path, (uint8_t)(side + 1)},
                               .family = PLAIT_IPV4};
}

static void add_path(struct joined *j, unsigned side, unsigned path) {
    struct plait_port_config port = {.size = sizeof(port), .name = "mem", .mtu = 1500};
    struct plait_addr addr = address(side, path);
    uint32_t role = side == 0 ? PLAIT_ADDRESS_SUBFLOW : 0;
    port.flags = PLAIT_PORT_TX_CSUM;
    joined_need(plait_port_add(j->stack[side], &port, &j->port[side][path]) == 0, "plait_port_add");
    joined_need(
        plait_address_add(j->stack[side], j->port[side][path], &addr, role, 0, 0, j->now) > 0,
        "plait_address_add");
}

void joined_init(struct joined *j, unsigned paths, uint64_t round_ns) {
    struct plait_config config;
    joined_need(paths >= 1 && paths <= JOINED_PORTS_MAX, "joined_init");
    plait_config_init(&config);
    config.connections_max = CONNECTIONS_MAX;
    *j = (struct joined){.paths = paths, .now = PLAIT_NS_PER_S, .round_ns = round_ns};
    for (unsigned side = 0; side < 2; side++) {
        const struct plait_env *env = env_init(&j->env[side]);
        joined_need(plait_stack_create(&j->stack[side], env, &config) == 0, "plait_stack_create");
        for (unsigned path = 0; path < paths; path++) {
            add_path(j, side, path);
        }
    }
}

void joined_fini(struct joined *j) {
    if (j->buf != NULL) {
        plait_buf_unref(j->buf);
    }
    for (unsigned side = 0; side < 2; side++) {
        plait_stack_destroy(j->stack[side]);
        pl_posix_env_fini(&j->env[side].real);
    }
}

void joined_listen(struct joined *j, unsigned listeners) {
    joined_need(listeners <= JOINED_LISTENERS_MAX, "joined_listen");
    for (unsigned i = 0; i < listeners; i++) {
        uint16_t port = (uint16_t)(JOINED_TCP_PORT + i);
        joined_need(plait_open(j->stack[1], &j->listeners[i]) == 0, "plait_open");
        joined_need(plait_bind(j->stack[1], j->listeners[i], 0, NULL, port) == 0, "plait_bind");
        joined_need(plait_listen(j->stack[1], j->listeners[i], 1024) == 0, "plait_listen");
    }
}

struct plait_endpoint joined_remote(unsigned listener) {
    return (struct plait_endpoint){.addr = address(1, 0),
                                   .port = (uint16_t)(JOINED_TCP_PORT + listener)};
}

/* A packet into a buffer of its own; the last one is used again when nobody kept it. */
static struct plait_buf *copy_packet(struct joined *j, const struct plait_tx *tx) {
    if (j->buf == NULL || j->buf->refs > 1) {
        if (j->buf != NULL) {
            plait_buf_unref(j->buf);
        }
        j->buf = plait_buf_alloc(&j->env[0].real.env, 2048);
        joined_need(j->buf != NULL, "plait_buf_alloc");
    }
    memcpy(j->buf->data, tx->header, tx->header_len);
    uint32_t at = tx->header_len;
    for (unsigned i = 0; i < tx->slice_count; i++) {
        memcpy(j->buf->data + at, tx->slices[i].data, tx->slices[i].len);
        at += tx->slices[i].len;
    }
    j->buf->len = at;
    return j->buf;
}

static unsigned carry(struct joined *j, unsigned from, unsigned path) {
    const struct plait_rx_meta meta = {.flags = PLAIT_RX_CSUM_OK};
    struct plait_tx tx[BATCH];
    unsigned n = plait_output(j->stack[from], j->port[from][path], tx, BATCH, j->now);
    for (unsigned i = 0; i < n; i++) {
        struct plait_buf *buf = copy_packet(j, &tx[i]);
        plait_input(j->stack[1 - from], j->port[1 - from][path], buf, &meta, j->now);
    }
    return n;
}

void joined_round(struct joined *j) {
    for (unsigned side = 0; side < 2; side++) {
        for (unsigned path = 0; path < j->paths; path++) {
            while (carry(j, side, path) == BATCH) {
            }
        }
        while (plait_deadline(j->stack[side]) <= j->now) {
            plait_tick(j->stack[side], j->now);
        }
    }
    j->now += j->round_ns;
}

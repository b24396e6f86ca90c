/* Walks the public API with any arguments: stale ids, wrong states, addresses that are not there,
 * NULL, calls in any order on two stacks that do talk to each other. Every call must answer with
 * something that it documents, nothing may reach an assertion, and all memory must come back. */
#include <string.h>

#include "fuzz.h"
#include "stack_pair.h"

enum { OPS_MAX = 300, SOCKS = 6, ADDRS = 6 };

struct run {
    const uint8_t *data;
    size_t len, at;
    struct stack_pair pair;
    plait_sock socks[SOCKS]; /* of either stack: foreign ids are part of the game */
};

static uint8_t next8(struct run *r) {
    return r->at < r->len ? r->data[r->at++] : 0;
}

static void check(int64_t result) {
    bool known = result >= 0 || plait_error_class((int)result) != PLAIT_CLASS_NONE;
    FUZZ_CHECK(known);
    FUZZ_CHECK(result != PLAIT_E_INTERNAL);
}

static plait_sock some_sock(struct run *r) {
    uint8_t pick = next8(r);
    plait_sock sock = r->socks[pick % SOCKS];
    return pick < 250 ? sock : sock + (plait_sock)(pick - 250) + (UINT64_C(1) << 32);
}

static struct plait_addr some_addr(struct run *r) {
    uint8_t pick = next8(r);
    enum plait_family family = (pick & 1) != 0 ? PLAIT_IPV6 : PLAIT_IPV4;
    struct plait_addr addr = pair_addr(pick >> 1 & 1, pick >> 2 & 3, family);
    if (pick >= 224) {
        addr = (struct plait_addr){.family = (uint8_t)(pick % 8)};
        addr.bytes[0] = next8(r);
        addr.bytes[15] = next8(r);
    }
    return addr;
}

static plait_port_id some_port(struct run *r, unsigned side) {
    uint8_t pick = next8(r);
    return pick < 200 ? r->pair.path[pick % r->pair.paths].port[side] : pick % 70u;
}

static void keep(struct run *r, int result, plait_sock sock) {
    check(result);
    if (result == 0) {
        r->socks[next8(r) % SOCKS] = sock;
    }
}

static void begin(struct run *r, struct plait_stack *stack, unsigned side) {
    plait_sock fresh = 0, sock = some_sock(r);
    struct plait_addr addr = some_addr(r);
    struct plait_endpoint remote = {.addr = addr, .port = (uint16_t)(next8(r) % 4)};
    uint8_t what = next8(r);
    switch (what % 8) {
        case 0:
        case 1:
            keep(r, plait_open(stack, &fresh), fresh);
            break;
        case 2:
            check(plait_bind(stack, sock, some_port(r, side), what < 128 ? &addr : NULL,
                             remote.port));
            break;
        case 3:
            check(plait_listen(stack, sock, next8(r) % 4u));
            break;
        case 4:
        case 5:
            check(plait_connect(stack, sock, what < 250 ? &remote : NULL, r->pair.now));
            break;
        case 6:
            keep(r, plait_accept(stack, sock, &fresh), fresh);
            break;
        default:
            check(plait_confirm(stack, sock, r->pair.now));
            break;
    }
}

static void bytes(struct run *r, struct plait_stack *stack) {
    static uint8_t block[20000];
    plait_sock sock = some_sock(r);
    uint8_t what = next8(r);
    size_t len = next8(r) * 70u;
    plait_time now = what < 240 ? r->pair.now : what; /* a clock that goes back */
    void *data = what % 32 == 31 ? NULL : block;
    switch (what % 8) {
        case 0:
        case 1:
        case 2:
            check(plait_write(stack, sock, data, len, now));
            break;
        case 3:
        case 4:
            check(plait_read(stack, sock, data, len, now));
            break;
        case 5:
            check(plait_splice(stack, sock, some_sock(r), len, now));
            break;
        case 6:
            check(plait_shutdown(stack, sock, now));
            break;
        default:
            check(plait_poll(stack, sock));
            break;
    }
}

static void end(struct run *r, struct plait_stack *stack) {
    plait_sock sock = some_sock(r);
    if (next8(r) % 2 == 0) {
        check(plait_close(stack, sock, r->pair.now));
    } else {
        check(plait_abort(stack, sock, (int)next8(r) - 40, r->pair.now));
    }
    FUZZ_CHECK(plait_close(stack, sock, r->pair.now) == PLAIT_E_BAD_SOCKET);
}

static void ask(struct run *r, struct plait_stack *stack) {
    plait_sock sock = some_sock(r);
    struct plait_endpoint endpoint;
    struct plait_subflow_info subflows[3];
    struct plait_connection_info connection = {.size = next8(r)};
    int64_t value = (int64_t)((uint64_t)next8(r) << (next8(r) % 64));
    enum plait_option option = (enum plait_option)(next8(r) % (PLAIT_OPT_COUNT + 2));
    check(plait_set(stack, sock, option, value));
    check(plait_get(stack, sock, option, &value));
    check(plait_get(stack, sock, option, NULL));
    check(plait_local(stack, sock, &endpoint));
    check(plait_remote(stack, sock, &endpoint));
    check(plait_subflows(stack, sock, subflows, next8(r) % 4u));
    check(plait_connection(stack, sock, &connection));
    struct plait_stack_stats stats = {.size = next8(r)};
    plait_stack_stats(stack, &stats);
}

static void addresses(struct run *r, struct plait_stack *stack, unsigned side) {
    struct plait_addr addr = some_addr(r);
    const struct plait_addr *given = next8(r) < 250 ? &addr : NULL;
    plait_port_id port = some_port(r, side);
    uint8_t what = next8(r);
    switch (what % 4) {
        case 0:
        case 1:
            check(plait_address_add(stack, port, given, next8(r) % 18u, next8(r) % 3, next8(r) % 3,
                                    r->pair.now));
            break;
        case 2:
            check(plait_address_remove(stack, port, given, r->pair.now));
            break;
        default:
            if (what >= 192) {
                struct plait_addr outside = some_addr(r);
                check(plait_address_announce(stack, port, given, &outside, r->pair.now));
                break;
            }
            check(plait_address_set_backup(stack, port, given, what >= 128, r->pair.now));
            break;
    }
}

static void paths(struct run *r, struct plait_stack *stack, unsigned side) {
    plait_sock sock = some_sock(r);
    struct plait_local local = {.port = next8(r) % 3 == 0 ? some_port(r, side) : 0,
                                .tcp_port = next8(r) % 3,
                                .flags = next8(r) % 18u};
    uint8_t what = next8(r);
    local.addr = what < 200 ? pair_addr(side, what % r->pair.paths, PLAIT_IPV4) : some_addr(r);
    struct plait_endpoint to = pair_endpoint(1 - side, next8(r) % r->pair.paths, PLAIT_IPV4, 1);
    uint32_t serial = next8(r) % 6u;
    plait_time now = r->pair.now;
    switch (next8(r) % 8) {
        case 0:
            check(plait_multipath_add(stack, sock, what < 250 ? &local : NULL, 1, now));
            break;
        case 1:
        case 2:
            check(plait_multipath_remove(stack, sock, what < 250 ? &local : NULL, 1, now));
            break;
        case 3:
        case 4:
            check(plait_subflow_open(stack, sock, &local, &to, what % 2 == 0, now));
            break;
        case 5:
            check(plait_subflow_close(stack, sock, serial, what % 2 == 0, now));
            break;
        case 6:
            check(plait_subflow_set_backup(stack, sock, serial, what % 2 == 0, now));
            break;
        default:
            check(plait_subflow_set_cc(stack, sock, serial, what % 8, now));
            break;
    }
    check(plait_multipath_subflows(stack, sock, NULL, 0));
}

static void ports(struct run *r, struct plait_stack *stack, unsigned side) {
    struct plait_port_config config = {.size = sizeof(config)};
    plait_port_id port = some_port(r, side);
    uint8_t what = next8(r);
    unsigned path = next8(r) % r->pair.paths;
    switch (what % 4) {
        case 0:
            config.mtu = next8(r) * 20u;
            config.flags = next8(r) % 65u;
            check(
                plait_port_add(stack, what < 250 ? &config : NULL, &r->pair.path[path].port[side]));
            break;
        case 1:
            check(plait_port_remove(stack, port, r->pair.now));
            break;
        case 2:
            check(plait_port_set_up(stack, port, what >= 64, r->pair.now));
            break;
        default:
            check(plait_port_set_mtu(stack, port, next8(r) * 20u));
            break;
    }
}

static void one_op(struct run *r) {
    uint8_t op = next8(r);
    unsigned side = op >> 4 & 1;
    struct plait_stack *stack = r->pair.stack[side];
    switch (op & 15) {
        case 0:
        case 1:
        case 2:
            begin(r, stack, side);
            break;
        case 3:
        case 4:
        case 5:
            bytes(r, stack);
            break;
        case 6:
            end(r, stack);
            break;
        case 7:
            ask(r, stack);
            break;
        case 8:
            addresses(r, stack, side);
            break;
        case 9:
            ports(r, stack, side);
            break;
        case 11:
            paths(r, stack, side);
            break;
        case 10:
            r->pair.env[side].fail_at = r->pair.env[side].alloc_count + (op >> 5) + 1;
            break;
        default:
            pair_run(&r->pair, (uint64_t)(next8(r) + 1) << (op >> 4) << 13);
            break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static struct run r;
    memset(&r, 0, sizeof(r));
    r.data = data;
    r.len = len;
    struct plait_config config;
    plait_config_init(&config);
    config.connections_max = 6;
    struct pair_setup setup = {.paths = 2,
                               .address_flags = {PLAIT_ADDRESS_SUBFLOW, PLAIT_ADDRESS_SIGNAL},
                               .config = {&config, &config}};
    pair_init(&r.pair, &setup);
    if (next8(&r) % 4 != 0) { /* something to work on */
        r.socks[0] = pair_listen(&r.pair, 1);
        r.socks[1] = pair_connect(&r.pair, r.socks[0], 1, PLAIT_IPV4, &r.socks[2]);
    }
    for (unsigned ops = 0; ops < OPS_MAX && r.at < r.len; ops++) {
        one_op(&r);
        struct plait_event event;
        while (plait_event_next(r.pair.stack[ops & 1], &event)) {
            FUZZ_CHECK(event.type != PLAIT_EVENT_NONE && event.sock != 0);
        }
        if (ops % 16 == 0) {
            plait_stack_check(r.pair.stack[ops >> 4 & 1]);
        }
    }
    pair_run(&r.pair, PLAIT_NS_PER_S);
    pair_fini(&r.pair);
    return 0;
}

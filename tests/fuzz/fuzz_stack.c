/* Fuzzes a whole stack: B listens and has an accepted connection, A is its peer, and the input says
 * what happens: packets that are changed, dropped, repeated or made up on the way (both directions,
 * two paths), ICMP errors about them, bytes written and read, sockets closed, ports that go down,
 * memory that runs out, time. Nothing may break; at the end all memory must be back. */
#include <string.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "stack_pair.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { OPS_MAX = 400, KEPT = 4, PACKET_MAX = 2048, SOCKS = 4 };

struct kept {
    uint8_t bytes[PACKET_MAX];
    uint32_t len;
    unsigned to, path;
};

struct run {
    const uint8_t *data;
    size_t len, at;
    struct stack_pair pair;
    struct kept kept[KEPT]; /* the last packets that were sent */
    unsigned kept_next;
    unsigned change, drop; /* how many of the next packets */
    plait_sock listener, socks[PAIR_SIDES][SOCKS];
};

static uint8_t next8(struct run *r) {
    return r->at < r->len ? r->data[r->at++] : 0;
}

static uint16_t next16(struct run *r) {
    uint8_t high = next8(r);
    return (uint16_t)(high << 8 | next8(r));
}

/* Mostly headers and options: that is where meaning is. */
static void change(struct run *r, uint8_t *packet, uint32_t len) {
    for (unsigned edits = next8(r) % 4u + 1; edits > 0; edits--) {
        uint32_t bound = len < 100 ? len : 100;
        uint32_t at = next8(r) % bound;
        packet[at] = next8(r);
    }
    if (len >= 20 && packet[0] >> 4 == 4) { /* or else it would end at the checksum */
        uint32_t header_len = (packet[0] & 15u) * 4;
        header_len = header_len < 20 || header_len > len ? 20 : header_len;
        pl_put16(packet + 10, 0);
        pl_put16(packet + 10, (uint16_t)~pl_sum_fold(pl_sum_add(0, packet, header_len)));
    }
}

static bool filter(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                   uint32_t len) {
    struct run *r = pair->filter_arg;
    if (len <= PACKET_MAX) {
        struct kept *kept = &r->kept[r->kept_next++ % KEPT];
        memcpy(kept->bytes, packet, len);
        kept->len = len;
        kept->to = !from;
        kept->path = path;
    }
    if (r->drop > 0) {
        r->drop--;
        return true;
    }
    if (r->change > 0) {
        r->change--;
        change(r, packet, len);
    }
    return false;
}

/* ---- packets out of nothing ---- */

static void repeat(struct run *r, bool changed) {
    struct kept *kept = &r->kept[next8(r) % KEPT];
    uint8_t copy[PACKET_MAX];
    if (kept->len == 0) {
        return;
    }
    memcpy(copy, kept->bytes, kept->len);
    if (changed) {
        change(r, copy, kept->len);
    }
    pair_inject(&r->pair, kept->to, kept->path, copy, kept->len);
}

/* The addresses and ports of a packet that was sent, with other flags, numbers and options. */
static void make_up(struct run *r) {
    const struct kept *kept = &r->kept[next8(r) % KEPT];
    struct pl_ip ip;
    struct pl_segment seg;
    if (pl_ip_parse(kept->bytes, kept->len, &ip) != PL_IP_OK || ip.protocol != PL_IP_TCP ||
        pl_tcp_parse(kept->bytes + ip.header_len, ip.payload_len, &seg) != PL_TCP_OK) {
        return;
    }
    uint8_t packet[200] = {0};
    uint32_t options_len = next8(r) % 11u * 4, payload_len = next8(r) % 32u;
    seg.flags = next8(r);
    seg.seq.v += next8(r) - 128u;
    seg.ack.v += next8(r) - 128u;
    seg.window_raw = next16(r);
    ip.payload_len = PL_TCP_HEADER + options_len + payload_len;
    uint32_t at = pl_ip_write(packet, &ip, 1);
    for (uint32_t i = 0; i < options_len; i++) {
        packet[at + PL_TCP_HEADER + i] = next8(r);
    }
    pl_tcp_write(packet + at, &seg, options_len);
    pair_inject(&r->pair, kept->to, kept->path, packet, at + ip.payload_len);
}

/* An ICMP error about a packet that was sent, to who sent it. */
static void icmp(struct run *r) {
    const struct kept *kept = &r->kept[next8(r) % KEPT];
    struct pl_ip ip;
    if (pl_ip_parse(kept->bytes, kept->len, &ip) != PL_IP_OK) {
        return;
    }
    bool v4 = ip.src.family == PLAIT_IPV4;
    uint32_t quoted = kept->len < 80 ? kept->len : 80;
    struct pl_ip outer = {.src = ip.dst, .dst = ip.src, .hops = 64, .payload_len = 8 + quoted};
    outer.protocol = v4 ? PL_IP_ICMP : PL_IP_ICMP6;
    uint8_t packet[200] = {0};
    uint8_t *message = packet + pl_ip_write(packet, &outer, 1);
    message[0] = next8(r) % 2 != 0 ? (v4 ? 3 : 2) : next8(r);
    message[1] = next8(r) % 16;
    pl_put16(message + 6, next16(r));
    memcpy(message + 8, kept->bytes, quoted);
    uint64_t sum = v4 ? 0 : pl_sum_pseudo(&outer.src, &outer.dst, PL_IP_ICMP6, 8 + quoted);
    pl_put16(message + 2, (uint16_t)~pl_sum_fold(pl_sum_add(sum, message, 8 + quoted)));
    uint32_t len = (uint32_t)(message - packet) + 8 + quoted;
    pair_inject(&r->pair, !kept->to, kept->path, packet, len);
}

/* ---- what the applications and the owners of the stacks do ---- */

static int64_t write_by_reference(struct run *r, unsigned side, plait_sock sock, size_t len) {
    struct plait_buf *buf = plait_buf_alloc(&r->pair.env[side].env, 70000);
    if (buf == NULL) {
        return 0;
    }
    memset(buf->data, 0, buf->cap);
    buf->len = 66000;
    int64_t result =
        plait_write_buf(r->pair.stack[side], sock, buf, next8(r), (uint32_t)len, r->pair.now);
    plait_buf_unref(buf);
    return result;
}

/* In place, every byte of it. */
static int64_t read_in_place(struct run *r, unsigned side, plait_sock sock, size_t len) {
    struct plait_slice slices[3];
    volatile uint8_t sum = 0;
    int n = plait_peek(r->pair.stack[side], sock, slices, 3);
    for (int i = 0; i < n; i++) {
        for (uint32_t k = 0; k < slices[i].len; k++) {
            sum = (uint8_t)(sum + slices[i].data[k]);
        }
    }
    return plait_skip(r->pair.stack[side], sock, len, r->pair.now);
}

static void io(struct run *r, unsigned side, plait_sock sock) {
    static uint8_t block[65536];
    struct plait_stack *stack = r->pair.stack[side];
    size_t len = next8(r) * 256u + 1;
    int64_t result = 0;
    switch (next8(r) % 8) {
        case 0:
        case 1:
            result = plait_write(stack, sock, block, len, r->pair.now);
            break;
        case 2:
        case 3:
            result = plait_read(stack, sock, block, len, r->pair.now);
            break;
        case 4:
            result = plait_splice(stack, sock, r->socks[side][next8(r) % SOCKS], len, r->pair.now);
            break;
        case 5:
            result = write_by_reference(r, side, sock, len);
            break;
        case 6:
            result = read_in_place(r, side, sock, len);
            break;
        default:
            result = next8(r) % 4 == 0 ? plait_shutdown(stack, sock, r->pair.now) : 0;
            break;
    }
    FUZZ_CHECK(result != PLAIT_E_INTERNAL);
}

static void life(struct run *r, unsigned side, unsigned slot) {
    struct plait_stack *stack = r->pair.stack[side];
    plait_sock *sock = &r->socks[side][slot];
    plait_sock fresh = 0;
    switch (next8(r) % 8) {
        case 0:
            plait_close(stack, *sock, r->pair.now);
            break;
        case 1:
            plait_abort(stack, *sock, -(int)(next8(r) % 20), r->pair.now);
            break;
        case 2:
            if (plait_accept(r->pair.stack[PAIR_B], r->listener, &fresh) == 0) {
                plait_close(r->pair.stack[PAIR_B], r->socks[PAIR_B][slot], r->pair.now);
                r->socks[PAIR_B][slot] = fresh;
            }
            break;
        case 3:
            if (plait_open(stack, &fresh) == 0) {
                struct plait_endpoint to = pair_endpoint(!side, next8(r) % 2u, PLAIT_IPV4, 80);
                plait_close(stack, *sock, r->pair.now);
                *sock = fresh;
                FUZZ_CHECK(plait_connect(stack, fresh, &to, r->pair.now) != PLAIT_E_BAD_STATE);
            }
            break;
        case 4:
            (void)!plait_confirm(stack, *sock, r->pair.now);
            break;
        default:
            (void)!plait_set(stack, *sock, (enum plait_option)(next8(r) % PLAIT_OPT_COUNT),
                             next16(r));
            (void)!plait_set(r->pair.stack[PAIR_B], r->listener, PLAIT_OPT_DEFER,
                             next8(r) % 8 == 0);
            break;
    }
}

static void environment(struct run *r, unsigned side) {
    struct plait_stack *stack = r->pair.stack[side];
    unsigned path = next8(r) % 2;
    plait_port_id port = r->pair.path[path].port[side];
    struct plait_addr addr = pair_addr(side, path, PLAIT_IPV4);
    uint8_t what = next8(r);
    bool yes = what >= 128;
    switch (what % 6) {
        case 0:
            plait_port_set_up(stack, port, yes, r->pair.now);
            break;
        case 1:
            plait_port_set_mtu(stack, port, 576 + next16(r) % 2000u);
            break;
        case 2:
            plait_address_remove(stack, port, &addr, r->pair.now);
            break;
        case 3:
            plait_address_add(stack, port, &addr, next8(r) % 16, yes ? 81 : 0, 0, r->pair.now);
            break;
        case 4:
            plait_address_set_backup(stack, port, &addr, yes, r->pair.now);
            break;
        default:
            r->pair.env[side].fail_at = r->pair.env[side].alloc_count + next8(r) % 8u + 1;
            r->pair.env[side].fail_after = what > 250;
            break;
    }
}

static void one_op(struct run *r) {
    uint8_t op = next8(r);
    unsigned side = op >> 4 & 1, slot = op >> 5 & 3;
    switch (op & 15) {
        case 0:
        case 1:
            r->change = op >> 6 | 1;
            break;
        case 2:
            r->drop = (op >> 6) + 1;
            break;
        case 3:
        case 4:
            repeat(r, op >= 128);
            break;
        case 5:
        case 6:
            make_up(r);
            break;
        case 7:
            icmp(r);
            break;
        case 8:
        case 9:
        case 10:
            io(r, side, r->socks[side][slot]);
            break;
        case 11:
            life(r, side, slot);
            break;
        case 12:
            environment(r, side);
            break;
        default:
            r->pair.env[side].fail_after = false;
            pair_run(&r->pair, (uint64_t)(next8(r) + 1) << (op >> 4) << 13);
            break;
    }
}

static void drain(struct run *r) {
    struct plait_event event;
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        while (plait_event_next(r->pair.stack[side], &event)) {
            FUZZ_CHECK(event.type != PLAIT_EVENT_NONE && event.sock != 0);
        }
    }
}

static void start(struct run *r) {
    struct plait_config config;
    plait_config_init(&config);
    uint8_t how = next8(r);
    config.mptcp = (how & 15) != 0;
    config.checksum = (how & 16) != 0;
    config.deny_join_initial = (how & 32) != 0;
    config.syn_cookies = (how & 16) != 0 ? PLAIT_SYN_COOKIES_ALWAYS : PLAIT_SYN_COOKIES_WHEN_FULL;
    config.memory_bytes_max = (how & 64) != 0 ? 100000 : UINT64_C(1) << 22;
    config.connections_max = 8;
    uint32_t offload = (how & 128) != 0 ? (uint32_t)(PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM) : 0;
    struct pair_setup setup = {.paths = 2,
                               .ipv4_only = true,
                               .address_flags = {PLAIT_ADDRESS_SUBFLOW, PLAIT_ADDRESS_SIGNAL},
                               .port_flags = {offload, offload},
                               .config = {&config, &config}};
    pair_init(&r->pair, &setup);
    r->listener = pair_listen(&r->pair, 80);
    plait_sock *client = &r->socks[PAIR_A][0], *server = &r->socks[PAIR_B][0];
    *client = pair_connect(&r->pair, r->listener, 80, PLAIT_IPV4, server);
    r->pair.filter = filter;
    r->pair.filter_arg = r;
    r->pair.trust = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static struct run r;
    memset(&r, 0, sizeof(r));
    r.data = data;
    r.len = len;
    start(&r);
    for (unsigned ops = 0; ops < OPS_MAX && r.at < r.len; ops++) {
        one_op(&r);
        drain(&r);
        if (ops % 16 == 0) {
            plait_stack_check(r.pair.stack[PAIR_A]);
            plait_stack_check(r.pair.stack[PAIR_B]);
        }
    }
    pair_run(&r.pair, PLAIT_NS_PER_S);
    pair_fini(&r.pair);
    return 0;
}

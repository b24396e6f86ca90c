/* tests/install/harness.c - an outside harness: it holds a conversation with the stack, segment in,
 * segment out, call and time, with nothing but the installed headers and library.
 *
 * Packets are raw IPv4 and made here; the clock is a variable; no call blocks, and poll says when
 * one would. What a scenario script does (docs/scripts.md) can be done so in any language. */
#include <plait/plait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(x) ((x) ? (void)0 : plait_abort_hook(#x, __FILE__, __LINE__))

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { IP = 20, TCP = 20, PEER_PORT = 40000, OUR_PORT = 80, PEER_ISN = 1000 };
enum { RTT_MS = 50, RTO_MS_MIN = 200 };

static const uint8_t ours[4] = {192, 0, 2, 1}, peers[4] = {198, 51, 100, 1};

struct harness {
    struct plait_env env;
    struct plait_stack *stack;
    plait_port_id port;
    plait_sock listener, sock;
    plait_time now;
    uint32_t isn; /* of the stack */
};

/* A segment of the stack, taken apart. */
struct segment {
    uint32_t seq, ack, len;
    uint8_t flags;
    uint8_t payload[2000];
};

_Noreturn void plait_abort_hook(const char *expression, const char *file, int line) {
    fprintf(stderr, "%s:%d: %s\n", file, line, expression);
    abort();
}

static void *take(void *user, size_t size) {
    (void)user;
    return malloc(size);
}

static void give(void *user, void *ptr, size_t size) {
    (void)user;
    (void)size;
    free(ptr);
}

static void fill(void *user, void *buf, size_t len) {
    (void)user;
    memset(buf, 0x5c, len); /* the same every time: a run can be repeated */
}

static void digest(void *user, const void *msg, size_t len, uint8_t out[32]) {
    (void)user;
    memset(out, 0x5a, 32);
    for (size_t i = 0; i < len; i++) {
        out[i % 32] = (uint8_t)(out[i % 32] * 31 + ((const uint8_t *)msg)[i]);
    }
}

static void keyed_digest(void *user, const void *key, size_t key_len, const void *msg, size_t len,
                         uint8_t out[32]) {
    (void)key;
    (void)key_len;
    digest(user, msg, len, out);
}

/* ---- raw packets ---- */

static void put16(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v) {
    put16(p, v >> 16);
    put16(p + 2, v);
}

static uint32_t get32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t sum(uint32_t from, const uint8_t *data, size_t len) {
    for (size_t i = 0; i < len; i++) {
        from += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
    }
    return from;
}

static uint16_t folded(uint32_t s) {
    while (s >> 16 != 0) {
        s = (s & 0xffff) + (s >> 16);
    }
    return (uint16_t)~s;
}

static void send_segment(struct harness *h, uint8_t flags, uint32_t seq, uint32_t ack,
                         const char *payload) {
    uint32_t len = (uint32_t)strlen(payload), tcp_len = TCP + len;
    struct plait_buf *buf = plait_buf_alloc(&h->env, IP + tcp_len);
    REQUIRE(buf != NULL);
    uint8_t *ip = buf->data, *tcp = ip + IP;
    memset(ip, 0, IP + TCP);
    ip[0] = 0x45;
    put16(ip + 2, IP + tcp_len);
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + 12, peers, 4);
    memcpy(ip + 16, ours, 4);
    put16(ip + 10, folded(sum(0, ip, IP)));
    put16(tcp, PEER_PORT);
    put16(tcp + 2, OUR_PORT);
    put32(tcp + 4, PEER_ISN + seq);
    put32(tcp + 8, (flags & ACK) != 0 ? h->isn + ack : 0);
    tcp[12] = TCP / 4 << 4;
    tcp[13] = flags;
    put16(tcp + 14, 65535);
    memcpy(tcp + TCP, payload, len);
    put16(tcp + 16, folded(sum(sum(6 + tcp_len, ip + 12, 8), tcp, tcp_len)));
    buf->len = IP + tcp_len;
    plait_input(h->stack, h->port, buf, NULL, h->now);
    plait_buf_unref(buf);
}

static bool next_segment(struct harness *h, struct segment *out) {
    struct plait_tx tx;
    if (plait_output(h->stack, h->port, &tx, 1, h->now) == 0) {
        return false;
    }
    const uint8_t *tcp = tx.header + IP;
    *out = (struct segment){.seq = get32(tcp + 4), .ack = get32(tcp + 8), .flags = tcp[13]};
    for (uint32_t i = 0; i < tx.slice_count; i++) {
        REQUIRE(out->len + tx.slices[i].len <= sizeof(out->payload));
        memcpy(out->payload + out->len, tx.slices[i].data, tx.slices[i].len);
        out->len += tx.slices[i].len;
    }
    REQUIRE(out->len == tx.payload_len);
    return true;
}

/* Exactly this segment, now, and nothing behind it; seq and ack relative to the ISNs. */
static void expect_segment(struct harness *h, uint8_t flags, uint32_t seq, uint32_t ack,
                           const char *payload) {
    struct segment s, more;
    REQUIRE(next_segment(h, &s));
    h->isn = (flags & SYN) != 0 ? s.seq : h->isn;
    REQUIRE(s.flags == flags);
    REQUIRE(s.seq == h->isn + seq && s.ack == PEER_ISN + ack);
    REQUIRE(s.len == strlen(payload) && memcmp(s.payload, payload, s.len) == 0);
    REQUIRE(!next_segment(h, &more));
}

static void pass_ms(struct harness *h, uint64_t ms) {
    plait_time end = h->now + ms * PLAIT_NS_PER_MS;
    while (plait_deadline(h->stack) <= end) {
        h->now = plait_deadline(h->stack);
        plait_tick(h->stack, h->now);
        REQUIRE(!plait_output_pending(h->stack, h->port));
    }
    h->now = end;
}

static bool has_event(struct harness *h, uint32_t type) {
    struct plait_event event;
    while (plait_event_next(h->stack, &event)) {
        if (event.type == type) {
            return true;
        }
    }
    return false;
}

/* ---- the conversation ---- */

static void start(struct harness *h) {
    struct plait_config config;
    struct plait_addr local = {.family = PLAIT_IPV4};
    const struct plait_port_config link = {.size = sizeof(link), .name = "link", .mtu = 1500};
    *h = (struct harness){.env = {.size = sizeof(h->env),
                                  .alloc = take,
                                  .free = give,
                                  .random = fill,
                                  .sha256 = digest,
                                  .hmac_sha256 = keyed_digest}};
    memcpy(local.bytes, ours, 4);
    plait_config_init(&config);
    config.mptcp = false;
    REQUIRE(plait_stack_create(&h->stack, &h->env, &config) == 0);
    REQUIRE(plait_port_add(h->stack, &link, &h->port) == 0);
    REQUIRE(plait_address_add(h->stack, h->port, &local, 0, 0, 0, h->now) > 0);
    REQUIRE(plait_open(h->stack, &h->listener) == 0);
    REQUIRE(plait_bind(h->stack, h->listener, 0, NULL, OUR_PORT) == 0);
    REQUIRE(plait_listen(h->stack, h->listener, 5) == 0);
}

static void open_passively(struct harness *h) {
    REQUIRE(plait_accept(h->stack, h->listener, &h->sock) == PLAIT_E_AGAIN);
    send_segment(h, SYN, 0, 0, "");
    expect_segment(h, SYN | ACK, 0, 1, "");
    pass_ms(h, RTT_MS);
    send_segment(h, ACK, 1, 1, "");
    REQUIRE(has_event(h, PLAIT_EVENT_ACCEPT));
    REQUIRE(plait_accept(h->stack, h->listener, &h->sock) == 0);
    REQUIRE(plait_poll(h->stack, h->sock) == PLAIT_POLL_WRITE);
}

static void read_without_blocking(struct harness *h) {
    char bytes[16];
    REQUIRE(plait_read(h->stack, h->sock, bytes, sizeof(bytes), h->now) == PLAIT_E_AGAIN);
    send_segment(h, PSH | ACK, 1, 1, "ping");
    expect_segment(h, ACK, 1, 5, "");
    REQUIRE(has_event(h, PLAIT_EVENT_READABLE));
    REQUIRE((plait_poll(h->stack, h->sock) & PLAIT_POLL_READ) != 0);
    REQUIRE(plait_read(h->stack, h->sock, bytes, sizeof(bytes), h->now) == 4);
    REQUIRE(memcmp(bytes, "ping", 4) == 0);
}

/* The time of the retransmission is exact: a smoothed RTT and the least variance. */
static void lose_a_segment(struct harness *h) {
    struct plait_subflow_info info;
    REQUIRE(plait_write(h->stack, h->sock, "pong", 4, h->now) == 4);
    expect_segment(h, PSH | ACK, 1, 5, "pong");
    pass_ms(h, RTT_MS + RTO_MS_MIN - 1);
    plait_time deadline = plait_deadline(h->stack);
    REQUIRE(deadline == h->now + PLAIT_NS_PER_MS);
    h->now = deadline;
    plait_tick(h->stack, h->now);
    expect_segment(h, PSH | ACK, 1, 5, "pong");
    REQUIRE(plait_subflows(h->stack, h->sock, &info, 1) == 1);
    REQUIRE(info.srtt_ns == RTT_MS * PLAIT_NS_PER_MS);
    REQUIRE(plait_counters(h->stack)[PLAIT_COUNTER_Timeouts] == 1);
    send_segment(h, ACK, 5, 5, "");
}

static void close_both(struct harness *h) {
    char byte;
    send_segment(h, FIN | ACK, 5, 5, "");
    expect_segment(h, ACK, 5, 6, "");
    REQUIRE(plait_read(h->stack, h->sock, &byte, 1, h->now) == 0);
    REQUIRE(plait_close(h->stack, h->sock, h->now) == 0);
    expect_segment(h, FIN | ACK, 5, 6, "");
    send_segment(h, ACK, 6, 6, "");
    struct plait_stack_stats stats = {.size = sizeof(stats)};
    plait_stack_stats(h->stack, &stats);
    REQUIRE(stats.connections == 0 && stats.memory_bytes == 0);
    /* The 4-tuple is free now: a forged reset is not answered, a forged ACK is. */
    send_segment(h, RST, 6, 0, "");
    send_segment(h, ACK, 6, 6, "");
    struct segment s;
    REQUIRE(next_segment(h, &s) && s.flags == RST && s.seq == h->isn + 6);
    REQUIRE(!next_segment(h, &s));
}

int main(void) {
    struct harness h;
    start(&h);
    open_passively(&h);
    read_without_blocking(&h);
    lose_a_segment(&h);
    close_both(&h);
    plait_stack_destroy(h.stack);
    return 0;
}

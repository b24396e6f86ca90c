/* tests/unit/stack_test.h - what the tests of src/stack share: one stack with one port (10.0.0.2
 * and fd00::2), packets made by hand for it, and its answers taken apart again. Included by each
 * test program once. */
#ifndef PL_TEST_STACK_TEST_H
#define PL_TEST_STACK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "plait/plait.h"
#include "stack/state.h"
#include "testenv.h"
#include "wire/addr.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

#define MS PLAIT_NS_PER_MS
#define SECOND PLAIT_NS_PER_S

static struct test_env memory;
static struct plait_stack *stack;
static plait_port_id port;
static plait_time now;
static struct plait_tx tx; /* what take() took last */

static inline struct plait_addr addr(const char *text) {
    struct plait_addr out;
    assert_true(pl_addr_parse(text, &out));
    return out;
}

static inline int add_address(plait_port_id id, const char *text) {
    struct plait_addr a = addr(text);
    return plait_address_add(stack, id, &a, 0, 0, 0, now);
}

static inline plait_port_id add_port(uint32_t flags) {
    struct plait_port_config config = {.size = sizeof(config), .mtu = 1500, .flags = flags};
    plait_port_id id = 0;
    assert_int_equal(plait_port_add(stack, &config, &id), 0);
    return id;
}

static inline int setup(void **state) {
    (void)state;
    now = 1000 * SECOND;
    test_env_init(&memory, 1);
    assert_int_equal(plait_stack_create(&stack, &memory.env, NULL), 0);
    port = add_port(0);
    assert_int_equal(add_address(port, "10.0.0.2"), 1);
    assert_int_equal(add_address(port, "fd00::2"), 2);
    return 0;
}

static inline int teardown(void **state) {
    (void)state;
    plait_stack_check(stack);
    plait_stack_destroy(stack);
    assert_int_equal(memory.live_count, 0);
    return 0;
}

static inline void input_meta(plait_port_id id, const void *bytes, size_t len, uint32_t flags) {
    struct plait_buf *buf = plait_buf_alloc(&memory.env, (uint32_t)len + 1);
    assert_non_null(buf);
    memcpy(buf->data, bytes, len);
    buf->len = (uint32_t)len;
    struct plait_rx_meta meta = {.flags = flags};
    plait_input(stack, id, buf, &meta, now);
    plait_buf_unref(buf);
}

static inline void input(const void *bytes, size_t len) {
    input_meta(port, bytes, len, 0);
}

static inline uint64_t counter(enum plait_counter which) {
    return plait_counters(stack)[which];
}

/* A segment between two hosts, with options and payload of zeros. */
struct made {
    const char *src, *dst;
    uint16_t src_port, dst_port;
    uint8_t flags;
    uint32_t seq, ack;
    uint8_t options[40];
    uint32_t options_len;
    uint32_t payload_len;
    bool bad_checksum;
};

static inline size_t make(const struct made *m, uint8_t *out) {
    struct pl_ip ip = {.src = addr(m->src), .dst = addr(m->dst), .protocol = PL_IP_TCP, .hops = 60};
    struct pl_segment seg = {.src_port = m->src_port,
                             .dst_port = m->dst_port,
                             .flags = m->flags,
                             .seq = {m->seq},
                             .ack = {m->ack},
                             .window_raw = 65535};
    ip.payload_len = PL_TCP_HEADER + m->options_len + m->payload_len;
    uint32_t at = pl_ip_write(out, &ip, 1);
    memcpy(out + at + PL_TCP_HEADER, m->options, m->options_len);
    uint32_t tcp_len = pl_tcp_write(out + at, &seg, m->options_len);
    memset(out + at + tcp_len, 0, m->payload_len);
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    sum = pl_sum_add(sum, out + at, ip.payload_len);
    uint16_t checksum = (uint16_t)~pl_sum_fold(sum);
    pl_put16(out + at + 16, m->bad_checksum ? (uint16_t)(checksum + 1) : checksum);
    return at + ip.payload_len;
}

static inline void send_made_on(plait_port_id id, const struct made *m) {
    uint8_t packet[2000];
    size_t len = make(m, packet);
    input_meta(id, packet, len, 0);
}

static inline void send_made(const struct made *m) {
    send_made_on(port, m);
}

static inline struct made syn_to(uint16_t dst_port) {
    return (struct made){.src = "10.0.0.1",
                         .dst = "10.0.0.2",
                         .src_port = 1234,
                         .dst_port = dst_port,
                         .flags = PL_TCP_SYN,
                         .seq = 5000};
}

/* Takes the next packet of a port, checks its checksum and parses it; false when there is none. */
static inline bool take_from(plait_port_id id, struct pl_ip *ip, struct pl_segment *seg) {
    bool pending = plait_output_pending(stack, id);
    if (plait_output(stack, id, &tx, 1, now) == 0) {
        return false;
    }
    assert_true(pending);
    static uint8_t packet[66000];
    memcpy(packet, tx.header, tx.header_len);
    size_t len = tx.header_len;
    for (uint32_t i = 0; i < tx.slice_count; i++) {
        memcpy(packet + len, tx.slices[i].data, tx.slices[i].len);
        len += tx.slices[i].len;
    }
    assert_int_equal(len, tx.header_len + tx.payload_len);
    assert_int_equal(pl_ip_parse(packet, len, ip), PL_IP_OK);
    assert_int_equal(ip->header_len + ip->payload_len, len);
    assert_int_equal(pl_tcp_parse(packet + ip->header_len, ip->payload_len, seg), PL_TCP_OK);
    if (!tx.needs_csum) {
        uint64_t sum = pl_sum_pseudo(&ip->src, &ip->dst, PL_IP_TCP, ip->payload_len);
        sum = pl_sum_add(sum, packet + ip->header_len, ip->payload_len);
        assert_int_equal(pl_sum_fold(sum), 0xffff);
    }
    return true;
}

static inline bool take(struct pl_ip *ip, struct pl_segment *seg) {
    return take_from(port, ip, seg);
}

static inline void expect_silence(void) {
    struct pl_ip ip;
    struct pl_segment seg;
    assert_false(take(&ip, &seg));
    assert_false(plait_output_pending(stack, port));
}

static inline plait_sock listen_on(plait_port_id id, const char *text, uint16_t tcp_port) {
    plait_sock sock = 0;
    struct plait_addr a = {0};
    if (text != NULL) {
        a = addr(text);
    }
    assert_int_equal(plait_open(stack, &sock), 0);
    assert_int_equal(plait_bind(stack, sock, id, &a, tcp_port), 0);
    assert_int_equal(plait_listen(stack, sock, 4), 0);
    return sock;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif

/* tests/unit/net_chain_pair.h - a chain of boxes between two ends that speak TCP by hand. Included
 * by each test program of boxes once. */
#ifndef PL_TEST_NET_CHAIN_PAIR_H
#define PL_TEST_NET_CHAIN_PAIR_H

#include "base/bytes.h"
#include "net/chain.h"
#include "net_test.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { OUTPUTS_MAX = 64 };

/* What came out, in order. */
static struct output {
    enum pl_box_way way;
    struct plait_buf *buf;
    struct pl_ip ip;
    struct pl_segment seg;
} outputs[OUTPUTS_MAX];
static unsigned output_count;
static struct pl_chain chain;

static const struct plait_endpoint client = {{.bytes = {10, 0, 0, 1}, .family = PLAIT_IPV4}, 4000};
static const struct plait_endpoint server = {{.bytes = {10, 0, 0, 2}, .family = PLAIT_IPV4}, 80};

/* Everything that comes out has right lengths and checksums. */
static inline void take_output(void *arg, enum pl_box_way way, struct plait_buf *buf,
                               const struct plait_rx_meta *meta) {
    (void)arg, (void)meta;
    assert_true(output_count < OUTPUTS_MAX);
    struct output *o = &outputs[output_count++];
    plait_buf_ref(buf);
    o->way = way;
    o->buf = buf;
    assert_int_equal(pl_ip_parse(buf->data, buf->len, &o->ip), PL_IP_OK);
    const uint8_t *tcp = buf->data + o->ip.header_len;
    assert_int_equal(o->ip.header_len + o->ip.payload_len, buf->len);
    assert_int_equal(pl_tcp_parse(tcp, o->ip.payload_len, &o->seg), PL_TCP_OK);
    uint64_t sum = pl_sum_pseudo(&o->ip.src, &o->ip.dst, PL_IP_TCP, o->ip.payload_len);
    assert_int_equal(pl_sum_fold(pl_sum_add(sum, tcp, o->ip.payload_len)), 0xffff);
}

static inline void forget_outputs(void) {
    while (output_count > 0) {
        plait_buf_unref(outputs[--output_count].buf);
    }
}

static inline void open_chain(const char *const *texts, unsigned count) {
    struct pl_box_config configs[PL_CHAIN_MAX];
    for (unsigned i = 0; i < count; i++) {
        assert_true(pl_box_parse(texts[i], &configs[i]));
    }
    assert_int_equal(pl_chain_init(&chain, &memory.env, configs, count, take_output, NULL), 0);
}

static inline void open_box(const char *text) {
    open_chain(&text, 1);
}

static inline void close_chain(void) {
    forget_outputs();
    pl_chain_fini(&chain);
}

/* Options: time stamps, and a DSS with a DATA_ACK (OTHER), or MP_CAPABLE or MP_JOIN (SYNs). */
static inline uint32_t write_options(uint8_t *out, uint8_t flags, uint32_t ts_val) {
    struct pl_mptcp_options o = {0};
    uint32_t len = pl_tcp_put_timestamps(out, ts_val, 5);
    if ((flags & PL_TCP_SYN) != 0) {
        o.capable.len = (flags & PL_TCP_ACK) != 0 ? 12 : 4;
        o.capable.version = 1;
        return len + pl_mptcp_write(out + len, PL_MP_CAPABLE, &o);
    }
    o.dss.has_ack = true;
    o.dss.ack = 77;
    return len + pl_mptcp_write(out + len, PL_MP_DSS, &o);
}

/* A segment enters; its payload is the `len` bytes of `payload`. */
static inline void enter(enum pl_box_way way, uint8_t flags, uint32_t seq, uint32_t ack,
                         const char *payload, uint32_t len, plait_time now) {
    const struct plait_endpoint *from = way == PL_BOX_OUT ? &client : &server;
    const struct plait_endpoint *to = way == PL_BOX_OUT ? &server : &client;
    uint8_t tcp[20 + 40];
    struct pl_segment seg = {.src_port = from->port,
                             .dst_port = to->port,
                             .seq = {seq},
                             .ack = {ack},
                             .flags = flags,
                             .window_raw = 60000};
    uint32_t options_len = write_options(tcp + 20, flags, 100);
    uint32_t header_len = pl_tcp_write(tcp, &seg, options_len);
    struct pl_ip ip = {.src = from->addr,
                       .dst = to->addr,
                       .protocol = PL_IP_TCP,
                       .hops = 64,
                       .payload_len = header_len + len};
    struct plait_buf *buf = plait_buf_alloc(&memory.env, 40 + header_len + len);
    const struct plait_rx_meta none = {0};
    assert_non_null(buf);
    uint32_t at = pl_ip_write(buf->data, &ip, 0);
    memcpy(buf->data + at, tcp, header_len);
    if (len > 0) {
        memcpy(buf->data + at + header_len, payload, len);
    }
    buf->len = at + header_len + len;
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    sum = pl_sum_add(sum, buf->data + at, ip.payload_len);
    pl_put16(buf->data + at + 16, (uint16_t)~pl_sum_fold(sum));
    pl_chain_send(&chain, way, buf, &none, now);
    plait_buf_unref(buf);
}

/* Data from the client, an acknowledgement from the server. */
static inline void send_data(uint32_t seq, const char *payload) {
    enter(PL_BOX_OUT, PL_TCP_ACK | PL_TCP_PSH, seq, 9000, payload, (uint32_t)strlen(payload), 0);
}
static inline void send_ack(uint32_t ack) {
    enter(PL_BOX_IN, PL_TCP_ACK, 9000, ack, NULL, 0, 0);
}

static inline bool has_mptcp(unsigned i) {
    return outputs[i].seg.options.mptcp.present != 0;
}

/* Output i is the segment `seq` with this payload, the way out. */
static inline void assert_data(unsigned i, uint32_t seq, const char *payload) {
    assert_true(i < output_count);
    assert_int_equal(outputs[i].way, PL_BOX_OUT);
    assert_int_equal(outputs[i].seg.seq.v, seq);
    assert_int_equal(outputs[i].seg.payload_len, strlen(payload));
    assert_memory_equal(outputs[i].seg.payload, payload, strlen(payload));
}

#endif

/* net/box_nat64: packets between families (RFC 6146), field by field. What MPTCP makes of it is in
 * the table of `plait sim boxes`. */
#include "net_chain_pair.h"

static struct plait_addr parse(const char *text) {
    struct plait_addr out;
    assert_true(pl_addr_parse(text, &out));
    return out;
}

static struct plait_endpoint host, far, pool, site; /* inside; as it sees the site; outside */

static int begin(void **state) {
    struct pl_box_config config = {
        .kind = PL_BOX_KIND_NAT64, .ways = PL_BOX_WAY_BOTH, .port_first = 20000};
    config.outside[0] = parse("198.51.100.1");
    host = (struct plait_endpoint){parse("2001:db8::1"), 4000};
    far = (struct plait_endpoint){parse("64:ff9b::192.0.2.33"), 80};
    pool = (struct plait_endpoint){config.outside[0], 20000};
    site = (struct plait_endpoint){parse("192.0.2.33"), 80};
    setup(state);
    output_count = 0;
    assert_int_equal(pl_chain_init(&chain, &memory.env, &config, 1, take_output, NULL), 0);
    return 0;
}

static int end(void **state) {
    close_chain();
    return teardown(state);
}

/* A segment of five bytes; `hops` and `spoil` as told. */
static void send_with(enum pl_box_way way, const struct plait_endpoint *from,
                      const struct plait_endpoint *to, uint8_t flags, uint8_t hops, bool spoil) {
    static const struct plait_rx_meta meta;
    struct plait_buf *buf = plait_buf_alloc(&memory.env, 100);
    struct pl_segment seg = {.src_port = from->port,
                             .dst_port = to->port,
                             .seq = {1000},
                             .ack = {2000},
                             .flags = flags,
                             .window_raw = 77};
    struct pl_ip ip = {.src = from->addr,
                       .dst = to->addr,
                       .protocol = PL_IP_TCP,
                       .hops = hops,
                       .traffic_class = 0xb9,
                       .payload_len = 25};
    uint32_t at = pl_ip_write(buf->data, &ip, 7);
    pl_tcp_write(buf->data + at, &seg, 0);
    memcpy(buf->data + at + 20, "HELLO", 5);
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, 25);
    sum = pl_sum_add(sum, buf->data + at, 25);
    pl_put16(buf->data + at + 16, (uint16_t)(~pl_sum_fold(sum) + (spoil ? 1 : 0)));
    buf->len = at + 25;
    pl_chain_send(&chain, way, buf, &meta, 0);
    plait_buf_unref(buf);
}

static void send(enum pl_box_way way, const struct plait_endpoint *from,
                 const struct plait_endpoint *to, uint8_t flags) {
    send_with(way, from, to, flags, 64, false);
}

/* The last packet that came out; take_output() has looked at its checksums. */
static void expect(enum pl_box_way way, const struct plait_endpoint *from,
                   const struct plait_endpoint *to, uint8_t hops) {
    assert_true(output_count > 0);
    const struct output *o = &outputs[output_count - 1];
    assert_int_equal(o->way, way);
    assert_true(pl_addr_equal(&o->ip.src, &from->addr) && pl_addr_equal(&o->ip.dst, &to->addr));
    assert_int_equal(o->seg.src_port, from->port);
    assert_int_equal(o->seg.dst_port, to->port);
    assert_int_equal(o->seg.seq.v, 1000);
    assert_int_equal(o->seg.ack.v, 2000);
    assert_int_equal(o->seg.window_raw, 77);
    assert_int_equal(o->seg.payload_len, 5);
    assert_memory_equal(o->buf->data + o->buf->len - 5, "HELLO", 5);
    assert_int_equal(o->ip.hops, hops);
    assert_int_equal(o->ip.traffic_class, 0xb9);
}

static void test_there_and_back(void **state) {
    (void)state;
    send(PL_BOX_OUT, &host, &far, PL_TCP_SYN);
    expect(PL_BOX_OUT, &pool, &site, 63);
    send(PL_BOX_IN, &site, &pool, PL_TCP_SYN | PL_TCP_ACK);
    expect(PL_BOX_IN, &far, &host, 63);
    send(PL_BOX_OUT, &host, &far, PL_TCP_ACK);
    expect(PL_BOX_OUT, &pool, &site, 63);
    assert_int_equal(pl_chain_acted(&chain, 0), 3);
    assert_int_equal(outputs[0].buf->len + 20, outputs[1].buf->len);
}

/* One binding for an end point, whomever it talks to (RFC 6146 section 3.5.2). */
static void test_bindings(void **state) {
    struct plait_endpoint other = {parse("64:ff9b::203.0.113.7"), 443}, second = host;
    struct plait_endpoint other_site = {parse("203.0.113.7"), 443}, second_pool = pool;
    (void)state;
    second.port++;
    second_pool.port++;
    send(PL_BOX_OUT, &host, &far, PL_TCP_SYN);
    send(PL_BOX_OUT, &host, &other, PL_TCP_SYN);
    expect(PL_BOX_OUT, &pool, &other_site, 63);
    send(PL_BOX_OUT, &second, &far, PL_TCP_SYN);
    expect(PL_BOX_OUT, &second_pool, &site, 63);
    send(PL_BOX_IN, &other_site, &second_pool, PL_TCP_SYN);
    expect(PL_BOX_IN, &other, &second, 63);
}

/* What has no binding is discarded in silence; only a SYN from inside makes one. */
static void test_without_a_binding(void **state) {
    struct plait_endpoint next = pool;
    (void)state;
    send(PL_BOX_OUT, &host, &far, PL_TCP_ACK);
    send(PL_BOX_OUT, &host, &far, PL_TCP_SYN | PL_TCP_ACK);
    send(PL_BOX_IN, &site, &pool, PL_TCP_SYN);
    assert_int_equal(output_count, 0);
    send(PL_BOX_OUT, &host, &far, PL_TCP_SYN);
    assert_int_equal(output_count, 1);
    pl_chain_rebind(&chain);
    send(PL_BOX_OUT, &host, &far, PL_TCP_ACK);
    send(PL_BOX_IN, &site, &pool, PL_TCP_ACK);
    assert_int_equal(output_count, 1);
    next.port++;
    send(PL_BOX_OUT, &host, &far, PL_TCP_SYN);
    expect(PL_BOX_OUT, &next, &site, 63);
}

/* Native IPv6, and IPv4 that is not for the pool, pass as they are. */
static void test_native(void **state) {
    struct plait_endpoint native = {parse("2001:db8::99"), 80};
    struct plait_endpoint elsewhere = {parse("198.51.100.2"), 20000};
    (void)state;
    send(PL_BOX_OUT, &host, &native, PL_TCP_ACK);
    expect(PL_BOX_OUT, &host, &native, 64);
    send(PL_BOX_IN, &native, &host, PL_TCP_ACK);
    expect(PL_BOX_IN, &native, &host, 64);
    send(PL_BOX_IN, &site, &elsewhere, PL_TCP_ACK);
    expect(PL_BOX_IN, &site, &elsewhere, 64);
    assert_int_equal(pl_chain_acted(&chain, 0), 0);
}

static bool sound;
static void note_sound(void *arg, enum pl_box_way way, struct plait_buf *buf,
                       const struct plait_rx_meta *meta) {
    struct pl_box_view view;
    (void)arg, (void)way, (void)meta;
    assert_true(pl_box_view(buf->data, buf->len, &view));
    sound = pl_box_sound(&view);
}

static void test_corrupted_stays_so(void **state) {
    (void)state;
    chain.emit = note_sound;
    send_with(PL_BOX_OUT, &host, &far, PL_TCP_SYN, 64, false);
    assert_true(sound);
    send_with(PL_BOX_OUT, &host, &far, PL_TCP_SYN, 64, true);
    assert_false(sound);
    sound = true;
    send_with(PL_BOX_IN, &site, &pool, PL_TCP_ACK, 64, true);
    assert_false(sound);
}

static void test_last_hop(void **state) {
    (void)state;
    send_with(PL_BOX_OUT, &host, &far, PL_TCP_SYN, 1, false);
    assert_int_equal(output_count, 0);
    send_with(PL_BOX_OUT, &host, &far, PL_TCP_SYN, 2, false);
    expect(PL_BOX_OUT, &pool, &site, 1);
}

#define BOX_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        BOX_TEST(test_there_and_back),     BOX_TEST(test_bindings),
        BOX_TEST(test_without_a_binding),  BOX_TEST(test_native),
        BOX_TEST(test_corrupted_stays_so), BOX_TEST(test_last_hop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* net/link: exact times, queue, wire, traces, changes while running, and memory. */
#include "net/link.h"

#include "net_test.h"

static struct pl_link test_link;

static void start(const char *text, uint64_t seed) {
    struct pl_link_config config;
    char error[120];
    int rc = pl_link_parse(text, &config, error, sizeof error);
    assert_string_equal(error, "");
    assert_int_equal(rc, 0);
    assert_int_equal(pl_link_init(&test_link, &memory.env, &config, seed), 0);
}

static void change(const char *text, plait_time now) {
    struct pl_link_config config;
    char error[120];
    int rc = pl_link_parse(text, &config, error, sizeof error);
    assert_string_equal(error, "");
    assert_int_equal(rc, 0);
    assert_int_equal(pl_link_set(&test_link, &config, now), 0);
    pl_link_check(&test_link);
}

static struct pl_link_stats stats(plait_time now) {
    struct pl_link_stats out;
    pl_link_stats(&test_link, now, &out);
    return out;
}

/* A packet with its number in `tag`. */
static enum pl_link_drop send(uint64_t tag, uint32_t len, plait_time now) {
    struct plait_buf *buf = plait_buf_alloc(&memory.env, len);
    struct pl_link_meta meta = {.tag = tag, .rx = {.flags = PLAIT_RX_CSUM_OK}};
    assert_non_null(buf);
    memset(buf->data, 0x42, len);
    buf->len = len;
    enum pl_link_drop reason = pl_link_send(&test_link, buf, &meta, now);
    plait_buf_unref(buf);
    pl_link_check(&test_link);
    return reason;
}

/* Follows the deadlines up to `until`; the next packet, or UINT64_MAX. */
static uint64_t next(plait_time until, plait_time *at) {
    for (;;) {
        plait_time deadline = pl_link_deadline(&test_link);
        if (deadline > until) {
            return UINT64_MAX;
        }
        struct pl_link_meta meta;
        struct plait_buf *buf = pl_link_next(&test_link, deadline, &meta);
        pl_link_check(&test_link);
        if (buf != NULL) {
            /* Whoever follows the deadlines is never late. */
            assert_int_equal(meta.due_at, deadline);
            *at = meta.due_at;
            plait_buf_unref(buf);
            return meta.tag;
        }
        assert_true(pl_link_deadline(&test_link) > deadline);
    }
}

static void expect(uint64_t tag, plait_time at) {
    plait_time got = 0;
    assert_int_equal(next(PLAIT_TIME_NEVER - 1, &got), tag);
    assert_int_equal(got, at);
}

static void expect_nothing(void) {
    plait_time got = 0;
    assert_int_equal(next(PLAIT_TIME_NEVER - 1, &got), UINT64_MAX);
    assert_int_equal(pl_link_deadline(&test_link), PLAIT_TIME_NEVER);
}

static int stop(void **state) {
    pl_link_check(&test_link);
    pl_link_fini(&test_link);
    pl_link_fini(&test_link);
    return teardown(state);
}

static void perfect_link_is_immediate(void **state) {
    (void)state;
    start("", 1);
    expect_nothing();
    assert_int_equal(send(1, 1500, 7), PL_LINK_DROP_NONE);
    assert_int_equal(send(2, 0, 7), PL_LINK_DROP_NONE);
    expect(1, 7);
    expect(2, 7);
    expect_nothing();
}

static void queue_then_rate_then_delay(void **state) {
    (void)state;
    start("rate 12mbit delay 10ms", 1); /* 1500 bytes in 1 ms */
    for (uint64_t i = 0; i < 3; i++) {
        send(i, 1500, 5 * MS);
    }
    send(3, 750, 5 * MS);
    assert_int_equal(stats(6 * MS - 1).queue_packets, 4);
    assert_int_equal(stats(6 * MS).queue_packets, 3);
    assert_int_equal(pl_link_deadline(&test_link), 16 * MS);
    expect(0, 16 * MS);
    expect(1, 17 * MS);
    expect(2, 18 * MS);
    expect(3, 18 * MS + MS / 2);
    send(4, 1500, 100 * MS);
    expect(4, 111 * MS);
    expect_nothing();
    assert_int_equal(stats(111 * MS).queue_bytes_max, 5250);
}

static void times_do_not_depend_on_the_caller(void **state) {
    (void)state;
    start("rate 12mbit delay 10ms", 1);
    send(0, 1500, 0);
    send(1, 1500, 0);
    struct pl_link_meta meta;
    plait_buf_unref(pl_link_next(&test_link, SECOND, &meta));
    assert_int_equal(meta.due_at, 11 * MS);
    plait_buf_unref(pl_link_next(&test_link, SECOND, &meta));
    assert_int_equal(meta.due_at, 12 * MS);
    assert_int_equal(meta.sent_at, 0);
    assert_null(pl_link_next(&test_link, SECOND, &meta));
    send(2, 1500, 500 * MS); /* time does not go back */
    expect(2, SECOND + 11 * MS);
}

static void overhead_counts_on_the_wire_only(void **state) {
    (void)state;
    start("rate 8mbit overhead 100 limit-bytes 900", 1);
    send(0, 900, 0);
    expect(0, MS);
    assert_int_equal(stats(MS).out_bytes, 900);
}

static void rate_is_exact_over_10000_packets(void **state) {
    static const uint64_t rates[] = {7, 999983, 20000000, 6666666667, 9999999999999};
    (void)state;
    for (unsigned r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        struct pl_link_config config;
        struct pl_rng rng;
        uint64_t bits = 0;
        plait_time at = 0;
        pl_link_config_init(&config);
        config.rate_bps = rates[r];
        config.limit_packets = 0;
        pl_rng_init(&rng, 9);
        assert_int_equal(pl_link_init(&test_link, &memory.env, &config, 1), 0);
        for (uint64_t i = 0; i < 10000; i++) {
            struct plait_buf *buf = plait_buf_alloc(&memory.env, 1500);
            buf->len = (uint32_t)pl_rng_range(&rng, 40, 1500);
            bits += buf->len * UINT64_C(8);
            assert_int_equal(pl_link_send(&test_link, buf, NULL, 0), 0);
            plait_buf_unref(buf);
        }
        pl_link_check(&test_link);
        for (uint64_t i = 0; i < 10000; i++) {
            struct pl_link_meta meta;
            plait_buf_unref(pl_link_next(&test_link, PLAIT_TIME_NEVER - 1, &meta));
            at = meta.due_at;
        }
        /* bits / rate, rounded up to a ns, in two steps that do not overflow */
        uint64_t whole = bits / rates[r], rest = bits % rates[r];
        uint64_t exact = whole * SECOND + (rest * 1000000 / rates[r]) * 1000;
        assert_in_range(at - exact, 0, 1001);
        pl_link_fini(&test_link);
    }
}

static void queue_limit_in_packets(void **state) {
    (void)state;
    start("rate 12mbit limit 3", 1);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(send(i, 1500, 0), i < 3 ? PL_LINK_DROP_NONE : PL_LINK_DROP_QUEUE);
    }
    assert_int_equal(send(5, 1500, MS - 1), PL_LINK_DROP_QUEUE);
    assert_int_equal(send(6, 1500, MS), PL_LINK_DROP_NONE); /* one has left */
    struct pl_link_stats s = stats(MS);
    assert_int_equal(s.drop_packets[PL_LINK_DROP_QUEUE], 3);
    assert_int_equal(s.drop_bytes[PL_LINK_DROP_QUEUE], 4500);
    assert_int_equal(s.queue_bytes_max, 4500);
    expect(0, MS);
    expect(1, 2 * MS);
    expect(2, 3 * MS);
    expect(6, 4 * MS);
    expect_nothing();
}

static void queue_limit_in_bytes(void **state) {
    (void)state;
    start("rate 12mbit limit-bytes 3000", 1);
    assert_int_equal(send(0, 1500, 0), PL_LINK_DROP_NONE);
    assert_int_equal(send(1, 1501, 0), PL_LINK_DROP_QUEUE);
    assert_int_equal(send(2, 1400, 0), PL_LINK_DROP_NONE);
    assert_int_equal(send(3, 101, 0), PL_LINK_DROP_QUEUE);
    assert_int_equal(send(4, 100, 0), PL_LINK_DROP_NONE);
}

static void mtu_looks_at_segments(void **state) {
    (void)state;
    start("mtu 1400", 1);
    assert_int_equal(send(0, 1400, 0), PL_LINK_DROP_NONE);
    assert_int_equal(send(1, 1401, 0), PL_LINK_DROP_MTU);
    struct plait_buf *buf = plait_buf_alloc(&memory.env, 9000);
    memset(buf->data, 0, 9000);
    buf->len = 9000;
    buf->data[0] = 0x45;
    buf->data[9] = 6;
    buf->data[32] = 8 << 4; /* 20 bytes of IP, 32 of TCP */
    struct pl_link_meta meta = {.rx = {.gso_size = 1348}};
    assert_int_equal(pl_link_send(&test_link, buf, &meta, 0), PL_LINK_DROP_NONE);
    meta.rx.gso_size++;
    assert_int_equal(pl_link_send(&test_link, buf, &meta, 0), PL_LINK_DROP_MTU);
    buf->data[0] = 0x60;
    buf->data[6] = 6;
    buf->data[52] = 8 << 4;
    meta.rx.gso_size = 1328;
    assert_int_equal(pl_link_send(&test_link, buf, &meta, 0), PL_LINK_DROP_NONE);
    buf->data[6] = 17;
    assert_int_equal(pl_link_send(&test_link, buf, &meta, 0), PL_LINK_DROP_MTU);
    plait_buf_unref(buf);
    assert_int_equal(stats(0).drop_packets[PL_LINK_DROP_MTU], 3);
}

static void large_packet_is_one_unit(void **state) {
    (void)state;
    start("rate 8mbit", 1);
    send(0, 64000, 0);
    expect(0, 64 * MS);
}

static void jitter_keeps_order_and_bounds(void **state) {
    plait_time last = 0, low = PLAIT_TIME_NEVER, high = 0, sum = 0;
    (void)state;
    start("rate 10gbit delay 10ms 4ms", 3); /* 80 ns to send a packet */
    for (uint64_t i = 0; i < 2000; i++) {
        plait_time at = 0, sent = i * 20 * MS;
        send(i, 100, sent);
        assert_int_equal(next(PLAIT_TIME_NEVER - 1, &at), i);
        low = at - sent < low ? at - sent : low;
        high = at - sent > high ? at - sent : high;
        sum += at - sent;
    }
    assert_in_range(low, 6 * MS, 6 * MS + MS / 20);
    assert_in_range(high, 14 * MS - MS / 20, 14 * MS + 80);
    assert_in_range(sum / 2000, 10 * MS - MS / 5, 10 * MS + MS / 5);
    plait_time now = SECOND * 100;
    for (uint64_t i = 0; i < 500; i++) {
        send(i, 100, now + i * MS / 10);
    }
    for (uint64_t i = 0; i < 500; i++) { /* in a stream they push each other, never overtake */
        plait_time at = 0;
        assert_int_equal(next(PLAIT_TIME_NEVER - 1, &at), i);
        assert_true(at >= last && at >= now + i * MS / 10 + 6 * MS);
        last = at;
    }
}

static void correlated_jitter_moves_slowly(void **state) {
    (void)state;
    plait_time step_sum[2];
    for (int c = 0; c < 2; c++) {
        plait_time last = 0;
        start(c == 0 ? "delay 10ms 4ms" : "delay 10ms 4ms 90%", 3);
        step_sum[c] = 0;
        for (uint64_t i = 0; i < 500; i++) {
            plait_time at = 0;
            send(i, 100, i * 20 * MS);
            assert_int_equal(next(PLAIT_TIME_NEVER - 1, &at), i);
            plait_time delay = at - i * 20 * MS;
            step_sum[c] += i == 0 ? 0 : delay > last ? delay - last : last - delay;
            last = delay;
        }
        pl_link_fini(&test_link);
    }
    assert_true(step_sum[1] * 5 < step_sum[0]);
}

static void jitter_over_delay_never_goes_back_in_time(void **state) {
    (void)state;
    start("delay 1ms 5ms", 3);
    for (uint64_t i = 0; i < 200; i++) {
        plait_time at = 0;
        send(i, 100, i * 20 * MS);
        assert_int_equal(next(PLAIT_TIME_NEVER - 1, &at), i);
        assert_in_range(at, i * 20 * MS, i * 20 * MS + 6 * MS);
    }
}

static void loss_is_counted_and_takes_its_time(void **state) {
    uint64_t got = 0;
    plait_time at = 0;
    (void)state;
    start("rate 12mbit loss 10% limit 0", 5);
    for (uint64_t i = 0; i < 20000; i++) {
        send(i, 1500, i * MS);
        got += next(i * MS, &at) != UINT64_MAX ? 1 : 0;
    }
    got += next(20000 * MS, &at) != UINT64_MAX ? 1 : 0;
    struct pl_link_stats s = stats(20000 * MS);
    assert_int_equal(s.out_packets, got);
    assert_int_equal(s.out_packets + s.drop_packets[PL_LINK_DROP_LOSS], 20000);
    assert_in_range(s.drop_packets[PL_LINK_DROP_LOSS], 2000 - 170, 2000 + 170);
    pl_link_fini(&test_link);
    start("rate 12mbit loss 100%", 5);
    send(0, 1500, 0);
    send(1, 1500, 0);
    assert_int_equal(stats(MS).queue_packets, 1); /* a lost packet was sent all the same */
    expect_nothing();
}

static void bursts_of_gemodel(void **state) {
    plait_time at = 0;
    (void)state;
    start("loss gemodel 2% 20%", 5);
    for (uint64_t i = 0; i < 20000; i++) {
        send(i, 100, i);
        (void)next(i, &at);
    }
    /* p/(p+r) = 1/11 = 1818 packets in bursts of 5 */
    assert_in_range(stats(20000).drop_packets[PL_LINK_DROP_LOSS], 1500, 2150);
}

static void reordered_packets_skip_the_delay(void **state) {
    (void)state;
    start("delay 10ms reorder 100% gap 3", 1);
    for (uint64_t i = 0; i < 6; i++) {
        send(i, 100, i * MS);
    }
    expect(2, 2 * MS); /* every third one */
    expect(5, 5 * MS);
    expect(0, 10 * MS);
    expect(1, 11 * MS);
    expect(3, 13 * MS);
    expect(4, 14 * MS);
    assert_int_equal(stats(14 * MS).reordered, 2);
}

static void reorder_with_rate_and_probability(void **state) {
    uint64_t overtaken = 0, last = 0;
    plait_time at = 0;
    (void)state;
    start("rate 12mbit delay 10ms 1ms reorder 5% limit 0", 2);
    for (uint64_t i = 0; i < 5000; i++) {
        send(i, 1500, 0);
    }
    for (uint64_t i = 0; i < 5000; i++) {
        uint64_t tag = next(PLAIT_TIME_NEVER - 1, &at);
        assert_true(tag < 5000);
        overtaken += tag < last ? 1 : 0;
        last = tag;
    }
    assert_in_range(stats(at).reordered, 250 - 62, 250 + 62);
    assert_true(overtaken > 150);
    expect_nothing();
}

static void duplicates_come_in_pairs(void **state) {
    (void)state;
    start("delay 5ms duplicate 100%", 1);
    send(0, 100, 0);
    send(1, 100, MS);
    expect(0, 5 * MS);
    expect(0, 5 * MS);
    expect(1, 6 * MS);
    expect(1, 6 * MS);
    struct pl_link_stats s = stats(6 * MS);
    assert_int_equal(s.in_packets, 2);
    assert_int_equal(s.duplicated, 2);
    assert_int_equal(s.out_packets, 4);
}

static void corruption_flips_one_bit_of_a_copy(void **state) {
    (void)state;
    start("corrupt 100%", 1);
    struct plait_buf *buf = plait_buf_alloc(&memory.env, 2000);
    memset(buf->data, 0, 2000);
    buf->len = 1500;
    for (int i = 0; i < 50; i++) {
        struct pl_link_meta meta = {.rx = {.flags = PLAIT_RX_CSUM_OK}};
        unsigned bits = 0;
        assert_int_equal(pl_link_send(&test_link, buf, &meta, 0), PL_LINK_DROP_NONE);
        struct plait_buf *out = pl_link_next(&test_link, 0, &meta);
        assert_ptr_not_equal(out, buf);
        assert_int_equal(out->len, 1500);
        assert_int_equal(meta.rx.flags, 0);
        for (unsigned at = 0; at < 1500; at++) {
            assert_int_equal(buf->data[at], 0);
            bits += (unsigned)__builtin_popcount(out->data[at]);
        }
        assert_int_equal(bits, 1);
        plait_buf_unref(out);
    }
    assert_int_equal(buf->refs, 1);
    plait_buf_unref(buf);
    send(0, 0, 0); /* nothing to flip */
    assert_int_equal(stats(0).corrupted, 50);
}

static void down_is_a_silent_hole(void **state) {
    (void)state;
    start("rate 12mbit delay 10ms", 1);
    send(0, 1500, 0);
    send(1, 1500, 0);
    send(2, 1500, 0);
    change("rate 12mbit delay 10ms down", MS + MS / 2); /* one on the wire, two in the queue */
    expect_nothing();
    assert_int_equal(send(3, 1500, 2 * MS), PL_LINK_DROP_DOWN);
    assert_int_equal(stats(2 * MS).drop_packets[PL_LINK_DROP_DOWN], 4);
    change("rate 12mbit delay 1ms", 5 * MS);
    send(4, 1500, 6 * MS);
    expect(4, 8 * MS); /* not behind those that were lost */
}

static void rate_changes_in_the_middle_of_a_packet(void **state) {
    (void)state;
    start("rate 12mbit", 1);
    send(0, 1500, 0);
    send(1, 1500, 0);
    change("rate 6mbit", MS / 4); /* three quarters are left */
    expect(0, MS / 4 + MS * 3 / 2);
    change("rate 0", 2 * MS);
    expect(1, 2 * MS);
    send(2, 1500, 3 * MS);
    expect(2, 3 * MS);
    change("rate 12mbit", 4 * MS);
    send(3, 1500, 5 * MS);
    change("rate 12mbit", 5 * MS + 1);
    expect(3, 6 * MS);
    expect_nothing();
}

static void shorter_delay_does_not_reorder(void **state) {
    (void)state;
    start("delay 100ms", 1);
    send(0, 100, 0);
    change("delay 1ms", MS);
    send(1, 100, MS);
    expect(0, 100 * MS);
    expect(1, 100 * MS);
    send(2, 100, 100 * MS);
    expect(2, 101 * MS);
}

static void start_trace(struct pl_mahimahi *trace, const char *lines, const char *text,
                        plait_time origin) {
    struct pl_link_config config;
    char error[80];
    assert_int_equal(
        pl_mahimahi_parse(trace, &memory.env, lines, strlen(lines), error, sizeof error), 0);
    assert_int_equal(pl_link_parse(text, &config, error, sizeof error), 0);
    assert_int_equal(pl_link_init(&test_link, &memory.env, &config, 1), PLAIT_E_BAD_ARGUMENT);
    config.trace = trace;
    config.trace_origin = origin;
    assert_int_equal(pl_link_init(&test_link, &memory.env, &config, 1), 0);
}

static void trace_one_packet_per_opportunity(void **state) {
    struct pl_mahimahi trace;
    (void)state;
    start_trace(&trace, "2\n2\n5\n9\n", "trace x", 100 * MS);
    for (uint64_t i = 0; i < 5; i++) {
        send(i, 1500, 0);
    }
    expect(0, 102 * MS);
    expect(1, 102 * MS);
    expect(2, 105 * MS);
    expect(3, 109 * MS);
    expect(4, 111 * MS);
    expect_nothing(); /* an idle trace asks for no wake-ups */
    pl_mahimahi_fini(&trace);
}

static void trace_shares_and_spans_opportunities(void **state) {
    struct pl_mahimahi trace;
    (void)state;
    start_trace(&trace, "2\n5\n9\n", "trace x delay 10ms", 0);
    send(0, 700, 0); /* 704 of 1504 with the frame header */
    send(1, 796, 0); /* the other 800 */
    send(2, 100, 0);
    send(3, 1500, 0); /* 1400 here, 104 in the next one */
    send(4, 1396, 0); /* the rest of that */
    send(5, 3004, 0); /* two of them */
    expect(0, 12 * MS);
    expect(1, 12 * MS);
    expect(2, 15 * MS);
    expect(3, 19 * MS);
    expect(4, 19 * MS);
    expect(5, 24 * MS);
    pl_mahimahi_fini(&trace);
}

static void trace_loses_what_finds_the_queue_empty(void **state) {
    struct pl_mahimahi trace;
    (void)state;
    start_trace(&trace, "2\n5\n9\n", "trace x", 0);
    send(0, 100, 0);
    expect(0, 2 * MS);
    send(1, 100, 2 * MS); /* there was room in that one, but it is over */
    expect(1, 5 * MS);
    send(2, 1500, 10 * MS); /* 5, 9 and their successors up to 10 are lost */
    expect(2, 11 * MS);
    pl_mahimahi_fini(&trace);
}

static void trace_arrival_uses_a_later_millisecond(void **state) {
    struct pl_mahimahi trace;
    (void)state;
    start_trace(&trace, "2\n5\n6\n", "trace x", 0);
    send(0, 1500, 5 * MS - 1);
    expect(0, 5 * MS);
    send(1, 1500, 5 * MS);
    expect(1, 6 * MS);
    send(2, 1500, 6 * MS + MS / 2);
    expect(2, 8 * MS);
    pl_mahimahi_fini(&trace);
}

static void trace_comes_and_goes(void **state) {
    struct pl_mahimahi trace, other;
    struct pl_link_config config;
    char error[80];
    (void)state;
    start_trace(&trace, "20\n", "trace x", 0);
    assert_int_equal(pl_mahimahi_parse(&other, &memory.env, "3\n", 2, error, sizeof error), 0);
    send(0, 1500, 0);
    send(1, 1500, 0);
    config = test_link.config;
    config.limit_packets = 9;
    assert_int_equal(pl_link_set(&test_link, &config, MS), 0); /* same trace: goes on */
    assert_int_equal(pl_link_deadline(&test_link), 20 * MS);
    config.trace = &other;
    config.trace_origin = 2 * MS;
    assert_int_equal(pl_link_set(&test_link, &config, 2 * MS), 0);
    expect(0, 5 * MS);
    change("rate 12mbit", 6 * MS);
    expect(1, 7 * MS);
    send(2, 1500, 8 * MS);
    assert_int_equal(pl_link_set(&test_link, &config, 8 * MS + 1), 0);
    expect(2, 11 * MS);
    pl_link_fini(&test_link);
    pl_mahimahi_fini(&trace);
    pl_mahimahi_fini(&other);
}

static void refuses_bad_settings(void **state) {
    struct pl_link_config config;
    (void)state;
    start("rate 1mbit", 1);
    pl_link_config_init(&config);
    config.corrupt_ppm = PL_PPM_ONE + 1;
    assert_int_equal(pl_link_set(&test_link, &config, 0), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(test_link.config.rate_bps, 1000000);
    struct pl_link other;
    assert_int_equal(pl_link_init(&other, &memory.env, &config, 0), PLAIT_E_BAD_ARGUMENT);
}

static void memory_is_bounded_and_counted(void **state) {
    (void)state;
    start("delay 1s limit 0", 1);
    struct pl_link_config config = test_link.config;
    config.memory_bytes_max = 20000;
    assert_int_equal(pl_link_set(&test_link, &config, 0), 0);
    for (uint64_t i = 0; i < 100; i++) {
        send(i, 1500, i);
    }
    struct pl_link_stats s = stats(100);
    assert_in_range(s.wire_packets, 10, 13);
    assert_int_equal(s.drop_packets[PL_LINK_DROP_MEMORY], 100 - s.wire_packets);
    assert_true(memory.live_bytes <= 20000);
}

static void survives_every_failed_allocation(void **state) {
    (void)state;
    for (uint64_t n = 1; n < 12; n++) {
        start("rate 12mbit corrupt 100% duplicate 100%", 1);
        test_env_init(&memory, 1);
        struct plait_buf *buf = plait_buf_alloc(&memory.env, 100);
        buf->len = 100;
        memset(buf->data, 1, 100);
        memory.fail_at = memory.alloc_count + n;
        for (int i = 0; i < 3; i++) {
            (void)pl_link_send(&test_link, buf, NULL, 0);
            pl_link_check(&test_link);
        }
        plait_time at = 0;
        uint64_t got = 0;
        while (next(PLAIT_TIME_NEVER - 1, &at) != UINT64_MAX) {
            got++;
        }
        struct pl_link_stats s = stats(SECOND);
        assert_int_equal(s.drop_packets[PL_LINK_DROP_MEMORY], n <= 9 ? 1 : 0);
        assert_int_equal(s.in_packets + s.duplicated, got + (n <= 9 ? 1 : 0));
        memory.fail_at = 0;
        plait_buf_unref(buf);
        pl_link_fini(&test_link);
        assert_int_equal(memory.live_bytes, 0);
    }
}

/* A hash over everything that comes out: which packet, when, with what content. */
static uint64_t run_hash(uint64_t seed) {
    uint64_t hash = 0;
    struct pl_rng rng;
    pl_rng_init(&rng, 77);
    start(
        "rate 10mbit delay 20ms 5ms 30% loss gemodel 2% 30% reorder 3% duplicate 2% corrupt 2% "
        "limit 50",
        seed);
    plait_time now = 0;
    for (uint64_t i = 0; i < 3000; i++) {
        now += pl_rng_below(&rng, 2 * MS);
        (void)send(i, (uint32_t)pl_rng_range(&rng, 40, 1500), now);
        if (i == 1500) {
            change("rate 5mbit delay 20ms 5ms loss 1% limit 20", now);
        }
        struct pl_link_meta meta;
        struct plait_buf *buf = NULL;
        while ((buf = pl_link_next(&test_link, now, &meta)) != NULL) {
            hash = (hash ^ meta.tag ^ meta.due_at) * UINT64_C(0x100000001b3);
            for (uint32_t at = 0; at < buf->len; at++) {
                hash = (hash ^ buf->data[at]) * UINT64_C(0x100000001b3);
            }
            plait_buf_unref(buf);
        }
    }
    struct pl_link_stats s = stats(now);
    assert_true(s.drop_packets[PL_LINK_DROP_QUEUE] > 0 && s.drop_packets[PL_LINK_DROP_LOSS] > 0);
    assert_true(s.reordered > 0 && s.duplicated > 0 && s.corrupted > 0);
    pl_link_fini(&test_link);
    assert_int_equal(memory.live_bytes, 0);
    return hash;
}

static void same_seed_same_run(void **state) {
    (void)state;
    assert_int_equal(run_hash(1), run_hash(1));
    assert_int_not_equal(run_hash(1), run_hash(2));
}

static void drops_have_names(void **state) {
    (void)state;
    assert_string_equal(pl_link_drop_name(PL_LINK_DROP_NONE), "none");
    assert_string_equal(pl_link_drop_name(PL_LINK_DROP_DOWN), "down");
    assert_string_equal(pl_link_drop_name(PL_LINK_DROP_MEMORY), "memory");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stop)

/* What finds the threshold in the queue is marked, in bytes of its own, if its sender can bear it.
 */
static void queue_marks(void **state) {
    (void)state;
    start("rate 8mbit mark-bytes 200", 1);
    struct plait_buf *buf = plait_buf_alloc(&memory.env, 100);
    memset(buf->data, 0, 100);
    buf->len = 100;
    buf->data[0] = 0x45;
    buf->data[1] = 2; /* ECT(0) */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pl_link_send(&test_link, buf, NULL, 0), PL_LINK_DROP_NONE);
    }
    assert_int_equal(send(9, 100, 0), PL_LINK_DROP_NONE); /* not ECN-capable */
    assert_int_equal(stats(0).marked, 1);
    for (int i = 0; i < 4; i++) {
        struct plait_buf *out = pl_link_next(&test_link, PLAIT_NS_PER_S, NULL);
        assert_int_equal(out->data[1] & 3, i == 2 ? 3 : 2);
        plait_buf_unref(out);
        pl_link_check(&test_link);
    }
    assert_int_equal(buf->data[1], 2);
    plait_buf_unref(buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(perfect_link_is_immediate),
        TEST(queue_then_rate_then_delay),
        TEST(times_do_not_depend_on_the_caller),
        TEST(queue_marks),
        TEST(overhead_counts_on_the_wire_only),
        TEST(rate_is_exact_over_10000_packets),
        TEST(queue_limit_in_packets),
        TEST(queue_limit_in_bytes),
        TEST(mtu_looks_at_segments),
        TEST(large_packet_is_one_unit),
        TEST(jitter_keeps_order_and_bounds),
        TEST(correlated_jitter_moves_slowly),
        TEST(jitter_over_delay_never_goes_back_in_time),
        TEST(loss_is_counted_and_takes_its_time),
        TEST(bursts_of_gemodel),
        TEST(reordered_packets_skip_the_delay),
        TEST(reorder_with_rate_and_probability),
        TEST(duplicates_come_in_pairs),
        TEST(corruption_flips_one_bit_of_a_copy),
        TEST(down_is_a_silent_hole),
        TEST(rate_changes_in_the_middle_of_a_packet),
        TEST(shorter_delay_does_not_reorder),
        TEST(trace_one_packet_per_opportunity),
        TEST(trace_shares_and_spans_opportunities),
        TEST(trace_loses_what_finds_the_queue_empty),
        TEST(trace_arrival_uses_a_later_millisecond),
        TEST(trace_comes_and_goes),
        TEST(refuses_bad_settings),
        TEST(memory_is_bounded_and_counted),
        TEST(survives_every_failed_allocation),
        TEST(same_seed_same_run),
        TEST(drops_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

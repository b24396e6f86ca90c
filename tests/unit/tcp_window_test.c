/* tcp/window: advertising, silly windows, scaling, shared windows. */
#include "tcp_test.h"

enum { MSS = 1448 };
static struct tap tap;

static struct tcp_pair *open_with(uint32_t receive_buffer) {
    struct tcp_pair_setup s = test_setup();
    s.receive_buffer = receive_buffer;
    struct tcp_pair *p = tcp_pair_new(&s);
    memset(&tap, 0, sizeof(tap));
    p->filter = tap_filter;
    p->filter_arg = &tap;
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    tap_clear(&tap);
    return p;
}

/* The right edge that B advertises never moves back, whatever its reader does, but for what the
 * scaled field cannot express. */
static void expect_growing_edge(const struct tcp_pair *p) {
    uint32_t edge = 0;
    uint8_t shift = p->end[PAIR_B].tcp.rcv.wscale;
    for (unsigned i = 0; i < tap.count; i++) {
        const struct tap_note *n = &tap.note[i];
        if (n->from != PAIR_B || (n->flags & PL_TCP_SYN) != 0) {
            continue;
        }
        uint32_t now = n->ack + ((uint32_t)n->window << shift);
        assert_true((int32_t)(edge - now) < 1 << shift);
        edge = (int32_t)(now - edge) > 0 ? now : edge;
    }
}

static void test_a_slow_reader(void **state) {
    (void)state;
    for (uint32_t buffer = 5000; buffer < 1000000; buffer *= 5) {
        struct tcp_pair *p = open_with(buffer);
        p->end[PAIR_B].hold = true;
        tcp_pair_send(p, PAIR_A, 300000);
        for (int i = 0; i < 5000 && !tcp_pair_all_received(p); i++) {
            tcp_pair_run_for(p, 3 * MS);
            tcp_pair_read(p, PAIR_B, 700);
        }
        assert_true(tcp_pair_all_received(p));
        expect_growing_edge(p);
        assert_int_equal(p->end[PAIR_A].rtos, 0);
        tcp_pair_free(p);
    }
}

/* The reader frees 100 bytes at a time: no 100-byte segments (RFC 9293 section 3.8.6.2). */
static void test_no_silly_windows(void **state) {
    (void)state;
    struct tcp_pair *p = open_with(60000);
    p->end[PAIR_B].hold = true;
    p->end[PAIR_A].chunk_bytes = 100;
    tcp_pair_send(p, PAIR_A, 500000);
    tcp_pair_run_for(p, S);
    tap_clear(&tap);
    for (int i = 0; i < 1000; i++) {
        tcp_pair_run_for(p, 2 * MS);
        tcp_pair_read(p, PAIR_B, 100);
    }
    unsigned small = 0, all = 0;
    for (unsigned i = 0; i < tap.count; i++) {
        all += tap.note[i].len > 0;
        small += tap.note[i].len > 0 && tap.note[i].len < MSS;
    }
    assert_true(all > 20 && small <= 2);
    tcp_pair_free(p);
}

static void test_window_update_after_reading(void **state) {
    (void)state;
    struct tcp_pair *p = open_with(30000);
    p->end[PAIR_B].hold = true;
    tcp_pair_send(p, PAIR_A, 30000);
    tcp_pair_run_for(p, S);
    assert_int_equal(p->end[PAIR_B].received, 30000);
    tap_clear(&tap);
    tcp_pair_read(p, PAIR_B, 1);
    tcp_pair_run_for(p, 100 * MS);
    unsigned first = tap.count;
    tcp_pair_read(p, PAIR_B, 30000);
    tcp_pair_run_for(p, 100 * MS);
    assert_int_equal(tap.count, first + 1);
    assert_int_equal(tcp_of(p, PAIR_A)->snd.wnd, 30000);
    tcp_pair_free(p);
}

/* A step of the scale (16 KB) is larger than a segment and nearly the buffer: still no endless
 * updates, and everything arrives. */
static void test_coarse_scale(void **state) {
    (void)state;
    struct tcp_pair *p = open_with(1 << 30);
    assert_int_equal(tcp_of(p, PAIR_B)->rcv.wscale, 14);
    p->end[PAIR_B].receive_buffer = 20000;
    tcp_of(p, PAIR_B)->rcv.edge = pl_seq32_add(tcp_of(p, PAIR_B)->rcv.nxt, 16384);
    tcp_of(p, PAIR_A)->snd.wnd = 16384;
    p->end[PAIR_B].hold = true;
    tcp_pair_send(p, PAIR_A, 300000);
    for (int i = 0; i < 5000 && !tcp_pair_all_received(p); i++) {
        tcp_pair_run_for(p, 10 * MS);
        tcp_pair_read(p, PAIR_B, 3000);
    }
    assert_true(tcp_pair_all_received(p));
    assert_true(tap.count < 1000);
    tcp_pair_free(p);
}

static void test_scaling(void **state) {
    (void)state;
    struct pl_ctx ctx = {.config.receive_buffer_bytes = 65535};
    assert_int_equal(pl_tcp_wscale_choose(&ctx, 0), 0);
    ctx.config.receive_buffer_bytes = 65536;
    assert_int_equal(pl_tcp_wscale_choose(&ctx, 0), 1);
    assert_int_equal(pl_tcp_wscale_choose(&ctx, 65535), 1);
    assert_int_equal(pl_tcp_wscale_choose(&ctx, 131072), 2);
    ctx.config.receive_buffer_bytes = 1U << 30;
    assert_int_equal(pl_tcp_wscale_choose(&ctx, 0), 14);
    struct tcp_pair *p = open_with(60 << 20);
    assert_int_equal(tcp_of(p, PAIR_A)->snd.wscale, 10);
    tcp_pair_send(p, PAIR_A, 100000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    assert_true(tcp_of(p, PAIR_A)->snd.wnd > (59 << 20));
    struct pl_segment seg = {.flags = PL_TCP_ACK, .window_raw = 3};
    assert_int_equal(pl_tcp_scaled_window(tcp_of(p, PAIR_A), &seg), 3 << 10);
    seg.flags |= PL_TCP_SYN;
    assert_int_equal(pl_tcp_scaled_window(tcp_of(p, PAIR_A), &seg), 3);
    tcp_pair_free(p);
}

static void test_a_peer_without_scaling(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tap.no_wscale = true;
    tcp_pair_open(p);
    tcp_pair_send(p, PAIR_A, 3000000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_int_equal(tcp_of(p, PAIR_B)->rcv.wscale, 0);
    assert_true(tcp_of(p, PAIR_A)->snd.wnd_max <= 65535);
    assert_true(tcp_of(p, PAIR_A)->snd.flight_max <= 65535);
    tcp_pair_free(p);
}

/* Old segments do not move the window (SND.WL1, SND.WL2). */
static void test_old_news(void **state) {
    (void)state;
    struct tcp_pair *p = open_with(60000);
    tcp_pair_send(p, PAIR_A, 1000);
    tcp_pair_run_for(p, S);
    struct pl_tcp *a = tcp_of(p, PAIR_A);
    uint32_t wnd = a->snd.wnd;
    struct pl_segment old = next_segment(p, PAIR_A, PL_TCP_ACK);
    old.ack.v -= 500;
    old.window_raw = 7;
    tcp_pair_inject(p, PAIR_A, &old, 0);
    assert_int_equal(a->snd.wnd, wnd);
    struct pl_segment fresh = next_segment(p, PAIR_A, PL_TCP_ACK);
    fresh.window_raw = 7;
    tcp_pair_inject(p, PAIR_A, &fresh, 0);
    assert_int_equal(a->snd.wnd, 7);
    tcp_pair_free(p);
}

/* ---- shared windows ---- */

static uint32_t shared_window, shared_max;
static uint32_t up_window(void *up) {
    (void)up;
    return shared_window;
}
static uint32_t up_window_max(void *up) {
    (void)up;
    return shared_max;
}

static void test_shared(void **state) {
    (void)state;
    struct tcp_pair *p = open_with(1 << 20);
    struct pl_tcp *b = tcp_of(p, PAIR_B);
    struct pl_tcp_upper ops = *b->ops;
    ops.shared_window = true;
    ops.window = up_window;
    ops.window_max = up_window_max;
    shared_window = 5000;
    shared_max = 100000;
    pl_tcp_set_ops(b, &ops);
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK);
    seg.seq.v += 50000;
    seg.payload_len = 1000; /* beyond the window, within the limit */
    tap.drop_all[PAIR_B] = true;
    tcp_pair_inject(p, PAIR_B, &seg, 50000);
    assert_int_equal(b->rcv.island_count, 1);
    tcp_pair_run_for(p, MS);
    assert_int_equal(tap_last(&tap, PAIR_B)->window, 5000 >> b->rcv.wscale);
    shared_window = 0; /* a shared window may shrink */
    pl_tcp_ack_now(b);
    tcp_pair_run_for(p, MS);
    assert_int_equal(tap_last(&tap, PAIR_B)->window, 0);
    unsigned before = tap.count;
    shared_window = 50000;
    pl_tcp_kick(b); /* from nothing to something is worth telling */
    tcp_pair_run_for(p, MS);
    assert_int_equal(tap.count, before + 1);
    tcp_pair_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_reader),
        cmocka_unit_test(test_no_silly_windows),
        cmocka_unit_test(test_window_update_after_reading),
        cmocka_unit_test(test_coarse_scale),
        cmocka_unit_test(test_scaling),
        cmocka_unit_test(test_a_peer_without_scaling),
        cmocka_unit_test(test_old_news),
        cmocka_unit_test(test_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

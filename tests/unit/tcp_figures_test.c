/* tcp/figures: what a transfer waited for, its rate, and what is counted by packet. */
#include "tcp/figures.h"

#include "tcp/info.h"
#include "tcp_test.h"

enum { MSS = 1448, RATE = 1250000 };
static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *a, *b;
static struct plait_tcp_info at_a, at_b;

/* `rate` bytes per second from A, 10 ms each way. */
static void opened(uint64_t rate, uint32_t receive_buffer) {
    struct tcp_pair_setup setup = test_setup();
    setup.pipe.rate = rate;
    setup.receive_buffer = receive_buffer;
    p = tcp_pair_new(&setup);
    memset(&tap, 0, sizeof(tap));
    p->filter = tap_filter;
    p->filter_arg = &tap;
    a = tcp_of(p, PAIR_A);
    b = tcp_of(p, PAIR_B);
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
}

static void look(void) {
    pl_tcp_info_linux(a, &at_a, p->now);
    pl_tcp_info_linux(b, &at_b, p->now);
}

/* Returns how long it took, in microseconds. */
static uint64_t transfer(uint64_t bytes) {
    plait_time start = p->now;
    tcp_pair_send(p, PAIR_A, bytes);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 100 * S));
    uint64_t passed = p->now - start;
    look();
    return passed / PLAIT_NS_PER_US;
}

/* Who says little has no block, and nothing is missing from the counts when there is one. */
static void test_idle_connections_have_none(void **state) {
    (void)state;
    opened(0, 0);
    look();
    assert_int_equal(at_a.tcpi_busy_time + at_a.tcpi_data_segs_out + at_a.tcpi_delivery_rate, 0);
    for (unsigned i = 1; i <= PL_TCP_FIGURES_FEW; i++) {
        assert_null(a->figures);
        assert_null(b->figures);
        (void)transfer(1);
        assert_int_equal(at_a.tcpi_data_segs_out, i);
        assert_int_equal(at_b.tcpi_data_segs_in, i);
    }
    tcp_pair_run_for(p, S);
    assert_null(a->figures);
    assert_null(b->figures);
    (void)transfer(1);
    assert_non_null(a->figures);
    assert_non_null(b->figures);
    assert_int_equal(at_a.tcpi_data_segs_out, PL_TCP_FIGURES_FEW + 1);
    assert_int_equal(at_b.tcpi_data_segs_in, PL_TCP_FIGURES_FEW + 1);
    assert_in_range(at_a.tcpi_busy_time, 10000, 20000);
    tcp_pair_free(p);
}

/* Without memory there are no figures; with it they begin, the counts from then on. */
static void test_without_memory(void **state) {
    (void)state;
    opened(0, 0);
    for (unsigned i = 0; i < PL_TCP_FIGURES_FEW; i++) {
        (void)transfer(1);
    }
    struct test_env *env = &p->end[PAIR_A].env;
    env->fail_at = env->alloc_count + 1;
    env->fail_after = true;
    pl_tcp_figures_data_in(a, 1);
    pl_tcp_figures_data_out(a, PL_TCP_FIGURES_FEW + 1);
    pl_tcp_figures_window(a, p->now);
    assert_null(a->figures);
    env->fail_at = 0;
    env->fail_after = false;
    (void)transfer(1);
    assert_non_null(a->figures);
    assert_int_equal(at_a.tcpi_data_segs_out, PL_TCP_FIGURES_FEW + 1);
    tcp_pair_free(p);
}

/* The first burst is counted whole: the block comes in its middle, when the fifth packet leaves. */
static void test_first_burst(void **state) {
    (void)state;
    opened(0, 0);
    uint64_t us = transfer(10 * MSS);
    assert_non_null(a->figures);
    assert_in_range(at_a.tcpi_busy_time, us - 1000, us);
    tcp_pair_run_for(p, 100 * MS);
    look();
    assert_in_range(at_a.tcpi_delivery_rate, 5 * MSS * 50 / 2, 10 * MSS * 50);
    tcp_pair_free(p);
}

/* What is worth counting is counted from the first time on: a hole and its repair, a duplicate, a
 * closed window. */
static void test_first_events(void **state) {
    (void)state;
    opened(0, 0);
    tap.drop_data[PAIR_A] = 1;
    (void)transfer(3 * MSS);
    assert_int_equal(at_a.tcpi_total_retrans, 1);
    assert_int_equal(at_b.tcpi_rcv_ooopack, 2);
    assert_int_equal(at_b.tcpi_data_segs_in, 3);
    tcp_pair_free(p);

    opened(0, 0);
    p->pipe[PAIR_A].duplicate_ppm = 1000000;
    tcp_pair_send(p, PAIR_A, MSS);
    tcp_pair_run_for(p, S);
    look();
    assert_int_equal(at_a.tcpi_dsack_dups, 1);
    assert_int_equal(at_a.tcpi_data_segs_out, 1);
    tcp_pair_free(p);

    opened(0, 5000);
    p->end[PAIR_B].hold = true;
    tcp_pair_send(p, PAIR_A, 8000);
    tcp_pair_run_for(p, 500 * MS);
    look();
    assert_in_range(at_a.tcpi_data_segs_out, 2, PL_TCP_FIGURES_FEW);
    assert_in_range(at_a.tcpi_rwnd_limited, 400000, 500000);
    tcp_pair_free(p);
}

/* 20,000 bytes for each round trip of 20 ms; the path could do much more. */
static void test_window_limited(void **state) {
    (void)state;
    opened(0, 20000);
    uint64_t us = transfer(2000000);
    assert_in_range(at_a.tcpi_busy_time, us - 1000, us);
    assert_in_range(at_a.tcpi_rwnd_limited, us * 9 / 10, us);
    assert_int_equal(at_a.tcpi_sndbuf_limited, 0);
    assert_in_range(at_a.tcpi_delivery_rate, 800000, 1000000);
    assert_true(at_a.tcpi_delivery_rate_app_limited);
    assert_int_equal(at_b.tcpi_busy_time, 0);
    tcp_pair_free(p);
}

/* The peer reads nothing for a second: a closed window is waited for, with nothing in flight. */
static void test_closed_window(void **state) {
    (void)state;
    opened(0, 20000);
    p->end[PAIR_B].hold = true;
    tcp_pair_send(p, PAIR_A, 30000);
    tcp_pair_run_for(p, S);
    look();
    assert_in_range(at_a.tcpi_rwnd_limited, 900000, 1000000);
    p->end[PAIR_B].hold = false;
    tcp_pair_read(p, PAIR_B, 20000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    look();
    uint64_t limited = at_a.tcpi_rwnd_limited;
    tcp_pair_run_for(p, S);
    look();
    assert_int_equal(at_a.tcpi_rwnd_limited, limited);
    tcp_pair_free(p);
}

static void test_buffer_limited(void **state) {
    (void)state;
    opened(0, 0);
    p->end[PAIR_A].send_buffer = 14480;
    uint64_t us = transfer(1448000);
    assert_in_range(at_a.tcpi_busy_time, us - 1000, us);
    assert_in_range(at_a.tcpi_sndbuf_limited, us * 9 / 10, us);
    assert_int_equal(at_a.tcpi_rwnd_limited, 0);
    assert_in_range(at_a.tcpi_delivery_rate, 600000, 724000);
    tcp_pair_free(p);
}

/* One segment every 100 ms: busy for its round trip (and the delayed ACK, for those that are not
 * acknowledged at once), limited by nothing. */
static void test_application_limited(void **state) {
    (void)state;
    opened(0, 0);
    for (unsigned i = 0; i < PL_TCP_FIGURES_FEW + 10; i++) {
        tcp_pair_send(p, PAIR_A, MSS);
        tcp_pair_run_for(p, 100 * MS);
    }
    look();
    assert_in_range(at_a.tcpi_busy_time, 10 * 20000, 10 * 60000);
    assert_int_equal(at_a.tcpi_rwnd_limited + at_a.tcpi_sndbuf_limited, 0);
    assert_in_range(at_a.tcpi_delivery_rate, MSS, MSS * 51);
    assert_true(at_a.tcpi_delivery_rate_app_limited);
    assert_int_equal(at_a.tcpi_data_segs_out, PL_TCP_FIGURES_FEW + 10);
    assert_int_equal(at_b.tcpi_data_segs_in, PL_TCP_FIGURES_FEW + 10);
    tcp_pair_free(p);
}

/* The path is what limits. */
static void test_bulk(void **state) {
    (void)state;
    opened(RATE, 0);
    p->pipe[PAIR_A].queue_bytes = 50000;
    uint64_t us = transfer(5000000);
    assert_in_range(at_a.tcpi_busy_time, us - 1000, us);
    assert_int_equal(at_a.tcpi_rwnd_limited + at_a.tcpi_sndbuf_limited, 0);
    assert_in_range(at_a.tcpi_delivery_rate, RATE * 90 / 100, RATE);
    assert_false(at_a.tcpi_delivery_rate_app_limited);
    assert_in_range(at_b.tcpi_rcv_rtt, 20000, 65000);
    assert_int_equal(at_a.tcpi_rcv_rtt, 0);
    tcp_pair_free(p);
}

/* Both ends count the same packets, in large segments and one by one. */
static void test_data_segments(void **state) {
    (void)state;
    for (unsigned tso = 0; tso < 2; tso++) {
        struct tcp_pair_setup setup = test_setup();
        setup.tso[PAIR_A] = tso == 1;
        setup.pipe.gro_ns = tso == 1 ? MS : 0;
        p = tcp_pair_new(&setup);
        a = tcp_of(p, PAIR_A);
        b = tcp_of(p, PAIR_B);
        tcp_pair_open(p);
        (void)transfer(1000 * MSS);
        assert_in_range(at_a.tcpi_data_segs_out, 1000, 1010);
        assert_int_equal(at_b.tcpi_data_segs_in, at_a.tcpi_data_segs_out);
        assert_int_equal(at_a.tcpi_data_segs_in + at_b.tcpi_data_segs_out, 0);
        assert_true(at_a.tcpi_segs_in > 0 && at_a.tcpi_segs_out > at_a.tcpi_data_segs_out);
        tcp_pair_free(p);
    }
}

/* Three of thirty are missing: three are sent again, and what came behind is out of order. */
static void test_loss(void **state) {
    (void)state;
    opened(0, 0);
    a->cc.cwnd = 40 * MSS;
    tap.drop_data[PAIR_A] = 7 << 10;
    (void)transfer(30 * MSS);
    assert_int_equal(at_a.tcpi_total_retrans, 3);
    assert_int_equal(at_a.tcpi_bytes_retrans, 3 * MSS);
    assert_int_equal(at_a.tcpi_data_segs_out, 33);
    assert_int_equal(at_b.tcpi_data_segs_in, 30);
    assert_int_equal(at_b.tcpi_rcv_ooopack, 17);
    assert_int_equal(at_a.tcpi_reord_seen + at_a.tcpi_dsack_dups, 0);
    tcp_pair_free(p);
}

/* What the network doubles is reported as a duplicate (RFC 2883). */
static void test_dsack(void **state) {
    (void)state;
    opened(0, 0);
    p->pipe[PAIR_A].duplicate_ppm = 1000000;
    (void)transfer(5 * MSS);
    p->pipe[PAIR_A].duplicate_ppm = 0;
    tcp_pair_run_for(p, S);
    look();
    assert_in_range(at_a.tcpi_dsack_dups, 4, 5);
    assert_int_equal(at_b.tcpi_data_segs_in, 10);
    assert_int_equal(at_a.tcpi_total_retrans, 0);
    tcp_pair_free(p);
}

/* Packets overtake each other: the receiver sees them out of order, the sender sees that from the
 * SACKs. */
static void test_reordering(void **state) {
    (void)state;
    opened(0, 0);
    a->cc.cwnd = 40 * MSS;
    p->pipe[PAIR_A].reorder_ppm = 200000;
    p->pipe[PAIR_A].reorder_ns = 3 * MS;
    (void)transfer(300 * MSS);
    assert_true(at_b.tcpi_rcv_ooopack > 10);
    assert_true(at_a.tcpi_reord_seen > 1);
    tcp_pair_free(p);
}

static void test_marks(void **state) {
    (void)state;
    struct tcp_pair_setup setup = test_setup();
    setup.ecn[PAIR_A] = PLAIT_ECN_ON;
    setup.ecn[PAIR_B] = PLAIT_ECN_ON;
    setup.pipe.rate = RATE;
    setup.pipe.queue_bytes = 100000;
    p = tcp_pair_new(&setup);
    a = tcp_of(p, PAIR_A);
    b = tcp_of(p, PAIR_B);
    tcp_pair_open(p);
    (void)transfer(5 * MSS);
    assert_int_equal(at_a.tcpi_delivered_ce, 0);
    assert_int_equal(at_b.tcpi_options & 16, 16);
    assert_int_equal(at_a.tcpi_options & 16, 0);
    p->pipe[PAIR_A].mark_bytes = 5000;
    (void)transfer(3000 * MSS);
    assert_true(p->pipe[PAIR_A].marks > 0);
    assert_in_range(at_a.tcpi_delivered_ce, p->pipe[PAIR_A].marks, 1500);
    tcp_pair_free(p);
}

/* What ends with payload in flight was busy until then, and not after. */
static void test_abort(void **state) {
    (void)state;
    opened(0, 0);
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, MSS);
    tcp_pair_run_for(p, 100 * MS);
    pl_tcp_abort(a, PLAIT_E_ABORTED, p->now);
    tcp_pair_run_for(p, S);
    look();
    assert_int_equal(at_a.tcpi_busy_time, 100000);
    tcp_pair_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_connections_have_none),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_first_burst),
        cmocka_unit_test(test_first_events),
        cmocka_unit_test(test_window_limited),
        cmocka_unit_test(test_closed_window),
        cmocka_unit_test(test_buffer_limited),
        cmocka_unit_test(test_application_limited),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_data_segments),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_dsack),
        cmocka_unit_test(test_reordering),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

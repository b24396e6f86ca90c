/* tcp/output: what leaves, when, and how large. */
#include "tcp_test.h"

enum { MSS = 1448 };
static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *a, *b;

static void open_with(struct tcp_pair_setup setup) {
    p = tcp_pair_new(&setup);
    memset(&tap, 0, sizeof(tap));
    p->filter = tap_filter;
    p->filter_arg = &tap;
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    tap_clear(&tap);
    a = tcp_of(p, PAIR_A);
    b = tcp_of(p, PAIR_B);
}

static int setup(void **state) {
    (void)state;
    open_with(test_setup());
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

static void test_initial_window(void **state) {
    (void)state;
    tap.drop_all[PAIR_B] = true;
    tcp_pair_send(p, PAIR_A, 100 * MSS);
    tcp_pair_run_for(p, 30 * MS);
    assert_int_equal(tap.data_seen[PAIR_A], 10);
}

/* A window of four and a half packets is one of four (RFC 5681 section 3). */
static void test_no_packet_beyond_the_window(void **state) {
    (void)state;
    a->cc.cwnd = 4 * MSS + MSS / 2;
    tap.drop_all[PAIR_B] = true;
    tcp_pair_send(p, PAIR_A, 100 * MSS);
    tcp_pair_run_for(p, 30 * MS);
    assert_int_equal(pl_tcp_flight(a), 4 * MSS);
    assert_true(a->snd.limited);
    assert_false(pl_tcp_can_send(a, p->now));
    a->cc.cwnd = 5 * MSS;
    assert_true(pl_tcp_can_send(a, p->now));
}

static void test_push(void **state) {
    (void)state;
    tcp_pair_send(p, PAIR_A, 4 * MSS + 10);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, S));
    for (unsigned i = 0; i < 5; i++) {
        const struct tap_note *n = tap_nth(&tap, PAIR_A, i);
        assert_int_equal(n->len, i < 4 ? MSS : 10);
        assert_int_equal((n->flags & PL_TCP_PSH) != 0, i == 4);
    }
}

/* RFC 9293 section 3.7.4: while a small segment is unacknowledged, small writes are collected; with
 * NODELAY each leaves at once. */
static void test_nagle(void **state) {
    (void)state;
    struct pl_tcp_tuning tuning = pl_tcp_tuning_default;
    for (int i = 0; i < 5; i++) {
        tcp_pair_send(p, PAIR_A, 10);
        tcp_pair_run_for(p, MS);
    }
    assert_int_equal(tap.data_seen[PAIR_A], 1);
    tcp_pair_run_for(p, 30 * MS);
    assert_int_equal(tap.data_seen[PAIR_A], 2);
    assert_int_equal(tap_last(&tap, PAIR_A)->len, 40);
    tuning.nodelay = true;
    pl_tcp_tuned(a, &tuning, p->now);
    for (int i = 0; i < 5; i++) {
        tcp_pair_send(p, PAIR_A, 10);
        tcp_pair_run_for(p, MS);
    }
    assert_int_equal(tap.data_seen[PAIR_A], 7);
    pl_tcp_tuned(a, &pl_tcp_tuning_default, p->now);
}

/* Minshall's form: the rest of a large write does not wait for its full segments. */
static void test_nagle_lets_the_rest_go(void **state) {
    (void)state;
    tcp_pair_send(p, PAIR_A, 3 * MSS + 7);
    tcp_pair_run_for(p, 5 * MS);
    assert_int_equal(tap.data_seen[PAIR_A], 4);
    tcp_pair_send(p, PAIR_A, MSS + 5); /* full segments never wait, the small rest does now */
    tcp_pair_run_for(p, 5 * MS);
    assert_int_equal(tap.data_seen[PAIR_A], 5);
    assert_int_equal(tap_last(&tap, PAIR_A)->len, MSS);
    tcp_pair_run_for(p, 60 * MS);
    assert_int_equal(tap_last(&tap, PAIR_A)->len, 5);
}

/* Turning Nagle off lets go what waits. */
static void test_nagle_off_flushes(void **state) {
    (void)state;
    struct pl_tcp_tuning tuning = pl_tcp_tuning_default;
    tcp_pair_send(p, PAIR_A, 10);
    tcp_pair_run_for(p, MS);
    tcp_pair_send(p, PAIR_A, 10);
    tcp_pair_run_for(p, MS);
    assert_int_equal(tap.data_seen[PAIR_A], 1);
    tuning.nodelay = true;
    pl_tcp_tuned(a, &tuning, p->now);
    tcp_pair_run_for(p, MS);
    assert_int_equal(tap.data_seen[PAIR_A], 2);
    pl_tcp_tuned(a, &pl_tcp_tuning_default, p->now);
}

/* The end of the stream waits for nothing. */
static void test_nagle_and_the_end(void **state) {
    (void)state;
    tcp_pair_send(p, PAIR_A, 10);
    tcp_pair_run_for(p, MS);
    tcp_pair_send(p, PAIR_A, 10);
    pl_tcp_shutdown(a, p->now);
    tcp_pair_run_for(p, MS);
    assert_int_equal(tap.data_seen[PAIR_A], 2);
    assert_int_equal(tap_count(&tap, PAIR_A, PL_TCP_FIN, false), 1);
}

static void test_cork(void **state) {
    (void)state;
    struct pl_tcp_tuning tuning = pl_tcp_tuning_default;
    tuning.cork = true;
    pl_tcp_tuned(a, &tuning, p->now);
    tcp_pair_send(p, PAIR_A, MSS + 5);
    tcp_pair_run_for(p, 100 * MS); /* acknowledged: nothing small is out, and still it waits */
    assert_int_equal(tap.data_seen[PAIR_A], 1);
    tcp_pair_run_for(p, 150 * MS); /* at most 200 ms */
    assert_int_equal(tap.data_seen[PAIR_A], 2);
    tcp_pair_send(p, PAIR_A, 10);
    tcp_pair_run_for(p, 50 * MS);
    assert_int_equal(tap.data_seen[PAIR_A], 2);
    tuning.cork = false;
    pl_tcp_tuned(a, &tuning, p->now);
    tcp_pair_run_for(p, 5 * MS);
    assert_int_equal(tap.data_seen[PAIR_A], 3);
    pl_tcp_tuned(a, &pl_tcp_tuning_default, p->now);
}

static void test_exactly_one_ack(void **state) {
    (void)state;
    pl_tcp_ack_now(a);
    pl_tcp_ack_now(a);
    tcp_pair_run_for(p, 5 * MS);
    assert_int_equal(tap.count, 1);
    pl_tcp_ack_now(a);
    tcp_pair_send(p, PAIR_A, 10); /* payload serves as well */
    tcp_pair_run_for(p, 5 * MS);
    assert_int_equal(tap.count, 2);
    assert_int_equal(tap.note[1].len, 10);
}

static void test_probe(void **state) {
    (void)state;
    pl_tcp_probe(a);
    tcp_pair_run_for(p, 15 * MS);
    assert_int_equal(tap.note[0].seq, 0); /* una - 1: must be answered */
    assert_int_equal(tap_count(&tap, PAIR_B, PL_TCP_ACK, false), 1);
}

static void test_kick_without_payload_is_silent(void **state) {
    (void)state;
    uint32_t cwnd = 100 * MSS;
    a->cc.cwnd = cwnd;
    for (int i = 0; i < 100; i++) {
        pl_tcp_kick(a);
        tcp_pair_run_for(p, S);
    }
    assert_int_equal(tap.count, 0);
    assert_int_equal(a->cc.cwnd, cwnd);
    assert_false(pl_list_linked(&a->out_link));
}

static void test_idle_restart(void **state) {
    (void)state;
    tcp_pair_send(p, PAIR_A, 200 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    uint32_t cwnd = a->cc.cwnd;
    assert_true(cwnd > 60 * MSS);
    tcp_pair_run_for(p, 2 * pl_tcp_rto_ns(a) + 10 * MS);
    tcp_pair_send(p, PAIR_A, 100);
    tcp_pair_run_for(p, MS);
    assert_int_equal(a->cc.cwnd, cwnd / 4);
    tcp_pair_run_for(p, 100 * S);
    tcp_pair_send(p, PAIR_A, 100);
    tcp_pair_run_for(p, MS);
    assert_int_equal(a->cc.cwnd, 10 * MSS);
}

/* An application that does not fill the window does not make it grow (RFC 7661's concern). */
static void test_application_limited(void **state) {
    (void)state;
    for (int i = 0; i < 200; i++) {
        tcp_pair_send(p, PAIR_A, MSS);
        tcp_pair_run_for(p, 25 * MS);
    }
    assert_true(a->cc.cwnd <= 12 * MSS);
}

/* Small writes for 20 s, then a large one: what the window gains by it at once. */
static uint32_t leap(uint64_t pause_ns) {
    uint32_t cwnd = a->cc.cwnd;
    for (plait_time end = p->now + 20 * S; p->now < end;) {
        tcp_pair_send(p, PAIR_A, MSS);
        tcp_pair_run_for(p, pause_ns);
    }
    assert_int_equal(a->cc.cwnd, cwnd);
    tcp_pair_send(p, PAIR_A, 400 * MSS);
    tcp_pair_run_for(p, 100 * MS);
    return a->cc.cwnd - cwnd;
}

/* Nor does the time in which it did not count for CUBIC's curve, whether something was in flight
 * all the time or not: the window does not leap (RFC 9438 section 4.2). */
static void test_application_limited_time(void **state) {
    (void)state;
    tap_clear(&tap);
    tap.drop_data[PAIR_A] = 1 << 30;
    tcp_pair_send(p, PAIR_A, 200 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    assert_true(a->cc.u.cubic.epoch_ms > 0 && !a->cc.hystart_on);
    assert_true(a->cc.cwnd > 10 * MSS);
    assert_in_range(leap(8 * MS), 0, 5 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    assert_in_range(leap(25 * MS), 0, 5 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    a->cc.cwnd = 10 * MSS;
    pl_cc_loss(&a->cc, 10 * MSS);
    a->cc.cwnd = a->cc.ssthresh; /* no more than a restart would leave */
    tcp_pair_send(p, PAIR_A, 40 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    assert_in_range(leap(20 * S), 0, 5 * MSS);
}

static void test_can_send(void **state) {
    (void)state;
    assert_true(pl_tcp_can_send(a, p->now));
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, 100 * MSS);
    tcp_pair_run_for(p, 30 * MS);
    assert_false(pl_tcp_can_send(a, p->now)); /* the window is full */
    tcp_pair_run_for(p, 400 * MS);
    assert_true(p->end[PAIR_A].rtos > 0);
    a->cc.cwnd = 1000 * MSS;
    assert_false(pl_tcp_can_send(a, p->now)); /* no progress since a timeout */
    tap.drop_all[PAIR_A] = false;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    assert_true(pl_tcp_can_send(a, p->now + 10 * MS));
    a->snd.wnd = 100;
    assert_false(pl_tcp_can_send(a, p->now + 10 * MS));
    tcp_pair_close(p, PAIR_A);
    tcp_pair_run_for(p, MS);
    assert_false(pl_tcp_can_send(a, p->now));
}

/* ---- large segments ---- */

static uint32_t largest, odd;
static bool note_sizes(struct tcp_pair *q, int from, struct pl_segment *seg, void *arg) {
    (void)arg;
    (void)q;
    if (from == PAIR_A && seg->payload_len > 0 && (seg->flags & PL_TCP_PSH) == 0) {
        odd += seg->payload_len != 1448;
        largest = seg->payload_len > largest ? seg->payload_len : largest;
    }
    return true;
}

static void test_tso(void **state) {
    (void)state;
    struct tcp_pair_setup s = test_setup();
    s.tso[PAIR_A] = true;
    open_with(s);
    p->filter = note_sizes;
    largest = 0;
    odd = 0;
    uint64_t made = p->end[PAIR_A].asked[PL_SEG_DATA];
    tcp_pair_send(p, PAIR_A, 4000 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    made = p->end[PAIR_A].asked[PL_SEG_DATA] - made;
    assert_true(made < 400); /* ten packets to a segment and more */
    assert_int_equal(odd, 0);
    assert_int_equal(largest, MSS);
    tcp_pair_free(p);
}

/* ACKs for two packets each do not lead to segments of two packets each. */
static void test_large_segments_are_waited_for(void **state) {
    (void)state;
    struct tcp_pair_setup s = test_setup();
    s.tso[PAIR_A] = true;
    s.pipe.rate = 125000000;
    s.pipe.queue_bytes = 2500000;
    s.receive_buffer = 16 << 20;
    open_with(s);
    p->check = false;
    p->filter = NULL;
    tcp_pair_send(p, PAIR_A, UINT64_C(1) << 40);
    tcp_pair_run_for(p, S);
    uint64_t made = p->end[PAIR_A].asked[PL_SEG_DATA], sent = a->stats.segments_sent;
    uint64_t acks = p->pipe[PAIR_B].packets, got = p->end[PAIR_B].received;
    tcp_pair_run_for(p, S / 2);
    assert_false(pl_tcp_can_send(a, p->now)); /* so that a scheduler looks elsewhere */
    made = p->end[PAIR_A].asked[PL_SEG_DATA] - made;
    sent = a->stats.segments_sent - sent;
    acks = p->pipe[PAIR_B].packets - acks;
    assert_true(acks > sent / 3);
    assert_true(made * 8 < sent);
    assert_true(p->end[PAIR_B].received - got > 59000000);
    tcp_pair_free(p);
}

/* With tiny chunks a segment cannot be described in 20 slices: it is cut, and nothing is lost. */
static void test_fragmented_chunks(void **state) {
    (void)state;
    for (uint32_t chunk = 1; chunk < 400; chunk = chunk * 3 + 1) {
        struct tcp_pair_setup s = test_setup();
        s.tso[PAIR_A] = true;
        open_with(s);
        p->end[PAIR_A].chunk_bytes = chunk;
        tcp_pair_send(p, PAIR_A, 30000);
        tcp_pair_send(p, PAIR_B, 30000);
        p->pipe[PAIR_A].loss_ppm = 20000;
        assert_true(tcp_pair_run(p, tcp_pair_all_received, 100 * S));
        tcp_pair_free(p);
    }
}

/* ---- MTU ---- */

static bool drop_large(struct tcp_pair *q, int from, struct pl_segment *seg, void *arg) {
    (void)arg;
    (void)q;
    return from != PAIR_A || seg->payload_len <= 1000;
}

static void test_mtu_reduction(void **state) {
    (void)state;
    for (int tso = 0; tso < 2; tso++) {
        struct tcp_pair_setup s = test_setup();
        s.tso[PAIR_A] = tso;
        open_with(s);
        p->filter = drop_large;
        tcp_pair_send(p, PAIR_A, 200000);
        tcp_pair_run_for(p, 15 * MS);
        assert_true(pl_tcp_seq_in_flight(a, a->snd.una));
        assert_false(pl_tcp_seq_in_flight(a, a->snd.nxt));
        pl_tcp_set_mtu(a, 1000, p->now);
        assert_int_equal(pl_tcp_mss(a), 1000 - 40 - 12);
        plait_time begin = p->now;
        assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
        assert_true(p->now - begin < 400 * MS);
        assert_int_equal(p->end[PAIR_A].rtos, 0);
        assert_int_equal(COUNT(p, PAIR_A, FastRecoveries), 0); /* no congestion */
        tcp_pair_free(p);
    }
}

static void test_mtu_growth(void **state) {
    (void)state;
    pl_tcp_set_mtu(a, 1000, p->now);
    pl_tcp_set_mtu(a, 9000, p->now);
    assert_int_equal(pl_tcp_mss(a), MSS); /* the peer's limit stands */
    pl_tcp_set_mtu(a, 10, p->now);
    assert_int_equal(pl_tcp_mss(a), 296 - 40 - 12);
    tcp_pair_send(p, PAIR_A, 10000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
}

static void test_options_make_payload_smaller(void **state) {
    (void)state;
    p->end[PAIR_A].data_options = 28;
    tcp_pair_send(p, PAIR_A, 100000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S)); /* the pair checks the MTU */
    assert_int_equal(tap_nth(&tap, PAIR_A, 0)->len, 1500 - 40 - 12 - 28);
}

/* An allocation fails: sending goes on a little later. */
static void test_no_memory(void **state) {
    (void)state;
    for (uint64_t n = 1; n < 6; n++) {
        p->end[PAIR_A].env.fail_at = p->end[PAIR_A].env.alloc_count + n;
        tcp_pair_send(p, PAIR_A, 20000);
        assert_true(tcp_pair_run(p, tcp_pair_all_received, S));
    }
    p->end[PAIR_A].env.fail_at = p->end[PAIR_A].env.alloc_count + 1;
    tcp_pair_close(p, PAIR_A);
    assert_true(tcp_pair_run(p, tcp_pair_all_closed, 100 * S));
    assert_int_equal(p->end[PAIR_A].closed_error, 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_initial_window),
        T(test_no_packet_beyond_the_window),
        T(test_push),
        T(test_nagle),
        T(test_nagle_lets_the_rest_go),
        T(test_nagle_off_flushes),
        T(test_nagle_and_the_end),
        T(test_cork),
        T(test_exactly_one_ack),
        T(test_probe),
        T(test_kick_without_payload_is_silent),
        T(test_idle_restart),
        T(test_application_limited),
        T(test_application_limited_time),
        T(test_can_send),
        cmocka_unit_test(test_tso),
        cmocka_unit_test(test_large_segments_are_waited_for),
        cmocka_unit_test(test_fragmented_chunks),
        cmocka_unit_test(test_mtu_reduction),
        T(test_mtu_growth),
        T(test_options_make_payload_smaller),
        T(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tcp/tcp: whole connections over bad paths; every byte is checked by the pair. */
#include "tcp_test.h"

/* One connection, both directions, to the end. */
static void run(const struct tcp_pair_setup *setup, uint64_t there, uint64_t back) {
    struct tcp_pair *p = tcp_pair_new(setup);
    tcp_pair_open(p);
    tcp_pair_send(p, PAIR_A, there);
    tcp_pair_send(p, PAIR_B, back);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 2000 * S));
    tcp_pair_close(p, PAIR_A);
    assert_true(tcp_pair_run(p, tcp_pair_all_closed, 2000 * S));
    assert_int_equal(p->end[0].closed_error, 0);
    assert_int_equal(p->end[1].closed_error, 0);
    tcp_pair_free(p);
}

static void test_loss(void **state) {
    (void)state;
    const uint32_t loss[] = {0, 1000, 10000, 30000, 100000};
    for (unsigned i = 0; i < 5; i++) {
        for (int tso = 0; tso < 4; tso++) {
            struct tcp_pair_setup s = test_setup();
            s.seed = i * 4 + (unsigned)tso;
            s.tso[PAIR_A] = tso & 1;
            s.tso[PAIR_B] = tso >> 1;
            s.pipe.loss_ppm = loss[i];
            s.pipe.rate = 2500000;
            s.pipe.queue_bytes = 60000;
            run(&s, 400000, 100000);
        }
    }
}

static void test_disorder(void **state) {
    (void)state;
    for (uint32_t ppm = 1000; ppm <= 500000; ppm *= 5) {
        struct tcp_pair_setup s = test_setup();
        s.seed = ppm;
        s.pipe.reorder_ppm = ppm;
        s.pipe.reorder_ns = 30 * MS;
        s.pipe.duplicate_ppm = 50000;
        s.pipe.loss_ppm = ppm / 10;
        run(&s, 400000, 200000);
    }
}

static void test_coalesced_input(void **state) {
    (void)state;
    for (int loss = 0; loss < 3; loss++) {
        struct tcp_pair_setup s = test_setup();
        s.tso[PAIR_A] = true;
        s.tso[PAIR_B] = true;
        s.pipe.gro_ns = MS;
        s.pipe.loss_ppm = (uint32_t)loss * 20000;
        run(&s, 2000000, 500000);
    }
}

static void test_sequence_numbers_wrap(void **state) {
    (void)state;
    for (uint32_t before = 0; before < 200000; before = before * 3 + 1) {
        struct tcp_pair_setup s = test_setup();
        s.iss[PAIR_A] = 0 - before;
        s.iss[PAIR_B] = 0 - before / 2;
        s.tso[PAIR_A] = before % 2;
        s.pipe.loss_ppm = 20000;
        run(&s, 300000, 200000);
    }
    struct tcp_pair_setup s = test_setup();
    s.iss[PAIR_A] = 0x7fffff00;
    run(&s, 300000, 100000);
}

static void test_ipv6_and_large_packets(void **state) {
    (void)state;
    struct tcp_pair_setup s = test_setup();
    s.ipv6 = true;
    s.mtu = 9000;
    s.pipe.loss_ppm = 10000;
    run(&s, 1000000, 1000000);
    s.mtu = 65535;
    s.tso[PAIR_A] = true;
    run(&s, 3000000, 1000000);
}

static void test_reno(void **state) {
    (void)state;
    struct tcp_pair_setup s = test_setup();
    s.cc = PLAIT_CC_RENO;
    s.pipe.loss_ppm = 20000;
    run(&s, 1000000, 0);
}

static void test_little_memory(void **state) {
    (void)state;
    for (uint64_t bytes = 50000; bytes < 500000; bytes *= 3) {
        struct tcp_pair_setup s = test_setup();
        s.memory_bytes_max = bytes;
        s.pipe.loss_ppm = 20000;
        s.seed = bytes;
        run(&s, 500000, 0);
    }
}

/* The n-th allocation fails, for every n of a short connection; then all of them for a while. */
static void test_failing_allocations(void **state) {
    (void)state;
    for (int who = 0; who < 2; who++) {
        for (uint64_t n = 1; n < 120; n++) {
            struct tcp_pair_setup s = test_setup();
            s.tso[PAIR_A] = n % 2;
            s.pipe.loss_ppm = 50000;
            s.seed = n;
            struct tcp_pair *p = tcp_pair_new(&s);
            p->end[who].env.fail_at = p->end[who].env.alloc_count + n;
            p->end[who].env.fail_after = n % 3 == 0;
            p->end[PAIR_A].chunk_bytes = 1000;
            tcp_pair_connect(p, PAIR_A);
            tcp_pair_send(p, PAIR_A, 40000);
            tcp_pair_run_for(p, 3 * S);
            p->end[who].env.fail_at = 0;
            assert_true(tcp_pair_run(p, tcp_pair_all_received, 300 * S));
            tcp_pair_close(p, PAIR_A);
            assert_true(tcp_pair_run(p, tcp_pair_all_closed, 200 * S));
            tcp_pair_free(p);
        }
    }
}

static void test_short_outages(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct tcp_pair_setup s = test_setup();
        s.seed = (uint64_t)round;
        s.pipe.rate = 1250000;
        s.pipe.queue_bytes = 50000;
        struct tcp_pair *p = tcp_pair_new(&s);
        tcp_pair_open(p);
        tcp_pair_send(p, PAIR_A, 3000000);
        for (int i = 0; i < 5; i++) {
            tcp_pair_run_for(p, 100 * MS);
            p->pipe[round % 2].cut = true;
            tcp_pair_run_for(p, (uint64_t)round * 40 * MS);
            p->pipe[round % 2].cut = false;
        }
        assert_true(tcp_pair_run(p, tcp_pair_all_received, 30 * S));
        tcp_pair_free(p);
    }
}

/* Two runs of one seed are equal to the last event. */
static uint64_t trace_hash;
static void hash_trace(void *user, const struct plait_trace_record *r) {
    (void)user;
    uint64_t v[] = {r->time, r->type, r->subflow, r->arg[0], r->arg[1], r->arg[2], r->arg[3]};
    for (unsigned i = 0; i < 7; i++) {
        trace_hash = (trace_hash ^ v[i]) * UINT64_C(0x100000001b3);
    }
}

static uint64_t traced_run(uint64_t seed) {
    struct tcp_pair_setup s = test_setup();
    s.seed = seed;
    s.pipe.loss_ppm = 30000;
    s.pipe.reorder_ppm = 100000;
    s.pipe.reorder_ns = 5 * MS;
    struct tcp_pair *p = tcp_pair_new(&s);
    trace_hash = 1;
    p->end[0].env.env.trace = hash_trace;
    p->end[1].env.env.trace = hash_trace;
    tcp_pair_open(p);
    tcp_pair_send(p, PAIR_A, 300000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 100 * S));
    tcp_pair_free(p);
    return trace_hash;
}

static void test_runs_repeat(void **state) {
    (void)state;
    assert_int_equal(traced_run(7), traced_run(7));
    assert_int_not_equal(traced_run(7), traced_run(8));
}

/* ---- a peer that sends anything ---- */

static struct pl_rng chaos;

static uint32_t around(uint32_t base) {
    switch (pl_rng_below(&chaos, 6)) {
        case 0:
            return base;
        case 1:
            return base + (uint32_t)pl_rng_below(&chaos, 5);
        case 2:
            return base - (uint32_t)pl_rng_below(&chaos, 5);
        case 3:
            return base + (uint32_t)pl_rng_below(&chaos, 200000);
        case 4:
            return base - (uint32_t)pl_rng_below(&chaos, 200000);
        default:
            return (uint32_t)pl_rng_next(&chaos);
    }
}

static uint8_t any_flags(void) {
    static const uint8_t usual[] = {PL_TCP_ACK,
                                    PL_TCP_ACK | PL_TCP_PSH,
                                    PL_TCP_ACK | PL_TCP_FIN,
                                    PL_TCP_SYN,
                                    PL_TCP_SYN | PL_TCP_ACK,
                                    PL_TCP_RST,
                                    PL_TCP_RST | PL_TCP_ACK,
                                    0};
    if (pl_rng_chance(&chaos, 20000)) {
        return (uint8_t)pl_rng_next(&chaos);
    }
    return usual[pl_rng_chance(&chaos, 900000) ? 0 : pl_rng_below(&chaos, 8)];
}

static void any_sack(const struct pl_tcp *tcp, struct pl_tcp_options *o) {
    uint32_t span = (uint32_t)pl_seq32_diff(tcp->snd.nxt, tcp->snd.una) + 1;
    o->sack_count = (uint8_t)pl_rng_below(&chaos, 4);
    for (unsigned i = 0; i < o->sack_count; i++) {
        bool good = pl_rng_chance(&chaos, 800000);
        uint32_t into = (uint32_t)pl_rng_below(&chaos, span);
        o->sack[i].start.v = good ? tcp->snd.una.v + into : around(tcp->snd.una.v);
        o->sack[i].end.v = o->sack[i].start.v + (uint32_t)pl_rng_below(&chaos, 9000);
    }
}

static void attack(struct tcp_pair *p) {
    struct pl_tcp *tcp = tcp_of(p, PAIR_A);
    struct pl_segment seg = next_segment(p, PAIR_A, any_flags());
    seg.seq.v = pl_rng_chance(&chaos, 500000) ? tcp->rcv.nxt.v : around(tcp->rcv.nxt.v);
    seg.ack.v = around(pl_rng_chance(&chaos, 500000) ? tcp->snd.una.v : tcp->snd.nxt.v);
    seg.window_raw = pl_rng_chance(&chaos, 200000) ? 0 : (uint16_t)pl_rng_below(&chaos, 3000);
    seg.payload_len = pl_rng_chance(&chaos, 600000) ? 0 : (uint32_t)pl_rng_below(&chaos, 1500);
    seg.gso_size = seg.payload_len > 700 && pl_rng_chance(&chaos, 200000) ? 536 : 0;
    seg.options.ts_val += (uint32_t)pl_rng_below(&chaos, 3);
    seg.options.ts_ecr -= (uint32_t)pl_rng_below(&chaos, 300);
    any_sack(tcp, &seg.options);
    int32_t ahead = pl_seq32_diff(seg.seq, tcp->rcv.nxt);
    uint64_t at = p->end[PAIR_A].received + (uint64_t)(int64_t)ahead;
    tcp_pair_inject(p, PAIR_A, &seg, at);
    pl_tcp_check(tcp);
}

static void test_a_hostile_peer(void **state) {
    (void)state;
    static struct tap tap;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct tcp_pair_setup s = test_setup();
        pl_rng_init(&chaos, seed);
        s.seed = seed;
        s.tso[PAIR_A] = seed % 2;
        s.iss[PAIR_A] = (uint32_t)pl_rng_next(&chaos);
        struct tcp_pair *p = tcp_pair_new(&s);
        memset(&tap, 0, sizeof(tap));
        p->filter = tap_filter;
        p->filter_arg = &tap;
        tap.no_sack = seed % 7 == 0;
        tap.no_timestamps = seed % 11 == 0;
        p->end[PAIR_A].chunk_bytes = 1 + (uint32_t)pl_rng_below(&chaos, 5000);
        tcp_pair_connect(p, PAIR_A);
        tcp_pair_run_for(p, pl_rng_below(&chaos, 60) * MS);
        tcp_pair_send(p, PAIR_A, pl_rng_below(&chaos, 300000));
        for (unsigned i = 0; i < 150; i++) {
            attack(p);
            if (pl_rng_chance(&chaos, 500000)) {
                tcp_pair_run_for(p, pl_rng_below(&chaos, 5) * MS);
            }
            if (pl_rng_chance(&chaos, 5000)) {
                tcp_pair_close(p, PAIR_A);
            }
        }
        tcp_pair_run_for(p, 2000 * S);
        tcp_pair_free(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_disorder),
        cmocka_unit_test(test_coalesced_input),
        cmocka_unit_test(test_sequence_numbers_wrap),
        cmocka_unit_test(test_ipv6_and_large_packets),
        cmocka_unit_test(test_reno),
        cmocka_unit_test(test_little_memory),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_short_outages),
        cmocka_unit_test(test_runs_repeat),
        cmocka_unit_test(test_a_hostile_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tcp/sack: the scoreboard against a bitmap, splitting, lies, reneging. */
#include "tcp_test.h"

enum { MSS = 1448, PACKETS = 120 };
static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *a;
static uint32_t una; /* stream offset B has acknowledged */

/* PACKETS full packets are in flight from A, and nothing comes from B but what is injected. */
static void fly(bool tso) {
    struct tcp_pair_setup setup = test_setup();
    setup.tso[PAIR_A] = tso;
    p = tcp_pair_new(&setup);
    memset(&tap, 0, sizeof(tap));
    p->filter = tap_filter;
    p->filter_arg = &tap;
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    a = tcp_of(p, PAIR_A);
    a->cc.cwnd = 1 << 20;
    a->snd.wnd = 1 << 20;
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, PACKETS * MSS);
    for (int i = 0; i < 100 && p->end[PAIR_A].sent < PACKETS * MSS; i++) {
        tcp_pair_run_for(p, MS / 10);
    }
    assert_int_equal(pl_tcp_flight(a), PACKETS * MSS);
    una = 0;
}

static void sack(uint32_t ack, const uint32_t (*block)[2], unsigned count) {
    struct pl_segment seg = next_segment(p, PAIR_A, PL_TCP_ACK);
    una = ack;
    seg.ack = pl_seq32_of(1001 + ack);
    seg.window_raw = 60000;
    seg.options.sack_count = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        seg.options.sack[i].start = pl_seq32_of(1001 + block[i][0]);
        seg.options.sack[i].end = pl_seq32_of(1001 + block[i][1]);
    }
    tcp_pair_inject(p, PAIR_A, &seg, 0);
    pl_tcp_check(a);
}

static void expect_board(const bool *sacked) {
    PL_LIST_FOREACH(it, &a->flight->records) {
        const struct pl_tcp_record *rec = PL_CONTAINER(it, struct pl_tcp_record, link);
        uint32_t at = rec->seq.v - 1001;
        for (uint32_t x = at; x < at + rec->len; x += MSS) {
            assert_int_equal(rec->sacked, sacked[x / MSS]);
        }
    }
}

/* Random arrivals at an imagined receiver, reported as RFC 2018 says. */
static void run_model(bool tso, uint64_t seed) {
    bool got[PACKETS + 1] = {false};
    uint32_t recent[3] = {0};
    struct pl_rng rng;
    fly(tso);
    pl_rng_init(&rng, seed);
    for (int step = 0; step < 400 && a->life.state != PL_TCP_ST_CLOSED; step++) {
        uint32_t i = (uint32_t)pl_rng_below(&rng, PACKETS);
        if (i == una / MSS && pl_rng_chance(&rng, 900000)) {
            continue;
        }
        got[i] = true;
        recent[2] = recent[1];
        recent[1] = recent[0];
        recent[0] = i;
        uint32_t ack = 0;
        while (got[ack]) {
            ack++;
        }
        uint32_t blocks[3][2];
        unsigned n = 0;
        for (unsigned k = 0; k < 3; k++) {
            uint32_t s = recent[k], e = recent[k];
            if (s < ack || !got[s]) {
                continue;
            }
            while (s > 0 && got[s - 1]) {
                s--;
            }
            while (got[e]) {
                e++;
            }
            blocks[n][0] = s * MSS;
            blocks[n++][1] = e * MSS;
        }
        sack(ack * MSS, (const uint32_t(*)[2])blocks, n);
        expect_board(got);
    }
    tcp_pair_free(p);
}

static void test_against_a_model(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        run_model(seed % 2 == 0, seed);
    }
}

static void test_blocks_are_rounded_to_packets(void **state) {
    (void)state;
    fly(true);
    const uint32_t odd[][2] = {{10 * MSS + 1, 13 * MSS - 1}};
    sack(0, odd, 1);
    assert_int_equal(a->flight->sacked_bytes, MSS); /* only packet 11 is whole */
    const uint32_t grown[][2] = {{10 * MSS + 1, 14 * MSS}};
    sack(0, grown, 1);
    assert_int_equal(a->flight->sacked_bytes, 3 * MSS);
    const uint32_t crumbs[][2] = {{20 * MSS + 1, 20 * MSS + 2}, {21 * MSS + 1, 21 * MSS + 5}};
    sack(0, crumbs, 2);
    assert_int_equal(a->flight->sacked_bytes, 3 * MSS);
    tcp_pair_free(p);
}

static void test_lies_are_ignored(void **state) {
    (void)state;
    fly(false);
    const uint32_t lies[][2] = {
        {5 * MSS, 4 * MSS}, {(PACKETS - 1) * MSS, (PACKETS + 1) * MSS}, {7 * MSS, 7 * MSS}};
    sack(0, lies, 3);
    assert_int_equal(a->flight->sacked_bytes, 0);
    const uint32_t below[][2] = {{3 * MSS, 4 * MSS}, {MSS, 6 * MSS}};
    sack(2 * MSS, below, 2); /* a D-SACK within a block that begins below the ACK */
    assert_int_equal(a->flight->sacked_bytes, 0);
    tcp_pair_free(p);
}

static void test_dsack_moves_nothing(void **state) {
    (void)state;
    fly(false);
    const uint32_t dup[][2] = {{0, MSS}};
    sack(2 * MSS, dup, 1);
    assert_int_equal(a->flight->sacked_bytes, 0);
    assert_int_equal(a->rack.reo_mult, 2);
    tcp_pair_free(p);
}

/* The receiver takes back what it reported: everything is sent again after a timeout. */
static void test_reneging(void **state) {
    (void)state;
    fly(false);
    const uint32_t most[][2] = {{MSS, PACKETS * MSS}};
    sack(0, most, 1);
    assert_int_equal(pl_tcp_flight(a) + a->flight->lost_bytes, MSS);
    sack(MSS, NULL, 0);
    assert_true(pl_tcp_record_first(a)->sacked);
    tap.drop_all[PAIR_A] = false;
    tcp_of(p, PAIR_B)->rcv.nxt.v += MSS; /* B knows only the first packet */
    p->end[PAIR_B].received += MSS;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_true(p->end[PAIR_A].rtos >= 1);
    tcp_pair_free(p);
}

/* A sign of life is asked for more often than receivers answer empty segments: it carries a byte,
 * and the D-SACK for it says nothing about reordering. */
static void test_probes_are_answered_every_time(void **state) {
    (void)state;
    p = test_pair(&tap);
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    tap_clear(&tap);
    for (unsigned i = 0; i < 20; i++) {
        pl_tcp_probe(tcp_of(p, PAIR_A));
        tcp_pair_run_for(p, 30 * MS);
        assert_int_equal(tap_nth(&tap, PAIR_A, i)->len, 1);
        assert_int_equal(tap_nth(&tap, PAIR_A, i)->seq, 0);
        assert_int_equal(tap_nth(&tap, PAIR_B, i)->sack_count, 1);
    }
    assert_false(tcp_of(p, PAIR_A)->rack.dsack_round_on);
    assert_int_equal(p->end[PAIR_B].received, 0);
    tcp_pair_free(p);
}

/* No memory to split a record: the block is not believed, and nothing breaks. */
static void test_no_memory_to_split(void **state) {
    (void)state;
    fly(true);
    p->end[PAIR_A].env.fail_at = p->end[PAIR_A].env.alloc_count + 1;
    const uint32_t block[][2] = {{10 * MSS, 12 * MSS}};
    sack(0, block, 1);
    assert_int_equal(a->flight->sacked_bytes, 0);
    sack(0, NULL, 0);
    sack(0, block, 1);
    assert_int_equal(a->flight->sacked_bytes, 2 * MSS);
    tcp_pair_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_blocks_are_rounded_to_packets),
        cmocka_unit_test(test_lies_are_ignored),
        cmocka_unit_test(test_dsack_moves_nothing),
        cmocka_unit_test(test_reneging),
        cmocka_unit_test(test_probes_are_answered_every_time),
        cmocka_unit_test(test_no_memory_to_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

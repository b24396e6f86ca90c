/* tcp/receive: order out of disorder, SACK blocks, delayed ACKs. */
#include "tcp_test.h"

static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *b;
static pl_seq32 base; /* sequence number of stream offset 0 */

static int setup(void **state) {
    (void)state;
    p = test_pair(&tap);
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    tap_clear(&tap);
    b = tcp_of(p, PAIR_B);
    b->rcv.quick = 0;
    tap.drop_all[PAIR_B] = true; /* A knows nothing of what is injected here */
    base = b->rcv.nxt;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

/* Stream bytes [at, at + len) arrive; `pattern` says which bytes they carry. */
static void arrive_as(uint32_t at, uint32_t len, uint64_t pattern) {
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK);
    seg.seq = pl_seq32_add(base, at);
    seg.payload_len = len;
    tcp_pair_inject(p, PAIR_B, &seg, pattern);
    pl_tcp_check(b);
}

static void arrive(uint32_t at, uint32_t len) {
    arrive_as(at, len, at);
}

static const struct tap_note *answer(void) {
    tap_clear(&tap);
    tcp_pair_run_for(p, MS / 10);
    assert_int_equal(tap.count, 1);
    return &tap.note[0];
}

static void expect_block(const struct tap_note *n, unsigned i, uint32_t start, uint32_t end) {
    assert_true(i < n->sack_count);
    assert_int_equal(n->sack[i].start.v, start + 1);
    assert_int_equal(n->sack[i].end.v, end + 1);
}

static void test_holes(void **state) {
    (void)state;
    arrive(1000, 500);
    const struct tap_note *n = answer();
    assert_int_equal(n->ack, 1);
    assert_int_equal(n->sack_count, 1);
    expect_block(n, 0, 1000, 1500);
    arrive(3000, 500);
    n = answer();
    assert_int_equal(n->sack_count, 2);
    expect_block(n, 0, 3000, 3500); /* the most recent first */
    expect_block(n, 1, 1000, 1500);
    arrive(1500, 100);
    n = answer();
    expect_block(n, 0, 1000, 1600);
    expect_block(n, 1, 3000, 3500);
    arrive(0, 1000);
    n = answer();
    assert_int_equal(n->ack, 1601);
    assert_int_equal(n->sack_count, 1);
    expect_block(n, 0, 3000, 3500);
    arrive(1600, 1400);
    n = answer();
    assert_int_equal(n->ack, 3501);
    assert_int_equal(n->sack_count, 0);
    assert_int_equal(p->end[PAIR_B].received, 3500);
}

static void test_duplicates_are_reported(void **state) {
    (void)state;
    arrive(0, 1000);
    tcp_pair_run_for(p, S);
    arrive(200, 300);
    const struct tap_note *n = answer();
    assert_int_equal(n->ack, 1001);
    assert_int_equal(n->sack_count, 1);
    expect_block(n, 0, 200, 500);
    arrive(2000, 1000);
    (void)answer();
    arrive(2100, 100);
    n = answer();
    assert_int_equal(n->sack_count, 2);
    expect_block(n, 0, 2100, 2200);
    expect_block(n, 1, 2000, 3000);
    arrive(900, 200); /* half old, half new */
    n = answer();
    assert_int_equal(n->ack, 1101);
    expect_block(n, 0, 900, 1000);
    assert_int_equal(COUNT(p, PAIR_B, DuplicateBytesIn), 300 + 100 + 100);
}

static void test_the_first_copy_wins(void **state) {
    (void)state;
    arrive(1000, 500);
    arrive_as(1200, 100, 777); /* inside: wrong bytes are not looked at */
    arrive_as(0, 1, 0);
    arrive_as(900, 100, 900);
    arrive_as(1, 899, 1);
    assert_int_equal(p->end[PAIR_B].received, 1500);
    arrive_as(1100, 400, 5); /* all of it old */
    assert_int_equal(p->end[PAIR_B].received, 1500);
}

/* Random pieces against a bitmap; the pair checks every byte. */
static void test_against_a_model(void **state) {
    (void)state;
    enum { SPAN = 4000 };
    static bool have[SPAN + 2000];
    struct pl_rng rng;
    pl_rng_init(&rng, 42);
    memset(have, 0, sizeof(have));
    for (int i = 0; i < 4000; i++) {
        uint32_t at = (uint32_t)pl_rng_below(&rng, SPAN);
        uint32_t len = 1 + (uint32_t)pl_rng_below(&rng, pl_rng_chance(&rng, 900000) ? 40 : 900);
        if (i < 3000 && at < 100) {
            continue; /* keep the hole at the left for a while */
        }
        arrive(at, len);
        memset(have + at, true, len);
        uint32_t expect = 0;
        while (have[expect]) {
            expect++;
        }
        assert_int_equal(p->end[PAIR_B].received, expect);
        struct pl_sack_block block[PL_TCP_SACK_MAX];
        b->rcv.dsack_due = false;
        unsigned n = pl_tcp_receive_blocks(b, block, PL_TCP_SACK_MAX);
        for (unsigned k = 0; k < n; k++) {
            uint32_t s = block[k].start.v - base.v, e = block[k].end.v - base.v;
            assert_true(!have[s - 1] && !have[e]);
            for (uint32_t x = s; x < e; x++) {
                assert_true(have[x]);
            }
        }
        if (expect > 0 && expect >= SPAN - 100) {
            break;
        }
    }
    assert_true(p->end[PAIR_B].received >= SPAN - 100);
}

static void test_delayed_ack(void **state) {
    (void)state;
    b->rcv.mss = 1448;
    arrive(0, 1448);
    tcp_pair_run_for(p, 39 * MS);
    assert_int_equal(tap.count, 0);
    tcp_pair_run_for(p, 2 * MS);
    assert_int_equal(tap.count, 1);
    tap_clear(&tap);
    arrive(1448, 1448);
    arrive(2896, 1448);
    tcp_pair_run_for(p, MS / 10);
    assert_int_equal(tap.count, 1); /* every second segment */
    tap_clear(&tap);
    arrive(4344, 1448);
    tcp_pair_send(p, PAIR_B, 100); /* payload carries the ACK */
    tcp_pair_run_for(p, 60 * MS);
    assert_int_equal(tap_count(&tap, PAIR_B, PL_TCP_ACK, true), 1);
    assert_int_equal(tap_count(&tap, PAIR_B, PL_TCP_ACK, false), 0);
}

static void test_quick_acks_at_the_start(void **state) {
    (void)state;
    b->rcv.quick = 16;
    for (uint32_t i = 0; i < 20; i++) {
        arrive(i * 100, 100);
        tcp_pair_run_for(p, MS / 10);
    }
    assert_int_equal(tap.count, 16);
}

/* 20 small segments, 0.1 ms apart: how many ACKs they cause at once. */
static unsigned quick_acks(uint32_t *at) {
    tap_clear(&tap);
    for (unsigned i = 0; i < 20; i++) {
        arrive(*at, 10);
        *at += 10;
        tcp_pair_run_for(p, MS / 10);
    }
    return tap_count(&tap, PAIR_B, PL_TCP_ACK, false);
}

/* RFC 5681 section 4.1: behind a pause of more than an RTO, the sender is in slow start again. */
static void test_quick_acks_after_idle(void **state) {
    uint32_t at = 0;
    (void)state;
    b->rcv.quick = 16;
    assert_int_equal(quick_acks(&at), 16);
    tcp_pair_run_for(p, 100 * MS);
    assert_int_equal(quick_acks(&at), 0); /* the RTO is more */
    tcp_pair_run_for(p, S);
    assert_int_equal(quick_acks(&at), 16);
}

/* Where requests are answered at once, the ACK rides on the answer, however long the pause. */
static void test_no_quick_acks_for_requests(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        tap_clear(&tap);
        arrive(i * 100, 100);
        tcp_pair_run_for(p, 5 * MS);
        tcp_pair_send(p, PAIR_B, 200);
        tcp_pair_run_for(p, MS);
        assert_int_equal(tap_count(&tap, PAIR_B, PL_TCP_ACK, true), 1);
        assert_int_equal(tap_count(&tap, PAIR_B, PL_TCP_ACK, false), 0);
        struct pl_segment ack = next_segment(p, PAIR_B, PL_TCP_ACK);
        tcp_pair_inject(p, PAIR_B, &ack, 0);
        tcp_pair_run_for(p, S);
    }
}

static void test_coalesced_input_is_acknowledged_at_once(void **state) {
    (void)state;
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK);
    seg.payload_len = 2000;
    seg.gso_size = 1448;
    tcp_pair_inject(p, PAIR_B, &seg, 0);
    tcp_pair_run_for(p, MS / 10);
    assert_int_equal(tap.count, 1);
    assert_int_equal(b->rcv.mss, 1448);
}

static void test_memory(void **state) {
    (void)state;
    p->end[PAIR_B].ctx.memory.max_bytes = 5000;
    p->end[PAIR_B].hold = true;
    for (uint32_t i = 0; i < 10; i++) {
        arrive(i * 1000, 1000);
    }
    assert_true(p->end[PAIR_B].received >= 2000 && p->end[PAIR_B].received < 5000);
    assert_true(COUNT(p, PAIR_B, DropMemory) > 0);
    uint64_t got = p->end[PAIR_B].received;
    tcp_pair_read(p, PAIR_B, 100000);
    arrive((uint32_t)got, 1000); /* the peer sends it again */
    assert_int_equal(p->end[PAIR_B].received, got + 1000);
}

/* What waits behind a hole must not keep the hole from being filled. */
static void test_reneging(void **state) {
    (void)state;
    p->end[PAIR_B].ctx.memory.max_bytes = 5000;
    for (uint32_t i = 1; i < 10; i++) {
        arrive(i * 1000, 900);
    }
    assert_true(b->rcv.island_count >= 3);
    uint32_t islands = b->rcv.island_count;
    p->end[PAIR_B].ctx.memory.max_bytes = p->end[PAIR_B].ctx.memory.used_bytes;
    arrive(0, 1000);
    assert_int_equal(p->end[PAIR_B].received, 1900);
    assert_true(b->rcv.island_count < islands);
}

static void test_islands_are_limited(void **state) {
    (void)state;
    for (uint32_t i = 1; i < 3000; i++) {
        arrive(i * 2, 1);
    }
    assert_int_equal(b->rcv.island_count, 1024);
    arrive(0, 2000);
    assert_int_equal(p->end[PAIR_B].received, 2001);
}

static void test_window_trims_the_right(void **state) {
    (void)state;
    p->end[PAIR_B].receive_buffer = 0;
    uint32_t open = pl_tcp_window_accept(b);
    b->rcv.edge = pl_seq32_add(b->rcv.nxt, 700);
    assert_true(open > 700);
    arrive(0, 1000);
    assert_int_equal(p->end[PAIR_B].received, 700);
}

static void test_nothing_behind_the_fin(void **state) {
    (void)state;
    struct pl_segment fin = next_segment(p, PAIR_B, PL_TCP_ACK | PL_TCP_FIN);
    fin.seq = pl_seq32_add(base, 500);
    tcp_pair_inject(p, PAIR_B, &fin, 500);
    arrive(400, 300); /* beyond the FIN */
    assert_int_equal(p->end[PAIR_B].fins_in, 0);
    arrive(0, 400);
    assert_int_equal(p->end[PAIR_B].received, 500);
    assert_int_equal(p->end[PAIR_B].fins_in, 1);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_holes),
        T(test_duplicates_are_reported),
        T(test_the_first_copy_wins),
        T(test_against_a_model),
        T(test_delayed_ack),
        T(test_quick_acks_at_the_start),
        T(test_quick_acks_after_idle),
        T(test_no_quick_acks_for_requests),
        T(test_coalesced_input_is_acknowledged_at_once),
        T(test_memory),
        T(test_reneging),
        T(test_islands_are_limited),
        T(test_window_trims_the_right),
        T(test_nothing_behind_the_fin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

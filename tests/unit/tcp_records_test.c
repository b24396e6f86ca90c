/* tcp/records: splitting, trimming, marking, walking. */
#include "tcp_test.h"

static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *a;

/* Ten records of 1000 bytes each, sent at 1, 2, … ms. */
static int setup(void **state) {
    (void)state;
    static struct pl_tcp_tuning tuning;
    tuning = pl_tcp_tuning_default;
    tuning.nodelay = true;
    p = test_pair(&tap);
    p->end[PAIR_A].tcp.tuning = &tuning;
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    tap.drop_all[PAIR_A] = true;
    a = tcp_of(p, PAIR_A);
    p->end[PAIR_A].chunk_bytes = 300;
    for (int i = 0; i < 10; i++) {
        tcp_pair_send(p, PAIR_A, 1000);
        tcp_pair_run_for(p, MS);
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

static struct pl_tcp_record *nth(unsigned n) {
    struct pl_tcp_record *rec = pl_tcp_record_first(a);
    while (n-- > 0) {
        rec = pl_tcp_record_next(a, rec);
    }
    return rec;
}

static uint64_t walk_at;
static uint32_t walk_count, waiting;
static void visit(void *arg, uint64_t tag, struct pl_chunk *chunk, uint32_t offset, uint32_t len,
                  plait_time sent_at, const struct pl_tcp_origin *origin) {
    (void)arg;
    waiting += sent_at == PLAIT_TIME_NEVER ? 1 : 0;
    assert_int_equal(tag, walk_at);
    assert_true(origin->tag <= tag && tag + len <= origin->tag + origin->len);
    for (uint32_t i = 0; i < len; i++) {
        pl_chunk_seek(&chunk, &offset, 0);
        if (offset == chunk->len) {
            chunk = chunk->next;
            offset = 0;
        }
        assert_int_equal(chunk->data[offset], tcp_pair_byte(tag + i));
        offset++;
    }
    walk_at += len;
    walk_count++;
}

static void test_walk(void **state) {
    (void)state;
    walk_at = 0;
    walk_count = 0;
    pl_tcp_inflight_walk(a, visit, NULL);
    assert_int_equal(walk_at, 10000);
    assert_int_equal(walk_count, 10);
    assert_int_equal(waiting, 0);
    pl_tcp_record_mark_lost(a, nth(5)); /* is not on its way */
    walk_at = 0;
    pl_tcp_inflight_walk(a, visit, NULL);
    assert_int_equal(waiting, 1);
    pl_tcp_record_mark_flying(a, nth(5));
}

static void test_walk_after_surgery(void **state) {
    (void)state;
    (void)pl_tcp_record_split(a, nth(3), 1);
    (void)pl_tcp_record_split(a, nth(4), 998);
    (void)pl_tcp_record_split(a, nth(0), 600);
    pl_tcp_record_trim(a, nth(0), 333);
    a->snd.una.v += 333;
    pl_tcp_check(a);
    walk_at = 333;
    walk_count = 0;
    pl_tcp_inflight_walk(a, visit, NULL);
    assert_int_equal(walk_at, 10000);
    assert_int_equal(walk_count, 13);
}

static void test_marks_and_sums(void **state) {
    (void)state;
    assert_int_equal(pl_tcp_flight(a), 10000);
    pl_tcp_record_mark_lost(a, nth(5));
    pl_tcp_record_mark_lost(a, nth(2));
    pl_tcp_record_mark_lost(a, nth(8));
    assert_ptr_equal(pl_tcp_record_first_lost(a), nth(2)); /* by sequence */
    assert_int_equal(pl_tcp_flight(a), 7000);
    pl_tcp_record_mark_sacked(a, nth(5));
    pl_tcp_record_mark_sacked(a, nth(9));
    assert_int_equal(a->flight->lost_bytes, 2000);
    assert_int_equal(a->flight->sacked_bytes, 2000);
    assert_int_equal(pl_tcp_flight(a), 6000);
    struct pl_tcp_record *half = pl_tcp_record_split(a, nth(8), 400);
    assert_true(half->lost && !half->unsent);
    pl_tcp_check(a);
    pl_tcp_record_mark_sent(a, half, p->now);
    assert_true(half->retransmitted);
    assert_int_equal(pl_tcp_flight(a), 6600);
    pl_tcp_record_mark_flying(a, nth(2));
    pl_tcp_record_mark_flying(a, nth(5));
    pl_tcp_check(a); /* the order of transmission holds */
    assert_int_equal(pl_tcp_flight(a), 8600);
}

static void test_sent_end(void **state) {
    (void)state;
    assert_int_equal(pl_tcp_sent_end(a).v, a->snd.nxt.v);
    struct pl_tcp_record *rec = pl_tcp_record_last(a);
    pl_tcp_record_mark_lost(a, rec);
    rec->unsent = true;
    assert_int_equal(pl_tcp_sent_end(a).v, a->snd.nxt.v - 1000);
    rec->unsent = false;
}

static void test_no_memory_to_split(void **state) {
    (void)state;
    p->end[PAIR_A].env.fail_at = p->end[PAIR_A].env.alloc_count + 1;
    assert_null(pl_tcp_record_split(a, nth(0), 10));
    assert_int_equal(nth(0)->len, 1000);
    pl_tcp_check(a);
}

static void test_clear(void **state) {
    (void)state;
    pl_tcp_record_mark_lost(a, nth(5));
    pl_tcp_record_mark_sacked(a, nth(1));
    pl_tcp_records_clear(a);
    assert_null(pl_tcp_record_first(a));
    assert_null(pl_tcp_record_last(a));
    assert_null(pl_tcp_record_first_lost(a));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_walk),     T(test_walk_after_surgery), T(test_marks_and_sums),
        T(test_sent_end), T(test_no_memory_to_split), T(test_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

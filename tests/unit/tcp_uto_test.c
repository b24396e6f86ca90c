/* tcp/uto: what is said, and how long the two ends wait (RFC 5482). */
#include "plait/plait.h"
#include "tcp/engine.h"
#include "tcp_test.h"

static struct pl_tcp_tuning tuning[2];
static struct tcp_pair *p;
static struct pl_tcp *a;

static void opened(uint32_t ours_s, uint32_t theirs_s) {
    struct tcp_pair_setup setup = test_setup();
    for (int i = 0; i < 2; i++) {
        tuning[i] = pl_tcp_tuning_default;
        tuning[i].uto_s = i == PAIR_A ? ours_s : theirs_s;
        setup.tuning[i] = &tuning[i];
    }
    p = tcp_pair_new(&setup);
    a = tcp_of(p, PAIR_A);
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
}

/* Section 3.3. */
static void test_seconds_and_minutes(void **state) {
    (void)state;
    static const struct {
        uint32_t seconds, heard;
        uint8_t bytes[4];
    } rows[] = {
        {1, 1, {28, 4, 0, 1}},
        {32767, 32767, {28, 4, 0x7f, 0xff}},
        {32768, 32820, {28, 4, 0x82, 0x23}}, /* 547 minutes, rounded up */
        {PL_TCP_UTO_MAX_S, PL_TCP_UTO_MAX_S, {28, 4, 0xff, 0xff}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t out[4];
        opened(100, rows[i].seconds);
        assert_int_equal(pl_tcp_uto_put(tcp_of(p, PAIR_B), out, 4, true), 4);
        assert_memory_equal(out, rows[i].bytes, 4);
        assert_int_equal(pl_tcp_uto_peer_s(a), rows[i].heard);
        assert_int_equal(pl_tcp_uto_put(a, out, 3, true), 0);
        tcp_pair_free(p);
    }
}

/* Section 3.1: min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)). */
static void test_what_is_adopted(void **state) {
    (void)state;
    static const struct {
        uint32_t ours, theirs, adopted;
    } rows[] = {{200, 0, 200},     {200, 300, 300},    {300, 200, 300},   {1, 2, 100},
                {200, 3600, 3600}, {200, 20000, 3600}, {7200, 200, 7200}, {7200, 20000, 7200},
                {0, 300, 0},       {0, 0, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        opened(rows[i].ours, rows[i].theirs);
        assert_int_equal(pl_tcp_user_timeout_ms(a), rows[i].adopted * 1000);
        tuning[PAIR_A].user_timeout_ms = 7;
        assert_int_equal(pl_tcp_user_timeout_ms(a), 7);
        tcp_pair_free(p);
    }
}

/* "The lower limit MUST be larger than the current retransmission timeout." */
static void test_longer_than_the_rto(void **state) {
    (void)state;
    opened(1, 1);
    a->rtt.backoff = 16;
    assert_true(pl_tcp_rto_ns(a) > 100 * S);
    assert_true(pl_tcp_user_timeout_ms(a) * MS > pl_tcp_rto_ns(a));
    tcp_pair_free(p);
}

/* A closed window and a peer that has gone: probes go on for as long as was agreed. */
static void test_patience_with_a_closed_window(void **state) {
    (void)state;
    opened(7200, 7200);
    p->end[PAIR_B].hold = true;
    tcp_pair_send(p, PAIR_A, 8 << 20);
    tcp_pair_run_for(p, 5 * S);
    assert_true(a->snd.blocked);
    p->pipe[PAIR_A].cut = true;
    plait_time start = p->now;
    while (p->end[PAIR_A].closed == 0 && p->now - start < 9000 * S) {
        tcp_pair_run_for(p, 10 * S);
    }
    assert_int_equal(p->end[PAIR_A].closed_error, PLAIT_E_TIMED_OUT);
    assert_true(p->now - start > 7100 * S && p->now - start < 7300 * S);
    tcp_pair_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seconds_and_minutes),
        cmocka_unit_test(test_what_is_adopted),
        cmocka_unit_test(test_longer_than_the_rto),
        cmocka_unit_test(test_patience_with_a_closed_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tcp/fastopen: payload in the SYN, to a peer that does not want it. (One that does, and the
 * option, are in tests/scripts/tfo.) */
#include "tcp_test.h"

static struct tap tap;

static struct tcp_pair *open_fast(uint64_t bytes, uint16_t mss) {
    struct tcp_pair *p = test_pair(&tap);
    p->end[PAIR_A].send_total = bytes;
    pl_tcp_connect_fast(tcp_of(p, PAIR_A), mss, p->now);
    return p;
}

static void test_unwanted_payload_goes_again_at_once(void **state) {
    (void)state;
    struct tcp_pair *p = open_fast(1000, 1460);
    plait_time begin = p->now;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, S));
    assert_int_equal(p->now - begin, 40 * MS); /* two round trips, and no timer */
    const struct tap_note *again = tap_nth(&tap, PAIR_A, 1);
    assert_int_equal(tap_nth(&tap, PAIR_A, 0)->len, 1000);
    assert_int_equal(again->flags, PL_TCP_ACK | PL_TCP_PSH);
    assert_int_equal(again->len, 1000);
    assert_int_equal(again->at - begin, 20 * MS);
    assert_int_equal(tcp_of(p, PAIR_A)->cc.cwnd, 10 * 1448); /* no loss */
    assert_int_equal(tcp_of(p, PAIR_A)->rtt.srtt_ns, 20 * MS);
    assert_int_equal(COUNT(p, PAIR_A, RetransSegs), 1);
    tcp_pair_free(p);
}

static void test_a_lost_syn_goes_again_alone(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tap.drop_data[PAIR_A] = 1;
    p->end[PAIR_A].send_total = 5000;
    pl_tcp_connect_fast(tcp_of(p, PAIR_A), 1460, p->now);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 3 * S));
    assert_true(tap_nth(&tap, PAIR_A, 0)->len > 1400);
    assert_int_equal(tap_nth(&tap, PAIR_A, 1)->flags, PL_TCP_SYN);
    assert_int_equal(tap_nth(&tap, PAIR_A, 1)->len, 0);
    assert_int_equal(tap_nth(&tap, PAIR_A, 2)->seq, 1);
    tcp_pair_free(p);
}

static uint32_t in_syn(uint16_t mss, bool ipv6) {
    struct tcp_pair_setup setup = test_setup();
    setup.ipv6 = ipv6;
    setup.mtu = 9000;
    struct tcp_pair *p = tcp_pair_new(&setup);
    memset(&tap, 0, sizeof(tap));
    p->filter = tap_filter;
    p->filter_arg = &tap;
    p->end[PAIR_A].send_total = 20000;
    pl_tcp_connect_fast(tcp_of(p, PAIR_A), mss, p->now);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, S));
    uint32_t len = tap_nth(&tap, PAIR_A, 0)->len;
    tcp_pair_free(p);
    return len;
}

/* The options of the SYN take 20 bytes. */
static void test_how_much_fits(void **state) {
    (void)state;
    assert_int_equal(in_syn(0, false), 536 - 20);
    assert_int_equal(in_syn(0, true), 1220 - 20);
    assert_int_equal(in_syn(1000, false), 1000 - 20);
    assert_int_equal(in_syn(8960, false), 1460 - 20); /* section 4.1.3 */
    assert_int_equal(in_syn(8940, true), 1440 - 20);
    assert_int_equal(in_syn(1, false), 0);
}

/* A packet has room for so many pieces only. */
static void test_small_chunks(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    p->end[PAIR_A].chunk_bytes = 10;
    p->end[PAIR_A].send_total = 1000;
    pl_tcp_connect_fast(tcp_of(p, PAIR_A), 1460, p->now);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, S));
    assert_int_equal(tap_nth(&tap, PAIR_A, 0)->len, 10 * PLAIT_TX_SLICES_MAX);
    tcp_pair_free(p);
}

static void test_without_memory(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 4; n++) {
        struct tcp_pair *p = test_pair(&tap);
        struct test_env *env = &p->end[PAIR_A].env;
        p->end[PAIR_A].chunk_bytes = 10;
        p->end[PAIR_A].send_total = 1000;
        pl_tcp_connect_fast(tcp_of(p, PAIR_A), 1460, p->now);
        env->fail_at = env->alloc_count + n;
        assert_true(tcp_pair_run(p, tcp_pair_all_received, 3 * S));
        env->fail_at = 0;
        tcp_pair_free(p);
    }
}

static void test_nothing_to_say(void **state) {
    (void)state;
    struct tcp_pair *p = open_fast(0, 1460);
    tcp_pair_run_for(p, S);
    assert_int_equal(tap.count, 3);
    assert_int_equal(p->end[PAIR_B].established, 1);
    assert_int_equal(pl_tcp_mss(tcp_of(p, PAIR_A)), 1448);
    tcp_pair_free(p);
}

static void test_an_end_in_syn_sent_gives_all_back(void **state) {
    (void)state;
    struct tcp_pair *p = open_fast(1000, 1460);
    tap.drop_all[PAIR_A] = true;
    tcp_pair_run_for(p, 500 * MS);
    pl_tcp_abort(tcp_of(p, PAIR_A), PLAIT_E_ABORTED, p->now);
    assert_true(pl_list_empty(&tcp_of(p, PAIR_A)->flight->records));
    tcp_pair_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unwanted_payload_goes_again_at_once),
        cmocka_unit_test(test_a_lost_syn_goes_again_alone),
        cmocka_unit_test(test_how_much_fits),
        cmocka_unit_test(test_small_chunks),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_nothing_to_say),
        cmocka_unit_test(test_an_end_in_syn_sent_gives_all_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tcp/info: states and windows in Linux's words. */
#include "tcp/info.h"

#include "tcp_test.h"

static void test_states(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(NULL);
    struct plait_tcp_info info;
    pl_tcp_info_linux(tcp_of(p, PAIR_A), &info, p->now);
    assert_int_equal(info.tcpi_state, 7); /* TCP_CLOSE */
    assert_int_equal(info.tcpi_snd_ssthresh, 0x7fffffff);
    assert_int_equal(info.tcpi_min_rtt, UINT32_MAX);
    tcp_pair_open(p);
    tcp_pair_run_for(p, S);
    tcp_pair_close(p, PAIR_A);
    tcp_pair_run_for(p, S);
    pl_tcp_info_linux(tcp_of(p, PAIR_A), &info, p->now);
    assert_int_equal(info.tcpi_state, 6); /* TCP_TIME_WAIT */
    pl_tcp_info_linux(tcp_of(p, PAIR_B), &info, p->now);
    assert_int_equal(info.tcpi_state, 7);
    assert_int_equal(info.tcpi_max_pacing_rate, UINT64_MAX);
    tcp_pair_free(p);
}

static void test_loss(void **state) {
    (void)state;
    static struct tap tap;
    struct tcp_pair *p = test_pair(&tap);
    struct plait_tcp_info info;
    tcp_pair_open(p);
    tcp_pair_run_for(p, S);
    tap.drop_all[PAIR_A] = true;
    tcp_pair_send(p, PAIR_A, 5000);
    tcp_pair_run_for(p, S);
    pl_tcp_info_linux(tcp_of(p, PAIR_A), &info, p->now);
    assert_int_equal(info.tcpi_ca_state, 4);
    assert_in_range(info.tcpi_unacked, 4, 5);
    assert_true(info.tcpi_retransmits > 0 && info.tcpi_backoff > 0);
    assert_true(info.tcpi_bytes_retrans > 0 && info.tcpi_total_retrans > 0);
    assert_int_equal(info.tcpi_retrans, 1); /* the head; the others wait to be sent again */
    assert_in_range(info.tcpi_lost, 3, 4);
    assert_int_equal(info.tcpi_delivered, 0);
    tap.drop_all[PAIR_A] = false;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    tcp_pair_run_for(p, S);
    pl_tcp_info_linux(tcp_of(p, PAIR_A), &info, p->now);
    assert_int_equal(info.tcpi_retrans + info.tcpi_lost + info.tcpi_retransmits, 0);
    assert_in_range(info.tcpi_delivered, 4, 5);
    assert_true(info.tcpi_snd_ssthresh < 0x7fffffff);
    tcp_pair_free(p);
}

static bool repairing(struct tcp_pair *p) {
    return pl_tcp_repairing(tcp_of(p, PAIR_A));
}

/* One of twenty is missing: what came behind it is SACKed, and it goes again. */
static void test_recovery(void **state) {
    (void)state;
    static struct tap tap;
    struct tcp_pair *p = test_pair(&tap);
    struct plait_tcp_info info;
    tcp_pair_open(p);
    tcp_pair_run_for(p, S);
    struct pl_tcp *a = tcp_of(p, PAIR_A);
    uint32_t mss = a->cc.mss;
    tap_clear(&tap);
    a->cc.cwnd = 20 * mss;
    tap.drop_data[PAIR_A] = 1 << 4;
    tcp_pair_send(p, PAIR_A, 20 * mss);
    assert_true(tcp_pair_run(p, repairing, S));
    tcp_pair_run_for(p, MS);
    pl_tcp_info_linux(a, &info, p->now);
    assert_int_equal(info.tcpi_ca_state, 3);
    assert_int_equal(info.tcpi_retrans, 1);
    assert_int_equal(info.tcpi_lost, 0);
    assert_true(info.tcpi_sacked >= 3);
    assert_int_equal(info.tcpi_snd_mss, mss);
    assert_in_range(info.tcpi_delivered, 4 + info.tcpi_sacked, 5 + info.tcpi_sacked);
    assert_int_equal(info.tcpi_bytes_retrans, mss);
    assert_int_equal(info.tcpi_reord_seen, 0);
    assert_true(info.tcpi_pacing_rate > 0);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    pl_tcp_info_linux(tcp_of(p, PAIR_B), &info, p->now);
    assert_int_equal(info.tcpi_bytes_received, 20 * mss);
    assert_in_range(info.tcpi_rcv_mss, mss, mss + 12);
    assert_in_range(info.tcpi_last_data_recv, 0, 100);
    tcp_pair_free(p);
}

/* ECN stands in tcpi_options when both ends speak it, and not before. */
static void test_ecn(void **state) {
    (void)state;
    for (uint8_t ecn = PLAIT_ECN_OFF; ecn <= PLAIT_ECN_ON; ecn++) {
        struct tcp_pair_setup setup = test_setup();
        struct plait_tcp_info info;
        setup.ecn[PAIR_A] = PLAIT_ECN_ON;
        setup.ecn[PAIR_B] = ecn;
        struct tcp_pair *p = tcp_pair_new(&setup);
        tcp_pair_connect(p, PAIR_A);
        pl_tcp_info_linux(tcp_of(p, PAIR_A), &info, p->now);
        assert_int_equal(info.tcpi_options & 8, 0);
        tcp_pair_run_for(p, S);
        pl_tcp_info_linux(tcp_of(p, PAIR_A), &info, p->now);
        assert_int_equal(info.tcpi_options, 7 + (ecn == PLAIT_ECN_ON ? 8 : 0));
        tcp_pair_free(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_ecn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

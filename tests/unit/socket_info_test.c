/* socket/info: addresses, subflows, connection. */
#include "socket_test.h"

#include <linux/tcp.h>

#include "plait/tcp_info.h"

static plait_sock listener, client, server;

static int setup_pair(void **state) {
    setup(state);
    listener = pair_listen(&pair, 80);
    client = pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
    return 0;
}

static void test_addresses(void **state) {
    (void)state;
    struct plait_endpoint out, expected = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 80);
    assert_int_equal(plait_remote(A, client, &out), 0);
    assert_memory_equal(&out.addr, &expected.addr, sizeof(out.addr));
    assert_int_equal(out.port, 80);
    assert_int_equal(plait_local(B, server, &out), 0);
    assert_memory_equal(&out.addr, &expected.addr, sizeof(out.addr));
    assert_int_equal(plait_local(B, listener, &out), 0);
    assert_int_equal(out.addr.family, PLAIT_FAMILY_NONE);
    assert_int_equal(out.port, 80);
    assert_int_equal(plait_remote(B, listener, &out), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_local(B, server, NULL), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_remote(B, server, NULL), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_local(B, 0, &out), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_remote(B, 0, &out), PLAIT_E_BAD_SOCKET);
}

static void test_subflows(void **state) {
    (void)state;
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 100000, 10 * SECOND));
    struct plait_subflow_info info[2];
    assert_int_equal(plait_subflows(A, client, NULL, 0), 1);
    assert_int_equal(plait_subflows(A, client, NULL, 1), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_subflows(A, client, info, 2), 1);
    assert_int_equal(info[0].size, sizeof(info[0]));
    assert_int_equal(info[0].port, pair.path[0].port[PAIR_A]);
    assert_true(info[0].established);
    assert_true(info[0].srtt_ns >= 10 * MS && info[0].srtt_ns < 60 * MS);
    assert_true(info[0].bytes_sent >= 100000);
    assert_int_equal(plait_subflows(B, listener, info, 2), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_subflows(B, 0, info, 2), PLAIT_E_BAD_SOCKET);
}

static void test_connection(void **state) {
    (void)state;
    struct plait_connection_info a = {0}, b = {0};
    assert_int_equal(plait_connection(A, client, &a), 0);
    assert_int_equal(plait_connection(B, server, &b), 0);
    assert_int_equal(a.size, sizeof(a));
    assert_true(a.mptcp && b.mptcp);
    assert_int_equal(a.token_local, b.token_remote);
    assert_int_equal(b.token_local, a.token_remote);
    assert_int_equal(plait_connection(A, client, NULL), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_connection(B, listener, &b), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_connection(B, 0, &b), PLAIT_E_BAD_SOCKET);
}

/* A caller built with an older, shorter struct gets what fits. */
static void test_a_shorter_struct(void **state) {
    (void)state;
    struct plait_connection_info whole = {0}, part;
    memset(&part, 0x77, sizeof(part));
    part.size = offsetof(struct plait_connection_info, write_seq);
    assert_int_equal(plait_connection(A, client, &whole), 0);
    assert_int_equal(plait_connection(A, client, &part), 0);
    assert_int_equal(part.size, offsetof(struct plait_connection_info, write_seq));
    assert_int_equal(part.token_local, whole.token_local);
    assert_int_equal(part.write_seq, UINT64_C(0x7777777777777777));
}

#define PAIR_TEST(f) cmocka_unit_test_setup_teardown(f, setup_pair, teardown)

#define SAME(member)                                                                              \
    assert_int_equal(offsetof(struct tcp_info, member), offsetof(struct plait_tcp_info, member)); \
    assert_int_equal(sizeof(((struct tcp_info *)0)->member),                                      \
                     sizeof(((struct plait_tcp_info *)0)->member))

/* What reads Linux's struct can read ours. */
static void test_tcp_info_layout(void **state) {
    (void)state;
    SAME(tcpi_state);
    SAME(tcpi_ca_state);
    SAME(tcpi_retransmits);
    SAME(tcpi_probes);
    SAME(tcpi_backoff);
    SAME(tcpi_options);
    SAME(tcpi_rto);
    SAME(tcpi_ato);
    SAME(tcpi_snd_mss);
    SAME(tcpi_rcv_mss);
    SAME(tcpi_unacked);
    SAME(tcpi_sacked);
    SAME(tcpi_lost);
    SAME(tcpi_retrans);
    SAME(tcpi_fackets);
    SAME(tcpi_last_data_sent);
    SAME(tcpi_last_ack_sent);
    SAME(tcpi_last_data_recv);
    SAME(tcpi_last_ack_recv);
    SAME(tcpi_pmtu);
    SAME(tcpi_rcv_ssthresh);
    SAME(tcpi_rtt);
    SAME(tcpi_rttvar);
    SAME(tcpi_snd_ssthresh);
    SAME(tcpi_snd_cwnd);
    SAME(tcpi_advmss);
    SAME(tcpi_reordering);
    SAME(tcpi_rcv_rtt);
    SAME(tcpi_rcv_space);
    SAME(tcpi_total_retrans);
    SAME(tcpi_pacing_rate);
    SAME(tcpi_max_pacing_rate);
    SAME(tcpi_bytes_acked);
    SAME(tcpi_bytes_received);
    SAME(tcpi_segs_out);
    SAME(tcpi_segs_in);
    SAME(tcpi_notsent_bytes);
    SAME(tcpi_min_rtt);
    SAME(tcpi_data_segs_in);
    SAME(tcpi_data_segs_out);
    SAME(tcpi_delivery_rate);
    SAME(tcpi_busy_time);
    SAME(tcpi_rwnd_limited);
    SAME(tcpi_sndbuf_limited);
    SAME(tcpi_delivered);
    SAME(tcpi_delivered_ce);
    SAME(tcpi_bytes_sent);
    SAME(tcpi_bytes_retrans);
    SAME(tcpi_dsack_dups);
    SAME(tcpi_reord_seen);
    SAME(tcpi_rcv_ooopack);
    SAME(tcpi_snd_wnd);
}

static void test_tcp_info(void **state) {
    (void)state;
    struct plait_tcp_info info;
    size_t size = sizeof(info);
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 100000, 10 * SECOND));
    pair_run(&pair, SECOND);
    assert_int_equal(plait_tcp_info(A, client, 0, &info, &size), 0);
    assert_int_equal(size, sizeof(info));
    assert_int_equal(info.tcpi_state, 1);
    assert_int_equal(info.tcpi_options, 7);
    assert_in_range(info.tcpi_rtt, 10000, 60000);
    assert_in_range(info.tcpi_min_rtt, 10000, 11000);
    assert_in_range(info.tcpi_rto, 200000, 400000);
    assert_int_equal(info.tcpi_bytes_acked, 100000);
    assert_int_equal(info.tcpi_bytes_sent, 100000);
    assert_int_equal(info.tcpi_total_retrans + info.tcpi_unacked + info.tcpi_notsent_bytes, 0);
    assert_int_equal(info.tcpi_pmtu, 1500);
    assert_in_range(info.tcpi_last_data_sent, 900, 1100);
    assert_true(info.tcpi_snd_cwnd >= 10);
    assert_int_equal(info.tcpi_advmss, 1460);
    assert_true(info.tcpi_snd_wnd > 65535 && info.tcpi_segs_out > 70 && info.tcpi_segs_in > 35);
    assert_int_equal(plait_set(A, client, PLAIT_OPT_MAX_PACING_RATE, 1000000), 0);
    assert_int_equal(plait_tcp_info(A, client, 0, &info, &size), 0);
    assert_int_equal(info.tcpi_max_pacing_rate, 1000000);
    assert_true(info.tcpi_pacing_rate <= 1000000);
    uint8_t byte[2] = {0, 0x55}; /* an old caller with a smaller struct */
    size = 1;
    assert_int_equal(plait_tcp_info(A, client, 1, byte, &size), 0);
    assert_int_equal(byte[0], 1);
    assert_int_equal(byte[1], 0x55);
    assert_int_equal(plait_tcp_info(A, client, 9, &info, &size), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_tcp_info(B, listener, 0, &info, &size), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_tcp_info(A, client, 0, NULL, &size), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_tcp_info(A, 0, 0, &info, &size), PLAIT_E_BAD_SOCKET);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_addresses),  PAIR_TEST(test_subflows),
        PAIR_TEST(test_connection), cmocka_unit_test(test_tcp_info_layout),
        PAIR_TEST(test_tcp_info),   PAIR_TEST(test_a_shorter_struct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

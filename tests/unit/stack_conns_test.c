/* stack/conns: connections end and disappear, whoever has them. */
#include "stack/conns.h"

#include "base/bytes.h"
#include "socket_test.h"
#include "tcp/state.h"

static plait_sock listener;

static int setup_plain(void **state) {
    (void)state;
    struct plait_config config;
    plait_config_init(&config);
    config.mptcp = false;
    struct pair_setup plain = {.config = {&config, &config}};
    pair_init(&pair, &plain);
    listener = pair_listen(&pair, 80);
    return 0;
}

static uint32_t subflows(unsigned side) {
    struct plait_stack_stats stats = {0};
    plait_stack_stats(pair.stack[side], &stats);
    return stats.subflows;
}

/* A connects from TCP port 5555 and B closes first, so that TIME-WAIT is at B. */
static plait_sock connect_from_5555(void) {
    plait_sock client = open_on(A);
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 80);
    assert_int_equal(plait_bind(A, client, 0, NULL, 5555), 0);
    assert_int_equal(plait_connect(A, client, &remote, pair.now), 0);
    return client;
}

static plait_sock accept_one(void) {
    plait_sock server = 0;
    pair_run(&pair, 100 * MS);
    assert_int_equal(plait_accept(B, listener, &server), 0);
    return server;
}

static void leave_time_wait_at_b(void) {
    plait_sock client = connect_from_5555(), server = accept_one();
    assert_int_equal(plait_close(B, server, pair.now), 0);
    pair_run(&pair, 50 * MS);
    assert_int_equal(plait_close(A, client, pair.now), 0);
    pair_run(&pair, 50 * MS);
    assert_int_equal(subflows(PAIR_A), 0);
    assert_int_equal(subflows(PAIR_B), 1);
}

static void test_a_newer_syn_ends_time_wait(void **state) {
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        leave_time_wait_at_b();
        plait_sock client = connect_from_5555(), server = accept_one();
        assert_int_equal(subflows(PAIR_B), 1);
        assert_true(pair_transfer(&pair, PAIR_A, client, server, 20000, 5 * SECOND));
        assert_int_equal(plait_abort(A, client, 0, pair.now), 0);
        pair_run(&pair, 50 * MS);
        assert_int_equal(plait_close(B, server, pair.now), 0);
        pair_run(&pair, 50 * MS);
        assert_int_equal(subflows(PAIR_B), 0);
    }
}

static struct pl_tcp *only_flow(unsigned side) {
    const struct pl_hash_table *flows = &pair.stack[side]->flows;
    for (uint32_t i = 0; i < flows->bucket_count; i++) {
        if (flows->buckets[i] != NULL) {
            return pl_subflow_tcp(pl_subflow_of_flow_node(flows->buckets[i]));
        }
    }
    return NULL;
}

/* RFC 9293 section 3.6.1: the new connection begins beyond the largest number of the old one, also
 * when that has run ahead of the clock. */
static void test_the_next_iss_is_beyond_the_last(void **state) {
    (void)state;
    leave_time_wait_at_b();
    struct pl_tcp *old = only_flow(PAIR_B);
    assert_int_equal(pl_tcp_state(old), PL_TCP_ST_TIME_WAIT);
    pl_seq32 ahead = pl_seq32_add(old->snd.nxt, 1 << 30);
    old->snd.una = old->snd.nxt = ahead;
    connect_from_5555();
    (void)accept_one();
    assert_int_equal(pl_tcp_iss(only_flow(PAIR_B)).v, ahead.v + 65537);
}

static void test_an_older_syn_does_not(void **state) {
    (void)state;
    leave_time_wait_at_b();
    struct pl_tcp *tcp = only_flow(PAIR_B);
    assert_int_equal(pl_tcp_state(tcp), PL_TCP_ST_TIME_WAIT);
    tcp->ts.recent += 1 << 30; /* what A sends is old now */
    connect_from_5555();
    pair_run(&pair, 500 * MS);
    assert_int_equal(pl_tcp_state(tcp), PL_TCP_ST_TIME_WAIT);
    plait_sock none = 0;
    assert_int_equal(plait_accept(B, listener, &none), PLAIT_E_AGAIN);
}

static void test_time_wait_ends_by_itself(void **state) {
    (void)state;
    leave_time_wait_at_b();
    pair_run(&pair, 59 * SECOND);
    assert_int_equal(subflows(PAIR_B), 1);
    pair_run(&pair, 2 * SECOND);
    assert_int_equal(subflows(PAIR_B), 0);
    assert_int_equal(connections(PAIR_B), 0);
}

/* A client that gives up before it was accepted is never seen. */
static void test_dead_before_accept(void **state) {
    (void)state;
    plait_sock client = connect_from_5555(), none = 0;
    pair_run(&pair, 100 * MS);
    assert_int_equal(plait_poll(B, listener), PLAIT_POLL_READ);
    assert_int_equal(plait_abort(A, client, 0, pair.now), 0);
    pair_run(&pair, 100 * MS);
    assert_int_equal(plait_poll(B, listener), 0);
    assert_int_equal(plait_accept(B, listener, &none), PLAIT_E_AGAIN);
    assert_int_equal(connections(PAIR_B), 0);
}

static void test_a_listener_that_closes_resets_what_waits(void **state) {
    (void)state;
    plait_sock client = connect_from_5555();
    pair_run(&pair, 100 * MS);
    assert_int_equal(plait_close(B, listener, pair.now), 0);
    struct plait_event event;
    assert_true(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_ERROR, SECOND, &event));
    assert_int_equal(event.error, PLAIT_E_RESET);
    pair_run(&pair, SECOND);
    assert_int_equal(connections(PAIR_B), 0);
}

static void test_an_orphan_ends_in_time(void **state) {
    (void)state;
    plait_sock client = connect_from_5555(), server = accept_one();
    uint8_t block[2000] = {0};
    pair.path[0].cut = true;
    assert_int_equal(plait_write(B, server, block, sizeof(block), pair.now), sizeof(block));
    assert_int_equal(plait_close(B, server, pair.now), 0);
    pair_run(&pair, 30 * SECOND);
    assert_int_equal(connections(PAIR_B), 1);
    pair_run(&pair, 40 * SECOND);
    assert_int_equal(connections(PAIR_B), 0);
    assert_int_equal(plait_close(A, client, pair.now), 0);
}

/* Carrier is gone when the socket is given up: nothing waits for it. */
static void test_aborted_without_carrier(void **state) {
    (void)state;
    plait_sock client = connect_from_5555();
    accept_one();
    assert_int_equal(plait_port_set_up(A, pair.path[0].port[PAIR_A], false, pair.now), 0);
    assert_int_equal(plait_abort(A, client, 0, pair.now), 0);
    assert_int_equal(connections(PAIR_A), 0);
    assert_int_equal(subflows(PAIR_A), 0);
}

static void test_plain_connections_die_with_their_port(void **state) {
    (void)state;
    plait_sock client = connect_from_5555();
    accept_one();
    assert_int_equal(plait_port_remove(A, pair.path[0].port[PAIR_A], pair.now), 0);
    assert_int_equal(pair_get(&pair, PAIR_A, client, PLAIT_OPT_STATE), PLAIT_SOCKET_DEAD);
    assert_int_equal(subflows(PAIR_A), 0);
}

static bool answer_over_path_1(struct stack_pair *p, unsigned from, unsigned path, uint8_t *packet,
                               uint32_t len) {
    if (from != PAIR_B || path != 0) {
        return false;
    }
    pair_inject(p, PAIR_A, 1, packet, len);
    return true;
}

static void test_answers_may_come_over_another_port(void **state) {
    (void)state;
    pair_fini(&pair);
    struct pair_setup two = {.paths = 2};
    pair_init(&pair, &two);
    pair.filter = answer_over_path_1;
    listener = pair_listen(&pair, 80);
    plait_sock server = 0, client = pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 100000, 10 * SECOND));
    assert_true(pair_transfer(&pair, PAIR_B, server, client, 100000, 10 * SECOND));
    assert_int_equal(pair_counter(&pair, PAIR_A, PLAIT_COUNTER_DropNoSocket), 0);
    assert_int_equal(pair.sent[PAIR_A][1], 0);
}

static uint16_t source_port(const struct plait_tx *tx) {
    return pl_get16(tx->header + 20);
}

/* Two bulk transfers over one port take turns, packet by packet. */
static void test_subflows_take_turns(void **state) {
    (void)state;
    static uint8_t block[60000];
    plait_sock socks[2], server = 0;
    for (unsigned i = 0; i < 2; i++) {
        socks[i] = pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
        assert_true(pair_transfer(&pair, PAIR_A, socks[i], server, 100000, 10 * SECOND));
    }
    pair_run(&pair, 100 * MS);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(plait_write(A, socks[i], block, sizeof(block), pair.now) > 0);
    }
    struct plait_tx tx[6];
    assert_int_equal(plait_output(A, pair.path[0].port[PAIR_A], tx, 6, pair.now), 6);
    assert_int_not_equal(source_port(&tx[0]), source_port(&tx[1]));
    for (unsigned i = 2; i < 6; i++) {
        assert_int_equal(source_port(&tx[i]), source_port(&tx[i - 2]));
    }
}

static void test_a_smaller_mtu_of_the_port(void **state) {
    (void)state;
    plait_sock client = connect_from_5555(), server = accept_one();
    struct plait_subflow_info info;
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 50000, 10 * SECOND));
    assert_int_equal(plait_subflows(A, client, &info, 1), 1);
    uint32_t mss = info.mss;
    assert_int_equal(plait_port_set_mtu(A, pair.path[0].port[PAIR_A], 1300), 0);
    assert_int_equal(plait_subflows(A, client, &info, 1), 1);
    assert_int_equal(info.mss, mss - 200);
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 50000, 10 * SECOND));
}

#define PLAIN_TEST(f) cmocka_unit_test_setup_teardown(f, setup_plain, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PLAIN_TEST(test_a_newer_syn_ends_time_wait),
        PLAIN_TEST(test_the_next_iss_is_beyond_the_last),
        PLAIN_TEST(test_an_older_syn_does_not),
        PLAIN_TEST(test_time_wait_ends_by_itself),
        PLAIN_TEST(test_dead_before_accept),
        PLAIN_TEST(test_a_listener_that_closes_resets_what_waits),
        PLAIN_TEST(test_an_orphan_ends_in_time),
        PLAIN_TEST(test_aborted_without_carrier),
        PLAIN_TEST(test_plain_connections_die_with_their_port),
        PLAIN_TEST(test_answers_may_come_over_another_port),
        PLAIN_TEST(test_subflows_take_turns),
        PLAIN_TEST(test_a_smaller_mtu_of_the_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

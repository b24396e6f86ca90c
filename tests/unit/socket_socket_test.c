/* socket/socket: the life of connections between two stacks. */
#include "plait/socket.h"

#include "socket_test.h"

static void echo(enum plait_family family, bool mptcp) {
    plait_sock listener = pair_listen(&pair, 80), server = 0;
    plait_sock client = pair_connect(&pair, listener, 80, family, &server);
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 300000, 60 * SECOND));
    assert_true(pair_transfer(&pair, PAIR_B, server, client, 300000, 60 * SECOND));
    assert_int_equal(pair_get(&pair, PAIR_A, client, PLAIT_OPT_IS_MPTCP), mptcp);
    assert_int_equal(pair_get(&pair, PAIR_B, server, PLAIT_OPT_IS_MPTCP), mptcp);
    struct plait_endpoint remote, local;
    assert_int_equal(plait_remote(B, server, &remote), 0);
    assert_int_equal(plait_local(A, client, &local), 0);
    assert_memory_equal(&remote.addr, &local.addr, sizeof(local.addr));
    assert_int_equal(remote.port, local.port);
    assert_int_equal(plait_close(A, client, pair.now), 0);
    assert_int_equal(plait_close(B, server, pair.now), 0);
    assert_int_equal(plait_close(B, listener, pair.now), 0);
    pair_run(&pair, 200 * SECOND);
    assert_int_equal(connections(PAIR_A), 0);
    assert_int_equal(connections(PAIR_B), 0);
}

static void test_echo_v4(void **state) {
    (void)state;
    echo(PLAIT_IPV4, true);
}

static void test_echo_v6(void **state) {
    (void)state;
    echo(PLAIT_IPV6, true);
}

static void test_echo_plain(void **state) {
    (void)state;
    pair_fini(&pair);
    struct plait_config config;
    plait_config_init(&config);
    config.mptcp = false;
    struct pair_setup setup_plain = {.config = {&config, NULL}};
    pair_init(&pair, &setup_plain);
    echo(PLAIT_IPV4, false);
}

static void test_echo_with_offload(void **state) {
    (void)state;
    pair_fini(&pair);
    uint32_t offload = PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM;
    struct pair_setup setup_offload = {.port_flags = {offload, offload}};
    pair_init(&pair, &setup_offload);
    echo(PLAIT_IPV4, true);
    assert_true(pair.sent[PAIR_A][0] < 300000 / 1400 * 2);
}

static void test_echo_over_a_lossy_path(void **state) {
    (void)state;
    pair.path[0].loss_ppm = 30000;
    echo(PLAIT_IPV4, true);
}

static void test_refused(void **state) {
    (void)state;
    plait_sock client = open_on(A);
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 81);
    assert_int_equal(plait_connect(A, client, &remote, pair.now), 0);
    struct plait_event event;
    assert_true(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_ERROR, SECOND, &event));
    assert_int_equal(event.error, PLAIT_E_REFUSED);
    assert_int_equal(pair_get(&pair, PAIR_A, client, PLAIT_OPT_STATE), PLAIT_SOCKET_DEAD);
    assert_int_equal(pair_get(&pair, PAIR_A, client, PLAIT_OPT_ERROR), PLAIT_E_REFUSED);
    uint8_t byte = 0;
    assert_int_equal(plait_read(A, client, &byte, 1, pair.now), PLAIT_E_REFUSED);
    assert_int_equal(plait_write(A, client, &byte, 1, pair.now), PLAIT_E_REFUSED);
    assert_int_equal(plait_poll(A, client), PLAIT_POLL_DEAD);
    assert_int_equal(plait_close(A, client, pair.now), 0);
    assert_int_equal(connections(PAIR_A), 0);
}

static void test_nobody_answers(void **state) {
    (void)state;
    pair.path[0].cut = true;
    plait_sock client = open_on(A);
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 81);
    assert_int_equal(plait_connect(A, client, &remote, pair.now), 0);
    struct plait_event event;
    assert_false(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_ERROR, 120 * SECOND, &event));
    assert_true(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_ERROR, 60 * SECOND, &event));
    assert_int_equal(event.error, PLAIT_E_TIMED_OUT);
}

static void test_close_while_connecting(void **state) {
    (void)state;
    plait_sock client = open_on(A);
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 81);
    assert_int_equal(plait_connect(A, client, &remote, pair.now), 0);
    assert_int_equal(plait_close(A, client, pair.now), 0);
    assert_int_equal(plait_close(A, client, pair.now), PLAIT_E_BAD_SOCKET);
    pair_run(&pair, SECOND);
    assert_int_equal(connections(PAIR_A), 0);
    struct plait_event event;
    assert_false(plait_event_next(A, &event));
}

/* A listener that holds SYNs, and a held connection from A. */
static plait_sock hold(plait_sock *client, plait_sock *listener) {
    plait_sock held = 0;
    *listener = pair_listen(&pair, 80);
    assert_int_equal(plait_set(B, *listener, PLAIT_OPT_DEFER, 1), 0);
    *client = open_on(A);
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 80);
    assert_int_equal(plait_connect(A, *client, &remote, pair.now), 0);
    assert_true(pair_wait_event(&pair, PAIR_B, *listener, PLAIT_EVENT_ACCEPT, SECOND, NULL));
    assert_int_equal(plait_accept(B, *listener, &held), 0);
    assert_int_equal(pair_get(&pair, PAIR_B, held, PLAIT_OPT_STATE), PLAIT_SOCKET_HELD);
    assert_int_equal(pair.sent[PAIR_B][0], 0);
    return held;
}

static void test_held_and_confirmed(void **state) {
    (void)state;
    plait_sock client = 0, listener = 0, held = hold(&client, &listener);
    struct plait_endpoint local, remote, dialled = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 80);
    assert_int_equal(plait_local(B, held, &local), 0);
    assert_int_equal(plait_remote(B, held, &remote), 0);
    assert_memory_equal(&local.addr, &dialled.addr, sizeof(local.addr));
    assert_int_equal(local.port, 80);
    uint8_t byte = 0;
    assert_int_equal(plait_write(B, held, &byte, 1, pair.now), PLAIT_E_BAD_STATE);
    pair_run(&pair, 4 * SECOND); /* SYNs again and again: still one connection */
    plait_sock none = 0;
    assert_int_equal(plait_accept(B, listener, &none), PLAIT_E_AGAIN);
    assert_int_equal(plait_confirm(B, held, pair.now), 0);
    assert_int_equal(plait_confirm(B, held, pair.now), PLAIT_E_BAD_STATE);
    assert_true(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_CONNECTED, SECOND, NULL));
    assert_true(pair_wait_event(&pair, PAIR_B, held, PLAIT_EVENT_CONNECTED, SECOND, NULL));
    assert_int_equal(pair_get(&pair, PAIR_B, held, PLAIT_OPT_STATE), PLAIT_SOCKET_OPEN);
    assert_true(pair_transfer(&pair, PAIR_A, client, held, 50000, 10 * SECOND));
}

static void test_held_and_refused(void **state) {
    (void)state;
    plait_sock client = 0, listener = 0, held = hold(&client, &listener);
    assert_int_equal(plait_abort(B, held, PLAIT_E_REFUSED, pair.now), 0);
    assert_int_equal(plait_abort(B, held, PLAIT_E_REFUSED, pair.now), PLAIT_E_BAD_SOCKET);
    struct plait_event event;
    assert_true(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_ERROR, SECOND, &event));
    assert_int_equal(event.error, PLAIT_E_REFUSED);
    pair_run(&pair, SECOND);
    assert_int_equal(connections(PAIR_B), 0);
}

static void test_held_and_ignored(void **state) {
    (void)state;
    plait_sock client = 0, listener = 0, held = hold(&client, &listener);
    assert_int_equal(plait_close(B, listener, pair.now), 0);
    assert_int_equal(plait_abort(B, held, PLAIT_E_TIMED_OUT, pair.now), 0);
    assert_int_equal(connections(PAIR_B), 0);
    assert_false(plait_output_pending(B, pair.path[0].port[PAIR_B]));
    assert_int_equal(pair_get(&pair, PAIR_A, client, PLAIT_OPT_STATE), PLAIT_SOCKET_CONNECTING);
}

static void test_held_and_closed(void **state) {
    (void)state;
    plait_sock client = 0, listener = 0, held = hold(&client, &listener);
    assert_int_equal(plait_close(B, held, pair.now), 0);
    struct plait_event event;
    assert_true(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_ERROR, SECOND, &event));
    assert_int_equal(event.error, PLAIT_E_REFUSED);
}

/* The port behind which programs are: every destination is ours, connections are plain and held
 * until there is an answer for them. */
static void test_an_inner_port(void **state) {
    (void)state;
    pair_fini(&pair);
    struct pair_setup inner = {
        .port_flags = {0, PLAIT_PORT_ANY_ADDRESS | PLAIT_PORT_NO_MPTCP},
        .no_addresses = {false, true},
    };
    pair_init(&pair, &inner);
    plait_sock listener = open_on(B), client = open_on(A), server = 0;
    assert_int_equal(plait_bind(B, listener, pair.path[0].port[PAIR_B], NULL, 0), 0);
    assert_int_equal(plait_set(B, listener, PLAIT_OPT_DEFER, 1), 0);
    assert_int_equal(plait_listen(B, listener, 8), 0);
    struct plait_endpoint there = {.addr = {{192, 0, 2, 1}, PLAIT_IPV4}, .port = 443}, local;
    assert_int_equal(plait_connect(A, client, &there, pair.now), 0);
    pair_run(&pair, SECOND);
    assert_int_equal(plait_accept(B, listener, &server), 0);
    assert_int_equal(plait_local(B, server, &local), 0);
    assert_memory_equal(&local.addr, &there.addr, sizeof(local.addr));
    assert_int_equal(local.port, 443);
    assert_int_equal(plait_confirm(B, server, pair.now), 0);
    assert_true(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_CONNECTED, SECOND, NULL));
    assert_int_equal(pair_get(&pair, PAIR_A, client, PLAIT_OPT_IS_MPTCP), 0);
    assert_int_equal(pair_get(&pair, PAIR_B, server, PLAIT_OPT_IS_MPTCP), 0);
    pair_run(&pair, SECOND);
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 100000, 10 * SECOND));
    assert_true(pair_transfer(&pair, PAIR_B, server, client, 100000, 10 * SECOND));
}

static void test_wrong_states_and_arguments(void **state) {
    (void)state;
    plait_sock listener = pair_listen(&pair, 80), fresh = open_on(B), out = 0;
    struct plait_endpoint remote = pair_endpoint(PAIR_A, 0, PLAIT_IPV4, 80);
    struct plait_addr foreign = pair_addr(PAIR_A, 0, PLAIT_IPV4), multicast = foreign;
    multicast.bytes[0] = 224;
    assert_int_equal(plait_bind(B, listener, 0, NULL, 1), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_listen(B, listener, 1), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_connect(B, listener, &remote, pair.now), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_confirm(B, listener, pair.now), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_accept(B, listener, NULL), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_accept(B, fresh, &out), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_confirm(B, fresh, pair.now), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_listen(B, fresh, 0), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_bind(B, fresh, 9, NULL, 1), PLAIT_E_BAD_PORT);
    assert_int_equal(plait_bind(B, fresh, 0, &foreign, 1), PLAIT_E_NO_ADDRESS);
    assert_int_equal(plait_bind(B, fresh, 0, &multicast, 1), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_connect(B, fresh, NULL, pair.now), PLAIT_E_BAD_ARGUMENT);
    remote.port = 0;
    assert_int_equal(plait_connect(B, fresh, &remote, pair.now), PLAIT_E_BAD_ARGUMENT);
    remote = (struct plait_endpoint){.addr = multicast, .port = 80};
    assert_int_equal(plait_connect(B, fresh, &remote, pair.now), PLAIT_E_BAD_ARGUMENT);
    const plait_sock stale = 0;
    assert_int_equal(plait_bind(B, stale, 0, NULL, 1), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_listen(B, stale, 1), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_connect(B, stale, &remote, pair.now), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_accept(B, stale, &out), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_confirm(B, stale, pair.now), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_abort(B, stale, 0, pair.now), PLAIT_E_BAD_SOCKET);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_echo_v4),
        TEST(test_echo_v6),
        TEST(test_echo_plain),
        TEST(test_echo_with_offload),
        TEST(test_echo_over_a_lossy_path),
        TEST(test_refused),
        TEST(test_nobody_answers),
        TEST(test_close_while_connecting),
        TEST(test_held_and_confirmed),
        TEST(test_held_and_refused),
        TEST(test_held_and_ignored),
        TEST(test_held_and_closed),
        TEST(test_an_inner_port),
        TEST(test_wrong_states_and_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* socket/options: values, ranges, and when they may be set. */
#include "socket_test.h"

static void expect(plait_sock sock, enum plait_option option, int64_t value) {
    assert_int_equal(pair_get(&pair, PAIR_A, sock, option), value);
}

static void test_defaults(void **state) {
    (void)state;
    plait_sock sock = open_on(A);
    expect(sock, PLAIT_OPT_MPTCP, 1);
    expect(sock, PLAIT_OPT_NODELAY, 1);
    expect(sock, PLAIT_OPT_SEND_BUFFER, 8 << 20);
    expect(sock, PLAIT_OPT_RECEIVE_BUFFER, 8 << 20);
    expect(sock, PLAIT_OPT_DEFER, 0);
    expect(sock, PLAIT_OPT_IS_MPTCP, 0);
    expect(sock, PLAIT_OPT_STATE, PLAIT_SOCKET_NEW);
    expect(sock, PLAIT_OPT_ERROR, 0);
    expect(sock, PLAIT_OPT_SEND_QUEUE, 0);
    expect(sock, PLAIT_OPT_RECEIVE_QUEUE, 0);
    expect(sock, PLAIT_OPT_USER, 0);
    expect(sock, PLAIT_OPT_PORT_MASK, 0);
}

struct attempt {
    enum plait_option option;
    int64_t value;
    int result;
};

static void test_values(void **state) {
    (void)state;
    const struct attempt attempts[] = {
        {PLAIT_OPT_MPTCP, 0, 0},
        {PLAIT_OPT_MPTCP, 2, PLAIT_E_BAD_ARGUMENT},
        {PLAIT_OPT_NODELAY, 1, 0},
        {PLAIT_OPT_NODELAY, 0, PLAIT_E_BAD_ARGUMENT},
        {PLAIT_OPT_SEND_BUFFER, 4096, 0},
        {PLAIT_OPT_SEND_BUFFER, 4095, PLAIT_E_BAD_ARGUMENT},
        {PLAIT_OPT_SEND_BUFFER, -1, PLAIT_E_BAD_ARGUMENT},
        {PLAIT_OPT_RECEIVE_BUFFER, 1 << 30, 0},
        {PLAIT_OPT_RECEIVE_BUFFER, (INT64_C(1) << 30) + 1, PLAIT_E_BAD_ARGUMENT},
        {PLAIT_OPT_DEFER, 1, 0},
        {PLAIT_OPT_DEFER, -1, PLAIT_E_BAD_ARGUMENT},
        {PLAIT_OPT_USER, INT64_MIN, 0},
        {PLAIT_OPT_PORT_MASK, INT64_MIN, 0}, /* bit 63 */
        {PLAIT_OPT_PORT_MASK, 3, PLAIT_E_BAD_ARGUMENT},
        {PLAIT_OPT_IS_MPTCP, 1, PLAIT_E_NO_OPTION},
        {PLAIT_OPT_STATE, 1, PLAIT_E_NO_OPTION},
        {PLAIT_OPT_ERROR, 1, PLAIT_E_NO_OPTION},
        {PLAIT_OPT_SEND_QUEUE, 1, PLAIT_E_NO_OPTION},
        {PLAIT_OPT_RECEIVE_QUEUE, 1, PLAIT_E_NO_OPTION},
        {(enum plait_option)99, 1, PLAIT_E_NO_OPTION},
    };
    plait_sock sock = open_on(A);
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        const struct attempt *a = &attempts[i];
        assert_int_equal(plait_set(A, sock, a->option, a->value), a->result);
        if (a->result == 0) {
            expect(sock, a->option, a->value);
        }
    }
    int64_t value = 0;
    assert_int_equal(plait_get(A, sock, (enum plait_option)99, &value), PLAIT_E_NO_OPTION);
    assert_int_equal(plait_get(A, sock, PLAIT_OPT_USER, NULL), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_get(A, sock + 1, PLAIT_OPT_USER, &value), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_set(A, sock + 1, PLAIT_OPT_USER, 1), PLAIT_E_BAD_SOCKET);
}

static void test_some_only_before_the_connection(void **state) {
    (void)state;
    plait_sock listener = pair_listen(&pair, 80), server = 0;
    plait_sock client = pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
    const plait_sock late[] = {client};
    for (size_t i = 0; i < 1; i++) {
        assert_int_equal(plait_set(A, late[i], PLAIT_OPT_MPTCP, 1), PLAIT_E_BAD_STATE);
        assert_int_equal(plait_set(A, late[i], PLAIT_OPT_DEFER, 1), PLAIT_E_BAD_STATE);
        assert_int_equal(plait_set(A, late[i], PLAIT_OPT_PORT_MASK, 2), PLAIT_E_BAD_STATE);
        assert_int_equal(plait_set(A, late[i], PLAIT_OPT_SEND_BUFFER, 65536), 0);
        assert_int_equal(plait_set(A, late[i], PLAIT_OPT_RECEIVE_BUFFER, 65536), 0);
        assert_int_equal(plait_set(A, late[i], PLAIT_OPT_USER, 7), 0);
    }
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 500000, 60 * SECOND));
    assert_true(pair_transfer(&pair, PAIR_B, server, client, 500000, 60 * SECOND));
}

static void test_accepted_sockets_inherit(void **state) {
    (void)state;
    plait_sock listener = open_on(B), server = 0;
    assert_int_equal(plait_set(B, listener, PLAIT_OPT_MPTCP, 0), 0);
    assert_int_equal(plait_bind(B, listener, 0, NULL, 80), 0);
    assert_int_equal(plait_listen(B, listener, 1), 0);
    assert_int_equal(plait_set(B, listener, PLAIT_OPT_SEND_BUFFER, 10000), 0);
    plait_sock client = pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
    assert_int_equal(pair_get(&pair, PAIR_B, server, PLAIT_OPT_SEND_BUFFER), 10000);
    assert_int_equal(pair_get(&pair, PAIR_B, server, PLAIT_OPT_MPTCP), 0);
    assert_int_equal(pair_get(&pair, PAIR_B, server, PLAIT_OPT_IS_MPTCP), 0);
    assert_int_equal(pair_get(&pair, PAIR_A, client, PLAIT_OPT_IS_MPTCP), 0); /* fell back */
    assert_int_equal(pair_get(&pair, PAIR_A, client, PLAIT_OPT_MPTCP), 1);
    static uint8_t block[20000];
    int64_t taken = plait_write(B, server, block, sizeof(block), pair.now);
    assert_true(taken > 0 && taken <= 10000);
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 50000, 60 * SECOND));
}

static void test_events_carry_the_user_word(void **state) {
    (void)state;
    plait_sock listener = pair_listen(&pair, 80);
    assert_int_equal(plait_set(B, listener, PLAIT_OPT_USER, -5), 0);
    plait_sock client = open_on(A);
    assert_int_equal(plait_set(A, client, PLAIT_OPT_USER, 42), 0);
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 80);
    assert_int_equal(plait_connect(A, client, &remote, pair.now), 0);
    struct plait_event event;
    assert_true(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_CONNECTED, SECOND, &event));
    assert_int_equal(event.user, 42);
    assert_true(pair_wait_event(&pair, PAIR_B, listener, PLAIT_EVENT_ACCEPT, SECOND, &event));
    assert_int_equal(event.user, -5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_values),
        TEST(test_some_only_before_the_connection),
        TEST(test_accepted_sockets_inherit),
        TEST(test_events_carry_the_user_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

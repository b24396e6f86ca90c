/* socket/options: values, ranges, and when they may be set. */
#include "socket_test.h"

static void expect(plait_sock sock, enum plait_option option, int64_t value) {
    assert_int_equal(pair_get(&pair, PAIR_A, sock, option), value);
}

static void test_defaults(void **state) {
    (void)state;
    plait_sock sock = open_on(A);
    expect(sock, PLAIT_OPT_MPTCP, 1);
    expect(sock, PLAIT_OPT_NODELAY, 0);
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
        {PLAIT_OPT_NODELAY, 2, PLAIT_E_BAD_ARGUMENT},
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
    assert_int_equal(pair_get(&pair, PAIR_A, client, PLAIT_OPT_MPTCP), 0);
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

/* ---- the table ---- */

static void test_names(void **state) {
    (void)state;
    for (int i = 0; i < PLAIT_OPT_COUNT; i++) {
        const char *name = plait_option_name((enum plait_option)i);
        assert_non_null(name);
        assert_int_equal(plait_option_find(name), i);
    }
    assert_null(plait_option_name(PLAIT_OPT_COUNT));
    assert_null(plait_option_name((enum plait_option) - 1));
    assert_int_equal(plait_option_find("TCP_NODELA"), PLAIT_E_NO_OPTION);
    assert_int_equal(plait_option_find("TCP_NODELAYS"), PLAIT_E_NO_OPTION);
    assert_int_equal(plait_option_find(NULL), PLAIT_E_NO_OPTION);
    assert_int_equal(plait_option_find("IPV6_TCLASS"), PLAIT_OPT_TOS);
}

static void test_text(void **state) {
    (void)state;
    plait_sock sock = open_on(A);
    assert_int_equal(plait_set_text(A, sock, "IP_TTL", "7"), 0);
    expect(sock, PLAIT_OPT_TTL, 7);
    assert_int_equal(plait_set_text(A, sock, "SO_LINGER", "-1"), 0);
    assert_int_equal(plait_set_text(A, sock, "TCP_CONGESTION", "reno"), 0);
    expect(sock, PLAIT_OPT_CONGESTION, PLAIT_CC_RENO);
    const char *const bad[] = {"", "-", "7x", "x", "99999999999999999999", "256", NULL};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(plait_set_text(A, sock, "IP_TTL", bad[i]), PLAIT_E_BAD_ARGUMENT);
    }
    assert_int_equal(plait_set_text(A, sock, "IP_TTl", "7"), PLAIT_E_NO_OPTION);
    expect(sock, PLAIT_OPT_TTL, 7);
}

/* Every number of the table: the ends of its range are taken and given back, what lies beyond is
 * not. */
static void test_ranges(void **state) {
    (void)state;
    static const struct {
        enum plait_option option;
        int64_t first, min, max;
    } rows[] = {
        {PLAIT_OPT_CORK, 0, 0, 1},
        {PLAIT_OPT_MAXSEG, 0, 88, 32767},
        {PLAIT_OPT_KEEPALIVE, 0, 0, 1},
        {PLAIT_OPT_KEEPIDLE, 7200, 1, 32767},
        {PLAIT_OPT_KEEPINTVL, 75, 1, 32767},
        {PLAIT_OPT_KEEPCNT, 9, 1, 127},
        {PLAIT_OPT_USER_TIMEOUT, 0, 0, INT32_MAX},
        {PLAIT_OPT_QUICKACK, 1, 0, 1},
        {PLAIT_OPT_SYNCNT, 0, 0, 127},
        {PLAIT_OPT_LINGER2, 60, 0, 65535},
        {PLAIT_OPT_WINDOW_CLAMP, 0, 0, 1 << 30},
        {PLAIT_OPT_MAX_PACING_RATE, 0, 0, INT64_MAX},
        {PLAIT_OPT_TOS, 0, 0, 255},
        {PLAIT_OPT_TTL, 64, 1, 255},
        {PLAIT_OPT_MARK, 0, 0, UINT32_MAX},
        {PLAIT_OPT_NOTSENT_LOWAT, 0, 0, UINT32_MAX},
        {PLAIT_OPT_RCVLOWAT, 1, 1, 1 << 30},
        {PLAIT_OPT_FREEBIND, 0, 0, 1},
        {PLAIT_OPT_TRANSPARENT, 0, 0, 1},
        {PLAIT_OPT_V6ONLY, 0, 0, 1},
        {PLAIT_OPT_REUSEADDR, 1, 0, 1},
        {PLAIT_OPT_DEFER_ACCEPT, 0, 0, 65535},
        {PLAIT_OPT_FASTOPEN, 0, 0, 65535},
        {PLAIT_OPT_FASTOPEN_CONNECT, 0, 0, 1},
        {PLAIT_OPT_UTO, 0, 0, 32767 * 60},
        {PLAIT_OPT_OOBINLINE, 1, 1, 1},
    };
    plait_sock sock = open_on(A);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum plait_option option = rows[i].option;
        expect(sock, option, rows[i].first);
        if (rows[i].max < INT64_MAX) {
            assert_int_equal(plait_set(A, sock, option, rows[i].max + 1), PLAIT_E_BAD_ARGUMENT);
        }
        bool zero = option == PLAIT_OPT_MAXSEG; /* 0 is "no bound" there */
        int64_t below = rows[i].min - 1;
        assert_int_equal(plait_set(A, sock, option, zero ? 87 : below), PLAIT_E_BAD_ARGUMENT);
        assert_int_equal(plait_set(A, sock, option, rows[i].max), 0);
        expect(sock, option, rows[i].max);
        assert_int_equal(plait_set(A, sock, option, rows[i].min), 0);
        expect(sock, option, rows[i].min);
    }
}

/* What a listener has, every accepted connection has, and may change for itself. */
static void test_tuning_is_inherited(void **state) {
    (void)state;
    plait_sock listener = pair_listen(&pair, 80), server = 0, second = 0;
    assert_int_equal(plait_set(B, listener, PLAIT_OPT_TTL, 9), 0);
    (void)pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
    assert_int_equal(pair_get(&pair, PAIR_B, server, PLAIT_OPT_TTL), 9);
    assert_int_equal(plait_set(B, server, PLAIT_OPT_TTL, 10), 0);
    assert_int_equal(pair_get(&pair, PAIR_B, listener, PLAIT_OPT_TTL), 9);
    (void)pair_connect(&pair, listener, 80, PLAIT_IPV6, &second);
    assert_int_equal(pair_get(&pair, PAIR_B, second, PLAIT_OPT_TTL), 9);
}

/* ---- what a socket is bound to ---- */

static plait_sock connect_to(enum plait_family family, uint16_t tcp_port) {
    plait_sock client = open_on(A);
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, family, tcp_port);
    assert_int_equal(plait_connect(A, client, &remote, pair.now), 0);
    pair_run(&pair, 100 * MS);
    return client;
}

static int64_t state_of(plait_sock client) {
    return pair_get(&pair, PAIR_A, client, PLAIT_OPT_STATE);
}

static void test_v6only(void **state) {
    (void)state;
    plait_sock listener = open_on(B);
    assert_int_equal(plait_set(B, listener, PLAIT_OPT_V6ONLY, 1), 0);
    assert_int_equal(plait_bind(B, listener, 0, NULL, 80), 0);
    assert_int_equal(plait_listen(B, listener, 4), 0);
    assert_int_equal(plait_set(B, listener, PLAIT_OPT_V6ONLY, 0), PLAIT_E_BAD_STATE);
    assert_int_equal(state_of(connect_to(PLAIT_IPV6, 80)), PLAIT_SOCKET_OPEN);
    assert_int_equal(state_of(connect_to(PLAIT_IPV4, 80)), PLAIT_SOCKET_DEAD);
}

static void test_reuseaddr(void **state) {
    (void)state;
    plait_sock listener = pair_listen(&pair, 80), server = 0, next = open_on(B);
    (void)pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
    plait_close(B, listener, pair.now);
    assert_int_equal(plait_set(B, next, PLAIT_OPT_REUSEADDR, 0), 0);
    assert_int_equal(plait_bind(B, next, 0, NULL, 80), 0);
    assert_int_equal(plait_listen(B, next, 4), PLAIT_E_IN_USE);
    assert_int_equal(plait_set(B, next, PLAIT_OPT_REUSEADDR, 1), 0);
    assert_int_equal(plait_listen(B, next, 4), 0);
}

static void test_freebind(void **state) {
    (void)state;
    struct plait_addr late = pair_addr(PAIR_B, 0, PLAIT_IPV4);
    late.bytes[3] = 77;
    plait_sock listener = open_on(B);
    assert_int_equal(plait_bind(B, listener, 0, &late, 80), PLAIT_E_NO_ADDRESS);
    assert_int_equal(plait_set(B, listener, PLAIT_OPT_FREEBIND, 1), 0);
    assert_int_equal(plait_bind(B, listener, 0, &late, 80), 0);
    assert_int_equal(plait_listen(B, listener, 4), 0);
    struct plait_endpoint remote = {.addr = late, .port = 80};
    plait_sock early = open_on(A), client = open_on(A);
    assert_int_equal(plait_connect(A, early, &remote, pair.now), 0);
    pair_run(&pair, 100 * MS); /* nobody has the address yet */
    assert_int_equal(state_of(early), PLAIT_SOCKET_CONNECTING);
    assert_true(plait_address_add(B, pair.path[0].port[PAIR_B], &late, 0, 0, 0, pair.now) > 0);
    assert_int_equal(plait_connect(A, client, &remote, pair.now), 0);
    pair_run(&pair, 100 * MS);
    assert_int_equal(state_of(client), PLAIT_SOCKET_OPEN);
}

/* From an address of nobody's to an address of nobody's. */
static void test_transparent(void **state) {
    (void)state;
    struct plait_addr from = pair_addr(PAIR_A, 0, PLAIT_IPV4), to = from;
    from.bytes[3] = 55;
    to.bytes[3] = 66;
    plait_sock listener = open_on(B), client = open_on(A), server = 0;
    assert_int_equal(plait_set(B, listener, PLAIT_OPT_TRANSPARENT, 1), 0);
    assert_int_equal(plait_bind(B, listener, 0, NULL, 80), 0);
    assert_int_equal(plait_listen(B, listener, 4), 0);
    assert_int_equal(plait_set(A, client, PLAIT_OPT_TRANSPARENT, 1), 0);
    assert_int_equal(plait_bind(A, client, pair.path[0].port[PAIR_A], &from, 0), 0);
    struct plait_endpoint remote = {.addr = to, .port = 80}, seen;
    assert_int_equal(plait_connect(A, client, &remote, pair.now), 0);
    pair_run(&pair, 100 * MS);
    assert_int_equal(state_of(client), PLAIT_SOCKET_OPEN);
    assert_int_equal(plait_accept(B, listener, &server), 0);
    assert_int_equal(plait_local(B, server, &seen), 0);
    assert_memory_equal(&seen.addr, &to, sizeof(to));
    assert_int_equal(plait_remote(B, server, &seen), 0);
    assert_memory_equal(&seen.addr, &from, sizeof(from));
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 50000, 60 * SECOND));
    assert_true(pair_transfer(&pair, PAIR_B, server, client, 50000, 60 * SECOND));
}

/* ---- TCP_DEFER_ACCEPT ---- */

static plait_sock deferring(int64_t seconds) {
    plait_sock listener = open_on(B);
    assert_int_equal(plait_set(B, listener, PLAIT_OPT_DEFER_ACCEPT, seconds), 0);
    assert_int_equal(plait_bind(B, listener, 0, NULL, 80), 0);
    assert_int_equal(plait_listen(B, listener, 4), 0);
    return listener;
}

static void test_defer_accept(void **state) {
    (void)state;
    plait_sock listener = deferring(10), client = connect_to(PLAIT_IPV4, 80), server = 0;
    assert_int_equal(state_of(client), PLAIT_SOCKET_OPEN);
    assert_int_equal(plait_accept(B, listener, &server), PLAIT_E_AGAIN);
    assert_int_equal(drain(PAIR_B, listener), 0);
    pair_run(&pair, 3 * SECOND);
    assert_int_equal(plait_accept(B, listener, &server), PLAIT_E_AGAIN);
    assert_int_equal(plait_write(A, client, "x", 1, pair.now), 1);
    pair_run(&pair, 100 * MS);
    assert_int_equal(drain(PAIR_B, listener), UINT32_C(1) << PLAIT_EVENT_ACCEPT);
    assert_int_equal(plait_accept(B, listener, &server), 0);
    assert_int_equal(plait_poll(B, server) & PLAIT_POLL_READ, PLAIT_POLL_READ);
}

/* Who says nothing is accepted when the time is over; each has its own. */
static void test_defer_accept_has_an_end(void **state) {
    (void)state;
    plait_sock listener = deferring(10), server = 0;
    (void)connect_to(PLAIT_IPV4, 80);
    pair_run(&pair, 5 * SECOND);
    (void)connect_to(PLAIT_IPV6, 80);
    pair_run(&pair, 4 * SECOND);
    assert_int_equal(plait_accept(B, listener, &server), PLAIT_E_AGAIN);
    pair_run(&pair, SECOND);
    assert_int_equal(plait_accept(B, listener, &server), 0);
    assert_int_equal(plait_accept(B, listener, &server), PLAIT_E_AGAIN);
    pair_run(&pair, 5 * SECOND);
    assert_int_equal(plait_accept(B, listener, &server), 0);
    (void)connect_to(PLAIT_IPV4, 80);
    plait_close(B, listener, pair.now); /* with one that waits */
    pair_run(&pair, 20 * SECOND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_values),
        TEST(test_some_only_before_the_connection),
        TEST(test_accepted_sockets_inherit),
        TEST(test_events_carry_the_user_word),
        TEST(test_names),
        TEST(test_text),
        TEST(test_ranges),
        TEST(test_tuning_is_inherited),
        TEST(test_v6only),
        TEST(test_reuseaddr),
        TEST(test_freebind),
        TEST(test_transparent),
        TEST(test_defer_accept),
        TEST(test_defer_accept_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

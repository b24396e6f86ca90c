/* socket/attempts: which paths a connect tries, and when. */
#include "socket/attempts.h"

#include "socket_test.h"
#include "wire/addr.h"

static plait_sock listener;

static int setup_paths(void **state) {
    (void)state;
    struct pair_setup two = {.paths = 2};
    pair_init(&pair, &two);
    listener = pair_listen(&pair, 80);
    return 0;
}

static plait_sock start(plait_sock sock, enum plait_family family, int expected) {
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, family, 80);
    if (sock == 0) {
        sock = open_on(A);
    }
    assert_int_equal(plait_connect(A, sock, &remote, pair.now), expected);
    return sock;
}

static unsigned path_of(plait_sock sock) {
    struct plait_endpoint local;
    assert_int_equal(plait_local(A, sock, &local), 0);
    for (unsigned path = 0; path < pair.paths; path++) {
        struct plait_addr v4 = pair_addr(PAIR_A, path, PLAIT_IPV4);
        struct plait_addr v6 = pair_addr(PAIR_A, path, PLAIT_IPV6);
        if (pl_addr_equal(&v4, &local.addr) || pl_addr_equal(&v6, &local.addr)) {
            return path;
        }
    }
    return PAIR_PATHS_MAX;
}

static bool connects(plait_sock sock, uint64_t ns) {
    return pair_wait_event(&pair, PAIR_A, sock, PLAIT_EVENT_CONNECTED, ns, NULL);
}

static void test_the_first_path_is_used(void **state) {
    (void)state;
    plait_sock sock = start(0, PLAIT_IPV6, 0);
    assert_true(connects(sock, SECOND));
    assert_int_equal(path_of(sock), 0);
    pair_run(&pair, 5 * SECOND);
    assert_int_equal(pair.sent[PAIR_A][1], 0);
    assert_int_equal(connections(PAIR_A), 1);
}

static void test_a_dead_path_is_passed_over(void **state) {
    (void)state;
    pair.path[0].cut = true;
    plait_sock sock = start(0, PLAIT_IPV4, 0);
    assert_false(connects(sock, 900 * MS));
    assert_int_equal(connections(PAIR_A), 1);
    assert_true(connects(sock, 200 * MS));
    assert_int_equal(path_of(sock), 1);
    assert_int_equal(connections(PAIR_A), 1);
    plait_sock server = 0;
    assert_int_equal(plait_accept(B, listener, &server), PLAIT_E_AGAIN);
    pair_run(&pair, 100 * MS);
    assert_int_equal(plait_accept(B, listener, &server), 0);
    assert_true(pair_transfer(&pair, PAIR_A, sock, server, 100000, 20 * SECOND));
}

/* The slower path answers too: its answer is for nobody, and is reset. */
static void test_a_slow_loser_is_reset(void **state) {
    (void)state;
    pair.path[0].delay_ns = 600 * MS;
    plait_sock sock = start(0, PLAIT_IPV4, 0), server = 0, other = 0;
    assert_true(connects(sock, 1100 * MS));
    assert_int_equal(path_of(sock), 1);
    pair_run(&pair, 5 * SECOND);
    assert_int_equal(plait_accept(B, listener, &server), 0);
    assert_int_equal(plait_accept(B, listener, &other), PLAIT_E_AGAIN);
    assert_int_equal(connections(PAIR_B), 1);
    assert_true(pair_transfer(&pair, PAIR_B, server, sock, 100000, 20 * SECOND));
}

static void test_a_slow_first_path_may_still_win(void **state) {
    (void)state;
    pair.path[0].delay_ns = 600 * MS;
    pair.path[1].delay_ns = 700 * MS;
    plait_sock sock = start(0, PLAIT_IPV4, 0);
    assert_true(connects(sock, 1300 * MS));
    assert_int_equal(path_of(sock), 0);
    assert_int_equal(connections(PAIR_A), 1);
}

static void test_a_refusal_is_the_answer(void **state) {
    (void)state;
    assert_int_equal(plait_close(B, listener, pair.now), 0);
    plait_sock sock = start(0, PLAIT_IPV4, 0);
    struct plait_event event;
    assert_true(pair_wait_event(&pair, PAIR_A, sock, PLAIT_EVENT_ERROR, 500 * MS, &event));
    assert_int_equal(event.error, PLAIT_E_REFUSED);
    assert_int_equal(pair.sent[PAIR_A][1], 0);
}

static void test_a_removed_port_is_passed_over_at_once(void **state) {
    (void)state;
    pair.path[0].cut = true;
    plait_sock sock = start(0, PLAIT_IPV4, 0);
    pair_run(&pair, 10 * MS);
    assert_int_equal(plait_port_remove(A, pair.path[0].port[PAIR_A], pair.now), 0);
    assert_true(connects(sock, 100 * MS));
    assert_int_equal(path_of(sock), 1);
}

static void test_backups_come_last(void **state) {
    (void)state;
    struct plait_addr first = pair_addr(PAIR_A, 0, PLAIT_IPV4);
    assert_int_equal(plait_address_set_backup(A, pair.path[0].port[PAIR_A], &first, true, pair.now),
                     0);
    plait_sock sock = start(0, PLAIT_IPV4, 0);
    assert_true(connects(sock, SECOND));
    assert_int_equal(path_of(sock), 1);
}

static void test_masks_and_bindings(void **state) {
    (void)state;
    plait_sock sock = open_on(A);
    int64_t second = INT64_C(1) << pair.path[1].port[PAIR_A];
    assert_int_equal(plait_set(A, sock, PLAIT_OPT_PORT_MASK, second), 0);
    start(sock, PLAIT_IPV4, 0);
    assert_true(connects(sock, SECOND));
    assert_int_equal(path_of(sock), 1);
    sock = open_on(A);
    assert_int_equal(plait_set(A, sock, PLAIT_OPT_PORT_MASK, INT64_C(1) << 40), 0);
    start(sock, PLAIT_IPV4, PLAIT_E_NO_ADDRESS);
    assert_int_equal(pair_get(&pair, PAIR_A, sock, PLAIT_OPT_STATE), PLAIT_SOCKET_NEW);
    sock = open_on(A);
    assert_int_equal(plait_bind(A, sock, pair.path[1].port[PAIR_A], NULL, 5555), 0);
    start(sock, PLAIT_IPV6, 0);
    assert_true(connects(sock, SECOND));
    assert_int_equal(path_of(sock), 1);
    struct plait_endpoint local;
    assert_int_equal(plait_local(A, sock, &local), 0);
    assert_int_equal(local.port, 5555);
    plait_sock again = open_on(A);
    assert_int_equal(plait_bind(A, again, pair.path[1].port[PAIR_A], NULL, 5555), 0);
    start(again, PLAIT_IPV6, PLAIT_E_IN_USE);
    struct plait_addr v4 = pair_addr(PAIR_A, 1, PLAIT_IPV4);
    sock = open_on(A);
    assert_int_equal(plait_bind(A, sock, 0, &v4, 0), 0);
    start(sock, PLAIT_IPV6, PLAIT_E_NO_ADDRESS); /* the wrong family */
    start(sock, PLAIT_IPV4, 0);
    assert_int_equal(path_of(sock), 1);
}

static void test_destroyed_while_trying(void **state) {
    (void)state;
    pair.path[0].cut = true;
    pair.path[1].cut = true;
    start(0, PLAIT_IPV4, 0);
    plait_sock closed = start(0, PLAIT_IPV6, 0);
    pair_run(&pair, 3 * SECOND);
    assert_int_equal(connections(PAIR_A), 4);
    plait_stack_check(A);
    assert_int_equal(plait_close(A, closed, pair.now), 0);
    assert_int_equal(connections(PAIR_A), 2);
}

/* Ports where programs are, and ports for plain TCP. */
static void test_kinds_of_ports(void **state) {
    (void)state;
    pair_fini(&pair);
    struct pair_setup kinds = {.port_flags = {PLAIT_PORT_ANY_ADDRESS, 0}};
    pair_init(&pair, &kinds);
    listener = pair_listen(&pair, 80);
    plait_sock sock = start(0, PLAIT_IPV4, PLAIT_E_NO_ADDRESS);
    struct plait_addr any = {.bytes = {192, 0, 2, 7}, .family = PLAIT_IPV4};
    assert_int_equal(plait_bind(A, sock, pair.path[0].port[PAIR_A], &any, 0), 0);
    start(sock, PLAIT_IPV4, 0);
    assert_true(connects(sock, SECOND));
    struct plait_endpoint local;
    assert_int_equal(plait_local(A, sock, &local), 0);
    assert_true(pl_addr_equal(&local.addr, &any));
    pair_fini(&pair);
    kinds.port_flags[PAIR_A] = PLAIT_PORT_NO_MPTCP;
    pair_init(&pair, &kinds);
    plait_sock server = 0;
    listener = pair_listen(&pair, 80);
    sock = pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
    assert_int_equal(pair_get(&pair, PAIR_A, sock, PLAIT_OPT_IS_MPTCP), 0);
    assert_int_equal(pair_counter(&pair, PAIR_A, PLAIT_COUNTER_MPCapableSYNTX), 0);
}

#define PATHS_TEST(f) cmocka_unit_test_setup_teardown(f, setup_paths, teardown)

/* ---- Fast Open ---- */

/* A plain socket that wants it; the listener does, too. */
static plait_sock start_fast(void) {
    plait_sock sock = open_on(A);
    assert_int_equal(plait_set(B, listener, PLAIT_OPT_FASTOPEN, 8), 0);
    assert_int_equal(plait_set(A, sock, PLAIT_OPT_MPTCP, 0), 0);
    assert_int_equal(plait_set(A, sock, PLAIT_OPT_FASTOPEN_CONNECT, 1), 0);
    return start(sock, PLAIT_IPV4, 0);
}

static void fetch_cookie(void) {
    plait_sock sock = start_fast(), accepted = 0;
    assert_true(connects(sock, SECOND));
    pair_run(&pair, 10 * MS);
    assert_int_equal(plait_accept(B, listener, &accepted), 0);
    plait_close(A, sock, pair.now);
    plait_close(B, accepted, pair.now);
    pair_run(&pair, SECOND);
}

static void test_the_first_write_is_in_the_syn(void **state) {
    (void)state;
    plait_sock accepted = 0;
    char got[20];
    fetch_cookie();
    plait_sock sock = start_fast();
    uint64_t sent = pair.sent[PAIR_A][0];
    assert_true(drain(PAIR_A, sock) & UINT32_C(1) << PLAIT_EVENT_WRITABLE);
    assert_int_equal(plait_poll(A, sock), PLAIT_POLL_WRITE);
    pair_run(&pair, 5 * SECOND);
    assert_int_equal(pair.sent[PAIR_A][0], sent);
    assert_int_equal(plait_write(A, sock, "hello", 5, pair.now), 5);
    assert_int_equal(plait_poll(A, sock), 0);
    pair_run(&pair, 6 * MS); /* half a round trip is 5 ms */
    assert_int_equal(plait_accept(B, listener, &accepted), 0);
    assert_int_equal(plait_read(B, accepted, got, sizeof(got), pair.now), 5);
    assert_int_equal(pair_get(&pair, PAIR_A, sock, PLAIT_OPT_STATE), PLAIT_SOCKET_CONNECTING);
    assert_true(connects(sock, SECOND));
    assert_int_equal(pair_counter(&pair, PAIR_A, PLAIT_COUNTER_TCPFastOpenActive), 1);
    assert_true(pair_transfer(&pair, PAIR_B, accepted, sock, 100000, 5 * SECOND));
    assert_int_equal(pair.sent[PAIR_A][1], 0);
}

/* The bytes are with the one attempt, so there is no other. */
static void test_bytes_stay_on_their_path(void **state) {
    (void)state;
    fetch_cookie();
    pair.path[0].cut = true;
    plait_sock sock = start_fast();
    assert_int_equal(plait_write(A, sock, "hello", 5, pair.now), 5);
    pair_run(&pair, 5 * SECOND);
    assert_int_equal(pair.sent[PAIR_A][1], 0);
    pair.path[0].cut = false;
    assert_true(connects(sock, 10 * SECOND));
    assert_int_equal(pair_counter(&pair, PAIR_A, PLAIT_COUNTER_TCPFastOpenBlackhole), 1);
}

static void test_no_path_is_left_when_the_bytes_come(void **state) {
    (void)state;
    fetch_cookie();
    plait_sock sock = start_fast();
    for (unsigned path = 0; path < pair.paths; path++) {
        assert_int_equal(plait_port_set_up(A, pair.path[path].port[PAIR_A], false, pair.now), 0);
    }
    plait_stack_check(A);
    assert_int_equal(plait_write(A, sock, "hello", 5, pair.now), PLAIT_E_NO_ADDRESS);
    assert_int_equal(pair_get(&pair, PAIR_A, sock, PLAIT_OPT_STATE), PLAIT_SOCKET_DEAD);
    plait_stack_check(A);
}

static void test_given_up_before_the_bytes_come(void **state) {
    (void)state;
    fetch_cookie();
    uint32_t before = connections(PAIR_A);
    plait_sock sock = start_fast();
    plait_stack_check(A);
    assert_int_equal(connections(PAIR_A), before);
    assert_int_equal(plait_close(A, sock, pair.now), 0);
    sock = start_fast();
    assert_int_equal(plait_abort(A, sock, PLAIT_E_ABORTED, pair.now), 0);
    (void)start_fast(); /* for the end of the stack */
}

/* The cookie is there; then an allocation fails. Nothing is lost but, at worst, the connection. */
static void test_fast_open_without_memory(void **state) {
    (void)state;
    fetch_cookie();
    struct test_env *env = &pair.env[PAIR_A];
    uint64_t calls = 30;
    for (uint64_t n = 1; n <= calls; n++) {
        struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 80);
        plait_sock sock = open_on(A), accepted = 0;
        assert_int_equal(plait_set(A, sock, PLAIT_OPT_MPTCP, 0), 0);
        assert_int_equal(plait_set(A, sock, PLAIT_OPT_FASTOPEN_CONNECT, 1), 0);
        env->fail_at = env->alloc_count + n;
        int error = plait_connect(A, sock, &remote, pair.now);
        if (error == 0) {
            (void)!plait_write(A, sock, "hello", 5, pair.now);
        }
        pair_run(&pair, SECOND);
        plait_stack_check(A);
        while (plait_accept(B, listener, &accepted) == 0) {
            plait_close(B, accepted, pair.now);
        }
        plait_close(A, sock, pair.now);
        env->fail_at = 0;
        pair_run(&pair, SECOND);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PATHS_TEST(test_the_first_path_is_used),
        PATHS_TEST(test_a_dead_path_is_passed_over),
        PATHS_TEST(test_a_slow_loser_is_reset),
        PATHS_TEST(test_a_slow_first_path_may_still_win),
        PATHS_TEST(test_a_refusal_is_the_answer),
        PATHS_TEST(test_a_removed_port_is_passed_over_at_once),
        PATHS_TEST(test_backups_come_last),
        PATHS_TEST(test_masks_and_bindings),
        PATHS_TEST(test_destroyed_while_trying),
        PATHS_TEST(test_kinds_of_ports),
        PATHS_TEST(test_the_first_write_is_in_the_syn),
        PATHS_TEST(test_bytes_stay_on_their_path),
        PATHS_TEST(test_no_path_is_left_when_the_bytes_come),
        PATHS_TEST(test_given_up_before_the_bytes_come),
        PATHS_TEST(test_fast_open_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

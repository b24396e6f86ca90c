/* socket/info: addresses, subflows, connection. */
#include "socket_test.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_addresses),
        PAIR_TEST(test_subflows),
        PAIR_TEST(test_connection),
        PAIR_TEST(test_a_shorter_struct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* stack/demux: ephemeral ports, initial sequence numbers, time-stamp offsets, tokens. */
#include "stack/demux.h"

#include "stack_test.h"

static struct pl_tcp_tuple tuple_to(const char *remote, uint16_t local_port) {
    return (struct pl_tcp_tuple){.local = addr("10.0.0.2"),
                                 .remote = addr(remote),
                                 .local_port = local_port,
                                 .remote_port = 80};
}

static void test_initial_sequence_numbers(void **state) {
    (void)state;
    struct pl_tcp_tuple a = tuple_to("10.0.0.1", 1000), b = tuple_to("10.0.0.1", 1001);
    plait_tick(stack, now);
    uint32_t first = pl_demux_iss(stack, &a).v, other = pl_demux_iss(stack, &b).v;
    assert_int_not_equal(first, other);
    plait_tick(stack, now + 4000 * 1000); /* 250,000 a second */
    assert_int_equal(pl_demux_iss(stack, &a).v - first, 1000);
    assert_int_equal(pl_demux_iss(stack, &b).v - other, 1000);
}

static void test_time_stamp_offsets_are_of_hosts(void **state) {
    (void)state;
    struct pl_tcp_tuple a = tuple_to("10.0.0.1", 1000), b = tuple_to("10.0.0.1", 1001);
    struct pl_tcp_tuple c = tuple_to("10.0.0.3", 1000);
    uint32_t offset = pl_demux_ts_offset(stack, &a);
    assert_int_equal(offset, pl_demux_ts_offset(stack, &b));
    assert_int_not_equal(offset, pl_demux_ts_offset(stack, &c));
    plait_tick(stack, now + SECOND);
    assert_int_equal(offset, pl_demux_ts_offset(stack, &a));
}

static plait_sock dial(const char *remote, uint16_t *local_port) {
    plait_sock sock = 0;
    struct plait_endpoint to = {.addr = addr(remote), .port = 80}, local;
    assert_int_equal(plait_open(stack, &sock), 0);
    assert_int_equal(plait_connect(stack, sock, &to, now), 0);
    assert_int_equal(plait_local(stack, sock, &local), 0);
    *local_port = local.port;
    return sock;
}

static void test_ephemeral_ports(void **state) {
    (void)state;
    static uint8_t used[65536];
    memset(used, 0, sizeof(used));
    unsigned neighbours = 0;
    uint16_t before = 0;
    for (unsigned i = 0; i < 500; i++) {
        uint16_t local_port = 0;
        dial(i % 2 == 0 ? "10.0.0.1" : "10.0.0.3", &local_port);
        assert_true(local_port >= 32768 && local_port <= 60999);
        used[local_port]++;
        assert_true(used[local_port] <= 2); /* once per destination */
        neighbours += local_port == before + 1;
        before = local_port;
    }
    assert_true(neighbours < 10); /* one destination says nothing about the next */
    plait_stack_check(stack);
}

static void test_all_ephemeral_ports_used(void **state) {
    (void)state;
    struct pl_tcp_tuple tuple = tuple_to("10.0.0.1", 0);
    uint16_t first = pl_demux_ephemeral(stack, port, &tuple);
    uint16_t local_port = 0;
    for (unsigned i = 0; i < 28232; i++) {
        dial("10.0.0.1", &local_port);
    }
    assert_int_not_equal(first, 0);
    assert_int_equal(pl_demux_ephemeral(stack, port, &tuple), 0);
    plait_sock sock = 0;
    struct plait_endpoint to = {.addr = addr("10.0.0.1"), .port = 80};
    assert_int_equal(plait_open(stack, &sock), 0);
    assert_int_equal(plait_connect(stack, sock, &to, now), PLAIT_E_IN_USE);
    to.port = 81;
    assert_int_equal(plait_connect(stack, sock, &to, now), 0);
}

/* RFC 8684 section 3.9.1: a port is reserved at all addresses, so that a join can have that of the
 * first subflow; rather than none, one is given that is free at the one address. */
static void test_reserved_at_all_addresses(void **state) {
    (void)state;
    static bool used[65536];
    plait_port_id other = add_port(0);
    assert_true(add_address(other, "10.0.1.2") > 0);
    struct pl_tcp_tuple tuple = {.local = addr("10.0.1.2"), .remote = addr("10.0.0.1")};
    tuple.remote_port = 80;
    memset(used, 0, sizeof(used));
    for (unsigned i = 0; i < 28232; i++) {
        uint16_t local_port = 0;
        if (i % 100 == 0) {
            uint16_t chosen = pl_demux_ephemeral(stack, other, &tuple);
            assert_int_not_equal(chosen, 0);
            assert_false(used[chosen]);
        }
        dial("10.0.0.1", &local_port);
        used[local_port] = true;
    }
    assert_int_not_equal(pl_demux_ephemeral(stack, other, &tuple), 0);
    tuple.remote = addr("10.0.0.3"); /* whom nobody talks to */
    assert_int_not_equal(pl_demux_ephemeral(stack, other, &tuple), 0);
}

static void test_flows_and_tokens_are_found(void **state) {
    (void)state;
    uint16_t local_port = 0;
    plait_sock sock = dial("10.0.0.1", &local_port);
    struct pl_tcp_tuple tuple = tuple_to("10.0.0.1", local_port);
    struct pl_subflow *sf = pl_demux_flow(stack, port, &tuple);
    assert_non_null(sf);
    assert_null(pl_demux_flow(stack, port + 1, &tuple));
    struct plait_connection_info info = {0};
    assert_int_equal(plait_connection(stack, sock, &info), 0);
    assert_ptr_equal(pl_demux_token(stack, info.token_local), pl_subflow_conn(sf));
    assert_null(pl_demux_token(stack, info.token_local + 1));
    assert_false(pl_demux_token_add(stack, pl_subflow_conn(sf))); /* taken, by itself */
    assert_int_equal(plait_close(stack, sock, now), 0);
    assert_null(pl_demux_flow(stack, port, &tuple));
    assert_null(pl_demux_token(stack, info.token_local));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_initial_sequence_numbers),  TEST(test_time_stamp_offsets_are_of_hosts),
        TEST(test_ephemeral_ports),           TEST(test_all_ephemeral_ports_used),
        TEST(test_reserved_at_all_addresses), TEST(test_flows_and_tokens_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* socket/owner: events towards the application; several paths; memory that runs out at every call.
 */
#include "socket/owner.h"

#include "socket_test.h"

static const struct pair_setup two_paths = {
    .paths = 2,
    .address_flags = {PLAIT_ADDRESS_SUBFLOW, PLAIT_ADDRESS_SIGNAL},
    .ipv4_only = true,
};

#define BIT(type) (UINT32_C(1) << PLAIT_EVENT_##type)

static void test_events_of_a_connection(void **state) {
    (void)state;
    plait_sock listener = pair_listen(&pair, 80), client = open_on(A), server = 0;
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 80);
    assert_int_equal(plait_connect(A, client, &remote, pair.now), 0);
    pair_run(&pair, SECOND);
    uint32_t seen = drain(PAIR_A, client);
    assert_int_equal(seen, BIT(CONNECTED) | BIT(WRITABLE) | BIT(SF_ESTABLISHED));
    assert_int_equal(plait_write(A, client, "x", 1, pair.now), 1);
    pair_run(&pair, SECOND);
    assert_int_equal(drain(PAIR_B, listener), BIT(ACCEPT));
    assert_int_equal(plait_accept(B, listener, &server), 0);
    assert_int_equal(drain(PAIR_B, server), BIT(READABLE) | BIT(WRITABLE));
    assert_int_equal(plait_abort(B, server, 0, pair.now), 0);
    pair_run(&pair, SECOND);
    seen = drain(PAIR_A, client);
    assert_true((seen & BIT(ERROR)) != 0);
    assert_int_equal(drain(PAIR_B, server), 0);
}

static void test_many_packets_are_one_readable(void **state) {
    (void)state;
    plait_sock listener = pair_listen(&pair, 80), server = 0;
    plait_sock client = pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
    drain(PAIR_B, server);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(plait_write(A, client, "0123456789", 10, pair.now), 10);
        pair_run(&pair, 20 * MS);
    }
    unsigned readable = 0;
    struct plait_event event;
    while (plait_event_next(B, &event)) {
        readable += event.type == PLAIT_EVENT_READABLE;
    }
    assert_int_equal(readable, 1);
}

static void test_no_events_after_close(void **state) {
    (void)state;
    plait_sock listener = pair_listen(&pair, 80), server = 0;
    plait_sock client = pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
    assert_int_equal(plait_write(A, client, "x", 1, pair.now), 1);
    pair_run(&pair, SECOND);
    assert_int_equal(plait_close(B, server, pair.now), 0);
    assert_int_equal(plait_close(A, client, pair.now), 0);
    assert_int_equal(plait_close(B, listener, pair.now), 0);
    pair_run(&pair, SECOND);
    struct plait_event event;
    assert_false(plait_event_next(A, &event));
    assert_false(plait_event_next(B, &event));
}

/* Subflows that are established over a port of A. */
static unsigned subflows_over(plait_sock sock, plait_port_id port) {
    struct plait_subflow_info info[8];
    int count = plait_subflows(A, sock, info, 8);
    unsigned up = 0;
    for (int i = 0; i < count && i < 8; i++) {
        up += info[i].established && info[i].port == port;
    }
    return up;
}

struct over {
    plait_sock sock;
    plait_port_id port;
};

static bool some_over(struct stack_pair *p, void *arg) {
    const struct over *over = arg;
    (void)p;
    return subflows_over(over->sock, over->port) > 0;
}

static bool none_over(struct stack_pair *p, void *arg) {
    return !some_over(p, arg);
}

/* Two paths: the second is joined, lost with its port and joined again. */
static void test_paths_come_and_go(void **state) {
    (void)state;
    pair_fini(&pair);
    pair_init(&pair, &two_paths);
    plait_sock listener = pair_listen(&pair, 80), server = 0;
    plait_sock client = pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
    struct over second = {client, pair.path[1].port[PAIR_A]};
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 10000, 10 * SECOND));
    assert_true(pair_run_until(&pair, some_over, &second, 10 * SECOND));
    pair_run(&pair, SECOND);
    assert_true((drain(PAIR_A, client) & BIT(SF_ESTABLISHED)) != 0);
    assert_int_equal(plait_port_set_up(A, second.port, false, pair.now), 0);
    assert_true(pair_run_until(&pair, none_over, &second, SECOND));
    struct plait_event event;
    assert_true(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_SF_CLOSED, SECOND, &event));
    assert_int_equal(event.port, second.port);
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 500000, 20 * SECOND));
    assert_int_equal(plait_port_set_up(A, second.port, true, pair.now), 0);
    assert_true(pair_run_until(&pair, some_over, &second, 20 * SECOND));
    pair_run(&pair, SECOND);
    assert_int_equal(plait_port_remove(A, pair.path[0].port[PAIR_A], pair.now), 0);
    assert_true(pair_transfer(&pair, PAIR_B, server, client, 500000, 20 * SECOND));
    assert_int_equal(plait_port_remove(A, second.port, pair.now), 0);
    plait_stack_check(A);
    pair_run(&pair, 90 * SECOND); /* no path for longer than no_subflow_ns */
    assert_int_equal(pair_get(&pair, PAIR_A, client, PLAIT_OPT_STATE), PLAIT_SOCKET_DEAD);
}

/* An address that is announced with a TCP port is joined there, though nothing listens on it; a
 * join to any other TCP port is refused. */
static void test_joins_to_an_announced_tcp_port(void **state) {
    (void)state;
    pair_fini(&pair);
    pair_init(&pair, &two_paths);
    struct plait_addr second = pair_addr(PAIR_B, 1, PLAIT_IPV4);
    plait_port_id port_b = pair.path[1].port[PAIR_B];
    assert_int_equal(plait_address_remove(B, port_b, &second, pair.now), 0);
    assert_true(plait_address_add(B, port_b, &second, PLAIT_ADDRESS_SIGNAL, 8888, 0, pair.now) > 0);
    plait_sock listener = pair_listen(&pair, 80), server = 0;
    plait_sock client = pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
    assert_true(pair_transfer(&pair, PAIR_A, client, server, 10000, 10 * SECOND));
    pair_run(&pair, 5 * SECOND);
    struct plait_subflow_info info[8];
    int count = plait_subflows(A, client, info, 8);
    unsigned announced = 0;
    for (int i = 0; i < count && i < 8; i++) {
        announced += info[i].established && info[i].remote.port == 8888;
    }
    assert_true(announced > 0);
    assert_int_equal(pair_counter(&pair, PAIR_B, PLAIT_COUNTER_MPJoinRejected), 0);
}

/* ---- every allocation fails once ---- */

static void pump(struct stack_pair *p, unsigned side, plait_sock sock, bool writes) {
    uint8_t block[3000] = {0};
    int64_t n = 1;
    if (writes) {
        n = plait_write(p->stack[side], sock, block, sizeof(block), p->now);
        assert_true(n != PLAIT_E_INTERNAL);
    }
    n = plait_read(p->stack[side], sock, block, sizeof(block), p->now);
    assert_true(n != PLAIT_E_INTERNAL);
}

/* A whole life; every call may say NO_MEMORY, none may break anything. */
static void live(void) {
    plait_sock listener = 0, client = 0, server = 0;
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, 80);
    bool ok = plait_open(B, &listener) == 0 && plait_bind(B, listener, 0, NULL, 80) == 0 &&
              plait_listen(B, listener, 4) == 0;
    ok = ok && plait_open(A, &client) == 0 && plait_connect(A, client, &remote, pair.now) == 0;
    for (unsigned i = 0; ok && i < 40; i++) {
        pair_run(&pair, 100 * MS);
        if (server == 0 && plait_accept(B, listener, &server) != 0) {
            server = 0;
        }
        pump(&pair, PAIR_A, client, i < 10);
        pump(&pair, PAIR_B, server, i < 5);
    }
    plait_stack_check(A);
    plait_stack_check(B);
    plait_close(A, client, pair.now);
    plait_close(B, server, pair.now);
    plait_close(B, listener, pair.now);
    pair_run(&pair, 10 * SECOND);
}

static uint64_t live_with_failures(unsigned side, uint64_t fail_at, bool fail_after) {
    pair_init(&pair, &two_paths);
    pair.env[side].fail_at = fail_at == 0 ? 0 : pair.env[side].alloc_count + fail_at;
    pair.env[side].fail_after = fail_after;
    uint64_t before = pair.env[side].alloc_count;
    live();
    uint64_t calls = pair.env[side].alloc_count - before;
    pair.env[side].fail_at = 0;
    pair_fini(&pair);
    return calls;
}

static void test_every_allocation_fails_once(void **state) {
    (void)state;
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        uint64_t calls = live_with_failures(side, 0, false);
        assert_true(calls > 50);
        for (uint64_t n = 1; n <= calls; n++) {
            live_with_failures(side, n, false);
        }
    }
}

static void test_memory_ends_at_every_allocation(void **state) {
    (void)state;
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        uint64_t calls = live_with_failures(side, 0, false);
        for (uint64_t n = 1; n <= calls; n += 3) {
            live_with_failures(side, n, true);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_events_of_a_connection),
        TEST(test_many_packets_are_one_readable),
        TEST(test_no_events_after_close),
        TEST(test_paths_come_and_go),
        TEST(test_joins_to_an_announced_tcp_port),
        cmocka_unit_test(test_every_allocation_fails_once),
        cmocka_unit_test(test_memory_ends_at_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

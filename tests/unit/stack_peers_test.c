/* stack/peers: what is remembered of servers, for how long, and of how many. */
#include "stack/peers.h"

#include "stack_test.h"

static struct pl_conn_fastopen plan;

static struct plait_endpoint server(unsigned number, uint16_t tcp_port) {
    struct plait_endpoint e = {.addr = addr("10.0.1.1"), .port = tcp_port};
    e.addr.bytes[2] = (uint8_t)(number >> 8);
    e.addr.bytes[3] = (uint8_t)number;
    return e;
}

static bool may(unsigned number, uint16_t tcp_port) {
    struct plait_addr local = addr("10.0.0.2");
    struct plait_endpoint remote = server(number, tcp_port);
    return pl_peers_plan(stack, &local, &remote, &plan);
}

static void learn(unsigned number, uint16_t tcp_port, const struct pl_conn_fastopen *result,
                  bool failed) {
    struct plait_endpoint remote = server(number, tcp_port);
    struct pl_tcp_tuple tuple = {
        .local = addr("10.0.0.2"), .remote = remote.addr, .local_port = 5, .remote_port = tcp_port};
    pl_peers_learn(stack, &tuple, result, failed);
    pl_peers_check(stack);
}

static struct pl_conn_fastopen granted(uint8_t first) {
    struct pl_conn_fastopen result = {.said = true, .answered = true, .granted = true, .mss = 1300};
    result.grant = (struct pl_tcp_cookie){.len = 8, .bytes = {first}};
    return result;
}

static void test_a_cookie_is_for_two_addresses(void **state) {
    (void)state;
    struct pl_conn_fastopen result = granted(7);
    assert_true(may(1, 80));
    assert_int_equal(plan.cookie.len, 0);
    learn(1, 80, &result, false);
    assert_true(may(1, 443)); /* cookies do not depend on ports */
    assert_int_equal(plan.cookie.len, 8);
    assert_int_equal(plan.cookie.bytes[0], 7);
    assert_int_equal(plan.mss, 1300);
    assert_true(may(2, 80));
    assert_int_equal(plan.cookie.len, 0);
    struct plait_addr other = addr("10.0.0.3");
    struct plait_endpoint remote = server(1, 80);
    assert_true(pl_peers_plan(stack, &other, &remote, &plan));
    assert_int_equal(plan.cookie.len, 0);
    result = granted(9); /* the newest counts */
    learn(1, 80, &result, false);
    assert_true(may(1, 80));
    assert_int_equal(plan.cookie.bytes[0], 9);
}

static void test_trouble_lasts_longer_each_time(void **state) {
    (void)state;
    struct pl_conn_fastopen lost = {.said = true, .repeated = true, .sent_bytes = 100};
    uint64_t off = 60 * SECOND;
    for (unsigned i = 0; i < 14; i++) {
        assert_true(may(1, 80));
        learn(1, 80, &lost, false);
        now += off - 1;
        plait_tick(stack, now);
        assert_false(may(1, 80));
        assert_true(may(1, 81));
        now += 1;
        plait_tick(stack, now);
        off *= i < 10 ? 2 : 1;
    }
    assert_int_equal(counter(PLAIT_COUNTER_TCPFastOpenBlackhole), 14);
    struct pl_conn_fastopen good = {
        .said = true, .answered = true, .sent_bytes = 100, .acked_bytes = 100};
    learn(1, 80, &good, false);
    assert_int_equal(counter(PLAIT_COUNTER_TCPFastOpenActive), 1);
    learn(1, 80, &lost, false);
    now += 60 * SECOND;
    plait_tick(stack, now);
    assert_true(may(1, 80)); /* it began anew */
}

static void test_what_is_trouble(void **state) {
    (void)state;
    const struct {
        struct pl_conn_fastopen result;
        bool failed, trouble;
    } rows[] = {
        {{.said = false}, true, false},
        {{.said = true}, false, false}, /* given up at once */
        {{.said = true}, true, true},
        {{.said = true, .repeated = true}, false, true},
        {{.said = true, .answered = true}, false, true}, /* asked, and got none */
        {{.said = true, .answered = true, .cookie = {.len = 8}}, false, false},
        {{.said = true, .answered = true, .cookie = {.len = 8}, .sent_bytes = 9}, false, true},
        {{.said = true, .answered = true, .granted = true, .sent_bytes = 9}, false, false},
        {{.said = true, .answered = true, .sent_bytes = 9, .acked_bytes = 1}, false, false},
        {{.said = true, .answered = true, .sent_bytes = 9, .acked_bytes = 9, .repeated = true},
         false,
         false},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        learn(i, 80, &rows[i].result, rows[i].failed);
        assert_int_equal(may(i, 80), !rows[i].trouble);
    }
}

/* Of the ports with trouble, four are remembered; those whose trouble ends last. */
static void test_many_ports(void **state) {
    (void)state;
    struct pl_conn_fastopen lost = {.said = true, .repeated = true, .sent_bytes = 1};
    for (uint16_t tcp_port = 1; tcp_port <= 5; tcp_port++) {
        learn(1, tcp_port, &lost, false);
        now += SECOND;
        plait_tick(stack, now);
    }
    assert_true(may(1, 1));
    for (uint16_t tcp_port = 2; tcp_port <= 5; tcp_port++) {
        assert_false(may(1, tcp_port));
    }
}

static void test_the_oldest_goes(void **state) {
    (void)state;
    struct pl_conn_fastopen result = granted(7);
    for (unsigned i = 0; i < PL_PEERS_MAX; i++) {
        learn(i, 80, &result, false);
    }
    assert_true(may(0, 80)); /* used again: 1 is the oldest now */
    learn(PL_PEERS_MAX, 80, &result, false);
    assert_int_equal(stack->peers.count, PL_PEERS_MAX);
    assert_true(may(1, 80) && plan.cookie.len == 0);
    assert_true(may(0, 80) && plan.cookie.len == 8);
    assert_true(may(2, 80) && plan.cookie.len == 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_cookie_is_for_two_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trouble_lasts_longer_each_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_trouble, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_ports, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_oldest_goes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

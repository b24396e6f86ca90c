/* mptcp/multipath: what an application wants of the paths, as the connection carries it out. What
 * the calls do is in socket_multipath_test.c. */
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"
#include "mptcp_test.h"
#include "plait/multipath.h"
#include "socket/table.h"

#define S PLAIT_NS_PER_S
#define A (l.pair.stack[PAIR_A])

static struct link l;

static struct pl_conn *conn(void) {
    return pl_table_find(A, l.a)->sc->conn;
}

static void begin(unsigned paths, const struct plait_config *config) {
    link_init(&l, paths, config);
    link_connect(&l);
    link_transfer(&l, 1000);
    pair_run(&l.pair, 2 * S);
}

static int take_away(unsigned path) {
    struct plait_local local = {.addr = pair_addr(PAIR_A, path, PLAIT_IPV4)};
    return plait_multipath_remove(A, l.a, &local, 1, l.pair.now);
}

/* An application may ask for less than the stack allows, not for more. */
static void test_limits(void **state) {
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.subflows_max = 4;
    config.add_addr_accepted_max = 3;
    begin(1, &config);
    assert_int_equal(pl_conn_subflows_max(conn()), 4);
    assert_int_equal(pl_conn_add_addr_accepted_max(conn()), 3);
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_SUBFLOWS_MAX, 2), 0);
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_ADD_ADDR_ACCEPTED, 0), 0);
    assert_int_equal(pl_conn_subflows_max(conn()), 2);
    assert_int_equal(pl_conn_add_addr_accepted_max(conn()), 0);
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_SUBFLOWS_MAX, 8), 0);
    assert_int_equal(pl_conn_subflows_max(conn()), 4);
    link_finish(&l);
}

/* Another path works: an address goes at once. */
static void test_leaves_at_once(void **state) {
    (void)state;
    begin(2, NULL);
    assert_int_equal(link_subflows(&l), 2);
    assert_int_equal(take_away(0), 0);
    assert_true(pl_multipath_deadline(conn()) == PLAIT_TIME_NEVER);
    struct plait_addr gone = pair_addr(PAIR_A, 0, PLAIT_IPV4);
    assert_false(pl_conn_may_use(conn(), l.pair.path[0].port[PAIR_A], &gone));
    pair_run(&l.pair, S);
    assert_int_equal(link_subflows(&l), 1);
    link_transfer(&l, 10000);
    link_finish(&l);
}

/* None works: it stays for three seconds, in which others are tried, and no longer; a later word
 * about something else does not change when. */
static void test_leaves_in_the_end(void **state) {
    (void)state;
    struct plait_config config;
    plait_config_init(&config);
    config.subflows_max = 1;
    begin(2, &config);
    assert_int_equal(link_subflows(&l), 1);
    l.pair.path[1].cut = true;
    plait_time at = l.pair.now;
    assert_int_equal(take_away(0), 0);
    plait_time deadline = pl_multipath_deadline(conn());
    if (deadline != PLAIT_TIME_NEVER) {
        assert_true(deadline > at && deadline <= at + 3 * S);
    }
    pair_run(&l.pair, S);
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_ADD_ADDR_ACCEPTED, 1), 0);
    assert_true(pl_multipath_deadline(conn()) == deadline);
    assert_int_equal(link_subflows(&l), 1);
    pair_run(&l.pair, 3 * S);
    assert_true(pl_multipath_deadline(conn()) == PLAIT_TIME_NEVER);
    assert_int_equal(link_subflows(&l), 0);
    pair_fini(&l.pair);
}

/* Serials that are none, and connections that cannot. */
static void test_one_by_one(void **state) {
    struct plait_local any = {0};
    struct plait_endpoint to = pair_endpoint(PAIR_B, 1, PLAIT_IPV4, LINK_PORT);
    struct plait_endpoint v6 = pair_endpoint(PAIR_B, 1, PLAIT_IPV6, LINK_PORT);
    (void)state;
    begin(2, NULL);
    struct pl_conn *c = conn();
    plait_tick(A, l.pair.now);
    assert_int_equal(pl_conn_subflow_close(c, 0, true, l.pair.now), PLAIT_E_BAD_STATE);
    assert_int_equal(pl_conn_subflow_close(c, 99, true, l.pair.now), PLAIT_E_BAD_STATE);
    assert_int_equal(pl_conn_subflow_set_backup(c, 99, true), PLAIT_E_BAD_STATE);
    assert_int_equal(pl_conn_subflow_set_cc(c, 99, PLAIT_CC_RENO), PLAIT_E_BAD_STATE);
    any.port = l.pair.path[0].port[PAIR_A];
    int first = pl_conn_subflow_open(c, &any, &to, true, l.pair.now);
    int second = pl_conn_subflow_open(c, &any, &v6, false, l.pair.now);
    assert_true(first > 2 && second == first + 1);
    assert_true(pl_conn_subflow(c, (uint32_t)first)->backup);
    assert_int_equal(pl_conn_subflow(c, (uint32_t)second)->tcp.tuple.local.family, PLAIT_IPV6);
    any.addr = pair_addr(PAIR_A, 1, PLAIT_IPV4); /* not of that port */
    assert_int_equal(pl_conn_subflow_open(c, &any, &to, false, l.pair.now), PLAIT_E_NO_ADDRESS);
    while (pl_pm_alive_count(c) < pl_conn_subflows_max(c)) {
        any = (struct plait_local){0};
        assert_true(pl_conn_subflow_open(c, &any, &to, false, l.pair.now) > 0);
    }
    assert_int_equal(pl_conn_subflow_open(c, &any, &to, false, l.pair.now), PLAIT_E_LIMIT);
    pair_fini(&l.pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_leaves_at_once),
        cmocka_unit_test(test_leaves_in_the_end),
        cmocka_unit_test(test_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mptcp_pm_turn_test.c - the path manager's frame: when it begins, address ids, who may join. */
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"
#include "mptcp_peer_test.h"

/* Nothing happens before the connection is fully established (RFC 8684 section 3.1). */
static void test_begins_when_established(void **state) {
    (void)state;
    peer_init(&peer,
              &(struct peer_setup){
                  .paths = 2, .address_flags = PLAIT_ADDRESS_SUBFLOW, .stay_embryonic = true});
    peer_accept(&peer);
    peer_run(&peer, SECOND);
    assert_int_equal(peer_counter(&peer, PLAIT_COUNTER_MPJoinSynTx), 0);
    assert_true(pl_pm_deadline(peer_conn(&peer)) == PLAIT_TIME_NEVER);
    peer_ack(&peer, 0, 0);
    peer_run(&peer, MS);
    assert_int_equal(peer_counter(&peer, PLAIT_COUNTER_MPJoinSynTx), 1);
    peer_fini(&peer);
}

static void test_first_path(void **state) {
    (void)state;
    begin();
    const struct pl_pm *pm = peer_conn(&peer)->pm;
    assert_int_equal(pm->remote_count, 1);
    assert_int_equal(pm->remotes[0].id, 0);
    assert_int_equal(pm->remotes[0].port, peer.flow[0].local.port);
    assert_int_equal(pm->paths[0].subflow, 1);
    assert_ptr_equal(pl_pm_path_of(peer_conn(&peer), peer_subflow(&peer, 0)), &pm->paths[0]);
    peer_fini(&peer);
}

/* Ids go down from 255 and round; those of endpoints and of subflows are left out. */
static void test_new_ids(void **state) {
    struct plait_addr addr = pair_addr(PAIR_B, 9, PLAIT_IPV4);
    bool seen[256] = {false};
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    struct pl_conn *conn = peer_conn(&peer);
    assert_int_equal(plait_address_add(peer.stack, peer.port[0], &addr, 0, 0, 254, peer.now), 254);
    peer_subflow(&peer, second)->local_id = 253;
    assert_int_equal(pl_pm_new_id(conn), 255);
    assert_int_equal(pl_pm_new_id(conn), 252);
    unsigned endpoints = 5; /* two addresses on each of two ports, and the one above */
    unsigned count = 0;
    for (unsigned i = 0; i < 300; i++) {
        uint8_t id = pl_pm_new_id(conn);
        assert_true(id != 0 && id != 253 && id != 254);
        count += seen[id] ? 0 : 1;
        seen[id] = true;
    }
    assert_int_equal(count, 255 - endpoints - 1);
    peer_fini(&peer);
}

/* Subflows that work count against the limit; stale ones may be replaced, within bounds. */
static void test_may_accept(void **state) {
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.subflows_max = 2;
    begin_with(&(struct peer_setup){.paths = 2, .config = &config});
    struct pl_conn *conn = peer_conn(&peer);
    assert_true(pl_pm_may_accept(conn) && pl_pm_may_keep(conn));
    unsigned second = peer_join(&peer, 1, false);
    assert_false(pl_pm_may_accept(conn) || pl_pm_may_keep(conn));
    peer_subflow(&peer, second)->stale = true;
    assert_true(pl_pm_may_accept(conn) && pl_pm_may_keep(conn));
    for (unsigned i = 0; i < 10; i++) {
        unsigned flow = peer_join(&peer, 1, false);
        if (peer.flow[flow].open) {
            peer_subflow(&peer, flow)->stale = true;
        }
    }
    assert_int_equal(conn->subflow_count, 6); /* and not one more */
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begins_when_established),
        cmocka_unit_test(test_first_path),
        cmocka_unit_test(test_new_ids),
        cmocka_unit_test(test_may_accept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

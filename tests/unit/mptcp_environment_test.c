/* mptcp_environment_test.c - ports that go down and up, addresses that come and go, priorities
 * (RFC 8684 sections 3.3.8 and 3.4.2). */
#include "mptcp/subflow.h"
#include "mptcp_paths.h"
#include "mptcp_peer_test.h"

enum { BUFFER = 65536, BYTES = 1500000 };

static void port_up(struct link *l, unsigned side, unsigned path, bool up) {
    struct stack_pair *p = &l->pair;
    assert_int_equal(plait_port_set_up(p->stack[side], p->path[path].port[side], up, p->now), 0);
    p->path[path].cut = !up;
}

struct half {
    struct link *l;
    uint64_t read, until;
};

/* Pumps pattern bytes from A to B until `until` of them have arrived. */
static bool half_done(struct stack_pair *pair, void *arg) {
    struct half *h = arg;
    uint8_t block[4096];
    for (unsigned i = 0; i < sizeof(block); i++) {
        block[i] = 7;
    }
    while (plait_write(pair->stack[PAIR_A], h->l->a, block, sizeof(block), pair->now) > 0) {
    }
    for (;;) {
        int64_t n = plait_read(pair->stack[PAIR_B], h->l->b, block, sizeof(block), pair->now);
        if (n <= 0) {
            break;
        }
        h->read += (uint64_t)n;
    }
    return h->read >= h->until;
}

static uint64_t pump(struct half *h, uint64_t bytes) {
    plait_time start = h->l->pair.now;
    h->until = h->read + bytes;
    assert_true(pair_run_until(&h->l->pair, half_done, h, 60 * SECOND));
    return h->l->pair.now - start;
}

/* What was written is read, so that both ends can close. */
static void drain_and_finish(struct half *h) {
    uint8_t block[4096];
    for (unsigned i = 0; i < 100; i++) {
        pair_run(&h->l->pair, 100 * MS);
        while (plait_read(h->l->pair.stack[PAIR_B], h->l->b, block, sizeof(block), h->l->pair.now) >
               0) {
        }
    }
    link_finish(h->l);
}

/* A port loses its carrier in the middle of a transfer: the other takes over at once, and the path
 * is back as soon as the port is. */
static void test_port_down_and_up(void **state) {
    (void)state;
    for (unsigned path = 0; path < 2; path++) {
        struct link l;
        struct half h = {.l = &l};
        slow_link(&l, 2, 25 * MS, BUFFER);
        uint64_t before = pump(&h, BYTES);
        port_up(&l, PAIR_A, path, false);
        assert_in_range(pump(&h, BYTES), 1, before * 2 + 500 * MS);
        assert_int_equal(link_subflows(&l), 1);
        port_up(&l, PAIR_A, path, true);
        (void)pump(&h, 300000);
        pair_run(&l.pair, 500 * MS);
        assert_int_equal(link_subflows(&l), 2);
        uint64_t sent = l.pair.sent[PAIR_A][path];
        (void)pump(&h, 300000);
        assert_true(l.pair.sent[PAIR_A][path] > sent + 10);
        drain_and_finish(&h);
    }
}

/* The only port: the connection waits, as plain TCP would, and goes on at once when it is back. */
static void test_only_port(void **state) {
    struct link l;
    struct half h = {.l = &l};
    (void)state;
    slow_link(&l, 1, 25 * MS, BUFFER);
    (void)pump(&h, 300000);
    port_up(&l, PAIR_A, 0, false);
    pair_run(&l.pair, 40 * SECOND);
    assert_int_equal(pair_get(&l.pair, PAIR_A, l.a, PLAIT_OPT_STATE), PLAIT_SOCKET_OPEN);
    port_up(&l, PAIR_A, 0, true);
    assert_in_range(pump(&h, 300000), 1, 2 * SECOND);
    drain_and_finish(&h);
}

/* All ports down, one up again: first the one, then the other. */
static void test_all_ports(void **state) {
    struct link l;
    struct half h = {.l = &l};
    (void)state;
    slow_link(&l, 2, 25 * MS, BUFFER);
    (void)pump(&h, 300000);
    for (unsigned back = 0; back < 2; back++) {
        port_up(&l, PAIR_A, 0, false);
        port_up(&l, PAIR_A, 1, false);
        pair_run(&l.pair, 20 * SECOND);
        port_up(&l, PAIR_A, back, true);
        assert_in_range(pump(&h, 300000), 1, 3 * SECOND);
        port_up(&l, PAIR_A, !back, true);
        pair_run(&l.pair, 2 * SECOND);
        (void)pump(&h, 300000);
        assert_int_equal(link_subflows(&l), 2);
    }
    drain_and_finish(&h);
}

/* An address is taken away (the first subflow's, too) and given back. */
static void test_address_gone_and_back(void **state) {
    (void)state;
    for (unsigned path = 0; path < 2; path++) {
        struct link l;
        struct half h = {.l = &l};
        struct plait_addr addr = pair_addr(PAIR_A, path, PLAIT_IPV4);
        slow_link(&l, 2, 25 * MS, BUFFER);
        (void)pump(&h, 300000);
        struct plait_stack *a = l.pair.stack[PAIR_A];
        plait_port_id port = l.pair.path[path].port[PAIR_A];
        assert_int_equal(plait_address_remove(a, port, &addr, l.pair.now), 0);
        assert_in_range(pump(&h, 300000), 1, SECOND);
        assert_int_equal(link_subflows(&l), 1);
        assert_true(link_count(&l, PAIR_B, PLAIT_COUNTER_RmAddr) >= 1);
        assert_true(plait_address_add(a, port, &addr, PLAIT_ADDRESS_SUBFLOW, 0, 0, l.pair.now) > 0);
        pair_run(&l.pair, 2 * SECOND);
        (void)pump(&h, 300000);
        assert_int_equal(link_subflows(&l), 2);
        drain_and_finish(&h);
    }
}

/* A port that is removed takes its subflow along; the connection lives on. */
static void test_port_removed(void **state) {
    struct link l;
    struct half h = {.l = &l};
    (void)state;
    slow_link(&l, 2, 25 * MS, BUFFER);
    (void)pump(&h, 300000);
    struct stack_pair *p = &l.pair;
    assert_int_equal(plait_port_remove(p->stack[PAIR_A], p->path[0].port[PAIR_A], p->now), 0);
    p->path[0].cut = true;
    assert_in_range(pump(&h, 300000), 1, 2 * SECOND);
    assert_int_equal(link_subflows(&l), 1);
    drain_and_finish(&h);
}

/* ---- priorities ---- */

static void test_prio_out(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    struct plait_addr addr = pair_addr(PAIR_B, 1, PLAIT_IPV4);
    for (unsigned backup = 1; backup < 2; backup--) {
        unsigned from = peer.log_count;
        assert_int_equal(
            plait_address_set_backup(peer.stack, peer.port[1], &addr, backup != 0, peer.now), 0);
        peer_pull(&peer);
        const struct peer_rx *rx = peer_find(&peer, from, PL_MP_PRIO);
        assert_non_null(rx);
        assert_int_equal(rx->flow, second);
        assert_int_equal(rx->seg.options.mptcp.prio.backup, backup);
        assert_int_equal(peer_subflow(&peer, second)->backup, backup);
    }
    expect_counter(PLAIT_COUNTER_MPPrioTx, 2);
    peer_fini(&peer);
}

static void test_prio_in(void **state) {
    struct plait_event event;
    struct pl_mptcp_options o = {.present = 1 << PL_MP_PRIO};
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, true);
    assert_true(peer_subflow(&peer, second)->backup_peer);
    o.prio.backup = true;
    send_options(0, &o); /* the first becomes a backup, */
    assert_true(next_event(PLAIT_EVENT_SF_PRIO, &event));
    assert_int_equal(event.port, peer.port[0]);
    o.prio.backup = false;
    send_options(second, &o); /* and the second regular: data changes over */
    peer_write(&peer, 0, 1000);
    assert_int_equal(peer_find(&peer, 0, PL_MP_DSS)->flow, second);
    send_options(second, &o); /* nothing new */
    assert_true(next_event(PLAIT_EVENT_SF_PRIO, NULL));
    assert_false(next_event(PLAIT_EVENT_SF_PRIO, NULL));
    expect_counter(PLAIT_COUNTER_MPPrioRx, 3);
    peer_fini(&peer);
}

/* A backup port or address says so in the join, both ways. */
static void test_backup_in_joins(void **state) {
    (void)state;
    unsigned flow;
    begin_with(&(struct peer_setup){.paths = 2, .port_flags = PLAIT_PORT_BACKUP});
    flow = peer_join(&peer, 1, false);
    assert_true(peer.flow[flow].backup_remote);
    peer_fini(&peer);
    peer_init(&peer,
              &(struct peer_setup){.paths = 2,
                                   .address_flags = PLAIT_ADDRESS_SUBFLOW | PLAIT_ADDRESS_BACKUP});
    peer_accept(&peer);
    peer_run(&peer, MS);
    assert_true(peer_answer_join(&peer, 0, true, &flow));
    assert_true(peer.flow[flow].backup_remote);
    assert_true(peer_subflow(&peer, flow)->backup_peer);
    expect_counter(PLAIT_COUNTER_MPJoinSynAckBackupRx, 1);
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_port_down_and_up), cmocka_unit_test(test_only_port),
        cmocka_unit_test(test_all_ports),        cmocka_unit_test(test_address_gone_and_back),
        cmocka_unit_test(test_port_removed),     cmocka_unit_test(test_prio_out),
        cmocka_unit_test(test_prio_in),          cmocka_unit_test(test_backup_in_joins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

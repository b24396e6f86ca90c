/* mptcp_pm_paths_test.c - which pairs of addresses carry subflows, and how often what fails is
 * tried again. */
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"
#include "mptcp_paths.h"
#include "mptcp_peer_test.h"

/* A pair whose sides give their addresses these flags, connected, with a second to join in. */
static void pair_with(struct link *l, unsigned paths, uint32_t flags_a, uint32_t flags_b) {
    struct pair_setup setup = {.seed = 9, .paths = paths, .address_flags = {flags_a, flags_b}};
    setup.ipv4_only = true;
    pair_init(&l->pair, &setup);
    l->listener = pair_listen(&l->pair, LINK_PORT);
    link_connect(l);
    link_transfer(l, 1000);
    pair_run(&l->pair, SECOND);
}

static void test_endpoint_rules(void **state) {
    static const struct {
        uint32_t flags_a, flags_b;
        unsigned subflows;
    } cases[] = {
        {0, 0, 1},
        {PLAIT_ADDRESS_SUBFLOW, 0, 3}, /* each of ours to the first of theirs */
        {0, PLAIT_ADDRESS_SIGNAL, 3},  /* our first to each of theirs */
        {PLAIT_ADDRESS_SUBFLOW, PLAIT_ADDRESS_SIGNAL, 5},
        {PLAIT_ADDRESS_FULLMESH, PLAIT_ADDRESS_SIGNAL, 8}, /* 9, but for subflows_max */
        {0, PLAIT_ADDRESS_SUBFLOW, 3},                     /* the listener opens them, too */
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct link l;
        pair_with(&l, 3, cases[i].flags_a, cases[i].flags_b);
        pair_run(&l.pair, 4 * SECOND);
        assert_int_equal(link_subflows(&l), cases[i].subflows);
        link_transfer(&l, 100000);
        link_finish(&l);
    }
}

static void test_port_mask(void **state) {
    struct link l;
    struct pair_setup setup = {.paths = 3, .address_flags = {PLAIT_ADDRESS_SUBFLOW, 0}};
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    (void)state;
    pair_init(&l.pair, &setup);
    l.listener = pair_listen(&l.pair, LINK_PORT);
    struct plait_stack *a = l.pair.stack[PAIR_A];
    int64_t mask = INT64_C(1) << l.pair.path[0].port[PAIR_A] | INT64_C(1)
                                                                   << l.pair.path[2].port[PAIR_A];
    assert_int_equal(plait_open(a, &l.a), 0);
    assert_int_equal(plait_set(a, l.a, PLAIT_OPT_PORT_MASK, mask), 0);
    assert_int_equal(plait_connect(a, l.a, &remote, l.pair.now), 0);
    assert_true(pair_wait_event(&l.pair, PAIR_B, l.listener, PLAIT_EVENT_ACCEPT, SECOND, NULL));
    assert_int_equal(plait_accept(l.pair.stack[PAIR_B], l.listener, &l.b), 0);
    link_transfer(&l, 1000);
    pair_run(&l.pair, SECOND);
    assert_int_equal(link_subflows(&l), 2);
    assert_int_equal(l.pair.sent[PAIR_A][1], 0);
    link_finish(&l);
}

/* ---- the peer answers joins as it likes ---- */

static void initiator(unsigned paths) {
    peer_init(&peer, &(struct peer_setup){.paths = paths, .address_flags = PLAIT_ADDRESS_SUBFLOW});
    peer_accept(&peer);
    peer.alive = true;
    peer_run(&peer, MS);
}

static unsigned syns(unsigned from) {
    unsigned count = 0;
    for (unsigned i = from; i < peer.log_count; i++) {
        count += peer.log[i].seg.flags == PL_TCP_SYN ? 1 : 0;
    }
    return count;
}

/* Answers the last SYN of the stack with an RST, with a reason or without. */
static void refuse(bool with_reason, uint8_t reason, bool transient) {
    const struct peer_rx *syn = NULL;
    for (unsigned i = 0; i < peer.log_count; i++) {
        syn = peer.log[i].seg.flags == PL_TCP_SYN ? &peer.log[i] : syn;
    }
    assert_non_null(syn);
    struct peer_flow *f = &peer.flow[PEER_FLOWS_MAX - 1];
    *f = (struct peer_flow){.path = syn->path, .local = syn->dst, .remote = syn->src};
    f->irs = syn->seg.seq.v;
    struct pl_mptcp_options o = {.present = with_reason ? 1 << PL_MP_TCPRST : 0};
    o.tcprst.reason = reason;
    o.tcprst.transient = transient;
    peer_send(&peer, &(struct peer_seg){.flow = PEER_FLOWS_MAX - 1, .flags = PL_TCP_RST, .o = &o});
}

static const struct pl_path *second_path(void) {
    struct pl_pm *pm = peer_conn(&peer)->pm;
    for (unsigned i = 0; i < pm->path_count; i++) {
        if (pm->paths[i].port == peer.port[1]) {
            return &pm->paths[i];
        }
    }
    return NULL;
}

/* Three refusals end the attempts; the port's return begins them anew. */
static void test_refused(void **state) {
    (void)state;
    initiator(2);
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < 100 && syns(0) < 2 + i; k++) {
            peer_run(&peer, 100 * MS);
        }
        assert_int_equal(syns(0), 2 + i); /* the first subflow's, and the attempts */
        assert_false(second_path()->given_up);
        refuse(false, 0, false);
    }
    assert_true(second_path()->given_up);
    unsigned from = peer.log_count;
    peer_run(&peer, 300 * SECOND);
    assert_int_equal(syns(from), 0);
    assert_int_equal(plait_port_set_up(peer.stack, peer.port[1], false, peer.now), 0);
    assert_int_equal(plait_port_set_up(peer.stack, peer.port[1], true, peer.now), 0);
    peer_run(&peer, MS);
    assert_int_equal(syns(from), 1);
    assert_false(second_path()->given_up);
    peer_fini(&peer);
}

/* Without memory there is no subflow to join with; it is tried again. */
static void test_no_memory(void **state) {
    (void)state;
    initiator(2);
    assert_int_equal(syns(0), 2);
    refuse(false, 0, false);
    peer.env.fail_at = peer.env.alloc_count + 1;
    peer.env.fail_after = true;
    peer_run(&peer, 3 * SECOND);
    assert_int_equal(syns(0), 2);
    assert_true(plait_counters(peer.stack)[PLAIT_COUNTER_MPJoinSynTxCreatSkErr] > 0);
    peer.env.fail_after = false;
    peer.env.fail_at = 0;
    peer_run(&peer, 3 * SECOND);
    assert_true(syns(0) > 2);
    peer_fini(&peer);
}

/* What is permanent is final, but "no resources", which passes, and what Linux means by nothing
 * (section 3.6). */
static void test_reset_reasons(void **state) {
    static const struct {
        uint8_t reason;
        bool transient, final;
    } cases[] = {
        {PL_RESET_PROHIBITED, false, true},   {PL_RESET_MIDDLEBOX, false, true},
        {PL_RESET_PROHIBITED, true, false},   {PL_RESET_RESOURCES, false, false},
        {PL_RESET_UNSPECIFIED, true, false},  {200, false, false},
        {PL_RESET_UNSPECIFIED, false, false}, {PL_RESET_MPTCP, false, true},
        {PL_RESET_PERFORMANCE, false, true},  {PL_RESET_PERFORMANCE, true, false},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        initiator(2);
        refuse(true, cases[i].reason, cases[i].transient);
        expect_counter(PLAIT_COUNTER_MPRstRx, 1);
        assert_int_equal(second_path()->given_up, cases[i].final);
        unsigned from = peer.log_count;
        peer_run(&peer, 6 * SECOND);
        assert_int_equal(syns(from) > 0, !cases[i].final);
        peer_fini(&peer);
    }
}

/* A path that never worked is tried ever more rarely; one that did, each second for a while. */
static void test_unanswered(void **state) {
    (void)state;
    initiator(2);
    peer_run(&peer, 600 * SECOND);
    unsigned never = syns(0);
    assert_in_range(never, 10, 60);
    peer_fini(&peer);

    unsigned flow;
    initiator(2);
    assert_true(peer_answer_join(&peer, 0, false, &flow));
    peer_data(&peer, flow, 0, 100);
    peer_send(&peer, &(struct peer_seg){.flow = flow, .flags = PL_TCP_RST, .seq = PEER_NO_OFFSET});
    peer_run(&peer, SECOND); /* after a reset: a pause of one second */
    unsigned from = peer.log_count;
    peer_run(&peer, 20 * SECOND);
    assert_in_range(syns(from), 15, 25);
    peer_run(&peer, 300 * SECOND);
    from = peer.log_count;
    peer_run(&peer, 120 * SECOND);
    assert_in_range(syns(from), 3, 10);
    peer_fini(&peer);
}

/* Ended by the peer in good order: it does not want it. */
static void test_fin_is_final(void **state) {
    (void)state;
    unsigned flow;
    initiator(2);
    assert_true(peer_answer_join(&peer, 0, false, &flow));
    peer_send(&peer, &(struct peer_seg){.flow = flow, .flags = PL_TCP_FIN, .seq = PEER_NO_OFFSET});
    assert_true(peer.flow[flow].fin_in);
    peer_send(&peer, &(struct peer_seg){.flow = flow, .seq = PEER_NO_OFFSET});
    unsigned from = peer.log_count;
    peer_run(&peer, 100 * SECOND);
    assert_int_equal(syns(from), 0);
    peer_data(&peer, 0, 0, 100);
    expect_read(100);
    peer_fini(&peer);
}

/* A dead path is tried again under another address id, for its id was removed. */
static void test_new_id(void **state) {
    (void)state;
    unsigned flow;
    initiator(2);
    assert_true(peer_answer_join(&peer, 0, false, &flow));
    uint8_t id = peer.flow[flow].remote_id;
    unsigned from = peer.log_count;
    pl_pm_path_dead(peer_subflow(&peer, flow), peer.now);
    peer_run(&peer, MS);
    const struct peer_rx *rx = peer_find(&peer, from, PL_MP_REMOVE_ADDR);
    assert_non_null(rx);
    assert_int_equal(rx->seg.options.mptcp.remove_addr.ids[0], id);
    assert_int_equal(expect_rst(from, flow)->seg.options.mptcp.tcprst.reason, PL_RESET_PERFORMANCE);
    assert_true(peer_answer_join(&peer, 0, false, &flow));
    assert_int_not_equal(peer.flow[flow].remote_id, id);
    peer_fini(&peer);
}

/* Every subflow and every attempt is refused: the peer has forgotten us. */
static void test_hopeless(void **state) {
    struct plait_event event;
    (void)state;
    initiator(1);
    peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_RST, .seq = PEER_NO_OFFSET});
    for (unsigned i = 0; i < 60 && peer_conn(&peer) != NULL; i++) {
        unsigned from = peer.log_count;
        peer_run(&peer, SECOND / 2);
        if (syns(from) > 0) {
            refuse(false, 0, false);
        }
    }
    assert_true(next_event(PLAIT_EVENT_ERROR, &event));
    assert_int_equal(event.error, PLAIT_E_RESET);
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoint_rules), cmocka_unit_test(test_port_mask),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_reset_reasons),
        cmocka_unit_test(test_unanswered),     cmocka_unit_test(test_fin_is_final),
        cmocka_unit_test(test_new_id),         cmocka_unit_test(test_hopeless),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

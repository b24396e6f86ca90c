/* mptcp_output_test.c - a subflow's turn: whoever is refused is woken when the preferred one stops,
 * and nobody is woken for ever. */
#include "mptcp/internal.h"
#include "mptcp/subflow.h"
#include "mptcp_peer_test.h"

static void three(void) {
    begin_with(&(struct peer_setup){.paths = 3});
    peer_join(&peer, 1, false);
    peer_join(&peer, 2, false);
    for (unsigned i = 0; i < 3; i++) {
        peer_subflow(&peer, i)->tcp.rtt.srtt_ns = (i + 1) * 10 * MS;
        peer_subflow(&peer, i)->tcp.cc.cwnd = 3 * 1460;
    }
}

static unsigned payload_on(unsigned flow) {
    unsigned count = 0;
    for (unsigned i = 0; i < peer.log_count; i++) {
        count += peer.log[i].flow == flow && peer.log[i].seg.payload_len > 0 ? 1 : 0;
    }
    return count;
}

/* The best one fills first, then the next, then the last: all in one go, without a timer. */
static void test_fill_in_order(void **state) {
    (void)state;
    three();
    peer_write(&peer, 0, 20000);
    peer_run(&peer, 5 * MS);
    assert_true(payload_on(0) >= 3);
    assert_true(payload_on(1) >= 3);
    assert_true(payload_on(2) >= 3);
    unsigned first[3] = {peer.log_count, peer.log_count, peer.log_count};
    for (unsigned i = peer.log_count; i > 0; i--) {
        if (peer.log[i - 1].seg.payload_len > 0) {
            first[peer.log[i - 1].flow] = i;
        }
    }
    assert_true(first[0] < first[1] && first[1] < first[2]);
    peer_fini(&peer);
}

/* A little data goes over the best one alone. */
static void test_little_data(void **state) {
    (void)state;
    three();
    peer_write(&peer, 0, 2000);
    assert_int_equal(payload_on(0), 2);
    assert_int_equal(payload_on(1) + payload_on(2), 0);
    peer_fini(&peer);
}

/* Everything is full: output ends (peer_pull() would not), and an ACK starts it again. */
static void test_all_full(void **state) {
    (void)state;
    three();
    peer_write(&peer, 0, 60000);
    peer_run(&peer, 5 * MS);
    uint64_t before = peer.got_to;
    assert_true(before < 60000);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(plait_output_pending(peer.stack, peer.port[i]));
    }
    peer.auto_ack = true;
    for (unsigned i = 0; i < 3; i++) {
        peer_ack(&peer, i, peer.got_to);
    }
    peer_run(&peer, SECOND);
    assert_int_equal(peer.got_to, 60000);
    peer_fini(&peer);
}

/* The scheduler prefers one that TCP does not let send: `declined` ends the round. */
static void test_preferred_cannot(void **state) {
    (void)state;
    three();
    peer_subflow(&peer, 0)->tcp.snd.wnd = 0; /* the others' window is open */
    peer_subflow(&peer, 0)->tcp.snd.wnd_max = 65535;
    peer_write(&peer, 0, 3000);
    peer_run(&peer, 5 * MS);
    assert_int_equal(peer.got_to, 3000);
    assert_int_equal(payload_on(0), 0);
    assert_true(payload_on(1) > 0);
    peer_fini(&peer);
}

/* Flags of the turn. */
static void test_flags(void **state) {
    (void)state;
    three();
    peer_run(&peer, MS);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(peer_subflow(&peer, i)->denied);
    }
    peer_ack(&peer, 1, 0);
    struct pl_tcp_tx tx;
    assert_false(pl_subflow_output(peer_subflow(&peer, 1), &tx, peer.now));
    assert_true(peer_subflow(&peer, 1)->declined); /* had nothing to send */
    pl_conn_kick(peer_conn(&peer));
    assert_false(peer_subflow(&peer, 1)->declined);
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fill_in_order), cmocka_unit_test(test_little_data),
        cmocka_unit_test(test_all_full),      cmocka_unit_test(test_preferred_cannot),
        cmocka_unit_test(test_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

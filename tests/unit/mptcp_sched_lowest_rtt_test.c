/* mptcp_sched_lowest_rtt_test.c - who takes the next bytes: the lowest RTT with room, backups and
 * stale subflows last (RFC 8684 section 3.3.8). */
#include "mptcp/sched/sched.h"
#include "mptcp/subflow.h"
#include "mptcp_peer_test.h"

static struct pl_subflow *sf[3];

static void three(void) {
    begin_with(&(struct peer_setup){.paths = 3});
    peer_join(&peer, 1, false);
    peer_join(&peer, 2, false);
    for (unsigned i = 0; i < 3; i++) {
        sf[i] = peer_subflow(&peer, i);
        assert_non_null(sf[i]);
        sf[i]->tcp.rtt.srtt_ns = (i + 1) * 10 * MS;
        sf[i]->declined = false; /* there was nothing to send so far */
    }
}

/* The subflow that the scheduler wants instead of the i-th, as an index; the i-th itself if none.
 */
static unsigned prefers(unsigned i) {
    const struct pl_sched *sched = peer_conn(&peer)->sched;
    const struct pl_subflow *other = sched->prefer(peer_conn(&peer), sf[i], peer.now);
    for (unsigned k = 0; k < 3; k++) {
        if (other == sf[k]) {
            assert_int_not_equal(k, i);
            return k;
        }
    }
    assert_null(other);
    return i;
}

static void expect_order(unsigned first) {
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(prefers(i), first);
    }
}

static void test_lowest_rtt(void **state) {
    (void)state;
    three();
    assert_string_equal(pl_sched_lowest_rtt.name, "lowest-rtt");
    expect_order(0);
    sf[2]->tcp.rtt.srtt_ns = 5 * MS;
    expect_order(2);
    sf[0]->tcp.rtt.srtt_ns = 5 * MS; /* equal: the older one */
    expect_order(0);
    peer_fini(&peer);
}

/* A full congestion window passes the turn on; so does a subflow that had its chance. */
static void test_no_room(void **state) {
    (void)state;
    three();
    peer.mute[0] = true;
    sf[0]->tcp.cc.cwnd = 1400;
    peer_write(&peer, 0, 1400);
    for (unsigned i = 0; i < 3; i++) {
        sf[i]->declined = false;
    }
    assert_int_equal(prefers(1), 1);
    assert_int_equal(prefers(2), 1);
    sf[0]->tcp.cc.cwnd = 14600;
    assert_int_equal(prefers(1), 0);
    sf[0]->declined = true;
    assert_int_equal(prefers(1), 1);
    peer.mute[0] = false;
    peer_fini(&peer);
}

static void test_backup_last(void **state) {
    (void)state;
    three();
    sf[0]->backup = true;
    expect_order(1);
    sf[1]->backup_peer = true; /* either end may say so */
    expect_order(2);
    sf[2]->tcp.cc.cwnd = 0; /* full, but alive: backups still wait */
    sf[2]->declined = true;
    assert_int_equal(prefers(0), 2);
    assert_int_equal(prefers(1), 2);
    sf[2]->backup = true; /* nothing but backups: the best of them */
    sf[2]->declined = false;
    sf[2]->tcp.cc.cwnd = 14600;
    expect_order(0);
    peer_fini(&peer);
}

static void test_stale_last(void **state) {
    (void)state;
    three();
    sf[0]->stale = true;
    expect_order(1);
    sf[1]->stale = true;
    sf[2]->backup = true; /* a backup that lives is better than the dead */
    expect_order(2);
    sf[2]->stale = true;
    expect_order(0);
    peer_fini(&peer);
}

static void test_unusable(void **state) {
    (void)state;
    three();
    sf[0]->phase = PL_SF_CLOSING;
    assert_int_equal(prefers(1), 1);
    assert_int_equal(prefers(2), 1);
    sf[0]->phase = PL_SF_UP;
    peer_fini(&peer);
}

static unsigned payload_segments(unsigned from, unsigned flow) {
    unsigned count = 0;
    for (unsigned i = from; i < peer.log_count; i++) {
        count += peer.log[i].flow == flow && peer.log[i].seg.payload_len > 0 ? 1 : 0;
    }
    return count;
}

/* On the wire: the backup is silent while the others live, and carries everything when not. */
static void test_backup_on_the_wire(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned spare = peer_join(&peer, 1, true);
    peer.auto_ack = true;
    unsigned from = peer.log_count;
    for (uint32_t at = 0; at < 100000; at += 20000) {
        peer_write(&peer, at, 20000);
        peer_run(&peer, 100 * MS);
    }
    assert_int_equal(peer.got_to, 100000);
    assert_int_equal(payload_segments(from, spare), 0);
    peer.mute[0] = true;
    from = peer.log_count;
    peer_write(&peer, 100000, 20000);
    peer_run(&peer, 3 * SECOND);
    assert_int_equal(peer.got_to, 120000);
    assert_true(payload_segments(from, spare) > 10);
    peer.mute[0] = false;
    peer_run(&peer, 3 * SECOND); /* it answers again, and is preferred again */
    from = peer.log_count;
    peer_write(&peer, 120000, 20000);
    peer_run(&peer, SECOND);
    assert_int_equal(peer.got_to, 140000);
    assert_int_equal(payload_segments(from, spare), 0);
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lowest_rtt),  cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_backup_last), cmocka_unit_test(test_stale_last),
        cmocka_unit_test(test_unusable),    cmocka_unit_test(test_backup_on_the_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mptcp_pm_announce_test.c - ADD_ADDR and REMOVE_ADDR, in and out (RFC 8684 sections 3.4.1 and
 * 3.4.2). */
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"
#include "mptcp_peer_test.h"
#include "wire/addr.h"

static struct pl_mptcp_options add_addr(uint8_t id, unsigned path, enum plait_family family,
                                        uint16_t port) {
    struct plait_endpoint at = pair_endpoint(PAIR_A, path, family, port);
    struct pl_mptcp_options o = {.present = 1 << PL_MP_ADD_ADDR};
    o.add_addr.address_id = id;
    o.add_addr.addr = at.addr;
    o.add_addr.has_port = port != 0;
    o.add_addr.port = port;
    o.add_addr.hmac = peer_add_addr_hmac(&peer, true, id, &at);
    return o;
}

static struct pl_mptcp_options remove_addr(unsigned count, const uint8_t *ids) {
    struct pl_mptcp_options o = {.present = 1 << PL_MP_REMOVE_ADDR};
    o.remove_addr.count = (uint8_t)count;
    memcpy(o.remove_addr.ids, ids, count);
    return o;
}

/* The echo repeats the announcement without its HMAC. */
static void expect_echo(unsigned from, const struct pl_mptcp_options *o) {
    const struct peer_rx *rx = peer_find(&peer, from, PL_MP_ADD_ADDR);
    assert_non_null(rx);
    const struct pl_mptcp_options *in = &rx->seg.options.mptcp;
    assert_true(in->add_addr.echo);
    assert_int_equal(in->add_addr.address_id, o->add_addr.address_id);
    assert_true(pl_addr_equal(&in->add_addr.addr, &o->add_addr.addr));
    assert_int_equal(in->add_addr.has_port, o->add_addr.has_port);
    assert_int_equal(in->add_addr.port, o->add_addr.port);
}

static void run_announced(bool accept, enum plait_family family, uint16_t port) {
    struct plait_event event;
    unsigned flow = 0;
    peer_init(&peer, &(struct peer_setup){.paths = 2});
    accept ? peer_accept(&peer) : peer_connect(&peer);
    unsigned from = peer.log_count;
    struct pl_mptcp_options o = add_addr(3, 0, family, port);
    o.add_addr.addr.bytes[family == PLAIT_IPV4 ? 3 : 15] = 77; /* another of the peer's */
    o.add_addr.hmac = peer_add_addr_hmac(
        &peer, true, 3, &(struct plait_endpoint){.addr = o.add_addr.addr, .port = port});
    send_options(0, &o);
    expect_echo(from, &o);
    assert_true(next_event(PLAIT_EVENT_ANNOUNCED, &event));
    assert_int_equal(event.id, 3);
    peer_run(&peer, accept ? 0 : 100 * MS); /* it might open the same itself */
    assert_true(peer_answer_join(&peer, 3, false, &flow));
    assert_int_equal(peer.flow[flow].local.port, port != 0 ? port : peer.flow[0].local.port);
    assert_true(pl_addr_equal(&peer.flow[flow].local.addr, &o.add_addr.addr));
    assert_true(next_event(PLAIT_EVENT_SF_ESTABLISHED, NULL));
    peer_data(&peer, flow, 0, 100);
    expect_read(100);
    from = peer.log_count;
    send_options(0, &o); /* again: an echo, and nothing else */
    expect_echo(from, &o);
    assert_false(next_event(PLAIT_EVENT_ANNOUNCED, NULL));
    expect_counter(PLAIT_COUNTER_AddAddr, 2);
    expect_counter(PLAIT_COUNTER_EchoAddTx, 2);
    expect_counter(PLAIT_COUNTER_PortAdd, port != 0 ? 2 : 0);
    peer_fini(&peer);
}

static void test_announced(void **state) {
    (void)state;
    for (unsigned accept = 0; accept < 2; accept++) {
        run_announced(accept != 0, PLAIT_IPV4, 0);
        run_announced(accept != 0, PLAIT_IPV4, 8080);
        run_announced(accept != 0, PLAIT_IPV6, 0);
        run_announced(accept != 0, PLAIT_IPV6, 443);
    }
}

/* Neither a wrong HMAC nor id 0, nor a second address for an id, nor its own, is believed. */
static void test_not_believed(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 3});
    struct pl_mptcp_options good = add_addr(3, 1, PLAIT_IPV4, 0);
    struct pl_mptcp_options bad[3] = {good, add_addr(0, 1, PLAIT_IPV4, 0),
                                      add_addr(3, 2, PLAIT_IPV4, 0)};
    bad[0].add_addr.hmac ^= 1;
    send_options(0, &good);
    unsigned from = peer.log_count;
    for (unsigned i = 0; i < 3; i++) {
        send_options(0, &bad[i]);
        expect_counter(PLAIT_COUNTER_AddAddrDrop, i + 1);
    }
    assert_null(peer_find(&peer, from, PL_MP_ADD_ADDR));
    struct plait_connection_info info = {.size = sizeof(info)};
    assert_int_equal(plait_connection(peer.stack, peer.sock, &info), 0);
    assert_int_equal(info.add_addr_accepted, 1);
    peer_fini(&peer);
}

/* Sends the peer's ADD_ADDR, rightly signed, of an address that is no host's to connect to. */
static void announce_unusable(const char *text, bool has_port, uint16_t port) {
    struct pl_mptcp_options o = {.present = 1 << PL_MP_ADD_ADDR};
    assert_true(pl_addr_parse(text, &o.add_addr.addr));
    struct plait_endpoint at = {.addr = o.add_addr.addr, .port = port};
    o.add_addr.address_id = 3;
    o.add_addr.has_port = has_port;
    o.add_addr.port = port;
    o.add_addr.hmac = peer_add_addr_hmac(&peer, true, 3, &at);
    uint64_t drops = peer_counter(&peer, PLAIT_COUNTER_AddAddrDrop);
    unsigned from = peer.log_count;
    send_options(0, &o);
    peer_run(&peer, 5 * SECOND);
    expect_counter(PLAIT_COUNTER_AddAddrDrop, drops + 1);
    assert_int_equal(peer_count(&peer, from, -1), 0); /* no echo, no join, not even an ACK */
}

/* A right HMAC proves who says it, not that it is true: we are nobody's means to make a host talk
 * to itself, to a group or to nobody. */
static void test_unusable(void **state) {
    static const char *const texts[] = {
        "0.0.0.0", "127.0.0.1",       "224.0.0.1", "255.255.255.255", "::",        "::1",
        "ff02::1", "::ffff:10.0.0.9", "10.0.0.2",  "10.0.1.2",        "fd00:1::2", /* the stack's
                                                                                      own */
    };
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        announce_unusable(texts[i], false, 0);
        announce_unusable(texts[i], true, 80);
    }
    announce_unusable("10.0.1.1", true, 0);
    assert_false(next_event(PLAIT_EVENT_ANNOUNCED, NULL));
    expect_counter(PLAIT_COUNTER_EchoAddTx, 0);
    expect_counter(PLAIT_COUNTER_MPJoinSynTx, 0);
    struct pl_mptcp_options good = add_addr(3, 1, PLAIT_IPV4, 80);
    send_options(0, &good);
    expect_counter(PLAIT_COUNTER_EchoAddTx, 1);
    peer_fini(&peer);
}

static void test_accepted_limit(void **state) {
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.add_addr_accepted_max = 2;
    begin_with(&(struct peer_setup){.paths = 4, .config = &config});
    for (uint8_t id = 1; id <= 3; id++) {
        struct pl_mptcp_options o = add_addr(id, id, PLAIT_IPV4, 0);
        send_options(0, &o);
    }
    expect_counter(PLAIT_COUNTER_AddAddrDrop, 1);
    expect_counter(PLAIT_COUNTER_EchoAddTx, 2);
    peer_fini(&peer);
}

/* The stack announces its `signal` addresses, one after the other, each until it is echoed. */
static void test_announces(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2, .address_flags = PLAIT_ADDRESS_SIGNAL});
    unsigned echoed = 0;
    for (unsigned i = 0; i < 3; i++) { /* all but the address in use */
        peer_run(&peer, 10 * MS);
        const struct peer_rx *rx = peer_find(&peer, 0, PL_MP_ADD_ADDR);
        assert_non_null(rx);
        struct pl_mptcp_options o = {.present = 1 << PL_MP_ADD_ADDR,
                                     .add_addr = rx->seg.options.mptcp.add_addr};
        struct plait_endpoint at = {.addr = o.add_addr.addr, .port = 0};
        assert_false(o.add_addr.echo || o.add_addr.has_port);
        assert_true(o.add_addr.hmac ==
                    peer_add_addr_hmac(&peer, false, o.add_addr.address_id, &at));
        assert_int_equal(echoed & 1U << o.add_addr.address_id, 0);
        echoed |= 1U << o.add_addr.address_id;
        o.add_addr.echo = true;
        send_options(0, &o);
    }
    unsigned from = peer.log_count;
    peer_run(&peer, 10 * SECOND);
    assert_null(peer_find(&peer, from, PL_MP_ADD_ADDR));
    expect_counter(PLAIT_COUNTER_AddAddrTx, 3);
    expect_counter(PLAIT_COUNTER_EchoAdd, 3);
    expect_counter(PLAIT_COUNTER_AddAddrTxDrop, 0);
    peer_fini(&peer);
}

/* Nobody echoes: three tries each, about a second apart, then the next address. */
static void test_never_echoed(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.address_flags = PLAIT_ADDRESS_SIGNAL});
    peer_run(&peer, 500 * MS);
    expect_counter(PLAIT_COUNTER_AddAddrTx, 1);
    peer_run(&peer, SECOND);
    expect_counter(PLAIT_COUNTER_AddAddrTx, 2);
    peer_run(&peer, 30 * SECOND);
    expect_counter(PLAIT_COUNTER_AddAddrTx, 3);
    expect_counter(PLAIT_COUNTER_AddAddrTxDrop, 0); /* they were sent */
    peer_fini(&peer);
}

static void test_announces_port(void **state) {
    struct plait_addr addr = pair_addr(PAIR_B, 3, PLAIT_IPV6);
    (void)state;
    begin();
    assert_int_equal(plait_address_add(peer.stack, peer.port[0], &addr, PLAIT_ADDRESS_SIGNAL, 4433,
                                       99, peer.now),
                     99);
    peer_run(&peer, 10 * MS);
    const struct peer_rx *rx = peer_find(&peer, 0, PL_MP_ADD_ADDR);
    assert_non_null(rx);
    const struct pl_mptcp_options *o = &rx->seg.options.mptcp;
    struct plait_endpoint at = {.addr = addr, .port = 4433};
    assert_int_equal(o->add_addr.port, 4433);
    assert_int_equal(o->add_addr.address_id, 99);
    assert_true(o->add_addr.hmac == peer_add_addr_hmac(&peer, false, 99, &at));
    peer_fini(&peer);
}

/* Behind a NAT: the peer is told, and the HMAC covers, the address that it can reach. */
static void test_announces_the_outside(void **state) {
    struct plait_addr inside = pair_addr(PAIR_B, 3, PLAIT_IPV4), outside;
    (void)state;
    begin();
    assert_true(pl_addr_parse("192.0.2.7", &outside));
    assert_int_equal(plait_address_add(peer.stack, peer.port[0], &inside, 0, 0, 99, peer.now), 99);
    peer_run(&peer, 10 * MS);
    assert_null(peer_find(&peer, 0, PL_MP_ADD_ADDR));
    assert_int_equal(plait_address_announce(peer.stack, peer.port[0], &inside, &outside, peer.now),
                     0);
    peer_run(&peer, 10 * MS);
    const struct peer_rx *rx = peer_find(&peer, 0, PL_MP_ADD_ADDR);
    assert_non_null(rx);
    const struct pl_mptcp_options *o = &rx->seg.options.mptcp;
    struct plait_endpoint at = {.addr = outside};
    assert_true(pl_addr_equal(&o->add_addr.addr, &outside));
    assert_int_equal(o->add_addr.address_id, 99);
    assert_true(o->add_addr.hmac == peer_add_addr_hmac(&peer, false, 99, &at));
    peer_fini(&peer);
}

/* An address that is taken away: REMOVE_ADDR on every subflow, several times; its subflow dies. */
static void test_removes(void **state) {
    struct plait_addr addr = pair_addr(PAIR_B, 1, PLAIT_IPV4);
    (void)state;
    begin_with(&(struct peer_setup){.paths = 3});
    unsigned gone = peer_join(&peer, 1, false), other = peer_join(&peer, 2, false);
    uint8_t id = peer.flow[gone].remote_id;
    unsigned from = peer.log_count;
    assert_int_equal(plait_address_remove(peer.stack, peer.port[1], &addr, peer.now), 0);
    peer_run(&peer, 3 * SECOND);
    assert_true(peer.flow[gone].rst_in);
    unsigned seen[3] = {0};
    for (unsigned i = from; i < peer.log_count; i++) {
        const struct pl_mptcp_options *o = &peer.log[i].seg.options.mptcp;
        if (pl_mptcp_has(o, PL_MP_REMOVE_ADDR)) {
            assert_int_equal(o->remove_addr.count, 1);
            assert_int_equal(o->remove_addr.ids[0], id);
            seen[peer.log[i].flow]++;
        }
    }
    assert_in_range(seen[0], 2, 4);
    assert_in_range(seen[other], 2, 4);
    assert_int_equal(seen[gone], 0);
    peer_fini(&peer);
}

/* It comes back at once: REMOVE_ADDR is not repeated, for it would be about the new one. */
static void test_removal_cancelled(void **state) {
    struct plait_addr addr = pair_addr(PAIR_B, 1, PLAIT_IPV4);
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned gone = peer_join(&peer, 1, false);
    uint8_t id = peer.flow[gone].remote_id;
    assert_int_equal(plait_address_remove(peer.stack, peer.port[1], &addr, peer.now), 0);
    peer_run(&peer, 10 * MS);
    assert_int_equal(plait_address_add(peer.stack, peer.port[1], &addr, 0, 0, id, peer.now), id);
    unsigned from = peer.log_count;
    peer_run(&peer, 3 * SECOND);
    assert_int_equal(peer_count(&peer, from, PL_MP_REMOVE_ADDR), 0);
    peer_fini(&peer);
}

/* What the stack says about `id` from `from` on: removals, and at which of them the first of
 * another kind came (-1: none). */
static unsigned removals_before(unsigned from, uint8_t id, enum pl_mptcp_subtype other, int *at) {
    unsigned removals = 0;
    *at = -1;
    for (unsigned i = from; i < peer.log_count; i++) {
        const struct pl_mptcp_options *o = &peer.log[i].seg.options.mptcp;
        if (pl_mptcp_has(o, PL_MP_REMOVE_ADDR) && o->remove_addr.ids[0] == id) {
            removals++;
        }
        uint8_t named = other == PL_MP_JOIN ? o->join.address_id : o->add_addr.address_id;
        if (pl_mptcp_has(o, other) && named == id && *at < 0) {
            *at = (int)removals;
        }
    }
    return removals;
}

/* An id goes from one address to another in one turn: the peer learns first, and surely, that the
 * old one is gone (RFC 8684 section 3.4.1). */
static void run_id_moves(uint32_t flags, uint64_t pause) {
    struct plait_addr old = pair_addr(PAIR_B, 1, PLAIT_IPV4),
                      new = pair_addr(PAIR_B, 9, PLAIT_IPV4);
    unsigned flow = 0;
    int at = 0;
    begin_with(&(struct peer_setup){.paths = 2});
    assert_int_equal(plait_address_remove(peer.stack, peer.port[1], &old, peer.now), 0);
    assert_int_equal(plait_address_add(peer.stack, peer.port[1], &old, flags, 0, 77, peer.now), 77);
    peer_run(&peer, SECOND);
    if ((flags & PLAIT_ADDRESS_SUBFLOW) != 0) {
        assert_true(peer_answer_join(&peer, 0, false, &flow));
        peer_run(&peer, SECOND);
    }
    unsigned from = peer.log_count;
    assert_int_equal(plait_address_remove(peer.stack, peer.port[1], &old, peer.now), 0);
    if (pause > 0) {
        peer_run(&peer, pause);
    }
    assert_int_equal(plait_address_add(peer.stack, peer.port[1], &new, flags, 0, 77, peer.now), 77);
    peer_run(&peer, 3 * SECOND);
    if ((flags & PLAIT_ADDRESS_SIGNAL) != 0) {
        assert_int_equal(removals_before(from, 77, PL_MP_ADD_ADDR, &at), 3);
        assert_int_equal(at, 3); /* the new one is announced, and last */
    }
    if ((flags & PLAIT_ADDRESS_SUBFLOW) != 0) {
        assert_int_equal(removals_before(from, 77, PL_MP_JOIN, &at), 3);
        assert_int_equal(at, -1); /* it does not wait: it joins under an id of its own */
        assert_non_null(peer_find(&peer, from, PL_MP_JOIN));
    }
    peer_fini(&peer);
}

static void test_id_moves(void **state) {
    (void)state;
    run_id_moves(PLAIT_ADDRESS_SIGNAL, 0);
    run_id_moves(PLAIT_ADDRESS_SIGNAL, 150 * MS);
    run_id_moves(PLAIT_ADDRESS_SUBFLOW, 0);
    run_id_moves(PLAIT_ADDRESS_SUBFLOW, 150 * MS);
}

/* Nobody is there to hear it: a removal is kept until somebody is. */
static void test_removal_waits(void **state) {
    struct plait_addr addr = pair_addr(PAIR_B, 0, PLAIT_IPV4);
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    assert_int_equal(plait_address_remove(peer.stack, peer.port[0], &addr, peer.now), 0);
    peer_run(&peer, 10 * SECOND);
    assert_int_equal(peer_count(&peer, 0, PL_MP_REMOVE_ADDR), 0);
    unsigned from = peer.log_count, flow = peer_join(&peer, 1, false);
    peer_run(&peer, SECOND);
    assert_non_null(peer_subflow(&peer, flow));
    assert_int_equal(peer_count(&peer, from, PL_MP_REMOVE_ADDR), 3);
    peer_fini(&peer);
}

/* REMOVE_ADDR of the peer, two ids and an unknown one in one option. */
static void test_removed(void **state) {
    struct plait_event event;
    (void)state;
    begin_with(&(struct peer_setup){.paths = 4});
    unsigned a = peer_join(&peer, 1, false), b = peer_join(&peer, 2, false);
    unsigned c = peer_join(&peer, 3, false);
    struct pl_mptcp_options o = add_addr(40, 3, PLAIT_IPV4, 9000);
    send_options(0, &o);
    peer_run(&peer, 100 * MS); /* who was connected to waits before it opens a subflow */
    uint8_t ids[4] = {200, peer.flow[a].local_id, peer.flow[b].local_id, 40};
    o = remove_addr(4, ids);
    unsigned from = peer.log_count;
    peer_write(&peer, 0, 1000);
    send_options(0, &o);
    peer_run(&peer, SECOND); /* nobody answers for them */
    assert_non_null(expect_rst(from, a));
    assert_non_null(expect_rst(from, b));
    assert_non_null(peer_subflow(&peer, c));
    for (unsigned i = 1; i < 4; i++) { /* 200 stands for nothing */
        assert_true(next_event(PLAIT_EVENT_REMOVED, &event));
        assert_int_equal(event.id, ids[i]);
    }
    expect_counter(PLAIT_COUNTER_RmAddr, 4);
    expect_counter(PLAIT_COUNTER_RmSubflow, 0); /* counts what an own removal ends, as on Linux */
    peer_fini(&peer);
}

/* The first subflow has id 0 and can be removed; the last one stays and is asked for life. */
static void test_removed_zero_and_last(void **state) {
    static const uint8_t zero = 0;
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    struct pl_mptcp_options o = remove_addr(1, &zero);
    send_options(0, &o);
    assert_non_null(peer_subflow(&peer, 0));
    unsigned second = peer_join(&peer, 1, false), from = peer.log_count;
    send_options(second, &o);
    peer_run(&peer, SECOND);
    assert_non_null(expect_rst(from, 0));
    uint8_t id = peer.flow[second].local_id;
    o = remove_addr(1, &id);
    from = peer.log_count;
    send_options(second, &o);
    assert_non_null(peer_subflow(&peer, second));
    assert_true(peer_count(&peer, from, -1) > 0); /* the probe */
    peer_data(&peer, second, 0, 100);
    expect_read(100);
    peer_fini(&peer);
}

/* A path that answers is not removed, whatever REMOVE_ADDR says: that could be somebody else's
 * (RFC 8684 section 3.4.2). Its address is no longer connected to. */
static void test_removed_and_alive(void **state) {
    static const uint8_t id = 40;
    struct plait_endpoint at = pair_endpoint(PAIR_A, 1, PLAIT_IPV4, 9000);
    unsigned flow = 0;
    (void)state;
    peer_init(&peer, &(struct peer_setup){.paths = 2});
    peer_accept(&peer);
    struct pl_mptcp_options o = add_addr(id, 1, PLAIT_IPV4, at.port);
    send_options(0, &o);
    assert_true(peer_answer_join(&peer, id, false, &flow));
    o = remove_addr(1, &id);
    for (unsigned i = 0; i < 3; i++) {
        unsigned from = peer.log_count;
        send_options(0, &o);
        assert_int_equal(peer.log[peer.log_count - 1].flow, flow); /* the question */
        assert_true(peer_subflow(&peer, flow)->stale);
        peer_write(&peer, i * 100, 100);
        assert_int_equal(peer_find(&peer, from, PL_MP_DSS)->flow, 0); /* meanwhile */
        peer_run(&peer, 5 * MS);
        peer_ack(&peer, flow, peer.got_to);
        assert_false(peer_subflow(&peer, flow)->stale);
        peer_ack(&peer, 0, peer.got_to);
        peer_run(&peer, 5 * SECOND);
        assert_false(peer.flow[flow].rst_in);
    }
    unsigned from = peer.log_count;
    peer_send(&peer, &(struct peer_seg){.flow = flow, .flags = PL_TCP_RST, .seq = PEER_NO_OFFSET});
    peer_run(&peer, 100 * SECOND);
    assert_int_equal(peer_count(&peer, from, PL_MP_JOIN), 0);
    peer_fini(&peer);
}

/* SYNs of joins to `port`. */
static unsigned joins_to(unsigned from, uint16_t tcp_port) {
    unsigned count = 0;
    for (unsigned i = from; i < peer.log_count; i++) {
        const struct pl_segment *seg = &peer.log[i].seg;
        count += seg->flags == PL_TCP_SYN && seg->dst_port == tcp_port ? 1 : 0;
    }
    return count;
}

/* The same id and address with another port: a subflow to that port, besides the one there is
 * (RFC 8684 section 3.4.1). */
static void test_another_port(void **state) {
    unsigned first = 0, second = 0;
    (void)state;
    peer_init(&peer, &(struct peer_setup){.paths = 2});
    peer_accept(&peer);
    peer.alive = true;
    struct pl_mptcp_options o = add_addr(40, 1, PLAIT_IPV4, 9000);
    send_options(0, &o);
    assert_true(peer_answer_join(&peer, 40, false, &first));
    o = add_addr(40, 1, PLAIT_IPV4, 9001);
    send_options(0, &o);
    assert_int_equal(joins_to(0, 9001), 1);
    assert_true(peer_answer_join(&peer, 40, false, &second));
    peer_run(&peer, 10 * SECOND);
    assert_non_null(peer_subflow(&peer, first));
    assert_non_null(peer_subflow(&peer, second));
    expect_counter(PLAIT_COUNTER_AddAddrDrop, 0);
    send_options(0, &o); /* the same again changes nothing */
    peer_run(&peer, 10 * SECOND);
    expect_counter(PLAIT_COUNTER_MPJoinSynTx, 2);
    expect_counter(PLAIT_COUNTER_MPJoinPortSynAckRx, 2);
    peer_fini(&peer);
}

/* Refused for good, and announced anew: that is a wish for another attempt (section 3.4.1), one a
 * second at most. */
static void test_refreshed(void **state) {
    (void)state;
    peer_init(&peer, &(struct peer_setup){.paths = 2});
    peer_accept(&peer);
    peer.alive = true;
    struct pl_mptcp_options o = add_addr(40, 1, PLAIT_IPV4, 9000);
    send_options(0, &o);
    unsigned from = peer.log_count;
    PL_SUBFLOW_FOREACH(sf, peer_conn(&peer)) {
        if (sf->join) {
            sf->reset_reason = PL_RESET_PROHIBITED;
            pl_pm_rst_reason(sf, PL_RESET_PROHIBITED, false);
            pl_subflow_reset(sf, PL_RESET_PROHIBITED, false, PLAIT_E_REFUSED, peer.now);
        }
    }
    peer_run(&peer, 60 * SECOND);
    assert_int_equal(joins_to(from, 9000), 0);
    send_options(0, &o);
    peer_run(&peer, 500 * MS);
    assert_int_equal(joins_to(from, 9000), 1);
    for (unsigned i = 0; i < 100; i++) {
        send_options(0, &o);
    }
    assert_int_equal(joins_to(from, 9000), 1);
    peer_fini(&peer);
}

/* Removed, and announced again under the same id with another address. */
static void test_id_reused(void **state) {
    static const uint8_t five = 5;
    (void)state;
    begin_with(&(struct peer_setup){.paths = 3});
    struct pl_mptcp_options o = add_addr(5, 1, PLAIT_IPV4, 0);
    send_options(0, &o);
    o = remove_addr(1, &five);
    send_options(0, &o);
    o = add_addr(5, 2, PLAIT_IPV4, 0);
    unsigned from = peer.log_count;
    send_options(0, &o);
    expect_echo(from, &o);
    expect_counter(PLAIT_COUNTER_AddAddrDrop, 0);
    peer_fini(&peer);
}

/* Addresses that come and go do not fill the table; one of another family may follow. */
static void test_many_addresses(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 4});
    for (unsigned i = 0; i < 60; i++) {
        uint8_t id = (uint8_t)(1 + i);
        struct pl_mptcp_options o =
            add_addr(id, i % 4, i % 3 == 0 ? PLAIT_IPV6 : PLAIT_IPV4, (uint16_t)(1000 + i));
        unsigned from = peer.log_count;
        send_options(0, &o);
        expect_echo(from, &o);
        peer_run(&peer, 100 * MS);
        o = remove_addr(1, &id);
        send_options(0, &o);
        plait_stack_check(peer.stack);
    }
    expect_counter(PLAIT_COUNTER_AddAddrDrop, 0);
    peer_fini(&peer);
}

/* More removals than the table holds: the newest is always said. */
static void test_many_removals(void **state) {
    (void)state;
    begin();
    for (unsigned i = 1; i <= 40; i++) {
        struct plait_addr addr = pair_addr(PAIR_B, i, PLAIT_IPV4);
        pl_pm_remove_addr_out(peer_conn(&peer), (uint8_t)i, &addr, peer.now);
    }
    expect_counter(PLAIT_COUNTER_RmAddrTxDrop, 40 - PL_REMOVALS_MAX);
    peer_run(&peer, 5 * SECOND);
    bool said = false;
    for (unsigned i = 0; i < peer.log_count; i++) {
        const struct pl_mptcp_options *o = &peer.log[i].seg.options.mptcp;
        for (unsigned k = 0; pl_mptcp_has(o, PL_MP_REMOVE_ADDR) && k < o->remove_addr.count; k++) {
            said = said || o->remove_addr.ids[k] == 40;
        }
    }
    assert_true(said);
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_announced),
        cmocka_unit_test(test_not_believed),
        cmocka_unit_test(test_accepted_limit),
        cmocka_unit_test(test_announces),
        cmocka_unit_test(test_never_echoed),
        cmocka_unit_test(test_announces_port),
        cmocka_unit_test(test_announces_the_outside),
        cmocka_unit_test(test_removes),
        cmocka_unit_test(test_removal_cancelled),
        cmocka_unit_test(test_removed),
        cmocka_unit_test(test_removed_zero_and_last),
        cmocka_unit_test(test_id_reused),
        cmocka_unit_test(test_many_addresses),
        cmocka_unit_test(test_many_removals),
        cmocka_unit_test(test_unusable),
        cmocka_unit_test(test_id_moves),
        cmocka_unit_test(test_removal_waits),
        cmocka_unit_test(test_removed_and_alive),
        cmocka_unit_test(test_another_port),
        cmocka_unit_test(test_refreshed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

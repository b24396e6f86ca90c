/* mptcp_report_test.c - what `ip mptcp monitor` would print at either end, and MPTCP_INFO. */
#include "mptcp_test.h"

#define MS PLAIT_NS_PER_MS
#define S PLAIT_NS_PER_S

static struct link l;

static void begin(unsigned paths) {
    link_init(&l, paths, NULL);
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        assert_int_equal(plait_monitor_start(l.pair.stack[side], 100), 0);
    }
    struct plait_monitor_event listener;
    assert_true(plait_monitor_next(l.pair.stack[PAIR_B], &listener));
    assert_int_equal(listener.type, PLAIT_MONITOR_LISTENER_CREATED);
    link_connect(&l);
}

/* The next event of a side, which must be of this type. */
static struct plait_monitor_event expect(unsigned side, uint32_t type) {
    struct plait_monitor_event event = {0};
    assert_true(plait_monitor_next(l.pair.stack[side], &event));
    assert_int_equal(event.type, type);
    assert_true(event.time > 0 && event.time <= l.pair.now);
    return event;
}

/* The next one of this type; others (the peer tries the new address) are passed over. */
static struct plait_monitor_event next_of(unsigned side, uint32_t type) {
    struct plait_monitor_event event = {0};
    do {
        assert_true(plait_monitor_next(l.pair.stack[side], &event));
    } while (event.type != type);
    return event;
}

static void expect_silence(void) {
    struct plait_monitor_event event;
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        assert_false(plait_monitor_next(l.pair.stack[side], &event));
    }
}

static void same_pair(const struct plait_monitor_event *a, const struct plait_monitor_event *b) {
    assert_memory_equal(&a->local.addr, &b->remote.addr, sizeof(a->local.addr));
    assert_memory_equal(&a->remote.addr, &b->local.addr, sizeof(a->local.addr));
    assert_int_equal(a->local.port, b->remote.port);
    assert_int_equal(a->remote.port, b->local.port);
}

static void expect_begin(void) {
    static const uint32_t types[] = {PLAIT_MONITOR_CREATED, PLAIT_MONITOR_ESTABLISHED};
    for (unsigned i = 0; i < 2; i++) {
        struct plait_monitor_event a = expect(PAIR_A, types[i]), b = expect(PAIR_B, types[i]);
        same_pair(&a, &b);
        assert_false(a.server_side);
        assert_true(b.server_side);
        assert_int_equal(a.token, pair_get(&l.pair, PAIR_A, l.a, PLAIT_OPT_CONNID));
        assert_int_equal(b.token, pair_get(&l.pair, PAIR_B, l.b, PLAIT_OPT_CONNID));
    }
}

static void test_life(void **state) {
    (void)state;
    begin(2);
    link_transfer(&l, 1000);
    pair_run(&l.pair, S);
    expect_begin();
    struct plait_monitor_event a = expect(PAIR_A, PLAIT_MONITOR_SF_ESTABLISHED);
    struct plait_monitor_event b = expect(PAIR_B, PLAIT_MONITOR_SF_ESTABLISHED);
    same_pair(&a, &b);
    assert_int_equal(a.local_id, b.remote_id);
    assert_int_not_equal(a.local_id, 0);
    assert_int_equal(a.port, l.pair.path[1].port[PAIR_A]);
    expect_silence();
    assert_int_equal(plait_shutdown(l.pair.stack[PAIR_A], l.a, l.pair.now), 0);
    assert_int_equal(plait_shutdown(l.pair.stack[PAIR_B], l.b, l.pair.now), 0);
    pair_run(&l.pair, S);
    assert_int_equal(expect(PAIR_A, PLAIT_MONITOR_CLOSED).error, 0);
    assert_int_equal(expect(PAIR_B, PLAIT_MONITOR_CLOSED).error, 0);
    expect_silence();
    pair_fini(&l.pair);
}

/* Addresses and priorities are told at the end that hears of them. */
static void test_paths(void **state) {
    (void)state;
    begin(2);
    link_transfer(&l, 1000);
    pair_run(&l.pair, S);
    expect_begin();
    struct plait_monitor_event joined = expect(PAIR_A, PLAIT_MONITOR_SF_ESTABLISHED);
    expect(PAIR_B, PLAIT_MONITOR_SF_ESTABLISHED);
    struct plait_addr addr = pair_addr(PAIR_A, 1, PLAIT_IPV4);
    plait_port_id port = l.pair.path[1].port[PAIR_A];
    struct plait_stack *a = l.pair.stack[PAIR_A];
    assert_int_equal(plait_address_set_backup(a, port, &addr, true, l.pair.now), 0);
    pair_run(&l.pair, S);
    struct plait_monitor_event prio = expect(PAIR_B, PLAIT_MONITOR_SF_PRIO);
    assert_true(prio.backup);
    assert_int_equal(prio.remote_id, joined.local_id);
    struct plait_addr more = {.family = PLAIT_IPV4, .bytes = {10, 0, 9, 9}};
    int id = plait_address_add(a, port, &more, PLAIT_ADDRESS_SIGNAL, 8080, 77, l.pair.now);
    assert_int_equal(id, 77);
    pair_run(&l.pair, 100 * MS);
    struct plait_monitor_event said = expect(PAIR_B, PLAIT_MONITOR_ANNOUNCED);
    assert_int_equal(said.remote_id, 77);
    assert_int_equal(said.remote.port, 8080);
    assert_memory_equal(&said.remote.addr, &more, sizeof(more));
    assert_int_equal(plait_address_remove(a, port, &addr, l.pair.now), 0);
    pair_run(&l.pair, 2 * S);
    assert_int_not_equal(next_of(PAIR_A, PLAIT_MONITOR_SF_CLOSED).error, 0);
    struct plait_monitor_event closed = next_of(PAIR_B, PLAIT_MONITOR_SF_CLOSED);
    assert_int_equal(closed.reset_reason, 5); /* MP_TCPRST said so: bad performance */
    assert_int_equal(plait_address_remove(a, port, &more, l.pair.now), 0);
    pair_run(&l.pair, 2 * S);
    assert_int_equal(next_of(PAIR_B, PLAIT_MONITOR_REMOVED).remote_id, 77);
    pair_fini(&l.pair);
}

/* A monitor that starts late learns what there is, and from then on what happens to it. */
static void test_started_late(void **state) {
    struct plait_monitor_event event;
    (void)state;
    link_init(&l, 2, NULL);
    link_connect(&l);
    link_transfer(&l, 1000);
    struct plait_addr more = {.family = PLAIT_IPV4, .bytes = {10, 0, 9, 9}};
    plait_port_id port = l.pair.path[0].port[PAIR_A];
    int id = plait_address_add(l.pair.stack[PAIR_A], port, &more, PLAIT_ADDRESS_SIGNAL, 8080, 77,
                               l.pair.now);
    assert_int_equal(id, 77);
    pair_run(&l.pair, S);
    for (unsigned again = 0; again < 2; again++) {
        for (unsigned side = 0; side < PAIR_SIDES; side++) {
            assert_int_equal(plait_monitor_start(l.pair.stack[side], 100), 0);
        }
        assert_int_equal(expect(PAIR_B, PLAIT_MONITOR_LISTENER_CREATED).local.port, LINK_PORT);
        expect_begin();
        struct plait_monitor_event a = expect(PAIR_A, PLAIT_MONITOR_SF_ESTABLISHED);
        struct plait_monitor_event b = expect(PAIR_B, PLAIT_MONITOR_SF_ESTABLISHED);
        same_pair(&a, &b);
        a = expect(PAIR_A, PLAIT_MONITOR_SF_ESTABLISHED); /* the peer has tried the address */
        b = expect(PAIR_B, PLAIT_MONITOR_SF_ESTABLISHED);
        same_pair(&a, &b);
        b = expect(PAIR_B, PLAIT_MONITOR_ANNOUNCED);
        assert_int_equal(b.remote_id, 77);
        assert_memory_equal(&b.remote.addr, &more, sizeof(more));
        expect_silence();
    }
    assert_int_equal(plait_shutdown(l.pair.stack[PAIR_A], l.a, l.pair.now), 0);
    assert_int_equal(plait_shutdown(l.pair.stack[PAIR_B], l.b, l.pair.now), 0);
    pair_run(&l.pair, S);
    expect(PAIR_A, PLAIT_MONITOR_CLOSED);
    assert_int_equal(plait_monitor_start(l.pair.stack[PAIR_A], 100), 0); /* it is over */
    assert_false(plait_monitor_next(l.pair.stack[PAIR_A], &event));
    pair_fini(&l.pair);
}

/* Plain TCP is none of the monitor's business. */
static void test_plain(void **state) {
    (void)state;
    link_init(&l, 1, NULL);
    assert_int_equal(plait_monitor_start(l.pair.stack[PAIR_A], 100), 0);
    assert_int_equal(plait_close(l.pair.stack[PAIR_B], l.listener, l.pair.now), 0);
    plait_sock listener = 0;
    assert_int_equal(plait_open(l.pair.stack[PAIR_B], &listener), 0);
    assert_int_equal(plait_set(l.pair.stack[PAIR_B], listener, PLAIT_OPT_MPTCP, 0), 0);
    assert_int_equal(plait_bind(l.pair.stack[PAIR_B], listener, 0, NULL, LINK_PORT), 0);
    assert_int_equal(plait_listen(l.pair.stack[PAIR_B], listener, 2), 0);
    l.a = pair_connect(&l.pair, listener, LINK_PORT, PLAIT_IPV4, &l.b);
    link_transfer(&l, 1000);
    struct plait_monitor_event event;
    assert_false(plait_monitor_next(l.pair.stack[PAIR_A], &event));
    link_finish(&l);
}

static void test_mptcp_info(void **state) {
    struct plait_mptcp_info info;
    size_t size = sizeof(info);
    (void)state;
    begin(3);
    link_transfer(&l, 50000);
    pair_run(&l.pair, S);
    assert_int_equal(plait_mptcp_info(l.pair.stack[PAIR_A], l.a, &info, &size), 0);
    assert_int_equal(size, sizeof(info));
    assert_int_equal(info.mptcpi_subflows, 2);
    assert_int_equal(info.mptcpi_subflows_total, 3);
    assert_int_equal(info.mptcpi_local_addr_used, 2);
    assert_int_equal(info.mptcpi_flags, PLAIT_MPTCP_INFO_REMOTE_KEY_RECEIVED);
    assert_int_equal(info.mptcpi_bytes_sent, 50000);
    assert_int_equal(info.mptcpi_bytes_acked, 50000);
    assert_int_equal(info.mptcpi_bytes_received, 50000);
    assert_int_equal(info.mptcpi_write_seq, info.mptcpi_snd_una);
    assert_int_equal(info.mptcpi_token, pair_get(&l.pair, PAIR_A, l.a, PLAIT_OPT_CONNID));
    assert_true(info.mptcpi_last_data_recv < 3000);
    /* An old caller, with a struct that ended earlier: the rest of his memory is his. */
    memset(&info, 0xaa, sizeof(info));
    size = offsetof(struct plait_mptcp_info, mptcpi_retransmits);
    assert_int_equal(plait_mptcp_info(l.pair.stack[PAIR_A], l.a, &info, &size), 0);
    assert_int_equal(size, offsetof(struct plait_mptcp_info, mptcpi_retransmits));
    assert_int_equal(info.mptcpi_subflows, 2);
    assert_int_equal(info.mptcpi_retransmits, 0xaaaaaaaa);
    size = 100000; /* and one from the future */
    assert_int_equal(plait_mptcp_info(l.pair.stack[PAIR_A], l.a, &info, &size), 0);
    assert_int_equal(size, sizeof(info));
    assert_int_equal(plait_mptcp_info(l.pair.stack[PAIR_A], 77, &info, &size), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_mptcp_info(l.pair.stack[PAIR_A], l.a, NULL, &size),
                     PLAIT_E_BAD_ARGUMENT);
    link_finish(&l);
}

/* Linux's offsets: its callers read ours. */
static void test_layout(void **state) {
    (void)state;
    assert_int_equal(offsetof(struct plait_mptcp_info, mptcpi_flags), 8);
    assert_int_equal(offsetof(struct plait_mptcp_info, mptcpi_write_seq), 16);
    assert_int_equal(offsetof(struct plait_mptcp_info, mptcpi_local_addr_used), 40);
    assert_int_equal(offsetof(struct plait_mptcp_info, mptcpi_retransmits), 44);
    assert_int_equal(offsetof(struct plait_mptcp_info, mptcpi_bytes_acked), 72);
    assert_int_equal(offsetof(struct plait_mptcp_info, mptcpi_subflows_total), 80);
    assert_int_equal(sizeof(struct plait_mptcp_info), 96);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),         cmocka_unit_test(test_paths),
        cmocka_unit_test(test_started_late), cmocka_unit_test(test_plain),
        cmocka_unit_test(test_mptcp_info),   cmocka_unit_test(test_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* socket_multipath_test.c - the calls of plait/multipath.h and what an application gets without
 * them (RFC 6897): on or off, sets of addresses, path managers, subflows one by one. */
#include "mptcp_test.h"

#include "mptcp/internal.h"
#include "plait/multipath.h"
#include "socket/table.h"

#define MS PLAIT_NS_PER_MS
#define S PLAIT_NS_PER_S
#define A (l.pair.stack[PAIR_A])
#define B (l.pair.stack[PAIR_B])

static struct link l;
static unsigned removals;          /* REMOVE_ADDR options of A */
static unsigned announced;         /* ADD_ADDR options of A, echoes not counted */
static plait_time removed_at;      /* when the first REMOVE_ADDR of A left */
static struct plait_addr told[16]; /* addresses that A announced */

static bool watch(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                  uint32_t len) {
    struct tamper t;
    (void)path;
    if (from != PAIR_A || !tamper_parse(&t, packet, len)) {
        return false;
    }
    const struct pl_mptcp_options *o = &t.seg.options.mptcp;
    if (pl_mptcp_has(o, PL_MP_REMOVE_ADDR)) {
        removed_at = removals == 0 ? pair->now : removed_at;
        removals++;
    }
    if (pl_mptcp_has(o, PL_MP_ADD_ADDR) && !o->add_addr.echo && announced < 16) {
        told[announced++] = o->add_addr.addr;
    }
    return false;
}

static void begin(unsigned paths) {
    link_init(&l, paths, NULL);
    link_filter(&l, watch, NULL);
    removals = 0;
    announced = 0;
    assert_int_equal(plait_open(A, &l.a), 0);
}

static bool accepted(struct stack_pair *pair, void *arg) {
    (void)arg;
    return plait_accept(pair->stack[PAIR_B], l.listener, &l.b) == 0;
}

/* Connects with what was said so far, and lets subflows come up. */
static void go(void) {
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    assert_int_equal(plait_connect(A, l.a, &remote, l.pair.now), 0);
    assert_true(pair_run_until(&l.pair, accepted, NULL, 10 * S));
    link_transfer(&l, 1000); /* joins wait for the peer's first DATA_ACK */
    pair_run(&l.pair, 3 * S);
}

static struct plait_local local_of(unsigned path, enum plait_family family) {
    return (struct plait_local){.addr = pair_addr(PAIR_A, path, family)};
}

static int add(unsigned path) {
    struct plait_local local = local_of(path, PLAIT_IPV4);
    return plait_multipath_add(A, l.a, &local, 1, l.pair.now);
}

static int take_away(unsigned path) {
    struct plait_local local = local_of(path, PLAIT_IPV4);
    return plait_multipath_remove(A, l.a, &local, 1, l.pair.now);
}

static int bind_to(unsigned path) {
    struct plait_addr addr = pair_addr(PAIR_A, path, PLAIT_IPV4);
    return plait_bind(A, l.a, 0, &addr, 0);
}

static int64_t option(enum plait_option which) {
    return pair_get(&l.pair, PAIR_A, l.a, which);
}

/* The established subflows from this address of A. */
static unsigned subflows_from(unsigned path, enum plait_family family) {
    struct plait_address_pair pairs[16];
    struct plait_addr addr = pair_addr(PAIR_A, path, family);
    int n = plait_multipath_subflows(A, l.a, pairs, 16);
    unsigned found = 0;
    assert_true(n >= 0 && n <= 16);
    for (int i = 0; i < n; i++) {
        assert_int_equal(pairs[i].local.addr.family, pairs[i].remote.addr.family);
        found += memcmp(&pairs[i].local.addr, &addr, sizeof(addr)) == 0 ? 1 : 0;
    }
    return found;
}

static unsigned from(unsigned path) {
    return subflows_from(path, PLAIT_IPV4);
}

static unsigned from_any(void) {
    return (unsigned)plait_multipath_subflows(A, l.a, NULL, 0);
}

static uint32_t serial_from(unsigned path) {
    struct plait_subflow_info info[16];
    struct plait_addr addr = pair_addr(PAIR_A, path, PLAIT_IPV4);
    int n = plait_subflows(A, l.a, info, 16);
    for (int i = 0; i < n; i++) {
        if (info[i].established && memcmp(&info[i].local.addr, &addr, sizeof(addr)) == 0) {
            return info[i].serial;
        }
    }
    return 0;
}

/* ---- on or off ---- */

static void test_on_by_default(void **state) {
    (void)state;
    begin(2);
    assert_int_equal(option(PLAIT_OPT_MPTCP), 1);
    go();
    assert_int_equal(option(PLAIT_OPT_MPTCP), 1);
    assert_int_equal(from(0) + from(1), 2);
    link_finish(&l);
}

static void test_off(void **state) {
    (void)state;
    begin(2);
    assert_int_equal(plait_set_text(A, l.a, "TCP_MULTIPATH_ENABLE", "0"), 0);
    go();
    assert_int_equal(option(PLAIT_OPT_MPTCP), 0);
    assert_int_equal(option(PLAIT_OPT_CONNID), 0);
    assert_int_equal(from_any(), 1);
    assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_MPCapableSYNTX), 0);
    link_finish(&l);
}

/* RFC 6897 section 4.2.1: who binds and does not know MPTCP means this path. */
static void test_bound_is_plain(void **state) {
    (void)state;
    begin(2);
    assert_int_equal(bind_to(1), 0);
    assert_int_equal(option(PLAIT_OPT_MPTCP), 0);
    go();
    assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_MPCapableSYNTX), 0);
    assert_int_equal(from(1), 1);
    link_finish(&l);
}

/* Section 5.3.2: bound and enabled is MPTCP over what was bound. */
static void test_bound_and_enabled(void **state) {
    (void)state;
    begin(3);
    assert_int_equal(bind_to(1), 0);
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_MPTCP, 1), 0);
    go();
    assert_int_equal(option(PLAIT_OPT_MPTCP), 1);
    assert_int_equal(from(1), 1);
    assert_int_equal(from_any(), 1);
    assert_int_equal(add(2), 0); /* and may be widened */
    pair_run(&l.pair, 3 * S);
    assert_int_equal(from(2), 1);
    assert_int_equal(from_any(), 2);
    link_finish(&l);
}

/* A port (an interface) may have several addresses: all of them are meant. */
static void test_bound_to_a_port(void **state) {
    (void)state;
    begin(3);
    assert_int_equal(plait_bind(A, l.a, l.pair.path[0].port[PAIR_A], NULL, 0), 0);
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_MPTCP, 1), 0);
    struct plait_local six = local_of(0, PLAIT_IPV6), none = {.port = 0};
    go();
    assert_int_equal(from_any(), 1);
    assert_int_equal(plait_multipath_add(A, l.a, &six, 1, l.pair.now), 0);
    assert_int_equal(plait_multipath_add(A, l.a, &none, 1, l.pair.now), 0); /* everything again */
    pair_run(&l.pair, 3 * S);
    assert_int_equal(from_any(), 3);
    link_finish(&l);
}

/* A listener on one address of B: joins to the others are refused. */
static void test_bound_listener(void **state) {
    (void)state;
    begin(2);
    plait_sock listener = 0;
    struct plait_addr addr = pair_addr(PAIR_B, 0, PLAIT_IPV4);
    struct plait_addr other = pair_addr(PAIR_B, 1, PLAIT_IPV4);
    assert_int_equal(plait_open(B, &listener), 0);
    assert_int_equal(plait_bind(B, listener, 0, &addr, 81), 0);
    assert_int_equal(plait_set(B, listener, PLAIT_OPT_MPTCP, 1), 0);
    assert_int_equal(plait_listen(B, listener, 4), 0);
    l.a = pair_connect(&l.pair, listener, 81, PLAIT_IPV4, &l.b);
    link_transfer(&l, 1000);
    struct plait_endpoint to = {.addr = other, .port = 81};
    struct plait_local where = local_of(1, PLAIT_IPV4);
    assert_true(plait_subflow_open(A, l.a, &where, &to, false, l.pair.now) > 0);
    pair_run(&l.pair, 3 * S);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_MPJoinRejected), 1);
    struct plait_address_pair pairs[8];
    int n = plait_multipath_subflows(B, l.b, pairs, 8);
    for (int i = 0; i < n; i++) {
        assert_memory_equal(&pairs[i].local.addr, &addr, sizeof(addr));
    }
    link_finish(&l);
}

/* ---- sets of addresses ---- */

static void test_set_before(void **state) {
    (void)state;
    begin(3);
    struct plait_local set[] = {local_of(2, PLAIT_IPV4), local_of(1, PLAIT_IPV4),
                                local_of(1, PLAIT_IPV6)};
    set[0].flags = PLAIT_ADDRESS_SIGNAL;
    assert_int_equal(plait_multipath_add(A, l.a, set, 3, l.pair.now), 0);
    go();
    assert_int_equal(from(0), 0);
    assert_int_equal(from(1), 1);
    assert_true(from(2) > 0);       /* the peer may open one to it, too */
    assert_int_equal(announced, 1); /* and of the others the peer hears nothing */
    assert_memory_equal(&told[0], &set[0].addr, sizeof(told[0]));
    link_finish(&l);
}

static void test_removed_before(void **state) {
    (void)state;
    begin(3);
    assert_int_equal(take_away(0), 0);
    go();
    assert_int_equal(from(0), 0);
    assert_int_equal(from(1) + from(2), 2);
    assert_int_equal(removals, 0);
    link_finish(&l);
}

static void test_all_removed(void **state) {
    (void)state;
    begin(1);
    assert_int_equal(take_away(0), 0);
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    assert_int_equal(plait_connect(A, l.a, &remote, l.pair.now), PLAIT_E_NO_ADDRESS);
    pair_fini(&l.pair);
}

/* Section 5.3.3: subflows end, the peer hears of it, nothing comes back; until it is added. */
static void test_remove(void **state) {
    (void)state;
    begin(3);
    go();
    assert_int_equal(from_any(), 3);
    assert_int_equal(take_away(1), 0);
    pair_run(&l.pair, S);
    assert_int_equal(from(1), 0);
    assert_int_equal(from_any(), 2);
    assert_true(removals > 0);
    assert_true(link_count(&l, PAIR_B, PLAIT_COUNTER_RmAddr) > 0);
    link_transfer(&l, 100000);
    pair_run(&l.pair, 40 * S);
    assert_int_equal(from(1), 0);
    assert_int_equal(add(1), 0);
    pair_run(&l.pair, 5 * S);
    assert_int_equal(from(1), 1);
    link_transfer(&l, 100000);
    link_finish(&l);
}

/* One entry that cannot be taken, and nothing of the list is, though it began well. */
static void test_all_or_nothing(void **state) {
    struct plait_local list[18];
    (void)state;
    begin(2);
    go();
    list[0] = local_of(1, PLAIT_IPV4);
    for (unsigned i = 1; i < 18; i++) {
        list[i] = (struct plait_local){
            .addr = {.family = PLAIT_IPV4, .bytes = {10, 9, 9, (uint8_t)i}},
        };
    }
    assert_int_equal(plait_multipath_remove(A, l.a, list, 18, l.pair.now), PLAIT_E_LIMIT);
    pair_run(&l.pair, 5 * S);
    assert_int_equal(from(1), 1);
    assert_int_equal(removals, 0);
    list[0] = local_of(0, PLAIT_IPV4);
    assert_int_equal(plait_multipath_add(A, l.a, list, 2, l.pair.now), PLAIT_E_NO_ADDRESS);
    list[0] = local_of(1, PLAIT_IPV4);
    assert_int_equal(plait_multipath_remove(A, l.a, list, 16, l.pair.now), 0); /* all fit */
    pair_run(&l.pair, 5 * S);
    assert_int_equal(from(1), 0);
    link_finish(&l);
}

/* Without memory for the connection's copy the socket's list is what it was. */
static void test_remove_without_memory(void **state) {
    (void)state;
    begin(2);
    go();
    for (unsigned n = 1; n <= 2; n++) { /* the socket's list, the connection's copy of it */
        l.pair.env[PAIR_A].fail_at = l.pair.env[PAIR_A].alloc_count + n;
        assert_int_equal(take_away(1), PLAIT_E_NO_MEMORY);
    }
    l.pair.env[PAIR_A].fail_at = 0;
    pair_run(&l.pair, 5 * S);
    assert_int_equal(from(1), 1);
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_SUBFLOWS_MAX, 4), 0); /* hands the list on */
    pair_run(&l.pair, 5 * S);
    assert_int_equal(from(1), 1);
    assert_int_equal(removals, 0);
    link_finish(&l);
}

/* docs/api.md: callers with older and newer headers than the library's. */
struct newer_local {
    struct plait_local now;
    uint64_t later;
};

static void test_entries_of_other_lengths(void **state) {
    (void)state;
    begin(3);
    struct newer_local list[2] = {{.now = local_of(0, PLAIT_IPV4)},
                                  {.now = local_of(2, PLAIT_IPV4), .later = 1}};
    size_t size = sizeof(list[0]);
    int error = plait_multipath_add_sized(A, l.a, list, size, 2, l.pair.now);
    assert_int_equal(error, PLAIT_E_BAD_ARGUMENT); /* it asks for what we do not know */
    list[1].later = 0;
    assert_int_equal(plait_multipath_add_sized(A, l.a, list, size, 2, l.pair.now), 0);
    error = plait_multipath_add_sized(A, l.a, list, sizeof(struct plait_local) - 1, 2, l.pair.now);
    assert_int_equal(error, PLAIT_E_BAD_ARGUMENT); /* there never was a shorter one */
    go();
    assert_int_equal(from(0) + from(2), 2);
    assert_int_equal(from_any(), 2);
    link_finish(&l);
}

static void test_answers_of_other_lengths(void **state) {
    enum { MORE = 24 };
    uint8_t out[4 * (sizeof(struct plait_subflow_info) + MORE)];
    struct plait_subflow_info info[2];
    struct plait_address_pair pair[2];
    (void)state;
    begin(2);
    go();
    assert_int_equal(plait_subflows(A, l.a, info, 2), 2);
    assert_int_equal(plait_multipath_subflows(A, l.a, pair, 2), 2);
    assert_int_equal(info[1].size, sizeof(info[1]));
    const uint8_t *local = (const uint8_t *)&info[1].local; /* a byte that no member has */
    assert_int_equal(local[offsetof(struct plait_endpoint, port) - 1], 0);
    for (size_t size = sizeof(size_t); size <= sizeof(info[0]) + MORE; size += 8) {
        size_t known = size < sizeof(info[0]) ? size : sizeof(info[0]);
        memset(out, 0xaa, sizeof(out));
        info[1].size = known;
        assert_int_equal(plait_subflows_sized(A, l.a, out, size, 2), 2);
        assert_memory_equal(out + size, &info[1], known);
        assert_true(size == known || out[2 * size - 1] == 0);
        assert_int_equal(out[2 * size], 0xaa);
    }
    assert_int_equal(plait_subflows_sized(A, l.a, out, 4, 1), PLAIT_E_BAD_ARGUMENT);
    for (size_t size = 8; size <= sizeof(pair[0]) + MORE; size += 8) {
        size_t known = size < sizeof(pair[0]) ? size : sizeof(pair[0]);
        memset(out, 0xaa, sizeof(out));
        assert_int_equal(plait_multipath_subflows_sized(A, l.a, out, size, 2), 2);
        assert_memory_equal(out + size, &pair[1], known);
        assert_int_equal(out[2 * size], 0xaa);
    }
    link_finish(&l);
}

/* The only address is exchanged for another: the new one works before the old one goes. */
static void test_alternative_first(void **state) {
    (void)state;
    begin(2);
    assert_int_equal(bind_to(0), 0);
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_MPTCP, 1), 0);
    go();
    assert_int_equal(from_any(), 1);
    struct plait_endpoint before, after;
    assert_int_equal(plait_local(A, l.a, &before), 0);
    assert_int_equal(add(1), 0);
    assert_int_equal(take_away(0), 0);
    plait_time asked = l.pair.now;
    assert_int_equal(from(0), 1);
    pair_run(&l.pair, S);
    assert_int_equal(from(0), 0);
    assert_int_equal(from(1), 1);
    assert_true(removed_at > asked && removed_at < asked + 100 * MS);
    assert_int_equal(plait_local(A, l.a, &after), 0); /* section 4.2.2: the first one's, always */
    assert_memory_equal(&before.addr, &after.addr, sizeof(before.addr));
    assert_int_equal(before.port, after.port);
    assert_int_equal(plait_remote(B, l.b, &after), 0);
    assert_memory_equal(&before.addr, &after.addr, sizeof(before.addr));
    assert_int_equal(before.port, after.port);
    link_transfer(&l, 100000);
    link_finish(&l);
}

static void test_tcp_port(void **state) {
    (void)state;
    begin(2);
    struct plait_local set[] = {local_of(0, PLAIT_IPV4), local_of(1, PLAIT_IPV4)};
    set[0].tcp_port = 7000;
    set[1].tcp_port = 7001;
    assert_int_equal(plait_multipath_add(A, l.a, set, 2, l.pair.now), 0);
    go();
    struct plait_address_pair pairs[2];
    assert_int_equal(plait_multipath_subflows(A, l.a, pairs, 2), 2);
    assert_int_equal(pairs[0].local.port, 7000);
    assert_int_equal(pairs[1].local.port, 7001);
    link_finish(&l);
}

/* The port that was asked for is taken: no join, which is counted as Linux counts its bind(). */
static void test_tcp_port_taken(void **state) {
    (void)state;
    begin(2);
    struct plait_local set[] = {local_of(0, PLAIT_IPV4), local_of(1, PLAIT_IPV4)};
    set[1].tcp_port = 7001;
    assert_int_equal(plait_multipath_add(A, l.a, set, 2, l.pair.now), 0);
    go();
    assert_int_equal(plait_counters(A)[PLAIT_COUNTER_MPJoinSynTxBindErr], 0);
    plait_sock first_a = l.a, first_b = l.b;
    assert_int_equal(plait_open(A, &l.a), 0);
    assert_int_equal(plait_multipath_add(A, l.a, set, 2, l.pair.now), 0);
    go();
    assert_int_equal(plait_multipath_subflows(A, l.a, NULL, 0), 1);
    assert_true(plait_counters(A)[PLAIT_COUNTER_MPJoinSynTxBindErr] > 0);
    assert_int_equal(plait_counters(A)[PLAIT_COUNTER_MPJoinSynTx], 1);
    plait_abort(A, first_a, 0, l.pair.now);
    plait_abort(B, first_b, 0, l.pair.now);
    link_finish(&l);
}

static void test_refused(void **state) {
    (void)state;
    begin(1);
    struct plait_local foreign = {.addr = pair_addr(PAIR_B, 0, PLAIT_IPV4)};
    struct plait_local wrong[] = {{.addr.family = 5}, {.port = 99}, {.flags = 0x100}};
    assert_int_equal(plait_multipath_add(A, l.a, &foreign, 1, 0), PLAIT_E_NO_ADDRESS);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(plait_multipath_add(A, l.a, &wrong[i], 1, 0), PLAIT_E_BAD_ARGUMENT);
        assert_int_equal(plait_multipath_remove(A, l.a, &wrong[i], 1, 0), PLAIT_E_BAD_ARGUMENT);
    }
    assert_int_equal(plait_multipath_add(A, l.a, NULL, 1, 0), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_multipath_add(A, 77, NULL, 0, 0), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_multipath_remove(A, 77, NULL, 0, 0), PLAIT_E_BAD_SOCKET);
    for (unsigned i = 0; i < 16; i++) {
        struct plait_local one = {.addr = {.family = PLAIT_IPV4, .bytes = {10, 9, 9, (uint8_t)i}}};
        one.addr.bytes[3]++;
        assert_int_equal(plait_multipath_remove(A, l.a, &one, 1, 0), 0);
    }
    assert_int_equal(add(0), PLAIT_E_LIMIT);
    assert_int_equal(plait_multipath_subflows(A, l.a, NULL, 0), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_multipath_subflows(A, l.a, NULL, 1), PLAIT_E_BAD_ARGUMENT);
    pair_fini(&l.pair);
}

static void test_connid(void **state) {
    (void)state;
    begin(1);
    go();
    struct plait_connection_info info = {.size = sizeof(info)};
    assert_int_equal(plait_connection(A, l.a, &info), 0);
    assert_int_equal(option(PLAIT_OPT_CONNID), info.token_local);
    assert_int_not_equal(info.token_local, 0);
    link_finish(&l);
}

/* ---- path managers and limits ---- */

static void test_fullmesh(void **state) {
    (void)state;
    begin(3);
    assert_int_equal(plait_set_text(A, l.a, "PLAIT_PATH_MANAGER", "fullmesh"), 0);
    go();
    assert_int_equal(from_any(), 3);
    assert_int_equal(option(PLAIT_OPT_PATH_MANAGER), PLAIT_PM_FULLMESH);
    link_finish(&l);
}

static void test_ndiffports(void **state) {
    (void)state;
    begin(2);
    assert_int_equal(plait_set_text(A, l.a, "PLAIT_PATH_MANAGER", "ndiffports"), 0);
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_NDIFFPORTS, 4), 0);
    go();
    assert_int_equal(from(0), 4);
    assert_int_equal(from_any(), 4);
    assert_int_equal(plait_subflow_close(A, l.a, serial_from(0), true, l.pair.now), 0);
    link_transfer(&l, 200000);
    link_finish(&l);
}

/* Nothing by itself: the application opens, closes and announces. */
static void test_userspace(void **state) {
    (void)state;
    begin(2);
    assert_int_equal(plait_set_text(A, l.a, "PLAIT_PATH_MANAGER", "userspace"), 0);
    go();
    assert_int_equal(from_any(), 1);
    struct plait_local where = local_of(1, PLAIT_IPV4);
    struct plait_endpoint to = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    where.tcp_port = 4242;
    int serial = plait_subflow_open(A, l.a, &where, &to, false, l.pair.now);
    assert_true(serial > 1);
    struct plait_event event;
    pair_run(&l.pair, S);
    assert_int_equal(from(1), 1);
    link_transfer(&l, 100000);
    assert_int_equal(plait_subflow_close(A, l.a, (uint32_t)serial, false, l.pair.now), 0);
    assert_true(pair_wait_event(&l.pair, PAIR_A, l.a, PLAIT_EVENT_SF_CLOSED, 3 * S, &event));
    pair_run(&l.pair, 40 * S);
    assert_int_equal(from_any(), 1);
    where.flags = PLAIT_ADDRESS_SIGNAL;
    assert_int_equal(plait_multipath_add(A, l.a, &where, 1, l.pair.now), 0);
    pair_run(&l.pair, S);
    assert_int_equal(announced, 1);
    link_finish(&l);
}

static void test_limits(void **state) {
    (void)state;
    begin(4);
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_SUBFLOWS_MAX, 2), 0);
    go();
    assert_int_equal(from_any(), 2);
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_SUBFLOWS_MAX, 3), 0);
    pair_run(&l.pair, 3 * S);
    assert_int_equal(from_any(), 3);
    assert_int_equal(plait_set(B, l.b, PLAIT_OPT_SUBFLOWS_MAX, 3), 0); /* the other end's counts */
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_SUBFLOWS_MAX, 8), 0);
    pair_run(&l.pair, 3 * S);
    assert_int_equal(from_any(), 3);
    assert_true(link_count(&l, PAIR_B, PLAIT_COUNTER_MPJoinRejected) > 0);
    link_finish(&l);
}

/* ---- one subflow ---- */

static void test_close_one(void **state) {
    (void)state;
    for (unsigned reset = 0; reset < 2; reset++) {
        begin(2);
        go();
        assert_int_equal(plait_subflow_close(A, l.a, serial_from(1), reset == 1, l.pair.now), 0);
        link_transfer(&l, 100000);
        pair_run(&l.pair, 40 * S);
        assert_int_equal(from_any(), 1); /* it stays closed */
        assert_int_equal(plait_subflow_close(A, l.a, 99, false, l.pair.now), PLAIT_E_BAD_STATE);
        assert_int_equal(plait_subflow_close(A, l.a, 0, false, l.pair.now), PLAIT_E_BAD_STATE);
        link_finish(&l);
    }
}

static void test_priority(void **state) {
    (void)state;
    begin(2);
    go();
    struct plait_event event;
    assert_int_equal(plait_subflow_set_backup(A, l.a, serial_from(0), true, l.pair.now), 0);
    assert_true(pair_wait_event(&l.pair, PAIR_B, l.b, PLAIT_EVENT_SF_PRIO, S, &event));
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_MPPrioRx), 1);
    uint64_t before = l.pair.sent[PAIR_A][0];
    assert_true(pair_transfer(&l.pair, PAIR_A, l.a, l.b, 200000, 10 * S));
    assert_true(l.pair.sent[PAIR_A][0] - before < 10); /* a backup is silent */
    assert_int_equal(plait_subflow_set_backup(A, l.a, 99, true, l.pair.now), PLAIT_E_BAD_STATE);
    link_finish(&l);
}

static const char *cc_of(unsigned path) {
    struct pl_socket *sock = pl_table_find(A, l.a);
    struct plait_addr addr = pair_addr(PAIR_A, path, PLAIT_IPV4);
    PL_SUBFLOW_FOREACH(sf, sock->sc->conn) {
        if (memcmp(&sf->tcp.tuple.local, &addr, sizeof(addr)) == 0) {
            return sf->tcp.cc.ops->name;
        }
    }
    return "";
}

/* Section 4.2.2: whether a connection outlives its first subflow is its application's choice. */
static void test_fate_sharing(void **state) {
    (void)state;
    for (int64_t shared = 0; shared < 2; shared++) {
        begin(2);
        assert_int_equal(plait_set(A, l.a, PLAIT_OPT_FATE_SHARING, shared), 0);
        go();
        assert_int_equal(plait_subflow_close(A, l.a, 1, true, l.pair.now), 0);
        pair_run(&l.pair, S);
        if (shared == 0) {
            link_transfer(&l, 100000);
            link_finish(&l);
            continue;
        }
        assert_int_equal(option(PLAIT_OPT_STATE), PLAIT_SOCKET_DEAD);
        assert_int_equal(option(PLAIT_OPT_ERROR), PLAIT_E_ABORTED);
        assert_int_equal(pair_get(&l.pair, PAIR_B, l.b, PLAIT_OPT_ERROR), PLAIT_E_RESET);
        pair_fini(&l.pair);
    }
}

static void test_congestion_control(void **state) {
    (void)state;
    begin(2);
    go();
    uint32_t second = serial_from(1);
    assert_int_equal(plait_subflow_set_cc(A, l.a, second, PLAIT_CC_RENO, l.pair.now), 0);
    assert_string_equal(cc_of(0), "cubic");
    assert_string_equal(cc_of(1), "reno");
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_NODELAY, 1), 0); /* does not undo it */
    assert_string_equal(cc_of(1), "reno");
    assert_int_equal(plait_set_text(A, l.a, "TCP_CONGESTION", "bbr"), 0); /* for all */
    assert_string_equal(cc_of(0), "bbr");
    assert_string_equal(cc_of(1), "bbr");
    assert_int_equal(plait_subflow_set_cc(A, l.a, second, 77, l.pair.now), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_subflow_set_cc(A, l.a, 99, 0, l.pair.now), PLAIT_E_BAD_STATE);
    link_transfer(&l, 100000);
    link_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_by_default),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_bound_is_plain),
        cmocka_unit_test(test_bound_and_enabled),
        cmocka_unit_test(test_bound_to_a_port),
        cmocka_unit_test(test_bound_listener),
        cmocka_unit_test(test_set_before),
        cmocka_unit_test(test_removed_before),
        cmocka_unit_test(test_all_removed),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_remove_without_memory),
        cmocka_unit_test(test_entries_of_other_lengths),
        cmocka_unit_test(test_answers_of_other_lengths),
        cmocka_unit_test(test_alternative_first),
        cmocka_unit_test(test_tcp_port),
        cmocka_unit_test(test_tcp_port_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_connid),
        cmocka_unit_test(test_fullmesh),
        cmocka_unit_test(test_ndiffports),
        cmocka_unit_test(test_userspace),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_close_one),
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_congestion_control),
        cmocka_unit_test(test_fate_sharing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

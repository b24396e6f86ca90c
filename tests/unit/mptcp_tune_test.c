/* mptcp/tune: what the socket options of TCP and IP do, on every subflow of a connection. */
#include "mptcp_test.h"

#include "mptcp/internal.h"
#include "socket/table.h"
#include "wire/ip.h"
#include "wire/tcp.h"

#define MS PLAIT_NS_PER_MS
#define S PLAIT_NS_PER_S
#define A (l.pair.stack[PAIR_A])
#define B (l.pair.stack[PAIR_B])

enum { NOTES = 4096 };

/* A packet of A as it was sent. */
struct note {
    plait_time at;
    unsigned path;
    uint8_t hops, traffic_class, flags;
    uint16_t mss;
    uint32_t payload_len, options_len, window;
};

static struct link l;
static struct note note[NOTES];
static unsigned notes;
static uint8_t b_hops; /* of B's last packet */
static uint32_t b_packet_max;
static plait_sock listener;
static bool lose_all;
static uint32_t hole; /* larger packets of A vanish on path 0; 0: none do */

static bool watch(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                  uint32_t len) {
    struct pl_ip ip;
    struct pl_segment seg;
    assert_int_equal(pl_ip_parse(packet, len, &ip), PL_IP_OK);
    assert_int_equal(pl_tcp_parse(packet + ip.header_len, ip.payload_len, &seg), PL_TCP_OK);
    if (from == PAIR_B) {
        b_hops = ip.hops;
        b_packet_max = len > b_packet_max ? len : b_packet_max;
    } else if (notes < NOTES) {
        note[notes++] = (struct note){.at = pair->now,
                                      .path = path,
                                      .hops = ip.hops,
                                      .traffic_class = ip.traffic_class,
                                      .flags = seg.flags,
                                      .mss = seg.options.mss,
                                      .payload_len = seg.payload_len,
                                      .options_len = ip.payload_len - 20 - seg.payload_len,
                                      .window = seg.window_raw};
    }
    return lose_all || (hole > 0 && from == PAIR_A && path == 0 && len > hole);
}

static void begin(unsigned paths) {
    link_init(&l, paths, NULL);
    link_filter(&l, watch, NULL);
    listener = l.listener;
    assert_int_equal(plait_open(A, &l.a), 0);
    notes = 0;
    b_packet_max = 0;
    lose_all = false;
    hole = 0;
}

static void set_on(struct plait_stack *stack, plait_sock sock, const char *name, int64_t value) {
    int option = plait_option_find(name);
    assert_true(option >= 0);
    assert_int_equal(plait_set(stack, sock, (enum plait_option)option, value), 0);
    int64_t got = 0;
    assert_int_equal(plait_get(stack, sock, (enum plait_option)option, &got), 0);
    assert_int_equal(got, value);
}

static bool accepted(struct stack_pair *pair, void *arg) {
    (void)arg;
    return plait_accept(pair->stack[PAIR_B], listener, &l.b) == 0;
}

/* Connects with the options set so far; with several paths all subflows come up. */
static void go(void) {
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    assert_int_equal(plait_connect(A, l.a, &remote, l.pair.now), 0);
    assert_true(pair_run_until(&l.pair, accepted, NULL, S));
    pair_run(&l.pair, S);
    if (l.pair.paths > 1) {
        link_transfer(&l, 1000); /* joins wait for the peer's first DATA_ACK */
        pair_run(&l.pair, S);
    }
}

static void end(void) {
    pair_fini(&l.pair);
}

static int write_a(size_t len) {
    static uint8_t block[1 << 20];
    return (int)plait_write(A, l.a, block, len, l.pair.now);
}

static unsigned subflows(void) {
    int n = plait_subflows(A, l.a, NULL, 0);
    return n < 0 ? 0 : (unsigned)n;
}

static unsigned data_packets(void) {
    unsigned n = 0;
    for (unsigned i = 0; i < notes; i++) {
        n += note[i].payload_len > 0 ? 1 : 0;
    }
    return n;
}

static bool dead(struct stack_pair *pair, void *arg) {
    plait_sock sock = *(plait_sock *)arg;
    (void)pair;
    return pair_get(&l.pair, PAIR_A, sock, PLAIT_OPT_STATE) == PLAIT_SOCKET_DEAD;
}

/* ---- IP_TOS, IP_TTL ---- */

static void test_ip_fields(void **state) {
    (void)state;
    begin(3);
    set_on(A, l.a, "IPV6_TCLASS", 0xbb);
    set_on(A, l.a, "IP_TTL", 17);
    set_on(B, listener, "IPV6_UNICAST_HOPS", 33);
    go();
    assert_int_equal(subflows(), 3);
    link_transfer(&l, 300000);
    bool seen[3] = {false};
    for (unsigned i = 0; i < notes; i++) {
        assert_int_equal(note[i].hops, 17);
        assert_int_equal(note[i].traffic_class & 0xfc, 0xb8); /* ECN is TCP's */
        seen[note[i].path] = true;
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    assert_int_equal(b_hops, 33); /* inherited */
    set_on(A, l.a, "IP_TTL", 99);
    notes = 0;
    link_transfer(&l, 100000);
    assert_int_equal(note[0].hops, 99);
    end();
}

/* ---- TCP_MAXSEG ---- */

static void test_maxseg(void **state) {
    (void)state;
    begin(2);
    set_on(A, l.a, "TCP_MAXSEG", 600);
    go();
    link_transfer(&l, 300000);
    unsigned syns = 0;
    for (unsigned i = 0; i < notes; i++) {
        syns += (note[i].flags & PL_TCP_SYN) != 0 ? 1 : 0;
        assert_true((note[i].flags & PL_TCP_SYN) == 0 || note[i].mss == 600);
        assert_true(note[i].payload_len + note[i].options_len <= 600);
    }
    assert_int_equal(syns, 2);
    assert_int_equal(b_packet_max, 640); /* it binds the peer */
    set_on(A, l.a, "TCP_MAXSEG", 300);
    notes = 0;
    link_transfer(&l, 30000);
    for (unsigned i = 0; i < notes; i++) {
        assert_true(note[i].payload_len + note[i].options_len <= 300);
    }
    end();
}

/* ---- SO_KEEPALIVE, TCP_KEEP... ---- */

static void test_keepalive(void **state) {
    (void)state;
    begin(1);
    set_on(A, l.a, "PLAIT_MPTCP", 0);
    go();
    notes = 0;
    pair_run(&l.pair, 100 * S);
    assert_int_equal(notes, 0); /* RFC 9293 section 3.8.4: off by default */
    set_on(A, l.a, "TCP_KEEPIDLE", 10);
    set_on(A, l.a, "TCP_KEEPINTVL", 3);
    set_on(A, l.a, "TCP_KEEPCNT", 4);
    set_on(A, l.a, "SO_KEEPALIVE", 1);
    pair_run(&l.pair, 101 * S);
    assert_in_range(notes, 10, 11);
    assert_int_equal(pair_get(&l.pair, PAIR_A, l.a, PLAIT_OPT_STATE), PLAIT_SOCKET_OPEN);
    l.pair.path[0].cut = true;
    plait_time start = l.pair.now;
    assert_true(pair_run_until(&l.pair, dead, &l.a, 100 * S));
    assert_in_range(l.pair.now - start, 12 * S, 23 * S);
    assert_int_equal(pair_get(&l.pair, PAIR_A, l.a, PLAIT_OPT_ERROR), PLAIT_E_TIMED_OUT);
    end();
}

/* Each subflow is probed: a dead one is noticed though nobody sends. */
static void test_keepalive_of_subflows(void **state) {
    (void)state;
    begin(2);
    set_on(A, l.a, "TCP_KEEPIDLE", 10);
    set_on(A, l.a, "TCP_KEEPINTVL", 2);
    set_on(A, l.a, "TCP_KEEPCNT", 2);
    set_on(A, l.a, "SO_KEEPALIVE", 1);
    go();
    assert_int_equal(subflows(), 2);
    l.pair.path[1].cut = true;
    pair_run(&l.pair, 16 * S);
    struct plait_subflow_info info[4];
    int count = plait_subflows(A, l.a, info, 4), up = 0;
    for (int i = 0; i < count; i++) {
        up += info[i].established ? 1 : 0;
    }
    assert_int_equal(up, 1);
    end();
}

/* ---- TCP_USER_TIMEOUT ---- */

static plait_time time_out(int mptcp, int64_t user_timeout_ms) {
    begin(1);
    set_on(A, l.a, "PLAIT_MPTCP", mptcp);
    go();
    set_on(A, l.a, "TCP_USER_TIMEOUT", user_timeout_ms);
    pair_run(&l.pair, 100 * S); /* idle time is nobody's fault */
    l.pair.path[0].cut = true;
    plait_time start = l.pair.now;
    assert_int_equal(write_a(1000), 1000);
    bool ended = pair_run_until(&l.pair, dead, &l.a, 2000 * S);
    assert_true(ended);
    plait_time took = l.pair.now - start;
    assert_int_equal(pair_get(&l.pair, PAIR_A, l.a, PLAIT_OPT_ERROR), PLAIT_E_TIMED_OUT);
    end();
    return took;
}

static void test_user_timeout(void **state) {
    (void)state;
    assert_in_range(time_out(0, 5000), 4900 * MS, 5500 * MS);
    assert_in_range(time_out(1, 5000), 4900 * MS, 5500 * MS);
    assert_in_range(time_out(0, 0), 900 * S, 1100 * S); /* RFC 9293: R2 of 100 s at least */
}

/* A window that stays closed counts, too (as Linux): bytes remain untransmitted. */
static void test_user_timeout_of_a_closed_window(void **state) {
    (void)state;
    begin(1);
    set_on(A, l.a, "PLAIT_MPTCP", 0);
    set_on(B, listener, "SO_RCVBUF", 8192);
    go();
    set_on(A, l.a, "TCP_USER_TIMEOUT", 20000);
    plait_time start = l.pair.now;
    assert_true(write_a(100000) > 50000);
    assert_true(pair_run_until(&l.pair, dead, &l.a, 2000 * S));
    assert_in_range(l.pair.now - start, 20 * S, 25 * S);
    end();
}

/* ---- windows and buffers ---- */

static void test_window_clamp(void **state) {
    (void)state;
    begin(1);
    set_on(A, l.a, "PLAIT_MPTCP", 0);
    set_on(A, l.a, "TCP_WINDOW_CLAMP", 20000);
    go();
    link_transfer(&l, 300000);
    unsigned shift = 0;
    while (8 << 20 >> shift > 65535) {
        shift++;
    }
    for (unsigned i = 0; i < notes; i++) {
        bool syn = (note[i].flags & PL_TCP_SYN) != 0;
        assert_true(note[i].window << (syn ? 0 : shift) <= 20000);
    }
    end();
}

static void test_notsent_lowat(void **state) {
    (void)state;
    begin(1);
    set_on(A, l.a, "TCP_NOTSENT_LOWAT", 20000);
    go();
    struct plait_event event;
    while (plait_event_next(A, &event)) {
    }
    assert_int_equal(write_a(200000), 20000);
    assert_int_equal(write_a(1), PLAIT_E_AGAIN);
    assert_int_equal(plait_poll(A, l.a) & PLAIT_POLL_WRITE, 0);
    assert_true(pair_wait_event(&l.pair, PAIR_A, l.a, PLAIT_EVENT_WRITABLE, 100 * MS, &event));
    assert_true((plait_poll(A, l.a) & PLAIT_POLL_WRITE) != 0);
    assert_true(write_a(200000) >= 10000);
    end();
}

static void test_rcvlowat(void **state) {
    (void)state;
    begin(1);
    go();
    set_on(B, l.b, "SO_RCVLOWAT", 5000);
    struct plait_event event;
    while (plait_event_next(B, &event)) {
    }
    assert_int_equal(write_a(4999), 4999);
    assert_false(pair_wait_event(&l.pair, PAIR_B, l.b, PLAIT_EVENT_READABLE, S, &event));
    assert_int_equal(plait_poll(B, l.b) & PLAIT_POLL_READ, 0);
    assert_int_equal(write_a(1), 1);
    assert_true(pair_wait_event(&l.pair, PAIR_B, l.b, PLAIT_EVENT_READABLE, S, &event));
    assert_int_equal(plait_poll(B, l.b) & PLAIT_POLL_READ, PLAIT_POLL_READ);
    assert_int_equal(
        pair_get(&l.pair, PAIR_B, l.b, (enum plait_option)plait_option_find("TCP_INQ")), 5000);
    static uint8_t bytes[5000];
    assert_int_equal(plait_read(B, l.b, bytes, 5000, l.pair.now), 5000);
    assert_int_equal(write_a(10), 10); /* the end is always worth a word */
    assert_int_equal(plait_shutdown(A, l.a, l.pair.now), 0);
    assert_true(pair_wait_event(&l.pair, PAIR_B, l.b, PLAIT_EVENT_READABLE, S, &event));
    end();
}

static void test_max_pacing_rate(void **state) {
    (void)state;
    begin(1);
    set_on(A, l.a, "SO_MAX_PACING_RATE", 100000);
    go();
    plait_time start = l.pair.now;
    assert_true(pair_transfer(&l.pair, PAIR_A, l.a, l.b, 500000, 20 * S));
    assert_in_range(l.pair.now - start, 4500 * MS, 5500 * MS);
    set_on(A, l.a, "SO_MAX_PACING_RATE", 0);
    start = l.pair.now;
    assert_true(pair_transfer(&l.pair, PAIR_A, l.a, l.b, 500000, 20 * S));
    assert_true(l.pair.now - start < S);
    end();
}

/* ---- Nagle, cork ---- */

static void test_nodelay_and_cork(void **state) {
    (void)state;
    begin(1);
    go();
    notes = 0;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(write_a(10), 10);
        pair_run(&l.pair, MS / 10);
    }
    assert_int_equal(data_packets(), 1);
    set_on(A, l.a, "TCP_NODELAY", 1);
    pair_run(&l.pair, MS / 10);
    assert_int_equal(data_packets(), 2);
    assert_int_equal(note[notes - 1].payload_len, 40);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(write_a(10), 10);
        pair_run(&l.pair, MS / 10);
    }
    assert_int_equal(data_packets(), 7);
    pair_run(&l.pair, S);
    set_on(A, l.a, "TCP_CORK", 1);
    notes = 0;
    assert_int_equal(write_a(100), 100);
    pair_run(&l.pair, 199 * MS);
    assert_int_equal(data_packets(), 0);
    pair_run(&l.pair, 2 * MS);
    assert_int_equal(data_packets(), 1);
    end();
}

/* ---- TCP_QUICKACK ---- */

/* When B acknowledges a single small segment of A's that comes after `before` others. */
static plait_time ack_delay(int64_t quickack) {
    begin(1);
    set_on(A, l.a, "PLAIT_MPTCP", 0);
    go();
    if (quickack >= 0) {
        set_on(B, l.b, "TCP_QUICKACK", quickack);
    }
    for (int i = 0; i < 30; i++) { /* past the quick-ack phase of the start */
        assert_int_equal(write_a(10), 10);
        pair_run(&l.pair, 100 * MS);
    }
    plait_time start = l.pair.now;
    assert_int_equal(write_a(10), 10);
    while (pair_get(&l.pair, PAIR_A, l.a, PLAIT_OPT_SEND_QUEUE) > 0) {
        assert_true(pair_step(&l.pair, start + S));
    }
    end();
    return l.pair.now - start;
}

static void test_quickack(void **state) {
    (void)state;
    assert_int_equal(ack_delay(1), 10 * MS);
    assert_int_equal(ack_delay(0), 50 * MS);
    assert_int_equal(ack_delay(-1), 50 * MS);
}

/* ---- opening and closing ---- */

static void test_syncnt(void **state) {
    (void)state;
    begin(1);
    set_on(A, l.a, "TCP_SYNCNT", 2);
    lose_all = true;
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    assert_int_equal(plait_connect(A, l.a, &remote, l.pair.now), 0);
    assert_true(pair_run_until(&l.pair, dead, &l.a, 200 * S));
    assert_int_equal(notes, 3);
    assert_int_equal(pair_get(&l.pair, PAIR_A, l.a, PLAIT_OPT_ERROR), PLAIT_E_TIMED_OUT);
    end();
}

static uint32_t connections_of(struct plait_stack *stack) {
    struct plait_stack_stats stats = {0};
    plait_stack_stats(stack, &stats);
    return stats.connections;
}

static void linger2(int mptcp) {
    begin(1);
    set_on(A, l.a, "PLAIT_MPTCP", mptcp);
    set_on(A, l.a, "TCP_LINGER2", 5);
    go();
    plait_close(A, l.a, l.pair.now);
    pair_run(&l.pair, 4 * S);
    assert_int_equal(connections_of(A), 1); /* the peer has not ended */
    pair_run(&l.pair, 3 * S);
    assert_int_equal(connections_of(A), 0);
    end();
}

static void test_linger2(void **state) {
    (void)state;
    linger2(0);
    linger2(1);
}

static void test_linger(void **state) {
    (void)state;
    begin(1);
    go();
    set_on(A, l.a, "SO_LINGER", -1);
    set_on(A, l.a, "SO_LINGER", 0);
    plait_close(A, l.a, l.pair.now);
    pair_run(&l.pair, 100 * MS);
    assert_int_equal(connections_of(A), 0);
    assert_int_equal(pair_get(&l.pair, PAIR_B, l.b, PLAIT_OPT_ERROR), PLAIT_E_RESET);
    end();
}

/* ---- TCP_CONGESTION ---- */

static void expect_cc(const char *name) {
    struct pl_socket *sock = pl_table_find(A, l.a);
    struct pl_conn *conn = pl_socket_conn(sock);
    unsigned count = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        assert_string_equal(sf->tcp.cc.ops->name, name);
        count++;
    }
    assert_int_equal(count, 2);
}

static void test_congestion(void **state) {
    (void)state;
    begin(2);
    assert_int_equal(plait_set_text(A, l.a, "TCP_CONGESTION", "reno"), 0);
    go();
    expect_cc("reno");
    link_transfer(&l, 300000);
    assert_int_equal(plait_set_text(A, l.a, "TCP_CONGESTION", "cubic"), 0);
    expect_cc("cubic");
    link_transfer(&l, 300000);
    assert_int_equal(plait_set_text(A, l.a, "TCP_CONGESTION", "bbr"), 0);
    expect_cc("bbr");
    link_transfer(&l, 300000);
    assert_int_equal(plait_set_text(A, l.a, "TCP_CONGESTION", "none"), PLAIT_E_BAD_ARGUMENT);
    end();
}

/* ---- path MTU ---- */

/* Each subflow finds the size of its own path, and its probes are mapped like everything else. */
static void test_path_mtu_of_subflows(void **state) {
    (void)state;
    begin(2);
    go();
    assert_int_equal(subflows(), 2);
    hole = 1400;
    struct plait_subflow_info info[2];
    for (int i = 0; i < 20; i++) {
        assert_true(pair_transfer(&l.pair, PAIR_A, l.a, l.b, 500000, 60 * S));
        pair_run(&l.pair, S);
    }
    assert_int_equal(plait_subflows(A, l.a, info, 2), 2);
    for (int i = 0; i < 2; i++) {
        bool small = info[i].port == l.pair.path[0].port[PAIR_A];
        uint32_t overhead = 20 + 20 + 12 + 28;
        assert_in_range(info[i].mss + overhead, small ? 1392 : 1500, small ? 1400 : 1500);
    }
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ip_fields),
        cmocka_unit_test(test_maxseg),
        cmocka_unit_test(test_keepalive),
        cmocka_unit_test(test_keepalive_of_subflows),
        cmocka_unit_test(test_user_timeout),
        cmocka_unit_test(test_user_timeout_of_a_closed_window),
        cmocka_unit_test(test_window_clamp),
        cmocka_unit_test(test_notsent_lowat),
        cmocka_unit_test(test_rcvlowat),
        cmocka_unit_test(test_max_pacing_rate),
        cmocka_unit_test(test_nodelay_and_cork),
        cmocka_unit_test(test_quickack),
        cmocka_unit_test(test_syncnt),
        cmocka_unit_test(test_linger2),
        cmocka_unit_test(test_linger),
        cmocka_unit_test(test_congestion),
        cmocka_unit_test(test_path_mtu_of_subflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* stack/listen: which listener takes a SYN, and how many it takes. */
#include "stack/listen.h"

#include "stack_test.h"

static plait_port_id other, any;

static int setup_ports(void **state) {
    setup(state);
    other = add_port(0);
    assert_true(add_address(other, "10.0.1.2") > 0);
    any = add_port(PLAIT_PORT_ANY_ADDRESS);
    return 0;
}

static const struct pl_listener *found(plait_port_id id, const char *text, uint16_t tcp_port) {
    struct plait_addr a = addr(text);
    return pl_listen_find(stack, pl_stack_port(stack, id), &a, tcp_port);
}

static bool finds(plait_port_id id, const char *text, uint16_t tcp_port, plait_sock sock) {
    const struct pl_listener *listener = found(id, text, tcp_port);
    return listener != NULL && listener->source->sock == sock;
}

static void test_the_most_specific_wins(void **state) {
    (void)state;
    plait_sock everywhere = listen_on(0, NULL, 80);
    assert_true(finds(port, "10.0.0.2", 80, everywhere));
    assert_true(finds(any, "192.0.2.1", 80, everywhere));
    plait_sock on_port = listen_on(port, NULL, 80);
    assert_true(finds(port, "10.0.0.2", 80, on_port));
    assert_true(finds(other, "10.0.1.2", 80, everywhere));
    plait_sock on_address = listen_on(0, "10.0.0.2", 80);
    assert_true(finds(port, "10.0.0.2", 80, on_address));
    assert_true(finds(port, "fd00::2", 80, on_port));
    plait_sock on_both = listen_on(port, "10.0.0.2", 80);
    assert_true(finds(port, "10.0.0.2", 80, on_both));
    assert_null(found(port, "10.0.0.2", 81));
}

static void test_every_tcp_port(void **state) {
    (void)state;
    plait_sock all = listen_on(any, NULL, 0);
    assert_true(finds(any, "192.0.2.1", 1, all));
    assert_true(finds(any, "192.0.2.1", 65535, all));
    assert_null(found(port, "10.0.0.2", 80));
    plait_sock exact = listen_on(any, NULL, 80);
    assert_true(finds(any, "192.0.2.1", 80, exact));
    assert_true(finds(any, "192.0.2.1", 81, all));
}

static void test_a_place_is_taken_once(void **state) {
    (void)state;
    listen_on(port, NULL, 80);
    plait_sock again = 0;
    assert_int_equal(plait_open(stack, &again), 0);
    assert_int_equal(plait_bind(stack, again, port, NULL, 80), 0);
    assert_int_equal(plait_listen(stack, again, 1), PLAIT_E_IN_USE);
    assert_int_equal(plait_bind(stack, again, port, NULL, 81), 0);
    assert_int_equal(plait_listen(stack, again, 1), 0);
}

static void test_a_free_tcp_port_is_picked(void **state) {
    (void)state;
    plait_sock one = listen_on(port, NULL, 0), two = listen_on(port, NULL, 0);
    struct plait_endpoint a, b;
    assert_int_equal(plait_local(stack, one, &a), 0);
    assert_int_equal(plait_local(stack, two, &b), 0);
    assert_true(a.port >= 32768 && a.port <= 60999);
    assert_true(b.port >= 32768 && b.port <= 60999);
    assert_int_not_equal(a.port, b.port);
}

static void send_syns(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct made m = syn_to(80);
        m.src_port = (uint16_t)(2000 + i);
        send_made(&m);
    }
}

static void test_the_backlog_bounds_connections(void **state) {
    (void)state;
    plait_sock sock = listen_on(0, NULL, 80); /* of 4 */
    stack->ctx.config.syn_cookies = PLAIT_SYN_COOKIES_NEVER;
    send_syns(10);
    assert_int_equal(counter(PLAIT_COUNTER_DropBacklog), 6);
    struct plait_stack_stats stats = {0};
    plait_stack_stats(stack, &stats);
    assert_int_equal(stats.connections, 4);
    plait_sock accepted = 0;
    assert_int_equal(plait_accept(stack, sock, &accepted), PLAIT_E_AGAIN);
    assert_int_equal(plait_close(stack, sock, now), 0); /* resets them */
    struct pl_ip ip;
    struct pl_segment seg;
    unsigned resets = 0;
    while (take(&ip, &seg)) {
        resets += (seg.flags & PL_TCP_RST) != 0;
    }
    plait_tick(stack, now);
    plait_stack_stats(stack, &stats);
    assert_int_equal(resets, 4);
    assert_int_equal(stats.connections, 0);
}

static void test_embryonic_connections_end_by_themselves(void **state) {
    (void)state;
    listen_on(0, NULL, 80);
    send_syns(4);
    struct pl_ip ip;
    struct pl_segment seg;
    struct plait_stack_stats stats = {0};
    for (unsigned i = 0; i < 1000; i++) {
        while (take(&ip, &seg)) {
        }
        plait_time next = plait_deadline(stack);
        if (next == PLAIT_TIME_NEVER) {
            break;
        }
        now = next > now ? next : now;
        plait_tick(stack, now);
    }
    plait_stack_stats(stack, &stats);
    assert_int_equal(stats.connections, 0);
    assert_true(now < (1000 + 200) * SECOND);
}

static void test_held_syns_count_too(void **state) {
    (void)state;
    plait_sock sock = listen_on(0, NULL, 80);
    assert_int_equal(plait_set(stack, sock, PLAIT_OPT_DEFER, 1), 0);
    send_syns(5);
    assert_int_equal(counter(PLAIT_COUNTER_DropBacklog), 1);
    expect_silence();
    struct plait_event event;
    assert_true(plait_event_next(stack, &event));
    assert_int_equal(event.type, PLAIT_EVENT_ACCEPT);
    assert_false(plait_event_next(stack, &event));
    for (unsigned i = 0; i < 4; i++) {
        plait_sock held = 0;
        assert_int_equal(plait_accept(stack, sock, &held), 0);
        struct plait_endpoint remote, local;
        assert_int_equal(plait_remote(stack, held, &remote), 0);
        assert_int_equal(plait_local(stack, held, &local), 0);
        assert_int_equal(remote.port, 2000 + i);
        assert_int_equal(local.port, 80);
    }
}

/* SYN, SYN/ACK; the ACK that would complete the handshake is returned. */
static struct made half_open(uint16_t src_port) {
    struct made m = syn_to(80);
    struct pl_ip ip;
    struct pl_segment seg;
    m.src_port = src_port;
    send_made(&m);
    assert_true(take(&ip, &seg));
    assert_int_equal(seg.flags, PL_TCP_SYN | PL_TCP_ACK);
    m.flags = PL_TCP_ACK;
    m.seq++;
    m.ack = seg.seq.v + 1;
    return m;
}

/* As on Linux: the accept queue of 4 is full, so the fifth handshake stays unfinished, whatever its
 * peer thinks, and SYNs are dropped; with room its next ACK finishes it. */
static void test_a_full_accept_queue(void **state) {
    (void)state;
    plait_sock sock = listen_on(0, NULL, 80), accepted = 0;
    struct made ack[5];
    for (uint16_t i = 0; i < 4; i++) {
        ack[i] = half_open((uint16_t)(2000 + i));
    }
    for (unsigned i = 0; i < 3; i++) {
        send_made(&ack[i]);
    }
    ack[4] = half_open(2004);
    send_made(&ack[3]);
    send_made(&ack[4]);
    assert_int_equal(counter(PLAIT_COUNTER_ListenOverflows), 1);
    struct made syn = syn_to(80);
    send_made(&syn);
    assert_int_equal(counter(PLAIT_COUNTER_ListenOverflows), 2);
    expect_silence();
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(plait_accept(stack, sock, &accepted), 0);
    }
    assert_int_equal(plait_accept(stack, sock, &accepted), PLAIT_E_AGAIN);
    struct pl_ip ip;
    struct pl_segment seg;
    now = plait_deadline(stack);
    plait_tick(stack, now);
    assert_true(take(&ip, &seg)); /* the SYN/ACK again */
    assert_int_equal(seg.flags, PL_TCP_SYN | PL_TCP_ACK);
    assert_int_equal(seg.dst_port, 2004);
    send_made(&ack[4]);
    assert_int_equal(plait_accept(stack, sock, &accepted), 0);
}

/* A reset ends what stays in the SYN queue. */
static void test_a_reset_while_the_accept_queue_is_full(void **state) {
    (void)state;
    listen_on(0, NULL, 80);
    for (uint16_t i = 0; i < 4; i++) {
        struct made ack = half_open((uint16_t)(2000 + i));
        if (i == 3) {
            ack.flags = PL_TCP_RST;
        }
        send_made(&ack);
    }
    struct plait_stack_stats stats = {0};
    plait_stack_stats(stack, &stats);
    assert_int_equal(stats.connections, 3);
}

#define PORTS_TEST(f) cmocka_unit_test_setup_teardown(f, setup_ports, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PORTS_TEST(test_the_most_specific_wins),
        PORTS_TEST(test_every_tcp_port),
        PORTS_TEST(test_a_place_is_taken_once),
        PORTS_TEST(test_a_free_tcp_port_is_picked),
        PORTS_TEST(test_the_backlog_bounds_connections),
        TEST(test_a_full_accept_queue),
        TEST(test_a_reset_while_the_accept_queue_is_full),
        PORTS_TEST(test_embryonic_connections_end_by_themselves),
        PORTS_TEST(test_held_syns_count_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

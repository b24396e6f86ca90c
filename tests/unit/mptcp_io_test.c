/* mptcp_io_test.c - the application's side: write, read, splice, poll, buffers, memory. */
#include "mptcp/internal.h"
#include "mptcp_paths.h"
#include "mptcp_peer_test.h"

static int64_t write_bytes(const void *data, size_t len) {
    return plait_write(peer.stack, peer.sock, data, len, peer.now);
}

static int64_t read_bytes(void *data, size_t len) {
    return plait_read(peer.stack, peer.sock, data, len, peer.now);
}

static void test_reads_of_all_sizes(void **state) {
    (void)state;
    uint8_t block[3000];
    uint64_t at = 0;
    begin();
    for (uint32_t i = 0; i < 10; i++) {
        peer_data(&peer, 0, i * 700, 700);
    }
    for (uint32_t len = 1; at < 7000; len = len * 2 + 1) {
        uint64_t want = len < 7000 - at ? len : 7000 - at;
        want = want < sizeof(block) ? want : sizeof(block);
        assert_int_equal(option(PLAIT_OPT_RECEIVE_QUEUE), 7000 - at);
        assert_int_equal(read_bytes(block, (size_t)want), want);
        for (uint64_t i = 0; i < want; i++) {
            assert_int_equal(block[i], pair_pattern(at + i));
        }
        at += want;
    }
    assert_int_equal(read_bytes(block, 0), PLAIT_E_AGAIN);
    assert_int_equal(read_bytes(block, 1), PLAIT_E_AGAIN);
    peer_fini(&peer);
}

static void test_results_by_state(void **state) {
    (void)state;
    uint8_t byte = 0;
    begin();
    assert_int_equal(write_bytes(&byte, 0), 0);
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    assert_int_equal(write_bytes(&byte, 1), PLAIT_E_CLOSED);
    assert_int_not_equal(plait_poll(peer.stack, peer.sock) & PLAIT_POLL_WRITE, 0);
    struct pl_mptcp_options o = {.present = 1 << PL_MP_FASTCLOSE};
    o.fastclose.key_receiver = peer.key_remote;
    peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_RST, .seq = PEER_NO_OFFSET, .o = &o});
    assert_int_equal(write_bytes(&byte, 1), PLAIT_E_RESET);
    assert_int_equal(read_bytes(&byte, 1), PLAIT_E_RESET);
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), PLAIT_E_RESET);
    assert_int_not_equal(plait_poll(peer.stack, peer.sock) & PLAIT_POLL_DEAD, 0);
    peer_fini(&peer);
}

/* The end of the stream is read after the bytes, again and again, and also when the connection is
 * closed in the meantime. */
static void test_end_of_stream(void **state) {
    (void)state;
    uint8_t byte;
    begin();
    struct pl_mptcp_options o = peer_map(&peer, 0, 0, 10, true);
    send_next(0, 0, 10, &o);
    assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
    peer_pull(&peer);
    peer_ack(&peer, 0, 1);
    assert_true(next_event(PLAIT_EVENT_CLOSED, NULL));
    expect_read(10);
    assert_int_equal(read_bytes(&byte, 1), 0);
    assert_int_equal(read_bytes(&byte, 1), 0);
    assert_int_not_equal(plait_poll(peer.stack, peer.sock) & PLAIT_POLL_READ, 0);
    peer_fini(&peer);
}

static void test_buffer_settings(void **state) {
    (void)state;
    begin();
    struct pl_conn *conn = peer_conn(&peer);
    assert_int_equal(pl_conn_set_buffers(conn, 100, 0), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(pl_conn_set_buffers(conn, 0, 100), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(pl_conn_set_buffers(conn, 0, (1U << 30) + 1), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(pl_conn_set_buffers(conn, 10000, 20000), 0);
    assert_int_equal(conn->send.limit_bytes, 10000);
    assert_int_equal(conn->recv.limit_bytes, 20000);
    assert_int_equal(pl_conn_set_buffers(conn, 0, 0), 0);
    assert_int_equal(conn->send.limit_bytes, 10000);
    peer_data(&peer, 0, 0, 1000); /* the promised edge stays */
    peer_run(&peer, 50 * MS);
    expect_read(1000);
    peer_fini(&peer);
}

/* ---- splice: two connections of B, the bytes of one go to the other ---- */

struct bridge {
    struct stack_pair pair;
    plait_sock listener, a[2], b[2];
    uint64_t wrote, spliced, read;
    bool ended, closed;
};

static void bridge_init(struct bridge *s, uint32_t buffer, bool checksum) {
    struct plait_config config;
    plait_config_init(&config);
    config.send_buffer_bytes = buffer;
    config.receive_buffer_bytes = buffer;
    config.checksum = checksum;
    struct pair_setup setup = {
        .paths = 2, .address_flags = {PLAIT_ADDRESS_SUBFLOW, 0}, .config = {&config, &config}};
    *s = (struct bridge){0};
    pair_init(&s->pair, &setup);
    s->listener = pair_listen(&s->pair, LINK_PORT);
    for (unsigned i = 0; i < 2; i++) {
        s->a[i] = pair_connect(&s->pair, s->listener, LINK_PORT, PLAIT_IPV4, &s->b[i]);
    }
}

enum { BRIDGE_BYTES = 400000 };

static void bridge_write(struct bridge *s) {
    struct stack_pair *p = &s->pair;
    uint8_t block[3001];
    while (s->wrote < BRIDGE_BYTES) {
        for (unsigned i = 0; i < sizeof(block); i++) {
            block[i] = pair_pattern(s->wrote + i);
        }
        uint64_t left = BRIDGE_BYTES - s->wrote;
        size_t len = left < sizeof(block) ? (size_t)left : sizeof(block);
        int64_t n = plait_write(p->stack[PAIR_A], s->a[0], block, len, p->now);
        if (n <= 0) {
            assert_int_equal(n, PLAIT_E_AGAIN);
            return;
        }
        s->wrote += (uint64_t)n;
    }
    assert_int_equal(plait_shutdown(p->stack[PAIR_A], s->a[0], p->now), 0);
}

static bool bridge_step(struct stack_pair *p, void *arg) {
    struct bridge *s = arg;
    uint8_t block[4096];
    bridge_write(s);
    for (size_t max = 1; !s->ended; max = max * 3 % 100003) {
        int64_t n = plait_splice(p->stack[PAIR_B], s->b[0], s->b[1], max, p->now);
        if (n <= 0) {
            s->ended = n == 0;
            assert_true(n == 0 || n == PLAIT_E_AGAIN);
            break;
        }
        s->spliced += (uint64_t)n;
    }
    if (s->ended) {
        assert_int_equal(plait_shutdown(p->stack[PAIR_B], s->b[1], p->now), 0);
    }
    for (;;) {
        int64_t n = plait_read(p->stack[PAIR_A], s->a[1], block, sizeof(block), p->now);
        for (int64_t i = 0; i < n; i++) {
            assert_int_equal(block[i], pair_pattern(s->read + (uint64_t)i));
        }
        if (n <= 0) {
            s->closed = n == 0;
            return s->closed;
        }
        s->read += (uint64_t)n;
    }
}

static void test_splice(void **state) {
    static const uint32_t buffers[] = {1 << 20, 65536, 8192};
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct bridge s;
        bridge_init(&s, buffers[i / 2], i % 2 == 1);
        s.pair.path[0].loss_ppm = 5000;
        assert_true(pair_run_until(&s.pair, bridge_step, &s, 300 * SECOND));
        assert_int_equal(s.spliced, BRIDGE_BYTES);
        assert_int_equal(s.read, BRIDGE_BYTES);
        for (unsigned k = 0; k < 2; k++) {
            (void)plait_close(s.pair.stack[PAIR_A], s.a[k], s.pair.now);
            (void)plait_close(s.pair.stack[PAIR_B], s.b[k], s.pair.now);
        }
        pair_run(&s.pair, 200 * SECOND);
        pair_fini(&s.pair);
    }
}

/* ---- memory ---- */

/* The stack may hold little: writers wait and are woken, windows shrink, and all arrives. */
static void test_memory_limit(void **state) {
    struct link l;
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.memory_bytes_max = 100000;
    link_init(&l, 2, &config);
    link_connect(&l);
    (void)timed_transfer(&l, PAIR_A, 1000000);
    (void)timed_transfer(&l, PAIR_B, 1000000);
    link_finish(&l);
}

static void test_memory_is_bounded(void **state) {
    struct plait_config config;
    (void)state;
    uint8_t block[10000] = {0};
    plait_config_init(&config);
    config.memory_bytes_max = 100000;
    begin_with(&(struct peer_setup){.config = &config});
    while (next_event(PLAIT_EVENT_WRITABLE, NULL)) {
    }
    int64_t n = 0;
    for (unsigned i = 0; i < 50 && n >= 0; i++) {
        n = write_bytes(block, sizeof(block));
    }
    assert_int_equal(n, PLAIT_E_AGAIN);
    struct plait_stack_stats stats = {.size = sizeof(stats)};
    plait_stack_stats(peer.stack, &stats);
    assert_in_range(stats.memory_bytes, 30000, 100000); /* half is for what comes */
    assert_int_equal(plait_poll(peer.stack, peer.sock) & PLAIT_POLL_WRITE, 0);
    assert_true(pl_recv_window(peer_conn(&peer)) <= 65535); /* what was promised */
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_of_all_sizes),
        cmocka_unit_test(test_results_by_state),
        cmocka_unit_test(test_end_of_stream),
        cmocka_unit_test(test_buffer_settings),
        cmocka_unit_test(test_splice),
        cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

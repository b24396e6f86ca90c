/* socket/io: bytes, ends of streams, resets. */
#include "socket_test.h"

static plait_sock listener, client, server;

static int setup_pair(void **state) {
    setup(state);
    listener = pair_listen(&pair, 80);
    client = pair_connect(&pair, listener, 80, PLAIT_IPV4, &server);
    return 0;
}

static int64_t read_some(struct plait_stack *stack, plait_sock sock) {
    uint8_t bytes[100];
    return plait_read(stack, sock, bytes, sizeof(bytes), pair.now);
}

static void test_read_says_again_then_readable(void **state) {
    (void)state;
    drain(PAIR_B, server);
    assert_int_equal(read_some(B, server), PLAIT_E_AGAIN);
    assert_int_equal(plait_poll(B, server), PLAIT_POLL_WRITE);
    assert_int_equal(plait_write(A, client, "hello", 5, pair.now), 5);
    struct plait_event event;
    assert_true(pair_wait_event(&pair, PAIR_B, server, PLAIT_EVENT_READABLE, SECOND, &event));
    assert_int_equal(plait_poll(B, server), PLAIT_POLL_READ | PLAIT_POLL_WRITE);
    assert_int_equal(pair_get(&pair, PAIR_B, server, PLAIT_OPT_RECEIVE_QUEUE), 5);
    assert_int_equal(read_some(B, server), 5);
    assert_int_equal(read_some(B, server), PLAIT_E_AGAIN);
}

static void test_half_close(void **state) {
    (void)state;
    assert_int_equal(plait_write(A, client, "last", 4, pair.now), 4);
    assert_int_equal(plait_shutdown(A, client, pair.now), 0);
    assert_int_equal(plait_shutdown(A, client, pair.now), 0);
    assert_int_equal(plait_write(A, client, "more", 4, pair.now), PLAIT_E_CLOSED);
    pair_run(&pair, SECOND);
    assert_int_equal(read_some(B, server), 4);
    assert_int_equal(read_some(B, server), 0);
    assert_int_equal(read_some(B, server), 0);
    assert_true(pair_transfer(&pair, PAIR_B, server, client, 100000, 10 * SECOND));
    assert_int_equal(plait_shutdown(B, server, pair.now), 0);
    assert_true(pair_wait_event(&pair, PAIR_B, server, PLAIT_EVENT_CLOSED, SECOND, NULL));
    assert_true(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_CLOSED, SECOND, NULL));
    assert_int_equal(read_some(A, client), 0);
    assert_int_equal(plait_close(A, client, pair.now), 0);
    assert_int_equal(plait_close(B, server, pair.now), 0);
}

static void test_close_delivers_what_was_written(void **state) {
    (void)state;
    uint8_t block[60000] = {1, 2, 3};
    assert_int_equal(plait_write(A, client, block, sizeof(block), pair.now), sizeof(block));
    assert_int_equal(plait_close(A, client, pair.now), 0);
    struct plait_event event;
    assert_false(plait_event_next(A, &event));
    pair_run(&pair, 2 * SECOND);
    uint64_t total = 0;
    for (int64_t n = 1; n > 0; total += n > 0 ? (uint64_t)n : 0) {
        n = read_some(B, server);
        assert_true(n >= 0);
    }
    assert_int_equal(total, sizeof(block));
    assert_int_equal(plait_close(B, server, pair.now), 0);
    pair_run(&pair, 130 * SECOND);
    assert_int_equal(connections(PAIR_A), 0);
    assert_int_equal(connections(PAIR_B), 0);
}

static void expect_error(unsigned side, plait_sock sock, int first, int second) {
    struct plait_event event;
    assert_true(pair_wait_event(&pair, side, sock, PLAIT_EVENT_ERROR, 5 * SECOND, &event));
    assert_true(event.error == first || event.error == second);
    assert_int_equal(read_some(pair.stack[side], sock), event.error);
    assert_int_equal(plait_shutdown(pair.stack[side], sock, pair.now), event.error);
}

/* A reset does not take away what had arrived. */
static void test_read_before_the_error(void **state) {
    (void)state;
    assert_int_equal(plait_write(A, client, "rest", 4, pair.now), 4);
    pair_run(&pair, SECOND);
    assert_int_equal(plait_abort(A, client, PLAIT_E_ABORTED, pair.now), 0);
    pair_run(&pair, SECOND);
    assert_int_equal(pair_get(&pair, PAIR_B, server, PLAIT_OPT_STATE), PLAIT_SOCKET_DEAD);
    assert_int_equal(plait_poll(B, server), PLAIT_POLL_DEAD | PLAIT_POLL_READ);
    assert_int_equal(read_some(B, server), 4);
    assert_int_equal(plait_poll(B, server), PLAIT_POLL_DEAD);
    assert_int_equal(read_some(B, server), PLAIT_E_RESET);
    assert_int_equal(plait_close(B, server, pair.now), 0);
}

/* The reset waits for what was written, while the peer goes on writing. */
static void test_abort_delivered(void **state) {
    (void)state;
    uint8_t block[60000] = {1, 2, 3};
    assert_int_equal(plait_write(A, client, block, sizeof(block), pair.now), sizeof(block));
    assert_int_equal(plait_write(B, server, block, sizeof(block), pair.now), sizeof(block));
    assert_int_equal(plait_abort_delivered(A, client, PLAIT_E_RESET, pair.now), 0);
    assert_int_equal(plait_abort_delivered(A, client, PLAIT_E_RESET, pair.now), PLAIT_E_BAD_SOCKET);
    pair_run(&pair, 2 * SECOND);
    uint64_t total = 0;
    int64_t n = read_some(B, server);
    for (; n > 0; n = read_some(B, server)) {
        total += (uint64_t)n;
    }
    assert_int_equal(total, sizeof(block));
    assert_int_equal(n, PLAIT_E_RESET);
    assert_int_equal(plait_close(B, server, pair.now), 0);
    pair_run(&pair, 5 * SECOND);
    assert_int_equal(connections(PAIR_A), 0);
    assert_int_equal(connections(PAIR_B), 0);
}

static void test_abort_delivered_when_nothing_waits(void **state) {
    (void)state;
    pair_run(&pair, SECOND);
    assert_int_equal(plait_abort_delivered(A, client, PLAIT_E_RESET, pair.now), 0);
    expect_error(PAIR_B, server, PLAIT_E_RESET, PLAIT_E_RESET);
    plait_sock fresh = open_on(A);
    assert_int_equal(plait_abort_delivered(A, fresh, PLAIT_E_RESET, pair.now), 0);
    assert_int_equal(plait_abort_delivered(A, fresh, PLAIT_E_RESET, pair.now), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_close(B, server, pair.now), 0);
}

static void test_close_with_unread_data_resets(void **state) {
    (void)state;
    assert_int_equal(plait_write(A, client, "unread", 6, pair.now), 6);
    pair_run(&pair, SECOND);
    assert_int_equal(plait_close(B, server, pair.now), 0);
    expect_error(PAIR_A, client, PLAIT_E_RESET, PLAIT_E_RESET);
    pair_run(&pair, 5 * SECOND);
    assert_int_equal(connections(PAIR_B), 0);
    assert_int_equal(plait_close(A, client, pair.now), 0);
    pair_run(&pair, 5 * SECOND);
    assert_int_equal(connections(PAIR_A), 0);
}

static void test_abort(void **state) {
    (void)state;
    assert_int_equal(plait_abort(A, client, 0, pair.now), 0);
    assert_int_equal(plait_abort(A, client, 0, pair.now), PLAIT_E_BAD_SOCKET);
    expect_error(PAIR_B, server, PLAIT_E_RESET, PLAIT_E_ABORTED);
    pair_run(&pair, 5 * SECOND);
    assert_int_equal(connections(PAIR_A), 0);
    struct plait_event event;
    assert_false(plait_event_next(A, &event));
}

static void test_a_full_buffer_says_again_then_writable(void **state) {
    (void)state;
    static uint8_t block[1 << 20];
    int64_t total = 0, n = 0;
    while ((n = plait_write(A, client, block, sizeof(block), pair.now)) > 0) {
        total += n;
    }
    assert_int_equal(n, PLAIT_E_AGAIN);
    assert_int_equal(plait_poll(A, client) & PLAIT_POLL_WRITE, 0);
    assert_int_equal(pair_get(&pair, PAIR_A, client, PLAIT_OPT_SEND_QUEUE), total);
    drain(PAIR_A, client);
    pair_run(&pair, 5 * SECOND);
    while (plait_read(B, server, block, sizeof(block), pair.now) > 0) {
    }
    assert_true(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_WRITABLE, 10 * SECOND, NULL));
    assert_true(plait_write(A, client, block, 1000, pair.now) > 0);
}

/* A buffer is held until the peer has it; a small part of one is not worth holding it. */
static void test_write_by_reference(void **state) {
    (void)state;
    static uint8_t back[20000];
    struct plait_buf *buf = plait_buf_alloc(&pair.env[PAIR_A].env, 20000);
    assert_non_null(buf);
    for (uint32_t i = 0; i < 20000; i++) {
        buf->data[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    buf->len = 20000;
    assert_int_equal(plait_write_buf(A, client, buf, 0, 4999, pair.now), 4999);
    assert_int_equal(buf->refs, 1);
    assert_int_equal(plait_write_buf(A, client, buf, 4999, 15001, pair.now), 15001);
    assert_int_equal(buf->refs, 2);
    pair_run(&pair, 5 * SECOND);
    assert_int_equal(buf->refs, 1);
    assert_int_equal(plait_read(B, server, back, sizeof(back), pair.now), 20000);
    assert_memory_equal(back, buf->data, 20000);
    assert_int_equal(plait_write_buf(A, client, NULL, 0, 0, pair.now), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_write_buf(A, client, buf, 20001, 0, pair.now), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_write_buf(A, client, buf, 1, 20000, pair.now), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_write_buf(A, 0, buf, 0, 1, pair.now), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_write_buf(B, listener, buf, 0, 1, pair.now), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_shutdown(A, client, pair.now), 0);
    assert_int_equal(plait_write_buf(A, client, buf, 0, 1, pair.now), PLAIT_E_CLOSED);
    plait_buf_unref(buf);
}

/* Without room nothing is taken; then as much as there is. */
static void test_write_by_reference_when_full(void **state) {
    (void)state;
    struct plait_buf *buf = plait_buf_alloc(&pair.env[PAIR_A].env, 50000);
    assert_non_null(buf);
    memset(buf->data, 1, 50000);
    buf->len = 50000;
    int64_t n = 1;
    while (n > 0) {
        n = plait_write_buf(A, client, buf, 0, 50000, pair.now);
    }
    assert_int_equal(n, PLAIT_E_AGAIN);
    assert_int_equal(plait_poll(A, client) & PLAIT_POLL_WRITE, 0);
    drain(PAIR_A, client);
    static uint8_t back[1 << 20];
    assert_true(pair_wait_event(&pair, PAIR_A, client, PLAIT_EVENT_WRITABLE, 10 * SECOND, NULL));
    while (plait_read(B, server, back, sizeof(back), pair.now) > 0) {
    }
    assert_true(plait_write_buf(A, client, buf, 0, 50000, pair.now) > 0);
    plait_buf_unref(buf);
}

static void test_read_in_place(void **state) {
    (void)state;
    struct plait_slice slices[4];
    assert_int_equal(plait_peek(B, server, slices, 4), 0);
    assert_int_equal(plait_skip(B, server, 1, pair.now), PLAIT_E_AGAIN);
    assert_int_equal(plait_write(A, client, "one", 3, pair.now), 3);
    pair_run(&pair, SECOND);
    assert_int_equal(plait_write(A, client, "two", 3, pair.now), 3);
    assert_int_equal(plait_shutdown(A, client, pair.now), 0);
    pair_run(&pair, SECOND);
    assert_int_equal(plait_peek(B, server, slices, 1), 1);
    assert_int_equal(plait_peek(B, server, slices, 4), 2);
    assert_memory_equal(slices[0].data, "one", 3);
    assert_memory_equal(slices[1].data, "two", 3);
    assert_int_equal(plait_skip(B, server, 4, pair.now), 4);
    assert_int_equal(plait_peek(B, server, slices, 4), 1);
    assert_int_equal(slices[0].len, 2);
    assert_memory_equal(slices[0].data, "wo", 2);
    assert_int_equal(plait_peek(B, server, NULL, 1), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_peek(B, listener, slices, 1), PLAIT_E_BAD_STATE);
    assert_int_equal(plait_skip(B, 0, 1, pair.now), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_skip(B, server, 100, pair.now), 2);
    assert_int_equal(plait_peek(B, server, slices, 4), 0);
    assert_int_equal(plait_skip(B, server, 100, pair.now), 0);
}

static void test_arguments(void **state) {
    (void)state;
    uint8_t byte = 0;
    assert_int_equal(plait_write(A, client, NULL, 1, pair.now), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_write(A, client, NULL, 0, pair.now), 0);
    assert_int_equal(plait_read(A, client, NULL, 1, pair.now), PLAIT_E_BAD_ARGUMENT);
    const plait_sock stale[] = {0, client + 1, client | UINT64_C(5) << 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++) {
        assert_int_equal(plait_write(A, stale[i], &byte, 1, pair.now), PLAIT_E_BAD_SOCKET);
        assert_int_equal(plait_read(A, stale[i], &byte, 1, pair.now), PLAIT_E_BAD_SOCKET);
        assert_int_equal(plait_splice(A, stale[i], client, 1, pair.now), PLAIT_E_BAD_SOCKET);
        assert_int_equal(plait_splice(A, client, stale[i], 1, pair.now), PLAIT_E_BAD_SOCKET);
        assert_int_equal(plait_shutdown(A, stale[i], pair.now), PLAIT_E_BAD_SOCKET);
        assert_int_equal(plait_poll(A, stale[i]), PLAIT_E_BAD_SOCKET);
    }
}

static void test_states_without_bytes(void **state) {
    (void)state;
    uint8_t byte = 0;
    plait_sock fresh = open_on(B);
    const plait_sock socks[] = {fresh, listener};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(plait_write(B, socks[i], &byte, 1, pair.now), PLAIT_E_BAD_STATE);
        assert_int_equal(plait_read(B, socks[i], &byte, 1, pair.now), PLAIT_E_BAD_STATE);
        assert_int_equal(plait_shutdown(B, socks[i], pair.now), PLAIT_E_BAD_STATE);
        assert_int_equal(plait_splice(B, socks[i], server, 1, pair.now), PLAIT_E_BAD_STATE);
        assert_int_equal(plait_splice(B, server, socks[i], 1, pair.now), PLAIT_E_BAD_STATE);
        assert_int_equal(plait_poll(B, socks[i]), 0);
    }
    struct plait_endpoint remote = pair_endpoint(PAIR_A, 0, PLAIT_IPV4, 9);
    assert_int_equal(plait_connect(B, fresh, &remote, pair.now), 0);
    assert_int_equal(plait_write(B, fresh, &byte, 1, pair.now), PLAIT_E_AGAIN);
    assert_int_equal(plait_read(B, fresh, &byte, 1, pair.now), PLAIT_E_AGAIN);
}

/* Pieces of odd sizes meet inside segments: a whole checksum has to carry on over the seam. */
static void test_odd_pieces(void **state) {
    (void)state;
    uint8_t piece[2049], got[2049];
    for (unsigned i = 0; i < 40; i++) {
        memset(piece, (int)i + 1, sizeof(piece));
        assert_int_equal(plait_write(A, client, piece, sizeof(piece), pair.now), sizeof(piece));
    }
    pair_run(&pair, 2 * SECOND);
    for (unsigned i = 0; i < 40; i++) {
        memset(piece, (int)i + 1, sizeof(piece));
        assert_int_equal(plait_read(B, server, got, sizeof(got), pair.now), sizeof(got));
        assert_memory_equal(piece, got, sizeof(got));
    }
    assert_int_equal(pair_counter(&pair, PAIR_B, PLAIT_COUNTER_DropChecksum), 0);
}

struct spliced {
    plait_sock from, to;
    bool ended;
};

static bool splice_all(struct stack_pair *p, void *arg) {
    struct spliced *s = arg;
    int64_t n = 1;
    while (n > 0) {
        n = plait_splice(p->stack[PAIR_B], s->from, s->to, 1 << 20, p->now);
    }
    assert_true(n == 0 || n == PLAIT_E_AGAIN);
    s->ended = n == 0;
    return s->ended;
}

/* A -> B -> A through B's splice. */
static void test_splice(void **state) {
    (void)state;
    plait_sock server2 = 0;
    plait_sock client2 = pair_connect(&pair, listener, 80, PLAIT_IPV6, &server2);
    uint8_t block[50000], back[50000];
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] = pair_pattern(i);
    }
    assert_int_equal(plait_write(A, client, block, sizeof(block), pair.now), sizeof(block));
    assert_int_equal(plait_shutdown(A, client, pair.now), 0);
    struct spliced s = {.from = server, .to = server2};
    assert_true(pair_run_until(&pair, splice_all, &s, 10 * SECOND));
    assert_int_equal(plait_splice(B, server, server2, 1, pair.now), 0);
    assert_int_equal(plait_shutdown(B, server2, pair.now), 0);
    pair_run(&pair, 2 * SECOND);
    assert_int_equal(plait_read(A, client2, back, sizeof(back), pair.now), sizeof(back));
    assert_memory_equal(block, back, sizeof(back));
    assert_int_equal(read_some(A, client2), 0);
}

/* A socket that is its own sink: an echo server. */
static void test_splice_to_itself(void **state) {
    (void)state;
    assert_int_equal(plait_write(A, client, "echo", 4, pair.now), 4);
    pair_run(&pair, SECOND);
    assert_int_equal(plait_splice(B, server, server, 100, pair.now), 4);
    pair_run(&pair, SECOND);
    uint8_t bytes[4];
    assert_int_equal(plait_read(A, client, bytes, 4, pair.now), 4);
    assert_memory_equal(bytes, "echo", 4);
}

#define PAIR_TEST(f) cmocka_unit_test_setup_teardown(f, setup_pair, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_read_says_again_then_readable),
        PAIR_TEST(test_half_close),
        PAIR_TEST(test_close_delivers_what_was_written),
        PAIR_TEST(test_read_before_the_error),
        PAIR_TEST(test_abort_delivered),
        PAIR_TEST(test_abort_delivered_when_nothing_waits),
        PAIR_TEST(test_close_with_unread_data_resets),
        PAIR_TEST(test_abort),
        PAIR_TEST(test_a_full_buffer_says_again_then_writable),
        PAIR_TEST(test_write_by_reference),
        PAIR_TEST(test_write_by_reference_when_full),
        PAIR_TEST(test_read_in_place),
        PAIR_TEST(test_arguments),
        PAIR_TEST(test_states_without_bytes),
        PAIR_TEST(test_odd_pieces),
        PAIR_TEST(test_splice),
        PAIR_TEST(test_splice_to_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

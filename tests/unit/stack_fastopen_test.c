/* stack/fastopen: whose cookie is good, for how long, and what a connection may do before its third
 * ACK. The exchange on the wire is in tests/scripts/tfo. */
#include "stack/fastopen.h"

#include "stack_test.h"
#include "tcp/state.h"

static plait_sock listener;
static struct pl_ip ip;
static struct pl_segment seg;

static int setup_listener(void **state) {
    setup(state);
    listener = listen_on(0, NULL, 80);
    assert_int_equal(plait_set(stack, listener, PLAIT_OPT_FASTOPEN, 2), 0);
    return 0;
}

static struct made syn_with(const struct pl_tcp_cookie *cookie, uint16_t src_port) {
    struct made m = syn_to(80);
    m.src_port = src_port;
    m.payload_len = cookie->len > 0 ? 100 : 0;
    m.options_len = pl_tcp_put_fastopen(m.options, cookie);
    return m;
}

/* Asks for a cookie, and gives the connection up. */
static struct pl_tcp_cookie ask(void) {
    struct pl_tcp_cookie none = {0};
    struct made m = syn_with(&none, 999);
    send_made(&m);
    assert_true(take(&ip, &seg));
    assert_true(seg.options.has_fastopen);
    struct pl_tcp_cookie cookie = seg.options.fastopen;
    m.flags = PL_TCP_RST;
    m.seq++;
    m.options_len = 0;
    send_made(&m);
    return cookie;
}

/* Whether a SYN with payload and this cookie is taken whole. */
static bool taken(const struct made *m) {
    send_made(m);
    assert_true(take(&ip, &seg));
    assert_int_equal(seg.flags, PL_TCP_SYN | PL_TCP_ACK);
    return seg.ack.v == m->seq + 101;
}

static void test_a_cookie_is_for_one_address(void **state) {
    (void)state;
    struct pl_tcp_cookie cookie = ask();
    assert_int_equal(cookie.len, 8);
    struct made m = syn_with(&cookie, 1000);
    m.src = "10.0.0.9";
    assert_false(taken(&m));
    m = syn_with(&cookie, 1001);
    assert_true(taken(&m));
    assert_false(seg.options.has_fastopen);
    assert_int_equal(counter(PLAIT_COUNTER_TCPFastOpenPassive), 1);
    assert_int_equal(counter(PLAIT_COUNTER_TCPFastOpenPassiveFail), 1);
}

/* The last hour's cookie is good and is replaced; the one before it is not good. */
static void test_cookies_grow_old(void **state) {
    (void)state;
    now = (now / (3600 * SECOND) + 1) * 3600 * SECOND;
    struct pl_tcp_cookie cookie = ask();
    now += 3600 * SECOND;
    struct made m = syn_with(&cookie, 1000);
    assert_true(taken(&m));
    assert_true(seg.options.has_fastopen);
    assert_memory_not_equal(seg.options.fastopen.bytes, cookie.bytes, 8);
    now += 3600 * SECOND;
    plait_tick(stack, now);
    while (take(&ip, &seg)) {
    }
    m = syn_with(&cookie, 1001);
    assert_false(taken(&m));
    assert_true(seg.options.has_fastopen);
}

/* The application reads, answers and closes before the third ACK, which then acknowledges it all.
 */
static void test_a_whole_life_before_the_third_ack(void **state) {
    (void)state;
    struct pl_tcp_cookie cookie = ask();
    struct made m = syn_with(&cookie, 1000);
    plait_sock sock = 0;
    char got[200];
    assert_true(taken(&m));
    uint32_t iss = seg.seq.v;
    assert_int_equal(plait_accept(stack, listener, &sock), 0);
    assert_int_equal(plait_read(stack, sock, got, sizeof(got), now), 100);
    assert_int_equal(plait_write(stack, sock, "answer", 6, now), 6);
    assert_int_equal(plait_close(stack, sock, now), 0);
    assert_true(take(&ip, &seg));
    assert_int_equal(seg.payload_len, 6);
    assert_true(take(&ip, &seg));
    assert_int_equal(seg.flags, PL_TCP_FIN | PL_TCP_ACK);
    m.flags = PL_TCP_ACK | PL_TCP_FIN;
    m.seq += 101;
    m.ack = iss + 8;
    m.options_len = m.payload_len = 0;
    send_made(&m);
    assert_true(take(&ip, &seg));
    struct plait_stack_stats stats = {0};
    plait_stack_stats(stack, &stats);
    assert_int_equal(stats.subflows, 1); /* TIME-WAIT */
    expect_silence();
}

/* Payload is acknowledged, our SYN is not: no such thing (RFC 5961 section 5). */
static void test_an_ack_below_the_syn(void **state) {
    (void)state;
    struct pl_tcp_cookie cookie = ask();
    struct made m = syn_with(&cookie, 1000);
    assert_true(taken(&m));
    m.flags = PL_TCP_ACK;
    m.seq += 101;
    m.ack = seg.seq.v;
    m.options_len = m.payload_len = 0;
    send_made(&m);
    assert_int_equal(counter(PLAIT_COUNTER_DropBadAck), 1);
}

/* Nobody answers: the SYN/ACK is repeated, and in the end the connection is given up. */
static void test_a_forged_source(void **state) {
    (void)state;
    struct pl_tcp_cookie cookie = ask();
    struct made m = syn_with(&cookie, 1000);
    plait_sock sock = 0;
    unsigned again = 0;
    int64_t error = 0;
    assert_true(taken(&m));
    assert_int_equal(plait_accept(stack, listener, &sock), 0);
    assert_int_equal(plait_write(stack, sock, "answer", 6, now), 6);
    for (unsigned i = 0; i < 1000 && plait_deadline(stack) != PLAIT_TIME_NEVER; i++) {
        while (take(&ip, &seg)) {
            again += seg.flags == (PL_TCP_SYN | PL_TCP_ACK);
        }
        plait_stack_check(stack);
        now = plait_deadline(stack) > now ? plait_deadline(stack) : now;
        plait_tick(stack, now);
    }
    assert_in_range(again, 5, 7);
    assert_int_equal(plait_get(stack, sock, PLAIT_OPT_ERROR, &error), 0);
    assert_int_equal(error, PLAIT_E_TIMED_OUT);
}

/* Those that got their ACK make room; the listener may go before its connections. */
static void test_room(void **state) {
    (void)state;
    struct pl_tcp_cookie cookie = ask();
    struct made m[3];
    for (uint16_t i = 0; i < 3; i++) {
        m[i] = syn_with(&cookie, (uint16_t)(1000 + i));
    }
    assert_true(taken(&m[0]));
    struct made ack = m[0];
    ack.flags = PL_TCP_ACK;
    ack.seq += 101;
    ack.ack = seg.seq.v + 1;
    ack.options_len = ack.payload_len = 0;
    assert_true(taken(&m[1]));
    assert_false(taken(&m[2]));
    assert_int_equal(counter(PLAIT_COUNTER_TCPFastOpenListenOverflow), 1);
    send_made(&ack);
    m[2].src_port = 1010;
    assert_true(taken(&m[2]));
    plait_sock sock = 0;
    assert_int_equal(plait_accept(stack, listener, &sock), 0);
    assert_int_equal(plait_close(stack, listener, now), 0);
}

#define FAST_TEST(f) cmocka_unit_test_setup_teardown(f, setup_listener, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FAST_TEST(test_a_cookie_is_for_one_address),
        FAST_TEST(test_cookies_grow_old),
        FAST_TEST(test_a_whole_life_before_the_third_ack),
        FAST_TEST(test_an_ack_below_the_syn),
        FAST_TEST(test_a_forged_source),
        FAST_TEST(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

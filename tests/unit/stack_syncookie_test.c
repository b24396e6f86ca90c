/* stack/syncookie: handshakes without state, and what must not pass for one. */
#include "stack/syncookie.h"

#include <stdio.h>

#include "base/bytes.h"
#include "stack/demux.h"
#include "stack_test.h"
#include "tcp/state.h"

static plait_sock listener; /* with a backlog of 4 */
static struct pl_ip ip;
static struct pl_segment seg;

static uint32_t connections(void) {
    struct plait_stack_stats stats = {0};
    plait_stack_stats(stack, &stats);
    return stats.connections;
}

/* Fills the SYN queue with handshakes that nobody completes. */
static int setup_full(void **state) {
    setup(state);
    listener = listen_on(0, NULL, 80);
    for (uint16_t i = 0; i < 4; i++) {
        struct made m = syn_to(80);
        m.src_port = (uint16_t)(2000 + i);
        send_made(&m);
        assert_true(take(&ip, &seg));
    }
    return 0;
}

static struct made syn_with(uint16_t mss, int wscale, bool sack, bool timestamps) {
    struct made m = syn_to(80);
    m.options_len = pl_tcp_put_mss(m.options, mss);
    m.options_len += sack ? pl_tcp_put_sack_ok(m.options + m.options_len) : 0;
    if (timestamps) {
        m.options_len += pl_tcp_put_timestamps(m.options + m.options_len, 777000, 0);
    }
    if (wscale >= 0) {
        m.options_len += pl_tcp_put_wscale(m.options + m.options_len, 0);
        m.options[m.options_len - 1] = (uint8_t)wscale; /* 15 is no scale, and may come */
    }
    return m;
}

/* Sends the SYN and returns the ACK that answers its cookie. */
static struct made third_ack(struct made syn) {
    send_made(&syn);
    assert_true(take(&ip, &seg));
    assert_int_equal(seg.flags, PL_TCP_SYN | PL_TCP_ACK);
    assert_int_equal(seg.ack.v, syn.seq + 1);
    struct made m = syn;
    m.flags = PL_TCP_ACK;
    m.seq++;
    m.ack = seg.seq.v + 1;
    m.options_len = 0;
    if (seg.options.has_timestamps) {
        m.options_len = pl_tcp_put_timestamps(m.options, 777020, seg.options.ts_val);
    }
    return m;
}

/* Accepts, and finds the connection's TCP by the peer's port. */
static struct pl_tcp *accepted_tcp(const struct made *m) {
    plait_sock sock = 0;
    assert_int_equal(plait_accept(stack, listener, &sock), 0);
    for (uint32_t i = 0; i < stack->flows.bucket_count; i++) {
        struct pl_hash_node *node = stack->flows.buckets[i];
        for (; node != NULL; node = node->next) {
            struct pl_tcp *tcp = pl_subflow_tcp(pl_subflow_of_flow_node(node));
            if (tcp->tuple.remote_port == m->src_port) {
                return tcp;
            }
        }
    }
    fail();
    return NULL;
}

static void expect_reset(void) {
    assert_true(take(&ip, &seg));
    assert_true((seg.flags & PL_TCP_RST) != 0);
    assert_int_equal(connections(), 4);
}

/* RFC 4987 section 3.6: no state before the third ACK, and then a usual connection. */
static void test_no_state_before_the_third_ack(void **state) {
    (void)state;
    struct made ack = third_ack(syn_with(1460, 7, true, true));
    assert_int_equal(connections(), 4);
    assert_int_equal(seg.options.mss, 1460);
    assert_int_equal(seg.window_raw, 65535);
    assert_int_equal(counter(PLAIT_COUNTER_SyncookiesSent), 1);
    uint32_t iss = seg.seq.v;
    send_made(&ack);
    assert_int_equal(connections(), 5);
    assert_int_equal(counter(PLAIT_COUNTER_SyncookiesRecv), 1);
    const struct pl_tcp *tcp = accepted_tcp(&ack);
    assert_int_equal(pl_tcp_state(tcp), PL_TCP_ST_ESTABLISHED);
    assert_int_equal(tcp->snd.una.v, iss + 1);
    assert_int_equal(tcp->snd.nxt.v, iss + 1);
    assert_int_equal(tcp->rcv.nxt.v, 5001);
    assert_int_equal(tcp->snd.wscale, 7);
    assert_true(tcp->snd.sack_ok && tcp->ts.on);
    assert_int_equal(tcp->snd.peer_mss, 1460);
    expect_silence(); /* the SYN/ACK is not sent again */
}

static void test_options_come_back(void **state) {
    (void)state;
    static const struct {
        uint16_t mss, taken;
        int wscale;
        bool sack, timestamps;
    } c[] = {
        {1460, 1460, 0, true, true}, {1459, 1440, 14, false, true}, {9000, 8940, -1, true, true},
        {536, 536, 7, true, false},  {1, 88, 3, true, true},        {1400, 1400, 15, true, true},
    };
    for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        struct made syn = syn_with(c[i].mss, c[i].wscale, c[i].sack, c[i].timestamps);
        syn.src_port = (uint16_t)(3000 + i);
        struct made ack = third_ack(syn);
        bool more = c[i].timestamps;
        assert_int_equal(seg.options.has_wscale, more && c[i].wscale >= 0);
        assert_int_equal(seg.options.has_sack_ok, more && c[i].sack);
        send_made(&ack);
        const struct pl_tcp *tcp = accepted_tcp(&ack);
        assert_int_equal(tcp->snd.peer_mss, c[i].taken);
        assert_int_equal(tcp->ts.on, more);
        assert_int_equal(tcp->snd.sack_ok, more && c[i].sack);
        int wscale = c[i].wscale > 14 ? 14 : c[i].wscale;
        assert_int_equal(tcp->snd.wscale, more && wscale > 0 ? wscale : 0);
        assert_int_equal(tcp->rcv.wscale > 0, more && wscale >= 0);
        while (take(&ip, &seg)) {
        }
    }
}

/* The stamp that carries options is never ahead of the clock (PAWS of the peer). */
static void test_the_stamp_is_not_ahead(void **state) {
    (void)state;
    uint32_t before = 0;
    for (unsigned i = 0; i < 200; i++) {
        now += MS;
        struct made syn = syn_with(1460, 14, true, true);
        send_made(&syn);
        assert_true(take(&ip, &seg));
        assert_true(i == 0 || (int32_t)(seg.options.ts_val - before) >= 0);
        before = seg.options.ts_val;
        assert_int_equal(before & 63, 14 | 16);
        struct pl_tcp_tuple tuple = {.local = addr(syn.dst), .remote = addr(syn.src)};
        uint32_t real = pl_demux_ts_offset(stack, &tuple) + (uint32_t)(now / MS);
        assert_true((int32_t)(real - before) >= 0 && real - before < 128);
    }
}

static void test_payload_with_the_cookie(void **state) {
    (void)state;
    struct made data = third_ack(syn_with(1460, 7, true, true));
    data.payload_len = 100;
    send_made(&data);
    const struct pl_tcp *tcp = accepted_tcp(&data);
    assert_int_equal(tcp->rcv.nxt.v, 5101);
}

/* One that acknowledges a cookie may be the second segment of a connection whose first is late: it
 * is dropped and not reset. */
static void test_what_is_no_cookie(void **state) {
    (void)state;
    struct made good = third_ack(syn_with(1460, 7, true, true)), bad[35];
    for (unsigned i = 0; i < 35; i++) {
        bad[i] = good;
        bad[i].ack = i < 32 ? ((good.ack - 1) ^ UINT32_C(1) << i) + 1 : good.ack;
    }
    bad[32].seq++;
    bad[33].src_port++;
    bad[34].src = "10.0.0.7";
    for (unsigned i = 0; i < 35; i++) {
        send_made(&bad[i]);
        bool same_flow = i < 14 || (i >= 28 && i < 31) || i == 32;
        if (same_flow) {
            expect_silence();
        } else {
            expect_reset();
        }
        assert_int_equal(counter(PLAIT_COUNTER_SyncookiesFailed), i + 1);
    }
    struct made elsewhere = good;
    elsewhere.dst_port = 81; /* nobody listens */
    send_made(&elsewhere);
    expect_reset();
    assert_int_equal(counter(PLAIT_COUNTER_SyncookiesFailed), 35);
    send_made(&good);
    assert_int_equal(connections(), 5);
}

/* A secret serves for 64 s, and is good for another 64. */
static void test_cookies_live_on_after_a_rotation(void **state) {
    (void)state;
    now = (now / (64 * SECOND) + 1) * 64 * SECOND; /* a period begins */
    struct made old = third_ack(syn_with(1460, 7, true, true)), syn = syn_to(80);
    now += 127 * SECOND;
    syn.src_port = 4000;
    struct made young = third_ack(syn); /* of the next secret */
    send_made(&old);
    send_made(&young);
    assert_int_equal(connections(), 6);
    assert_int_equal(counter(PLAIT_COUNTER_SyncookiesFailed), 0);
}

static void test_an_old_cookie(void **state) {
    (void)state;
    struct made ack = third_ack(syn_with(1460, 7, true, true));
    now += 129 * SECOND;
    struct made other = syn_to(80);
    other.src_port = 4000;
    (void)third_ack(other);
    send_made(&ack);
    expect_reset();
    assert_int_equal(connections(), 4);
    assert_int_equal(counter(PLAIT_COUNTER_SyncookiesFailed), 1);
}

/* Long after the flood nobody tries to guess. */
static void one_hash(void *user, const void *data, size_t len, uint8_t out[32]) {
    (void)user, (void)data, (void)len;
    memset(out, 7, 32);
}

static struct made capable_syn(uint16_t src_port) {
    static const uint8_t capable[4] = {30, 4, 0x01, 0x01};
    struct made m = syn_with(1460, -1, false, false);
    m.src_port = src_port;
    memcpy(m.options + m.options_len, capable, sizeof(capable));
    m.options_len += (uint32_t)sizeof(capable);
    return m;
}

/* RFC 8684 section 3.1: no second key whose token is in use, for there is no other to choose. */
static void test_a_token_in_use(void **state) {
    (void)state;
    static const uint8_t capable[12] = {30, 20, 0x01, 0x01, 1, 2, 3, 4, 5, 6, 7, 8};
    memory.env.sha256 = one_hash;
    struct made ack = third_ack(capable_syn(3000));
    assert_int_equal(seg.options.mptcp.capable.len, 12);
    memcpy(ack.options, capable, sizeof(capable));
    pl_put64(ack.options + 12, seg.options.mptcp.capable.key_sender);
    ack.options_len = 20;
    send_made(&ack);
    assert_int_equal(connections(), 5);
    assert_int_equal(counter(PLAIT_COUNTER_MPCapableACKRX), 1);
    struct made second = third_ack(capable_syn(3001));
    assert_false(pl_mptcp_has(&seg.options.mptcp, PL_MP_CAPABLE));
    send_made(&second);
    assert_int_equal(connections(), 6);
}

static void test_calm(void **state) {
    (void)state;
    struct made ack = third_ack(syn_with(1460, 7, true, true));
    now += 300 * SECOND;
    send_made(&ack);
    expect_reset();
    assert_int_equal(counter(PLAIT_COUNTER_SyncookiesFailed), 0);
}

static void test_a_full_accept_queue_takes_no_cookie(void **state) {
    (void)state;
    for (uint16_t i = 0; i < 4; i++) {
        struct made syn = syn_with(1460, 7, true, true);
        syn.src_port = (uint16_t)(3000 + i);
        struct made ack = third_ack(syn);
        send_made(&ack);
    }
    assert_int_equal(connections(), 8);
    struct made syn = syn_with(1460, 7, true, true);
    send_made(&syn);
    expect_silence();
    assert_int_equal(counter(PLAIT_COUNTER_ListenOverflows), 1);
}

/* The sixth cookie was given while there was room, and comes back when there is none. */
static void test_the_queue_fills_meanwhile(void **state) {
    (void)state;
    struct made ack[5];
    for (uint16_t i = 0; i < 5; i++) {
        struct made syn = syn_with(1460, 7, true, true);
        syn.src_port = (uint16_t)(3000 + i);
        ack[i] = third_ack(syn);
    }
    for (unsigned i = 0; i < 5; i++) {
        send_made(&ack[i]);
    }
    assert_int_equal(connections(), 8);
    assert_int_equal(counter(PLAIT_COUNTER_ListenOverflows), 1);
    expect_silence();
}

static void test_held_syns_get_no_cookie(void **state) {
    (void)state;
    assert_int_equal(plait_set(stack, listener, PLAIT_OPT_DEFER, 1), 0);
    struct made syn = syn_with(1460, 7, true, true);
    send_made(&syn);
    expect_silence();
    assert_int_equal(counter(PLAIT_COUNTER_DropBacklog), 1);
}

static void test_never(void **state) {
    (void)state;
    stack->ctx.config.syn_cookies = PLAIT_SYN_COOKIES_NEVER;
    struct made syn = syn_with(1460, 7, true, true);
    send_made(&syn);
    expect_silence();
    assert_int_equal(counter(PLAIT_COUNTER_DropBacklog), 1);
}

/* ---- a flood ---- */

/* Someone who means it: asks, waits for 20 ms, and answers. */
struct client {
    struct made ack;
    plait_time ack_at;
};

static void flood_syn(uint32_t n) {
    char src[20];
    struct made m = syn_with(1460, 7, true, true);
    snprintf(src, sizeof(src), "198.18.%u.%u", n >> 8 & 255, n & 255);
    m.src = src;
    m.src_port = (uint16_t)(1024 + n * 7919 % 60000);
    m.seq = n * 2654435761U;
    send_made(&m);
}

/* Takes all that leaves, and with it the answer to the client's SYN. */
static void drain_for(struct client *c, const struct made *syn) {
    while (take(&ip, &seg)) {
        bool his = seg.dst_port == syn->src_port && pl_seq32_eq(seg.ack, pl_seq32_of(syn->seq + 1));
        if (his && (seg.flags & PL_TCP_SYN) != 0 && c->ack_at == 0) {
            c->ack = *syn;
            c->ack.flags = PL_TCP_ACK;
            c->ack.seq++;
            c->ack.ack = seg.seq.v + 1;
            c->ack.options_len = pl_tcp_put_timestamps(c->ack.options, 777020, seg.options.ts_val);
            c->ack_at = now + 20 * PLAIT_NS_PER_MS;
        }
    }
}

/* 100,000 SYNs a second from everywhere, for a second, at a backlog of 4: who means it is served by
 * the first SYN, and the others leave nothing behind (RFC 4987). */
static void test_a_flood(void **state) {
    (void)state;
    enum { TICKS = 1000, SYNS = 100, TURN = 20, GAP = 25 };
    struct client client = {0};
    struct made syn = {0};
    unsigned asked = 0, served = 0;
    uint32_t n = 0;
    for (unsigned tick = 0; tick < TICKS; tick++) {
        now += PLAIT_NS_PER_MS;
        plait_tick(stack, now);
        if (tick % GAP == 0) {
            syn = syn_with(1460, 7, true, true);
            syn.src_port = (uint16_t)(40000 + asked++);
            client.ack_at = 0;
            send_made(&syn);
        }
        for (unsigned i = 0; i < SYNS; i++) {
            flood_syn(++n);
            if (i % TURN == 0) {
                drain_for(&client, &syn);
            }
        }
        if (client.ack_at != 0 && client.ack_at <= now) {
            plait_sock sock = 0;
            client.ack_at = PLAIT_TIME_NEVER;
            send_made(&client.ack);
            served += plait_accept(stack, listener, &sock) == 0 ? 1 : 0;
        }
    }
    assert_int_equal(n, 100000);
    assert_int_equal(asked, 40);
    assert_int_equal(served, asked);
    assert_true(connections() <= 4 + served);
    assert_true(counter(PLAIT_COUNTER_SyncookiesSent) >= 90000);
}

#define FULL_TEST(f) cmocka_unit_test_setup_teardown(f, setup_full, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FULL_TEST(test_no_state_before_the_third_ack),
        FULL_TEST(test_options_come_back),
        FULL_TEST(test_the_stamp_is_not_ahead),
        FULL_TEST(test_payload_with_the_cookie),
        FULL_TEST(test_what_is_no_cookie),
        FULL_TEST(test_cookies_live_on_after_a_rotation),
        FULL_TEST(test_an_old_cookie),
        FULL_TEST(test_a_token_in_use),
        FULL_TEST(test_calm),
        FULL_TEST(test_a_full_accept_queue_takes_no_cookie),
        FULL_TEST(test_the_queue_fills_meanwhile),
        FULL_TEST(test_held_syns_get_no_cookie),
        FULL_TEST(test_never),
        FULL_TEST(test_a_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

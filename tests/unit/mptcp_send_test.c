/* mptcp_send_test.c - the send queue: the peer's window, the buffer's limit, big segments and odd
 * ones (RFC 8684 section 3.3.5). */
#include "mptcp/internal.h"
#include "mptcp/subflow.h"
#include "mptcp_peer_test.h"
#include "tcp/engine.h"
#include "tcp/info.h"

static int64_t write_all(uint64_t at, uint32_t len) {
    static uint8_t block[1 << 20];
    for (uint32_t i = 0; i < len; i++) {
        block[i] = pair_pattern(at + i);
    }
    int64_t n = plait_write(peer.stack, peer.sock, block, len, peer.now);
    peer_pull(&peer);
    return n;
}

/* An ACK of `data` bytes with a window. */
static void ack_window(unsigned flow, uint64_t data, uint16_t window) {
    struct pl_mptcp_options o = {.present = 1 << PL_MP_DSS};
    o.dss.has_ack = true;
    o.dss.ack_is_64 = true;
    o.dss.ack = peer.idsn_remote + 1 + data;
    peer_send(&peer,
              &(struct peer_seg){.flow = flow, .seq = PEER_NO_OFFSET, .o = &o, .window = window});
}

/* The data-level window counts from the DATA_ACK and is never exceeded, over two subflows. */
static void test_window_is_obeyed(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer.window = 10000;
    ack_window(0, 0, 10000);
    assert_int_equal(write_all(0, 100000), 100000);
    /* The edge of the first window (65535) stands; then 10000 beyond each DATA_ACK. */
    uint64_t edge = 65535;
    for (unsigned i = 0; i < 200 && peer.got_to < 100000; i++) {
        uint64_t acked = peer.got_to;
        edge = acked + 10000 > edge ? acked + 10000 : edge;
        peer_ack(&peer, 0, acked);
        peer_ack(&peer, second, acked);
        peer_run(&peer, 20 * MS);
        assert_true(pl_seq64_diff(peer_conn(&peer)->send.nxt, pl_seq64_of(peer.idsn_remote + 1)) <=
                    (int64_t)edge);
    }
    assert_int_equal(peer.got_to, 100000);
    peer_fini(&peer);
}

/* With several subflows an eighth of the window stays free for what closes a hole; when nothing is
 * outstanding, and over one subflow, all of it is used. */
static void test_window_is_not_filled(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    assert_int_equal(write_all(0, 200000), 200000);
    for (unsigned i = 0; i < 8; i++) { /* TCP's ACKs only: the congestion window grows */
        ack_window(0, 0, 65535);
        peer_run(&peer, 20 * MS);
    }
    uint64_t una = peer.got_to; /* a rest that is no segment may wait */
    assert_in_range(una, 65535 - 1460, 65535);
    unsigned second = peer_join(&peer, 1, false);
    for (unsigned i = 0; i < 8; i++) {
        ack_window(0, una, 65535);
        ack_window(second, una, 65535);
        peer_run(&peer, 20 * MS);
    }
    assert_in_range(peer.got_to - una, 65535 - 65535 / 8 - 1460, 65535 - 65535 / 8);
    peer_fini(&peer);
}

/* TCP_INFO counts the time that a subflow waits for the data-level window, though what is kept free
 * of it is not closed, and TCP's own is open. */
static void test_window_limited_time(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    struct pl_subflow *sf = peer_subflow(&peer, 0);
    struct plait_tcp_info info[2];
    assert_int_equal(write_all(0, 200000), 200000);
    uint64_t una = peer.got_to;
    for (unsigned i = 0; i < 8 && !sf->windowed; i++) { /* the congestion window grows */
        ack_window(0, una, 65535);
        peer_run(&peer, 20 * MS);
    }
    assert_true(sf->windowed);
    assert_true(pl_tcp_window_usable(&sf->tcp) > 10000);
    assert_true(pl_tcp_flight(&sf->tcp) > 0);
    for (unsigned i = 0; i < 2; i++) {
        pl_tcp_info_linux(&sf->tcp, &info[i], peer.now + i * 50 * MS);
    }
    assert_int_equal(info[1].tcpi_rwnd_limited - info[0].tcpi_rwnd_limited, 50000);
    assert_int_equal(info[1].tcpi_busy_time - info[0].tcpi_busy_time, 50000);
    ack_window(second, peer.got_to, 65535);
    peer_run(&peer, 20 * MS);
    assert_false(sf->windowed);
    for (unsigned i = 0; i < 2; i++) {
        pl_tcp_info_linux(&sf->tcp, &info[i], peer.now + i * 50 * MS);
    }
    assert_int_equal(info[1].tcpi_rwnd_limited - info[0].tcpi_rwnd_limited, 0);
    peer_fini(&peer);
}

/* When the oldest byte is overdue, half of the window stays free. */
static void test_window_behind_a_hole(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer.auto_ack = true;
    assert_int_equal(write_all(0, 65000), 65000); /* the congestion windows grow */
    peer_run(&peer, SECOND);
    assert_int_equal(peer.got_to, 65000);
    peer.auto_ack = false;
    peer.window = 65535;
    assert_int_equal(write_all(65000, 5000), 5000);
    peer_run(&peer, 10 * MS);
    for (unsigned i = 0; i < 16; i++) { /* all arrives, but is never DATA_ACKed */
        peer_run(&peer, 100 * MS);
        if (i == 8) {
            assert_int_equal(write_all(70000, 100000), 100000);
        }
        ack_window(0, 65000, 65535);
        ack_window(second, 65000, 65535);
    }
    assert_in_range(peer.got_to - 65000, 65535 / 2 - 1460, 65535 / 2);
    peer_fini(&peer);
}

/* A closed window is probed, and an update on any subflow opens it again. */
static void test_closed_window(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer.auto_ack = true;
    assert_int_equal(write_all(0, 65535), 65535);
    peer_run(&peer, SECOND);
    assert_int_equal(peer.got_to, 65535);
    peer.auto_ack = false;
    struct pl_conn *conn = peer_conn(&peer);
    conn->send.window_edge = conn->send.una; /* as if the window had been 0 all the time */
    assert_int_equal(write_all(65535, 5000), 5000);
    unsigned from = peer.log_count;
    peer_run(&peer, 3 * SECOND);
    assert_int_equal(peer.got_to, 65535);
    assert_true(peer_count(&peer, from, -1) > 0);
    assert_true(peer_counter(&peer, PLAIT_COUNTER_WindowProbes) > 0);
    ack_window(second, 65535, 3000);
    peer_run(&peer, 100 * MS);
    uint64_t got = peer.got_to; /* a rest that is no segment waits for the next DATA_ACK */
    assert_in_range(got, 65535 + 1400, 65535 + 3000);
    ack_window(0, got, 3000);
    peer_run(&peer, 100 * MS);
    ack_window(0, peer.got_to, 3000);
    peer_run(&peer, 100 * MS);
    assert_int_equal(peer.got_to, 70535);
    peer_fini(&peer);
}

static void test_buffer_limit(void **state) {
    (void)state;
    begin();
    assert_int_equal(plait_set(peer.stack, peer.sock, PLAIT_OPT_SEND_BUFFER, 20000), 0);
    while (next_event(PLAIT_EVENT_WRITABLE, NULL)) {
    }
    assert_int_equal(write_all(0, 50000), 20000);
    assert_int_equal(write_all(20000, 1), PLAIT_E_AGAIN);
    assert_int_equal(plait_poll(peer.stack, peer.sock) & PLAIT_POLL_WRITE, 0);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 20000);
    peer_ack(&peer, 0, 3000); /* a little room is not worth an event */
    assert_false(next_event(PLAIT_EVENT_WRITABLE, NULL));
    assert_true(peer.got_to >= 6000);
    peer_ack(&peer, 0, 6000);
    assert_true(next_event(PLAIT_EVENT_WRITABLE, NULL));
    assert_int_not_equal(plait_poll(peer.stack, peer.sock) & PLAIT_POLL_WRITE, 0);
    assert_int_equal(write_all(20000, 50000), 6000);
    peer_fini(&peer);
}

static uint64_t buffer_limited_us(plait_time now) {
    struct plait_tcp_info info;
    pl_tcp_info_linux(&peer_subflow(&peer, 0)->tcp, &info, now);
    return info.tcpi_sndbuf_limited;
}

/* All is sent, and the buffer is full of it: until there is room, or nothing more is to come. */
static void test_buffer_limited_time(void **state) {
    (void)state;
    for (unsigned shut = 0; shut < 2; shut++) {
        begin();
        assert_int_equal(plait_set(peer.stack, peer.sock, PLAIT_OPT_SEND_BUFFER, 10000), 0);
        assert_int_equal(write_all(0, 50000), 10000);
        peer_run(&peer, 10 * MS);
        assert_int_equal(peer.got_to, 10000);
        plait_time then = peer.now;
        assert_int_equal(buffer_limited_us(then + 50 * MS) - buffer_limited_us(then), 50000);
        if (shut == 0) {
            peer_ack(&peer, 0, 3000);
        } else {
            assert_int_equal(plait_shutdown(peer.stack, peer.sock, peer.now), 0);
            peer_pull(&peer);
        }
        then = peer.now;
        assert_int_equal(buffer_limited_us(then + 50 * MS) - buffer_limited_us(then), 0);
        peer_fini(&peer);
    }
}

/* The limit grows with the congestion windows, up to the bound. */
static void test_auto_tuning(void **state) {
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.send_buffer_bytes = 400000;
    begin_with(&(struct peer_setup){.config = &config});
    struct pl_send *s = &peer_conn(&peer)->send;
    assert_int_equal(s->limit_bytes, 256 * 1024);
    peer_subflow(&peer, 0)->tcp.cc.cwnd = 100000;
    assert_int_equal(pl_send_room(peer_conn(&peer)), 300000);
    peer_subflow(&peer, 0)->tcp.cc.cwnd = 1000000;
    assert_int_equal(pl_send_room(peer_conn(&peer)), 400000);
    peer_subflow(&peer, 0)->tcp.cc.cwnd = 10000;
    assert_int_equal(pl_send_room(peer_conn(&peer)), 400000);
    peer_fini(&peer);
}

/* Writes of all sizes come out as the same bytes. */
static void test_odd_writes(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.cap_flags = PL_CAPABLE_CHECKSUM});
    peer.auto_ack = true;
    uint64_t at = 0;
    for (uint32_t len = 1; at < 60000; len = len * 3 % 5003 + 1) {
        assert_int_equal(write_all(at, len), len);
        at += len;
        if (len % 2 == 0) {
            peer_run(&peer, MS);
        }
    }
    peer_run(&peer, SECOND);
    assert_int_equal(peer.got_to, at);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    peer_fini(&peer);
}

/* TSO: one mapping of up to 64 KB, never more than its 16 bits of length hold. */
static void test_big_segments(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.port_flags = PLAIT_PORT_TSO});
    peer_subflow(&peer, 0)->tcp.cc.cwnd = 1 << 20;
    peer_subflow(&peer, 0)->tcp.pace.burst = 65535;
    assert_int_equal(write_all(0, 100000), 100000);
    peer.auto_ack = true;
    for (unsigned i = 0; i < 20 && peer.got_to < 100000; i++) {
        peer_ack(&peer, 0, peer.got_to);
        peer_run(&peer, 10 * MS);
    }
    assert_int_equal(peer.got_to, 100000);
    uint32_t biggest = 0;
    for (unsigned i = 0; i < peer.log_count; i++) {
        uint32_t len = peer.log[i].seg.options.mptcp.dss.len;
        biggest = len > biggest ? len : biggest;
    }
    assert_in_range(biggest, 2 * 1460, 65534);
    peer_fini(&peer);
}

static void test_checksum_of_pieces(void **state) {
    (void)state;
    begin();
    struct pl_memory *memory = &peer_conn(&peer)->ctx->memory;
    struct pl_chunk *a = pl_chunk_alloc(memory, 64), *b = pl_chunk_alloc(memory, 64);
    uint64_t sum = 0;
    assert_int_equal(pl_chunk_append(a, "\x12\x34\x56", 3), 3);
    assert_int_equal(pl_chunk_append(b, "\x78\x9a", 2), 2);
    pl_chunk_link(a, b);
    assert_int_equal(pl_send_checksum(a, 0, 5, &sum), 0x1234 + 0x5678 + 0x9a00 - 0xffff);
    assert_int_equal(pl_send_checksum(a, 1, 3, &sum), 0x3456 + 0x7800);
    assert_int_equal(pl_send_checksum(a, 2, 1, &sum), 0x5600);
    pl_chunk_unref(b);
    pl_chunk_unref(a);
    peer_fini(&peer);
}

/* Bytes that are data-acknowledged but not on their subflow are kept until TCP lets go of them. */
static void test_freed_when_both_acknowledge(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    struct plait_stack_stats stats = {.size = sizeof(stats)};
    peer.mute[0] = true;
    assert_int_equal(write_all(0, 5000), 5000);
    peer.mute[0] = false;
    ack_window(second, 5000, 65535);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    plait_stack_stats(peer.stack, &stats);
    assert_true(stats.memory_bytes > 0); /* path 0 may have to repeat them */
    peer.auto_ack = true;
    peer_run(&peer, 2 * SECOND);
    plait_stack_stats(peer.stack, &stats);
    assert_int_equal(stats.memory_bytes, 0);
    peer_fini(&peer);
}

/* A window without a DATA_ACK is the subflow's only (section 3.3.2). */
static void test_window_needs_a_data_ack(void **state) {
    (void)state;
    begin();
    peer_write(&peer, 0, 1000);
    peer.flow[0].rcv_nxt = 1000;
    ack_window(0, 1000, 2000);
    pl_seq64 edge = peer_conn(&peer)->send.window_edge;
    peer_send(&peer, &(struct peer_seg){.seq = PEER_NO_OFFSET, .window = 65535});
    assert_true(pl_seq64_eq(peer_conn(&peer)->send.window_edge, edge));
    ack_window(0, 1000, 65535);
    assert_true(pl_seq64_lt(edge, peer_conn(&peer)->send.window_edge));
    peer_fini(&peer);
}

/* DATA_ACKs only when they advance, and late: no reason for anything (section 3.3.2). */
static void test_sparse_data_acks(void **state) {
    (void)state;
    begin();
    for (uint32_t at = 0; at < 5000; at += 1000) {
        peer_write(&peer, at, 1000);
        peer.flow[0].rcv_nxt = at + 1000;
        if (at > 0) { /* the first one proves that they come */
            peer_send(&peer, &(struct peer_seg){.seq = PEER_NO_OFFSET});
            peer_run(&peer, 300 * MS);
        }
        peer_ack(&peer, 0, at + 1000);
        for (unsigned i = 0; i < 3; i++) {
            peer_send(&peer, &(struct peer_seg){.seq = PEER_NO_OFFSET});
        }
        peer_run(&peer, SECOND);
    }
    assert_int_equal(option(PLAIT_OPT_IS_MPTCP), 1);
    assert_int_equal(option(PLAIT_OPT_SEND_QUEUE), 0);
    assert_int_equal(peer_conn(&peer)->send.reinjected_bytes, 0);
    assert_int_equal(peer_subflow(&peer, 0)->phase, PL_SF_UP);
    peer_fini(&peer);
}

/* The connection's window is open; each subflow's own still bounds what it carries. */
static void test_windows_of_subflows(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    ack_window(second, 0, 65535);
    ack_window(0, 0, 1500);
    assert_int_equal(write_all(0, 60000), 60000);
    peer_run(&peer, 10 * MS);
    assert_in_range(peer.flow[0].rcv_nxt, 1, 1500);
    assert_true(peer.flow[second].rcv_nxt > 1500);
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_is_obeyed),
        cmocka_unit_test(test_window_is_not_filled),
        cmocka_unit_test(test_window_limited_time),
        cmocka_unit_test(test_window_behind_a_hole),
        cmocka_unit_test(test_closed_window),
        cmocka_unit_test(test_buffer_limit),
        cmocka_unit_test(test_buffer_limited_time),
        cmocka_unit_test(test_auto_tuning),
        cmocka_unit_test(test_odd_writes),
        cmocka_unit_test(test_big_segments),
        cmocka_unit_test(test_checksum_of_pieces),
        cmocka_unit_test(test_freed_when_both_acknowledge),
        cmocka_unit_test(test_window_needs_a_data_ack),
        cmocka_unit_test(test_sparse_data_acks),
        cmocka_unit_test(test_windows_of_subflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mptcp_recv_test.c - reassembly at the data level, the shared window, and the end of the stream
 * (RFC 8684 sections 3.3.3 and 3.3.4). */
#include "base/rng.h"
#include "mptcp/internal.h"
#include "mptcp/subflow.h"
#include "mptcp_peer_test.h"

enum { MODEL_BYTES = 60000 };

/* Random overlapping pieces over three subflows; after each the DATA_ACK is exactly what a model
 * says, and the bytes read are the stream's. */
static void run_model(uint64_t seed, bool checksum, bool read_late) {
    static bool have[MODEL_BYTES + 2000];
    struct pl_rng rng;
    uint64_t prefix = 0;
    pl_rng_init(&rng, seed);
    memset(have, 0, sizeof(have));
    begin_with(&(struct peer_setup){.paths = 3, .cap_flags = checksum ? PL_CAPABLE_CHECKSUM : 0});
    assert_int_equal(peer_join(&peer, 1, false), 1);
    assert_int_equal(peer_join(&peer, 2, true), 2);
    while (prefix < MODEL_BYTES) {
        uint64_t near = prefix > 3000 ? prefix - 3000 : 0;
        uint64_t at = near + pl_rng_below(&rng, 20000);
        uint32_t len = 1 + (uint32_t)pl_rng_below(&rng, 1400);
        if (pl_rng_below(&rng, 4) == 0) { /* fill the hole */
            at = prefix;
        }
        at = at < MODEL_BYTES ? at : MODEL_BYTES - 1;
        peer_data(&peer, (unsigned)pl_rng_below(&rng, 3), at, len);
        memset(have + at, 1, len);
        while (have[prefix]) {
            prefix++;
        }
        peer_run(&peer, 50 * MS); /* delayed ACKs */
        assert_int_equal(peer.ack_seen, prefix);
        if (!read_late || prefix - peer.read_at > 40000) {
            expect_read(prefix);
        }
    }
    expect_read(prefix);
    assert_int_equal(option(PLAIT_OPT_RECEIVE_QUEUE), 0);
    plait_stack_check(peer.stack);
    peer_fini(&peer);
}

static void test_model(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        run_model(seed, false, seed % 2 == 0);
        run_model(seed + 10, true, seed % 2 == 0);
    }
}

static struct plait_config small_buffer(uint32_t bytes) {
    struct plait_config config;
    plait_config_init(&config);
    config.receive_buffer_bytes = bytes;
    return config;
}

static uint64_t window_now(void) {
    const struct peer_rx *rx = peer_find(&peer, 0, PL_MP_DSS);
    assert_non_null(rx);
    return rx->seg.options.mptcp.dss.ack + rx->seg.window_raw - (peer.idsn_local + 1);
}

/* The window shrinks by what is not read, on every subflow alike, and its edge stays. */
static void test_window_is_shared(void **state) {
    struct plait_config config = small_buffer(16000);
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2, .config = &config});
    unsigned second = peer_join(&peer, 1, false);
    for (uint32_t i = 0; i < 16; i++) {
        peer_data(&peer, i % 2 ? second : 0, i * 1000, 1000);
        peer_run(&peer, 50 * MS);
        assert_int_equal(window_now(), 16000);
    }
    assert_int_equal(peer.ack_seen, 16000);
    unsigned from = peer.log_count;
    expect_read(16000);
    assert_true(peer_count(&peer, from, PL_MP_DSS) >= 1); /* a window update, unasked */
    assert_int_equal(window_now(), 32000);
    peer_fini(&peer);
}

/* What lies beyond the window is neither taken nor acknowledged (section 3.3.5). */
static void test_beyond_the_window(void **state) {
    struct plait_config config = small_buffer(8192);
    (void)state;
    begin_with(&(struct peer_setup){.config = &config});
    struct pl_mptcp_options o = peer_map(&peer, 1 << 19, 0, 1000, false);
    send_next(0, 1 << 19, 1000, &o);
    expect_counter(PLAIT_COUNTER_NoDSSInWindow, 1);
    o = peer_map(&peer, (uint64_t)-200000, 1000, 1000, false); /* before the start */
    send_next(0, 5, 1000, &o);
    expect_read(0);
    peer_data(&peer, 0, 0, 1000);
    expect_read(1000);
    assert_int_equal(peer.ack_seen, 1000);
    peer_fini(&peer);
}

static void test_duplicates_count(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer_data(&peer, 0, 0, 1000);
    peer_data(&peer, second, 0, 1000);   /* old */
    peer_data(&peer, second, 2000, 500); /* ahead */
    peer_data(&peer, 0, 2000, 500);      /* ahead, again */
    peer_data(&peer, second, 500, 1500); /* half old, fills the hole */
    expect_read(2500);
    assert_int_equal(peer_counter(&peer, PLAIT_COUNTER_DuplicateData), 3);
    assert_int_equal(peer_counter(&peer, PLAIT_COUNTER_OFOMerge), 1);
    peer_data(&peer, second, 4000, 100); /* ahead, behind nothing */
    peer_data(&peer, 0, 3000, 100);      /* before that one */
    assert_int_equal(peer_counter(&peer, PLAIT_COUNTER_OFOQueue), 3);
    assert_int_equal(peer_counter(&peer, PLAIT_COUNTER_OFOQueueTail), 2);
    peer_fini(&peer);
}

static void expect_end(uint64_t at) {
    uint8_t byte;
    expect_read(at);
    assert_int_equal(plait_read(peer.stack, peer.sock, &byte, 1, peer.now), 0);
}

/* Nothing comes after DATA_FIN: neither bytes behind it nor another end. */
static void test_data_after_fin(void **state) {
    (void)state;
    begin();
    struct pl_mptcp_options fin = peer_map(&peer, 1000, 0, 0, true);
    struct pl_mptcp_options later = peer_map(&peer, 3000, 0, 0, true);
    send_options(0, &fin);
    send_options(0, &later);
    peer_data(&peer, 0, 500, 1000); /* runs over it */
    expect_counter(PLAIT_COUNTER_NoDSSInWindow, 1);
    peer_data(&peer, 0, 0, 1000);
    expect_end(1000);
    peer_data(&peer, 0, 1000, 500);
    peer_data(&peer, 0, 2000, 500);
    expect_end(1000);
    assert_int_equal(peer.ack_seen, 1001);
    peer_fini(&peer);
}

/* A DATA_FIN that lies before bytes that wait out of order. */
static void test_fin_before_waiting_bytes(void **state) {
    (void)state;
    begin();
    struct pl_mptcp_options fin = peer_map(&peer, 1000, 0, 0, true);
    peer_data(&peer, 0, 2000, 1000);
    send_options(0, &fin);
    peer_data(&peer, 0, 0, 1000);
    expect_end(1000);
    peer_run(&peer, SECOND);
    peer_fini(&peer);
}

/* A DATA_FIN in the middle of bytes that wait: they are not the stream's, the end is reached. */
static void test_fin_inside_waiting_bytes(void **state) {
    (void)state;
    begin();
    struct pl_mptcp_options fin = peer_map(&peer, 1000, 0, 0, true);
    peer_data(&peer, 0, 500, 1000);
    send_options(0, &fin);
    peer_data(&peer, 0, 0, 500);
    expect_read(500);
    peer_data(&peer, 0, 500, 500);
    expect_end(1000);
    plait_stack_check(peer.stack);
    peer_fini(&peer);
}

static void test_fin_far_away(void **state) {
    (void)state;
    begin();
    struct pl_mptcp_options fin = peer_map(&peer, UINT64_C(1) << 40, 0, 0, true);
    send_options(0, &fin);
    fin = peer_map(&peer, (uint64_t)-1000, 0, 0, true);
    send_options(0, &fin);
    peer_data(&peer, 0, 0, 100);
    expect_read(100);
    fin = peer_map(&peer, 100, 0, 0, true);
    send_options(0, &fin);
    expect_end(100);
    peer_fini(&peer);
}

static void test_readable_event(void **state) {
    (void)state;
    begin();
    assert_false(next_event(PLAIT_EVENT_READABLE, NULL));
    peer_data(&peer, 0, 1000, 1000);
    assert_false(next_event(PLAIT_EVENT_READABLE, NULL));
    assert_int_equal(plait_poll(peer.stack, peer.sock) & PLAIT_POLL_READ, 0);
    peer_data(&peer, 0, 0, 1000);
    assert_true(next_event(PLAIT_EVENT_READABLE, NULL));
    assert_int_not_equal(plait_poll(peer.stack, peer.sock) & PLAIT_POLL_READ, 0);
    expect_read(2000);
    peer_fini(&peer);
}

/* A subflow that waits out of order dies: its bytes stay, they were taken. */
static void test_subflow_dies_with_waiting_bytes(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, false);
    peer_data(&peer, second, 1000, 1000);
    peer_send(&peer,
              &(struct peer_seg){.flow = second, .flags = PL_TCP_RST, .seq = PEER_NO_OFFSET});
    assert_null(peer_subflow(&peer, second));
    peer_data(&peer, 0, 0, 1000);
    expect_read(2000);
    peer_fini(&peer);
}

/* Bytes that wait fill the memory: what is missing in front of them gets in all the same over the
 * other subflow, and the rest when it comes again. */
static void test_memory_full_of_waiting_bytes(void **state) {
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.memory_bytes_max = 60000;
    begin_with(&(struct peer_setup){.paths = 2, .config = &config});
    unsigned second = peer_join(&peer, 1, false);
    for (uint32_t i = 1; i < 60; i++) {
        peer_data(&peer, 0, i * 1400, 1400);
    }
    assert_true(peer_counter(&peer, PLAIT_COUNTER_DropMemory) > 0);
    plait_stack_check(peer.stack);
    expect_read(0);
    for (unsigned i = 0; i < 60 && peer.read_at < 60 * 1400; i++) {
        uint64_t before = peer.ack_seen;
        peer_data(&peer, second, before, 1400);
        peer_run(&peer, 50 * MS);
        assert_true(peer.ack_seen > before);
        peer_read(&peer);
    }
    assert_int_equal(peer.read_at, 60 * 1400);
    peer_fini(&peer);
}

/* One byte and a hole, again and again: no more nodes than a bounded number wait, the furthest go
 * first, and what is dropped is taken when it comes again. */
static void test_tiny_pieces(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    for (uint32_t i = 0; i < 5000; i++) {
        peer_data(&peer, 0, 1 + 2 * i, 1);
    }
    const struct pl_recv *r = &peer_conn(&peer)->recv;
    assert_in_range(r->ooo_count, 1000, 1100);
    assert_true(pl_seq64_lt(r->nxt, r->lost_end));
    assert_in_range(peer_counter(&peer, PLAIT_COUNTER_DropMemory), 3800, 4100);
    uint64_t first = peer.idsn_local + 1;
    assert_int_equal(PL_CONTAINER(r->ooo.prev, struct pl_ooo, link)->dsn.v - first, 2049);
    plait_stack_check(peer.stack);
    for (uint32_t at = 0; at < 12000; at += 1000) {
        peer_data(&peer, 0, at, 1000);
    }
    expect_read(12000);
    assert_true(pl_seq64_le(r->lost_end, r->nxt));
    peer_fini(&peer);
}

/* Nothing to cut a piece with: it is dropped, not acknowledged, and taken when it comes again. */
static void test_no_memory_for_a_piece(void **state) {
    (void)state;
    for (unsigned n = 1; n <= 6; n++) {
        begin_with(&(struct peer_setup){.paths = 2});
        unsigned second = peer_join(&peer, 1, false);
        peer_data(&peer, 0, 2000, 500);
        struct pl_mptcp_options o = peer_map(&peer, 1000, peer.flow[second].nxt, 1400, false);
        peer.env.fail_at = peer.env.alloc_count + 1 + n; /* the first is the packet itself */
        send_next(second, 1000, 1400, &o);
        peer.env.fail_at = 0;
        plait_stack_check(peer.stack);
        peer_data(&peer, 0, 500, 1400);
        peer_data(&peer, 0, 0, 800);
        peer_data(&peer, 0, 800, 1400);
        peer_data(&peer, 0, 1900, 600);
        expect_read(2500);
        peer_fini(&peer);
    }
}

/* pl_recv_take: whole chunks, parts, and what is left. */
static void test_take(void **state) {
    (void)state;
    begin();
    peer_data(&peer, 0, 0, 1000);
    peer_data(&peer, 0, 1000, 1000);
    struct pl_conn *conn = peer_conn(&peer);
    uint64_t at = 0;
    static const uint32_t wanted[] = {300, 700, 5000, 1};
    static const uint32_t given[] = {300, 700, 1000, 0};
    for (unsigned i = 0; i < 4; i++) {
        struct pl_chunk *chunk = pl_recv_take(conn, wanted[i]);
        assert_int_equal(chunk != NULL ? chunk->len : 0, given[i]);
        for (uint32_t k = 0; chunk != NULL && k < chunk->len; k++) {
            assert_int_equal(chunk->data[k], pair_pattern(at++));
        }
        pl_chunk_unref(chunk);
    }
    assert_int_equal(option(PLAIT_OPT_RECEIVE_QUEUE), 0);
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_window_is_shared),
        cmocka_unit_test(test_beyond_the_window),
        cmocka_unit_test(test_duplicates_count),
        cmocka_unit_test(test_data_after_fin),
        cmocka_unit_test(test_fin_before_waiting_bytes),
        cmocka_unit_test(test_fin_inside_waiting_bytes),
        cmocka_unit_test(test_fin_far_away),
        cmocka_unit_test(test_readable_event),
        cmocka_unit_test(test_subflow_dies_with_waiting_bytes),
        cmocka_unit_test(test_memory_full_of_waiting_bytes),
        cmocka_unit_test(test_no_memory_for_a_piece),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_tiny_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tcp/segment: what a segment is made of. */
#include "tcp_test.h"

static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *a, *b;

static int setup(void **state) {
    (void)state;
    p = test_pair(&tap);
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    a = tcp_of(p, PAIR_A);
    b = tcp_of(p, PAIR_B);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tcp_pair_free(p);
    return 0;
}

static struct pl_tcp_tx tx;

static bool output(struct pl_tcp *tcp) {
    memset(&tx, 0xee, sizeof(tx));
    return pl_tcp_output(tcp, &tx, p->now);
}

static void test_data(void **state) {
    (void)state;
    p->end[PAIR_A].chunk_bytes = 500;
    tcp_pair_send(p, PAIR_A, 1200);
    assert_true(output(a));
    assert_int_equal(tx.seg.flags, PL_TCP_ACK | PL_TCP_PSH);
    assert_int_equal(tx.seg.seq.v, 1001);
    assert_int_equal(tx.seg.ack.v, 5001);
    assert_int_equal(tx.seg.src_port, 1000);
    assert_int_equal(tx.seg.dst_port, 1001);
    assert_int_equal(tx.seg.window_raw, (4 << 20) >> 7);
    assert_int_equal(tx.payload_len, 1200);
    assert_int_equal(tx.seg.payload_len, 1200);
    assert_int_equal(tx.slice_count, 3);
    assert_int_equal(tx.slices[2].len, 200);
    assert_int_equal(tx.gso_size, 0);
    assert_int_equal(tx.options_len, 12);
    assert_int_equal(tx.seg.urgent, 0);
    assert_false(output(a));
    assert_false(pl_list_linked(&a->out_link));
}

/* A retransmission, also of a part, is described with the origin it was first sent with; the pair's
 * upper asserts that tag, seq and sum still belong together. */
static void test_retransmission_keeps_the_origin(void **state) {
    (void)state;
    p->setup.tso[PAIR_A] = true;
    a->snd.tso = true;
    a->rtt.srtt_ns = 1; /* a rate without bounds: large segments */
    tcp_pair_send(p, PAIR_A, 14480);
    assert_true(output(a));
    assert_int_equal(tx.payload_len, 14480);
    assert_int_equal(tx.gso_size, 1448);
    struct pl_tcp_record *rec = pl_tcp_record_first(a);
    struct pl_tcp_origin origin = rec->origin;
    assert_int_equal(origin.len, 14480);
    struct pl_tcp_record *mid = pl_tcp_record_split(a, rec, 2896);
    (void)pl_tcp_record_split(a, mid, 1448);
    assert_memory_equal(&mid->origin, &origin, sizeof(origin));
    pl_tcp_record_mark_lost(a, mid);
    unsigned asked = p->end[PAIR_A].asked[PL_SEG_DATA];
    assert_true(output(a));
    assert_int_equal(p->end[PAIR_A].asked[PL_SEG_DATA], asked + 1);
    assert_int_equal(tx.seg.seq.v, 1001 + 2896);
    assert_int_equal(tx.payload_len, 1448);
    assert_int_equal(tx.gso_size, 0);
    assert_int_equal(tx.slices[0].data[0], tcp_pair_byte(2896));
    assert_int_equal(tx.seg.flags & PL_TCP_PSH, 0); /* not the end of what was pushed */
}

static void test_ack_with_sack(void **state) {
    (void)state;
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK);
    seg.payload_len = 10;
    seg.seq.v += 100;
    tap.drop_all[PAIR_B] = true;
    tcp_pair_send(p, PAIR_B, 5000); /* payload is due too: the ACK with SACK goes first */
    tcp_pair_inject(p, PAIR_B, &seg, 100);
    assert_true(output(b));
    assert_int_equal(tx.payload_len, 0);
    assert_int_equal(tx.options_len, 12 + 12);
    assert_true(output(b));
    assert_int_equal(tx.payload_len, 1448);
    assert_int_equal(tx.options_len, 12); /* no room beside a full segment */
}

static void test_room_beside_small_payload(void **state) {
    (void)state;
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK);
    seg.payload_len = 10;
    seg.seq.v += 100;
    tap.drop_all[PAIR_B] = true;
    tcp_pair_inject(p, PAIR_B, &seg, 100);
    assert_true(output(b));
    tcp_pair_send(p, PAIR_B, 10);
    assert_true(output(b));
    assert_int_equal(tx.payload_len, 10);
    assert_int_equal(tx.options_len, 12 + 12);
}

static void test_fin(void **state) {
    (void)state;
    tcp_pair_close(p, PAIR_A);
    assert_true(output(a));
    assert_int_equal(tx.seg.flags, PL_TCP_FIN | PL_TCP_ACK);
    assert_int_equal(tx.payload_len, 0);
    assert_int_equal(p->end[PAIR_A].asked[PL_SEG_FIN], 1);
}

static void test_rst(void **state) {
    (void)state;
    pl_tcp_abort(a, PLAIT_E_ABORTED, p->now);
    assert_true(output(a));
    assert_int_equal(tx.seg.flags, PL_TCP_RST | PL_TCP_ACK);
    assert_int_equal(tx.seg.seq.v, 1001);
    assert_int_equal(p->end[PAIR_A].asked[PL_SEG_RST], 1);
    assert_int_equal(COUNT(p, PAIR_A, OutRsts), 1);
    assert_false(output(a));
}

/* Twenty slices do not reach: the segment ends at a packet boundary, the rest follows at once. */
static void test_slices_run_out(void **state) {
    (void)state;
    a->snd.tso = true;
    a->rtt.srtt_ns = 1;
    p->end[PAIR_A].chunk_bytes = 200;
    tcp_pair_send(p, PAIR_A, 14480);
    uint32_t at = 0;
    while (output(a)) {
        assert_true(tx.slice_count <= PLAIT_TX_SLICES_MAX);
        assert_int_equal(tx.seg.seq.v, 1001 + at);
        assert_true(tx.payload_len % 1448 == 0 || at + tx.payload_len == 14480);
        at += tx.payload_len;
        pl_tcp_check(a);
    }
    assert_int_equal(at, 14480);
    assert_int_equal(COUNT(p, PAIR_A, RetransSegs), 0); /* nothing was sent twice */
    assert_int_equal(pl_tcp_flight(a), 14480);
}

static enum pl_tcp_state seen;
static struct pl_tcp_upper cruel;
static uint32_t cruel_options(void *up, const struct pl_seg_out *seg, uint8_t *out, uint32_t room,
                              plait_time now) {
    struct tcp_pair_end *e = up;
    (void)out;
    (void)room;
    if (seg->kind == PL_SEG_DATA) {
        pl_tcp_abort(&e->tcp, PLAIT_E_ABORTED, now);
        seen = pl_tcp_state(&e->tcp);
    }
    return 0;
}

/* The upper may end the connection while it is asked for options: no stale payload goes out. */
static void test_the_upper_aborts_meanwhile(void **state) {
    (void)state;
    cruel = *a->ops;
    cruel.write_options = cruel_options;
    pl_tcp_set_ops(a, &cruel);
    tcp_pair_send(p, PAIR_A, 5000);
    assert_true(output(a));
    assert_int_equal(seen, PL_TCP_ST_CLOSED);
    assert_int_equal(tx.seg.flags, PL_TCP_RST | PL_TCP_ACK);
    assert_int_equal(tx.payload_len, 0);
    assert_false(output(a));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_data),
        T(test_retransmission_keeps_the_origin),
        T(test_ack_with_sack),
        T(test_room_beside_small_payload),
        T(test_fin),
        T(test_rst),
        T(test_slices_run_out),
        T(test_the_upper_aborts_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* net/box_options: MPTCP options become NOPs where they should; sequence numbers shift and shift
 * back, SACK blocks too. */
#include "box_packet.h"
#include "net/box.h"

/* MSS, MP_CAPABLE of a SYN, window scale and a NOP. */
static const uint8_t syn_options[12] = {2, 4, 5, 0xb4, 30, 4, 1, 1, 3, 3, 7, 1};

static struct box_packet packet(uint8_t flags) {
    struct plait_endpoint from = {box_addr(true, 1), 4000};
    struct plait_endpoint to = {box_addr(true, 2), 80};
    return box_packet_make(&from, &to, flags, syn_options, sizeof(syn_options));
}

static bool has_mptcp_after(uint8_t flags, uint32_t segments) {
    struct box_packet p = packet(flags);
    struct pl_ip ip;
    struct pl_segment seg;
    pl_strip_pass(segments, p.data, p.len);
    assert_true(box_packet_valid(&p, &ip, &seg));
    if ((flags & PL_TCP_SYN) != 0) { /* elsewhere these options are not read */
        assert_int_equal(seg.options.mss, 0x5b4);
        assert_true(seg.options.has_wscale);
    }
    return seg.options.mptcp.present != 0 || seg.options.mptcp.bad != 0;
}

static void strips_where_told(void **state) {
    (void)state;
    assert_true(has_mptcp_after(PL_TCP_SYN, 0));
    assert_false(has_mptcp_after(PL_TCP_SYN, PL_STRIP_SYN));
    assert_true(has_mptcp_after(PL_TCP_SYN, PL_STRIP_SYN_ACK | PL_STRIP_OTHER));
    assert_false(has_mptcp_after(PL_TCP_SYN | PL_TCP_ACK, PL_STRIP_SYN_ACK));
    assert_true(has_mptcp_after(PL_TCP_SYN | PL_TCP_ACK, PL_STRIP_SYN));
    assert_false(has_mptcp_after(PL_TCP_ACK, PL_STRIP_OTHER));
}

static void malformed_options_pass(void **state) {
    struct box_packet p = packet(PL_TCP_SYN);
    struct box_packet was;
    (void)state;
    p.data[40 + 20 + 5] = 60; /* the length of MP_CAPABLE runs past the header */
    was = p;
    pl_strip_pass(PL_STRIP_SYN, p.data, p.len);
    assert_memory_equal(&p, &was, sizeof(p));
}

static void sequence_numbers_shift_back(void **state) {
    struct plait_endpoint in = {box_addr(false, 1), 4000}, out = {box_addr(false, 2), 80};
    struct pl_sack_block block = {{3000}, {4000}};
    struct pl_ip ip;
    struct pl_segment seg;
    uint8_t sack[12];
    (void)state;
    assert_int_equal(pl_tcp_put_sack(sack, &block, 1), 12);
    struct box_packet p = box_packet_make(&in, &out, PL_TCP_ACK, sack, 12);
    pl_reseq_pass(99, PL_BOX_OUT, p.data, p.len);
    assert_true(box_packet_valid(&p, &ip, &seg));
    uint32_t delta = seg.seq.v - 1000;
    assert_int_not_equal(delta, 0);
    assert_int_equal(seg.ack.v, 2000);
    assert_int_equal(seg.options.sack[0].start.v, 3000);
    p = box_packet_make(&out, &in, PL_TCP_ACK, sack, 12);
    pl_reseq_pass(99, PL_BOX_IN, p.data, p.len);
    assert_true(box_packet_valid(&p, &ip, &seg));
    assert_int_equal(seg.seq.v, 1000);
    assert_int_equal(seg.ack.v, 2000 - delta);
    assert_int_equal(seg.options.sack[0].start.v, 3000 - delta);
    assert_int_equal(seg.options.sack[0].end.v, 4000 - delta);
}

/* Only letters become small, so that two changes never make up for each other. */
static void rewriting_keeps_the_checksum(void **state) {
    (void)state;
    for (uint64_t at = 0; at < 20; at++) {
        struct box_packet p = packet(PL_TCP_ACK);
        struct pl_ip ip;
        struct pl_segment seg;
        for (unsigned times = 1; times <= 4; times++) {
            unsigned changed = 0;
            assert_true(pl_rewrite_pass(at, p.data, p.len));
            assert_true(box_packet_valid(&p, &ip, &seg));
            for (uint32_t i = 0; i < 5; i++) {
                uint8_t was = (uint8_t) "HELLO"[i];
                assert_true(seg.payload[i] == was || seg.payload[i] == (was | PL_REWRITE_BIT));
                changed += seg.payload[i] != was ? 1 : 0;
            }
            assert_int_equal(changed, times);
        }
        assert_false(pl_rewrite_pass(at, p.data, p.len)); /* the odd byte stays */
        assert_false(pl_rewrite_pass(at, p.data, 3));
    }
}

static void no_secret_no_change(void **state) {
    struct box_packet p = packet(PL_TCP_SYN);
    struct box_packet was = p;
    (void)state;
    pl_reseq_pass(0, PL_BOX_OUT, p.data, p.len);
    assert_memory_equal(&p, &was, sizeof(p));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strips_where_told),
        cmocka_unit_test(malformed_options_pass),
        cmocka_unit_test(sequence_numbers_shift_back),
        cmocka_unit_test(rewriting_keeps_the_checksum),
        cmocka_unit_test(no_secret_no_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

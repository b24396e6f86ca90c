/* stack/cut: pieces of large segments, each verified as a receiver would. */
#include "plait/offload.h"

#include "stack_test.h"

enum { CUT = 1400, PAYLOAD = 4 * CUT + 77, FIRST_SEQ = 0xfffff000u, IDENT = 0xfffe };

static uint8_t payload[PAYLOAD];
static struct plait_tx whole, piece;

/* A segment that the stack might have given: odd slices, a sequence number that wraps, and the sum
 * of the pseudo header where the checksum goes. */
static void make_whole(const char *src, const char *dst, uint8_t flags) {
    struct pl_ip ip = {.src = addr(src), .dst = addr(dst), .protocol = PL_IP_TCP, .hops = 64};
    struct pl_segment seg = {.seq = {FIRST_SEQ}, .ack = {7}, .flags = flags, .window_raw = 99};
    whole = (struct plait_tx){.gso_size = CUT, .needs_csum = true, .csum_offset = 16, .mark = 3};
    for (uint32_t i = 0; i < PAYLOAD; i++) {
        payload[i] = (uint8_t)(i * 31 + (i >> 8));
    }
    uint32_t ends[] = {1, 1402, 1403, 4000, PAYLOAD}, at = 0;
    for (unsigned i = 0; i < 5; i++) {
        whole.slices[i] = (struct plait_slice){payload + at, ends[i] - at};
        at = ends[i];
    }
    whole.slice_count = 5;
    whole.payload_len = PAYLOAD;
    ip.payload_len = PL_TCP_HEADER + 12 + PAYLOAD;
    whole.csum_start = (uint16_t)pl_ip_write(whole.header, &ip, IDENT);
    uint8_t *tcp = whole.header + whole.csum_start;
    (void)pl_tcp_put_timestamps(tcp + PL_TCP_HEADER, 1, 2);
    whole.header_len = whole.csum_start + pl_tcp_write(tcp, &seg, 12);
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    pl_put16(tcp + 16, pl_sum_fold(sum));
}

/* What the device sends. */
static uint32_t flatten(uint8_t *out) {
    uint32_t at = piece.header_len;
    memcpy(out, piece.header, at);
    for (unsigned i = 0; i < piece.slice_count; i++) {
        memcpy(out + at, piece.slices[i].data, piece.slices[i].len);
        at += piece.slices[i].len;
    }
    if (piece.needs_csum) {
        uint8_t *tcp = out + piece.csum_start;
        uint64_t sum = pl_sum_add(0, tcp, at - piece.csum_start);
        pl_put16(tcp + piece.csum_offset, (uint16_t)~pl_sum_fold(sum));
    }
    return at;
}

static void check_piece(unsigned i, uint8_t flags) {
    uint8_t packet[2000];
    struct pl_ip ip;
    struct pl_segment seg;
    bool last = i == 4;
    uint32_t len = flatten(packet);
    assert_int_equal(pl_ip_parse(packet, len, &ip), PL_IP_OK);
    assert_int_equal(ip.header_len + ip.payload_len, len);
    assert_int_equal(pl_tcp_parse(packet + ip.header_len, ip.payload_len, &seg), PL_TCP_OK);
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    assert_int_equal(pl_sum_fold(pl_sum_add(sum, packet + ip.header_len, ip.payload_len)), 0xffff);
    assert_int_equal(seg.seq.v, (uint32_t)(FIRST_SEQ + i * CUT));
    assert_int_equal(seg.flags, last ? flags : PL_TCP_ACK);
    assert_true(seg.options.has_timestamps);
    assert_int_equal(seg.payload_len, last ? 77 : CUT);
    assert_memory_equal(seg.payload, payload + i * CUT, seg.payload_len);
    assert_int_equal(piece.gso_size, 0);
    assert_int_equal(piece.mark, 3);
    if (ip.src.family == PLAIT_IPV4) {
        assert_int_equal(pl_get16(packet + 4), (uint16_t)(IDENT + i));
    }
}

static void cut_all(const char *src, const char *dst, bool device_sums) {
    uint8_t flags = PL_TCP_ACK | PL_TCP_PSH | PL_TCP_FIN;
    struct plait_cut cut;
    make_whole(src, dst, flags);
    plait_cut_start(&cut, &whole, device_sums);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(plait_cut_next(&cut, &piece));
        assert_int_equal(piece.needs_csum, device_sums);
        check_piece(i, flags);
    }
    assert_false(plait_cut_next(&cut, &piece));
}

static void test_every_piece_is_a_packet(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        cut_all("10.0.0.2", "10.0.0.1", i == 0);
        cut_all("fd00::2", "fd00::1", i == 0);
    }
}

static void test_a_packet_is_one_piece(void **state) {
    (void)state;
    struct plait_cut cut;
    make_whole("10.0.0.2", "10.0.0.1", PL_TCP_ACK);
    whole.gso_size = 0;
    for (unsigned i = 0; i < 2; i++) {
        plait_cut_start(&cut, &whole, i == 0);
        assert_true(plait_cut_next(&cut, &piece));
        assert_int_equal(piece.payload_len, PAYLOAD);
        assert_int_equal(piece.needs_csum, i == 0);
        assert_false(plait_cut_next(&cut, &piece));
    }
    struct pl_ip ip; /* the second time the checksum had to be filled in */
    static uint8_t packet[PAYLOAD + PLAIT_TX_HEADER_MAX];
    plait_cut_start(&cut, &whole, false);
    assert_true(plait_cut_next(&cut, &piece));
    assert_int_equal(pl_ip_parse(packet, flatten(packet), &ip), PL_IP_OK);
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    assert_int_equal(pl_sum_fold(pl_sum_add(sum, packet + 20, ip.payload_len)), 0xffff);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_piece_is_a_packet),
        cmocka_unit_test(test_a_packet_is_one_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

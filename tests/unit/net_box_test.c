/* net/box: taking packets apart, and checksums that stay right, or stay wrong. */
#include "net/box.h"

#include "box_packet.h"

static const uint8_t options[4] = {1, 1, 4, 2};

static struct box_packet packet(bool v6) {
    struct plait_endpoint from = {box_addr(v6, 1), 4000};
    struct plait_endpoint to = {box_addr(v6, 2), 80};
    return box_packet_make(&from, &to, PL_TCP_SYN, options, sizeof(options));
}

static void view_finds_tcp(void **state) {
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        struct box_packet p = packet(v6 != 0);
        struct pl_box_view view;
        assert_true(pl_box_view(p.data, p.len, &view));
        assert_int_equal(view.tcp_header_len, 24);
        assert_int_equal(view.tcp_len, 29);
        assert_int_equal(view.v6, v6);
        assert_false(pl_box_view(p.data, p.len - 1, &view));
        p.data[v6 != 0 ? 6 : 9] = PL_IP_UDP;
        assert_false(pl_box_view(p.data, p.len, &view));
    }
}

static void changes_keep_checksums(void **state) {
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        struct box_packet p = packet(v6 != 0);
        struct pl_box_view view;
        struct pl_ip ip;
        struct pl_segment seg;
        struct plait_addr new = box_addr(v6 != 0, 200);
        assert_true(pl_box_view(p.data, p.len, &view));
        pl_box_put_address(&view, true, &new);
        pl_box_put_address(&view, false, &new);
        for (uint32_t i = 0; i < 8; i++) { /* odd and even offsets */
            pl_box_put_tcp(&view, i, (uint8_t)(0xf0 + i));
        }
        assert_true(box_packet_valid(&p, &ip, &seg));
        assert_true(pl_addr_equal(&ip.src, &new));
        assert_true(pl_addr_equal(&ip.dst, &new));
        assert_int_equal(seg.seq.v, 0xf4f5f6f7);
    }
}

static void corruption_stays_visible(void **state) {
    struct box_packet p = packet(false);
    struct pl_box_view view;
    struct pl_ip ip;
    struct pl_segment seg;
    struct plait_addr new = box_addr(false, 9);
    (void)state;
    p.data[p.len - 1] ^= 4;
    assert_true(pl_box_view(p.data, p.len, &view));
    pl_box_put_address(&view, true, &new);
    pl_box_put_tcp(&view, 1, 0x55);
    assert_false(box_packet_valid(&p, &ip, &seg));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(view_finds_tcp),
        cmocka_unit_test(changes_keep_checksums),
        cmocka_unit_test(corruption_stays_visible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

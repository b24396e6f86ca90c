/* net/mark: CE into what says it can bear it, and nothing else. */
#include "net/mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/ip.h"

static uint32_t make(uint8_t *packet, uint8_t family, uint8_t traffic_class) {
    struct pl_ip ip = {.src.family = family,
                       .dst.family = family,
                       .protocol = PL_IP_TCP,
                       .hops = 64,
                       .traffic_class = traffic_class,
                       .payload_len = 20};
    memset(packet, 0x55, 80);
    return pl_ip_write(packet, &ip, 7) + 20;
}

static void test_marks(void **state) {
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        for (uint8_t ecn = PL_IP_ECT1; ecn <= PL_IP_CE; ecn++) {
            uint8_t packet[80];
            struct pl_ip ip;
            uint32_t len = make(packet, v6 ? PLAIT_IPV6 : PLAIT_IPV4, 0xb8 | ecn);
            assert_true(pl_mark_capable(packet, len));
            pl_mark_ce(packet, len);
            assert_int_equal(pl_ip_parse(packet, len, &ip), PL_IP_OK); /* checksum too */
            assert_int_equal(ip.traffic_class, 0xb8 | PL_IP_CE);
        }
    }
}

static void test_not_capable(void **state) {
    (void)state;
    uint8_t packet[80];
    uint32_t len = make(packet, PLAIT_IPV4, 0xb8);
    assert_false(pl_mark_capable(packet, len));
    len = make(packet, PLAIT_IPV6, 0xb8);
    assert_false(pl_mark_capable(packet, len));
    len = make(packet, PLAIT_IPV4, PL_IP_ECT0);
    assert_false(pl_mark_capable(packet, 19));
    packet[0] = 0x4f; /* a header longer than the packet */
    assert_false(pl_mark_capable(packet, len));
    packet[0] = 0x15;
    assert_false(pl_mark_capable(packet, len));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_not_capable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

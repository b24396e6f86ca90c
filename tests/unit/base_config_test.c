/* base/config: the defaults are valid, and each setting's bounds hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ctx.h"

static struct plait_config config;

static int setup(void **state) {
    (void)state;
    plait_config_init(&config);
    return 0;
}

static void test_defaults(void **state) {
    (void)state;
    assert_int_equal(config.size, sizeof(config));
    assert_true(config.mptcp);
    assert_false(config.checksum);
    assert_int_equal(config.send_buffer_bytes, 8 << 20);
    assert_int_equal(config.receive_buffer_bytes, 8 << 20);
    assert_int_equal(config.rto_min_ns, 200 * PLAIT_NS_PER_MS);
    assert_int_equal(config.syn_timeout_ns, 180 * PLAIT_NS_PER_S);
    assert_int_equal(pl_config_check(&config), 0);
}

#define REFUSES(change)                                                   \
    do {                                                                  \
        plait_config_init(&config);                                       \
        config.change;                                                    \
        assert_int_equal(pl_config_check(&config), PLAIT_E_BAD_ARGUMENT); \
    } while (0)

static void test_bounds(void **state) {
    (void)state;
    plait_config_init(&config);
    config.subflows_max = 32;
    config.send_buffer_bytes = 4096;
    config.receive_buffer_bytes = 1u << 30;
    assert_int_equal(pl_config_check(&config), 0);
    REFUSES(size = sizeof(config) - 1);
    REFUSES(ecn = PLAIT_ECN_ACCEPT + 1);
    REFUSES(cc = PLAIT_CC_LIA + 1);
    REFUSES(connections_max = 0);
    REFUSES(subflows_max = 0);
    REFUSES(subflows_max = 33);
    REFUSES(send_buffer_bytes = 4095);
    REFUSES(receive_buffer_bytes = (1u << 30) + 1);
    REFUSES(rto_min_ns = 0);
    REFUSES(syn_timeout_ns = 0);
    REFUSES(stale_ns_min = 0);
    REFUSES(challenge_acks = 65536);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, setup),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mptcp_v1_test.c - version 1 (RFC 8684) as a struct: its hashes, against published values, and in
 * what it differs from version 0 (appendix E). What is made with them is in mptcp_keys_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mptcp/version.h"
#include "testenv.h"

/* FIPS 180-4's example. */
static void test_hash(void **state) {
    static const uint8_t of_abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                       0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                       0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                       0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    struct test_env env;
    uint8_t out[PL_DIGEST_MAX];
    (void)state;
    test_env_init(&env, 1);
    assert_int_equal(pl_mptcp_v1.digest_len, sizeof(of_abc));
    pl_mptcp_v1.hash(&env.env, "abc", 3, out);
    assert_memory_equal(out, of_abc, sizeof(of_abc));
}

/* RFC 4231 section 4.3. */
static void test_hmac(void **state) {
    static const char text[] = "what do ya want for nothing?";
    static const uint8_t expected[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                         0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                         0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
                                         0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    struct test_env env;
    uint8_t out[PL_DIGEST_MAX];
    (void)state;
    test_env_init(&env, 1);
    pl_mptcp_v1.hmac(&env.env, "Jefe", 4, text, sizeof(text) - 1, out);
    assert_memory_equal(out, expected, sizeof(expected));
}

/* Each property is one of exactly one of the versions. */
static void test_differences(void **state) {
    const struct plait_mptcp_version *v1 = &pl_mptcp_v1, *v0 = &plait_mptcp_v0;
    (void)state;
    assert_int_equal(v1->number, 1);
    assert_int_equal(v0->number, 0);
    assert_int_equal(v1->syn_len, 4);
    assert_int_equal(v0->syn_len, 12);
    assert_true(v1->data_in_capable && !v0->data_in_capable);
    assert_true(v1->no_join_flag && !v0->no_join_flag);
    assert_true(!v1->extension_drops && v0->extension_drops);
    assert_true(v1->address_signed && !v0->address_signed);
    assert_true(v1->checksum_strict && !v0->checksum_strict);
    assert_true(!v1->prio_by_id && v0->prio_by_id);
    assert_true(v1->reset_reasons && !v0->reset_reasons);
    assert_true(v1->fastclose_on_rst && !v0->fastclose_on_rst);
    assert_true(v0->digest_len < v1->digest_len && v1->digest_len <= PL_DIGEST_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mptcp_keys_test.c - the hashes of keys, joins and announcements, against values that another
 * implementation of SHA-256 and HMAC computed (RFC 8684 sections 3.1, 3.2 and 3.4.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mptcp/keys.h"
#include "testenv.h"
#include "wire/addr.h"

static const uint64_t key_a = UINT64_C(0x0123456789abcdef), key_b = UINT64_C(0xfedcba9876543210);

static void test_token_and_idsn(void **state) {
    static const struct {
        uint64_t key;
        uint32_t token;
        uint64_t idsn;
    } vectors[] = {
        {UINT64_C(0x0000000000000000), 0xaf5570f5, UINT64_C(0xe5b2328de0e83dfc)},
        {UINT64_C(0x1122334455667788), 0x1dce6604, UINT64_C(0x62815714b76ae9a5)},
        {UINT64_C(0xffffffffffffffff), 0x12a3ae44, UINT64_C(0x57fb595bbbacf0ca)},
        {UINT64_C(0x0123456789abcdef), 0x55c53f5d, UINT64_C(0x570762cd38be9818)},
    };
    struct test_env env;
    (void)state;
    test_env_init(&env, 1);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t token;
        pl_seq64 idsn;
        pl_key_hash(&pl_mptcp_v1, &env.env, vectors[i].key, &token, &idsn);
        assert_int_equal(token, vectors[i].token);
        assert_true(idsn.v == vectors[i].idsn);
    }
}

static void test_join_hmac(void **state) {
    static const uint8_t a_to_b[32] = {0xd1, 0xd5, 0xe4, 0x54, 0xa6, 0x41, 0xd0, 0xb0,
                                       0xe7, 0x6a, 0x0e, 0x22, 0x93, 0x00, 0xe3, 0x33,
                                       0x5f, 0x22, 0xda, 0x64, 0x3a, 0xda, 0xa1, 0x24,
                                       0xc7, 0x2a, 0xe8, 0x22, 0x68, 0x85, 0x0a, 0x11};
    static const uint8_t b_to_a[32] = {0x24, 0x57, 0xe9, 0xa5, 0xdb, 0x7e, 0xf0, 0x52,
                                       0x8d, 0x9f, 0x0f, 0xc0, 0x6a, 0xd0, 0x35, 0x58,
                                       0x5b, 0x6d, 0x9c, 0x1d, 0x63, 0xac, 0x97, 0x54,
                                       0xf7, 0xf1, 0x92, 0x0c, 0x6f, 0xe0, 0x59, 0x04};
    struct test_env env;
    uint8_t out[32];
    (void)state;
    test_env_init(&env, 1);
    pl_join_hmac(&pl_mptcp_v1, &env.env, key_a, key_b, 0x11223344, 0xa1b2c3d4, out);
    assert_memory_equal(out, a_to_b, 32);
    pl_join_hmac(&pl_mptcp_v1, &env.env, key_b, key_a, 0xa1b2c3d4, 0x11223344, out);
    assert_memory_equal(out, b_to_a, 32);
}

static void test_add_addr_hmac(void **state) {
    static const struct {
        const char *addr;
        uint16_t port;
        uint64_t hmac;
    } vectors[] = {
        {"192.0.2.77", 0, UINT64_C(0x1e0ad2ed57f20998)},
        {"192.0.2.77", 8080, UINT64_C(0x2a180ea9462d1716)},
        {"2001:db8::42", 0, UINT64_C(0xa354d71170eb8526)},
        {"2001:db8::42", 443, UINT64_C(0x3d847c5ee3189607)},
    };
    struct test_env env;
    (void)state;
    test_env_init(&env, 1);
    for (unsigned i = 0; i < 4; i++) {
        struct pl_remote_addr_msg msg = {.id = 9, .port = vectors[i].port};
        assert_true(pl_addr_parse(vectors[i].addr, &msg.addr));
        assert_true(pl_add_addr_hmac(&env.env, key_a, key_b, &msg) == vectors[i].hmac);
    }
}

static void test_secret_equal(void **state) {
    (void)state;
    assert_true(pl_secret_equal((const uint8_t *)"abcd", (const uint8_t *)"abcd", 4));
    assert_true(pl_secret_equal((const uint8_t *)"abcd", (const uint8_t *)"abcx", 3));
    assert_true(pl_secret_equal((const uint8_t *)"a", (const uint8_t *)"b", 0));
    assert_true(pl_key_equal(UINT64_MAX, UINT64_MAX));
    assert_false(pl_key_equal(1, 2));
    assert_false(pl_key_equal(UINT64_C(1) << 63, 0));
    for (unsigned bit = 0; bit < 32; bit++) {
        uint8_t other[4] = {'a', 'b', 'c', 'd'};
        other[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(pl_secret_equal((const uint8_t *)"abcd", other, 4));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_and_idsn),
        cmocka_unit_test(test_join_hmac),
        cmocka_unit_test(test_add_addr_hmac),
        cmocka_unit_test(test_secret_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

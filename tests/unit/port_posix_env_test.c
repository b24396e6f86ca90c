#include "port/posix_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void from_hex(const char *hex, uint8_t *out) {
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        unsigned value = 0;
        for (size_t j = 0; j < 2; j++) {
            char c = hex[2 * i + j];
            value = value * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        out[i] = (uint8_t)value;
    }
}

static void assert_hash(const uint8_t hash[32], const char *hex) {
    uint8_t want[32];
    from_hex(hex, want);
    assert_memory_equal(hash, want, 32);
}

static void init(struct pl_posix_env *env) {
    assert_int_equal(pl_posix_env_init(env), 0);
}

/* FIPS 180-2, appendix B.1. */
static void test_sha256(void **state) {
    (void)state;
    struct pl_posix_env env;
    uint8_t hash[32];
    init(&env);
    for (int i = 0; i < 3; i++) {
        env.env.sha256(env.env.user, "abc", 3, hash);
        assert_hash(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    env.env.sha256(env.env.user, "", 0, hash);
    assert_hash(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    pl_posix_env_fini(&env);
}

/* RFC 4231, test cases 1, 2 and 6 (a key longer than a block). */
static void test_hmac(void **state) {
    (void)state;
    struct pl_posix_env env;
    uint8_t key[131], hash[32];
    init(&env);
    memset(key, 0x0b, 20);
    env.env.hmac_sha256(env.env.user, key, 20, "Hi There", 8, hash);
    assert_hash(hash, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    env.env.hmac_sha256(env.env.user, "Jefe", 4, "what do ya want for nothing?", 28, hash);
    assert_hash(hash, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    const char *text = "Test Using Larger Than Block-Size Key - Hash Key First";
    env.env.hmac_sha256(env.env.user, key, sizeof(key), text, strlen(text), hash);
    assert_hash(hash, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    pl_posix_env_fini(&env);
}

static void test_random_differs(void **state) {
    (void)state;
    struct pl_posix_env env;
    uint8_t a[24], b[24], large[4096];
    init(&env);
    for (int i = 0; i < 200; i++) {
        env.env.random(env.env.user, a, sizeof(a));
        env.env.random(env.env.user, b, sizeof(b));
        assert_memory_not_equal(a, b, sizeof(a));
    }
    memset(large, 0, sizeof(large));
    env.env.random(env.env.user, large, sizeof(large));
    assert_memory_not_equal(large + 2048, large + 3072, 1024);
    pl_posix_env_fini(&env);
}

static void test_random_is_wiped(void **state) {
    (void)state;
    struct pl_posix_env env;
    uint8_t key[8];
    init(&env);
    env.env.random(env.env.user, key, sizeof(key));
    for (size_t i = 0; i + sizeof(key) <= sizeof(env.random); i++) {
        assert_memory_not_equal(env.random + i, key, sizeof(key));
    }
    pl_posix_env_fini(&env);
}

static void test_packet_blocks_are_reused(void **state) {
    (void)state;
    struct pl_posix_env env;
    void *blocks[200];
    init(&env);
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = env.env.alloc(env.env.user, 65632);
        assert_non_null(blocks[i]);
    }
    for (size_t i = 0; i < 200; i++) {
        env.env.free(env.env.user, blocks[i], 65632);
    }
    assert_int_equal(env.spare_count, PL_POSIX_ENV_SPARE_MAX);
    void *again = env.env.alloc(env.env.user, 65632);
    assert_ptr_equal(again, blocks[PL_POSIX_ENV_SPARE_MAX - 1]);
    env.env.free(env.env.user, again, 65632);
    /* Another size is neither served from the spare blocks nor mixed with them. */
    void *other = env.env.alloc(env.env.user, 65000);
    assert_int_equal(env.spare_count, PL_POSIX_ENV_SPARE_MAX);
    env.env.free(env.env.user, other, 65000);
    pl_posix_env_fini(&env);
}

static void test_clock(void **state) {
    (void)state;
    plait_time before = pl_posix_now();
    plait_time after = pl_posix_now();
    assert_true(after >= before);
    assert_true(pl_posix_real_offset() > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_random_differs),
        cmocka_unit_test(test_random_is_wiped),
        cmocka_unit_test(test_packet_blocks_are_reused),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

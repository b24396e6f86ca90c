/* base/hash: SipHash-1-3 and the table. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"
#include "plait/error.h"
#include "testenv.h"

struct vector {
    size_t len;
    uint64_t hash;
};

/* Key 00 01 .. 0f, message 00 01 02 ..; from an independent implementation that was itself checked
 * with the vector of the SipHash paper (2-4 rounds, 15 bytes: a129ca6149be45e5). */
static void test_siphash_vectors(void **state) {
    (void)state;
    const struct pl_hash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    const struct vector vectors[] = {
        {0, UINT64_C(0xabac0158050fc4dc)},  {1, UINT64_C(0xc9f49bf37d57ca93)},
        {2, UINT64_C(0x82cb9b024dc7d44d)},  {7, UINT64_C(0xd3927d989bb11140)},
        {8, UINT64_C(0x369095118d299a8e)},  {15, UINT64_C(0xd320d86d2a519956)},
        {63, UINT64_C(0x9d199062b7bbb3a8)},
    };
    uint8_t message[64];
    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_true(pl_hash_bytes(&key, message, vectors[i].len) == vectors[i].hash);
    }
}

static void test_every_byte_and_the_length_count(void **state) {
    (void)state;
    const struct pl_hash_key key = {1, 2};
    uint8_t message[40] = {0};
    for (size_t len = 0; len <= sizeof(message); len++) {
        uint64_t base = pl_hash_bytes(&key, message, len);
        for (size_t i = 0; i < len; i++) {
            message[i] ^= 1;
            assert_true(pl_hash_bytes(&key, message, len) != base);
            message[i] ^= 1;
        }
        if (len > 0) {
            assert_true(pl_hash_bytes(&key, message, len - 1) != base);
        }
    }
    const struct pl_hash_key other = {1, 3};
    assert_true(pl_hash_bytes(&key, message, 8) != pl_hash_bytes(&other, message, 8));
}

struct item {
    struct pl_hash_node node;
    uint32_t value;
};

enum { MANY = 3000 };
static struct test_env env;
static struct item items[MANY];

static unsigned times_found(const struct pl_hash_table *t, uint64_t hash, uint32_t value) {
    unsigned found = 0;
    for (struct pl_hash_node *n = pl_hash_find(t, hash); n != NULL; n = pl_hash_find_next(n)) {
        assert_true(n->hash == hash);
        found += PL_CONTAINER(n, struct item, node)->value == value;
    }
    return found;
}

static void test_insert_find_remove_while_growing(void **state) {
    (void)state;
    struct pl_hash_table t;
    test_env_init(&env, 2);
    assert_int_equal(pl_hash_init(&t, &env.env), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        items[i].value = i;
        pl_hash_insert(&t, &items[i].node, i % 1000 * UINT64_C(0x9e3779b97f4a7c15));
    }
    assert_int_equal(t.count, MANY);
    assert_true(t.bucket_count >= MANY / 2);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(times_found(&t, items[i].node.hash, i), 1);
    }
    for (uint32_t i = 0; i < MANY; i += 2) {
        pl_hash_remove(&t, &items[i].node);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(times_found(&t, items[i].node.hash, i), i % 2);
    }
    assert_null(pl_hash_find(&t, 12345));
    pl_hash_fini(&t);
    assert_int_equal(env.live_count, 0);
}

static void test_without_memory_chains_get_longer(void **state) {
    (void)state;
    struct pl_hash_table t;
    test_env_init(&env, 3);
    assert_int_equal(pl_hash_init(&t, &env.env), 0);
    uint32_t buckets = t.bucket_count;
    env.fail_at = env.alloc_count + 1;
    env.fail_after = true;
    for (uint32_t i = 0; i < MANY; i++) {
        items[i].value = i;
        pl_hash_insert(&t, &items[i].node, i);
    }
    assert_int_equal(t.bucket_count, buckets);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(times_found(&t, i, i), 1);
    }
    pl_hash_fini(&t);
    assert_int_equal(env.live_count, 0);
}

static void test_init_reports_memory(void **state) {
    (void)state;
    struct pl_hash_table t;
    test_env_init(&env, 4);
    env.fail_at = 1;
    assert_int_equal(pl_hash_init(&t, &env.env), PLAIT_E_NO_MEMORY);
    pl_hash_fini(&t);
    assert_int_equal(env.live_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash_vectors),
        cmocka_unit_test(test_every_byte_and_the_length_count),
        cmocka_unit_test(test_insert_find_remove_while_growing),
        cmocka_unit_test(test_without_memory_chains_get_longer),
        cmocka_unit_test(test_init_reports_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* stack/secrets: a secret lives for two periods. */
#include "stack/secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "testenv.h"

static void test_turns(void **state) {
    (void)state;
    struct test_env env;
    struct pl_ctx ctx;
    struct pl_secrets s = {0};
    uint8_t first[PL_SECRET_LEN], second[PL_SECRET_LEN];
    test_env_init(&env, 1);
    assert_int_equal(pl_ctx_init(&ctx, &env.env, NULL), 0);
    assert_int_equal(pl_secrets_turn(&s, &ctx, 40, 10), 0);
    memcpy(first, s.secret[0], sizeof(first));
    assert_memory_not_equal(first, s.secret[1], sizeof(first));
    assert_int_equal(pl_secrets_turn(&s, &ctx, 49, 10), 0);
    assert_memory_equal(first, s.secret[0], sizeof(first));
    assert_int_equal(pl_secrets_turn(&s, &ctx, 50, 10), 1); /* the first one is still known */
    assert_memory_equal(first, s.secret[0], sizeof(first));
    memcpy(second, s.secret[1], sizeof(second));
    assert_int_equal(pl_secrets_turn(&s, &ctx, 60, 10), 0);
    assert_memory_not_equal(first, s.secret[0], sizeof(first));
    assert_memory_equal(second, s.secret[1], sizeof(second));
    assert_int_equal(pl_secrets_turn(&s, &ctx, 85, 10),
                     0); /* a period was left out: both are new */
    assert_memory_not_equal(second, s.secret[1], sizeof(second));
    pl_ctx_fini(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_turns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

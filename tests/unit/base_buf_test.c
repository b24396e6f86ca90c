/* base/buf: references and the size that is given back. */
#include "plait/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "testenv.h"

static struct test_env env;

static void test_the_last_reference_frees(void **state) {
    (void)state;
    test_env_init(&env, 1);
    struct plait_buf *buf = plait_buf_alloc(&env.env, 1500);
    assert_non_null(buf);
    assert_int_equal(buf->refs, 1);
    assert_int_equal(buf->cap, 1500);
    assert_int_equal(buf->len, 0);
    assert_int_equal(env.live_bytes, sizeof(*buf) + 1500);
    plait_buf_ref(buf);
    plait_buf_unref(buf);
    assert_int_equal(env.live_count, 1);
    plait_buf_unref(buf);
    assert_int_equal(env.live_count, 0);
}

static void test_no_memory_is_null(void **state) {
    (void)state;
    test_env_init(&env, 1);
    env.fail_at = 1;
    assert_null(plait_buf_alloc(&env.env, 1));
    assert_null(plait_buf_alloc(&env.env, UINT32_MAX));
    assert_int_equal(env.alloc_count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_reference_frees),
        cmocka_unit_test(test_no_memory_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

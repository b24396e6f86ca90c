/* socket/table: ids that go stale, growth, memory. */
#include "socket/table.h"

#include "stack_test.h"

static void test_ids_go_stale(void **state) {
    (void)state;
    plait_sock first = 0, second = 0;
    assert_int_equal(plait_open(stack, &first), 0);
    assert_int_not_equal(first, 0);
    assert_int_equal(plait_close(stack, first, now), 0);
    assert_int_equal(plait_close(stack, first, now), PLAIT_E_BAD_SOCKET);
    for (unsigned i = 0; i < 100; i++) { /* the slot comes round again */
        assert_int_equal(plait_open(stack, &second), 0);
        assert_int_not_equal(second, first);
        assert_null(pl_table_find(stack, first));
        assert_int_equal(plait_close(stack, second, now), 0);
    }
}

static void test_the_table_grows(void **state) {
    (void)state;
    enum { MANY = 1000 };
    static plait_sock socks[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(plait_open(stack, &socks[i]), 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(pl_table_find(stack, socks[i])->source.sock, socks[i]);
        assert_int_equal(plait_set(stack, socks[i], PLAIT_OPT_USER, i), 0);
    }
    plait_stack_check(stack);
    for (unsigned i = 0; i < MANY; i += 2) {
        assert_int_equal(plait_close(stack, socks[i], now), 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        int64_t value = -1;
        int expected = i % 2 == 0 ? PLAIT_E_BAD_SOCKET : 0;
        assert_int_equal(plait_get(stack, socks[i], PLAIT_OPT_USER, &value), expected);
        assert_int_equal(value, i % 2 == 0 ? -1 : (int64_t)i);
    }
    plait_stack_check(stack);
}

static void test_without_a_table(void **state) {
    (void)state;
    struct plait_event event;
    assert_int_equal(plait_close(stack, 1, now), PLAIT_E_BAD_SOCKET);
    assert_int_equal(plait_poll(stack, 1), PLAIT_E_BAD_SOCKET);
    assert_false(plait_event_next(stack, &event));
    assert_false(plait_event_next(stack, NULL));
    assert_int_equal(plait_open(stack, NULL), PLAIT_E_BAD_ARGUMENT);
}

static void test_without_memory(void **state) {
    (void)state;
    plait_sock sock = 0;
    for (uint64_t n = 1; n <= 3; n++) { /* table, slots, socket */
        memory.fail_at = memory.alloc_count + 1;
        assert_int_equal(plait_open(stack, &sock), PLAIT_E_NO_MEMORY);
        plait_stack_check(stack);
        memory.fail_at = memory.alloc_count + 2;
        int error = plait_open(stack, &sock);
        assert_true(error == 0 || error == PLAIT_E_NO_MEMORY);
    }
    memory.fail_at = 0;
    assert_int_equal(plait_open(stack, &sock), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_ids_go_stale),
        TEST(test_the_table_grows),
        TEST(test_without_a_table),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

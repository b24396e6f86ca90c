/* tcp/tuning: what a connection has that nobody tuned. */
#include "tcp_test.h"

static void test_defaults(void **state) {
    (void)state;
    const struct pl_tcp_tuning *t = &pl_tcp_tuning_default;
    assert_false(t->keepalive);                 /* RFC 9293 section 3.8.4: off, ... */
    assert_true(t->keep_idle_s >= 2 * 60 * 60); /* ... and no less than two hours */
    assert_false(t->nodelay || t->cork);        /* section 3.7.4 */
    assert_int_equal(t->user_timeout_ms, 0);
    assert_true(t->hops >= 64);
    assert_int_equal(t->receive_lowat, 1);
}

/* Both ends of a pair that is given none have these. */
static void test_untuned(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(NULL);
    assert_ptr_equal(tcp_of(p, PAIR_A)->tuning, &pl_tcp_tuning_default);
    tcp_pair_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_untuned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

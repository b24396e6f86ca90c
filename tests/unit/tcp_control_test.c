/* tcp/control: memory of the congestion control comes and goes. */
#include "tcp_test.h"

static struct tcp_pair *pair_of(uint8_t cc) {
    struct tcp_pair_setup s = test_setup();
    s.cc = cc;
    return tcp_pair_new(&s);
}

static const char *name(const struct tcp_pair *p) {
    return p->end[PAIR_A].tcp.cc.ops->name;
}

static void test_from_established_to_the_end(void **state) {
    (void)state;
    struct tcp_pair *p = pair_of(PLAIT_CC_BBR);
    assert_string_equal(name(p), "cubic"); /* nothing to send yet: nothing to hold */
    tcp_pair_open(p);
    assert_string_equal(name(p), "bbr");
    tcp_pair_send(p, PAIR_A, 100000);
    tcp_pair_close(p, PAIR_A);
    tcp_pair_run_for(p, 2 * S);
    assert_int_equal(tcp_of(p, PAIR_A)->life.state, PL_TCP_ST_TIME_WAIT);
    assert_string_equal(name(p), "cubic");
    assert_int_equal(p->end[PAIR_B].received, 100000);
    tcp_pair_free(p); /* and nothing is left */
}

static void test_without_memory(void **state) {
    (void)state;
    struct tcp_pair *p = pair_of(PLAIT_CC_BBR);
    p->end[PAIR_A].env.fail_at = p->end[PAIR_A].env.alloc_count + 1;
    p->end[PAIR_A].env.fail_after = true;
    tcp_pair_open(p);
    p->end[PAIR_A].env.fail_at = 0;
    assert_string_equal(name(p), "cubic");
    tcp_pair_send(p, PAIR_A, 100000);
    tcp_pair_run_for(p, 2 * S);
    assert_int_equal(p->end[PAIR_B].received, 100000);
    tcp_pair_free(p);
}

/* To and fro under way, in and out of a recovery. */
static void test_changes(void **state) {
    (void)state;
    static const uint8_t order[] = {PLAIT_CC_BBR, PLAIT_CC_CUBIC, PLAIT_CC_BBR, PLAIT_CC_RENO};
    struct tcp_pair *p = pair_of(PLAIT_CC_CUBIC);
    p->pipe[PAIR_A].rate = 1250000;
    p->pipe[PAIR_A].queue_bytes = 30000;
    p->pipe[PAIR_A].loss_ppm = 20000;
    tcp_pair_open(p);
    tcp_pair_send(p, PAIR_A, UINT64_C(1) << 30);
    for (unsigned i = 0; i < 200; i++) {
        pl_tcp_set_cc(tcp_of(p, PAIR_A), order[i % 4]);
        assert_string_equal(name(p), pl_cc_name(order[i % 4]));
        tcp_pair_run_for(p, 37 * MS);
    }
    assert_true(p->end[PAIR_B].received > 1000000);
    tcp_pair_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_established_to_the_end),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

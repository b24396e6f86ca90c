/* tcp/api: life, wishes, what can be seen. */
#include "tcp_test.h"

static struct tap tap;

static void test_init_without_memory(void **state) {
    (void)state;
    struct test_env env;
    test_env_init(&env, 1);
    struct plait_config config;
    plait_config_init(&config);
    struct pl_ctx ctx;
    assert_int_equal(pl_ctx_init(&ctx, &env.env, &config), 0);
    struct pl_list out;
    pl_list_init(&out);
    struct tcp_pair_setup s = test_setup();
    struct tcp_pair *p = tcp_pair_new(&s);
    struct pl_tcp_setup setup = {
        .tuple = p->end[0].tcp.tuple, .ops = p->end[0].tcp.ops, .out_list = &out, .mtu = 1500};
    struct pl_tcp tcp;
    env.fail_at = env.alloc_count + 1;
    assert_int_equal(pl_tcp_init(&tcp, &ctx, &setup), PLAIT_E_NO_MEMORY);
    assert_int_equal(pl_tcp_init(&tcp, &ctx, &setup), 0);
    assert_int_equal(pl_tcp_state(&tcp), PL_TCP_ST_CLOSED);
    pl_tcp_check(&tcp);
    pl_tcp_fini(&tcp);
    pl_ctx_fini(&ctx);
    assert_int_equal(env.live_count, 0);
    tcp_pair_free(p);
}

static void test_fini_in_every_state(void **state) {
    (void)state;
    for (int steps = 0; steps < 40; steps++) {
        struct tcp_pair *p = test_pair(&tap);
        p->end[PAIR_B].no_close = steps % 2 == 0;
        p->pipe[PAIR_A].reorder_ppm = 300000;
        p->pipe[PAIR_A].reorder_ns = 5 * MS;
        tcp_pair_connect(p, PAIR_A);
        tcp_pair_send(p, PAIR_A, 50000);
        tcp_pair_run_for(p, (uint64_t)steps * 4 * MS);
        tcp_pair_close(p, PAIR_A);
        tcp_pair_run_for(p, (uint64_t)steps * MS);
        pl_tcp_fini(tcp_of(p, steps % 2));
        p->end[steps % 2].live = false;
        tcp_pair_free(p); /* checks that nothing is left */
    }
}

/* RFC 6356 section 3: ssthresh while the window is inflated, no more than what flies. */
static void test_window_used(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tcp_pair_open(p);
    tcp_pair_send(p, PAIR_A, 1000000);
    tcp_pair_run_for(p, 100 * MS);
    struct pl_tcp *tcp = tcp_of(p, PAIR_A);
    tcp->snd.flight_max = 50000;
    tcp->cc.cwnd = 40000;
    tcp->cc.ssthresh = 20000;
    assert_int_equal(pl_tcp_window_used(tcp, p->now), 40000);
    tcp->snd.flight_max = 30000;
    assert_int_equal(pl_tcp_window_used(tcp, p->now), 30000);
    tcp->rec.phase = PL_TCP_PHASE_RECOVERY;
    assert_int_equal(pl_tcp_window_used(tcp, p->now), 20000);
    tcp->cc.ssthresh = PL_CC_SSTHRESH_INFINITE;
    assert_int_equal(pl_tcp_window_used(tcp, p->now), 30000);
    tcp->rec.phase = PL_TCP_PHASE_OPEN;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    tcp_pair_run_for(p, S); /* idle */
    assert_int_equal(pl_tcp_window_used(tcp, p->now), 0);
    tcp_pair_free(p);
}

static void test_info(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    struct pl_tcp_info info;
    pl_tcp_info(tcp_of(p, PAIR_A), &info);
    assert_int_equal(info.state, PL_TCP_ST_CLOSED);
    assert_int_equal(info.srtt_ns, 0);
    assert_int_equal(info.last_in, 0);
    tcp_pair_open(p);
    tcp_pair_send(p, PAIR_A, 100000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, S));
    tcp_pair_run_for(p, S);
    pl_tcp_info(tcp_of(p, PAIR_A), &info);
    assert_int_equal(info.state, PL_TCP_ST_ESTABLISHED);
    assert_int_equal(info.bytes_sent, 100000);
    assert_int_equal(info.bytes_acked, 100000);
    assert_int_equal(info.retrans_bytes, 0);
    assert_int_equal(info.inflight_bytes, 0);
    assert_int_equal(info.mss, 1448);
    assert_int_equal(info.min_rtt_ns, 20 * MS);
    assert_int_equal(info.last_data_in, 0);
    assert_int_equal(info.segments_sent, p->pipe[PAIR_A].packets);
    assert_int_equal(info.segments_received, p->pipe[PAIR_B].packets);
    struct pl_tcp_info peer;
    pl_tcp_info(tcp_of(p, PAIR_B), &peer);
    assert_int_equal(peer.bytes_received, 100000);
    assert_true(peer.last_data_in > info.last_in - S && peer.last_data_in <= p->now);
    assert_int_equal(pl_tcp_iss(tcp_of(p, PAIR_A)).v, 1000);
    assert_int_equal(pl_tcp_irs(tcp_of(p, PAIR_A)).v, 5000);
    assert_int_equal(pl_tcp_rcv_nxt(tcp_of(p, PAIR_B)).v, 1000 + 1 + 100000);
    tcp_pair_free(p);
}

static void test_wishes_before_and_after(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    struct pl_tcp *a = tcp_of(p, PAIR_A);
    pl_tcp_kick(a);
    pl_tcp_ack_now(a);
    pl_tcp_probe(a);
    pl_tcp_set_mtu(a, 1400, p->now);
    assert_false(pl_list_linked(&a->out_link));
    tcp_pair_open(p);
    assert_int_equal(pl_tcp_mss(a), 1400 - 40 - 12);
    pl_tcp_abort(a, PLAIT_E_ABORTED, p->now);
    tcp_pair_run_for(p, S);
    unsigned before = tap.count;
    pl_tcp_kick(a);
    pl_tcp_ack_now(a);
    pl_tcp_probe(a);
    pl_tcp_shutdown(a, p->now);
    pl_tcp_set_mtu(a, 1000, p->now);
    pl_tcp_icmp_error(a, true, PLAIT_E_UNREACHABLE, p->now);
    pl_tcp_confirm(a, p->now);
    tcp_pair_run_for(p, 100 * S);
    assert_int_equal(tap.count, before);
    assert_true(pl_tcp_finished(a));
    tcp_pair_free(p);
}

static void test_size(void **state) {
    (void)state;
    assert_true(sizeof(struct pl_tcp) <= 704);
    assert_true(sizeof(struct pl_tcp_record) <= 96);
}

/* An established connection without payload holds no memory of its own. */
static void test_idle_costs_nothing(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    uint64_t before = p->end[PAIR_A].env.live_bytes;
    tcp_pair_open(p);
    assert_int_equal(p->end[PAIR_A].env.live_bytes, before);
    tcp_pair_send(p, PAIR_A, 100000);
    tcp_pair_send(p, PAIR_B, 100000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, S));
    tcp_pair_run_for(p, S);
    for (int i = 0; i < 2; i++) { /* the stream's last chunk is the upper's */
        assert_true(p->end[i].env.live_bytes <= before + 17000);
    }
    tcp_pair_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_without_memory),
        cmocka_unit_test(test_fini_in_every_state),
        cmocka_unit_test(test_window_used),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_wishes_before_and_after),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_idle_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

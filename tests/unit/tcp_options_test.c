/* tcp/options: negotiation, sizes, timestamps. */
#include "tcp_test.h"

static struct tap tap;

static void test_offer(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    assert_int_equal(pl_tcp_mss_offer(tcp_of(p, PAIR_A)), 1460);
    tcp_pair_free(p);
    struct tcp_pair_setup s = test_setup();
    s.ipv6 = true;
    s.mtu = 65535;
    p = tcp_pair_new(&s);
    assert_int_equal(pl_tcp_mss_offer(tcp_of(p, PAIR_A)), 65535 - 60);
    tcp_pair_open(p);
    tcp_pair_send(p, PAIR_A, 1000000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    tcp_pair_free(p);
}

static void settle(struct pl_tcp *tcp, const struct pl_tcp_options *o) {
    struct pl_segment syn = {.flags = PL_TCP_SYN, .options = *o};
    tcp->rcv.wscale = 7; /* offered */
    pl_tcp_options_default(tcp);
    pl_tcp_options_settle(tcp, &syn, 5 * S);
}

static void test_settle(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    struct pl_tcp *tcp = tcp_of(p, PAIR_A);
    settle(tcp, &(struct pl_tcp_options){0});
    assert_int_equal(tcp->snd.peer_mss, 536);
    assert_int_equal(tcp->rcv.wscale, 0);
    assert_false(tcp->ts.on || tcp->snd.sack_ok);
    settle(tcp, &(struct pl_tcp_options){.has_mss = true,
                                         .mss = 1400,
                                         .has_wscale = true,
                                         .wscale = 200,
                                         .has_sack_ok = true,
                                         .has_timestamps = true,
                                         .ts_val = 77});
    assert_int_equal(tcp->snd.peer_mss, 1400);
    assert_int_equal(tcp->snd.wscale, 14); /* RFC 7323 section 2.3 */
    assert_int_equal(tcp->rcv.wscale, 7);
    assert_true(tcp->ts.on && tcp->snd.sack_ok);
    assert_int_equal(tcp->ts.recent, 77);
    settle(tcp, &(struct pl_tcp_options){.has_mss = true, .mss = 1});
    assert_int_equal(tcp->snd.peer_mss, 88); /* a tiny MSS is an attack */
    tcp_pair_free(p);
}

static void test_ipv6_default(void **state) {
    (void)state;
    struct tcp_pair_setup s = test_setup();
    s.ipv6 = true;
    struct tcp_pair *p = tcp_pair_new(&s);
    settle(tcp_of(p, PAIR_A), &(struct pl_tcp_options){0});
    assert_int_equal(tcp_of(p, PAIR_A)->snd.peer_mss, 1220);
    tcp_pair_free(p);
}

/* The tiny-MSS peer still gets its bytes, with every option on. */
static void test_tiny_mss(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tcp_pair_open(p);
    tcp_of(p, PAIR_A)->snd.peer_mss = 88;
    p->end[PAIR_A].data_options = 28;
    tcp_pair_send(p, PAIR_A, 5000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    assert_int_equal(pl_tcp_mss(tcp_of(p, PAIR_A)), 48);
    tcp_pair_free(p);
}

static void test_paws(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    struct pl_tcp *tcp = tcp_of(p, PAIR_A);
    struct pl_segment seg = {.options = {.has_timestamps = true, .ts_val = 99}};
    plait_time now = 100 * S;
    assert_false(pl_tcp_paws_reject(tcp, &seg, now));
    tcp->ts.on = true;
    pl_tcp_ts_remember(tcp, 100, now);
    assert_true(pl_tcp_paws_reject(tcp, &seg, now));
    seg.options.ts_val = 100;
    assert_false(pl_tcp_paws_reject(tcp, &seg, now));
    pl_tcp_ts_remember(tcp, 5, now);
    seg.options.ts_val = UINT32_MAX - 5; /* before the wrap */
    assert_true(pl_tcp_paws_reject(tcp, &seg, now));
    seg.options.has_timestamps = false;
    assert_false(pl_tcp_paws_reject(tcp, &seg, now));
    tcp_pair_free(p);
}

static void test_echo(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tcp_pair_open(p);
    tcp_pair_run_for(p, S);
    tap_clear(&tap);
    tcp_pair_send(p, PAIR_A, 10000);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, S));
    for (unsigned i = 0; i < tap.count; i++) {
        const struct tap_note *n = &tap.note[i];
        if (n->from == PAIR_B) { /* the ACK echoes what arrived 10 ms before it left A */
            assert_in_range(pl_tcp_ts_of(tcp_of(p, PAIR_A), n->at) - n->ts_ecr, 10, 12);
        }
    }
    tcp_pair_free(p);
}

/* RFC 7323 section 4.3: behind a hole, the last in-order segment's timestamp is echoed. */
static void test_echo_behind_a_hole(void **state) {
    (void)state;
    struct tcp_pair *p = test_pair(&tap);
    tcp_pair_open(p);
    tcp_pair_run_for(p, S);
    struct pl_tcp *b = tcp_of(p, PAIR_B);
    tap.drop_all[PAIR_B] = true;
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK);
    uint32_t before = b->ts.recent;
    seg.payload_len = 10;
    seg.seq.v += 100;
    seg.options.ts_val = before + 1000;
    tcp_pair_inject(p, PAIR_B, &seg, 100);
    assert_int_equal(b->ts.recent, before);
    seg.seq.v -= 100;
    seg.options.ts_val = before + 500;
    tcp_pair_inject(p, PAIR_B, &seg, 0);
    assert_int_equal(b->ts.recent, before + 500);
    tcp_pair_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offer),
        cmocka_unit_test(test_settle),
        cmocka_unit_test(test_ipv6_default),
        cmocka_unit_test(test_tiny_mss),
        cmocka_unit_test(test_paws),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_echo_behind_a_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

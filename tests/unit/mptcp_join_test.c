/* mptcp_join_test.c - MP_JOIN: proofs, refusals, losses (RFC 8684 section 3.2). */
#include "mptcp_test.h"

struct flip {
    unsigned from;
    uint8_t option_len; /* which form: 12, 16 or 24 */
    unsigned offset;    /* of the byte to change; 0: the option is taken out */
    unsigned hits;
    unsigned resets; /* RSTs of the other side on path 1 that give "MPTCP-specific error" */
};

static bool says_mptcp_error(const struct pl_segment *seg) {
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    return (seg->flags & PL_TCP_RST) != 0 && pl_mptcp_has(o, PL_MP_TCPRST) &&
           o->tcprst.reason == 1 && !o->tcprst.transient;
}

static bool flip_filter(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                        uint32_t len) {
    struct flip *f = pair->filter_arg;
    struct tamper t;
    if (!tamper_parse(&t, packet, len)) {
        return false;
    }
    if (from != f->from) {
        f->resets += path == 1 && says_mptcp_error(&t.seg) ? 1 : 0;
        return false;
    }
    uint8_t *opt = tamper_option(&t, PL_MP_JOIN);
    if (opt != NULL && opt[1] == f->option_len) {
        f->offset == 0 ? (void)tamper_strip(&t) : (void)(opt[f->offset] ^= 0x10);
        tamper_fix(&t);
        f->hits++;
    }
    return false;
}

static void run_flipped(struct flip *f, enum plait_counter counter, unsigned side) {
    struct link l;
    link_init(&l, 2, NULL);
    link_filter(&l, flip_filter, f);
    link_connect(&l);
    link_transfer(&l, 200000);
    pair_run(&l.pair, PLAIT_NS_PER_S);
    assert_true(f->hits > 0);
    assert_true(f->resets > 0);
    assert_true(link_count(&l, side, counter) > 0);
    assert_true(link_is_mptcp(&l));
    assert_int_equal(link_subflows(&l), 1);
    link_finish(&l);
}

static void test_two_subflows(void **state) {
    struct link l;
    (void)state;
    link_init(&l, 2, NULL);
    link_connect(&l);
    link_transfer(&l, 1000);
    pair_run(&l.pair, 100 * PLAIT_NS_PER_MS);
    assert_int_equal(link_subflows(&l), 2);
    link_transfer(&l, 500000);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_MPJoinAckRx), 1);
    link_finish(&l);
}

static void test_four_subflows_with_loss(void **state) {
    struct link l;
    (void)state;
    link_init(&l, 4, NULL);
    for (unsigned i = 0; i < 4; i++) {
        l.pair.path[i].loss_ppm = 30000;
    }
    link_connect(&l);
    link_transfer(&l, 300000);
    pair_run(&l.pair, 5 * PLAIT_NS_PER_S);
    assert_int_equal(link_subflows(&l), 4);
    link_transfer(&l, 300000);
    for (unsigned i = 0; i < 4; i++) {
        l.pair.path[i].loss_ppm = 0;
    }
    link_finish(&l);
}

static void test_wrong_hmac_in_syn_ack(void **state) {
    struct flip f = {.from = PAIR_B, .option_len = 16, .offset = 5};
    (void)state;
    run_flipped(&f, PLAIT_COUNTER_MPJoinSynAckHMacFailure, PAIR_A);
}

static void test_wrong_hmac_in_third_ack(void **state) {
    struct flip f = {.from = PAIR_A, .option_len = 24, .offset = 12};
    (void)state;
    run_flipped(&f, PLAIT_COUNTER_MPJoinAckHMacFailure, PAIR_B);
}

/* The option is gone on the way: what is no join is reset, too (section 3.2). */
static void test_no_option(void **state) {
    struct flip syn_ack = {.from = PAIR_B, .option_len = 16};
    struct flip third = {.from = PAIR_A, .option_len = 24};
    (void)state;
    run_flipped(&syn_ack, PLAIT_COUNTER_MPRstTx, PAIR_A);
    run_flipped(&third, PLAIT_COUNTER_MPRstTx, PAIR_B);
}

/* Loses what B says on path 1 but its SYN/ACKs, and counts A's payload there. */
struct unacknowledged {
    bool on;
    unsigned third_acks, payloads;
};

static bool unacknowledged_filter(struct stack_pair *pair, unsigned from, unsigned path,
                                  uint8_t *packet, uint32_t len) {
    struct unacknowledged *u = pair->filter_arg;
    struct tamper t;
    if (path != 1 || !u->on || !tamper_parse(&t, packet, len)) {
        return false;
    }
    if (from == PAIR_A) {
        uint8_t *opt = tamper_option(&t, PL_MP_JOIN);
        u->third_acks += opt != NULL && opt[1] == 24 ? 1 : 0;
        u->payloads += t.seg.payload_len > 0 ? 1 : 0;
        return false;
    }
    return (t.seg.flags & PL_TCP_SYN) == 0;
}

/* Bytes wait, the first path is full, and still: none before the third ACK is acknowledged. */
static void test_no_data_too_early(void **state) {
    struct unacknowledged u = {.on = true};
    struct link l;
    static uint8_t block[400000];
    (void)state;
    link_init(&l, 2, NULL);
    link_filter(&l, unacknowledged_filter, &u);
    l.pair.path[0].delay_ns = 200 * PLAIT_NS_PER_MS;
    link_connect(&l);
    assert_true(plait_write(link_stack(&l, PAIR_A), l.a, block, sizeof(block), l.pair.now) > 0);
    pair_run(&l.pair, 2 * PLAIT_NS_PER_S);
    assert_in_range(u.third_acks, 2, 6); /* and it is repeated */
    assert_int_equal(u.payloads, 0);
    u.on = false;
    pair_run(&l.pair, 5 * PLAIT_NS_PER_S);
    assert_int_equal(link_subflows(&l), 2);
    pair_fini(&l.pair);
}

static void test_unknown_token(void **state) {
    struct flip f = {.from = PAIR_A, .option_len = 12, .offset = 4};
    (void)state;
    run_flipped(&f, PLAIT_COUNTER_MPJoinNoTokenFound, PAIR_B);
}

static void test_limit_of_subflows(void **state) {
    struct link l;
    struct plait_config a, b;
    (void)state;
    plait_config_init(&a);
    plait_config_init(&b);
    b.subflows_max = 2;
    struct pair_setup setup = {
        .seed = 3,
        .paths = 4,
        .address_flags = {PLAIT_ADDRESS_SUBFLOW, 0},
        .config = {&a, &b},
    };
    pair_init(&l.pair, &setup);
    l.listener = pair_listen(&l.pair, LINK_PORT);
    link_connect(&l);
    link_transfer(&l, 10000);
    pair_run(&l.pair, 10 * PLAIT_NS_PER_S);
    assert_int_equal(link_subflows(&l), 2);
    assert_true(link_count(&l, PAIR_B, PLAIT_COUNTER_MPJoinRejected) > 0);
    link_finish(&l);
}

/* The C flag: no joins to the initial address (section 3.1). */
static void test_denied_by_flag(void **state) {
    struct link l;
    struct plait_config config;
    (void)state;
    plait_config_init(&config);
    config.deny_join_initial = true;
    link_init(&l, 3, &config);
    link_connect(&l);
    link_transfer(&l, 10000);
    pair_run(&l.pair, 3 * PLAIT_NS_PER_S);
    assert_int_equal(link_subflows(&l), 1);
    assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_MPJoinSynTx), 0);
    link_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_subflows),
        cmocka_unit_test(test_four_subflows_with_loss),
        cmocka_unit_test(test_wrong_hmac_in_syn_ack),
        cmocka_unit_test(test_wrong_hmac_in_third_ack),
        cmocka_unit_test(test_no_option),
        cmocka_unit_test(test_no_data_too_early),
        cmocka_unit_test(test_unknown_token),
        cmocka_unit_test(test_limit_of_subflows),
        cmocka_unit_test(test_denied_by_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

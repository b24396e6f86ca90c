/* mptcp_v0_test.c - version 0 between two stacks (RFC 6824); its segments one by one are in
 * tests/scripts/v0. */
#include "mptcp/keys.h"
#include "mptcp_test.h"

static struct plait_config config_v0(void) {
    struct plait_config config;
    plait_config_init(&config);
    config.v0 = &plait_mptcp_v0;
    config.versions = PLAIT_MPTCP_V0;
    return config;
}

/* Against values that another implementation of SHA-1 computed. */
static void test_token_and_idsn(void **state) {
    static const struct {
        uint64_t key;
        uint32_t token;
        uint64_t idsn;
    } vectors[] = {
        {UINT64_C(0x0000000000000000), 0x05fe4057, UINT64_C(0xac558654f107c7e9)},
        {UINT64_C(0x1122334455667788), 0xbdc04c09, UINT64_C(0xd0549cc0405811d5)},
        {UINT64_C(0xffffffffffffffff), 0xbe673e8a, UINT64_C(0x866701c11ef8e089)},
        {UINT64_C(0x0123456789abcdef), 0x0ca2eadb, UINT64_C(0xe3df8ee121f10547)},
    };
    struct test_env env;
    (void)state;
    test_env_init(&env, 1);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t token;
        pl_seq64 idsn;
        pl_key_hash(&plait_mptcp_v0, &env.env, vectors[i].key, &token, &idsn);
        assert_int_equal(token, vectors[i].token);
        assert_true(idsn.v == vectors[i].idsn);
    }
}

static void test_join_hmac(void **state) {
    static const uint64_t key_a = UINT64_C(0x0123456789abcdef),
                          key_b = UINT64_C(0xfedcba9876543210);
    static const uint8_t a_to_b[20] = {0x16, 0x9a, 0xd4, 0x14, 0x96, 0xad, 0x8b, 0x4a, 0x88, 0xca,
                                       0x1f, 0xd5, 0x77, 0xc7, 0x37, 0x54, 0xf3, 0x3d, 0xe4, 0x2d};
    static const uint8_t b_to_a[20] = {0x92, 0x0c, 0x12, 0x4f, 0x69, 0xa9, 0xa8, 0x52, 0x07, 0xcc,
                                       0x4c, 0x18, 0x3c, 0x0b, 0x29, 0x78, 0x33, 0x02, 0xac, 0x6b};
    struct test_env env;
    uint8_t out[PL_DIGEST_MAX];
    (void)state;
    test_env_init(&env, 1);
    pl_join_hmac(&plait_mptcp_v0, &env.env, key_a, key_b, 0x11223344, 0xa1b2c3d4, out);
    assert_memory_equal(out, a_to_b, 20);
    pl_join_hmac(&plait_mptcp_v0, &env.env, key_b, key_a, 0xa1b2c3d4, 0x11223344, out);
    assert_memory_equal(out, b_to_a, 20);
}

static void test_two_paths(void **state) {
    (void)state;
    for (unsigned checksum = 0; checksum < 2; checksum++) {
        struct plait_config config = config_v0();
        struct link l;
        config.checksum = checksum != 0;
        link_init(&l, 2, &config);
        link_connect(&l);
        link_transfer(&l, 500000);
        assert_true(link_is_mptcp(&l));
        assert_int_equal(link_subflows(&l), 2);
        link_finish(&l);
    }
}

static bool has_byte(struct stack_pair *pair, void *arg) {
    const struct link *l = arg;
    return pair_get(pair, PAIR_B, l->b, PLAIT_OPT_RECEIVE_QUEUE) > 0;
}

/* What A sends after its handshake: flags that must not come together. */
struct first {
    unsigned empty, payload; /* segments with MP_CAPABLE */
    bool data_before;        /* payload went out before both keys did */
};

static bool note_first(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                       uint32_t len) {
    struct first *f = pair->filter_arg;
    struct tamper t;
    (void)path;
    if (from != PAIR_A || !tamper_parse(&t, packet, len) || (t.seg.flags & PL_TCP_SYN) != 0) {
        return false;
    }
    bool keys = pl_mptcp_has(&t.seg.options.mptcp, PL_MP_CAPABLE);
    f->empty += keys && t.seg.payload_len == 0 ? 1 : 0;
    f->payload += keys && t.seg.payload_len > 0 ? 1 : 0;
    f->data_before = f->data_before || (t.seg.payload_len > 0 && f->empty == 0);
    return false;
}

static void write_at_once(struct stack_pair *pair, unsigned to, void *arg) {
    struct link *l = arg;
    if (to == PAIR_A && plait_write(pair->stack[PAIR_A], l->a, "x", 1, pair->now) == 1) {
        pair->act = NULL;
    }
}

/* Bytes that the application writes as soon as it hears of the connection, before the third ACK has
 * left: they follow it (RFC 6824 section 3.6). */
static void test_data_follows_third_ack(void **state) {
    struct plait_config config = config_v0();
    struct first f = {0};
    struct link l;
    (void)state;
    link_init(&l, 1, &config);
    link_filter(&l, note_first, &f);
    struct plait_stack *a = link_stack(&l, PAIR_A), *b = link_stack(&l, PAIR_B);
    struct plait_endpoint to = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    assert_int_equal(plait_open(a, &l.a), 0);
    assert_int_equal(plait_connect(a, l.a, &to, l.pair.now), 0);
    l.pair.act = write_at_once;
    l.pair.act_arg = &l;
    assert_true(
        pair_wait_event(&l.pair, PAIR_B, l.listener, PLAIT_EVENT_ACCEPT, LINK_PATIENCE, NULL));
    assert_int_equal(plait_accept(b, l.listener, &l.b), 0);
    assert_true(pair_run_until(&l.pair, has_byte, &l, LINK_PATIENCE));
    assert_int_equal(f.empty, 1);
    assert_int_equal(f.payload, 0);
    assert_false(f.data_before);
    assert_true(link_is_mptcp(&l));
    char byte = 0;
    assert_int_equal(plait_read(b, l.b, &byte, 1, l.pair.now), 1);
    assert_int_equal(plait_read(b, l.b, &byte, 1, l.pair.now), PLAIT_E_AGAIN);
    link_finish(&l);
}

/* The third ACK is lost: the first DSS stands for it. */
static bool drop_third(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                       uint32_t len) {
    unsigned *count = pair->filter_arg;
    struct tamper t;
    (void)path;
    if (from != PAIR_A || !tamper_parse(&t, packet, len) ||
        !pl_mptcp_has(&t.seg.options.mptcp, PL_MP_CAPABLE) || (t.seg.flags & PL_TCP_SYN) != 0) {
        return false;
    }
    ++*count;
    return true;
}

static void test_third_ack_lost(void **state) {
    struct plait_config config = config_v0();
    unsigned count = 0;
    struct link l;
    (void)state;
    link_init(&l, 2, &config);
    link_filter(&l, drop_third, &count);
    struct plait_stack *a = link_stack(&l, PAIR_A), *b = link_stack(&l, PAIR_B);
    struct plait_endpoint to = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    assert_int_equal(plait_open(a, &l.a), 0);
    assert_int_equal(plait_connect(a, l.a, &to, l.pair.now), 0);
    assert_true(pair_wait_event(&l.pair, PAIR_A, l.a, PLAIT_EVENT_CONNECTED, LINK_PATIENCE, NULL));
    assert_int_equal(plait_write(a, l.a, "x", 1, l.pair.now), 1);
    assert_true(
        pair_wait_event(&l.pair, PAIR_B, l.listener, PLAIT_EVENT_ACCEPT, LINK_PATIENCE, NULL));
    assert_int_equal(plait_accept(b, l.listener, &l.b), 0);
    assert_int_equal(count, 1);
    char byte = 0;
    assert_int_equal(plait_read(b, l.b, &byte, 1, l.pair.now), 1);
    link_transfer(&l, 100000);
    assert_true(link_is_mptcp(&l));
    assert_int_equal(link_subflows(&l), 2);
    link_finish(&l);
}

/* MP_FASTCLOSE by an ACK, answered by a reset (RFC 6824 section 3.5); both at once; lost. */
static bool drop_fastclose(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                           uint32_t len) {
    unsigned *left = pair->filter_arg;
    struct tamper t;
    (void)path, (void)from;
    if (*left == 0 || !tamper_parse(&t, packet, len) ||
        !pl_mptcp_has(&t.seg.options.mptcp, PL_MP_FASTCLOSE)) {
        return false;
    }
    --*left;
    return true;
}

static void run_abort(bool both, unsigned lost) {
    struct plait_config config = config_v0();
    struct link l;
    unsigned left = lost;
    link_init(&l, 2, &config);
    link_filter(&l, drop_fastclose, &left);
    link_connect(&l);
    link_transfer(&l, 50000);
    struct plait_stack *a = link_stack(&l, PAIR_A), *b = link_stack(&l, PAIR_B);
    assert_int_equal(plait_abort(a, l.a, PLAIT_E_ABORTED, l.pair.now), 0);
    if (both) {
        assert_int_equal(plait_abort(b, l.b, PLAIT_E_ABORTED, l.pair.now), 0);
    } else {
        assert_true(pair_wait_event(&l.pair, PAIR_B, l.b, PLAIT_EVENT_ERROR, LINK_PATIENCE, NULL));
        assert_int_equal(plait_close(b, l.b, l.pair.now), 0);
    }
    assert_int_equal(left, 0);
    pair_run(&l.pair, 300 * PLAIT_NS_PER_S);
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        struct plait_stack_stats stats = {.size = sizeof(stats)};
        plait_stack_stats(l.pair.stack[side], &stats);
        assert_int_equal(stats.connections, 0);
        assert_int_equal(link_count(&l, side, PLAIT_COUNTER_MPRstTx), 0);
    }
    pair_fini(&l.pair);
}

static void test_abort(void **state) {
    (void)state;
    run_abort(false, 0);
    run_abort(true, 0);
    run_abort(false, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_and_idsn), cmocka_unit_test(test_join_hmac),
        cmocka_unit_test(test_two_paths),      cmocka_unit_test(test_data_follows_third_ack),
        cmocka_unit_test(test_third_ack_lost), cmocka_unit_test(test_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mptcp_capable_test.c - the MP_CAPABLE handshake and what it negotiates (RFC 8684 section 3.1). */
#include "mptcp_test.h"

/* Strips options from segments of one kind: flags that must be set, flags that must not. */
struct strip {
    unsigned from; /* side */
    uint8_t set, clear;
    bool once;
    unsigned hits;
    bool only_empty;
};

static bool strip_filter(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                         uint32_t len) {
    struct strip *s = pair->filter_arg;
    struct tamper t;
    (void)path;
    if (from != s->from || !tamper_parse(&t, packet, len) || (t.seg.flags & s->set) != s->set ||
        (t.seg.flags & s->clear) != 0 || (s->once && s->hits > 0) ||
        (s->only_empty && t.seg.payload_len > 0)) {
        return false;
    }
    s->hits += tamper_strip(&t);
    return false;
}

static void run_stripped(struct strip *s, enum plait_counter counter, unsigned side) {
    struct link l;
    link_init(&l, 2, NULL);
    link_filter(&l, strip_filter, s);
    link_connect(&l);
    link_transfer(&l, 100000);
    assert_true(s->hits > 0);
    assert_false(link_is_mptcp(&l));
    assert_int_equal(link_count(&l, side, counter), 1);
    assert_int_equal(link_subflows(&l), 1);
    link_finish(&l);
}

static void test_both_ways(void **state) {
    struct link l;
    (void)state;
    link_init(&l, 1, NULL);
    link_connect(&l);
    link_transfer(&l, 300000);
    assert_true(link_is_mptcp(&l));
    assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_MPCapableSYNTX), 1);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_MPCapableACKRX), 1);
    link_finish(&l);
}

static void test_server_speaks_first(void **state) {
    struct link l;
    (void)state;
    link_init(&l, 1, NULL);
    link_connect(&l);
    assert_true(pair_transfer(&l.pair, PAIR_B, l.b, l.a, 50000, LINK_PATIENCE));
    assert_true(link_is_mptcp(&l));
    assert_int_equal(pair_get(&l.pair, PAIR_B, l.b, PLAIT_OPT_IS_MPTCP), 1);
    link_finish(&l);
}

static void test_syn_ack_stripped(void **state) {
    struct strip s = {.from = PAIR_B, .set = PL_TCP_SYN};
    (void)state;
    run_stripped(&s, PLAIT_COUNTER_MPCapableFallbackSYNACK, PAIR_A);
}

static void test_third_ack_and_all_stripped(void **state) {
    struct strip s = {.from = PAIR_A, .clear = PL_TCP_SYN};
    (void)state;
    run_stripped(&s, PLAIT_COUNTER_MPCapableFallbackACK, PAIR_B);
}

/* Options pass on the SYNs, but the responder's data and ACKs lose theirs (section 3.7). */
static void test_answers_stripped(void **state) {
    struct strip s = {.from = PAIR_B, .clear = PL_TCP_SYN};
    (void)state;
    run_stripped(&s, PLAIT_COUNTER_MPCapableDataFallback, PAIR_A);
}

static bool drop_syns(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                      uint32_t len) {
    struct tamper t;
    (void)pair, (void)from, (void)path;
    return tamper_parse(&t, packet, len) && (t.seg.flags & PL_TCP_SYN) != 0 &&
           tamper_option(&t, PL_MP_CAPABLE) != NULL;
}

/* A box that drops SYNs with option 30: after three tries a plain SYN gets through. */
static void test_syn_dropped_for_its_option(void **state) {
    struct link l;
    (void)state;
    link_init(&l, 1, NULL);
    link_filter(&l, drop_syns, NULL);
    link_connect(&l);
    link_transfer(&l, 20000);
    assert_false(link_is_mptcp(&l));
    assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_MPCapableSYNTX), 1);
    assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_MPCapableSYNTXDrop), 1);
    link_finish(&l);
}

static void test_lost_third_ack(void **state) {
    struct link l;
    (void)state;
    link_init(&l, 1, NULL);
    l.pair.path[0].loss_ppm = 100000;
    link_connect(&l);
    link_transfer(&l, 50000);
    assert_true(link_is_mptcp(&l));
    l.pair.path[0].loss_ppm = 0;
    link_finish(&l);
}

static void test_checksum_by_either_side(void **state) {
    (void)state;
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        struct link l;
        struct plait_config config[PAIR_SIDES];
        struct plait_connection_info info = {0};
        plait_config_init(&config[0]);
        plait_config_init(&config[1]);
        config[side].checksum = true;
        struct pair_setup setup = {.seed = 5, .paths = 1, .config = {&config[0], &config[1]}};
        pair_init(&l.pair, &setup);
        l.listener = pair_listen(&l.pair, LINK_PORT);
        link_connect(&l);
        link_transfer(&l, 300001);
        assert_int_equal(plait_connection(link_stack(&l, PAIR_A), l.a, &info), 0);
        assert_true(info.mptcp && info.checksum);
        assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_DataCsumErr), 0);
        assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_DataCsumErr), 0);
        link_finish(&l);
    }
}

/* Changes a byte of the first MP_CAPABLE that A sends, at an offset into the option. */
struct poke {
    unsigned offset;
    uint8_t value;
};

static bool poke_syn(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                     uint32_t len) {
    struct poke *p = pair->filter_arg;
    struct tamper t;
    (void)path;
    if (from == PAIR_A && tamper_parse(&t, packet, len) && (t.seg.flags & PL_TCP_SYN) != 0) {
        uint8_t *opt = tamper_option(&t, PL_MP_CAPABLE);
        if (opt != NULL) {
            opt[p->offset] = p->value;
            tamper_fix(&t);
        }
    }
    return false;
}

/* Version 0, the extension flag, and no crypto algorithm are all answered without MP_CAPABLE. */
static void test_syns_we_do_not_speak(void **state) {
    struct poke pokes[] = {{2, 0x00}, {3, 0x41}, {3, 0x80}};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct link l;
        link_init(&l, 1, NULL);
        link_filter(&l, poke_syn, &pokes[i]);
        link_connect(&l);
        link_transfer(&l, 20000);
        assert_false(link_is_mptcp(&l));
        link_finish(&l);
    }
}

/* B's key comes back wrong in whatever of A has both keys. */
static bool poke_keys(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                      uint32_t len) {
    unsigned *resets = pair->filter_arg;
    struct tamper t;
    (void)path;
    if (!tamper_parse(&t, packet, len)) {
        return false;
    }
    *resets += (t.seg.flags & PL_TCP_RST) != 0 ? 1 : 0;
    uint8_t *opt = tamper_option(&t, PL_MP_CAPABLE);
    if (from == PAIR_A && opt != NULL && opt[1] >= 20) {
        opt[12] ^= 1;
        tamper_fix(&t);
    }
    return false;
}

/* Somebody meddles with the handshake: plain TCP for both, and no RST (section 3.1). */
static void test_wrong_key_in_third_ack(void **state) {
    struct link l;
    unsigned resets = 0;
    (void)state;
    link_init(&l, 1, NULL);
    link_filter(&l, poke_keys, &resets);
    link_connect(&l);
    link_transfer(&l, 100000);
    assert_false(link_is_mptcp(&l));
    assert_int_equal(resets, 0);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_MPCapableFallbackACK), 1);
    link_finish(&l);
}

/* Counts MP_CAPABLEs, and those with other crypto flags than H or with flag B. */
static bool flags_filter(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                         uint32_t len) {
    unsigned *seen = pair->filter_arg;
    struct tamper t;
    (void)from, (void)path;
    uint8_t *opt = tamper_parse(&t, packet, len) ? tamper_option(&t, PL_MP_CAPABLE) : NULL;
    if (opt != NULL) {
        seen[0]++;
        seen[1] += (opt[3] & 0x5f) != PL_CAPABLE_HMAC_SHA256 ? 1 : 0;
    }
    return false;
}

static void test_flags_sent(void **state) {
    struct link l;
    unsigned seen[2] = {0, 0};
    (void)state;
    link_init(&l, 1, NULL);
    link_filter(&l, flags_filter, seen);
    link_connect(&l);
    link_transfer(&l, 1000);
    assert_true(seen[0] >= 3);
    assert_int_equal(seen[1], 0);
    link_finish(&l);
}

/* Gives the first key again, `left` times. */
static struct {
    void (*random)(void *user, void *buf, size_t len);
    uint64_t key;
    unsigned left, first;
} same;

static void random_same(void *user, void *buf, size_t len) {
    same.random(user, buf, len);
    if (len == sizeof(same.key) && same.left > 0) {
        same.left--;
        if (same.first != 0) {
            memcpy(&same.key, buf, sizeof(same.key));
            same.first = 0;
        }
        memcpy(buf, &same.key, sizeof(same.key));
    }
}

/* A key whose token is taken is drawn again; when none is found, plain TCP is what is left. */
static void test_key_collision(void **state) {
    static const struct {
        unsigned same;
        bool mptcp;
    } cases[] = {{2, true}, {8, true}, {9, false}};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct link l;
        plait_sock second;
        struct plait_endpoint to = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
        link_init(&l, 1, NULL);
        struct plait_env *env = &l.pair.env[PAIR_A].env;
        same.random = env->random;
        same.left = cases[i].same;
        same.first = 1;
        env->random = random_same;
        link_connect(&l);
        assert_int_equal(plait_open(link_stack(&l, PAIR_A), &second), 0);
        assert_int_equal(plait_connect(link_stack(&l, PAIR_A), second, &to, l.pair.now), 0);
        pair_run(&l.pair, PLAIT_NS_PER_S);
        int64_t mptcp = -1;
        assert_int_equal(plait_get(link_stack(&l, PAIR_A), second, PLAIT_OPT_IS_MPTCP, &mptcp), 0);
        assert_int_equal(mptcp, cases[i].mptcp);
        assert_int_equal(link_count(&l, PAIR_A, PLAIT_COUNTER_MPFallbackTokenInit),
                         cases[i].mptcp ? 0 : 1);
        assert_true(link_is_mptcp(&l));
        plait_close(link_stack(&l, PAIR_A), second, l.pair.now);
        link_finish(&l);
    }
}

/* ---- SYN cookies: the responder remembers nothing (section 3.1) ---- */

static void run_with_cookies(struct strip *s) {
    struct plait_config config;
    struct link l;
    plait_config_init(&config);
    config.syn_cookies = PLAIT_SYN_COOKIES_ALWAYS;
    link_init(&l, 2, &config);
    if (s != NULL) {
        link_filter(&l, strip_filter, s);
    }
    link_connect(&l);
    link_transfer(&l, 300000);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_SyncookiesRecv), s == NULL ? 2 : 1);
    assert_int_equal(link_is_mptcp(&l), s == NULL);
    assert_int_equal(link_subflows(&l), s == NULL ? 2 : 1);
    link_finish(&l);
}

static void test_with_syn_cookies(void **state) {
    (void)state;
    run_with_cookies(NULL);
}

static void test_plain_with_syn_cookies(void **state) {
    (void)state;
    struct strip s = {.from = PAIR_A, .set = PL_TCP_SYN};
    run_with_cookies(&s);
}

/* The keys are lost on the third ACK: the responder takes it for plain TCP. */
static void test_syn_cookie_without_keys(void **state) {
    (void)state;
    struct strip s = {.from = PAIR_A, .set = PL_TCP_ACK, .clear = PL_TCP_SYN};
    run_with_cookies(&s);
}

/* A pure third ACK that is lost: the first data brings cookie and keys. */
static bool lose_first_ack(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                           uint32_t len) {
    unsigned *lost = pair->filter_arg;
    struct tamper t;
    (void)path;
    bool hit = *lost == 0 && from == PAIR_A && tamper_parse(&t, packet, len) &&
               t.seg.flags == PL_TCP_ACK && t.seg.payload_len == 0;
    *lost += hit;
    return hit;
}

static void test_syn_cookie_with_data(void **state) {
    (void)state;
    struct plait_config config;
    struct link l;
    unsigned lost = 0;
    plait_config_init(&config);
    config.syn_cookies = PLAIT_SYN_COOKIES_ALWAYS;
    link_init(&l, 1, &config);
    link_filter(&l, lose_first_ack, &lost);
    struct plait_endpoint remote = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    assert_int_equal(plait_open(link_stack(&l, PAIR_A), &l.a), 0);
    assert_int_equal(plait_connect(link_stack(&l, PAIR_A), l.a, &remote, l.pair.now), 0);
    assert_true(pair_wait_event(&l.pair, PAIR_A, l.a, PLAIT_EVENT_CONNECTED, LINK_PATIENCE, NULL));
    assert_int_equal(plait_write(link_stack(&l, PAIR_A), l.a, "hello", 5, l.pair.now), 5);
    assert_true(
        pair_wait_event(&l.pair, PAIR_B, l.listener, PLAIT_EVENT_ACCEPT, LINK_PATIENCE, NULL));
    assert_int_equal(plait_accept(link_stack(&l, PAIR_B), l.listener, &l.b), 0);
    char got[8] = {0};
    assert_int_equal(plait_read(link_stack(&l, PAIR_B), l.b, got, 8, l.pair.now), 5);
    assert_int_equal(lost, 1);
    assert_true(link_is_mptcp(&l));
    assert_int_equal(pair_get(&l.pair, PAIR_B, l.b, PLAIT_OPT_IS_MPTCP), 1);
    link_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_server_speaks_first),
        cmocka_unit_test(test_syn_ack_stripped),
        cmocka_unit_test(test_third_ack_and_all_stripped),
        cmocka_unit_test(test_answers_stripped),
        cmocka_unit_test(test_syn_dropped_for_its_option),
        cmocka_unit_test(test_lost_third_ack),
        cmocka_unit_test(test_checksum_by_either_side),
        cmocka_unit_test(test_syns_we_do_not_speak),
        cmocka_unit_test(test_wrong_key_in_third_ack),
        cmocka_unit_test(test_flags_sent),
        cmocka_unit_test(test_key_collision),
        cmocka_unit_test(test_with_syn_cookies),
        cmocka_unit_test(test_plain_with_syn_cookies),
        cmocka_unit_test(test_syn_cookie_without_keys),
        cmocka_unit_test(test_syn_cookie_with_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

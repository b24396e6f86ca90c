/* stack_joincookie_test.c - joins that keep no state until their third ACK. One by one they are in
 * tests/scripts/cookies; the flood is `plait sim attack join_flood`. */
#include "stack/joincookie.h"

#include "mptcp/state.h"
#include "mptcp_test.h"

enum { CONNECTIONS = 6 };

static struct plait_config always(void) {
    struct plait_config config;
    plait_config_init(&config);
    config.syn_cookies = PLAIT_SYN_COOKIES_ALWAYS;
    return config;
}

/* Established joins among the server's flows; *last is one of them. */
static unsigned joins(struct link *l, const struct pl_subflow **last) {
    const struct pl_hash_table *t = &link_stack(l, PAIR_B)->flows;
    unsigned count = 0;
    for (uint32_t i = 0; i < t->bucket_count; i++) {
        for (struct pl_hash_node *node = t->buckets[i]; node != NULL; node = node->next) {
            const struct pl_subflow *sf = pl_subflow_of_flow_node(node);
            bool up = sf->join && sf->phase == PL_SF_UP;
            *last = up ? sf : *last;
            count += up ? 1 : 0;
        }
    }
    return count;
}

/* What the SYN said is what the subflow has; the time stamps go on from those of the cookie. */
static void test_all_comes_back(void **state) {
    struct plait_config config = always();
    const struct pl_subflow *sf = NULL;
    struct link l;
    (void)state;
    link_init(&l, 2, &config);
    link_connect(&l);
    link_transfer(&l, 100000);
    assert_int_equal(joins(&l, &sf), 1);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_SyncookiesSent), 2);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_SyncookiesRecv), 2);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_MPJoinSynRx), 1);
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_MPJoinAckRx), 1);
    assert_int_equal(sf->remote_id, 3);
    assert_true(sf->tcp.snd.sack_ok && sf->tcp.ts.on);
    assert_int_equal(sf->tcp.snd.wscale, sf->tcp.rcv.wscale);
    assert_int_equal(sf->tcp.snd.peer_mss, 1460);
    link_finish(&l);
}

static void (*true_sha256)(void *user, const void *msg, size_t len, uint8_t out[32]);

/* Tokens are told apart by their upper bits only. */
static void alike(void *user, const void *msg, size_t len, uint8_t out[32]) {
    true_sha256(user, msg, len, out);
    out[2] = out[3] = 0;
}

static bool all_joined(struct stack_pair *pair, void *arg) {
    const struct pl_subflow *sf;
    (void)pair;
    return joins(arg, &sf) == CONNECTIONS;
}

/* Several connections whose tokens look the same in the cookie: the HMAC says which one. */
static void test_tokens_alike(void **state) {
    struct plait_config config = always();
    plait_sock a[CONNECTIONS], b[CONNECTIONS];
    struct link l;
    (void)state;
    link_init(&l, 2, &config);
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        struct plait_env *env = &l.pair.env[side].env;
        true_sha256 = env->sha256;
        env->sha256 = alike;
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        a[i] = pair_connect(&l.pair, l.listener, LINK_PORT, PLAIT_IPV4, &b[i]);
        assert_true(pair_transfer(&l.pair, PAIR_A, a[i], b[i], 1000, LINK_PATIENCE));
    }
    assert_true(pair_run_until(&l.pair, all_joined, &l, LINK_PATIENCE));
    assert_int_equal(link_count(&l, PAIR_B, PLAIT_COUNTER_SyncookiesFailed), 0);
    pair_fini(&l.pair);
}

/* The bits of a token that a cookie has lead to all connections that they fit, and no further. */
static void test_by_ending(void **state) {
    static struct pl_hash_node node[5000];
    struct pl_hash_table t;
    struct test_env env;
    (void)state;
    test_env_init(&env, 1);
    assert_int_equal(pl_hash_init(&t, &env.env), 0);
    for (uint32_t i = 0; i < 5000; i++) {
        pl_hash_insert(&t, &node[i], (i % 7) << 4 | (i / 7) << 10);
    }
    assert_true(t.bucket_count > 16);
    for (unsigned bits = 1; bits <= 20; bits += 3) {
        uint64_t mask = ((uint64_t)1 << bits) - 1;
        for (uint32_t ending = 0; ending < 256; ending += 16) {
            unsigned want = 0, got = 0;
            for (uint32_t i = 0; i < 5000; i++) {
                want += ((node[i].hash ^ ending) & mask) == 0 ? 1 : 0;
            }
            struct pl_hash_node *at = pl_hash_find_ending(&t, ending, bits, NULL);
            for (; at != NULL; at = pl_hash_find_ending(&t, ending, bits, at)) {
                assert_int_equal((at->hash ^ ending) & mask, 0);
                got++;
            }
            assert_int_equal(got, want);
        }
    }
    pl_hash_fini(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_comes_back),
        cmocka_unit_test(test_tokens_alike),
        cmocka_unit_test(test_by_ending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

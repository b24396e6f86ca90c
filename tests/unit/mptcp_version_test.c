/* mptcp_version_test.c - which version of MPTCP two ends speak (RFC 8684 section 3.1). */
#include "mptcp_test.h"

static struct plait_config config_for(uint8_t versions) {
    struct plait_config config;
    plait_config_init(&config);
    config.v0 = &plait_mptcp_v0;
    config.versions = versions;
    return config;
}

/* The version in the SYN/ACK; -1: none was there. */
static bool note_version(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                         uint32_t len) {
    int *version = pair->filter_arg;
    struct tamper t;
    (void)path;
    if (from == PAIR_B && tamper_parse(&t, packet, len) && (t.seg.flags & PL_TCP_SYN) != 0 &&
        pl_mptcp_has(&t.seg.options.mptcp, PL_MP_CAPABLE)) {
        *version = t.seg.options.mptcp.capable.version;
    }
    return false;
}

static int spoken(uint8_t client, uint8_t server) {
    struct plait_config a = config_for(client), b = config_for(server);
    int version = -1;
    struct link l;
    link_init2(&l, 2, &a, &b);
    link_filter(&l, note_version, &version);
    link_connect(&l);
    link_transfer(&l, 100000);
    assert_int_equal(link_is_mptcp(&l), version >= 0);
    assert_int_equal(link_subflows(&l), version >= 0 ? 2 : 1);
    link_finish(&l);
    return version;
}

static void test_every_pair(void **state) {
    enum { BOTH = PLAIT_MPTCP_V1_V0 };
    static const struct {
        uint8_t client, server;
        int version;
    } pairs[] = {
        {PLAIT_MPTCP_V1, PLAIT_MPTCP_V1, 1}, {PLAIT_MPTCP_V1, PLAIT_MPTCP_V0, -1},
        {PLAIT_MPTCP_V1, BOTH, 1},           {PLAIT_MPTCP_V0, PLAIT_MPTCP_V1, -1},
        {PLAIT_MPTCP_V0, PLAIT_MPTCP_V0, 0}, {PLAIT_MPTCP_V0, BOTH, 0},
        {BOTH, PLAIT_MPTCP_V1, 1},           {BOTH, BOTH, 1},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_int_equal(spoken(pairs[i].client, pairs[i].server), pairs[i].version);
    }
}

/* Per socket, whatever the stack's default is. */
static void test_option(void **state) {
    struct plait_config config = config_for(PLAIT_MPTCP_V1);
    struct link l;
    int64_t value = -1;
    plait_sock sock = 0;
    (void)state;
    link_init2(&l, 1, &config, NULL);
    struct plait_stack *a = link_stack(&l, PAIR_A), *b = link_stack(&l, PAIR_B);
    assert_int_equal(plait_open(a, &sock), 0);
    assert_int_equal(plait_get(a, sock, PLAIT_OPT_MPTCP_VERSIONS, &value), 0);
    assert_int_equal(value, PLAIT_MPTCP_V1);
    assert_int_equal(plait_set(a, sock, PLAIT_OPT_MPTCP_VERSIONS, PLAIT_MPTCP_V0), 0);
    assert_int_equal(plait_get(a, sock, PLAIT_OPT_MPTCP_VERSIONS, &value), 0);
    assert_int_equal(value, PLAIT_MPTCP_V0);
    assert_int_equal(plait_set(a, sock, PLAIT_OPT_MPTCP_VERSIONS, PLAIT_MPTCP_V1_V0 + 1),
                     PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_close(a, sock, l.pair.now), 0);
    /* Not linked in: there is nothing to speak. */
    assert_int_equal(plait_open(b, &sock), 0);
    assert_int_equal(plait_set(b, sock, PLAIT_OPT_MPTCP_VERSIONS, PLAIT_MPTCP_V0),
                     PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(plait_set(b, sock, PLAIT_OPT_MPTCP_VERSIONS, PLAIT_MPTCP_V1), 0);
    pair_fini(&l.pair);
}

static void test_config(void **state) {
    struct test_env env;
    struct plait_stack *stack = NULL;
    struct plait_config config = config_for(PLAIT_MPTCP_V0);
    (void)state;
    test_env_init(&env, 1);
    config.v0 = NULL;
    assert_int_equal(plait_stack_create(&stack, &env.env, &config), PLAIT_E_BAD_ARGUMENT);
    config.v0 = &plait_mptcp_v0;
    config.versions = PLAIT_MPTCP_V1_V0 + 1;
    assert_int_equal(plait_stack_create(&stack, &env.env, &config), PLAIT_E_BAD_ARGUMENT);
    config.versions = PLAIT_MPTCP_V1; /* a socket could ask for it */
    env.env.hmac_sha1 = NULL;
    assert_int_equal(plait_stack_create(&stack, &env.env, &config), PLAIT_E_BAD_ARGUMENT);
    config.v0 = NULL;
    assert_int_equal(plait_stack_create(&stack, &env.env, &config), 0);
    plait_stack_destroy(stack);
    assert_int_equal(env.live_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_option),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

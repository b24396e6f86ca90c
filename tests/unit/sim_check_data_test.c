/* sim/check_data: mappings, data sequence numbers, DATA_ACKs and windows of a connection (RFC
 * 8684). Each test says something right first, and then something wrong. */
#include "check_fixture.h"
#include "wire/mptcp.h"

enum { KEY_US = 0x1111, KEY_THEM = 0x2222 };

/* The connection's initial data sequence numbers, ours and theirs. */
struct numbers {
    uint64_t ours, theirs;
};

static uint64_t idsn(struct fixture *f, uint64_t key) {
    uint8_t bytes[8], digest[32];
    pl_put64(bytes, key);
    f->env.env.sha256(f->env.env.user, bytes, 8, digest);
    return pl_get64(digest + 24);
}

static uint32_t capable(uint8_t *out, uint8_t len, uint64_t sender, uint64_t receiver) {
    struct pl_mptcp_options o = {0};
    o.capable.len = len;
    o.capable.version = 1;
    o.capable.flags = PL_CAPABLE_HMAC_SHA256;
    o.capable.key_sender = sender;
    o.capable.key_receiver = receiver;
    return pl_mptcp_write(out, PL_MP_CAPABLE, &o);
}

/* An MPTCP connection from us to them, with a window of `window` bytes. */
static struct numbers open_connection(struct fixture *f, uint16_t window) {
    uint8_t options[40];
    uint32_t len = capable(options, 4, 0, 0);
    assert_true(sent(f, (struct say){PL_TCP_SYN, 99, 0, 1000, NULL, options, len}));
    len = capable(options, 12, KEY_THEM, 0);
    arrived(f, (struct say){PL_TCP_SYN | PL_TCP_ACK, 499, 100, window, NULL, options, len});
    len = capable(options, 20, KEY_US, KEY_THEM);
    assert_true(sent(f, (struct say){PL_TCP_ACK, 100, 500, 1000, NULL, options, len}));
    return (struct numbers){idsn(f, KEY_US), idsn(f, KEY_THEM)};
}

/* A mapping of `len` bytes at `ssn`, or none with len 0, and a DATA_ACK. */
static uint32_t dss(uint8_t *out, uint64_t dsn, uint32_t ssn, uint16_t len, uint64_t ack) {
    struct pl_mptcp_options o = {0};
    o.dss.has_ack = true;
    o.dss.ack_is_64 = true;
    o.dss.ack = ack;
    o.dss.has_map = len > 0;
    o.dss.dsn_is_64 = true;
    o.dss.dsn = dsn;
    o.dss.ssn = ssn;
    o.dss.len = len;
    return pl_mptcp_write(out, PL_MP_DSS, &o);
}

static bool send_data(struct fixture *f, const struct numbers *n, uint64_t dsn, uint32_t ssn,
                      uint16_t len, const char *payload) {
    uint8_t options[40];
    uint32_t options_len = dss(options, n->ours + dsn, ssn, len, n->theirs + 1);
    return sent(f, (struct say){PL_TCP_ACK, 99 + ssn, 500, 1000, payload, options, options_len});
}

static void mappings_change(void **state) {
    struct fixture f;
    (void)state;
    setup(&f);
    struct numbers n = open_connection(&f, 1000);
    assert_true(send_data(&f, &n, 1, 1, 5, "hello"));
    assert_true(send_data(&f, &n, 1, 1, 5, "hello"));
    assert_false(send_data(&f, &n, 2, 1, 5, "hello"));
    done(&f, "changed a mapping");
    setup(&f);
    n = open_connection(&f, 1000);
    assert_false(send_data(&f, &n, 1, 1, 3, "hello"));
    done(&f, "without a mapping");
}

static void another_byte_at_a_dsn(void **state) {
    struct fixture f;
    (void)state;
    setup(&f);
    struct numbers n = open_connection(&f, 1000);
    assert_true(send_data(&f, &n, 1, 1, 5, "hello"));
    assert_true(send_data(&f, &n, 1, 6, 5, "hello")); /* a reinjection on the same subflow */
    assert_false(send_data(&f, &n, 1, 11, 5, "jello"));
    done(&f, "another byte at the same DSN");
}

static void data_level_window(void **state) {
    struct fixture f;
    uint8_t options[40];
    (void)state;
    setup(&f);
    struct numbers n = open_connection(&f, 7);
    assert_true(send_data(&f, &n, 1, 1, 5, "hello"));
    uint32_t len = dss(options, 0, 0, 0, n.ours + 6);
    arrived(&f, (struct say){PL_TCP_ACK, 500, 105, 5, NULL, options, len});
    assert_true(send_data(&f, &n, 6, 6, 5, "world"));
    assert_false(send_data(&f, &n, 11, 11, 1, "!"));
    done(&f, "beyond the data-level window");
}

static void wrong_data_acks(void **state) {
    static const char *const reasons[] = {"did not arrive", "back", "shrinks"};
    uint8_t options[40];
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct fixture f;
        setup(&f);
        struct numbers n = open_connection(&f, 1000);
        uint32_t len = dss(options, n.theirs + 1, 1, 3, n.ours + 1);
        arrived(&f, (struct say){PL_TCP_ACK, 500, 100, 1000, "abc", options, len});
        len = dss(options, 0, 0, 0, n.theirs + 4);
        assert_true(sent(&f, (struct say){PL_TCP_ACK, 100, 503, 1000, NULL, options, len}));
        uint64_t ack = n.theirs + (kind == 0 ? 5 : kind == 1 ? 3 : 4);
        len = dss(options, 0, 0, 0, ack);
        uint16_t window = kind == 2 ? 900 : 1000;
        assert_false(sent(&f, (struct say){PL_TCP_ACK, 100, 503, window, NULL, options, len}));
        done(&f, reasons[kind]);
    }
}

static void wrong_key_and_token(void **state) {
    struct fixture f;
    uint8_t options[40];
    (void)state;
    setup(&f);
    (void)open_connection(&f, 1000);
    struct pl_mptcp_options o = {.join = {.len = 12, .token = 12345}};
    uint32_t len = pl_mptcp_write(options, PL_MP_JOIN, &o);
    f.us.port = 4001;
    assert_false(sent(&f, (struct say){PL_TCP_SYN, 7, 0, 1000, NULL, options, len}));
    done(&f, "token nobody has");
}

/* Where cookies keep no state, what comes before the keys makes it plain TCP, whatever it says. */
static void cookie_without_keys(void **state) {
    (void)state;
    for (int cookies = 0; cookies < 2; cookies++) {
        struct fixture f;
        uint8_t options[40];
        setup(&f);
        f.check.cookies = cookies != 0;
        uint32_t len = capable(options, 4, 0, 0);
        arrived(&f, (struct say){PL_TCP_SYN, 499, 0, 1000, NULL, options, len});
        len = capable(options, 12, KEY_US, 0);
        assert_true(
            sent(&f, (struct say){PL_TCP_SYN | PL_TCP_ACK, 99, 500, 1000, NULL, options, len}));
        struct pl_mptcp_options o = {.remove_addr = {.count = 1, .ids = {5}}};
        len = pl_mptcp_write(options, PL_MP_REMOVE_ADDR, &o);
        arrived(&f, (struct say){PL_TCP_ACK, 500, 100, 1000, NULL, options, len});
        len = capable(options, 20, KEY_THEM, KEY_US);
        arrived(&f, (struct say){PL_TCP_ACK, 500, 100, 1000, NULL, options, len});
        assert_int_equal(sent(&f, (struct say){PL_TCP_ACK, 100, 500, 1000, "hello", NULL, 0}),
                         cookies != 0);
        if (cookies == 0) {
            done(&f, "without a mapping");
        } else {
            pl_check_fini(&f.check);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mappings_change),     cmocka_unit_test(another_byte_at_a_dsn),
        cmocka_unit_test(data_level_window),   cmocka_unit_test(wrong_data_acks),
        cmocka_unit_test(wrong_key_and_token), cmocka_unit_test(cookie_without_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

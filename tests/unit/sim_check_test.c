/* sim/check: the packet checker sees every kind of wrong packet that it is there for. Each test
 * says something right first, which must pass, and then something wrong, which must not. */
#include "sim/check.h"

#include "check_fixture.h"

static void wrong_packets(void **state) {
    struct fixture f;
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        static const char *const reasons[] = {"checksum", "malformed", "address", "the MTU is"};
        setup(&f);
        struct say syn = {.flags = PL_TCP_SYN, .seq = 99};
        struct box_packet p = build(kind == 2 ? &f.them : &f.us, &f.them, &syn);
        p.data[p.len - 1] ^= kind == 0 ? 1 : 0;
        p.len -= kind == 1 ? 1 : 0;
        pl_check_sent(&f.check, 0, kind == 3 ? 30 : 1500, p.data, p.len);
        done(&f, reasons[kind]);
    }
}

static void another_byte(void **state) {
    struct fixture f;
    struct say data = {.flags = PL_TCP_ACK, .seq = 100, .ack = 500, .payload = "hello"};
    (void)state;
    setup(&f);
    handshake(&f);
    assert_true(sent(&f, data));
    assert_true(sent(&f, data));
    data.payload = "hellO";
    assert_false(sent(&f, data));
    done(&f, "another byte");
}

static void beyond_window(void **state) {
    struct fixture f;
    (void)state;
    setup(&f);
    handshake(&f);
    struct say data = {.flags = PL_TCP_ACK, .seq = 100, .ack = 500, .payload = "0123456789"};
    assert_true(sent(&f, data));
    data.seq = 110;
    assert_false(sent(&f, data));
    done(&f, "beyond the TCP window");
}

static void hole_and_data_behind_fin(void **state) {
    struct fixture f;
    struct say data = {.flags = PL_TCP_ACK, .seq = 101, .ack = 500, .payload = "x"};
    (void)state;
    setup(&f);
    handshake(&f);
    assert_false(sent(&f, data));
    done(&f, "hole");
    setup(&f);
    handshake(&f);
    assert_true(sent(&f, (struct say){.flags = PL_TCP_ACK | PL_TCP_FIN, .seq = 100, .ack = 500}));
    data.seq = 100;
    assert_false(sent(&f, data));
    done(&f, "behind its FIN");
}

static void wrong_acknowledgements(void **state) {
    struct fixture f;
    struct say ack = {.flags = PL_TCP_ACK, .seq = 100, .ack = 503};
    (void)state;
    setup(&f);
    handshake(&f);
    arrived(&f, (struct say){.flags = PL_TCP_ACK, .seq = 500, .ack = 100, .payload = "abc"});
    assert_true(sent(&f, ack));
    ack.ack = 502;
    assert_false(sent(&f, ack));
    done(&f, "back");
    setup(&f);
    handshake(&f);
    ack.ack = 501;
    assert_false(sent(&f, ack));
    done(&f, "did not arrive");
}

/* A SYN/ACK of an earlier connection between the same ports says nothing about this one. */
static void late_answers(void **state) {
    struct fixture f;
    struct say answer = {.flags = PL_TCP_SYN | PL_TCP_ACK, .seq = 7000, .ack = 90, .window = 10};
    (void)state;
    setup(&f);
    assert_true(sent(&f, (struct say){.flags = PL_TCP_SYN, .seq = 99, .window = 1000}));
    arrived(&f, answer);
    handshake(&f);
    assert_false(sent(&f, (struct say){.flags = PL_TCP_ACK, .seq = 100, .ack = 7001}));
    done(&f, "did not arrive");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_packets),          cmocka_unit_test(another_byte),
        cmocka_unit_test(beyond_window),          cmocka_unit_test(hole_and_data_behind_fin),
        cmocka_unit_test(wrong_acknowledgements), cmocka_unit_test(late_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

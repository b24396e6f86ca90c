/* net/box_length: bytes are put in and taken out, and the numbers of both ways fit. */
#include "net_chain_pair.h"

enum { EVERY = 10 };

static void open_length(enum pl_box_kind kind) {
    struct pl_box_config config = {.kind = kind, .ways = PL_BOX_WAY_OUT, .every_bytes = EVERY};
    assert_int_equal(pl_chain_init(&chain, &memory.env, &config, 1, take_output, NULL), 0);
}

static void puts_bytes_in(void **state) {
    (void)state;
    open_length(PL_BOX_KIND_GROW);
    send_data(1000, "abcdefghij");
    assert_data(0, 1000, "+++abcdefghij");
    send_data(1010, "klmno");
    assert_data(1, 1013, "+++klmno");
    send_data(1005, "fghijkl"); /* a repetition, cut otherwise */
    assert_data(2, 1008, "fghij+++kl");
    send_ack(1021);
    assert_int_equal(outputs[3].seg.ack.v, 1015);
    send_ack(1013);
    assert_int_equal(outputs[4].seg.ack.v, 1010);
    close_chain();
}

static void takes_bytes_out(void **state) {
    (void)state;
    open_length(PL_BOX_KIND_SHRINK);
    send_data(1000, "abcdefghij");
    assert_data(0, 1000, "defghij");
    send_data(1010, "klmno");
    assert_data(1, 1007, "no");
    send_ack(1009);
    assert_int_equal(outputs[2].seg.ack.v, 1015);
    send_ack(1007); /* what is gone is acknowledged with what is before it */
    assert_int_equal(outputs[3].seg.ack.v, 1013);
    close_chain();
}

/* A FIN right where bytes would go is not a byte. */
static void keeps_the_fin(void **state) {
    (void)state;
    open_length(PL_BOX_KIND_SHRINK);
    send_data(1000, "abcdefghij");
    enter(PL_BOX_OUT, PL_TCP_FIN | PL_TCP_ACK, 1010, 9000, NULL, 0, 0);
    assert_int_equal(outputs[1].seg.seq.v, 1007);
    send_ack(1007);
    assert_int_equal(outputs[2].seg.ack.v, 1010);
    send_ack(1008);
    assert_int_equal(outputs[3].seg.ack.v, 1011);
    close_chain();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(puts_bytes_in, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_bytes_out, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_the_fin, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

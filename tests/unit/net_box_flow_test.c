/* net/box_flow: flows are told apart, and there are only so many. */
#include "net/box_kind.h"
#include "net_chain_pair.h"

static void knows_what_passed(void **state) {
    (void)state;
    open_box("clamp");
    enter(PL_BOX_OUT, PL_TCP_SYN, 999, 0, NULL, 0, 0);
    send_data(1000, "abc");
    send_ack(1003);
    const struct pl_box *box = chain.box[0];
    assert_int_equal(box->flow_count, 1);
    assert_true(box->flows[0].young);
    const struct pl_box_half *half = &box->flows[0].half[PL_BOX_OUT];
    assert_int_equal(half->first.v, 999);
    assert_int_equal(half->next.v, 1003);
    assert_int_equal(half->data_end.v, 1003);
    assert_int_equal(half->ts_val, 100);
    assert_int_equal(box->flows[0].half[PL_BOX_IN].ack.v, 1003);
    close_chain();
}

static void holds_in_order(void **state) {
    struct pl_box_half half = {0};
    struct plait_buf *bufs[3];
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        bufs[i] = plait_buf_alloc(&memory.env, 1);
        assert_true(pl_box_hold(&half, bufs[i]));
        plait_buf_unref(bufs[i]);
    }
    half.due = 5;
    for (unsigned i = 0; i < 3; i++) {
        struct plait_buf *buf = pl_box_unhold(&half);
        assert_ptr_equal(buf, bufs[i]);
        plait_buf_unref(buf);
    }
    assert_int_equal(half.due, 0);
}

static void seals(void **state) {
    (void)state;
    open_box("dup"); /* its outputs are checked */
    send_data(1000, "abc");
    struct plait_buf *copy = pl_box_copy(&memory.env, outputs[0].buf);
    struct pl_box_view view;
    assert_true(pl_box_view(copy->data, copy->len, &view));
    assert_true(pl_box_sound(&view));
    copy->data[copy->len - 1] ^= 1;
    assert_false(pl_box_sound(&view));
    pl_box_seal(copy);
    assert_true(pl_box_sound(&view));
    plait_buf_unref(copy);
    close_chain();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(knows_what_passed, setup, teardown),
        cmocka_unit_test_setup_teardown(holds_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(seals, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

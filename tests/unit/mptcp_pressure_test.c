/* mptcp/pressure: what a connection may take of a memory that is short, and what it gives back. */
#include "mptcp/internal.h"
#include "mptcp_peer_test.h"

static struct pl_memory *memory_of(struct pl_conn *conn) {
    return &conn->ctx->memory;
}

/* Half for all, and a quarter shared out evenly. */
static void test_share(void **state) {
    (void)state;
    begin();
    struct pl_conn *conn = peer_conn(&peer);
    struct pl_memory *m = memory_of(conn);
    uint64_t used = m->used_bytes, max = m->max_bytes;
    m->max_bytes = 1000000;
    m->sharers = 10;
    assert_in_range(pl_conn_write_room(conn), 490000, 500000);
    m->used_bytes = 500000;
    assert_in_range(pl_conn_write_room(conn), 24000, 25000);
    m->sharers = 1000000;
    assert_int_equal(pl_conn_write_room(conn), 2048); /* never less */
    assert_false(m->refused);
    m->used_bytes = 750000;
    assert_int_equal(pl_conn_write_room(conn), 0);
    assert_true(m->refused);
    m->refused = false;
    m->sharers = 1;
    m->used_bytes = used;
    m->max_bytes = max;
    peer_fini(&peer);
}

/* Who has more than the share waits, and that is no reason to make room. */
static void test_more_than_the_share(void **state) {
    uint8_t block[60000] = {0};
    (void)state;
    begin();
    struct pl_conn *conn = peer_conn(&peer);
    uint64_t max = memory_of(conn)->max_bytes;
    assert_int_equal(pl_conn_stuck_ns(conn, peer.now), 0);
    assert_int_equal(pl_conn_write(conn, block, sizeof(block), peer.now), sizeof(block));
    assert_int_equal(pl_conn_stuck_ns(conn, peer.now + 5), 5);
    memory_of(conn)->max_bytes = 100000;
    assert_int_equal(pl_conn_write_room(conn), 0);
    assert_false(memory_of(conn)->refused);
    memory_of(conn)->max_bytes = max;
    pl_conn_give_up(conn, peer.now);
    assert_int_equal(pl_conn_send_queue(conn), 0);
    assert_int_equal(memory_of(conn)->used_bytes, 0);
    assert_int_equal(pl_conn_error(conn), PLAIT_E_NO_MEMORY);
    peer_fini(&peer);
}

static void test_drop_ahead(void **state) {
    (void)state;
    begin();
    struct pl_conn *conn = peer_conn(&peer);
    peer_data(&peer, 0, 0, 100);
    peer_data(&peer, 0, 5000, 1000);
    uint64_t before = memory_of(conn)->used_bytes;
    assert_true(pl_conn_drop_ahead(conn) > 0);
    assert_true(memory_of(conn)->used_bytes < before);
    assert_int_equal(pl_conn_drop_ahead(conn), 0);
    pl_conn_check(conn);
    assert_int_equal(conn->recv.ready_bytes, 100); /* what can be read stays */
    expect_read(100);
    peer_data(&peer, 0, 5000, 1000); /* the stack does it when memory is short, and counts it */
    peer_run(&peer, PLAIT_NS_PER_S);
    uint64_t max = memory_of(conn)->max_bytes;
    memory_of(conn)->max_bytes = memory_of(conn)->used_bytes;
    memory_of(conn)->refused = true;
    plait_tick(peer.stack, peer.now);
    assert_int_equal(plait_counters(peer.stack)[PLAIT_COUNTER_OfoPruned], 1);
    memory_of(conn)->max_bytes = max;
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_more_than_the_share),
        cmocka_unit_test(test_drop_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

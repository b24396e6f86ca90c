/* mptcp_info_test.c - what a connection tells about itself. */
#include "mptcp_peer_test.h"
#include "wire/addr.h"

static struct plait_connection_info info_now(void) {
    struct plait_connection_info info = {.size = sizeof(info)};
    assert_int_equal(plait_connection(peer.stack, peer.sock, &info), 0);
    return info;
}

static void test_connection_info(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2, .cap_flags = PL_CAPABLE_CHECKSUM});
    peer_join(&peer, 1, false);
    peer_write(&peer, 0, 3000);
    peer_ack(&peer, 0, 1000);
    assert_int_equal(info_now().bytes_acked, 1000);
    peer_data(&peer, 0, 0, 700);
    peer_data(&peer, 0, 700, 300);
    struct plait_connection_info info = info_now();
    assert_true(info.mptcp && info.checksum && !info.fallback);
    assert_int_equal(info.token_local, peer.token_remote);
    assert_int_equal(info.token_remote, peer.token_local);
    assert_true(info.write_seq == peer.idsn_remote + 1 + 3000);
    assert_true(info.snd_una == peer.idsn_remote + 1 + 3000); /* data came with its ACK */
    assert_true(info.rcv_nxt == peer.idsn_local + 1 + 1000);
    assert_int_equal(info.bytes_sent, 3000);
    assert_int_equal(info.bytes_acked, 3000);
    assert_int_equal(info.bytes_received, 1000);
    assert_int_equal(info.reinjected_bytes, 0);
    assert_int_equal(info.subflows, 2);
    assert_int_equal(info.subflows_max, 8);
    expect_read(1000);
    assert_int_equal(info_now().bytes_received, 1000); /* read or not */
    peer_fini(&peer);
}

static void test_subflow_info(void **state) {
    struct plait_subflow_info info[2] = {{.size = sizeof(info[0])}, {.size = sizeof(info[0])}};
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    unsigned second = peer_join(&peer, 1, true);
    peer_write(&peer, 0, 3000);
    peer_data(&peer, second, 0, 700);
    assert_int_equal(plait_subflows(peer.stack, peer.sock, NULL, 0), 2);
    assert_int_equal(plait_subflows(peer.stack, peer.sock, info, 1), 2); /* fills one */
    assert_int_equal(info[1].serial, 0);
    assert_int_equal(plait_subflows(peer.stack, peer.sock, info, 2), 2);
    for (unsigned i = 0; i < 2; i++) {
        const struct peer_flow *f = &peer.flow[i == 0 ? 0 : second];
        assert_int_equal(info[i].serial, i + 1);
        assert_int_equal(info[i].port, peer.port[i]);
        assert_true(pl_addr_equal(&info[i].local.addr, &f->remote.addr));
        assert_true(pl_addr_equal(&info[i].remote.addr, &f->local.addr));
        assert_int_equal(info[i].local.port, f->remote.port);
        assert_int_equal(info[i].remote.port, f->local.port);
        assert_int_equal(info[i].local_id, f->remote_id);
        assert_int_equal(info[i].remote_id, f->local_id);
        assert_true(info[i].established && !info[i].stale && !info[i].backup);
        assert_int_equal(info[i].backup_peer, i == 1);
    }
    assert_int_equal(info[0].bytes_sent, 3000);
    assert_int_equal(info[0].inflight_bytes, 3000);
    assert_int_equal(info[1].bytes_received, 700);
    assert_int_equal(info[1].bytes_sent, 0);
    assert_true(info[0].cwnd_bytes > 0 && info[0].mss > 1000 && info[0].rto_ns > 0);
    peer_fini(&peer);
}

static void test_addresses_counted(void **state) {
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2, .address_flags = PLAIT_ADDRESS_SIGNAL});
    peer_run(&peer, 10 * MS);
    assert_int_equal(info_now().add_addr_signal, 3);
    assert_int_equal(info_now().add_addr_accepted, 0);
    peer_fini(&peer);
}

/* The first subflow's tuple is remembered after it is gone. */
static void test_tuple_remembered(void **state) {
    struct plait_endpoint local, remote;
    (void)state;
    begin_with(&(struct peer_setup){.paths = 2});
    peer_join(&peer, 1, false);
    peer_send(&peer, &(struct peer_seg){.flags = PL_TCP_RST, .seq = PEER_NO_OFFSET});
    assert_null(peer_subflow(&peer, 0));
    assert_int_equal(plait_local(peer.stack, peer.sock, &local), 0);
    assert_int_equal(plait_remote(peer.stack, peer.sock, &remote), 0);
    assert_int_equal(local.port, PEER_PORT);
    assert_int_equal(remote.port, peer.flow[0].local.port);
    peer_fini(&peer);
}

/* From the links that the stack keeps back to what they are part of. */
static void test_links(void **state) {
    (void)state;
    begin();
    struct pl_conn *conn = peer_conn(&peer);
    struct pl_subflow *sf = peer_subflow(&peer, 0);
    assert_ptr_equal(pl_subflow_of_tcp_link(&pl_subflow_tcp(sf)->out_link), sf);
    assert_ptr_equal(pl_subflow_of_flow_node(pl_subflow_flow_node(sf)), sf);
    assert_ptr_equal(pl_conn_of_token_node(pl_conn_token_node(conn)), conn);
    assert_ptr_equal(pl_conn_of_settle_link(&conn->settle_link), conn);
    assert_ptr_equal(pl_subflow_conn(sf), conn);
    assert_int_equal(pl_subflow_port(sf), peer.port[0]);
    assert_int_equal(pl_conn_token(conn), peer.token_remote);
    assert_int_equal(pl_conn_state(conn), PL_CONN_OPEN);
    assert_int_equal(pl_conn_error(conn), 0);
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection_info),
        cmocka_unit_test(test_subflow_info),
        cmocka_unit_test(test_addresses_counted),
        cmocka_unit_test(test_tuple_remembered),
        cmocka_unit_test(test_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mptcp_fastopen_test.c - payload of the first SYN between two stacks (RFC 8684 appendix B): where
 * the data sequence space begins, and who may answer when. Its segments one by one are in
 * tests/scripts/tfo. */
#include "mptcp/internal.h"
#include "mptcp_test.h"
#include "stack/demux.h"
#include "tcp/info.h"

enum { EARLY = 500 };

/* What the filter sees, and does, once there is a cookie. */
struct wire {
    unsigned syns_with_payload, syns_to_lose;
    bool keys;       /* A's both keys went out */
    bool b_answered; /* payload of B came before them */
};

static bool look(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                 uint32_t len) {
    struct wire *w = pair->filter_arg;
    struct tamper t;
    (void)path;
    if (!tamper_parse(&t, packet, len)) {
        return false;
    }
    bool syn = (t.seg.flags & PL_TCP_SYN) != 0;
    w->keys = w->keys || (from == PAIR_A && !syn);
    w->b_answered = w->b_answered || (from == PAIR_B && t.seg.payload_len > 0 && !w->keys);
    if (syn && t.seg.payload_len > 0) {
        w->syns_with_payload++;
        if (w->syns_to_lose > 0) {
            w->syns_to_lose--;
            return true;
        }
    }
    return false;
}

static void start(struct link *l, const struct plait_config *config) {
    link_init(l, 2, config);
    assert_int_equal(plait_set(link_stack(l, PAIR_B), l->listener, PLAIT_OPT_FASTOPEN, 8), 0);
}

/* Connects with Fast Open; `data`: with EARLY bytes in the SYN, if there is a cookie. */
static void dial(struct link *l, const uint8_t *data) {
    struct plait_stack *a = link_stack(l, PAIR_A);
    struct plait_endpoint to = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    assert_int_equal(plait_open(a, &l->a), 0);
    assert_int_equal(plait_set(a, l->a, PLAIT_OPT_FASTOPEN_CONNECT, 1), 0);
    assert_int_equal(plait_connect(a, l->a, &to, l->pair.now), 0);
    if (data != NULL) {
        assert_int_equal(plait_write(a, l->a, data, EARLY, l->pair.now), EARLY);
    }
    assert_true(
        pair_wait_event(&l->pair, PAIR_B, l->listener, PLAIT_EVENT_ACCEPT, LINK_PATIENCE, NULL));
    assert_int_equal(plait_accept(link_stack(l, PAIR_B), l->listener, &l->b), 0);
}

/* A first connection, which only fetches the cookie. */
static void fetch(struct link *l) {
    dial(l, NULL);
    for (unsigned side = 0; side < PAIR_SIDES; side++) {
        plait_sock sock = side == PAIR_A ? l->a : l->b;
        assert_int_equal(plait_close(link_stack(l, side), sock, l->pair.now), 0);
    }
    pair_run(&l->pair, 300 * PLAIT_NS_PER_S);
}

static struct pl_conn *conn_of(struct link *l, unsigned side) {
    struct plait_connection_info info = {0};
    plait_sock sock = side == PAIR_A ? l->a : l->b;
    assert_int_equal(plait_connection(link_stack(l, side), sock, &info), 0);
    struct pl_conn *conn = pl_demux_token(link_stack(l, side), info.token_local);
    assert_non_null(conn);
    return conn;
}

static void expect_early(struct link *l, const uint8_t *data) {
    uint8_t got[EARLY];
    pair_run(&l->pair, PLAIT_NS_PER_S / 10);
    assert_int_equal(plait_read(link_stack(l, PAIR_B), l->b, got, EARLY, l->pair.now), EARLY);
    assert_memory_equal(got, data, EARLY);
}

static const struct pl_subflow *first_of(const struct pl_conn *conn) {
    return pl_subflow_of_link(conn->subflows.next);
}

static struct plait_tcp_info tcp_info_of(const struct pl_conn *conn) {
    struct plait_tcp_info info;
    pl_tcp_info_linux(&first_of(conn)->tcp, &info, 0);
    return info;
}

/* The first byte behind the SYN's has the number IDSN + 1 and the SSN 1, at both ends; and all goes
 * on over two paths, with and without checksums (appendix B.2). */
static void test_space_begins_behind(void **state) {
    static uint8_t data[EARLY] = {1, 2, 3};
    (void)state;
    for (unsigned checksum = 0; checksum < 2; checksum++) {
        struct plait_config config;
        struct wire w = {0};
        struct link l;
        plait_config_init(&config);
        config.checksum = checksum != 0;
        start(&l, &config);
        fetch(&l);
        link_filter(&l, look, &w);
        dial(&l, data);
        expect_early(&l, data);
        const struct pl_conn *a = conn_of(&l, PAIR_A), *b = conn_of(&l, PAIR_B);
        assert_int_equal(w.syns_with_payload, 1);
        assert_int_equal(a->early_out, EARLY);
        assert_int_equal(b->early_in, EARLY);
        assert_int_equal(a->early_in + b->early_out, 0);
        assert_int_equal(tcp_info_of(a).tcpi_data_segs_out, 1);
        assert_int_equal(tcp_info_of(b).tcpi_data_segs_in, 1);
        assert_true(pl_seq64_eq(a->send.end, pl_seq64_add(a->keys.idsn_local, 1)));
        assert_true(pl_seq64_eq(b->recv.nxt, pl_seq64_add(b->keys.idsn_remote, 1)));
        assert_int_equal(pl_fastopen_ssn_out(first_of(a)).v,
                         pl_tcp_iss(&first_of(a)->tcp).v + EARLY);
        assert_int_equal(pl_fastopen_ssn_in(first_of(b)).v,
                         pl_tcp_irs(&first_of(b)->tcp).v + EARLY);
        link_transfer(&l, 200000);
        assert_true(link_is_mptcp(&l));
        assert_int_equal(link_subflows(&l), 2);
        link_finish(&l);
    }
}

/* The SYN with payload is lost, and goes again without: what it carried is in the space (appendix
 * B.3). */
static void test_lost_syn(void **state) {
    static uint8_t data[EARLY] = {4, 5, 6};
    struct wire w = {.syns_to_lose = 1};
    struct link l;
    (void)state;
    start(&l, NULL);
    fetch(&l);
    link_filter(&l, look, &w);
    dial(&l, data);
    expect_early(&l, data);
    const struct pl_conn *a = conn_of(&l, PAIR_A);
    assert_int_equal(w.syns_with_payload, 1);
    assert_int_equal(a->early_out, 0);
    assert_true(pl_seq64_eq(a->send.end, pl_seq64_add(a->keys.idsn_local, 1 + EARLY)));
    link_transfer(&l, 100000);
    assert_true(link_is_mptcp(&l));
    link_finish(&l);
}

/* A server that has something to say at once waits for the client's key, unless it is told not to:
 * without it there is no DATA_ACK. */
static void test_answers(void **state) {
    static uint8_t data[EARLY] = {7, 8, 9};
    (void)state;
    for (unsigned early = 0; early < 2; early++) {
        struct plait_config config;
        struct wire w = {0};
        struct link l;
        plait_config_init(&config);
        config.fastopen_answers_early = early != 0;
        start(&l, &config);
        fetch(&l);
        link_filter(&l, look, &w);
        dial(&l, data);
        assert_int_equal(pl_fastopen_may_answer(conn_of(&l, PAIR_B)), early != 0);
        assert_int_equal(plait_write(link_stack(&l, PAIR_B), l.b, "yes", 3, l.pair.now), 3);
        expect_early(&l, data);
        assert_int_equal(w.b_answered, early != 0);
        assert_true(pl_fastopen_may_answer(conn_of(&l, PAIR_B)));
        char got[4];
        assert_int_equal(plait_read(link_stack(&l, PAIR_A), l.a, got, 4, l.pair.now), 3);
        assert_memory_equal(got, "yes", 3);
        link_transfer(&l, 50000);
        link_finish(&l);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_space_begins_behind),
        cmocka_unit_test(test_lost_syn),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

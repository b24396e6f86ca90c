/* tcp/ecn: who agrees to it, what is marked as capable, the echo, one reduction per window. */
#include "tcp_test.h"
#include "wire/ip.h"

enum { MSS = 1448, SETUP = PL_TCP_ECE | PL_TCP_CWR };
static struct tap tap;
static struct tcp_pair *p;
static struct pl_tcp *a, *b;

static void make(uint8_t ecn_a, uint8_t ecn_b) {
    struct tcp_pair_setup setup = test_setup();
    setup.ecn[PAIR_A] = ecn_a;
    setup.ecn[PAIR_B] = ecn_b;
    p = tcp_pair_new(&setup);
    memset(&tap, 0, sizeof(tap));
    p->filter = tap_filter;
    p->filter_arg = &tap;
    a = tcp_of(p, PAIR_A);
    b = tcp_of(p, PAIR_B);
}

static void opened(void) {
    make(PLAIT_ECN_ON, PLAIT_ECN_ACCEPT);
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    assert_true(a->snd.ecn && b->snd.ecn);
    a->snd.wnd = 1 << 20;
    tap_clear(&tap);
}

/* RFC 3168 section 6.1.1. */
static void test_negotiation(void **state) {
    (void)state;
    for (uint8_t i = 0; i < 9; i++) {
        uint8_t ours = i / 3, theirs = i % 3;
        bool asks = ours == PLAIT_ECN_ON, agreed = asks && theirs != PLAIT_ECN_OFF;
        make(ours, theirs);
        tcp_pair_open(p);
        tcp_pair_run_for(p, 100 * MS);
        assert_int_equal(tap.note[0].flags & SETUP, asks ? SETUP : 0);
        assert_int_equal(tap.note[1].flags & SETUP, agreed ? PL_TCP_ECE : 0);
        assert_int_equal(a->snd.ecn, agreed);
        assert_int_equal(b->snd.ecn, agreed);
        tcp_pair_free(p);
    }
}

/* Section 6.1.1.1: the second SYN asks for nothing, and then nobody may. */
static void test_a_lost_syn_falls_back(void **state) {
    (void)state;
    make(PLAIT_ECN_ON, PLAIT_ECN_ON);
    tap.flags = PL_TCP_SYN | SETUP;
    tap.drop_flags[PAIR_A] = 1;
    tcp_pair_open(p);
    tcp_pair_run_for(p, 100 * MS);
    assert_int_equal(tap.note[0].flags & SETUP, SETUP);
    assert_int_equal(tap.note[1].flags, PL_TCP_SYN);
    assert_false(a->snd.ecn || b->snd.ecn);
    tcp_pair_free(p);
}

/* The SYN/ACK was lost: the server had agreed, and takes it back with the plain SYN. */
static void test_a_lost_syn_ack_falls_back(void **state) {
    (void)state;
    make(PLAIT_ECN_ON, PLAIT_ECN_ON);
    tap.flags = PL_TCP_SYN | PL_TCP_ACK | PL_TCP_ECE;
    tap.drop_flags[PAIR_B] = 1;
    tcp_pair_open(p);
    tcp_pair_run_for(p, 3 * S);
    assert_int_equal(COUNT(p, PAIR_B, PassiveOpens), 1);
    assert_false(a->snd.ecn || b->snd.ecn);
    tcp_pair_free(p);
}

/* A SYN/ACK that only mirrors our bits does not agree. */
static void test_a_mirror_is_no_agreement(void **state) {
    (void)state;
    make(PLAIT_ECN_ON, PLAIT_ECN_OFF);
    tcp_pair_connect(p, PAIR_A);
    p->pipe[PAIR_A].cut = true;
    tcp_pair_run_for(p, MS);
    struct pl_segment seg = {.seq = pl_seq32_of(5000),
                             .ack = a->snd.nxt,
                             .flags = PL_TCP_SYN | PL_TCP_ACK | SETUP,
                             .window_raw = 1000};
    tcp_pair_inject(p, PAIR_A, &seg, 0);
    assert_int_equal(a->life.state, PL_TCP_ST_ESTABLISHED);
    assert_false(a->snd.ecn);
    tcp_pair_free(p);
}

/* Section 6.1.4, 6.1.5: payload, and only when it is sent first. */
static void test_what_is_capable(void **state) {
    (void)state;
    opened();
    tap.drop_data[PAIR_A] = 1 << 3;
    tcp_pair_send(p, PAIR_A, 50 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 10 * S));
    tcp_pair_close(p, PAIR_A);
    tcp_pair_run_for(p, S);
    assert_int_equal(pl_tcp_retrans_bytes(a), MSS);
    unsigned capable = 0, retransmitted = 0;
    uint32_t end = 1;
    for (unsigned i = 0; i < tap.count; i++) {
        const struct tap_note *n = &tap.note[i];
        bool again = n->from == PAIR_A && n->len > 0 && n->seq < end;
        bool first = n->from == PAIR_A && n->len > 0 && !again;
        end = first ? n->seq + n->len : end;
        retransmitted += again;
        assert_int_equal(n->ecn, first ? PL_IP_ECT0 : PL_IP_NOT_ECT);
        capable += first;
    }
    assert_int_equal(capable, 50);
    assert_int_equal(retransmitted, 1);
    tcp_pair_free(p);
}

static void payload_to_b(uint8_t ecn, uint8_t flags) {
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK | flags);
    uint8_t byte = tcp_pair_byte(p->end[PAIR_B].received);
    struct plait_buf *buf = plait_buf_alloc(&p->end[PAIR_B].env.env, 1);
    buf->data[0] = byte;
    buf->len = 1;
    seg.payload = buf->data;
    seg.payload_len = 1;
    seg.ecn = ecn;
    pl_tcp_input(b, &seg, buf, p->now);
    plait_buf_unref(buf);
    tcp_pair_run_for(p, MS);
}

/* Section 6.1.3: ECE on every ACK from CE to CWR. */
static void test_the_echo(void **state) {
    (void)state;
    opened();
    b->rcv.quick = 100;
    payload_to_b(PL_IP_ECT0, 0);
    assert_int_equal(tap_last(&tap, PAIR_B)->flags & PL_TCP_ECE, 0);
    payload_to_b(PL_IP_CE, 0);
    assert_true((tap_last(&tap, PAIR_B)->flags & PL_TCP_ECE) != 0);
    payload_to_b(PL_IP_ECT0, 0);
    assert_true((tap_last(&tap, PAIR_B)->flags & PL_TCP_ECE) != 0);
    payload_to_b(PL_IP_CE, PL_TCP_CWR); /* an answer that was marked itself */
    assert_true((tap_last(&tap, PAIR_B)->flags & PL_TCP_ECE) != 0);
    payload_to_b(PL_IP_ECT0, PL_TCP_CWR);
    assert_int_equal(tap_last(&tap, PAIR_B)->flags & PL_TCP_ECE, 0);
    assert_int_equal(COUNT(p, PAIR_B, InCEPkts), 2);
    p->filter = NULL;
    tcp_pair_free(p);
}

static void ack_with(uint32_t at, uint8_t flags) {
    struct pl_segment seg = next_segment(p, PAIR_A, PL_TCP_ACK | flags);
    seg.ack = pl_seq32_of(1001 + at);
    seg.window_raw = 10000;
    tcp_pair_inject(p, PAIR_A, &seg, 0);
    pl_tcp_check(a);
}

/* Section 6.1.2: at most once per window, CWR on the next new payload, once. */
static void test_one_reduction_per_window(void **state) {
    (void)state;
    opened();
    tap.drop_all[PAIR_A] = true;
    a->cc.cwnd = 20 * MSS;
    a->cc.ssthresh = 20 * MSS;
    tcp_pair_send(p, PAIR_A, 20 * MSS);
    tcp_pair_run_for(p, 25 * MS);
    assert_int_equal(pl_tcp_flight(a), 20 * MSS);
    tcp_pair_send(p, PAIR_A, 200 * MSS);
    for (uint32_t i = 1; i <= 20; i++) {
        ack_with(i * MSS, PL_TCP_ECE);
        tcp_pair_run_for(p, MS);
    }
    assert_int_equal(COUNT(p, PAIR_A, EcnReductions), 1);
    assert_int_equal(a->cc.ssthresh, 14 * MSS);
    assert_true(pl_tcp_flight(a) >= 13 * MSS && pl_tcp_flight(a) <= 15 * MSS);
    assert_int_equal(tap_count(&tap, PAIR_A, PL_TCP_CWR, true), 1);
    uint32_t flight = pl_tcp_flight(a);
    ack_with(22 * MSS, PL_TCP_ECE); /* of what was sent after the reduction */
    assert_int_equal(COUNT(p, PAIR_A, EcnReductions), 2);
    tcp_pair_run_for(p, 5 * MS);
    assert_true(pl_tcp_flight(a) <= flight);
    tcp_pair_free(p);
}

/* A loss in a window that was reduced for a mark reduces no more, and the other way round. */
static void test_marks_and_losses_count_once(void **state) {
    (void)state;
    opened();
    tap.drop_all[PAIR_A] = true;
    a->cc.cwnd = 20 * MSS;
    a->cc.ssthresh = 20 * MSS;
    tcp_pair_send(p, PAIR_A, 20 * MSS);
    tcp_pair_run_for(p, 25 * MS);
    ack_with(MSS, PL_TCP_ECE);
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_CWR);
    struct pl_segment seg = next_segment(p, PAIR_A, PL_TCP_ACK | PL_TCP_ECE);
    seg.ack = pl_seq32_of(1001 + MSS);
    seg.window_raw = 10000;
    seg.options.sack_count = 1;
    seg.options.sack[0] =
        (struct pl_sack_block){pl_seq32_of(1001 + 2 * MSS), pl_seq32_of(1001 + 12 * MSS)};
    tcp_pair_inject(p, PAIR_A, &seg, 0);
    assert_int_equal(a->rec.phase, PL_TCP_PHASE_RECOVERY);
    assert_int_equal(a->cc.ssthresh, 14 * MSS);
    assert_int_equal(COUNT(p, PAIR_A, EcnReductions), 1);
    tcp_pair_free(p);
}

/* Section 6.1.2: with one segment left, one in a retransmission time-out. */
static void test_below_one_segment(void **state) {
    (void)state;
    opened();
    tap.drop_all[PAIR_A] = true;
    a->cc.cwnd = 2 * MSS;
    a->cc.ssthresh = 2 * MSS;
    tcp_pair_send(p, PAIR_A, 100 * MSS);
    tcp_pair_run_for(p, MS);
    ack_with(2 * MSS, PL_TCP_ECE);
    assert_int_equal(a->cc.cwnd, MSS);
    tcp_pair_run_for(p, 30 * MS); /* when the pacer lets it go */
    assert_int_equal(pl_tcp_flight(a), MSS);
    ack_with(3 * MSS, PL_TCP_ECE);
    assert_int_equal(a->cc.cwnd, MSS);
    tcp_pair_run_for(p, pl_tcp_rto_base_ns(a) - MS);
    assert_int_equal(pl_tcp_flight(a), 0);
    tcp_pair_run_for(p, 2 * MS);
    assert_int_equal(pl_tcp_flight(a), MSS);
    tcp_pair_free(p);
}

/* A queue that marks never overflows, and is used. */
static void test_a_marking_queue(void **state) {
    (void)state;
    opened();
    p->pipe[PAIR_A].rate = 1250000;
    p->pipe[PAIR_A].queue_bytes = 100000;
    p->pipe[PAIR_A].mark_bytes = 15000;
    tcp_pair_send(p, PAIR_A, 5000000);
    plait_time start = p->now;
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    assert_true(p->pipe[PAIR_A].marks > 0);
    assert_int_equal(p->pipe[PAIR_A].drops, 0);
    assert_int_equal(pl_tcp_retrans_bytes(a), 0);
    assert_true(COUNT(p, PAIR_A, EcnReductions) > 2);
    assert_true(p->now - start < 4700 * MS); /* 4 s and headers: 94 % of the rate */
    tcp_pair_free(p);
}

/* ---- DCTCP ---- */

/* What B's marks and A's ACKs say, by byte. */
struct ledger {
    uint64_t payload, marked; /* at B */
    uint64_t acked, echoed;   /* at A */
    uint32_t una;
    uint32_t n;
};

/* Marks runs of 1, 2, 3 ... 9 segments, and leaves as many between. */
static bool mark_runs(struct tcp_pair *q, int from, struct pl_segment *seg, void *arg) {
    struct ledger *l = arg;
    if (from == PAIR_A && seg->payload_len > 0) {
        static const uint8_t runs[] = {0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1};
        bool ce = runs[l->n++ % sizeof(runs)] == 1;
        assert_int_equal(seg->ecn, PL_IP_ECT0);
        seg->ecn = ce ? PL_IP_CE : seg->ecn;
        l->payload += seg->payload_len;
        l->marked += ce ? seg->payload_len : 0;
    } else if (from == PAIR_B && (seg->flags & (PL_TCP_SYN | PL_TCP_ACK)) == PL_TCP_ACK) {
        uint32_t bytes = seg->ack.v - l->una;
        assert_true((int32_t)bytes >= 0);
        l->acked += bytes;
        l->echoed += (seg->flags & PL_TCP_ECE) != 0 ? bytes : 0;
        l->una = seg->ack.v;
    }
    (void)q;
    return true;
}

/* RFC 8257 section 3.2: with ACKs that are delayed, as many bytes are echoed as were marked. */
static void test_dctcp_echoes_every_mark(void **state) {
    (void)state;
    struct tcp_pair_setup setup = test_setup();
    struct ledger ledger = {0};
    setup.cc = PLAIT_CC_DCTCP;
    setup.pipe.rate = 1250000;
    p = tcp_pair_new(&setup);
    a = tcp_of(p, PAIR_A);
    b = tcp_of(p, PAIR_B);
    tcp_pair_open(p);
    b->rcv.quick = 0;
    ledger.una = setup.iss[PAIR_A] + 1;
    p->filter = mark_runs;
    p->filter_arg = &ledger;
    tcp_pair_send(p, PAIR_A, 300 * MSS);
    assert_true(tcp_pair_run(p, tcp_pair_all_received, 60 * S));
    tcp_pair_run_for(p, S);
    assert_int_equal(ledger.acked, 300 * MSS);
    assert_int_equal(ledger.echoed, ledger.marked);
    assert_true(ledger.marked > 120 * MSS && ledger.marked < 180 * MSS);
    assert_int_equal(pl_tcp_retrans_bytes(a), 0);
    p->filter = NULL;
    tcp_pair_free(p);
}

/* Marks that came in a batch, before anything could be sent: nothing is acknowledged twice or too
 * early, and the last word is right. */
static void test_dctcp_batches(void **state) {
    (void)state;
    static const uint8_t marks[] = {PL_IP_ECT0, PL_IP_CE, PL_IP_ECT0, PL_IP_CE};
    opened();
    b->life.cc = PLAIT_CC_DCTCP;
    b->rcv.quick = 0;
    pl_seq32 acked = b->rcv.acked;
    for (unsigned i = 0; i < 4; i++) {
        struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK);
        uint8_t byte = tcp_pair_byte(p->end[PAIR_B].received);
        struct plait_buf *buf = plait_buf_alloc(&p->end[PAIR_B].env.env, 1);
        buf->data[0] = byte;
        buf->len = 1;
        seg.payload = buf->data;
        seg.payload_len = 1;
        seg.ecn = marks[i];
        pl_tcp_input(b, &seg, buf, p->now);
        plait_buf_unref(buf);
    }
    struct pl_tcp_tx tx;
    assert_true(pl_tcp_output(b, &tx, p->now));
    assert_int_equal(pl_seq32_diff(tx.seg.ack, acked), 1);
    assert_int_equal(tx.seg.flags & PL_TCP_ECE, 0);
    assert_true(pl_tcp_output(b, &tx, p->now));
    assert_int_equal(pl_seq32_diff(tx.seg.ack, acked), 4);
    assert_int_equal(tx.seg.flags & PL_TCP_ECE, PL_TCP_ECE);
    assert_false(pl_tcp_output(b, &tx, p->now));
    p->filter = NULL;
    tcp_pair_free(p);
}

static void batch_to_b(uint32_t len, uint8_t ecn) {
    struct pl_segment seg = next_segment(p, PAIR_B, PL_TCP_ACK);
    struct plait_buf *buf = plait_buf_alloc(&p->end[PAIR_B].env.env, len);
    for (uint32_t i = 0; i < len; i++) {
        buf->data[i] = tcp_pair_byte(p->end[PAIR_B].received + i);
    }
    buf->len = len;
    seg.payload = buf->data;
    seg.payload_len = len;
    seg.ecn = ecn;
    pl_tcp_input(b, &seg, buf, p->now);
    plait_buf_unref(buf);
}

/* A device that joins packets hands over more than 64 KB at a time. */
static void test_dctcp_large_batches(void **state) {
    enum { LEN = 50000, COUNT_BEFORE = 3 };
    (void)state;
    opened();
    b->life.cc = PLAIT_CC_DCTCP;
    b->rcv.quick = 0;
    pl_seq32 acked = b->rcv.acked;
    b->rcv.edge = pl_seq32_add(acked, 1 << 20);
    for (unsigned i = 0; i < COUNT_BEFORE; i++) {
        batch_to_b(LEN, PL_IP_ECT0);
    }
    batch_to_b(LEN, PL_IP_CE);
    struct pl_tcp_tx tx;
    assert_true(pl_tcp_output(b, &tx, p->now));
    assert_int_equal(pl_seq32_diff(tx.seg.ack, acked), COUNT_BEFORE * LEN);
    assert_int_equal(tx.seg.flags & PL_TCP_ECE, 0);
    assert_true(pl_tcp_output(b, &tx, p->now));
    assert_int_equal(pl_seq32_diff(tx.seg.ack, acked), (COUNT_BEFORE + 1) * LEN);
    assert_int_equal(tx.seg.flags & PL_TCP_ECE, PL_TCP_ECE);
    p->filter = NULL;
    tcp_pair_free(p);
}

/* The SYN of a connection that a Fast Open cookie has opened comes again, without ECN: there will
 * be no marks to count. */
static void test_dctcp_loses_its_marks(void **state) {
    (void)state;
    opened();
    b->life.cc = PLAIT_CC_DCTCP;
    pl_tcp_control_change(b);
    assert_string_equal(b->cc.ops->name, "dctcp");
    b->life.early = true;
    struct pl_segment syn = next_segment(p, PAIR_B, PL_TCP_SYN);
    syn.seq = b->rcv.irs;
    pl_tcp_input(b, &syn, NULL, p->now);
    assert_false(b->snd.ecn);
    assert_string_equal(b->cc.ops->name, "reno");
    b->life.early = false;
    b->life.syn_due = false;
    p->filter = NULL;
    tcp_pair_free(p);
}

/* 100 Mb/s, 2 ms, a switch that marks from the sixth packet on: the part of the link's rate that
 * payload gets, and the average queue in packets. */
static double shallow(uint8_t cc, double *packets) {
    enum { PACKET = 1500, MARK = 6 };
    struct tcp_pair_setup setup = test_setup();
    setup.cc = cc;
    setup.ecn[PAIR_A] = PLAIT_ECN_ON;
    setup.ecn[PAIR_B] = PLAIT_ECN_ON;
    setup.pipe = (struct tcp_pair_pipe){
        .rate = 12500000, .delay_ns = MS, .queue_bytes = 100 * PACKET, .mark_bytes = MARK * PACKET};
    p = tcp_pair_new(&setup);
    p->check = false;
    tcp_pair_open(p);
    tcp_pair_send(p, PAIR_A, UINT64_C(1) << 40);
    tcp_pair_run_for(p, S);
    uint64_t before = p->end[PAIR_B].received;
    *packets = 0;
    for (unsigned i = 0; i < 20000; i++) {
        tcp_pair_run_for(p, MS / 10);
        const struct tcp_pair_pipe *pipe = &p->pipe[PAIR_A];
        uint64_t wait = pipe->free_at > p->now ? pipe->free_at - p->now : 0;
        *packets += (double)wait * (double)pipe->rate / 1e9 / PACKET / 20000;
    }
    assert_int_equal(p->pipe[PAIR_A].drops, 0);
    double part = (double)(p->end[PAIR_B].received - before) / (2 * 12500000.0 * MSS / PACKET);
    tcp_pair_free(p);
    return part;
}

/* A shallow queue and the whole link, where halving at every mark leaves a part of it idle. */
static void test_dctcp_in_a_shallow_queue(void **state) {
    (void)state;
    double dctcp_queue, reno_queue;
    double dctcp = shallow(PLAIT_CC_DCTCP, &dctcp_queue);
    double reno = shallow(PLAIT_CC_RENO, &reno_queue);
    print_message("# dctcp: %.1f %%, %.1f packets; reno: %.1f %%, %.1f packets\n", 100 * dctcp,
                  dctcp_queue, 100 * reno, reno_queue);
    assert_true(dctcp >= 0.98 && dctcp_queue <= 8);
    assert_true(reno < dctcp - 0.02);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_a_lost_syn_falls_back),
        cmocka_unit_test(test_a_lost_syn_ack_falls_back),
        cmocka_unit_test(test_a_mirror_is_no_agreement),
        cmocka_unit_test(test_what_is_capable),
        cmocka_unit_test(test_the_echo),
        cmocka_unit_test(test_one_reduction_per_window),
        cmocka_unit_test(test_marks_and_losses_count_once),
        cmocka_unit_test(test_below_one_segment),
        cmocka_unit_test(test_a_marking_queue),
        cmocka_unit_test(test_dctcp_echoes_every_mark),
        cmocka_unit_test(test_dctcp_batches),
        cmocka_unit_test(test_dctcp_large_batches),
        cmocka_unit_test(test_dctcp_loses_its_marks),
        cmocka_unit_test(test_dctcp_in_a_shallow_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

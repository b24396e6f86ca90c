/* stack/merge: which packets become one and which do not, as the stack's counters see it. */
#include "plait/offload.h"

#include "stack_test.h"

static struct plait_merge merge;

static struct made data(uint32_t seq, uint32_t len) {
    return (struct made){.src = "10.0.0.1",
                         .dst = "10.0.0.2",
                         .src_port = 1234,
                         .dst_port = 80,
                         .flags = PL_TCP_ACK,
                         .seq = seq,
                         .ack = 9,
                         .options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2},
                         .options_len = 12,
                         .payload_len = len};
}

static void add(const struct made *m) {
    uint8_t packet[2000];
    size_t len = make(m, packet);
    plait_merge_input(&merge, stack, port, &memory.env, packet, (uint32_t)len, NULL, now);
}

/* How many packets the stack has got, all flushed. */
static uint64_t got(void) {
    plait_merge_flush(&merge, stack, port, now);
    return counter(PLAIT_COUNTER_InPackets);
}

static int end(void **state) {
    plait_merge_fini(&merge);
    return teardown(state);
}

static void test_a_run_becomes_one(void **state) {
    (void)state;
    uint32_t seq = 0xfffffc00;
    const char *from[] = {"10.0.0.1", "fd00::1"}, *to[] = {"10.0.0.2", "fd00::2"};
    for (unsigned v = 0; v < 2; v++) {
        uint64_t bytes = counter(PLAIT_COUNTER_InBytes);
        for (unsigned i = 0; i < 10; i++) {
            struct made m = data(seq + 1000 * i, i < 9 ? 1000 : 300);
            m.src = from[v];
            m.dst = to[v];
            add(&m);
        }
        assert_int_equal(got(), v + 1);
        assert_int_equal(counter(PLAIT_COUNTER_InBytes) - bytes, (v == 0 ? 20 : 40) + 32 + 9300);
    }
    assert_int_equal(counter(PLAIT_COUNTER_DropChecksum), 0);
    assert_int_equal(counter(PLAIT_COUNTER_DropTruncated), 0);
    assert_int_equal(counter(PLAIT_COUNTER_DropNoSocket), 2); /* it was a segment */
}

/* Two packets of which the second differs in one thing. */
static uint64_t pair(const struct made *second) {
    uint64_t before = got();
    struct made first = data(1000, 500);
    add(&first);
    add(second);
    return got() - before;
}

static void test_what_does_not_continue(void **state) {
    (void)state;
    struct made same = data(1500, 500);
    assert_int_equal(pair(&same), 1);
    struct made m[11];
    for (unsigned i = 0; i < 11; i++) {
        m[i] = same;
    }
    m[0].seq++;
    m[1].ack++;
    m[2].src_port++;
    m[3].dst_port++;
    m[4].src = "10.0.0.9";
    m[5].flags |= PL_TCP_FIN;
    m[6].options[7]++;
    m[7].payload_len = 501;
    m[8].payload_len = 0;
    m[9].options_len = 0;
    m[10].bad_checksum = true;
    for (unsigned i = 0; i < 11; i++) {
        assert_int_equal(pair(&m[i]), 2);
    }
    assert_int_equal(counter(PLAIT_COUNTER_DropChecksum), 1);
}

/* Behind PSH, or behind a packet that is not full, begins another one. */
static void test_the_end_of_a_run(void **state) {
    (void)state;
    struct made a = data(0, 500), b = data(500, 500), c = data(1000, 500);
    b.flags |= PL_TCP_PSH;
    add(&a);
    add(&b);
    assert_int_equal(counter(PLAIT_COUNTER_InPackets), 1);
    add(&c);
    assert_int_equal(got(), 2);
    b = data(500, 400);
    c = data(900, 400);
    add(&a);
    add(&b);
    add(&c);
    assert_int_equal(got(), 4);
}

static void test_no_more_than_fits(void **state) {
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        struct made m = data(1000 * i, 1000);
        add(&m);
    }
    assert_int_equal(got(), 2);
    assert_int_equal(counter(PLAIT_COUNTER_InBytes), 100000 + 2 * 52);
}

/* A wrong length, a fragment, IP options, rubbish: the stack says what is wrong with it. */
static void test_others_pass(void **state) {
    (void)state;
    uint8_t packet[2000];
    struct made m = data(0, 500);
    size_t len = make(&m, packet);
    for (uint32_t n = 0; n < len; n++) {
        plait_merge_input(&merge, stack, port, &memory.env, packet, n, NULL, now);
    }
    assert_int_equal(got(), len);
    packet[6] |= 0x20;
    plait_merge_input(&merge, stack, port, &memory.env, packet, (uint32_t)len, NULL, now);
    memset(packet, 0x46, sizeof(packet));
    plait_merge_input(&merge, stack, port, &memory.env, packet, 1500, NULL, now);
    assert_int_equal(got(), len + 2);
}

static void test_without_memory(void **state) {
    (void)state;
    struct made m = data(0, 500);
    memory.fail_at = memory.alloc_count + 1;
    add(&m);
    assert_int_equal(got(), 0);
    memory.fail_at = 0;
    add(&m);
    assert_int_equal(got(), 1);
}

#define MERGE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        MERGE_TEST(test_a_run_becomes_one), MERGE_TEST(test_what_does_not_continue),
        MERGE_TEST(test_the_end_of_a_run),  MERGE_TEST(test_no_more_than_fits),
        MERGE_TEST(test_others_pass),       MERGE_TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

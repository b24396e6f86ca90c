/* stack/memory: who gives way when the payload of all connections fills the memory. */
#include "stack/memory.h"

#include "mptcp_test.h"

#define MS PLAIT_NS_PER_MS
#define S PLAIT_NS_PER_S

enum { MEMORY = 16 << 20, HOLDERS = 1000, WINDOW = 4096 };

/* B serves. A opens connections, asks for much, and reads nothing: its windows close. */
struct siege {
    struct link l;
    plait_sock a[HOLDERS], b[HOLDERS];
    uint32_t errors; /* of B's sockets, NO_MEMORY */
};

static uint8_t block[65536];

static void siege_init(struct siege *s, unsigned holders) {
    struct plait_config of_a, of_b;
    plait_config_init(&of_a);
    plait_config_init(&of_b);
    of_a.mptcp = false;
    of_a.receive_buffer_bytes = WINDOW;
    of_b.memory_bytes_max = MEMORY;
    struct pair_setup setup = {.seed = 3, .config = {&of_a, &of_b}};
    memset(s, 0, sizeof(*s));
    pair_init(&s->l.pair, &setup);
    s->l.listener = pair_listen(&s->l.pair, LINK_PORT);
    for (unsigned i = 0; i < holders; i++) {
        s->a[i] = pair_connect(&s->l.pair, s->l.listener, LINK_PORT, PLAIT_IPV4, &s->b[i]);
    }
}

static void siege_end(struct siege *s) {
    struct stack_pair *p = &s->l.pair;
    for (unsigned i = 0; i < HOLDERS; i++) {
        if (s->a[i] != 0) {
            (void)plait_abort(p->stack[PAIR_A], s->a[i], PLAIT_E_ABORTED, p->now);
            (void)plait_close(p->stack[PAIR_A], s->a[i], p->now);
        }
        if (s->b[i] != 0) {
            (void)plait_close(p->stack[PAIR_B], s->b[i], p->now);
        }
    }
    pair_run(p, 300 * S);
    pair_fini(p);
}

/* Every connection of B writes what it may. Returns how much that is. */
static uint64_t write_all(struct siege *s) {
    struct stack_pair *p = &s->l.pair;
    uint64_t total = 0;
    for (unsigned i = 0; i < HOLDERS; i++) {
        int64_t n = s->b[i] != 0 ? 1 : 0;
        while (n > 0) {
            n = plait_write(p->stack[PAIR_B], s->b[i], block, sizeof(block), p->now);
            total += n > 0 ? (uint64_t)n : 0;
            s->errors += n == PLAIT_E_NO_MEMORY ? 1 : 0;
        }
    }
    return total;
}

static void write_for(struct siege *s, unsigned seconds) {
    for (unsigned i = 0; i < seconds * 4; i++) {
        (void)write_all(s);
        pair_run(&s->l.pair, S / 4);
        plait_stack_check(s->l.pair.stack[PAIR_B]);
    }
}

static uint64_t memory_of(struct siege *s) {
    struct plait_stack_stats stats = {.size = sizeof(stats)};
    plait_stack_stats(s->l.pair.stack[PAIR_B], &stats);
    return stats.memory_bytes;
}

static uint64_t aborts(struct siege *s) {
    return link_count(&s->l, PAIR_B, PLAIT_COUNTER_AbortOnMemory);
}

/* One more connection, with a whole transfer, while the others write all they can. */
static uint64_t serve(struct siege *s, uint64_t len) {
    struct stack_pair *p = &s->l.pair;
    plait_sock b, a = pair_connect(p, s->l.listener, LINK_PORT, PLAIT_IPV4, &b);
    plait_time start = p->now;
    assert_true(pair_transfer(p, PAIR_B, b, a, len, 60 * S));
    uint64_t took = p->now - start;
    assert_int_equal(plait_close(p->stack[PAIR_A], a, p->now), 0);
    assert_int_equal(plait_close(p->stack[PAIR_B], b, p->now), 0);
    return took;
}

/* RFC 9293 section 3.8.6.1: a zero window may last as long as there are resources. A thousand peers
 * that shut theirs do not keep others from being served, at once and later. */
static void test_zero_windows(void **state) {
    static struct siege s;
    (void)state;
    siege_init(&s, HOLDERS);
    write_for(&s, 2);
    assert_in_range(memory_of(&s), MEMORY / 2 - 70000, MEMORY / 4 * 3);
    assert_int_equal(aborts(&s), 0);
    assert_true(serve(&s, 300000) < 20 * S);
    write_for(&s, 60); /* nobody has a right to wait for ever */
    assert_true(serve(&s, 300000) < 20 * S);
    assert_true(memory_of(&s) <= MEMORY);
    siege_end(&s);
}

/* Sockets that nobody has any more give way first, and after a second; the living stay. */
static void test_orphans_first(void **state) {
    static struct siege s;
    (void)state;
    siege_init(&s, 40);
    write_for(&s, 40); /* the living are stuck for longer than the orphans will be */
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(plait_close(s.l.pair.stack[PAIR_B], s.b[i], s.l.pair.now), 0);
        s.b[i] = 0;
    }
    pair_run(&s.l.pair, 2 * S);
    assert_int_equal(aborts(&s), 0); /* nobody wants anything */
    uint64_t before = memory_of(&s);
    pl_memory_relieve(s.l.pair.stack[PAIR_B]);
    assert_int_equal(memory_of(&s), before);                        /* nobody was refused */
    s.l.pair.stack[PAIR_B]->ctx.memory.max_bytes = before * 10 / 8; /* now it is too much */
    s.l.pair.stack[PAIR_B]->ctx.memory.refused = true;
    plait_tick(s.l.pair.stack[PAIR_B], s.l.pair.now);
    assert_in_range(aborts(&s), 1, 20);
    assert_true(link_count(&s.l, PAIR_B, PLAIT_COUNTER_MemoryPressures) > 0);
    for (unsigned i = 20; i < 40; i++) {
        assert_int_equal(plait_poll(s.l.pair.stack[PAIR_B], s.b[i]) & PLAIT_POLL_DEAD, 0);
    }
    s.l.pair.stack[PAIR_B]->ctx.memory.max_bytes = MEMORY;
    siege_end(&s);
}

/* Then what has waited longest for a peer that takes nothing, and is told why. Who holds no more
 * than its share stays. */
static void test_the_stuck_then(void **state) {
    static struct siege s;
    (void)state;
    siege_init(&s, 40);
    struct plait_stack *b = s.l.pair.stack[PAIR_B];
    assert_int_equal(plait_write(b, s.b[39], block, 5000, s.l.pair.now), 5000);
    write_for(&s, 1);
    for (unsigned pass = 0; pass < 2; pass++) {
        pair_run(&s.l.pair, pass * 40 * S);
        b->ctx.memory.max_bytes = memory_of(&s);
        b->ctx.memory.refused = true;
        plait_tick(b, s.l.pair.now);
        plait_stack_check(b);
        assert_int_equal(aborts(&s) > 0, pass == 1); /* not before 30 s */
        b->ctx.memory.max_bytes = MEMORY;
    }
    assert_int_equal(plait_poll(b, s.b[39]) & PLAIT_POLL_DEAD, 0);
    assert_true(memory_of(&s) < MEMORY / 2);
    (void)write_all(&s);
    assert_int_equal(s.errors, aborts(&s));
    siege_end(&s);
}

/* A stack that is full takes no new connections, says why, and takes them again when it can. */
static void test_new_connections(void **state) {
    static struct siege s;
    struct stack_pair *p = &s.l.pair;
    struct plait_endpoint to = pair_endpoint(PAIR_A, 0, PLAIT_IPV4, 9);
    plait_sock sock;
    (void)state;
    siege_init(&s, 1);
    (void)write_all(&s);
    p->stack[PAIR_B]->ctx.memory.max_bytes = memory_of(&s);
    assert_int_equal(plait_open(p->stack[PAIR_B], &sock), 0);
    assert_true(pl_memory_full(p->stack[PAIR_B]));
    assert_int_equal(plait_connect(p->stack[PAIR_B], sock, &to, p->now), PLAIT_E_NO_MEMORY);
    uint64_t drops = link_count(&s.l, PAIR_B, PLAIT_COUNTER_DropMemory);
    plait_sock a;
    struct plait_endpoint b = pair_endpoint(PAIR_B, 0, PLAIT_IPV4, LINK_PORT);
    assert_int_equal(plait_open(p->stack[PAIR_A], &a), 0);
    assert_int_equal(plait_connect(p->stack[PAIR_A], a, &b, p->now), 0);
    pair_run(p, 100 * MS);
    assert_true(link_count(&s.l, PAIR_B, PLAIT_COUNTER_DropMemory) > drops);
    p->stack[PAIR_B]->ctx.memory.max_bytes = MEMORY;
    assert_true(pair_wait_event(p, PAIR_A, a, PLAIT_EVENT_CONNECTED, 10 * S, NULL));
    (void)plait_close(p->stack[PAIR_A], a, p->now);
    (void)plait_close(p->stack[PAIR_B], sock, p->now);
    siege_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero_windows),
        cmocka_unit_test(test_orphans_first),
        cmocka_unit_test(test_the_stuck_then),
        cmocka_unit_test(test_new_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

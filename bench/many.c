/* bench/many.c - many connections: what they cost when they are opened and closed, and when they
 * are only there. Two stacks in one process, joined by memory, on virtual time (joined.h).
 *
 *   many --open N [--subflows 1..4]
 *      opens N connections and leaves them open; prints what malloc has taken for one at either
 *      end, and the processor time of an echo on ten of them and on any of them
 *   many --rate AT_A_TIME [--subflows 1..4] [--seconds S]
 *      opens, has a byte echoed, closes; prints connections a second of processor time */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "joined.h"

enum { LISTENERS = 64, AT_A_TIME = 64, ECHOES = 20000, TEN = 10, ROUNDS_MAX = 100000 };

enum { ROUND_NS = 1000, REST_ROUNDS = 200 };

struct client {
    plait_sock sock;
    uint32_t subflows, echoed;
};

struct many {
    struct joined j;
    struct client *clients;
    uint32_t count; /* of clients */
    unsigned subflows;
    uint64_t opened, finished;
    uint32_t *done; /* clients whose echo came and whose subflows are up */
    uint32_t done_count;
};

static uint64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * PLAIT_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- the server ---- */

static void serve(struct many *m, const struct plait_event *event) {
    struct plait_stack *stack = m->j.stack[1];
    uint8_t byte[64];
    plait_sock sock;
    if (event->type == PLAIT_EVENT_ACCEPT) {
        while (plait_accept(stack, event->sock, &sock) == 0) {
        }
        return;
    }
    if (event->type != PLAIT_EVENT_READABLE) {
        return;
    }
    int64_t n = plait_read(stack, event->sock, byte, sizeof(byte), m->j.now);
    if (n > 0) {
        joined_need(plait_write(stack, event->sock, byte, (size_t)n, m->j.now) == n, "the echo");
    } else if (n == 0) {
        (void)plait_close(stack, event->sock, m->j.now);
    }
}

/* ---- the clients ---- */

static void open_client(struct many *m, uint32_t index) {
    struct plait_stack *stack = m->j.stack[0];
    struct plait_endpoint remote = joined_remote((unsigned)(m->opened++ % LISTENERS));
    struct client *c = &m->clients[index];
    *c = (struct client){.subflows = 0};
    joined_need(plait_open(stack, &c->sock) == 0, "plait_open");
    joined_need(plait_set(stack, c->sock, PLAIT_OPT_USER, index) == 0, "plait_set");
    joined_need(plait_connect(stack, c->sock, &remote, m->j.now) == 0, "plait_connect");
}

static void say(struct many *m, uint32_t index) {
    uint8_t byte = (uint8_t)index;
    joined_need(plait_write(m->j.stack[0], m->clients[index].sock, &byte, 1, m->j.now) == 1,
                "plait_write");
}

static void hear(struct many *m, uint32_t index) {
    uint8_t byte;
    if (plait_read(m->j.stack[0], m->clients[index].sock, &byte, 1, m->j.now) == 1) {
        joined_need(byte == (uint8_t)index, "the byte that came back");
        m->clients[index].echoed++;
    }
}

static void see(struct many *m, const struct plait_event *event) {
    uint32_t index = (uint32_t)event->user;
    struct client *c = &m->clients[index];
    uint32_t before = c->echoed;
    bool up = c->subflows == m->subflows;
    if (event->type == PLAIT_EVENT_CONNECTED) {
        say(m, index);
    } else if (event->type == PLAIT_EVENT_SF_ESTABLISHED) {
        c->subflows++;
    } else if (event->type == PLAIT_EVENT_READABLE) {
        hear(m, index);
    }
    bool now = c->echoed > 0 && c->subflows == m->subflows;
    if (now && !(before > 0 && up)) {
        m->done[m->done_count++] = index;
    }
}

static void round_of(struct many *m) {
    struct plait_event event;
    joined_round(&m->j);
    while (plait_event_next(m->j.stack[1], &event)) {
        serve(m, &event);
    }
    while (plait_event_next(m->j.stack[0], &event)) {
        see(m, &event);
    }
}

static void set_up(struct many *m, unsigned subflows, uint32_t clients, uint64_t round_ns) {
    joined_init(&m->j, subflows, round_ns);
    joined_listen(&m->j, LISTENERS);
    m->subflows = subflows;
    m->count = clients;
    m->clients = calloc(clients, sizeof(*m->clients));
    m->done = calloc(clients, sizeof(*m->done));
    joined_need(m->clients != NULL && m->done != NULL, "calloc");
}

static void tear_down(struct many *m) {
    joined_fini(&m->j);
    free(m->clients);
    free(m->done);
}

/* ---- connections that stay ---- */

/* Time passes in leaps until nobody has anything left to say: past the delayed acknowledgements,
 * past the questions of receivers that have just had data, and a while of silence. */
static void rest(struct many *m) {
    const uint64_t leaps_ms[] = {60, 2500, 2500};
    for (unsigned i = 0; i < sizeof(leaps_ms) / sizeof(leaps_ms[0]); i++) {
        m->j.now += leaps_ms[i] * PLAIT_NS_PER_MS;
        for (unsigned rounds = 0; rounds < REST_ROUNDS; rounds++) {
            round_of(m);
        }
    }
}

static void open_all(struct many *m) {
    uint32_t next = 0;
    for (uint64_t rounds = 0; m->finished < m->count; rounds++) {
        while (next < m->count && next - m->finished < AT_A_TIME) {
            open_client(m, next++);
        }
        round_of(m);
        m->finished += m->done_count;
        m->done_count = 0;
        joined_need(rounds < (uint64_t)m->count * 64 + ROUNDS_MAX, "opening all");
    }
    rest(m);
}

/* Processor time of one echo on a connection that pick() names. */
static double echo_ns(struct many *m, uint32_t (*pick)(struct many *m, uint32_t i)) {
    uint64_t start = cpu_ns();
    for (uint32_t i = 0; i < ECHOES; i++) {
        uint32_t index = pick(m, i), before = m->clients[index].echoed;
        say(m, index);
        for (unsigned rounds = 0; m->clients[index].echoed == before; rounds++) {
            joined_need(rounds < ROUNDS_MAX, "an echo");
            round_of(m);
        }
    }
    return (double)(cpu_ns() - start) / ECHOES;
}

static uint32_t pick_ten(struct many *m, uint32_t i) {
    return (uint32_t)((uint64_t)(i % TEN) * m->count / TEN);
}

static uint32_t pick_any(struct many *m, uint32_t i) {
    return (uint32_t)((i + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 20) % m->count;
}

static void stay(struct many *m, uint32_t connections, unsigned subflows) {
    set_up(m, subflows, connections, ROUND_NS);
    uint64_t before[2] = {m->j.env[0].bytes, m->j.env[1].bytes};
    uint64_t start = cpu_ns();
    open_all(m);
    double open_s = (double)(cpu_ns() - start) / 1e9;
    struct plait_stack_stats stats = {.size = sizeof(stats)};
    plait_stack_stats(m->j.stack[1], &stats);
    joined_need(stats.connections == connections && stats.subflows == connections * subflows,
                "all subflows");
    uint64_t bytes[2] = {(m->j.env[0].bytes - before[0]) / connections,
                         (m->j.env[1].bytes - before[1]) / connections};
    (void)echo_ns(m, pick_ten);
    double ten = echo_ns(m, pick_ten), any = echo_ns(m, pick_any);
    printf("{\"connections\": %u, \"subflows\": %u, \"bytes_active\": %" PRIu64
           ", \"bytes_passive\": %" PRIu64
           ", \"open_s\": %.1f, \"echo_ns_ten\": %.0f, \"echo_ns_any\": %.0f}\n",
           stats.connections, stats.subflows, bytes[0], bytes[1], open_s, ten, any);
}

/* ---- connections that come and go ---- */

static void replace_done(struct many *m) {
    for (uint32_t i = 0; i < m->done_count; i++) {
        uint32_t index = m->done[i];
        (void)plait_close(m->j.stack[0], m->clients[index].sock, m->j.now);
        open_client(m, index);
    }
    m->finished += m->done_count;
    m->done_count = 0;
}

static void rate(struct many *m, uint32_t at_a_time, unsigned subflows, double seconds) {
    set_up(m, subflows, at_a_time, 50 * ROUND_NS);
    for (uint32_t i = 0; i < at_a_time; i++) {
        open_client(m, i);
    }
    uint64_t start = cpu_ns(), end = start + (uint64_t)(seconds * 1e9);
    while (cpu_ns() < end) {
        for (unsigned i = 0; i < 64; i++) {
            round_of(m);
            replace_done(m);
        }
    }
    double spent = (double)(cpu_ns() - start) / 1e9;
    printf("{\"rate\": %.0f, \"connections\": %" PRIu64 ", \"at_a_time\": %u, \"subflows\": %u}\n",
           (double)m->finished / spent, m->finished, at_a_time, subflows);
}

static int usage(void) {
    fprintf(stderr, "usage: many --open N | --rate AT_A_TIME [--subflows 1..4] [--seconds S]\n");
    return 2;
}

int main(int argc, char **argv) {
    const struct option longs[] = {{"open", required_argument, NULL, 'o'},
                                   {"rate", required_argument, NULL, 'r'},
                                   {"subflows", required_argument, NULL, 's'},
                                   {"seconds", required_argument, NULL, 'd'},
                                   {NULL, 0, NULL, 0}};
    uint32_t connections = 0, at_a_time = 0;
    unsigned subflows = 1;
    double seconds = 1;
    int c;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
            case 'o':
                connections = (uint32_t)strtoul(optarg, NULL, 10);
                break;
            case 'r':
                at_a_time = (uint32_t)strtoul(optarg, NULL, 10);
                break;
            case 's':
                subflows = (unsigned)strtoul(optarg, NULL, 10);
                break;
            case 'd':
                seconds = strtod(optarg, NULL);
                break;
            default:
                return usage();
        }
    }
    if ((connections == 0) == (at_a_time == 0) || subflows < 1 || subflows > JOINED_PORTS_MAX ||
        connections > 1500000 || at_a_time > 10000 || seconds <= 0) {
        return usage();
    }
    static struct many m;
    if (connections > 0) {
        stay(&m, connections, subflows);
    } else {
        rate(&m, at_a_time, subflows, seconds);
    }
    tear_down(&m);
    return 0;
}

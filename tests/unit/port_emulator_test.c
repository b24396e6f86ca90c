/* port/emulator: an emulated link between the kernels of two network namespaces. A thread plays the
 * programs at both ends while the test runs the loop. */
#include "port/emulator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/chain.h"
#include "port/netconf.h"
#include "port/netns.h"
#include "port_netns_test.h"
#include "testenv.h"
#include "wire/addr.h"

enum {
    NEAR,
    FAR,
    SIDES,
    RTT_ROUNDS = 30,
    UDP_PORT = 4000,
    TCP_PORT = 4001,
    TRIES = 10,
    PATIENCE_MS = 20000
};
static const char *const addresses[SIDES] = {"10.77.0.1", "10.77.0.2"};

static bool allowed;
static int namespaces[SIDES] = {-1, -1};
static struct test_env env;
static uv_loop_t loop;
static uv_async_t wake;
static struct pl_emulator *emulator;
static struct pl_emulator_link *test_link;
static char names[SIDES][16];
static int udp[SIDES];

/* ---- set-up ---- */

static struct pl_link_config parse(const char *text) {
    struct pl_link_config config;
    char error[120];
    int rc = pl_link_parse(text, &config, error, sizeof(error));
    assert_string_equal(error, "");
    assert_int_equal(rc, 0);
    return config;
}

static int open_device(int side) {
    struct pl_netconf *conf = NULL;
    struct plait_addr addr;
    int fd = pl_emulator_tun("emulated%d", namespaces[side], names[side]);
    assert_true(fd >= 0);
    assert_int_equal(pl_netconf_open(&conf, namespaces[side]), 0);
    int index = pl_netconf_index(conf, names[side]);
    assert_true(index > 0);
    assert_true(pl_addr_parse(addresses[side], &addr));
    assert_int_equal(pl_netconf_address(conf, index, &addr, 24), 0);
    assert_int_equal(pl_netconf_link_up(conf, index, 1500), 0);
    pl_netconf_close(conf);
    return fd;
}

static void set_patience(int fd, unsigned ms) {
    struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
}

/* A socket bound to its side's address. The port may be the one of an earlier try, whose
 * connections are in TIME-WAIT. What is waited for comes, if late, unless something is wrong. */
static int open_socket(int side, int type, uint16_t port) {
    const int on = 1;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    int previous = pl_netns_enter(namespaces[side]);
    assert_false(pl_netns_failed(previous));
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    pl_netns_leave(previous);
    assert_true(fd >= 0);
    assert_int_equal(inet_pton(AF_INET, addresses[side], &addr.sin_addr), 1);
    if (type == SOCK_STREAM) {
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    }
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    set_patience(fd, PATIENCE_MS);
    return fd;
}

static void connect_to(int fd, int side, uint16_t port) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, addresses[side], &addr.sin_addr), 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

static void on_wake(uv_async_t *handle) {
    uv_stop(handle->loop);
}

static int setup(void **state) {
    (void)state;
    if (!allowed) {
        return 0;
    }
    udp[NEAR] = udp[FAR] = -1;
    test_env_init(&env, 1);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_async_init(&loop, &wake, on_wake), 0);
    assert_int_equal(pl_emulator_create(&emulator, &loop, &env.env), 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (!allowed) {
        return 0;
    }
    for (int side = 0; side < SIDES; side++) {
        if (udp[side] >= 0) {
            close(udp[side]);
        }
    }
    pl_emulator_destroy(emulator);
    uv_close((uv_handle_t *)&wake, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(env.live_count, 0);
    return 0;
}

static void start(const char *up, const char *down) {
    struct pl_link_config configs[SIDES] = {parse(up), parse(down)};
    int fds[SIDES] = {open_device(NEAR), open_device(FAR)};
    assert_int_equal(pl_emulator_add(emulator, fds, &configs[NEAR], &configs[FAR], 1, &test_link),
                     0);
    for (int side = 0; side < SIDES; side++) {
        udp[side] = open_socket(side, SOCK_DGRAM, UDP_PORT);
    }
    for (int side = 0; side < SIDES; side++) {
        connect_to(udp[side], 1 - side, UDP_PORT);
    }
}

/* Runs the loop while `program` runs in a thread. */
static void run(void *(*program)(void *), void *argument) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, program, argument), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static struct pl_emulator_stats stats(enum pl_emulator_direction direction) {
    struct pl_emulator_stats out;
    pl_emulator_stats(test_link, direction, &out);
    return out;
}

/* ---- programs ---- */

struct rtt {
    unsigned answers;
    uint64_t ns_min, ns_median;
};

static bool echo_once(char number) {
    char buf[100] = {number};
    return send(udp[NEAR], buf, sizeof(buf), 0) == sizeof(buf) &&
           recv(udp[FAR], buf, sizeof(buf), 0) == sizeof(buf) && buf[0] == number &&
           send(udp[FAR], buf, sizeof(buf), 0) == sizeof(buf) &&
           recv(udp[NEAR], buf, sizeof(buf), 0) == sizeof(buf) && buf[0] == number;
}

static void *measure_rtt(void *argument) {
    struct rtt *rtt = argument;
    uint64_t sorted[RTT_ROUNDS];
    memset(rtt, 0, sizeof(*rtt));
    for (char i = 0; i < RTT_ROUNDS; i++) {
        uint64_t begin = uv_hrtime();
        if (!echo_once(i)) {
            continue;
        }
        uint64_t took = uv_hrtime() - begin;
        unsigned at = rtt->answers++;
        for (; at > 0 && sorted[at - 1] > took; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = took;
    }
    if (rtt->answers > 0) {
        rtt->ns_min = sorted[0];
        rtt->ns_median = sorted[rtt->answers / 2];
    }
    uv_async_send(&wake);
    return NULL;
}

struct bulk {
    int listener, sender;
    uint64_t bytes, ns;           /* received, since the beginning */
    uint64_t warm_bytes, warm_ns; /* the same, of the first quarter of a second */
};

static void *fill(void *argument) {
    static const char zeros[65536];
    const struct bulk *bulk = argument;
    while (send(bulk->sender, zeros, sizeof(zeros), MSG_NOSIGNAL) > 0) {
    }
    return NULL;
}

static void *measure_bulk(void *argument) {
    struct bulk *bulk = argument;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(TCP_PORT)};
    char buf[65536];
    pthread_t filler;
    inet_pton(AF_INET, addresses[FAR], &to.sin_addr);
    bool connected = connect(bulk->sender, (struct sockaddr *)&to, sizeof(to)) == 0;
    int receiver = connected ? accept(bulk->listener, NULL, NULL) : -1;
    uint64_t begin = uv_hrtime();
    if (receiver >= 0 && pthread_create(&filler, NULL, fill, bulk) == 0) {
        set_patience(receiver, 100);
        while (bulk->ns < 1250 * PLAIT_NS_PER_MS) {
            ssize_t n = recv(receiver, buf, sizeof(buf), 0);
            bulk->bytes += n > 0 ? (uint64_t)n : 0;
            bulk->ns = uv_hrtime() - begin;
            if (bulk->ns < 250 * PLAIT_NS_PER_MS) {
                bulk->warm_bytes = bulk->bytes;
                bulk->warm_ns = bulk->ns;
            }
        }
        shutdown(bulk->sender, SHUT_RDWR);
        close(receiver);
        pthread_join(filler, NULL);
    }
    uv_async_send(&wake);
    return NULL;
}

/* A burst of datagrams from the near side. */
static void *send_burst(void *argument) {
    char buf[1000] = {0};
    for (unsigned i = *(const unsigned *)argument; i > 0; i--) {
        (void)send(udp[NEAR], buf, sizeof(buf), 0);
    }
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    uv_async_send(&wake);
    return NULL;
}

/* Runs the loop until a direction has done away with so many packets, here or there. */
static void until_refused(enum pl_emulator_direction direction, uint64_t count) {
    uint64_t end = uv_hrtime() + PATIENCE_MS * PLAIT_NS_PER_MS, refused = 0;
    while (refused < count && uv_hrtime() < end) {
        uv_run(&loop, UV_RUN_NOWAIT);
        struct pl_emulator_stats now = stats(direction);
        refused = now.link.drop_packets[PL_LINK_DROP_DOWN] + now.write_refused;
    }
    assert_true(refused >= count);
}

/* ---- tests ---- */

/* A busy machine makes everything late, and nothing early: what may not be late has some tries. */
static void in_time(bool (*attempt)(void)) {
    bool done = false;
    for (unsigned i = 0; i < TRIES && !done; i++) {
        done = attempt();
    }
    assert_true(done);
}

static bool round_trip_in_15_ms(void) {
    struct rtt rtt;
    run(measure_rtt, &rtt);
    assert_int_equal(rtt.answers, RTT_ROUNDS);
    assert_true(rtt.ns_min >= 15 * PLAIT_NS_PER_MS);
    return rtt.ns_min <= 16 * PLAIT_NS_PER_MS;
}

static void round_trip_is_the_sum_of_the_delays(void **state) {
    (void)state;
    if (!allowed) {
        skip();
    }
    start("delay 10ms", "delay 5ms");
    in_time(round_trip_in_15_ms);
    assert_true(stats(PL_EMULATOR_UP).link.out_packets >= RTT_ROUNDS);
    assert_true(stats(PL_EMULATOR_DOWN).link.out_packets >= RTT_ROUNDS);
    assert_int_equal(stats(PL_EMULATOR_UP).write_full + stats(PL_EMULATOR_UP).write_refused, 0);
}

static bool tcp_at_10_mbit(void) {
    struct bulk bulk = {0};
    bulk.listener = open_socket(FAR, SOCK_STREAM, TCP_PORT);
    bulk.sender = open_socket(NEAR, SOCK_STREAM, 0);
    assert_int_equal(listen(bulk.listener, 1), 0);
    run(measure_bulk, &bulk);
    assert_true(bulk.ns > 0);
    close(bulk.listener);
    close(bulk.sender);
    /* Never faster than the link, however late somebody reads what has come. */
    assert_true(bulk.bytes * 8 * 1000 / (bulk.ns / PLAIT_NS_PER_MS) <= 10000000);
    uint64_t bytes = bulk.bytes - bulk.warm_bytes, ns = bulk.ns - bulk.warm_ns;
    return bytes * 8 * 1000 / (ns / PLAIT_NS_PER_MS) >= 10000000 * 92 / 100;
}

static void tcp_fills_the_rate(void **state) {
    (void)state;
    if (!allowed) {
        skip();
    }
    start("rate 10mbit delay 10ms limit 400", "rate 10mbit delay 10ms limit 400");
    in_time(tcp_at_10_mbit);
}

static bool round_trip_in_21_ms(void) {
    struct rtt rtt;
    run(measure_rtt, &rtt);
    assert_int_equal(rtt.answers, RTT_ROUNDS);
    assert_true(rtt.ns_min >= 21 * PLAIT_NS_PER_MS);
    return rtt.ns_min <= 22 * PLAIT_NS_PER_MS;
}

static void settings_change_while_running(void **state) {
    struct rtt rtt;
    (void)state;
    if (!allowed) {
        skip();
    }
    start("delay 1ms", "delay 1ms");
    run(measure_rtt, &rtt);
    assert_int_equal(rtt.answers, RTT_ROUNDS);
    struct pl_link_config config = parse("delay 20ms");
    assert_int_equal(pl_emulator_set(test_link, PL_EMULATOR_DOWN, &config), 0);
    in_time(round_trip_in_21_ms);
    config = parse("down");
    unsigned burst = 20;
    uint64_t out = stats(PL_EMULATOR_UP).link.out_packets;
    assert_int_equal(pl_emulator_set(test_link, PL_EMULATOR_UP, &config), 0);
    run(send_burst, &burst);
    until_refused(PL_EMULATOR_UP, burst);
    assert_int_equal(stats(PL_EMULATOR_UP).link.out_packets, out);
    config = parse("delay 1ms");
    assert_int_equal(pl_emulator_set(test_link, PL_EMULATOR_UP, &config), 0);
    run(measure_rtt, &rtt);
    assert_int_equal(rtt.answers, RTT_ROUNDS);
    config.delay_ns = UINT64_MAX;
    assert_int_equal(pl_emulator_set(test_link, PL_EMULATOR_UP, &config), PLAIT_E_BAD_ARGUMENT);
}

static bool burst_overflows(void) {
    unsigned burst = 100;
    struct pl_emulator_stats before = stats(PL_EMULATOR_UP);
    run(send_burst, &burst);
    struct pl_emulator_stats up = stats(PL_EMULATOR_UP);
    assert_true(up.link.queue_bytes_max <= 10280); /* 1028 bytes each */
    return up.link.drop_packets[PL_LINK_DROP_QUEUE] -
                   before.link.drop_packets[PL_LINK_DROP_QUEUE] >=
               50 &&
           up.link.out_packets - before.link.out_packets >= 10 && up.link.queue_bytes_max >= 9000;
}

static void queue_overflow_is_counted(void **state) {
    (void)state;
    if (!allowed) {
        skip();
    }
    start("rate 8mbit limit 10", "");
    in_time(burst_overflows);
}

/* Every answer meets the next question's opportunity: one round trip per 5 ms. */
static bool round_trip_per_5_ms(void) {
    struct rtt rtt;
    uint64_t begin = uv_hrtime();
    run(measure_rtt, &rtt);
    assert_int_equal(rtt.answers, RTT_ROUNDS);
    assert_true(uv_hrtime() - begin >= (RTT_ROUNDS - 1) * 5 * PLAIT_NS_PER_MS);
    return rtt.ns_median >= 4500 * PLAIT_NS_PER_US && rtt.ns_median <= 5500 * PLAIT_NS_PER_US;
}

static void trace_starts_now_and_goes_on(void **state) {
    struct pl_mahimahi trace;
    char error[80];
    (void)state;
    if (!allowed) {
        skip();
    }
    start("", "");
    assert_int_equal(pl_mahimahi_parse(&trace, &env.env, "5\n", 2, error, sizeof(error)), 0);
    struct pl_link_config config = parse("trace five");
    assert_int_equal(pl_emulator_set(test_link, PL_EMULATOR_UP, &config), PLAIT_E_BAD_ARGUMENT);
    config.trace = &trace;
    assert_int_equal(pl_emulator_set(test_link, PL_EMULATOR_UP, &config), 0);
    in_time(round_trip_per_5_ms);
    pl_emulator_remove(test_link);
    pl_mahimahi_fini(&trace);
}

static void device_that_is_gone_refuses(void **state) {
    struct rtt rtt;
    unsigned burst = 10;
    (void)state;
    if (!allowed) {
        skip();
    }
    start("", "");
    run(measure_rtt, &rtt);
    assert_int_equal(rtt.answers, RTT_ROUNDS);
    assert_false(stats(PL_EMULATOR_DOWN).gone);
    struct pl_netconf *conf = NULL;
    assert_int_equal(pl_netconf_open(&conf, namespaces[FAR]), 0);
    assert_int_equal(pl_netconf_link_delete(conf, names[FAR]), 0);
    pl_netconf_close(conf);
    run(send_burst, &burst);
    until_refused(PL_EMULATOR_UP, burst);
    assert_int_equal(stats(PL_EMULATOR_UP).link.drop_packets[PL_LINK_DROP_DOWN], 0);
    assert_true(stats(PL_EMULATOR_DOWN).gone);
    assert_false(stats(PL_EMULATOR_UP).gone);
}

/* ---- boxes ---- */

static void put_boxes(const char *first, const char *second) {
    struct pl_box_config boxes[2];
    assert_true(pl_box_parse(first, &boxes[0]));
    assert_true(pl_box_parse(second, &boxes[1]));
    assert_int_equal(pl_emulator_boxes(test_link, boxes, 2), 0);
}

struct word {
    int listener, client;
    ssize_t got, answered;
};

/* One byte each way on a connection from the near side. */
static void *exchange(void *argument) {
    struct word *word = argument;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(TCP_PORT)};
    char buf[4];
    inet_pton(AF_INET, addresses[FAR], &to.sin_addr);
    bool connected = connect(word->client, (struct sockaddr *)&to, sizeof(to)) == 0;
    int far = connected ? accept(word->listener, NULL, NULL) : -1;
    if (far >= 0) {
        set_patience(far, PATIENCE_MS);
        word->got = send(word->client, "?", 1, MSG_NOSIGNAL) == 1 ? recv(far, buf, 4, 0) : -1;
        word->answered = send(far, "!", 1, MSG_NOSIGNAL) == 1 ? recv(word->client, buf, 4, 0) : -1;
        close(far);
    }
    uv_async_send(&wake);
    return NULL;
}

static struct word exchange_words(void) {
    struct word word = {.listener = open_socket(FAR, SOCK_STREAM, TCP_PORT),
                        .client = open_socket(NEAR, SOCK_STREAM, 0)};
    assert_int_equal(listen(word.listener, 1), 0);
    run(exchange, &word);
    close(word.client);
    close(word.listener);
    return word;
}

/* A box that holds a packet lets go by its clock, one that resets answers the host itself; a row
 * is in order from device 0 on. */
static void boxes_stand_at_device_0(void **state) {
    (void)state;
    if (!allowed) {
        skip();
    }
    start("", "");
    put_boxes("coalesce", "dup/out");
    struct word word = exchange_words();
    assert_int_equal(word.got, 1);
    assert_int_equal(word.answered, 1);
    assert_true(pl_emulator_box_acted(test_link, 1) >= 3); /* SYN, ACK, payload */
    put_boxes("dup/in", "rst/out");
    word = exchange_words();
    assert_true(word.got <= 0 || word.answered <= 0);
    assert_int_equal(pl_emulator_box_acted(test_link, 1), 1);
    assert_true(pl_emulator_box_acted(test_link, 0) >= 2); /* SYN/ACK, the reset */
    assert_int_equal(pl_emulator_boxes(test_link, NULL, 0), 0);
    word = exchange_words();
    assert_int_equal(word.got, 1);
    assert_int_equal(word.answered, 1);
}

static void too_many_boxes_leave_none(void **state) {
    struct pl_box_config boxes[PL_CHAIN_MAX + 1];
    (void)state;
    if (!allowed) {
        skip();
    }
    start("", "");
    for (unsigned i = 0; i <= PL_CHAIN_MAX; i++) {
        assert_true(pl_box_parse("drop-syn", &boxes[i]));
    }
    assert_int_equal(pl_emulator_boxes(test_link, boxes, PL_CHAIN_MAX + 1), PLAIT_E_BAD_ARGUMENT);
    assert_int_equal(pl_emulator_boxes(test_link, boxes, PL_CHAIN_MAX), 0);
    env.fail_at = env.alloc_count + 1;
    assert_int_equal(pl_emulator_boxes(test_link, boxes, 1), PLAIT_E_NO_MEMORY);
    env.fail_at = 0;
    struct word word = exchange_words();
    assert_int_equal(word.got, 1);
}

static void bad_input_leaves_nothing_behind(void **state) {
    struct pl_link_config good = parse(""), bad = parse("");
    (void)state;
    if (!allowed) {
        skip();
    }
    bad.corrupt_ppm = PL_PPM_ONE + 1;
    for (int i = 0; i < 2; i++) {
        int fds[SIDES] = {open_device(NEAR), open_device(FAR)};
        struct pl_emulator_link *link = NULL;
        assert_int_equal(
            pl_emulator_add(emulator, fds, i == 0 ? &bad : &good, i == 0 ? &good : &bad, 1, &link),
            PLAIT_E_BAD_ARGUMENT);
        assert_null(link);
        assert_true(close(fds[NEAR]) < 0 && errno == EBADF);
        assert_true(close(fds[FAR]) < 0 && errno == EBADF);
    }
    assert_int_equal(pl_emulator_tun("a_name_that_is_too_long", -1, NULL), -EINVAL);
    assert_int_equal(pl_emulator_tun("lo", namespaces[NEAR], NULL), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip_is_the_sum_of_the_delays, setup, teardown),
        cmocka_unit_test_setup_teardown(tcp_fills_the_rate, setup, teardown),
        cmocka_unit_test_setup_teardown(settings_change_while_running, setup, teardown),
        cmocka_unit_test_setup_teardown(queue_overflow_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(trace_starts_now_and_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(device_that_is_gone_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(boxes_stand_at_device_0, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_boxes_leave_none, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_input_leaves_nothing_behind, setup, teardown),
    };
    if (netns_test_enter()) {
        namespaces[NEAR] = pl_netns_open_path("/proc/self/ns/net");
        namespaces[FAR] = netns_test_another();
    }
    allowed = namespaces[NEAR] >= 0 && namespaces[FAR] >= 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

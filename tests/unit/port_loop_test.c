/* A stack behind a TUN device echoes what the kernel sends it; one libuv loop drives both. */
#include "port/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "port/netconf.h"
#include "port_netns_test.h"
#include "wire/addr.h"

enum { TOTAL = 3 << 20, PORT = 80, PATIENCE_MS = 10000 };

static bool allowed;
static struct pl_loop loop;
static struct pl_loop_port *port;
static plait_sock listener, echo;
static unsigned gone_count;

/* The kernel's side of the connection. */
static struct {
    int fd;
    uv_poll_t poll;
    size_t sent, got;
    bool wrong, closed;
} client;
static uint8_t pattern[65536 + 256];

static void pump_echo(plait_time now) {
    static uint8_t held[100000];
    static size_t held_len;
    for (;;) {
        while (held_len > 0) {
            int64_t n = plait_write(loop.stack, echo, held, held_len, now);
            if (n < 0) {
                return;
            }
            memmove(held, held + n, held_len - (size_t)n);
            held_len -= (size_t)n;
        }
        int64_t n = plait_read(loop.stack, echo, held, sizeof(held), now);
        if (n <= 0) {
            if (n == 0) {
                assert_int_equal(plait_shutdown(loop.stack, echo, now), 0);
            }
            return;
        }
        held_len = (size_t)n;
    }
}

static void on_event(void *user, const struct plait_event *event, plait_time now) {
    (void)user;
    if (event->sock == listener) {
        assert_int_equal(plait_accept(loop.stack, listener, &echo), 0);
        pump_echo(now);
    } else if (event->type == PLAIT_EVENT_READABLE || event->type == PLAIT_EVENT_WRITABLE) {
        pump_echo(now);
    }
}

static void on_gone(void *user, struct pl_loop_port *which) {
    (void)user;
    assert_ptr_equal(which, port);
    gone_count++;
    pl_loop_remove_port(&loop, which);
    pl_loop_stop(&loop);
}

static void on_patience(uv_timer_t *timer) {
    (void)timer;
    pl_loop_stop(&loop);
}

static void read_client(void) {
    uint8_t buffer[65536];
    ssize_t n;
    while ((n = read(client.fd, buffer, sizeof(buffer))) > 0) {
        client.wrong |= memcmp(buffer, pattern + client.got % 251, (size_t)n) != 0;
        client.got += (size_t)n;
    }
    if (n == 0) {
        client.closed = true;
        pl_loop_stop(&loop);
    }
}

static void on_client(uv_poll_t *poll, int status, int events) {
    (void)status;
    if ((events & UV_READABLE) != 0) {
        read_client();
    }
    if ((events & UV_WRITABLE) == 0) {
        return;
    }
    size_t left = TOTAL - client.sent;
    ssize_t n = write(client.fd, pattern + client.sent % 251, left < 65536 ? left : 65536);
    if (n > 0) {
        client.sent += (size_t)n;
    }
    if (client.sent == TOTAL) {
        shutdown(client.fd, SHUT_WR);
        uv_poll_start(poll, UV_READABLE, on_client);
    }
}

static struct plait_addr addr(const char *text) {
    struct plait_addr value;
    assert_true(pl_addr_parse(text, &value));
    return value;
}

static void add_device(const char *name) {
    struct pl_tun tun;
    struct pl_netconf *conf;
    struct plait_port_config config = {.size = sizeof(config), .name = "test", .mtu = 1500};
    struct plait_addr kernel = addr("10.9.7.1"), stack = addr("10.9.7.2");
    config.flags = PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM;
    assert_int_equal(pl_tun_open(&tun, name, -1), 0);
    assert_int_equal(pl_netconf_open(&conf, -1), 0);
    int index = pl_netconf_index(conf, name);
    assert_int_equal(pl_netconf_address(conf, index, &kernel, 24), 0);
    assert_int_equal(pl_netconf_link_up(conf, index, 1500), 0);
    pl_netconf_close(conf);
    assert_int_equal(pl_loop_add_port(&loop, &tun, &config, &port), 0);
    assert_true(plait_address_add(loop.stack, port->io.id, &stack, 0, 0, 0, pl_posix_now()) > 0);
}

static int setup(void **state) {
    (void)state;
    struct plait_config config;
    struct pl_loop_callbacks callbacks = {.event = on_event, .gone = on_gone};
    if (!allowed) {
        return 0;
    }
    gone_count = 0;
    plait_config_init(&config);
    assert_int_equal(pl_loop_init(&loop, &config, &callbacks), 0);
    add_device("plaitloop");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (allowed) {
        pl_loop_fini(&loop);
    }
    return 0;
}

static void run_with_patience(void) {
    uv_timer_t patience;
    uv_timer_init(&loop.uv, &patience);
    uv_timer_start(&patience, on_patience, PATIENCE_MS, 0);
    pl_loop_run(&loop);
    uv_close((uv_handle_t *)&patience, NULL);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
}

static void start_client(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    memset(&client, 0, sizeof(client));
    inet_pton(AF_INET, "10.9.7.2", &to.sin_addr);
    client.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(client.fd, (struct sockaddr *)&to, sizeof(to)), -1);
    uv_poll_init(&loop.uv, &client.poll, client.fd);
    uv_poll_start(&client.poll, UV_READABLE | UV_WRITABLE, on_client);
}

static void test_echo(void **state) {
    (void)state;
    if (!allowed) {
        skip();
    }
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (uint8_t)(i % 251);
    }
    assert_int_equal(plait_open(loop.stack, &listener), 0);
    assert_int_equal(plait_bind(loop.stack, listener, port->io.id, NULL, PORT), 0);
    assert_int_equal(plait_listen(loop.stack, listener, 4), 0);
    start_client();
    run_with_patience();
    assert_true(client.closed);
    assert_false(client.wrong);
    assert_int_equal(client.got, TOTAL);
    assert_true(port->io.rx_bytes > TOTAL);
    assert_true(port->io.tx_bytes > TOTAL);
    /* Offloads at work: far fewer packets than segments of 1460 bytes. */
    assert_true(port->io.rx_packets < TOTAL / 1460);
    uv_close((uv_handle_t *)&client.poll, NULL);
    close(client.fd);
}

/* What sending leaves to be done at once is done before the loop sleeps: a timer that fires at once
 * would cost more than the packet. */
static void test_nothing_left_over(void **state) {
    (void)state;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    if (!allowed) {
        skip();
    }
    echo = 0;
    assert_int_equal(plait_open(loop.stack, &listener), 0);
    assert_int_equal(plait_bind(loop.stack, listener, port->io.id, NULL, PORT), 0);
    assert_int_equal(plait_listen(loop.stack, listener, 4), 0);
    inet_pton(AF_INET, "10.9.7.2", &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
    for (unsigned i = 0; i < 1000 && echo == 0; i++) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    assert_true(echo != 0);
    plait_time before = pl_posix_now();
    assert_int_equal(plait_write(loop.stack, echo, "x", 1, before), 1);
    pl_loop_settle(&loop);
    assert_true(plait_deadline(loop.stack) >= before + 20 * PLAIT_NS_PER_MS);
    close(fd);
}

static void test_device_vanishes(void **state) {
    (void)state;
    struct pl_netconf *conf;
    if (!allowed) {
        skip();
    }
    assert_int_equal(pl_netconf_open(&conf, -1), 0);
    assert_int_equal(pl_netconf_link_delete(conf, "plaitloop"), 0);
    pl_netconf_close(conf);
    run_with_patience();
    assert_int_equal(gone_count, 1);
    assert_int_equal(loop.port_count, 0);
    add_device("plaitagain");
    assert_int_equal(loop.port_count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_echo, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_left_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_device_vanishes, setup, teardown),
    };
    allowed = netns_test_enter() && access("/dev/net/tun", R_OK | W_OK) == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

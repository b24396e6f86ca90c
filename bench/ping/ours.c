/* bench/ping/ours.c - our client of a ping-pong, behind a TUN device.
 *
 *   ours NAMESPACE DEVICE ADDRESS REMOTE PORT COUNT LOAD BUSY
 *
 * Creates the device, prints OPEN, and waits for a line on stdin: then the device is up and routed.
 * The rest is as in kernel.c; with BUSY 1 the loop never sleeps. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ping.h"
#include "plait/plait.h"
#include "port/loop.h"
#include "port/netns.h"

enum { MTU = 1500, CHUNK = 1 << 16 };

struct ours {
    struct pl_loop loop;
    struct plait_endpoint remote;
    plait_sock sock, bulk;
    struct ping_times times;
    unsigned done; /* answers that came, PING_WARM included */
    unsigned have; /* bytes of the present one */
    plait_time start;
    uv_timer_t begin; /* when the load has filled the queue */
    bool over;
};

static struct ours ours;

static _Noreturn void die(const char *what, const char *why) {
    fprintf(stderr, "ours: %s: %s\n", what, why);
    exit(1);
}

static void need(int error, const char *what) {
    if (error < 0) {
        die(what, plait_error_text(error));
    }
}

static struct plait_addr parse_address(const char *text) {
    struct plait_addr addr = {.family = PLAIT_IPV4};
    if (inet_pton(AF_INET, text, addr.bytes) != 1) {
        die("not an address", text);
    }
    return addr;
}

static plait_sock connect_to(unsigned port) {
    struct plait_endpoint to = ours.remote;
    plait_sock sock;
    to.port = (uint16_t)port;
    need(plait_open(ours.loop.stack, &sock), "open");
    need(plait_set(ours.loop.stack, sock, PLAIT_OPT_NODELAY, 1), "set");
    need(plait_connect(ours.loop.stack, sock, &to, pl_posix_now()), "connect");
    return sock;
}

static void ping(void) {
    static const uint8_t bytes[PING_BYTES];
    ours.have = 0;
    ours.start = pl_posix_now();
    if (plait_write(ours.loop.stack, ours.sock, bytes, sizeof(bytes), ours.start) != PING_BYTES) {
        die("write", "did not take 64 bytes");
    }
}

static void on_begin(uv_timer_t *timer) {
    (void)timer;
    ping();
}

static void answered(void) {
    ping_times_add(&ours.times, ours.done++, pl_posix_now() - ours.start);
    if (ours.done < ours.times.count + PING_WARM) {
        ping();
        return;
    }
    ours.over = true;
    pl_loop_stop(&ours.loop);
}

static void read_answer(plait_time now) {
    uint8_t bytes[PING_BYTES];
    int64_t n = plait_read(ours.loop.stack, ours.sock, bytes, sizeof(bytes) - ours.have, now);
    ours.have += n > 0 ? (unsigned)n : 0;
    if (ours.have == PING_BYTES) {
        answered();
    }
}

static void swallow(plait_time now) {
    static uint8_t chunk[CHUNK];
    while (plait_read(ours.loop.stack, ours.bulk, chunk, sizeof(chunk), now) > 0) {
    }
}

static void on_event(void *user, const struct plait_event *event, plait_time now) {
    (void)user;
    if (event->type == PLAIT_EVENT_ERROR) {
        die("connection", plait_error_text(event->error));
    }
    if (ours.over) {
        return;
    }
    if (event->type == PLAIT_EVENT_CONNECTED && event->sock == ours.sock) {
        uv_timer_start(&ours.begin, on_begin, ours.bulk != 0 ? PING_LOAD_MS : 0, 0);
    } else if (event->type == PLAIT_EVENT_READABLE) {
        event->sock == ours.sock ? read_answer(now) : swallow(now);
    }
}

static void open_device(const char *space, const char *device, const char *address) {
    struct plait_port_config config = {.size = sizeof(config), .name = "ping", .mtu = MTU};
    struct plait_addr addr = parse_address(address);
    struct pl_loop_port *port;
    struct pl_tun tun;
    char path[128];
    snprintf(path, sizeof(path), "/run/netns/%s", space);
    int ns = pl_netns_open_path(path);
    if (ns < 0 || pl_tun_open(&tun, device, ns) < 0) {
        die(device, "cannot be opened");
    }
    close(ns);
    config.flags = tun.vnet ? PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM : 0;
    need(pl_loop_add_port(&ours.loop, &tun, &config, &port), "port");
    need(plait_address_add(ours.loop.stack, port->io.id, &addr, 0, 0, 0, pl_posix_now()),
         "address");
    puts("OPEN");
    fflush(stdout);
    (void)!read(STDIN_FILENO, path, 1);
}

int main(int argc, char **argv) {
    struct pl_loop_callbacks callbacks = {.user = &ours, .event = on_event};
    struct plait_config config;
    if (argc != 9) {
        die("usage", "ours NAMESPACE DEVICE ADDRESS REMOTE PORT COUNT LOAD BUSY");
    }
    plait_config_init(&config);
    need(pl_loop_init(&ours.loop, &config, &callbacks), "loop");
    open_device(argv[1], argv[2], argv[3]);
    ours.remote.addr = parse_address(argv[4]);
    ping_times_init(&ours.times, (unsigned)strtoul(argv[6], NULL, 10));
    uv_timer_init(&ours.loop.uv, &ours.begin);
    unsigned port = (unsigned)strtoul(argv[5], NULL, 10);
    ours.sock = connect_to(port);
    if (strcmp(argv[7], "1") == 0) {
        ours.bulk = connect_to(port + 1);
    }
    bool busy = strcmp(argv[8], "1") == 0;
    while (busy && !ours.over) {
        uv_run(&ours.loop.uv, UV_RUN_NOWAIT);
    }
    if (!busy) {
        pl_loop_run(&ours.loop);
    }
    ping_times_print(&ours.times);
    uv_close((uv_handle_t *)&ours.begin, NULL);
    pl_loop_fini(&ours.loop);
    return 0;
}

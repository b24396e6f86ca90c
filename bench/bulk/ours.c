/* bench/bulk/ours.c - our ends of one bulk transfer, each behind TUN devices of its own.
 *
 *   ours NAMESPACE NET DEVICES FLAGS sink PORT
 *   ours NAMESPACE NET DEVICES FLAGS send ADDRESS PORT SECONDS
 *
 * Creates the devices bulkNETx1 to bulkNETxDEVICES in the namespace, with the addresses 10.NET.i.2,
 * prints OPEN, and waits for a line on stdin: then they are up and routed. A sender opens a subflow
 * over each device, a sink announces each of its addresses. FLAGS are
 * letters: c for DSS checksums, r to write by reference and to read in place, - for nothing. What
 * is printed at the end is what kernel.c prints. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "plait/plait.h"
#include "port/loop.h"
#include "port/netns.h"

enum { CHUNK = 1 << 18, MTU = 1500, UNSENT = 1 << 18, SOURCES = 4 };

struct usage {
    plait_time at;
    double cpu_s;
};

struct ours {
    struct pl_loop loop;
    plait_sock sock, listener;
    plait_time duration, end; /* of a sender */
    uint64_t bytes;
    struct usage from;
    uv_timer_t timer;
    bool ended, sends, by_reference;
    struct plait_buf *source[SOURCES]; /* what is sent by reference, in turn */
    unsigned source_next;
};

static uint8_t chunk[CHUNK];
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

static struct usage usage_now(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (struct usage){.at = pl_posix_now(),
                          .cpu_s = (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
                                   (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6};
}

static void report(void) {
    struct usage to = usage_now();
    struct plait_subflow_info info[8] = {{.size = sizeof(info[0])}};
    int subflows = plait_subflows(ours.loop.stack, ours.sock, info, 8);
    printf("{\"bytes\": %" PRIu64 ", \"seconds\": %.4f, \"cpu_s\": %.4f, \"subflows\": %d}\n",
           ours.bytes, (double)(to.at - ours.from.at) / 1e9, to.cpu_s - ours.from.cpu_s, subflows);
}

static void over(uv_timer_t *timer) {
    (void)timer;
    pl_loop_stop(&ours.loop);
}

static int64_t write_some(plait_time now) {
    if (!ours.by_reference) {
        return plait_write(ours.loop.stack, ours.sock, chunk, sizeof(chunk), now);
    }
    struct plait_buf *buf = ours.source[ours.source_next++ % SOURCES];
    return plait_write_buf(ours.loop.stack, ours.sock, buf, 0, buf->len, now);
}

static int64_t read_some(plait_time now) {
    if (!ours.by_reference) {
        return plait_read(ours.loop.stack, ours.sock, chunk, sizeof(chunk), now);
    }
    struct plait_slice slices[64];
    size_t len = 0;
    int n = plait_peek(ours.loop.stack, ours.sock, slices, 64);
    for (int i = 0; i < n; i++) {
        len += slices[i].len;
    }
    return plait_skip(ours.loop.stack, ours.sock, len > 0 ? len : 1, now);
}

static void make_sources(void) {
    for (unsigned i = 0; i < SOURCES; i++) {
        ours.source[i] = plait_buf_alloc(&ours.loop.posix.env, CHUNK / SOURCES);
        need(ours.source[i] != NULL ? 0 : PLAIT_E_NO_MEMORY, "buffer");
        memset(ours.source[i]->data, 0, CHUNK / SOURCES);
        ours.source[i]->len = CHUNK / SOURCES;
    }
}

static void write_more(plait_time now) {
    int64_t n = 1;
    while (n > 0 && now < ours.end) {
        n = write_some(now);
        ours.bytes += n > 0 ? (uint64_t)n : 0;
    }
    if (n < 0 && n != PLAIT_E_AGAIN) {
        die("write", plait_error_text((int)n));
    }
    if (now >= ours.end && !ours.ended) {
        ours.ended = true;
        need(plait_shutdown(ours.loop.stack, ours.sock, now), "shutdown");
    }
}

static void read_all(plait_time now) {
    int64_t n = 1;
    while (n > 0) {
        n = read_some(now);
        if (n > 0 && ours.bytes == 0) {
            ours.from = usage_now();
        }
        ours.bytes += n > 0 ? (uint64_t)n : 0;
    }
    if (n == 0 && !ours.ended) {
        ours.ended = true;
        report();
        plait_close(ours.loop.stack, ours.sock, now);
        uv_timer_start(&ours.timer, over, 100, 0);
    } else if (n < 0 && n != PLAIT_E_AGAIN && !ours.ended) {
        die("read", plait_error_text((int)n));
    }
}

/* The other end has everything and says so. */
static void sent_all(void) {
    if (!uv_is_active((uv_handle_t *)&ours.timer)) {
        report();
        uv_timer_start(&ours.timer, over, 100, 0);
    }
}

static void on_event(void *user, const struct plait_event *event, plait_time now) {
    (void)user;
    if (event->type == PLAIT_EVENT_ERROR) {
        die("connection", plait_error_text(event->error));
    }
    if (event->type == PLAIT_EVENT_ACCEPT) {
        need(plait_accept(ours.loop.stack, ours.listener, &ours.sock), "accept");
    }
    if (event->type == PLAIT_EVENT_CONNECTED && ours.sends) {
        ours.from = usage_now();
        ours.end = now + ours.duration;
    }
    if (ours.sends && ours.end != 0) {
        if (!ours.ended) {
            write_more(now);
        } else if (event->type == PLAIT_EVENT_READABLE || event->type == PLAIT_EVENT_CLOSED) {
            sent_all();
        }
    } else if (!ours.sends && ours.sock != 0) {
        read_all(now);
    }
}

static void open_device(const char *space, const char *net, unsigned i) {
    struct plait_port_config config = {.size = sizeof(config), .mtu = MTU};
    struct plait_addr addr = {.bytes = {10, (uint8_t)strtoul(net, NULL, 10), (uint8_t)i, 2},
                              .family = PLAIT_IPV4};
    struct pl_tun tun;
    struct pl_loop_port *port;
    char path[128], name[16];
    snprintf(path, sizeof(path), "/run/netns/%s", space);
    snprintf(name, sizeof(name), "bulk%sx%u", net, i);
    int ns = pl_netns_open_path(path);
    if (ns < 0 || pl_tun_open(&tun, name, ns) < 0) {
        die(name, "cannot be opened");
    }
    close(ns);
    memcpy(config.name, name, sizeof(config.name));
    config.flags = tun.vnet ? PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM : 0;
    need(pl_loop_add_port(&ours.loop, &tun, &config, &port), "port");
    uint32_t flags = ours.sends ? PLAIT_ADDRESS_SUBFLOW : i > 1 ? PLAIT_ADDRESS_SIGNAL : 0;
    need(plait_address_add(ours.loop.stack, port->io.id, &addr, flags, 0, 0, pl_posix_now()),
         "address");
}

static void start(char **argv) {
    uint16_t port = (uint16_t)strtoul(argv[ours.sends ? 7 : 6], NULL, 10);
    struct plait_endpoint to = {.addr = {.family = PLAIT_IPV4}, .port = port};
    struct plait_stack *stack = ours.loop.stack;
    uv_timer_init(&ours.loop.uv, &ours.timer);
    if (ours.sends) {
        ours.duration = (plait_time)(strtod(argv[8], NULL) * 1e9);
        need(inet_pton(AF_INET, argv[6], to.addr.bytes) == 1 ? 0 : -1, "address");
        need(plait_open(stack, &ours.sock), "open");
        need(plait_set(stack, ours.sock, PLAIT_OPT_NOTSENT_LOWAT, UNSENT), "set");
        need(plait_connect(stack, ours.sock, &to, pl_posix_now()), "connect");
        return;
    }
    need(plait_open(stack, &ours.listener), "open");
    need(plait_bind(stack, ours.listener, 0, NULL, port), "bind");
    need(plait_listen(stack, ours.listener, 4), "listen");
    puts("READY");
    fflush(stdout);
}

int main(int argc, char **argv) {
    struct pl_loop_callbacks callbacks = {.user = &ours, .event = on_event};
    struct plait_config config;
    ours.sends = argc == 9 && strcmp(argv[5], "send") == 0;
    if (!ours.sends && (argc != 7 || strcmp(argv[5], "sink") != 0)) {
        die("usage", "ours NAMESPACE NET DEVICES FLAGS sink PORT | send ADDRESS PORT SECONDS");
    }
    plait_config_init(&config);
    config.checksum = strchr(argv[4], 'c') != NULL;
    ours.by_reference = strchr(argv[4], 'r') != NULL;
    need(pl_loop_init(&ours.loop, &config, &callbacks), "loop");
    make_sources();
    for (unsigned i = 1; i <= strtoul(argv[3], NULL, 10); i++) {
        open_device(argv[1], argv[2], i);
    }
    puts("OPEN");
    fflush(stdout);
    (void)!read(STDIN_FILENO, chunk, 1);
    chunk[0] = 0;
    start(argv);
    pl_loop_run(&ours.loop);
    for (unsigned i = 0; i < SOURCES; i++) {
        plait_buf_unref(ours.source[i]);
    }
    uv_close((uv_handle_t *)&ours.timer, NULL);
    pl_loop_fini(&ours.loop);
    return 0;
}

/* bench/tcp/ours.c - our sender of one transfer, behind a TUN device of its own.
 *
 *   ours NAMESPACE DEVICE ADDRESS REMOTE PORT SECONDS [TRACE]
 *
 * Creates the device, prints OPEN, and waits for a line on stdin: then the device is up and routed.
 * Sends zeros as plain TCP for SECONDS after the connection is established, prints its figures as
 * kernel.c does, and resets the connection. TRACE is a file for every event of the stack. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "plait/plait.h"
#include "port/loop.h"
#include "port/netns.h"

enum { CHUNK = 1 << 18, MTU = 1500, BUFFER_BYTES = 512 << 20 };

struct ours {
    struct pl_loop loop;
    struct pl_loop_port *port;
    uv_timer_t timer, begin;
    plait_sock sock;
    uint64_t timeout_ms;
    FILE *trace;
};

static uint8_t chunk[CHUNK];

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

static void on_trace(void *user, const struct plait_trace_record *record) {
    struct pl_posix_env *posix = user;
    struct ours *ours = PL_CONTAINER(posix, struct ours, loop.posix);
    fprintf(ours->trace, "%.6f %s", (double)record->time / 1e9, plait_trace_name(record->type));
    for (unsigned i = 0; i < 4 && plait_trace_arg_name(record->type, i)[0] != '\0'; i++) {
        fprintf(ours->trace, " %s=%" PRIu64, plait_trace_arg_name(record->type, i), record->arg[i]);
    }
    fputc('\n', ours->trace);
}

static void write_more(struct ours *ours, plait_time now) {
    int64_t n = 1;
    while (n > 0) {
        n = plait_write(ours->loop.stack, ours->sock, chunk, sizeof(chunk), now);
    }
    if (n != PLAIT_E_AGAIN) {
        die("write", plait_error_text((int)n));
    }
}

static void on_begin(uv_timer_t *timer) {
    struct ours *ours = timer->data;
    write_more(ours, pl_posix_now());
    pl_loop_settle(&ours->loop);
}

/* As with the kernel's blocking connect(), the handshake's ACK has left before there is data: else
 * packet number n would not be the same piece of data for both senders. */
static void on_event(void *user, const struct plait_event *event, plait_time now) {
    struct ours *ours = user;
    if (event->type == PLAIT_EVENT_ERROR) {
        die("connection", plait_error_text(event->error));
    }
    if (event->type == PLAIT_EVENT_CONNECTED) {
        uv_timer_stop(&ours->timer);
        uv_timer_start(&ours->timer, ours->timer.timer_cb, ours->timeout_ms, 0);
    }
    if (event->type == PLAIT_EVENT_CONNECTED) {
        uv_timer_start(&ours->begin, on_begin, 1, 0);
    }
    if (event->type == PLAIT_EVENT_WRITABLE && !uv_is_active((uv_handle_t *)&ours->begin)) {
        write_more(ours, now);
    }
}

static void on_timer(uv_timer_t *timer) {
    struct ours *ours = timer->data;
    struct plait_subflow_info info = {.size = sizeof(info)};
    if (plait_subflows(ours->loop.stack, ours->sock, &info, 1) != 1 || !info.established) {
        die("connection", "is not established");
    }
    printf("{\"sent\": %" PRIu64 ", \"acked\": %" PRIu64 ", \"retrans\": %" PRIu64
           ", \"srtt_ms\": %.3f, \"cwnd\": %u, \"mss\": %u}\n",
           info.bytes_sent, info.bytes_acked, info.retrans_bytes, (double)info.srtt_ns / 1e6,
           info.cwnd_bytes / info.mss, info.mss);
    plait_abort(ours->loop.stack, ours->sock, PLAIT_E_ABORTED, pl_posix_now());
    pl_loop_settle(&ours->loop);
    pl_loop_stop(&ours->loop);
}

static void open_port(struct ours *ours, const char *space, const char *device,
                      const struct plait_addr *addr) {
    struct plait_port_config config = {.size = sizeof(config), .name = "bench", .mtu = MTU};
    struct pl_tun tun;
    char path[128];
    snprintf(path, sizeof(path), "/run/netns/%s", space);
    int ns = pl_netns_open_path(path);
    if (ns < 0 || pl_tun_open(&tun, device, ns) < 0) {
        die(device, "cannot be opened");
    }
    close(ns);
    config.flags = tun.vnet ? PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM : 0;
    need(pl_loop_add_port(&ours->loop, &tun, &config, &ours->port), "port");
    need(plait_address_add(ours->loop.stack, ours->port->io.id, addr, 0, 0, 0, pl_posix_now()),
         "address");
    puts("OPEN");
    fflush(stdout);
    (void)!read(STDIN_FILENO, chunk, 1);
    chunk[0] = 0;
}

static void start(struct ours *ours, const char *remote, const char *port) {
    struct plait_endpoint to = {.addr = parse_address(remote),
                                .port = (uint16_t)strtoul(port, NULL, 10)};
    need(plait_open(ours->loop.stack, &ours->sock), "open");
    need(plait_set(ours->loop.stack, ours->sock, PLAIT_OPT_MPTCP, 0), "set");
    need(plait_connect(ours->loop.stack, ours->sock, &to, pl_posix_now()), "connect");
    uv_timer_init(&ours->loop.uv, &ours->timer);
    uv_timer_init(&ours->loop.uv, &ours->begin);
    ours->timer.data = ours->begin.data = ours;
    uv_timer_start(&ours->timer, on_timer, 10000, 0);
}

static struct ours ours;

int main(int argc, char **argv) {
    struct pl_loop_callbacks callbacks = {.user = &ours, .event = on_event};
    struct plait_config config;
    if (argc < 7 || argc > 8) {
        die("usage", "ours NAMESPACE DEVICE ADDRESS REMOTE PORT SECONDS [TRACE]");
    }
    ours.trace = argc == 8 ? fopen(argv[7], "w") : NULL;
    callbacks.trace = ours.trace != NULL ? on_trace : NULL;
    ours.timeout_ms = (uint64_t)(strtod(argv[6], NULL) * 1000);
    plait_config_init(&config);
    config.send_buffer_bytes = BUFFER_BYTES;
    config.memory_bytes_max = 4 * (uint64_t)BUFFER_BYTES;
    need(pl_loop_init(&ours.loop, &config, &callbacks), "loop");
    struct plait_addr addr = parse_address(argv[3]);
    open_port(&ours, argv[1], argv[2], &addr);
    start(&ours, argv[4], argv[5]);
    pl_loop_run(&ours.loop);
    uv_close((uv_handle_t *)&ours.timer, NULL);
    uv_close((uv_handle_t *)&ours.begin, NULL);
    pl_loop_fini(&ours.loop);
    if (ours.trace != NULL) {
        fclose(ours.trace);
    }
    return 0;
}

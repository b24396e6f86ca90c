/* bench/tcp/link.c - one emulated link between two network namespaces.
 *
 *   link LEFT RIGHT DEVICE UP DOWN SEED [BOX]...
 *
 * LEFT and RIGHT are names under /run/netns, DEVICE is the name of the TUN device on either side,
 * or LEFTDEVICE,RIGHTDEVICE; UP and DOWN are settings in the words of net/link_config.h, a BOX
 * (net/box_config.h) is a middlebox at the left end. Prints OPEN when the devices exist; when stdin
 * ends it prints one JSON object with what became of the packets, and exits. */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "net/chain.h"
#include "plait/error.h"
#include "port/emulator.h"
#include "port/netns.h"
#include "port/posix_env.h"

struct bench_link {
    uv_loop_t uv;
    uv_poll_t input;
    struct pl_posix_env posix;
    struct pl_emulator *emulator;
    struct pl_emulator_link *link;
    unsigned box_count;
};

static _Noreturn void die(const char *what, const char *why) {
    fprintf(stderr, "link: %s: %s\n", what, why);
    exit(1);
}

static void read_config(const char *text, struct pl_link_config *config) {
    char error[128];
    pl_link_config_init(config);
    if (pl_link_parse(text, config, error, sizeof(error)) < 0) {
        die(text, error);
    }
    config->memory_bytes_max = UINT64_C(1) << 30;
}

static int open_device(const char *space, const char *device, size_t len) {
    char path[128], name[16] = "";
    if (len >= sizeof(name)) {
        die(device, "too long");
    }
    memcpy(name, device, len);
    snprintf(path, sizeof(path), "/run/netns/%s", space);
    int ns = pl_netns_open_path(path);
    if (ns < 0) {
        die(path, strerror(-ns));
    }
    int fd = pl_emulator_tun(name, ns, NULL);
    if (fd < 0) {
        die(name, strerror(-fd));
    }
    close(ns);
    return fd;
}

static void open_devices(char **argv, int fds[2]) {
    const char *left = argv[3], *comma = strchr(argv[3], ',');
    const char *right = comma != NULL ? comma + 1 : left;
    fds[0] = open_device(argv[1], left, comma != NULL ? (size_t)(comma - left) : strlen(left));
    fds[1] = open_device(argv[2], right, strlen(right));
}

static void add_boxes(struct bench_link *bench, char **texts, int count) {
    struct pl_box_config boxes[PL_CHAIN_MAX];
    if (count > PL_CHAIN_MAX) {
        die("boxes", "too many");
    }
    for (int i = 0; i < count; i++) {
        if (!pl_box_parse(texts[i], &boxes[i])) {
            die(texts[i], "no box");
        }
    }
    if (pl_emulator_boxes(bench->link, boxes, (unsigned)count) < 0) {
        die("boxes", "no memory");
    }
    bench->box_count = (unsigned)count;
}

static void print_direction(struct bench_link *bench, enum pl_emulator_direction direction,
                            const char *name) {
    struct pl_emulator_stats s;
    pl_emulator_stats(bench->link, direction, &s);
    uint64_t packets = s.link.out_packets > 0 ? s.link.out_packets : 1;
    printf("\"%s\": {\"in\": %" PRIu64 ", \"out\": %" PRIu64 ", \"lost\": %" PRIu64
           ", \"overflowed\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"queue_bytes_max\": %" PRIu64
           ", \"late_us_mean\": %.1f, \"late_us_max\": %.1f}",
           name, s.link.in_packets, s.link.out_packets, s.link.drop_packets[PL_LINK_DROP_LOSS],
           s.link.drop_packets[PL_LINK_DROP_QUEUE],
           s.link.drop_packets[PL_LINK_DROP_MEMORY] + s.write_full + s.write_refused +
               s.read_no_memory,
           s.link.queue_bytes_max, (double)s.late_ns_sum / (double)packets / 1e3,
           (double)s.late_ns_max / 1e3);
}

static void on_input(uv_poll_t *handle, int status, int events) {
    struct bench_link *bench = handle->data;
    char byte;
    (void)status;
    (void)events;
    if (read(STDIN_FILENO, &byte, 1) > 0) {
        return;
    }
    printf("{");
    print_direction(bench, PL_EMULATOR_UP, "up");
    printf(", ");
    print_direction(bench, PL_EMULATOR_DOWN, "down");
    printf(", \"boxes\": [");
    for (unsigned i = 0; i < bench->box_count; i++) {
        printf("%s%" PRIu64, i > 0 ? ", " : "", pl_emulator_box_acted(bench->link, i));
    }
    printf("]}\n");
    fflush(stdout);
    uv_close((uv_handle_t *)handle, NULL);
    pl_emulator_destroy(bench->emulator);
}

/* A wire does not wait for other programs. */
static void be_punctual(void) {
    struct sched_param param = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO, &param) < 0) {
        fputs("link: no real-time priority: packets may be late\n", stderr);
    }
}

int main(int argc, char **argv) {
    struct bench_link bench = {.link = NULL};
    struct pl_link_config up, down;
    int fds[2];
    if (argc < 7) {
        die("usage", "link LEFT RIGHT DEVICE UP DOWN SEED [BOX]...");
    }
    be_punctual();
    read_config(argv[4], &up);
    read_config(argv[5], &down);
    open_devices(argv, fds);
    if (uv_loop_init(&bench.uv) < 0 || pl_posix_env_init(&bench.posix) < 0 ||
        pl_emulator_create(&bench.emulator, &bench.uv, &bench.posix.env) < 0 ||
        pl_emulator_add(bench.emulator, fds, &up, &down, strtoull(argv[6], NULL, 10), &bench.link) <
            0) {
        die("emulator", "cannot start");
    }
    add_boxes(&bench, argv + 7, argc - 7);
    uv_poll_init(&bench.uv, &bench.input, STDIN_FILENO);
    bench.input.data = &bench;
    uv_poll_start(&bench.input, UV_READABLE, on_input);
    puts("OPEN");
    fflush(stdout);
    uv_run(&bench.uv, UV_RUN_DEFAULT);
    uv_loop_close(&bench.uv);
    pl_posix_env_fini(&bench.posix);
    return 0;
}

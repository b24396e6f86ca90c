/* bench/bulk/kernel.c - the kernel's ends of one bulk transfer, on its MPTCP.
 *
 *   kernel NAMESPACE sink PORT
 *   kernel NAMESPACE send ADDRESS PORT SECONDS
 *
 * The sink prints READY when it listens. At the end either prints one JSON object: the bytes that
 * went through it, from the first to the last of them in seconds, and the processor time that took:
 * user and system, what its system calls did in soft interrupts included. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/netns.h"
#include "port/posix_env.h"

enum { CHUNK = 1 << 18, MPTCP = 262 };

static uint8_t chunk[CHUNK];

struct usage {
    plait_time at;
    double cpu_s;
};

static _Noreturn void die(const char *what) {
    fprintf(stderr, "kernel: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct usage usage_now(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (struct usage){.at = pl_posix_now(),
                          .cpu_s = (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
                                   (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6};
}

static void report(uint64_t bytes, struct usage from) {
    struct usage to = usage_now();
    printf("{\"bytes\": %" PRIu64 ", \"seconds\": %.4f, \"cpu_s\": %.4f}\n", bytes,
           (double)(to.at - from.at) / 1e9, to.cpu_s - from.cpu_s);
}

static void enter(const char *name) {
    char path[128];
    snprintf(path, sizeof(path), "/run/netns/%s", name);
    int ns = pl_netns_open_path(path);
    if (ns < 0 || pl_netns_failed(pl_netns_enter(ns))) {
        die(path);
    }
}

static struct sockaddr_in endpoint(const char *address, const char *port) {
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1) {
        die(address);
    }
    return at;
}

static int sink(const char *port) {
    struct sockaddr_in at = endpoint("0.0.0.0", port);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, MPTCP);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1) < 0) {
        die("listen");
    }
    puts("READY");
    fflush(stdout);
    int fd = accept(listener, NULL, NULL);
    ssize_t n = fd < 0 ? -1 : recv(fd, chunk, sizeof(chunk), 0);
    struct usage from = usage_now();
    uint64_t bytes = 0;
    while (n > 0) {
        bytes += (uint64_t)n;
        n = recv(fd, chunk, sizeof(chunk), 0);
    }
    if (n < 0) {
        die("receive");
    }
    report(bytes, from);
    return 0;
}

static int send_zeros(const char *address, const char *port, double seconds) {
    struct sockaddr_in at = endpoint(address, port);
    int fd = socket(AF_INET, SOCK_STREAM, MPTCP);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0 ||
        connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        die("connect");
    }
    struct usage from = usage_now();
    plait_time end = from.at + (plait_time)(seconds * 1e9);
    uint64_t bytes = 0;
    while (pl_posix_now() < end) {
        ssize_t n = send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL);
        if (n < 0) {
            die("send");
        }
        bytes += (uint64_t)n;
    }
    shutdown(fd, SHUT_WR);
    (void)!recv(fd, chunk, 1, 0); /* the other end has everything */
    report(bytes, from);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[2], "sink") == 0) {
        enter(argv[1]);
        return sink(argv[3]);
    }
    if (argc == 6 && strcmp(argv[2], "send") == 0) {
        enter(argv[1]);
        return send_zeros(argv[3], argv[4], strtod(argv[5], NULL));
    }
    fputs("usage: kernel NAMESPACE sink PORT | send ADDRESS PORT SECONDS\n", stderr);
    return 2;
}

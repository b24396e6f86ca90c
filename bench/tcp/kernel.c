/* bench/tcp/kernel.c - the kernel's ends of one transfer.
 *
 *   kernel NAMESPACE sink PORT SECONDS            accepts one connection and throws away what comes
 *   kernel NAMESPACE send ADDRESS PORT SECONDS [TRACE]    sends zeros, CUBIC
 *
 * The sink prints READY when it listens, and then one JSON object: the bytes that came within
 * SECONDS of the first one, and those of the second half of that time. The sender prints what
 * TCP_INFO said at that moment, and resets the connection. TRACE is a file for what TCP_INFO says
 * of the window, every few milliseconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/netns.h"
#include "port/posix_env.h"

enum { CHUNK = 1 << 18, CONNECT_SECONDS = 10, SAMPLE_MS = 5, ACK_LEAVES_US = 1000 };

static uint8_t chunk[CHUNK];

static _Noreturn void die(const char *what) {
    fprintf(stderr, "kernel: %s: %s\n", what, strerror(errno));
    exit(1);
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

/* Milliseconds until `end`, 0 when it has passed. */
static int left_ms(plait_time end) {
    plait_time now = pl_posix_now();
    return now < end ? (int)((end - now + PLAIT_NS_PER_MS - 1) / PLAIT_NS_PER_MS) : 0;
}

static bool wait_for(int fd, short events, plait_time end) {
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int ms = left_ms(end);
    return ms > 0 && poll(&poll_fd, 1, ms) == 1;
}

/* ---- the receiver ---- */

static int accept_one(const char *port) {
    struct sockaddr_in at = endpoint("0.0.0.0", port);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1) < 0) {
        die("listen");
    }
    puts("READY");
    fflush(stdout);
    if (!wait_for(listener, POLLIN, pl_posix_now() + CONNECT_SECONDS * PLAIT_NS_PER_S)) {
        die("nobody connects");
    }
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK);
}

static int sink(const char *port, double seconds) {
    uint64_t bytes = 0, half = 0;
    int fd = accept_one(port);
    if (fd < 0) {
        die("accept");
    }
    plait_time start = pl_posix_now(), end = start + (plait_time)(seconds * 1e9);
    plait_time middle = start + (end - start) / 2;
    while (wait_for(fd, POLLIN, end)) {
        ssize_t n = recv(fd, chunk, sizeof(chunk), MSG_TRUNC);
        plait_time now = pl_posix_now();
        if (n <= 0 || now >= end) {
            break;
        }
        bytes += (uint64_t)n;
        half += now >= middle ? (uint64_t)n : 0;
    }
    double took = (double)(pl_posix_now() - start) / 1e9;
    printf("{\"bytes\": %" PRIu64 ", \"half\": %" PRIu64 ", \"seconds\": %.3f}\n", bytes, half,
           took);
    fflush(stdout);
    (void)!read(STDIN_FILENO, chunk, 1); /* until the sender is done */
    return 0;
}

/* ---- the sender ---- */

static int connect_to(const char *address, const char *port) {
    struct sockaddr_in at = endpoint(address, port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0 ||
        connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        die("connect");
    }
    return fd;
}

static struct tcp_info ask(int fd) {
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) {
        die("TCP_INFO");
    }
    return info;
}

/* Windows and what is under way in packets, as the kernel counts. */
static void sample(FILE *trace, int fd, plait_time start) {
    struct tcp_info info = ask(fd);
    fprintf(trace,
            "%.6f state=%u cwnd=%u ssthresh=%u unacked=%u sacked=%u lost=%u rtt_us=%u "
            "acked=%" PRIu64 " retrans=%" PRIu64 " reordering=%u dsack=%u\n",
            (double)(pl_posix_now() - start) / 1e9, info.tcpi_ca_state, info.tcpi_snd_cwnd,
            info.tcpi_snd_ssthresh, info.tcpi_unacked, info.tcpi_sacked, info.tcpi_lost,
            info.tcpi_rtt, (uint64_t)info.tcpi_bytes_acked, (uint64_t)info.tcpi_bytes_retrans,
            info.tcpi_reordering, info.tcpi_dsack_dups);
}

static void feed(int fd, plait_time start, plait_time end, FILE *trace) {
    plait_time next = trace != NULL ? start : end;
    while (pl_posix_now() < end) {
        if (wait_for(fd, POLLOUT, next < end ? next : end) &&
            send(fd, chunk, sizeof(chunk), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN) {
            die("send");
        }
        if (trace != NULL && pl_posix_now() >= next) {
            sample(trace, fd, start);
            next = pl_posix_now() + SAMPLE_MS * PLAIT_NS_PER_MS;
        }
    }
}

static int send_zeros(const char *address, const char *port, double seconds, const char *path) {
    struct linger reset = {.l_onoff = 1};
    FILE *trace = path != NULL ? fopen(path, "w") : NULL;
    int fd = connect_to(address, port);
    usleep(ACK_LEAVES_US); /* as ours: on a slow link the handshake's ACK is still in the queue */
    plait_time start = pl_posix_now();
    feed(fd, start, start + (plait_time)(seconds * 1e9), trace);
    struct tcp_info info = ask(fd);
    printf("{\"sent\": %" PRIu64 ", \"acked\": %" PRIu64 ", \"retrans\": %" PRIu64
           ", \"srtt_ms\": %.3f, \"min_rtt_ms\": %.3f, \"cwnd\": %u, \"mss\": %u}\n",
           (uint64_t)info.tcpi_bytes_sent, (uint64_t)info.tcpi_bytes_acked,
           (uint64_t)info.tcpi_bytes_retrans, info.tcpi_rtt / 1e3, info.tcpi_min_rtt / 1e3,
           info.tcpi_snd_cwnd, info.tcpi_snd_mss);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    if (trace != NULL) {
        fclose(trace);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[2], "sink") == 0) {
        enter(argv[1]);
        return sink(argv[3], strtod(argv[4], NULL));
    }
    if ((argc == 6 || argc == 7) && strcmp(argv[2], "send") == 0) {
        enter(argv[1]);
        return send_zeros(argv[3], argv[4], strtod(argv[5], NULL), argc == 7 ? argv[6] : NULL);
    }
    fputs("usage: kernel NAMESPACE sink PORT SECONDS | send ADDRESS PORT SECONDS [TRACE]\n",
          stderr);
    return 2;
}

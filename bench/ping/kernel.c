/* bench/ping/kernel.c - the kernel's ends of a ping-pong, on its MPTCP.
 *
 *   kernel NAMESPACE serve PORT
 *      echoes on PORT, and sends as much as it can on PORT + 1; prints READY; until it is killed
 *   kernel NAMESPACE ping ADDRESS PORT COUNT LOAD
 *      sends 64 bytes and waits for them, COUNT times; with LOAD 1 a second connection reads what
 *      PORT + 1 sends. Prints the times in one JSON object. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ping.h"
#include "port/netns.h"
#include "port/posix_env.h"

enum { MPTCP = 262, CHUNK = 1 << 16 };

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

static int open_socket(void) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, MPTCP);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0) {
        die("socket");
    }
    return fd;
}

static struct sockaddr_in endpoint(const char *address, unsigned port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1) {
        die(address);
    }
    return at;
}

/* ---- the server ---- */

static int listen_on(unsigned port) {
    struct sockaddr_in at = endpoint("0.0.0.0", port);
    int one = 1, fd = open_socket();
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4) < 0) {
        die("listen");
    }
    return fd;
}

static void *flood(void *arg) {
    static const char chunk[CHUNK];
    int fd = accept(*(int *)arg, NULL, NULL);
    while (fd >= 0 && send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) > 0) {
    }
    return NULL;
}

static int serve(unsigned port) {
    int echo = listen_on(port), bulk = listen_on(port + 1);
    pthread_t thread;
    char bytes[PING_BYTES];
    if (pthread_create(&thread, NULL, flood, &bulk) != 0) {
        die("pthread_create");
    }
    puts("READY");
    fflush(stdout);
    int fd = accept(echo, NULL, NULL);
    for (ssize_t n = 1; fd >= 0 && n > 0;) {
        n = recv(fd, bytes, sizeof(bytes), 0);
        if (n > 0 && send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n) {
            die("send");
        }
    }
    pause();
    return 0;
}

/* ---- the client ---- */

static int connect_to(const char *address, unsigned port) {
    struct sockaddr_in at = endpoint(address, port);
    int fd = open_socket();
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        die("connect");
    }
    return fd;
}

static void *swallow(void *arg) {
    static char chunk[CHUNK];
    while (recv(*(int *)arg, chunk, sizeof(chunk), 0) > 0) {
    }
    return NULL;
}

static int ping(const char *address, unsigned port, unsigned count, bool load) {
    char bytes[PING_BYTES] = {0};
    struct ping_times times;
    pthread_t thread;
    int fd = connect_to(address, port), bulk = load ? connect_to(address, port + 1) : -1;
    if (load && pthread_create(&thread, NULL, swallow, &bulk) != 0) {
        die("pthread_create");
    }
    usleep(load ? PING_LOAD_MS * 1000 : 0);
    ping_times_init(&times, count);
    for (unsigned i = 0; i < count + PING_WARM; i++) {
        plait_time start = pl_posix_now();
        if (send(fd, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
            recv(fd, bytes, sizeof(bytes), MSG_WAITALL) != sizeof(bytes)) {
            die("ping");
        }
        ping_times_add(&times, i, pl_posix_now() - start);
    }
    ping_times_print(&times);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[2], "serve") == 0) {
        enter(argv[1]);
        return serve((unsigned)strtoul(argv[3], NULL, 10));
    }
    if (argc == 7 && strcmp(argv[2], "ping") == 0) {
        enter(argv[1]);
        return ping(argv[3], (unsigned)strtoul(argv[4], NULL, 10),
                    (unsigned)strtoul(argv[5], NULL, 10), strcmp(argv[6], "1") == 0);
    }
    fprintf(stderr, "usage: kernel NAMESPACE serve PORT | ping ADDRESS PORT COUNT LOAD\n");
    return 2;
}

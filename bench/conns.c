/* bench/conns.c - the kernel's figures for what bench/many.c measures: connections over loopback.
 *
 *   conns --rate AT_A_TIME [--subflows 1..2] [--seconds S] [--tcp]
 *      opens, has a byte echoed, closes; prints connections a second of processor time, both ends'
 *   conns --open N [--subflows 1..2]
 *      opens N connections; prints what slab and socket caches have grown by for one of their ends
 *
 * Runs in a network namespace whose loopback takes 10.99.0.0/16, with an MPTCP endpoint for the
 * second subflow (bench/rows/conns.py). Client and server are a process each. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/mptcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 1000, ADDRESSES = 250, EVENTS = 256, FILES_MAX = 200000, MPTCP = 262, SOL = 284 };
enum { SLAB_WAIT_MS = 500 };

struct options {
    unsigned subflows, at_a_time, open;
    double seconds;
    int protocol;
};

struct client {
    int fd;
    bool echoed;
};

static void need(bool ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void watch(int epoll, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    need(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

/* ---- the server ---- */

static int listen_here(int protocol) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, protocol), one = 1;
    need(fd >= 0, "socket");
    need(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0, "SO_REUSEADDR");
    need(bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0, "bind");
    need(listen(fd, 4096) == 0, "listen");
    return fd;
}

static void echo(int fd) {
    char byte[64];
    ssize_t n = read(fd, byte, sizeof(byte));
    if (n > 0) {
        need(write(fd, byte, (size_t)n) == n, "write");
        return;
    }
    close(fd);
}

static _Noreturn void serve(int listener) {
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(0);
    watch(epoll, listener, EPOLLIN, (uint64_t)listener);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = (int)events[i].data.u64;
            if (fd != listener) {
                echo(fd);
                continue;
            }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                watch(epoll, fd, EPOLLIN, (uint64_t)fd);
            }
        }
    }
}

/* ---- the clients ---- */

static void start(struct client *c, uint64_t data, int epoll, int protocol) {
    static uint32_t next;
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    there.sin_addr.s_addr = htonl(0x0a630101 + next++ % ADDRESSES);
    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, protocol)};
    need(c->fd >= 0, "socket");
    (void)!connect(c->fd, (struct sockaddr *)&there, sizeof(there));
    watch(epoll, c->fd, EPOLLOUT | EPOLLET | EPOLLIN, data);
}

static void act(struct client *c, uint32_t events, bool *sent) {
    char byte = 'x';
    if ((events & EPOLLIN) != 0 && read(c->fd, &byte, 1) == 1) {
        c->echoed = true;
        return;
    }
    need((events & (EPOLLERR | EPOLLHUP)) == 0, "a connection");
    if ((events & EPOLLOUT) != 0 && !*sent) {
        *sent = write(c->fd, &byte, 1) == 1;
    }
}

static bool is_done(const struct client *c, unsigned subflows) {
    struct mptcp_info info = {0};
    socklen_t len = sizeof(info);
    if (!c->echoed || subflows == 1) {
        return c->echoed;
    }
    need(getsockopt(c->fd, SOL, MPTCP_INFO, &info, &len) == 0, "MPTCP_INFO");
    return info.mptcpi_subflows + 1U >= subflows;
}

static void turn(struct client *clients, bool *sent, int epoll, int wait_ms) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll, events, EVENTS, wait_ms);
    for (int i = 0; i < n; i++) {
        uint64_t at = events[i].data.u64;
        act(&clients[at], events[i].events, &sent[at]);
    }
}

static double cpu_seconds(int who) {
    struct rusage use;
    getrusage(who, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static double wall_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t churn(const struct options *o) {
    struct client *clients = calloc(o->at_a_time, sizeof(*clients));
    bool *sent = calloc(o->at_a_time, sizeof(*sent));
    int epoll = epoll_create1(0);
    uint64_t finished = 0;
    need(clients != NULL && sent != NULL, "calloc");
    for (unsigned i = 0; i < o->at_a_time; i++) {
        start(&clients[i], i, epoll, o->protocol);
    }
    for (double end = wall_seconds() + o->seconds; wall_seconds() < end;) {
        turn(clients, sent, epoll, o->subflows > 1 ? 1 : 100);
        for (unsigned i = 0; i < o->at_a_time; i++) {
            if (is_done(&clients[i], o->subflows)) {
                close(clients[i].fd);
                sent[i] = false;
                start(&clients[i], i, epoll, o->protocol);
                finished++;
            }
        }
    }
    free(clients);
    free(sent);
    return finished;
}

/* ---- connections that stay ---- */

/* What the caches that a socket lives in hold. */
static uint64_t slab_bytes(void) {
    const char *const names[] = {"MPTCP ", "TCP ", "sock_inode_cache ", "filp ", "eventpoll_"};
    char line[512], name[64];
    uint64_t active, all, size, sum = 0;
    FILE *file = fopen("/proc/slabinfo", "r");
    need(file != NULL, "/proc/slabinfo");
    while (fgets(line, sizeof(line), file) != NULL) {
        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (strncmp(line, names[i], strlen(names[i])) == 0 &&
                sscanf(line, "%63s %" SCNu64 " %" SCNu64 " %" SCNu64, name, &active, &all, &size) ==
                    4) {
                sum += active * size;
            }
        }
    }
    fclose(file);
    return sum;
}

static void stay(const struct options *o) {
    struct client *clients = calloc(o->open, sizeof(*clients));
    bool *sent = calloc(o->open, sizeof(*sent));
    int epoll = epoll_create1(0);
    uint64_t before = slab_bytes();
    need(clients != NULL && sent != NULL, "calloc");
    for (unsigned i = 0; i < o->open; i++) {
        start(&clients[i], i, epoll, o->protocol);
        for (unsigned tries = 0; !is_done(&clients[i], o->subflows); tries++) {
            need(tries < 5000, "a second subflow");
            turn(clients, sent, epoll, 1);
        }
    }
    usleep(SLAB_WAIT_MS * 1000);
    printf("{\"slab_bytes\": %" PRIu64 ", \"connections\": %u}\n",
           (slab_bytes() - before) / o->open / 2, o->open);
    free(clients);
    free(sent);
}

static bool parse(int argc, char **argv, struct options *o) {
    const struct option longs[] = {{"open", required_argument, NULL, 'o'},
                                   {"rate", required_argument, NULL, 'r'},
                                   {"subflows", required_argument, NULL, 's'},
                                   {"seconds", required_argument, NULL, 'd'},
                                   {"tcp", no_argument, NULL, 't'},
                                   {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
            case 'o':
                o->open = (unsigned)strtoul(optarg, NULL, 10);
                break;
            case 'r':
                o->at_a_time = (unsigned)strtoul(optarg, NULL, 10);
                break;
            case 's':
                o->subflows = (unsigned)strtoul(optarg, NULL, 10);
                break;
            case 'd':
                o->seconds = strtod(optarg, NULL);
                break;
            case 't':
                o->protocol = 0;
                break;
            default:
                return false;
        }
    }
    return (o->open == 0) != (o->at_a_time == 0) && o->open <= 50000 && o->at_a_time <= 10000;
}

int main(int argc, char **argv) {
    struct options o = {.subflows = 1, .seconds = 1, .protocol = MPTCP};
    struct rlimit files = {FILES_MAX, FILES_MAX};
    if (!parse(argc, argv, &o)) {
        fprintf(stderr,
                "usage: conns --rate AT_A_TIME | --open N [--subflows 1..2] [--seconds S]"
                " [--tcp]\n");
        return 2;
    }
    (void)setrlimit(RLIMIT_NOFILE, &files);
    int listener = listen_here(o.protocol);
    pid_t server = fork();
    if (server == 0) {
        serve(listener);
    }
    uint64_t finished = 0;
    if (o.open > 0) {
        stay(&o);
    } else {
        finished = churn(&o);
    }
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    if (o.at_a_time > 0) {
        double spent = cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN);
        printf("{\"rate\": %.0f, \"connections\": %" PRIu64 ", \"cpu_s\": %.3f}\n",
               (double)finished / spent, finished, spent);
    }
    return 0;
}

/* bench/joined.h - two stacks in one process, joined by memory, on virtual time. Side 0 connects,
 * side 1 listens. */
#ifndef BENCH_JOINED_H
#define BENCH_JOINED_H

#include "plait/plait.h"
#include "port/posix_env.h"

enum { JOINED_PORTS_MAX = 4, JOINED_LISTENERS_MAX = 256, JOINED_TCP_PORT = 1000 };

/* An environment that counts what malloc takes for its stack, its own words included. */
struct joined_env {
    struct pl_posix_env real; /* first: what its functions get as `user` */
    void *(*alloc)(void *user, size_t size);
    void (*free)(void *user, void *ptr, size_t size);
    uint64_t bytes;
};

struct joined {
    struct joined_env env[2];
    struct plait_stack *stack[2];
    plait_port_id port[2][JOINED_PORTS_MAX];
    unsigned paths;
    plait_sock listeners[JOINED_LISTENERS_MAX];
    plait_time now;
    uint64_t round_ns; /* how long a packet is on its way */
    struct plait_buf *buf;
};

/* Ends the program when `ok` is false. */
void joined_need(bool ok, const char *what);
/* `paths` ports and addresses on each side. */
void joined_init(struct joined *j, unsigned paths, uint64_t round_ns);
void joined_fini(struct joined *j);
/* Listens on TCP ports JOINED_TCP_PORT, ... */
void joined_listen(struct joined *j, unsigned listeners);
/* Where side 1 listens. */
struct plait_endpoint joined_remote(unsigned listener);
/* Carries what is to be sent, both ways, runs timers, and lets `round_ns` pass. */
void joined_round(struct joined *j);

#endif

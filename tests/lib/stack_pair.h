/* stack_pair.h - two whole stacks joined by simple paths, on virtual time.
 *
 * Side A and side B each have one port per path. Path p joins 10.0.p.1 and fd00:p::1 (A) with
 * 10.0.p.2 and fd00:p::2 (B): a fixed delay, an optional loss, nothing else. A segment that a port
 * would cut (TSO) crosses in one piece. */
#ifndef STACK_PAIR_H
#define STACK_PAIR_H

#include "base/rng.h"
#include "plait/plait.h"
#include "testenv.h"

enum { PAIR_A, PAIR_B, PAIR_SIDES };
enum { PAIR_PATHS_MAX = 4 };

struct stack_pair;

/* Sees every packet before it is sent; true drops it. It may change the bytes. */
typedef bool pair_filter(struct stack_pair *pair, unsigned from, unsigned path, uint8_t *packet,
                         uint32_t len);
/* An application that acts as soon as a packet has gone in, before output is pulled. */
typedef void pair_act(struct stack_pair *pair, unsigned to, void *arg);
typedef bool pair_condition(struct stack_pair *pair, void *arg);

struct pair_setup {
    uint64_t seed;
    unsigned paths;    /* default 1 */
    uint64_t delay_ns; /* one way, default 5 ms */
    uint32_t loss_ppm;
    uint32_t mtu; /* default 1500 */
    uint32_t port_flags[PAIR_SIDES];
    uint32_t address_flags[PAIR_SIDES];
    bool no_addresses[PAIR_SIDES]; /* the ports get none */
    bool ipv4_only;
    const struct plait_config *config[PAIR_SIDES]; /* NULL: the defaults */
};

struct pair_path {
    plait_port_id port[PAIR_SIDES];
    uint64_t delay_ns;
    uint32_t loss_ppm;
    bool cut; /* everything is lost */
};

struct pair_packet;

struct stack_pair {
    struct test_env env[PAIR_SIDES];
    struct plait_stack *stack[PAIR_SIDES];
    struct pair_path path[PAIR_PATHS_MAX];
    unsigned paths;
    plait_time now;
    struct pl_rng rng;
    struct pair_packet *queue; /* by time of arrival, then of sending */
    pair_filter *filter;
    void *filter_arg;
    pair_act *act;
    void *act_arg;
    bool trust; /* checksums are not verified: for filters that change bytes */
    uint64_t sent[PAIR_SIDES][PAIR_PATHS_MAX]; /* packets */
};

/* Fails the test when a stack cannot be made. `setup` may be NULL. */
void pair_init(struct stack_pair *pair, const struct pair_setup *setup);
/* Destroys both stacks and fails the test unless all memory was given back. */
void pair_fini(struct stack_pair *pair);

struct plait_addr pair_addr(unsigned side, unsigned path, enum plait_family family);
struct plait_endpoint pair_endpoint(unsigned side, unsigned path, enum plait_family family,
                                    uint16_t port);

/* Sends bytes to a side as if they came over a path, after its delay. */
void pair_inject(struct stack_pair *pair, unsigned to, unsigned path, const uint8_t *bytes,
                 uint32_t len);
/* Advances to the next thing that happens; false when nothing will before `until`. */
bool pair_step(struct stack_pair *pair, plait_time until);
/* Runs for a while. */
void pair_run(struct stack_pair *pair, uint64_t ns);
/* Runs until the condition holds; false when it does not within `ns`. */
bool pair_run_until(struct stack_pair *pair, pair_condition *condition, void *arg, uint64_t ns);

/* Next event of a side of this type for this socket, within `ns`; others are thrown away. */
bool pair_wait_event(struct stack_pair *pair, unsigned side, plait_sock sock, uint32_t type,
                     uint64_t ns, struct plait_event *out);
int64_t pair_get(struct stack_pair *pair, unsigned side, plait_sock sock, enum plait_option option);
uint64_t pair_counter(const struct stack_pair *pair, unsigned side, enum plait_counter counter);

/* A socket of B that listens on `port`. */
plait_sock pair_listen(struct stack_pair *pair, uint16_t port);
/* Connects A to B over path 0 and returns the socket of A; *accepted is that of B. */
plait_sock pair_connect(struct stack_pair *pair, plait_sock listener, uint16_t port,
                        enum plait_family family, plait_sock *accepted);

/* Sends `len` bytes of a pattern one way and checks them; false when it takes longer than `ns`. */
bool pair_transfer(struct stack_pair *pair, unsigned from, plait_sock source, plait_sock sink,
                   uint64_t len, uint64_t ns);
/* Byte i of the pattern. */
uint8_t pair_pattern(uint64_t i);

#endif

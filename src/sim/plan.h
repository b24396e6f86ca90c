/* sim/plan.h - what a run will be: topology, faults, workload. Everything in it is drawn from the
 * seed before the run begins; the run itself makes no decisions.
 *
 *     host a, port 1..n -- box -- link up/down --+        +-- link down/up -- box -- port 1..m,
 * host b | router |
 *
 * Every fault draws from a generator of its own, so that switching one off (--only, --without)
 * leaves the others what they were: that is how a failing seed is narrowed down. */
#ifndef PL_SIM_PLAN_H
#define PL_SIM_PLAN_H

#include "base/rng.h"
#include "net/chain.h"
#include "net/link_config.h"
#include "plait/stack.h"

enum pl_sim_fault {
#define PL_SIM_FAULT(name, text, chance) PL_SIM_##name,
#include "sim/faults.def"
#undef PL_SIM_FAULT
    PL_SIM_FAULT_COUNT
};
const char *pl_sim_fault_name(unsigned fault);
/* The fault of this name, or -1. */
int pl_sim_fault_find(const char *name, size_t len);

enum {
    PL_PLAN_PORTS_MAX = 4,
    PL_PLAN_CONNS_MAX = 8,
    PL_PLAN_ACTIONS_MAX = 64,
    PL_PLAN_ADDRESSES_MAX = 2, /* of a port */
    PL_PLAN_BOXES_MAX = PL_CHAIN_MAX,
};

struct pl_plan_address {
    struct plait_addr addr;
    uint32_t flags; /* PLAIT_ADDRESS_… */
    uint16_t announce_port;
};

struct pl_plan_port {
    uint32_t mtu;
    uint32_t flags; /* PLAIT_PORT_… */
    unsigned address_count;
    struct pl_plan_address address[PL_PLAN_ADDRESSES_MAX];
    struct pl_link_config up, down; /* until the network heals; then without the harm */
    bool uncut;                     /* the device hands large packets on as they are */
    bool rx_csum_ok;                /* and says that it has verified checksums */
    uint32_t ring; /* the device takes no more while so many packets wait in its link; 0: any */
    unsigned box_count;
    struct pl_box_config box[PL_PLAN_BOXES_MAX]; /* the first is next to the host */
};

struct pl_plan_host {
    struct plait_config config;
    unsigned port_count;
    struct pl_plan_port port[PL_PLAN_PORTS_MAX];
};

/* How an application ends its connection. */
enum pl_plan_end {
    PL_END_SHUTDOWN, /* shutdown after the last byte, read to the end of stream, close */
    PL_END_CLOSE,    /* close after the last byte was written and all expected ones were read */
    PL_END_EARLY,    /* close at `quit_time`, whatever is outstanding */
    PL_END_ABORT,    /* abort at `quit_time` */
};

/* One side of a connection. A side may send `first` bytes, then `unit` more for every `peer_unit`
 * it has received, `total` in the end: that covers bulk (first = total) and request-response. */
struct pl_plan_side {
    uint64_t total;
    uint64_t first;
    uint32_t unit, peer_unit;
    uint32_t write_max;    /* bytes per call */
    uint64_t write_gap_ns; /* between calls; 0: none */
    uint32_t read_max;
    uint64_t read_gap_ns;
    enum pl_plan_end end;
    plait_time quit_time; /* END_EARLY, END_ABORT */
    uint64_t pattern;     /* seed of its bytes */
    bool mptcp;
    uint8_t sched;                        /* enum plait_sched */
    uint8_t manager;                      /* enum plait_pm */
    uint8_t subflows_max;                 /* 0: the stack's */
    uint32_t send_buffer, receive_buffer; /* 0: the stack's */
};

struct pl_plan_conn {
    plait_time start;
    unsigned initiator;          /* host */
    unsigned from_port, to_port; /* indices; from_port is used with `bound` only */
    bool bound;                  /* the initiator names its address */
    bool restricted;             /* and means that it uses no other one */
    bool defer;                  /* the listener holds the SYN for hold_ns */
    uint64_t hold_ns;
    uint8_t family;              /* PLAIT_IPV4, PLAIT_IPV6 */
    bool nat64;                  /* family is IPv6, and the server's address is IPv4 */
    struct pl_plan_side side[2]; /* by host */
};

enum pl_plan_action_kind {
    PL_ACTION_BLACKHOLE, /* value: on or off */
    PL_ACTION_LINK,      /* value: down (1) or up (0) */
    PL_ACTION_ADDRESS,   /* value: removed (1) or there (0) */
    PL_ACTION_PRIORITY,  /* value: backup or not */
    PL_ACTION_MTU,       /* value: the MTU */
    PL_ACTION_REBIND,
    PL_ACTION_CRASH,
    PL_ACTION_UNPLUG, /* value: removed (1) or there (0) */
};
const char *pl_plan_action_name(enum pl_plan_action_kind kind);

struct pl_plan_action {
    plait_time time;
    enum pl_plan_action_kind kind;
    unsigned host, port, address;
    uint32_t value;
};

/* What a box may do to payload where no checksum tells. */
enum pl_plan_bytes {
    PL_BYTES_SAME,
    PL_BYTES_MARKED, /* PL_REWRITE_BIT is set in some */
    PL_BYTES_OTHER,  /* there may be others, more or fewer */
};

struct pl_plan {
    uint64_t seed;
    enum pl_plan_bytes bytes;
    bool errors_tell; /* an error is a result of the run, not a failure of it */
    bool fault[PL_SIM_FAULT_COUNT];
    plait_time heal_time;
    uint32_t alloc_fail_ppm;
    struct pl_plan_host host[2];
    unsigned conn_count;
    struct pl_plan_conn conn[PL_PLAN_CONNS_MAX];
    unsigned action_count;
    struct pl_plan_action action[PL_PLAN_ACTIONS_MAX];
};

/* Draws the plan of a seed. Faults outside `allowed` (bit i: fault i) stay away. */
void pl_plan_draw(struct pl_plan *plan, uint64_t seed, uint64_t allowed);
/* The parts, called by pl_plan_draw. */
void pl_plan_draw_hosts(struct pl_plan *plan);
void pl_plan_draw_conns(struct pl_plan *plan);
void pl_plan_draw_actions(struct pl_plan *plan);

/* Puts a box behind those that a port has. */
void pl_plan_add_box(struct pl_plan_port *port, const struct pl_box_config *box);

/* A generator of its own for a part of a plan. */
enum pl_plan_part {
    PL_PART_SWARM = 1000,
    PL_PART_TOPOLOGY,
    PL_PART_CONFIG,
    PL_PART_ENDPOINTS,
    PL_PART_LINKS,
    PL_PART_WORKLOAD,
    PL_PART_TIMES,
    PL_PART_HOST_ENV,
    PL_PART_PATTERN,
    PL_PART_CC,
    PL_PART_POLICY,
};
struct pl_rng pl_plan_rng(const struct pl_plan *plan, unsigned part);
/* Uniform in the logarithm, in [lo, hi], lo > 0. */
uint64_t pl_plan_log(struct pl_rng *rng, uint64_t lo, uint64_t hi);

/* The names of the run's faults, separated by commas. */
void pl_plan_faults_text(const struct pl_plan *plan, char *out, size_t size);

#endif

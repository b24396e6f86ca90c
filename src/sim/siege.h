/* sim/siege.h - the field on which attacks happen: a client with two addresses, a server, a network
 * that delivers everything after the same time, and an attacker on it.
 *
 *     client 10.0.0.1, 10.0.1.1      server 10.0.0.2      attacker 10.9.x.x      a third
 * party 10.8.x.x
 *
 * The client opens a connection from its first address and joins it from the second; both ends
 * write all the time. An attack is a struct of functions that are called with packets it may see
 * and at regular times; what it knows it learns from packets, or is given (pl_siege_flow) as luck
 * that nobody has, so that each defence is tried alone. */
#ifndef PL_SIM_SIEGE_H
#define PL_SIM_SIEGE_H

#include "mptcp/version.h"
#include "net/link.h"
#include "plait/plait.h"
#include "sim/attack.h"
#include "sim/device.h"
#include "sim/env.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { SIEGE_CLIENT, SIEGE_SERVER, SIEGE_HOSTS, SIEGE_ATTACKER = SIEGE_HOSTS };
enum {
    SIEGE_FLOWS = 2, /* by the client's address */
    SIEGE_PORTS = 2, /* of the client; the server has one */
    SIEGE_TCP_PORT = 5001,
    SIEGE_ATTACKER_NET = 9,
    SIEGE_THIRD_NET = 8,
};
#define SIEGE_STEP (10 * PLAIT_NS_PER_MS)    /* between two calls of an attack */
#define SIEGE_ATTACK (500 * PLAIT_NS_PER_MS) /* when they begin */

struct pl_siege;

/* A packet as the network sees it. */
struct pl_siege_packet {
    unsigned from; /* a host, or SIEGE_ATTACKER */
    struct plait_endpoint src, dst;
    struct pl_segment seg;
    uint8_t *data; /* the whole packet; a change needs pl_siege_fix() */
    uint32_t len;
};

/* One subflow of the two hosts as somebody on its path knows it. Index by host. */
struct pl_siege_flow {
    bool seen;
    struct plait_endpoint end[SIEGE_HOSTS];
    pl_seq32 first[SIEGE_HOSTS]; /* behind the SYN */
    pl_seq32 next[SIEGE_HOSTS];
    uint32_t timestamp[SIEGE_HOSTS];
    uint64_t dsn_next[SIEGE_HOSTS]; /* its low 32 bits at least */
};

/* What was said where the connection began and was joined. */
struct pl_siege_secrets {
    uint64_t key[SIEGE_HOSTS];
    uint32_t token[SIEGE_HOSTS]; /* that names the connection on this host */
};

/* What is promised over version 0. */
enum pl_siege_v0 { SIEGE_V0_SAME, SIEGE_V0_NONE, SIEGE_V0_BOUNDED, SIEGE_V0_RESIDUAL };

struct pl_siege_attack {
    const char *name, *place, *source;
    enum pl_attack_outcome promised;
    enum pl_siege_v0 v0;       /* NONE: it makes no sense there */
    uint32_t half_open_max;    /* more is BROKEN */
    uint32_t v0_half_open_max; /* that many more over version 0 */
    uint32_t answers_max;      /* packets for each that the attacker sent, by 100; 0: any */
    bool single;               /* the connection has one path */
    bool checksum;             /* with DSS checksums */
    bool away;                 /* the client's second address goes and returns meanwhile, ... */
    plait_time joined_by;      /* ... and its path is in use again by then; 0: in the end */
    bool as_tcp;               /* wrong bytes are what TCP would have taken, too */
    /* Optional. A packet of a host; false: it does not arrive. */
    bool (*see)(struct pl_siege *siege, struct pl_siege_packet *packet);
    /* Optional. A packet for an address of the attacker's. */
    void (*got)(struct pl_siege *siege, const struct pl_siege_packet *packet);
    /* Optional. Every SIEGE_STEP from SIEGE_ATTACK on; `turn` counts from 0. */
    void (*act)(struct pl_siege *siege, unsigned turn);
};

struct pl_siege_host {
    struct pl_siege *siege;
    unsigned index;
    struct pl_sim_env env;
    struct plait_stack *stack;
    plait_port_id port[SIEGE_PORTS];
    unsigned ports;
    struct pl_plan_port plan;
    struct pl_device device;
    plait_sock sock;
    uint64_t written, received;
    bool shut, eof, gone;
    uint32_t known;         /* subflows of its own at the best time */
    uint64_t memory_before; /* the attack */
};

struct pl_siege {
    const struct pl_siege_attack *attack;
    const struct pl_attack_options *options;
    const struct plait_mptcp_version *version;
    struct pl_attack_result *result;
    struct pl_sim_verdict verdict;
    struct pl_record record;
    struct pl_siege_host host[SIEGE_HOSTS];
    struct pl_link wire;
    plait_sock listener;
    plait_time now, step_at, write_at;
    unsigned turn;
    struct pl_rng rng; /* the attacker's */
    struct pl_siege_flow flow[SIEGE_FLOWS];
    struct pl_siege_secrets secrets;
    /* For attacks: what they heard and where they are. */
    struct pl_mptcp_options heard[4];
    pl_seq32 isn;
    unsigned state;
};

struct plait_endpoint pl_siege_endpoint(unsigned net, unsigned subnet, unsigned number,
                                        uint16_t port);
/* Whether it is of the attacker's, or of nobody's. */
bool pl_siege_foreign(const struct plait_addr *addr);

/* ---- packets ---- */

/* False: no TCP. */
bool pl_siege_parse(struct pl_siege_packet *packet, uint8_t *data, uint32_t len);
/* Makes the TCP checksum right again. */
void pl_siege_fix(struct pl_siege_packet *packet);
/* Sends a segment from the attacker, whatever its source address says. Options: MSS, timestamps and
 * those of MPTCP. */
void pl_siege_send(struct pl_siege *siege, const struct plait_endpoint *src,
                   const struct plait_endpoint *dst, const struct pl_segment *seg);
/* A pure ACK as `from` would send it next on a flow, all numbers right. */
struct pl_segment pl_siege_ack(const struct pl_siege *siege, unsigned flow, unsigned from);
/* Sends it to the other host, as if it came from `from`. */
void pl_siege_send_as(struct pl_siege *siege, unsigned flow, unsigned from,
                      const struct pl_segment *seg);
/* Keeps what a packet of the hosts tells about flows and secrets. */
void pl_siege_learn(struct pl_siege *siege, const struct pl_siege_packet *packet);

/* ---- attacks, by file ---- */

extern const struct pl_siege_attack pl_attacks_on_addresses[], pl_attacks_on_joins[],
    pl_attacks_on_segments[]; /* the last one has no name */

/* Runs an attack and says what it saw. */
PLAIT_MUST_CHECK int pl_siege_run(const struct pl_siege_attack *attack,
                                  const struct pl_attack_options *options,
                                  struct pl_attack_result *result);

#endif

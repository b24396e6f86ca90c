/* plait/stack.h - one stack: ports, packets in, packets out, time.
 *
 * The stack does no I/O. The caller
 *   - hands it packets:             plait_input(stack, port, buf, meta, now)
 *   - pulls packets when a device can take them: plait_output(stack, port, tx, max, now)
 *   - runs timers:                  plait_tick(stack, now) at or after plait_deadline(stack)
 *   - drains events:                plait_event_next(stack, &event)
 * after every call that acts (input, tick, any socket call) output may have become pending and
 * events may be queued; the usual loop does: act, drain events, pull output, sleep to deadline.
 * One stack is single-threaded; different stacks share nothing. `now` must never go backwards;
 * a smaller value is treated as the last one seen. */
#ifndef PLAIT_STACK_H
#define PLAIT_STACK_H

#include "plait/buf.h"
#include "plait/env.h"
#include "plait/error.h"
#include "plait/types.h"

struct plait_stack;

/* Congestion control of new subflows. */
enum plait_cc {
    PLAIT_CC_CUBIC,
    PLAIT_CC_RENO,
    PLAIT_CC_BBR,
    PLAIT_CC_DCTCP, /* RFC 8257, where switches mark: asks for ECN itself, Reno without */
    PLAIT_CC_LIA,   /* RFC 6356: the subflows of a connection take together what one would */
};

/* Explicit congestion notification (RFC 3168), per subflow; the values of Linux's tcp_ecn. */
enum plait_ecn {
    PLAIT_ECN_OFF,
    PLAIT_ECN_ON,     /* ask for it and accept it */
    PLAIT_ECN_ACCEPT, /* accept it (default) */
};

/* When SYNs are answered without keeping state (RFC 4987). */
enum plait_syn_cookies {
    PLAIT_SYN_COOKIES_NEVER,
    PLAIT_SYN_COOKIES_WHEN_FULL, /* while a listener's backlog is full of handshakes */
    PLAIT_SYN_COOKIES_ALWAYS,    /* for tests */
};

/* Which versions of MPTCP are spoken. */
enum plait_mptcp_versions {
    PLAIT_MPTCP_V1,    /* RFC 8684 (default) */
    PLAIT_MPTCP_V0,    /* RFC 6824 only, which RFC 8684 replaces: Apple's and Linux's older ones */
    PLAIT_MPTCP_V1_V0, /* both; a client offers version 1 and takes a lower answer */
};
struct plait_mptcp_version;
/* For plait_config.v0. It is not linked into a program that does not name it. */
extern const struct plait_mptcp_version plait_mptcp_v0;

/* Settings; plait_config_init() fills the defaults, the caller changes what it wants. */
struct plait_config {
    size_t size;                    /* sizeof(struct plait_config), set by plait_config_init */
    bool mptcp;                     /* ask for and accept MPTCP on new sockets (default true) */
    bool checksum;                  /* require DSS checksums (RFC 8684 section 3.3) */
    bool deny_join_initial;         /* set the C flag: no joins to the initial address */
    bool fastopen_answers_early;    /* with MPTCP, answer before the third ACK: Linux falls back */
    uint8_t ecn;                    /* enum plait_ecn */
    uint8_t cc;                     /* enum plait_cc */
    uint32_t connections_max;       /* connections, embryonic ones included */
    uint32_t subflows_max;          /* per connection, the first included (1..32) */
    uint32_t add_addr_accepted_max; /* addresses of the peer that are used, per connection */
    uint32_t send_buffer_bytes;     /* per connection, upper bound of auto-tuning */
    uint32_t receive_buffer_bytes;  /* per connection, upper bound of auto-tuning */
    uint64_t memory_bytes_max;      /* payload held by the whole stack */
    uint64_t rto_min_ns;            /* default 200 ms (RFC 6298 section 2.4 with Linux's bound) */
    uint64_t time_wait_ns;          /* default 60 s */
    uint64_t orphan_ns;             /* how long a closed socket may go on without progress */
    uint64_t no_subflow_ns;         /* a connection without subflows lives so long: 60 s */
    uint64_t syn_timeout_ns;        /* default 180 s (RFC 9293 section 3.8.3) */
    uint64_t stale_ns_min;          /* see docs/architecture.md, "Dead paths": default 100 ms */
    uint8_t syn_cookies;            /* enum plait_syn_cookies, default WHEN_FULL */
    /* Answers to bad segments, per subflow (RFC 5961 section 7): so many, 65,535 at most, in such a
     * time (0: no limit). Default: 10 in a second. */
    uint32_t challenge_acks;
    uint64_t challenge_ns;
    uint8_t versions;                     /* enum plait_mptcp_versions, of new sockets */
    const struct plait_mptcp_version *v0; /* &plait_mptcp_v0 if sockets shall speak it, or NULL */
};
void plait_config_init(struct plait_config *config);

/* Creates a stack. `env` must outlive it. Errors: NO_MEMORY, BAD_ARGUMENT. */
PLAIT_MUST_CHECK int plait_stack_create(struct plait_stack **out, const struct plait_env *env,
                                        const struct plait_config *config);
/* Frees everything, without sending anything. NULL is allowed. */
void plait_stack_destroy(struct plait_stack *stack);

/* ---- ports ---- */

enum plait_port_flag {
    PLAIT_PORT_TSO = 1 << 0,         /* the port cuts segments of up to 64 KB (plait_tx.gso_size) */
    PLAIT_PORT_TX_CSUM = 1 << 1,     /* the port fills in the TCP checksum */
    PLAIT_PORT_ANY_ADDRESS = 1 << 2, /* packets to every address are ours (inner port, gateway) */
    PLAIT_PORT_BACKUP = 1 << 3,      /* subflows over it are backups (B bit) */
    PLAIT_PORT_METERED = 1 << 4,     /* a hint for schedulers */
    PLAIT_PORT_NO_MPTCP = 1 << 5,    /* connections that start here are plain TCP */
};

struct plait_port_config {
    size_t size;
    char name[16];
    uint32_t mtu;   /* 576..65535 bytes, IP header included; 1280 at least for IPv6 */
    uint32_t flags; /* PLAIT_PORT_… */
};

/* Adds a port, up and without addresses. Errors: BAD_ARGUMENT, LIMIT (63 ports), NO_MEMORY. */
PLAIT_MUST_CHECK int plait_port_add(struct plait_stack *stack,
                                    const struct plait_port_config *config, plait_port_id *out);
/* Removes a port; its subflows die, the connections live on over others. */
int plait_port_remove(struct plait_stack *stack, plait_port_id port, plait_time now);
/* Carrier. Down: subflows over it stop at once and others take over; up: paths are re-created. */
int plait_port_set_up(struct plait_stack *stack, plait_port_id port, bool up, plait_time now);
int plait_port_set_mtu(struct plait_stack *stack, plait_port_id port, uint32_t mtu);

/* The flags of `ip mptcp endpoint`. */
enum plait_address_flag {
    PLAIT_ADDRESS_SIGNAL = 1 << 0,   /* announce with ADD_ADDR */
    PLAIT_ADDRESS_SUBFLOW = 1 << 1,  /* open subflows from it */
    PLAIT_ADDRESS_BACKUP = 1 << 2,   /* its subflows are backups */
    PLAIT_ADDRESS_FULLMESH = 1 << 3, /* subflows to every known address of the peer */
};

/* Gives a port an address and makes it an MPTCP endpoint with `flags`; `announce_port` 0 announces
 * without a port. `id` is the address id (1..255), 0 picks one. Returns the id or an error. */
int plait_address_add(struct plait_stack *stack, plait_port_id port, const struct plait_addr *addr,
                      uint32_t flags, uint16_t announce_port, uint8_t id, plait_time now);
/* Announces an address with ADD_ADDR as `outside`, by which peers reach it: a NAT stands before the
 * port. It was added without PLAIT_ADDRESS_SIGNAL and has it from here on. Errors: BAD_PORT,
 * NO_ADDRESS, IN_USE (it is announced already), BAD_ARGUMENT (other families, FULLMESH). */
int plait_address_announce(struct plait_stack *stack, plait_port_id port,
                           const struct plait_addr *addr, const struct plait_addr *outside,
                           plait_time now);
/* Takes it away: subflows from it close, REMOVE_ADDR goes out. */
int plait_address_remove(struct plait_stack *stack, plait_port_id port,
                         const struct plait_addr *addr, plait_time now);
/* Changes PLAIT_ADDRESS_BACKUP; MP_PRIO goes out on its subflows. */
int plait_address_set_backup(struct plait_stack *stack, plait_port_id port,
                             const struct plait_addr *addr, bool backup, plait_time now);

/* ---- packets ---- */

enum plait_rx_flag {
    PLAIT_RX_CSUM_OK = 1 << 0, /* the device or the sender vouches for the TCP checksum */
};
struct plait_rx_meta {
    uint32_t flags;
    uint16_t gso_size; /* payload bytes per original segment of a coalesced packet, 0 if none */
};

/* Takes one IP packet (buf->data[0..len)). `meta` may be NULL. Bad packets are counted drops. */
void plait_input(struct plait_stack *stack, plait_port_id port, struct plait_buf *buf,
                 const struct plait_rx_meta *meta, plait_time now);

#define PLAIT_TX_HEADER_MAX 120
#define PLAIT_TX_SLICES_MAX 20
/* One packet to send: header bytes, then the payload slices. The slices are borrowed until the
 * next call that acts on the stack. */
struct plait_tx {
    uint8_t header[PLAIT_TX_HEADER_MAX]; /* IP and TCP headers */
    uint32_t header_len;
    uint32_t slice_count;
    struct plait_slice slices[PLAIT_TX_SLICES_MAX];
    uint32_t payload_len;
    uint16_t gso_size;    /* > 0: cut the payload in pieces of so many bytes (TSO) */
    uint16_t csum_start;  /* with needs_csum: offset of the TCP header */
    uint16_t csum_offset; /* with needs_csum: 16; the field holds the pseudo-header sum */
    bool needs_csum;
    uint32_t mark; /* PLAIT_OPT_MARK of the socket, for the device's policy */
};

/* Pulls up to `max` packets for a port. Returns how many. 0: nothing to send now. */
unsigned plait_output(struct plait_stack *stack, plait_port_id port, struct plait_tx *tx,
                      unsigned max, plait_time now);
/* Whether plait_output() would be worth calling for this port. */
bool plait_output_pending(const struct plait_stack *stack, plait_port_id port);

/* The next time plait_tick() has something to do, or PLAIT_TIME_NEVER. */
plait_time plait_deadline(const struct plait_stack *stack);
void plait_tick(struct plait_stack *stack, plait_time now);

/* ---- counters ---- */

/* PLAIT_COUNTER_COUNT values, indexed by enum plait_counter (plait/trace.h). */
const uint64_t *plait_counters(const struct plait_stack *stack);

struct plait_stack_stats {
    size_t size;
    uint32_t connections;  /* connections that exist, whatever their state */
    uint32_t subflows;     /* subflows that exist, TIME-WAIT included */
    uint64_t memory_bytes; /* payload held now */
};
/* out->size as for plait_connection(). */
void plait_stack_stats(const struct plait_stack *stack, struct plait_stack_stats *out);
/* Walks every invariant; aborts through plait_abort_hook() when one is broken. */
void plait_stack_check(const struct plait_stack *stack);

#endif

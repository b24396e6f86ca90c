/* mptcp_peer.h - an MPTCP peer that does exactly what a test says.
 *
 * It speaks to one stack over up to four ports, in single segments, on virtual time: options as the
 * test gives them, no retransmission, no congestion control, nothing by itself. Path p joins
 * 10.0.p.1 and fd00:p::1 (the peer) with 10.0.p.2 and fd00:p::2 (the stack), without delay. What
 * the stack sends is checked (checksums, mappings and their bytes), logged and remembered per flow.
 * The streams of both sides are pair_pattern() of the offset. */
#ifndef MPTCP_PEER_H
#define MPTCP_PEER_H

#include "mptcp/state.h"
#include "stack_pair.h"

enum { PEER_PATHS_MAX = 4, PEER_FLOWS_MAX = 16, PEER_LOG = 4096, PEER_STREAM = 1 << 20 };
enum { PEER_PORT = 80, PEER_NO_OFFSET = -1 };

struct peer_flow {
    bool open;      /* the handshake is complete */
    bool initiator; /* the peer sent the SYN */
    unsigned path;
    struct plait_endpoint local, remote; /* the peer's, the stack's */
    uint32_t iss, irs;
    uint32_t nxt;     /* offset of the next byte to send, from iss + 1 */
    uint32_t rcv_nxt; /* offset of the next byte expected, from irs + 1 */
    uint32_t nonce_local, nonce_remote;
    uint8_t local_id, remote_id;
    bool backup_remote, fin_in, rst_in;
};

/* A segment to send. Offsets are from the first byte of a subflow or of the stream. */
struct peer_seg {
    unsigned flow;
    uint8_t flags; /* besides ACK */
    bool no_ack;   /* ACK not set */
    bool stay;     /* flow.nxt does not move */
    int64_t seq;   /* offset, PEER_NO_OFFSET: flow.nxt */
    uint32_t len;  /* payload bytes: the stream's from `at` */
    uint64_t at;
    uint16_t window; /* 0: 65535 */
    bool corrupt;    /* the first payload byte is wrong (the TCP checksum is right) */
    const struct pl_mptcp_options *o; /* those in `present` are written */
};

/* A segment of the stack. */
struct peer_rx {
    plait_time at;
    unsigned path, flow;   /* PEER_FLOWS_MAX: of no known flow */
    struct pl_segment seg; /* payload is not kept */
    struct plait_endpoint src, dst;
};

struct peer_setup {
    unsigned paths; /* default 1 */
    const struct plait_config *config;
    uint32_t port_flags, address_flags;
    uint64_t idsn;       /* not 0: of both sides (the hash is replaced) */
    uint8_t cap_flags;   /* MP_CAPABLE flags of the peer besides H */
    bool stay_embryonic; /* stop before the first DSS: the stack has keys but nothing confirmed */
};

struct peer {
    struct test_env env;
    struct plait_stack *stack;
    plait_port_id port[PEER_PATHS_MAX];
    unsigned paths;
    plait_time now;
    struct peer_setup setup;
    plait_sock listener, sock;
    uint64_t key_local, key_remote;
    uint64_t idsn_local, idsn_remote;
    uint32_t token_local, token_remote;
    bool checksum; /* negotiated */
    struct peer_flow flow[PEER_FLOWS_MAX];
    unsigned flow_count;
    uint16_t tcp_port_next;
    uint16_t join_port;  /* to which joins go; 0: that of the connection */
    struct peer_rx *log; /* of PEER_LOG, the first ones are kept */
    unsigned log_count;
    uint8_t *got;       /* got[i]: byte i of the stack's stream has arrived */
    uint64_t got_to;    /* all below */
    uint64_t read_at;   /* offset of peer_read */
    uint64_t ack_seen;  /* highest DATA_ACK of the stack, as an offset; DATA_FIN counts one */
    uint64_t edge_seen; /* right edge of the stack's window */
    bool fin_seen;      /* a DATA_FIN of the stack */
    uint64_t fin_at;
    bool alive;                /* questions for a sign of life are answered (RFC 9293, 3.8.4) */
    bool auto_ack;             /* every payload is acknowledged at both levels, with `window` */
    bool mute[PEER_PATHS_MAX]; /* what the stack sends there is lost */
    uint32_t window;
};

/* Makes the stack. peer_fini also checks that all memory came back. */
void peer_init(struct peer *p, const struct peer_setup *setup);
void peer_fini(struct peer *p);
/* The peer connects over path 0 to the stack's listener; p->sock is the accepted socket. */
void peer_connect(struct peer *p);
/* The stack connects over path 0 to the peer. */
void peer_accept(struct peer *p);
/* The peer joins over a path; returns the flow. */
unsigned peer_join(struct peer *p, unsigned path, bool backup);
/* Answers the SYN of a join that the stack has sent (the first unanswered one in the log); false
 * when there is none or the stack does not want it any more. *flow is the new one. */
bool peer_answer_join(struct peer *p, uint8_t id, bool backup, unsigned *flow);

void peer_send(struct peer *p, const struct peer_seg *seg);
/* Payload [at, at+len) of the stream, mapped, next in sequence on the flow. */
void peer_data(struct peer *p, unsigned flow, uint64_t at, uint32_t len);
/* A bare ACK of all that came, with DATA_ACK of `data` bytes (and DATA_FIN if it counts one). */
void peer_ack(struct peer *p, unsigned flow, uint64_t data);
/* A DSS mapping of stream bytes [at, at+len) to the flow's offset `ssn`, checksum included when
 * negotiated (of the pattern's bytes). */
struct pl_mptcp_options peer_map(const struct peer *p, uint64_t at, uint32_t ssn, uint32_t len,
                                 bool fin);

/* Takes and judges all that the stack wants to send now. */
void peer_pull(struct peer *p);
/* Lets time pass: timers and output of the stack. */
void peer_run(struct peer *p, uint64_t ns);
/* Reads from the stack's socket as far as it goes, checks the pattern; returns the bytes. */
uint64_t peer_read(struct peer *p);
/* Writes the next `len` bytes of the pattern to the stack's socket (asserted). */
void peer_write(struct peer *p, uint64_t at, uint32_t len);

/* The last segment in the log from `from` on that has this subtype (or, -1, any segment), or
 * NULL. */
const struct peer_rx *peer_find(const struct peer *p, unsigned from, int subtype);
/* How many since `from` have it. */
unsigned peer_count(const struct peer *p, unsigned from, int subtype);
uint64_t peer_counter(const struct peer *p, enum plait_counter counter);
/* The HMAC of an ADD_ADDR of the peer (`ours`) or of the stack. */
uint64_t peer_add_addr_hmac(const struct peer *p, bool ours, uint8_t id,
                            const struct plait_endpoint *at);
/* Token and IDSN of a key, as this test run has them. */
void peer_key_facts(uint64_t key, uint32_t *token, uint64_t *idsn);
struct pl_conn *peer_conn(struct peer *p);
/* The stack's side of a flow, NULL when it is gone. */
struct pl_subflow *peer_subflow(struct peer *p, unsigned flow);

#endif

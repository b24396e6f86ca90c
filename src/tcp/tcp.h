/* tcp/tcp.h - one TCP connection (RFC 9293), the calls. The struct itself is in tcp/state.h.
 *
 * Life: pl_tcp_init -> (pl_tcp_connect | pl_tcp_accept [-> pl_tcp_confirm]) -> input/output/timer
 * ... -> event PL_TCP_CLOSED -> pl_tcp_fini. CLOSED is said exactly once, for every end (orderly
 * after TIME-WAIT or LAST-ACK, reset, time-out, pl_tcp_abort); what was in flight can still be
 * walked inside that event (pl_tcp_inflight_walk). Between CLOSED and fini the subflow may still
 * want to output one RST: the owner calls pl_tcp_fini when pl_tcp_finished() says so. In TIME-WAIT
 * everything but the state, the tuple and what an ACK needs may be released.
 *
 * Output is pulled. A subflow that has something to send puts its out_link into the list given at
 * init; whoever serves the port takes it from there with pl_tcp_output() until that returns false
 * (then the subflow has removed itself from the list). Time only comes in as `now`; the only timer
 * is tcp->timer in ctx->timers. */
#ifndef PL_TCP_TCP_H
#define PL_TCP_TCP_H

#include "base/ctx.h"
#include "base/list.h"
#include "tcp/tuning.h"
#include "tcp/upper.h"

struct pl_tcp;
struct pl_tcp_record;

enum pl_tcp_state {
    PL_TCP_ST_CLOSED,
    PL_TCP_ST_SYN_SENT,
    PL_TCP_ST_SYN_RECEIVED,
    PL_TCP_ST_ESTABLISHED,
    PL_TCP_ST_FIN_WAIT_1,
    PL_TCP_ST_FIN_WAIT_2,
    PL_TCP_ST_CLOSE_WAIT,
    PL_TCP_ST_CLOSING,
    PL_TCP_ST_LAST_ACK,
    PL_TCP_ST_TIME_WAIT,
};

struct pl_tcp_tuple {
    struct plait_addr local, remote;
    uint16_t local_port, remote_port;
};

struct pl_tcp_setup {
    struct pl_tcp_tuple tuple;
    const struct pl_tcp_upper *ops;
    void *up;
    struct pl_list *out_list; /* where out_link goes when there is something to send */
    struct pl_trace_id trace_id;
    uint32_t mtu;            /* of the port, IP header included */
    bool tso;                /* segments of up to 64 KB may be output */
    pl_seq32 iss;            /* RFC 6528; chosen by the owner */
    uint32_t ts_offset;      /* added to the timestamp clock (RFC 7323 section 5.4 of privacy) */
    uint8_t cc;              /* enum plait_cc */
    uint64_t syn_timeout_ns; /* 0: the stack's; joins use a shorter one */
    uint32_t receive_buffer_bytes;      /* what the window scale has to serve; 0: the stack's */
    const struct pl_tcp_tuning *tuning; /* outlives the subflow; NULL: the defaults */
};

/* A segment to send; the stack adds the IP header, ports are in the tuple. */
struct pl_tcp_tx {
    struct pl_segment seg; /* flags, seq, ack, window_raw are final; options are in `options` */
    uint8_t options[PL_TCP_OPTIONS_MAX];
    uint32_t options_len;
    struct plait_slice slices[PLAIT_TX_SLICES_MAX]; /* borrowed until the next call on the stack */
    uint32_t slice_count;
    uint32_t payload_len;
    uint16_t gso_size; /* payload bytes per cut when payload_len is larger, else 0 */
    uint8_t ecn;       /* for the IP header: PL_IP_ECT0 or PL_IP_NOT_ECT */
};

/* Reserves the timer in ctx. Errors: NO_MEMORY. */
PLAIT_MUST_CHECK int pl_tcp_init(struct pl_tcp *tcp, struct pl_ctx *ctx,
                                 const struct pl_tcp_setup *setup);
/* Releases everything without a word on the wire. Legal in every state after init. */
void pl_tcp_fini(struct pl_tcp *tcp);

void pl_tcp_connect(struct pl_tcp *tcp, plait_time now);
/* The same, with payload in the first SYN (RFC 7413): `next` is asked for it when the options are
 * written. `mss` is what the peer offered last time, 0: not known. */
void pl_tcp_connect_fast(struct pl_tcp *tcp, uint16_t mss, plait_time now);
/* Takes a SYN (ACK not set) for a new passive connection: options_in is asked with PL_SEG_SYN
 * first. With `hold` the SYN/ACK waits for pl_tcp_confirm. */
void pl_tcp_accept(struct pl_tcp *tcp, const struct pl_segment *syn, bool hold, plait_time now);
void pl_tcp_confirm(struct pl_tcp *tcp, plait_time now);
/* Takes a SYN whose sender is known to be who he says (RFC 7413): its payload goes up and ours may
 * go out before the third ACK comes. `buf` holds syn->payload. */
void pl_tcp_accept_early(struct pl_tcp *tcp, const struct pl_segment *syn, struct plait_buf *buf,
                         plait_time now);

/* A segment for this connection. `buf` holds seg->payload. */
void pl_tcp_input(struct pl_tcp *tcp, const struct pl_segment *seg, struct plait_buf *buf,
                  plait_time now);
/* Next segment to send, or false. */
bool pl_tcp_output(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now);

/* There may be something new to send, or the upper's window opened. */
void pl_tcp_kick(struct pl_tcp *tcp);
/* Send an ACK at the next chance even if nothing else asks for one (options, window updates). */
void pl_tcp_ack_now(struct pl_tcp *tcp);
/* The same in 40 ms, unless something has been sent by then. */
void pl_tcp_ack_later(struct pl_tcp *tcp, plait_time now);
/* Another congestion control (enum plait_cc). */
void pl_tcp_set_cc(struct pl_tcp *tcp, uint8_t algorithm);
/* Whether its congestion control is a coupled one (RFC 6356), and what that is told of its
 * siblings: see pl_cc_couple. Legal inside an upper function. */
bool pl_tcp_is_coupled(const struct pl_tcp *tcp);
void pl_tcp_couple(struct pl_tcp *tcp, uint32_t step);
/* The connection's tuning has changed, or (`tuning` not NULL) is another struct from here on. */
void pl_tcp_tuned(struct pl_tcp *tcp, const struct pl_tcp_tuning *tuning, plait_time now);
/* The tuning's uto_s has changed: the peer is told with the next segment (RFC 5482). */
void pl_tcp_uto_advertise(struct pl_tcp *tcp);
/* The user timeout that the peer has advertised, seconds; 0: none, or nobody asked. */
uint32_t pl_tcp_uto_peer_s(const struct pl_tcp *tcp);
/* FIN after everything `next` has to give. Idempotent. */
void pl_tcp_shutdown(struct pl_tcp *tcp, plait_time now);
/* RST (if the peer may know of us), then CLOSED with `error`. Idempotent. */
void pl_tcp_abort(struct pl_tcp *tcp, int error, plait_time now);
/* CLOSED was said and nothing is left to output. */
bool pl_tcp_finished(const struct pl_tcp *tcp);

/* The MTU of the port has changed. */
void pl_tcp_set_mtu(struct pl_tcp *tcp, uint32_t mtu, plait_time now);
/* An ICMP error says that packets of more than `mtu` bytes do not pass; already validated against
 * the sequence number by the stack. */
void pl_tcp_too_big(struct pl_tcp *tcp, uint32_t mtu, plait_time now);
/* A validated ICMP error: soft ones are remembered and become the reason of a later time-out;
 * hard ones end a connection that is not yet synchronised (RFC 5461). */
void pl_tcp_icmp_error(struct pl_tcp *tcp, bool hard, int error, plait_time now);
/* Whether `seq` lies in what is in flight: the check of RFC 5927 section 4. */
bool pl_tcp_seq_in_flight(const struct pl_tcp *tcp, pl_seq32 seq);

/* Whether a SYN for the tuple of a connection in TIME-WAIT opens a new one (RFC 9293
 * section 3.10.7.4, RFC 6191): its timestamp, or without timestamps its sequence number, is beyond
 * the old ones. The owner then calls pl_tcp_fini and accepts the SYN. */
bool pl_tcp_time_wait_reusable(const struct pl_tcp *tcp, const struct pl_segment *syn);
/* The least initial sequence number for the new one. */
pl_seq32 pl_tcp_time_wait_next_iss(const struct pl_tcp *tcp);

/* Whether a connection with this congestion control answers yes to a SYN that asks for ECN. */
bool pl_tcp_ecn_agrees(const struct pl_ctx *ctx, uint8_t cc, const struct pl_segment *syn);

/* ---- what schedulers and tools see ---- */

enum pl_tcp_state pl_tcp_state(const struct pl_tcp *tcp);
struct pl_tcp_info {
    enum pl_tcp_state state;
    uint64_t srtt_ns, rttvar_ns, rto_ns; /* srtt 0: no sample yet */
    uint64_t min_rtt_ns;
    uint32_t cwnd_bytes, ssthresh_bytes, inflight_bytes, mss, snd_wnd_bytes;
    uint32_t rto_backoff; /* RTOs in a row */
    uint64_t bytes_sent, bytes_acked, bytes_received, retrans_bytes, segments_sent,
        segments_received;
    uint64_t pacing_rate;             /* bytes per second, 0 = not paced */
    int soft_error;                   /* remembered from ICMP, 0 = none */
    plait_time last_in, last_data_in; /* when something, and when payload, arrived last; 0 never */
};
void pl_tcp_info(const struct pl_tcp *tcp, struct pl_tcp_info *out);
/* Could send new payload right now: state, congestion window, own send window, pacing, not in
 * RTO recovery. */
bool pl_tcp_can_send(const struct pl_tcp *tcp, plait_time now);
/* How much of the congestion window is in use, bytes: in fast recovery, where it is inflated, of
 * ssthresh (RFC 6356 section 3). */
uint32_t pl_tcp_window_used(const struct pl_tcp *tcp, plait_time now);
/* Sequence numbers the MPTCP upper needs: ours and the peer's initial ones. */
pl_seq32 pl_tcp_iss(const struct pl_tcp *tcp);
pl_seq32 pl_tcp_irs(const struct pl_tcp *tcp);
pl_seq32 pl_tcp_rcv_nxt(const struct pl_tcp *tcp);

/* The window scale that is offered: for the stack's receive buffer, or this one if it is larger (a
 * buffer that grows later can use no more). */
uint8_t pl_tcp_wscale_choose(const struct pl_ctx *ctx, uint32_t buffer_bytes);
/* The window a segment of this connection advertises, in bytes (never scaled in a SYN). */
uint32_t pl_tcp_scaled_window(const struct pl_tcp *tcp, const struct pl_segment *seg);
/* Throws away what waits for bytes before it. */
void pl_tcp_drop_ahead(struct pl_tcp *tcp);
/* Asks the peer for a sign of life: an ACK that it must answer (RFC 9293 section 3.8.4). */
void pl_tcp_probe(struct pl_tcp *tcp);
/* The path answers again: what waits for a backed-off retransmission timer goes out now. Legal
 * inside an upper function. */
void pl_tcp_retry(struct pl_tcp *tcp, plait_time now);
/* Another upper from now on (same `up`): an MPTCP subflow that goes on as plain TCP. Legal inside
 * an upper function. */
void pl_tcp_set_ops(struct pl_tcp *tcp, const struct pl_tcp_upper *ops);

/* Calls visit for every record of payload in flight, in sequence order. `tag` is that of the
 * record's first byte; chunk and offset say where its bytes are; `sent_at` is when it went out
 * last, PLAIT_TIME_NEVER while it waits to go out again. Used for reinjection. */
typedef void pl_tcp_visit(void *arg, uint64_t tag, struct pl_chunk *chunk, uint32_t offset,
                          uint32_t len, plait_time sent_at, const struct pl_tcp_origin *origin);
void pl_tcp_inflight_walk(const struct pl_tcp *tcp, pl_tcp_visit *visit, void *arg);
/* Invariants; aborts through plait_abort_hook. */
void pl_tcp_check(const struct pl_tcp *tcp);

#endif

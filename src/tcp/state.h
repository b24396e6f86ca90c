/* tcp/state.h - the state of one connection, laid open so that it can be embedded.
 *
 * Only src/tcp writes here; whoever embeds a pl_tcp uses out_link and timer as list and heap
 * members and reads the rest through tcp/tcp.h. Every part below belongs to the file named with
 * it. Sequence-space facts that hold between any two calls (pl_tcp_check):
 *   - flight->records are contiguous from max(una, iss + 1) to nxt (a FIN is a record of length 1);
 *   - a record is in flight->sent (in flight), in flight->lost (to be sent), or sacked;
 *   - in flight = nxt - una - sacked_bytes - lost_bytes;
 *   - rcv.islands are disjoint, not adjacent, in order and beyond rcv.nxt. */
#ifndef PL_TCP_STATE_H
#define PL_TCP_STATE_H

#include "base/assert.h"
#include "tcp/cc/cc.h"
#include "tcp/tcp.h"

/* What the one heap timer stands for: a deadline each, PLAIT_TIME_NEVER when not set. */
enum pl_tcp_slot {
    /* Something in flight (or a SYN): retransmission (RFC 6298). Nothing in flight: window probe.
     */
    PL_TCP_SLOT_REXMIT,
    PL_TCP_SLOT_PROBE, /* tail loss probe or, with rack.waiting, the reordering timer (RFC 8985) */
    PL_TCP_SLOT_DELACK,
    PL_TCP_SLOT_PACE, /* pacing, or the next try after an allocation failed */
    PL_TCP_SLOT_LIFE, /* end of the handshake's patience, keep-alive, end of TIME-WAIT */
    PL_TCP_SLOT_COUNT,
};

enum { PL_TCP_SEEN = 3 };

enum pl_tcp_phase { PL_TCP_PHASE_OPEN, PL_TCP_PHASE_RECOVERY, PL_TCP_PHASE_LOSS, PL_TCP_PHASE_CWR };

/* What was delivered when a record left; see rate.c. */
struct pl_tcp_rate_mark {
    uint64_t delivered; /* bytes */
    plait_time delivered_at, first_sent_at;
    bool valid, limited;
};

/* A piece of sequence space that was given out: payload, or the FIN (chunk NULL, len 1). */
struct pl_tcp_record {
    struct pl_list link;    /* in flight.records, by sequence */
    struct pl_list order;   /* in flight.sent by time of transmission, or flight.lost by sequence */
    struct pl_chunk *chunk; /* one reference */
    plait_time sent_at;     /* the last transmission */
    pl_seq32 seq;
    uint32_t len;
    uint32_t offset;   /* in chunk */
    uint32_t again_ts; /* our timestamp of the second transmission */
    uint16_t cut;      /* payload per packet when it was sent last */
    uint16_t sacked : 1;
    uint16_t lost : 1;          /* to be sent (again) */
    uint16_t unsent : 1;        /* never sent so far; lost is set */
    uint16_t retransmitted : 1; /* sent more than once: again_ts is valid */
    uint16_t push : 1;
    uint16_t measured : 1; /* it has a mark: its congestion control has a model */
    struct pl_tcp_origin origin;
    struct pl_tcp_rate_mark mark[];
};

/* What is not acknowledged yet. Made with the first record and freed with the last; in between
 * pl_tcp.flight is the constant pl_tcp_flight_none, which reads as empty lists. */
struct pl_tcp_flight {                      /* records.c, sack.c */
    struct pl_list records;                 /* struct pl_tcp_record, by sequence */
    struct pl_list sent, lost;              /* records, too: in flight by time, to be sent */
    struct pl_tcp_record *cursor;           /* where the last SACK was found; NULL = start */
    struct pl_sack_block seen[PL_TCP_SEEN]; /* the first SACK blocks of the last ACK */
    uint32_t sacked_bytes, lost_bytes;
};

/* A run of payload that arrived ahead of rcv.nxt. */
struct pl_tcp_island {
    struct pl_list link;
    struct pl_chunk *head, *tail; /* linked by next; head holds the only reference */
    pl_seq32 seq;
    uint32_t len;
    uint32_t recency; /* larger = touched later; orders SACK blocks */
};

struct pl_tcp_snd {       /* output.c, ack.c, records.c */
    plait_time last_sent; /* of payload, or of the first SYN */
    pl_seq32 probe_end;   /* of the last probe with a byte */
    pl_seq32 iss, una, nxt, wl1, wl2;
    pl_seq32 small_end;    /* of the last segment that was not full; see `small` */
    uint32_t wnd, wnd_max; /* bytes */
    uint32_t flight_max;   /* the most in flight in this round (window validation) */
    pl_seq32 round_end;
    uint32_t mtu;
    uint16_t peer_mss;
    uint8_t wscale;
    uint8_t dupacks; /* in a row that had no SACK blocks to tell more */
    bool tso : 1;
    bool sack_ok : 1;
    bool more : 1; /* the upper may have something to send */
    bool fin_wanted : 1;
    bool fin_sent : 1;
    bool probe_due : 1;    /* window probe or keep-alive */
    bool probe_byte : 1;   /* it shall carry a byte */
    bool ecn : 1;          /* both ends speak ECN; while opening: our SYN asked for it */
    bool ecn_refused : 1;  /* a SYN without it passed: too late for this connection */
    bool cwr_due : 1;      /* say CWR with the next new payload */
    bool probed : 1;       /* one that did went out: probe_end is valid */
    bool limited : 1;      /* the congestion window stopped us in this round */
    bool limited_last : 1; /* and in the round before */
    bool blocked : 1;      /* a closed window (ours or the upper's) stopped us */
    bool small : 1;        /* small_end may not be acknowledged yet */
    bool held : 1;         /* less than a segment waits (Nagle, cork) */
    bool push_due : 1;     /* it has waited long enough */
    bool uto_due : 1;      /* the user timeout is to be said; uto.c */
};

struct pl_tcp_rcv { /* receive.c, window.c */
    struct pl_list islands;
    pl_seq32 irs, nxt, edge; /* edge: right edge advertised */
    pl_seq32 acked;          /* nxt in the last segment sent */
    pl_seq32 fin_seq;
    struct pl_sack_block dsack; /* to be reported (RFC 2883) */
    uint32_t island_count, recency;
    uint32_t wnd_sent;      /* bytes advertised last */
    uint16_t mss, last_len; /* what the peer sends per segment, and sent last */
    uint16_t limit_count;   /* answers to bad segments since limit_since_ms (RFC 5961) */
    uint8_t wscale;
    uint8_t quick; /* segments still acknowledged at once */
    uint32_t limit_since_ms;
    bool ack_due : 1;  /* send an ACK now */
    bool fin_seen : 1; /* fin_seq is valid */
    bool fin_done : 1; /* the FIN was consumed */
    bool dsack_due : 1;
    bool echo : 1; /* CE arrived: say ECE until the peer says CWR, or until CE ends (DCTCP) */
    bool echo_before : 1; /* the echo of the next `echo_pending` bytes behind `acked` */
    bool ect_seen : 1;    /* payload came that was ECT */
    uint32_t echo_pending : 24;
};

struct pl_tcp_ts { /* options.c: RFC 7323 */
    uint32_t offset;
    uint32_t recent;
    uint32_t recent_at_s;
    bool on : 1;
    bool has_recent : 1;
};

struct pl_tcp_rtt {              /* rtt.c: RFC 6298 */
    uint64_t srtt_ns, rttvar_ns; /* srtt 0: no sample yet */
    uint64_t min_ns;
    plait_time min_at;
    uint64_t var_max_ns; /* largest deviation of this round */
    pl_seq32 round_end;
    uint8_t backoff;   /* doublings of the RTO; back to 0 with a sample */
    bool syn_lost : 1; /* the handshake needed a time-out: payload begins with 3 s (section 5.7) */
};

struct pl_tcp_rack {    /* rack.c: RFC 8985 */
    plait_time xmit_at; /* RACK.xmit_ts */
    uint64_t rtt_ns;
    pl_seq32 end_seq, fack, dsack_round, tlp_end;
    uint8_t reo_mult, reo_persist;
    bool reordering_seen : 1;
    bool dsack_round_on : 1;
    bool tlp_out : 1; /* a loss probe is unacknowledged: tlp_end is valid */
    bool tlp_retrans : 1;
    bool tlp_due : 1;     /* send one now */
    bool tlp_sampled : 1; /* an RTT sample since the last probe */
    bool waiting : 1;     /* SLOT_PROBE is the reordering timer */
};

enum pl_tcp_frto { PL_TCP_FRTO_OFF, PL_TCP_FRTO_HEAD, PL_TCP_FRTO_NEW, PL_TCP_FRTO_CAPPED };

struct pl_tcp_recovery {      /* recovery.c: RFC 9937, 5681; undo.c: RFC 5682, 4015 */
    struct pl_tcp_undo *undo; /* engine.h; NULL: nothing to take back */
    pl_seq32 recover;
    uint32_t prr_delivered, prr_out, prr_flight;
    uint32_t rto_first_ms; /* when the present run of RTOs began */
    uint8_t rto_count;     /* RTOs in a row without progress */
    uint8_t phase : 2;     /* enum pl_tcp_phase */
    uint8_t frto : 2;      /* enum pl_tcp_frto */
    uint8_t frto_left : 2; /* new segments that may go before lost ones */
    uint8_t seen : 1;      /* there was a loss: recover is valid */
};

struct pl_tcp_pace { /* pacing.c */
    plait_time next;
    uint32_t burst; /* bytes of the current burst that are left */
};

/* pmtu.c: RFC 8899; there while packets are smaller than the port bears. Sizes with IP header. */
struct pl_tcp_pmtu {
    plait_time next;     /* no probe before */
    uint32_t max;        /* what the port bears */
    uint32_t high;       /* the largest size that may arrive, as far as is known */
    uint32_t size;       /* of the probe in flight; 0: none */
    pl_seq32 begin, end; /* its payload */
    uint8_t tries;       /* probes of the present size that were lost */
    bool halving;        /* the largest size was tried */
};

struct pl_tcp_life { /* handshake.c, close.c */
    uint32_t syn_timeout_ms;
    pl_seq32 rst_seq;
    int16_t soft_error; /* remembered from ICMP (RFC 5461) */
    uint8_t retries;    /* SYN retransmissions, probes unanswered */
    uint8_t state;      /* enum pl_tcp_state */
    uint8_t cc;         /* enum plait_cc */
    bool passive : 1;
    bool held : 1;
    bool syn_due : 1;
    bool rst_due : 1;
    bool rst_with_ack : 1;
    bool closed_said : 1;
    /* Opened by a Fast Open cookie: ESTABLISHED, or further, but una is iss until the third ACK. */
    bool early : 1;
    bool fast : 1;     /* the first SYN may carry payload; fastopen.c */
    uint16_t uto_peer; /* the peer's user timeout, as it came (RFC 5482); 0: none */
};

struct pl_tcp_stats {
    uint64_t bytes_sent, bytes_acked, bytes_received;
    uint64_t segments_sent, segments_received;
    plait_time last_in, last_data_in;
};

struct pl_tcp {
    struct pl_list out_link; /* in setup.out_list while there is something to send */
    struct pl_timer timer;
    struct pl_ctx *ctx;
    const struct pl_tcp_upper *ops;
    const struct pl_tcp_tuning *tuning; /* never NULL */
    void *up;
    struct pl_list *out_list;
    struct pl_trace_id id;
    struct pl_tcp_tuple tuple;
    uint8_t data_in, data_out; /* packets with payload, as long as there are no figures */
    plait_time deadline[PL_TCP_SLOT_COUNT]; /* timers.c */
    struct pl_tcp_life life;
    struct pl_tcp_flight *flight; /* never NULL */
    struct pl_tcp_snd snd;
    struct pl_tcp_rcv rcv;
    struct pl_tcp_ts ts;
    struct pl_tcp_rtt rtt;
    struct pl_tcp_rack rack;
    struct pl_tcp_recovery rec;
    struct pl_tcp_pace pace;
    struct pl_tcp_pmtu *pmtu;       /* mostly NULL */
    struct pl_tcp_figures *figures; /* NULL for those that said little; figures.h */
    struct pl_cc cc;
    struct pl_tcp_stats stats;
};
static_assert(sizeof(struct pl_tcp) <= 624, "an idle connection is small");

#endif

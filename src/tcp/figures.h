/* tcp/figures.h - what TCP_INFO tells of transfers and nothing here acts upon.
 *
 * A connection that has said little does without, since most of those are idle: the block is made
 * when more than PL_TCP_FIGURES_FEW packets with payload went either way, or with the first event
 * that is worth counting, and kept until pl_tcp_fini. Times and rates begin then, with what is in
 * flight; the counts are whole. Without memory for it the figures begin later; nothing else is
 * lost. */
#ifndef PL_TCP_FIGURES_H
#define PL_TCP_FIGURES_H

#include "tcp/state.h"

struct pl_tcp_ack_facts;

enum { PL_TCP_FIGURES_FEW = 4 };

/* What a sender is waiting for, one at a time (Linux: tcp_chrono). */
enum pl_tcp_wait {
    PL_TCP_WAIT_NONE,   /* there is nothing to send and nothing in flight */
    PL_TCP_WAIT_PATH,   /* congestion control, pacing, or an application that writes too little */
    PL_TCP_WAIT_WINDOW, /* the peer's window */
    PL_TCP_WAIT_BUFFER, /* all is sent, and the send buffer has no room for more */
    PL_TCP_WAIT_COUNT,
};

struct pl_tcp_figures {
    uint64_t spent_ns[PL_TCP_WAIT_COUNT]; /* up to `since` */
    plait_time since;
    /* The delivery rate: bytes per second of the last round that counts, and the present round,
     * which ends when what had been sent at its start, `round_end`, is acknowledged. */
    uint64_t rate, limited_until;
    uint64_t round_delivered, round_before_ns;
    plait_time round_at;
    pl_seq32 round_end;
    uint32_t data_segs_in, data_segs_out, retrans_segs;
    uint32_t dsack_dups, reorderings, out_of_order_in;
    uint32_t rcv_rtt_us, rcv_rtt_echo; /* the echo that the last sample is from */
    uint64_t retrans_bytes, delivered_ce;
    uint8_t wait; /* enum pl_tcp_wait, since `since` */
    bool rate_limited : 1, round_limited : 1;
    bool round_ends : 1; /* round_end is valid */
};

/* Packets with payload came or went while there is no block. */
void pl_tcp_figures_count(struct pl_tcp *tcp, uint32_t in, uint32_t out);
void pl_tcp_figures_fini(struct pl_tcp *tcp);
void pl_tcp_figures_change(struct pl_tcp *tcp, enum pl_tcp_wait wait, plait_time now);
/* The peer's window, or the upper's, keeps back what there is. */
void pl_tcp_figures_window(struct pl_tcp *tcp, plait_time now);
/* The upper has nothing (more) to send. */
void pl_tcp_figures_starved(struct pl_tcp *tcp, plait_time now);
/* Until what is in flight now is delivered, the path may do better than the rate says. */
void pl_tcp_figures_limited(struct pl_tcp *tcp);
/* The hot ones decide inline whether there is anything to note. */
void pl_tcp_figures_departure(struct pl_tcp *tcp, const struct pl_tcp_record *rec, bool again,
                              plait_time now);
void pl_tcp_figures_arrival(struct pl_tcp *tcp, const struct pl_segment *seg, bool in_order,
                            plait_time now);
void pl_tcp_figures_rest(struct pl_tcp *tcp, plait_time now);
void pl_tcp_figures_acked(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f);

static inline void pl_tcp_figures_wait(struct pl_tcp *tcp, enum pl_tcp_wait wait, plait_time now) {
    if (tcp->figures != NULL && tcp->figures->wait != wait) {
        pl_tcp_figures_change(tcp, wait, now);
    }
}

static inline void pl_tcp_figures_data_in(struct pl_tcp *tcp, uint32_t packets) {
    if (tcp->figures == NULL) {
        pl_tcp_figures_count(tcp, packets, 0);
        return;
    }
    tcp->figures->data_segs_in += packets;
}

static inline void pl_tcp_figures_data_out(struct pl_tcp *tcp, uint32_t packets) {
    if (tcp->figures == NULL) {
        pl_tcp_figures_count(tcp, 0, packets);
        return;
    }
    tcp->figures->data_segs_out += packets;
}

static inline void pl_tcp_figures_sent(struct pl_tcp *tcp, const struct pl_tcp_record *rec,
                                       bool again, plait_time now) {
    const struct pl_tcp_figures *g = tcp->figures;
    bool starts = g != NULL && (g->wait != PL_TCP_WAIT_PATH || pl_seq32_eq(rec->seq, tcp->snd.una));
    if (again || starts) {
        pl_tcp_figures_departure(tcp, rec, again, now);
    }
}

/* Payload that is taken in. */
static inline void pl_tcp_figures_received(struct pl_tcp *tcp, const struct pl_segment *seg,
                                           bool in_order, plait_time now) {
    const struct pl_tcp_figures *g = tcp->figures;
    if (!in_order || (g != NULL && seg->options.ts_ecr != g->rcv_rtt_echo)) {
        pl_tcp_figures_arrival(tcp, seg, in_order, now);
    }
}

/* An ACK is done with, and the upper was told. */
static inline void pl_tcp_figures_settle(struct pl_tcp *tcp, plait_time now) {
    const struct pl_tcp_figures *g = tcp->figures;
    if (g != NULL && (g->wait == PL_TCP_WAIT_BUFFER || pl_list_empty(&tcp->flight->records))) {
        pl_tcp_figures_rest(tcp, now);
    }
}

static inline uint64_t pl_tcp_retrans_bytes(const struct pl_tcp *tcp) {
    return tcp->figures != NULL ? tcp->figures->retrans_bytes : 0;
}

#endif

/* tcp/upper.h - what a subflow is given by whatever stands above it.
 *
 * src/tcp is one TCP connection and knows nothing of MPTCP. Everything that is not TCP's own comes
 * from an "upper": a struct of functions plus a pointer. Plain TCP is one upper, an MPTCP subflow
 * another.
 *
 * Rules of the seam:
 *   - An upper function may call, on the same subflow, only pl_tcp_kick, pl_tcp_ack_now,
 *     pl_tcp_shutdown and pl_tcp_abort. TCP looks at its state again after every upper call.
 *   - Nobody frees a pl_tcp inside an upper function; pl_tcp_fini is called later by its owner.
 *   - Payload never belongs to TCP: it holds references on chunks for what is in flight. */
#ifndef PL_TCP_UPPER_H
#define PL_TCP_UPPER_H

#include "base/chunk.h"
#include "base/seq.h"
#include "wire/tcp.h"

/* A piece of the upper's stream as it was first given to a subflow. Retransmissions, also of a part
 * of it, are described to write_options with the same origin, so that a mapping is repeated
 * identically (RFC 8684 section 3.3.1: a mapping must not change; Linux takes a different one for
 * an error). */
struct pl_tcp_origin {
    uint64_t tag;   /* the upper's: the data sequence number of the first byte */
    pl_seq32 seq;   /* first sequence number on this subflow */
    uint32_t len;   /* payload bytes */
    uint16_t sum;   /* the upper's: DSS checksum */
    uint16_t flags; /* the upper's: for example "DATA_FIN rides on it" */
};

/* What the upper gives to send. `chunk` is borrowed; TCP takes its own reference. */
struct pl_tcp_payload {
    struct pl_chunk *chunk;
    uint32_t offset; /* in the chunk; the bytes may go on in chunk->next */
    uint32_t len;    /* 1..max */
    uint64_t tag;
    uint16_t sum;
    uint16_t flags;
    bool push; /* nothing more follows for now: set PSH, do not wait for more (Nagle) */
};

enum pl_tcp_next {
    PL_TCP_NEXT_DATA,    /* *out is filled */
    PL_TCP_NEXT_NOTHING, /* nothing to send on this subflow; kick it when that changes */
    PL_TCP_NEXT_LESS,    /* less than `unit`: asked again when that may leave */
    PL_TCP_NEXT_WINDOW,  /* there is something, but the upper's window is closed: probe (persist) */
};

enum pl_seg_kind {
    PL_SEG_SYN,
    PL_SEG_SYN_ACK,
    PL_SEG_DATA, /* payload, with or without FIN */
    PL_SEG_ACK,  /* no payload and none of SYN, FIN, RST; window probes and the third ACK too */
    PL_SEG_FIN,  /* FIN without payload */
    PL_SEG_RST,
};

/* An outgoing segment that wants options. */
struct pl_seg_out {
    enum pl_seg_kind kind;
    const struct pl_tcp_origin *origin; /* DATA: where its payload comes from */
    bool retransmission;
};

enum pl_verdict {
    PL_VERDICT_OK,
    PL_VERDICT_DROP,  /* the segment is ignored (already counted by the upper) */
    PL_VERDICT_RESET, /* the upper wants this subflow reset; TCP sends RST and reports CLOSED */
};

enum pl_tcp_event {
    PL_TCP_ESTABLISHED, /* the three-way handshake is complete on our side */
    PL_TCP_RTO,         /* the retransmission timer ran out; arg = how often in a row */
    PL_TCP_PROGRESS,    /* first new acknowledgement after one or more RTOs */
    PL_TCP_FIN_IN,      /* the peer's FIN arrived in order: no more data_in */
    PL_TCP_CLOSED,      /* the end, said once; arg = 0 or a negative plait_error */
};

/* What keeps an upper from giving more than it has given. */
enum pl_tcp_stall {
    PL_TCP_STALL_NONE,   /* nothing was written, or it is for another subflow */
    PL_TCP_STALL_WINDOW, /* its window is closed, or leaves too little for a segment */
    PL_TCP_STALL_BUFFER, /* all is sent, and the send buffer has no room for more */
};

struct pl_tcp_upper {
    /* Next new payload, at most max_bytes (1..65535; a whole number of segments when that is more
     * than one). `unit` 0: as much as there is; else whole multiples of it as long as more may
     * follow (Nagle, cork). */
    enum pl_tcp_next (*next)(void *up, uint32_t max_bytes, uint32_t unit,
                             struct pl_tcp_payload *out, plait_time now);
    /* Bytes of new payload that wait, for `next` on this subflow or another. NULL: not known. */
    uint32_t (*unsent)(void *up);
    /* Why `next` said NOTHING. NULL: always NONE. */
    enum pl_tcp_stall (*stalled)(void *up);
    /* Option bytes that DATA segments need at most: fixes the payload of a segment. A multiple
     * of 4. */
    uint32_t (*data_options_len)(void *up);
    /* Writes options for a segment into out[0..room), a multiple of 4 bytes; returns how many. TCP
     * asks before it adds SACK blocks, after timestamps. */
    uint32_t (*write_options)(void *up, const struct pl_seg_out *seg, uint8_t *out, uint32_t room,
                              plait_time now);
    /* An acceptable segment (sequence, PAWS, ACK and RST checks passed) before TCP acts on it. */
    enum pl_verdict (*options_in)(void *up, const struct pl_segment *seg, enum pl_seg_kind kind,
                                  plait_time now);
    /* Whether a segment was sent for the upper's options alone, so that as a duplicate ACK it says
     * nothing of congestion. NULL: none is. */
    bool (*is_signal)(void *up, const struct pl_segment *segment);
    /* In-order payload that starts at `seq`. The callee owns the reference. */
    void (*data_in)(void *up, pl_seq32 seq, struct pl_chunk *chunk, plait_time now);
    /* `bytes` more payload bytes were cumulatively acknowledged on this subflow. */
    void (*acked)(void *up, uint32_t bytes, plait_time now);
    /* The last `bytes` that next() gave count as never given: they were in a SYN whose answer does
     * not acknowledge them. */
    void (*taken_back)(void *up, uint32_t bytes);
    /* How far beyond snd_una urgent data ends (RFC 9293 section 3.8.5), 0: there is none. NULL:
     * never is. */
    uint32_t (*urgent)(void *up);
    /* Receive window to advertise now, in bytes. With shared_window it counts from the upper's own
     * acknowledgement and the upper sees to it that its right edge does not shrink; without, TCP
     * does that itself. */
    uint32_t (*window)(void *up);
    bool shared_window;
    /* How far beyond rcv_nxt payload is accepted even though less was advertised (shared windows),
     * bytes. */
    uint32_t (*window_max)(void *up);
    void (*event)(void *up, enum pl_tcp_event event, int64_t arg, plait_time now);
};

#endif

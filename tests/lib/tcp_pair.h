/* tcp_pair.h - two TCP engines on virtual time, joined by a pipe that delays, limits, loses,
 * duplicates and reorders, with a plain byte stream above each of them.
 *
 * Segments are written to bytes and parsed again on their way. What a sender hands over in one
 * piece (TSO) is cut into packets before the pipe; a receiver with gro_ns joins packets that arrive
 * within that time. The stream's byte at offset i is known, so every byte received is checked. */
#ifndef TCP_PAIR_H
#define TCP_PAIR_H

#include "base/rng.h"
#include "tcp/state.h"
#include "testenv.h"

enum { PAIR_A, PAIR_B };

struct tcp_pair_pipe { /* one direction */
    uint64_t rate;     /* bytes per second, 0 = infinite */
    uint64_t delay_ns;
    uint32_t queue_bytes; /* 0 = infinite */
    uint32_t loss_ppm, duplicate_ppm, reorder_ppm;
    uint64_t reorder_ns; /* extra delay of a reordered packet */
    uint64_t gro_ns;     /* of the receiver */
    uint32_t mark_bytes; /* CE on what finds so much in the queue, 0 = never */
    bool cut;            /* nothing passes */
    plait_time free_at;  /* when the last packet has left the queue */
    uint64_t packets, bytes, drops, marks;
};

struct tcp_pair_packet {
    struct pl_list link;
    plait_time at; /* arrival */
    int to;
    struct plait_buf *buf; /* TCP header, options, payload */
    struct pl_segment seg; /* parsed from buf */
};

/* A stream above one engine. Settings first; they may be changed while it runs. */
struct tcp_pair_end {
    uint64_t send_total;     /* bytes of the stream; then nothing until it is raised */
    uint32_t chunk_bytes;    /* size of the chunks it is made of, default 16384 */
    uint32_t receive_buffer; /* window when nothing is unread */
    uint32_t send_buffer;    /* no more than that is unacknowledged, 0 = no limit */
    uint32_t data_options;   /* option bytes on DATA segments (an experimental option) */
    bool hold;               /* do not read: unread bytes pile up */
    bool upper_closed;       /* next() says WINDOW */
    bool no_close;           /* do not answer a FIN with shutdown */
    enum pl_verdict verdict; /* what options_in answers */
    int verdict_kind;        /* to this kind of segment only, -1 = all */

    struct test_env env;
    struct pl_ctx ctx;
    struct pl_tcp tcp;
    struct pl_list out;
    bool live; /* between init and fini */
    struct tcp_pair *pair;
    int index;

    struct pl_chunk *queue, *send_chunk, *tail; /* what is not acknowledged; what comes next */
    uint32_t queue_at, send_at;
    uint64_t made, sent, acked; /* stream offsets */
    uint64_t received;          /* stream offset, in order */
    struct pl_chunk *unread_chunk[4096];
    uint32_t unread_count, unread_bytes;
    bool starved; /* a chunk could not be had: tried again later */

    unsigned established, fins_in, closed, rtos, progresses;
    int closed_error;
    unsigned asked[6]; /* write_options calls by kind */
};

struct tcp_pair;
/* Sees every packet before the pipe; false drops it. May change `packet`. */
typedef bool tcp_pair_filter(struct tcp_pair *p, int from, struct pl_segment *seg, void *arg);

struct tcp_pair_setup {
    uint64_t seed;
    uint32_t mtu; /* 0: 1500 */
    bool tso[2];
    uint32_t iss[2];
    uint8_t cc;
    const struct pl_tcp_tuning *tuning[2]; /* NULL: the defaults */
    uint8_t ecn[2];                        /* enum plait_ecn */
    struct tcp_pair_pipe pipe;             /* both directions */
    uint32_t receive_buffer;               /* 0: 4 MB */
    uint64_t memory_bytes_max;             /* 0: config default */
    bool ipv6;
};

struct tcp_pair {
    plait_time now;
    struct pl_rng rng;
    struct tcp_pair_end end[2];
    struct tcp_pair_pipe pipe[2]; /* by sender */
    struct pl_list flying[2];     /* by arrival, to each end */
    struct tcp_pair_pipe *shared; /* what A sends goes through this one, another pair's */
    tcp_pair_filter *filter;
    void *filter_arg;
    struct tcp_pair_setup setup;
    bool check; /* pl_tcp_check after every event (default on) */
};

/* ---- life ---- */

struct tcp_pair *tcp_pair_new(const struct tcp_pair_setup *setup);
/* Also checks that no memory is left behind. */
void tcp_pair_free(struct tcp_pair *p);
/* Connects A to B and runs until both are established (asserted). */
void tcp_pair_open(struct tcp_pair *p);
void tcp_pair_connect(struct tcp_pair *p, int who);

/* ---- running ---- */

/* Runs until `until`. */
void tcp_pair_run_until(struct tcp_pair *p, plait_time until);
static inline void tcp_pair_run_for(struct tcp_pair *p, uint64_t ns) {
    tcp_pair_run_until(p, p->now + ns);
}
/* Runs until the predicate holds; false when `limit_ns` passed before. */
typedef bool tcp_pair_done(struct tcp_pair *p);
bool tcp_pair_run(struct tcp_pair *p, tcp_pair_done *done, uint64_t limit_ns);
bool tcp_pair_all_received(struct tcp_pair *p); /* both streams arrived and are acknowledged */
bool tcp_pair_all_closed(struct tcp_pair *p);   /* both said CLOSED */

/* ---- the application ---- */

void tcp_pair_send(struct tcp_pair *p, int who, uint64_t bytes);
void tcp_pair_read(struct tcp_pair *p, int who, uint32_t bytes);
void tcp_pair_close(struct tcp_pair *p, int who);

/* ---- raw segments ---- */

/* Hands `seg` (ports are filled in, payload copied from the stream's pattern at `stream_at`) to an
 * engine as if it came from its peer. */
void tcp_pair_inject(struct tcp_pair *p, int to, const struct pl_segment *seg, uint64_t stream_at);
uint8_t tcp_pair_byte(uint64_t stream_offset);

#endif

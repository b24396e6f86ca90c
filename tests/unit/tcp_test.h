/* tcp_test.h - what the tests of src/tcp share: a pair with usual settings and a tap on its pipe.
 */
#ifndef TCP_TEST_H
#define TCP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plait/error.h"
#include "tcp/engine.h"
#include "tcp/figures.h"
#include "tcp_pair.h"

#define MS PLAIT_NS_PER_MS
#define S PLAIT_NS_PER_S

enum { TAP_NOTES = 8192 };

struct tap_note {
    plait_time at;
    int from;
    uint8_t flags;
    uint32_t seq, ack; /* relative to the initial sequence numbers */
    uint32_t len;
    uint16_t window;
    uint8_t ecn; /* of the IP header */
    uint8_t sack_count;
    struct pl_sack_block sack[PL_TCP_SACK_MAX]; /* relative too */
    uint32_t ts_val, ts_ecr;
    bool dropped;
};

/* Notes every packet and drops some of them. Data packets are counted per sender from 0. */
struct tap {
    struct tap_note note[TAP_NOTES];
    unsigned count;
    unsigned data_seen[2];
    uint64_t drop_data[2];  /* bit n: the n-th data packet */
    unsigned drop_flags[2]; /* the next packets (that many) with exactly `flags` in them */
    uint8_t flags;
    bool no_sack, no_timestamps, no_wscale; /* taken out of SYNs */
    bool drop_all[2];
};

static inline bool tap_pass(struct tap *t, struct tap_note *n) {
    unsigned seen = t->data_seen[n->from];
    t->data_seen[n->from] += n->len > 0 ? 1 : 0;
    if (t->drop_all[n->from]) {
        return false;
    }
    if (n->len > 0 && seen < 64 && (t->drop_data[n->from] >> seen & 1) != 0) {
        return false;
    }
    if (t->drop_flags[n->from] > 0 && n->flags == t->flags) {
        t->drop_flags[n->from]--;
        return false;
    }
    return true;
}

static inline bool tap_filter(struct tcp_pair *p, int from, struct pl_segment *seg, void *arg) {
    struct tap *t = arg;
    uint32_t mine = p->setup.iss[from], theirs = p->setup.iss[1 - from];
    if ((seg->flags & PL_TCP_SYN) != 0) {
        seg->options.has_sack_ok = seg->options.has_sack_ok && !t->no_sack;
        seg->options.has_timestamps = seg->options.has_timestamps && !t->no_timestamps;
        seg->options.has_wscale = seg->options.has_wscale && !t->no_wscale;
    }
    struct tap_note spare, *n = t->count < TAP_NOTES ? &t->note[t->count++] : &spare;
    *n = (struct tap_note){.at = p->now,
                           .from = from,
                           .flags = seg->flags,
                           .seq = seg->seq.v - mine,
                           .ack = seg->ack.v - theirs,
                           .len = seg->payload_len,
                           .window = seg->window_raw,
                           .ecn = seg->ecn,
                           .sack_count = seg->options.sack_count,
                           .ts_val = seg->options.ts_val,
                           .ts_ecr = seg->options.ts_ecr};
    for (unsigned i = 0; i < n->sack_count; i++) {
        n->sack[i].start.v = seg->options.sack[i].start.v - theirs;
        n->sack[i].end.v = seg->options.sack[i].end.v - theirs;
    }
    n->dropped = !tap_pass(t, n);
    return !n->dropped;
}

static inline void tap_clear(struct tap *t) {
    t->count = 0;
}

static inline unsigned tap_count(const struct tap *t, int from, uint8_t flags, bool data) {
    unsigned n = 0;
    for (unsigned i = 0; i < t->count; i++) {
        const struct tap_note *note = &t->note[i];
        n += note->from == from && (note->flags & flags) == flags && (note->len > 0) == data;
    }
    return n;
}

/* The i-th packet of a sender, counted from 0; NULL if there is none. */
static inline const struct tap_note *tap_nth(const struct tap *t, int from, unsigned i) {
    for (unsigned k = 0; k < t->count; k++) {
        if (t->note[k].from == from && i-- == 0) {
            return &t->note[k];
        }
    }
    return NULL;
}

static inline const struct tap_note *tap_last(const struct tap *t, int from) {
    const struct tap_note *last = NULL;
    for (unsigned k = 0; k < t->count; k++) {
        last = t->note[k].from == from ? &t->note[k] : last;
    }
    return last;
}

/* 10 ms each way, no limits, no loss. */
static inline struct tcp_pair_setup test_setup(void) {
    return (struct tcp_pair_setup){.seed = 1, .iss = {1000, 5000}, .pipe = {.delay_ns = 10 * MS}};
}

static inline struct tcp_pair *test_pair(struct tap *tap) {
    struct tcp_pair_setup setup = test_setup();
    struct tcp_pair *p = tcp_pair_new(&setup);
    if (tap != NULL) {
        memset(tap, 0, sizeof(*tap));
        p->filter = tap_filter;
        p->filter_arg = tap;
    }
    return p;
}

static inline struct pl_tcp *tcp_of(struct tcp_pair *p, int who) {
    return &p->end[who].tcp;
}

static inline uint64_t count_of(const struct tcp_pair *p, int who, unsigned counter) {
    return p->end[who].ctx.counters[counter];
}
#define COUNT(p, who, name) count_of(p, who, PLAIT_COUNTER_##name)

/* A segment for `to` that fits what it expects next. */
static inline struct pl_segment next_segment(struct tcp_pair *p, int to, uint8_t flags) {
    const struct pl_tcp *tcp = &p->end[to].tcp;
    struct pl_segment seg = {
        .seq = tcp->rcv.nxt, .ack = tcp->snd.nxt, .flags = flags, .window_raw = 1000};
    if (tcp->ts.on) {
        seg.options.has_timestamps = true;
        seg.options.ts_val = tcp->ts.recent;
        seg.options.ts_ecr = pl_tcp_ts_of(tcp, p->now);
    }
    return seg;
}

static inline bool sent_all(struct tcp_pair *p) {
    return p->end[0].acked == p->end[0].send_total && p->end[1].acked == p->end[1].send_total;
}

#endif

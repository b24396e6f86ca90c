/* tcp/cc/cc.c - what all algorithms share: windows, slow start, HyStart++, undo.
 *
 * Until the first congestion event the connection is in its initial slow start, and HyStart++
 * (RFC 9406) watches the round-trip time: when the least RTT of a round rises clearly above that of
 * the round before, growth slows to a quarter ("conservative slow start") and ends after five such
 * rounds unless the RTT falls again. Packets are paced, so L is infinite (section 4.3). The state
 * of HyStart++ and that of the algorithm are never needed at the same time and share memory.
 *
 * Growth by a quarter for five rounds is three windows, more than a queue of a bandwidth-delay
 * product holds, and the delay of a round's first packets shows a full path a round late. So the
 * rate at which ACKs come is a second sign: in the initial slow start a window leaves within a
 * quarter of a round trip (pacing.c), hence ACKs that come slower than that have the rate of the
 * path, and what the path holds is that rate times the least RTT. When the window comes near to it,
 * growth slows down; when it is half as large again, or when the delay has risen once more by the
 * threshold since growth slowed down, the queue is ours and the remaining rounds are spared. */
#include "tcp/cc/cc.h"

#include "base/assert.h"
#include "plait/stack.h"

enum { RTT_SAMPLES = 8, RTT_DIVISOR = 8, CSS_DIVISOR = 4, CSS_ROUNDS = 5 };
enum { RATE_SHARE = 4, TRAIN_PAUSE = 8, TRAIN_PAUSE_US_MIN = 1000 }; /* shares of an RTT */
enum { FULL_EIGHTHS = 7, OVERFULL_EIGHTHS = 12 }; /* window, of what the path holds */
#define RTT_THRESH_NS_MIN (4 * PLAIT_NS_PER_MS)
#define RTT_THRESH_NS_MAX (16 * PLAIT_NS_PER_MS)

static void hystart_reset(struct pl_cc_hystart *h) {
    *h = (struct pl_cc_hystart){
        .round_min_ns = UINT64_MAX, .last_min_ns = UINT64_MAX, .baseline_ns = UINT64_MAX};
}

uint32_t pl_cc_initial_window(uint32_t mss) {
    PL_ASSERT(mss > 0);
    uint32_t two = 2 * mss;
    uint32_t bound = two > 14600 ? two : 14600;
    return 10 * mss < bound ? 10 * mss : bound;
}

static const struct pl_cc_ops *ops_of(uint8_t algorithm) {
    static const struct pl_cc_ops *const table[] = {
        [PLAIT_CC_CUBIC] = &pl_cc_cubic_ops, [PLAIT_CC_RENO] = &pl_cc_reno_ops,
        [PLAIT_CC_BBR] = &pl_cc_bbr_ops,     [PLAIT_CC_DCTCP] = &pl_cc_dctcp_ops,
        [PLAIT_CC_LIA] = &pl_cc_lia_ops,
    };
    return algorithm < sizeof(table) / sizeof(table[0]) ? table[algorithm] : NULL;
}

const char *pl_cc_name(uint8_t algorithm) {
    const struct pl_cc_ops *ops = ops_of(algorithm);
    return ops != NULL ? ops->name : NULL;
}

bool pl_cc_counts_marks(uint8_t algorithm) {
    const struct pl_cc_ops *ops = ops_of(algorithm);
    return ops != NULL && ops->mark != NULL;
}

uint16_t pl_cc_state_size(uint8_t algorithm) {
    const struct pl_cc_ops *ops = ops_of(algorithm);
    PL_ASSERT(ops != NULL);
    return ops->state_size;
}

void pl_cc_init(struct pl_cc *cc, uint8_t algorithm, uint32_t mss) {
    PL_ASSERT(mss > 0);
    PL_ASSERT(ops_of(algorithm) != NULL && ops_of(algorithm)->state_size == 0);
    *cc = (struct pl_cc){.ops = ops_of(algorithm),
                         .cwnd = pl_cc_initial_window(mss),
                         .ssthresh = PL_CC_SSTHRESH_INFINITE,
                         .mss = mss,
                         .hystart_on = ops_of(algorithm)->start == NULL};
    if (cc->hystart_on) {
        hystart_reset(&cc->u.hystart);
        return;
    }
    cc->ops->start(cc);
}

static void change_to_model(struct pl_cc *cc, void *state) {
    PL_ASSERT(state != NULL);
    cc->hystart_on = false;
    cc->ssthresh = PL_CC_SSTHRESH_INFINITE;
    cc->u.state = state;
    cc->ops->start(cc);
}

void pl_cc_change(struct pl_cc *cc, uint8_t algorithm, void *state) {
    const struct pl_cc_ops *ops = ops_of(algorithm);
    PL_ASSERT(ops != NULL);
    PL_ASSERT((state != NULL) == (ops->state_size > 0 && ops != cc->ops));
    if (ops == cc->ops) {
        return;
    }
    cc->ops = ops;
    if (ops->model != NULL) {
        change_to_model(cc, state);
        return;
    }
    if (ops->start != NULL) {
        cc->hystart_on = false;
        ops->start(cc);
        return;
    }
    if (!cc->hystart_on && cc->ssthresh == PL_CC_SSTHRESH_INFINITE) {
        cc->ssthresh = cc->cwnd; /* without HyStart++ there is no other end to slow start */
    }
    if (!cc->hystart_on) { /* else the algorithm has no state yet */
        cc->u.cubic = (struct pl_cc_cubic){0};
        ops->restart(cc, true);
    }
}

void pl_cc_model(struct pl_cc *cc, const struct pl_cc_sample *sample) {
    PL_ASSERT(pl_cc_has_model(cc));
    PL_ASSERT(sample->acked > 0 || sample->rate == 0);
    cc->ops->model(cc, sample);
    PL_ASSERT(cc->cwnd >= cc->mss && cc->cwnd <= PL_CC_CWND_MAX);
}

uint64_t pl_cc_pace(const struct pl_cc *cc) {
    return cc->ops->pace != NULL ? cc->ops->pace(cc) : 0;
}

void pl_cc_set_mss(struct pl_cc *cc, uint32_t mss) {
    PL_ASSERT(mss > 0);
    cc->mss = mss;
    if (cc->cwnd < mss) {
        cc->cwnd = mss;
    }
}

/* The initial slow start is over: its memory becomes the algorithm's. */
static void hystart_end(struct pl_cc *cc) {
    if (!cc->hystart_on) {
        return;
    }
    cc->hystart_on = false;
    cc->u.cubic = (struct pl_cc_cubic){0};
    cc->ops->restart(cc, false);
}

static void grow(struct pl_cc *cc, uint32_t bytes) {
    PL_ASSERT(cc->cwnd <= PL_CC_CWND_MAX);
    uint32_t room = PL_CC_CWND_MAX - cc->cwnd;
    cc->cwnd += bytes < room ? bytes : room;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Ends the initial slow start where it is. */
static void hystart_leave(struct pl_cc *cc) {
    PL_ASSERT(cc->hystart_on);
    cc->ssthresh = cc->cwnd;
    hystart_end(cc);
}

static void hystart_round(struct pl_cc *cc) {
    PL_ASSERT(cc->hystart_on);
    struct pl_cc_hystart *h = &cc->u.hystart;
    if (h->baseline_ns != UINT64_MAX && ++h->css_rounds >= CSS_ROUNDS) {
        hystart_leave(cc);
        return;
    }
    h->last_min_ns = h->round_min_ns;
    h->round_min_ns = UINT64_MAX;
    h->samples = 0;
}

static uint32_t us_of(plait_time t) {
    return (uint32_t)(t / 1000);
}

static void train_begin(struct pl_cc_hystart *h, plait_time now) {
    h->train_at_us = us_of(now);
    h->train_us = 0;
    h->train_bytes = 0;
}

/* A pause of more than an eighth of the least RTT is the sender's own, and ends the train. */
static void hystart_train(struct pl_cc_hystart *h, const struct pl_cc_ack *ack) {
    uint64_t rtt_ns = least(h->last_min_ns, h->round_min_ns);
    uint64_t pause_us = rtt_ns / (TRAIN_PAUSE * 1000);
    pause_us = pause_us > TRAIN_PAUSE_US_MIN ? pause_us : TRAIN_PAUSE_US_MIN;
    uint32_t us = us_of(ack->now) - h->train_at_us;
    if (rtt_ns == UINT64_MAX || us > h->train_us + pause_us) {
        train_begin(h, ack->now);
        return;
    }
    h->train_us = us;
    h->train_bytes += ack->bytes;
}

/* Whether the window is larger than so many eighths of what the path holds: ACKs have come for a
 * quarter of the least RTT without a pause, and their rate times that RTT says how much it is. */
static bool hystart_holds(const struct pl_cc *cc, uint64_t eighths) {
    const struct pl_cc_hystart *h = &cc->u.hystart;
    uint64_t rtt_us = least(h->last_min_ns, h->round_min_ns) / 1000;
    PL_ASSERT(rtt_us < UINT64_MAX / 1000);
    if (h->train_us == 0 || h->train_us < rtt_us / RATE_SHARE) {
        return false;
    }
    return h->train_bytes * rtt_us / h->train_us * eighths / 8 < cc->cwnd;
}

/* In conservative slow start: was it entered for nothing, or is the queue growing? True: over. */
static bool hystart_judge(struct pl_cc *cc) {
    struct pl_cc_hystart *h = &cc->u.hystart;
    PL_ASSERT(h->baseline_ns != UINT64_MAX);
    if (hystart_holds(cc, OVERFULL_EIGHTHS)) {
        return true;
    }
    if (h->round_min_ns < h->baseline_ns) {
        h->baseline_ns = UINT64_MAX;
        h->css_rounds = 0;
        return false;
    }
    return h->round_min_ns >= h->baseline_ns + h->baseline_ns / RTT_DIVISOR;
}

/* RFC 9406 section 4.2: the least RTT rose clearly against that of the round before. */
static bool hystart_delayed(const struct pl_cc_hystart *h) {
    if (h->last_min_ns == UINT64_MAX) {
        return false;
    }
    uint64_t thresh = h->last_min_ns / RTT_DIVISOR;
    PL_ASSERT(h->samples >= RTT_SAMPLES);
    thresh = thresh > RTT_THRESH_NS_MAX ? RTT_THRESH_NS_MAX : thresh;
    thresh = thresh < RTT_THRESH_NS_MIN ? RTT_THRESH_NS_MIN : thresh;
    return h->round_min_ns >= h->last_min_ns + thresh;
}

/* True when slow start is over. */
static bool hystart_sample(struct pl_cc *cc, uint64_t sample_ns) {
    struct pl_cc_hystart *h = &cc->u.hystart;
    PL_ASSERT(sample_ns > 0);
    h->round_min_ns = least(h->round_min_ns, sample_ns);
    if (h->samples < RTT_SAMPLES && ++h->samples < RTT_SAMPLES) {
        return false;
    }
    if (h->baseline_ns != UINT64_MAX) {
        return hystart_judge(cc);
    }
    if (hystart_delayed(h)) {
        h->baseline_ns = h->round_min_ns;
    } else if (hystart_holds(cc, FULL_EIGHTHS)) {
        uint64_t rtt_ns = least(h->last_min_ns, h->round_min_ns);
        h->baseline_ns = rtt_ns + rtt_ns / RTT_DIVISOR;
        h->round_min_ns = UINT64_MAX; /* what was sent before says nothing */
        h->samples = 0;
    }
    return false;
}

static void slow_start(struct pl_cc *cc, const struct pl_cc_ack *ack) {
    PL_ASSERT(cc->cwnd < cc->ssthresh);
    if (!cc->hystart_on) {
        uint32_t gap = cc->ssthresh - cc->cwnd;
        grow(cc, ack->bytes < gap ? ack->bytes : gap);
        return;
    }
    if (ack->round_start) {
        hystart_round(cc);
        if (!cc->hystart_on) {
            return;
        }
    }
    hystart_train(&cc->u.hystart, ack);
    if (ack->rtt_ns > 0 && hystart_sample(cc, ack->rtt_ns)) {
        hystart_leave(cc);
        return;
    }
    bool css = cc->u.hystart.baseline_ns != UINT64_MAX;
    grow(cc, css ? ack->bytes / CSS_DIVISOR : ack->bytes);
}

void pl_cc_ack(struct pl_cc *cc, const struct pl_cc_ack *ack) {
    PL_ASSERT(cc->cwnd > 0 && !pl_cc_has_model(cc));
    if (pl_cc_slow_start(cc)) {
        slow_start(cc, ack);
        return;
    }
    hystart_end(cc);
    cc->ops->avoid(cc, ack);
    if (cc->cwnd > PL_CC_CWND_MAX) {
        cc->cwnd = PL_CC_CWND_MAX;
    }
    PL_ASSERT(cc->cwnd > 0);
}

void pl_cc_pause(struct pl_cc *cc, plait_time now) {
    PL_ASSERT(cc->ops != NULL);
    if (cc->hystart_on) { /* what we did not send says nothing about the rate of the path */
        train_begin(&cc->u.hystart, now);
        return;
    }
    if (cc->ops->pause != NULL) {
        cc->ops->pause(cc, now);
    }
}

void pl_cc_loss(struct pl_cc *cc, uint32_t flight_bytes) {
    hystart_end(cc);
    uint32_t target = cc->ops->decrease(cc, flight_bytes);
    cc->ssthresh = target > 2 * cc->mss ? target : 2 * cc->mss;
    PL_ASSERT(cc->ssthresh > 0);
}

void pl_cc_mark(struct pl_cc *cc, uint32_t flight_bytes) {
    PL_ASSERT(!pl_cc_has_model(cc));
    if (cc->ops->mark == NULL) {
        pl_cc_loss(cc, flight_bytes);
        return;
    }
    uint32_t target = cc->ops->mark(cc);
    cc->ssthresh = target > 2 * cc->mss ? target : 2 * cc->mss;
}

void pl_cc_echo(struct pl_cc *cc, uint32_t bytes, bool marked, bool round_start) {
    PL_ASSERT(cc->ops != NULL);
    if (cc->ops->echo != NULL) {
        cc->ops->echo(cc, bytes, marked, round_start);
    }
}

void pl_cc_couple(struct pl_cc *cc, uint32_t step) {
    PL_ASSERT(pl_cc_is_coupled(cc));
    if (!cc->hystart_on) {
        cc->ops->couple(cc, step);
    }
}

void pl_cc_restart(struct pl_cc *cc) {
    PL_ASSERT(cc->ops != NULL);
    hystart_end(cc);
    cc->ops->restart(cc, true);
}

void pl_cc_idle(struct pl_cc *cc, uint64_t rtos) {
    PL_ASSERT(cc->mss > 0 && cc->cwnd > 0);
    if (pl_cc_has_model(cc)) {
        cc->ops->idle(cc);
        return;
    }
    uint32_t least = pl_cc_initial_window(cc->mss);
    if (cc->cwnd <= least || rtos == 0) {
        return;
    }
    uint32_t keep = cc->cwnd / 4 * 3;
    if (!cc->hystart_on && cc->ssthresh < keep) {
        cc->ssthresh = keep;
    }
    uint32_t shift = rtos < 31 ? (uint32_t)rtos : 31;
    uint32_t decayed = cc->cwnd >> shift;
    cc->cwnd = decayed > least ? decayed : least;
    if (!cc->hystart_on) {
        cc->ops->restart(cc, false);
    }
}

void pl_cc_undo(struct pl_cc *cc, const struct pl_cc *before) {
    PL_ASSERT(before->cwnd > 0 && before->ops == cc->ops);
    uint32_t mss = cc->mss;
    if (cc->ops->undo != NULL) {
        cc->ops->undo(cc);
    }
    if (cc->cwnd < before->cwnd) {
        *cc = *before;
        pl_cc_set_mss(cc, mss);
        return;
    }
    if (cc->ssthresh < before->ssthresh) {
        cc->ssthresh = before->ssthresh;
    }
}

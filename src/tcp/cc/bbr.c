/* tcp/cc/bbr.c - BBR, version 1 (N. Cardwell et al., "BBR: Congestion-Based Congestion Control",
 * CACM 60 (2), 2017; draft-cardwell-iccrg-bbr-congestion-control-00), with what Linux adds to it:
 * room for ACKs that come in trains, and packet conservation in the first round of a recovery.
 *
 * The path is two numbers: the highest rate of delivery of the last ten rounds, and the least round
 * trip of the last ten seconds. Payload is paced at that rate, and their product (the BDP) bounds
 * what is in flight. A lost packet is not taken for a sign of congestion. The numbers cannot be
 * measured at the same time, so the pacing rate swings around the estimate to see whether there is
 * more, and now and then the queue is let run empty.
 *
 * Rates are bytes per second, gains are in 256ths. Linux's long-term sampling, which looks for
 * policers, is not here. */
#include "tcp/cc/bbr.h"

#include "base/assert.h"

enum { UNIT = 256, GAIN_HIGH = 739, GAIN_DRAIN = 88, GAIN_CWND = 512 }; /* 2 / ln 2, its inverse */
enum { SEGMENTS_MIN = 4, FULL_ROUNDS = 3, EXTRA_ROUNDS = 5, BURSTS = 3 };
#define MIN_RTT_WINDOW_NS (10 * PLAIT_NS_PER_S)
#define PROBE_RTT_NS (200 * PLAIT_NS_PER_MS)
#define EXTRA_US_MAX UINT64_C(100000)
#define US_PER_S UINT64_C(1000000)

static const uint16_t phase_gain[PL_BBR_PHASES] = {320, 192, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT};

static struct pl_cc_bbr *bbr_of(const struct pl_cc *cc) {
    PL_ASSERT(cc->u.state != NULL);
    return cc->u.state;
}

static uint32_t clamp(uint64_t bytes) {
    return bytes < PL_CC_CWND_MAX ? (uint32_t)bytes : PL_CC_CWND_MAX;
}

static uint32_t larger(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

/* ---- what the path holds ---- */

static uint64_t carried(const struct pl_cc_bbr *b, uint64_t us) {
    PL_ASSERT(us < (UINT64_C(1) << 40));
    uint64_t most = UINT64_MAX / (us + 1);
    return (b->bandwidth < most ? b->bandwidth : most) * us / US_PER_S;
}

/* A share of the bandwidth-delay product, in whole segments. */
static uint32_t bdp(const struct pl_cc *cc, uint32_t gain) {
    const struct pl_cc_bbr *b = bbr_of(cc);
    if (b->min_rtt_ns == UINT64_MAX) {
        return pl_cc_initial_window(cc->mss);
    }
    uint32_t bytes = clamp((uint64_t)clamp(carried(b, b->min_rtt_ns / 1000 + 1)) * gain / UNIT);
    PL_ASSERT(gain > 0 && cc->mss > 0);
    return clamp(((uint64_t)bytes + cc->mss - 1) / cc->mss * cc->mss);
}

/* Room for bursts on both ends and on the way, an even number of segments for delayed ACKs, and a
 * little more while the rate is raised, so that it has an effect on the shortest paths too. */
static uint32_t with_bursts(const struct pl_cc *cc, uint32_t bytes, uint32_t burst) {
    const struct pl_cc_bbr *b = bbr_of(cc);
    uint64_t pair = 2 * (uint64_t)cc->mss;
    uint64_t sum = (uint64_t)bytes + BURSTS * (uint64_t)burst;
    PL_ASSERT(pair > 0);
    sum = (sum + pair - 1) / pair * pair;
    sum += b->mode == PL_BBR_PROBE_BW && b->phase == 0 ? pair : 0;
    return clamp(sum);
}

static uint32_t in_flight_goal(const struct pl_cc *cc, uint32_t gain, uint32_t burst) {
    return with_bursts(cc, bdp(cc, gain), burst);
}

static uint32_t pacing_gain(const struct pl_cc_bbr *b) {
    switch ((enum pl_bbr_mode)b->mode) {
        case PL_BBR_STARTUP:
            return GAIN_HIGH;
        case PL_BBR_DRAIN:
            return GAIN_DRAIN;
        case PL_BBR_PROBE_BW:
            PL_ASSERT(b->phase < PL_BBR_PHASES);
            return phase_gain[b->phase];
        case PL_BBR_PROBE_RTT:
            break;
    }
    return UNIT;
}

static uint32_t cwnd_gain(const struct pl_cc_bbr *b) {
    if (b->mode == PL_BBR_PROBE_BW) {
        return GAIN_CWND;
    }
    return b->mode == PL_BBR_PROBE_RTT ? UNIT : GAIN_HIGH;
}

/* ---- the rate ---- */

/* Takes a rate into the maximum of the last rounds. Those in which nothing was measured push old
 * ones out as soon as there is something new, not before. */
static void remember(struct pl_cc_bbr *b, uint64_t rate) {
    uint32_t gone = b->round - b->max_round;
    PL_ASSERT(rate > 0);
    gone = gone < PL_BBR_ROUNDS ? gone : PL_BBR_ROUNDS;
    for (uint32_t i = 0; i < gone; i++) {
        b->max[(b->round - i) % PL_BBR_ROUNDS] = 0;
    }
    b->max_round = b->round;
    uint64_t *slot = &b->max[b->round % PL_BBR_ROUNDS];
    *slot = rate > *slot ? rate : *slot;
    b->bandwidth = 0;
    for (unsigned i = 0; i < PL_BBR_ROUNDS; i++) {
        b->bandwidth = b->max[i] > b->bandwidth ? b->max[i] : b->bandwidth;
    }
    PL_ASSERT(b->bandwidth >= rate);
}

static void take_rate(struct pl_cc_bbr *b, const struct pl_cc_sample *s) {
    b->round_start = false;
    if (s->rate == 0) {
        return;
    }
    PL_ASSERT(s->sent_at_count <= b->rate.delivered);
    if (s->sent_at_count >= b->round_end) {
        b->round_end = b->rate.delivered;
        b->round++;
        b->round_start = true;
        b->conserve = false;
    }
    if (!s->limited || s->rate >= b->bandwidth) {
        remember(b, s->rate);
    }
}

/* Wi-Fi, cable and receive offloads hold ACKs back and let many go at once. Without more in flight
 * than the BDP, nothing would be sent in between. */
static void take_train(struct pl_cc *cc, const struct pl_cc_sample *s) {
    struct pl_cc_bbr *b = bbr_of(cc);
    if (s->acked == 0 || s->rate == 0) {
        return;
    }
    if (b->round_start && ++b->extra_rounds >= EXTRA_ROUNDS) {
        b->extra_rounds = 0;
        b->extra_index ^= 1;
        b->extra[b->extra_index] = 0;
    }
    uint64_t us = (s->now - b->train_at) / 1000;
    bool over = us > US_PER_S || b->train_bytes <= carried(b, us);
    if (over) {
        b->train_bytes = 0;
        b->train_at = s->now;
        us = 0;
    }
    b->train_bytes += s->acked;
    uint64_t due = carried(b, us);
    PL_ASSERT(b->extra_index < 2 && b->train_bytes >= due);
    uint64_t extra = b->train_bytes - due;
    extra = extra < cc->cwnd ? extra : cc->cwnd;
    b->extra[b->extra_index] = larger(b->extra[b->extra_index], (uint32_t)extra);
}

static uint32_t train_room(const struct pl_cc_bbr *b) {
    uint64_t most = carried(b, EXTRA_US_MAX);
    uint32_t extra = larger(b->extra[0], b->extra[1]);
    if (!b->full) {
        return 0;
    }
    return extra < most ? extra : (uint32_t)most;
}

/* ---- the modes ---- */

/* Flows that share a path should not all probe at once: the phase to begin with is drawn from the
 * time, all but the one that sends less. */
static void enter_probe_bw(struct pl_cc_bbr *b, plait_time now) {
    PL_ASSERT(b->full);
    uint64_t mixed = (now ^ b->rate.delivered) * UINT64_C(0x9e3779b97f4a7c15);
    uint8_t draw = (uint8_t)((mixed >> 32) % (PL_BBR_PHASES - 1));
    b->mode = PL_BBR_PROBE_BW;
    b->phase = (uint8_t)((PL_BBR_PHASES - draw) % PL_BBR_PHASES);
    b->phase_at = now;
    PL_ASSERT(b->phase != 1);
}

static bool phase_over(const struct pl_cc *cc, const struct pl_cc_sample *s) {
    const struct pl_cc_bbr *b = bbr_of(cc);
    uint32_t gain = pacing_gain(b);
    PL_ASSERT(b->mode == PL_BBR_PROBE_BW);
    bool full_length = s->now - b->phase_at > b->min_rtt_ns;
    if (gain > UNIT) { /* until what it sent more is in flight or lost */
        return full_length &&
               (s->lost > 0 || s->flight_before >= in_flight_goal(cc, gain, s->burst));
    }
    if (gain < UNIT) { /* until the queue is gone */
        return full_length || s->flight_before <= in_flight_goal(cc, UNIT, s->burst);
    }
    return full_length;
}

static void turn_phase(struct pl_cc *cc, const struct pl_cc_sample *s) {
    struct pl_cc_bbr *b = bbr_of(cc);
    if (b->mode != PL_BBR_PROBE_BW || !phase_over(cc, s)) {
        return;
    }
    b->phase = (uint8_t)((b->phase + 1) % PL_BBR_PHASES);
    b->phase_at = s->now;
    PL_ASSERT(b->phase < PL_BBR_PHASES);
}

/* The path is full when the rate has not grown by a quarter in three rounds. */
static void look_for_full(struct pl_cc_bbr *b, const struct pl_cc_sample *s) {
    if (b->full || !b->round_start || s->limited) {
        return;
    }
    PL_ASSERT(b->full_rounds < FULL_ROUNDS);
    if (b->bandwidth >= b->full_bandwidth + b->full_bandwidth / 4) {
        b->full_bandwidth = b->bandwidth;
        b->full_rounds = 0;
        return;
    }
    b->full_rounds++;
    b->full = b->full_rounds >= FULL_ROUNDS;
}

static void look_for_drained(struct pl_cc *cc, const struct pl_cc_sample *s) {
    struct pl_cc_bbr *b = bbr_of(cc);
    if (b->mode == PL_BBR_STARTUP && b->full) {
        b->mode = PL_BBR_DRAIN;
        cc->ssthresh = in_flight_goal(cc, UNIT, s->burst);
        PL_ASSERT(cc->ssthresh > 0);
    }
    if (b->mode == PL_BBR_DRAIN && s->flight <= in_flight_goal(cc, UNIT, s->burst)) {
        enter_probe_bw(b, s->now);
    }
}

static void save_cwnd(struct pl_cc *cc) {
    struct pl_cc_bbr *b = bbr_of(cc);
    PL_ASSERT(cc->cwnd > 0);
    bool fresh = b->trouble == PL_CC_TROUBLE_NONE && b->mode != PL_BBR_PROBE_RTT;
    b->prior_cwnd = fresh ? cc->cwnd : larger(b->prior_cwnd, cc->cwnd);
}

static void leave_probe_rtt(struct pl_cc *cc, plait_time now) {
    struct pl_cc_bbr *b = bbr_of(cc);
    PL_ASSERT(b->mode == PL_BBR_PROBE_RTT);
    b->min_rtt_at = now;
    cc->cwnd = larger(cc->cwnd, b->prior_cwnd);
    if (b->full) {
        enter_probe_bw(b, now);
    } else {
        b->mode = PL_BBR_STARTUP;
    }
}

/* Four segments, for a round trip and 200 ms at least. The rates of that time say nothing. */
static void stay_in_probe_rtt(struct pl_cc *cc, const struct pl_cc_sample *s) {
    struct pl_cc_bbr *b = bbr_of(cc);
    b->rate.limited_until = b->rate.delivered + s->flight;
    PL_ASSERT(b->mode == PL_BBR_PROBE_RTT);
    b->rate.limited_until += b->rate.limited_until == 0 ? 1 : 0;
    if (b->probe_rtt_done == 0) {
        if (s->flight <= SEGMENTS_MIN * cc->mss) {
            b->probe_rtt_done = s->now + PROBE_RTT_NS;
            b->probe_rtt_round = false;
            b->round_end = b->rate.delivered;
        }
        return;
    }
    b->probe_rtt_round = b->probe_rtt_round || b->round_start;
    if (b->probe_rtt_round && s->now > b->probe_rtt_done) {
        leave_probe_rtt(cc, s->now);
    }
}

static void take_rtt(struct pl_cc *cc, const struct pl_cc_sample *s) {
    struct pl_cc_bbr *b = bbr_of(cc);
    bool known = b->min_rtt_ns != UINT64_MAX;
    bool expired = known && s->now > b->min_rtt_at + MIN_RTT_WINDOW_NS;
    if (s->rtt_ns > 0 && (s->rtt_ns < b->min_rtt_ns || (expired && !s->delayed))) {
        b->min_rtt_ns = s->rtt_ns;
        b->min_rtt_at = s->now;
    }
    if (expired && !b->idle && b->mode != PL_BBR_PROBE_RTT) {
        save_cwnd(cc);
        b->mode = PL_BBR_PROBE_RTT;
        b->probe_rtt_done = 0;
    }
    if (b->mode == PL_BBR_PROBE_RTT) {
        stay_in_probe_rtt(cc, s);
    }
    b->idle = b->idle && s->rate == 0;
    PL_ASSERT(b->min_rtt_ns > 0);
}

/* ---- what follows for the sender ---- */

/* One per cent below the estimate, so that no queue builds up from errors. In STARTUP the pace
 * never falls. */
static void set_pace(struct pl_cc_bbr *b, uint32_t gain) {
    uint64_t rate = b->bandwidth < UINT64_MAX / 100000 ? b->bandwidth : UINT64_MAX / 100000;
    PL_ASSERT(gain > 0 && gain < 1000);
    rate = rate * gain / UNIT * 99 / 100;
    if (rate > 0 && (b->full || rate > b->pace)) {
        b->pace = rate;
    }
}

/* True: in the first round of a recovery, in which one packet goes for each that arrived. */
static bool recover(struct pl_cc *cc, const struct pl_cc_sample *s) {
    struct pl_cc_bbr *b = bbr_of(cc);
    uint8_t before = b->trouble;
    PL_ASSERT(s->trouble <= PL_CC_TROUBLE_TIMEOUT);
    b->trouble = s->trouble;
    if (s->lost > 0) {
        cc->cwnd = cc->cwnd > s->lost + cc->mss ? cc->cwnd - s->lost : cc->mss;
    }
    if (s->trouble == PL_CC_TROUBLE_RECOVERY && before != PL_CC_TROUBLE_RECOVERY) {
        b->conserve = true;
        b->round_end = b->rate.delivered;
        cc->cwnd = clamp((uint64_t)s->flight + s->acked);
    } else if (s->trouble == PL_CC_TROUBLE_NONE && before != PL_CC_TROUBLE_NONE) {
        b->conserve = false;
        cc->cwnd = larger(cc->cwnd, b->prior_cwnd);
    }
    if (b->conserve) {
        cc->cwnd = larger(cc->cwnd, clamp((uint64_t)s->flight + s->acked));
    }
    return b->conserve;
}

static void set_cwnd(struct pl_cc *cc, const struct pl_cc_sample *s) {
    struct pl_cc_bbr *b = bbr_of(cc);
    uint32_t least = SEGMENTS_MIN * cc->mss;
    PL_ASSERT(least > 0);
    if (s->acked > 0 && !recover(cc, s)) {
        uint32_t goal = clamp((uint64_t)bdp(cc, cwnd_gain(b)) + train_room(b));
        goal = with_bursts(cc, goal, s->burst);
        uint32_t grown = clamp((uint64_t)cc->cwnd + s->acked);
        if (b->full) {
            cc->cwnd = grown < goal ? grown : goal;
        } else if (cc->cwnd < goal || b->rate.delivered < pl_cc_initial_window(cc->mss)) {
            cc->cwnd = grown;
        }
        cc->cwnd = larger(cc->cwnd, least);
    }
    if (b->mode == PL_BBR_PROBE_RTT && cc->cwnd > least) {
        cc->cwnd = least;
    }
    cc->cwnd = larger(clamp(cc->cwnd), cc->mss);
}

static void model(struct pl_cc *cc, const struct pl_cc_sample *s) {
    struct pl_cc_bbr *b = bbr_of(cc);
    PL_ASSERT(b->mode <= PL_BBR_PROBE_RTT);
    take_rate(b, s);
    take_train(cc, s);
    turn_phase(cc, s);
    look_for_full(b, s);
    look_for_drained(cc, s);
    take_rtt(cc, s);
    set_pace(b, pacing_gain(b));
    set_cwnd(cc, s);
}

/* ---- what else happens ---- */

static void start(struct pl_cc *cc) {
    struct pl_cc_bbr *b = bbr_of(cc);
    PL_ASSERT(b->mode == PL_BBR_STARTUP && b->bandwidth == 0);
    b->min_rtt_ns = UINT64_MAX;
}

/* A loss lowers nothing: the window of before comes back. */
static uint32_t decrease(struct pl_cc *cc, uint32_t flight_bytes) {
    (void)flight_bytes;
    save_cwnd(cc);
    PL_ASSERT(cc->ssthresh > 0);
    return cc->ssthresh;
}

static void restart(struct pl_cc *cc, bool timeout) {
    struct pl_cc_bbr *b = bbr_of(cc);
    PL_ASSERT(timeout); /* the other reason is not for models */
    b->trouble = PL_CC_TROUBLE_TIMEOUT;
    b->full_bandwidth = 0;
    b->round_start = true;
    b->conserve = false;
}

static void forget_full(struct pl_cc *cc) {
    struct pl_cc_bbr *b = bbr_of(cc);
    b->full_bandwidth = 0;
    b->full_rounds = 0;
    PL_ASSERT(b->mode <= PL_BBR_PROBE_RTT);
}

/* After a pause the pace is even: there is no queue to drain, and no reason to build one. */
static void idle(struct pl_cc *cc) {
    struct pl_cc_bbr *b = bbr_of(cc);
    if (b->rate.limited_until == 0) {
        return;
    }
    b->idle = true;
    b->train_bytes = 0;
    PL_ASSERT(b->mode <= PL_BBR_PROBE_RTT);
    if (b->mode == PL_BBR_PROBE_BW) {
        set_pace(b, UNIT);
    }
}

static uint64_t pace(const struct pl_cc *cc) {
    return bbr_of(cc)->pace;
}

const struct pl_cc_ops pl_cc_bbr_ops = {
    .name = "bbr",
    .decrease = decrease,
    .restart = restart,
    .state_size = sizeof(struct pl_cc_bbr),
    .start = start,
    .model = model,
    .pace = pace,
    .idle = idle,
    .undo = forget_full,
};

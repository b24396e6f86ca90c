/* tcp/cc/cubic.c - CUBIC (RFC 9438) in integers.
 *
 * Behind ssthresh the window follows W(t) = C (t - K)^3 + W_max, where t is the time since the
 * epoch began, and never less than what Reno would have (W_est). Windows are bytes, times are
 * milliseconds, C is 0.4 segments per second cubed. With d = |t - K| in ms the cubic term is
 * 0.4e-9 d^3 mss bytes; d is limited so that nothing overflows 64 bits. W_est has 8 fractional
 * bits and window growth keeps its remainder in `credit`, so that slow growth is not rounded away.
 *
 * t stands still while something other than cwnd limits the flow (section 4.2): the epoch moves on
 * by such times, else the curve would be far up when the window is wanted again. Points in time
 * have 32 bits: an epoch of 25 days looks young again, which makes its growth slow, no more.
 *
 * The window itself is whole packets, as what is in flight is: the part of a packet that was never
 * out is not what a loss says something about, and in a queue of four it is one loss in five. So
 * the distance of the curve from W_max is rounded down, and so are the reductions. */
#include "base/assert.h"
#include "tcp/cc/cc.h"

/* Growth in a round trip, as shares of the window: at most, and while there is no W_max. */
enum { MOST = 2, UNKNOWN_MOST = 8, UNKNOWN_LEAST = 20 };

#define DISTANCE_MS_MAX (UINT64_C(1) << 18)

uint64_t pl_cc_cbrt(uint64_t x) {
    uint64_t root = 0;
    for (int bit = 21; bit >= 0; bit--) {
        uint64_t try = root | UINT64_C(1) << bit;
        if (try <= 2642245 && try * try * try <= x) {
            root = try;
        }
    }
    PL_ASSERT(root * root * root <= x);
    return root;
}

static uint64_t whole(uint64_t bytes, uint32_t mss) {
    PL_ASSERT(mss > 0);
    return bytes / mss * mss;
}

/* 0.4 d^3 segments, in bytes of whole ones; d in ms. */
static uint64_t cube_bytes(uint64_t d, uint32_t mss) {
    PL_ASSERT(mss > 0);
    d = d < DISTANCE_MS_MAX ? d : DISTANCE_MS_MAX;
    uint64_t cube = d * d * d;
    return whole(cube / 10000 * mss / 250000, mss);
}

static uint64_t curve(const struct pl_cc *cc, uint64_t t_ms) {
    PL_ASSERT(cc->u.cubic.epoch_ms > 0);
    const struct pl_cc_cubic *q = &cc->u.cubic;
    if (t_ms >= q->k_ms) {
        return q->origin + cube_bytes(t_ms - q->k_ms, cc->mss);
    }
    uint64_t below = cube_bytes(q->k_ms - t_ms, cc->mss);
    return below < q->origin ? q->origin - below : 0;
}

/* 0 says that there is no epoch. */
static uint32_t not_zero(uint32_t ms) {
    return ms > 0 ? ms : 1;
}

static uint32_t ms_of(plait_time t) {
    return (uint32_t)(t / PLAIT_NS_PER_MS);
}

static uint32_t since(uint32_t then_ms, uint32_t now_ms) {
    return (int32_t)(now_ms - then_ms) > 0 ? now_ms - then_ms : 0;
}

static void epoch_begin(struct pl_cc *cc, plait_time now) {
    PL_ASSERT(cc->mss > 0);
    struct pl_cc_cubic *q = &cc->u.cubic;
    q->epoch_ms = not_zero(ms_of(now));
    q->seen_ms = q->epoch_ms;
    q->west_x256 = (uint64_t)cc->cwnd << 8;
    q->credit = 0;
    q->origin = q->wmax;
    q->k_ms = 0;
    if (q->wmax <= cc->cwnd) {
        q->origin = cc->cwnd;
        return;
    }
    /* K = cbrt((W_max - cwnd) / C), here (ms)^3 = segments * 2.5e9. */
    q->k_ms = (uint32_t)pl_cc_cbrt((uint64_t)(q->wmax - cc->cwnd) * UINT64_C(2500000000) / cc->mss);
}

/* RFC 9438 section 4.3: alpha is 9/17 (beta 0.7) until the window of before the loss is reached. In
 * whole packets that is when the next one has room, as a loss at the same place is noticed only a
 * round trip later; and one more, without which a loss that was not the queue's has the next
 * windows overrun a short queue by two packets where one would do (Linux stays at 9/17). */
static uint32_t reno_friendly(struct pl_cc *cc, uint32_t bytes) {
    struct pl_cc_cubic *q = &cc->u.cubic;
    uint64_t gain = ((uint64_t)bytes * cc->mss << 8) / cc->cwnd;
    bool below = q->west_x256 >> 8 < (uint64_t)q->cwnd_prior + 2 * cc->mss;
    q->west_x256 += below ? gain * 9 / 17 : gain;
    uint64_t west = q->west_x256 >> 8;
    return west < PL_CC_CWND_MAX ? (uint32_t)west : PL_CC_CWND_MAX;
}

/* Whether there is no W_max yet and a share of the window is more than Reno's packet. */
static bool searching(const struct pl_cc *cc) {
    return cc->u.cubic.wmax == 0 && cc->cwnd / UNKNOWN_LEAST >= cc->mss;
}

/* How far cwnd moves in this round trip. Without a W_max the curve is flat where slow start
 * happened to end and steep later, which has nothing to do with the path: 5 % of the window, as
 * Linux has it, finds the end of the path sooner, and more than an eighth of it may be lost there.
 */
static uint64_t distance(const struct pl_cc *cc, uint64_t target) {
    uint64_t ahead = target > cc->cwnd ? target - cc->cwnd : 0;
    uint64_t most = cc->cwnd / MOST;
    if (cc->u.cubic.wmax == 0) {
        uint64_t floor = cc->cwnd / UNKNOWN_LEAST;
        ahead = ahead > floor ? ahead : floor;
        most = cc->cwnd / UNKNOWN_MOST;
    }
    return ahead < most ? ahead : most;
}

/* From cwnd to `target` in one round trip, in steps of a packet. */
static void approach(struct pl_cc *cc, uint64_t target, uint32_t bytes) {
    struct pl_cc_cubic *q = &cc->u.cubic;
    uint64_t ahead = distance(cc, target);
    PL_ASSERT(cc->cwnd > 0);
    if (ahead == 0) {
        return;
    }
    q->credit += ahead * bytes;
    uint64_t step = whole(q->credit / cc->cwnd, cc->mss), most = whole(ahead, cc->mss);
    q->credit -= step * cc->cwnd;
    most = most > cc->mss ? most : cc->mss;
    cc->cwnd += (uint32_t)(step < most ? step : most);
}

static void avoid(struct pl_cc *cc, const struct pl_cc_ack *ack) {
    struct pl_cc_cubic *q = &cc->u.cubic;
    PL_ASSERT(!cc->hystart_on);
    PL_ASSERT(cc->mss > 0 && cc->cwnd > 0);
    if (q->epoch_ms == 0) {
        epoch_begin(cc, ack->now);
    }
    uint32_t west = reno_friendly(cc, ack->bytes);
    q->seen_ms = ms_of(ack->now);
    uint32_t t_ms = since(q->epoch_ms, q->seen_ms);
    if (curve(cc, t_ms) >= west || searching(cc)) {
        approach(cc, curve(cc, t_ms + ack->srtt_ns / PLAIT_NS_PER_MS), ack->bytes);
        return;
    }
    uint32_t packets = (uint32_t)whole(west, cc->mss);
    cc->cwnd = packets > cc->cwnd ? packets : cc->cwnd;
}

static uint32_t decrease(struct pl_cc *cc, uint32_t flight_bytes) {
    struct pl_cc_cubic *q = &cc->u.cubic;
    PL_ASSERT(!cc->hystart_on);
    (void)flight_bytes; /* window validation keeps cwnd near the flight size (section 4.6) */
    uint64_t cwnd = whole(cc->cwnd, cc->mss);
    /* Fast convergence (section 4.7): 0.85 of the window if it did not reach the last W_max. */
    q->wmax = (uint32_t)(cwnd < q->wmax ? whole(cwnd * 17 / 20, cc->mss) : cwnd);
    q->cwnd_prior = (uint32_t)cwnd;
    q->epoch_ms = 0;
    return (uint32_t)whole(cwnd * 7 / 10, cc->mss);
}

static void restart(struct pl_cc *cc, bool timeout) {
    PL_ASSERT(!cc->hystart_on);
    cc->u.cubic.epoch_ms = 0;
    if (timeout) { /* section 4.8: the next epoch starts flat where it starts */
        cc->u.cubic.wmax = 0;
    }
}

/* Section 4.2: what passed since the last ACK that found the window in use is no part of t. */
static void pause_epoch(struct pl_cc *cc, plait_time now) {
    struct pl_cc_cubic *q = &cc->u.cubic;
    PL_ASSERT(!cc->hystart_on);
    if (q->epoch_ms == 0) {
        return;
    }
    q->epoch_ms = not_zero(q->epoch_ms + (ms_of(now) - q->seen_ms));
    q->seen_ms = ms_of(now);
}

const struct pl_cc_ops pl_cc_cubic_ops = {.name = "cubic",
                                          .avoid = avoid,
                                          .decrease = decrease,
                                          .restart = restart,
                                          .pause = pause_epoch};

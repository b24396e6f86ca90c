/* tcp/cc/cc.h - congestion control on plain values.
 *
 * A pl_cc holds the congestion window of one connection and the state of the algorithm that moves
 * it. It knows neither segments nor timers: the engine tells it what was acknowledged, when a
 * congestion event began (RFC 5681), and when the retransmission timer ran out, and reads cwnd and
 * ssthresh. Slow start with HyStart++ (RFC 9406) is common; an algorithm supplies what happens
 * behind ssthresh. All arithmetic is on integers, so that runs are equal everywhere. */
#ifndef PL_TCP_CC_H
#define PL_TCP_CC_H

#include "plait/types.h"

struct pl_cc;

/* What one acknowledgement brought. */
struct pl_cc_ack {
    plait_time now;
    uint32_t bytes;   /* newly delivered */
    uint64_t rtt_ns;  /* sample of this acknowledgement, 0 = none */
    uint64_t srtt_ns; /* smoothed, 0 = none yet */
    bool round_start; /* everything that was in flight a round trip ago is acknowledged */
};

struct pl_cc_ops {
    const char *name;
    /* Grows cwnd in congestion avoidance. */
    void (*avoid)(struct pl_cc *cc, const struct pl_cc_ack *ack);
    /* A congestion event: returns the new ssthresh, before the floor of two segments. */
    uint32_t (*decrease)(struct pl_cc *cc, uint32_t flight_bytes);
    /* Forgets the current growth epoch, and after a timeout what it knew of the path too. */
    void (*restart)(struct pl_cc *cc, bool timeout);
};

struct pl_cc_hystart {
    uint64_t round_min_ns, last_min_ns; /* UINT64_MAX = none */
    uint64_t baseline_ns;               /* of conservative slow start; UINT64_MAX = not in it */
    uint32_t train_at_us;               /* when the present train of ACKs began, modulo 2^32 */
    uint32_t train_us;                  /* from then to the last ACK */
    uint32_t train_bytes;               /* delivered since */
    uint8_t samples, css_rounds;
};

struct pl_cc_cubic {
    plait_time epoch;    /* t_epoch; 0 = no epoch */
    uint64_t west_x256;  /* W_est, bytes * 256 (RFC 9438 section 4.3) */
    uint64_t credit;     /* growth not yet a whole byte, in bytes * cwnd */
    uint32_t k_ms;       /* K */
    uint32_t origin;     /* where the current epoch's curve is flat, bytes */
    uint32_t wmax;       /* W_max, bytes; 0 = none yet */
    uint32_t cwnd_prior; /* cwnd before the last reduction, bytes */
};

struct pl_cc_reno {
    uint32_t credit; /* bytes acknowledged since the last increase */
};

struct pl_cc {
    const struct pl_cc_ops *ops;
    uint32_t cwnd, ssthresh; /* bytes */
    uint32_t mss;            /* bytes, follows the connection's */
    bool hystart_on;         /* the initial slow start goes on: `u` is hystart's */
    union {
        struct pl_cc_hystart hystart;
        struct pl_cc_cubic cubic;
        struct pl_cc_reno reno;
    } u;
};

#define PL_CC_SSTHRESH_INFINITE UINT32_MAX
#define PL_CC_CWND_MAX (UINT32_C(1) << 30)

extern const struct pl_cc_ops pl_cc_cubic_ops, pl_cc_reno_ops;

/* Starts with RFC 6928's initial window; `algorithm` is an enum plait_cc. */
void pl_cc_init(struct pl_cc *cc, uint8_t algorithm, uint32_t mss);
/* What users call an algorithm ("cubic"), NULL when there is none of that number. */
const char *pl_cc_name(uint8_t algorithm);
/* Another algorithm from here on; the windows stay. */
void pl_cc_change(struct pl_cc *cc, uint8_t algorithm);
void pl_cc_set_mss(struct pl_cc *cc, uint32_t mss);
/* min(10 * mss, max(2 * mss, 14600)), RFC 6928 section 2. */
uint32_t pl_cc_initial_window(uint32_t mss);
static inline bool pl_cc_slow_start(const struct pl_cc *cc) {
    return cc->cwnd < cc->ssthresh;
}
/* An acknowledgement outside fast recovery while the window was in full use. */
void pl_cc_ack(struct pl_cc *cc, const struct pl_cc_ack *ack);
/* A congestion event: sets ssthresh; cwnd is the recovery's business from here. */
void pl_cc_loss(struct pl_cc *cc, uint32_t flight_bytes);
/* The end of a timeout's first step: cwnd is set by the caller, growth starts anew. */
void pl_cc_restart(struct pl_cc *cc);
/* The connection was idle for `rtos` retransmission timeouts: cwnd decays (RFC 2861). */
void pl_cc_idle(struct pl_cc *cc, uint64_t rtos);
/* The last congestion event was none: back to a copy from before it, unless the window has grown
 * beyond that since (RFC 9438 section 4.9). */
void pl_cc_undo(struct pl_cc *cc, const struct pl_cc *before);

/* Integer cube root, for CUBIC's K. */
uint64_t pl_cc_cbrt(uint64_t x);

#endif

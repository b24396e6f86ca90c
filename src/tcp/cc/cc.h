/* tcp/cc/cc.h - congestion control on plain values.
 *
 * A pl_cc holds the congestion window of one connection and the state of the algorithm that moves
 * it. It knows neither segments nor timers: the engine tells it what was acknowledged, when a
 * congestion event began (RFC 5681), and when the retransmission timer ran out, and reads cwnd and
 * ssthresh. All arithmetic is on integers, so that runs are equal everywhere.
 *
 * There are two kinds of algorithms. Most move a window: slow start with HyStart++ (RFC 9406) is
 * common, they supply what happens behind ssthresh, and the engine spreads their reductions (PRR).
 * One that has a `model` decides alone: it sees a sample of every ACK, sets cwnd and says how fast
 * to send. What it knows is more than fits here: its owner gives it memory of state_size bytes,
 * which begin with a struct pl_rate. */
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

/* The rate of delivery of one connection (draft-cheng-iccrg-delivery-rate-estimation); tcp/rate.c
 * keeps it for those who have a model. */
struct pl_rate {
    uint64_t delivered;     /* bytes, over the life of the algorithm */
    uint64_t limited_until; /* samples are too low before that much is delivered; 0 = none is */
    plait_time delivered_at, first_sent_at;
};

enum pl_cc_trouble { PL_CC_TROUBLE_NONE, PL_CC_TROUBLE_RECOVERY, PL_CC_TROUBLE_TIMEOUT };

/* What one acknowledgement says of the path. */
struct pl_cc_sample {
    plait_time now;
    uint64_t rate;                  /* of delivery, bytes per second; 0: nothing can be said */
    uint64_t sent_at_count;         /* pl_rate.delivered when what is acknowledged now was sent */
    uint64_t rtt_ns;                /* 0 = none */
    uint32_t acked, lost;           /* bytes newly delivered, newly lost */
    uint32_t flight_before, flight; /* bytes, before and after this ACK */
    uint32_t burst;                 /* bytes that pacing lets go at once */
    uint8_t trouble;                /* enum pl_cc_trouble */
    bool limited;                   /* we could have sent faster: the rate may be too low */
    bool delayed;                   /* the ACK may have waited for a second segment */
};

struct pl_cc_ops {
    const char *name;
    /* Grows cwnd in congestion avoidance. */
    void (*avoid)(struct pl_cc *cc, const struct pl_cc_ack *ack);
    /* A congestion event: returns the new ssthresh, before the floor of two segments. */
    uint32_t (*decrease)(struct pl_cc *cc, uint32_t flight_bytes);
    /* Forgets the current growth epoch, and after a timeout what it knew of the path too. */
    void (*restart)(struct pl_cc *cc, bool timeout);
    /* Up to now something other than cwnd kept the flow from sending more. NULL for those whose
     * growth does not depend on time. */
    void (*pause)(struct pl_cc *cc, plait_time now);
    /* For those who keep something from the start, in `u` or in zeroed memory of state_size bytes:
     * they have no HyStart++, whose memory that is. NULL for the others. */
    void (*start)(struct pl_cc *cc);
    /* For those who count marks (RFC 8257): every ACK, and the new ssthresh for a window with a
     * mark, before the floor. NULL for the others: to them a mark is a loss (RFC 3168). */
    void (*echo)(struct pl_cc *cc, uint32_t bytes, bool marked, bool round_start);
    uint32_t (*mark)(struct pl_cc *cc);
    /* For those whose growth depends on other connections (RFC 6356): how many acknowledged bytes
     * are worth a segment of growth, where that is more than cwnd. NULL for the others. */
    void (*couple)(struct pl_cc *cc, uint32_t step);
    /* The rest is for algorithms with a model; NULL and 0 for the others. */
    uint16_t state_size;
    void (*model)(struct pl_cc *cc, const struct pl_cc_sample *sample);
    uint64_t (*pace)(const struct pl_cc *cc); /* bytes per second; 0 = does not know yet */
    void (*idle)(struct pl_cc *cc);           /* nothing was in flight, now something goes */
    void (*undo)(struct pl_cc *cc);           /* the last congestion event was none */
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
    uint64_t west_x256;  /* W_est, bytes * 256 (RFC 9438 section 4.3) */
    uint64_t credit;     /* growth not yet a whole byte, in bytes * cwnd */
    uint32_t epoch_ms;   /* t_epoch plus the pauses since, modulo 2^32; 0 = no epoch */
    uint32_t seen_ms;    /* up to when t was counted or paused, modulo 2^32 */
    uint32_t k_ms;       /* K */
    uint32_t origin;     /* where the current epoch's curve is flat, bytes */
    uint32_t wmax;       /* W_max, bytes; 0 = none yet */
    uint32_t cwnd_prior; /* cwnd before the last reduction, bytes */
};

struct pl_cc_reno {
    uint32_t credit; /* bytes acknowledged since the last increase */
};

struct pl_cc_lia {
    uint32_t credit; /* bytes acknowledged since the last increase */
    uint32_t step;   /* see pl_cc_couple; 0: nobody has said */
};

struct pl_cc_dctcp {
    struct pl_cc_reno reno;
    uint32_t alpha;         /* the part of the bytes that is marked, times 2^20 */
    uint64_t acked, marked; /* bytes, in this window */
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
        struct pl_cc_dctcp dctcp;
        struct pl_cc_lia lia;
        void *state; /* of ops->state_size bytes, when that is not 0 */
    } u;
};

#define PL_CC_SSTHRESH_INFINITE UINT32_MAX
#define PL_CC_CWND_MAX (UINT32_C(1) << 30)

extern const struct pl_cc_ops pl_cc_cubic_ops, pl_cc_reno_ops, pl_cc_bbr_ops, pl_cc_dctcp_ops,
    pl_cc_lia_ops;

/* Starts with RFC 6928's initial window; `algorithm` is an enum plait_cc without a state. */
void pl_cc_init(struct pl_cc *cc, uint8_t algorithm, uint32_t mss);
/* What an algorithm needs besides a struct pl_cc, bytes; often 0. */
uint16_t pl_cc_state_size(uint8_t algorithm);
/* Whether an algorithm lives from marks: it needs ECN, and a receiver that echoes each of them. */
bool pl_cc_counts_marks(uint8_t algorithm);
/* What users call an algorithm ("cubic"), NULL when there is none of that number. */
const char *pl_cc_name(uint8_t algorithm);
/* Another algorithm from here on; the windows stay. `state`: zeroed memory of pl_cc_state_size();
 * that of the algorithm before is its owner's again. */
void pl_cc_change(struct pl_cc *cc, uint8_t algorithm, void *state);
void pl_cc_set_mss(struct pl_cc *cc, uint32_t mss);
/* min(10 * mss, max(2 * mss, 14600)), RFC 6928 section 2. */
uint32_t pl_cc_initial_window(uint32_t mss);
static inline bool pl_cc_slow_start(const struct pl_cc *cc) {
    return cc->cwnd < cc->ssthresh;
}
static inline bool pl_cc_has_model(const struct pl_cc *cc) {
    return cc->ops->model != NULL;
}
static inline struct pl_rate *pl_cc_rate(const struct pl_cc *cc) {
    return pl_cc_has_model(cc) ? (struct pl_rate *)cc->u.state : NULL;
}
/* Every acknowledgement, when there is a model. */
void pl_cc_model(struct pl_cc *cc, const struct pl_cc_sample *sample);
/* Bytes per second, 0 when the algorithm leaves that to the window. */
uint64_t pl_cc_pace(const struct pl_cc *cc);
static inline bool pl_cc_is_coupled(const struct pl_cc *cc) {
    return cc->ops->couple != NULL;
}
/* A coupled algorithm learns its step (pl_cc_ops.couple); in slow start it has no use for it. */
void pl_cc_couple(struct pl_cc *cc, uint32_t step);
/* An acknowledgement outside fast recovery while the window was in full use. */
void pl_cc_ack(struct pl_cc *cc, const struct pl_cc_ack *ack);
/* An acknowledgement while it was not, or the end of an idle time: time that passed for nothing. */
void pl_cc_pause(struct pl_cc *cc, plait_time now);
/* A congestion event: sets ssthresh; cwnd is the recovery's business from here. */
void pl_cc_loss(struct pl_cc *cc, uint32_t flight_bytes);
/* A congestion event that is a mark (RFC 3168). */
void pl_cc_mark(struct pl_cc *cc, uint32_t flight_bytes);
/* Every acknowledgement, whatever else happens: how much it delivered, and whether it said ECE. */
void pl_cc_echo(struct pl_cc *cc, uint32_t bytes, bool marked, bool round_start);
/* The end of a timeout's first step: cwnd is set by the caller, growth starts anew. */
void pl_cc_restart(struct pl_cc *cc);
/* The connection was idle for `rtos` retransmission timeouts: cwnd decays (RFC 2861), but not that
 * of a model. */
void pl_cc_idle(struct pl_cc *cc, uint64_t rtos);
/* The last congestion event was none: back to a copy from before it, unless the window has grown
 * beyond that since (RFC 9438 section 4.9). */
void pl_cc_undo(struct pl_cc *cc, const struct pl_cc *before);

/* Integer cube root, for CUBIC's K. */
uint64_t pl_cc_cbrt(uint64_t x);

#endif

/* tcp/cc/bbr.h - the state of BBR; for bbr.c and its tests.
 *
 *   STARTUP    sends 2.89 times as fast each round until the rate of delivery grows no more
 *   DRAIN      lets the queue that STARTUP left run empty
 *   PROBE_BW   eight phases of a least RTT each: a quarter faster, a quarter slower, six even
 *   PROBE_RTT  four segments in flight for 200 ms, when no least RTT was seen for 10 s */
#ifndef PL_TCP_CC_BBR_H
#define PL_TCP_CC_BBR_H

#include "tcp/cc/cc.h"

enum pl_bbr_mode {
    PL_BBR_STARTUP,
    PL_BBR_DRAIN,
    PL_BBR_PROBE_BW,
    PL_BBR_PROBE_RTT,
};

enum { PL_BBR_ROUNDS = 10, PL_BBR_PHASES = 8 };

struct pl_cc_bbr {
    struct pl_rate rate;         /* kept by tcp/rate.c */
    uint64_t max[PL_BBR_ROUNDS]; /* the highest rate of each of the last rounds */
    uint64_t bandwidth;          /* and of all of them, bytes per second */
    uint64_t pace;               /* bytes per second; 0 = none yet */
    uint64_t min_rtt_ns;         /* UINT64_MAX = none yet */
    uint64_t round_end;          /* the round is over when this much is delivered */
    uint64_t full_bandwidth;     /* that STARTUP has to exceed by a quarter */
    plait_time min_rtt_at;
    plait_time phase_at;       /* when the present phase of PROBE_BW began */
    plait_time probe_rtt_done; /* not before; 0 = in flight is still too much */
    plait_time train_at;       /* of ACKs that came faster than the path delivers */
    uint64_t train_bytes;
    uint32_t extra[2];   /* the most that came at once, of this and the last 5 rounds */
    uint32_t prior_cwnd; /* to be restored after a recovery or PROBE_RTT */
    uint32_t round;      /* rounds so far */
    uint32_t max_round;  /* of the newest entry in max */
    uint8_t mode;        /* enum pl_bbr_mode */
    uint8_t phase;       /* of PROBE_BW */
    uint8_t full_rounds; /* without growth */
    uint8_t extra_index, extra_rounds;
    uint8_t trouble; /* enum pl_cc_trouble as of the last ACK */
    bool round_start, full, conserve, idle, probe_rtt_round;
};

#endif

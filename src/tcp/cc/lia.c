/* tcp/cc/lia.c - LIA, linked increases (RFC 6356): Reno whose growth is that of several connections
 * together.
 *
 * For every ACK the window grows by bytes * mss / max(step, cwnd) (section 3, formula 1), where
 * `step` is cwnd_total / alpha, the same for all subflows. Only whoever looks after all of them can
 * know it; he says it with pl_cc_couple (mptcp/couple.c). Up to then, and for a connection that is
 * alone, this is Reno. What is less than a segment is kept, so nothing is rounded to no growth at
 * all. Slow start and the answer to losses are those of RFC 5681. */
#include "base/assert.h"
#include "tcp/cc/cc.h"

static void avoid(struct pl_cc *cc, const struct pl_cc_ack *ack) {
    struct pl_cc_lia *l = &cc->u.lia;
    uint64_t step = l->step > cc->cwnd ? l->step : cc->cwnd;
    uint64_t credit = (uint64_t)l->credit + ack->bytes;
    PL_ASSERT(cc->cwnd > 0 && cc->mss > 0);
    if (credit >= step) {
        credit -= step;
        cc->cwnd += cc->mss;
    }
    l->credit = (uint32_t)(credit < step ? credit : step);
    PL_ASSERT(l->credit <= step);
}

static uint32_t decrease(struct pl_cc *cc, uint32_t flight_bytes) {
    cc->u.lia.credit = 0;
    PL_ASSERT(cc->cwnd > 0);
    uint32_t flight = flight_bytes < cc->cwnd ? flight_bytes : cc->cwnd;
    return flight / 2;
}

static void restart(struct pl_cc *cc, bool timeout) {
    (void)timeout;
    PL_ASSERT(!cc->hystart_on);
    cc->u.lia.credit = 0;
}

static void couple(struct pl_cc *cc, uint32_t step) {
    PL_ASSERT(!cc->hystart_on);
    cc->u.lia.step = step;
}

const struct pl_cc_ops pl_cc_lia_ops = {
    .name = "lia", .avoid = avoid, .decrease = decrease, .restart = restart, .couple = couple};

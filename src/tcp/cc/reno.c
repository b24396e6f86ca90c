/* tcp/cc/reno.c - Reno: one segment more per round trip, half on loss (RFC 5681). */
#include "base/assert.h"
#include "tcp/cc/cc.h"

/* Appropriate byte counting (RFC 3465): a window's worth of acknowledged bytes is one segment. */
static void avoid(struct pl_cc *cc, const struct pl_cc_ack *ack) {
    PL_ASSERT(cc->cwnd > 0 && cc->mss > 0);
    struct pl_cc_reno *r = &cc->u.reno;
    uint64_t credit = (uint64_t)r->credit + ack->bytes;
    if (credit >= cc->cwnd) {
        credit -= cc->cwnd;
        cc->cwnd += cc->mss;
    }
    r->credit = (uint32_t)(credit < cc->cwnd ? credit : cc->cwnd);
    PL_ASSERT(r->credit <= cc->cwnd);
}

static uint32_t decrease(struct pl_cc *cc, uint32_t flight_bytes) {
    cc->u.reno.credit = 0;
    PL_ASSERT(cc->cwnd > 0);
    uint32_t flight = flight_bytes < cc->cwnd ? flight_bytes : cc->cwnd;
    return flight / 2;
}

static void restart(struct pl_cc *cc, bool timeout) {
    (void)timeout;
    PL_ASSERT(!cc->hystart_on);
    cc->u.reno.credit = 0;
}

const struct pl_cc_ops pl_cc_reno_ops = {
    .name = "reno", .avoid = avoid, .decrease = decrease, .restart = restart};

/* tcp/cc/dctcp.c - DCTCP (RFC 8257): a reduction as large as the part of the window that was
 * marked.
 *
 * Where switches mark what finds a few packets in the queue, every window has marks, and to halve
 * it each time would leave the link idle. So the sender counts which part of each window was marked
 * (the receiver's echo is exact: tcp/ecn.c), keeps a moving average of that, alpha, and reduces
 * once per window by alpha / 2 (sections 3.3 and 4.2). All else is Reno's, losses too (section
 * 3.4). Slow start ends with the first mark, which comes before the delay that HyStart++ looks for;
 * alpha begins with one, so that the first reduction is a whole one.
 *
 * It takes what others leave: a queue that does not mark, or one that it shares with those who wait
 * for a loss, is no place for it. It is chosen by the application or the stack's settings, never
 * by itself. */
#include "base/assert.h"
#include "tcp/cc/cc.h"

enum { ALPHA_BITS = 20, ALPHA_ONE = 1 << ALPHA_BITS, GAIN_SHIFT = 4 }; /* g = 1/16 */

static void start(struct pl_cc *cc) {
    PL_ASSERT(!cc->hystart_on);
    cc->u.dctcp = (struct pl_cc_dctcp){.alpha = ALPHA_ONE};
}

static void avoid(struct pl_cc *cc, const struct pl_cc_ack *ack) {
    pl_cc_reno_ops.avoid(cc, ack);
}

static uint32_t decrease(struct pl_cc *cc, uint32_t flight_bytes) {
    return pl_cc_reno_ops.decrease(cc, flight_bytes);
}

static void restart(struct pl_cc *cc, bool timeout) {
    pl_cc_reno_ops.restart(cc, timeout);
}

/* Bytes of one window, and those whose ACKs said ECE. */
static void echo(struct pl_cc *cc, uint32_t bytes, bool marked, bool round_start) {
    struct pl_cc_dctcp *d = &cc->u.dctcp;
    PL_ASSERT(d->alpha <= ALPHA_ONE && d->marked <= d->acked);
    d->acked += bytes;
    d->marked += marked ? bytes : 0;
    if (!round_start || d->acked == 0) {
        return;
    }
    uint64_t part = (d->marked << ALPHA_BITS) / d->acked;
    d->alpha -= d->alpha >> GAIN_SHIFT;
    d->alpha += (uint32_t)(part >> GAIN_SHIFT);
    d->acked = 0;
    d->marked = 0;
    PL_ASSERT(d->alpha <= ALPHA_ONE);
}

static uint32_t mark(struct pl_cc *cc) {
    PL_ASSERT(cc->u.dctcp.alpha <= ALPHA_ONE);
    cc->u.dctcp.reno.credit = 0;
    return cc->cwnd - (uint32_t)((uint64_t)cc->cwnd * cc->u.dctcp.alpha / (2 * ALPHA_ONE));
}

const struct pl_cc_ops pl_cc_dctcp_ops = {.name = "dctcp",
                                          .avoid = avoid,
                                          .decrease = decrease,
                                          .restart = restart,
                                          .start = start,
                                          .echo = echo,
                                          .mark = mark};

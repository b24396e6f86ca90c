/* tcp/rate.c - how fast the path delivers (draft-cheng-iccrg-delivery-rate-estimation).
 *
 * A record that leaves is marked with what had been delivered by then, and when. Its
 * acknowledgement tells how much was delivered in the time since: a sample of the rate. The time is
 * the longer one of that in which the packets were sent and that in which they were acknowledged,
 * since either end may compress them. A sample in which we could have sent more (nothing to send,
 * the peer's window) is marked: it may be too low.
 *
 * Only a congestion control with a model pays for this; its state holds the totals, and records
 * have room for their mark only then. */
#include "base/assert.h"
#include "tcp/engine.h"
#include "tcp/figures.h"

void pl_tcp_rate_sent(struct pl_tcp *tcp, struct pl_tcp_record *rec, plait_time now) {
    struct pl_rate *rate = pl_cc_rate(&tcp->cc);
    if (rate == NULL || !rec->measured) {
        return;
    }
    bool alone = rec->unsent && pl_seq32_eq(rec->seq, tcp->snd.una);
    if (alone || rate->first_sent_at == 0) {
        rate->first_sent_at = now;
        rate->delivered_at = now;
    }
    PL_ASSERT(now >= rate->first_sent_at && now >= rate->delivered_at);
    rec->mark[0] = (struct pl_tcp_rate_mark){.delivered = rate->delivered,
                                             .delivered_at = rate->delivered_at,
                                             .first_sent_at = rate->first_sent_at,
                                             .valid = true,
                                             .limited = rate->limited_until > 0};
}

/* Of what one ACK acknowledges, the record that was sent last counts. */
void pl_tcp_rate_delivered(struct pl_tcp *tcp, const struct pl_tcp_record *rec,
                           struct pl_tcp_ack_facts *f) {
    struct pl_rate *rate = pl_cc_rate(&tcp->cc);
    if (rate == NULL || !rec->measured || !rec->mark[0].valid) {
        return;
    }
    const struct pl_tcp_rate_mark *best = &f->rate_mark;
    PL_ASSERT(rec->sent_at <= f->now);
    bool later = rec->sent_at > f->rate_sent_at ||
                 (rec->sent_at == f->rate_sent_at && rec->mark[0].delivered >= best->delivered);
    if (best->valid && !later) {
        return;
    }
    PL_ASSERT(rec->mark[0].delivered <= rate->delivered);
    f->rate_mark = rec->mark[0];
    f->rate_sent_at = rec->sent_at;
    rate->first_sent_at = rec->sent_at;
}

/* Something other than the path and its control keeps us from sending: as long as what is in flight
 * now is not delivered, samples may be too low. */
void pl_tcp_rate_limited(struct pl_tcp *tcp) {
    pl_tcp_figures_limited(tcp);
    struct pl_rate *rate = pl_cc_rate(&tcp->cc);
    if (rate == NULL || !pl_list_empty(&tcp->flight->lost)) {
        return;
    }
    rate->limited_until = rate->delivered + pl_tcp_flight(tcp);
    rate->limited_until += rate->limited_until == 0 ? 1 : 0;
    PL_ASSERT(rate->limited_until > 0);
}

/* Bytes per second, 0: no sample. */
static uint64_t rate_of(const struct pl_tcp *tcp, const struct pl_rate *rate,
                        const struct pl_tcp_ack_facts *f) {
    const struct pl_tcp_rate_mark *m = &f->rate_mark;
    if (!m->valid || f->delivered == 0) {
        return 0;
    }
    PL_ASSERT(f->rate_sent_at >= m->first_sent_at && f->now >= m->delivered_at);
    uint64_t sending = f->rate_sent_at - m->first_sent_at, acking = f->now - m->delivered_at;
    uint64_t ns = sending > acking ? sending : acking;
    uint64_t bytes = rate->delivered - m->delivered;
    if (ns == 0 || ns < tcp->rtt.min_ns || bytes > UINT64_MAX / PLAIT_NS_PER_S) {
        return 0; /* a needless retransmission: what is acknowledged is the first copy */
    }
    return bytes * PLAIT_NS_PER_S / ns;
}

static uint8_t trouble(const struct pl_tcp *tcp) {
    if (tcp->rec.phase == PL_TCP_PHASE_LOSS) {
        return PL_CC_TROUBLE_TIMEOUT;
    }
    return tcp->rec.phase == PL_TCP_PHASE_RECOVERY ? PL_CC_TROUBLE_RECOVERY : PL_CC_TROUBLE_NONE;
}

/* A whole acknowledgement: what it says to a model. */
void pl_tcp_rate_sample(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f,
                        struct pl_cc_sample *out) {
    struct pl_rate *rate = pl_cc_rate(&tcp->cc);
    PL_ASSERT(rate != NULL);
    rate->delivered += f->delivered;
    if (f->delivered > 0) {
        rate->delivered_at = f->now;
    }
    if (rate->delivered > rate->limited_until) {
        rate->limited_until = 0;
    }
    const struct pl_tcp_rate_mark *m = &f->rate_mark;
    bool alone = m->valid && m->delivered + f->delivered == rate->delivered;
    *out = (struct pl_cc_sample){
        .now = f->now,
        .rate = rate_of(tcp, rate, f),
        .sent_at_count = m->delivered,
        .rtt_ns = f->rtt_last_ns,
        .acked = f->delivered,
        .lost = f->lost,
        .flight_before = f->flight_before,
        .flight = pl_tcp_flight(tcp),
        .burst = pl_tcp_pace_quantum(tcp),
        .trouble = trouble(tcp),
        .limited = m->limited,
        .delayed = alone && f->delivered <= tcp->cc.mss && f->newly_sacked == 0,
    };
}

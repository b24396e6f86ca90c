/* tcp/pacing.c - spreading a window over a round trip.
 *
 * The rate is what the congestion control wants it to be; one that has no opinion gets twice cwnd
 * per smoothed RTT in slow start and 1.2 times after, and in the initial slow start four times: it
 * has to be faster than the path to find out from the ACKs how fast that is (cc/cc.c). Sending
 * happens in bursts: when the time for the next has come, about 1 ms worth of the rate may leave at
 * once (two segments at least, 64 KB at most), and every byte sent moves the time of the next burst
 * on. A caller that wakes up late has up to one burst of time to its credit, so coarse timers do
 * not cost throughput: above 4 Gb/s, where bursts follow each other faster than timers fire, 1 ms;
 * and never more than 5 ms: on a slow path two bursts in a row fill a queue with room for one. */
#include "base/assert.h"
#include "tcp/engine.h"

enum { BURST_BYTES_MAX = 65536 };
#define BURST_NS PLAIT_NS_PER_MS
#define CLOCK_NS (PLAIT_NS_PER_MS / 8) /* what the clock of a caller can be expected to keep */
#define CREDIT_NS_MAX (5 * PLAIT_NS_PER_MS)

static uint64_t gain_x10(const struct pl_cc *cc) {
    if (!pl_cc_slow_start(cc)) {
        return 12;
    }
    return cc->hystart_on ? 40 : 20;
}

static uint64_t rate_of_window(const struct pl_tcp *tcp) {
    uint32_t flight = pl_tcp_flight(tcp);
    uint64_t window = tcp->cc.cwnd > flight ? tcp->cc.cwnd : flight;
    PL_ASSERT(window <= UINT32_MAX);
    return window * gain_x10(&tcp->cc) * (PLAIT_NS_PER_S / 10) / tcp->rtt.srtt_ns + 1;
}

/* Bytes per second, 0 = not paced (no RTT yet). */
uint64_t pl_tcp_pace_rate(const struct pl_tcp *tcp) {
    uint64_t most = tcp->tuning->pacing_rate_max;
    if (tcp->rtt.srtt_ns == 0) {
        return most;
    }
    uint64_t rate = pl_cc_pace(&tcp->cc);
    rate = rate > 0 ? rate : rate_of_window(tcp);
    return most > 0 && rate > most ? most : rate;
}

/* Bursts follow each other faster than the timers of a caller fire. */
static bool beyond_clocks(uint64_t rate) {
    return rate / (PLAIT_NS_PER_S / CLOCK_NS) > BURST_BYTES_MAX;
}

/* The largest burst, in bytes. */
uint32_t pl_tcp_pace_quantum(const struct pl_tcp *tcp) {
    uint64_t rate = pl_tcp_pace_rate(tcp);
    if (rate == 0) {
        return BURST_BYTES_MAX;
    }
    if (beyond_clocks(rate)) { /* one large segment, and not a packet that is left of it */
        return BURST_BYTES_MAX / tcp->cc.mss * tcp->cc.mss;
    }
    uint64_t burst = rate / (PLAIT_NS_PER_S / BURST_NS);
    PL_ASSERT(rate > 0);
    uint64_t least = 2 * (uint64_t)tcp->cc.mss;
    burst = burst > least ? burst : least;
    return burst < BURST_BYTES_MAX ? (uint32_t)burst : BURST_BYTES_MAX;
}

bool pl_tcp_pace_open(const struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->pace.burst <= BURST_BYTES_MAX);
    return tcp->pace.burst > 0 || now >= tcp->pace.next;
}

/* Sets the timer for the next burst; true when nothing may leave before. */
bool pl_tcp_pace_wait(struct pl_tcp *tcp, plait_time now) {
    if (pl_tcp_pace_open(tcp, now)) {
        return false;
    }
    PL_ASSERT(tcp->pace.next > now);
    PL_ASSERT(pl_tcp_pace_rate(tcp) > 0);
    tcp->deadline[PL_TCP_SLOT_PACE] = tcp->pace.next;
    return true;
}

/* Payload was sent. */
void pl_tcp_pace_sent(struct pl_tcp *tcp, uint32_t bytes, plait_time now) {
    uint64_t rate = pl_tcp_pace_rate(tcp);
    struct pl_tcp_pace *p = &tcp->pace;
    if (rate == 0) {
        p->next = now;
        return;
    }
    uint32_t quantum = pl_tcp_pace_quantum(tcp);
    PL_ASSERT(quantum > 0);
    if (p->burst == 0) {
        uint64_t credit = beyond_clocks(rate) ? BURST_NS : quantum * PLAIT_NS_PER_S / rate;
        credit = credit < CREDIT_NS_MAX ? credit : CREDIT_NS_MAX;
        plait_time floor = now > credit ? now - credit : 0;
        p->next = p->next > floor ? p->next : floor;
        p->burst = quantum;
    }
    p->burst = p->burst > bytes ? p->burst - bytes : 0;
    p->next += bytes * PLAIT_NS_PER_S / rate;
    PL_ASSERT(p->burst <= BURST_BYTES_MAX);
}

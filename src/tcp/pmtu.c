/* tcp/pmtu.c - how large packets may be: ICMP's word, black holes, and the search upwards.
 *
 * A connection starts with what its port bears (snd.mtu). Two things lower that: an ICMP "too big"
 * (RFC 1191, RFC 8201; the stack has checked that it quotes a segment in flight), and a black hole
 * that swallows large packets without a word: after the second time-out in a row RFC 8899's base
 * size is tried, at the fifth the least there is (section 5.2).
 *
 * Below the port's MTU there is a struct pl_tcp_pmtu, and the search of RFC 8899 section 5.3: a
 * segment of new payload that is larger than the others, and whose loss says nothing about
 * congestion (section 3, point 7). What was in flight when it was lost is sent again in pieces.
 * First the largest size is tried, then the interval is halved; a size counts as too large after
 * three losses. After an ICMP error, and when the search is through, the next one begins ten
 * minutes later (PMTU_RAISE_TIMER). It costs no timer: probes need payload, so the clock is looked
 * at when there is some. With MPTCP each subflow has its own search, and a probe a mapping of its
 * own like every segment. */
#include "base/assert.h"
#include "tcp/engine.h"

enum {
    MTU_FLOOR = 296,
    BASE_V4 = 1200, /* BASE_PLPMTU, RFC 8899 section 5.1.2 */
    LEAST_V4 = 576, /* RFC 791: what every host takes; less would be an attack */
    LEAST_V6 = 1280,
    STEP_MIN = 8, /* an interval this small is not worth another probe */
    PROBES_MAX = 3,
    SEARCH_SEGMENTS_MIN = 8, /* of cwnd: a small window should not lose a probe */
    RTO_BLACK_HOLE = 1,
    RTO_LEAST = 4,
};
#define RAISE_NS (600 * PLAIT_NS_PER_S)
#define LATER_NS (100 * PLAIT_NS_PER_MS)

static bool is_v6(const struct pl_tcp *tcp) {
    return tcp->tuple.local.family == PLAIT_IPV6;
}

/* The headers of every segment, without options. */
static uint32_t headers(const struct pl_tcp *tcp) {
    return (is_v6(tcp) ? 40 : 20) + (uint32_t)PL_TCP_HEADER;
}

void pl_tcp_pmtu_fini(struct pl_tcp *tcp) {
    if (tcp->pmtu != NULL) {
        pl_ctx_free(tcp->ctx, tcp->pmtu, sizeof(*tcp->pmtu));
        tcp->pmtu = NULL;
    }
}

static void scale(struct pl_cc *cc, uint32_t mss, uint32_t before) {
    PL_ASSERT(mss > 0 && mss < before);
    if (!pl_cc_has_model(cc)) {
        cc->cwnd = (uint32_t)((uint64_t)cc->cwnd * mss / before);
        cc->cwnd = cc->cwnd > mss ? cc->cwnd : mss;
    }
}

/* What is sent from here on is no larger. The window keeps its number of segments: more small ones
 * would be a burst (RFC 5681 section 3.1). So does the one that an undo would restore. */
static void shrink(struct pl_tcp *tcp, uint32_t mtu) {
    PL_ASSERT(mtu < tcp->snd.mtu);
    uint32_t before = tcp->cc.mss;
    tcp->snd.mtu = mtu;
    if (!pl_tcp_synchronized(tcp)) {
        return;
    }
    uint32_t mss = pl_tcp_mss(tcp);
    if (mss < before) {
        scale(&tcp->cc, mss, before);
    }
    if (mss < before && tcp->rec.undo != NULL) {
        scale(&tcp->rec.undo->cc, mss, before);
    }
    pl_cc_set_mss(&tcp->cc, mss);
}

/* Packets of more than `mtu` bytes do not arrive: what is larger goes again. */
static void lower(struct pl_tcp *tcp, uint32_t mtu, plait_time now) {
    shrink(tcp, mtu);
    if (!pl_tcp_synchronized(tcp)) {
        return;
    }
    uint32_t mss = tcp->cc.mss;
    PL_ASSERT(mss > 0);
    PL_LIST_FOREACH(it, &tcp->flight->records) {
        struct pl_tcp_record *rec = PL_CONTAINER(it, struct pl_tcp_record, link);
        uint32_t packet = rec->len < rec->cut ? rec->len : rec->cut;
        if (packet > mss) {
            pl_tcp_rack_lose(tcp, rec, PL_TCP_LOST_MTU, now);
        }
    }
    pl_tcp_link(tcp);
    pl_tcp_timers_apply(tcp);
}

/* A new search for what lies between snd.mtu and what the port bears. Without memory there is none,
 * and the smaller size stays. */
static void search_from(struct pl_tcp *tcp, uint32_t max, plait_time at) {
    if (tcp->pmtu == NULL) {
        tcp->pmtu = pl_ctx_alloc(tcp->ctx, sizeof(*tcp->pmtu));
        if (tcp->pmtu == NULL) {
            return;
        }
        tcp->pmtu->max = max;
    }
    struct pl_tcp_pmtu *p = tcp->pmtu;
    p->high = p->max;
    p->size = 0;
    p->tries = 0;
    p->halving = false;
    p->next = at;
    PL_ASSERT(p->high >= tcp->snd.mtu);
}

/* The port's MTU is known (again). */
void pl_tcp_set_mtu(struct pl_tcp *tcp, uint32_t mtu, plait_time now) {
    mtu = mtu > MTU_FLOOR ? mtu : MTU_FLOOR;
    if (mtu < tcp->snd.mtu) {
        lower(tcp, mtu, now);
    }
    if (tcp->pmtu == NULL || mtu == tcp->snd.mtu) {
        pl_tcp_pmtu_fini(tcp);
        tcp->snd.mtu = mtu;
        return;
    }
    tcp->pmtu->max = mtu;
    search_from(tcp, mtu, now);
}

/* ICMP never raises an estimate (RFC 8201 section 4). In the middle of a search it may name a size
 * between the one in use and the one that was tried (RFC 8899 section 4.6.2). */
void pl_tcp_too_big(struct pl_tcp *tcp, uint32_t mtu, plait_time now) {
    struct pl_tcp_pmtu *p = tcp->pmtu;
    uint32_t least = is_v6(tcp) ? (uint32_t)LEAST_V6 : (uint32_t)LEAST_V4;
    mtu = mtu > least ? mtu : least;
    if (mtu >= tcp->snd.mtu) {
        if (p != NULL && p->size > mtu) {
            p->high = mtu;
            p->tries = 0;
        }
        return;
    }
    uint32_t before = tcp->snd.mtu;
    lower(tcp, mtu, now);
    search_from(tcp, before, now + RAISE_NS);
}

/* A window that was closed over what is in flight: the peer answers what arrives, but does not take
 * it. That is no black hole. */
static bool refused(const struct pl_tcp *tcp, const struct pl_tcp_record *head) {
    PL_ASSERT(pl_seq32_eq(head->seq, tcp->snd.una));
    return tcp->snd.wnd == 0 && tcp->stats.last_in > head->sent_at;
}

/* Another time-out in a row. Small packets get through where large ones do not: that a path is a
 * black hole is found out by sending small ones. What was lost is for the time-out to say, which
 * may still turn out to be spurious. */
void pl_tcp_pmtu_rto(struct pl_tcp *tcp, plait_time now) {
    uint32_t base = is_v6(tcp) ? (uint32_t)LEAST_V6 : (uint32_t)BASE_V4;
    const struct pl_tcp_record *head = pl_tcp_record_first(tcp);
    uint32_t count = tcp->rec.rto_count;
    PL_ASSERT(head != NULL);
    if ((count != RTO_BLACK_HOLE && count != RTO_LEAST) || refused(tcp, head)) {
        return;
    }
    uint32_t to = count == RTO_LEAST && !is_v6(tcp) ? (uint32_t)LEAST_V4 : base;
    uint32_t packet = head->len < head->cut ? head->len : head->cut;
    if (to >= tcp->snd.mtu || packet + headers(tcp) <= to) {
        return; /* what does not arrive is small already */
    }
    PL_COUNT(tcp->ctx, MtuBlackHoles);
    uint32_t before = tcp->snd.mtu;
    shrink(tcp, to);
    search_from(tcp, before, now);
}

/* ---- the search ---- */

/* The size of the next probe, or 0 when the search is through for now. */
static uint32_t next_size(struct pl_tcp *tcp, plait_time now) {
    struct pl_tcp_pmtu *p = tcp->pmtu;
    uint32_t peer = tcp->snd.peer_mss + headers(tcp);
    uint32_t high = p->high < peer ? p->high : peer;
    if (high < tcp->snd.mtu + STEP_MIN) {
        search_from(tcp, p->max, now + RAISE_NS);
        return 0;
    }
    return p->halving ? tcp->snd.mtu + (high - tcp->snd.mtu + 1) / 2 : high;
}

/* All of the probe is acknowledged. */
static void arrived(struct pl_tcp *tcp, plait_time now) {
    struct pl_tcp_pmtu *p = tcp->pmtu;
    PL_ASSERT(p->size > tcp->snd.mtu);
    tcp->snd.mtu = p->size;
    p->size = 0;
    p->tries = 0;
    PL_COUNT(tcp->ctx, TCPMTUPSuccess);
    pl_trace(tcp->ctx, now, tcp->id, PLAIT_TRACE_mtu, tcp->snd.mtu, p->max, 0, 0);
    if (tcp->snd.mtu >= p->max) {
        pl_tcp_pmtu_fini(tcp);
    }
}

bool pl_tcp_pmtu_is_probe(const struct pl_tcp *tcp, const struct pl_tcp_record *rec) {
    const struct pl_tcp_pmtu *p = tcp->pmtu;
    return p != NULL && p->size > 0 && pl_seq32_le(p->begin, rec->seq) &&
           pl_seq32_lt(rec->seq, p->end);
}

/* The probe was lost. Its record goes again like any other, cut to the size in use. */
void pl_tcp_pmtu_lost(struct pl_tcp *tcp) {
    struct pl_tcp_pmtu *p = tcp->pmtu;
    PL_ASSERT(p != NULL && p->size > 0);
    uint32_t size = p->size;
    p->size = 0;
    PL_COUNT(tcp->ctx, TCPMTUPFail);
    if (++p->tries >= PROBES_MAX) {
        p->tries = 0;
        p->high = size - 1 < p->high ? size - 1 : p->high;
        p->halving = true;
    }
    PL_ASSERT(p->high >= tcp->snd.mtu);
}

/* Payload that a probe would have now; 0: none is due, or this is not the moment for one. */
uint32_t pl_tcp_pmtu_due(struct pl_tcp *tcp, plait_time now) {
    struct pl_tcp_pmtu *p = tcp->pmtu;
    if (p == NULL) {
        return 0;
    }
    if (p->size > 0) {
        if (pl_seq32_lt(tcp->snd.una, p->end)) {
            return 0;
        }
        arrived(tcp, now);
        return 0; /* the segment size is another now */
    }
    bool calm = tcp->rec.phase == PL_TCP_PHASE_OPEN && tcp->rec.rto_count == 0 &&
                tcp->flight->sacked_bytes == 0 && tcp->snd.sack_ok;
    uint32_t mss = tcp->cc.mss, flight = pl_tcp_flight(tcp);
    if (now < p->next || !calm || tcp->cc.cwnd < SEARCH_SEGMENTS_MIN * mss) {
        return 0;
    }
    uint32_t size = next_size(tcp, now);
    if (size == 0) {
        return 0;
    }
    uint32_t payload = mss + (size - tcp->snd.mtu);
    bool room = flight + payload <= tcp->cc.cwnd && payload <= pl_tcp_window_usable(tcp);
    return room && payload <= UINT16_MAX ? payload : 0;
}

/* What waits is not fit for one now. */
void pl_tcp_pmtu_later(struct pl_tcp *tcp, plait_time now) {
    PL_ASSERT(tcp->pmtu != NULL && tcp->pmtu->size == 0);
    tcp->pmtu->next = now + LATER_NS;
}

/* `rec` leaves as the probe. */
void pl_tcp_pmtu_sent(struct pl_tcp *tcp, const struct pl_tcp_record *rec) {
    struct pl_tcp_pmtu *p = tcp->pmtu;
    PL_ASSERT(p != NULL && p->size == 0);
    PL_ASSERT(rec->cut == rec->len && rec->len > tcp->cc.mss);
    p->size = tcp->snd.mtu + (rec->len - tcp->cc.mss);
    p->begin = rec->seq;
    p->end = pl_seq32_add(rec->seq, rec->len);
    PL_COUNT(tcp->ctx, MtuProbes);
}

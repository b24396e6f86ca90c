/* tcp/records.c - what was given to the network and is not acknowledged yet.
 *
 * One record is one piece of sequence space with one origin and one time of transmission: up to
 * 64 KB of payload, or the FIN. Partial acknowledgements trim it, selective ones split it, and what
 * must be sent again is split to what may be sent now; all parts keep the origin. Records never own
 * payload: they hold a reference on the chunk in which they begin. Two orders are kept besides the
 * sequence: flight.sent by last transmission, for RACK, and flight.lost by sequence, for sending.
 */
#include "base/assert.h"
#include "tcp/engine.h"

static struct pl_tcp_record *of_order(struct pl_list *node) {
    return PL_CONTAINER(node, struct pl_tcp_record, order);
}

static size_t record_size(bool measured) {
    return sizeof(struct pl_tcp_record) + (measured ? sizeof(struct pl_tcp_rate_mark) : 0);
}

static const struct pl_tcp_flight flight_none = {
    .records = {(struct pl_list *)&flight_none.records, (struct pl_list *)&flight_none.records},
    .sent = {(struct pl_list *)&flight_none.sent, (struct pl_list *)&flight_none.sent},
    .lost = {(struct pl_list *)&flight_none.lost, (struct pl_list *)&flight_none.lost},
};

bool pl_tcp_flight_exists(const struct pl_tcp *tcp) {
    return tcp->flight != &flight_none;
}

void pl_tcp_flight_init(struct pl_tcp *tcp) {
    tcp->flight = (struct pl_tcp_flight *)&flight_none; /* a constant: nobody writes to it */
}

static bool flight_make(struct pl_tcp *tcp) {
    if (pl_tcp_flight_exists(tcp)) {
        return true;
    }
    struct pl_tcp_flight *flight = pl_ctx_alloc(tcp->ctx, sizeof(*flight));
    if (flight == NULL) {
        return false;
    }
    pl_list_init(&flight->records);
    pl_list_init(&flight->sent);
    pl_list_init(&flight->lost);
    tcp->flight = flight;
    return true;
}

static void flight_end(struct pl_tcp *tcp) {
    if (!pl_tcp_flight_exists(tcp) || !pl_list_empty(&tcp->flight->records)) {
        return;
    }
    PL_ASSERT(pl_list_empty(&tcp->flight->sent) && pl_list_empty(&tcp->flight->lost));
    PL_ASSERT(tcp->flight->lost_bytes == 0 && tcp->flight->sacked_bytes == 0);
    pl_ctx_free(tcp->ctx, tcp->flight, sizeof(*tcp->flight));
    pl_tcp_flight_init(tcp);
}

struct pl_tcp_record *pl_tcp_record_new(struct pl_tcp *tcp) {
    PL_ASSERT(tcp->ctx != NULL);
    if (!flight_make(tcp)) {
        return NULL;
    }
    bool measured = pl_cc_rate(&tcp->cc) != NULL;
    struct pl_tcp_record *rec = pl_ctx_alloc(tcp->ctx, record_size(measured));
    if (rec == NULL) {
        flight_end(tcp);
        return NULL;
    }
    rec->measured = measured;
    pl_list_init(&rec->link);
    pl_list_init(&rec->order);
    return rec;
}

/* At the end of the sequence space, as something that is still to be sent. */
void pl_tcp_record_append(struct pl_tcp *tcp, struct pl_tcp_record *rec) {
    PL_ASSERT(rec->len > 0);
    PL_ASSERT(pl_seq32_eq(rec->seq, tcp->snd.nxt));
    rec->lost = true;
    rec->unsent = true;
    pl_list_append(&tcp->flight->records, &rec->link);
    pl_list_append(&tcp->flight->lost, &rec->order);
    tcp->snd.nxt = pl_seq32_add(tcp->snd.nxt, rec->len);
    tcp->flight->lost_bytes += rec->len;
}

void pl_tcp_record_free(struct pl_tcp *tcp, struct pl_tcp_record *rec) {
    if (rec->lost) {
        PL_ASSERT(tcp->flight->lost_bytes >= rec->len);
        tcp->flight->lost_bytes -= rec->len;
    }
    if (rec->sacked) {
        PL_ASSERT(tcp->flight->sacked_bytes >= rec->len);
        tcp->flight->sacked_bytes -= rec->len;
    }
    if (tcp->flight->cursor == rec) {
        tcp->flight->cursor = pl_tcp_record_next(tcp, rec);
    }
    pl_list_remove(&rec->link);
    pl_list_remove(&rec->order);
    if (rec->chunk != NULL) {
        pl_chunk_unref(rec->chunk);
    }
    pl_ctx_free(tcp->ctx, rec, record_size(rec->measured));
    flight_end(tcp);
}

void pl_tcp_records_clear(struct pl_tcp *tcp) {
    struct pl_tcp_record *rec;
    while ((rec = pl_tcp_record_first(tcp)) != NULL) {
        pl_tcp_record_free(tcp, rec);
    }
}

struct pl_tcp_record *pl_tcp_record_first(const struct pl_tcp *tcp) {
    if (pl_list_empty(&tcp->flight->records)) {
        return NULL;
    }
    return PL_CONTAINER(tcp->flight->records.next, struct pl_tcp_record, link);
}

struct pl_tcp_record *pl_tcp_record_last(const struct pl_tcp *tcp) {
    if (pl_list_empty(&tcp->flight->records)) {
        return NULL;
    }
    return PL_CONTAINER(tcp->flight->records.prev, struct pl_tcp_record, link);
}

struct pl_tcp_record *pl_tcp_record_next(const struct pl_tcp *tcp,
                                         const struct pl_tcp_record *rec) {
    if (rec->link.next == &tcp->flight->records) {
        return NULL;
    }
    return PL_CONTAINER(rec->link.next, struct pl_tcp_record, link);
}

struct pl_tcp_record *pl_tcp_record_first_lost(const struct pl_tcp *tcp) {
    return pl_list_empty(&tcp->flight->lost) ? NULL : of_order(tcp->flight->lost.next);
}

/* The bytes of a record from `n` on become a record of their own, which is returned. */
struct pl_tcp_record *pl_tcp_record_split(struct pl_tcp *tcp, struct pl_tcp_record *rec,
                                          uint32_t n) {
    PL_ASSERT(n > 0 && n < rec->len);
    PL_ASSERT(rec->chunk != NULL);
    struct pl_tcp_record *tail = pl_tcp_record_new(tcp);
    if (tail == NULL) {
        return NULL;
    }
    bool measured = tail->measured;
    *tail = *rec; /* without the mark */
    tail->measured = measured;
    if (measured && rec->measured) {
        tail->mark[0] = rec->mark[0];
    }
    pl_list_init(&tail->link);
    pl_list_init(&tail->order);
    tail->seq = pl_seq32_add(rec->seq, n);
    tail->len = rec->len - n;
    pl_chunk_seek(&tail->chunk, &tail->offset, n);
    pl_chunk_ref(tail->chunk);
    rec->len = n;
    pl_list_insert_before(rec->link.next, &tail->link);
    if (pl_list_linked(&rec->order)) {
        pl_list_insert_before(rec->order.next, &tail->order);
    }
    return tail;
}

/* The first n bytes were acknowledged. */
void pl_tcp_record_trim(struct pl_tcp *tcp, struct pl_tcp_record *rec, uint32_t n) {
    PL_ASSERT(n > 0 && n < rec->len);
    PL_ASSERT(rec->chunk != NULL);
    struct pl_chunk *old = rec->chunk;
    pl_chunk_seek(&rec->chunk, &rec->offset, n);
    if (rec->chunk != old) {
        pl_chunk_ref(rec->chunk);
        pl_chunk_unref(old);
    }
    rec->seq = pl_seq32_add(rec->seq, n);
    rec->len -= n;
    tcp->flight->lost_bytes -= rec->lost ? n : 0;
    tcp->flight->sacked_bytes -= rec->sacked ? n : 0;
}

static void unlose(struct pl_tcp *tcp, struct pl_tcp_record *rec) {
    PL_ASSERT(tcp->flight->lost_bytes >= rec->len);
    tcp->flight->lost_bytes -= rec->len;
    rec->lost = false;
}

void pl_tcp_record_mark_sent(struct pl_tcp *tcp, struct pl_tcp_record *rec, plait_time now) {
    PL_ASSERT(!rec->sacked);
    if (rec->lost) {
        unlose(tcp, rec);
    }
    if (!rec->unsent && !rec->retransmitted) {
        rec->retransmitted = true;
        rec->again_ts = pl_tcp_ts_of(tcp, now);
    }
    rec->unsent = false;
    rec->sent_at = now;
    pl_list_remove(&rec->order);
    pl_list_append(&tcp->flight->sent, &rec->order);
}

void pl_tcp_record_mark_lost(struct pl_tcp *tcp, struct pl_tcp_record *rec) {
    PL_ASSERT(!rec->sacked && !rec->lost);
    rec->lost = true;
    tcp->flight->lost_bytes += rec->len;
    pl_list_remove(&rec->order);
    struct pl_list *at = &tcp->flight->lost;
    while (at->prev != &tcp->flight->lost && pl_seq32_lt(rec->seq, of_order(at->prev)->seq)) {
        at = at->prev;
    }
    pl_list_insert_before(at, &rec->order);
}

void pl_tcp_record_mark_sacked(struct pl_tcp *tcp, struct pl_tcp_record *rec) {
    PL_ASSERT(!rec->sacked && !rec->unsent);
    if (rec->lost) {
        unlose(tcp, rec);
    }
    rec->sacked = true;
    tcp->flight->sacked_bytes += rec->len;
    pl_list_remove(&rec->order);
}

/* Back into what is in flight, at its place in time: it was not lost, or the receiver reneged. */
void pl_tcp_record_mark_flying(struct pl_tcp *tcp, struct pl_tcp_record *rec) {
    PL_ASSERT(!rec->unsent);
    if (rec->lost) {
        unlose(tcp, rec);
    }
    if (rec->sacked) {
        rec->sacked = false;
        tcp->flight->sacked_bytes -= rec->len;
    }
    pl_list_remove(&rec->order);
    struct pl_list *at = &tcp->flight->sent;
    while (at->prev != &tcp->flight->sent && of_order(at->prev)->sent_at > rec->sent_at) {
        at = at->prev;
    }
    pl_list_insert_before(at, &rec->order);
}

uint32_t pl_tcp_flight(const struct pl_tcp *tcp) {
    uint32_t span = (uint32_t)pl_seq32_diff(tcp->snd.nxt, tcp->snd.una);
    PL_ASSERT(span >= tcp->flight->sacked_bytes);
    uint32_t away = tcp->flight->sacked_bytes + tcp->flight->lost_bytes;
    if (tcp->snd.dupacks > 0) { /* without SACK a duplicate ACK stands for one segment */
        uint32_t guess = tcp->snd.dupacks * tcp->cc.mss;
        away += guess < span - away ? guess : span - away;
    }
    PL_ASSERT(span >= away);
    return span - away;
}

/* snd.nxt as the network knows it: records that were never sent are at the end. */
pl_seq32 pl_tcp_sent_end(const struct pl_tcp *tcp) {
    pl_seq32 end = tcp->snd.nxt;
    const struct pl_list *at = tcp->flight->records.prev;
    while (at != &tcp->flight->records) {
        const struct pl_tcp_record *rec = PL_CONTAINER(at, struct pl_tcp_record, link);
        if (!rec->unsent) {
            break;
        }
        end = rec->seq;
        at = at->prev;
    }
    return end;
}

void pl_tcp_inflight_walk(const struct pl_tcp *tcp, pl_tcp_visit *visit, void *arg) {
    PL_LIST_FOREACH(it, &tcp->flight->records) {
        struct pl_tcp_record *rec = PL_CONTAINER(it, struct pl_tcp_record, link);
        if (rec->chunk == NULL) {
            continue;
        }
        uint32_t into = (uint32_t)pl_seq32_diff(rec->seq, rec->origin.seq);
        plait_time sent_at = rec->lost ? PLAIT_TIME_NEVER : rec->sent_at;
        visit(arg, rec->origin.tag + into, rec->chunk, rec->offset, rec->len, sent_at,
              &rec->origin);
    }
}

static void check_record(const struct pl_tcp_record *rec, pl_seq32 seq) {
    PL_ASSERT(pl_seq32_eq(rec->seq, seq));
    PL_ASSERT(rec->len > 0);
    PL_ASSERT(!(rec->lost && rec->sacked));
    PL_ASSERT(rec->lost || !rec->unsent);
    PL_ASSERT(pl_list_linked(&rec->order) != (rec->sacked != 0));
    if (rec->chunk == NULL) {
        PL_ASSERT(rec->len == 1);
        return;
    }
    PL_ASSERT(pl_seq32_diff(rec->seq, rec->origin.seq) >= 0);
    PL_ASSERT((uint32_t)pl_seq32_diff(rec->seq, rec->origin.seq) + rec->len <= rec->origin.len);
}

void pl_tcp_records_check(const struct pl_tcp *tcp) {
    bool syn = tcp->life.early || !pl_tcp_synchronized(tcp); /* ours is not acknowledged */
    pl_seq32 seq = pl_seq32_add(tcp->snd.una, syn ? 1 : 0);
    uint32_t lost = 0, sacked = 0;
    PL_LIST_FOREACH(it, &tcp->flight->records) {
        const struct pl_tcp_record *rec = PL_CONTAINER(it, struct pl_tcp_record, link);
        check_record(rec, seq);
        seq = pl_seq32_add(seq, rec->len);
        lost += rec->lost ? rec->len : 0;
        sacked += rec->sacked ? rec->len : 0;
    }
    PL_ASSERT(lost == tcp->flight->lost_bytes);
    PL_ASSERT(sacked == tcp->flight->sacked_bytes);
    PL_ASSERT(pl_list_empty(&tcp->flight->records) || pl_seq32_eq(seq, tcp->snd.nxt));
    plait_time last = 0;
    PL_LIST_FOREACH(it, &tcp->flight->sent) {
        PL_ASSERT(of_order(it)->sent_at >= last);
        last = of_order(it)->sent_at;
    }
}

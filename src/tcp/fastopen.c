/* tcp/fastopen.c - payload in the SYN, the client's side (RFC 7413 section 4.2.2).
 *
 * It is a record like any other, only that it leaves before the handshake is complete. When the
 * SYN's timer fires, the SYN goes again alone. What the answer does not acknowledge is given back
 * to the upper and sent again at once, which is no sign of congestion: the server may not want it,
 * or not know the cookie. */
#include "base/assert.h"
#include "tcp/engine.h"

enum { SYN_MSS_V4 = 1460, SYN_MSS_V6 = 1440 }; /* more may be fragmented: section 4.1.3 */

void pl_tcp_connect_fast(struct pl_tcp *tcp, uint16_t mss, plait_time now) {
    pl_tcp_connect(tcp, now);
    PL_ASSERT(tcp->life.state == PL_TCP_ST_SYN_SENT);
    tcp->life.fast = true;
    if (mss > 0) {
        tcp->snd.peer_mss = mss;
    }
}

/* What the packet holds beside the options; 0: nothing. */
static uint32_t room_in_syn(const struct pl_tcp *tcp, uint32_t options_len) {
    uint32_t most = tcp->tuple.local.family == PLAIT_IPV6 ? SYN_MSS_V6 : SYN_MSS_V4;
    uint32_t mss = pl_tcp_mss_raw(tcp);
    mss = mss < most ? mss : most;
    PL_ASSERT(options_len <= PL_TCP_OPTIONS_MAX);
    return mss > options_len ? mss - options_len : 0;
}

static void append(struct pl_tcp *tcp, struct pl_tcp_record *rec, const struct pl_tcp_payload *p) {
    PL_ASSERT(p->chunk != NULL && p->len > 0);
    PL_ASSERT(pl_seq32_eq(tcp->snd.nxt, pl_seq32_add(tcp->snd.iss, 1)));
    rec->seq = tcp->snd.nxt;
    rec->len = p->len;
    rec->chunk = p->chunk;
    rec->offset = p->offset;
    rec->cut = (uint16_t)p->len;
    rec->push = p->push;
    rec->origin = (struct pl_tcp_origin){
        .tag = p->tag, .seq = rec->seq, .len = p->len, .sum = p->sum, .flags = p->flags};
    pl_chunk_ref(rec->chunk);
    pl_tcp_record_append(tcp, rec);
}

/* Puts the record into the SYN, or as much as can be described; the rest waits for the answer, and
 * so does all of it when there is no memory to divide it. */
static void attach(struct pl_tcp *tcp, struct pl_tcp_tx *tx, struct pl_tcp_record *rec,
                   plait_time now) {
    uint32_t covered = 0;
    uint32_t count = pl_chunk_slices(rec->chunk, rec->offset, rec->len, tx->slices,
                                     PLAIT_TX_SLICES_MAX, &covered);
    PL_ASSERT(covered > 0 && covered <= rec->len);
    if (covered < rec->len && pl_tcp_record_split(tcp, rec, covered) == NULL) {
        return;
    }
    tx->slice_count = count;
    tx->payload_len = rec->len;
    pl_tcp_record_mark_sent(tcp, rec, now);
}

/* The first SYN has its options: calls the upper for payload behind them. */
void pl_tcp_fast_fill(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    PL_ASSERT(tcp->life.fast && tcp->life.state == PL_TCP_ST_SYN_SENT);
    PL_ASSERT(pl_list_empty(&tcp->flight->records) && tx->payload_len == 0);
    struct pl_tcp_payload payload = {0};
    uint32_t room = room_in_syn(tcp, tx->options_len);
    tcp->life.fast = false;
    pl_tcp_options_default(tcp); /* the answer says which MSS holds now */
    struct pl_tcp_record *rec = room > 0 ? pl_tcp_record_new(tcp) : NULL;
    if (rec == NULL) {
        return;
    }
    if (tcp->ops->next(tcp->up, room, 0, &payload, now) != PL_TCP_NEXT_DATA) {
        pl_tcp_record_free(tcp, rec);
        return;
    }
    PL_ASSERT(payload.len <= room);
    append(tcp, rec, &payload);
    attach(tcp, tx, rec, now);
}

static void take_back(struct pl_tcp *tcp) {
    uint32_t bytes = (uint32_t)pl_seq32_diff(tcp->snd.nxt, tcp->snd.una);
    PL_ASSERT(bytes > 0 && !tcp->snd.fin_sent);
    pl_tcp_records_clear(tcp);
    tcp->snd.nxt = tcp->snd.una;
    tcp->snd.more = true;
    tcp->deadline[PL_TCP_SLOT_REXMIT] = PLAIT_TIME_NEVER;
    PL_COUNT(tcp->ctx, RetransSegs);
    tcp->ops->taken_back(tcp->up, bytes);
    pl_tcp_link(tcp);
}

/* The handshake is complete, and there are records: `seg` may acknowledge them. Calls the upper. */
void pl_tcp_fast_answered(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    if (pl_tcp_synchronized(tcp) && pl_seq32_lt(tcp->snd.una, seg->ack)) {
        struct pl_segment plain = *seg;
        plain.options.sack_count =
            0; /* one segment has no holes: what is not acknowledged goes again */
        pl_tcp_ack_in(tcp, &plain, now);
    }
    if (!pl_tcp_synchronized(tcp) || pl_list_empty(&tcp->flight->records)) {
        return;
    }
    take_back(tcp);
}

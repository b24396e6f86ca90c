/* tcp/segment.c - building one segment, once it is decided what it carries.
 *
 * Everything a segment says about the receiving side (acknowledgement, window, SACK) is filled in
 * here, and what was owed is settled: a segment of any kind serves as the ACK that was due. That is
 * noted before the upper writes its options, since it may ask for another ACK there. */
#include <string.h>

#include "base/assert.h"
#include "tcp/engine.h"
#include "tcp/figures.h"
#include "wire/ip.h"

static void begin(struct pl_tcp *tcp, struct pl_tcp_tx *tx, pl_seq32 seq, uint8_t flags) {
    struct pl_segment *seg = &tx->seg;
    memset(seg, 0, sizeof(*seg));
    seg->src_port = tcp->tuple.local_port;
    seg->dst_port = tcp->tuple.remote_port;
    seg->seq = seq;
    seg->flags = flags;
    tx->slice_count = 0;
    tx->payload_len = 0;
    tx->gso_size = 0;
    tx->options_len = 0;
    tx->ecn = PL_IP_NOT_ECT;
    PL_ASSERT(tcp->tuple.local_port != 0 || tcp->tuple.remote_port != 0);
}

uint32_t pl_tcp_urgent(const struct pl_tcp *tcp) {
    PL_ASSERT(tcp->ops != NULL);
    return tcp->ops->urgent != NULL ? tcp->ops->urgent(tcp->up) : 0;
}

/* On every segment before the end of urgent data, until that is acknowledged (RFC 9293 section
 * 3.8.5). The field cannot say more than 64 KB; a later segment will. */
static void put_urgent(struct pl_tcp *tcp, struct pl_segment *seg) {
    uint32_t urgent = pl_tcp_urgent(tcp);
    /* Our SYN may not be acknowledged yet: Fast Open, simultaneous open. */
    pl_seq32 first = pl_seq32_max(tcp->snd.una, pl_seq32_add(tcp->snd.iss, 1));
    PL_ASSERT((seg->flags & PL_TCP_URG) == 0);
    int32_t ahead = pl_seq32_diff(pl_seq32_add(first, urgent), seg->seq);
    if (urgent == 0 || ahead <= 0) {
        return;
    }
    seg->flags |= PL_TCP_URG;
    seg->urgent = (uint16_t)(ahead < UINT16_MAX ? ahead : UINT16_MAX);
}

/* Acknowledgement number and window, and the urgent pointer. */
static void acknowledge(struct pl_tcp *tcp, struct pl_segment *seg, bool is_syn) {
    PL_ASSERT(pl_seq32_le(tcp->rcv.acked, tcp->rcv.nxt));
    PL_ASSERT((seg->flags & PL_TCP_ACK) != 0);
    seg->ack = tcp->rcv.nxt;
    seg->window_raw = pl_tcp_window_advertise(tcp, is_syn);
    tcp->rcv.acked = tcp->rcv.nxt;
    tcp->rcv.ack_due = false;
    tcp->rcv.echo_pending = 0;
    pl_tcp_ecn_echo(tcp, seg);
    if (!is_syn) {
        put_urgent(tcp, seg);
    }
    tcp->deadline[PL_TCP_SLOT_DELACK] = PLAIT_TIME_NEVER;
}

static void finish(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    PL_ASSERT(tx->slice_count <= PLAIT_TX_SLICES_MAX);
    PL_ASSERT(tx->gso_size == 0 || tx->payload_len > tx->gso_size);
    if (pl_tcp_ecn_always(tcp)) {
        tx->ecn = PL_IP_ECT0;
    }
    tx->seg.payload_len = tx->payload_len;
    tx->seg.gso_size = tx->gso_size;
    tcp->stats.bytes_sent += tx->payload_len;
    uint32_t packets = tx->gso_size > 0 ? (tx->payload_len + tx->gso_size - 1) / tx->gso_size : 1;
    tcp->stats.segments_sent += packets;
    if (tx->payload_len > 0) {
        pl_tcp_figures_data_out(tcp, packets);
    }
    pl_trace(tcp->ctx, now, tcp->id, PLAIT_TRACE_segment_out, tx->seg.seq.v, tx->seg.ack.v,
             tx->payload_len, tx->seg.flags);
    PL_ASSERT(tx->options_len % 4 == 0 && tx->options_len <= PL_TCP_OPTIONS_MAX);
}

void pl_tcp_segment_ack(struct pl_tcp *tcp, struct pl_tcp_tx *tx, pl_seq32 seq, plait_time now) {
    struct pl_seg_out what = {.kind = PL_SEG_ACK};
    PL_ASSERT(tcp->life.state >= PL_TCP_ST_SYN_RECEIVED);
    begin(tcp, tx, seq, PL_TCP_ACK);
    acknowledge(tcp, &tx->seg, false);
    tx->options_len = pl_tcp_options_write(tcp, &what, tx->options, PL_TCP_OPTIONS_MAX, now);
    finish(tcp, tx, now);
}

/* Acknowledges what came before marks began or ended, and with the echo that it had; what came
 * since has an ACK of its own. */
void pl_tcp_segment_echo(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    pl_seq32 nxt = tcp->rcv.nxt;
    bool echo = tcp->rcv.echo;
    tcp->rcv.nxt = pl_seq32_add(tcp->rcv.acked, tcp->rcv.echo_pending);
    tcp->rcv.echo = tcp->rcv.echo_before;
    PL_ASSERT(tcp->rcv.echo_pending > 0 && pl_seq32_le(tcp->rcv.nxt, nxt));
    pl_tcp_segment_ack(tcp, tx, pl_tcp_sent_end(tcp), now);
    tcp->rcv.nxt = nxt;
    tcp->rcv.echo = echo;
    tcp->rcv.ack_due = tcp->life.state != PL_TCP_ST_CLOSED;
}

/* Makes a probe one that the peer answers every time: receivers limit how often they answer an old
 * segment without payload (Linux: twice a second), but not one with (RFC 9293 section 3.8.4 has
 * the octet of garbage). */
void pl_tcp_segment_garbage(struct pl_tcp *tcp, struct pl_tcp_tx *tx) {
    static const uint8_t garbage[1];
    PL_ASSERT(tx->payload_len == 0 && tx->slice_count == 0);
    tcp->snd.probe_byte = false;
    tcp->snd.probed = true;
    tcp->snd.probe_end = pl_seq32_add(tx->seg.seq, 1);
    PL_ASSERT(pl_seq32_le(tcp->snd.probe_end, tcp->snd.nxt));
    tx->slices[0] = (struct plait_slice){garbage, sizeof(garbage)};
    tx->slice_count = 1;
    tx->payload_len = sizeof(garbage);
    pl_tcp_figures_data_out(tcp, 1);
    tx->seg.payload_len = sizeof(garbage);
}

void pl_tcp_segment_syn(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    bool is_ack = tcp->life.state == PL_TCP_ST_SYN_RECEIVED || tcp->life.early;
    PL_ASSERT(is_ack || tcp->life.state == PL_TCP_ST_SYN_SENT);
    begin(tcp, tx, tcp->snd.iss, is_ack ? PL_TCP_SYN | PL_TCP_ACK : PL_TCP_SYN);
    if (is_ack) {
        acknowledge(tcp, &tx->seg, true);
    } else {
        tx->seg.window_raw = pl_tcp_window_advertise(tcp, true);
    }
    pl_tcp_ecn_syn(tcp, &tx->seg);
    tx->options_len = pl_tcp_options_syn(tcp, tx->options, is_ack, now);
    if (tcp->life.fast && !is_ack) {
        pl_tcp_fast_fill(tcp, tx, now);
    }
    finish(tcp, tx, now);
}

void pl_tcp_segment_rst(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now) {
    struct pl_seg_out what = {.kind = PL_SEG_RST};
    PL_ASSERT(tcp->life.rst_due);
    bool with_ack = tcp->life.rst_with_ack;
    tcp->life.rst_due = false;
    begin(tcp, tx, tcp->life.rst_seq, with_ack ? PL_TCP_RST | PL_TCP_ACK : PL_TCP_RST);
    if (with_ack) {
        tx->seg.ack = tcp->rcv.nxt;
    }
    tx->options_len = pl_tcp_options_write(tcp, &what, tx->options, PL_TCP_OPTIONS_MAX, now);
    PL_COUNT(tcp->ctx, OutRsts);
    finish(tcp, tx, now);
}

/* ---- records ---- */

/* What of the record fits the slices of one segment, cut where the packets are cut. */
static uint32_t describable(struct pl_tcp_tx *tx, const struct pl_tcp_record *rec) {
    PL_ASSERT(rec->chunk != NULL && rec->cut > 0);
    uint32_t covered = 0;
    tx->slice_count = pl_chunk_slices(rec->chunk, rec->offset, rec->len, tx->slices,
                                      PLAIT_TX_SLICES_MAX, &covered);
    PL_ASSERT(covered > 0 && covered <= rec->len);
    if (covered < rec->len && covered > rec->cut) {
        covered -= covered % rec->cut;
    }
    return covered;
}

static bool fill_payload(struct pl_tcp *tcp, struct pl_tcp_tx *tx, struct pl_tcp_record *rec) {
    uint32_t len = describable(tx, rec);
    if (len < rec->len) {
        if (pl_tcp_record_split(tcp, rec, len) == NULL) {
            return false;
        }
        uint32_t covered = 0;
        tx->slice_count = pl_chunk_slices(rec->chunk, rec->offset, rec->len, tx->slices,
                                          PLAIT_TX_SLICES_MAX, &covered);
        PL_ASSERT(covered == rec->len);
    }
    tx->payload_len = rec->len;
    tx->gso_size = rec->len > rec->cut ? rec->cut : 0;
    return true;
}

static uint32_t options_limit(const struct pl_tcp *tcp, const struct pl_tcp_record *rec) {
    uint32_t packet = rec->len < rec->cut ? rec->len : rec->cut;
    uint32_t whole = pl_tcp_mss_raw(tcp), mss = tcp->cc.mss;
    whole += packet > mss ? packet - mss : 0; /* an MTU probe */
    PL_ASSERT(whole >= packet);
    uint32_t room = whole - packet;
    return room < PL_TCP_OPTIONS_MAX ? room / 4 * 4 : PL_TCP_OPTIONS_MAX;
}

static bool ends_push(const struct pl_tcp_record *rec) {
    PL_ASSERT(rec->chunk != NULL);
    uint32_t into = (uint32_t)pl_seq32_diff(rec->seq, rec->origin.seq);
    return rec->push && into + rec->len == rec->origin.len;
}

/* One record, or as much of it as fits; the rest becomes a record of its own, still to be sent.
 * False: no memory for that, or the upper closed the connection meanwhile. */
bool pl_tcp_segment_record(struct pl_tcp *tcp, struct pl_tcp_tx *tx, struct pl_tcp_record *rec,
                           plait_time now) {
    bool is_fin = rec->chunk == NULL;
    PL_ASSERT(!rec->sacked);
    PL_ASSERT(pl_tcp_synchronized(tcp));
    struct pl_seg_out what = {.kind = is_fin ? PL_SEG_FIN : PL_SEG_DATA,
                              .origin = is_fin ? NULL : &rec->origin,
                              .retransmission = !rec->unsent};
    begin(tcp, tx, rec->seq, PL_TCP_ACK);
    if (is_fin) {
        tx->seg.flags |= PL_TCP_FIN;
    } else if (!fill_payload(tcp, tx, rec)) {
        return false;
    }
    if (!is_fin && ends_push(rec)) {
        tx->seg.flags |= PL_TCP_PSH;
    }
    acknowledge(tcp, &tx->seg, false);
    if (!is_fin && rec->unsent) {
        pl_tcp_ecn_data(tcp, tx);
    }
    uint32_t limit = is_fin ? PL_TCP_OPTIONS_MAX : options_limit(tcp, rec);
    tx->options_len = pl_tcp_options_write(tcp, &what, tx->options, limit, now);
    if (tcp->life.state == PL_TCP_ST_CLOSED) {
        return false;
    }
    finish(tcp, tx, now);
    return true;
}

/* tcp/sack.c - the scoreboard: selective acknowledgements in (RFC 2018, RFC 2883).
 *
 * A block marks the records it covers; a record that is covered in part is split, at boundaries
 * of the packets it was cut into, so that a peer cannot make us keep crumbs. Blocks grow from ACK
 * to ACK: what the last ACK said already is skipped, and the search starts where the last one
 * ended. Reneging is allowed to the receiver: sacked payload is kept until it is acknowledged. */
#include <string.h>

#include "base/assert.h"
#include "tcp/engine.h"

/* The record that holds `seq`, or the first behind it. */
static struct pl_tcp_record *locate(struct pl_tcp *tcp, pl_seq32 seq) {
    struct pl_tcp_record *rec = tcp->flight->cursor;
    if (rec == NULL) {
        rec = pl_tcp_record_first(tcp);
    }
    while (rec != NULL && pl_seq32_lt(seq, rec->seq) && rec->link.prev != &tcp->flight->records) {
        rec = PL_CONTAINER(rec->link.prev, struct pl_tcp_record, link);
    }
    while (rec != NULL && pl_seq32_le(pl_seq32_add(rec->seq, rec->len), seq)) {
        rec = pl_tcp_record_next(tcp, rec);
    }
    return rec;
}

/* Makes a record of exactly the packets of `rec` that lie in the block; NULL if there are none. */
static struct pl_tcp_record *isolate(struct pl_tcp *tcp, struct pl_tcp_record *rec,
                                     const struct pl_sack_block *block) {
    pl_seq32 rec_end = pl_seq32_add(rec->seq, rec->len);
    uint32_t from = 0, to = rec->len;
    PL_ASSERT(!rec->sacked && !rec->unsent);
    PL_ASSERT(pl_seq32_lt(rec->seq, block->end));
    uint32_t cut = rec->cut > 0 ? rec->cut : 1;
    if (pl_seq32_lt(rec->seq, block->start)) {
        from = (uint32_t)pl_seq32_diff(block->start, rec->seq);
        from = (from + cut - 1) / cut * cut;
    }
    if (pl_seq32_lt(block->end, rec_end)) {
        to = (uint32_t)pl_seq32_diff(block->end, rec->seq) / cut * cut;
    }
    if (from >= to) {
        return NULL;
    }
    PL_ASSERT(to <= rec->len);
    if (to < rec->len && pl_tcp_record_split(tcp, rec, to) == NULL) {
        return NULL;
    }
    return from > 0 ? pl_tcp_record_split(tcp, rec, from) : rec;
}

static void apply(struct pl_tcp *tcp, const struct pl_sack_block *block, pl_seq32 from,
                  struct pl_tcp_ack_facts *f) {
    PL_ASSERT(pl_seq32_lt(from, block->end));
    PL_ASSERT(pl_seq32_le(block->end, tcp->snd.nxt));
    struct pl_tcp_record *rec = locate(tcp, from);
    while (rec != NULL && pl_seq32_lt(rec->seq, block->end)) {
        tcp->flight->cursor = rec;
        if (!rec->sacked && !rec->unsent) {
            struct pl_tcp_record *part = isolate(tcp, rec, block);
            if (part != NULL) {
                pl_tcp_rack_delivered(tcp, part, pl_seq32_add(part->seq, part->len), f);
                pl_tcp_rate_delivered(tcp, part, f);
                pl_tcp_record_mark_sacked(tcp, part);
                f->delivered += part->len;
                f->newly_sacked += part->len;
                rec = part;
            }
        }
        rec = pl_tcp_record_next(tcp, rec);
    }
}

/* RFC 2883 section 4: the first block reports a duplicate if it lies below the ACK or in the
 * second. */
static bool is_dsack(const struct pl_tcp_options *o, pl_seq32 ack) {
    PL_ASSERT(o->sack_count > 0);
    const struct pl_sack_block *b = o->sack;
    if (!pl_seq32_lt(b[0].start, b[0].end)) {
        return false; /* it ends before it begins: the block is ignored */
    }
    if (pl_seq32_le(b[0].end, ack)) {
        return true;
    }
    return o->sack_count > 1 && pl_seq32_le(b[1].start, b[0].start) &&
           pl_seq32_le(b[0].end, b[1].end);
}

/* The garbage of our probe was a duplicate on purpose: it says nothing about reordering. */
static bool answers_probe(const struct pl_tcp *tcp, const struct pl_sack_block *block) {
    return tcp->snd.probed && pl_seq32_eq(block->end, tcp->snd.probe_end) &&
           pl_seq32_diff(block->end, block->start) == 1;
}

/* Where the part of a block begins that the last ACK did not report. */
static pl_seq32 unseen(const struct pl_tcp *tcp, const struct pl_sack_block *block) {
    for (int i = 0; i < PL_TCP_SEEN; i++) {
        const struct pl_sack_block *old = &tcp->flight->seen[i];
        if (pl_seq32_lt(old->start, old->end) && pl_seq32_le(old->start, block->start) &&
            pl_seq32_lt(block->start, old->end) && pl_seq32_le(old->end, block->end)) {
            return old->end;
        }
    }
    return block->start;
}

static void forget_seen(struct pl_tcp *tcp) {
    if (!pl_tcp_flight_exists(tcp)) {
        return;
    }
    for (int i = 0; i < PL_TCP_SEEN; i++) {
        tcp->flight->seen[i] = (struct pl_sack_block){tcp->snd.una, tcp->snd.una};
    }
}

void pl_tcp_sack_in(struct pl_tcp *tcp, struct pl_tcp_ack_facts *f) {
    PL_ASSERT(tcp->snd.sack_ok);
    const struct pl_tcp_options *o = &f->seg->options;
    struct pl_sack_block seen[PL_TCP_SEEN] = {0};
    unsigned i = 0, kept = 0;
    if (o->sack_count == 0) {
        forget_seen(tcp);
        return;
    }
    if (is_dsack(o, f->seg->ack)) {
        f->has_dsack = !answers_probe(tcp, &o->sack[0]);
        f->dsack = o->sack[0];
        i = 1;
    }
    for (; i < o->sack_count; i++) {
        const struct pl_sack_block *b = &o->sack[i];
        bool valid = pl_seq32_lt(b->start, b->end) && pl_seq32_le(tcp->snd.una, b->start) &&
                     pl_seq32_le(b->end, tcp->snd.nxt);
        if (!valid) {
            continue;
        }
        pl_seq32 from = unseen(tcp, b);
        if (pl_seq32_lt(from, b->end)) {
            apply(tcp, b, from, f);
        }
        if (kept < PL_TCP_SEEN) {
            seen[kept++] = *b;
        }
    }
    if (pl_tcp_flight_exists(tcp)) {
        memcpy(tcp->flight->seen, seen, sizeof(seen));
    }
    PL_ASSERT(tcp->flight->sacked_bytes <= (uint32_t)pl_seq32_diff(tcp->snd.nxt, tcp->snd.una));
}

/* The receiver dropped what it had reported (RFC 2018 section 8): believe nothing of it. */
void pl_tcp_sack_forget(struct pl_tcp *tcp) {
    PL_LIST_FOREACH(it, &tcp->flight->records) {
        struct pl_tcp_record *rec = PL_CONTAINER(it, struct pl_tcp_record, link);
        if (rec->sacked) {
            pl_tcp_record_mark_flying(tcp, rec);
        }
    }
    forget_seen(tcp);
    PL_ASSERT(tcp->flight->sacked_bytes == 0);
}

/* Replies without a connection first, then the subflows that have something to send in turn, one
 * segment each, so that a bulk transfer cannot starve anybody's ACK. */
#include "stack/output.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "tcp/state.h"
#include "wire/checksum.h"

enum { HOPS = 64, CSUM_OFFSET = 16 };

static uint64_t payload_sum(const struct plait_tx *tx) {
    uint64_t sum = 0;
    bool odd = false;
    for (uint32_t i = 0; i < tx->slice_count; i++) {
        const struct plait_slice *s = &tx->slices[i];
        sum = odd ? pl_sum_add_odd(sum, s->data, s->len) : pl_sum_add(sum, s->data, s->len);
        odd ^= (s->len & 1) != 0;
    }
    return sum;
}

/* A device that fills in checksums is given the sum of the pseudo header; one that cuts segments
 * has to, because every cut has a checksum of its own. */
static void put_checksum(const struct pl_port *port, struct plait_tx *tx, const struct pl_ip *ip) {
    uint32_t at = tx->header_len - (ip->payload_len - tx->payload_len);
    uint8_t *tcp = tx->header + at;
    PL_ASSERT(at == 20 || at == 40);
    uint64_t sum = pl_sum_pseudo(&ip->src, &ip->dst, PL_IP_TCP, ip->payload_len);
    if ((port->flags & PLAIT_PORT_TX_CSUM) != 0 || tx->gso_size != 0) {
        tx->needs_csum = true;
        tx->csum_start = (uint16_t)at;
        tx->csum_offset = CSUM_OFFSET;
        pl_put16(tcp + CSUM_OFFSET, pl_sum_fold(sum));
        return;
    }
    sum = pl_sum_add(sum, tcp, tx->header_len - at);
    sum += payload_sum(tx);
    pl_put16(tcp + CSUM_OFFSET, (uint16_t)~pl_sum_fold(sum));
}

/* Writes the headers; slices, payload_len and gso_size of *tx are set. */
static void put_headers(struct plait_stack *stack, struct pl_port *port, struct pl_ip *ip,
                        const struct pl_segment *seg, const uint8_t *options, uint32_t options_len,
                        struct plait_tx *tx) {
    PL_ASSERT(options_len <= PL_TCP_OPTIONS_MAX);
    PL_ASSERT(options_len % 4 == 0);
    ip->protocol = PL_IP_TCP;
    ip->payload_len = PL_TCP_HEADER + options_len + tx->payload_len;
    uint32_t at = pl_ip_write(tx->header, ip, port->ident);
    uint32_t cuts = tx->gso_size == 0 ? 1 : (tx->payload_len - 1) / tx->gso_size + 1;
    port->ident = (uint16_t)(port->ident + cuts);
    memcpy(tx->header + at + PL_TCP_HEADER, options, options_len);
    tx->header_len = at + pl_tcp_write(tx->header + at, seg, options_len);
    PL_ASSERT(tx->header_len <= PLAIT_TX_HEADER_MAX);
    put_checksum(port, tx, ip);
    PL_COUNT(&stack->ctx, OutPackets);
    PL_COUNT_N(&stack->ctx, OutBytes, tx->header_len + tx->payload_len);
}

static bool next_reply(struct plait_stack *stack, struct pl_port *port, struct plait_tx *tx) {
    struct pl_reply reply;
    if (!pl_reply_take(&port->replies, &reply)) {
        return false;
    }
    struct pl_ip ip = {.src = reply.src, .dst = reply.dst, .hops = HOPS};
    struct pl_segment seg = {.src_port = reply.src_port,
                             .dst_port = reply.dst_port,
                             .seq = reply.seq,
                             .ack = reply.ack,
                             .flags = reply.flags,
                             .window_raw = reply.window_raw};
    PL_ASSERT((reply.flags & (PL_TCP_RST | PL_TCP_SYN)) != 0);
    put_headers(stack, port, &ip, &seg, reply.options, reply.options_len, tx);
    return true;
}

static void put_segment(struct plait_stack *stack, struct pl_port *port, struct pl_subflow *sf,
                        const struct pl_tcp_tx *from, struct plait_tx *tx) {
    const struct pl_tcp_tuple *tuple = &pl_subflow_tcp(sf)->tuple;
    const struct pl_tcp_tuning *tuning = pl_subflow_tcp(sf)->tuning;
    struct pl_ip ip = {.src = tuple->local,
                       .dst = tuple->remote,
                       .hops = tuning->hops,
                       .traffic_class = (uint8_t)((tuning->tos & ~PL_IP_ECN) | from->ecn)};
    tx->mark = tuning->mark;
    PL_ASSERT(from->slice_count <= PLAIT_TX_SLICES_MAX);
    PL_ASSERT(from->gso_size == 0 || (port->flags & PLAIT_PORT_TSO) != 0);
    memcpy(tx->slices, from->slices, from->slice_count * sizeof(from->slices[0]));
    tx->slice_count = from->slice_count;
    tx->payload_len = from->payload_len;
    tx->gso_size = from->gso_size;
    struct pl_segment seg = from->seg;
    seg.src_port = tuple->local_port;
    seg.dst_port = tuple->remote_port;
    put_headers(stack, port, &ip, &seg, from->options, from->options_len, tx);
}

static bool next_segment(struct plait_stack *stack, struct pl_port *port, struct plait_tx *tx) {
    struct pl_tcp_tx from;
    while (!pl_list_empty(&port->out_list)) {
        struct pl_list *link = port->out_list.next;
        struct pl_subflow *sf = pl_subflow_of_tcp_link(link);
        PL_ASSERT(pl_subflow_port(sf) == port->id);
        bool sent = pl_subflow_output(sf, &from, stack->now);
        if (pl_list_linked(link)) {
            pl_list_remove(link);
            pl_list_append(&port->out_list, link);
            PL_ASSERT(sent);
        }
        if (sent) {
            put_segment(stack, port, sf, &from, tx);
            return true;
        }
    }
    return false;
}

unsigned pl_output_pull(struct plait_stack *stack, struct pl_port *port, struct plait_tx *tx,
                        unsigned max) {
    PL_ASSERT(port->up);
    unsigned count = 0;
    for (; count < max; count++) {
        tx[count].slice_count = 0;
        tx[count].payload_len = 0;
        tx[count].gso_size = 0;
        tx[count].csum_start = 0;
        tx[count].csum_offset = 0;
        tx[count].needs_csum = false;
        tx[count].mark = 0;
        if (!next_reply(stack, port, &tx[count]) && !next_segment(stack, port, &tx[count])) {
            break;
        }
    }
    return count;
}

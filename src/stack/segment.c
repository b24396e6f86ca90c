/* The order of the questions: is it whole (checksum, header), is it of a flow, is the address ours,
 * is it a SYN that somebody wants; what is left is answered with a reset (RFC 9293 section
 * 3.10.7.1). */
#include "stack/segment.h"

#include "base/assert.h"
#include "stack/conns.h"
#include "stack/demux.h"
#include "stack/port.h"
#include "stack/reply.h"
#include "stack/syn.h"
#include "tcp/state.h"
#include "wire/checksum.h"

static bool checksum_ok(const struct pl_packet *packet) {
    if ((packet->meta.flags & PLAIT_RX_CSUM_OK) != 0) {
        return true;
    }
    uint64_t sum =
        pl_sum_pseudo(&packet->ip.src, &packet->ip.dst, PL_IP_TCP, packet->ip.payload_len);
    sum = pl_sum_add(sum, packet->payload, packet->ip.payload_len);
    return pl_sum_fold(sum) == 0xffff;
}

static bool parse(struct plait_stack *stack, struct pl_packet *packet) {
    enum plait_counter reason = PLAIT_COUNTER_DropTruncated;
    switch (pl_tcp_parse(packet->payload, packet->ip.payload_len, &packet->seg)) {
        case PL_TCP_OK:
            if (packet->meta.gso_size < packet->seg.payload_len) {
                packet->seg.gso_size = packet->meta.gso_size;
            }
            if (checksum_ok(packet)) {
                return true;
            }
            reason = PLAIT_COUNTER_DropChecksum;
            break;
        case PL_TCP_BAD_OPTION:
            reason = PLAIT_COUNTER_DropBadOption;
            break;
        case PL_TCP_TRUNCATED:
            break;
    }
    pl_packet_drop(stack, reason, packet->port->id, packet->buf->len);
    return false;
}

/* Whether a SYN may end TIME-WAIT early: its time stamp, or else its sequence number, is beyond
 * everything of the old connection (RFC 9293 section 3.6.1, RFC 6191). */
static bool syn_is_newer(const struct pl_tcp *tcp, const struct pl_segment *syn) {
    PL_ASSERT(pl_tcp_state(tcp) == PL_TCP_ST_TIME_WAIT);
    if (syn->options.has_timestamps && tcp->ts.on && tcp->ts.has_recent &&
        syn->options.ts_val != tcp->ts.recent) {
        return (int32_t)(syn->options.ts_val - tcp->ts.recent) > 0;
    }
    return pl_seq32_lt(pl_tcp_rcv_nxt(tcp), syn->seq);
}

static bool is_plain_syn(const struct pl_segment *seg) {
    return (seg->flags & (PL_TCP_SYN | PL_TCP_ACK | PL_TCP_RST | PL_TCP_FIN)) == PL_TCP_SYN;
}

/* Drops the old incarnation of a flow, so that `seg` finds none. */
static struct pl_subflow *end_time_wait(struct plait_stack *stack, const struct pl_packet *packet,
                                        struct pl_subflow *sf) {
    struct pl_tcp *tcp = pl_subflow_tcp(sf);
    if (!is_plain_syn(&packet->seg) || pl_tcp_state(tcp) != PL_TCP_ST_TIME_WAIT ||
        !syn_is_newer(tcp, &packet->seg)) {
        return sf;
    }
    pl_tcp_abort(tcp, 0, stack->now);
    pl_conns_settle(stack);
    struct pl_tcp_tuple tuple = pl_packet_tuple(packet);
    return pl_demux_arrived(stack, packet->port, &tuple);
}

static void answer(struct plait_stack *stack, struct pl_packet *packet, int reason) {
    PL_ASSERT(packet->port->up);
    if ((packet->seg.flags & PL_TCP_RST) != 0) {
        PL_COUNT(&stack->ctx, InRsts);
    }
    pl_packet_drop(stack, PLAIT_COUNTER_DropNoSocket, packet->port->id, packet->buf->len);
    if (pl_reply_reset(&packet->port->replies, &packet->ip, &packet->seg, reason)) {
        PL_COUNT(&stack->ctx, OutRsts);
        PL_COUNT_N(&stack->ctx, MPRstTx, reason >= 0 ? 1 : 0);
    }
}

static void without_flow(struct plait_stack *stack, struct pl_packet *packet) {
    if (!pl_port_has_address(stack, packet->port, &packet->ip.dst)) {
        pl_packet_drop(stack, PLAIT_COUNTER_DropNotForUs, packet->port->id, packet->buf->len);
        return;
    }
    int reason = PL_SYN_REFUSED;
    if ((packet->seg.flags & (PL_TCP_SYN | PL_TCP_ACK | PL_TCP_RST)) == PL_TCP_SYN) {
        reason = pl_syn_input(stack, packet);
    }
    PL_ASSERT(reason >= PL_SYN_REFUSED);
    if (reason != PL_SYN_TAKEN) {
        answer(stack, packet, reason);
    }
}

void pl_segment_input(struct plait_stack *stack, struct pl_packet *packet) {
    PL_ASSERT(packet->ip.protocol == PL_IP_TCP);
    if (!parse(stack, packet)) {
        return;
    }
    struct pl_tcp_tuple tuple = pl_packet_tuple(packet);
    struct pl_subflow *sf = pl_demux_arrived(stack, packet->port, &tuple);
    if (sf != NULL) {
        sf = end_time_wait(stack, packet, sf);
    }
    if (sf == NULL) {
        without_flow(stack, packet);
        return;
    }
    pl_subflow_input(sf, &packet->seg, packet->buf, stack->now);
}

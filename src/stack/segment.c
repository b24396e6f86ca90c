/* The order of the questions: is it whole (checksum, header), is it of a flow, is the address ours,
 * is it a SYN that somebody wants; what is left is answered with a reset (RFC 9293 section
 * 3.10.7.1). */
#include "stack/segment.h"

#include "base/assert.h"
#include "stack/conns.h"
#include "stack/demux.h"
#include "stack/joincookie.h"
#include "stack/listen.h"
#include "stack/port.h"
#include "stack/reply.h"
#include "stack/syn.h"
#include "stack/syncookie.h"
#include "stack/waiting.h"
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
            packet->seg.ecn = packet->ip.traffic_class & PL_IP_ECN;
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

/* Drops the old incarnation of a flow, so that `seg` finds none. */
static struct pl_subflow *end_time_wait(struct plait_stack *stack, const struct pl_packet *packet,
                                        struct pl_subflow *sf) {
    struct pl_tcp *tcp = pl_subflow_tcp(sf);
    if (!pl_tcp_time_wait_reusable(tcp, &packet->seg)) {
        return sf;
    }
    stack->iss_rule =
        (struct pl_iss_rule){.kind = PL_ISS_AT_LEAST, .seq = pl_tcp_time_wait_next_iss(tcp)};
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

/* PLAIT_OPT_TRANSPARENT: a listener that takes what is sent to others. */
static bool taken_transparently(const struct plait_stack *stack, const struct pl_packet *packet) {
    const struct pl_listener *listener =
        pl_listen_find(stack, packet->port, &packet->ip.dst, packet->seg.dst_port);
    return listener != NULL && listener->transparent;
}

static void without_flow(struct plait_stack *stack, struct pl_packet *packet) {
    if (!pl_port_has_address(stack, packet->port, &packet->ip.dst) &&
        !taken_transparently(stack, packet)) {
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

/* The third ACK of a handshake that we kept no state of. What it does not complete is forgotten. */
static void with_cookie(struct plait_stack *stack, const struct pl_packet *packet) {
    struct pl_tcp_tuple tuple = pl_packet_tuple(packet);
    struct pl_subflow *sf = pl_demux_flow(stack, packet->port->id, &tuple);
    if (sf == NULL) {
        pl_packet_drop(stack, PLAIT_COUNTER_DropBacklog, packet->port->id, packet->buf->len);
        return;
    }
    struct pl_stack_conn *sc = pl_conns_of(pl_subflow_conn(sf));
    PL_ASSERT(sc->listener != NULL && !sc->ready);
    pl_subflow_input(sf, &packet->seg, packet->buf, stack->now);
    if (sc->listener != NULL && !sc->ready) {
        pl_conns_destroy(stack, sc);
    }
}

static void demultiplex(struct plait_stack *stack, struct pl_packet *packet) {
    PL_ASSERT(packet->ip.protocol == PL_IP_TCP);
    if (!parse(stack, packet)) {
        return;
    }
    struct pl_tcp_tuple tuple = pl_packet_tuple(packet);
    struct pl_subflow *sf = pl_demux_arrived(stack, packet->port, &tuple);
    if (sf != NULL) {
        sf = end_time_wait(stack, packet, sf);
    }
    sf = sf != NULL ? sf : pl_joincookie_take(stack, packet);
    if (sf == NULL && pl_syncookie_take(stack, packet)) {
        with_cookie(stack, packet);
        return;
    }
    if (sf == NULL) {
        without_flow(stack, packet);
        return;
    }
    const struct pl_stack_conn *sc = pl_conns_of(pl_subflow_conn(sf));
    if (pl_waiting_must_stay(stack, sc, &packet->seg)) {
        pl_packet_drop(stack, PLAIT_COUNTER_DropBacklog, packet->port->id, packet->buf->len);
        return;
    }
    pl_subflow_input(sf, &packet->seg, packet->buf, stack->now);
}

void pl_segment_input(struct plait_stack *stack, struct pl_packet *packet) {
    PL_ASSERT(stack->iss_rule.kind == PL_ISS_ANY);
    demultiplex(stack, packet);
    stack->iss_rule.kind = PL_ISS_ANY;
}

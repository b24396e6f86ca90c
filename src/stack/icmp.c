/* Anybody can send an ICMP error with any text. One is believed when the segment in it is of a flow
 * of ours and its sequence number is in flight (RFC 5927 section 4), and then as little as
 * possible: an MTU is never taken below what every network of the family carries. */
#include "stack/icmp.h"

#include "base/assert.h"
#include "stack/demux.h"
#include "wire/icmp.h"

enum {
    MTU_MIN_V4 = 552,     /* as Linux: 68 (RFC 791) would be an attack */
    MTU_UNKNOWN_V4 = 576, /* of routers that do not say (RFC 1191 section 5) */
    MTU_MIN_V6 = 1280,    /* RFC 8200 section 5 */
};

static uint32_t bounded_mtu(const struct pl_icmp_error *error, const struct pl_port *port) {
    bool v6 = error->inner.src.family == PLAIT_IPV6;
    uint32_t mtu = error->mtu;
    if (mtu == 0) {
        mtu = v6 ? (uint32_t)MTU_MIN_V6 : (uint32_t)MTU_UNKNOWN_V4;
    }
    uint32_t least = v6 ? (uint32_t)MTU_MIN_V6 : (uint32_t)MTU_MIN_V4;
    PL_ASSERT(least <= port->mtu);
    if (mtu < least) {
        return least;
    }
    return mtu < port->mtu ? mtu : port->mtu;
}

static struct pl_subflow *flow_of(const struct plait_stack *stack, const struct pl_packet *packet,
                                  const struct pl_icmp_error *error) {
    struct pl_tcp_tuple tuple = {
        .local = error->inner.src,
        .remote = error->inner.dst,
        .local_port = error->inner_src_port,
        .remote_port = error->inner_dst_port,
    };
    struct pl_subflow *sf = pl_demux_arrived(stack, packet->port, &tuple);
    if (sf == NULL || !pl_tcp_seq_in_flight(pl_subflow_tcp(sf), error->inner_seq)) {
        return NULL;
    }
    return sf;
}

void pl_icmp_input(struct plait_stack *stack, const struct pl_packet *packet) {
    PL_ASSERT(packet->ip.protocol == PL_IP_ICMP || packet->ip.protocol == PL_IP_ICMP6);
    PL_COUNT(&stack->ctx, IcmpIn);
    struct pl_icmp_error error;
    struct pl_subflow *sf = NULL;
    if (pl_icmp_parse(&packet->ip, packet->payload, packet->ip.payload_len, &error)) {
        sf = flow_of(stack, packet, &error);
    }
    if (sf == NULL || error.kind == PL_ICMP_OTHER) {
        pl_packet_drop(stack, PLAIT_COUNTER_DropIcmp, packet->port->id, packet->buf->len);
        return;
    }
    struct pl_tcp *tcp = pl_subflow_tcp(sf);
    if (error.kind == PL_ICMP_TOO_BIG) {
        PL_COUNT(&stack->ctx, IcmpTooBig);
        pl_tcp_set_mtu(tcp, bounded_mtu(&error, packet->port), stack->now);
        return;
    }
    PL_COUNT(&stack->ctx, IcmpUnreachable);
    bool hard = error.kind == PL_ICMP_PORT_UNREACHABLE;
    pl_tcp_icmp_error(tcp, hard, hard ? PLAIT_E_REFUSED : PLAIT_E_HOST_UNREACHABLE, stack->now);
}

/* Anybody can send an ICMP error with any text. One is believed when the segment in it is of a flow
 * of ours and its sequence number is in flight (RFC 5927 section 4), and then as little as
 * possible: an MTU must be one that the segment in it exceeds, and the connection never takes it
 * below what every host of the family takes, nor above what it has. */
#include "stack/icmp.h"

#include "base/assert.h"
#include "stack/demux.h"
#include "wire/icmp.h"

/* Routers that do not say what they bear (RFC 1191 section 5): the next smaller usual MTU, of the
 * table in section 7.1. */
static uint32_t plateau(uint32_t len) {
    static const uint16_t table[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508};
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i] < len) {
            return table[i];
        }
    }
    return 68; /* RFC 791; the connection has a bound of its own */
}

/* The MTU that an error is about, 0 when it makes no sense: a packet that was small enough cannot
 * have been too big. */
static uint32_t named_mtu(const struct pl_icmp_error *error) {
    bool v6 = error->inner.src.family == PLAIT_IPV6;
    PL_ASSERT(error->kind == PL_ICMP_TOO_BIG);
    if (error->mtu == 0) {
        return v6 ? 1280 : plateau(error->inner_total);
    }
    return error->mtu < error->inner_total ? error->mtu : 0;
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
    uint32_t mtu = sf != NULL && error.kind == PL_ICMP_TOO_BIG ? named_mtu(&error) : 1;
    if (sf == NULL || error.kind == PL_ICMP_OTHER || mtu == 0) {
        pl_packet_drop(stack, PLAIT_COUNTER_DropIcmp, packet->port->id, packet->buf->len);
        return;
    }
    struct pl_tcp *tcp = pl_subflow_tcp(sf);
    if (error.kind == PL_ICMP_TOO_BIG) {
        PL_COUNT(&stack->ctx, IcmpTooBig);
        pl_tcp_too_big(tcp, mtu, stack->now);
        return;
    }
    PL_COUNT(&stack->ctx, IcmpUnreachable);
    bool hard = error.kind == PL_ICMP_PORT_UNREACHABLE;
    pl_tcp_icmp_error(tcp, hard, hard ? PLAIT_E_REFUSED : PLAIT_E_HOST_UNREACHABLE, stack->now);
}

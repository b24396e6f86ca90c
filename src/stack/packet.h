/* stack/packet.h - a packet on its way in, and what becomes of one that is not wanted. */
#ifndef PL_STACK_PACKET_H
#define PL_STACK_PACKET_H

#include "stack/state.h"

struct pl_packet {
    struct pl_port *port;
    struct plait_buf *buf;
    struct plait_rx_meta meta;
    struct pl_ip ip;
    const uint8_t *payload; /* behind the IP header: ip.payload_len bytes */
    struct pl_segment seg;  /* set from pl_segment_input() on */
};

/* Where a TCP segment belongs, seen from here. */
static inline struct pl_tcp_tuple pl_packet_tuple(const struct pl_packet *packet) {
    return (struct pl_tcp_tuple){
        .local = packet->ip.dst,
        .remote = packet->ip.src,
        .local_port = packet->seg.dst_port,
        .remote_port = packet->seg.src_port,
    };
}

/* Counts and traces a drop. `reason` is a Drop... counter. */
static inline void pl_packet_drop(struct plait_stack *stack, enum plait_counter reason,
                                  plait_port_id port, uint32_t len) {
    struct pl_trace_id nobody = {0};
    stack->ctx.counters[reason]++;
    pl_trace(&stack->ctx, stack->now, nobody, PLAIT_TRACE_drop, reason, port, len, 0);
}

#endif

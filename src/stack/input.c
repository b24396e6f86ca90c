#include "stack/input.h"

#include "base/assert.h"
#include "stack/icmp.h"
#include "stack/segment.h"

static bool parse(struct plait_stack *stack, struct pl_packet *packet) {
    enum plait_counter reason = PLAIT_COUNTER_DropTruncated;
    switch (pl_ip_parse(packet->buf->data, packet->buf->len, &packet->ip)) {
        case PL_IP_OK:
            PL_ASSERT(packet->ip.header_len + packet->ip.payload_len <= packet->buf->len);
            packet->payload = packet->buf->data + packet->ip.header_len;
            if (!packet->ip.fragment) {
                return true;
            }
            reason = PLAIT_COUNTER_DropFragment;
            break;
        case PL_IP_BAD_CHECKSUM:
            reason = PLAIT_COUNTER_DropChecksum;
            break;
        case PL_IP_TRUNCATED:
        case PL_IP_MALFORMED:
            break;
    }
    pl_packet_drop(stack, reason, packet->port->id, packet->buf->len);
    return false;
}

/* ICMP speaks of the family that it came in. */
static bool is_icmp(const struct pl_ip *ip) {
    return ip->protocol == (ip->src.family == PLAIT_IPV4 ? PL_IP_ICMP : PL_IP_ICMP6);
}

void pl_input_packet(struct plait_stack *stack, plait_port_id port, struct plait_buf *buf,
                     const struct plait_rx_meta *meta) {
    PL_ASSERT(buf != NULL);
    PL_COUNT(&stack->ctx, InPackets);
    PL_COUNT_N(&stack->ctx, InBytes, buf->len);
    struct pl_packet packet = {.port = pl_stack_port(stack, port), .buf = buf};
    if (packet.port == NULL || !packet.port->up) {
        pl_packet_drop(stack, PLAIT_COUNTER_DropNoPort, port, buf->len);
        return;
    }
    if (meta != NULL) {
        packet.meta = *meta;
    }
    if (!parse(stack, &packet)) {
        return;
    }
    if (packet.ip.protocol == PL_IP_TCP) {
        pl_segment_input(stack, &packet);
    } else if (is_icmp(&packet.ip)) {
        pl_icmp_input(stack, &packet);
    } else {
        pl_packet_drop(stack, PLAIT_COUNTER_DropProtocol, port, buf->len);
    }
}

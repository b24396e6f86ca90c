#include "stack/reply.h"

#include "base/assert.h"

/* Reasons that will pass (RFC 8684 section 3.6): the others are said to be permanent. */
enum { REASON_UNSPECIFIED = 0, REASON_RESOURCES = 2 };

static void put_reason(struct pl_reply *reply, int reason) {
    struct pl_mptcp_options options = {.tcprst = {.reason = (uint8_t)reason}};
    options.tcprst.transient = reason == REASON_UNSPECIFIED || reason == REASON_RESOURCES;
    PL_ASSERT(pl_mptcp_len(PL_MP_TCPRST, &options) <= PL_REPLY_OPTIONS);
    uint8_t *end = reply->options + reply->options_len;
    reply->options_len += (uint8_t)pl_mptcp_write(end, PL_MP_TCPRST, &options);
    PL_ASSERT(reply->options_len <= PL_REPLY_OPTIONS);
}

/* RFC 7323 section 5.2: what had timestamps is answered with some, of which ours is none. */
static void put_timestamps(struct pl_reply *reply, const struct pl_segment *seg) {
    PL_ASSERT(reply->options_len == 0);
    if (seg->options.has_timestamps) {
        reply->options_len = (uint8_t)pl_tcp_put_timestamps(reply->options, 0, seg->options.ts_val);
    }
}

bool pl_reply_put(struct pl_reply_ring *ring, const struct pl_reply *reply) {
    PL_ASSERT(reply->options_len % 4 == 0 && reply->options_len <= PL_REPLY_OPTIONS);
    if (ring->count == PL_REPLY_RING) {
        return false;
    }
    ring->reply[(ring->head + ring->count) % PL_REPLY_RING] = *reply;
    ring->count++;
    return true;
}

bool pl_reply_reset(struct pl_reply_ring *ring, const struct pl_ip *ip,
                    const struct pl_segment *seg, int reason) {
    PL_ASSERT(reason <= UINT8_MAX);
    if ((seg->flags & PL_TCP_RST) != 0) {
        return false;
    }
    if (!pl_addr_is_host(&ip->src) || !pl_addr_is_host(&ip->dst)) {
        return false;
    }
    struct pl_reply reply = {.src = ip->dst,
                             .dst = ip->src,
                             .src_port = seg->dst_port,
                             .dst_port = seg->src_port,
                             .flags = PL_TCP_RST};
    if ((seg->flags & PL_TCP_ACK) != 0) {
        reply.seq = seg->ack;
    } else {
        reply.flags |= PL_TCP_ACK;
        reply.ack = pl_seq32_add(seg->seq, pl_segment_len(seg));
    }
    put_timestamps(&reply, seg);
    if (reason >= 0) {
        put_reason(&reply, reason);
    }
    return pl_reply_put(ring, &reply);
}

bool pl_reply_take(struct pl_reply_ring *ring, struct pl_reply *out) {
    PL_ASSERT(ring->count <= PL_REPLY_RING);
    if (ring->count == 0) {
        return false;
    }
    PL_ASSERT(ring->head < PL_REPLY_RING);
    *out = ring->reply[ring->head];
    ring->head = (ring->head + 1) % PL_REPLY_RING;
    ring->count--;
    return true;
}

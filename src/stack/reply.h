/* stack/reply.h - segments that belong to no connection: resets (RFC 9293 section 3.10.7.1) and
 * SYN/ACKs with a cookie (stack/syncookie.h).
 *
 * Every port has a short ring of finished headers. A full ring loses the new reply, which bounds
 * both memory and what a flood can make us send between two pulls of the port. */
#ifndef PL_STACK_REPLY_H
#define PL_STACK_REPLY_H

#include "wire/ip.h"
#include "wire/tcp.h"

enum { PL_REPLY_RING = 64, PL_REPLY_OPTIONS = PL_TCP_OPTIONS_MAX };

struct pl_reply {
    struct plait_addr src, dst;
    uint16_t src_port, dst_port;
    pl_seq32 seq, ack;
    uint8_t flags;
    uint8_t options_len; /* a multiple of 4 */
    uint16_t window_raw;
    uint8_t options[PL_REPLY_OPTIONS];
};

struct pl_reply_ring {
    uint32_t head, count;
    struct pl_reply reply[PL_REPLY_RING];
};

/* Queues the reset that answers `seg`, which came in the packet `ip`. `reason` >= 0 adds MP_TCPRST
 * with that reason (RFC 8684 section 3.6). Returns false when nothing was queued: the segment was a
 * reset itself, its source cannot be answered, or the ring is full. */
bool pl_reply_reset(struct pl_reply_ring *ring, const struct pl_ip *ip,
                    const struct pl_segment *seg, int reason);
/* Queues a reply; false when the ring is full. */
bool pl_reply_put(struct pl_reply_ring *ring, const struct pl_reply *reply);
/* Takes the oldest reply. */
bool pl_reply_take(struct pl_reply_ring *ring, struct pl_reply *out);

#endif

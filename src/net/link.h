/* net/link.h - one direction of an emulated link: a queue, a transmitter and a wire.
 *
 *     pl_link_send() -> [queue: limit] -> [transmitter: rate or trace] -> [wire: loss, corruption,
 *     duplication, delay, jitter, reordering] -> pl_link_next()
 *
 * The link does no I/O and reads no clock. The caller sends packets, sleeps until
 * pl_link_deadline() and then calls pl_link_next() until it returns NULL. Every event inside has an
 * exact time in ns that does not depend on how late the caller is. `now` must not go back; a
 * smaller value counts as the last one seen. Same seed, same calls: same results.
 *
 * Ownership: the link holds a reference on each packet's buffer and never changes its bytes (a
 * packet to be corrupted is copied first). A duplicate shares the buffer. What the link holds is
 * bounded by the queue's limits and by config.memory_bytes_max.
 *
 * States: zeroed or after fini: only init is legal. After init: everything is. The struct is
 * exposed to be embedded; its fields are the engine's own. */
#ifndef PL_NET_LINK_H
#define PL_NET_LINK_H

#include "base/list.h"
#include "base/rng.h"
#include "net/link_config.h"
#include "plait/buf.h"
#include "plait/stack.h"

/* Why a packet did not come out at the far end. */
enum pl_link_drop {
    PL_LINK_DROP_NONE,
    PL_LINK_DROP_QUEUE,  /* the queue was full */
    PL_LINK_DROP_LOSS,   /* the loss model */
    PL_LINK_DROP_DOWN,   /* the link was down, or went down with the packet inside */
    PL_LINK_DROP_MTU,    /* too long */
    PL_LINK_DROP_MEMORY, /* no memory, or memory_bytes_max reached */
    PL_LINK_DROP_COUNT
};
const char *pl_link_drop_name(enum pl_link_drop reason);

/* in_packets + duplicated = out_packets + all drops + queue_packets + wire_packets, always. */
struct pl_link_stats {
    uint64_t in_packets, in_bytes;
    uint64_t out_packets, out_bytes;
    uint64_t drop_packets[PL_LINK_DROP_COUNT];
    uint64_t drop_bytes[PL_LINK_DROP_COUNT];
    uint64_t duplicated, corrupted, reordered, marked;
    uint64_t queue_bytes_max; /* most the queue ever held */
    uint32_t queue_packets;   /* waiting, the one being sent included */
    uint32_t wire_packets;
    uint64_t queue_bytes, wire_bytes;
};

/* What travels with a packet. The sender fills rx and tag, the link the times. */
struct pl_link_meta {
    struct plait_rx_meta rx; /* for the receiver's plait_input(); corruption clears CSUM_OK */
    uint64_t tag;            /* the caller's own */
    plait_time sent_at;      /* of pl_link_send() */
    plait_time due_at;       /* when the packet leaves the wire */
};

struct pl_link {
    const struct plait_env *env;
    struct pl_link_config config;
    struct pl_rng rng;
    struct pl_loss loss;
    struct pl_link_stats stats;
    struct pl_list queue; /* of packets; the head is being sent */
    struct pl_list wire;  /* of packets, by due time */
    uint64_t memory_bytes;
    plait_time now;
    plait_time service_at;   /* the head's service: service_work was left at this time */
    plait_time service_end;  /* and it leaves the queue at this one */
    uint64_t service_work;   /* in bits * 10^9: a rate takes off `rate_bps` per ns */
    uint64_t service_credit; /* what the next packet need not do, beyond this one's work */
    plait_time due_last;     /* of packets that keep their order */
    uint32_t jitter_last;
    uint32_t reorder_counter;
    struct pl_mahimahi_cursor cursor;
};

/* Copies *config. Errors: BAD_ARGUMENT (see pl_link_config_error; or a trace that is not loaded).
 */
PLAIT_MUST_CHECK int pl_link_init(struct pl_link *link, const struct plait_env *env,
                                  const struct pl_link_config *config, uint64_t seed);
/* Drops what is inside. Allowed twice. */
void pl_link_fini(struct pl_link *link);

/* Hands a packet to the link, which takes a reference of its own. `meta` may be NULL. Returns why
 * the packet was dropped at the entrance, or PL_LINK_DROP_NONE. */
enum pl_link_drop pl_link_send(struct pl_link *link, struct plait_buf *packet,
                               const struct pl_link_meta *meta, plait_time now);
/* When to call pl_link_next(), or PLAIT_TIME_NEVER. Not later than the next packet is due, but it
 * may be earlier: when it is not known yet whether or when the packet gets through. */
plait_time pl_link_deadline(const struct pl_link *link);
/* The next packet that is due, or NULL. The caller gets a reference. `meta` may be NULL. */
struct plait_buf *pl_link_next(struct pl_link *link, plait_time now, struct pl_link_meta *meta);

/* Changes the settings. Packets on the wire keep their times; a packet being sent goes on at the
 * new rate with what is left of it (from its beginning when a trace comes or goes). Going down
 * drops everything inside. Errors as in init; nothing changes then. */
PLAIT_MUST_CHECK int pl_link_set(struct pl_link *link, const struct pl_link_config *config,
                                 plait_time now);
void pl_link_stats(struct pl_link *link, plait_time now, struct pl_link_stats *out);
/* Walks every invariant; aborts through plait_abort_hook() when one is broken. */
void pl_link_check(const struct pl_link *link);

#endif

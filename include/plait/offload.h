/* plait/offload.h - what devices with offloads do, for ports whose device has none.
 *
 * The stack handles large segments in one go, so a device that cuts and merges them saves it most
 * of the work per packet. Where there is no such device, these do the same in the port: they touch
 * headers only once per packet, and each payload byte once when merging.
 *
 * Sending: the port has PLAIT_PORT_TSO, and everything from plait_output() goes through a cut:
 *     struct plait_cut cut;
 *     plait_cut_start(&cut, &tx, false);
 *     while (plait_cut_next(&cut, &packet)) { send packet }
 * Receiving: packets go to plait_merge_input() instead of plait_input(), and plait_merge_flush()
 * hands over what is left before the port waits for more. */
#ifndef PLAIT_OFFLOAD_H
#define PLAIT_OFFLOAD_H

#include "plait/stack.h"

/* A large segment on its way into pieces; borrows it. */
struct plait_cut {
    const struct plait_tx *whole;
    bool device_sums;  /* the device computes TCP checksums */
    uint32_t done;     /* payload bytes cut off so far */
    uint32_t slice;    /* where the next piece starts: the slice, */
    uint32_t slice_at; /* and the byte in it */
    uint16_t count;    /* pieces so far */
};

/* `device_sums`: the pieces may have needs_csum; else all checksums in them are complete. A packet
 * without gso_size is a single piece. */
void plait_cut_start(struct plait_cut *cut, const struct plait_tx *whole, bool device_sums);
/* Fills in the next piece, whose slices are the whole's. False when there is none left. The caller
 * leaves *piece as it is between calls. */
bool plait_cut_next(struct plait_cut *cut, struct plait_tx *piece);

/* Packets of one flow on their way to become one; zero it at first. One per port. */
struct plait_merge {
    struct plait_buf *buf; /* what is collected, and room; NULL: none yet */
    struct plait_rx_meta meta;
    uint32_t headers;  /* bytes of IP and TCP header in buf, 0: nothing collected */
    uint32_t ip_len;   /* of them, IP's */
    uint32_t next_seq; /* what the next packet has to start with */
};

/* Takes one IP packet, which is only borrowed. It joins what is collected if it continues it: the
 * same headers but for length, sequence number, PSH and checksums, which are verified unless `meta`
 * vouches for them. Else what is collected goes to the stack first. Without memory for a buffer the
 * packet is lost, as on a link. */
void plait_merge_input(struct plait_merge *merge, struct plait_stack *stack, plait_port_id port,
                       const struct plait_env *env, const void *packet, uint32_t len,
                       const struct plait_rx_meta *meta, plait_time now);
/* Hands over what is collected. */
void plait_merge_flush(struct plait_merge *merge, struct plait_stack *stack, plait_port_id port,
                       plait_time now);
/* Drops it, and the room. */
void plait_merge_fini(struct plait_merge *merge);

#endif

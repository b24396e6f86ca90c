/* port/emulator.h - emulated links in real time, between pairs of TUN devices.
 *
 * A link joins two TUN devices, usually in two network namespaces. What the kernel sends into
 * device 0 comes out of device 1 as the settings of the direction UP say, and the other way DOWN.
 * Middleboxes (net/chain.h) may stand at device 0's end: it is their inside, UP their way out.
 * The devices carry plain packets, without the virtio-net header and without offloads, so that a
 * packet is what would be on a wire: pl_emulator_tun() opens such a device.
 *
 * Everything runs on the thread of the libuv loop. Times are exact inside the model (net/link.h);
 * what the loop's wake-ups add at the far end is in the statistics (late_ns_...).
 *
 * States of an emulator: create -> every call -> destroy. Its memory is freed by the loop: run the
 * loop after pl_emulator_destroy() or pl_emulator_remove() until it has nothing left to do. */
#ifndef PL_PORT_EMULATOR_H
#define PL_PORT_EMULATOR_H

#include <uv.h>

#include "net/box_config.h"
#include "net/link.h"

struct pl_emulator;
struct pl_emulator_link;

enum pl_emulator_direction { PL_EMULATOR_UP, PL_EMULATOR_DOWN, PL_EMULATOR_DIRECTIONS };

/* One direction: from the device it reads to the one it writes. */
struct pl_emulator_stats {
    struct pl_link_stats link;
    uint64_t write_full;    /* packets lost because the device was full (EAGAIN) */
    uint64_t write_refused; /* packets lost because it was down, or a corrupted one was no IP */
    uint64_t read_no_memory;
    uint64_t late_ns_max; /* from a packet's exact time to its write */
    uint64_t late_ns_sum;
    bool gone; /* the device it reads has vanished */
};

/* `env` must outlive the emulator. Returns 0 or a negative plait_error or libuv error. */
PLAIT_MUST_CHECK int pl_emulator_create(struct pl_emulator **out, uv_loop_t *uv,
                                        const struct plait_env *env);
/* Removes all links. The pointer is dead after this. NULL is allowed. */
void pl_emulator_destroy(struct pl_emulator *emulator);

/* Creates the TUN device `name` (or from a pattern such as "link%d") in the namespace `ns` (< 0:
 * the caller's), down. Returns its descriptor or -errno, and the name in actual[16] unless it is
 * NULL. */
PLAIT_MUST_CHECK int pl_emulator_tun(const char *name, int ns, char *actual);

/* Joins two devices. The descriptors are the emulator's then, also after an error. A trace whose
 * origin is 0 starts now. Equal seeds lose the same packets. Errors: those of pl_link_init() and
 * libuv. */
PLAIT_MUST_CHECK int pl_emulator_add(struct pl_emulator *emulator, const int fds[2],
                                     const struct pl_link_config *up,
                                     const struct pl_link_config *down, uint64_t seed,
                                     struct pl_emulator_link **out);
/* Closes the devices, which vanish. The pointer is dead after this. */
void pl_emulator_remove(struct pl_emulator_link *link);

/* Changes a direction while it runs (pl_link_set()). */
PLAIT_MUST_CHECK int pl_emulator_set(struct pl_emulator_link *link,
                                     enum pl_emulator_direction direction,
                                     const struct pl_link_config *config);
/* Puts a row of boxes at device 0's end, the first one next to it; those that stood there go, with
 * what they held. Errors: those of pl_chain_init(); there are no boxes then. */
PLAIT_MUST_CHECK int pl_emulator_boxes(struct pl_emulator_link *link,
                                       const struct pl_box_config *boxes, unsigned count);
/* How often box `index` did something to a packet. */
uint64_t pl_emulator_box_acted(const struct pl_emulator_link *link, unsigned index);
void pl_emulator_stats(struct pl_emulator_link *link, enum pl_emulator_direction direction,
                       struct pl_emulator_stats *out);

#endif

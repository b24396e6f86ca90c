/* port/pcapng.h - packet captures of ports (draft-ietf-opsawg-pcapng).
 *
 * One file, one interface per port, nanoseconds. Packets are written as the stack
 * saw them: a large segment is one packet, and a checksum that was left to the device is filled
 * in, so that an analyser has nothing to complain about.
 *
 * Errors of writing (disk full) end the capture and are told by pl_pcapng_close(); the traffic
 * goes on. */
#ifndef PL_PORT_PCAPNG_H
#define PL_PORT_PCAPNG_H

#include "plait/stack.h"

struct pl_pcapng;

/* Creates (or empties) the file. Time stamps are the stack's time plus `offset_ns`:
 * pl_posix_real_offset() for real time, 0 for a simulation. Returns 0 or -errno. */
PLAIT_MUST_CHECK int pl_pcapng_open(struct pl_pcapng **out, const char *path, uint64_t offset_ns);
/* Flushes and closes; NULL is allowed. Returns 0, or -errno of the first failed write. */
int pl_pcapng_close(struct pl_pcapng *capture);
void pl_pcapng_flush(struct pl_pcapng *capture);

/* Adds an interface and returns its id. */
uint32_t pl_pcapng_add(struct pl_pcapng *capture, const char *name);

/* Records one packet. `now` is the stack's time. */
void pl_pcapng_input(struct pl_pcapng *capture, uint32_t id, const uint8_t *data, uint32_t len,
                     const struct plait_rx_meta *meta, plait_time now);
void pl_pcapng_output(struct pl_pcapng *capture, uint32_t id, const struct plait_tx *tx,
                      plait_time now);

#endif

/* sim/record.h - what leaves a run: the hash over everything that happened, the trace as JSON lines
 * and a capture.
 *
 * The hash is taken over field values, never over memory, so that it does not depend on compiler,
 * padding or byte order. Two runs of a seed must have the same hash. */
#ifndef PL_SIM_RECORD_H
#define PL_SIM_RECORD_H

#include <stdio.h>

#include "plait/trace.h"

/* Takes a packet for a capture; interfaces are numbered 4 * host + port index. */
typedef void pl_record_capture(void *arg, unsigned interface, const uint8_t *data, uint32_t len,
                               plait_time now);

struct pl_record {
    uint64_t hash;
    uint64_t packets; /* that hosts sent */
    uint64_t bytes;
    const plait_time *clock;
    FILE *trace;                /* NULL: none */
    pl_record_capture *capture; /* NULL: none */
    void *capture_arg;
};

void pl_record_init(struct pl_record *record, const plait_time *clock);
/* A packet that host `host` (0, 1) sent over, or got from, its port `port`. Sent ones are hashed.
 */
void pl_record_packet(struct pl_record *record, unsigned host, plait_port_id port, bool sent,
                      const uint8_t *data, uint32_t len);
/* A trace record of a host's stack. */
void pl_record_trace(struct pl_record *record, unsigned host, const struct plait_trace_record *r);
/* Something the simulator itself did. `what` is a word, `detail` plain text without quotes. */
void pl_record_note(struct pl_record *record, const char *what, const char *detail);

#endif

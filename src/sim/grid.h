/* sim/grid.h - one bulk transfer over one link on virtual time: what plain TCP makes of a rate, a
 * round trip, random loss and a queue.
 *
 * The sender and the receiver are whole stacks with CUBIC. The link loses packets of 1500 bytes on
 * the way to the receiver, by number, not by time; acknowledgements come back over a link of the
 * same rate and delay that loses nothing. One seed: one result, on every machine. */
#ifndef PL_SIM_GRID_H
#define PL_SIM_GRID_H

#include <stdio.h>

#include "plait/env.h"

struct pl_grid_cell {
    uint32_t mbps, rtt_ms;
    uint32_t loss_ppm;
    uint32_t queue_pct; /* of rate times round trip */
};

struct pl_grid_options {
    const struct plait_env *hashes; /* whose hashes are used */
    uint64_t seed;
    FILE *trace; /* every event of both stacks as JSON lines; NULL: none */
};

struct pl_grid_result {
    uint64_t time_ns;                          /* from the handshake to the end */
    uint64_t bytes;                            /* that the application read */
    uint64_t retransmits;                      /* bytes */
    uint64_t packets_lost, packets_overflowed; /* by the link, at its queue */
    uint64_t goodput_ppm;                      /* of the link's rate */
    uint64_t retransmits_ppm;                  /* of the bytes that the application read */
    char reason[240];                          /* what was wrong, "" for nothing */
};

/* Cell `index` of the grid in docs/bench-tcp.md, without those whose queue would be another cell's;
 * false when there is none. */
bool pl_grid_cell(unsigned index, struct pl_grid_cell *out);
/* The queue of a cell: four packets at least. */
uint64_t pl_grid_queue_bytes(const struct pl_grid_cell *cell);
/* Returns 0, or a negative plait_error when the cell could not be run; a result with a reason is
 * not one either. */
PLAIT_MUST_CHECK int pl_grid_run(const struct pl_grid_cell *cell,
                                 const struct pl_grid_options *options,
                                 struct pl_grid_result *result);

#endif

/* mptcp/couple.h - coupled congestion control (RFC 6356): what the subflows of a connection tell
 * each other about their windows. */
#ifndef PL_MPTCP_COUPLE_H
#define PL_MPTCP_COUPLE_H

#include "mptcp/state.h"

enum { PL_COUPLE_PATHS = 36 }; /* subflows_max at most, and those that are being replaced */

/* One path, as the formula sees it. */
struct pl_couple_path {
    uint32_t window; /* bytes that are really in use */
    uint32_t rtt_us; /* smoothed; not 0 */
};

/* cwnd_total / alpha: how many bytes have to be acknowledged on any of the paths for one segment of
 * growth. 0: there is nothing to be said. */
uint32_t pl_couple_step(const struct pl_couple_path *path, unsigned count);
/* `sf` got an acknowledgement: if its congestion control is a coupled one, it learns the step. */
void pl_couple_acked(struct pl_subflow *sf, plait_time now);

#endif

/* mptcp/couple.c - the part of LIA (RFC 6356) that needs to see all subflows.
 *
 * Formula (1) lets each subflow grow by alpha * bytes * mss / cwnd_total, and formula (2) is
 *
 *     alpha = cwnd_total * max(w_i / rtt_i^2) / sum(w_i / rtt_i)^2
 *
 * so cwnd_total is in both and drops out: one segment of growth costs
 *
 *     step = sum(w_i / rtt_i)^2 / max(w_i / rtt_i^2) = sum(w_i * rtt_m / rtt_i)^2 / w_m
 *
 * acknowledged bytes, with m the path of the maximum (as in section 4.2). That is one number for
 * all subflows, and src/tcp need not know what it is made of (tcp/cc/lia.c). It is worked out with
 * every ACK of payload, for the subflow that got it: a few divisions each, and no state that could
 * be stale after a loss.
 *
 * Subflows that run another algorithm count, too: what they take, this connection takes. Dead and
 * idle ones do not. */
#include "mptcp/couple.h"

#include "base/assert.h"
#include "mptcp/subflow.h"

enum { SCALE_BITS = 16 };

/* w / rtt^2, in units that leave room: windows are below 2^30. */
static uint64_t urgency(const struct pl_couple_path *path) {
    PL_ASSERT(path->window <= PL_CC_CWND_MAX && path->rtt_us > 0);
    uint64_t rate = ((uint64_t)path->window << SCALE_BITS) / path->rtt_us;
    return (rate << SCALE_BITS) / path->rtt_us;
}

static const struct pl_couple_path *most_urgent(const struct pl_couple_path *path, unsigned count) {
    const struct pl_couple_path *best = NULL;
    for (unsigned i = 0; i < count; i++) {
        if (path[i].window > 0 && (best == NULL || urgency(&path[i]) > urgency(best))) {
            best = &path[i];
        }
    }
    return best;
}

uint32_t pl_couple_step(const struct pl_couple_path *path, unsigned count) {
    const struct pl_couple_path *best = most_urgent(path, count);
    uint64_t sum = 0;
    if (best == NULL) {
        return 0;
    }
    for (unsigned i = 0; i < count; i++) {
        sum += (uint64_t)path[i].window * best->rtt_us / path[i].rtt_us;
        sum = sum < UINT32_MAX ? sum : UINT32_MAX;
    }
    PL_ASSERT(sum >= best->window);
    uint64_t step = sum * sum / best->window;
    return step < UINT32_MAX ? (uint32_t)step : UINT32_MAX;
}

static unsigned look_around(const struct pl_conn *conn, struct pl_couple_path *out,
                            plait_time now) {
    unsigned count = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        uint64_t rtt_us = sf->tcp.rtt.srtt_ns / PLAIT_NS_PER_US;
        if (count == PL_COUPLE_PATHS || sf->stale || !pl_subflow_usable(sf) || rtt_us == 0) {
            continue;
        }
        out[count++] = (struct pl_couple_path){
            .window = pl_tcp_window_used(&sf->tcp, now),
            .rtt_us = rtt_us < UINT32_MAX ? (uint32_t)rtt_us : UINT32_MAX,
        };
    }
    PL_ASSERT(count <= PL_COUPLE_PATHS);
    return count;
}

void pl_couple_acked(struct pl_subflow *sf, plait_time now) {
    struct pl_couple_path path[PL_COUPLE_PATHS];
    PL_ASSERT(sf->conn != NULL);
    if (!pl_tcp_is_coupled(&sf->tcp)) {
        return;
    }
    pl_tcp_couple(&sf->tcp, pl_couple_step(path, look_around(sf->conn, path, now)));
}

/* mptcp/fallback.c - from MPTCP to plain TCP, and checksum failures (RFC 8684 section 3.7).
 *
 * A connection falls back by a change of mode and of its one subflow's upper: the stream's
 * positions stay. From then on subflow-level acknowledgements count. It is possible only while
 * everything in flight is contiguous on one subflow; when it is not, the subflow that fails is
 * reset and the others carry on.
 *
 * Whether the bytes behind a wrong checksum continue the stream only their sender knows: it may
 * have repeated some of them under other mappings. So the receiver does not fall back by itself.
 * The subflow becomes `doubtful`: its payload waits, neither delivered nor DATA_ACKed, MP_FAIL goes
 * out on every ACK, and we repeat nothing and open nothing. The peer's MP_FAIL or infinite mapping
 * says that it has reverted to plain TCP, and what waited is the stream's; a reset says that it
 * could not. No answer after some repetitions is a reset, too, and so is a subflow that the peer,
 * which then has not reverted, has opened meanwhile. Who has reverted answers again when the peer,
 * which shows by its DATA_ACKs that it still waits, repeats its MP_FAIL. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"

enum { FAILS_MAX = 6, ANSWERS_MAX = 16 };

struct line {
    pl_seq64 end;
    uint64_t bytes;
    bool broken;
};

static void follow(void *arg, uint64_t tag, struct pl_chunk *chunk, uint32_t offset, uint32_t len,
                   plait_time sent_at, const struct pl_tcp_origin *origin) {
    struct line *line = arg;
    (void)chunk, (void)offset, (void)sent_at, (void)origin;
    line->broken = line->broken || (line->bytes > 0 && line->end.v != tag);
    line->end = pl_seq64_of(tag + len);
    line->bytes += len;
}

/* What is on its way is the end of the stream, in order, and all of it was sent once only. */
static bool contiguous(const struct pl_conn *conn, const struct pl_subflow *sf) {
    const struct pl_send *s = &conn->send;
    struct line line = {.end = s->nxt};
    pl_tcp_inflight_walk(&sf->tcp, follow, &line);
    return pl_list_empty(&s->reinject) && !line.broken && pl_seq64_eq(line.end, s->nxt) &&
           pl_seq64_le(s->repeated, s->una) && pl_seq64_le(s->suspect, s->una);
}

/* How many other subflows may carry data, or have. One that is being opened does not yet. */
static uint32_t others(const struct pl_conn *conn, const struct pl_subflow *sf) {
    uint32_t count = 0;
    PL_SUBFLOW_FOREACH(other, conn) {
        bool carries = other->phase != PL_SF_DEAD && other->phase != PL_SF_OPENING;
        count += carries && other != sf ? 1 : 0;
    }
    return count;
}

bool pl_fallback_possible(const struct pl_conn *conn, const struct pl_subflow *sf) {
    PL_ASSERT(sf->conn == conn);
    /* A subflow that has been told to end cannot become the whole stream. */
    bool whole = sf->phase == PL_SF_OPENING || sf->phase == PL_SF_UP;
    return others(conn, sf) == 0 && !sf->join && whole && conn->mode == PL_MODE_MPTCP &&
           pl_list_empty(&conn->recv.ooo) && pl_seq64_le(conn->recv.lost_end, conn->recv.nxt) &&
           contiguous(conn, sf);
}

static void sum_len(void *arg, uint64_t tag, struct pl_chunk *chunk, uint32_t offset, uint32_t len,
                    plait_time sent_at, const struct pl_tcp_origin *origin) {
    uint64_t *sum = arg;
    (void)tag, (void)chunk, (void)offset, (void)sent_at, (void)origin;
    *sum += len;
}

/* The peer's FIN came while the bytes before it were in doubt. */
static bool ended(const struct pl_subflow *sf) {
    switch (pl_tcp_state(&sf->tcp)) {
        case PL_TCP_ST_CLOSE_WAIT:
        case PL_TCP_ST_CLOSING:
        case PL_TCP_ST_LAST_ACK:
        case PL_TCP_ST_TIME_WAIT:
            return true;
        default:
            return false;
    }
}

/* What the subflow has held back is the stream's next. */
static void take_held(struct pl_subflow *sf, plait_time now) {
    bool asked = sf->doubtful;
    sf->doubtful = false;
    sf->fail_at = PLAIT_TIME_NEVER;
    sf->fail_count = 0;
    sf->fail_pending = sf->fail_pending && !asked;
    pl_map_flush(sf, now);
    if (asked && ended(sf)) {
        pl_recv_fin(sf->conn, sf->conn->recv.nxt, now);
    }
}

void pl_fallback(struct pl_conn *conn, struct pl_subflow *sf, enum pl_fallback_reason reason,
                 plait_time now) {
    uint64_t inflight = 0;
    PL_ASSERT(conn->mode == PL_MODE_MPTCP);
    PL_ASSERT(!sf->join);
    PL_CONN_TRACE(conn, sf->serial, now, fallback, reason, 0, 0, 0);
    bool spoke = conn->capable >= PL_CAPABLE_KEYS;
    conn->mode = PL_MODE_PLAIN;
    pl_conn_count(conn);
    conn->fallen_back = true;
    conn->capable = PL_CAPABLE_NONE;
    conn->fin_on_ack = false;
    /* What is not in flight any more was acknowledged by the subflow. */
    pl_tcp_inflight_walk(&sf->tcp, sum_len, &inflight);
    pl_seq64 una = pl_seq64_of(conn->send.nxt.v - inflight);
    if (pl_seq64_lt(conn->send.una, una)) {
        pl_send_data_ack(conn, una, 0, now);
    }
    conn->infinite_pending = spoke && reason != PL_FALLBACK_INFINITE;
    pl_tcp_set_ops(&sf->tcp, &pl_upper_plain);
    take_held(sf, now);
    if (conn->token_added) {
        conn->host->token_remove(conn->host->arg, conn);
        conn->token_added = false;
    }
    PL_SUBFLOW_FOREACH(other, conn) {
        if (other != sf) {
            pl_tcp_abort(&other->tcp, PLAIT_E_ABORTED, now);
        }
    }
    if (conn->send.fin_wanted) {
        pl_tcp_shutdown(&sf->tcp, now);
    }
    pl_conn_say(conn, PLAIT_EVENT_FALLBACK, sf, 0, 0);
    pl_tcp_kick(&sf->tcp);
    pl_conn_touch(conn);
}

bool pl_conn_in_doubt(const struct pl_conn *conn) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->doubtful && sf->phase != PL_SF_DEAD) {
            return true;
        }
    }
    return false;
}

void pl_checksum_failed(struct pl_subflow *sf, struct pl_map *map, plait_time now) {
    PL_ASSERT(sf->conn->checksum);
    PL_ASSERT(sf->conn->mode == PL_MODE_MPTCP);
    PL_ASSERT(sf->phase != PL_SF_DEAD && !sf->doubtful);
    struct pl_conn *conn = sf->conn;
    bool next = pl_seq64_eq(map->dsn, conn->recv.nxt) && sf->unmapped == NULL;
    PL_COUNT(conn->ctx, DataCsumErr);
    sf->fail_pending = true;
    sf->fail_dsn = map->dsn;
    if (!next || !pl_fallback_possible(conn, sf)) {
        PL_COUNT(conn->ctx, DSSCorruptionReset);
        pl_subflow_reset(sf, PL_RESET_MIDDLEBOX, false, PLAIT_E_PROTOCOL, now);
        return;
    }
    PL_COUNT(conn->ctx, DSSCorruptionFallback);
    PL_SUBFLOW_FOREACH(other, conn) { /* none that would be up when the answer comes */
        if (other != sf) {
            pl_subflow_reset(other, PL_RESET_UNSPECIFIED, true, PLAIT_E_ABORTED, now);
        }
    }
    sf->doubtful = true;
    sf->fail_count = 0;
    sf->fail_at = now;
    pl_map_doubt(sf, map);
    pl_conn_touch(conn);
}

/* Payload whose mapping is late, and not for a doubt of ours. */
static bool unmapped(const struct pl_subflow *sf) {
    return sf->unmapped != NULL && !sf->doubtful && sf->phase != PL_SF_DEAD;
}

/* Somebody takes mappings away: nothing that the subflow brings can be delivered (section 3.7). */
static void end_unmapped(struct pl_conn *conn, plait_time now) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (unmapped(sf) && conn->mode == PL_MODE_MPTCP && now >= sf->fail_at) {
            PL_COUNT(conn->ctx, DSSNoMatchTCP);
            pl_pm_rst_reason(sf, PL_RESET_MIDDLEBOX, false); /* nor would the next one bring more */
            pl_subflow_reset(sf, PL_RESET_MIDDLEBOX, false, PLAIT_E_PROTOCOL, now);
        }
    }
}

void pl_fail_run(struct pl_conn *conn, plait_time now) {
    end_unmapped(conn, now);
    PL_SUBFLOW_FOREACH(sf, conn) {
        bool due = now >= sf->fail_at || others(conn, sf) > 0;
        if (!sf->doubtful || sf->phase == PL_SF_DEAD || !due) {
            continue;
        }
        if (sf->fail_count == FAILS_MAX || others(conn, sf) > 0) {
            pl_subflow_reset(sf, PL_RESET_MIDDLEBOX, false, PLAIT_E_PROTOCOL, now);
            continue;
        }
        uint64_t by_rtt = sf->tcp.rtt.srtt_ns + 4 * sf->tcp.rtt.rttvar_ns;
        uint64_t base = by_rtt > 200 * PLAIT_NS_PER_MS ? by_rtt : 200 * PLAIT_NS_PER_MS;
        sf->fail_at = now + (base << sf->fail_count);
        sf->fail_count++;
        pl_tcp_ack_now(&sf->tcp);
    }
}

plait_time pl_fail_deadline(const struct pl_conn *conn) {
    plait_time first = PLAIT_TIME_NEVER;
    PL_SUBFLOW_FOREACH(sf, conn) {
        bool waits = unmapped(sf) || (sf->doubtful && sf->phase != PL_SF_DEAD);
        if (waits && conn->mode == PL_MODE_MPTCP && sf->fail_at < first) {
            first = sf->fail_at;
        }
    }
    return first;
}

/* The start of a mapping that we sent and that was not DATA_ACKed; an answer may name any byte that
 * was sent. */
static bool plausible(const struct pl_subflow *sf, pl_seq64 dsn) {
    const struct pl_send *s = &sf->conn->send;
    pl_seq64 end = pl_seq64_add(s->nxt, s->fin_sent ? 1 : 0);
    return pl_seq64_le(dsn, end) && (sf->doubtful || pl_seq64_le(s->una, dsn));
}

enum pl_verdict pl_fail_in(struct pl_subflow *sf, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(pl_mptcp_has(&seg->options.mptcp, PL_MP_FAIL));
    PL_ASSERT(sf->conn->mode == PL_MODE_MPTCP);
    struct pl_conn *conn = sf->conn;
    bool asked = sf->doubtful;
    PL_COUNT(conn->ctx, MPFailRx);
    if (!plausible(sf, pl_seq64_of(seg->options.mptcp.fail.dsn))) {
        return PL_VERDICT_OK;
    }
    if (!asked) { /* answered in kind, also on a RST (section 3.7) */
        sf->fail_pending = true;
        sf->fail_dsn = conn->recv.nxt;
    }
    if (!pl_fallback_possible(conn, sf)) {
        sf->reset_reason = PL_RESET_MPTCP;
        return PL_VERDICT_RESET;
    }
    pl_fallback(conn, sf, PL_FALLBACK_MP_FAIL, now);
    if (!asked) {
        pl_tcp_ack_now(&sf->tcp);
    }
    return PL_VERDICT_OK;
}

void pl_fail_again(struct pl_subflow *sf, const struct pl_segment *seg) {
    PL_ASSERT(sf->conn->mode == PL_MODE_PLAIN);
    bool waits = pl_mptcp_has(&seg->options.mptcp, PL_MP_DSS);
    if (!sf->conn->fallen_back || !waits || sf->fail_count == ANSWERS_MAX) {
        return;
    }
    PL_COUNT(sf->conn->ctx, MPFailRx);
    sf->fail_count++;
    sf->fail_pending = true;
    sf->fail_dsn = sf->conn->recv.nxt;
    pl_tcp_ack_now(&sf->tcp);
}

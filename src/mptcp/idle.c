/* mptcp/idle.c - the host that only waits.
 *
 * A sender finds out about a dead path by its retransmission timer, a receiver in the middle of a
 * transfer by the sudden silence (stale.c). A host that waits for the peer's next word has neither:
 * when its address was changed by a NAT, or its path died, the peer's words do not arrive, and the
 * peer may be unable to open a path from its side. Plain TCP would wait for ever, and keep-alives
 * are off by default (RFC 9293 section 3.8.4), because all they can do is to end a connection.
 *
 * Here it is another matter: who has another way can go it. So a subflow of a connection for which
 * there are several paths is asked for a sign of life when it has been silent for a while, ever
 * more rarely the longer nothing was said (15 s at first, 10 minutes at last). No answer to three
 * questions: when another subflow works the path is dead, and is probed for its return; when it was
 * the last one it stays, for the outage may pass, but all paths, its own included, are tried for
 * another. The first that comes up replaces it; a word on it ends the search. Connections with one
 * path are as plain TCP: who wants to know sets a keep-alive. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"

enum { QUESTIONS_MAX = 3, ANSWER_MS_MIN = 500 };
#define SILENCE_NS_MIN (15 * PLAIT_NS_PER_S)
#define SILENCE_NS_MAX (600 * PLAIT_NS_PER_S)

bool pl_idle_watched(const struct pl_subflow *sf) {
    const struct pl_conn *conn = sf->conn;
    return pl_conn_fully_established(conn) && sf->phase == PL_SF_UP && !sf->stale &&
           !conn->recv.fin_reached && pl_seq32_eq(sf->tcp.snd.una, sf->tcp.snd.nxt) &&
           pl_pm_has_choice(conn);
}

/* How long it may be silent before it is asked: half as long as nothing was said. */
static uint64_t patience(const struct pl_subflow *sf) {
    plait_time in = sf->tcp.stats.last_data_in, out = sf->tcp.snd.last_sent;
    plait_time said = in > out ? in : out;
    uint64_t quiet = sf->last_in > said ? (sf->last_in - said) / 2 : 0;
    return quiet < SILENCE_NS_MIN   ? SILENCE_NS_MIN
           : quiet < SILENCE_NS_MAX ? quiet
                                    : SILENCE_NS_MAX;
}

plait_time pl_idle_next(const struct pl_subflow *sf) {
    PL_ASSERT(sf->probes <= QUESTIONS_MAX);
    uint64_t by_rtt = 2 * sf->tcp.rtt.srtt_ns + 4 * sf->tcp.rtt.rttvar_ns;
    uint64_t least = ANSWER_MS_MIN * PLAIT_NS_PER_MS;
    if (sf->probes == 0) {
        return sf->last_in + patience(sf);
    }
    return sf->probed_at + ((by_rtt > least ? by_rtt : least) << (sf->probes - 1));
}

void pl_idle_look(struct pl_subflow *sf, bool others, plait_time now) {
    PL_ASSERT(pl_idle_watched(sf));
    if (now < pl_idle_next(sf)) {
        return;
    }
    if (sf->probes < QUESTIONS_MAX) {
        sf->probes++;
        sf->probed_at = now;
        pl_tcp_probe(&sf->tcp);
        return;
    }
    PL_COUNT(sf->conn->ctx, SubflowStale);
    PL_CONN_TRACE(sf->conn, sf->serial, now, subflow_stale, 4, 0, 0, 0);
    if (others) {
        pl_pm_path_dead(sf, now);
        return;
    }
    sf->stale = true;
    sf->silent = true;
    sf->give_up = true; /* as soon as there is another one */
    pl_pm_path_silent(sf, now);
}

void pl_idle_heard(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->silent && sf->stale);
    sf->silent = false;
    pl_pm_path_heard(sf);
    pl_stale_recovered(sf, now);
}

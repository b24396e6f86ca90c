/* mptcp/sched/redundant.c - every byte on every path, for those who pay for delay and not for
 * bytes: a loss or the death of a path costs nothing while another one works.
 *
 * Each subflow goes through the stream by itself. Whoever is at its head takes new bytes; the
 * others follow with copies, and leap over what was acknowledged in the meantime, so a slow path
 * repeats the bytes that are missing now and not old ones. Backups and stale subflows take no part
 * while there are better ones.
 *
 * What was in flight when this scheduler was chosen went out once, as was wanted then, and is
 * repeated when it is lost. A subflow that comes up later carries nothing yet and begins with the
 * oldest byte that is not acknowledged. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/sched/sched.h"
#include "mptcp/subflow.h"

enum { PLACES = 36 }; /* subflows_max at most, and those that are being replaced */

/* How far a subflow has come. */
struct place {
    uint32_t serial; /* 0: free */
    pl_seq64 to;
};

struct places {
    struct place place[PLACES];
    bool begun;
};

/* The subflows that are there begin with the next byte: they may carry those before it. */
static void begin(struct pl_conn *conn, struct places *places) {
    unsigned count = 0;
    places->begun = true;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (pl_subflow_usable(sf) && count < PLACES) {
            places->place[count++] = (struct place){.serial = sf->serial, .to = conn->send.nxt};
        }
    }
}

/* The place of a subflow, NULL when all are taken by others that live. */
static struct place *place_of(struct pl_conn *conn, const struct pl_subflow *sf) {
    struct places *places = conn->sched_state;
    struct place *free_place = NULL;
    PL_ASSERT(sf->serial != 0);
    if (!places->begun) {
        begin(conn, places);
    }
    for (unsigned i = 0; i < PLACES; i++) {
        struct place *p = &places->place[i];
        if (p->serial == sf->serial) {
            return p;
        }
        bool gone = p->serial == 0 || pl_conn_subflow(conn, p->serial) == NULL;
        free_place = free_place == NULL && gone ? p : free_place;
    }
    if (free_place != NULL) {
        *free_place = (struct place){.serial = sf->serial, .to = conn->send.una};
    }
    return free_place;
}

static struct pl_subflow *prefer(struct pl_conn *conn, struct pl_subflow *asking, plait_time now) {
    unsigned rank = pl_sched_best_rank(conn, asking);
    (void)now;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (pl_sched_rank(asking) > rank && pl_subflow_usable(sf) && pl_sched_rank(sf) == rank) {
            return sf;
        }
    }
    return NULL;
}

static void advance(struct pl_conn *conn, struct pl_subflow *sf, pl_seq64 to) {
    struct place *p = place_of(conn, sf);
    PL_ASSERT(pl_seq64_le(to, conn->send.nxt));
    if (p != NULL) {
        p->to = to;
    }
}

static void took(struct pl_conn *conn, struct pl_subflow *sf, uint32_t bytes) {
    PL_ASSERT(bytes > 0);
    advance(conn, sf, conn->send.nxt);
    PL_SUBFLOW_FOREACH(other, conn) {
        if (other != sf && pl_subflow_usable(other)) {
            pl_tcp_kick(&other->tcp);
        }
    }
}

static bool copy(struct pl_conn *conn, struct pl_subflow *sf, pl_seq64 *from) {
    const struct place *p = place_of(conn, sf);
    if (p == NULL || pl_sched_rank(sf) > pl_sched_best_rank(conn, sf)) {
        return false;
    }
    *from = pl_seq64_max(p->to, conn->send.una);
    return pl_seq64_lt(*from, conn->send.nxt);
}

const struct pl_sched pl_sched_redundant = {
    .name = "redundant",
    .state_bytes = sizeof(struct places),
    .prefer = prefer,
    .took = took,
    .copy = copy,
    .copied = advance,
};

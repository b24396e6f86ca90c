/* mptcp/pm/paths.c - the table of wanted paths: making it, opening what is missing, trying again.
 *
 * A path is (local port and address, address of the peer). Which are wanted is decided in rules.c.
 * A path that lost its subflow is tried again for as long as it is wanted, which Linux does not do.
 *
 * Attempts: each is one join with a short patience. A path that worked before is tried about once a
 * second at first, so that its return is noticed soon, later every 30 s. An RST that calls itself
 * permanent, or three in a row, end the attempts until the port comes up anew (RFC 8684
 * sections 3.4.1 and 3.6). */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"
#include "wire/ip.h"

enum {
    QUICK_TRIES = 30,
    RETRY_MS_MAX = 30000,
    REFUSALS_MAX = 3,
    EARLY_MS = 1000, /* an answer so soon after a path's death means that it was not dead */
};

/* SYNs go out after 0, 1 and 3 s: an attempt of two seconds makes it one each second. Longer ones
 * find paths with a very long round trip; as they leave two seconds without a SYN, they are rare.
 */
enum { LONG_TRY = 16, LISTENER_WAIT_MS = 100 };
#define OVERLOADED_NS (5 * PLAIT_NS_PER_S)
#define SHORT_TRY_NS (2 * PLAIT_NS_PER_S)

struct pl_path *pl_pm_path_of(const struct pl_conn *conn, const struct pl_subflow *sf) {
    struct pl_pm *pm = conn->pm;
    for (unsigned i = 0; pm != NULL && i < pm->path_count; i++) {
        if (pm->paths[i].subflow == sf->serial) {
            return &pm->paths[i];
        }
    }
    return NULL;
}

static struct pl_path *path_find(struct pl_pm *pm, const struct pl_path_key *key) {
    PL_ASSERT(key->remote_index < pm->remote_count);
    for (unsigned i = 0; i < pm->path_count; i++) {
        struct pl_path *p = &pm->paths[i];
        if (p->port == key->port && p->remote_index == key->remote_index &&
            p->ordinal == key->ordinal && pl_addr_equal(&p->local, &key->local)) {
            return p;
        }
    }
    return NULL;
}

void pl_pm_want(struct pl_conn *conn, const struct pl_path_key *key, uint8_t local_id) {
    PL_ASSERT(key->local.family != PLAIT_FAMILY_NONE && key->port != 0);
    struct pl_pm *pm = conn->pm;
    struct pl_path *p = path_find(pm, key);
    if (p != NULL) {
        p->wanted = true;
        return;
    }
    for (unsigned i = 0; p == NULL && i < pm->path_count; i++) { /* take an unused place */
        if (!pm->paths[i].wanted && pm->paths[i].subflow == 0) {
            p = &pm->paths[i];
        }
    }
    if (p == NULL) {
        p = pl_pm_add_path(conn->ctx, pm);
    }
    if (p == NULL) {
        pm->rescan = pm->path_count < PL_PATHS_MAX; /* there may be memory next time */
        return;
    }
    *p = (struct pl_path){
        .port = key->port,
        .local = key->local,
        .remote_index = key->remote_index,
        .ordinal = key->ordinal,
        .wanted = true,
        .fresh = true,
        .local_id = local_id,
    };
}

static void rescan(struct pl_conn *conn) {
    struct pl_pm *pm = conn->pm;
    const struct pl_endpoints *table = conn->host->endpoints;
    if (!pm->rescan && pm->generation == table->generation) {
        return;
    }
    pm->rescan = false;
    pm->moved = pm->moved || (pm->scanned && pm->generation != table->generation);
    pm->scanned = true;
    pm->generation = table->generation;
    for (unsigned i = 0; i < pm->path_count; i++) {
        pm->paths[i].wanted = false;
    }
    pl_pm_rules_run(conn);
}

/* ---- attempts ---- */

static uint64_t retry_delay(const struct pl_path *p) {
    if (p->worked && p->failures < QUICK_TRIES) {
        return 0; /* the attempt itself took its second */
    }
    uint64_t ms = p->worked ? RETRY_MS_MAX : 1000U << (p->failures > 5 ? 5 : p->failures);
    return (ms > RETRY_MS_MAX ? RETRY_MS_MAX : ms) * PLAIT_NS_PER_MS;
}

static void failed(struct pl_path *p, uint64_t delay_ns, plait_time now) {
    p->failures = p->failures < 255 ? (uint8_t)(p->failures + 1) : 255;
    p->retry_at = now + delay_ns;
}

/* Whether the endpoint's port is up, and what it says about backup. */
static const struct pl_local_endpoint *endpoint_of(const struct pl_conn *conn,
                                                   const struct pl_path *p) {
    const struct pl_local_endpoint *ep =
        pl_endpoints_find(conn->host->endpoints, p->port, &p->local);
    return ep != NULL && ep->up ? ep : NULL;
}

/* The local port of the first subflow, which firewalls and people know (RFC 8684 section 3.9.1).
 * Once only, and not when addresses have come and gone: the peer may still hold a subflow that died
 * here. Not on the side that was connected to: the peer's joins go to that port, and there is no
 * simultaneous open of subflows. */
static uint16_t port_to_try(const struct pl_conn *conn, struct pl_path *p) {
    uint16_t wanted = pl_policy_tcp_port(conn->policy, p->port, &p->local);
    if (wanted != 0) {
        return wanted; /* the application's */
    }
    bool again = p->tried || p->worked;
    p->tried = true;
    return again || conn->pm->moved || !conn->initiator ? 0 : conn->tuple.local_port;
}

/* What Linux calls socket() and bind(): nothing more can fail before the SYN is on its way. */
static void count_failure(struct pl_conn *conn, int error) {
    PL_ASSERT(error < 0);
    if (error == PLAIT_E_NO_MEMORY) {
        PL_COUNT(conn->ctx, MPJoinSynTxCreatSkErr);
    } else {
        PL_COUNT(conn->ctx, MPJoinSynTxBindErr);
    }
}

static void attempt(struct pl_conn *conn, struct pl_path *p, plait_time now) {
    PL_ASSERT(p->wanted && p->subflow == 0);
    PL_ASSERT(p->remote_index < conn->pm->remote_count);
    const struct pl_remote *r = &conn->pm->remotes[p->remote_index];
    const struct pl_local_endpoint *ep = endpoint_of(conn, p);
    struct pl_subflow *sf = NULL;
    if (ep == NULL) {
        p->retry_at = PLAIT_TIME_NEVER; /* pl_pm_port_up and rescan set it anew */
        return;
    }
    if (!pl_pm_id_free(conn, p->local_id, &p->local)) {
        p->local_id = pl_pm_new_id(conn);
    }
    struct pl_subflow_setup setup = {
        .port = p->port,
        .tuple = {.local = p->local,
                  .remote = r->addr,
                  .local_port = port_to_try(conn, p),
                  .remote_port = r->port},
        .initiator = true,
        .join = true,
        .backup = ep->backup,
        .local_id = p->local_id,
        .remote_id = r->id,
        .syn_timeout_ns = p->worked && p->failures % LONG_TRY != LONG_TRY - 1 ? SHORT_TRY_NS : 0,
    };
    int rc = pl_subflow_create(conn, &setup, &sf, now);
    bool asked_for = pl_policy_tcp_port(conn->policy, p->port, &p->local) != 0;
    if (rc == PLAIT_E_IN_USE && setup.tuple.local_port != 0 && !asked_for) {
        setup.tuple.local_port = 0;
        rc = pl_subflow_create(conn, &setup, &sf, now);
    }
    if (rc < 0) {
        count_failure(conn, rc);
        failed(p, PLAIT_NS_PER_S, now);
        return;
    }
    PL_CONN_TRACE(conn, sf->serial, now, path_probe, p->local_id, r->id, p->failures, 0);
    sf->nonce_local = pl_ctx_random32(conn->ctx);
    p->subflow = sf->serial;
    pl_tcp_connect(&sf->tcp, now);
}

uint32_t pl_pm_alive_count(const struct pl_conn *conn) {
    uint32_t n = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        n += sf->phase != PL_SF_DEAD && sf->phase != PL_SF_CLOSING ? 1 : 0;
    }
    return n;
}

static bool due(const struct pl_path *p) {
    return p->wanted && !p->given_up && p->subflow == 0;
}

/* Nothing left to try and nothing alive, and the peer refused a path that had worked: it does not
 * know the connection any more. Only the initiator can tell: whoever accepted may be unable to
 * reach the peer, which will come back. */
static bool hopeless(const struct pl_conn *conn) {
    const struct pl_pm *pm = conn->pm;
    bool refused = false;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (!sf->silent || sf->tcp.rec.rto_count > 0) { /* it asks for itself */
            return false;
        }
    }
    if (!conn->initiator) {
        return false;
    }
    for (unsigned i = 0; i < pm->path_count; i++) {
        const struct pl_path *p = &pm->paths[i];
        if (p->wanted && !p->given_up) {
            return false;
        }
        refused = refused || (p->wanted && p->worked);
    }
    return refused;
}

/* A path may have been refused only because the peer had enough others. */
static void second_chance(struct pl_pm *pm, plait_time now) {
    pm->alone = true;
    for (unsigned i = 0; i < pm->path_count; i++) {
        struct pl_path *p = &pm->paths[i];
        if (p->given_up) {
            p->given_up = false;
            p->failures = 0;
            p->refusals = 0;
            p->retry_at = now;
        }
    }
}

/* The peer knows it: it is that of the first subflow, or announced. */
static bool known_to_peer(const struct pl_conn *conn, const struct plait_addr *local) {
    const struct pl_local_endpoint *ep = pl_endpoints_find(conn->host->endpoints, 0, local);
    PL_ASSERT(local->family != PLAIT_FAMILY_NONE);
    return pl_addr_equal(local, &conn->tuple.local) ||
           (ep != NULL && (ep->flags & PLAIT_ADDRESS_SIGNAL) != 0);
}

/* Both ends may want a subflow between the same addresses: who accepted the connection waits for a
 * random time, so that the other's SYN comes first (RFC 8684 section 3.9.2). */
static void first_wait(struct pl_conn *conn, struct pl_path *p, plait_time now) {
    if (p->fresh && p->wanted && !conn->initiator && known_to_peer(conn, &p->local)) {
        p->retry_at = now + pl_ctx_random32(conn->ctx) % LISTENER_WAIT_MS * PLAIT_NS_PER_MS;
    }
    p->fresh = false;
}

/* The peer has opened what we would: a subflow between the same addresses, or from the address
 * that has this id though a NAT shows another one (RFC 8684 section 3.4). */
static bool adopt(const struct pl_conn *conn, struct pl_path *p) {
    const struct pl_remote *r = &conn->pm->remotes[p->remote_index];
    PL_SUBFLOW_FOREACH(sf, conn) {
        bool remote = pl_addr_equal(&r->addr, &sf->tcp.tuple.remote) ||
                      (r->id != 0 && r->id == sf->remote_id);
        bool theirs = sf->phase == PL_SF_UP && sf->join && !sf->initiator && remote &&
                      sf->port == p->port && pl_addr_equal(&p->local, &sf->tcp.tuple.local);
        if (theirs && pl_pm_path_of(conn, sf) == NULL) {
            p->subflow = sf->serial;
            return true;
        }
    }
    return false;
}

void pl_pm_paths_run(struct pl_conn *conn, plait_time now) {
    PL_ASSERT(conn->pm->path_count <= PL_PATHS_MAX);
    struct pl_pm *pm = conn->pm;
    rescan(conn);
    if (pl_pm_alive_count(conn) == 0 && !pm->alone) {
        second_chance(pm, now);
    }
    for (unsigned i = 0; i < pm->path_count; i++) {
        struct pl_path *p = &pm->paths[i];
        first_wait(conn, p, now);
        if (due(p) && p->retry_at <= now && !adopt(conn, p) &&
            pl_pm_alive_count(conn) < pl_conn_subflows_max(conn)) {
            attempt(conn, p, now);
        }
    }
    if (hopeless(conn)) {
        pl_conn_closed(conn, PLAIT_E_RESET, now);
    }
}

plait_time pl_pm_paths_deadline(const struct pl_conn *conn) {
    plait_time first = PLAIT_TIME_NEVER;
    if (pl_pm_alive_count(conn) >= pl_conn_subflows_max(conn)) {
        return PLAIT_TIME_NEVER;
    }
    for (unsigned i = 0; i < conn->pm->path_count; i++) {
        const struct pl_path *p = &conn->pm->paths[i];
        if (due(p) && p->retry_at < first) {
            first = p->retry_at;
        }
    }
    return first;
}

/* ---- what became of subflows ---- */

void pl_pm_subflow_made(struct pl_subflow *sf, plait_time now) {
    (void)now;
    sf->conn->pm->rescan = true;
}

void pl_pm_subflow_up(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->phase == PL_SF_UP);
    PL_ASSERT(sf->conn->pm != NULL);
    struct pl_conn *conn = sf->conn;
    struct pl_path *p = pl_pm_path_of(conn, sf);
    conn->pm->alone = false;
    if (p != NULL && sf->join) {
        bool early = p->died_at != 0 && now - p->died_at < EARLY_MS * PLAIT_NS_PER_MS;
        p->patience = early && p->patience < 8 ? (uint8_t)(p->patience + 1) : p->patience;
        p->worked = true;
        p->failures = 0;
        p->refusals = 0;
    }
    pl_reinject_stale(conn, now);
}

/* Errors that are permanent when the peer says so (RFC 8684 section 3.6). Linux leaves T clear
 * where it says nothing at all, and what was short of resources need not stay so. */
static bool may_be_final(uint8_t reason) {
    switch (reason) {
        case PL_RESET_MPTCP:
        case PL_RESET_PROHIBITED:
        case PL_RESET_OUTSTANDING:
        case PL_RESET_PERFORMANCE:
        case PL_RESET_MIDDLEBOX:
            return true;
        default:
            return false;
    }
}

void pl_pm_rst_reason(struct pl_subflow *sf, uint8_t reason, bool transient) {
    struct pl_conn *conn = sf->conn;
    conn->broken = conn->broken || reason == PL_RESET_MIDDLEBOX;
    struct pl_path *p = conn->pm != NULL ? pl_pm_path_of(conn, sf) : NULL;
    bool others = false;
    PL_SUBFLOW_FOREACH(other, conn) {
        others = others || (other != sf && pl_subflow_usable(other));
    }
    if (p != NULL) {
        p->overloaded = reason == PL_RESET_RESOURCES;
    }
    if (p == NULL || transient || !may_be_final(reason)) {
        return;
    }
    if (others) {
        p->given_up = true;
    } else {
        /* The peer knows us, and may only count subflows that are gone: keep asking. */
        p->refusals = 0;
        p->failures = p->failures < REFUSALS_MAX ? p->failures : REFUSALS_MAX;
    }
}

void pl_pm_subflow_closed(struct pl_subflow *sf, int error, plait_time now) {
    PL_ASSERT(sf->phase == PL_SF_DEAD);
    PL_ASSERT(error <= 0);
    struct pl_path *p = pl_pm_path_of(sf->conn, sf);
    if (p == NULL) {
        return;
    }
    p->subflow = 0;
    if (sf->join && p->local_id == 0 && p->remote_index == 0) {
        p->local_id = pl_pm_new_id(sf->conn);
    }
    bool refused = error == PLAIT_E_REFUSED || error == PLAIT_E_RESET || sf->hmac_failed;
    if (error == 0) { /* the peer ended it in good order: it does not want it */
        p->given_up = true;
        return;
    }
    p->refusals = refused ? (uint8_t)(p->refusals + 1) : 0;
    uint64_t delay =
        refused ? PLAIT_NS_PER_S << (p->failures > 4 ? 4 : p->failures) : retry_delay(p);
    failed(p, p->overloaded && delay < OVERLOADED_NS ? OVERLOADED_NS : delay, now);
    p->overloaded = false;
    if (p->refusals >= REFUSALS_MAX) {
        p->given_up = true;
    }
}

/* Its path is free for another one, should it be wanted again. */
void pl_pm_let_go(struct pl_subflow *sf) {
    struct pl_path *p = pl_pm_path_of(sf->conn, sf);
    if (p != NULL) {
        p->subflow = 0;
        p->failures = 0;
        p->retry_at = 0;
    }
}

/* The application has ended it: it is not opened again while nothing changes. */
void pl_pm_give_up(struct pl_subflow *sf) {
    struct pl_path *p = pl_pm_path_of(sf->conn, sf);
    PL_ASSERT(sf->phase != PL_SF_DEAD);
    if (p != NULL) {
        p->given_up = true;
        p->subflow = 0;
    }
}

void pl_pm_path_dead(struct pl_subflow *sf, plait_time now) {
    PL_ASSERT(sf->phase != PL_SF_DEAD);
    struct pl_conn *conn = sf->conn;
    struct pl_path *p = pl_pm_path_of(conn, sf);
    const struct plait_addr addr = sf->tcp.tuple.local;
    uint8_t old_id = sf->local_id;
    bool shared = false;
    PL_ASSERT(conn->pm != NULL);
    PL_SUBFLOW_FOREACH(other, conn) {
        shared = shared || (other != sf && other->phase == PL_SF_UP && other->local_id == old_id);
    }
    pl_subflow_reset(sf, PL_RESET_PERFORMANCE, true, PLAIT_E_TIMED_OUT, now);
    if (p != NULL) {
        p->local_id = pl_pm_new_id(conn);
        p->failures = 0;
        p->died_at = now;
        p->retry_at = now;
    }
    if (!shared) {
        pl_pm_remove_addr_out(conn, old_id, &addr, now);
    }
    pl_conn_touch(conn);
}

void pl_pm_path_silent(struct pl_subflow *sf, plait_time now) {
    struct pl_pm *pm = sf->conn->pm;
    PL_ASSERT(pm != NULL && sf->phase == PL_SF_UP);
    struct pl_path *own = pl_pm_path_of(sf->conn, sf);
    if (own != NULL) {
        own->subflow = 0;
        own->local_id = pl_pm_new_id(sf->conn);
        own->died_at = now;
    }
    second_chance(pm, now);
    for (unsigned i = 0; i < pm->path_count; i++) {
        pm->paths[i].failures = 0;
        pm->paths[i].retry_at = now;
    }
    pl_conn_touch(sf->conn);
}

void pl_pm_path_heard(struct pl_subflow *sf) {
    struct pl_pm *pm = sf->conn->pm;
    PL_ASSERT(pm != NULL);
    for (unsigned i = 0; i < pm->path_count; i++) {
        struct pl_path *p = &pm->paths[i];
        if (p->port != sf->port || !pl_addr_equal(&p->local, &sf->tcp.tuple.local) ||
            !pl_addr_equal(&pm->remotes[p->remote_index].addr, &sf->tcp.tuple.remote)) {
            continue;
        }
        struct pl_subflow *attempt = p->subflow != 0 ? pl_conn_subflow(sf->conn, p->subflow) : NULL;
        if (attempt == NULL || attempt->phase == PL_SF_OPENING) {
            p->subflow = sf->serial;
        }
        if (attempt != NULL && attempt != sf) { /* one is enough; not inside TCP's input */
            struct pl_subflow *spare = attempt->phase == PL_SF_OPENING ? attempt : sf;
            spare->remove = true;
        }
        return;
    }
}

bool pl_pm_has_choice(const struct pl_conn *conn) {
    PL_ASSERT(conn->pm != NULL);
    unsigned wanted = 0;
    for (unsigned i = 0; i < conn->pm->path_count; i++) {
        wanted += conn->pm->paths[i].wanted ? 1 : 0;
    }
    return wanted > 1;
}

/* What was given up or waits gets another chance, a failed attempt no sooner than a second from
 * now: a peer that says it all the time must not make us knock all the time. A subflow to the old
 * port goes on, without a path of its own. */
void pl_pm_remote_refreshed(struct pl_conn *conn, uint8_t remote_index, plait_time now) {
    PL_ASSERT(remote_index > 0 && remote_index < conn->pm->remote_count);
    struct pl_pm *pm = conn->pm;
    for (unsigned i = 0; i < pm->path_count; i++) {
        struct pl_path *p = &pm->paths[i];
        if (p->remote_index != remote_index) {
            continue;
        }
        const struct pl_subflow *sf = p->subflow != 0 ? pl_conn_subflow(conn, p->subflow) : NULL;
        if (sf != NULL && sf->phase == PL_SF_UP &&
            sf->tcp.tuple.remote_port != pm->remotes[remote_index].port) {
            p->subflow = 0;
            p->retry_at = now;
        } else if (p->subflow == 0) {
            plait_time soon = now + PLAIT_NS_PER_S;
            p->given_up = false;
            p->failures = 0;
            p->refusals = 0;
            p->retry_at = p->retry_at < soon ? p->retry_at : soon;
        }
    }
}

void pl_pm_port_up(struct pl_conn *conn, plait_port_id port, plait_time now) {
    struct pl_pm *pm = conn->pm;
    for (unsigned i = 0; pm != NULL && i < pm->path_count; i++) {
        struct pl_path *p = &pm->paths[i];
        if (p->port == port) {
            p->retry_at = now;
            p->failures = 0;
            p->refusals = 0;
            p->given_up = false;
        }
    }
    pl_conn_touch(conn);
}

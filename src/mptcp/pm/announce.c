/* mptcp/pm/announce.c - ADD_ADDR and REMOVE_ADDR in both directions (RFC 8684
 * sections 3.4.1, 3.4.2).
 *
 * `signal` endpoints are announced one at a time, each repeated until its echo came or three tries
 * went by. In version 0 (RFC 6824) there is no echo: each goes out on every live subflow, and again
 * until a subflow to it came or the tries went by. REMOVE_ADDR has no echo: it goes out on every
 * live subflow, and again a few times. Signals ride on ACKs of their own. */
#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/keys.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"
#include "wire/addr.h"

enum { ANNOUNCE_TRIES = 3, REMOVE_TIMES = 3 };
/* ---- incoming ---- */

static struct pl_remote *remote_by_id(struct pl_pm *pm, uint8_t id) {
    PL_ASSERT(pm->remote_count <= PL_REMOTES_MAX);
    for (unsigned i = 1; i < pm->remote_count; i++) {
        if (pm->remotes[i].id == id) {
            return &pm->remotes[i];
        }
    }
    return NULL;
}

static void echo_in(struct pl_conn *conn, const struct pl_mptcp_options *o) {
    PL_ASSERT(o->add_addr.echo);
    struct pl_pm *pm = conn->pm;
    PL_COUNT(conn->ctx, EchoAdd);
    PL_COUNT_N(conn->ctx, PortAdd, o->add_addr.has_port ? 1 : 0); /* echoes, too, as Linux */
    for (unsigned i = 0; i < pm->announcement_count; i++) {
        struct pl_announcement *a = &pm->announcements[i];
        if (a->endpoint_id == o->add_addr.address_id) {
            a->echoed = true;
            a->pending = false;
            pl_conn_touch(conn);
        }
    }
}

static bool hmac_right(const struct pl_conn *conn, const struct pl_mptcp_options *o) {
    PL_ASSERT(!o->add_addr.echo);
    struct pl_remote_addr_msg msg = {
        .id = o->add_addr.address_id,
        .addr = o->add_addr.addr,
        .port = o->add_addr.has_port ? o->add_addr.port : 0,
    };
    uint64_t own =
        pl_add_addr_hmac(conn->ctx->env, conn->keys.remote_key, conn->keys.local_key, &msg);
    return pl_key_equal(own, o->add_addr.hmac);
}

/* Version 0 knows no proof but that the segment passed TCP's checks (RFC 6824 section 3.4.1). */
static bool genuine(const struct pl_conn *conn, const struct pl_mptcp_options *o) {
    return conn->version->address_signed ? !o->add_addr.is_v0 && hmac_right(conn, o)
                                         : o->add_addr.is_v0;
}

/* Whether it is another host's, and a subflow can be opened to it. A right HMAC does not say that:
 * the peer may be mistaken, or want us to knock where it cannot (RFC 8684 section 3.4.1). */
static bool plausible(const struct pl_conn *conn, const struct pl_mptcp_options *o) {
    const struct plait_addr *addr = &o->add_addr.addr;
    bool own = pl_addr_equal(addr, &conn->tuple.local) ||
               pl_endpoints_find(conn->host->endpoints, 0, addr) != NULL;
    return o->add_addr.address_id != 0 && pl_addr_is_host(addr) && !own &&
           !(o->add_addr.has_port && o->add_addr.port == 0);
}

/* Where a new address goes: `old` (its id's last entry) or another one that is of no use any more,
 * else a new one; NULL when the limit is reached. Paths to the old address are forgotten. */
static struct pl_remote *remote_place(struct pl_conn *conn, struct pl_remote *old) {
    struct pl_pm *pm = conn->pm;
    uint32_t usable = 0;
    for (unsigned i = 1; i < pm->remote_count; i++) {
        usable += pm->remotes[i].usable ? 1 : 0;
        old = old == NULL && !pm->remotes[i].usable ? &pm->remotes[i] : old;
    }
    if (usable >= pl_conn_add_addr_accepted_max(conn)) {
        return NULL;
    }
    if (old == NULL) {
        return pl_pm_add_remote(conn->ctx, pm);
    }
    PL_ASSERT(!old->usable);
    for (unsigned i = 0; i < pm->path_count; i++) {
        if (pm->paths[i].remote_index == old - pm->remotes) {
            pm->paths[i] = (struct pl_path){.wanted = false};
        }
    }
    return old;
}

/* The port of an address that was announced without: that of the subflow that brought it (RFC 8684
 * section 3.4.1). One that the peer opened comes from a port where nobody listens: the first one,
 * then, as Linux has it always. */
static uint16_t port_of(const struct pl_subflow *sf) {
    PL_ASSERT(sf->conn->pm->remote_count > 0);
    return sf->initiator ? sf->tcp.tuple.remote_port : sf->conn->pm->remotes[0].port;
}

void pl_pm_add_addr_in(struct pl_subflow *sf, const struct pl_mptcp_options *o, plait_time now) {
    PL_ASSERT(pl_mptcp_has(o, PL_MP_ADD_ADDR));
    PL_ASSERT(sf->conn->pm != NULL);
    struct pl_conn *conn = sf->conn;
    struct pl_pm *pm = conn->pm;
    if (o->add_addr.echo) {
        echo_in(conn, o);
        return;
    }
    PL_COUNT(conn->ctx, AddAddr);
    if (!genuine(conn, o) || !plausible(conn, o)) {
        PL_COUNT(conn->ctx, AddAddrDrop);
        return;
    }
    if (o->add_addr.has_port) {
        PL_COUNT(conn->ctx, PortAdd);
    }
    struct pl_remote *r = remote_by_id(pm, o->add_addr.address_id);
    bool known = r != NULL && r->usable;
    if (known && !pl_addr_equal(&r->addr, &o->add_addr.addr)) {
        PL_COUNT(conn->ctx, AddAddrDrop); /* an id names one address until it is removed */
        return;
    }
    if (!known) {
        r = remote_place(conn, r);
        if (r == NULL) {
            PL_COUNT(conn->ctx, AddAddrDrop);
            return;
        }
    }
    PL_CONN_TRACE(conn, sf->serial, now, add_addr, o->add_addr.address_id, 0, 0, 0);
    r->addr = o->add_addr.addr;
    r->id = o->add_addr.address_id;
    r->has_port = o->add_addr.has_port;
    r->port = o->add_addr.has_port ? o->add_addr.port : port_of(sf);
    r->usable = true;
    pm->rescan = true;
    if (conn->version->address_signed) {
        r->echo_pending = true;
        pl_tcp_ack_now(&sf->tcp);
    }
    pl_conn_touch(conn);
    if (known) {
        pl_pm_remote_refreshed(conn, (uint8_t)(r - pm->remotes), now);
        return;
    }
    pl_conn_say(conn, PLAIT_EVENT_ANNOUNCED, sf, 0, r->id);
}

/* What works is asked first whether it still does; the last usable subflow only that: if it is
 * dead, TCP will find out. True when this is news. */
static bool close_by_remote_id(struct pl_conn *conn, uint8_t id, plait_time now) {
    bool news = false;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->remote_id != id || sf->phase == PL_SF_DEAD) {
            continue;
        }
        news = news || !sf->doubted;
        if (sf->phase == PL_SF_UP) {
            pl_stale_doubt(sf, now);
            continue;
        }
        sf->remove = true; /* not inside TCP's input: pl_pm_announce_run resets it */
    }
    return news;
}

void pl_pm_remove_addr_in(struct pl_subflow *sf, const struct pl_mptcp_options *o, plait_time now) {
    PL_ASSERT(pl_mptcp_has(o, PL_MP_REMOVE_ADDR));
    PL_ASSERT(o->remove_addr.count > 0 && sf->conn->pm != NULL);
    struct pl_conn *conn = sf->conn;
    struct pl_pm *pm = conn->pm;
    PL_COUNT_N(conn->ctx, RmAddr, o->remove_addr.count); /* as Linux: ids, not options */
    for (unsigned i = 0; i < o->remove_addr.count; i++) {
        uint8_t id = o->remove_addr.ids[i];
        struct pl_remote *r = id == 0 ? &pm->remotes[0] : remote_by_id(pm, id);
        PL_CONN_TRACE(conn, sf->serial, now, remove_addr, id, 0, 0, 0);
        bool known = r != NULL && r->usable;
        if (known) {
            r->usable = false;
            pm->rescan = true;
        }
        if (close_by_remote_id(conn, id, now) || known) { /* it is said more than once */
            pl_conn_say(conn, PLAIT_EVENT_REMOVED, sf, 0, id);
        }
    }
    pl_conn_touch(conn);
}

/* ---- outgoing ---- */

/* Where a removal of `id` goes: its old entry, one that is done, a new one, or the oldest, which
 * was said several times. NULL when there is no memory: then the peer finds out by itself. */
static struct pl_removal *removal_place(struct pl_conn *conn, uint8_t id) {
    struct pl_pm *pm = conn->pm;
    struct pl_removal *place = NULL;
    PL_ASSERT(pm->removal_count <= PL_REMOVALS_MAX);
    for (unsigned i = 0; i < pm->removal_count; i++) {
        struct pl_removal *r = &pm->removals[i];
        if (r->left > 0 && r->id == id) {
            return r;
        }
        place = place == NULL && r->left == 0 ? r : place;
    }
    place = place == NULL ? pl_pm_add_removal(conn->ctx, pm) : place;
    return place != NULL || pm->removal_count == 0 ? place : &pm->removals[0];
}

void pl_pm_remove_addr_out(struct pl_conn *conn, uint8_t id, const struct plait_addr *addr,
                           plait_time now) {
    PL_ASSERT(conn->pm != NULL);
    struct pl_pm *pm = conn->pm;
    struct pl_removal *place = removal_place(conn, id);
    if (place == NULL || (place->id != id && place->left == REMOVE_TIMES)) {
        PL_COUNT(conn->ctx, RmAddrTxDrop); /* this one, or another that was never said */
    }
    if (place != NULL) {
        *place = (struct pl_removal){.id = id, .addr = *addr, .left = REMOVE_TIMES, .next = now};
    }
    for (unsigned i = 0; i < pm->announcement_count; i++) {
        if (pm->announcements[i].endpoint_id == id) {
            pm->announcements[i] = pm->announcements[--pm->announcement_count];
            break;
        }
    }
    pl_conn_touch(conn);
}

bool pl_pm_is_announced(const struct pl_conn *conn, uint8_t id) {
    PL_ASSERT(conn->pm != NULL);
    for (unsigned i = 0; i < conn->pm->announcement_count; i++) {
        if (conn->pm->announcements[i].endpoint_id == id) {
            return true;
        }
    }
    return false;
}

void pl_pm_removal_cancel(struct pl_conn *conn, uint8_t id, const struct plait_addr *addr) {
    PL_ASSERT(conn->pm != NULL);
    for (unsigned i = 0; i < conn->pm->removal_count; i++) {
        struct pl_removal *r = &conn->pm->removals[i];
        if (r->id == id && pl_addr_equal(&r->addr, addr)) {
            r->left = 0;
        }
    }
}

bool pl_pm_removal_pending(const struct pl_conn *conn, uint8_t id) {
    PL_ASSERT(conn->pm != NULL);
    for (unsigned i = 0; i < conn->pm->removal_count; i++) {
        if (conn->pm->removals[i].left > 0 && conn->pm->removals[i].id == id) {
            return true;
        }
    }
    return false;
}

static void add_addr_of(const struct pl_conn *conn, const struct pl_local_endpoint *ep,
                        struct pl_mptcp_options *o) {
    PL_ASSERT(ep->id != 0);
    bool natted = ep->outside.family != PLAIT_FAMILY_NONE;
    const struct plait_addr *addr = natted ? &ep->outside : &ep->addr;
    struct pl_remote_addr_msg msg = {ep->id, *addr, ep->announce_port};
    o->add_addr.address_id = ep->id;
    o->add_addr.addr = *addr;
    o->add_addr.has_port = ep->announce_port != 0;
    o->add_addr.port = ep->announce_port;
    o->add_addr.is_v0 = !conn->version->address_signed;
    if (conn->version->address_signed) {
        o->add_addr.hmac =
            pl_add_addr_hmac(conn->ctx->env, conn->keys.local_key, conn->keys.remote_key, &msg);
    }
}

static struct pl_announcement *pending_announcement(const struct pl_conn *conn) {
    struct pl_pm *pm = conn->pm;
    for (unsigned i = 0; i < pm->announcement_count; i++) {
        if (pm->announcements[i].pending) {
            return &pm->announcements[i];
        }
    }
    return NULL;
}

static uint32_t write_echo(struct pl_conn *conn, uint8_t *out, uint32_t room) {
    struct pl_pm *pm = conn->pm;
    for (unsigned i = 1; i < pm->remote_count; i++) {
        struct pl_remote *r = &pm->remotes[i];
        struct pl_mptcp_options o = {0};
        o.add_addr.echo = true;
        o.add_addr.address_id = r->id;
        o.add_addr.addr = r->addr;
        o.add_addr.has_port = r->has_port;
        o.add_addr.port = r->port;
        if (r->echo_pending && pl_mptcp_len(PL_MP_ADD_ADDR, &o) <= room) {
            r->echo_pending = false;
            PL_COUNT(conn->ctx, EchoAddTx);
            return pl_mptcp_write(out, PL_MP_ADD_ADDR, &o);
        }
    }
    return 0;
}

static uint32_t write_announcement(struct pl_subflow *sf, uint8_t *out, uint32_t room) {
    struct pl_conn *conn = sf->conn;
    bool everywhere = !conn->version->address_signed;
    struct pl_announcement *a = pending_announcement(conn);
    const struct pl_local_endpoint *ep =
        a != NULL ? pl_endpoints_by_id(conn->host->endpoints, a->endpoint_id) : NULL;
    struct pl_mptcp_options o = {0};
    if (ep == NULL || (everywhere && !sf->address_due)) {
        return 0;
    }
    add_addr_of(conn, ep, &o);
    if (pl_mptcp_len(PL_MP_ADD_ADDR, &o) > room) {
        return 0;
    }
    sf->address_due = false;
    a->pending = everywhere;
    PL_COUNT(conn->ctx, AddAddrTx);
    return pl_mptcp_write(out, PL_MP_ADD_ADDR, &o);
}

static uint32_t write_removals(struct pl_subflow *sf, uint8_t *out, uint32_t room) {
    struct pl_pm *pm = sf->conn->pm;
    struct pl_mptcp_options o = {0};
    for (unsigned i = 0; i < pm->removal_count; i++) {
        struct pl_removal *r = &pm->removals[i];
        if (r->left > 0 && sf->removals_due && o.remove_addr.count < 8) {
            o.remove_addr.ids[o.remove_addr.count++] = r->id;
        }
    }
    if (o.remove_addr.count == 0 || pl_mptcp_len(PL_MP_REMOVE_ADDR, &o) > room) {
        return 0;
    }
    sf->removals_due = false;
    PL_COUNT_N(sf->conn->ctx, RmAddrTx, o.remove_addr.count);
    return pl_mptcp_write(out, PL_MP_REMOVE_ADDR, &o);
}

uint32_t pl_pm_write(struct pl_subflow *sf, uint8_t *out, uint32_t room, plait_time now) {
    struct pl_conn *conn = sf->conn;
    (void)now;
    if (conn->pm == NULL || !pl_conn_fully_established(conn)) {
        return 0;
    }
    uint32_t used = write_removals(sf, out, room);
    if (used == 0) {
        used = write_echo(conn, out, room);
    }
    if (used == 0) {
        used = write_announcement(sf, out, room);
    }
    PL_ASSERT(used <= room);
    return used;
}

uint32_t pl_pm_room_wanted(const struct pl_conn *conn, plait_time now) {
    struct pl_mptcp_options o = {0};
    (void)now;
    if (conn->pm == NULL || !pl_conn_fully_established(conn)) {
        return 0;
    }
    const struct pl_announcement *a = pending_announcement(conn);
    const struct pl_local_endpoint *ep =
        a != NULL ? pl_endpoints_by_id(conn->host->endpoints, a->endpoint_id) : NULL;
    if (ep != NULL) {
        add_addr_of(conn, ep, &o);
        return pl_mptcp_len(PL_MP_ADD_ADDR, &o);
    }
    for (unsigned i = 1; i < conn->pm->remote_count; i++) {
        if (conn->pm->remotes[i].echo_pending) {
            return 24; /* an echo of an IPv6 address with a port */
        }
    }
    return 0;
}

/* ---- deciding ---- */

/* Puts new `signal` endpoints on the list; the first subflow's own address needs no announcement.
 */
static void collect(struct pl_conn *conn) {
    struct pl_pm *pm = conn->pm;
    const struct pl_endpoints *table = conn->host->endpoints;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct pl_local_endpoint *ep = &table->entry[i];
        bool known = false;
        for (unsigned k = 0; k < pm->announcement_count; k++) {
            known = known || pm->announcements[k].endpoint_id == ep->id;
        }
        bool own = pl_addr_equal(&ep->addr, &conn->tuple.local) && ep->announce_port == 0;
        if ((pl_pm_flags(conn, ep) & PLAIT_ADDRESS_SIGNAL) == 0 || known || own || !ep->up ||
            !pl_conn_may_use(conn, ep->port, &ep->addr) ||
            !pl_pm_id_free(conn, ep->id, &ep->addr)) {
            continue;
        }
        struct pl_announcement *a = pl_pm_add_announcement(conn->ctx, pm);
        if (a == NULL) {
            return;
        }
        a->endpoint_id = ep->id;
    }
}

/* The announcement whose turn it is: the first that is neither echoed nor tried often enough. */
static struct pl_announcement *current(const struct pl_conn *conn) {
    struct pl_pm *pm = conn->pm;
    for (unsigned i = 0; i < pm->announcement_count; i++) {
        struct pl_announcement *a = &pm->announcements[i];
        if (!a->echoed && a->tries <= ANNOUNCE_TRIES) {
            return a;
        }
    }
    return NULL;
}

/* Nothing says that an ADD_ADDR of version 0 arrived but the subflow that it brings. */
static bool joined(const struct pl_conn *conn, const struct pl_announcement *a) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->local_id == a->endpoint_id && sf->join && sf->phase == PL_SF_UP) {
            return true;
        }
    }
    return false;
}

/* On every subflow, for want of an echo (RFC 6824 section 3.4.1). */
static void say_everywhere(struct pl_conn *conn) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->phase == PL_SF_UP) {
            sf->address_due = true;
            pl_tcp_ack_now(&sf->tcp);
        }
    }
}

static void announce(struct pl_conn *conn, plait_time now) {
    PL_ASSERT(conn->pm->announcement_count <= PL_ANNOUNCEMENTS_MAX);
    struct pl_announcement *a = current(conn);
    struct pl_subflow *sf = pl_conn_signal_subflow(conn);
    if (a == NULL || sf == NULL || now < a->resend_at) {
        return;
    }
    if (!conn->version->address_signed && joined(conn, a)) {
        a->echoed = true;
        a->pending = false;
        pl_conn_touch(conn);
        return;
    }
    if (a->tries == ANNOUNCE_TRIES) {
        a->tries++; /* the last wait is over; the next one in the list follows */
        PL_COUNT_N(conn->ctx, AddAddrTxDrop, a->pending ? 1 : 0); /* there was no room for it */
        a->pending = false;
        pl_conn_touch(conn);
        return;
    }
    uint64_t by_rtt = sf->tcp.rtt.srtt_ns + 4 * sf->tcp.rtt.rttvar_ns;
    uint64_t wait = by_rtt > PLAIT_NS_PER_S ? by_rtt : PLAIT_NS_PER_S;
    a->tries++;
    a->pending = true;
    a->resend_at = now + wait;
    if (!conn->version->address_signed) {
        say_everywhere(conn);
    }
    pl_tcp_ack_now(&sf->tcp);
}

/* Somebody can hear a REMOVE_ADDR; else it waits, for the id must not be used before. */
static bool can_remove(const struct pl_conn *conn) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->phase == PL_SF_UP) {
            return true;
        }
    }
    return false;
}

/* A removal counts as sent when its turn comes round again. Whether any is due now. */
static bool age_removals(struct pl_conn *conn, plait_time now) {
    PL_ASSERT(conn->pm->removal_count <= PL_REMOVALS_MAX);
    struct pl_pm *pm = conn->pm;
    bool due = false;
    for (unsigned i = 0; i < pm->removal_count; i++) {
        struct pl_removal *r = &pm->removals[i];
        if (r->left > 0 && r->next <= now && r->aged) {
            r->left--;
        }
        r->aged = true;
        due = due || (r->left > 0 && r->next <= now);
    }
    return due;
}

static void send_removals(struct pl_conn *conn, plait_time now) {
    struct pl_pm *pm = conn->pm;
    uint64_t gap = 100 * PLAIT_NS_PER_MS;
    if (!can_remove(conn) || !age_removals(conn, now)) {
        return;
    }
    PL_SUBFLOW_FOREACH(sf, conn) {
        gap = 2 * sf->tcp.rtt.srtt_ns > gap ? 2 * sf->tcp.rtt.srtt_ns : gap;
        if (sf->phase == PL_SF_UP) {
            sf->removals_due = true;
            pl_tcp_ack_now(&sf->tcp);
        }
    }
    for (unsigned i = 0; i < pm->removal_count; i++) {
        struct pl_removal *r = &pm->removals[i];
        r->next = r->left > 0 && r->next <= now ? now + gap : r->next;
    }
}

static void remove_marked(struct pl_conn *conn, plait_time now) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (sf->remove) {
            sf->remove = false;
            pl_subflow_reset(sf, PL_RESET_UNSPECIFIED, false, PLAIT_E_ABORTED, now);
        }
    }
}

void pl_pm_announce_run(struct pl_conn *conn, plait_time now) {
    remove_marked(conn, now);
    send_removals(conn, now);
    collect(conn);
    announce(conn, now);
}

plait_time pl_pm_announce_deadline(const struct pl_conn *conn) {
    const struct pl_pm *pm = conn->pm;
    const struct pl_announcement *a = current(conn);
    bool possible = a != NULL && pl_conn_signal_subflow(conn) != NULL;
    plait_time first = possible ? a->resend_at : PLAIT_TIME_NEVER;
    for (unsigned i = 0; can_remove(conn) && i < pm->removal_count; i++) {
        if (pm->removals[i].left > 0 && pm->removals[i].next < first) {
            first = pm->removals[i].next;
        }
    }
    return first;
}

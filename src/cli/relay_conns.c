/* cli/relay_conns.c - the connections: pairs of one over the links and one inside.
 *
 * The two are spliced (proxy/splice.h); relay_accept.c says how they begin. Sockets carry the slot
 * and generation of their connection, so an event that was queued for a connection that is gone
 * finds nobody. */
#include <stdlib.h>
#include <string.h>

#include "cli/relay.h"
#include "wire/addr.h"

enum { SUBFLOWS_MAX = 32, MEASURED_MAX = 512 };

/* ---- the table ---- */

int64_t relay_conn_user(const struct relay_conn *conn) {
    return (int64_t)((uint64_t)conn->generation << 32 | conn->slot);
}

static struct relay_conn *find(const struct relay_conns *conns, int64_t user) {
    uint32_t slot = (uint32_t)((uint64_t)user & UINT32_MAX);
    if (slot >= conns->slot_count || conns->slots[slot] == NULL ||
        relay_conn_user(conns->slots[slot]) != user) {
        return NULL;
    }
    return conns->slots[slot];
}

static bool grow(struct relay_conns *conns) {
    uint32_t count = conns->slot_count == 0 ? 64 : conns->slot_count * 2;
    struct relay_conn **slots = realloc(conns->slots, count * sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    conns->slots = slots;
    uint32_t *generations = realloc(conns->generations, count * sizeof(*generations));
    if (generations == NULL) {
        return false;
    }
    conns->generations = generations;
    memset(slots + conns->slot_count, 0, (count - conns->slot_count) * sizeof(*slots));
    memset(generations + conns->slot_count, 0, (count - conns->slot_count) * sizeof(*generations));
    conns->slot_count = count;
    return true;
}

struct relay_conn *relay_conn_create(struct relay_conns *conns) {
    uint32_t slot = conns->slot_hint;
    if (conns->open == conns->slot_count && !grow(conns)) {
        return NULL;
    }
    while (conns->slots[slot % conns->slot_count] != NULL) {
        slot++;
    }
    slot %= conns->slot_count;
    struct relay_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        return NULL;
    }
    conn->slot = slot;
    conn->generation = ++conns->generations[slot];
    conns->slots[slot] = conn;
    conns->slot_hint = slot + 1;
    conns->open++;
    conns->total++;
    return conn;
}

/* From (0) or to (1) the inside. */
static uint64_t bytes_of(const struct relay_conn *conn, unsigned direction) {
    return conn->splice.bytes[direction == 0 ? 1 - conn->outer : conn->outer];
}

void relay_conn_destroy(struct relay_conns *conns, struct relay_conn *conn) {
    conns->bytes[0] += bytes_of(conn, 0);
    conns->bytes[1] += bytes_of(conn, 1);
    conns->slots[conn->slot] = NULL;
    conns->open--;
    free(conn);
}

const char *relay_conn_name(const struct relay_conn *conn, char text[64]) {
    char addr[PL_ADDR_TEXT];
    bool six = conn->peer.addr.family == PLAIT_IPV6;
    pl_addr_format(&conn->peer.addr, addr);
    snprintf(text, 64, "%s%s%s:%u", six ? "[" : "", addr, six ? "]" : "", conn->peer.port);
    return text;
}

/* ---- events ---- */

static void count_connected(struct relay *relay, struct relay_conn *conn) {
    int64_t mptcp = 0;
    char name[64];
    conn->connected = true;
    relay->conns.connected++;
    if (plait_get(relay->loop.stack, conn->splice.sock[conn->outer], PLAIT_OPT_IS_MPTCP, &mptcp) ==
            0 &&
        mptcp != 0) {
        conn->mptcp = true;
        relay->conns.mptcp++;
    } else {
        conn->fell_back = true;
        relay->conns.fallbacks++;
    }
    relay_debug(relay, "%s: connected, %s", relay_conn_name(conn, name),
                conn->mptcp ? "Multipath TCP" : "the other side has no Multipath TCP");
}

static void count_fallback(struct relay *relay, struct relay_conn *conn) {
    char name[64];
    if (conn->connected && !conn->fell_back) {
        conn->fell_back = true;
        relay->conns.fallbacks++;
        relay_debug(relay, "%s: goes on as plain TCP", relay_conn_name(conn, name));
    }
}

static void note_subflow(struct relay *relay, const struct relay_conn *conn,
                         const struct plait_event *event) {
    struct relay_link *link = relay_links_of_port(relay, event->port);
    char name[64];
    bool up = event->type == PLAIT_EVENT_SF_ESTABLISHED;
    if (link == NULL) {
        return;
    }
    link->subflows_opened += up;
    link->lost = !up && event->error == PLAIT_E_TIMED_OUT;
    relay_debug(relay, "%s: subflow over %s %s%s%s", relay_conn_name(conn, name), link->name,
                up ? "established" : "closed", event->error < 0 ? ": " : "",
                event->error < 0 ? plait_error_text(event->error) : "");
}

/* What an event of the outer side says about the connection. */
static void note(struct relay *relay, struct relay_conn *conn, const struct plait_event *event) {
    if (event->sock != conn->splice.sock[conn->outer]) {
        return;
    }
    switch (event->type) {
        case PLAIT_EVENT_CONNECTED:
            count_connected(relay, conn);
            break;
        case PLAIT_EVENT_FALLBACK:
            count_fallback(relay, conn);
            break;
        case PLAIT_EVENT_SF_ESTABLISHED:
        case PLAIT_EVENT_SF_CLOSED:
            note_subflow(relay, conn, event);
            break;
        default:
            break;
    }
}

void relay_conns_event(struct relay *relay, const struct plait_event *event, plait_time now) {
    struct relay_conns *conns = &relay->conns;
    char name[64];
    if (event->user == RELAY_USER_LISTENER) {
        relay_accept_all(relay, event->sock, now);
        return;
    }
    struct relay_conn *conn = find(conns, event->user);
    if (conn == NULL) {
        return;
    }
    note(relay, conn, event);
    relay_accept_connected(relay, conn, event, now);
    pl_splice_event(relay->loop.stack, &conn->splice, event, now);
    if (conn->splice.state != PL_SPLICE_DONE) {
        return;
    }
    conns->failed += !conn->connected;
    relay_debug(relay, "%s: %s, %llu bytes up, %llu down", relay_conn_name(conn, name),
                conn->splice.error == 0 ? "closed" : plait_error_text(conn->splice.error),
                (unsigned long long)bytes_of(conn, 0), (unsigned long long)bytes_of(conn, 1));
    relay_conn_destroy(conns, conn);
}

/* ---- figures ---- */

static void measure_conn(struct relay *relay, const struct relay_conn *conn) {
    struct plait_subflow_info info[SUBFLOWS_MAX];
    for (unsigned i = 0; i < SUBFLOWS_MAX; i++) {
        info[i].size = sizeof(info[i]);
    }
    int count =
        plait_subflows(relay->loop.stack, conn->splice.sock[conn->outer], info, SUBFLOWS_MAX);
    for (int i = 0; i < count && i < SUBFLOWS_MAX; i++) {
        struct relay_link *link = relay_links_of_port(relay, info[i].port);
        if (link == NULL || !info[i].established) {
            continue;
        }
        /* The lowest of this round; an old value is kept when there are no subflows. */
        if (info[i].srtt_ns > 0 && (link->subflows == 0 || info[i].srtt_ns < link->srtt_ns)) {
            link->srtt_ns = info[i].srtt_ns;
        }
        link->subflows++;
        link->live += !info[i].stale;
    }
}

static void judge_silence(struct relay_link *link, plait_time now) {
    bool silent = link->subflows > 0 ? link->live == 0 : link->lost;
    if (!silent) {
        link->silent_since = 0;
    } else if (link->silent_since == 0) {
        link->silent_since = now;
    }
}

void relay_conns_measure(struct relay *relay) {
    const struct relay_conns *conns = &relay->conns;
    unsigned measured = 0;
    for (unsigned i = 0; i < relay->links.count; i++) {
        relay->links.link[i].subflows = relay->links.link[i].live = 0;
    }
    for (uint32_t i = 0; i < conns->slot_count && measured < MEASURED_MAX; i++) {
        if (conns->slots[i] != NULL) {
            measure_conn(relay, conns->slots[i]);
            measured++;
        }
    }
    plait_time now = pl_posix_now();
    for (unsigned i = 0; i < relay->links.count; i++) {
        judge_silence(&relay->links.link[i], now);
    }
}

uint64_t relay_conns_bytes(const struct relay *relay, unsigned direction) {
    uint64_t sum = relay->conns.bytes[direction];
    for (uint32_t i = 0; i < relay->conns.slot_count; i++) {
        const struct relay_conn *conn = relay->conns.slots[i];
        sum += conn != NULL ? bytes_of(conn, direction) : 0;
    }
    return sum;
}

uint64_t relay_conns_undelivered(struct relay *relay, unsigned *closing) {
    uint64_t sum = 0;
    *closing = 0;
    for (uint32_t i = 0; i < relay->conns.slot_count; i++) {
        const struct relay_conn *conn = relay->conns.slots[i];
        if (conn != NULL) {
            sum += pl_splice_undelivered(relay->loop.stack, &conn->splice, 1 - conn->outer);
            *closing += conn->splice.ended[1 - conn->outer] && !conn->splice.closed[conn->outer];
        }
    }
    return sum;
}

void relay_conns_end(struct relay *relay) {
    struct relay_conns *conns = &relay->conns;
    plait_time now = pl_posix_now();
    for (uint32_t i = 0; i < conns->slot_count; i++) {
        struct relay_conn *conn = conns->slots[i];
        if (conn == NULL) {
            continue;
        }
        /* One whose end of stream is on its way must not be overtaken by a reset. */
        if (!conn->splice.ended[1 - conn->outer]) {
            pl_splice_abort(relay->loop.stack, &conn->splice, PLAIT_E_ABORTED, now);
        }
        relay_conn_destroy(conns, conn);
    }
    free(conns->slots);
    free(conns->generations);
    memset(conns, 0, sizeof(*conns));
}

/* cli/relay_conns.c - the program's connections.
 *
 * A SYN of the program is held while the stack connects to the same destination over the links.
 * Then the two are spliced (proxy/splice.h). The program therefore sees refusals and time-outs of
 * the real destination. Sockets carry the slot and generation of their connection, so an event
 * that was queued for a connection that is gone finds nobody. */
#include <stdlib.h>
#include <string.h>

#include "cli/relay.h"
#include "wire/addr.h"

enum { BACKLOG = 4096, SUBFLOWS_MAX = 32, MEASURED_MAX = 512 };

/* ---- the table ---- */

static int64_t user_of(const struct relay_conn *conn) {
    return (int64_t)((uint64_t)conn->generation << 32 | conn->slot);
}

static struct relay_conn *find(const struct relay_conns *conns, int64_t user) {
    uint32_t slot = (uint32_t)((uint64_t)user & UINT32_MAX);
    if (slot >= conns->slot_count || conns->slots[slot] == NULL ||
        user_of(conns->slots[slot]) != user) {
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

static struct relay_conn *create(struct relay_conns *conns) {
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

static void destroy(struct relay_conns *conns, struct relay_conn *conn) {
    conns->bytes[0] += conn->splice.bytes[0];
    conns->bytes[1] += conn->splice.bytes[1];
    conns->slots[conn->slot] = NULL;
    conns->open--;
    free(conn);
}

static const char *name_of(const struct relay_conn *conn, char text[64]) {
    char addr[PL_ADDR_TEXT];
    bool six = conn->destination.addr.family == PLAIT_IPV6;
    pl_addr_format(&conn->destination.addr, addr);
    snprintf(text, 64, "%s%s%s:%u", six ? "[" : "", addr, six ? "]" : "", conn->destination.port);
    return text;
}

/* ---- opening ---- */

/* The link that is on the destination's own network, if that is not the first: only it gets
 * there, and connections try the first link first. */
static const struct relay_link *on_link(const struct relay *relay, const struct plait_addr *addr) {
    const struct relay_link *found = NULL;
    for (unsigned i = 0; i < relay->links.count; i++) {
        const struct relay_link *link = &relay->links.link[i];
        const struct pl_link *seen = &link->applied.link;
        for (unsigned j = 0; link->applied.up && j < seen->addr_count; j++) {
            if (seen->addrs[j].global &&
                pl_prefix_match(&seen->addrs[j].addr, addr, seen->addrs[j].prefix_len)) {
                return found == NULL && i > 0 ? link : NULL;
            }
        }
    }
    return found;
}

static int connect_out(struct relay *relay, struct relay_conn *conn, plait_sock *out,
                       plait_time now) {
    struct plait_stack *stack = relay->loop.stack;
    const struct relay_link *link = on_link(relay, &conn->destination.addr);
    int result = plait_open(stack, out);
    if (result < 0) {
        return result;
    }
    result = plait_set(stack, *out, PLAIT_OPT_USER, user_of(conn));
    if (result == 0 && link != NULL && link->port != NULL) {
        result = plait_bind(stack, *out, link->port->io.id, NULL, 0);
    }
    if (result == 0) {
        result = plait_connect(stack, *out, &conn->destination, now);
    }
    if (result < 0) {
        plait_close(stack, *out, now);
    }
    return result;
}

/* A held SYN. */
static void open_conn(struct relay *relay, plait_sock held, plait_time now) {
    struct plait_stack *stack = relay->loop.stack;
    struct relay_conn *conn = create(&relay->conns);
    plait_sock out;
    char name[64];
    int result = conn == NULL ? PLAIT_E_NO_MEMORY : plait_local(stack, held, &conn->destination);
    if (result == 0) {
        result = plait_set(stack, held, PLAIT_OPT_USER, user_of(conn));
    }
    if (result == 0) {
        result = connect_out(relay, conn, &out, now);
    }
    if (result < 0) {
        bool no_way = result == PLAIT_E_NO_ADDRESS;
        plait_abort(stack, held, no_way ? PLAIT_E_UNREACHABLE : result, now);
        relay->conns.failed++;
        if (conn != NULL) {
            relay_debug(relay, "%s: %s", name_of(conn, name), plait_error_text(result));
            destroy(&relay->conns, conn);
        }
        return;
    }
    pl_splice_init_held(&conn->splice, held, out);
    relay_debug(relay, "%s: connecting", name_of(conn, name));
}

static void accept_all(struct relay *relay, plait_time now) {
    plait_sock held;
    while (plait_accept(relay->loop.stack, relay->conns.listener, &held) == 0) {
        open_conn(relay, held, now);
    }
}

bool relay_conns_begin(struct relay *relay) {
    struct plait_stack *stack = relay->loop.stack;
    struct relay_conns *conns = &relay->conns;
    int result = plait_open(stack, &conns->listener);
    if (result == 0) {
        result = plait_set(stack, conns->listener, PLAIT_OPT_USER, -1);
    }
    if (result == 0) {
        result = plait_set(stack, conns->listener, PLAIT_OPT_DEFER, 1);
    }
    if (result == 0) {
        result = plait_bind(stack, conns->listener, relay->inner.port->io.id, NULL, 0);
    }
    if (result == 0) {
        result = plait_listen(stack, conns->listener, BACKLOG);
    }
    if (result < 0) {
        cli_say("cannot listen for the program's connections: %s", plait_error_text(result));
    }
    return result == 0;
}

/* ---- events ---- */

static void count_connected(struct relay *relay, struct relay_conn *conn) {
    int64_t mptcp = 0;
    char name[64];
    conn->connected = true;
    relay->conns.connected++;
    if (plait_get(relay->loop.stack, conn->splice.sock[1], PLAIT_OPT_IS_MPTCP, &mptcp) == 0 &&
        mptcp != 0) {
        conn->mptcp = true;
        relay->conns.mptcp++;
    } else {
        conn->fell_back = true;
        relay->conns.fallbacks++;
    }
    relay_debug(relay, "%s: connected, %s", name_of(conn, name),
                conn->mptcp ? "Multipath TCP" : "the server has no Multipath TCP");
}

static void count_fallback(struct relay *relay, struct relay_conn *conn) {
    char name[64];
    if (conn->connected && !conn->fell_back) {
        conn->fell_back = true;
        relay->conns.fallbacks++;
        relay_debug(relay, "%s: goes on as plain TCP", name_of(conn, name));
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
    relay_debug(relay, "%s: subflow over %s %s%s%s", name_of(conn, name), link->name,
                up ? "established" : "closed", event->error < 0 ? ": " : "",
                event->error < 0 ? plait_error_text(event->error) : "");
}

/* What an event of the outer side says about the connection. */
static void note(struct relay *relay, struct relay_conn *conn, const struct plait_event *event) {
    if (event->sock != conn->splice.sock[1]) {
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
    if (event->sock == conns->listener) {
        accept_all(relay, now);
        return;
    }
    struct relay_conn *conn = find(conns, event->user);
    if (conn == NULL) {
        return;
    }
    note(relay, conn, event);
    pl_splice_event(relay->loop.stack, &conn->splice, event, now);
    if (conn->splice.state != PL_SPLICE_DONE) {
        return;
    }
    conns->failed += !conn->connected;
    relay_debug(relay, "%s: %s, %llu bytes up, %llu down", name_of(conn, name),
                conn->splice.error == 0 ? "closed" : plait_error_text(conn->splice.error),
                (unsigned long long)conn->splice.bytes[0],
                (unsigned long long)conn->splice.bytes[1]);
    destroy(conns, conn);
}

/* ---- figures ---- */

static void measure_conn(struct relay *relay, const struct relay_conn *conn) {
    struct plait_subflow_info info[SUBFLOWS_MAX];
    for (unsigned i = 0; i < SUBFLOWS_MAX; i++) {
        info[i].size = sizeof(info[i]);
    }
    int count = plait_subflows(relay->loop.stack, conn->splice.sock[1], info, SUBFLOWS_MAX);
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
        sum += conn != NULL ? conn->splice.bytes[direction] : 0;
    }
    return sum;
}

uint64_t relay_conns_undelivered(struct relay *relay, unsigned *closing) {
    uint64_t sum = 0;
    *closing = 0;
    for (uint32_t i = 0; i < relay->conns.slot_count; i++) {
        const struct relay_conn *conn = relay->conns.slots[i];
        if (conn != NULL) {
            sum += pl_splice_undelivered(relay->loop.stack, &conn->splice, 0);
            *closing += conn->splice.ended[0] && !conn->splice.closed[1];
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
        if (!conn->splice.ended[0]) {
            pl_splice_abort(relay->loop.stack, &conn->splice, PLAIT_E_ABORTED, now);
        }
        destroy(conns, conn);
    }
    free(conns->slots);
    free(conns->generations);
    memset(conns, 0, sizeof(*conns));
}

/* cli/cmd_run_conns.c - the program's connections.
 *
 * A SYN of the program is held while the stack connects to the same destination over the links.
 * Then the two are spliced (proxy/splice.h). The program therefore sees refusals and time-outs of
 * the real destination. Sockets carry the slot and generation of their connection, so an event
 * that was queued for a connection that is gone finds nobody. */
#include <stdlib.h>
#include <string.h>

#include "cli/cmd_run.h"
#include "wire/addr.h"

enum { BACKLOG = 4096, SUBFLOWS_MAX = 32, MEASURED_MAX = 512 };

/* ---- the table ---- */

static int64_t user_of(const struct run_conn *conn) {
    return (int64_t)((uint64_t)conn->generation << 32 | conn->slot);
}

static struct run_conn *find(const struct run_conns *conns, int64_t user) {
    uint32_t slot = (uint32_t)((uint64_t)user & UINT32_MAX);
    if (slot >= conns->slot_count || conns->slots[slot] == NULL ||
        user_of(conns->slots[slot]) != user) {
        return NULL;
    }
    return conns->slots[slot];
}

static bool grow(struct run_conns *conns) {
    uint32_t count = conns->slot_count == 0 ? 64 : conns->slot_count * 2;
    struct run_conn **slots = realloc(conns->slots, count * sizeof(*slots));
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

static struct run_conn *create(struct run_conns *conns) {
    uint32_t slot = conns->slot_hint;
    if (conns->open == conns->slot_count && !grow(conns)) {
        return NULL;
    }
    while (conns->slots[slot % conns->slot_count] != NULL) {
        slot++;
    }
    slot %= conns->slot_count;
    struct run_conn *conn = calloc(1, sizeof(*conn));
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

static void destroy(struct run_conns *conns, struct run_conn *conn) {
    conns->bytes[0] += conn->splice.bytes[0];
    conns->bytes[1] += conn->splice.bytes[1];
    conns->slots[conn->slot] = NULL;
    conns->open--;
    free(conn);
}

static const char *name_of(const struct run_conn *conn, char text[64]) {
    char addr[PL_ADDR_TEXT];
    bool six = conn->destination.addr.family == PLAIT_IPV6;
    pl_addr_format(&conn->destination.addr, addr);
    snprintf(text, 64, "%s%s%s:%u", six ? "[" : "", addr, six ? "]" : "", conn->destination.port);
    return text;
}

/* ---- opening ---- */

/* The link that is on the destination's own network, if that is not the first: only it gets
 * there, and connections try the first link first. */
static const struct run_link *on_link(const struct run *run, const struct plait_addr *addr) {
    const struct run_link *found = NULL;
    for (unsigned i = 0; i < run->links.count; i++) {
        const struct run_link *link = &run->links.link[i];
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

static int connect_out(struct run *run, struct run_conn *conn, plait_sock *out, plait_time now) {
    struct plait_stack *stack = run->loop.stack;
    const struct run_link *link = on_link(run, &conn->destination.addr);
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
static void open_conn(struct run *run, plait_sock held, plait_time now) {
    struct plait_stack *stack = run->loop.stack;
    struct run_conn *conn = create(&run->conns);
    plait_sock out;
    char name[64];
    int result = conn == NULL ? PLAIT_E_NO_MEMORY : plait_local(stack, held, &conn->destination);
    if (result == 0) {
        result = plait_set(stack, held, PLAIT_OPT_USER, user_of(conn));
    }
    if (result == 0) {
        result = connect_out(run, conn, &out, now);
    }
    if (result < 0) {
        bool no_way = result == PLAIT_E_NO_ADDRESS;
        plait_abort(stack, held, no_way ? PLAIT_E_UNREACHABLE : result, now);
        run->conns.failed++;
        if (conn != NULL) {
            run_debug(run, "%s: %s", name_of(conn, name), plait_error_text(result));
            destroy(&run->conns, conn);
        }
        return;
    }
    pl_splice_init_held(&conn->splice, held, out);
    run_debug(run, "%s: connecting", name_of(conn, name));
}

static void accept_all(struct run *run, plait_time now) {
    plait_sock held;
    while (plait_accept(run->loop.stack, run->conns.listener, &held) == 0) {
        open_conn(run, held, now);
    }
}

bool run_conns_begin(struct run *run) {
    struct plait_stack *stack = run->loop.stack;
    struct run_conns *conns = &run->conns;
    int result = plait_open(stack, &conns->listener);
    if (result == 0) {
        result = plait_set(stack, conns->listener, PLAIT_OPT_USER, -1);
    }
    if (result == 0) {
        result = plait_set(stack, conns->listener, PLAIT_OPT_DEFER, 1);
    }
    if (result == 0) {
        result = plait_bind(stack, conns->listener, run->inner.port->io.id, NULL, 0);
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

static void count_connected(struct run *run, struct run_conn *conn) {
    int64_t mptcp = 0;
    char name[64];
    conn->connected = true;
    run->conns.connected++;
    if (plait_get(run->loop.stack, conn->splice.sock[1], PLAIT_OPT_IS_MPTCP, &mptcp) == 0 &&
        mptcp != 0) {
        conn->mptcp = true;
        run->conns.mptcp++;
    } else {
        conn->fell_back = true;
        run->conns.fallbacks++;
    }
    run_debug(run, "%s: connected, %s", name_of(conn, name),
              conn->mptcp ? "Multipath TCP" : "the server has no Multipath TCP");
}

static void count_fallback(struct run *run, struct run_conn *conn) {
    char name[64];
    if (conn->connected && !conn->fell_back) {
        conn->fell_back = true;
        run->conns.fallbacks++;
        run_debug(run, "%s: goes on as plain TCP", name_of(conn, name));
    }
}

static void note_subflow(struct run *run, const struct run_conn *conn,
                         const struct plait_event *event) {
    struct run_link *link = run_links_of_port(run, event->port);
    char name[64];
    bool up = event->type == PLAIT_EVENT_SF_ESTABLISHED;
    if (link == NULL) {
        return;
    }
    link->subflows_opened += up;
    link->lost = !up && event->error == PLAIT_E_TIMED_OUT;
    run_debug(run, "%s: subflow over %s %s%s%s", name_of(conn, name), link->name,
              up ? "established" : "closed", event->error < 0 ? ": " : "",
              event->error < 0 ? plait_error_text(event->error) : "");
}

/* What an event of the outer side says about the connection. */
static void note(struct run *run, struct run_conn *conn, const struct plait_event *event) {
    if (event->sock != conn->splice.sock[1]) {
        return;
    }
    switch (event->type) {
        case PLAIT_EVENT_CONNECTED:
            count_connected(run, conn);
            break;
        case PLAIT_EVENT_FALLBACK:
            count_fallback(run, conn);
            break;
        case PLAIT_EVENT_SF_ESTABLISHED:
        case PLAIT_EVENT_SF_CLOSED:
            note_subflow(run, conn, event);
            break;
        default:
            break;
    }
}

void run_conns_event(struct run *run, const struct plait_event *event, plait_time now) {
    struct run_conns *conns = &run->conns;
    char name[64];
    if (event->sock == conns->listener) {
        accept_all(run, now);
        return;
    }
    struct run_conn *conn = find(conns, event->user);
    if (conn == NULL) {
        return;
    }
    note(run, conn, event);
    pl_splice_event(run->loop.stack, &conn->splice, event, now);
    if (conn->splice.state != PL_SPLICE_DONE) {
        return;
    }
    conns->failed += !conn->connected;
    run_debug(run, "%s: %s, %llu bytes up, %llu down", name_of(conn, name),
              conn->splice.error == 0 ? "closed" : plait_error_text(conn->splice.error),
              (unsigned long long)conn->splice.bytes[0], (unsigned long long)conn->splice.bytes[1]);
    destroy(conns, conn);
}

/* ---- figures ---- */

static void measure_conn(struct run *run, const struct run_conn *conn) {
    struct plait_subflow_info info[SUBFLOWS_MAX];
    for (unsigned i = 0; i < SUBFLOWS_MAX; i++) {
        info[i].size = sizeof(info[i]);
    }
    int count = plait_subflows(run->loop.stack, conn->splice.sock[1], info, SUBFLOWS_MAX);
    for (int i = 0; i < count && i < SUBFLOWS_MAX; i++) {
        struct run_link *link = run_links_of_port(run, info[i].port);
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

static void judge_silence(struct run_link *link, plait_time now) {
    bool silent = link->subflows > 0 ? link->live == 0 : link->lost;
    if (!silent) {
        link->silent_since = 0;
    } else if (link->silent_since == 0) {
        link->silent_since = now;
    }
}

void run_conns_measure(struct run *run) {
    const struct run_conns *conns = &run->conns;
    unsigned measured = 0;
    for (unsigned i = 0; i < run->links.count; i++) {
        run->links.link[i].subflows = run->links.link[i].live = 0;
    }
    for (uint32_t i = 0; i < conns->slot_count && measured < MEASURED_MAX; i++) {
        if (conns->slots[i] != NULL) {
            measure_conn(run, conns->slots[i]);
            measured++;
        }
    }
    plait_time now = pl_posix_now();
    for (unsigned i = 0; i < run->links.count; i++) {
        judge_silence(&run->links.link[i], now);
    }
}

uint64_t run_conns_bytes(const struct run *run, unsigned direction) {
    uint64_t sum = run->conns.bytes[direction];
    for (uint32_t i = 0; i < run->conns.slot_count; i++) {
        const struct run_conn *conn = run->conns.slots[i];
        sum += conn != NULL ? conn->splice.bytes[direction] : 0;
    }
    return sum;
}

uint64_t run_conns_undelivered(struct run *run, unsigned *closing) {
    uint64_t sum = 0;
    *closing = 0;
    for (uint32_t i = 0; i < run->conns.slot_count; i++) {
        const struct run_conn *conn = run->conns.slots[i];
        if (conn != NULL) {
            sum += pl_splice_undelivered(run->loop.stack, &conn->splice, 0);
            *closing += conn->splice.ended[0] && !conn->splice.closed[1];
        }
    }
    return sum;
}

void run_conns_end(struct run *run) {
    struct run_conns *conns = &run->conns;
    plait_time now = pl_posix_now();
    for (uint32_t i = 0; i < conns->slot_count; i++) {
        struct run_conn *conn = conns->slots[i];
        if (conn == NULL) {
            continue;
        }
        /* One whose end of stream is on its way must not be overtaken by a reset. */
        if (!conn->splice.ended[0]) {
            pl_splice_abort(run->loop.stack, &conn->splice, PLAIT_E_ABORTED, now);
        }
        destroy(conns, conn);
    }
    free(conns->slots);
    free(conns->generations);
    memset(conns, 0, sizeof(*conns));
}

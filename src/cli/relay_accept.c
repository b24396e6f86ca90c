/* cli/relay_accept.c - how connections begin.
 *
 * A SYN is held while the stack connects on the other side: over the links to the same destination
 * when it is the program's, to the service when it came in over a link. So refusals and time-outs
 * of the far end are what the near end sees. A program sees its clients' addresses, for in its
 * network every address is behind the stack; a service elsewhere sees the stack's, and can be told
 * the client's (PROXY protocol). */
#include <string.h>

#include "cli/place.h"
#include "cli/relay.h"
#include "plait/multipath.h"
#include "wire/addr.h"

enum { BACKLOG = 4096 };

/* ---- outward ---- */

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

/* Where a connection is bound to is where it starts, not all that it may use. */
static int use_all_links(struct plait_stack *stack, plait_sock sock, plait_time now) {
    static const struct plait_local everything = {.port = 0};
    return plait_multipath_add(stack, sock, &everything, 1, now);
}

static int connect_out(struct relay *relay, const struct relay_conn *conn, plait_sock out,
                       plait_time now) {
    struct plait_stack *stack = relay->loop.stack;
    const struct relay_link *link = on_link(relay, &conn->peer.addr);
    int result = 0;
    if (link != NULL && link->port != NULL) {
        result = plait_bind(stack, out, link->port->io.id, NULL, 0);
        result = result == 0 ? use_all_links(stack, out, now) : result;
    }
    return result == 0 ? plait_connect(stack, out, &conn->peer, now) : result;
}

/* ---- inward ---- */

/* Where the service is for the stack, and from where the stack is to come. */
static void find_service(const struct relay *relay, const struct relay_conn *conn,
                         struct plait_endpoint *from, struct plait_endpoint *to) {
    const struct relay_service *service = &relay->options.service;
    bool program = relay_has_program(&relay->options);
    unsigned slot = program ? RELAY_SLOT_UPLINK : RELAY_SLOT_SERVICE;
    struct relay_ends ends = relay_plan_ends(&relay->plan, slot);
    if (program) {
        bool six = conn->peer.addr.family == PLAIT_IPV6;
        *from = conn->peer;
        *to = (struct plait_endpoint){.addr = six ? ends.far6 : ends.far4, .port = service->port};
        return;
    }
    bool six = service->to.addr.family == PLAIT_IPV6;
    *from = (struct plait_endpoint){.addr = six ? ends.far6 : ends.far4};
    *to = (struct plait_endpoint){.addr = six ? ends.host6 : ends.host4, .port = service->to.port};
}

static int connect_in(struct relay *relay, const struct relay_conn *conn, plait_sock in,
                      plait_time now) {
    struct plait_stack *stack = relay->loop.stack;
    plait_port_id port = relay->inner.port->io.id;
    struct plait_endpoint from, to;
    find_service(relay, conn, &from, &to);
    int result = plait_bind(stack, in, port, &from.addr, from.port);
    if (result == 0) {
        result = plait_connect(stack, in, &to, now);
    }
    if (result == PLAIT_E_IN_USE && from.port != 0) {
        /* The client has the same port for another address of ours. */
        result = plait_bind(stack, in, port, &from.addr, 0);
        result = result == 0 ? plait_connect(stack, in, &to, now) : result;
    }
    return result;
}

/* Tells a service who the client is, before everything else. */
static bool introduce(struct relay *relay, const struct relay_conn *conn, plait_time now) {
    struct plait_stack *stack = relay->loop.stack;
    struct plait_endpoint here;
    char line[108];
    if (plait_local(stack, conn->splice.sock[conn->outer], &here) < 0) {
        return false;
    }
    relay_links_outside(relay, &here.addr);
    size_t len = cli_place_proxy_line(&conn->peer, &here, line);
    return plait_write(stack, conn->splice.sock[1 - conn->outer], line, len, now) == (int64_t)len;
}

void relay_accept_connected(struct relay *relay, struct relay_conn *conn,
                            const struct plait_event *event, plait_time now) {
    bool tell = relay->options.service.proxy_protocol && conn->outer == 0;
    if (tell && event->type == PLAIT_EVENT_CONNECTED && event->sock == conn->splice.sock[1] &&
        !introduce(relay, conn, now)) {
        pl_splice_abort(relay->loop.stack, &conn->splice, PLAIT_E_NO_MEMORY, now);
    }
}

/* ---- both ---- */

/* Opens the other side of a held SYN. */
static int open_other(struct relay *relay, struct relay_conn *conn, plait_sock held,
                      plait_sock *other, plait_time now) {
    struct plait_stack *stack = relay->loop.stack;
    bool inward = conn->outer == 0;
    int result =
        inward ? plait_remote(stack, held, &conn->peer) : plait_local(stack, held, &conn->peer);
    if (result == 0) {
        result = plait_set(stack, held, PLAIT_OPT_USER, relay_conn_user(conn));
    }
    if (result == 0) {
        result = plait_open(stack, other);
    }
    if (result < 0) {
        return result;
    }
    result = plait_set(stack, *other, PLAIT_OPT_USER, relay_conn_user(conn));
    if (result == 0) {
        result =
            inward ? connect_in(relay, conn, *other, now) : connect_out(relay, conn, *other, now);
    }
    if (result < 0) {
        plait_close(stack, *other, now);
    }
    return result;
}

static void open_conn(struct relay *relay, plait_sock held, bool inward, plait_time now) {
    struct relay_conn *conn = relay_conn_create(&relay->conns);
    plait_sock other;
    char name[64];
    int result = PLAIT_E_NO_MEMORY;
    if (conn != NULL) {
        conn->outer = inward ? 0 : 1;
        result = open_other(relay, conn, held, &other, now);
    }
    if (result < 0) {
        bool no_way = result == PLAIT_E_NO_ADDRESS;
        plait_abort(relay->loop.stack, held, no_way ? PLAIT_E_UNREACHABLE : result, now);
        relay->conns.failed++;
        if (conn != NULL) {
            relay_debug(relay, "%s: %s", relay_conn_name(conn, name), plait_error_text(result));
            relay_conn_destroy(&relay->conns, conn);
        }
        return;
    }
    pl_splice_init_held(&conn->splice, held, other);
    relay_debug(relay, "%s: %s", relay_conn_name(conn, name), inward ? "a client" : "connecting");
}

void relay_accept_all(struct relay *relay, plait_sock listener, plait_time now) {
    plait_sock held;
    while (plait_accept(relay->loop.stack, listener, &held) == 0) {
        open_conn(relay, held, listener != relay->conns.listener, now);
    }
}

static int listen_on(struct relay *relay, plait_port_id port, uint16_t tcp_port,
                     plait_sock *listener) {
    struct plait_stack *stack = relay->loop.stack;
    int result = plait_open(stack, listener);
    if (result == 0) {
        result = plait_set(stack, *listener, PLAIT_OPT_USER, RELAY_USER_LISTENER);
    }
    if (result == 0) {
        result = plait_set(stack, *listener, PLAIT_OPT_DEFER, 1);
    }
    if (result == 0) {
        result = plait_bind(stack, *listener, port, NULL, tcp_port);
    }
    if (result == 0) {
        result = use_all_links(stack, *listener, 0);
    }
    if (result == 0) {
        result = plait_listen(stack, *listener, BACKLOG);
    }
    if (result < 0) {
        cli_say("cannot listen: %s", plait_error_text(result));
    }
    return result;
}

bool relay_accept_program(struct relay *relay) {
    return listen_on(relay, relay->inner.port->io.id, 0, &relay->conns.listener) == 0;
}

bool relay_accept_link(struct relay *relay, struct relay_link *link) {
    return listen_on(relay, link->port->io.id, relay->options.service.port, &link->listener) == 0;
}

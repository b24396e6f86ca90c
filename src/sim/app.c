/* sim/app.c - the simulated application: one side of a connection.
 *
 * It relies on what plait/socket.h promises and on nothing else: after AGAIN it waits for the next
 * READABLE or WRITABLE. A wake-up that never comes leaves it stuck, which the end of the run
 * notices. Every byte read is compared at once. */
#include <inttypes.h>
#include <stdio.h>

#include "plait/multipath.h"
#include "sim/pattern.h"
#include "sim/world.h"

#define RETRY_NS (500 * PLAIT_NS_PER_MS)

static struct plait_stack *stack_of(const struct pl_app *app) {
    return app->world->host[app->host].stack;
}

static void touch(struct pl_app *app) {
    pl_host_touch(&app->world->host[app->host]);
}

static void note(struct pl_app *app, const char *what, int error) {
    char text[96];
    snprintf(text, sizeof(text), "conn %u side %c %s", app->conn, 'a' + (int)app->host,
             error != 0 ? plait_error_name(error) : "");
    pl_record_note(&app->world->record, what, text);
}

static void fail(struct pl_app *app, const char *what) {
    pl_sim_fail(&app->world->verdict,
                "conn %u side %c: %s (written %" PRIu64 " of %" PRIu64 ", read %" PRIu64 ")",
                app->conn, 'a' + (int)app->host, what, app->written, app->plan->total,
                app->received);
}

static void cancel_timers(struct pl_app *app) {
    struct pl_timers *timers = &app->world->timers;
    pl_timer_cancel(timers, &app->start_timer);
    pl_timer_cancel(timers, &app->write_timer);
    pl_timer_cancel(timers, &app->read_timer);
    pl_timer_cancel(timers, &app->quit_timer);
}

static void done(struct pl_app *app, int error) {
    app->state = PL_APP_DONE;
    app->error = error;
    app->done_at = app->world->now;
    cancel_timers(app);
    note(app, "done", error);
}

/* Closes (or aborts) the socket, which ends its id in every state. */
static void leave(struct pl_app *app, bool abort, int error) {
    int result = abort ? plait_abort(stack_of(app), app->sock, PLAIT_E_ABORTED, app->world->now)
                       : plait_close(stack_of(app), app->sock, app->world->now);
    if (result != 0) {
        fail(app, abort ? "abort failed" : "close failed");
    }
    int64_t value = 0;
    if (plait_get(stack_of(app), app->sock, PLAIT_OPT_STATE, &value) != PLAIT_E_BAD_SOCKET) {
        fail(app, "the id lives on after close");
    }
    done(app, error);
    touch(app);
}

static void failed(struct pl_app *app, int error) {
    if (plait_error_class(error) == PLAIT_CLASS_NONE ||
        plait_error_class(error) == PLAIT_CLASS_INTERNAL) {
        fail(app, "ended with an error that is none");
    }
    int64_t unread = 0;
    if (plait_get(stack_of(app), app->sock, PLAIT_OPT_RECEIVE_QUEUE, &unread) == 0) {
        app->unread = (uint64_t)unread;
    }
    leave(app, false, error);
}

/* ---- reading ---- */

/* Behind a box that rewrites payload only DSS checksums tell; what was read before a fall-back and
 * after it cannot be told apart here. The box's own changes may be in it then, and nothing else. */
static bool bytes_guaranteed(const struct pl_app *app) {
    struct plait_connection_info info = {.size = sizeof(info)};
    if (app->world->plan->bytes == PL_BYTES_SAME) {
        return true;
    }
    int result = plait_connection(stack_of(app), app->sock, &info);
    return result == 0 && info.mptcp && info.checksum && !info.fallback;
}

/* A box may put bytes in and take bytes out here, and nothing tells. */
static bool any_bytes(const struct pl_app *app) {
    return app->world->plan->bytes == PL_BYTES_OTHER && !bytes_guaranteed(app);
}

static void read_end(struct pl_app *app) {
    const struct pl_app *peer = pl_app_peer(app);
    if (app->eof) {
        return;
    }
    app->eof = true;
    note(app, "eof", 0);
    bool peer_ended = peer->shut || (peer->state == PL_APP_DONE && peer->error == 0);
    bool longer_or_shorter = any_bytes(app) && app->received != peer->written;
    app->altered = app->altered || longer_or_shorter;
    if (!peer_ended) {
        fail(app, "end of stream, but the peer did not end it");
    } else if (app->received != peer->written && !longer_or_shorter) {
        fail(app, "end of stream before the last byte");
    }
}

/* The first byte that is not the peer's, nor what the box makes of it; `n` when all are. */
static size_t compare(struct pl_app *app, uint64_t pattern, size_t n) {
    const uint8_t *got = app->world->scratch;
    bool boxed = !bytes_guaranteed(app);
    size_t right = 0;
    for (;;) {
        right += pl_pattern_compare(pattern, app->received + right, got + right, n - right);
        if (right == n || !boxed) {
            return right;
        }
        uint8_t was = 0;
        pl_pattern_fill(pattern, app->received + right, &was, 1);
        if (got[right] != (was | PL_REWRITE_BIT) && app->world->plan->bytes != PL_BYTES_OTHER) {
            return right;
        }
        app->altered = true;
        right++;
    }
}

static void read_bytes(struct pl_app *app, size_t n, size_t asked) {
    const struct pl_plan_side *peer = pl_app_peer(app)->plan;
    uint64_t pattern = peer->pattern + (app->world->canary ? 1 : 0);
    if (n > asked) {
        fail(app, "read returned more than was asked for");
        return;
    }
    if (app->eof) {
        fail(app, "data after the end of stream");
    }
    size_t right = compare(app, pattern, n);
    if (right < n) {
        pl_sim_fail(&app->world->verdict, "conn %u side %c: wrong byte at offset %" PRIu64,
                    app->conn, 'a' + (int)app->host, app->received + right);
    }
    app->received += n;
    if (app->received > pl_app_peer(app)->written && !any_bytes(app)) {
        fail(app, "read more than the peer has written");
    }
}

/* Reads until AGAIN, the end, or the pace says to wait. False: the socket is gone. */
static bool do_read(struct pl_app *app) {
    struct pl_world *world = app->world;
    while (!pl_timer_armed(&app->read_timer)) {
        size_t asked = app->plan->read_max;
        int64_t n = plait_read(stack_of(app), app->sock, world->scratch, asked, world->now);
        touch(app);
        if (n == PLAIT_E_AGAIN) {
            if ((plait_poll(stack_of(app), app->sock) & PLAIT_POLL_READ) != 0) {
                fail(app, "poll says readable right after AGAIN");
            }
            return true;
        }
        if (n < 0) {
            failed(app, (int)n);
            return false;
        }
        if (n == 0) {
            read_end(app);
            return true;
        }
        read_bytes(app, (size_t)n, asked);
        if (app->plan->read_gap_ns > 0) {
            pl_timer_arm(&world->timers, &app->read_timer, world->now + app->plan->read_gap_ns);
        }
    }
    return true;
}

/* ---- writing ---- */

static uint64_t allowed_bytes(const struct pl_app *app) {
    const struct pl_plan_side *plan = app->plan;
    uint64_t allowed = plan->first + app->received / plan->peer_unit * plan->unit;
    return allowed < plan->total ? allowed : plan->total;
}

static bool do_write(struct pl_app *app) {
    struct pl_world *world = app->world;
    while (app->written < allowed_bytes(app) && !pl_timer_armed(&app->write_timer)) {
        uint64_t left = allowed_bytes(app) - app->written;
        size_t len = app->plan->write_max < left ? app->plan->write_max : (size_t)left;
        pl_pattern_fill(app->plan->pattern, app->written, world->scratch, len);
        int64_t n = plait_write(stack_of(app), app->sock, world->scratch, len, world->now);
        touch(app);
        if (n == PLAIT_E_AGAIN) {
            if ((plait_poll(stack_of(app), app->sock) & PLAIT_POLL_WRITE) != 0) {
                fail(app, "poll says writable right after AGAIN");
            }
            return true;
        }
        if (n < 0) {
            failed(app, (int)n);
            return false;
        }
        if (n == 0 || (uint64_t)n > len) {
            fail(app, "write returned nonsense");
            return true;
        }
        app->written += (uint64_t)n;
        if (app->plan->write_gap_ns > 0) {
            pl_timer_arm(&world->timers, &app->write_timer, world->now + app->plan->write_gap_ns);
        }
    }
    return true;
}

/* ---- ending ---- */

static void do_finish(struct pl_app *app) {
    bool all_written = app->written == app->plan->total;
    if (!all_written || app->plan->end == PL_END_EARLY || app->plan->end == PL_END_ABORT) {
        return;
    }
    if (app->plan->end == PL_END_CLOSE) {
        if (app->received == pl_app_peer(app)->plan->total) {
            leave(app, false, 0);
        }
        return;
    }
    if (!app->shut) {
        int result = plait_shutdown(stack_of(app), app->sock, app->world->now);
        touch(app);
        if (result != 0) {
            failed(app, result);
            return;
        }
        app->shut = true;
        note(app, "shutdown", 0);
    }
    if (app->eof) {
        leave(app, false, 0);
    }
}

/* Bytes have come back or were acknowledged: only then may subflows be added (RFC 8684
 * section 3.1). */
static void look_for_proof(struct pl_app *app) {
    int64_t queue = 0;
    if (app->proven || plait_get(stack_of(app), app->sock, PLAIT_OPT_SEND_QUEUE, &queue) != 0) {
        return;
    }
    app->proven = app->received > 0 || (uint64_t)queue < app->written;
}

static void step(struct pl_app *app) {
    if (app->state == PL_APP_OPEN) {
        look_for_proof(app);
    }
    if (app->state == PL_APP_OPEN && do_read(app) && do_write(app)) {
        do_finish(app);
    }
}

static void quit_now(struct pl_app *app) {
    app->quit = true;
    if (app->state == PL_APP_CONNECTING || app->state == PL_APP_OPEN) {
        note(app, "quit", 0);
        leave(app, app->plan->end == PL_END_ABORT, 0);
    } else if (app->state == PL_APP_IDLE &&
               app->host == app->world->plan->conn[app->conn].initiator) {
        done(app, 0);
    }
}

/* ---- opening ---- */

static void opened(struct pl_app *app) {
    int64_t is_mptcp = 0;
    app->state = PL_APP_OPEN;
    app->connected = true;
    app->opened_at = app->world->now;
    if (plait_get(stack_of(app), app->sock, PLAIT_OPT_IS_MPTCP, &is_mptcp) != 0) {
        fail(app, "option IS_MPTCP failed");
    }
    app->fallback = app->fallback || is_mptcp == 0;
    note(app, "open", 0);
    step(app);
}

/* Who finds no memory for it has the default. */
static int prepare_policy(struct pl_app *app, const struct pl_plan_side *plan) {
    const struct {
        enum plait_option option;
        int64_t value;
    } wanted[] = {{PLAIT_OPT_SCHEDULER, plan->sched},
                  {PLAIT_OPT_PATH_MANAGER, plan->manager},
                  {PLAIT_OPT_SUBFLOWS_MAX, plan->subflows_max}};
    int result = 0;
    for (unsigned i = 0; i < 3 && result == 0; i++) {
        if (wanted[i].value != 0) {
            result = plait_set(stack_of(app), app->sock, wanted[i].option, wanted[i].value);
            result = result == PLAIT_E_NO_MEMORY ? 0 : result;
        }
    }
    return result;
}

/* Settings of a fresh or accepted socket. */
static int prepare(struct pl_app *app, bool fresh) {
    const struct pl_plan_side *plan = app->plan;
    struct plait_stack *stack = stack_of(app);
    int result = plait_set(stack, app->sock, PLAIT_OPT_USER, app->conn + 1);
    if (result == 0 && fresh && !plan->mptcp) {
        result = plait_set(stack, app->sock, PLAIT_OPT_MPTCP, 0);
    }
    result = result == 0 ? prepare_policy(app, plan) : result;
    /* With a cookie, a connect waits for the first byte. */
    if (result == 0 && fresh && app->world->plan->fault[PL_SIM_FASTOPEN] && plan->first > 0) {
        result = plait_set(stack, app->sock, PLAIT_OPT_FASTOPEN_CONNECT, 1);
    }
    if (result == 0 && plan->send_buffer > 0) {
        result = plait_set(stack, app->sock, PLAIT_OPT_SEND_BUFFER, plan->send_buffer);
    }
    if (result == 0 && plan->receive_buffer > 0) {
        result = plait_set(stack, app->sock, PLAIT_OPT_RECEIVE_BUFFER, plan->receive_buffer);
    }
    return result;
}

static const struct plait_addr *address_of(const struct pl_plan_port *port, uint8_t family) {
    for (unsigned i = 0; i < port->address_count; i++) {
        if (port->address[i].addr.family == family) {
            return &port->address[i].addr;
        }
    }
    return NULL;
}

/* It starts there; whether it may use the other addresses, too, is another question. */
static int bind_to(struct pl_app *app, plait_port_id port, const struct plait_addr *addr) {
    const struct pl_plan_conn *conn = &app->world->plan->conn[app->conn];
    struct plait_stack *stack = stack_of(app);
    /* A port that is removed and added again is another one; the address is the same. */
    int result = plait_bind(stack, app->sock, conn->restricted ? 0 : port, addr, 0);
    if (result == 0 && !conn->side[app->host].mptcp) {
        return 0;
    }
    if (result == 0 && conn->restricted) {
        return plait_set(stack, app->sock, PLAIT_OPT_MPTCP, 1);
    }
    struct plait_local everything = {.port = 0};
    return result == 0 ? plait_multipath_add(stack, app->sock, &everything, 1, app->world->now)
                       : result;
}

static int try_connect(struct pl_app *app) {
    struct pl_world *world = app->world;
    const struct pl_plan_conn *conn = &world->plan->conn[app->conn];
    const struct pl_plan_port *to = &world->plan->host[1 - app->host].port[conn->to_port];
    const struct plait_addr *there = address_of(to, conn->nat64 ? PLAIT_IPV4 : conn->family);
    struct plait_endpoint remote = {.addr = conn->nat64 ? pl_nat64_embed(there) : *there,
                                    .port = pl_app_tcp_port(app->conn)};
    int result = plait_open(stack_of(app), &app->sock);
    if (result != 0) {
        return result;
    }
    result = prepare(app, true);
    const struct pl_plan_port *from = &world->plan->host[app->host].port[conn->from_port];
    const struct plait_addr *local = address_of(from, conn->family);
    if (result == 0 && conn->bound && local != NULL) {
        plait_port_id id = world->host[app->host].port_id[conn->from_port];
        result = bind_to(app, id, local);
    }
    if (result == 0) {
        result = plait_connect(stack_of(app), app->sock, &remote, world->now);
    }
    if (result != 0 && plait_close(stack_of(app), app->sock, world->now) != 0) {
        fail(app, "close of a new socket failed");
    }
    return result;
}

/* What may pass: the network is being changed, or memory is short. */
static bool worth_retrying(int error) {
    return error == PLAIT_E_NO_ADDRESS || error == PLAIT_E_BAD_PORT || error == PLAIT_E_NO_MEMORY ||
           error == PLAIT_E_LIMIT;
}

static void start(struct pl_app *app) {
    if (app->state != PL_APP_IDLE) {
        return;
    }
    int result = try_connect(app);
    touch(app);
    if (result == 0) {
        app->state = PL_APP_CONNECTING;
        note(app, "connect", 0);
    } else if (worth_retrying(result)) {
        pl_timer_arm(&app->world->timers, &app->start_timer, app->world->now + RETRY_NS);
    } else {
        fail(app, "connect failed");
        done(app, result);
    }
}

/* A listener that defers hands over a socket that is HELD. */
static void confirm(struct pl_app *app) {
    int result = plait_confirm(stack_of(app), app->sock, app->world->now);
    touch(app);
    if (result != 0) {
        failed(app, result);
    }
}

void pl_app_accept(struct pl_app *app) {
    struct pl_world *world = app->world;
    plait_sock sock = 0;
    plait_sock listener = world->host[app->host].listener[app->conn];
    while (plait_accept(stack_of(app), listener, &sock) == 0) {
        touch(app);
        if (app->state != PL_APP_IDLE || app->crashed) {
            /* A second one can only be what is left of an attempt that the peer gave up. */
            (void)plait_abort(stack_of(app), sock, PLAIT_E_REFUSED, world->now);
            continue;
        }
        app->sock = sock;
        app->state = PL_APP_CONNECTING;
        int result = prepare(app, false);
        int64_t state = 0;
        if (result == 0) {
            result = plait_get(stack_of(app), sock, PLAIT_OPT_STATE, &state);
        }
        if (result != 0) {
            failed(app, result);
        } else if (app->quit) {
            quit_now(app);
        } else if (state == PLAIT_SOCKET_HELD) {
            pl_timer_arm(&world->timers, &app->start_timer,
                         world->now + world->plan->conn[app->conn].hold_ns);
        } else {
            opened(app);
        }
    }
}

static void start_fire(struct pl_timer *timer, plait_time now) {
    struct pl_app *app = PL_CONTAINER(timer, struct pl_app, start_timer);
    (void)now;
    if (app->state == PL_APP_CONNECTING) {
        confirm(app);
    } else {
        start(app);
    }
}

/* ---- events ---- */

void pl_app_event(struct pl_app *app, const struct plait_event *event) {
    if (app->state == PL_APP_IDLE || app->state == PL_APP_DONE || event->sock != app->sock) {
        return;
    }
    if (event->type == PLAIT_EVENT_FALLBACK) {
        app->fallback = true;
    }
    if (event->type == PLAIT_EVENT_ERROR) {
        failed(app, event->error);
        return;
    }
    if (event->type == PLAIT_EVENT_CONNECTED && app->state == PL_APP_CONNECTING) {
        opened(app);
        return;
    }
    if (event->type == PLAIT_EVENT_WRITABLE && app->state == PL_APP_CONNECTING) {
        (void)do_write(app); /* Fast Open */
        return;
    }
    step(app);
}

static void write_fire(struct pl_timer *timer, plait_time now) {
    (void)now;
    step(PL_CONTAINER(timer, struct pl_app, write_timer));
}

static void read_fire(struct pl_timer *timer, plait_time now) {
    (void)now;
    step(PL_CONTAINER(timer, struct pl_app, read_timer));
}

static void quit_fire(struct pl_timer *timer, plait_time now) {
    (void)now;
    quit_now(PL_CONTAINER(timer, struct pl_app, quit_timer));
}

void pl_app_crash(struct pl_app *app) {
    if (app->state == PL_APP_CONNECTING || app->state == PL_APP_OPEN) {
        app->crashed = true;
        done(app, 0);
    }
}

void pl_app_give_up(struct pl_app *app) {
    if (app->state == PL_APP_CONNECTING || app->state == PL_APP_OPEN) {
        app->gave_up = true;
        leave(app, true, 0);
    }
}

void pl_app_init(struct pl_app *app, struct pl_world *world, unsigned conn, unsigned host) {
    const struct pl_plan_conn *plan = &world->plan->conn[conn];
    *app = (struct pl_app){.world = world, .conn = conn, .host = host, .plan = &plan->side[host]};
    pl_timer_init(&app->start_timer, start_fire);
    pl_timer_init(&app->write_timer, write_fire);
    pl_timer_init(&app->read_timer, read_fire);
    pl_timer_init(&app->quit_timer, quit_fire);
    if (plan->initiator == host) {
        pl_timer_arm(&world->timers, &app->start_timer, plan->start);
    }
    if (app->plan->end == PL_END_EARLY || app->plan->end == PL_END_ABORT) {
        pl_timer_arm(&world->timers, &app->quit_timer, app->plan->quit_time);
    }
}

/* What an application and its surroundings do: socket calls and changes of ports. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "plait/socket.h"
#include "sim/pattern.h"
#include "sim/script_state.h"

enum { LISTEN_PORT = 8080, CONNECT_PORT = 80, PIECE = 65536 };

static bool check_result(struct pl_script_run *run, const struct pl_script_line *line,
                         int64_t result, int64_t expected) {
    int64_t wanted = line->has_result ? line->result : expected;
    if (result == wanted) {
        return true;
    }
    if (result < 0) {
        return pl_script_fail(run, line, "the call gave %s, not %" PRId64 "%s%s",
                              plait_error_name((int)result), wanted, wanted < 0 ? " " : "",
                              wanted < 0 ? plait_error_name((int)wanted) : "");
    }
    return pl_script_fail(run, line, "the call gave %" PRId64 ", not %" PRId64 "%s%s", result,
                          wanted, wanted < 0 ? " " : "",
                          wanted < 0 ? plait_error_name((int)wanted) : "");
}

/* A socket that does not exist yet is opened. */
static bool need_socket(struct pl_script_run *run, const struct pl_script_line *line) {
    struct pl_script_sock *sock = &run->sockets[line->socket];
    if (sock->id != 0) {
        return true;
    }
    *sock = (struct pl_script_sock){0};
    int result = plait_open(run->stack, &sock->id);
    return result == 0 || pl_script_fail(run, line, "no socket: %s", plait_error_name(result));
}

static int64_t do_bind(struct pl_script_run *run, const struct pl_script_line *line) {
    const struct plait_addr *addr =
        line->has_endpoint ? &line->endpoint.addr : &run->ports[line->port].addr;
    return plait_bind(run->stack, run->sockets[line->socket].id, 0, line->what == 1 ? NULL : addr,
                      line->endpoint.port);
}

static int64_t do_listen(struct pl_script_run *run, const struct pl_script_line *line) {
    plait_sock sock = run->sockets[line->socket].id;
    const struct plait_addr *addr = line->has_endpoint ? &line->endpoint.addr : NULL;
    uint16_t port = line->endpoint.port != 0 ? line->endpoint.port : LISTEN_PORT;
    int result = plait_bind(run->stack, sock, 0, addr, port);
    run->listen_port = port;
    return result != 0 ? result : plait_listen(run->stack, sock, (uint32_t)line->number);
}

/* To the peer of the flow that is called as the socket is, or of the first flow. */
static int64_t do_connect(struct pl_script_run *run, const struct pl_script_line *line) {
    struct pl_script_flow *flow = &run->flows[line->flow];
    struct plait_endpoint to = flow->remote;
    to.port = to.port != 0 ? to.port : CONNECT_PORT;
    if (line->has_endpoint) {
        to.addr = line->endpoint.addr;
    }
    if (line->has_number) {
        to.port = line->endpoint.port;
    }
    flow->remote = to;
    return plait_connect(run->stack, run->sockets[line->socket].id, &to, run->now);
}

static int64_t do_accept(struct pl_script_run *run, const struct pl_script_line *line) {
    plait_sock accepted = 0;
    int result = plait_accept(run->stack, run->sockets[1].id, &accepted);
    if (result == 0) {
        run->sockets[line->socket] = (struct pl_script_sock){.id = accepted};
    }
    return result;
}

static int64_t do_write(struct pl_script_run *run, const struct pl_script_line *line) {
    struct pl_script_sock *sock = &run->sockets[line->socket];
    uint64_t done = 0, len = (uint64_t)line->number;
    uint8_t *bytes = malloc(PIECE);
    int64_t result = PLAIT_E_NO_MEMORY;
    while (bytes != NULL) {
        size_t piece = len - done < PIECE ? (size_t)(len - done) : PIECE;
        pl_pattern_fill(pl_script_pattern(run, false), sock->written, bytes, piece);
        result = plait_write(run->stack, sock->id, bytes, piece, run->now);
        if (result <= 0) {
            break;
        }
        sock->written += (uint64_t)result;
        done += (uint64_t)result;
        if (done == len || (size_t)result < piece) {
            break;
        }
    }
    free(bytes);
    return done > 0 ? (int64_t)done : result;
}

static int64_t do_read(struct pl_script_run *run, const struct pl_script_line *line) {
    struct pl_script_sock *sock = &run->sockets[line->socket];
    uint64_t done = 0, len = (uint64_t)line->number;
    uint8_t *bytes = malloc(PIECE);
    int64_t result = PLAIT_E_NO_MEMORY;
    while (bytes != NULL) {
        size_t piece = len - done < PIECE ? (size_t)(len - done) : PIECE;
        result = plait_read(run->stack, sock->id, bytes, piece, run->now);
        if (result <= 0) {
            break;
        }
        size_t right =
            pl_pattern_compare(pl_script_pattern(run, true), sock->read, bytes, (size_t)result);
        if (right < (size_t)result) {
            pl_script_fail(run, line, "byte %" PRIu64 " of the stream is wrong",
                           sock->read + right);
        }
        sock->read += (uint64_t)result;
        done += (uint64_t)result;
        if (done == len) {
            break;
        }
    }
    free(bytes);
    return done > 0 ? (int64_t)done : result;
}

static int64_t do_get(struct pl_script_run *run, const struct pl_script_line *line) {
    int64_t value = 0;
    int result =
        plait_get(run->stack, run->sockets[line->socket].id, (enum plait_option)line->what, &value);
    return result != 0 ? result : value;
}

static int64_t do_close(struct pl_script_run *run, const struct pl_script_line *line) {
    plait_sock sock = run->sockets[line->socket].id;
    run->sockets[line->socket] = (struct pl_script_sock){0};
    if (line->verb == PL_CALL_ABORT) {
        return plait_abort(run->stack, sock, (int)line->number, run->now);
    }
    return plait_close(run->stack, sock, run->now);
}

static int64_t act(struct pl_script_run *run, const struct pl_script_line *line) {
    plait_sock sock = run->sockets[line->socket].id;
    switch (line->verb) {
        case PL_CALL_BIND:
            return do_bind(run, line);
        case PL_CALL_LISTEN:
            return do_listen(run, line);
        case PL_CALL_CONNECT:
            return do_connect(run, line);
        case PL_CALL_CONFIRM:
            return plait_confirm(run->stack, sock, run->now);
        case PL_CALL_ACCEPT:
            return do_accept(run, line);
        case PL_CALL_WRITE:
            return do_write(run, line);
        case PL_CALL_READ:
            return do_read(run, line);
        case PL_CALL_SHUTDOWN:
            return plait_shutdown(run->stack, sock, run->now);
        case PL_CALL_CLOSE:
        case PL_CALL_ABORT:
            return do_close(run, line);
        case PL_CALL_SET:
            return plait_set(run->stack, sock, (enum plait_option)line->what, line->number);
        case PL_CALL_GET:
            return do_get(run, line);
        case PL_CALL_POLL:
            return plait_poll(run->stack, sock);
        default: /* PL_CALL_SOCKET: it was opened */
            return 0;
    }
}

bool pl_script_call(struct pl_script_run *run, const struct pl_script_line *line) {
    bool opens = line->verb == PL_CALL_SOCKET || line->verb == PL_CALL_BIND ||
                 line->verb == PL_CALL_LISTEN || line->verb == PL_CALL_CONNECT ||
                 line->verb == PL_CALL_SET;
    if (opens && !need_socket(run, line)) {
        return false;
    }
    int64_t result = act(run, line);
    if (run->failed) {
        return false;
    }
    if ((line->verb == PL_CALL_GET || line->verb == PL_CALL_POLL) && !line->has_result) {
        return result >= 0 || check_result(run, line, result, 0);
    }
    bool counts = line->verb == PL_CALL_WRITE || line->verb == PL_CALL_READ;
    return check_result(run, line, result, counts ? line->number : 0);
}

/* ---- ports ---- */

static int set_mtu(struct pl_script_run *run, struct pl_script_port *port, uint32_t mtu) {
    int result = plait_port_set_mtu(run->stack, port->id, mtu);
    if (result == 0) {
        port->device.mtu = mtu;
    }
    return result;
}

static int change_port(struct pl_script_run *run, const struct pl_script_line *line) {
    struct pl_script_port *port = &run->ports[line->port - 1];
    const struct pl_script_port_setting *setting = &run->program->ports[line->port - 1];
    switch (line->verb) {
        case PL_PORT_UP:
        case PL_PORT_DOWN:
            return plait_port_set_up(run->stack, port->id, line->verb == PL_PORT_UP, run->now);
        case PL_PORT_MTU:
            return set_mtu(run, port, (uint32_t)line->number);
        case PL_PORT_ADD: {
            int id = plait_address_add(run->stack, port->id, &port->addr, setting->address_flags,
                                       setting->announce_port, 0, run->now);
            return id > 0 ? 0 : id;
        }
        case PL_PORT_REMOVE:
            return plait_address_remove(run->stack, port->id, &port->addr, run->now);
        default:
            return plait_address_set_backup(run->stack, port->id, &port->addr,
                                            line->verb == PL_PORT_SET_BACKUP, run->now);
    }
}

bool pl_script_port_line(struct pl_script_run *run, const struct pl_script_line *line) {
    if (!run->program->ports[line->port - 1].used) {
        return pl_script_fail(run, line, "there is no port %u: declare it at the top", line->port);
    }
    int result = change_port(run, line);
    return result == 0 ||
           pl_script_fail(run, line, "the port's change gave %s", plait_error_name(result));
}

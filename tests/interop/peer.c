/* interop/peer.c - our end of an interop case: one connection over one to four TUN devices.
 *
 * The devices exist already (tests/interop/run makes and routes them); a path is
 *     --path NAME,ADDRESS[,subflow][,signal][,backup][,fullmesh][,announce=PORT][,later]
 * When they are open it prints OPEN and waits for a line on stdin: then they are up. A server
 * prints READY when it listens. The last line on stdout is one JSON object. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <linux/if_tun.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "plait/monitor.h"
#include "port/loop.h"
#include "port/pcapng.h"
#include "transfer.h"

enum {
    PATHS_MAX = 4,
    MTU = 1500,
    STEP_MS = 5,
    LINGER_MS = 1500,
    RESET_MS = 500,
    EVENT_TYPES = 16,
    MONITOR_EVENTS = 1000
};

struct path {
    char name[16];
    struct plait_addr addr;
    uint32_t flags;
    uint16_t announce_port;
    bool later; /* added by an action */
    struct pl_loop_port *port;
};

struct peer {
    struct plait_config config;
    struct transfer_options options;
    struct path paths[PATHS_MAX];
    unsigned path_count;
    bool server, plain, no_offload, trace, monitor;
    uint64_t mark[PEER_SUBFLOWS_MAX]; /* payload of each subflow, both ways, at the action `mark` */
    bool fastopen;                    /* a first connection fetches the cookie */
    bool warming_up;                  /* it has not ended */
    struct plait_endpoint remote;
    const char *pcap;
    uint64_t timeout_ms;
    int64_t patience_ms; /* with what is not acknowledged, and without subflows; 0: the usual */

    struct pl_loop loop;
    struct pl_pcapng *capture;
    uv_timer_t timer;
    struct transfer transfer;
    plait_sock listener, sock;
    plait_time start, over_since;
    unsigned events[EVENT_TYPES];
};

static _Noreturn void usage(const char *what, const char *value) {
    fprintf(stderr, "peer: %s: %s\n", what, value);
    exit(2);
}

static _Noreturn void die(const char *what, int error) {
    fprintf(stderr, "peer: %s: %s (%d)\n", what, plait_error_text(error), error);
    exit(2);
}

/* ---- options ---- */

static uint64_t parse_number(const char *text, uint64_t max) {
    char *end = NULL;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || (*end != '\0' && *end != ':') || value > max) {
        usage("not a number in range", text);
    }
    return value;
}

static struct plait_addr parse_address(const char *text) {
    struct plait_addr addr = {.family = PLAIT_IPV4};
    if (inet_pton(AF_INET, text, addr.bytes) == 1) {
        return addr;
    }
    addr.family = PLAIT_IPV6;
    if (inet_pton(AF_INET6, text, addr.bytes) != 1) {
        usage("not an address", text);
    }
    return addr;
}

static void parse_path_flag(struct path *path, const char *word) {
    static const struct {
        const char *name;
        uint32_t flag;
    } flags[] = {{"subflow", PLAIT_ADDRESS_SUBFLOW},
                 {"signal", PLAIT_ADDRESS_SIGNAL},
                 {"backup", PLAIT_ADDRESS_BACKUP},
                 {"fullmesh", PLAIT_ADDRESS_FULLMESH}};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (strcmp(word, flags[i].name) == 0) {
            path->flags |= flags[i].flag;
            return;
        }
    }
    if (strncmp(word, "announce=", 9) == 0) {
        path->announce_port = (uint16_t)parse_number(word + 9, UINT16_MAX);
    } else if (strcmp(word, "later") == 0) {
        path->later = true;
    } else {
        usage("unknown flag of a path", word);
    }
}

static void parse_path(struct peer *peer, char *text) {
    if (peer->path_count == PATHS_MAX) {
        usage("too many paths", text);
    }
    struct path *path = &peer->paths[peer->path_count++];
    char *rest = NULL;
    const char *name = strtok_r(text, ",", &rest);
    const char *address = strtok_r(NULL, ",", &rest);
    if (name == NULL || address == NULL || strlen(name) >= sizeof(path->name)) {
        usage("--path wants NAME,ADDRESS[,FLAG...]", text);
    }
    memcpy(path->name, name, strlen(name) + 1);
    path->addr = parse_address(address);
    for (const char *word; (word = strtok_r(NULL, ",", &rest)) != NULL;) {
        parse_path_flag(path, word);
    }
}

/* --at BYTES:ACTION:PATH, given in ascending order of BYTES. */
static void parse_at(struct peer *peer, const char *text) {
    const char *colon = strchr(text, ':');
    if (colon == NULL || peer->options.action_count == PEER_ACTIONS_MAX) {
        usage("--at wants BYTES:ACTION:PATH", text);
    }
    peer->options.actions[peer->options.action_count++] =
        (struct transfer_action){.at = parse_number(text, INT64_MAX), .what = colon + 1};
}

enum option_id {
    OPT_PATH = 256,
    OPT_REMOTE,
    OPT_PORT,
    OPT_PLAIN,
    OPT_CHECKSUM,
    OPT_DENY_JOIN,
    OPT_NO_OFFLOAD,
    OPT_FASTOPEN,
    OPT_SYN_COOKIES,
    OPT_BYTES,
    OPT_PEER_BYTES,
    OPT_SEED,
    OPT_PEER_SEED,
    OPT_JOIN_WAIT,
    OPT_WAIT_EOF,
    OPT_FASTCLOSE,
    OPT_ANY_BYTES,
    OPT_PATIENCE,
    OPT_AT,
    OPT_PCAP,
    OPT_TIMEOUT,
    OPT_TRACE,
    OPT_MONITOR,
};

static const struct option long_options[] = {
    {"path", required_argument, NULL, OPT_PATH},
    {"remote", required_argument, NULL, OPT_REMOTE},
    {"port", required_argument, NULL, OPT_PORT},
    {"plain", no_argument, NULL, OPT_PLAIN},
    {"checksum", no_argument, NULL, OPT_CHECKSUM},
    {"deny-join", no_argument, NULL, OPT_DENY_JOIN},
    {"no-offload", no_argument, NULL, OPT_NO_OFFLOAD},
    {"fastopen", no_argument, NULL, OPT_FASTOPEN},
    {"syn-cookies", no_argument, NULL, OPT_SYN_COOKIES},
    {"bytes", required_argument, NULL, OPT_BYTES},
    {"peer-bytes", required_argument, NULL, OPT_PEER_BYTES},
    {"seed", required_argument, NULL, OPT_SEED},
    {"peer-seed", required_argument, NULL, OPT_PEER_SEED},
    {"join-wait", required_argument, NULL, OPT_JOIN_WAIT},
    {"wait-eof", no_argument, NULL, OPT_WAIT_EOF},
    {"fastclose", required_argument, NULL, OPT_FASTCLOSE},
    {"any-bytes", no_argument, NULL, OPT_ANY_BYTES},
    {"patience", required_argument, NULL, OPT_PATIENCE},
    {"at", required_argument, NULL, OPT_AT},
    {"pcap", required_argument, NULL, OPT_PCAP},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"trace", no_argument, NULL, OPT_TRACE},
    {"monitor", no_argument, NULL, OPT_MONITOR},
    {NULL, 0, NULL, 0},
};

/* Options about the transfer; false for any other. */
static bool take_transfer_option(struct transfer_options *to, int option, char *value) {
    switch (option) {
        case OPT_BYTES:
            to->bytes = parse_number(value, INT64_MAX);
            return true;
        case OPT_PEER_BYTES:
            to->peer_bytes = parse_number(value, INT64_MAX);
            return true;
        case OPT_SEED:
            to->seed = value;
            return true;
        case OPT_PEER_SEED:
            to->peer_seed = value;
            return true;
        case OPT_JOIN_WAIT:
            to->join_wait = (unsigned)parse_number(value, PEER_SUBFLOWS_MAX);
            return true;
        case OPT_WAIT_EOF:
            to->wait_eof = true;
            return true;
        case OPT_ANY_BYTES:
            to->any_bytes = true;
            return true;
        case OPT_FASTCLOSE:
            to->fastclose_at = (int64_t)parse_number(value, INT64_MAX);
            return true;
        default:
            return false;
    }
}

static void take_option(struct peer *peer, int option, char *value) {
    if (take_transfer_option(&peer->options, option, value)) {
        return;
    }
    switch (option) {
        case OPT_PATH:
            parse_path(peer, value);
            break;
        case OPT_REMOTE:
            peer->remote.addr = parse_address(value);
            break;
        case OPT_PORT:
            peer->remote.port = (uint16_t)parse_number(value, UINT16_MAX);
            break;
        case OPT_PLAIN:
            peer->plain = true;
            break;
        case OPT_CHECKSUM:
            peer->config.checksum = true;
            break;
        case OPT_DENY_JOIN:
            peer->config.deny_join_initial = true;
            break;
        case OPT_NO_OFFLOAD:
            peer->no_offload = true;
            break;
        case OPT_FASTOPEN:
            peer->fastopen = true;
            peer->warming_up = true;
            break;
        case OPT_SYN_COOKIES:
            peer->config.syn_cookies = PLAIT_SYN_COOKIES_ALWAYS;
            break;
        case OPT_PATIENCE:
            peer->patience_ms = (int64_t)parse_number(value, 3600) * 1000;
            peer->config.no_subflow_ns = (uint64_t)peer->patience_ms * PLAIT_NS_PER_MS;
            break;
        case OPT_AT:
            parse_at(peer, value);
            break;
        case OPT_PCAP:
            peer->pcap = value;
            break;
        case OPT_TIMEOUT:
            peer->timeout_ms = parse_number(value, 3600) * 1000;
            break;
        case OPT_TRACE:
            peer->trace = true;
            break;
        case OPT_MONITOR:
            peer->monitor = true;
            peer->config.stale_ns_min = 20 * PLAIT_NS_PER_S; /* a busy machine is no dead path */
            break;
        default:
            exit(2);
    }
}

static void parse_options(struct peer *peer, int argc, char **argv) {
    plait_config_init(&peer->config);
    peer->config.time_wait_ns = 200 * PLAIT_NS_PER_MS;
    peer->config.subflows_max = 8;
    peer->config.add_addr_accepted_max = 8;
    peer->options = (struct transfer_options){
        .seed = "plait", .peer_seed = "kernel", .join_wait = 1, .fastclose_at = -1, .user = peer};
    peer->timeout_ms = 8000;
    peer->remote.port = 5001;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) >= 0;) {
        take_option(peer, option, optarg);
    }
    if (optind + 1 != argc || peer->path_count == 0) {
        usage("usage", "peer [--path ...] client|server");
    }
    peer->server = strcmp(argv[optind], "server") == 0;
}

/* ---- paths ---- */

static void add_address(struct peer *peer, struct path *path, plait_time now) {
    int id = plait_address_add(peer->loop.stack, path->port->io.id, &path->addr, path->flags,
                               path->announce_port, 0, now);
    if (id < 0) {
        die("plait_address_add", id);
    }
}

static void open_path(struct peer *peer, struct path *path, plait_time now) {
    struct pl_tun tun;
    struct plait_port_config config = {.size = sizeof(config), .mtu = MTU};
    int error = pl_tun_open(&tun, path->name, -1);
    if (error < 0) {
        fprintf(stderr, "peer: %s: %s\n", path->name, strerror(-error));
        exit(2);
    }
    if (peer->no_offload) {
        tun.vnet = ioctl(tun.fd, TUNSETOFFLOAD, 0) < 0;
    }
    config.flags = tun.vnet ? PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM : 0;
    memcpy(config.name, path->name, sizeof(config.name));
    error = pl_loop_add_port(&peer->loop, &tun, &config, &path->port);
    if (error < 0) {
        die("pl_loop_add_port", error);
    }
    if (peer->capture != NULL) {
        path->port->io.capture = peer->capture;
        path->port->io.capture_id = pl_pcapng_add(peer->capture, path->name);
    }
    if (!path->later) {
        add_address(peer, path, now);
    }
}

/* Ends the subflows of a path: `reset` gives what they carry to the others. */
static int close_subflows(struct peer *peer, plait_port_id port, bool reset, plait_time now) {
    struct plait_stack *stack = peer->loop.stack;
    struct plait_subflow_info list[PEER_SUBFLOWS_MAX];
    int count = plait_subflows(stack, peer->transfer.sock, list, PEER_SUBFLOWS_MAX);
    for (int i = 0; i < count; i++) {
        int error = list[i].port != port ? 0
                                         : plait_subflow_close(stack, peer->transfer.sock,
                                                               list[i].serial, reset, now);
        if (error < 0) {
            return error;
        }
    }
    return count < 0 ? count : 0;
}

static uint64_t payload_of(const struct plait_subflow_info *subflow) {
    return subflow->bytes_sent + subflow->bytes_received;
}

static void mark(struct peer *peer) {
    for (unsigned i = 0; i < peer->transfer.subflow_count; i++) {
        peer->mark[i] = payload_of(&peer->transfer.subflows[i]);
    }
}

/* An action of --at: ACTION:PATH, the path counted from 1. */
static void act(void *user, const char *what, plait_time now) {
    struct peer *peer = user;
    struct plait_stack *stack = peer->loop.stack;
    const char *colon = strchr(what, ':');
    unsigned number = colon == NULL ? 0 : (unsigned)parse_number(colon + 1, PATHS_MAX);
    if (number < 1 || number > peer->path_count) {
        usage("no such path", what);
    }
    struct path *path = &peer->paths[number - 1];
    plait_port_id port = path->port->io.id;
    size_t len = (size_t)(colon - what);
    int error = 0;
    if (strncmp(what, "remove", len) == 0) {
        error = plait_address_remove(stack, port, &path->addr, now);
    } else if (strncmp(what, "add", len) == 0) {
        add_address(peer, path, now);
    } else if (strncmp(what, "backup", len) == 0) {
        error = plait_address_set_backup(stack, port, &path->addr, true, now);
    } else if (strncmp(what, "primary", len) == 0) {
        error = plait_address_set_backup(stack, port, &path->addr, false, now);
    } else if (strncmp(what, "down", len) == 0) {
        error = plait_port_set_up(stack, port, false, now);
    } else if (strncmp(what, "reset", len) == 0) {
        error = close_subflows(peer, port, true, now);
    } else if (strncmp(what, "mark", len) == 0) {
        mark(peer);
    } else if (strncmp(what, "up", len) == 0) {
        error = plait_port_set_up(stack, port, true, now);
    } else {
        usage("unknown action", what);
    }
    if (error < 0) {
        die(what, error);
    }
}

/* ---- the connection ---- */

static int set_options(struct peer *peer, plait_sock sock) {
    int error = plait_set(peer->loop.stack, sock, PLAIT_OPT_USER_TIMEOUT, peer->patience_ms);
    return error != 0 ? error : plait_set(peer->loop.stack, sock, PLAIT_OPT_MPTCP, !peer->plain);
}

static void start_client(struct peer *peer, plait_time now) {
    int error = plait_open(peer->loop.stack, &peer->sock);
    if (error == 0) {
        error = set_options(peer, peer->sock);
    }
    if (error == 0 && peer->fastopen) {
        error = plait_set(peer->loop.stack, peer->sock, PLAIT_OPT_FASTOPEN_CONNECT, 1);
    }
    if (error == 0) {
        error = plait_bind(peer->loop.stack, peer->sock, peer->paths[0].port->io.id,
                           &peer->paths[0].addr, 0);
    }
    if (error == 0) { /* it starts there, and may use all */
        error = plait_multipath_add(peer->loop.stack, peer->sock, &(struct plait_local){0}, 1, now);
    }
    if (error == 0) {
        error = plait_connect(peer->loop.stack, peer->sock, &peer->remote, now);
    }
    if (error < 0) {
        die("connect", error);
    }
}

static void start_server(struct peer *peer) {
    int error = plait_open(peer->loop.stack, &peer->listener);
    if (error == 0) {
        error = set_options(peer, peer->listener);
    }
    if (error == 0 && peer->fastopen) {
        error = plait_set(peer->loop.stack, peer->listener, PLAIT_OPT_FASTOPEN, 8);
    }
    if (error == 0) {
        error = plait_bind(peer->loop.stack, peer->listener, 0, NULL, peer->remote.port);
    }
    if (error == 0) {
        error = plait_listen(peer->loop.stack, peer->listener, 8);
    }
    if (error < 0) {
        die("listen", error);
    }
    puts("READY");
    fflush(stdout);
}

/* The connection that fetches the cookie; true while an event is about that one. */
static bool warm_up(struct peer *peer, const struct plait_event *event, plait_time now) {
    if (!peer->warming_up) {
        return false;
    }
    if (event->type == PLAIT_EVENT_CONNECTED) {
        peer->warming_up = false;
        plait_close(peer->loop.stack, peer->sock, now);
        start_client(peer, now);
    } else if (event->type == PLAIT_EVENT_ACCEPT) {
        plait_sock sock = 0;
        peer->warming_up = plait_accept(peer->loop.stack, peer->listener, &sock) != 0;
        plait_close(peer->loop.stack, sock, now);
        return peer->warming_up; /* one event may stand for both connections */
    }
    return event->type != PLAIT_EVENT_ERROR;
}

/* Whether a client may write: with a cookie, before it is connected. */
static bool may_start(const struct peer *peer, const struct plait_event *event) {
    bool open = event->type == PLAIT_EVENT_CONNECTED ||
                (peer->fastopen && event->type == PLAIT_EVENT_WRITABLE);
    return open && !peer->server && event->sock == peer->sock;
}

static void on_event(void *user, const struct plait_event *event, plait_time now) {
    struct peer *peer = user;
    if (event->type < EVENT_TYPES) {
        peer->events[event->type]++;
    }
    if (warm_up(peer, event, now)) {
        return;
    }
    if (event->type == PLAIT_EVENT_ACCEPT && peer->sock == 0) {
        if (plait_accept(peer->loop.stack, peer->listener, &peer->sock) == 0) {
            transfer_start(&peer->transfer, peer->sock, now);
        }
    } else if (may_start(peer, event)) {
        transfer_start(&peer->transfer, peer->sock, now);
    } else if (event->type == PLAIT_EVENT_ERROR && event->sock == peer->sock) {
        peer->transfer.sock = peer->sock;
        transfer_fail(&peer->transfer, event->error, now);
    } else {
        transfer_step(&peer->transfer, now);
    }
}

/* The stack goes on until its last connection is gone, but not for ever. */
static bool is_quiet(struct peer *peer, plait_time now) {
    struct plait_stack_stats stats = {.size = sizeof(stats)};
    if (!peer->transfer.over) {
        return false;
    }
    if (peer->over_since == 0) {
        peer->over_since = now;
    }
    plait_stack_stats(peer->loop.stack, &stats);
    plait_time since = now - peer->over_since;
    /* A reset that is lost is repeated when the peer sends on: somebody must be there to do it. */
    bool stays = peer->transfer.aborted && since < RESET_MS * PLAIT_NS_PER_MS;
    return (stats.connections == 0 && !stays) || since >= LINGER_MS * PLAIT_NS_PER_MS;
}

static void on_timer(uv_timer_t *timer) {
    struct peer *peer = timer->data;
    plait_time now = pl_posix_now();
    transfer_step(&peer->transfer, now);
    if (!peer->transfer.over && now - peer->start >= peer->timeout_ms * PLAIT_NS_PER_MS) {
        peer->transfer.verdict = "no end in time";
        transfer_fail(&peer->transfer, PLAIT_E_TIMED_OUT, now);
    }
    if (is_quiet(peer, now)) {
        plait_stack_check(peer->loop.stack);
        pl_loop_stop(&peer->loop);
    }
}

static void on_trace(void *user, const struct plait_trace_record *record) {
    (void)user;
    fprintf(stderr, "%.6f %08x.%u %s", (double)record->time / 1e9, record->connection,
            record->subflow, plait_trace_name(record->type));
    for (unsigned i = 0; i < 4 && plait_trace_arg_name(record->type, i)[0] != '\0'; i++) {
        fprintf(stderr, " %s=%" PRIu64, plait_trace_arg_name(record->type, i), record->arg[i]);
    }
    fputc('\n', stderr);
}

/* ---- the result ---- */

static json_t *subflows_json(const struct peer *peer) {
    json_t *list = json_array();
    for (unsigned i = 0; i < peer->transfer.subflow_count; i++) {
        const struct plait_subflow_info *sf = &peer->transfer.subflows[i];
        json_array_append_new(
            list, json_pack("{s:i, s:i, s:i, s:b, s:b, s:I, s:I, s:I}", "port", (int)sf->port,
                            "local_id", sf->local_id, "remote_id", sf->remote_id, "backup",
                            sf->backup, "backup_peer", sf->backup_peer, "sent",
                            (json_int_t)sf->bytes_sent, "received", (json_int_t)sf->bytes_received,
                            "since_mark", (json_int_t)(payload_of(sf) - peer->mark[i])));
    }
    return list;
}

static json_t *counters_json(const struct peer *peer) {
    const uint64_t *counters = plait_counters(peer->loop.stack);
    json_t *object = json_object();
    for (unsigned i = 0; i < PLAIT_COUNTER_COUNT; i++) {
        if (counters[i] > 0) {
            json_object_set_new(object, plait_counter_name(i),
                                json_integer((json_int_t)counters[i]));
        }
    }
    return object;
}

static json_t *endpoint_json(const struct plait_endpoint *from) {
    char text[INET6_ADDRSTRLEN] = "";
    if (from->addr.family != PLAIT_FAMILY_NONE) {
        inet_ntop(from->addr.family == PLAIT_IPV4 ? AF_INET : AF_INET6, from->addr.bytes, text,
                  sizeof(text));
    }
    return json_pack("[s, i]", text, (int)from->port);
}

/* What plait/monitor.h had to say, in the words of `ip mptcp monitor`. */
static json_t *monitor_json(const struct peer *peer) {
    struct plait_monitor_event e;
    json_t *list = json_array();
    while (plait_monitor_next(peer->loop.stack, &e)) {
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:o, s:o, s:i, s:i, s:b, s:b, s:i, s:i}", "name",
                            plait_monitor_name(e.type), "token", (json_int_t)e.token, "local",
                            endpoint_json(&e.local), "remote", endpoint_json(&e.remote), "locid",
                            e.local_id, "remid", e.remote_id, "backup", e.backup, "server_side",
                            e.server_side, "error", e.error, "reset_reason", e.reset_reason));
    }
    return list;
}

static void print_result(const struct peer *peer) {
    const struct transfer *t = &peer->transfer;
    struct plait_stack_stats stats = {.size = sizeof(stats)};
    plait_stack_stats(peer->loop.stack, &stats);
    const char *error = t->verdict != NULL ? t->verdict : plait_error_name(t->error);
    json_t *result = json_pack("{s:b, s:s, s:I, s:I, s:b, s:b, s:b}", "ok", t->error == 0, "error",
                               t->error == 0 ? "" : error, "sent", (json_int_t)t->sent, "received",
                               (json_int_t)t->received, "eof", t->eof, "aborted", t->aborted,
                               "released", t->released);
    json_object_set_new(result, "altered", json_boolean(t->altered));
    json_object_set_new(result, "is_mptcp", json_integer(t->info.mptcp && !t->info.fallback));
    json_object_set_new(result, "checksum", json_integer(t->info.checksum));
    json_object_set_new(result, "subflows_max", json_integer(t->established_max));
    json_object_set_new(result, "left", json_integer(stats.connections));
    json_object_set_new(result, "memory_left", json_integer((json_int_t)stats.memory_bytes));
    json_object_set_new(result, "subflows", subflows_json(peer));
    json_object_set_new(result, "counters", counters_json(peer));
    if (peer->monitor) {
        json_object_set_new(result, "monitor", monitor_json(peer));
    }
    json_dumpf(result, stdout, JSON_COMPACT);
    json_decref(result);
    puts("");
}

static void set_up(struct peer *peer) {
    struct pl_loop_callbacks callbacks = {
        .user = peer, .event = on_event, .trace = peer->trace ? on_trace : NULL};
    int error = pl_loop_init(&peer->loop, &peer->config, &callbacks);
    if (error < 0) {
        die("pl_loop_init", error);
    }
    if (peer->pcap != NULL &&
        pl_pcapng_open(&peer->capture, peer->pcap, pl_posix_real_offset()) < 0) {
        usage("cannot write", peer->pcap);
    }
    for (unsigned i = 0; i < peer->path_count; i++) {
        open_path(peer, &peer->paths[i], pl_posix_now());
    }
    if (peer->monitor && plait_monitor_start(peer->loop.stack, MONITOR_EVENTS) < 0) {
        usage("cannot monitor", "no memory");
    }
    peer->options.act = act;
    error = transfer_init(&peer->transfer, peer->loop.stack, &peer->options);
    if (error < 0) {
        die("transfer_init", error);
    }
    puts("OPEN");
    fflush(stdout);
    while (getchar() != '\n' && !feof(stdin)) {
    }
    uv_timer_init(&peer->loop.uv, &peer->timer);
    peer->timer.data = peer;
    peer->start = pl_posix_now();
    uv_timer_start(&peer->timer, on_timer, STEP_MS, STEP_MS);
}

int main(int argc, char **argv) {
    static struct peer peer;
    signal(SIGPIPE, SIG_IGN);
    parse_options(&peer, argc, argv);
    set_up(&peer);
    if (peer.server) {
        start_server(&peer);
    } else {
        start_client(&peer, pl_posix_now());
    }
    pl_loop_run(&peer.loop);
    print_result(&peer);
    uv_close((uv_handle_t *)&peer.timer, NULL);
    pl_loop_fini(&peer.loop);
    transfer_fini(&peer.transfer);
    pl_pcapng_close(peer.capture);
    return peer.transfer.error == 0 ? 0 : 1;
}

/* cli/relay_report.c - figures for other programs, as JSON.
 *
 * --progress: a line every 100 ms, for live displays. --json: one object at the end. Bytes of a
 * link are those of IP packets, headers and retransmissions included, from the program's point of
 * view (rx: to it); delivered_bytes is payload handed on, both directions. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/relay.h"

enum { PROGRESS_MS = 100, MEASURE_MS = 1000 };

static json_int_t milliseconds_since(plait_time start) {
    return (json_int_t)((pl_posix_now() - start) / PLAIT_NS_PER_MS);
}

static json_t *link_json(const struct relay_link *link, bool final) {
    const struct pl_tun_port *io = &link->port->io;
    if (final) {
        return json_pack("{s:s, s:b, s:I, s:I, s:I, s:f}", "name", link->name, "up",
                         link->applied.up, "bytes_in", (json_int_t)io->rx_bytes, "bytes_out",
                         (json_int_t)io->tx_bytes, "subflows", (json_int_t)link->subflows_opened,
                         "srtt_ms", (double)link->srtt_ns / 1e6);
    }
    return json_pack("{s:s, s:b, s:I, s:I, s:f, s:i}", "name", link->name, "up", link->applied.up,
                     "rx_bytes", (json_int_t)io->rx_bytes, "tx_bytes", (json_int_t)io->tx_bytes,
                     "srtt_ms", (double)link->srtt_ns / 1e6, "subflows", (int)link->subflows);
}

static json_t *links_json(const struct relay *relay, bool final) {
    json_t *links = json_array();
    for (unsigned i = 0; i < relay->links.count; i++) {
        if (relay->links.link[i].port != NULL) {
            json_array_append_new(links, link_json(&relay->links.link[i], final));
        }
    }
    return links;
}

/* ---- progress ---- */

/* Whether a line can be written at once: a reader that does not keep up loses lines, and must not
 * stop the connections. The descriptor may block, and is not ours alone to change that. */
static bool has_room(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    return poll(&poll_fd, 1, 0) > 0; /* also when the reader has gone: then writing fails */
}

static void write_progress(struct relay *relay) {
    struct relay_report *report = &relay->report;
    json_int_t up = (json_int_t)relay_conns_bytes(relay, 0),
               down = (json_int_t)relay_conns_bytes(relay, 1);
    json_t *line =
        json_pack("{s:I, s:o, s:I, s:I, s:I, s:i}", "t_ms", milliseconds_since(report->started),
                  "links", links_json(relay, false), "delivered_bytes", up + down, "up_bytes", up,
                  "down_bytes", down, "connections", (int)relay->conns.open);
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(line);
    if (text == NULL) {
        return;
    }
    size_t len = strlen(text);
    text[len] = '\n';
    ssize_t n = has_room(report->progress_fd) ? write(report->progress_fd, text, len + 1) : 0;
    free(text);
    if (n < 0 && errno != EAGAIN) {
        report->progress_fd = -1;
    }
}

static void on_timer(uv_timer_t *timer) {
    struct relay *relay = timer->data;
    relay_conns_measure(relay);
    relay_links_choose(relay);
    if (relay->report.progress_fd >= 0) {
        write_progress(relay);
    }
}

static bool open_progress(struct relay *relay, const char *where) {
    struct relay_report *report = &relay->report;
    char *end;
    long fd = isdigit((unsigned char)where[0]) ? strtol(where, &end, 10) : -1;
    if (fd >= 0 && *end == '\0') {
        if (fcntl((int)fd, F_GETFD) < 0) {
            cli_say("%s: --progress %ld: this descriptor is not open", relay->options.command, fd);
            relay->trouble = EXIT_USAGE;
            return false;
        }
        report->progress_fd = (int)fd;
        /* Our own; the program keeps only the standard three. */
        return fd <= 2 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0;
    }
    report->progress_fd = open(where, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    report->progress_own = report->progress_fd >= 0;
    if (report->progress_fd < 0) {
        cli_say("%s: --progress: cannot write %s: %s", relay->options.command, where,
                strerror(errno));
    }
    return report->progress_fd >= 0;
}

/* ---- the end ---- */

static void write_json(const struct relay *relay, int status) {
    const struct relay_conns *conns = &relay->conns;
    double seconds = (double)(pl_posix_now() - relay->report.started) / 1e9;
    json_t *json =
        json_pack("{s:s?, s:i, s:f, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "program",
                  relay->options.program[0], "status", status, "seconds", seconds, "links",
                  links_json(relay, true), "connections", (json_int_t)conns->total, "connected",
                  (json_int_t)conns->connected, "mptcp_connections", (json_int_t)conns->mptcp,
                  "fallbacks", (json_int_t)conns->fallbacks, "failed", (json_int_t)conns->failed,
                  "up_bytes", (json_int_t)relay_conns_bytes(relay, 0), "down_bytes",
                  (json_int_t)relay_conns_bytes(relay, 1));
    const size_t flags = JSON_REAL_PRECISION(6);
    if (relay->options.json_file == NULL) {
        if (json != NULL && json_dumpf(json, stderr, flags) == 0) {
            fputc('\n', stderr);
        }
    } else if (json == NULL || json_dump_file(json, relay->options.json_file, flags) < 0) {
        cli_say("%s: --json: cannot write %s: %s", relay->options.command, relay->options.json_file,
                strerror(errno));
    }
    json_decref(json);
}

bool relay_report_begin(struct relay *relay) {
    struct relay_report *report = &relay->report;
    bool progress = relay->options.progress != NULL;
    unsigned period = progress ? PROGRESS_MS : MEASURE_MS;
    report->started = pl_posix_now();
    if (progress && !open_progress(relay, relay->options.progress)) {
        return false;
    }
    uv_timer_init(&relay->loop.uv, &report->timer);
    report->timer.data = relay;
    report->timer_open = true;
    uv_timer_start(&report->timer, on_timer, period, period);
    return true;
}

void relay_report_end(struct relay *relay, int status) {
    struct relay_report *report = &relay->report;
    relay_conns_measure(relay);
    if (report->timer_open) {
        uv_close((uv_handle_t *)&report->timer, NULL);
    }
    if (report->progress_fd >= 0) {
        write_progress(relay);
        if (report->progress_own) {
            close(report->progress_fd);
        }
    }
    if (relay->options.json) {
        write_json(relay, status);
    }
}

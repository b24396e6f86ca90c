/* cli/lab.h - the parts of `plait lab demo` and what they share.
 *
 *   cmd_lab.c      options
 *   lab_demo.c     what happens when; signals; the order of setting up and taking down
 *   lab_needs.c    what the machine must have
 *   lab_site.c     a directory and two network namespaces; leftovers of dead runs
 *   lab_net.c      the links
 *   lab_server.c   the file and nginx
 *   lab_witness.c  what the server's kernel, or `plait serve`, counted
 *   lab_client.c   the three clients
 *   lab_process.c  child processes in a namespace
 *   lab_measure.c  what happened, in figures: no I/O
 *   lab_show.c     the screen
 *   lab_report.c   demo.json
 *   lab_page.c     demo.html, with the charts of lab_chart.c
 *
 * One struct lab is the whole state; every part has its own piece of it. One thread. */
#ifndef PL_CLI_LAB_H
#define PL_CLI_LAB_H

#include <stdio.h>
#include <sys/types.h>
#include <uv.h>

#include "cli/cli.h"
#include "cli/lab_measure.h"
#include "port/emulator.h"
#include "port/posix_env.h"

/* ---- options ---- */

enum lab_client { LAB_PLAIT, LAB_KERNEL, LAB_TCP };
/* Who speaks MPTCP for nginx. */
enum lab_speaker { LAB_BY_ANY, LAB_BY_KERNEL, LAB_BY_PLAIT };

enum { LAB_BYTES_DEFAULT = 60000000, LAB_BYTES_MIN = 1000000, LAB_BYTES_MAX = 1000000000 };

struct lab_options {
    enum lab_client client;
    enum lab_speaker server; /* ANY: the kernel, where it can */
    uint64_t bytes;          /* of the file */
    const char *out;         /* directory of demo.json and demo.html */
    bool plain, help;
};

/* ---- the machine ---- */

/* Chooses the server where that is open. */
void lab_needs_choose(struct lab_options *options);
/* Says, one line each, what is missing. Returns 0 or an exit status. */
int lab_needs_check(const struct lab_options *options);

/* ---- places ---- */

enum { LAB_PHONE, LAB_SERVER, LAB_ENDS };

struct lab_site {
    char dir[64]; /* "" before there is one */
    int alive_fd; /* locked as long as this run lives */
    char name[LAB_ENDS][32];
    int ns[LAB_ENDS]; /* descriptors, -1 before there are */
};

/* Removes what dead runs left, makes the directory and the namespaces. False: said why; call
 * lab_site_end() anyway. */
bool lab_site_begin(struct lab_site *site);
void lab_site_end(struct lab_site *site);
/* The name of a file in the directory. */
void lab_site_path(const struct lab_site *site, const char *file, char path[128]);
/* The last lines of a file in the directory, on stderr. */
void lab_site_tail(const struct lab_site *site, const char *file);
/* Runs `ip -batch` in a namespace. False: said why. */
bool lab_site_ip(const struct lab_site *site, unsigned end, const char *lines);

/* ---- the links at work ---- */

struct lab_net {
    struct pl_posix_env posix;
    struct pl_emulator *emulator;
    struct pl_emulator_link *links[LAB_LINKS];
};

/* False: said why; call lab_net_end() and lab_net_free() anyway. */
bool lab_net_begin(struct lab_net *net, const struct lab_site *site, uv_loop_t *uv,
                   const struct lab_options *options);
/* Whether one of the two ends is the kernel's MPTCP. */
bool lab_net_needs_mptcp(const struct lab_options *options);
/* Switches the black hole, in both directions. */
void lab_net_dead(struct lab_net *net, unsigned link, bool dead);
/* Packets and bytes that a link has delivered to the phone. */
void lab_net_read(struct lab_net *net, unsigned link, uint64_t *packets, uint64_t *bytes);
/* Before the loop's last turns: the emulator frees itself in them. */
void lab_net_end(struct lab_net *net);
/* After them. */
void lab_net_free(struct lab_net *net);

/* ---- processes ---- */

enum { LAB_PATH_MAX = 4096 };

struct lab_process {
    pid_t pid; /* 0: none */
    bool running;
    int status; /* an exit status, 128 + n after signal n; valid when it has ended */
};

/* Starts argv[0] in a namespace with its output in the file `log`, in a process group of its own;
 * it ends when we do. Returns 0 or -errno. */
PLAIT_MUST_CHECK int lab_process_start(struct lab_process *process, const char *const argv[],
                                       int ns, const char *log);
/* True when it has ended since the last call. */
bool lab_process_ended(struct lab_process *process);
/* Sends a signal to its group if it runs. */
void lab_process_signal(const struct lab_process *process, int number);
/* Our own program, to be started once more. False: said why. */
bool lab_process_self(char path[LAB_PATH_MAX]);
/* Kills it if it runs, and waits. */
void lab_process_end(struct lab_process *process);

/* ---- server ---- */

#define LAB_SERVER_JSON "server.json"

struct lab_server {
    struct lab_process nginx;
    unsigned char digest[32];
    char peer[160];
};
/* What the server's end counted. */
struct lab_witness {
    bool known;
    uint64_t capable, joins, fallbacks;
};

/* Writes the file and starts nginx. False: said why. */
bool lab_server_begin(struct lab_server *server, const struct lab_site *site,
                      const struct lab_options *options);
bool lab_server_ready(const struct lab_site *site);
void lab_witness_read(const struct lab_site *site, enum lab_speaker server,
                      struct lab_witness *out);
/* SHA-256 of a file. False: it cannot be read. */
bool lab_server_digest(const char *path, unsigned char digest[32]);

/* ---- client ---- */

const char *lab_server_name(enum lab_speaker server);
/* False: there is none of that name. */
bool lab_server_parse(const char *name, enum lab_speaker *out);

const char *lab_client_name(enum lab_client client);
/* False: there is none of that name. */
bool lab_client_parse(const char *name, enum lab_client *out);
/* Starts the download into the file "download". False: said why. */
bool lab_client_start(struct lab_process *process, enum lab_client client,
                      const struct lab_site *site);

/* ---- the verdict ---- */

struct lab_target {
    const char *what;
    double value, limit; /* value < 0: not measured */
    bool at_least;       /* else: at most */
    int decimals;
    const char *unit;
};
enum { LAB_TARGET_BOTH, LAB_TARGET_GAP, LAB_TARGET_RETURN, LAB_TARGETS };

struct lab_result {
    bool ok, complete, sha256_ok, mptcp;
    double seconds;
    struct lab_witness witness;
    struct lab_target targets[LAB_TARGETS];
    char digest[65];
};

bool lab_target_met(const struct lab_target *target);

/* ---- all of it ---- */

enum lab_phase { LAB_STARTING, LAB_LOADING, LAB_CLOSING };
enum { LAB_SIGNALS = 4 };

/* The display: one that is overwritten in place, or a line per second. */
struct lab_show {
    bool in_place, utf8;
    unsigned lines; /* that the next one overwrites */
    struct lab_point last;
    int progress_fd;          /* of what `plait run` tells, -1: none */
    double rtt_ms[LAB_LINKS]; /* as it told last, 0: unknown */
};

struct lab {
    struct lab_options options;
    struct lab_site site;
    struct lab_net net;
    struct lab_server server;
    struct lab_process client;
    struct lab_measure measure;
    struct lab_result result;
    struct lab_show show;
    enum lab_phase phase;
    uv_loop_t uv;
    uv_timer_t tick;
    uv_signal_t signals[LAB_SIGNALS];
    uint64_t began_ns, client_ns, closing_ns;
    int signal; /* the one that ends the run, 0: none */
    bool troubled;
};

/* Runs the demo; returns the exit status. */
int lab_demo_run(const struct lab_options *options);

void lab_show_begin(struct lab *lab);
void lab_show_progress(struct lab *lab);
void lab_show_event(struct lab *lab, const char *what);
/* Something else will be printed now. */
void lab_show_interrupt(struct lab *lab);
void lab_show_result(const struct lab *lab);
void lab_show_end(struct lab *lab);

/* False: cannot be written, said why. */
bool lab_report_write(const struct lab *lab);
bool lab_page_write(const struct lab *lab);
/* The charts: throughput of every link and of the file over time. */
void lab_chart_write(FILE *out, const struct lab_measure *measure);

#endif

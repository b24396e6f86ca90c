/* cli/cmd_run.c - `plait run`: a program over all links at once.
 *
 * The program lives in a network namespace whose only way out for TCP is a stack in this process;
 * the stack reaches the world through one device per link. See relay.h for the parts.
 *
 * Setting up goes from what is easily undone to what is not, and the program starts last; every
 * part's end undoes what its begin did, however far that came. Signals stay blocked from the first
 * change to the last and arrive by a descriptor, so nothing interrupts either. */
#include <errno.h>
#include <getopt.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/relay.h"
#include "port/pcapng.h"

enum {
    LINGER_STEP_MS = 5,
    LINGER_QUIET_STEPS = 2,     /* nothing left to deliver for so long: done */
    LINGER_CLOSING_STEPS = 200, /* only goodbyes are outstanding */
    LINGER_STALL_STEPS = 600,   /* data is outstanding and does not move */
    LINGER_STEPS_MAX = 12000,
};

/* What runs only in this file. */
struct control {
    struct relay relay;
    int signal_fd;
    uv_poll_t signals, monitor;
    uv_timer_t linger;
    bool polls_open, linger_open;
    unsigned steps, quiet, closing, stalled;
    uint64_t undelivered;
};

static const char usage[] =
    "usage: plait run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "\n"
    "Runs PROGRAM so that its TCP connections use all links at once (Multipath TCP).\n"
    "Everything else it sends goes over the best link. The exit status is the program's.\n"
    "\n"
    "  --link IF         use this interface; may be repeated. Default: every interface\n"
    "                    with a default route, and those that get one later\n"
    "  -d                tell on stderr what happens to links and connections\n"
    "  --pcap FILE       write all packets of all links and of the program (pcapng)\n"
    "  --json[=FILE]     write figures at the end, as one JSON object, to stderr or FILE\n"
    "  --progress WHERE  write figures every 100 ms, as one line of JSON, to WHERE: the\n"
    "                    number of an open file descriptor, or a file\n"
    "  -h, --help        this text\n";

void relay_debug(const struct relay *relay, const char *format, ...) {
    char line[512];
    va_list arguments;
    if (!relay->options.debug) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    cli_say("%s", line);
}

/* ---- options ---- */

enum { OPTION_LINK = 256, OPTION_PCAP, OPTION_JSON, OPTION_PROGRESS };

static bool take_option(struct relay_options *options, int option) {
    switch (option) {
        case 'd':
            options->debug = true;
            return true;
        case 'h':
            options->help = true;
            return true;
        case OPTION_LINK:
            if (options->link_count == RELAY_LINKS_MAX || strlen(optarg) > 15 || *optarg == '\0') {
                cli_say("run: --link %s: no name of an interface, or too many", optarg);
                return false;
            }
            options->links[options->link_count++] = optarg;
            return true;
        case OPTION_PCAP:
            options->pcap = optarg;
            return true;
        case OPTION_JSON:
            options->json = true;
            options->json_file = optarg;
            return true;
        case OPTION_PROGRESS:
            options->progress = optarg;
            return true;
        default:
            return false;
    }
}

static bool parse(int argc, char **argv, struct relay_options *options) {
    static const struct option longs[] = {{"link", required_argument, NULL, OPTION_LINK},
                                          {"pcap", required_argument, NULL, OPTION_PCAP},
                                          {"json", optional_argument, NULL, OPTION_JSON},
                                          {"progress", required_argument, NULL, OPTION_PROGRESS},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, "+:dh", longs, NULL)) != -1) {
        if (option == ':') {
            cli_say("run: %s needs a value; `plait run --help` tells more", argv[optind - 1]);
            return false;
        }
        if (option == '?') {
            cli_say("run: unknown option %s; `plait run --help` tells more", argv[optind - 1]);
            return false;
        }
        if (!take_option(options, option)) {
            return false;
        }
    }
    options->program = argv + optind;
    if (optind == argc && !options->help) {
        cli_say("run: the program to run is missing; `plait run --help` tells more");
        return false;
    }
    return true;
}

/* Namespaces need CAP_SYS_ADMIN, devices and routes CAP_NET_ADMIN. */
static bool may_administer(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    const uint32_t needed = 1U << CAP_NET_ADMIN | 1U << CAP_SYS_ADMIN;
    return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & needed) == needed;
}

/* ---- the end of the program ---- */

/* What the program wrote last may still be on its way. */
static void linger_step(uv_timer_t *timer) {
    struct control *control = timer->data;
    unsigned closing = 0;
    uint64_t undelivered = relay_conns_undelivered(&control->relay, &closing);
    bool moves = undelivered != control->undelivered;
    control->undelivered = undelivered;
    control->steps++;
    control->quiet = undelivered == 0 && closing == 0 ? control->quiet + 1 : 0;
    control->closing = undelivered == 0 && closing > 0 ? control->closing + 1 : 0;
    control->stalled = undelivered > 0 && !moves ? control->stalled + 1 : 0;
    if (control->relay.conns.open == 0 || control->quiet >= LINGER_QUIET_STEPS ||
        control->closing >= LINGER_CLOSING_STEPS || control->stalled >= LINGER_STALL_STEPS ||
        control->steps >= LINGER_STEPS_MAX) {
        pl_loop_stop(&control->relay.loop);
    }
}

static void reap(struct control *control) {
    struct relay *relay = &control->relay;
    if (relay->exited ||
        waitpid(relay->inner.child, &relay->status, WNOHANG) != relay->inner.child) {
        return;
    }
    relay->exited = true;
    relay_conns_measure(relay);
    relay_debug(relay, "the program has ended, %u connections are open", relay->conns.open);
    uv_timer_init(&relay->loop.uv, &control->linger);
    control->linger.data = control;
    control->linger_open = true;
    uv_timer_start(&control->linger, linger_step, 0, LINGER_STEP_MS);
}

/* ---- signals ---- */

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

static void take_signal(struct control *control, const struct signalfd_siginfo *info) {
    struct relay *relay = &control->relay;
    if (info->ssi_signo == SIGCHLD) {
        reap(control);
        return;
    }
    if (relay->capture != NULL) {
        pl_pcapng_flush(relay->capture);
    }
    if (relay->exited) {
        pl_loop_stop(&relay->loop);
        return;
    }
    /* What the terminal sends (SI_KERNEL), the program has got itself: it is in our group. */
    if (info->ssi_code != SI_KERNEL) {
        kill(relay->inner.child, (int)info->ssi_signo);
    }
}

static void on_signal(uv_poll_t *poll, int status, int events) {
    struct control *control = poll->data;
    struct signalfd_siginfo info;
    (void)status;
    (void)events;
    while (read(control->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        take_signal(control, &info);
    }
}

static bool block_signals(struct control *control) {
    sigset_t blocked, read_set;
    sigemptyset(&read_set);
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++) {
        sigaddset(&read_set, passed_on[i]);
    }
    sigaddset(&read_set, SIGCHLD);
    blocked = read_set;
    sigaddset(&blocked, SIGPIPE); /* a closed stderr must not keep us from cleaning up */
    sigprocmask(SIG_BLOCK, &blocked, &control->relay.signals_before);
    control->signal_fd = signalfd(-1, &read_set, SFD_CLOEXEC | SFD_NONBLOCK);
    return control->signal_fd >= 0;
}

/* ---- links ---- */

static void on_link(void *user, const struct pl_link *link, unsigned changes) {
    relay_debug(user, "interface %s:%s%s%s%s%s", link->name, changes & PL_LINK_NEW ? " new" : "",
                changes & PL_LINK_GONE ? " gone" : "",
                changes & PL_LINK_STATE ? (link->carrier ? " carrier" : " no carrier") : "",
                changes & PL_LINK_ADDRS ? " addresses" : "",
                changes & PL_LINK_GATEWAY ? " default route" : "");
}

static void on_monitor(uv_poll_t *poll, int status, int events) {
    struct relay *relay = poll->data;
    (void)status;
    (void)events;
    int result = pl_netlink_read(relay->monitor, on_link, relay);
    if (result < 0) {
        relay_debug(relay, "cannot read the state of the links: %s", strerror(-result));
        return;
    }
    relay_links_update(relay);
}

/* ---- the loop ---- */

static void on_event(void *user, const struct plait_event *event, plait_time now) {
    relay_conns_event(user, event, now);
}

static void on_gone(void *user, struct pl_loop_port *port) {
    struct relay *relay = user;
    relay_debug(relay, "the device %s has vanished", port->io.tun.name);
    relay_links_update(relay);
}

static bool begin_loop(struct control *control) {
    struct relay *relay = &control->relay;
    struct plait_config config;
    struct pl_loop_callbacks callbacks = {.user = relay, .event = on_event, .gone = on_gone};
    plait_config_init(&config);
    int result = pl_loop_init(&relay->loop, &config, &callbacks);
    if (result < 0) {
        cli_say("cannot create the stack: %s", plait_error_text(result));
        relay->loop.stack = NULL;
        return false;
    }
    uv_poll_init(&relay->loop.uv, &control->signals, control->signal_fd);
    uv_poll_init(&relay->loop.uv, &control->monitor, pl_netlink_fd(relay->monitor));
    control->signals.data = control;
    control->monitor.data = relay;
    control->polls_open = true;
    uv_poll_start(&control->signals, UV_READABLE, on_signal);
    uv_poll_start(&control->monitor, UV_READABLE, on_monitor);
    return true;
}

static bool open_capture(struct relay *relay) {
    if (relay->options.pcap == NULL) {
        return true;
    }
    int result = pl_pcapng_open(&relay->capture, relay->options.pcap, pl_posix_real_offset());
    if (result < 0) {
        cli_say("run: --pcap: cannot write %s: %s", relay->options.pcap, strerror(-result));
    }
    return result == 0;
}

static bool open_kernel(struct relay *relay) {
    int result = pl_netlink_open(&relay->monitor, -1);
    if (result == 0) {
        result = pl_netconf_open(&relay->conf, -1);
    }
    if (result < 0) {
        cli_say("cannot talk to the kernel about links: %s", strerror(-result));
    }
    return result == 0;
}

static bool begin_program(struct relay *relay) {
    relay_resolv_plan(relay);
    if (!relay_inner_spawn(relay) || !relay_inner_setup(relay)) {
        return false;
    }
    if (relay->capture != NULL) {
        relay->inner.port->io.capture = relay->capture;
        relay->inner.port->io.capture_id = pl_pcapng_add(relay->capture, "inner");
    }
    return relay_links_begin(relay) && relay_conns_begin(relay);
}

static bool begin(struct control *control) {
    struct relay *relay = &control->relay;
    return block_signals(control) && relay_state_begin(&relay->state) &&
           relay_plan_make(&relay->plan, relay->state.instance, relay->monitor) &&
           open_capture(relay) && begin_loop(control) && relay_report_begin(relay) &&
           begin_program(relay);
}

static void end_loop(struct control *control) {
    struct relay *relay = &control->relay;
    if (relay->loop.stack == NULL) {
        return;
    }
    relay_conns_end(relay);
    pl_loop_settle(&relay->loop); /* resets of what was left go out */
    if (control->polls_open) {
        uv_close((uv_handle_t *)&control->signals, NULL);
        uv_close((uv_handle_t *)&control->monitor, NULL);
    }
    if (control->linger_open) {
        uv_close((uv_handle_t *)&control->linger, NULL);
    }
    pl_loop_fini(&relay->loop);
}

static void end(struct control *control, int status) {
    struct relay *relay = &control->relay;
    if (relay->loop.stack != NULL) {
        relay_report_end(relay, status);
    }
    end_loop(control);
    relay_inner_end(relay);
    relay_state_end(&relay->state);
    pl_netlink_close(relay->monitor);
    pl_netconf_close(relay->conf);
    int result = pl_pcapng_close(relay->capture);
    if (result < 0) {
        cli_say("run: --pcap: %s: %s", relay->options.pcap, strerror(-result));
    }
    if (control->signal_fd >= 0) {
        close(control->signal_fd);
    }
}

/* ---- the command ---- */

/* Inside of another `plait run` the program's connections use all its links already, and a second
 * stack could only spoil that. */
static bool is_nested(const struct relay *relay) {
    const struct pl_links *links = pl_netlink_links(relay->monitor);
    return pl_links_by_name(links, RELAY_TUN_NAME) != NULL &&
           pl_links_by_name(links, RELAY_UPLINK_NAME) != NULL;
}

static int relay_as_it_is(const struct relay *relay) {
    cli_say("run: this is inside of a `plait run` already; the program runs as it is");
    execvp(relay->options.program[0], relay->options.program);
    int error = errno;
    cli_say("cannot run %s: %s", relay->options.program[0], strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

/* As the program ended: its exit status, or the same signal. */
static int pass_on(int status) {
    if (WIFEXITED(status)) {
        return WEXITSTATUS(status);
    }
    int number = WTERMSIG(status);
    const struct rlimit no_core = {0, 0};
    sigset_t set;
    setrlimit(RLIMIT_CORE, &no_core); /* the program has left its own */
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return 128 + number;
}

int cmd_run(int argc, char **argv) {
    static struct control control; /* half a megabyte */
    struct relay *relay = &control.relay;
    if (!parse(argc, argv, &relay->options)) {
        return EXIT_USAGE;
    }
    if (relay->options.help) {
        fputs(usage, stdout);
        return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
    }
    if (!may_administer()) {
        cli_say("run: needs to be root (CAP_NET_ADMIN and CAP_SYS_ADMIN); try sudo");
        return EXIT_USAGE;
    }
    if (!open_kernel(relay)) {
        return EXIT_TROUBLE;
    }
    if (is_nested(relay)) {
        return relay_as_it_is(relay);
    }
    relay->inner.ns = relay->inner.talk_fd = relay->report.progress_fd = control.signal_fd = -1;
    relay->trouble = EXIT_TROUBLE;
    int failure = begin(&control) ? relay_inner_go(relay) : relay->trouble;
    if (failure != 0) {
        end(&control, failure);
        return failure;
    }
    pl_loop_run(&relay->loop);
    end(&control,
        WIFEXITED(relay->status) ? WEXITSTATUS(relay->status) : 128 + WTERMSIG(relay->status));
    return pass_on(relay->status);
}

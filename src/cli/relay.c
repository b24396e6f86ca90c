/* cli/relay.c - the life of a relay: setting up, the loop, signals, taking down.
 *
 * Programs have their TCP ended by a stack in this process; the stack reaches the world through one
 * device per link. See relay.h for the parts.
 *
 * Setting up goes from what is easily undone to what is not, and the program starts last; every
 * part's end undoes what its begin did, however far that came. Signals stay blocked from the first
 * change to the last and arrive by a descriptor, so nothing interrupts either. */
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/relay.h"
#include "port/pcapng.h"
#include "wire/addr.h"

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

/* Namespaces need CAP_SYS_ADMIN, devices and routes CAP_NET_ADMIN. */
static bool may_administer(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    const uint32_t needed = 1U << CAP_NET_ADMIN | 1U << CAP_SYS_ADMIN;
    return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & needed) == needed;
}

/* ---- signals ---- */

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

static void take_signal(struct relay *relay, const struct signalfd_siginfo *info) {
    if (info->ssi_signo == SIGCHLD) {
        relay_program_reap(relay);
        return;
    }
    if (relay->capture != NULL) {
        pl_pcapng_flush(relay->capture);
    }
    if (relay->exited || !relay_has_program(&relay->options)) {
        pl_loop_stop(&relay->loop);
        return;
    }
    /* What the terminal sends (SI_KERNEL), the program has got itself: it is in our group. */
    if (info->ssi_code != SI_KERNEL) {
        kill(relay->inner.child, (int)info->ssi_signo);
    }
}

static void on_signal(uv_poll_t *poll, int status, int events) {
    struct relay *relay = poll->data;
    struct signalfd_siginfo info;
    (void)status;
    (void)events;
    while (read(relay->control.signal_fd, &info, sizeof(info)) == sizeof(info)) {
        take_signal(relay, &info);
    }
}

static bool block_signals(struct relay *relay) {
    sigset_t blocked, read_set;
    sigemptyset(&read_set);
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++) {
        sigaddset(&read_set, passed_on[i]);
    }
    sigaddset(&read_set, SIGCHLD);
    blocked = read_set;
    sigaddset(&blocked, SIGPIPE); /* a closed stderr must not keep us from cleaning up */
    sigprocmask(SIG_BLOCK, &blocked, &relay->signals_before);
    relay->control.signal_fd = signalfd(-1, &read_set, SFD_CLOEXEC | SFD_NONBLOCK);
    return relay->control.signal_fd >= 0;
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
    (void)events;
    int result = pl_netlink_read(relay->monitor, on_link, relay);
    if (status < 0) {
        /* Notifications were lost, which reading has made good; libuv has stopped for it. */
        uv_poll_start(poll, UV_READABLE, on_monitor);
    }
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

static bool begin_loop(struct relay *relay) {
    struct plait_config config;
    struct pl_loop_callbacks callbacks = {.user = relay, .event = on_event, .gone = on_gone};
    plait_config_init(&config);
    config.versions = (uint8_t)relay->options.versions;
    config.v0 = &plait_mptcp_v0;
    int result = pl_loop_init(&relay->loop, &config, &callbacks);
    if (result < 0) {
        cli_say("cannot create the stack: %s", plait_error_text(result));
        relay->loop.stack = NULL;
        return false;
    }
    uv_poll_init(&relay->loop.uv, &relay->control.signals, relay->control.signal_fd);
    uv_poll_init(&relay->loop.uv, &relay->control.monitor, pl_netlink_fd(relay->monitor));
    relay->control.signals.data = relay;
    relay->control.monitor.data = relay;
    relay->control.polls_open = true;
    uv_poll_start(&relay->control.signals, UV_READABLE, on_signal);
    uv_poll_start(&relay->control.monitor, UV_READABLE, on_monitor);
    return true;
}

static bool open_capture(struct relay *relay) {
    if (relay->options.pcap == NULL) {
        return true;
    }
    int result = pl_pcapng_open(&relay->capture, relay->options.pcap, pl_posix_real_offset());
    if (result < 0) {
        cli_say("%s: --pcap: cannot write %s: %s", relay->options.command, relay->options.pcap,
                strerror(-result));
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

/* The inner side: a program in a network of its own, or the way to a service. */
static bool begin_inner(struct relay *relay) {
    if (!relay_has_program(&relay->options)) {
        return relay_service_begin(relay);
    }
    relay_resolv_plan(relay);
    return relay_inner_spawn(relay) && relay_inner_setup(relay);
}

static bool begin_traffic(struct relay *relay) {
    if (!begin_inner(relay)) {
        return false;
    }
    if (relay->capture != NULL) {
        relay->inner.port->io.capture = relay->capture;
        relay->inner.port->io.capture_id = pl_pcapng_add(relay->capture, "inner");
    }
    return relay_links_begin(relay) &&
           (!relay_has_program(&relay->options) || relay_accept_program(relay));
}

static bool begin(struct relay *relay) {
    return block_signals(relay) && relay_state_begin(&relay->state) &&
           relay_plan_make(&relay->plan, relay->state.instance, relay->monitor) &&
           open_capture(relay) && begin_loop(relay) && relay_report_begin(relay) &&
           begin_traffic(relay);
}

static void end_loop(struct relay *relay) {
    if (relay->loop.stack == NULL) {
        return;
    }
    relay_conns_end(relay);
    pl_loop_settle(&relay->loop); /* resets of what was left go out */
    if (relay->control.polls_open) {
        uv_close((uv_handle_t *)&relay->control.signals, NULL);
        uv_close((uv_handle_t *)&relay->control.monitor, NULL);
    }
    if (relay->control.linger_open) {
        uv_close((uv_handle_t *)&relay->control.linger, NULL);
    }
    pl_loop_fini(&relay->loop);
}

static void end(struct relay *relay, int status) {
    if (relay->loop.stack != NULL) {
        relay_report_end(relay, status);
    }
    end_loop(relay);
    relay_inner_end(relay);
    relay_state_end(&relay->state);
    pl_netlink_close(relay->monitor);
    pl_netconf_close(relay->conf);
    int result = pl_pcapng_close(relay->capture);
    if (result < 0) {
        cli_say("%s: --pcap: %s: %s", relay->options.command, relay->options.pcap,
                strerror(-result));
    }
    if (relay->control.signal_fd >= 0) {
        close(relay->control.signal_fd);
    }
}

/* ---- all of it ---- */

bool relay_is_nested(const struct relay *relay) {
    const struct pl_links *links = pl_netlink_links(relay->monitor);
    return pl_links_by_name(links, RELAY_TUN_NAME) != NULL &&
           pl_links_by_name(links, RELAY_UPLINK_NAME) != NULL;
}

int relay_open(struct relay *relay) {
    const struct relay_service *service = &relay->options.service;
    relay->state.listen_port = service->port;
    relay->state.listen_links = relay->options.links;
    relay->state.listen_link_count = relay->options.link_count;
    if (service->addr.family != PLAIT_FAMILY_NONE) {
        pl_addr_format(&service->addr, relay->state.listen_addr);
    }
    relay->inner.ns = relay->inner.talk_fd = relay->report.progress_fd = -1;
    relay->control.signal_fd = -1;
    relay->trouble = EXIT_TROUBLE;
    if (!may_administer()) {
        cli_say("%s: needs to be root (CAP_NET_ADMIN and CAP_SYS_ADMIN); try sudo",
                relay->options.command);
        return EXIT_USAGE;
    }
    return open_kernel(relay) ? 0 : EXIT_TROUBLE;
}

/* Until a signal comes. */
static int run_service(struct relay *relay) {
    relay_debug(relay, "serving");
    pl_loop_run(&relay->loop);
    end(relay, 0);
    return 0;
}

static int run_program(struct relay *relay) {
    pl_loop_run(&relay->loop);
    int status = relay->status;
    end(relay, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return relay_program_pass_on(status);
}

int relay_run(struct relay *relay) {
    bool program = relay_has_program(&relay->options);
    int failure = begin(relay) ? 0 : relay->trouble;
    if (failure == 0 && program) {
        failure = relay_inner_go(relay);
    }
    if (failure != 0) {
        end(relay, failure);
        return failure;
    }
    return program ? run_program(relay) : run_service(relay);
}

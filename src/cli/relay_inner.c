/* cli/relay_inner.c - the program's side: a network namespace, and the program in it.
 *
 * The child is forked early and waits in fresh network and mount namespaces while this process
 * fills them: `plait0`, a TUN device whose descriptor stays here, for TCP; `uplink0`, one end of a
 * veth pair, for everything else. Both have the same address, so that a program finds one local
 * address whichever way it asks. The two talk over a socket pair that closes by itself when the
 * program is executed; a number that comes instead is the errno of what failed. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/relay.h"
#include "port/command.h"
#include "port/netns.h"

enum {
    LOOPBACK_INDEX = 1,
    INNER_MTU = 1500,
    TABLE_TCP = 100, /* in the program's namespace, which is ours alone */
    RULE_TCP = 100,
    PROTOCOL_TCP = 6,
};

/* ---- the child ---- */

static _Noreturn void tell_and_exit(int fd, int error) {
    ssize_t n = send(fd, &error, sizeof(error), MSG_NOSIGNAL);
    _exit(n == sizeof(error) ? 0 : 1);
}

/* When we die without warning, the program would go on without a network: it ends with us. That
 * does not reach further than the one process, and what changes its user forgets it. */
static bool end_with(pid_t parent) {
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

static _Noreturn void child(const struct relay *relay, int fd, pid_t parent) {
    int go = 0;
    if (!end_with(parent)) {
        _exit(1);
    }
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
        tell_and_exit(fd, errno);
    }
    if (send(fd, &go, sizeof(go), MSG_NOSIGNAL) != sizeof(go) ||
        read(fd, &go, sizeof(go)) != sizeof(go)) {
        _exit(0);
    }
    relay_resolv_mount(&relay->inner.resolv);
    sigprocmask(SIG_SETMASK, &relay->signals_before, NULL);
    execvp(relay->options.program[0], relay->options.program);
    tell_and_exit(fd, errno);
}

bool relay_inner_spawn(struct relay *relay) {
    struct relay_inner *inner = &relay->inner;
    int pair[2];
    int error = 0;
    pid_t parent = getpid();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        cli_say("cannot make a socket pair: %s", strerror(errno));
        return false;
    }
    inner->child = fork();
    if (inner->child == 0) {
        close(pair[0]);
        child(relay, pair[1], parent);
    }
    close(pair[1]);
    inner->talk_fd = pair[0];
    if (inner->child < 0 || read(pair[0], &error, sizeof(error)) != sizeof(error)) {
        error = inner->child < 0 ? errno : ECHILD;
    }
    if (error == 0) {
        inner->ns = pl_netns_open_pid(inner->child);
        error = inner->ns < 0 ? -inner->ns : 0;
    }
    if (error != 0) {
        cli_say("cannot make a network namespace: %s", strerror(error));
    }
    return error == 0;
}

int relay_inner_go(struct relay *relay) {
    struct relay_inner *inner = &relay->inner;
    int error = 0;
    ssize_t n = send(inner->talk_fd, &error, sizeof(error), MSG_NOSIGNAL);
    if (n == sizeof(error)) {
        n = read(inner->talk_fd, &error, sizeof(error));
    }
    close(inner->talk_fd);
    inner->talk_fd = -1;
    if (n != sizeof(error)) {
        return 0;
    }
    cli_say("cannot run %s: %s", relay->options.program[0], strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

/* ---- its network ---- */

/* Settings of the namespace. Those of the host that a program may notice are copied. */
static void set_sysctls(const struct relay_inner *inner) {
    static const char *const copied[] = {"net/ipv4/ping_group_range",
                                         "net/ipv4/ip_unprivileged_port_start",
                                         "net/ipv4/ip_local_port_range"};
    static const char *const fixed[][2] = {{"net/ipv4/conf/all/rp_filter", "0"},
                                           {"net/ipv4/conf/default/rp_filter", "0"},
                                           {"net/ipv6/conf/" RELAY_TUN_NAME "/addr_gen_mode", "1"},
                                           {"net/ipv6/conf/" RELAY_UPLINK_NAME "/accept_ra", "0"}};
    char values[3][64];
    int result = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (pl_sysctl_read(copied[i], values[i], sizeof(values[i])) < 0) {
            values[i][0] = '\0';
        }
    }
    int previous = pl_netns_enter(inner->ns);
    if (pl_netns_failed(previous)) {
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        result |= values[i][0] != '\0' ? pl_sysctl_write(copied[i], values[i]) : 0;
    }
    for (unsigned i = 0; i < 4; i++) {
        result |= pl_sysctl_write(fixed[i][0], fixed[i][1]);
    }
    pl_netns_leave(previous);
    (void)result; /* IPv6 may be off; nothing here is vital */
}

static int make_uplink(struct relay *relay) {
    struct relay_inner *inner = &relay->inner;
    struct relay_ends ends = relay_plan_ends(&relay->plan, RELAY_SLOT_UPLINK);
    char name[16];
    relay_plan_name(relay->plan.instance, RELAY_SLOT_UPLINK, name);
    int result = pl_netconf_veth(relay->conf, name, RELAY_UPLINK_NAME, inner->ns, INNER_MTU);
    if (result < 0) {
        return result;
    }
    inner->host_index = pl_netconf_index(relay->conf, name);
    inner->uplink_index = pl_netconf_index(inner->conf, RELAY_UPLINK_NAME);
    result = pl_netconf_address(relay->conf, inner->host_index, &ends.host4, RELAY_PREFIX4);
    if (result == 0) {
        result = pl_netconf_address(inner->conf, inner->uplink_index, &ends.far4, RELAY_PREFIX4);
    }
    if (result == 0) {
        result = pl_netconf_link_up(relay->conf, inner->host_index, 0);
    }
    if (result == 0) {
        result = pl_netconf_link_up(inner->conf, inner->uplink_index, 0);
    }
    struct pl_route out = {.family = PLAIT_IPV4, .table = 254, .via = ends.host4};
    out.index = inner->uplink_index;
    return result == 0 ? pl_netconf_route(inner->conf, &out) : result;
}

/* IPv6 may be switched off on the host: then the program does without. */
static void make_ipv6(struct relay *relay) {
    struct relay_inner *inner = &relay->inner;
    struct relay_ends ends = relay_plan_ends(&relay->plan, RELAY_SLOT_UPLINK);
    struct pl_rule tcp = {.family = PLAIT_IPV6,
                          .priority = RULE_TCP,
                          .table = TABLE_TCP,
                          .ip_protocol = PROTOCOL_TCP};
    struct pl_route last = {.kind = PL_ROUTE_UNREACHABLE,
                            .family = PLAIT_IPV6,
                            .table = TABLE_TCP,
                            .metric = RELAY_LAST_METRIC};
    int result = pl_netconf_address(relay->conf, inner->host_index, &ends.host6, RELAY_PREFIX6);
    result |= pl_netconf_address(inner->conf, inner->uplink_index, &ends.far6, RELAY_PREFIX6);
    result |= pl_netconf_address(inner->conf, inner->tun_index, &ends.far6, 128);
    result |= pl_netconf_rule_add(inner->conf, &tcp);
    result |= pl_netconf_route(inner->conf, &last);
    if (result != 0) {
        relay_debug(relay, "the program has no IPv6: it is switched off here");
    }
}

static int make_tcp_route(struct relay_inner *inner, const struct relay_ends *ends) {
    struct pl_rule tcp = {.family = PLAIT_IPV4,
                          .priority = RULE_TCP,
                          .table = TABLE_TCP,
                          .ip_protocol = PROTOCOL_TCP};
    struct pl_route out = {
        .family = PLAIT_IPV4, .table = TABLE_TCP, .index = inner->tun_index, .source = ends->far4};
    struct pl_route last = {.kind = PL_ROUTE_UNREACHABLE,
                            .family = PLAIT_IPV4,
                            .table = TABLE_TCP,
                            .metric = RELAY_LAST_METRIC};
    int result = pl_netconf_address(inner->conf, inner->tun_index, &ends->far4, 32);
    if (result == 0) {
        result = pl_netconf_link_up(inner->conf, inner->tun_index, INNER_MTU);
    }
    if (result == 0) {
        result = pl_netconf_rule_add(inner->conf, &tcp);
    }
    if (result == 0) {
        result = pl_netconf_route(inner->conf, &last);
    }
    return result == 0 ? pl_netconf_route(inner->conf, &out) : result;
}

/* The device, as a port of the stack to which every address belongs. */
static int make_port(struct relay *relay) {
    struct relay_inner *inner = &relay->inner;
    struct pl_tun tun;
    struct plait_port_config config = {.size = sizeof(config), .name = "inner", .mtu = INNER_MTU};
    int result = pl_tun_open(&tun, RELAY_TUN_NAME, inner->ns);
    if (result < 0) {
        cli_say("cannot make a TUN device with /dev/net/tun: %s", strerror(-result));
        return result;
    }
    config.flags = PLAIT_PORT_ANY_ADDRESS | PLAIT_PORT_NO_MPTCP;
    config.flags |= tun.vnet ? PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM : 0;
    result = pl_loop_add_port(&relay->loop, &tun, &config, &inner->port);
    if (result < 0) {
        return -ENOMEM;
    }
    inner->tun_index = pl_netconf_index(inner->conf, RELAY_TUN_NAME);
    return inner->tun_index < 0 ? inner->tun_index : 0;
}

bool relay_inner_setup(struct relay *relay) {
    struct relay_inner *inner = &relay->inner;
    struct relay_ends ends = relay_plan_ends(&relay->plan, RELAY_SLOT_UPLINK);
    int result = pl_netconf_open(&inner->conf, inner->ns);
    if (result == 0) {
        result = pl_netconf_link_up(inner->conf, LOOPBACK_INDEX, 0);
    }
    if (result == 0) {
        result = make_port(relay);
    }
    if (result == 0) {
        result = make_uplink(relay);
    }
    if (result == 0) {
        set_sysctls(inner);
        result = make_tcp_route(inner, &ends);
    }
    if (result < 0) {
        cli_say("cannot set up the program's network: %s", strerror(-result));
        return false;
    }
    make_ipv6(relay);
    return true;
}

void relay_inner_ipv6(struct relay *relay, bool on) {
    struct relay_inner *inner = &relay->inner;
    struct relay_ends ends = relay_plan_ends(&relay->plan, RELAY_SLOT_UPLINK);
    struct pl_route tcp = {
        .family = PLAIT_IPV6, .table = TABLE_TCP, .index = inner->tun_index, .source = ends.far6};
    struct pl_route other = {
        .family = PLAIT_IPV6, .table = 254, .via = ends.host6, .index = inner->uplink_index};
    if (on == inner->ipv6) {
        return;
    }
    int result;
    if (on) {
        result = pl_netconf_route(inner->conf, &tcp);
        result |= pl_netconf_route(inner->conf, &other);
    } else {
        result = pl_netconf_route_delete(inner->conf, &tcp);
        result |= pl_netconf_route_delete(inner->conf, &other);
    }
    relay_debug(relay, "IPv6 of the program %s%s", on ? "on" : "off",
                result != 0 ? ", failed" : "");
    inner->ipv6 = on;
}

void relay_inner_end(struct relay *relay) {
    struct relay_inner *inner = &relay->inner;
    if (inner->talk_fd >= 0) {
        close(inner->talk_fd); /* a child that still waits gives up */
        if (inner->child > 0) {
            waitpid(inner->child, NULL, 0);
        }
    }
    if (inner->ns >= 0) {
        close(inner->ns);
    }
    pl_netconf_close(inner->conf);
    relay_resolv_remove(relay);
}

/* cli/lab_needs.c - what `plait lab demo` needs from the machine, and how to get it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/lab.h"
#include "port/command.h"

#define MPTCP_SYSCTL "/proc/sys/net/mptcp/enabled"

struct program {
    const char *name, *package, *use;
    enum { FOR_ALL, FOR_PLAIT, FOR_KERNEL } who;
};

static const struct program programs[] = {
    {"ip", "iproute2", "network namespaces and addresses", FOR_ALL},
    {"nft", "nftables", "address translation of plait", FOR_PLAIT},
    {"nginx", "nginx-light", "the web server", FOR_ALL},
    {"mptcpize", "mptcpize", "makes programs speak the kernel's MPTCP", FOR_KERNEL},
    {"curl", "curl", "the program that downloads", FOR_ALL},
};

static bool is_installed(const char *name) {
    const char *at = getenv("PATH");
    char path[512];
    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, ":");
        if (snprintf(path, sizeof(path), "%.*s/%s", (int)len, at, name) < (int)sizeof(path) &&
            access(path, X_OK) == 0) {
            return true;
        }
        at += len + (at[len] == ':');
    }
    return false;
}

static int missing_programs(const struct lab_options *options) {
    int missing = 0;
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        const struct program *program = &programs[i];
        bool plait = options->client == LAB_PLAIT || options->server == LAB_BY_PLAIT;
        bool wanted = program->who == FOR_ALL || (program->who == FOR_PLAIT && plait) ||
                      (program->who == FOR_KERNEL && lab_net_needs_mptcp(options));
        if (wanted && !is_installed(program->name)) {
            cli_say("%s is missing (%s): apt-get install %s", program->name, program->use,
                    program->package);
            missing++;
        }
    }
    return missing;
}

static int missing_devices(void) {
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    const char *remedy = errno == ENOENT || errno == ENODEV
                             ? "modprobe tun, or pass the device into the container"
                             : "a container must be allowed to use it";
    cli_say("cannot open /dev/net/tun (%s): %s", strerror(errno), remedy);
    return 1;
}

static bool has_mptcp(void) {
    char value[16];
    return pl_sysctl_read("net/mptcp/enabled", value, sizeof(value)) == 0 &&
           strcmp(value, "0") != 0;
}

static int missing_mptcp(const struct lab_options *options) {
    struct utsname kernel;
    if (!lab_net_needs_mptcp(options) || access(MPTCP_SYSCTL, F_OK) == 0) {
        return 0;
    }
    const char *release = uname(&kernel) == 0 ? kernel.release : "this one";
    cli_say(
        "kernel %s has no MPTCP: boot one with CONFIG_MPTCP=y (Debian's linux-image-amd64 has "
        "it), or leave --server and --client to plait",
        release);
    return 1;
}

void lab_needs_choose(struct lab_options *options) {
    if (options->server == LAB_BY_ANY) {
        options->server = has_mptcp() ? LAB_BY_KERNEL : LAB_BY_PLAIT;
    }
}

/* The programs live in sbin, which is not in everybody's PATH. */
static void widen_path(void) {
    char path[4096];
    const char *old = getenv("PATH");
    int len = snprintf(path, sizeof(path), "%s:/usr/sbin:/sbin:/usr/bin:/bin",
                       old != NULL && *old != '\0' ? old : "/usr/local/bin");
    if (len < (int)sizeof(path)) {
        setenv("PATH", path, 1);
    }
}

int lab_needs_check(const struct lab_options *options) {
    int missing = 0;
    bool root = geteuid() == 0;
    widen_path();
    if (!root) {
        cli_say("making network namespaces and links needs root: run it with sudo");
    }
    missing += missing_programs(options);
    missing += root ? missing_devices() : 0;
    missing += missing_mptcp(options);
    if (!root) {
        return EXIT_USAGE;
    }
    return missing > 0 ? EXIT_TROUBLE : 0;
}

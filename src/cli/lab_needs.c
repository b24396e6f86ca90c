/* cli/lab_needs.c - what `plait lab demo` needs from the machine, and how to get it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/lab.h"

#define MPTCP_SYSCTL "/proc/sys/net/mptcp/enabled"

struct program {
    const char *name, *package, *use;
    bool for_plait_only;
};

static const struct program programs[] = {
    {"ip", "iproute2", "network namespaces and addresses", false},
    {"nft", "nftables", "address translation of `plait run`", true},
    {"nginx", "nginx-light", "the web server", false},
    {"mptcpize", "mptcpize", "makes nginx speak the kernel's MPTCP", false},
    {"curl", "curl", "the program that downloads", false},
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
        bool wanted = !program->for_plait_only || options->client == LAB_PLAIT;
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

static int missing_mptcp(void) {
    struct utsname kernel;
    if (access(MPTCP_SYSCTL, F_OK) == 0) {
        return 0;
    }
    const char *release = uname(&kernel) == 0 ? kernel.release : "this one";
    cli_say(
        "kernel %s has no MPTCP, which the server here needs: boot one with CONFIG_MPTCP=y "
        "(Debian's linux-image-amd64 has it); there is no `plait serve` to stand in for it",
        release);
    return 1;
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
    missing += missing_mptcp();
    if (!root) {
        return EXIT_USAGE;
    }
    return missing > 0 ? EXIT_TROUBLE : 0;
}

/* port/netns.c - setns there and back. */
#include "port/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"

/* -1 is "stay where you are" to the callers, so an errno of 1 must not be returned as it is. */
static int failure(void) {
    return errno == EPERM ? -EACCES : -errno;
}

int pl_netns_open_path(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : failure();
}

int pl_netns_open_pid(int pid) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
    return pl_netns_open_path(path);
}

int pl_netns_enter(int ns) {
    if (ns < 0) {
        return -1;
    }
    int previous = pl_netns_open_path("/proc/thread-self/ns/net");
    if (previous < 0) {
        return previous;
    }
    if (setns(ns, CLONE_NEWNET) < 0) {
        int error = failure();
        close(previous);
        return error;
    }
    return previous;
}

void pl_netns_leave(int previous) {
    if (previous < 0) {
        return;
    }
    int result = setns(previous, CLONE_NEWNET);
    PL_ASSERT(result == 0);
    close(previous);
}

uint64_t pl_netns_inode(int ns) {
    struct stat st;
    int result = ns >= 0 ? fstat(ns, &st) : stat("/proc/thread-self/ns/net", &st);
    return result == 0 ? (uint64_t)st.st_ino : 0;
}

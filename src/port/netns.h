/* port/netns.h - do something in another network namespace and come back.
 *
 * A descriptor of a namespace is an open /proc/PID/ns/net or /run/netns/NAME. Sockets and TUN
 * devices stay in the namespace in which they were opened; /proc/sys/net shows the one of the
 * thread that opens a file. */
#ifndef PL_PORT_NETNS_H
#define PL_PORT_NETNS_H

#include "plait/types.h"

/* Opens the namespace of a process (or a path); returns a descriptor or -errno. */
int pl_netns_open_pid(int pid);
int pl_netns_open_path(const char *path);

/* Moves the calling thread into `ns` and returns a descriptor of the one it left, or -errno.
 * `ns` < 0 means "stay": the result is -1 and leave does nothing. Check with pl_netns_failed. */
int pl_netns_enter(int ns);
static inline bool pl_netns_failed(int result) {
    return result < -1;
}
/* Goes back and closes the descriptor. */
void pl_netns_leave(int previous);

/* Inode number of a namespace (`ns` < 0: the caller's): equal exactly for the same namespace. */
uint64_t pl_netns_inode(int ns);

#endif

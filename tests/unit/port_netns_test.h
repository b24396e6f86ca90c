/* port_netns_test.h - a network namespace for one test program, without a name: it vanishes with
 * the program. Tests that need one are skipped where the kernel does not let us. */
#ifndef PORT_NETNS_TEST_H
#define PORT_NETNS_TEST_H

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>

/* Moves the whole program into a new namespace; false without the right to. */
static inline bool netns_test_enter(void) {
    return unshare(CLONE_NEWNET) == 0;
}

/* Opens one more namespace and stays where it is; -1 on failure. */
static inline int netns_test_another(void) {
    int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int other = -1;
    if (here >= 0 && unshare(CLONE_NEWNET) == 0) {
        other = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    }
    return setns(here, CLONE_NEWNET) == 0 ? other : -1;
}

#endif

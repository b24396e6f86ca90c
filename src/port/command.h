/* port/command.h - running another program to its end, never through a shell. */
#ifndef PL_PORT_COMMAND_H
#define PL_PORT_COMMAND_H

#include "plait/types.h"

/* Runs argv[0] (looked up in PATH) with `input` on its standard input (NULL: empty). What it prints
 * is stored in `output` (at most `size` - 1 bytes, always terminated; NULL for "not wanted").
 * Returns its exit status, 128 + n when signal n ended it, or -errno when it could not be run. */
PLAIT_MUST_CHECK int pl_command_run(const char *const argv[], const char *input, char *output,
                                    size_t size);

/* Reads a file of /proc/sys below `path` ("net/ipv4/conf/eth0/forwarding") as text without the
 * newline; and writes one. Return 0 or -errno. */
PLAIT_MUST_CHECK int pl_sysctl_read(const char *path, char *value, size_t size);
PLAIT_MUST_CHECK int pl_sysctl_write(const char *path, const char *value);

#endif

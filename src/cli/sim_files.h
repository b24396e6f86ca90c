/* cli/sim_files.h - what the commands of `plait sim` have in common: hashes, files, numbers.
 *
 * Life: zero, sim_files_option for each option, sim_files_open; then the other members may be used,
 * until sim_files_close. A trace is written by lines and a capture by packets, because a worker may
 * die at any moment. */
#ifndef PL_CLI_SIM_FILES_H
#define PL_CLI_SIM_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "port/pcapng.h"
#include "port/posix_env.h"

struct sim_files {
    const char *trace_path, *pcap_path; /* NULL: not asked for */
    struct pl_posix_env posix;
    FILE *trace;
    struct pl_pcapng *pcap;
};

/* Writes the name of an interface into `out`. */
typedef void sim_interface_name(unsigned interface, char out[16]);

/* Takes --trace and --pcap; false for any other. */
bool sim_files_option(struct sim_files *files, const char *option, const char *value);
/* Opens what was asked for; a capture has `count` interfaces. False: said why not. */
bool sim_files_open(struct sim_files *files, sim_interface_name *name, unsigned count);
/* Closes all; the exit status: `status`, or EXIT_TROUBLE. */
int sim_files_close(struct sim_files *files, int status);
/* A `capture` of the simulator's options, whose argument is the pcap. */
void sim_files_capture(void *arg, unsigned interface, const uint8_t *data, uint32_t len,
                       plait_time now);

/* The first `len` characters as a number, decimal or with 0x; false: they are none. */
bool sim_number(const char *text, size_t len, uint64_t *out);

#endif

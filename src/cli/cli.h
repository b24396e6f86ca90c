/* cli/cli.h - the sub-commands of the plait program.
 *
 * Each is `int cmd_NAME(int argc, char **argv)` in cmd_NAME*.c with argv[0] = NAME; what it returns
 * is the exit status. A command that is not linked in is not offered. */
#ifndef PL_CLI_CLI_H
#define PL_CLI_CLI_H

#include <stdbool.h>

#define PLAIT_VERSION "0.1.0"

enum {
    EXIT_USAGE = 2,        /* wrong usage, or a right that is missing */
    EXIT_TROUBLE = 125,    /* plait itself could not do it */
    EXIT_CANNOT_RUN = 126, /* the program exists and cannot be run */
    EXIT_NOT_FOUND = 127,
};

int cmd_run(int argc, char **argv);
int cmd_serve(int argc, char **argv);
__attribute__((weak)) int cmd_lab(int argc, char **argv);
__attribute__((weak)) int cmd_sim(int argc, char **argv);
int cmd_sim_script(int argc, char **argv); /* argv[0] is "script" */

int cmd_sim_grid(int argc, char **argv);   /* argv[1] = "grid" */
int cmd_sim_attack(int argc, char **argv); /* argv[1] = "attack" */
int cmd_sim_boxes(int argc, char **argv);  /* argv[1] = "boxes" */
struct pl_sim_options;
struct sim_files;
/* As sim_files_open, and makes a run use them. */
bool cli_sim_open(struct sim_files *files, struct pl_sim_options *options);

/* Prints "plait: ..." and a newline on stderr. */
__attribute__((format(printf, 1, 2))) void cli_say(const char *format, ...);

#endif

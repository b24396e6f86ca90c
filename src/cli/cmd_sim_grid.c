/* cli/cmd_sim_grid.c - plait sim grid: bulk transfers over a grid of links (docs/bench-tcp.md). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/sim_files.h"
#include "plait/error.h"
#include "sim/grid.h"

struct grid_command {
    struct pl_grid_options options;
    const char *cell;       /* RATE/RTT/LOSS/QUEUE; NULL: all */
    struct sim_files files; /* no capture */
};

static int cmd_sim_grid_help(void) {
    printf(
        "usage: plait sim grid [OPTION]...\n\n"
        "One bulk transfer of plain TCP per cell of a grid of links, on virtual time; a table\n"
        "of what arrived and what was sent again.\n\n"
        "  --cell RATE/RTT/LOSS/QUEUE  only this link: Mb/s, ms, %%, %% of rate times RTT\n"
        "  --seed S                    another seed (default 1)\n"
        "  --trace FILE                with --cell: every event as a line of JSON\n");
    return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
}

/* A link that is not in the grid will do. */
static bool parse_cell(const char *text, struct pl_grid_cell *cell) {
    double loss = 0;
    int end = 0;
    int found = sscanf(text, "%" SCNu32 "/%" SCNu32 "/%lf/%" SCNu32 "%n", &cell->mbps,
                       &cell->rtt_ms, &loss, &cell->queue_pct, &end);
    bool valid = found == 4 && text[end] == '\0' && cell->mbps >= 1 && cell->mbps <= 10000 &&
                 cell->rtt_ms >= 1 && cell->rtt_ms <= 1000 && loss >= 0 && loss <= 50 &&
                 cell->queue_pct >= 1 && cell->queue_pct <= 1000;
    cell->loss_ppm = valid ? (uint32_t)(loss * 10000 + 0.5) : 0;
    return valid;
}

static int print_cell(const struct grid_command *command, const struct pl_grid_cell *cell) {
    struct pl_grid_result r;
    int error = pl_grid_run(cell, &command->options, &r);
    if (error < 0 || r.reason[0] != '\0') {
        cli_say("sim: %u Mb/s, %u ms: %s", cell->mbps, cell->rtt_ms,
                error < 0 ? plait_error_text(error) : r.reason);
        return EXIT_TROUBLE;
    }
    printf("%u\t%u\t%u.%u\t%u.%02u\t%" PRIu64 ".%02" PRIu64 "\t%" PRIu64 ".%02" PRIu64 "\n",
           cell->mbps, cell->rtt_ms, cell->loss_ppm / 10000, cell->loss_ppm / 1000 % 10,
           cell->queue_pct / 100, cell->queue_pct % 100, r.goodput_ppm / 10000,
           r.goodput_ppm / 100 % 100, r.retransmits_ppm / 10000, r.retransmits_ppm / 100 % 100);
    return 0;
}

static int run_grid(const struct grid_command *command) {
    struct pl_grid_cell cell;
    int status = 0;
    printf("mbps\trtt_ms\tloss_pct\tqueue_bdp\tgoodput_pct\tretrans_pct\n");
    if (command->cell != NULL) {
        return parse_cell(command->cell, &cell) ? print_cell(command, &cell) : EXIT_USAGE;
    }
    for (unsigned i = 0; status == 0 && pl_grid_cell(i, &cell); i++) {
        status = print_cell(command, &cell);
    }
    return status;
}

static bool take_option(struct grid_command *command, const char *option, const char *value) {
    struct pl_grid_cell cell;
    if (strcmp(option, "--cell") == 0 && parse_cell(value, &cell)) {
        command->cell = value;
        return true;
    }
    if (strcmp(option, "--seed") == 0) {
        return sim_number(value, strlen(value), &command->options.seed);
    }
    return strcmp(option, "--trace") == 0 && sim_files_option(&command->files, option, value);
}

static bool parse(struct grid_command *command, int argc, char **argv) {
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc || !take_option(command, argv[i], argv[i + 1])) {
            cli_say("sim: bad option '%s'; see `plait sim grid --help`", argv[i]);
            return false;
        }
    }
    if (command->files.trace_path != NULL && command->cell == NULL) {
        cli_say("sim: --trace needs --cell");
        return false;
    }
    return true;
}

int cmd_sim_grid(int argc, char **argv) {
    struct grid_command command = {.options = {.seed = 1}};
    if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        return cmd_sim_grid_help();
    }
    if (!parse(&command, argc, argv)) {
        return EXIT_USAGE;
    }
    if (!sim_files_open(&command.files, NULL, 0)) {
        return EXIT_TROUBLE;
    }
    command.options.hashes = &command.files.posix.env;
    command.options.trace = command.files.trace;
    return sim_files_close(&command.files, run_grid(&command));
}

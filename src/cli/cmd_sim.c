/* cli/cmd_sim.c - plait sim: the stack in a simulated network (docs/simulator.md). */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cli/cli.h"
#include "cli/sim_files.h"
#include "plait/error.h"
#include "port/posix_env.h"
#include "sim/plan.h"
#include "sim/sim.h"

enum { WORKERS_MAX = 64, COUNT_DEFAULT = 1000 };

struct sim_command {
    struct pl_sim_options options;
    struct sim_files files;
    const char *only, *without; /* as given; NULL: not */
    struct pl_sim_jobs jobs;
    bool one;    /* --seed: in this process, with the files asked for */
    bool range;  /* --seeds */
    bool hashes; /* print every seed's hash */
    uint64_t seeds, failed, packets, simulated_s, payload_bytes, hash;
};

static int cmd_sim_help(void) {
    printf(
        "usage: plait sim run [OPTION]...\n"
        "       plait sim boxes [OPTION]...  (`plait sim boxes --help`)\n"
        "       plait sim grid [OPTION]...   (`plait sim grid --help`)\n"
        "       plait sim attack [NAME]...   (`plait sim attack --help`)\n"
        "       plait sim script [OPTION]... FILE...   (`plait sim script --help`)\n\n"
        "Runs seeds: each chooses a network, faults and a workload, and is checked.\n\n"
        "  --seed S         one seed\n"
        "  --seeds A..B     these seeds\n"
        "  --count N        N seeds from a random one on (default %d)\n"
        "  --seconds T      as many seeds as fit in T seconds\n"
        "  --jobs N         worker processes (default 1)\n"
        "  --only F,...     no faults but these; `none` for no faults\n"
        "  --without F,...  all faults but these\n"
        "  --trace FILE     with --seed: every event as a line of JSON\n"
        "  --pcap FILE      with --seed: all packets as pcapng\n"
        "  --hashes         the trace hash of every seed\n"
        "  --fill N         what fresh memory holds (0..255); must change nothing\n"
        "  --canary         look for other bytes than are sent; must fail\n\nfaults:",
        COUNT_DEFAULT);
    for (unsigned i = 0; i < PL_SIM_FAULT_COUNT; i++) {
        printf("%s%s", i % 8 == 0 ? "\n  " : " ", pl_sim_fault_name(i));
    }
    printf("\n");
    return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
}

static bool parse_range(const char *text, struct pl_sim_jobs *jobs) {
    uint64_t last = 0;
    const char *dots = strstr(text, "..");
    if (dots == NULL || !sim_number(text, (size_t)(dots - text), &jobs->first) ||
        !sim_number(dots + 2, strlen(dots + 2), &last) || last < jobs->first) {
        return false;
    }
    jobs->count = last - jobs->first + 1;
    return jobs->count != 0;
}

/* A list of faults as bits; false: said what is wrong. */
static bool parse_faults(const char *text, uint64_t *bits) {
    *bits = 0;
    if (strcmp(text, "none") == 0) {
        return true;
    }
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        int fault = pl_sim_fault_find(text, len);
        if (fault < 0) {
            cli_say("sim: no fault '%.*s'; `plait sim run --help` lists them", (int)len, text);
            return false;
        }
        *bits |= UINT64_C(1) << fault;
        text += len;
        text += *text == ',' ? 1 : 0;
    }
    return true;
}

static bool bad_value(const char *option, const char *value) {
    cli_say("sim: bad value '%s' of %s; see `plait sim run --help`", value, option);
    return false;
}

static bool take_number_option(struct sim_command *command, const char *option, const char *value) {
    uint64_t number = 0;
    if (!sim_number(value, strlen(value), &number)) {
        return bad_value(option, value);
    }
    if (strcmp(option, "--seed") == 0) {
        command->one = true;
        command->jobs.first = number;
        command->jobs.count = 1;
        return true;
    }
    if (strcmp(option, "--count") == 0 && number > 0) {
        command->jobs.count = number;
        return true;
    }
    if (strcmp(option, "--seconds") == 0 && number > 0 && number <= 10000000) {
        command->jobs.seconds = (unsigned)number;
        return true;
    }
    if (strcmp(option, "--jobs") == 0 && number > 0 && number <= WORKERS_MAX) {
        command->jobs.workers = (unsigned)number;
        return true;
    }
    if (strcmp(option, "--fill") == 0 && number <= 255) {
        command->options.fill = (uint8_t)number;
        return true;
    }
    return bad_value(option, value);
}

/* An option that has a value. */
static bool take_option(struct sim_command *command, const char *option, const char *value) {
    uint64_t bits = 0;
    if (strcmp(option, "--seeds") == 0) {
        command->range = true;
        return parse_range(value, &command->jobs) || bad_value(option, value);
    }
    if (sim_files_option(&command->files, option, value)) {
        return true;
    }
    if (strcmp(option, "--only") == 0 || strcmp(option, "--without") == 0) {
        if (!parse_faults(value, &bits)) {
            return false;
        }
        bool only = strcmp(option, "--only") == 0;
        *(only ? &command->only : &command->without) = value;
        command->options.allowed &= only ? bits : ~bits;
        return true;
    }
    return take_number_option(command, option, value);
}

static bool known(const char *option) {
    static const char *const options[] = {"--seed",  "--seeds", "--count", "--seconds", "--jobs",
                                          "--trace", "--pcap",  "--only",  "--without", "--fill"};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strcmp(options[i], option) == 0) {
            return true;
        }
    }
    return false;
}

/* False: said what is wrong. */
static bool parse(struct sim_command *command, int argc, char **argv) {
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--canary") == 0) {
            command->options.canary = true;
        } else if (strcmp(argv[i], "--hashes") == 0) {
            command->hashes = true;
        } else if (!known(argv[i])) {
            cli_say("sim: unknown option '%s'; see `plait sim run --help`", argv[i]);
            return false;
        } else if (i + 1 == argc) {
            cli_say("sim: %s needs a value; see `plait sim run --help`", argv[i]);
            return false;
        } else if (!take_option(command, argv[i], argv[i + 1])) {
            return false;
        } else {
            i++;
        }
    }
    bool files = command->files.trace_path != NULL || command->files.pcap_path != NULL;
    if (files && !command->one) {
        cli_say("sim: --trace and --pcap need --seed");
        return false;
    }
    if (command->one && command->range) {
        cli_say("sim: --seed and --seeds exclude each other");
        return false;
    }
    return true;
}

static void print_failure(const struct sim_command *command, const struct pl_sim_result *result) {
    printf("FAIL seed 0x%" PRIx64
           " at %.6f s: %s; faults: %s; replay: plait sim run --seed 0x%" PRIx64,
           result->seed, (double)result->failed_at / 1e9, result->reason, result->faults,
           result->seed);
    if (command->only != NULL) {
        printf(" --only %s", command->only);
    }
    if (command->without != NULL) {
        printf(" --without %s", command->without);
    }
    printf("%s --trace t.jsonl\n", command->options.canary ? " --canary" : "");
}

static void take_result(void *arg, const struct pl_sim_result *result) {
    struct sim_command *command = arg;
    command->seeds++;
    command->failed += result->failed ? 1 : 0;
    command->packets += result->packets;
    command->payload_bytes += result->payload_bytes;
    command->simulated_s += result->simulated_ns / PLAIT_NS_PER_S;
    command->hash += result->hash; /* in whatever order seeds end */
    if (result->failed) {
        print_failure(command, result);
    } else if (command->hashes || command->one) {
        printf("seed 0x%" PRIx64 " hash %016" PRIx64 " %" PRIu64 " packets, %.3f s, faults: %s\n",
               result->seed, result->hash, result->packets, (double)result->simulated_ns / 1e9,
               result->faults);
    }
    fflush(stdout);
}

static void interface_name(unsigned interface, char out[16]) {
    unsigned port = interface % PL_PLAN_PORTS_MAX + 1;
    snprintf(out, 16, "%c%u", 'a' + (int)(interface / PL_PLAN_PORTS_MAX), port);
}

bool cli_sim_open(struct sim_files *files, struct pl_sim_options *options) {
    if (!sim_files_open(files, interface_name, 2 * PL_PLAN_PORTS_MAX)) {
        return false;
    }
    options->hashes = &files->posix.env;
    options->trace = files->trace;
    options->capture = files->pcap != NULL ? sim_files_capture : NULL;
    options->capture_arg = files->pcap;
    return true;
}

static int run_all(struct sim_command *command) {
    plait_time started = pl_posix_now();
    command->jobs.done = take_result;
    command->jobs.arg = command;
    int error = pl_sim_jobs(&command->jobs, &command->options);
    if (error != 0) {
        cli_say("sim: cannot start workers: %s", plait_error_text(error));
        return EXIT_TROUBLE;
    }
    printf("sim: %" PRIu64 " seeds, %" PRIu64 " failed, hash %016" PRIx64 "; %.1f s, %" PRIu64
           " s simulated, %" PRIu64 " packets, %" PRIu64 " bytes\n",
           command->seeds, command->failed, command->hash, (double)(pl_posix_now() - started) / 1e9,
           command->simulated_s, command->packets, command->payload_bytes);
    fflush(stdout);
    return command->failed > 0 ? 1 : 0;
}

/* With the files that --seed may ask for. */
static int run_with_files(struct sim_command *command) {
    if (!cli_sim_open(&command->files, &command->options)) {
        return EXIT_TROUBLE;
    }
    return sim_files_close(&command->files, run_all(command));
}

int cmd_sim(int argc, char **argv) {
    struct sim_command command = {
        .options = {.allowed = PL_SIM_FAULTS_ALL, .fill = PL_SIM_FILL_DEFAULT},
        .jobs = {.workers = 1},
    };
    if (argc > 1 && strcmp(argv[1], "grid") == 0) {
        return cmd_sim_grid(argc, argv);
    }
    if (argc > 1 && strcmp(argv[1], "attack") == 0) {
        return cmd_sim_attack(argc, argv);
    }
    if (argc > 1 && strcmp(argv[1], "boxes") == 0) {
        return cmd_sim_boxes(argc, argv);
    }
    if (argc > 1 && strcmp(argv[1], "script") == 0) {
        return cmd_sim_script(argc - 1, argv + 1);
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return cmd_sim_help();
        }
    }
    if (argc < 2 || strcmp(argv[1], "run") != 0) {
        cli_say("sim: say `plait sim run` or `plait sim script`; `plait sim --help` tells more");
        return EXIT_USAGE;
    }
    if (!parse(&command, argc, argv)) {
        return EXIT_USAGE;
    }
    if (!command.one && !command.range) {
        if (command.jobs.count == 0 && command.jobs.seconds == 0) {
            command.jobs.count = COUNT_DEFAULT;
        }
        if (getrandom(&command.jobs.first, 6, 0) != 6) {
            cli_say("sim: no random seed");
            return EXIT_TROUBLE;
        }
    }
    return run_with_files(&command);
}

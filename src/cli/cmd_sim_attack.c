/* cli/cmd_sim_attack.c - plait sim attack: the attacks of RFC 6181 and RFC 7430 (docs/security.md).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/sim_files.h"
#include "plait/error.h"
#include "sim/attack.h"

enum { INTERFACES = 6 };

struct attack_command {
    struct pl_attack_options options;
    const char *name; /* NULL: all */
    struct sim_files files;
    bool list;
};

static int attack_help(void) {
    printf(
        "usage: plait sim attack [NAME] [OPTION]...\n\n"
        "Attacks on a connection with two paths, on virtual time; a table of what came of them:\n"
        "refused, bounded, residual (as RFC 8684 section 5 says), or BROKEN. Exit status 1 when\n"
        "one came to more than it may.\n\n"
        "  --list         names, places of the attacker and sources; runs nothing\n"
        "  --seed S       another seed (default 1)\n"
        "  --v0           over version 0 of Multipath TCP (RFC 6824), those that apply\n"
        "  --trace FILE   with NAME: every event as a line of JSON\n"
        "  --pcap FILE    with NAME: a capture\n");
    return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
}

static const char *yes(bool value) {
    return value ? "yes" : "no";
}

/* 1: it did not keep its promise. */
static int print_result(const char *name, const struct pl_attack_result *r) {
    printf("%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%u\t%u\t%" PRIu64 "\t%u\t%s\t%s\t%s\n",
           name, pl_attack_outcome_name(r->outcome), r->forged, r->answers, r->stolen_bytes,
           r->foreign, r->half_open, (r->memory_bytes + 1023) / 1024, r->lost, yes(r->fallback),
           yes(r->joined), yes(r->delivered));
    if (r->outcome == r->promised) {
        return 0;
    }
    fflush(stdout);
    cli_say("sim: %s: %s, not %s%s%s; see `plait sim attack %s --trace FILE --pcap FILE`", name,
            pl_attack_outcome_name(r->outcome), pl_attack_outcome_name(r->promised),
            r->reason[0] != '\0' ? ": " : "", r->reason, name);
    return 1;
}

static int run_attacks(const struct attack_command *command) {
    struct pl_attack_result result;
    int status = 0;
    printf(
        "attack\toutcome\tforged\tanswers\tstolen_bytes\tforeign\thalf_open\tmemory_kb\tlost\t"
        "fallback\tjoined\tdelivered\n");
    for (unsigned i = 0; pl_attack_name(i) != NULL; i++) {
        const char *name = pl_attack_name(i);
        bool meant = command->name == NULL || strcmp(command->name, name) == 0;
        if (!meant || !pl_attack_applies(i, command->options.v0)) {
            continue;
        }
        int error = pl_attack_run(i, &command->options, &result);
        if (error < 0) {
            cli_say("sim: %s: %s", name, plait_error_text(error));
            return EXIT_TROUBLE;
        }
        status |= print_result(name, &result);
    }
    return status;
}

static int list_attacks(void) {
    printf("attack\tattacker\tsource\n");
    for (unsigned i = 0; pl_attack_name(i) != NULL; i++) {
        printf("%s\t%s\t%s\n", pl_attack_name(i), pl_attack_place(i), pl_attack_source(i));
    }
    return 0;
}

static bool is_attack(const char *name) {
    unsigned i = 0;
    while (pl_attack_name(i) != NULL && strcmp(pl_attack_name(i), name) != 0) {
        i++;
    }
    return pl_attack_name(i) != NULL;
}

static bool take_option(struct attack_command *command, const char *option, const char *value) {
    if (strcmp(option, "--seed") == 0) {
        return sim_number(value, strlen(value), &command->options.seed);
    }
    return sim_files_option(&command->files, option, value);
}

static bool parse(struct attack_command *command, int argc, char **argv) {
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            command->list = true;
        } else if (strcmp(argv[i], "--v0") == 0) {
            command->options.v0 = true;
        } else if (i + 1 < argc && take_option(command, argv[i], argv[i + 1])) {
            i++;
        } else if (command->name == NULL && is_attack(argv[i])) {
            command->name = argv[i];
        } else {
            cli_say("sim: no attack and no option '%s'; see `plait sim attack --help`", argv[i]);
            return false;
        }
    }
    if (command->name == NULL &&
        (command->files.trace_path != NULL || command->files.pcap_path != NULL)) {
        cli_say("sim: --trace and --pcap need the name of an attack");
        return false;
    }
    return true;
}

static void interface_name(unsigned interface, char out[16]) {
    static const char *const names[INTERFACES] = {"client1", "client2", "-", "-", "server", "-"};
    snprintf(out, 16, "%s", names[interface]);
}

static int run_with_files(struct attack_command *command) {
    struct sim_files *files = &command->files;
    if (!sim_files_open(files, interface_name, INTERFACES)) {
        return EXIT_TROUBLE;
    }
    command->options.hashes = &files->posix.env;
    command->options.trace = files->trace;
    command->options.capture = files->pcap != NULL ? sim_files_capture : NULL;
    command->options.capture_arg = files->pcap;
    return sim_files_close(files, run_attacks(command));
}

int cmd_sim_attack(int argc, char **argv) {
    struct attack_command command = {.options = {.seed = 1}};
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return attack_help();
        }
    }
    if (!parse(&command, argc, argv)) {
        return EXIT_USAGE;
    }
    if (command.list) {
        int status = list_attacks();
        return fflush(stdout) == 0 ? status : EXIT_TROUBLE;
    }
    return run_with_files(&command);
}

/* cli/cmd_sim_boxes.c - plait sim boxes: a connection behind every kind of middlebox
 * (docs/middleboxes.md). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/sim_files.h"
#include "plait/error.h"
#include "sim/boxes.h"
#include "sim/plan.h"

enum { SEEDS_MAX = 16, SEEDS_DEFAULT = 3, WORD = 64 };

struct boxes_command {
    struct pl_sim_options options;
    uint64_t seed, seeds; /* the first, and how many */
    const char *name;     /* of the only case; NULL: all */
    unsigned part, parts; /* of the table, from 0 */
    struct sim_files files;
    unsigned failed;
};

static int cmd_sim_boxes_help(void) {
    printf(
        "usage: plait sim boxes [OPTION]...\n\n"
        "A transfer in both ways over two paths behind each kind of middlebox, in each place,\n"
        "way and time, and behind every pair of them; a table of what becomes of it, with\n"
        "several seeds: `mptcp` where it depends on the seed whether that is multipath or one\n"
        "path, A|B for other things that do. Of an error: what client and server are told.\n"
        "Wrong bytes or a hang are failures.\n\n"
        "  --case BOX[+BOX]/PLACE/WAY/TIME/CHECKSUM  only this one: PLACE is first, second or\n"
        "                  all; WAY to-server, to-client or both; TIME start or middle;\n"
        "                  CHECKSUM off or on\n"
        "  --part K/N      the K-th of N parts of the table, for several processes\n"
        "  --seed S        with this seed only\n"
        "  --seeds N       with the seeds 1 to N (default 3)\n"
        "  --trace FILE    with --case: every event as a line of JSON\n"
        "  --pcap FILE     with --case: all packets as pcapng\n\nboxes:");
    for (int i = 0; i < PL_BOX_KIND_COUNT; i++) {
        printf("%s%s", i % 8 == 0 ? "\n  " : " ", pl_box_name((enum pl_box_kind)i));
    }
    printf("\n");
    return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
}

/* What cannot be: an error that is none, a box that did nothing, bytes that checksums should have
 * kept right. The reason, or NULL. */
static const char *complaint(const struct pl_boxes_case *box, const struct pl_boxes_result *r) {
    if (r->reason[0] != '\0') {
        return r->reason;
    }
    if (box->count == 1 && !r->acted) {
        return "the box never did anything";
    }
    if (box->checksum && r->altered && r->class != PL_BOXES_FALLBACK) {
        return "changed bytes got through a checksum";
    }
    return NULL;
}

static void describe(const struct pl_boxes_result *r, char word[WORD]) {
    const char *told[2];
    for (unsigned s = 0; s < 2; s++) {
        told[s] = r->told[s] == 0 ? "eof" : plait_error_name(r->told[s]);
        told[s] = r->began[s] ? told[s] : "-";
    }
    if (r->class == PL_BOXES_ERROR) {
        snprintf(word, WORD, "error %s/%s", told[0], told[1]);
    } else {
        snprintf(word, WORD, "%s", pl_boxes_class_name(r->class));
    }
}

/* One word for what two seeds gave. */
static void merge(char word[WORD], const char *other) {
    char both[WORD];
    bool mptcp = (word[0] == 'm' || word[0] == 'o') && (other[0] == 'm' || other[0] == 'o');
    if (strstr(word, other) != NULL) {
        return;
    }
    if (mptcp) {
        snprintf(word, WORD, "mptcp");
    } else if (strncmp(word, "error", 5) == 0 && strncmp(other, "error", 5) == 0) {
        snprintf(word, WORD, "error");
    } else {
        snprintf(both, sizeof(both), "%.31s|%.31s", strcmp(word, other) < 0 ? word : other,
                 strcmp(word, other) < 0 ? other : word);
        memcpy(word, both, WORD);
    }
}

static void print_row(const struct pl_boxes_case *box, const char *result,
                      const struct pl_boxes_result *r) {
    char name[96];
    pl_boxes_case_name(box, name, sizeof(name));
    for (char *at = name; *at != '\0'; at++) {
        *at = *at == '/' ? '\t' : *at;
    }
    printf("%s\t%s\t%s\t%s\n", name, result, r->altered ? "changed" : "right", r->noticed);
}

/* What the counters of the first seed noticed stands for all. */
static int run_case(struct boxes_command *command, const struct pl_boxes_case *box) {
    struct pl_boxes_result first = {.told = {0}}, result;
    char word[WORD] = "", other[WORD], name[96];
    pl_boxes_case_name(box, name, sizeof(name));
    for (uint64_t seed = command->seed; seed < command->seed + command->seeds; seed++) {
        int error = pl_boxes_run(box, &command->options, seed, &result);
        if (error < 0) {
            cli_say("sim: %s", plait_error_text(error));
            return EXIT_TROUBLE;
        }
        const char *wrong = complaint(box, &result);
        if (wrong != NULL) {
            printf("FAIL %s: %s; replay: plait sim boxes --case %s --seed %llu --trace t.jsonl\n",
                   name, wrong, name, (unsigned long long)seed);
            command->failed++;
            return 0;
        }
        describe(&result, other);
        if (seed == command->seed) {
            first = result;
            memcpy(word, other, WORD);
        }
        first.altered = first.altered || result.altered;
        merge(word, other);
    }
    print_row(box, word, &first);
    return 0;
}

/* The rows of the part asked for. */
static int run_part(struct boxes_command *command) {
    struct pl_boxes_case box;
    unsigned count = 0;
    int status = 0;
    while (pl_boxes_case_at(count, &box)) {
        count++;
    }
    unsigned end = count * (command->part + 1) / command->parts;
    for (unsigned i = count * command->part / command->parts; status == 0 && i < end; i++) {
        status = pl_boxes_case_at(i, &box) ? run_case(command, &box) : EXIT_TROUBLE;
    }
    return status;
}

static int run_cases(struct boxes_command *command) {
    struct pl_boxes_case box;
    int status = 0;
    if (command->part == 0) {
        printf("box\tplace\tway\ttime\tchecksum\tresult\tbytes\tnoticed\n");
    }
    if (command->name != NULL) {
        if (!pl_boxes_case_parse(command->name, &box)) {
            cli_say("sim: no case '%s'; see `plait sim boxes --help`", command->name);
            return EXIT_USAGE;
        }
        status = run_case(command, &box);
    } else {
        status = run_part(command);
    }
    return status != 0 ? status : command->failed > 0;
}

static bool take_option(struct boxes_command *command, const char *option, const char *value) {
    if (strcmp(option, "--case") == 0) {
        command->name = value;
        return true;
    }
    if (strcmp(option, "--part") == 0) {
        int end_at = 0;
        int found = sscanf(value, "%u/%u%n", &command->part, &command->parts, &end_at);
        command->part--; /* 0 becomes too large */
        return found == 2 && value[end_at] == '\0' && command->part < command->parts;
    }
    if (strcmp(option, "--seed") == 0) {
        command->seeds = 1;
        return sim_number(value, strlen(value), &command->seed);
    }
    if (strcmp(option, "--seeds") == 0) {
        return sim_number(value, strlen(value), &command->seeds) && command->seeds > 0 &&
               command->seeds <= SEEDS_MAX;
    }
    return sim_files_option(&command->files, option, value);
}

static bool parse(struct boxes_command *command, int argc, char **argv) {
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc || !take_option(command, argv[i], argv[i + 1])) {
            cli_say("sim: bad option '%s'; see `plait sim boxes --help`", argv[i]);
            return false;
        }
    }
    if (command->files.trace_path != NULL || command->files.pcap_path != NULL) {
        if (command->name == NULL) {
            cli_say("sim: --trace and --pcap need --case");
            return false;
        }
        command->seeds = 1;
    }
    return true;
}

int cmd_sim_boxes(int argc, char **argv) {
    struct boxes_command command = {
        .options = {.fill = PL_SIM_FILL_DEFAULT}, .seed = 1, .seeds = SEEDS_DEFAULT, .parts = 1};
    if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        return cmd_sim_boxes_help();
    }
    if (!parse(&command, argc, argv)) {
        return EXIT_USAGE;
    }
    if (!cli_sim_open(&command.files, &command.options)) {
        return EXIT_TROUBLE;
    }
    return sim_files_close(&command.files, run_cases(&command));
}

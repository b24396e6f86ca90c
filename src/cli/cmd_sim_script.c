/* cli/cmd_sim_script.c - plait sim script: scenario scripts (docs/scripts.md). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/sim_files.h"
#include "sim/script.h"

enum { SCRIPT_BYTES_MAX = 1 << 20, INTERFACES = 4 };

struct script_command {
    struct pl_script_options options;
    struct sim_files outputs;
    char **files; /* into argv */
    int file_count;
};

static int script_help(void) {
    printf(
        "usage: plait sim script [OPTION]... FILE...\n\n"
        "Runs scenario scripts: segments in and out, calls, virtual time (docs/scripts.md).\n"
        "Prints PASS or FAIL for each; status 1: one failed, 2: one cannot be read.\n\n"
        "  -v             every segment, in the syntax of scripts\n"
        "  --trace FILE   every event as a line of JSON\n"
        "  --pcap FILE    all packets as pcapng\n");
    return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
}

/* False: said what is wrong. */
static bool parse(struct script_command *command, int argc, char **argv) {
    command->files = argv; /* what was read already is overwritten */
    for (int i = 1; i < argc; i++) {
        bool trace = strcmp(argv[i], "--trace") == 0;
        if (strcmp(argv[i], "-v") == 0) {
            command->options.verbose = true;
        } else if (strcmp(argv[i], "--record") == 0) {
            command->options.record = true;
        } else if (trace || strcmp(argv[i], "--pcap") == 0) {
            if (i + 1 == argc) {
                cli_say("sim: %s needs a file; see `plait sim script --help`", argv[i]);
                return false;
            }
            i++;
            *(trace ? &command->outputs.trace_path : &command->outputs.pcap_path) = argv[i];
        } else if (argv[i][0] == '-') {
            cli_say("sim: unknown option '%s'; see `plait sim script --help`", argv[i]);
            return false;
        } else {
            command->files[command->file_count++] = argv[i];
        }
    }
    if (command->file_count == 0) {
        cli_say("sim: which script? `plait sim script FILE...`");
    }
    return command->file_count > 0;
}

/* The whole file; NULL: said what is wrong. */
static char *read_file(const char *path, size_t *len) {
    char *text = malloc(SCRIPT_BYTES_MAX);
    FILE *file = fopen(path, "r");
    if (text == NULL || file == NULL) {
        cli_say("sim: cannot read %s: %s", path, strerror(errno));
        free(text);
        if (file != NULL) {
            fclose(file);
        }
        return NULL;
    }
    *len = fread(text, 1, SCRIPT_BYTES_MAX, file);
    bool whole = ferror(file) == 0 && *len < SCRIPT_BYTES_MAX;
    fclose(file);
    if (!whole) {
        cli_say("sim: %s cannot be read or is no script: 1 MiB at most", path);
        free(text);
        return NULL;
    }
    return text;
}

/* A file that a script includes; its path begins at the script. */
static char *include_file(void *arg, const char *script, const char *file, size_t *len) {
    char path[4096];
    const char *slash = strrchr(script, '/');
    int directory = slash == NULL ? 0 : (int)(slash - script) + 1;
    (void)arg;
    int written = snprintf(path, sizeof(path), "%.*s%s", directory, script, file);
    return written < (int)sizeof(path) ? read_file(path, len) : NULL;
}

static int run_file(const struct script_command *command, const char *path) {
    size_t len = 0;
    char *text = read_file(path, &len);
    if (text == NULL) {
        return EXIT_USAGE;
    }
    enum pl_script_result result = pl_script_run(path, text, len, &command->options);
    if (command->options.record && result == PL_SCRIPT_PASS) {
        free(text);
        return 0;
    }
    printf("%s %s\n", result == PL_SCRIPT_PASS ? "PASS" : "FAIL", path);
    fflush(stdout);
    free(text);
    return result == PL_SCRIPT_PASS ? 0 : result == PL_SCRIPT_FAIL ? 1 : EXIT_USAGE;
}

static int run_files(const struct script_command *command) {
    int status = 0;
    for (int i = 0; i < command->file_count; i++) {
        int one = run_file(command, command->files[i]);
        status = one > status ? one : status;
    }
    return status;
}

static void interface_name(unsigned interface, char out[16]) {
    snprintf(out, 16, "port%u", interface + 1);
}

int cmd_sim_script(int argc, char **argv) {
    struct script_command command = {.options = {.out = stdout, .include = include_file}};
    struct sim_files *outputs = &command.outputs;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return script_help();
        }
    }
    if (!parse(&command, argc, argv)) {
        return EXIT_USAGE;
    }
    if (!sim_files_open(outputs, interface_name, INTERFACES)) {
        return EXIT_TROUBLE;
    }
    command.options.hashes = &outputs->posix.env;
    command.options.trace = outputs->trace;
    command.options.capture = outputs->pcap != NULL ? sim_files_capture : NULL;
    command.options.capture_arg = outputs->pcap;
    return sim_files_close(outputs, run_files(&command));
}

/* cli/main.c - the plait program: a table of sub-commands. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
};

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct command commands[] = {
    {"run", "run a program over all links at once", cmd_run},
    {"serve", "take Multipath TCP in for a service that has none", cmd_serve},
    {"lab", "emulated networks to try things in", cmd_lab},
    {"sim", "the stack in a simulated network", cmd_sim},
    {"help", "this text", cmd_help},
    {"version", "print the version", cmd_version},
};

void cli_say(const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    fprintf(stderr, "plait: %s\n", line);
}

static const struct command *find(const char *name) {
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        name = "help";
    }
    if (strcmp(name, "--version") == 0) {
        name = "version";
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].run != NULL && strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int print_help(void) {
    printf("usage: plait COMMAND [ARGUMENT]...\n\nMultipath TCP (RFC 8684) in user space.\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].run != NULL) {
            printf("  %-9s %s\n", commands[i].name, commands[i].summary);
        }
    }
    printf("\n`plait COMMAND --help` tells more.\n");
    return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
}

/* Of a command, or of all. */
static int cmd_help(int argc, char **argv) {
    if (argc < 2) {
        return print_help();
    }
    const struct command *command = find(argv[1]);
    if (command == NULL || argc > 2) {
        cli_say("help: there is no '%s'; `plait help` lists the commands", argv[argc - 1]);
        return EXIT_USAGE;
    }
    if (command->run == cmd_help || command->run == cmd_version) {
        return print_help();
    }
    char option[] = "--help";
    char *arguments[] = {argv[1], option, NULL};
    return command->run(2, arguments);
}

static int cmd_version(int argc, char **argv) {
    if (argc > 1) {
        cli_say("version: '%s' is too much; `plait help` tells more", argv[1]);
        return EXIT_USAGE;
    }
    printf("plait %s\n", PLAIT_VERSION);
    return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        cli_say("a command is missing; `plait help` lists them");
        return EXIT_USAGE;
    }
    const struct command *command = find(argv[1]);
    if (command == NULL) {
        cli_say("unknown command '%s'; `plait help` lists them", argv[1]);
        return EXIT_USAGE;
    }
    return command->run(argc - 1, argv + 1);
}

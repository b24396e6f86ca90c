/* cli/cmd_run.c - `plait run`: a program over all links at once.
 *
 * The program lives in a network namespace whose only way out for TCP is a stack in this process.
 * See relay.h. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "cli/relay.h"

static const char usage[] =
    "usage: plait run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "\n"
    "Runs PROGRAM so that its TCP connections use all links at once (Multipath TCP).\n"
    "Everything else it sends goes over the best link. The exit status is the program's.\n"
    "\n"
    "  --link IF         use this interface; may be repeated. Default: every interface\n"
    "                    with a default route, and those that get one later\n"
    "  -d                tell on stderr what happens to links and connections\n"
    "  --pcap FILE       write all packets of all links and of the program (pcapng)\n"
    "  --json[=FILE]     write figures at the end, as one JSON object, to stderr or FILE\n"
    "  --progress WHERE  write figures every 100 ms, as one line of JSON, to WHERE: the\n"
    "                    number of an open file descriptor, or a file\n"
    "  --mptcp-version V the versions of Multipath TCP to speak: 1 (default), 0 (RFC 6824,\n"
    "                    older peers) or 1,0 (both, 1 first)\n"
    "  -h, --help        this text\n";

static bool parse(int argc, char **argv, struct relay_options *options) {
    static const struct option longs[] = {RELAY_OPTIONS, {NULL, 0, NULL, 0}};
    options->command = argv[0];
    if (!relay_options_parse(argc, argv, longs, options)) {
        return false;
    }
    if (options->program[0] == NULL && !options->help) {
        cli_say("run: the program to run is missing; `plait run --help` tells more");
        return false;
    }
    return true;
}

/* Inside of another `plait run` the program's connections use all its links already, and a second
 * stack could only spoil that. */
static int run_as_it_is(const struct relay *relay) {
    cli_say("run: this is inside of a `plait run` already; the program runs as it is");
    execvp(relay->options.program[0], relay->options.program);
    int error = errno;
    cli_say("cannot run %s: %s", relay->options.program[0], strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

int cmd_run(int argc, char **argv) {
    static struct relay relay; /* half a megabyte */
    if (!parse(argc, argv, &relay.options)) {
        return EXIT_USAGE;
    }
    if (relay.options.help) {
        fputs(usage, stdout);
        return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
    }
    int failure = relay_open(&relay);
    if (failure != 0) {
        return failure;
    }
    return relay_is_nested(&relay) ? run_as_it_is(&relay) : relay_run(&relay);
}

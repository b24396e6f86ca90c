/* cli/relay_options.c - the options that all commands with a relay have. */
#include "cli/relay_options.h"

#include <getopt.h>
#include <string.h>

#include "cli/cli.h"

static bool add_link(struct relay_options *options, const char *name) {
    if (options->link_count == RELAY_LINKS_MAX || strlen(name) > 15 || *name == '\0') {
        cli_say("%s: --link %s: no name of an interface, or too many", options->command, name);
        return false;
    }
    options->links[options->link_count++] = name;
    return true;
}

static bool take_version(struct relay_options *options, const char *text) {
    static const char *const names[] = {
        [PLAIT_MPTCP_V1] = "1", [PLAIT_MPTCP_V0] = "0", [PLAIT_MPTCP_V1_V0] = "1,0"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            options->versions = (enum plait_mptcp_versions)i;
            return true;
        }
    }
    cli_say("%s: --mptcp-version %s: not 1, 0 or 1,0", options->command, text);
    return false;
}

static bool take_option(struct relay_options *options, int option) {
    switch (option) {
        case 'd':
            options->debug = true;
            return true;
        case 'h':
            options->help = true;
            return true;
        case RELAY_OPTION_LINK:
            return add_link(options, optarg);
        case RELAY_OPTION_PCAP:
            options->pcap = optarg;
            return true;
        case RELAY_OPTION_JSON:
            options->json = true;
            options->json_file = optarg;
            return true;
        case RELAY_OPTION_PROGRESS:
            options->progress = optarg;
            return true;
        case RELAY_OPTION_VERSION:
            return take_version(options, optarg);
        default:
            return options->take != NULL && options->take(options, option, optarg);
    }
}

bool relay_options_parse(int argc, char **argv, const struct option *longs,
                         struct relay_options *options) {
    int option;
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, "+:dh", longs, NULL)) != -1) {
        if (option == ':' || option == '?') {
            const char *what = argv[optind - 1];
            cli_say(option == ':' ? "%s: %s needs a value; `plait %s --help` tells more"
                                  : "%s: unknown option %s; `plait %s --help` tells more",
                    options->command, what, options->command);
            return false;
        }
        if (!take_option(options, option)) {
            return false;
        }
    }
    options->program = argv + optind;
    return true;
}

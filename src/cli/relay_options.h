/* cli/relay_options.h - the options of commands with a relay. */
#ifndef PL_CLI_RELAY_OPTIONS_H
#define PL_CLI_RELAY_OPTIONS_H

#include "plait/stack.h"

enum { RELAY_LINKS_MAX = 60 };

/* What `plait serve` takes in, and where it leads. */
struct relay_service {
    uint16_t port;            /* 0: nothing is served */
    struct plait_addr addr;   /* only this one is listened on; family NONE: every one of ours */
    struct plait_endpoint to; /* the service; family NONE: it is the program */
    bool proxy_protocol;      /* tell it who the client is */
};

struct relay_options {
    const char *command; /* "run" or "serve", for messages */
    struct relay_service service;
    /* Takes an option that is none of RELAY_OPTIONS. False: said why. May be NULL. */
    bool (*take)(struct relay_options *options, int option, const char *value);
    bool debug, json, help;
    const char *json_file, *pcap, *progress;
    enum plait_mptcp_versions versions;
    const char *links[RELAY_LINKS_MAX];
    unsigned link_count;
    char **program; /* NULL terminated; NULL first: there is none */
};

enum {
    RELAY_OPTION_LINK = 256,
    RELAY_OPTION_PCAP,
    RELAY_OPTION_JSON,
    RELAY_OPTION_PROGRESS,
    RELAY_OPTION_VERSION,
    RELAY_OPTION_OWN /* the first that a command may use */
};
/* Those that every command has, for its table of struct option. */
#define RELAY_OPTIONS                                                       \
    {"link", required_argument, NULL, RELAY_OPTION_LINK},                   \
        {"pcap", required_argument, NULL, RELAY_OPTION_PCAP},               \
        {"json", optional_argument, NULL, RELAY_OPTION_JSON},               \
        {"progress", required_argument, NULL, RELAY_OPTION_PROGRESS},       \
        {"mptcp-version", required_argument, NULL, RELAY_OPTION_VERSION}, { \
        "help", no_argument, NULL, 'h'                                      \
    }

struct option;
/* False: said why. options->program is what follows the options. */
bool relay_options_parse(int argc, char **argv, const struct option *longs,
                         struct relay_options *options);

#endif

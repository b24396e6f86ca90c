/* cli/cmd_serve.c - `plait serve`: Multipath TCP for a service that has none.
 *
 * The mirror image of `plait run`: connections come in over the links, and the stack goes on to the
 * service as plain TCP. See relay.h. */
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "cli/place.h"
#include "cli/relay.h"
#include "wire/addr.h"

static const char usage[] =
    "usage: plait serve --listen [ADDRESS:]PORT [--to [HOST:]PORT] [OPTION]...\n"
    "       plait serve --listen [ADDRESS:]PORT [OPTION]... -- PROGRAM [ARGUMENT]...\n"
    "\n"
    "Accepts Multipath TCP and plain TCP on PORT of all links, and hands it as plain TCP to\n"
    "the service at HOST:PORT, or to PROGRAM, which runs in a network of its own, listens\n"
    "there on PORT and sees the clients' addresses.\n"
    "\n"
    "  --listen PLACE    PORT of every address of this host, or of ADDRESS only\n"
    "  --to PLACE        the service (default: 127.0.0.1 and the same port)\n"
    "  --proxy-protocol  tell the service at HOST who the client is (PROXY protocol, version 1)\n"
    "  --link IF         take connections from this interface; may be repeated. Default: every\n"
    "                    interface with a default route, and those that get one later\n"
    "  -d                tell on stderr what happens to links and connections\n"
    "  --pcap FILE       write all packets of all links and of the service (pcapng)\n"
    "  --json[=FILE]     write figures at the end, as one JSON object, to stderr or FILE\n"
    "  --progress WHERE  write figures every 100 ms, as one line of JSON, to WHERE: the\n"
    "                    number of an open file descriptor, or a file\n"
    "  --mptcp-version V the versions of Multipath TCP to speak: 1 (default), 0 (RFC 6824,\n"
    "                    older peers) or 1,0 (both, 1 first)\n"
    "  -h, --help        this text\n";

enum { OPTION_LISTEN = RELAY_OPTION_OWN, OPTION_TO, OPTION_PROXY };

/* ---- options ---- */

static bool parse_listen(struct relay_service *service, const char *text) {
    char host[CLI_HOST_TEXT];
    if (!cli_place_parse(text, host, &service->port) ||
        (host[0] != '\0' && !pl_addr_parse(host, &service->addr))) {
        cli_say("serve: --listen %s: not a PORT, ADDRESS:PORT or [ADDRESS]:PORT", text);
        return false;
    }
    if (host[0] != '\0' && !pl_addr_is_host(&service->addr)) { /* no link ever brings that in */
        cli_say("serve: --listen %s: no address of a link; leave it out to listen on all", text);
        return false;
    }
    return true;
}

static void take_address(const struct addrinfo *info, struct plait_addr *out) {
    *out = (struct plait_addr){.family = PLAIT_IPV4};
    if (info->ai_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const void *)info->ai_addr;
        out->family = PLAIT_IPV6;
        memcpy(out->bytes, &six->sin6_addr, 16);
    } else {
        const struct sockaddr_in *four = (const void *)info->ai_addr;
        memcpy(out->bytes, &four->sin_addr, 4);
    }
}

/* The first address of a name that can be reached: the kernel takes nothing for ::1 from a device,
 * and hosts that have it have 127.0.0.1, too. */
static bool resolve(const char *host, struct plait_addr *out) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int error = getaddrinfo(host, NULL, &hints, &list);
    if (error != 0) {
        cli_say("serve: --to %s: %s", host, gai_strerror(error));
        return false;
    }
    bool found = false;
    for (const struct addrinfo *at = list; at != NULL && !found; at = at->ai_next) {
        const struct sockaddr_in6 *six = (const void *)at->ai_addr;
        found = at->ai_family == AF_INET ||
                (at->ai_family == AF_INET6 && !IN6_IS_ADDR_LOOPBACK(&six->sin6_addr));
        if (found) {
            take_address(at, out);
        }
    }
    freeaddrinfo(list);
    if (!found) {
        cli_say("serve: --to %s: out of reach; name 127.0.0.1 or another address", host);
    }
    return found;
}

static bool parse_to(struct relay_service *service, const char *text) {
    char host[CLI_HOST_TEXT];
    if (!cli_place_parse(text, host, &service->to.port)) {
        cli_say("serve: --to %s: not a PORT, HOST:PORT or [ADDRESS]:PORT", text);
        return false;
    }
    return resolve(host[0] != '\0' ? host : "127.0.0.1", &service->to.addr);
}

static bool take(struct relay_options *options, int option, const char *value) {
    switch (option) {
        case OPTION_LISTEN:
            return parse_listen(&options->service, value);
        case OPTION_TO:
            return parse_to(&options->service, value);
        case OPTION_PROXY:
            options->service.proxy_protocol = true;
            return true;
        default:
            return false;
    }
}

/* The options with each other. */
static bool make_sense(struct relay_options *options) {
    struct relay_service *service = &options->service;
    const char *wrong = NULL;
    bool program = options->program[0] != NULL;
    if (service->port == 0) {
        wrong = "--listen is missing";
    } else if (program && service->to.port != 0) {
        wrong = "--to and a program are two services";
    } else if (program && service->proxy_protocol) {
        wrong = "a program needs no --proxy-protocol, it sees the clients' addresses";
    }
    if (wrong != NULL) {
        cli_say("serve: %s; `plait serve --help` tells more", wrong);
        return false;
    }
    if (!program && service->to.port == 0) {
        service->to = (struct plait_endpoint){.addr = {{127, 0, 0, 1}, PLAIT_IPV4}};
        service->to.port = service->port;
    }
    return true;
}

/* It may get the address later, so this is no error. */
static void warn_of_strange(const struct relay *relay) {
    const struct plait_addr *addr = &relay->options.service.addr;
    const struct pl_links *links = pl_netlink_links(relay->monitor);
    char text[PL_ADDR_TEXT];
    if (addr->family == PLAIT_FAMILY_NONE) {
        return;
    }
    for (unsigned i = 0; i < links->count; i++) {
        const struct pl_link *link = &links->link[i];
        bool here = link->addr_count == PL_LINK_ADDRS_MAX; /* there may be more */
        for (unsigned j = 0; j < link->addr_count; j++) {
            const struct plait_addr *own = &link->addrs[j].addr;
            here |= own->family == addr->family && pl_addr_equal(own, addr);
        }
        if (here) {
            return;
        }
    }
    pl_addr_format(addr, text);
    cli_say("serve: --listen %s: no interface has this address now; `ip address` lists them", text);
}

int cmd_serve(int argc, char **argv) {
    static const struct option longs[] = {
        {"listen", required_argument, NULL, OPTION_LISTEN},
        {"to", required_argument, NULL, OPTION_TO},
        {"proxy-protocol", no_argument, NULL, OPTION_PROXY},
        RELAY_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    static struct relay relay; /* half a megabyte */
    struct relay_options *options = &relay.options;
    options->command = argv[0];
    options->take = take;
    if (!relay_options_parse(argc, argv, longs, options)) {
        return EXIT_USAGE;
    }
    if (options->help) {
        fputs(usage, stdout);
        return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
    }
    if (!make_sense(options)) {
        return EXIT_USAGE;
    }
    int failure = relay_open(&relay);
    if (failure != 0) {
        return failure;
    }
    if (relay_is_nested(&relay)) {
        cli_say("serve: this is inside of a `plait run`, which nobody can connect to");
        return EXIT_USAGE;
    }
    warn_of_strange(&relay);
    return relay_run(&relay);
}

/* cli/cmd_lab.c - `plait lab`: options. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/lab.h"

static const char usage[] =
    "usage: plait lab demo [OPTION]...\n"
    "\n"
    "One download over two emulated links, 20 and 10 Mb/s. After a third of the file the\n"
    "faster link silently dies, after two thirds it is back. Writes demo.json and demo.html.\n"
    "Needs root; leaves nothing else behind.\n"
    "\n"
    "  --client NAME  plait   curl under `plait run` (default)\n"
    "                 kernel  curl on the kernel's own MPTCP, to compare\n"
    "                 tcp     curl on plain TCP, which has one link only\n"
    "  --server NAME  kernel  nginx on the kernel's MPTCP (default where the kernel has it)\n"
    "                 plait   nginx under `plait serve`\n"
    "  --bytes N      size of the file, with M for 1000000 (default 60M)\n"
    "  --out DIR      where to write (default: where this program was built, or here)\n"
    "  --plain        a line every second in place of bars\n"
    "  -h, --help     this text\n";

enum { OPTION_CLIENT = 256, OPTION_SERVER, OPTION_BYTES, OPTION_OUT, OPTION_PLAIN };

static const struct option long_options[] = {
    {"client", required_argument, NULL, OPTION_CLIENT},
    {"server", required_argument, NULL, OPTION_SERVER},
    {"bytes", required_argument, NULL, OPTION_BYTES},
    {"out", required_argument, NULL, OPTION_OUT},
    {"plain", no_argument, NULL, OPTION_PLAIN},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool parse_bytes(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    bool sane = end != text && errno == 0 && value <= LAB_BYTES_MAX;
    if (*end == 'M' && sane) {
        value *= 1000000;
        end++;
    }
    if (!sane || *end != '\0' || value < LAB_BYTES_MIN || value > LAB_BYTES_MAX) {
        cli_say("--bytes: %s is not a size from 1M to 1000M", text);
        return false;
    }
    *out = value;
    return true;
}

static bool take_option(struct lab_options *options, int option) {
    switch (option) {
        case OPTION_CLIENT:
            if (!lab_client_parse(optarg, &options->client)) {
                cli_say("--client: %s is none of plait, kernel, tcp", optarg);
                return false;
            }
            return true;
        case OPTION_SERVER:
            if (!lab_server_parse(optarg, &options->server)) {
                cli_say("--server: %s is none of kernel, plait", optarg);
                return false;
            }
            return true;
        case OPTION_BYTES:
            return parse_bytes(optarg, &options->bytes);
        case OPTION_OUT:
            options->out = optarg;
            return true;
        case OPTION_PLAIN:
            options->plain = true;
            return true;
        case 'h':
            options->help = true;
            return true;
        default:
            return false;
    }
}

/* The build directory when we run from there, else the working directory. */
static const char *default_out(void) {
    static char path[512];
    char ninja[600];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
    if (slash == NULL) {
        return ".";
    }
    *slash = '\0';
    snprintf(ninja, sizeof(ninja), "%s/build.ninja", path);
    return access(ninja, F_OK) == 0 ? path : ".";
}

/* Before the minute that a demo takes. */
static bool is_writable(const char *directory) {
    struct stat st;
    bool is_directory = stat(directory, &st) == 0 && S_ISDIR(st.st_mode);
    if (is_directory && access(directory, W_OK) == 0) {
        return true;
    }
    cli_say("cannot write to %s: %s", directory, is_directory ? strerror(errno) : "no directory");
    return false;
}

static int cmd_demo(int argc, char **argv) {
    struct lab_options options = {.client = LAB_PLAIT, .bytes = LAB_BYTES_DEFAULT};
    int option;
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (option == ':' || option == '?') {
            cli_say("lab demo: %s%s; see `plait lab --help`",
                    option == ':' ? "this needs a value: " : "unknown option ", argv[optind - 1]);
            return EXIT_USAGE;
        }
        if (!take_option(&options, option)) {
            return EXIT_USAGE;
        }
    }
    if (options.help) {
        fputs(usage, stdout);
        return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
    }
    if (optind < argc) {
        cli_say("lab demo: %s is too much; see `plait lab --help`", argv[optind]);
        return EXIT_USAGE;
    }
    if (options.out == NULL) {
        options.out = default_out();
    }
    lab_needs_choose(&options);
    return is_writable(options.out) ? lab_demo_run(&options) : EXIT_USAGE;
}

int cmd_lab(int argc, char **argv) {
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
    }
    if (argc > 1 && strcmp(argv[1], "demo") == 0) {
        return cmd_demo(argc - 1, argv + 1);
    }
    cli_say("lab: %s; try `plait lab demo` or `plait lab --help`",
            argc > 1 ? "there is only `demo`" : "which one?");
    return EXIT_USAGE;
}

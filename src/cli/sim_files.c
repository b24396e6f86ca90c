#include "cli/sim_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

bool sim_number(const char *text, size_t len, uint64_t *out) {
    char copy[32];
    char *end = NULL;
    if (len == 0 || len >= sizeof(copy) || text[0] == '-' || text[0] == '+') {
        return false;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    errno = 0;
    *out = strtoull(copy, &end, 0);
    return errno == 0 && *end == '\0';
}

bool sim_files_option(struct sim_files *files, const char *option, const char *value) {
    if (strcmp(option, "--trace") == 0) {
        files->trace_path = value;
        return true;
    }
    if (strcmp(option, "--pcap") == 0) {
        files->pcap_path = value;
        return true;
    }
    return false;
}

void sim_files_capture(void *arg, unsigned interface, const uint8_t *data, uint32_t len,
                       plait_time now) {
    pl_pcapng_input(arg, interface, data, len, NULL, now);
    pl_pcapng_flush(arg);
}

static bool open_trace(struct sim_files *files) {
    if (files->trace_path == NULL) {
        return true;
    }
    files->trace = fopen(files->trace_path, "w");
    if (files->trace == NULL) {
        cli_say("sim: cannot write %s: %s", files->trace_path, strerror(errno));
        return false;
    }
    setvbuf(files->trace, NULL, _IOLBF, BUFSIZ);
    return true;
}

static bool open_capture(struct sim_files *files, sim_interface_name *name, unsigned count) {
    if (files->pcap_path == NULL) {
        return true;
    }
    int error = pl_pcapng_open(&files->pcap, files->pcap_path, 0);
    if (error != 0) {
        cli_say("sim: cannot write %s: %s", files->pcap_path, strerror(-error));
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        char text[16];
        name(i, text);
        (void)pl_pcapng_add(files->pcap, text);
    }
    return true;
}

bool sim_files_open(struct sim_files *files, sim_interface_name *name, unsigned count) {
    if (pl_posix_env_init(&files->posix) != 0) {
        cli_say("sim: libcrypto has no SHA-256");
        return false;
    }
    if (open_trace(files) && open_capture(files, name, count)) {
        return true;
    }
    (void)sim_files_close(files, 0);
    return false;
}

int sim_files_close(struct sim_files *files, int status) {
    if (files->pcap != NULL && pl_pcapng_close(files->pcap) != 0) {
        cli_say("sim: cannot write %s", files->pcap_path);
        status = EXIT_TROUBLE;
    }
    if (files->trace != NULL && fclose(files->trace) != 0) {
        cli_say("sim: cannot write %s", files->trace_path);
        status = EXIT_TROUBLE;
    }
    pl_posix_env_fini(&files->posix);
    return fflush(stdout) == 0 ? status : EXIT_TROUBLE;
}

/* cli/lab_client.c - the same download by three clients: over `plait run`, over the kernel's own
 * MPTCP, and over plain TCP. */
#include <string.h>

#include "cli/lab.h"

enum { WORDS_MAX = 16 };

static const char *const client_names[] = {
    [LAB_PLAIT] = "plait", [LAB_KERNEL] = "kernel", [LAB_TCP] = "tcp"};

const char *lab_client_name(enum lab_client client) {
    return client_names[client];
}

bool lab_client_parse(const char *name, enum lab_client *out) {
    for (unsigned i = 0; i < sizeof(client_names) / sizeof(client_names[0]); i++) {
        if (strcmp(name, client_names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* The kernel joins from the addresses it is told of. */
static bool prepare_kernel(const struct lab_site *site) {
    char lines[512];
    size_t len =
        (size_t)snprintf(lines, sizeof(lines), "mptcp limits set subflows 8 add_addr_accepted 8\n");
    for (unsigned i = 0; i < LAB_LINKS; i++) {
        len += (size_t)snprintf(lines + len, sizeof(lines) - len,
                                "mptcp endpoint add %s.2 dev %s subflow\n", lab_links[i].subnet,
                                lab_links[i].name);
    }
    return lab_site_ip(site, LAB_PHONE, lines);
}

bool lab_client_start(struct lab_process *process, enum lab_client client,
                      const struct lab_site *site) {
    char file[128], log[128], self[LAB_PATH_MAX],
        progress[160] = "--progress=", json[160] = "--json=";
    const char *words[WORDS_MAX];
    unsigned n = 0;
    lab_site_path(site, "download", file);
    lab_site_path(site, "client.log", log);
    lab_site_path(site, "progress.json", progress + strlen(progress));
    lab_site_path(site, "client.json", json + strlen(json));
    if (client == LAB_PLAIT) {
        const char *const run[] = {self, "run", progress, json, "--"};
        if (!lab_process_self(self)) {
            return false;
        }
        memcpy(words, run, sizeof(run));
        n = sizeof(run) / sizeof(run[0]);
    }
    if (client == LAB_KERNEL) {
        if (!prepare_kernel(site)) {
            return false;
        }
        words[n++] = "mptcpize";
        words[n++] = "run";
    }
    const char *const curl[] = {
        "curl", "-s", "-S", "-o", file, "http://" LAB_SERVER_ADDRESS "/file", NULL};
    memcpy(words + n, curl, sizeof(curl));
    int result = lab_process_start(process, words, site->ns[LAB_PHONE], log);
    if (result < 0) {
        cli_say("cannot start the client: %s", strerror(-result));
    }
    return result == 0;
}

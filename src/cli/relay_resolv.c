/* cli/relay_resolv.c - a resolver that the program can reach.
 *
 * The loopback of its namespace is not the host's. When /etc/resolv.conf names only resolvers on
 * the loopback, the program sees another file there: the one in which systemd-resolved lists the
 * real servers, or else a copy that names the host's end of the uplink pair, from where port 53 is
 * led to the host's loopback. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cli/relay.h"
#include "wire/addr.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLVED_SERVERS "/run/systemd/resolve/resolv.conf"

struct servers {
    unsigned loopback, other;
    char first_loopback[46]; /* of IPv4 if there is one */
};

/* The address of a "nameserver" line, or NULL. Changes the line. */
static char *server_of(char *line) {
    char *rest = line + strspn(line, " \t");
    if (strncmp(rest, "nameserver", 10) != 0 || strchr(" \t", rest[10]) == NULL) {
        return NULL;
    }
    rest += 10;
    rest += strspn(rest, " \t");
    rest[strcspn(rest, " \t\r\n#;%")] = '\0';
    return rest;
}

static bool is_loopback(const char *text) {
    struct plait_addr addr;
    struct plait_addr loopback6 = {.bytes = {[15] = 1}, .family = PLAIT_IPV6};
    if (!pl_addr_parse(text, &addr)) {
        return false;
    }
    return addr.family == PLAIT_IPV4 ? addr.bytes[0] == 127 : pl_addr_equal(&addr, &loopback6);
}

static bool count_servers(const char *path, struct servers *servers) {
    char line[512];
    FILE *file = fopen(path, "re");
    memset(servers, 0, sizeof(*servers));
    if (file == NULL) {
        return false;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        const char *server = server_of(line);
        if (server == NULL) {
            continue;
        }
        if (!is_loopback(server)) {
            servers->other++;
            continue;
        }
        servers->loopback++;
        if (servers->first_loopback[0] == '\0' && strchr(server, ':') == NULL) {
            snprintf(servers->first_loopback, sizeof(servers->first_loopback), "%s", server);
        }
    }
    fclose(file);
    return true;
}

/* Writes the copy with `server` in place of the servers. */
static bool write_copy(const char *path, const char *server) {
    char line[512], parsed[512];
    FILE *from = fopen(RESOLV_CONF, "re");
    FILE *to = fopen(path, "we");
    if (to != NULL) {
        fprintf(to, "nameserver %s\n", server);
    }
    while (from != NULL && to != NULL && fgets(line, sizeof(line), from) != NULL) {
        memcpy(parsed, line, sizeof(line));
        if (server_of(parsed) == NULL) {
            fputs(line, to);
        }
    }
    if (from != NULL) {
        fclose(from);
    }
    return to != NULL && fclose(to) == 0;
}

void relay_resolv_plan(struct relay *relay) {
    struct relay_resolv *resolv = &relay->inner.resolv;
    struct servers servers;
    char host[PL_ADDR_TEXT];
    /* A file without servers means a resolver on 127.0.0.1 (resolv.conf(5)). */
    if (!count_servers(RESOLV_CONF, &servers) || servers.other > 0) {
        return;
    }
    struct servers real;
    if (count_servers(RESOLVED_SERVERS, &real) && real.other > 0) {
        snprintf(resolv->source, sizeof(resolv->source), RESOLVED_SERVERS);
        return;
    }
    struct relay_ends ends = relay_plan_ends(&relay->plan, RELAY_SLOT_UPLINK);
    pl_addr_format(&ends.host4, host);
    snprintf(resolv->source, sizeof(resolv->source), "/run/plait/%d.resolv.conf", (int)getpid());
    snprintf(resolv->loopback, sizeof(resolv->loopback), "%s",
             servers.first_loopback[0] != '\0' ? servers.first_loopback : "127.0.0.1");
    resolv->own_file = true;
    if (!write_copy(resolv->source, host)) {
        relay_debug(relay, "cannot write %s: %s", resolv->source, strerror(errno));
        relay_resolv_remove(relay);
    }
}

void relay_resolv_remove(struct relay *relay) {
    struct relay_resolv *resolv = &relay->inner.resolv;
    if (resolv->own_file) {
        unlink(resolv->source);
    }
    memset(resolv, 0, sizeof(*resolv));
}

void relay_resolv_mount(const struct relay_resolv *resolv) {
    if (resolv->source[0] != '\0' && mount(resolv->source, RESOLV_CONF, NULL, MS_BIND, NULL) < 0) {
        cli_say("the program keeps " RESOLV_CONF " as it is: %s", strerror(errno));
    }
}

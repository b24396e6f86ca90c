/* cli/lab_witness.c - the second witness: what the server's end has seen of MPTCP. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lab.h"
#include "port/netns.h"

/* ---- the kernel ---- */

struct counter {
    const char *name;
    uint64_t *value;
};

/* /proc/net/netstat has pairs of lines: names, then values. */
static void read_pair(char *names, char *values, const struct counter *counters, size_t count) {
    char *rest_names = NULL, *rest_values = NULL;
    char *name = strtok_r(names, " \n", &rest_names);
    char *value = strtok_r(values, " \n", &rest_values);
    while (name != NULL && value != NULL) {
        for (size_t i = 0; i < count; i++) {
            if (strcmp(name, counters[i].name) == 0) {
                *counters[i].value += strtoull(value, NULL, 10);
            }
        }
        name = strtok_r(NULL, " \n", &rest_names);
        value = strtok_r(NULL, " \n", &rest_values);
    }
}

static void ask_kernel(const struct lab_site *site, struct lab_witness *out) {
    const struct counter counters[] = {
        {"MPCapableSYNRX", &out->capable},          {"MPJoinAckRx", &out->joins},
        {"MPFallbackTokenInit", &out->fallbacks},   {"MPCapableFallbackACK", &out->fallbacks},
        {"MPCapableDataFallback", &out->fallbacks}, {"DssFallback", &out->fallbacks}};
    static char names[8192], values[8192];
    int previous = pl_netns_enter(site->ns[LAB_SERVER]);
    FILE *in = pl_netns_failed(previous) ? NULL : fopen("/proc/thread-self/net/netstat", "re");
    while (in != NULL && fgets(names, sizeof(names), in) != NULL &&
           fgets(values, sizeof(values), in) != NULL) {
        if (strncmp(names, "MPTcpExt:", 9) == 0) {
            read_pair(names, values, counters, sizeof(counters) / sizeof(counters[0]));
            out->known = true;
        }
    }
    if (in != NULL) {
        fclose(in);
    }
    if (!pl_netns_failed(previous)) {
        pl_netns_leave(previous);
    }
}

/* ---- plait serve ---- */

static uint64_t figure(const json_t *json, const char *name) {
    json_int_t value = json_integer_value(json_object_get(json, name));
    return value > 0 ? (uint64_t)value : 0;
}

/* What it wrote when it ended. Every subflow but the first of a connection was a join. */
static void ask_plait(const struct lab_site *site, struct lab_witness *out) {
    char path[128];
    size_t i;
    json_t *link;
    lab_site_path(site, LAB_SERVER_JSON, path);
    json_t *json = json_load_file(path, 0, NULL);
    uint64_t subflows = 0;
    json_array_foreach(json_object_get(json, "links"), i, link) {
        subflows += figure(link, "subflows");
    }
    out->known = json != NULL;
    out->capable = figure(json, "mptcp_connections");
    out->fallbacks = figure(json, "fallbacks");
    out->joins = subflows > out->capable ? subflows - out->capable : 0;
    json_decref(json);
}

void lab_witness_read(const struct lab_site *site, enum lab_speaker server,
                      struct lab_witness *out) {
    memset(out, 0, sizeof(*out));
    if (server == LAB_BY_PLAIT) {
        ask_plait(site, out);
    } else {
        ask_kernel(site, out);
    }
}

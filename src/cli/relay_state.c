/* cli/relay_state.c - instances of `plait run` beside each other and after each other.
 *
 * Every instance has a file /run/plait/PID.json with its number, its network namespace and the
 * sysctls it changed; it is written before the thing it speaks of is done. The next instance that
 * starts takes the file of a dead one and undoes what it says. A sysctl that several instances need
 * is restored by the last of them, to what it was before the first. One lock file serialises all of
 * that; nobody holds it for longer than setting up takes. */
#include "cli/relay_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/relay_plan.h"
#include "port/command.h"
#include "port/netns.h"

#define STATE_DIR "/run/plait"

/* Another instance's file. */
struct other {
    json_t *json;
    char path[300];
    int pid;
    unsigned instance;
    uint64_t netns;
    bool alive;
};

/* Walks over the files of the other instances. */
struct others {
    DIR *dir;
    struct other now;
};

/* ---- processes and namespaces ---- */

/* When a process started, in ticks since boot: tells it from a later one with the same number. -1:
 * there is none, or it has ended. */
static json_int_t start_time(int pid) {
    char path[64], text[1024];
    long long start = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return -1;
    }
    size_t n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[n] = '\0';
    /* The name in parentheses may contain anything; the start time is the 20th field after it. */
    const char *at = strrchr(text, ')');
    if (at != NULL && (strncmp(at, ") Z", 3) == 0 || strncmp(at, ") X", 3) == 0)) {
        return -1; /* dead; only its parent has not asked yet, and may never do so */
    }
    for (int field = 0; at != NULL && field < 20; field++) {
        at = strchr(at + 1, ' ');
    }
    return at != NULL && sscanf(at, "%lld", &start) == 1 ? start : -1;
}

static int open_if_netns(const char *path, uint64_t inode) {
    int fd = pl_netns_open_path(path);
    if (fd < 0) {
        return -1;
    }
    if (pl_netns_inode(fd) == inode) {
        return fd;
    }
    close(fd);
    return -1;
}

/* A descriptor of the namespace with that inode number, by the names `ip netns` gives or by a
 * process in it; -1 when there is none any more. */
static int find_netns(uint64_t inode) {
    static const char *const places[][2] = {{"/run/netns", ""}, {"/proc", "/ns/net"}};
    for (unsigned i = 0; i < 2; i++) {
        DIR *dir = opendir(places[i][0]);
        int fd = -1;
        struct dirent *entry;
        while (dir != NULL && fd < 0 && (entry = readdir(dir)) != NULL) {
            char path[320];
            snprintf(path, sizeof(path), "%s/%s%s", places[i][0], entry->d_name, places[i][1]);
            fd = open_if_netns(path, inode);
        }
        if (dir != NULL) {
            closedir(dir);
        }
        if (fd >= 0) {
            return fd;
        }
    }
    return -1;
}

/* ---- the files of others ---- */

static bool load(struct other *other, const char *name) {
    snprintf(other->path, sizeof(other->path), STATE_DIR "/%s", name);
    other->json = json_load_file(other->path, 0, NULL);
    if (other->json == NULL) {
        return false;
    }
    other->pid = (int)json_integer_value(json_object_get(other->json, "pid"));
    other->instance = (unsigned)json_integer_value(json_object_get(other->json, "instance"));
    other->netns = (uint64_t)json_integer_value(json_object_get(other->json, "netns"));
    json_int_t start = json_integer_value(json_object_get(other->json, "start"));
    other->alive = other->pid > 0 && start_time(other->pid) == start;
    return other->instance < RELAY_INSTANCES_MAX;
}

static void others_open(struct others *others) {
    memset(others, 0, sizeof(*others));
    others->dir = opendir(STATE_DIR);
}

/* The next file of another instance, or NULL at the end, when everything is closed. */
static struct other *others_next(struct others *others) {
    json_decref(others->now.json);
    others->now.json = NULL;
    struct dirent *entry;
    while (others->dir != NULL && (entry = readdir(others->dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        if (len < 6 || len > 40 || strcmp(entry->d_name + len - 5, ".json") != 0) {
            continue;
        }
        if (load(&others->now, entry->d_name) && others->now.pid != getpid()) {
            return &others->now;
        }
        json_decref(others->now.json);
        others->now.json = NULL;
    }
    if (others->dir != NULL) {
        closedir(others->dir);
        others->dir = NULL;
    }
    return NULL;
}

/* What a sysctl was before a living instance of this namespace changed it. False: nobody did. */
static bool claimed_by_other(uint64_t netns, const char *path, char original[16]) {
    struct others others;
    bool found = false;
    others_open(&others);
    for (struct other *other = others_next(&others); other != NULL; other = others_next(&others)) {
        json_t *value = json_object_get(json_object_get(other->json, "sysctls"), path);
        if (!found && other->alive && other->netns == netns && json_is_string(value)) {
            snprintf(original, 16, "%s", json_string_value(value));
            found = true;
        }
    }
    return found;
}

/* ---- undoing ---- */

static void restore_sysctl(uint64_t netns, const char *path, const char *original) {
    char unused[16];
    if (!claimed_by_other(netns, path, unused)) {
        int result = pl_sysctl_write(path, original);
        (void)result; /* the interface may be gone, and its settings with it */
    }
}

/* Removes rules, routes, the uplink pair and the nftables table of an instance from this
 * namespace. What is not there is no failure. */
static void undo(unsigned instance) {
    struct pl_netconf *conf;
    char name[24];
    if (pl_netconf_open(&conf, -1) == 0) {
        struct pl_tables tables = relay_plan_tables(instance);
        int result = pl_netconf_flush_rules(conf, tables);
        result |= pl_netconf_flush_routes(conf, tables, false);
        relay_plan_name(instance, RELAY_SLOT_UPLINK, name);
        result |= pl_netconf_link_delete(conf, name);
        (void)result;
        pl_netconf_close(conf);
    }
    relay_plan_nft_table(instance, name);
    const char *const argv[] = {"nft", "delete", "table", "inet", name, NULL};
    int result = pl_command_run(argv, NULL, (char[256]){0}, 256);
    (void)result;
}

/* Backwards, so that what made another change harmless is restored after it. */
static void restore_all(uint64_t netns, const struct relay_claim *claims, unsigned count) {
    while (count > 0) {
        count--;
        restore_sysctl(netns, claims[count].path, claims[count].original);
    }
}

/* What a dead instance changed, in its order. Returns how many there are. */
static unsigned read_claims(const struct other *dead, struct relay_claim *claims) {
    unsigned count = 0;
    const char *path;
    json_t *value;
    json_object_foreach(json_object_get(dead->json, "sysctls"), path, value) {
        if (json_is_string(value) && count < RELAY_CLAIMS_MAX) {
            struct relay_claim *claim = &claims[count++];
            snprintf(claim->path, sizeof(claim->path), "%s", path);
            snprintf(claim->original, sizeof(claim->original), "%s", json_string_value(value));
        }
    }
    return count;
}

static void bury(const struct other *dead) {
    static struct relay_claim claims[RELAY_CLAIMS_MAX];
    int ns = dead->netns == pl_netns_inode(-1) ? -1 : find_netns(dead->netns);
    bool exists = ns >= 0 || dead->netns == pl_netns_inode(-1);
    int previous = pl_netns_enter(ns);
    if (exists && !pl_netns_failed(previous)) {
        undo(dead->instance);
        restore_all(dead->netns, claims, read_claims(dead, claims));
        pl_netns_leave(previous);
    }
    if (ns >= 0) {
        close(ns);
    }
    unlink(dead->path);
    char resolv[64];
    snprintf(resolv, sizeof(resolv), STATE_DIR "/%d.resolv.conf", dead->pid);
    unlink(resolv);
}

/* ---- this instance ---- */

static bool write_file(const struct relay_state *state) {
    char temporary[80];
    json_t *sysctls = json_object();
    for (unsigned i = 0; i < state->claim_count; i++) {
        const struct relay_claim *claim = &state->claims[i];
        json_object_set_new(sysctls, claim->path, json_string(claim->original));
    }
    json_t *links = json_array();
    for (unsigned i = 0; i < state->listen_link_count; i++) {
        json_array_append_new(links, json_string(state->listen_links[i]));
    }
    json_t *json =
        json_pack("{s:i, s:I, s:i, s:I, s:i, s:s, s:o, s:o}", "pid", (int)getpid(), "start",
                  start_time(getpid()), "instance", (int)state->instance, "netns",
                  (json_int_t)state->netns, "listen_port", (int)state->listen_port, "listen_addr",
                  state->listen_addr, "listen_links", links, "sysctls", sysctls);
    snprintf(temporary, sizeof(temporary), "%s.new", state->path);
    bool written = json != NULL && json_dump_file(json, temporary, JSON_INDENT(1)) == 0 &&
                   rename(temporary, state->path) == 0;
    json_decref(json);
    return written;
}

/* Whether interfaces of that number exist here, made by an instance whose file we do not see. */
static bool has_interfaces(unsigned instance) {
    struct pl_netlink *monitor;
    char pattern[16], uplink[16];
    bool found = false;
    snprintf(pattern, sizeof(pattern), "plait%u_", instance);
    relay_plan_name(instance, RELAY_SLOT_UPLINK, uplink);
    if (pl_netlink_open(&monitor, -1) < 0) {
        return false;
    }
    const struct pl_links *links = pl_netlink_links(monitor);
    for (unsigned i = 0; i < links->count; i++) {
        found |= strncmp(links->link[i].name, pattern, strlen(pattern)) == 0 ||
                 strcmp(links->link[i].name, uplink) == 0;
    }
    pl_netlink_close(monitor);
    return found;
}

/* Whether both listen on some interface; who names none listens on all. */
static bool shares_link(const struct other *other, const struct relay_state *state) {
    const json_t *links = json_object_get(other->json, "listen_links");
    size_t i;
    json_t *link;
    bool shares = json_array_size(links) == 0 || state->listen_link_count == 0;
    json_array_foreach(links, i, link) {
        const char *name = json_string_value(link);
        for (unsigned j = 0; j < state->listen_link_count && name != NULL; j++) {
            shares |= strcmp(name, state->listen_links[j]) == 0;
        }
    }
    return shares;
}

/* Whether a living instance of this namespace listens where this one wants to. */
static bool is_taken(const struct other *other, const struct relay_state *state) {
    json_int_t port = json_integer_value(json_object_get(other->json, "listen_port"));
    const char *addr = json_string_value(json_object_get(other->json, "listen_addr"));
    bool same = addr == NULL || addr[0] == '\0' || state->listen_addr[0] == '\0' ||
                strcmp(addr, state->listen_addr) == 0;
    return state->listen_port != 0 && other->netns == state->netns && port == state->listen_port &&
           same && shares_link(other, state);
}

/* Removes what an instance was writing when it was killed. Nobody writes now: we have the lock. */
static void remove_unfinished(void) {
    DIR *dir = opendir(STATE_DIR);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        const char *end = strstr(entry->d_name, ".json.new");
        if (end != NULL && strcmp(end, ".json.new") == 0) {
            unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

/* Buries the dead and finds the lowest free number, or RELAY_INSTANCES_MAX. */
static unsigned pick_number(struct relay_state *state) {
    bool used[RELAY_INSTANCES_MAX] = {false};
    struct others others;
    remove_unfinished();
    others_open(&others);
    for (struct other *other = others_next(&others); other != NULL; other = others_next(&others)) {
        if (other->alive) {
            used[other->instance] = true;
            state->rival = is_taken(other, state) ? other->pid : state->rival;
        } else {
            bury(other);
        }
    }
    unsigned number = 0;
    while (number < RELAY_INSTANCES_MAX && (used[number] || has_interfaces(number))) {
        number++;
    }
    return number;
}

bool relay_state_begin(struct relay_state *state) {
    if (mkdir(STATE_DIR, 0755) < 0 && errno != EEXIST) {
        cli_say("cannot make " STATE_DIR ": %s", strerror(errno));
        return false;
    }
    state->lock_fd = open(STATE_DIR "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (state->lock_fd < 0 || flock(state->lock_fd, LOCK_EX) < 0) {
        cli_say("cannot lock " STATE_DIR "/lock: %s", strerror(errno));
        return false;
    }
    state->netns = pl_netns_inode(-1);
    state->instance = pick_number(state);
    snprintf(state->path, sizeof(state->path), STATE_DIR "/%d.json", (int)getpid());
    bool written = state->rival == 0 && state->instance < RELAY_INSTANCES_MAX && write_file(state);
    flock(state->lock_fd, LOCK_UN);
    if (state->rival != 0) {
        cli_say("port %u is served by another plait already, process %d", state->listen_port,
                state->rival);
        state->path[0] = '\0';
        return false;
    }
    if (!written) {
        cli_say("cannot write %s: %s", state->path,
                state->instance < RELAY_INSTANCES_MAX ? strerror(errno) : "too many instances");
        state->path[0] = '\0';
    }
    return written;
}

static struct relay_claim *find_claim(struct relay_state *state, const char *path) {
    for (unsigned i = 0; i < state->claim_count; i++) {
        if (strcmp(state->claims[i].path, path) == 0) {
            return &state->claims[i];
        }
    }
    return NULL;
}

/* Remembers a sysctl before it is changed. Returns NULL when that cannot be done. */
static struct relay_claim *claim(struct relay_state *state, const char *path) {
    struct relay_claim *slot = &state->claims[state->claim_count];
    char value[64];
    if (state->claim_count == RELAY_CLAIMS_MAX || strlen(path) >= sizeof(slot->path) ||
        pl_sysctl_read(path, value, sizeof(value)) < 0) {
        return NULL;
    }
    snprintf(slot->path, sizeof(slot->path), "%s", path);
    snprintf(slot->original, sizeof(slot->original), "%.15s", value);
    claimed_by_other(state->netns, path, slot->original);
    state->claim_count++;
    if (!write_file(state)) {
        state->claim_count--;
        return NULL;
    }
    return slot;
}

int relay_state_sysctl(struct relay_state *state, const char *path, const char *value,
                       char was[16]) {
    int result = -ENOENT;
    flock(state->lock_fd, LOCK_EX);
    struct relay_claim *slot = find_claim(state, path);
    if (slot == NULL) {
        slot = claim(state, path);
    }
    if (slot != NULL) {
        result = pl_sysctl_write(path, value);
        if (was != NULL) {
            memcpy(was, slot->original, sizeof(slot->original));
        }
    }
    flock(state->lock_fd, LOCK_UN);
    return result;
}

/* Whether a sysctl's path is "net/ipv4/conf/INTERFACE/..." or the same of IPv6. */
static bool is_of_interface(const char *path, const char *interface) {
    static const char head[] = "net/ipvX/conf/";
    size_t len = strlen(interface);
    const char *name = path + sizeof(head) - 1;
    return strlen(path) > sizeof(head) + len && strncmp(name, interface, len) == 0 &&
           name[len] == '/';
}

void relay_state_forget(struct relay_state *state, const char *interface) {
    unsigned kept = 0;
    for (unsigned i = 0; i < state->claim_count; i++) {
        if (!is_of_interface(state->claims[i].path, interface)) {
            state->claims[kept++] = state->claims[i];
        }
    }
    state->claim_count = kept; /* the file follows with the next claim */
}

void relay_state_end(struct relay_state *state) {
    if (state->path[0] != '\0') {
        flock(state->lock_fd, LOCK_EX);
        undo(state->instance);
        restore_all(state->netns, state->claims, state->claim_count);
        state->claim_count = 0;
        unlink(state->path);
        flock(state->lock_fd, LOCK_UN);
    }
    if (state->lock_fd > 0) {
        close(state->lock_fd);
    }
}

/* cli/lab_site.c - where a run lives: /run/plait-lab/PID and two network namespaces.
 *
 * The file `alive` in the directory is locked as long as the run lives, so the kernel says who is
 * dead. Whoever starts removes what the dead left. One more lock serialises starts and ends; the
 * last run removes it with the directory around it, and those who waited for it meanwhile notice
 * that it is not in its place any more and take the new one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/lab.h"
#include "port/command.h"
#include "port/netns.h"

#define LAB_DIR "/run/plait-lab"
#define LAB_LOCK LAB_DIR "/lock"

static const char *const end_names[LAB_ENDS] = {"phone", "server"};

static void name_of(int pid, unsigned end, char name[32]) {
    snprintf(name, 32, "plait-%d-%s", pid, end_names[end]);
}

void lab_site_path(const struct lab_site *site, const char *file, char path[128]) {
    snprintf(path, 128, "%s/%s", site->dir, file);
}

/* ---- removing ---- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st;
    (void)kind;
    (void)at;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

static void remove_tree(const char *path) {
    nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Sends a signal to what runs in a namespace; returns how many that were. */
static unsigned signal_inhabitants(const char *name, int number) {
    const char *const argv[] = {"ip", "netns", "pids", name, NULL};
    char output[4096];
    unsigned count = 0;
    if (pl_command_run(argv, NULL, output, sizeof(output)) != 0) {
        return 0;
    }
    for (char *at = output, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        long pid = strtol(at, NULL, 10);
        if (pid > 1 && pid != getpid()) {
            kill((pid_t)pid, number);
            count++;
        }
    }
    return count;
}

static void remove_namespace(const char *name) {
    char path[64];
    snprintf(path, sizeof(path), "/run/netns/%s", name);
    if (access(path, F_OK) < 0) {
        return;
    }
    unsigned left = signal_inhabitants(name, SIGTERM);
    for (unsigned i = 0; i < 100 && left > 0; i++) {
        usleep(20000);
        left = signal_inhabitants(name, 0);
    }
    if (left > 0) {
        signal_inhabitants(name, SIGKILL);
    }
    const char *const argv[] = {"ip", "netns", "del", name, NULL};
    char output[256];
    if (pl_command_run(argv, NULL, output, sizeof(output)) != 0) {
        cli_say("cannot remove the namespace %s: %s", name, output);
    }
}

static void remove_run(int pid, const char *dir) {
    for (unsigned end = 0; end < LAB_ENDS; end++) {
        char name[32];
        name_of(pid, end, name);
        remove_namespace(name);
    }
    remove_tree(dir);
}

/* Removes the directories of dead runs; returns how many runs are alive. */
static unsigned bury_dead(void) {
    unsigned alive = 0;
    DIR *dir = opendir(LAB_DIR);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[300], file[310];
        int pid = (int)strtol(entry->d_name, NULL, 10);
        if (pid <= 0) {
            continue;
        }
        snprintf(path, sizeof(path), LAB_DIR "/%s", entry->d_name);
        snprintf(file, sizeof(file), "%s/alive", path);
        int fd = open(file, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
            alive++;
        } else {
            remove_run(pid, path);
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return alive;
}

/* ---- the lock ---- */

static bool is_in_place(int fd) {
    struct stat ours, there;
    return fstat(fd, &ours) == 0 && stat(LAB_LOCK, &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

/* Returns the descriptor of the lock, or -1 with errno. */
static int take_lock(void) {
    for (;;) {
        if (mkdir(LAB_DIR, 0700) < 0 && errno != EEXIST) {
            return -1;
        }
        int fd = open(LAB_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 && errno == ENOENT) {
            continue; /* the last run has removed the directory just now */
        }
        if (fd < 0 || flock(fd, LOCK_EX) < 0) {
            return -1;
        }
        if (is_in_place(fd)) {
            return fd;
        }
        close(fd);
    }
}

static void release_lock(int fd, bool last) {
    if (last) {
        unlink(LAB_LOCK);
        rmdir(LAB_DIR);
    }
    close(fd);
}

/* ---- life ---- */

static bool make_directory(struct lab_site *site) {
    char path[128];
    snprintf(site->dir, sizeof(site->dir), LAB_DIR "/%d", (int)getpid());
    lab_site_path(site, "alive", path);
    if (mkdir(site->dir, 0700) == 0) {
        site->alive_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    if (site->alive_fd < 0 || flock(site->alive_fd, LOCK_EX) < 0) {
        cli_say("cannot make %s: %s", site->dir, strerror(errno));
        return false;
    }
    return true;
}

static bool make_namespace(struct lab_site *site, unsigned end) {
    char path[64], output[256];
    name_of(getpid(), end, site->name[end]);
    const char *const argv[] = {"ip", "netns", "add", site->name[end], NULL};
    int result = pl_command_run(argv, NULL, output, sizeof(output));
    if (result != 0) {
        cli_say("cannot make the namespace %s: %.*s", site->name[end], (int)strcspn(output, "\n"),
                output);
        return false;
    }
    snprintf(path, sizeof(path), "/run/netns/%s", site->name[end]);
    site->ns[end] = pl_netns_open_path(path);
    return site->ns[end] >= 0;
}

bool lab_site_begin(struct lab_site *site) {
    *site = (struct lab_site){.alive_fd = -1, .ns = {-1, -1}};
    int lock = take_lock();
    if (lock < 0) {
        cli_say("cannot use " LAB_DIR ": %s", strerror(errno));
        return false;
    }
    (void)bury_dead();
    bool made = make_directory(site);
    release_lock(lock, false);
    for (unsigned end = 0; made && end < LAB_ENDS; end++) {
        made = make_namespace(site, end);
    }
    return made;
}

void lab_site_end(struct lab_site *site) {
    for (unsigned end = 0; end < LAB_ENDS; end++) {
        if (site->ns[end] >= 0) {
            close(site->ns[end]);
        }
    }
    int lock = site->dir[0] != '\0' ? take_lock() : -1;
    if (lock >= 0) {
        remove_run(getpid(), site->dir);
        release_lock(lock, bury_dead() == 0);
    }
    if (site->alive_fd >= 0) {
        close(site->alive_fd);
    }
}

bool lab_site_ip(const struct lab_site *site, unsigned end, const char *lines) {
    const char *const argv[] = {"ip", "-n", site->name[end], "-batch", "-", NULL};
    char output[512];
    int result = pl_command_run(argv, lines, output, sizeof(output));
    if (result != 0) {
        cli_say("ip in the namespace %s: %.*s", site->name[end], (int)strcspn(output, "\n"),
                output);
    }
    return result == 0;
}

void lab_site_tail(const struct lab_site *site, const char *file) {
    char path[128], text[1024];
    lab_site_path(site, file, path);
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        return;
    }
    if (fseek(in, -(long)sizeof(text) + 1, SEEK_END) < 0) {
        rewind(in);
    }
    size_t n = fread(text, 1, sizeof(text) - 1, in);
    fclose(in);
    text[n] = '\0';
    for (char *at = text, *end; *at != '\0'; at = end + (*end == '\n')) {
        end = at + strcspn(at, "\n");
        fprintf(stderr, "  %s: %.*s\n", file, (int)(end - at), at);
    }
}

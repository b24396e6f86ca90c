/* cli/lab_server.c - nginx on the kernel's MPTCP or under `plait serve`: a private instance that
 * knows nothing of the system's, serving one file of random bytes from the run's directory. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/lab.h"
#include "port/command.h"

enum { BLOCK = 65536, SPARE_BYTES = 16 << 20, WORDS_MAX = 24 };

const char *lab_server_name(enum lab_speaker server) {
    return server == LAB_BY_PLAIT ? "plait" : "kernel";
}

bool lab_server_parse(const char *name, enum lab_speaker *out) {
    bool plait = strcmp(name, "plait") == 0;
    if (!plait && strcmp(name, "kernel") != 0) {
        return false;
    }
    *out = plait ? LAB_BY_PLAIT : LAB_BY_KERNEL;
    return true;
}

/* ---- the file ---- */

static bool has_room(const struct lab_site *site, uint64_t bytes) {
    struct statvfs fs;
    uint64_t needed = 2 * bytes + SPARE_BYTES;
    if (statvfs(site->dir, &fs) < 0 || fs.f_bavail * fs.f_frsize >= needed) {
        return true;
    }
    cli_say("%s has room for %llu MB and %llu are needed: use a smaller --bytes", site->dir,
            (unsigned long long)(fs.f_bavail * fs.f_frsize >> 20),
            (unsigned long long)(needed >> 20));
    return false;
}

static bool write_random(int fd, uint64_t bytes) {
    static uint8_t block[BLOCK];
    while (bytes > 0) {
        size_t len = bytes < BLOCK ? (size_t)bytes : BLOCK;
        if (getrandom(block, len, 0) != (ssize_t)len || write(fd, block, len) != (ssize_t)len) {
            return false;
        }
        bytes -= len;
    }
    return true;
}

static bool make_file(struct lab_server *server, const struct lab_site *site, uint64_t bytes) {
    char path[128];
    if (!has_room(site, bytes)) {
        return false;
    }
    lab_site_path(site, "www", path);
    bool made = mkdir(path, 0700) == 0;
    lab_site_path(site, "www/file", path);
    int fd = made ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
    made = fd >= 0 && write_random(fd, bytes);
    if (!made) {
        cli_say("cannot write %s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return made && lab_server_digest(path, server->digest);
}

static bool digest_file(EVP_MD_CTX *context, int fd, unsigned char digest[32]) {
    static uint8_t block[BLOCK];
    ssize_t n;
    if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        return false;
    }
    while ((n = read(fd, block, sizeof(block))) > 0) {
        if (EVP_DigestUpdate(context, block, (size_t)n) != 1) {
            return false;
        }
    }
    return n == 0 && EVP_DigestFinal_ex(context, digest, NULL) == 1;
}

bool lab_server_digest(const char *path, unsigned char digest[32]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = fd >= 0 && context != NULL && digest_file(context, fd, digest);
    EVP_MD_CTX_free(context);
    if (fd >= 0) {
        close(fd);
    }
    return done;
}

/* ---- nginx ---- */

/* Directives that keep nginx's temporary files in our directory. Those of modules that this nginx
 * does not have would be errors. */
static const char *const modules[] = {"proxy", "fastcgi", "uwsgi", "scgi"};

static void write_temporary_paths(FILE *out, const char *built_with) {
    fprintf(out, "  client_body_temp_path temp/body;\n");
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
        char without[64];
        snprintf(without, sizeof(without), "--without-http_%s_module", modules[i]);
        if (strstr(built_with, without) == NULL) {
            fprintf(out, "  %s_temp_path temp/%s;\n", modules[i], modules[i]);
        }
    }
}

static bool write_config(const struct lab_site *site, const char *built_with, bool own_net) {
    char path[128];
    lab_site_path(site, "temp", path);
    int made = mkdir(path, 0700);
    lab_site_path(site, "nginx.conf", path);
    FILE *out = made == 0 ? fopen(path, "we") : NULL;
    if (out == NULL) {
        cli_say("cannot write %s: %s", path, strerror(errno));
        return false;
    }
    fprintf(out,
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\n"
            "events { worker_connections 64; }\nhttp {\n  access_log off;\n  sendfile on;\n");
    write_temporary_paths(out, built_with);
    fprintf(out, "  server { listen %s80; root www; }\n}\n", own_net ? "" : LAB_SERVER_ADDRESS ":");
    return fclose(out) == 0;
}

/* "nginx/1.22.1 on Linux 6.1.0", "nginx/1.22.1 behind plait serve 0.1.0" */
static void name_peer(struct lab_server *server, const char *built_with, bool by_plait) {
    struct utsname kernel;
    const char *version = strstr(built_with, "nginx/");
    size_t len = version != NULL ? strcspn(version, " \n") : 0;
    int n = snprintf(server->peer, sizeof(server->peer), "%.*s ", len > 40 ? 40 : (int)len,
                     version != NULL ? version : "");
    if (by_plait) {
        snprintf(server->peer + n, sizeof(server->peer) - (size_t)n,
                 "behind plait serve " PLAIT_VERSION);
    } else {
        snprintf(server->peer + n, sizeof(server->peer) - (size_t)n, "on Linux %.64s",
                 uname(&kernel) == 0 ? kernel.release : "");
    }
}

static bool start(struct lab_server *server, const struct lab_site *site, bool by_plait) {
    char config[128], log[128], self[LAB_PATH_MAX], json[160] = "--json=";
    const char *words[WORDS_MAX];
    lab_site_path(site, "nginx.conf", config);
    lab_site_path(site, "nginx.log", log);
    lab_site_path(site, LAB_SERVER_JSON, json + strlen(json));
    const char *const serve[] = {
        self, "serve", "--listen=" LAB_SERVER_ADDRESS ":80", "--link=wlan0", "--link=wwan0",
        json, "--"};
    const char *const mptcpize[] = {"mptcpize", "run"};
    const char *const nginx[] = {"nginx", "-p", site->dir, "-c", config, "-e", "stderr", NULL};
    size_t head = by_plait ? sizeof(serve) : sizeof(mptcpize);
    if (!lab_process_self(self)) {
        return false;
    }
    memcpy(words, by_plait ? serve : mptcpize, head);
    memcpy(words + head / sizeof(words[0]), nginx, sizeof(nginx));
    int result = lab_process_start(&server->nginx, words, site->ns[LAB_SERVER], log);
    if (result < 0) {
        cli_say("cannot start nginx: %s", strerror(-result));
    }
    return result == 0;
}

bool lab_server_begin(struct lab_server *server, const struct lab_site *site,
                      const struct lab_options *options) {
    static char built_with[8192];
    const char *const version[] = {"nginx", "-V", NULL};
    bool by_plait = options->server == LAB_BY_PLAIT;
    memset(server, 0, sizeof(*server));
    if (pl_command_run(version, NULL, built_with, sizeof(built_with)) != 0) {
        cli_say("`nginx -V` does not work");
        return false;
    }
    name_peer(server, built_with, by_plait);
    return make_file(server, site, options->bytes) && write_config(site, built_with, by_plait) &&
           start(server, site, by_plait);
}

/* nginx writes its pid when it listens. */
bool lab_server_ready(const struct lab_site *site) {
    char path[128];
    struct stat st;
    lab_site_path(site, "nginx.pid", path);
    return stat(path, &st) == 0 && st.st_size > 0;
}

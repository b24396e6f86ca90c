/* cli/lab_show.c - the screen of `plait lab demo`. */
#include <fcntl.h>
#include <jansson.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/lab.h"

enum { BAR_CELLS = 20, COLUMNS = 80, IN_PLACE_MS = 100, PLAIN_MS = 1000 };

static double megabytes(uint64_t bytes) {
    return (double)bytes / 1e6;
}

static double mbps_since(uint64_t now_bytes, uint64_t then_bytes, uint64_t ns) {
    return ns == 0 ? 0 : (double)(now_bytes - then_bytes) * 8000 / (double)ns;
}

/* ---- what `plait run` says of its links ---- */

static void take_line(struct lab_show *show, const char *line, size_t len) {
    json_t *json = json_loadb(line, len, 0, NULL);
    size_t i;
    json_t *link;
    json_array_foreach(json_object_get(json, "links"), i, link) {
        const char *name = json_string_value(json_object_get(link, "name"));
        for (unsigned k = 0; name != NULL && k < LAB_LINKS; k++) {
            if (strcmp(name, lab_links[k].name) == 0) {
                show->rtt_ms[k] = json_number_value(json_object_get(link, "srtt_ms"));
            }
        }
    }
    json_decref(json);
}

/* The last complete line that came since the last time. */
static void read_client(struct lab *lab) {
    struct lab_show *show = &lab->show;
    char path[128], text[4096];
    if (show->progress_fd < 0) {
        lab_site_path(&lab->site, "progress.json", path);
        show->progress_fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    ssize_t n = show->progress_fd >= 0 ? read(show->progress_fd, text, sizeof(text)) : 0;
    char *end = n > 0 ? memrchr(text, '\n', (size_t)n) : NULL;
    if (end != NULL) {
        char *before = memrchr(text, '\n', (size_t)(end - text));
        char *begin = before != NULL ? before + 1 : text;
        take_line(show, begin, (size_t)(end - begin));
    }
}

/* ---- the display in place ---- */

static void print_bar(const struct lab_show *show, double share, const char *colour) {
    int full = (int)(share * BAR_CELLS + 0.5);
    full = full < 0 ? 0 : full > BAR_CELLS ? BAR_CELLS : full;
    printf("\033[%sm", colour);
    for (int i = 0; i < full; i++) {
        fputs(show->utf8 ? "█" : "#", stdout);
    }
    fputs("\033[2m", stdout);
    for (int i = full; i < BAR_CELLS; i++) {
        fputs(show->utf8 ? "░" : ".", stdout);
    }
    fputs("\033[0m", stdout);
}

static const char *state_of(const struct lab *lab, unsigned link, double mbps) {
    const struct lab_measure *m = &lab->measure;
    if (link == LAB_WLAN && m->dead_ns != 0 && m->back_ns == 0) {
        return "DEAD";
    }
    return mbps > 0.1 ? "carrying" : "idle";
}

static void print_link(const struct lab *lab, unsigned link, double mbps) {
    static const char *const colours[LAB_LINKS] = {"34", "33"};
    const char *state = state_of(lab, link, mbps);
    printf("  %s  ", lab_links[link].name);
    print_bar(&lab->show, mbps / lab_links[link].mbps, colours[link]);
    printf(" %5.1f of %2u Mb/s %7.1f MB  %s%s\033[0m", mbps, lab_links[link].mbps,
           megabytes(lab->measure.last.link_bytes[link]), state[0] == 'D' ? "\033[1;31m" : "",
           state);
    if (lab->show.rtt_ms[link] > 0) {
        printf("  rtt %.0f ms", lab->show.rtt_ms[link]);
    }
    fputs("\033[K\n", stdout);
}

static void print_in_place(struct lab *lab, const double mbps[LAB_LINKS + 1]) {
    const struct lab_point *now = &lab->measure.last;
    double share = (double)now->file_bytes / (double)lab->options.bytes;
    if (lab->show.lines > 0) {
        printf("\033[%uA", lab->show.lines);
    }
    for (unsigned i = 0; i < LAB_LINKS; i++) {
        print_link(lab, i, mbps[i]);
    }
    fputs("  file   ", stdout);
    print_bar(&lab->show, share, "32");
    printf(" %5.1f Mb/s       %7.1f MB  %3.0f %%  %.1f s\033[K\n", mbps[LAB_LINKS],
           megabytes(now->file_bytes), share * 100, (double)now->at_ns / 1e9);
    lab->show.lines = LAB_LINKS + 1;
}

static void print_plain(const struct lab *lab, const double mbps[LAB_LINKS + 1]) {
    const struct lab_point *now = &lab->measure.last;
    printf("%5.1f s %3.0f %%", (double)now->at_ns / 1e9,
           100 * (double)now->file_bytes / (double)lab->options.bytes);
    for (unsigned i = 0; i < LAB_LINKS; i++) {
        printf("   %s %4.1f Mb/s %5.1f MB %-8s", lab_links[i].name, mbps[i],
               megabytes(now->link_bytes[i]), state_of(lab, i, mbps[i]));
    }
    printf("   file %4.1f Mb/s\n", mbps[LAB_LINKS]);
}

/* ---- life ---- */

/* Lines that the terminal wraps could not be overwritten. */
static bool can_overwrite(void) {
    struct winsize size;
    return isatty(STDOUT_FILENO) && (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 ||
                                     size.ws_col == 0 || size.ws_col >= COLUMNS);
}

void lab_show_begin(struct lab *lab) {
    struct lab_show *show = &lab->show;
    setlocale(LC_CTYPE, "");
    show->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    show->in_place = !lab->options.plain && can_overwrite();
    printf("%.0f MB from %s, over", megabytes(lab->options.bytes), lab->server.peer);
    for (unsigned i = 0; i < LAB_LINKS; i++) {
        printf("%s %s (%u Mb/s, %u ms)", i > 0 ? " and" : "", lab_links[i].name, lab_links[i].mbps,
               lab_links[i].delay_ms);
    }
    static const char *const what[] = {[LAB_PLAIT] = "plait run -- curl",
                                       [LAB_KERNEL] = "mptcpize run curl (the kernel's client)",
                                       [LAB_TCP] = "curl (plain TCP)"};
    printf("\n%s, in the namespace %s\n\n", what[lab->options.client], lab->site.name[LAB_PHONE]);
    fflush(stdout);
}

void lab_show_progress(struct lab *lab) {
    struct lab_show *show = &lab->show;
    const struct lab_point *now = &lab->measure.last;
    double mbps[LAB_LINKS + 1];
    uint64_t ns = now->at_ns - show->last.at_ns;
    if (ns < (show->in_place ? IN_PLACE_MS : PLAIN_MS) * PLAIT_NS_PER_MS) {
        return;
    }
    for (unsigned i = 0; i < LAB_LINKS; i++) {
        mbps[i] = mbps_since(now->link_bytes[i], show->last.link_bytes[i], ns);
    }
    mbps[LAB_LINKS] = mbps_since(now->file_bytes, show->last.file_bytes, ns);
    read_client(lab);
    if (show->in_place) {
        print_in_place(lab, mbps);
    } else {
        print_plain(lab, mbps);
    }
    fflush(stdout);
    show->last = *now;
}

void lab_show_event(struct lab *lab, const char *what) {
    double seconds = (double)lab->measure.last.at_ns / 1e9;
    if (lab->show.in_place && lab->show.lines > 0) {
        printf("\033[%uA\033[J", lab->show.lines);
        lab->show.lines = 0;
    }
    printf("%5.1f s  %s\n", seconds, what);
    fflush(stdout);
}

void lab_show_interrupt(struct lab *lab) {
    if (lab->show.lines > 0) {
        fputc('\n', stdout); /* after the terminal's "^C" */
    }
    lab->show.lines = 0;
    fflush(stdout);
}

void lab_show_end(struct lab *lab) {
    if (lab->show.progress_fd >= 0) {
        close(lab->show.progress_fd);
    }
}

/* ---- the result ---- */

static void print_target(const struct lab_target *t) {
    char value[40] = "not measured", limit[40];
    if (t->value >= 0) {
        snprintf(value, sizeof(value), "%.*f %s", t->decimals, t->value, t->unit);
    }
    snprintf(limit, sizeof(limit), "%s %.*f", t->at_least ? "at least" : "at most", t->decimals,
             t->limit);
    const char *mark = t->value < 0 ? "" : lab_target_met(t) ? "ok " : "MISSED ";
    printf("  %-22s %14s   %s(target: %s)\n", t->what, value, mark, limit);
}

static void print_links(const struct lab_measure *m) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < LAB_LINKS; i++) {
        sum += m->last.link_bytes[i];
    }
    for (unsigned i = 0; i < LAB_LINKS && sum > 0; i++) {
        printf("  %-22s %11.1f MB   %.0f %%\n", lab_links[i].name, megabytes(m->last.link_bytes[i]),
               100 * (double)m->last.link_bytes[i] / (double)sum);
    }
}

void lab_show_result(const struct lab *lab) {
    const struct lab_measure *m = &lab->measure;
    const struct lab_result *result = &lab->result;
    printf("\n");
    print_links(m);
    printf("  %-22s %12.1f s\n", "time", result->seconds);
    for (unsigned i = 0; i < LAB_TARGETS; i++) {
        print_target(&result->targets[i]);
    }
    if (lab_measure_full_ms(m) >= 0) {
        printf("  %-22s %11.0f ms\n", "and at its rate after", lab_measure_full_ms(m));
    }
    printf("  %-22s %9.1f Mb/s   of which %.1f are left for payload\n", "sum of the links",
           lab_measure_sum_mbps(), lab_measure_payload_mbps());
    if (lab_measure_carried_mbps(m) >= 0) {
        printf("  %-22s %9.1f Mb/s   headers included\n", "carried meanwhile",
               lab_measure_carried_mbps(m));
    }
    if (lab_measure_outage_mbps(m) >= 0) {
        printf("  %-22s %9.1f Mb/s\n", "while wlan0 was dead", lab_measure_outage_mbps(m));
    }
    if (result->witness.known) {
        bool plait = lab->options.server == LAB_BY_PLAIT;
        printf("  %-22s %14s   %s %llu, %s %llu, fallbacks %llu\n", "MPTCP, by the server",
               result->mptcp ? "yes" : "no", plait ? "connections" : "MPCapableSYNRX",
               (unsigned long long)result->witness.capable, plait ? "joins" : "MPJoinAckRx",
               (unsigned long long)result->witness.joins,
               (unsigned long long)result->witness.fallbacks);
    }
    printf("  %-22s %14s   %.16s...\n", "SHA-256", result->sha256_ok ? "identical" : "DIFFERENT",
           result->digest);
    printf("\n%s  %s/demo.html\n", result->ok ? "ok" : "FAILED", lab->options.out);
    fflush(stdout);
}

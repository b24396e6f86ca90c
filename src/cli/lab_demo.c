/* cli/lab_demo.c - the run of `plait lab demo`.
 *
 * A tick every few milliseconds looks at the file and at the links, which is both the measurement
 * and the clock of the script: at a third of the file wlan0 becomes a black hole, at two thirds it
 * is a link again. Everything ends in the loop: signals, the end of the client and the deadline
 * ask the processes to stop, and the loop ends when they have. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/lab.h"

enum {
    TICK_MS = 4,
    START_MS = 5000, /* for nginx to listen */
    /* The script goes by bytes, so a client that gets none would wait for ever. */
    OUTAGE_MS_MAX = 20000,
    DEADLINE_MS = 52000,
    CLOSE_MS = 2500, /* for processes to end after SIGTERM */
};

static uint64_t ms_since(uint64_t start_ns) {
    return (uv_hrtime() - start_ns) / PLAIT_NS_PER_MS;
}

/* ---- the end ---- */

static void close_processes(struct lab *lab) {
    if (lab->phase == LAB_CLOSING) {
        return;
    }
    lab->phase = LAB_CLOSING;
    lab->closing_ns = uv_hrtime();
    lab_process_signal(&lab->client, SIGTERM);
    lab_process_signal(&lab->server.nginx, SIGTERM);
}

static void trouble(struct lab *lab, const char *what, const char *log) {
    lab_show_interrupt(lab);
    cli_say("%s", what);
    lab_site_tail(&lab->site, log);
    lab->troubled = true;
    close_processes(lab);
}

static void on_signal(uv_signal_t *handle, int number) {
    struct lab *lab = handle->data;
    if (number == SIGCHLD) {
        return; /* wakes the loop up; the next tick looks */
    }
    lab->signal = number;
    lab_show_interrupt(lab);
    close_processes(lab);
}

static void close_handle(uv_handle_t *handle, void *unused) {
    (void)unused;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

/* ---- the script ---- */

static uint64_t downloaded(const struct lab *lab) {
    char path[128];
    struct stat st;
    lab_site_path(&lab->site, "download", path);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void measure(struct lab *lab) {
    struct lab_point point = {.at_ns = uv_hrtime() - lab->client_ns, .file_bytes = downloaded(lab)};
    for (unsigned i = 0; i < LAB_LINKS; i++) {
        lab_net_read(&lab->net, i, &point.link_packets[i], &point.link_bytes[i]);
    }
    lab_measure_add(&lab->measure, &point);
}

static void play(struct lab *lab) {
    struct lab_measure *m = &lab->measure;
    uint64_t total = lab->options.bytes;
    if (m->dead_ns == 0 && m->last.file_bytes >= total / 3) {
        lab_net_dead(&lab->net, LAB_WLAN, true);
        lab_measure_dead(m);
        lab_show_event(lab, "wlan0 is dead: it swallows everything, and nobody is told");
    }
    uint64_t dark_ns = m->dead_ns != 0 ? m->last.at_ns - m->dead_ns : 0;
    bool over = m->last.file_bytes >= total / 3 * 2 || dark_ns > OUTAGE_MS_MAX * PLAIT_NS_PER_MS;
    if (m->dead_ns != 0 && m->back_ns == 0 && over) {
        lab_net_dead(&lab->net, LAB_WLAN, false);
        lab_measure_back(m);
        lab_show_event(lab, "wlan0 is back");
    }
}

static void start_client(struct lab *lab) {
    lab->client_ns = uv_hrtime();
    lab_measure_init(&lab->measure);
    if (lab_client_start(&lab->client, lab->options.client, &lab->site)) {
        lab->phase = LAB_LOADING;
        lab_show_begin(lab);
    } else {
        lab->troubled = true;
        close_processes(lab);
    }
}

static void wait_for_server(struct lab *lab) {
    if (lab_process_ended(&lab->server.nginx)) {
        trouble(lab, "nginx does not start", "nginx.log");
    } else if (lab_server_ready(&lab->site)) {
        start_client(lab);
    } else if (ms_since(lab->began_ns) > START_MS) {
        trouble(lab, "nginx does not listen", "nginx.log");
    }
}

static void load(struct lab *lab) {
    bool ended = lab_process_ended(&lab->client);
    uint64_t patience_ms = DEADLINE_MS;
    if (lab->options.bytes > LAB_BYTES_DEFAULT) {
        patience_ms = patience_ms * (lab->options.bytes / 1000) / (LAB_BYTES_DEFAULT / 1000);
    }
    /* What the client does after the last byte is no part of the download. */
    if (lab->measure.last.file_bytes < lab->options.bytes) {
        measure(lab);
        play(lab);
    }
    lab_show_progress(lab);
    if (ended && lab->client.status != 0) {
        trouble(lab, "the client has failed", "client.log");
    } else if (ended) {
        close_processes(lab);
    } else if (ms_since(lab->client_ns) > patience_ms) {
        trouble(lab, "the download takes too long; stopped", "client.log");
    }
}

static void wait_for_end(struct lab *lab) {
    (void)lab_process_ended(&lab->client);
    (void)lab_process_ended(&lab->server.nginx);
    bool running = lab->client.running || lab->server.nginx.running;
    if (!running || ms_since(lab->closing_ns) > CLOSE_MS) {
        uv_stop(&lab->uv);
    }
}

static void on_tick(uv_timer_t *timer) {
    struct lab *lab = timer->data;
    switch (lab->phase) {
        case LAB_STARTING:
            wait_for_server(lab);
            break;
        case LAB_LOADING:
            load(lab);
            break;
        case LAB_CLOSING:
            wait_for_end(lab);
            break;
    }
}

/* ---- results ---- */

static void judge_targets(const struct lab_measure *m, struct lab_result *result) {
    result->targets[LAB_TARGET_BOTH] =
        (struct lab_target){.what = "both links up",
                            .value = lab_measure_both_mbps(m),
                            .limit = 0.92 * lab_measure_payload_mbps(),
                            .at_least = true,
                            .decimals = 1,
                            .unit = "Mb/s"};
    result->targets[LAB_TARGET_GAP] = (struct lab_target){
        .what = "longest gap", .value = lab_measure_gap_ms(m), .limit = 500, .unit = "ms"};
    result->targets[LAB_TARGET_RETURN] = (struct lab_target){.what = "wlan0 used again after",
                                                             .value = lab_measure_returned_ms(m),
                                                             .limit = 2000,
                                                             .unit = "ms"};
}

bool lab_target_met(const struct lab_target *target) {
    return target->value >= 0 &&
           (target->at_least ? target->value >= target->limit : target->value <= target->limit);
}

static void judge(struct lab *lab) {
    struct lab_result *result = &lab->result;
    unsigned char digest[32];
    char path[128];
    lab_site_path(&lab->site, "download", path);
    result->complete =
        lab->client.status == 0 && lab->measure.last.file_bytes == lab->options.bytes;
    result->sha256_ok =
        lab_server_digest(path, digest) && memcmp(digest, lab->server.digest, sizeof(digest)) == 0;
    result->ok = result->complete && result->sha256_ok;
    result->seconds = (double)lab->measure.grown_ns / 1e9;
    for (unsigned i = 0; i < sizeof(digest); i++) {
        snprintf(result->digest + 2 * i, 3, "%02x", lab->server.digest[i]);
    }
    lab_measure_end(&lab->measure, result->complete);
    lab_witness_read(&lab->site, lab->options.server, &result->witness);
    const struct lab_witness *witness = &result->witness;
    result->mptcp =
        witness->known && witness->capable > 0 && witness->joins > 0 && witness->fallbacks == 0;
    judge_targets(&lab->measure, result);
}

/* ---- all of it ---- */

static void begin_loop(struct lab *lab) {
    static const int numbers[LAB_SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    signal(SIGPIPE, SIG_IGN);
    int result = uv_loop_init(&lab->uv);
    PL_ASSERT(result == 0);
    for (unsigned i = 0; i < LAB_SIGNALS; i++) {
        uv_signal_init(&lab->uv, &lab->signals[i]);
        uv_signal_start(&lab->signals[i], on_signal, numbers[i]);
        lab->signals[i].data = lab;
    }
    uv_timer_init(&lab->uv, &lab->tick);
    uv_timer_start(&lab->tick, on_tick, TICK_MS, TICK_MS);
    lab->tick.data = lab;
}

static void end_loop(struct lab *lab) {
    lab_process_end(&lab->client);
    lab_process_end(&lab->server.nginx);
    lab_net_end(&lab->net);
    uv_walk(&lab->uv, close_handle, NULL);
    uv_run(&lab->uv, UV_RUN_DEFAULT);
    int result = uv_loop_close(&lab->uv);
    PL_ASSERT(result == 0);
    lab_net_free(&lab->net);
}

static bool begin(struct lab *lab) {
    return lab_site_begin(&lab->site) &&
           lab_net_begin(&lab->net, &lab->site, &lab->uv, &lab->options) &&
           lab_server_begin(&lab->server, &lab->site, &lab->options);
}

static int conclude(struct lab *lab) {
    judge(lab);
    bool written = lab_report_write(lab) && lab_page_write(lab);
    lab_show_result(lab);
    if (!written) {
        return EXIT_TROUBLE;
    }
    return lab->result.ok ? 0 : 1;
}

int lab_demo_run(const struct lab_options *options) {
    static struct lab lab;
    int status = lab_needs_check(options);
    if (status != 0) {
        return status;
    }
    lab.options = *options;
    lab.show.progress_fd = -1;
    lab.began_ns = uv_hrtime();
    begin_loop(&lab);
    bool begun = begin(&lab);
    if (begun) {
        lab.began_ns = uv_hrtime();
        uv_run(&lab.uv, UV_RUN_DEFAULT);
    }
    bool loaded = lab.client.pid != 0;
    if (!begun) {
        status = EXIT_TROUBLE;
    } else if (lab.signal != 0) {
        status = 128 + lab.signal;
    } else {
        status = loaded ? conclude(&lab) : EXIT_TROUBLE;
    }
    lab_show_end(&lab);
    end_loop(&lab);
    lab_site_end(&lab.site);
    return status;
}

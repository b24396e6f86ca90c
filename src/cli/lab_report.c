/* cli/lab_report.c - demo.json: the figures of a run for programs. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "cli/lab.h"

static json_t *figure(double value) {
    return value < 0 ? json_null() : json_real(value);
}

static json_t *links_json(const struct lab_measure *m) {
    json_t *links = json_array();
    for (unsigned i = 0; i < LAB_LINKS; i++) {
        json_array_append_new(
            links, json_pack("{s:s, s:I, s:i, s:i}", "name", lab_links[i].name, "bytes",
                             (json_int_t)m->last.link_bytes[i], "rate_mbps", (int)lab_links[i].mbps,
                             "delay_ms", (int)lab_links[i].delay_ms));
    }
    return links;
}

static json_t *witness_json(const struct lab_witness *witness) {
    return json_pack("{s:I, s:I, s:I}", "MPCapableSYNRX", (json_int_t)witness->capable,
                     "MPJoinAckRx", (json_int_t)witness->joins, "fallbacks",
                     (json_int_t)witness->fallbacks);
}

static json_t *targets_json(const struct lab_result *result) {
    json_t *targets = json_array();
    for (unsigned i = 0; i < LAB_TARGETS; i++) {
        const struct lab_target *t = &result->targets[i];
        json_array_append_new(
            targets, json_pack("{s:s, s:o, s:f, s:s, s:b}", "what", t->what, "value",
                               figure(t->value), t->at_least ? "at_least" : "at_most", t->limit,
                               "unit", t->unit, "met", lab_target_met(t)));
    }
    return targets;
}

/* What `plait run --json` told, or null. */
static json_t *client_json(const struct lab_site *site) {
    char path[128];
    lab_site_path(site, "client.json", path);
    json_t *json = json_load_file(path, 0, NULL);
    return json != NULL ? json : json_null();
}

static json_t *report_json(const struct lab *lab) {
    const struct lab_measure *m = &lab->measure;
    const struct lab_result *result = &lab->result;
    json_t *json = json_pack("{s:b, s:b, s:s, s:b, s:I, s:f, s:o}", "ok", result->ok, "sha256_ok",
                             result->sha256_ok, "peer", lab->server.peer, "mptcp", result->mptcp,
                             "bytes", (json_int_t)m->last.file_bytes, "seconds", result->seconds,
                             "links", links_json(m));
    const struct {
        const char *name;
        double value;
    } figures[] = {
        {"sum_mbps", lab_measure_sum_mbps()},
        {"payload_mbps", lab_measure_payload_mbps()},
        {"both_up_mbps", lab_measure_both_mbps(m)},
        {"both_up_before_mbps", lab_measure_window_mbps(&m->before)},
        {"both_up_after_mbps", lab_measure_window_mbps(&m->after)},
        {"both_up_carried_mbps", lab_measure_carried_mbps(m)},
        {"outage_mbps", lab_measure_outage_mbps(m)},
        {"outage_at_s", m->dead_ns != 0 ? (double)m->dead_ns / 1e9 : -1},
        {"return_at_s", m->back_ns != 0 ? (double)m->back_ns / 1e9 : -1},
        {"longest_gap_ms", lab_measure_gap_ms(m)},
        {"longest_gap_at_s", m->first_ns != 0 ? (double)m->gap_at_ns / 1e9 : -1},
        {"returned_ms", lab_measure_returned_ms(m)},
        {"full_rate_ms", lab_measure_full_ms(m)},
    };
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        json_object_set_new(json, figures[i].name, figure(figures[i].value));
    }
    json_object_set_new(json, "complete", json_boolean(result->complete));
    json_object_set_new(json, "client", json_string(lab_client_name(lab->options.client)));
    json_object_set_new(json, "server", json_string(lab_server_name(lab->options.server)));
    json_object_set_new(json, "server_counters", witness_json(&result->witness));
    json_object_set_new(json, "targets", targets_json(result));
    json_object_set_new(json, "plait_run", client_json(&lab->site));
    return json;
}

bool lab_report_write(const struct lab *lab) {
    char path[600];
    snprintf(path, sizeof(path), "%.500s/demo.json", lab->options.out);
    json_t *json = report_json(lab);
    bool written =
        json != NULL && json_dump_file(json, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0;
    json_decref(json);
    if (!written) {
        cli_say("cannot write %s: %s", path, strerror(errno));
    }
    return written;
}

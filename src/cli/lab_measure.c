/* cli/lab_measure.c - figures from points in time. */
#include "cli/lab_measure.h"

#include <string.h>

#include "base/assert.h"

enum {
    /* An IPv4 packet without payload is not longer than this. */
    EMPTY_PACKET_MAX = 80,
    /* A full packet and its headers: IPv4, TCP, time stamps, and the shortest DSS option that
     * carries a mapping and an acknowledgement of 32 bits (RFC 8684 section 3.3). */
    FULL_PACKET = 1500,
    FULL_HEADERS = 20 + 20 + 12 + 20,
};
static const double full_share = 0.8;
static const double payload_share = (double)(FULL_PACKET - FULL_HEADERS) / FULL_PACKET;

const struct lab_link lab_links[LAB_LINKS] = {
    {.name = "wlan0",
     .subnet = "10.81.1",
     .mbps = 20,
     .delay_ms = 10,
     .queue_ms = 80,
     .metric = 100},
    {.name = "wwan0",
     .subnet = "10.81.2",
     .mbps = 10,
     .delay_ms = 30,
     .queue_ms = 80,
     .metric = 600},
};

static uint64_t ms_to_ns(uint64_t ms) {
    return ms * PLAIT_NS_PER_MS;
}

static double ns_to_ms(uint64_t ns) {
    return (double)ns / (double)PLAIT_NS_PER_MS;
}

static double mbps(uint64_t bytes, uint64_t ns) {
    return ns == 0 ? 0 : (double)bytes * 8000.0 / (double)ns;
}

void lab_measure_init(struct lab_measure *measure) {
    memset(measure, 0, sizeof(*measure));
    measure->sample_count = 1; /* at time 0 there is nothing */
}

/* ---- points ---- */

static void note_growth(struct lab_measure *measure, const struct lab_point *point) {
    if (point->file_bytes == measure->last.file_bytes) {
        return;
    }
    if (measure->first_ns == 0) {
        measure->first_ns = point->at_ns;
    } else if (point->at_ns - measure->grown_ns > measure->gap_ns_max) {
        measure->gap_ns_max = point->at_ns - measure->grown_ns;
        measure->gap_at_ns = measure->grown_ns;
    }
    measure->grown_ns = point->at_ns;
}

/* The window that the time between the last point and this one belongs to, or NULL. */
static struct lab_window *window_of(struct lab_measure *measure) {
    uint64_t from = measure->last.at_ns;
    if (measure->first_ns == 0) {
        return NULL;
    }
    if (measure->dead_ns == 0) {
        bool begun = from >= measure->first_ns + ms_to_ns(LAB_SKIP_MS);
        return begun ? &measure->before : NULL;
    }
    bool settled = measure->back_ns != 0 && from >= measure->back_ns + ms_to_ns(LAB_SETTLE_MS);
    return settled ? &measure->after : NULL;
}

static void note_window(struct lab_measure *measure, const struct lab_point *point) {
    struct lab_window *window = window_of(measure);
    uint64_t bytes = point->file_bytes - measure->last.file_bytes;
    if (window != NULL) {
        window->bytes += bytes;
        window->ns += point->at_ns - measure->last.at_ns;
        for (unsigned i = 0; i < LAB_LINKS; i++) {
            window->link_bytes += point->link_bytes[i] - measure->last.link_bytes[i];
        }
    }
    if (measure->dead_ns != 0 && measure->back_ns == 0) {
        measure->silent_bytes += bytes;
    }
}

/* Packets with payload are longer than the longest without. */
static void note_return(struct lab_measure *measure, const struct lab_point *point) {
    if (measure->back_ns == 0 || measure->payload_ns != 0) {
        return;
    }
    uint64_t packets = point->link_packets[LAB_WLAN] - measure->last.link_packets[LAB_WLAN];
    uint64_t bytes = point->link_bytes[LAB_WLAN] - measure->last.link_bytes[LAB_WLAN];
    if (bytes > packets * EMPTY_PACKET_MAX) {
        measure->payload_ns = point->at_ns;
    }
}

static void note_sample(struct lab_measure *measure, const struct lab_point *point) {
    unsigned n = measure->sample_count;
    if (n == LAB_SAMPLES_MAX ||
        point->at_ns < measure->samples[n - 1].at_ns + ms_to_ns(LAB_SAMPLE_MS)) {
        return;
    }
    measure->samples[n] = *point;
    measure->sample_count = n + 1;
    bool after = measure->back_ns != 0 && measure->samples[n - 1].at_ns >= measure->back_ns;
    if (after && measure->full_ns == 0 &&
        lab_measure_sample_mbps(measure, LAB_WLAN, n) >= full_share * lab_links[LAB_WLAN].mbps) {
        measure->full_ns = point->at_ns;
    }
}

void lab_measure_add(struct lab_measure *measure, const struct lab_point *point) {
    PL_ASSERT(point->at_ns >= measure->last.at_ns);
    PL_ASSERT(point->file_bytes >= measure->last.file_bytes);
    note_growth(measure, point);
    note_window(measure, point);
    note_return(measure, point);
    note_sample(measure, point);
    measure->last = *point;
}

void lab_measure_dead(struct lab_measure *measure) {
    measure->dead_ns = measure->last.at_ns;
}

void lab_measure_back(struct lab_measure *measure) {
    PL_ASSERT(measure->dead_ns != 0);
    measure->back_ns = measure->last.at_ns;
}

void lab_measure_end(struct lab_measure *measure, bool complete) {
    uint64_t still_ns = measure->last.at_ns - measure->grown_ns;
    if (!complete && still_ns > measure->gap_ns_max) {
        measure->gap_ns_max = still_ns;
        measure->gap_at_ns = measure->grown_ns;
    }
}

/* ---- results ---- */

double lab_measure_window_mbps(const struct lab_window *window) {
    if (window->ns == 0) {
        return -1;
    }
    double carried = mbps(window->link_bytes, window->ns) * payload_share;
    double file = mbps(window->bytes, window->ns);
    return file < carried ? file : carried;
}

double lab_measure_both_mbps(const struct lab_measure *measure) {
    struct lab_window sum = {.bytes = measure->before.bytes + measure->after.bytes,
                             .link_bytes = measure->before.link_bytes + measure->after.link_bytes,
                             .ns = measure->before.ns + measure->after.ns};
    return lab_measure_window_mbps(&sum);
}

double lab_measure_carried_mbps(const struct lab_measure *measure) {
    uint64_t ns = measure->before.ns + measure->after.ns;
    return ns == 0 ? -1 : mbps(measure->before.link_bytes + measure->after.link_bytes, ns);
}

double lab_measure_outage_mbps(const struct lab_measure *measure) {
    uint64_t end = measure->back_ns != 0 ? measure->back_ns : measure->last.at_ns;
    return measure->dead_ns == 0 ? -1 : mbps(measure->silent_bytes, end - measure->dead_ns);
}

double lab_measure_gap_ms(const struct lab_measure *measure) {
    return measure->first_ns == 0 ? -1 : ns_to_ms(measure->gap_ns_max);
}

double lab_measure_returned_ms(const struct lab_measure *measure) {
    return measure->payload_ns == 0 ? -1 : ns_to_ms(measure->payload_ns - measure->back_ns);
}

double lab_measure_full_ms(const struct lab_measure *measure) {
    return measure->full_ns == 0 ? -1 : ns_to_ms(measure->full_ns - measure->back_ns);
}

double lab_measure_sample_mbps(const struct lab_measure *measure, unsigned link, unsigned i) {
    PL_ASSERT(i > 0);
    const struct lab_point *from = &measure->samples[i - 1];
    const struct lab_point *to = &measure->samples[i];
    uint64_t bytes = link < LAB_LINKS ? to->link_bytes[link] - from->link_bytes[link]
                                      : to->file_bytes - from->file_bytes;
    return mbps(bytes, to->at_ns - from->at_ns);
}

double lab_measure_sum_mbps(void) {
    double sum = 0;
    for (unsigned i = 0; i < LAB_LINKS; i++) {
        sum += lab_links[i].mbps;
    }
    return sum;
}

double lab_measure_payload_mbps(void) {
    return lab_measure_sum_mbps() * payload_share;
}

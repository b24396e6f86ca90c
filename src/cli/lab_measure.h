/* cli/lab_measure.h - what happened in a run of `plait lab demo`, in figures. No I/O, no clock.
 *
 * Bytes are those of the file as the program has written it, and those of whole IP packets that
 * the links delivered to the phone. Definitions of the results:
 *
 *   both links up  bytes of the file per time while both links work: from 1 s after the first byte
 *                  to the outage, and from 2 s after the return to the last byte. Bytes that
 *                  came before and waited for a hole to be filled would count here, so it is
 *                  at most the payload of what the links carried meanwhile
 *   longest gap    the longest time between two increases of the file, over the whole download
 *   used again     from the return of the link to the first payload on it
 *   full again     from the return to the first 100 ms in which the link carries 80 % of its rate
 */
#ifndef PL_CLI_LAB_MEASURE_H
#define PL_CLI_LAB_MEASURE_H

#include "plait/types.h"

enum { LAB_WLAN, LAB_WWAN, LAB_LINKS };
enum { LAB_SAMPLES_MAX = 4096, LAB_SAMPLE_MS = 100, LAB_SKIP_MS = 1000, LAB_SETTLE_MS = 2000 };

struct lab_link {
    const char *name;
    const char *subnet; /* a /24 without its last part; the phone is .2 and the server .1 */
    unsigned mbps, delay_ms, queue_ms, metric;
};
extern const struct lab_link lab_links[LAB_LINKS];
/* Of the server, reachable over every link. */
#define LAB_SERVER_ADDRESS "10.81.9.1"

/* What is known at one moment. */
struct lab_point {
    uint64_t at_ns; /* since the client was started */
    uint64_t file_bytes;
    uint64_t link_bytes[LAB_LINKS]; /* delivered to the phone */
    uint64_t link_packets[LAB_LINKS];
};

/* A stretch of time in which both links are up. */
struct lab_window {
    uint64_t bytes, ns;
    uint64_t link_bytes; /* that all links delivered meanwhile, headers included */
};

struct lab_measure {
    struct lab_point last; /* the newest point */
    uint64_t first_ns;     /* of the first byte of the file; 0: none yet */
    uint64_t grown_ns;     /* when the file grew last */
    uint64_t gap_ns_max, gap_at_ns;
    uint64_t dead_ns, back_ns;       /* 0: not yet */
    uint64_t payload_ns, full_ns;    /* first payload, first full sample after the return */
    struct lab_window before, after; /* the outage */
    uint64_t silent_bytes;           /* of the file, during the outage */
    unsigned sample_count;
    struct lab_point samples[LAB_SAMPLES_MAX];
};

void lab_measure_init(struct lab_measure *measure);
/* Points come in the order of time, every few milliseconds. */
void lab_measure_add(struct lab_measure *measure, const struct lab_point *point);
/* The first link goes dead, or is back, at the time of the newest point. */
void lab_measure_dead(struct lab_measure *measure);
void lab_measure_back(struct lab_measure *measure);
/* No more points. A download that is not complete has had a gap until now. */
void lab_measure_end(struct lab_measure *measure, bool complete);

/* The results; negative: there is none. */
double lab_measure_window_mbps(const struct lab_window *window);
double lab_measure_both_mbps(const struct lab_measure *measure);
/* What the links carried in the same time, headers included. */
double lab_measure_carried_mbps(const struct lab_measure *measure);
double lab_measure_outage_mbps(const struct lab_measure *measure);
double lab_measure_gap_ms(const struct lab_measure *measure);
double lab_measure_returned_ms(const struct lab_measure *measure);
double lab_measure_full_ms(const struct lab_measure *measure);
/* Rate of a link (or, LAB_LINKS, of the file) in the sample before samples[i]; i > 0. */
double lab_measure_sample_mbps(const struct lab_measure *measure, unsigned link, unsigned i);
/* Rate of all links, and what headers leave of it for payload. */
double lab_measure_sum_mbps(void);
double lab_measure_payload_mbps(void);

#endif

/* net/link_config.h - the settings of one direction of a link, and their text form.
 *
 * The text form uses netem's words, in any order, each at most once:
 *
 *     rate 20mbit             bits/s (bit kbit mbit gbit tbit, or bps kbps ... for bytes/s)
 *     trace NAME              leave at the times of a Mahimahi trace, in place of a rate
 *     overhead 18             bytes added to every packet's length while it is serialised
 *     limit 100               packets in the queue, the one being sent included
 *     limit-bytes 60000       bytes in the queue (k, m: times 1024)
 *     mark-bytes 30000        CE on ECN-capable packets that find so much in the queue (k, m)
 *     mtu 1400                longer packets are dropped
 *     delay 10ms 2ms 25%      delay, jitter (uniform, +/-) and its correlation
 *     loss 1%                 (or loss random 1%)
 *     loss gemodel 1% 10% 90% 0.1%     p [r [1-h [1-k]]], defaults 1-p, 100%, 0%
 *     reorder 5% gap 3        these packets skip the delay; every third is a candidate (default 1)
 *     duplicate 1%  corrupt 0.1%
 *     down                    a silent black hole
 *
 * An empty text is a perfect link. Times need a unit (s ms us ns), but for 0. A percent sign may be
 * left out. A probability finer than 0.0001 % is an error, as is anything else that would be
 * rounded. */
#ifndef PL_NET_LINK_CONFIG_H
#define PL_NET_LINK_CONFIG_H

#include "net/loss.h"
#include "net/mahimahi.h"
#include "plait/types.h"

#define PL_LINK_LIMIT_PACKETS_DEFAULT 1000 /* as netem's */
#define PL_LINK_MEMORY_DEFAULT (UINT64_C(256) << 20)
#define PL_LINK_RATE_MAX UINT64_C(10000000000000) /* 10 Tb/s */
#define PL_LINK_DELAY_MAX (3600 * PLAIT_NS_PER_S)
#define PL_LINK_PACKET_MAX (UINT32_C(1) << 20) /* longer "packets" are dropped like an MTU's */
#define PL_LINK_OVERHEAD_MAX 65535

struct pl_link_config {
    uint64_t rate_bps;               /* bits/s, 0 = no limit */
    const struct pl_mahimahi *trace; /* NULL for none; borrowed as long as the link uses it */
    plait_time trace_origin;         /* when the trace's millisecond 0 is */
    struct plait_slice trace_name; /* from the text (borrowed): the caller loads it into `trace` */
    uint32_t overhead_bytes;
    uint32_t limit_packets;    /* 0 = none */
    uint64_t limit_bytes;      /* 0 = none */
    uint64_t mark_bytes;       /* 0 = never */
    uint32_t mtu;              /* 0 = none */
    uint64_t memory_bytes_max; /* all that the link holds, queued and on the wire; 0 = default */
    uint64_t delay_ns;
    uint64_t jitter_ns;
    uint32_t jitter_correlation_ppm;
    struct pl_loss_config loss;
    uint32_t reorder_ppm;
    uint32_t reorder_gap; /* 0 counts as 1 */
    uint32_t duplicate_ppm;
    uint32_t corrupt_ppm;
    bool down;
};

/* A perfect link with a queue of PL_LINK_LIMIT_PACKETS_DEFAULT. */
void pl_link_config_init(struct pl_link_config *config);
/* NULL, or what is wrong (static storage). */
const char *pl_link_config_error(const struct pl_link_config *config);
/* Reads the text form into an initialised or fresh config. `limit-bytes` without `limit` removes
 * the default limit in packets. With `trace`, trace_name points into `text` and the config is
 * complete once the caller has set `trace` and `trace_origin`. On BAD_ARGUMENT `error` holds one
 * line without a line feed (error_size > 0), and *config is unchanged. */
PLAIT_MUST_CHECK int pl_link_parse(const char *text, struct pl_link_config *config, char *error,
                                   size_t error_size);
/* Writes the text form, which pl_link_parse() reads back to the same values. Returns the length it
 * needs; the text is cut when that is not less than `size` (> 0). */
size_t pl_link_format(const struct pl_link_config *config, char *out, size_t size);

#endif

/* net/link.c - the link engine.
 *
 * Packets wait in `queue`. The head is being sent: its service ends at `service_end`, and the next
 * one's begins then. The service of a rate is kept as work, in bits * 10^9, so that one ns takes
 * off exactly `rate_bps`: a packet leaves at the first ns at which its work is done, and the next
 * one is credited with what that ns had left over. So no rounding adds up, and a rate can change in
 * the middle of a packet. A trace's cursor says when a packet's last byte leaves instead.
 *
 * Then the wire decides: lost, corrupted, duplicated; delayed. Packets keep their order on the wire
 * (a packet is never due before the one in front of it, whatever jitter or a shorter delay says),
 * but for those that the reorder setting picks: they skip the delay.
 *
 * advance() brings everything up to `now`. Nothing happens inside between calls and no outcome
 * depends on when it is called, so the deadline can be that of the next packet out alone. */
#include "net/link.h"

#include <string.h>

#include "base/assert.h"
#include "net/mark.h"

#define WORK_PER_BYTE (8 * PLAIT_NS_PER_S)

struct packet {
    struct pl_list node;
    struct plait_buf *buf;
    struct pl_link_meta meta;
};

static_assert((PL_LINK_PACKET_MAX + PL_LINK_OVERHEAD_MAX) * WORK_PER_BYTE <
                  UINT64_MAX / 2 - PL_LINK_RATE_MAX,
              "the work of a packet and one ns of rate fit");

static struct packet *packet_of(struct pl_list *node) {
    return PL_CONTAINER(node, struct packet, node);
}

const char *pl_link_drop_name(enum pl_link_drop reason) {
    static const char *const names[PL_LINK_DROP_COUNT] = {"none", "queue", "loss",
                                                          "down", "mtu",   "memory"};
    PL_ASSERT(reason < PL_LINK_DROP_COUNT);
    return names[reason];
}

static uint64_t held_bytes(const struct plait_buf *buf) {
    return sizeof(struct packet) + sizeof *buf + buf->cap;
}

static uint64_t memory_max(const struct pl_link *link) {
    uint64_t max = link->config.memory_bytes_max;
    return max != 0 ? max : PL_LINK_MEMORY_DEFAULT;
}

static enum pl_link_drop count_drop(struct pl_link *link, uint32_t len, enum pl_link_drop reason) {
    PL_ASSERT(reason > PL_LINK_DROP_NONE && reason < PL_LINK_DROP_COUNT);
    link->stats.drop_packets[reason]++;
    link->stats.drop_bytes[reason] += len;
    return reason;
}

/* Takes a reference on `buf`. NULL: no memory, and nothing is counted. */
static struct packet *packet_create(struct pl_link *link, struct plait_buf *buf,
                                    const struct pl_link_meta *meta) {
    if (link->memory_bytes + held_bytes(buf) > memory_max(link)) {
        return NULL;
    }
    struct packet *packet = link->env->alloc(link->env->user, sizeof *packet);
    if (packet == NULL) {
        return NULL;
    }
    memset(packet, 0, sizeof *packet);
    pl_list_init(&packet->node);
    plait_buf_ref(buf);
    packet->buf = buf;
    packet->meta = *meta;
    link->memory_bytes += held_bytes(buf);
    return packet;
}

/* Frees a packet that is in no list, but for its reference on the buffer. */
static struct plait_buf *packet_unwrap(struct pl_link *link, struct packet *packet) {
    struct plait_buf *buf = packet->buf;
    PL_ASSERT(!pl_list_linked(&packet->node));
    PL_ASSERT(link->memory_bytes >= held_bytes(buf));
    link->memory_bytes -= held_bytes(buf);
    link->env->free(link->env->user, packet, sizeof *packet);
    return buf;
}

static void packet_drop(struct pl_link *link, struct packet *packet, enum pl_link_drop reason) {
    (void)count_drop(link, packet->buf->len, reason);
    plait_buf_unref(packet_unwrap(link, packet));
}

/* ---- the wire ---- */

static struct packet *wire_head(const struct pl_link *link) {
    return pl_list_empty(&link->wire) ? NULL : packet_of(link->wire.next);
}

/* Inserts by due time, behind packets that are due at the same time. */
static void wire_add(struct pl_link *link, struct packet *packet, bool reordered) {
    struct pl_list *at = &link->wire;
    if (reordered) {
        /* Few are due before a packet without delay, so the search starts at the front. */
        at = link->wire.next;
        while (at != &link->wire && packet_of(at)->meta.due_at <= packet->meta.due_at) {
            at = at->next;
        }
    }
    pl_list_insert_before(at, &packet->node);
    link->stats.wire_packets++;
    link->stats.wire_bytes += packet->buf->len;
}

/* netem's correlated generator: 32 bits, an average of the last value and a new one. */
static uint32_t draw_correlated(struct pl_rng *rng, uint32_t *last, uint32_t correlation_ppm) {
    uint64_t value = pl_rng_next(rng) >> 32;
    value = value * (PL_PPM_ONE - correlation_ppm) + (uint64_t)*last * correlation_ppm;
    *last = (uint32_t)(value / PL_PPM_ONE);
    return *last;
}

static uint64_t draw_delay(struct pl_link *link) {
    const struct pl_link_config *config = &link->config;
    if (config->jitter_ns == 0) {
        return config->delay_ns;
    }
    uint64_t x = draw_correlated(&link->rng, &link->jitter_last, config->jitter_correlation_ppm);
    uint64_t span = 2 * config->jitter_ns;
    uint64_t offset = (span >> 32) * x + (((span & UINT32_MAX) * x) >> 32);
    PL_ASSERT(offset <= span);
    uint64_t delay = config->delay_ns + offset;
    return delay > config->jitter_ns ? delay - config->jitter_ns : 0;
}

/* netem's rule: every gap-th packet is a candidate, and stays one until one is picked. */
static bool draw_reorder(struct pl_link *link) {
    const struct pl_link_config *config = &link->config;
    uint32_t gap = config->reorder_gap > 1 ? config->reorder_gap : 1;
    if (config->reorder_ppm == 0) {
        return false;
    }
    if (link->reorder_counter < gap - 1 || !pl_rng_chance(&link->rng, config->reorder_ppm)) {
        link->reorder_counter += link->reorder_counter < gap ? 1 : 0;
        return false;
    }
    link->reorder_counter = 0;
    return true;
}

static bool draw(struct pl_link *link, uint32_t ppm) {
    return ppm != 0 && pl_rng_chance(&link->rng, ppm);
}

/* Gives a packet bytes of its own, because a buffer may be shared. False: no memory for them. */
static bool own_bytes(struct pl_link *link, struct packet *packet) {
    struct plait_buf *old = packet->buf;
    struct plait_buf *copy = plait_buf_alloc(link->env, old->len);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy->data, old->data, old->len);
    copy->len = old->len;
    link->memory_bytes += held_bytes(copy);
    link->memory_bytes -= held_bytes(old);
    packet->buf = copy;
    plait_buf_unref(old);
    return true;
}

/* Flips one bit in a copy. One, because every checksum notices one: a corrupted packet must not get
 * through unnoticed. False when there is no memory for the copy. */
static bool corrupt(struct pl_link *link, struct packet *packet) {
    if (packet->buf->len == 0) {
        return true;
    }
    if (!own_bytes(link, packet)) {
        return false;
    }
    uint64_t bit = pl_rng_below(&link->rng, (uint64_t)packet->buf->len * 8);
    packet->buf->data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    packet->meta.rx.flags &= ~(uint32_t)PLAIT_RX_CSUM_OK;
    link->stats.corrupted++;
    return true;
}

static void duplicate(struct pl_link *link, const struct packet *packet, bool reordered) {
    struct packet *twin = packet_create(link, packet->buf, &packet->meta);
    link->stats.duplicated++;
    if (twin == NULL) {
        (void)count_drop(link, packet->buf->len, PL_LINK_DROP_MEMORY);
        return;
    }
    wire_add(link, twin, reordered);
}

/* A packet leaves the transmitter at time `at`. */
static void wire_enter(struct pl_link *link, struct packet *packet, plait_time at) {
    const struct pl_link_config *config = &link->config;
    if (config->loss.model != PL_LOSS_NONE &&
        pl_loss_draw(&link->loss, &config->loss, &link->rng)) {
        packet_drop(link, packet, PL_LINK_DROP_LOSS);
        return;
    }
    if (draw(link, config->corrupt_ppm) && !corrupt(link, packet)) {
        packet_drop(link, packet, PL_LINK_DROP_MEMORY);
        return;
    }
    bool reordered = draw_reorder(link);
    packet->meta.due_at = at;
    if (reordered) {
        link->stats.reordered++;
    } else {
        plait_time due = at + draw_delay(link);
        packet->meta.due_at = due > link->due_last ? due : link->due_last;
        link->due_last = packet->meta.due_at;
    }
    wire_add(link, packet, reordered);
    if (draw(link, config->duplicate_ppm)) {
        duplicate(link, packet, reordered);
    }
}

/* ---- queue and transmitter ---- */

static uint64_t ceil_div(uint64_t a, uint64_t b) {
    return a / b + (a % b != 0 ? 1 : 0);
}

/* Sets when the head's service ends, from service_work at service_at. */
static void service_schedule(struct pl_link *link) {
    uint64_t rate_bps = link->config.rate_bps;
    link->service_end = link->service_at;
    if (rate_bps != 0) {
        link->service_end += ceil_div(link->service_work, rate_bps);
    }
}

/* Starts to send the head at `at`; `credit` of its work is done already. */
static void service_start(struct pl_link *link, plait_time at, uint64_t credit) {
    PL_ASSERT(!pl_list_empty(&link->queue));
    uint32_t bytes = packet_of(link->queue.next)->buf->len + link->config.overhead_bytes;
    link->service_at = at;
    if (link->config.trace != NULL) {
        link->service_work = 0;
        link->service_credit = 0;
        link->service_end = pl_mahimahi_take(&link->cursor, bytes + PL_MAHIMAHI_HEADER);
        PL_ASSERT(link->service_end >= at);
        return;
    }
    uint64_t work = bytes * WORK_PER_BYTE;
    link->service_work = work > credit ? work - credit : 0;
    link->service_credit = credit > work ? credit - work : 0;
    service_schedule(link);
}

/* Starts to send the head at `at` after the transmitter was idle. */
static void service_start_idle(struct pl_link *link, plait_time at) {
    if (link->config.trace != NULL) {
        pl_mahimahi_seek(&link->cursor, at);
    }
    service_start(link, at, 0);
}

static struct packet *queue_pop(struct pl_link *link) {
    struct packet *packet = packet_of(link->queue.next);
    pl_list_remove(&packet->node);
    PL_ASSERT(link->stats.queue_packets > 0);
    PL_ASSERT(link->stats.queue_bytes >= packet->buf->len);
    link->stats.queue_packets--;
    link->stats.queue_bytes -= packet->buf->len;
    return packet;
}

static void advance(struct pl_link *link, plait_time now) {
    if (now > link->now) {
        link->now = now;
    }
    while (!pl_list_empty(&link->queue) && link->service_end <= link->now) {
        struct packet *packet = queue_pop(link);
        plait_time end = link->service_end;
        uint64_t spent = (end - link->service_at) * link->config.rate_bps;
        uint64_t credit = link->service_credit;
        credit += spent > link->service_work ? spent - link->service_work : 0;
        wire_enter(link, packet, end);
        if (!pl_list_empty(&link->queue)) {
            service_start(link, end, credit);
        }
    }
}

/* The largest piece that a packet is on a real wire: a coalesced one is cut to its segments. */
static uint32_t wire_len(const struct plait_buf *buf, const struct pl_link_meta *meta) {
    const uint8_t *ip = buf->data;
    uint32_t header = 0;
    if (meta->rx.gso_size == 0 || buf->len < 40) {
        return buf->len;
    }
    if (ip[0] >> 4 == 4 && ip[9] == 6) {
        header = (uint32_t)(ip[0] & 15U) * 4;
    }
    if (ip[0] >> 4 == 6 && ip[6] == 6) {
        header = 40;
    }
    if (header == 0 || buf->len < header + 20) {
        return buf->len;
    }
    header += (uint32_t)(ip[header + 12] >> 4) * 4;
    uint32_t len = header + meta->rx.gso_size;
    return len < buf->len ? len : buf->len;
}

static enum pl_link_drop admit(const struct pl_link *link, const struct plait_buf *buf,
                               const struct pl_link_meta *meta) {
    const struct pl_link_config *config = &link->config;
    const struct pl_link_stats *stats = &link->stats;
    if (config->down) {
        return PL_LINK_DROP_DOWN;
    }
    if (buf->len > PL_LINK_PACKET_MAX || (config->mtu != 0 && wire_len(buf, meta) > config->mtu)) {
        return PL_LINK_DROP_MTU;
    }
    if (config->limit_packets != 0 && stats->queue_packets >= config->limit_packets) {
        return PL_LINK_DROP_QUEUE;
    }
    if (config->limit_bytes != 0 && stats->queue_bytes + buf->len > config->limit_bytes) {
        return PL_LINK_DROP_QUEUE;
    }
    return PL_LINK_DROP_NONE;
}

/* Without memory for the copy the packet goes unmarked: a mark is advice. */
static void mark(struct pl_link *link, struct packet *packet) {
    uint64_t threshold = link->config.mark_bytes;
    bool due = threshold != 0 && link->stats.queue_bytes >= threshold;
    if (due && pl_mark_capable(packet->buf->data, packet->buf->len) && own_bytes(link, packet)) {
        pl_mark_ce(packet->buf->data, packet->buf->len);
        link->stats.marked++;
    }
}

enum pl_link_drop pl_link_send(struct pl_link *link, struct plait_buf *buf,
                               const struct pl_link_meta *meta, plait_time now) {
    static const struct pl_link_meta no_meta;
    PL_ASSERT(link->env != NULL);
    PL_ASSERT(buf != NULL);
    meta = meta != NULL ? meta : &no_meta;
    advance(link, now);
    link->stats.in_packets++;
    link->stats.in_bytes += buf->len;
    enum pl_link_drop reason = admit(link, buf, meta);
    if (reason != PL_LINK_DROP_NONE) {
        return count_drop(link, buf->len, reason);
    }
    struct packet *packet = packet_create(link, buf, meta);
    if (packet == NULL) {
        return count_drop(link, buf->len, PL_LINK_DROP_MEMORY);
    }
    packet->meta.sent_at = link->now;
    mark(link, packet);
    bool idle = pl_list_empty(&link->queue);
    pl_list_append(&link->queue, &packet->node);
    link->stats.queue_packets++;
    link->stats.queue_bytes += buf->len;
    if (link->stats.queue_bytes > link->stats.queue_bytes_max) {
        link->stats.queue_bytes_max = link->stats.queue_bytes;
    }
    if (idle) {
        service_start_idle(link, link->now);
        advance(link, link->now);
    }
    return PL_LINK_DROP_NONE;
}

plait_time pl_link_deadline(const struct pl_link *link) {
    const struct pl_link_config *config = &link->config;
    const struct packet *head = wire_head(link);
    plait_time due = head != NULL ? head->meta.due_at : PLAIT_TIME_NEVER;
    if (pl_list_empty(&link->queue) || (head != NULL && config->reorder_ppm == 0)) {
        return due;
    }
    plait_time next = link->service_end;
    if (config->reorder_ppm == 0 && config->delay_ns > config->jitter_ns) {
        next += config->delay_ns - config->jitter_ns;
    }
    return next < due ? next : due;
}

struct plait_buf *pl_link_next(struct pl_link *link, plait_time now, struct pl_link_meta *meta) {
    PL_ASSERT(link->env != NULL);
    advance(link, now);
    struct packet *packet = wire_head(link);
    if (packet == NULL || packet->meta.due_at > link->now) {
        return NULL;
    }
    pl_list_remove(&packet->node);
    PL_ASSERT(link->stats.wire_packets > 0);
    link->stats.wire_packets--;
    link->stats.wire_bytes -= packet->buf->len;
    link->stats.out_packets++;
    link->stats.out_bytes += packet->buf->len;
    if (meta != NULL) {
        *meta = packet->meta;
    }
    return packet_unwrap(link, packet);
}

/* ---- settings ---- */

static bool config_usable(const struct pl_link_config *config) {
    bool trace_missing = config->trace_name.data != NULL && config->trace == NULL;
    return pl_link_config_error(config) == NULL && !trace_missing;
}

static void drop_all(struct pl_link *link) {
    while (!pl_list_empty(&link->queue)) {
        packet_drop(link, queue_pop(link), PL_LINK_DROP_DOWN);
    }
    PL_LIST_FOREACH_SAFE(node, &link->wire) {
        struct packet *packet = packet_of(node);
        pl_list_remove(node);
        link->stats.wire_packets--;
        link->stats.wire_bytes -= packet->buf->len;
        packet_drop(link, packet, PL_LINK_DROP_DOWN);
    }
    link->due_last = 0;
    PL_ASSERT(link->memory_bytes == 0);
}

int pl_link_init(struct pl_link *link, const struct plait_env *env,
                 const struct pl_link_config *config, uint64_t seed) {
    PL_ASSERT(link != NULL);
    PL_ASSERT(env != NULL);
    if (!config_usable(config)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    memset(link, 0, sizeof *link);
    link->env = env;
    link->config = *config;
    pl_list_init(&link->queue);
    pl_list_init(&link->wire);
    pl_rng_init(&link->rng, seed);
    link->jitter_last = (uint32_t)(pl_rng_next(&link->rng) >> 32);
    if (config->trace != NULL) {
        pl_mahimahi_cursor_init(&link->cursor, config->trace, config->trace_origin);
    }
    return PLAIT_OK;
}

void pl_link_fini(struct pl_link *link) {
    if (link->env != NULL) {
        drop_all(link);
        link->env = NULL;
    }
}

/* The head goes on under the new settings. */
static void service_change(struct pl_link *link, const struct pl_link_config *old) {
    const struct pl_link_config *config = &link->config;
    if (old->trace != NULL || config->trace != NULL) {
        if (old->trace != config->trace || old->trace_origin != config->trace_origin) {
            service_start_idle(link, link->now);
        }
        return;
    }
    uint64_t done = (link->now - link->service_at) * old->rate_bps;
    PL_ASSERT(done <= link->service_work);
    link->service_work -= done;
    link->service_credit = 0;
    link->service_at = link->now;
    service_schedule(link);
}

int pl_link_set(struct pl_link *link, const struct pl_link_config *config, plait_time now) {
    PL_ASSERT(link->env != NULL);
    if (!config_usable(config)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    advance(link, now);
    struct pl_link_config old = link->config;
    link->config = *config;
    if (config->trace != NULL &&
        (old.trace != config->trace || old.trace_origin != config->trace_origin)) {
        pl_mahimahi_cursor_init(&link->cursor, config->trace, config->trace_origin);
    }
    if (config->down) {
        drop_all(link);
    }
    if (!pl_list_empty(&link->queue)) {
        service_change(link, &old);
        advance(link, link->now);
    }
    return PLAIT_OK;
}

void pl_link_stats(struct pl_link *link, plait_time now, struct pl_link_stats *out) {
    advance(link, now);
    *out = link->stats;
}

void pl_link_check(const struct pl_link *link) {
    const struct pl_link_stats *stats = &link->stats;
    uint64_t packets = 0, bytes = 0, dropped = 0;
    plait_time due = 0;
    PL_LIST_FOREACH(node, &link->queue) {
        packets++;
        bytes += packet_of(node)->buf->len;
    }
    PL_ASSERT(packets == stats->queue_packets);
    PL_ASSERT(bytes == stats->queue_bytes);
    packets = 0;
    PL_LIST_FOREACH(node, &link->wire) {
        packets++;
        PL_ASSERT(packet_of(node)->meta.due_at >= due);
        due = packet_of(node)->meta.due_at;
    }
    PL_ASSERT(packets == stats->wire_packets);
    for (unsigned i = 0; i < PL_LINK_DROP_COUNT; i++) {
        dropped += stats->drop_packets[i];
    }
    PL_ASSERT(stats->in_packets + stats->duplicated ==
              stats->out_packets + dropped + stats->queue_packets + stats->wire_packets);
    PL_ASSERT(link->memory_bytes <= memory_max(link) || packets + stats->queue_packets > 0);
}

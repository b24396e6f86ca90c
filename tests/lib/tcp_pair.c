#include "tcp_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "plait/error.h"

static void must(bool ok, const char *what) {
    if (!ok) {
        plait_abort_hook(what, "tcp_pair.c", 0);
    }
}

uint8_t tcp_pair_byte(uint64_t stream_offset) {
    return (uint8_t)(stream_offset * 31 + (stream_offset >> 8) * 7 + (stream_offset >> 16));
}

/* ---- the upper ---- */

static bool make_chunk(struct tcp_pair_end *e) {
    struct pl_chunk *chunk = pl_chunk_alloc(&e->ctx.memory, e->chunk_bytes);
    if (chunk == NULL) {
        e->starved = true;
        return false;
    }
    uint64_t left = e->send_total - e->made;
    uint32_t len = left < e->chunk_bytes ? (uint32_t)left : e->chunk_bytes;
    uint8_t *bytes = malloc(len);
    must(bytes != NULL, "malloc");
    for (uint32_t i = 0; i < len; i++) {
        bytes[i] = tcp_pair_byte(e->made + i);
    }
    must(pl_chunk_append(chunk, bytes, len) == len, "chunk append");
    free(bytes);
    e->made += len;
    if (e->tail != NULL) {
        pl_chunk_link(e->tail, chunk);
        pl_chunk_unref(chunk);
    } else {
        e->queue = chunk;
        e->queue_at = 0;
        e->send_chunk = chunk;
        e->send_at = 0;
    }
    e->tail = chunk;
    return true;
}

static enum pl_tcp_next up_next(void *up, uint32_t max_bytes, uint32_t unit,
                                struct pl_tcp_payload *out, plait_time now) {
    struct tcp_pair_end *e = up;
    (void)now;
    must(max_bytes >= 1 && max_bytes <= 65535, "next's max_bytes");
    uint64_t want = e->send_total - e->sent;
    if (e->send_buffer > 0) {
        uint64_t room = e->send_buffer - (e->sent - e->acked);
        want = want < room ? want : room;
    }
    if (want == 0) {
        return PL_TCP_NEXT_NOTHING;
    }
    if (e->upper_closed) {
        return PL_TCP_NEXT_WINDOW;
    }
    if (unit > 0 && want % unit != 0 && want < max_bytes) {
        want -= want % unit;
        if (want == 0) {
            return PL_TCP_NEXT_LESS;
        }
    }
    want = want < max_bytes ? want : max_bytes;
    while (e->made - e->sent < want && make_chunk(e)) {
    }
    uint64_t have = e->made - e->sent;
    want = want < have ? want : have;
    if (want == 0) {
        return PL_TCP_NEXT_WINDOW; /* starved */
    }
    pl_chunk_seek(&e->send_chunk, &e->send_at, 0);
    *out = (struct pl_tcp_payload){.chunk = e->send_chunk,
                                   .offset = e->send_at,
                                   .len = (uint32_t)want,
                                   .tag = e->sent,
                                   .sum = (uint16_t)(e->sent * 3),
                                   .push = e->sent + want == e->send_total};
    pl_chunk_seek(&e->send_chunk, &e->send_at, want);
    e->sent += want;
    return PL_TCP_NEXT_DATA;
}

static enum pl_tcp_stall up_stalled(void *up) {
    const struct tcp_pair_end *e = up;
    bool full = e->send_buffer > 0 && e->sent - e->acked == e->send_buffer;
    return full && e->sent < e->send_total ? PL_TCP_STALL_BUFFER : PL_TCP_STALL_NONE;
}

static void up_taken_back(void *up, uint32_t bytes) {
    struct tcp_pair_end *e = up;
    must(bytes > 0 && bytes <= e->sent - e->acked, "taken_back: what was given");
    e->sent -= bytes;
    e->send_chunk = e->queue;
    e->send_at = e->queue_at;
    pl_chunk_seek(&e->send_chunk, &e->send_at, e->sent - e->acked);
}

static uint32_t up_data_options_len(void *up) {
    return ((struct tcp_pair_end *)up)->data_options;
}

static void check_origin(const struct tcp_pair_end *e, const struct pl_tcp_origin *o) {
    uint64_t iss = e->tcp.snd.iss.v + (uint64_t)1;
    must(o != NULL, "DATA without origin");
    must(o->seq.v == (uint32_t)(iss + o->tag), "origin: seq and tag belong together");
    must(o->sum == (uint16_t)(o->tag * 3), "origin: sum");
}

/* An experimental option (RFC 6994) with the origin's tag in it. */
static uint32_t up_write_options(void *up, const struct pl_seg_out *seg, uint8_t *out,
                                 uint32_t room, plait_time now) {
    struct tcp_pair_end *e = up;
    (void)now;
    e->asked[seg->kind]++;
    if (seg->kind != PL_SEG_DATA) {
        must(seg->origin == NULL, "origin without DATA");
        return 0;
    }
    check_origin(e, seg->origin);
    if (e->data_options == 0) {
        return 0;
    }
    must(room >= e->data_options, "promised room for options");
    memset(out, 1, e->data_options);
    return e->data_options;
}

static enum pl_verdict up_options_in(void *up, const struct pl_segment *seg, enum pl_seg_kind kind,
                                     plait_time now) {
    struct tcp_pair_end *e = up;
    (void)seg;
    (void)now;
    if (e->verdict_kind >= 0 && e->verdict_kind != (int)kind) {
        return PL_VERDICT_OK;
    }
    return e->verdict;
}

static void up_data_in(void *up, pl_seq32 seq, struct pl_chunk *chunk, plait_time now) {
    struct tcp_pair_end *e = up;
    (void)now;
    must(chunk->next == NULL, "data_in: one chunk at a time");
    must(seq.v == (uint32_t)(e->tcp.rcv.irs.v + 1 + e->received), "data_in: in order");
    for (uint32_t i = 0; i < chunk->len; i++) {
        must(chunk->data[i] == tcp_pair_byte(e->received + i), "data_in: the right bytes");
    }
    e->received += chunk->len;
    if (!e->hold) {
        pl_chunk_unref(chunk);
        return;
    }
    must(e->unread_count < 4096, "unread chunks");
    e->unread_chunk[e->unread_count++] = chunk;
    e->unread_bytes += chunk->len;
}

static void up_acked(void *up, uint32_t bytes, plait_time now) {
    struct tcp_pair_end *e = up;
    (void)now;
    e->acked += bytes;
    if (e->send_buffer > 0) {
        pl_tcp_kick(&e->tcp);
    }
    must(e->acked <= e->sent, "acknowledged is at most sent");
    struct pl_chunk *old = e->queue;
    pl_chunk_seek(&e->queue, &e->queue_at, bytes);
    if (e->queue != old) {
        pl_chunk_ref(e->queue);
        pl_chunk_unref(old);
    }
}

static uint32_t up_window(void *up) {
    struct tcp_pair_end *e = up;
    return e->receive_buffer > e->unread_bytes ? e->receive_buffer - e->unread_bytes : 0;
}

static uint32_t up_window_max(void *up) {
    return up_window(up);
}

static void up_event(void *up, enum pl_tcp_event event, int64_t arg, plait_time now) {
    struct tcp_pair_end *e = up;
    switch (event) {
        case PL_TCP_ESTABLISHED:
            e->established++;
            return;
        case PL_TCP_RTO:
            e->rtos++;
            must(arg >= 1, "RTO count");
            return;
        case PL_TCP_PROGRESS:
            e->progresses++;
            return;
        case PL_TCP_FIN_IN:
            e->fins_in++;
            if (!e->no_close) {
                pl_tcp_shutdown(&e->tcp, now);
            }
            return;
        case PL_TCP_CLOSED:
            e->closed++;
            e->closed_error = (int)arg;
            must(e->closed == 1, "CLOSED is said once");
            return;
    }
}

static const struct pl_tcp_upper upper_ops = {
    .next = up_next,
    .stalled = up_stalled,
    .data_options_len = up_data_options_len,
    .write_options = up_write_options,
    .options_in = up_options_in,
    .data_in = up_data_in,
    .acked = up_acked,
    .taken_back = up_taken_back,
    .window = up_window,
    .window_max = up_window_max,
    .event = up_event,
};

/* ---- life ---- */

static struct pl_tcp_tuple tuple_of(int index, bool ipv6) {
    struct pl_tcp_tuple t = {.local_port = (uint16_t)(1000 + index),
                             .remote_port = (uint16_t)(1001 - index)};
    t.local.family = ipv6 ? PLAIT_IPV6 : PLAIT_IPV4;
    t.remote.family = t.local.family;
    t.local.bytes[0] = (uint8_t)(10 + index);
    t.remote.bytes[0] = (uint8_t)(11 - index);
    return t;
}

static void end_init(struct tcp_pair *p, int index) {
    const struct tcp_pair_setup *s = &p->setup;
    struct tcp_pair_end *e = &p->end[index];
    e->pair = p;
    e->index = index;
    e->chunk_bytes = 16384;
    e->receive_buffer = s->receive_buffer;
    e->verdict_kind = -1;
    test_env_init(&e->env, s->seed + (uint64_t)index);
    struct plait_config config;
    plait_config_init(&config);
    config.receive_buffer_bytes = s->receive_buffer;
    config.ecn = s->ecn[index];
    if (s->memory_bytes_max > 0) {
        config.memory_bytes_max = s->memory_bytes_max;
    }
    must(pl_ctx_init(&e->ctx, &e->env.env, &config) == 0, "pl_ctx_init");
    pl_list_init(&e->out);
    struct pl_tcp_setup setup = {.tuple = tuple_of(index, s->ipv6),
                                 .ops = &upper_ops,
                                 .up = e,
                                 .out_list = &e->out,
                                 .trace_id = {1, (uint32_t)index + 1},
                                 .mtu = s->mtu,
                                 .tso = s->tso[index],
                                 .iss = {s->iss[index]},
                                 .ts_offset = (uint32_t)pl_rng_next(&p->rng),
                                 .cc = s->cc,
                                 .tuning = s->tuning[index]};
    must(pl_tcp_init(&e->tcp, &e->ctx, &setup) == 0, "pl_tcp_init");
    e->live = true;
}

struct tcp_pair *tcp_pair_new(const struct tcp_pair_setup *setup) {
    struct tcp_pair *p = calloc(1, sizeof(*p));
    must(p != NULL, "calloc");
    p->setup = *setup;
    p->setup.mtu = setup->mtu > 0 ? setup->mtu : 1500;
    p->setup.receive_buffer = setup->receive_buffer > 0 ? setup->receive_buffer : 4 << 20;
    p->now = 1000 * PLAIT_NS_PER_S;
    p->check = true;
    pl_list_init(&p->flying[0]);
    pl_list_init(&p->flying[1]);
    pl_rng_init(&p->rng, setup->seed);
    for (int i = 0; i < 2; i++) {
        p->pipe[i] = setup->pipe;
        end_init(p, i);
    }
    return p;
}

static struct tcp_pair_packet *packet_of(struct pl_list *node) {
    return PL_CONTAINER(node, struct tcp_pair_packet, link);
}

static void packet_free(struct tcp_pair_packet *packet) {
    pl_list_remove(&packet->link);
    plait_buf_unref(packet->buf);
    free(packet);
}

static void end_fini(struct tcp_pair_end *e) {
    if (e->live) {
        pl_tcp_fini(&e->tcp);
    }
    if (e->queue != NULL) {
        pl_chunk_unref(e->queue);
    }
    for (uint32_t i = 0; i < e->unread_count; i++) {
        pl_chunk_unref(e->unread_chunk[i]);
    }
    must(e->ctx.memory.used_bytes == 0, "payload memory is back to zero");
    pl_ctx_fini(&e->ctx);
    must(e->env.live_count == 0, "no allocation is left");
}

void tcp_pair_free(struct tcp_pair *p) {
    for (int i = 0; i < 2; i++) {
        while (!pl_list_empty(&p->flying[i])) {
            packet_free(packet_of(p->flying[i].next));
        }
    }
    end_fini(&p->end[0]);
    end_fini(&p->end[1]);
    free(p);
}

/* ---- the pipe ---- */

static void fly(struct tcp_pair *p, struct tcp_pair_packet *packet) {
    struct pl_list *flying = &p->flying[packet->to], *at = flying;
    while (at->prev != flying && packet_of(at->prev)->at > packet->at) {
        at = at->prev;
    }
    pl_list_insert_before(at, &packet->link);
}

/* Bytes of one packet; its parsed form points into them. */
static struct tcp_pair_packet *packet_make(struct tcp_pair *p, const struct pl_segment *seg,
                                           const uint8_t *options, uint32_t options_len,
                                           const uint8_t *payload, uint32_t len) {
    static struct test_env packets; /* packets belong to nobody's memory */
    if (packets.env.alloc == NULL) {
        test_env_init(&packets, 1);
    }
    struct tcp_pair_packet *packet = calloc(1, sizeof(*packet));
    must(packet != NULL, "calloc");
    pl_list_init(&packet->link);
    packet->buf = plait_buf_alloc(&packets.env, 60 + len);
    must(packet->buf != NULL, "packet buffer");
    uint8_t *d = packet->buf->data;
    if (options_len > 0) {
        memcpy(d + PL_TCP_HEADER, options, options_len);
    }
    uint32_t header = pl_tcp_write(d, seg, options_len);
    if (len > 0) {
        memcpy(d + header, payload, len);
    }
    packet->buf->len = header + len;
    must(pl_tcp_parse(d, packet->buf->len, &packet->seg) == PL_TCP_OK, "what we send parses");
    packet->seg.ecn = seg->ecn;
    (void)p;
    return packet;
}

/* One packet into the pipe. Takes it. */
static void pipe_in(struct tcp_pair *p, int from, struct tcp_pair_packet *packet) {
    bool shared = from == PAIR_A && p->shared != NULL;
    struct tcp_pair_pipe *pipe = shared ? p->shared : &p->pipe[from];
    uint32_t size = packet->buf->len + (p->setup.ipv6 ? 40 : 20);
    must(size <= p->setup.mtu || p->filter != NULL, "packet within the MTU");
    bool pass = p->filter == NULL || p->filter(p, from, &packet->seg, p->filter_arg);
    plait_time start = pipe->free_at > p->now ? pipe->free_at : p->now;
    if (pipe->rate > 0 && pipe->queue_bytes > 0) {
        uint64_t backlog = (start - p->now) * pipe->rate / PLAIT_NS_PER_S;
        if (backlog + size > pipe->queue_bytes) {
            pass = false;
        }
        if (pipe->mark_bytes > 0 && backlog >= pipe->mark_bytes && packet->seg.ecn != 0) {
            packet->seg.ecn = 3;
            pipe->marks++;
        }
    }
    if (pass && (pipe->cut || pl_rng_chance(&p->rng, pipe->loss_ppm))) {
        pass = false;
    }
    if (!pass) {
        pipe->drops++;
        packet_free(packet);
        return;
    }
    pipe->packets++;
    pipe->bytes += size;
    if (pipe->rate > 0) {
        start += size * PLAIT_NS_PER_S / pipe->rate;
        pipe->free_at = start;
    }
    packet->at = start + pipe->delay_ns;
    packet->to = 1 - from;
    if (pl_rng_chance(&p->rng, pipe->reorder_ppm)) {
        packet->at += pl_rng_below(&p->rng, pipe->reorder_ns + 1);
    }
    if (pl_rng_chance(&p->rng, pipe->duplicate_ppm)) {
        struct tcp_pair_packet *copy = malloc(sizeof(*copy));
        must(copy != NULL, "malloc");
        *copy = *packet;
        pl_list_init(&copy->link);
        plait_buf_ref(copy->buf);
        copy->at += pl_rng_below(&p->rng, PLAIT_NS_PER_MS);
        fly(p, copy);
    }
    fly(p, packet);
}

/* What a device does with a large segment. */
static void cut_and_send(struct tcp_pair *p, int from, const struct pl_tcp_tx *tx) {
    uint8_t *all = malloc(tx->payload_len + 1);
    uint32_t have = 0, at = 0;
    must(all != NULL, "malloc");
    for (uint32_t i = 0; i < tx->slice_count; i++) {
        memcpy(all + have, tx->slices[i].data, tx->slices[i].len);
        have += tx->slices[i].len;
    }
    must(have == tx->payload_len, "slices make up the payload");
    uint32_t size = tx->gso_size > 0 ? tx->gso_size : tx->payload_len;
    do {
        uint32_t len = tx->payload_len - at < size ? tx->payload_len - at : size;
        struct pl_segment seg = tx->seg;
        seg.seq = pl_seq32_add(seg.seq, at);
        seg.ecn = tx->ecn;
        if (at + len < tx->payload_len) {
            seg.flags &= (uint8_t) ~(PL_TCP_FIN | PL_TCP_PSH);
        }
        pipe_in(p, from, packet_make(p, &seg, tx->options, tx->options_len, all + at, len));
        at += len;
    } while (at < tx->payload_len);
    free(all);
}

static bool follows(const struct tcp_pair_packet *a, uint32_t len,
                    const struct tcp_pair_packet *b) {
    return b->to == a->to && b->seg.ecn == a->seg.ecn && b->seg.flags == a->seg.flags &&
           b->seg.payload_len > 0 && b->seg.seq.v == a->seg.seq.v + len &&
           b->seg.ack.v == a->seg.ack.v;
}

/* Joins packets that arrive right behind `packet` (GRO). */
static struct tcp_pair_packet *join(struct tcp_pair *p, struct tcp_pair_packet *packet,
                                    uint64_t gro_ns) {
    struct tcp_pair_packet *big = NULL;
    uint32_t len = packet->seg.payload_len;
    uint8_t all[60000];
    if (gro_ns == 0 || len == 0 || len > 9000) {
        return packet;
    }
    memcpy(all, packet->seg.payload, len);
    unsigned joined = 0;
    PL_LIST_FOREACH_SAFE(it, &p->flying[packet->to]) {
        struct tcp_pair_packet *next = packet_of(it);
        if (next->at > p->now + gro_ns || len >= 50000) {
            break;
        }
        if (!follows(packet, len, next)) {
            continue;
        }
        uint32_t more = next->seg.payload_len;
        memcpy(all + len, next->seg.payload, more);
        len += more;
        joined++;
        packet_free(next);
        if (more < packet->seg.payload_len) {
            break;
        }
    }
    if (joined == 0) {
        return packet;
    }
    big = packet_make(p, &packet->seg, packet->buf->data + PL_TCP_HEADER,
                      packet->buf->len - PL_TCP_HEADER - packet->seg.payload_len, all, len);
    big->seg.ecn = packet->seg.ecn;
    big->seg.gso_size = (uint16_t)packet->seg.payload_len;
    big->to = packet->to;
    packet_free(packet);
    return big;
}

static void deliver(struct tcp_pair *p, struct tcp_pair_packet *packet) {
    struct tcp_pair_end *e = &p->end[packet->to];
    packet = join(p, packet, p->pipe[1 - packet->to].gro_ns);
    if (!e->live) {
        packet_free(packet);
        return;
    }
    bool fresh_syn = e->tcp.life.state == PL_TCP_ST_CLOSED && e->closed == 0 &&
                     (packet->seg.flags & (PL_TCP_SYN | PL_TCP_ACK | PL_TCP_RST)) == PL_TCP_SYN;
    if (fresh_syn) {
        pl_tcp_accept(&e->tcp, &packet->seg, false, p->now);
    } else {
        pl_tcp_input(&e->tcp, &packet->seg, packet->buf, p->now);
    }
    packet_free(packet);
}

/* ---- running ---- */

static void pull(struct tcp_pair *p) {
    struct pl_tcp_tx tx;
    for (int i = 0; i < 2; i++) {
        struct tcp_pair_end *e = &p->end[i];
        unsigned guard = 0;
        while (!pl_list_empty(&e->out)) {
            must(++guard < 1000000, "output comes to an end");
            if (pl_tcp_output(&e->tcp, &tx, p->now)) {
                cut_and_send(p, i, &tx);
            }
        }
        if (p->check && e->live) {
            pl_tcp_check(&e->tcp);
        }
    }
}

static plait_time next_event(struct tcp_pair *p) {
    plait_time t = PLAIT_TIME_NEVER;
    for (int i = 0; i < 2; i++) {
        struct pl_list *flying = &p->flying[i];
        plait_time arrival = pl_list_empty(flying) ? PLAIT_TIME_NEVER : packet_of(flying->next)->at;
        t = arrival < t ? arrival : t;
        plait_time timer = pl_timers_next(&p->end[i].ctx.timers);
        t = timer < t ? timer : t;
        if (p->end[i].starved && p->now + 10 * PLAIT_NS_PER_MS < t) {
            t = p->now + 10 * PLAIT_NS_PER_MS;
        }
    }
    return t;
}

/* One step; false when nothing is left to happen before `until`. */
static bool step(struct tcp_pair *p, plait_time until) {
    pull(p);
    plait_time t = next_event(p);
    if (t > until) {
        p->now = until > p->now ? until : p->now;
        return false;
    }
    p->now = t > p->now ? t : p->now;
    for (int i = 0; i < 2; i++) {
        struct pl_list *flying = &p->flying[i];
        while (!pl_list_empty(flying) && packet_of(flying->next)->at <= p->now) {
            struct tcp_pair_packet *packet = packet_of(flying->next);
            pl_list_remove(&packet->link);
            deliver(p, packet);
        }
        pl_timers_run(&p->end[i].ctx.timers, p->now);
        if (p->end[i].starved) {
            p->end[i].starved = false;
            pl_tcp_kick(&p->end[i].tcp);
        }
    }
    return true;
}

void tcp_pair_run_until(struct tcp_pair *p, plait_time until) {
    while (step(p, until)) {
    }
}

bool tcp_pair_run(struct tcp_pair *p, tcp_pair_done *done, uint64_t limit_ns) {
    plait_time until = p->now + limit_ns;
    pull(p);
    while (!done(p)) {
        if (!step(p, until)) {
            return done(p);
        }
    }
    pull(p);
    return true;
}

bool tcp_pair_all_received(struct tcp_pair *p) {
    for (int i = 0; i < 2; i++) {
        const struct tcp_pair_end *e = &p->end[i];
        if (e->acked != e->send_total || p->end[1 - i].received != e->send_total) {
            return false;
        }
    }
    return true;
}

bool tcp_pair_all_closed(struct tcp_pair *p) {
    return p->end[0].closed > 0 && p->end[1].closed > 0;
}

static bool both_established(struct tcp_pair *p) {
    return p->end[0].established > 0 && p->end[1].established > 0;
}

void tcp_pair_connect(struct tcp_pair *p, int who) {
    pl_tcp_connect(&p->end[who].tcp, p->now);
}

void tcp_pair_open(struct tcp_pair *p) {
    tcp_pair_connect(p, PAIR_A);
    must(tcp_pair_run(p, both_established, 100 * PLAIT_NS_PER_S), "connection opens");
}

/* ---- the application ---- */

void tcp_pair_send(struct tcp_pair *p, int who, uint64_t bytes) {
    p->end[who].send_total += bytes;
    pl_tcp_kick(&p->end[who].tcp);
}

void tcp_pair_read(struct tcp_pair *p, int who, uint32_t bytes) {
    struct tcp_pair_end *e = &p->end[who];
    uint32_t freed = 0, n = 0;
    while (n < e->unread_count && freed < bytes) {
        freed += e->unread_chunk[n]->len;
        pl_chunk_unref(e->unread_chunk[n]);
        n++;
    }
    memmove(e->unread_chunk, e->unread_chunk + n,
            (e->unread_count - n) * sizeof(e->unread_chunk[0]));
    e->unread_count -= n;
    e->unread_bytes -= freed;
    pl_tcp_kick(&e->tcp);
}

void tcp_pair_close(struct tcp_pair *p, int who) {
    pl_tcp_shutdown(&p->end[who].tcp, p->now);
}

void tcp_pair_inject(struct tcp_pair *p, int to, const struct pl_segment *seg, uint64_t stream_at) {
    uint8_t payload[2048], options[PL_TCP_OPTIONS_MAX];
    uint32_t options_len = 0;
    struct tcp_pair_end *e = &p->end[to];
    must(seg->payload_len <= sizeof(payload), "injected payload fits");
    for (uint32_t i = 0; i < seg->payload_len; i++) {
        payload[i] = tcp_pair_byte(stream_at + i);
    }
    struct pl_segment full = *seg;
    full.src_port = e->tcp.tuple.remote_port;
    full.dst_port = e->tcp.tuple.local_port;
    if (seg->options.has_timestamps) {
        options_len += pl_tcp_put_timestamps(options, seg->options.ts_val, seg->options.ts_ecr);
    }
    if (seg->options.sack_count > 0) {
        options_len +=
            pl_tcp_put_sack(options + options_len, seg->options.sack, seg->options.sack_count);
    }
    struct tcp_pair_packet *packet =
        packet_make(p, &full, options, options_len, payload, seg->payload_len);
    packet->seg.gso_size = seg->gso_size;
    pl_tcp_input(&e->tcp, &packet->seg, packet->buf, p->now);
    packet_free(packet);
}

/* net/box_flow.c - what boxes know of the flows that pass, and packets that they make or hold. */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "net/box_kind.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum {
    SEQUENCE = 4,
    ACK_NUMBER = 8,
    FLAGS = 13,
    WINDOW = 14,
    CHECKSUM = 16,
    OPTION_WSCALE = 3,
    OPTION_TIMESTAMPS = 8,
    IP4_LENGTH = 2,
    IP4_CHECKSUM = 10,
    IP6_LENGTH = 4,
    IP6_HEADER = 40,
    IP_MAX = 65535,
};

/* ---- packets ---- */

struct plait_buf *pl_box_copy(const struct plait_env *env, const struct plait_buf *buf) {
    struct plait_buf *copy = plait_buf_alloc(env, buf->len);
    if (copy != NULL) {
        memcpy(copy->data, buf->data, buf->len);
        copy->len = buf->len;
    }
    return copy;
}

struct plait_buf *pl_box_make(const struct plait_env *env, const struct pl_box_view *like,
                              struct plait_slice a, struct plait_slice b) {
    uint32_t header_len = (uint32_t)(like->tcp - like->ip) + like->tcp_header_len;
    if (header_len + a.len + b.len > IP_MAX) {
        return NULL;
    }
    struct plait_buf *buf = plait_buf_alloc(env, header_len + a.len + b.len);
    if (buf == NULL) {
        return NULL;
    }
    buf->len = header_len + a.len + b.len;
    memcpy(buf->data, like->ip, header_len);
    if (a.len > 0) {
        memcpy(buf->data + header_len, a.data, a.len);
    }
    if (b.len > 0) {
        memcpy(buf->data + header_len + a.len, b.data, b.len);
    }
    return buf;
}

/* The length of the IP header; extension headers included. */
static uint32_t seal_ip(struct plait_buf *buf) {
    uint8_t *ip = buf->data;
    struct pl_ip parsed;
    if (ip[0] >> 4 == 6) {
        pl_put16(ip + IP6_LENGTH, (uint16_t)(buf->len - IP6_HEADER));
    } else {
        uint32_t header_len = (uint32_t)(ip[0] & 15) * 4;
        pl_put16(ip + IP4_LENGTH, (uint16_t)buf->len);
        pl_put16(ip + IP4_CHECKSUM, 0);
        pl_put16(ip + IP4_CHECKSUM, (uint16_t)~pl_sum_fold(pl_sum_add(0, ip, header_len)));
    }
    enum pl_ip_result result = pl_ip_parse(ip, buf->len, &parsed);
    PL_ASSERT(result == PL_IP_OK);
    return parsed.header_len;
}

void pl_box_seal(struct plait_buf *buf) {
    uint32_t header_len = seal_ip(buf);
    struct pl_ip ip;
    enum pl_ip_result result = pl_ip_parse(buf->data, buf->len, &ip);
    PL_ASSERT(result == PL_IP_OK);
    uint8_t *tcp = buf->data + header_len;
    uint32_t tcp_len = buf->len - header_len;
    pl_put16(tcp + CHECKSUM, 0);
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, tcp_len);
    pl_put16(tcp + CHECKSUM, (uint16_t)~pl_sum_fold(pl_sum_add(sum, tcp, tcp_len)));
}

/* ---- flows ---- */

void pl_box_freshen(struct plait_buf *buf, const struct pl_box_half *half) {
    struct pl_box_view view;
    uint32_t len = 0;
    bool parsed = pl_box_view(buf->data, buf->len, &view);
    PL_ASSERT(parsed);
    pl_box_put_tcp32(&view, ACK_NUMBER, half->ack.v);
    for (uint32_t at = PL_TCP_HEADER; pl_box_option(&view, &at, &len); at += len) {
        if (view.tcp[at] == OPTION_TIMESTAMPS && len == 10) {
            pl_box_put_tcp32(&view, at + 2, half->ts_val);
        }
    }
}

static bool same(const struct plait_endpoint *a, const struct plait_endpoint *b) {
    return a->port == b->port && pl_addr_equal(&a->addr, &b->addr);
}

static struct pl_box_flow *find(struct pl_box *box, const struct plait_endpoint *inside,
                                const struct plait_endpoint *outside) {
    for (unsigned i = 0; i < box->flow_count; i++) {
        struct pl_box_flow *flow = &box->flows[i];
        if (same(&flow->inside, inside) && same(&flow->outside, outside)) {
            return flow;
        }
    }
    return NULL;
}

static void clear(struct pl_box_flow *flow) {
    for (unsigned w = 0; w < 2; w++) {
        while (flow->half[w].held_count > 0) {
            plait_buf_unref(pl_box_unhold(&flow->half[w]));
        }
    }
    memset(flow, 0, sizeof(*flow));
}

/* The oldest one goes when there are too many. */
static struct pl_box_flow *add(struct pl_box *box, const struct plait_endpoint *inside,
                               const struct plait_endpoint *outside) {
    struct pl_box_flow *flow = &box->flows[box->flow_oldest];
    if (box->flow_count < PL_BOX_FLOWS_MAX) {
        flow = &box->flows[box->flow_count++];
    } else {
        box->flow_oldest = (box->flow_oldest + 1) % PL_BOX_FLOWS_MAX;
    }
    clear(flow);
    flow->inside = *inside;
    flow->outside = *outside;
    return flow;
}

static void note_options(struct pl_box_half *half, const struct pl_box_view *view, bool syn) {
    uint32_t len = 0;
    for (uint32_t at = PL_TCP_HEADER; pl_box_option(view, &at, &len); at += len) {
        if (syn && view->tcp[at] == OPTION_WSCALE && len == 3) {
            half->wscale_given = true;
            half->wscale = view->tcp[at + 2] < 14 ? view->tcp[at + 2] : 14;
        }
        if (view->tcp[at] == OPTION_TIMESTAMPS && len == 10) {
            half->ts_val = pl_get32(view->tcp + at + 2);
        }
    }
}

static void note(struct pl_box_half *half, const struct pl_box_view *view) {
    uint8_t flags = view->tcp[FLAGS];
    uint32_t len = pl_box_payload_len(view);
    bool syn = (flags & PL_TCP_SYN) != 0;
    pl_seq32 end = {pl_get32(view->tcp + SEQUENCE) + len + (syn ? 1U : 0U) +
                    ((flags & PL_TCP_FIN) != 0 ? 1U : 0U)};
    if (!half->known) {
        half->known = true;
        half->first = (pl_seq32){pl_get32(view->tcp + SEQUENCE)};
        half->next = end;
        half->data_end = half->first;
    }
    half->next = pl_seq32_max(half->next, end);
    if (len > 0) {
        pl_seq32 data_end = {pl_get32(view->tcp + SEQUENCE) + len};
        half->data_end = pl_seq32_max(half->data_end, data_end);
    }
    half->ack = (pl_seq32){pl_get32(view->tcp + ACK_NUMBER)};
    half->window_raw = pl_get16(view->tcp + WINDOW);
    note_options(half, view, syn);
}

/* A SYN of another connection than the one that is known. */
static bool reuses(const struct pl_box_half *half, const struct pl_box_view *view) {
    return half->known && half->first.v != pl_get32(view->tcp + SEQUENCE);
}

struct pl_box_flow *pl_box_track(struct pl_box *box, const struct pl_box_packet *packet,
                                 bool acting) {
    struct plait_endpoint inside, outside;
    PL_ASSERT(box->flows != NULL);
    const struct pl_box_view *view = &packet->view;
    pl_box_endpoint(view, packet->way == PL_BOX_OUT, &inside);
    pl_box_endpoint(view, packet->way == PL_BOX_IN, &outside);
    uint8_t flags = view->tcp[FLAGS];
    bool opens = (flags & (PL_TCP_SYN | PL_TCP_ACK)) == PL_TCP_SYN;
    struct pl_box_flow *flow = find(box, &inside, &outside);
    if (flow == NULL) {
        flow = add(box, &inside, &outside);
        flow->young = acting && opens;
    } else if (opens && reuses(&flow->half[packet->way], view)) {
        clear(flow);
        *flow = (struct pl_box_flow){.inside = inside, .outside = outside, .young = acting};
    }
    if ((flags & PL_TCP_RST) == 0 && pl_box_sound(view)) {
        note(&flow->half[packet->way], view);
    }
    return flow;
}

void pl_box_flows_fini(struct pl_box *box) {
    for (unsigned i = 0; i < box->flow_count; i++) {
        clear(&box->flows[i]);
    }
    box->flow_count = 0;
}

bool pl_box_hold(struct pl_box_half *half, struct plait_buf *buf) {
    if (half->held_count == PL_BOX_HELD_MAX) {
        return false;
    }
    plait_buf_ref(buf);
    half->held[half->held_count++] = buf;
    return true;
}

struct plait_buf *pl_box_unhold(struct pl_box_half *half) {
    PL_ASSERT(half->held_count > 0);
    struct plait_buf *buf = half->held[0];
    half->held_count--;
    memmove(half->held, half->held + 1, half->held_count * sizeof(half->held[0]));
    if (half->held_count == 0) {
        half->due = 0;
    }
    return buf;
}

plait_time pl_box_flows_due(const struct pl_box *box) {
    plait_time first = PLAIT_TIME_NEVER;
    for (unsigned i = 0; i < 2 * box->flow_count; i++) {
        const struct pl_box_half *half = &box->flows[i / 2].half[i % 2];
        if (half->due != 0 && half->due < first) {
            first = half->due;
        }
    }
    return first;
}

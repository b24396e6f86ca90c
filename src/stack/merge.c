/* stack/merge.c - packets that belong together become one before the stack sees them, as GRO does
 * it.
 *
 * What continues is decided on the bytes of the headers, without parsing options: equal options
 * mean an equal mapping and equal timestamps, so nothing is lost by keeping the first packet's. The
 * payload is copied behind it: that costs less than a reference per packet and what hangs on it. */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "plait/offload.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { ROOM = 65600, LEN_MAX = 65535, V4_HEADER = 20, V6_HEADER = 40 };
enum {
    V4_LEN = 2,
    V4_IDENT = 4,
    V4_FLAGS = 6,
    V4_SUM = 10,
    V4_PROTOCOL = 9,
    V4_MF_OFFSET = 0x3fff
};
enum { V6_LEN = 4, V6_NEXT = 6, AT_SEQ = 4, AT_ACK = 8, AT_OFFSET = 12, AT_FLAGS = 13 };
enum { AT_WINDOW = 14, AT_URGENT = 18 };

/* A packet as far as it matters here. */
struct seen {
    const uint8_t *ip, *tcp, *payload;
    uint32_t ip_len, tcp_len, payload_len;
};

/* The IP header's length if the packet is whole TCP without IP options or extensions; else 0. */
static uint32_t ip_header(const uint8_t *ip, uint32_t len) {
    if (len > V4_HEADER && ip[0] == 0x45) {
        bool plain = pl_get16(ip + V4_LEN) == len && ip[V4_PROTOCOL] == PL_IP_TCP &&
                     (pl_get16(ip + V4_FLAGS) & V4_MF_OFFSET) == 0;
        return plain && pl_sum_fold(pl_sum_add(0, ip, V4_HEADER)) == 0xffff ? V4_HEADER : 0;
    }
    if (len > V6_HEADER && ip[0] >> 4 == 6) {
        bool plain = V6_HEADER + (uint32_t)pl_get16(ip + V6_LEN) == len && ip[V6_NEXT] == PL_IP_TCP;
        return plain ? V6_HEADER : 0;
    }
    return 0;
}

static bool sum_ok(const struct seen *s) {
    bool v4 = s->ip_len == V4_HEADER;
    uint32_t len = s->tcp_len + s->payload_len;
    uint64_t sum = pl_sum_add(PL_IP_TCP + len, s->ip + (v4 ? 12 : 8), v4 ? 8 : 32);
    return pl_sum_fold(pl_sum_add(sum, s->tcp, len)) == 0xffff;
}

/* Whether the packet is one that others may join: payload, ACK and nothing else of note. */
static bool look(const uint8_t *packet, uint32_t len, const struct plait_rx_meta *meta,
                 struct seen *s) {
    s->ip = packet;
    s->ip_len = ip_header(packet, len);
    if (s->ip_len == 0 || len < s->ip_len + PL_TCP_HEADER) {
        return false;
    }
    s->tcp = packet + s->ip_len;
    s->tcp_len = 4u * (s->tcp[AT_OFFSET] >> 4);
    if (s->tcp_len < PL_TCP_HEADER || len <= s->ip_len + s->tcp_len ||
        (s->tcp[AT_FLAGS] & ~PL_TCP_PSH) != PL_TCP_ACK) {
        return false;
    }
    s->payload = s->tcp + s->tcp_len;
    s->payload_len = len - s->ip_len - s->tcp_len;
    bool vouched = meta != NULL && (meta->flags & PLAIT_RX_CSUM_OK) != 0;
    return (meta == NULL || meta->gso_size == 0) && (vouched || sum_ok(s));
}

/* All of the IP header but length, identification and checksum. */
static bool same_ip(const uint8_t *a, const uint8_t *b, uint32_t ip_len) {
    if (ip_len == V6_HEADER) {
        return memcmp(a, b, V6_LEN) == 0 && memcmp(a + V6_NEXT, b + V6_NEXT, 34) == 0;
    }
    return memcmp(a, b, V4_LEN) == 0 && memcmp(a + V4_FLAGS, b + V4_FLAGS, 4) == 0 &&
           memcmp(a + 12, b + 12, 8) == 0;
}

/* All of the TCP header but sequence number, PSH and checksum. */
static bool same_tcp(const uint8_t *a, const uint8_t *b, uint32_t tcp_len) {
    return memcmp(a, b, AT_SEQ) == 0 && memcmp(a + AT_ACK, b + AT_ACK, 5) == 0 &&
           memcmp(a + AT_WINDOW, b + AT_WINDOW, 2) == 0 &&
           memcmp(a + AT_URGENT, b + AT_URGENT, tcp_len - AT_URGENT) == 0;
}

static bool continues(const struct plait_merge *m, const struct seen *s) {
    if (m->headers == 0 || s->payload_len > m->meta.gso_size ||
        m->headers != s->ip_len + s->tcp_len || m->buf->len + s->payload_len > LEN_MAX) {
        return false;
    }
    const uint8_t *ip = m->buf->data, *tcp = ip + m->ip_len;
    return s->ip_len == m->ip_len && pl_get32(s->tcp + AT_SEQ) == m->next_seq &&
           same_ip(ip, s->ip, s->ip_len) && same_tcp(tcp, s->tcp, s->tcp_len);
}

/* Makes a whole packet of what is collected. */
static void finish(struct plait_merge *m) {
    uint8_t *ip = m->buf->data;
    if (m->ip_len == V6_HEADER) {
        pl_put16(ip + V6_LEN, (uint16_t)(m->buf->len - V6_HEADER));
        return;
    }
    pl_put16(ip + V4_LEN, (uint16_t)m->buf->len);
    pl_put16(ip + V4_SUM, 0);
    pl_put16(ip + V4_SUM, (uint16_t)~pl_sum_fold(pl_sum_add(0, ip, V4_HEADER)));
}

static void hand_over(struct plait_merge *m, struct plait_stack *stack, plait_port_id port,
                      plait_time now) {
    plait_input(stack, port, m->buf, &m->meta, now);
    if (m->buf->refs > 1) { /* the stack keeps the payload */
        plait_buf_unref(m->buf);
        m->buf = NULL;
    }
}

void plait_merge_flush(struct plait_merge *m, struct plait_stack *stack, plait_port_id port,
                       plait_time now) {
    if (m->headers == 0) {
        return;
    }
    PL_ASSERT(m->buf != NULL && m->headers < m->buf->len);
    if (m->buf->len > m->headers + m->meta.gso_size) {
        finish(m);
    } else {
        m->meta.gso_size = 0;
    }
    m->headers = 0;
    hand_over(m, stack, port, now);
}

void plait_merge_fini(struct plait_merge *m) {
    if (m->buf != NULL) {
        plait_buf_unref(m->buf);
    }
    *m = (struct plait_merge){.buf = NULL};
}

static void join(struct plait_merge *m, const struct seen *s, struct plait_stack *stack,
                 plait_port_id port, plait_time now) {
    struct plait_buf *buf = m->buf;
    PL_ASSERT(buf->len + s->payload_len <= buf->cap);
    memcpy(buf->data + buf->len, s->payload, s->payload_len);
    buf->len += s->payload_len;
    m->next_seq += s->payload_len;
    uint8_t push = s->tcp[AT_FLAGS] & PL_TCP_PSH;
    buf->data[m->ip_len + AT_FLAGS] |= push;
    if (push != 0 || s->payload_len < m->meta.gso_size) {
        plait_merge_flush(m, stack, port, now);
    }
}

void plait_merge_input(struct plait_merge *m, struct plait_stack *stack, plait_port_id port,
                       const struct plait_env *env, const void *packet, uint32_t len,
                       const struct plait_rx_meta *meta, plait_time now) {
    struct seen s;
    bool joins = look(packet, len, meta, &s);
    if (joins && continues(m, &s)) {
        join(m, &s, stack, port, now);
        return;
    }
    plait_merge_flush(m, stack, port, now);
    if (len > ROOM) {
        return;
    }
    if (m->buf == NULL) {
        m->buf = plait_buf_alloc(env, ROOM);
    }
    if (m->buf == NULL) {
        return;
    }
    memcpy(m->buf->data, packet, len);
    m->buf->len = len;
    m->meta = meta != NULL ? *meta : (struct plait_rx_meta){0};
    if (!joins) {
        hand_over(m, stack, port, now);
        return;
    }
    m->meta.flags |= PLAIT_RX_CSUM_OK;
    m->meta.gso_size = (uint16_t)s.payload_len;
    m->headers = s.ip_len + s.tcp_len;
    m->ip_len = s.ip_len;
    m->next_seq = pl_get32(s.tcp + AT_SEQ) + s.payload_len;
    if ((s.tcp[AT_FLAGS] & PL_TCP_PSH) != 0) {
        plait_merge_flush(m, stack, port, now);
    }
}

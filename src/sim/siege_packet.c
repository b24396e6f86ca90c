/* Packets of the siege: taking apart, forging, learning from them. */
#include <string.h>

#include "base/bytes.h"
#include "mptcp/keys.h"
#include "plait/buf.h"
#include "sim/siege.h"
#include "wire/checksum.h"

enum { HOPS = 64, CHECKSUM_AT = 16, WINDOW = 65535, PACKET_MAX = 1500 };

struct plait_endpoint pl_siege_endpoint(unsigned net, unsigned subnet, unsigned number,
                                        uint16_t port) {
    return (struct plait_endpoint){
        .addr = {.bytes = {10, (uint8_t)net, (uint8_t)subnet, (uint8_t)number},
                 .family = PLAIT_IPV4},
        .port = port};
}

bool pl_siege_foreign(const struct plait_addr *addr) {
    return addr->bytes[1] == SIEGE_ATTACKER_NET || addr->bytes[1] == SIEGE_THIRD_NET;
}

bool pl_siege_parse(struct pl_siege_packet *packet, uint8_t *data, uint32_t len) {
    struct pl_ip ip;
    if (pl_ip_parse(data, len, &ip) != PL_IP_OK || ip.protocol != PL_IP_TCP ||
        pl_tcp_parse(data + ip.header_len, ip.payload_len, &packet->seg) != PL_TCP_OK) {
        return false;
    }
    packet->src = (struct plait_endpoint){.addr = ip.src, .port = packet->seg.src_port};
    packet->dst = (struct plait_endpoint){.addr = ip.dst, .port = packet->seg.dst_port};
    packet->data = data;
    packet->len = len;
    return true;
}

static void put_checksum(uint8_t *data, uint32_t len, const struct pl_ip *ip) {
    uint8_t *tcp = data + len - ip->payload_len;
    uint64_t sum = pl_sum_pseudo(&ip->src, &ip->dst, PL_IP_TCP, ip->payload_len);
    pl_put16(tcp + CHECKSUM_AT, 0);
    pl_put16(tcp + CHECKSUM_AT, (uint16_t)~pl_sum_fold(pl_sum_add(sum, tcp, ip->payload_len)));
}

void pl_siege_fix(struct pl_siege_packet *packet) {
    struct pl_ip ip;
    if (pl_ip_parse(packet->data, packet->len, &ip) == PL_IP_OK) {
        put_checksum(packet->data, packet->len, &ip);
    }
}

static uint32_t put_options(const struct pl_tcp_options *options, uint8_t *out) {
    uint32_t len = 0;
    if (options->has_mss) {
        len += pl_tcp_put_mss(out, options->mss);
    }
    if (options->has_timestamps) {
        len += pl_tcp_put_timestamps(out + len, options->ts_val, options->ts_ecr);
    }
    for (unsigned s = PL_MP_CAPABLE; s <= PL_MP_TCPRST; s++) {
        if (pl_mptcp_has(&options->mptcp, (enum pl_mptcp_subtype)s)) {
            len += pl_mptcp_write(out + len, (enum pl_mptcp_subtype)s, &options->mptcp);
        }
    }
    return len;
}

void pl_siege_send(struct pl_siege *siege, const struct plait_endpoint *src,
                   const struct plait_endpoint *dst, const struct pl_segment *seg) {
    uint8_t options[2 * PL_TCP_OPTIONS_MAX];
    struct pl_segment with = *seg;
    uint32_t options_len = put_options(&seg->options, options);
    struct plait_buf *buf = plait_buf_alloc(siege->wire.env, PACKET_MAX);
    if (buf == NULL || options_len > PL_TCP_OPTIONS_MAX) {
        pl_sim_fail(&siege->verdict, "the attacker's segment has no room");
        return;
    }
    struct pl_ip ip = {.src = src->addr,
                       .dst = dst->addr,
                       .protocol = PL_IP_TCP,
                       .hops = HOPS,
                       .payload_len = PL_TCP_HEADER + options_len + seg->payload_len};
    uint32_t at = pl_ip_write(buf->data, &ip, 1);
    with.src_port = src->port;
    with.dst_port = dst->port;
    with.window_raw = WINDOW;
    memcpy(buf->data + at + PL_TCP_HEADER, options, options_len);
    at += pl_tcp_write(buf->data + at, &with, options_len);
    if (seg->payload_len > 0) {
        memcpy(buf->data + at, seg->payload, seg->payload_len);
    }
    buf->len = at + seg->payload_len;
    put_checksum(buf->data, buf->len, &ip);
    const struct pl_link_meta meta = {.tag = SIEGE_ATTACKER};
    (void)pl_link_send(&siege->wire, buf, &meta, siege->now);
    plait_buf_unref(buf);
    siege->result->forged++;
}

struct pl_segment pl_siege_ack(const struct pl_siege *siege, unsigned flow, unsigned from) {
    const struct pl_siege_flow *f = &siege->flow[flow];
    struct pl_segment seg = {.seq = f->next[from], .ack = f->next[1 - from], .flags = PL_TCP_ACK};
    seg.options.has_timestamps = true;
    seg.options.ts_val = f->timestamp[from];
    seg.options.ts_ecr = f->timestamp[1 - from];
    return seg;
}

void pl_siege_send_as(struct pl_siege *siege, unsigned flow, unsigned from,
                      const struct pl_segment *seg) {
    const struct pl_siege_flow *f = &siege->flow[flow];
    if (f->seen) {
        pl_siege_send(siege, &f->end[from], &f->end[1 - from], seg);
    }
}

/* ---- learning ---- */

static void learn_secrets(struct pl_siege *siege, const struct pl_siege_packet *packet) {
    const struct pl_mptcp_options *o = &packet->seg.options.mptcp;
    struct pl_siege_secrets *known = &siege->secrets;
    unsigned from = packet->from;
    if (pl_mptcp_has(o, PL_MP_CAPABLE) && o->capable.len >= 12) {
        pl_seq64 idsn;
        known->key[from] = o->capable.key_sender;
        pl_key_hash(siege->version, siege->options->hashes, known->key[from], &known->token[from],
                    &idsn);
    }
}

void pl_siege_learn(struct pl_siege *siege, const struct pl_siege_packet *packet) {
    const struct pl_segment *seg = &packet->seg;
    const struct plait_endpoint *client =
        packet->from == SIEGE_CLIENT ? &packet->src : &packet->dst;
    unsigned index = client->addr.bytes[2];
    if (pl_siege_foreign(&packet->src.addr) || pl_siege_foreign(&packet->dst.addr) ||
        index >= SIEGE_FLOWS) {
        return;
    }
    struct pl_siege_flow *flow = &siege->flow[index];
    unsigned from = packet->from;
    learn_secrets(siege, packet);
    pl_seq32 end = pl_seq32_add(seg->seq, pl_segment_len(seg));
    if ((seg->flags & PL_TCP_SYN) != 0) {
        flow->seen = true;
        flow->end[from] = packet->src;
        flow->end[1 - from] = packet->dst;
        flow->first[from] = end;
        flow->next[from] = end;
    }
    bool news = pl_seq32_lt(flow->next[from], end);
    flow->next[from] = pl_seq32_max(flow->next[from], end);
    if (seg->options.has_timestamps) {
        flow->timestamp[from] = seg->options.ts_val;
    }
    if (news && pl_mptcp_has(&seg->options.mptcp, PL_MP_DSS) && seg->options.mptcp.dss.has_map) {
        flow->dsn_next[from] = seg->options.mptcp.dss.dsn + seg->options.mptcp.dss.len;
    }
}

/* mptcp_peer.c - see mptcp_peer.h. */
#include "mptcp_peer.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/ip.h"

static void need(bool ok, const char *what) {
    if (!ok) {
        plait_abort_hook(what, __FILE__, __LINE__);
    }
}

/* ---- hashes, computed here and not by src/mptcp ---- */

static uint64_t idsn_forced; /* a hash function gets no argument of ours */

static void sha256(void *user, const void *msg, size_t len, uint8_t out[32]) {
    (void)user;
    SHA256(msg, len, out);
    if (idsn_forced != 0) {
        pl_put64(out + 24, idsn_forced);
    }
}

void peer_key_facts(uint64_t key, uint32_t *token, uint64_t *idsn) {
    uint8_t bytes[8], digest[32];
    pl_put64(bytes, key);
    sha256(NULL, bytes, 8, digest);
    *token = pl_get32(digest);
    *idsn = pl_get64(digest + 24);
}

/* ---- life ---- */

static void add_port(struct peer *p, unsigned path) {
    struct plait_port_config config = {
        .size = sizeof(config), .mtu = 1500, .flags = p->setup.port_flags};
    need(plait_port_add(p->stack, &config, &p->port[path]) == 0, "plait_port_add");
    for (unsigned i = 0; i < 2; i++) {
        struct plait_addr addr = pair_addr(PAIR_B, path, i == 0 ? PLAIT_IPV4 : PLAIT_IPV6);
        int id =
            plait_address_add(p->stack, p->port[path], &addr, p->setup.address_flags, 0, 0, p->now);
        need(id > 0, "plait_address_add");
    }
}

void peer_init(struct peer *p, const struct peer_setup *setup) {
    memset(p, 0, sizeof(*p));
    if (setup != NULL) {
        p->setup = *setup;
    }
    p->now = 1000 * PLAIT_NS_PER_S;
    p->paths = p->setup.paths != 0 ? p->setup.paths : 1;
    p->key_local = UINT64_C(0x1122334455667788);
    p->tcp_port_next = 5000;
    p->window = 65535;
    p->log = calloc(PEER_LOG, sizeof(*p->log));
    p->got = calloc(PEER_STREAM, 1);
    need(p->log != NULL && p->got != NULL && p->paths <= PEER_PATHS_MAX, "peer_init");
    test_env_init(&p->env, 7);
    idsn_forced = p->setup.idsn;
    p->env.env.sha256 = sha256;
    peer_key_facts(p->key_local, &p->token_local, &p->idsn_local);
    need(plait_stack_create(&p->stack, &p->env.env, p->setup.config) == 0, "plait_stack_create");
    for (unsigned path = 0; path < p->paths; path++) {
        add_port(p, path);
    }
}

void peer_fini(struct peer *p) {
    plait_stack_check(p->stack);
    plait_stack_destroy(p->stack);
    need(p->env.live_count == 0, "memory back to zero");
    free(p->log);
    free(p->got);
    idsn_forced = 0;
}

/* ---- sending ---- */

static uint32_t write_options(uint8_t *out, const struct pl_mptcp_options *o) {
    uint32_t len = 0;
    for (int s = PL_MP_CAPABLE; o != NULL && s <= PL_MP_TCPRST; s++) {
        if (pl_mptcp_has(o, (enum pl_mptcp_subtype)s)) {
            len += pl_mptcp_write(out + len, (enum pl_mptcp_subtype)s, o);
        }
    }
    need(len <= PL_TCP_OPTIONS_MAX, "options fit");
    return len;
}

void peer_send(struct peer *p, const struct peer_seg *s) {
    struct peer_flow *f = &p->flow[s->flow];
    bool syn = (s->flags & PL_TCP_SYN) != 0;
    uint32_t at = s->seq == PEER_NO_OFFSET ? f->nxt : (uint32_t)s->seq;
    struct pl_segment seg = {
        .src_port = f->local.port,
        .dst_port = f->remote.port,
        .seq = {f->iss + (syn ? 0 : 1 + at)},
        .ack = {f->irs + 1 + f->rcv_nxt},
        .flags = (uint8_t)(s->flags | (s->no_ack ? 0 : PL_TCP_ACK)),
        .window_raw = s->window != 0 ? s->window : (uint16_t)p->window,
    };
    uint8_t options[PL_TCP_OPTIONS_MAX + 4];
    uint32_t mss_len = syn ? pl_tcp_put_mss(options, 1460) : 0;
    uint32_t options_len = mss_len + write_options(options + mss_len, s->o);
    struct pl_ip ip = {.src = f->local.addr, .dst = f->remote.addr, .protocol = PL_IP_TCP};
    ip.hops = 64;
    ip.payload_len = PL_TCP_HEADER + options_len + s->len;
    struct plait_buf *buf = plait_buf_alloc(&p->env.env, 40 + ip.payload_len);
    if (buf == NULL) { /* the test lets allocations fail */
        return;
    }
    uint32_t head = pl_ip_write(buf->data, &ip, 1);
    uint8_t *tcp = buf->data + head;
    memcpy(tcp + PL_TCP_HEADER, options, options_len);
    uint8_t *payload = tcp + pl_tcp_write(tcp, &seg, options_len);
    for (uint32_t i = 0; i < s->len; i++) {
        payload[i] = pair_pattern(s->at + i);
    }
    if (s->corrupt) {
        payload[0] ^= 0x55;
    }
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    pl_put16(tcp + 16, (uint16_t)~pl_sum_fold(pl_sum_add(sum, tcp, ip.payload_len)));
    buf->len = head + ip.payload_len;
    if (!s->stay && s->seq == PEER_NO_OFFSET) {
        f->nxt += s->len + ((s->flags & PL_TCP_FIN) != 0 ? 1 : 0);
    }
    plait_input(p->stack, p->port[f->path], buf, NULL, p->now);
    plait_buf_unref(buf);
    peer_pull(p);
}

/* RFC 8684 section 3.3: over the payload and a pseudo header. */
static uint64_t payload_sum(uint64_t at, uint32_t len) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < len; i++) {
        sum += (uint64_t)pair_pattern(at + i) << (i % 2 == 0 ? 8 : 0);
    }
    return sum;
}

static uint16_t dss_checksum(uint64_t dsn, uint32_t ssn, uint16_t len, uint64_t sum) {
    for (unsigned shift = 0; shift < 64; shift += 16) {
        sum += dsn >> shift & 0xffff;
    }
    sum += (ssn >> 16) + (ssn & 0xffff) + len;
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

struct pl_mptcp_options peer_map(const struct peer *p, uint64_t at, uint32_t ssn, uint32_t len,
                                 bool fin) {
    struct pl_mptcp_options o = {.present = 1 << PL_MP_DSS};
    o.dss.has_map = true;
    o.dss.dsn_is_64 = true;
    o.dss.dsn = p->idsn_local + 1 + at;
    o.dss.ssn = fin && len == 0 ? 0 : 1 + ssn;
    o.dss.len = (uint16_t)(len + (fin ? 1 : 0));
    o.dss.data_fin = fin;
    o.dss.has_ack = true;
    o.dss.ack_is_64 = true;
    o.dss.ack = p->idsn_remote + 1 + p->got_to + (p->fin_seen && p->fin_at == p->got_to ? 1 : 0);
    if (p->checksum) {
        o.dss.has_checksum = true;
        o.dss.checksum = dss_checksum(o.dss.dsn, o.dss.ssn, o.dss.len, payload_sum(at, len));
    }
    return o;
}

void peer_data(struct peer *p, unsigned flow, uint64_t at, uint32_t len) {
    struct pl_mptcp_options o = peer_map(p, at, p->flow[flow].nxt, len, false);
    peer_send(
        p, &(struct peer_seg){.flow = flow, .seq = PEER_NO_OFFSET, .len = len, .at = at, .o = &o});
}

void peer_ack(struct peer *p, unsigned flow, uint64_t data) {
    struct pl_mptcp_options o = {.present = 1 << PL_MP_DSS};
    o.dss.has_ack = true;
    o.dss.ack_is_64 = true;
    o.dss.ack = p->idsn_remote + 1 + data;
    peer_send(p, &(struct peer_seg){.flow = flow, .seq = PEER_NO_OFFSET, .o = &o});
}

/* ---- receiving ---- */

static unsigned flow_of(struct peer *p, const struct peer_rx *rx) {
    for (unsigned i = 0; i < p->flow_count; i++) {
        const struct peer_flow *f = &p->flow[i];
        if (f->local.port == rx->dst.port && f->remote.port == rx->src.port &&
            memcmp(&f->local.addr, &rx->dst.addr, sizeof(f->local.addr)) == 0 &&
            memcmp(&f->remote.addr, &rx->src.addr, sizeof(f->remote.addr)) == 0) {
            return i;
        }
    }
    return PEER_FLOWS_MAX;
}

/* The stack's bytes must be the pattern, where the mapping says that they are. */
static void take_mapped(struct peer *p, const struct peer_flow *f, const struct pl_segment *seg) {
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    bool capable = pl_mptcp_has(o, PL_MP_CAPABLE) && o->capable.len >= 22;
    bool mapped = pl_mptcp_has(o, PL_MP_DSS) && o->dss.has_map && o->dss.len > 0;
    if (mapped && o->dss.data_fin) {
        p->fin_at = o->dss.dsn + o->dss.len - 1 - (p->idsn_remote + 1);
        p->fin_seen = true;
    }
    bool fin_alone = mapped && o->dss.data_fin && o->dss.len == 1; /* on a probe's old byte */
    if (seg->payload_len == 0 || (!capable && !mapped) || fin_alone) {
        return;
    }
    uint64_t dsn = capable ? 0 : o->dss.dsn - (p->idsn_remote + 1);
    uint32_t ssn = capable ? 1 : o->dss.ssn;
    uint32_t into = seg->seq.v - (f->irs + ssn);
    uint32_t len = capable ? o->capable.data_len : o->dss.len - (o->dss.data_fin ? 1U : 0U);
    need(into + seg->payload_len <= len, "payload lies inside its mapping");
    if (p->checksum && seg->payload_len == len) {
        uint16_t sum = capable ? o->capable.checksum : o->dss.checksum;
        uint16_t wire_len = capable ? o->capable.data_len : o->dss.len;
        uint64_t whole = payload_sum(dsn, len);
        need(sum == dss_checksum(p->idsn_remote + 1 + dsn, ssn, wire_len, whole), "DSS checksum");
    }
    for (uint32_t i = 0; i < seg->payload_len; i++) {
        uint64_t at = dsn + into + i;
        need(seg->payload[i] == pair_pattern(at), "mapped bytes are the stream's");
        need(at < PEER_STREAM, "the peer can remember so much");
        p->got[at] = 1;
    }
    while (p->got_to < PEER_STREAM && p->got[p->got_to] != 0) {
        p->got_to++;
    }
}

static void judge(struct peer *p, const struct peer_rx *rx) {
    const struct pl_segment *seg = &rx->seg;
    const struct pl_mptcp_options *o = &seg->options.mptcp;
    if (rx->flow == PEER_FLOWS_MAX || (seg->flags & PL_TCP_SYN) != 0) {
        return;
    }
    struct peer_flow *f = &p->flow[rx->flow];
    f->rst_in = f->rst_in || (seg->flags & PL_TCP_RST) != 0;
    if (pl_mptcp_has(o, PL_MP_DSS) && o->dss.has_ack && o->dss.ack_is_64) {
        uint64_t ack = o->dss.ack - (p->idsn_local + 1);
        p->ack_seen = ack > p->ack_seen ? ack : p->ack_seen;
        uint64_t edge = ack + seg->window_raw;
        bool rst = (seg->flags & PL_TCP_RST) != 0;
        need(rst || edge >= p->edge_seen, "the window's edge never moves back");
        p->edge_seen = rst ? p->edge_seen : edge;
    }
    take_mapped(p, f, seg);
    uint32_t at = seg->seq.v - (f->irs + 1);
    uint32_t end = at + seg->payload_len;
    bool old = (int32_t)(at - f->rcv_nxt) < 0 && (seg->flags & (PL_TCP_RST | PL_TCP_FIN)) == 0;
    if (at <= f->rcv_nxt && end >= f->rcv_nxt && (int32_t)at >= 0) {
        f->rcv_nxt = end;
        if ((seg->flags & PL_TCP_FIN) != 0 && !f->fin_in) {
            f->fin_in = true;
            f->rcv_nxt++;
        }
    }
    if (p->alive && f->open && old) {
        peer_ack(p, rx->flow, p->got_to);
    }
    if (p->auto_ack && f->open && (seg->payload_len > 0 || (seg->flags & PL_TCP_FIN) != 0)) {
        bool fin = p->fin_seen && p->fin_at == p->got_to;
        peer_ack(p, rx->flow, p->got_to + (fin ? 1 : 0));
    }
}

static void take(struct peer *p, unsigned path, const struct plait_tx *tx) {
    static uint8_t packet[70000];
    struct pl_ip ip;
    struct peer_rx rx = {.at = p->now, .path = path};
    uint32_t len = tx->header_len;
    memcpy(packet, tx->header, len);
    for (uint32_t i = 0; i < tx->slice_count; i++) {
        memcpy(packet + len, tx->slices[i].data, tx->slices[i].len);
        len += tx->slices[i].len;
    }
    need(pl_ip_parse(packet, len, &ip) == PL_IP_OK && ip.protocol == PL_IP_TCP, "an IP packet");
    uint8_t *tcp = packet + ip.header_len;
    need(pl_tcp_parse(tcp, ip.payload_len, &rx.seg) == PL_TCP_OK, "a TCP segment");
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    bool right = pl_sum_fold(pl_sum_add(sum, tcp, ip.payload_len)) == 0xffff;
    need(right || tx->needs_csum, "the TCP checksum");
    need(rx.seg.options.mptcp.bad == 0, "well-formed options");
    rx.src = (struct plait_endpoint){ip.src, rx.seg.src_port};
    rx.dst = (struct plait_endpoint){ip.dst, rx.seg.dst_port};
    rx.flow = flow_of(p, &rx);
    if (p->log_count < PEER_LOG) {
        p->log[p->log_count++] = rx;
    }
    judge(p, &rx);
}

void peer_pull(struct peer *p) {
    struct plait_tx tx;
    for (unsigned path = 0; path < p->paths; path++) {
        for (unsigned n = 0; plait_output(p->stack, p->port[path], &tx, 1, p->now) > 0; n++) {
            need(n < 100000, "output ends");
            if (!p->mute[path]) {
                take(p, path, &tx);
            }
        }
    }
}

void peer_run(struct peer *p, uint64_t ns) {
    plait_time until = p->now + ns;
    peer_pull(p);
    for (unsigned n = 0; plait_deadline(p->stack) <= until; n++) {
        plait_time next = plait_deadline(p->stack);
        need(n < 1000000, "time goes on");
        p->now = next > p->now ? next : p->now;
        plait_tick(p->stack, p->now);
        peer_pull(p);
    }
    p->now = until;
    plait_stack_check(p->stack);
}

/* mptcp_peer_open.c - the handshakes of mptcp_peer.h, its socket calls, and looking things up. */
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/bytes.h"
#include "mptcp_peer.h"
#include "socket/table.h"

static void need(bool ok, const char *what) {
    if (!ok) {
        plait_abort_hook(what, __FILE__, __LINE__);
    }
}

static void join_hmac(uint64_t k1, uint64_t k2, uint32_t r1, uint32_t r2, uint8_t out[32]) {
    uint8_t key[16], msg[8];
    unsigned len = 32;
    pl_put64(key, k1);
    pl_put64(key + 8, k2);
    pl_put32(msg, r1);
    pl_put32(msg + 4, r2);
    need(HMAC(EVP_sha256(), key, 16, msg, 8, out, &len) != NULL, "HMAC");
}

uint64_t peer_add_addr_hmac(const struct peer *p, bool ours, uint8_t id,
                            const struct plait_endpoint *at) {
    uint8_t key[16], msg[19] = {id}, digest[32];
    unsigned len = 32, addr_len = at->addr.family == PLAIT_IPV4 ? 4 : 16;
    pl_put64(key, ours ? p->key_local : p->key_remote);
    pl_put64(key + 8, ours ? p->key_remote : p->key_local);
    memcpy(msg + 1, at->addr.bytes, addr_len);
    pl_put16(msg + 1 + addr_len, at->port);
    need(HMAC(EVP_sha256(), key, 16, msg, 3 + addr_len, digest, &len) != NULL, "HMAC");
    return pl_get64(digest + 24);
}

static unsigned new_flow(struct peer *p, unsigned path, struct plait_endpoint local,
                         struct plait_endpoint remote, bool initiator) {
    need(p->flow_count < PEER_FLOWS_MAX, "flows");
    p->flow[p->flow_count] = (struct peer_flow){
        .path = path,
        .local = local,
        .remote = remote,
        .initiator = initiator,
        .iss = 0x10000000 + 0x01000000 * p->flow_count,
        .nonce_local = 0xabcd0000 + p->flow_count,
    };
    return p->flow_count++;
}

/* ---- the first subflow ---- */

static struct pl_mptcp_options capable(const struct peer *p, uint8_t len) {
    struct pl_mptcp_options o = {.present = 1 << PL_MP_CAPABLE};
    o.capable.len = len;
    o.capable.version = 1;
    o.capable.flags = (uint8_t)(PL_CAPABLE_HMAC_SHA256 | p->setup.cap_flags);
    o.capable.key_sender = p->key_local;
    o.capable.key_receiver = p->key_remote;
    return o;
}

static void learn(struct peer *p, const struct pl_mptcp_options *o) {
    p->key_remote = o->capable.key_sender;
    peer_key_facts(p->key_remote, &p->token_remote, &p->idsn_remote);
    p->checksum = (o->capable.flags & PL_CAPABLE_CHECKSUM) != 0 ||
                  (p->setup.cap_flags & PL_CAPABLE_CHECKSUM) != 0;
}

void peer_connect(struct peer *p) {
    need(plait_open(p->stack, &p->listener) == 0, "plait_open");
    need(plait_bind(p->stack, p->listener, 0, NULL, PEER_PORT) == 0, "plait_bind");
    need(plait_listen(p->stack, p->listener, 16) == 0, "plait_listen");
    unsigned flow = new_flow(p, 0, pair_endpoint(PAIR_A, 0, PLAIT_IPV4, p->tcp_port_next++),
                             pair_endpoint(PAIR_B, 0, PLAIT_IPV4, PEER_PORT), true);
    struct pl_mptcp_options o = capable(p, 4);
    peer_send(p, &(struct peer_seg){.flow = flow, .flags = PL_TCP_SYN, .no_ack = true, .o = &o});
    const struct peer_rx *rx = peer_find(p, 0, PL_MP_CAPABLE);
    need(rx != NULL && rx->seg.options.mptcp.capable.len == 12, "a SYN/ACK with MP_CAPABLE");
    p->flow[flow].irs = rx->seg.seq.v;
    learn(p, &rx->seg.options.mptcp);
    o = capable(p, 20);
    peer_send(p, &(struct peer_seg){.flow = flow, .seq = PEER_NO_OFFSET, .o = &o});
    p->flow[flow].open = true;
    if (!p->setup.stay_embryonic) {
        peer_ack(p, flow, 0);
    }
    need(plait_accept(p->stack, p->listener, &p->sock) == 0, "plait_accept");
}

void peer_accept(struct peer *p) {
    struct plait_endpoint remote = pair_endpoint(PAIR_A, 0, PLAIT_IPV4, PEER_PORT);
    need(plait_open(p->stack, &p->sock) == 0, "plait_open");
    need(plait_connect(p->stack, p->sock, &remote, p->now) == 0, "plait_connect");
    peer_pull(p);
    const struct peer_rx *rx = peer_find(p, 0, PL_MP_CAPABLE);
    need(rx != NULL && (rx->seg.flags & PL_TCP_SYN) != 0, "a SYN with MP_CAPABLE");
    unsigned flow = new_flow(p, 0, rx->dst, rx->src, false);
    p->flow[flow].irs = rx->seg.seq.v;
    struct pl_mptcp_options o = capable(p, 12);
    peer_send(p, &(struct peer_seg){.flow = flow, .flags = PL_TCP_SYN, .o = &o});
    rx = peer_find(p, 0, PL_MP_CAPABLE);
    need(rx->seg.options.mptcp.capable.len == 20, "a third ACK with both keys");
    learn(p, &rx->seg.options.mptcp);
    p->flow[flow].open = true;
    if (!p->setup.stay_embryonic) {
        peer_ack(p, flow, 0);
    }
}

/* ---- joins ---- */

unsigned peer_join(struct peer *p, unsigned path, bool backup) {
    uint16_t port = p->join_port != 0 ? p->join_port : p->flow[0].remote.port;
    unsigned flow = new_flow(p, path, pair_endpoint(PAIR_A, path, PLAIT_IPV4, p->tcp_port_next++),
                             pair_endpoint(PAIR_B, path, PLAIT_IPV4, port), true);
    struct peer_flow *f = &p->flow[flow];
    struct pl_mptcp_options o = {.present = 1 << PL_MP_JOIN};
    uint8_t digest[32];
    f->local_id = (uint8_t)(100 + flow);
    o.join.len = 12;
    o.join.address_id = f->local_id;
    o.join.backup = backup;
    o.join.token = p->token_remote;
    o.join.nonce = f->nonce_local;
    unsigned from = p->log_count;
    peer_send(p, &(struct peer_seg){.flow = flow, .flags = PL_TCP_SYN, .no_ack = true, .o = &o});
    const struct peer_rx *rx = peer_find(p, from, PL_MP_JOIN);
    if (rx == NULL || rx->flow != flow) {
        return flow; /* refused: the test looks at the log */
    }
    const struct pl_mptcp_options *in = &rx->seg.options.mptcp;
    f->irs = rx->seg.seq.v;
    f->nonce_remote = in->join.nonce;
    f->remote_id = in->join.address_id;
    f->backup_remote = in->join.backup;
    join_hmac(p->key_remote, p->key_local, f->nonce_remote, f->nonce_local, digest);
    need(memcmp(digest, in->join.hmac, 8) == 0, "the HMAC of the SYN/ACK");
    join_hmac(p->key_local, p->key_remote, f->nonce_local, f->nonce_remote, digest);
    o.join.len = 24;
    memcpy(o.join.hmac, digest, 20);
    f->open = true;
    peer_send(p, &(struct peer_seg){.flow = flow, .seq = PEER_NO_OFFSET, .o = &o});
    return flow;
}

/* The first SYN with MP_JOIN that belongs to no flow yet. */
static const struct peer_rx *unanswered(const struct peer *p) {
    for (unsigned i = 0; i < p->log_count; i++) {
        const struct peer_rx *rx = &p->log[i];
        bool syn = (rx->seg.flags & (PL_TCP_SYN | PL_TCP_ACK)) == PL_TCP_SYN;
        bool known = false;
        for (unsigned k = 0; k < p->flow_count; k++) {
            const struct peer_flow *f = &p->flow[k];
            bool ports = f->remote.port == rx->src.port && f->local.port == rx->dst.port;
            known = known ||
                    (ports && f->path == rx->path && pl_addr_equal(&f->local.addr, &rx->dst.addr));
        }
        if (syn && !known && pl_mptcp_has(&rx->seg.options.mptcp, PL_MP_JOIN)) {
            return rx;
        }
    }
    return NULL;
}

bool peer_answer_join(struct peer *p, uint8_t id, bool backup, unsigned *out) {
    const struct peer_rx *rx = unanswered(p);
    struct pl_mptcp_options o = {.present = 1 << PL_MP_JOIN};
    uint8_t digest[32];
    if (rx == NULL) {
        return false;
    }
    const struct pl_mptcp_options *in = &rx->seg.options.mptcp;
    need(in->join.len == 12 && in->join.token == p->token_local, "the token of the peer");
    *out = new_flow(p, rx->path, rx->dst, rx->src, false);
    struct peer_flow *f = &p->flow[*out];
    f->irs = rx->seg.seq.v;
    f->nonce_remote = in->join.nonce;
    f->remote_id = in->join.address_id;
    f->backup_remote = in->join.backup;
    f->local_id = id;
    join_hmac(p->key_local, p->key_remote, f->nonce_local, f->nonce_remote, digest);
    o.join.len = 16;
    o.join.address_id = id;
    o.join.backup = backup;
    o.join.nonce = f->nonce_local;
    memcpy(o.join.hmac, digest, 8);
    unsigned from = p->log_count;
    peer_send(p, &(struct peer_seg){.flow = *out, .flags = PL_TCP_SYN, .o = &o});
    rx = peer_find(p, from, PL_MP_JOIN);
    if (rx == NULL || rx->seg.options.mptcp.join.len != 24) {
        return false; /* it has given that up */
    }
    join_hmac(p->key_remote, p->key_local, f->nonce_remote, f->nonce_local, digest);
    need(memcmp(digest, rx->seg.options.mptcp.join.hmac, 20) == 0, "the HMAC of the third ACK");
    f->open = true;
    peer_ack(p, *out, p->got_to);
    return true;
}

/* ---- the socket, and what is known ---- */

uint64_t peer_read(struct peer *p) {
    uint8_t block[4096];
    uint64_t done = 0;
    for (;;) {
        int64_t n = plait_read(p->stack, p->sock, block, sizeof(block), p->now);
        if (n <= 0) {
            break;
        }
        for (int64_t i = 0; i < n; i++) {
            need(block[i] == pair_pattern(p->read_at + (uint64_t)i), "the bytes that were sent");
        }
        p->read_at += (uint64_t)n;
        done += (uint64_t)n;
    }
    peer_pull(p);
    return done;
}

void peer_write(struct peer *p, uint64_t at, uint32_t len) {
    uint8_t block[4096];
    uint32_t done = 0;
    while (done < len) {
        uint32_t part = len - done < sizeof(block) ? len - done : (uint32_t)sizeof(block);
        for (uint32_t i = 0; i < part; i++) {
            block[i] = pair_pattern(at + done + i);
        }
        need(plait_write(p->stack, p->sock, block, part, p->now) == (int64_t)part, "plait_write");
        done += part;
    }
    peer_pull(p);
}

const struct peer_rx *peer_find(const struct peer *p, unsigned from, int subtype) {
    for (unsigned i = p->log_count; i > from; i--) {
        const struct peer_rx *rx = &p->log[i - 1];
        if (subtype < 0 || pl_mptcp_has(&rx->seg.options.mptcp, (enum pl_mptcp_subtype)subtype)) {
            return rx;
        }
    }
    return NULL;
}

unsigned peer_count(const struct peer *p, unsigned from, int subtype) {
    unsigned count = 0;
    for (unsigned i = from; i < p->log_count; i++) {
        const struct pl_mptcp_options *o = &p->log[i].seg.options.mptcp;
        count += subtype < 0 || pl_mptcp_has(o, (enum pl_mptcp_subtype)subtype) ? 1 : 0;
    }
    return count;
}

uint64_t peer_counter(const struct peer *p, enum plait_counter counter) {
    return plait_counters(p->stack)[counter];
}

struct pl_conn *peer_conn(struct peer *p) {
    struct pl_socket *sock = pl_table_find(p->stack, p->sock);
    return sock != NULL ? pl_socket_conn(sock) : NULL;
}

struct pl_subflow *peer_subflow(struct peer *p, unsigned flow) {
    struct pl_conn *conn = peer_conn(p);
    const struct peer_flow *f = &p->flow[flow];
    if (conn == NULL) {
        return NULL;
    }
    PL_SUBFLOW_FOREACH(sf, conn) {
        const struct pl_tcp_tuple *t = &sf->tcp.tuple;
        if (t->local_port == f->remote.port && t->remote_port == f->local.port &&
            sf->port == p->port[f->path]) {
            return sf;
        }
    }
    return NULL;
}

/* mptcp_storm.h - a peer without manners: segments that are sound TCP, with options whose
 * numbers are near the truth, near enough to get past the first checks. */
#ifndef MPTCP_STORM_H
#define MPTCP_STORM_H

#include "base/rng.h"
#include "mptcp_peer_test.h"

static struct pl_rng storm_rng;

static inline uint64_t storm_below(uint64_t n) {
    return pl_rng_below(&storm_rng, n);
}

static inline bool storm_one_in(uint64_t n) {
    return storm_below(n) == 0;
}

static inline void storm_dss(unsigned flow, uint32_t len, struct pl_mptcp_options *o) {
    uint64_t at = storm_one_in(3) ? peer.ack_seen : peer.ack_seen + storm_below(6000) - 1500;
    uint32_t ssn = peer.flow[flow].nxt + (storm_one_in(3) ? (uint32_t)storm_below(3000) - 1000 : 0);
    uint32_t map_len = storm_one_in(3) ? (uint32_t)storm_below(4000) : len;
    bool fin = storm_one_in(20) && map_len < 60000;
    uint16_t present = o->present;
    struct pl_mptcp_options dss = peer_map(&peer, at, ssn, map_len, fin);
    o->dss = dss.dss;
    o->present = present | 1 << PL_MP_DSS;
    o->dss.has_map = !storm_one_in(4);
    o->dss.checksum ^= storm_one_in(6) ? 1 : 0;
    o->dss.has_checksum = storm_one_in(15) ? !o->dss.has_checksum : o->dss.has_checksum;
    if (storm_one_in(3)) {
        o->dss.ack += storm_below(3000) - 1500;
    }
    if (storm_one_in(4)) {
        o->dss.dsn_is_64 = false;
        o->dss.ack_is_64 = false;
    }
    o->dss.has_ack = !storm_one_in(5);
}

static inline void storm_addresses(struct pl_mptcp_options *o) {
    struct plait_endpoint at =
        pair_endpoint(PAIR_A, (unsigned)storm_below(5), storm_one_in(3) ? PLAIT_IPV6 : PLAIT_IPV4,
                      storm_one_in(2) ? 9000 : 0);
    o->add_addr.echo = storm_one_in(4);
    o->add_addr.address_id = (uint8_t)storm_below(12);
    o->add_addr.addr = at.addr;
    o->add_addr.has_port = at.port != 0;
    o->add_addr.port = at.port;
    o->add_addr.hmac = peer_add_addr_hmac(&peer, true, o->add_addr.address_id, &at);
    o->add_addr.hmac ^= storm_one_in(5) ? 1 : 0;
    o->remove_addr.count = (uint8_t)(1 + storm_below(3));
    for (unsigned i = 0; i < o->remove_addr.count; i++) {
        o->remove_addr.ids[i] = (uint8_t)(storm_one_in(4) ? 100 + storm_below(5) : storm_below(14));
    }
}

/* Some options of an established subflow, as many as fit. */
static inline struct pl_mptcp_options storm_options(unsigned flow, uint32_t len) {
    static const uint8_t capable_len[] = {20, 22, 24};
    struct pl_mptcp_options o = {0};
    uint32_t room = PL_TCP_OPTIONS_MAX - 4;
    storm_addresses(&o);
    o.capable.len = capable_len[storm_below(3)];
    o.capable.version = 1;
    o.capable.flags = PL_CAPABLE_HMAC_SHA256;
    o.capable.key_sender = peer.key_local;
    o.capable.key_receiver = peer.key_remote;
    o.capable.data_len = (uint16_t)len;
    o.join.len = 24;
    o.prio.backup = storm_one_in(2);
    o.fail.dsn = peer.idsn_remote + storm_below(1000);
    o.fastclose.key_receiver = storm_one_in(30) ? peer.key_remote : 1;
    if (!storm_one_in(6)) {
        storm_dss(flow, len, &o);
        room -= pl_mptcp_len(PL_MP_DSS, &o);
    }
    for (unsigned s = 0; s <= PL_MP_TCPRST; s++) {
        uint64_t odds = s == PL_MP_FAIL || s == PL_MP_FASTCLOSE ? 200 : 12;
        if (s != PL_MP_DSS && storm_one_in(odds) &&
            pl_mptcp_len((enum pl_mptcp_subtype)s, &o) <= room) {
            o.present = (uint16_t)(o.present | 1 << s);
            room -= pl_mptcp_len((enum pl_mptcp_subtype)s, &o);
        }
    }
    return o;
}

static inline void storm_segment(void) {
    unsigned flow = (unsigned)storm_below(peer.flow_count);
    uint32_t len = storm_one_in(3) ? 0 : (uint32_t)storm_below(1400);
    struct pl_mptcp_options o = storm_options(flow, len);
    struct peer_seg seg = {.flow = flow, .seq = PEER_NO_OFFSET, .len = len, .o = &o};
    seg.at = storm_below(100000);
    seg.window = (uint16_t)storm_below(65536);
    if (storm_one_in(10)) {
        seg.seq = (int64_t)peer.flow[flow].nxt + (int64_t)storm_below(8000) - 3000;
        seg.seq = seg.seq < 0 ? 0 : seg.seq;
    }
    seg.flags = storm_one_in(150) ? PL_TCP_FIN : storm_one_in(200) ? PL_TCP_RST : 0;
    peer_send(&peer, &seg);
}

/* What the application and the surroundings do in the meantime. */
static inline void storm_local(void) {
    static uint8_t block[5000];
    struct plait_addr addr = pair_addr(PAIR_B, (unsigned)storm_below(3), PLAIT_IPV4);
    plait_port_id port = peer.port[storm_below(3)];
    int64_t n = 0;
    switch (storm_below(12)) {
        case 0:
        case 1:
            n = plait_read(peer.stack, peer.sock, block, storm_below(sizeof(block)), peer.now);
            break;
        case 2:
            (void)plait_port_set_up(peer.stack, port, !storm_one_in(4), peer.now);
            break;
        case 3:
            (void)plait_address_set_backup(peer.stack, port, &addr, storm_one_in(2), peer.now);
            break;
        case 4:
            (void)plait_address_remove(peer.stack, port, &addr, peer.now);
            break;
        case 5:
            (void)plait_address_add(peer.stack, port, &addr, PLAIT_ADDRESS_SUBFLOW, 0, 0, peer.now);
            break;
        case 6:
            n = storm_one_in(20) ? plait_shutdown(peer.stack, peer.sock, peer.now) : 0;
            break;
        default:
            peer_run(&peer, storm_below(storm_one_in(5) ? SECOND : 50 * MS));
            break;
    }
    (void)n;
    plait_stack_check(peer.stack);
}

/* The next bytes of the pattern, so that the peer can judge what the stack makes of them. */
static inline void storm_write(void) {
    uint8_t block[3000];
    struct pl_conn *conn = peer_conn(&peer);
    if (conn == NULL) {
        return;
    }
    uint64_t at = conn->send.end.v - (peer.idsn_remote + 1);
    for (unsigned i = 0; i < sizeof(block); i++) {
        block[i] = pair_pattern(at + i);
    }
    int64_t n = plait_write(peer.stack, peer.sock, block, storm_below(sizeof(block)), peer.now);
    assert_true(n <= (int64_t)sizeof(block));
    peer_pull(&peer);
}

static inline void storm_run(uint64_t seed, unsigned steps) {
    struct plait_config config;
    unsigned flow;
    pl_rng_init(&storm_rng, seed);
    plait_config_init(&config);
    config.receive_buffer_bytes = storm_one_in(2) ? 8192 : 1 << 20;
    config.time_wait_ns = SECOND;
    config.no_subflow_ns = 3 * SECOND;
    struct peer_setup setup = {.paths = 3, .config = &config};
    setup.address_flags = storm_one_in(2) ? PLAIT_ADDRESS_SUBFLOW : PLAIT_ADDRESS_SIGNAL;
    setup.cap_flags = storm_one_in(2) ? PL_CAPABLE_CHECKSUM : 0;
    peer_init(&peer, &setup);
    storm_one_in(2) ? peer_accept(&peer) : peer_connect(&peer);
    for (uint64_t i = 0; i < steps; i++) {
        if (storm_one_in(60) && peer.flow_count < PEER_FLOWS_MAX && peer_conn(&peer) != NULL) {
            (void)peer_join(&peer, (unsigned)storm_below(3), storm_one_in(3));
        }
        if (storm_one_in(30) && peer.flow_count < PEER_FLOWS_MAX && peer.log_count < PEER_LOG) {
            (void)peer_answer_join(&peer, (uint8_t)storm_below(5), storm_one_in(3), &flow);
        }
        if (storm_one_in(50)) {
            storm_write();
        }
        storm_one_in(4) ? storm_local() : storm_segment();
    }
    (void)plait_close(peer.stack, peer.sock, peer.now);
    peer_run(&peer, 5 * SECOND);
    peer_fini(&peer);
}

#endif

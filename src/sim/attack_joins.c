/* Attacks by MP_JOIN: guessed tokens, floods, replays, stolen keys, a changed source. */
#include <string.h>

#include "mptcp/keys.h"
#include "sim/siege.h"

enum {
    FLOOD_TURNS = 100,
    FLOOD_PACKETS = 100, /* a turn: 10,000 a second */
    GUESSED_TURNS = 200,
    MSS = 1460,
    ATTACKER_ID = 77,
    CLIENT_IN_NAT = 1,
};

/* The attacker's, of a connection of its own. */
#define OWN_KEY UINT64_C(0x1122334455667788)

static struct plait_endpoint mine(uint16_t port) {
    return pl_siege_endpoint(SIEGE_ATTACKER_NET, 0, 1, port);
}

static struct plait_endpoint server(void) {
    return pl_siege_endpoint(0, 0, SIEGE_SERVER + 1, SIEGE_TCP_PORT);
}

static struct pl_segment join_syn(struct pl_siege *siege, uint32_t token, uint32_t nonce) {
    struct pl_segment seg = {.seq = pl_seq32_of((uint32_t)pl_rng_next(&siege->rng)),
                             .flags = PL_TCP_SYN};
    seg.options.has_mss = true;
    seg.options.mss = MSS;
    seg.options.mptcp.present = 1 << PL_MP_JOIN;
    seg.options.mptcp.join.len = 12;
    seg.options.mptcp.join.address_id = ATTACKER_ID;
    seg.options.mptcp.join.token = token;
    seg.options.mptcp.join.nonce = nonce;
    return seg;
}

/* The third packet of the handshake that `answer` is the second of. */
static struct pl_segment third_ack(const struct pl_siege_packet *answer, const uint8_t hmac[20]) {
    struct pl_segment seg = {
        .seq = answer->seg.ack, .ack = pl_seq32_add(answer->seg.seq, 1), .flags = PL_TCP_ACK};
    seg.options.mptcp.present = 1 << PL_MP_JOIN;
    seg.options.mptcp.join.len = 24;
    memcpy(seg.options.mptcp.join.hmac, hmac, 20);
    return seg;
}

static bool is_join_answer(const struct pl_siege_packet *packet) {
    return (packet->seg.flags & (PL_TCP_SYN | PL_TCP_ACK)) == (PL_TCP_SYN | PL_TCP_ACK) &&
           pl_mptcp_has(&packet->seg.options.mptcp, PL_MP_JOIN);
}

/* ---- without a token: RFC 8684 section 5 ---- */

static void guess_tokens(struct pl_siege *siege, unsigned turn) {
    for (unsigned i = 0; turn < GUESSED_TURNS && i < FLOOD_PACKETS; i++) {
        uint32_t token = (uint32_t)pl_rng_next(&siege->rng);
        struct pl_segment seg = join_syn(siege, token, token);
        const struct plait_endpoint from = mine((uint16_t)(1024 + 100 * turn + i));
        const struct plait_endpoint to = server();
        pl_siege_send(siege, &from, &to, &seg);
    }
}

/* ---- with a token, from addresses that do not answer: RFC 7430 sections 3 and 4 ---- */

static void flood_joins(struct pl_siege *siege, unsigned turn) {
    for (unsigned i = 0; turn < FLOOD_TURNS && i < FLOOD_PACKETS; i++) {
        struct pl_segment seg =
            join_syn(siege, siege->secrets.token[SIEGE_SERVER], (uint32_t)pl_rng_next(&siege->rng));
        seg.options.has_timestamps = i % 2 == 0; /* without, it cannot have a cookie */
        seg.options.ts_val = turn;
        const struct plait_endpoint from = pl_siege_endpoint(
            SIEGE_THIRD_NET, 1 + turn, 1 + i, (uint16_t)pl_rng_range(&siege->rng, 1024, 65535));
        const struct plait_endpoint to = server();
        pl_siege_send(siege, &from, &to, &seg);
    }
}

/* The attacker opens a connection of its own, honestly, and joins it from everywhere. */
static void open_own(struct pl_siege *siege) {
    struct pl_segment seg = {.seq = pl_seq32_of((uint32_t)pl_rng_next(&siege->rng)),
                             .flags = PL_TCP_SYN};
    seg.options.has_mss = true;
    seg.options.mss = MSS;
    seg.options.mptcp.present = 1 << PL_MP_CAPABLE;
    seg.options.mptcp.capable.len = siege->version->syn_len;
    seg.options.mptcp.capable.version = siege->version->number;
    seg.options.mptcp.capable.key_sender = OWN_KEY;
    seg.options.mptcp.capable.flags = PL_CAPABLE_HMAC_SHA256;
    const struct plait_endpoint from = mine(1024), to = server();
    pl_siege_send(siege, &from, &to, &seg);
}

/* Its SYN/ACK: the third ACK brings data, so that the server holds it to be established. */
static void complete_own(struct pl_siege *siege, const struct pl_siege_packet *packet) {
    static const uint8_t byte[1];
    const struct pl_mptcp_options *o = &packet->seg.options.mptcp;
    if (siege->state != 0 || !pl_mptcp_has(o, PL_MP_CAPABLE) ||
        (packet->seg.flags & PL_TCP_SYN) == 0) {
        return;
    }
    pl_seq64 idsn;
    struct pl_segment seg = {.seq = packet->seg.ack,
                             .ack = pl_seq32_add(packet->seg.seq, 1),
                             .flags = PL_TCP_ACK | PL_TCP_PSH,
                             .payload = byte,
                             .payload_len = sizeof(byte)};
    seg.options.mptcp.present = 1 << PL_MP_CAPABLE;
    seg.options.mptcp.capable.len = 22;
    seg.options.mptcp.capable.version = siege->version->number;
    seg.options.mptcp.capable.flags = PL_CAPABLE_HMAC_SHA256;
    seg.options.mptcp.capable.key_sender = OWN_KEY;
    seg.options.mptcp.capable.key_receiver = o->capable.key_sender;
    seg.options.mptcp.capable.data_len = sizeof(byte);
    pl_key_hash(siege->version, siege->options->hashes, o->capable.key_sender,
                &siege->secrets.token[SIEGE_SERVER], &idsn);
    siege->state = 1;
    if (siege->version->data_in_capable) {
        pl_siege_send(siege, &packet->dst, &packet->src, &seg);
        return;
    }
    seg.flags = PL_TCP_ACK; /* the keys, then the data */
    seg.payload_len = 0;
    seg.options.mptcp.capable.len = 20;
    pl_siege_send(siege, &packet->dst, &packet->src, &seg);
    seg.options.mptcp = (struct pl_mptcp_options){.present = 1 << PL_MP_DSS};
    seg.options.mptcp.dss.has_ack = true;
    seg.options.mptcp.dss.ack_is_64 = true;
    seg.options.mptcp.dss.ack = idsn.v + 1;
    pl_siege_send(siege, &packet->dst, &packet->src, &seg);
}

static void flood_own(struct pl_siege *siege, unsigned turn) {
    if (turn == 0) {
        open_own(siege);
    } else if (siege->state == 1 && turn > 3) {
        flood_joins(siege, turn - 4);
    }
}

/* ---- the token is known, the keys are not ---- */

static void join_without_keys(struct pl_siege *siege, unsigned turn) {
    const struct plait_endpoint from = mine((uint16_t)(2000 + turn)), to = server();
    struct pl_segment seg = join_syn(siege, siege->secrets.token[SIEGE_SERVER], turn);
    if (turn < FLOOD_TURNS) {
        pl_siege_send(siege, &from, &to, &seg);
    }
}

static void answer_without_keys(struct pl_siege *siege, const struct pl_siege_packet *packet) {
    uint8_t hmac[20];
    pl_rng_fill(&siege->rng, hmac, sizeof(hmac));
    if (is_join_answer(packet)) {
        struct pl_segment seg = third_ack(packet, hmac);
        pl_siege_send(siege, &packet->dst, &packet->src, &seg);
    }
}

/* ---- a join is heard and played again from elsewhere: RFC 6181 section 7 ---- */

static bool hear_join(struct pl_siege *siege, struct pl_siege_packet *packet) {
    const struct pl_mptcp_options *o = &packet->seg.options.mptcp;
    if (packet->from == SIEGE_CLIENT && pl_mptcp_has(o, PL_MP_JOIN)) {
        siege->heard[(packet->seg.flags & PL_TCP_SYN) != 0 ? 0 : 1] = *o;
    }
    return true;
}

static void replay_join(struct pl_siege *siege, unsigned turn) {
    const struct plait_endpoint from = mine((uint16_t)(3000 + turn)), to = server();
    const struct pl_mptcp_options *heard = &siege->heard[0];
    struct pl_segment seg = join_syn(siege, heard->join.token, heard->join.nonce);
    seg.options.mptcp.join.address_id = (uint8_t)(heard->join.address_id + turn % 2);
    if (turn < FLOOD_TURNS && heard->present != 0) {
        pl_siege_send(siege, &from, &to, &seg);
    }
}

static void replay_third_ack(struct pl_siege *siege, const struct pl_siege_packet *packet) {
    if (is_join_answer(packet)) {
        struct pl_segment seg = third_ack(packet, siege->heard[1].join.hmac);
        pl_siege_send(siege, &packet->dst, &packet->src, &seg);
    }
}

/* ---- the keys were heard at the beginning: RFC 7430 section 5, RFC 6181 section 6.2 ---- */

static void join_with_keys(struct pl_siege *siege, unsigned turn) {
    const struct plait_endpoint from = mine(4000), to = server();
    struct pl_segment seg = join_syn(siege, siege->secrets.token[SIEGE_SERVER], 1);
    if (turn == 0) {
        pl_siege_send(siege, &from, &to, &seg);
    }
}

/* The thief acknowledges what it gets, so that the server believes the path to be good. */
static void take_data(struct pl_siege *siege, const struct pl_siege_packet *packet) {
    struct pl_segment seg = {.seq = packet->seg.ack,
                             .ack = pl_seq32_add(packet->seg.seq, packet->seg.payload_len),
                             .flags = PL_TCP_ACK};
    if (packet->seg.payload_len > 0) {
        pl_siege_send(siege, &packet->dst, &packet->src, &seg);
    }
}

static void answer_with_keys(struct pl_siege *siege, const struct pl_siege_packet *packet) {
    uint8_t hmac[32];
    if (!is_join_answer(packet)) {
        take_data(siege, packet);
        return;
    }
    pl_join_hmac(siege->version, siege->options->hashes, siege->secrets.key[SIEGE_CLIENT],
                 siege->secrets.key[SIEGE_SERVER], 1, packet->seg.options.mptcp.join.nonce, hmac);
    struct pl_segment seg = third_ack(packet, hmac);
    pl_siege_send(siege, &packet->dst, &packet->src, &seg);
}

/* ---- on the path of a join: it goes on from the attacker's address, as through a NAT:
 * RFC 7430 section 6 ---- */

static void forward(struct pl_siege *siege, struct pl_segment seg, const struct plait_endpoint *src,
                    const struct plait_endpoint *dst) {
    pl_siege_send(siege, src, dst, &seg);
}

static bool catch_join(struct pl_siege *siege, struct pl_siege_packet *packet) {
    bool second = packet->from == SIEGE_CLIENT && packet->src.addr.bytes[2] == CLIENT_IN_NAT;
    if (!second) {
        return true;
    }
    const struct plait_endpoint me = mine(packet->src.port), to = server();
    forward(siege, packet->seg, &me, &to);
    return false;
}

static void bring_back(struct pl_siege *siege, const struct pl_siege_packet *packet) {
    const struct plait_endpoint to = pl_siege_endpoint(0, CLIENT_IN_NAT, 1, packet->dst.port);
    forward(siege, packet->seg, &packet->src, &to);
}

const struct pl_siege_attack pl_attacks_on_joins[] = {
    {.name = "join_token_guessed",
     .place = "off the path; 20,000 SYNs with MP_JOIN and made-up tokens",
     .source = "RFC 8684 5, RFC 7430 3",
     .promised = PL_ATTACK_REFUSED,
     .answers_max = 100,
     .act = guess_tokens},
    {.name = "join_flood",
     .place = "knows the token; 10,000 SYNs with MP_JOIN from addresses that do not answer",
     .source = "RFC 7430 3",
     .promised = PL_ATTACK_BOUNDED,
     .half_open_max = 11,                               /* and the true join beside them */
     .joined_by = SIEGE_ATTACK + 900 * PLAIT_NS_PER_MS, /* 100 ms before the end of the flood */
     .answers_max = 200,
     .away = true,
     .act = flood_joins},
    {.name = "join_flood_own",
     .place = "opens one connection, joins it 10,000 times from addresses that do not answer",
     .source = "RFC 7430 4",
     .promised = PL_ATTACK_BOUNDED,
     .half_open_max = 12,
     .answers_max = 200,
     .away = true,
     .joined_by = SIEGE_ATTACK + 900 * PLAIT_NS_PER_MS,
     .got = complete_own,
     .act = flood_own},
    {.name = "join_without_keys",
     .place = "knows the token; completes 100 handshakes with made-up HMACs",
     .source = "RFC 8684 3.2, 5",
     .promised = PL_ATTACK_BOUNDED,
     .half_open_max = 8,
     .answers_max = 100,
     .got = answer_without_keys,
     .act = join_without_keys},
    {.name = "join_replayed",
     .place = "hears a join; plays it 100 times again from its own address",
     .source = "RFC 6181 7",
     .promised = PL_ATTACK_BOUNDED,
     .half_open_max = 8,
     .answers_max = 100,
     .see = hear_join,
     .got = replay_third_ack,
     .act = replay_join},
    {.name = "keys_heard",
     .place = "heard the keys when the connection began; joins it later, acknowledges all it gets",
     .source = "RFC 7430 5, RFC 6181 6.2",
     .promised = PL_ATTACK_RESIDUAL,
     .half_open_max = 1,
     .got = answer_with_keys,
     .act = join_with_keys},
    {.name = "join_redirected",
     .place = "on the path of a join; changes its source address, and stays between",
     .source = "RFC 7430 6",
     .promised = PL_ATTACK_RESIDUAL,
     .half_open_max = 1,
     .see = catch_join,
     .got = bring_back},
    {0},
};

/* Attacks on the address management of a connection: ADD_ADDR, REMOVE_ADDR, MP_PRIO. */
#include <string.h>

#include "mptcp/keys.h"
#include "sim/siege.h"

enum { ROUNDS = 100, FLOOD_IDS = 100, CLIENT_SECOND_ID = 2, ATTACKED_FLOW = 0 };

/* ---- ADD_ADDR of an address of the attacker's: RFC 7430 section 2 ---- */

static struct pl_segment announcement(struct pl_siege *siege, unsigned from, uint8_t id,
                                      const struct plait_endpoint *what, uint64_t hmac) {
    struct pl_segment seg = pl_siege_ack(siege, ATTACKED_FLOW, from);
    seg.options.mptcp.present = 1 << PL_MP_ADD_ADDR;
    seg.options.mptcp.add_addr.address_id = id;
    seg.options.mptcp.add_addr.addr = what->addr;
    seg.options.mptcp.add_addr.hmac = hmac;
    seg.options.mptcp.add_addr.is_v0 = !siege->version->address_signed;
    return seg;
}

static void forge_announcements(struct pl_siege *siege, unsigned turn) {
    const struct plait_endpoint mine = pl_siege_endpoint(SIEGE_ATTACKER_NET, 0, 1, 0);
    for (unsigned from = 0; turn < ROUNDS && from < SIEGE_HOSTS; from++) {
        struct pl_segment seg =
            announcement(siege, from, (uint8_t)(10 + turn), &mine, pl_rng_next(&siege->rng));
        pl_siege_send_as(siege, ATTACKED_FLOW, from, &seg);
    }
}

/* ---- ... and then between the hosts, as the server to the client and as a client to the server:
 * RFC 7430 section 2, the attack for which ADD_ADDR has got an HMAC. 10.9.x.1 stands for the
 * client's 10.0.x.1, and 10.9.7.1 for the server ---- */

enum { SERVER_FACE = 7 };

static void announce_face(struct pl_siege *siege, unsigned turn) {
    const struct plait_endpoint face = pl_siege_endpoint(SIEGE_ATTACKER_NET, SERVER_FACE, 1, 0);
    struct pl_segment seg = announcement(siege, SIEGE_SERVER, 10, &face, pl_rng_next(&siege->rng));
    if (turn == 0) {
        pl_siege_send_as(siege, ATTACKED_FLOW, SIEGE_SERVER, &seg);
    }
}

static void relay(struct pl_siege *siege, const struct pl_siege_packet *packet) {
    struct plait_endpoint src, dst;
    if (packet->from == SIEGE_CLIENT) {
        src = pl_siege_endpoint(SIEGE_ATTACKER_NET, packet->src.addr.bytes[2], 1, packet->src.port);
        dst = pl_siege_endpoint(0, 0, SIEGE_SERVER + 1, SIEGE_TCP_PORT);
    } else {
        src = pl_siege_endpoint(SIEGE_ATTACKER_NET, SERVER_FACE, 1, SIEGE_TCP_PORT);
        dst = pl_siege_endpoint(0, packet->dst.addr.bytes[2], 1, packet->dst.port);
    }
    pl_siege_send(siege, &src, &dst, &packet->seg);
}

/* ---- a true ADD_ADDR is heard and used for another address, and again and again ---- */

static bool hear_announcement(struct pl_siege *siege, struct pl_siege_packet *packet) {
    const struct pl_mptcp_options *o = &packet->seg.options.mptcp;
    if (pl_mptcp_has(o, PL_MP_ADD_ADDR) && !o->add_addr.echo) {
        siege->heard[packet->from] = *o;
        siege->heard[packet->from].present = 1 << PL_MP_ADD_ADDR;
    }
    return true;
}

static void announce_once(struct pl_siege *siege) {
    struct pl_siege_host *server = &siege->host[SIEGE_SERVER];
    const struct plait_endpoint more = pl_siege_endpoint(0, 1, SIEGE_SERVER + 1, 0);
    if (plait_address_add(server->stack, server->port[0], &more.addr, PLAIT_ADDRESS_SIGNAL, 0, 0,
                          siege->now) < 0) {
        pl_sim_fail(&siege->verdict, "the server has no second address");
    }
}

static void replay_announcement(struct pl_siege *siege, unsigned turn) {
    if (turn == 0) {
        announce_once(siege);
    }
    if (siege->heard[SIEGE_SERVER].present == 0 || turn > ROUNDS) {
        return;
    }
    struct pl_segment seg = pl_siege_ack(siege, ATTACKED_FLOW, SIEGE_SERVER);
    seg.options.mptcp = siege->heard[SIEGE_SERVER];
    if (turn % 2 == 0) { /* as it was, or with another address */
        seg.options.mptcp.add_addr.addr = pl_siege_endpoint(SIEGE_ATTACKER_NET, 0, 1, 0).addr;
    }
    pl_siege_send_as(siege, ATTACKED_FLOW, SIEGE_SERVER, &seg);
}

/* ---- the peer itself announces addresses of third parties: RFC 6181 section 5 ---- */

static void announce_third_parties(struct pl_siege *siege, unsigned turn) {
    if (turn >= FLOOD_IDS) {
        return;
    }
    const struct plait_endpoint victim = pl_siege_endpoint(SIEGE_THIRD_NET, 0, 1 + turn, 0);
    const struct pl_remote_addr_msg msg = {.id = (uint8_t)(10 + turn), .addr = victim.addr};
    const uint64_t *key = siege->secrets.key;
    uint64_t hmac =
        pl_add_addr_hmac(siege->options->hashes, key[SIEGE_SERVER], key[SIEGE_CLIENT], &msg);
    struct pl_segment seg = announcement(siege, SIEGE_SERVER, msg.id, &victim, hmac);
    pl_siege_send_as(siege, ATTACKED_FLOW, SIEGE_SERVER, &seg);
}

/* ---- REMOVE_ADDR and MP_PRIO have no proof: whoever knows the numbers can send them. A removed
 * address is asked for a sign of life before its subflows go (RFC 8684 section 3.4.2) ---- */

static void remove_addresses(struct pl_siege *siege, unsigned turn) {
    struct pl_segment seg = pl_siege_ack(siege, ATTACKED_FLOW, SIEGE_CLIENT);
    seg.options.mptcp.present = 1 << PL_MP_REMOVE_ADDR;
    seg.options.mptcp.remove_addr.count = 3;
    memcpy(seg.options.mptcp.remove_addr.ids, (const uint8_t[]){1, CLIENT_SECOND_ID, 99}, 3);
    if (turn == 0) {
        pl_siege_send_as(siege, ATTACKED_FLOW, SIEGE_CLIENT, &seg);
    }
}

static void make_backups(struct pl_siege *siege, unsigned turn) {
    for (unsigned flow = 0; turn < ROUNDS && flow < SIEGE_FLOWS; flow++) {
        struct pl_segment seg = pl_siege_ack(siege, flow, SIEGE_CLIENT);
        seg.options.mptcp.present = 1 << PL_MP_PRIO;
        seg.options.mptcp.prio.backup = true;
        pl_siege_send_as(siege, flow, SIEGE_CLIENT, &seg);
    }
}

const struct pl_siege_attack pl_attacks_on_addresses[] = {
    {.name = "add_addr_forged",
     .place = "off the path, guesses all of TCP's numbers; announces itself to both hosts",
     .source = "RFC 7430 2, RFC 6181 6.1",
     .promised = PL_ATTACK_REFUSED,
     .v0 = SIEGE_V0_BOUNDED, /* nothing is signed */
     .v0_half_open_max = 4,
     .act = forge_announcements},
    {.name = "add_addr_hijack",
     .place = "off the path, guesses all of TCP's numbers; announces itself and relays the join",
     .source = "RFC 7430 2",
     .promised = PL_ATTACK_REFUSED,
     .v0 = SIEGE_V0_RESIDUAL,
     .v0_half_open_max = 2,
     .got = relay,
     .act = announce_face},
    {.name = "add_addr_replayed",
     .place = "hears a true ADD_ADDR; repeats it, also with its own address",
     .source = "RFC 7430 2.1, RFC 6181 7",
     .promised = PL_ATTACK_BOUNDED,
     .half_open_max = 1,
     .answers_max = 100,
     .see = hear_announcement,
     .act = replay_announcement},
    {.name = "add_addr_flood",
     .place = "is the peer: announces 100 addresses of third parties, with good HMACs",
     .source = "RFC 6181 5",
     .promised = PL_ATTACK_BOUNDED,
     .half_open_max = 8,
     .answers_max = 100,
     .act = announce_third_parties},
    {.name = "remove_addr_forged",
     .place = "off the path, guesses all of TCP's numbers; removes the client's addresses",
     .source = "RFC 6181 6.1, RFC 8684 3.4.2",
     .promised = PL_ATTACK_REFUSED,
     .act = remove_addresses},
    {.name = "mp_prio_forged",
     .place = "off the path, guesses all of TCP's numbers; makes every subflow a backup",
     .source = "RFC 8684 3.3.8",
     .promised = PL_ATTACK_REFUSED,
     .act = make_backups},
    {0},
};

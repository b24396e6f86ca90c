/* cli/relay_plan.c - addresses, tables and names, all functions of the instance's number.
 *
 * Instance i has the IPv4 block X.Y.i.0/24, of which slot n (a link, or the uplink pair) uses the
 * four addresses from 4n, the IPv6 block fd70:6c61:6974:i00::/56, and 64 routing tables. Nothing
 * has to be remembered to find and undo what an instance made. */
#include "cli/relay_plan.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

enum { PREFIXES_MAX = 4096, TABLE_BASE = 0x504c0000, SLOT_BYTES = 4 };

/* Private space that home routers, providers and container engines rarely give out. */
static const uint8_t bases[][2] = {{10, 111},  {10, 219}, {10, 187}, {10, 157},
                                   {172, 29},  {10, 237}, {198, 18}, {198, 19},
                                   {100, 111}, {10, 251}, {172, 23}, {10, 73}};

/* Whether an interface belongs to an instance ("plait" and a digit); those never collide. */
static bool is_ours(const struct pl_links *links, int index) {
    const struct pl_link *link = pl_links_by_index(links, index);
    return link != NULL && strncmp(link->name, "plait", 5) == 0 &&
           strcmp(link->name, "plait0") != 0;
}

static bool is_free(const uint8_t base[2], const struct pl_links *links,
                    const struct pl_prefix *prefixes, unsigned count) {
    struct plait_addr block = {.bytes = {base[0], base[1]}, .family = PLAIT_IPV4};
    for (unsigned i = 0; i < count; i++) {
        unsigned len = prefixes[i].prefix_len < 16 ? prefixes[i].prefix_len : 16;
        if (!is_ours(links, prefixes[i].link) && pl_prefix_match(&block, &prefixes[i].addr, len)) {
            return false;
        }
    }
    return true;
}

bool relay_plan_make(struct relay_plan *plan, unsigned instance, struct pl_netlink *monitor) {
    static struct pl_prefix prefixes[PREFIXES_MAX];
    int count = pl_netlink_prefixes(monitor, prefixes, PREFIXES_MAX);
    if (count < 0) {
        cli_say("cannot read the routes: %s", strerror(-count));
        return false;
    }
    if (count > PREFIXES_MAX) {
        count = PREFIXES_MAX;
    }
    plan->instance = instance;
    plan->tables = relay_plan_tables(instance);
    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        if (is_free(bases[i], pl_netlink_links(monitor), prefixes, (unsigned)count)) {
            memcpy(plan->base, bases[i], sizeof(plan->base));
            return true;
        }
    }
    cli_say("all private address blocks that could be used here have routes already");
    return false;
}

struct pl_tables relay_plan_tables(unsigned instance) {
    return (struct pl_tables){.first = TABLE_BASE + instance * RELAY_TABLES, .count = RELAY_TABLES};
}

void relay_plan_name(unsigned instance, unsigned slot, char name[16]) {
    if (slot == RELAY_SLOT_UPLINK) {
        snprintf(name, 16, "plait%uv", instance % RELAY_INSTANCES_MAX);
        return;
    }
    snprintf(name, 16, "plait%u_%u", instance % RELAY_INSTANCES_MAX, slot % RELAY_TABLES);
}

void relay_plan_nft_table(unsigned instance, char name[24]) {
    snprintf(name, 24, "plait_%u", instance);
}

static struct plait_addr addr4(const struct relay_plan *plan, unsigned last) {
    return (struct plait_addr){
        .bytes = {plan->base[0], plan->base[1], (uint8_t)plan->instance, (uint8_t)last},
        .family = PLAIT_IPV4};
}

static struct plait_addr addr6(const struct relay_plan *plan, unsigned slot, unsigned last) {
    return (struct plait_addr){
        .bytes = {0xfd, 0x70, 0x6c, 0x61, 0x69, 0x74, (uint8_t)plan->instance, (uint8_t)slot, 0, 0,
                  0, 0, 0, 0, 0, (uint8_t)last},
        .family = PLAIT_IPV6};
}

struct relay_ends relay_plan_ends(const struct relay_plan *plan, unsigned slot) {
    return (struct relay_ends){
        .host4 = addr4(plan, slot * SLOT_BYTES + 1),
        .far4 = addr4(plan, slot * SLOT_BYTES + 2),
        .host6 = addr6(plan, slot, 1),
        .far6 = addr6(plan, slot, 2),
    };
}

/* cli/relay_plan.h - addresses, routing tables and device names of an instance of `plait run`.
 *
 * All are functions of the instance's number and of a slot: 0.. for links, RELAY_SLOT_UPLINK. */
#ifndef PL_CLI_RELAY_PLAN_H
#define PL_CLI_RELAY_PLAN_H

#include "port/netconf.h"
#include "port/netlink.h"

enum {
    RELAY_INSTANCES_MAX = 256,
    RELAY_TABLES = 64, /* routing tables of an instance; that of a link has its slot's number */
    RELAY_SLOT_SERVICE = 61, /* the way to a service */
    RELAY_SLOT_UPLINK = 62,  /* the pair for everything but TCP */
    RELAY_TABLE_RETURN = 63  /* answers, back to the devices */
};

/* The two ends of a device: `host` is the kernel's, `far` the stack's or the program's. */
struct relay_ends {
    struct plait_addr host4, far4, host6, far6;
};
enum { RELAY_PREFIX4 = 30, RELAY_PREFIX6 = 64, RELAY_BLOCK4 = 24, RELAY_BLOCK6 = 56 };

struct relay_plan {
    unsigned instance;
    uint8_t base[2]; /* the first two bytes of all IPv4 addresses */
    struct pl_tables tables;
};

/* Chooses addresses that collide with nothing. False: there are none left. */
bool relay_plan_make(struct relay_plan *plan, unsigned instance, struct pl_netlink *monitor);
struct pl_tables relay_plan_tables(unsigned instance);
/* "plait3_0" of slot 0, "plait3v" of the uplink pair. */
void relay_plan_name(unsigned instance, unsigned slot, char name[16]);
void relay_plan_nft_table(unsigned instance, char name[24]);
struct relay_ends relay_plan_ends(const struct relay_plan *plan, unsigned slot);

#endif

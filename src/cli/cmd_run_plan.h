/* cli/cmd_run_plan.h - addresses, routing tables and device names of an instance of `plait run`.
 *
 * All are functions of the instance's number and of a slot: 0.. for links, RUN_SLOT_UPLINK. */
#ifndef PL_CLI_CMD_RUN_PLAN_H
#define PL_CLI_CMD_RUN_PLAN_H

#include "port/netconf.h"
#include "port/netlink.h"

enum {
    RUN_INSTANCES_MAX = 256,
    RUN_TABLES = 64,      /* routing tables of an instance; that of a link has its slot's number */
    RUN_SLOT_UPLINK = 62, /* the pair for everything but TCP */
    RUN_TABLE_RETURN = 63 /* answers, back to the devices */
};

/* The two ends of a device: `host` is the kernel's, `far` the stack's or the program's. */
struct run_ends {
    struct plait_addr host4, far4, host6, far6;
};
enum { RUN_PREFIX4 = 30, RUN_PREFIX6 = 64, RUN_BLOCK4 = 24, RUN_BLOCK6 = 56 };

struct run_plan {
    unsigned instance;
    uint8_t base[2]; /* the first two bytes of all IPv4 addresses */
    struct pl_tables tables;
};

/* Chooses addresses that collide with nothing. False: there are none left. */
bool run_plan_make(struct run_plan *plan, unsigned instance, struct pl_netlink *monitor);
struct pl_tables run_plan_tables(unsigned instance);
/* "plait3_0" of slot 0, "plait3v" of the uplink pair. */
void run_plan_name(unsigned instance, unsigned slot, char name[16]);
void run_plan_nft_table(unsigned instance, char name[24]);
struct run_ends run_plan_ends(const struct run_plan *plan, unsigned slot);

#endif

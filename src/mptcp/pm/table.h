/* mptcp/pm/table.h - what the path manager of a connection knows: the peer's addresses, the pairs
 * that should carry subflows, and what is still to be told to the peer. Owned by pm/.
 *
 * Most connections know one address of the peer and one or two paths, and have nothing to tell, so
 * every table is as long as it has ever had to be and grows by one entry (pl_pm_add_…): a pointer
 * to an entry is good until the next one is added to its table. */
#ifndef PL_MPTCP_PM_TABLE_H
#define PL_MPTCP_PM_TABLE_H

#include "base/ctx.h"
#include "plait/stack.h"

enum {
    PL_PATHS_MAX = 32,
    PL_REMOTES_MAX = 16,
    PL_REMOVALS_MAX = 16,
    PL_ANNOUNCEMENTS_MAX = 8,
};

/* An address of the peer. Entry 0 is that of the first subflow (id 0). */
struct pl_remote {
    struct plait_addr addr;
    uint8_t id;
    uint16_t port;
    bool usable : 1;       /* may be connected to (false: removed, or the C flag forbids it) */
    bool echo_pending : 1; /* an ADD_ADDR waits for its echo */
    bool has_port : 1;     /* the ADD_ADDR named a port: the echo repeats it */
};

/* A pair of addresses that should carry a subflow, and how the attempts went. */
struct pl_path {
    plait_time retry_at, died_at;
    plait_port_id port;
    uint32_t subflow; /* serial of the subflow that lives or tries on it, 0 none */
    struct plait_addr local;
    uint8_t remote_index;
    uint8_t local_id; /* the address id to use next; 0 means none yet but for the first subflow */
    uint8_t failures, refusals; /* in a row */
    uint8_t ordinal;            /* of several between the same two addresses */
    uint8_t patience;           /* doublings of the time to be declared dead: it was wrong before */
    bool wanted : 1;            /* still in the endpoint table */
    bool fresh : 1;             /* not looked at yet */
    bool tried : 1;             /* there was an attempt */
    bool worked : 1;            /* carried a subflow once */
    bool overloaded : 1;        /* the peer was short of resources: not so soon */
    bool given_up : 1;          /* the peer or repeated failure said no */
};
static_assert(sizeof(struct pl_path) <= 48, "every connection has one or two");

/* What tells one path from another. */
struct pl_path_key {
    struct plait_addr local;
    plait_port_id port;
    uint8_t remote_index, ordinal;
};

/* A REMOVE_ADDR to send: repeated, because nothing acknowledges it. Until that is done the id is
 * not used again. */
struct pl_removal {
    plait_time next;
    struct plait_addr addr; /* which the id stood for */
    uint8_t id;
    uint8_t left; /* 0: done */
    bool aged;    /* was sent at least once */
};

/* ADD_ADDR of the local endpoint with this id: sent until echoed. */
struct pl_announcement {
    plait_time resend_at;
    uint8_t endpoint_id;
    uint8_t tries;
    bool echoed, pending;
};

struct pl_pm {
    struct pl_remote *remotes; /* never empty */
    struct pl_path *paths;     /* never empty */
    struct pl_removal *removals;
    struct pl_announcement *announcements;
    uint8_t remote_count, path_count, removal_count;
    uint8_t announcement_count, announcement_cap; /* the one table that shrinks, too */
    uint8_t id_next;     /* address ids of this connection, never reused soon */
    bool rescan : 1;     /* remotes changed: make `paths` again */
    bool scanned : 1;    /* `paths` was made once */
    bool moved : 1;      /* local addresses have changed since */
    bool alone : 1;      /* nothing is alive, and refused paths got another chance */
    uint32_t generation; /* of the endpoint table that `paths` was made from */
};

/* One more entry, zeroed, or NULL: the table is full, or there is no memory. */
struct pl_remote *pl_pm_add_remote(struct pl_ctx *ctx, struct pl_pm *pm);
struct pl_path *pl_pm_add_path(struct pl_ctx *ctx, struct pl_pm *pm);
struct pl_removal *pl_pm_add_removal(struct pl_ctx *ctx, struct pl_pm *pm);
struct pl_announcement *pl_pm_add_announcement(struct pl_ctx *ctx, struct pl_pm *pm);
void pl_pm_free_tables(struct pl_ctx *ctx, struct pl_pm *pm);

#endif

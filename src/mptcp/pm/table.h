/* mptcp/pm/table.h - what the path manager of a connection knows: the peer's addresses, the pairs
 * that should carry subflows, and what is still to be told to the peer. Owned by pm/. */
#ifndef PL_MPTCP_PM_TABLE_H
#define PL_MPTCP_PM_TABLE_H

#include "plait/stack.h"

enum { PL_PATHS_MAX = 32, PL_REMOTES_MAX = 16, PL_REMOVALS_MAX = 16 };

/* An address of the peer. Entry 0 is that of the first subflow (id 0). */
struct pl_remote {
    struct plait_addr addr;
    uint16_t port;
    uint8_t id;
    bool usable;       /* may be connected to (false: removed, or the C flag forbids it) */
    bool echo_pending; /* an ADD_ADDR waits for its echo */
    bool has_port;     /* the ADD_ADDR named a port: the echo repeats it */
};

/* A pair of addresses that should carry a subflow, and how the attempts went. */
struct pl_path {
    plait_port_id port;
    struct plait_addr local;
    uint8_t remote_index;
    bool wanted;      /* still in the endpoint table */
    bool worked;      /* carried a subflow once */
    bool given_up;    /* the peer or repeated failure said no */
    uint8_t local_id; /* the address id to use next; 0 means none yet but for the first subflow */
    uint8_t failures, refusals; /* in a row */
    uint8_t patience;           /* doublings of the time to be declared dead: it was wrong before */
    plait_time died_at;
    uint32_t subflow; /* serial of the subflow that lives or tries on it, 0 none */
    plait_time retry_at;
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
    uint8_t endpoint_id;
    uint8_t tries;
    bool echoed, pending;
    plait_time resend_at;
};

struct pl_pm {
    struct pl_remote remotes[PL_REMOTES_MAX];
    struct pl_path paths[PL_PATHS_MAX];
    struct pl_removal removals[PL_REMOVALS_MAX];
    struct pl_announcement announcements[8];
    uint8_t remote_count, path_count, removal_count, announcement_count;
    uint8_t id_next;     /* address ids of this connection, never reused soon */
    uint32_t generation; /* of the endpoint table that `paths` was made from */
    bool rescan;         /* remotes changed: make `paths` again */
    bool alone;          /* nothing is alive, and refused paths got another chance */
};

#endif

/* plait/monitor.h - what `ip mptcp monitor` prints, for all connections of a stack: whoever owns
 * them, and before anybody does. The names, numbers and meanings are Linux's. */
#ifndef PLAIT_MONITOR_H
#define PLAIT_MONITOR_H

#include "plait/stack.h"

enum plait_monitor_type {
    PLAIT_MONITOR_CREATED = 1,     /* a connection speaks MPTCP */
    PLAIT_MONITOR_ESTABLISHED = 2, /* and can have more subflows */
    PLAIT_MONITOR_CLOSED = 3,
    PLAIT_MONITOR_ANNOUNCED = 6, /* the peer has announced an address, */
    PLAIT_MONITOR_REMOVED = 7,   /* or taken one back */
    PLAIT_MONITOR_SF_ESTABLISHED = 10,
    PLAIT_MONITOR_SF_CLOSED = 11,
    PLAIT_MONITOR_SF_PRIO = 13, /* the peer has changed what a subflow is to it */
    PLAIT_MONITOR_LISTENER_CREATED = 15,
    PLAIT_MONITOR_LISTENER_CLOSED = 16,
};

struct plait_monitor_event {
    plait_time time;
    uint32_t type;                       /* enum plait_monitor_type */
    uint32_t token;                      /* the local one; 0 for listeners */
    struct plait_endpoint local, remote; /* of the subflow; ANNOUNCED: remote is what was said */
    plait_port_id port;                  /* where `ip` says the interface */
    int error;                           /* CLOSED, SF_CLOSED: a plait_error, 0: in good order */
    uint8_t local_id, remote_id;         /* SF_…, ANNOUNCED, REMOVED */
    uint8_t reset_reason;                /* SF_CLOSED: of MP_TCPRST (RFC 8684 section 3.6) */
    bool backup;                         /* SF_…: the peer has asked for that */
    bool server_side;                    /* CREATED, ESTABLISHED: we were connected to */
    bool deny_join_id0;                  /* CREATED, ESTABLISHED: the peer's C flag */
};

/* Keeps events from now on, the first `capacity` (1..65536) that nobody has taken; more are counted
 * and lost. What there is already comes first, as if it began now: LISTENER_CREATED, and of each
 * connection CREATED, ESTABLISHED, SF_ESTABLISHED, ANNOUNCED (Linux's monitor, started late, knows
 * nothing of those). 0 ends it. What was kept before is forgotten. Errors: BAD_ARGUMENT, NO_MEMORY.
 */
PLAIT_MUST_CHECK int plait_monitor_start(struct plait_stack *stack, uint32_t capacity);
/* The oldest event; false when there is none. The `_sized` form fills `size` bytes, what the caller
 * knows of the struct (docs/api.md). */
bool plait_monitor_next_sized(struct plait_stack *stack, void *event, size_t size);
static inline bool plait_monitor_next(struct plait_stack *stack,
                                      struct plait_monitor_event *event) {
    return plait_monitor_next_sized(stack, event, sizeof(*event));
}
uint64_t plait_monitor_lost(const struct plait_stack *stack);
/* As `ip` prints it: "SF_ESTABLISHED"; NULL for what is no type. */
const char *plait_monitor_name(uint32_t type);

#endif

/* plait/scheduler.h - schedulers: which path carries the next bytes of a connection.
 *
 * PLAIT_OPT_SCHEDULER chooses one, at any time, by number or (plait_set_text) by name:
 *   lowest-rtt   the fastest path that has room; the default, and never worse than the best path
 *   roundrobin   all paths in turn
 *   redundant    every byte on every path
 *   backup       one path; another one takes over when it fails (hot standby)
 *   ecf          as lowest-rtt, but waits for a fast path where a slow one would end later
 *   blest        as lowest-rtt, but waits where a slow path would hold the window shut
 * All of them leave backups (RFC 8684 section 3.3.8) and dead paths alone while there is a better
 * one. Repetitions of lost bytes go by the same rule.
 *
 * An embedder adds his own. It is a pure function of what it is shown and of its own state: it must
 * not call the library. It cannot do harm: a choice that makes no sense counts as `asking`, and a
 * path that is full is waited for only while something is in flight on it. */
#ifndef PLAIT_SCHEDULER_H
#define PLAIT_SCHEDULER_H

#include "plait/stack.h"

enum plait_sched {
    PLAIT_SCHED_LOWEST_RTT,
    PLAIT_SCHED_ROUND_ROBIN,
    PLAIT_SCHED_REDUNDANT,
    PLAIT_SCHED_BACKUP,
    PLAIT_SCHED_ECF,
    PLAIT_SCHED_BLEST,
    PLAIT_SCHED_BUILTIN_COUNT,
    PLAIT_SCHED_CUSTOM_FIRST = 32, /* what plait_scheduler_add gives out */
};

/* One subflow, as a scheduler sees it. */
struct plait_sched_path {
    uint32_t serial; /* as in struct plait_subflow_info */
    plait_port_id port;
    uint32_t port_flags;         /* PLAIT_PORT_…: backup, metered */
    uint64_t srtt_ns, rttvar_ns; /* 0: no sample yet */
    uint32_t cwnd_bytes, inflight_bytes, mss;
    bool can_send; /* has room now and did not pass its last chance by */
    bool backup;   /* either end says so */
    bool stale;    /* looks dead */
};

struct plait_sched_view {
    size_t size; /* what the library knows of this struct; what was added later lies behind */
    const struct plait_sched_path *path; /* as long as in the headers of who added the scheduler */
    unsigned count;
    unsigned asking;         /* index of the subflow that could take bytes now */
    uint64_t unsent_bytes;   /* written and never sent */
    uint64_t inflight_bytes; /* sent and not acknowledged at the data level */
    uint64_t window_bytes;   /* of the peer's window that is left */
    plait_time now;
};

struct plait_scheduler {
    size_t size; /* sizeof(struct plait_scheduler) */
    char name[16];
    uint32_t state_bytes; /* for each connection, zeroed; 4096 at most */
    /* The index of the path that should carry the next bytes: `asking`, or another one that is then
     * asked in its place. */
    unsigned (*choose)(void *state, const struct plait_sched_view *view);
    /* These bytes went to the subflow with this serial. May be NULL. */
    void (*sent)(void *state, uint32_t serial, uint32_t bytes);
};

/* Makes a scheduler known; the struct is copied. Returns its number for PLAIT_OPT_SCHEDULER, or
 * BAD_ARGUMENT, IN_USE (the name), LIMIT (8 of them), NO_MEMORY. The `_sized` form is told how long
 * the paths shall be that `choose` is shown (docs/api.md). */
PLAIT_MUST_CHECK int plait_scheduler_add_sized(struct plait_stack *stack,
                                               const struct plait_scheduler *scheduler,
                                               size_t path_size);
PLAIT_MUST_CHECK static inline int plait_scheduler_add(struct plait_stack *stack,
                                                       const struct plait_scheduler *scheduler) {
    return plait_scheduler_add_sized(stack, scheduler, sizeof(struct plait_sched_path));
}
/* The number of a name ("default" is lowest-rtt), or NO_OPTION; the name of a number, or NULL. */
int plait_scheduler_find(const struct plait_stack *stack, const char *name);
const char *plait_scheduler_name(const struct plait_stack *stack, int64_t scheduler);

#endif

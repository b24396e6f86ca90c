/* plait/trace.h - the event trace and the counters.
 *
 * The core hands plain records to env->trace and never prints; plait_trace_format_*() turn a
 * record into JSON or text. The same packets and seed give the same records (design: determinism).
 * A record's `arg` meanings are in events.def. */
#ifndef PLAIT_TRACE_H
#define PLAIT_TRACE_H

#include "plait/types.h"

enum plait_trace_type {
#define PLAIT_TRACE(name, a0, a1, a2, a3) PLAIT_TRACE_##name,
#include "plait/events.def"
#undef PLAIT_TRACE
    PLAIT_TRACE_COUNT
};

struct plait_trace_record {
    plait_time time;
    uint32_t type;       /* enum plait_trace_type */
    uint32_t connection; /* the connection's local token (or a serial number), 0 if none */
    uint32_t subflow;    /* serial number in the connection, from 1; 0 if none */
    uint64_t arg[4];
};

/* Name of an event ("loss_detected"). Static storage. */
const char *plait_trace_name(uint32_t type);
/* Name of argument i (0..3) of an event, "" if unused. Static storage. */
const char *plait_trace_arg_name(uint32_t type, unsigned i);

enum plait_counter {
#define PLAIT_COUNTER(name) PLAIT_COUNTER_##name,
#include "plait/counters.def"
#undef PLAIT_COUNTER
    PLAIT_COUNTER_COUNT
};

/* Name of a counter ("MPJoinSynRx"). Static storage. */
const char *plait_counter_name(unsigned counter);

#endif

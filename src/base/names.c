/* The names of trace events, their arguments and the counters, from their lists. */
#include "plait/trace.h"

static const char *const trace_names[PLAIT_TRACE_COUNT][5] = {
#define PLAIT_TRACE(name, a0, a1, a2, a3) {#name, #a0, #a1, #a2, #a3},
#include "plait/events.def"
#undef PLAIT_TRACE
};

static const char *const counter_names[PLAIT_COUNTER_COUNT] = {
#define PLAIT_COUNTER(name) #name,
#include "plait/counters.def"
#undef PLAIT_COUNTER
};

const char *plait_trace_name(uint32_t type) {
    return type < PLAIT_TRACE_COUNT ? trace_names[type][0] : "unknown";
}

const char *plait_trace_arg_name(uint32_t type, unsigned i) {
    return type < PLAIT_TRACE_COUNT && i < 4 ? trace_names[type][1 + i] : "";
}

const char *plait_counter_name(unsigned counter) {
    return counter < PLAIT_COUNTER_COUNT ? counter_names[counter] : "unknown";
}

#include "sim/verdict.h"

#include <stdarg.h>
#include <stdio.h>

void pl_sim_fail(struct pl_sim_verdict *verdict, const char *format, ...) {
    verdict->failures++;
    if (verdict->failures > 1) {
        return;
    }
    verdict->time = *verdict->clock;
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->reason, sizeof(verdict->reason), format, args);
    va_end(args);
}

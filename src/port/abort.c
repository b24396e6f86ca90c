/* port/abort.c - the abort hook of the tools, in a file of its own so that a program with another
 * one (tests, fuzzers) can link everything else of this library. */
#include <stdio.h>
#include <stdlib.h>

#include "plait/env.h"

_Noreturn void plait_abort_hook(const char *expression, const char *file, int line) {
    fprintf(stderr, "plait: internal error: %s:%d: %s is false\n", file, line, expression);
    abort();
}

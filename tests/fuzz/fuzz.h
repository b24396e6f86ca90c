/* fuzz.h - what fuzz targets share. A target defines LLVMFuzzerTestOneInput; it is linked either
 * with libFuzzer (clang, -Dfuzz=true) or with driver.c. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "plait/env.h"

/* A property that must hold for every input. */
#define FUZZ_CHECK(x) ((x) ? (void)0 : plait_abort_hook(#x, __FILE__, __LINE__))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif

/* sim/pattern.h - the bytes a simulated application sends: a function of a seed and the offset in
 * the stream, so that a reader can check any byte without having kept what was written. */
#ifndef PL_SIM_PATTERN_H
#define PL_SIM_PATTERN_H

#include <stddef.h>
#include <stdint.h>

void pl_pattern_fill(uint64_t seed, uint64_t offset, uint8_t *out, size_t len);
/* Index of the first byte that differs, or len when all are right. */
size_t pl_pattern_compare(uint64_t seed, uint64_t offset, const uint8_t *data, size_t len);

#endif

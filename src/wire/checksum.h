/* wire/checksum.h - the Internet checksum (RFC 1071): incremental, any alignment, odd lengths. */
#ifndef PL_WIRE_CHECKSUM_H
#define PL_WIRE_CHECKSUM_H

#include "plait/types.h"

/* Adds bytes to a running sum of 16-bit words. Pieces after an odd number of bytes must be added
 * with pl_sum_add_odd. The sum is not folded and does not overflow below 2^31 bytes. */
uint64_t pl_sum_add(uint64_t sum, const uint8_t *data, size_t len);
/* The same for a piece that starts at an odd offset of the whole. */
uint64_t pl_sum_add_odd(uint64_t sum, const uint8_t *data, size_t len);
/* Folds to 16 bits, not complemented. */
uint16_t pl_sum_fold(uint64_t sum);
/* Sum of the TCP (or other) pseudo header of RFC 9293 section 3.1 / RFC 8200 section 8.1. */
uint64_t pl_sum_pseudo(const struct plait_addr *src, const struct plait_addr *dst, uint8_t protocol,
                       uint32_t len);

#endif

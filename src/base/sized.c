#include "base/sized.h"

#include <stdint.h>
#include <string.h>

#include "base/assert.h"

size_t pl_sized_out(void *to, size_t to_size, const void *from, size_t from_size) {
    size_t common = to_size < from_size ? to_size : from_size;
    PL_ASSERT(to != NULL && from != NULL);
    memcpy(to, from, common);
    memset((uint8_t *)to + common, 0, to_size - common);
    return common;
}

bool pl_sized_in(void *to, size_t to_size, const void *from, size_t from_size) {
    const uint8_t *bytes = from;
    PL_ASSERT(to != NULL && from != NULL);
    (void)pl_sized_out(to, to_size, from, from_size);
    for (size_t i = to_size; i < from_size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* base/sized.h - structs that grow: whoever was compiled against older or newer headers says how
 * long his is. docs/api.md has the rule that callers see; it is Linux's. */
#ifndef PL_BASE_SIZED_H
#define PL_BASE_SIZED_H

#include <stdbool.h>
#include <stddef.h>

/* Gives the caller what fits into his struct; what he knows more of is zero. Returns how many bytes
 * were ours. */
size_t pl_sized_out(void *to, size_t to_size, const void *from, size_t from_size);
/* Takes a caller's struct: what he does not know yet is zero. False when he asks for something that
 * we do not know: a byte behind ours that is not zero. */
bool pl_sized_in(void *to, size_t to_size, const void *from, size_t from_size);

#endif

/* wire/addr.h - IP addresses: comparison and text forms. */
#ifndef PL_WIRE_ADDR_H
#define PL_WIRE_ADDR_H

#include "plait/types.h"

enum { PL_ADDR_TEXT = 46 }; /* room for any text form, its end included */

bool pl_addr_equal(const struct plait_addr *a, const struct plait_addr *b);
/* False, and *out untouched, when the text is no address. Takes what inet_pton() takes: no zones,
 * no leading zeros in IPv4. */
bool pl_addr_parse(const char *text, struct plait_addr *out);
/* The form of RFC 5952; "none" for PLAIT_FAMILY_NONE. */
void pl_addr_format(const struct plait_addr *addr, char out[PL_ADDR_TEXT]);

#endif

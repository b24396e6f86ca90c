/* wire/addr.h - IP addresses: comparison and text forms. */
#ifndef PL_WIRE_ADDR_H
#define PL_WIRE_ADDR_H

#include "plait/types.h"

enum { PL_ADDR_TEXT = 46 }; /* room for any text form, its end included */

bool pl_addr_equal(const struct plait_addr *a, const struct plait_addr *b);
/* Whether it can be one end of a TCP connection between two hosts: not unspecified, loopback,
 * multicast, broadcast or IPv4-mapped (RFC 9293 section 3.9.2.3, RFC 1122 section 3.2.1.3,
 * RFC 6890). */
bool pl_addr_is_host(const struct plait_addr *addr);
/* False, and *out untouched, when the text is no address. Takes what inet_pton() takes: no zones,
 * no leading zeros in IPv4. */
bool pl_addr_parse(const char *text, struct plait_addr *out);
/* The form of RFC 5952; "none" for PLAIT_FAMILY_NONE. */
void pl_addr_format(const struct plait_addr *addr, char out[PL_ADDR_TEXT]);

#endif

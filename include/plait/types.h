/* plait/types.h - plain value types that every other public header uses.
 *
 * Nothing here owns memory. All times are nanoseconds on one monotonic clock of the caller's
 * choice; the library never reads a clock (docs/architecture.md, "The sans-I/O contract"). */
#ifndef PLAIT_TYPES_H
#define PLAIT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAIT_MUST_CHECK __attribute__((warn_unused_result))

/* Nanoseconds since any fixed origin, monotonic. */
typedef uint64_t plait_time;
#define PLAIT_TIME_NEVER UINT64_MAX
#define PLAIT_NS_PER_US UINT64_C(1000)
#define PLAIT_NS_PER_MS UINT64_C(1000000)
#define PLAIT_NS_PER_S UINT64_C(1000000000)

/* Names a socket: index and generation. 0 is never valid; a stale id is an error, not a crash. */
typedef uint64_t plait_sock;

/* Names a port (a place where packets come and go) of one stack. 0 means "any port". */
typedef uint32_t plait_port_id;

enum plait_family { PLAIT_FAMILY_NONE = 0, PLAIT_IPV4 = 4, PLAIT_IPV6 = 6 };

/* An IP address in network byte order. An IPv4 address uses bytes[0..3], the rest is zero, so
 * that two addresses are equal exactly when their bytes are. */
struct plait_addr {
    uint8_t bytes[16];
    uint8_t family; /* enum plait_family */
};

/* An address and a TCP port in host byte order. */
struct plait_endpoint {
    struct plait_addr addr;
    uint16_t port;
};

/* A run of bytes that somebody else owns. */
struct plait_slice {
    const uint8_t *data;
    uint32_t len;
};

#endif

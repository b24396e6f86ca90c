/* A target with a fault on purpose: an MP_FAIL option on a segment that has FIN "crashes". If the
 * driver does not find it, the fuzzers find nothing (tests/fuzz/run expects the failure). */
#include "fuzz.h"
#include "wire/ip.h"
#include "wire/tcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct pl_ip ip;
    struct pl_segment seg;
    if (pl_ip_parse_quoted(data, len, &ip) != PL_IP_OK || ip.protocol != PL_IP_TCP) {
        return 0;
    }
    if (pl_tcp_parse(data + ip.header_len, ip.payload_len, &seg) != PL_TCP_OK) {
        return 0;
    }
    bool has_fail = pl_mptcp_has(&seg.options.mptcp, PL_MP_FAIL);
    FUZZ_CHECK(!has_fail || (seg.flags & PL_TCP_FIN) == 0);
    return 0;
}

/* Defaults and bounds of a stack's settings. */
#include "base/ctx.h"

enum { SUBFLOWS_BOUND = 32, BUFFER_BYTES_MIN = 4096, BUFFER_BYTES_BOUND = 1 << 30 };

void plait_config_init(struct plait_config *config) {
    *config = (struct plait_config){
        .size = sizeof(*config),
        .mptcp = true,
        .cc = PLAIT_CC_CUBIC,
        .connections_max = 65536,
        .subflows_max = 8,
        .add_addr_accepted_max = 8,
        .send_buffer_bytes = 8 << 20,
        .receive_buffer_bytes = 8 << 20,
        .memory_bytes_max = UINT64_C(1) << 30,
        .rto_min_ns = 200 * PLAIT_NS_PER_MS,
        .time_wait_ns = 60 * PLAIT_NS_PER_S,
        .orphan_ns = 60 * PLAIT_NS_PER_S,
        .ecn = PLAIT_ECN_ACCEPT,
        .no_subflow_ns = 60 * PLAIT_NS_PER_S,
        .syn_timeout_ns = 180 * PLAIT_NS_PER_S,
        .stale_ns_min = 100 * PLAIT_NS_PER_MS,
        .syn_cookies = PLAIT_SYN_COOKIES_WHEN_FULL,
        .challenge_acks = 10,
        .challenge_ns = PLAIT_NS_PER_S,
    };
}

static bool buffer_ok(uint32_t bytes) {
    return bytes >= BUFFER_BYTES_MIN && bytes <= BUFFER_BYTES_BOUND;
}

int pl_config_check(const struct plait_config *config) {
    if (config->size != sizeof(*config) || config->ecn > PLAIT_ECN_ACCEPT ||
        config->cc > PLAIT_CC_LIA) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (config->connections_max == 0 || config->subflows_max == 0 ||
        config->subflows_max > SUBFLOWS_BOUND) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (!buffer_ok(config->send_buffer_bytes) || !buffer_ok(config->receive_buffer_bytes)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (config->syn_cookies > PLAIT_SYN_COOKIES_ALWAYS || config->challenge_acks > UINT16_MAX) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (config->versions > PLAIT_MPTCP_V1_V0 ||
        (config->versions != PLAIT_MPTCP_V1 && config->v0 == NULL)) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (config->rto_min_ns == 0 || config->syn_timeout_ns == 0 || config->stale_ns_min == 0) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    return 0;
}

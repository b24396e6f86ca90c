/* plait/mptcp_info.h - Linux's MPTCP_INFO (struct mptcp_info, as of 6.18): same members, same
 * order, same meanings, same rule for growth. The caller says how much he has room for; members
 * that were added later lie behind. `mptcpi_subflows` counts those besides the first, as there. */
#ifndef PLAIT_MPTCP_INFO_H
#define PLAIT_MPTCP_INFO_H

#include "plait/socket.h"

enum plait_mptcp_info_flag { /* mptcpi_flags */
                             PLAIT_MPTCP_INFO_FALLBACK = 1 << 0,
                             PLAIT_MPTCP_INFO_REMOTE_KEY_RECEIVED = 1 << 1,
};

struct plait_mptcp_info {
    uint8_t mptcpi_subflows;
    uint8_t mptcpi_add_addr_signal;
    uint8_t mptcpi_add_addr_accepted;
    uint8_t mptcpi_subflows_max;
    uint8_t mptcpi_add_addr_signal_max;
    uint8_t mptcpi_add_addr_accepted_max;
    uint32_t mptcpi_flags;
    uint32_t mptcpi_token;
    uint64_t mptcpi_write_seq;
    uint64_t mptcpi_snd_una;
    uint64_t mptcpi_rcv_nxt;
    uint8_t mptcpi_local_addr_used;
    uint8_t mptcpi_local_addr_max;
    uint8_t mptcpi_csum_enabled;
    uint32_t mptcpi_retransmits; /* repeated mappings */
    uint64_t mptcpi_bytes_retrans;
    uint64_t mptcpi_bytes_sent;
    uint64_t mptcpi_bytes_received;
    uint64_t mptcpi_bytes_acked;
    uint8_t mptcpi_subflows_total;
    uint8_t mptcpi_endp_laminar_max; /* 0: there are none */
    uint8_t mptcpi_endp_fullmesh_max;
    uint8_t reserved;
    uint32_t mptcpi_last_data_sent; /* ms ago */
    uint32_t mptcpi_last_data_recv;
    uint32_t mptcpi_last_ack_recv;
};

/* Fills what fits of the struct into out[0..*size) and stores how much that was. Errors: BAD_STATE
 * (no connection yet, or plain TCP from the start). */
PLAIT_MUST_CHECK int plait_mptcp_info(struct plait_stack *stack, plait_sock sock, void *out,
                                      size_t *size);

#endif

/* plait/tcp_info.h - what one subflow's TCP is doing, as Linux's TCP_INFO tells it.
 *
 * Members, their order and their units are those of struct tcp_info in <linux/tcp.h>, so that a
 * tool which reads one can read the other: times in microseconds (last_... in milliseconds),
 * windows of the sender in segments. The struct only grows at its end.
 *
 * Always 0: tcpi_fackets (forward acknowledgement is gone, from Linux too), tcpi_last_ack_sent
 * (Linux never fills it) and tcpi_fastopen_client_fail (why Fast Open fell through is not kept).
 * tcpi_reordering is 3: losses are told by time (RFC 8985), not by distance. tcpi_delivered and
 * tcpi_delivered_ce are bytes by the present segment size; what was sent, sent again and received
 * is counted by packet, without SYNs in tcpi_total_retrans.
 *
 * tcpi_busy_time, tcpi_..._limited, tcpi_delivery_rate and tcpi_rcv_rtt are 0 until there was more
 * than a few packets of payload either way, or a loss, or a closed window: connections that say
 * little pay nothing for them. They begin with what is in flight then. tcpi_rwnd_limited is also
 * the time for which MPTCP's window keeps a subflow with something in flight from sending more.
 * tcpi_delivery_rate has one sample a round trip; tcpi_rcv_rtt needs time stamps. */
#ifndef PLAIT_TCP_INFO_H
#define PLAIT_TCP_INFO_H

#include "plait/stack.h"

struct plait_tcp_info {
    uint8_t tcpi_state;
    uint8_t tcpi_ca_state;
    uint8_t tcpi_retransmits;
    uint8_t tcpi_probes;
    uint8_t tcpi_backoff;
    uint8_t tcpi_options;
    uint8_t tcpi_snd_wscale : 4, tcpi_rcv_wscale : 4;
    uint8_t tcpi_delivery_rate_app_limited : 1, tcpi_fastopen_client_fail : 2;
    uint32_t tcpi_rto;
    uint32_t tcpi_ato;
    uint32_t tcpi_snd_mss;
    uint32_t tcpi_rcv_mss;
    uint32_t tcpi_unacked;
    uint32_t tcpi_sacked;
    uint32_t tcpi_lost;
    uint32_t tcpi_retrans;
    uint32_t tcpi_fackets;
    uint32_t tcpi_last_data_sent;
    uint32_t tcpi_last_ack_sent;
    uint32_t tcpi_last_data_recv;
    uint32_t tcpi_last_ack_recv;
    uint32_t tcpi_pmtu;
    uint32_t tcpi_rcv_ssthresh;
    uint32_t tcpi_rtt;
    uint32_t tcpi_rttvar;
    uint32_t tcpi_snd_ssthresh;
    uint32_t tcpi_snd_cwnd;
    uint32_t tcpi_advmss;
    uint32_t tcpi_reordering;
    uint32_t tcpi_rcv_rtt;
    uint32_t tcpi_rcv_space;
    uint32_t tcpi_total_retrans;
    uint64_t tcpi_pacing_rate;
    uint64_t tcpi_max_pacing_rate;
    uint64_t tcpi_bytes_acked;
    uint64_t tcpi_bytes_received;
    uint32_t tcpi_segs_out;
    uint32_t tcpi_segs_in;
    uint32_t tcpi_notsent_bytes;
    uint32_t tcpi_min_rtt;
    uint32_t tcpi_data_segs_in;
    uint32_t tcpi_data_segs_out;
    uint64_t tcpi_delivery_rate;
    uint64_t tcpi_busy_time;
    uint64_t tcpi_rwnd_limited;
    uint64_t tcpi_sndbuf_limited;
    uint32_t tcpi_delivered;
    uint32_t tcpi_delivered_ce;
    uint64_t tcpi_bytes_sent;
    uint64_t tcpi_bytes_retrans;
    uint32_t tcpi_dsack_dups;
    uint32_t tcpi_reord_seen;
    uint32_t tcpi_rcv_ooopack;
    uint32_t tcpi_snd_wnd;
};

/* Fills what fits of the struct into out[0..*size) and stores how much that was. `serial` names a
 * subflow (struct plait_subflow_info); 0: the first that is left. Errors: BAD_STATE without such a
 * subflow. */
PLAIT_MUST_CHECK int plait_tcp_info(struct plait_stack *stack, plait_sock sock, uint32_t serial,
                                    void *out, size_t *size);

#endif

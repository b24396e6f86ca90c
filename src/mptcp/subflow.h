/* mptcp/subflow.h - creating, ending and looking after the subflows of a connection. */
#ifndef PL_MPTCP_SUBFLOW_H
#define PL_MPTCP_SUBFLOW_H

#include "mptcp/state.h"

struct pl_subflow_setup {
    plait_port_id port;
    struct pl_tcp_tuple tuple;
    bool initiator, join, backup;
    bool stateless; /* a cookie has promised the stack's window scale */
    uint8_t local_id, remote_id;
    uint64_t syn_timeout_ns; /* 0: the usual */
};

/* Makes a subflow in phase OPENING and registers its flow. Errors of flow_prepare, NO_MEMORY,
 * LIMIT. */
PLAIT_MUST_CHECK int pl_subflow_create(struct pl_conn *conn, const struct pl_subflow_setup *setup,
                                       struct pl_subflow **out, plait_time now);
/* Frees a subflow, whatever it is doing, without a word on the wire. */
void pl_subflow_destroy(struct pl_subflow *sf);
/* RST with MP_TCPRST (RFC 8684 section 3.6). */
void pl_subflow_reset(struct pl_subflow *sf, uint8_t reason, bool transient, int error,
                      plait_time now);
/* FIN after what was given to it. */
void pl_subflow_close(struct pl_subflow *sf, plait_time now);
/* Tells the application, once, that it carries nothing any more. */
void pl_subflow_say_closed(struct pl_subflow *sf, int error);
/* TCP's events; shared by both uppers. */
void pl_subflow_event(void *up, enum pl_tcp_event event, int64_t arg, plait_time now);
/* May carry new data as far as its phase goes. */
bool pl_subflow_usable(const struct pl_subflow *sf);
/* Another one is up and not stale: it could take what this one holds. */
bool pl_subflow_replaceable(const struct pl_subflow *sf);
/* The segment acknowledges payload, not only SYN or FIN. */
bool pl_subflow_acks_data(const struct pl_subflow *sf, const struct pl_segment *seg);
/* The subflow may carry data from now on: tells the application, wakes it. */
void pl_subflow_up(struct pl_subflow *sf, plait_time now);
/* The subflow with this serial, or NULL. */
struct pl_subflow *pl_conn_subflow(const struct pl_conn *conn, uint32_t serial);
/* Some live subflow that ACKs and signals can go out on (not stale if possible), or NULL. */
struct pl_subflow *pl_conn_signal_subflow(const struct pl_conn *conn);
/* Lets all subflows look for data again. */
void pl_conn_kick(struct pl_conn *conn);

extern const struct pl_tcp_upper pl_upper_mptcp;
extern const struct pl_tcp_upper pl_upper_plain;

enum pl_reset_reason { /* RFC 8684 section 3.6 */
                       PL_RESET_UNSPECIFIED,
                       PL_RESET_MPTCP,
                       PL_RESET_RESOURCES,
                       PL_RESET_PROHIBITED,
                       PL_RESET_OUTSTANDING,
                       PL_RESET_PERFORMANCE,
                       PL_RESET_MIDDLEBOX,
};

#endif

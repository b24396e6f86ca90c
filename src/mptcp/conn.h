/* mptcp/conn.h - one connection: an MPTCP session with its subflows (RFC 8684), or plain TCP after
 * fallback. The structs are in mptcp/state.h.
 *
 * Life: pl_conn_create -> (pl_conn_connect | pl_conn_accept [-> pl_conn_confirm]) -> ... ->
 * pl_conn_destroy. States (enum pl_conn_state): NEW          created OPENING      first subflow's
 * handshake runs (or its SYN is held) OPEN         bytes flow; local and remote end of stream are
 * flags of their own CLOSED       both directions ended and acknowledged, or error set; subflows
 * may linger (TIME-WAIT) Modes: MPTCP, PLAIN (RFC 8684 section 3.7: fallback is a change of mode,
 * not another object).
 *
 * Nothing is freed while engine code runs: what has to be cleaned up or decided is left for
 * pl_conn_settle(), which the stack calls for every connection in host->settle_list at the end of
 * each of its verbs. */
#ifndef PL_MPTCP_CONN_H
#define PL_MPTCP_CONN_H

#include "mptcp/host.h"
#include "plait/mptcp_info.h"
#include "plait/tcp_info.h"

struct pl_sched;  /* mptcp/sched/sched.h */
struct pl_policy; /* mptcp/policy.h */
struct plait_local;

enum pl_conn_state { PL_CONN_NEW, PL_CONN_OPENING, PL_CONN_OPEN, PL_CONN_CLOSED };

/* Fast Open as a client (RFC 7413): what the first SYN says, and what came of it. */
struct pl_conn_fastopen {
    struct pl_tcp_cookie cookie; /* shown; len 0: one is asked for */
    uint16_t mss;                /* that the peer offered: last time, then in its answer; 0: none */
    uint16_t sent_bytes;         /* payload of that SYN */
    bool said;                   /* it went out with the option */
    bool repeated;               /* and again without it */
    bool answered;               /* a SYN/ACK came: what follows is valid */
    bool granted;                /* with a new cookie */
    struct pl_tcp_cookie grant;
    uint32_t acked_bytes;
};

struct pl_conn_setup {
    bool mptcp;                                       /* ask for / accept MPTCP */
    const struct pl_policy *policy;                   /* copied; NULL: the default */
    uint8_t versions;                                 /* enum plait_mptcp_versions */
    uint32_t send_buffer_bytes, receive_buffer_bytes; /* upper bounds; 0: the stack's */
    uint32_t serial;                                  /* names the connection in traces */
    const struct pl_tcp_tuning *tuning;               /* copied; NULL: the defaults */
    const struct pl_sched *sched;                     /* NULL: lowest RTT */
    bool transparent;           /* the first subflow's local address need not be ours */
    struct pl_tcp_cookie grant; /* Fast Open cookie for the SYN/ACK; len 0: none */
    const struct pl_conn_fastopen *fastopen; /* copied; NULL: not wanted */
    bool has_key;                            /* `key` was given away already */
    uint64_t key;
};

PLAIT_MUST_CHECK int pl_conn_create(struct pl_conn **out, struct pl_ctx *ctx,
                                    const struct pl_conn_host *host,
                                    const struct pl_conn_setup *setup);
/* Frees everything silently; unregisters flows and token. */
void pl_conn_destroy(struct pl_conn *conn);

/* Opens the first subflow. tuple->local_port 0: any. Errors of flow_prepare, NO_MEMORY. */
PLAIT_MUST_CHECK int pl_conn_connect(struct pl_conn *conn, plait_port_id port,
                                     struct pl_tcp_tuple tuple, plait_time now);
/* A SYN for a listener, without MP_JOIN. */
PLAIT_MUST_CHECK int pl_conn_accept(struct pl_conn *conn, plait_port_id port,
                                    struct pl_tcp_tuple tuple, const struct pl_segment *syn,
                                    bool hold, plait_time now);
/* The same for a SYN with a good Fast Open cookie; `buf` holds its payload (tcp/tcp.h). */
PLAIT_MUST_CHECK int pl_conn_accept_early(struct pl_conn *conn, plait_port_id port,
                                          struct pl_tcp_tuple tuple, const struct pl_segment *syn,
                                          struct plait_buf *buf, plait_time now);
/* Whether the peer of such a connection has not (or, after its end, had not) acknowledged our
 * SYN/ACK. */
bool pl_conn_is_early(const struct pl_conn *conn);
/* What became of pl_conn_setup.fastopen; false when there was none, or it was taken before. */
bool pl_conn_take_fastopen(struct pl_conn *conn, struct pl_conn_fastopen *out);
void pl_conn_confirm(struct pl_conn *conn, plait_time now);

/* A SYN with MP_JOIN whose token is this connection's. */
struct pl_join_request {
    plait_port_id port;
    struct pl_tcp_tuple tuple;
    const struct pl_segment *syn;
    bool stateless; /* its SYN/ACK has gone out with this nonce, and the third ACK is good */
    uint32_t nonce;
};
/* Returns 0 when a subflow was made, or a negative error: the stack answers with RST (and
 * MP_TCPRST, `reason` is set). */
PLAIT_MUST_CHECK int pl_conn_join(struct pl_conn *conn, const struct pl_join_request *join,
                                  uint8_t *reason, plait_time now);
/* Whether as many joins are half-open as may be. */
bool pl_conn_joins_crowd(const struct pl_conn *conn);
/* The MP_JOIN for a SYN/ACK with join->nonce that no subflow is made for yet (stack/joincookie.h):
 * 16 bytes, or 0 when the join is not welcome or there is no room. And its window. */
uint32_t pl_conn_join_stateless(struct pl_conn *conn, const struct pl_join_request *join,
                                uint16_t *window_raw, uint8_t *out, uint32_t room);
/* Whether the HMAC of a third ACK says that its sender knows the keys. */
bool pl_conn_join_proved(const struct pl_conn *conn, uint32_t nonce_local, uint32_t nonce_remote,
                         const uint8_t hmac[20]);

/* Whether the peer would read why its subflow was reset (MP_TCPRST). */
bool pl_conn_gives_reasons(const struct pl_conn *conn);

/* The MP_CAPABLE for a SYN/ACK that no connection is made for yet (SYN cookies): 12 bytes, or 0
 * when the SYN does not ask for what we speak or there is no room. */
uint32_t pl_conn_stateless_capable(const struct pl_ctx *ctx, uint8_t versions,
                                   const struct pl_segment *syn, uint64_t key, uint8_t *out,
                                   uint32_t room);

/* A segment for one of its subflows; a subflow's turn to send. (The stack found `sf` by its tuple,
 * or in a port's list.) */
void pl_subflow_input(struct pl_subflow *sf, const struct pl_segment *seg, struct plait_buf *buf,
                      plait_time now);
bool pl_subflow_output(struct pl_subflow *sf, struct pl_tcp_tx *tx, plait_time now);
struct pl_tcp *pl_subflow_tcp(struct pl_subflow *sf);
struct pl_subflow *pl_subflow_of_tcp_link(struct pl_list *out_link);
struct pl_subflow *pl_subflow_of_flow_node(struct pl_hash_node *node);
struct pl_conn *pl_conn_of_token_node(struct pl_hash_node *node);
struct pl_conn *pl_conn_of_settle_link(struct pl_list *link);
struct pl_conn *pl_subflow_conn(struct pl_subflow *sf);
struct pl_hash_node *pl_subflow_flow_node(struct pl_subflow *sf);
struct pl_hash_node *pl_conn_token_node(struct pl_conn *conn);
plait_port_id pl_subflow_port(const struct pl_subflow *sf);
uint32_t pl_conn_token(const struct pl_conn *conn);
/* The owner's word for this connection (the socket). */
void pl_conn_set_user(struct pl_conn *conn, uint64_t user);
uint64_t pl_conn_user(const struct pl_conn *conn);

/* Application side; same results as the calls of plait/socket.h. */
int64_t pl_conn_write(struct pl_conn *conn, const void *data, size_t len, plait_time now);
int64_t pl_conn_write_buf(struct pl_conn *conn, struct plait_buf *buf, const uint8_t *data,
                          uint32_t len, plait_time now);
/* Without `data` the bytes go nowhere. */
int64_t pl_conn_read(struct pl_conn *conn, void *data, size_t len, plait_time now);
unsigned pl_conn_peek(const struct pl_conn *conn, struct plait_slice *slices, unsigned max);
int64_t pl_conn_splice(struct pl_conn *from, struct pl_conn *to, size_t max, plait_time now);
int pl_conn_shutdown(struct pl_conn *conn, plait_time now);
/* The application is gone: finishes by itself (config.orphan_ns bounds it). */
void pl_conn_orphan(struct pl_conn *conn, plait_time now);
void pl_conn_abort(struct pl_conn *conn, int error, plait_time now);
/* As orphan, but what arrives is thrown away, and the end is an abort, not a FIN. */
void pl_conn_abort_delivered(struct pl_conn *conn, int error, plait_time now);
int pl_conn_poll(const struct pl_conn *conn); /* PLAIT_POLL_… */
enum pl_conn_state pl_conn_state(const struct pl_conn *conn);
int pl_conn_error(const struct pl_conn *conn);
bool pl_conn_is_mptcp(const struct pl_conn *conn);
int pl_conn_set_buffers(struct pl_conn *conn, uint32_t send_bytes, uint32_t receive_bytes);
/* Socket options, for all subflows. The struct is copied. Errors: NO_MEMORY. */
PLAIT_MUST_CHECK int pl_conn_tune(struct pl_conn *conn, const struct pl_tcp_tuning *tuning,
                                  plait_time now);
/* Another policy about paths; copied. Errors: NO_MEMORY. */
PLAIT_MUST_CHECK int pl_conn_set_policy(struct pl_conn *conn, const struct pl_policy *policy);
/* The policy denies an address from now on: see plait_multipath_remove. */
void pl_conn_local_removed(struct pl_conn *conn, plait_port_id port, const struct plait_addr *addr,
                           plait_time now);
/* As the calls of plait/multipath.h. */
PLAIT_MUST_CHECK int pl_conn_subflow_open(struct pl_conn *conn, const struct plait_local *local,
                                          const struct plait_endpoint *remote, bool backup,
                                          plait_time now);
PLAIT_MUST_CHECK int pl_conn_subflow_close(struct pl_conn *conn, uint32_t serial, bool reset,
                                           plait_time now);
PLAIT_MUST_CHECK int pl_conn_subflow_set_backup(struct pl_conn *conn, uint32_t serial, bool backup);
PLAIT_MUST_CHECK int pl_conn_subflow_set_cc(struct pl_conn *conn, uint32_t serial, uint8_t cc);
/* Another scheduler. Errors: NO_MEMORY. */
PLAIT_MUST_CHECK int pl_conn_schedule(struct pl_conn *conn, const struct pl_sched *sched);
uint64_t pl_conn_send_queue(const struct pl_conn *conn);
uint64_t pl_conn_receive_queue(const struct pl_conn *conn);
/* What was written and is not acknowledged is urgent. Plain connections only: BAD_STATE, also when
 * there is nothing. */
PLAIT_MUST_CHECK int pl_conn_urgent_mark(struct pl_conn *conn);
/* Bytes to read up to the end of the peer's urgent data. */
/* Seconds, RFC 5482; 0: none. */
uint32_t pl_conn_peer_uto_s(const struct pl_conn *conn);
uint64_t pl_conn_urgent_left(const struct pl_conn *conn);
void pl_conn_info(const struct pl_conn *conn, struct plait_connection_info *out);
/* A monitor begins: it is told what there is. */
void pl_conn_report(struct pl_conn *conn);
/* MPTCP_INFO; false when it was never MPTCP. */
bool pl_conn_mptcp_info(const struct pl_conn *conn, struct plait_mptcp_info *out, plait_time now);
/* Subflow `index` in the order of creation; false when there are not so many. */
bool pl_conn_subflow_info(const struct pl_conn *conn, unsigned index,
                          struct plait_subflow_info *out);
/* TCP_INFO of the subflow with this serial, 0: of the first; false when there is none. */
bool pl_conn_tcp_info(const struct pl_conn *conn, uint32_t serial, struct plait_tcp_info *out,
                      plait_time now);
/* Tuple of the first subflow (remembered after it is gone). */
const struct pl_tcp_tuple *pl_conn_tuple(const struct pl_conn *conn);

/* Environment changes; the stack has updated the endpoint table before. */
void pl_conn_endpoint_added(struct pl_conn *conn, const struct pl_local_endpoint *ep,
                            plait_time now);
void pl_conn_endpoint_removed(struct pl_conn *conn, const struct pl_local_endpoint *ep,
                              plait_time now);
void pl_conn_endpoint_backup(struct pl_conn *conn, const struct pl_local_endpoint *ep,
                             plait_time now);
void pl_conn_port_down(struct pl_conn *conn, plait_port_id port, plait_time now);
void pl_conn_port_up(struct pl_conn *conn, plait_port_id port, plait_time now);

/* ---- memory is short ---- */

/* Throws away what arrived out of order; returns the bytes that are free now. */
uint32_t pl_conn_drop_ahead(struct pl_conn *conn);
/* Whether it holds more to be sent than everybody may. */
bool pl_conn_over_share(const struct pl_conn *conn);
/* How long something has waited to be sent or acknowledged without progress; 0: nothing has. */
uint64_t pl_conn_stuck_ns(const struct pl_conn *conn, plait_time now);
/* Ends an open connection with NO_MEMORY and frees what it wanted to send. */
void pl_conn_give_up(struct pl_conn *conn, plait_time now);

/* Deferred work: frees finished subflows, runs the path manager, reinjects. Returns true when the
 * connection is CLOSED and has no subflow left: then the stack may destroy it if no socket holds
 * it. */
bool pl_conn_settle(struct pl_conn *conn, plait_time now);
void pl_conn_check(const struct pl_conn *conn);

#endif

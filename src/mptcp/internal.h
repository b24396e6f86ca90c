/* mptcp/internal.h - the verbs of a connection that its files offer each other, one block per file.
 */
#ifndef PL_MPTCP_INTERNAL_H
#define PL_MPTCP_INTERNAL_H

#include "mptcp/policy.h"
#include "mptcp/state.h"

/* conn.c */
void pl_conn_touch(struct pl_conn *conn); /* asks for pl_conn_settle */
/* Brings MPCurrEstab up to date with the state, mode and handshake of the connection. */
void pl_conn_count(struct pl_conn *conn);
void pl_conn_say(struct pl_conn *conn, enum plait_event_type type, const struct pl_subflow *sf,
                 int error, uint8_t id);
void pl_conn_opened(struct pl_conn *conn, plait_time now);
/* The end: error 0 is an orderly one. Subflows are reset or left to finish as they are. */
void pl_conn_closed(struct pl_conn *conn, int error, plait_time now);
bool pl_conn_fully_established(const struct pl_conn *conn);

/* capable.c: MP_CAPABLE (RFC 8684 section 3.1) */
int pl_capable_start(struct pl_conn *conn);
void pl_capable_syn_in(struct pl_conn *conn, const struct pl_segment *syn);
uint32_t pl_capable_write(struct pl_subflow *sf, const struct pl_seg_out *seg, uint8_t *out,
                          uint32_t room, plait_time now);
enum pl_verdict pl_capable_in(struct pl_subflow *sf, const struct pl_segment *seg,
                              enum pl_seg_kind kind, plait_time now);

/* Whether the third ACK must go out before data may: in version 0 data cannot bring our key, and
 * both options do not fit into one segment (RFC 6824 section 3.6). */
bool pl_capable_first(const struct pl_conn *conn);

/* fastopen.c: payload in the SYN (RFC 7413, RFC 8684 appendix B) */
/* The Fast Open option of a SYN or SYN/ACK; returns its length. */
uint32_t pl_fastopen_write(struct pl_conn *conn, const struct pl_seg_out *seg, uint8_t *out,
                           uint32_t room);
/* The answer to our SYN says what became of it. */
void pl_fastopen_answer_in(struct pl_subflow *sf, const struct pl_segment *syn_ack);
/* The answer brought the peer's key: what it acknowledges is not in the data sequence space. */
void pl_fastopen_accepted(struct pl_subflow *sf, const struct pl_segment *syn_ack, plait_time now);
/* The first segment with both keys goes out: one more follows, for Linux's sake. */
void pl_fastopen_keys_out(struct pl_subflow *sf, plait_time now);
/* Payload of the SYN that opened a connection. */
void pl_fastopen_data_in(struct pl_subflow *sf, struct pl_chunk *chunk, plait_time now);
/* Payload beside both keys, without a length: a Linux client's SYN, again. */
enum pl_verdict pl_fastopen_repeated_in(struct pl_subflow *sf, const struct pl_segment *seg,
                                        plait_time now);
/* Whether a connection that such a SYN opened may send. Before the third ACK the peer's key is not
 * known, so mappings go without a DATA_ACK; Linux takes such a segment, when it is the first, for a
 * sign that MPTCP is over. */
bool pl_fastopen_may_answer(const struct pl_conn *conn);
/* Where subflow sequence numbers of mappings count from: ours, the peer's. */
pl_seq32 pl_fastopen_ssn_out(const struct pl_subflow *sf);
pl_seq32 pl_fastopen_ssn_in(const struct pl_subflow *sf);

/* join.c: MP_JOIN (section 3.2) */
uint32_t pl_join_write(struct pl_subflow *sf, const struct pl_seg_out *seg, uint8_t *out,
                       uint32_t room, plait_time now);
enum pl_verdict pl_join_in(struct pl_subflow *sf, const struct pl_segment *seg,
                           enum pl_seg_kind kind, plait_time now);
/* The HMAC of a SYN/ACK that answers a join. */
void pl_join_answer(const struct pl_conn *conn, uint32_t nonce_local, uint32_t nonce_remote,
                    uint8_t hmac[8]);
void pl_join_run(struct pl_conn *conn, plait_time now);
plait_time pl_join_deadline(const struct pl_conn *conn);

/* dss.c: mappings and DATA_ACKs on the wire (section 3.3) */
uint32_t pl_dss_write_data(struct pl_subflow *sf, const struct pl_seg_out *seg, uint8_t *out,
                           uint32_t room);
uint32_t pl_dss_write_ack(struct pl_subflow *sf, uint8_t *out, uint32_t room, plait_time now);
enum pl_verdict pl_dss_in(struct pl_subflow *sf, const struct pl_segment *seg, plait_time now);
/* After a fallback in mid-connection, of which the peer need not know: payload that is not, as its
 * mapping has it, the stream's next. The peer says it once more. */
bool pl_dss_strays(const struct pl_subflow *sf, const struct pl_segment *seg);
/* A checksum that was not negotiated, or none though it was: the subflow is reset. */
enum pl_verdict pl_dss_not_as_agreed(struct pl_subflow *sf);
uint16_t pl_dss_checksum(pl_seq64 dsn, uint32_t ssn, uint16_t len, uint64_t payload_sum);

/* map.c: from subflow sequence numbers to the stream */
struct pl_map_in {
    pl_seq32 seq;
    uint32_t len; /* payload bytes, > 0 */
    pl_seq64 dsn;
    uint16_t wire_len, checksum;
};
enum pl_verdict pl_map_add(struct pl_subflow *sf, const struct pl_map_in *in, plait_time now);
void pl_map_data_in(struct pl_subflow *sf, pl_seq32 seq, struct pl_chunk *chunk, plait_time now);
void pl_map_clear(struct pl_subflow *sf);
void pl_map_check(const struct pl_subflow *sf);
/* Mappings are void from here on: what was held for this one, and all that follows, waits. */
void pl_map_doubt(struct pl_subflow *sf, struct pl_map *map);
/* The subflow is plain TCP now: what it has acknowledged and held back is the stream's next. */
void pl_map_flush(struct pl_subflow *sf, plait_time now);

/* send.c: the send queue */
void pl_send_init(struct pl_conn *conn, uint32_t limit_bytes);
void pl_send_fini(struct pl_conn *conn);
/* An aborted connection sends nothing more. */
void pl_send_drop(struct pl_conn *conn);
void pl_send_start(struct pl_conn *conn, pl_seq64 first);
/* The next byte to be acknowledged is called `una` from here on; nothing was repeated yet. */
void pl_send_renumber(struct pl_conn *conn, pl_seq64 una);
/* The last bytes that were given to a subflow count as never sent. */
void pl_send_take_back(struct pl_conn *conn, uint32_t bytes);
enum pl_tcp_next pl_send_next(struct pl_subflow *sf, uint32_t max_bytes, uint32_t unit,
                              struct pl_tcp_payload *out, plait_time now);
void pl_send_data_ack(struct pl_conn *conn, pl_seq64 ack, uint64_t window, plait_time now);
int64_t pl_send_room(struct pl_conn *conn);
bool pl_send_writable(const struct pl_conn *conn);
void pl_send_append(struct pl_conn *conn, struct pl_chunk *chunk);
bool pl_send_all_sent(const struct pl_conn *conn);
bool pl_send_outstanding(const struct pl_conn *conn);
void pl_send_wake_writer(struct pl_conn *conn);
void pl_send_check(const struct pl_conn *conn);
uint16_t pl_send_checksum(const struct pl_chunk *chunk, uint32_t offset, uint32_t len,
                          uint64_t *sum);

/* reinject.c: data-level retransmission (section 3.3.6) */
void pl_reinject_add(struct pl_conn *conn, pl_seq64 dsn, struct pl_chunk *chunk, uint32_t offset,
                     uint32_t len, uint32_t from);
void pl_reinject_subflow(struct pl_subflow *sf, plait_time now);
bool pl_reinject_next(struct pl_subflow *sf, uint32_t max_bytes, struct pl_tcp_payload *out,
                      plait_time now);
/* MP_FAIL came on a RST: the peer has thrown away what it acknowledged from `dsn` on. */
void pl_reinject_failed(struct pl_subflow *sf, pl_seq64 dsn, plait_time now);
bool pl_reinject_copy(struct pl_subflow *sf, uint32_t max_bytes, struct pl_tcp_payload *out,
                      plait_time now);
void pl_reinject_clear(struct pl_conn *conn);
void pl_reinject_check(const struct pl_conn *conn);
void pl_reinject_run(struct pl_conn *conn, plait_time now);
/* There is a subflow again: what stale ones hold has somewhere to go. */
void pl_reinject_stale(struct pl_conn *conn, plait_time now);
plait_time pl_reinject_deadline(const struct pl_conn *conn);
bool pl_reinject_head(struct pl_subflow *sf, uint32_t max_bytes, struct pl_tcp_payload *out,
                      plait_time now);

/* recv.c: reassembly and reading */
void pl_recv_init(struct pl_conn *conn, uint32_t limit_bytes);
void pl_recv_fini(struct pl_conn *conn);
/* The next byte to arrive is called `first`; what arrived before can be read already. */
void pl_recv_start(struct pl_conn *conn, pl_seq64 first);
void pl_recv_deliver(struct pl_subflow *sf, pl_seq64 dsn, struct pl_chunk *chunk, plait_time now);
void pl_recv_check(const struct pl_conn *conn);
void pl_recv_fin(struct pl_conn *conn, pl_seq64 fin_dsn, plait_time now);
/* Payload of unknown place was thrown away after its subflow had acknowledged it. */
void pl_recv_lost(struct pl_conn *conn);
/* The window to advertise; and: it was advertised, so its right edge stays. */
uint32_t pl_recv_window(const struct pl_conn *conn);
/* There is enough to read, or nothing more will come. */
bool pl_recv_readable(const struct pl_conn *conn);
void pl_recv_promise(struct pl_conn *conn);
void pl_recv_set_limit(struct pl_conn *conn, uint32_t bytes);
void pl_recv_tuned(struct pl_conn *conn);
/* New payload: the window follows the rate. */
void pl_recv_arrived(struct pl_conn *conn, uint32_t bytes, plait_time now);
/* Throws away what could be read. */
void pl_recv_discard(struct pl_conn *conn, plait_time now);
void pl_recv_make_room(struct pl_conn *conn, pl_seq64 dsn, uint32_t bytes);
void pl_recv_read_done(struct pl_conn *conn, plait_time now);
/* Takes up to max bytes off the ready queue as a chunk of its own (next NULL), or NULL. */
struct pl_chunk *pl_recv_take(struct pl_conn *conn, uint32_t max_bytes);

/* Throws away what waits for bytes before it. */
void pl_recv_drop_ahead(struct pl_conn *conn);

/* pressure.c: bytes that may be written though memory is short. Not all of it may be: two ends that
 * fill theirs with what they want to send could not receive, and would wait for each other. */
uint64_t pl_conn_write_room(struct pl_conn *conn);

/* close.c: DATA_FIN, MP_FASTCLOSE, the end (sections 3.3.3, 3.5) */
void pl_close_run(struct pl_conn *conn, plait_time now);
plait_time pl_close_deadline(const struct pl_conn *conn);
enum pl_verdict pl_fastclose_in(struct pl_subflow *sf, const struct pl_segment *seg,
                                enum pl_seg_kind kind, plait_time now);

/* Aborted, in version 0: one subflow says MP_FASTCLOSE until the peer resets it. */
bool pl_conn_fastclosing(const struct pl_conn *conn);
/* A segment but a RST for that subflow. */
enum pl_verdict pl_fastclosing_in(struct pl_subflow *sf, const struct pl_segment *seg);

/* urgent.c: RFC 9293 section 3.8.5, plain connections */
/* Bytes beyond the acknowledged ones up to the end of urgent data, 0: none. */
uint32_t pl_urgent_out(struct pl_subflow *sf);
void pl_urgent_in(struct pl_subflow *sf, const struct pl_segment *seg);

/* tune.c: socket options */
const struct pl_tcp_tuning *pl_conn_tuning(const struct pl_conn *conn); /* never NULL */
uint8_t pl_conn_cc(const struct pl_conn *conn);
void pl_conn_tune_fini(struct pl_conn *conn);
plait_time pl_conn_user_deadline(const struct pl_conn *conn);

/* multipath.c: what the application says about paths */
/* It may have subflows from there, and announce it. */
bool pl_conn_may_use(const struct pl_conn *conn, plait_port_id port, const struct plait_addr *addr);
uint32_t pl_conn_subflows_max(const struct pl_conn *conn);
uint32_t pl_conn_add_addr_accepted_max(const struct pl_conn *conn);
void pl_conn_policy_fini(struct pl_conn *conn);
void pl_multipath_run(struct pl_conn *conn, plait_time now);
plait_time pl_multipath_deadline(const struct pl_conn *conn);

/* report.c: the monitor */
void pl_report_life(struct pl_conn *conn);
void pl_report_closed(struct pl_conn *conn);
void pl_report_path(const struct pl_subflow *sf, enum plait_event_type what, int error,
                    uint8_t remote_id);

/* fallback.c: section 3.7 */
enum pl_fallback_reason {
    PL_FALLBACK_SYN_ACK,  /* no MP_CAPABLE in the SYN/ACK */
    PL_FALLBACK_ACK,      /* none in the third ACK */
    PL_FALLBACK_NO_DSS,   /* data or its ACK without DSS before anything was confirmed */
    PL_FALLBACK_INFINITE, /* the peer's infinite mapping */
    PL_FALLBACK_MP_FAIL,
    PL_FALLBACK_SYN, /* no MP_CAPABLE in the SYN, or it could not be served */
};
void pl_fallback(struct pl_conn *conn, struct pl_subflow *sf, enum pl_fallback_reason reason,
                 plait_time now);
/* May this connection still fall back on this subflow? One subflow, nothing out of order. */
bool pl_fallback_possible(const struct pl_conn *conn, const struct pl_subflow *sf);
enum pl_verdict pl_fail_in(struct pl_subflow *sf, const struct pl_segment *seg, plait_time now);
/* MP_FAIL after the fallback: the peer may have missed the answer. */
void pl_fail_again(struct pl_subflow *sf, const struct pl_segment *seg);
/* The checksum of a mapping, which still holds its payload, is wrong. */
void pl_checksum_failed(struct pl_subflow *sf, struct pl_map *map, plait_time now);
/* Whether MP_FAIL went out and the peer has not said yet what becomes of its only subflow. */
bool pl_conn_in_doubt(const struct pl_conn *conn);
void pl_fail_run(struct pl_conn *conn, plait_time now);
plait_time pl_fail_deadline(const struct pl_conn *conn);

/* idle.c: dead paths, seen by a host that only waits */
bool pl_idle_watched(const struct pl_subflow *sf);
plait_time pl_idle_next(const struct pl_subflow *sf);
/* Looks after a watched one; `others`: another subflow can be used. */
void pl_idle_look(struct pl_subflow *sf, bool others, plait_time now);
/* A silent subflow is not silent any more. */
void pl_idle_heard(struct pl_subflow *sf, plait_time now);

/* stale.c: dead paths */
void pl_stale_run(struct pl_conn *conn, plait_time now);
plait_time pl_stale_deadline(const struct pl_conn *conn);
void pl_stale_segment(struct pl_subflow *sf, bool payload, plait_time now);
void pl_stale_rto(struct pl_subflow *sf, int64_t count, plait_time now);
/* The peer says that the address at its end is gone: asks for a sign of life, and ends the subflow
 * when there is none and another one is left (section 3.4.2). */
void pl_stale_doubt(struct pl_subflow *sf, plait_time now);
void pl_stale_recovered(struct pl_subflow *sf, plait_time now);

#endif

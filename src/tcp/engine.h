/* tcp/engine.h - what the files of src/tcp offer each other; nobody else includes it.
 *
 * Every public call ends with pl_tcp_timers_apply(), and puts the connection into its output list
 * with pl_tcp_link() when there may be something to send. A function that calls the upper says so;
 * afterwards the state may be CLOSED, with nothing left in records or islands. */
#ifndef PL_TCP_ENGINE_H
#define PL_TCP_ENGINE_H

#include "plait/error.h"
#include "tcp/state.h"

enum pl_tcp_lost_reason { PL_TCP_LOST_RACK, PL_TCP_LOST_RTO, PL_TCP_LOST_MTU, PL_TCP_LOST_DUPACK };

/* What one acknowledgement said, collected while it is processed. */
struct pl_tcp_ack_facts {
    const struct pl_segment *seg;
    plait_time now;
    uint32_t cum_bytes;     /* sequence space newly acknowledged */
    uint32_t payload_bytes; /* the payload in it */
    uint32_t delivered;     /* newly known to have arrived, cumulatively or selectively */
    uint32_t newly_sacked;
    uint32_t original;                  /* of delivered: was never sent again */
    uint32_t lost;                      /* newly marked lost */
    uint64_t rtt_first_ns, rtt_last_ns; /* of the oldest and the newest segment; 0 = none */
    struct pl_sack_block dsack;
    uint32_t flight_before;
    plait_time rate_sent_at;           /* of the record that rate_mark is from */
    struct pl_tcp_rate_mark rate_mark; /* rate.c */
    bool has_dsack;
    bool round_start;
    bool reordered; /* something arrived after what was sent later */
    bool repair;    /* some of it was sent again before what it echoes: maybe not the first copy */
    bool marked;    /* ECE */
};

/* api.c */
void pl_tcp_link(struct pl_tcp *tcp);
void pl_tcp_set_state(struct pl_tcp *tcp, enum pl_tcp_state state, plait_time now);
/* Loss is being repaired. */
static inline bool pl_tcp_repairing(const struct pl_tcp *tcp) {
    return tcp->rec.phase == PL_TCP_PHASE_RECOVERY || tcp->rec.phase == PL_TCP_PHASE_LOSS;
}
static inline bool pl_tcp_synchronized(const struct pl_tcp *tcp) {
    return tcp->life.state >= PL_TCP_ST_ESTABLISHED;
}

/* control.c */
void pl_tcp_control_start(struct pl_tcp *tcp, uint32_t mss);
void pl_tcp_control_change(struct pl_tcp *tcp);
void pl_tcp_control_stop(struct pl_tcp *tcp);

/* timers.c */
void pl_tcp_timers_init(struct pl_tcp *tcp);
void pl_tcp_timers_apply(struct pl_tcp *tcp);
void pl_tcp_timers_clear(struct pl_tcp *tcp);
void pl_tcp_timers_fire(struct pl_timer *timer, plait_time now);
void pl_tcp_rexmit_restart(struct pl_tcp *tcp, plait_time now);
void pl_tcp_keepalive_restart(struct pl_tcp *tcp, plait_time now);

/* handshake.c */
void pl_tcp_handshake_input(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now);
void pl_tcp_established(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now);
void pl_tcp_early_confirmed(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now);
bool pl_tcp_handshake_output(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now);

/* fastopen.c */
void pl_tcp_fast_fill(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now);
void pl_tcp_fast_answered(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now);

/* input.c */
enum pl_seg_kind pl_tcp_kind(const struct pl_segment *seg);
bool pl_tcp_limit_ok(struct pl_tcp *tcp, plait_time now);

/* close.c */
void pl_tcp_end(struct pl_tcp *tcp, int error, plait_time now);
void pl_tcp_reset(struct pl_tcp *tcp, pl_seq32 seq, bool with_ack);
void pl_tcp_fin_sent(struct pl_tcp *tcp, plait_time now);
void pl_tcp_fin_acked(struct pl_tcp *tcp, plait_time now);
void pl_tcp_fin_in(struct pl_tcp *tcp, plait_time now);
void pl_tcp_time_wait_input(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now);

/* records.c */
struct pl_tcp_record *pl_tcp_record_new(struct pl_tcp *tcp);
void pl_tcp_record_append(struct pl_tcp *tcp, struct pl_tcp_record *rec);
void pl_tcp_record_free(struct pl_tcp *tcp, struct pl_tcp_record *rec);
void pl_tcp_flight_init(struct pl_tcp *tcp);
bool pl_tcp_flight_exists(const struct pl_tcp *tcp);
void pl_tcp_records_clear(struct pl_tcp *tcp);
struct pl_tcp_record *pl_tcp_record_first(const struct pl_tcp *tcp);
struct pl_tcp_record *pl_tcp_record_last(const struct pl_tcp *tcp);
struct pl_tcp_record *pl_tcp_record_next(const struct pl_tcp *tcp, const struct pl_tcp_record *rec);
struct pl_tcp_record *pl_tcp_record_first_lost(const struct pl_tcp *tcp);
struct pl_tcp_record *pl_tcp_record_split(struct pl_tcp *tcp, struct pl_tcp_record *rec,
                                          uint32_t n);
void pl_tcp_record_trim(struct pl_tcp *tcp, struct pl_tcp_record *rec, uint32_t n);
void pl_tcp_record_mark_sent(struct pl_tcp *tcp, struct pl_tcp_record *rec, plait_time now);
void pl_tcp_record_mark_lost(struct pl_tcp *tcp, struct pl_tcp_record *rec);
void pl_tcp_record_mark_sacked(struct pl_tcp *tcp, struct pl_tcp_record *rec);
void pl_tcp_record_mark_flying(struct pl_tcp *tcp, struct pl_tcp_record *rec);
uint32_t pl_tcp_flight(const struct pl_tcp *tcp);
pl_seq32 pl_tcp_sent_end(const struct pl_tcp *tcp);
void pl_tcp_records_check(const struct pl_tcp *tcp);

/* ack.c */
void pl_tcp_ack_in(struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now);

/* sack.c */
void pl_tcp_sack_in(struct pl_tcp *tcp, struct pl_tcp_ack_facts *f);
void pl_tcp_sack_forget(struct pl_tcp *tcp);

/* rack.c */
void pl_tcp_rack_init(struct pl_tcp *tcp);
void pl_tcp_rack_delivered(struct pl_tcp *tcp, const struct pl_tcp_record *rec, pl_seq32 end,
                           struct pl_tcp_ack_facts *f);
void pl_tcp_rack_adapt(struct pl_tcp *tcp, bool dsack, bool recovery_exit);
uint32_t pl_tcp_rack_detect(struct pl_tcp *tcp, plait_time now);
void pl_tcp_rack_timeout(struct pl_tcp *tcp, plait_time now);
void pl_tcp_rack_rto(struct pl_tcp *tcp, plait_time now);
void pl_tcp_rack_lose(struct pl_tcp *tcp, struct pl_tcp_record *rec, enum pl_tcp_lost_reason reason,
                      plait_time now);
void pl_tcp_tlp_reset(struct pl_tcp *tcp);
void pl_tcp_tlp_arm(struct pl_tcp *tcp, plait_time now);
void pl_tcp_tlp_timeout(struct pl_tcp *tcp);
void pl_tcp_tlp_sent(struct pl_tcp *tcp, bool retransmission, plait_time now);
bool pl_tcp_tlp_acked(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f);

/* recovery.c */
void pl_tcp_recovery_ack(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f);
void pl_tcp_recovery_lost(struct pl_tcp *tcp, plait_time now);
void pl_tcp_recovery_repaired(struct pl_tcp *tcp, plait_time now);
void pl_tcp_recovery_sent(struct pl_tcp *tcp, uint32_t bytes, bool retransmission, plait_time now);
void pl_tcp_recovery_rto(struct pl_tcp *tcp, plait_time now); /* calls the upper */

/* ecn.c */
void pl_tcp_ecn_syn(struct pl_tcp *tcp, struct pl_segment *seg);
void pl_tcp_ecn_syn_again(struct pl_tcp *tcp, const struct pl_segment *syn);
void pl_tcp_ecn_settle(struct pl_tcp *tcp, const struct pl_segment *syn);
void pl_tcp_ecn_echo(const struct pl_tcp *tcp, struct pl_segment *seg);
bool pl_tcp_ecn_always(const struct pl_tcp *tcp);
void pl_tcp_ecn_data(struct pl_tcp *tcp, struct pl_tcp_tx *tx);
void pl_tcp_ecn_in(struct pl_tcp *tcp, const struct pl_segment *seg);
bool pl_tcp_ecn_marked(const struct pl_tcp *tcp, const struct pl_segment *seg);

/* undo.c. What was before a reaction to loss: */
struct pl_tcp_undo {
    struct pl_cc cc;
    pl_seq32 start, end;           /* D-SACKs in here are for our retransmissions */
    uint32_t stamp;                /* our timestamp of the first retransmission */
    uint32_t retransmitted, twice; /* bytes: sent again, and reported to have arrived twice */
};
void pl_tcp_undo_begin(struct pl_tcp *tcp);
void pl_tcp_undo_forget(struct pl_tcp *tcp);
void pl_tcp_undo_linger(struct pl_tcp *tcp);
void pl_tcp_undo_sent(struct pl_tcp *tcp, uint32_t bytes, plait_time now);
bool pl_tcp_undo_is_repair(const struct pl_tcp *tcp, const struct pl_tcp_record *rec,
                           const struct pl_segment *seg);
bool pl_tcp_undo_ack(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f);
void pl_tcp_frto_begin(struct pl_tcp *tcp, bool in_recovery);
bool pl_tcp_frto_new_first(const struct pl_tcp *tcp);
void pl_tcp_frto_tried(struct pl_tcp *tcp, bool sent);

/* rtt.c */
void pl_tcp_rtt_init(struct pl_tcp *tcp);
uint64_t pl_tcp_rto_base_ns(const struct pl_tcp *tcp); /* without back-off */
uint64_t pl_tcp_rto_ns(const struct pl_tcp *tcp);
void pl_tcp_rtt_sample(struct pl_tcp *tcp, uint64_t sample_ns, plait_time now);
uint64_t pl_tcp_rtt_of_echo(const struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now);

/* options.c */
uint16_t pl_tcp_mss_offer(const struct pl_tcp *tcp);
uint32_t pl_tcp_mss_raw(const struct pl_tcp *tcp); /* payload plus options */
uint32_t pl_tcp_mss(const struct pl_tcp *tcp);
void pl_tcp_options_default(struct pl_tcp *tcp);
void pl_tcp_options_settle(struct pl_tcp *tcp, const struct pl_segment *syn, plait_time now);
uint32_t pl_tcp_options_syn(struct pl_tcp *tcp, uint8_t *out, bool is_ack, plait_time now);
uint32_t pl_tcp_options_write(struct pl_tcp *tcp, const struct pl_seg_out *what, uint8_t *out,
                              uint32_t limit, plait_time now);
bool pl_tcp_ts_agreed(const struct pl_tcp *tcp);
uint32_t pl_tcp_ts_of(const struct pl_tcp *tcp, plait_time now);
void pl_tcp_ts_remember(struct pl_tcp *tcp, uint32_t value, plait_time now);
bool pl_tcp_ts_lacking(const struct pl_tcp *tcp, const struct pl_segment *seg);
bool pl_tcp_paws_reject(const struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now);

/* uto.c */
void pl_tcp_uto_in(struct pl_tcp *tcp, const struct pl_segment *seg);
uint32_t pl_tcp_uto_put(struct pl_tcp *tcp, uint8_t *out, uint32_t room, bool is_syn);
uint32_t pl_tcp_user_timeout_ms(const struct pl_tcp *tcp);
uint64_t pl_tcp_uto_keep_idle_ns(const struct pl_tcp *tcp);

/* window.c */
uint32_t pl_tcp_window_accept(const struct pl_tcp *tcp);
uint16_t pl_tcp_window_advertise(struct pl_tcp *tcp, bool is_syn);
bool pl_tcp_window_update_due(const struct pl_tcp *tcp);
void pl_tcp_window_update(struct pl_tcp *tcp, const struct pl_segment *seg);
uint32_t pl_tcp_window_usable(const struct pl_tcp *tcp);

/* pmtu.c */
void pl_tcp_pmtu_fini(struct pl_tcp *tcp);
void pl_tcp_pmtu_rto(struct pl_tcp *tcp, plait_time now);
bool pl_tcp_pmtu_is_probe(const struct pl_tcp *tcp, const struct pl_tcp_record *rec);
void pl_tcp_pmtu_lost(struct pl_tcp *tcp);
uint32_t pl_tcp_pmtu_due(struct pl_tcp *tcp, plait_time now);
void pl_tcp_pmtu_sent(struct pl_tcp *tcp, const struct pl_tcp_record *rec);
void pl_tcp_pmtu_later(struct pl_tcp *tcp, plait_time now);

/* pacing.c */
uint64_t pl_tcp_pace_rate(const struct pl_tcp *tcp);
uint32_t pl_tcp_pace_quantum(const struct pl_tcp *tcp);
bool pl_tcp_pace_open(const struct pl_tcp *tcp, plait_time now);
bool pl_tcp_pace_wait(struct pl_tcp *tcp, plait_time now);
void pl_tcp_pace_sent(struct pl_tcp *tcp, uint32_t bytes, plait_time now);

/* rate.c */
void pl_tcp_rate_sent(struct pl_tcp *tcp, struct pl_tcp_record *rec, plait_time now);
void pl_tcp_rate_delivered(struct pl_tcp *tcp, const struct pl_tcp_record *rec,
                           struct pl_tcp_ack_facts *f);
void pl_tcp_rate_limited(struct pl_tcp *tcp);
void pl_tcp_rate_sample(struct pl_tcp *tcp, const struct pl_tcp_ack_facts *f,
                        struct pl_cc_sample *out);

/* receive.c */
void pl_tcp_receive_init(struct pl_tcp *tcp);
void pl_tcp_receive_clear(struct pl_tcp *tcp);
void pl_tcp_receive_duplicate(struct pl_tcp *tcp, pl_seq32 start, pl_seq32 end);
void pl_tcp_receive(struct pl_tcp *tcp, const struct pl_segment *seg, struct plait_buf *buf,
                    plait_time now); /* calls the upper */
unsigned pl_tcp_receive_blocks(struct pl_tcp *tcp, struct pl_sack_block *out, unsigned most);
void pl_tcp_receive_check(const struct pl_tcp *tcp);

/* segment.c: all call the upper (write_options) */
void pl_tcp_segment_echo(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now);
bool pl_tcp_segment_record(struct pl_tcp *tcp, struct pl_tcp_tx *tx, struct pl_tcp_record *rec,
                           plait_time now);
void pl_tcp_segment_ack(struct pl_tcp *tcp, struct pl_tcp_tx *tx, pl_seq32 seq, plait_time now);
void pl_tcp_segment_garbage(struct pl_tcp *tcp, struct pl_tcp_tx *tx);
void pl_tcp_segment_syn(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now);
uint32_t pl_tcp_urgent(const struct pl_tcp *tcp); /* bytes not acknowledged, 0: none */
void pl_tcp_segment_rst(struct pl_tcp *tcp, struct pl_tcp_tx *tx, plait_time now);

#endif

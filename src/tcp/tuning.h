/* tcp/tuning.h - what an application has set about a connection's TCP: its socket options.
 *
 * One struct stands for a whole connection. Every subflow points to it, those that open later too,
 * and reads it where it acts; so an option holds for all of them without being handed on. A
 * connection that nobody has tuned points to pl_tcp_tuning_default and pays for the pointer only.
 * Whoever changes the struct calls pl_tcp_tuned() on each subflow afterwards. */
#ifndef PL_TCP_TUNING_H
#define PL_TCP_TUNING_H

#include "plait/types.h"

enum pl_tcp_quickack { /* PLAIT_OPT_QUICKACK */
                       PL_TCP_QUICKACK_AUTO,
                       PL_TCP_QUICKACK_ON,
                       PL_TCP_QUICKACK_OFF,
};

enum { PL_TCP_UTO_MAX_S = 32767 * 60 }; /* what RFC 5482 can say */

struct pl_tcp_tuning {
    uint64_t pacing_rate_max; /* bytes per second; 0: no bound */
    uint32_t user_timeout_ms; /* 0: the usual patience */
    uint32_t uto_s;           /* what the peer is told of that (RFC 5482); 0: nothing */
    uint32_t window_clamp;    /* bytes advertised at most; 0: no bound */
    uint32_t notsent_lowat;   /* bytes written and never sent, at most; 0: no bound */
    uint32_t receive_lowat;   /* bytes that make a socket readable; at least 1 */
    uint32_t mark;            /* plait_tx.mark */
    uint16_t keep_idle_s, keep_interval_s;
    uint16_t mss_max;   /* payload and options of a segment; 0: what the path bears */
    uint16_t linger2_s; /* in FIN-WAIT-2 without an owner */
    uint8_t keep_count;
    uint8_t syn_count; /* SYNs sent again before giving up; 0: by time alone */
    uint8_t tos;       /* traffic class; the two ECN bits are not the application's */
    uint8_t hops;      /* TTL or hop limit */
    uint8_t quickack;  /* enum pl_tcp_quickack */
    uint8_t cc;        /* enum plait_cc + 1; 0: the stack's */
    bool keepalive, nodelay, cork;
};

extern const struct pl_tcp_tuning pl_tcp_tuning_default;

#endif

/* mptcp/state.h - the structs of a connection and its subflows; see mptcp/conn.h for their life.
 *
 * Who owns what: a connection owns its subflows, its send queue (chunks from data_una on) and its
 * receive queue. Subflows own mappings and payload that waits for a mapping. In-flight payload is
 * referenced by the TCP records of each subflow that carried it. Sequence numbers called dsn are
 * data-level (64 bit), seq are subflow-level (32 bit, absolute). */
#ifndef PL_MPTCP_STATE_H
#define PL_MPTCP_STATE_H

#include "mptcp/conn.h"
#include "mptcp/version.h"
#include "tcp/state.h"

enum pl_mode {
    PL_MODE_MPTCP,
    PL_MODE_PLAIN, /* asked for without MPTCP, or fallen back (RFC 8684 section 3.7) */
};

/* How far the MP_CAPABLE handshake of the first subflow is (RFC 8684 section 3.1). */
enum pl_capable_state {
    PL_CAPABLE_NONE,      /* plain from the start */
    PL_CAPABLE_ASKED,     /* initiator: SYN goes out with the option */
    PL_CAPABLE_ANSWERED,  /* responder: SYN/ACK with our key; the peer's key is not known yet */
    PL_CAPABLE_KEYS,      /* both keys known; no DSS of the peer seen yet */
    PL_CAPABLE_CONFIRMED, /* a DSS of the peer arrived: joins are allowed (fully established) */
};

struct pl_mp_keys {
    uint64_t local_key, remote_key;
    uint32_t token_local, token_remote;
    pl_seq64 idsn_local, idsn_remote;
};

/* A piece of the stream that must go out again, on another subflow than `from`. */
struct pl_reinject {
    struct pl_list link;
    pl_seq64 dsn;
    uint32_t len;
    uint32_t from; /* serial of the subflow that held it, 0: any subflow may take it */
    struct pl_chunk *chunk;
    uint32_t offset;
};

struct pl_send {
    struct pl_chunk *head, *tail; /* head holds the byte at una */
    struct pl_chunk *cursor;      /* holds the byte at nxt */
    uint32_t head_offset, cursor_offset;
    pl_seq64 una, nxt, end;  /* acknowledged, first never sent, end of what was written */
    pl_seq64 window_edge;    /* highest DATA_ACK + window seen */
    pl_seq64 suspect;        /* bytes below may be gone though a subflow acknowledged them */
    pl_seq64 opportunistic;  /* head-of-line bytes up to here were reinjected already */
    pl_seq64 repeated;       /* end of the last byte that went out under a second mapping */
    struct pl_list reinject; /* struct pl_reinject, by dsn of arrival */
    uint32_t limit_bytes, limit_bytes_max;
    plait_time progress;     /* una moved last, or the first byte went out */
    plait_time stalled_at;   /* the stall timer's last turn */
    plait_time fin_resend;   /* when to send DATA_FIN again; after an abort: MP_FASTCLOSE */
    plait_time memory_retry; /* when to wake a writer that found no memory */
    plait_time look_at;      /* when to judge the head of the line again; 0: nobody waits for it */
    uint64_t reinjected_bytes, written_bytes;
    uint32_t reinjected_count; /* mappings */
    uint16_t fin_backoff;
    uint8_t stall_backoff;
    bool tail_own : 1;   /* the tail chunk may grow */
    bool fin_wanted : 1; /* shutdown was asked for */
    bool fin_sent : 1;   /* DATA_FIN (or FIN) went out at least once */
    bool fin_acked : 1;
    bool blocked : 1; /* the application was told AGAIN */
    bool spliced : 1; /* the bytes are another sender's, who has had its Nagle */
};

/* Data that arrived ahead of recv.nxt, sorted by dsn, without overlaps. */
struct pl_ooo {
    struct pl_list link;
    pl_seq64 dsn;
    struct pl_chunk *chunk;
};

struct pl_recv {
    struct pl_chunk *head, *tail; /* ready to read; linked by chunk->next */
    uint32_t head_offset, ready_bytes, ooo_bytes, ooo_count;
    struct pl_list ooo; /* struct pl_ooo */
    pl_seq64 lost_end;  /* end of what was thrown away after its subflow had acknowledged it */
    pl_seq64 nxt;       /* next DSN expected: the DATA_ACK */
    pl_seq64 edge;      /* highest nxt + window advertised */
    pl_seq64 fin_dsn;
    uint32_t limit_bytes; /* upper bound of tuned_bytes */
    uint32_t tuned_bytes; /* what the window is made from now: window.c */
    uint64_t round_bytes; /* payload that arrived in this round */
    uint64_t round_last;  /* and in the last, as far as it was read */
    uint64_t round_read;  /* read_bytes when this round began */
    plait_time round_start;
    plait_time hole_since; /* ooo became non-empty, or nxt moved last while it was not */
    uint64_t read_bytes;
    bool fin_known : 1, fin_reached : 1; /* DATA_FIN seen; everything before it arrived */
    bool starved : 1;                    /* the application was told AGAIN, or was never asked */
};

/* A data sequence mapping of one subflow (RFC 8684 section 3.3.1). */
struct pl_map {
    struct pl_list link; /* by seq */
    pl_seq32 seq;
    uint32_t len; /* payload bytes, DATA_FIN not counted; PL_MAP_INFINITE after fallback */
    pl_seq64 dsn;
    uint64_t sum;      /* running checksum of what arrived */
    uint32_t arrived;  /* bytes held, when checksums are on */
    uint16_t checksum; /* as received */
    uint16_t wire_len; /* data-level length as received (for the checksum's pseudo header) */
    struct pl_chunk *held, *held_tail;
};

enum pl_subflow_phase {
    PL_SF_OPENING, /* handshake runs */
    PL_SF_PRE,     /* join initiator: third ACK sent, its ACK not seen (no data allowed) */
    PL_SF_UP,      /* may carry data */
    PL_SF_CLOSING, /* FIN seen or sent, or being reset: no new data */
    PL_SF_DEAD,    /* TCP said CLOSED; waits for pl_tcp_finished */
};

/* An idle one shall be small: widest members first, flags are bits, and what only a handshake needs
 * shares its place with what only an established subflow needs. */
struct pl_subflow {
    struct pl_tcp tcp;
    struct pl_hash_node flow_node;
    struct pl_list link; /* in conn->subflows */
    struct pl_conn *conn;
    struct pl_list maps; /* struct pl_map */
    struct pl_map *map_spare;
    struct pl_chunk *unmapped, *unmapped_tail; /* payload without a mapping, or in doubt */
    struct pl_ooo *ooo_hint;                   /* where this subflow's last data went */
    plait_time last_in;
    plait_time fail_at; /* when to ask again, in doubt; when payload without a mapping is too old */
    union {
        plait_time join_resend_at; /* OPENING, PRE */
        plait_time probed_at;      /* from UP on: a silent one was asked for a sign of life */
    };
    union {
        struct {
            uint32_t nonce_local, nonce_remote; /* OPENING, PRE */
        };
        pl_seq64 fail_dsn; /* from UP on */
    };
    plait_port_id port;
    uint32_t serial;
    uint32_t gap_us; /* the longest pause between its segments lately */
    uint32_t map_count;
    pl_seq32 unmapped_seq;
    uint32_t unmapped_bytes;
    pl_seq32 infinite_at;        /* where the infinite mapping was said: pl_conn.infinite_sent */
    uint8_t phase;               /* enum pl_subflow_phase */
    uint8_t local_id, remote_id; /* address ids in this connection */
    uint8_t reset_reason;        /* for MP_TCPRST */
    uint8_t fail_count;          /* MP_FAILs sent: asking in doubt, answering after fallback */
    uint8_t syn_count;           /* SYNs sent with MP_CAPABLE */
    uint8_t join_resend;         /* third ACKs of a join sent */
    uint8_t probes;              /* questions since it was heard last */
    bool reset_transient : 1;
    bool initiator : 1;
    bool join : 1;
    bool backup : 1, backup_peer : 1;
    bool stale : 1;        /* sending: RTO ran out; receiving: silent although data is missing */
    bool denied : 1;       /* the scheduler refused it data at its last turn */
    bool windowed : 1;     /* the connection's window left it no whole segment */
    bool declined : 1;     /* had the chance to send and did not; see pl_subflow_output */
    bool doubted : 1;      /* a REMOVE_ADDR came for it, and its path was asked for life */
    bool silent : 1;       /* the last one, idle, and it does not answer: another is looked for */
    bool remove : 1;       /* a REMOVE_ADDR came for it */
    bool removals_due : 1; /* one is to go out on it */
    bool address_due : 1;  /* and, in version 0, the address that is being announced */
    bool prio_pending : 1;
    bool fail_pending : 1;
    bool hmac_failed : 1;
    bool flow_added : 1;
    bool closed_said : 1; /* SF_CLOSED */
    bool give_up : 1;     /* too many RTOs: to be ended outside of TCP code */
    bool reinjected : 1;  /* what it holds was handed to the others */
    bool dss_seen : 1;    /* a DATA_ACK came back on this subflow */
    bool proven : 1;      /* one came with the acknowledgement of payload */
    bool bare : 1;        /* the last new acknowledgement came without any option */
    bool doubtful : 1;    /* a checksum failed: payload waits for the peer's answer to MP_FAIL */
};
static_assert(sizeof(struct pl_subflow) - sizeof(struct pl_tcp) <= 168, "an idle one is small");

struct pl_pm; /* mptcp/pm/table.h */

struct pl_conn {
    struct pl_ctx *ctx;
    const struct pl_conn_host *host;
    struct pl_hash_node token_node;
    struct pl_list settle_link;
    struct pl_timer timer;
    uint64_t user;
    struct pl_policy *policy;                  /* NULL: the default */
    const struct plait_mptcp_version *version; /* offered, then agreed on */
    struct pl_mp_keys keys;
    struct pl_send send;
    struct pl_recv recv;
    struct pl_pm *pm; /* NULL in plain mode */
    const struct pl_sched *sched;
    void *sched_state;                 /* what `sched` remembers; NULL: nothing */
    struct pl_tcp_tuning *tuning;      /* NULL: the defaults */
    struct pl_tcp_cookie *grant;       /* NULL: none; see pl_conn_setup */
    struct pl_conn_fastopen *fastopen; /* NULL: not wanted, or taken */
    struct pl_list subflows;
    pl_seq64 urgent_in, urgent_out; /* urgent.c: the octets behind urgent data */
    plait_time no_subflow_since, orphan_since, closed_at;
    uint64_t bytes_acked;
    struct pl_trace_id trace_id;
    uint32_t subflow_count, serial_next;
    plait_port_id port;
    int error;
    int16_t abort_error; /* abort with it when everything written is acknowledged; 0: do not */
    struct pl_tcp_tuple tuple;    /* of the first subflow */
    uint16_t early_out, early_in; /* SYN payload outside of the data sequence space: fastopen.c */
    uint8_t state : 2;            /* enum pl_conn_state */
    uint8_t mode : 1;             /* enum pl_mode */
    uint8_t capable : 3;          /* enum pl_capable_state */
    uint8_t versions : 2;         /* enum plait_mptcp_versions: which ones it may be */
    bool initiator : 1;
    bool key_given : 1; /* keys.local_key is fixed: a SYN cookie has promised it */
    bool token_added : 1;
    bool checksum : 1;
    bool no_join_remote : 1;
    bool held : 1, orphan : 1, fallen_back : 1;
    bool infinite_pending : 1; /* the next data segment announces the infinite mapping */
    bool infinite_sent : 1;    /* one did, and is not acknowledged */
    bool fastclose : 1;        /* aborted: the peer is told by MP_FASTCLOSE */
    bool connected_said : 1, closed_said : 1, fin_on_ack : 1;
    bool created_said : 1, established_said : 1; /* to the monitor */
    bool counted : 1;                            /* in MPCurrEstab */
    bool transparent : 1;                        /* PLAIT_OPT_TRANSPARENT */
    bool keys_sent : 1;                          /* initiator: a segment with both keys went out */
    bool urgent_came : 1;                        /* urgent_in is valid */
    bool urgent_sends : 1;                       /* urgent_out is valid and not acknowledged */
    bool early : 1;  /* opened by a Fast Open cookie; the third ACK has not come (yet) */
    bool broken : 1; /* since the last progress a middlebox has cost a subflow */
};

#define PL_CONN_TRACE(conn, sf_serial, now, type, a, b, c, d)                                    \
    pl_trace((conn)->ctx, (now), (struct pl_trace_id){(conn)->trace_id.connection, (sf_serial)}, \
             PLAIT_TRACE_##type, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d))

static inline struct pl_subflow *pl_subflow_of_link(struct pl_list *link) {
    return PL_CONTAINER(link, struct pl_subflow, link);
}
#define PL_SUBFLOW_FOREACH(sf, conn)                                        \
    for (struct pl_subflow *sf = pl_subflow_of_link((conn)->subflows.next); \
         &sf->link != &(conn)->subflows; sf = pl_subflow_of_link(sf->link.next))

#endif

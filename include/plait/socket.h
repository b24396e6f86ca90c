/* plait/socket.h - the calls of an application.
 *
 * Life of a socket (plait_socket_state):
 *   NEW          after plait_open: bind, set, connect or listen are legal
 *   CONNECTING   after plait_connect: wait for CONNECTED or ERROR
 *   HELD         an incoming SYN on a deferring listener: plait_confirm or plait_abort
 *   OPEN         read, write, shutdown, splice
 *   LISTENING    accept
 *   DEAD         an error was reported: what had arrived before can be read, then plait_close
 * plait_close ends the id in every state. All calls return 0 or a count, or a negative
 * plait_error; a stale or foreign id gives BAD_SOCKET.
 *
 * Readiness is announced by events, edge-triggered: after AGAIN from read (write) the next
 * READABLE (WRITABLE) comes when there is something to do. plait_poll() tells the level. */
#ifndef PLAIT_SOCKET_H
#define PLAIT_SOCKET_H

#include "plait/stack.h"

enum plait_socket_state {
    PLAIT_SOCKET_NEW,
    PLAIT_SOCKET_CONNECTING,
    PLAIT_SOCKET_HELD,
    PLAIT_SOCKET_OPEN,
    PLAIT_SOCKET_LISTENING,
    PLAIT_SOCKET_DEAD,
};

/* Options for plait_set / plait_get; values are int64_t. Those of TCP and IP have Linux's names and
 * meanings (plait_option_name), hold for every subflow of a connection, those that open later
 * included, and are inherited from a listener. */
enum plait_option {
    PLAIT_OPT_MPTCP,          /* 0/1: see "MPTCP or not" below */
    PLAIT_OPT_NODELAY,        /* 0/1: small segments do not wait for each other (Nagle) */
    PLAIT_OPT_SEND_BUFFER,    /* bytes */
    PLAIT_OPT_RECEIVE_BUFFER, /* bytes */
    PLAIT_OPT_DEFER,          /* listener: hold SYNs until plait_confirm */
    PLAIT_OPT_IS_MPTCP,       /* read only: 1 while the connection speaks MPTCP */
    PLAIT_OPT_STATE,          /* read only: enum plait_socket_state */
    PLAIT_OPT_ERROR,          /* read only: why the socket is DEAD (a negative code) or 0 */
    PLAIT_OPT_SEND_QUEUE,     /* read only: bytes written and not yet data-acknowledged */
    PLAIT_OPT_RECEIVE_QUEUE,  /* read only: bytes that can be read now */
    PLAIT_OPT_USER,           /* any value; given back in events */
    PLAIT_OPT_PORT_MASK,      /* bit i: port id i may carry subflows (ids 1..63); 0 = all */
    PLAIT_OPT_CORK,           /* 0/1: only full segments leave; 200 ms at most */
    PLAIT_OPT_MAXSEG,         /* bytes of payload and options in a segment at most; 0: the path's */
    PLAIT_OPT_KEEPALIVE,      /* 0/1 */
    PLAIT_OPT_KEEPIDLE,       /* seconds of silence before the first probe */
    PLAIT_OPT_KEEPINTVL,      /* seconds between probes */
    PLAIT_OPT_KEEPCNT,        /* probes without an answer that end a subflow */
    PLAIT_OPT_USER_TIMEOUT,   /* ms that written bytes may go unacknowledged; 0: the usual */
    PLAIT_OPT_QUICKACK,       /* 1: acknowledge at once, always; 0: never in haste */
    PLAIT_OPT_SYNCNT,         /* SYNs sent again before giving up; 0: until the time-out */
    PLAIT_OPT_LINGER2,        /* seconds in FIN-WAIT-2 after plait_close */
    PLAIT_OPT_WINDOW_CLAMP,   /* bytes of receive window at most; 0: no bound */
    PLAIT_OPT_MAX_PACING_RATE, /* bytes a second of each subflow at most; 0: no bound */
    PLAIT_OPT_CONGESTION,      /* enum plait_cc */
    PLAIT_OPT_TOS,             /* IPv4 TOS and IPv6 traffic class, without the ECN bits */
    PLAIT_OPT_TTL,             /* IPv4 TTL and IPv6 hop limit */
    PLAIT_OPT_MARK,            /* any 32 bits; handed to the port in plait_tx.mark */
    PLAIT_OPT_NOTSENT_LOWAT,   /* bytes written and never sent at most; 0: no bound */
    PLAIT_OPT_RCVLOWAT,        /* bytes that make a socket readable */
    /* -1: plait_close goes on delivering; 0: it resets. Seconds, in which Linux's close() waits and
     * then goes on delivering all the same: as -1, for plait_close never waits. */
    PLAIT_OPT_LINGER,
    PLAIT_OPT_FREEBIND,     /* 0/1: plait_bind to an address that is not here (yet) */
    PLAIT_OPT_TRANSPARENT,  /* 0/1: connections from and to addresses that are not ours */
    PLAIT_OPT_V6ONLY,       /* 0/1: a listener on any address takes IPv6 only */
    PLAIT_OPT_REUSEADDR,    /* 0/1 (default): listen though connections of the port linger */
    PLAIT_OPT_DEFER_ACCEPT, /* seconds to wait for data before a connection can be accepted */
    PLAIT_OPT_OOBINLINE,    /* always 1: urgent bytes stay in the stream (RFC 6093) */
    PLAIT_OPT_FASTOPEN,     /* listener: TFO connections without their ACK at most; 0: off */
    /* Plain TCP only (RFC 9293 section 3.8.5, RFC 6093): set to 1, what was written and is not
     * acknowledged is urgent (BAD_STATE when there is nothing); read, bytes up to the end of the
     * peer's urgent data, 0 when there is none. */
    PLAIT_OPT_URGENT,
    /* 0/1: plain TCP; see plait_connect. */
    PLAIT_OPT_FASTOPEN_CONNECT,
    PLAIT_OPT_SCHEDULER, /* enum plait_sched, or what plait_scheduler_add gave */
    /* Plain TCP, RFC 5482: seconds of user timeout that the peer is told, at most 1,966,020; both
     * ends then wait for the longer of what they told each other, 100 s to an hour, unless
     * USER_TIMEOUT is set. 0 (default): the option is neither sent nor read. */
    PLAIT_OPT_UTO,
    PLAIT_OPT_PEER_UTO,          /* read only: what the peer has told, seconds; 0: nothing */
    PLAIT_OPT_CONNID,            /* read only: the local token, 0 without MPTCP */
    PLAIT_OPT_PATH_MANAGER,      /* enum plait_pm (plait/multipath.h) */
    PLAIT_OPT_NDIFFPORTS,        /* subflows of that path manager, the first included */
    PLAIT_OPT_SUBFLOWS_MAX,      /* at most as the stack's */
    PLAIT_OPT_ADD_ADDR_ACCEPTED, /* addresses of the peer that are used at most */
    PLAIT_OPT_MPTCP_VERSIONS,    /* enum plait_mptcp_versions; more than V1 needs plait_config.v0 */
    PLAIT_OPT_FATE_SHARING,      /* 0/1: the connection ends (ABORTED) with its first subflow */
    PLAIT_OPT_COUNT,
};
/* MPTCP or not (RFC 6897 sections 4.2.1 and 5.3.2). By default as the stack's configuration says;
 * but a socket that was bound to an address or a port, and was not told, gets plain TCP, for
 * whoever binds means this one path. Set to 1 (before connect or listen) and bound, it is MPTCP
 * that uses only what it was bound to and what plait_multipath_add names. Once connected, the
 * option says whether the peer took part. */
/* Linux's name of an option ("TCP_NODELAY"), "PLAIT_..." for our own, NULL for what is none; and
 * back, NO_OPTION for a name that is none. "IPV6_TCLASS", "IPV6_UNICAST_HOPS" are TOS and TTL. */
const char *plait_option_name(enum plait_option option);
int plait_option_find(const char *name);
/* As plait_set, for values that a person wrote: a number, or for TCP_CONGESTION,
 * PLAIT_SCHEDULER and PLAIT_PATH_MANAGER a name ("cubic", "redundant"). */
PLAIT_MUST_CHECK int plait_set_text(struct plait_stack *stack, plait_sock sock, const char *name,
                                    const char *value);

PLAIT_MUST_CHECK int plait_open(struct plait_stack *stack, plait_sock *out);
PLAIT_MUST_CHECK int plait_set(struct plait_stack *stack, plait_sock sock, enum plait_option option,
                               int64_t value);
PLAIT_MUST_CHECK int plait_get(struct plait_stack *stack, plait_sock sock, enum plait_option option,
                               int64_t *value);
/* Local side. port 0: any; addr NULL or family NONE: any; local TCP port 0: any. */
PLAIT_MUST_CHECK int plait_bind(struct plait_stack *stack, plait_sock sock, plait_port_id port,
                                const struct plait_addr *addr, uint16_t tcp_port);
/* Accepts connections for the bound TCP port; TCP port 0 on a PLAIT_PORT_ANY_ADDRESS port takes
 * every port, elsewhere a free one is picked (plait_local() tells). `backlog` (1 at least) bounds
 * the handshakes that run and, for itself, the connections that wait for plait_accept, as on Linux:
 * while the latter are so many, SYNs are dropped and handshakes stay unfinished. */
PLAIT_MUST_CHECK int plait_listen(struct plait_stack *stack, plait_sock sock, uint32_t backlog);
/* Starts on the first address that fits (bound, PORT_MASK, family, port up) in the order in which
 * addresses were added, backups last; while there is no answer another port's is tried as well
 * every second. Errors: NO_ADDRESS, IN_USE, LIMIT, NO_MEMORY; then the socket is still NEW.
 *
 * With PLAIT_OPT_FASTOPEN_CONNECT and without MPTCP it asks the peer for a Fast Open cookie (RFC
 * 7413). When one is known, nothing leaves yet: the socket is WRITABLE, and the first plait_write
 * (or plait_splice to it) starts on the first path only, with what fits of the bytes in the SYN.
 * They may reach the application at the other end twice, so ask for this only where that does no
 * harm, and where it is you who speaks first. plait_shutdown starts it without bytes. Errors are
 * that call's then, and the socket is DEAD. */
PLAIT_MUST_CHECK int plait_connect(struct plait_stack *stack, plait_sock sock,
                                   const struct plait_endpoint *remote, plait_time now);
/* Next connection of a listener (OPEN, or HELD with PLAIT_OPT_DEFER), or AGAIN. */
PLAIT_MUST_CHECK int plait_accept(struct plait_stack *stack, plait_sock listener, plait_sock *out);
/* Answers a held SYN with SYN/ACK. */
PLAIT_MUST_CHECK int plait_confirm(struct plait_stack *stack, plait_sock sock, plait_time now);

/* Queues bytes; returns how many (may be fewer), AGAIN, CLOSED or the connection's error. */
PLAIT_MUST_CHECK int64_t plait_write(struct plait_stack *stack, plait_sock sock, const void *data,
                                     size_t len, plait_time now);
/* Reads in order; 0 means end of stream (the peer's FIN or DATA_FIN was read). */
PLAIT_MUST_CHECK int64_t plait_read(struct plait_stack *stack, plait_sock sock, void *data,
                                    size_t len, plait_time now);
/* As plait_write, of the bytes [offset, offset + len) of a buffer, without a copy: the connection
 * takes a reference, and they must not change until `buf->refs` says that it is gone. Less than a
 * quarter of the buffer's capacity, or when memory is short, is copied all the same. */
PLAIT_MUST_CHECK int64_t plait_write_buf(struct plait_stack *stack, plait_sock sock,
                                         struct plait_buf *buf, uint32_t offset, uint32_t len,
                                         plait_time now);
/* What plait_read would give, where it is: up to `max` slices, borrowed until the next call that
 * acts on the stack. Returns how many, 0 when there is nothing to read now, or an error. */
PLAIT_MUST_CHECK int plait_peek(struct plait_stack *stack, plait_sock sock,
                                struct plait_slice *slices, unsigned max);
/* As plait_read, but the bytes go nowhere: they were peeked at. */
PLAIT_MUST_CHECK int64_t plait_skip(struct plait_stack *stack, plait_sock sock, size_t len,
                                    plait_time now);
/* Moves up to max bytes from one receive queue to another's send queue without a copy. Returns
 * bytes, 0 at end of stream, AGAIN if nothing can move now, or an error of either side. */
PLAIT_MUST_CHECK int64_t plait_splice(struct plait_stack *stack, plait_sock from, plait_sock to,
                                      size_t max, plait_time now);
/* Ends the sending direction after what was written (FIN / DATA_FIN). */
PLAIT_MUST_CHECK int plait_shutdown(struct plait_stack *stack, plait_sock sock, plait_time now);
/* Gives the socket up; what was written is still delivered. Unread data turns it into an abort, and
 * a HELD SYN is refused. No event follows for this id. */
int plait_close(struct plait_stack *stack, plait_sock sock, plait_time now);
/* RST / MP_FASTCLOSE (RFC 8684 section 3.5), then as close. On a HELD socket `error` chooses the
 * answer: REFUSED sends RST, everything else says nothing more. */
int plait_abort(struct plait_stack *stack, plait_sock sock, int error, plait_time now);
/* As plait_abort, but what was written is delivered before; what arrives is thrown away. */
int plait_abort_delivered(struct plait_stack *stack, plait_sock sock, int error, plait_time now);

enum plait_poll_bit {
    PLAIT_POLL_READ = 1 << 0,  /* plait_read would not say AGAIN */
    PLAIT_POLL_WRITE = 1 << 1, /* plait_write would not say AGAIN */
    PLAIT_POLL_DEAD = 1 << 2,
};
int plait_poll(struct plait_stack *stack, plait_sock sock);

int plait_local(struct plait_stack *stack, plait_sock sock, struct plait_endpoint *out);
int plait_remote(struct plait_stack *stack, plait_sock sock, struct plait_endpoint *out);

/* ---- events ---- */

enum plait_event_type {
    PLAIT_EVENT_NONE,
    PLAIT_EVENT_ACCEPT,    /* listener: plait_accept has something */
    PLAIT_EVENT_CONNECTED, /* the first subflow is established */
    PLAIT_EVENT_READABLE,  /* data or end of stream */
    PLAIT_EVENT_WRITABLE,
    PLAIT_EVENT_ERROR,          /* the socket is DEAD; `error` says why */
    PLAIT_EVENT_CLOSED,         /* both directions have ended and all was acknowledged */
    PLAIT_EVENT_SF_ESTABLISHED, /* the names of `ip mptcp monitor` from here */
    PLAIT_EVENT_SF_CLOSED,
    PLAIT_EVENT_SF_PRIO,
    PLAIT_EVENT_ANNOUNCED,
    PLAIT_EVENT_REMOVED,
    PLAIT_EVENT_FALLBACK, /* the connection goes on as plain TCP */
    PLAIT_EVENT_URGENT,   /* the peer has urgent data, or more of it: PLAIT_OPT_URGENT */
};

struct plait_event {
    uint32_t type;
    plait_sock sock;
    int64_t user;       /* PLAIT_OPT_USER of the socket */
    int error;          /* ERROR, SF_CLOSED: a plait_error */
    plait_port_id port; /* SF_…: over which port */
    uint8_t id;         /* ANNOUNCED, REMOVED, SF_…: the peer's address id */
    bool backup;        /* SF_…: either end says so */
    uint32_t serial;    /* SF_…: as in struct plait_subflow_info */
};

/* Takes the oldest event; false when there is none. READABLE, WRITABLE, URGENT and ACCEPT coalesce;
 * events of paths (SF_..., ANNOUNCED, REMOVED) are lost when 256 of them wait, others never. */
bool plait_event_next(struct plait_stack *stack, struct plait_event *event);

/* ---- what a connection is doing ---- */
/* State of one subflow, for tools (the fields of `ss -M` and TCP_INFO). */
struct plait_subflow_info {
    size_t size;     /* how much of an entry was filled */
    uint32_t serial; /* 1, 2, … in the order of creation */
    plait_port_id port;
    struct plait_endpoint local, remote;
    uint8_t local_id, remote_id;
    bool established, backup, backup_peer, stale;
    uint64_t srtt_ns, rttvar_ns, rto_ns;
    uint32_t cwnd_bytes, ssthresh_bytes, inflight_bytes, mss;
    uint64_t bytes_sent, bytes_acked, bytes_received, retrans_bytes;
    uint64_t segments_sent, segments_received;
    int soft_error; /* what ICMP said since something came from the peer: an error's code, or 0 */
};
/* Fills up to max entries; returns how many subflows there are (`_sized`: docs/api.md). */
int plait_subflows_sized(struct plait_stack *stack, plait_sock sock, void *out, size_t size,
                         unsigned max);
static inline int plait_subflows(struct plait_stack *stack, plait_sock sock,
                                 struct plait_subflow_info *out, unsigned max) {
    return plait_subflows_sized(stack, sock, out, sizeof(*out), max);
}

struct plait_connection_info { /* the fields of MPTCP_INFO that apply */
    size_t size;
    bool mptcp, fallback, checksum;
    uint32_t token_local, token_remote;
    uint64_t write_seq, snd_una, rcv_nxt; /* data-level */
    uint64_t bytes_sent, bytes_acked, bytes_received, reinjected_bytes;
    uint32_t subflows, subflows_max, add_addr_signal, add_addr_accepted;
};
/* out->size 0 or too large: the whole struct; smaller: as much as fits. */
int plait_connection(struct plait_stack *stack, plait_sock sock, struct plait_connection_info *out);

#endif

/* mptcp/host.h - what a connection asks of the stack that holds it. */
#ifndef PL_MPTCP_HOST_H
#define PL_MPTCP_HOST_H

#include "base/list.h"
#include "mptcp/endpoints.h"
#include "plait/monitor.h"
#include "plait/socket.h"
#include "tcp/tcp.h"

struct pl_conn;
struct pl_subflow;

/* What the stack knows about a port when a subflow is opened over it. */
struct pl_flow_port {
    struct pl_list *out_list;
    uint32_t mtu;
    bool tso;
    bool backup;      /* PLAIT_PORT_BACKUP */
    bool transparent; /* asked, not told: the local address need not be the port's */
    pl_seq32 iss;     /* RFC 6528 for this tuple */
    uint32_t ts_offset;
};

struct pl_conn_host {
    /* Prepares a flow: checks that the port exists and is up, fills in tuple->local_port when 0,
     * and describes the port. Errors: BAD_PORT, IN_USE, NO_ADDRESS. Does not register anything. */
    int (*flow_prepare)(void *host, plait_port_id port, struct pl_tcp_tuple *tuple,
                        struct pl_flow_port *out, plait_time now);
    /* PLAIT_PORT_… of a port; 0 when it is gone. */
    uint32_t (*port_flags)(void *host, plait_port_id port);
    /* Registers / forgets sf->flow_node under its tuple for demultiplexing. */
    void (*flow_add)(void *host, struct pl_subflow *sf);
    void (*flow_remove)(void *host, struct pl_subflow *sf);
    /* Registers conn->token_local; false when the token is taken. */
    bool (*token_add)(void *host, struct pl_conn *conn);
    void (*token_remove)(void *host, struct pl_conn *conn);
    /* Tells the application: `event->sock` and `user` are filled in by the stack. READABLE,
     * WRITABLE may be said more often than needed. */
    void (*event)(void *host, struct pl_conn *conn, const struct plait_event *event);
    /* For plait/monitor.h, while `monitored`. */
    void (*report)(void *host, const struct plait_monitor_event *event);
    bool monitored;
    /* Connections that want pl_conn_settle(); the connection appends its settle_link. */
    struct pl_list *settle_list;
    const struct pl_endpoints *endpoints;
    void *arg; /* the `host` of the functions above */
};

#endif

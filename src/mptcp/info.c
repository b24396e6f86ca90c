/* mptcp/info.c - what a connection tells about itself, and conversions between its links. */
#include <string.h>

#include "base/assert.h"
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp/subflow.h"
#include "tcp/info.h"

struct pl_tcp *pl_subflow_tcp(struct pl_subflow *sf) {
    return &sf->tcp;
}

struct pl_subflow *pl_subflow_of_tcp_link(struct pl_list *out_link) {
    struct pl_tcp *tcp = PL_CONTAINER(out_link, struct pl_tcp, out_link);
    return PL_CONTAINER(tcp, struct pl_subflow, tcp);
}

struct pl_subflow *pl_subflow_of_flow_node(struct pl_hash_node *node) {
    return PL_CONTAINER(node, struct pl_subflow, flow_node);
}

struct pl_conn *pl_conn_of_token_node(struct pl_hash_node *node) {
    return PL_CONTAINER(node, struct pl_conn, token_node);
}

struct pl_conn *pl_conn_of_settle_link(struct pl_list *link) {
    return PL_CONTAINER(link, struct pl_conn, settle_link);
}

struct pl_conn *pl_subflow_conn(struct pl_subflow *sf) {
    return sf->conn;
}

struct pl_hash_node *pl_subflow_flow_node(struct pl_subflow *sf) {
    return &sf->flow_node;
}

struct pl_hash_node *pl_conn_token_node(struct pl_conn *conn) {
    return &conn->token_node;
}

plait_port_id pl_subflow_port(const struct pl_subflow *sf) {
    return sf->port;
}

uint32_t pl_conn_token(const struct pl_conn *conn) {
    return conn->keys.token_local;
}

void pl_conn_set_user(struct pl_conn *conn, uint64_t user) {
    conn->user = user;
}

uint64_t pl_conn_user(const struct pl_conn *conn) {
    return conn->user;
}

enum pl_conn_state pl_conn_state(const struct pl_conn *conn) {
    return conn->state;
}

int pl_conn_error(const struct pl_conn *conn) {
    return conn->error;
}

bool pl_conn_is_mptcp(const struct pl_conn *conn) {
    return conn->mode == PL_MODE_MPTCP && conn->capable >= PL_CAPABLE_KEYS;
}

const struct pl_tcp_tuple *pl_conn_tuple(const struct pl_conn *conn) {
    return &conn->tuple;
}

void pl_conn_info(const struct pl_conn *conn, struct plait_connection_info *out) {
    const struct pl_send *s = &conn->send;
    *out = (struct plait_connection_info){
        .size = sizeof *out,
        .mptcp = pl_conn_is_mptcp(conn),
        .fallback = conn->fallen_back,
        .checksum = conn->checksum,
        .token_local = conn->keys.token_local,
        .token_remote = conn->keys.token_remote,
        .write_seq = s->end.v,
        .snd_una = s->una.v,
        .rcv_nxt = conn->recv.nxt.v,
        .bytes_sent = s->written_bytes,
        .bytes_acked = conn->bytes_acked,
        .bytes_received = conn->recv.read_bytes + conn->recv.ready_bytes,
        .reinjected_bytes = s->reinjected_bytes,
        .subflows = conn->subflow_count,
        .subflows_max = pl_conn_subflows_max(conn),
    };
    if (conn->pm != NULL) {
        out->add_addr_signal = conn->pm->announcement_count;
        out->add_addr_accepted = conn->pm->remote_count > 0 ? conn->pm->remote_count - 1U : 0;
    }
}

static uint8_t small(uint32_t n) {
    return n < UINT8_MAX ? (uint8_t)n : UINT8_MAX;
}

/* How long ago something happened last on any subflow. */
static void fill_ages(const struct pl_conn *conn, struct plait_mptcp_info *out, plait_time now) {
    bool first = true;
    PL_SUBFLOW_FOREACH(sf, conn) {
        struct plait_tcp_info tcp;
        pl_tcp_info_linux(&sf->tcp, &tcp, now);
        uint32_t sent = tcp.tcpi_last_data_sent, data = tcp.tcpi_last_data_recv;
        uint32_t ack = tcp.tcpi_last_ack_recv;
        out->mptcpi_last_data_sent =
            first || sent < out->mptcpi_last_data_sent ? sent : out->mptcpi_last_data_sent;
        out->mptcpi_last_data_recv =
            first || data < out->mptcpi_last_data_recv ? data : out->mptcpi_last_data_recv;
        out->mptcpi_last_ack_recv =
            first || ack < out->mptcpi_last_ack_recv ? ack : out->mptcpi_last_ack_recv;
        first = false;
    }
}

static void fill_paths(const struct pl_conn *conn, struct plait_mptcp_info *out) {
    const struct pl_endpoints *table = conn->host->endpoints;
    uint32_t live = 0, joined = 0, opened = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        bool alive = sf->phase == PL_SF_UP || sf->phase == PL_SF_CLOSING;
        live += alive ? 1 : 0;
        joined += alive && sf->join ? 1 : 0;
        opened += alive && sf->join && sf->initiator ? 1 : 0;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t flags = table->entry[i].flags;
        out->mptcpi_add_addr_signal_max += (flags & PLAIT_ADDRESS_SIGNAL) != 0 ? 1 : 0;
        out->mptcpi_local_addr_max += (flags & PLAIT_ADDRESS_SUBFLOW) != 0 ? 1 : 0;
        out->mptcpi_endp_fullmesh_max += (flags & PLAIT_ADDRESS_FULLMESH) != 0 ? 1 : 0;
    }
    out->mptcpi_subflows = small(joined);
    out->mptcpi_local_addr_used = small(opened);
    out->mptcpi_subflows_total = small(live);
}

bool pl_conn_mptcp_info(const struct pl_conn *conn, struct plait_mptcp_info *out, plait_time now) {
    const struct pl_send *s = &conn->send;
    bool key = conn->capable >= PL_CAPABLE_KEYS;
    if (conn->mode != PL_MODE_MPTCP && !conn->fallen_back) {
        return false;
    }
    *out = (struct plait_mptcp_info){
        .mptcpi_subflows_max = small(pl_conn_subflows_max(conn)),
        .mptcpi_add_addr_accepted_max = small(pl_conn_add_addr_accepted_max(conn)),
        .mptcpi_flags = (conn->fallen_back ? (uint32_t)PLAIT_MPTCP_INFO_FALLBACK : 0) |
                        (key ? (uint32_t)PLAIT_MPTCP_INFO_REMOTE_KEY_RECEIVED : 0),
        .mptcpi_token = conn->keys.token_local,
        .mptcpi_write_seq = s->end.v,
        .mptcpi_snd_una = s->una.v,
        .mptcpi_rcv_nxt = conn->recv.nxt.v,
        .mptcpi_csum_enabled = conn->checksum,
        .mptcpi_retransmits = s->reinjected_count,
        .mptcpi_bytes_retrans = s->reinjected_bytes,
        .mptcpi_bytes_sent = (uint64_t)pl_seq64_diff(s->nxt, s->una) + conn->bytes_acked,
        .mptcpi_bytes_received = conn->recv.read_bytes + conn->recv.ready_bytes,
        .mptcpi_bytes_acked = conn->bytes_acked,
    };
    if (conn->pm != NULL) {
        out->mptcpi_add_addr_signal = conn->pm->announcement_count;
        out->mptcpi_add_addr_accepted = (uint8_t)(conn->pm->remote_count - 1);
    }
    fill_paths(conn, out);
    fill_ages(conn, out, now);
    return true;
}

static void subflow_info(const struct pl_subflow *sf, struct plait_subflow_info *out) {
    struct pl_tcp_info tcp;
    pl_tcp_info(&sf->tcp, &tcp);
    memset(out, 0, sizeof *out); /* what lies between the members, too */
    out->size = sizeof *out;
    out->serial = sf->serial;
    out->port = sf->port;
    out->local.addr = sf->tcp.tuple.local;
    out->local.port = sf->tcp.tuple.local_port;
    out->remote.addr = sf->tcp.tuple.remote;
    out->remote.port = sf->tcp.tuple.remote_port;
    out->local_id = sf->local_id;
    out->remote_id = sf->remote_id;
    out->established = sf->phase == PL_SF_UP;
    out->backup = sf->backup;
    out->backup_peer = sf->backup_peer;
    out->stale = sf->stale;
    out->srtt_ns = tcp.srtt_ns;
    out->rttvar_ns = tcp.rttvar_ns;
    out->rto_ns = tcp.rto_ns;
    out->cwnd_bytes = tcp.cwnd_bytes;
    out->ssthresh_bytes = tcp.ssthresh_bytes;
    out->inflight_bytes = tcp.inflight_bytes;
    out->mss = tcp.mss;
    out->bytes_sent = tcp.bytes_sent;
    out->bytes_acked = tcp.bytes_acked;
    out->bytes_received = tcp.bytes_received;
    out->retrans_bytes = tcp.retrans_bytes;
    out->segments_sent = tcp.segments_sent;
    out->segments_received = tcp.segments_received;
    out->soft_error = tcp.soft_error;
}

bool pl_conn_subflow_info(const struct pl_conn *conn, unsigned index,
                          struct plait_subflow_info *out) {
    unsigned count = 0;
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (count++ == index) {
            subflow_info(sf, out);
            return true;
        }
    }
    PL_ASSERT(count == conn->subflow_count);
    return false;
}

bool pl_conn_tcp_info(const struct pl_conn *conn, uint32_t serial, struct plait_tcp_info *out,
                      plait_time now) {
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (serial == 0 || sf->serial == serial) {
            int64_t unsent = pl_seq64_diff(conn->send.end, conn->send.nxt);
            pl_tcp_info_linux(&sf->tcp, out, now);
            PL_ASSERT(unsent >= 0);
            out->tcpi_notsent_bytes = (uint32_t)unsent;
            return true;
        }
    }
    return false;
}
